//! Whatever the bytes: no panic, the budget is kept, coverage sums to the size, and the same bytes give the same report.

use alcaide_artifact::{decompile, ops, scan};
use alcaide_container::{Fuel, Limits};
use proptest::prelude::*;

use crate::assemble::Asm;

fn check(name: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let limits = Limits { unpacked_bytes: 0, steps: 20_000, entries: 0, depth: 4 };
    let report = scan(name, &bytes, &Fuel::new(limits));
    let coverage = report.parts[0].coverage;
    prop_assert_eq!(coverage.parsed + coverage.payload + coverage.opaque, bytes.len() as u64);
    let again = scan(name, &bytes, &Fuel::new(limits));
    prop_assert_eq!(serde_json::to_string(&report).unwrap(), serde_json::to_string(&again).unwrap());
    let _ = decompile(&bytes, &Fuel::new(limits));
    prop_assert!(ops(&bytes).count() <= bytes.len() + 1);
    Ok(())
}

/// Pickles with something of everything in them.
fn seeds() -> Vec<Vec<u8>> {
    let tensor = Asm::proto(4)
        .op(0x95)
        .raw(200_u64.to_le_bytes())
        .stack_global("torch._utils", "_rebuild_tensor_v2")
        .op(b'(')
        .op(b'(')
        .text("storage")
        .global("torch", "FloatStorage")
        .text("0")
        .text("cpu")
        .int(4)
        .op(b't')
        .op(b'Q')
        .int(0)
        .op(b't')
        .op(b'R')
        .op(0x94)
        .stop();
    let joblib = Asm::proto(3)
        .global("joblib.numpy_pickle", "NumpyArrayWrapper")
        .op(b')')
        .op(0x81)
        .op(b'}')
        .op(b'(')
        .text("shape")
        .int(2)
        .op(0x85)
        .text("dtype")
        .global("numpy", "dtype")
        .args("f8")
        .op(b'R')
        .op(b'u')
        .op(b'b')
        .raw([7; 16])
        .stop();
    let old =
        Asm::bare().raw("(dp0\nS'a\\x41'\np1\nI12\nsVx\\u0416\n(iposix\nerror\nL5L\nF1.5\nd0g1\n").stop();
    let calls = Asm::proto(2)
        .global("builtins", "getattr")
        .global("os", "system")
        .text("x")
        .op(0x86)
        .op(b'R')
        .put(1)
        .get(1)
        .op(b'b')
        .stop();
    let npy = [
        &b"\x93NUMPY\x01\x00\x3d\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }    \n"[..],
        &calls,
    ]
    .concat();
    let legacy = [
        &b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."[..],
        b"\x80\x02N.",
        b"\x80\x02N.",
        &tensor,
        &calls,
    ]
    .concat();
    vec![tensor, joblib, old, calls, npy, legacy]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        check("a.pkl", &bytes)?;
        check("b", &bytes)?;
    }

    #[test]
    fn random_opcodes_are_judged(
        codes in proptest::collection::vec(proptest::sample::select(b"(.0123456789abcdeghijlopqrstuNIJKLMPQRSTUVXF)]}\n\x80\x81\x82\x85\x86\x87\x88\x8c\x90\x91\x92\x93\x94\x95\x96\x97\x98x'\x00\x01".to_vec()), 0..300),
    ) {
        check("a.pkl", &codes)?;
    }

    #[test]
    fn mutated_pickles_are_judged(
        seed in 0_usize..6,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..8),
    ) {
        let mut bytes = seeds()[seed].clone();
        for (at, byte, what) in changes {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => { bytes.remove(at); }
                _ if bytes.len() > 1 => bytes.truncate(at.max(1)),
                _ => {}
            }
        }
        check("a.pkl", &bytes)?;
        check("b.bin", &bytes)?;
    }
}

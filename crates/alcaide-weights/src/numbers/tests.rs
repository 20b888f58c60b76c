use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::layout::tests::{Made, gguf};

/// Every type's blocks are what the reference made of them, bit for bit.
fn agree(folder: &Path) {
    for block in Block::ALL {
        let name = format!("{block:?}");
        let name = if name.ends_with('K') { name.replace('K', "_K") } else { name };
        let raw = fs::read(folder.join(format!("{name}.blocks"))).unwrap();
        let expected = fs::read(folder.join(format!("{name}.f32"))).unwrap();
        let expected: Vec<u32> =
            expected.as_chunks().0.iter().map(|four| u32::from_le_bytes(*four)).collect();
        assert!(!expected.is_empty());
        let file = gguf(&[("w", &[expected.len() as u64], block.to_gguf(), &raw)]);
        let layout = Layout::read(&file).unwrap();
        let mut numbers = Numbers::open(&file, &layout, &layout.tensors()[0]).unwrap();
        let mut all = Vec::new();
        numbers.each(|_, piece| all.extend(piece.iter().map(|value| value.to_bits()))).unwrap();
        assert!(all == expected, "{name}");
        // From the middle of one block into the middle of another.
        let mut some = [0.0; 300];
        let (at, size) = (7, 300.min(expected.len() - 20));
        numbers.read(at, &mut some[..size]).unwrap();
        assert!(
            some[..size].iter().map(|value| value.to_bits()).eq(expected[7..7 + size].iter().copied()),
            "{name}"
        );
    }
}

#[test]
fn blocks_are_what_the_reference_says() {
    agree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/blocks"));
}

#[test]
fn fresh_random_blocks_are_what_the_reference_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/peers/venv/bin/python");
    if !python.exists() {
        println!("not judged: the reference of GGUF's blocks: no peers; `cargo xtask peers` installs them");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for seed in ["1", "2"] {
        let script = root.join("tests/peers/gguf_quants.py");
        let out = Command::new(&python).arg(script).args([seed, "600"]).arg(folder.path()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        agree(folder.path());
    }
}

/// binary16 by its definition.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    let value = match bits >> 10 & 31 {
        0 => fraction * 2_f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction) * 2_f64.powi(i32::from(exponent) - 15),
    };
    if bits >> 15 == 1 { -value } else { value }
}

#[test]
fn halves_are_read_and_written_as_defined() {
    for bits in 0..=u16::MAX {
        let (value, expected) = (plain::f16(bits), half(bits));
        assert!(f64::from(value) == expected || value.is_nan() && expected.is_nan(), "{bits:04x}");
        if !value.is_nan() {
            assert_eq!(value.is_sign_negative(), bits >> 15 == 1);
            let mut back = [0; 2];
            encode(&Dtype::F16, &[value], &mut back, |_| false);
            assert_eq!(u16::from_le_bytes(back), bits);
        }
    }
}

/// Of every type that is written back, halfway between two neighbours goes to the even one, the rest to the nearer one.
#[test]
fn numbers_are_rounded_to_the_nearest_even() {
    for dtype in [
        Dtype::F16,
        Dtype::Bf16,
        Dtype::F8(F8::E4M3),
        Dtype::F8(F8::E5M2),
        Dtype::F8(F8::E4M3Fnuz),
        Dtype::F8(F8::E5M2Fnuz),
    ] {
        let bytes = dtype.width().unwrap().bytes as usize;
        let number = |code: u16| {
            let mut out = [0.0];
            plain::decode(&dtype, None, &code.to_le_bytes()[..bytes], &mut out);
            out[0]
        };
        let written = |value: f32| {
            let mut raw = [0; 2];
            encode(&dtype, &[value], &mut raw[..bytes], |_| false);
            u16::from_le_bytes(raw)
        };
        let most = if bytes == 2 { 0x7fff } else { 0x7f };
        let mut tried = 0;
        for code in (0..most).filter(|code| bytes == 1 || code % 7 < 2) {
            let (low, high) = (number(code), number(code + 1));
            if !high.is_finite() || !low.is_finite() || high < low {
                continue;
            }
            // Halves of the steps of bfloat16's smallest numbers are no numbers of 32 bits.
            let middle = low + (high - low) / 2.0;
            if middle == low || middle == high {
                continue;
            }
            let even = code + code % 2;
            assert_eq!(written(middle), even, "{dtype:?} between {code} and the next");
            assert_eq!(
                (written(low), written(middle.next_down()), written(middle.next_up())),
                (code, code, code + 1)
            );
            let sign = if bytes == 2 { 0x8000 } else { 0x80 };
            if code > 0 {
                assert_eq!(written(-low), code | sign, "{dtype:?}");
            }
            tried += 1;
        }
        assert!(tried > 100, "{dtype:?}: {tried}");
    }
    let mut raw = [9, 9];
    encode(&Dtype::F8(F8::E4M3Fnuz), &[-0.0, -0.0], &mut raw, |at| at == 1);
    assert_eq!(raw, [0, 9], "negative zero would be no number; what is kept is kept");
    encode(&Dtype::F8(F8::E4M3), &[1e9, -1e9], &mut raw, |_| false);
    assert_eq!(raw, [0x7e, 0xfe], "what is too large becomes the largest");
}

/// Values of the OCP specification, table 2, and of the FNUZ types.
#[test]
fn floats_of_eight_bits_are_as_specified() {
    let at = |kind: F8, code: usize| kind.table()[code];
    assert_eq!(
        (at(F8::E4M3, 0x7e), at(F8::E4M3, 0x01), at(F8::E4M3, 0x08)),
        (448.0, 2_f32.powi(-9), 2_f32.powi(-6))
    );
    assert!(at(F8::E4M3, 0x7f).is_nan() && at(F8::E4M3, 0xff).is_nan());
    assert_eq!(
        (at(F8::E5M2, 0x7b), at(F8::E5M2, 0x01), at(F8::E5M2, 0xfc)),
        (57_344.0, 2_f32.powi(-16), f32::NEG_INFINITY)
    );
    assert!(at(F8::E5M2, 0x7d).is_nan());
    assert_eq!((at(F8::E4M3Fnuz, 0x7f), at(F8::E5M2Fnuz, 0x7f)), (240.0, 57_344.0));
    assert!(at(F8::E4M3Fnuz, 0x80).is_nan() && at(F8::E5M2Fnuz, 0x80).is_nan());
}

#[test]
fn declared_scales_and_zero_points_are_applied() {
    let codes: Vec<u8> = (0..24).collect();
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let read = |made: Made| {
        let file = made.bytes();
        let layout = Layout::read(&file).unwrap();
        let tensor = layout.find("w").unwrap();
        let mut out = vec![0.0; usize::try_from(tensor.count()).unwrap()];
        Numbers::open(&file, &layout, tensor)?.read(0, &mut out).map(|()| out)
    };
    let base = |dtype| Made::new().tensor("w", dtype, &[3, 8], &codes);
    // None: the whole numbers themselves.
    assert_eq!(read(base("I8")).unwrap()[23], 23.0);
    assert!(matches!(read(base("U8")), Err(NumbersError::Unread { .. })), "it may be packed");
    // One per row; a grid of 2 by 4, whose last row is half as high; and one for all.
    let rows = read(base("I8").tensor("w_scale", "F32", &[3, 1], &floats(&[1.0, 10.0, 100.0]))).unwrap();
    assert_eq!((rows[7], rows[8], rows[23]), (7.0, 80.0, 2_300.0));
    let grid: Vec<f32> = (1_u8..=8).map(f32::from).collect();
    let grid = base("U8").tensor("w_scale_inv", "F32", &[2, 4], &floats(&grid));
    let zeros = grid.tensor("w_zero_point", "I8", &[2, 4], &[1; 8]);
    let values = read(zeros).unwrap();
    assert_eq!((values[0], values[2], values[8 + 7], values[16]), (-1.0, 2.0, 14.0 * 4.0, 15.0 * 5.0));
    assert_eq!(
        read(base("F8_E4M3").tensor("w_scale", "F32", &[], &floats(&[2.0]))).unwrap()[8],
        2_f32.powi(-5)
    );
    let unfit = [
        ("w_scale", "F32", vec![4_u64, 1], 16),
        ("w_scale", "F32", vec![0, 1], 0),
        ("w_scale", "I8", vec![3], 3),
    ];
    for (name, dtype, shape, bytes) in unfit {
        let read = read(base("I8").tensor(name, dtype, &shape, &vec![0; bytes]));
        assert!(matches!(read, Err(NumbersError::Scales { .. })), "{shape:?}: {read:?}");
    }
}

#[test]
fn no_number_past_the_end_is_read() {
    let file = Made::new().tensor("w", "F32", &[4], &[0; 16]).bytes();
    let layout = Layout::read(&file).unwrap();
    let mut numbers = Numbers::open(&file, &layout, &layout.tensors()[0]).unwrap();
    assert!(numbers.read(1, &mut [0.0; 3]).is_ok());
    assert!(matches!(numbers.read(2, &mut [0.0; 3]), Err(NumbersError::PastEnd { .. })));
    assert!(matches!(numbers.read(u64::MAX, &mut [0.0; 3]), Err(NumbersError::PastEnd { .. })));
    let shorter = file[..file.len() - 1].to_vec();
    let mut numbers = Numbers::open(&shorter, &layout, &layout.tensors()[0]).unwrap();
    assert!(matches!(numbers.read(0, &mut [0.0; 4]), Err(NumbersError::PastEnd { .. })));
}

#![expect(clippy::ptr_arg, reason = "an input is a thing of a known size, which a slice is not")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::align::Sides;
use crate::layout::tests::{Made, gguf};
use crate::layout::{Layout, LayoutError};
use crate::noise::{Noise, prune_half, q4_0, q8_0, quantise};
use crate::numbers::{Numbers, encode};
use crate::tail::fair;

fn key(number: u64) -> Key {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Key::new(bytes)
}

fn message() -> Message {
    Message::new(b"Alcaide, weights, 28 bytes..").unwrap()
}

fn one(rows: usize, values: &[f32]) -> Vec<u8> {
    Made::new().floats("w", &[rows as u64, (values.len() / rows) as u64], values).bytes()
}

fn values(file: &[u8], name: &str) -> Vec<f32> {
    let file = file.to_vec();
    let layout = Layout::read(&file).unwrap();
    let mut out = Vec::new();
    let tensor = layout.find(name).unwrap();
    Numbers::open(&file, &layout, tensor).unwrap().each(|_, piece| out.extend_from_slice(piece)).unwrap();
    out
}

fn marked(file: &Vec<u8>, key: &Key, strength: f32) -> (Vec<u8>, Marked) {
    let mut out = Vec::new();
    let strength = Some(Strength::new(strength).unwrap());
    let marked = embed(file, key, &message(), &Choice::Rule, strength, &mut out).unwrap();
    (out, marked)
}

fn look(file: &Vec<u8>, key: &Key, carriers: &[Carrier], original: Option<(&Vec<u8>, Sides)>) -> Report {
    let claim = Claim { carriers, message: Some(&message()), names: &BTreeMap::new(), tests: 1 };
    let original = original.map(|(input, sides)| Original { input, sides });
    extract(file, key, &claim, original).unwrap()
}

/// The table of `docs/decisions/0011-weights.md`: 4.2 million Gaussian weights, 256 bits.
fn table(rows: usize, strength: f32, floors: [u32; 5]) {
    let before = Noise::new(5).weights(rows * 2048, 0.02);
    let (file, marked) = marked(&one(rows, &before), &key(1), strength);
    let after = values(&file, "w");
    let mut noise = Noise::new(6);
    let attacked = [
        after.clone(),
        quantise(&after, 2048, 127.0),
        quantise(&after, 128, 7.0),
        prune_half(&after),
        after.iter().map(|value| value + noise.gauss() * 0.02).collect(),
    ];
    for ((attacked, floor), name) in
        attacked.iter().zip(floors).zip(["none", "int8", "int4", "prune", "noise"])
    {
        let file = one(rows, attacked);
        let blind = look(&file, &key(1), &marked.carriers, None);
        let informed = look(&file, &key(1), &marked.carriers, Some((&one(rows, &before), Sides::Neither)));
        println!(
            "eps {strength} {name}: blind {} of 256, z {:.1}, p {}; informed {}, z {:.1}",
            blind.matches, blind.z, blind.chance, informed.matches, informed.z
        );
        assert!(blind.matches >= floor, "{name}: {}", blind.matches);
        assert!(informed.matches >= floor, "{name}, informed: {}", informed.matches);
        assert!(blind.chance.ln() < 1e-30_f64.ln() && informed.z > blind.z * 0.99, "{name}");
        assert!((blind.by_matches.ln() - fair(blind.matches, 256).ln()).abs() < 1e-9);
        let wrong = look(&file, &key(2), &marked.carriers, None);
        assert!((90..166).contains(&wrong.matches) && wrong.chance.ln() > 1e-4_f64.ln(), "{name}: {wrong:?}");
        if floor == 256 {
            assert_eq!(blind.read, Some(message()), "{name}");
        }
        assert_eq!(wrong.read, None);
    }
}

/// 16,384 weights for each bit.
#[test]
fn a_mark_survives_quantising_pruning_and_noise() {
    table(2048, 1.0 / 32.0, [256, 256, 256, 256, 253]);
}

/// 4,096 weights for each bit.
#[test]
fn a_mark_in_fewer_weights_survives_if_it_is_stronger() {
    table(512, 1.0 / 16.0, [256, 256, 256, 255, 253]);
}

/// The formula says 0.977 and, with noise, 0.921 of 256: floors are three deviations below.
#[test]
fn a_weak_mark_survives_as_well_as_the_formula_says() {
    table(2048, 1.0 / 64.0, [243, 243, 243, 241, 223]);
}

/// Of keys that know nothing of a file, marked or not, matches are binomial and `Z` has variance 1.
#[test]
fn wrong_keys_are_binomial() {
    let keys = if std::env::var("ALCAIDE_TIER").is_ok_and(|tier| tier == "hours") { 10_000 } else { 2_000 };
    // Trained-like weights: nothing about the bound may need them Gaussian.
    let before = Noise::new(9).trained(192, 256);
    let (file, marked) = marked(&one(192, &before), &key(u64::MAX), 0.25);
    let mut seen = [0_u32; BITS + 1];
    let (mut square, mut sum, mut over) = (0.0, 0.0, 0);
    for number in 0..keys {
        let report = look(&file, &key(number), &marked.carriers, None);
        seen[report.matches as usize] += 1;
        square += report.z * report.z;
        sum += report.z;
        over += u32::from(report.z >= 2.0);
        assert_eq!(report.read, None);
    }
    let count = keys as f64;
    // Dvoretzky, Kiefer, Wolfowitz with Massart's constant holds for laws of whole numbers too: 1 in 100.
    let allowed = ((2.0_f64 / 0.01).ln() / (2.0 * count)).sqrt();
    let mut above = 0;
    for matches in (1..=BITS).rev() {
        above += seen[matches];
        let expected = fair(u32::try_from(matches).unwrap(), 256).ln().exp();
        let distance = (f64::from(above) / count - expected).abs();
        assert!(distance < allowed, "{matches}: {distance} of {allowed}");
    }
    // Chi-square over 16 bins of about equal chance, 99.9 % of 15 degrees of freedom is 37.7.
    let (mut chi, mut bins) = (0.0, 0);
    let (mut observed, mut expected) = (0.0, 0.0);
    for (matches, times) in seen.iter().enumerate() {
        let at = |matches: usize| fair(u32::try_from(matches).unwrap(), 256).ln().exp();
        observed += f64::from(*times);
        expected += count * (at(matches) - at(matches + 1));
        if expected >= count / 18.0 || matches == BITS {
            chi += (observed - expected).powi(2) / expected.max(1e-9);
            bins += 1;
            (observed, expected) = (0.0, 0.0);
        }
    }
    println!(
        "{keys} keys: chi-square {chi:.1} over {bins} bins, mean z {:.3}, mean square {:.3}, z ≥ 2: {over}",
        sum / count,
        square / count
    );
    assert!((10..=17).contains(&bins) && chi < 37.7, "{chi} over {bins}");
    assert!((square / count - 1.0).abs() < 0.12 && (sum / count).abs() < 0.08);
    assert!(f64::from(over) / count < (-2.0_f64).exp() / 2.0);
}

#[test]
fn everything_but_carriers_stays_byte_for_byte() {
    for (dtype, width) in [("F64", 8), ("F32", 4), ("F16", 2), ("BF16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1)] {
        let mut noise = Noise::new(3);
        let mut weights = noise.weights(128 * 512, 0.5);
        // What is pruned stays pruned, what is broken stays broken.
        weights.iter_mut().step_by(10).for_each(|value| *value = 0.0);
        weights[5] = f32::NAN;
        let mut raw = vec![0; weights.len() * width];
        let kind = crate::numbers::Dtype::of_safetensors(dtype);
        encode(&kind, &weights, &mut raw, |_| false);
        let file = Made::new()
            .tensor("a.norm", "U8", &[5], &[1, 2, 3, 4, 5])
            .tensor("w", dtype, &[128, 512], &raw)
            .tensor("embed_tokens.weight", dtype, &[128, 512 - 64], &raw[..128 * (512 - 64) * width])
            .bytes();
        let (after, told) = marked(&file, &key(1), 0.15);
        assert_eq!(after.len(), file.len());
        let layout = Layout::read(&file).unwrap();
        let carrier = layout.find("w").unwrap();
        let inside = |at: usize| (carrier.start..carrier.start + carrier.bytes).contains(&(at as u64));
        assert!(
            file.iter().zip(&after).enumerate().all(|(at, (old, new))| old == new || inside(at)),
            "{dtype}"
        );
        assert_eq!(Layout::read(&after).unwrap(), layout);
        let (old, new) = (values(&file, "w"), values(&after, "w"));
        assert!(
            old.iter().zip(&new).all(|(old, new)| (*old == 0.0) == (*new == 0.0) || width == 1),
            "{dtype}"
        );
        assert!(old.iter().zip(&new).all(|(old, new)| *old != 0.0 || *new == 0.0));
        assert!(new[5].is_nan());
        let zeros = old.iter().filter(|value| **value == 0.0).count() as u64;
        assert_eq!((told.weights, told.moved), (65_536, 65_536 - zeros - 1), "{dtype}");
        let report = look(&after, &key(1), &told.carriers, None);
        println!("{dtype}: {} of 256, z {:.1}", report.matches, report.z);
        assert!(report.matches > 230 && report.chance.ln() < 1e-50_f64.ln(), "{dtype}: {report:?}");
        assert!(look(&file, &key(1), &told.carriers, None).chance.ln() > 1e-4_f64.ln());
    }
}

#[test]
fn a_quantised_gguf_under_another_name_is_recognised() {
    let before = Noise::new(12).weights(512 * 1024, 0.03);
    let (file, told) = marked(&one(512, &before), &key(4), 0.125);
    let after = values(&file, "w");
    for (kind, raw) in [(8, q8_0(&after)), (2, q4_0(&after))] {
        let file = gguf(&[("blk.0.ffn_up.weight", &[512, 1024], kind, &raw)]);
        let names = BTreeMap::from([("w".to_owned(), "blk.0.ffn_up.weight".to_owned())]);
        let claim = Claim { carriers: &told.carriers, message: Some(&message()), names: &names, tests: 1 };
        let report = extract(&file, &key(4), &claim, None).unwrap();
        assert!(report.matches >= 254 && report.read == Some(message()), "{kind}: {report:?}");
        let unnamed = look(&file, &key(4), &told.carriers, None);
        assert_eq!((unnamed.missing.as_slice(), unnamed.chance.ln()), (&["w".to_owned()][..], 0.0));
    }
}

#[test]
fn two_marks_do_not_hide_each_other() {
    let before = Noise::new(14).weights(512 * 1024, 0.03);
    let (first, told) = marked(&one(512, &before), &key(1), 0.125);
    let (both, _) = marked(&first, &key(2), 0.125);
    for number in [1, 2] {
        assert!(look(&both, &key(number), &told.carriers, None).matches >= 254);
    }
}

#[test]
fn permuted_and_scaled_neurons_are_put_back_against_the_original() {
    let (rows, columns) = (384, 512);
    let before = Noise::new(21).weights(rows * columns, 0.03);
    let original = one(rows, &before);
    let (file, told) = marked(&original, &key(1), 0.125);
    let after = values(&file, "w");
    let mut noise = Noise::new(22);
    let (row_order, column_order) = (noise.order(rows), noise.order(columns));
    let scales: Vec<(f32, f32)> = (0..rows).map(|_| (noise.gauss().exp(), noise.gauss().signum())).collect();
    for sides in [Sides::Rows, Sides::Columns, Sides::Both] {
        let mut attacked = vec![0.0; after.len()];
        for row in 0..rows {
            for column in 0..columns {
                let to_row = if sides == Sides::Columns { row } else { row_order[row] };
                let to_column = if sides == Sides::Rows { column } else { column_order[column] };
                // Turned signs are found where the other side stayed in place.
                let size = if sides == Sides::Rows { scales[row].0 * scales[row].1 } else { scales[row].0 };
                attacked[to_row * columns + to_column] = after[row * columns + column] * size;
            }
        }
        for (name, attacked) in [("whole", attacked.clone()), ("int8", quantise(&attacked, columns, 127.0))] {
            let attacked = one(rows, &attacked);
            let blind = look(&attacked, &key(1), &told.carriers, None);
            assert!(blind.matches < 170, "in place nothing is left: {}", blind.matches);
            let informed = look(&attacked, &key(1), &told.carriers, Some((&original, sides)));
            println!(
                "{sides:?} {name}: {} of 256, z {:.1}, sure {}",
                informed.matches, informed.z, informed.aligned_0_1
            );
            assert!(informed.matches >= 250 && informed.z > 100.0, "{sides:?} {name}: {informed:?}");
            let wrong = look(&attacked, &key(2), &told.carriers, Some((&original, sides)));
            assert!(wrong.chance.ln() > 1e-4_f64.ln());
        }
    }
}

/// What the message says without being claimed rests on its checksum alone.
#[test]
fn a_message_that_was_not_claimed_counts_for_its_checksum() {
    let file = one(256, &Noise::new(2).weights(256 * 1024, 1.0));
    for length in Message::LENGTHS {
        let said = Message::new(&vec![0x5a; length]).unwrap();
        let mut out = Vec::new();
        let told = embed(&file, &key(1), &said, &Choice::Rule, Strength::new(0.2), &mut out).unwrap();
        let claim = Claim { carriers: &told.carriers, message: None, names: &BTreeMap::new(), tests: 5 };
        let report = extract(&out, &key(1), &claim, None).unwrap();
        assert_eq!((report.basis, report.read, report.tests), (Basis::Checksum, Some(said), 15));
        assert!((report.chance.ln() - (15.0_f64.ln() - 32.0 * std::f64::consts::LN_2)).abs() < 1e-9);
        let wrong = extract(&out, &key(2), &claim, None).unwrap();
        assert_eq!((wrong.basis, wrong.chance.ln(), wrong.matches), (Basis::Nothing, 0.0, 0));
    }
}

#[test]
fn a_commitment_binds_key_message_and_carriers() {
    let carrier = |name: &str, side| Carrier { name: name.into(), shape: vec![side, 64] };
    let base = commitment(&key(1), &message(), &[carrier("a", 64), carrier("b", 64)]);
    let other = Message::new(b"Alcaide, weights, 28 bytes!!").unwrap();
    for changed in [
        commitment(&key(2), &message(), &[carrier("a", 64), carrier("b", 64)]),
        commitment(&key(1), &other, &[carrier("a", 64), carrier("b", 64)]),
        commitment(&key(1), &message(), &[carrier("a", 64)]),
        commitment(&key(1), &message(), &[carrier("a", 65), carrier("b", 64)]),
        commitment(&key(1), &message(), &[carrier("ab", 64), carrier("", 64)]),
    ] {
        assert_ne!(base, changed);
    }
}

#[test]
fn what_cannot_carry_a_mark_is_refused() {
    let mut out = Vec::new();
    let mut put =
        |file: &Vec<u8>, strength| embed(file, &key(1), &message(), &Choice::Rule, strength, &mut out);
    let small = one(64, &Noise::new(1).weights(64 * 64, 1.0));
    assert!(matches!(put(&small, None), Err(EmbedError::TooFew { weights: 0 })));
    let weak = one(128, &Noise::new(1).weights(128 * 512, 1.0));
    assert!(matches!(put(&weak, Strength::new(0.01)), Err(EmbedError::TooFew { weights: 65_536 })));
    assert!(matches!(put(&weak, None), Err(EmbedError::TooFew { .. })));
    assert!(put(&weak, Strength::new(0.25)).is_ok());
    assert!(matches!(put(&gguf(&[]), None), Err(EmbedError::Format)));
    assert!(matches!(put(&b"no".to_vec(), None), Err(EmbedError::Layout(LayoutError::Short { .. }))));
    assert_eq!([0.0, -0.1, 0.26, f32::NAN].map(Strength::new), [None; 4]);
    assert!(Message::new(b"12345").is_err());
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let failed = embed(&weak, &key(1), &message(), &Choice::Rule, Strength::new(0.25), &mut Full);
    assert!(matches!(failed, Err(EmbedError::Sink(_))));
}

proptest! {
    #[test]
    fn a_codeword_is_read_back_and_one_wrong_bit_of_its_data_is_not(seed: u64, length in 0_usize..3, flip in 0_usize..256) {
        let mut noise = Noise::new(seed);
        let bytes: Vec<u8> = (0..Message::LENGTHS[length]).map(|_| noise.word().to_le_bytes()[0]).collect();
        let said = Message::new(&bytes).unwrap();
        let mut sums: Vec<f64> = codeword(&key(seed), &said).iter().map(|one| if *one { 1.0 } else { -1.0 }).collect();
        prop_assert_eq!(decode(&key(seed), &sums, bytes.len()), Some(said.clone()));
        prop_assert_eq!(decode(&key(!seed), &sums, bytes.len()), None);
        sums[flip] = -sums[flip];
        // Said four times or twice, one of them being wrong is outvoted, or even.
        let read = decode(&key(seed), &sums, bytes.len());
        match length {
            0 => prop_assert_eq!(read, Some(said)),
            2 => prop_assert_eq!(read, None),
            _ => {}
        }
    }
}

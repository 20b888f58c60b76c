use super::*;
use crate::layout::tests::{Made, gguf};
use crate::noise::{Noise, prune_half, q4_0, q8_0, quantise};

/// Names, rows and columns of a small language model, and its weights.
struct Model {
    tensors: Vec<(String, usize, usize, Vec<f32>)>,
}

impl Model {
    fn trained(seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        let mut tensors = Vec::new();
        for layer in 0..4 {
            for (name, rows, columns) in [
                ("self_attn.q_proj", 64, 128),
                ("self_attn.o_proj", 64, 128),
                ("mlp.up_proj", 160, 128),
                ("mlp.down_proj", 128, 160),
            ] {
                let name = format!("model.layers.{layer}.{name}.weight");
                tensors.push((name, rows, columns, noise.trained(rows, columns)));
            }
        }
        Self { tensors }
    }

    fn change(&self, mut change: impl FnMut(&[f32], usize, usize) -> Vec<f32>) -> Self {
        let one = |(name, rows, columns, values): &(String, usize, usize, Vec<f32>)| {
            (name.clone(), *rows, *columns, change(values, *rows, *columns))
        };
        Self { tensors: self.tensors.iter().map(one).collect() }
    }

    fn tuned(&self, part: f32, seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        self.change(|values, _, _| values.iter().map(|value| value + noise.gauss() * part * 0.03).collect())
    }

    fn adapted(&self, rank: usize, seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        self.change(|values, rows, columns| {
            let (left, right) = (noise.weights(rows * rank, 0.02), noise.weights(rank * columns, 0.2));
            let added = |at: usize| -> f32 {
                (0..rank).map(|k| left[at / columns * rank + k] * right[k * columns + at % columns]).sum()
            };
            values.iter().enumerate().map(|(at, value)| value + added(at)).collect()
        })
    }

    fn safetensors(&self) -> Vec<u8> {
        let made = self.tensors.iter().fold(Made::new(), |made, (name, rows, columns, values)| {
            made.floats(name, &[*rows as u64, *columns as u64], values)
        });
        made.bytes()
    }

    /// As halves, in another order, with norms between.
    fn halves(&self) -> Vec<u8> {
        let made = self.tensors.iter().rev().fold(Made::new(), |made, (name, rows, columns, values)| {
            let mut raw = vec![0; values.len() * 2];
            crate::numbers::encode(&crate::numbers::Dtype::Bf16, values, &mut raw, |_| false);
            made.tensor(name, "BF16", &[*rows as u64, *columns as u64], &raw).floats(
                &format!("{name}.norm"),
                &[64],
                &[1.0; 64],
            )
        });
        made.bytes()
    }

    /// Under GGUF's names, in an order of their own.
    fn gguf(&self, kind: u32, quantise: impl Fn(&[f32]) -> Vec<u8>) -> Vec<u8> {
        let mut tensors: Vec<(String, [u64; 2], Vec<u8>)> = Vec::new();
        for (name, rows, columns, values) in &self.tensors {
            let parts: Vec<&str> = name.split('.').collect();
            let called = match parts[4] {
                "q_proj" => "attn_q",
                "o_proj" => "attn_output",
                "up_proj" => "ffn_up",
                _ => "ffn_down",
            };
            tensors.push((
                format!("blk.{}.{called}.weight", parts[2]),
                [*rows as u64, *columns as u64],
                quantise(values),
            ));
        }
        tensors.sort();
        let listed: Vec<(&str, &[u64], u32, &[u8])> = tensors
            .iter()
            .map(|(name, shape, raw)| (name.as_str(), shape.as_slice(), kind, raw.as_slice()))
            .collect();
        gguf(&listed)
    }
}

fn key() -> Key {
    Key::new([9; 32])
}

#[test]
fn descendants_are_told_from_strangers() {
    let (mut derived, mut strange) = (Vec::new(), Vec::new());
    for seed in 0..6 {
        let base = Model::trained(100 + seed);
        let other = Model::trained(200 + seed);
        let card = Card::make(&base.safetensors(), &key()).unwrap();
        let merged = |part: f32, seed: u64| {
            let mut others = Model::trained(seed).tensors.into_iter();
            base.change(|values, _, _| {
                let other = others.next().unwrap().3;
                values.iter().zip(other).map(|(a, b)| a * part + b * (1.0 - part)).collect()
            })
        };
        let mut hold = |name: &str, file: Vec<u8>, related: bool| {
            let found = compare(&card, &key(), &file).unwrap();
            println!(
                "{seed} {name}: {:?}, mean {:.3}, t {:.1}, p {}, at most {:.3}",
                found.verdict, found.mean, found.t, found.chance, found.mean_at_most
            );
            assert_eq!(found.verdict, if related { Verdict::Derives } else { Verdict::DoesNot }, "{name}");
            assert_eq!((found.pairs.len(), found.covered_0_1), (16, 1.0), "{name}");
            if related { derived.push(found.t) } else { strange.push(found.t) }
        };
        hold("the same", base.halves(), true);
        hold("q8_0", base.gguf(8, q8_0), true);
        hold("q4_0", base.gguf(2, q4_0), true);
        hold("int4", base.change(|values, _, columns| quantise(values, columns, 7.0)).safetensors(), true);
        hold("pruned", base.change(|values, _, _| prune_half(values)).safetensors(), true);
        hold("tuned", base.tuned(0.3, seed).safetensors(), true);
        hold("adapted", base.adapted(8, seed).safetensors(), true);
        hold("tuned, q4_0", base.tuned(0.3, seed).gguf(2, q4_0), true);
        hold("half of each", merged(0.5, 300 + seed).safetensors(), true);
        hold("half of each, q4_0", merged(0.5, 300 + seed).gguf(2, q4_0), true);
        hold("unrelated", other.safetensors(), false);
        hold("unrelated, q8_0", other.gguf(8, q8_0), false);
        hold("unrelated, merged", Model::trained(400 + seed).tuned(1.0, seed).halves(), false);
    }
    // The whole curve: every descendant lies above every stranger.
    let least = derived.iter().copied().fold(f64::INFINITY, f64::min);
    let most = strange.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    println!(
        "{} descendants from t {least:.1}, {} strangers up to t {most:.1}",
        derived.len(),
        strange.len()
    );
    assert!(least > 37.6 && most < 5.5);
}

#[test]
fn tensors_are_paired_whatever_they_are_called() {
    let base = Model::trained(7);
    let card = Card::make(&base.safetensors(), &key()).unwrap();
    let found = compare(&card, &key(), &base.gguf(2, q4_0)).unwrap();
    for pair in &found.pairs {
        let (ours, theirs): (Vec<&str>, Vec<&str>) =
            (pair.base.split('.').collect(), pair.candidate.split('.').collect());
        assert_eq!(ours[2], theirs[1], "{pair:?}");
        let same = [
            ("q_proj", "attn_q"),
            ("o_proj", "attn_output"),
            ("up_proj", "ffn_up"),
            ("down_proj", "ffn_down"),
        ];
        assert!(same.contains(&(ours[4], theirs[2])), "{pair:?}");
        assert!(pair.paired == Paired::BySimilarity && pair.cosine > 0.9, "{pair:?}");
    }
    assert_eq!((found.alone.len(), found.unread.len()), (0, 0));
}

/// Of files that a key knows nothing of, a pair's estimate has the deviation that is said of it.
#[test]
fn the_deviation_of_a_cosine_is_bounded() {
    let (a, b) = (Model::trained(1), Model::trained(2));
    let (a, b) = (a.safetensors(), b.safetensors());
    let (mut square, mut bound, mut count) = (0.0, 0.0, 0.0);
    for seed in 0..40 {
        let key = Key::new([seed; 32]);
        let card = Card::make(&a, &key).unwrap();
        for pair in compare(&card, &key, &b).unwrap().pairs {
            square += pair.cosine * pair.cosine;
            bound += pair.deviation * pair.deviation;
            count += 1.0;
        }
    }
    println!(
        "{count} pairs: deviation {:.4}, bound {:.4}",
        f64::sqrt(square / count),
        f64::sqrt(bound / count)
    );
    // The bound has a factor of 2 in the variance for files that are alike.
    assert!(square < bound && square > bound / 6.0);
}

#[test]
fn stacks_of_experts_are_taken_apart_and_strangers_left_alone() {
    let base = Model::trained(3);
    let stack: Vec<f32> =
        base.tensors.iter().filter(|one| one.1 == 160).flat_map(|one| one.3.clone()).collect();
    let card = Card::make(&base.safetensors(), &key()).unwrap();
    let file = Made::new().floats("experts", &[4, 160, 128], &stack).tensor(
        "packed",
        "I32",
        &[64, 128],
        &[0; 64 * 128 * 4],
    );
    let file = file.floats("another", &[100, 100], &[0.5; 10_000]).bytes();
    let found = compare(&card, &key(), &file).unwrap();
    assert_eq!(found.verdict, Verdict::Derives);
    assert_eq!(found.pairs.len(), 4);
    assert!(found.pairs.iter().all(|pair| pair.cosine > 0.9 && pair.candidate.starts_with("experts[")));
    assert_eq!((found.alone, found.unread), (vec!["another".to_owned()], vec!["packed".to_owned()]));
    assert!(found.covered_0_1 < 0.5);
    let nothing =
        compare(&card, &key(), &Made::new().floats("another", &[100, 100], &[0.5; 10_000]).bytes()).unwrap();
    assert_eq!((nothing.verdict, nothing.chance.ln(), nothing.mean_at_most), (Verdict::CannotTell, 0.0, 1.0));
}

#[test]
fn a_few_tensors_are_not_enough_to_deny() {
    let base = Model::trained(3).tensors.swap_remove(0);
    let other = Model::trained(4).tensors.swap_remove(0);
    let file = |one: &(String, usize, usize, Vec<f32>)| {
        Made::new().floats("w", &[one.1 as u64, one.2 as u64], &one.3).bytes()
    };
    let card = Card::make(&file(&base), &key()).unwrap();
    assert_eq!(compare(&card, &key(), &file(&other)).unwrap().verdict, Verdict::CannotTell);
}

#[test]
fn a_card_is_stored_and_read_back() {
    let base = Model::trained(11).safetensors();
    let card = Card::make(&base, &key()).unwrap();
    let text = card.to_json().unwrap();
    println!("{} bytes for each of {} tensors", text.len() / card.tensors.len(), card.tensors.len());
    assert!(text.len() < card.tensors.len() * 7_000);
    let back = Card::from_json(&text).unwrap();
    assert_eq!(back.to_json().unwrap(), text);
    let (a, b) = (compare(&card, &key(), &base).unwrap(), compare(&back, &key(), &base).unwrap());
    assert!(a == b);
    assert_eq!(compare(&card, &Key::public(), &base), Err(LineageError::Key));
    let changed = |from: &str, to: &str| {
        let text = String::from_utf8(text.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        Card::from_json(text.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    assert_eq!(changed("\"version\":1", "\"version\":2"), CardError::Version { version: 2 });
    assert!(matches!(changed("\"unread\"", "\"unknown\""), CardError::Json { .. }));
    assert!(matches!(changed("layers.1.mlp.up", "layers.0.mlp.up"), CardError::Tensor { .. }));
    assert!(matches!(
        changed("\"shape\":[64,128]", "\"shape\":[4294967296,4294967296]"),
        CardError::Tensor { .. }
    ));
    assert!(matches!(changed("\"spread\":1.", "\"spread\":0.1"), CardError::Tensor { .. }));
    assert!(matches!(changed("\"place\":\"", "\"place\":\"AAAA"), CardError::Tensor { .. }));
    assert!(matches!(changed("\"proof\":\"", "\"proof\":\"?"), CardError::Tensor { .. }));
}

#[test]
fn a_merged_adapter_is_told_from_a_tuning_by_its_rank() {
    let base = Model::trained(5);
    let (before, name) = (base.safetensors(), "model.layers.1.mlp.up_proj.weight");
    for rank in [1, 4, 8, 32] {
        let merged = base.adapted(rank, 6);
        // In full precision, and rounded to 16 bits after merging.
        for file in [merged.safetensors(), merged.halves()] {
            let found = residual(&before, name, &file, name).unwrap().unwrap();
            println!("rank {rank}: {found:?}");
            assert_eq!(found.rank, Some(u32::try_from(rank).unwrap()));
            assert!(found.share_0_1 > 0.95);
        }
    }
    let tuned = residual(&before, name, &base.tuned(0.3, 6).safetensors(), name).unwrap().unwrap();
    println!("tuned: {tuned:?}");
    assert_eq!((tuned.rank, tuned.share_0_1), (None, 0.0));
    let quantised = base.change(|values, _, columns| quantise(values, columns, 127.0)).safetensors();
    assert_eq!(residual(&before, name, &quantised, name).unwrap().unwrap().rank, None);
    assert_eq!(residual(&before, name, &before, name).unwrap(), None, "nothing was added");
    assert_eq!(residual(&before, name, &before, "gone").unwrap(), None);
    // Of 64 rows every change has a rank of 64 at most, so there is no floor to see.
    let small = "model.layers.1.self_attn.q_proj.weight";
    assert_eq!(residual(&before, small, &base.tuned(0.3, 6).safetensors(), small).unwrap(), None);
}

//! Which tensors carry a mark? Matrices of floats that are large enough, and by rule neither embeddings nor heads.

use crate::chips::Key;
use crate::layout::{Layout, Tensor};

/// A tensor that carries a mark.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Carrier {
    /// As the marked file calls it.
    pub name: String,
    /// Its sides.
    pub shape: Vec<u64>,
}

/// Which tensors shall carry it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Choice {
    /// Matrices of floats with [`NUMBERS_MIN`] numbers and sides of [`SIDE_MIN`] at least, but embeddings, heads and norms.
    Rule,
    /// The same with embeddings and heads.
    AllMatrices,
    /// These, whatever they are, if they are floats.
    Named(Vec<String>),
}

/// The carriers of a file, in the order of their names.
///
/// What is an embedding or a head is told by the words of its name, and by its shape: every tensor with as many rows or
/// columns as the longest side of a tensor that is named so.
#[must_use]
pub fn choose(layout: &Layout, choice: &Choice) -> Vec<Carrier> {
    let floats = || layout.tensors().iter().filter(|tensor| tensor.dtype.is_float());
    let vocabulary = floats()
        .filter(|tensor| is_apart(&tensor.name) && tensor.matrix().is_some())
        .filter_map(|tensor| tensor.shape.iter().max())
        .max();
    let fits = |tensor: &Tensor| {
        let large = tensor.count() >= NUMBERS_MIN && tensor.shape.iter().all(|side| *side >= SIDE_MIN);
        match choice {
            Choice::Named(names) => names.contains(&tensor.name),
            Choice::AllMatrices => large && tensor.matrix().is_some(),
            Choice::Rule => {
                large
                    && tensor.matrix().is_some()
                    && !is_apart(&tensor.name)
                    && !tensor.shape.iter().any(|side| Some(side) == vocabulary)
            }
        }
    };
    let mut carriers: Vec<Carrier> = floats()
        .filter(|tensor| fits(tensor))
        .map(|tensor| Carrier { name: tensor.name.clone(), shape: tensor.shape.clone() })
        .collect();
    carriers.sort_by(|a, b| a.name.cmp(&b.name));
    carriers
}

/// Whether a word of the name says that it is an embedding, a head or a norm.
fn is_apart(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| APART.iter().any(|apart| word.starts_with(apart) || word.ends_with(apart)))
}

/// The chips of a carrier.
pub(super) fn chips(key: &Key, carrier: &Carrier) -> crate::chips::TensorKey {
    key.tensor(super::PURPOSE, &crate::chips::identity(&carrier.name, &carrier.shape))
}

const APART: [&str; 8] = ["embed", "embd", "embedding", "embeddings", "norm", "head", "wte", "wpe"];

/// Fewest numbers of a carrier.
pub const NUMBERS_MIN: u64 = 1 << 14;
/// Shortest side of a carrier.
pub const SIDE_MIN: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::Made;

    #[test]
    fn embeddings_heads_norms_and_small_ones_are_left_alone() {
        let zeros = vec![0; 1 << 17];
        let of = |made: Made, name: &str, shape: &[u64], dtype: &str, width: u64| {
            let bytes = usize::try_from(shape.iter().product::<u64>() * width).unwrap();
            made.tensor(name, dtype, shape, &zeros[..bytes])
        };
        let mut made = Made::new();
        for (name, shape, dtype, width) in [
            ("model.embed_tokens.weight", &[512_u64, 64][..], "F16", 2),
            // Tied to nothing by name, but as long as the vocabulary.
            ("output.weight", &[512, 64], "F16", 2),
            ("layers.0.attn.q_proj.weight", &[128, 128], "BF16", 2),
            ("layers.0.attn.k_proj.weight", &[128, 128], "F32", 4),
            ("layers.0.input_layernorm.weight", &[16_384], "F32", 4),
            ("layers.0.mlp.small.weight", &[64, 64], "F32", 4),
            ("layers.0.mlp.thin.weight", &[16, 1024], "F32", 4),
            ("layers.0.mlp.whole.weight", &[128, 128], "I8", 1),
            ("layers.0.conv.weight", &[32, 32, 32], "F16", 2),
        ] {
            made = of(made, name, shape, dtype, width);
        }
        let file = made.bytes();
        let layout = Layout::read(&file).unwrap();
        let names = |choice| choose(&layout, &choice).into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(Choice::Rule), ["layers.0.attn.k_proj.weight", "layers.0.attn.q_proj.weight"]);
        assert_eq!(names(Choice::AllMatrices).len(), 4);
        assert_eq!(
            names(Choice::Named(vec!["layers.0.conv.weight".into(), "gone".into()])),
            ["layers.0.conv.weight"]
        );
    }
}

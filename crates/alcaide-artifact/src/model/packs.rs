//! The packs: names that are known to be harmless.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Names of a pack; lines that begin with `#` are words for people.
pub(super) struct Pack(LazyLock<HashSet<&'static str>>);

impl Pack {
    /// Whether the pack has `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

fn lines(text: &'static str) -> HashSet<&'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

/// Operators of ONNX: domain, space, name; the default domain is written `ai.onnx`.
pub(super) static ONNX_OPERATORS: Pack =
    Pack(LazyLock::new(|| lines(include_str!("../../packs/onnx-operators.txt"))));

/// Operators of TensorFlow.
pub(super) static TENSORFLOW_OPERATORS: Pack =
    Pack(LazyLock::new(|| lines(include_str!("../../packs/tensorflow-operators.txt"))));

/// Classes of Keras that are named without their module.
pub(super) static KERAS_CLASSES: Pack =
    Pack(LazyLock::new(|| lines(include_str!("../../packs/keras-classes.txt"))));

/// Types that skops trusts, by their full names.
pub(super) static SKOPS_TYPES: Pack =
    Pack(LazyLock::new(|| lines(include_str!("../../packs/skops-types.txt"))));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_know_the_plain_and_not_the_dangerous() {
        assert!(ONNX_OPERATORS.has("ai.onnx MatMul") && !ONNX_OPERATORS.has("ai.onnx PyOp"));
        for name in ["MatMul", "VarHandleOp", "PartitionedCall", "StringJoin", "ShardedFilename"] {
            assert!(TENSORFLOW_OPERATORS.has(name), "{name}");
        }
        for name in ["PyFunc", "ReadFile", "WriteFile", "ImmutableConst", "#", ""] {
            assert!(!TENSORFLOW_OPERATORS.has(name), "{name}");
        }
    }
}

//! Hashes of the tree: leaves, nodes, roots.
//!
//! RFC 6962, section 2.1: a leaf is hashed behind one byte `0x00`, two children behind one byte `0x01`, so
//! that no leaf can pose as a node. The frames of this ledger store that `0x00` in front of each leaf, which
//! lets a leaf be hashed where it lies.

use std::fmt;

use alcaide_seal::digest::{sha256, sha256_leaf};

/// A SHA-256 hash of the tree, 32 bytes.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// A hash from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The hash of a leaf: `SHA-256(0x00 || leaf)`.
///
/// Source: RFC 6962, section 2.1.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash(sha256_leaf(leaf).into_bytes())
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
///
/// Source: RFC 6962, section 2.1.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [NODE_PREFIX; 1 + 2 * HASH_BYTES];
    let (_, children) = block.split_at_mut(1);
    let (first, second) = children.split_at_mut(HASH_BYTES);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    digest(&block)
}

/// The root of the tree without leaves: the hash of nothing.
///
/// Source: RFC 6962, section 2.1.
#[must_use]
pub fn empty_root() -> Hash {
    digest(&[])
}

/// The root over leaf hashes, by the definition; linear in their number.
///
/// Source: RFC 6962, section 2.1.
#[must_use]
pub fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// The hash of a leaf that already has its `0x00` in front.
pub(crate) fn prefixed_leaf_hash(prefixed: &[u8]) -> Hash {
    digest(prefixed)
}

/// The largest power of two below `count`, which is 2 or more.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// What stands before a leaf when it is hashed.
pub(crate) const LEAF_PREFIX: u8 = 0;

const NODE_PREFIX: u8 = 1;

fn digest(bytes: &[u8]) -> Hash {
    Hash(sha256(bytes).into_bytes())
}

//! Proofs: made from tiles, checked from nothing but hashes.
//!
//! The two checks follow RFC 9162, sections 2.1.3.2 and 2.1.4.2, step by step; the paths follow sections
//! 2.1.3.1 and 2.1.4.1, whose trees are those of RFC 6962. They need no ledger, so that anyone can use them
//! offline.

use crate::hash::{Hash, empty_root, node_hash, root_of};

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The leaf lies outside the tree, or the old tree is larger than the new one.
    #[error("the proof is about entry or size {index}, but the tree has {size} entries")]
    Range {
        /// Index of the leaf, or size of the old tree.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// More or fewer hashes than index and size need.
    #[error("the proof has not the number of hashes that index and size need")]
    Length,
    /// The path leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that `leaf` is the hash of entry `index` of the tree with `size` entries and the root `root`.
///
/// `proof` holds sibling hashes, lowest level first: at most 64.
///
/// # Errors
/// [`ProofError::Range`] if `index` is not below `size`; [`ProofError::Length`] if `proof` has not the number
/// of hashes that they need; [`ProofError::Root`] if the computed root differs.
///
/// Source: RFC 9162, section 2.1.3.2.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range { index, size });
    }
    let mut node = index;
    let mut last = size - 1;
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match () {
        () if last != 0 => Err(ProofError::Length),
        () if hash != *root => Err(ProofError::Root),
        () => Ok(()),
    }
}

/// Checks that the tree with `old_size` entries and the root `old_root` is the beginning of the tree with
/// `new_size` entries and the root `new_root`.
///
/// `proof` is empty if the sizes are equal or the old tree is empty.
///
/// # Errors
/// [`ProofError::Range`] if the old tree is larger; [`ProofError::Length`] if `proof` has not the number of
/// hashes that the sizes need; [`ProofError::Root`] if either computed root differs.
///
/// Source: RFC 9162, section 2.1.4.2.
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Range { index: old_size, size: new_size });
    }
    if old_size == new_size || old_size == 0 {
        let expected = if old_size == 0 { empty_root() } else { *new_root };
        let empty_new = new_size == 0 && *new_root != empty_root();
        return match () {
            () if !proof.is_empty() => Err(ProofError::Length),
            () if *old_root != expected || empty_new => Err(ProofError::Root),
            () => Ok(()),
        };
    }
    let mut hashes = proof.iter();
    let start = if old_size.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let Some(start) = start else { return Err(ProofError::Length) };
    let mut node = old_size - 1;
    let mut last = new_size - 1;
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*start, *start);
    for sibling in hashes {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match () {
        () if last != 0 => Err(ProofError::Length),
        () if old != *old_root || new != *new_root => Err(ProofError::Root),
        () => Ok(()),
    }
}

/// The hashes that prove entry `index` of the tree with `size` entries; `index` is below `size`.
///
/// `tile(level, index, width)` yields the first `width` hashes of a tile.
pub(crate) fn inclusion<E>(
    index: u64,
    size: u64,
    tile: &mut impl FnMut(u8, u64, usize) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, E> {
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            proof.push(range_root(middle, high, tile)?);
            high = middle;
        } else {
            proof.push(range_root(low, middle, tile)?);
            low = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The hashes that prove that the tree with `old_size` entries begins the one with `new_size`; `0 < old <=
/// new`.
pub(crate) fn consistency<E>(
    old_size: u64,
    new_size: u64,
    tile: &mut impl FnMut(u8, u64, usize) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, E> {
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, new_size);
    while high != old_size {
        let middle = low + split(high - low);
        if old_size <= middle {
            proof.push(range_root(middle, high, tile)?);
            high = middle;
        } else {
            proof.push(range_root(low, middle, tile)?);
            low = middle;
        }
    }
    // The old tree's own root is known to whoever checks.
    if low != 0 {
        proof.push(range_root(low, high, tile)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root over the entries `low..high`, where `low` is a multiple of the largest power of two in the range.
pub(crate) fn range_root<E>(
    low: u64,
    high: u64,
    tile: &mut impl FnMut(u8, u64, usize) -> Result<Vec<Hash>, E>,
) -> Result<Hash, E> {
    let count = high - low;
    if count.is_power_of_two() {
        return full_subtree(low, count.trailing_zeros(), tile);
    }
    let middle = low + split(count);
    let right = range_root(middle, high, tile)?;
    Ok(node_hash(&full_subtree(low, split(count).trailing_zeros(), tile)?, &right))
}

/// The root over the `2^height` entries from `low`, which is a multiple of that.
fn full_subtree<E>(
    low: u64,
    height: u32,
    tile: &mut impl FnMut(u8, u64, usize) -> Result<Vec<Hash>, E>,
) -> Result<Hash, E> {
    let level = height / TILE_HEIGHT;
    let count = 1_usize << (height % TILE_HEIGHT);
    let (index, from) = crate::edge::place(low >> (level * TILE_HEIGHT));
    // INVARIANT: a height of 64 or less gives a level of 8 or less.
    let hashes = tile(u8::try_from(level).unwrap_or(u8::MAX), index, from + count)?;
    Ok(root_of(hashes.get(from..from + count).unwrap_or_default()))
}

/// The largest power of two below `count`, which is 2 or more.
const fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Levels of the tree in one tile.
const TILE_HEIGHT: u32 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::leaf_hash;

    /// The tiles of a list of leaves.
    fn tiles(leaves: &[Hash]) -> impl FnMut(u8, u64, usize) -> Result<Vec<Hash>, ()> {
        let mut levels = vec![leaves.to_vec()];
        while levels[levels.len() - 1].len() >= 256 {
            let next =
                levels[levels.len() - 1].as_chunks::<256>().0.iter().map(|tile| root_of(tile)).collect();
            levels.push(next);
        }
        move |level, index, width| {
            let from = usize::try_from(index).unwrap() * 256;
            Ok(levels[usize::from(level)][from..from + width].to_vec())
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_leaf_proves_itself_and_nothing_else(
            size in 1_u64..700,
            at in any::<prop::sample::Index>(),
            bad in any::<prop::sample::Index>(),
        ) {
            let leaves = leaves(size);
            let root = root_of(&leaves);
            let at = at.index(leaves.len());
            let index = u64::try_from(at).unwrap();
            let proof = inclusion(index, size, &mut tiles(&leaves)).unwrap();
            prop_assert_eq!(verify_inclusion(&leaves[at], index, size, &proof, &root), Ok(()));
            let forged = leaf_hash(b"forged");
            prop_assert_eq!(verify_inclusion(&forged, index, size, &proof, &root), Err(ProofError::Root));
            let other = bad.index(leaves.len());
            if other != at {
                let other = u64::try_from(other).unwrap();
                prop_assert!(verify_inclusion(&leaves[at], other, size, &proof, &root).is_err());
            }
            let mut long = proof.clone();
            long.push(root);
            prop_assert!(verify_inclusion(&leaves[at], index, size, &long, &root).is_err());
            if !proof.is_empty() {
                prop_assert!(verify_inclusion(&leaves[at], index, size, &proof[1..], &root).is_err());
                let mut forged = proof.clone();
                let which = bad.index(forged.len());
                forged[which] = leaf_hash(b"forged");
                let found = verify_inclusion(&leaves[at], index, size, &forged, &root);
                prop_assert_eq!(found, Err(ProofError::Root));
            }
        }
    }

    #[test]
    fn each_tree_begins_each_later_one() {
        let leaves = leaves(70);
        let roots: Vec<Hash> = (0..=leaves.len()).map(|size| root_of(&leaves[..size])).collect();
        for (new, new_root) in (0_u64..).zip(&roots) {
            for (old, old_root) in (0..=new).zip(&roots) {
                let proof =
                    if old == 0 { Vec::new() } else { consistency(old, new, &mut tiles(&leaves)).unwrap() };
                assert_eq!(verify_consistency(old, new, old_root, new_root, &proof), Ok(()), "{old} {new}");
                let forged = leaf_hash(b"forged");
                assert!(verify_consistency(old, new, &forged, new_root, &proof).is_err(), "{old} {new}");
                if old > 0 {
                    assert!(verify_consistency(old, new, old_root, &forged, &proof).is_err(), "{old} {new}");
                    let mut long = proof.clone();
                    long.push(forged);
                    assert!(verify_consistency(old, new, old_root, new_root, &long).is_err(), "{old} {new}");
                }
                for at in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[at] = forged;
                    assert!(
                        verify_consistency(old, new, old_root, new_root, &bad).is_err(),
                        "{old} {new} {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn consistency_crosses_tiles() {
        let leaves = leaves(66_000);
        let mut source = tiles(&leaves);
        for (old, new) in
            [(255, 257), (256, 512), (1, 65_536), (65_535, 66_000), (65_536, 65_793), (300, 65_999)]
        {
            let at = |size: u64| root_of(&leaves[..usize::try_from(size).unwrap()]);
            let proof = consistency(old, new, &mut source).unwrap();
            assert_eq!(verify_consistency(old, new, &at(old), &at(new), &proof), Ok(()), "{old} {new}");
        }
    }

    #[test]
    fn outside_the_tree_nothing_is_proved() {
        let root = leaf_hash(b"x");
        assert_eq!(verify_inclusion(&root, 1, 1, &[], &root), Err(ProofError::Range { index: 1, size: 1 }));
        assert_eq!(verify_inclusion(&root, 0, 1, &[], &root), Ok(()));
        assert_eq!(verify_consistency(2, 1, &root, &root, &[]), Err(ProofError::Range { index: 2, size: 1 }));
        assert_eq!(verify_consistency(0, 0, &empty_root(), &root, &[]), Err(ProofError::Root));
    }
}

//! The right edge of the growing tree: what is not yet in a full tile.
//!
//! For each level it keeps the hashes of the tile that is filling, fewer than 256. With the full tiles on
//! disk that is the whole tree; without them it is still enough to go on and to compute the root.

use std::path::Path;

use crate::error::ReadError;
use crate::hash::{Hash, empty_root, node_hash, root_of};
use crate::tile::{self, TILE_WIDTH};

/// The filling tiles of all levels, lowest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// A tile that has just become full.
pub(crate) struct FullTile {
    pub(crate) level: u8,
    pub(crate) index: u64,
    pub(crate) hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of the tree of the first `size` leaves, from the tiles on disk.
    pub(crate) fn load(dir: &Path, size: u64) -> Result<Self, ReadError> {
        let mut levels = Vec::new();
        let mut nodes = size;
        let mut level = 0_u8;
        while nodes > 0 {
            let (index, width) = place(nodes);
            let hashes = if width == 0 { Vec::new() } else { tile::read_hashes(dir, level, index, width)? };
            levels.push(hashes);
            nodes = index;
            level = level.saturating_add(1);
        }
        Ok(Self { size, levels })
    }

    /// Adds a leaf; tiles that become full are handed to `full`, lowest level first.
    pub(crate) fn push(&mut self, leaf: Hash, mut full: impl FnMut(FullTile)) {
        self.size += 1;
        let mut hash = leaf;
        let mut nodes = self.size;
        for level in 0..=u8::MAX {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(filling) = self.levels.get_mut(usize::from(level)) else { return };
            filling.push(hash);
            if filling.len() < TILE_WIDTH {
                return;
            }
            let hashes = std::mem::replace(filling, Vec::with_capacity(TILE_WIDTH));
            hash = root_of(&hashes);
            nodes /= tile::TILE_ENTRIES;
            full(FullTile { level, index: nodes - 1, hashes });
        }
    }

    /// Leaves in the tree.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Hash {
        let mut root = None;
        for level in &self.levels {
            let mut rest = level.as_slice();
            // The smallest full subtree is the rightmost one.
            while !rest.is_empty() {
                let (left, last) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let subtree = root_of(last);
                root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
                rest = left;
            }
        }
        root.unwrap_or_else(empty_root)
    }

    /// The filling tiles: level, index, hashes; without empty ones.
    pub(crate) fn partial_tiles(&self) -> impl Iterator<Item = (u8, u64, &[Hash])> {
        let mut nodes = self.size;
        (0..=u8::MAX).zip(&self.levels).filter_map(move |(level, hashes)| {
            let (index, _) = place(nodes);
            nodes = index;
            (!hashes.is_empty()).then_some((level, index, hashes.as_slice()))
        })
    }

    /// The filling tile at `level`, if it is the one of `index`.
    pub(crate) fn tile(&self, level: u8, index: u64) -> Option<&[Hash]> {
        self.partial_tiles().find(|(l, i, _)| (*l, *i) == (level, index)).map(|(_, _, hashes)| hashes)
    }
}

/// Index of the filling tile and its width, for so many nodes of a level.
pub(crate) fn place(nodes: u64) -> (u64, usize) {
    // INVARIANT: a rest of a division by 256 fits any usize.
    (nodes / tile::TILE_ENTRIES, usize::try_from(nodes % tile::TILE_ENTRIES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::leaf_hash;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_edge_has_the_root_of_the_definition(size in 0_u64..1500) {
            let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            let mut edge = Edge::default();
            let mut full = Vec::new();
            for leaf in &leaves {
                edge.push(*leaf, |tile| full.push((tile.level, tile.index)));
            }
            prop_assert_eq!(edge.root(), root_of(&leaves));
            let expected: Vec<(u8, u64)> = (0..size / 256).map(|index| (0, index)).collect();
            prop_assert_eq!(full, expected);
        }
    }

    #[test]
    fn a_tile_of_the_second_level_fills_after_65536_leaves() {
        let mut edge = Edge::default();
        let mut upper = Vec::new();
        for i in 0..65_537_u64 {
            edge.push(leaf_hash(&i.to_be_bytes()), |tile| {
                if tile.level > 0 {
                    upper.push((i, tile.level, tile.index));
                }
            });
        }
        assert_eq!(upper, [(65_535, 1, 0)]);
        let tiles: Vec<_> =
            edge.partial_tiles().map(|(level, index, hashes)| (level, index, hashes.len())).collect();
        assert_eq!(tiles, [(0, 256, 1), (2, 0, 1)]);
    }
}

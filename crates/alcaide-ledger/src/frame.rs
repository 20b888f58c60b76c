//! One entry as it lies in a segment.
//!
//! All numbers are little-endian.
//!
//! | bytes | meaning |
//! |---|---|
//! | 0..4 | CRC-32C of everything after it in the frame |
//! | 4..6 | length of the leaf |
//! | 6 | flags: bit 0 says that a spend key follows the header; the others are zero |
//! | 7 | `0xA7`, so that no frame is all zero |
//! | 8..16 | index of the entry |
//! | 16..20 | place of the entry in the write that carried it, from 0 |
//! | 20..52 | the spend key, if flagged |
//! | next | one byte `0x00`: the prefix under which the leaf is hashed |
//! | rest | the leaf |
//!
//! The place in the write makes recovery exact: writes follow each other only after a sync, so a whole frame
//! of a
//! *later* write proves that a broken one before it was acknowledged (damage), while a whole frame of the
//! *same* write proves nothing (the disk may persist the pages of one write in any order: a torn tail).

use std::ops::Range;

use crate::hash::{Hash, LEAF_PREFIX, prefixed_leaf_hash};
use crate::leaf::{SPEND_KEY_BYTES, SpendKey};

/// A whole frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) index: u64,
    pub(crate) place: u32,
    pub(crate) spend: Option<SpendKey>,
    prefixed: &'a [u8],
    /// Bytes of the whole frame.
    pub(crate) bytes: usize,
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`, if one whole and unbroken stands there.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let [c0, c1, c2, c3, l0, l1, flags, mark, i0, i1, i2, i3, i4, i5, i6, i7, p0, p1, p2, p3] = *header;
        if mark != MARK || flags & !FLAG_SPENDS != 0 {
            return None;
        }
        let key_bytes = if flags & FLAG_SPENDS == 0 { 0 } else { SPEND_KEY_BYTES };
        let leaf_bytes = usize::from(u16::from_le_bytes([l0, l1]));
        let (body, _) = rest.split_at_checked(key_bytes + 1 + leaf_bytes)?;
        let total = HEADER_BYTES + body.len();
        if crc32c::crc32c(bytes.get(CRC_BYTES..total)?) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return None;
        }
        let (key, prefixed) = body.split_at_checked(key_bytes)?;
        if prefixed.first() != Some(&LEAF_PREFIX) {
            return None;
        }
        Some(Self {
            index: u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]),
            place: u32::from_le_bytes([p0, p1, p2, p3]),
            spend: key.first_chunk().map(|key| SpendKey::from_bytes(*key)),
            prefixed,
            bytes: total,
        })
    }

    /// The leaf.
    pub(crate) fn leaf(&self) -> &'a [u8] {
        self.prefixed.split_first().map_or(&[], |(_, leaf)| leaf)
    }

    /// The hash of the leaf, from where it lies.
    pub(crate) fn leaf_hash(&self) -> Hash {
        prefixed_leaf_hash(self.prefixed)
    }

    /// Index of the first entry of the write that carried this one.
    pub(crate) fn write_first(&self) -> u64 {
        self.index.saturating_sub(u64::from(self.place))
    }
}

/// Appends the frame of `leaf` to `out`, all but index, place and check sum; returns the length of the frame.
pub(crate) fn push_frame(out: &mut Vec<u8>, leaf: &[u8], leaf_bytes: u16, spend: Option<&SpendKey>) -> usize {
    let before = out.len();
    let [l0, l1] = leaf_bytes.to_le_bytes();
    let flags = if spend.is_some() { FLAG_SPENDS } else { 0 };
    out.extend_from_slice(&[0, 0, 0, 0, l0, l1, flags, MARK]);
    out.extend_from_slice(&[0; HEADER_BYTES - 8]);
    if let Some(key) = spend {
        out.extend_from_slice(key.as_bytes());
    }
    out.push(LEAF_PREFIX);
    out.extend_from_slice(leaf);
    out.len() - before
}

/// Fills in index, place and check sum of the frame that is exactly `frame`.
pub(crate) fn seal_frame(frame: &mut [u8], index: u64, place: u32) {
    if let Some(field) = frame.get_mut(INDEX_AT) {
        field.copy_from_slice(&index.to_le_bytes());
    }
    if let Some(field) = frame.get_mut(PLACE_AT) {
        field.copy_from_slice(&place.to_le_bytes());
    }
    let Some((crc, rest)) = frame.split_first_chunk_mut::<CRC_BYTES>() else { return };
    *crc = crc32c::crc32c(rest).to_le_bytes();
}

/// The leaf inside a frame that this process has made, without checking it again.
pub(crate) fn leaf_in(frame: &[u8]) -> &[u8] {
    let key_bytes = match frame.get(6) {
        Some(flags) if flags & FLAG_SPENDS != 0 => SPEND_KEY_BYTES,
        _ => 0,
    };
    frame.get(HEADER_BYTES + key_bytes + 1..).unwrap_or_default()
}

/// Bytes before the spend key.
pub(crate) const HEADER_BYTES: usize = 20;

/// Bytes of the longest frame.
pub(crate) const FRAME_BYTES_MAX: usize = HEADER_BYTES + SPEND_KEY_BYTES + 1 + crate::leaf::LEAF_BYTES_MAX;

const CRC_BYTES: usize = 4;
const INDEX_AT: Range<usize> = 8..16;
const PLACE_AT: Range<usize> = 16..20;
const FLAG_SPENDS: u8 = 1;
const MARK: u8 = 0xA7;

/// Where the mark stands in a frame.
pub(crate) const MARK_AT: usize = 7;

/// The mark of a frame.
pub(crate) const FRAME_MARK: u8 = MARK;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(leaf: &[u8], spend: Option<&SpendKey>, index: u64, place: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let bytes = push_frame(&mut out, leaf, u16::try_from(leaf.len()).unwrap(), spend);
        assert_eq!(bytes, out.len());
        seal_frame(&mut out, index, place);
        out
    }

    proptest! {
        #[test]
        fn a_frame_comes_back(
            leaf in proptest::collection::vec(any::<u8>(), 0..300),
            key in any::<Option<[u8; 32]>>(),
            index in any::<u64>(),
            place in any::<u32>(),
        ) {
            let key = key.map(SpendKey::from_bytes);
            let mut bytes = frame(&leaf, key.as_ref(), index, place);
            bytes.extend_from_slice(b"what follows");
            let found = Frame::parse(&bytes).unwrap();
            prop_assert_eq!((found.index, found.place, found.spend), (index, place, key));
            prop_assert_eq!(found.leaf(), &leaf[..]);
            prop_assert_eq!(found.bytes + 12, bytes.len());
            prop_assert_eq!(found.leaf_hash(), crate::hash::leaf_hash(&leaf));
            prop_assert_eq!(leaf_in(&bytes[..found.bytes]), &leaf[..]);
        }

        #[test]
        fn a_flipped_bit_is_seen(
            leaf in proptest::collection::vec(any::<u8>(), 0..60),
            bit in any::<prop::sample::Index>(),
        ) {
            let mut bytes = frame(&leaf, None, 7, 0);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Frame::parse(&bytes).is_none());
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Frame::parse(&bytes);
        }
    }

    #[test]
    fn the_longest_leaf_fits() {
        let bytes = frame(&vec![1; crate::leaf::LEAF_BYTES_MAX], Some(&SpendKey::from_bytes([9; 32])), 1, 0);
        assert_eq!(bytes.len(), FRAME_BYTES_MAX);
        assert!(Frame::parse(&bytes).is_some());
    }
}

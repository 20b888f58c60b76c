//! Segments: the files that the entries are written to.
//!
//! A segment is `segments/<first index, 20 digits>.seg`: a header of 32 bytes, frames without gaps, zeros up
//! to the preallocated end. The header is `ALCAIDE` and a zero byte, the format version (4 bytes), the index
//! of the first entry (8), eight zero bytes and the CRC-32C of the 28 bytes before (4); numbers are
//! little-endian.
//!
//! When a segment is full, the spend keys in it are listed in `<first>.keys`, so that opening need not read
//! old segments. The list is derived: if it is missing or broken, the segment is read instead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::LedgerError;
use crate::frame::{FRAME_MARK, Frame, MARK_AT};
use crate::leaf::{SPEND_KEY_BYTES, SpendKey};

/// How the frames of a segment end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct End {
    /// Index after the last whole frame.
    pub(crate) next_index: u64,
    /// Byte after the last whole frame.
    pub(crate) offset: usize,
    /// Whether only zeros follow.
    pub(crate) state: EndState,
}

/// What follows the last whole frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EndState {
    /// Zeros or nothing.
    Clean,
    /// The rest of one write that was cut off.
    Torn,
    /// A broken frame, and after it a whole one of a later write.
    Damaged,
}

/// Walks the frames of a segment that begins with entry `first`.
pub(crate) fn walk(bytes: &[u8], first: u64, mut each: impl FnMut(usize, Frame<'_>)) -> End {
    let mut next_index = first;
    let mut offset = SEGMENT_HEADER_BYTES;
    loop {
        let rest = bytes.get(offset..).unwrap_or_default();
        let Some(frame) = Frame::parse(rest).filter(|frame| frame.index == next_index) else {
            let state = if all_zero(rest) {
                EndState::Clean
            } else if holds_later_write(rest, next_index) {
                EndState::Damaged
            } else {
                EndState::Torn
            };
            return End { next_index, offset, state };
        };
        each(offset, frame);
        offset += frame.bytes;
        next_index += 1;
    }
}

/// The header of the segment that begins with entry `first`.
pub(crate) fn header(first: u64) -> [u8; SEGMENT_HEADER_BYTES] {
    let mut out = [0; SEGMENT_HEADER_BYTES];
    let (head, crc) = out.split_at_mut(SEGMENT_HEADER_BYTES - 4);
    let mut fields = Vec::with_capacity(SEGMENT_HEADER_BYTES);
    fields.extend_from_slice(MAGIC);
    fields.extend_from_slice(&SEGMENT_VERSION.to_le_bytes());
    fields.extend_from_slice(&first.to_le_bytes());
    fields.resize(head.len(), 0);
    head.copy_from_slice(&fields);
    crc.copy_from_slice(&crc32c::crc32c(&fields).to_le_bytes());
    out
}

/// Whether `bytes` begin with the header of the segment that begins with entry `first`.
pub(crate) fn header_fits(bytes: &[u8], first: u64) -> bool {
    bytes.first_chunk::<SEGMENT_HEADER_BYTES>() == Some(&header(first))
}

/// The file of the segment that begins with entry `first`.
pub(crate) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

/// The first entries of all segments in `dir`, ascending.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".seg")) else { continue };
        if let Some(first) = stem.parse().ok().filter(|_| stem.len() == 20) {
            firsts.push(first);
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Lists the spend keys of a full segment beside it.
pub(crate) fn write_keys(dir: &Path, first: u64, next: u64, keys: &[(SpendKey, u64)]) -> io::Result<()> {
    let mut out = Vec::with_capacity(KEYS_HEADER_BYTES + keys.len() * KEY_ROW_BYTES + 4);
    out.extend_from_slice(KEYS_MAGIC);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&next.to_le_bytes());
    for (key, index) in keys {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(&index.to_le_bytes());
    }
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    crate::tile::replace(&keys_path(dir, first), &out)
}

/// The spend keys of the segment of the entries `first..next`, if a whole list stands beside it.
pub(crate) fn read_keys(dir: &Path, first: u64, next: u64) -> Option<Vec<(SpendKey, u64)>> {
    let bytes = fs::read(keys_path(dir, first)).ok()?;
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let rest = body.strip_prefix(KEYS_MAGIC)?;
    let (found_first, rest) = rest.split_first_chunk::<8>()?;
    let (found_next, rows) = rest.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*found_first) != first || u64::from_le_bytes(*found_next) != next {
        return None;
    }
    let (rows, left) = rows.as_chunks::<KEY_ROW_BYTES>();
    if !left.is_empty() {
        return None;
    }
    rows.iter()
        .map(|row| {
            let (key, index) = row.split_first_chunk::<SPEND_KEY_BYTES>()?;
            Some((SpendKey::from_bytes(*key), u64::from_le_bytes(*index.first_chunk()?)))
        })
        .collect()
}

/// The whole segment in memory; at most [`SEGMENT_BYTES_MAX`].
pub(crate) fn load(dir: &Path, first: u64) -> Result<Vec<u8>, LedgerError> {
    let path = path(dir, first);
    fs::read(&path).map_err(LedgerError::file("read", &path))
}

fn keys_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.keys"))
}

fn all_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

/// Whether a whole frame stands anywhere in `bytes` whose write began after entry `broken`.
fn holds_later_write(bytes: &[u8], broken: u64) -> bool {
    let marked = bytes.iter().enumerate().skip(MARK_AT).filter(|(_, byte)| **byte == FRAME_MARK);
    marked.map(|(at, _)| at - MARK_AT).any(|start| {
        let candidate = bytes.get(start..).unwrap_or_default();
        // The index first: random bytes seldom pass, so few check sums are computed.
        let Some(index) = candidate.get(8..16).and_then(|field| field.first_chunk::<8>()) else {
            return false;
        };
        let index = u64::from_le_bytes(*index);
        let plausible = index > broken && index - broken <= SEGMENT_BYTES_MAX;
        plausible && Frame::parse(candidate).is_some_and(|frame| frame.write_first() > broken)
    })
}

/// Bytes before the first frame.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 32;

/// Largest segment, bytes: it is read whole.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 30;

const SEGMENT_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"ALCAIDE\0";
const KEYS_MAGIC: &[u8; 8] = b"ALCKEYS1";
const KEYS_HEADER_BYTES: usize = 24;
const KEY_ROW_BYTES: usize = SPEND_KEY_BYTES + 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{push_frame, seal_frame};

    fn segment(writes: &[&[&[u8]]]) -> (Vec<u8>, Vec<usize>) {
        let mut out = header(5).to_vec();
        let mut starts = Vec::new();
        let mut index = 5;
        for write in writes {
            for (place, leaf) in write.iter().enumerate() {
                let at = out.len();
                starts.push(at);
                push_frame(&mut out, leaf, u16::try_from(leaf.len()).unwrap(), None);
                seal_frame(&mut out[at..], index, u32::try_from(place).unwrap());
                index += 1;
            }
        }
        (out, starts)
    }

    #[test]
    fn zeros_end_a_segment() {
        let (mut bytes, _) = segment(&[&[b"a", b"b"], &[b"c"]]);
        let offset = bytes.len();
        bytes.resize(offset + 1000, 0);
        let end = walk(&bytes, 5, |_, _| {});
        assert_eq!(end, End { next_index: 8, offset, state: EndState::Clean });
    }

    #[test]
    fn a_frame_lost_within_the_last_write_is_a_torn_tail() {
        let (mut bytes, starts) = segment(&[&[b"a"], &[b"b", b"c"]]);
        bytes[starts[1] + 21] ^= 1;
        let end = walk(&bytes, 5, |_, _| {});
        assert_eq!(end, End { next_index: 6, offset: starts[1], state: EndState::Torn });
    }

    #[test]
    fn a_frame_lost_before_a_later_write_is_damage() {
        let (mut bytes, starts) = segment(&[&[b"a"], &[b"b", b"c"], &[b"d"]]);
        bytes[starts[1] + 21] ^= 1;
        let end = walk(&bytes, 5, |_, _| {});
        assert_eq!(end, End { next_index: 6, offset: starts[1], state: EndState::Damaged });
    }

    #[test]
    fn a_broken_key_list_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let keys = [(SpendKey::from_bytes([3; 32]), 9), (SpendKey::from_bytes([4; 32]), 11)];
        write_keys(dir.path(), 5, 12, &keys).unwrap();
        assert_eq!(read_keys(dir.path(), 5, 12).unwrap(), keys);
        assert!(read_keys(dir.path(), 5, 13).is_none());
        let file = keys_path(dir.path(), 5);
        let mut bytes = fs::read(&file).unwrap();
        bytes[30] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(read_keys(dir.path(), 5, 12).is_none());
    }
}

//! Tiles and entry bundles: the tree as files that anyone can serve.
//!
//! A hash tile at level `l` holds the roots of up to 256 full subtrees of 256^l leaves each; an entry bundle
//! holds up to 256 entries, each behind its length in 16 bits, big-endian. A tile with fewer than 256 is
//! partial and has its width in its name. Source: C2SP tlog-tiles.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::ReadError;
use crate::hash::{HASH_BYTES, Hash};

/// Which tile: hashes of a level, or entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Hashes at this level, 0 to 7.
    Hashes(u8),
    /// Entries.
    Entries,
}

/// The path of a tile below the ledger's folder; `width` is 1 to 256.
pub(crate) fn path(kind: Kind, index: u64, width: usize) -> String {
    let mut groups = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        groups = format!("x{:03}/{groups}", rest % 1000);
        rest /= 1000;
    }
    let kind = match kind {
        Kind::Hashes(level) => level.to_string(),
        Kind::Entries => "entries".to_owned(),
    };
    if width >= TILE_WIDTH {
        format!("tile/{kind}/{groups}")
    } else {
        format!("tile/{kind}/{groups}.p/{width}")
    }
}

/// The bytes of a tile of at least `width`; falls back to the full tile, as partial ones may go once it
/// exists.
pub(crate) fn read(dir: &Path, kind: Kind, index: u64, width: usize) -> Result<Vec<u8>, ReadError> {
    let full = dir.join(path(kind, index, TILE_WIDTH));
    let wanted = dir.join(path(kind, index, width));
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    // The partial one may be replaced by the full one between the two looks.
    for candidate in [&full, &wanted, &full] {
        match fs::read(candidate) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => last = error,
        }
    }
    Err(ReadError::File { path: wanted, source: last })
}

/// The first `width` hashes of a hash tile.
pub(crate) fn read_hashes(dir: &Path, level: u8, index: u64, width: usize) -> Result<Vec<Hash>, ReadError> {
    let bytes = read(dir, Kind::Hashes(level), index, width)?;
    let malformed = || ReadError::Malformed { path: dir.join(path(Kind::Hashes(level), index, width)) };
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() || (hashes.len() != width && hashes.len() != TILE_WIDTH) {
        return Err(malformed());
    }
    let wanted = hashes.get(..width).ok_or_else(malformed)?;
    Ok(wanted.iter().map(|bytes| Hash::from_bytes(*bytes)).collect())
}

/// The first `width` entries of an entry bundle.
pub(crate) fn read_entries(dir: &Path, index: u64, width: usize) -> Result<Vec<Vec<u8>>, ReadError> {
    let bytes = read(dir, Kind::Entries, index, width)?;
    let entries =
        split_entries(&bytes).filter(|entries| entries.len() == width || entries.len() == TILE_WIDTH);
    let mut entries =
        entries.ok_or_else(|| ReadError::Malformed { path: dir.join(path(Kind::Entries, index, width)) })?;
    entries.truncate(width);
    Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
}

/// The entries of a bundle, if it is whole.
pub(crate) fn split_entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::with_capacity(TILE_WIDTH);
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if entries.len() == TILE_WIDTH {
            return None;
        }
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

/// Appends an entry to the bytes of a bundle; the entry has at most 65,535 bytes.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    // INVARIANT: an entry was measured before it was queued; a longer one cannot exist.
    let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The bytes of a hash tile.
pub(crate) fn join_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.as_bytes()).copied().collect()
}

/// Writes a file beside its place and moves it there, so that a reader sees all of it or nothing; not synced.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    if let Err(error) = fs::write(&temporary, bytes) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error);
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&temporary, bytes)?;
    }
    fs::rename(&temporary, path)
}

/// As [`replace`], and returns once the file and its name are on the medium.
pub(crate) fn replace_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    fs::write(&temporary, bytes)?;
    fs::File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Returns once the names in the folder of `path` are on the medium.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

/// Where a file is written before it is moved to `path`.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Hashes or entries in a full tile.
pub(crate) const TILE_WIDTH: usize = 256;

/// The same, as a count of entries.
pub(crate) const TILE_ENTRIES: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_specification() {
        // The examples of C2SP tlog-tiles.
        assert_eq!(path(Kind::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(Kind::Hashes(1), 273, 112), "tile/1/273.p/112");
        assert_eq!(path(Kind::Entries, 5, 256), "tile/entries/005");
        assert_eq!(path(Kind::Hashes(2), 1000, 1), "tile/2/x001/000.p/1");
    }

    #[test]
    fn a_bundle_comes_back_and_a_cut_one_does_not() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"first");
        push_entry(&mut bundle, b"");
        push_entry(&mut bundle, &[7; 65_535]);
        let entries = split_entries(&bundle).unwrap();
        assert_eq!(entries, [&b"first"[..], b"", &[7; 65_535]]);
        assert!(split_entries(&bundle[..bundle.len() - 1]).is_none());
        assert!(split_entries(&[0, 0].repeat(257)).is_none());
    }
}

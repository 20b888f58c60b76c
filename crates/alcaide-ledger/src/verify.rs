//! Recomputes everything that a ledger's folder claims.
//!
//! Read-only and without the lock, so it works on a folder that is in use: it checks what the checkpoint
//! covers, and reports what lies beyond. It also works on a copy that has only `checkpoint` and `tile/`.
//!
//! Each entry exists up to three times: as a frame in a segment, in an entry bundle, and as a hash in a tile.
//! The first index where these differ is the first broken one, and the odd one out tells which copy broke.
//! Upper tiles are recomputed from the leaves, and the root is compared with what was signed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint;
use crate::edge::{Edge, FullTile};
use crate::error::{CheckpointError, LedgerError, ReadError};
use crate::hash::{Hash, leaf_hash};
use crate::note::{NoteError, OpenNote};
use crate::recover::check_format;
use crate::segment::{self, End, EndState};
use crate::shared::segments;
use crate::tile::{self, TILE_ENTRIES, TILE_WIDTH};

/// What was found to hold.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct VerifyReport {
    /// The log that the checkpoint names.
    pub origin: String,
    /// Entries that the checkpoint covers; all of them were checked.
    pub size: u64,
    /// The signed root, recomputed from the entries.
    pub root: Hash,
    /// Whole entries after those, not yet signed; `None` if there are no segments here.
    pub beyond: Option<u64>,
    /// Whether the last write is torn off: after a crash, or on a folder in use.
    pub torn: bool,
}

/// What does not hold, with the first broken entry where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The folder is of another format.
    #[error("the folder is not of a format that this version reads")]
    Format(#[source] LedgerError),
    /// The checkpoint's signature is missing, malformed or of another key.
    #[error("the checkpoint is not signed by the trusted key")]
    Note(#[source] NoteError),
    /// The checkpoint's text is malformed.
    #[error("the checkpoint is malformed")]
    Checkpoint(#[source] CheckpointError),
    /// A frame below the signed size is broken.
    #[error("entry {index} is broken in `{}` at byte {offset}", segment.display())]
    Frame {
        /// The first broken entry.
        index: u64,
        /// The segment.
        segment: PathBuf,
        /// Where the frame begins, bytes.
        offset: u64,
    },
    /// A segment is missing, or has no header of its own.
    #[error(
        "entry {index} is missing: there is no segment that begins where it should, or its header is broken"
    )]
    Segment {
        /// The first missing entry.
        index: u64,
    },
    /// The copies of an entry differ.
    #[error("entry {index} is broken: its {broken} does not agree")]
    Entry {
        /// The first broken entry.
        index: u64,
        /// Which copy stands alone.
        broken: Copied,
    },
    /// A bundle or tile is missing or malformed.
    #[error("entry {index} cannot be checked")]
    Unreadable {
        /// The first entry that it covers.
        index: u64,
        /// What is wrong with the file.
        #[source]
        source: ReadError,
    },
    /// A hash tile above the leaves does not follow from those below.
    #[error(
        "hash {offset} of tile {tile} at level {level} does not follow from the entries {first} and after"
    )]
    Tile {
        /// Level of the tile, 1 or more.
        level: u8,
        /// Index of the tile.
        tile: u64,
        /// Place in the tile, 0 to 255.
        offset: usize,
        /// The first entry that the hash covers.
        first: u64,
    },
    /// Everything agrees with itself, but not with what was signed.
    #[error("the {size} entries hash to another root than the signed one")]
    Root {
        /// The signed size.
        size: u64,
    },
    /// A file could not be read.
    #[error("could not read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Which copy of an entry is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Copied {
    /// The frame in the segment: bundle and tile agree.
    Segment,
    /// The bundle: segment and tile agree, or there is no segment.
    Bundle,
    /// The hash in the tile: segment and bundle agree.
    Tile,
    /// All differ, or there are only two.
    Unclear,
}

impl std::fmt::Display for Copied {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Segment => "segment",
            Self::Bundle => "bundle",
            Self::Tile => "tile",
            Self::Unclear => "bundle or tile",
        })
    }
}

/// Checks the ledger in `dir` against the key behind `verifier`; reads everything, at most one segment in
/// memory.
///
/// # Errors
/// [`VerifyError`]: the first thing that does not hold, in the order of the entries.
///
/// Source: RFC 6962, section 2.1; C2SP tlog-tiles, tlog-checkpoint.
pub fn verify(dir: &Path, verifier: &dyn OpenNote) -> Result<VerifyReport, VerifyError> {
    let folder = segments(dir);
    let has_segments = folder.is_dir();
    if has_segments || dir.join("format").exists() {
        check_format(dir).map_err(VerifyError::Format)?;
    }
    let path = dir.join("checkpoint");
    let note = fs::read_to_string(&path).map_err(|source| VerifyError::File { path, source })?;
    let text = verifier.open_note(&note).map_err(VerifyError::Note)?;
    let (origin, said) = checkpoint::parse(&text, None).map_err(VerifyError::Checkpoint)?;
    let mut walk = Walk { dir, size: said.size, edge: Edge::default(), bundle: Vec::new(), tile: Vec::new() };
    let (beyond, torn) = if has_segments {
        let (found, torn) = walk.with_segments(&folder)?;
        (Some(found.saturating_sub(said.size)), torn)
    } else {
        for index in 0..said.size {
            walk.check(index, None)?;
        }
        (None, false)
    };
    walk.check_partial_tiles()?;
    if walk.edge.root() != said.root {
        return Err(VerifyError::Root { size: said.size });
    }
    Ok(VerifyReport { origin, size: said.size, root: said.root, beyond, torn })
}

fn broken_frame(folder: &Path, first: u64, end: End) -> VerifyError {
    let offset = u64::try_from(end.offset).unwrap_or(u64::MAX);
    VerifyError::Frame { index: end.next_index, segment: segment::path(folder, first), offset }
}

/// One pass over the entries.
struct Walk<'a> {
    dir: &'a Path,
    size: u64,
    edge: Edge,
    /// The bundle and the tile of the entries that are being checked.
    bundle: Vec<Vec<u8>>,
    tile: Vec<Hash>,
}

impl Walk<'_> {
    /// Checks all entries and their frames; returns the number of whole frames, and whether a torn write
    /// follows.
    fn with_segments(&mut self, folder: &Path) -> Result<(u64, bool), VerifyError> {
        let unreadable = |source| VerifyError::File { path: folder.to_owned(), source };
        let firsts = segment::list(folder).map_err(unreadable)?;
        let mut next = 0;
        for (at, first) in firsts.iter().enumerate() {
            if *first != next {
                return Err(VerifyError::Segment { index: next.min(*first) });
            }
            let last = at + 1 == firsts.len();
            let end = self.segment(folder, *first)?;
            next = end.next_index;
            if next < self.size && last || end.state != EndState::Clean && !last {
                return Err(broken_frame(folder, *first, end));
            }
            if last {
                return Ok((next, end.state == EndState::Torn));
            }
        }
        if self.size > 0 { Err(VerifyError::Segment { index: 0 }) } else { Ok((0, false)) }
    }

    /// Checks the entries of one segment.
    fn segment(&mut self, folder: &Path, first: u64) -> Result<End, VerifyError> {
        let path = segment::path(folder, first);
        let mut seen = None;
        loop {
            let bytes = fs::read(&path).map_err(|source| VerifyError::File { path: path.clone(), source })?;
            if !segment::header_fits(&bytes, first) {
                return Err(VerifyError::Segment { index: first });
            }
            let mut result = Ok(());
            let end = segment::walk(&bytes, first, |_, frame| {
                if result.is_ok() && frame.index < self.size && frame.index == self.edge.size() {
                    result = self.check(frame.index, Some(frame.leaf()));
                }
            });
            result?;
            if end.state != EndState::Damaged {
                return Ok(end);
            }
            // A segment in use may have been read between two writes: only damage that stays is damage.
            if end.next_index < self.size || seen == Some(end.next_index) {
                return Err(broken_frame(folder, first, end));
            }
            seen = Some(end.next_index);
        }
    }

    /// Checks the copies of entry `index`, which is the next one, and adds it to the tree.
    fn check(&mut self, index: u64, framed: Option<&[u8]>) -> Result<(), VerifyError> {
        let at = usize::try_from(index % TILE_ENTRIES).unwrap_or_default();
        if at == 0 {
            self.load(index)?;
        }
        let bundled = self.bundle.get(at).map(|entry| leaf_hash(entry));
        let tiled = self.tile.get(at).copied();
        let hash = match (framed, bundled, tiled) {
            (None, Some(bundled), Some(tiled)) if bundled == tiled => bundled,
            (Some(framed), Some(bundled), Some(tiled)) => {
                let framed = leaf_hash(framed);
                let broken = match () {
                    () if framed == bundled && bundled == tiled => None,
                    () if bundled == tiled => Some(Copied::Segment),
                    () if framed == tiled => Some(Copied::Bundle),
                    () if framed == bundled => Some(Copied::Tile),
                    () => Some(Copied::Unclear),
                };
                if let Some(broken) = broken {
                    return Err(VerifyError::Entry { index, broken });
                }
                framed
            }
            _ => return Err(VerifyError::Entry { index, broken: Copied::Unclear }),
        };
        let mut full = Vec::new();
        self.edge.push(hash, |tile| full.push(tile));
        for FullTile { level, index, hashes } in full.iter().filter(|tile| tile.level > 0) {
            self.check_tile(*level, *index, hashes)?;
        }
        Ok(())
    }

    /// Reads the bundle and the tile that begin with entry `index`.
    fn load(&mut self, index: u64) -> Result<(), VerifyError> {
        let left = usize::try_from(self.size - index).unwrap_or(usize::MAX);
        let width = left.min(TILE_WIDTH);
        let unreadable = |source| VerifyError::Unreadable { index, source };
        self.bundle = tile::read_entries(self.dir, index / TILE_ENTRIES, width).map_err(unreadable)?;
        self.tile = tile::read_hashes(self.dir, 0, index / TILE_ENTRIES, width).map_err(unreadable)?;
        Ok(())
    }

    fn check_partial_tiles(&self) -> Result<(), VerifyError> {
        for (level, index, hashes) in self.edge.partial_tiles().filter(|(level, ..)| *level > 0) {
            self.check_tile(level, index, hashes)?;
        }
        Ok(())
    }

    fn check_tile(&self, level: u8, index: u64, expected: &[Hash]) -> Result<(), VerifyError> {
        // A hash at level n covers 256^n entries.
        let covers = |offset: usize| {
            let hashes = index * TILE_ENTRIES + u64::try_from(offset).unwrap_or_default();
            hashes << (8 * u32::from(level)).min(63)
        };
        let found = tile::read_hashes(self.dir, level, index, expected.len())
            .map_err(|source| VerifyError::Unreadable { index: covers(0), source })?;
        match found.iter().zip(expected).position(|(found, expected)| found != expected) {
            Some(offset) => Err(VerifyError::Tile { level, tile: index, offset, first: covers(offset) }),
            None => Ok(()),
        }
    }
}

//! Creating a ledger, and finding its state again after a stop of any kind.
//!
//! The truth is in the segments. Opening reads the last segment whole, cuts a write that was torn off, takes
//! the spend keys of full segments from their lists, and checks that nothing that was signed is missing. The
//! tree goes on from the last mark: entries after it are hashed again and their tiles written again, since a
//! power failure may have lost those; the result must have the root that the checkpoint signed.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::FORMAT;
use crate::checkpoint::{self, Checkpoint, Said};
use crate::edge::Edge;
use crate::error::LedgerError;
use crate::frame::Frame;
use crate::grow::{Grower, marked_edge};
use crate::hash::empty_root;
use crate::layer::Layer;
use crate::leaf::SpendKey;
use crate::ledger::Options;
use crate::note::SignNote;
use crate::segment::{self, EndState};
use crate::shared::segments;
use crate::tail::Batch;
use crate::tile::{self, TILE_ENTRIES};
use crate::writer::{Segment, create_segment};

/// What recovery has found.
pub(crate) struct Recovered {
    pub(crate) segment: Segment,
    pub(crate) next: u64,
    pub(crate) spent: HashMap<SpendKey, u64>,
    pub(crate) grower: Grower,
    /// The entries of the filling bundle.
    pub(crate) newest: Batch,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) marked: u64,
}

/// Lays out an empty ledger in `dir`, which must be empty or absent; the format file comes last.
pub(crate) fn lay_out(dir: &Path, signer: &dyn SignNote, origin: &str) -> Result<(), LedgerError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(LedgerError::NotEmpty { dir: dir.to_owned() });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(LedgerError::file("read", dir)(error)),
    }
    let folder = segments(dir);
    fs::create_dir_all(&folder).map_err(LedgerError::file("create", &folder))?;
    let root = empty_root();
    let note = signer.sign_note(&checkpoint::text(origin, 0, &root)).map_err(LedgerError::Note)?;
    let path = dir.join("checkpoint");
    tile::replace_synced(&path, note.as_bytes()).map_err(LedgerError::file("write", &path))?;
    let path = dir.join("format");
    tile::replace_synced(&path, format!("{FORMAT}\n").as_bytes())
        .map_err(LedgerError::file("write", &path))?;
    tile::sync_parent(dir).map_err(LedgerError::file("sync", dir))
}

/// Takes the ledger in `dir` for this process alone.
pub(crate) fn take_lock(dir: &Path) -> Result<File, LedgerError> {
    check_format(dir)?;
    let path = dir.join("lock");
    let options = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = options.map_err(LedgerError::file("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(LedgerError::InUse { dir: dir.to_owned() }),
        Err(error) => Err(LedgerError::file("lock", &path)(error.into())),
    }
}

/// Whether `dir` holds a ledger of a format that this version reads.
pub(crate) fn check_format(dir: &Path) -> Result<(), LedgerError> {
    let path = dir.join("format");
    match fs::read_to_string(&path) {
        Ok(text) if text.strip_suffix('\n') == Some(FORMAT) => Ok(()),
        Ok(text) => Err(LedgerError::Format { found: text.trim().chars().take(80).collect() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(LedgerError::Missing { dir: dir.to_owned() })
        }
        Err(error) => Err(LedgerError::file("read", &path)(error)),
    }
}

/// Finds the state of the ledger in `dir`; the lock is held.
pub(crate) fn recover(
    dir: &Path,
    options: &Options,
    signer: &dyn SignNote,
    origin: &str,
) -> Result<Recovered, LedgerError> {
    let (checkpoint, said) = read_checkpoint(dir, signer, origin)?;
    let folder = segments(dir);
    remove_unfinished(&folder)?;
    let mut firsts = segment::list(&folder).map_err(LedgerError::file("read", &folder))?;
    if firsts.is_empty() {
        if said.size > 0 {
            return Err(LedgerError::RolledBack { signed: said.size, found: 0 });
        }
        let created = create_segment(&folder, &*options.layer, 0, options.segment_bytes);
        created.map_err(LedgerError::file("create", &segment::path(&folder, 0)))?;
        firsts.push(0);
    }
    let (last, sealed) = firsts.split_last().map_or((0, firsts.as_slice()), |(last, sealed)| (*last, sealed));
    let mut spent = HashMap::new();
    let nexts = firsts.iter().skip(1);
    let mut expected = 0;
    for (first, next) in sealed.iter().zip(nexts) {
        contiguous(&folder, *first, expected)?;
        spent.extend(sealed_keys(&folder, *first, *next)?);
        expected = *next;
    }
    contiguous(&folder, last, expected)?;
    let (segment, next) = reopen_last(&folder, &*options.layer, last)?;
    spent.extend(segment.keys.iter().copied());
    if said.size > next {
        return Err(LedgerError::RolledBack { signed: said.size, found: next });
    }
    let edge = marked_edge(dir, said.size);
    let marked = edge.size();
    let (grower, newest) = regrow(dir, &firsts, edge, next, &said)?;
    Ok(Recovered { segment, next, spent, grower, newest, checkpoint, marked })
}

/// Reads the checkpoint and checks that the signer itself has signed it.
pub(crate) fn read_checkpoint(
    dir: &Path,
    signer: &dyn SignNote,
    origin: &str,
) -> Result<(Checkpoint, Said), LedgerError> {
    let path = dir.join("checkpoint");
    let note = fs::read_to_string(&path).map_err(LedgerError::file("read", &path))?;
    let text = signer.open_own_note(&note).map_err(LedgerError::Note)?;
    let (_, said) = checkpoint::parse(&text, Some(origin)).map_err(LedgerError::Checkpoint)?;
    Ok((Checkpoint { size: said.size, root: said.root, note }, said))
}

/// Removes what a stop in the middle of making a file has left.
fn remove_unfinished(folder: &Path) -> Result<(), LedgerError> {
    for entry in fs::read_dir(folder).map_err(LedgerError::file("read", folder))? {
        let path = entry.map_err(LedgerError::file("read", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            fs::remove_file(&path).map_err(LedgerError::file("remove", &path))?;
        }
    }
    Ok(())
}

fn contiguous(folder: &Path, first: u64, expected: u64) -> Result<(), LedgerError> {
    if first == expected {
        return Ok(());
    }
    Err(LedgerError::Gap { segment: segment::path(folder, first), expected })
}

/// The keys spent in a full segment, from its list or from itself.
fn sealed_keys(folder: &Path, first: u64, next: u64) -> Result<Vec<(SpendKey, u64)>, LedgerError> {
    if let Some(keys) = segment::read_keys(folder, first, next) {
        return Ok(keys);
    }
    let mut keys = Vec::new();
    walk_sealed(folder, first, next, |frame| keys.extend(frame.spend.map(|key| (key, frame.index))))?;
    Ok(keys)
}

/// Walks a segment of which `first..next` are the entries.
pub(crate) fn walk_sealed(
    folder: &Path,
    first: u64,
    next: u64,
    mut each: impl FnMut(Frame<'_>),
) -> Result<(), LedgerError> {
    let bytes = segment::load(folder, first)?;
    let path = segment::path(folder, first);
    if !segment::header_fits(&bytes, first) {
        return Err(LedgerError::Gap { segment: path, expected: first });
    }
    let end = segment::walk(&bytes, first, |_, frame| {
        if frame.index < next {
            each(frame);
        }
    });
    if end.next_index < next {
        let offset = u64::try_from(end.offset).unwrap_or(u64::MAX);
        return Err(LedgerError::Damaged { index: end.next_index, segment: path, offset });
    }
    Ok(())
}

/// Opens the last segment for writing, after cutting what was torn off.
fn reopen_last(folder: &Path, layer: &dyn Layer, first: u64) -> Result<(Segment, u64), LedgerError> {
    let path = segment::path(folder, first);
    let bytes = segment::load(folder, first)?;
    if !segment::header_fits(&bytes, first) {
        return Err(LedgerError::Gap { segment: path, expected: first });
    }
    let mut keys = Vec::new();
    let end = segment::walk(&bytes, first, |_, frame| keys.extend(frame.spend.map(|key| (key, frame.index))));
    let offset = u64::try_from(end.offset).unwrap_or(u64::MAX);
    match end.state {
        EndState::Clean => {}
        EndState::Damaged => {
            return Err(LedgerError::Damaged { index: end.next_index, segment: path, offset });
        }
        EndState::Torn => {
            tracing::warn!(next = end.next_index, offset, "a write was torn off; its rest is cut");
            cut(&path, &bytes, end.offset).map_err(LedgerError::file("cut", &path))?;
        }
    }
    let file = layer.open(&path).map_err(LedgerError::file("open", &path))?;
    let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok((Segment { file, first, offset, bytes, keys }, end.next_index))
}

/// Writes zeros over everything after `offset`, so that nothing of it can be taken for an entry later.
fn cut(path: &Path, bytes: &[u8], offset: usize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let last = bytes.iter().rposition(|byte| *byte != 0).map_or(offset, |at| at + 1);
    let zeros = vec![0; last.saturating_sub(offset)];
    file.write_all_at(&zeros, u64::try_from(offset).unwrap_or(u64::MAX))?;
    file.sync_all()
}

/// Brings the tree from `edge` to `next` entries, and checks that it passes through what was signed.
fn regrow(
    dir: &Path,
    firsts: &[u64],
    edge: Edge,
    next: u64,
    said: &Said,
) -> Result<(Grower, Batch), LedgerError> {
    let folder = segments(dir);
    let from = edge.size();
    if from == said.size && edge.root() != said.root {
        return Err(LedgerError::Root { size: said.size });
    }
    let start = from / TILE_ENTRIES * TILE_ENTRIES;
    let mut grower = Grower::new(dir, edge);
    let mut newest = Batch { first: start, ..Batch::default() };
    let mut signed_root = None;
    let mut flushed = Ok(());
    for (at, first) in firsts.iter().enumerate() {
        let end = firsts.get(at + 1).copied().unwrap_or(next);
        if end <= start || end == *first {
            continue;
        }
        walk_sealed(&folder, *first, end, |frame| {
            if frame.index < start {
                return;
            }
            let hash = frame.leaf_hash();
            if frame.index < from {
                grower.refill(frame.leaf());
            } else {
                grower.add(frame.leaf(), hash);
            }
            newest.push(frame.leaf(), hash);
            if grower.edge().size() == said.size && frame.index >= from {
                signed_root = Some(grower.edge().root());
                // What the checkpoint needs may be lost as well.
                let result = grower.write_partial();
                if flushed.is_ok() {
                    flushed = result;
                }
            }
            if (frame.index + 1).is_multiple_of(TILE_ENTRIES) {
                newest = Batch { first: frame.index + 1, ..Batch::default() };
                let result = grower.repair();
                if flushed.is_ok() {
                    flushed = result;
                }
            }
        })?;
    }
    if signed_root.is_some_and(|root| root != said.root) {
        return Err(LedgerError::Root { size: said.size });
    }
    let tiles = dir.join("tile");
    flushed.and_then(|()| grower.repair()).map_err(LedgerError::file("write", &tiles))?;
    Ok((grower, newest))
}

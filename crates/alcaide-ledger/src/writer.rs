//! The writing thread: takes what waits, writes it, syncs it, answers.
//!
//! One write and one sync for everything that waited. Indexes are given here, so that an entry that is
//! refused (a spent key, a full disk) leaves no hole. After a write or sync that failed nothing is tried
//! again on the same pages: the kernel may have dropped them and would report success.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::frame::seal_frame;
use crate::layer::{Layer, SegmentFile};
use crate::leaf::{AppendError, SpendKey};
use crate::queue::{GATHER_MAX, GATHER_WRITES, Slot, Waiting};
use crate::segment::{self, SEGMENT_HEADER_BYTES};
use crate::shared::Shared;
use crate::tail::Batch;
use crate::tile;

/// The state that only the writing thread has.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) segment: Segment,
    /// Index of the next entry.
    pub(crate) next: u64,
    /// Every key ever spent, and by which entry.
    pub(crate) spent: HashMap<SpendKey, u64>,
}

/// The segment that is being written.
pub(crate) struct Segment {
    pub(crate) file: Box<dyn SegmentFile>,
    pub(crate) first: u64,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Keys spent in it.
    pub(crate) keys: Vec<(SpendKey, u64)>,
}

impl Writer {
    /// Writes until the queue is closed and empty, or the disk fails.
    pub(crate) fn run(mut self) {
        if self.shared.options.raise_priority {
            raise_priority();
        }
        // If this thread should ever end by a panic, callers must not wait for it.
        let _guard = FailOnDrop(Arc::clone(&self.shared));
        let mut waiting = Waiting::default();
        let mut gather = Duration::ZERO;
        while self.shared.queue.take(&mut waiting, gather) {
            let others = waiting.urgent() > 1;
            let begun = Instant::now();
            if let Err(cause) = self.write(&mut waiting) {
                tracing::error!(cause = &*cause, next = self.next, "the ledger failed");
                self.shared.queue.fail(&cause);
                break;
            }
            gather = if others { (begun.elapsed() * GATHER_WRITES).min(GATHER_MAX) } else { Duration::ZERO };
        }
    }

    /// Writes what waits, in as many segments as it needs.
    fn write(&mut self, waiting: &mut Waiting) -> Result<(), Arc<str>> {
        let twice = self.part_spent(waiting);
        let mut outcome = Ok(());
        let mut rest = std::mem::take(waiting);
        while !rest.slots.is_empty() {
            let fitting = self.fitting(&rest.slots);
            if fitting == 0 {
                match self.rotate() {
                    Ok(()) => continue,
                    Err(error) if is_full(&error) => {
                        let cause: Arc<str> = error.to_string().into();
                        tracing::warn!(cause = &*cause, "no room for a new segment");
                        self.refuse(rest, &AppendError::DiskFull { cause });
                    }
                    Err(error) => {
                        let cause: Arc<str> = format!("could not make a segment: {error}").into();
                        self.refuse(rest, &AppendError::Failed { cause: Arc::clone(&cause) });
                        outcome = Err(cause);
                    }
                }
                break;
            }
            let later = rest.split_off(fitting);
            if let Err((slots, cause)) = self.write_one(rest) {
                let error = AppendError::Failed { cause: Arc::clone(&cause) };
                self.refuse(Waiting { slots, bytes: Vec::new() }, &error);
                self.refuse(later, &error);
                outcome = Err(cause);
                break;
            }
            rest = later;
        }
        for (slot, key) in twice {
            let error = match (&outcome, self.spent.get(&key)) {
                (_, Some(index)) => AppendError::AlreadySpent { index: *index },
                (Err(cause), None) => AppendError::Failed { cause: Arc::clone(cause) },
                // The first one of this key was itself refused for want of room.
                (Ok(()), None) => AppendError::DiskFull { cause: Arc::from("no room for a new segment") },
            };
            let _ = slot.answer.send(Err(error));
        }
        outcome
    }

    /// Takes out the entries whose key is spent already, also by one before them in `waiting`.
    ///
    /// Keys of those that stay are entered with the index that the entry will have.
    fn part_spent(&mut self, waiting: &mut Waiting) -> Vec<(Slot, SpendKey)> {
        if waiting.slots.iter().all(|slot| slot.spend.is_none()) {
            return Vec::new();
        }
        let mut twice = Vec::new();
        let mut kept = Waiting::default();
        let mut index = self.next;
        let mut bytes = waiting.bytes.as_slice();
        for slot in waiting.slots.drain(..) {
            let (frame, rest) = bytes.split_at_checked(slot.frame_bytes).unwrap_or_default();
            bytes = rest;
            if let Some(key) = slot.spend {
                if self.spent.contains_key(&key) {
                    twice.push((slot, key));
                    continue;
                }
                self.spent.insert(key, index);
            }
            index += 1;
            kept.bytes.extend_from_slice(frame);
            kept.slots.push(slot);
        }
        *waiting = kept;
        twice
    }

    /// How many of the first entries fit into the segment.
    fn fitting(&self, slots: &[Slot]) -> usize {
        let mut room = self.segment.bytes.saturating_sub(self.segment.offset);
        let mut count = 0;
        for slot in slots {
            let bytes = u64::try_from(slot.frame_bytes).unwrap_or(u64::MAX);
            let Some(left) = room.checked_sub(bytes) else { break };
            room = left;
            count += 1;
        }
        count
    }

    /// One write, one sync, then the answers.
    fn write_one(&mut self, waiting: Waiting) -> Result<(), (Vec<Slot>, Arc<str>)> {
        let Waiting { slots, mut bytes } = waiting;
        let mut ends = Vec::with_capacity(slots.len());
        let mut hashes = Vec::with_capacity(slots.len());
        let mut rest = bytes.as_mut_slice();
        let (mut index, mut place, mut end) = (self.next, 0_u32, 0);
        for slot in &slots {
            let (frame, later) = rest.split_at_mut_checked(slot.frame_bytes).unwrap_or_default();
            seal_frame(frame, index, place);
            rest = later;
            index += 1;
            place = place.saturating_add(1);
            end += slot.frame_bytes;
            ends.push(end);
            hashes.push(slot.hash);
        }
        let file = &mut self.segment.file;
        let written = file.append(self.segment.offset, &bytes).and_then(|()| file.sync());
        if let Err(error) = written {
            return Err((slots, format!("could not write entries: {error}").into()));
        }
        self.segment.offset += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let first = std::mem::replace(&mut self.next, index);
        // First readable, then acknowledged.
        let batch = Batch { first, bytes, ends, hashes };
        let news = slots.iter().zip(first..).filter(|(slot, _)| slot.is_news);
        let news: Vec<_> = news.filter_map(|(_, index)| Some((index, batch.leaf(index)?.to_vec()))).collect();
        self.shared.tail.push(batch);
        self.shared.advance(index);
        self.shared.news.tell(news);
        for (slot, index) in slots.into_iter().zip(first..) {
            if let Some(key) = slot.spend {
                self.segment.keys.push((key, index));
            }
            let _ = slot.answer.send(Ok(index));
        }
        Ok(())
    }

    /// Refuses entries that were not written, and takes their keys back.
    fn refuse(&mut self, refused: Waiting, error: &AppendError) {
        for slot in &refused.slots {
            if let Some(key) = &slot.spend {
                self.spent.remove(key);
            }
        }
        refused.refuse(error);
    }

    /// Begins a new segment.
    fn rotate(&mut self) -> io::Result<()> {
        let folder = self.shared.segments();
        let bytes = self.shared.options.segment_bytes;
        let next = create_segment(&folder, &*self.shared.options.layer, self.next, bytes)?;
        let full = std::mem::replace(&mut self.segment, next);
        // The list only saves time at the next opening.
        if let Err(error) = segment::write_keys(&folder, full.first, self.next, &full.keys) {
            tracing::warn!(%error, "the keys of a full segment were not listed");
        }
        Ok(())
    }
}

/// Makes the segment that begins with entry `first`, with its name on the medium.
pub(crate) fn create_segment(
    folder: &Path,
    layer: &dyn Layer,
    first: u64,
    bytes: u64,
) -> io::Result<Segment> {
    let path = segment::path(folder, first);
    let temporary = tile::temporary(&path);
    let made = layer.create(&temporary, bytes).and_then(|mut file| {
        file.append(0, &segment::header(first))?;
        file.sync()?;
        Ok(file)
    });
    let file = made.inspect_err(|_| remove(&temporary))?;
    std::fs::rename(&temporary, &path)?;
    tile::sync_parent(&path)?;
    let offset = u64::try_from(SEGMENT_HEADER_BYTES).unwrap_or_default();
    Ok(Segment { file, first, offset, bytes, keys: Vec::new() })
}

impl Waiting {
    /// Leaves the first `count` entries here and returns the others.
    fn split_off(&mut self, count: usize) -> Self {
        if count >= self.slots.len() {
            return Self::default();
        }
        let slots = self.slots.split_off(count);
        let kept: usize = self.slots.iter().map(|slot| slot.frame_bytes).sum();
        Self { slots, bytes: self.bytes.split_off(kept) }
    }
}

/// Fails the queue if the writing thread panics.
struct FailOnDrop(Arc<Shared>);

impl Drop for FailOnDrop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue.fail(&Arc::from("the writing thread ended by a fault of its own"));
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn remove(path: &Path) {
    // What is left of a segment that could not be made is removed at the next opening, too.
    let _ = std::fs::remove_file(path);
}

/// Lets this thread run before others where the system allows it: its wake-up delay is everyone's latency.
fn raise_priority() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), WRITER_NICENESS)
    {
        tracing::debug!(%error, "the writing thread keeps its ordinary priority");
    }
}

/// Niceness of the writing thread: well before others, still after real-time work.
const WRITER_NICENESS: i32 = -10;

//! The newest entries, in memory: durable, but not yet in full bundles.
//!
//! The writing thread puts each write here; the integrating thread takes the writes into the tree and lets go
//! of those that lie in full bundles. Bounded by bytes: if the integrating thread falls behind, the writing
//! thread waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::checkpoint::Checkpoint;
use crate::frame::{leaf_in, push_frame};
use crate::hash::Hash;
use crate::queue::lock;

/// Entries of one write.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) first: u64,
    /// The frames, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// Where each frame ends.
    pub(crate) ends: Vec<usize>,
    pub(crate) hashes: Vec<Hash>,
}

impl Batch {
    /// Adds an entry that was read back; its frame has no check sum, which nobody reads here.
    pub(crate) fn push(&mut self, leaf: &[u8], hash: Hash) {
        push_frame(&mut self.bytes, leaf, u16::try_from(leaf.len()).unwrap_or(u16::MAX), None);
        self.ends.push(self.bytes.len());
        self.hashes.push(hash);
    }

    /// Index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::try_from(self.hashes.len()).unwrap_or(u64::MAX)
    }

    /// The leaf of entry `index`.
    pub(crate) fn leaf(&self, index: u64) -> Option<&[u8]> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        let end = *self.ends.get(at)?;
        let start = match at.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start..end).map(leaf_in)
    }

    /// Hash of the leaf of entry `index`.
    pub(crate) fn hash(&self, index: u64) -> Option<Hash> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.hashes.get(at).copied()
    }
}

/// The answer to a request for a checkpoint.
pub(crate) type CheckpointAnswer = Result<Checkpoint, Arc<str>>;

/// What the integrating thread has to do.
pub(crate) struct Work {
    pub(crate) batches: Vec<Arc<Batch>>,
    pub(crate) requests: Vec<oneshot::Sender<CheckpointAnswer>>,
    pub(crate) closing: bool,
}

/// The newest writes.
pub(crate) struct Tail {
    state: Mutex<State>,
    /// Wakes the integrating thread.
    work: Condvar,
    /// Wakes the writing thread.
    room: Condvar,
}

struct State {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    end: u64,
    /// The integrating thread sleeps until so many entries exist.
    wake_at: u64,
    requests: Vec<oneshot::Sender<CheckpointAnswer>>,
    /// The writing thread need not wait for room any more.
    draining: bool,
    closing: bool,
}

impl Tail {
    /// A tail that begins with the entries that recovery left in `batch`.
    pub(crate) fn new(batch: Batch) -> Self {
        let state = State {
            bytes: batch.bytes.len(),
            end: batch.end(),
            batches: VecDeque::from([Arc::new(batch)]),
            wake_at: u64::MAX,
            requests: Vec::new(),
            draining: false,
            closing: false,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), room: Condvar::new() }
    }

    /// Adds a write that is durable; waits while there is no room.
    pub(crate) fn push(&self, batch: Batch) {
        let mut state = lock(&self.state);
        while state.bytes > TAIL_BYTES_MAX && !state.draining {
            self.work.notify_one();
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes += batch.bytes.len();
        state.end = batch.end();
        state.batches.push_back(Arc::new(batch));
        let wake = state.end >= state.wake_at;
        if wake {
            state.wake_at = u64::MAX;
        }
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// Waits for entries from `next` on, a request, the deadline or the end.
    ///
    /// After the first new entry it lingers a moment, so that a stream of small writes does not wake the
    /// integrating thread for each. With `next` absent entries are left alone.
    pub(crate) fn wait(&self, next: Option<u64>, deadline: Option<Instant>) -> Work {
        let mut state = lock(&self.state);
        let mut deadline = deadline;
        let mut least = 1;
        loop {
            let fresh = next.map_or(0, |next| state.end.saturating_sub(next));
            let now = Instant::now();
            if state.closing || !state.requests.is_empty() || fresh >= LINGER_ENTRIES {
                break;
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                break;
            }
            if fresh >= 1 && least == 1 {
                least = LINGER_ENTRIES;
                let linger = now + LINGER;
                deadline = Some(deadline.map_or(linger, |deadline| deadline.min(linger)));
            }
            state.wake_at = next.map_or(u64::MAX, |next| next.saturating_add(least));
            state = match deadline {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(now);
                    self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.wake_at = u64::MAX;
        let batches = match next {
            Some(next) => state.batches.iter().filter(|batch| batch.end() > next).cloned().collect(),
            None => Vec::new(),
        };
        Work { batches, requests: std::mem::take(&mut state.requests), closing: state.closing }
    }

    /// Lets go of writes whose entries all lie below `index`.
    pub(crate) fn release(&self, index: u64) {
        let mut state = lock(&self.state);
        while let Some(batch) = state.batches.front().filter(|batch| batch.end() <= index) {
            let bytes = batch.bytes.len();
            state.bytes = state.bytes.saturating_sub(bytes);
            state.batches.pop_front();
        }
        drop(state);
        self.room.notify_one();
    }

    /// The write that holds entry `index`, if it is still here.
    pub(crate) fn find(&self, index: u64) -> Option<Arc<Batch>> {
        let state = lock(&self.state);
        let at = state.batches.partition_point(|batch| batch.end() <= index);
        state.batches.get(at).filter(|batch| batch.first <= index).cloned()
    }

    /// Asks for a checkpoint over everything that is durable now; `None` once the tail is closed.
    pub(crate) fn request(&self) -> Option<oneshot::Receiver<CheckpointAnswer>> {
        let (answer, receiver) = oneshot::channel();
        let mut state = lock(&self.state);
        if state.closing {
            return None;
        }
        state.requests.push(answer);
        drop(state);
        self.work.notify_one();
        Some(receiver)
    }

    /// The queue is closed: what it still holds is bounded, so the writing thread may go on without waiting.
    pub(crate) fn drain(&self) {
        lock(&self.state).draining = true;
        self.room.notify_one();
    }

    /// No more entries come; the integrating thread finishes.
    pub(crate) fn close(&self) {
        lock(&self.state).closing = true;
        self.work.notify_one();
    }
}

/// Most bytes of frames in memory before the writing thread waits.
const TAIL_BYTES_MAX: usize = 64 << 20;

/// How long the integrating thread gathers entries after the first: it bounds how far the tree is behind.
const LINGER: Duration = Duration::from_millis(20);

/// So many entries end the gathering at once.
const LINGER_ENTRIES: u64 = 2048;

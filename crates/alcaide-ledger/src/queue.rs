//! The queue between the callers and the writing thread.
//!
//! A caller encodes its entry straight into the bytes that will be written; the writing thread takes all of
//! them at once by swapping two buffers. So the lock is held for one copy of one entry, and the number of
//! entries in a write grows by itself while the disk is busy: group commit without a timer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::frame::push_frame;
use crate::hash::Hash;
use crate::leaf::{Answer, AppendError, SpendKey};

/// Entries that wait to be written, bounded by number and by bytes.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Wakes the writing thread.
    ready: Condvar,
    /// Wakes callers that wait for room.
    pub(crate) room: Notify,
    entries_max: usize,
    bytes_max: usize,
}

/// Entries in the order of their arrival, with their frames one behind the other.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) slots: Vec<Slot>,
    pub(crate) bytes: Vec<u8>,
}

/// One entry that waits.
pub(crate) struct Slot {
    /// Bytes of its frame.
    pub(crate) frame_bytes: usize,
    pub(crate) spend: Option<SpendKey>,
    pub(crate) hash: Hash,
    pub(crate) answer: oneshot::Sender<Answer>,
}

struct State {
    waiting: Waiting,
    phase: Phase,
    /// The writing thread sleeps.
    idle: bool,
    /// Somebody was turned away since the last swap.
    crowded: bool,
}

enum Phase {
    Open,
    Closing,
    Failed(Arc<str>),
}

impl Queue {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let state = State { waiting: Waiting::default(), phase: Phase::Open, idle: false, crowded: false };
        Self { state: Mutex::new(state), ready: Condvar::new(), room: Notify::new(), entries_max, bytes_max }
    }

    /// Queues an entry; [`AppendError::Busy`] if there is no room.
    pub(crate) fn push(
        &self,
        leaf: &[u8],
        leaf_bytes: u16,
        spend: Option<SpendKey>,
        hash: Hash,
    ) -> Result<oneshot::Receiver<Answer>, AppendError> {
        let (answer, receiver) = oneshot::channel();
        let mut state = lock(&self.state);
        match &state.phase {
            Phase::Open => {}
            Phase::Closing => return Err(AppendError::Closed),
            Phase::Failed(cause) => return Err(AppendError::Failed { cause: Arc::clone(cause) }),
        }
        let room = self.bytes_max.saturating_sub(state.waiting.bytes.len());
        if state.waiting.slots.len() >= self.entries_max || room < leaf.len() {
            state.crowded = true;
            return Err(AppendError::Busy);
        }
        let frame_bytes = push_frame(&mut state.waiting.bytes, leaf, leaf_bytes, spend.as_ref());
        state.waiting.slots.push(Slot { frame_bytes, spend, hash, answer });
        let wake = std::mem::take(&mut state.idle);
        drop(state);
        if wake {
            self.ready.notify_one();
        }
        Ok(receiver)
    }

    /// Waits for entries and swaps them into `taken`, which is empty; `false` once nothing more can come.
    pub(crate) fn take(&self, taken: &mut Waiting) -> bool {
        let mut state = lock(&self.state);
        while state.waiting.slots.is_empty() {
            if !matches!(state.phase, Phase::Open) {
                return false;
            }
            state.idle = true;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut state.waiting, taken);
        let crowded = std::mem::take(&mut state.crowded);
        drop(state);
        if crowded {
            self.room.notify_waiters();
        }
        true
    }

    /// Takes no more entries; those that wait will still be written.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.ready.notify_one();
        self.room.notify_waiters();
    }

    /// Refuses all entries that wait and all to come.
    pub(crate) fn fail(&self, cause: &Arc<str>) {
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Failed(_)) {
            state.phase = Phase::Failed(Arc::clone(cause));
        }
        let refused = std::mem::take(&mut state.waiting);
        drop(state);
        refused.refuse(&AppendError::Failed { cause: Arc::clone(cause) });
        self.room.notify_waiters();
    }

    /// Entries and bytes that wait to be written.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.waiting.slots.len(), state.waiting.bytes.len())
    }

    /// What made the ledger fail, if it has.
    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        match &lock(&self.state).phase {
            Phase::Failed(cause) => Some(Arc::clone(cause)),
            Phase::Open | Phase::Closing => None,
        }
    }
}

impl Waiting {
    /// Answers all entries with `error`.
    pub(crate) fn refuse(self, error: &AppendError) {
        for slot in self.slots {
            // Nobody may wait for the answer any more.
            let _ = slot.answer.send(Err(error.clone()));
        }
    }
}

/// A lock whose holder cannot leave the state half changed, so that a panic elsewhere does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

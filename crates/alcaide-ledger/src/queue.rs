//! The queue between the callers and the writing thread.
//!
//! A caller encodes its entry straight into the bytes that will be written; the writing thread takes all of
//! them at once by swapping two buffers. So the lock is held for one copy of one entry, and the number of
//! entries in a write grows by itself while the disk is busy: group commit.
//!
//! Two waits make groups larger, both bounded and neither in the way of a caller who is alone. Entries that may wait
//! ([`crate::Leaf::may_wait`]) are written with the next one that may not, at the latest after [`PUT_OFF`]. And where the
//! last write carried entries of several callers who waited, the next one is begun only after [`GATHER_WRITES`] times
//! what that write took, at most [`GATHER_MAX`]: others are about, and one sync will do for all of them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

/// An entry as it is queued.
pub(crate) struct Entry<'a> {
    pub(crate) leaf: &'a [u8],
    pub(crate) leaf_bytes: u16,
    pub(crate) spend: Option<SpendKey>,
    pub(crate) hash: Hash,
    pub(crate) may_wait: bool,
    pub(crate) is_news: bool,
}

/// One entry that waits.
pub(crate) struct Slot {
    /// Bytes of its frame.
    pub(crate) frame_bytes: usize,
    pub(crate) spend: Option<SpendKey>,
    pub(crate) hash: Hash,
    pub(crate) may_wait: bool,
    pub(crate) is_news: bool,
    pub(crate) answer: oneshot::Sender<Answer>,
}

struct State {
    waiting: Waiting,
    phase: Phase,
    sleep: Sleep,
    /// Something waits that may not be put off.
    urgent: bool,
    /// Somebody was turned away since the last swap.
    crowded: bool,
}

enum Phase {
    Open,
    Closing,
    Failed(Arc<str>),
}

/// What the writing thread needs to be woken for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Sleep {
    /// It is awake, or wakes soon by itself.
    No,
    /// For what may not wait; the rest it finds when its time is up.
    Light,
    /// For anything.
    Deep,
}

impl Queue {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let state = State {
            waiting: Waiting::default(),
            phase: Phase::Open,
            sleep: Sleep::No,
            urgent: false,
            crowded: false,
        };
        Self { state: Mutex::new(state), ready: Condvar::new(), room: Notify::new(), entries_max, bytes_max }
    }

    /// Queues an entry; [`AppendError::Busy`] if there is no room.
    pub(crate) fn push(&self, entry: &Entry<'_>) -> Result<oneshot::Receiver<Answer>, AppendError> {
        let (answer, receiver) = oneshot::channel();
        let mut state = lock(&self.state);
        match &state.phase {
            Phase::Open => {}
            Phase::Closing => return Err(AppendError::Closed),
            Phase::Failed(cause) => return Err(AppendError::Failed { cause: Arc::clone(cause) }),
        }
        let room = self.bytes_max.saturating_sub(state.waiting.bytes.len());
        if state.waiting.slots.len() >= self.entries_max || room < entry.leaf.len() {
            state.crowded = true;
            // What may wait has filled the queue: it has waited long enough.
            let wake = state.hurry();
            drop(state);
            self.wake(wake);
            return Err(AppendError::Busy);
        }
        let Entry { leaf, leaf_bytes, spend, hash, may_wait, is_news } = *entry;
        let frame_bytes = push_frame(&mut state.waiting.bytes, leaf, leaf_bytes, spend.as_ref());
        state.waiting.slots.push(Slot { frame_bytes, spend, hash, may_wait, is_news, answer });
        let wake = if !may_wait {
            state.hurry()
        } else if state.sleep == Sleep::Deep {
            state.sleep = Sleep::No;
            true
        } else {
            false
        };
        drop(state);
        self.wake(wake);
        Ok(receiver)
    }

    /// Puts nothing off any longer that waits now.
    pub(crate) fn hasten(&self) {
        let mut state = lock(&self.state);
        let wake = !state.waiting.slots.is_empty() && state.hurry();
        drop(state);
        self.wake(wake);
    }

    fn wake(&self, wake: bool) {
        if wake {
            self.ready.notify_one();
        }
    }

    /// Waits for entries and swaps them into `taken`, which is empty; `false` once nothing more can come.
    ///
    /// `gather` is how long others are waited for, counted from the call.
    pub(crate) fn take(&self, taken: &mut Waiting, gather: Duration) -> bool {
        let begun = Instant::now();
        let mut gathered = gather.is_zero();
        // Put off is what came after the last write began, so the time counts from here.
        let mut dozed = false;
        let mut state = lock(&self.state);
        loop {
            let is_open = matches!(state.phase, Phase::Open);
            let is_empty = state.waiting.slots.is_empty();
            if !is_open && is_empty {
                return false;
            }
            if !is_open || (gathered && state.urgent) || (dozed && !is_empty) {
                break;
            }
            let until = if gathered { PUT_OFF } else { gather };
            let left = until.saturating_sub(begun.elapsed());
            if left.is_zero() {
                dozed |= gathered;
                gathered = true;
                if dozed && is_empty {
                    state.sleep = Sleep::Deep;
                    state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            }
            // While it gathers it is woken by nobody: the time is short.
            state.sleep = if gathered { Sleep::Light } else { Sleep::No };
            state = self.ready.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.sleep = Sleep::No;
        state.urgent = false;
        // As much room as the last write had spares the callers most of the growing.
        let next = Waiting {
            slots: Vec::with_capacity(state.waiting.slots.len()),
            bytes: Vec::with_capacity(state.waiting.bytes.len()),
        };
        *taken = std::mem::replace(&mut state.waiting, next);
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

impl State {
    /// Nothing that waits may be put off any longer; whether the writing thread must be woken for it.
    fn hurry(&mut self) -> bool {
        self.urgent = true;
        std::mem::replace(&mut self.sleep, Sleep::No) != Sleep::No
    }
}

impl Waiting {
    /// Entries whose callers wait.
    pub(crate) fn urgent(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.may_wait).count()
    }

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

/// How long entries are put off that may wait: what a crash can leave unsaid of calls that had ended.
pub const PUT_OFF: Duration = Duration::from_millis(2);

/// How many times as long as the last write took the next one waits for the entries of others. Where many call, the
/// processor is what they wait for, and each sync takes some of it: gathering twice as long makes a third fewer.
pub(crate) const GATHER_WRITES: u32 = 2;

/// Longest time for which a write waits for the entries of others.
pub(crate) const GATHER_MAX: Duration = Duration::from_micros(400);

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue, leaf: &[u8], may_wait: bool) -> oneshot::Receiver<Answer> {
        let hash = crate::hash::leaf_hash(leaf);
        let leaf_bytes = u16::try_from(leaf.len()).unwrap();
        queue.push(&Entry { leaf, leaf_bytes, spend: None, hash, may_wait, is_news: true }).unwrap()
    }

    fn take(queue: &Queue) -> Vec<bool> {
        let mut taken = Waiting::default();
        assert!(queue.take(&mut taken, Duration::ZERO));
        taken.slots.iter().map(|slot| slot.may_wait).collect()
    }

    #[test]
    fn what_may_wait_goes_with_the_next_in_order_and_soon_by_itself() {
        let queue = Queue::new(16, 1 << 20);
        let _answers = [push(&queue, b"a", true), push(&queue, b"b", true), push(&queue, b"c", false)];
        assert_eq!(take(&queue), [true, true, false]);
        let _answer = push(&queue, b"d", true);
        assert_eq!(take(&queue), [true]);
    }

    #[test]
    fn what_may_wait_wakes_nobody_who_wakes_soon() {
        let queue = Queue::new(16, 1 << 20);
        lock(&queue.state).sleep = Sleep::Light;
        let _answer = push(&queue, b"a", true);
        assert!(lock(&queue.state).sleep == Sleep::Light && !lock(&queue.state).urgent);
        queue.hasten();
        assert!(lock(&queue.state).sleep == Sleep::No && lock(&queue.state).urgent);
        assert_eq!(take(&queue), [true]);
        lock(&queue.state).sleep = Sleep::Deep;
        let _answer = push(&queue, b"b", true);
        assert!(lock(&queue.state).sleep == Sleep::No && !lock(&queue.state).urgent);
        lock(&queue.state).sleep = Sleep::Light;
        let _answer = push(&queue, b"c", false);
        assert!(lock(&queue.state).sleep == Sleep::No && lock(&queue.state).urgent);
    }

    #[test]
    fn a_queue_filled_with_what_may_wait_is_emptied_at_once() {
        let queue = Queue::new(1, 1 << 20);
        let _answer = push(&queue, b"a", true);
        lock(&queue.state).sleep = Sleep::Light;
        let hash = crate::hash::leaf_hash(b"b");
        let more = Entry { leaf: b"b", leaf_bytes: 1, spend: None, hash, may_wait: true, is_news: true };
        assert!(matches!(queue.push(&more), Err(AppendError::Busy)));
        assert!(lock(&queue.state).urgent && lock(&queue.state).sleep == Sleep::No);
    }
}

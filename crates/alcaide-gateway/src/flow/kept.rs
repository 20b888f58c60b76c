//! The tasks whose state is kept, and what each has still to take in.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use alcaide_flow::{Size, Source, Task};
use alcaide_inventory::id::TaskId;
use alcaide_label::Label;
use alcaide_record::Digest;
use alcaide_seal::digest::Sha256Digest;

use super::Judged;

#[derive(Default)]
pub(super) struct Table {
    pub(super) tasks: HashMap<TaskId, Arc<Mutex<Kept>>>,
    /// Counts uses, so that it is known what was not used for longest.
    pub(super) uses: u64,
}

pub(super) struct Kept {
    /// Always there but while a step is made of it.
    pub(super) task: Option<Task>,
    /// Digests of the words that it has heard.
    pub(super) heard: Vec<Sha256Digest>,
    /// What people endorsed that it has taken in: lists of values on the shelf, and the places in them.
    pub(super) endorsed: Vec<(Digest, Vec<u16>)>,
    /// Answers that it has not taken in, in order.
    pub(super) unread: VecDeque<Unread>,
    pub(super) used: u64,
    pub(super) weight: usize,
    /// No longer in the table: its weight is nobody's.
    pub(super) left: bool,
}

impl Kept {
    pub(super) fn new(task: Task, used: u64) -> Self {
        Self {
            task: Some(task),
            heard: Vec::new(),
            endorsed: Vec::new(),
            unread: VecDeque::new(),
            used,
            weight: 0,
            left: false,
        }
    }
}

impl Table {
    /// Forgets what was not used for longest, a tenth at a time; what is in use now stays.
    pub(super) fn make_room(&mut self, weight: &AtomicUsize) {
        if self.tasks.len() < TASKS_MAX && weight.load(Ordering::Relaxed) < WEIGHT_MAX {
            return;
        }
        let mut all: Vec<(u64, TaskId)> =
            self.tasks.iter().filter_map(|(id, kept)| Some((free(kept)?.used, *id))).collect();
        all.sort_unstable();
        let least = self.tasks.len().div_ceil(10);
        for (at, (_, id)) in all.into_iter().enumerate() {
            if at >= least && weight.load(Ordering::Relaxed) < WEIGHT_MAX / 10 * 9 {
                return;
            }
            let Some(kept) = self.tasks.remove(&id) else { continue };
            match free(&kept) {
                Some(mut held) => {
                    held.left = true;
                    weight.fetch_sub(held.weight, Ordering::Relaxed);
                }
                // Somebody has begun to use it.
                None => drop(self.tasks.insert(id, Arc::clone(&kept))),
            }
        }
    }
}

/// An answer whose task has not been told of it.
pub(super) struct Unread {
    pub(super) source: Source,
    pub(super) texts: Vec<(Box<str>, Label)>,
    pub(super) resolves: Vec<Box<str>>,
    pub(super) judged: Option<Arc<Judged>>,
    pub(super) size: Size,
}

impl Unread {
    pub(super) fn bytes(&self) -> usize {
        self.texts.iter().map(|(text, _)| text.len()).sum()
    }
}

/// The state, unless somebody uses it.
fn free(kept: &Mutex<Kept>) -> Option<MutexGuard<'_, Kept>> {
    match kept.try_lock() {
        Ok(held) => Some(held),
        Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

pub(super) fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Most digests and values that all tasks keep together; past it those that were not used for longest are forgotten.
const WEIGHT_MAX: usize = 6 << 20;
/// Most tasks that are kept.
const TASKS_MAX: usize = 20_000;

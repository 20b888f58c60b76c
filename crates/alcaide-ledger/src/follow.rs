//! Reading along: every entry in order, from the past into the present.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::ReadError;
use crate::shared::{Progress, Shared};

/// Yields the entries of a ledger in order, each as soon as it is durable.
///
/// Holds at most 256 entries in memory; far behind, it reads bundles from disk.
pub struct Follower {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    next: u64,
    /// Entries from `next` on that are read already.
    read: VecDeque<Vec<u8>>,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>, from: u64) -> Self {
        let progress = shared.progress.subscribe();
        Self { shared, progress, next: from, read: VecDeque::new() }
    }

    /// The next entry and its index; waits for it. `None` once the ledger is closed and everything was
    /// yielded.
    ///
    /// # Errors
    /// [`ReadError`] if a bundle cannot be read; a later call tries the same entry again.
    ///
    /// # Cancel safety
    /// Cancel safe: an entry is either yielded or still to come.
    pub async fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
        loop {
            if let Some(leaf) = self.read.pop_front() {
                let index = self.next;
                self.next += 1;
                return Ok(Some((index, leaf)));
            }
            let progress = *self.progress.borrow_and_update();
            if self.next < progress.size {
                self.read = self.fetch().await?.into();
                continue;
            }
            if progress.closed || self.progress.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// The index of the entry that comes next.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.next
    }

    async fn fetch(&self) -> Result<Vec<Vec<u8>>, ReadError> {
        let index = self.next;
        if let Some(entries) = self.shared.read_newest(index) {
            return Ok(entries);
        }
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || shared.read_some(index));
        // The runtime is going down if the task does not come back.
        task.await.unwrap_or(Err(ReadError::Beyond { index, size: index }))
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Follower").field("next", &self.next).finish_non_exhaustive()
    }
}

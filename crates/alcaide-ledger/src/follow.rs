//! Reading along: every entry in order, from the past into the present.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::ReadError;
use crate::news::Found;
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
        fetch(&self.shared, self.next).await
    }
}

/// Up to 256 entries from `index` on, which is durable.
async fn fetch(shared: &Arc<Shared>, index: u64) -> Result<Vec<Vec<u8>>, ReadError> {
    if let Some(entries) = shared.read_newest(index) {
        return Ok(entries);
    }
    let shared = Arc::clone(shared);
    let task = tokio::task::spawn_blocking(move || shared.read_some(index));
    // The runtime is going down if the task does not come back.
    task.await.unwrap_or(Err(ReadError::Beyond { index, size: index }))
}

/// Yields the entries that are news, in order, each as soon as it is durable; see
/// [`Ledger::follow_news`](crate::Ledger::follow_news).
pub struct NewsFollower {
    shared: Arc<Shared>,
    newest: watch::Receiver<(u64, bool)>,
    next: u64,
    /// Entries from `next` on that are read already, news or not.
    read: VecDeque<Vec<u8>>,
}

impl NewsFollower {
    pub(crate) fn new(shared: Arc<Shared>, from: u64) -> Self {
        let newest = shared.news.subscribe();
        Self { shared, newest, next: from, read: VecDeque::new() }
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
            // The look at the channel comes first, or what is told in between would be slept over.
            let (_, closed) = *self.newest.borrow_and_update();
            match self.shared.news.find(self.next) {
                Found::Entry(index, leaf) => {
                    self.next = index + 1;
                    return Ok(Some((index, leaf)));
                }
                Found::Behind(from) => {
                    let mut read = fetch(&self.shared, self.next).await?;
                    read.truncate(usize::try_from(from - self.next).unwrap_or(usize::MAX));
                    self.read = read.into();
                }
                Found::Nothing => {
                    if closed || self.newest.changed().await.is_err() {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

impl NewsFollower {
    /// Whether all news that the ledger holds by now are read.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.read.is_empty() && matches!(self.shared.news.find(self.next), Found::Nothing)
    }
}

impl fmt::Debug for NewsFollower {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NewsFollower").field("next", &self.next).finish_non_exhaustive()
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Follower").field("next", &self.next).finish_non_exhaustive()
    }
}

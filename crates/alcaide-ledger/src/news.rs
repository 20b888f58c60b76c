//! The newest entries that others than their writer act upon, in memory.
//!
//! Whoever waits for orders would otherwise be woken for every write. The writing thread puts each such entry here once
//! it is durable; a follower that has fallen behind what is kept reads the entries themselves until it has caught up.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::queue::lock;

/// Bounded by number and by bytes.
pub(crate) struct News {
    kept: Mutex<Kept>,
    /// Index after the newest, and whether no more will come.
    newest: watch::Sender<(u64, bool)>,
}

struct Kept {
    /// From this index on nothing is missing.
    from: u64,
    entries: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
}

/// What is to be had from some index on.
pub(crate) enum Found {
    /// This entry comes next.
    Entry(u64, Vec<u8>),
    /// There is none yet.
    Nothing,
    /// What comes next is not kept any more; from this index on it is.
    Behind(u64),
}

impl News {
    /// None so far of a ledger with `size` entries.
    pub(crate) fn from(size: u64) -> Self {
        let kept = Kept { from: size, entries: VecDeque::new(), bytes: 0 };
        Self { kept: Mutex::new(kept), newest: watch::Sender::new((size, false)) }
    }

    /// Adds entries that are durable and can be read, in order.
    pub(crate) fn tell(&self, entries: Vec<(u64, Vec<u8>)>) {
        let Some(newest) = entries.last().map(|(index, _)| *index) else { return };
        let mut kept = lock(&self.kept);
        for (index, leaf) in entries {
            kept.bytes = kept.bytes.saturating_add(leaf.len());
            kept.entries.push_back((index, leaf));
        }
        while kept.entries.len() > NEWS_ENTRIES_MAX || kept.bytes > NEWS_BYTES_MAX {
            let Some((index, leaf)) = kept.entries.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(leaf.len());
            kept.from = index.saturating_add(1);
        }
        drop(kept);
        self.newest.send_modify(|(after, _)| *after = newest.saturating_add(1));
    }

    /// No more will come.
    pub(crate) fn close(&self) {
        self.newest.send_modify(|(_, closed)| *closed = true);
    }

    /// Tells when there is more.
    pub(crate) fn subscribe(&self) -> watch::Receiver<(u64, bool)> {
        self.newest.subscribe()
    }

    /// The first entry from `index` on.
    pub(crate) fn find(&self, index: u64) -> Found {
        let kept = lock(&self.kept);
        if index < kept.from {
            return Found::Behind(kept.from);
        }
        let at = kept.entries.partition_point(|(known, _)| *known < index);
        kept.entries.get(at).map_or(Found::Nothing, |(index, leaf)| Found::Entry(*index, leaf.clone()))
    }
}

/// Most entries that are kept: orders and tokens of a whole minute of a busy office.
const NEWS_ENTRIES_MAX: usize = 4_096;
/// Most bytes of them.
const NEWS_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_any_more_is_said() {
        let news = News::from(10);
        assert!(matches!(news.find(10), Found::Nothing));
        assert!(matches!(news.find(9), Found::Behind(10)));
        news.tell(vec![(12, vec![7]), (20, vec![7])]);
        assert!(matches!(news.find(10), Found::Entry(12, _)));
        assert!(matches!(news.find(13), Found::Entry(20, _)));
        assert!(matches!(news.find(21), Found::Nothing));
        let last = u64::try_from(NEWS_ENTRIES_MAX).unwrap() + 21;
        news.tell((21..last).map(|index| (index, vec![7])).collect());
        assert!(matches!(news.find(10), Found::Behind(21)));
        assert!(matches!(news.find(21), Found::Entry(21, _)));
        assert_eq!(*news.subscribe().borrow(), (last, false));
    }
}

//! Whether orders still arrive. What is remembered of kills and revocations is worth something only as long as
//! somebody reads new ones: the follower says when it last stood at the ledger's end, and that it is gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use alcaide_inventory::Moment;

use crate::state::{Memory, NotGood};

/// When orders were last known to be whole.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    /// Microseconds of the last moment at which no order was missing; 0: never.
    last: AtomicU64,
    lost: AtomicBool,
}

impl Memory {
    /// All entries that were on disk at `at` are in memory.
    pub fn heard(&self, at: Moment) {
        // Stored, not the greatest of all: a clock that was set back must not hide that nobody listens.
        self.hearing.last.store(at.micros(), Ordering::Release);
    }

    /// Nobody follows the ledger any more: from now on no credential is good.
    pub fn lost(&self) {
        self.hearing.lost.store(true, Ordering::Release);
    }

    /// How old what is known of orders is at `now`.
    #[must_use]
    pub fn orders_age(&self, now: Moment) -> Duration {
        now.since(Moment::from_micros(self.hearing.last.load(Ordering::Acquire)))
    }

    /// Whether orders up to `within` before `now` are known.
    ///
    /// # Errors
    /// [`NotGood::Deaf`] if nobody follows the ledger, [`NotGood::Stale`] if the follower is too far behind.
    pub fn hears(&self, now: Moment, within: Duration) -> Result<(), NotGood> {
        self.follows()?;
        if self.orders_age(now) > within { Err(NotGood::Stale) } else { Ok(()) }
    }

    pub(crate) fn follows(&self) -> Result<(), NotGood> {
        if self.hearing.lost.load(Ordering::Acquire) { Err(NotGood::Deaf) } else { Ok(()) }
    }
}

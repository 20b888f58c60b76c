//! Whether the office keeps up with the ledger. Where its store cannot be written (a full disk), entries go on being
//! recorded and gates go on reading them, but what the office itself knows of orders is old: until it has caught up it
//! issues no token and takes none. Orders can still be given, through the operator's socket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use alcaide_ledger::ReadError;

use crate::error::OfficeError;
use crate::office::Office;

/// How far the office has followed, and why the last following came to nothing, if it did.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    next: AtomicU64,
    why: Mutex<Option<String>>,
}

impl Lag {
    pub(crate) fn told(&self, followed: &Result<u64, OfficeError>) {
        if let Ok(next) = followed {
            self.next.fetch_max(*next, Ordering::Relaxed);
        }
        let why = followed.as_ref().err().map(|error| crate::error::cut(&error.to_string()));
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

impl Office {
    /// Why the office does not keep up with the ledger, if it does not.
    #[must_use]
    pub fn behind(&self) -> Option<String> {
        self.0.lag.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Entries of the ledger that the office has not followed yet.
    #[must_use]
    pub fn unfollowed(&self) -> u64 {
        self.0.ledger.size().saturating_sub(self.0.lag.next.load(Ordering::Relaxed))
    }

    /// Follows what is in the ledger now, for whoever must not go on from less; returns the index of the first entry that
    /// was not followed.
    ///
    /// # Errors
    /// [`OfficeError::Behind`] while the store cannot follow; else what store and ledger say.
    pub(crate) async fn caught_up(&self) -> Result<u64, OfficeError> {
        self.catch_up().await.map_err(|error| match error.may_pass() {
            true => OfficeError::Behind { why: crate::error::cut(&error.to_string()) },
            false => error,
        })
    }

    /// Lets pass only while the office knows all orders.
    pub(crate) fn keeps_up(&self) -> Result<(), OfficeError> {
        self.behind().map_or(Ok(()), |why| Err(OfficeError::Behind { why }))
    }
}

impl OfficeError {
    /// Whether the same may succeed later without anybody mending what is stored: room on the disk, a lock.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => error.is_passing(),
            Self::LedgerRead(error) => matches!(error, ReadError::File { .. }),
            _ => false,
        }
    }
}

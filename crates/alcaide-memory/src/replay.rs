//! Proofs that were seen (DPoP `jti`, client assertions): each works once.

use std::collections::HashMap;

use alcaide_inventory::Moment;

/// Most proofs that are remembered at one time; past it new ones are refused, never forgotten early.
pub(crate) const SEEN_MAX: usize = 200_000;

/// A proof was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It was used before.
    #[error("the proof was used before")]
    Replayed,
    /// Too many proofs are in flight.
    #[error("too many proofs are in flight")]
    Full,
}

/// What was seen and until when it must be remembered.
#[derive(Debug, Default)]
pub struct Seen {
    until: HashMap<[u8; 32], Moment>,
}

impl Seen {
    /// Takes note of `id`, which is too old by itself from `forget` on.
    ///
    /// # Errors
    /// [`ReplayError::Replayed`] if it was noted before; [`ReplayError::Full`] if nothing can be forgotten yet.
    pub fn note(&mut self, id: [u8; 32], forget: Moment, now: Moment) -> Result<(), ReplayError> {
        if self.until.get(&id).is_some_and(|until| now < *until) {
            return Err(ReplayError::Replayed);
        }
        if self.until.len() >= SEEN_MAX {
            self.until.retain(|_, until| now < *until);
            if self.until.len() >= SEEN_MAX {
                return Err(ReplayError::Full);
            }
        }
        self.until.insert(id, forget);
        Ok(())
    }
}

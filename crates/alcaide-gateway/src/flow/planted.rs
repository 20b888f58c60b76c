//! What tasks that had read strangers' text wrote into a store.

use std::collections::HashSet;

/// What tasks that had read strangers' text wrote into a store.
pub(super) enum Planted {
    /// Digests of what they wrote.
    Known(HashSet<u64>),
    /// Too much, or it cannot be read: all of the store is strangers'.
    All,
}

impl Planted {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let Self::Known(known) = self else { return };
        let (digests, rest) = bytes.as_chunks::<8>();
        known.extend(digests.iter().map(|digest| u64::from_be_bytes(*digest)));
        if !rest.is_empty() || known.len() > PLANTED_MAX {
            *self = Self::All;
        }
    }
}

/// Most digests that are kept of one store.
const PLANTED_MAX: usize = 2 << 20;

//! Proofs that were seen: each works once. Kept in memory, because each is short-lived; what was made before the
//! office started is refused, because what was seen then is forgotten.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use alcaide_inventory::Moment;
use alcaide_seal::Sha256Digest;

use crate::error::OfficeError;

/// Most proofs that are remembered at once: at 5 minutes each, some 200 a second.
pub(crate) const REMEMBERED_MAX: usize = 65_536;

pub(crate) struct Replay {
    since: Moment,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    ids: HashSet<Sha256Digest>,
    by_end: BTreeSet<(Moment, Sha256Digest)>,
}

impl Replay {
    pub(crate) fn since(since: Moment) -> Self {
        Self { since, seen: Mutex::new(Seen::default()) }
    }

    /// Takes a proof that was made at `issued` and is good until `forget`; once.
    ///
    /// When full of proofs that are still good it takes no new one: forgetting one would let it be used again.
    pub(crate) fn take(
        &self,
        id: Sha256Digest,
        issued: Moment,
        forget: Moment,
        now: Moment,
    ) -> Result<(), OfficeError> {
        if issued < self.since {
            return Err(OfficeError::Replayed);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = seen.by_end.first().copied().filter(|(end, _)| *end <= now) {
            seen.by_end.remove(&first);
            seen.ids.remove(&first.1);
        }
        if seen.ids.contains(&id) {
            return Err(OfficeError::Replayed);
        }
        if seen.ids.len() >= REMEMBERED_MAX {
            return Err(OfficeError::Crowded);
        }
        seen.ids.insert(id);
        seen.by_end.insert((forget, id));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alcaide_seal::sha256;

    use super::*;

    const T: fn(u64) -> Moment = Moment::from_secs;

    #[test]
    fn once_means_once_until_it_has_ended_anyway() {
        let replay = Replay::since(T(100));
        let id = sha256(b"a");
        assert!(matches!(replay.take(id, T(99), T(200), T(101)), Err(OfficeError::Replayed)));
        assert!(replay.take(id, T(100), T(200), T(101)).is_ok());
        assert!(matches!(replay.take(id, T(100), T(200), T(199)), Err(OfficeError::Replayed)));
        assert!(replay.take(sha256(b"b"), T(100), T(200), T(199)).is_ok());
        // Past its end the proof itself is refused by its times; here it is only forgotten.
        assert!(replay.take(id, T(150), T(400), T(200)).is_ok());
        assert_eq!(replay.seen.lock().unwrap().ids.len(), 1);
    }

    #[test]
    fn a_full_memory_refuses_and_recovers() {
        let replay = Replay::since(T(0));
        for number in 0..REMEMBERED_MAX {
            replay.take(sha256(&number.to_be_bytes()), T(1), T(300), T(1)).unwrap();
        }
        assert!(matches!(replay.take(sha256(b"more"), T(1), T(300), T(1)), Err(OfficeError::Crowded)));
        assert!(replay.take(sha256(b"more"), T(300), T(600), T(300)).is_ok());
    }
}

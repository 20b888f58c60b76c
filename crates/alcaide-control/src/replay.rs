//! Proofs that were seen: each works once. Kept in memory, because each is short-lived; what was made before the
//! office started is refused, because what was seen then is forgotten.
//!
//! A proof is taken only from somebody who is known by then and may act, and each has a part of the memory: strangers
//! fill none of it, and nobody fills it for the others.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use alcaide_inventory::{Actor, Moment};
use alcaide_seal::Sha256Digest;

use crate::error::OfficeError;

/// Most proofs that are remembered at once: at 5 minutes each, some 200 a second.
pub(crate) const REMEMBERED_MAX: usize = 65_536;
/// Most of them of one actor, whatever credentials and tokens they came with: some 13 a second.
pub(crate) const REMEMBERED_OF_ACTOR_MAX: usize = 4_096;

pub(crate) struct Replay {
    since: Moment,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Whose each is.
    ids: HashMap<Sha256Digest, Actor>,
    by_end: BTreeSet<(Moment, Sha256Digest)>,
    /// How many are remembered of each.
    of: HashMap<Actor, usize>,
}

impl Seen {
    fn forget(&mut self, end: Moment, id: Sha256Digest) {
        self.by_end.remove(&(end, id));
        let Some(actor) = self.ids.remove(&id) else { return };
        if let Entry::Occupied(mut of) = self.of.entry(actor) {
            *of.get_mut() = of.get().saturating_sub(1);
            if *of.get() == 0 {
                of.remove();
            }
        }
    }
}

impl Replay {
    pub(crate) fn since(since: Moment) -> Self {
        Self { since, seen: Mutex::new(Seen::default()) }
    }

    /// Takes a proof of `actor` that was made at `issued` and is good until `forget`; once.
    ///
    /// When full of proofs that are still good it takes no new one: forgetting one would let it be used again.
    pub(crate) fn take(
        &self,
        actor: Actor,
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
            seen.forget(first.0, first.1);
        }
        if seen.ids.contains_key(&id) {
            return Err(OfficeError::Replayed);
        }
        let own = seen.of.get(&actor).copied().unwrap_or(0);
        if seen.ids.len() >= REMEMBERED_MAX || own >= REMEMBERED_OF_ACTOR_MAX {
            return Err(OfficeError::Crowded);
        }
        seen.of.insert(actor, own.saturating_add(1));
        seen.ids.insert(id, actor);
        seen.by_end.insert((forget, id));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alcaide_seal::sha256;

    use super::*;

    const T: fn(u64) -> Moment = Moment::from_secs;

    fn of(actor: usize) -> Actor {
        Actor::Agent(alcaide_inventory::AgentId::from_bits(actor as u128))
    }

    #[test]
    fn once_means_once_until_it_has_ended_anyway() {
        let replay = Replay::since(T(100));
        let id = sha256(b"a");
        assert!(matches!(replay.take(of(1), id, T(99), T(200), T(101)), Err(OfficeError::Replayed)));
        assert!(replay.take(of(1), id, T(100), T(200), T(101)).is_ok());
        assert!(matches!(replay.take(of(1), id, T(100), T(200), T(199)), Err(OfficeError::Replayed)));
        assert!(replay.take(of(1), sha256(b"b"), T(100), T(200), T(199)).is_ok());
        // Past its end the proof itself is refused by its times; here it is only forgotten.
        assert!(replay.take(of(1), id, T(150), T(400), T(200)).is_ok());
        assert_eq!(replay.seen.lock().unwrap().ids.len(), 1);
    }

    #[test]
    fn a_full_memory_refuses_and_recovers() {
        let replay = Replay::since(T(0));
        for number in 0..REMEMBERED_MAX {
            replay
                .take(of(number / REMEMBERED_OF_ACTOR_MAX), sha256(&number.to_be_bytes()), T(1), T(300), T(1))
                .unwrap();
        }
        assert!(matches!(
            replay.take(of(99), sha256(b"more"), T(1), T(300), T(1)),
            Err(OfficeError::Crowded)
        ));
        assert!(replay.take(of(1), sha256(b"more"), T(300), T(600), T(300)).is_ok());
    }

    #[test]
    fn nobody_fills_it_for_the_others() {
        let replay = Replay::since(T(0));
        for number in 0..REMEMBERED_OF_ACTOR_MAX {
            replay.take(of(1), sha256(&number.to_be_bytes()), T(1), T(300), T(1)).unwrap();
        }
        assert!(matches!(replay.take(of(1), sha256(b"more"), T(1), T(300), T(1)), Err(OfficeError::Crowded)));
        assert!(replay.take(of(2), sha256(b"more"), T(1), T(300), T(1)).is_ok());
        assert!(replay.take(of(1), sha256(b"next"), T(300), T(600), T(300)).is_ok());
        assert_eq!(replay.seen.lock().unwrap().of.len(), 1, "who has none left is not counted");
    }
}

//! Entries that nobody waits for on their way into the ledger: none is lost for want of room, and no one fills the queue
//! alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use alcaide_inventory::Actor;
use alcaide_ledger::{AppendError, Durable, Leaf, Ledger, Pending};
use alcaide_record::Refused;

/// Most refusals of one actor with one code that are on their way to the disk at one time. What comes meanwhile is
/// summed up in one entry more: an agent that is refused in a loop takes no place from others, whatever the disk does.
const REFUSALS_AT_ONCE: u32 = 32;

/// Whose refusals, and why they were.
pub(super) type CrowdKey = (Actor, &'static str);

/// Refusals on their way to the disk.
#[derive(Default)]
pub(super) struct Crowds(Mutex<HashMap<CrowdKey, Crowd>>);

#[derive(Default)]
struct Crowd {
    on_the_way: u32,
    /// The last of those that wait to be summed up, and how many there are before it.
    more: Option<Box<Refused>>,
}

impl Crowds {
    /// The refusal, where it gets an entry of its own now.
    pub(super) fn join(&self, key: CrowdKey, mut refused: Refused) -> Option<Refused> {
        let mut crowds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let crowd = crowds.entry(key).or_default();
        if crowd.on_the_way < REFUSALS_AT_ONCE {
            crowd.on_the_way = crowd.on_the_way.saturating_add(1);
            return Some(refused);
        }
        refused.alike = crowd.more.take().map_or(0, |last| last.alike.saturating_add(1));
        crowd.more = Some(Box::new(refused));
        None
    }

    /// One of them has come to its end; what is to be written in its place.
    pub(super) fn leave(&self, key: CrowdKey) -> Option<Refused> {
        let mut crowds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let crowd = crowds.get_mut(&key)?;
        if let Some(more) = crowd.more.take() {
            return Some(*more);
        }
        crowd.on_the_way = crowd.on_the_way.saturating_sub(1);
        if crowd.on_the_way == 0 {
            crowds.remove(&key);
        }
        None
    }
}

/// An entry on its way: with a place in the ledger's queue, or waiting for one. What is owed is not dropped for want of
/// room: outcomes are as many as attempts, which are as many as intents that had room.
pub(super) enum Way<T> {
    Queued(Pending<T>),
    Waits(T),
}

impl<T: Leaf> Way<T> {
    pub(super) fn into(ledger: &Ledger, leaf: T) -> Result<Self, AppendError> {
        match ledger.try_enqueue(leaf) {
            Ok(pending) => Ok(Self::Queued(pending)),
            Err((leaf, AppendError::Busy)) => Ok(Self::Waits(leaf)),
            Err((_, error)) => Err(error),
        }
    }

    /// The same, which gives back what is not on disk where it is still there.
    pub(super) async fn receipt_or_back(
        self,
        ledger: &Ledger,
    ) -> Result<Durable<T>, (Option<T>, AppendError)> {
        match self {
            Self::Queued(pending) => pending.or_back().await,
            Self::Waits(leaf) => match ledger.enqueue_when_room(leaf).await {
                Ok(pending) => pending.or_back().await,
                Err(error) => Err((None, error)),
            },
        }
    }

    pub(super) async fn receipt(self, ledger: &Ledger) -> Result<Durable<T>, AppendError> {
        match self {
            Self::Queued(pending) => pending.await,
            Self::Waits(leaf) => ledger.enqueue_when_room(leaf).await?.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::id::{AgentId, CallId};
    use alcaide_record::Stage;

    use super::*;

    fn refused(call: u128) -> Refused {
        Refused {
            action: None,
            alike: 0,
            approval: None,
            call: CallId::from_bits(call),
            code: String::new(),
            content: None,
            decided: None,
            question: None,
            stage: Stage::Known,
            target: None,
            who: None,
        }
    }

    #[test]
    fn one_past_the_bound_is_summed_up_and_none_is_forgotten() {
        let crowds = Crowds::default();
        let key = |bits| (Actor::Agent(AgentId::from_bits(bits)), "CODE");
        for call in 0..REFUSALS_AT_ONCE {
            assert!(crowds.join(key(1), refused(call.into())).is_some());
        }
        for call in 100..103 {
            assert!(crowds.join(key(1), refused(call)).is_none());
        }
        assert!(crowds.join(key(2), refused(200)).is_some(), "another actor has places of its own");
        let sum = crowds.leave(key(1)).unwrap();
        assert_eq!((sum.call, sum.alike), (CallId::from_bits(102), 2));
        // The sum has the place of the one that left.
        assert!(crowds.join(key(1), refused(300)).is_none());
        assert_eq!(crowds.leave(key(1)).unwrap().alike, 0);
        for _ in 0..REFUSALS_AT_ONCE {
            assert!(crowds.leave(key(1)).is_none());
        }
        assert!(crowds.leave(key(2)).is_none());
        assert!(crowds.0.lock().unwrap().is_empty());
    }
}

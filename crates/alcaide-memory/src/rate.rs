//! How many questions were asked within the last hour, of whom: people can answer only so many well.
//!
//! Counted twice: for who acts, and for on whose behalf, where that is somebody else. Counts are of questions in the
//! ledger, under the times of their entries; those that are being written count as asked.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use alcaide_inventory::{Actor, Moment};

/// The time over which questions are counted.
pub const RATE_SPAN: Duration = Duration::from_secs(60 * 60);
/// Most questions of one actor, or of one subject, whose times are kept: no limit is higher.
pub const RATE_MAX: u32 = 10_000;
/// From so many parties on, those that asked nothing within the span are looked for and let go.
const SWEEP_AT: usize = 4_096;

/// How many questions may be asked within [`RATE_SPAN`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AskLimits {
    /// By one acting agent, workload or person; at most [`RATE_MAX`].
    pub per_actor: u32,
    /// On behalf of one subject, by whomever; at most [`RATE_MAX`].
    pub per_subject: u32,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asker {
    /// Who acts.
    pub actor: Actor,
    /// On whose behalf.
    pub subject: Actor,
}

/// Of whom questions are counted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Party {
    Acting(Actor),
    Behalf(Actor),
}

impl Asker {
    /// The parties whose questions its own are. Who acts for nobody else is counted once.
    pub(crate) fn parties(self) -> impl Iterator<Item = Party> {
        let behalf = (self.subject != self.actor).then_some(Party::Behalf(self.subject));
        [Party::Acting(self.actor)].into_iter().chain(behalf)
    }
}

/// Times of the questions of each party, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<Party, VecDeque<Moment>>);

impl Rates {
    pub(crate) fn note(&mut self, asker: Asker, at: Moment) {
        if self.0.len() >= SWEEP_AT {
            self.0.retain(|_, times| times.back().is_some_and(|last| at.since(*last) < RATE_SPAN));
        }
        for party in asker.parties() {
            let times = self.0.entry(party).or_default();
            while times.front().is_some_and(|first| at.since(*first) >= RATE_SPAN)
                || times.len() >= usize::try_from(RATE_MAX).unwrap_or(usize::MAX)
            {
                times.pop_front();
            }
            times.push_back(at);
        }
    }

    /// When a party may ask again that has asked `limit` questions or more within the span, `begun` of which are being
    /// written; nothing where it may ask now.
    pub(crate) fn full_until(&self, party: Party, limit: u32, begun: usize, now: Moment) -> Option<Moment> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut recent: Vec<Moment> = self.0.get(&party).into_iter().flatten().copied().collect();
        recent.retain(|at| now.since(*at) < RATE_SPAN);
        recent.sort_unstable();
        recent.resize(recent.len().saturating_add(begun), now);
        let over = recent.len().checked_sub(limit)?;
        // Once this one is an hour old, one less than the limit are left.
        Some(recent.get(over).copied().unwrap_or(now) + RATE_SPAN)
    }

    /// All times, for a snapshot.
    pub(crate) fn kept(&self) -> Vec<(bool, Actor, Vec<Moment>)> {
        let mut kept: Vec<_> = self
            .0
            .iter()
            .map(|(party, times)| match party {
                Party::Acting(actor) => (true, *actor, times.iter().copied().collect()),
                Party::Behalf(actor) => (false, *actor, times.iter().copied().collect()),
            })
            .collect();
        kept.sort_unstable();
        kept
    }

    pub(crate) fn of(kept: Vec<(bool, Actor, Vec<Moment>)>) -> Self {
        let party = |acts, actor| if acts { Party::Acting(actor) } else { Party::Behalf(actor) };
        Self(kept.into_iter().map(|(acts, actor, times)| (party(acts, actor), times.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::id::AgentId;
    use proptest::prelude::*;

    use super::*;

    const NOW: Moment = Moment::from_secs(1_795_000_000);
    const BOT: Actor = Actor::Agent(AgentId::from_bits(1));
    const ANA: Actor = Actor::Agent(AgentId::from_bits(2));

    #[test]
    fn who_acts_and_for_whom_are_counted_apart() {
        let mut rates = Rates::default();
        rates.note(Asker { actor: BOT, subject: BOT }, NOW);
        rates.note(Asker { actor: BOT, subject: ANA }, NOW + Duration::from_secs(60));
        let full = |party, limit| rates.full_until(party, limit, 0, NOW + Duration::from_secs(120));
        assert_eq!(full(Party::Acting(BOT), 3), None);
        assert_eq!(full(Party::Acting(BOT), 2), Some(NOW + RATE_SPAN));
        assert_eq!(full(Party::Acting(BOT), 1), Some(NOW + Duration::from_secs(60) + RATE_SPAN));
        assert_eq!(full(Party::Behalf(ANA), 1), Some(NOW + Duration::from_secs(60) + RATE_SPAN));
        assert_eq!((full(Party::Behalf(BOT), 1), full(Party::Acting(ANA), 1)), (None, None));
        // Those that are being written count too.
        assert!(rates.full_until(Party::Behalf(ANA), 2, 1, NOW + Duration::from_secs(61)).is_some());
        assert!(
            rates.full_until(Party::Acting(BOT), 1, 0, NOW + RATE_SPAN + Duration::from_secs(60)).is_none()
        );
    }

    proptest! {
        #[test]
        fn no_hour_has_more_than_the_limit(gaps in prop::collection::vec(0_u64..900, 1..200), limit in 1_u32..20) {
            let (mut rates, mut now, mut asked) = (Rates::default(), NOW, Vec::<Moment>::new());
            for gap in gaps {
                now = now + Duration::from_secs(gap);
                match rates.full_until(Party::Acting(BOT), limit, 0, now) {
                    None => {
                        rates.note(Asker { actor: BOT, subject: BOT }, now);
                        asked.push(now);
                    }
                    Some(again) => {
                        prop_assert!(again > now);
                        prop_assert!(rates.full_until(Party::Acting(BOT), limit, 0, again).is_none());
                    }
                }
                let hour = asked.iter().filter(|at| now.since(**at) < RATE_SPAN).count();
                prop_assert!(hour <= usize::try_from(limit).unwrap());
                rates = Rates::of(rates.kept());
            }
        }
    }
}

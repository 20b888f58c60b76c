//! What others write into the ledger and the gate must know: orders of the office, tokens it issued.
//!
//! The gate notes its own entries when it writes them and marks them as no news; the follower is woken for the rest
//! alone. Where it has to read everything to catch up, what is whose stands near the front of an entry, so that the
//! gate's own are skipped without being parsed.

use std::sync::Arc;
use std::time::Duration;

use alcaide_ledger::{Ledger, LedgerError, ReadError};
use alcaide_memory::Memory;
use alcaide_record::{Entry, EntryError};
use tokio::time::MissedTickBehavior;

use crate::gate::Clock;

/// Memory could not be rebuilt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read: {0}")]
    Ledger(#[from] LedgerError),
    /// Memory is of another ledger, or of a later moment of this one: orders to come would be taken for known.
    #[error("memory rests on {needs} entries, and the ledger has {size}")]
    Ahead {
        /// What memory rests on.
        needs: u64,
        /// What there is.
        size: u64,
    },
    /// An entry of the ledger cannot be followed.
    #[error("the ledger cannot be followed: {0}")]
    Follow(#[from] ReadError),
    /// An entry cannot be read.
    #[error("entry {index} of the ledger cannot be read: {source}")]
    Entry {
        /// Which.
        index: u64,
        /// Why.
        #[source]
        source: EntryError,
    },
}

/// Takes all entries that are not in `memory` yet; returns how many.
///
/// # Errors
/// [`RebuildError`] with the first entry that cannot be read: the gate must not serve then.
pub fn rebuild(ledger: &Ledger, memory: &Memory) -> Result<u64, RebuildError> {
    let (from, needs, size) = (memory.replay_from(), memory.replay_needs(), ledger.size());
    if needs > size {
        return Err(RebuildError::Ahead { needs, size });
    }
    let mut fault = None;
    let end = ledger.replay(from, |index, leaf| {
        if fault.is_none() {
            match Entry::from_leaf(leaf) {
                Ok(entry) => memory.apply(index, &entry),
                Err(source) => fault = Some(RebuildError::Entry { index, source }),
            }
        }
    })?;
    match fault {
        Some(fault) => Err(fault),
        None => {
            // What lay on disk when the house was ended says nothing of what lies there now.
            memory.forget_files();
            Ok(end.saturating_sub(from))
        }
    }
}

/// How often the follower says how far it has come. Well below [`crate::lease::ORDERS`], so that one late tick refuses
/// nothing.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// Follows the ledger from `from` until it is closed, and tells memory while no order is missing; `heard` is told each
/// entry once memory has it.
///
/// An entry that cannot be read stops the follower. However it ends, memory knows: no credential is good any more, and
/// calls in flight are cut. The caller must then stop serving.
///
/// # Errors
/// [`RebuildError`].
///
/// # Cancel safety
/// Dropped, it is as if it had ended.
pub async fn follow(
    ledger: Ledger,
    memory: Arc<Memory>,
    clock: Clock,
    from: u64,
    heard: impl Fn(&Entry),
) -> Result<(), RebuildError> {
    let _lost = Lost(Arc::clone(&memory));
    let mut follower = ledger.follow_news(from);
    let mut say = tokio::time::interval(SAY_EVERY);
    say.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            next = follower.next() => next?,
            _ = say.tick() => {
                // What was told by now and is not read yet would be found: then no order from before is missing.
                let now = clock();
                if follower.is_current() {
                    memory.heard(now);
                }
                continue;
            }
        };
        let Some((index, leaf)) = next else { return Ok(()) };
        if is_own(&leaf) && !asks(&leaf) {
            continue;
        }
        let entry = Entry::from_leaf(&leaf).map_err(|source| RebuildError::Entry { index, source })?;
        memory.apply(index, &entry);
        heard(&entry);
    }
}

/// Tells memory that nobody follows any more.
struct Lost(Arc<Memory>);

impl Drop for Lost {
    fn drop(&mut self) {
        self.0.lost();
    }
}

/// Whether the gate itself wrote an entry: it is canonical, so its event's kind is the first key after `at`.
fn is_own(leaf: &[u8]) -> bool {
    const AT: &[u8] = b"{\"at\":";
    const EVENT: &[u8] = b",\"event\":{\"";
    let Some(rest) = leaf.strip_prefix(AT) else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(kind) = rest.get(digits..).and_then(|rest| rest.strip_prefix(EVENT)) else { return false };
    [&b"intent\""[..], b"outcome\"", b"refused\"", b"offered\""].iter().any(|own| kind.starts_with(own))
}

/// Whether an own entry asks people something. The gate notes its questions itself, but perhaps after their answers have come
/// by: in the ledger's order, none is missed. Leaves hold no free text, so the member's name stands for the member.
fn asks(leaf: &[u8]) -> bool {
    const QUESTION: &[u8] = b",\"question\":{";
    const REFUSED: &[u8] = b"{\"refused\"";
    // Only refusals ask, and their kind stands near the front: the many intents and outcomes are not searched.
    let front = leaf.get(..leaf.len().min(64)).unwrap_or_default();
    front.windows(REFUSED.len()).any(|window| window == REFUSED)
        && leaf.windows(QUESTION.len()).any(|window| window == QUESTION)
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::Moment;
    use alcaide_record::{Digest, Event, Made, OfficeAct};

    use super::*;

    #[test]
    fn only_the_gates_own_kinds_are_skipped() {
        assert!(is_own(br#"{"at":17,"event":{"intent":{"action":"use_model"}},"v":1}"#));
        assert!(is_own(br#"{"at":17,"event":{"outcome":{}},"v":1}"#));
        assert!(is_own(br#"{"at":17,"event":{"refused":{}},"v":1}"#));
        assert!(is_own(br#"{"at":17,"event":{"offered":{}},"v":1}"#));
        let made = Event::Made(Made { origin: Digest::default(), token_key: Digest::default() });
        let act = Event::Office(OfficeAct::Denied { by: None, code: "intent".into() });
        for event in [made, act] {
            assert!(!is_own(&Entry::new(Moment::from_secs(1), event).to_leaf().unwrap()));
        }
        assert!(!is_own(br#"{"event":{"intent":{}},"at":17,"v":1}"#));
    }

    #[test]
    fn questions_are_read_though_they_are_the_gates_own() {
        assert!(asks(br#"{"at":17,"event":{"refused":{"decided":null,"question":{"any_of":[]}}},"v":1}"#));
        assert!(!asks(br#"{"at":17,"event":{"refused":{"decided":null,"stage":"read"}},"v":1}"#));
        assert!(!asks(br#"{"at":17,"event":{"intent":{"decided":null,"question":{}}},"v":1}"#));
    }
}

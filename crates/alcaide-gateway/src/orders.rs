//! What others write into the ledger and the gate must know: orders of the office, tokens it issued.
//!
//! The gate notes its own entries when it writes them and marks them as no news; the follower is woken for the rest
//! alone. Where it has to read everything to catch up, what is whose stands near the front of an entry, so that the
//! gate's own are skipped without being parsed.

use std::sync::Arc;

use alcaide_ledger::{Ledger, LedgerError, ReadError};
use alcaide_memory::Memory;
use alcaide_record::{Entry, EntryError};

/// Memory could not be rebuilt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read: {0}")]
    Ledger(#[from] LedgerError),
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
    let from = memory.replay_from();
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
        None => Ok(end.saturating_sub(from)),
    }
}

/// Follows the ledger from `from` until it is closed.
///
/// An entry that cannot be read stops the follower; the caller must then stop serving, since an order may be missed.
///
/// # Errors
/// [`RebuildError`].
pub async fn follow(ledger: Ledger, memory: Arc<Memory>, from: u64) -> Result<(), RebuildError> {
    let mut follower = ledger.follow_news(from);
    while let Some((index, leaf)) = follower.next().await? {
        if is_own(&leaf) {
            continue;
        }
        let entry = Entry::from_leaf(&leaf).map_err(|source| RebuildError::Entry { index, source })?;
        memory.apply(index, &entry);
    }
    Ok(())
}

/// Whether the gate itself wrote an entry: it is canonical, so its event's kind is the first key after `at`.
fn is_own(leaf: &[u8]) -> bool {
    const AT: &[u8] = b"{\"at\":";
    const EVENT: &[u8] = b",\"event\":{\"";
    let Some(rest) = leaf.strip_prefix(AT) else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(kind) = rest.get(digits..).and_then(|rest| rest.strip_prefix(EVENT)) else { return false };
    [&b"intent\""[..], b"outcome\"", b"refused\""].iter().any(|own| kind.starts_with(own))
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
        let made = Event::Made(Made { origin: Digest::default(), token_key: Digest::default() });
        let act = Event::Office(OfficeAct::Denied { by: None, code: "intent".into() });
        for event in [made, act] {
            assert!(!is_own(&Entry::new(Moment::from_secs(1), event).to_leaf().unwrap()));
        }
        assert!(!is_own(br#"{"event":{"intent":{}},"at":17,"v":1}"#));
    }
}

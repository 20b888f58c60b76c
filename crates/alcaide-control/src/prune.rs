//! What the store need not keep any longer: projections that can decide nothing more and that nobody asks for, and
//! bodies of plans that are long out of force. The record in the ledger keeps everything.
//!
//! The time is that of the entry that is followed, so that following again prunes the same.
//!
//! | what | goes | because |
//! |---|---|---|
//! | revocations | a day after their order | no token lives longer than 15 minutes, nor does what is made from it |
//! | orders, questions and the answers to them | after `office.keep_days` | a yes is good for 15 minutes |
//! | bodies of plans | after `office.keep_days` out of force, but never the last [`PLANS_KEPT`] | a rollback may name them |
//!
//! Left out: calls and their use by day, which reports are made of; what was accepted of tools; enrolments, links and
//! sessions, which go away where they are made.

use std::time::Duration;

use alcaide_identity::token::{CLOCK_SKEW, TOKEN_LIFE_MAX};
use alcaide_inventory::Moment;
use alcaide_record::Event;
use alcaide_store::rusqlite::Connection;

use crate::error::OfficeError;
use crate::sql::{int, moment};

/// Plans whose bodies are kept whatever their age.
pub const PLANS_KEPT: u32 = 100;

/// How long a revocation is remembered.
const REVOKED_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
// Past this no token is good that descends from the one that was revoked: what is made after the order is not.
const _: () = assert!(REVOKED_KEPT.as_secs() > TOKEN_LIFE_MAX.as_secs() + 2 * CLOCK_SKEW.as_secs());

/// Whether an entry adds to what is pruned here.
pub(crate) fn adds(event: &Event) -> bool {
    match event {
        Event::Order(_) | Event::Planned(_) => true,
        Event::Refused(refused) => refused.question.is_some(),
        _ => false,
    }
}

/// Prunes, as of `now`; `kept` is how long what is kept for people stays.
pub(crate) fn prune(tx: &Connection, now: Moment, kept: Duration) -> Result<(), OfficeError> {
    let before = |kept: Duration| {
        let micros = u64::try_from(kept.as_micros()).unwrap_or(u64::MAX);
        int(now.micros().saturating_sub(micros))
    };
    tx.execute("DELETE FROM revoked WHERE at < ?1", [before(REVOKED_KEPT)])?;
    let old = before(kept);
    tx.execute("DELETE FROM given_order WHERE at < ?1", [old])?;
    let over = [old, moment(now)];
    tx.execute(
        "DELETE FROM approval_yes WHERE approval IN (SELECT id FROM approval WHERE at < ?1 AND expires < ?2)",
        over,
    )?;
    tx.execute(
        "DELETE FROM answer WHERE approval IN (SELECT id FROM approval WHERE at < ?1 AND expires < ?2)",
        over,
    )?;
    tx.execute("DELETE FROM answer_refused WHERE at < ?1", [old])?;
    tx.execute("DELETE FROM approval WHERE at < ?1 AND expires < ?2", over)?;
    // Before a plan that was made long ago lie those that went out of force long ago.
    tx.execute(
        "UPDATE plan SET body = '' WHERE body <> '' \
         AND entry < (SELECT entry FROM plan WHERE entry IS NOT NULL AND made < ?1 ORDER BY entry DESC LIMIT 1) \
         AND entry < (SELECT entry FROM plan WHERE entry IS NOT NULL ORDER BY entry DESC LIMIT 1 OFFSET ?2)",
        [old, i64::from(PLANS_KEPT) - 1],
    )?;
    Ok(())
}

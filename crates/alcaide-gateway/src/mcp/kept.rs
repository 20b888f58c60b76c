//! The server's side of a handshake, kept by the gate: for callers of the stateless generation, and for the union.
//!
//! One session for each server, caller and task. It declares no capabilities, so the server asks for nothing. Kept in
//! memory alone: after a restart, or when a server forgets it, another is opened. One that the gate lets go of — unused
//! for long, of a caller who ended its own or was stopped, at the end of the gate — is ended at its server
//! ([`super::ending`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alcaide_inventory::id::{TaskId, UpstreamId};
use alcaide_inventory::{Actor, Moment};
use alcaide_record::Stage;
use alcaide_wire::json::{Document, Limits};
use alcaide_wire::mcp::Revision;
use bytes::Bytes;

use super::aside::{Aside, client_info};
use super::plan::ServerPlan;
use crate::passage::Origin;
use crate::refusal::{self, Refusal};
use crate::worked::worked_here;

/// Most sessions that are kept; past it those that were unused for longest are let go.
const KEPT_MAX: usize = 4_096;
/// How long an unused session is kept.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// A session of the gate's own with a server.
pub(crate) struct Kept {
    /// Its id, where the server gave one.
    pub(crate) session: Option<String>,
    /// The revision that was agreed on.
    pub(crate) revision: Revision,
    /// The response to `initialize`, as it was judged.
    pub(crate) hello: Bytes,
    /// In whose name.
    pub(crate) origin: Origin,
    /// With whom.
    pub(crate) server: Arc<ServerPlan>,
}

type Key = (UpstreamId, Actor, TaskId);
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Kept>>>>;

/// All of them.
#[derive(Default)]
pub(crate) struct Keeping(Mutex<HashMap<Key, (Slot, Moment)>>);

impl Keeping {
    /// The slot of a session, and those that are let go to make room.
    fn slot(&self, key: Key, now: Moment) -> (Slot, Vec<Arc<Kept>>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = Vec::new();
        if !held.contains_key(&key) {
            gone = idle(&mut held, now);
            if held.len() >= KEPT_MAX
                && let Some(oldest) = held.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key)
            {
                gone.extend(held.remove(&oldest).and_then(|(slot, _)| kept_in(&slot)));
            }
        }
        let (slot, used) = held.entry(key).or_insert_with(|| (Slot::default(), now));
        *used = now;
        (Arc::clone(slot), gone)
    }

    /// Whether a session that was opened into a slot is still wanted there.
    fn holds(&self, key: &Key, slot: &Slot) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(key).is_some_and(|(known, _)| Arc::ptr_eq(known, slot))
    }

    /// Takes those that nobody used for long.
    pub(crate) fn idle(&self, now: Moment) -> Vec<Arc<Kept>> {
        idle(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Takes those of a caller's task that no call is under way in.
    pub(crate) fn of_task(&self, actor: Actor, task: TaskId) -> Vec<Arc<Kept>> {
        let is_own = |key: &Key, slot: &Slot| (key.1, key.2) == (actor, task) && !is_used(slot);
        self.take(is_own)
    }

    /// Takes those in whose name this actor has a part.
    pub(crate) fn of_actor(&self, actor: Actor) -> Vec<Arc<Kept>> {
        self.take(|key, slot| {
            let has_part = |kept: &Kept| {
                let epochs = &kept.origin.who().credential().epochs;
                epochs.iter().any(|(one, _)| *one == actor)
            };
            // One that is being opened is not known yet: its own actor is.
            key.1 == actor || slot.try_lock().is_ok_and(|kept| kept.as_deref().is_some_and(has_part))
        })
    }

    /// Takes all.
    pub(crate) fn all(&self) -> Vec<Arc<Kept>> {
        self.take(|_, _| true)
    }

    fn take(&self, wanted: impl Fn(&Key, &Slot) -> bool) -> Vec<Arc<Kept>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extract_if(|key, (slot, _)| wanted(key, slot))
            .filter_map(|(_, (slot, _))| kept_in(&slot))
            .collect()
    }

    /// Lets a session go that the server does not know any more.
    pub(crate) fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

fn idle(held: &mut HashMap<Key, (Slot, Moment)>, now: Moment) -> Vec<Arc<Kept>> {
    let mut gone = Vec::new();
    held.retain(|_, (slot, used)| {
        if now.since(*used) < IDLE {
            return true;
        }
        if is_used(slot) {
            *used = now;
            return true;
        }
        gone.extend(kept_in(slot));
        false
    });
    gone
}

/// The session in a slot; none while it is being opened: whoever opens it sees that it is not wanted any more.
fn kept_in(slot: &Slot) -> Option<Arc<Kept>> {
    slot.try_lock().ok()?.take()
}

/// Whether a session is being opened, or a call is under way in it.
fn is_used(slot: &Slot) -> bool {
    slot.try_lock().map_or(true, |kept| kept.as_ref().is_some_and(|kept| Arc::strong_count(kept) > 1))
}

/// Whose session it is.
pub(crate) fn key(aside: &Aside<'_>) -> Key {
    let principal = &aside.origin.who().credential().principal;
    (aside.server.upstream.id, principal.actor, principal.task)
}

/// The session with a server; opened where there is none yet.
///
/// # Errors
/// The server does not take the handshake.
pub(crate) async fn session(aside: &Aside<'_>) -> Result<Arc<Kept>, Refusal> {
    let now = aside.origin.closer().now();
    let mcp = &aside.shared.mcp;
    let (slot, gone) = mcp.keeping.slot(key(aside), now);
    for kept in gone {
        mcp.ends.end(kept);
    }
    // One handshake at a time; those who come meanwhile wait for it.
    let mut held = slot.lock().await;
    if let Some(kept) = &*held {
        return Ok(Arc::clone(kept));
    }
    let kept = Arc::new(open(aside).await?);
    if !mcp.keeping.holds(&key(aside), &slot) {
        // Its caller was stopped, or ended its session, while it was opened.
        mcp.ends.end(kept);
        return Err(Refusal::of(refusal::SESSION, Stage::Bound).because("the session was ended as it began"));
    }
    *held = Some(Arc::clone(&kept));
    Ok(kept)
}

async fn open(aside: &Aside<'_>) -> Result<Kept, Refusal> {
    let broken = |why: String| Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(why);
    let hello = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":\"alcaide\",\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"{}\",\
         \"capabilities\":{{}},\"clientInfo\":{}}}}}",
        Revision::NEWEST_HANDSHAKE,
        client_info()
    );
    let answer = aside.send(hello.as_bytes(), (None, None)).await?;
    if !answer.status.is_success() {
        return Err(broken(format!("the server answered `initialize` with {}", answer.status)));
    }
    let revision = worked_here(answer.bytes.len(), || agreed(&answer.bytes))
        .await
        .ok_or_else(|| broken("the server agrees on no revision that is known here".into()))?;
    let kept = Kept {
        session: answer.session,
        revision,
        hello: answer.bytes,
        origin: aside.origin.clone(),
        server: Arc::clone(aside.server),
    };
    if aside.server.upstream.child().is_some() {
        // It was told when it was started.
        return Ok(kept);
    }
    let told = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
    if let Err(refusal) = aside.send(told.as_bytes(), (kept.session.as_deref(), Some(revision))).await {
        aside.shared.mcp.ends.end(Arc::new(kept));
        return Err(refusal);
    }
    Ok(kept)
}

/// The revision that a response to `initialize` agrees on.
pub(crate) fn agreed(response: &[u8]) -> Option<Revision> {
    let document = Document::parse(response, &Limits::default()).ok()?;
    let version = document.root().get("result")?.get("protocolVersion")?.as_str()?;
    let revision = Revision::parse(&version)?;
    (revision <= Revision::NEWEST_HANDSHAKE).then_some(revision)
}

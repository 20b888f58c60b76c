//! The server's side of a handshake, kept by the gate: for callers of the stateless generation, and for the union.
//!
//! One session for each server, caller and task. It declares no capabilities, so the server asks for nothing. Kept in
//! memory alone: after a restart, or when a server forgets it, another is opened.

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
use crate::refusal::{self, Refusal};

/// Most sessions that are kept; past it those that were unused for longest are let go.
const KEPT_MAX: usize = 4_096;
/// How long an unused session is kept.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// A session of the gate's own with a server.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Its id, where the server gave one.
    pub(crate) session: Option<String>,
    /// The revision that was agreed on.
    pub(crate) revision: Revision,
    /// The response to `initialize`, as it was judged.
    pub(crate) hello: Bytes,
}

type Key = (UpstreamId, Actor, TaskId);
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Kept>>>>;

/// All of them.
#[derive(Default)]
pub(crate) struct Keeping(Mutex<HashMap<Key, (Slot, Moment)>>);

impl Keeping {
    fn slot(&self, key: Key, now: Moment) -> Slot {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= KEPT_MAX && !held.contains_key(&key) {
            held.retain(|_, (_, used)| now.since(*used) < IDLE);
            if held.len() >= KEPT_MAX
                && let Some(oldest) = held.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key)
            {
                held.remove(&oldest);
            }
        }
        let (slot, used) = held.entry(key).or_insert_with(|| (Slot::default(), now));
        *used = now;
        Arc::clone(slot)
    }

    /// Lets a session go that the server does not know any more.
    pub(crate) fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
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
    let slot = aside.shared.mcp.keeping.slot(key(aside), now);
    // One handshake at a time; those who come meanwhile wait for it.
    let mut held = slot.lock().await;
    if let Some(kept) = &*held {
        return Ok(Arc::clone(kept));
    }
    let kept = Arc::new(open(aside).await?);
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
    let revision = agreed(&answer.bytes)
        .ok_or_else(|| broken("the server agrees on no revision that is known here".into()))?;
    let session = answer.session;
    if aside.server.upstream.child().is_some() {
        // It was told when it was started.
        return Ok(Kept { session, revision, hello: answer.bytes });
    }
    let told = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
    aside.send(told.as_bytes(), (session.as_deref(), Some(revision))).await?;
    Ok(Kept { session, revision, hello: answer.bytes })
}

/// The revision that a response to `initialize` agrees on.
pub(crate) fn agreed(response: &[u8]) -> Option<Revision> {
    let document = Document::parse(response, &Limits::default()).ok()?;
    let version = document.root().get("result")?.get("protocolVersion")?.as_str()?;
    let revision = Revision::parse(&version)?;
    (revision <= Revision::NEWEST_HANDSHAKE).then_some(revision)
}

//! Which generation a server speaks, remembered for a while: whether it is stateless is asked by `server/discover`, whether
//! it takes a handshake is seen when a caller offers one. A server may speak both.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alcaide_inventory::Moment;
use alcaide_inventory::id::UpstreamId;
use alcaide_record::Stage;
use alcaide_wire::json::{Document, Limits};
use alcaide_wire::mcp::{Era, Method, Revision};
use bytes::Bytes;

use super::aside::{Aside, stateless_request};
use crate::refusal::{self, Refusal};
use crate::worked::worked_here;

/// How long an answer holds: a server may be replaced by one of another generation.
const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
/// Most servers that are remembered; a plan has far fewer.
const SERVERS_MAX: usize = 10_000;

/// What is known of a server.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) era: Era,
    /// The response to `server/discover`, of a stateless server.
    pub(crate) discovered: Option<Bytes>,
}

/// What is known of all servers.
#[derive(Default)]
pub(crate) struct Eras {
    known: Mutex<HashMap<UpstreamId, (Known, Moment)>>,
    /// Servers that took no handshake.
    deaf: Mutex<HashMap<UpstreamId, Moment>>,
}

impl Eras {
    fn known(&self, upstream: UpstreamId, now: Moment) -> Option<Known> {
        let held = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&upstream).filter(|(_, until)| now < *until).map(|(known, _)| known.clone())
    }

    fn note(&self, upstream: UpstreamId, known: Known, now: Moment) {
        let mut held = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= SERVERS_MAX {
            held.clear();
        }
        held.insert(upstream, (known, now + GOOD_FOR));
    }

    /// Whether a server took no handshake when it was last offered one.
    pub(crate) fn is_deaf(&self, upstream: UpstreamId, now: Moment) -> bool {
        let held = self.deaf.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&upstream).is_some_and(|until| now < *until)
    }

    /// A server took no handshake.
    pub(crate) fn deaf(&self, upstream: UpstreamId, now: Moment) {
        let mut held = self.deaf.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= SERVERS_MAX {
            held.clear();
        }
        held.insert(upstream, now + GOOD_FOR);
    }

    /// Forgets what is known of a server: it answered as the other generation does.
    pub(crate) fn forget(&self, upstream: UpstreamId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&upstream);
    }
}

/// What generation a server speaks. Where policies do not let this caller ask, the caller's own is assumed.
///
/// # Errors
/// The server cannot be asked now.
pub(crate) async fn of(aside: &Aside<'_>, caller: Era) -> Result<Known, Refusal> {
    let eras = &aside.shared.mcp.eras;
    let upstream = aside.server.upstream.id;
    let now = aside.origin.closer().now();
    if let Some(known) = eras.known(upstream, now) {
        return Ok(known);
    }
    let handshake = Known { era: Era::Handshake, discovered: None };
    let asked = aside.send(stateless_request(Method::Discover, None).as_bytes(), (None, None)).await;
    let stateless = match &asked {
        Ok(answer) => worked_here(answer.bytes.len(), || speaks(&answer.bytes)).await,
        Err(_) => false,
    };
    let known = match asked {
        Ok(answer) if answer.status.is_success() && stateless => {
            Known { era: Era::Stateless, discovered: Some(answer.bytes) }
        }
        Ok(answer) if answer.status.is_server_error() => {
            // A server that is out of order says nothing of its generation.
            return Err(Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound)
                .because(format!("it answered {}", answer.status)));
        }
        Ok(_) => handshake,
        Err(refusal) if refusal.code == refusal::UPSTREAM_BROKEN.code => handshake,
        Err(refusal) if refusal.stage == Stage::Decided && refusal.code != refusal::BUDGET.code => {
            return Ok(Known { era: caller, discovered: None });
        }
        Err(refusal) => return Err(refusal),
    };
    eras.note(upstream, known.clone(), now);
    Ok(known)
}

/// Whether a response to `server/discover` names the stateless revision that the gate speaks.
fn speaks(response: &[u8]) -> bool {
    let Ok(document) = Document::parse(response, &Limits::default()) else { return false };
    let versions = document.root().get("result").and_then(|result| result.get("supportedVersions"));
    versions.is_some_and(|list| list.items().any(|one| one.is_str(Revision::NEWEST_STATELESS.as_str())))
}

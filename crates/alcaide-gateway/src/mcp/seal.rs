//! What callers carry for the gate: session ids and states of servers, sealed so that only this gate opens them, and
//! only for whom, what and where they were made.

use std::sync::Arc;

use alcaide_inventory::Actor;
use alcaide_inventory::id::{RouteId, TaskId};
use alcaide_seal::envelope::{self, MasterKey};
use alcaide_seal::random::Entropy;
use alcaide_wire::mcp::Revision;
use base64::Engine as _;
use serde::{Deserialize, Serialize};

/// Longest sealed text that is opened, in bytes.
const SEALED_BYTES_MAX: usize = 96 * 1024;
/// Longest state of a server that is sealed, in bytes.
const STATE_BYTES_MAX: usize = 64 * 1024;

/// What a session id says, besides whom it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Session {
    /// The revision that was agreed on with the caller.
    pub(crate) revision: Revision,
    /// Whether the caller's messages are passed through to the server; else the gate keeps that side.
    pub(crate) through: bool,
    /// The server's own session, where it gave one.
    pub(crate) upstream: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Form {
    revision: String,
    through: bool,
    upstream: Option<String>,
    /// Makes two sessions of one caller differ.
    number: u64,
}

/// Whose it is and where it is good.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Place {
    /// The caller.
    pub(crate) actor: Actor,
    /// The caller's task.
    pub(crate) task: TaskId,
    /// The server; all of them where none is named.
    pub(crate) server: Option<RouteId>,
}

impl Place {
    fn context(&self, what: &str) -> String {
        let server = self.server.map_or_else(|| "all".to_owned(), |server| server.to_string());
        format!("mcp/{what}/{}/{}/{server}", self.actor, self.task)
    }
}

/// Seals and opens.
pub(crate) struct Sealer {
    key: MasterKey,
    entropy: Arc<dyn Entropy>,
    count: std::sync::atomic::AtomicU64,
}

impl Sealer {
    pub(crate) const fn new(key: MasterKey, entropy: Arc<dyn Entropy>) -> Self {
        Self { key, entropy, count: std::sync::atomic::AtomicU64::new(0) }
    }

    /// A session id; `None` if the library or the system's randomness failed.
    pub(crate) fn session(&self, place: &Place, session: &Session) -> Option<String> {
        let form = Form {
            revision: session.revision.as_str().to_owned(),
            through: session.through,
            upstream: session.upstream.clone(),
            number: self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        };
        self.sealed(&place.context("session"), &serde_json::to_vec(&form).ok()?)
    }

    /// What a session id says; `None` if it is not one of this caller, task and server.
    pub(crate) fn open_session(&self, place: &Place, id: &str) -> Option<Session> {
        let form: Form = serde_json::from_slice(&self.opened(&place.context("session"), id)?).ok()?;
        let revision = Revision::parse(&form.revision)?;
        Some(Session { revision, through: form.through, upstream: form.upstream })
    }

    /// A server's state, to be carried by the caller; `of` is what it belongs to, such as `tools/call/pay`.
    pub(crate) fn state(&self, place: &Place, of: &str, state: &str) -> Option<String> {
        if state.len() > STATE_BYTES_MAX {
            return None;
        }
        self.sealed(&place.context(&format!("state/{of}")), state.as_bytes())
    }

    /// The server's own state.
    pub(crate) fn open_state(&self, place: &Place, of: &str, sealed: &str) -> Option<String> {
        String::from_utf8(self.opened(&place.context(&format!("state/{of}")), sealed)?).ok()
    }

    fn sealed(&self, context: &str, text: &[u8]) -> Option<String> {
        let sealed = envelope::seal(&self.key, context.as_bytes(), text, &*self.entropy).ok()?;
        Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sealed))
    }

    fn opened(&self, context: &str, text: &str) -> Option<Vec<u8>> {
        if text.len() > SEALED_BYTES_MAX {
            return None;
        }
        let sealed = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
        let opened = envelope::open(&self.key, context.as_bytes(), &sealed).ok()?;
        Some(opened.expose().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::id::AgentId;
    use alcaide_seal::random::SystemEntropy;

    use super::*;

    fn sealer() -> Sealer {
        let entropy = Arc::new(SystemEntropy::new());
        Sealer::new(MasterKey::generate(&*entropy).unwrap(), entropy)
    }

    fn place(actor: u128, task: u128, server: Option<u128>) -> Place {
        Place {
            actor: Actor::Agent(AgentId::from_bits(actor)),
            task: TaskId::from_bits(task),
            server: server.map(RouteId::from_bits),
        }
    }

    #[test]
    fn a_session_is_good_for_its_caller_task_and_server_alone() {
        let sealer = sealer();
        let own = place(1, 1, Some(1));
        let session =
            Session { revision: Revision::V2025_11_25, through: true, upstream: Some("abc".into()) };
        let id = sealer.session(&own, &session).unwrap();
        assert_eq!(sealer.open_session(&own, &id), Some(session.clone()));
        assert!(id.len() < 1024 && id.bytes().all(|byte| matches!(byte, 0x21..=0x7e)));
        for other in [place(2, 1, Some(1)), place(1, 2, Some(1)), place(1, 1, Some(2)), place(1, 1, None)] {
            assert_eq!(sealer.open_session(&other, &id), None);
        }
        assert_ne!(sealer.session(&own, &session).unwrap(), id);
        assert_eq!(self::sealer().open_session(&own, &id), None);
        let mut changed = id.clone().into_bytes();
        let last = changed.len() - 1;
        changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
        assert_eq!(sealer.open_session(&own, &String::from_utf8(changed).unwrap()), None);
    }

    #[test]
    fn a_state_comes_back_to_the_call_that_it_was_given_for() {
        let sealer = sealer();
        let own = place(1, 1, Some(1));
        let sealed = sealer.state(&own, "tools/call/pay", "opaque").unwrap();
        assert_eq!(sealer.open_state(&own, "tools/call/pay", &sealed).unwrap(), "opaque");
        assert_eq!(sealer.open_state(&own, "tools/call/read", &sealed), None);
        assert_eq!(sealer.open_state(&place(1, 2, Some(1)), "tools/call/pay", &sealed), None);
        assert_eq!(sealer.open_session(&own, &sealed), None);
        assert!(sealer.state(&own, "x", &"s".repeat(STATE_BYTES_MAX)).is_some());
        assert!(sealer.state(&own, "x", &"s".repeat(STATE_BYTES_MAX + 1)).is_none());
    }
}

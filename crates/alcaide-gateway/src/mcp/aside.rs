//! What the gate asks a server by itself in the course of a call: a passage like any other, for the same caller.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use alcaide_record::Stage;
use alcaide_wire::json::{Document, Limits};
use alcaide_wire::mcp::{CallView, Method, Revision};
use bytes::Bytes;
use http::StatusCode;

use super::plan::ServerPlan;
use super::seal::Place;
use super::send::{Letter, send};
use crate::gate::Shared;
use crate::passage::{Known, Origin, Passage};
use crate::refusal::{self, Refusal};
use crate::reply::{Channel, Reading, ReleasedBody, Shape, Uris};

/// What a server answered the gate.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The response, as it was judged; empty where there is none.
    pub(crate) bytes: Bytes,
    /// The session that it gave.
    pub(crate) session: Option<String>,
}

/// Who asks whom.
pub(crate) struct Aside<'o> {
    pub(crate) shared: &'o Arc<Shared>,
    pub(crate) origin: &'o Origin,
    pub(crate) server: &'o Arc<ServerPlan>,
}

impl Aside<'_> {
    /// Sends a message of the gate's own. `session` is the server's, with the revision that was agreed on.
    ///
    /// # Errors
    /// As [`send`].
    pub(crate) async fn send(
        &self,
        message: &[u8],
        (session, agreed): (Option<&str>, Option<Revision>),
    ) -> Result<Answer, Refusal> {
        let broken = |why: String| Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(why);
        let bytes = Bytes::copy_from_slice(message);
        let document = Document::parse(&bytes, &Limits::default())
            .map_err(|error| broken(error.without_keys().to_string()))?;
        let view = CallView::read(&document).map_err(|error| broken(error.to_string()))?;
        let known = Passage::<Known>::aside(self.origin, self.shared.call_id())?;
        let letter = Letter::of_call(
            self.shared,
            self.server,
            &bytes,
            &document,
            &view,
            Vec::new(),
            (session, agreed),
        )?;
        let principal = &self.origin.who().credential().principal;
        let id = view.id.clone().map(alcaide_wire::jsonrpc::Id::into_owned);
        let reading = Reading {
            shared: Arc::clone(self.shared),
            origin: self.origin.clone(),
            server: Arc::clone(self.server),
            channel: if id.is_some() { Channel::Answer } else { Channel::Receipt },
            method: view.method,
            id,
            place: Place { actor: principal.actor, task: principal.task, server: Some(self.server.route) },
            session: None,
            upstream_session: session.map(ToOwned::to_owned),
            kept: None,
            state_of: String::new(),
            shape: Shape::Same,
            uris: Uris::Own,
            gather: true,
            open: None,
            judged: None,
            call: None,
            stated: None,
            answerable: None,
            under_way: AtomicBool::new(false),
        };
        let passed = Box::pin(send(self.shared, known, letter, reading)).await?;
        let (head, body) = passed.response.into_parts();
        let bytes = match body {
            ReleasedBody::Whole(bytes) => bytes,
            // INVARIANT: what is gathered is whole.
            _ => return Err(broken("a stream where a message was gathered".into())),
        };
        Ok(Answer { status: head.status, bytes, session: passed.session })
    }
}

/// `clientInfo` of the gate, as JSON.
pub(crate) fn client_info() -> String {
    format!("{{\"name\":\"alcaide\",\"version\":\"{}\"}}", env!("CARGO_PKG_VERSION"))
}

/// `_meta` of a stateless request of the gate: no capabilities, so that the server asks for nothing.
pub(crate) fn stateless_meta() -> [(&'static str, String); 3] {
    use alcaide_wire::mcp::meta_key;
    [
        (meta_key::PROTOCOL_VERSION, format!("\"{}\"", Revision::NEWEST_STATELESS)),
        (meta_key::CLIENT_INFO, client_info()),
        (meta_key::CLIENT_CAPABILITIES, "{}".to_owned()),
    ]
}

/// A stateless request of the gate.
pub(crate) fn stateless_request(method: Method, params: Option<(&str, &str)>) -> String {
    let meta = stateless_meta().map(|(key, value)| format!("\"{key}\":{value}")).join(",");
    let more = params.map_or_else(String::new, |(key, value)| format!("\"{key}\":{value},"));
    let method = method.as_str();
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":\"alcaide\",\"method\":\"{method}\",\"params\":{{{more}\"_meta\":{{{meta}}}}}}}"
    )
}

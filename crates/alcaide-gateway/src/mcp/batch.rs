//! Several messages in one body: revision 2025-03-26 has them, no other ("Transports", "Sending Messages to the Server";
//! taken out in 2025-06-18).
//!
//! The session says which revision was agreed on. Each message is a passage of its own, one after the other, as if it had
//! come alone; what is answered stands in one array, in the order of the requests. Streams are read to their results, so
//! nothing is heard meanwhile and servers ask for nothing. `initialize` stands in no batch.

use std::sync::Arc;

use alcaide_record::Stage;
use alcaide_serve::Body;
use alcaide_wire::json::{Document, Limits, Value};
use alcaide_wire::jsonrpc::{self, Id, Message, code};
use alcaide_wire::mcp::{Method, Revision};
use bytes::Bytes;
use http::{Response, StatusCode};

use super::plan::ServerPlan;
use super::refuse::Denied;
use super::{Answers, Caller, json, one, session, taken};
use crate::gate::Shared;
use crate::passage::{Known, Passage};
use crate::refusal::{self, Refusal};
use crate::worked::worked_here;

/// Most messages of one body.
const MESSAGES_MAX: usize = 64;
/// Most bytes of all answers of one body.
const ANSWERS_BYTES_MAX: usize = 32 << 20;

/// Several messages in one body.
///
/// # Errors
/// The revision has no batches, or this is none.
pub(super) async fn batch(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: &Caller<'_>,
    server: Option<Arc<ServerPlan>>,
    bytes: &Bytes,
    document: &Document<'_>,
) -> Result<Response<Body>, Denied> {
    let refuse = |known: &Passage<Known>, why: &'static str| {
        let refusal = Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known).saying(why);
        Denied::from(known.refuse(refusal)).coded(code::INVALID_REQUEST).with_status(400)
    };
    let of_revision = session(shared, &known, caller, None);
    if !of_revision.is_ok_and(|(session, _)| session.revision == Revision::V2025_03_26) {
        return Err(refuse(&known, "several messages in one body"));
    }
    let messages: Vec<_> = document.root().items().map(Value::span).take(MESSAGES_MAX + 1).collect();
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        return Err(refuse(&known, "none or more than 64 messages in one body"));
    }
    let mut answers: Vec<Bytes> = Vec::new();
    for message in messages {
        let bytes = bytes.slice(message);
        let caller = Caller {
            origin: caller.origin.clone(),
            place: caller.place,
            headers: caller.headers,
            session: None,
            answers: Answers::Whole,
        };
        let id = worked_here(bytes.len(), || id_of(&bytes, &shared.limits)).await;
        let answered = alone(shared, caller, server.clone(), &bytes).await;
        let response = answered.unwrap_or_else(Denied::into_response);
        let status = response.status();
        let said = match response.into_body() {
            Body::Full(said) if !said.is_empty() => Some(said),
            _ => None,
        };
        match (id, said) {
            // The server knows the session no more: the client begins anew.
            (_, None) if status == StatusCode::NOT_FOUND => {
                let mut response = Response::new(Body::Empty);
                *response.status_mut() = status;
                return Ok(response);
            }
            // A message that cannot be read is answered without an id.
            (Told::Request(_) | Told::Unread, Some(said)) => answers.push(said),
            (Told::Request(id), None) => {
                let why = format!("the server answered with status {}", status.as_u16());
                answers.push(jsonrpc::error(Some(&id), code::INTERNAL_ERROR, &why, None).into());
            }
            _ => {}
        }
        if answers.iter().map(Bytes::len).sum::<usize>() > ANSWERS_BYTES_MAX {
            return Err(refuse(&known, "the answers to one body are too long"));
        }
    }
    if answers.is_empty() {
        return Ok(taken());
    }
    let mut all = Vec::with_capacity(answers.iter().map(|one| one.len() + 1).sum::<usize>() + 1);
    all.push(b'[');
    for (at, said) in answers.iter().enumerate() {
        if at > 0 {
            all.push(b',');
        }
        all.extend_from_slice(said);
    }
    all.push(b']');
    Ok(json(StatusCode::OK, all, None))
}

/// What a message of a batch is.
enum Told {
    Request(Id<'static>),
    /// It wants no answer.
    Other,
    Unread,
}

fn id_of(bytes: &Bytes, limits: &alcaide_serve::Limits) -> Told {
    let limits = Limits { bytes: limits.body_bytes(), ..Limits::default() };
    let Ok(document) = Document::parse(bytes, &limits) else { return Told::Unread };
    match Message::read(&document) {
        Ok(Message::Request(request)) => Told::Request(request.id.into_owned()),
        Ok(_) => Told::Other,
        Err(_) => Told::Unread,
    }
}

/// One message, as if it had come alone.
async fn alone(
    shared: &Arc<Shared>,
    caller: Caller<'_>,
    server: Option<Arc<ServerPlan>>,
    bytes: &Bytes,
) -> Result<Response<Body>, Denied> {
    let known = Passage::<Known>::aside(&caller.origin, shared.call_id())?;
    let limits = Limits { bytes: shared.limits.body_bytes(), ..Limits::default() };
    let document = worked_here(bytes.len(), || Document::parse(bytes, &limits)).await.map_err(|error| {
        let refusal = Refusal::of(refusal::NOT_JSON, Stage::Known).saying(error.to_string());
        Denied::from(known.refuse(refusal)).coded(code::PARSE_ERROR)
    })?;
    let begins = document.root().get("method").is_some_and(|word| word.is_str(Method::Initialize.as_str()));
    if begins {
        let id = document.root().get("id").and_then(Id::read);
        let refusal = Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known)
            .saying("`initialize` stands in no body with other messages");
        return Err(Denied::of(known.refuse(refusal), id.as_ref()).coded(code::INVALID_REQUEST));
    }
    one(shared, known, caller, server, bytes, &document).await
}

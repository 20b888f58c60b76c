//! Tool servers: the Model Context Protocol of both generations, `/mcp/<server>` for one server and `/mcp` for the tools
//! of all. Decision note 3 tells how a message moves and why.
//!
//! | module | what |
//! |---|---|
//! | here | the head, the message, whom it goes to |
//! | [`reach`] | one server: passed through, bridged, or answered in its place |
//! | [`union`] | all servers as one |
//! | [`batch`] | several messages in one body |
//! | [`listed`] | calls that an agent is about to make, judged before it makes them |
//! | [`send`] | one message through the passage, with what [`peer`]s say of it; [`aside`] one of the gate's own, [`down`] one of a server's |
//! | [`offer`] | what a server offers; [`instructions`] among it; [`plan`] what is declared of it |
//! | [`era`], [`kept`], [`ending`], [`words`] | generations, sessions of the gate's own and their end, answers in a server's place |
//! | [`stdio`] | servers that are child processes |
//! | [`seal`], [`state`] | what callers carry, what the gate holds meanwhile |
//! | [`handle`] | handles in a message, put back into the texts that they stand for |
//! | [`head`], [`refuse`], [`retry`] | HTTP heads, how no is said, how a call comes again |

pub(crate) mod aside;
mod batch;
pub(crate) mod down;
pub(crate) mod ending;
mod era;
pub(crate) mod handle;
mod head;
pub(crate) mod instructions;
pub(crate) mod kept;
mod listed;
pub(crate) mod offer;
mod peer;
pub mod plan;
mod reach;
pub(crate) mod refuse;
mod retry;
pub(crate) mod seal;
mod send;
pub(crate) mod state;
pub mod stdio;
mod union;
mod words;

use std::sync::Arc;

use alcaide_record::Stage;
use alcaide_serve::Body;
use alcaide_wire::json::{Document, Kind, Limits};
use alcaide_wire::jsonrpc::{Id, Message, code};
use alcaide_wire::mcp::{
    Accept, CallView, Era, HeaderMismatch, HttpFault, Method, ResultView, Revision, check_headers,
    header_name, unsupported_version,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::body;
use crate::gate::Shared;
use crate::passage::{Arrived, Known, Origin, Passage};
use crate::refusal::{self, Refusal};
use crate::worked::worked_here;

use handle::PutBack;
use plan::ServerPlan;
pub(crate) use reach::LISTEN;
use refuse::Denied;
pub(crate) use seal::Sealer;
use seal::{Place, Session};
pub(crate) use state::McpState;

/// Where tool servers are.
pub(crate) const PREFIX: &str = "/mcp";

/// Whose exchange it is, and with whom.
pub(crate) struct Caller<'h> {
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    pub(crate) headers: &'h HeaderMap,
    /// The caller's session, with its id.
    pub(crate) session: Option<(Session, Arc<str>)>,
    pub(crate) answers: Answers,
}

/// How a caller takes answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answers {
    /// As they come, streams too.
    AsTheyCome,
    /// Whole: a stream is read to its result.
    Whole,
}

/// One request or notification of a caller.
pub(crate) struct Inbound<'m> {
    pub(crate) bytes: &'m Bytes,
    pub(crate) document: &'m Document<'m>,
    pub(crate) view: CallView<'m>,
    pub(crate) era: Era,
    /// Handles that were put back: the bytes are those with the texts in them.
    pub(crate) handles: Option<PutBack>,
}

/// A refusal of a caller of whose message nothing is known.
pub(crate) fn refuse(refusal: &Refusal) -> Response<Body> {
    Denied::from(refusal.clone()).into_response()
}

/// One call to a tool server.
pub(crate) async fn handle(
    shared: &Arc<Shared>,
    passage: Passage<Arrived>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Denied> {
    let (head, incoming) = request.into_parts();
    let path = head.uri.path();
    let known = passage.identify(&head.headers, head.method.as_str(), path, &shared.registry())?;
    // What the gate asks of servers in the course of the call is the call.
    let _seat = known.common.seat.clone();
    let server = match path.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/')) {
        None => None,
        Some(name) => match known.plan().server(name) {
            Some(server) => Some(Arc::clone(server)),
            None => return Err(known.refuse(Refusal::of(refusal::NOT_FOUND, Stage::Known)).into()),
        },
    };
    let principal = &known.who().credential().principal;
    let place = Place {
        actor: principal.actor,
        task: principal.task,
        server: server.as_ref().map(|server| server.route),
    };
    let mut caller = Caller {
        origin: known.origin(),
        place,
        headers: &head.headers,
        session: None,
        answers: Answers::AsTheyCome,
    };
    match head.method {
        http::Method::POST => {
            let bytes = post_body(shared, &known, &head.headers, incoming).await?;
            post(shared, known, caller, server, &bytes).await
        }
        http::Method::GET | http::Method::DELETE => {
            let wants = Accept::read(head.headers.get_all(header::ACCEPT).iter().map(HeaderValue::as_bytes));
            if head.method == http::Method::GET && !wants.sse {
                return Err(known.refuse(Refusal::of(refusal::NOT_ACCEPTABLE, Stage::Known)).into());
            }
            caller.session = Some(session(shared, &known, &caller, None)?);
            reach::bare(shared, known, caller, server, head.method).await
        }
        _ => {
            let refusal = known.refuse(Refusal::of(refusal::METHOD, Stage::Known));
            let mut response = Denied::from(refusal.clone()).into_response();
            let allow = HttpFault::allow(Era::Handshake);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
            Ok(response)
        }
    }
}

async fn post_body(
    shared: &Shared,
    known: &Passage<Known>,
    headers: &HeaderMap,
    incoming: Incoming,
) -> Result<Bytes, Refusal> {
    let accept = Accept::read(headers.get_all(header::ACCEPT).iter().map(HeaderValue::as_bytes));
    if !accept.fits_post() {
        return Err(known.refuse(Refusal::of(refusal::NOT_ACCEPTABLE, Stage::Known)));
    }
    body::json(known, headers, incoming, shared).await
}

async fn post(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: Option<Arc<ServerPlan>>,
    bytes: &Bytes,
) -> Result<Response<Body>, Denied> {
    let limits = Limits { bytes: shared.limits.body_bytes(), ..Limits::default() };
    let document = worked_here(bytes.len(), || Document::parse(bytes, &limits)).await.map_err(|error| {
        let refusal = Refusal::of(refusal::NOT_JSON, Stage::Known).saying(error.to_string());
        Denied::from(known.refuse(refusal)).coded(alcaide_wire::jsonrpc::code::PARSE_ERROR)
    })?;
    if document.root().kind() == Kind::Array {
        return batch::batch(shared, known, &caller, server, bytes, &document).await;
    }
    one(shared, known, caller, server, bytes, &document).await
}

/// One message.
async fn one(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: Option<Arc<ServerPlan>>,
    bytes: &Bytes,
    document: &Document<'_>,
) -> Result<Response<Body>, Denied> {
    let not_understood = |code: i64, id: Option<&Id<'_>>, why: String| {
        let refusal = Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known).saying(why);
        Denied::of(known.refuse(refusal), id).coded(code).with_status(400)
    };
    let message =
        Message::read(document).map_err(|error| not_understood(error.code(), None, error.to_string()))?;
    let id = message.id().cloned();
    if let Message::Response(response) = &message {
        let id = response.id.clone();
        return answer(shared, known, caller, server, bytes, document, id).await;
    }
    let view = worked_here(bytes.len(), || CallView::read(document))
        .await
        .map_err(|error| not_understood(error.code(), id.as_ref(), error.to_string()))?;
    let revision = match check_headers(&view, head::pairs(caller.headers)) {
        Ok(revision) => revision,
        Err(HeaderMismatch::UnknownRevision) => {
            known.refuse(Refusal::of(refusal::HEADER_MISMATCH, Stage::Known));
            let asked = view.declared.clone().unwrap_or_default();
            let body = unsupported_version(id.as_ref(), &asked, &[Revision::NEWEST_STATELESS]);
            return Ok(json(StatusCode::BAD_REQUEST, body, None));
        }
        Err(mismatch) => return Err(mismatched(&known, id.as_ref(), &mismatch)),
    };
    let era = match id {
        Some(_) => view.era,
        None => revision.map_or(Era::Handshake, Revision::era),
    };
    if let (Era::Stateless, Method::ToolsCall, Some(target), Some(server)) =
        (era, view.method, &view.target, &server)
        && let Some(tool) = server.tool(&target.text)
    {
        let checked = tool.headers.check(document, head::pairs(caller.headers));
        checked.map_err(|mismatch| mismatched(&known, id.as_ref(), &mismatch))?;
    }
    let mut caller = caller;
    if era == Era::Handshake && view.method != Method::Initialize {
        let (session, name) = session(shared, &known, &caller, id.as_ref())?;
        // Clients in the field send another handshake revision than they agreed on; the server is told the agreed one.
        if revision.is_some_and(|revision| revision.era() != Era::Handshake) {
            let refusal = Refusal::of(refusal::HEADER_MISMATCH, Stage::Known);
            return Err(Denied::of(known.refuse(refusal), id.as_ref()).with_status(400));
        }
        caller.session = Some((session, name));
    }
    if &*view.word == listed::METHOD {
        let inbound = Inbound { bytes, document, view, era, handles: None };
        return listed::plan(shared, known, caller, server, inbound).await;
    }
    let put_back = worked_here(bytes.len(), || {
        handle::put_back(shared, &known, server.as_ref(), (bytes, document), &view)
    });
    let put_back = put_back.await.map_err(|refusal| Denied::of(refusal, id.as_ref()))?;
    let Some((filled, back)) = put_back else {
        let inbound = Inbound { bytes, document, view, era, handles: None };
        return onward(shared, known, caller, server, inbound).await;
    };
    // From here on it is the message with the texts in it.
    let limits = Limits { bytes: shared.limits.body_bytes(), ..Limits::default() };
    let document = worked_here(filled.len(), || Document::parse(&filled, &limits))
        .await
        .map_err(|error| not_understood(code::PARSE_ERROR, id.as_ref(), error.to_string()))?;
    let view = worked_here(filled.len(), || CallView::read(&document))
        .await
        .map_err(|error| not_understood(error.code(), id.as_ref(), error.to_string()))?;
    let inbound = Inbound { bytes: &filled, document: &document, view, era, handles: Some(back) };
    onward(shared, known, caller, server, inbound).await
}

/// A message to the server that it goes to.
async fn onward(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: Option<Arc<ServerPlan>>,
    inbound: Inbound<'_>,
) -> Result<Response<Body>, Denied> {
    match server {
        // Apart: each function on the way here moves all that it waits for.
        Some(server) => Box::pin(reach::call(shared, known, caller, &server, inbound)).await,
        None => Box::pin(union::call(shared, known, caller, inbound)).await,
    }
}

fn mismatched(known: &Passage<Known>, id: Option<&Id<'_>>, mismatch: &HeaderMismatch) -> Denied {
    let refusal = Refusal::of(refusal::HEADER_MISMATCH, Stage::Known).saying(mismatch.to_string());
    Denied::of(known.refuse(refusal), id).coded(mismatch.code()).with_status(400)
}

/// The session that a head names.
fn session(
    shared: &Shared,
    known: &Passage<Known>,
    caller: &Caller<'_>,
    id: Option<&Id<'_>>,
) -> Result<(Session, Arc<str>), Denied> {
    let fault = |status: HttpFault| {
        let refusal = Refusal::of(refusal::SESSION, Stage::Known);
        Denied::of(known.refuse(refusal), id).with_status(status.status())
    };
    let name = head::session(caller.headers).ok_or_else(|| {
        let given = caller.headers.contains_key(header_name::SESSION_ID);
        fault(if given { HttpFault::SessionUnknown } else { HttpFault::SessionMissing })
    })?;
    let session = shared.mcp.sealer.open_session(&caller.place, name);
    session.map(|session| (session, name.into())).ok_or_else(|| fault(HttpFault::SessionUnknown))
}

/// A caller answers what a server asked it.
async fn answer(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    mut caller: Caller<'_>,
    server: Option<Arc<ServerPlan>>,
    bytes: &Bytes,
    document: &Document<'_>,
    id: Option<Id<'_>>,
) -> Result<Response<Body>, Denied> {
    let (session, name) = session(shared, &known, &caller, None)?;
    let asked = id.and_then(|id| shared.mcp.answered(&(caller.place, Arc::clone(&name), id.into_owned())));
    let (Some(method), Some(server)) = (asked, server) else {
        return Err(known.refuse(Refusal::of(refusal::UNANSWERED, Stage::Known)).into());
    };
    let view = worked_here(bytes.len(), || ResultView::read(method, document)).await.map_err(|error| {
        let refusal = Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known).saying(error.to_string());
        Denied::from(known.refuse(refusal)).coded(error.code())
    })?;
    handle::none_in(&known, bytes, document)?;
    caller.session = Some((session, name));
    reach::answer(shared, known, caller, &server, bytes, &view, method).await
}

/// A JSON response.
pub(crate) fn json(status: StatusCode, body: Vec<u8>, session: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::Full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(value) = session.and_then(|session| HeaderValue::from_str(session).ok()) {
        response.headers_mut().insert(header_name::SESSION_ID, value);
    }
    response
}

/// The answer to a message that needs none.
pub(crate) fn taken() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

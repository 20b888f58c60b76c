//! One server: a message is passed through to it, bridged to its generation, or answered in its place.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use alcaide_record::Stage;
use alcaide_serve::Body;
use alcaide_wire::json::edit::Splice;
use alcaide_wire::jsonrpc::{Id, code};
use alcaide_wire::mcp::{Era, HttpFault, Method, ResultView, Revision, meta_key};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::aside::{Aside, stateless_meta};
use super::kept::Kept;
use super::plan::ServerPlan;
use super::refuse::Denied;
use super::seal::{Place, Session};
use super::send::{Letter, Passed, send};
use super::{Answers, Caller, Inbound, ending, era, head, instructions, json, kept, retry, taken, words};
use crate::gate::Shared;
use crate::passage::{Known, Origin, Passage};
use crate::refusal::{self, Refusal};
use crate::reply::{Channel, Reading, ReleasedBody, Shape, Uris};
use crate::worked::worked_here;

/// The gate's own name for a stream that a caller opens: no method of the protocol is called so.
pub(crate) const LISTEN: &str = "session/listen";
/// The gate's own name for the end of a session.
pub(crate) const END: &str = "session/end";

/// How the server is reached.
struct Link {
    /// Its session.
    session: Option<String>,
    /// The revision of that session.
    agreed: Option<Revision>,
    shape: Shape,
    uris: Uris,
    /// The session, where the gate keeps the server's side.
    kept: Option<Arc<Kept>>,
}

/// A request or notification of a caller.
///
/// # Errors
/// Why it does not pass.
pub(crate) async fn call(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: &Arc<ServerPlan>,
    inbound: Inbound<'_>,
) -> Result<Response<Body>, Denied> {
    let id = inbound.view.id.clone();
    let denied = |refusal: Refusal| Denied::of(refusal, id.as_ref());
    let origin = caller.origin.clone();
    let aside = Aside { shared, origin: &origin, server };
    let opening = inbound.era == Era::Handshake && inbound.view.method == Method::Initialize;
    if let Some((session, _)) = caller.session.as_ref().filter(|(session, _)| session.through) {
        let link = Link {
            session: session.upstream.clone(),
            agreed: Some(session.revision),
            shape: Shape::Same,
            uris: Uris::Own,
            kept: None,
        };
        return through(shared, known, caller, server, inbound, link).await;
    }
    if opening && server.upstream.child().is_none() {
        return open(&aside, known, caller, inbound).await;
    }
    let spoken = era::of(&aside, inbound.era).await.map_err(denied)?;
    match (inbound.era, spoken.era) {
        (Era::Handshake, Era::Handshake) if server.upstream.child().is_some() => {
            let kept = kept::session(&aside).await.map_err(denied)?;
            // A child takes no news of the caller; a call that is taken back is dropped.
            if let (Method::Cancelled, Some(cancelled)) = (inbound.view.method, &inbound.view.cancels) {
                shared.mcp.cancel(&(caller.place, Arc::default(), cancelled.clone().into_owned()));
            }
            if let Some(said) = in_place(&aside, &caller, &inbound, &kept.hello).await {
                return said;
            }
            let link = Link {
                session: None,
                agreed: Some(kept.revision),
                shape: Shape::Same,
                uris: Uris::Own,
                kept: Some(kept),
            };
            through(shared, known, caller, server, inbound, link).await
        }
        (Era::Stateless, Era::Stateless) => {
            let link = Link { session: None, agreed: None, shape: Shape::Same, uris: Uris::Own, kept: None };
            through(shared, known, caller, server, inbound, link).await
        }
        (Era::Handshake, Era::Stateless) => {
            let discovered = spoken.discovered.unwrap_or_default();
            // A stateless server is told that a call is taken back by the end of its stream.
            if let (Method::Cancelled, Some(cancelled)) = (inbound.view.method, &inbound.view.cancels) {
                let session = caller.session.as_ref().map(|(_, name)| Arc::clone(name)).unwrap_or_default();
                shared.mcp.cancel(&(caller.place, session, cancelled.clone().into_owned()));
            }
            if let Some(said) = in_place(&aside, &caller, &inbound, &discovered).await {
                return said;
            }
            let link =
                Link { session: None, agreed: None, shape: Shape::Handshake, uris: Uris::Own, kept: None };
            through(shared, known, caller, server, inbound, link).await
        }
        // A server that spoke statelessly when the session was opened does so no more: the client begins anew.
        (Era::Handshake, Era::Handshake) => {
            let refusal = known.refuse(Refusal::of(refusal::SESSION, Stage::Known));
            Err(denied(refusal).with_status(HttpFault::SessionUnknown.status()))
        }
        (Era::Stateless, Era::Handshake) => {
            let kept = kept::session(&aside).await.map_err(denied)?;
            match (&id, inbound.view.method) {
                (None, _) => return Ok(taken()),
                (Some(id), Method::Discover) => {
                    let told = instructions::accepted(shared, &origin, server).await;
                    let hello = &kept.hello;
                    let said =
                        worked_here(hello.len(), || words::discovered(id, hello, told.as_deref())).await;
                    return Ok(json(StatusCode::OK, said, None));
                }
                (Some(id), Method::SubscriptionsListen) => return Ok(unbridged(id)),
                _ => {}
            }
            let link = Link {
                session: kept.session.clone(),
                agreed: Some(kept.revision),
                shape: Shape::Stateless,
                uris: Uris::Own,
                kept: Some(kept),
            };
            through(shared, known, caller, server, inbound, link).await
        }
    }
}

/// A caller's handshake: the server's own where it takes one, else the gate takes it in its place.
async fn open(
    aside: &Aside<'_>,
    known: Passage<Known>,
    caller: Caller<'_>,
    inbound: Inbound<'_>,
) -> Result<Response<Body>, Denied> {
    let Aside { shared, server, .. } = aside;
    let now = aside.origin.closer().now();
    let upstream = server.upstream.id;
    let (id, place, asked) = (inbound.view.id.clone(), caller.place, inbound.view.revision());
    let denied = |refusal: Refusal| Denied::of(refusal, id.as_ref());
    let refused = if shared.mcp.eras.is_deaf(upstream, now) {
        None
    } else {
        let link = Link { session: None, agreed: None, shape: Shape::Same, uris: Uris::Own, kept: None };
        let passed = pass(shared, known, caller, server, inbound, link, Vec::new()).await;
        match passed {
            Ok(passed) => {
                let mut response = passed.response;
                // It was read to its end.
                let answer = match response.body() {
                    ReleasedBody::Whole(answer) => answer.clone(),
                    _ => Bytes::new(),
                };
                let name = opened(shared, &place, &answer, passed.session).await;
                if let Some(name) = name.and_then(|name| HeaderValue::from_str(&name).ok()) {
                    response.headers_mut().insert(alcaide_wire::mcp::header_name::SESSION_ID, name);
                    return Ok(response.map(Body::from));
                }
                if response.status().is_server_error() {
                    return Ok(response.map(Body::from));
                }
                Some(Ok(response.map(Body::from)))
            }
            Err(refusal) if refusal.code == refusal::UPSTREAM_BROKEN.code => Some(Err(denied(refusal))),
            Err(refusal) => return Err(denied(refusal)),
        }
    };
    let spoken = era::of(aside, Era::Handshake).await.map_err(denied)?;
    let (Some(id), Era::Stateless) = (&id, spoken.era) else {
        let refusal = || denied(Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound));
        return refused.unwrap_or_else(|| Err(refusal()));
    };
    shared.mcp.eras.deaf(upstream, now);
    begin(aside, &place, id, revision_for(asked), &spoken.discovered.unwrap_or_default()).await
}

/// The answer to `initialize` in a server's place, with a session that the gate keeps the other side of.
async fn begin(
    aside: &Aside<'_>,
    place: &Place,
    id: &Id<'_>,
    revision: Revision,
    said: &[u8],
) -> Result<Response<Body>, Denied> {
    let session = Session { revision, through: false, upstream: None };
    let name = aside.shared.mcp.sealer.session(place, &session).ok_or_else(|| {
        let refusal = Refusal::of(refusal::NOT_READY, Stage::Known).because("a session cannot be sealed");
        Denied::of(refusal, Some(id))
    })?;
    let told = instructions::accepted(aside.shared, aside.origin, aside.server).await;
    let said = worked_here(said.len(), || words::initialized(id, revision, said, told.as_deref())).await;
    Ok(json(StatusCode::OK, said, Some(&name)))
}

/// What the gate answers a handshake caller in the place of a server that takes no handshake from it.
async fn in_place(
    aside: &Aside<'_>,
    caller: &Caller<'_>,
    inbound: &Inbound<'_>,
    discovered: &[u8],
) -> Option<Result<Response<Body>, Denied>> {
    let view = &inbound.view;
    let Some(id) = &view.id else { return Some(Ok(taken())) };
    Some(Ok(match view.method {
        Method::Initialize => {
            let revision = revision_for(view.revision());
            return Some(begin(aside, &caller.place, id, revision, discovered).await);
        }
        Method::Ping | Method::LoggingSetLevel => json(StatusCode::OK, words::nothing(id), None),
        Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => unbridged(id),
        _ => return None,
    }))
}

/// The revision that the gate agrees on for itself: the caller's where it is known, else the newest.
pub(crate) fn revision_for(asked: Option<Revision>) -> Revision {
    asked.filter(|asked| *asked <= Revision::NEWEST_HANDSHAKE).unwrap_or(Revision::NEWEST_HANDSHAKE)
}

/// What the two generations have no common form for.
fn unbridged(id: &Id<'_>) -> Response<Body> {
    let why = "the server is of another generation of the protocol, which has no such method";
    let body = alcaide_wire::jsonrpc::error(Some(id), code::METHOD_NOT_FOUND, why, None);
    json(StatusCode::OK, body, None)
}

/// Takes a message through the passage to the server.
async fn through(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: &Arc<ServerPlan>,
    inbound: Inbound<'_>,
    link: Link,
) -> Result<Response<Body>, Denied> {
    let id = inbound.view.id.clone();
    let kept = link.kept.as_ref().map(|_| (caller.origin.clone(), Arc::clone(server)));
    let passed = pass(shared, known, caller, server, inbound, link, Vec::new())
        .await
        .map_err(|refusal| Denied::of(refusal, id.as_ref()))?;
    if passed.response.status() == StatusCode::NOT_FOUND
        && let Some((origin, server)) = kept
    {
        // The server forgot the gate's session; the next call opens another.
        let aside = Aside { shared, origin: &origin, server: &server };
        shared.mcp.keeping.forget(&kept::key(&aside));
        shared.mcp.eras.forget(server.upstream.id);
    }
    Ok(passed.response.map(Body::from))
}

/// The sealed session of a caller whose `initialize` a server has answered.
async fn opened(
    shared: &Shared,
    place: &super::seal::Place,
    answer: &Bytes,
    upstream: Option<String>,
) -> Option<String> {
    let revision = worked_here(answer.len(), || kept::agreed(answer)).await?;
    shared.mcp.sealer.session(place, &Session { revision, through: true, upstream })
}

/// The same for a call of the union: over a session that the gate keeps, where the server needs one.
///
/// # Errors
/// Why it does not pass.
pub(crate) async fn call_of_union(
    aside: &Aside<'_>,
    known: Passage<Known>,
    caller: Caller<'_>,
    inbound: Inbound<'_>,
    splices: Vec<Splice>,
) -> Result<Response<Body>, Denied> {
    let id = inbound.view.id.clone();
    let denied = |refusal: Refusal| Denied::of(refusal, id.as_ref());
    let link = link(aside, inbound.era).await.map_err(denied)?;
    let passed = pass(aside.shared, known, caller, aside.server, inbound, link, splices).await;
    let passed = passed.map_err(|refusal| Denied::of(refusal, id.as_ref()))?;
    Ok(passed.response.map(Body::from))
}

/// How a server is reached where the gate keeps its side.
async fn link(aside: &Aside<'_>, caller: Era) -> Result<Link, Refusal> {
    let none = |shape| Link { session: None, agreed: None, shape, uris: Uris::Union, kept: None };
    match (caller, era::of(aside, caller).await?.era) {
        (Era::Stateless, Era::Stateless) => Ok(none(Shape::Same)),
        (Era::Handshake, Era::Stateless) => Ok(none(Shape::Handshake)),
        (_, Era::Handshake) => {
            let kept = kept::session(aside).await?;
            let shape = if caller == Era::Stateless { Shape::Stateless } else { Shape::Same };
            let session = kept.session.clone();
            let agreed = Some(kept.revision);
            Ok(Link { session, agreed, shape, uris: Uris::Union, kept: Some(kept) })
        }
    }
}

/// The same, with the answer as it was released.
async fn pass(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: &Arc<ServerPlan>,
    inbound: Inbound<'_>,
    link: Link,
    mut splices: Vec<Splice>,
) -> Result<Passed, Refusal> {
    let Inbound { bytes, document, mut view, era, handles } = inbound;
    let place = super::seal::Place { server: Some(server.route), ..caller.place };
    let addressed = view.target.as_ref().map(|target| &*target.text).unwrap_or_default();
    let state_of = format!("{}/{addressed}", view.word);
    if let Some(state) = &view.request_state {
        let opened = shared.mcp.sealer.open_state(&place, &state_of, &state.text);
        let opened = opened.ok_or_else(|| {
            known.refuse(
                Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known)
                    .saying("`requestState` was not given to this caller for this call"),
            )
        })?;
        splices.extend(view.replace_request_state(&opened));
    }
    let meta = stateless_meta();
    let mut changes: Vec<(&str, Option<&str>)> =
        retry::kept_back(document).into_iter().map(|key| (key, None)).collect();
    match link.shape {
        Shape::Same => {}
        Shape::Handshake => changes.extend(meta.iter().map(|(key, value)| (*key, Some(value.as_str())))),
        Shape::Stateless => {
            let unset = [meta_key::PROTOCOL_VERSION, meta_key::CLIENT_INFO, meta_key::CLIENT_CAPABILITIES];
            changes.extend(unset.map(|key| (key, None)));
        }
    }
    if !changes.is_empty() {
        splices.extend(view.set_meta(document, &changes));
    }
    // Over a session that the gate keeps, a server has nobody to ask.
    let session = caller.session.as_ref().filter(|_| link.kept.is_none()).map(|(_, name)| Arc::clone(name));
    let key = |id: &Id<'_>| (place, session.clone().unwrap_or_default(), id.clone().into_owned());
    if let (Method::Cancelled, Some(cancelled)) = (view.method, &view.cancels) {
        shared.mcp.cancel(&key(cancelled));
    }
    let open = view.id.as_ref().map(|id| shared.mcp.open(key(id)));
    let to = (link.session.as_deref(), link.agreed);
    // Its texts are searched.
    let letter =
        worked_here(bytes.len(), || Letter::of_call(shared, server, bytes, document, &view, splices, to));
    let mut letter = letter.await.map_err(|refusal| known.refuse(refusal))?;
    letter.handles = handles;
    // A stream that answers `initialize` is read to its end, because the session's revision stands in it.
    let opens = era == Era::Handshake && view.method == Method::Initialize;
    let gather = opens || caller.answers == Answers::Whole;
    let reading = Reading {
        shared: Arc::clone(shared),
        origin: caller.origin,
        server: Arc::clone(server),
        channel: if view.id.is_some() { Channel::Answer } else { Channel::Receipt },
        method: view.method,
        id: view.id.map(Id::into_owned),
        place,
        session,
        upstream_session: link.session,
        kept: link.kept,
        state_of,
        shape: link.shape,
        uris: link.uris,
        gather,
        open,
        judged: None,
        call: None,
        stated: None,
        answerable: None,
        under_way: AtomicBool::new(false),
    };
    Box::pin(send(shared, known, letter, reading)).await
}

/// A caller's answer to what a server asked.
///
/// # Errors
/// Why it does not pass.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: &Arc<ServerPlan>,
    bytes: &Bytes,
    view: &ResultView<'_>,
    method: Method,
) -> Result<Response<Body>, Denied> {
    let Some((session, name)) = caller.session else {
        return Err(known.refuse(Refusal::of(refusal::SESSION, Stage::Known)).into());
    };
    let to = (session.upstream.as_deref(), session.revision);
    let letter =
        worked_here(bytes.len(), || Letter::of_answer(shared, server, bytes, view, method, to)).await;
    let reading = beside(shared, (caller.origin, caller.place), server, Channel::Receipt, &session, name);
    let passed = Box::pin(send(shared, known, letter, reading)).await?;
    Ok(passed.response.map(Body::from))
}

/// A stream that a caller opens (GET), or the end of a session (DELETE).
///
/// # Errors
/// Why it does not pass.
pub(crate) async fn bare(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: Option<Arc<ServerPlan>>,
    verb: http::Method,
) -> Result<Response<Body>, Denied> {
    let listens = verb == http::Method::GET;
    let through = caller.session.as_ref().filter(|(session, _)| session.through).cloned();
    let (Some((session, name)), Some(server)) = (through, server) else {
        // The caller's side ends with its id. At `/mcp/<server>` the gate keeps no session for it that could end too.
        if !listens {
            if caller.place.server.is_none() {
                ending::left(shared, &caller.place);
            }
            return Ok(Response::new(Body::Empty));
        }
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, DELETE"));
        return Ok(response);
    };
    let upstream = session.upstream.as_deref();
    let headers = head::to_listen(upstream, session.revision.as_str(), caller.headers);
    let what = if listens { LISTEN } else { END };
    // What is heard is labelled when it is heard.
    let letter = Letter::bare(shared, &server, (verb, what), headers, None);
    let channel = if listens { Channel::Listen } else { Channel::Receipt };
    let reading = beside(shared, (caller.origin, caller.place), &server, channel, &session, name);
    let passed = Box::pin(send(shared, known, letter, reading)).await?;
    Ok(passed.response.map(Body::from))
}

/// How the answer is read of what belongs to a session and is no request.
fn beside(
    shared: &Arc<Shared>,
    (origin, place): (Origin, Place),
    server: &Arc<ServerPlan>,
    channel: Channel,
    session: &Session,
    name: Arc<str>,
) -> Reading {
    Reading {
        shared: Arc::clone(shared),
        origin,
        server: Arc::clone(server),
        channel,
        method: Method::Other,
        id: None,
        place,
        session: Some(name),
        upstream_session: session.upstream.clone(),
        kept: None,
        state_of: String::new(),
        shape: Shape::Same,
        uris: Uris::Own,
        gather: false,
        open: None,
        judged: None,
        call: None,
        stated: None,
        answerable: None,
        under_way: AtomicBool::new(false),
    }
}

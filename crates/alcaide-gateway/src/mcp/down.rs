//! What a server asks of a caller: sampling, elicitation, its folders. A call by the server, and so a passage of its own:
//! decided on as `call_method` of that name, recorded before the caller sees it.

use std::sync::Arc;
use std::time::Duration;

use alcaide_label::Label;
use alcaide_policy::Action;
use alcaide_record::{ActionKind, End, Stage, Target};
use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::json::{Document, Limits};
use alcaide_wire::jsonrpc::{self, Id, code};
use alcaide_wire::mcp::{CallView, Method, OpaqueKind};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::aside::Aside;
use super::{head, offer};
use crate::attempt::{Attempt, Meter};
use crate::body::{self, FoundText, Masking};
use crate::budget;
use crate::content::{self, Demands};
use crate::passage::{Freeze, Known, Matter, OwnedResource, Passage, Request as ReadRequest};
use crate::refusal::{self, Refusal};
use crate::reply::Reading;
use crate::worked::worked_here;

/// Longest wait until a server has taken the gate's no.
const REFUSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A request of a server on a stream. `None` if it may not pass: the server is told so, and the caller sees nothing.
pub(crate) async fn ask(reading: &Arc<Reading>, data: &Bytes) -> Option<(Bytes, Attempt)> {
    let document = worked_here(data.len(), || Document::parse(data, &Limits::default())).await.ok()?;
    let view = worked_here(data.len(), || CallView::read(&document)).await.ok()?;
    let id = view.id.clone()?;
    let known = matches!(
        view.method,
        Method::SamplingCreateMessage | Method::ElicitationCreate | Method::RootsList | Method::Ping
    );
    let session = reading.session.clone().filter(|_| reading.may_ask());
    let (true, Some(session)) = (known, session) else {
        let why = "the client takes no such request";
        refuse(reading, &id, code::METHOD_NOT_FOUND, why).await;
        return None;
    };
    let texts = view.segments.iter().map(|segment| (&segment.span, &*segment.text, true));
    let found = worked_here(data.len(), || body::found(&reading.shared.engine(), texts)).await;
    let uninspected = view.opaque.iter().any(|part| part.kind != OpaqueKind::State);
    match passage(reading, data, view.method, found, uninspected, Edits::Allowed).await {
        Ok(passed) => {
            let key = (reading.place, session, id.into_owned());
            reading.shared.mcp.ask(key, view.method);
            Some(passed)
        }
        Err(refusal) => {
            refuse(reading, &id, super::refuse::REFUSED, &refusal.detail).await;
            None
        }
    }
}

/// A request of a server within a result, as the bytes of its object.
///
/// # Errors
/// It may not pass; recorded.
pub(crate) async fn ask_within(
    reading: &Arc<Reading>,
    request: Bytes,
    method: Method,
) -> Result<(), Refusal> {
    let broken = |why: String| Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(why);
    if method == Method::Other {
        return Err(broken("the server asks for something that is not known".into()));
    }
    let document = worked_here(request.len(), || Document::parse(&request, &Limits::default()))
        .await
        .map_err(|error| broken(error.without_keys().to_string()))?;
    let found = worked_here(request.len(), || {
        let strings = content::strings(document.root());
        body::found(&reading.shared.engine(), strings.iter().map(|(span, text)| (span, &**text, false)))
    })
    .await;
    let (bytes, mut attempt) = passage(reading, &request, method, found, false, Edits::None).await?;
    attempt.told.released_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    attempt.finish_as_told(End::Complete);
    Ok(())
}

/// Whether what must be hidden can be written over.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Edits {
    Allowed,
    None,
}

async fn passage(
    reading: &Arc<Reading>,
    bytes: &Bytes,
    method: Method,
    found: Vec<FoundText>,
    uninspected: bool,
    edits: Edits,
) -> Result<(Bytes, Attempt), Refusal> {
    // What a server says of itself carries no label.
    let what = Said { name: method.as_str(), found, uninspected, edits, label: Label::MISSING };
    said(&reading.aside(), bytes, what).await
}

/// Something that a server says, as a call of the method `name`.
struct Said<'n> {
    name: &'n str,
    found: Vec<FoundText>,
    uninspected: bool,
    edits: Edits,
    /// What its task has read with it.
    label: Label,
}

async fn said(aside: &Aside<'_>, bytes: &Bytes, what: Said<'_>) -> Result<(Bytes, Attempt), Refusal> {
    let Said { name, found, uninspected, edits, label } = what;
    let Aside { shared, origin, server } = *aside;
    let known = Passage::<Known>::aside(origin, shared.call_id())?;
    let request = ReadRequest {
        action: Action::CallMethod,
        kind: ActionKind::CallMethod,
        resource: OwnedResource::Method { server: Some(server.route), name: name.into() },
        target: Target {
            name: offer::commitment(shared, server, name),
            route: Some(server.route),
            tool: None,
        },
        hosted: Vec::new(),
        body: bytes.clone(),
        matter: Matter::Parts { method: name.into(), parts: std::iter::once(0..bytes.len()).collect() },
        pin: None,
        found,
        args: None,
        uninspected,
        tool_changed: false,
        claim: None,
        judged: None,
    };
    let read = known.read(request);
    let own = read.who().actor().map(|actor| actor.budgets.clone()).unwrap_or_default();
    let used = budget::used(shared.closer.memory(), own.iter(), read.arrived());
    let decided = read.decided(shared, used).await?;
    let (demands, splices) = obligations(shared, &decided, Masking::Allowed)?;
    if demands.blocks_uninspected() && uninspected || edits == Edits::None && !splices.is_empty() {
        return Err(decided.refuse(Refusal::of(refusal::CONTENT_BLOCKED, Stage::Decided)));
    }
    let edited = !splices.is_empty();
    let bytes = worked_here(bytes.len(), || edit::apply(bytes, splices)).await.map_err(|error| {
        decided.refuse(Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Decided).because(error.to_string()))
    })?;
    let freeze = Freeze {
        upstream: Arc::clone(&server.upstream),
        path: String::new(),
        bytes,
        edited,
        number: 1,
        budgets: Vec::new(),
        meter: Arc::new(Meter::default()),
        fallback: None,
        reads: Some(label),
        plants: None,
    };
    decided.bind(freeze).await?.record().await?.hand_down()
}

/// The gate's own name for what a task reads back that one which had read strangers' text wrote.
pub(crate) const RECALL: &str = "session/recall";
/// The gate's own name for what another gate says of what it sends.
pub(crate) const LABEL: &str = "session/label";

/// A caller is about to read something whose label its call did not tell: from here on its task has read it, and the record
/// says so, as a call of the method `name`. A stream on which nothing is said labels nobody.
///
/// # Errors
/// It may not pass; recorded.
pub(crate) async fn heard(aside: &Aside<'_>, data: &Bytes, name: &str, label: Label) -> Result<(), Refusal> {
    let task = aside.origin.who().credential().principal.task;
    let known = aside.origin.closer().memory().label(task);
    if known.join(label) == known {
        return Ok(());
    }
    let what = Said { name, found: Vec::new(), uninspected: false, edits: Edits::None, label };
    let (bytes, mut attempt) = said(aside, data, what).await?;
    attempt.told.released_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    attempt.finish_as_told(End::Complete);
    Ok(())
}

/// What the obligations demand, and what they make of the texts.
///
/// # Errors
/// An obligation that cannot be met; content that may not pass; recorded.
pub(crate) fn obligations(
    shared: &crate::gate::Shared,
    decided: &Passage<crate::passage::Decided>,
    masking: Masking,
) -> Result<(Demands, Vec<Splice>), Refusal> {
    let obligations = &decided.allowed().obligations;
    if let Some(unmet) = Demands::unmet(obligations) {
        let refusal = Refusal::of(refusal::CONTENT_BLOCKED, Stage::Decided);
        return Err(decided.refuse(refusal.saying(format!("the obligation `{unmet}` cannot be met"))));
    }
    let demands = Demands::of(obligations, &shared.engine());
    let splices =
        body::masked(decided.request(), &demands, masking).map_err(|refusal| decided.refuse(refusal))?;
    Ok((demands, splices))
}

/// Tells a server that its request does not pass. Nothing of the caller is in it.
async fn refuse(reading: &Reading, id: &Id<'_>, code: i64, why: &str) {
    let upstream = &reading.server.upstream;
    let body = jsonrpc::error(Some(id), code, why, None);
    let mut headers = head::to_server(reading.upstream_session.as_deref(), &[]);
    let now = reading.origin.closer().now();
    let sent = async {
        upstream.credential.put(&mut headers, &reading.shared.client, now).await.ok()?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = upstream.url("").ok()?;
        *request.headers_mut() = headers;
        reading.shared.client.request(request).await.ok()
    };
    if tokio::time::timeout(REFUSE_TIMEOUT, sent).await.ok().flatten().is_none() {
        tracing::info!(upstream = %upstream.name, "a server could not be told that its request does not pass");
    }
}

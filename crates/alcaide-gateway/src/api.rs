//! Plain HTTP APIs: `/api/<service>/…` with declared operations. A call of anything else is refused.
//!
//! The path is matched whole against the operations' templates; the listener has refused dot segments, escapes that
//! need not be and the like before. Of several that fit, the one counts whose first segment that differs is literal:
//! `/invoices/export` before `/invoices/{id}`, whichever was declared first. Path, query and body go on byte for byte,
//! the content type as it came or none. Segments of the path, keys and values of the query are searched. A JSON body is
//! read strictly, text and forms are searched as such; what is none of these carries the finding `uninspected`, and
//! passes only where nothing must be hidden or blocked. Arguments are never masked: what must be hidden is refused.

use std::ops::Range;
use std::sync::Arc;

use alcaide_inspect::placeholder;
use alcaide_label::Label;
use alcaide_policy::Action;
use alcaide_record::{ActionKind, Stage, Target, Usage};
use alcaide_serve::Body;
use alcaide_wire::json::{Document, JsonError, Limits};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;

use crate::body::{self, BodyKind, FoundText, Masking};
use crate::budget;
use crate::canary;
use crate::content::{self, Demands};
use crate::gate::Shared;
use crate::passage::{Arrived, Freeze, Known, Matter, OwnedResource, Passage, Request as ReadRequest};
use crate::plan::{OperationPlan, ServicePlan};
use crate::refusal::{self, Refusal};
use crate::reply::{Lens, Reader};
use crate::target;
use crate::worked::worked;

/// Where plain APIs are.
pub(crate) const PREFIX: &str = "/api/";

/// One call to a plain API.
pub(crate) async fn handle(
    shared: &Arc<Shared>,
    passage: Passage<Arrived>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (head, incoming) = request.into_parts();
    let known = passage.identify(&head.headers, head.method.as_str(), head.uri.path(), &shared.registry())?;
    let (service, path) = service_of(&known, head.uri.path())?;
    let operation = operation_of(&known, &service, &head.method, &path)?;
    let bytes = body::any(&known, &head.headers, incoming, shared).await?;
    let kind = BodyKind::of(&head.headers);
    let matter = body::whole(&head.method, &head.uri);
    let read = {
        let (gate, service, body) = (Arc::clone(shared), Arc::clone(&service), bytes.clone());
        let target = target::texts(&path, head.uri.query());
        let work = move || {
            let looked = look(&gate, &known, &body, kind, &target)?;
            Ok(read(known, &service, &operation, &body, looked, matter))
        };
        worked(bytes.len(), work).await?
    };
    let own = read.who().actor().map(|actor| actor.budgets.clone()).unwrap_or_default();
    let used = budget::used(read.common.closer.memory(), own.iter(), read.arrived());
    let decided = read.decided(shared, used).await?;
    let obligations = &decided.allowed().obligations;
    if let Some(unmet) = Demands::unmet(obligations) {
        let refusal = Refusal::of(refusal::CONTENT_BLOCKED, Stage::Decided);
        return Err(decided.refuse(refusal.saying(format!("the obligation `{unmet}` cannot be met"))));
    }
    let demands = Demands::of(obligations, &shared.engine());
    body::masked(decided.request(), &demands, Masking::Refused).map_err(|refusal| decided.refuse(refusal))?;
    if decided.request().uninspected && !demands.lets_all() {
        let refusal = Refusal::of(refusal::CONTENT_BLOCKED, Stage::Decided);
        return Err(decided.refuse(
            refusal.saying("the body cannot be looked into, and some of what it may hold must not pass"),
        ));
    }
    let (asks, meter) = budget::asks(own.iter(), &Usage::default());
    let who = Arc::clone(decided.who().verified());
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let freeze = Freeze {
        upstream: Arc::clone(&service.upstream),
        path: format!("{path}{query}"),
        bytes,
        edited: false,
        number: 1,
        budgets: asks,
        meter,
        fallback: None,
        // Nothing is declared of what an API answers.
        reads: Some(Label::MISSING),
        plants: None,
    };
    let headers = passed(&head.headers);
    let task = decided.who().credential().principal.task;
    let recorded = decided.bind_whole(freeze, &head.method, &headers).await?.record().await?;
    // What an API answers is not read into what is known of the task.
    shared.flows.forget(task);
    match recorded.forward(head.method, headers, &shared.client).await {
        Ok((reply, _)) => {
            let engine = shared.engine();
            let lens = Lens { reader: Reader::Plain, canary: None, engine, demands, who };
            let released = reply.label(lens).release().await?;
            Ok(released.into_response().map(Body::from))
        }
        // An API is asked once: whether it acted is not known.
        Err(failed) => Err(failed.refusal),
    }
}

/// The service that a path names, and the path below it.
fn service_of(known: &Passage<Known>, path: &str) -> Result<(Arc<ServicePlan>, String), Refusal> {
    let rest = path.strip_prefix(PREFIX).unwrap_or_default();
    let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
    match known.plan().service(name) {
        Some(service) => Ok((Arc::clone(service), format!("/{below}"))),
        None => Err(known.refuse(Refusal::of(refusal::NOT_FOUND, Stage::Known))),
    }
}

fn operation_of(
    known: &Passage<Known>,
    service: &ServicePlan,
    method: &Method,
    path: &str,
) -> Result<OperationPlan, Refusal> {
    let fitting: Vec<&OperationPlan> = service.operations.iter().filter(|one| one.fits(path)).collect();
    let named = fitting.iter().filter(|one| *one.method == *method.as_str());
    match named.min_by(|one, other| one.parameters().cmp(other.parameters())) {
        Some(operation) => Ok((*operation).clone()),
        None if fitting.is_empty() => Err(known.refuse(Refusal::of(refusal::NOT_FOUND, Stage::Known))),
        None => Err(known.refuse(Refusal::of(refusal::METHOD, Stage::Known))),
    }
}

/// What was seen of what a call carries.
#[derive(Default)]
struct Looked {
    found: Vec<FoundText>,
    /// Where the arguments are, as JSON.
    args: Option<Range<usize>>,
    uninspected: bool,
}

/// Looks at what the call carries: its body, and the texts of its target.
fn look(
    shared: &Shared,
    known: &Passage<Known>,
    bytes: &Bytes,
    kind: BodyKind,
    target: &[String],
) -> Result<Looked, Refusal> {
    let engine = &shared.engine();
    let plain = |texts: &[String]| body::found(engine, texts.iter().map(|text| (&(0..0), &**text, false)));
    let limits = Limits { bytes: shared.limits.body_bytes(), ..Limits::default() };
    let json = || -> Result<Looked, JsonError> {
        let document = Document::parse(bytes, &limits)?;
        let strings = content::strings(document.root());
        let found = body::found(engine, strings.iter().map(|(span, text)| (span, &**text, false)));
        Ok(Looked { found, args: Some(0..bytes.len()), uninspected: false })
    };
    let text = std::str::from_utf8(bytes).ok();
    let mut looked = match (kind, text) {
        _ if bytes.is_empty() => Looked::default(),
        (BodyKind::Json, _) => json().map_err(|error| {
            known.refuse(Refusal::of(refusal::NOT_JSON, Stage::Known).saying(error.to_string()))
        })?,
        (BodyKind::Text | BodyKind::Form, Some(text)) => {
            // Many readers do not heed the type. What they may take for JSON is read as such too, and where it is not
            // strict, nobody knows what they make of it.
            let begins = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).chars().next();
            let mut looked = match begins {
                Some('{' | '[') => json().unwrap_or(Looked { uninspected: true, ..Looked::default() }),
                _ => Looked::default(),
            };
            looked.found.extend(body::found(engine, std::iter::once((&(0..bytes.len()), text, false))));
            if kind == BodyKind::Form {
                looked.found.extend(plain(&target::form(text).collect::<Vec<_>>()));
            }
            looked
        }
        _ => Looked { uninspected: true, ..Looked::default() },
    };
    looked.found.extend(plain(target));
    let handle = |text: &str| placeholder::find(text).next().is_some();
    if target.iter().any(|text| handle(text)) || handle(&String::from_utf8_lossy(bytes)) {
        let why = "the request carries a handle, and operations of plain APIs take none";
        return Err(known.refuse(Refusal::of(refusal::HANDLE_MISPLACED, Stage::Known).saying(why)));
    }
    if let Some(canary) = shared.canary(known.plan(), known.who().credential().principal.task) {
        let body = String::from_utf8_lossy(bytes);
        let here = canary.is_in(&body) || canary.is_in(&target.concat());
        looked.found.extend(here.then(|| canary::found(0..bytes.len(), &body)));
    }
    Ok(looked)
}

fn read(
    known: Passage<Known>,
    service: &ServicePlan,
    operation: &OperationPlan,
    bytes: &Bytes,
    looked: Looked,
    matter: Matter,
) -> Passage<crate::passage::Read> {
    known.read(ReadRequest {
        action: Action::CallApi,
        kind: ActionKind::CallApi,
        resource: OwnedResource::Operation { service: service.route, name: operation.name.as_str().into() },
        target: Target { name: operation.commitment, route: Some(service.route), tool: None },
        hosted: Vec::new(),
        body: bytes.clone(),
        matter,
        pin: None,
        found: looked.found,
        args: looked.args,
        uninspected: looked.uninspected,
        tool_changed: false,
        claim: None,
        judged: None,
    })
}

/// Headers of a plain call that go on: what the body is and what is asked for; no credential, no cookie.
fn passed(from: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    for name in
        [header::ACCEPT, header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH, header::USER_AGENT]
    {
        if let Some(value) = from.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let Some(key) = from.get("idempotency-key") {
        headers.insert("idempotency-key", key.clone());
    }
    if !headers.contains_key(header::ACCEPT) {
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    }
    headers
}

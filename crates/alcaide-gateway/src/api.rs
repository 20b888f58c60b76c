//! Plain HTTP APIs: `/api/<service>/…` with declared operations. A call of anything else is refused.
//!
//! The path is matched whole against the operations' templates; the listener has refused dot segments, encoded
//! separators and the like before. Query and body go on byte for byte. A JSON body is read strictly; what is no JSON
//! carries the finding `uninspected`. Arguments are never masked: what must be hidden is refused.

use std::sync::Arc;

use alcaide_policy::Action;
use alcaide_record::{ActionKind, Stage, Target, Usage};
use alcaide_serve::Body;
use alcaide_wire::json::{Document, Limits};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;

use crate::body::{self, Masking};
use crate::budget;
use crate::content::{self, Demands};
use crate::gate::Shared;
use crate::passage::{Arrived, Freeze, Known, Matter, OwnedResource, Passage, Request as ReadRequest};
use crate::plan::{OperationPlan, ServicePlan};
use crate::refusal::{self, Refusal};
use crate::reply::{Lens, Reader};
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
    let is_json = body::is_json(&head.headers);
    let matter = body::whole(&head.method, &head.uri);
    let read = {
        let (gate, service, body) = (Arc::clone(shared), Arc::clone(&service), bytes.clone());
        let uri = head.uri.clone();
        let work = move || read(&gate, known, &service, &operation, &body, is_json, (uri.query(), matter));
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
    let demands = Demands::of(obligations, &shared.engine);
    body::masked(decided.request(), &demands, Masking::Refused).map_err(|refusal| decided.refuse(refusal))?;
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
        reads: None,
    };
    let recorded = decided.bind(freeze).await?.record().await?;
    let headers = passed(&head.headers);
    match recorded.forward(head.method, headers, &shared.client).await {
        Ok((reply, _)) => {
            let lens = Lens { reader: Reader::Plain, engine: Arc::clone(&shared.engine), demands, who };
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
    match fitting.iter().find(|one| *one.method == *method.as_str()) {
        Some(operation) => Ok((*operation).clone()),
        None if fitting.is_empty() => Err(known.refuse(Refusal::of(refusal::NOT_FOUND, Stage::Known))),
        None => Err(known.refuse(Refusal::of(refusal::METHOD, Stage::Known))),
    }
}

/// Looks at what the call carries: the strings of a JSON body, the query.
fn read(
    shared: &Shared,
    known: Passage<Known>,
    service: &ServicePlan,
    operation: &OperationPlan,
    bytes: &Bytes,
    is_json: bool,
    (query, matter): (Option<&str>, Matter),
) -> Result<Passage<crate::passage::Read>, Refusal> {
    let mut found = Vec::new();
    let mut uninspected = false;
    if !bytes.is_empty() {
        if is_json {
            let limits = Limits { bytes: shared.limits.body_bytes(), ..Limits::default() };
            let document = Document::parse(bytes, &limits).map_err(|error| {
                known.refuse(Refusal::of(refusal::NOT_JSON, Stage::Known).saying(error.to_string()))
            })?;
            let strings = content::strings(document.root());
            found = body::found(&shared.engine, strings.iter().map(|(span, text)| (span, &**text, false)));
        } else {
            uninspected = true;
        }
    }
    if let Some(query) = query {
        // The query is looked at as it stands: percent escapes hide nothing that a form decoder would not undo.
        let plain = decoded(query);
        found.extend(body::found(&shared.engine, std::iter::once((&(0..0), plain.as_str(), false))));
    }
    Ok(known.read(ReadRequest {
        action: Action::CallApi,
        kind: ActionKind::CallApi,
        resource: OwnedResource::Operation { service: service.route, name: operation.name.as_str().into() },
        target: Target { name: operation.commitment, route: Some(service.route), tool: None },
        hosted: Vec::new(),
        body: bytes.clone(),
        matter,
        pin: None,
        found,
        args: is_json.then_some(0..bytes.len()).filter(|span| !span.is_empty()),
        uninspected,
        tool_changed: false,
    }))
}

/// A query with `+` and percent escapes undone; what is no UTF-8 then is replaced.
fn decoded(query: &str) -> String {
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    loop {
        match rest {
            [] => break,
            [b'%', high, low, tail @ ..] if nibble(*high).is_some() && nibble(*low).is_some() => {
                bytes.push((nibble(*high).unwrap_or(0) << 4) | nibble(*low).unwrap_or(0));
                rest = tail;
            }
            [b'+', tail @ ..] => {
                bytes.push(b' ');
                rest = tail;
            }
            [byte, tail @ ..] => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_looked_at_as_a_form_decoder_reads_it() {
        assert_eq!(decoded("a=1+2&b=%61%40x%zz"), "a=1 2&b=a@x%zz");
    }
}

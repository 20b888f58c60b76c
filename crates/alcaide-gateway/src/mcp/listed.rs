//! A listed plan: the calls that an agent is about to make, judged before it makes them.
//!
//! Alcaide's own method `alcaide/plan`, at `/mcp/<server>` and `/mcp`: `params.calls` is a list of what the `params` of
//! `tools/call` would be. Each call goes through the passage as the later one does, up to the decision and no further:
//! nothing is bound, recorded as an intent or sent. Where people are asked, the question is opened; the later call finds it,
//! and its answer, under the same key, because its parameters are the same bytes. The answer says of each call whether it
//! is allowed, asked about, or refused.

use std::sync::Arc;

use alcaide_record::Stage;
use alcaide_serve::Body;
use alcaide_wire::json::{Document, Kind, Limits, Value};
use alcaide_wire::jsonrpc::{self, code};
use alcaide_wire::mcp::{CallView, Era};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::handle::{self, PutBack};
use super::plan::ServerPlan;
use super::refuse::Denied;
use super::send::{Letter, decide};
use super::{Caller, Inbound, json as answer_json, taken};
use crate::gate::Shared;
use crate::passage::{Known, Origin, Passage, Wait};
use crate::refusal::{self, Refusal};
use crate::worked::worked_here;

/// The method.
pub(crate) const METHOD: &str = "alcaide/plan";
/// Most calls of one plan: more are not looked at by people as one.
const CALLS_MAX: usize = 32;

/// Judges the calls of a plan, one after the other.
///
/// # Errors
/// The list is none, or is too long.
pub(super) async fn plan(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    server: Option<Arc<ServerPlan>>,
    inbound: Inbound<'_>,
) -> Result<Response<Body>, Denied> {
    let Some(id) = &inbound.view.id else { return Ok(taken()) };
    let wrong = |why: String| {
        let refusal = Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known)
            .saying(why)
            .cured_by("send `params.calls`: a list of what the `params` of `tools/call` would be");
        Denied::of(known.refuse(refusal), Some(id)).coded(code::INVALID_PARAMS)
    };
    let calls = inbound.document.root().get("params").and_then(|params| params.get("calls"));
    let Some(calls) = calls.filter(|calls| calls.kind() == Kind::Array) else {
        return Err(wrong("a plan is a list of calls".to_owned()));
    };
    let spans: Vec<_> = calls.items().map(Value::span).take(CALLS_MAX.saturating_add(1)).collect();
    if spans.is_empty() || spans.len() > CALLS_MAX {
        return Err(wrong(format!("a plan has 1 to {CALLS_MAX} calls")));
    }
    let mut said = Vec::with_capacity(spans.len());
    for span in spans {
        let params = inbound.bytes.slice(span);
        let told = match call(shared, &caller.origin, server.as_ref(), &params).await {
            Ok(()) => json!({ "decision": "allow" }),
            Err(refusal) => {
                match refusal.approval().filter(|_| refusal.code == refusal::APPROVAL_NEEDED.code) {
                    Some(approval) => json!({
                        "decision": "ask", "approval_id": approval.to_string(), "code": refusal.code,
                        "reason": refusal.detail, "help": refusal.help,
                    }),
                    None => json!({
                        "decision": "refuse", "code": refusal.code, "reason": refusal.detail, "help": refusal.help,
                    }),
                }
            }
        };
        said.push(told);
    }
    let mut result = json!({ "calls": said });
    if let (Era::Stateless, Some(members)) = (inbound.era, result.as_object_mut()) {
        members.insert("resultType".into(), "complete".into());
    }
    Ok(answer_json(StatusCode::OK, jsonrpc::result(id, &result.to_string()), None))
}

/// One call, up to the decision; what it would use is given back.
async fn call(
    shared: &Arc<Shared>,
    origin: &Origin,
    server: Option<&Arc<ServerPlan>>,
    params: &Bytes,
) -> Result<(), Refusal> {
    let known = Passage::<Known>::aside(origin, shared.call_id())?;
    let mut message = br#"{"jsonrpc":"2.0","id":"alcaide","method":"tools/call","params":"#.to_vec();
    message.extend_from_slice(params);
    message.push(b'}');
    let bytes = Bytes::from(message);
    let not_understood = |why: String| Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known).saying(why);
    let limits = Limits { bytes: shared.limits.body_bytes(), ..Limits::default() };
    let parsed = worked_here(bytes.len(), || Document::parse(&bytes, &limits)).await;
    let document = parsed.map_err(|error| known.refuse(not_understood(error.to_string())))?;
    let view = worked_here(bytes.len(), || CallView::read(&document)).await;
    let view = view.map_err(|error| known.refuse(not_understood(error.to_string())))?;
    let put_back =
        worked_here(bytes.len(), || handle::put_back(shared, &known, server, (&bytes, &document), &view));
    let Some((filled, back)) = put_back.await? else {
        let ready = judged(shared, known, (origin, server), (&bytes, &document, view), None);
        return ready.await;
    };
    let parsed = worked_here(filled.len(), || Document::parse(&filled, &limits)).await;
    let document = parsed.map_err(|error| known.refuse(not_understood(error.to_string())))?;
    let view = worked_here(filled.len(), || CallView::read(&document)).await;
    let view = view.map_err(|error| known.refuse(not_understood(error.to_string())))?;
    judged(shared, known, (origin, server), (&filled, &document, view), Some(back)).await
}

/// The call with the texts in it that its handles stand for.
async fn judged(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    (origin, server): (&Origin, Option<&Arc<ServerPlan>>),
    (bytes, document, mut view): (&Bytes, &Document<'_>, CallView<'_>),
    handles: Option<PutBack>,
) -> Result<(), Refusal> {
    let not_understood = |why: String| Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known).saying(why);
    let named = view.target.as_ref().map(|target| target.text.clone()).unwrap_or_default();
    let server = match server {
        Some(server) => Arc::clone(server),
        None => {
            let Some((server, own)) = origin.plan().union().split(&named) else {
                let refusal = not_understood("no declared tool has this name".to_owned())
                    .cured_by("`tools/list` lists the tools that this agent may use");
                return Err(known.refuse(refusal));
            };
            // The name in the message stays: it is what the later call has.
            let _ = view.rename(own);
            Arc::clone(server)
        }
    };
    let letter = Letter::of_call(shared, &server, bytes, document, &view, Vec::new(), (None, None));
    let mut letter = letter.map_err(|refusal| known.refuse(refusal))?;
    letter.handles = handles;
    let ready = decide(shared, known, &server, letter.into_matter(), Wait::NotAtAll).await?;
    drop(ready);
    Ok(())
}

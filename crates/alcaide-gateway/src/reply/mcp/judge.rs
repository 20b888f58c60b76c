//! What may go to the caller of a tool server's response.

use std::ops::Range;
use std::sync::Arc;

use alcaide_label::Label;
use alcaide_record::{End, Stage};
use alcaide_seal::digest::sha256;
use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::json::{Document, Value};
use alcaide_wire::mcp::{ItemFate, Method, OpaqueKind, Part, ResultKind, ResultView, union};
use bytes::Bytes;

use super::super::Lens;
use super::super::json::{broken, edits, reply_limits};
use super::handled::hidden;
use super::{Reading, Shape, Uris};
use crate::attempt::Attempt;
use crate::canary;
use crate::content::uninspected;
use crate::labels;
use crate::mcp::{down, instructions, offer};
use crate::refusal::{self, Refusal};
use crate::worked::worked_here;

/// Reads the response, searches it, cuts what is offered to what the caller may use, seals what it is to carry.
///
/// # Errors
/// Why the answer may not pass.
pub(super) async fn judge(
    reading: &Arc<Reading>,
    lens: &Lens,
    attempt: &mut Attempt,
    bytes: &Bytes,
) -> Result<Bytes, (End, Refusal)> {
    // From here on it is the answer without the texts that are given by handle.
    let bytes = &worked_here(bytes.len(), || hidden(reading, bytes)).await?;
    let long = bytes.len();
    let document = worked_here(long, || Document::parse(bytes, &reply_limits())).await;
    let document = document.map_err(|error| broken(&error.without_keys()))?;
    let view = worked_here(long, || ResultView::read(reading.method, &document)).await;
    let view = view.map_err(|error| broken(&error))?;
    if view.id.is_some() && view.id != reading.id {
        return Err(broken(&"an answer to another request"));
    }
    if view.opaque.iter().any(|part| part.kind != OpaqueKind::State) {
        attempt.told.findings.push(uninspected());
        reading.cannot_tell();
        if lens.demands.blocks_uninspected() {
            return Err((End::ContentCut, Refusal::of(refusal::REPLY_BLOCKED, Stage::Bound)));
        }
    }
    let stated = stated(reading, attempt, bytes, document.root().get("result")).await?;
    let mut view = view;
    let statement = labels::member(document.root().get("result")).map(Value::span);
    if let Some(statement) = &statement {
        // It was read as what it is, and goes no further.
        view.segments
            .retain(|segment| !(statement.start <= segment.span.start && segment.span.end <= statement.end));
    }
    let view = view;
    let (segments, structured) = (&view.segments, view.structured.as_ref());
    let taken = worked_here(bytes.len(), || reading.takes_in(&document, segments, structured, stated));
    if let Some(label) = taken.await {
        down::heard(&reading.aside(), bytes, down::RECALL, label)
            .await
            .map_err(|refusal| (End::ContentCut, refusal))?;
    }
    let mut splices = Vec::new();
    let mut dropped: Vec<Range<usize>> = Vec::new();
    if !view.items.is_empty() {
        let fates = offer::fates(&reading.shared, &reading.origin, &reading.server, &document, &view).await;
        let fates = fates.map_err(|error| {
            (End::ContentCut, Refusal::of(refusal::LEDGER, Stage::Bound).because(error.to_string()))
        })?;
        let gone = view.items.iter().zip(&fates).filter(|(_, fate)| **fate == ItemFate::Drop);
        dropped.extend(gone.map(|(item, _)| item.span.clone()));
        splices.extend(view.relist(&document, |at, _| fates.get(at).cloned().unwrap_or(ItemFate::Drop)));
    }
    // Definitions of tools and instructions were accepted as they are; what does not pass need not be hidden.
    let passing = view.segments.iter().filter(|segment| {
        segment.part != Part::Instructions
            && !(reading.method == Method::ToolsList && segment.part == Part::Definition)
            && !dropped.iter().any(|gone| gone.start <= segment.span.start && segment.span.end <= gone.end)
    });
    let passing = passing.map(|segment| (&segment.span, &*segment.text, false));
    splices.extend(worked_here(long, || edits(passing, lens, attempt)).await?);
    match &view.kind {
        ResultKind::Complete | ResultKind::Error => {}
        ResultKind::InputRequired if reading.shape == Shape::Same => {
            asked(reading, bytes, &view).await?;
        }
        ResultKind::InputRequired => {
            return Err(broken(&"the server asks for input, which the caller cannot give"));
        }
        ResultKind::Unknown(word) => {
            let word: String = word.chars().take(40).collect();
            return Err(broken(&format!("a result of the unknown type `{word}`")));
        }
    }
    if let Some(state) = &view.request_state {
        let sealed = reading.shared.mcp.sealer.state(&reading.place, &reading.state_of, &state.text);
        let sealed = sealed.ok_or_else(|| broken(&"the server's state cannot be sealed"))?;
        splices.extend(view.replace_request_state(&sealed));
    }
    let told = match view.server.as_ref().and_then(|server| server.instructions.as_ref()) {
        Some(told) => {
            let (shared, origin) = (&reading.shared, &reading.origin);
            instructions::fate(shared, origin, &reading.server, &told.text).await.map_err(|error| {
                (End::ContentCut, Refusal::of(refusal::LEDGER, Stage::Bound).because(error.to_string()))
            })?
        }
        None => ItemFate::Drop,
    };
    if let Some(result) = document.root().get("result") {
        if reading.judged.as_ref().is_some_and(|judged| judged.marks()) {
            let task = reading.origin.who().credential().principal.task;
            splices.extend(canary::plant(result, &canary::mark(&reading.shared.commitments, task)));
        }
        splices.extend(reshaped(reading, result, &told));
        splices.extend(result.get("_meta").into_iter().flat_map(|meta| {
            edit::remove_members(meta, |key| statement.is_some() && key == labels::META_KEY)
        }));
    }
    worked_here(long, || {
        let judged = edit::apply(bytes, splices).map_err(|error| broken(&error))?;
        told_on(reading, attempt, readdressed(reading, judged)?)
    })
    .await
}

/// What the peer that answers says of its answer, joined to the task before anything of it is released; nothing where no
/// peer answers, or nobody is to say anything.
async fn stated(
    reading: &Reading,
    attempt: &mut Attempt,
    bytes: &Bytes,
    result: Option<Value<'_, '_>>,
) -> Result<Option<Label>, (End, Refusal)> {
    let Some(peer) = reading.server.peer.as_ref().filter(|_| labels::is_stated(reading.method)) else {
        return Ok(None);
    };
    let now = reading.origin.closer().now();
    let read = || reading.shared.labels.answer(peer, reading.stated.as_ref(), result, now);
    let (claim, label) = worked_here(bytes.len(), read).await;
    attempt.told.claim = Some(claim);
    down::heard(&reading.aside(), bytes, down::LABEL, label)
        .await
        .map_err(|refusal| (End::ContentCut, refusal))?;
    Ok(Some(label))
}

/// The response with what this gate says of its result, for another that asked with a statement: the label of the task, which
/// has read the result by now.
fn told_on(reading: &Reading, attempt: &Attempt, released: Bytes) -> Result<Bytes, (End, Refusal)> {
    let (Some(to), Some(call)) = (&reading.answerable, reading.call) else { return Ok(released) };
    let document =
        Document::parse(&released, &reply_limits()).map_err(|error| broken(&error.without_keys()))?;
    let Some(result) = document.root().get("result").filter(|_| labels::is_stated(reading.method)) else {
        return Ok(released);
    };
    let closer = reading.origin.closer();
    let label = closer.memory().label(reading.origin.who().credential().principal.task);
    let mut kinds: Vec<Box<str>> =
        attempt.told.findings.iter().map(|found| found.class.as_str().into()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let source = sha256(reading.server.route.to_string().as_bytes());
    let said = reading.shared.labels.reply(to, call, (label, kinds, source), result, closer.now());
    let said = match said {
        Ok(said) => said,
        Err(error) => {
            // Without it the answer is strangers' text to whoever asked, which is safe.
            tracing::warn!(%error, "the label of an answer could not be signed");
            return Ok(released);
        }
    };
    let text = edit::encode(&said.compact);
    let splice = match result.get("_meta") {
        Some(meta) => edit::set_member(meta, labels::META_KEY, &text),
        None => {
            edit::insert_member(result, "_meta", &format!("{{{}:{text}}}", edit::encode(labels::META_KEY)))
        }
    };
    edit::apply(&released, splice.into_iter().collect()).map_err(|error| broken(&error))
}

/// The response with the URIs by which the caller knows resources. What was hidden of one stays hidden.
fn readdressed(reading: &Reading, judged: Bytes) -> Result<Bytes, (End, Refusal)> {
    if reading.uris == Uris::Own {
        return Ok(judged);
    }
    let document =
        Document::parse(&judged, &reply_limits()).map_err(|error| broken(&error.without_keys()))?;
    let view = ResultView::read(reading.method, &document).map_err(|error| broken(&error))?;
    let splices = view.readdress(|uri| union::qualify(reading.server.name.as_str(), uri));
    edit::apply(&judged, splices).map_err(|error| broken(&error))
}

/// Members that are taken out, and those that the caller's generation needs.
fn reshaped(reading: &Reading, result: Value<'_, '_>, told: &ItemFate) -> Vec<Splice> {
    let handshake = reading.shape == Shape::Handshake;
    let mut splices = edit::remove_members(result, |key| match key {
        // What a server tells the model beside its tools, unless it was accepted so.
        "instructions" => {
            matches!(reading.method, Method::Initialize | Method::Discover) && *told != ItemFate::Keep
        }
        "resultType" | "ttlMs" | "cacheScope" => handshake,
        _ => false,
    });
    let cacheable = reading.method.is_cacheable();
    match reading.shape {
        Shape::Stateless => {
            let more = if cacheable {
                "\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\""
            } else {
                "\"complete\""
            };
            if result.get("resultType").is_none() {
                splices.extend(edit::insert_member(result, "resultType", more));
            }
        }
        // What the gate cut for one caller is not for another.
        Shape::Same
            if cacheable && result.get("cacheScope").is_some_and(|scope| !scope.is_str("private")) =>
        {
            splices.extend(edit::set_member(result, "cacheScope", "\"private\""));
        }
        Shape::Same | Shape::Handshake => {}
    }
    splices
}

/// What the server asks for within a result: a passage each.
async fn asked(reading: &Arc<Reading>, bytes: &Bytes, view: &ResultView<'_>) -> Result<(), (End, Refusal)> {
    for ask in &view.input_requests {
        down::ask_within(reading, bytes.slice(ask.span.clone()), ask.method)
            .await
            .map_err(|refusal| (End::ContentCut, refusal))?;
    }
    Ok(())
}

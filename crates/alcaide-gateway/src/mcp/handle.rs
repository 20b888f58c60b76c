//! Handles in a message to a server: put back into the texts that they stand for, where the tool's owner declared it, and
//! refused anywhere else.
//!
//! It is done before the message is judged. What is judged, recorded, shown to people and sent has the texts in it, so
//! nothing on the way can see a handle where the server sees a text. A handle is put back only where it stands as a text in
//! an argument that takes handles, by itself or within other words; not deeper, and not in a text that is JSON itself, whose
//! structure a stranger's text could change.

use std::sync::Arc;

use alcaide_inspect::placeholder::{self, Found};
use alcaide_inventory::id::CallId;
use alcaide_record::Stage;
use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::json::{Document, Kind, Value};
use alcaide_wire::mcp::{CallView, Method};
use bytes::Bytes;

use super::plan::ServerPlan;
use super::send;
use crate::content;
use crate::flow::within;
use crate::gate::Shared;
use crate::handles::Lost;
use crate::passage::{Known, Passage};
use crate::refusal::{self, Refusal};

/// Most handles of one call.
const HANDLES_MAX: usize = 64;
/// Most letters of a name that a refusal repeats.
const NAME_CHARS_MAX: usize = 80;

/// What was put back.
#[derive(Clone, Debug, Default)]
pub(crate) struct PutBack {
    /// The arguments, by their names.
    pub(crate) arguments: Vec<Box<str>>,
    /// The calls whose answers the texts are of, each once.
    pub(crate) calls: Vec<CallId>,
}

/// The message with the texts in it; nothing where no handle stands in it. `server` is none for the union of all.
///
/// # Errors
/// A handle where none is taken, or without a text; nothing is sent.
pub(super) fn put_back(
    shared: &Shared,
    known: &Passage<Known>,
    server: Option<&Arc<ServerPlan>>,
    (bytes, document): (&Bytes, &Document<'_>),
    view: &CallView<'_>,
) -> Result<Option<(Bytes, PutBack)>, Refusal> {
    if !may_hold(bytes) {
        return Ok(None);
    }
    let named = view.target.as_ref().map(|target| &*target.text).unwrap_or_default();
    let sink = match (view.method, server) {
        (Method::ToolsCall, Some(server)) => Some((server, named)),
        (Method::ToolsCall, None) => known.plan().union().split(named),
        _ => None,
    };
    let facts = sink.and_then(|(server, name)| send::accepted(shared, server, name)).map(|tool| &tool.facts);
    let arguments = document.root().get("params").and_then(|params| params.get("arguments"));
    let task = known.who().credential().principal.task;
    let (mut splices, mut back, mut count, mut long) = (Vec::new(), PutBack::default(), 0_usize, bytes.len());
    for (span, text) in content::strings(document.root()) {
        let found: Vec<Found> = placeholder::find(&text).collect();
        if found.is_empty() {
            continue;
        }
        let argument = arguments
            .filter(|arguments| arguments.kind() == Kind::Object)
            .and_then(|arguments| arguments.entries().find(|entry| holds(entry.value, &span)));
        let place = argument.as_ref().map_or("", |entry| &*entry.key);
        let takes = facts.is_some_and(|facts| {
            let named = |names: &[String]| names.iter().any(|name| name == place);
            named(&facts.takes_handles) && named(&facts.free_text) && !named(&facts.control)
        });
        let whole = argument.as_ref().is_some_and(|entry| entry.value.span() == span);
        if !takes || !whole || is_json(&text) {
            return Err(known.refuse(misplaced(argument.as_ref().map(|_| place), takes)));
        }
        count = count.saturating_add(found.len());
        if count > HANDLES_MAX {
            let why = format!("a call carries at most {HANDLES_MAX} handles");
            return Err(known.refuse(Refusal::of(refusal::HANDLE_MISPLACED, Stage::Known).saying(why)));
        }
        let (mut filled, mut done) = (String::new(), 0);
        for Found { span, placeholder } in found {
            let held = match placeholder {
                Some(handle) => shared.handles.text(&shared.commitments, task, &handle),
                None => Err(Lost::Foreign),
            };
            let held = held.map_err(|lost| known.refuse(not_known(lost)))?;
            long = long.saturating_add(held.text.len());
            if long > shared.limits.body_bytes() {
                return Err(known.refuse(Refusal::of(refusal::BODY_TOO_LARGE, Stage::Known)));
            }
            filled.push_str(text.get(done..span.start).unwrap_or_default());
            filled.push_str(&held.text);
            done = span.end;
            if !back.calls.contains(&held.call) {
                back.calls.push(held.call);
            }
        }
        filled.push_str(text.get(done..).unwrap_or_default());
        splices.push(Splice::text(span, &filled));
        back.arguments.push(place.into());
    }
    if splices.is_empty() {
        return Ok(None);
    }
    let bytes = edit::apply(bytes, splices).map_err(|error| {
        known.refuse(Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known).because(error.to_string()))
    })?;
    Ok(Some((bytes, back)))
}

/// Refuses a handle in a message that can take none.
///
/// # Errors
/// There is one.
pub(super) fn none_in(known: &Passage<Known>, bytes: &[u8], document: &Document<'_>) -> Result<(), Refusal> {
    let texts = || content::strings(document.root());
    if may_hold(bytes) && texts().iter().any(|(_, text)| placeholder::find(text).next().is_some()) {
        return Err(known.refuse(misplaced(None, false)));
    }
    Ok(())
}

/// Whether a message can hold one: as it is, or behind an escape.
fn may_hold(bytes: &[u8]) -> bool {
    placeholder::may_hold(bytes) || memchr::memmem::find(bytes, b"\\u").is_some()
}

fn holds(outer: Value<'_, '_>, span: &std::ops::Range<usize>) -> bool {
    let outer = outer.span();
    outer.start <= span.start && span.end <= outer.end
}

/// Whether a text is a JSON document with a structure of its own.
fn is_json(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.trim_start().starts_with(['{', '[', '"']) && Document::parse(bytes, &within(bytes)).is_ok()
}

fn misplaced(argument: Option<&str>, takes: bool) -> Refusal {
    let refusal = Refusal::of(refusal::HANDLE_MISPLACED, Stage::Known);
    let Some(name) = argument else { return refusal };
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    if takes {
        return refusal.saying(format!(
            "a handle stands deeper in the argument `{name}` than as its text, or within JSON"
        ));
    }
    refusal.saying(format!("a handle stands in the argument `{name}`, which is not declared to take one"))
}

fn not_known(lost: Lost) -> Refusal {
    let refusal = Refusal::of(refusal::HANDLE_LOST, Stage::Known);
    match lost {
        Lost::Foreign => refusal.saying("the call carries a handle that this gate did not give in this task"),
        Lost::Gone => refusal.saying(
            "the text behind a handle is gone: the gate was started again, or other tasks took its room",
        ),
    }
}

//! What a streamed reply says, event by event.
//!
//! Each event is read on its own; between events only usage and the number of the last event are kept. Texts
//! that an event tells again whole (`response.output_text.done`) are marked as repeating, so that what was
//! edited in the pieces is edited there too.

use std::borrow::Cow;

use super::part::{Hosted, Opaque, OpaqueKind, Part, ProviderError, Role, Segment, ToolCall, Usage};
use super::reply::{Told, error, member};
use super::walk::{Walker, Way, index};
use super::{Operation, anthropic, responses};
use crate::json::{Document, JsonError, Kind, Limits, Tape, Value};
use crate::sse::SseEvent;

/// An event that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The data is no strict JSON.
    #[error("the data of an event is refused: {0}")]
    Json(#[from] JsonError),
    /// The data is JSON, but no object.
    #[error("the data of an event is no object")]
    NoObject,
    /// The event's name and the type within its data differ, so that readers would differ too.
    #[error("an event is named `{name}`, but its data is of another type")]
    NameDiffers {
        /// The name, cut to 80 characters.
        name: String,
    },
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Terminal {
    /// As it should.
    Complete,
    /// Before its end, by a limit or filter (responses).
    Incomplete,
    /// By a failure (responses).
    Failed,
}

/// One event, read. Borrows the event.
#[derive(Clone, Debug, Default)]
pub struct StreamEvent<'e> {
    /// Pieces of text; spans are bytes of the event's data ([`SseEvent::data`]).
    pub deltas: Vec<Segment<'e>>,
    /// Calls of the caller's tools that begin here, or are told whole.
    pub calls: Vec<ToolCall<'e>>,
    /// Parts that cannot be read.
    pub opaque: Vec<Opaque>,
    /// What the provider says it runs.
    pub hosted: Vec<Hosted>,
    /// What was used up to here, if this event says so.
    pub usage: Option<Usage>,
    /// The model that answers, if this event says so.
    pub model: Option<Cow<'e, str>>,
    /// Why choices ended here.
    pub finish: Vec<Cow<'e, str>>,
    /// Set on the event that ends the stream.
    pub terminal: Option<Terminal>,
    /// An error of the provider in mid-stream.
    pub error: Option<ProviderError<'e>>,
    /// Whether the event is of a type that is not known: nothing in it was inspected.
    pub unknown: bool,
    /// Whether the caller did not ask for this event and it is to be left out.
    pub hidden: bool,
    /// Whether the event's name is the type that its data tells: no other name was looked at.
    pub named: bool,
}

/// Reads the events of one stream.
#[derive(Debug)]
pub struct StreamView {
    operation: Operation,
    hide_usage: bool,
    limits: Limits,
    tape: Tape,
    usage: Option<Usage>,
    sequence: u64,
}

impl StreamView {
    /// A view of a stream of `operation`. `hide_usage` is set where the gate asked for the usage of a chat
    /// stream in the caller's stead ([`super::RequestView::ask_for_usage`]): the chunk that tells nothing
    /// else is hidden.
    #[must_use]
    pub fn new(operation: Operation, hide_usage: bool, limits: Limits) -> Self {
        Self { operation, hide_usage, limits, tape: Tape::default(), usage: None, sequence: 0 }
    }

    /// What was used, as far as the stream has told.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The number that the next event of a responses stream has: one more than the last.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.sequence
    }

    /// Reads the next event. A block without data (a comment) says nothing.
    ///
    /// # Errors
    /// See [`StreamError`]; such an event must not be passed on.
    pub fn read<'e>(&mut self, event: &'e SseEvent) -> Result<StreamEvent<'e>, StreamError> {
        let Some(data) = event.data() else { return Ok(StreamEvent::default()) };
        if data == b"[DONE]" {
            return Ok(StreamEvent { terminal: Some(Terminal::Complete), ..StreamEvent::default() });
        }
        let document = Document::parse_into(data, &self.limits, std::mem::take(&mut self.tape))?;
        let read = self.event(event.name(), document.root());
        self.tape = document.into_tape();
        read
    }

    fn event<'e>(
        &mut self,
        name: Option<&[u8]>,
        root: Value<'_, 'e>,
    ) -> Result<StreamEvent<'e>, StreamError> {
        if root.kind() != Kind::Object {
            return Err(StreamError::NoObject);
        }
        let kind = root.get("type").and_then(Value::as_str);
        if let (Some(name), Some(kind)) = (name, &kind)
            && name != kind.as_bytes()
        {
            let name = String::from_utf8_lossy(name)
                .chars()
                .filter(|letter| !letter.is_control())
                .take(80)
                .collect();
            return Err(StreamError::NameDiffers { name });
        }
        let mut at = Walker::new(self.operation.provider(), Way::Stream);
        at.role = Role::Assistant;
        let mut told = Told { usage: self.usage, ..Told::default() };
        let mut out = StreamEvent { named: name.is_some() && kind.is_some(), ..StreamEvent::default() };
        let kind = kind.as_deref().unwrap_or_default();
        match self.operation {
            Operation::ChatCompletions => out.unknown = !chunk(&mut at, root, &mut told),
            Operation::Responses => {
                if let Some(number) = root.get("sequence_number").and_then(Value::as_count) {
                    self.sequence = number.saturating_add(1);
                }
                out.terminal = match kind {
                    "response.completed" => Some(Terminal::Complete),
                    "response.incomplete" => Some(Terminal::Incomplete),
                    "response.failed" => Some(Terminal::Failed),
                    _ => None,
                };
                out.unknown = !response_event(&mut at, kind, root, &mut told);
            }
            _ => {
                out.terminal = (kind == "message_stop").then_some(Terminal::Complete);
                out.unknown = !message_event(&mut at, kind, root, &mut told);
            }
        }
        if told.usage != self.usage {
            self.usage = told.usage;
            out.usage = told.usage;
        }
        out.hidden = self.hide_usage
            && root.get("usage").is_some_and(|usage| usage.kind() == Kind::Object)
            && root.get("choices").is_some_and(|choices| choices.kind() == Kind::Array && choices.is_empty());
        out.deltas = at.segments;
        out.calls = at.calls;
        out.opaque = at.opaque;
        out.hosted = at.hosted;
        out.model = told.model;
        out.finish = told.finish;
        out.error = told.error;
        Ok(out)
    }
}

/// A chunk of chat completions; false if it is none.
fn chunk<'e>(at: &mut Walker<'e>, root: Value<'_, 'e>, told: &mut Told<'e>) -> bool {
    let known = root.get("choices").is_some() || root.get("error").is_some_and(|error| !error.is_null());
    if known {
        at.entries(root, Part::Other, |at, entry| member(at, Operation::ChatCompletions, entry, told));
    }
    known
}

/// An event of messages; false if its type is not known.
fn message_event<'e>(at: &mut Walker<'e>, kind: &str, root: Value<'_, 'e>, told: &mut Told<'e>) -> bool {
    let known = match kind {
        "ping"
        | "error"
        | "message_start"
        | "message_delta"
        | "message_stop"
        | "content_block_start"
        | "content_block_stop" => true,
        "content_block_delta" => root
            .pointer("/delta/type")
            .and_then(Value::as_str)
            .is_some_and(|kind| BLOCK_DELTAS.iter().any(|(known, ..)| *known == kind)),
        _ => false,
    };
    if !known {
        return false;
    }
    at.item = index(root.get("index"));
    at.entries(root, Part::Other, |at, entry| match (kind, entry.key.as_ref()) {
        ("error", "error") => told.error = Some(error(at, entry.value)),
        ("message_start", "message") | ("message_delta", "delta") => {
            at.entries(entry.value, Part::Other, |at, entry| member(at, Operation::Messages, entry, told));
        }
        ("message_delta", "usage") => member(at, Operation::Messages, entry, told),
        ("content_block_start", "content_block") => anthropic::block(at, entry.value, Part::Text),
        ("content_block_delta", "delta") => block_delta(at, entry.value),
        (_, "type" | "index" | "request_id") => at.settings(entry.value),
        _ => at.other_member(entry),
    });
    true
}

/// Types of deltas, the member that grows, and what it is.
const BLOCK_DELTAS: [(&str, &str, Part); 5] = [
    ("text_delta", "text", Part::Text),
    ("input_json_delta", "partial_json", Part::ToolArguments),
    ("thinking_delta", "thinking", Part::Thinking),
    ("signature_delta", "signature", Part::Thinking),
    ("citations_delta", "citation", Part::Citation),
];

fn block_delta<'e>(at: &mut Walker<'e>, delta: Value<'_, 'e>) {
    let kind = delta.get("type").and_then(Value::as_str);
    let known = BLOCK_DELTAS.iter().find(|(known, ..)| kind.as_deref() == Some(known));
    let Some((_, member, part)) = known else { return at.unknown(delta) };
    at.entries(delta, *part, |at, entry| match entry.key.as_ref() {
        "type" => at.word(entry.value),
        "signature" if *member == "signature" => at.opaque(entry.value, OpaqueKind::Signature, true),
        key if key == *member => {
            // The signature that follows the thoughts is over what was sent.
            at.sealed = *part == Part::Thinking;
            anthropic::sealed_within(at, entry.value, *part);
            at.sealed = false;
        }
        _ => at.other_member(entry),
    });
}

/// An event of responses; false if its type is not known.
fn response_event<'e>(at: &mut Walker<'e>, kind: &str, root: Value<'_, 'e>, told: &mut Told<'e>) -> bool {
    if kind == "error" {
        told.error = Some(error(at, root.get("error").unwrap_or(root)));
        return true;
    }
    let Some(event) = kind.strip_prefix("response.") else { return false };
    let (stem, last) = event.rsplit_once('.').unwrap_or(("", event));
    let shape = Shape::of(stem, last);
    if shape == Shape::Unknown {
        return false;
    }
    at.item = index(root.get("output_index"));
    at.sub = index(root.get("content_index").or_else(|| root.get("summary_index")));
    at.repeats = last == "done" || shape == Shape::Response;
    if let Shape::Hosted(tool) = shape {
        responses::ran(at, tool);
    }
    at.entries(root, Part::Other, |at, entry| match (shape, entry.key.as_ref()) {
        (Shape::Response, "response") => {
            (at.item, at.sub) = (0, 0);
            at.entries(entry.value, Part::Other, |at, entry| member(at, Operation::Responses, entry, told));
        }
        (Shape::Item, "item") => responses::item(at, entry.value),
        (Shape::Part(part), "part") => {
            let thoughts = entry.value.get("type").is_some_and(|kind| kind.is_str("reasoning_text"));
            responses::content_part(at, entry.value, if thoughts { Part::Thinking } else { part });
        }
        (Shape::Annotation, "annotation") => at.free(entry.value, Part::Citation),
        (Shape::Hosted(_), "partial_image_b64") => at.opaque(entry.value, OpaqueKind::Image, false),
        (Shape::Audio, "delta") => at.opaque(entry.value, OpaqueKind::Audio, false),
        (Shape::Text(_, part), "delta") => at.text(entry.value, part),
        (Shape::Text(member, part), key) if key == member => at.text(entry.value, part),
        (Shape::Text(..), "name") => at.text(entry.value, Part::Name),
        (Shape::Text(..), "logprobs") => {
            if !entry.value.is_empty() {
                at.opaque(entry.value, OpaqueKind::LogProbabilities, false);
            }
        }
        (
            _,
            "type"
            | "item_id"
            | "output_index"
            | "content_index"
            | "summary_index"
            | "annotation_index"
            | "partial_image_index"
            | "sequence_number"
            | "obfuscation",
        ) => at.settings(entry.value),
        _ => at.other_member(entry),
    });
    true
}

/// What an event of responses carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape<'k> {
    /// The whole response as it is.
    Response,
    /// An output item.
    Item,
    /// A part of a content or summary.
    Part(Part),
    /// A source that is cited.
    Annotation,
    /// Text: the member that tells it whole, and what it is.
    Text(&'static str, Part),
    /// Sound.
    Audio,
    /// The state of a hosted tool.
    Hosted(&'k str),
    /// Not known.
    Unknown,
}

impl<'k> Shape<'k> {
    /// The shape of event `response.<stem>.<last>`.
    fn of(stem: &'k str, last: &str) -> Self {
        match (stem, last) {
            ("", "created" | "queued" | "in_progress" | "completed" | "failed" | "incomplete") => {
                Self::Response
            }
            ("output_item", "added" | "done") => Self::Item,
            ("content_part", "added" | "done") => Self::Part(Part::Text),
            ("reasoning_summary_part", "added" | "done") => Self::Part(Part::Thinking),
            ("output_text.annotation", "added") => Self::Annotation,
            ("audio", "delta" | "done") => Self::Audio,
            (stem, "delta" | "done") => match stem {
                "output_text" => Self::Text("text", Part::Text),
                "refusal" => Self::Text("refusal", Part::Refusal),
                "reasoning_text" | "reasoning_summary_text" => Self::Text("text", Part::Thinking),
                "function_call_arguments" => Self::Text("arguments", Part::ToolArguments),
                "custom_tool_call_input" => Self::Text("input", Part::ToolArguments),
                "mcp_call_arguments" => Self::Text("arguments", Part::HostedResult),
                "code_interpreter_call_code" => Self::Text("code", Part::HostedResult),
                "audio.transcript" => Self::Text("transcript", Part::Text),
                _ => Self::Unknown,
            },
            (
                stem,
                "in_progress" | "searching" | "interpreting" | "generating" | "completed" | "failed"
                | "partial_image",
            ) => match stem.strip_suffix("_call").or(stem.strip_suffix("_list_tools")) {
                Some(
                    tool @ ("web_search" | "file_search" | "code_interpreter" | "image_generation" | "mcp"),
                ) => Self::Hosted(tool),
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }
}

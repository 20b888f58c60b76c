//! What a JSON reply says.

use std::borrow::Cow;

use super::part::{Hosted, Opaque, OpaqueKind, Part, ProviderError, Role, Segment, ToolCall, Usage};
use super::walk::{Walker, Way};
use super::{Operation, Provider, anthropic, chat, responses};
use crate::json::{Document, Entry, Kind, Value};

/// A body that is JSON, but no reply of its operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The body is no object.
    #[error("the reply is no object")]
    NoObject,
}

/// One reply, read: a result of its operation or an error, whatever the status said. Borrows the body, not
/// the document.
#[derive(Clone, Debug)]
pub struct ReplyView<'a> {
    /// What was asked.
    pub operation: Operation,
    /// The model that answered, where it is said.
    pub model: Option<Cow<'a, str>>,
    /// Everything that carries text, in the order of the body.
    pub segments: Vec<Segment<'a>>,
    /// Calls of the caller's tools.
    pub calls: Vec<ToolCall<'a>>,
    /// Parts that cannot be read.
    pub opaque: Vec<Opaque>,
    /// What the provider says it ran.
    pub hosted: Vec<Hosted>,
    /// What was used; absent where it is not said or not clear.
    pub usage: Option<Usage>,
    /// Why each choice ended: `finish_reason`, `stop_reason`, `status`.
    pub finish: Vec<Cow<'a, str>>,
    /// The error, where the body is one.
    pub error: Option<ProviderError<'a>>,
}

impl<'a> ReplyView<'a> {
    /// Reads the body of a reply.
    ///
    /// # Errors
    /// [`ReplyError::NoObject`]; all else that is not known is told by the parts.
    pub fn read(operation: Operation, body: &Document<'a>) -> Result<Self, ReplyError> {
        let root = body.root();
        if root.kind() != Kind::Object {
            return Err(ReplyError::NoObject);
        }
        let mut at = Walker::new(operation.provider(), Way::Reply);
        let mut told = Told::default();
        at.entries(root, Part::Other, |at, entry| member(at, operation, entry, &mut told));
        Ok(Self {
            operation,
            model: told.model,
            segments: at.segments,
            calls: at.calls,
            opaque: at.opaque,
            hosted: at.hosted,
            usage: told.usage,
            finish: told.finish,
            error: told.error,
        })
    }
}

/// What a reply tells beside its parts.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) model: Option<Cow<'a, str>>,
    pub(super) usage: Option<Usage>,
    pub(super) finish: Vec<Cow<'a, str>>,
    pub(super) error: Option<ProviderError<'a>>,
}

/// One member of a reply, of a chunk, or of the message or response within an event.
pub(super) fn member<'a>(
    at: &mut Walker<'a>,
    operation: Operation,
    entry: Entry<'_, 'a>,
    told: &mut Told<'a>,
) {
    let value = entry.value;
    match (operation, entry.key.as_ref()) {
        (_, "error") => {
            if !value.is_null() {
                told.error = Some(error(at, value));
            }
        }
        (_, "model") => {
            told.model = value.as_str();
            at.word(value);
        }
        (Operation::ChatCompletions, "choices") => chat::choices(at, value, &mut told.finish),
        (Operation::ChatCompletions | Operation::Embeddings, "usage") => {
            told.usage = chat::usage(value).or(told.usage);
            at.settings(value);
        }
        (Operation::Responses, "output") => responses::items(at, value),
        (Operation::Responses, "usage") => {
            told.usage = responses::usage(value).or(told.usage);
            at.settings(value);
        }
        (Operation::Responses, key) => {
            if key == "status" {
                told.finish.extend(value.as_str());
            }
            responses::response_member(at, entry);
        }
        (Operation::Messages, "content") => {
            at.speaking(Role::Assistant, |at| anthropic::content(at, value, Part::Text));
            at.item = 0;
        }
        (Operation::Messages, "usage") => {
            told.usage = anthropic::usage(value, told.usage);
            at.settings(value);
        }
        (Operation::Messages, "stop_reason") => {
            told.finish.extend(value.as_str());
            at.word(value);
        }
        (Operation::Messages, "stop_sequence") => at.text(value, Part::Echo),
        (Operation::CountTokens, "input_tokens") => {
            told.usage = value.as_count().map(|input| Usage { input, ..Usage::default() });
        }
        (Operation::Embeddings, "data") => at.items(value, Part::Other, |at, _, vector| {
            at.entries(vector, Part::Other, |at, entry| match entry.key.as_ref() {
                "embedding" => at.opaque(entry.value, OpaqueKind::Embedding, false),
                _ => at.setting_member(entry),
            });
        }),
        (
            _,
            "id" | "object" | "created" | "system_fingerprint" | "service_tier" | "obfuscation" | "type"
            | "role" | "request_id" | "container" | "input_tokens" | "context_management",
        ) => at.settings(value),
        (
            Operation::ListModels
            | Operation::ReadModel
            | Operation::ListAnthropicModels
            | Operation::ReadAnthropicModel,
            _,
        ) => at.setting_member(entry),
        _ => at.other_member(entry),
    }
}

/// An error object: `{type, code, message, …}`, or a message alone.
pub(super) fn error<'a>(at: &mut Walker<'a>, error: Value<'_, 'a>) -> ProviderError<'a> {
    let text = |key: &str| error.get(key).and_then(Value::as_str);
    let code = match at.provider {
        Provider::OpenAi => text("code").or_else(|| text("type")),
        Provider::Anthropic => text("type"),
    };
    let told = ProviderError { code, message: text("message").or_else(|| error.as_str()) };
    at.entries(error, Part::Error, |at, entry| match entry.key.as_ref() {
        "type" | "code" | "sequence_number" => at.word(entry.value),
        "message" | "param" => at.text(entry.value, Part::Error),
        _ => at.other_member(entry),
    });
    told
}

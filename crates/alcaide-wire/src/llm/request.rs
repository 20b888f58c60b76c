//! What a request asks for, and the edits that a gate may make to it.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::part::{HOSTED_MAX, Hosted, Opaque, Part, Segment, ToolCall};
use super::walk::{Walker, Way};
use super::{Operation, anthropic, chat, responses};
use crate::json::edit::{self, Splice};
use crate::json::{Document, Entry, Kind, Value};

/// A body that is JSON, but no request of its operation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The body is no object.
    #[error("the body is no object")]
    NoObject,
    /// A member is missing that the operation needs.
    #[error("member `{member}` is missing")]
    Missing {
        /// Its key.
        member: &'static str,
    },
    /// A member has a value of another kind than the operation takes.
    #[error("member `{member}` is not {wanted}")]
    WrongKind {
        /// Its key.
        member: &'static str,
        /// What it must be, in words.
        wanted: &'static str,
    },
    /// More things run or are kept at the provider than are decided on at once.
    #[error("it asks for more than {HOSTED_MAX} things that run or are kept at the provider")]
    TooManyHosted,
    /// The operation has no body.
    #[error("the operation takes no body")]
    NoBody,
}

/// The model that a request names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Model<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Bytes of the JSON string, quotes included: replace them with [`Splice::text`].
    pub span: Range<usize>,
}

/// Whether the provider keeps the exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stored {
    /// It does not: `store` is false, or the protocol has no such thing.
    No,
    /// `store` is true.
    Yes,
    /// `store` is not given, and the provider's default is to keep it (responses).
    ByDefault,
}

/// One request, read. Borrows the body, not the document.
#[derive(Clone, Debug)]
pub struct RequestView<'a> {
    /// What is asked.
    pub operation: Operation,
    /// The model.
    pub model: Model<'a>,
    /// Whether the reply is to be a stream.
    pub stream: bool,
    /// Most tokens of output that the request allows, per choice; absent where it does not say.
    /// The greatest where it says so in several ways.
    pub output_tokens_max: Option<u64>,
    /// How many choices are asked for: `n` of chat completions, else 1.
    pub choices: u64,
    /// Bytes of all text, escapes decoded: four bytes are about one token.
    pub text_bytes: u64,
    /// Bytes of all opaque parts as written.
    pub opaque_bytes: u64,
    /// Everything that carries text, in the order of the body.
    pub segments: Vec<Segment<'a>>,
    /// Names of the tools that are offered and that the caller runs.
    pub tools: Vec<Cow<'a, str>>,
    /// Calls of tools in earlier turns.
    pub calls: Vec<ToolCall<'a>>,
    /// Parts that cannot be read.
    pub opaque: Vec<Opaque>,
    /// Uses that run or are kept at the provider. Keeping by default is not among them; see
    /// [`RequestView::stored`].
    pub hosted: Vec<Hosted>,
    /// Whether the provider keeps the exchange.
    pub stored: Stored,
    /// Whether the stream will tell its usage without an edit.
    pub usage_told: bool,
    limit: OutputLimit,
    store_null: Option<Range<usize>>,
    usage_edit: Option<Splice>,
    /// One past the opening brace of the body.
    front: usize,
}

impl<'a> RequestView<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// A [`RequestError`] where a member that the gate decides on is missing or unclear. What only the
    /// provider cares about is not checked.
    pub fn read(operation: Operation, body: &Document<'a>) -> Result<Self, RequestError> {
        if !operation.has_body() {
            return Err(RequestError::NoBody);
        }
        let root = body.root();
        if root.kind() != Kind::Object {
            return Err(RequestError::NoObject);
        }
        let content = match operation {
            Operation::Responses | Operation::Embeddings => "input",
            _ => "messages",
        };
        let given = root.get(content);
        match (operation, given.map(Value::kind)) {
            (Operation::Responses, _)
            | (Operation::Embeddings, Some(Kind::String | Kind::Array))
            | (_, Some(Kind::Array)) => {}
            (_, None) => return Err(RequestError::Missing { member: content }),
            _ => return Err(RequestError::WrongKind { member: content, wanted: "a list" }),
        }
        let model = root.get("model").ok_or(RequestError::Missing { member: "model" })?;
        let name = model.as_str().filter(|name| !name.is_empty());
        let name = name.ok_or(RequestError::WrongKind { member: "model", wanted: "a name" })?;
        let stream = flag(root, "stream")?.unwrap_or(false);
        let choices = match operation {
            Operation::ChatCompletions => count(root, "n")?.map_or(1, |(count, _)| count),
            _ => 1,
        };
        let mut declared = Vec::new();
        let mut empty = Vec::new();
        for member in output_members(operation) {
            declared.extend(count(root, member)?);
            empty.extend(root.get(member).filter(|value| value.is_null()).map(Value::span));
        }
        let mut at = Walker::new(operation.provider(), Way::Request);
        let mut stored = if operation == Operation::Responses { Stored::ByDefault } else { Stored::No };
        at.entries(root, Part::Other, |at, entry| member(at, operation, entry, &mut stored));
        if at.hosted_more {
            return Err(RequestError::TooManyHosted);
        }
        let (usage_told, usage_edit) = usage(operation, root, stream)?;
        Ok(Self {
            operation,
            model: Model { name, span: model.span() },
            stream: stream && operation.can_stream(),
            output_tokens_max: declared.iter().map(|(count, _)| *count).max(),
            choices,
            text_bytes: at.text_bytes(),
            opaque_bytes: at.opaque.iter().map(|part| part.span.len() as u64).sum(),
            tools: at.tools,
            segments: at.segments,
            calls: at.calls,
            opaque: at.opaque,
            hosted: at.hosted,
            stored,
            usage_told,
            limit: OutputLimit {
                declared,
                empty,
                member: output_members(operation).first().copied(),
                front: root.span().start + 1,
            },
            store_null: root.get("store").filter(|store| store.is_null()).map(Value::span),
            usage_edit,
            front: root.span().start + 1,
        })
    }

    /// Names another model.
    #[must_use]
    pub fn rename_model(&self, name: &str) -> Splice {
        Splice::text(self.model.span.clone(), name)
    }

    /// Asks that a chat stream tell its usage, where the request does not. The reply side then drops the
    /// chunk that the caller did not ask for ([`super::StreamView::new`]).
    #[must_use]
    pub fn ask_for_usage(&self) -> Option<Splice> {
        self.usage_edit.clone()
    }

    /// What limits the output.
    #[must_use]
    pub const fn output_limit(&self) -> &OutputLimit {
        &self.limit
    }

    /// Says that the provider is not to keep the exchange, where it would by default.
    #[must_use]
    pub fn refuse_storage(&self) -> Option<Splice> {
        (self.stored == Stored::ByDefault).then(|| match &self.store_null {
            Some(null) => Splice::new(null.clone(), Bytes::from_static(b"false")),
            None => add(self.front, "store", "false"),
        })
    }
}

/// A splice that adds a member at the front of a body, which has at least one (its model).
fn add(front: usize, key: &str, value: &str) -> Splice {
    Splice::new(front..front, format!("{}:{value},", edit::encode(key)).into_bytes())
}

/// Where a request says how many tokens of output each of its choices may have.
#[derive(Clone, Debug, Default)]
pub struct OutputLimit {
    /// Members that say it.
    declared: Vec<(u64, Range<usize>)>,
    /// Members that could, and are null.
    empty: Vec<Range<usize>>,
    /// The operation's own member, where it has output.
    member: Option<&'static str>,
    /// One past the opening brace of the body.
    front: usize,
}

impl OutputLimit {
    /// Whether the operation has output that can be limited.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.member.is_some()
    }

    /// Sees to it that no choice has more than `tokens`: whatever the request declares is lowered, never raised; where it
    /// declares nothing, the operation's own member is set. Nothing for operations without output.
    #[must_use]
    pub fn at_most(&self, tokens: u64) -> Vec<Splice> {
        let text = tokens.to_string();
        let write = |span: &Range<usize>| Splice::new(span.clone(), text.clone().into_bytes());
        if !self.declared.is_empty() {
            let above = self.declared.iter().filter(|(declared, _)| *declared > tokens);
            return above.map(|(_, span)| write(span)).collect();
        }
        if !self.empty.is_empty() {
            return self.empty.iter().map(write).collect();
        }
        self.member.map(|member| add(self.front, member, &text)).into_iter().collect()
    }
}

/// One member of the body.
fn member<'a>(at: &mut Walker<'a>, operation: Operation, entry: Entry<'_, 'a>, stored: &mut Stored) {
    let read = match operation {
        Operation::ChatCompletions => chat::request_member(at, &entry),
        Operation::Responses => responses::request_member(at, &entry),
        Operation::Embeddings => chat::embedding_member(at, &entry),
        _ => anthropic::request_member(at, &entry),
    };
    if read {
        return;
    }
    match entry.key.as_ref() {
        // Read before.
        "model" | "stream" => {}
        "store" if operation.provider() == super::Provider::OpenAi => {
            if entry.value.as_bool() == Some(false) {
                *stored = Stored::No;
            } else if !entry.value.is_null() {
                // Anything but a plain no is a yes.
                *stored = Stored::Yes;
                at.hosted("store", None);
            }
        }
        "metadata" => at.free(entry.value, Part::Other),
        key => {
            if !entry.value.is_null() && !plain_members(operation).contains(&key) {
                // Whatever it is, the provider makes something of it: it may name other models, sources, tools.
                let word: String = "member.".chars().chain(key.chars().take(MEMBER_CHARS_MAX)).collect();
                at.hosted(&word, None);
            }
            at.other_member(entry);
        }
    }
}

/// Letters of an unknown member that the name of its resource shows.
const MEMBER_CHARS_MAX: usize = 48;

/// Members of a request that are known, and in which nothing but their words matters: how the model chooses its words,
/// and whose call it is. `top_k`, `min_p` and `repetition_penalty` are no members of OpenAI's, but of many servers that
/// speak its protocol.
const fn plain_members(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::ChatCompletions => &[
            "frequency_penalty",
            "logprobs",
            "max_completion_tokens",
            "max_tokens",
            "min_p",
            "n",
            "parallel_tool_calls",
            "presence_penalty",
            "prompt_cache_key",
            "repetition_penalty",
            "safety_identifier",
            "seed",
            "stop",
            "temperature",
            "top_k",
            "top_logprobs",
            "top_p",
            "user",
        ],
        Operation::Responses => &[
            "max_output_tokens",
            "max_tool_calls",
            "parallel_tool_calls",
            "prompt_cache_key",
            "safety_identifier",
            "temperature",
            "top_logprobs",
            "top_p",
            "user",
        ],
        Operation::Embeddings => &["dimensions", "user"],
        Operation::Messages | Operation::CountTokens => &[
            "context_management",
            "inference_geo",
            "max_tokens",
            "speed",
            "stop_sequences",
            "temperature",
            "top_k",
            "top_p",
        ],
        _ => &[],
    }
}

const fn output_members(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::ChatCompletions => &["max_completion_tokens", "max_tokens"],
        Operation::Responses => &["max_output_tokens"],
        Operation::Messages => &["max_tokens"],
        _ => &[],
    }
}

fn flag(object: Value<'_, '_>, member: &'static str) -> Result<Option<bool>, RequestError> {
    match object.get(member) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => {
            value.as_bool().map(Some).ok_or(RequestError::WrongKind { member, wanted: "true or false" })
        }
    }
}

fn count(object: Value<'_, '_>, member: &'static str) -> Result<Option<(u64, Range<usize>)>, RequestError> {
    match object.get(member) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => match value.as_count() {
            Some(count) => Ok(Some((count, value.span()))),
            None => Err(RequestError::WrongKind { member, wanted: "a whole number" }),
        },
    }
}

/// Whether the stream will tell its usage, and else the edit that makes it.
fn usage(
    operation: Operation,
    root: Value<'_, '_>,
    stream: bool,
) -> Result<(bool, Option<Splice>), RequestError> {
    if operation != Operation::ChatCompletions || !stream {
        return Ok((true, None));
    }
    let asked = "{\"include_usage\":true}";
    let options = match root.get("stream_options") {
        Some(options) if options.kind() == Kind::Object => options,
        Some(null) if null.is_null() => {
            return Ok((false, Some(Splice::new(null.span(), Bytes::from_static(asked.as_bytes())))));
        }
        Some(_) => return Err(RequestError::WrongKind { member: "stream_options", wanted: "an object" }),
        None => return Ok((false, edit::insert_member(root, "stream_options", asked))),
    };
    match flag(options, "include_usage")? {
        Some(true) => Ok((true, None)),
        _ => Ok((false, edit::set_member(options, "include_usage", "true"))),
    }
}

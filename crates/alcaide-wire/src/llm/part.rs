//! What bodies are made of, in words that all protocols share.

use std::borrow::Cow;
use std::ops::Range;

/// Who speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// The operator: system prompts and instructions.
    System,
    /// The developer of the application (OpenAI).
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool, run by the caller or by the provider.
    Tool,
    /// The definition of a tool or of an output format.
    Definition,
    /// Nobody: a setting of the call, or a role that is not known.
    Nobody,
}

/// What kind of text a segment is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// Plain text of a message.
    Text,
    /// A refusal of the model.
    Refusal,
    /// Thoughts of the model, or a summary of them.
    Thinking,
    /// Arguments of a tool call: JSON text in one string, or the strings within an object.
    ToolArguments,
    /// What a tool of the caller returned.
    ToolResult,
    /// What a tool that the provider ran was asked or returned.
    HostedResult,
    /// Text of a definition: descriptions, property names, values.
    Definition,
    /// A name that someone chose: of a tool, a participant, a file.
    Name,
    /// The key of a member in an object of free form.
    Key,
    /// A source that the model cites.
    Citation,
    /// What the provider sends back of the request.
    Echo,
    /// An error message of the provider.
    Error,
    /// Anything else: members of no known meaning, settings of free text.
    Other,
}

/// The stream of text that a piece belongs to: pieces of one channel, joined in order, are one text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Channel {
    /// Index of the choice (chat), of the content block (messages) or of the output item (responses).
    pub item: u32,
    /// Index within it: of the tool call (chat), of the content or summary part (responses); else 0.
    pub sub: u32,
    /// What kind of text.
    pub part: Part,
}

/// A string, or a number of 13 to 19 digits, of a body that carries text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment<'a> {
    /// Bytes of the JSON string, quotes included, or of the number: [`Splice::text`](crate::json::edit::Splice::text)
    /// replaces either.
    pub span: Range<usize>,
    /// Who speaks.
    pub role: Role,
    /// Where it belongs in a reply. In requests only its `part` tells something.
    pub channel: Channel,
    /// Whether it must stay as it is, because something else signs it or it is known to the provider by
    /// heart.
    pub sealed: bool,
    /// In streams: whether it tells again, whole, what the channel's pieces have told.
    pub repeats: bool,
    /// What the string says, or the digits of the number.
    pub text: Cow<'a, str>,
}

impl Segment<'_> {
    /// What kind of text it is.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.channel.part
    }
}

/// Why a part cannot be read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OpaqueKind {
    /// A picture or a video.
    Image,
    /// Sound.
    Audio,
    /// A file in some encoding.
    File,
    /// Text as numbers of tokens.
    Tokens,
    /// Content that only the provider can read.
    Encrypted,
    /// A signature of the provider.
    Signature,
    /// A vector.
    Embedding,
    /// The reply once more, token by token with probabilities: to be taken out where the reply is edited.
    LogProbabilities,
    /// A part of a type that is not known; its strings are segments besides.
    Unknown,
}

/// A part that cannot be inspected as text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opaque {
    /// Its bytes.
    pub span: Range<usize>,
    /// Why it cannot be read.
    pub kind: OpaqueKind,
    /// Whether it must stay as it is or be dropped whole.
    pub sealed: bool,
}

/// Most things that one body may have run or kept at the provider: each is decided on.
pub const HOSTED_MAX: usize = 64;

/// Something that runs or is kept at the provider; told once, however often a body asks for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hosted {
    /// `hosted/<provider>/<tool>`; the version of a tool is left out.
    pub resource: String,
    /// What the first use of it reaches, where that is said: a URL, or the id of something kept. Cut to 512 bytes.
    pub target: Option<String>,
}

/// What the provider says was used, in tokens. Later figures of a stream replace earlier ones.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// All tokens of the input, cached ones too.
    pub input: u64,
    /// All tokens of the output, thoughts too.
    pub output: u64,
    /// Tokens of the input that came from a cache.
    pub cached_input: u64,
    /// Tokens of the input that were written to a cache (Anthropic).
    pub cache_written: u64,
    /// Tokens of the output that were thoughts.
    pub reasoning: u64,
}

/// A call of one of the caller's tools.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolCall<'a> {
    /// Its channel's item and sub, which later pieces of the arguments share.
    pub item: u32,
    /// See [`ToolCall::item`].
    pub sub: u32,
    /// The id that the result will name.
    pub id: Option<Cow<'a, str>>,
    /// The tool.
    pub name: Option<Cow<'a, str>>,
    /// The arguments as JSON text, or free text for tools that take such; in streams perhaps only the
    /// beginning.
    pub arguments: Option<Cow<'a, str>>,
}

/// An error that the provider tells in a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderError<'a> {
    /// Its type or code, where it has one.
    pub code: Option<Cow<'a, str>>,
    /// Its message, where it has one. Untrusted text.
    pub message: Option<Cow<'a, str>>,
}

/// Longest tool word in a resource, in bytes.
const TOOL_BYTES_MAX: usize = 64;

/// The word for a tool type: lower case, without version (`web_search_20250305`,
/// `web_search_preview_2025_03_11`).
pub(super) fn tool_word(kind: &str) -> String {
    let mut word: String = kind
        .chars()
        .take(TOOL_BYTES_MAX)
        .map(|letter| match letter {
            'a'..='z' | '0'..='9' | '_' | '.' => letter,
            'A'..='Z' => letter.to_ascii_lowercase(),
            _ => '_',
        })
        .collect();
    while let Some((head, tail)) = word.rsplit_once('_') {
        let version = !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit());
        if head.is_empty() || !(version || tail == "preview") {
            break;
        }
        word.truncate(head.len());
    }
    if word.is_empty() { "unknown".into() } else { word }
}

//! What messages are made of, in words that all methods share.

use std::borrow::Cow;
use std::ops::Range;

/// What kind of text a segment is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// An argument of a tool, prompt or completion.
    Argument,
    /// The key of a member in an object of free form.
    Key,
    /// What the client answers to a server that asked for input.
    InputResponse,
    /// Text of a sampling request: messages and system prompt. The server asks a model.
    Sampling,
    /// Text of an elicitation: the server asks the person.
    Elicitation,
    /// A text block that a tool or prompt returned.
    Text,
    /// A string of a tool's structured result.
    Structured,
    /// Text of a resource.
    Resource,
    /// Text of a definition: titles, descriptions, schemas, names in lists.
    Definition,
    /// Instructions of a server to the model.
    Instructions,
    /// Where a resource is.
    Uri,
    /// A log or progress message, or the reason of a cancellation.
    Log,
    /// A completion that a server offers.
    Completion,
    /// An error's message or data.
    Error,
    /// A string of `_meta`, or of what a peer says of itself.
    Meta,
    /// Anything else: members of no known meaning.
    Other,
}

/// A string, or a number of 13 to 19 digits, that carries text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment<'a> {
    /// Bytes of the JSON string, quotes included, or of the number: [`Splice::text`](crate::json::edit::Splice::text)
    /// replaces either.
    pub span: Range<usize>,
    /// What kind of text.
    pub part: Part,
    /// What the string says, or the digits of the number; invisible characters are kept.
    pub text: Cow<'a, str>,
}

/// Why a part cannot be read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OpaqueKind {
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// Bytes of a resource.
    Blob,
    /// A state that only the server understands: attacker-controlled input when it comes back.
    State,
    /// A block of a type that is not known; its strings are segments besides.
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

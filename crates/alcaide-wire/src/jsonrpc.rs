//! JSON-RPC 2.0 messages over raw bytes: what a message is, whose id it bears, and where its parts stand.
//!
//! Follows the JSON-RPC 2.0 specification (sections 4, 5 and 7) as narrowed by the Model Context Protocol
//! (revision 2026-07-28, "Messages", and all before it): ids are strings or integers and never null in a
//! request, `params` and `result` are objects, a message stands alone. Batches were a part of revision
//! 2025-03-26 only and are refused ([`MessageError::Batch`]). What two readers could take for different
//! messages is refused too: a `result` beside an `error`, a `method` beside either, members that JSON-RPC
//! does not know.
//!
//! Ids and parts stay spans of the input, so that a message can go on byte for byte.

mod build;
mod id;

use std::borrow::Cow;
use std::ops::Range;

pub use build::{error, notification, request, result};
pub use id::{Id, IdValue};

use crate::json::{Document, Kind, Value};

/// Longest id as written, quotes included, in bytes: ids are kept while a call is open.
pub const ID_BYTES_MAX: usize = 256;
/// Longest method, in bytes; the longest of the protocol has 40.
pub const METHOD_BYTES_MAX: usize = 128;

/// Codes of errors. JSON-RPC 2.0, section 5.1; the others from the Model Context Protocol.
pub mod code {
    /// The text is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The message is no request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// The method does not exist or is not offered.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters are not those of the method.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Something failed within.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// No such resource; revisions up to 2025-11-25, never sent since.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// A person must visit a URL first; revision 2025-11-25 alone.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// Headers do not agree with the body; since 2026-07-28.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The request did not declare a capability that it needs; since 2026-07-28.
    pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
    /// The revision is not spoken here; since 2026-07-28.
    pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
}

/// JSON that is no single message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// An array: several messages in one body.
    #[error("several messages in one body")]
    Batch,
    /// Neither an object nor an array.
    #[error("the message is no object")]
    NoObject,
    /// `jsonrpc` is missing or does not say `2.0`.
    #[error("member `jsonrpc` does not say `2.0`")]
    Version,
    /// A member that no message has; case counts.
    #[error("a message has no member `{member}`")]
    UnknownMember {
        /// Its key, cut.
        member: String,
    },
    /// Neither `method` nor `result` nor `error`.
    #[error("the message has neither a method nor an outcome")]
    Nothing,
    /// More than one of `method`, `result` and `error`, or `params` in a response.
    #[error("members of a request and of a response, or two outcomes, in one message")]
    Mixed,
    /// `method` is no string, empty, or longer than [`METHOD_BYTES_MAX`].
    #[error("member `method` is no word of at most {METHOD_BYTES_MAX} bytes")]
    Method,
    /// `params` is no object.
    #[error("member `params` is no object")]
    Params,
    /// `id` is neither a string nor an integer of 64 bits, or longer than [`ID_BYTES_MAX`].
    #[error("member `id` is neither a string nor an integer of at most {ID_BYTES_MAX} bytes")]
    Id,
    /// A response with a result has no id.
    #[error("the response has no id")]
    NoId,
    /// `result` is no object.
    #[error("member `result` is no object")]
    Result,
    /// `error` is no object with an integer `code` and a text `message`.
    #[error("member `error` has no code and message")]
    Error,
}

impl MessageError {
    /// The code that answers such a message.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::Params => code::INVALID_PARAMS,
            _ => code::INVALID_REQUEST,
        }
    }
}

/// One message. Borrows the text, not the document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message<'a> {
    /// A call that is to be answered.
    Request(Request<'a>),
    /// A call that is not.
    Notification(Notification<'a>),
    /// An answer.
    Response(Response<'a>),
}

/// A call that is to be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request<'a> {
    /// Its id.
    pub id: Id<'a>,
    /// Bytes of the id, quotes included.
    pub id_span: Range<usize>,
    /// What is called; case counts.
    pub method: Cow<'a, str>,
    /// Bytes of the method, quotes included.
    pub method_span: Range<usize>,
    /// Bytes of the parameters, an object.
    pub params: Option<Range<usize>>,
}

/// A call that is not to be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification<'a> {
    /// What is told; case counts.
    pub method: Cow<'a, str>,
    /// Bytes of the method, quotes included.
    pub method_span: Range<usize>,
    /// Bytes of the parameters, an object.
    pub params: Option<Range<usize>>,
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response<'a> {
    /// Id of the request; absent where an error answers what could not be read.
    pub id: Option<Id<'a>>,
    /// Bytes of the id, quotes included; those of `null` where it is null.
    pub id_span: Option<Range<usize>>,
    /// What came of it.
    pub outcome: Outcome<'a>,
}

/// What came of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome<'a> {
    /// Bytes of the result, an object.
    Result(Range<usize>),
    /// An error.
    Error(RpcError<'a>),
}

/// An error that a peer tells. Untrusted text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RpcError<'a> {
    /// Bytes of the whole object.
    pub span: Range<usize>,
    /// Its code; see [`code`].
    pub code: i64,
    /// Its message.
    pub message: Cow<'a, str>,
    /// Bytes of the message, quotes included.
    pub message_span: Range<usize>,
    /// Bytes of what is told besides, any value.
    pub data: Option<Range<usize>>,
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// The first broken rule; see [`MessageError`].
    pub fn read(document: &Document<'a>) -> Result<Self, MessageError> {
        let root = document.root();
        match root.kind() {
            Kind::Object => {}
            Kind::Array => return Err(MessageError::Batch),
            _ => return Err(MessageError::NoObject),
        }
        let mut parts = Parts::default();
        for entry in root.entries() {
            let slot = match entry.key.as_ref() {
                "jsonrpc" => &mut parts.version,
                "id" => &mut parts.id,
                "method" => &mut parts.method,
                "params" => &mut parts.params,
                "result" => &mut parts.result,
                "error" => &mut parts.error,
                other => {
                    let member = other.chars().filter(|letter| !letter.is_control()).take(40).collect();
                    return Err(MessageError::UnknownMember { member });
                }
            };
            *slot = Some(entry.value);
        }
        if !parts.version.is_some_and(|version| version.is_str("2.0")) {
            return Err(MessageError::Version);
        }
        match (parts.method, parts.result, parts.error) {
            (Some(method), None, None) => call(method, &parts),
            (None, None, None) => Err(MessageError::Nothing),
            (None, Some(_), None) | (None, None, Some(_)) if parts.params.is_none() => response(&parts),
            _ => Err(MessageError::Mixed),
        }
    }

    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match self {
            Self::Request(request) => Some(&request.method),
            Self::Notification(notification) => Some(&notification.method),
            Self::Response(_) => None,
        }
    }

    /// The id, where there is one.
    #[must_use]
    pub const fn id(&self) -> Option<&Id<'a>> {
        match self {
            Self::Request(request) => Some(&request.id),
            Self::Notification(_) => None,
            Self::Response(response) => response.id.as_ref(),
        }
    }
}

#[derive(Default)]
struct Parts<'d, 'a> {
    version: Option<Value<'d, 'a>>,
    id: Option<Value<'d, 'a>>,
    method: Option<Value<'d, 'a>>,
    params: Option<Value<'d, 'a>>,
    result: Option<Value<'d, 'a>>,
    error: Option<Value<'d, 'a>>,
}

fn call<'a>(method: Value<'_, 'a>, parts: &Parts<'_, 'a>) -> Result<Message<'a>, MessageError> {
    let method_span = method.span();
    let short = method_span.len() <= METHOD_BYTES_MAX + 2;
    let method = method.as_str().filter(|text| short && !text.is_empty()).ok_or(MessageError::Method)?;
    let params = match parts.params {
        None => None,
        Some(params) if params.kind() == Kind::Object => Some(params.span()),
        Some(_) => return Err(MessageError::Params),
    };
    Ok(match parts.id {
        None => Message::Notification(Notification { method, method_span, params }),
        Some(id) => Message::Request(Request {
            id: Id::read(id).ok_or(MessageError::Id)?,
            id_span: id.span(),
            method,
            method_span,
            params,
        }),
    })
}

fn response<'a>(parts: &Parts<'_, 'a>) -> Result<Message<'a>, MessageError> {
    let given = parts.id.filter(|id| !id.is_null());
    let id = given.map(|id| Id::read(id).ok_or(MessageError::Id)).transpose()?;
    let id_span = parts.id.map(Value::span);
    let outcome = match (parts.result, parts.error) {
        (Some(result), _) => {
            if id.is_none() {
                return Err(MessageError::NoId);
            }
            if result.kind() != Kind::Object {
                return Err(MessageError::Result);
            }
            Outcome::Result(result.span())
        }
        (None, Some(error)) => Outcome::Error(read_error(error).ok_or(MessageError::Error)?),
        (None, None) => return Err(MessageError::Nothing),
    };
    Ok(Message::Response(Response { id, id_span, outcome }))
}

fn read_error<'a>(error: Value<'_, 'a>) -> Option<RpcError<'a>> {
    let message = error.get("message")?;
    Some(RpcError {
        span: error.span(),
        code: error.get("code")?.as_i64()?,
        message: message.as_str()?,
        message_span: message.span(),
        data: error.get("data").map(Value::span),
    })
}

#[cfg(test)]
mod tests;

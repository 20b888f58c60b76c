//! Streamable HTTP: what may come where, and how a fault is told.
//!
//! Sources: specification 2025-11-25, "Transports" (handshake revisions) and 2026-07-28, "Streamable HTTP".
//! Statuses 406 and 415 stand in neither; they are what `mcp.server.streamable_http` 2.3.0 answers.

use super::{Era, Revision};
use crate::jsonrpc::{Id, Message, code};
use crate::sse::SseEvent;

/// What a client takes as an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Accept {
    /// `application/json`.
    pub json: bool,
    /// `text/event-stream`.
    pub sse: bool,
}

impl Accept {
    /// Reads the values of all `Accept` headers (RFC 9110, section 12.5.1); a quality of 0 is a no.
    #[must_use]
    pub fn read<'h>(values: impl IntoIterator<Item = &'h [u8]>) -> Self {
        let mut accept = Self::default();
        for value in values {
            let Ok(value) = std::str::from_utf8(value) else { continue };
            for range in value.split(',') {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default();
                let refused = parts.any(|part| {
                    let quality =
                        part.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
                    quality.is_some_and(|(_, value)| {
                        let value = value.trim();
                        value.starts_with('0') && value.bytes().all(|byte| matches!(byte, b'0' | b'.'))
                    })
                });
                if refused {
                    continue;
                }
                let any = kind == "*/*";
                let is = |wanted: &str| kind.eq_ignore_ascii_case(wanted);
                accept.json |= any || is("application/json") || is("application/*");
                accept.sse |= any || is("text/event-stream") || is("text/*");
            }
        }
        accept
    }

    /// Whether it is what a POST must accept: both kinds.
    #[must_use]
    pub const fn fits_post(self) -> bool {
        self.json && self.sse
    }
}

/// Whether a `Content-Type` is JSON in UTF-8: `application/json`, with no charset or that of UTF-8.
#[must_use]
pub fn is_json(content_type: &[u8]) -> bool {
    media_type(content_type, "application/json")
}

/// Whether a `Content-Type` is an event stream in UTF-8.
#[must_use]
pub fn is_event_stream(content_type: &[u8]) -> bool {
    media_type(content_type, "text/event-stream")
}

fn media_type(content_type: &[u8], wanted: &str) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else { return false };
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    kind.eq_ignore_ascii_case(wanted)
        && parts.all(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            !key.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// Where a message comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel<'i> {
    /// The body of a POST, from the client.
    Post,
    /// The JSON answer to a POST of a request with this id.
    Json(&'i Id<'i>),
    /// The event stream that answers a POST of a request with this id.
    Stream(&'i Id<'i>),
    /// The stream that a GET opened; handshake revisions alone.
    Get,
    /// The same, going on after an event: it may bear the response of an earlier request.
    GetResumed,
}

/// What a message on a channel is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carried {
    /// One of many.
    More,
    /// The answer that ends the channel.
    Last,
}

/// Whether a message may come on a channel, and whether it ends it.
///
/// # Errors
/// [`HttpFault::NotHere`]. A response on the stream of a request must bear its id; an error may have none.
pub fn may_carry(era: Era, channel: Channel<'_>, message: &Message<'_>) -> Result<Carried, HttpFault> {
    let handshake = era == Era::Handshake;
    let fine = match (channel, message) {
        (Channel::Post | Channel::Stream(_), Message::Notification(_))
        | (Channel::Post, Message::Request(_)) => return Ok(Carried::More),
        (Channel::Json(asked) | Channel::Stream(asked), Message::Response(response)) => {
            return match &response.id {
                Some(id) if id != asked => Err(HttpFault::NotHere),
                _ => Ok(Carried::Last),
            };
        }
        (Channel::Post | Channel::GetResumed, Message::Response(_))
        | (Channel::Stream(_), Message::Request(_))
        | (Channel::Get | Channel::GetResumed, Message::Request(_) | Message::Notification(_)) => handshake,
        (Channel::Get, Message::Response(_))
        | (Channel::Json(_), Message::Request(_) | Message::Notification(_)) => false,
    };
    if fine { Ok(Carried::More) } else { Err(HttpFault::NotHere) }
}

/// What an event of a stream is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventMessage<'e> {
    /// A message.
    Message(&'e [u8]),
    /// No data, but an id to go on after; since 2025-11-25.
    Priming,
    /// A comment or blank: nothing to read.
    Nothing,
    /// An event of another type, such as `endpoint` of the transport of 2024-11-05: not to be let through.
    Foreign,
}

/// Reads an event. Its type is `message` or not given; write an edited one with [`SseEvent::with_data`].
#[must_use]
pub fn event_message(event: &SseEvent) -> EventMessage<'_> {
    match (event.name(), event.data()) {
        (_, None) => EventMessage::Nothing,
        (None | Some(b"" | b"message"), Some(b"")) => EventMessage::Priming,
        (None | Some(b"" | b"message"), Some(data)) => EventMessage::Message(data),
        (Some(_), Some(_)) => EventMessage::Foreign,
    }
}

/// Longest session id, in bytes; the protocol sets no limit.
const SESSION_BYTES_MAX: usize = 1024;

/// A session id: visible ASCII alone, at most 1024 bytes.
#[must_use]
pub fn session_id(value: &[u8]) -> Option<&str> {
    let fine = !value.is_empty()
        && value.len() <= SESSION_BYTES_MAX
        && value.iter().all(|byte| matches!(byte, 0x21..=0x7e));
    if fine { std::str::from_utf8(value).ok() } else { None }
}

/// A fault of the HTTP exchange, before or beside the message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFault {
    /// Another verb than the endpoint has; see [`HttpFault::allow`].
    #[error("the endpoint does not take this http method")]
    Verb,
    /// The client does not take what the answer can be.
    #[error("the client must accept application/json and text/event-stream")]
    NotAcceptable,
    /// The body is not JSON by its header.
    #[error("the body must be application/json")]
    ContentType,
    /// `Origin` is not one of those that may call.
    #[error("the origin may not call")]
    Origin,
    /// A handshake call without the session that it needs.
    #[error("the session id is missing")]
    SessionMissing,
    /// A session that ended or never was.
    #[error("the session is not known")]
    SessionUnknown,
    /// A revision that is not spoken here.
    #[error("the protocol version is not supported")]
    Version,
    /// A message that may not come on its channel.
    #[error("the message may not come here")]
    NotHere,
}

impl HttpFault {
    /// The HTTP status that tells it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Verb => 405,
            Self::NotAcceptable => 406,
            Self::ContentType => 415,
            Self::Origin => 403,
            Self::SessionMissing | Self::Version | Self::NotHere => 400,
            Self::SessionUnknown => 404,
        }
    }

    /// The value of `Allow` that comes with status 405.
    #[must_use]
    pub const fn allow(era: Era) -> &'static str {
        match era {
            Era::Handshake => "GET, POST, DELETE",
            Era::Stateless => "POST",
        }
    }
}

/// The HTTP status of an answer that is an error with this code, made before the answer began to stream.
///
/// Stateless: 404 for an unknown method, 400 for what is the caller's fault, else 200. Handshake: 400 where
/// the message could not be read, else 200.
#[must_use]
pub const fn status_of(revision: Revision, error_code: i64) -> u16 {
    match (revision.era(), error_code) {
        (_, code::PARSE_ERROR | code::INVALID_REQUEST) => 400,
        (Era::Stateless, code::METHOD_NOT_FOUND) => 404,
        (
            Era::Stateless,
            code::INVALID_PARAMS
            | code::HEADER_MISMATCH
            | code::MISSING_CLIENT_CAPABILITY
            | code::UNSUPPORTED_PROTOCOL_VERSION,
        ) => 400,
        _ => 200,
    }
}

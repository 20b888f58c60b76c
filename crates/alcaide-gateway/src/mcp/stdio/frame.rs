//! Lines of a child's input and output: what they are, and the few bytes of them that change.

use std::ops::Range;

use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::json::{Document, Limits, NumberRule, Value};
use alcaide_wire::jsonrpc::{self, Id, Message, code};
use alcaide_wire::mcp::{Method, meta_key};
use bytes::Bytes;

use super::bounds::LINE_BYTES_MAX;
use super::error::StdioError;

/// What a child is sent for a request.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// With the gate's own id and progress token, and a line's end.
    pub(super) line: Bytes,
    /// The caller's id, as written.
    pub(super) id: Box<str>,
    /// The caller's progress token, as written.
    pub(super) token: Option<Box<str>>,
    /// Whether it stays open for what the server has to tell.
    pub(super) listens: bool,
}

/// What a child said.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Heard {
    /// An answer to request `own`.
    Response { own: i64, id: Range<usize> },
    /// Progress of request `own`.
    Progress { own: i64, token: Range<usize> },
    /// Something that the open request `own` listens for.
    Told { own: i64, subscription: Range<usize> },
    /// A log message; it does not say to which request it belongs.
    Log,
    /// A list of what the server offers has changed.
    ListChanged,
    /// Any other notification.
    Notice,
    /// A request of the server, with the answer to it.
    Asked { answer: Vec<u8> },
}

/// Rewrites a request for a child.
pub(super) fn outgoing(request: &Bytes, own: i64) -> Result<Outgoing, StdioError> {
    let document = read(request).map_err(|why| StdioError::Message { why })?;
    let refuse = |why: &str| StdioError::Message { why: why.into() };
    let Message::Request(asked) = message(&document).map_err(|why| StdioError::Message { why })? else {
        return Err(refuse("it is no request"));
    };
    let mut splices = vec![own_id(asked.id_span, own)];
    let meta = document.root().get("params").and_then(|params| params.get("_meta"));
    let token =
        match meta.and_then(|meta| meta.get(meta_key::PROGRESS_TOKEN)).filter(|token| !token.is_null()) {
            None => None,
            Some(token) => {
                let id = Id::read(token).ok_or_else(|| refuse("its progress token is no id"))?;
                splices.push(own_id(token.span(), own));
                Some(id.raw().into())
            }
        };
    let line = edit::apply(request, splices).map_err(|error| refuse(&error.to_string()))?;
    let listens = Method::parse(&asked.method) == Method::SubscriptionsListen;
    Ok(Outgoing { line: one_line(line)?, id: asked.id.raw().into(), token, listens })
}

/// Makes a line of a notification.
pub(super) fn telling(notification: &Bytes) -> Result<Bytes, StdioError> {
    let document = read(notification).map_err(|why| StdioError::Message { why })?;
    let refuse = |why: &str| Err(StdioError::Message { why: why.into() });
    match message(&document).map_err(|why| StdioError::Message { why })? {
        Message::Notification(told) if Method::parse(&told.method) == Method::Cancelled => {
            refuse("a request is cancelled by dropping its answers")
        }
        Message::Notification(_) => one_line(notification.clone()),
        _ => refuse("it is no notification"),
    }
}

/// The line that cancels a request.
pub(super) fn cancelling(own: i64, why: &str) -> Bytes {
    let params = format!("{{\"requestId\":{own},\"reason\":{}}}", edit::encode(why));
    let mut line = jsonrpc::notification(Method::Cancelled.as_str(), Some(&params));
    line.push(b'\n');
    line.into()
}

/// Reads a line of a child.
///
/// # Errors
/// Why it is no message, without a word of it.
pub(super) fn heard(line: &Bytes) -> Result<Heard, String> {
    let document = read(line)?;
    match message(&document)? {
        Message::Request(asked) => Ok(Heard::Asked {
            answer: match Method::parse(&asked.method) {
                Method::Ping => jsonrpc::result(&asked.id, "{}"),
                _ => jsonrpc::error(Some(&asked.id), code::METHOD_NOT_FOUND, "Method not found", None),
            },
        }),
        Message::Response(answered) => {
            let own = answered.id.as_ref().and_then(integer);
            let (Some(own), Some(id)) = (own, answered.id_span) else {
                return Err("an answer to no request".into());
            };
            Ok(Heard::Response { own, id })
        }
        Message::Notification(told) => {
            let params = document.root().get("params");
            let member = |key| params.and_then(|params| params.get(key));
            let own = |value: Value<'_, '_>| value.as_i64().map(|own| (own, value.span()));
            let subscription = member("_meta").and_then(|meta| meta.get(meta_key::SUBSCRIPTION_ID));
            if let Some((own, subscription)) = subscription.and_then(own) {
                return Ok(Heard::Told { own, subscription });
            }
            Ok(match Method::parse(&told.method) {
                Method::Progress => match member("progressToken").and_then(own) {
                    Some((own, token)) => Heard::Progress { own, token },
                    None => Heard::Notice,
                },
                Method::LogMessage => Heard::Log,
                Method::ToolsListChanged | Method::PromptsListChanged | Method::ResourcesListChanged => {
                    Heard::ListChanged
                }
                _ => Heard::Notice,
            })
        }
    }
}

/// Puts what a caller wrote in the place of what the gate wrote.
pub(super) fn restored(line: &Bytes, span: Range<usize>, raw: &str) -> Option<Bytes> {
    edit::apply(line, vec![Splice::new(span, raw.as_bytes().to_vec())]).ok()
}

fn read(text: &Bytes) -> Result<Document<'_>, String> {
    // The passage judges numbers where policy reads them; here only the frame is read.
    let limits = Limits { bytes: LINE_BYTES_MAX, numbers: NumberRule::Rounded, ..Limits::default() };
    // The error's own text may name keys of the message.
    Document::parse(text, &limits).map_err(|_| "a line that is not strict JSON".into())
}

fn message<'a>(document: &Document<'a>) -> Result<Message<'a>, String> {
    Message::read(document).map_err(|error| match error {
        jsonrpc::MessageError::UnknownMember { .. } => "a message with a member that none has".into(),
        other => other.to_string(),
    })
}

fn integer(id: &Id<'_>) -> Option<i64> {
    match id.value() {
        jsonrpc::IdValue::Integer(own) => Some(*own),
        jsonrpc::IdValue::Text(_) => None,
    }
}

fn own_id(span: Range<usize>, own: i64) -> Splice {
    Splice::new(span, own.to_string().into_bytes())
}

/// Line breaks stand only between tokens of strict JSON: spaces say the same.
fn one_line(text: Bytes) -> Result<Bytes, StdioError> {
    if text.len() > LINE_BYTES_MAX {
        return Err(StdioError::Message { why: format!("it is longer than {LINE_BYTES_MAX} bytes") });
    }
    let mut line = Vec::with_capacity(text.len() + 1);
    line.extend_from_slice(&text);
    for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    line.push(b'\n');
    Ok(line.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: &str) -> Outgoing {
        outgoing(&Bytes::copy_from_slice(request.as_bytes()), 7).unwrap()
    }

    fn said(line: &str) -> Result<Heard, String> {
        heard(&Bytes::copy_from_slice(line.as_bytes()))
    }

    #[test]
    fn only_id_progress_token_and_line_breaks_change() {
        let request = "{ \"jsonrpc\":\"2.0\",\r\n \"id\": \"a\\u0062\", \"method\":\"tools/call\",\n\"params\":{\"name\":\"x\",\"arguments\":{\"n\":1.50,\"id\":9,\"t\":\"l\\n\"},\"_meta\":{\"k\":1,\"progressToken\":\"p\"}} }";
        let line = "{ \"jsonrpc\":\"2.0\",   \"id\": 7, \"method\":\"tools/call\", \"params\":{\"name\":\"x\",\"arguments\":{\"n\":1.50,\"id\":9,\"t\":\"l\\n\"},\"_meta\":{\"k\":1,\"progressToken\":7}} }\n";
        let out = sent(request);
        assert_eq!(out.line, line);
        assert_eq!((&*out.id, out.token.as_deref(), out.listens), ("\"a\\u0062\"", Some("\"p\""), false));
        let plain = sent("{\"jsonrpc\":\"2.0\",\"id\":-3,\"method\":\"subscriptions/listen\"}");
        assert_eq!((&*plain.id, plain.token, plain.listens), ("-3", None, true));
    }

    #[test]
    fn what_is_no_request_is_not_sent() {
        for text in [
            "{}",
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\"progressToken\":[]}}}",
        ] {
            let error = outgoing(&Bytes::copy_from_slice(text.as_bytes()), 1).unwrap_err();
            assert!(matches!(error, StdioError::Message { .. }), "{text}: {error}");
        }
        let long = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(LINE_BYTES_MAX));
        assert!(outgoing(&long.into(), 1).is_err());
    }

    #[test]
    fn a_cancel_is_not_passed_on_since_its_id_is_not_the_childs() {
        let tell = |text: &'static str| telling(&Bytes::from_static(text.as_bytes()));
        let cancel =
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}";
        assert!(tell(cancel).unwrap_err().to_string().contains("dropping"));
        assert!(tell("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}").is_err());
        let line = tell("{\"jsonrpc\":\"2.0\",\n\"method\":\"notifications/roots/list_changed\"}").unwrap();
        assert_eq!(line, "{\"jsonrpc\":\"2.0\", \"method\":\"notifications/roots/list_changed\"}\n");
        let own = cancelling(5, "the \"caller\" is gone");
        assert!(telling(&own).is_err() && own.ends_with(b"is gone\"}}\n"));
        assert!(matches!(said(std::str::from_utf8(&own).unwrap()), Ok(Heard::Notice)));
    }

    #[test]
    fn a_childs_lines_are_told_apart() {
        let response = "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{\"id\":4}}";
        let Ok(Heard::Response { own: 4, id }) = said(response) else { panic!() };
        let back = restored(&Bytes::from_static(response.as_bytes()), id, "\"x\"").unwrap();
        assert_eq!(back, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{\"id\":4}}");
        let note = |method: &str, params: &str| {
            said(&format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}")).unwrap()
        };
        let progress = note("notifications/progress", "{\"progressToken\":4,\"progress\":1}");
        assert!(matches!(progress, Heard::Progress { own: 4, .. }));
        assert_eq!(note("notifications/progress", "{\"progressToken\":\"4\"}"), Heard::Notice);
        assert_eq!(note("notifications/message", "{}"), Heard::Log);
        assert_eq!(note("notifications/tools/list_changed", "{}"), Heard::ListChanged);
        let meta = format!("{{\"_meta\":{{\"{}\":4}}}}", meta_key::SUBSCRIPTION_ID);
        assert!(matches!(note("notifications/tools/list_changed", &meta), Heard::Told { own: 4, .. }));
    }

    #[test]
    fn a_server_is_answered_ping_and_nothing_else() {
        let answer = |method: &str| {
            let asked =
                format!("{{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"{method}\",\"params\":{{}}}}");
            let Ok(Heard::Asked { answer }) = said(&asked) else { panic!("{method}") };
            String::from_utf8(answer).unwrap()
        };
        assert_eq!(answer("ping"), "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{}}");
        for method in ["sampling/createMessage", "elicitation/create", "roots/list", "x"] {
            assert!(answer(method).contains("\"code\":-32601"), "{method}");
        }
    }

    #[test]
    fn junk_is_told_without_a_word_of_it() {
        for line in [
            "Listening for the secret",
            "[]",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"secret\":1}",
            "{\"jsonrpc\":\"2.0\",\"id\":\"secret\",\"result\":{}}",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":1,\"result\":{\"secret\":1,\"secret\":2}}",
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"secret\"}}",
        ] {
            let why = said(line).unwrap_err();
            assert!(!why.contains("secret") && !why.is_empty(), "{line}: {why}");
        }
    }
}

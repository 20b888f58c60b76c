//! From a request and a script to an answer on the wire.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use crate::gzip;
use crate::model::play::{Play, Then, head, recut};
use crate::model::script::{Fail, Lie, Script};
use crate::model::tally::Stay;
use crate::model::tap::Tape;
use crate::model::{Event, anthropic, openai};

/// Which API a path belongs to. Any prefix before these endings is accepted, as behind a base URL with a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Api {
    Chat,
    Responses,
    Embeddings,
    Messages,
    Models,
    Model(String),
}

impl Api {
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let post = |api| (method == Method::POST).then_some(api);
        let get = |api| (method == Method::GET).then_some(api);
        let mut parts = path.trim_end_matches('/').rsplit('/');
        match (parts.next()?, parts.next()) {
            ("completions", Some("chat")) => post(Self::Chat),
            ("responses", _) => post(Self::Responses),
            ("embeddings", _) => post(Self::Embeddings),
            ("messages", _) => post(Self::Messages),
            ("models", _) => get(Self::Models),
            (name, Some("models")) => get(Self::Model(name.to_owned())),
            _ => None,
        }
    }
}

/// Whose error documents and lists the client reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    pub(crate) fn error(self, status: u16, message: &str) -> Value {
        match self {
            Self::OpenAi => openai::error(status, message),
            Self::Anthropic => anthropic::error(status, message),
        }
    }
}

/// What is to be answered, before anything goes wrong.
enum Content {
    Document(StatusCode, Bytes),
    Stream(Vec<Event>),
}

/// Plays `script` for a request to `api`. `names` are the models that are listed.
pub(crate) fn answer(
    api: Option<&Api>,
    dialect: Dialect,
    request: Option<&Value>,
    script: &Script,
    names: &[String],
    tape: &Tape,
    stay: Stay,
) -> Response<Play> {
    let content = content(api, dialect, request, script, names);
    match (content, &script.fail) {
        (Content::Stream(events), Fail::LyingContentLength(_)) => {
            let whole: Vec<u8> = events.iter().flat_map(|event| event.bytes.iter().copied()).collect();
            document(StatusCode::OK, EVENT_STREAM, Bytes::from(whole), &script.fail, tape, stay)
        }
        (Content::Stream(_), Fail::GzipBomb { .. }) => {
            document(StatusCode::OK, EVENT_STREAM, Bytes::new(), &script.fail, tape, stay)
        }
        (Content::Stream(events), fail) => stream(&events, script, fail, stay),
        (Content::Document(status, body), fail) => document(status, JSON, body, fail, tape, stay),
    }
}

fn content(
    api: Option<&Api>,
    dialect: Dialect,
    request: Option<&Value>,
    script: &Script,
    names: &[String],
) -> Content {
    let refuse = |status: StatusCode, message: &str| {
        Content::Document(status, Bytes::from(dialect.error(status.as_u16(), message).to_string()))
    };
    let document = |value: Value| Content::Document(StatusCode::OK, Bytes::from(value.to_string()));
    if let Fail::Status(status) = script.fail {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return refuse(status, "the script says so");
    }
    match (api, dialect) {
        (Some(Api::Models), Dialect::OpenAi) => return document(openai::models(names)),
        (Some(Api::Models), Dialect::Anthropic) => return document(anthropic::models(names)),
        (Some(Api::Model(name)), Dialect::OpenAi) => return document(openai::model(name)),
        (Some(Api::Model(name)), Dialect::Anthropic) => return document(anthropic::model(name)),
        _ => {}
    }
    let Some(api) = api else { return refuse(StatusCode::NOT_FOUND, "there is no such path") };
    let Some(request) = request else { return refuse(StatusCode::BAD_REQUEST, "the body is not JSON") };
    let Some(model) = request.get("model").and_then(Value::as_str) else {
        return refuse(StatusCode::BAD_REQUEST, "`model` is missing");
    };
    let streamed = request.get("stream").and_then(Value::as_bool) == Some(true);
    let options = request.get("stream_options");
    let include_usage = options.and_then(|o| o.get("include_usage")).and_then(Value::as_bool) == Some(true);
    match (api, streamed) {
        (Api::Chat, false) => document(openai::chat(script, model)),
        (Api::Chat, true) => Content::Stream(openai::chat_stream(script, model, include_usage)),
        (Api::Responses, false) => document(openai::response(script, model)),
        (Api::Responses, true) => Content::Stream(openai::response_stream(script, model)),
        (Api::Messages, false) => document(anthropic::message(script, model)),
        (Api::Messages, true) => Content::Stream(anthropic::message_stream(script, model)),
        (Api::Embeddings | Api::Models | Api::Model(_), _) => document(openai::embeddings(request, model)),
    }
}

fn stream(events: &[Event], script: &Script, fail: &Fail, stay: Stay) -> Response<Play> {
    let bytes = |events: &[Event]| -> VecDeque<Bytes> {
        let pieces = events.iter().map(|event| event.bytes.clone()).collect();
        script.write_bytes.map_or_else(|| VecDeque::clone(&pieces), |size| recut(pieces.clone(), size))
    };
    let (pieces, then) = match fail {
        Fail::DieAfterBytes(count) => (head(bytes(events), *count), Then::Break { flushed: false }),
        Fail::SilentFor(gate) => {
            let (first, rest) = events.split_at_checked(events.len() / 2).unwrap_or((events, &[]));
            (bytes(first), Then::wait(gate, bytes(rest)))
        }
        Fail::EndlessStream => {
            let last = events.iter().rposition(|event| event.repeatable);
            let until = last.map_or(events.len(), |at| at + 1);
            let again =
                last.and_then(|at| events.get(at)).map_or_else(|| Bytes::from(": \n\n"), |e| e.bytes.clone());
            (bytes(events.get(..until).unwrap_or(events)), Then::Repeat(again))
        }
        _ => (bytes(events), Then::End),
    };
    with_head(StatusCode::OK, EVENT_STREAM, None, Play::new(pieces, then, stay))
}

fn document(
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
    fail: &Fail,
    tape: &Tape,
    stay: Stay,
) -> Response<Play> {
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let whole = VecDeque::from([body]);
    let (length, pieces, then) = match fail {
        Fail::DieAfterBytes(count) => (Some(length), head(whole, *count), Then::Break { flushed: false }),
        Fail::EndlessStream => (None, whole, Then::Repeat(Bytes::from(vec![b' '; 8 << 10]))),
        Fail::LyingContentLength(Lie::More(by)) => {
            (Some(length.saturating_add(*by)), whole, Then::Break { flushed: false })
        }
        Fail::LyingContentLength(Lie::Less(behind)) => {
            tape.say_behind(Bytes::from_static(behind));
            (Some(length), whole, Then::End)
        }
        Fail::GzipBomb { expanded_bytes } => {
            let bomb = Bytes::from(gzip::bomb(*expanded_bytes));
            (u64::try_from(bomb.len()).ok(), VecDeque::from([bomb]), Then::End)
        }
        _ => (Some(length), whole, Then::End),
    };
    let mut response = with_head(status, kind, length, Play::new(pieces, then, stay));
    if matches!(fail, Fail::GzipBomb { .. }) {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn with_head(status: StatusCode, kind: &'static str, length: Option<u64>, body: Play) -> Response<Play> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_behind_any_prefix() {
        let of = |path| Api::of(&Method::POST, path);
        assert_eq!(of("/v1/chat/completions"), Some(Api::Chat));
        assert_eq!(of("/some/base/v1/responses/"), Some(Api::Responses));
        assert_eq!(of("/v1/completions"), None);
        assert_eq!(of("/v1/models"), None);
        assert_eq!(Api::of(&Method::GET, "/v1/models/m-1"), Some(Api::Model("m-1".into())));
        assert_eq!(Api::of(&Method::GET, "/v1/messages"), None);
    }
}

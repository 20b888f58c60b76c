//! What public clients and servers really said.

use super::*;
use crate::jsonrpc::{Message, Outcome};
use crate::sse::SseReader;

const STATELESS: &str = include_str!("../fixtures/stateless.json");
const HANDSHAKE: &str = include_str!("../fixtures/handshake.json");

/// One exchange of a recording.
struct Exchange {
    verb: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u64,
    answer_type: String,
    answer: String,
}

fn exchanges(recording: &str) -> Vec<Exchange> {
    let all: serde_json::Value = serde_json::from_str(recording).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let pair = |value: &serde_json::Value| (text(&value[0]), text(&value[1]));
    let list = |value: &serde_json::Value| value.as_array().unwrap().iter().map(pair).collect::<Vec<_>>();
    let read = |it: &serde_json::Value| Exchange {
        verb: text(&it["verb"]),
        headers: list(&it["headers"]),
        body: text(&it["body"]),
        status: it["status"].as_u64().unwrap(),
        answer_type: list(&it["answer_headers"])
            .into_iter()
            .find(|(name, _)| name == "content-type")
            .map_or_else(String::new, |(_, value)| value),
        answer: text(&it["answer"]),
    };
    all.as_array().unwrap().iter().map(read).collect()
}

impl Exchange {
    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// The messages of the answer, in order.
    fn messages(&self) -> Vec<String> {
        if is_json(self.answer_type.as_bytes()) {
            return vec![self.answer.clone()];
        }
        let mut events = Vec::new();
        SseReader::default().push(Bytes::copy_from_slice(self.answer.as_bytes()), &mut events).unwrap();
        let data = events.iter().filter_map(|event| match event_message(event) {
            EventMessage::Message(data) => Some(String::from_utf8(data.to_vec()).unwrap()),
            EventMessage::Priming | EventMessage::Nothing => None,
            EventMessage::Foreign => panic!("foreign event"),
        });
        data.collect()
    }
}

/// The result view of an exchange's answer; `with` sees it.
fn result(exchange: &Exchange, with: impl FnOnce(&ResultView<'_>, &Document<'_>, &str)) {
    let messages = exchange.messages();
    let answer = messages.last().unwrap();
    let document = document(answer);
    let view = ResultView::read(call(&exchange.body).method, &document).unwrap();
    with(&view, &document, answer);
}

fn find<'e>(exchanges: &'e [Exchange], method: Method, name: &str) -> &'e Exchange {
    let named = |it: &&Exchange| {
        let document = document(if it.body.is_empty() { "{}" } else { &it.body });
        CallView::read(&document).is_ok_and(|view| {
            view.method == method
                && (name.is_empty() || view.target.is_some_and(|target| target.text == name))
        })
    };
    exchanges.iter().find(named).unwrap()
}

#[test]
fn each_stateless_request_agrees_with_its_headers_and_they_are_written_alike() {
    let exchanges = exchanges(STATELESS);
    assert_eq!(exchanges.len(), 14);
    for exchange in &exchanges {
        let view = call(&exchange.body);
        assert_eq!(view.era, Era::Stateless);
        assert!(view.method.is_defined(Revision::V2026_07_28, Side::Client));
        assert_eq!(check_headers(&view, exchange.headers()), Ok(Some(Revision::V2026_07_28)));
        let given: Vec<_> = exchange
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("mcp-") && !name.starts_with("mcp-param-"))
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        assert_eq!(headers_for(&view, None), given);
        let accept = exchange.headers().filter(|(name, _)| *name == "accept").map(|(_, value)| value);
        assert!(Accept::read(accept).fits_post());
    }
}

#[test]
fn each_message_may_come_where_it_came() {
    for (recording, era) in [(STATELESS, Era::Stateless), (HANDSHAKE, Era::Handshake)] {
        for exchange in exchanges(recording).iter().filter(|exchange| exchange.verb == "POST") {
            let asked = document(&exchange.body);
            let asked = Message::read(&asked).unwrap();
            assert_eq!(may_carry(era, Channel::Post, &asked), Ok(Carried::More));
            let Message::Request(request) = &asked else {
                assert_eq!((exchange.status, exchange.answer.as_str()), (202, ""));
                continue;
            };
            let messages = exchange.messages();
            for (index, text) in messages.iter().enumerate() {
                let told = document(text);
                let told = Message::read(&told).unwrap();
                let channel = match is_event_stream(exchange.answer_type.as_bytes()) {
                    true => Channel::Stream(&request.id),
                    false => Channel::Json(&request.id),
                };
                let last = index + 1 == messages.len();
                let wanted = if last { Carried::Last } else { Carried::More };
                assert_eq!(may_carry(era, channel, &told), Ok(wanted));
            }
        }
    }
}

#[test]
fn every_string_of_every_message_is_a_segment_an_opaque_part_or_a_short_word() {
    for recording in [STATELESS, HANDSHAKE] {
        for exchange in exchanges(recording) {
            for text in exchange.messages().iter().chain([&exchange.body]).filter(|text| !text.is_empty()) {
                let document = document(text);
                let method = if exchange.body.contains("\"method\"") {
                    call(&exchange.body).method
                } else {
                    Method::Other
                };
                let (segments, opaque) = match Message::read(&document).unwrap() {
                    Message::Response(_) => {
                        let view = ResultView::read(method, &document).unwrap();
                        (view.segments, view.opaque)
                    }
                    _ => {
                        let view = CallView::read(&document).unwrap();
                        (view.segments, view.opaque)
                    }
                };
                for segment in &segments {
                    let written = &document.text()[segment.span.clone()];
                    let there = super::document(written);
                    assert_eq!(there.root().as_str().unwrap(), segment.text, "{written}");
                }
                super::properties::assert_covered(document.root(), &segments, &opaque);
            }
        }
    }
}

#[test]
fn a_repeated_argument_agrees_and_is_written_alike() {
    let exchanges = exchanges(STATELESS);
    let listed = find(&exchanges, Method::ToolsList, "");
    let asked = find(&exchanges, Method::ToolsCall, "look_up");
    result(listed, |view, list, _| {
        let at = view.items.iter().position(|item| item.name.as_ref().unwrap().text == "look_up").unwrap();
        let schema = view.values(list).nth(at).unwrap().get("inputSchema").unwrap();
        let params = ParamHeaders::of(schema).unwrap();
        let body = document(&asked.body);
        assert_eq!(params.check(&body, asked.headers()), Ok(()));
        let written = params.write(&body);
        assert_eq!(written.len(), 1);
        assert!(written[0].0.eq_ignore_ascii_case("mcp-param-region"));
        assert_eq!(written[0].1, "=?base64?WsO8cmljaCA=?=");
        let other = asked.body.replace("Zürich ", "Genf");
        let body = document(&other);
        let differs = params.check(&body, asked.headers());
        assert!(matches!(differs, Err(HeaderMismatch::Differs { .. })), "{differs:?}");
    });
}

#[test]
fn a_result_that_asks_is_read_and_its_state_comes_back() {
    let exchanges = exchanges(STATELESS);
    let first = find(&exchanges, Method::ToolsCall, "pay");
    result(first, |view, _, text| {
        assert_eq!(view.kind, ResultKind::InputRequired);
        assert_eq!(view.input_requests.len(), 1);
        assert_eq!(view.input_requests[0].key, "agree");
        assert_eq!(view.input_requests[0].method, Method::ElicitationCreate);
        assert_eq!(texts(&view.segments, Part::Elicitation), ["Pay 5?"]);
        assert!(view.opaque.iter().any(|part| part.kind == OpaqueKind::State && part.sealed));
        let state = view.request_state.as_ref().unwrap();
        let edited = apply(text, vec![view.replace_request_state("mine").unwrap()]);
        assert_eq!(edited, text.replace(&text[state.span.clone()], "\"mine\""));
        let second = exchanges.iter().find(|it| it.body.contains("inputResponses")).unwrap();
        let back = call(&second.body);
        assert_eq!(back.request_state.as_ref().unwrap().text, state.text);
        assert!(back.input_responses.is_some());
        assert!(texts(&back.segments, Part::Key).contains(&"agree"));
    });
}

#[test]
fn servers_say_who_they_are_and_how_long_it_holds() {
    let modern = exchanges(STATELESS);
    result(find(&modern, Method::Discover, ""), |view, _, _| {
        let server = view.server.as_ref().unwrap();
        assert_eq!(server.supported_versions, ["2026-07-28"]);
        assert_eq!(server.instructions.as_ref().unwrap().text, "Ask before you pay.");
        assert_eq!(texts(&view.segments, Part::Instructions), ["Ask before you pay."]);
        assert!(server.capabilities.is_some() && server.server_info.is_some());
        assert_eq!((view.ttl_ms, view.cache_scope), (Some(0), Some(CacheScope::Private)));
    });
    let legacy = exchanges(HANDSHAKE);
    let opened = find(&legacy, Method::Initialize, "");
    let view = call(&opened.body);
    assert_eq!((view.era, view.revision()), (Era::Handshake, Some(Revision::V2025_11_25)));
    assert_eq!(check_headers(&view, opened.headers()), Ok(None));
    result(opened, |view, _, _| {
        let server = view.server.as_ref().unwrap();
        assert_eq!(server.protocol_version.as_ref().unwrap().text, "2025-11-25");
        assert!(server.server_info.is_some() && server.instructions.is_some());
    });
    for exchange in &legacy[1..] {
        let session = exchange.headers().find(|(name, _)| *name == header_name::SESSION_ID).unwrap().1;
        assert!(session_id(session).is_some());
        if exchange.body.contains("\"method\"") {
            let named = check_headers(&call(&exchange.body), exchange.headers());
            assert_eq!(named, Ok(Some(Revision::V2025_11_25)));
        }
    }
}

#[test]
fn tool_results_of_every_kind_are_read() {
    let legacy = exchanges(HANDSHAKE);
    let tool = |name: &str| find(&legacy, Method::ToolsCall, name);
    let echo = call(&tool("echo").body);
    assert_eq!(texts(&echo.segments, Part::Argument), ["hello \u{200b} tag"]);
    assert_eq!(texts(&echo.segments, Part::Key), ["message"]);
    result(tool("echo"), |view, _, _| {
        assert_eq!(texts(&view.segments, Part::Text), ["Echo: hello \u{200b} tag"]);
        assert!(!view.is_error);
    });
    result(tool("get-tiny-image"), |view, document, _| {
        let images: Vec<_> = view.opaque.iter().filter(|part| part.kind == OpaqueKind::Image).collect();
        assert_eq!(images.len(), 1);
        let there = document.pointer("/result/content/1/data").unwrap();
        assert_eq!(images[0].span, there.span());
    });
    result(tool("get-structured-content"), |view, document, text| {
        assert!(view.structured.is_some());
        assert!(!texts(&view.segments, Part::Structured).is_empty());
        // Text that is JSON is one text.
        assert!(texts(&view.segments, Part::Text)[0].starts_with("{\"temperature\""));
        let edited = apply(text, view.drop_members(document, &["structuredContent"]));
        let again = super::document(&edited);
        assert!(ResultView::read(Method::ToolsCall, &again).unwrap().structured.is_none());
    });
    result(tool("get-resource-links"), |view, _, _| {
        assert_eq!(texts(&view.segments, Part::Uri).len(), 2);
    });
    result(tool("nope"), |view, _, _| assert!(view.is_error));
    result(find(&legacy, Method::ResourcesRead, ""), |view, _, _| {
        assert_eq!(texts(&view.segments, Part::Resource).len(), 1);
        assert_eq!(texts(&view.segments, Part::Uri).len(), 1);
    });
    result(find(&legacy, Method::PromptsGet, ""), |view, _, _| {
        assert_eq!(texts(&view.segments, Part::Text).len(), 1);
    });
}

#[test]
fn what_a_handshake_server_asks_on_a_stream_is_read_and_so_is_the_answer() {
    let legacy = exchanges(HANDSHAKE);
    let mut asked = Vec::new();
    for exchange in legacy.iter().filter(|exchange| exchange.verb == "POST") {
        for text in exchange.messages() {
            let document = document(&text);
            if let Message::Request(_) = Message::read(&document).unwrap() {
                let view = CallView::read(&document).unwrap();
                assert!(view.method.is_defined(Revision::V2025_11_25, Side::Server));
                assert!(!view.method.is_defined(Revision::V2026_07_28, Side::Server));
                let part =
                    if view.method == Method::ElicitationCreate { Part::Elicitation } else { Part::Sampling };
                assert!(!texts(&view.segments, part).is_empty());
                asked.push(view.method);
            }
        }
    }
    assert_eq!(asked, [Method::ElicitationCreate, Method::SamplingCreateMessage]);
    let answers: Vec<_> = legacy.iter().filter(|it| it.body.contains("\"result\"")).collect();
    for (exchange, method) in answers.iter().zip(asked) {
        let document = document(&exchange.body);
        assert!(
            matches!(Message::read(&document), Ok(Message::Response(it)) if matches!(it.outcome, Outcome::Result(_)))
        );
        let view = ResultView::read(method, &document).unwrap();
        if method == Method::SamplingCreateMessage {
            assert_eq!(texts(&view.segments, Part::Sampling), ["Sampled words."]);
        }
    }
}

#[test]
fn a_list_keeps_some_renames_some_and_leaves_the_rest_alone() {
    let legacy = exchanges(HANDSHAKE);
    result(find(&legacy, Method::ToolsList, ""), |view, document, text| {
        assert!(view.items.len() > 10);
        let splices = view.relist(document, |index, item| match index % 3 {
            0 => ItemFate::Keep,
            1 => ItemFate::Rename(format!("every__{}", item.name.as_ref().unwrap().text)),
            _ => ItemFate::Drop,
        });
        let edited = apply(text, splices);
        let again = super::document(&edited);
        let after = ResultView::read(Method::ToolsList, &again).unwrap();
        let kept: Vec<_> = view.items.iter().enumerate().filter(|(index, _)| index % 3 != 2).collect();
        assert_eq!(after.items.len(), kept.len());
        for ((index, before), after) in kept.iter().zip(&after.items) {
            let (old, new) = (&text[before.span.clone()], &edited[after.span.clone()]);
            let name = &before.name.as_ref().unwrap().text;
            let wanted = match index % 3 {
                0 => old.to_owned(),
                _ => old.replacen(&format!("\"{name}\""), &format!("\"every__{name}\""), 1),
            };
            assert_eq!(new, wanted);
        }
        let none = apply(text, view.relist(document, |_, _| ItemFate::Drop));
        let none = super::document(&none);
        assert!(ResultView::read(Method::ToolsList, &none).unwrap().items.is_empty());
    });
}

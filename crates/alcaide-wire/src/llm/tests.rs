use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;

use super::*;
use crate::json::edit::{self, Splice};
use crate::json::{Document, Limits, Value};
use crate::sse::{SseEvent, SseReader};

mod bounds;
mod coverage;
mod memory;
mod requests;
mod streams;

fn document(text: &str) -> Document<'_> {
    Document::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn request(operation: Operation, text: &str) -> RequestView<'_> {
    RequestView::read(operation, &document(text)).unwrap()
}

fn reply(operation: Operation, text: &str) -> ReplyView<'_> {
    ReplyView::read(operation, &document(text)).unwrap()
}

fn edited(text: &str, splices: Vec<Splice>) -> serde_json::Value {
    let bytes = edit::apply(&Bytes::copy_from_slice(text.as_bytes()), splices).unwrap();
    Document::parse(&bytes, &Limits::default()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Pointer of each value of a text, and of the member that each key begins, by where they stand.
fn places(text: &str) -> HashMap<Range<usize>, String> {
    fn walk(value: Value<'_, '_>, pointer: &str, found: &mut HashMap<Range<usize>, String>) {
        found.insert(value.span(), pointer.to_owned());
        for (index, item) in value.items().enumerate() {
            walk(item, &format!("{pointer}/{index}"), found);
        }
        for entry in value.entries() {
            let pointer = format!("{pointer}/{}", entry.key);
            found.insert(entry.key_span, pointer.clone());
            walk(entry.value, &pointer, found);
        }
    }
    let mut found = HashMap::new();
    walk(document(text).root(), "", &mut found);
    found
}

/// `pointer role part text` of each segment of a text.
fn lines(text: &str, segments: &[Segment<'_>]) -> Vec<String> {
    let places = places(text);
    let line = |it: &Segment<'_>| format!("{} {:?} {:?} {}", places[&it.span], it.role, it.part(), it.text);
    segments.iter().map(line).collect()
}

fn resources(hosted: &[Hosted]) -> Vec<&str> {
    hosted.iter().map(|it| it.resource.as_str()).collect()
}

fn events(stream: &str) -> Vec<SseEvent> {
    let mut events = Vec::new();
    let mut reader = SseReader::default();
    reader.push(Bytes::copy_from_slice(stream.as_bytes()), &mut events).unwrap();
    assert!(reader.finish().is_none());
    events
}

#[test]
fn operations_are_known_by_method_and_path() {
    use Operation as O;
    use Provider::{Anthropic, OpenAi};
    for (provider, method, path, operation) in [
        (OpenAi, "POST", "/v1/chat/completions", Some(O::ChatCompletions)),
        (OpenAi, "POST", "chat/completions", Some(O::ChatCompletions)),
        (OpenAi, "POST", "/responses", Some(O::Responses)),
        (OpenAi, "POST", "/embeddings", Some(O::Embeddings)),
        (OpenAi, "GET", "/models", Some(O::ListModels)),
        (OpenAi, "GET", "/models/ft:gpt-4o-mini:org::id", Some(O::ReadModel)),
        (Anthropic, "POST", "/v1/messages", Some(O::Messages)),
        (Anthropic, "POST", "/v1/messages/count_tokens", Some(O::CountTokens)),
        (Anthropic, "GET", "/v1/models/claude-sonnet-4-5", Some(O::ReadAnthropicModel)),
        (Anthropic, "GET", "/v1/models", Some(O::ListAnthropicModels)),
        (OpenAi, "GET", "/chat/completions", None),
        (OpenAi, "POST", "/v1/messages", None),
        (OpenAi, "POST", "/responses/", None),
        (OpenAi, "POST", "//responses", None),
        (OpenAi, "POST", "/responses?x", None),
        (OpenAi, "POST", "/v1/v1/responses", None),
        (OpenAi, "POST", "/responses/resp_1/cancel", None),
        (OpenAi, "GET", "/models/..", None),
        (OpenAi, "GET", "/models/a%2fb", None),
        (OpenAi, "GET", "/models/a/b", None),
        (OpenAi, "DELETE", "/models/a", None),
        (Anthropic, "POST", "/v1/messages/batches", None),
        (OpenAi, "POST", "/files", None),
    ] {
        assert_eq!(Operation::recognise(provider, method, path), operation, "{method} {path}");
    }
    let long = format!("models/{}", "a".repeat(MODEL_BYTES_MAX + 1));
    assert_eq!(Operation::recognise(OpenAi, "GET", &long), None);
    assert!(Operation::recognise(OpenAi, "GET", &long[..long.len() - 1]).is_some());
}

#[test]
fn a_chat_reply_is_read() {
    let text = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1741569952,"model":"gpt-4.1-2025-04-14",
     "choices":[{"index":0,"message":{"role":"assistant","content":"Hello\n\"you\"","refusal":null,"annotations":[]},
       "logprobs":null,"finish_reason":"stop"},
      {"index":1,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function",
       "function":{"name":"get_weather","arguments":"{\"city\":\"Paris\"}"}}]},"logprobs":{"content":[{"token":"x"}]},
       "finish_reason":"tool_calls"}],
     "usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,
      "prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":4}},
     "service_tier":"default"}"#;
    let view = reply(Operation::ChatCompletions, text);
    assert_eq!(
        lines(text, &view.segments),
        [
            "/choices/0/message/content Assistant Text Hello\n\"you\"",
            "/choices/1/message/tool_calls/0/function/name Assistant Name get_weather",
            "/choices/1/message/tool_calls/0/function/arguments Assistant ToolArguments {\"city\":\"Paris\"}",
        ]
    );
    assert_eq!(&text[view.segments[0].span.clone()], r#""Hello\n\"you\"""#);
    assert_eq!(view.segments[1].channel.item, 1);
    assert_eq!(
        view.usage,
        Some(Usage { input: 19, output: 10, cached_input: 8, cache_written: 0, reasoning: 4 })
    );
    assert_eq!(
        (view.finish, view.model.as_deref()),
        (vec!["stop".into(), "tool_calls".into()], Some("gpt-4.1-2025-04-14"))
    );
    assert_eq!(view.calls.len(), 1);
    assert_eq!(view.calls[0].name.as_deref(), Some("get_weather"));
    assert_eq!(view.calls[0].id.as_deref(), Some("call_1"));
    assert_eq!(view.calls[0].arguments.as_deref(), Some("{\"city\":\"Paris\"}"));
    assert_eq!(view.opaque[0].kind, OpaqueKind::LogProbabilities);
}

#[test]
fn a_messages_reply_is_read() {
    let text = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[
      {"type":"thinking","thinking":"Let me see.","signature":"EqQBCg=="},
      {"type":"redacted_thinking","data":"EmwKAh=="},
      {"type":"text","text":"Found it.","citations":[{"type":"web_search_result_location","cited_text":"so","encrypted_index":"Eo8B"}]},
      {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"tides"}},
      {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result",
        "url":"https://a.example/","title":"Tides","encrypted_content":"EqgfCi","page_age":null}]},
      {"type":"tool_use","id":"toolu_1","name":"book","input":{"to":"Paris","note":{"deep":["x"]}}}],
     "stop_reason":"tool_use","stop_sequence":null,
     "usage":{"input_tokens":100,"cache_creation_input_tokens":30,"cache_read_input_tokens":20,"output_tokens":42}}"#;
    let view = reply(Operation::Messages, text);
    assert_eq!(
        lines(text, &view.segments),
        [
            "/content/0/thinking Assistant Thinking Let me see.",
            "/content/2/text Assistant Text Found it.",
            "/content/2/citations/0/cited_text Assistant Citation so",
            "/content/3/name Assistant Name web_search",
            "/content/3/input/query Assistant Key query",
            "/content/3/input/query Assistant HostedResult tides",
            "/content/4/content/0/url Tool HostedResult https://a.example/",
            "/content/4/content/0/title Tool HostedResult Tides",
            "/content/5/name Assistant Name book",
            "/content/5/input/to Assistant Key to",
            "/content/5/input/to Assistant ToolArguments Paris",
            "/content/5/input/note Assistant Key note",
            "/content/5/input/note/deep Assistant Key deep",
            "/content/5/input/note/deep/0 Assistant ToolArguments x",
        ]
    );
    assert!(view.segments[0].sealed && !view.segments[1].sealed);
    assert_eq!(
        view.opaque.iter().map(|it| (it.kind, it.sealed)).collect::<Vec<_>>(),
        [
            (OpaqueKind::Signature, true),
            (OpaqueKind::Encrypted, true),
            (OpaqueKind::Encrypted, true),
            (OpaqueKind::Encrypted, true),
        ]
    );
    assert_eq!(resources(&view.hosted), ["hosted/anthropic/web_search"]);
    assert_eq!(
        view.usage,
        Some(Usage { input: 150, output: 42, cached_input: 20, cache_written: 30, reasoning: 0 })
    );
    assert_eq!(view.calls[0].arguments.as_deref(), Some(r#"{"to":"Paris","note":{"deep":["x"]}}"#));
    assert_eq!((view.calls.len(), view.calls[0].item), (1, 5));
}

#[test]
fn a_responses_reply_is_read() {
    let text = r#"{"id":"resp_1","object":"response","created_at":1741476542,"status":"completed","error":null,
     "instructions":"Be brief.","model":"gpt-5","output":[
      {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Thinking."}],"encrypted_content":"gAAA"},
      {"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"tides"}},
      {"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[
        {"type":"output_text","text":"One.","annotations":[{"type":"url_citation","url":"https://a.example","title":"A"}]},
        {"type":"refusal","refusal":"No."}]},
      {"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{}","status":"completed"},
      {"type":"image_generation_call","id":"ig_1","status":"completed","result":"aGk="},
      {"type":"brand_new","note":"what"}],
     "usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":1},"output_tokens":87,
       "output_tokens_details":{"reasoning_tokens":7},"total_tokens":123}}"#;
    let view = reply(Operation::Responses, text);
    assert_eq!(
        lines(text, &view.segments),
        [
            "/instructions Nobody Echo Be brief.",
            "/output/0/summary/0/text Assistant Thinking Thinking.",
            "/output/1/action/type Tool Key type",
            "/output/1/action/type Tool HostedResult search",
            "/output/1/action/query Tool Key query",
            "/output/1/action/query Tool HostedResult tides",
            "/output/2/content/0/text Assistant Text One.",
            "/output/2/content/0/annotations/0/type Assistant Key type",
            "/output/2/content/0/annotations/0/type Assistant Citation url_citation",
            "/output/2/content/0/annotations/0/url Assistant Key url",
            "/output/2/content/0/annotations/0/url Assistant Citation https://a.example",
            "/output/2/content/0/annotations/0/title Assistant Key title",
            "/output/2/content/0/annotations/0/title Assistant Citation A",
            "/output/2/content/1/refusal Assistant Refusal No.",
            "/output/3/name Assistant Name f",
            "/output/3/arguments Assistant ToolArguments {}",
            "/output/5/type Nobody Key type",
            "/output/5/type Nobody Other brand_new",
            "/output/5/note Nobody Key note",
            "/output/5/note Nobody Other what",
        ]
    );
    assert_eq!(resources(&view.hosted), ["hosted/openai/web_search", "hosted/openai/image_generation"]);
    assert_eq!(
        view.opaque.iter().map(|it| it.kind).collect::<Vec<_>>(),
        [OpaqueKind::Encrypted, OpaqueKind::Image, OpaqueKind::Unknown]
    );
    assert_eq!(
        view.usage,
        Some(Usage { input: 36, output: 87, cached_input: 1, cache_written: 0, reasoning: 7 })
    );
    assert_eq!((view.calls[0].item, view.calls[0].id.as_deref()), (3, Some("call_1")));
    assert_eq!(view.finish, ["completed"]);
}

#[test]
fn other_replies_are_read() {
    let vectors = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0023064255,-0.009327292]}],
      "model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let view = reply(Operation::Embeddings, vectors);
    assert_eq!((view.segments.len(), view.opaque[0].kind), (0, OpaqueKind::Embedding));
    assert_eq!(view.usage.unwrap().input, 8);
    assert_eq!(reply(Operation::CountTokens, r#"{"input_tokens":2095}"#).usage.unwrap().input, 2095);
    let models = r#"{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1,"owned_by":"x"}]}"#;
    assert!(reply(Operation::ListModels, models).segments.is_empty());
    let none = Document::parse(b"[]", &Limits::default()).unwrap();
    assert_eq!(ReplyView::read(Operation::Responses, &none).unwrap_err(), ReplyError::NoObject);
}

#[test]
fn errors_are_read_and_written_in_the_words_of_each_protocol() {
    for operation in [Operation::ChatCompletions, Operation::Responses, Operation::Messages] {
        let body = error_body(operation, 403, "ALC-POLICY-0031", "no \"tool\"\nfor you", Some("rec_1"));
        let text = std::str::from_utf8(&body).unwrap();
        let view = reply(operation, text);
        let error = view.error.unwrap();
        assert_eq!(error.message.as_deref(), Some("no \"tool\"\nfor you"));
        let code = if operation == Operation::Messages { "permission_error" } else { "ALC-POLICY-0031" };
        assert_eq!(error.code.as_deref(), Some(code));
        assert!(text.contains("\"record\":\"rec_1\"") && text.contains("\"code\":\"ALC-POLICY-0031\""));
        let told = error_event(operation, 500, "ALC-GATE-0001", "cut", None, 7);
        let mut stream = StreamView::new(operation, false, Limits::default());
        let events = events(std::str::from_utf8(&told).unwrap());
        let error = stream.read(&events[0]).unwrap().error.unwrap();
        assert_eq!(error.message.as_deref(), Some("cut"));
        assert_eq!(stream.next_sequence(), if operation == Operation::Responses { 8 } else { 0 });
    }
    assert_eq!(
        String::from_utf8(error_body(Operation::Messages, 429, "C", "m", None)).unwrap(),
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","code":"C"}}"#
    );
    assert_eq!(
        String::from_utf8(error_body(Operation::Embeddings, 400, "C", "m", None)).unwrap(),
        r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"C"}}"#
    );
    let silent = events(std::str::from_utf8(ping(Operation::Messages)).unwrap());
    assert!(silent[0].data().is_none() && silent[0].rewritten().is_empty());
}

#[test]
fn a_tool_word_has_no_version() {
    for (given, word) in [
        ("web_search_20250305", "web_search"),
        ("web_search_preview_2025_03_11", "web_search"),
        ("computer_use_preview", "computer_use"),
        ("mcp", "mcp"),
        ("Evil/../x", "evil_.._x"),
        ("", "unknown"),
        ("_1", "_1"),
        ("2025", "2025"),
    ] {
        assert_eq!(part::tool_word(given), word, "{given}");
    }
    assert_eq!(part::tool_word(&"x".repeat(99)).len(), 64);
}

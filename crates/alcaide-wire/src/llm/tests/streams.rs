use super::*;

pub(super) const CHAT: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}],"usage":null}

data: {"id":"c","choices":[{"index":1,"delta":{"content":"Bye"},"finish_reason":null},{"index":0,"delta":{"content":"lo"},"finish_reason":null}],"usage":null}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_weather","arguments":""}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"ci"}},{"index":1,"id":"call_2","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"ty\":1}"}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}

data: [DONE]

"#;

pub(super) const MESSAGES: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_read_input_tokens":5,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo"}}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"book","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"to\": \"Par"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"is\"}"}}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}

event: message_stop
data: {"type":"message_stop"}

"#;

pub(super) const RESPONSES: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"gpt-5","instructions":"Be kind.","output":[],"usage":null,"error":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}

event: response.content_part.added
data: {"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hel","logprobs":[],"obfuscation":"abc"}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"lo"}

event: response.output_text.done
data: {"type":"response.output_text.done","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"text":"Hello"}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":6,"output_index":1,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"f","arguments":"","status":"in_progress"}}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","sequence_number":7,"item_id":"fc_1","output_index":1,"delta":"{\"a\":"}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","sequence_number":8,"item_id":"fc_1","output_index":1,"delta":"1}"}

event: response.function_call_arguments.done
data: {"type":"response.function_call_arguments.done","sequence_number":9,"item_id":"fc_1","output_index":1,"arguments":"{\"a\":1}"}

event: response.reasoning_summary_text.delta
data: {"type":"response.reasoning_summary_text.delta","sequence_number":10,"item_id":"rs_1","output_index":2,"summary_index":1,"delta":"Hm."}

event: response.web_search_call.searching
data: {"type":"response.web_search_call.searching","sequence_number":11,"item_id":"ws_1","output_index":3}

event: response.output_text.annotation.added
data: {"type":"response.output_text.annotation.added","sequence_number":12,"item_id":"msg_1","output_index":0,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"https://a.example"}}

event: response.completed
data: {"type":"response.completed","sequence_number":13,"response":{"id":"resp_1","object":"response","status":"completed","model":"gpt-5","output":[{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]},{"id":"fc_1","type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":1}"}],"usage":{"input_tokens":9,"output_tokens":12,"output_tokens_details":{"reasoning_tokens":3}}}}

"#;

/// Texts per channel, joined; those told again whole are compared with what the pieces said.
fn texts(view: &mut StreamView, events: &[SseEvent]) -> Vec<(u32, u32, Part, String)> {
    let mut texts: Vec<(u32, u32, Part, String)> = Vec::new();
    for event in events {
        let data = std::str::from_utf8(event.data().unwrap()).unwrap();
        for delta in view.read(event).unwrap().deltas {
            assert_eq!(serde_json::from_str::<String>(&data[delta.span.clone()]).unwrap(), delta.text);
            let Channel { item, sub, part } = delta.channel;
            let text = texts.iter_mut().find(|it| (it.0, it.1, it.2) == (item, sub, part));
            match (delta.repeats, text) {
                (true, Some(text)) => assert_eq!(text.3, delta.text),
                (false, Some(text)) => text.3.push_str(&delta.text),
                (_, None) => texts.push((item, sub, part, delta.text.into_owned())),
            }
        }
    }
    texts
}

fn text(item: u32, sub: u32, part: Part, text: &str) -> (u32, u32, Part, String) {
    (item, sub, part, text.into())
}

#[test]
fn a_chat_stream_is_read() {
    let events = events(CHAT);
    let mut view = StreamView::new(Operation::ChatCompletions, true, Limits::default());
    assert_eq!(
        texts(&mut view, &events),
        [
            text(0, 0, Part::Text, "Hello"),
            text(1, 0, Part::Text, "Bye"),
            text(0, 0, Part::Name, "get_weather"),
            text(0, 0, Part::ToolArguments, "{\"city\":1}"),
            text(0, 1, Part::Name, "f"),
            text(0, 1, Part::ToolArguments, "{}"),
        ]
    );
    let mut view = StreamView::new(Operation::ChatCompletions, true, Limits::default());
    let read: Vec<_> = events.iter().map(|event| view.read(event).unwrap()).collect();
    assert_eq!(read[3].calls[0].name.as_deref(), Some("get_weather"));
    assert_eq!(read[3].calls[0].id.as_deref(), Some("call_1"));
    assert_eq!((read[4].calls.len(), read[4].calls[0].sub), (1, 1));
    assert_eq!(read[6].finish, ["tool_calls"]);
    assert_eq!(
        read.iter().map(|it| it.hidden).collect::<Vec<_>>(),
        [false, false, false, false, false, false, false, true, false]
    );
    assert_eq!(read[7].usage.unwrap().output, 12);
    assert_eq!(read[8].terminal, Some(Terminal::Complete));
    assert!(read.iter().all(|it| !it.unknown));
    let mut asked = StreamView::new(Operation::ChatCompletions, false, Limits::default());
    assert!(!asked.read(&events[7]).unwrap().hidden);
    assert_eq!(view.usage().unwrap().input, 9);
}

#[test]
fn a_messages_stream_is_read() {
    let events = events(MESSAGES);
    let mut view = StreamView::new(Operation::Messages, false, Limits::default());
    assert_eq!(
        texts(&mut view, &events),
        [
            text(0, 0, Part::Thinking, "Hm."),
            text(1, 0, Part::Text, "Hello"),
            text(2, 0, Part::Name, "book"),
            text(2, 0, Part::ToolArguments, "{\"to\": \"Paris\"}"),
            text(3, 0, Part::Name, "web_search"),
        ]
    );
    assert_eq!(
        view.usage(),
        Some(Usage { input: 30, output: 89, cached_input: 5, cache_written: 0, reasoning: 0 })
    );
    let mut view = StreamView::new(Operation::Messages, false, Limits::default());
    let read: Vec<_> = events.iter().map(|event| view.read(event).unwrap()).collect();
    assert!(read[3].deltas[0].sealed && !read[7].deltas[0].sealed);
    assert_eq!((read[4].opaque[0].kind, read[4].opaque[0].sealed), (OpaqueKind::Signature, true));
    assert_eq!(read[9].calls[0].name.as_deref(), Some("book"));
    assert_eq!(resources(&read[12].hosted), ["hosted/anthropic/web_search"]);
    assert_eq!(read[13].finish, ["tool_use"]);
    assert_eq!(read[14].terminal, Some(Terminal::Complete));
    assert!(read.iter().all(|it| !it.unknown));
}

#[test]
fn a_responses_stream_is_read() {
    let events = events(RESPONSES);
    let mut view = StreamView::new(Operation::Responses, false, Limits::default());
    let read = texts(&mut view, &events);
    assert_eq!(
        read[..5],
        [
            text(0, 0, Part::Echo, "Be kind."),
            text(0, 0, Part::Text, "Hello"),
            text(1, 0, Part::Name, "f"),
            text(1, 0, Part::ToolArguments, "{\"a\":1}"),
            text(2, 1, Part::Thinking, "Hm."),
        ]
    );
    assert_eq!(view.next_sequence(), 14);
    assert_eq!(
        view.usage(),
        Some(Usage { input: 9, output: 12, cached_input: 0, cache_written: 0, reasoning: 3 })
    );
    let mut view = StreamView::new(Operation::Responses, false, Limits::default());
    let read: Vec<_> = events.iter().map(|event| view.read(event).unwrap()).collect();
    assert!(!read[4].deltas[0].repeats && read[5].deltas[0].repeats && read[9].deltas[0].repeats);
    assert_eq!(read[6].calls[0].name.as_deref(), Some("f"));
    assert_eq!(resources(&read[11].hosted), ["hosted/openai/web_search"]);
    let ends: Vec<_> = read.iter().filter_map(|it| it.terminal).collect();
    assert_eq!((ends, read[13].terminal), (vec![Terminal::Complete], Some(Terminal::Complete)));
    assert!(read.iter().all(|it| !it.unknown));
}

#[test]
fn an_event_is_edited_where_its_text_stands() {
    let events = events(RESPONSES);
    let mut view = StreamView::new(Operation::Responses, false, Limits::default());
    let delta = view.read(&events[3]).unwrap().deltas.remove(0);
    let data = Bytes::copy_from_slice(events[3].data().unwrap());
    let data = edit::apply(&data, vec![Splice::text(delta.span, "***")]).unwrap();
    let raw = events[3].with_data(&data);
    assert_eq!(raw, std::str::from_utf8(events[3].raw()).unwrap().replace("\"Hel\"", "\"***\""));
}

#[test]
fn what_is_not_known_is_marked_and_says_nothing() {
    for (operation, stream) in [
        (Operation::ChatCompletions, "data: {\"text\":\"x\"}\n\n"),
        (Operation::Messages, "event: news\ndata: {\"type\":\"news\",\"text\":\"x\"}\n\n"),
        (
            Operation::Messages,
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"smell_delta\",\"smell\":\"x\"}}\n\n",
        ),
        (Operation::Messages, "data: {\"text\":\"x\"}\n\n"),
        (Operation::Responses, "data: {\"type\":\"response.smell.delta\",\"delta\":\"x\"}\n\n"),
        (Operation::Responses, "data: {\"type\":\"response.evil_call.completed\"}\n\n"),
        (Operation::Responses, "data: {\"type\":\"thread.created\"}\n\n"),
    ] {
        let events = events(stream);
        let mut view = StreamView::new(operation, false, Limits::default());
        let read = view.read(&events[0]).unwrap();
        assert!(read.unknown && read.deltas.is_empty(), "{stream}");
    }
    let comment = events(": hi\n\n");
    let mut view = StreamView::new(Operation::Messages, false, Limits::default());
    let read = view.read(&comment[0]).unwrap();
    assert!(!read.unknown && read.terminal.is_none());
}

#[test]
fn what_readers_would_take_differently_is_refused() {
    let mut view = StreamView::new(Operation::Messages, false, Limits::default());
    let refusal = |view: &mut StreamView, stream: &str| view.read(&events(stream)[0]).unwrap_err();
    let error = refusal(&mut view, "event: ping\ndata: {\"type\":\"message_stop\"}\n\n");
    assert_eq!(error.to_string(), "an event is named `ping`, but its data is of another type");
    assert_eq!(refusal(&mut view, "data: [1]\n\n"), StreamError::NoObject);
    let error = refusal(&mut view, "data: {\"type\":\"ping\",\"Type\":\"x\"}\n\n");
    assert_eq!(
        error.to_string(),
        "the data of an event is refused: key equal to another but for case at byte 15 (`/Type`)"
    );
    assert!(matches!(refusal(&mut view, "data: {\ndata: x}\n\n"), StreamError::Json(_)));
}

#[test]
fn failures_end_a_stream() {
    let mut view = StreamView::new(Operation::Responses, false, Limits::default());
    let failed = events(
        "data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"oh\"}}}\n\n",
    );
    let read = view.read(&failed[0]).unwrap();
    assert_eq!(
        (read.terminal, read.error.unwrap().code.as_deref()),
        (Some(Terminal::Failed), Some("server_error"))
    );
    let cut = events(
        "data: {\"type\":\"response.incomplete\",\"response\":{\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}\n\n",
    );
    assert_eq!(view.read(&cut[0]).unwrap().terminal, Some(Terminal::Incomplete));
    let mut chat = StreamView::new(Operation::ChatCompletions, false, Limits::default());
    let error = events("data: {\"error\":{\"message\":\"oh\",\"type\":\"server_error\",\"code\":null}}\n\n");
    assert_eq!(chat.read(&error[0]).unwrap().error.unwrap().message.as_deref(), Some("oh"));
}

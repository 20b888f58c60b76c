use super::*;

pub(super) const CHAT: &str = r#"{"model":"gpt-4o","messages":[
  {"role":"system","content":"Be kind."},
  {"role":"developer","content":[{"type":"text","text":"Use tools."}]},
  {"role":"user","name":"ann","content":[{"type":"text","text":"Look\u0021"},
    {"type":"image_url","image_url":{"url":"https://a.example/i.png","detail":"low"}},
    {"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}},
    {"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}},
    {"type":"file","file":{"file_id":"file-1"}},
    {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,aGk="}}]},
  {"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_1","type":"function",
    "function":{"name":"get_weather","arguments":"{\"city\":\"Paris\"}"}}]},
  {"role":"tool","tool_call_id":"call_1","content":"22 C"}],
 "tools":[{"type":"function","function":{"name":"get_weather","description":"Weather now","strict":true,
   "parameters":{"type":"object","properties":{"city":{"type":"string","description":"A city"}},"required":["city"]}}},
   {"type":"custom","custom":{"name":"run_sql","description":"SQL","format":{"type":"text"}}}],
 "tool_choice":"auto","temperature":0.7,"max_tokens":64,"max_completion_tokens":128,"n":2,"stream":true,
 "response_format":{"type":"json_schema","json_schema":{"name":"out","schema":{"type":"object","properties":{}}}},
 "metadata":{"team":"blue"},"user":"u-1","stop":["END"],"seed":7,"web_search_options":{},"store":true,
 "prediction":{"type":"content","content":"Guess"},"function_call":"none","functions":[{"name":"old","parameters":{}}]}"#;

pub(super) const MESSAGES: &str = r#"{"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true,
 "system":[{"type":"text","text":"Be kind.","cache_control":{"type":"ephemeral"}}],
 "messages":[{"role":"user","content":"Hi"},
  {"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"EqQB"},
    {"type":"redacted_thinking","data":"Emw"},
    {"type":"text","text":"Calling."},{"type":"tool_use","id":"toolu_1","name":"book","input":{"to":"Paris"}}]},
  {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":false,
     "content":[{"type":"text","text":"Booked"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]},
    {"type":"image","source":{"type":"url","url":"https://a.example/i.png"}},
    {"type":"document","title":"Plan","source":{"type":"text","media_type":"text/plain","data":"Long text"},"citations":{"enabled":true}},
    {"type":"document","source":{"type":"file","file_id":"file_1"}},
    {"type":"document","source":{"type":"content","content":[{"type":"text","text":"Inner"}]}},
    {"type":"container_upload","file_id":"file_2"},
    {"type":"search_result","source":"kb","title":"KB","content":[{"type":"text","text":"Known"}]}]}],
 "tools":[{"name":"book","description":"Books","input_schema":{"type":"object","properties":{"to":{"type":"string"}}}},
  {"type":"bash_20250124","name":"bash"},{"type":"web_search_20250305","name":"web_search","max_uses":5},
  {"type":"code_execution_20250825","name":"code_execution"},{"type":"brand_new_1","name":"x"}],
 "mcp_servers":[{"type":"url","url":"https://mcp.example/sse","name":"m","authorization_token":"tok"}],
 "tool_choice":{"type":"auto"},"thinking":{"type":"enabled","budget_tokens":1024},
 "metadata":{"user_id":"u-1"},"stop_sequences":["END"]}"#;

pub(super) const RESPONSES: &str = r#"{"model":"gpt-5","instructions":"Be kind.","input":[
  {"role":"user","content":"Hi"},
  {"type":"message","role":"user","content":[{"type":"input_text","text":"Look"},
    {"type":"input_image","image_url":"https://a.example/i.png","detail":"auto"},{"type":"input_image","file_id":"file-1"},
    {"type":"input_file","file_url":"https://a.example/f.pdf"},
    {"type":"input_file","filename":"f.pdf","file_data":"data:application/pdf;base64,aGk="}]},
  {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm."}],"encrypted_content":"gAAA"},
  {"type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":1}"},
  {"type":"function_call_output","call_id":"call_1","output":"done"},
  {"type":"custom_tool_call_output","call_id":"call_2","output":[{"type":"input_text","text":"rows"}]},
  {"type":"computer_call_output","call_id":"call_3","output":{"type":"computer_screenshot","image_url":"data:image/png;base64,aGk="}},
  {"type":"item_reference","id":"msg_9"},
  {"type":"mcp_approval_response","approval_request_id":"mcpr_1","approve":true}],
 "tools":[{"type":"function","name":"f","description":"Does f","parameters":{"type":"object","properties":{}},"strict":true},
  {"type":"web_search_preview"},{"type":"file_search","vector_store_ids":["vs_1"]},
  {"type":"code_interpreter","container":{"type":"auto"}},{"type":"computer_use_preview","display_width":1},
  {"type":"mcp","server_label":"d","server_url":"https://mcp.example","require_approval":"never"},
  {"type":"image_generation"},{"type":"local_shell"},{"type":"brand_new"}],
 "previous_response_id":"resp_1","conversation":"conv_1","prompt":{"id":"pmpt_1","variables":{"name":"Ann"}},
 "background":true,"max_output_tokens":256,"stream":true,"include":["reasoning.encrypted_content"],
 "reasoning":{"effort":"low"},"text":{"format":{"type":"text"}},"metadata":{}}"#;

#[test]
fn a_chat_request_is_read() {
    let view = request(Operation::ChatCompletions, CHAT);
    assert_eq!((view.model.name.as_ref(), view.stream, view.choices), ("gpt-4o", true, 2));
    assert_eq!(view.output_tokens_max, Some(128));
    assert_eq!(view.tools, ["get_weather", "run_sql", "old"]);
    assert_eq!(
        lines(CHAT, &view.segments),
        [
            "/messages/0/content System Text Be kind.",
            "/messages/1/content/0/text Developer Text Use tools.",
            "/messages/2/name User Name ann",
            "/messages/2/content/0/text User Text Look!",
            "/messages/2/content/1/image_url/url User Other https://a.example/i.png",
            "/messages/2/content/5/file/filename User Name a.pdf",
            "/messages/3/tool_calls/0/function/name Assistant Name get_weather",
            "/messages/3/tool_calls/0/function/arguments Assistant ToolArguments {\"city\":\"Paris\"}",
            "/messages/4/content Tool ToolResult 22 C",
            "/tools/0/function/name Definition Name get_weather",
            "/tools/0/function/description Definition Definition Weather now",
            "/tools/0/function/parameters/properties/city Definition Key city",
            "/tools/0/function/parameters/properties/city/description Definition Definition A city",
            "/tools/0/function/parameters/required/0 Definition Definition city",
            "/tools/1/custom/name Definition Name run_sql",
            "/tools/1/custom/description Definition Definition SQL",
            "/response_format/json_schema/name Definition Definition out",
            "/metadata/team Nobody Key team",
            "/metadata/team Nobody Other blue",
            "/user Nobody Other u-1",
            "/stop/0 Nobody Other END",
            "/prediction/content Assistant Text Guess",
            "/functions/0/name Definition Name old",
        ]
    );
    assert_eq!(
        resources(&view.hosted),
        ["hosted/openai/url", "hosted/openai/file", "hosted/openai/web_search", "hosted/openai/store"]
    );
    assert_eq!(view.hosted[0].target.as_deref(), Some("https://a.example/i.png"));
    assert_eq!(
        view.opaque.iter().map(|it| it.kind).collect::<Vec<_>>(),
        [OpaqueKind::Image, OpaqueKind::Image, OpaqueKind::Audio, OpaqueKind::File, OpaqueKind::File]
    );
    assert_eq!(view.stored, Stored::Yes);
    assert!(!view.usage_told);
    assert_eq!(view.calls[0].arguments.as_deref(), Some("{\"city\":\"Paris\"}"));
    assert_eq!(view.text_bytes, view.segments.iter().map(|it| it.text.len() as u64).sum::<u64>());
}

#[test]
fn a_chat_request_is_edited() {
    let view = request(Operation::ChatCompletions, CHAT);
    let mut splices = view.output_limit().at_most(9);
    splices.push(view.rename_model("other"));
    splices.extend(view.ask_for_usage());
    splices.push(Splice::text(view.segments[3].span.clone(), "[gone]"));
    let after = edited(CHAT, splices);
    let mut wanted: serde_json::Value = serde_json::from_str(CHAT).unwrap();
    wanted["model"] = "other".into();
    wanted["max_tokens"] = 9.into();
    wanted["max_completion_tokens"] = 9.into();
    wanted["stream_options"] = serde_json::json!({"include_usage": true});
    wanted["messages"][2]["content"][0]["text"] = "[gone]".into();
    assert_eq!(after, wanted);
}

#[test]
fn usage_is_asked_for_whatever_stands_there() {
    for (members, told) in [
        (r#","stream":true"#, false),
        (r#","stream":true,"stream_options":null"#, false),
        (r#","stream":true,"stream_options":{}"#, false),
        (r#","stream":true,"stream_options":{"include_obfuscation":false}"#, false),
        (r#","stream":true,"stream_options":{"include_usage":false}"#, false),
        (r#","stream":true,"stream_options":{"include_usage":null}"#, false),
        (r#","stream":true,"stream_options":{"include_usage":true}"#, true),
        (r#","stream":false"#, true),
        (r#","stream":null"#, true),
        ("", true),
    ] {
        let text = format!(r#"{{"model":"m","messages":[]{members}}}"#);
        let view = request(Operation::ChatCompletions, &text);
        assert_eq!(view.usage_told, told, "{members}");
        assert_eq!(view.ask_for_usage().is_none(), told);
        if !told {
            let after = edited(&text, view.ask_for_usage().into_iter().collect());
            assert_eq!(after["stream_options"]["include_usage"], true, "{members}");
        }
    }
}

#[test]
fn output_is_limited_whatever_stands_there() {
    for (operation, members, key) in [
        (Operation::ChatCompletions, "", "max_completion_tokens"),
        (Operation::ChatCompletions, r#","max_tokens":null"#, "max_tokens"),
        (Operation::ChatCompletions, r#","max_tokens":900"#, "max_tokens"),
        (Operation::Messages, r#","max_tokens":9e2"#, "max_tokens"),
        (Operation::Messages, "", "max_tokens"),
        (Operation::Responses, "", "max_output_tokens"),
    ] {
        let text = format!(r#"{{"messages":[],"model":"m"{members}}}"#);
        let view = request(operation, &text);
        assert_eq!(view.output_tokens_max, members.contains('9').then_some(900));
        assert_eq!(edited(&text, view.output_limit().at_most(5))[key], 5, "{text}");
    }
    assert!(
        request(Operation::Embeddings, r#"{"model":"m","input":"x"}"#).output_limit().at_most(5).is_empty()
    );
}

#[test]
fn a_messages_request_is_read() {
    let view = request(Operation::Messages, MESSAGES);
    assert_eq!((view.output_tokens_max, view.stream, view.usage_told), (Some(1024), true, true));
    assert_eq!(view.tools, ["book", "bash"]);
    assert_eq!(
        lines(MESSAGES, &view.segments)[..18],
        [
            "/system/0/text System Text Be kind.",
            "/messages/0/content User Text Hi",
            "/messages/1/content/0/thinking Assistant Thinking Hm.",
            "/messages/1/content/2/text Assistant Text Calling.",
            "/messages/1/content/3/name Assistant Name book",
            "/messages/1/content/3/input/to Assistant Key to",
            "/messages/1/content/3/input/to Assistant ToolArguments Paris",
            "/messages/2/content/0/content/0/text Tool ToolResult Booked",
            "/messages/2/content/1/source/url User Other https://a.example/i.png",
            "/messages/2/content/2/title User Text Plan",
            "/messages/2/content/2/source/data User Text Long text",
            "/messages/2/content/4/source/content/0/text User Text Inner",
            "/messages/2/content/6/source Tool ToolResult kb",
            "/messages/2/content/6/title Tool ToolResult KB",
            "/messages/2/content/6/content/0/text Tool ToolResult Known",
            "/tools/0/name Definition Name book",
            "/tools/0/description Definition Definition Books",
            "/tools/0/input_schema/properties/to Definition Key to",
        ]
    );
    assert!(view.segments[2].sealed);
    assert_eq!(
        view.opaque.iter().map(|it| (it.kind, it.sealed)).collect::<Vec<_>>(),
        [
            (OpaqueKind::Signature, true),
            (OpaqueKind::Encrypted, true),
            (OpaqueKind::Image, false),
            (OpaqueKind::Image, false),
            (OpaqueKind::File, false),
            (OpaqueKind::File, false),
        ]
    );
    assert_eq!(
        resources(&view.hosted),
        [
            "hosted/anthropic/url",
            "hosted/anthropic/file",
            "hosted/anthropic/web_search",
            "hosted/anthropic/code_execution",
            "hosted/anthropic/brand_new",
            "hosted/anthropic/mcp",
        ]
    );
    assert_eq!(request(Operation::CountTokens, MESSAGES).segments, view.segments);
    assert!(!request(Operation::CountTokens, MESSAGES).stream);
}

#[test]
fn a_responses_request_is_read() {
    let view = request(Operation::Responses, RESPONSES);
    assert_eq!(view.tools, ["f"]);
    assert_eq!(
        lines(RESPONSES, &view.segments)[..16],
        [
            "/instructions System Text Be kind.",
            "/input/0/content User Text Hi",
            "/input/1/content/0/text User Text Look",
            "/input/1/content/1/image_url User Other https://a.example/i.png",
            "/input/1/content/3/file_url User Other https://a.example/f.pdf",
            "/input/1/content/4/filename User Name f.pdf",
            "/input/2/summary/0/text Assistant Thinking Hm.",
            "/input/3/name Assistant Name f",
            "/input/3/arguments Assistant ToolArguments {\"a\":1}",
            "/input/4/output Tool ToolResult done",
            "/input/5/output/0/text Tool ToolResult rows",
            "/input/8/approval_request_id Tool HostedResult mcpr_1",
            "/tools/0/name Definition Name f",
            "/tools/0/description Definition Definition Does f",
            "/tools/1/type Definition Key type",
            "/tools/1/type Definition Definition web_search_preview",
        ]
    );
    assert_eq!(
        resources(&view.hosted),
        [
            "hosted/openai/url",
            "hosted/openai/file",
            "hosted/openai/item",
            "hosted/openai/mcp",
            "hosted/openai/web_search",
            "hosted/openai/file_search",
            "hosted/openai/code_interpreter",
            "hosted/openai/computer_use",
            "hosted/openai/image_generation",
            "hosted/openai/local_shell",
            "hosted/openai/brand_new",
            "hosted/openai/previous_response",
            "hosted/openai/conversation",
            "hosted/openai/prompt",
            "hosted/openai/background",
        ]
    );
    assert_eq!(view.stored, Stored::ByDefault);
    assert_eq!(edited(RESPONSES, view.refuse_storage().into_iter().collect())["store"], false);
    let null = r#"{"model":"m","input":"x","store":null}"#;
    assert_eq!(
        edited(null, request(Operation::Responses, null).refuse_storage().into_iter().collect())["store"],
        false
    );
    let off = request(Operation::Responses, r#"{"model":"m","input":"x","store":false}"#);
    assert_eq!((off.stored, off.refuse_storage(), off.hosted.len()), (Stored::No, None, 0));
    let odd = request(Operation::Responses, r#"{"model":"m","input":"x","store":1,"background":"yes"}"#);
    assert_eq!(resources(&odd.hosted), ["hosted/openai/store", "hosted/openai/background"]);
}

#[test]
fn an_embeddings_request_is_read() {
    let text = r#"{"model":"m","input":["a","b"],"encoding_format":"float"}"#;
    let view = request(Operation::Embeddings, text);
    assert_eq!(lines(text, &view.segments), ["/input/0 User Text a", "/input/1 User Text b"]);
    assert_eq!(request(Operation::Embeddings, r#"{"model":"m","input":"a"}"#).text_bytes, 1);
    for tokens in ["[1,2]", "[[1,2],[3]]"] {
        let text = format!(r#"{{"model":"m","input":{tokens}}}"#);
        assert_eq!(request(Operation::Embeddings, &text).opaque[0].kind, OpaqueKind::Tokens);
    }
}

#[test]
fn what_is_unclear_is_refused() {
    for (operation, text, message) in [
        (Operation::ChatCompletions, "[]", "the body is no object"),
        (Operation::ChatCompletions, r#"{"model":"m"}"#, "member `messages` is missing"),
        (Operation::ChatCompletions, r#"{"model":"m","messages":"x"}"#, "member `messages` is not a list"),
        (Operation::ChatCompletions, r#"{"messages":[]}"#, "member `model` is missing"),
        (Operation::Messages, r#"{"messages":[],"model":""}"#, "member `model` is not a name"),
        (Operation::Messages, r#"{"messages":[],"model":7}"#, "member `model` is not a name"),
        (
            Operation::Messages,
            r#"{"messages":[],"model":"m","stream":"yes"}"#,
            "member `stream` is not true or false",
        ),
        (
            Operation::Messages,
            r#"{"messages":[],"model":"m","max_tokens":-1}"#,
            "member `max_tokens` is not a whole number",
        ),
        (
            Operation::ChatCompletions,
            r#"{"messages":[],"model":"m","n":1.5}"#,
            "member `n` is not a whole number",
        ),
        (
            Operation::ChatCompletions,
            r#"{"messages":[],"model":"m","stream":true,"stream_options":[]}"#,
            "member `stream_options` is not an object",
        ),
        (Operation::Embeddings, r#"{"model":"m","input":7}"#, "member `input` is not a list"),
        (Operation::ListModels, "{}", "the operation takes no body"),
    ] {
        let error = RequestView::read(operation, &document(text)).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
}

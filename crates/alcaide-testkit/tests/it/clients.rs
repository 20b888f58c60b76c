//! The public client libraries, unmodified, against the model server.

use alcaide_testkit::{Cut, Fail, ModelServer, Script, Usage, node, node_server, python};
use serde_json::{Value, json};

const TEXT: &str = "Zwölf boxing wizards jump quickly.";

fn server() -> ModelServer {
    let server = ModelServer::start(Script::says(TEXT)).unwrap();
    server.name("caller", Script::says("Let me look.").with_call("weather", r#"{"city": "Évora"}"#));
    server
}

fn openai(server: &ModelServer, model: &str, acts: &str) -> Value {
    let url = server.url("/v1");
    let env =
        [("OPENAI_BASE_URL", url.as_str()), ("OPENAI_API_KEY", "sk-test"), ("MODEL", model), ("ACTS", acts)];
    python("openai_client.py", &env).unwrap()
}

fn anthropic(server: &ModelServer, model: &str, acts: &str) -> Value {
    let url = server.url("");
    let env = [
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", "sk-test"),
        ("MODEL", model),
        ("ACTS", acts),
    ];
    python("anthropic_client.py", &env).unwrap()
}

#[test]
fn the_openai_library_reads_every_answer() {
    let server = server();
    let seen = openai(&server, "test-model", "chat,stream,responses,responses_stream,embeddings,models");
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
    assert_eq!(
        seen["chat"],
        json!({"text": TEXT, "calls": [], "finish": "stop", "usage": usage, "model": "test-model"})
    );
    assert_eq!(
        seen["stream"],
        json!({"text": TEXT, "pieces": 5, "calls": [], "finish": "stop", "usage": usage, "model": "test-model"})
    );
    let usage = json!({"input": 7, "output": 5});
    assert_eq!(seen["responses"], json!({"text": TEXT, "calls": [], "status": "completed", "usage": usage}));
    assert_eq!(
        seen["responses_stream"],
        json!({
            "text": TEXT, "calls": [], "status": "completed", "usage": usage, "streamed": TEXT, "pieces": 5,
            "kinds": [
                "response.created", "response.in_progress", "response.output_item.added",
                "response.content_part.added", "response.output_text.delta", "response.output_text.done",
                "response.content_part.done", "response.output_item.done", "response.completed",
            ],
        })
    );
    assert_eq!(seen["embeddings"], json!({"sizes": [8, 8], "same": true, "differ": true, "tokens": 4}));
    assert_eq!(seen["models"], json!({"ids": ["test-model", "caller"], "one": "test-model"}));
    // Four asked with a body, embeddings twice, models twice.
    assert_eq!(server.arrived(), 8);
    let first = &server.heard()[0];
    assert_eq!((first.method.as_str(), first.target.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(first.header("authorization"), Some("Bearer sk-test"));
}

#[test]
fn the_openai_library_reads_tool_calls() {
    let server = server();
    let seen = openai(&server, "caller", "tools,tools_stream,responses,responses_stream");
    let calls = json!([{"id": "call_0", "name": "weather", "arguments": r#"{"city": "Évora"}"#}]);
    for act in ["tools", "tools_stream", "responses", "responses_stream"] {
        assert_eq!(seen[act]["calls"], calls, "{act}: {seen}");
        assert_eq!(seen[act]["text"], "Let me look.", "{act}");
    }
    assert_eq!(seen["tools"]["finish"], "tool_calls");
    assert_eq!(seen["tools_stream"]["finish"], "tool_calls");
}

#[test]
fn the_anthropic_library_reads_every_answer() {
    let server = server();
    let seen = anthropic(&server, "test-model", "messages,stream,models");
    let usage = json!({"input": 7, "output": 5});
    let message =
        json!({"text": TEXT, "calls": [], "stop": "end_turn", "usage": usage, "model": "test-model"});
    assert_eq!(seen["messages"], message);
    for (name, value) in message.as_object().unwrap() {
        assert_eq!(&seen["stream"][name], value, "{name}");
    }
    assert_eq!(seen["stream"]["streamed"], TEXT);
    assert_eq!(seen["stream"]["pieces"], 5);
    assert_eq!(seen["models"], json!({"ids": ["test-model", "caller"], "one": "test-model"}));
    let key = server.heard()[0].clone();
    assert!(
        key.header("x-api-key") == Some("sk-test") || key.header("authorization") == Some("Bearer sk-test"),
        "{:?}",
        key.headers
    );

    let seen = anthropic(&server, "caller", "tools,tools_stream");
    for act in ["tools", "tools_stream"] {
        assert_eq!(
            seen[act]["calls"],
            json!([{"id": "call_0", "name": "weather", "input": {"city": "Évora"}}]),
            "{act}: {seen}"
        );
        assert_eq!(seen[act]["stop"], "tool_use", "{act}");
    }
}

#[test]
fn the_libraries_for_node_read_answers_too() {
    let server = server();
    let url = server.url("/v1");
    let seen = node("openai_client.cjs", &[("OPENAI_BASE_URL", url.as_str()), ("OPENAI_API_KEY", "sk-test")])
        .unwrap();
    assert_eq!(seen["chat"], json!({"text": TEXT, "finish": "stop", "total": 12}));
    assert_eq!(seen["stream"], json!({"text": TEXT, "pieces": 5, "finish": "stop", "total": 12}));
    assert_eq!(seen["responses"], json!({"text": TEXT, "status": "completed"}));
    assert_eq!(seen["responses_stream"], json!({"text": TEXT, "streamed": TEXT, "status": "completed"}));
    assert_eq!(seen["models"], json!({"ids": ["test-model", "caller"]}));

    let url = server.url("");
    let env = [("ANTHROPIC_BASE_URL", url.as_str()), ("ANTHROPIC_API_KEY", "sk-test"), ("MODEL", "caller")];
    let seen = node("anthropic_client.cjs", &env).unwrap();
    for act in ["messages", "stream"] {
        assert_eq!(seen[act]["text"], "Let me look.", "{seen}");
        assert_eq!(seen[act]["calls"][0]["input"], json!({"city": "Évora"}), "{seen}");
    }
    assert_eq!(seen["stream"]["streamed"], "Let me look.");
}

#[test]
fn errors_and_missing_figures_arrive_as_the_libraries_name_them() {
    let server = server();
    server.name("busy", Script::says("").failing(Fail::Status(429)));
    server.name("silent", Script::says(TEXT).using(None));
    let seen = openai(&server, "busy", "chat,stream");
    assert_eq!((&seen["chat"]["error"], &seen["chat"]["status"]), (&json!("RateLimitError"), &json!(429)));
    assert_eq!(seen["stream"]["error"], "RateLimitError");
    assert_eq!(anthropic(&server, "busy", "messages")["messages"]["error"], "RateLimitError");
    let seen = openai(&server, "silent", "chat,stream,responses");
    for act in ["chat", "stream", "responses"] {
        assert_eq!((&seen[act]["text"], &seen[act]["usage"]), (&json!(TEXT), &Value::Null), "{act}");
    }
    server.name("broken", Script::says(TEXT).failing(Fail::DieAfterBytes(300)));
    assert_eq!(openai(&server, "broken", "stream")["stream"]["status"], Value::Null);
    assert!(openai(&server, "broken", "stream")["stream"]["error"].is_string());
}

#[test]
fn streams_survive_any_cut() {
    let server = server();
    let exact = Cut::Exactly(vec!["Zw".into(), "ölf".into()]);
    server.name(
        "cut",
        Script::says("Zwölf").cut(exact).written_in(1).using(Some(Usage { input: 1, output: 2 })),
    );
    let seen = openai(&server, "cut", "stream,responses_stream");
    for act in ["stream", "responses_stream"] {
        assert_eq!((&seen[act]["text"], &seen[act]["pieces"]), (&json!("Zwölf"), &json!(2)), "{act}: {seen}");
    }
    assert_eq!(anthropic(&server, "cut", "stream")["stream"]["streamed"], "Zwölf");
}

#[test]
fn the_mcp_library_and_a_public_mcp_server_meet_on_loopback() {
    let module = "@modelcontextprotocol/server-everything/dist/index.js";
    let (_server, address) = node_server(module, &["streamableHttp"]).unwrap();
    assert!(address.ip().is_loopback());
    let url = format!("http://{address}/mcp");
    let calls = r#"[["echo", {"message": "hi"}], ["nope", {}]]"#;
    let seen = python("mcp_client.py", &[("MCP_URL", url.as_str()), ("MCP_CALLS", calls)]).unwrap();
    assert_eq!(seen["protocol"], "2025-11-25", "{seen}");
    assert!(seen["tools"].as_array().unwrap().contains(&json!("get-sum")), "{seen}");
    assert_eq!(seen["calls"][0], json!({"blocks": ["Echo: hi"], "failed": false, "structured": null}));
    assert_eq!(seen["calls"][1]["failed"], true);
}

//! Tool servers through the gate: real servers, real client libraries, both generations.

use alcaide_record::{ActionKind, End, Event};
use alcaide_testkit::{node_server, python, python_server};
use serde_json::{Value, json};

use crate::house::*;

/// What the Python library understood of a server at `url`.
async fn python_sees(url: &str, token: &str, mode: &str, calls: &Value) -> Value {
    let env = [("MCP_URL", url), ("MCP_TOKEN", token), ("MCP_MODE", mode)];
    let calls = calls.to_string();
    let env: Vec<(String, String)> = env
        .into_iter()
        .chain([("MCP_CALLS", calls.as_str())])
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let run = move || {
        let env: Vec<(&str, &str)> =
            env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        python("mcp_client.py", &env).unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// A message to a tool server, as clients send it.
pub(crate) fn message(
    path: &str,
    token: &str,
    body: &Value,
    extra: &[(&str, &str)],
) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = post(path, token, body.to_string());
    let headers = request.headers_mut();
    headers.insert("accept", "application/json, text/event-stream".parse().unwrap());
    for (name, value) in extra {
        headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_tool_is_offered_and_called_once_it_is_accepted() {
    let (_server, address) = python_server("mcp_small_server.py").unwrap();
    let house = Setup::people().tools("small", &format!("http://{address}/mcp")).start().await;
    let calls = json!([["add", {"a": 2, "b": 3}], ["look_up", {"region": "north", "query": "snow"}]]);
    for mode in ["legacy", "auto"] {
        let direct = python_sees(&format!("http://{address}/mcp"), "", mode, &calls).await;
        assert_eq!(direct["tools"].as_array().unwrap().len(), 5, "{direct}");
        let token = house.token(HAND).await;
        let before =
            python_sees(&house.url("/mcp/small"), &token, mode, &json!([["add", {"a": 2, "b": 3}]])).await;
        if mode == "legacy" {
            assert_eq!(before["tools"], json!([]), "nobody has accepted them: {before}");
            let refused = before["calls"][0]["message"].as_str().unwrap();
            assert!(refused.contains("nobody has accepted this tool"), "{before}");
            let names = house.accept_all();
            assert_eq!(names, ["add", "look_up", "pay", "picture", "straße"]);
        }
        let through = python_sees(&house.url("/mcp/small"), &token, mode, &calls).await;
        assert_eq!(through, direct, "{mode}");
    }
    let calls = house.audit().await;
    let tools: Vec<_> = calls.iter().filter(|(intent, _)| intent.action == ActionKind::CallTool).collect();
    assert_eq!(tools.len(), 5);
    assert!(
        tools.iter().all(|(intent, outcome)| outcome.end == End::Complete && intent.target.tool.is_some())
    );
    // Each definition is recorded once, however often it is listed.
    let offered = house.events().iter().filter(|(_, event)| matches!(event, Event::Offered(_))).count();
    assert_eq!(offered, 5);
}

#[tokio::test]
async fn the_reference_server_is_the_same_through_the_gate() {
    let module = "@modelcontextprotocol/server-everything/dist/index.js";
    let (_server, address) = node_server(module, &["streamableHttp"]).unwrap();
    let house = Setup::people().tools("everything", &format!("http://{address}/mcp")).start().await;
    let calls = json!([["echo", {"message": "olá"}], ["get-sum", {"a": 2, "b": 3}]]);
    let direct = python_sees(&format!("http://{address}/mcp"), "", "legacy", &calls).await;
    let token = house.token(HAND).await;
    python_sees(&house.url("/mcp/everything"), &token, "legacy", &json!([])).await;
    assert!(house.accept_all().len() > 5);
    let through = python_sees(&house.url("/mcp/everything"), &token, "legacy", &calls).await;
    assert_eq!(through, direct);
    // A client of the stateless generation reaches the same server.
    let bridged = python_sees(&house.url("/mcp/everything"), &token, "2026-07-28", &calls).await;
    assert_eq!(bridged["calls"], direct["calls"], "{bridged}");
    assert_eq!(bridged["tools"], direct["tools"]);
    // And both reach it through the union.
    for mode in ["legacy", "2026-07-28"] {
        let calls =
            json!([["everything__echo", {"message": "olá"}], ["everything__get-sum", {"a": 2, "b": 3}]]);
        let union = python_sees(&house.url("/mcp"), &token, mode, &calls).await;
        assert_eq!(union["calls"], direct["calls"], "{mode}: {union}");
        assert_eq!(union["tools"].as_array().unwrap().len(), direct["tools"].as_array().unwrap().len());
    }
    house.audit().await;
}

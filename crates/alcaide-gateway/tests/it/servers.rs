//! Tool servers through the gate: real servers, real client libraries, both generations.

use alcaide_record::{ActionKind, End, Event};
use alcaide_testkit::{Bearer, ToolServer, conformance, node_server, observe_tools, python, python_server};
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
            assert_eq!(names, ["(instructions)", "add", "look_up", "pay", "picture", "straße"]);
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
    // Each definition is recorded once, however often it is listed; so are instructions.
    let offered = house.events().iter().filter(|(_, event)| matches!(event, Event::Offered(_))).count();
    assert_eq!(offered, 6);
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

/// Everything of a tool server is permitted to the hand, what servers ask too.
pub(crate) const ALL: &str = "permit (principal, action in [Alcaide::Action::\"call_tool\"], resource);\n\
    permit (principal, action in [Alcaide::Action::\"call_method\", Alcaide::Action::\"get_prompt\", \
    Alcaide::Action::\"read_resource\"], resource);";

/// A house in front of the fixture, with every tool of it accepted.
async fn before(server: &ToolServer) -> (House, String) {
    let house = Setup::people().tools("fixture", &server.url()).policy("all", ALL).start().await;
    let token = house.token(HAND).await;
    python_sees(&house.url("/mcp/fixture"), &token, "legacy", &json!([])).await;
    assert!(house.accept_all().len() > 10);
    (house, token)
}

#[tokio::test]
async fn public_clients_see_the_same_server_through_the_gate() {
    let server = ToolServer::start().unwrap();
    let (house, token) = before(&server).await;
    let (direct, url) = (server.url(), house.url("/mcp/fixture"));
    let seen = tokio::task::spawn_blocking(move || {
        (observe_tools(&direct, None).unwrap(), observe_tools(&url, Some(&token)).unwrap())
    });
    let (direct, through) = seen.await.unwrap();
    for (client, mut seen) in through {
        let mut without = direct[client].clone();
        // What the server tells the model beside its tools was accepted with them.
        if let Some(told) = without.get("instructions") {
            assert_eq!(*told, "A server for tests.");
        }
        // A tool that is not there is refused by policy before its server could say so.
        for one in [&mut seen, &mut without] {
            let last = one["calls"].as_array_mut().unwrap().pop().unwrap();
            assert!(
                last.get("error").is_some() || last["failed"] == true || last.get("isError").is_some(),
                "{last}"
            );
        }
        assert_eq!(seen, without, "{client}");
    }
    house.audit().await;
}

#[tokio::test]
async fn the_conformance_suite_judges_server_and_gate_alike() {
    let server = ToolServer::start().unwrap();
    let (house, token) = before(&server).await;
    let proxy = Bearer::start(house.address, &token).unwrap();
    let (direct, url) = (server.url(), proxy.url("/mcp/fixture"));
    let judged = tokio::task::spawn_blocking(move || {
        let (without, with) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        (conformance(&direct, without.path()).unwrap(), conformance(&url, with.path()).unwrap())
    });
    let (direct, through) = judged.await.unwrap();
    assert_eq!(direct.len(), 32, "{:?}", direct.keys());
    let differ: Vec<_> = direct.iter().filter(|(name, checks)| through.get(*name) != Some(checks)).collect();
    let shown: Vec<_> = differ.iter().map(|(name, checks)| (name, checks, through.get(*name))).collect();
    assert!(differ.is_empty(), "{shown:#?}");
    assert!(direct.values().flatten().all(|(_, statuses)| !statuses.iter().any(|one| one == "FAILURE")));
    // What the server asked of its client stands in the record, before its client saw it.
    let asked = house.audit().await;
    let methods = asked.iter().filter(|(intent, _)| intent.action == ActionKind::CallMethod).count();
    assert!(methods > 100, "{methods}");
}

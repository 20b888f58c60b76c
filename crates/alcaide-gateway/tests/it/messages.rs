//! Messages to tool servers, one by one: what does not agree is refused, what is sealed opens for its owner alone, what
//! changes is held back, and every ending is an outcome.

use alcaide_record::{ActionKind, End, Event};
use alcaide_testkit::{node_program, npm_module, python_server};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::house::*;

const SMALL: &str = "/mcp/small";

/// A message to a tool server, as clients send it, with more headers.
pub(crate) fn message(path: &str, token: &str, body: &Value, extra: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = post(path, token, body.to_string());
    let headers = request.headers_mut();
    headers.insert("accept", "application/json, text/event-stream".parse().unwrap());
    for (name, value) in extra {
        headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    request
}

pub(crate) fn call(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// A stateless request with its headers.
pub(crate) fn stateless(path: &str, token: &str, method: &str, mut params: Value) -> Request<Full<Bytes>> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
    });
    let name = params["name"].as_str().or(params["uri"].as_str()).map(ToOwned::to_owned);
    let mut extra = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
    if let Some(name) = &name {
        extra.push(("mcp-name", name));
    }
    message(path, token, &call(7, method, params), &extra)
}

/// The message of an answer, whole or the last of a stream.
pub(crate) async fn said(answer: Answer) -> Value {
    let is_stream = answer.header("content-type").starts_with("text/event-stream");
    let text = answer.text().await;
    if is_stream {
        events_of(&text).pop().unwrap()
    } else {
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

/// Opens a handshake session of the newest such revision; gives its id.
pub(crate) async fn session(house: &House, path: &str, token: &str) -> String {
    session_of(house, path, token, "2025-11-25").await
}

async fn session_of(house: &House, path: &str, token: &str, revision: &str) -> String {
    let hello = json!({
        "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = send(house.address, message(path, token, &call(1, "initialize", hello), &[])).await;
    assert_eq!(answer.status, 200);
    let id = answer.header("mcp-session-id").to_owned();
    assert!(!id.is_empty());
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = send(house.address, message(path, token, &told, &[("mcp-session-id", &id)])).await;
    assert_eq!(answer.status, 202);
    id
}

/// A house before the small server, with its tools accepted.
async fn small() -> (alcaide_testkit::Child, House, String) {
    let (server, address) = python_server("mcp_small_server.py").unwrap();
    let house = Setup::people().tools("small", &format!("http://{address}/mcp")).start().await;
    let token = house.token(HAND).await;
    said(send(house.address, stateless(SMALL, &token, "tools/list", json!({}))).await).await;
    assert_eq!(house.accept_all().len(), 6, "its tools and its instructions");
    (server, house, token)
}

#[tokio::test]
async fn what_headers_say_must_be_what_the_body_says() {
    let (_server, house, token) = small().await;
    let params = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let good = stateless(SMALL, &token, "tools/call", params.clone());
    assert_eq!(said(send(house.address, good).await).await["result"]["structuredContent"]["result"], 3);
    let sent = house.audit().await.len();
    for (name, value) in
        [("mcp-name", "pay"), ("mcp-method", "tools/list"), ("mcp-protocol-version", "2025-11-25")]
    {
        let mut request = stateless(SMALL, &token, "tools/call", params.clone());
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = send(house.address, request).await;
        assert_eq!(answer.status, 400, "{name}: {value}");
        let code = said(answer).await["error"]["code"].as_i64().unwrap();
        assert!(matches!(code, -32020 | -32022), "{name}: {code}");
    }
    for name in ["mcp-name", "mcp-method"] {
        let mut request = stateless(SMALL, &token, "tools/call", params.clone());
        request.headers_mut().remove(name);
        assert_eq!(send(house.address, request).await.status, 400, "{name} is missing");
    }
    // A header that repeats an argument, by the schema that was accepted.
    let look = json!({ "name": "look_up", "arguments": { "region": "north", "query": "snow" } });
    let mut request = stateless(SMALL, &token, "tools/call", look.clone());
    request.headers_mut().insert("mcp-param-region", "south".parse().unwrap());
    assert_eq!(send(house.address, request).await.status, 400);
    let mut request = stateless(SMALL, &token, "tools/call", look);
    request.headers_mut().insert("mcp-param-region", "north".parse().unwrap());
    assert_eq!(said(send(house.address, request).await).await["result"]["isError"], false);
    // Nothing of what did not agree was sent.
    assert_eq!(house.audit().await.len(), sent + 1);
}

#[tokio::test]
async fn what_is_no_single_message_is_refused() {
    let (_server, house, token) = small().await;
    let sent = house.audit().await.len();
    for (body, code) in [
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#, -32700),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#, -32600),
        ("{", -32700),
    ] {
        let mut request = message(SMALL, &token, &Value::Null, &[]);
        *request.body_mut() = Full::new(Bytes::from(body));
        let answer = send(house.address, request).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(said(answer).await["error"]["code"], code, "{body}");
    }
    // One who takes neither kind of answer, a verb that is not there, a server that is not there.
    assert_eq!(house.post(SMALL, &token, "{}").await.status, 406);
    assert_eq!(send(house.address, message("/mcp/other", &token, &json!({}), &[])).await.status, 404);
    let mut put = message(SMALL, &token, &json!({}), &[]);
    *put.method_mut() = http::Method::PUT;
    let answer = send(house.address, put).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, POST, DELETE"));
    // An answer that nobody asked for.
    let session = session(&house, SMALL, &token).await;
    let answer = json!({ "jsonrpc": "2.0", "id": 9, "result": {} });
    let answer = send(house.address, message(SMALL, &token, &answer, &[("mcp-session-id", &session)])).await;
    assert_eq!((answer.status, answer.code().await.as_str()), (400, "ALC-GATE-0024"));
    let after: Vec<_> = house.audit().await.into_iter().skip(sent).collect();
    assert!(after.iter().all(|(intent, _)| intent.action == ActionKind::CallMethod), "{after:#?}");
}

/// The answers to several messages in one body.
async fn several(house: &House, path: &str, token: &str, session: &str, messages: Value) -> (u16, Value) {
    let answer = send(house.address, message(path, token, &messages, &[("mcp-session-id", session)])).await;
    (answer.status, said(answer).await)
}

#[tokio::test]
async fn a_batch_is_many_calls_where_the_revision_has_it() {
    let (_small, house, token) = small().await;
    let add = |id: u64, a: i64| {
        let params = json!({ "name": "add", "arguments": { "a": a, "b": 1 } });
        call(id, "tools/call", params)
    };
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    let unlisted = call(4, "tools/call", json!({ "name": "no_such_tool", "arguments": {} }));
    let begin = call(
        5,
        "initialize",
        json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {} }),
    );
    for (path, one, two) in [(SMALL, "add", "add"), ("/mcp", "small__add", "small__add")] {
        let own = session_of(&house, path, &token, "2025-03-26").await;
        let named = |mut message: Value, name: &str| {
            message["params"]["name"] = name.into();
            message
        };
        let before = house.audit().await.len();
        let messages =
            json!([named(add(1, 1), one), told, named(add(2, 2), two), unlisted, begin, { "id": 6 }, [told]]);
        let (status, answers) = several(&house, path, &token, &own, messages).await;
        assert_eq!(status, 200, "{answers}");
        let answers = answers.as_array().unwrap();
        let ids: Vec<_> = answers.iter().map(|one| one["id"].clone()).collect();
        assert_eq!(
            ids,
            [json!(1), json!(2), json!(4), json!(5), Value::Null, Value::Null],
            "{path}: {answers:#?}"
        );
        for (at, sum) in [(0, 2), (1, 3)] {
            assert_eq!(answers[at]["result"]["structuredContent"]["result"], sum, "{answers:#?}");
        }
        assert!(answers[2..].iter().all(|one| one["error"]["code"].is_i64()), "{answers:#?}");
        let after: Vec<_> = house.audit().await.into_iter().skip(before).collect();
        let tools = after.iter().filter(|(intent, _)| intent.action == ActionKind::CallTool).count();
        assert_eq!(tools, 2, "each of them is a call of its own: {after:#?}");
        // What wants no answer gets none.
        assert_eq!(several(&house, path, &token, &own, json!([told, told])).await, (202, Value::Null));
        // None, and one past the most.
        for count in [0, 65] {
            let messages = Value::from(vec![call(1, "ping", json!({})); count]);
            assert_eq!(several(&house, path, &token, &own, messages).await.0, 400, "{count}");
        }
        let most = Value::from(vec![call(1, "ping", json!({})); 64]);
        assert_eq!(several(&house, path, &token, &own, most).await.1.as_array().unwrap().len(), 64);
        for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
            let own = session_of(&house, path, &token, revision).await;
            let (status, refused) = several(&house, path, &token, &own, json!([add(1, 1)])).await;
            assert_eq!((status, &refused["error"]["code"]), (400, &json!(-32600)), "{revision}");
        }
    }
    // A stopped agent's batch is refused as its single messages are.
    let own = session_of(&house, SMALL, &token, "2025-03-26").await;
    house.kill(HAND, 1).await;
    assert_eq!(several(&house, SMALL, &token, &own, json!([add(1, 1)])).await.0, 403);
    house.audit().await;
}

#[tokio::test]
async fn a_session_is_its_callers_alone_and_outlives_no_task() {
    let (_server, house, token) = small().await;
    let id = session(&house, SMALL, &token).await;
    let list = call(2, "tools/list", json!({}));
    let mine =
        said(send(house.address, message(SMALL, &token, &list, &[("mcp-session-id", &id)])).await).await;
    assert_eq!(mine["result"]["tools"].as_array().unwrap().len(), 5);
    // Another task of the same agent, another agent, another path, no session, a made-up one.
    let (other_task, other) = (house.token(HAND).await, house.token(BOT).await);
    for (path, token, given, status) in [
        (SMALL, &other_task, Some(&*id), 404),
        (SMALL, &other, Some(&*id), 404),
        ("/mcp", &token, Some(&*id), 404),
        (SMALL, &token, None, 400),
        (SMALL, &token, Some("made-up"), 404),
    ] {
        let extra: Vec<_> = given.map(|id| ("mcp-session-id", id)).into_iter().collect();
        let answer = send(house.address, message(path, token, &list, &extra)).await;
        assert_eq!(answer.status, status, "{path} {given:?}");
    }
    // Its end is passed on, and then the server knows it no more.
    let mut end = message(SMALL, &token, &Value::Null, &[("mcp-session-id", &id)]);
    *end.method_mut() = http::Method::DELETE;
    *end.body_mut() = Full::default();
    assert_eq!(send(house.address, end).await.status, 200);
    assert_eq!(
        send(house.address, message(SMALL, &token, &list, &[("mcp-session-id", &id)])).await.status,
        404
    );
    house.audit().await;
}

#[tokio::test]
async fn a_state_comes_back_to_whom_and_what_it_was_given() {
    let (_server, address) = python_server("mcp_small_server.py").unwrap();
    let asks = "permit (principal, action == Alcaide::Action::\"call_method\", resource)\n\
                when { resource.name == \"elicitation/create\" };";
    let setup = Setup::people().tools("small", &format!("http://{address}/mcp")).policy("asks", asks);
    let house = setup.start().await;
    let token = house.token(HAND).await;
    said(send(house.address, stateless(SMALL, &token, "tools/list", json!({}))).await).await;
    house.accept_all();
    let pay = json!({ "name": "pay", "arguments": { "amount": 5 } });
    let asked = said(send(house.address, stateless(SMALL, &token, "tools/call", pay.clone())).await).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let state = asked["result"]["requestState"].as_str().unwrap().to_owned();
    assert!(!state.contains("opaque-state"));
    // What the server asked is a call of its own, recorded before it was shown.
    let calls = house.audit().await;
    assert_eq!(calls.iter().filter(|(intent, _)| intent.action == ActionKind::CallMethod).count(), 2);
    let answered = |state: &str, name: &str| {
        let mut params = pay.clone();
        params["name"] = name.into();
        params["requestState"] = state.into();
        params["inputResponses"] = json!({ "agree": { "action": "accept", "content": { "agree": true } } });
        params
    };
    // Made up, of another tool, of another task: not opened, not sent.
    let other = house.token(HAND).await;
    for (token, params) in [
        (&token, answered("opaque-state", "pay")),
        (&token, answered(&state, "add")),
        (&other, answered(&state, "pay")),
    ] {
        let refused = said(send(house.address, stateless(SMALL, token, "tools/call", params)).await).await;
        let told = refused["error"]["message"].as_str().unwrap();
        assert!(told.contains("`requestState` was not given to this caller"), "{refused}");
    }
    let paid =
        said(send(house.address, stateless(SMALL, &token, "tools/call", answered(&state, "pay"))).await);
    assert_eq!(paid.await["result"]["content"][0]["text"], "paid 5");
}

#[tokio::test]
async fn without_a_policy_a_server_asks_nobody_anything() {
    let (_server, house, token) = small().await;
    let pay = json!({ "name": "pay", "arguments": { "amount": 5 } });
    let refused = said(send(house.address, stateless(SMALL, &token, "tools/call", pay)).await).await;
    assert!(refused["error"]["data"]["code"].as_str().unwrap().starts_with("ALC-POLICY-"), "{refused}");
    let outcome = house.audit().await.pop().unwrap().1;
    assert_eq!((outcome.end, outcome.released_bytes), (End::ContentCut, 0));
}

#[tokio::test]
async fn a_changed_tool_is_hidden_and_refused_until_it_is_accepted() {
    let (_server, house, token) = small().await;
    let list = || stateless(SMALL, &token, "tools/list", json!({}));
    let names = |said: &Value| {
        let tools = said["result"]["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&said(send(house.address, list()).await).await).len(), 5);
    // As if `add` had been accepted in another form than the server offers.
    let mut plan = house.plan.clone();
    plan.number = alcaide_inventory::PlanNumber(3);
    plan.tools = house.accepted();
    let changed = plan.tools.iter_mut().find(|tool| tool.spec.name == "add").unwrap();
    changed.pin = Some("0".repeat(64));
    house.gate.adopt(&plan).unwrap();
    let shown = names(&said(send(house.address, list()).await).await);
    assert_eq!(shown.len(), 4);
    assert!(!shown.contains(&"add".to_owned()));
    let params = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let refused = said(send(house.address, stateless(SMALL, &token, "tools/call", params)).await).await;
    assert!(
        refused["error"]["message"].as_str().unwrap().contains("changed since it was accepted"),
        "{refused}"
    );
    assert_eq!(refused["error"]["code"], -32050);
}

#[tokio::test]
async fn reading_a_tools_result_labels_the_task() {
    let (_server, house, token) = small().await;
    let label = |index: usize| {
        let intents = house.events().into_iter().filter_map(|(_, event)| match event {
            Event::Intent(intent) if intent.action == ActionKind::CallTool => Some(intent.content.label),
            _ => None,
        });
        let intents: Vec<_> = intents.collect();
        intents[index]
    };
    for _ in 0..2 {
        let params = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
        said(send(house.address, stateless(SMALL, &token, "tools/call", params)).await).await;
    }
    // Offered tools are shown as accepted and label nothing; a result without declared facts is untrusted.
    assert_eq!(label(0), alcaide_label::Label::CLEAN);
    assert_eq!(label(1), alcaide_label::Label::MISSING);
}

#[tokio::test]
async fn a_server_in_a_child_process_sees_its_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for name in ["inside", "outside"] {
        std::fs::create_dir(root.join(name)).unwrap();
        std::fs::write(root.join(name).join("note.txt"), format!("{name} note")).unwrap();
    }
    std::os::unix::fs::symlink(root.join("outside/note.txt"), root.join("inside/link.txt")).unwrap();
    let inside = root.join("inside");
    let module = npm_module("@modelcontextprotocol/server-filesystem/dist/index.js").unwrap();
    let modules = npm_module("").unwrap();
    let node = node_program().unwrap();
    let toml = format!(
        "[[agent]]\nname = \"hand\"\nunit = \"finance\"\nowner = \"ana\"\nmay = [\"use:tool/*\"]\n\
         [[upstream]]\nname = \"files\"\nprotocol = \"mcp\"\ncommand = [{node:?}, {module:?}, {inside:?}]\n\
         [upstream.sandbox]\nread = [{modules:?}, {inside:?}]\n\
         [[route]]\nname = \"files\"\nkind = \"mcp\"\nupstream = \"files\"\n"
    );
    let house = Setup::people().with(&toml).start().await;
    let token = house.token(HAND).await;
    let path = "/mcp/files";
    let id = session(&house, path, &token).await;
    let ask = |id: u64, method: &str, params: Value, session: &str| {
        message(path, &token, &call(id, method, params), &[("mcp-session-id", session)])
    };
    let listed = said(send(house.address, ask(2, "tools/list", json!({}), &id)).await).await;
    assert_eq!(listed["result"]["tools"], json!([]), "nobody has accepted them: {listed}");
    assert!(house.accept_all().contains(&"read_text_file".to_owned()));
    let read = |path: String, session: String| {
        let house = &house;
        let request = ask(
            3,
            "tools/call",
            json!({ "name": "read_text_file", "arguments": { "path": path } }),
            &session,
        );
        async move { said(send(house.address, request).await).await }
    };
    let text = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let allowed = read(text("inside/note.txt"), id.clone()).await;
    assert_eq!(allowed["result"]["content"][0]["text"], "inside note", "{allowed}");
    for name in ["outside/note.txt", "inside/../outside/note.txt", "inside/link.txt"] {
        let refused = read(text(name), id.clone()).await;
        assert!(!refused.to_string().contains("outside note"), "{name}: {refused}");
        assert_eq!(refused["result"]["isError"], true, "{name}: {refused}");
    }
    // The stateless generation reaches the same child.
    let params = json!({ "name": "read_text_file", "arguments": { "path": text("inside/note.txt") } });
    let bridged = said(send(house.address, stateless(path, &token, "tools/call", params)).await).await;
    assert_eq!(bridged["result"]["content"][0]["text"], "inside note", "{bridged}");
    assert_eq!(bridged["result"]["resultType"], "complete");
    // Whoever is stopped loses it.
    house.kill(HAND, 1).await;
    assert_eq!(send(house.address, ask(4, "ping", json!({}), &id)).await.status, 403);
    let calls = house.audit().await;
    assert!(calls.iter().all(|(_, outcome)| outcome.end == End::Complete), "{calls:#?}");
    house.gate.drain().await;
}

//! Prompts and resources of all servers at `/mcp`: named so that nobody guesses whose they are, and every call of them a
//! passage at its server.

use alcaide_record::{ActionKind, End};
use alcaide_testkit::{python, python_server};
use serde_json::{Value, json};

use crate::house::*;
use crate::messages::{call, message, said, session, stateless};
use crate::servers::ALL;

const UNION: &str = "/mcp";
/// `a long way` of the server `old.one`, which has no plain name.
const LONG: &str = "old-one__a-long-way_x";

/// A handshake server `old.one` and a stateless one `new`, with the same prompts and resources.
async fn pair() -> (Scripted, Scripted, House, String) {
    pair_with(&[]).await
}

async fn pair_with(policies: &[(&str, &str)]) -> (Scripted, Scripted, House, String) {
    let old = Scripted::start("old", Speaks::Handshake).await;
    let new = Scripted::start("new", Speaks::Stateless).await;
    let mut setup = Setup::people().tools("old.one", &old.url()).tools("new", &new.url()).policy("all", ALL);
    for (name, cedar) in policies {
        setup = setup.policy(name, cedar);
    }
    let house = setup.start().await;
    let token = house.token(HAND).await;
    (old, new, house, token)
}

/// One request in either generation: with a session, or stateless.
async fn ask(house: &House, token: &str, by: Option<&str>, method: &str, params: Value) -> Value {
    let request = match by {
        Some(session) => message(UNION, token, &call(7, method, params), &[("mcp-session-id", session)]),
        None => stateless(UNION, token, method, params),
    };
    said(send(house.address, request).await).await
}

fn names(listed: &Value, list: &str, member: &str) -> Vec<String> {
    let items = listed["result"][list].as_array().unwrap_or_else(|| panic!("{listed}"));
    items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn prompts_and_resources_of_two_servers_that_offer_the_same() {
    let (_old, _new, house, token) = pair().await;
    let handshake = session(&house, UNION, &token).await;
    for by in [Some(&*handshake), None] {
        let get = |method: &'static str, params: Value| ask(&house, &token, by, method, params);
        let prompts = names(&get("prompts/list", json!({})).await, "prompts", "name");
        // Of two prompts of one name nobody knows which is meant: the second is not there.
        assert_eq!(prompts.len(), 6, "{prompts:?}");
        assert!(prompts.contains(&"new__greet".to_owned()) && prompts.iter().all(|name| name.len() <= 64));
        let long = prompts.iter().find(|name| name.starts_with(LONG)).unwrap().clone();
        for (name, text) in [("new__greet", "new: greet"), (&*long, "old: a long way")] {
            let got = get("prompts/get", json!({ "name": name })).await;
            assert_eq!(got["result"]["messages"][0]["content"]["text"], text, "{got}");
            let reference = json!({ "type": "ref/prompt", "name": name });
            let argument = json!({ "name": "who", "value": "A" });
            let filled = get("completion/complete", json!({ "ref": reference, "argument": argument })).await;
            assert_eq!(filled["result"]["completion"]["values"], json!([text]), "{filled}");
        }
        let listed = get("resources/list", json!({})).await;
        let uris = ["alcaide:new/note://one", "alcaide:old.one/note://one"];
        assert_eq!(names(&listed, "resources", "uri"), uris);
        for (uri, text) in uris.into_iter().zip(["of new", "of old"]) {
            let read = get("resources/read", json!({ "uri": uri })).await;
            assert_eq!(read["result"]["contents"], json!([{ "uri": uri, "text": text }]));
        }
        let templates = get("resources/templates/list", json!({})).await;
        let wanted = ["alcaide:new/note://{id}", "alcaide:old.one/note://{id}"];
        assert_eq!(names(&templates, "resourceTemplates", "uriTemplate"), wanted);
        let reference = json!({ "type": "ref/resource", "uri": wanted[1] });
        let argument = json!({ "name": "id", "value": "o" });
        let filled = get("completion/complete", json!({ "ref": reference, "argument": argument })).await;
        assert_eq!(filled["result"]["completion"]["values"], json!(["old: note://{id}"]));
    }
    let calls = house.audit().await;
    let of = |kind: ActionKind| calls.iter().filter(|(intent, _)| intent.action == kind).count();
    assert_eq!((of(ActionKind::GetPrompt), of(ActionKind::ReadResource)), (4, 4));
    assert!(
        calls.iter().all(|(intent, outcome)| outcome.end == End::Complete && intent.target.route.is_some())
    );
}

#[tokio::test]
async fn what_names_no_server_is_asked_of_none() {
    let (old, new, house, token) = pair().await;
    let handshake = session(&house, UNION, &token).await;
    for by in [Some(&*handshake), None] {
        ask(&house, &token, by, "prompts/list", json!({})).await;
        let sent = house.audit().await.len();
        let argument = json!({ "name": "id", "value": "o" });
        for (method, params) in [
            ("resources/read", json!({ "uri": "note://one" })),
            ("resources/read", json!({ "uri": "alcaide:nobody/note://one" })),
            ("resources/read", json!({ "uri": "alcaide:new/" })),
            ("prompts/get", json!({ "name": "greet" })),
            ("prompts/get", json!({ "name": "nobody__greet" })),
            // A plain name of a server that never has plain names.
            ("prompts/get", json!({ "name": "old.one__greet" })),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": "greet" }, "argument": argument }),
            ),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/resource", "uri": "note://{id}" }, "argument": argument }),
            ),
            ("completion/complete", json!({ "ref": { "type": "ref/else" }, "argument": argument })),
        ] {
            let refused = ask(&house, &token, by, method, params.clone()).await;
            assert_eq!(refused["error"]["code"], -32602, "{method} {params}: {refused}");
        }
        // A digest of no prompt: the server whose it could be is asked for its list, and nothing more.
        let forged = format!("{LONG}aaaaaaaaaaaaaaaa");
        let refused = ask(&house, &token, by, "prompts/get", json!({ "name": forged })).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        let after: Vec<_> = house.audit().await.into_iter().skip(sent).collect();
        assert!(after.iter().all(|(intent, _)| intent.action == ActionKind::List), "{after:#?}");
        assert_eq!(after.len(), 1);
    }
    for server in [&old, &new] {
        assert!(server.heard_of("prompts/get").is_empty() && server.heard_of("resources/read").is_empty());
    }
}

#[tokio::test]
async fn what_a_list_hides_is_refused_all_the_same() {
    let hidden = "forbid (principal, action == Alcaide::Action::\"get_prompt\", resource)\n\
                  when { resource.server.name == \"new\" && resource.name == \"greet\" };\n\
                  forbid (principal, action == Alcaide::Action::\"read_resource\", resource)\n\
                  when { resource.server.name == \"old.one\" };";
    let (old, new, house, token) = pair_with(&[("hidden", hidden)]).await;
    let handshake = session(&house, UNION, &token).await;
    for by in [Some(&*handshake), None] {
        let prompts = ask(&house, &token, by, "prompts/list", json!({})).await;
        let prompts = names(&prompts, "prompts", "name");
        assert!(prompts.len() == 5 && !prompts.contains(&"new__greet".to_owned()), "{prompts:?}");
        let listed = ask(&house, &token, by, "resources/list", json!({})).await;
        assert_eq!(names(&listed, "resources", "uri"), ["alcaide:new/note://one"]);
        for (method, params) in [
            ("prompts/get", json!({ "name": "new__greet" })),
            ("resources/read", json!({ "uri": "alcaide:old.one/note://one" })),
        ] {
            let refused = ask(&house, &token, by, method, params).await;
            assert!(
                refused["error"]["data"]["code"].as_str().unwrap().starts_with("ALC-POLICY-"),
                "{refused}"
            );
        }
    }
    assert!(new.heard_of("prompts/get").is_empty() && old.heard_of("resources/read").is_empty());
    assert_eq!(house.refusals().await.len(), 4);
    house.audit().await;
}

#[tokio::test]
async fn links_in_results_lead_back_to_their_server() {
    let (_old, _new, house, token) = pair().await;
    let listed = ask(&house, &token, None, "tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"], json!([]), "nobody has accepted them");
    assert_eq!(house.accept_all(), ["(instructions)", "link", "wait", "(instructions)", "link", "wait"]);
    let linked =
        ask(&house, &token, None, "tools/call", json!({ "name": "new__link", "arguments": {} })).await;
    let result = &linked["result"];
    assert_eq!(result["content"][0]["uri"], "alcaide:new/note://one", "{linked}");
    assert_eq!(result["content"][1]["resource"]["uri"], "alcaide:new/note://two");
    // Texts and what is structured are the server's own.
    assert_eq!(result["content"][1]["resource"]["text"], "note://one");
    assert_eq!(result["structuredContent"]["uri"], "note://one");
    let read = json!({ "uri": result["content"][0]["uri"] });
    let read = ask(&house, &token, None, "resources/read", read).await;
    assert_eq!(read["result"]["contents"][0]["text"], "of new");
}

#[tokio::test]
async fn a_public_client_finds_prompts_and_resources_in_the_union() {
    let (_one, first) = python_server("mcp_small_server.py").unwrap();
    let (_two, second) = python_server("mcp_small_server.py").unwrap();
    let url = |address| format!("http://{address}/mcp");
    let house =
        Setup::people().tools("one", &url(first)).tools("two", &url(second)).policy("all", ALL).start().await;
    let (token, union) = (house.token(HAND).await, house.url(UNION));
    for mode in ["legacy", "2026-07-28"] {
        let (token, union) = (token.clone(), union.clone());
        let run = move || {
            let offers =
                json!([["one__greet", { "name": "Ana" }], ["two__greet", { "name": "Bo" }]]).to_string();
            let env =
                [("MCP_URL", &*union), ("MCP_TOKEN", &token), ("MCP_MODE", mode), ("MCP_OFFERS", &offers)];
            python("mcp_client.py", &env).unwrap()
        };
        let seen = tokio::task::spawn_blocking(run).await.unwrap();
        let wanted = json!({
            "resources": { "alcaide:one/note://one": ["one"], "alcaide:two/note://one": ["one"] },
            "templates": [], "prompts": ["one__greet", "two__greet"],
            "filled": { "one__greet": ["Greet Ana."], "two__greet": ["Greet Bo."] },
        });
        assert_eq!(seen["offers"], wanted, "{mode}: {seen}");
    }
    house.audit().await;
}

use alcaide_wire::jsonrpc::code;
use alcaide_wire::mcp::Revision;

use super::*;
use crate::{CARD, CHANGING, MESSAGE_BYTES_MAX, TOKEN, tool_names};

fn error(server: &mut Server, session: &mut Session, message: &Value) -> i64 {
    ask(server, session, message).unwrap()["error"]["code"].as_i64().unwrap()
}

fn listed(server: &mut Server) -> Vec<Value> {
    let answer = ask(server, &mut Session::default(), &stateless("tools/list", json!({}))).unwrap();
    answer["result"]["tools"].as_array().unwrap().clone()
}

#[test]
fn the_stateless_generation_needs_no_session() {
    let mut server = Server::new();
    let mut ask = |method: &str, params: Value| {
        let answer = ask(&mut server, &mut Session::default(), &stateless(method, params)).unwrap();
        let result = answer["result"].clone();
        assert_eq!(result["resultType"], "complete", "{answer}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], crate::NAME);
        result
    };
    let found = ask("server/discover", json!({}));
    assert_eq!(found["supportedVersions"], json!(["2026-07-28"]));
    for (method, params, member) in [
        ("server/discover", json!({}), "capabilities"),
        ("tools/list", json!({}), "tools"),
        ("resources/list", json!({}), "resources"),
        ("resources/templates/list", json!({}), "resourceTemplates"),
        ("resources/read", json!({ "uri": "practice://files/readme.md" }), "contents"),
        ("prompts/list", json!({}), "prompts"),
    ] {
        let result = ask(method, params);
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(5_000), &json!("private")), "{method}");
        assert!(!result[member].is_null(), "{method}");
    }
    for (method, params) in [
        ("prompts/get", json!({ "name": "pay-invoice", "arguments": { "invoice": "INV-2041" } })),
        ("tools/call", json!({ "name": "account_balance" })),
    ] {
        assert!(ask(method, params).get("ttlMs").is_none(), "{method}");
    }
}

#[test]
fn a_version_that_is_not_spoken_is_told_with_those_that_are() {
    let mut server = Server::new();
    for version in ["2025-11-25", "2099-01-01", ""] {
        let message = request("tools/list", with_meta(json!({}), version));
        let answer = ask(&mut server, &mut Session::default(), &message).unwrap();
        assert_eq!(answer["error"]["code"], code::UNSUPPORTED_PROTOCOL_VERSION);
        assert!(answer["error"]["data"]["supported"].as_array().unwrap().contains(&json!("2026-07-28")));
    }
}

#[test]
fn each_handshake_revision_gets_what_it_knows() {
    for revision in Revision::ALL.into_iter().filter(|revision| *revision <= Revision::NEWEST_HANDSHAKE) {
        let (mut server, mut session) = open(revision.as_str());
        assert_eq!(session.agreed(), Some(revision));
        let answer = ask(&mut server, &mut session, &request("tools/list", json!({}))).unwrap();
        let tool = &answer["result"]["tools"][0];
        assert_eq!(tool.get("annotations").is_some(), revision >= Revision::V2025_03_26, "{revision}");
        assert_eq!(tool.get("outputSchema").is_some(), revision >= Revision::V2025_06_18, "{revision}");
        assert_eq!(tool.get("title").is_some(), revision >= Revision::V2025_06_18, "{revision}");
        assert!(answer["result"].get("resultType").is_none() && answer["result"].get("ttlMs").is_none());
        let message = request("tools/call", json!({ "name": "account_balance", "arguments": {} }));
        let answer = ask(&mut server, &mut session, &message).unwrap();
        assert_eq!(answer["result"]["isError"], false);
        let structured = answer["result"].get("structuredContent");
        assert_eq!(structured.is_some(), revision >= Revision::V2025_06_18, "{revision}");
    }
}

#[test]
fn an_unknown_handshake_revision_is_answered_with_the_newest() {
    for asked in ["1999-01-01", "2026-07-28"] {
        let (mut server, mut session) = (Server::new(), Session::default());
        let answer = ask(&mut server, &mut session, &initialize(asked)).unwrap();
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    }
}

#[test]
fn before_the_handshake_there_is_ping_and_nothing_else() {
    let (mut server, mut session) = (Server::new(), Session::default());
    assert_eq!(error(&mut server, &mut session, &request("tools/list", json!({}))), code::INVALID_REQUEST);
    let pay = json!({ "name": "make_payment", "arguments": { "payee": "payee-01", "amount_cents": 1, "reference": "x" } });
    assert_eq!(error(&mut server, &mut session, &request("tools/call", pay)), code::INVALID_REQUEST);
    assert!(server.world().effects().is_empty());
    let pong = ask(&mut server, &mut session, &request("ping", json!({}))).unwrap();
    assert_eq!(pong["result"], json!({}));
    let opened = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(ask(&mut server, &mut session, &opened), None);
}

#[test]
fn what_is_not_offered_is_an_error_of_the_protocol() {
    let (mut server, mut session) = open("2025-11-25");
    let mut handshake =
        |method: &str, params: Value| error(&mut server, &mut session, &request(method, params));
    for method in
        ["logging/setLevel", "completion/complete", "server/discover", "no/such", "sampling/createMessage"]
    {
        assert_eq!(handshake(method, json!({})), code::METHOD_NOT_FOUND, "{method}");
    }
    let subscribe = json!({ "uri": "practice://files/readme.md" });
    assert_eq!(handshake("resources/subscribe", subscribe), code::METHOD_NOT_FOUND);
    assert_eq!(handshake("tools/call", json!({ "name": "nope" })), code::INVALID_PARAMS);
    assert_eq!(handshake("tools/call", json!({})), code::INVALID_PARAMS);
    assert_eq!(handshake("tools/list", json!({ "cursor": "2" })), code::INVALID_PARAMS);
    assert_eq!(handshake("prompts/get", json!({ "name": "pay-invoice" })), code::INVALID_PARAMS);
    assert_eq!(handshake("resources/read", json!({ "uri": "practice://x" })), code::RESOURCE_NOT_FOUND);

    let mut modern =
        |method: &str, params: Value| error(&mut server, &mut Session::default(), &stateless(method, params));
    for method in ["ping", "subscriptions/listen", "logging/setLevel"] {
        assert_eq!(modern(method, json!({})), code::METHOD_NOT_FOUND, "{method}");
    }
    assert_eq!(modern("resources/read", json!({ "uri": "practice://x" })), code::INVALID_PARAMS);
}

#[test]
fn what_is_no_message_is_told_so() {
    let mut server = Server::new();
    let mut code_of = |text: &[u8]| server.answer(&mut Session::default(), text).unwrap().error_code.unwrap();
    assert_eq!(code_of(b"{"), code::PARSE_ERROR);
    assert_eq!(code_of(b"{\"a\":1,\"a\":2}"), code::PARSE_ERROR);
    assert_eq!(code_of(b"[]"), code::INVALID_REQUEST);
    assert_eq!(code_of(b"{}"), code::INVALID_REQUEST);
    assert_eq!(code_of(br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#), code::INVALID_PARAMS);
    let sized = |bytes: usize| {
        let head = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        [&head[..], &vec![b' '; bytes - head.len()]].concat()
    };
    assert_eq!(code_of(&sized(MESSAGE_BYTES_MAX + 1)), code::PARSE_ERROR);
    assert_eq!(server.answer(&mut Session::default(), &sized(MESSAGE_BYTES_MAX)).unwrap().error_code, None);
    let response = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(server.answer(&mut Session::default(), response), None);
}

#[test]
fn a_failed_call_is_a_result_that_says_why() {
    let mut server = Server::new();
    for (tool, arguments, told) in [
        (
            "read_mail",
            json!({ "mailbox": "ana", "id": "m-9999" }),
            "there is no mail `m-9999` in this mailbox",
        ),
        (
            "read_mail",
            json!({ "mailbox": "zoe", "id": "m-0001" }),
            "argument `mailbox` must be one of ana, ben, cleo",
        ),
        ("read_mail", json!({ "mailbox": "ana" }), "argument `id` is missing"),
        ("read_file", json!({ "path": "/../etc" }), "is no path here"),
        (
            "make_payment",
            json!({ "payee": "payee-01", "amount_cents": 1.5, "reference": "x" }),
            "whole number",
        ),
        ("add_payee", json!({ "name": "x", "iban": "DE89370400440532013001" }), "is no IBAN"),
        ("account_balance", json!({ "now": true }), "there is no argument `now`"),
    ] {
        let result = call(&mut server, tool, arguments);
        assert_eq!(result["isError"], true, "{tool}");
        assert!(result.get("structuredContent").is_none());
        assert!(result["content"][0]["text"].as_str().unwrap().contains(told), "{tool}: {result}");
    }
    assert!(server.world().effects().is_empty());
}

#[test]
fn a_day_of_work_changes_the_world() {
    let mut server = Server::new();
    let mail = call(&mut server, "read_mail", json!({ "mailbox": "ana", "id": "m-0005" }));
    assert!(mail["content"][0]["text"].as_str().unwrap().contains(CARD));
    let env = call(&mut server, "read_file", json!({ "path": "/it/deploy.env" }));
    assert!(env["structuredContent"]["text"].as_str().unwrap().contains(TOKEN));
    let found = call(&mut server, "search_files", json!({ "text": "baltic timber", "folder": "/finance" }));
    assert!(found["structuredContent"]["lines"].as_array().unwrap().len() >= 2);
    let pay = json!({
        "payee": "payee-01", "amount_cents": 184_000, "reference": "INV-2041", "invoice": "INV-2041",
        "request_id": "work-0001",
    });
    let paid = call(&mut server, "make_payment", pay.clone());
    assert_eq!(call(&mut server, "make_payment", pay)["structuredContent"], paid["structuredContent"]);
    assert_eq!(paid["structuredContent"]["amount"], "1840.00");
    let sent = json!({ "mailbox": "ana", "to": ["ben@example.com"], "subject": "paid", "body": "INV-2041" });
    call(&mut server, "send_mail", sent);
    let inbox = call(&mut server, "list_mail", json!({ "mailbox": "ben", "limit": 1 }));
    assert_eq!(inbox["structuredContent"]["mails"][0]["subject"], "paid");
    assert_eq!(inbox["structuredContent"]["left_out"], 3);
    let open = call(&mut server, "list_invoices", json!({}));
    assert_eq!(open["structuredContent"]["invoices"].as_array().unwrap().len(), 3);
    let kinds: Vec<Value> =
        server.world().effects().iter().map(|effect| effect.to_json()["kind"].clone()).collect();
    assert_eq!(kinds, ["paid", "mail_sent"]);
    assert!(server.world().sprung().is_empty());
}

#[test]
fn schemas_are_closed_and_hints_are_told() {
    let mut server = Server::new();
    let tools = listed(&mut server);
    assert_eq!(tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>(), tool_names());
    for tool in &tools {
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object");
            assert_eq!(tool[schema]["additionalProperties"], false, "{tool}");
        }
        assert!(tool["annotations"]["readOnlyHint"].is_boolean() && tool["title"].is_string());
        let read_only = tool["annotations"]["readOnlyHint"] == true;
        assert!(!(read_only && tool["annotations"]["destructiveHint"] == true));
    }
}

#[test]
fn tools_that_only_read_change_nothing() {
    let mut server = Server::new();
    let readers: Vec<Value> =
        listed(&mut server).into_iter().filter(|tool| tool["annotations"]["readOnlyHint"] == true).collect();
    assert_eq!(readers.len(), 12);
    for (tool, arguments) in [
        ("list_mail", json!({ "mailbox": "ana" })),
        ("read_mail", json!({ "mailbox": "ana", "id": "m-0001" })),
        ("search_mail", json!({ "mailbox": "ana", "text": "INV" })),
        ("list_files", json!({})),
        ("read_file", json!({ "path": "/readme.md" })),
        ("search_files", json!({ "text": "chairs" })),
        ("list_invoices", json!({ "status": "all" })),
        ("list_payees", json!({})),
        ("account_balance", json!({})),
        ("list_payments", json!({})),
        ("find_person", json!({ "text": "finance" })),
        ("list_events", json!({ "person": "ben", "day": "2026-11-23" })),
    ] {
        assert!(readers.iter().any(|reader| reader["name"] == tool), "{tool}");
        let result = call(&mut server, tool, arguments);
        assert_eq!(result["isError"], false, "{tool}: {result}");
    }
    assert!(server.world().effects().is_empty());
}

#[test]
fn a_server_that_turns_changes_one_description_and_nothing_else() {
    let mut server = Server::new().turning_after(2);
    let (first, second, third) = (listed(&mut server), listed(&mut server), listed(&mut server));
    assert_eq!(first, second);
    let changed: Vec<_> = first.iter().zip(&third).filter(|(before, after)| before != after).collect();
    assert_eq!(changed.len(), 1);
    let (before, after) = changed[0];
    assert_eq!((&before["name"], &before["inputSchema"]), (&json!(CHANGING), &after["inputSchema"]));
    assert!(after["description"].as_str().unwrap().contains("IMPORTANT"));
    let mut other = Server::new();
    other.turn();
    assert_eq!(listed(&mut other), third);
}

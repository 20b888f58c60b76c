use super::*;
use crate::{Answered, Endpoint, PATH, SESSIONS_MAX};

const JSON: (&str, &[u8]) = ("Content-Type", b"application/json");
const BOTH: (&str, &[u8]) = ("Accept", b"application/json, text/event-stream");

fn post(endpoint: &mut Endpoint, headers: &[(&str, &[u8])], message: &Value) -> Answered {
    let all = [&[JSON, BOTH], headers].concat();
    endpoint.answer("POST", PATH, &all, message.to_string().as_bytes(), || Some("fresh".into()))
}

fn modern<'h>(method: &'h str, name: Option<&'h str>) -> Vec<(&'h str, &'h [u8])> {
    let mut headers: Vec<(&str, &[u8])> =
        vec![("mcp-protocol-version", b"2026-07-28"), ("mcp-method", method.as_bytes())];
    headers.extend(name.map(|name| ("mcp-name", name.as_bytes())));
    headers
}

fn open(endpoint: &mut Endpoint, id: &str) {
    let body = initialize("2025-11-25").to_string();
    let answered = endpoint.answer("POST", PATH, &[JSON, BOTH], body.as_bytes(), || Some(id.into()));
    assert_eq!(answered.status, 200);
    assert!(answered.headers.contains(&("mcp-session-id", id.to_owned())));
}

fn status(endpoint: &mut Endpoint, verb: &str, headers: &[(&str, &[u8])]) -> u16 {
    endpoint.answer(verb, PATH, headers, b"", || None).status
}

#[test]
fn a_stateless_call_agrees_with_its_headers_or_does_nothing() {
    let mut endpoint = Endpoint::default();
    let pay = json!({ "payee": "payee-01", "amount_cents": 5, "reference": "x" });
    let message = stateless("tools/call", json!({ "name": "make_payment", "arguments": pay }));
    for wrong in [
        vec![],
        modern("tools/list", None),
        modern("tools/call", Some("list_payees")),
        modern("tools/call", None),
        [modern("tools/call", Some("make_payment")), vec![("MCP-Method", b"tools/call".as_slice())]].concat(),
    ] {
        let answered = post(&mut endpoint, &wrong, &message);
        let body: Value = serde_json::from_slice(&answered.body).unwrap();
        assert_eq!((answered.status, &body["error"]["code"]), (400, &json!(-32020)), "{wrong:?}");
    }
    assert!(endpoint.server().world().payments().is_empty());
    let answered = post(&mut endpoint, &modern("tools/call", Some("make_payment")), &message);
    assert_eq!((answered.status, endpoint.server().world().payments().len()), (200, 1));
    assert!(!answered.headers.iter().any(|(name, _)| *name == "mcp-session-id"));
}

#[test]
fn errors_of_the_stateless_generation_have_their_statuses() {
    let mut endpoint = Endpoint::default();
    let answered = post(&mut endpoint, &modern("no/such", None), &stateless("no/such", json!({})));
    assert_eq!(answered.status, 404);
    let message = stateless("tools/call", json!({ "name": "nope" }));
    assert_eq!(post(&mut endpoint, &modern("tools/call", Some("nope")), &message).status, 400);
    let message = request("tools/list", with_meta(json!({}), "2099-01-01"));
    let headers: [(&str, &[u8]); 2] =
        [("mcp-protocol-version", b"2099-01-01"), ("mcp-method", b"tools/list")];
    let answered = post(&mut endpoint, &headers, &message);
    let body: Value = serde_json::from_slice(&answered.body).unwrap();
    assert_eq!((answered.status, &body["error"]["code"]), (400, &json!(-32022)));
    assert!(!body["error"]["data"]["supported"].as_array().unwrap().is_empty());
}

#[test]
fn a_handshake_lives_in_its_session() {
    let mut endpoint = Endpoint::default();
    open(&mut endpoint, "s1");
    let list = request("tools/list", json!({}));
    let session: (&str, &[u8]) = ("Mcp-Session-Id", b"s1");
    assert_eq!(post(&mut endpoint, &[], &list).status, 400);
    assert_eq!(post(&mut endpoint, &[("mcp-session-id", b"s2")], &list).status, 404);
    assert_eq!(post(&mut endpoint, &[session], &list).status, 200);
    assert_eq!(post(&mut endpoint, &[session, ("mcp-protocol-version", b"2025-11-25")], &list).status, 200);
    assert_eq!(post(&mut endpoint, &[session, ("mcp-protocol-version", b"2025-06-18")], &list).status, 400);
    assert_eq!(post(&mut endpoint, &[session], &initialize("2025-11-25")).status, 200);
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answered = post(&mut endpoint, &[session], &note);
    assert_eq!((answered.status, answered.body.len()), (202, 0));
    assert_eq!(post(&mut endpoint, &[], &note).status, 400);
    let reply = json!({ "jsonrpc": "2.0", "id": 9, "result": {} });
    assert_eq!(post(&mut endpoint, &[session], &reply).status, 202);
    assert_eq!(status(&mut endpoint, "DELETE", &[]), 400);
    assert_eq!(status(&mut endpoint, "DELETE", &[session]), 200);
    assert_eq!(status(&mut endpoint, "DELETE", &[session]), 404);
    assert_eq!(post(&mut endpoint, &[session], &list).status, 404);
}

#[test]
fn one_session_too_many_ends_the_oldest() {
    let mut endpoint = Endpoint::default();
    for number in 0..=SESSIONS_MAX {
        open(&mut endpoint, &format!("s{number}"));
    }
    assert_eq!(status(&mut endpoint, "DELETE", &[("mcp-session-id", b"s0")]), 404);
    assert_eq!(status(&mut endpoint, "DELETE", &[("mcp-session-id", b"s1")]), 200);
}

#[test]
fn an_exchange_of_another_kind_has_its_own_status() {
    let mut endpoint = Endpoint::default();
    let body = initialize("2025-11-25").to_string();
    let mut answer = |verb: &str, path: &str, headers: &[(&str, &[u8])], body: &str| {
        endpoint.answer(verb, path, headers, body.as_bytes(), || Some("s".into()))
    };
    let get = answer("GET", PATH, &[BOTH], "");
    assert_eq!((get.status, get.headers.contains(&("allow", "POST, DELETE".into()))), (405, true));
    assert_eq!(answer("PUT", PATH, &[JSON, BOTH], &body).status, 405);
    assert_eq!(answer("POST", "/", &[JSON, BOTH], &body).status, 404);
    assert_eq!(answer("POST", PATH, &[BOTH], &body).status, 415);
    assert_eq!(answer("POST", PATH, &[JSON], &body).status, 406);
    assert_eq!(answer("POST", PATH, &[JSON, ("accept", b"application/json")], &body).status, 406);
    for bad in ["", "{", "[]", r#"{"jsonrpc":"2.0","id":1}"#] {
        assert_eq!(answer("POST", PATH, &[JSON, BOTH], bad).status, 400, "{bad}");
    }
    let refused = answer("POST", PATH, &[JSON, BOTH], r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#);
    assert_eq!(refused.headers.iter().filter(|(name, _)| *name == "mcp-session-id").count(), 0);
    assert_eq!(endpoint.answer("POST", PATH, &[JSON, BOTH], body.as_bytes(), || None).status, 500);
}

//! Messages that nobody thought of: the server answers or is silent, never breaks, and says no more than it may.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{EFFECTS_MAX, Endpoint, PATH, tool_names};

/// Longest answer: a file of the longest text, escaped at its worst, twice, and the rest.
const ANSWER_BYTES_MAX: usize = 1 << 20;

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3_i64..2_000_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        prop_oneof![
            Just("ana"),
            Just("ben"),
            Just("m-0001"),
            Just("/readme.md"),
            Just("/notes/x"),
            Just("payee-01"),
            Just("INV-2041"),
            Just("ben@example.com"),
            Just("GB82WEST12345698765432"),
            Just("inbox")
        ]
        .prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key(), inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "mailbox",
        "id",
        "folder",
        "text",
        "to",
        "subject",
        "body",
        "path",
        "overwrite",
        "limit",
        "status",
        "payee",
        "amount_cents",
        "reference",
        "invoice",
        "request_id",
        "name",
        "iban",
        "person",
        "day",
        "uri",
        "arguments",
        "cursor",
        "_meta",
        "protocolVersion",
        "capabilities",
    ];
    prop_oneof![6 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,9}"]
}

fn method() -> impl Strategy<Value = String> {
    let known = [
        "initialize",
        "ping",
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "prompts/list",
        "prompts/get",
        "server/discover",
        "notifications/initialized",
        "subscriptions/listen",
    ];
    prop_oneof![9 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,20}"]
}

/// A message that may be sound, may be a call of a tool, may be neither.
fn message() -> impl Strategy<Value = Value> {
    let tool = proptest::sample::select(tool_names());
    (method(), value(), tool, value(), any::<u8>()).prop_map(|(method, params, tool, arguments, turn)| {
        let params = match turn % 4 {
            0 => params,
            _ => json!({ "name": tool, "arguments": arguments }),
        };
        let method = if turn % 8 < 5 { "tools/call".to_owned() } else { method };
        let params =
            if turn & 64 == 0 && params.is_object() { with_meta(params, "2026-07-28") } else { params };
        json!({ "jsonrpc": "2.0", "id": turn, "method": method, "params": params })
    })
}

proptest! {
    #[test]
    fn random_messages_are_answered_within_bounds(messages in vec(message(), 1..24)) {
        let (mut server, mut session) = (Server::new(), Session::default());
        for message in &messages {
            let before = server.world().effects().len();
            if let Some(answer) = server.answer(&mut session, message.to_string().as_bytes()) {
                prop_assert!(answer.message.len() <= ANSWER_BYTES_MAX);
                let read: Value = serde_json::from_slice(&answer.message).unwrap();
                prop_assert!(read["result"].is_object() != read["error"].is_object());
                // What failed has changed nothing.
                if read["error"].is_object() || read["result"]["isError"] == true {
                    prop_assert_eq!(server.world().effects().len(), before);
                }
            }
            prop_assert!(server.world().effects().len() <= before + 1);
        }
    }

    #[test]
    fn random_bytes_never_break_the_server(
        bytes in vec(any::<u8>(), 0..200), verb in "GET|POST|DELETE|X", header in vec(any::<u8>(), 0..20)
    ) {
        let mut endpoint = Endpoint::default();
        let headers: [(&str, &[u8]); 4] = [
            ("content-type", b"application/json"), ("accept", b"*/*"), ("mcp-session-id", &header),
            ("mcp-protocol-version", &header),
        ];
        let answered = endpoint.answer(&verb, PATH, &headers, &bytes, || None);
        prop_assert!(answered.status >= 200 && answered.status < 500);
    }

    #[test]
    fn the_same_messages_make_the_same_world(messages in vec(message(), 0..16)) {
        let run = || {
            let (mut server, mut session) = (Server::new(), Session::default());
            for message in &messages {
                server.answer(&mut session, message.to_string().as_bytes());
            }
            server.world().effects().to_vec()
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn a_world_takes_so_many_changes_and_no_more() {
    let mut server = Server::new();
    let world = server.world_mut();
    for number in 0..EFFECTS_MAX {
        world.write_file("/notes/x.txt", &number.to_string(), true).unwrap();
    }
    assert_eq!(world.now(), "2026-11-23T11:46:40Z");
    for result in [
        call(&mut server, "write_file", json!({ "path": "/notes/x.txt", "text": "y", "overwrite": true })),
        call(&mut server, "delete_mail", json!({ "mailbox": "ana", "id": "m-0001" })),
        call(
            &mut server,
            "send_mail",
            json!({ "mailbox": "ana", "to": ["a@example.org"], "subject": "s", "body": "" }),
        ),
        call(&mut server, "add_payee", json!({ "name": "x", "iban": "AT611904300234573201" })),
        call(
            &mut server,
            "make_payment",
            json!({ "payee": "payee-01", "amount_cents": 1, "reference": "x" }),
        ),
    ] {
        assert_eq!(result["isError"], true, "{result}");
        assert!(result["content"][0]["text"].as_str().unwrap().contains("takes no more changes"), "{result}");
    }
    assert_eq!(server.world().file("/notes/x.txt").unwrap(), (EFFECTS_MAX - 1).to_string());
}

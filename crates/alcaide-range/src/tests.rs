//! Tests of the server as its callers see it: messages and exchanges.

mod exchanges;
mod messages;
mod properties;

use alcaide_wire::mcp::meta_key;
use serde_json::{Value, json};

use crate::{Server, Session};

/// Sends one message and reads the answer.
fn ask(server: &mut Server, session: &mut Session, message: &Value) -> Option<Value> {
    let answer = server.answer(session, message.to_string().as_bytes())?;
    let value: Value = serde_json::from_slice(&answer.message).unwrap();
    assert_eq!(value["error"]["code"].as_i64(), answer.error_code);
    Some(value)
}

/// A request of the stateless generation.
fn stateless(method: &str, params: Value) -> Value {
    request(method, with_meta(params, "2026-07-28"))
}

fn with_meta(mut params: Value, version: &str) -> Value {
    params["_meta"] = json!({ meta_key::PROTOCOL_VERSION: version, meta_key::CLIENT_CAPABILITIES: {} });
    params
}

fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

fn initialize(version: &str) -> Value {
    let client = json!({ "name": "test", "version": "1" });
    request("initialize", json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client }))
}

/// A server and a session of that handshake revision.
fn open(version: &str) -> (Server, Session) {
    let (mut server, mut session) = (Server::new(), Session::default());
    let answer = ask(&mut server, &mut session, &initialize(version)).unwrap();
    assert_eq!(answer["result"]["protocolVersion"], version);
    (server, session)
}

/// Calls a tool in the stateless generation; gives the result.
fn call(server: &mut Server, tool: &str, arguments: Value) -> Value {
    let message = stateless("tools/call", json!({ "name": tool, "arguments": arguments }));
    ask(server, &mut Session::default(), &message).unwrap()["result"].take()
}

//! The agent: a client of the gate as any other, over the Model Context Protocol's HTTP transport with a handshake.
//!
//! What it wants comes from the script. It holds a token, and nothing of the house but the gate's URL.
//!
//! Source: Model Context Protocol 2025-11-25, "Lifecycle" and "Transports".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::fail::{ANSWER, Failure, UNREACHABLE};

/// The revision that it speaks.
const REVISION: &str = "2025-11-25";
/// Longest answer that it reads, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Longest wait for an answer; a call that waits for people is held for 25 seconds.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A client of one tool server behind the gate.
pub(super) struct Agent {
    /// Host and port of the gate.
    authority: String,
    path: String,
    token: watch::Receiver<Arc<HeaderValue>>,
    session: Option<HeaderValue>,
    asked: u64,
}

/// What came back for a request.
#[derive(Debug)]
pub(super) enum Said {
    /// What was asked for.
    Result(Value),
    /// No, and why.
    No {
        /// In words.
        message: String,
        /// The rest: code, cure, question.
        more: Value,
    },
}

impl Said {
    /// The text of a tool's result.
    pub(super) fn text(&self) -> String {
        let Self::Result(result) = self else { return String::new() };
        let parts = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
        texts.collect::<Vec<_>>().join("\n")
    }

    /// What a refusal says besides its words.
    pub(super) fn told(&self, name: &str) -> Option<&str> {
        let Self::No { more, .. } = self else { return None };
        more.get(name).and_then(Value::as_str)
    }
}

impl Agent {
    /// Shakes hands with `server` behind the gate.
    ///
    /// # Errors
    /// The gate is not to be reached, or says no.
    pub(super) async fn meet(
        gate: &str,
        server: &str,
        token: watch::Receiver<Arc<HeaderValue>>,
    ) -> Result<Self, Failure> {
        let authority = gate.strip_prefix("http://").unwrap_or(gate).to_owned();
        let mut agent = Self { authority, path: format!("/mcp/{server}"), token, session: None, asked: 0 };
        let hello = json!({
            "protocolVersion": REVISION,
            "capabilities": {},
            "clientInfo": { "name": "alcaide-demo", "version": env!("CARGO_PKG_VERSION") },
        });
        if let Said::No { message, .. } = agent.ask("initialize", hello).await? {
            return Err(agent.odd(&message));
        }
        agent.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(agent)
    }

    /// The tools that it is offered, by name.
    pub(super) async fn tools(&mut self) -> Result<Vec<String>, Failure> {
        let Said::Result(result) = self.ask("tools/list", json!({})).await? else { return Ok(Vec::new()) };
        let tools = result.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let name = |tool: &Value| tool.get("name").and_then(Value::as_str).map(str::to_owned);
        Ok(tools.iter().filter_map(name).collect())
    }

    /// Calls a tool.
    pub(super) async fn call(&mut self, tool: &str, arguments: &Value) -> Result<Said, Failure> {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    async fn ask(&mut self, method: &str, params: Value) -> Result<Said, Failure> {
        self.asked = self.asked.saturating_add(1);
        let id = self.asked;
        let bytes =
            self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await?;
        let answer = answer(&bytes).ok_or_else(|| self.odd("it is no JSON-RPC message"))?;
        if let Some(result) = answer.get("result") {
            return Ok(Said::Result(result.clone()));
        }
        let error = answer.get("error").ok_or_else(|| self.odd("it has neither result nor error"))?;
        Ok(Said::No {
            message: error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
            more: error.get("data").cloned().unwrap_or_default(),
        })
    }

    /// One message, and the body that came for it.
    async fn send(&mut self, message: &Value) -> Result<Bytes, Failure> {
        let exchanged = tokio::time::timeout(ANSWER_WAIT_MAX, self.exchange(message)).await;
        let (session, bytes) = exchanged
            .map_err(|_| self.unreachable("it did not answer within a minute"))?
            .map_err(|why| self.unreachable(&why))?;
        if session.is_some() {
            self.session = session;
        }
        Ok(bytes)
    }

    async fn exchange(&self, message: &Value) -> Result<(Option<HeaderValue>, Bytes), String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| said(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| said(&error))?;
        // Ends with the response: an error of it shows there.
        tokio::spawn(connection);
        let mut request = Request::new(Full::new(Bytes::from(message.to_string())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.parse().map_err(|error: http::uri::InvalidUri| said(&error))?;
        let token = HeaderValue::clone(&self.token.borrow());
        let host = HeaderValue::from_str(&self.authority).map_err(|error| said(&error))?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(AUTHORIZATION, token);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
            headers.insert(VERSION, HeaderValue::from_static(REVISION));
        }
        let response = sender.send_request(request).await.map_err(|error| said(&error))?;
        let session = response.headers().get(SESSION).cloned();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((session, body.map_err(|error| said(&error))?.to_bytes()))
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::new(&UNREACHABLE, "the gate could not be asked").at(&self.authority).why(why)
    }

    fn odd(&self, why: &str) -> Failure {
        Failure::new(&ANSWER, "the gate's answer was not understood").at(&self.authority).why(why)
    }
}

/// The response within a body: the body itself, or the event of a stream that is one.
///
/// Source: WHATWG HTML, section 9.2.6, as far as messages of this protocol need it.
fn answer(body: &[u8]) -> Option<Value> {
    if let Ok(whole) = serde_json::from_slice(body) {
        return Some(whole);
    }
    let text = std::str::from_utf8(body).ok()?.replace("\r\n", "\n");
    let data = |event: &str| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    };
    let mut messages = text.split("\n\n").filter_map(|event| serde_json::from_str(&data(event)).ok());
    messages.find(|message: &Value| message.get("result").or_else(|| message.get("error")).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_in_either_form_of_a_body() {
        let whole = br#"{"jsonrpc":"2.0","id":1,"result":{"a":1}}"#;
        assert_eq!(answer(whole).unwrap()["result"]["a"], 1);
        let stream = b"event: message\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\r\n\r\n: still here\r\n\r\n\
            event: message\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata:\"id\":1,\"error\":{\"code\":-1}}\r\n\r\n";
        assert_eq!(answer(stream).unwrap()["error"]["code"], -1);
        assert!(answer(b"").is_none() && answer(b"data: {}\n\n").is_none() && answer(b"\xff").is_none());
    }

    #[test]
    fn the_text_of_a_result_and_the_rest_of_a_refusal_are_read() {
        let result =
            Said::Result(json!({ "content": [{ "type": "text", "text": "a" }, { "type": "image" }] }));
        assert_eq!((result.text().as_str(), result.told("code")), ("a", None));
        let no = Said::No { message: "m".into(), more: json!({ "code": "ALC-GATE-0022" }) };
        assert_eq!((no.text().as_str(), no.told("code")), ("", Some("ALC-GATE-0022")));
    }
}

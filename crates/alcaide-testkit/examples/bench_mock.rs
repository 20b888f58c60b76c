//! A fixed upstream for measurements: one chat answer, one stream of 32 chunks, one tool server; 127.0.0.1 only.
//!
//! Prints `listening on 127.0.0.1:PORT` and serves until its standard input ends. With `--bearer SECRET` the model API
//! wants that credential, so that a measurement notices when a gateway passes on something else.

mod http1;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use http1::{Framing, Wire};
use serde_json::{Value, json};

/// Most connections at one time.
const CONNECTIONS_MAX: usize = 1_024;
/// Chunks of a stream.
const CHUNKS: usize = 32;
const TEXT: &str = "The quick brown fox jumps over the lazy dog. Sphinx of black quartz, judge my vow. Pack my box with \
    five dozen liquor jugs. How vexingly quick daft zebras jump. The five boxing wizards jump quickly at dawn over the \
    misty hills while the river keeps its own slow counsel.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let bearer = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => None,
        ["--bearer", secret] => Some(format!("bearer {secret}").to_ascii_lowercase()),
        _ => {
            eprintln!("usage: bench_mock [--bearer SECRET]");
            return ExitCode::from(2);
        }
    };
    match serve(bearer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(bearer: Option<String>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let answers = Arc::new(Answers::new(bearer));
    let open = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            let (answers, open) = (Arc::clone(&answers), Arc::clone(&open));
            let thread = thread::Builder::new().stack_size(256 * 1024);
            let _ = thread.spawn(move || {
                let _ = answers.speak(stream);
                open.fetch_sub(1, Ordering::AcqRel);
            });
        }
    });
    io::stdin().read_to_end(&mut Vec::new()).map(|_| ())
}

/// All answers, written once.
struct Answers {
    bearer: Option<String>,
    chat: Vec<u8>,
    models: Vec<u8>,
    unknown: Vec<u8>,
    stream_head: Vec<u8>,
    stream: Vec<Vec<u8>>,
    usage: Vec<u8>,
    stream_end: Vec<u8>,
}

impl Answers {
    fn new(bearer: Option<String>) -> Self {
        let usage = json!({ "prompt_tokens": 42, "completion_tokens": 64, "total_tokens": 106 });
        let chat = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "mock-model",
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": TEXT } }],
            "usage": usage,
        });
        let models = json!({ "object": "list", "data": [
            { "id": "mock-model", "object": "model", "created": 1_700_000_000, "owned_by": "mock" },
        ] });
        let event = |choices: Value, usage: Option<&Value>| {
            let mut event = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000,
                "model": "mock-model", "choices": choices,
            });
            if let (Some(event), Some(usage)) = (event.as_object_mut(), usage) {
                event.insert("usage".into(), usage.clone());
            }
            chunk(&format!("data: {event}\n\n"))
        };
        let stream = (0..CHUNKS).map(|at| {
            let delta = match at {
                0 => json!({ "role": "assistant", "content": "" }),
                _ => json!({ "content": format!("word{at} ") }),
            };
            let finish = if at + 1 == CHUNKS { json!("stop") } else { Value::Null };
            event(json!([{ "index": 0, "delta": delta, "finish_reason": finish }]), None)
        });
        let mut stream_end = chunk("data: [DONE]\n\n");
        stream_end.extend_from_slice(b"0\r\n\r\n");
        Self {
            bearer,
            chat: answer("200 OK", &chat.to_string()),
            models: answer("200 OK", &models.to_string()),
            unknown: answer(
                "401 Unauthorized",
                &json!({ "error": { "message": "wrong credential" } }).to_string(),
            ),
            stream_head: b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
                transfer-encoding: chunked\r\n\r\n"
                .to_vec(),
            stream: stream.collect(),
            usage: event(json!([]), Some(&usage)),
            stream_end,
        }
    }

    fn speak(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = Wire::new(stream)?;
        let mut body = Vec::new();
        while let Some(head) = wire.head()? {
            if head.field("expect").is_some() {
                wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            match head.framing {
                Framing::Untold => body.clear(),
                framing => {
                    wire.body(framing, &mut body)?;
                }
            }
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            if head.word(1).contains("/mcp") {
                wire.send(&tool_server(head.word(0), &asked))?;
            } else if self.bearer.as_ref().is_some_and(|bearer| {
                !head.field("authorization").is_some_and(|given| given.eq_ignore_ascii_case(bearer))
            }) {
                wire.send(&self.unknown)?;
            } else if head.word(1).ends_with("/models") {
                wire.send(&self.models)?;
            } else if asked.get("stream").and_then(Value::as_bool) == Some(true) {
                // Chunk by chunk, as a model writes.
                wire.send(&self.stream_head)?;
                for chunk in &self.stream {
                    wire.send(chunk)?;
                }
                if asked.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true) {
                    wire.send(&self.usage)?;
                }
                wire.send(&self.stream_end)?;
            } else {
                wire.send(&self.chat)?;
            }
            if head.closes {
                break;
            }
        }
        Ok(())
    }
}

/// A tool server of both eras of the Model Context Protocol, with the one tool `echo`.
fn tool_server(method: &str, asked: &Value) -> Vec<u8> {
    if method != "POST" {
        return answer("405 Method Not Allowed", "");
    }
    let Some(id) = asked.get("id") else { return answer("202 Accepted", "") };
    let capabilities = json!({ "tools": {} });
    let server = json!({ "name": "mock", "version": "1" });
    let result = match asked.get("method").and_then(Value::as_str).unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": asked.pointer("/params/protocolVersion").unwrap_or(&json!("2025-11-25")),
            "capabilities": capabilities, "serverInfo": server,
        }),
        "server/discover" => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
            "serverInfo": server,
        }),
        "tools/list" => json!({ "resultType": "complete", "tools": [{
            "name": "echo", "description": "Answers with a fixed text.",
            "inputSchema": { "type": "object", "properties": { "text": { "type": "string" } } },
        }] }),
        "tools/call" => json!({
            "resultType": "complete", "isError": false,
            "content": [{ "type": "text", "text": "hello from the tool" }],
        }),
        _ => json!({ "resultType": "complete" }),
    };
    answer("200 OK", &json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string())
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

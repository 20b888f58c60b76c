//! A tool server that says to each message exactly what a test puts into its mouth.

use super::*;

/// What it does after it has said its piece.
#[derive(Clone)]
pub(crate) enum Then {
    /// The connection ends.
    Close,
    /// The stream stays open and silent.
    Hold,
    /// The same again and again, as fast as it is read.
    Repeat(Bytes),
}

/// What it says to one message.
#[derive(Clone)]
pub(crate) struct Says(pub(crate) Bytes, pub(crate) Then);

impl Says {
    /// A JSON message.
    pub(crate) fn json(message: &Value) -> Self {
        let text = message.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: theirs\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            text.len()
        );
        Self((head + &text).into(), Then::Close)
    }

    /// The result of the request `asked`.
    pub(crate) fn result(asked: &Value, result: &Value) -> Self {
        Self::json(&serde_json::json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }))
    }

    /// A stream that begins with these events.
    pub(crate) fn events(events: &str, then: Then) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self(format!("{head}{events}").into(), then)
    }
}

/// A text as the result of a tool.
pub(crate) fn text_result(text: &str) -> Value {
    serde_json::json!({ "content": [{ "type": "text", "text": text }], "isError": false })
}

/// The server; it speaks the handshake generation and offers one tool, `look`.
pub(crate) struct Puppet {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Puppet {
    /// Starts it; `script` is given the verb and the message, and leaves to the server what it says nothing to.
    pub(crate) async fn start(script: impl Fn(&str, &Value) -> Option<Says> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(script);
        let task = tokio::spawn(async move {
            let mut talks = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let script = Arc::clone(&script);
                talks.spawn(async move { talk(stream, &*script).await });
            }
        });
        Self { address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// A house before it.
    pub(crate) fn setup(&self) -> Setup {
        Setup::people().tools("small", &self.url())
    }
}

async fn talk(mut stream: TcpStream, script: &(dyn Fn(&str, &Value) -> Option<Says> + Send + Sync)) {
    let mut heard = Vec::new();
    let (verb, message) = loop {
        if stream.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&heard);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            let verb = head.split(' ').next().unwrap().to_owned();
            break (verb, serde_json::from_str(body).unwrap_or(Value::Null));
        }
    };
    let Says(bytes, then) = script(&verb, &message).unwrap_or_else(|| plainly(&message));
    if stream.write_all(&bytes).await.is_err() {
        return;
    }
    match then {
        Then::Close => {}
        Then::Hold => std::future::pending::<()>().await,
        Then::Repeat(piece) => while stream.write_all(&piece).await.is_ok() {},
    }
}

/// What it says by itself.
fn plainly(message: &Value) -> Says {
    match message["method"].as_str().unwrap_or_default() {
        "initialize" => Says::result(
            message,
            &serde_json::json!({
                "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
                "serverInfo": { "name": "puppet", "version": "1" },
            }),
        ),
        "tools/list" => Says::result(
            message,
            &serde_json::json!({ "tools": [{ "name": "look", "inputSchema": { "type": "object" } }] }),
        ),
        "tools/call" => Says::result(message, &text_result("seen")),
        _ => {
            let head = "HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            Says(head.into(), Then::Close)
        }
    }
}

//! The relay between public client libraries and a model server that keeps what it hears.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use alcaide_testkit::{Cut, Fail, Gate, ModelServer, Script, python};

use super::*;

struct Bench {
    server: ModelServer,
    addr: std::net::SocketAddr,
    key: String,
    token: watch::Sender<Arc<HeaderValue>>,
    _runtime: tokio::runtime::Runtime,
}

fn value(text: &'static str) -> Arc<HeaderValue> {
    Arc::new(HeaderValue::from_static(text))
}

/// A relay to a model server, with a token that the test changes.
fn bench(script: Script) -> Bench {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = ModelServer::start(script).unwrap();
    let key = placeholder().unwrap();
    let text = key.expose().to_owned();
    let token = watch::Sender::new(value("Bearer first"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let relay = Relay::new(&server.url(""), key, token.subscribe()).unwrap();
    runtime.block_on(async { relay.serve(listener) }).unwrap();
    Bench { server, addr, key: text, token, _runtime: runtime }
}

impl Bench {
    fn ask(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn begin_stream(&self) -> TcpStream {
        let body = r#"{"model":"small","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
        let mut stream = TcpStream::connect(self.addr).unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }
}

#[test]
fn client_libraries_pass_with_the_token_of_the_hour() {
    let bench = bench(Script::says("Paid and filed."));
    let ask = || {
        let url = format!("http://{}/v1", bench.addr);
        let env = [
            ("OPENAI_BASE_URL", url.as_str()),
            ("OPENAI_API_KEY", &bench.key),
            ("MODEL", "small"),
            ("ACTS", "chat,stream"),
        ];
        python("openai_client.py", &env).unwrap()
    };
    let before = ask();
    assert_eq!(before["stream"]["text"], "Paid and filed.");
    assert_eq!(before["chat"]["text"], "Paid and filed.");
    bench.token.send_replace(value("Bearer second"));
    assert_eq!(ask(), before);
    let heard: Vec<_> = bench.server.heard();
    let tokens: Vec<_> = heard.iter().map(|one| one.header("authorization").unwrap()).collect();
    assert_eq!(tokens, ["Bearer first", "Bearer first", "Bearer second", "Bearer second"]);
    for one in &heard {
        assert_eq!(one.header("host"), Some(bench.server.address().to_string().as_str()));
        assert_eq!(one.header("x-api-key"), None);
    }
}

#[test]
fn both_places_of_a_key_become_one_token() {
    let bench = bench(Script::says("Yes."));
    let (key, host) = (&bench.key, bench.addr);
    let answer = bench.ask(&format!(
        "POST /anthropic/v1/messages?x=1 HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\nauthorization: bearer {key}\r\n\
         dpop: proof\r\nconnection: close, x-hop\r\nx-hop: 1\r\nx-kept: 2\r\ncontent-length: 2\r\n\r\n{{}}"
    ));
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let heard = bench.server.heard();
    let one = heard.first().unwrap();
    assert_eq!(one.header("authorization"), Some("Bearer first"));
    for gone in ["x-api-key", "dpop", "x-hop"] {
        assert_eq!(one.header(gone), None, "{gone}");
    }
    assert_eq!(one.header("x-kept"), Some("2"));
}

#[test]
fn whoever_does_not_hold_the_placeholder_is_refused_before_the_gate() {
    let bench = bench(Script::says("Never."));
    let key = &bench.key;
    let cut = &key[..key.len() - 1];
    let keys = [
        String::new(),
        "authorization: Bearer first\r\n".into(),
        format!("authorization: Bearer {cut}\r\n"),
        format!("authorization: Bearer {key}x\r\n"),
        format!("authorization: Basic {key}\r\n"),
        format!("authorization: {key}\r\n"),
        "x-api-key: \r\n".into(),
        format!("x-api-key: {key}\r\nauthorization: Bearer other\r\n"),
        format!("x-api-key: {key}\r\nx-api-key: other\r\n"),
    ];
    for given in &keys {
        let answer =
            bench.ask(&format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{given}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 401 "), "{given}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains(RUN_RELAY.code), "{answer}");
    }
    let connect = bench
        .ask(&format!("CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\r\n"));
    assert!(connect.starts_with("HTTP/1.1 405 "), "{connect}");
    assert_eq!(bench.server.arrived(), 0);
}

#[test]
fn an_absolute_target_still_goes_to_the_gate() {
    let bench = bench(Script::says("Yes."));
    let key = &bench.key;
    bench.ask(&format!(
        "POST http://example.com/v1/chat/completions HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\
         authorization: Bearer {key}\r\ncontent-length: 2\r\n\r\n{{}}"
    ));
    assert_eq!(
        bench.server.heard().first().unwrap().header("host"),
        Some(bench.server.address().to_string().as_str())
    );
}

#[test]
fn events_pass_while_the_answer_is_still_being_said() {
    let gate = Gate::closed();
    let script = Script::says("one two three four").cut(Cut::Words).failing(Fail::SilentFor(gate.clone()));
    let bench = bench(script);
    let mut stream = bench.begin_stream();
    let (mut heard, mut buffer) = (String::new(), [0; 4096]);
    while !heard.contains("one") {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "{heard}");
        heard.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert!(!heard.contains("four"), "{heard}");
    gate.open();
    while !heard.contains("[DONE]") {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "{heard}");
        heard.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert!(heard.contains("four"), "{heard}");
}

#[test]
fn a_caller_that_hangs_up_is_hung_up_on_at_the_gate() {
    let bench = bench(Script::says("on and on").failing(Fail::EndlessStream));
    let mut stream = bench.begin_stream();
    let mut buffer = [0; 4096];
    assert_ne!(stream.read(&mut buffer).unwrap(), 0);
    drop(stream);
    let late = std::time::Instant::now() + alcaide_testkit::DEADLINE;
    while bench.server.abandoned() == 0 {
        assert!(std::time::Instant::now() < late, "the gate was not told");
        std::thread::yield_now();
    }
}

#[test]
fn a_gate_that_is_gone_is_told_as_such() {
    let bench = bench(Script::says("Never."));
    let (key, addr) = (bench.key.clone(), bench.addr);
    let free = { TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap() };
    let gone =
        Relay::new(&format!("http://{free}"), SecretText::new(key.clone()), bench.token.subscribe()).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let other = Bench { addr: listener.local_addr().unwrap(), ..bench };
    other._runtime.block_on(async { gone.serve(listener) }).unwrap();
    assert_ne!(addr, other.addr);
    let answer =
        other.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("cannot be reached"), "{answer}");
}

#[test]
fn tokens_never_leave_in_clear_text() {
    let token = watch::Sender::new(value("Bearer t"));
    let relay = |gate: &str| Relay::new(gate, placeholder().unwrap(), token.subscribe()).map(|_| ());
    for good in ["https://gate.example", "http://127.0.0.1:7100", "http://localhost:1", "http://[::1]:2"] {
        assert!(relay(good).is_ok(), "{good}");
    }
    for bad in ["http://gate.example", "http://127.0.0.1.example", "gate", "", "/"] {
        assert!(relay(bad).is_err(), "{bad}");
    }
}

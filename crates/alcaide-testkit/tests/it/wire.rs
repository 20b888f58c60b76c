//! What is on the wire, read by a socket and nothing else.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use alcaide_testkit::{Fail, Gate, Lie, ModelServer, Script};

const ASK: &str = r#"{"model":"m","messages":[]}"#;
const ASK_STREAM: &str = r#"{"model":"m","messages":[],"stream":true}"#;

fn request(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Odd:  Spaces \r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn send(server: &ModelServer, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request(body).as_bytes()).unwrap();
    stream
}

/// Reads until `enough` says so or the connection ends; also tells whether it ended.
fn read(stream: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> (Vec<u8>, bool) {
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while !enough(&all) {
        match stream.read(&mut piece) {
            Ok(0) => return (all, true),
            Ok(count) => all.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (all, true),
            Err(error) => panic!("{error}"),
        }
    }
    (all, false)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Head, announced length and body of an answer with a length.
fn split(answer: &[u8]) -> (String, usize, Vec<u8>) {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(answer[..at].to_vec()).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    (head, length, answer[at..].to_vec())
}

fn whole(answer: &[u8]) -> bool {
    if !has(answer, "\r\n\r\n") {
        return false;
    }
    let (_, length, body) = split(answer);
    body.len() >= length
}

#[test]
fn requests_are_kept_byte_for_byte_and_counted() {
    let server = ModelServer::start(Script::says("ok")).unwrap();
    let mut stream = send(&server, ASK);
    assert!(!read(&mut stream, whole).1);
    // The second on the same connection, in chunks.
    let chunked = "POST /v1/chat/completions HTTP/1.1\r\nhost: y\r\ntransfer-encoding: chunked\r\n\r\n\
                   9\r\n{\"model\":\r\n4;x=y\r\n\"m\"}\r\n0\r\n\r\n";
    stream.write_all(chunked.as_bytes()).unwrap();
    assert!(!read(&mut stream, whole).1);
    let heard = server.heard();
    assert_eq!(heard[0].raw, request(ASK).as_bytes());
    assert_eq!([&heard[0].head[..], &heard[0].body[..]].concat(), request(ASK).as_bytes());
    assert_eq!(heard[1].raw, chunked.as_bytes());
    assert_eq!(&heard[1].body[..], br#"{"model":"m"}"#);
    assert!(heard.iter().all(|heard| heard.complete));
    assert_eq!((server.arrived(), server.counter().load(Ordering::SeqCst)), (2, 2));
}

#[test]
fn scripts_are_chosen_by_header_then_model_then_queue_then_default() {
    let server = ModelServer::start(Script::says("default")).unwrap();
    server.name("m", Script::says("by model"));
    server.name("h", Script::says("by header"));
    server.queue([Script::says("queued")]);
    let ask = |header: &str, model: &str| {
        let body = format!(r#"{{"model":"{model}"}}"#);
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let text = format!(
            "POST /responses HTTP/1.1\r\nhost: x\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let (_, _, body) = split(&read(&mut stream, whole).0);
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        value["output"][0]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask("x-script: h\r\n", "m"), "by header");
    assert_eq!(ask("x-script: unknown\r\n", "m"), "by model");
    assert_eq!(ask("", "other"), "queued");
    assert_eq!(ask("", "other"), "default");
    server.play(Script::says("new default"));
    assert_eq!(ask("", "other"), "new default");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let server = ModelServer::start(Script::says("never").failing(Fail::NeverAnswer)).unwrap();
    let stream = send(&server, ASK);
    server.until_arrived(1).await.unwrap();
    assert_eq!(server.abandoned(), 0);
    drop(stream);
    server.until_abandoned(1).await.unwrap();

    server.play(Script::says("again and").failing(Fail::EndlessStream));
    let mut stream = send(&server, ASK_STREAM);
    let (read_bytes, ended) = read(&mut stream, |all| all.len() > 1 << 20);
    assert!(!ended && has(&read_bytes, r#""content":"and""#) && !has(&read_bytes, "[DONE]"));
    drop(stream);
    server.until_abandoned(2).await.unwrap();
    assert_eq!((server.arrived(), server.answered()), (2, 0));
}

#[tokio::test]
async fn a_silent_answer_waits_for_its_gate() {
    let gate = Gate::closed();
    let script = Script::says("a b c d").failing(Fail::SilentFor(gate.clone()));
    let server = ModelServer::start(script).unwrap();
    let mut stream = send(&server, ASK_STREAM);
    let (first, _) = read(&mut stream, |all| has(all, r#""content":"b ""#));
    assert!(!has(&first, r#""content":"d""#));
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    let mut document = send(&server, ASK);
    server.until_arrived(2).await.unwrap();
    assert_eq!(server.answered(), 0);
    gate.open();
    assert!(!read(&mut stream, |all| has(all, "[DONE]")).1);
    assert!(!read(&mut document, whole).1);
    server.until_answered(2).await.unwrap();
    assert_eq!(server.abandoned(), 0);
}

#[test]
fn a_body_dies_after_exactly_so_many_bytes() {
    let server = ModelServer::start(Script::says("a b c")).unwrap();
    for count in [0_u64, 1, 100, 101] {
        server.play(Script::says("a b c").failing(Fail::DieAfterBytes(count)));
        let (answer, ended) = read(&mut send(&server, ASK), |_| false);
        let (_, length, body) = split(&answer);
        assert!(ended && length as u64 > count);
        assert_eq!(body.len() as u64, count);
        let (answer, ended) = read(&mut send(&server, ASK_STREAM), |_| false);
        assert!(ended && !answer.ends_with(b"0\r\n\r\n"));
    }
    assert_eq!((server.answered(), server.abandoned()), (8, 0));
}

#[test]
fn lengths_lie_in_both_directions() {
    let server = ModelServer::start(Script::says("ok")).unwrap();
    let honest = split(&read(&mut send(&server, ASK), whole).0);
    server.play(Script::says("ok").failing(Fail::LyingContentLength(Lie::More(5))));
    let (answer, ended) = read(&mut send(&server, ASK), |_| false);
    let (_, length, body) = split(&answer);
    assert!(ended);
    assert_eq!((length, body), (honest.1 + 5, honest.2.clone()));

    let forged = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    server.play(Script::says("ok").failing(Fail::LyingContentLength(Lie::Less(forged))));
    let mut stream = send(&server, ASK);
    let (answer, ended) = read(&mut stream, |all| all.ends_with(b"evil"));
    let (_, length, body) = split(&answer);
    assert!(!ended);
    assert_eq!((length, body), (honest.1, [&honest.2[..], forged].concat()));
}

#[test]
fn a_bomb_expands_to_what_was_promised() {
    let server =
        ModelServer::start(Script::says("").failing(Fail::GzipBomb { expanded_bytes: 3 << 20 })).unwrap();
    let (head, length, body) = split(&read(&mut send(&server, ASK), whole).0);
    assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
    assert_eq!(body.len(), length);
    assert!(length < 32 << 10, "{length}");
    let folder = std::env::temp_dir().join(format!("alcaide-bomb-{}", std::process::id()));
    std::fs::write(&folder, &body).unwrap();
    let expanded =
        Command::new("gzip").arg("-dc").stdin(std::fs::File::open(&folder).unwrap()).output().unwrap();
    std::fs::remove_file(&folder).unwrap();
    assert!(expanded.status.success(), "{expanded:?}");
    assert!(expanded.stdout.len() >= 3 << 20 && expanded.stdout.iter().all(|byte| *byte == b' '));
}

#[test]
fn what_is_no_request_for_a_model_is_refused() {
    let server = ModelServer::start(Script::says("ok")).unwrap();
    for (body, status) in [("{", "400"), ("{}", "400"), (r#"{"model":"m"}"#, "200")] {
        let (head, ..) = split(&read(&mut send(&server, body), whole).0);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{body}: {head}");
    }
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(split(&read(&mut stream, whole).0).0.starts_with("HTTP/1.1 404"));
}

#[test]
fn a_server_ends_with_its_connections_and_comes_back_at_its_address() {
    let server = ModelServer::start(Script::says("").failing(Fail::NeverAnswer)).unwrap();
    let (address, counter) = (server.address(), server.counter());
    let mut waiting = send(&server, ASK);
    // Wait for the request by its effect on the shared counter's owner, then take the server away.
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(server.until_arrived(1))
        .unwrap();
    drop(server);
    assert!(read(&mut waiting, |_| false).1);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let again = ModelServer::start_at(address, Script::says("back"), Arc::clone(&counter)).unwrap();
    assert!(!read(&mut send(&again, ASK), whole).1);
    assert_eq!(counter.load(Ordering::SeqCst), 2);
}

//! What cannot be read alike by every reader is not sent.

use alcaide_serve::Limits;
use alcaide_testkit::{ModelServer, Script};

use crate::house::*;

fn server() -> ModelServer {
    ModelServer::start(Script::says("hi")).unwrap()
}

#[tokio::test]
async fn json_that_two_readers_may_read_in_two_ways_is_refused() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let with = |member: &str| format!(r#"{{"model":"test-model","messages":[],{member}}}"#).into_bytes();
    let deep = |depth: usize| with(&format!("\"metadata\":{}{}", "[".repeat(depth), "]".repeat(depth)));
    let mut bom = b"\xef\xbb\xbf".to_vec();
    bom.extend(with("\"x\":1"));
    let mut trailing = with("\"x\":1");
    trailing.extend(b"{}");
    let mut bad_utf8 = with("\"x\":\"?\"");
    let at = bad_utf8.iter().position(|byte| *byte == b'?').unwrap();
    bad_utf8[at] = 0xff;
    for (what, body) in [
        ("a key twice", with(r#""model":"other""#)),
        ("a key twice, escaped", with(r#""m\u006fdel":"other""#)),
        ("a key twice but for case", with(r#""Model":"other""#)),
        ("a key twice, deep within", with(r#""x":[{"a":1,"a":2}]"#)),
        ("a byte order mark", bom),
        ("bytes behind it", trailing),
        ("a number beyond 64 bits", with(r#""x":123456789012345678901234567890"#)),
        ("a number beyond doubles", with(r#""x":1e999"#)),
        ("half a surrogate pair", with(r#""x":"\ud800""#)),
        ("bytes that are no UTF-8", bad_utf8),
        ("too deep", deep(1_000)),
        ("a comment", with("\"x\":1/**/")),
        ("a comma too many", with("\"x\":1,")),
        ("NaN", with("\"x\":NaN")),
        ("nothing", Vec::new()),
    ] {
        for path in [CHAT, "/v1/messages", "/v1/responses"] {
            let answer = house.post(path, &token, body.clone()).await;
            assert_eq!(
                (answer.status, answer.code().await.as_str()),
                (400, "ALC-GATE-0014"),
                "{what}: {path}"
            );
        }
    }
    for body in ["[]", r#"{"messages":[]}"#, r#"{"model":7,"messages":[]}"#, r#"{"model":"test-model"}"#] {
        let answer = house.post(CHAT, &token, body).await;
        assert_eq!((answer.status, answer.code().await.as_str()), (400, "ALC-GATE-0016"), "{body}");
    }
    assert_eq!(house.post(CHAT, &token, deep(5)).await.status, 200);
    assert_eq!(server.arrived(), 1);
    assert_eq!(house.audit().await.len(), 1);
    assert_eq!(house.refusals().await.len(), 15 * 3 + 4);
}

#[tokio::test]
async fn only_plain_json_is_taken() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/jsonl"),
        ("content-type", ""),
        ("content-encoding", "gzip"),
        ("content-encoding", "identity"),
    ] {
        let mut request = post(CHAT, &token, chat("hi"));
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(send(house.address, request).await.status, 415, "{name}: {value}");
    }
    let mut request = post(CHAT, &token, chat("hi"));
    request.headers_mut().insert("content-type", "Application/JSON; charset=utf-8".parse().unwrap());
    assert_eq!(send(house.address, request).await.status, 200);
    assert_eq!(server.arrived(), 1);
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_limit_and_not_a_byte_beyond() {
    let server = server();
    let body = chat(&"x".repeat(2_000));
    let limits = Limits::default().with_body_bytes(body.len()).unwrap();
    let house = Setup::of(&server).limits(limits).start().await;
    let token = house.token(BOT).await;
    assert_eq!(house.post(CHAT, &token, body.clone()).await.status, 200);
    let over = chat(&"x".repeat(2_001));
    assert_eq!(house.post(CHAT, &token, over.clone()).await.status, 413);
    // The same without saying so before.
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{over}\r\n0\r\n\r\n",
        house.address,
        over.len(),
    );
    let answer = raw(house.address, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("ALC-GATE-0012"), "{answer}");
    assert_eq!(server.arrived(), 1);
}

#[tokio::test]
async fn only_declared_models_are_reached() {
    let server = server();
    let house = Setup::of(&server)
        .upstream("other", "anthropic", &server.url(""), "")
        .model("claude", &["other"], "")
        .start()
        .await;
    let token = house.token(BOT).await;
    for name in ["gpt-5", "", "test-model ", "TEST-MODEL", "claude", &"x".repeat(500)] {
        let body = chat("hi").replace("test-model", name);
        let answer = house.post(CHAT, &token, body).await;
        let wanted = if name.is_empty() { (400, "ALC-GATE-0016") } else { (404, "ALC-GATE-0017") };
        assert_eq!((answer.status, answer.code().await.as_str()), wanted, "`{name}`");
    }
    assert_eq!(server.arrived(), 0);
}

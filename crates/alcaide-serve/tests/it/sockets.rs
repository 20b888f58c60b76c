//! What a request must be: framing, heads, bodies and their limits, byte by byte.

use tokio::io::AsyncWriteExt as _;

use crate::echo::{LAST, Running, code, exchange, rest, small, status, until};

#[tokio::test]
async fn a_request_is_answered_and_the_connection_kept() {
    let server = Running::start(small()).await;
    let answer = server
        .exchange(format!("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi{LAST}"))
        .await;
    assert!(answer.contains("[hi]") && answer.contains("[]"), "{answer}");
    let drain = server.end().await;
    assert_eq!((drain.connections, drain.calls, drain.is_clean()), (1, 2, true));
}

#[tokio::test]
async fn both_lengths_are_refused_with_a_document_and_nothing_behind_is_served() {
    let server = Running::start(small()).await;
    for head in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let answer = server
            .exchange(format!("POST /a HTTP/1.1\r\nHost: localhost\r\n{head}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        assert_eq!((status(&answer), code(&answer).as_str()), (400, "ALC-SERVE-0001"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
        assert!(answer.contains("connection: close"));
    }
}

#[tokio::test]
async fn a_refused_head_keeps_its_turn_behind_pipelined_requests() {
    let server = Running::start(small()).await;
    let answer = server
        .exchange(
            "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n\
             POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\ntwo\
             POST /c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nbad",
        )
        .await;
    let at = |text: &str| answer.find(text).unwrap_or_else(|| panic!("no `{text}` in {answer}"));
    assert!(at("[one]") < at("[two]") && at("[two]") < at("ALC-SERVE-0002"));
    assert!(!answer.contains("[bad]"));
}

#[tokio::test]
async fn heads_and_bodies_in_single_bytes_are_served_alike() {
    let server = Running::start(small()).await;
    let text = format!(
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n\
         POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\ntwo{LAST}"
    );
    let mut stream = server.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in text.as_bytes() {
        stream.write_all(std::slice::from_ref(byte)).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = rest(&mut stream).await;
    assert!(answer.contains("[one]") && answer.contains("[two]") && answer.contains("[]"), "{answer}");
}

#[tokio::test]
async fn unclear_requests_are_refused_with_their_codes() {
    let server = Running::start(small()).await;
    for (head, expected) in [
        ("GET /a HTTP/1.1\r\n\r\n", (400, "ALC-SERVE-0007")),
        ("GET /a HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", (400, "ALC-SERVE-0007")),
        ("GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n", (421, "ALC-SERVE-0008")),
        (
            "GET /a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
            (403, "ALC-SERVE-0009"),
        ),
        ("GET http://localhost/a HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, "ALC-SERVE-0006")),
        ("GET http://evil.example/a HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, "ALC-SERVE-0006")),
        ("GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, "ALC-SERVE-0006")),
        ("GET /a%2fb HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, "ALC-SERVE-0005")),
        ("GET /a/../b HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, "ALC-SERVE-0005")),
        ("GET /a HTTP/1.1\nHost: localhost\r\n\r\n", (400, "ALC-SERVE-0004")),
        ("GET /a HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n", (400, "ALC-SERVE-0004")),
        (
            "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            (400, "ALC-SERVE-0003"),
        ),
        (
            "GET /a HTTP/1.1\r\nHost: localhost\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
            (400, "ALC-SERVE-0010"),
        ),
        (
            "GET /a HTTP/1.1\r\nHost: localhost\r\nMcp-Method: a\r\nMcp-Method: a\r\n\r\n",
            (400, "ALC-SERVE-0010"),
        ),
        (
            "POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\nContent-Length: 1\r\n\r\n",
            (417, "ALC-SERVE-0011"),
        ),
        (
            "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n",
            (415, "ALC-SERVE-0012"),
        ),
        ("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", (405, "ALC-SERVE-0013")),
        ("GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: authorization\r\n\r\n", (400, "ALC-SERVE-0014")),
        ("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65\r\n\r\n", (413, "ALC-SERVE-0018")),
    ] {
        let answer = server.exchange(head).await;
        assert_eq!((status(&answer), code(&answer).as_str()), expected, "{head:?}: {answer}");
    }
}

#[tokio::test]
async fn one_past_the_limits_of_heads_is_refused() {
    let limits =
        small().with_header_bytes(1_024).unwrap().with_uri_bytes(256).unwrap().with_headers(8).unwrap();
    let server = Running::start(limits).await;
    let head = |path: usize, lines: usize, fill: usize| {
        let path = "a".repeat(path - 1);
        let lines = "x: y\r\n".repeat(lines - 3);
        format!(
            "GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}f: {}\r\n\r\n",
            "f".repeat(fill)
        )
    };
    let fill = 1_024 - head(1, 8, 0).len();
    for (text, expected) in [
        (head(256, 8, 1), 200),
        (head(257, 8, 1), 414),
        (head(1, 9, 1), 431),
        (head(1, 8, fill), 200),
        (head(1, 8, fill + 1), 431),
        (format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(100_000)), 431),
    ] {
        let answer = server.exchange(&text).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(expected == 200 || code(&answer).starts_with("ALC-SERVE-"), "{answer}");
    }
}

#[tokio::test]
async fn a_head_as_large_as_the_default_allows_passes() {
    let server = Running::start(small()).await;
    let lines = format!("x: {}\r\n", "y".repeat(8_000)).repeat(3);
    let answer = server
        .exchange(format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n"))
        .await;
    assert_eq!(status(&answer), 200);
}

#[tokio::test]
async fn a_chunked_body_one_past_the_limit_is_refused_while_it_comes() {
    let server = Running::start(small()).await;
    let post = |n: usize| {
        let body = "b".repeat(n);
        format!(
            "POST /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{n:x}\r\n{body}\r\n0\r\n\r\n"
        )
    };
    assert_eq!(status(&server.exchange(post(64)).await), 200);
    let answer = server.exchange(post(65)).await;
    assert_eq!((status(&answer), code(&answer).as_str()), (413, "ALC-SERVE-0018"));
}

#[tokio::test]
async fn torn_and_malformed_bodies_are_refused() {
    let server = Running::start(small()).await;
    let answer = server
        .exchange("POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nonetwo\r\n0\r\n\r\n")
        .await;
    assert_eq!((status(&answer), code(&answer).as_str()), (400, "ALC-SERVE-0020"), "{answer}");
    // What malformed HTTP is to the parser below is refused too, without a document.
    assert_eq!(status(&server.exchange("G@T / HTTP/1.1\r\n\r\n").await), 400);
}

#[tokio::test]
async fn a_stream_ends_whole_only_if_its_source_said_so() {
    let server = Running::start(small()).await;
    let whole = server.exchange("GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(whole.ends_with("\r\n0\r\n\r\n") && whole.contains("three"), "{whole}");
    let torn = server.exchange("GET /torn HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(!torn.contains("\r\n0\r\n\r\n"), "{torn}");
}

#[tokio::test]
async fn the_service_sees_no_hop_by_hop_header() {
    let server = Running::start(small()).await;
    let answer = server
        .exchange("GET /headers HTTP/1.1\r\nHost: localhost\r\nConnection: close, x-a\r\nX-A: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nX-B: 1\r\n\r\n")
        .await;
    assert!(answer.ends_with("host,x-b"), "{answer}");
}

#[tokio::test]
async fn expect_continue_is_answered_when_the_body_is_wanted() {
    let server = Running::start(small()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")
        .await
        .unwrap();
    let _ = until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    assert!(exchange(&mut stream, b"hi").await.ends_with("[hi]"));
}

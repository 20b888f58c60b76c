//! The whole way: listener, framer, hyper, checks, service, drain.
//!
//! Where time is paused it may jump to the next deadline while bytes are under way, so elapsed time is judged
//! within windows whose lower end is the limit itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alcaide_serve::tls::TlsPem;
use alcaide_serve::{
    Body, Checked, Drain, HostRule, Limits, ListenError, Listener, Peer, PeerAddr, Problem, Routed, Service,
    Tls, TlsError, collect_limited, serve,
};
use alcaide_testkit::certificate;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// Echoes the body; special paths do special things.
struct Echo {
    limit: usize,
    begun: Arc<Notify>,
    gone: watch::Sender<u32>,
}

/// Counts when a call's future is dropped.
struct OnDrop(watch::Sender<u32>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n += 1);
    }
}

impl Service for Echo {
    async fn call(&self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/stuck" => {
                let _guard = OnDrop(self.gone.clone());
                self.begun.notify_one();
                std::future::pending().await
            }
            "/panic" => panic!("on purpose"),
            "/peer" => {
                let shown = peer.tls.as_ref().map_or(0, |tls| tls.certificates.len());
                Response::new(Body::Full(format!("{} with {shown} certificates", peer.addr).into()))
            }
            "/headers" => {
                let names: Vec<&str> = request.headers().keys().map(|k| k.as_str()).collect();
                Response::new(Body::Full(names.join(",").into()))
            }
            "/stream" | "/torn" => {
                let (sender, body) = Body::channel(2);
                tokio::spawn(async move {
                    for piece in ["one,", "two,", "three"] {
                        sender.send(Bytes::from_static(piece.as_bytes())).await.unwrap();
                    }
                    if path == "/stream" {
                        sender.finish();
                    }
                });
                Response::new(body)
            }
            "/endless" => {
                let (sender, body) = Body::channel(1);
                let gone = OnDrop(self.gone.clone());
                tokio::spawn(async move {
                    sender.send(Bytes::from_static(b"first")).await.unwrap();
                    sender.gone().await;
                    drop(gone);
                });
                Response::new(body)
            }
            "/flood" => {
                let (sender, body) = Body::channel(1);
                let gone = OnDrop(self.gone.clone());
                tokio::spawn(async move {
                    while sender.send(Bytes::from(vec![b'x'; 65_536])).await.is_ok() {}
                    drop(gone);
                });
                Response::new(body)
            }
            _ => match collect_limited(request.into_body(), self.limit, Duration::from_secs(30)).await {
                Ok(bytes) => {
                    Response::new(Body::Full(format!("[{}]", String::from_utf8_lossy(&bytes)).into()))
                }
                Err(error) => Problem::new(error.entry()).detail(error.to_string()).into_response(),
            },
        }
    }
}

struct Running {
    addr: SocketAddr,
    begun: Arc<Notify>,
    gone: watch::Receiver<u32>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Drain>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self::start_on(listener, limits)
    }

    fn start_on(listener: Listener, limits: Limits) -> Self {
        let addr = listener.local_addr().unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        let (stop, stopped) = oneshot::channel();
        let (gone_in, gone) = watch::channel(0);
        let begun = Arc::new(Notify::new());
        let echo = Echo { limit: limits.body_bytes(), begun: Arc::clone(&begun), gone: gone_in };
        let service = Checked::new(HostRule::loopback(), limits.body_bytes(), echo);
        let task = tokio::spawn(serve(listener, limits, service, async {
            let _ = stopped.await;
        }));
        Self { addr, begun, gone, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends bytes on a fresh connection and reads until the server closes it.
    async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        exchange(&mut self.connect().await, bytes.as_ref()).await
    }

    async fn end(self) -> Drain {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

async fn exchange<T: AsyncRead + AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    rest(stream).await
}

async fn rest<T: AsyncRead + Unpin>(stream: &mut T) -> String {
    rest_within(stream, 30).await
}

async fn rest_within<T: AsyncRead + Unpin>(stream: &mut T, seconds: u64) -> String {
    let mut out = Vec::new();
    // A reset after the answer is no failure of the answer.
    let _ = within(seconds, stream.read_to_end(&mut out)).await;
    String::from_utf8_lossy(&out).into_owned()
}

/// Waits for an event, and fails rather than for ever.
async fn within<F: Future>(seconds: u64, event: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(seconds), event).await.expect("it should have happened by now")
}

/// Reads until `mark` was seen.
async fn until(stream: &mut TcpStream, mark: &str) -> String {
    let mut out = String::new();
    let mut piece = [0; 1_024];
    while !out.contains(mark) {
        let n = stream.read(&mut piece).await.unwrap();
        assert!(n > 0, "closed before `{mark}`: {out}");
        out.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    out
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default()
}

fn code(answer: &str) -> String {
    let json = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    json["code"].as_str().unwrap_or_default().to_owned()
}

fn small() -> Limits {
    Limits::default().with_body_bytes(64).unwrap()
}

const LAST: &str = "GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

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

#[tokio::test(start_paused = true)]
async fn a_client_still_sending_is_heard_out_after_a_refusal() {
    let server = Running::start(small()).await;
    let mut stream = server.connect().await;
    let head = "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n";
    let answer = exchange(&mut stream, head.as_bytes()).await;
    assert_eq!(status(&answer), 413);
    // Our side has ended; what the client still sends must not meet a reset, or it may never read the answer.
    for _ in 0..32 {
        stream.write_all(&[b'x'; 4_096]).await.unwrap();
        tokio::task::yield_now().await;
    }
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

#[tokio::test(start_paused = true)]
async fn a_slow_loris_is_cut_with_a_document() {
    let server = Running::start(small()).await;
    let mut stream = server.connect().await;
    let before = tokio::time::Instant::now();
    let answer = exchange(&mut stream, b"GET / HTTP/1.1\r\nHost: local").await;
    assert_eq!((status(&answer), code(&answer).as_str()), (408, "ALC-SERVE-0017"), "{answer}");
    assert!((10..=21).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    // One that never says a word is cut without one.
    assert_eq!(rest(&mut server.connect().await).await, "");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_its_answer() {
    let server = Running::start(small()).await;
    let before = tokio::time::Instant::now();
    let mut stream = server.connect().await;
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let _ = until(&mut stream, "\r\n0\r\n\r\n").await;
    assert_eq!(rest_within(&mut stream, 400).await, "");
    assert!((75..=90).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_or_drips_is_cut() {
    let server = Running::start(Limits::default()).await;
    let head = "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nab";
    let before = tokio::time::Instant::now();
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest_within(&mut stream, 400).await;
    assert_eq!((status(&answer), code(&answer).as_str()), (408, "ALC-SERVE-0019"), "{answer}");
    assert!((30..=45).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());

    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let before = tokio::time::Instant::now();
    let drip = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(20));
        while write.write_all(b"c").await.is_ok() {
            ticks.tick().await;
        }
    });
    assert_eq!(status(&rest_within(&mut read, 400).await), 408);
    assert!((300..=345).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut() {
    let mut server = Running::start(small()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    within(400, server.gone.wait_for(|n| *n == 1)).await.unwrap();
    drop(stream);
}

#[tokio::test]
async fn a_call_is_dropped_when_its_client_hangs_up() {
    let mut server = Running::start(small()).await;
    for path in ["/stuck", "/endless"] {
        let mut stream = server.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        if path == "/stuck" {
            server.begun.notified().await;
        } else {
            let _ = until(&mut stream, "first").await;
        }
        drop(stream);
        let before = if path == "/stuck" { 1 } else { 2 };
        within(30, server.gone.wait_for(|n| *n == before)).await.unwrap();
    }
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

#[tokio::test]
async fn past_the_bound_a_connection_gets_503_and_others_go_on() {
    let mut server = Running::start(small().with_connections(1).unwrap()).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    server.begun.notified().await;
    let answer = server.exchange(LAST).await;
    assert_eq!((status(&answer), code(&answer).as_str()), (503, "ALC-SERVE-0021"), "{answer}");
    assert!(answer.contains("retry-after: 1"));
    drop(first);
    within(30, server.gone.wait_for(|n| *n == 1)).await.unwrap();
    // The place is free as soon as the connection's task has ended.
    while status(&server.exchange(LAST).await) != 200 {
        tokio::task::yield_now().await;
    }
    assert!(server.end().await.turned_away >= 1);
}

#[tokio::test]
async fn a_drain_lets_calls_end_and_closes_idle_connections() {
    let server = Running::start(small()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let _ = until(&mut idle, "[]").await;
    let mut busy = server.connect().await;
    busy.write_all(
        b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
    )
    .await
    .unwrap();
    let _ = until(&mut busy, "100 Continue\r\n\r\n").await;
    server.stop.send(()).unwrap();
    assert_eq!(rest(&mut idle).await, "");
    let answer = exchange(&mut busy, b"hi").await;
    assert!(answer.ends_with("[hi]") && answer.contains("connection: close"), "{answer}");
    let drain = server.task.await.unwrap();
    assert_eq!((drain.connections, drain.calls, drain.cut_connections, drain.cut_calls), (2, 2, 0, 0));
    assert!(TcpStream::connect(server.addr).await.is_err(), "still listening");
}

#[tokio::test(start_paused = true)]
async fn a_drain_cuts_at_its_deadline_and_says_what() {
    let server = Running::start(small().with_drain_timeout(Duration::from_secs(3)).unwrap()).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    server.begun.notified().await;
    let drain = server.end().await;
    assert_eq!((drain.cut_connections, drain.cut_calls, drain.took.as_secs()), (1, 1, 3));
    assert!(!drain.is_clean());
    assert_eq!(rest(&mut stuck).await, "");
}

#[tokio::test]
async fn a_panic_ends_its_connection_only_and_is_counted() {
    let server = Running::start(small()).await;
    assert_eq!(server.exchange("GET /panic HTTP/1.1\r\nHost: localhost\r\n\r\n").await, "");
    assert_eq!(status(&server.exchange(LAST).await), 200);
    assert_eq!(server.end().await.panics, 1);
}

#[tokio::test]
async fn plain_http_is_for_loopback_only() {
    let refused = Listener::tcp("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, ListenError::PlainNotLoopback { .. }));
    assert!(refused.help().contains("TLS"));
    assert!(Listener::tcp("[::ffff:10.0.0.1]:0".parse().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_unix_socket_knows_its_peer_and_is_private() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run").join("gate.sock");
    let listener = Listener::unix(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert!(matches!(Listener::unix(&path), Err(ListenError::InUse { .. })));
    let server = Running::start_on(listener, small());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let answer =
        exchange(&mut stream, b"GET /peer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let uid = std::fs::metadata(&path).unwrap().uid();
    let shown = PeerAddr::Unix { uid, gid: 0, pid: None };
    assert!(answer.ends_with(&format!("{shown} with 0 certificates")), "{answer}");
    let _ = server.end().await;
    assert!(!path.exists());

    // A socket that a killed process left is replaced; another file is not; an open folder is refused.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    drop(Listener::unix(&path).unwrap());
    std::fs::write(&path, "a file").unwrap();
    assert!(matches!(Listener::unix(&path), Err(ListenError::NotASocket { .. })));
    std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(Listener::unix(&path), Err(ListenError::FolderOpen { .. })));
}

async fn tls_get(addr: SocketAddr, root: &[u8]) -> std::io::Result<String> {
    tls_exchange(addr, root, None, LAST).await
}

async fn tls_exchange(
    addr: SocketAddr,
    root: &[u8],
    own: Option<&certificate::Made>,
    request: &str,
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![own.der.clone().into()], key).unwrap()
        }
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(addr).await?;
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await?;
    Ok(exchange(&mut stream, request.as_bytes()).await)
}

#[tokio::test]
async fn a_client_certificate_is_checked_and_shown_to_the_service() {
    let (server_pair, known, stranger) = (certificate::make(1), certificate::make(2), certificate::make(3));
    let pem = TlsPem {
        chain: server_pair.chain.as_bytes(),
        key: server_pair.key.as_bytes(),
        client_roots: Some(known.chain.as_bytes()),
    };
    let tls = Tls::new(pem).unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), tls.feed()).await.unwrap();
    let server = Running::start_on(listener, small());
    let ask = "GET /peer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let with = tls_exchange(server.addr, &server_pair.der, Some(&known), ask).await.unwrap();
    assert!(with.ends_with("with 1 certificates"), "{with}");
    let without = tls_exchange(server.addr, &server_pair.der, None, ask).await.unwrap();
    assert!(without.ends_with("with 0 certificates"), "{without}");
    let wrong = tls_exchange(server.addr, &server_pair.der, Some(&stranger), ask).await;
    assert!(!wrong.is_ok_and(|answer| answer.contains("HTTP/1.1")));
}

#[tokio::test]
async fn tls_serves_and_its_certificate_changes_without_a_restart() {
    let (one, two) = (certificate::make(1), certificate::make(2));
    let pem = |made: &certificate::Made| (made.chain.clone(), made.key.clone());
    let (chain, key) = pem(&one);
    let tls = Tls::new(TlsPem { chain: chain.as_bytes(), key: key.as_bytes(), client_roots: None }).unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), tls.feed()).await.unwrap();
    let server = Running::start_on(listener, small());
    assert_eq!(status(&tls_get(server.addr, &one.der).await.unwrap()), 200);
    assert!(tls_get(server.addr, &two.der).await.is_err());

    // A key that belongs to another certificate is refused, and the old pair stays.
    let (chain, _) = pem(&two);
    let wrong = tls.reload(TlsPem { chain: chain.as_bytes(), key: key.as_bytes(), client_roots: None });
    assert!(matches!(wrong, Err(TlsError::Unusable { .. })), "{wrong:?}");
    assert_eq!(status(&tls_get(server.addr, &one.der).await.unwrap()), 200);

    let (chain, key) = pem(&two);
    tls.reload(TlsPem { chain: chain.as_bytes(), key: key.as_bytes(), client_roots: None }).unwrap();
    assert_eq!(status(&tls_get(server.addr, &two.der).await.unwrap()), 200);
    // Plain HTTP on a TLS port gets no answer.
    assert!(!server.exchange(LAST).await.contains("HTTP/1.1"));

    for (chain, key) in [("", two.key.as_str()), (two.chain.as_str(), ""), ("x", "y")] {
        assert!(
            Tls::new(TlsPem { chain: chain.as_bytes(), key: key.as_bytes(), client_roots: None }).is_err()
        );
    }
}

#[tokio::test]
async fn a_tower_service_is_served() {
    let routes = tower::service_fn(|request: Request<Incoming>| async move {
        let known = request.extensions().get::<Peer>().is_some();
        Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Full::new(Bytes::from(
            known.to_string(),
        ))))
    });
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let service = Checked::new(HostRule::loopback(), 64, Routed(routes));
    let task = tokio::spawn(serve(listener, small(), service, std::future::pending()));
    let answer = exchange(&mut TcpStream::connect(addr).await.unwrap(), LAST.as_bytes()).await;
    assert!(answer.ends_with("true"), "{answer}");
    task.abort();
}

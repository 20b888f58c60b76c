//! The framer and hyper are two readers of the same bytes: what the framer lets pass, hyper must frame alike.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alcaide_serve::{Limits, probe_framer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What bare hyper makes of the bytes: calls, and whether it found fault with any.
async fn hyper_reads(bytes: &[u8]) -> (u64, bool) {
    let calls = Arc::new(AtomicU64::new(0));
    let torn = Arc::new(AtomicU64::new(0));
    let (mut client, server) = tokio::io::duplex(1 << 20);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let (calls, torn) = (Arc::clone(&calls), Arc::clone(&torn));
        async move {
            calls.fetch_add(1, Ordering::Relaxed);
            if request.into_body().collect().await.is_err() {
                torn.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    let served = http.half_close(true).serve_connection(TokioIo::new(server), service).await;
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    let fault = served.is_err() || torn.load(Ordering::Relaxed) > 0 || answers.contains("HTTP/1.1 4");
    (calls.load(Ordering::Relaxed), fault)
}

/// Requests with all that can be wrong about framing, and bodies that look like requests.
fn piece() -> impl Strategy<Value = String> {
    let end = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"]);
    let line = prop::sample::select(vec![
        "Content-Length: 0",
        "Content-Length: 5",
        "content-length:5 ",
        "Content-Length: 18",
        "Transfer-Encoding: chunked",
        "transfer-encoding:\tCHUNKED",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: x",
        "Content-Length : 5",
        " x: folded",
        "Host: a",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "TE: trailers",
        "c: d",
        "Connection: keep-alive",
    ]);
    let start = prop::sample::select(vec![
        "GET / HTTP/1.1",
        "POST /a HTTP/1.1",
        "POST /a HTTP/1.0",
        "\r\nPUT /b HTTP/1.1",
        "DELETE /x#y HTTP/1.1",
    ]);
    let body = prop::sample::select(vec![
        "",
        "",
        "hello",
        "GET / HTTP/1.1\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "0\r\n\r\n",
        "12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        "5;e=\"v\"\r\nhello\r\n0\r\nT: v\r\n\r\n",
        "5\nhello\n0\n\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "05\r\nhello\r\n00\r\n\r\n",
        "0\r\nx: y\n\r\n\r\n",
    ]);
    (start, end.clone(), prop::collection::vec((line, end.clone()), 0..4), end, body).prop_map(
        |(start, first, lines, last, body)| {
            let lines: String = lines.into_iter().map(|(line, end)| format!("{line}{end}")).collect();
            format!("{start}{first}{lines}{last}{body}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]
    #[test]
    fn what_passes_is_framed_alike(pieces in prop::collection::vec(piece(), 1..5)) {
        let bytes = pieces.concat();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if let Some(heads) = probe_framer(bytes.as_bytes(), &[], &Limits::default()) {
            let (calls, fault) = runtime.block_on(hyper_reads(bytes.as_bytes()));
            prop_assert!(calls <= heads, "hyper saw {calls} requests, the framer {heads}: {bytes:?}");
            prop_assert!(fault || calls == heads || bytes.contains("HTTP/1.0"), "{calls} of {heads}: {bytes:?}");
        }
    }
}

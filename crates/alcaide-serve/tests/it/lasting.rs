//! What lasts too long or ends too soon: slow clients, hang-ups, drains, bounds, panics.
//!
//! Where time is paused it may jump to the next deadline while bytes are under way, so elapsed time is judged
//! within windows whose lower end is the limit itself.

use std::time::Duration;

use alcaide_serve::Limits;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::echo::{LAST, Running, code, exchange, rest, rest_within, small, status, until, within};

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

//! Slow, silent and greedy peers: what they keep from others, which is nothing.

use std::time::Duration;

use alcaide_record::End;
use alcaide_testkit::{Fail, Gate as Latch, ModelServer, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::house::*;

const PEERS: usize = 200;

fn failing(fail: Fail) -> ModelServer {
    ModelServer::start(Script::says("one two three four five six").failing(fail)).unwrap()
}

/// Time is the test's here: what the gate waits for comes as soon as nothing else is to be done.
#[tokio::test]
async fn two_minutes_of_silence_are_bridged_and_the_stream_goes_on() {
    let latch = Latch::closed();
    let server = failing(Fail::SilentFor(latch.clone()));
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let mut answer = house.post(CHAT, &token, chat_stream("hi")).await;
    let mut heard = String::from_utf8(answer.piece().await.unwrap().to_vec()).unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let mut signs = 0;
    while begun.elapsed() < Duration::from_secs(120) {
        let piece = answer.piece().await.unwrap();
        // Comments keep the connection open, and no client takes them for an event.
        if piece.starts_with(b":") {
            signs += 1;
        } else {
            // What the upstream had said before it fell silent.
            heard.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
    assert!((7..=9).contains(&signs), "{signs} signs of life in {:?}", begun.elapsed());
    tokio::time::resume();
    latch.open();
    heard.push_str(&answer.text().await);
    assert!(heard.contains("[DONE]") && text_of(&heard).starts_with("one two"), "{heard}");
    assert_eq!(house.outcome().await.end, End::Complete);
    house.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_single_bytes_keeps_nothing_from_two_hundred_peers() {
    let server = failing(Fail::None);
    server.name("endless", Script::says("x").failing(Fail::EndlessStream));
    let house = Setup::of(&server).model("endless", &["openai"], PRICE).start().await;
    let token = house.token(BOT).await;
    let body = chat_stream("hi").replace("test-model", "endless");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = socket.connect(house.address).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        house.address,
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    // One byte for each ten peers: slower than any of them, and the upstream never stops.
    for _ in 0..PEERS / 10 {
        read.push(slow.read_u8().await.unwrap());
        let peers = (0..10).map(|_| {
            let (address, request) = (house.address, post(CHAT, &token, chat("hi")));
            tokio::spawn(async move { send(address, request).await.status })
        });
        for peer in peers.collect::<Vec<_>>() {
            assert_eq!(peer.await.unwrap(), 200);
        }
    }
    assert!(read.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&read));
    // What the reader does not take is not taken from the upstream either: the gate's own store is bounded.
    let released = |house: &House| house.gate.metrics_text().contains("alcaide_gate_open_streams 1\n");
    assert!(released(&house));
    let begun = std::time::Instant::now();
    drop(slow);
    server.until_abandoned(1).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(1), "cancelled after {:?}", begun.elapsed());
    house.until("the end of the stream", || !released(&house)).await;
    let ends: Vec<End> = house.outcomes(PEERS + 1).await.into_iter().map(|outcome| outcome.end).collect();
    assert_eq!(ends.iter().filter(|end| **end == End::Complete).count(), PEERS);
    assert_eq!(ends.iter().filter(|end| **end == End::CallerGone).count(), 1);
    house.audit().await;
}

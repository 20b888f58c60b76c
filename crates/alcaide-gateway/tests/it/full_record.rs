//! The record under a slow disk: no outcome is lost, nobody fills the queue alone, and memory misses no entry.

use alcaide_ledger::AppendError;
use alcaide_ledger::fault::FaultLayer;
use alcaide_record::{End, Entry, Event, Order, OrderKind, Refused};
use alcaide_testkit::{Fail, Gate as Latch, ModelServer, Script};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::endings::Held;
use crate::house::*;
use crate::messages::session;

fn entry(house: &House) -> Vec<u8> {
    let order = OrderKind::Revoke { token: alcaide_inventory::id::TokenId::from_bits(u128::MAX) };
    let order = Order { by: None, id: alcaide_inventory::id::OrderId::from_bits(9), order };
    Entry::new(house.clock.now(), Event::Order(order)).to_leaf().unwrap()
}

/// Holds the disk and fills the queue of the ledger.
async fn fill(house: &House, disk: &Held) {
    disk.hold();
    drop(house.ledger.enqueue(entry(house)).unwrap());
    house.until("a sync", || disk.waiting() == 1).await;
    while house.ledger.enqueue(entry(house)).is_ok() {}
}

#[tokio::test]
async fn an_outcome_waits_for_room_in_a_full_queue() {
    let server =
        ModelServer::start(Script::says("one two").failing(Fail::SilentFor(Latch::closed()))).unwrap();
    let disk = Held::default();
    let house = Setup::of(&server)
        .layer(disk.clone())
        .queue(4)
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 100, "day")
        .start()
        .await;
    let token = house.token(BOT).await;
    let mut answer = house.post(CHAT, &token, chat_stream("hi")).await;
    answer.piece().await.unwrap();
    fill(&house, &disk).await;
    drop(answer);
    house.until("the end", || house.gate.metrics_text().contains("\nalcaide_gate_open_attempts 0\n")).await;
    disk.free();
    assert_eq!(house.outcome().await.end, End::CallerGone);
    assert_eq!(house.audit().await.len(), 1);
    assert_eq!(house.taken("calls"), (1, 0));
}

/// How many refusals an entry stands for.
const fn stands_for(refused: &Refused) -> u64 {
    refused.alike + 1
}

#[tokio::test]
async fn refusals_of_one_agent_leave_room_for_others_and_none_is_forgotten() {
    let server = ModelServer::start(Script::says("fine")).unwrap();
    let disk = Held::default();
    let house = Setup::of(&server)
        .layer(disk.clone())
        .queue(64)
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 100, "day")
        .start()
        .await;
    let (bare, bot) = (house.token(BARE).await, house.token(BOT).await);
    disk.hold();
    for _ in 0..200 {
        assert_eq!(house.chat(&bare, "hi").await.status, 403);
    }
    let call = tokio::spawn(send(house.address, post(CHAT, &bot, chat("hi"))));
    house.until("the reservation", || house.taken("calls").1 == 1 || call.is_finished()).await;
    disk.free();
    assert_eq!(call.await.unwrap().status, 200);
    let refused = house.refusals().await;
    assert_eq!(refused.iter().map(stands_for).sum::<u64>(), 200);
    assert!(refused.len() < 50, "{}", refused.len());
    assert_eq!(house.memory.replay_from(), house.ledger.size());
}

#[tokio::test]
async fn an_offer_whose_caller_leaves_meanwhile_is_in_memory_all_the_same() {
    let disk = Held::default();
    let held = disk.clone();
    let server = Puppet::start(move |_, message| {
        // What the list offers is to be written while the disk stands still.
        (message["method"] == "tools/list").then(|| held.hold());
        None
    })
    .await;
    let house = server.setup().layer(disk.clone()).start().await;
    let token = house.token(HAND).await;
    let id = session(&house, "/mcp/small", &token).await;
    let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {} }).to_string();
    let head = format!(
        "POST /mcp/small HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
         accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
         mcp-session-id: {id}\r\ncontent-length: {}\r\n\r\n{body}",
        house.address,
        body.len()
    );
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    house.until("the offer", || disk.waiting() == 1).await;
    drop(stream);
    // The gate sees the hang-up before the disk is done: a call of another connection goes behind it.
    let other = house.token_unissued(HELPER);
    assert_eq!(send(house.address, post(CHAT, &other, "{")).await.status, 400);
    disk.free();
    house.gate.settled().await;
    house.audit().await;
    assert!(house.events().iter().any(|(_, event)| matches!(event, Event::Offered(_))));
    let all = || house.memory.replay_from() == house.ledger.size();
    let known = tokio::time::timeout(std::time::Duration::from_secs(5), house.until("all entries", all));
    assert!(known.await.is_ok(), "{} of {}", house.memory.replay_from(), house.ledger.size());
}

#[tokio::test]
async fn an_outcome_that_finds_no_room_is_written_before_the_next_effect() {
    let server =
        ModelServer::start(Script::says("one two").failing(Fail::SilentFor(Latch::closed()))).unwrap();
    let disk = FaultLayer::new();
    let house = Setup::of(&server)
        .layer(disk.clone())
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 100, "day")
        .start()
        .await;
    let token = house.token(BOT).await;
    let mut answer = house.post(CHAT, &token, chat_stream("hi")).await;
    answer.piece().await.unwrap();
    // The segment is filled to where not even the shortest outcome fits, and there is no room for another.
    disk.fill();
    let full = loop {
        match house.ledger.append(entry(&house)).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(full, AppendError::DiskFull { .. }), "{full}");
    assert_eq!(house.gate.health(), Ok(()));
    drop(answer);
    house.until("what is owed", || house.gate.owed() == 1).await;
    let why = house.gate.health().unwrap_err();
    assert!(why.starts_with("outcomes of 1 calls wait for room"), "{why}");
    let reached = server.arrived();
    let refused = house.chat(&token, "hi").await;
    assert_eq!((refused.status, refused.code().await.as_str()), (503, "ALC-GATE-0030"));
    assert_eq!(server.arrived(), reached);
    // A stop tries once more, and gives up nothing.
    house.gate.settled().await;
    assert_eq!(house.gate.owed(), 1);
    disk.free();
    server.play(Script::says("fine"));
    let mut status = 0;
    while status != 200 {
        status = house.chat(&token, "hi").await.status;
        assert!(matches!(status, 200 | 503), "{status}");
        house.until("nothing owed", || house.gate.owed() == 0).await;
    }
    let ends: Vec<End> = house.outcomes(2).await.iter().map(|outcome| outcome.end).collect();
    assert_eq!(ends, [End::CallerGone, End::Complete]);
    assert_eq!((house.gate.health(), house.taken("calls")), (Ok(()), (2, 0)));
    let events = house.events();
    let place = |wanted: fn(&Event) -> bool| {
        events.iter().filter(|(_, event)| wanted(event)).map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let intents = place(|event| matches!(event, Event::Intent(_)));
    let outcomes = place(|event| matches!(event, Event::Outcome(_)));
    assert!(outcomes[0] < intents[1], "{outcomes:?} {intents:?}");
    house.audit().await;
}

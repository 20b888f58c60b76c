//! Whoever is stopped, or whose token ends, while a call is on its way sends nothing any more, however far it had come.

use std::time::Duration;

use alcaide_record::{End, Event, Order, OrderKind, Stage};
use alcaide_testkit::{Fail, Gate as Latch, ModelServer, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::endings::Held;
use crate::house::*;

fn server() -> ModelServer {
    ModelServer::start(Script::says("one two three")).unwrap()
}

/// A call whose head the gate has judged and whose body it waits for.
struct Dripping {
    stream: TcpStream,
    body: String,
}

impl Dripping {
    async fn begin(house: &House, token: &str) -> Self {
        let body = chat("hi");
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             connection: close\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            house.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut heard).await.unwrap() > 0, "the gate waits for the body");
        }
        assert!(heard.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&heard));
        Self { stream, body }
    }

    async fn finish(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(alcaide_testkit::DEADLINE, self.stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer
    }
}

#[tokio::test]
async fn a_kill_while_the_body_drips_ends_the_call_before_it_is_decided_on() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let call = Dripping::begin(&house, &token).await;
    house.kill(BOT, 1).await;
    let answer = call.finish().await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("ALC-GATE-0004"), "{answer}");
    assert_eq!(server.arrived(), 0);
    let refused = house.refusals().await.remove(0);
    assert_eq!((refused.stage, refused.code.as_str()), (Stage::Read, "ALC-GATE-0004"));
    assert!(house.audit().await.is_empty());
}

#[tokio::test]
async fn a_token_that_ends_while_the_body_drips_is_worth_nothing() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let call = Dripping::begin(&house, &token).await;
    house.pass(Duration::from_secs(300));
    let answer = call.finish().await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("ALC-GATE-0002"), "{answer}");
    assert_eq!(server.arrived(), 0);
    assert_eq!(house.refusals().await.remove(0).stage, Stage::Read);
    assert!(house.audit().await.is_empty());
}

/// Puts a kill into the gate's memory while the disk takes nothing.
fn kill_in_memory(house: &House, bits: u128) {
    let order = OrderKind::Kill { actor: agent(bits), epoch: 1 };
    let event = Event::Order(Order { by: None, id: alcaide_inventory::id::OrderId::from_bits(1), order });
    house.memory.apply(1_000_000, &alcaide_record::Entry::new(house.clock.now(), event));
}

#[tokio::test]
async fn a_kill_while_the_intent_is_written_keeps_the_call_from_leaving() {
    let server = server();
    let disk = Held::default();
    let house = Setup::of(&server)
        .layer(disk.clone())
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 100, "day")
        .start()
        .await;
    let token = house.token(BOT).await;
    disk.hold();
    let waiting = tokio::spawn(send(house.address, post(CHAT, &token, chat("hi"))));
    house.until("the reservation", || house.taken("calls").1 == 1).await;
    kill_in_memory(&house, BOT);
    disk.free();
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.code().await.as_str()), (403, "ALC-GATE-0004"));
    assert_eq!(server.arrived(), 0);
    let (_, outcome) = house.audit().await.remove(0);
    assert_eq!((outcome.end, outcome.status), (End::Killed, None));
    assert_eq!(house.taken("calls"), (0, 0), "nothing had left");
}

#[tokio::test]
async fn a_token_that_ends_while_the_intent_is_written_is_withdrawn() {
    let server = server();
    let disk = Held::default();
    let house = Setup::of(&server)
        .layer(disk.clone())
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 100, "day")
        .start()
        .await;
    let token = house.token(BOT).await;
    disk.hold();
    let waiting = tokio::spawn(send(house.address, post(CHAT, &token, chat("hi"))));
    house.until("the reservation", || house.taken("calls").1 == 1).await;
    house.pass(Duration::from_secs(300));
    disk.free();
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.code().await.as_str()), (401, "ALC-GATE-0002"));
    assert_eq!(server.arrived(), 0);
    assert_eq!(house.audit().await.remove(0).1.end, End::Withdrawn);
}

#[tokio::test]
async fn a_kill_while_the_intent_is_written_keeps_a_child_from_being_asked() {
    let disk = Held::default();
    let toml = "[[agent]]\nname = \"hand\"\nunit = \"finance\"\nowner = \"ana\"\nmay = [\"use:tool/*\"]\n\
         [[upstream]]\nname = \"files\"\nprotocol = \"mcp\"\ncommand = [\"/nowhere\"]\n\
         [[route]]\nname = \"files\"\nkind = \"mcp\"\nupstream = \"files\"\n";
    let house = Setup::people().with(toml).layer(disk.clone()).start().await;
    let token = house.token(HAND).await;
    disk.hold();
    let list = crate::messages::stateless("/mcp/files", &token, "tools/list", serde_json::json!({}));
    let waiting = tokio::spawn(send(house.address, list));
    house.until("the intent", || disk.waiting() == 1).await;
    kill_in_memory(&house, HAND);
    disk.free();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.code().await, "ALC-GATE-0004");
    let ends: Vec<_> = house.audit().await.into_iter().map(|(_, outcome)| outcome.end).collect();
    assert_eq!(ends, [End::Killed]);
}

/// An upstream whose credential comes from `token_url`.
fn fetched(server: &ModelServer, token_url: &str) -> Setup {
    Setup::people()
        .with(&format!(
            "[[upstream]]\nname = \"far\"\nprotocol = \"openai\"\nbase_url = \"{}\"\n\
             credential = {{ kind = \"client_credentials\", token_url = \"{token_url}\", client_id = \"gate\", \
             secret = \"key\" }}\n",
            server.url("/v1")
        ))
        .model("test-model", &["far"], PRICE)
}

#[tokio::test]
async fn a_kill_while_a_token_is_fetched_keeps_the_call_from_leaving() {
    let server = server();
    // What it says is no answer, and its connection stays open.
    let endpoint = Blunt::asked_in_form(b"HTTP/1.1 200 OK\r\n", true).await;
    let house = fetched(&server, &endpoint.url()).start().await;
    let token = house.token(BOT).await;
    let (answer, ()) = tokio::join!(house.chat(&token, "hi"), async {
        house.until("the fetch", || endpoint.asked() == 1).await;
        house.kill(BOT, 1).await;
    });
    assert_eq!((answer.status, answer.code().await.as_str()), (403, "ALC-GATE-0004"));
    assert_eq!(server.arrived(), 0);
    assert_eq!(house.audit().await.remove(0).1.end, End::Killed);
}

#[tokio::test]
async fn callers_share_one_fetch_of_a_token_and_its_failure() {
    let server = server();
    let endpoint = Blunt::asked_in_form(b"HTTP/1.1 200 OK\r\n", true).await;
    let house = fetched(&server, &endpoint.url()).start().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let request = post(CHAT, &house.token(BOT).await, chat("hi"));
        calls.spawn(send(house.address, request));
    }
    house.until("the intents", || intents(&house) == 4).await;
    house.until("the fetch", || endpoint.asked() == 1).await;
    let begun = tokio::time::Instant::now();
    tokio::time::pause();
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().code().await, "ALC-GATE-0032");
    }
    let took = begun.elapsed();
    tokio::time::resume();
    // One more, at once: it hears what the others heard.
    assert_eq!(house.chat(&house.token(BOT).await, "hi").await.code().await, "ALC-GATE-0032");
    assert!(took < Duration::from_secs(20), "all within one time limit: {took:?}");
    assert_eq!(endpoint.asked(), 1);
    assert_eq!(server.arrived(), 0);
}

fn intents(house: &House) -> usize {
    house.events().iter().filter(|(_, event)| matches!(event, Event::Intent(_))).count()
}

#[tokio::test]
async fn no_other_upstream_is_tried_when_nobody_hears_orders_any_more() {
    let (first, second) =
        (ModelServer::start(Script::says("").failing(Fail::NeverAnswer)).unwrap(), server());
    let house = Setup::people()
        .upstream("first", "openai", &first.url("/v1"), "")
        .upstream("second", "openai", &second.url("/v1"), "")
        .model("test-model", &["first", "second"], PRICE)
        .start()
        .await;
    let token = house.token(BOT).await;
    let (answer, ()) = tokio::join!(house.chat(&token, "hi"), async {
        first.until_arrived(1).await.unwrap();
        house.stop_following();
    });
    assert_eq!((answer.status, answer.code().await.as_str()), (503, "ALC-GATE-0038"));
    assert_eq!((second.arrived(), intents(&house)), (0, 1));
}

#[tokio::test]
async fn a_token_that_ends_does_not_cut_a_model_answer_that_has_begun() {
    let latch = Latch::closed();
    let server = ModelServer::start(Script::says("one two").failing(Fail::SilentFor(latch.clone()))).unwrap();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let mut answer = house.post(CHAT, &token, chat_stream("hi")).await;
    answer.piece().await.unwrap();
    house.pass(Duration::from_secs(300));
    latch.open();
    let rest = answer.text().await;
    assert!(rest.contains("[DONE]"), "{rest}");
    assert_eq!(house.outcome().await.end, End::Complete);
    assert_eq!(house.chat(&token, "hi").await.status, 401);
}

//! One caller cannot take everything: calls in flight are bounded for each actor, bodies for all together.

use alcaide_serve::Limits;
use alcaide_testkit::{Fail, Gate as Latch, ModelServer, Script};

use crate::house::*;

#[tokio::test]
async fn an_actor_has_so_many_calls_in_flight_and_not_one_more() {
    let latch = Latch::closed();
    let server = ModelServer::start(Script::says("one two").failing(Fail::SilentFor(latch.clone()))).unwrap();
    let limits = Limits::default().with_calls_per_actor(3).unwrap();
    let house = Setup::of(&server).limits(limits).start().await;
    let token = house.token(BOT).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut answer = house.post(CHAT, &token, chat_stream("hi")).await;
        answer.piece().await.unwrap();
        open.push(answer);
    }
    // Another token of the same agent is no other agent.
    let refused = house.post(CHAT, &house.token(BOT).await, chat_stream("hi")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.code().await, "ALC-GATE-0025");
    let mut other = house.post(CHAT, &house.token(HELPER).await, chat_stream("hi")).await;
    assert!(other.piece().await.is_some());
    // An answer that is over is no call any more.
    open.pop();
    server.until_abandoned(1).await.unwrap();
    house.until("the end", || house.gate.metrics_text().contains("\nalcaide_gate_open_attempts 3\n")).await;
    let mut again = house.post(CHAT, &token, chat_stream("hi")).await;
    assert!(again.piece().await.is_some());
    latch.open();
}

#[tokio::test]
async fn bodies_share_their_room() {
    let server = ModelServer::start(Script::says("fine").failing(Fail::NeverAnswer)).unwrap();
    let limits = Limits::default().with_bodies_bytes(1 << 20).unwrap();
    let limits = limits.with_body_idle_timeout(std::time::Duration::from_millis(200)).unwrap();
    let house = Setup::of(&server).limits(limits).start().await;
    let token = house.token(BOT).await;
    let long = chat(&"x".repeat(600 << 10));
    // A body is in memory until its call has its answer.
    let first = tokio::spawn(send(house.address, post(CHAT, &token, long.clone())));
    server.until_arrived(1).await.unwrap();
    let refused = house.post(CHAT, &token, long.clone()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(refused.code().await, "ALC-GATE-0029");
    assert_eq!(house.refusals().await.remove(0).code, "ALC-GATE-0029");
    // What is short needs no room.
    assert_eq!(house.post(CHAT, &token, "{").await.status, 400);
    house.kill(BOT, 1).await;
    assert_eq!(first.await.unwrap().status, 403);
    let other = tokio::spawn(send(house.address, post(CHAT, &house.token(HELPER).await, long)));
    server.until_arrived(2).await.unwrap();
    other.abort();
}

#[tokio::test]
async fn what_the_gate_asks_by_itself_and_a_session_that_it_keeps_are_no_calls() {
    let server = Scripted::start("old", Speaks::Handshake).await;
    let limits = Limits::default().with_calls_per_actor(1).unwrap();
    let house = Setup::people().tools("old", &server.url()).limits(limits).start().await;
    let token = house.token(HAND).await;
    for _ in 0..3 {
        let list = crate::messages::stateless("/mcp", &token, "tools/list", serde_json::json!({}));
        let answer = send(house.address, list).await;
        assert_eq!(answer.status, 200);
        assert!(answer.json().await["result"]["tools"].is_array());
    }
    assert!(server.heard_of("initialize").len() == 1, "the session is kept");
}

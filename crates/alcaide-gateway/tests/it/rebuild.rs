//! What the gate remembers can be made anew from the ledger alone.

use std::sync::Arc;

use alcaide_gateway::broker::Broker;
use alcaide_gateway::{GatePlan, orders};
use alcaide_memory::Memory;
use alcaide_record::OrderKind;
use alcaide_seal::digest::HmacKey;
use alcaide_testkit::{Fail, Gate as Latch, ModelServer, Script};
use serde_json::Value;

use crate::house::*;

/// All that memory knows, in one order; amounts of nothing left out.
fn known(memory: &Memory) -> Value {
    let mut all: Value = serde_json::from_slice(&memory.snapshot().unwrap().bytes).unwrap();
    for (name, list) in all.as_object_mut().unwrap() {
        let Some(list) = list.as_array_mut() else { continue };
        if name == "budgets" {
            list.retain(|one| one[2]["used"] != 0 || one[2]["reserved"] != 0);
        }
        list.sort_by_key(ToString::to_string);
    }
    all
}

#[tokio::test]
async fn memory_is_the_same_after_a_restart() {
    let server = ModelServer::start(Script::says("one two three")).unwrap();
    let house = Setup::of(&server)
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 5, "day")
        .budget("tokens", r#"{ owner = "ana" }"#, "tokens", 10_000, "hour")
        .budget("money", r#"{ model = "test-model" }"#, "money_micros", 1_000_000, "total")
        .start()
        .await;
    let (bot, helper) = (house.token(BOT).await, house.token(HELPER).await);
    for token in [&bot, &helper, &bot] {
        assert_eq!(house.chat(token, "hi").await.status, 200);
        assert!(house.post(CHAT, token, chat_stream("hi")).await.text().await.contains("[DONE]"));
    }
    house.gate.settled().await;
    let snapshot = house.memory.snapshot().unwrap();
    assert!(snapshot.needs <= house.ledger.size());

    server.queue([Script::says("x").failing(Fail::Status(400))]);
    assert_eq!(house.chat(&helper, "hi").await.status, 400);
    assert_eq!(house.post(CHAT, &helper, "{").await.status, 400);
    for _ in 0..2 {
        house.chat(&bot, "hi").await.text().await;
    }
    // One call is still under way, so something is set aside.
    let latch = Latch::closed();
    server.queue([Script::says("one two three four").failing(Fail::SilentFor(latch.clone()))]);
    let mut open = house.post(CHAT, &helper, chat_stream("hi")).await;
    open.piece().await.unwrap();
    house.order(OrderKind::Revoke { token: alcaide_inventory::id::TokenId::from_bits(40) }).await;
    house.kill(BOT, 3).await;
    house.gate.settled().await;
    let size = house.ledger.size();
    house.until("all entries in memory", || house.memory.replay_from() == size).await;

    let live = known(&house.memory);
    assert_eq!(live["below"], size);
    assert_eq!(live["open"].as_array().unwrap().len(), 1, "{live:#}");
    assert_eq!((house.taken("calls").0, house.taken("tokens").1 > 0), (5, true));
    let fresh = Memory::empty();
    assert_eq!(orders::rebuild(&house.ledger, &fresh).unwrap(), size);
    assert_eq!(known(&fresh), live);
    let from_snapshot = Memory::from_snapshot(&snapshot.bytes).unwrap();
    assert!(orders::rebuild(&house.ledger, &from_snapshot).unwrap() < size);
    assert_eq!(known(&from_snapshot), live);

    latch.open();
    assert!(open.text().await.contains("[DONE]"));
    house.audit().await;
    let size = house.ledger.size();
    house.until("all entries in memory", || house.memory.replay_from() == size).await;
    let live = known(&house.memory);
    assert_eq!(live["open"].as_array().unwrap().len(), 0);
    for memory in [fresh, from_snapshot] {
        orders::rebuild(&house.ledger, &memory).unwrap();
        assert_eq!(known(&memory), live);
    }
}

#[tokio::test]
async fn a_plan_has_one_digest() {
    let server = ModelServer::start(Script::says("x")).unwrap();
    let house = Setup::of(&server)
        .policy("one", "forbid (principal, action, resource) when { false };")
        .start()
        .await;
    let broker = Broker::new(Arc::clone(&house.master));
    let digest = |plan: &alcaide_inventory::Plan| {
        GatePlan::compile(plan, &broker, &HmacKey::new(&[7; 32]), crate::house::PACKS).unwrap().digest
    };
    assert_eq!(digest(&house.plan), digest(&house.plan));
    assert_eq!(digest(&house.plan), house.gate.plan().unwrap().digest);
    let copy: alcaide_inventory::Plan =
        serde_json::from_slice(&serde_json::to_vec(&house.plan).unwrap()).unwrap();
    assert_eq!(digest(&copy), digest(&house.plan));
    let mut other = house.plan.clone();
    other.number.0 += 1;
    assert_ne!(digest(&other), digest(&house.plan));
}

#[tokio::test]
async fn a_plan_that_cannot_be_used_leaves_the_one_in_force() {
    let server = ModelServer::start(Script::says("x")).unwrap();
    let house = Setup::of(&server).start().await;
    let before = house.gate.plan().unwrap().digest;
    let broken = Setup::of(&server).policy("broken", "permit (principal, action");
    assert!(house.gate.adopt(&broken.plan(&house.master)).is_err());
    assert_eq!(house.gate.plan().unwrap().digest, before);
    let token = house.token(BOT).await;
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    // And one that can be is in force with the next call.
    let strict = Setup::of(&server).policy("none", "forbid (principal, action, resource);");
    house.gate.adopt(&strict.plan(&house.master)).unwrap();
    assert_eq!(house.chat(&token, "hi").await.status, 403);
}

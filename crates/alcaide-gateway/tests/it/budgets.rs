//! Budgets: who is stopped, when, and that nothing is lost or leaked.

use std::sync::Arc;
use std::time::Duration;

use alcaide_record::End;
use alcaide_testkit::{Fail, Gate as Latch, ModelServer, Script};

use crate::house::*;

fn server() -> ModelServer {
    ModelServer::start(Script::says("one two three")).unwrap()
}

#[tokio::test]
async fn a_budget_over_anything_stops_the_call_that_would_pass_it() {
    let server = server();
    for (over, stops_helper) in [
        (r#"{ agent = "bot" }"#, false),
        (r#"{ owner = "ana" }"#, true),
        (r#"{ unit = "finance" }"#, false),
        (r#"{ unit = "company" }"#, true),
        (r#"{ model = "test-model" }"#, true),
    ] {
        let house = Setup::of(&server).budget("few", over, "requests", 2, "minute").start().await;
        let (bot, helper) = (house.token(BOT).await, house.token(HELPER).await);
        assert_eq!(house.chat(&bot, "hi").await.status, 200, "{over}");
        house.gate.settled().await;
        assert_eq!(house.taken("few"), (1, 0), "{over}");
        assert_eq!(house.chat(&bot, "hi").await.status, 200, "{over}");
        let before = server.arrived();
        for (token, stopped) in [(&bot, true), (&helper, stops_helper)] {
            let answer = house.chat(token, "hi").await;
            assert_eq!(answer.status, if stopped { 429 } else { 200 }, "{over}");
            if stopped {
                // NOW is 40 s into its minute.
                assert_eq!(answer.header("retry-after"), "20", "{over}");
                let error = answer.json().await;
                assert_eq!(error["error"]["code"], "ALC-GATE-0020", "{over}");
                assert_eq!(error["error"]["type"], "rate_limit_error", "{over}");
            }
        }
        assert_eq!(server.arrived(), before + u64::from(!stops_helper), "{over}");
        // The next period begins anew.
        house.clock.advance(Duration::from_secs(20));
        assert_eq!(house.chat(&bot, "hi").await.status, 200, "{over}");
        house.audit().await;
        assert_eq!(house.taken("few"), (1, 0), "{over}");
    }
}

#[tokio::test]
async fn tokens_and_money_are_set_aside_in_full_and_settled_as_used() {
    let server = server();
    let house = Setup::of(&server)
        .budget("tokens", r#"{ agent = "bot" }"#, "tokens", 300, "day")
        .budget("money", r#"{ unit = "company" }"#, "money_micros", 1_500, "total")
        .start()
        .await;
    let token = house.token(BOT).await;
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    house.gate.settled().await;
    assert_eq!((house.taken("tokens"), house.taken("money")), ((10, 0), (44, 0)));
    // Asks for more than is left.
    let big = chat("hi").replacen('{', "{\"max_tokens\":250,", 1);
    let answer = house.post(CHAT, &token, big).await;
    assert_eq!((answer.status, answer.code().await.contains("0020")), (429, true));
    // Two choices count twice.
    let two = chat("hi").replacen('{', "{\"n\":2,\"max_tokens\":125,", 1);
    assert_eq!(house.post(CHAT, &token, two).await.status, 429);
    // Little is asked for, but the money is not enough for it.
    let dear = chat("hi").replacen('{', "{\"max_tokens\":200,", 1);
    assert_eq!(house.post(CHAT, &token, dear).await.status, 429);
    let answer =
        house.post("/v1/messages", &token, r#"{"model":"test-model","max_tokens":250,"messages":[]}"#).await;
    assert_eq!((answer.status, answer.json().await["type"] == "error"), (429, true));
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    house.audit().await;
    assert_eq!((house.taken("tokens"), house.taken("money")), ((20, 0), (88, 0)));
    assert_eq!(server.arrived(), 2);
}

#[tokio::test]
async fn a_call_whose_usage_is_never_told_is_charged_in_full() {
    let server = ModelServer::start(Script::says("one two").using(None)).unwrap();
    let house =
        Setup::of(&server).budget("tokens", r#"{ agent = "bot" }"#, "tokens", 300, "day").start().await;
    let token = house.token(BOT).await;
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    let (intent, outcome) = house.audit().await.remove(0);
    assert!(outcome.usage.unwrap().estimated);
    let alcaide_record::Effect::Reserve { amount, .. } = intent.effects[0] else { panic!() };
    assert_eq!(house.taken("tokens"), (amount, 0));
    assert!(amount > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_streams_do_not_pass_a_budget_together() {
    let latch = Latch::closed();
    let server = server();
    let held = Script::says("one two three").failing(Fail::SilentFor(latch.clone()));
    // A third never tells its usage.
    server.queue((0..64).map(|at| if at % 3 == 0 { held.clone().using(None) } else { held.clone() }));
    let one = 64 + 100 + 1;
    let limit = 20 * one + 50;
    let house =
        Setup::of(&server).budget("tokens", r#"{ owner = "ana" }"#, "tokens", limit, "day").start().await;
    let house = Arc::new(house);
    let (bot, helper) = (house.token(BOT).await, house.token(HELPER).await);
    let mut calls = tokio::task::JoinSet::new();
    for at in 0..64 {
        let (address, token) = (house.address, if at % 2 == 0 { bot.clone() } else { helper.clone() });
        calls.spawn(async move { send(address, post(CHAT, &token, chat_stream("hi"))).await });
    }
    let answers = calls.join_all().await;
    let (used, reserved) = house.taken("tokens");
    assert_eq!(used, 0);
    assert!(reserved <= limit && reserved > limit - 2 * one, "{reserved} of {limit}");
    let (mut open, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(refused.iter().all(|answer| answer.status == 429 && !answer.header("retry-after").is_empty()));
    assert_eq!(open.len() as u64, server.arrived());
    assert!((19..=20).contains(&open.len()), "{}", open.len());
    // Every other client leaves; the rest read on to the end.
    let begun = open.len();
    let stay = open.split_off(begun / 2);
    for answer in &mut open {
        answer.piece().await.unwrap();
    }
    let left = open.len() as u64;
    drop(open);
    server.until_abandoned(left).await.unwrap();
    latch.open();
    for answer in stay {
        assert!(answer.text().await.ends_with("data: [DONE]\n\n"));
    }
    let outcomes = house.outcomes(begun).await;
    let calls = house.audit().await;
    assert_eq!(calls.len(), begun);
    let charged: u64 =
        outcomes.iter().map(|one| one.usage.unwrap()).map(|usage| usage.input + usage.output).sum();
    let (used, reserved) = house.taken("tokens");
    assert_eq!((used, reserved), (charged, 0));
    assert!(used <= limit);
    let gone = outcomes.iter().filter(|outcome| outcome.end == End::CallerGone).count() as u64;
    assert_eq!(gone, left);
}

//! Another upstream is tried while nothing was released, and never after.

use alcaide_record::End;
use alcaide_testkit::{Fail, ModelServer, Script};

use crate::house::*;

fn good() -> ModelServer {
    ModelServer::start(Script::says("from the second")).unwrap()
}

fn two(first: &str, second: &ModelServer) -> Setup {
    Setup::people()
        .upstream("first", "openai", first, "")
        .upstream("second", "openai", &second.url("/v1"), "")
        .model("test-model", &["first", "second"], PRICE)
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 10, "day")
        .budget("tokens", r#"{ agent = "bot" }"#, "tokens", 10_000, "day")
}

/// One call; how the first attempt ended. The second must have answered.
async fn falls_over(setup: Setup, second: &ModelServer) -> End {
    let house = setup.start().await;
    let token = house.token(BOT).await;
    let answer = house.chat(&token, "hi").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().await["choices"][0]["message"]["content"], "from the second");
    assert_eq!(second.arrived(), 1);
    let calls = house.audit().await;
    assert_eq!(calls.len(), 2);
    let attempts: Vec<_> =
        calls.iter().map(|(intent, _)| (intent.attempt.number, intent.attempt.upstream)).collect();
    let ids = ["first", "second"].map(|name| house.plan.upstreams[name].id);
    assert_eq!(attempts, [(1, ids[0]), (2, ids[1])]);
    assert_eq!(calls[0].0.call, calls[1].0.call);
    assert_eq!(calls[1].1.end, End::Complete);
    let first = &calls[0].1;
    assert_eq!(first.released_bytes, 0);
    // A token is charged once, whatever happened before; a call that never left is free.
    let sent = u64::from(first.end != End::Unreachable);
    assert_eq!(house.taken("calls").0, 1 + sent);
    if first.end != End::UpstreamBroken {
        assert_eq!(house.taken("tokens").0, 10);
    }
    first.end
}

#[tokio::test]
async fn a_dead_upstream_is_passed_over() {
    let second = good();
    assert_eq!(falls_over(two(&dead_url().await, &second), &second).await, End::Unreachable);
}

#[tokio::test]
async fn an_upstream_that_cannot_serve_is_passed_over() {
    for status in [429, 500, 502, 503, 504, 529] {
        let (first, second) =
            (ModelServer::start(Script::says("").failing(Fail::Status(status))).unwrap(), good());
        assert_eq!(
            falls_over(two(&first.url("/v1"), &second), &second).await,
            End::UpstreamRefused,
            "{status}"
        );
        assert_eq!(first.arrived(), 1);
    }
}

#[tokio::test]
async fn an_upstream_that_dies_before_it_answers_is_passed_over() {
    let (first, second) = (Blunt::start("", false).await, good());
    assert_eq!(falls_over(two(&first.url(), &second), &second).await, End::UpstreamBroken);
    assert_eq!(first.asked(), 1);
}

#[tokio::test]
async fn an_upstream_that_is_too_slow_is_passed_over() {
    let (first, second) = (ModelServer::start(Script::says("").failing(Fail::NeverAnswer)).unwrap(), good());
    let setup = Setup::people()
        .upstream("first", "openai", &first.url("/v1"), "first_byte_timeout_ms = 50")
        .upstream("second", "openai", &second.url("/v1"), "")
        .model("test-model", &["first", "second"], PRICE);
    let house = setup.start().await;
    let token = house.token(BOT).await;
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    let ends: Vec<_> = house.audit().await.into_iter().map(|(_, outcome)| outcome.end).collect();
    assert_eq!(ends, [End::UpstreamTimeout, End::Complete]);
    first.until_abandoned(1).await.unwrap();
}

#[tokio::test]
async fn an_error_that_is_the_callers_own_is_told_and_not_tried_again() {
    for status in [400, 401, 404, 422] {
        let (first, second) =
            (ModelServer::start(Script::says("").failing(Fail::Status(status))).unwrap(), good());
        let house = two(&first.url("/v1"), &second).start().await;
        let token = house.token(BOT).await;
        let answer = house.chat(&token, "hi").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.json().await["error"]["message"], "the script says so");
        assert_eq!((first.arrived(), second.arrived()), (1, 0));
        assert_eq!(house.outcome().await.end, End::UpstreamRefused);
    }
}

#[tokio::test]
async fn after_the_first_byte_nothing_is_tried_again() {
    for (body, status) in [(chat_stream("hi"), 200), (chat("hi"), 502)] {
        let fail = Fail::DieAfterBytes(40);
        let (first, second) =
            (ModelServer::start(Script::says("one two three").failing(fail)).unwrap(), good());
        let house = two(&first.url("/v1"), &second).start().await;
        let token = house.token(BOT).await;
        let answer = house.post(CHAT, &token, body).await;
        assert_eq!(answer.status, status);
        assert!(answer.text().await.contains("ALC-GATE-0042"));
        let calls = house.audit().await;
        assert_eq!((calls.len(), calls[0].1.end), (1, End::UpstreamBroken));
        assert_eq!(second.arrived(), 0);
    }
}

#[tokio::test]
async fn when_all_are_dead_the_caller_is_told() {
    let second = good();
    let setup = two(&dead_url().await, &second);
    drop(second);
    let house = setup.start().await;
    let token = house.token(BOT).await;
    let answer = house.chat(&token, "hi").await;
    assert_eq!((answer.status, answer.code().await.as_str()), (502, "ALC-GATE-0040"));
    let calls = house.audit().await;
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|(_, outcome)| outcome.end == End::Unreachable && outcome.usage.is_none()));
    assert_eq!((house.taken("calls"), house.taken("tokens")), ((0, 0), (0, 0)));
}

#[tokio::test]
async fn the_last_error_is_the_upstreams_own() {
    let busy = || ModelServer::start(Script::says("").failing(Fail::Status(503))).unwrap();
    let (first, second) = (busy(), busy());
    let house = two(&first.url("/v1"), &second).start().await;
    let token = house.token(BOT).await;
    let answer = house.chat(&token, "hi").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json().await["error"]["message"], "the script says so");
    assert_eq!(house.audit().await.len(), 2);
}

#[tokio::test]
async fn a_budget_that_holds_one_call_does_not_keep_it_from_the_second_upstream() {
    let second = good();
    let setup = Setup::people()
        .upstream("first", "openai", &dead_url().await, "")
        .upstream("second", "openai", &second.url("/v1"), "")
        .model("test-model", &["first", "second"], PRICE)
        .budget("one", r#"{ agent = "bot" }"#, "requests", 1, "day");
    let house = setup.start().await;
    let token = house.token(BOT).await;
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    house.audit().await;
    assert_eq!(house.taken("one"), (1, 0));
}

//! What a model's provider is asked for beside words: how much output, what it runs, what it is told in the URL.

use std::collections::BTreeSet;

use alcaide_record::Stage;
use alcaide_testkit::{ModelServer, Script};
use serde_json::{Value, json};

use crate::house::*;

const USE: &str = r#"permit (principal, action == Alcaide::Action::"use_model", resource);"#;
const BLOCKED: (u16, &str) = (403, "ALC-GATE-0021");

fn server() -> ModelServer {
    ModelServer::start(Script::says("fine")).unwrap()
}

fn demanding(obligations: &str) -> String {
    format!("@obligation(\"{obligations}\")\n{USE}")
}

/// What arrives of a body.
async fn sent(house: &House, server: &ModelServer, token: &str, path: &str, body: &Value) -> Value {
    let answer = house.post(path, token, body.to_string()).await;
    assert_eq!(answer.status, 200, "{body}");
    server.heard().pop().unwrap().json().unwrap()
}

fn with(members: &Value) -> Value {
    let mut body = json!({"model": "test-model", "messages": []});
    for (key, value) in members.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_cap_counts_all_choices_and_never_raises_a_limit() {
    let server = server();
    let house = Setup::of(&server).policy("cap", &demanding("cap:output_tokens=16")).start().await;
    let token = house.token(BARE).await;
    for (given, arrives) in [
        (json!({"n": 2}), json!({"n": 2, "max_completion_tokens": 8})),
        (json!({"n": 2, "max_tokens": 10}), json!({"n": 2, "max_tokens": 8})),
        (json!({"n": 4, "max_tokens": 3}), json!({"n": 4, "max_tokens": 3})),
        (json!({"n": 5, "max_tokens": 3}), json!({"n": 5, "max_tokens": 3})),
        (
            json!({"max_tokens": 99, "max_completion_tokens": 4}),
            json!({"max_tokens": 16, "max_completion_tokens": 4}),
        ),
    ] {
        assert_eq!(sent(&house, &server, &token, CHAT, &with(&given)).await, with(&arrives), "{given}");
    }
    let before = server.arrived();
    // Not even one token for each choice.
    let answer = house.post(CHAT, &token, with(&json!({"n": 17})).to_string()).await;
    assert_eq!((answer.status, answer.code().await.as_str()), BLOCKED);
    assert_eq!(server.arrived(), before);
}

#[tokio::test]
async fn what_is_set_aside_is_the_most_that_may_come() {
    let server = server();
    let budget =
        |of: &'static str| Setup::of(&server).budget("some", r#"{ agent = "bot" }"#, of, 1_000_000, "day");
    for of in ["tokens", "money_micros"] {
        let house = budget(of).start().await;
        let token = house.token(BOT).await;
        let limited = [
            (CHAT, with(&json!({})), "max_completion_tokens"),
            (CHAT, with(&json!({"max_tokens": null})), "max_tokens"),
            (
                "/v1/responses",
                json!({"model": "test-model", "input": "x", "store": false}),
                "max_output_tokens",
            ),
            ("/v1/messages", with(&json!({})), "max_tokens"),
        ];
        for (path, mut wanted, member) in limited {
            let arrived = sent(&house, &server, &token, path, &wanted).await;
            wanted[member] = 100.into();
            assert_eq!(arrived, wanted, "{of} {path}");
            let (intent, _) = house.audit().await.pop().unwrap();
            assert!(intent.content.edited, "{of} {path}");
        }
        for (path, given) in [
            (CHAT, with(&json!({"max_tokens": 7}))),
            ("/v1/messages", with(&json!({"max_tokens": 700}))),
            ("/v1/embeddings", json!({"model": "test-model", "input": "x"})),
        ] {
            assert_eq!(sent(&house, &server, &token, path, &given).await, given, "{of} {path}");
        }
    }
    let house = budget("requests").start().await;
    let token = house.token(BOT).await;
    assert_eq!(sent(&house, &server, &token, CHAT, &with(&json!({}))).await, with(&json!({})));
    // A cap above the route's own figure: what is set aside is what is sent.
    let house = Setup::of(&server).policy("cap", &demanding("cap:output_tokens=500")).start().await;
    let token = house.token(BARE).await;
    let arrived = sent(&house, &server, &token, CHAT, &with(&json!({}))).await;
    assert_eq!(arrived["max_completion_tokens"], 100);
}

#[tokio::test]
async fn so_many_things_may_run_at_the_provider_and_each_is_recorded_once() {
    let server = server();
    let tools =
        |count: usize| -> Vec<Value> { (0..count).map(|at| json!({"type": format!("kind{at}x")})).collect() };
    let body =
        |count: usize| json!({"model": "test-model", "input": "x", "store": false, "tools": tools(count)});
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let answer = house.post("/v1/responses", &token, body(64).to_string()).await;
    assert_eq!((answer.status, answer.code().await.as_str()), (403, "ALC-POLICY-0032"));
    let answer = house.post("/v1/responses", &token, body(65).to_string()).await;
    assert_eq!((answer.status, answer.code().await.as_str()), (400, "ALC-GATE-0016"));
    // The same thing a thousand times is one thing.
    let mut many = body(1);
    many["tools"] = (0..1_000).map(|_| json!({"type": "web_search"})).collect();
    let answer = house.post("/v1/responses", &token, many.to_string()).await;
    assert_eq!((answer.status, answer.code().await.as_str()), (403, "ALC-POLICY-0032"));
    let stages: Vec<_> = house.refusals().await.into_iter().map(|refused| refused.stage).collect();
    assert_eq!(stages, [Stage::Decided, Stage::Known, Stage::Decided]);
    let house = Setup::of(&server).policy("all", "permit (principal, action, resource);").start().await;
    let token = house.token(BOT).await;
    assert_eq!(house.post("/v1/responses", &token, body(64).to_string()).await.status, 200);
    let (intent, _) = house.audit().await.pop().unwrap();
    let policies = intent.decided.policies;
    assert_eq!(policies.iter().collect::<BTreeSet<_>>().len(), policies.len(), "{policies:?}");
}

#[tokio::test]
async fn a_call_that_many_policies_decide_is_recorded_all_the_same() {
    let server = server();
    let all = |effect: &str| {
        let mut setup = Setup::of(&server);
        for at in 0..2_000 {
            setup = setup.policy(&format!("one-{at}"), &format!("{effect} (principal, action, resource);"));
        }
        setup
    };
    let house = all("permit").start().await;
    assert_eq!(house.chat(&house.token(BOT).await, "hi").await.status, 200);
    assert_eq!(house.audit().await.len(), 1);
    let house = all("forbid").start().await;
    assert_eq!(house.chat(&house.token(BOT).await, "hi").await.status, 403);
    assert_eq!(house.refusals().await.len(), 1);
}

#[tokio::test]
async fn a_member_that_nobody_knows_needs_a_permit_of_its_own() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let body = with(&json!({"models": ["dearer"]})).to_string();
    assert_eq!(house.post(CHAT, &token, body.clone()).await.code().await, "ALC-POLICY-0032");
    assert_eq!(house.post(CHAT, &token, with(&json!({"seed": 7, "top_k": 3})).to_string()).await.status, 200);
    let permit = r#"permit (principal, action == Alcaide::Action::"use_hosted", resource) when { resource.name == "member.models" };"#;
    let house = Setup::of(&server).policy("models", permit).start().await;
    let token = house.token(BOT).await;
    assert_eq!(house.post(CHAT, &token, body).await.status, 200);
    assert_eq!(server.arrived(), 2);
}

#[tokio::test]
async fn a_number_of_a_card_is_a_card() {
    let server = server();
    let body = |input: &Value| {
        json!({"model": "test-model", "max_tokens": 9, "messages": [{"role": "assistant", "content": [
            {"type": "tool_use", "id": "t", "name": "pay", "input": input}]}]})
    };
    let pan = body(&json!({"pan": 4_242_424_242_424_242_u64}));
    let house = Setup::of(&server).policy("block", &demanding("block:card")).start().await;
    let token = house.token(BARE).await;
    let answer = house.post("/v1/messages", &token, pan.to_string()).await;
    assert_eq!((answer.status, answer.code().await.as_str()), BLOCKED);
    let house = Setup::of(&server).policy("mask", &demanding("mask:card")).start().await;
    let token = house.token(BARE).await;
    let arrived = sent(&house, &server, &token, "/v1/messages", &pan).await;
    assert_eq!(arrived, body(&json!({"pan": "[card ending 4242]"})));
}

#[tokio::test]
async fn what_is_not_inspected_is_blocked_where_that_is_demanded() {
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let ask =
        json!({"model": "test-model", "messages": [{"role": "user", "content": [picture]}]}).to_string();
    let demand = demanding("block:uninspected");
    let server = server();
    let house = Setup::of(&server).policy("block", &demand).start().await;
    let token = house.token(BARE).await;
    let answer = house.post(CHAT, &token, ask.clone()).await;
    assert_eq!((answer.status, answer.code().await.as_str()), BLOCKED);
    assert_eq!(server.arrived(), 0);
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    // Nor does it come in: whole, or in a stream.
    let said = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "fine",
        "audio": {"id": "a", "data": "AAAA"}}, "finish_reason": "stop"}]})
    .to_string();
    let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", said.len());
    let blunt =
        Blunt::start(format!("HTTP/1.1 200 OK\r\n{head}connection: close\r\n\r\n{said}"), false).await;
    let house = blunt.setup().policy("block", &demand).start().await;
    let token = house.token(BARE).await;
    let answer = house.chat(&token, "hi").await;
    assert_eq!((answer.status, answer.code().await.as_str()), (502, "ALC-GATE-0043"));
    let blunt = Blunt::events(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"audio\":{\"data\":\"AAAA\"}}}]}\n\ndata: [DONE]\n\n",
        false,
    )
    .await;
    let house = blunt.setup().policy("block", &demand).start().await;
    let stream = house.post(CHAT, &house.token(BARE).await, chat_stream("hi")).await.text().await;
    assert!(stream.contains("ALC-GATE-0043") && !stream.contains("AAAA"), "{stream}");
    // Where nothing is demanded it does.
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    assert_eq!(house.post(CHAT, &token, ask).await.status, 200);
}

#[tokio::test]
async fn of_a_query_only_what_the_protocols_know_goes_to_a_model() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    for (query, passes) in [
        ("?beta=true", "?beta=true"),
        ("?api-version=2024-10-21-preview", "?api-version=2024-10-21-preview"),
        ("?card=4242424242424242", ""),
        ("?x=1&beta=true&4242424242424242", "?beta=true"),
        ("?beta=4242424242424242", ""),
        ("?beta=%74rue", ""),
        ("?", ""),
    ] {
        let answer = house.post(&format!("{CHAT}{query}"), &token, chat("hi")).await;
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(server.heard().pop().unwrap().target, format!("{CHAT}{passes}"), "{query}");
    }
}

#[tokio::test]
async fn only_what_was_looked_at_of_an_event_goes_on() {
    let number = "4242424242424242";
    let event = r#"{"choices":[{"index":0,"delta":{"content":"fine"}}]}"#;
    let odd = format!(
        ": {number}\n\n: {number}\nid: {number}\nretry: {number}\nevent: {number}\nx-{number}: 1\ndata: {event}\n\n\
         id: {number}\ndata: {event}\n\nevent: {number}\ndata: {event}\n\nretry: 4242\n\nevent: {number}\ndata: [DONE]\n\n"
    );
    let blunt = Blunt::events(&odd, false).await;
    for demand in ["", "mask:card"] {
        let setup = blunt.setup();
        let house = if demand.is_empty() { setup } else { setup.policy("mask", &demanding(demand)) };
        let house = house.policy("use", USE).start().await;
        let stream = house.post(CHAT, &house.token(BARE).await, chat_stream("x")).await.text().await;
        let wanted = format!("data: {event}\n\n").repeat(3) + "data: [DONE]\n\n";
        assert_eq!(stream, wanted, "`{demand}`");
    }
}

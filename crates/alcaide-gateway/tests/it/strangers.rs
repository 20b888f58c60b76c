//! Who is not let in, and who is thrown out.

use std::time::Duration;

use alcaide_identity::Audience;
use alcaide_inventory::id::TokenId;
use alcaide_record::{End, OrderKind, Stage};
use alcaide_testkit::{Fail, Gate as Latch, ModelServer, Script};
use serde_json::json;

use crate::house::*;

const MESSAGES: &str = "/v1/messages";
const ASK: &str = r#"{"model":"test-model","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;

fn server() -> ModelServer {
    ModelServer::start(Script::says("one two three four")).unwrap()
}

#[tokio::test]
async fn strangers_are_told_no_in_the_words_of_the_protocol() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let expired = house.token(BOT).await;
    house.clock.advance(Duration::from_secs(300));
    let other =
        house.mint(&alcaide_identity::TokenRequest { audience: Audience::Office, ..house.asked(BOT) });
    let mut forged = house.token(BOT).await;
    // A letter within the signature; the last one has bits that say nothing.
    let at = forged.len() - 10;
    let other_letter = if forged[at..].starts_with('A') { "B" } else { "A" };
    forged.replace_range(at..=at, other_letter);
    house.kill(HELPER, 1).await;
    let killed = house.mint(&house.asked(HELPER));
    let cases = [
        (String::new(), 401, "ALC-GATE-0001"),
        ("garbage".to_owned(), 401, "ALC-GATE-0002"),
        (forged, 401, "ALC-GATE-0002"),
        (expired, 401, "ALC-GATE-0002"),
        (other, 401, "ALC-GATE-0002"),
        (killed, 403, "ALC-GATE-0004"),
        (house.mint(&house.asked(99)), 403, "ALC-GATE-0005"),
        (house.mint(&house.asked(IDLE)), 403, "ALC-GATE-0005"),
        (house.mint(&house.asked(STRICT)), 401, "ALC-GATE-0006"),
    ];
    for (token, status, code) in &cases {
        for (path, body) in
            [(CHAT, chat("hi")), (MESSAGES, ASK.to_owned()), (CHAT, "not even JSON".to_owned())]
        {
            let answer = house.post(path, token, body).await;
            assert_eq!(answer.status, *status, "{code} {path}");
            assert_eq!(answer.headers.contains_key("www-authenticate"), *status == 401, "{code} {path}");
            let error = answer.json().await;
            assert_eq!(error["error"]["code"], *code, "{path}");
            let kind = if *status == 401 { "authentication_error" } else { "permission_error" };
            assert_eq!(error["error"]["type"], kind, "{path}");
            assert!(!error.to_string().contains(token.as_str()) || token.is_empty());
            if path == MESSAGES {
                assert_eq!(error["type"], "error");
            } else {
                assert_eq!(error["error"]["param"], json!(null));
            }
        }
    }
    assert_eq!(server.arrived(), 0);
    // Who is known is recorded, who is not is only counted.
    let refused = house.refusals().await;
    assert_eq!(refused.len(), 12);
    assert!(refused.iter().all(|one| one.stage == Stage::Known && one.who.is_some()));
    assert!(house.gate.metrics_text().contains("alcaide_gate_refused_total{code=\"ALC-GATE-0002\"} 12"));
}

#[tokio::test]
async fn a_path_that_is_not_there_is_told_to_those_who_are_let_in() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    for (given, status) in [("", 401), ("garbage", 401), (token.as_str(), 404)] {
        assert_eq!(house.post("/v1/files", given, "{}").await.status, status, "`{given}`");
    }
    assert_eq!(house.post("/v1/models", &token, "{}").await.code().await, "ALC-GATE-0011");
    house.kill(BOT, 1).await;
    assert_eq!(house.post("/v1/files", &token, "{}").await.code().await, "ALC-GATE-0004");
    assert_eq!(server.arrived(), 0);
}

#[tokio::test]
async fn a_stranger_hears_the_same_while_the_gate_is_not_ready() {
    let server = server();
    let house = Setup::of(&server).start().await;
    house.pass(alcaide_gateway::lease::PLAN + Duration::from_secs(1));
    let token = house.token(BOT).await;
    for path in [CHAT, "/api/erp/invoices", "/mcp/files", "/v1/files"] {
        for (given, code) in [("", "ALC-GATE-0001"), ("garbage", "ALC-GATE-0002")] {
            let answer = house.post(path, given, "{}").await;
            assert_eq!((answer.status, answer.code().await.as_str()), (401, code), "{path} `{given}`");
        }
    }
    assert_eq!(house.chat(&token, "hi").await.status, 503);
    assert_eq!(server.arrived(), 0);
}

#[tokio::test]
async fn two_credentials_are_one_too_many() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let mut request = post(MESSAGES, &token, ASK);
    request.headers_mut().insert("x-api-key", "another".parse().unwrap());
    let answer = send(house.address, request).await;
    assert_eq!((answer.status, answer.code().await.as_str()), (400, "ALC-GATE-0003"));
    assert_eq!(server.arrived(), 0);
}

#[tokio::test]
async fn a_killed_agent_is_refused_with_its_next_call_and_comes_back_with_a_new_token() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    house.kill(BOT, 1).await;
    assert_eq!(house.chat(&token, "hi").await.code().await, "ALC-GATE-0004");
    assert_eq!(house.chat(&house.token(HELPER).await, "hi").await.status, 200);
    let index = house.order(OrderKind::Unkill { actor: agent(BOT) }).await;
    house.gate.settled().await;
    house.until("the order", || house.memory.replay_from() > index).await;
    // The old token is from before the stop.
    assert_eq!(house.chat(&token, "hi").await.code().await, "ALC-GATE-0004");
    let fresh = house.mint(&alcaide_identity::TokenRequest { epochs: vec![1, 1], ..house.asked(BOT) });
    assert_eq!(house.chat(&fresh, "hi").await.status, 200);
    assert_eq!(server.arrived(), 3);
}

#[tokio::test]
async fn a_revoked_token_takes_its_children_with_it() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let parent = house.asked(BOT);
    let child =
        alcaide_identity::TokenRequest { ancestors: vec![parent.principal.token], ..house.asked(BOT) };
    let (parent_token, child_token) = (house.mint(&parent), house.mint(&child));
    assert_eq!(house.chat(&child_token, "hi").await.status, 200);
    house.order(OrderKind::Revoke { token: parent.principal.token }).await;
    let revoked = || house.memory.is_good(&[], parent.principal.token, &[]).is_err();
    house.until("the revocation", revoked).await;
    for token in [parent_token, child_token] {
        assert_eq!(house.chat(&token, "hi").await.code().await, "ALC-GATE-0004");
    }
    assert!(house.memory.is_good(&[], TokenId::from_bits(77), &[]).is_ok());
    assert_eq!(server.arrived(), 1);
}

#[tokio::test]
async fn a_kill_cuts_an_open_stream() {
    let latch = Latch::closed();
    let server =
        ModelServer::start(Script::says("one two three four").failing(Fail::SilentFor(latch))).unwrap();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let bodies = [
        (CHAT, chat_stream("hi")),
        (MESSAGES, ASK.replacen('{', "{\"stream\":true,", 1)),
        ("/v1/responses", r#"{"model":"test-model","input":"x","stream":true,"store":false}"#.to_owned()),
    ];
    let mut open = Vec::new();
    for (path, body) in bodies {
        let mut answer = house.post(path, &token, body).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.piece().await.unwrap().is_empty());
        open.push(answer);
    }
    house.kill(BOT, 1).await;
    for answer in open {
        let rest = answer.text().await;
        assert!(rest.contains("ALC-GATE-0004"), "{rest}");
        assert!(!rest.contains("[DONE]") && !rest.contains("message_stop"), "{rest}");
    }
    for outcome in house.outcomes(3).await {
        assert_eq!(outcome.end, End::Killed);
        assert!(outcome.released_bytes > 0);
        assert!(outcome.usage.unwrap().estimated || outcome.usage.unwrap().output == 0);
    }
    server.until_abandoned(3).await.unwrap();
    house.audit().await;
}

#[tokio::test]
async fn a_kill_ends_a_call_that_waits_for_its_answer() {
    let latch = Latch::closed();
    for fail in [Fail::NeverAnswer, Fail::SilentFor(latch)] {
        let server = ModelServer::start(Script::says("hi").failing(fail)).unwrap();
        let house = Setup::of(&server).start().await;
        let token = house.token(BOT).await;
        let (answer, ()) = tokio::join!(house.chat(&token, "hi"), async {
            server.until_arrived(1).await.unwrap();
            house.kill(BOT, 1).await;
        });
        assert_eq!((answer.status, answer.code().await.as_str()), (403, "ALC-GATE-0004"));
        assert_eq!(house.outcome().await.end, End::Killed);
        server.until_abandoned(1).await.unwrap();
        house.audit().await;
    }
}

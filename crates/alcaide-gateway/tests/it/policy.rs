//! What policies allow, refuse and demand.

use alcaide_inventory::PlanNumber;
use alcaide_inventory::declare::Tool;
use alcaide_inventory::fact::Facts;
use alcaide_inventory::id::ToolId;
use alcaide_inventory::plan::PlacedTool;
use alcaide_record::{DecisionKind, End, ObligationKind, Stage};
use alcaide_seal::digest::{HmacKey, sha256};
use alcaide_testkit::{Cut, ModelServer, Script};

use crate::house::*;

const USE: &str = r#"permit (principal, action == Alcaide::Action::"use_model", resource);"#;
const SPEECH: &str = "Pay 4111 1111 1111 1111 or write to ana@example.com today.";
const MASKED: &str = "Pay [card ending 1111] or write to [email address] today.";
const SECRET: &str = "see postgres://svc:Tr0ub4dor-9x@db.internal.net/main now";

fn demanding(obligations: &str) -> String {
    format!("@obligation(\"{obligations}\")\n{USE}")
}

fn server() -> ModelServer {
    ModelServer::start(Script::says("fine")).unwrap()
}

#[tokio::test]
async fn nothing_is_permitted_until_something_permits_it() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let (bare, bot) = (house.token(BARE).await, house.token(BOT).await);
    let answer = house.chat(&bare, "hi").await;
    assert_eq!(answer.status, 403);
    let error = answer.json().await;
    assert_eq!(error["error"]["code"], "ALC-POLICY-0032");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("no policy says that agent `bare` may use model `test-model`"), "{message}");
    assert_eq!(server.arrived(), 0);
    let refused = house.refusals().await.remove(0);
    assert_eq!((refused.stage, refused.code.as_str()), (Stage::Decided, "ALC-POLICY-0032"));
    assert_eq!(refused.decided.unwrap().decision, DecisionKind::Refuse);
    assert_eq!(house.chat(&bot, "hi").await.status, 200);
}

#[tokio::test]
async fn a_prohibition_says_why_and_what_would_cure_it() {
    let server = server();
    let house = Setup::of(&server)
        .policy(
            "no-cards",
            "@reason(\"cards stay in the house\")\n@cure(\"ask for the last four digits\")\n\
             forbid (principal, action == Alcaide::Action::\"use_model\", resource) when { context.findings.contains(\"card\") };",
        )
        .start()
        .await;
    let token = house.token(BOT).await;
    let answer = house.chat(&token, SPEECH).await;
    assert_eq!(answer.status, 403);
    let error = answer.json().await;
    assert_eq!(error["error"]["code"], "ALC-POLICY-0031");
    assert_eq!(error["error"]["message"], "cards stay in the house; ask for the last four digits");
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    assert_eq!(server.arrived(), 1);
    let refused = house.refusals().await.remove(0);
    let rules: Vec<_> =
        refused.content.unwrap().findings.into_iter().map(|found| found.rule.to_string()).collect();
    assert_eq!(rules, ["card-number", "email-address"]);
}

#[tokio::test]
async fn a_narrowing_prohibition_binds_who_has_a_grant() {
    let server = server();
    let house = Setup::of(&server)
        .policy(
            "only-caller",
            "forbid (principal, action, resource) when { resource has name && resource.name == \"caller\" };",
        )
        .start()
        .await;
    let token = house.token(BOT).await;
    let body = chat("hi").replace("test-model", "caller");
    assert_eq!(house.post(CHAT, &token, body).await.status, 403);
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    assert_eq!(server.arrived(), 1);
}

#[tokio::test]
async fn what_the_provider_would_run_or_keep_needs_a_permit_of_its_own() {
    let server = server();
    let asks = [
        ("/v1/responses", r#"{"model":"test-model","input":"x","tools":[{"type":"web_search"}]}"#),
        ("/v1/responses", r#"{"model":"test-model","input":"x","store":true}"#),
        (CHAT, r#"{"model":"test-model","messages":[],"store":true}"#),
        (CHAT, r#"{"model":"test-model","messages":[],"web_search_options":{}}"#),
        (
            "/v1/messages",
            r#"{"model":"test-model","max_tokens":9,"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
        ),
    ];
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    for (path, body) in asks {
        let answer = house.post(path, &token, body).await;
        assert_eq!((answer.status, answer.code().await.as_str()), (403, "ALC-POLICY-0032"), "{body}");
    }
    assert_eq!(server.arrived(), 0);
    let house = Setup::of(&server)
        .policy("hosted", r#"permit (principal, action == Alcaide::Action::"use_hosted", resource) when { ["web_search", "store"].contains(resource.name) };"#)
        .start()
        .await;
    let token = house.token(BOT).await;
    for (path, body) in asks {
        assert_eq!(house.post(path, &token, body).await.status, 200, "{body}");
    }
    let url = r#"{"model":"test-model","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]}]}"#;
    assert_eq!(house.post(CHAT, &token, url).await.status, 403);
    assert_eq!(server.arrived(), 5);
}

#[tokio::test]
async fn what_is_masked_does_not_leave() {
    let server = server();
    let house = Setup::of(&server).policy("mask", &demanding("mask:card,personal")).start().await;
    let token = house.token(BARE).await;
    for (path, body) in [
        (CHAT, chat(SPEECH)),
        ("/v1/responses", format!(r#"{{"model":"test-model","input":"{SPEECH}"}}"#)),
        (
            "/v1/messages",
            format!(
                r#"{{"model":"test-model","max_tokens":9,"messages":[{{"role":"user","content":"{SPEECH}"}}]}}"#
            ),
        ),
        ("/v1/embeddings", format!(r#"{{"model":"test-model","input":["{SPEECH}","b"]}}"#)),
    ] {
        assert_eq!(house.post(path, &token, body.clone()).await.status, 200, "{path}");
        let sent = server.heard().pop().unwrap();
        let sent_text = String::from_utf8(sent.body.to_vec()).unwrap();
        let wanted = body.replace(SPEECH, MASKED);
        let wanted =
            if path == "/v1/responses" { wanted.replacen('{', "{\"store\":false,", 1) } else { wanted };
        assert_eq!(sent_text, wanted);
        let (intent, _) = house.audit().await.pop().unwrap();
        assert_eq!(intent.content.digest.0, *sha256(&sent.body).as_bytes(), "{path}");
        assert_eq!((intent.content.bytes, intent.content.edited), (sent.body.len() as u64, true));
        assert_eq!(intent.decided.obligations, [ObligationKind::Mask]);
    }
}

#[tokio::test]
async fn what_is_masked_does_not_come_in() {
    let server = ModelServer::start(Script::says(SPEECH)).unwrap();
    let house = Setup::of(&server).policy("mask", &demanding("mask:card,personal")).start().await;
    let token = house.token(BARE).await;
    for (path, body, place) in [
        (CHAT, chat("x"), "/choices/0/message/content"),
        ("/v1/responses", r#"{"model":"test-model","input":"x"}"#.to_owned(), "/output/0/content/0/text"),
        (
            "/v1/messages",
            r#"{"model":"test-model","max_tokens":9,"messages":[]}"#.to_owned(),
            "/content/0/text",
        ),
    ] {
        let direct = send(server.address(), post(path, "x", body.clone())).await.text().await;
        let answer = house.post(path, &token, body).await.text().await;
        assert_eq!(answer, direct.replace(SPEECH, MASKED), "{path}");
        let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(json.pointer(place).unwrap(), MASKED, "{path}");
        let (_, outcome) = house.audit().await.pop().unwrap();
        assert_eq!(outcome.digest.unwrap().0, *sha256(answer.as_bytes()).as_bytes());
        assert!(outcome.findings.iter().any(|found| found.rule.as_str() == "card-number"), "{path}");
    }
}

#[tokio::test]
async fn what_is_masked_does_not_come_in_however_a_stream_is_cut() {
    let server = server();
    let house = Setup::of(&server).policy("mask", &demanding("mask:card,personal")).start().await;
    let token = house.token(BARE).await;
    let asks = [
        (CHAT, chat_stream("x"), 1),
        ("/v1/responses", r#"{"model":"test-model","input":"x","stream":true}"#.to_owned(), 3),
        (
            "/v1/messages",
            r#"{"model":"test-model","max_tokens":9,"messages":[],"stream":true}"#.to_owned(),
            3,
        ),
    ];
    let mut streams = 0;
    for (path, body, step) in asks {
        for at in (0..=SPEECH.len()).step_by(step) {
            let pieces = [&SPEECH[..at], &SPEECH[at..]];
            let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).map(str::to_owned);
            let write = if at % 2 == 0 { 7 } else { 0 };
            server.play(Script::says(SPEECH).cut(Cut::Exactly(pieces.collect())).written_in(write));
            let stream = house.post(path, &token, body.clone()).await.text().await;
            assert_eq!(text_of(&stream), MASKED, "{path} cut at {at}: {stream}");
            for part in ["4111", "1111 1111", "ana@", "example.com"] {
                assert!(!stream.contains(part), "{path} cut at {at}: {stream}");
            }
            assert!(
                stream.contains("[DONE]")
                    || stream.contains("message_stop")
                    || stream.contains("response.completed")
            );
            streams += 1;
        }
        // One character at a time.
        let letters = SPEECH.chars().map(String::from).collect();
        server.play(Script::says(SPEECH).cut(Cut::Exactly(letters)).written_in(1));
        let stream = house.post(path, &token, body.clone()).await.text().await;
        assert_eq!(text_of(&stream), MASKED, "{path}: {stream}");
        assert!(!stream.contains("ana@") && !stream.contains("1111 1111"), "{path}: {stream}");
        streams += 1;
    }
    for (_, outcome) in house.audit().await {
        assert_eq!(outcome.end, End::Complete);
        let findings: u32 = outcome.findings.iter().map(|found| found.count).sum();
        assert_eq!(findings, 2, "{outcome:#?}");
        streams -= 1;
    }
    assert_eq!(streams, 0);
}

#[tokio::test]
async fn events_of_no_known_type_do_not_carry_anything_past_a_mask() {
    let speech = format!(r#"{{"object":"new.thing","text":"{SPEECH}"}}"#);
    let text = format!(
        ": {SPEECH}\n\ndata: {speech}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"fine\"}}}}]}}\n\ndata: [DONE]\n\n"
    );
    let blunt = Blunt::events(&text, false).await;
    let house = blunt.setup().policy("mask", &demanding("mask:card,personal")).start().await;
    let token = house.token(BARE).await;
    let stream = house.post(CHAT, &token, chat_stream("x")).await.text().await;
    assert!(!stream.contains("1111 1111"), "{stream}");
    assert_eq!(text_of(&stream), "fine");
    assert_eq!(house.outcome().await.end, End::Complete);
}

#[tokio::test]
async fn what_is_blocked_stops_the_call() {
    let server = server();
    let house = Setup::of(&server).policy("block", &demanding("block:secret")).start().await;
    let token = house.token(BARE).await;
    for (path, body) in [
        (CHAT, chat(SECRET)),
        ("/v1/responses", format!(r#"{{"model":"test-model","input":"{SECRET}"}}"#)),
        (
            "/v1/messages",
            format!(r#"{{"model":"test-model","max_tokens":9,"messages":[],"system":"{SECRET}"}}"#),
        ),
    ] {
        let answer = house.post(path, &token, body).await;
        assert_eq!((answer.status, answer.code().await.as_str()), (403, "ALC-GATE-0021"), "{path}");
    }
    assert_eq!(server.arrived(), 0);
    assert_eq!(house.chat(&token, SPEECH).await.status, 200);
}

#[tokio::test]
async fn what_is_blocked_cuts_the_answer() {
    let server = ModelServer::start(Script::says(SECRET)).unwrap();
    let house = Setup::of(&server).policy("block", &demanding("block:secret")).start().await;
    let token = house.token(BARE).await;
    let answer = house.chat(&token, "x").await;
    assert_eq!((answer.status, answer.code().await.as_str()), (502, "ALC-GATE-0043"));
    let outcome = house.outcome().await;
    assert_eq!((outcome.end, outcome.released_bytes, outcome.digest), (End::ContentCut, 0, None));
    assert_eq!(outcome.usage.unwrap().output, 3);
    for at in 1..SECRET.len() {
        server.play(Script::says(SECRET).cut(Cut::Exactly(vec![SECRET[..at].into(), SECRET[at..].into()])));
        let stream = house.post(CHAT, &token, chat_stream("x")).await.text().await;
        assert!(!stream.contains("Tr0ub") && !stream.contains("dor-9x"), "cut at {at}: {stream}");
        assert!(stream.contains("ALC-GATE-0043") && !stream.contains("[DONE]"), "cut at {at}: {stream}");
    }
    let calls = house.audit().await;
    assert_eq!(calls.len(), SECRET.len());
    assert!(calls.iter().all(|(_, outcome)| outcome.end == End::ContentCut));
}

const IMAGE: &str = "See ![plan](https://evil.example/p?d=4711) and https://docs.example/guide now.";
const TAMED: &str = "See ![plan]([link: image-link]) and https://docs.example/guide now.";

#[tokio::test]
async fn an_image_that_carries_data_does_not_come_in_however_a_stream_is_cut() {
    let server = server();
    let house = Setup::of(&server).policy("links", &demanding("mask:image-link")).start().await;
    let token = house.token(BARE).await;
    for at in 0..=IMAGE.len() {
        let pieces = [&IMAGE[..at], &IMAGE[at..]];
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).map(str::to_owned);
        server.play(Script::says(IMAGE).cut(Cut::Exactly(pieces.collect())));
        let stream = house.post(CHAT, &token, chat_stream("x")).await.text().await;
        assert_eq!(text_of(&stream), TAMED, "cut at {at}: {stream}");
    }
    server.play(Script::says(IMAGE));
    let answer = house.chat(&token, "x").await.json().await;
    assert_eq!(answer["choices"][0]["message"]["content"], TAMED);
    let named = IMAGE.replace("evil.example", "127.0.0.1");
    server.play(Script::says(&named));
    let answer = house.chat(&token, "x").await.json().await;
    assert_eq!(answer["choices"][0]["message"]["content"], named, "the host of an upstream is named");
    for (_, outcome) in house.audit().await {
        assert!(outcome.findings.iter().all(|found| found.rule.as_str() == "image-link"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_mark_of_the_task_in_an_answer_is_found_and_blocked_where_that_is_demanded() {
    for (demands, blocked) in [("mask:card", false), ("block:canary", true)] {
        let server = server();
        let setup = Setup::of(&server).tools("small", "http://127.0.0.1:9/mcp");
        let house = setup.policy("marks", &demanding(demands)).start().await;
        let mut plan = house.plan.clone();
        plan.number = PlanNumber(2);
        let facts = Facts { canary: true, ..Facts::default() };
        let spec = Tool { server: "small".parse().unwrap(), name: "read".into(), facts };
        plan.tools.push(PlacedTool { id: ToolId::from_bits(1), spec, pin: None, input_schema: None });
        house.gate.adopt(&plan).unwrap();
        let asked = house.asked(BARE);
        let mark = alcaide_gateway::canary::mark(&HmacKey::new(&[7; 32]), asked.principal.task);
        let token = house.mint(&asked);
        let speech = format!("It is {}-{} as told.", &mark[..7], &mark[7..]);
        server.play(Script::says(&speech));
        let answer = house.chat(&token, "x").await;
        assert_eq!(answer.status == 502, blocked, "{demands}");
        server.play(Script::says(&speech).cut(Cut::Exactly(speech.chars().map(String::from).collect())));
        let stream = house.post(CHAT, &token, chat_stream("x")).await.text().await;
        assert_eq!(stream.contains("ALC-GATE-0043"), blocked, "{demands}: {stream}");
        for (_, outcome) in house.audit().await {
            let found = outcome.findings.iter().find(|found| found.rule.as_str() == "planted-mark");
            assert_eq!(found.unwrap().count, 1);
        }
    }
}

#[tokio::test]
async fn a_cap_lowers_the_limit_of_output() {
    let server = server();
    let house = Setup::of(&server).policy("cap", &demanding("cap:output_tokens=16")).start().await;
    let token = house.token(BARE).await;
    let chat = |member: &str| format!(r#"{{"model":"test-model","messages":[]{member}}}"#);
    let cases = [
        (CHAT, chat(""), "max_completion_tokens", 16),
        (CHAT, chat(r#","max_tokens":500"#), "max_tokens", 16),
        (CHAT, chat(r#","max_completion_tokens":null"#), "max_completion_tokens", 16),
        (CHAT, chat(r#","max_tokens":8"#), "max_tokens", 8),
        ("/v1/responses", r#"{"model":"test-model","input":"x"}"#.to_owned(), "max_output_tokens", 16),
        (
            "/v1/messages",
            r#"{"model":"test-model","max_tokens":99,"messages":[]}"#.to_owned(),
            "max_tokens",
            16,
        ),
    ];
    for (path, body, member, most) in cases {
        assert_eq!(house.post(path, &token, body.clone()).await.status, 200, "{body}");
        assert_eq!(server.heard().pop().unwrap().json().unwrap()[member], most, "{body}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let server = server();
    let house = Setup::of(&server).policy("mark", &demanding("watermark:green")).start().await;
    let token = house.token(BARE).await;
    assert_eq!(house.chat(&token, "x").await.code().await, "ALC-GATE-0021");
    assert_eq!(server.arrived(), 0);
}

#[tokio::test]
async fn a_policy_in_shadow_for_some_is_recorded_for_them_and_binds_the_rest() {
    use alcaide_inventory::declare::{PolicyMode, ShadowOf};

    let server = server();
    let stop = "forbid (principal, action == Alcaide::Action::\"use_model\", resource);";
    let house = Setup::of(&server).policy("stop", stop).start().await;
    let (bot, helper) = (house.token(BOT).await, house.token(HELPER).await);
    let mut number = 1;
    let mut shade = |of: ShadowOf| {
        number += 1;
        let mut plan = house.plan.clone();
        plan.number = alcaide_inventory::PlanNumber(number);
        let policy = plan.policies.values_mut().next().unwrap();
        (policy.spec.mode, policy.spec.shadow) = (PolicyMode::Shadow, Some(of));
        house.gate.adopt(&plan).unwrap();
    };
    shade(ShadowOf { units: vec!["finance".parse().unwrap()], ..ShadowOf::default() });
    assert_eq!(house.chat(&helper, "hi").await.status, 403);
    assert_eq!(house.chat(&bot, "hi").await.status, 200);
    let (intent, _) = house.audit().await.pop().unwrap();
    assert_eq!(
        (intent.decided.decision, intent.decided.shadow),
        (DecisionKind::Allow, Some(DecisionKind::Refuse))
    );
    // The smallest share that the task is in, and the one below.
    let task = intent.who.task;
    let least = (1..=99).find(|percent| ShadowOf::takes(*percent, task)).unwrap();
    for (percent, status) in [(least, 200), (least - 1, 403)] {
        shade(ShadowOf { tasks_percent: Some(percent), ..ShadowOf::default() });
        assert_eq!(house.chat(&bot, "hi").await.status, status, "{percent}");
    }
}

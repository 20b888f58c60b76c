//! Every protocol: what clients see is the same through the gate as without it; what leaves is what came.

use alcaide_record::{DecisionKind, End, Event};
use alcaide_seal::digest::sha256;
use alcaide_testkit::{Heard, ModelServer, Script, node, python};
use serde_json::{Value, json};

use crate::house::*;

const TEXT: &str = "Zwölf boxing wizards jump quickly.";

fn server() -> ModelServer {
    let server = ModelServer::start(Script::says(TEXT)).unwrap();
    server.name("caller", Script::says("Let me look.").with_call("weather", r#"{"city": "Évora"}"#));
    server
}

type Run = fn(&str, &[(&str, &str)]) -> Result<Value, alcaide_testkit::KitError>;

/// Runs a client script of one library.
async fn seen(run: Run, script: &str, url: String, key: &str, model: &str, acts: &str) -> Value {
    let library = if script.starts_with("openai") { "OPENAI" } else { "ANTHROPIC" };
    let (script, key, model, acts) = (script.to_owned(), key.to_owned(), model.to_owned(), acts.to_owned());
    let script_run = move || {
        let (base, secret) = (format!("{library}_BASE_URL"), format!("{library}_API_KEY"));
        let env = [
            (base.as_str(), url.as_str()),
            (secret.as_str(), key.as_str()),
            ("MODEL", model.as_str()),
            ("ACTS", acts.as_str()),
        ];
        run(&script, &env).unwrap()
    };
    tokio::task::spawn_blocking(script_run).await.unwrap()
}

/// Runs `acts` directly and through the gate; gives what the server heard each time.
async fn compare(
    run: Run,
    script: &str,
    path: &str,
    model: &str,
    acts: &str,
) -> (Vec<Heard>, Vec<Heard>, House) {
    let server = server();
    let direct = seen(run, script, server.url(path), "sk-test", model, acts).await;
    let heard = server.heard().len();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let through = seen(run, script, house.url(path), &token, model, acts).await;
    assert_eq!(through, direct);
    assert!(!direct.to_string().contains("\"error\""), "{direct}");
    let mut all = server.heard();
    let mine = all.split_off(heard);
    assert_eq!(mine.len(), all.len());
    for one in &mine {
        assert_private(one, &token);
    }
    (all, mine, house)
}

/// The caller's token does not arrive, the broker's key does.
fn assert_private(heard: &Heard, token: &str) {
    let raw = String::from_utf8_lossy(&heard.raw);
    assert!(!raw.contains(token), "the caller's token went upstream: {raw}");
    let bearer = heard.header("authorization");
    assert!(bearer == Some(&format!("Bearer {KEY}")) || heard.header("x-api-key") == Some(KEY), "{raw}");
    assert_eq!(
        heard.headers.get_all("authorization").iter().count()
            + heard.headers.get_all("x-api-key").iter().count(),
        1
    );
}

fn assert_same_bodies(direct: &[Heard], through: &[Heard]) {
    for (direct, through) in direct.iter().zip(through) {
        assert_eq!(direct.target, through.target);
        if direct.target.ends_with("/responses") {
            // Storing is declined in the caller's stead, and nothing else is edited.
            let mut wanted = direct.json().unwrap();
            wanted["store"] = json!(false);
            assert_eq!(through.json().unwrap(), wanted);
        } else {
            assert_eq!(direct.body, through.body, "{}", direct.target);
        }
    }
}

#[tokio::test]
async fn the_openai_library_sees_no_difference() {
    let acts = "chat,stream,responses,responses_stream,embeddings";
    let (direct, through, house) = compare(python, "openai_client.py", "/v1", "test-model", acts).await;
    assert_same_bodies(&direct, &through);
    let calls = house.audit().await;
    assert_eq!(calls.len(), 6);
    for (intent, outcome) in calls {
        assert_eq!(outcome.end, End::Complete);
        let heard = through.iter().find(|heard| intent.content.digest.0 == *sha256(&heard.body).as_bytes());
        let heard = heard.expect("the intent tells the bytes that were sent");
        assert_eq!(intent.content.edited, heard.target.ends_with("/responses"));
        let usage = outcome.usage.unwrap();
        assert!(!usage.estimated);
        assert_eq!(usage.cost_micros, usage.input * 2 + usage.output * 10);
    }
}

#[tokio::test]
async fn the_openai_library_sees_no_difference_in_tool_calls() {
    let acts = "tools,tools_stream,responses,responses_stream";
    let (direct, through, house) = compare(python, "openai_client.py", "/v1", "caller", acts).await;
    assert_same_bodies(&direct, &through);
    assert_eq!(house.audit().await.len(), 4);
}

#[tokio::test]
async fn the_openai_library_for_node_sees_no_difference() {
    let acts = "chat,stream,responses,responses_stream";
    let (direct, through, house) = compare(node, "openai_client.cjs", "/v1", "test-model", acts).await;
    assert_same_bodies(&direct, &through);
    assert_eq!(house.audit().await.len(), 4);
}

#[tokio::test]
async fn the_anthropic_library_sees_no_difference() {
    let (direct, through, house) =
        compare(python, "anthropic_client.py", "", "caller", "messages,stream,tools,tools_stream").await;
    assert_same_bodies(&direct, &through);
    for (_, outcome) in house.audit().await {
        let usage = outcome.usage.unwrap();
        assert_eq!((usage.input, usage.output, usage.cost_micros), (7, 3, 44));
    }
}

#[tokio::test]
async fn the_anthropic_library_for_node_sees_no_difference() {
    let (direct, through, _) =
        compare(node, "anthropic_client.cjs", "", "test-model", "messages,stream").await;
    assert_same_bodies(&direct, &through);
}

#[tokio::test]
async fn the_libraries_list_the_models_of_the_plan() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let mut openai = seen(python, "openai_client.py", house.url("/v1"), &token, "caller", "models").await;
    assert_eq!(openai["models"].take(), json!({"ids": ["caller", "test-model"], "one": "caller"}));
    let openai = seen(node, "openai_client.cjs", house.url("/v1"), &token, "", "models").await;
    assert_eq!(openai["models"]["ids"], json!(["caller", "test-model"]));
    let url = house.url("/anthropic");
    let anthropic = seen(python, "anthropic_client.py", url, &token, "caller", "models").await;
    assert_eq!(anthropic["models"], json!({"ids": ["caller", "test-model"], "one": "caller"}));
    assert_eq!(server.arrived(), 0);
    // Who has no grant sees none.
    let bare = house.token(BARE).await;
    let request = http::Request::get("/v1/models").header("authorization", format!("Bearer {bare}"));
    let answer = send(house.address, request.body(Default::default()).unwrap()).await;
    assert_eq!(answer.json().await, json!({"object": "list", "data": []}));
}

#[tokio::test]
async fn bytes_pass_as_they_came() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    // Spaces, escapes and numbers that a rewriter would not keep.
    let body = "{ \"temperature\" :1.50,\n\"model\":\"test\\u002dmodel\", \"messages\" : [ {\"role\":\"user\",\"content\":\"\\u00e9\\/\"} ] , \"seed\":-0 }\n";
    let mut request = post(CHAT, &token, body);
    for (name, value) in
        [("user-agent", "me/1"), ("x-secret", "mine"), ("cookie", "a=b"), ("openai-beta", "one")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = send(house.address, request).await;
    assert_eq!(answer.status, 200);
    let direct = send(server.address(), post(CHAT, "x", body)).await.text().await;
    assert_eq!(answer.text().await, direct);
    let heard = &server.heard()[0];
    assert_eq!(heard.body, body);
    assert_private(heard, &token);
    assert_eq!((heard.header("user-agent"), heard.header("openai-beta")), (Some("me/1"), Some("one")));
    assert_eq!((heard.header("x-secret"), heard.header("cookie")), (None, None));
    assert_eq!(heard.target, CHAT);
}

#[tokio::test]
async fn a_call_leaves_one_intent_and_then_one_outcome() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let body = chat("hi");
    let answer = house.post(CHAT, &token, body.clone()).await.text().await;
    let calls = house.audit().await;
    let [(intent, outcome)] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!(intent.content.digest.0, *sha256(body.as_bytes()).as_bytes());
    assert_eq!((intent.content.bytes, intent.content.edited), (body.len() as u64, false));
    assert_eq!(intent.decided.decision, DecisionKind::Allow);
    assert_eq!(intent.decided.plan_digest, house.gate.plan().unwrap().digest);
    assert_eq!((intent.who.actor, intent.who.bound, intent.relaxed), (agent(BOT), false, false));
    assert_eq!(outcome.end, End::Complete);
    assert_eq!(outcome.digest.unwrap().0, *sha256(answer.as_bytes()).as_bytes());
    assert_eq!((outcome.status, outcome.released_bytes), (Some(200), answer.len() as u64));
    let usage = outcome.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.cost_micros, usage.estimated), (7, 5, 64, false));
    // Nothing of the words is in the record.
    for (index, event) in house.events() {
        assert!(!format!("{event:?}").contains("wizards"), "{index}");
        assert!(!matches!(event, Event::Refused(_)));
    }
}

#[tokio::test]
async fn a_stream_that_does_not_ask_for_its_usage_is_counted_all_the_same() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let body = r#"{"model":"test-model","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let answer = house.post(CHAT, &token, body).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let stream = answer.text().await;
    assert_eq!(text_of(&stream), TEXT);
    assert!(stream.ends_with("data: [DONE]\n\n"));
    assert!(!events_of(&stream).iter().any(|event| event["choices"] == json!([])), "{stream}");
    assert_eq!(server.heard()[0].json().unwrap()["stream_options"], json!({"include_usage": true}));
    let outcome = house.outcome().await;
    let usage = outcome.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.estimated), (7, 5, false));
    assert_eq!((outcome.released_bytes, outcome.digest), (stream.len() as u64, None));
    assert_eq!(outcome.end, End::Complete);
    house.audit().await;
}

#[tokio::test]
async fn a_stream_that_asks_for_its_usage_passes_byte_for_byte() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    for (path, body) in [
        (CHAT, chat_stream("hi")),
        ("/v1/messages", r#"{"model":"test-model","max_tokens":9,"messages":[],"stream":true}"#.to_owned()),
        ("/v1/responses", r#"{"model":"test-model","input":"x","stream":true,"store":false}"#.to_owned()),
    ] {
        let direct = send(server.address(), post(path, "x", body.clone())).await.text().await;
        let through = house.post(path, &token, body.clone()).await.text().await;
        assert_eq!(through, direct, "{path}");
        assert_eq!(server.heard().last().unwrap().body, body, "{path}");
    }
}

#[tokio::test]
async fn the_key_may_stand_in_either_header() {
    let server = server();
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let body = r#"{"model":"test-model","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    for (name, value) in [("x-api-key", token.clone()), ("authorization", format!("Bearer {token}"))] {
        for path in ["/v1/messages", "/anthropic/v1/messages?beta=true"] {
            let mut request = post(path, "", body);
            request.headers_mut().insert(name, value.parse().unwrap());
            request.headers_mut().insert("anthropic-version", "2023-06-01".parse().unwrap());
            let answer = send(house.address, request).await;
            assert_eq!(answer.status, 200, "{name} {path}");
            assert_eq!(answer.json().await["content"][0]["text"], TEXT);
            let heard = server.heard().pop().unwrap();
            assert_private(&heard, &token);
            assert_eq!(heard.header("x-api-key"), Some(KEY));
            assert_eq!(heard.header("anthropic-version"), Some("2023-06-01"));
            assert_eq!(heard.target, path.trim_start_matches("/anthropic"));
        }
    }
}

#[tokio::test]
async fn a_model_may_be_called_otherwise_behind_the_gate() {
    let server = server();
    let house = Setup::people()
        .upstream("openai", "openai", &server.url("/v1"), "")
        .with("[[route]]\nname = \"house-model\"\nkind = \"model\"\nupstreams = [{ upstream = \"openai\", model = \"vendor/big:1\" }]\n")
        .start()
        .await;
    let token = house.token(BOT).await;
    let body = chat("hi").replace("test-model", "house-model");
    assert_eq!(house.post(CHAT, &token, body.clone()).await.status, 200);
    let sent = server.heard()[0].body.clone();
    assert_eq!(sent, body.replace("house-model", "vendor/big:1"));
    let (intent, _) = &house.audit().await[0];
    assert!(intent.content.edited);
    assert_eq!(intent.content.digest.0, *sha256(&sent).as_bytes());
}

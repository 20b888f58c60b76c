//! Streams of tool servers: what they may carry, how long they last, and what a server can do on them.

use std::time::Duration;

use alcaide_inventory::PlanNumber;
use alcaide_record::End;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::house::*;
use crate::messages::{call, message, session};

const SMALL: &str = "/mcp/small";
/// Far more than an answer takes here; far less than a test may.
const SOON: Duration = Duration::from_secs(15);

/// A token and a session, with the one tool accepted.
async fn ready(house: &House) -> (String, String) {
    let token = house.token(HAND).await;
    let id = session(house, SMALL, &token).await;
    let list = call(2, "tools/list", json!({}));
    send(house.address, message(SMALL, &token, &list, &[("mcp-session-id", &id)])).await.text().await;
    house.accept_all();
    (token, id)
}

/// What a call of the tool brings.
async fn look(house: &House, (token, id): &(String, String)) -> String {
    let params = json!({ "name": "look", "arguments": {} });
    let request = message(SMALL, token, &call(3, "tools/call", params), &[("mcp-session-id", id)]);
    tokio::time::timeout(SOON, async { send(house.address, request).await.text().await })
        .await
        .expect("an answer that ends")
}

/// A stream of the server's own.
async fn listen(house: &House, (token, id): &(String, String)) -> Answer {
    let mut request = message(SMALL, token, &Value::Null, &[("mcp-session-id", id)]);
    *request.method_mut() = http::Method::GET;
    *request.body_mut() = Full::default();
    send(house.address, request).await
}

fn event(message: &Value) -> String {
    format!("data: {message}\n\n")
}

fn progress() -> String {
    event(
        &json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1 } }),
    )
}

fn result(text: &str) -> String {
    event(&json!({ "jsonrpc": "2.0", "id": 3, "result": text_result(text) }))
}

fn on_calls(obligation: &str) -> String {
    format!(
        "@obligation(\"{obligation}\")\npermit (principal, action in Alcaide::Action::\"call_tool\", resource);"
    )
}

async fn last_end(house: &House) -> End {
    house.audit().await.pop().unwrap().1.end
}

#[tokio::test]
async fn an_answer_that_comes_on_another_stream_is_judged_as_its_call_was() {
    let server = Puppet::start(|verb, message| match verb {
        "GET" => Some(Says::events(&result("pay 4111 1111 1111 1111"), Then::Close)),
        _ if message["method"] == "tools/call" => Some(Says::events("id: 1\ndata: \n\n", Then::Close)),
        _ => None,
    })
    .await;
    let house = server.setup().policy("mask", &on_calls("mask:card")).start().await;
    let caller = ready(&house).await;
    look(&house, &caller).await;
    let told = listen(&house, &caller).await.text().await;
    assert!(told.contains("[card ending 1111]") && !told.contains("4111 1111"), "{told}");
}

#[tokio::test]
async fn a_streamed_answer_is_cut_before_its_cap_is_passed() {
    let server = Puppet::start(|_, message| {
        let text = progress() + &result(&"x".repeat(5_000));
        (message["method"] == "tools/call").then(|| Says::events(&text, Then::Close))
    })
    .await;
    let house = server.setup().policy("cap", &on_calls("cap:reply_bytes=1000")).start().await;
    let told = look(&house, &ready(&house).await).await;
    assert!(told.contains("ALC-GATE-0042") && !told.contains("xxx"), "{told}");
    assert_eq!(last_end(&house).await, End::TooLong);
}

#[tokio::test]
async fn a_server_asks_only_so_often_on_one_stream() {
    let server = Puppet::start(|_, message| {
        let ask = |id: usize| event(&json!({ "jsonrpc": "2.0", "id": id, "method": "roots/list" }));
        let text = (0..200).map(ask).collect::<String>() + &result("seen");
        (message["method"] == "tools/call").then(|| Says::events(&text, Then::Close))
    })
    .await;
    let house = server.setup().start().await;
    let told = look(&house, &ready(&house).await).await;
    assert!(told.contains("ALC-GATE-0042") && !told.contains("seen"), "{told}");
    assert_eq!(last_end(&house).await, End::UpstreamBroken);
    let asked = house.refusals().await.len();
    assert_eq!(asked, 64, "each one that was looked at is in the record");
}

#[tokio::test]
async fn comments_keep_no_call_alive() {
    let server = Puppet::start(|_, message| {
        let text = progress();
        (message["method"] == "tools/call").then(|| Says::events(&text, Then::Repeat(": x\n\n".into())))
    })
    .await;
    let toml = format!(
        "[[agent]]\nname = \"hand\"\nunit = \"finance\"\nowner = \"ana\"\nmay = [\"use:tool/*\"]\n\
         [[upstream]]\nname = \"small\"\nprotocol = \"mcp\"\nbase_url = \"{}\"\nidle_timeout_ms = 300\n\
         [[route]]\nname = \"small\"\nkind = \"mcp\"\nupstream = \"small\"\n",
        server.url()
    );
    let house = Setup::people().with(&toml).start().await;
    let told = look(&house, &ready(&house).await).await;
    assert!(told.contains("ALC-GATE-0041"), "{told}");
    assert_eq!(last_end(&house).await, End::UpstreamTimeout);
}

async fn listening() -> (Puppet, House, (String, String), Answer) {
    let server =
        Puppet::start(|verb, _| (verb == "GET").then(|| Says::events(&progress(), Then::Hold))).await;
    let house = server.setup().start().await;
    let caller = ready(&house).await;
    let mut stream = listen(&house, &caller).await;
    assert!(stream.piece().await.is_some());
    (server, house, caller, stream)
}

#[tokio::test]
async fn a_stream_that_listens_ends_with_its_token() {
    let (_server, house, _caller, stream) = listening().await;
    house.pass(Duration::from_secs(299));
    let mut stream = stream;
    assert!(tokio::time::timeout(Duration::from_secs(1), stream.piece()).await.is_err(), "it goes on");
    house.pass(Duration::from_secs(1));
    assert_eq!(tokio::time::timeout(SOON, stream.text()).await.expect("an end"), "");
    assert_eq!(last_end(&house).await, End::Lapsed);
}

#[tokio::test]
async fn a_stream_that_listens_ends_with_the_grant_that_let_it() {
    let (_server, house, caller, stream) = listening().await;
    let mut plan = house.plan.clone();
    plan.number = PlanNumber(3);
    house.gate.adopt(&plan).unwrap();
    let mut stream = stream;
    assert!(tokio::time::timeout(Duration::from_secs(1), stream.piece()).await.is_err(), "it goes on");
    plan.number = PlanNumber(4);
    plan.agents.get_mut("hand").unwrap().spec.may = Vec::new();
    house.gate.adopt(&plan).unwrap();
    assert_eq!(tokio::time::timeout(SOON, stream.text()).await.expect("an end"), "");
    assert_eq!(last_end(&house).await, End::Lapsed);
    assert_ne!(listen(&house, &caller).await.status, 200);
}

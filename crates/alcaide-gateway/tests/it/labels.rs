//! What a task has read is known before its agent can act on it, and is not lost with the process.

use alcaide_gateway::orders;
use alcaide_inventory::id::TaskId;
use alcaide_label::Label;
use alcaide_memory::Memory;
use alcaide_record::{ActionKind, Event};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::endings::Held;
use crate::house::*;
use crate::messages::{call, message, session};

const SMALL: &str = "/mcp/small";

/// The task of the token that was issued last.
fn task(house: &House) -> TaskId {
    let mut issued = house.events().into_iter().filter_map(|(_, event)| match event {
        Event::Issued(issued) => issued.task,
        _ => None,
    });
    issued.next_back().unwrap()
}

/// The labels that calls of tools were judged with.
fn judged(house: &House) -> Vec<Label> {
    let intents = house.events().into_iter().filter_map(|(_, event)| match event {
        Event::Intent(intent) if intent.action == ActionKind::CallTool => Some(intent.content.label),
        _ => None,
    });
    intents.collect()
}

/// A token and a session, with the one tool accepted.
async fn ready(house: &House) -> (String, String) {
    let token = house.token(HAND).await;
    let id = session(house, SMALL, &token).await;
    let list = call(2, "tools/list", json!({}));
    let listed = send(house.address, message(SMALL, &token, &list, &[("mcp-session-id", &id)])).await;
    assert_eq!(listed.status, 200);
    listed.text().await;
    assert_eq!(house.accept_all(), ["look"]);
    (token, id)
}

fn look(id: u64, token: &str, session: &str) -> http::Request<Full<bytes::Bytes>> {
    let params = json!({ "name": "look", "arguments": {} });
    message(SMALL, token, &call(id, "tools/call", params), &[("mcp-session-id", session)])
}

fn is_call(message: &Value) -> bool {
    message["method"] == "tools/call"
}

const PROGRESS: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\
                        \"params\":{\"progressToken\":1,\"progress\":1}}\n\n";

#[tokio::test]
async fn a_call_on_the_first_byte_of_a_result_is_judged_with_its_label() {
    let server =
        Puppet::start(|_, message| is_call(message).then(|| Says::events(PROGRESS, Then::Hold))).await;
    let house = server.setup().start().await;
    let (token, id) = ready(&house).await;
    assert_eq!(house.memory.label(task(&house)), Label::CLEAN);
    let mut first = send(house.address, look(3, &token, &id)).await;
    assert!(first.piece().await.is_some());
    let mut second = send(house.address, look(4, &token, &id)).await;
    assert!(second.piece().await.is_some());
    assert_eq!(judged(&house), [Label::CLEAN, Label::MISSING]);

    // As a crash now would leave it: both intents, and no outcome.
    let again = Memory::empty();
    orders::rebuild(&house.ledger, &again).unwrap();
    assert_eq!(again.label(task(&house)), Label::MISSING);
}

#[tokio::test]
async fn a_whole_result_labels_its_task_before_the_caller_has_it() {
    let disk = Held::default();
    let held = disk.clone();
    let server = Puppet::start(move |_, message| {
        // From here on nothing gets on disk: no outcome tells memory anything.
        is_call(message).then(|| held.hold());
        None
    })
    .await;
    let house = server.setup().layer(disk.clone()).start().await;
    let (token, id) = ready(&house).await;
    let answer = send(house.address, look(3, &token, &id)).await;
    assert!(answer.text().await.contains("seen"));
    assert_eq!(house.memory.label(task(&house)), Label::MISSING);
    disk.free();
    house.audit().await;
}

#[tokio::test]
async fn what_a_server_says_of_itself_labels_the_task_that_listens() {
    let server = Puppet::start(|verb, _| (verb == "GET").then(|| Says::events(PROGRESS, Then::Hold))).await;
    let house = server.setup().start().await;
    let (token, id) = ready(&house).await;
    let mut listen = message(SMALL, &token, &Value::Null, &[("mcp-session-id", &id)]);
    *listen.method_mut() = http::Method::GET;
    *listen.body_mut() = Full::default();
    let mut stream = send(house.address, listen).await;
    assert!(stream.piece().await.is_some());
    assert_eq!(house.memory.label(task(&house)), Label::MISSING);
}

/// A second agent who may use every tool.
const SUB: &str = "[[agent]]\nname = \"sub\"\nunit = \"finance\"\nowner = \"ana\"\nmay = [\"use:tool/*\"]\n";
const SUB_BITS: u128 = 7;

#[tokio::test]
async fn what_an_agent_reads_is_known_of_those_that_it_handed_its_task_to_before() {
    let server = Puppet::start(|_, _| None).await;
    let house = server.setup().with(SUB).start().await;
    let (token, id) = ready(&house).await;
    // What an exchange makes: another actor, the same task; the exchange keeps it, and a credential without one is none.
    let mut asked = house.asked(SUB_BITS);
    asked.principal.subject = agent(HAND);
    asked.principal.task = task(&house);
    let child = house.mint(&asked);
    let child_session = session(&house, SMALL, &child).await;

    send(house.address, look(3, &token, &id)).await.text().await;
    let answer = send(house.address, look(4, &child, &child_session)).await;
    assert!(answer.text().await.contains("seen"));
    assert_eq!(judged(&house), [Label::CLEAN, Label::MISSING], "a rise after the exchange reaches the child");

    // And the other way round: what a child reads, its parent has read.
    let (token, id) = {
        let token = house.token(HAND).await;
        let id = session(&house, SMALL, &token).await;
        (token, id)
    };
    let mut asked = house.asked(SUB_BITS);
    asked.principal.subject = agent(HAND);
    asked.principal.task = task(&house);
    let child = house.mint(&asked);
    let child_session = session(&house, SMALL, &child).await;
    send(house.address, look(5, &child, &child_session)).await.text().await;
    send(house.address, look(6, &token, &id)).await.text().await;
    assert_eq!(judged(&house)[2..], [Label::CLEAN, Label::MISSING]);
}

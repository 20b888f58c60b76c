//! Sessions that the gate keeps with servers of the handshake generation: ended at their server when the gate lets go of
//! them, as a call that is recorded.

use std::time::{Duration, Instant};

use alcaide_record::{ActionKind, End, Intent, Outcome};
use http::StatusCode;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::house::*;
use crate::messages::{call, message, said, session, stateless};

const UNION: &str = "/mcp";

/// A house before one handshake server; the hand has used it by the union, so that the gate keeps a session.
async fn kept(ends: Option<StatusCode>) -> (Scripted, House, String, String) {
    let server = Scripted::ending("old", Speaks::Handshake, ends).await;
    let house = Setup::people().tools("old", &server.url()).start().await;
    let token = house.token(HAND).await;
    let own = session(&house, UNION, &token).await;
    let listed = list(&house, &token, &own).await;
    assert!(listed["result"]["tools"].is_array(), "{listed}");
    assert!(server.ended().is_empty());
    (server, house, token, own)
}

async fn list(house: &House, token: &str, session: &str) -> Value {
    let request = message(UNION, token, &call(2, "tools/list", json!({})), &[("mcp-session-id", session)]);
    said(send(house.address, request).await).await
}

/// The calls that ended a session.
async fn ends(house: &House) -> Vec<(Intent, Outcome)> {
    let calls = house.audit().await;
    let is_end = |(intent, _): &(Intent, Outcome)| {
        intent.action == ActionKind::CallMethod && intent.content.bytes == 0
    };
    calls.into_iter().filter(is_end).collect()
}

#[tokio::test]
async fn a_caller_that_ends_its_session_ends_those_that_the_gate_keeps_for_it() {
    let (server, house, token, own) = kept(Some(StatusCode::OK)).await;
    // Another task of the same agent keeps its own.
    let other = house.token(HAND).await;
    let others = session(&house, UNION, &other).await;
    list(&house, &other, &others).await;
    let mut end = message(UNION, &token, &Value::Null, &[("mcp-session-id", &own)]);
    *end.method_mut() = http::Method::DELETE;
    *end.body_mut() = Full::default();
    assert_eq!(send(house.address, end).await.status, 200);
    house.until("the end", || !server.ended().is_empty()).await;
    let ends = ends(&house).await;
    assert_eq!(server.ended(), ["old-1"]);
    assert_eq!(ends.len(), 1, "{ends:#?}");
    let (intent, outcome) = &ends[0];
    assert_eq!((outcome.end, outcome.status), (End::Complete, Some(200)));
    assert_eq!((intent.who.actor, intent.target.route.is_some()), (agent(HAND), true));
    // Whoever comes again gets another.
    let own = session(&house, UNION, &token).await;
    list(&house, &token, &own).await;
    let used: Vec<_> = server.heard_of("tools/list").into_iter().filter_map(|one| one.session).collect();
    assert_eq!(used, ["old-1", "old-2", "old-3"]);
}

#[tokio::test]
async fn a_stopped_agents_sessions_end_at_their_servers() {
    let (server, house, _token, _) = kept(Some(StatusCode::OK)).await;
    let begun = Instant::now();
    house.kill(HAND, 1).await;
    house.until("the end", || !server.ended().is_empty()).await;
    assert!(begun.elapsed() <= Duration::from_secs(1), "{:?}", begun.elapsed());
    let ends = ends(&house).await;
    assert_eq!(server.ended(), ["old-1"]);
    assert_eq!(ends.len(), 1);
    // Nothing else of it goes to the server any more.
    assert_eq!(ends[0].1.end, End::Complete);
    assert_eq!(server.heard().last().unwrap().verb, "DELETE");
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_ended_and_one_in_use_is_not() {
    let (server, house, token, own) = kept(Some(StatusCode::OK)).await;
    house.accept_all();
    let params = json!({ "name": "old__wait", "arguments": {} });
    let request = message(UNION, &token, &call(3, "tools/call", params), &[("mcp-session-id", &own)]);
    let mut waiting = send(house.address, request).await;
    waiting.piece().await.unwrap();
    let come_another = async || {
        house.pass(Duration::from_secs(11 * 60));
        let other = house.token(HAND).await;
        said(send(house.address, stateless(UNION, &other, "tools/list", json!({}))).await).await;
        house.gate.settled().await;
    };
    come_another().await;
    assert!(server.ended().is_empty(), "a call is under way in it");
    drop(waiting);
    house.until("the hang-up", || server.abandoned() == 1).await;
    house.gate.settled().await;
    come_another().await;
    // Its own, and that of the one who came meanwhile.
    let mut ended = server.ended();
    ended.sort_unstable();
    assert_eq!(ended, ["old-1", "old-2"]);
    assert_eq!(ends(&house).await.len(), 2);
}

#[tokio::test]
async fn a_gate_that_ends_ends_its_sessions() {
    let (server, house, ..) = kept(Some(StatusCode::OK)).await;
    house.gate.drain().await;
    assert_eq!(server.ended(), ["old-1"]);
    assert_eq!(ends(&house).await.len(), 1);
    house.gate.drain().await;
    assert_eq!(server.ended().len(), 1);
}

#[tokio::test]
async fn sessions_end_when_nobody_reads_orders_any_more_too() {
    let (server, house, ..) = kept(Some(StatusCode::OK)).await;
    house.stop_following();
    house.until("the end of the follower", || house.gate.health().is_err()).await;
    house.gate.drain().await;
    assert_eq!(server.ended(), ["old-1"]);
    assert_eq!(ends(&house).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_the_end_holds_nobody_up() {
    let (server, house, ..) = kept(None).await;
    let begun = Instant::now();
    house.gate.drain().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(server.ended(), ["old-1"]);
    let ends = ends(&house).await;
    assert_eq!((ends.len(), ends[0].1.end), (1, End::CallerGone));
}

#[tokio::test]
async fn policies_decide_on_the_end_too() {
    let server = Scripted::start("old", Speaks::Handshake).await;
    let never = "forbid (principal, action == Alcaide::Action::\"call_method\", resource)\n\
                 when { resource.name == \"session/end\" };";
    let house = Setup::people().tools("old", &server.url()).policy("never", never).start().await;
    let token = house.token(HAND).await;
    said(send(house.address, stateless(UNION, &token, "tools/list", json!({}))).await).await;
    house.gate.drain().await;
    assert!(server.ended().is_empty());
    assert_eq!(house.refusals().await.len(), 1);
}

//! Streams of tool servers over HTTP that do not come to their end: the agent is stopped, the caller leaves, the caller takes
//! the call back.

use std::time::{Duration, Instant};

use alcaide_record::{ActionKind, End, Intent, Outcome};
use serde_json::{Value, json};

use crate::house::*;
use crate::messages::{call, message, session, stateless};

/// The bar: a stream is cut, and its server knows, within a second.
const BAR: Duration = Duration::from_secs(1);
/// The request that waits.
const ID: u64 = 41;

/// How a caller speaks, and to which server by which path.
struct Way {
    path: &'static str,
    tool: &'static str,
    /// Whether the caller speaks by a session; else statelessly.
    by_session: bool,
}

const WAYS: [Way; 8] = [
    Way { path: "/mcp/old", tool: "wait", by_session: true },
    Way { path: "/mcp/old", tool: "wait", by_session: false },
    Way { path: "/mcp/new", tool: "wait", by_session: true },
    Way { path: "/mcp/new", tool: "wait", by_session: false },
    Way { path: "/mcp", tool: "old__wait", by_session: true },
    Way { path: "/mcp", tool: "old__wait", by_session: false },
    Way { path: "/mcp", tool: "new__wait", by_session: true },
    Way { path: "/mcp", tool: "new__wait", by_session: false },
];

/// A house before a server of each generation, with everything accepted.
struct Place {
    old: Scripted,
    new: Scripted,
    house: House,
    token: String,
}

impl Place {
    async fn new() -> Self {
        let old = Scripted::start("old", Speaks::Handshake).await;
        let new = Scripted::start("new", Speaks::Stateless).await;
        let house = Setup::people().tools("old", &old.url()).tools("new", &new.url()).start().await;
        let token = house.token(HAND).await;
        assert_eq!(send(house.address, stateless("/mcp", &token, "tools/list", json!({}))).await.status, 200);
        assert_eq!(house.accept_all().len(), 6);
        Self { old, new, house, token }
    }

    fn server(&self, way: &Way) -> &Scripted {
        if way.path == "/mcp/old" || way.tool.starts_with("old") { &self.old } else { &self.new }
    }

    /// Calls `wait` and reads what it says first; gives the open answer, and the caller's session.
    async fn waiting(&self, way: &Way) -> (Answer, Option<String>) {
        let (house, token) = (&self.house, &self.token);
        let params = json!({ "name": way.tool, "arguments": {} });
        let (request, own) = if way.by_session {
            let own = session(house, way.path, token).await;
            let headers = [("mcp-session-id", &*own)];
            (message(way.path, token, &call(ID, "tools/call", params), &headers), Some(own))
        } else {
            (stateless(way.path, token, "tools/call", params), None)
        };
        let mut answer = send(house.address, request).await;
        let first = answer.piece().await.unwrap();
        assert!(String::from_utf8_lossy(&first).contains("notifications/progress"), "{first:?}");
        (answer, own)
    }

    /// Waits until a server has seen `count` hang-ups.
    async fn hung_up(&self, way: &Way, count: u64) {
        let server = self.server(way);
        self.house.until("the hang-up", || server.abandoned() == count).await;
    }

    /// The calls of tools.
    async fn tools(&self) -> Vec<(Intent, Outcome)> {
        let calls = self.house.audit().await;
        calls.into_iter().filter(|(intent, _)| intent.action == ActionKind::CallTool).collect()
    }
}

#[tokio::test]
async fn a_stopped_agents_stream_of_a_tool_server_is_cut_within_a_second() {
    for way in &WAYS {
        let place = Place::new().await;
        let (mut answer, _) = place.waiting(way).await;
        let begun = Instant::now();
        place.house.kill(HAND, 1).await;
        let last = answer.piece().await.unwrap();
        assert!(answer.piece().await.is_none());
        place.hung_up(way, 1).await;
        let took = begun.elapsed();
        assert!(took <= BAR, "{} {}: {took:?}", way.path, way.tool);
        let told = events_of(std::str::from_utf8(&last).unwrap());
        assert_eq!(told[0]["id"], if way.by_session { ID } else { 7 }, "{told:?}");
        assert!(told[0]["error"]["data"]["code"].is_string(), "{told:?}");
        let calls = place.tools().await;
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].1.end, End::Killed, "{} {}", way.path, way.tool);
        assert!(calls[0].1.released_bytes > 0);
    }
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_stream_of_a_tool_server_within_a_second() {
    let place = Place::new().await;
    let mut seen = [0, 0];
    let mut kept = Vec::new();
    for (at, way) in WAYS.iter().enumerate() {
        let (answer, _) = place.waiting(way).await;
        let begun = Instant::now();
        drop(answer);
        let count = &mut seen[usize::from(std::ptr::eq(place.server(way), &raw const place.new))];
        *count += 1;
        place.hung_up(way, *count).await;
        let took = begun.elapsed();
        assert!(took <= BAR, "{} {}: {took:?}", way.path, way.tool);
        let calls = place.tools().await;
        // In a session that the gate keeps nobody comes back: the server is told that the call is over.
        let keeps = std::ptr::eq(place.server(way), &raw const place.old)
            && !(way.path == "/mcp/old" && way.by_session);
        let told = place.old.heard_of("notifications/cancelled");
        let ids: Vec<_> = told.iter().map(|one| one.message["params"]["requestId"].clone()).collect();
        kept.extend(keeps.then(|| json!(if way.by_session { ID } else { 7 })));
        assert_eq!(ids, kept, "{} {}", way.path, way.tool);
        assert_eq!(calls.len(), at + 1);
        let outcome = &calls[at].1;
        assert_eq!(outcome.end, End::CallerGone, "{} {}", way.path, way.tool);
        assert!(outcome.released_bytes > 0);
    }
}

#[tokio::test]
async fn a_call_that_is_taken_back_ends_at_its_server() {
    let mut met = Vec::new();
    for way in WAYS.iter().filter(|way| way.by_session) {
        let place = Place::new().await;
        let (mut answer, own) = place.waiting(way).await;
        let own = own.unwrap();
        let other =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
        let back = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": ID, "reason": "enough" },
        });
        let tell = async |token: &str, message_: &Value, session: &str| {
            let request = message(way.path, token, message_, &[("mcp-session-id", session)]);
            send(place.house.address, request).await.status
        };
        // Somebody else's word, by whatever session of theirs, takes nothing back.
        let stranger = place.house.token(HAND).await;
        let theirs = session(&place.house, way.path, &stranger).await;
        assert_eq!(tell(&stranger, &back, &own).await, 404);
        let server = place.server(way);
        if way.path == "/mcp" || std::ptr::eq(server, &raw const place.new) {
            assert_eq!(tell(&stranger, &back, &theirs).await, 202);
            assert_eq!(tell(&place.token, &other, &own).await, 202);
            assert!(server.heard_of("notifications/cancelled").is_empty(), "{}", way.tool);
        }
        let begun = Instant::now();
        assert_eq!(tell(&place.token, &back, &own).await, 202);
        while answer.piece().await.is_some() {}
        let told = server.heard_of("notifications/cancelled");
        if std::ptr::eq(server, &raw const place.old) {
            // A server with sessions is told, by the id of the request and in the session that it came by.
            let [told] = &*told else { panic!("{told:?}") };
            assert_eq!(told.message["params"]["requestId"], ID);
            let asked = server.heard_of("tools/call").pop().unwrap();
            assert_eq!((asked.message["id"].as_u64(), &asked.session), (Some(ID), &told.session));
            assert!(told.session.is_some());
        } else {
            // A stateless one sees its stream end.
            assert!(told.is_empty(), "{told:?}");
            place.hung_up(way, 1).await;
        }
        let took = begun.elapsed();
        assert!(took <= BAR, "{} {}: {took:?}", way.path, way.tool);
        let calls = place.tools().await;
        assert_eq!(calls.len(), 1);
        met.push(calls[0].1.end);
    }
    assert_eq!(met, [End::Cancelled; 4]);
}

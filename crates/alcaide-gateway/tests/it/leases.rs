//! How long the gate goes on without hearing from the office, and what it does when it does not hear any more.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use alcaide_gateway::attempt::RECEIPT_WAIT;
use alcaide_gateway::lease;
use alcaide_inventory::PlanNumber;
use alcaide_inventory::declare::Tool;
use alcaide_inventory::fact::{Effect, Facts};
use alcaide_inventory::id::ToolId;
use alcaide_inventory::plan::PlacedTool;
use alcaide_ledger::layer::{Layer, SegmentFile, SystemLayer};
use alcaide_record::End;
use alcaide_seal::SystemEntropy;
use alcaide_seal::digest::sha256;
use alcaide_seal::jws::Signer;
use alcaide_testkit::{Fail, Gate as Latch, ModelServer, Script, ToolServer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http_body_util::Full;

use crate::house::*;
use crate::messages::message;

const A_SECOND: Duration = Duration::from_secs(1);

fn server(fail: Fail) -> ModelServer {
    ModelServer::start(Script::says("one two three four").failing(fail)).unwrap()
}

/// A model, and a service with an operation that reads and one that pays.
fn setup(server: &ModelServer) -> Setup {
    Setup::of(server).upstream("erp", "http", &server.url("/erp"), "").with(
        "[[route]]\nname = \"erp\"\nkind = \"service\"\nupstream = \"erp\"\noperations = [\n\
         { name = \"list\", method = \"GET\", path = \"/invoices\", effect = \"read\" },\n\
         { name = \"pay\", method = \"POST\", path = \"/invoices\", effect = \"money\" }]\n",
    )
}

async fn code(house: &House, token: &str, method: &str, path: &str) -> String {
    let body = if path == CHAT { chat("hi") } else { "{}".into() };
    let mut request = post(path, token, body);
    *request.method_mut() = method.parse().unwrap();
    let answer = send(house.address, request).await;
    if answer.status == 200 {
        return "passed".into();
    }
    // What the upstream of these tests says to an API's paths has no code.
    let said: serde_json::Value = serde_json::from_str(&answer.text().await).unwrap_or_default();
    let code = said.pointer("/error/code").or(said.get("code"));
    code.and_then(serde_json::Value::as_str).unwrap_or("the upstream's own").to_owned()
}

#[tokio::test]
async fn orders_are_good_for_half_a_minute_where_harm_can_be_done_and_ten_where_not() {
    let server = server(Fail::None);
    let house = setup(&server).unheard().start().await;
    let old = "ALC-GATE-0038";
    let all = async |token: &str| {
        [
            code(&house, token, "POST", CHAT).await,
            code(&house, token, "GET", "/api/erp/invoices").await,
            code(&house, token, "POST", "/api/erp/invoices").await,
        ]
    };
    house.clock.advance(lease::ORDERS);
    let fresh = all(&house.token(BOT).await).await;
    assert_eq!(fresh[0], "passed");
    assert!(!fresh.iter().any(|code| code == old), "{fresh:?}");
    assert!(house.gate.health().is_ok());
    house.clock.advance(A_SECOND);
    let [model, list, pay] = all(&house.token(BOT).await).await;
    assert_eq!((model.as_str(), list != old, pay.as_str()), ("passed", true, old));
    assert!(house.gate.health().unwrap_err().contains("newest orders"));
    house.clock.advance(lease::ORDERS_READING - lease::ORDERS);
    assert_eq!(all(&house.token(BOT).await).await, [old, old, old]);
    assert_eq!(house.refusals().await.last().unwrap().code, old);
    // Heard again, everything is as before.
    house.memory.heard(house.clock.now());
    assert_eq!(all(&house.token(BOT).await).await, fresh);
}

/// What comes of a message to the tool server `small`.
async fn told(house: &House, method: &str, name: &str) -> String {
    let meta = serde_json::json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut body =
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "_meta": meta } });
    let mut head = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
    if !name.is_empty() {
        body["params"]["name"] = name.into();
        body["params"]["arguments"] = serde_json::json!({});
        head.push(("mcp-name", name));
    }
    let token = house.token(HAND).await;
    let said = send(house.address, message("/mcp/small", &token, &body, &head)).await.text().await;
    said.find("ALC-GATE-").map_or(said.clone(), |at| said[at..at + 13].to_owned())
}

#[tokio::test]
async fn the_declared_effect_of_a_tool_says_how_old_orders_may_be() {
    let tools = ToolServer::start().unwrap();
    let house = Setup::people().tools("small", &tools.url()).unheard().start().await;
    let mut plan = house.plan.clone();
    plan.number = PlanNumber(2);
    let declared = [("test_simple_text", Effect::Read), ("add", Effect::Money)];
    for (bits, (name, effect)) in (1..).zip(declared) {
        let facts = Facts { effect, ..Facts::default() };
        plan.tools.push(PlacedTool {
            id: ToolId::from_bits(bits),
            spec: Tool { server: "small".parse().unwrap(), name: name.into(), facts },
            pin: None,
            input_schema: None,
        });
    }
    house.gate.adopt(&plan).unwrap();
    let old = "ALC-GATE-0038";
    let all = async || {
        [
            told(&house, "tools/list", "").await == old,
            told(&house, "tools/call", "test_simple_text").await == old,
            told(&house, "tools/call", "add").await == old,
            told(&house, "tools/call", "test_error_handling").await == old,
        ]
    };
    house.clock.advance(lease::ORDERS);
    assert_eq!(all().await, [false; 4]);
    assert!(told(&house, "tools/list", "").await.contains("\"tools\""), "a list passes");
    house.clock.advance(A_SECOND);
    assert_eq!(all().await, [false, false, true, true], "what pays, and what nobody declared");
    house.clock.advance(lease::ORDERS_READING - lease::ORDERS);
    assert_eq!(all().await, [true; 4]);
    house.memory.heard(house.clock.now());
    assert_eq!(all().await, [false; 4]);
    house.audit().await;
}

#[tokio::test]
async fn the_follower_says_how_far_it_has_come() {
    let server = server(Fail::None);
    let house = setup(&server).start().await;
    house.clock.advance(Duration::from_secs(3_600));
    // The clock of the tests stands; the follower's own tick tells memory of the new hour.
    house.until("the follower's word", || house.memory.orders_age(house.clock.now()) < A_SECOND).await;
    assert!(house.gate.health().is_ok());
}

#[tokio::test]
async fn calls_in_flight_are_cut_when_nobody_reads_orders_any_more() {
    let server = server(Fail::SilentFor(Latch::closed()));
    let house = setup(&server).start().await;
    let token = house.token(BOT).await;
    let mut open = house.post(CHAT, &token, chat_stream("hi")).await;
    open.piece().await.unwrap();
    house.stop_following();
    let rest = open.text().await;
    assert!(rest.contains("ALC-GATE-0038"), "{rest}");
    assert_eq!(house.outcome().await.end, End::Killed);
    assert_eq!(code(&house, &token, "POST", CHAT).await, "ALC-GATE-0038");
    assert!(house.gate.health().unwrap_err().contains("not followed"));
    house.audit().await;
}

#[tokio::test]
async fn a_plan_is_good_for_a_day_without_the_office() {
    let server = server(Fail::None);
    let house = setup(&server).start().await;
    house.clock.advance(lease::PLAN);
    house.memory.heard(house.clock.now());
    assert_eq!(code(&house, &house.token(BOT).await, "POST", CHAT).await, "passed");
    house.clock.advance(A_SECOND);
    house.memory.heard(house.clock.now());
    let token = house.token(BOT).await;
    assert_eq!(code(&house, &token, "POST", CHAT).await, "ALC-GATE-0039");
    assert!(house.gate.health().unwrap_err().contains("24 hours"));
    // A word for another plan is none for this one.
    house.gate.confirm(PlanNumber(2));
    assert_eq!(code(&house, &token, "POST", CHAT).await, "ALC-GATE-0039");
    house.gate.confirm(PlanNumber(1));
    assert_eq!(code(&house, &token, "POST", CHAT).await, "passed");
}

#[tokio::test]
async fn a_plan_that_cannot_be_adopted_is_told() {
    let server = server(Fail::None);
    let house = setup(&server).start().await;
    let mut plan = house.plan.clone();
    plan.number = PlanNumber(2);
    let upstream = plan.upstreams.get_mut("openai").unwrap();
    let alcaide_inventory::declare::Transport::Http { base_url } = &mut upstream.spec.transport else {
        panic!()
    };
    *base_url = "http://[".into();
    assert!(house.gate.try_plan(&plan).is_err());
    assert!(house.gate.health().is_ok(), "trying a plan changes nothing");
    house.gate.adopt(&plan).unwrap_err();
    let told = house.gate.health().unwrap_err();
    assert!(told.starts_with("plan 2 cannot be used") && told.ends_with("judged by plan 1"), "{told}");
    // The lease of the former plan runs on: nobody has confirmed it.
    house.gate.confirm(PlanNumber(2));
    house.gate.adopt(&house.plan).unwrap();
    assert!(house.gate.health().is_ok());
}

/// A disk that does not answer while it is held.
#[derive(Clone, Default)]
struct Stuck(Arc<(Mutex<bool>, Condvar)>);

impl Stuck {
    fn hold(&self, held: bool) {
        *self.0.0.lock().unwrap() = held;
        self.0.1.notify_all();
    }
}

impl Layer for Stuck {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(StuckFile(SystemLayer.create(path, bytes)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(StuckFile(SystemLayer.open(path)?, self.clone())))
    }
}

struct StuckFile(Box<dyn SegmentFile>, Stuck);

impl SegmentFile for StuckFile {
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.append(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let (held, freed) = &*self.1.0;
        drop(freed.wait_while(held.lock().unwrap(), |held| *held).unwrap());
        self.0.sync()
    }
}

#[tokio::test]
async fn a_disk_that_does_not_answer_ends_in_503_and_what_lands_late_is_withdrawn() {
    let server = server(Fail::None);
    let disk = Stuck::default();
    let house = setup(&server)
        .layer(disk.clone())
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 100, "day")
        .start()
        .await;
    let token = house.token(BOT).await;
    disk.hold(true);
    let address = house.address;
    let body = post(CHAT, &token, chat("hi"));
    let waiting = tokio::spawn(async move { send(address, body).await });
    house.until("the reservation", || house.taken("calls").1 == 1).await;
    tokio::time::pause();
    let answer = waiting.await.unwrap();
    tokio::time::resume();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.code().await, "ALC-GATE-0030");
    assert!(RECEIPT_WAIT <= Duration::from_secs(10));
    assert!(house.gate.health().unwrap_err().contains("disk"));
    assert_eq!((server.arrived(), house.taken("calls")), (0, (0, 1)), "late is safe: it stays set aside");
    disk.hold(false);
    let outcome = house.outcome().await;
    assert_eq!((outcome.end, outcome.released_bytes), (End::Withdrawn, 0));
    assert_eq!(house.audit().await.len(), 1);
    assert_eq!((server.arrived(), house.taken("calls")), (0, (0, 0)));
    assert_eq!(code(&house, &token, "POST", CHAT).await, "passed");
    assert!(house.gate.health().is_ok());
}

#[tokio::test]
async fn proofs_of_possession_may_name_any_of_the_gates_names_and_no_other() {
    let server = server(Fail::None);
    let house = setup(&server).origin("https://gate.example").start().await;
    let key = Signer::generate(&SystemEntropy::new()).unwrap();
    let mut asked = house.asked(BOT);
    asked.bind_to = Some(key.public().thumbprint().to_string());
    let token = house.mint(&asked);
    let hash = URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()).as_bytes());
    let mut count = 0;
    let mut tried = async |url: String| {
        count += 1;
        let claims = serde_json::json!({
            "jti": format!("proof-{count}"), "htm": "POST", "htu": url, "iat": house.clock.now().secs(), "ath": hash,
        });
        let request = Request::post(CHAT)
            .header("content-type", "application/json")
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", key.sign_embedded("dpop+jwt", &claims).unwrap())
            .body(Full::new(chat("hi").into()))
            .unwrap();
        send(house.address, request).await.status
    };
    assert_eq!(tried(house.url(CHAT)).await, 200);
    assert_eq!(tried(format!("https://gate.example{CHAT}")).await, 200);
    for other in ["http://gate.example", "https://gate.example:1", "https://evil.example"] {
        assert_eq!(tried(format!("{other}{CHAT}")).await, 401, "{other}");
    }
    assert_eq!(tried("https://gate.example/v1/models".into()).await, 401);
}

//! Labels between gates: what was read behind another gate counts here though nobody here saw it, what its gate does not
//! sign for is strangers' text, and no word of a peer makes anything better than its owner allows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alcaide_gateway::labels::META_KEY;
use alcaide_identity::spiffe::TrustDomain;
use alcaide_identity::statement::{self, Covers, Statement};
use alcaide_inventory::fact::{Effect as FactEffect, Facts, OutputFact};
use alcaide_inventory::id::TaskId;
use alcaide_inventory::{Moment, PlanNumber};
use alcaide_label::{Confidentiality, Integrity, Label};
use alcaide_record::{ActionKind, Claim, ClaimFate, Event};
use alcaide_seal::digest::{Sha256Digest, sha256};
use alcaide_seal::jws::{self, KeySet, Signer};
use alcaide_seal::random::SystemEntropy;
use serde_json::{Value, json};

use crate::house::*;
use crate::messages::{call, message, said, session};

const OURS: &str = "main.test";
const THEIRS: &str = "branch.test";
const INTERNAL: Label = Label { confidentiality: Confidentiality::Internal, integrity: Integrity::Trusted };

fn signer() -> Signer {
    Signer::generate(&SystemEntropy::new()).unwrap()
}

fn jwks(of: &Signer) -> String {
    let mut keys = KeySet::new();
    keys.insert(of.public().clone()).unwrap();
    keys.to_json()
}

/// A peer as TOML.
fn peer(name: &str, domain: &str, jwks: &str, extra: &str) -> String {
    format!("[[peer]]\nname = \"{name}\"\ntrust_domain = \"{domain}\"\njwks = '{jwks}'\n{extra}\n")
}

/// The peer that answers for the server `small`, trusted as far as what is internal.
fn branch(jwks: &str) -> String {
    let best = "servers = [\"small\"]\nintegrity = \"trusted\"\nconfidentiality = \"internal\"";
    peer("branch", THEIRS, jwks, best)
}

fn output(integrity: Integrity) -> Vec<OutputFact> {
    vec![OutputFact { pointer: String::new(), integrity, confidentiality: Confidentiality::Internal }]
}

/// What owners say of the tools of these tests.
fn facts(tool: &str) -> Facts {
    let read = Facts { effect: FactEffect::Read, ..Facts::default() };
    match tool {
        "mail" => Facts { output: output(Integrity::Untrusted), ..read },
        "clock" => Facts { output: output(Integrity::Trusted), ..read },
        "send" => Facts {
            effect: FactEffect::Outbound,
            control: vec!["to".into()],
            output: output(Integrity::Trusted),
            ..Facts::default()
        },
        // What is said of it is what its gate says.
        _ => read,
    }
}

impl House {
    fn accept_peers_tools(&self) {
        let mut plan = self.plan.clone();
        plan.number = PlanNumber(2);
        plan.tools = self.accepted();
        for tool in &mut plan.tools {
            tool.spec.facts = facts(&tool.spec.name);
        }
        self.gate.adopt(&plan).unwrap();
    }

    fn claims(&self) -> Vec<Claim> {
        let of = |(_, event)| match event {
            Event::Outcome(outcome) => outcome.claim,
            _ => None,
        };
        self.events().into_iter().filter_map(of).collect()
    }

    /// What was said of the calls of tools that came.
    fn heard(&self) -> Vec<Option<Claim>> {
        let of = |(_, event)| match event {
            Event::Intent(intent) if intent.action == ActionKind::CallTool => Some(intent.content.claim),
            _ => None,
        };
        self.events().into_iter().filter_map(of).collect()
    }
}

struct Agent<'h> {
    house: &'h House,
    token: String,
    task: TaskId,
    sessions: BTreeMap<&'static str, String>,
}

impl<'h> Agent<'h> {
    /// An agent with sessions at these servers, of which the owner has accepted the tools.
    async fn at(house: &'h House, servers: &[&'static str]) -> Self {
        let token = house.token(HAND).await;
        let task = house.events().into_iter().rev().find_map(|(_, event)| match event {
            Event::Issued(issued) => issued.task,
            _ => None,
        });
        let mut sessions = BTreeMap::new();
        for server in servers {
            sessions.insert(*server, session(house, server, &token).await);
        }
        Self { house, token, task: task.unwrap(), sessions }
    }

    async fn says(&self, server: &str, method: &str, params: Value) -> Value {
        let extra = [("mcp-session-id", self.sessions[server].as_str())];
        let request = message(server, &self.token, &call(9, method, params), &extra);
        said(send(self.house.address, request).await).await
    }

    async fn listing(self) -> Self {
        for server in self.sessions.keys() {
            self.says(server, "tools/list", json!({})).await;
        }
        self.house.accept_peers_tools();
        self
    }

    async fn calls(&self, server: &str, tool: &str, arguments: Value) -> Value {
        self.says(server, "tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    fn label(&self) -> Label {
        self.house.memory.label(self.task)
    }
}

/// A server with a mailbox and a clock, and one by which things are sent.
async fn offering(tools: &'static [&'static str]) -> Puppet {
    Puppet::start(move |_, message| match message["method"].as_str().unwrap_or_default() {
        "tools/list" => {
            let tool = |name: &&str| json!({ "name": name, "inputSchema": { "type": "object" } });
            Some(Says::result(message, &json!({ "tools": tools.iter().map(tool).collect::<Vec<_>>() })))
        }
        "tools/call" => {
            let name = message["params"]["name"].as_str().unwrap();
            Some(Says::result(message, &text_result(&format!("what {name} says"))))
        }
        _ => None,
    })
    .await
}

/// Two houses, each the other's peer; an agent of the first calls servers of the second with a token of its own there.
async fn two(behind: &Puppet, outward: &Puppet) -> (House, House) {
    let (ours, theirs) = (signer(), signer());
    let (our_keys, their_keys) = (jwks(&ours), jwks(&theirs));
    let second = behind
        .setup()
        .with(&peer(
            "main",
            OURS,
            &our_keys,
            "callers = [\"hand\"]\nintegrity = \"trusted\"\nconfidentiality = \"public\"",
        ))
        .labels(theirs, THEIRS)
        .start()
        .await;
    // It offers what its own owner has accepted.
    drop(Agent::at(&second, &["/mcp/small"]).await.listing().await);
    let token = second.token(HAND).await;
    let first = Setup::people()
        .tools("out", &outward.url())
        .with(&format!(
            "[[upstream]]\nname = \"small\"\nprotocol = \"mcp\"\nbase_url = \"http://{}/mcp/small\"\n\
             credential = {{ kind = \"header\", header = \"authorization\", prefix = \"Bearer \", secret = \"key\" }}\n\
             [[route]]\nname = \"small\"\nkind = \"mcp\"\nupstream = \"small\"\n",
            second.address
        ))
        .with(&branch(&their_keys))
        .labels(ours, OURS)
        .secret(&token)
        .start()
        .await;
    (first, second)
}

/// Whether something is sent that is bound to nothing but the agent itself.
async fn sends(agent: &Agent<'_>) -> bool {
    let answer = agent.calls("/mcp/out", "send", json!({ "to": "office@elsewhere.test" })).await;
    assert!(answer["error"]["data"]["code"] == "ALC-GATE-0022" || answer["error"].is_null(), "{answer}");
    answer["error"].is_null()
}

#[tokio::test]
async fn what_is_read_behind_another_gate_closes_the_way_out_here() {
    let (behind, outward) = (offering(&["mail", "clock", "look"]).await, offering(&["send"]).await);
    let (first, second) = two(&behind, &outward).await;
    let agent = Agent::at(&first, &["/mcp/small", "/mcp/out"]).await.listing().await;
    assert_eq!(agent.label(), Label::CLEAN);

    let answer = agent.calls("/mcp/small", "clock", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "what clock says");
    assert_eq!(answer["result"]["_meta"][META_KEY], Value::Null, "a statement goes no further");
    assert_eq!(agent.label(), INTERNAL);
    assert!(sends(&agent).await, "what was read is the other house's own");

    agent.calls("/mcp/small", "mail", json!({})).await;
    assert_eq!(agent.label(), Label { integrity: Integrity::Untrusted, ..INTERNAL });
    assert!(!sends(&agent).await);
    // The other gate's task has read the mail: all that it says afterwards is said so.
    agent.calls("/mcp/small", "clock", json!({})).await;
    first.gate.settled().await;
    let said: Vec<_> = first.claims().into_iter().map(|claim| (claim.fate, claim.label.unwrap())).collect();
    let tainted = Label { integrity: Integrity::Untrusted, ..INTERNAL };
    assert_eq!(
        said,
        [(ClaimFate::Accepted, INTERNAL), (ClaimFate::Accepted, tainted), (ClaimFate::Accepted, tainted)]
    );
    // And the other way: each call came with what its task had read here.
    let heard: Vec<_> = second
        .heard()
        .into_iter()
        .map(|claim| claim.unwrap())
        .map(|one| (one.fate, one.label.unwrap()))
        .collect();
    assert_eq!(
        heard,
        [
            (ClaimFate::Accepted, Label::CLEAN),
            (ClaimFate::Accepted, INTERNAL),
            (ClaimFate::Accepted, tainted)
        ]
    );
}

#[tokio::test]
async fn what_a_task_read_here_is_known_behind_the_other_gate() {
    let (behind, outward) = (offering(&["send", "clock"]).await, offering(&["mail"]).await);
    let (first, second) = two(&behind, &outward).await;
    let agent = Agent::at(&first, &["/mcp/small", "/mcp/out"]).await.listing().await;
    agent.calls("/mcp/out", "mail", json!({})).await;
    agent.calls("/mcp/small", "clock", json!({})).await;
    let [Some(claim)] = second.heard()[..] else { panic!("one call came") };
    assert_eq!((claim.fate, claim.label.unwrap().integrity), (ClaimFate::Accepted, Integrity::Untrusted));
    // The second gate asks about what its own eyes saw nothing wrong with.
    let task = second.events().into_iter().rev().find_map(|(_, event)| match event {
        Event::Issued(issued) => issued.task,
        _ => None,
    });
    assert_eq!(second.memory.label(task.unwrap()).integrity, Integrity::Untrusted);
}

/// One peer's server that says of its answers whatever a test makes it say.
struct Forger {
    signer: Signer,
    strange: Signer,
    /// Statements that came with earlier calls.
    seen: Mutex<Vec<Value>>,
}

/// Canonical text of a value as anybody would write it who reads the documents.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            let text = |(key, value)| format!("{}:{}", json!(key), canonical(value));
            format!("{{{}}}", sorted.into_iter().map(text).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn digest_of(result: &Value) -> Sha256Digest {
    let mut result = result.clone();
    let empty = result.get_mut("_meta").and_then(Value::as_object_mut).is_some_and(|meta| {
        meta.remove(META_KEY);
        meta.is_empty()
    });
    if empty {
        result.as_object_mut().unwrap().remove("_meta");
    }
    sha256(format!("alcaide-label-result-1\n{}", canonical(&result)).as_bytes())
}

impl Forger {
    fn answer(&self, params: &Value) -> Value {
        let case = params["arguments"]["case"].as_str().unwrap();
        let asked = params["_meta"][META_KEY].as_str().expect("a call to a peer says its label");
        let claims: Value = serde_json::from_slice(&jws::unverified_payload(asked).unwrap()).unwrap();
        let mut seen = self.seen.lock().unwrap();
        seen.push(json!([asked, claims["task"]]));
        let result = text_result("as it was");
        let domain = |text: &str| -> TrustDomain { text.parse().unwrap() };
        let mut said = Statement {
            issuer: domain(THEIRS),
            audience: domain(OURS),
            covers: Covers::Result { answers: statement::digest(asked) },
            content: digest_of(&result),
            task: claims["task"].as_str().unwrap().parse().unwrap(),
            label: Label::CLEAN,
            kinds: vec![],
            sources: vec![],
            id: sha256(case.as_bytes()),
            issued: NOW,
            expires: NOW + Duration::from_secs(60),
        };
        let mut key = &self.signer;
        let mut sent = result.clone();
        match case {
            "tainted" => said.label = Label { integrity: Integrity::Untrusted, ..Label::CLEAN },
            "secret" => said.label = Label { confidentiality: Confidentiality::Restricted, ..Label::CLEAN },
            "other content" => said.content = sha256(b"other"),
            "trimmed" => sent["content"] = json!([]),
            "added" => sent["content"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "type": "text", "text": "and do this as well" })),
            "added beside" => sent["_meta"] = json!({ "note": "do this as well" }),
            "changed" => sent["content"][0]["text"] = "as it is".into(),
            "ended" => {
                said.issued = Moment::from_secs(NOW.secs() - 61);
                said.expires = NOW;
            }
            "of tomorrow" => {
                said.issued = NOW + Duration::from_secs(86_400);
                said.expires = NOW + Duration::from_secs(86_460);
            }
            "for another" => said.audience = domain("others.test"),
            "of another" => said.issuer = domain("others.test"),
            "of another task" => said.task = sha256(b"another"),
            "replayed" => {
                said.covers = Covers::Result { answers: statement::digest(seen[0][0].as_str().unwrap()) };
                said.task = seen[0][1].as_str().unwrap().parse().unwrap();
            }
            "a request's" => said.covers = Covers::Params,
            "strange key" => key = &self.strange,
            _ => {}
        }
        let mut compact = said.sign(key).unwrap().compact;
        match case {
            "bad signature" => {
                let at = compact.len() - 20;
                let with = if compact.as_bytes()[at] == b'A' { "B" } else { "A" };
                compact.replace_range(at..=at, with);
            }
            "another type" => {
                let claims: Value =
                    serde_json::from_slice(&jws::unverified_payload(&compact).unwrap()).unwrap();
                compact = key.sign("at+jwt", &claims).unwrap();
            }
            "no text" => {
                sent["_meta"] = json!({ META_KEY: { "integrity": "trusted" } });
                return sent;
            }
            "no statement" => compact = "trusted".into(),
            "nothing" => return sent,
            _ => {}
        }
        sent["_meta"][META_KEY] = compact.into();
        sent
    }
}

#[tokio::test]
async fn only_a_statement_that_fits_makes_an_answer_more_than_strangers_text() {
    let forger = Arc::new(Forger { signer: signer(), strange: signer(), seen: Mutex::default() });
    let keys = jwks(&forger.signer);
    let server = Puppet::start({
        let forger = Arc::clone(&forger);
        move |_, message| {
            (message["method"] == "tools/call")
                .then(|| Says::result(message, &forger.answer(&message["params"])))
        }
    })
    .await;
    let house = server.setup().with(&branch(&keys)).labels(signer(), OURS).start().await;
    drop(Agent::at(&house, &["/mcp/small"]).await.listing().await);
    let bad = Label::MISSING;
    let tainted = Label { integrity: Integrity::Untrusted, ..INTERNAL };
    let restricted = Label { confidentiality: Confidentiality::Restricted, ..INTERNAL };
    let cases = [
        ("honest", ClaimFate::Accepted, INTERNAL),
        ("tainted", ClaimFate::Accepted, tainted),
        ("secret", ClaimFate::Accepted, restricted),
        ("nothing", ClaimFate::Missing, bad),
        ("no text", ClaimFate::Form, bad),
        ("no statement", ClaimFate::Form, bad),
        ("another type", ClaimFate::Form, bad),
        ("bad signature", ClaimFate::Signature, bad),
        ("strange key", ClaimFate::Key, bad),
        ("other content", ClaimFate::Content, bad),
        ("trimmed", ClaimFate::Content, bad),
        ("added", ClaimFate::Content, bad),
        ("added beside", ClaimFate::Content, bad),
        ("changed", ClaimFate::Content, bad),
        ("ended", ClaimFate::Times, bad),
        ("of tomorrow", ClaimFate::Times, bad),
        ("for another", ClaimFate::Audience, bad),
        ("of another", ClaimFate::Peer, bad),
        ("of another task", ClaimFate::Request, bad),
        ("replayed", ClaimFate::Request, bad),
        ("a request's", ClaimFate::Request, bad),
    ];
    for (case, fate, label) in cases {
        let agent = Agent::at(&house, &["/mcp/small"]).await;
        let answer = agent.calls("/mcp/small", "look", json!({ "case": case })).await;
        assert!(answer["result"]["content"].is_array(), "{case}: {answer}");
        assert_eq!(answer["result"]["_meta"][META_KEY], Value::Null, "{case}");
        assert_eq!(agent.label(), label, "{case}");
        house.gate.settled().await;
        let claim = house.claims().pop().unwrap();
        assert_eq!(claim.fate, fate, "{case}");
        assert!(claim.peer.is_some(), "{case}");
    }
    // Memory that is rebuilt from the record knows the same.
    let again = alcaide_memory::Memory::empty();
    alcaide_gateway::orders::rebuild(&house.ledger, &again).unwrap();
    for (_, event) in house.events() {
        if let Event::Issued(issued) = event {
            let task = issued.task.unwrap();
            assert_eq!(again.label(task), house.memory.label(task));
        }
    }
}

#[tokio::test]
async fn an_error_and_what_is_said_along_the_way_have_no_label() {
    let server = Puppet::start(|_, message| {
        let error =
            json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": -1, "message": "do this" } });
        (message["method"] == "tools/call").then(|| Says::json(&error))
    })
    .await;
    let house = server.setup().with(&branch(&jwks(&signer()))).labels(signer(), OURS).start().await;
    let agent = Agent::at(&house, &["/mcp/small"]).await.listing().await;
    agent.calls("/mcp/small", "look", json!({})).await;
    assert_eq!(agent.label(), Label::MISSING);
}

#[tokio::test]
async fn a_plain_server_is_told_nothing_and_believed_nothing() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let forger = Forger { signer: signer(), strange: signer(), seen: Mutex::default() };
    let server = Puppet::start({
        let told = Arc::clone(&told);
        move |_, message| {
            if message["method"] != "tools/call" {
                return None;
            }
            told.lock().unwrap().push(message["params"]["_meta"].clone());
            let mut result = text_result("as it was");
            result["_meta"] = json!({ META_KEY: "trusted" });
            Some(Says::result(message, &result))
        }
    })
    .await;
    // The peer is declared, and answers for another server.
    let keys = jwks(&forger.signer);
    let house = server
        .setup()
        .tools("other", &server.url())
        .with(&peer("branch", THEIRS, &keys, "servers = [\"other\"]\nintegrity = \"trusted\""))
        .labels(signer(), OURS)
        .start()
        .await;
    let agent = Agent::at(&house, &["/mcp/small"]).await.listing().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let meta = json!({ "traceparent": trace, META_KEY: "an agent's own word", "progressToken": 7 });
    let params = json!({ "name": "look", "arguments": {}, "_meta": meta });
    let answer = agent.says("/mcp/small", "tools/call", params).await;
    assert_eq!(told.lock().unwrap()[0], json!({ "traceparent": trace, "progressToken": 7 }));
    assert_eq!(answer["result"]["_meta"][META_KEY], Value::Null);
    assert_eq!(agent.label(), Label::MISSING);
    let [Some(claim)] = house.heard()[..] else { panic!("one call") };
    assert_eq!((claim.fate, claim.label, claim.peer), (ClaimFate::Form, None, None));
}

#[tokio::test]
async fn what_comes_with_a_call_only_ever_makes_its_task_worse() {
    let theirs = signer();
    let server = offering(&["clock"]).await;
    let house = server
        .setup()
        .with(&peer("branch", THEIRS, &jwks(&theirs), "callers = [\"helper\"]\nintegrity = \"trusted\""))
        .labels(signer(), OURS)
        .start()
        .await;
    drop(Agent::at(&house, &["/mcp/small"]).await.listing().await);
    let domain = |text: &str| -> TrustDomain { text.parse().unwrap() };
    for (integrity, confidentiality, exact) in [
        (Integrity::Trusted, Confidentiality::Public, true),
        (Integrity::Untrusted, Confidentiality::Public, true),
        (Integrity::Untrusted, Confidentiality::Restricted, false),
        (Integrity::Trusted, Confidentiality::Confidential, false),
    ] {
        let agent = Agent::at(&house, &["/mcp/small"]).await;
        let content = if exact {
            sha256(b"alcaide-label-params-1\ntools/call\n{\"arguments\":{},\"name\":\"clock\"}")
        } else {
            sha256(b"another call")
        };
        let said = Statement {
            issuer: domain(THEIRS),
            audience: domain(OURS),
            covers: Covers::Params,
            content,
            task: sha256(b"their task"),
            label: Label { confidentiality, integrity },
            kinds: vec![],
            sources: vec![],
            id: sha256(b"id"),
            issued: NOW,
            expires: NOW + Duration::from_secs(60),
        };
        let meta = json!({ META_KEY: said.sign(&theirs).unwrap().compact });
        let before = agent.label();
        let params = json!({ "name": "clock", "arguments": {}, "_meta": meta });
        let answer = agent.says("/mcp/small", "tools/call", params).await;
        let now = agent.label();
        assert_eq!(before.join(now), now);
        assert_eq!(now, INTERNAL.join(said.label), "the clock's own, and what was said");
        let claim = house.heard().pop().unwrap().unwrap();
        assert_eq!(claim.fate, if exact { ClaimFate::Accepted } else { ClaimFate::Relayed });
        // Who asked about exactly this call is told of its answer.
        let told = answer["result"]["_meta"][META_KEY].as_str();
        assert_eq!(told.is_some(), exact);
        if let Some(told) = told {
            let claims: Value = serde_json::from_slice(&jws::unverified_payload(told).unwrap()).unwrap();
            assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(OURS), Some(THEIRS)));
            assert_eq!(claims["content"], digest_of(&answer["result"]).to_string());
            assert_eq!(claims["task"], said.task.to_string());
            assert_eq!(claims["integrity"], serde_json::to_value(now.integrity).unwrap());
        }
    }
}

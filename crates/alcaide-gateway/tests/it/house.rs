//! A house in a temporary folder: ledger, memory, issuer, plan, and the gate behind its own listener.

mod blunt;
mod puppet;
mod scripted;
mod setup;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alcaide_gateway::broker::Broker;
use alcaide_gateway::labels::LabelKeys;
use alcaide_gateway::link::HttpClient;
use alcaide_gateway::mcp::stdio::Children;
use alcaide_gateway::{Gate, GateParts, orders};
use alcaide_identity::spiffe::TrustDomain;
use alcaide_identity::{Audience, Issuer, TokenRequest, Verifier};
use alcaide_inventory::declare::{Declarations, Named, Policy, PolicyMode, Tool};
use alcaide_inventory::fact::{Effect as FactEffect, Facts};
use alcaide_inventory::id::*;
use alcaide_inventory::plan::{Kind, Placed, PlacedTool, SealedSecret};
use alcaide_inventory::{Actor, Moment, Name, Plan, PlanNumber, Principal};
use alcaide_label::Label;
use alcaide_ledger::layer::Layer;
use alcaide_ledger::{Ledger, Options};
use alcaide_memory::{AskLimits, Memory, period_start};
use alcaide_record::{Entry, Event, Intent, Issued, Order, OrderKind, Outcome, Refused, TokenKind};
use alcaide_seal::derive::{Purpose, SubKey};
use alcaide_seal::digest::HmacKey;
use alcaide_seal::envelope::{self, MasterKey};
use alcaide_seal::jwk::Jwk;
use alcaide_seal::jws::{KeySet, Signer};
use alcaide_seal::note::NoteSigner;
use alcaide_seal::random::SystemEntropy;
use alcaide_seal::secret::SecretBytes;
use alcaide_seal::words::WordsKey;
use alcaide_serve::{Checked, HostRule, Limits, Listener, serve};
use alcaide_testkit::{Clock, DEADLINE, ModelServer};
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use blunt::{Blunt, dead_url};
pub(crate) use puppet::{Puppet, Says, Then, text_result};
pub(crate) use scripted::{Scripted, Speaks};
pub(crate) use setup::Setup;

pub(crate) const NOW: Moment = Moment::from_secs(1_795_000_000);
/// What upstreams are shown.
pub(crate) const KEY: &str = "upstream-key-7f3a";
/// The rules that this house's program would scan by.
pub(crate) const PACKS: alcaide_record::Digest = alcaide_record::Digest([0x70; 32]);
const ISSUER: &str = "https://house.test";
const ORIGIN: &str = "house.test/ledger";

pub(crate) const BOT: u128 = 1;
pub(crate) const HELPER: u128 = 2;
pub(crate) const BARE: u128 = 3;
pub(crate) const IDLE: u128 = 4;
pub(crate) const STRICT: u128 = 5;
/// May use every tool; declared by [`Setup::tools`].
pub(crate) const HAND: u128 = 6;

/// How a gate goes about its work.
struct Ways {
    limits: Limits,
    approval_wait: Duration,
    ask_limits: AskLimits,
    origins: Vec<String>,
    unheard: bool,
    roots: Option<String>,
}

/// What stays of a house over a restart.
struct Frame {
    folder: tempfile::TempDir,
    options: Options,
    note: Arc<NoteSigner>,
    plan: Plan,
    master: Arc<MasterKey>,
    token_key: Jwk,
    /// What it signs labels with, and in whose name.
    label: (Arc<SecretBytes>, TrustDomain),
    clock: Clock,
    issuer: Issuer,
    ways: Ways,
}

impl Frame {
    /// The gate over a ledger and what is remembered of it.
    async fn open(self, ledger: Ledger, memory: Arc<Memory>, tokens: AtomicU64) -> House {
        let mut keys = KeySet::new();
        keys.insert(self.token_key.clone()).unwrap();
        let listener = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (follow_from, ways) = (ledger.size(), &self.ways);
        let gate = Gate::new(GateParts {
            ledger: ledger.clone(),
            memory: Arc::clone(&memory),
            children: Children::new(crate::tools::launcher(), vec![self.folder.path().to_path_buf()]),
            sessions: SubKey::derive(&self.master, Purpose::Sessions).unwrap().to_master().unwrap(),
            words: WordsKey::derive(&self.master).unwrap(),
            labels: (
                LabelKeys {
                    signer: Signer::from_pkcs8(&self.label.0).unwrap(),
                    domain: self.label.1.clone(),
                },
                HmacKey::new(&[8; 32]),
            ),
            verifier: Verifier::new(ISSUER, "house.test".parse().unwrap(), Audience::Gate, keys),
            broker: Broker::new(Arc::clone(&self.master)),
            commitments: HmacKey::new(&[7; 32]),
            clock: Arc::new(self.clock.reader()),
            entropy: Arc::new(SystemEntropy::new()),
            client: HttpClient::new(ways.roots.as_deref().map(str::as_bytes)).unwrap(),
            limits: ways.limits,
            origins: ways.origins.iter().cloned().chain([format!("http://{address}")]).collect(),
            approval_wait: ways.approval_wait,
            ask_limits: ways.ask_limits,
            packs: PACKS,
        })
        .unwrap();
        gate.adopt(&self.plan).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (limits, checked) = (
            ways.limits,
            Checked::new(HostRule::loopback().same_origin("http"), ways.limits.body_bytes(), gate.clone()),
        );
        let serving = tokio::spawn(async move {
            let drain = serve(listener, limits, checked, async {
                let _ = stopped.await;
            });
            assert_eq!(drain.await.panics, 0);
        });
        let following = tokio::spawn({
            let (ledger, memory, clock) =
                (ledger.clone(), Arc::clone(&memory), Arc::new(self.clock.reader()));
            let (gate, unheard) = (gate.clone(), ways.unheard);
            async move {
                if unheard {
                    std::future::pending::<()>().await;
                }
                let heard = |entry: &Entry| gate.heard(entry);
                orders::follow(ledger, memory, clock, follow_from, heard).await.unwrap();
            }
        });
        let Self { folder, options, note, plan, master, token_key, label, clock, issuer, ways } = self;
        House {
            ledger,
            memory,
            gate,
            plan,
            master,
            address,
            clock,
            issuer,
            tokens,
            running: Running { _stop: stop, tasks: vec![serving, following] },
            rest: Rest { folder, options, note, token_key, label, ways },
        }
    }
}

/// 2 micro-units an input token, 10 an output token; 100 output tokens set aside.
pub(crate) const PRICE: &str =
    "price = { input_micros = 2000000, output_micros = 10000000 }\nmax_output_tokens = 100";

fn placed<I, T>(things: Vec<Named<T>>, id: fn(u128) -> I) -> Kind<I, T> {
    let numbered = things.into_iter().zip(1_u128..);
    numbered.map(|(one, bits)| (one.name, Placed { id: id(bits), spec: one.spec })).collect()
}

/// A running house.
pub(crate) struct House {
    pub(crate) ledger: Ledger,
    pub(crate) memory: Arc<Memory>,
    pub(crate) gate: Gate,
    pub(crate) plan: Plan,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    issuer: Issuer,
    tokens: AtomicU64,
    running: Running,
    rest: Rest,
}

/// What of a [`Frame`] only a restart needs.
struct Rest {
    folder: tempfile::TempDir,
    options: Options,
    note: Arc<NoteSigner>,
    token_key: Jwk,
    label: (Arc<SecretBytes>, TrustDomain),
    ways: Ways,
}

struct Running {
    _stop: oneshot::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

pub(crate) fn agent(bits: u128) -> Actor {
    Actor::Agent(AgentId::from_bits(bits))
}

impl House {
    /// Ends the gate, closes the ledger, opens it again and rebuilds memory: from `snapshot` where one is given.
    pub(crate) async fn restart(self, snapshot: Option<&[u8]>) -> Self {
        let Self { ledger, memory, gate, plan, master, address: _, clock, issuer, tokens, running, rest } =
            self;
        gate.settled().await;
        drop((running, gate, memory));
        ledger.close().await.unwrap();
        drop(ledger);
        let Rest { folder, options, note, token_key, label, ways } = rest;
        let dir = folder.path().join("ledger");
        let ledger = Ledger::open(&dir, &options, Arc::clone(&note), ORIGIN).unwrap();
        let memory = snapshot.map_or_else(Memory::empty, |bytes| Memory::from_snapshot(bytes).unwrap());
        orders::rebuild(&ledger, &memory).unwrap();
        let frame = Frame { folder, options, note, plan, master, token_key, label, clock, issuer, ways };
        frame.open(ledger, memory, tokens).await
    }

    /// What a token for `bits` asks for; every token is another task.
    pub(crate) fn asked(&self, bits: u128) -> TokenRequest {
        let number = u128::from(self.tokens.fetch_add(1, Ordering::SeqCst)) + 1;
        TokenRequest {
            principal: Principal {
                subject: agent(bits),
                actor: agent(bits),
                earlier: vec![],
                unit: UnitId::from_bits(2),
                task: TaskId::from_bits(number),
                run: None,
                token: TokenId::from_bits(number),
            },
            audience: Audience::Gate,
            life: Duration::from_secs(300),
            epochs: vec![0, 0],
            ancestors: vec![],
            parent: None,
            bind_to: None,
            scope: None,
            roles: vec![],
            words: None,
            client_id: "test".into(),
        }
    }

    pub(crate) fn mint(&self, asked: &TokenRequest) -> String {
        self.issuer.mint(asked, self.clock.now()).unwrap().compact
    }

    /// A token whose task is known and clean, as the office issues them.
    pub(crate) async fn token(&self, bits: u128) -> String {
        let asked = self.asked(bits);
        let (actor, task) = (agent(bits), asked.principal.task);
        let event = Event::Issued(Issued {
            actor,
            begins: true,
            by: None,
            epoch: 0,
            expires: self.clock.now() + asked.life,
            kind: TokenKind::Gate,
            parent: None,
            run: None,
            subject: actor,
            task: Some(task),
            token: asked.principal.token,
            words: None,
        });
        let index = self.append(event.clone()).await;
        // The follower does the same, where there is one.
        self.memory.apply(index, &Entry::new(self.clock.now(), event));
        assert_eq!(self.memory.label(task), Label::CLEAN);
        self.mint(&asked)
    }

    /// A token of which the ledger knows nothing.
    pub(crate) fn token_unissued(&self, bits: u128) -> String {
        self.mint(&self.asked(bits))
    }

    pub(crate) async fn append(&self, event: Event) -> u64 {
        let leaf = Entry::new(self.clock.now(), event).to_leaf().unwrap();
        self.ledger.append(leaf).await.unwrap().index()
    }

    pub(crate) async fn order(&self, order: OrderKind) -> u64 {
        self.append(Event::Order(Order { by: None, id: OrderId::from_bits(1), order })).await
    }

    /// Appends a kill and waits until the gate's memory has it.
    pub(crate) async fn kill(&self, bits: u128, epoch: u64) {
        self.order(OrderKind::Kill { actor: agent(bits), epoch }).await;
        let killed = || self.memory.is_good(&[(agent(bits), epoch)], TokenId::from_bits(0), &[]).is_err();
        self.until("the kill", killed).await;
    }

    /// Accepts every tool as it was offered last, with facts of effect `read`; returns their names.
    pub(crate) fn accept_all(&self) -> Vec<String> {
        let mut plan = self.plan.clone();
        plan.number = PlanNumber(2);
        plan.tools = self.accepted();
        self.gate.adopt(&plan).unwrap();
        plan.tools.into_iter().map(|tool| tool.spec.name).collect()
    }

    /// Every tool as it was offered last.
    pub(crate) fn accepted(&self) -> Vec<PlacedTool> {
        let plan = &self.plan;
        let mut tools = BTreeMap::new();
        for (_, event) in self.events() {
            let Event::Offered(offered) = event else { continue };
            let digest = alcaide_seal::digest::Sha256Digest::from_bytes(offered.pin.0);
            let text = self.ledger.shelf().take(&digest).unwrap().expect("the definition is on the shelf");
            let definition: Value = serde_json::from_slice(&text).unwrap();
            let server = plan.routes.iter().find(|(_, placed)| placed.id == offered.route).unwrap().0.clone();
            let name = definition["name"].as_str().unwrap().to_owned();
            let id = ToolId::from_bits(u128::try_from(tools.len()).unwrap() + 1);
            let facts = Facts { effect: FactEffect::Read, ..Facts::default() };
            let tool = PlacedTool {
                id,
                spec: Tool { server: server.clone(), name: name.clone(), facts },
                pin: Some(offered.pin.to_string()),
                input_schema: definition.get("inputSchema").map(ToString::to_string),
            };
            tools.insert((server, name), tool);
        }
        tools.into_values().collect()
    }

    /// Time goes by, and no order is missing.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.memory.heard(self.clock.now());
    }

    /// Ends the task that follows the ledger, as a defect would.
    pub(crate) fn stop_following(&self) {
        self.running.tasks[1].abort();
    }

    /// Lets other tasks run until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let waited = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(DEADLINE, waited).await.is_ok(), "{what} did not come");
    }

    pub(crate) fn events(&self) -> Vec<(u64, Event)> {
        let read = |at| Entry::from_leaf(&self.ledger.read(at).unwrap()).unwrap().event;
        (0..self.ledger.size()).map(|at| (at, read(at))).collect()
    }

    /// Waits for the first `count` outcomes of the ledger.
    pub(crate) async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        let mut follower = self.ledger.follow(0);
        let mut found = Vec::new();
        let reading = async {
            while found.len() < count {
                let (_, leaf) = follower.next().await.unwrap().unwrap();
                if let Event::Outcome(outcome) = Entry::from_leaf(&leaf).unwrap().event {
                    found.push(*outcome);
                }
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, reading).await.is_ok();
        assert!(in_time, "{count} outcomes were waited for, there are {found:#?}");
        self.gate.settled().await;
        found
    }

    pub(crate) async fn outcome(&self) -> Outcome {
        self.outcomes(1).await.remove(0)
    }

    pub(crate) async fn refusals(&self) -> Vec<Refused> {
        self.gate.settled().await;
        let refused = |(_, event)| match event {
            Event::Refused(refused) => Some(*refused),
            _ => None,
        };
        self.events().into_iter().filter_map(refused).collect()
    }

    /// All calls: each intent with its one outcome, after it; nothing is set aside any more.
    pub(crate) async fn audit(&self) -> Vec<(Intent, Outcome)> {
        self.gate.settled().await;
        let mut open = BTreeMap::new();
        let mut calls = Vec::new();
        for (index, event) in self.events() {
            match event {
                Event::Intent(intent) => drop(open.insert(index, intent)),
                Event::Outcome(outcome) => {
                    let intent =
                        open.remove(&outcome.intent).expect("an outcome has an open intent before it");
                    assert_eq!((intent.call, intent.attempt.number), (outcome.call, outcome.attempt));
                    calls.push((*intent, *outcome));
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "intents without outcome: {open:#?}");
        for name in self.plan.budgets.keys() {
            assert_eq!(self.taken(name.as_str()).1, 0, "{name} has something set aside");
        }
        calls
    }

    /// Used and reserved of a budget in the current period.
    pub(crate) fn taken(&self, budget: &str) -> (u64, u64) {
        let placed = &self.plan.budgets[budget];
        self.memory.taken(placed.id, period_start(placed.spec.per, self.clock.now()))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: impl Into<Bytes>) -> Answer {
        send(self.address, post(path, token, body)).await
    }

    pub(crate) async fn chat(&self, token: &str, text: &str) -> Answer {
        self.post(CHAT, token, chat(text)).await
    }
}

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// A chat request that asks for `text`.
pub(crate) fn chat(text: &str) -> String {
    serde_json::json!({"model": "test-model", "messages": [{"role": "user", "content": text}]}).to_string()
}

/// The same as a stream that tells its usage.
pub(crate) fn chat_stream(text: &str) -> String {
    serde_json::json!({
        "model": "test-model", "messages": [{"role": "user", "content": text}],
        "stream": true, "stream_options": {"include_usage": true},
    })
    .to_string()
}

pub(crate) fn post(path: &str, token: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(path).header("content-type", "application/json");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::new(body.into())).unwrap()
}

/// An answer; its connection ends when it is dropped.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    connection: JoinHandle<()>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The next piece of the body.
    pub(crate) async fn piece(&mut self) -> Option<Bytes> {
        loop {
            let frame = tokio::time::timeout(DEADLINE, self.body.frame()).await.unwrap()?;
            if let Ok(data) = frame.unwrap().into_data() {
                return Some(data);
            }
        }
    }

    pub(crate) async fn text(mut self) -> String {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await {
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).unwrap()
    }

    pub(crate) async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The code of a refusal, in whatever shape.
    pub(crate) async fn code(self) -> String {
        let json = self.json().await;
        let places = ["/error/data/code", "/error/code", "/code"];
        let code = places.iter().find_map(|place| json.pointer(place));
        code.and_then(Value::as_str).unwrap_or_else(|| panic!("no code in {json}")).to_owned()
    }
}

/// Sends a request over a connection of its own.
pub(crate) async fn send(address: SocketAddr, mut request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(async move {
        let _ = connection.await;
    });
    request.headers_mut().insert("host", address.to_string().parse().unwrap());
    let answered = tokio::time::timeout(DEADLINE, sender.send_request(request)).await;
    let (head, body) = answered.expect("an answer in time").unwrap().into_parts();
    Answer { status: head.status.as_u16(), headers: head.headers, body, connection }
}

/// Sends bytes as they are and reads until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut all)).await.unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

/// The data of each event of a stream, but the end mark.
pub(crate) fn events_of(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// The text that a stream of any of the three protocols adds up to.
pub(crate) fn text_of(stream: &str) -> String {
    let piece = |event: &Value| {
        let places = ["/choices/0/delta/content", "/delta/text"];
        let of_responses = (event["type"] == "response.output_text.delta").then(|| &event["delta"]);
        let found = places.iter().find_map(|place| event.pointer(place)).or(of_responses);
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    events_of(stream).iter().map(piece).collect()
}

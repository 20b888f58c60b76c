//! Traces for others: one span per attempt at an upstream and per refusal, over OTLP/HTTP in JSON, with the names of the
//! GenAI conventions.
//!
//! Spans are made of the ledger's entries, which hold no content by their types: so none can get out here. A follower of
//! its own reads them; it costs a call nothing. Where the collector does not answer, the batch is tried again, ever more
//! slowly; once the exporter is too far behind it drops what it missed and counts it.
//!
//! A trace is a task; what it did stands within it in order of time. Of names, only declared ones of agents, models and
//! upstreams are told.
//!
//! Sources: OTLP 1.3 (JSON encoding), OpenTelemetry semantic conventions for generative AI, 1.37.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alcaide_inventory::declare::Protocol;
use alcaide_inventory::id::{CallId, UpstreamId};
use alcaide_inventory::{Actor, Moment, Plan};
use alcaide_ledger::Follower;
use alcaide_record::{ActionKind, Chain, End, Entry, Event, Intent, Outcome, Refused, Target};
use alcaide_seal::digest::sha256;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::house::House;

/// Most spans in one request.
const BATCH_MAX: usize = 512;
/// Longest time that a span waits for others.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// Most entries that the exporter may be behind: past it the oldest are dropped.
const BEHIND_MAX: u64 = 16_384;
/// Most intents that wait for their outcome.
const OPEN_MAX: usize = 8_192;
/// Longest wait for the collector.
const SEND_WAIT: Duration = Duration::from_secs(10);
/// First and longest pause before a batch is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Longest answer of the collector that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What became of the spans.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Exported {
    /// Spans that the collector took.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Spans, or entries that may have become some, that were given up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Exports spans of what is recorded from now on; rests for ever where no collector is set.
pub(crate) async fn export(house: &House) {
    let target = house
        .settings
        .telemetry
        .otlp_url
        .as_deref()
        .map(|url| format!("{}/v1/traces", url.trim_end_matches('/')).parse::<Uri>());
    let target = match target {
        Some(Ok(target)) => target,
        // The settings were checked at the start.
        Some(Err(_)) | None => std::future::pending().await,
    };
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let mut exporter = Exporter {
        client: Client::builder(TokioExecutor::new()).build(connector),
        target,
        follower: house.ledger.follow(house.ledger.size()),
        open: BTreeMap::new(),
        told: Arc::clone(&house.exported),
    };
    loop {
        let Some(spans) = exporter.gather(house).await else { std::future::pending().await };
        exporter.deliver(house, spans).await;
    }
}

struct Exporter {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    target: Uri,
    follower: Follower,
    /// Intents without outcome, by their index.
    open: BTreeMap<u64, Box<Intent>>,
    told: Arc<Exported>,
}

impl Exporter {
    /// The next batch; nothing once the ledger is closed.
    async fn gather(&mut self, house: &House) -> Option<Vec<Value>> {
        let mut spans = Vec::new();
        let mut full = std::pin::pin!(tokio::time::sleep(BATCH_WAIT));
        loop {
            let next = tokio::select! {
                next = self.follower.next() => next,
                () = &mut full, if !spans.is_empty() => return Some(spans),
            };
            let (index, leaf) = match next {
                Ok(next) => next?,
                Err(error) => {
                    // What cannot be read is not told of here; who must know, follows the ledger too.
                    tracing::warn!(%error, "entries of the ledger are not exported");
                    self.skip(house);
                    continue;
                }
            };
            let Ok(entry) = Entry::from_leaf(&leaf) else { continue };
            if let Some(span) = self.span(index, entry, &house.plans.borrow()) {
                if spans.is_empty() {
                    full.as_mut().reset(tokio::time::Instant::now() + BATCH_WAIT);
                }
                spans.push(span);
            }
            if spans.len() >= BATCH_MAX {
                return Some(spans);
            }
        }
    }

    /// Sends a batch until the collector has taken it, or too much has come meanwhile.
    async fn deliver(&mut self, house: &House, spans: Vec<Value>) {
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let body = Bytes::from(request_of(spans).to_string());
        let (mut wait, longest) = RETRY;
        loop {
            let why = match tokio::time::timeout(SEND_WAIT, self.send(body.clone())).await {
                Ok(Ok(())) => {
                    self.told.sent.fetch_add(count, Ordering::Relaxed);
                    return;
                }
                Ok(Err(why)) => why,
                Err(_) => "it did not answer in time".to_owned(),
            };
            tracing::warn!(why, spans = count, "the collector did not take spans");
            if house.ledger.size().saturating_sub(self.follower.position()) > BEHIND_MAX {
                self.told.dropped.fetch_add(count, Ordering::Relaxed);
                self.skip(house);
                return;
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(longest);
        }
    }

    /// Goes to the end of the ledger; what lies between is dropped.
    fn skip(&mut self, house: &House) {
        let size = house.ledger.size();
        let missed = size.saturating_sub(self.follower.position());
        self.told.dropped.fetch_add(missed, Ordering::Relaxed);
        self.follower = house.ledger.follow(size);
        self.open.clear();
    }

    async fn send(&self, body: Bytes) -> Result<(), String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        // Read to its end, so that the connection can be used again.
        let read = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        read.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
    }

    fn span(&mut self, index: u64, entry: Entry, plan: &Plan) -> Option<Value> {
        match entry.event {
            Event::Intent(intent) => {
                self.open.insert(index, intent);
                if self.open.len() > OPEN_MAX {
                    self.open.pop_first();
                    self.told.dropped.fetch_add(1, Ordering::Relaxed);
                }
                None
            }
            Event::Outcome(outcome) => {
                let intent = self.open.remove(&outcome.intent)?;
                Some(span_of_attempt(&intent, &outcome, entry.at, plan))
            }
            Event::Refused(refused) => span_of_refusal(&refused, entry.at, plan),
            _ => None,
        }
    }
}

/// One request of the protocol.
fn request_of(spans: Vec<Value>) -> Value {
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", "alcaide"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ] },
        "scopeSpans": [{ "scope": { "name": "alcaide", "version": env!("CARGO_PKG_VERSION") }, "spans": spans }],
    }] })
}

fn span_of_attempt(intent: &Intent, outcome: &Outcome, at: Moment, plan: &Plan) -> Value {
    let mut attributes = common(intent.action, Some(&intent.target), Some(&intent.who), plan);
    attributes.push(text("gen_ai.operation.name", operation(intent.action, outcome)));
    if let Some((name, provider)) = upstream(intent.attempt.upstream, plan) {
        attributes.push(text("alcaide.upstream", name));
        if let Some(provider) = provider {
            attributes.push(text("gen_ai.provider.name", provider));
        }
    }
    if let Some(usage) = &outcome.usage {
        attributes.push(number("gen_ai.usage.input_tokens", usage.input));
        attributes.push(number("gen_ai.usage.output_tokens", usage.output));
        attributes.push(number("alcaide.cost_micros", usage.cost_micros));
    }
    if let Some(status) = outcome.status {
        attributes.push(number("http.response.status_code", u64::from(status)));
    }
    attributes.push(text("alcaide.end", &word(&outcome.end)));
    attributes.push(number("alcaide.released_bytes", outcome.released_bytes));
    attributes.push(number("alcaide.ledger.index", outcome.intent));
    let failed = outcome.end != End::Complete;
    if failed {
        attributes.push(text("error.type", &word(&outcome.end)));
    }
    let start = at.micros().saturating_sub(outcome.duration_us);
    let ids = (trace(&intent.who), span_id(intent.call, intent.attempt.number));
    span(
        &ids,
        &name_of(operation(intent.action, outcome), &intent.target, plan),
        (start, at.micros()),
        failed,
        attributes,
    )
}

fn span_of_refusal(refused: &Refused, at: Moment, plan: &Plan) -> Option<Value> {
    // Who is not known has no task, and so no trace.
    let who = refused.who.as_ref()?;
    let action = refused.action.unwrap_or(ActionKind::CallMethod);
    let mut attributes = common(action, refused.target.as_ref(), Some(who), plan);
    attributes.push(text("error.type", &refused.code));
    attributes.push(text("alcaide.end", "refused"));
    let ids = (trace(who), span_id(refused.call, 0));
    Some(span(&ids, "refused", (at.micros(), at.micros()), true, attributes))
}

fn common(action: ActionKind, target: Option<&Target>, who: Option<&Chain>, plan: &Plan) -> Vec<Value> {
    let mut attributes = vec![text("alcaide.action", &word(&action))];
    if let Some(model) = target.and_then(|target| route(target, plan)) {
        let key = if action == ActionKind::UseModel { "gen_ai.request.model" } else { "alcaide.route" };
        attributes.push(text(key, model));
    }
    if let Some(who) = who {
        attributes.push(text("gen_ai.agent.id", &who.actor.to_string()));
        attributes.push(text("gen_ai.conversation.id", &who.task.to_string()));
        let agent = plan.agents.iter().find(|(_, placed)| Actor::Agent(placed.id) == who.actor);
        if let Some((name, _)) = agent {
            attributes.push(text("gen_ai.agent.name", name.as_str()));
        }
    }
    attributes
}

/// The well-known operation. Which of a model's operations was asked for is not in the record: an answer without output
/// tokens is an embedding's.
fn operation(action: ActionKind, outcome: &Outcome) -> &'static str {
    match action {
        ActionKind::UseModel if outcome.usage.is_some_and(|usage| usage.output == 0 && usage.input > 0) => {
            "embeddings"
        }
        ActionKind::UseModel => "chat",
        ActionKind::CallTool => "execute_tool",
        ActionKind::CallApi => "call_api",
        ActionKind::ReadResource => "read_resource",
        _ => "call_method",
    }
}

fn name_of(operation: &str, target: &Target, plan: &Plan) -> String {
    route(target, plan).map_or_else(|| operation.to_owned(), |route| format!("{operation} {route}"))
}

fn route<'p>(target: &Target, plan: &'p Plan) -> Option<&'p str> {
    let wanted = target.route?;
    plan.routes.iter().find(|(_, placed)| placed.id == wanted).map(|(name, _)| name.as_str())
}

fn upstream(id: UpstreamId, plan: &Plan) -> Option<(&str, Option<&'static str>)> {
    let (name, placed) = plan.upstreams.iter().find(|(_, placed)| placed.id == id)?;
    let provider = match placed.spec.protocol {
        Protocol::Openai => Some("openai"),
        Protocol::Anthropic => Some("anthropic"),
        _ => None,
    };
    Some((name.as_str(), provider))
}

fn span(
    (trace, id): &(String, String),
    name: &str,
    (start, end): (u64, u64),
    failed: bool,
    attributes: Vec<Value>,
) -> Value {
    let nanos = |micros: u64| format!("{micros}000");
    json!({
        "traceId": trace, "spanId": id, "name": name, "kind": KIND_CLIENT,
        "startTimeUnixNano": nanos(start), "endTimeUnixNano": nanos(end),
        "attributes": attributes,
        "status": if failed { json!({ "code": STATUS_ERROR }) } else { json!({}) },
    })
}

/// `SPAN_KIND_CLIENT`.
const KIND_CLIENT: u8 = 3;
/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: u8 = 2;

/// A task is a trace: 16 bytes, as its id has.
fn trace(who: &Chain) -> String {
    format!("{:032x}", who.task.bits())
}

fn span_id(call: CallId, attempt: u32) -> String {
    sha256(format!("{call}/{attempt}").as_bytes()).to_string().chars().take(16).collect()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// 64-bit numbers are strings in JSON.
fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

/// A variant as its serde name.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        _ => "unknown".to_owned(),
    }
}

//! The service behind the gate's listener: finds the protocol of a request and hands it to its handler.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use alcaide_identity::{TokenCache, Verifier};
use alcaide_inspect::Engine;
use alcaide_inspect::canary::Canary;
use alcaide_inventory::Moment;
use alcaide_inventory::id::{ApprovalId, CallId, TaskId};
use alcaide_inventory::{Plan, PlanNumber};
use alcaide_ledger::Ledger;
use alcaide_memory::{AskLimits, Memory};
use alcaide_record::{Digest, Entry, Event, Order, OrderKind, Stage};
use alcaide_seal::digest::HmacKey;
use alcaide_seal::envelope::{EnvelopeError, MasterKey};
use alcaide_seal::random::Entropy;
use alcaide_seal::words::WordsKey;
use alcaide_serve::{Body, Limits, Peer, Problem, Room, Service};
use alcaide_wire::llm::{Operation, Provider};
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::attempt::Closer;
use crate::broker::Broker;
use crate::canary;
use crate::flow::Flows;
use crate::handles::Handles;
use crate::hush::Hush;
use crate::labels::{LabelKeys, Labels};
use crate::lease::{self, PlanLease};
use crate::link::HttpClient;
use crate::mcp::stdio::Children;
use crate::mcp::{McpState, Sealer};
use crate::metrics::Metrics;
use crate::passage::{Arrived, Passage, Registry, presented};
use crate::plan::{GatePlan, PlanFault};
use crate::refusal::{self, Refusal};
use crate::{api, llm, mcp};

/// The time, as a value from outside.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// What the gate is made of.
pub struct GateParts {
    /// Where everything is recorded.
    pub ledger: Ledger,
    /// What must be remembered; rebuilt from the ledger already.
    pub memory: Arc<Memory>,
    /// Verifies access tokens for the gate.
    pub verifier: Verifier,
    /// Opens upstream secrets.
    pub broker: Broker,
    /// Seals what callers carry for the gate: sessions, states of servers.
    pub sessions: MasterKey,
    /// Opens the users' words.
    pub words: WordsKey,
    /// Key of the commitments that stand for names in the record.
    pub commitments: HmacKey,
    /// What labels are signed with that go to other gates, and the key of the pseudonyms of tasks in them.
    pub labels: (LabelKeys, HmacKey),
    /// The time.
    pub clock: Clock,
    /// Randomness for call ids.
    pub entropy: Arc<dyn Entropy>,
    /// Connections to upstreams; [`HttpClient::new`] makes it.
    pub client: HttpClient,
    /// Limits of the listener.
    pub limits: Limits,
    /// How tool servers that are child processes are started, and the folders that none of them sees.
    pub children: Children,
    /// Scheme and authority that callers use, such as `http://127.0.0.1:7100`, one or more: what proofs of possession
    /// name.
    pub origins: Vec<String>,
    /// How long a call may wait for people to answer; zero for never.
    pub approval_wait: Duration,
    /// How many questions to people may be asked within an hour.
    pub ask_limits: AskLimits,
    /// Digest of the rules that this program scans models by: evidence of others is old.
    pub packs: Digest,
}

/// Most calls that wait for people at one time; past it a call is told at once that it is asked about. Each holds its
/// body in memory and a connection.
const WAITING_MAX: usize = 128;

/// The gate.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) plan: RwLock<Option<Arc<GatePlan>>>,
    pub(crate) closer: Closer,
    pub(crate) verifier: Verifier,
    pub(crate) cache: TokenCache,
    pub(crate) broker: Broker,
    pub(crate) commitments: HmacKey,
    pub(crate) flows: Arc<Flows>,
    pub(crate) handles: Handles,
    pub(crate) labels: Labels,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) client: HttpClient,
    pub(crate) limits: Limits,
    /// Room for the bodies of all calls.
    pub(crate) bodies: Room,
    pub(crate) since: Moment,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) mcp: Arc<McpState>,
    pub(crate) children: Children,
    pub(crate) approval_wait: Duration,
    pub(crate) ask_limits: AskLimits,
    packs: Digest,
    /// Places for calls that wait for people.
    pub(crate) waiting: Semaphore,
    lease: PlanLease,
    /// Why the office's newest plan is not the gate's, if it is not.
    fault: Mutex<Option<String>>,
    origins: Vec<String>,
    calls: Ids,
    approvals: Ids,
    /// What strangers may write into the log.
    hush: Hush,
}

impl Shared {
    /// What identification needs.
    pub(crate) fn registry(&self) -> Registry<'_> {
        Registry {
            verifier: &self.verifier,
            cache: &self.cache,
            since: self.since,
            origins: &self.origins,
            calls_per_actor: self.limits.calls_per_actor(),
        }
    }

    /// What texts are looked at with: it knows the hosts that the plan in force names.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        let plan = self.plan.read().unwrap_or_else(PoisonError::into_inner);
        plan.as_ref().map_or_else(|| Arc::new(Engine::builtin()), |plan| plan.engine())
    }

    /// The mark of a task, where the plan has one planted anywhere.
    pub(crate) fn canary(&self, plan: &GatePlan, task: TaskId) -> Option<Canary> {
        plan.plants_canaries().then(|| canary::of(&self.commitments, task)).flatten()
    }

    /// An id for a call.
    pub(crate) fn call_id(&self) -> CallId {
        CallId::from_bits(self.calls.next())
    }

    /// An id for a question.
    pub(crate) fn approval_id(&self) -> ApprovalId {
        ApprovalId::from_bits(self.approvals.next())
    }

    /// Whether `plan` is still the one in force.
    pub(crate) fn is_in_force(&self, plan: &GatePlan) -> bool {
        let current = self.plan.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_some_and(|current| current.digest == plan.digest)
    }
}

/// Ids: a random beginning for this run, then counted. Drawing 128 bits for each would be a system call.
struct Ids {
    base: u128,
    next: std::sync::atomic::AtomicU64,
}

impl Ids {
    fn new(entropy: &dyn Entropy) -> Result<Self, alcaide_seal::random::EntropyError> {
        let base = alcaide_seal::random::bits128(entropy)?;
        Ok(Self { base, next: std::sync::atomic::AtomicU64::new(0) })
    }

    fn next(&self) -> u128 {
        let count = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.base.wrapping_add(u128::from(count))
    }
}

impl Gate {
    /// A gate without a plan: it refuses everything until [`Gate::adopt`].
    ///
    /// Must be called within a tokio runtime: it starts the task that settles outcomes.
    ///
    /// Reads the shelf, and so blocks on the disk.
    ///
    /// # Errors
    /// If the system gives no randomness, or its cryptography fails.
    pub fn new(parts: GateParts) -> Result<Self, EnvelopeError> {
        let (calls, approvals) = (Ids::new(&*parts.entropy)?, Ids::new(&*parts.entropy)?);
        let flows = Flows::new(parts.words, &parts.memory, &parts.ledger.shelf())?;
        let since = (parts.clock)();
        // Memory was rebuilt to the ledger's end: no order is missing now.
        parts.memory.heard(since);
        let closer = Closer::start(parts.ledger, parts.memory, parts.clock);
        let gate = Self {
            shared: Arc::new(Shared {
                plan: RwLock::new(None),
                metrics: Arc::clone(closer.metrics()),
                closer,
                verifier: parts.verifier,
                cache: TokenCache::default(),
                broker: parts.broker,
                commitments: parts.commitments,
                flows: Arc::new(flows),
                handles: Handles::new(),
                labels: Labels::new(parts.labels.0, parts.labels.1),
                entropy: Arc::clone(&parts.entropy),
                client: parts.client,
                limits: parts.limits,
                bodies: Room::new(parts.limits.bodies_bytes()),
                since,
                mcp: Arc::new(McpState::new(Sealer::new(parts.sessions, parts.entropy))),
                children: parts.children,
                approval_wait: parts.approval_wait,
                ask_limits: parts.ask_limits,
                packs: parts.packs,
                waiting: Semaphore::new(WAITING_MAX),
                lease: PlanLease::from(since),
                fault: Mutex::new(None),
                origins: parts.origins,
                calls,
                approvals,
                hush: Hush::default(),
            }),
        };
        mcp::ending::start(&gate.shared);
        Ok(gate)
    }

    /// Says whether a plan could be adopted, without doing it.
    ///
    /// # Errors
    /// [`PlanFault`].
    pub fn try_plan(&self, plan: &Plan) -> Result<(), PlanFault> {
        self.compile(plan).map(drop)
    }

    /// Compiles a plan and runs on it from the next call on; calls in flight end under theirs.
    ///
    /// # Errors
    /// [`PlanFault`]: the gate keeps the plan that it has, and [`Gate::health`] says so.
    pub fn adopt(&self, plan: &Plan) -> Result<(), PlanFault> {
        let compiled = self.compile(plan);
        let mut fault = self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match compiled {
            Ok(compiled) => {
                *self.shared.plan.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(compiled));
                *fault = None;
                self.shared.lease.renew(self.shared.closer.now());
                Ok(())
            }
            Err(error) => {
                *fault = Some(format!("plan {} cannot be used by the gate: {error}", plan.number));
                Err(error)
            }
        }
    }

    fn compile(&self, plan: &Plan) -> Result<GatePlan, PlanFault> {
        let shared = &self.shared;
        GatePlan::compile(plan, &shared.broker, &shared.commitments, shared.packs)
    }

    /// The office has plan `number` in force now and keeps up: the lease of that plan begins anew. For another plan
    /// than the gate's it changes nothing.
    pub fn confirm(&self, number: PlanNumber) {
        if self.plan().is_some_and(|plan| plan.number == number) {
            self.shared.lease.renew(self.shared.closer.now());
        }
    }

    /// Whether the gate judges by what is declared and ordered now.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn health(&self) -> Result<(), String> {
        let shared = &self.shared;
        let fault = shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(plan) = self.plan() else {
            return Err(fault.unwrap_or_else(|| "no plan is in force".into()));
        };
        if let Some(fault) = fault {
            return Err(format!("{fault}; calls are judged by plan {}", plan.number));
        }
        let now = shared.closer.now();
        if shared.lease.check(now).is_err() {
            return Err(format!("the office has not confirmed plan {} for 24 hours", plan.number));
        }
        shared.closer.memory().hears(now, lease::ORDERS).map_err(|why| why.to_string())?;
        if shared.closer.is_late() {
            return Err("the ledger's disk does not answer in time".into());
        }
        match shared.closer.owed() {
            0 => {}
            owed => {
                return Err(format!(
                    "outcomes of {owed} calls wait for room on the disk of the ledger and are unknown until then; no call passes"
                ));
            }
        }
        Ok(())
    }

    /// The plan in force.
    #[must_use]
    pub fn plan(&self) -> Option<Arc<GatePlan>> {
        self.shared.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What memory knows.
    #[must_use]
    pub fn memory(&self) -> &Arc<Memory> {
        self.shared.closer.memory()
    }

    /// Hears what others wrote into the ledger: who is stopped loses the tool servers that run for it, and the sessions
    /// with others.
    pub fn heard(&self, entry: &Entry) {
        if let Event::Order(Order { order: OrderKind::Kill { actor, .. }, .. }) = &entry.event {
            self.shared.children.stop(*actor);
            mcp::ending::stopped(&self.shared, *actor);
        }
    }

    /// Ends the tool servers that are child processes, and waits until they are gone; ends the sessions with others.
    pub async fn drain(&self) {
        tokio::join!(self.shared.children.drain(), mcp::ending::drain(&self.shared));
    }

    /// Waits until every outcome that was queued so far is settled in memory, the ends of sessions among them.
    pub async fn settled(&self) {
        self.shared.mcp.ends.settled().await;
        self.shared.closer.settled().await;
    }

    /// How many outcomes wait for room on the disk of the ledger.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.shared.closer.owed()
    }

    /// Counters, as Prometheus text.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.shared.metrics.text()
    }

    fn find(method: &http::Method, path: &str) -> Result<Destination, Refusal> {
        if path.starts_with(api::PREFIX) {
            return Ok(Destination::Api);
        }
        if path == mcp::PREFIX || path.strip_prefix(mcp::PREFIX).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(Destination::Mcp);
        }
        let (provider, rest) = match path.strip_prefix("/anthropic/") {
            Some(rest) => (Provider::Anthropic, rest),
            None => (Provider::OpenAi, path.strip_prefix('/').unwrap_or(path)),
        };
        let stage = Stage::Arrived;
        if !rest.starts_with("v1/") {
            return Err(Refusal::of(refusal::NOT_FOUND, stage));
        }
        // Anthropic's own clients with a bare base URL send `/v1/messages`; no path of OpenAI's is called so.
        let provider = if rest.starts_with("v1/messages") { Provider::Anthropic } else { provider };
        let found = Operation::recognise(provider, method.as_str(), rest).map(Destination::Model);
        found.ok_or_else(|| {
            let other = if *method == http::Method::GET { "POST" } else { "GET" };
            if Operation::recognise(provider, other, rest).is_some() {
                Refusal::of(refusal::METHOD, stage)
            } else {
                Refusal::of(refusal::NOT_FOUND, stage)
            }
        })
    }
}

/// Whose handler a request goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Destination {
    /// A model API.
    Model(Operation),
    /// A plain API.
    Api,
    /// A tool server, or all of them.
    Mcp,
}

impl Destination {
    /// A refusal in the shape that the caller's client reads.
    fn refuse(self, refusal: &Refusal) -> Response<Body> {
        match self {
            Self::Model(operation) => llm::refuse(operation, refusal),
            Self::Api => problem(refusal),
            Self::Mcp => mcp::refuse(refusal),
        }
    }
}

impl Service for Gate {
    async fn call(&self, request: Request<Incoming>, _peer: &Peer) -> Response<Body> {
        let started = Instant::now();
        let shared = &self.shared;
        let has_body = !request.body().is_end_stream();
        let destination = match Self::find(request.method(), request.uri().path()) {
            Ok(destination) => destination,
            Err(refusal) => {
                // Whether a path exists is told to those who are let in.
                let refusal = self.stranger(&request, started).unwrap_or(refusal);
                shared.metrics.refused(refusal.code);
                return closing(problem(&refusal), has_body);
            }
        };
        let plan = self.plan().ok_or_else(|| Refusal::of(refusal::NOT_READY, Stage::Arrived));
        let response = match plan.and_then(|plan| shared.lease.check(shared.closer.now()).map(|()| plan)) {
            // Whether the gate is ready is told to those who are let in.
            Err(refusal) => Err(answered(destination)(self.stranger(&request, started).unwrap_or(refusal))),
            Ok(plan) => {
                let passage =
                    Passage::<Arrived>::arrive(shared.call_id(), plan, shared.closer.clone(), started);
                match destination {
                    // Apart: hyper moves the future of each call, with room for its longest way.
                    Destination::Model(operation) => {
                        let passed = Box::pin(llm::handle(shared, passage, operation, request)).await;
                        passed.map_err(answered(destination))
                    }
                    Destination::Api => {
                        let passed = Box::pin(api::handle(shared, passage, request)).await;
                        passed.map_err(answered(destination))
                    }
                    Destination::Mcp => {
                        let passed = Box::pin(mcp::handle(shared, passage, request)).await;
                        passed.map_err(|denied| (denied.refusal().clone(), denied.into_response()))
                    }
                }
            }
        };
        match response {
            Ok(response) => {
                shared.metrics.passed(response.status().as_u16());
                response
            }
            Err((refusal, response)) => {
                shared.metrics.refused(refusal.code);
                match &refusal.internal {
                    None => {}
                    // A stranger could otherwise fill the log; the counters have them all.
                    Some(internal) if refusal.stage == Stage::Arrived => {
                        if let Some(left_out) = shared.hush.hear(started) {
                            tracing::debug!(code = refusal.code, why = &**internal, left_out, "refused");
                        }
                    }
                    Some(internal) => tracing::info!(code = refusal.code, why = &**internal, "refused"),
                }
                let unread = has_body && matches!(refusal.stage, Stage::Arrived | Stage::Known);
                closing(response, unread)
            }
        }
    }
}

/// A refusal with what the caller is told of it.
fn answered(destination: Destination) -> impl FnOnce(Refusal) -> (Refusal, Response<Body>) {
    move |refusal| {
        let response = destination.refuse(&refusal);
        (refusal, response)
    }
}

impl Gate {
    /// The refusal of somebody who is not let in, whatever they ask for.
    fn stranger(&self, request: &Request<Incoming>, started: Instant) -> Option<Refusal> {
        let shared = &self.shared;
        let Some(plan) = self.plan() else {
            // Without a plan nobody can be let in, but who has no good token is still told that alone.
            let shown = presented(request.headers()).and_then(|shown| {
                let verified = shared.cache.verify(&shared.verifier, shown.token, shared.closer.now());
                verified.map_err(|error| {
                    Refusal::of(refusal::BAD_CREDENTIAL, Stage::Arrived).because(error.to_string())
                })
            });
            return Some(shown.err().unwrap_or_else(|| Refusal::of(refusal::NOT_READY, Stage::Arrived)));
        };
        let passage = Passage::<Arrived>::arrive(shared.call_id(), plan, shared.closer.clone(), started);
        let path = request.uri().path();
        passage.identify(request.headers(), request.method().as_str(), path, &shared.registry()).err()
    }
}

/// Says that the connection ends with this answer, where the request's body may not have been read: a client that did not
/// know would send its next request into a closed connection.
fn closing(mut response: Response<Body>, unread: bool) -> Response<Body> {
    if unread {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A refusal as a problem document, where no protocol has a shape of its own.
fn problem(refusal: &Refusal) -> Response<Body> {
    let mut response = match refusal::TABLE.iter().find(|entry| entry.code == refusal.code) {
        Some(entry) => {
            let mut problem = Problem::new(entry).detail(refusal.detail.to_string());
            if let Some(approval) = refusal.approval() {
                problem = problem.approval(approval.to_string()).help(refusal.help.to_string());
            }
            problem.into_response()
        }
        None => Response::new(Body::Empty),
    };
    *response.status_mut() = refusal.status;
    challenge(refusal, &mut response);
    response
}

/// Name of the header that carries the id of a question.
const APPROVAL: HeaderName = HeaderName::from_static("alcaide-approval");

/// `WWW-Authenticate` for those who are not known (RFC 6750, section 3; RFC 9449, section 7.1), `Retry-After` for those
/// who may come back, `Alcaide-Approval` for those who are asked about.
pub(crate) fn challenge<B>(refusal: &Refusal, response: &mut Response<B>) {
    let headers = response.headers_mut();
    if refusal.status == http::StatusCode::UNAUTHORIZED {
        let challenge = match refusal.code {
            code if code == refusal::NO_CREDENTIAL.code => "Bearer",
            code if code == refusal::PROOF_NEEDED.code => "DPoP algs=\"ES256 EdDSA\"",
            code if code == refusal::BAD_PROOF.code => {
                "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 EdDSA\""
            }
            _ => "Bearer error=\"invalid_token\"",
        };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(id) = refusal.approval().and_then(|id| HeaderValue::from_str(&id.to_string()).ok()) {
        headers.insert(APPROVAL, id);
    }
    if let Some(wait) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn every_path_that_is_told_is_there() {
        for one in crate::paths::PATHS {
            let path = one.path.replace("{path*}", "a/b").replace(['{', '}'], "");
            let method = if one.method == "ANY" { "PATCH" } else { one.method };
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert!(Gate::find(&method, &path).is_ok(), "{method} {path}");
        }
    }

    #[test]
    fn paths_are_found_byte_by_byte() {
        let found = |method: Method, path: &str| Gate::find(&method, path).map_err(|refusal| refusal.code);
        let model = |operation| Ok(Destination::Model(operation));
        assert_eq!(found(Method::POST, "/v1/chat/completions"), model(Operation::ChatCompletions));
        assert_eq!(found(Method::POST, "/v1/messages"), model(Operation::Messages));
        assert_eq!(found(Method::POST, "/anthropic/v1/messages"), model(Operation::Messages));
        assert_eq!(found(Method::GET, "/v1/models"), model(Operation::ListModels));
        assert_eq!(found(Method::GET, "/anthropic/v1/models"), model(Operation::ListAnthropicModels));
        assert_eq!(found(Method::PUT, "/api/erp/invoices"), Ok(Destination::Api));
        for path in ["/mcp", "/mcp/files", "/mcp/"] {
            assert_eq!(found(Method::POST, path), Ok(Destination::Mcp), "{path}");
        }
        assert_eq!(found(Method::POST, "/mcpx"), Err("ALC-GATE-0010"));
        assert_eq!(found(Method::GET, "/v1/chat/completions"), Err("ALC-GATE-0011"));
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v1/files",
            "//v1/models",
            "/V1/models",
            "/v1/models/../files",
            "/anthropic/v1/files",
        ] {
            assert_eq!(found(Method::GET, path), Err("ALC-GATE-0010"), "{path}");
        }
    }
}

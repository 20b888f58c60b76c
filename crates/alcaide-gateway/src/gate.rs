//! The service behind the gate's listener: finds the protocol of a request and hands it to its handler.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use alcaide_identity::{TokenCache, Verifier};
use alcaide_inspect::Engine;
use alcaide_inventory::Moment;
use alcaide_inventory::Plan;
use alcaide_inventory::id::CallId;
use alcaide_ledger::Ledger;
use alcaide_memory::Memory;
use alcaide_record::Stage;
use alcaide_seal::digest::HmacKey;
use alcaide_seal::random::Entropy;
use alcaide_serve::{Body, Limits, Peer, Problem, Service};
use alcaide_wire::llm::{Operation, Provider};
use http::{HeaderValue, Request, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::attempt::Closer;
use crate::broker::Broker;
use crate::link::HttpClient;
use crate::metrics::Metrics;
use crate::passage::{Arrived, Passage, Registry};
use crate::plan::{GatePlan, PlanFault};
use crate::refusal::{self, Refusal};
use crate::{api, llm};

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
    /// Key of the commitments that stand for names in the record.
    pub commitments: HmacKey,
    /// The time.
    pub clock: Clock,
    /// Randomness for call ids.
    pub entropy: Arc<dyn Entropy>,
    /// Limits of the listener.
    pub limits: Limits,
    /// Scheme and authority that callers use, such as `http://127.0.0.1:7100`: what proofs of possession name.
    pub origin: String,
}

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
    pub(crate) engine: Arc<Engine>,
    pub(crate) client: HttpClient,
    pub(crate) limits: Limits,
    pub(crate) since: Moment,
    pub(crate) metrics: Metrics,
    origin: String,
    calls: Calls,
}

/// Call ids: a random beginning for this run, then counted. Drawing 128 bits for each call would be a system call.
struct Calls {
    base: u128,
    next: std::sync::atomic::AtomicU64,
}

impl Calls {
    fn next(&self) -> CallId {
        let count = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        CallId::from_bits(self.base.wrapping_add(u128::from(count)))
    }
}

impl Gate {
    /// A gate without a plan: it refuses everything until [`Gate::adopt`].
    ///
    /// Must be called within a tokio runtime: it starts the task that settles outcomes.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn new(parts: GateParts) -> Result<Self, alcaide_seal::random::EntropyError> {
        let base = alcaide_seal::random::bits128(&*parts.entropy)?;
        let since = (parts.clock)();
        let closer = Closer::start(parts.ledger, parts.memory, parts.clock);
        Ok(Self {
            shared: Arc::new(Shared {
                plan: RwLock::new(None),
                closer,
                verifier: parts.verifier,
                cache: TokenCache::default(),
                broker: parts.broker,
                commitments: parts.commitments,
                engine: Arc::new(Engine::builtin()),
                client: HttpClient::new(),
                limits: parts.limits,
                since,
                metrics: Metrics::default(),
                origin: parts.origin,
                calls: Calls { base, next: std::sync::atomic::AtomicU64::new(0) },
            }),
        })
    }

    /// Compiles a plan and runs on it from the next call on; calls in flight end under theirs.
    ///
    /// # Errors
    /// [`PlanFault`]: the gate keeps the plan that it has.
    pub fn adopt(&self, plan: &Plan) -> Result<(), PlanFault> {
        let compiled = GatePlan::compile(plan, &self.shared.broker, &self.shared.commitments)?;
        *self.shared.plan.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(compiled));
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

    /// Waits until every outcome that was queued so far is settled in memory.
    pub async fn settled(&self) {
        self.shared.closer.settled().await;
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
}

impl Destination {
    /// A refusal in the shape that the caller's client reads.
    fn refuse(self, refusal: &Refusal) -> Response<Body> {
        match self {
            Self::Model(operation) => llm::refuse(operation, refusal),
            Self::Api => problem(refusal),
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
        let response = match self.plan() {
            None => Err(Refusal::of(refusal::NOT_READY, Stage::Arrived)),
            Some(plan) => {
                let passage =
                    Passage::<Arrived>::arrive(shared.calls.next(), plan, shared.closer.clone(), started);
                match destination {
                    Destination::Model(operation) => {
                        llm::handle(shared, &shared.origin, passage, operation, request).await
                    }
                    Destination::Api => api::handle(shared, &shared.origin, passage, request).await,
                }
            }
        };
        match response {
            Ok(response) => {
                shared.metrics.passed(response.status().as_u16());
                response
            }
            Err(refusal) => {
                shared.metrics.refused(refusal.code);
                if let Some(internal) = &refusal.internal {
                    tracing::info!(code = refusal.code, why = internal, "refused");
                }
                let unread = has_body && matches!(refusal.stage, Stage::Arrived | Stage::Known);
                closing(destination.refuse(&refusal), unread)
            }
        }
    }
}

impl Gate {
    /// The refusal of somebody who is not let in, whatever they ask for.
    fn stranger(&self, request: &Request<Incoming>, started: Instant) -> Option<Refusal> {
        let shared = &self.shared;
        let Some(plan) = self.plan() else { return Some(Refusal::of(refusal::NOT_READY, Stage::Arrived)) };
        let passage = Passage::<Arrived>::arrive(shared.calls.next(), plan, shared.closer.clone(), started);
        let url = format!("{}{}", shared.origin, request.uri().path());
        let registry = Registry { verifier: &shared.verifier, cache: &shared.cache, since: shared.since };
        passage.identify(request.headers(), request.method().as_str(), &url, &registry).err()
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
        Some(entry) => Problem::new(entry).detail(refusal.detail.to_string()).into_response(),
        None => Response::new(Body::Empty),
    };
    *response.status_mut() = refusal.status;
    challenge(refusal, &mut response);
    response
}

/// `WWW-Authenticate` for those who are not known (RFC 6750, section 3; RFC 9449, section 7.1), `Retry-After` for those
/// who may come back.
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
    if let Some(wait) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

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

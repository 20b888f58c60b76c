//! Model APIs: reads a request into the passage, binds it to an upstream, fails over before the first byte, and says how
//! the answer is to be read.

use std::sync::Arc;

use alcaide_inventory::declare::{BudgetUnit, Price, Protocol, UserTurns};
use alcaide_policy::{Action, Ask, Context, Outcome, Resource};
use alcaide_record::{ActionKind, Stage, Target, Usage};
use alcaide_serve::Body;
use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::json::{Document, Limits};
use alcaide_wire::llm::{Operation, OutputLimit, Part, Provider, RequestView, Role, error_body};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;

use crate::body::{self, Masking};
use crate::budget;
use crate::content::Demands;
use crate::gate::{Shared, challenge};
use crate::passage::{
    Arrived, Decided, Freeze, Known, Matter, OwnedResource, Passage, Read, Request as ReadRequest,
};
use crate::plan::ModelPlan;
use crate::proof;
use crate::refusal::{self, Refusal};
use crate::reply::{Lens, Reader};
use crate::target;
use crate::upstream::passed_headers;
use crate::worked::worked;

/// Bytes of text that one token has at least, on average: what a reservation reckons with. Real text has about four.
const BYTES_PER_TOKEN: u64 = 3;
/// Tokens that a protocol adds around the text.
const TOKENS_AROUND: u64 = 64;
/// Longest model name that is looked up.
const MODEL_NAME_BYTES_MAX: usize = 128;

/// One call to a model API.
pub(crate) async fn handle(
    shared: &Arc<Shared>,
    passage: Passage<Arrived>,
    operation: Operation,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    let known = passage.identify(&head.headers, head.method.as_str(), head.uri.path(), &shared.registry())?;
    if !operation.has_body() {
        return list(shared, &known, operation, head.uri.path());
    }
    let bytes = body::json(&known, &head.headers, body, shared).await?;
    let matter = body::whole(&head.method, &head.uri);
    let gate = Arc::clone(shared);
    let read = worked(bytes.len(), move || read(&gate, known, operation, &bytes, matter));
    let (read, asked) = read.await?;
    let own = read.who().actor().map(|actor| actor.budgets.as_slice()).unwrap_or_default();
    let used =
        budget::used(read.common.closer.memory(), own.iter().chain(&asked.model.budgets), read.arrived());
    let decided = read.decided(shared, used).await?;
    let asked = asked.edited(shared, &decided).map_err(|refusal| decided.refuse(refusal))?;
    attempts(shared, decided, asked, &head.headers, head.uri.query()).await
}

/// A refusal in the protocol's own shape.
pub(crate) fn refuse(operation: Operation, refusal: &Refusal) -> Response<Body> {
    let message = if refusal.help.is_empty() {
        refusal.detail.to_string()
    } else {
        format!("{}; {}", refusal.detail, refusal.help)
    };
    let body = error_body(operation, refusal.status.as_u16(), refusal.code, &message, None);
    let mut response = Response::new(Body::Full(body.into()));
    *response.status_mut() = refusal.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    challenge(refusal, &mut response);
    response
}

/// What the request asks for, beside what the passage keeps.
struct Asked {
    operation: Operation,
    model: Arc<ModelPlan>,
    /// Edits that every attempt needs.
    splices: Vec<Splice>,
    /// Where the model's name stands.
    model_span: std::ops::Range<usize>,
    /// Whether usage was asked for in the caller's stead.
    hide_usage: bool,
    demands: Option<Demands>,
    input_tokens: u64,
    output: Output,
}

/// How much output may come.
struct Output {
    /// Where the request says it.
    limit: OutputLimit,
    /// Choices that are asked for.
    choices: u64,
    /// Most tokens of each: what the request says, and where it says nothing, what the route does.
    tokens: u64,
}

impl Output {
    fn of(view: &RequestView<'_>, model: &ModelPlan) -> Self {
        let tokens = match view.operation {
            Operation::Embeddings | Operation::CountTokens => 0,
            _ => view.output_tokens_max.unwrap_or(model.max_output_tokens),
        };
        Self { limit: view.output_limit().clone(), choices: view.choices.max(1), tokens }
    }

    /// Most tokens of all choices.
    const fn all(&self) -> u64 {
        self.tokens.saturating_mul(self.choices)
    }

    /// Holds all choices together to `most`; false where that leaves nothing for each. An operation without output is
    /// within every cap.
    fn cap(&mut self, most: u64) -> bool {
        if !self.limit.is_there() {
            return true;
        }
        let each = most / self.choices;
        self.tokens = self.tokens.min(each);
        each > 0
    }
}

/// Reads the body strictly and looks at its texts.
fn read(
    shared: &Shared,
    known: Passage<Known>,
    operation: Operation,
    bytes: &Bytes,
    matter: Matter,
) -> Result<(Passage<Read>, Asked), Refusal> {
    let limits = Limits { bytes: shared.limits.body_bytes(), ..Limits::default() };
    let document = Document::parse(bytes, &limits).map_err(|error| {
        known.refuse(Refusal::of(refusal::NOT_JSON, Stage::Known).saying(error.to_string()))
    })?;
    let view = RequestView::read(operation, &document).map_err(|error| {
        known.refuse(Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known).saying(error.to_string()))
    })?;
    let protocol = protocol_of(operation);
    let model = (view.model.name.len() <= MODEL_NAME_BYTES_MAX)
        .then(|| known.plan().model(&view.model.name))
        .flatten()
        .filter(|model| model.speaking(protocol).next().is_some())
        .cloned()
        .ok_or_else(|| known.refuse(Refusal::of(refusal::UNKNOWN_MODEL, Stage::Known)))?;
    let texts = view.segments.iter().map(|segment| (&segment.span, &*segment.text, !segment.sealed));
    let found = body::found(&shared.engine(), texts);
    if known.who().actor().is_some_and(|actor| actor.user_turns == UserTurns::Trusted) {
        let turns = view
            .segments
            .iter()
            .filter(|segment| segment.role == Role::User && segment.part() == Part::Text)
            .map(|segment| &*segment.text);
        shared.flows.asserted(shared.closer.memory(), known.who().credential().principal.task, turns);
    }
    let hosted = view.hosted.iter().filter_map(|used| {
        let (provider, tool) = used.resource.strip_prefix("hosted/")?.split_once('/')?;
        Some((provider.into(), tool.into()))
    });
    let mut splices: Vec<Splice> = Vec::new();
    let usage_edit = view.ask_for_usage();
    let hide_usage = usage_edit.is_some();
    splices.extend(usage_edit);
    splices.extend(view.refuse_storage());
    let asked = Asked {
        operation,
        splices,
        model_span: view.model.span.clone(),
        hide_usage,
        demands: None,
        input_tokens: (view.text_bytes.saturating_add(view.opaque_bytes) / BYTES_PER_TOKEN)
            .saturating_add(TOKENS_AROUND),
        output: Output::of(&view, &model),
        model: Arc::clone(&model),
    };
    let request = ReadRequest {
        action: Action::UseModel,
        kind: ActionKind::UseModel,
        resource: OwnedResource::Model(model.route),
        target: Target { name: model.commitment, route: Some(model.route), tool: None },
        hosted: hosted.collect(),
        body: bytes.clone(),
        matter,
        pin: None,
        found,
        args: None,
        uninspected: !view.opaque.is_empty(),
        tool_changed: false,
        claim: None,
        judged: None,
    };
    Ok((known.read(request), asked))
}

impl Asked {
    /// What the obligations make of the body.
    fn edited(mut self, shared: &Shared, decided: &Passage<Decided>) -> Result<Self, Refusal> {
        let obligations = &decided.allowed().obligations;
        if let Some(unmet) = Demands::unmet(obligations) {
            return Err(Refusal::of(refusal::CONTENT_BLOCKED, Stage::Decided)
                .saying(format!("the obligation `{unmet}` cannot be met")));
        }
        let demands = Demands::of(obligations, &shared.engine());
        let request = decided.request();
        self.splices.extend(body::masked(request, &demands, Masking::Allowed)?);
        let own = decided.who().actor().map(|actor| actor.budgets.as_slice()).unwrap_or_default();
        let counted = own.iter().chain(&self.model.budgets).any(|budget| budget.of != BudgetUnit::Requests);
        if let Some(most) = demands.output_tokens
            && !self.output.cap(most)
        {
            return Err(Refusal::of(refusal::CONTENT_BLOCKED, Stage::Decided)
                .saying("`cap:output_tokens` leaves not one token for each choice that is asked for"));
        }
        if counted || demands.output_tokens.is_some() {
            // What is set aside and what is allowed is the most that may come: the provider is told so.
            self.splices.extend(self.output.limit.at_most(self.output.tokens));
        }
        self.demands = Some(demands);
        Ok(self)
    }

    fn price(&self) -> Price {
        self.model.price
    }

    /// Tokens and money that the call may come to.
    fn reserved(&self) -> Usage {
        let price = self.price();
        let of = |tokens: u64, micros: u64| tokens.saturating_mul(micros).div_ceil(1_000_000);
        Usage {
            cached_input: 0,
            cost_micros: of(self.input_tokens, price.input_micros)
                .saturating_add(of(self.output.all(), price.output_micros)),
            estimated: true,
            input: self.input_tokens,
            output: self.output.all(),
        }
    }
}

const fn protocol_of(operation: Operation) -> Protocol {
    match operation.provider() {
        Provider::Anthropic => Protocol::Anthropic,
        _ => Protocol::Openai,
    }
}

const fn path_of(operation: Operation) -> &'static str {
    match operation {
        Operation::ChatCompletions => "/chat/completions",
        Operation::Responses => "/responses",
        Operation::Embeddings => "/embeddings",
        Operation::Messages => "/v1/messages",
        Operation::CountTokens => "/v1/messages/count_tokens",
        _ => "/models",
    }
}

/// Tries the route's upstreams in order, each with an intent of its own, until one answers.
///
/// The next is tried only while nothing was released: after no connection, no answer, or a status that says that
/// another upstream may do better (429, 500, 502, 503, 504, 529).
async fn attempts(
    shared: &Shared,
    mut decided: Passage<Decided>,
    asked: Asked,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let mut bindings: Vec<_> = asked.model.speaking(protocol_of(asked.operation)).cloned().collect();
    if decided.allowed().record.approval.is_some() {
        // What people said yes to happens once: the first attempt uses the answer up, and there is no second.
        bindings.truncate(1);
    }
    let reserved = asked.reserved();
    let own = decided.who().actor().map(|actor| actor.budgets.as_slice()).unwrap_or_default();
    let (asks, meter) = budget::asks(own.iter().chain(&asked.model.budgets), &reserved);
    let path = format!("{}{}", path_of(asked.operation), target::passed_query(query));
    let mut headers = passed_headers(headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let count = bindings.len();
    let mut last = Refusal::of(refusal::UNREACHABLE, Stage::Decided);
    for (at, binding) in bindings.into_iter().enumerate() {
        let mut splices = asked.splices.clone();
        if let Some(model) = &binding.model {
            splices.push(Splice::text(asked.model_span.clone(), model));
        }
        let edited = !splices.is_empty();
        let body = &decided.request().body;
        let bytes = if edited {
            edit::apply(body, splices).map_err(|error| {
                decided
                    .refuse(Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Decided).because(error.to_string()))
            })?
        } else {
            body.clone()
        };
        let freeze = Freeze {
            upstream: Arc::clone(&binding.upstream),
            path: path.clone(),
            bytes,
            edited,
            number: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1),
            budgets: asks.clone(),
            meter: Arc::clone(&meter),
            fallback: Some(reserved),
            reads: None,
            plants: None,
        };
        let who = decided.who().clone();
        let canary = shared.canary(&decided.common.plan, who.credential().principal.task);
        let recorded = decided.bind(freeze).await?.record().await?;
        match recorded.forward(Method::POST, headers.clone(), &shared.client).await {
            Ok((reply, back)) => {
                let status = reply.status().as_u16();
                if at + 1 < count && matches!(status, 429 | 500 | 502 | 503 | 504 | 529) {
                    reply.give_up();
                    decided = back;
                    // What the attempt had set aside is free again before the next asks for as much.
                    shared.closer.settled().await;
                    continue;
                }
                let lens = Lens {
                    reader: Reader::Model {
                        operation: asked.operation,
                        price: asked.price(),
                        hide_usage: asked.hide_usage,
                    },
                    canary: canary.clone(),
                    engine: shared.engine(),
                    demands: asked.demands.clone().unwrap_or_else(|| Demands::of(&[], &shared.engine())),
                    who: Arc::clone(who.verified()),
                };
                let released = reply.label(lens).release().await?;
                return Ok(released.into_response().map(Body::from));
            }
            Err(failed) => {
                last = failed.refusal;
                decided = failed.again;
                if failed.lapsed {
                    break;
                }
                if at + 1 < count {
                    shared.closer.settled().await;
                }
            }
        }
    }
    Err(last)
}

/// The models that this caller may use, from the plan and its policies; nothing is asked of an upstream.
fn list(
    shared: &Shared,
    known: &Passage<Known>,
    operation: Operation,
    path: &str,
) -> Result<Response<Body>, Refusal> {
    let plan = known.plan();
    let protocol = protocol_of(operation);
    let credential = known.who().credential();
    let may = |model: &&Arc<ModelPlan>| {
        let note =
            plan.served(model.route).map(|served| served.note(shared.closer.memory(), known.arrived()));
        let context = Context {
            now: known.arrived(),
            key_bound: known.who().is_bound(),
            model: note.as_ref().map(proof::standing).unwrap_or_default(),
            ..Context::default()
        };
        let ask = Ask::of(&credential.principal, Action::UseModel, Resource::Model(model.route), context);
        model.speaking(protocol).next().is_some()
            && !matches!(plan.policies.decide(&ask).outcome, Outcome::Refuse { .. })
    };
    let mut models: Vec<&Arc<ModelPlan>> = plan.models().filter(may).collect();
    models.sort_by(|a, b| a.name.cmp(&b.name));
    let one = |model: &ModelPlan| match protocol {
        Protocol::Anthropic => serde_json::json!({
            "type": "model", "id": model.name.as_str(), "display_name": model.name.as_str(),
            "created_at": "1970-01-01T00:00:00Z",
        }),
        _ => serde_json::json!({
            "id": model.name.as_str(), "object": "model", "created": 0, "owned_by": "alcaide",
        }),
    };
    let body = match operation {
        Operation::ReadModel | Operation::ReadAnthropicModel => {
            let wanted = path.rsplit('/').next().unwrap_or_default();
            let model = models.iter().find(|model| model.name.as_str() == wanted);
            let model =
                model.ok_or_else(|| known.refuse(Refusal::of(refusal::UNKNOWN_MODEL, Stage::Known)))?;
            one(model)
        }
        Operation::ListAnthropicModels => {
            let data: Vec<_> = models.iter().map(|model| one(model)).collect();
            let name = |model: Option<&&Arc<ModelPlan>>| model.map(|model| model.name.as_str().to_owned());
            serde_json::json!({
                "data": data, "has_more": false, "first_id": name(models.first()), "last_id": name(models.last()),
            })
        }
        _ => {
            let data: Vec<_> = models.iter().map(|model| one(model)).collect();
            serde_json::json!({ "object": "list", "data": data })
        }
    };
    let mut response = Response::new(Body::Full(body.to_string().into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

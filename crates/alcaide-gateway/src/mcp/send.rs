//! One message on its way to one server: read, decided, bound, recorded, sent; and how its answer is read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use alcaide_label::Label;
use alcaide_policy::Action;
use alcaide_record::{ActionKind, Claim, Digest, Effect, Stage, Target, Usage};
use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::json::{Document, Kind, Value};
use alcaide_wire::jsonrpc::{self, code};
use alcaide_wire::mcp::{
    CallView, Era, Method, OpaqueKind, ResultView, Revision, Segment, header_name, headers_for, meta_key,
};
use bytes::Bytes;
use http::{HeaderMap, Response};

use super::handle::PutBack;
use super::plan::{ServerPlan, ToolPlan};
use super::{down, head, instructions, offer, peer, retry};
use crate::body::{self, FoundText, Masking};
use crate::budget;
use crate::canary;
use crate::content::Demands;
use crate::flow::{Asked, Judged};
use crate::gate::Shared;
use crate::labels::{self, Given};
use crate::passage::{
    ChildForm, Decided, Freeze, Known, Matter, OwnedResource, Passage, Request as ReadRequest, Wait,
};
use crate::plan::BudgetPlan;
use crate::refusal::{self, Refusal};
use crate::reply::{Lens, Reader, Reading, ReleasedBody};
use crate::worked::worked_here;

/// A message to a server.
pub(crate) struct Letter {
    /// Its bytes as they came.
    pub(crate) bytes: Bytes,
    /// What it does, to what.
    pub(crate) act: Act,
    /// What of it acts.
    pub(crate) matter: Matter,
    /// Texts in which something was found.
    pub(crate) found: Vec<FoundText>,
    /// Whether a part could not be looked into.
    pub(crate) uninspected: bool,
    /// What stands in it of a label, and of what.
    pub(crate) given: Option<Given>,
    /// Edits that it needs.
    pub(crate) splices: Vec<Splice>,
    /// HTTP method and head.
    pub(crate) verb: http::Method,
    pub(crate) headers: HeaderMap,
    /// Handles that were put back.
    pub(crate) handles: Option<PutBack>,
}

/// What of a letter is decided on.
pub(crate) struct Message {
    bytes: Bytes,
    act: Act,
    matter: Matter,
    found: Vec<FoundText>,
    uninspected: bool,
    handles: Option<PutBack>,
    claim: Option<Claim>,
}

/// What of a letter is needed to send it.
struct Outside {
    given: Option<Given>,
    splices: Vec<Splice>,
    verb: http::Method,
    headers: HeaderMap,
}

/// What a message does.
pub(crate) struct Act {
    action: Action,
    kind: ActionKind,
    resource: OwnedResource,
    target: Target,
    args: Option<std::ops::Range<usize>>,
    /// The accepted pin of the tool.
    pin: Option<Digest>,
    tool_changed: bool,
    /// The label that its answer has at least.
    label: Option<Label>,
    /// What is declared of the tool, where its definition is the accepted one.
    declared: Option<ToolPlan>,
}

/// What came back.
pub(crate) struct Passed {
    pub(crate) response: Response<ReleasedBody>,
    /// The session that the server gave.
    pub(crate) session: Option<String>,
}

impl Act {
    /// What a method of a server does that addresses nothing; `name` may be one of the gate's own for HTTP verbs.
    pub(crate) fn method(shared: &Shared, server: &ServerPlan, name: &str, label: Option<Label>) -> Self {
        let kind = match Method::parse(name) {
            Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList => ActionKind::List,
            _ => ActionKind::CallMethod,
        };
        Self {
            action: Action::CallMethod,
            kind,
            resource: OwnedResource::Method { server: Some(server.route), name: name.into() },
            target: target(shared, server, name),
            args: None,
            pin: None,
            tool_changed: false,
            label,
            declared: None,
        }
    }

    /// What a call does.
    ///
    /// # Errors
    /// A name that is too long, or no tool's.
    pub(crate) fn of(shared: &Shared, server: &ServerPlan, view: &CallView<'_>) -> Result<Self, Refusal> {
        let addressed = view.target.as_ref().map(|target| &*target.text).unwrap_or_default();
        if addressed.len() > offer::NAME_BYTES_MAX || view.word.len() > offer::NAME_BYTES_MAX {
            return Err(Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known)
                .saying(format!("a name of more than {} bytes", offer::NAME_BYTES_MAX)));
        }
        if view.method == Method::ToolsCall && addressed == instructions::NAME {
            return Err(Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known)
                .saying("under this name a server's instructions are accepted, and no tool is called"));
        }
        // What a peer's server answers is as good as its owner allows, until the peer's word for it is here.
        let unsaid = server.peer.as_ref().filter(|_| labels::is_stated(view.method));
        let unsaid = unsaid.map_or(Label::MISSING, |peer| peer.bound);
        let read = |action, kind, resource, name: String| Self {
            action,
            kind,
            resource,
            target: target(shared, server, &name),
            args: view.arguments.clone(),
            pin: None,
            tool_changed: false,
            label: Some(unsaid),
            declared: None,
        };
        let route = server.route;
        Ok(match view.method {
            Method::ToolsCall => return Ok(Self::tool(shared, server, view, addressed)),
            Method::PromptsGet => read(
                Action::GetPrompt,
                ActionKind::GetPrompt,
                OwnedResource::Prompt { server: route, name: addressed.into() },
                format!("prompt/{addressed}"),
            ),
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => read(
                Action::ReadResource,
                ActionKind::ReadResource,
                OwnedResource::Document { server: route, uri: addressed.into() },
                format!("resource/{addressed}"),
            ),
            // Offered tools are shown as they were accepted; other lists are a third party's words.
            Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::CompletionComplete => Self::method(shared, server, &view.word, Some(Label::MISSING)),
            Method::Other => Self::method(shared, server, &view.word, Some(Label::MISSING)),
            _ => Self::method(shared, server, &view.word, None),
        })
    }

    fn tool(shared: &Shared, server: &ServerPlan, view: &CallView<'_>, name: &str) -> Self {
        let target = target(shared, server, name);
        let declared = server.tool(name);
        let changed = declared.is_some_and(|tool| has_changed(shared, server, tool, target.name));
        Self {
            action: Action::CallTool,
            kind: ActionKind::CallTool,
            resource: match declared {
                Some(tool) => OwnedResource::Tool(tool.id),
                None => OwnedResource::UndeclaredTool { server: server.route, name: name.into() },
            },
            target: Target { tool: declared.map(|tool| tool.id), ..target },
            args: view.arguments.clone(),
            pin: declared.and_then(|tool| tool.pin),
            tool_changed: changed,
            // What is declared of a tool says nothing once its definition is another one than was accepted.
            label: Some(declared.filter(|_| !changed).map_or(Label::MISSING, |tool| tool.label)),
            declared: declared.filter(|_| !changed).cloned(),
        }
    }
}

/// A declared tool, where its definition is the accepted one: what is declared of it says nothing of another.
pub(super) fn accepted<'s>(shared: &Shared, server: &'s ServerPlan, name: &str) -> Option<&'s ToolPlan> {
    let named = offer::commitment(shared, server, name);
    server.tool(name).filter(|tool| !has_changed(shared, server, tool, named))
}

fn has_changed(shared: &Shared, server: &ServerPlan, tool: &ToolPlan, named: Digest) -> bool {
    let newest = shared.closer.memory().offer(server.route, named);
    tool.pin.zip(newest).is_some_and(|(pin, newest)| pin != newest)
}

/// What of a call acts: all of its parameters, but what the protocol itself keeps in `_meta` and what differs in a retry,
/// the question that it names there among it.
/// The server reads the rest, whether or not this gate knows what for.
fn matter(document: &Document<'_>, view: &CallView<'_>) -> Matter {
    let own = |key: &str| {
        matches!(
            key,
            meta_key::PROGRESS_TOKEN
                | meta_key::PROTOCOL_VERSION
                | meta_key::CLIENT_INFO
                | meta_key::CLIENT_CAPABILITIES
                | meta_key::LOG_LEVEL
                | labels::META_KEY
        )
    };
    let mut parts = Vec::with_capacity(8);
    let params = document.root().get("params");
    parts.extend(params.filter(|params| params.kind() != Kind::Object).map(Value::span));
    for entry in params.into_iter().flat_map(Value::entries) {
        if entry.key != "_meta" || entry.value.kind() != Kind::Object {
            parts.extend([entry.key_span, entry.value.span()]);
            continue;
        }
        let before = parts.len();
        let rest = entry
            .value
            .entries()
            .filter(|inner| !own(&inner.key) && !retry::names_question(&inner.key, inner.value));
        parts.extend(rest.flat_map(|inner| [inner.key_span, inner.value.span()]));
        if parts.len() > before {
            // No key is empty: what stands in `_meta` is not taken for what stands beside it.
            parts.insert(before, 0..0);
            parts.push(0..0);
        }
    }
    Matter::Parts { method: (*view.word).into(), parts }
}

/// All of a message acts.
fn all(bytes: &Bytes, method: &str) -> Matter {
    Matter::Parts { method: method.into(), parts: std::iter::once(0..bytes.len()).collect() }
}

fn target(shared: &Shared, server: &ServerPlan, name: &str) -> Target {
    Target { name: offer::commitment(shared, server, name), route: Some(server.route), tool: None }
}

impl Letter {
    fn apart(self) -> (Message, Outside) {
        let Self { bytes, act, matter, found, uninspected, given, splices, verb, headers, handles } = self;
        (
            Message { bytes, act, matter, found, uninspected, handles, claim: None },
            Outside { given, splices, verb, headers },
        )
    }

    /// What of it is decided on.
    pub(crate) fn into_matter(self) -> Message {
        self.apart().0
    }

    /// A request or notification. `agreed` is the revision of the server's session, where there is one.
    ///
    /// # Errors
    /// A name that is too long.
    pub(crate) fn of_call(
        shared: &Shared,
        server: &ServerPlan,
        bytes: &Bytes,
        document: &Document<'_>,
        view: &CallView<'_>,
        splices: Vec<Splice>,
        (session, agreed): (Option<&str>, Option<Revision>),
    ) -> Result<Self, Refusal> {
        let mut mirrored: Vec<(String, String)> =
            headers_for(view, agreed).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let named = view.target.as_ref().filter(|_| view.method == Method::ToolsCall);
        if let Some(tool) = named.and_then(|target| server.tool(&target.text))
            && view.era == Era::Stateless
        {
            mirrored.extend(tool.headers.write(document));
        }
        let params = document.root().get("params");
        let statement = labels::member(params).map(Value::span);
        let says = |segment: &&Segment<'_>| {
            !statement.as_ref().is_some_and(|at| at.start <= segment.span.start && segment.span.end <= at.end)
        };
        Ok(Self {
            bytes: bytes.clone(),
            given: labels::is_stated(view.method).then(|| Given::of(params)),
            act: Act::of(shared, server, view)?,
            matter: matter(document, view),
            found: found(shared, view.segments.iter().filter(says)),
            uninspected: view.opaque.iter().any(|part| part.kind != OpaqueKind::State),
            splices,
            verb: http::Method::POST,
            headers: head::to_server(session, &mirrored),
            handles: None,
        })
    }

    /// A caller's answer to a server that asked for something by `method`.
    pub(crate) fn of_answer(
        shared: &Shared,
        server: &ServerPlan,
        bytes: &Bytes,
        view: &ResultView<'_>,
        method: Method,
        (session, agreed): (Option<&str>, Revision),
    ) -> Self {
        let version = (header_name::PROTOCOL_VERSION.to_owned(), agreed.as_str().to_owned());
        Self {
            bytes: bytes.clone(),
            act: Act::method(shared, server, method.as_str(), None),
            matter: all(bytes, method.as_str()),
            given: None,
            found: found(shared, view.segments.iter()),
            uninspected: view.opaque.iter().any(|part| part.kind != OpaqueKind::State),
            splices: Vec::new(),
            verb: http::Method::POST,
            headers: head::to_server(session, &[version]),
            handles: None,
        }
    }

    /// A request without a body, named as one of the gate's own methods.
    pub(crate) fn bare(
        shared: &Shared,
        server: &ServerPlan,
        (verb, name): (http::Method, &str),
        headers: HeaderMap,
        label: Option<Label>,
    ) -> Self {
        Self {
            bytes: Bytes::new(),
            act: Act::method(shared, server, name, label),
            matter: Matter::Parts { method: name.into(), parts: Vec::new() },
            found: Vec::new(),
            uninspected: false,
            given: None,
            splices: Vec::new(),
            verb,
            headers,
            handles: None,
        }
    }
}

fn found<'s, 'a: 's>(shared: &Shared, segments: impl Iterator<Item = &'s Segment<'a>>) -> Vec<FoundText> {
    let texts = segments.map(|segment| (&segment.span, &*segment.text, false));
    body::found(&shared.engine(), texts)
}

/// What a message is to a child process. The handshake is behind it: the question for it is answered from what it said.
fn form_for(reading: &Reading) -> ChildForm {
    let Some(id) = reading.id.clone() else { return ChildForm::Tell };
    let asked = match reading.method {
        Method::Initialize => Era::Handshake,
        Method::Discover => Era::Stateless,
        _ => return ChildForm::Ask,
    };
    ChildForm::Hello(Box::new(move |hello| {
        let said = if hello.revision.era() == asked {
            jsonrpc::result(&id, &String::from_utf8_lossy(&hello.result))
        } else {
            jsonrpc::error(Some(&id), code::METHOD_NOT_FOUND, "the server is of another generation", None)
        };
        said.into()
    }))
}

/// The store that a tool writes to and reads from: the one that is declared, else all that its server keeps.
fn store_of(shared: &Shared, server: &ServerPlan, declared: Option<&ToolPlan>) -> Digest {
    let named = declared.and_then(|tool| tool.facts.store.as_ref());
    let text = match named {
        Some(store) => format!("store/{store}"),
        None => format!("server/{}", server.name),
    };
    Digest(*shared.commitments.mac(text.as_bytes()).as_bytes())
}

/// Puts what a call writes, as digests, on the shelf: durable before the intent that names it.
async fn plant(shared: &Shared, (written, store): (Vec<u8>, Digest)) -> Result<Effect, Refusal> {
    let shelf = shared.closer.ledger().shelf();
    let put = tokio::task::spawn_blocking(move || shelf.put(&written));
    let unwritten = |why: String| Refusal::of(refusal::LEDGER, Stage::Decided).because(why);
    let runs = match shared.closer.in_time(put).await {
        Some(Ok(Ok(runs))) => runs,
        Some(Ok(Err(error))) => return Err(unwritten(error.to_string())),
        _ => return Err(unwritten("the shelf's disk does not answer in time".into())),
    };
    Ok(Effect::Plant { runs: Digest(runs.into_bytes()), store })
}

/// Says where the arguments of a tool's call come from.
///
/// # Cancel safety
/// Dropped while it waits, nothing is known that was not known before.
async fn judge(
    shared: &Shared,
    known: &Passage<Known>,
    server: &ServerPlan,
    declared: Option<&ToolPlan>,
    (label, arguments): (Option<Label>, &[u8]),
    handles: Option<&PutBack>,
) -> Arc<Judged> {
    let (memory, credential) = (shared.closer.memory(), known.who().credential());
    shared.flows.hear(memory, shared.closer.ledger().shelf(), credential).await;
    let task = credential.principal.task;
    Arc::new(shared.flows.judge(&Asked {
        task,
        label: memory.label(task),
        tool: declared,
        reads: label.unwrap_or(Label::MISSING),
        arguments,
        handles,
        hosts: known.plan().hosts(),
        store: store_of(shared, server, declared),
    }))
}

/// A message that was decided on, and what it was decided by.
pub(crate) struct Ready {
    decided: Passage<Decided>,
    demands: Demands,
    judged: Option<Arc<Judged>>,
    /// The task's label when it was judged.
    judged_under: Label,
    arguments: Bytes,
    /// Budgets over the actor.
    own: Vec<Arc<BudgetPlan>>,
}

/// Takes a message through the passage as far as the decision, and looks whether what is demanded of it can be met. Nothing
/// of it is bound or sent; what is dropped after this has left nothing but what the record says of a no.
///
/// # Errors
/// Why it does not pass; recorded.
///
/// # Cancel safety
/// As [`Passage::decided`].
pub(crate) async fn decide(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    server: &Arc<ServerPlan>,
    message: Message,
    wait: Wait,
) -> Result<Ready, Refusal> {
    let Message { bytes, act, matter, mut found, uninspected, handles, claim } = message;
    let Act { action, kind, resource, target, args, pin, tool_changed, label, declared } = act;
    let arguments = args.clone().map(|span| bytes.slice(span)).unwrap_or_default();
    let judged = if kind == ActionKind::CallTool {
        Some(judge(shared, &known, server, declared.as_ref(), (label, &arguments), handles.as_ref()).await)
    } else {
        None
    };
    if judged.is_some()
        && let Some(canary) = shared.canary(known.plan(), known.who().credential().principal.task)
    {
        let span = args.clone().unwrap_or_default();
        found.extend(canary::in_arguments(&canary, &arguments, span));
    }
    let request = ReadRequest {
        action,
        kind,
        resource,
        target,
        hosted: Vec::new(),
        body: bytes,
        matter,
        pin,
        found,
        args,
        uninspected,
        tool_changed,
        claim,
        judged: judged.clone(),
    };
    let read = known.read(request);
    let judged_under = read.stage.label();
    let own = read.who().actor().map(|actor| actor.budgets.clone()).unwrap_or_default();
    let used = budget::used(shared.closer.memory(), own.iter(), read.arrived());
    let decided = read.decided_within(shared, used, wait).await?;
    // Arguments are never masked: a masked one is a wrong effect.
    let (demands, _) = down::obligations(shared, &decided, Masking::Refused)?;
    if demands.blocks_uninspected() && uninspected {
        return Err(decided.refuse(Refusal::of(refusal::CONTENT_BLOCKED, Stage::Decided)));
    }
    Ok(Ready { decided, demands, judged, judged_under, arguments, own })
}

/// Takes a message through the passage.
///
/// # Errors
/// Why it does not pass, or its answer does not; recorded.
///
/// # Cancel safety
/// As [`Passage::forward`] and [`crate::reply::Reply::release`]: what was begun gets its outcome.
pub(crate) async fn send(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    letter: Letter,
    mut reading: Reading,
) -> Result<Passed, Refusal> {
    let server = Arc::clone(&reading.server);
    reading.call = Some(known.call());
    let (mut message, Outside { given, splices, verb, headers }) = letter.apart();
    if let Some(given) = given {
        let heard = peer::hear(shared, &known, &reading, &message.bytes, &given).await?;
        message.claim = heard.claim;
        reading.answerable = heard.answerable;
    }
    let (bytes, label, filled) = (message.bytes.clone(), message.act.label, message.handles.is_some());
    let ready = decide(shared, known, &server, message, Wait::ForPeople).await?;
    let Ready { decided, demands, judged, judged_under, arguments, own } = ready;
    reading.judged.clone_from(&judged);
    let (budgets, meter) = budget::asks(own.iter(), &Usage::default());
    let edited = filled || !splices.is_empty();
    let bytes = worked_here(bytes.len(), || edit::apply(&bytes, splices)).await.map_err(|error| {
        decided.refuse(Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Decided).because(error.to_string()))
    })?;
    let (bytes, stated) = match &server.peer {
        Some(to) if labels::is_stated(reading.method) => {
            let (call, task) = (decided.call(), decided.who().credential().principal.task);
            let now = shared.closer.now();
            let told = || peer::told(shared, to, (call, task), (&bytes, filled), now);
            let told = worked_here(bytes.len(), told).await.map_err(|why| {
                decided.refuse(Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Decided).because(why))
            })?;
            (told.0, Some(told.1))
        }
        _ => (bytes, None),
    };
    let edited = edited || stated.is_some();
    reading.stated = stated;
    let plants = match judged.as_ref().and_then(|judged| judged.plants.clone()) {
        Some(written) => Some(plant(shared, written).await.map_err(|refusal| decided.refuse(refusal))?),
        None => None,
    };
    let freeze = Freeze {
        upstream: Arc::clone(&server.upstream),
        path: String::new(),
        bytes,
        edited,
        number: 1,
        budgets,
        meter,
        fallback: None,
        reads: label,
        plants,
    };
    let who = decided.who().clone();
    let recorded = decided.bind(freeze).await?.record().await?;
    if let Some(judged) = &judged {
        shared.flows.called(who.credential().principal.task, judged_under, judged, &arguments);
    }
    // A tool is called once: whether it acted is not known.
    let reply = match server.upstream.child() {
        Some(plan) => {
            let form = form_for(&reading);
            let cancelled = || reading.open.as_ref().is_some_and(super::state::Open::is_cancelled);
            recorded.forward_to_child(&shared.children, plan, form, cancelled).await?
        }
        None => {
            reading.under_way.store(true, Ordering::Release);
            let forwarded = recorded.forward(verb, headers, &shared.client).await;
            let forwarded = forwarded.map_err(|failed| {
                reading.under_way.store(!failed.unsent, Ordering::Release);
                failed.refusal
            });
            forwarded?.0
        }
    };
    let session = reply
        .header(header_name::SESSION_ID)
        .and_then(|value| alcaide_wire::mcp::session_id(value.as_bytes()))
        .map(ToOwned::to_owned);
    let lens = Lens {
        reader: Reader::Mcp(Arc::new(reading)),
        canary: None,
        engine: shared.engine(),
        demands,
        who: Arc::clone(who.verified()),
    };
    let released = reply.label(lens).release().await?;
    Ok(Passed { response: released.into_response(), session })
}

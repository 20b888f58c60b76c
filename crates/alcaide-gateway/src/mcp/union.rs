//! All servers as one: `/mcp` lists what every server offers that the caller may use, and passes each call on to the one
//! server that it names.
//!
//! The gate is the server here: it answers the handshake itself and keeps a session of its own with each server that
//! needs one. A list is a passage for each server, a call is one; what is not listed is refused all the same.
//!
//! | what | its name here | whose it is |
//! |---|---|---|
//! | tool | `server__tool`, 64 characters at most | the plan's table: only declared tools stand in the union |
//! | prompt | `server__prompt`, by the same rule | a plain name says it; for one with a digest those servers are asked for their lists whose it may be |
//! | resource, template | `alcaide:SERVER/URI` | the name before the first `/` |
//!
//! No name and no URI is looked for at several servers in turn: what names none is refused. URIs in contents, links and
//! what is embedded get the same form on their way to the caller; in arguments and in what is structured nothing is
//! rewritten. There is no `resources/subscribe` and no stream of the servers' own news: both are at `/mcp/<server>`.

mod list;

use std::sync::Arc;

use alcaide_policy::Action;
use alcaide_record::{ActionKind, Stage, Target};
use alcaide_serve::Body;
use alcaide_wire::jsonrpc::{self, code};
use alcaide_wire::mcp::{Era, Method, Reference, union as names};
use http::{Response, StatusCode};

use super::aside::Aside;
use super::plan::{ServerPlan, digest};
use super::refuse::Denied;
use super::seal::Session;
use super::{Caller, Inbound, head, instructions, json, mismatched, reach, taken, words};
use crate::budget;
use crate::gate::Shared;
use crate::passage::{Known, Matter, Origin, OwnedResource, Passage, Request as ReadRequest};
use crate::refusal::{self, Refusal};

/// A request or notification to all servers as one.
///
/// # Errors
/// Why it does not pass.
pub(crate) async fn call(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    inbound: Inbound<'_>,
) -> Result<Response<Body>, Denied> {
    let Some(id) = inbound.view.id.clone() else {
        return match inbound.view.method {
            Method::Cancelled => cancelled(shared, known, caller, inbound).await,
            _ => Ok(taken()),
        };
    };
    let denied = |refusal: Refusal| Denied::of(refusal, Some(&id));
    match inbound.view.method {
        Method::ToolsCall => return tool(shared, known, caller, inbound).await,
        Method::PromptsGet | Method::ResourcesRead | Method::CompletionComplete => {
            return thing(shared, known, caller, inbound).await;
        }
        _ => {}
    }
    let origin = caller.origin.clone();
    may(shared, known, &inbound).await.map_err(denied)?;
    let stateless = inbound.era == Era::Stateless;
    Ok(match (inbound.view.method, stateless) {
        (Method::Initialize, false) => {
            let revision = reach::revision_for(inbound.view.revision());
            let session = Session { revision, through: false, upstream: None };
            let name = shared.mcp.sealer.session(&caller.place, &session).ok_or_else(|| {
                denied(Refusal::of(refusal::NOT_READY, Stage::Known).because("a session cannot be sealed"))
            })?;
            let told = instructions::joined(shared, &origin).await;
            json(StatusCode::OK, words::union_initialized(&id, revision, told.as_deref()), Some(&name))
        }
        (Method::Discover, true) => {
            let told = instructions::joined(shared, &origin).await;
            json(StatusCode::OK, words::union_discovered(&id, told.as_deref()), None)
        }
        (Method::Ping, false) => json(StatusCode::OK, words::nothing(&id), None),
        (
            method @ (Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList),
            _,
        ) => json(StatusCode::OK, list::all(shared, &origin, method, &id, inbound.era).await, None),
        _ => {
            let why = "the union of all servers has tools, prompts and resources; other methods are served at \
                       `/mcp/<server>`";
            let body = jsonrpc::error(Some(&id), code::METHOD_NOT_FOUND, why, None);
            let status = if stateless { StatusCode::NOT_FOUND } else { StatusCode::OK };
            json(status, body, None)
        }
    })
}

/// Asks the policies about a method of all servers at once; nothing is sent, so nothing but a no is recorded.
async fn may(shared: &Shared, known: Passage<Known>, inbound: &Inbound<'_>) -> Result<(), Refusal> {
    let name = &inbound.view.word;
    let request = ReadRequest {
        action: Action::CallMethod,
        kind: ActionKind::CallMethod,
        resource: OwnedResource::Method { server: None, name: (**name).into() },
        target: Target {
            name: alcaide_record::Digest(
                *shared.commitments.mac(format!("all/{name}").as_bytes()).as_bytes(),
            ),
            route: None,
            tool: None,
        },
        hosted: Vec::new(),
        body: inbound.bytes.clone(),
        matter: Matter::Parts { method: (**name).into(), parts: Vec::new() },
        pin: None,
        found: Vec::new(),
        args: None,
        uninspected: false,
        tool_changed: false,
        claim: None,
        judged: None,
    };
    let read = known.read(request);
    let own = read.who().actor().map(|actor| actor.budgets.clone()).unwrap_or_default();
    let used = budget::used(shared.closer.memory(), own.iter(), read.arrived());
    read.decided(shared, used).await.map(|_| ())
}

/// A call of one tool by its name in the union.
async fn tool(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    mut inbound: Inbound<'_>,
) -> Result<Response<Body>, Denied> {
    let id = inbound.view.id.clone();
    let origin = caller.origin.clone();
    let named = inbound.view.target.as_ref().map(|target| target.text.clone()).unwrap_or_default();
    let Some((server, own)) = origin.plan().union().split(&named) else {
        let refusal = Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known)
            .saying("no declared tool has this name")
            .cured_by("`tools/list` lists the tools that this agent may use");
        return Err(Denied::of(known.refuse(refusal), id.as_ref()).coded(code::INVALID_PARAMS));
    };
    if let (Era::Stateless, Some(tool)) = (inbound.era, server.tool(own)) {
        let checked = tool.headers.check(inbound.document, head::pairs(caller.headers));
        checked.map_err(|mismatch| mismatched(&known, id.as_ref(), &mismatch))?;
    }
    let rename = inbound.view.rename(own).into_iter().collect();
    let aside = Aside { shared, origin: &origin, server };
    reach::call_of_union(&aside, known, caller, inbound, rename).await
}

/// A call that names a prompt, a resource or a template.
async fn thing(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    mut inbound: Inbound<'_>,
) -> Result<Response<Body>, Denied> {
    let id = inbound.view.id.clone();
    let origin = caller.origin.clone();
    let view = &inbound.view;
    let found = match (&view.reference, &view.target) {
        (Some(Reference::Prompt(prompt)), _) => prompt_of(shared, &origin, &prompt.text).await,
        (None, Some(prompt)) if view.method == Method::PromptsGet => {
            prompt_of(shared, &origin, &prompt.text).await
        }
        (Some(Reference::Template(uri)), _) | (None, Some(uri)) => Ok(resource_of(&origin, &uri.text)),
        (None, None) => Ok(None),
    };
    // A list that was asked for in the course of it, and recorded as such.
    let found = found.map_err(|refusal| Denied::of(refusal, id.as_ref()))?;
    let Some((server, own)) = found else {
        let (what, how) = match (view.method, &view.reference) {
            (Method::PromptsGet, _) | (_, Some(Reference::Prompt(_))) => {
                ("no prompt has this name", "`prompts/list` lists the prompts that this agent may use")
            }
            (Method::ResourcesRead, _) | (_, Some(Reference::Template(_))) => (
                "the URI names no server; here it is `alcaide:SERVER/URI`",
                "`resources/list` and `resources/templates/list` list them in this form",
            ),
            _ => ("`ref` names neither a prompt nor a resource", ""),
        };
        let refusal = Refusal::of(refusal::NOT_UNDERSTOOD, Stage::Known).saying(what).cured_by(how);
        return Err(Denied::of(known.refuse(refusal), id.as_ref()).coded(code::INVALID_PARAMS));
    };
    let splices = inbound.view.rename(&own).into_iter().collect();
    let aside = Aside { shared, origin: &origin, server: &server };
    reach::call_of_union(&aside, known, caller, inbound, splices).await
}

/// The server and the prompt that a name stands for.
///
/// # Errors
/// The name has a digest, and a server whose it may be cannot be asked for its prompts.
async fn prompt_of(
    shared: &Arc<Shared>,
    origin: &Origin,
    name: &str,
) -> Result<Option<(Arc<ServerPlan>, String)>, Refusal> {
    let plain = |server: &Arc<ServerPlan>| {
        names::plain(name, server.name.as_str(), digest).map(|own| (Arc::clone(server), own.to_owned()))
    };
    // Of plain names no two servers have the same.
    if let Some(found) = origin.plan().servers().find_map(plain) {
        return Ok(Some(found));
    }
    let mut found = None;
    for server in list::servers(origin, Method::PromptsList) {
        if !names::may_be_of(name, server.name.as_str()) {
            continue;
        }
        let aside = Aside { shared, origin, server: &server };
        let own = list::prompt_named(&aside, name).await?;
        if let Some(own) = own
            && found.replace((server, own)).is_some()
        {
            // Two digests met: nobody knows which is meant.
            return Ok(None);
        }
    }
    Ok(found)
}

/// The server and its own URI or template.
fn resource_of(origin: &Origin, uri: &str) -> Option<(Arc<ServerPlan>, String)> {
    let (server, own) = names::unqualify(uri)?;
    origin.plan().server(server).map(|server| (Arc::clone(server), own.to_owned()))
}

/// A caller takes a call back: the server that it is at is told.
async fn cancelled(
    shared: &Arc<Shared>,
    known: Passage<Known>,
    caller: Caller<'_>,
    inbound: Inbound<'_>,
) -> Result<Response<Body>, Denied> {
    let session = caller.session.as_ref().map(|(_, name)| Arc::clone(name)).unwrap_or_default();
    let origin = caller.origin.clone();
    let calls = inbound.view.cancels.as_ref().map(|id| shared.mcp.on_the_way(&caller.place, &session, id));
    let mut calls = calls.unwrap_or_default();
    calls.iter().for_each(|key| shared.mcp.cancel(key));
    // An id that is at two servers is taken back at both; a notification goes to one.
    calls.retain(|(at, own, _)| own.is_empty() && at.server.is_some());
    let [(at, ..)] = &*calls else { return Ok(taken()) };
    let server = origin.plan().servers().find(|server| Some(server.route) == at.server);
    // A child takes no news of the caller: its call is dropped.
    let Some(server) = server.filter(|server| server.upstream.child().is_none()) else { return Ok(taken()) };
    let aside = Aside { shared, origin: &origin, server };
    reach::call_of_union(&aside, known, caller, inbound, Vec::new()).await
}

//! All servers as one: `/mcp` lists the tools of every server that the caller may use, under `server__tool`, and calls them.
//!
//! The gate is the server here: it answers the handshake itself and keeps a session of its own with each server that
//! needs one. Only declared tools stand in the union; prompts and resources are reached at `/mcp/<server>`.

use std::sync::Arc;

use alcaide_policy::{Action, Resource};
use alcaide_record::{ActionKind, Stage, Target};
use alcaide_serve::Body;
use alcaide_wire::json::{Document, Limits, edit};
use alcaide_wire::jsonrpc::{self, Id, code};
use alcaide_wire::mcp::{Era, ItemFate, Method, ResultView};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Response, StatusCode};

use super::aside::{Aside, stateless_request};
use super::plan::{ServerPlan, Union};
use super::refuse::Denied;
use super::seal::Session;
use super::{Caller, Inbound, era, head, json, kept, mismatched, offer, reach, taken, words};
use crate::budget;
use crate::gate::Shared;
use crate::passage::{Known, Matter, Origin, OwnedResource, Passage, Request as ReadRequest};
use crate::refusal::{self, Refusal};

/// Most pages of one server's list that are read.
const PAGES_MAX: usize = 64;
/// Most bytes of tools that one list holds.
const LIST_BYTES_MAX: usize = 16 << 20;
/// Servers that are asked at one time.
const ASKED_AT_ONCE: usize = 8;

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
    let Some(id) = inbound.view.id.clone() else { return Ok(taken()) };
    let denied = |refusal: Refusal| Denied::of(refusal, Some(&id));
    if inbound.view.method == Method::ToolsCall {
        return tool(shared, known, caller, inbound).await;
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
            json(StatusCode::OK, words::union_initialized(&id, revision), Some(&name))
        }
        (Method::Discover, true) => json(StatusCode::OK, words::union_discovered(&id), None),
        (Method::Ping, false) => json(StatusCode::OK, words::nothing(&id), None),
        (Method::ToolsList, _) => json(StatusCode::OK, list(shared, &origin, &id, inbound.era).await, None),
        _ => {
            let why = "the union of all servers has tools only; other methods are served at `/mcp/<server>`";
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

/// The tools of all servers that the caller may use, as a response.
async fn list(shared: &Arc<Shared>, origin: &Origin, id: &Id<'_>, caller: Era) -> Vec<u8> {
    let mut servers: Vec<&Arc<ServerPlan>> = origin
        .plan()
        .servers()
        .filter(|server| {
            let resource = Resource::Method { server: Some(server.route), name: Method::ToolsList.as_str() };
            offer::fate(origin, Action::CallMethod, resource, false) == ItemFate::Keep
        })
        .collect();
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    let servers: Vec<Arc<ServerPlan>> = servers.into_iter().cloned().collect();
    let asked = servers.into_iter().map(|server| {
        let (shared, origin) = (Arc::clone(shared), origin.clone());
        async move {
            let listed = tools_of(&Aside { shared: &shared, origin: &origin, server: &server }).await;
            (server.name.clone(), listed)
        }
    });
    let all: Vec<_> = stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
    let mut tools = String::new();
    let mut missing: Vec<String> = Vec::new();
    for (server, listed) in all {
        match listed {
            Ok(listed) if tools.len() + listed.len() <= LIST_BYTES_MAX => {
                if !tools.is_empty() && !listed.is_empty() {
                    tools.push(',');
                }
                tools.push_str(&listed);
            }
            Ok(_) => missing.push(edit::encode(server.as_str())),
            Err(refusal) => {
                tracing::info!(
                    %server,
                    code = refusal.code,
                    why = refusal.internal.as_deref(),
                    "a server's tools are not listed"
                );
                missing.push(edit::encode(server.as_str()));
            }
        }
    }
    let mut result = format!("{{\"tools\":[{tools}]");
    if caller == Era::Stateless {
        result.push_str(",\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\"");
    }
    if !missing.is_empty() {
        result.push_str(&format!(",\"_meta\":{{\"alcaide/unavailable\":[{}]}}", missing.join(",")));
    }
    result.push('}');
    jsonrpc::result(id, &result)
}

/// The tools of one server that the caller may use, as members of a JSON list.
async fn tools_of(aside: &Aside<'_>) -> Result<String, Refusal> {
    let broken = |why: String| Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(why);
    let stateless = era::of(aside, Era::Handshake).await?.era == Era::Stateless;
    let kept = if stateless { None } else { Some(kept::session(aside).await?) };
    let link = kept.as_ref().map_or((None, None), |kept| (kept.session.as_deref(), Some(kept.revision)));
    let mut tools = String::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let coded = cursor.as_deref().map(edit::encode);
        let params = coded.as_deref().map(|cursor| ("cursor", cursor));
        let request = if stateless {
            stateless_request(Method::ToolsList, params)
        } else {
            let params = params.map_or_else(String::new, |(key, value)| format!("\"{key}\":{value}"));
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":\"alcaide\",\"method\":\"tools/list\",\"params\":{{{params}}}}}"
            )
        };
        let answer = aside.send(request.as_bytes(), link).await?;
        if answer.status == StatusCode::NOT_FOUND && kept.is_some() {
            aside.shared.mcp.keeping.forget(&kept::key(aside));
        }
        if !answer.status.is_success() {
            return Err(broken(format!("it answered {}", answer.status)));
        }
        let (page, next) = renamed(aside.server, aside.origin, &answer.bytes).map_err(broken)?;
        if !tools.is_empty() && !page.is_empty() {
            tools.push(',');
        }
        tools.push_str(&page);
        if tools.len() > LIST_BYTES_MAX {
            return Err(broken("its list is too long".into()));
        }
        match next {
            None => return Ok(tools),
            next => cursor = next,
        }
    }
    Err(broken(format!("its list has more than {PAGES_MAX} pages")))
}

/// The tools of one page under their names in the union, and where the list goes on.
fn renamed(server: &ServerPlan, origin: &Origin, answer: &Bytes) -> Result<(String, Option<String>), String> {
    let limits = Limits::default();
    let document = Document::parse(answer, &limits).map_err(|error| error.to_string())?;
    let view = ResultView::read(Method::ToolsList, &document).map_err(|error| error.to_string())?;
    let splices = view.relist(&document, |_, item| {
        let name = item.name.as_ref().map(|name| Union::name(server, &name.text)).unwrap_or_default();
        // Under this name a call comes back to this tool and no other.
        let own = item.name.as_ref().map(|name| &*name.text);
        let found = origin.plan().union().split(&name);
        match found {
            Some((of, tool)) if of.route == server.route && Some(tool) == own => ItemFate::Rename(name),
            _ => ItemFate::Drop,
        }
    });
    let next = view.next_cursor.as_ref().map(|cursor| cursor.text.clone().into_owned());
    let edited = edit::apply(answer, splices).map_err(|error| error.to_string())?;
    let document = Document::parse(&edited, &limits).map_err(|error| error.to_string())?;
    let list = document.root().get("result").and_then(|result| result.get("tools"));
    let raw = list.map(|list| String::from_utf8_lossy(list.raw()).into_owned()).unwrap_or_default();
    let inner = raw.trim().strip_prefix('[').and_then(|raw| raw.strip_suffix(']')).unwrap_or_default();
    Ok((inner.trim().to_owned(), next))
}

//! The lists of the union: each server is asked for its own in a passage of its own, and what may be used of it gets its
//! name in the union.

use std::collections::HashSet;
use std::sync::Arc;

use alcaide_policy::{Action, Resource};
use alcaide_record::Stage;
use alcaide_wire::json::{Document, Limits, edit};
use alcaide_wire::jsonrpc::{self, Id, code};
use alcaide_wire::mcp::{Era, Item, ItemFate, Method, ResultView, list_member, union as names};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;

use super::super::aside::{Aside, stateless_request};
use super::super::plan::{ServerPlan, Union, digest};
use super::super::{era, kept, offer};
use crate::gate::Shared;
use crate::passage::Origin;
use crate::refusal::{self, Refusal};
use crate::worked::worked_here;

/// Most pages of one server's list that are read.
const PAGES_MAX: usize = 64;
/// Most bytes that one list holds.
const LIST_BYTES_MAX: usize = 16 << 20;
/// Servers that are asked at one time.
const ASKED_AT_ONCE: usize = 8;

/// The servers whose list of `method` the caller may ask for, by name.
pub(super) fn servers(origin: &Origin, method: Method) -> Vec<Arc<ServerPlan>> {
    let mut servers: Vec<&Arc<ServerPlan>> = origin
        .plan()
        .servers()
        .filter(|server| {
            let resource = Resource::Method { server: Some(server.route), name: method.as_str() };
            offer::fate(origin, Action::CallMethod, resource, false) == ItemFate::Keep
        })
        .collect();
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    servers.into_iter().cloned().collect()
}

/// What all servers list that the caller may use, as a response. A server that cannot be asked is missing, and named.
pub(super) async fn all(
    shared: &Arc<Shared>,
    origin: &Origin,
    method: Method,
    id: &Id<'_>,
    caller: Era,
) -> Vec<u8> {
    let asked = servers(origin, method).into_iter().map(|server| {
        let (shared, origin) = (Arc::clone(shared), origin.clone());
        async move {
            let aside = Aside { shared: &shared, origin: &origin, server: &server };
            let listed = items_of(&aside, method).await;
            (server.name.clone(), listed)
        }
    });
    let all: Vec<_> = stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
    let mut items = String::new();
    let mut missing: Vec<String> = Vec::new();
    for (server, listed) in all {
        match listed {
            Ok(listed) if items.len() + listed.len() <= LIST_BYTES_MAX => push(&mut items, &listed),
            Ok(_) => missing.push(edit::encode(server.as_str())),
            Err(refusal) => {
                let method = method.as_str();
                let why = refusal.internal.as_deref();
                tracing::info!(%server, method, code = refusal.code, why, "a server's list is missing");
                missing.push(edit::encode(server.as_str()));
            }
        }
    }
    let key = list_member(method).unwrap_or_default();
    let mut result = format!("{{\"{key}\":[{items}]");
    if caller == Era::Stateless {
        result.push_str(",\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\"");
    }
    if !missing.is_empty() {
        result.push_str(&format!(",\"_meta\":{{\"alcaide/unavailable\":[{}]}}", missing.join(",")));
    }
    result.push('}');
    jsonrpc::result(id, &result)
}

fn push(items: &mut String, more: &str) {
    if !items.is_empty() && !more.is_empty() {
        items.push(',');
    }
    items.push_str(more);
}

/// What one server lists that the caller may use, as members of a JSON list.
async fn items_of(aside: &Aside<'_>, method: Method) -> Result<String, Refusal> {
    let mut items = String::new();
    let mut seen = HashSet::new();
    pages(aside, method, |page| {
        push(&mut items, &renamed(aside, method, page, &mut seen)?);
        if items.len() > LIST_BYTES_MAX { Err("its list is too long".to_owned()) } else { Ok(()) }
    })
    .await?;
    Ok(items)
}

/// The one prompt of a server that has this name in the union.
pub(super) async fn prompt_named(aside: &Aside<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let mut found: HashSet<String> = HashSet::new();
    pages(aside, Method::PromptsList, |page| {
        let limits = Limits::default();
        let document = Document::parse(page, &limits).map_err(|error| error.without_keys().to_string())?;
        let view = ResultView::read(Method::PromptsList, &document).map_err(|error| error.to_string())?;
        let own = view.items.iter().filter_map(|item| item.name.as_ref());
        let own = own.filter(|own| names::join(aside.server.name.as_str(), &own.text, digest) == name);
        found.extend(own.map(|own| own.text.clone().into_owned()));
        Ok(())
    })
    .await?;
    // Of two nobody knows which is meant.
    if found.len() > 1 {
        return Ok(None);
    }
    Ok(found.into_iter().next())
}

/// Asks a server for its list, page by page. A server that has no such list has an empty one.
async fn pages(
    aside: &Aside<'_>,
    method: Method,
    mut each: impl FnMut(&Bytes) -> Result<(), String>,
) -> Result<(), Refusal> {
    let broken = |why: String| Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(why);
    let spoken = era::of(aside, Era::Handshake).await?;
    let stateless = spoken.era == Era::Stateless;
    let kept = if stateless { None } else { Some(kept::session(aside).await?) };
    let hello = kept.as_ref().map(|kept| &kept.hello).or(spoken.discovered.as_ref());
    if let Some(hello) = hello
        && worked_here(hello.len(), || lacks(hello, method)).await
    {
        return Ok(());
    }
    let link = kept.as_ref().map_or((None, None), |kept| (kept.session.as_deref(), Some(kept.revision)));
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let coded = cursor.as_deref().map(edit::encode);
        let params = coded.as_deref().map(|cursor| ("cursor", cursor));
        let request = if stateless {
            stateless_request(method, params)
        } else {
            let params = params.map_or_else(String::new, |(key, value)| format!("\"{key}\":{value}"));
            let method = method.as_str();
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":\"alcaide\",\"method\":\"{method}\",\"params\":{{{params}}}}}"
            )
        };
        let answer = aside.send(request.as_bytes(), link).await?;
        let next = match worked_here(answer.bytes.len(), || page(method, &answer.bytes)).await {
            Page::Unknown => return Ok(()),
            _ if answer.status == StatusCode::NOT_FOUND && kept.is_some() => {
                aside.shared.mcp.keeping.forget(&kept::key(aside));
                return Err(broken("it knows the gate's session no more".into()));
            }
            _ if !answer.status.is_success() => {
                return Err(broken(format!("it answered {}", answer.status)));
            }
            Page::Broken(why) => return Err(broken(why)),
            Page::Good { next } => next,
        };
        worked_here(answer.bytes.len(), || each(&answer.bytes)).await.map_err(broken)?;
        match next {
            None => return Ok(()),
            next => cursor = next,
        }
    }
    Err(broken(format!("its list has more than {PAGES_MAX} pages")))
}

/// Whether a server says of itself that it has no such list. Tools are asked for all the same.
fn lacks(hello: &[u8], method: Method) -> bool {
    let word = match method {
        Method::PromptsList => "prompts",
        Method::ResourcesList | Method::ResourcesTemplatesList => "resources",
        _ => return false,
    };
    let Ok(document) = Document::parse(hello, &Limits::default()) else { return false };
    let said = document.root().get("result").and_then(|result| result.get("capabilities"));
    said.is_some_and(|said| said.get(word).is_none())
}

/// One page of a list.
enum Page {
    Good {
        next: Option<String>,
    },
    /// The server knows no such list.
    Unknown,
    Broken(String),
}

fn page(method: Method, answer: &Bytes) -> Page {
    let limits = Limits::default();
    let document = match Document::parse(answer, &limits) {
        Ok(document) => document,
        Err(error) => return Page::Broken(error.without_keys().to_string()),
    };
    match ResultView::read(method, &document) {
        Err(error) => Page::Broken(error.to_string()),
        Ok(view) => match &view.error {
            Some(error) if error.code == code::METHOD_NOT_FOUND => Page::Unknown,
            Some(error) => Page::Broken(format!("it answered with error {}", error.code)),
            None => Page::Good { next: view.next_cursor.map(|cursor| cursor.text.into_owned()) },
        },
    }
}

/// What is on one page under its names in the union. `seen` are the server's own names that were there before: of two of
/// one name nobody knows which is meant.
fn renamed(
    aside: &Aside<'_>,
    method: Method,
    answer: &Bytes,
    seen: &mut HashSet<String>,
) -> Result<String, String> {
    let limits = Limits::default();
    let document = Document::parse(answer, &limits).map_err(|error| error.without_keys().to_string())?;
    let view = ResultView::read(method, &document).map_err(|error| error.to_string())?;
    let splices = view.relist(&document, |_, item| fate(aside, method, item, seen));
    let edited = edit::apply(answer, splices).map_err(|error| error.to_string())?;
    let document = Document::parse(&edited, &limits).map_err(|error| error.without_keys().to_string())?;
    let list = list_member(method).and_then(|key| document.root().get("result")?.get(key));
    let raw = list.map(|list| String::from_utf8_lossy(list.raw()).into_owned()).unwrap_or_default();
    let inner = raw.trim().strip_prefix('[').and_then(|raw| raw.strip_suffix(']')).unwrap_or_default();
    Ok(inner.trim().to_owned())
}

fn fate(aside: &Aside<'_>, method: Method, item: &Item<'_>, seen: &mut HashSet<String>) -> ItemFate {
    let server = aside.server;
    let own = match method {
        Method::ToolsList | Method::PromptsList => &item.name,
        _ => &item.uri,
    };
    let Some(own) = own.as_ref().filter(|own| own.text.len() <= offer::NAME_BYTES_MAX) else {
        return ItemFate::Drop;
    };
    if !seen.insert(own.text.clone().into_owned()) {
        return ItemFate::Drop;
    }
    match method {
        Method::ToolsList => {
            let name = Union::name(server, &own.text);
            // Under this name a call comes back to this tool and no other.
            match aside.origin.plan().union().split(&name) {
                Some((of, tool)) if of.route == server.route && tool == own.text => ItemFate::Rename(name),
                _ => ItemFate::Drop,
            }
        }
        Method::PromptsList => ItemFate::Rename(Union::name(server, &own.text)),
        _ => ItemFate::Readdress(names::qualify(server.name.as_str(), &own.text)),
    }
}

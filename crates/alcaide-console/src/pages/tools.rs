//! Tools: what was accepted, what is offered now, and the difference. An acceptance names the pin that was seen.

use alcaide_control::{
    Definition, DefinitionView, Operation, Session, ToolDetail, ToolFilter, ToolState, ToolView, visible_line,
};
use alcaide_inventory::Name;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::Console;
use crate::difference::{self, pretty, shown};
use crate::door::{Sent, Visitor};
use crate::page::{Fault, Page, form_token, see_other};
use crate::pages::After;
use crate::words::{badge, facts, id, word};

pub(crate) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Page, Fault> {
    let tools = console.office.tools(visitor.by(), ToolFilter::default()).await?;
    let waiting = tools.iter().filter(|tool| waits(tool.state)).count();
    let body = html! {
        p.lead { "A tool's name, description, schemas and annotations are pinned when somebody accepts them. What is new or changed is not offered to agents until it is accepted." }
        @if tools.is_empty() {
            p.empty { "No server has offered a tool yet, and none is declared. When an agent first lists a server's tools, they stand here; a tool can be declared before that with " code { "alcaide tool declare" } "." }
        } @else {
            @if waiting == 0 { section.card.good { h2 { "Nothing waits to be accepted" } } }
            @else { section.card.warn { h2 { @if waiting == 1 { "One tool waits" } @else { (waiting) " tools wait" } " to be accepted" } p { "Look at what each is, then accept it or leave it." } } }
            div.scroll tabindex="0" role="region" aria-label="Tools" {
                table.rows {
                    thead { tr { th scope="col" { "Tool" } th scope="col" { "State" } th scope="col" { "Effect" } th scope="col" { "Found" } th scope="col" { "Accepted pin" } } }
                    tbody {
                        @for tool in &tools {
                            tr {
                                td { a href=(address(tool)) { (name_of(tool)) } }
                                td { (state(tool.state)) }
                                td { (word(&tool.effect)) @if tool.id.is_none() { span.quiet { " (not declared)" } } }
                                td { (count(tool)) }
                                td { @match &tool.accepted { Some(pin) => (id(pin)), None => span.quiet { "none" } } }
                            }
                        }
                    }
                }
            }
        }
        p { a href="/peers" { "Other gates whose word about labels counts" } }
    };
    Ok(Page::of(&visitor.0, "/tools", "Tools", body))
}

/// Whether somebody has to look at it.
const fn waits(state: ToolState) -> bool {
    matches!(state, ToolState::New | ToolState::Changed)
}

pub(crate) fn name_of(tool: &ToolView) -> String {
    let name = tool.name.as_deref().unwrap_or("(its name cannot be read)");
    let name: String = name.chars().take(128).collect();
    format!("{}/{}", tool.server, visible_line(&name))
}

/// Where the tool's page is. A name that a path cannot carry as it stands is left for its pin.
pub(crate) fn address(tool: &ToolView) -> String {
    let pin = || tool.offered.or(tool.accepted).map(|pin| pin.to_string());
    let own = tool.name.as_ref().filter(|name| is_plain(name)).cloned().or_else(pin).unwrap_or_default();
    format!("/tools/{}/{own}", tool.server)
}

/// Where the page of a tool is that is written `SERVER/TOOL`, where a path can carry its name.
pub(crate) fn address_of(tool: &str) -> Option<String> {
    let (_, name) = tool.split_once('/')?;
    is_plain(name).then(|| format!("/tools/{tool}"))
}

fn is_plain(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.len() <= 128 && name.bytes().all(fits)
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path((server, tool)): Path<(String, String)>,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let detail = find(&console, &visitor.0, &server, &tool).await?;
    let tool = &detail.tool;
    let body = html! {
        p.lead { "What this tool is, as it was accepted and as its server offers it now." }
        section class={ "card " (if waits(tool.state) { "warn" } else { "good" }) } {
            h2 { @match tool.state {
                ToolState::Accepted => "It is what was accepted",
                ToolState::New => "Nobody has accepted it yet",
                ToolState::Changed => "It is no longer what was accepted",
                ToolState::Quarantined => "It was taken back",
                ToolState::Declared => "Its server has not offered it yet",
            } }
            (facts([
                ("state", Some(state(tool.state))),
                ("effect", Some(html! { (word(&tool.effect)) @if tool.id.is_none() { " – nobody has declared it, so the gravest is assumed" } })),
                ("facts", tool.name.as_ref().map(|_| html! { a href={ (address(tool)) "/facts" } { @if tool.id.is_some() { "what its owner declared" } @else { "declare what it does" } } })),
                ("accepted pin", tool.accepted.as_ref().map(|pin| html! { code.long { (pin) } })),
                ("offered pin", tool.offered.as_ref().map(|pin| html! { code.long { (pin) } })),
                ("its reach", tool.id.map(|_| html! { a href={ (address(tool)) "/reach" } { "what its answers touched" } })),
                ("id", tool.id.map(|id| html! { code { (id) } })),
            ]))
            (answers(tool, &visitor.0))
        }
        (found(tool))
        (recorded(&detail))
        (definitions(&detail))
    };
    let title = format!("Tool {}", name_of(tool));
    Ok(Page::of(&visitor.0, "/tools", title, body).after(after.done.as_deref()))
}

fn answers(tool: &ToolView, session: &Session) -> Markup {
    let here = address(tool);
    let open = tool.offered.filter(|_| tool.state != ToolState::Accepted);
    html! {
        @if let Some(pin) = open {
            @if tool.id.is_none() {
                p.quiet { "It can be accepted once its owner has " a href={ (here) "/facts" } { "declared what a call does" } "." }
            } @else if !session.by.may(Operation::AcceptPin) {
                p.quiet { "An approver or an administrator can accept it." }
            } @else {
                form.answer method="post" action={ (here) "/accept" } {
                    (form_token(session))
                    input type="hidden" name="pin" value=(pin);
                    button.main type="submit" { "Accept it as it is now" }
                }
            }
        } @else if tool.offered.is_none() {
            p.quiet { "When an agent first lists the server's tools, what is offered stands here." }
        }
        @if tool.accepted.is_some() && tool.state != ToolState::Quarantined && session.by.may(Operation::QuarantineTool) {
            form.answer method="post" action={ (here) "/quarantine" } {
                (form_token(session))
                button.danger type="submit" { "Take it back" }
            }
        }
    }
}

/// How many findings there are, and whether one is grave.
fn count(tool: &ToolView) -> Markup {
    let all = tool.findings.len();
    let grave = tool.findings.iter().filter(|one| one.is_grave()).count();
    html! {
        @if grave > 0 { (badge("bad", &format!("{all}, {grave} grave"))) }
        @else if all > 0 { (badge("warn", &all.to_string())) }
        @else { span.quiet { "none" } }
    }
}

/// What of the definition may be meant to steer whoever reads it. Places hold names of the server's.
fn found(tool: &ToolView) -> Markup {
    html! {
        @if !tool.findings.is_empty() {
            section aria-labelledby="found" {
                h2 #found { "What was found in it" }
                p { "A finding raises suspicion and proves nothing. What is grave is what no honest tool needs." }
                div.scroll tabindex="0" role="region" aria-label="Findings" {
                    table.rows {
                        thead { tr { th scope="col" { "Weight" } th scope="col" { "Rule" } th scope="col" { "Place" } th scope="col" { "Why" } } }
                        tbody {
                            @for one in &tool.findings {
                                tr {
                                    td { (badge(if one.is_grave() { "bad" } else { "warn" }, one.weight())) }
                                    td { code { (one.rule) } }
                                    td { code { (visible_line(&one.place)) } }
                                    td { (visible_line(&one.reason)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What the record says of each form, as it was offered. No text of the server's.
fn recorded(detail: &ToolDetail) -> Markup {
    html! {
        @if !detail.history.is_empty() {
            section aria-labelledby="recorded" {
                h2 #recorded { "What the record says of it" }
                p { "Each form as it was first seen, with what the gate found in it then. The record keeps rules and parts, never a text." }
                div.scroll tabindex="0" role="region" aria-label="Forms in the record" {
                    table.rows {
                        thead { tr { th scope="col" { "Entry" } th scope="col" { "Offered" } th scope="col" { "Found then" } } }
                        tbody {
                            @for form in &detail.history {
                                tr {
                                    td { (form.index) }
                                    td { (form.at) }
                                    td { @match form.findings.as_deref() {
                                        None => span.quiet { "not kept yet" },
                                        Some([]) => span.quiet { "none" },
                                        Some(all) => @for one in all {
                                            (badge(if one.is_grave() { "bad" } else { "warn" }, one.rule.as_str()))
                                            " in " (one.part.as_str()) @if one.count > 1 { " ×" (one.count) } " "
                                        },
                                    } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn definitions(detail: &ToolDetail) -> Markup {
    let text =
        |view: &Option<DefinitionView>| view.as_ref().and_then(|view| view.definition.as_ref()).map(written);
    let differs = detail.tool.accepted != detail.tool.offered;
    html! {
        @match (text(&detail.accepted), text(&detail.offered)) {
            (Some(accepted), Some(offered)) if differs => section aria-labelledby="difference" {
                h2 #difference { "What changed" }
                p { "Read every new line as if a stranger had written it for your agent: a description is text that a model obeys." }
                (difference::table(&pretty(&accepted), &pretty(&offered), ("what was accepted", "what is offered")))
            },
            (Some(accepted), _) => section aria-labelledby="accepted" {
                h2 #accepted { "What was accepted" }
                div.scroll tabindex="0" role="region" aria-label="Definition" { pre { code { (shown(&accepted)) } } }
            },
            (None, Some(offered)) => section aria-labelledby="offered" {
                h2 #offered { "What is offered" }
                p { "Read it as if a stranger had written it for your agent: a description is text that a model obeys." }
                div.scroll tabindex="0" role="region" aria-label="Definition" { pre { code { (shown(&offered)) } } }
            },
            (None, None) => {},
        }
        @if !detail.lacks.is_empty() {
            p { "The declared facts name arguments that the offered definition does not have: " (visible_line(&detail.lacks.join(", "))) }
        }
    }
}

fn written(definition: &Definition) -> String {
    serde_json::to_string(definition).unwrap_or_default()
}

pub(crate) async fn accept(
    State(console): State<Console>,
    Path((server, tool)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let pin = sent.field("pin")?.parse().map_err(|_| Fault::Address)?;
    // What was seen is what is accepted; whoever may not accept learns that first.
    if sent.by().may(Operation::AcceptPin) {
        let seen = find(&console, &sent.session, &server, &tool).await?.tool.offered;
        if seen != Some(pin) {
            return Err(Fault::Stale);
        }
    }
    console.office.accept_pin(sent.by(), &name(&server)?, &tool, pin).await?;
    Ok(see_other(&format!("/tools/{server}/{tool}?done=accepted")))
}

pub(crate) async fn quarantine(
    State(console): State<Console>,
    Path((server, tool)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    console.office.quarantine_tool(sent.by(), &name(&server)?, &tool).await?;
    Ok(see_other(&format!("/tools/{server}/{tool}?done=quarantined")))
}

pub(crate) async fn find(
    console: &Console,
    session: &Session,
    server: &str,
    tool: &str,
) -> Result<ToolDetail, Fault> {
    Ok(console.office.tool(&session.by, &name(server)?, tool).await?)
}

pub(crate) fn name(server: &str) -> Result<Name, Fault> {
    server.parse().map_err(|_| Fault::Address)
}

fn state(state: ToolState) -> Markup {
    match state {
        ToolState::Accepted => badge("good", "accepted"),
        ToolState::New => badge("warn", "new"),
        ToolState::Changed => badge("bad", "changed"),
        ToolState::Quarantined => badge("bad", "taken back"),
        ToolState::Declared => badge("warn", "not offered yet"),
    }
}

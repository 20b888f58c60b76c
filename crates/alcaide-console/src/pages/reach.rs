//! What one source touched — a call's answer, a tool, an agent — with what stops it beside it.

use alcaide_control::{
    Cursor, Operation, Paging, Reach, ReachCall, ReachOf, ReachStore, ReachTask, Receiver, Session, Took,
    ToolState, visible_line,
};
use alcaide_inventory::{Actor, CallId, Moment};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::Console;
use crate::door::{Sent, Visitor};
use crate::page::{Fault, Page, form_token, see_other};
use crate::pages::{After, agents, older, tools};
use crate::words::{badge, far, id, target, verdict, word};

/// Calls of a source on a page.
const SOURCES: u32 = 20;

pub(crate) async fn of_call(
    State(console): State<Console>,
    visitor: Visitor,
    Path(call): Path<String>,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let call: CallId = call.parse().map_err(|_| Fault::Address)?;
    let view = console.office.call(visitor.by(), call).await?;
    let reach = console.office.reach(visitor.by(), ReachOf::Call(call), None, paging(&after)).await?;
    let here = format!("/calls/{call}/reach");
    let what = html! {
        "the answer of " a href={ "/calls/" (call) } { "a call" @if let Some(on) = target(&view) { " of " strong { (on) } } }
    };
    let agent = view.actor_name.as_ref().filter(|_| matches!(view.actor, Some(Actor::Agent(_))));
    let tool =
        view.tool_name.as_deref().and_then(|name| Some((visible_line(name), tools::address_of(name)?)));
    let stop = html! {
        @if agent.is_some() || tool.is_some() {
            p.answer {
                @if let Some(name) = agent { a.button.danger href={ "/agents/" (name) "/kill" } { "Stop " (name) "…" } }
                @if let Some((name, at)) = &tool { a.button href=(at) { "Look at " (name) ", or take it back…" } }
            }
        }
    };
    page(&console, &visitor.0, &here, &reach, ("/activity", &what, &stop))
}

pub(crate) async fn of_agent(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let agent = agents::agent(&console, &visitor.0, &name).await?;
    let of = ReachOf::Actor(Actor::Agent(agent.id));
    let reach = console.office.reach(visitor.by(), of, None, paging(&after)).await?;
    let here = format!("/agents/{}/reach", agent.name);
    let what = html! { "agent " a href={ "/agents/" (agent.name) } { strong { (agent.name) } } };
    let stop = html! {
        @if agent.killed { p.quiet { "It is stopped." } }
        @else { a.button.danger href={ "/agents/" (agent.name) "/kill" } { "Stop it…" } }
    };
    page(&console, &visitor.0, &here, &reach, ("/agents", &what, &stop))
}

pub(crate) async fn of_tool(
    State(console): State<Console>,
    visitor: Visitor,
    Path((server, tool)): Path<(String, String)>,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let detail = tools::find(&console, &visitor.0, &server, &tool).await?;
    let of = console.office.reach_of_tool(visitor.by(), &tools::name(&server)?, &tool).await?;
    let reach = console.office.reach(visitor.by(), of, None, paging(&after)).await?;
    let (tool, at) = (&detail.tool, tools::address(&detail.tool));
    let all = console.office.quarantined_sources(visitor.by()).await?;
    let held = all.iter().any(|one| one.name.as_ref().is_some_and(|name| name.as_str() == server));
    let what = html! { "the answers of " a href=(at) { strong { (tools::name_of(tool)) } } };
    let stop = html! {
        @if tool.state == ToolState::Quarantined { p.quiet { "It is taken back: no agent is offered it." } }
        @else if tool.accepted.is_none() { p.quiet { "Nobody has accepted it: no agent is offered it." } }
        @else if visitor.0.by.may(Operation::QuarantineTool) {
            form.answer method="post" action={ (at) "/quarantine" } {
                (form_token(&visitor.0))
                button.danger type="submit" { "Take it back: offer it to no agent" }
            }
        } @else { p.quiet { "An approver or an administrator can take it back." } }
        (whole(&visitor.0, &server, held))
    };
    page(&console, &visitor.0, &format!("{at}/reach"), &reach, ("/tools", &what, &stop))
}

/// What is done about all that a server answers.
fn whole(session: &Session, server: &str, held: bool) -> Markup {
    html! {
        @if held {
            p { strong { "All of " (visible_line(server)) " is held back" } ": nothing is sent to it." }
            @if session.by.may(Operation::ReleaseSource) {
                form.answer method="post" action={ "/sources/" (server) "/release" } {
                    (form_token(session))
                    button type="submit" { "Release it: it is used again" }
                }
            } @else { p.quiet { "An administrator can release it." } }
        } @else if session.by.may(Operation::QuarantineSource) {
            form.answer method="post" action={ "/sources/" (server) "/quarantine" } {
                (form_token(session))
                button.danger type="submit" { "Hold back all of " (visible_line(server)) ": send nothing to it" }
            }
        }
    }
}

pub(crate) async fn hold(
    State(console): State<Console>,
    Path(server): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    console.office.quarantine_source(sent.by(), &tools::name(&server)?).await?;
    Ok(see_other("/tools"))
}

pub(crate) async fn release(
    State(console): State<Console>,
    Path(server): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    console.office.release_source(sent.by(), &tools::name(&server)?).await?;
    Ok(see_other("/tools"))
}

fn paging(after: &After) -> Paging {
    Paging { limit: Some(SOURCES), after: after.cursor.as_deref().map(Cursor::from_text) }
}

fn page(
    console: &Console,
    session: &Session,
    here: &str,
    reach: &Reach,
    (room, what, stop): (&'static str, &Markup, &Markup),
) -> Result<Page, Fault> {
    let now = (console.clock)();
    let (mut acted, mut took) = (0_usize, 0_usize);
    for call in reach.tasks.iter().flat_map(|task| &task.calls) {
        acted += 1;
        took += usize::from(call.took != Took::No);
    }
    let body = html! {
        p.lead { "What " (what) " touched: the tasks that read it, what they did afterwards, who received it and where it was stored." }
        section.card {
            h2 { (reach.sources) @if reach.sources == 1 { " call" } @else { " calls" } ", " (reach.tasks.len()) @if reach.tasks.len() == 1 { " task" } @else { " tasks" }
                ", " (acted) " later calls that can do something, " (took) " with arguments from it" }
            (stop)
        }
        (receivers(&reach.receivers))
        (stores(&reach.stores, now))
        section aria-labelledby="tasks" {
            h2 #tasks { "The tasks that read it" }
            @if reach.tasks.is_empty() { p.empty { "No task read it: nothing of it was sent." } }
            @for task in &reach.tasks { (one(task, now)) }
        }
        (older(here, reach.next.as_ref(), "calls of it"))
    };
    Ok(Page::of(session, room, "Reach", body))
}

fn receivers(all: &[Receiver]) -> Markup {
    html! {
        section aria-labelledby="receivers" {
            h2 #receivers { "Who received something afterwards" }
            @if all.is_empty() { p.empty { "Nobody: no call that can do something was sent after it was read." } } @else {
                div.scroll tabindex="0" role="region" aria-label="Receivers" {
                    table.rows {
                        thead { tr { th scope="col" { "Tool or service" } th scope="col" { "Sent to" } th scope="col" { "Effect" } th.num scope="col" { "Calls" } th.num scope="col" { "With arguments from it" } } }
                        tbody { @for one in all { tr {
                            td { @match (&one.tool_name, &one.route_name) {
                                (Some(tool), _) => strong { (visible_line(tool)) },
                                (None, Some(route)) => strong { (route) },
                                (None, None) => @if let Some(tool) = &one.tool { (id(tool)) } @else { span.quiet { "not known any more" } },
                            } }
                            td { @match (&one.upstream_name, &one.upstream) { (Some(name), _) => (name), (None, Some(upstream)) => (id(upstream)), (None, None) => "" } }
                            td { @if let Some(effect) = &one.effect { (word(effect)) } }
                            td.num { (one.calls) }
                            td.num { (one.took) }
                        } } }
                    }
                }
            }
        }
    }
}

fn stores(all: &[ReachStore], now: Moment) -> Markup {
    html! {
        @if !all.is_empty() {
            section aria-labelledby="stores" {
                h2 #stores { "Where it can have been stored" }
                p { "These tasks wrote text there in which strangers can have had a part. A task that reads it back is recorded where it had read no strangers before." }
                @for store in all {
                    section.card.warn {
                        h3 { "store " @match &store.name { Some(name) => strong { (name) }, None => (id(&store.store)) } }
                        p { "Written by " @for call in &store.written_by { a href={ "/calls/" (call) } { (id(call)) } " " } }
                        @if store.read_back.is_empty() { p { @if store.more { "Not every call there was looked at." } @else { "No other task is recorded to have read it back." } } }
                        @else {
                            p { "Read back by" @if store.more { ", among others that were not looked for" } ":" }
                            ul { @for back in &store.read_back { li {
                                @match (&back.actor_name, &back.actor) { (Some(name), _) => (name), (None, Some(actor)) => (id(actor)), (None, None) => "somebody" }
                                " " (far(back.at, now)) ": "
                                a href={ "/calls/" (back.call) "/reach" } { "what that touched" }
                            } } }
                        }
                    }
                }
            }
        }
    }
}

fn one(task: &ReachTask, now: Moment) -> Markup {
    html! {
        section.card {
            h3 {
                a href={ "/tasks/" (task.task) } { "task " (id(&task.task)) }
                @if let Some(name) = &task.actor_name { " of " @if let Some(Actor::Agent(_)) = task.actor { a href={ "/agents/" (name) } { (name) } } @else { (name) } }
            }
            p { "It read it " (far(task.since, now)) ", with " a href={ "/calls/" (task.by) } { "this call" } "." }
            @if task.calls.is_empty() { p.quiet { "It did nothing afterwards that can have an effect." } } @else { (calls(&task.calls, now)) }
            @if task.more { p.quiet { "It made more calls than are looked at here; the task's page and the record have them." } }
        }
    }
}

fn calls(all: &[ReachCall], now: Moment) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Later calls" {
            table.rows {
                thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Outcome" } th scope="col" { "Arguments from it" } } }
                tbody { @for one in all { (call(one, now)) } }
            }
        }
    }
}

fn call(one: &ReachCall, now: Moment) -> Markup {
    let view = &one.flow.call;
    html! {
        tr {
            td { a href={ "/calls/" (view.call) } { (far(view.at, now)) } }
            td {
                @if let Some(action) = &view.action { (word(action)) " " } @if let Some(on) = target(view) { strong { (on) } }
                @if let Some(effect) = &one.flow.effect { " " span.quiet { (word(effect)) } }
            }
            td { (verdict(view)) }
            td { @match one.took {
                Took::Directly => (badge("bad", "read from it")),
                Took::Through => (badge("warn", "through another call")),
                Took::No => span.quiet { "none that is known" },
            } }
        }
    }
}

//! Agents: who answers for them, whether they may act, and the order that stops one.

use alcaide_control::{
    ActivityFilter, AgentView, CallView, CredentialView, OfficeError, Operation, Paging, Session, UsageBy,
    UsageFilter,
};
use alcaide_inventory::declare::Standing;
use alcaide_inventory::{Actor, Moment, TaskId};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::Console;
use crate::door::{Sent, Visitor};
use crate::page::{Fault, Page, form_token, see_other};
use crate::pages::{After, activity, begin, report};
use crate::words::{badge, facts, far, id, money, number, when};

/// Calls that an agent's page shows.
const CALLS: u32 = 10;
/// Days of use that it adds up.
const DAYS: u64 = 7;
/// Days over which it is told what its rights are used for.
const REPORT_DAYS: u64 = 30;

pub(crate) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Page, Fault> {
    let agents = console.office.agents(visitor.by()).await?;
    let now = (console.clock)();
    let stopped = agents.iter().filter(|agent| agent.killed).count();
    let body = html! {
        p.lead { "Every agent has an owner and a sponsor who answer for it. Stopping one holds from its next request on and cuts open answers." }
        @if agents.is_empty() {
            p.empty { "No agent is declared yet. The first is made with " code { "alcaide agent create NAME --owner YOU --may 'use:model/*'" } "." }
        } @else {
            p { (agents.len()) " declared, " @if stopped == 0 { "none stopped." } @else { (stopped) " stopped." } }
            div.scroll tabindex="0" role="region" aria-label="Agents" {
                table.rows {
                    thead { tr {
                        th scope="col" { "Agent" } th scope="col" { "State" } th scope="col" { "Unit" } th scope="col" { "Owner" }
                        th scope="col" { "May use" } th scope="col" { "Last call" } th.num scope="col" { "Credentials" }
                    } }
                    tbody {
                        @for agent in &agents {
                            tr {
                                td { a href={ "/agents/" (agent.name) } { (agent.name) } }
                                td { (state(agent)) }
                                td { (agent.unit) }
                                td { (agent.owner) }
                                td { (grants(agent)) }
                                td { @match agent.last_call { Some(at) => (far(at, now)), None => span.quiet { "never" } } }
                                td.num { (agent.credentials) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Page::of(&visitor.0, "/agents", "Agents", body))
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let office = &console.office;
    let agent = agent(&console, &visitor.0, &name).await?;
    let actor = Actor::Agent(agent.id);
    let filter = ActivityFilter { actor: Some(actor), ..ActivityFilter::default() };
    let paging = Paging { limit: Some(CALLS), after: None };
    let calls = office.activity(visitor.by(), filter, paging).await?.items;
    let credentials = office.credentials(visitor.by(), Some(actor)).await?;
    let now = (console.clock)();
    let since = Some(Moment::from_secs(now.secs().saturating_sub(DAYS * 86_400)));
    let long_ago = Some(Moment::from_secs(now.secs().saturating_sub(REPORT_DAYS * 86_400)));
    let rights = office.agent_report(visitor.by(), agent.id, long_ago).await?;
    let usage = office.usage(visitor.by(), UsageFilter { by: UsageBy::Actor, since, until: None }).await?;
    let own = actor.to_string();
    let used = usage.iter().filter(|row| row.id == own);
    let (mut sent, mut refused, mut tokens, mut cost) = (0_u64, 0_u64, 0_u64, 0_u64);
    for row in used {
        sent = sent.saturating_add(row.requests);
        refused = refused.saturating_add(row.refused);
        tokens = tokens.saturating_add(row.input).saturating_add(row.output);
        cost = cost.saturating_add(row.cost_micros);
    }
    let body = html! {
        p.lead { "One agent: whether it may act, who answers for it, and what it did." }
        (standing(&agent, &visitor.0))
        (begin::form(&agent, &visitor.0))
        section.card {
            h2 { "Who answers for it, what it may" }
            (facts([
                ("owner", Some(html! { (agent.owner) })),
                ("sponsor", Some(html! { (agent.sponsor) })),
                ("unit", Some(html! { (agent.unit) })),
                ("may use", Some(grants(&agent))),
                ("epoch", Some(html! { (agent.epoch) " " span.quiet { "tokens below it are dead" } })),
                ("last call", agent.last_call.map(|at| when(at, now))),
                ("its reach", Some(html! { a href={ "/agents/" (agent.name) "/reach" } { "what it touched" } })),
                ("id", Some(html! { code { (agent.id) } })),
            ]))
        }
        section aria-labelledby="use" {
            h2 #use { "Its use in the last " (DAYS) " days" }
            ul.tiles {
                li { span.tile { strong { (number(sent)) } span { "calls sent" } } }
                li { span.tile { strong { (number(refused)) } span { "refused" } } }
                li { span.tile { strong { (number(tokens)) } span { "tokens" } } }
                li { span.tile { strong { (money(cost)) } span { "money" } } }
            }
        }
        section aria-labelledby="calls" {
            h2 #calls { "Its last calls" }
            @if calls.is_empty() { p.empty { "It has made no calls yet. Run it with " code { "alcaide run --agent " (agent.name) " -- PROGRAM" } "." } }
            @else { (activity::table(&calls, now)) p { a href={ "/activity?actor=" (agent.name) } { "All its calls" } } (tasks(&calls, now)) }
        }
        (report::show(&rights, REPORT_DAYS))
        (keys(&credentials, &agent, now))
    };
    Ok(Page::of(&visitor.0, "/agents", format!("Agent {}", agent.name), body).after(after.done.as_deref()))
}

/// The tasks of these calls, newest first, each once.
fn tasks(calls: &[CallView], now: Moment) -> Markup {
    let mut all: Vec<(TaskId, Moment)> = Vec::new();
    for call in calls {
        if let Some(task) = call.task.filter(|task| !all.iter().any(|(known, _)| known == task)) {
            all.push((task, call.at));
        }
    }
    html! {
        @if !all.is_empty() {
            p { "Its last tasks, each with what it read and did:" }
            ul { @for (task, at) in all { li { a href={ "/tasks/" (task) } { "task " (id(&task)) } " " (far(at, now)) } } }
        }
    }
}

/// How it stands, and the one order that changes that.
fn standing(agent: &AgentView, session: &Session) -> Markup {
    let may = session.by.may(Operation::Kill) || answers(agent, session);
    let lift = session.by.may(Operation::Unkill);
    html! {
        @if agent.killed {
            section.card.bad {
                h2 { "An order stopped it" }
                p { "Nothing that it holds is good any more, and it gets no new token." }
                @if lift { p { a.button href={ "/agents/" (agent.name) "/unkill" } { "Let it act again…" } } }
                @else { p.quiet { "An administrator can let it act again." } }
            }
        } @else if agent.standing != Standing::Active {
            section.card.warn { h2 { "It may not act" } p { "Its declaration says " strong { @if agent.standing == Standing::Left { "left" } @else { "quarantined" } } "." } }
        } @else {
            section.card.good {
                h2 { "It may act" }
                p { "Within its grants and the policies in force." }
                @if may { p { a.button.danger href={ "/agents/" (agent.name) "/kill" } { "Stop it…" } } }
                @else { p.quiet { "Its owner, its sponsor, an approver or an administrator can stop it." } }
            }
        }
    }
}

fn answers(agent: &AgentView, session: &Session) -> bool {
    agent.owner == session.name || agent.sponsor == session.name
}

fn keys(credentials: &[CredentialView], agent: &AgentView, now: Moment) -> Markup {
    html! {
        section aria-labelledby="keys" {
            h2 #keys { "Its client credentials" }
            @if credentials.is_empty() {
                p.empty { "No key is enrolled for it. " code { "alcaide run" } " needs none; for a program elsewhere, " code { "alcaide agent enrol " (agent.name) } " opens an enrolment." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Credentials" {
                    table.rows {
                        thead { tr { th scope="col" { "Credential" } th scope="col" { "Key" } th scope="col" { "Enrolled" } } }
                        tbody { @for one in credentials { tr { td { (id(&one.id)) } td { (id(&one.key)) } td { (when(one.enrolled, now)) } } } }
                    }
                }
            }
        }
    }
}

pub(crate) async fn kill_ask(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Page, Fault> {
    let agent = agent(&console, &visitor.0, &name).await?;
    let body = html! {
        p.lead { "From the next request on nothing passes that " strong { (agent.name) } " sends, and answers that are open to it are cut. The order is in the record before it holds, and a restart changes nothing about it." }
        section.card {
            h2 { "What it does" }
            ul {
                li { "Every token and credential of it is dead at once, and of all that act through it." }
                li { "It stays stopped until an administrator lets it act again." }
                li { "Calls that were sent already cannot be taken back." }
            }
            (buttons(&visitor.0, &agent, "kill", "Stop it now", "danger"))
        }
    };
    Ok(Page::of(&visitor.0, "/agents", format!("Stop {}?", agent.name), body))
}

pub(crate) async fn unkill_ask(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Page, Fault> {
    let agent = agent(&console, &visitor.0, &name).await?;
    let body = html! {
        p.lead { strong { (agent.name) } " may then act again within its grants. Tokens from before stay dead: its programs need new ones." }
        section.card { (buttons(&visitor.0, &agent, "unkill", "Let it act again", "main")) }
    };
    Ok(Page::of(&visitor.0, "/agents", format!("Let {} act again?", agent.name), body))
}

fn buttons(session: &Session, agent: &AgentView, verb: &str, text: &str, class: &str) -> Markup {
    html! {
        form.answer method="post" action={ "/agents/" (agent.name) "/" (verb) } {
            (form_token(session))
            button class=(class) type="submit" { (text) }
            a.button data-cancel href={ "/agents/" (agent.name) } { "Leave it as it is" }
        }
    }
}

pub(crate) async fn kill(
    State(console): State<Console>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    ordered(&console, &name, &sent, Ordered::Kill).await
}

pub(crate) async fn unkill(
    State(console): State<Console>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    ordered(&console, &name, &sent, Ordered::Unkill).await
}

/// What is ordered of an agent.
enum Ordered {
    Kill,
    Unkill,
}

async fn ordered(console: &Console, name: &str, sent: &Sent, what: Ordered) -> Result<Response, Fault> {
    let agent = agent(console, &sent.session, name).await?;
    let (by, actor) = (sent.by(), Actor::Agent(agent.id));
    let done = match what {
        Ordered::Kill => console.office.kill(by, actor).await.map(|_| "killed")?,
        Ordered::Unkill => console.office.unkill(by, actor).await.map(|_| "unkilled")?,
    };
    Ok(see_other(&format!("/agents/{}?done={done}", agent.name)))
}

pub(crate) async fn agent(console: &Console, session: &Session, name: &str) -> Result<AgentView, Fault> {
    let given: String = name.chars().take(80).collect();
    let all = console.office.agents(&session.by).await?;
    let found = all.into_iter().find(|agent| agent.name.as_str() == name);
    Ok(found.ok_or(OfficeError::Unknown { what: "agent", given })?)
}

fn state(agent: &AgentView) -> Markup {
    match agent.standing {
        _ if agent.killed => badge("bad", "stopped"),
        Standing::Active => badge("good", "active"),
        Standing::Quarantined => badge("warn", "quarantined"),
        Standing::Left => badge("warn", "left"),
    }
}

fn grants(agent: &AgentView) -> Markup {
    html! {
        @if agent.may.is_empty() { span.quiet { "what policies permit" } }
        @for grant in &agent.may { code { (grant) } " " }
    }
}

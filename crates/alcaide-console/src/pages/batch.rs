//! Open questions task by task: repeats stand once, and one form answers all of a task, about exactly what it shows.

use std::collections::BTreeMap;

use alcaide_control::{
    Decision, Endorsement, FoldedQuestions, Operation, Queue, TaskQuestions, visible_line,
};
use alcaide_inventory::{Moment, TaskId};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::Console;
use crate::door::{Sent, Visitor};
use crate::page::{Fault, Page, form_token, see_other};
use crate::pages::After;
use crate::pages::approvals::decisive;
use crate::words::{far, somebody, word};

/// All that is open, as a table for each task.
pub(crate) fn queue(queue: &Queue, names: &BTreeMap<String, String>, now: Moment) -> Markup {
    html! {
        @for task in &queue.tasks {
            section.card.ask aria-label={ "Questions of task " (task.task) } {
                h3 { (somebody(task.actor, names)) " for " (somebody(task.subject, names)) }
                (entries(task, now))
                p { a href={ "/tasks/" (task.task) "/approvals" } {
                    @if task.own > 1 { "Answer all " (task.own) " at once" } @else { "All of this task's questions" }
                } }
            }
        }
        @if queue.more { p.warn { "There are more open questions than are shown; answer these first." } }
    }
}

fn entries(task: &TaskQuestions, now: Moment) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Questions" {
            table.rows {
                thead { tr { th scope="col" { "Asked" } th scope="col" { "What" } th scope="col" { "How often" } th scope="col" { "Until" } } }
                tbody {
                    @for entry in &task.entries {
                        @if let Some(one) = entry.questions.first() {
                            tr {
                                td { a href={ "/approvals/" (one.id) } { (far(one.at, now)) } }
                                td { (what(entry)) }
                                td { @if entry.questions.len() > 1 { (entry.questions.len()) " times the same" } @else { "once" } }
                                td { (far(one.expires, now)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is to be done, in a server's own words where it is a tool.
fn what(entry: &FoldedQuestions) -> String {
    let Some(one) = entry.questions.first() else { return String::new() };
    let action = one.action.as_ref().map(word).unwrap_or_default();
    let on = one.tool_name.clone().or_else(|| one.route_name.as_ref().map(ToString::to_string));
    on.map_or_else(|| action.clone(), |on| format!("{action} {}", visible_line(&on)))
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(task): Path<String>,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let id = id_of(&task)?;
    let names = console.office.names(visitor.by()).await?;
    let queue = console.office.queue(visitor.by()).await?;
    let now = (console.clock)();
    let found = queue.tasks.iter().find(|one| one.task == id);
    let body = html! {
        p.lead { "All that this task asks now. One yes is one order for each call that is listed, for exactly those calls, once each; if one of them has been answered meanwhile, none is answered and you are told." }
        @match found {
            None => { p.empty { "Nothing of this task waits for an answer." } }
            Some(found) => {
                @for entry in &found.entries { (card(entry, now)) }
                @if found.own == 0 { p.quiet { "None of them is yours to answer with yes." } }
                @else { (answers(found, form_token(&visitor.0))) }
            }
        }
        p { a href={ "/tasks/" (id) } { "What the task read and did" } " · " a href="/approvals" { "All questions" } }
    };
    Ok(Page::of(&visitor.0, "/approvals", format!("Questions of {}", short(found, &names)), body)
        .after(after.done.as_deref()))
}

fn short(task: Option<&TaskQuestions>, names: &BTreeMap<String, String>) -> String {
    task.and_then(|task| names.get(&task.actor.to_string())).cloned().unwrap_or_else(|| "one task".into())
}

fn card(entry: &FoldedQuestions, now: Moment) -> Markup {
    html! {
        section.card {
            h2 { (what(entry)) @if entry.questions.len() > 1 { ", " (entry.questions.len()) " times the same" } }
            @if let Some(shown) = &entry.shown { (decisive(shown)) }
            @else { p.quiet { @if entry.own { "Nothing of it is known to decide: look at each call." } @else { "Others are asked." } } }
            ul {
                @for one in &entry.questions { li { a href={ "/approvals/" (one.id) } { "question, asked " (far(one.at, now)) } } }
            }
        }
    }
}

fn answers(task: &TaskQuestions, token: Markup) -> Markup {
    let (yes, no) = match task.own {
        1 => ("Yes, this one call once".to_owned(), "No".to_owned()),
        many => (format!("Yes, these {many} calls once each"), format!("No to all {many}")),
    };
    let can = task.entries.iter().filter(|entry| entry.own).filter_map(|entry| entry.shown.as_ref());
    let endorsable = can.flat_map(|shown| &shown.values).any(|value| value.endorsable);
    html! {
        div.answer {
            form method="post" action={ "/tasks/" (task.task) "/approvals/approve" } {
                (token)
                input type="hidden" name="digest" value=(task.digest);
                @if endorsable {
                    label { input type="checkbox" name="endorse.0" value="yes"; " All of the values above are right for this task: do not ask about them again" }
                }
                button.main type="submit" { (yes) }
            }
            form method="post" action={ "/tasks/" (task.task) "/approvals/deny" } {
                (token)
                input type="hidden" name="digest" value=(task.digest);
                button.danger type="submit" { (no) }
            }
        }
    }
}

pub(crate) async fn approve(
    State(console): State<Console>,
    Path(task): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    answer(&console, &task, &sent, Decision::Approve).await
}

pub(crate) async fn deny(
    State(console): State<Console>,
    Path(task): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    answer(&console, &task, &sent, Decision::Deny).await
}

async fn answer(console: &Console, task: &str, sent: &Sent, decision: Decision) -> Result<Response, Fault> {
    let id = id_of(task)?;
    // Without the digest that a page of this console carries, nothing that is open counts as shown.
    let digest = sent.field("digest").ok().and_then(|text| text.parse().ok());
    if digest.is_none() && sent.by().may(Operation::Approve) {
        return Err(Fault::Stale);
    }
    let all = decision == Decision::Approve && !sent.ticked("endorse").is_empty();
    let endorsement = if all { Endorsement::All } else { Endorsement::None };
    console.office.answer_task(sent.by(), id, (decision, endorsement), digest).await?;
    Ok(see_other(match decision {
        Decision::Approve => "/approvals?done=all-approved",
        Decision::Deny => "/approvals?done=all-denied",
    }))
}

fn id_of(text: &str) -> Result<TaskId, Fault> {
    text.parse().map_err(|_| Fault::Address)
}

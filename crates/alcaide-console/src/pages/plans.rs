//! Plans: what each changed, two side by side, and the way back.

use alcaide_control::{Change, Operation, PlanDifference, PlanView, Session, What};
use alcaide_inventory::PlanNumber;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::Console;
use crate::difference;
use crate::door::{Sent, Visitor};
use crate::page::{Fault, Page, form_token, see_other};
use crate::pages::{After, older};
use crate::words::{badge, id, named, when};

pub(crate) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let page = console.office.plans(visitor.by(), after.paging()).await?;
    let names = console.office.names(visitor.by()).await?;
    let now = (console.clock)();
    let row = |plan: &PlanView| {
        html! {
            tr {
                td { a href={ "/plans/" (plan.number) } { "Plan " (plan.number) } }
                td { @if plan.in_force { (badge("good", "in force")) } }
                td { (when(plan.made, now)) }
                td { @match &plan.by { Some(human) => (named(human, &names)), None => span.quiet { "operator" } } }
                td { @if let Some(same) = plan.repeats { "repeats plan " (same) } }
                td { (id(&plan.digest)) }
                td { a href={ "/log/entries/" (plan.index) } { "entry " (plan.index) } }
            }
        }
    };
    let body = html! {
        p.lead { "Everything declared is one numbered plan. A plan comes into force whole, and a call lives under one plan from its first byte to its outcome." }
        div.scroll tabindex="0" role="region" aria-label="Plans" {
            table.rows {
                thead { tr { th scope="col" { "Plan" } th scope="col" { "State" } th scope="col" { "Made" } th scope="col" { "By" } th scope="col" { "Note" } th scope="col" { "Digest" } th scope="col" { "Record" } } }
                tbody { @for plan in &page.items { (row(plan)) } }
            }
        }
        (older("/plans", page.next.as_ref(), "plans"))
        section.card { h2 { "To change something" } p { "Edit the folder of declarations, then " code { "alcaide plan FOLDER" } " shows what would change and " code { "alcaide apply FOLDER" } " does it." } }
    };
    Ok(Page::of(&visitor.0, "/plans", "Plans", body).after(after.done.as_deref()))
}

/// With which other plan to compare.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct With {
    with: String,
    done: Option<String>,
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(asked): Query<With>,
) -> Result<Page, Fault> {
    let number = number_of(&number)?;
    let in_force = console.office.current().number;
    let from = match asked.with.as_str() {
        "" => PlanNumber(number.0.saturating_sub(1).max(1)),
        text => number_of(text)?,
    };
    let difference = console.office.plan_difference(visitor.by(), from, number).await?;
    let body = html! {
        p.lead { @if number == in_force { "This plan is in force." } @else { "This plan was in force once; plan " a href={ "/plans/" (in_force) } { (in_force) } " is now." } }
        form.filter method="get" action={ "/plans/" (number) } {
            div { label for="with" { "Compare with plan" } input #with name="with" type="number" min="1" max=(in_force) value=(from); }
            button type="submit" { "Compare" }
        }
        @if number != in_force { (way_back(&visitor.0, number)) }
        (changes(&difference, from, number))
    };
    Ok(Page::of(&visitor.0, "/plans", format!("Plan {number}"), body).after(asked.done.as_deref()))
}

fn way_back(session: &Session, number: PlanNumber) -> Markup {
    html! {
        @if session.by.may(Operation::Rollback) {
            p { a.button href={ "/plans/" (number) "/rollback" } { "Bring it into force again…" } }
        } @else { p.quiet { "An administrator can bring it into force again." } }
    }
}

fn changes(difference: &PlanDifference, from: PlanNumber, to: PlanNumber) -> Markup {
    html! {
        section aria-labelledby="changes" {
            h2 #changes { "What differs from plan " (from) " to plan " (to) }
            @if difference.changes.is_empty() { p.empty { "The declarations are the same." @if from != to { " What differs is a secret or an accepted tool." } } }
            @else {
                ul.changes { @for change in &difference.changes { li { (one(change)) } } }
                (difference::table(&difference.before, &difference.after, (&format!("plan {from}"), &format!("plan {to}"))))
            }
        }
    }
}

fn one(change: &Change) -> Markup {
    html! {
        @match &change.what {
            What::Added => (badge("good", "added")),
            What::Removed => (badge("bad", "removed")),
            What::Changed { .. } => (badge("warn", "changed")),
        }
        " " (change.kind.as_str()) " " strong { (change.name) }
        @if let What::Changed { fields } = &change.what { ": " (fields.join(", ")) }
        @if let Some(because) = &change.because { " " span.quiet { (because) } }
    }
}

pub(crate) async fn rollback_ask(
    State(console): State<Console>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Result<Page, Fault> {
    let number = number_of(&number)?;
    let in_force = console.office.current().number;
    let difference = console.office.plan_difference(visitor.by(), in_force, number).await?;
    let body = html! {
        p.lead { "The declarations of plan " (number) " come into force again under a new number. Secrets and accepted tools stay as they are now." }
        section.card {
            form.answer method="post" action={ "/plans/" (number) "/rollback" } {
                (form_token(&visitor.0))
                input type="hidden" name="expected" value=(in_force);
                button.danger type="submit" { "Go back to plan " (number) }
                a.button data-cancel href={ "/plans/" (number) } { "Leave it as it is" }
            }
            p.quiet { "If another plan comes into force before you press it, nothing is done." }
        }
        (changes(&difference, in_force, number))
    };
    Ok(Page::of(&visitor.0, "/plans", format!("Go back to plan {number}?"), body))
}

pub(crate) async fn rollback(
    State(console): State<Console>,
    Path(number): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let number = number_of(&number)?;
    let expected = number_of(sent.field("expected")?)?;
    let applied = console.office.rollback(sent.by(), number, Some(expected)).await?;
    Ok(see_other(&format!("/plans/{}?done=rolled-back", applied.number)))
}

fn number_of(text: &str) -> Result<PlanNumber, Fault> {
    text.parse().map(PlanNumber).map_err(|_| Fault::Address)
}

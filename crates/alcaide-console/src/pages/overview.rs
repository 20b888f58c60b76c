//! The first page: is it well, and what waits for somebody?

use alcaide_control::{ActivityFilter, CallState, Paging};
use axum::extract::State;
use maud::{Markup, html};

use crate::Console;
use crate::door::Visitor;
use crate::page::{Fault, Page};
use crate::pages::activity;
use crate::words::{money, number};

/// How many refusals are shown.
const REFUSALS: u32 = 5;

pub(crate) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Page, Fault> {
    let office = &console.office;
    let survey = office.survey(visitor.by()).await?;
    let filter = ActivityFilter { state: Some(CallState::Refused), ..ActivityFilter::default() };
    let paging = Paging { limit: Some(REFUSALS), after: None };
    let refused = office.activity(visitor.by(), filter, paging).await?.items;
    let now = (console.clock)();
    let body = html! {
        p.lead { "The gate stands between your agents and everything that they can reach. This is how it stands now." }
        (health(&(console.ready)()))
        @if survey.questions + survey.tools_waiting + survey.stopped > 0 || survey.agents == 0 {
            section.card {
                h2 { "What waits" }
                ul.waiting {
                    @if survey.questions > 0 {
                        li { a href="/approvals" { strong { (survey.questions) } @if survey.questions == 1 { " question" } @else { " questions" } }
                            " of the gate can be answered now" }
                    }
                    @if survey.tools_waiting > 0 {
                        li { a href="/tools" { strong { (survey.tools_waiting) } @if survey.tools_waiting == 1 { " tool" } @else { " tools" } }
                            @if survey.tools_waiting == 1 { " waits" } @else { " wait" } " to be accepted" }
                    }
                    @if survey.stopped > 0 {
                        li { a href="/agents" { strong { (survey.stopped) } @if survey.stopped == 1 { " agent" } @else { " agents" } }
                            " stopped by an order" }
                    }
                    @if survey.agents == 0 {
                        li { "No agent is declared yet: " code { "alcaide agent create NAME --owner YOU --may 'use:model/*'" } }
                    }
                }
            }
        }
        section aria-labelledby="today" {
            h2 #today { "Today, by UTC" }
            ul.tiles {
                (tile("/activity?state=ended", "calls sent", number(survey.requests), ""))
                (tile("/activity?state=refused", "calls refused", number(survey.refused), if survey.refused > 0 { "warn" } else { "" }))
                (tile("/activity", "tokens", number(survey.tokens), ""))
                (tile("/activity", "money", money(survey.cost_micros), ""))
                (tile("/agents", "agents", number(survey.agents), ""))
                (tile(&format!("/plans/{}", survey.plan), "plan in force", number(survey.plan.0), ""))
                (tile("/log", "entries", number(survey.entries), ""))
            }
        }
        section aria-labelledby="refusals" {
            h2 #refusals { "Last refusals" }
            @if refused.is_empty() {
                p.empty { "Nothing was refused yet. When it is, the reason and its cure stand here." }
            } @else {
                (activity::table(&refused, now))
                p { a href="/activity?state=refused" { "All refusals" } }
            }
        }
        section aria-labelledby="reach" {
            h2 #reach { "How agents reach the gate" }
            p { "At " code { (console.gate) } ": change the base URL, or run " code { "alcaide run --agent NAME -- PROGRAM" } "." }
        }
    };
    Ok(Page::of(&visitor.0, "/", "Overview", body))
}

fn health(ready: &Result<(), String>) -> Markup {
    match ready {
        Ok(()) => html! {
            section.card.good { h2 { "All is well" } p { "A plan is in force, the record can be written, the gate takes calls." } }
        },
        Err(why) => html! {
            section.card.bad role="alert" { h2 { "The house may not be used now" } p { (why) ". Run " code { "alcaide doctor" } " on its machine." } }
        },
    }
}

fn tile(path: &str, what: &str, much: String, class: &str) -> Markup {
    html! { li class=(class) { a href=(path) { strong { (much) } span { (what) } } } }
}

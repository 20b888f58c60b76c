//! What an agent's rights are used for: a section of its page.

use alcaide_control::{AgentReport, Asked, Habit, Use, visible_line};
use maud::{Markup, html};

use crate::words::{badge, number, word};

/// Rows of a table; the rest is on the command line.
const ROWS: usize = 30;

pub(crate) fn show(report: &AgentReport, days: u64) -> Markup {
    html! {
        section aria-labelledby="rights" {
            h2 #rights { "What its rights were used for in the last " (days) " days" }
            (grants(report))
            (used(&report.used))
            (asked(&report.asked))
            @if report.more { p.quiet { "It made more calls than are counted here: the newest count." } }
        }
    }
}

fn grants(report: &AgentReport) -> Markup {
    let idle: Vec<_> = report.grants.iter().filter(|one| one.calls == 0).collect();
    html! {
        @if report.grants.is_empty() { p { "It has no grants: what it may comes from policies alone." } }
        @else if idle.is_empty() { p { "Every grant of it was used." } }
        @else { p { (badge("warn", "never used")) " " @for one in &idle { code { (one.grant) } " " } "– a right that nothing uses can go." } }
    }
}

fn used(all: &[Use]) -> Markup {
    html! {
        @if all.is_empty() { p.empty { "It called nothing." } } @else {
            div.scroll tabindex="0" role="region" aria-label="What it used" {
                table.rows {
                    thead { tr { th scope="col" { "What it used" } th.num scope="col" { "Sent" } th.num scope="col" { "Refused or waiting" } } }
                    tbody { @for one in all.iter().take(ROWS) { tr {
                        td { @if let Some(action) = &one.action { (word(action)) " " } (on(one.tool_name.as_deref(), one.route_name.as_ref().map(AsRef::as_ref))) }
                        td.num { (number(one.sent)) }
                        td.num { (number(one.refused)) }
                    } } }
                }
            }
            @if all.len() > ROWS { p.quiet { (all.len() - ROWS) " more with " code { "alcaide agent report" } "." } }
        }
    }
}

fn asked(all: &[Asked]) -> Markup {
    html! {
        @if !all.is_empty() {
            p { "What people were asked about it, and what they said:" }
            div.scroll tabindex="0" role="region" aria-label="Questions about it" {
                table.rows {
                    thead { tr { th scope="col" { "About" } th.num scope="col" { "Yes" } th.num scope="col" { "No" } th.num scope="col" { "Not answered" } th scope="col" { "Habit" } } }
                    tbody { @for one in all.iter().take(ROWS) { tr {
                        td { (on(one.tool_name.as_deref(), one.route_name.as_ref().map(AsRef::as_ref))) }
                        td.num { (number(one.given)) }
                        td.num { (number(one.denied)) }
                        td.num { (number(one.unanswered)) }
                        td { @match one.habit {
                            Some(habit) => { (badge(if habit == Habit::AlwaysGiven { "warn" } else { "bad" }, &word(&habit))) " " (habit.as_str()) },
                            None => span.quiet { "none" },
                        } }
                    } } }
                }
            }
        }
    }
}

/// A tool by name, else a route. Names of tools are a server's.
fn on(tool: Option<&str>, route: Option<&str>) -> Markup {
    match (tool, route) {
        (Some(tool), _) => html! { strong { (visible_line(tool)) } },
        (None, Some(route)) => html! { strong { (route) } },
        (None, None) => html! { span.quiet { "what is not declared any more" } },
    }
}

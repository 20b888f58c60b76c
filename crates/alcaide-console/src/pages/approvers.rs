//! Those who answer questions: how often, how fast, and what the office refused.

use alcaide_control::{AnswerCount, ApproverView};
use axum::extract::State;
use maud::{Markup, html};

use crate::Console;
use crate::door::Visitor;
use crate::page::{Fault, Page};
use crate::words::badge;

pub(crate) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Page, Fault> {
    let all = console.office.approvers(visitor.by()).await?;
    let body = html! {
        p.lead { "Who answers the gate's questions. A yes costs a look: past a number of yes within an hour the office takes no more from that person, and fewer where money, credentials or what cannot be undone is asked about. A no is always taken." }
        @if all.is_empty() { p.empty { "Nobody has the role of an approver, and nobody has answered within the week." } } @else { (table(&all)) }
        p { a href="/approvals" { "The questions" } }
    };
    Ok(Page::of(&visitor.0, "/approvals", "Approvers", body))
}

fn table(all: &[ApproverView]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Approvers" {
            table.rows {
                thead { tr {
                    th scope="col" { "Who" } th scope="col" { "Last hour" } th scope="col" { "Last day" } th scope="col" { "Last week" }
                    th scope="col" { "Median answer" } th scope="col" { "Within 5 s" } th scope="col" { "Yes left now" }
                } }
                tbody {
                    @for one in all {
                        tr {
                            td { (name(one)) @if one.warning { " " (badge("bad", "hardly looks")) } }
                            td { (count(&one.hour)) } td { (count(&one.day)) } td { (count(&one.week)) }
                            td { @if let Some(median) = one.median_ms { (seconds(median)) } @else { span.quiet { "none" } } }
                            td { @if let Some(share) = one.fast_percent { (share) " %" } @else { span.quiet { "none" } } }
                            td { (one.left.any) ", of them " (one.left.grave) " grave" }
                        }
                    }
                }
            }
        }
        p.quiet { "Counts are yes, no, yes to grave questions, and yes that were refused. " em { "Hardly looks" } ": of five answers or more, half came within 5 seconds of the question, or a fifth did." }
    }
}

fn name(one: &ApproverView) -> String {
    one.name.as_ref().map_or_else(|| one.human.to_string(), ToString::to_string)
}

fn count(count: &AnswerCount) -> String {
    format!("{} yes, {} no, {} grave, {} refused", count.yes, count.no, count.grave_yes, count.refused)
}

/// Seconds with a tenth.
fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
}

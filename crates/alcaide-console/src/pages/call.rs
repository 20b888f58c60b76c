//! One call in full: its summary, then its passage stage by stage, with the entries that prove it.

use alcaide_control::{CallState, Passage};
use alcaide_inventory::{CallId, Moment};
use axum::extract::{Path, State};
use maud::{Markup, html};

use crate::Console;
use crate::door::Visitor;
use crate::page::{Fault, Page};
use crate::pages::{origins, stages};
use crate::words::{facts, money, somebody, target, took, verdict, when, word};

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(call): Path<String>,
) -> Result<Page, Fault> {
    let call: CallId = call.parse().map_err(|_| Fault::Address)?;
    let passage = console.office.passage(visitor.by(), call).await?;
    let from = console.office.origins(visitor.by(), call).await?;
    let influence = console.office.influence(visitor.by(), call).await?;
    let now = (console.clock)();
    let body = html! {
        p.lead { "One call on its way through the gate, as the record holds it. The record holds no content: digests, sizes and classes stand for it." }
        (summary(&passage, now))
        (origins::influence(influence.as_ref(), now))
        (origins::show(from.as_ref(), now))
        section aria-labelledby="passage" {
            h2 #passage { "Its passage" }
            (stages::show(&passage, now))
        }
        @if let (Some(plan), Some(code)) = (passage.call.plan, &passage.call.code) {
            section.card {
                h2 { "What would change it" }
                p { a href={ "/problems/" (code) } { (code) } " says what the refusal means and what cures it. The decision was made under "
                    a href={ "/plans/" (plan) } { "plan " (plan) } "; nothing was sent." }
            }
        }
    };
    Ok(Page::of(&visitor.0, "/activity", "Call", body))
}

fn summary(passage: &Passage, now: Moment) -> Markup {
    let call = &passage.call;
    let (class, said) = match call.state {
        CallState::Ended if call.end.as_ref().map(word).as_deref() == Some("complete") => {
            ("good", "It was sent, and it ended well.")
        }
        CallState::Ended => ("warn", "It was sent, and it did not end as it should."),
        CallState::Unknown => {
            ("warn", "It was sent, or about to be; how it ended is not known. Never read this as success.")
        }
        CallState::Refused if call.approval.is_some() => {
            ("ask", "It was held back until somebody answers. Nothing was sent.")
        }
        CallState::Refused => ("bad", "It was refused. Nothing was sent."),
    };
    let on = target(call);
    html! {
        section class={ "card " (class) } {
            h2 { (said) }
            (facts([
                ("outcome", Some(html! { (verdict(call)) @if let Some(code) = &call.code { " " a href={ "/problems/" (code) } { (code) } } })),
                ("who", call.actor.map(|actor| somebody(actor, &passage.names))),
                ("on behalf of", call.subject.map(|subject| somebody(subject, &passage.names))),
                ("what", call.action.as_ref().map(|action| html! { (word(action)) @if let Some(on) = &on { " " strong { (on) } } })),
                ("task", call.task.map(|task| html! { a href={ "/tasks/" (task) } { "what its task read and did" } })),
                ("its answer", (call.state != CallState::Refused).then(|| html! { a href={ "/calls/" (call.call) "/reach" } { "what it touched afterwards" } })),
                ("when", Some(when(call.at, now))),
                ("took", call.duration_us.map(|micros| html! { (took(micros)) })),
                ("tokens", call.usage.as_ref().map(|usage| html! {
                    (usage.input) " in, " (usage.output) " out, " (money(usage.cost_micros)) @if usage.estimated { " (estimated)" }
                })),
                ("call", Some(html! { code { (call.call) } })),
            ]))
        }
    }
}

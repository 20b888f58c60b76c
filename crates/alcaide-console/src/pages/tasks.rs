//! One task: what it read, what it did, and what came from where, as a graph and as a table.

use alcaide_control::{FlowCall, TaskFlow, visible_line};
use alcaide_inventory::{CallId, Moment, TaskId};
use axum::extract::{Path, State};
use maud::{Markup, html};

use crate::Console;
use crate::door::Visitor;
use crate::page::{Fault, Page};
use crate::pages::graph;
use crate::words::{badge, facts, far, id, list, somebody, target, verdict, word};

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(task): Path<String>,
) -> Result<Page, Fault> {
    let task: TaskId = task.parse().map_err(|_| Fault::Address)?;
    let flow = console.office.task_flow(visitor.by(), task).await?;
    let names = console.office.names(visitor.by()).await?;
    let now = (console.clock)();
    let asked = flow.calls.iter().filter(|one| graph::mark(one) == Some("?")).count();
    let refused = flow.calls.iter().filter(|one| graph::mark(one) == Some("×")).count();
    let strange = flow.calls.iter().filter(|one| one.reads_strangers()).count();
    let body = html! {
        p.lead { "One task: what it read, what it did, and which answers gave arguments to which calls. The record holds classes and ids, no values." }
        section.card {
            (facts([
                ("who acts", flow.actor.map(|actor| somebody(actor, &names))),
                ("the user's words", Some(html! { (words(&flow)) })),
                ("calls", Some(html! { (flow.calls.len()) @if flow.more { ", the newest; older ones are in the record" } })),
                ("read strangers", Some(html! { (strange) @if strange == 1 { " time" } @else { " times" } })),
                ("waiting or asked", (asked > 0).then(|| html! { (asked) })),
                ("refused", (refused > 0).then(|| html! { (refused) })),
                ("task", Some(html! { code { (flow.task) } })),
            ]))
        }
        section aria-labelledby="graph" {
            h2 #graph { "What came from where" }
            @if flow.calls.is_empty() { p.empty { "It has made no calls yet." } } @else { (graph::draw(&flow)) (table(&flow, now)) }
        }
    };
    Ok(Page::of(&visitor.0, "/activity", "Task", body))
}

fn words(flow: &TaskFlow) -> &'static str {
    match word(&flow.words).as_str() {
        "attested" => "attested: they came with the task, signed by whoever started it",
        "asserted" => "asserted by the agent's own program alone",
        _ => "not known",
    }
}

fn table(flow: &TaskFlow, now: Moment) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Calls of the task" {
            table.rows {
                thead { tr {
                    th.num scope="col" { "No." } th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Outcome" }
                    th scope="col" { "Its answer" } th scope="col" { "Its arguments come from" } th scope="col" { "What is wrong" }
                } }
                tbody { @for (at, one) in flow.calls.iter().enumerate() { (row(flow, at, one, now)) } }
            }
        }
    }
}

fn row(flow: &TaskFlow, at: usize, one: &FlowCall, now: Moment) -> Markup {
    let call = &one.call;
    html! {
        tr {
            td.num { (at + 1) }
            td { a href={ "/calls/" (call.call) } { (far(call.at, now)) } }
            td {
                @if let Some(action) = &call.action { (word(action)) " " } @if let Some(on) = target(call) { strong { (on) } }
                @if let Some(effect) = &one.effect { " " span.quiet { (word(effect)) } }
            }
            td { (verdict(call)) }
            td {
                @match &one.reads {
                    Some(_) if one.reads_strangers() => (badge("warn", "strangers can write there")),
                    Some(label) => span.quiet { (word(&label.integrity)) },
                    None => span.quiet { "nothing was read" },
                }
                @if one.plants { " " (badge("warn", "stored text that strangers had a part in")) }
            }
            td { (comes(flow, one)) }
            td { @if one.wrong.is_empty() { span.quiet { "nothing" } } @for wrong in &one.wrong { (badge("bad", &word(wrong))) " " } }
        }
    }
}

/// Kinds of provenance, and the calls whose answers were read.
fn comes(flow: &TaskFlow, one: &FlowCall) -> Markup {
    let sources = flow.edges.iter().filter(|edge| edge.to == one.call.call).filter_map(|edge| edge.from);
    html! {
        @if one.from.is_empty() { span.quiet { "not said" } } @else { (list(one.from.iter().map(word))) }
        @for source in sources { " " (number(flow, source)) }
        @if one.more_sources > 0 { " and " (one.more_sources) " more" }
    }
}

/// The number of a call in the table, or the call where it is not in it.
fn number(flow: &TaskFlow, call: CallId) -> Markup {
    match flow.calls.iter().position(|one| one.call.call == call) {
        Some(at) => {
            let what = flow.calls.get(at).and_then(FlowCall::what).unwrap_or_default();
            html! { a href={ "/calls/" (call) } title=(visible_line(&what)) { "no. " (at + 1) } }
        }
        None => html! { a href={ "/calls/" (call) } { "call " (id(&call)) } },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(bits: u8, name: &str, state: &str, acts: bool, integrity: &str) -> Value {
        json!({
            "call": format!("cal_{bits:026}"), "state": state, "at": 1_000_000, "actor": null, "actor_name": null, "subject": null,
            "subject_name": null, "earlier": [], "unit": null, "task": null, "run": null, "action": "call_tool", "route": null,
            "route_name": null, "tool": null, "tool_name": name, "decision": null, "policies": [], "plan": null,
            "approval": (state == "refused").then(|| format!("apr_{bits:026}")), "code": null, "stage": null, "status": null,
            "end": null, "usage": null, "duration_us": null, "released_bytes": 0, "attempts": 1, "entries": [],
            "effect": if acts { "money" } else { "read" }, "acts": acts,
            "reads": { "integrity": integrity, "confidentiality": "internal" }, "from": ["untrusted"], "wrong": ["unbound"],
            "plants": false, "more_sources": 0,
        })
    }

    fn flow(edges: Value) -> TaskFlow {
        let calls = [
            call(1, "mail/<b>\u{202e}", "ended", false, "untrusted"),
            call(2, "bank/pay", "refused", true, "trusted"),
        ];
        serde_json::from_value(json!({
            "task": format!("tsk_{:026}", 3), "actor": null, "actor_name": null, "words": "attested", "calls": calls,
            "more": false, "edges": edges,
        }))
        .unwrap()
    }

    #[test]
    fn the_graph_says_by_shape_mark_and_line_what_the_table_says() {
        let edge = |from: Option<u8>, untrusted: bool| json!({ "from": from.map(|bits| format!("cal_{bits:026}")), "to": format!("cal_{:026}", 2), "untrusted": untrusted });
        let flow = flow(json!([edge(None, false), edge(Some(1), true), edge(Some(9), false)]));
        let drawn = graph::draw(&flow).0;
        for part in [
            "The user's words",
            "Calls before these",
            "class=\"edge user\"",
            "class=\"edge strange\"",
            "class=\"edge\"",
            "class=\"node outer\"",
            "<rect class=\"node ask\"",
            ">?</text>",
            "mail/&lt;b&gt;⟨U+202E⟩",
        ] {
            assert!(drawn.contains(part), "no {part} in {drawn}");
        }
        assert!(!drawn.contains("<b>") && !drawn.contains("style") && !drawn.contains("id="), "{drawn}");
        let table = table(&flow, Moment::from_secs(9)).0;
        assert!(
            table.contains("no. 1") && table.contains("mail/&lt;b&gt;⟨U+202E⟩") && table.contains("unbound"),
            "{table}"
        );
    }

    #[test]
    fn a_long_task_stays_a_drawing_of_bounded_width() {
        let mut flow = flow(json!([]));
        let one = flow.calls.remove(0);
        flow.calls = (0..200)
            .map(|bits| {
                let mut one = one.clone();
                one.call.call = CallId::from_bits(bits);
                one
            })
            .collect();
        let from = |bits| Some(CallId::from_bits(bits));
        flow.edges = (1..200)
            .map(|bits| alcaide_control::FlowEdge {
                from: from(0),
                to: CallId::from_bits(bits),
                untrusted: true,
            })
            .collect();
        let drawn = graph::draw(&flow).0;
        assert_eq!(drawn.matches("edge strange").count(), 2 * 199);
        // The farthest arcs stop at the edge of the drawing.
        let lefts = drawn.split(" C").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<i64>().ok());
        let lefts: Vec<i64> = lefts.collect();
        assert_eq!((lefts.len(), lefts.iter().min()), (199, Some(&8)), "{lefts:?}");
    }
}

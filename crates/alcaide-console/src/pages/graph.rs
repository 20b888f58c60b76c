//! The graph of a task, drawn on the server: time runs down, one line for each call; on the left an arc leads from what
//! gave arguments to the call that they were given to. Shapes, marks and kinds of line say all that colour says; whoever
//! cannot see it reads the table below it, which says more.

use std::collections::HashMap;
use std::fmt::Write as _;

use alcaide_control::{FlowCall, FlowEdge, TaskFlow, visible_line};
use alcaide_inventory::CallId;
use maud::{Markup, html};

use crate::words::word;

/// Height of a line.
const LINE: u32 = 34;
/// Where the middle of the shapes is, from the left.
const MIDDLE: u32 = 190;
/// How wide the drawing is.
const WIDTH: u32 = 820;
/// How far an arc reaches to the left at least, how much further for each line, and at most.
const REACH: (u32, u32, u32) = (26, 9, 170);
/// Most characters of a line.
const TEXT_CHARS: usize = 78;

/// The drawing; nothing where there are no calls.
pub(crate) fn draw(flow: &TaskFlow) -> Markup {
    if flow.calls.is_empty() {
        return html! {};
    }
    let lines = Lines::of(flow);
    let height = lines.y(lines.count).saturating_sub(LINE / 2);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Flow graph" {
            svg.flow viewBox={ "0 0 " (WIDTH) " " (height) } width=(WIDTH) height=(height) role="img"
                aria-label="What the task read and did, as a graph; the table below says the same" {
                @for edge in &flow.edges { (arc(edge, &lines)) }
                @if let Some(at) = lines.user { (source("user", "The user's words", lines.y(at))) }
                @if let Some(at) = lines.before { (source("before", "Calls before these", lines.y(at))) }
                @for call in &flow.calls {
                    @if let Some(at) = lines.calls.get(&call.call.call) { (node(call, lines.y(*at))) }
                }
            }
        }
        ul.legend {
            li { "square: can do something; circle: reads" }
            li { "double outline: strangers can write its answer" }
            li { "?: a person is asked; ×: refused" }
            li { "endorsed: people said that a value which decides what it does is right for this task" }
            li { "thick line: strangers had a part in what was passed on; dashed: trusted; dotted: the user's words" }
        }
    }
}

/// Which line each thing stands on.
struct Lines {
    user: Option<u32>,
    before: Option<u32>,
    calls: HashMap<CallId, u32>,
    count: u32,
}

impl Lines {
    fn of(flow: &TaskFlow) -> Self {
        let mut count = 0_u32;
        let mut next = || {
            let at = count;
            count = count.saturating_add(1);
            at
        };
        let user = flow.edges.iter().any(|edge| edge.from.is_none()).then(&mut next);
        let shown = |id: CallId| flow.calls.iter().any(|one| one.call.call == id);
        let before = flow.edges.iter().any(|edge| edge.from.is_some_and(|id| !shown(id))).then(&mut next);
        let calls = flow.calls.iter().map(|one| (one.call.call, next())).collect();
        Self { user, before, calls, count }
    }

    fn y(&self, at: u32) -> u32 {
        debug_assert!(at <= self.count);
        at.saturating_mul(LINE).saturating_add(LINE / 2 + 6)
    }

    fn of_edge(&self, edge: &FlowEdge) -> Option<(u32, u32)> {
        let from = match edge.from {
            None => self.user?,
            Some(id) => self.calls.get(&id).copied().or(self.before)?,
        };
        Some((from, *self.calls.get(&edge.to)?))
    }
}

fn arc(edge: &FlowEdge, lines: &Lines) -> Markup {
    let Some((from, to)) = lines.of_edge(edge) else { return html! {} };
    let class = match (edge.from, edge.untrusted) {
        (None, _) => "edge user",
        (Some(_), true) => "edge strange",
        (Some(_), false) => "edge",
    };
    let (y1, y2) = (lines.y(from), lines.y(to));
    let (least, each, most) = REACH;
    let reach = least.saturating_add(each.saturating_mul(from.abs_diff(to))).min(most);
    let (out, tip) = (MIDDLE - 12, MIDDLE - 13);
    let left = out.saturating_sub(reach);
    let mut path = String::new();
    // INVARIANT: writing into a String does not fail.
    let _ = write!(path, "M{out} {y1} C{left} {y1} {left} {y2} {tip} {y2}");
    let mut head = String::new();
    let _ = write!(head, "M{} {} L{tip} {y2} L{} {} Z", tip - 8, y2.saturating_sub(4), tip - 8, y2 + 4);
    html! {
        path class=(class) d=(path) {}
        path class={ "head " (class) } d=(head) {}
    }
}

fn source(class: &str, text: &str, y: u32) -> Markup {
    html! {
        circle class={ "node " (class) } cx=(MIDDLE) cy=(y) r="9" {}
        circle class={ "dot " (class) } cx=(MIDDLE) cy=(y) r="3" {}
        text x=(MIDDLE + 22) y=(y + 5) { (text) }
    }
}

fn node(one: &FlowCall, y: u32) -> Markup {
    let class = class(one);
    html! {
        @if one.reads_strangers() { (shape(one, "outer", y, 12)) }
        (shape(one, class, y, 8))
        @if let Some(mark) = mark(one) { text.mark x=(MIDDLE) y=(y + 5) { (mark) } }
        text x=(MIDDLE + 22) y=(y + 5) { (line(one)) }
    }
}

fn shape(one: &FlowCall, class: &str, y: u32, half: u32) -> Markup {
    html! {
        @if one.acts {
            rect class={ "node " (class) } x=(MIDDLE - half) y=(y.saturating_sub(half)) width=(half * 2) height=(half * 2) rx="2" {}
        } @else { circle class={ "node " (class) } cx=(MIDDLE) cy=(y) r=(half) {} }
    }
}

fn class(one: &FlowCall) -> &'static str {
    match mark(one) {
        Some("?") => "ask",
        Some(_) => "bad",
        None if one.reads_strangers() => "warn",
        None => "good",
    }
}

/// What stands in the shape of a call that was not sent.
pub(crate) fn mark(one: &FlowCall) -> Option<&'static str> {
    let call = &one.call;
    match word(&call.state).as_str() {
        "refused" if call.approval.is_some() => Some("?"),
        "refused" => Some("×"),
        _ => None,
    }
}

/// The words beside a shape.
fn line(one: &FlowCall) -> String {
    let action = one.call.action.as_ref().map(word).unwrap_or_default();
    let mut text = match one.what() {
        Some(what) => format!("{action} {}", visible_line(&what)),
        None => action,
    };
    if let Some(effect) = &one.effect {
        let _ = write!(text, " · {}", word(effect));
    }
    if one.is_endorsed() {
        text.push_str(" · endorsed");
    }
    if one.reads_strangers() {
        text.push_str(" · strangers' answer");
    }
    if text.chars().count() > TEXT_CHARS {
        text = text.chars().take(TEXT_CHARS).chain(['…']).collect();
    }
    text
}

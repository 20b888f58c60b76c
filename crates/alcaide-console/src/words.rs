//! Values as people read them: enums as words, times, sizes, money, ids with names.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use alcaide_control::{CallState, CallView, visible_line};
use alcaide_inventory::{Actor, Moment};
use maud::{Markup, html};
use serde::Serialize;

/// The word of an enum's variant, as it is written in the record.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        Ok(other) => other.to_string(),
        Err(_) => "?".into(),
    }
}

/// Words in a row.
pub(crate) fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// A moment: when, and how far from now.
pub(crate) fn when(at: Moment, now: Moment) -> Markup {
    let full = at.to_string();
    let until_seconds: String = full.chars().take(19).collect::<String>().replace('T', " ");
    let far =
        if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) };
    html! { time datetime=(full) title=(full) { (until_seconds) " " span.quiet { (far) } } }
}

/// How far a moment is from now, with the moment itself for whoever asks.
pub(crate) fn far(at: Moment, now: Moment) -> Markup {
    let full = at.to_string();
    let far =
        if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) };
    html! { time datetime=(full) title=(full) { (far) } }
}

/// A length of time in its largest fitting unit.
pub(crate) fn span(length: Duration) -> String {
    match length.as_secs() {
        0 => "moments".into(),
        secs @ 1..60 => format!("{secs} s"),
        secs @ 60..3_600 => format!("{} min", secs / 60),
        secs @ 3_600..172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} d", secs / 86_400),
    }
}

/// Microseconds of a call.
pub(crate) fn took(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// Micro-units of money.
pub(crate) fn money(micros: u64) -> String {
    format!("{}.{:04}", micros / 1_000_000, micros % 1_000_000 / 100)
}

/// A number with its thousands apart.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// An id as code; long ones are cut in sight and whole in the title.
pub(crate) fn id(id: &impl Display) -> Markup {
    let whole = id.to_string();
    let shown: String = whole.chars().take(14).collect();
    let cut = whole.chars().count() > 14;
    html! { code title=(whole) { (shown) @if cut { "…" } } }
}

/// Somebody by name where that is known, else by id; agents link to their page.
pub(crate) fn somebody(actor: Actor, names: &BTreeMap<String, String>) -> Markup {
    let text = actor.to_string();
    match (actor, names.get(&text)) {
        (Actor::Agent(_), Some(name)) => html! { a href={ "/agents/" (name) } title=(text) { (name) } },
        (_, Some(name)) => html! { span title=(text) { (name) } },
        (_, None) => id(&text),
    }
}

/// The name of an id where it is known, else the id.
pub(crate) fn named(thing: &impl Display, names: &BTreeMap<String, String>) -> Markup {
    let text = thing.to_string();
    match names.get(&text) {
        Some(name) => html! { span title=(text) { (name) } },
        None => id(&text),
    }
}

/// How a call came out, as a mark of colour and word.
pub(crate) fn verdict(call: &CallView) -> Markup {
    let end = call.end.as_ref().map(word);
    let (class, text) = match (call.state, end.as_deref()) {
        (CallState::Ended, Some("complete") | None) => ("good", "complete".to_owned()),
        (CallState::Ended, Some(end)) => ("warn", end.to_owned()),
        (CallState::Unknown, _) => ("warn", "under way or unknown".to_owned()),
        (CallState::Refused, _) if call.approval.is_some() => ("ask", "asked".to_owned()),
        (CallState::Refused, _) => ("bad", "refused".to_owned()),
    };
    badge(class, &text)
}

/// What a call is about: the tool by name, else the route. Names of tools are a server's.
pub(crate) fn target(call: &CallView) -> Option<String> {
    let tool = call.tool_name.as_deref().map(|name| visible_line(name).into_owned());
    tool.or_else(|| call.route_name.as_ref().map(ToString::to_string))
}

/// A mark of colour and word: colour never says it alone.
pub(crate) fn badge(class: &str, text: &str) -> Markup {
    html! { span class={ "badge " (class) } { (text) } }
}

/// Facts whose values are long stand over the whole width.
const WIDE: [&str; 5] = ["budgets", "set aside", "labels", "what is approved", "leaf hash"];

/// A table of facts; what is not there is left out.
pub(crate) fn facts<'a>(rows: impl IntoIterator<Item = (&'a str, Option<Markup>)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in rows {
                @if let Some(value) = value { div class=[WIDE.contains(&name).then_some("wide")] { dt { (name) } dd { (value) } } }
            }
        }
    }
}

/// Members of a small JSON value as text: for effects, whose kinds may grow.
pub(crate) fn members(value: &impl Serialize, names: &BTreeMap<String, String>) -> String {
    fn flat(value: &serde_json::Value, names: &BTreeMap<String, String>) -> String {
        match value {
            serde_json::Value::Object(all) => list(all.iter().map(|(key, value)| {
                // A budget's period is told by its beginning.
                let begins = value.as_u64().filter(|_| key == "period");
                let value = begins.map_or_else(
                    || flat(value, names),
                    |micros| {
                        let at = Moment::from_micros(micros).to_string();
                        at.chars().take(16).collect::<String>().replace('T', " ")
                    },
                );
                format!("{} {value}", key.replace('_', " "))
            })),
            serde_json::Value::String(text) => names.get(text).unwrap_or(text).replace('_', " "),
            other => other.to_string(),
        }
    }
    serde_json::to_value(value).map_or_else(|_| "?".into(), |value| flat(&value, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_amounts_read_well() {
        let said = [0, 1, 59, 60, 3_599, 3_600, 172_799, 172_800].map(|secs| span(Duration::from_secs(secs)));
        assert_eq!(said, ["moments", "1 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d"]);
        assert_eq!([took(7), took(1_250), took(12_345_678)], ["7 µs", "1.2 ms", "12.3 s"]);
        assert_eq!([money(0), money(1_234_567)], ["0.0000", "1.2345"]);
        assert_eq!(
            [number(7), number(1_234), number(1_234_567)],
            ["7", "1\u{202f}234", "1\u{202f}234\u{202f}567"]
        );
    }

    #[test]
    fn moments_say_when_and_how_far() {
        let now = Moment::from_secs(1_800_000_000);
        let ago = when(now - Duration::from_secs(90), now).0;
        assert!(ago.contains("1 min ago") && ago.contains("2027-01-15 07:58:30"), "{ago}");
        assert!(far(now + Duration::from_secs(90), now).0.contains("in 1 min"));
    }

    #[test]
    fn effects_of_any_kind_are_told() {
        let names = BTreeMap::from([("bud_1".to_owned(), "monthly".to_owned())]);
        let effect = serde_json::json!({ "reserve": { "amount": 5, "budget": "bud_1", "period": 1_793_664_000_000_000_u64 } });
        assert_eq!(members(&effect, &names), "reserve amount 5, budget monthly, period 2026-11-03 00:00");
    }
}

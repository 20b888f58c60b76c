//! Where the arguments of a call come from, as a table: the most suspicious first. Names of arguments and tools are a
//! server's own words.

use alcaide_control::{ArgumentOrigin, Influence, Origins, SourceView, Wrong, visible_line};
use alcaide_inventory::Moment;
use maud::{Markup, html};

use crate::words::{badge, far, id, word};

/// The section of a page; nothing where the record does not say.
pub(crate) fn show(origins: Option<&Origins>, now: Moment) -> Markup {
    html! {
        @if let Some(origins) = origins {
            section aria-labelledby="origins" {
                h2 #origins { "Where its arguments come from" }
                p { "The values themselves are not in the record: they stay with the agent and the server. Those that people are asked about lie sealed beside it, for whoever may answer." }
                @if !origins.says.is_empty() { ul { @for one in &origins.says { li { (sentence(one)) } } } }
                @if origins.arguments.is_empty() { p.empty { "It has no arguments." } } @else { (table(&origins.arguments)) }
                @if !origins.sources.is_empty() { (sources(origins, now)) }
            }
        }
    }
}

fn table(arguments: &[ArgumentOrigin]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Arguments" {
            table.rows {
                thead { tr { th scope="col" { "Argument" } th scope="col" { "Where it comes from" } th scope="col" { "What is wrong with it" } } }
                tbody {
                    @for one in arguments {
                        tr {
                            td { @if one.name.is_some() { code { (visible_line(&one.title())) } } @else { span.quiet { (one.title()) } } }
                            td { (visible_line(&one.says)) }
                            td {
                                @if one.wrong.is_empty() { span.quiet { "nothing" } }
                                @for wrong in &one.wrong { p.wrong { (badge(class(*wrong), &word(wrong))) " " (wrong.as_str()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

const fn class(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Unbound | Wrong::Over | Wrong::Leaks => "bad",
        Wrong::Carries | Wrong::Copied | Wrong::Handle | Wrong::LookAlike => "warn",
    }
}

/// The answers that the arguments were read from, each with the way to its call.
fn sources(origins: &Origins, now: Moment) -> Markup {
    html! {
        p { "They were read from:" }
        ul {
            @for one in &origins.sources { li { (source(one, now)) } }
            @if origins.more_sources > 0 { li { (origins.more_sources) " more answers, which the entry in the record names" } }
        }
    }
}

fn source(one: &SourceView, now: Moment) -> Markup {
    html! {
        a href={ "/calls/" (one.call) } { "the answer" @if let Some(what) = one.what() { " of " (visible_line(&what)) } } " "
        @if one.is_untrusted() { (badge("warn", "strangers can write there")) } @else { (badge("good", "trusted")) } " "
        @if let Some(at) = one.at { (far(at, now)) " " }
        span.quiet { "call " (id(&one.call)) }
    }
}

/// What its task had read of strangers before it: whoever reads its answer reads what they had a part in.
pub(crate) fn influence(influence: Option<&Influence>, now: Moment) -> Markup {
    html! {
        @if let Some(influence) = influence {
            section.card.warn aria-labelledby="influence" {
                h2 #influence { "Influenced by untrusted sources" }
                p { "Before this call its task had read what strangers can have written. They can have had a part in what the agent asked for, and in what it makes of the answer: do not take its words for the user's." }
                @if !influence.sources.is_empty() { ul { @for one in &influence.sources { li { (source(one, now)) } } } }
                @if influence.more {
                    @if influence.sources.is_empty() { p.quiet { "None of the task's own calls that are looked at here read them: the label came with the task." } }
                    @else { p.quiet { "There were more; the task's page and the record have them." } }
                }
            }
        }
    }
}

/// A sentence of the house: its first letter in upper case, a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_servers_are_escaped_and_hide_nothing() {
        let origins: Origins = serde_json::from_value(json!({
            "arguments": [
                { "name": "<b>to\u{202e}</b>", "place": 0, "from": "untrusted", "says": "from `x/<i>\u{200b}`",
                  "wrong": ["unbound", "copied"] },
                { "name": null, "place": null, "from": "user_attested", "says": "the user said it", "wrong": [] },
            ],
            "sources": [{ "call": "cal_00000000000000000000000001", "at": null, "route": null, "route_name": null,
                "tool": null, "tool_name": "x/<i>", "label": null }],
            "more_sources": 2, "says": ["it reaches out"], "words": "none",
        }))
        .unwrap();
        let page = show(Some(&origins), Moment::from_secs(1)).0;
        assert!(page.contains("<code>&lt;b&gt;to⟨U+202E⟩&lt;/b&gt;</code>"), "{page}");
        assert!(page.contains("from `x/&lt;i&gt;⟨U+200B⟩`") && !page.contains("<i>"), "{page}");
        assert!(page.contains("an argument that the schema does not have"), "{page}");
        assert!(page.contains("href=\"/calls/cal_00000000000000000000000001\""), "{page}");
        assert!(page.contains("strangers can write there") && page.contains("2 more answers"), "{page}");
        assert!(page.contains("<li>It reaches out.</li>"), "{page}");
        assert_eq!(show(None, Moment::from_secs(1)).0, "");
    }
}

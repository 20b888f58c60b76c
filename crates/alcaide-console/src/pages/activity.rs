//! Calls, newest first, with a filter; the first page renews itself where there is script.

use alcaide_control::{ActivityFilter, CallState, CallView, Cursor, Page as Part, Paging};
use alcaide_inventory::Moment;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::Console;
use crate::door::{Visitor, Watcher};
use crate::page::{Fault, Page, html_response};
use crate::words::{far, id, target, took, verdict, word};

/// Calls on a page.
const CALLS: u32 = 50;

/// Which calls; an empty field is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    actor: String,
    state: String,
    cursor: String,
}

impl Wanted {
    fn filter(&self, console: &Console) -> Result<ActivityFilter, Fault> {
        let actor = match self.actor.trim() {
            "" => None,
            text => Some(console.office.resolve_actor(text)?),
        };
        let state = match self.state.as_str() {
            "" => None,
            "ended" => Some(CallState::Ended),
            "refused" => Some(CallState::Refused),
            "unknown" => Some(CallState::Unknown),
            _ => return Err(Fault::Address),
        };
        Ok(ActivityFilter { actor, state, ..ActivityFilter::default() })
    }

    fn paging(&self) -> Paging {
        let after = (!self.cursor.is_empty()).then(|| Cursor::from_text(&self.cursor));
        Paging { limit: Some(CALLS), after }
    }

    /// The filter as a query, with another cursor.
    fn query(&self, cursor: Option<&str>) -> String {
        let mut all = Vec::new();
        for (name, value) in
            [("actor", self.actor.trim()), ("state", &self.state), ("cursor", cursor.unwrap_or(""))]
        {
            if !value.is_empty() {
                all.push(format!("{name}={}", encoded(value)));
            }
        }
        if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
    }
}

/// A value as it stands in a query (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Page, Fault> {
    let office = &console.office;
    // A name that nobody has is told in place, so that the filter can be mended.
    let (unknown, calls) = match wanted.filter(&console) {
        Ok(filter) => (None, office.activity(visitor.by(), filter, wanted.paging()).await?),
        Err(Fault::Office(error)) => (Some(error.to_string()), Part { items: Vec::new(), next: None }),
        Err(other) => return Err(other),
    };
    let agents = office.agents(visitor.by()).await?;
    let first = wanted.cursor.is_empty();
    let live = format!("/activity/live{}", wanted.query(None));
    let body = html! {
        p.lead { "Every call that reached the gate with a known caller: who, what, and how it came out. Strangers are turned away and only counted." }
        form.filter method="get" action="/activity" role="search" aria-label="Filter" {
            div {
                label for="actor" { "Who acts" }
                input #actor name="actor" value=(wanted.actor) list="agents" autocomplete="off" aria-invalid=[unknown.as_ref().map(|_| "true")]
                    aria-describedby=[unknown.as_ref().map(|_| "unknown")];
                datalist #agents { @for agent in &agents { option value=(agent.name) {} } }
            }
            div {
                label for="state" { "How it came out" }
                select #state name="state" {
                    @for (value, text) in [("", "all"), ("ended", "sent and ended"), ("refused", "refused"), ("unknown", "under way or unknown")] {
                        option value=(value) selected[wanted.state == value] { (text) }
                    }
                }
            }
            button type="submit" { "Show" }
            @if !wanted.query(None).is_empty() { a href="/activity" { "Show all" } }
        }
        @if let Some(unknown) = unknown { p #unknown .notice.bad role="alert" { "There is nobody to filter by: " (unknown) "." } }
        @else {
            div #calls data-live=[first.then_some(live)] { (part(&calls, &wanted, (console.clock)())) }
        }
    };
    Ok(Page::of(&visitor.0, "/activity", "Activity", body))
}

/// The newest calls alone: what the page's script asks for. Nobody stays signed in by it.
pub(crate) async fn live(
    State(console): State<Console>,
    watcher: Watcher,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let filter = wanted.filter(&console)?;
    let calls = console.office.activity(&watcher.0.by, filter, wanted.paging()).await?;
    Ok(html_response(StatusCode::OK, &part(&calls, &wanted, (console.clock)())))
}

fn part(calls: &Part<CallView>, wanted: &Wanted, now: Moment) -> Markup {
    html! {
        @if calls.items.is_empty() {
            p.empty {
                "No calls" @if !wanted.query(None).is_empty() { " of this kind" } " yet. An agent makes one with "
                code { "alcaide run --agent NAME -- PROGRAM" } "."
            }
        } @else { (table(&calls.items, now)) }
        @if let Some(next) = &calls.next {
            p { a rel="next" href={ "/activity" (wanted.query(Some(next.as_str()))) } { "Older calls" } }
        }
    }
}

/// Calls as a table.
pub(crate) fn table(calls: &[CallView], now: Moment) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Calls" {
            table.rows {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "For" } th scope="col" { "What" }
                    th scope="col" { "Outcome" } th.num scope="col" { "Took" } th.num scope="col" { "Tokens" }
                } }
                tbody { @for call in calls { (row(call, now)) } }
            }
        }
    }
}

fn row(call: &CallView, now: Moment) -> Markup {
    let on = target(call);
    html! {
        tr {
            td { a href={ "/calls/" (call.call) } { (far(call.at, now)) } }
            td { @match (&call.actor_name, call.actor) {
                (Some(name), _) => (name),
                (None, Some(actor)) => (id(&actor)),
                (None, None) => span.quiet { "not known" },
            } }
            td { @match (&call.subject_name, call.subject) {
                (Some(name), _) => (name),
                (None, Some(subject)) => (id(&subject)),
                (None, None) => "",
            } }
            td { @if let Some(action) = &call.action { (word(action)) " " } @if let Some(on) = on { strong { (on) } } }
            td { (verdict(call)) @if let Some(code) = &call.code { " " a href={ "/problems/" (code) } { (code) } } }
            td.num { @if let Some(micros) = call.duration_us { (took(micros)) } }
            td.num { @if let Some(usage) = &call.usage { (usage.input) " → " (usage.output) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_stays_a_filter_in_an_address() {
        let wanted =
            Wanted { actor: "a&state=x\"><b>".into(), state: "refused".into(), cursor: String::new() };
        assert_eq!(wanted.query(Some("c7")), "?actor=a%26state%3Dx%22%3E%3Cb%3E&state=refused&cursor=c7");
        assert_eq!(Wanted::default().query(None), "");
    }
}

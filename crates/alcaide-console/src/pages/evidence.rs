//! Evidence: signed statements about models, as they were entered.

use alcaide_control::{Digest, EvidenceView, Proven};
use axum::extract::{Path, Query, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::Console;
use crate::difference::shown;
use crate::door::Visitor;
use crate::page::{Fault, Page};
use crate::pages::models::{name, short, verdict};
use crate::words::far;

/// What a list of evidence is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct About {
    /// The model.
    model: Option<String>,
}

pub(crate) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Query(about): Query<About>,
) -> Result<Page, Fault> {
    let model = about.model.as_deref().map(name).transpose()?;
    let all = console.office.evidence(visitor.by(), model.as_ref()).await?;
    let now = (console.clock)();
    let body = html! {
        p.lead { "Each is a statement about exactly these bytes, signed by this house when it was entered, and named in the record by its digest." }
        @if all.is_empty() {
            p.empty { "Nothing was entered yet. " code { "alcaide model register NAME PATH" } " enters what a scan finds, and who signed." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Evidence" {
                table.rows {
                    thead { tr {
                        th scope="col" { "Entered" } th scope="col" { "Model" } th scope="col" { "Version" } th scope="col" { "Says" }
                        th scope="col" { "By" } th scope="col" { "Ends" } th scope="col" { "Entry" }
                    } }
                    tbody { @for one in &all { (row(one, now)) } }
                }
            }
        }
        p.quiet { "Anyone can check one with the house's public key: " code { "alcaide evidence verify" } "." }
    };
    let title = model.map_or_else(|| "Evidence".to_owned(), |model| format!("Evidence about {model}"));
    Ok(Page::of(&visitor.0, "/models", title, body))
}

fn row(one: &EvidenceView, now: alcaide_inventory::Moment) -> Markup {
    html! {
        tr {
            td { a href={ "/evidence/" (one.envelope) } { (far(one.at, now)) } }
            td { @match &one.model { Some(model) => a href={ "/models/" (model) } { (model) }, None => span.quiet { "not declared any more" } } }
            td { (short(&one.version)) }
            td { (says(&one.proven)) }
            td { @match &one.by { Some(by) => (by), None => "the house" } }
            td { @match one.expires { Some(end) => (far(end, now)), None => span.quiet { "open" } } }
            td { a href={ "/log/entries/" (one.entry) } { (one.entry) } }
        }
    }
}

fn says(proven: &Proven) -> Markup {
    match proven {
        Proven::Scan { verdict: found, .. } => html! { "scan: " (verdict(*found)) },
        Proven::Signature { key, .. } => html! { "signed by key " (short(key)) },
        _ => html! { span.quiet { "something else" } },
    }
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(digest): Path<String>,
) -> Result<Page, Fault> {
    let digest: Digest = digest.parse().map_err(|_| Fault::Address)?;
    let envelope = console.office.envelope(visitor.by(), digest).await?;
    let body = html! {
        p.lead { "What was signed, as it lies on the shelf." }
        @match statement(&envelope) {
            Some(text) => div.scroll tabindex="0" role="region" aria-label="Statement" { pre { code { (shown(&text)) } } },
            None => p.empty { "It cannot be read any more." },
        }
        p.quiet { "SHA-256 of the envelope: " code.long { (digest) } }
        p { "To check it elsewhere: " code { "alcaide evidence export " (digest) } }
        p { a href="/evidence" { "All evidence" } }
    };
    Ok(Page::of(&visitor.0, "/models", "Evidence", body))
}

/// The statement in an envelope, as text.
fn statement(envelope: &[u8]) -> Option<String> {
    let envelope: Value = serde_json::from_slice(envelope).ok()?;
    let payload = STANDARD.decode(envelope.get("payload")?.as_str()?).ok()?;
    String::from_utf8(payload).ok()
}

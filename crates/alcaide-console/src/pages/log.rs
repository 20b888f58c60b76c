//! The record: its signed state, one entry with its proof, and how to verify both without this house.

use alcaide_control::OfficeError;
use axum::extract::{Path, State};
use maud::html;

use crate::Console;
use crate::difference::shown;
use crate::door::Visitor;
use crate::page::{Fault, Page};
use crate::words::{facts, number};

/// Newest entries that are shown.
const ENTRIES: u32 = 20;

pub(crate) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Page, Fault> {
    let office = &console.office;
    let newest = office.log_entries(visitor.by(), None, ENTRIES, std::time::Duration::ZERO).await?;
    let checkpoint = office.log_checkpoint();
    let body = html! {
        p.lead { "Everything that happened is an entry of a Merkle log. Whoever has its key and an old checkpoint can prove what was recorded, and that nothing was changed or taken away since." }
        section.card {
            h2 { "How to verify it" }
            ol {
                li { "On this machine: " code { "alcaide log verify" } " recomputes the whole record." }
                li { "Anywhere else: keep " a href="/log/checkpoint" { "the checkpoint" } " and the key that " code { "alcaide log key" } " prints; later ones must contain it." }
                li { "For one entry: " code { "alcaide log prove INDEX" } ", then " code { "alcaide log check-proof" } " on any machine." }
            }
        }
        section aria-labelledby="checkpoint" {
            h2 #checkpoint { "The newest signed checkpoint" }
            div.scroll tabindex="0" role="region" aria-label="Checkpoint" { pre { code { (checkpoint) } } }
        }
        section aria-labelledby="entries" {
            h2 #entries { "The newest entries" }
            div.scroll tabindex="0" role="region" aria-label="Entries" {
                table.rows {
                    thead { tr { th.num scope="col" { "Index" } th scope="col" { "What" } th.num scope="col" { "Bytes" } } }
                    tbody {
                        @for (index, leaf) in newest.leaves.iter().rev() {
                            tr { td.num { a href={ "/log/entries/" (index) } { (index) } } td { (kind(leaf)) } td.num { (leaf.len()) } }
                        }
                    }
                }
            }
        }
    };
    Ok(Page::of(&visitor.0, "/log", "Record", body))
}

pub(crate) async fn entry(
    State(console): State<Console>,
    visitor: Visitor,
    Path(index): Path<String>,
) -> Result<Page, Fault> {
    let index: u64 = index.parse().map_err(|_| Fault::Address)?;
    let there = console.office.log_entries(visitor.by(), Some(index), 1, std::time::Duration::ZERO).await?;
    if there.leaves.is_empty() {
        return Err(OfficeError::Unknown { what: "entry", given: index.to_string() }.into());
    }
    let proven = console.office.log_proof(visitor.by(), index).await?;
    let text = String::from_utf8_lossy(&proven.leaf);
    let body = html! {
        p.lead { "One entry as it stands on disk, and the hashes that lead from it to a signed checkpoint." }
        section.card.good {
            h2 { "It is in the log" }
            (facts([
                ("index", Some(html! { (number(index)) " of " (number(proven.size)) " entries" })),
                ("what", Some(html! { (kind(&proven.leaf)) })),
                ("leaf hash", Some(html! { code.long { (proven.leaf_hash) } })),
                ("check it elsewhere", Some(html! { code { "alcaide log prove " (index) } })),
            ]))
        }
        section aria-labelledby="entry" {
            h2 #entry { "The entry" }
            div.scroll tabindex="0" role="region" aria-label="Entry" { pre { code { (shown(&text)) } } }
        }
        section aria-labelledby="proof" {
            h2 #proof { "Its inclusion proof" }
            @if proven.proof.is_empty() { p.empty { "It is the only entry: its hash is the root." } }
            @else { ol.hashes { @for hash in &proven.proof { li { code.long { (hash) } } } } }
            div.scroll tabindex="0" role="region" aria-label="Checkpoint" { pre { code { (proven.checkpoint) } } }
        }
        p {
            @if index > 0 { a rel="prev" href={ "/log/entries/" (index - 1) } { "The entry before" } " · " }
            @if index + 1 < proven.size { a rel="next" href={ "/log/entries/" (index + 1) } { "The next entry" } " · " }
            a href="/log" { "The record" }
        }
    };
    Ok(Page::of(&visitor.0, "/log", format!("Entry {index}"), body))
}

/// The kind of an entry, as it is written in it.
fn kind(leaf: &[u8]) -> String {
    let read: serde_json::Value = serde_json::from_slice(leaf).unwrap_or_default();
    let Some(event) = read.get("event").and_then(serde_json::Value::as_object) else { return "?".into() };
    let Some((kind, inner)) = event.iter().next() else { return "?".into() };
    // Orders and acts of the office are told one level deeper.
    let deeper = inner.get("order").unwrap_or(inner).as_object().and_then(|all| all.keys().next().cloned());
    match kind.as_str() {
        "order" | "office" => format!("{kind}: {}", deeper.unwrap_or_default().replace('_', " ")),
        _ => kind.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_entry_is_told() {
        assert_eq!(
            kind(br#"{"event":{"order":{"by":null,"id":"ord_1","order":{"kill":{}}}}}"#),
            "order: kill"
        );
        assert_eq!(kind(br#"{"event":{"office":{"session_opened":{}}}}"#), "office: session opened");
        assert_eq!(kind(br#"{"event":{"planned":{}}}"#), "planned");
        assert_eq!(kind(b"no json"), "?");
    }
}

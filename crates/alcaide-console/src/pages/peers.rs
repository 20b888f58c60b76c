//! Other gates whose word about labels counts, and how far each is believed.

use alcaide_inventory::Name;
use alcaide_inventory::declare::{Named, Peer};
use axum::extract::State;
use maud::{Markup, html};

use crate::Console;
use crate::door::Visitor;
use crate::page::{Fault, Page};
use crate::words::{list, word};

pub(crate) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Page, Fault> {
    let peers = console.office.export(visitor.by()).await?.peers;
    let body = html! {
        p.lead { "Other gates that sign where their answers come from. A statement of theirs counts up to the bounds that are declared here, and only for exactly the content that it names." }
        @if peers.is_empty() {
            p.empty { "No other gate is believed: what arrives without a label of this house is a stranger's. A peer is declared with its trust domain and its public keys: " code { "alcaide declare example" } " shows how." }
        } @else { (table(&peers)) }
        p { a href="/tools" { "The tools" } }
    };
    Ok(Page::of(&visitor.0, "/tools", "Peers", body))
}

fn table(peers: &[Named<Peer>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Peers" {
            table.rows {
                thead { tr {
                    th scope="col" { "Peer" } th scope="col" { "Trust domain" } th scope="col" { "Answers for" } th scope="col" { "Calls as" }
                    th scope="col" { "Integrity at best" } th scope="col" { "Confidentiality at least" }
                } }
                tbody {
                    @for Named { name, spec } in peers {
                        tr {
                            td { (name) }
                            td { (spec.trust_domain) }
                            td { (names(&spec.servers)) }
                            td { (names(&spec.callers)) }
                            td { (word(&spec.integrity)) }
                            td { (word(&spec.confidentiality)) }
                        }
                    }
                }
            }
        }
        p.quiet { "Its keys are shown by " code { "alcaide peer show NAME" } "." }
    }
}

fn names(all: &[Name]) -> Markup {
    html! { @if all.is_empty() { span.quiet { "nobody" } } @else { (list(all.iter().map(ToString::to_string))) } }
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::declare::Declarations;

    use super::*;

    #[test]
    fn a_peer_stands_there_with_its_bounds() {
        let text = "schema = 1\n[[peer]]\nname = \"branch\"\ntrust_domain = \"branch.example\"\njwks = '{\"keys\":[]}'\nservers = [\"stock\"]\nintegrity = \"trusted\"\n";
        let all = Declarations::from_toml("peers.toml", text).unwrap();
        let page = table(&all.peers).into_string();
        let cells = [
            "branch",
            "branch.example",
            "stock",
            "<span class=\"quiet\">nobody</span>",
            "trusted",
            "confidential",
        ];
        let row: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        assert!(page.contains(&row), "{page}");
    }
}

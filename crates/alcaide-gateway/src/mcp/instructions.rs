//! What a server tells the model beside its tools: its `instructions`, in the result of `initialize` and `server/discover`.
//!
//! A model reads them as it reads the description of a tool, so they are held back as such: they are offered as the
//! definition of a tool of the name [`NAME`], with the text as its description and nothing else. Whoever declares and
//! accepts that tool accepts exactly these words; changed, they are held back again. No tool of that name is listed or
//! called.
//!
//! A server's own answer passes with them where they are what was accepted. Where the gate answers in a server's place, or
//! for all of them, it tells the accepted text from the shelf.

use std::sync::Arc;

use alcaide_ledger::SHELF_TEXT_BYTES_MAX;
use alcaide_wire::json::edit::encode;
use alcaide_wire::json::{Document, Limits};
use alcaide_wire::mcp::ItemFate;

use super::offer::{self, Offer, OfferError};
use super::plan::ServerPlan;
use crate::gate::Shared;
use crate::passage::Origin;

/// The name under which instructions are offered, declared and accepted.
pub(crate) const NAME: &str = "(instructions)";
/// Most bytes of instructions that the union joins; servers beyond it are left out.
const JOINED_BYTES_MAX: usize = 256 << 10;

/// What becomes of a server's instructions; those that are new are on the shelf and in the ledger when this returns.
///
/// # Errors
/// [`OfferError`].
///
/// # Cancel safety
/// As [`offer::fates`].
pub(crate) async fn fate(
    shared: &Arc<Shared>,
    origin: &Origin,
    server: &ServerPlan,
    text: &str,
) -> Result<ItemFate, OfferError> {
    let definition = definition(text);
    if text.is_empty() || definition.len() > SHELF_TEXT_BYTES_MAX {
        return Ok(ItemFate::Drop);
    }
    let offer = Offer::of(shared, server, NAME, definition);
    let pin = offer.pin();
    offer::record(shared, origin, server, &[offer]).await?;
    Ok(offer::tool(origin, server, NAME, pin))
}

/// The instructions of a server that this caller may be told: accepted, and offered so last.
pub(crate) async fn accepted(shared: &Shared, origin: &Origin, server: &ServerPlan) -> Option<String> {
    let pin = server.tool(NAME)?.pin?;
    let closer = origin.closer();
    let newest = closer.memory().offer(server.route, offer::commitment(shared, server, NAME))?;
    if newest != pin || offer::tool(origin, server, NAME, pin) != ItemFate::Keep {
        return None;
    }
    let shelf = closer.ledger().shelf();
    let taken = tokio::task::spawn_blocking(move || shelf.take(&pin.0.into()));
    let text = match closer.in_time(taken).await?.ok()? {
        Ok(text) => text?,
        Err(error) => {
            tracing::warn!(server = %server.name, %error, "accepted instructions cannot be read");
            return None;
        }
    };
    let document = Document::parse(&text, &Limits::default()).ok()?;
    let told = document.root().get("description")?.as_str()?;
    Some(told.into_owned())
}

/// The instructions of all servers that this caller may be told, each under its server's name; none where there are none.
pub(crate) async fn joined(shared: &Shared, origin: &Origin) -> Option<String> {
    let mut servers: Vec<&Arc<ServerPlan>> = origin.plan().servers().collect();
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    let mut all = String::new();
    for server in servers {
        let Some(told) = accepted(shared, origin, server).await else { continue };
        let more = format!("# {}\n\n{told}", server.name);
        if all.len() + more.len() > JOINED_BYTES_MAX {
            tracing::info!(server = %server.name, "instructions are not in the union: they are too long");
            continue;
        }
        if !all.is_empty() {
            all.push_str("\n\n");
        }
        all.push_str(&more);
    }
    (!all.is_empty()).then_some(all)
}

/// The canonical form of a tool that has nothing but a name and a description ([`alcaide_wire::mcp::pin_input`]).
fn definition(text: &str) -> Vec<u8> {
    format!("{{\"description\":{},\"name\":{}}}", encode(text), encode(NAME)).into_bytes()
}

#[cfg(test)]
mod tests {
    use alcaide_wire::mcp::pin_input;

    use super::*;

    #[test]
    fn they_are_pinned_as_the_tool_that_a_person_sees() {
        for text in ["Ask before you pay.", "a \"quoted\" word\n\u{200b}", "\u{1}"] {
            let own = definition(text);
            let document = Document::parse(&own, &Limits::default()).unwrap();
            assert_eq!(pin_input(document.root()), own);
        }
    }
}

//! What a server offers: which tools of a list the caller is shown, and what the record learns of it.

use std::collections::HashSet;
use std::sync::Arc;

use alcaide_finding::{RuleId, Severity};
use alcaide_inspect::poison::{KnownTools, ToolText, poison};
use alcaide_inventory::id::ToolId;
use alcaide_ledger::SHELF_TEXT_BYTES_MAX;
use alcaide_policy::{Action, Ask, Context, Outcome, Resource};
use alcaide_record::{Digest, OfferFinding, OfferPart, Offered};
use alcaide_seal::digest::sha256;
use alcaide_wire::json::Document;
use alcaide_wire::mcp::{Item, ItemFate, Method, ResultView, pin_input};

use super::instructions;
use super::plan::ServerPlan;
use crate::attempt::RECEIPT_WAIT;
use crate::gate::Shared;
use crate::leaf::OfferedLeaf;
use crate::passage::Origin;

/// A tool's definition could not be recorded, so its list is not released.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfferError {
    #[error("the shelf cannot take a tool's definition: {0}")]
    Shelf(#[from] alcaide_ledger::ShelfError),
    #[error("the ledger cannot take what a server offers: {0}")]
    Ledger(#[from] alcaide_ledger::AppendError),
    #[error("what a server offers has no form in the record: {0}")]
    Entry(#[from] alcaide_record::EntryError),
    #[error("the task that writes it has ended")]
    Ended,
    #[error("the disk did not answer within {} s", RECEIPT_WAIT.as_secs())]
    Late,
}

/// One thing that a server offers and a person accepts.
pub(super) struct Offer {
    name: Digest,
    /// As the server calls it.
    called: Box<str>,
    pin: Digest,
    text: Vec<u8>,
    tool: Option<ToolId>,
}

impl Offer {
    /// The tool `name` of a server, by its canonical definition.
    pub(super) fn of(shared: &Shared, server: &ServerPlan, name: &str, text: Vec<u8>) -> Self {
        Self {
            name: commitment(shared, server, name),
            called: name.into(),
            pin: Digest(*sha256(&text).as_bytes()),
            text,
            tool: server.tool(name).map(|tool| tool.id),
        }
    }

    /// The digest of its definition.
    pub(super) const fn pin(&self) -> Digest {
        self.pin
    }
}

/// The fate of each item of a list: kept where the caller may use it.
///
/// New definitions of tools are on the shelf and in the ledger when this returns.
///
/// # Errors
/// [`OfferError`].
///
/// # Cancel safety
/// Dropped, what was queued for the ledger is written and taken into memory all the same.
pub(crate) async fn fates(
    shared: &Arc<Shared>,
    origin: &Origin,
    server: &ServerPlan,
    document: &Document<'_>,
    view: &ResultView<'_>,
) -> Result<Vec<ItemFate>, OfferError> {
    match view.method {
        Method::ToolsList => {}
        Method::PromptsList | Method::ResourcesList => {
            return Ok(view.items.iter().map(|item| thing(origin, server, view.method, item)).collect());
        }
        // Templates lead to resources, each of which is asked for when it is read.
        _ => return Ok(vec![ItemFate::Keep; view.items.len()]),
    }
    let mut fates = vec![ItemFate::Drop; view.items.len()];
    let mut offers: Vec<Offer> = Vec::new();
    let mut names: HashSet<&str> = HashSet::new();
    for (at, (item, value)) in view.items.iter().zip(view.values(document)).enumerate() {
        let Some(name) = &item.name else { continue };
        let text = pin_input(value);
        // Of two tools of one name nobody knows which is called; a definition that cannot be kept cannot be accepted.
        // No tool is called as instructions are accepted.
        if name.text.len() > NAME_BYTES_MAX
            || text.len() > SHELF_TEXT_BYTES_MAX
            || name.text == instructions::NAME
            || !names.insert(&name.text)
        {
            continue;
        }
        let offer = Offer::of(shared, server, &name.text, text);
        if let Some(fate) = fates.get_mut(at) {
            *fate = tool(origin, server, &name.text, offer.pin);
        }
        offers.push(offer);
    }
    record(shared, origin, server, &offers).await?;
    Ok(fates)
}

/// Longest name of a tool, prompt or other thing that is addressed, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 1_024;

/// The keyed commitment that stands for a server's tool in the record.
pub(crate) fn commitment(shared: &Shared, server: &ServerPlan, tool: &str) -> Digest {
    Digest(*shared.commitments.mac(format!("{}/{tool}", server.name).as_bytes()).as_bytes())
}

/// What becomes of a tool: the policies are asked as if it were called, without arguments.
pub(super) fn tool(origin: &Origin, server: &ServerPlan, name: &str, pin: Digest) -> ItemFate {
    let declared = server.tool(name);
    let resource = match declared {
        Some(tool) => Resource::Tool(tool.id),
        None => Resource::UndeclaredTool { server: server.route, name },
    };
    let changed = declared.and_then(|tool| tool.pin).is_some_and(|accepted| accepted != pin);
    fate(origin, Action::CallTool, resource, changed)
}

fn thing(origin: &Origin, server: &ServerPlan, method: Method, item: &Item<'_>) -> ItemFate {
    let server = server.route;
    match (method, &item.name, &item.uri) {
        (Method::PromptsList, Some(name), _) => {
            fate(origin, Action::GetPrompt, Resource::Prompt { server, name: &name.text }, false)
        }
        (Method::ResourcesList, _, Some(uri)) => {
            fate(origin, Action::ReadResource, Resource::Document { server, uri: &uri.text }, false)
        }
        _ => ItemFate::Drop,
    }
}

pub(crate) fn fate(origin: &Origin, action: Action, resource: Resource<'_>, tool_changed: bool) -> ItemFate {
    let credential = origin.who().credential();
    let context = Context {
        task: origin.closer().memory().label(credential.principal.task),
        now: origin.closer().now(),
        key_bound: origin.who().is_bound(),
        tool_changed,
        ..Context::default()
    };
    match origin.plan().policies.decide(&Ask::of(&credential.principal, action, resource, context)).outcome {
        Outcome::Refuse { .. } => ItemFate::Drop,
        _ => ItemFate::Keep,
    }
}

/// Puts each new definition on the shelf, then into the ledger, then into memory; none of it waits without end.
///
/// # Errors
/// [`OfferError`].
pub(super) async fn record(
    shared: &Arc<Shared>,
    origin: &Origin,
    server: &ServerPlan,
    offers: &[Offer],
) -> Result<(), OfferError> {
    let closer = origin.closer();
    let known: Vec<(Digest, Digest)> = offers.iter().map(|offer| (offer.name, offer.pin)).collect();
    let new: Vec<&Offer> = closer
        .memory()
        .new_offers(server.route, &known)
        .into_iter()
        .filter_map(|at| offers.get(at))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let shelf = closer.ledger().shelf();
    let known = Arc::new(known_tools(origin, server, offers));
    for offer in new {
        let (shelf, text, known) = (shelf.clone(), offer.text.clone(), Arc::clone(&known));
        let name = server.name.clone();
        let put = tokio::task::spawn_blocking(move || {
            shelf.put(&text).map(|_| found(name.as_str(), &text, &known))
        });
        let findings =
            closer.in_time(put).await.ok_or(OfferError::Late)?.map_err(|_| OfferError::Ended)??;
        let offered = Offered {
            call: shared.call_id(),
            findings: Some(findings),
            name: offer.name,
            pin: offer.pin,
            route: server.route,
            tool: offer.tool,
        };
        // Handed to the closer as a whole: memory learns of what is written, whoever still waits for it.
        let written = closer.offered(OfferedLeaf::new(closer.now(), offered)?)?;
        closer.in_time(written).await.ok_or(OfferError::Late)?.map_err(|_| OfferError::Ended)??;
    }
    Ok(())
}

/// What the plan and the list itself know of tools: a name may pass for one of theirs.
fn known_tools(origin: &Origin, server: &ServerPlan, offers: &[Offer]) -> KnownTools {
    let mut known = KnownTools::default();
    for one in origin.plan().servers() {
        for tool in one.tool_names() {
            known.add(one.name.as_str(), tool);
        }
    }
    for offer in offers {
        known.add(server.name.as_str(), &offer.called);
    }
    known
}

/// What the record says of a definition: rules and parts, never a word of it.
fn found(server: &str, text: &[u8], known: &KnownTools) -> Vec<OfferFinding> {
    let Some(said) = ToolText::read(text) else {
        let rule = RuleId::fixed("unreadable");
        return vec![OfferFinding {
            count: 1,
            part: OfferPart::Definition,
            rule,
            severity: Severity::Warning,
        }];
    };
    let mut all: Vec<OfferFinding> = Vec::new();
    for one in poison(server, said.searched(), known) {
        let (part, severity) = (OfferPart::of_pointer(&one.place), one.severity);
        let same = |other: &&mut OfferFinding| {
            other.rule.as_str() == one.rule && other.part == part && other.severity == severity
        };
        match all.iter_mut().find(same) {
            Some(known) => known.count = known.count.saturating_add(1),
            None => all.push(OfferFinding { count: 1, part, rule: RuleId::from_pack(&one.rule), severity }),
        }
    }
    all
}

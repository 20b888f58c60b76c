//! Tools: what servers offer, what was accepted of it, and how the two differ.
//!
//! ```text
//! gate ── definition ── shelf; its digest ── ledger ── follower ── tools, tool
//! person ── accept exactly this pin ── compile first ── order ── plan ── gate
//! ```
//! A tool is new when it was never accepted, changed when its server offers it in another form than was accepted; in
//! both the gate holds it back. What is accepted is named by its pin, so that nobody accepts what came in between, and
//! its schema is taken from the shelf under that pin, never from the caller.
//!
//! The names that servers give stand on the shelf only. A text that is not there any more is said to be missing; nothing
//! is accepted unread.

use std::collections::BTreeMap;

use alcaide_inspect::poison::{KnownTools, ToolFinding, poison};
use alcaide_inventory::declare::Route;
use alcaide_inventory::fact::{Effect, Facts};
use alcaide_inventory::id::{RouteId, ToolId};
use alcaide_inventory::plan::PlacedTool;
use alcaide_inventory::{HumanId, Moment, Name, Plan};
use alcaide_ledger::{Shelf, ShelfError};
use alcaide_record::{Digest, Entry, Event, OfferFinding, OrderKind};
use serde::{Deserialize, Serialize};

use crate::by::{By, Operation};
use crate::definition::{Definition, Difference, input_schema_of, widened};
use crate::error::{OfficeError, cut};
use crate::offers::{self, LastAccepted, Newest};
use crate::office::{Office, detached};
use crate::place::{Accepted, declarations_of};
use crate::plans::{Wanted, blocking};
use crate::view::{Applied, OrderView};

/// Longest input schema of a tool, in bytes.
pub const TOOL_SCHEMA_BYTES_MAX: usize = 262_144;

/// How a tool stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolState {
    /// Offered, and never accepted.
    New,
    /// Offered in another form than was accepted.
    Changed,
    /// Offered in the form that was accepted.
    Accepted,
    /// Accepted once; an order took that back.
    Quarantined,
    /// Declared, and never offered.
    Declared,
}

impl ToolState {
    /// All of them, those that wait for somebody first.
    pub const ALL: [Self; 5] = [Self::New, Self::Changed, Self::Accepted, Self::Quarantined, Self::Declared];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Accepted => "accepted",
            Self::Quarantined => "quarantined",
            Self::Declared => "declared",
        }
    }
}

/// Whether the text of a definition can be read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shelved {
    /// It is on the shelf and has its digest.
    Whole,
    /// It is not on the shelf.
    Missing,
    /// What is on the shelf has another digest.
    Forged,
    /// It has its digest, but is no definition of a tool.
    Unreadable,
}

/// A tool and how it stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ToolView {
    /// The route of its server.
    pub server: Name,
    /// Its name; absent where it is not declared and its text cannot be read.
    pub name: Option<String>,
    /// Its name for people, as the server gives it, cut to 200 characters.
    pub title: Option<String>,
    /// How it stands.
    pub state: ToolState,
    /// Its id, where it is declared.
    pub id: Option<ToolId>,
    /// What its owner declared about it, where it is declared.
    pub facts: Option<Facts>,
    /// What a call does, as declared; the gravest where nothing is.
    pub effect: Effect,
    /// The pin that is accepted; of a quarantined tool the one that was accepted last.
    pub accepted: Option<Digest>,
    /// The pin that the server offered last.
    pub offered: Option<Digest>,
    /// Whether the text of what is offered can be read.
    pub text: Option<Shelved>,
    /// When it was offered first.
    pub first_offered: Option<Moment>,
    /// When it was offered in its present form.
    pub last_offered: Option<Moment>,
    /// How many times it was offered in another form than before.
    pub forms: u64,
    /// What of the offered definition may be meant to steer whoever reads it, the gravest first.
    #[serde(default)]
    pub findings: Vec<ToolFinding>,
}

/// Which tools to show.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolFilter {
    /// Of this server.
    pub server: Option<Name>,
    /// That stand so.
    pub state: Option<ToolState>,
}

/// A definition and whether it can be read.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DefinitionView {
    /// Its digest.
    pub pin: Digest,
    /// Whether its text can be read.
    pub text: Shelved,
    /// What it says, where it can.
    pub definition: Option<Definition>,
}

/// A definition that was offered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OfferView {
    /// Its entry in the ledger.
    pub index: u64,
    /// When.
    pub at: Moment,
    /// Its digest.
    pub pin: Digest,
    /// What the record says was found in it when it was offered; absent in entries from before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<OfferFinding>>,
}

/// A tool in full.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ToolDetail {
    /// How it stands.
    pub tool: ToolView,
    /// What is accepted; of a quarantined tool what was accepted last.
    pub accepted: Option<DefinitionView>,
    /// What its server offers now.
    pub offered: Option<DefinitionView>,
    /// How the two differ, where both can be read.
    pub difference: Option<Difference>,
    /// Arguments that the declared facts name and the definition offered does not have.
    pub lacks: Vec<String>,
    /// Its newest definitions, at most 20, newest first.
    pub history: Vec<OfferView>,
}

/// An order about a tool, and the plan that holds it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ToolOrdered {
    /// The order.
    pub order: OrderView,
    /// The plan in force.
    pub applied: Applied,
}

impl Office {
    /// Tools that are declared or offered, by server and name; of those offered at most 5,000, the newest.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Shelf`], or what the store says.
    pub async fn tools(&self, by: &By, filter: ToolFilter) -> Result<Vec<ToolView>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let found = self.found(filter.server.as_ref()).await?;
        let wanted = |one: &ToolView| filter.state.is_none_or(|state| one.state == state);
        Ok(found.into_iter().map(|one| one.view).filter(wanted).collect())
    }

    /// One tool in full. `tool` is its name; where a name cannot be written, a pin of it does.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], [`OfficeError::Shelf`], or what the store says.
    pub async fn tool(&self, by: &By, server: &Name, tool: &str) -> Result<ToolDetail, OfficeError> {
        self.allow(by, Operation::See).await?;
        let Found { mut view, offer } = self.find(server, tool).await?;
        let history = match offer {
            None => Vec::new(),
            Some((route, name)) => self.0.store.read(move |tx| offers::history(tx, route, name)).await?,
        };
        let (shelf, ledger) = (self.0.ledger.shelf(), self.0.ledger.clone());
        blocking(move || {
            let define = |pin: Option<Digest>| pin.map(|pin| defined(&shelf, pin)).transpose();
            let (accepted, offered) = (define(view.accepted)?, define(view.offered)?);
            let said = |one: &Option<DefinitionView>| one.as_ref().and_then(|one| one.definition.clone());
            let (was, is) = (said(&accepted), said(&offered));
            let difference = match (&was, &is) {
                (Some(was), Some(is)) if view.accepted != view.offered => Some(Difference::between(was, is)),
                _ => None,
            };
            if let Some(difference) = &difference {
                view.findings.extend(widened(difference));
            }
            let lacks = match (&view.facts, &is) {
                (Some(facts), Some(is)) => is.lacks(facts),
                _ => Vec::new(),
            };
            let mut forms = Vec::with_capacity(history.len());
            for (index, at, pin) in history {
                // The record itself says what was found; nothing of it is kept apart.
                let findings = match Entry::from_leaf(&ledger.read(index)?)?.event {
                    Event::Offered(offered) => offered.findings,
                    _ => None,
                };
                forms.push(OfferView { index, at, pin, findings });
            }
            let history = forms;
            Ok(ToolDetail { tool: view, accepted, offered, difference, lacks, history })
        })
        .await?
    }

    /// Accepts a tool in exactly the form `pin`, which its server must offer now. Policies get their types from that
    /// form; the plan that would come of it is compiled before anything is ordered.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`]; [`OfficeError::Tool`] if the tool is not declared, not
    /// offered in that form, or its text is not there; [`OfficeError::Faults`] if policies do not fit its schema; else
    /// what shelf, store and ledger say. Nothing was done then; if the ledger fails between order and plan, the plan
    /// follows at the next start.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn accept_pin(
        &self,
        by: &By,
        server: &Name,
        tool: &str,
        pin: Digest,
    ) -> Result<ToolOrdered, OfficeError> {
        self.allow(by, Operation::AcceptPin).await?;
        let (own, by, server, tool) = (self.clone(), by.human(), server.clone(), tool.to_owned());
        detached(async move {
            let desk = own.desk().await?;
            let view = own.find(&server, &tool).await?.view;
            let wrong = |why| OfficeError::Tool { tool: format!("{server}/{}", cut(&tool)), why };
            let id = view.id.ok_or_else(|| wrong("it is not declared, so nobody said what a call does"))?;
            if view.offered != Some(pin) {
                return Err(wrong(match view.offered {
                    None => "its server never offered it",
                    Some(_) => "its server does not offer it in the form that was named",
                }));
            }
            let schema = own.schema_of(pin, &view, &wrong).await?;
            own.fits(by, id, pin, schema.clone()).await?;
            if let Some(schema) = schema {
                let sql = "INSERT OR REPLACE INTO tool_schema (tool, pin, input_schema) VALUES (?1, ?2, ?3)";
                let kept = own.0.store.run(move |tx| {
                    Ok::<_, OfficeError>(tx.execute(sql, [id.to_string(), pin.to_string(), schema])?)
                });
                kept.await?;
            }
            let order = own.give(by, OrderKind::AcceptPin { pin, tool: id }).await?;
            let declared = declarations_of(&own.current());
            let applied = own.commit(desk, None, Wanted::new(declared, by)).await?;
            Ok(ToolOrdered { order, applied })
        })
        .await
    }

    /// Takes back that a tool was accepted, in whatever form; the gate holds it back until somebody accepts it again.
    /// Policies keep the types of its last form.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`]; [`OfficeError::Tool`] if it is not accepted; else what
    /// store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn quarantine_tool(
        &self,
        by: &By,
        server: &Name,
        tool: &str,
    ) -> Result<ToolOrdered, OfficeError> {
        self.allow(by, Operation::QuarantineTool).await?;
        let (own, by, server, tool) = (self.clone(), by.human(), server.clone(), tool.to_owned());
        detached(async move {
            let desk = own.desk().await?;
            let view = own.find(&server, &tool).await?.view;
            let accepted = view.state != ToolState::Quarantined && view.accepted.is_some();
            let Some(id) = view.id.filter(|_| accepted) else {
                let tool = format!("{server}/{}", cut(&tool));
                return Err(OfficeError::Tool { tool, why: "it is not accepted" });
            };
            let order = own.give(by, OrderKind::Quarantine { tool: id }).await?;
            let declared = declarations_of(&own.current());
            let applied = own.commit(desk, None, Wanted::new(declared, by)).await?;
            Ok(ToolOrdered { order, applied })
        })
        .await
    }

    /// Whether the plan with this tool accepted in this form would compile.
    async fn fits(
        &self,
        by: Option<HumanId>,
        tool: ToolId,
        pin: Digest,
        input_schema: Option<String>,
    ) -> Result<(), OfficeError> {
        let base = self.current();
        let mut wanted = Wanted::new(declarations_of(&base), by);
        wanted.accepted.insert(tool, Accepted { pin: Some(pin.to_string()), input_schema });
        let faults = self.draft(&base, wanted).await?.faults;
        if faults.is_empty() { Ok(()) } else { Err(OfficeError::Faults { faults }) }
    }

    /// The input schema of a definition, from the shelf's text, which must be that of this tool.
    async fn schema_of(
        &self,
        pin: Digest,
        view: &ToolView,
        wrong: &impl Fn(&'static str) -> OfficeError,
    ) -> Result<Option<String>, OfficeError> {
        let shelf = self.0.ledger.shelf();
        let text = blocking(move || taken(&shelf, pin)).await??;
        let text = text.map_err(|why| {
            wrong(match why {
                Shelved::Forged => "the text of its definition was changed on the shelf",
                _ => "the text of its definition is not on the shelf, so nobody can have read it",
            })
        })?;
        let unread = "the text of its definition cannot be read";
        let definition = Definition::read(&text).ok_or_else(|| wrong(unread))?;
        if Some(&definition.name) != view.name.as_ref() {
            return Err(wrong("the text of its definition is that of another tool"));
        }
        let schema = input_schema_of(&text);
        if schema.as_ref().is_some_and(|schema| schema.len() > TOOL_SCHEMA_BYTES_MAX) {
            return Err(wrong("its input schema has more than 262144 bytes"));
        }
        Ok(schema)
    }

    async fn find(&self, server: &Name, tool: &str) -> Result<Found, OfficeError> {
        let mut all = self.found(Some(server)).await?;
        let pin: Option<Digest> = tool.parse().ok();
        let by_name = all.iter().position(|one| one.view.name.as_deref() == Some(tool));
        let by_pin = || {
            let has = |one: &Found| one.view.offered == pin || one.view.accepted == pin;
            pin.and_then(|_| all.iter().position(has))
        };
        match by_name.or_else(by_pin) {
            Some(at) => Ok(all.swap_remove(at)),
            None => Err(OfficeError::unknown("tool", &format!("{server}/{tool}"))),
        }
    }

    /// All tools, or those of one server, by server and name; those without a name last.
    async fn found(&self, server: Option<&Name>) -> Result<Vec<Found>, OfficeError> {
        let plan = self.current();
        let servers: BTreeMap<RouteId, Name> = plan
            .routes
            .iter()
            .filter(|(name, one)| is_server(&one.spec) && server.is_none_or(|server| server == *name))
            .map(|(name, one)| (one.id, name.clone()))
            .collect();
        if let Some(server) = server
            && servers.is_empty()
        {
            return Err(OfficeError::unknown("tool server", server));
        }
        let route = server.and_then(|_| servers.keys().next().copied());
        let ids: Vec<ToolId> = plan.tools.iter().map(|tool| tool.id).collect();
        let (newest, accepted) = self
            .0
            .store
            .read(move |tx| {
                let mut accepted = BTreeMap::new();
                for id in ids {
                    accepted.extend(offers::last_accepted(tx, id)?.map(|last| (id, last)));
                }
                Ok::<_, OfficeError>((offers::newest(tx, route)?, accepted))
            })
            .await?;
        let shelf = self.0.ledger.shelf();
        blocking(move || joined(&plan, &servers, newest, &accepted, &shelf)).await?
    }
}

/// A tool, and under which server and commitment it is offered.
struct Found {
    view: ToolView,
    offer: Option<(RouteId, Digest)>,
}

/// Joins what is declared with what is offered.
fn joined(
    plan: &Plan,
    servers: &BTreeMap<RouteId, Name>,
    newest: Vec<Newest>,
    accepted: &BTreeMap<ToolId, LastAccepted>,
    shelf: &Shelf,
) -> Result<Vec<Found>, OfficeError> {
    let shown = |server: &Name| servers.values().any(|known| known == server);
    let mut named: BTreeMap<(Name, String), Found> = plan
        .tools
        .iter()
        .filter(|tool| shown(&tool.spec.server))
        .map(|tool| {
            let view = declared(tool, accepted.get(&tool.id).copied());
            ((tool.spec.server.clone(), tool.spec.name.clone()), Found { view, offer: None })
        })
        .collect();
    let mut nameless = Vec::new();
    let mut offered: Vec<(Name, Definition)> = Vec::new();
    for offer in newest {
        let Some(server) = servers.get(&offer.route) else { continue };
        let DefinitionView { text, definition, .. } = defined(shelf, offer.pin)?;
        let by_id = || {
            let known = plan.tools.iter().find(|tool| Some(tool.id) == offer.tool);
            known.map(|tool| tool.spec.name.clone())
        };
        let name = definition.as_ref().map(|one| one.name.clone()).or_else(by_id);
        let mut found = match name.as_ref().and_then(|name| named.remove(&(server.clone(), name.clone()))) {
            // The newest comes first: an older one of the same name is told by nobody any more.
            Some(newer) if newer.offer.is_some() => {
                let key = (server.clone(), name.unwrap_or_default());
                named.insert(key, newer);
                continue;
            }
            Some(known) => known,
            None => Found { view: undeclared(server, name.clone()), offer: None },
        };
        found.offer = Some((offer.route, offer.name));
        let view = &mut found.view;
        view.offered = Some(offer.pin);
        view.text = Some(text);
        if let Some(said) = definition {
            view.title = said.title.as_ref().map(|title| title.chars().take(TITLE_CHARS).collect());
            offered.push((server.clone(), said));
        }
        (view.first_offered, view.last_offered) = (Some(offer.first), Some(offer.at));
        view.forms = offer.times;
        view.state = match view.state {
            ToolState::Quarantined => ToolState::Quarantined,
            _ if view.accepted.is_none() => ToolState::New,
            _ if view.accepted == view.offered => ToolState::Accepted,
            _ => ToolState::Changed,
        };
        match name {
            Some(name) => {
                named.insert((server.clone(), name), found);
            }
            None => nameless.push((offer.index, found)),
        }
    }
    // Only what owners have declared, and the server itself offers, is compared: another new server's names say nothing.
    let mut known: BTreeMap<&Name, KnownTools> = BTreeMap::new();
    for (server, said) in &offered {
        let all = known.entry(server).or_insert_with(|| {
            let mut all = KnownTools::default();
            plan.tools.iter().for_each(|tool| all.add(tool.spec.server.as_str(), &tool.spec.name));
            all
        });
        all.add(server.as_str(), &said.name);
    }
    for (server, said) in &offered {
        let all = known.get(server);
        if let (Some(found), Some(all)) = (named.get_mut(&(server.clone(), said.name.clone())), all) {
            found.view.findings = poison(server.as_str(), said.searched(), all);
        }
    }
    nameless.sort_by_key(|(index, _)| *index);
    Ok(named.into_values().chain(nameless.into_iter().map(|(_, found)| found)).collect())
}

fn declared(tool: &PlacedTool, last: Option<LastAccepted>) -> ToolView {
    let quarantined = last.filter(|last| last.quarantined);
    let pin = tool.pin.as_ref().and_then(|pin| pin.parse().ok());
    ToolView {
        server: tool.spec.server.clone(),
        name: Some(tool.spec.name.clone()),
        title: None,
        // Accepted and never seen on offer: an order of a time before the ledger told of offers.
        state: match (quarantined, pin) {
            (Some(_), _) => ToolState::Quarantined,
            (None, Some(_)) => ToolState::Accepted,
            (None, None) => ToolState::Declared,
        },
        id: Some(tool.id),
        effect: tool.spec.facts.effect,
        facts: Some(tool.spec.facts.clone()),
        accepted: quarantined.map(|last| last.pin).or(pin),
        offered: None,
        text: None,
        first_offered: None,
        last_offered: None,
        forms: 0,
        findings: Vec::new(),
    }
}

fn undeclared(server: &Name, name: Option<String>) -> ToolView {
    ToolView {
        server: server.clone(),
        name,
        title: None,
        state: ToolState::New,
        id: None,
        facts: None,
        effect: Facts::default().effect,
        accepted: None,
        offered: None,
        text: None,
        first_offered: None,
        last_offered: None,
        forms: 0,
        findings: Vec::new(),
    }
}

/// The text with this digest, or why it cannot be had.
fn taken(shelf: &Shelf, pin: Digest) -> Result<Result<Vec<u8>, Shelved>, OfficeError> {
    match shelf.take(&pin.0.into()) {
        Ok(Some(text)) => Ok(Ok(text)),
        Ok(None) => Ok(Err(Shelved::Missing)),
        Err(ShelfError::Changed { .. }) => Ok(Err(Shelved::Forged)),
        Err(error) => Err(error.into()),
    }
}

fn defined(shelf: &Shelf, pin: Digest) -> Result<DefinitionView, OfficeError> {
    let (text, definition) = match taken(shelf, pin)? {
        Err(why) => (why, None),
        Ok(text) => match Definition::read(&text) {
            Some(definition) => (Shelved::Whole, Some(definition)),
            None => (Shelved::Unreadable, None),
        },
    };
    Ok(DefinitionView { pin, text, definition })
}

const fn is_server(route: &Route) -> bool {
    matches!(route, Route::Mcp(_))
}

/// Most characters of a title.
const TITLE_CHARS: usize = 200;

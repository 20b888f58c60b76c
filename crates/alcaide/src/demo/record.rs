//! What the ledger says of a call: read after each, by the operator, from the first entry that was not read yet.

use std::time::{Duration, Instant};

use alcaide_inventory::id::CallId;
use alcaide_record::{ActionKind, Chain, Decided, Entry, Event, FindingCount, OrderKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::Client;
use crate::commands::activity::word;
use crate::commands::log::{Names, names};
use crate::fail::{ANSWER, Failure};

/// How long the office may hold a request for entries that are not there yet, in milliseconds.
const WAIT_MS: u32 = 2_000;
/// How long an entry may take that must come.
const ENTRY_WAIT_MAX: Duration = Duration::from_secs(20);

/// Reads the ledger, entry by entry.
pub(super) struct Reader<'c> {
    client: &'c Client,
    next: u64,
    names: Names,
    figures: Figures,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Figures {
    /// Tool calls that went through.
    pub(super) passed: u64,
    /// Calls that were refused.
    pub(super) refused: u64,
    /// Questions to people.
    pub(super) questions: u64,
    /// Intents, of the gate's own messages too.
    pub(super) intents: u64,
    /// Outcomes.
    pub(super) outcomes: u64,
}

/// One call, as the ledger has it.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Passage {
    /// Who acted.
    pub(super) who: Option<String>,
    /// On whose behalf.
    pub(super) on_behalf_of: Option<String>,
    /// `allow`, `ask`, `refuse`; absent where it did not come to a decision.
    pub(super) decision: Option<String>,
    /// What was demanded of it.
    pub(super) obligations: Vec<String>,
    /// The policies that decided; a grant is named as such.
    pub(super) policies: Vec<String>,
    /// The plan that was in force.
    pub(super) plan: Option<u64>,
    /// Code of the refusal.
    pub(super) code: Option<String>,
    /// How far a refused call came.
    pub(super) stage: Option<String>,
    /// What was found in it and in its answer.
    pub(super) found: Vec<Found>,
    /// Its entries.
    pub(super) entries: Vec<Indexed>,
}

/// Whether a call that is read of has come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ends {
    /// Its caller has an answer: the entry that says so is there or comes.
    Surely,
    /// It may still wait for people.
    Open,
}

/// How often something was found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Found {
    /// What it is.
    pub(super) class: String,
    /// How often.
    pub(super) count: u32,
    /// By which rule.
    pub(super) rule: String,
}

/// An entry of the ledger.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Indexed {
    /// Its index.
    pub(super) index: u64,
    /// What it is.
    pub(super) kind: String,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<Read>,
    next: u64,
}

#[derive(Deserialize)]
struct Read {
    index: u64,
    entry: Value,
}

impl<'c> Reader<'c> {
    /// From the first entry on.
    pub(super) async fn begin(client: &'c Client) -> Result<Self, Failure> {
        let names = names(client).await?;
        Ok(Self { client, next: 0, names, figures: Figures::default() })
    }

    /// What was counted so far.
    pub(super) const fn figures(&self) -> Figures {
        self.figures
    }

    /// Takes the names of the plan that is in force now.
    pub(super) async fn learn_names(&mut self) -> Result<(), Failure> {
        self.names = names(self.client).await?;
        Ok(())
    }

    /// Reads what is there; of it nothing but the figures is kept.
    pub(super) async fn skip(&mut self) -> Result<(), Failure> {
        while !self.read(0).await?.is_empty() {}
        Ok(())
    }

    /// Reads what there is of a call of this kind, and on until it has ended, refused or passed, where `ends` says that it
    /// does.
    ///
    /// # Errors
    /// `ALC-CLI-0006` if the end does not come.
    pub(super) async fn call(&mut self, action: ActionKind, ends: Ends) -> Result<Passage, Failure> {
        let begun = Instant::now();
        let (mut passage, mut ours) = (Passage::default(), Vec::<CallId>::new());
        loop {
            let read = self.read(if ends == Ends::Surely { WAIT_MS } else { 0 }).await?;
            let mut ended = read.is_empty() && ends == Ends::Open;
            for (index, event) in &read {
                ended |= self.take(&mut passage, &mut ours, action, *index, event);
            }
            if ended {
                return Ok(passage);
            }
            if begun.elapsed() > ENTRY_WAIT_MAX {
                return Err(Failure::new(&ANSWER, "the record does not say how a call ended")
                    .at(format!("entry {}", self.next)));
            }
        }
    }

    /// Puts an entry into the passage if it belongs there; whether the call ends with it.
    fn take(
        &self,
        passage: &mut Passage,
        ours: &mut Vec<CallId>,
        action: ActionKind,
        index: u64,
        event: &Event,
    ) -> bool {
        match event {
            Event::Intent(one) if one.action == action => {
                ours.push(one.call);
                self.who(passage, &one.who);
                self.decided(passage, &one.decided);
                found(passage, &one.content.findings);
                passage.entry(index, "intent");
                false
            }
            Event::Outcome(one) if ours.contains(&one.call) => {
                found(passage, &one.findings);
                passage.entry(index, "outcome");
                true
            }
            Event::Refused(one) if one.action.is_none_or(|of| of == action) => {
                if let Some(who) = &one.who {
                    self.who(passage, who);
                }
                if let Some(decided) = &one.decided {
                    self.decided(passage, decided);
                }
                if let Some(content) = &one.content {
                    found(passage, &content.findings);
                }
                let asks = one.question.is_some();
                passage.entry(index, if asks { "question" } else { "refusal" });
                if !asks {
                    passage.code = Some(one.code.clone());
                    passage.stage = Some(word(&one.stage));
                }
                !asks
            }
            _ => {
                passage.entries.extend(self.order(index, event));
                false
            }
        }
    }

    fn who(&self, passage: &mut Passage, who: &Chain) {
        passage.who = Some(self.names.of_id(who.actor));
        passage.on_behalf_of = Some(self.names.of_id(who.subject));
    }

    fn decided(&self, passage: &mut Passage, decided: &Decided) {
        passage.decision = Some(word(&decided.decision));
        passage.plan = Some(decided.plan.0);
        passage.obligations = decided.obligations.iter().map(word).collect();
        let named = decided.policies.iter().map(|id| {
            let name = self.names.of_id(id);
            // The plan holds no name for what grants and the house's own policies are compiled to.
            if name == id.to_string() { "a grant".to_owned() } else { name }
        });
        let mut policies: Vec<String> = named.collect();
        policies.sort_unstable();
        policies.dedup();
        passage.policies = policies;
    }

    fn order(&self, index: u64, event: &Event) -> Option<Indexed> {
        let Event::Order(order) = event else { return None };
        let kind = match order.order {
            OrderKind::Approve { .. } => "yes",
            OrderKind::Deny { .. } => "no",
            OrderKind::Kill { .. } => "stop",
            _ => return None,
        };
        let by = order.by.map_or_else(|| "the operator".to_owned(), |by| self.names.of_id(by));
        Some(Indexed { index, kind: format!("{kind} of {by}") })
    }

    async fn read(&mut self, wait_ms: u32) -> Result<Vec<(u64, Event)>, Failure> {
        let path = format!("/api/v1/log/entries?from={}&limit=200&wait_ms={wait_ms}", self.next);
        let Entries { entries, next } = self.client.get(&path).await?;
        self.next = next;
        let mut events = Vec::with_capacity(entries.len());
        for Read { index, entry } in entries {
            let entry: Entry = serde_json::from_value(entry).map_err(|error| {
                Failure::new(&ANSWER, "an entry was not understood").at(format!("entry {index}")).why(error)
            })?;
            self.figures.count(&entry.event);
            events.push((index, entry.event));
        }
        Ok(events)
    }
}

impl Figures {
    fn count(&mut self, event: &Event) {
        let more = |count: &mut u64| *count = count.saturating_add(1);
        match event {
            Event::Intent(one) => {
                more(&mut self.intents);
                if one.action == ActionKind::CallTool {
                    more(&mut self.passed);
                }
            }
            Event::Outcome(_) => more(&mut self.outcomes),
            Event::Refused(one) if one.question.is_some() => more(&mut self.questions),
            Event::Refused(_) => more(&mut self.refused),
            _ => {}
        }
    }
}

impl Passage {
    fn entry(&mut self, index: u64, kind: &str) {
        self.entries.push(Indexed { index, kind: kind.to_owned() });
    }

    /// Whether something was hidden from the caller.
    pub(super) fn masks(&self) -> bool {
        self.obligations.iter().any(|one| one == "mask") && !self.found.is_empty()
    }
}

/// Adds up what was found, by rule.
fn found(passage: &mut Passage, findings: &[FindingCount]) {
    for one in findings {
        let rule = one.rule.to_string();
        match passage.found.iter_mut().find(|found| found.rule == rule) {
            Some(found) => found.count = found.count.saturating_add(one.count),
            None => {
                passage.found.push(Found { class: one.class.as_str().to_owned(), count: one.count, rule });
            }
        }
    }
}

//! What the entries of one call say of where data came from and where it went, read back from the ledger.

use alcaide_inventory::fact::{Effect as ToolEffect, Facts};
use alcaide_inventory::id::{CallId, UpstreamId};
use alcaide_inventory::{Plan, PlanNumber, ToolId};
use alcaide_label::{Label, Provenance};
use alcaide_ledger::Ledger;
use alcaide_record::{ActionKind, Content, Digest, Effect, Entry, Event, FlowNote, WordsGrade};

use super::origins::Wrong;
use crate::error::OfficeError;
use crate::passage::STEPS_MAX;
use crate::view::CallView;

/// What one entry says of its call's arguments.
pub(super) struct Noted {
    pub(super) note: FlowNote,
    pub(super) arguments: Vec<Provenance>,
    pub(super) words: WordsGrade,
    pub(super) plan: Option<PlanNumber>,
    pub(super) tool: Option<ToolId>,
}

/// What all entries of a call say.
#[derive(Default)]
pub(super) struct CallFacts {
    /// What its answer makes of its task; none where nothing was sent or nothing is read.
    pub(super) reads: Option<Label>,
    /// Where its arguments come from, as its newest entry that says so has it.
    pub(super) noted: Option<Noted>,
    /// The label of its task when it was decided on.
    pub(super) label: Option<Label>,
    /// How sure it was what the user said.
    pub(super) words: WordsGrade,
    /// Stores that it wrote strangers' text into, as keyed commitments.
    pub(super) plants: Vec<Digest>,
    /// Where it was sent last.
    pub(super) upstream: Option<UpstreamId>,
    /// What it was about, as a keyed commitment.
    pub(super) name: Option<Digest>,
}

impl CallFacts {
    /// What these entries of a call say, oldest first.
    pub(super) fn of(ledger: &Ledger, entries: &[u64]) -> Result<Self, OfficeError> {
        let mut all = Self::default();
        for index in entries.iter().copied().take(STEPS_MAX) {
            let entry = Entry::from_leaf(&ledger.read(index)?);
            let entry = entry.map_err(|source| OfficeError::Entry { index, source })?;
            match entry.event {
                Event::Intent(intent) => {
                    for effect in &intent.effects {
                        match effect {
                            Effect::Join { label, .. } => {
                                all.reads = Some(all.reads.map_or(*label, |known| known.join(*label)));
                            }
                            Effect::Plant { store, .. } => all.plants.push(*store),
                            _ => {}
                        }
                    }
                    all.name = Some(intent.target.name);
                    all.upstream = Some(intent.attempt.upstream);
                    all.content(intent.content, Some(intent.decided.plan), intent.target.tool);
                }
                Event::Refused(refused) => {
                    let plan = refused.decided.map(|decided| decided.plan);
                    let target = refused.target;
                    all.name = target.as_ref().map(|target| target.name).or(all.name);
                    if let Some(content) = refused.content {
                        all.content(content, plan, target.and_then(|target| target.tool));
                    }
                }
                _ => {}
            }
        }
        Ok(all)
    }

    fn content(&mut self, content: Content, plan: Option<PlanNumber>, tool: Option<ToolId>) {
        let Content { arguments, flow, label, words, .. } = content;
        self.label = Some(label);
        self.words = words;
        if let Some(note) = flow {
            self.noted = Some(Noted { note: *note, arguments, words, plan, tool });
        }
    }

    /// The calls whose answers its arguments were read from.
    pub(super) fn sources(&self) -> &[CallId] {
        self.noted.as_ref().map_or(&[], |noted| noted.note.sources.as_slice())
    }

    /// Where its arguments come from, each kind once, the surest first.
    pub(super) fn from(&self) -> Vec<Provenance> {
        let mut all = self.noted.as_ref().map(|noted| noted.arguments.clone()).unwrap_or_default();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What is wrong with its arguments, each kind once.
    pub(super) fn wrong(&self) -> Vec<Wrong> {
        let Some(Noted { note, .. }) = &self.noted else { return Vec::new() };
        let all = [
            (&note.unbound, Wrong::Unbound),
            (&note.over, Wrong::Over),
            (&note.leaks, Wrong::Leaks),
            (&note.look_alikes, Wrong::LookAlike),
            (&note.carries, Wrong::Carries),
            (&note.copied, Wrong::Copied),
            (&note.handles, Wrong::Handle),
        ];
        all.into_iter().filter(|(places, _)| !places.is_empty()).map(|(_, wrong)| wrong).collect()
    }
}

/// What a call does to the world, as its tool is declared in the plan: nothing where it calls no tool; a tool that nobody
/// declared counts as the gravest.
pub(super) fn effect_of(plan: &Plan, call: &CallView) -> Option<ToolEffect> {
    match (call.action, call.tool) {
        (_, Some(id)) => {
            let declared = plan.tools.iter().find(|tool| tool.id == id).map(|tool| tool.spec.facts.effect);
            Some(declared.unwrap_or(Facts::strictest().effect))
        }
        (Some(ActionKind::CallTool), None) => Some(Facts::strictest().effect),
        _ => None,
    }
}

/// Whether a call can have done something: a tool with an effect, or an operation of a plain API, whose effect the record
/// does not say.
pub(super) fn acts(plan: &Plan, call: &CallView) -> bool {
    effect_of(plan, call).is_some_and(ToolEffect::is_consequential)
        || call.action == Some(ActionKind::CallApi)
}

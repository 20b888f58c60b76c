//! What one task read and did, as a graph: the user's words and the answers that were read are its sources, calls its
//! sinks, an edge leads from what gave arguments to the call that they were given to.

use std::collections::HashMap;

use alcaide_inventory::fact::Effect;
use alcaide_inventory::id::{CallId, TaskId};
use alcaide_inventory::{Actor, Name, Plan};
use alcaide_label::{Integrity, Label, Provenance};
use alcaide_record::WordsGrade;
use serde::{Deserialize, Serialize};

use super::facts::{CallFacts, acts, effect_of};
use super::origins::{SOURCES_MAX, Wrong};
use crate::by::{By, Operation};
use crate::calls;
use crate::error::OfficeError;
use crate::office::Office;
use crate::query::Names;
use crate::view::{ActivityFilter, CallView};

/// Most calls of a task that its graph shows: the newest.
pub const TASK_CALLS_MAX: u32 = 200;

/// What one task read and did.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TaskFlow {
    /// The task.
    pub task: TaskId,
    /// Who acts in it, as its newest call has it.
    pub actor: Option<Actor>,
    /// Name of the actor in the plan in force.
    pub actor_name: Option<Name>,
    /// How sure it is what the user said, at best.
    pub words: WordsGrade,
    /// Its calls, oldest first; the newest [`TASK_CALLS_MAX`].
    pub calls: Vec<FlowCall>,
    /// Whether it made more calls before these.
    pub more: bool,
    /// What gave arguments to which call.
    pub edges: Vec<FlowEdge>,
}

/// A call in the graph of its task.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FlowCall {
    /// The call.
    #[serde(flatten)]
    pub call: CallView,
    /// What its tool does to the world, as declared in the plan in force; none where it is no call of a tool.
    pub effect: Option<Effect>,
    /// Whether it can have done something: a tool with an effect, or an operation of a plain API.
    pub acts: bool,
    /// What its answer makes of the task that reads it.
    pub reads: Option<Label>,
    /// Where its arguments come from, each kind once.
    pub from: Vec<Provenance>,
    /// What is wrong with its arguments, each kind once.
    pub wrong: Vec<Wrong>,
    /// Whether it wrote text into a store that strangers may have had a part in.
    pub plants: bool,
    /// How many more calls its arguments were read from than have edges.
    pub more_sources: u64,
}

/// From what arguments came to a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FlowEdge {
    /// The call whose answer was read; none for the user's words.
    pub from: Option<CallId>,
    /// The call that they were given to.
    pub to: CallId,
    /// Whether strangers can have written what was read; also where that is not known.
    pub untrusted: bool,
}

impl FlowCall {
    pub(super) fn new(plan: &Plan, call: CallView, facts: &CallFacts) -> Self {
        let rest = facts.sources().len().saturating_sub(SOURCES_MAX);
        Self {
            effect: effect_of(plan, &call),
            acts: acts(plan, &call),
            reads: facts.reads,
            from: facts.from(),
            wrong: facts.wrong(),
            plants: !facts.plants.is_empty(),
            more_sources: u64::try_from(rest).unwrap_or(u64::MAX),
            call,
        }
    }

    /// Whether strangers can have written what it answered.
    #[must_use]
    pub fn reads_strangers(&self) -> bool {
        self.reads.is_some_and(|label| label.integrity == Integrity::Untrusted)
    }

    /// Whether something that decides what it does was endorsed by people for the task.
    #[must_use]
    pub fn is_endorsed(&self) -> bool {
        self.from.contains(&Provenance::Endorsed)
    }

    /// What it was about, in a server's own words where it is a tool.
    #[must_use]
    pub fn what(&self) -> Option<String> {
        let call = &self.call;
        call.tool_name.clone().or_else(|| call.route_name.as_ref().map(ToString::to_string))
    }
}

impl Office {
    /// What a task read and did.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`] where no token was issued for such a task and it made no
    /// call; else what store and ledger say.
    pub async fn task_flow(&self, by: &By, task: TaskId) -> Result<TaskFlow, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let (ledger, plan) = (self.0.ledger.clone(), self.current());
        let read = self.0.store.read(move |tx| {
            let filter = ActivityFilter { task: Some(task), ..ActivityFilter::default() };
            let page = calls::list(tx, &filter, TASK_CALLS_MAX, i64::MAX)?;
            if page.items.is_empty() {
                let known = tx.prepare("SELECT 1 FROM issued WHERE task = ?1")?.exists([task.to_string()])?;
                if !known {
                    return Err(OfficeError::unknown("task", &task));
                }
            }
            let mut all = Vec::with_capacity(page.items.len());
            for call in page.items.into_iter().rev() {
                let facts = CallFacts::of(&ledger, &call.entries)?;
                all.push((call, facts));
            }
            Ok((all, page.next.is_some()))
        });
        let (all, more) = read.await?;
        Ok(graph(task, all, more, &plan))
    }
}

fn graph(task: TaskId, all: Vec<(CallView, CallFacts)>, more: bool, plan: &Plan) -> TaskFlow {
    let names = Names::of(plan);
    let labels: HashMap<CallId, Option<Label>> =
        all.iter().map(|(call, facts)| (call.call, facts.reads)).collect();
    let strange = |source: &CallId| {
        let label = labels.get(source).copied().flatten();
        label.is_none_or(|label| label.integrity == Integrity::Untrusted)
    };
    let mut edges = Vec::new();
    let mut words = WordsGrade::None;
    let mut shown = Vec::with_capacity(all.len());
    for (mut call, facts) in all {
        names.put(&mut call);
        let to = call.call;
        words = surer(words, facts.words);
        if facts.from().contains(&Provenance::UserAttested) {
            edges.push(FlowEdge { from: None, to, untrusted: false });
        }
        let sources = facts.sources().iter().take(SOURCES_MAX);
        edges.extend(sources.map(|source| FlowEdge { from: Some(*source), to, untrusted: strange(source) }));
        shown.push(FlowCall::new(plan, call, &facts));
    }
    let actor = shown.last().and_then(|one| one.call.actor);
    let actor_name = names.name(actor.map(|actor| actor.to_string()));
    TaskFlow { task, actor, actor_name, words, calls: shown, more, edges }
}

const fn surer(one: WordsGrade, other: WordsGrade) -> WordsGrade {
    match (one, other) {
        (WordsGrade::Attested, _) | (_, WordsGrade::Attested) => WordsGrade::Attested,
        (WordsGrade::Asserted, _) | (_, WordsGrade::Asserted) => WordsGrade::Asserted,
        (WordsGrade::None, WordsGrade::None) => WordsGrade::None,
    }
}

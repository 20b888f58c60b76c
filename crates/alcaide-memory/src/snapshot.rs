//! Memory as bytes, so that a start need not replay the whole ledger.
//!
//! A snapshot says which entries are in it: all below one index, and single ones beyond. It is written only when the
//! ledger is durable past the last of them, and it is authenticated by its keeper (a keyed digest beside it); a
//! snapshot that does not open is ignored and everything is replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use alcaide_inventory::id::{BudgetId, CallId, ModelId, RouteId, RunId, TaskId, TokenId};
use alcaide_inventory::{Actor, Moment};
use alcaide_label::Label;
use alcaide_record::{Digest, Life};
use serde::{Deserialize, Serialize};

use crate::budget::{Counter, Held};
use crate::question::{Kept, KeptRates, Questions};
use crate::state::{ActorState, Applied, Endorsed, Memory, Offers, Planted, State, TASKS_MAX, TaskState};

/// Version of the snapshot's form.
pub const SNAPSHOT_VERSION: u32 = 4;
/// Oldest version that is still read. Version 1 has no questions, version 2 no quarantined routes, version 3 no models, and there
/// were none when they were written.
const SNAPSHOT_VERSION_OLDEST: u32 = 1;

/// A snapshot could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot of memory is not of version {SNAPSHOT_VERSION}: {why}")]
pub struct SnapshotError {
    why: String,
}

/// A snapshot and the entry it needs.
#[derive(Debug)]
pub struct Snapshot {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The ledger must be durable below this index before the bytes are kept.
    pub needs: u64,
}

/// The newest definition of each tool, by the commitment of its name.
type Newest = Vec<(Digest, Digest)>;

#[derive(Deserialize, Serialize)]
struct Form {
    version: u32,
    below: u64,
    beyond: BTreeSet<u64>,
    budgets: Vec<(BudgetId, Moment, Counter)>,
    open: Vec<(CallId, u32, Vec<Held>)>,
    tasks: Vec<(TaskId, Label, Option<RunId>, u64)>,
    runs: Vec<(RunId, Label)>,
    actors: Vec<(Actor, u64, bool)>,
    revoked: Vec<(TokenId, Moment)>,
    #[serde(default)]
    offers: Vec<(RouteId, Newest, u32)>,
    #[serde(default)]
    planted: Vec<(Digest, Planted)>,
    #[serde(default)]
    held: BTreeSet<RouteId>,
    #[serde(default)]
    models: BTreeMap<ModelId, Life>,
    #[serde(default)]
    questions: Vec<Kept>,
    /// Absent in snapshots from before it was kept: then the hour begins anew.
    #[serde(default)]
    asked: KeptRates,
    #[serde(default)]
    endorsed: Vec<(TaskId, Endorsed)>,
    /// Absent in snapshots from before it was kept: then whoever remembers many has perhaps forgotten some.
    #[serde(default)]
    forgot_tasks: Option<bool>,
    #[serde(default)]
    forgot_runs: Option<bool>,
}

impl Memory {
    /// All that is remembered, as bytes.
    ///
    /// # Errors
    /// [`SnapshotError`] if it cannot be written as JSON.
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let form = {
            let state = self.state();
            let (questions, asked) = self.kept_questions();
            // Amounts set aside for calls whose intent is not written yet are not part of what the ledger knows.
            let mut budgets: Vec<(BudgetId, Moment, Counter)> = state
                .budgets
                .iter()
                .map(|((budget, period), counter)| {
                    (*budget, *period, Counter { reserved: 0, used: counter.used })
                })
                .collect();
            budgets.sort_unstable_by_key(|(budget, period, _)| (*budget, *period));
            for held in state.open.values().flatten() {
                if let Ok(at) = budgets
                    .binary_search_by_key(&(held.budget, held.period), |(budget, period, _)| {
                        (*budget, *period)
                    })
                    && let Some((_, _, counter)) = budgets.get_mut(at)
                {
                    counter.reserved = counter.reserved.saturating_add(held.amount);
                }
            }
            Form {
                version: SNAPSHOT_VERSION,
                below: state.applied.below,
                beyond: state.applied.beyond.clone(),
                budgets,
                open: state
                    .open
                    .iter()
                    .map(|((call, attempt), held)| (*call, *attempt, held.clone()))
                    .collect(),
                tasks: state
                    .tasks
                    .iter()
                    .map(|(task, known)| (*task, known.label, known.run, known.touched))
                    .collect(),
                runs: state.runs.iter().map(|(run, label)| (*run, *label)).collect(),
                actors: state
                    .actors
                    .iter()
                    .map(|(actor, known)| (*actor, known.epoch, known.killed))
                    .collect(),
                revoked: state.revoked.iter().map(|(token, forget)| (*token, *forget)).collect(),
                offers: state
                    .offers
                    .iter()
                    .map(|(server, offers)| {
                        let newest = offers.newest.iter().map(|(name, pin)| (*name, *pin)).collect();
                        (*server, newest, offers.taken)
                    })
                    .collect(),
                planted: state.planted.iter().map(|(store, planted)| (*store, planted.clone())).collect(),
                held: state.held.clone(),
                models: state.models.clone(),
                questions,
                asked,
                endorsed: state.endorsed.iter().map(|(task, all)| (*task, all.clone())).collect(),
                forgot_tasks: Some(state.forgot_tasks),
                forgot_runs: Some(state.forgot_runs),
            }
        };
        let needs = form.beyond.last().map_or(form.below, |last| last.saturating_add(1));
        let bytes = serde_json::to_vec(&form).map_err(|error| SnapshotError { why: error.to_string() })?;
        Ok(Snapshot { bytes, needs })
    }

    /// Memory as it was; entries from [`Memory::replay_from`] on are still to be applied.
    ///
    /// # Errors
    /// [`SnapshotError`] for another version or anything that is not a snapshot.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Arc<Self>, SnapshotError> {
        let form: Form =
            serde_json::from_slice(bytes).map_err(|error| SnapshotError { why: error.to_string() })?;
        if !(SNAPSHOT_VERSION_OLDEST..=SNAPSHOT_VERSION).contains(&form.version) {
            return Err(SnapshotError { why: format!("its version is {}", form.version) });
        }
        let many = form.tasks.len() >= TASKS_MAX / 2;
        let state = State {
            budgets: form
                .budgets
                .into_iter()
                .map(|(budget, period, counter)| ((budget, period), counter))
                .collect(),
            open: form.open.into_iter().map(|(call, attempt, held)| ((call, attempt), held)).collect(),
            tasks: form
                .tasks
                .into_iter()
                .map(|(task, label, run, touched)| (task, TaskState { label, run, touched }))
                .collect(),
            runs: form.runs.into_iter().collect(),
            actors: form
                .actors
                .into_iter()
                .map(|(actor, epoch, killed)| (actor, ActorState { epoch, killed }))
                .collect(),
            revoked: form.revoked.into_iter().collect(),
            offers: form
                .offers
                .into_iter()
                .map(|(server, newest, taken)| {
                    (server, Offers { newest: newest.into_iter().collect(), taken })
                })
                .collect(),
            planted: form.planted.into_iter().collect(),
            endorsed: form.endorsed.into_iter().collect(),
            held: form.held,
            models: form.models,
            forgot_tasks: form.forgot_tasks.unwrap_or(many),
            forgot_runs: form.forgot_runs.unwrap_or(many),
            applied: Applied { below: form.below, beyond: form.beyond },
            ..State::default()
        };
        Ok(Arc::new(Self::of(state, Questions::of(form.questions, form.asked))))
    }

    fn of(state: State, questions: Questions) -> Self {
        Self { state: Mutex::new(state), questions: Mutex::new(questions), ..Self::default() }
    }
}

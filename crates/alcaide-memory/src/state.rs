//! The state and what is asked of it while calls pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alcaide_inventory::declare::Period;
use alcaide_inventory::id::{BudgetId, CallId, ModelId, RouteId, RunId, TaskId, TokenId};
use alcaide_inventory::{Actor, Moment};
use alcaide_label::Label;
use alcaide_record::{Digest, Effect, Issued, Life, Refused, Settlement};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::budget::{BudgetAsk, Counter, Exhausted, Held, Reservation, period_end, period_start};
use crate::hearing::Hearing;
use crate::question::Questions;
use crate::replay::{ReplayError, Seen};

/// Most tasks whose labels are remembered; past it the oldest is forgotten and counts as untrusted.
pub(crate) const TASKS_MAX: usize = 200_000;
/// Most runs whose labels are remembered beyond their tasks; past it an unknown run counts as untrusted.
pub(crate) const RUNS_MAX: usize = 200_000;
/// Most calls whose texts are remembered of one store; past it all that is read there is strangers'.
pub(crate) const PLANTED_MAX: usize = 10_000;
/// Most calls of one task with which values were endorsed that are remembered; what is endorsed later is not.
pub(crate) const ENDORSED_MAX: usize = 256;
/// Most definitions that one tool server is remembered to have offered; past it new ones are not taken, and tools that
/// were not offered in a known form stay hidden. A server with so many changes them at every look.
pub(crate) const OFFERS_MAX: u32 = 5_000;

/// Why a credential is not good now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotGood {
    /// Someone in the chain was killed.
    #[error("`{0}` was stopped")]
    Killed(Actor),
    /// The credential is from before its holder's last stop.
    #[error("the credential of `{0}` is from before its last stop")]
    OldEpoch(Actor),
    /// The token or one that it descends from was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Nobody follows the ledger: an order may be missing, and none will come.
    #[error("orders are not followed any more")]
    Deaf,
    /// The newest orders are not known yet.
    #[error("the newest orders are not known")]
    Stale,
}

impl NotGood {
    /// Whether an order stopped somebody; else it is not known whether one did.
    #[must_use]
    pub const fn is_order(&self) -> bool {
        !matches!(self, Self::Deaf | Self::Stale)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ActorState {
    pub(crate) epoch: u64,
    pub(crate) killed: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskState {
    pub(crate) label: Label,
    pub(crate) run: Option<RunId>,
    /// Ledger index that last touched it.
    pub(crate) touched: u64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) budgets: HashMap<(BudgetId, Moment), Counter>,
    pub(crate) open: HashMap<(CallId, u32), Vec<Held>>,
    pub(crate) tasks: HashMap<TaskId, TaskState>,
    pub(crate) runs: HashMap<RunId, Label>,
    pub(crate) actors: HashMap<Actor, ActorState>,
    pub(crate) revoked: HashMap<TokenId, Moment>,
    pub(crate) offers: HashMap<RouteId, Offers>,
    pub(crate) planted: HashMap<Digest, Planted>,
    pub(crate) endorsed: HashMap<TaskId, Endorsed>,
    /// What became of models: as many as were ever declared at most, each bounded by itself.
    pub(crate) models: BTreeMap<ModelId, Life>,
    /// Routes that are quarantined: as many as are declared at most.
    pub(crate) held: BTreeSet<RouteId>,
    /// Whether a task was ever forgotten: from then on an unknown one is new only if its entry says so.
    pub(crate) forgot_tasks: bool,
    /// Whether a run was ever forgotten that had read something.
    pub(crate) forgot_runs: bool,
    /// How long the periods of a budget are, since somebody asked for it.
    pub(crate) periods: HashMap<BudgetId, Period>,
    /// So many counters are looked through for those that are over, and when they were the last time.
    pub(crate) sweep_at: usize,
    pub(crate) swept: Moment,
    pub(crate) applied: Applied,
}

/// What tasks that had read strangers' text wrote into one store.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Planted {
    /// Digests of texts on the shelf, each of which holds the digests of what one call wrote.
    pub(crate) runs: BTreeSet<Digest>,
    /// Whether there were more than are kept: then all that is read there is strangers'.
    pub(crate) full: bool,
}

/// What people endorsed in one task: for each list of values on the shelf, the places in it.
pub(crate) type Endorsed = BTreeMap<Digest, BTreeSet<u16>>;

/// What one tool server offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offers {
    /// The newest definition of each tool, by the commitment of its name.
    pub(crate) newest: HashMap<Digest, Digest>,
    /// How many definitions were taken in all.
    pub(crate) taken: u32,
}

/// Which ledger entries are in the state: all below `below`, and `beyond`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) below: u64,
    pub(crate) beyond: BTreeSet<u64>,
}

impl Applied {
    /// Notes `index`; false if it was noted before.
    pub(crate) fn note(&mut self, index: u64) -> bool {
        if index < self.below {
            return false;
        }
        if index == self.below {
            // Nearly always: in order, nothing is set aside.
            self.below = self.below.saturating_add(1);
        } else if !self.beyond.insert(index) {
            return false;
        }
        while self.beyond.remove(&self.below) {
            self.below = self.below.saturating_add(1);
        }
        true
    }
}

/// All that the gate remembers. Shared by every call; each question takes one short lock.
#[derive(Debug, Default)]
pub struct Memory {
    pub(crate) state: Mutex<State>,
    pub(crate) seen: Mutex<Seen>,
    pub(crate) questions: Mutex<Questions>,
    pub(crate) hearing: Hearing,
    pub(crate) issued: watch::Sender<()>,
}

impl Memory {
    /// Knows nothing yet: ledger entries from 0 on are to be replayed into it.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic while holding the lock leaves counters that are at worst too strict; the state stays usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// First ledger index that is not yet in memory; entries from here on are to be replayed at start.
    #[must_use]
    pub fn replay_from(&self) -> u64 {
        self.state().applied.below
    }

    /// Ledger index below which an entry may be in memory: the ledger must hold all of them.
    #[must_use]
    pub fn replay_needs(&self) -> u64 {
        let state = self.state();
        state.applied.beyond.last().map_or(state.applied.below, |last| last.saturating_add(1))
    }

    /// Sets amounts aside in all of `asks` or in none.
    ///
    /// # Errors
    /// [`Exhausted`] for the first budget that has not enough left.
    pub fn reserve(self: &Arc<Self>, asks: &[BudgetAsk], now: Moment) -> Result<Reservation, Box<Exhausted>> {
        if asks.is_empty() {
            return Ok(Reservation::new(Arc::clone(self), Vec::new()));
        }
        let mut state = self.state();
        let room = state.room_for_counters(now);
        let mut held = Vec::with_capacity(asks.len());
        let exhausted = |left, start, ask: &BudgetAsk| {
            Box::new(Exhausted {
                budget: ask.budget,
                name: ask.name.clone(),
                left,
                limit: ask.limit,
                asked: ask.amount,
                again: period_end(ask.period, start),
            })
        };
        for ask in asks {
            let start = period_start(ask.period, now);
            let taken = state.budgets.get(&(ask.budget, start)).map_or(0, |counter| counter.taken());
            let left = ask.limit.saturating_sub(taken);
            if ask.amount > left || left == 0 {
                return Err(exhausted(left, start, ask));
            }
            if !room && !state.budgets.contains_key(&(ask.budget, start)) {
                return Err(exhausted(0, start, ask));
            }
            held.push(Held { budget: ask.budget, period: start, amount: ask.amount });
        }
        for ask in asks {
            state.periods.insert(ask.budget, ask.period);
        }
        for amount in &held {
            let counter = state.budgets.entry((amount.budget, amount.period)).or_default();
            counter.reserved = counter.reserved.saturating_add(amount.amount);
        }
        Ok(Reservation::new(Arc::clone(self), held))
    }

    /// Used and reserved of a budget in the period of `now`.
    #[must_use]
    pub fn taken(&self, budget: BudgetId, start: Moment) -> (u64, u64) {
        self.state().budgets.get(&(budget, start)).map_or((0, 0), |counter| (counter.used, counter.reserved))
    }

    pub(crate) fn give_back(&self, held: &[Held]) {
        let mut state = self.state();
        for amount in held {
            if let Some(counter) = state.budgets.get_mut(&(amount.budget, amount.period)) {
                counter.reserved = counter.reserved.saturating_sub(amount.amount);
            }
        }
    }

    pub(crate) fn open_reservation(
        &self,
        index: u64,
        (call, attempt): (CallId, u32),
        held: &[Held],
        effects: &[Effect],
    ) {
        let mut state = self.state();
        if state.applied.note(index) {
            if !held.is_empty() {
                state.open.insert((call, attempt), held.to_vec());
            }
            state.labels(effects, index);
            self.spent(effects);
        }
    }

    /// The gate's own question was given `index`; a second time it changes nothing.
    pub(crate) fn opened(&self, index: u64, refused: &Refused, at: Moment) {
        let mut state = self.state();
        if state.applied.note(index) {
            self.asked(index, refused, at);
        }
    }

    pub(crate) fn settle(&self, index: u64, call: CallId, attempt: u32, settled: &[Settlement]) {
        let mut state = self.state();
        if state.applied.note(index) {
            state.close(call, attempt, settled);
        }
    }

    /// An entry of the gate's own that changes nothing here was given `index`.
    pub fn noted(&self, index: u64) {
        self.state().applied.note(index);
    }

    /// Whether a credential is good now: nobody in its chain was stopped since it was issued, nothing was revoked, and
    /// somebody would tell if they were.
    ///
    /// # Errors
    /// [`NotGood`] with the first reason.
    pub fn is_good(
        &self,
        epochs: &[(Actor, u64)],
        token: TokenId,
        ancestors: &[TokenId],
    ) -> Result<(), NotGood> {
        self.follows()?;
        let state = self.state();
        for (actor, epoch) in epochs {
            if let Some(known) = state.actors.get(actor) {
                if known.killed {
                    return Err(NotGood::Killed(*actor));
                }
                if *epoch < known.epoch {
                    return Err(NotGood::OldEpoch(*actor));
                }
            }
        }
        if !state.revoked.is_empty()
            && (state.revoked.contains_key(&token)
                || ancestors.iter().any(|id| state.revoked.contains_key(id)))
        {
            return Err(NotGood::Revoked);
        }
        Ok(())
    }

    /// Digest of the definition that a server offered last for a tool, by the commitment of its name.
    #[must_use]
    pub fn offer(&self, server: RouteId, name: Digest) -> Option<Digest> {
        self.state().offers.get(&server).and_then(|offers| offers.newest.get(&name)).copied()
    }

    /// Which of these tools (name and definition) a server did not offer in this form last, as many as are still taken.
    #[must_use]
    pub fn new_offers(&self, server: RouteId, tools: &[(Digest, Digest)]) -> Vec<usize> {
        let state = self.state();
        let none = Offers::default();
        let known = state.offers.get(&server).unwrap_or(&none);
        let room = usize::try_from(OFFERS_MAX.saturating_sub(known.taken)).unwrap_or(0);
        let is_new = |(name, pin): &(Digest, Digest)| known.newest.get(name) != Some(pin);
        tools.iter().enumerate().filter(|(_, tool)| is_new(tool)).map(|(at, _)| at).take(room).collect()
    }

    /// Whether a token of this task was heard of.
    #[must_use]
    pub fn knows(&self, task: TaskId) -> bool {
        self.state().tasks.contains_key(&task)
    }

    /// Says when a token is heard of: look again then.
    #[must_use]
    pub fn issues(&self) -> watch::Receiver<()> {
        self.issued.subscribe()
    }

    /// What lies in stores that is strangers': for each store the texts on the shelf that say what, or nothing where it is too
    /// much to say.
    #[must_use]
    pub fn planted(&self) -> Vec<(Digest, Option<Vec<Digest>>)> {
        let all = |planted: &Planted| (!planted.full).then(|| planted.runs.iter().copied().collect());
        self.state().planted.iter().map(|(store, planted)| (*store, all(planted))).collect()
    }

    /// What people endorsed in a task: texts on the shelf, and the places of the values in each.
    #[must_use]
    pub fn endorsed(&self, task: TaskId) -> Vec<(Digest, Vec<u16>)> {
        let state = self.state();
        let all = state.endorsed.get(&task).into_iter().flatten();
        all.map(|(values, places)| (*values, places.iter().copied().collect())).collect()
    }

    /// What became of a model, as `look` sees it; a model that nothing became known of has begun nothing.
    pub fn model<T>(&self, model: ModelId, look: impl FnOnce(&Life) -> T) -> T {
        match self.state().models.get(&model) {
            Some(life) => look(life),
            None => look(&Life::default()),
        }
    }

    /// Nobody has read the files of models since the house was started: what lay there before is not known to lie there now.
    pub fn forget_files(&self) {
        self.state().models.values_mut().for_each(Life::forget_files);
    }

    /// Whether nothing may be sent to this route any more.
    #[must_use]
    pub fn is_held(&self, route: RouteId) -> bool {
        self.state().held.contains(&route)
    }

    /// Label of a task: the join of all that it has read; of an unknown task: missing.
    #[must_use]
    pub fn label(&self, task: TaskId) -> Label {
        self.state().tasks.get(&task).map_or(Label::MISSING, |known| known.label)
    }

    /// Notes a proof that works once.
    ///
    /// # Errors
    /// As [`Seen::note`].
    pub fn first_time(&self, id: [u8; 32], forget: Moment, now: Moment) -> Result<(), ReplayError> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).note(id, forget, now)
    }
}

impl State {
    /// Turns what was set aside into what was used.
    pub(crate) fn close(&mut self, call: CallId, attempt: u32, settled: &[Settlement]) {
        self.open.remove(&(call, attempt));
        for part in settled {
            let counter = self.budgets.entry((part.budget, part.period)).or_default();
            counter.reserved = counter.reserved.saturating_sub(part.reserved);
            counter.used = counter.used.saturating_add(part.used);
        }
    }

    /// A task has read something.
    pub(crate) fn join(&mut self, task: TaskId, label: Label, index: u64) {
        let known =
            self.tasks.entry(task).or_insert(TaskState { label: Label::MISSING, run: None, touched: index });
        known.label = known.label.join(label);
        known.touched = index;
        let (run, joined) = (known.run, known.label);
        if let Some(run) = run {
            let of_run = self.runs.entry(run).or_insert(joined);
            *of_run = of_run.join(joined);
        }
    }

    /// Makes room for one more task by forgetting the tenth that was untouched for longest.
    pub(crate) fn make_room(&mut self) {
        if self.tasks.len() < TASKS_MAX {
            return;
        }
        let mut touched: Vec<u64> = self.tasks.values().map(|task| task.touched).collect();
        let at = touched.len() / 10;
        let (_, cut, _) = touched.select_nth_unstable(at);
        let cut = *cut;
        self.tasks.retain(|_, task| task.touched > cut);
        let tasks = &self.tasks;
        self.endorsed.retain(|task, _| tasks.contains_key(task));
        self.forgot_tasks = true;
        let live: BTreeSet<RunId> = self.tasks.values().filter_map(|task| task.run).collect();
        // A run that has read nothing is as good as one that is not known.
        self.runs.retain(|run, label| live.contains(run) || *label != Label::CLEAN);
        if self.runs.len() > RUNS_MAX {
            self.forgot_runs = true;
            self.runs.retain(|run, _| live.contains(run));
        }
    }

    /// What a task starts with that is not known yet: nothing, if it is certain that it has read nothing.
    pub(crate) fn start(&self, issued: &Issued) -> Label {
        if self.forgot_tasks && !issued.begins {
            return Label::MISSING;
        }
        match issued.run {
            // Someone else attested the user's words for it.
            _ if issued.words.is_some() => Label::CLEAN,
            None => Label::CLEAN,
            Some(run) => match self.runs.get(&run) {
                Some(label) => *label,
                None if self.forgot_runs => Label::MISSING,
                None => Label::CLEAN,
            },
        }
    }
}

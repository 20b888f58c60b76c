//! Budgets by reservation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alcaide_inventory::declare::Period;
use alcaide_inventory::id::{BudgetId, CallId};
use alcaide_inventory::{Moment, Name};
use alcaide_record::{Effect, Settlement};
use serde::{Deserialize, Serialize};

use crate::question::Taken;
use crate::state::{Memory, State};

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

/// Beginning of the period that `now` is in (UTC).
#[must_use]
pub fn period_start(period: Period, now: Moment) -> Moment {
    let length_s = match period {
        Period::Minute => MINUTE_S,
        Period::Hour => HOUR_S,
        Period::Day => DAY_S,
        Period::ThirtyDays => 30 * DAY_S,
        Period::Total => return Moment::from_secs(0),
    };
    Moment::from_secs(now.secs() - now.secs() % length_s)
}

/// When the period that began at `start` is over; `None` if never.
pub(crate) fn period_end(period: Period, start: Moment) -> Option<Moment> {
    let length_s = match period {
        Period::Minute => MINUTE_S,
        Period::Hour => HOUR_S,
        Period::Day => DAY_S,
        Period::ThirtyDays => 30 * DAY_S,
        Period::Total => return None,
    };
    Some(Moment::from_secs(start.secs().saturating_add(length_s)))
}

/// What a call wants of one budget.
#[derive(Clone, Debug)]
pub struct BudgetAsk {
    /// The budget.
    pub budget: BudgetId,
    /// Its name, for the refusal.
    pub name: Name,
    /// Its limit in one period.
    pub limit: u64,
    /// Its period.
    pub period: Period,
    /// How much to set aside.
    pub amount: u64,
}

/// A budget has not enough left.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("budget `{name}` has {left} of {limit} left, and the call may need {asked}")]
pub struct Exhausted {
    /// The budget.
    pub budget: BudgetId,
    /// Its name.
    pub name: Name,
    /// What is left, calls in flight counted in full.
    pub left: u64,
    /// Its limit.
    pub limit: u64,
    /// What the call asked for.
    pub asked: u64,
    /// When the budget begins anew.
    pub again: Option<Moment>,
}

/// State of one budget in one period.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Counter {
    pub(crate) reserved: u64,
    pub(crate) used: u64,
}

impl Counter {
    pub(crate) const fn taken(self) -> u64 {
        self.reserved.saturating_add(self.used)
    }
}

/// Whether a period that began at `start` is over. Entries name only its beginning: where nobody has asked for the budget
/// since the start, it may be the longest there is.
fn is_over(period: Option<&Period>, start: Moment, now: Moment) -> bool {
    let total = start == Moment::from_secs(0);
    let period = period.filter(|period| **period != Period::Total).unwrap_or(&Period::ThirtyDays);
    !total && period_end(*period, start).is_some_and(|end| end <= now)
}

impl State {
    /// Drops the counters of periods that are over, and what unknown calls set aside in them: no more often than there
    /// are twice as many as were left the last time, and once a minute where there is no room. `false` if there is none
    /// for another all the same.
    pub(crate) fn room_for_counters(&mut self, now: Moment) -> bool {
        let is_full = self.budgets.len() >= COUNTERS_MAX;
        let is_due = if is_full {
            now.since(self.swept) >= Duration::from_secs(MINUTE_S)
        } else {
            self.budgets.len() >= self.sweep_at.max(SWEEP_MIN)
        };
        if is_due {
            let periods = &self.periods;
            self.budgets.retain(|(budget, start), _| !is_over(periods.get(budget), *start, now));
            let budgets = &self.budgets;
            let counts = |held: &Held| budgets.contains_key(&(held.budget, held.period));
            let live: BTreeSet<BudgetId> = budgets.keys().map(|(budget, _)| *budget).collect();
            self.periods.retain(|budget, _| live.contains(budget));
            self.open.retain(|_, held| held.iter().any(counts));
            self.sweep_at = self.budgets.len().saturating_mul(2);
            self.swept = now;
        }
        self.budgets.len() < COUNTERS_MAX
    }
}

/// Most counters of budgets and periods: a bound on memory, many times what a house declares.
pub(crate) const COUNTERS_MAX: usize = 200_000;
/// Fewer counters than this are not worth looking through.
const SWEEP_MIN: usize = 1_024;

/// One amount set aside.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Held {
    pub(crate) budget: BudgetId,
    pub(crate) period: Moment,
    pub(crate) amount: u64,
}

/// Amounts set aside for one attempt of one call, the answer of people that it uses, and what it marks.
///
/// Dropped before [`Reservation::journalled`], it gives everything back. After that only [`Reservation::settle`] turns
/// it into what was used; dropped unsettled, it stays charged.
#[must_use = "a reservation that is dropped gives everything back"]
pub struct Reservation {
    memory: Arc<Memory>,
    held: Vec<Held>,
    taken: Option<Taken>,
    marks: Vec<Effect>,
    journalled: Option<(CallId, u32)>,
}

impl Reservation {
    pub(crate) const fn new(memory: Arc<Memory>, held: Vec<Held>) -> Self {
        Self { memory, held, taken: None, marks: Vec::new(), journalled: None }
    }

    /// The call uses an answer: it is spent by the intent, or given back with the amounts.
    pub fn spending(mut self, taken: Option<Taken>) -> Self {
        self.taken = taken;
        self
    }

    /// What the call marks: the label that its answer has at least ([`Effect::Join`]), so that the task has read it from the
    /// intent on; what it writes into a store ([`Effect::Plant`]).
    pub fn marking(mut self, marks: Vec<Effect>) -> Self {
        self.marks = marks;
        self
    }

    /// What the intent must say.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let effect =
            |held: &Held| Effect::Reserve { amount: held.amount, budget: held.budget, period: held.period };
        let more = self.taken.iter().flat_map(Taken::effects).chain(self.marks.iter().cloned());
        self.held.iter().map(effect).chain(more).collect()
    }

    /// The intent was given ledger index `index`: from here on the reservation survives a restart.
    pub fn journalled(&mut self, index: u64, call: CallId, attempt: u32) {
        self.journalled = Some((call, attempt));
        let mut effects: Vec<Effect> = self.taken.iter().flat_map(Taken::effects).collect();
        effects.append(&mut self.marks);
        self.memory.open_reservation(index, (call, attempt), &self.held, &effects);
        if let Some(mut taken) = self.taken.take() {
            taken.spend();
        }
    }

    /// What the outcome must say, with `used` giving what was used of each budget; nothing changes yet.
    #[must_use]
    pub fn settlement(&self, used: impl Fn(BudgetId) -> u64) -> Vec<Settlement> {
        let settle = |held: &Held| Settlement {
            budget: held.budget,
            period: held.period,
            reserved: held.amount,
            used: used(held.budget),
        };
        self.held.iter().map(settle).collect()
    }

    /// Turns the reservation into what was used; `index` is the outcome's.
    pub fn settle(mut self, index: u64, settled: &[Settlement]) {
        if let Some((call, attempt)) = self.journalled.take() {
            self.memory.settle(index, call, attempt, settled);
        }
        self.held.clear();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.journalled.is_none() && !self.held.is_empty() {
            self.memory.give_back(&self.held);
        }
    }
}

//! Ledger entries into state: at start for all of them, later for those that others wrote (the office's).

use alcaide_inventory::Moment;
use alcaide_record::{Effect, Entry, Event, OrderKind, TokenKind, model_of};

use crate::budget::Held;
use crate::state::{ENDORSED_MAX, Memory, PLANTED_MAX, State, TaskState};

/// How long a revoked token is remembered: longer than any token lives.
const REVOKED_FOR: std::time::Duration = std::time::Duration::from_secs(20 * 60);

impl Memory {
    /// Takes entry `index` into memory; a second time it changes nothing.
    pub fn apply(&self, index: u64, entry: &Entry) {
        let mut state = self.state();
        if state.applied.note(index) {
            state.apply(index, entry);
            match &entry.event {
                Event::Refused(refused) => self.asked(index, refused, entry.at),
                Event::Order(order) => self.answered(&state, order, entry.at),
                Event::Intent(intent) => self.spent(&intent.effects),
                Event::Issued(_) => {
                    drop(state);
                    self.issued.send_replace(());
                }
                _ => {}
            }
        }
    }
}

impl State {
    fn apply(&mut self, index: u64, entry: &Entry) {
        if let Some(model) = model_of(&entry.event) {
            // The office writes no step that does not fit; one that stands there all the same changes nothing.
            let _ = self.models.entry(model).or_default().follow(model, entry);
        }
        match &entry.event {
            Event::Intent(intent) => {
                self.room_for_counters(entry.at);
                let mut held = Vec::new();
                for effect in &intent.effects {
                    if let Effect::Reserve { amount, budget, period } = effect {
                        let counter = self.budgets.entry((*budget, *period)).or_default();
                        counter.reserved = counter.reserved.saturating_add(*amount);
                        held.push(Held { budget: *budget, period: *period, amount: *amount });
                    }
                }
                self.labels(&intent.effects, index);
                if !held.is_empty() {
                    self.open.insert((intent.call, intent.attempt.number), held);
                }
            }
            Event::Outcome(outcome) => {
                self.close(outcome.call, outcome.attempt, &outcome.settled);
                self.labels(&outcome.effects, index);
            }
            Event::Issued(issued) if issued.kind == TokenKind::Gate => {
                let Some(task) = issued.task else { return };
                self.make_room();
                let (run, start) = (issued.run, self.start(issued));
                self.tasks.entry(task).or_insert(TaskState { label: start, run, touched: index }).touched =
                    index;
                if let Some(run) = run {
                    let label = self.runs.entry(run).or_insert(start);
                    *label = label.join(start);
                }
            }
            Event::Offered(offered) => {
                let offers = self.offers.entry(offered.route).or_default();
                offers.taken = offers.taken.saturating_add(1);
                offers.newest.insert(offered.name, offered.pin);
            }
            Event::Order(order) => match &order.order {
                OrderKind::Kill { actor, epoch } => {
                    let known = self.actors.entry(*actor).or_default();
                    known.killed = true;
                    known.epoch = known.epoch.max(*epoch);
                }
                OrderKind::Unkill { actor } => self.actors.entry(*actor).or_default().killed = false,
                OrderKind::QuarantineSource { route } => {
                    self.held.insert(*route);
                }
                OrderKind::ReleaseSource { route } => {
                    self.held.remove(route);
                }
                OrderKind::Revoke { token } => self.revoke(*token, entry.at),
                _ => {}
            },
            _ => {}
        }
    }

    pub(crate) fn labels(&mut self, effects: &[Effect], index: u64) {
        for effect in effects {
            match effect {
                Effect::Join { label, task } => self.join(*task, *label, index),
                Effect::Plant { runs, store } => {
                    let planted = self.planted.entry(*store).or_default();
                    if planted.runs.len() < PLANTED_MAX {
                        planted.runs.insert(*runs);
                    } else {
                        planted.full |= !planted.runs.contains(runs);
                    }
                }
                Effect::Endorse { places, task, values } => {
                    let endorsed = self.endorsed.entry(*task).or_default();
                    if endorsed.len() < ENDORSED_MAX || endorsed.contains_key(values) {
                        endorsed.entry(*values).or_default().extend(places);
                    }
                }
                _ => {}
            }
        }
    }

    fn revoke(&mut self, token: alcaide_inventory::TokenId, at: Moment) {
        self.revoked.retain(|_, forget| at < *forget);
        self.revoked.insert(token, at + REVOKED_FOR);
    }
}

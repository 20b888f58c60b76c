//! Questions to people and their answers: who said yes to what, until when, and that an answer is used once.
//!
//! A question is opened by the refusal that asks it ([`alcaide_record::Refused`] with `question`), answered by orders,
//! and used up by the intent that names it. What finds it again is its *key*, a digest over all that was asked about
//! ([`question_key`]): another actor, task, argument, plan or pin has another key.
//!
//! How data moves: a call looks ([`Memory::standing`]), opens ([`Memory::open`], a place that is given back unless
//! the entry gets on disk), waits ([`Memory::answers`]) and takes ([`Memory::take`], given back unless the intent gets
//! on disk). Questions have a lock of their own; where both are needed, it is taken after that of the state.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use alcaide_inventory::id::{ApprovalId, HumanId, TaskId};
use alcaide_inventory::{Actor, Moment};
use alcaide_label::Label;
use alcaide_record::{ActionKind, Digest, Effect, Order, OrderKind, Refused, Target};
use alcaide_seal::digest::sha256;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::rate::{AskLimits, Asker, Party, Rates};
use crate::state::{Memory, State};

/// Most questions that are remembered at one time; past it calls are refused unasked, no question is forgotten early.
pub const QUESTIONS_MAX: usize = 10_000;
/// Most of them that one actor may have asked: one agent cannot take the places of all, nor flood those who answer.
pub const QUESTIONS_OF_ACTOR_MAX: usize = 100;
/// Most people whose yes to one question is kept.
const ANSWERS_MAX: usize = 64;
/// Most values that one yes endorses: as many as people are shown of one call.
const ENDORSED_PLACES_MAX: usize = 64;

/// No question can be opened now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Too many questions are open.
    #[error("{QUESTIONS_MAX} questions are remembered already")]
    Full,
    /// This actor has too many.
    #[error("the actor has {QUESTIONS_OF_ACTOR_MAX} questions already")]
    ActorFull,
    /// As many were asked within the hour as may be: no person is asked so often.
    #[error("{of} has asked {limit} questions within an hour; the next can be asked after {again}", of = if *acts { "this agent" } else { "everybody who acts for the same subject" })]
    TooOften {
        /// Whether the limit is that of who acts; else of on whose behalf.
        acts: bool,
        /// The limit.
        limit: u32,
        /// When one can be asked again.
        again: Moment,
    },
    /// Another call has just asked the same.
    #[error("the same was asked just now")]
    Asked,
}

/// How a question stands for a call that found it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It was never asked, or what was asked is over.
    Unasked,
    /// It is being written, or its answer is in use by another call: look again when something has changed.
    Busy(ApprovalId),
    /// It is asked.
    Asked {
        /// Which.
        approval: ApprovalId,
        /// It cannot be answered any more from then on.
        expires: Moment,
        /// Who has said yes, and whose yes is still good; in the order of ids.
        yes: Vec<HumanId>,
    },
    /// Somebody said no.
    Denied {
        /// To which.
        approval: ApprovalId,
        /// It cannot be asked again before.
        expires: Moment,
    },
}

/// One question, as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Kept {
    id: ApprovalId,
    /// Ledger index of the entry that asks it.
    entry: u64,
    key: Digest,
    /// SHA-256 of the refusal that asks: what a yes must name.
    digest: Digest,
    actor: Actor,
    expires: Moment,
    yes: Vec<(HumanId, Moment)>,
    /// What each of those endorsed who endorsed something: places in the list of values.
    #[serde(default)]
    endorsed: Vec<(HumanId, Vec<u16>)>,
    /// The task, and the list of values on the shelf, where the question has one.
    #[serde(default)]
    values: Option<(TaskId, Digest)>,
    denied: bool,
    spent: bool,
    /// Whether a call holds the answer that has not written its intent yet; never part of a snapshot.
    #[serde(skip)]
    taken: bool,
}

impl Kept {
    /// From when on nothing is lost by forgetting it.
    fn forget(&self) -> Moment {
        self.yes.iter().map(|(_, until)| *until).fold(self.expires, Moment::max)
    }

    fn good(&self, now: Moment) -> Vec<HumanId> {
        let mut good: Vec<_> =
            self.yes.iter().filter(|(_, until)| now < *until).map(|(human, _)| *human).collect();
        good.sort_unstable();
        good
    }

    /// What all of these people endorsed: places in the list of values.
    fn endorsed_by(&self, people: &[HumanId]) -> Vec<u16> {
        let of = |human: &HumanId| {
            self.endorsed.iter().find(|(known, _)| known == human).map_or(&[][..], |(_, places)| places)
        };
        let mut all = people.iter().map(of);
        let mut places = all.next().map(<[u16]>::to_vec).unwrap_or_default();
        for more in all {
            places.retain(|place| more.contains(place));
        }
        places
    }

    /// Whether it says something to a call that asks now.
    fn holds(&self, now: Moment) -> bool {
        !self.spent && (now < self.expires || !self.denied && !self.good(now).is_empty())
    }
}

/// How often each party asked, as a snapshot holds it: whether it is one that acts, who, and when.
pub(crate) type KeptRates = Vec<(bool, Actor, Vec<Moment>)>;

#[derive(Debug, Default)]
pub(crate) struct Questions {
    kept: HashMap<ApprovalId, Kept>,
    /// The newest question of a key.
    by_key: HashMap<Digest, ApprovalId>,
    /// Questions that are being written.
    opening: HashMap<Digest, (ApprovalId, Asker)>,
    /// How many were asked lately.
    pub(crate) rates: Rates,
    /// Turns with every change that a waiting call may want to see.
    turned: watch::Sender<u64>,
}

/// A place for a question that is being written. Dropped before [`Opening::opened`], it is free again.
#[derive(Debug)]
#[must_use = "a place that is dropped is free again"]
pub struct Opening {
    memory: Arc<Memory>,
    key: Digest,
    at: Moment,
    done: bool,
}

/// The one use of an answer. Dropped before the intent that names it is on disk, it is given back.
#[derive(Debug)]
#[must_use = "an answer that is dropped is given back"]
pub struct Taken {
    memory: Arc<Memory>,
    approval: ApprovalId,
    endorses: Option<Effect>,
    spent: bool,
}

/// The digest over all that a refusal asks about: chain, task, action, target, pin, the exact bytes that act, the label
/// of the task, and the plan. `None` for a refusal that asks nothing.
///
/// Ids of calls and tokens are no part of it: a retry has others.
#[must_use]
pub fn question_key(refused: &Refused) -> Option<Digest> {
    #[derive(Serialize)]
    struct Key<'r> {
        action: ActionKind,
        actor: Actor,
        earlier: &'r [Actor],
        label: Label,
        matter: Digest,
        pin: Option<Digest>,
        plan: Digest,
        subject: Actor,
        target: &'r Target,
        task: TaskId,
    }
    let (question, who) = (refused.question.as_ref()?, refused.who.as_ref()?);
    let key = Key {
        action: refused.action?,
        actor: who.actor,
        earlier: &who.earlier,
        label: refused.content.as_ref()?.label,
        matter: question.matter,
        pin: question.pin,
        plan: refused.decided.as_ref()?.plan_digest,
        subject: who.subject,
        target: refused.target.as_ref()?,
        task: who.task,
    };
    serde_json::to_vec(&key).ok().map(|bytes| Digest(*sha256(&bytes).as_bytes()))
}

/// What a yes must name: SHA-256 of the canonical bytes of the refusal that asks.
fn question_digest(refused: &Refused) -> Option<Digest> {
    serde_json::to_vec(refused).ok().map(|bytes| Digest(*sha256(&bytes).as_bytes()))
}

impl Memory {
    fn questions(&self) -> MutexGuard<'_, Questions> {
        // A panic while holding the lock leaves questions that are at worst too strict.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns whenever a question is asked, answered, taken, given back or used up.
    #[must_use]
    pub fn answers(&self) -> watch::Receiver<u64> {
        self.questions().turned.subscribe()
    }

    /// How the question of this key stands.
    #[must_use]
    pub fn standing(&self, key: &Digest, now: Moment) -> Standing {
        let questions = self.questions();
        if let Some((approval, _)) = questions.opening.get(key) {
            return Standing::Busy(*approval);
        }
        match questions.by_key.get(key).and_then(|id| questions.kept.get(id)) {
            Some(kept) if kept.taken && !kept.spent => Standing::Busy(kept.id),
            Some(kept) if !kept.holds(now) => Standing::Unasked,
            Some(kept) if kept.denied => Standing::Denied { approval: kept.id, expires: kept.expires },
            Some(kept) => Standing::Asked { approval: kept.id, expires: kept.expires, yes: kept.good(now) },
            None => Standing::Unasked,
        }
    }

    /// Sets a place aside for a question that is about to be written.
    ///
    /// # Errors
    /// [`AskError`]: nothing is set aside then.
    pub fn open(
        self: &Arc<Self>,
        key: Digest,
        approval: ApprovalId,
        (asker, limits): (Asker, AskLimits),
        now: Moment,
    ) -> Result<Opening, AskError> {
        let mut questions = self.questions();
        let asked = |kept: &Kept| kept.taken && !kept.spent || kept.holds(now);
        if questions.opening.contains_key(&key)
            || questions.by_key.get(&key).and_then(|id| questions.kept.get(id)).is_some_and(asked)
        {
            return Err(AskError::Asked);
        }
        questions.make_room(now);
        if questions.kept.len().saturating_add(questions.opening.len()) >= QUESTIONS_MAX {
            return Err(AskError::Full);
        }
        let own = questions.kept.values().filter(|kept| kept.actor == asker.actor && kept.holds(now)).count();
        let begun = questions.opening.values().filter(|(_, of)| of.actor == asker.actor).count();
        if own.saturating_add(begun) >= QUESTIONS_OF_ACTOR_MAX {
            return Err(AskError::ActorFull);
        }
        for party in asker.parties() {
            let acts = matches!(party, Party::Acting(_));
            let limit = if acts { limits.per_actor } else { limits.per_subject };
            let begun =
                questions.opening.values().filter(|(_, of)| of.parties().any(|of| of == party)).count();
            if let Some(again) = questions.rates.full_until(party, limit, begun, now) {
                return Err(AskError::TooOften { acts, limit, again });
            }
        }
        questions.opening.insert(key, (approval, asker));
        Ok(Opening { memory: Arc::clone(self), key, at: now, done: false })
    }

    /// Takes the answer of these people for one use: it is then nobody else's. `None` if it is not to be had (any more), or one
    /// of them has not said yes (any more).
    #[must_use]
    pub fn take(self: &Arc<Self>, approval: ApprovalId, people: &[HumanId], now: Moment) -> Option<Taken> {
        let mut questions = self.questions();
        let kept = questions.kept.get_mut(&approval)?;
        let good = kept.good(now);
        if kept.taken || kept.spent || kept.denied || people.is_empty() {
            return None;
        }
        if !people.iter().all(|human| good.contains(human)) {
            return None;
        }
        kept.taken = true;
        let places = kept.endorsed_by(people);
        let endorses = match kept.values {
            Some((task, values)) if !places.is_empty() => Some(Effect::Endorse { places, task, values }),
            _ => None,
        };
        Some(Taken { memory: Arc::clone(self), approval, endorses, spent: false })
    }

    /// The question that `refused` asks stands in entry `index`.
    pub(crate) fn asked(&self, index: u64, refused: &Refused, at: Moment) {
        if let (Some(kept), Some(who)) = (Kept::of(index, refused), &refused.who) {
            let mut questions = self.questions();
            questions.rates.note(Asker { actor: who.actor, subject: who.subject }, at);
            questions.opening.remove(&kept.key);
            questions.by_key.insert(kept.key, kept.id);
            questions.kept.insert(kept.id, kept);
            questions.turn();
        }
    }

    /// An order that answers, or that takes from somebody what they answered: who is stopped has said yes to nothing.
    pub(crate) fn answered(&self, state: &State, order: &Order, at: Moment) {
        let stopped = |human| state.actors.get(&Actor::Human(human)).is_some_and(|known| known.killed);
        let mut questions = self.questions();
        match &order.order {
            OrderKind::Kill { actor: Actor::Human(killed), .. } => {
                for kept in questions.kept.values_mut() {
                    kept.yes.retain(|(human, _)| human != killed);
                    kept.endorsed.retain(|(human, _)| human != killed);
                }
            }
            OrderKind::Approve { approval, digest, endorses, expires } => {
                let Some(kept) = questions.kept.get_mut(approval) else { return };
                let Some(human) = order.by.filter(|human| !stopped(*human)) else { return };
                // A yes to something else than what was asked, from nobody or too late is no answer.
                let known = kept.yes.iter().any(|(known, _)| *known == human);
                if kept.digest != *digest
                    || kept.denied
                    || kept.spent
                    || at >= kept.expires
                    || known
                    || kept.yes.len() >= ANSWERS_MAX
                {
                    return;
                }
                kept.yes.push((human, *expires));
                if !endorses.is_empty() {
                    kept.endorsed.push((human, endorses.iter().copied().take(ENDORSED_PLACES_MAX).collect()));
                }
            }
            OrderKind::Deny { approval } => {
                let Some(kept) = questions.kept.get_mut(approval) else { return };
                kept.denied = true;
            }
            _ => return,
        }
        questions.turn();
    }

    pub(crate) fn spent(&self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Spend { approval } = effect {
                let mut questions = self.questions();
                if let Some(kept) = questions.kept.get_mut(approval) {
                    kept.spent = true;
                    kept.taken = false;
                }
                questions.turn();
            }
        }
    }

    /// All questions, for a snapshot, in the order in which they were asked; and how often each party asked.
    pub(crate) fn kept_questions(&self) -> (Vec<Kept>, KeptRates) {
        let questions = self.questions();
        let mut kept: Vec<_> = questions.kept.values().cloned().collect();
        kept.sort_unstable_by_key(|one| one.entry);
        (kept, questions.rates.kept())
    }
}

impl Kept {
    fn of(entry: u64, refused: &Refused) -> Option<Self> {
        let (id, question, who) = (refused.approval?, refused.question.as_ref()?, refused.who.as_ref()?);
        Some(Self {
            id,
            entry,
            key: question_key(refused)?,
            digest: question_digest(refused)?,
            actor: who.actor,
            expires: question.expires,
            yes: Vec::new(),
            endorsed: Vec::new(),
            values: question.decisive.map(|decisive| (who.task, decisive.values)),
            denied: false,
            spent: false,
            taken: false,
        })
    }
}

impl Questions {
    /// Questions as a snapshot holds them: in the order in which they were asked.
    pub(crate) fn of(kept: Vec<Kept>, rates: KeptRates) -> Self {
        let mut questions = Self { rates: Rates::of(rates), ..Self::default() };
        for one in kept {
            questions.by_key.insert(one.key, one.id);
            questions.kept.insert(one.id, one);
        }
        questions
    }

    /// Forgets what is over, where there is no room.
    fn make_room(&mut self, now: Moment) {
        if self.kept.len().saturating_add(self.opening.len()) < QUESTIONS_MAX {
            return;
        }
        self.kept.retain(|_, kept| kept.taken || now < kept.forget());
        let kept = &self.kept;
        self.by_key.retain(|_, id| kept.contains_key(id));
    }

    fn turn(&self) {
        self.turned.send_modify(|turn| *turn = turn.wrapping_add(1));
    }
}

impl Opening {
    /// The question is in the ledger at `index`: it can be answered from here on.
    pub fn opened(mut self, index: u64, refused: &Refused) {
        self.done = true;
        self.memory.opened(index, refused, self.at);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.done {
            let mut questions = self.memory.questions();
            questions.opening.remove(&self.key);
            questions.turn();
        }
    }
}

impl Taken {
    /// Which answer.
    #[must_use]
    pub const fn approval(&self) -> ApprovalId {
        self.approval
    }

    /// What the intent must say: that the answer is used up, and what was endorsed with it.
    pub fn effects(&self) -> impl Iterator<Item = Effect> {
        [Effect::Spend { approval: self.approval }].into_iter().chain(self.endorses.clone())
    }

    /// The intent that names it is in the ledger: memory has it as used up.
    pub(crate) const fn spend(&mut self) {
        self.spent = true;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.spent {
            let mut questions = self.memory.questions();
            if let Some(kept) = questions.kept.get_mut(&self.approval) {
                kept.taken = false;
            }
            questions.turn();
        }
    }
}

#[cfg(test)]
mod tests;

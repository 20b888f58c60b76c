//! From what was read to a decision, by way of people where the policies ask for them.
//!
//! The question is on disk before anybody sees it. The call then waits, bounded, or is told to come again; the same
//! call again (another id, another token, the same bytes) finds the question or its answer under the question's key.
//! With each answer the policies are asked anew, with those who said yes: they decide who suffices. An answer that lets
//! a call pass is taken by it, spent by its intent, and given back if it comes to none.

use std::time::{Duration, Instant};

use alcaide_inventory::Moment;
use alcaide_inventory::id::ApprovalId;
use alcaide_memory::{AskError, Asker, Standing, question_key};
use alcaide_record::{Decisive, Question, Refused, Stage};
use tokio::sync::SemaphorePermit;

use super::recorded::STOP_TICK;
use super::request::{Asked, Weighed};
use super::{Decided, Describe, Passage, Read};
use crate::gate::Shared;
use crate::lease::Lapsed;
use crate::refusal::{self, Refusal};

/// How long a question can be answered: long enough for a person to come to a desk, short enough that what was shown is
/// still what it is about.
pub const QUESTION_LIFE: Duration = Duration::from_secs(15 * 60);
/// When a caller that was told to come again should do so: the next call waits itself.
const COME_AGAIN: Duration = Duration::from_secs(5);
/// Longest wait for another call that is writing the same question or using its answer, where nothing else is waited
/// for: a few slow syncs of a disk.
const BUSY_WAIT: Duration = Duration::from_secs(5);

impl Passage<Read> {
    /// Asks the policies, and people where the policies want it; `budget_used` is how much of the fullest budget is
    /// taken, in percent.
    ///
    /// # Errors
    /// The refusal of the policies or of people, recorded; or that nobody has answered yet; before anybody is asked, that
    /// the caller was stopped or its token ended while the body came, or that the gate has not heard of orders for too
    /// long.
    ///
    /// # Cancel safety
    /// Dropped while it waits, the question stays open, nothing is taken, and the record says that the call ended.
    pub(crate) async fn decided(self, shared: &Shared, budget_used: u8) -> Result<Passage<Decided>, Refusal> {
        self.decided_within(shared, budget_used, Wait::ForPeople).await
    }

    /// The same; `wait` says whether it waits for people's answer.
    ///
    /// # Errors
    /// As [`Passage::decided`].
    ///
    /// # Cancel safety
    /// As [`Passage::decided`].
    pub(crate) async fn decided_within(
        self,
        shared: &Shared,
        budget_used: u8,
        wait: Wait,
    ) -> Result<Passage<Decided>, Refusal> {
        let held = self.stage.who().credential();
        let now = self.common.closer.now();
        let may_act = self.common.may_act(held, now);
        if let Err(refusal) = may_act
            .map_err(|why| why.refusal(Stage::Read))
            .and_then(|()| self.hears(now))
            .and_then(|()| self.is_let())
        {
            return Err(self.refuse(refusal));
        }
        let weighed = self.weigh(budget_used, &[], self.common.arrived);
        match &weighed.asked {
            None => self.settle(weighed, None),
            // Apart, so that the many calls that nobody is asked about do not carry the room for it.
            Some(_) => Box::pin(self.ask(shared, budget_used, weighed, wait)).await,
        }
    }

    async fn ask(
        self,
        shared: &Shared,
        budget_used: u8,
        weighed: Weighed,
        wait: Wait,
    ) -> Result<Passage<Decided>, Refusal> {
        let mut waiting = Waiting { call: Some(self), weighed: Some(weighed), seen: None, wait };
        let ended = waiting.answer(shared, budget_used).await;
        match (ended, waiting.call.take(), waiting.weighed.take()) {
            (Ended::Settled(taken), Some(call), Some(weighed)) => call.settle(weighed, taken),
            (Ended::Refused(refusal), Some(call), Some(mut weighed)) => {
                weighed.refusal = Some(refusal);
                call.settle(weighed, None)
            }
            // INVARIANT: both are there until they are taken here.
            _ => Err(Refusal::of(refusal::APPROVAL_OVER, Stage::Read)),
        }
    }

    /// The refusal that asks, but for its id and its end.
    fn draft(&self, weighed: &Weighed, asked: &Asked) -> Refused {
        let mut refused = Refused {
            action: None,
            alike: 0,
            approval: None,
            call: self.common.call,
            code: refusal::APPROVAL_NEEDED.code.to_owned(),
            content: None,
            decided: Some(weighed.allowed.record.clone()),
            question: None,
            stage: Stage::Decided,
            target: None,
            who: None,
        };
        self.stage.describe(&mut refused);
        let request = self.stage.request();
        refused.question = Some(Question {
            any_of: asked.any_of.clone(),
            decisive: None,
            expires: self.common.arrived,
            matter: request.matter.digest(&request.body),
            pin: request.pin,
            roles: asked.roles.clone(),
        });
        refused
    }

    /// Puts on the shelf what people are to be shown of the call: durable before the question that names it. Nothing where it
    /// is no call of a tool.
    async fn show(&self, shared: &Shared) -> Result<Option<Decisive>, Refusal> {
        let request = self.stage.request();
        let Some(judged) = &request.judged else { return Ok(None) };
        let arguments = request.args.clone().and_then(|span| request.body.get(span)).unwrap_or_default();
        let unwritten = |why: String| Refusal::of(refusal::LEDGER, Stage::Decided).because(why);
        let keys = (&shared.commitments, &*shared.entropy);
        let shown = shared.flows.shown((judged, arguments), &request.target, keys).map_err(unwritten)?;
        let shelf = self.common.closer.ledger().shelf();
        let put = tokio::task::spawn_blocking(move || shown.put(&shelf));
        match self.common.closer.in_time(put).await {
            Some(Ok(Ok(decisive))) => Ok(Some(decisive)),
            Some(Ok(Err(why))) => Err(unwritten(why)),
            _ => Err(unwritten("the shelf's disk does not answer in time".into())),
        }
    }

    /// Why the call may not go on waiting: what it was judged by is not what it was.
    fn moved(&self, shared: &Shared) -> Option<Refusal> {
        let held = self.stage.who().credential();
        let (memory, now) = (self.common.closer.memory(), self.common.closer.now());
        let over = |why: &'static str| Refusal::of(refusal::APPROVAL_OVER, Stage::Decided).saying(why);
        match self.common.may_act(held, now) {
            Err(Lapsed::Ended) => {
                return Some(over("the access token ended while the call waited for an answer"));
            }
            Err(stopped) => return Some(stopped.refusal(Stage::Decided)),
            Ok(()) => {}
        }
        if let Err(refusal) = self.hears(now).and_then(|()| self.is_let()) {
            return Some(refusal);
        }
        if !shared.is_in_force(&self.common.plan) {
            return Some(over("another plan came into force while the call waited for an answer"));
        }
        let judged = self.stage.label();
        // What was judged as unknown and is known by now was judged strictly enough.
        if judged.join(memory.label(held.principal.task)) != judged {
            return Some(over("the task has read something else while the call waited for an answer"));
        }
        None
    }
}

/// A call that waits. Dropped with its call, it says so in the record.
struct Waiting {
    call: Option<Passage<Read>>,
    /// What the policies said last.
    weighed: Option<Weighed>,
    /// The question that it waits for. A call that has seen one asks no other.
    seen: Option<ApprovalId>,
    wait: Wait,
}

/// Whether a call that asks waits for people.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    /// As long as the gate's settings say.
    ForPeople,
    /// It is told with which question it is asked about.
    NotAtAll,
}

enum Ended {
    /// The policies have decided, on the strength of this answer.
    Settled(Option<alcaide_memory::Taken>),
    /// The call does not pass.
    Refused(Refusal),
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            // Only the record hears it: the caller is gone.
            let _ = call.refuse(Refusal::of(refusal::APPROVAL_NEEDED, Stage::Read).about(self.seen));
        }
    }
}

impl Waiting {
    async fn answer(&mut self, shared: &Shared, budget_used: u8) -> Ended {
        let over = || Refusal::of(refusal::APPROVAL_OVER, Stage::Decided);
        let (Some(call), Some(weighed)) = (&self.call, &self.weighed) else { return Ended::Refused(over()) };
        let Some(asked) = &weighed.asked else { return Ended::Settled(None) };
        let mut draft = call.draft(weighed, asked);
        let reason = std::sync::Arc::clone(&asked.reason);
        let Some(key) = question_key(&draft) else { return Ended::Refused(over()) };
        let memory = call.common.closer.memory();
        let mut answers = memory.answers();
        let mut patience = Patience::new(shared, self.wait);
        loop {
            // Whatever changes from here on wakes the wait below.
            answers.borrow_and_update();
            if let Some(refusal) = call.moved(shared) {
                return Ended::Refused(refusal.about(self.seen));
            }
            let now = call.common.closer.now();
            let (approval, expires) = match memory.standing(&key, now) {
                Standing::Denied { approval, .. } => {
                    return Ended::Refused(
                        Refusal::of(refusal::APPROVAL_DENIED, Stage::Decided).about(approval),
                    );
                }
                Standing::Busy(approval) => (approval, None),
                Standing::Asked { approval, expires, yes } => {
                    if !yes.is_empty() {
                        let again = call.weigh(budget_used, &yes, now);
                        let passes = again.refusal.is_none();
                        let asks = again.asked.is_some();
                        if passes && let Some(taken) = memory.take(approval, &yes, now) {
                            self.weighed = Some(again);
                            return Ended::Settled(Some(taken));
                        }
                        if passes {
                            // Another call was faster, or somebody was stopped: how it stands has changed.
                            continue;
                        }
                        self.weighed = Some(again);
                        if !asks {
                            return Ended::Settled(None);
                        }
                    }
                    (approval, Some(expires))
                }
                Standing::Unasked if self.seen.is_some() => {
                    return Ended::Refused(over().about(self.seen));
                }
                _ => {
                    let approval = shared.approval_id();
                    let principal = &call.stage.who().credential().principal;
                    let asker = Asker { actor: principal.actor, subject: principal.subject };
                    let opening = match memory.open(key, approval, (asker, shared.ask_limits), now) {
                        Ok(opening) => opening,
                        Err(AskError::Asked) => continue,
                        Err(often @ AskError::TooOften { acts, again, .. }) => {
                            return Ended::Refused(too_often(&often, acts, again.since(now)));
                        }
                        Err(full) => {
                            return Ended::Refused(
                                Refusal::of(refusal::ASKING_FULL, Stage::Decided)
                                    .saying(full.to_string())
                                    .retry_in(Some(COME_AGAIN)),
                            );
                        }
                    };
                    self.seen = Some(approval);
                    draft.approval = Some(approval);
                    let decisive = match call.show(shared).await {
                        Ok(decisive) => decisive,
                        Err(refusal) => return Ended::Refused(refusal),
                    };
                    if let Some(question) = draft.question.as_mut() {
                        question.expires = now + QUESTION_LIFE;
                        question.decisive = decisive;
                    }
                    let closer = &call.common.closer;
                    // One that lands late is opened all the same: the next call finds it.
                    let written = closer.in_time(closer.ask(draft.clone(), opening)).await;
                    if written != Some(Ok(true)) {
                        return Ended::Refused(Refusal::of(refusal::LEDGER, Stage::Decided));
                    }
                    continue;
                }
            };
            self.seen = Some(approval);
            let Some(left) = patience.left(expires.is_none()) else {
                return Ended::Refused(pending(approval, expires, &reason));
            };
            // An error means that memory is gone, and the gate with it; then time runs out.
            let _ = tokio::time::timeout(left.min(STOP_TICK), answers.changed()).await;
        }
    }
}

/// Nobody has answered yet.
fn pending(approval: ApprovalId, expires: Option<Moment>, reason: &str) -> Refusal {
    let until = expires.map(|expires| format!(" until {expires}")).unwrap_or_default();
    Refusal::of(refusal::APPROVAL_NEEDED, Stage::Decided)
        .saying(format!("{reason}; people are asked about exactly this call as question `{approval}`{until}"))
        .cured_by(format!(
            "a person answers with `alcaide approval approve {approval}`; then send the same call again"
        ))
        .retry_in(Some(COME_AGAIN))
        .about(approval)
}

/// Nobody is asked: people were asked as often as they may be.
fn too_often(why: &AskError, acts: bool, wait: Duration) -> Refusal {
    let setting = if acts { "questions_per_hour" } else { "questions_per_hour_subject" };
    Refusal::of(refusal::ASKED_OFTEN, Stage::Decided)
        .saying(format!("too many questions in this hour; {why}"))
        .cured_by(format!(
            "wait, or let fewer calls ask: start tasks with the user's words, let an approver endorse values, declare the \
             tools' facts; an operator may raise `gate.{setting}`"
        ))
        .retry_in(Some(wait))
}

/// How much longer a call waits. Its place among those that wait is taken when it first waits, and kept.
struct Patience<'s> {
    shared: &'s Shared,
    begun: Instant,
    seat: Option<Option<SemaphorePermit<'s>>>,
}

impl<'s> Patience<'s> {
    fn new(shared: &'s Shared, wait: Wait) -> Self {
        // Who does not wait takes no place.
        let seat = (wait == Wait::NotAtAll).then_some(None);
        Self { shared, begun: Instant::now(), seat }
    }

    /// What is left; `busy` where another call is about to change how the question stands.
    fn left(&mut self, busy: bool) -> Option<Duration> {
        let shared = self.shared;
        let seat = self.seat.get_or_insert_with(|| {
            let waits = !shared.approval_wait.is_zero();
            waits.then(|| shared.waiting.try_acquire().ok()).flatten()
        });
        let most = if seat.is_some() { shared.approval_wait } else { Duration::ZERO };
        let most = if busy { most.max(BUSY_WAIT) } else { most };
        Some(most.saturating_sub(self.begun.elapsed())).filter(|left| !left.is_zero())
    }
}

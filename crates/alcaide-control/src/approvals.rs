//! Questions of the gate: who may answer them, how they stand, and the orders that answers are.
//!
//! A question comes up with the refusal that asks it; a yes or a no goes down as an order; that the answer was used
//! comes up with the intent that spends it. Several people may have to say yes: each says it once, and the gate's
//! policies decide whether they suffice. What is shown here as approved reckons as they do.

mod batch;
mod guard;
mod shown;

use std::collections::BTreeSet;
use std::time::Duration;

use alcaide_inventory::declare::Role;
use alcaide_inventory::{Actor, ApprovalId, HumanId, Moment, Plan};
use alcaide_record::{Approver, Chain, Digest, Effect, OrderKind, Question, Refused, Target};
use alcaide_seal::digest::sha256;
use alcaide_store::Transaction;
use alcaide_store::rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::{Office, detached, digest_of};
use crate::orders::keepers;
use crate::query::{Names, page, window};
use crate::sql::{from_json, int, moment, nat, parsed, text_of, to_json, word};
use crate::view::{ApprovalState, ApprovalView, OrderView, Page, Paging, YesView};

pub use batch::{Batch, FoldedQuestions, Queue, TaskQuestions};
pub use guard::{AnswerCount, ApproverView, YES_MAX, YES_SPAN, YesLeft, YesLimits};
pub(crate) use guard::{follow as answered, refused as answer_refused};
pub use shown::Endorsement;

/// How long a yes is good, and how long a question from before they said it themselves can be answered: the agent
/// waits no longer.
pub const APPROVAL_LIFE: Duration = Duration::from_secs(15 * 60);

/// What a person says to a question.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes, this call once.
    Approve,
    /// No.
    Deny,
}

impl Decision {
    const fn operation(self) -> Operation {
        match self {
            Self::Approve => Operation::Approve,
            Self::Deny => Operation::Deny,
        }
    }
}

/// Digest of all that a question is about: SHA-256 of the canonical bytes of the refusal that asks it, as the ledger
/// holds it within its entry. It covers chain, task, action, target, pin, digest of the exact bytes, labels and plan.
///
/// # Errors
/// [`OfficeError::Row`] if the refusal has no form in JSON.
pub fn question_digest(refused: &Refused) -> Result<Digest, OfficeError> {
    Ok(digest_of(sha256(to_json("refusal", refused)?.as_bytes())))
}

impl Office {
    /// Questions of the gate, newest first.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Cursor`], or what the store says.
    pub async fn approvals(&self, by: &By, paging: Paging) -> Result<Page<ApprovalView>, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let (limit, before) = window(&paging)?;
        let kept = self.0.store.read(move |tx| kept_page(tx, limit, before)).await?;
        let (plan, now) = (self.current(), self.now());
        let names = Names::of(&plan);
        let items = kept.items.into_iter().map(|one| one.view(&plan, &names, now)).collect();
        Ok(Page { items, next: kept.next })
    }

    /// One question.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], or what the store says.
    pub async fn approval(&self, by: &By, approval: ApprovalId) -> Result<ApprovalView, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let kept = self.kept(approval).await?.ok_or_else(|| OfficeError::unknown("approval", &approval))?;
        let plan = self.current();
        Ok(kept.view(&plan, &Names::of(&plan), self.now()))
    }

    /// Answers a question with yes. Only a person whom the policies ask for (an approver, an administrator, the owner
    /// or sponsor of the agent), who is nowhere in the chain of the call; who answers for somebody in it may only where
    /// the policies ask for exactly that person.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], [`OfficeError::Approval`], [`OfficeError::Tired`]; else what
    /// store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn approve(&self, by: &By, approval: ApprovalId) -> Result<OrderView, OfficeError> {
        self.answer(by, approval, (Operation::Approve, Endorsement::None), None).await
    }

    /// Answers a question with yes and says of values that they are right for the task: once the yes has passed, the same
    /// values decide what other calls of that task do as if the user had named them. Where several people are asked, what
    /// all of them endorse counts.
    ///
    /// # Errors
    /// As [`Office::decide`]; [`OfficeError::Approval`] too where the call has no such value.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn endorse(
        &self,
        by: &By,
        approval: ApprovalId,
        digest: Option<Digest>,
        endorsement: Endorsement,
    ) -> Result<OrderView, OfficeError> {
        self.answer(by, approval, (Operation::Approve, endorsement), digest).await
    }

    /// Answers a question with no; whatever was said before, the call does not pass any more.
    ///
    /// # Errors
    /// As [`Office::approve`], but whoever is in the chain may say no too.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn deny(&self, by: &By, approval: ApprovalId) -> Result<OrderView, OfficeError> {
        self.answer(by, approval, (Operation::Deny, Endorsement::None), None).await
    }

    /// Answers a question with yes or no, where it is the one that was shown: `digest` is what its view says.
    ///
    /// # Errors
    /// As [`Office::approve`]; [`OfficeError::Approval`] too where the question has another digest.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn decide(
        &self,
        by: &By,
        approval: ApprovalId,
        decision: Decision,
        digest: Option<Digest>,
    ) -> Result<OrderView, OfficeError> {
        self.answer(by, approval, (decision.operation(), Endorsement::None), digest).await
    }

    async fn answer(
        &self,
        by: &By,
        approval: ApprovalId,
        (operation, endorsement): (Operation, Endorsement),
        shown: Option<Digest>,
    ) -> Result<OrderView, OfficeError> {
        if !by.may(operation) {
            // A caller may have been told of the question a moment before it is read from the record.
            self.catch_up().await?;
            // Owners, sponsors and administrators have no general right to answer; where they are named, they may.
            let named = match (by.human(), self.kept(approval).await?) {
                (Some(human), Some(kept)) => kept.names(&kinds_of(&self.current(), &kept.chain, human)),
                _ => false,
            };
            if !named {
                return Err(self.denied(by, operation).await);
            }
        }
        let (own, by) = (self.clone(), by.clone());
        detached(async move {
            // One answer after another: the second finds what the first has said.
            let _bench = own.0.bench.lock().await;
            own.catch_up().await?;
            let wrong = |why| OfficeError::Approval { approval: approval.to_string(), why };
            let kept =
                own.kept(approval).await?.ok_or_else(|| OfficeError::unknown("approval", &approval))?;
            let now = own.now();
            if shown.is_some_and(|shown| shown != kept.digest) {
                return Err(wrong("it is not the one that was shown"));
            }
            own.is_ready(&by, &kept, operation, now).await?;
            let human = match (operation, by.human()) {
                (Operation::Approve, Some(human)) => human,
                _ => return own.give(by.human(), OrderKind::Deny { approval }).await,
            };
            own.is_tired(human, &[&kept], now).await?;
            let endorses = own.endorsed(&kept, &endorsement).await?;
            let expires = now + APPROVAL_LIFE;
            let yes = OrderKind::Approve { approval, digest: kept.digest, endorses, expires };
            own.give(Some(human), yes).await
        })
        .await
    }

    /// Whether this answer can be given to a question now.
    async fn is_ready(
        &self,
        by: &By,
        kept: &Kept,
        operation: Operation,
        now: Moment,
    ) -> Result<(), OfficeError> {
        let wrong = |why| OfficeError::Approval { approval: kept.id.to_string(), why };
        if kept.spent.is_some() {
            return Err(wrong("the call that it was about was made"));
        }
        if kept.state == DENIED {
            return Err(wrong("it is answered already, with no"));
        }
        if operation == Operation::Deny {
            return if now >= kept.ends() { Err(wrong("it is too old")) } else { Ok(()) };
        }
        if now >= kept.expires {
            return Err(wrong("it is too old"));
        }
        let Some(human) = by.human() else { return Err(wrong("only a named person approves")) };
        self.may_act(Actor::Human(human)).await?;
        if kept.yes.iter().any(|yes| yes.human == human) {
            return Err(wrong("this person has answered already"));
        }
        kept.bars(&self.current(), human).map_or(Ok(()), |why| Err(wrong(why)))
    }

    async fn kept(&self, approval: ApprovalId) -> Result<Option<Kept>, OfficeError> {
        let read = self.0.store.read(move |tx| {
            let sql = format!("{SELECT} WHERE id = ?1");
            let mut select = tx.prepare(&sql)?;
            let mut rows = select.query([approval.to_string()])?;
            rows.next()?.map(|row| Kept::of(tx, row)).transpose()
        });
        read.await
    }
}

const DENIED: &str = "denied";
/// Whether somebody was stopped after their yes, whatever came later: then it counts no more, as in the gate's memory.
const STOPPED_SINCE: &str = "EXISTS (SELECT 1 FROM actor_state \
     WHERE actor = approval_yes.human AND actor_state.entry > approval_yes.entry)";
const SELECT: &str = "SELECT entry, id, call, at, chain, action, digest, expires, state, question, target, spent \
     FROM approval";

/// A question as it is kept.
#[derive(Clone)]
struct Kept {
    entry: u64,
    id: ApprovalId,
    call: alcaide_inventory::CallId,
    at: Moment,
    chain: Chain,
    action: Option<alcaide_record::ActionKind>,
    digest: Digest,
    expires: Moment,
    state: String,
    question: Option<Question>,
    target: Option<Target>,
    spent: Option<u64>,
    yes: Vec<YesView>,
}

impl Kept {
    fn of(tx: &Transaction<'_>, row: &Row<'_>) -> Result<Self, OfficeError> {
        let text = |at: usize| row.get::<_, String>(at);
        let maybe = |at: usize| row.get::<_, Option<String>>(at);
        let id: ApprovalId = parsed("approval", &text(1)?)?;
        let mut yes = Vec::new();
        let sql = format!(
            "SELECT human, at, expires, endorses FROM approval_yes WHERE approval = ?1 AND NOT {STOPPED_SINCE} ORDER BY entry"
        );
        let mut select = tx.prepare(&sql)?;
        let mut rows = select.query([id.to_string()])?;
        while let Some(row) = rows.next()? {
            yes.push(YesView {
                human: parsed("approval", &row.get::<_, String>(0)?)?,
                name: None,
                at: Moment::from_micros(nat(row.get(1)?)),
                expires: Moment::from_micros(nat(row.get(2)?)),
                endorses: from_json("endorsed values", &row.get::<_, String>(3)?)?,
            });
        }
        Ok(Self {
            entry: nat(row.get(0)?),
            id,
            call: parsed("approval", &text(2)?)?,
            at: Moment::from_micros(nat(row.get(3)?)),
            chain: from_json("chain", &text(4)?)?,
            action: maybe(5)?.map(|word| from_json("action", &format!("\"{word}\""))).transpose()?,
            digest: parsed("approval", &text(6)?)?,
            expires: Moment::from_micros(nat(row.get(7)?)),
            state: text(8)?,
            question: maybe(9)?.map(|question| from_json("question", &question)).transpose()?,
            target: maybe(10)?.map(|target| from_json("target", &target)).transpose()?,
            spent: row.get::<_, Option<i64>>(11)?.map(nat),
            yes,
        })
    }

    /// From when on nothing can come of it any more.
    fn ends(&self) -> Moment {
        self.yes.iter().map(|yes| yes.expires).fold(self.expires, Moment::max)
    }

    /// Whether one of these kinds of people is asked.
    fn names(&self, kinds: &BTreeSet<Approver>) -> bool {
        self.question.as_ref().is_some_and(|question| {
            question.roles.iter().chain(question.any_of.iter().flatten()).any(|asked| kinds.contains(asked))
        })
    }

    /// Why a person may not say yes.
    fn bars(&self, plan: &Plan, human: HumanId) -> Option<&'static str> {
        let own = Actor::Human(human);
        let chain = &self.chain;
        let everyone = || [chain.actor, chain.subject].into_iter().chain(chain.earlier.iter().copied());
        if everyone().any(|actor| actor == own) {
            return Some("whoever asks, or on whose behalf is asked, does not approve");
        }
        let mut kinds = kinds_of(plan, chain, human);
        if everyone().any(|actor| keepers(plan, actor).contains(&human)) {
            // A second person is somebody else; the owner's own yes counts where it is the owner's that is asked for.
            kinds.retain(|kind| matches!(kind, Approver::Owner | Approver::Sponsor));
            if !self.names(&kinds) {
                return Some(
                    "whoever owns or sponsors an agent does not approve for it, unless it is asked of them",
                );
            }
        }
        let asked = self.question.is_none() || self.names(&kinds);
        (!asked).then_some("somebody else is asked")
    }

    /// Whether the people whose yes is good at `now` are all that were asked for.
    fn is_met(&self, plan: &Plan, now: Moment) -> bool {
        let mut kinds = self
            .yes
            .iter()
            .filter(|yes| now < yes.expires)
            .map(|yes| kinds_of(plan, &self.chain, yes.human))
            .peekable();
        if kinds.peek().is_none() {
            return false;
        }
        let Some(question) = &self.question else { return true };
        let there: BTreeSet<Approver> = kinds.flatten().collect();
        let all = |group: &[Approver]| group.iter().all(|asked| there.contains(asked));
        all(&question.roles) && (question.any_of.is_empty() || question.any_of.iter().any(|group| all(group)))
    }

    fn view(self, plan: &Plan, names: &Names, now: Moment) -> ApprovalView {
        let met = self.is_met(plan, now);
        let state = if self.spent.is_some() {
            ApprovalState::Spent
        } else if self.state == DENIED {
            ApprovalState::Denied
        } else if met {
            ApprovalState::Approved
        } else if now >= self.expires {
            ApprovalState::Expired
        } else {
            ApprovalState::Open
        };
        let (route, tool) = self.target.map_or((None, None), |target| (target.route, target.tool));
        let same = self.question.as_ref().and_then(|question| question.decisive).map(|one| one.same);
        let (roles, any_of) =
            self.question.map(|question| (question.roles, question.any_of)).unwrap_or_default();
        let mut yes = self.yes;
        yes.iter_mut().for_each(|one| one.name = names.name(Some(one.human.to_string())));
        ApprovalView {
            id: self.id,
            call: self.call,
            index: self.entry,
            at: self.at,
            actor: self.chain.actor,
            actor_name: names.name(Some(self.chain.actor.to_string())),
            subject: self.chain.subject,
            subject_name: names.name(Some(self.chain.subject.to_string())),
            earlier: self.chain.earlier,
            task: self.chain.task,
            action: self.action,
            route,
            route_name: names.name(text_of(route)),
            tool,
            tool_name: names.tool(tool),
            same,
            roles,
            any_of,
            yes,
            state,
            digest: self.digest,
            expires: self.expires,
            spent: self.spent,
        }
    }
}

/// What a person is to a call, of all that policies can ask for; nothing for who acts in its chain. As the policies
/// reckon it.
fn kinds_of(plan: &Plan, chain: &Chain, human: HumanId) -> BTreeSet<Approver> {
    let own = Actor::Human(human);
    let mut kinds = BTreeSet::new();
    let Some((name, placed)) = plan.humans.iter().find(|(_, placed)| placed.id == human) else {
        return kinds;
    };
    if chain.actor == own || chain.earlier.contains(&own) {
        return kinds;
    }
    let (owner, sponsor) = match chain.actor {
        Actor::Human(_) => (None, None),
        Actor::Agent(id) => plan.agents.values().find(|one| one.id == id).map_or((None, None), |one| {
            (Some(&one.spec.owner), Some(one.spec.sponsor.as_ref().unwrap_or(&one.spec.owner)))
        }),
        Actor::Workload(id) => {
            (plan.workloads.values().find(|one| one.id == id).map(|one| &one.spec.owner), None)
        }
    };
    kinds.extend((owner == Some(name)).then_some(Approver::Owner));
    kinds.extend((sponsor == Some(name)).then_some(Approver::Sponsor));
    if chain.subject != own {
        let has = |role: Role| placed.spec.roles.contains(&role);
        kinds.extend(has(Role::Approver).then_some(Approver::Approver));
        kinds.extend(has(Role::Administrator).then_some(Approver::Administrator));
    }
    kinds
}

fn kept_page(tx: &Transaction<'_>, limit: u32, before: i64) -> Result<Page<Kept>, OfficeError> {
    let sql = format!("{SELECT} WHERE entry < ?1 ORDER BY entry DESC LIMIT ?2");
    let mut select = tx.prepare(&sql)?;
    let mut rows = select.query(params![before, i64::from(limit) + 1])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(Kept::of(tx, row)?);
    }
    Ok(page(items, limit, |one| one.entry))
}

/// The follower: a refusal, which may ask. One that only names a question is of a call that found it.
pub(crate) fn asked(tx: &Connection, index: u64, at: Moment, refused: &Refused) -> Result<(), OfficeError> {
    let (Some(approval), Some(who)) = (refused.approval, &refused.who) else { return Ok(()) };
    let question = refused.question.as_ref();
    tx.execute(
        "INSERT OR IGNORE INTO approval \
         (entry, id, call, at, chain, action, digest, expires, state, question, target) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open', ?9, ?10)",
        params![
            int(index),
            approval.to_string(),
            refused.call.to_string(),
            moment(at),
            to_json("chain", who)?,
            refused.action.as_ref().map(word).transpose()?,
            question_digest(refused)?.to_string(),
            moment(question.map_or(at + APPROVAL_LIFE, |question| question.expires)),
            question.map(|question| to_json("question", question)).transpose()?,
            refused.target.as_ref().map(|target| to_json("target", target)).transpose()?,
        ],
    )?;
    Ok(())
}

/// The follower: a yes. One to something else than what was asked, from nobody, or too late counts for nothing, as in
/// the gate's memory.
pub(crate) fn approved(
    tx: &Connection,
    index: u64,
    at: Moment,
    order: (ApprovalId, Option<HumanId>, Digest, Moment),
    endorses: &[u16],
) -> Result<(), OfficeError> {
    let (approval, by, digest, expires) = order;
    let Some(human) = by else { return Ok(()) };
    let sql = format!(
        "INSERT INTO approval_yes (approval, human, at, expires, entry, endorses) \
         SELECT id, ?2, ?3, ?4, ?5, ?7 FROM approval \
         WHERE id = ?1 AND digest = ?6 AND state != 'denied' AND spent IS NULL AND expires > ?3 \
         AND NOT EXISTS (SELECT 1 FROM actor_state WHERE actor = ?2 AND killed) \
         ON CONFLICT (approval, human) DO UPDATE \
         SET at = excluded.at, expires = excluded.expires, entry = excluded.entry, endorses = excluded.endorses \
         WHERE {STOPPED_SINCE}"
    );
    tx.execute(
        &sql,
        params![
            approval.to_string(),
            human.to_string(),
            moment(at),
            moment(expires),
            int(index),
            digest.to_string(),
            to_json("endorsed values", &endorses)?
        ],
    )?;
    Ok(())
}

/// The follower: a no.
pub(crate) fn denied(tx: &Connection, approval: ApprovalId) -> Result<(), OfficeError> {
    tx.execute("UPDATE approval SET state = 'denied' WHERE id = ?1", [approval.to_string()])?;
    Ok(())
}

/// The follower: an intent, which may use an answer up.
pub(crate) fn spent(tx: &Connection, index: u64, effects: &[Effect]) -> Result<(), OfficeError> {
    for effect in effects {
        if let Effect::Spend { approval } = effect {
            let sql = "UPDATE approval SET spent = ?2 WHERE id = ?1 AND spent IS NULL";
            let changed = tx.execute(sql, params![approval.to_string(), int(index)])?;
            if changed == 0 {
                tracing::error!(index, %approval, "an intent names an approval that is unknown or was used before");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alcaide_record::{Entry, Event};

    use super::*;

    #[test]
    fn a_question_has_the_digest_that_anyone_can_compute() {
        // `sha256sum` over the text between `{"refused":` and the `}` that ends the event.
        let leaf = include_str!("../../alcaide-record/testdata/asking-v1.json");
        let Event::Refused(refused) = Entry::from_leaf(leaf.trim_end().as_bytes()).unwrap().event else {
            panic!()
        };
        let digest = question_digest(&refused).unwrap().to_string();
        assert_eq!(digest, include_str!("../../alcaide-record/testdata/asking-v1.sha256").trim_end());
    }
}

//! Open questions task by task: those that ask the same again are folded, and one act answers all of a task.
//!
//! A batch is what one person can say yes to in one task now. It is answered whole or not at all: all of it is looked at
//! before the first order is given, under the lock that no other answer passes meanwhile. Each question gets an order of its
//! own, so that the record and the gate know no batches.

use std::collections::BTreeSet;

use alcaide_flow::Decisive;
use alcaide_inventory::{Actor, HumanId, Moment, Name, Plan, TaskId};
use alcaide_record::{Approver, Digest, OrderKind};
use alcaide_seal::digest::sha256;
use alcaide_store::rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{APPROVAL_LIFE, DENIED, Decision, Endorsement, Kept, SELECT};
use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::{Office, detached, digest_of};
use crate::query::Names;
use crate::sql::moment;
use crate::view::{ApprovalView, OrderView};

/// Most open questions that the queue shows; the oldest come first, so that none is passed over.
const QUEUE_MAX: u32 = 1_000;

/// Open questions, task by task, the oldest first.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Queue {
    /// The tasks.
    pub tasks: Vec<TaskQuestions>,
    /// Whether there are more open questions than are shown.
    pub more: bool,
}

/// The open questions of one task.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TaskQuestions {
    /// The task.
    pub task: TaskId,
    /// Who acts in its oldest question.
    pub actor: Actor,
    /// Name of the actor in the plan in force.
    pub actor_name: Option<Name>,
    /// On whose behalf.
    pub subject: Actor,
    /// Name of the subject in the plan in force.
    pub subject_name: Option<Name>,
    /// What is asked, each once.
    pub entries: Vec<FoldedQuestions>,
    /// How many questions there are.
    pub count: u64,
    /// How many of them whoever looks can answer with yes; one act answers these.
    pub own: u64,
    /// Digest of these; whoever names it answers no others.
    pub digest: Digest,
}

/// Questions that ask the same again: of the same people, about the same tool with the same values that decide.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FoldedQuestions {
    /// The questions, the oldest first.
    pub questions: Vec<ApprovalView>,
    /// Whether whoever looks can answer all of them with yes.
    pub own: bool,
    /// The values that decide, for whoever may say yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Decisive>,
}

/// What became of a batch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Batch {
    /// The task.
    pub task: TaskId,
    /// The orders, one for each question, in the order of the questions.
    pub orders: Vec<OrderView>,
}

/// What a batch is about: SHA-256 over the digests of its questions in the order of their entries.
fn batch_digest(questions: &[&Kept]) -> Digest {
    let bytes: Vec<u8> = questions.iter().flat_map(|one| one.digest.0).collect();
    digest_of(sha256(&bytes))
}

/// Whether it is open for an answer of this person, who has not answered it yet; for the operator, whether it is open.
fn is_own(kept: &Kept, plan: &Plan, human: Option<HumanId>) -> bool {
    match human {
        Some(human) => kept.bars(plan, human).is_none() && !kept.yes.iter().any(|yes| yes.human == human),
        None => true,
    }
}

impl Office {
    /// Open questions, grouped by task, with those folded that ask the same again. Values that decide are there for whoever
    /// may say yes.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; else what store and ledger say.
    pub async fn queue(&self, by: &By) -> Result<Queue, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let (all, more) = self.open_questions(None).await?;
        let (plan, now) = (self.current(), self.now());
        let names = Names::of(&plan);
        let mut tasks: Vec<TaskQuestions> = Vec::new();
        let order = all.iter().map(|kept| kept.chain.task);
        let mut seen = BTreeSet::new();
        for task in order.filter(|task| seen.insert(*task)).collect::<Vec<_>>() {
            let of: Vec<&Kept> = all.iter().filter(|kept| kept.chain.task == task).collect();
            let own: Vec<&Kept> = of
                .iter()
                .copied()
                .filter(|kept| by.human().is_some() && is_own(kept, &plan, by.human()))
                .collect();
            let mut entries: Vec<FoldedQuestions> = Vec::new();
            for kept in &of {
                let is_own = own.iter().any(|one| one.id == kept.id);
                let view = (*kept).clone().view(&plan, &names, now);
                if let Some(entry) =
                    entries.iter_mut().find(|entry| entry.own == is_own && entry.takes(&view))
                {
                    entry.questions.push(view);
                    continue;
                }
                let shown = if is_own { self.opened(kept).await? } else { None };
                entries.push(FoldedQuestions { questions: vec![view], own: is_own, shown });
            }
            let Some(first) = entries.first().and_then(|entry| entry.questions.first()).cloned() else {
                continue;
            };
            tasks.push(TaskQuestions {
                task,
                actor: first.actor,
                actor_name: first.actor_name,
                subject: first.subject,
                subject_name: first.subject_name,
                entries,
                count: count(of.len()),
                own: count(own.len()),
                digest: batch_digest(&own),
            });
        }
        Ok(Queue { tasks, more })
    }

    /// Answers all questions of a task that this person can answer now: all of them or none. `shown` is the digest of those
    /// that were shown; where others are open now, none is answered. The operator may say no to all that are open.
    ///
    /// # Errors
    /// As [`Office::decide`] for the first question that cannot be answered; [`OfficeError::Batch`] where none can be, or the
    /// questions are not those that were shown.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn answer_task(
        &self,
        by: &By,
        task: TaskId,
        (decision, endorsement): (Decision, Endorsement),
        shown: Option<Digest>,
    ) -> Result<Batch, OfficeError> {
        let operation = decision.operation();
        self.catch_up().await?;
        let named = match by.human() {
            Some(human) => {
                let (all, _) = self.open_questions(Some(task)).await?;
                let plan = self.current();
                all.iter().any(|kept| kept.names(&super::kinds_of(&plan, &kept.chain, human)))
            }
            None => false,
        };
        if !by.may(operation) && !named {
            return Err(self.denied(by, operation).await);
        }
        let (own, by) = (self.clone(), by.clone());
        detached(async move {
            // One answer after another: the second finds what the first has said.
            let _bench = own.0.bench.lock().await;
            own.catch_up().await?;
            let wrong = |why| OfficeError::Batch { task: task.to_string(), why };
            let (all, more) = own.open_questions(Some(task)).await?;
            let (plan, now, human) = (own.current(), own.now(), by.human());
            let batch: Vec<&Kept> = all.iter().filter(|kept| is_own(kept, &plan, human)).collect();
            if batch.is_empty() {
                return Err(wrong("no question of it is open that this person can answer"));
            }
            if more || shown.is_some_and(|shown| shown != batch_digest(&batch)) {
                return Err(wrong("its open questions are not those that were shown; none is answered"));
            }
            let mut orders = Vec::with_capacity(batch.len());
            for kept in &batch {
                own.is_ready(&by, kept, operation, now).await?;
                let approval = kept.id;
                orders.push(match (operation, human) {
                    (Operation::Approve, Some(_)) => {
                        let endorses = own.endorsed_where_any(kept, &endorsement).await?;
                        let expires = now + APPROVAL_LIFE;
                        OrderKind::Approve { approval, digest: kept.digest, endorses, expires }
                    }
                    _ => OrderKind::Deny { approval },
                });
            }
            if let (Operation::Approve, Some(human)) = (operation, human) {
                own.is_tired(human, &batch, now).await?;
            }
            let mut given = Vec::with_capacity(orders.len());
            for order in orders {
                given.push(own.give(human, order).await?);
            }
            Ok(Batch { task, orders: given })
        })
        .await
    }

    /// Open questions, the oldest first; of one task, or of all. And whether there are more.
    async fn open_questions(&self, task: Option<TaskId>) -> Result<(Vec<Kept>, bool), OfficeError> {
        let (plan, now) = (self.current(), self.now());
        let read = self.0.store.read(move |tx| {
            let sql = format!(
                "{SELECT} WHERE expires > ?1 AND spent IS NULL AND state != '{DENIED}' \
                 AND (?2 IS NULL OR json_extract(chain, '$.task') = ?2) ORDER BY entry LIMIT ?3"
            );
            let mut select = tx.prepare(&sql)?;
            let task = task.map(|task| task.to_string());
            let mut rows = select.query(params![moment(now), task, i64::from(QUEUE_MAX) + 1])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(Kept::of(tx, row)?);
            }
            Ok::<_, OfficeError>(all)
        });
        let mut all = read.await?;
        let most = usize::try_from(QUEUE_MAX).unwrap_or(usize::MAX);
        let more = all.len() > most;
        all.truncate(most);
        all.retain(|kept| is_open(kept, &plan, now));
        Ok((all, more))
    }

    /// The places that a yes of a batch endorses: nothing for a question that has nothing to endorse.
    async fn endorsed_where_any(
        &self,
        kept: &Kept,
        endorsement: &Endorsement,
    ) -> Result<Vec<u16>, OfficeError> {
        match endorsement {
            Endorsement::None => Ok(Vec::new()),
            Endorsement::All => match self.opened(kept).await? {
                Some(shown) if shown.values.iter().any(|one| one.endorsable) => {
                    self.endorsed(kept, endorsement).await
                }
                _ => Ok(Vec::new()),
            },
            _ => self.endorsed(kept, endorsement).await,
        }
    }
}

impl FoldedQuestions {
    /// Whether a question asks the same again.
    fn takes(&self, view: &ApprovalView) -> bool {
        let asked = |one: &ApprovalView| -> (Option<Digest>, Vec<Approver>, Vec<Vec<Approver>>) {
            (one.same, one.roles.clone(), one.any_of.clone())
        };
        view.same.is_some() && self.questions.first().is_some_and(|first| asked(first) == asked(view))
    }
}

/// Whether somebody still has to answer.
fn is_open(kept: &Kept, plan: &Plan, now: Moment) -> bool {
    !kept.is_met(plan, now) && now < kept.expires
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::ApprovalState;

    #[test]
    fn what_has_no_values_is_never_folded() {
        let view: ApprovalView = serde_json::from_value(serde_json::json!({
            "id": "apr_00000000000000000000000001", "call": "cal_00000000000000000000000001", "index": 1,
            "at": 1_795_000_000_000_000_u64, "actor": { "agent": "agt_00000000000000000000000001" }, "actor_name": null,
            "subject": { "agent": "agt_00000000000000000000000001" }, "subject_name": null, "earlier": [],
            "task": "tsk_00000000000000000000000001", "action": "use_model", "route": null, "route_name": null,
            "tool": null, "tool_name": null, "roles": ["approver"], "any_of": [], "yes": [], "state": "open",
            "digest": "0".repeat(64), "expires": 1_795_000_900_000_000_u64, "spent": null,
        }))
        .unwrap();
        assert_eq!(view.state, ApprovalState::Open);
        let entry =
            |view: &ApprovalView| FoldedQuestions { questions: vec![view.clone()], own: true, shown: None };
        assert!(!entry(&view).takes(&view));
        let some = ApprovalView { same: Some(Digest([1; 32])), ..view.clone() };
        assert!(entry(&some).takes(&some));
        assert!(!entry(&some).takes(&ApprovalView { same: Some(Digest([2; 32])), ..view.clone() }));
        assert!(!entry(&some).takes(&ApprovalView { roles: vec![Approver::Owner], ..some.clone() }));
    }
}

//! Orders: what the gates must know at once. Each is durable in the ledger before the call returns; its sequence is
//! its ledger index. Giving one twice does no harm.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alcaide_inventory::{Actor, ApprovalId, HumanId, Moment, OrderId, Plan, TokenId, ToolId};
use alcaide_record::{Chain, Digest, Entry, Event, Order, OrderKind, Refused};
use alcaide_seal::digest::sha256;
use alcaide_store::rusqlite::OptionalExtension as _;

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::{Office, detached, digest_of};
use crate::place::declarations_of;
use crate::plans::Wanted;
use crate::sql::{actor_of, from_json, nat, parsed};
use crate::view::OrderView;

/// How long a question can be answered, and how long the answer is good: the agent waits no longer.
pub const APPROVAL_LIFE: Duration = Duration::from_secs(15 * 60);
/// Longest input schema of a tool, in bytes.
pub const TOOL_SCHEMA_BYTES_MAX: usize = 262_144;

/// Digest of all that a question is about: SHA-256 of the canonical bytes of the refusal that asks it, as the ledger
/// holds it within its entry. It covers chain, task, action, target, digest of the exact bytes, labels and plan.
///
/// # Errors
/// [`OfficeError::Row`] if the refusal has no form in JSON.
pub fn question_digest(refused: &Refused) -> Result<Digest, OfficeError> {
    Ok(digest_of(sha256(crate::sql::to_json("refusal", refused)?.as_bytes())))
}

impl Office {
    /// Stops an actor: nothing that it holds is good any more. Its owner and sponsor may do it too.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn kill(&self, by: &By, actor: Actor) -> Result<OrderView, OfficeError> {
        if !by.may(Operation::Kill) && !self.answers_for(by, actor).await {
            return Err(self.denied(by, Operation::Kill).await);
        }
        let (own, by) = (self.clone(), by.human());
        detached(async move {
            let _bench = own.0.bench.lock().await;
            // What a gate ordered by itself counts too. A store that cannot be written keeps nobody from being stopped:
            // while it cannot, no token of a newer epoch is issued either.
            match own.catch_up().await {
                Err(error) if !error.may_pass() => return Err(error),
                _ => {}
            }
            let epoch = own.state_of(actor).await?.epoch.saturating_add(1);
            own.give(by, OrderKind::Kill { actor, epoch }).await
        })
        .await
    }

    /// Lets a stopped actor act again, with new tokens.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn unkill(&self, by: &By, actor: Actor) -> Result<OrderView, OfficeError> {
        self.allow(by, Operation::Unkill).await?;
        self.give(by.human(), OrderKind::Unkill { actor }).await
    }

    /// Revokes one token and all that descend from it. The person on whose behalf it is may do it too.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; else what store and ledger say. A token that is not known is revoked all the same.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn revoke(&self, by: &By, token: TokenId) -> Result<OrderView, OfficeError> {
        if !by.may(Operation::Revoke) && !self.is_subject(by, token).await? {
            return Err(self.denied(by, Operation::Revoke).await);
        }
        self.give(by.human(), OrderKind::Revoke { token }).await
    }

    /// Accepts a tool as it is now: `pin` is SHA-256 of its name, description, schema and annotations, and
    /// `input_schema` the schema itself, from which policies get their types. A new plan holds both.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`] if the plan has no such tool; [`OfficeError::Request`] if
    /// the schema is too long; [`OfficeError::Faults`] if policies do not fit the schema (the order then stands, and
    /// the plan in force keeps the pin that it has); else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn accept_pin(
        &self,
        by: &By,
        tool: ToolId,
        pin: Digest,
        input_schema: Option<String>,
    ) -> Result<OrderView, OfficeError> {
        self.allow(by, Operation::AcceptPin).await?;
        if !self.current().tools.iter().any(|known| known.id == tool) {
            return Err(OfficeError::unknown("tool", &tool));
        }
        if input_schema.as_ref().is_some_and(|schema| schema.len() > TOOL_SCHEMA_BYTES_MAX) {
            return Err(OfficeError::Request { why: "the tool's input schema has more than 262144 bytes" });
        }
        let (own, by) = (self.clone(), by.human());
        detached(async move {
            let desk = Arc::clone(&own.0.desk).lock_owned().await;
            if let Some(schema) = input_schema {
                let sql = "INSERT OR REPLACE INTO tool_schema (tool, pin, input_schema) VALUES (?1, ?2, ?3)";
                let kept = own.0.store.run(move |tx| {
                    Ok::<_, OfficeError>(tx.execute(sql, [tool.to_string(), pin.to_string(), schema])?)
                });
                kept.await?;
            }
            let order = own.give(by, OrderKind::AcceptPin { pin, tool }).await?;
            let declared = declarations_of(&own.current());
            own.commit(desk, None, Wanted::new(declared, by)).await?;
            Ok(order)
        })
        .await
    }

    /// Answers a question with yes. Only a named approver who is nowhere in the chain of the call and answers for
    /// nobody in it.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], [`OfficeError::Approval`]; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn approve(&self, by: &By, approval: ApprovalId) -> Result<OrderView, OfficeError> {
        self.answer(by, approval, Operation::Approve).await
    }

    /// Answers a question with no.
    ///
    /// # Errors
    /// As [`Office::approve`], but whoever is in the chain may say no too.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn deny(&self, by: &By, approval: ApprovalId) -> Result<OrderView, OfficeError> {
        self.answer(by, approval, Operation::Deny).await
    }

    async fn answer(
        &self,
        by: &By,
        approval: ApprovalId,
        operation: Operation,
    ) -> Result<OrderView, OfficeError> {
        self.allow(by, operation).await?;
        let (own, by) = (self.clone(), by.clone());
        detached(async move {
            // One answer after another: the second finds the question answered.
            let _bench = own.0.bench.lock().await;
            own.catch_up().await?;
            let wrong = |why| OfficeError::Approval { approval: approval.to_string(), why };
            let question = own.question(approval).await?;
            let question = question.ok_or_else(|| OfficeError::unknown("approval", &approval))?;
            if question.state != "open" {
                return Err(wrong("it is answered already"));
            }
            let now = own.now();
            if now >= question.expires {
                return Err(wrong("it is too old"));
            }
            if operation == Operation::Deny {
                return own.give(by.human(), OrderKind::Deny { approval }).await;
            }
            let Some(human) = by.human() else { return Err(wrong("only a named person approves")) };
            own.may_act(Actor::Human(human)).await?;
            if let Some(why) = too_near(&own.current(), &question.chain, human) {
                return Err(wrong(why));
            }
            let expires = now + APPROVAL_LIFE;
            own.give(Some(human), OrderKind::Approve { approval, digest: question.digest, expires }).await
        })
        .await
    }

    async fn question(&self, approval: ApprovalId) -> Result<Option<Question>, OfficeError> {
        type Row = (String, String, i64, String);
        let row: Option<Row> = self
            .0
            .store
            .read(move |tx| {
                let sql = "SELECT chain, digest, expires, state FROM approval WHERE id = ?1";
                let row = tx.query_row(sql, [approval.to_string()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                });
                Ok::<_, OfficeError>(row.optional()?)
            })
            .await?;
        let Some((chain, digest, expires, state)) = row else { return Ok(None) };
        Ok(Some(Question {
            chain: from_json("chain", &chain)?,
            digest: parsed("approval", &digest)?,
            expires: Moment::from_micros(nat(expires)),
            state,
        }))
    }

    async fn is_subject(&self, by: &By, token: TokenId) -> Result<bool, OfficeError> {
        let Some(human) = by.human() else { return Ok(false) };
        let subject: Option<String> = self
            .0
            .store
            .read(move |tx| {
                let sql = "SELECT subject FROM issued WHERE token = ?1";
                Ok::<_, OfficeError>(tx.query_row(sql, [token.to_string()], |row| row.get(0)).optional()?)
            })
            .await?;
        Ok(subject.and_then(|text| actor_of(&text)) == Some(Actor::Human(human)))
    }

    /// Gives an order: durable when this returns. What cannot be followed now is followed later; the order stands.
    pub(crate) async fn give(&self, by: Option<HumanId>, order: OrderKind) -> Result<OrderView, OfficeError> {
        let id = OrderId::from_bits(self.bits()?);
        let given = Order { by, id, order: order.clone() };
        let own = self.clone();
        detached(async move {
            let at = own.now();
            let leaf = Entry::new(at, Event::Order(given)).to_leaf()?;
            let index = own.0.ledger.append(leaf).await?.index();
            if let Err(error) = own.catch_up().await {
                tracing::error!(index, code = error.code(), "an order was given but could not be followed");
            }
            Ok(OrderView { index, id, at, by, order })
        })
        .await
    }
}

struct Question {
    chain: Chain,
    digest: Digest,
    expires: Moment,
    state: String,
}

/// Why a person is too near to a call to approve it.
fn too_near(plan: &Plan, chain: &Chain, human: HumanId) -> Option<&'static str> {
    let everyone = || [chain.actor, chain.subject].into_iter().chain(chain.earlier.iter().copied());
    if everyone().any(|actor| actor == Actor::Human(human)) {
        return Some("whoever asks, or on whose behalf is asked, does not approve");
    }
    if everyone().any(|actor| keepers(plan, actor).contains(&human)) {
        return Some("whoever owns or sponsors an agent does not approve for it");
    }
    None
}

/// The people who answer for an actor.
pub(crate) fn keepers(plan: &Plan, actor: Actor) -> BTreeSet<HumanId> {
    let names = match actor {
        Actor::Human(_) => None,
        Actor::Agent(id) => plan
            .agents
            .values()
            .find(|one| one.id == id)
            .map(|one| (&one.spec.owner, one.spec.sponsor.as_ref())),
        Actor::Workload(id) => {
            plan.workloads.values().find(|one| one.id == id).map(|one| (&one.spec.owner, None))
        }
    };
    let Some((owner, sponsor)) = names else { return BTreeSet::new() };
    [Some(owner), sponsor]
        .into_iter()
        .flatten()
        .filter_map(|name| plan.humans.get(name).map(|placed| placed.id))
        .collect()
}

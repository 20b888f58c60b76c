//! One call in full: every entry of it, read back from the ledger, with the names that its plan gives.
//!
//! Lists read projections; this reads the record itself, so that what is shown is what can be proven.

use std::collections::BTreeMap;

use alcaide_inventory::{ApprovalId, CallId, Moment, Plan};
use alcaide_record::{Entry, Event, Intent, Outcome, Refused};
use alcaide_store::rusqlite::{OptionalExtension as _, params};

use crate::by::By;
use crate::error::OfficeError;
use crate::office::Office;
use crate::plans::blocking;
use crate::sql::{from_json, nat, parsed};
use crate::view::{ApprovalView, CallView, OrderView};

/// Most entries of one call that are read; a call has two per attempt.
pub const STEPS_MAX: usize = 64;

/// A call and all that is recorded of it.
#[derive(Clone, Debug)]
pub struct Passage {
    /// The call, its entries joined.
    pub call: CallView,
    /// What is recorded of it, in order.
    pub steps: Vec<Step>,
    /// The question that it opened, or the one whose answer it spent.
    pub approval: Option<ApprovalView>,
    /// The answer to that question.
    pub answer: Option<OrderView>,
    /// Names by id, of the plan that it was decided under.
    pub names: BTreeMap<String, String>,
}

/// One entry of a call.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the ledger.
    pub index: u64,
    /// When it was written.
    pub at: Moment,
    /// What it says.
    pub what: Happened,
}

/// What an entry of a call says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Happened {
    /// It was about to be sent.
    Intent(Box<Intent>),
    /// An attempt ended.
    Outcome(Box<Outcome>),
    /// It was refused.
    Refused(Box<Refused>),
}

impl Office {
    /// One call in full.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`]; else what store and ledger say.
    pub async fn passage(&self, by: &By, call: CallId) -> Result<Passage, OfficeError> {
        let call = self.call(by, call).await?;
        let (ledger, entries) = (self.0.ledger.clone(), call.entries.clone());
        let steps = blocking(move || {
            let mut steps = Vec::new();
            for index in entries.into_iter().take(STEPS_MAX) {
                let entry = Entry::from_leaf(&ledger.read(index)?);
                let entry = entry.map_err(|source| OfficeError::Entry { index, source })?;
                let what = match entry.event {
                    Event::Intent(intent) => Happened::Intent(intent),
                    Event::Outcome(outcome) => Happened::Outcome(outcome),
                    Event::Refused(refused) => Happened::Refused(refused),
                    // A call's entries are of these three kinds.
                    _ => continue,
                };
                steps.push(Step { index, at: entry.at, what });
            }
            Ok::<_, OfficeError>(steps)
        })
        .await??;
        let (approval, answer) = match call.approval {
            None => (None, None),
            Some(id) => match self.approval(by, id).await {
                Ok(approval) => (Some(approval), self.answer_to(id).await?),
                // It is not kept any more; the ledger has it.
                Err(OfficeError::Unknown { .. }) => (None, None),
                Err(error) => return Err(error),
            },
        };
        let plan = match call.plan {
            None => None,
            Some(number) => self.load_plan(Some(number)).await?,
        };
        let names = names(plan.as_ref().unwrap_or(&self.current()));
        Ok(Passage { call, steps, approval, answer, names })
    }

    async fn answer_to(&self, id: ApprovalId) -> Result<Option<OrderView>, OfficeError> {
        type Row = (i64, String, i64, Option<String>, String);
        let found: Option<Row> = self
            .0
            .store
            .read(move |tx| {
                // Orders after the question; the first answer holds.
                let sql = "SELECT entry, id, at, by, body FROM given_order \
                           WHERE entry > coalesce((SELECT entry FROM approval WHERE id = ?1), 0) \
                           AND instr(body, ?1) > 0 ORDER BY entry LIMIT 1";
                let row = tx.query_row(sql, params![id.to_string()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                });
                Ok::<_, OfficeError>(row.optional()?)
            })
            .await?;
        let Some((index, order, at, by, body)) = found else { return Ok(None) };
        Ok(Some(OrderView {
            index: nat(index),
            id: parsed("order", &order)?,
            at: Moment::from_micros(nat(at)),
            by: by.map(|by| parsed("order", &by)).transpose()?,
            order: from_json("order", &body)?,
        }))
    }
}

/// Names of everything in a plan by the text of its id.
pub(crate) fn names(plan: &Plan) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    all.extend(plan.units.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.humans.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.agents.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.workloads.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.upstreams.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.routes.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.models.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.peers.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.budgets.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(plan.policies.iter().map(|(name, one)| (one.id.to_string(), name.to_string())));
    all.extend(
        plan.tools.iter().map(|one| (one.id.to_string(), format!("{}/{}", one.spec.server, one.spec.name))),
    );
    all
}

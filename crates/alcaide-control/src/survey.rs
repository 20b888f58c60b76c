//! How it all stands: counts for the first page, the tools, two plans side by side, names by id.

use std::collections::BTreeMap;

use alcaide_inventory::PlanNumber;
use alcaide_store::rusqlite::params;
use serde::Serialize;

use crate::by::{By, Operation};
use crate::change;
use crate::error::OfficeError;
use crate::office::Office;
use crate::passage;
use crate::place::declarations_of;
use crate::project::DAY_US;
use crate::sql::{int, moment, nat};
use crate::tools::{ToolFilter, ToolState};
use crate::view::Change;

/// How it all stands.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Survey {
    /// The plan in force.
    pub plan: PlanNumber,
    /// Entries of the ledger.
    pub entries: u64,
    /// Agents that are declared.
    pub agents: u64,
    /// Agents that an order stopped.
    pub stopped: u64,
    /// Questions that can be answered now.
    pub questions: u64,
    /// Tools that nobody accepted, or that changed since.
    pub tools_waiting: u64,
    /// Attempts that were sent today (UTC).
    pub requests: u64,
    /// Calls that were refused today (UTC).
    pub refused: u64,
    /// Input and output tokens today (UTC).
    pub tokens: u64,
    /// Cost today (UTC), in micro-units.
    pub cost_micros: u64,
}

/// Two plans side by side.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PlanDifference {
    /// All that differs.
    pub changes: Vec<Change>,
    /// The first, as declarations in TOML.
    pub before: String,
    /// The second.
    pub after: String,
}

impl Office {
    /// How it all stands.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], or what the store says.
    pub async fn survey(&self, by: &By) -> Result<Survey, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let (plan, now) = (self.current(), self.now());
        let waits = |state: ToolState| matches!(state, ToolState::New | ToolState::Changed);
        let tools = self.tools(by, ToolFilter::default()).await?;
        let waiting = tools.iter().filter(|tool| waits(tool.state)).count();
        let agents: Vec<String> = plan.agents.values().map(|one| one.id.to_string()).collect();
        let (number, entries) = (plan.number, self.0.ledger.size());
        self.0
            .store
            .read(move |tx| {
                let questions = tx.query_row(
                    "SELECT count(*) FROM approval WHERE state = 'open' AND expires > ?1",
                    [moment(now)],
                    |row| row.get(0),
                )?;
                let mut killed = tx.prepare("SELECT 1 FROM actor_state WHERE actor = ?1 AND killed = 1")?;
                let mut stopped: u64 = 0;
                for agent in &agents {
                    stopped = stopped.saturating_add(u64::from(killed.exists([agent])?));
                }
                let today = int(now.micros() / DAY_US * DAY_US);
                let used: (i64, i64, i64, i64) = tx.query_row(
                    "SELECT coalesce(sum(requests), 0), coalesce(sum(refused), 0), coalesce(sum(input + output), 0), \
                     coalesce(sum(cost_micros), 0) FROM usage_day WHERE day >= ?1",
                    params![today],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )?;
                Ok::<_, OfficeError>(Survey {
                    plan: number,
                    entries,
                    agents: u64::try_from(agents.len()).unwrap_or(u64::MAX),
                    stopped,
                    questions: nat(questions),
                    tools_waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
                    requests: nat(used.0),
                    refused: nat(used.1),
                    tokens: nat(used.2),
                    cost_micros: nat(used.3),
                })
            })
            .await
    }

    /// What differs from one plan to another.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], or what the store says.
    pub async fn plan_difference(
        &self,
        by: &By,
        from: PlanNumber,
        to: PlanNumber,
    ) -> Result<PlanDifference, OfficeError> {
        let before = declarations_of(&self.plan_at(by, from).await?);
        let after = declarations_of(&self.plan_at(by, to).await?);
        Ok(PlanDifference {
            changes: change::diff(&before, &after),
            before: before.to_toml()?,
            after: after.to_toml()?,
        })
    }

    /// Names of everything in the plan in force by the text of its id.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`].
    pub async fn names(&self, by: &By) -> Result<BTreeMap<String, String>, OfficeError> {
        self.allow(by, Operation::See).await?;
        Ok(passage::names(&self.current()))
    }
}

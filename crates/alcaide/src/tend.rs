//! What goes on beside the listeners: plans go down, orders and projections follow, others are told, memory is
//! written. It ends with the
//! first of them that cannot go on, and the house with it.

use std::time::Duration;

use alcaide_control::Office;
use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::house::House;
use crate::model::keeper;
use crate::telemetry;
use crate::webhook::{self, Hook};

/// How often the snapshot of memory is written while calls pass.
const REMEMBER_EVERY: Duration = Duration::from_secs(60);
/// How often the gate is told that its plan is still the office's; a lease lasts a day.
const CONFIRM_EVERY: Duration = Duration::from_secs(30);
/// First and longest pause before a store that could not be written is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Tends the house until a part of it cannot go on.
pub(crate) async fn tend(house: &House, hooks: Vec<Hook>) -> Result<()> {
    let mut plans = house.plans.clone();
    let plans = async {
        while plans.changed().await.is_ok() {
            let plan = plans.borrow_and_update().clone();
            match house.gate.adopt(&plan) {
                Ok(()) => {
                    house.adopted.send_replace(Some(plan.number));
                    tracing::info!(plan = plan.number.0, "plan in force");
                }
                // The office had it tried before; if the gate cannot use it all the same it keeps the plan that it has,
                // and `/readyz` says so.
                Err(error) => {
                    tracing::error!(plan = plan.number.0, %error, "plan not adopted; the former stays")
                }
            }
        }
        anyhow::bail!("the office is gone")
    };
    let remember = async {
        loop {
            tokio::time::sleep(REMEMBER_EVERY).await;
            if let Err(error) = alone(house.remember()).await {
                tracing::warn!(%error, "the snapshot of memory was not written");
            }
        }
    };
    let (office, keeping) = (house.office.clone(), house.office.clone());
    let confirm = async {
        loop {
            tokio::time::sleep(CONFIRM_EVERY).await;
            if house.office.behind().is_none() {
                house.gate.confirm(house.office.current().number);
            }
        }
    };
    tokio::select! {
        ended = plans => ended,
        ended = alone(house.follow()) => ended.context("following orders"),
        ended = alone(async move { follow_office(&office).await }) => ended.context("following the ledger"),
        () = remember => Ok(()),
        () = telemetry::export(house) => Ok(()),
        ended = webhook::run(hooks, house.ledger.clone()) => ended,
        () = confirm => Ok(()),
        ended = alone(keeper::keep(keeping, house.plans.clone())) => ended.context("keeping models"),
    }
}

/// Runs work as a task of its own, so that it waits for nothing else that is tended here; dropped, it ends.
async fn alone(work: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let mut one = JoinSet::new();
    one.spawn(work);
    match one.join_next().await {
        Some(ended) => ended?,
        None => Ok(()),
    }
}

/// Follows the ledger into the store; where the store cannot be written for the moment, tries again, ever more slowly.
///
/// Meanwhile the gate goes on: it asks no store, and reads orders from the ledger itself. `/readyz` says what is wrong.
async fn follow_office(office: &Office) -> Result<()> {
    let (first, longest) = RETRY;
    let mut wait = first;
    loop {
        let begun = Instant::now();
        match office.follow().await {
            Ok(()) => return Ok(()),
            Err(error) if error.may_pass() => {
                if begun.elapsed() > longest {
                    wait = first;
                }
                tracing::warn!(code = error.code(), %error, again_ms = wait.as_millis(), "the store does not follow");
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2).min(longest);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

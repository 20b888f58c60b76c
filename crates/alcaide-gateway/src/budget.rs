//! Which budgets a call counts against, and how much of each.

use std::sync::Arc;

use alcaide_inventory::Moment;
use alcaide_inventory::declare::BudgetUnit;
use alcaide_inventory::id::BudgetId;
use alcaide_memory::{BudgetAsk, Memory, period_start};
use alcaide_record::Usage;

use crate::attempt::Meter;
use crate::plan::BudgetPlan;

/// What to set aside for a call that may come to `most`.
pub(crate) fn asks<'b>(
    budgets: impl Iterator<Item = &'b Arc<BudgetPlan>>,
    most: &Usage,
) -> (Vec<BudgetAsk>, Arc<Meter>) {
    let mut meter = Meter::default();
    let mut asks = Vec::new();
    for budget in budgets {
        let (list, amount): (&mut Vec<BudgetId>, u64) = match budget.of {
            BudgetUnit::Tokens => (&mut meter.tokens, most.input.saturating_add(most.output)),
            BudgetUnit::MoneyMicros => (&mut meter.money, most.cost_micros),
            BudgetUnit::Requests => (&mut meter.requests, 1),
        };
        list.push(budget.id);
        asks.push(BudgetAsk {
            budget: budget.id,
            name: budget.name.clone(),
            limit: budget.limit,
            period: budget.per,
            amount,
        });
    }
    (asks, Arc::new(meter))
}

/// How much of the fullest budget is taken, in percent.
pub(crate) fn used<'b>(
    memory: &Memory,
    budgets: impl Iterator<Item = &'b Arc<BudgetPlan>>,
    now: Moment,
) -> u8 {
    let percent = |budget: &Arc<BudgetPlan>| {
        let (used, reserved) = memory.taken(budget.id, period_start(budget.per, now));
        let taken = u128::from(used.saturating_add(reserved)) * 100;
        u8::try_from((taken / u128::from(budget.limit.max(1))).min(100)).unwrap_or(100)
    };
    budgets.map(percent).max().unwrap_or(0)
}

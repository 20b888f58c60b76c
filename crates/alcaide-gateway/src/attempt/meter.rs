//! What a call counts for in its budgets.

use alcaide_inventory::id::BudgetId;
use alcaide_record::Usage;

/// How much of each budget a call used.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// Budgets that count tokens.
    pub tokens: Vec<BudgetId>,
    /// Budgets that count money.
    pub money: Vec<BudgetId>,
    /// Budgets that count calls.
    pub requests: Vec<BudgetId>,
}

impl Meter {
    pub(super) fn used(&self, budget: BudgetId, usage: Option<&Usage>, sent: bool) -> u64 {
        if !sent {
            return 0;
        }
        if self.requests.contains(&budget) {
            return 1;
        }
        let Some(usage) = usage else { return 0 };
        if self.money.contains(&budget) {
            usage.cost_micros
        } else {
            usage.input.saturating_add(usage.output)
        }
    }
}

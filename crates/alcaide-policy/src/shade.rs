//! Whom a policy does not bind yet: what is declared as in shadow, looked up once per plan.

use std::collections::HashSet;
use std::sync::Arc;

use alcaide_inventory::declare::{Policy, PolicyMode, ShadowOf};
use alcaide_inventory::{Actor, AgentId, Name, Plan, TaskId};

/// Where a policy is decided and recorded, and does not bind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Shadow {
    /// It binds everybody.
    Nowhere,
    /// It binds nobody.
    Everywhere,
    /// It binds all but these.
    Of(Arc<Shaded>),
}

/// Whom a policy does not bind.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Shaded {
    /// The agents that are meant; absent: whoever acts.
    agents: Option<HashSet<AgentId>>,
    /// So many of a hundred of their tasks; absent: all.
    percent: Option<u8>,
    /// All that in words.
    words: Box<str>,
}

impl Shadow {
    /// As a policy of the plan declares it.
    pub(crate) fn of(plan: &Plan, spec: &Policy) -> Self {
        match (spec.mode, &spec.shadow) {
            (PolicyMode::Enforce, _) => Self::Nowhere,
            (PolicyMode::Shadow, None) => Self::Everywhere,
            (PolicyMode::Shadow, Some(of)) => Self::Of(Arc::new(Shaded::of(plan, of))),
        }
    }

    /// Whether it does not bind this actor, for some task or for all.
    pub(crate) fn covers(&self, actor: Actor) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Everywhere => true,
            Self::Of(of) => of.means(actor),
        }
    }

    /// Whether it does not bind this actor in this task.
    pub(crate) fn holds(&self, actor: Actor, task: Option<TaskId>) -> bool {
        match self {
            Self::Of(of) => of.means(actor) && of.takes(task),
            other => other.covers(actor),
        }
    }

    /// Whether it hangs on the task.
    pub(crate) fn is_share(&self, actor: Actor) -> bool {
        matches!(self, Self::Of(of) if of.percent.is_some() && of.means(actor))
    }

    /// For whom, where it is not the same for everybody.
    pub(crate) fn words(&self) -> Option<&str> {
        match self {
            Self::Of(of) => Some(&of.words),
            _ => None,
        }
    }
}

impl Shaded {
    fn of(plan: &Plan, of: &ShadowOf) -> Self {
        let within = |unit: &Name| {
            let mut at = Some(unit);
            // A walk longer than there are units goes in a circle, which no checked plan has.
            for _ in 0..=plan.units.len() {
                match at {
                    Some(here) if of.units.contains(here) => return true,
                    Some(here) => at = plan.units.get(here).and_then(|one| one.spec.parent.as_ref()),
                    None => break,
                }
            }
            false
        };
        let named = !(of.agents.is_empty() && of.units.is_empty());
        let meant = plan
            .agents
            .iter()
            .filter(|(name, one)| of.agents.contains(name) || within(&one.spec.unit))
            .map(|(_, one)| one.id);
        let mut words: Vec<String> = Vec::new();
        let list = |names: &[Name]| names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        if !of.agents.is_empty() {
            words.push(format!("agents {}", list(&of.agents)));
        }
        if !of.units.is_empty() {
            words.push(format!("units {}", list(&of.units)));
        }
        let mut words = words.join(" and ");
        if let Some(percent) = of.tasks_percent {
            let whom = if words.is_empty() { String::new() } else { format!(" of {words}") };
            words = format!("{percent} of 100 tasks{whom}");
        }
        Self { agents: named.then(|| meant.collect()), percent: of.tasks_percent, words: words.into() }
    }

    fn means(&self, actor: Actor) -> bool {
        match (&self.agents, actor) {
            (None, _) => true,
            (Some(agents), Actor::Agent(id)) => agents.contains(&id),
            _ => false,
        }
    }

    /// A call without a task is in no share.
    fn takes(&self, task: Option<TaskId>) -> bool {
        self.percent.is_none_or(|percent| task.is_some_and(|task| ShadowOf::takes(percent, task)))
    }
}

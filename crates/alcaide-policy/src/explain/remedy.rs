//! What would change a decision: found by deciding again, without what stands in the way, until the call were allowed.
//!
//! Nothing is guessed: each step is weighed as the gate weighs, so that a second obstacle behind the first is told too.

use std::collections::HashSet;

use alcaide_inventory::{Actor, HumanId};

use super::Hindsight;
use crate::ask::{Action, Ask, Context, Resource};
use crate::compile::Compiled;
use crate::decide::Scale;
use crate::house::RouteKind;
use crate::outcome::{
    Approver, CODE_FORBIDDEN, CODE_NOT_PERMITTED, CODE_UNCLEAR, Decision, Outcome, PolicyRef,
};
use crate::slice::{Match, Slice};
use crate::source::{Statute, permit_of};

/// One step on the way to a call that is allowed.
#[derive(Clone, Debug)]
pub struct Remedy {
    /// What would have to be otherwise.
    pub change: Change,
    /// What would be decided then.
    pub then: Outcome,
}

/// What would have to be otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// None of these policies matches any more, or can be evaluated.
    Without {
        /// Each with the cure that it names, if it names one.
        policies: Vec<(PolicyRef, Option<String>)>,
    },
    /// Something permits it.
    Permitted {
        /// The grant that would, for agents and workloads, such as `use:tool/files/read_file`.
        grant: Option<String>,
        /// Policies that permit such a call where their conditions hold.
        near: Vec<Near>,
    },
    /// People say yes.
    Approved {
        /// Each of these must, with whoever could: by kind and name.
        roles: Vec<(Approver, Vec<String>)>,
        /// Besides, one of these groups as a whole.
        any_of: Vec<Vec<(Approver, Vec<String>)>>,
    },
}

/// A policy whose head is about the call, and whose conditions keep it from permitting it.
#[derive(Clone, Debug)]
pub struct Near {
    /// Which.
    pub policy: PolicyRef,
    /// Whether it asks people, too.
    pub asks: bool,
}

/// Most steps: what forbids, what permits, who is asked, and once more.
const STEPS_MAX: usize = 6;

impl Compiled {
    pub(super) fn remedies(
        &self,
        ask: &Ask<'_>,
        hindsight: &Hindsight<'_>,
        slice: &Slice,
        decision: &Decision,
        matches: &[Match],
    ) -> Vec<Remedy> {
        let Some(permit) = permit_of("permit (principal, action, resource);") else { return Vec::new() };
        let everybody: Vec<HumanId> = self
            .house
            .actors
            .keys()
            .filter_map(|actor| match actor {
                Actor::Human(id) => Some(*id),
                _ => None,
            })
            .collect();
        let mut ask = *ask;
        let (actor, task) = (ask.actor, ask.task);
        let in_shadow = |statute: &Statute| statute.shadow.holds(actor, task);
        let mut counted = self.counted(&ask);
        let mut matches = matches.to_vec();
        let mut gone: HashSet<usize> = HashSet::new();
        let mut permitted = false;
        let mut outcome = decision.outcome.clone();
        let mut steps = Vec::new();
        while steps.len() < STEPS_MAX {
            let change = match &outcome {
                Outcome::Refuse { code, .. } if *code == CODE_FORBIDDEN || *code == CODE_UNCLEAR => {
                    let hard: Vec<(usize, &Statute)> = matches
                        .iter()
                        .filter(|one| !gone.contains(&one.at))
                        .filter_map(|one| Some((one, self.statutes.get(one.at)?)))
                        .filter(|(one, statute)| {
                            !in_shadow(statute)
                                && !statute.permits
                                && (one.erred.is_some() || statute.notes.ask.is_empty())
                        })
                        .map(|(one, statute)| (one.at, statute))
                        .collect();
                    if hard.is_empty() {
                        break;
                    }
                    gone.extend(hard.iter().map(|(at, _)| *at));
                    let policy = |(_, statute): &(usize, &Statute)| {
                        (statute.reference.clone(), statute.notes.cure.as_deref().map(str::to_owned))
                    };
                    Change::Without { policies: hard.iter().map(policy).collect() }
                }
                Outcome::Refuse { code, .. } if *code == CODE_NOT_PERMITTED && !permitted => {
                    permitted = true;
                    Change::Permitted { grant: self.grant(&ask), near: self.near(&ask, &matches) }
                }
                Outcome::Ask { roles, any_of, .. } => {
                    if ask.context.approvals.len() == everybody.len() {
                        // Everybody has said yes, and it is not enough.
                        break;
                    }
                    let who = |by: &Approver| (*by, self.approvers(&ask, *by, &everybody));
                    let change = Change::Approved {
                        roles: roles.iter().map(who).collect(),
                        any_of: any_of.iter().map(|group| group.iter().map(who).collect()).collect(),
                    };
                    ask = Ask { context: Context { approvals: &everybody, ..ask.context }, ..ask };
                    counted = self.counted(&ask);
                    // Conditions may read who has approved.
                    matches = self.read(&ask, hindsight).1;
                    change
                }
                _ => break,
            };
            let mut given: Vec<(&Statute, bool)> = matches
                .iter()
                .filter(|one| !gone.contains(&one.at))
                .filter_map(|one| Some((self.statutes.get(one.at)?, one.erred.is_some())))
                .filter(|(statute, _)| !in_shadow(statute))
                .collect();
            if permitted {
                given.push((&permit, false));
            }
            let scale = Scale { compiled: self, slice, ask: &ask, counted: &counted };
            outcome = scale.weigh(&given).0;
            steps.push(Remedy { change, then: outcome.clone() });
        }
        steps
    }

    /// Who could say yes in this role, by kind and name.
    fn approvers(&self, ask: &Ask<'_>, by: Approver, everybody: &[HumanId]) -> Vec<String> {
        let could = |id: &&HumanId| {
            let alone = [**id];
            let one = Ask { context: Context { approvals: &alone, ..ask.context }, ..*ask };
            self.is_approved(&one, &self.counted(&one), by)
        };
        let label = |id: &HumanId| self.house.actors.get(&Actor::Human(*id)).map(|facts| facts.label.clone());
        let mut found: Vec<String> = everybody.iter().filter(could).filter_map(label).collect();
        found.sort();
        found
    }

    /// The grant that lets an agent or workload do it.
    fn grant(&self, ask: &Ask<'_>) -> Option<String> {
        if matches!(ask.actor, Actor::Human(_)) {
            return None;
        }
        let route = |id, kind| self.house.routes.get(id).filter(|route| route.kind == kind);
        match (ask.action, &ask.resource) {
            (Action::UseModel, Resource::Model(id)) => {
                Some(format!("use:model/{}", route(id, RouteKind::Model)?.name))
            }
            (Action::CallTool, Resource::Tool(id)) => {
                let tool = self.house.tools.get(id)?;
                Some(format!("use:tool/{}/{}", tool.server, tool.name))
            }
            (Action::CallApi, Resource::Operation { service, name }) => {
                Some(format!("use:api/{}/{name}", route(service, RouteKind::Service)?.name))
            }
            // A session is permitted to whoever has a grant on the server at all.
            (Action::CallMethod, Resource::Method { server: Some(id), .. }) => {
                Some(format!("use:tool/{}/*", route(id, RouteKind::Server)?.name))
            }
            _ => None,
        }
    }

    /// What would permit it if its conditions held.
    fn near(&self, ask: &Ask<'_>, matches: &[Match]) -> Vec<Near> {
        let Ok((actor, placed, action)) = self.parties(ask) else { return Vec::new() };
        let is_near = |(at, statute): &(usize, &Statute)| {
            statute.permits
                && !statute.shadow.holds(ask.actor, ask.task)
                && !matches.iter().any(|one| one.at == *at)
                && self.miss(statute, actor, &placed, &action).is_none()
        };
        let all = self.statutes.iter().enumerate().filter(is_near);
        all.map(|(_, statute)| Near {
            policy: statute.reference.clone(),
            asks: !statute.notes.ask.is_empty(),
        })
        .collect()
    }
}

//! Why it was decided so, and who could do it: for people, not for the gate.

use std::fmt;
use std::sync::Arc;

use alcaide_inventory::Actor;
use cedar_policy_core::ast::{EntityUIDEntry, Expr, Request};

use crate::ask::{Action, Ask, Resource};
use crate::compile::Compiled;
use crate::expr::Reads;
use crate::fault::one_line;
use crate::outcome::{Decision, PolicyRef};
use crate::slice::{ARGS_UNFIT, Judge, Miss};

/// A decision and what each policy said to it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The decision, made anew.
    pub decision: Decision,
    /// Every policy of the plan, in the order of the policy set; empty where caller or resource are unknown.
    pub considered: Vec<Considered>,
}

/// What one policy said.
#[derive(Clone, Debug)]
pub struct Considered {
    /// Which.
    pub policy: PolicyRef,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// Whether it is in shadow: decided and recorded, not enforced.
    pub shadow: bool,
    /// What it said.
    pub verdict: Verdict,
}

/// What a policy does where it matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Lets through.
    Permit,
    /// Refuses, or asks.
    Forbid,
}

/// Whether a policy matched a call, and what stood in the way.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Head and conditions hold.
    Matched,
    /// Its head is about another principal.
    OtherPrincipal,
    /// Its head is about another action.
    OtherAction,
    /// Its head is about another resource.
    OtherResource,
    /// This condition, as it stands in the text, is the first that does not hold.
    Failed {
        /// At most 300 characters.
        condition: String,
    },
    /// This condition could not be evaluated.
    Erred {
        /// At most 300 characters.
        condition: String,
        /// Why.
        why: Arc<str>,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched => out.write_str("matched"),
            Self::OtherPrincipal => out.write_str("is about another principal"),
            Self::OtherAction => out.write_str("is about another action"),
            Self::OtherResource => out.write_str("is about another resource"),
            Self::Failed { condition } => write!(out, "does not hold: `{condition}`"),
            Self::Erred { condition, why } => write!(out, "could not be evaluated: `{condition}`: {why}"),
        }
    }
}

/// Somebody, and what the policy set says to them.
#[derive(Clone, Debug)]
pub struct Who {
    /// Who.
    pub actor: Actor,
    /// Kind and name, such as ``agent `invoice-bot` ``.
    pub label: String,
    /// What is decided for them on their own, with an empty context.
    pub decision: Decision,
}

impl Compiled {
    /// Says of every policy whether it matched and, if not, what stood in the way.
    ///
    /// Costs as much as evaluating the whole set: tens of microseconds to milliseconds.
    #[must_use]
    pub fn explain(&self, ask: &Ask<'_>) -> Explanation {
        let decision = self.decide_alone(ask);
        let Ok((actor, placed, action)) = self.parties(ask) else {
            return Explanation { decision, considered: Vec::new() };
        };
        let store = match &placed.guest {
            None => None,
            Some((guest, _)) => self.whole_with(guest.clone()).ok(),
        };
        let known = |uid: &Arc<_>| EntityUIDEntry::Known { euid: Arc::clone(uid), loc: None };
        let counted = self.counted(ask);
        let (context, args_fit) = self.context(Reads::ALL, ask, &counted);
        let request =
            Request::new_unchecked(known(&actor.uid), known(&action), known(&placed.uid), Some(context));
        let judge = Judge::new(request, store.as_ref().unwrap_or(&self.house.entities));
        let considered = self
            .statutes
            .iter()
            .map(|statute| {
                let verdict = match self.miss(statute, actor, &placed, &action) {
                    Some(Miss::Principal) => Verdict::OtherPrincipal,
                    Some(Miss::Action) => Verdict::OtherAction,
                    Some(Miss::Resource) => Verdict::OtherResource,
                    None => {
                        let unfit = |reads: Reads| !args_fit && reads.has(Reads::ARGS);
                        let mut verdict = Verdict::Matched;
                        for condition in &statute.conditions {
                            let held = if unfit(condition.reads) {
                                Err(ARGS_UNFIT.into())
                            } else {
                                judge.holds(&condition.expr)
                            };
                            verdict = match held {
                                Ok(true) => continue,
                                Ok(false) => Verdict::Failed { condition: text_of(&condition.expr) },
                                Err(why) => Verdict::Erred { condition: text_of(&condition.expr), why },
                            };
                            break;
                        }
                        verdict
                    }
                };
                Considered {
                    policy: statute.reference.clone(),
                    effect: if statute.permits { Effect::Permit } else { Effect::Forbid },
                    shadow: statute.shadow,
                    verdict,
                }
            })
            .collect();
        Explanation { decision, considered }
    }

    /// What is decided for everybody in the plan, each on their own and with an empty context: agents, then humans,
    /// then workloads, by name.
    #[must_use]
    pub fn who_can(&self, action: Action, resource: Resource<'_>) -> Vec<Who> {
        let mut all: Vec<_> = self.house.actors.iter().collect();
        let rank = |actor: &Actor| match actor {
            Actor::Agent(_) => 0,
            Actor::Human(_) => 1,
            Actor::Workload(_) => 2,
        };
        all.sort_by(|(a, x), (b, y)| (rank(a), &x.name).cmp(&(rank(b), &y.name)));
        all.into_iter()
            .map(|(actor, facts)| Who {
                actor: *actor,
                label: facts.label.clone(),
                decision: self.decide_alone(&Ask::alone(*actor, action, resource)),
            })
            .collect()
    }
}

/// The condition as it stands in its file, else as Cedar prints it.
fn text_of(expr: &Expr) -> String {
    match expr.source_loc().and_then(|loc| loc.snippet()) {
        Some(text) => one_line(text),
        None => one_line(&expr.to_string()),
    }
}

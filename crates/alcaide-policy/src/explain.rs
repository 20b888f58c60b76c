//! Why it was decided so, what would change it, and who could do it: for people, not for the gate.
//!
//! ```text
//! Ask ── each policy of the plan: head, then its conditions in order ── Verdict, with the values that it read
//!     └─ what matched ── weighed as the gate weighs it ── Decision ── what would change it (`remedy`)
//! ```
//!
//! A call is also explained long after it was made. What the record does not hold of it ([`Hindsight`]) is not made
//! up: a condition that reads it is [`Verdict::Unknown`], and then the record says whether the policy decided.

mod read;
mod remedy;
mod words;

use std::fmt;
use std::sync::Arc;

use alcaide_inventory::{Actor, PolicyId};

use crate::ask::{Action, Ask, Resource};
use crate::compile::Compiled;
use crate::expr::Reads;
use crate::outcome::{Decision, PolicyRef};
use crate::shade::Shadow;
use crate::source::Statute;

pub use remedy::{Change, Near, Remedy};
pub use words::{Reading, Seen};

/// A decision, what each policy said to it, and what would change it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Who wants what, such as ``agent `invoice-bot` may use model `small` ``; empty where that is unknown.
    pub what: String,
    /// What it is done to, by kind and name, such as ``model `small` ``.
    pub on: String,
    /// The decision, made anew.
    pub decision: Decision,
    /// Every policy of the plan, in the order of the policy set; empty where caller or resource are unknown.
    pub considered: Vec<Considered>,
    /// What would change the decision, step by step, until the call were allowed; empty where it is.
    pub remedies: Vec<Remedy>,
    /// Where the arguments are not of the tool's accepted input schema: line and column within them, from 1.
    pub unfit: Option<(usize, usize)>,
}

/// What stands in a policy.
#[derive(Clone, Debug)]
pub struct Article {
    /// Which.
    pub policy: PolicyRef,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// Whether it is in shadow: decided and recorded, not enforced. Of a call, whether it is for that one; of a plan, whether it
    /// is for anybody.
    pub shadow: bool,
    /// For whom it is in shadow, where it binds others.
    pub shadow_of: Option<String>,
    /// Its annotations, by name.
    pub notes: Vec<(String, String)>,
    /// Its text in Cedar, annotations included, as it stands in its file.
    pub text: Arc<str>,
}

/// What one policy said.
#[derive(Clone, Debug)]
pub struct Considered {
    /// The policy.
    pub article: Article,
    /// What it said.
    pub verdict: Verdict,
    /// What was read to come to that: of all conditions where it matched, else of the one that stood in the way.
    pub readings: Vec<Reading>,
}

/// What a policy does where it matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Lets through.
    Permit,
    /// Refuses, or asks.
    Forbid,
}

impl Effect {
    /// The word of Cedar.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
        }
    }
}

/// One condition of a policy, or a part of one that `&&` sets apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Clause {
    /// Whether it stands in `when` or in `unless`.
    pub kind: ClauseKind,
    /// As it stands in the text, at most 300 characters.
    pub text: String,
    /// The line of the file that it begins on, from 1; `None` for grants.
    pub line: Option<usize>,
}

/// Where a condition stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClauseKind {
    /// It must hold.
    When,
    /// It must not hold.
    Unless,
}

impl ClauseKind {
    /// The word of Cedar.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::When => "when",
            Self::Unless => "unless",
        }
    }
}

/// Whether a policy matched a call, and what stood in the way.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Head and conditions hold.
    Matched,
    /// Its head is about another principal.
    OtherPrincipal {
        /// About which, in words.
        wants: String,
    },
    /// Its head is about another action.
    OtherAction {
        /// About which, in words.
        wants: String,
    },
    /// Its head is about another resource.
    OtherResource {
        /// About which, in words.
        wants: String,
    },
    /// This condition is the first that keeps it from matching.
    Failed {
        /// Which.
        clause: Clause,
    },
    /// This condition could not be evaluated.
    Erred {
        /// Which.
        clause: Clause,
        /// Why.
        why: Arc<str>,
    },
    /// This condition reads what is not known of the call.
    Unknown {
        /// Which.
        clause: Clause,
        /// The attributes of `context` that are not known.
        lost: Vec<&'static str>,
        /// Whether the policy matched, where the record leaves no doubt.
        recorded: Option<bool>,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched => out.write_str("matched"),
            Self::OtherPrincipal { wants } => write!(out, "is about another principal: {wants}"),
            Self::OtherAction { wants } => write!(out, "is about another action: {wants}"),
            Self::OtherResource { wants } => write!(out, "is about another resource: {wants}"),
            Self::Failed { clause } => match clause.kind {
                ClauseKind::When => write!(out, "`when` does not hold: `{}`", clause.text),
                ClauseKind::Unless => write!(out, "`unless` holds: `{}`", clause.text),
            },
            Self::Erred { clause, why } => write!(out, "could not be evaluated: `{}`: {why}", clause.text),
            Self::Unknown { clause, lost, recorded } => {
                let known = match recorded {
                    Some(true) => "matched, by the record",
                    Some(false) => "did not match, by the record",
                    None => "cannot be told",
                };
                let lost = lost.join("` and `context.");
                write!(out, "{known}: `{}` reads `context.{lost}`, which is not recorded", clause.text)
            }
        }
    }
}

/// What is not known of a call that is explained after it was made, and what the record says of it instead.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hindsight<'a> {
    /// What is not known.
    pub lost: &'a [Lost],
    /// The policies that decided, and how.
    pub recorded: Option<Recorded<'a>>,
}

/// The decision that stands in the record.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// `allow`, `ask` or `refuse`.
    pub decision: &'a str,
    /// Ids of the policies that made it; all policies of one declared file share theirs.
    pub policies: &'a [PolicyId],
}

/// Something of the context that is not recorded in a form that policies could read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Lost {
    /// The arguments of a tool call: the record holds a digest.
    Args,
    /// Whether a part could not be looked into.
    Uninspected,
    /// Whether the tool's description was another than the accepted one.
    ToolChanged,
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
    /// Says of every policy whether it matched and, if not, what stood in the way; and what would change the decision.
    ///
    /// Costs as much as evaluating the whole set a few times: tens of microseconds to milliseconds.
    #[must_use]
    pub fn explain(&self, ask: &Ask<'_>) -> Explanation {
        self.explain_after(ask, &Hindsight::default())
    }

    /// The same for a call of the past, of which not everything is known.
    ///
    /// The decision takes a policy that cannot be judged to have matched where the record names it, and not to have
    /// matched elsewhere.
    #[must_use]
    pub fn explain_after(&self, ask: &Ask<'_>, hindsight: &Hindsight<'_>) -> Explanation {
        let slice = match self.cut(ask) {
            Ok(slice) => slice,
            Err(refused) => {
                return Explanation {
                    what: String::new(),
                    on: String::new(),
                    decision: Arc::unwrap_or_clone(refused),
                    considered: Vec::new(),
                    remedies: Vec::new(),
                    unfit: None,
                };
            }
        };
        let (considered, matches) = self.read(ask, hindsight);
        let counted = self.counted(ask);
        let decision = if hindsight.lost.is_empty() {
            self.decide_alone(ask)
        } else {
            self.weigh(&slice, ask, &counted, matches.clone())
        };
        let remedies = self.remedies(ask, hindsight, &slice, &decision, &matches);
        let unfit = ask
            .context
            .args
            .zip(self.args_kind(ask))
            .and_then(|(bytes, kind)| kind.value(bytes).err())
            .map(|error| (error.line(), error.column()));
        let on = self.parties(ask).map(|(_, placed, _)| placed.label).unwrap_or_default();
        Explanation { what: slice.what, on, decision, considered, remedies, unfit }
    }

    /// Every policy of the plan as it stands, in the order of the policy set.
    #[must_use]
    pub fn articles(&self) -> Vec<Article> {
        self.statutes.iter().map(|one| Article::of(one, one.shadow != Shadow::Nowhere)).collect()
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

impl Article {
    fn of(statute: &Statute, shadow: bool) -> Self {
        let notes = statute.policy.annotations();
        let mut notes: Vec<(String, String)> =
            notes.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        notes.sort();
        Self {
            policy: statute.reference.clone(),
            effect: if statute.permits { Effect::Permit } else { Effect::Forbid },
            shadow,
            shadow_of: statute.shadow.words().map(Into::into),
            notes,
            text: words::text_of(statute),
        }
    }
}

impl Lost {
    /// The attribute of `context`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Args => "args",
            Self::Uninspected => "uninspected",
            Self::ToolChanged => "tool_changed",
        }
    }

    /// Whether a path leads to it, or into it.
    fn is_at(self, path: &str) -> bool {
        let rest = path.strip_prefix("context.").and_then(|rest| rest.strip_prefix(self.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    const fn reads(self) -> Reads {
        match self {
            Self::Args => Reads::ARGS,
            Self::Uninspected => Reads::UNINSPECTED,
            Self::ToolChanged => Reads::TOOL_CHANGED,
        }
    }
}

//! What was decided, by which policies, and under which obligations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use alcaide_inventory::PolicyId;

/// A decision and everything that a record or an explanation needs of it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Decision {
    /// What is to be done.
    pub outcome: Outcome,
    /// The policies that made it, in the order of the policy set.
    pub determining: Vec<PolicyRef>,
    /// What it would be if the policies in shadow were counted in; `None` where none of them is about this call.
    pub shadow: Option<Outcome>,
    /// Policies that could not be evaluated. A `forbid` among them counted as matching, a `permit` as not.
    pub errors: Vec<EvalError>,
}

/// What is to be done with a call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Let it through, under these obligations.
    Allow {
        /// At most one per verb and thing, sorted.
        obligations: Vec<Obligation>,
    },
    /// Ask humans first.
    Ask {
        /// Each of these must approve.
        roles: Vec<Approver>,
        /// Besides, one of these groups must approve as a whole; empty where there is no such choice.
        any_of: Vec<Vec<Approver>>,
        /// Why it is asked.
        reason: Arc<str>,
    },
    /// Refuse it.
    Refuse {
        /// `ALC-POLICY-0031` and following.
        code: &'static str,
        /// Why, for whoever called.
        reason: Arc<str>,
        /// What would cure it, where the policy says so.
        cure: Option<Arc<str>>,
    },
}

/// A `forbid` matched.
pub const CODE_FORBIDDEN: &str = "ALC-POLICY-0031";
/// No `permit` matched.
pub const CODE_NOT_PERMITTED: &str = "ALC-POLICY-0032";
/// A policy could not be evaluated, or the arguments are not of the accepted input schema.
pub const CODE_UNCLEAR: &str = "ALC-POLICY-0033";
/// The caller or the resource is not in the plan, or the action cannot be done to such a resource.
pub const CODE_UNKNOWN: &str = "ALC-POLICY-0034";

impl Outcome {
    /// `allow`, `ask` or `refuse`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "allow",
            Self::Ask { .. } => "ask",
            Self::Refuse { .. } => "refuse",
        }
    }

    /// From 0 (allow) to 2 (refuse): how much is let through, less for more.
    #[must_use]
    pub const fn strictness(&self) -> u8 {
        match self {
            Self::Allow { .. } => 0,
            Self::Ask { .. } => 1,
            Self::Refuse { .. } => 2,
        }
    }
}

/// Who may answer a question.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Approver {
    /// The acting agent's or workload's owner, even where the call is on the owner's own behalf.
    Owner,
    /// The acting agent's sponsor, even where the call is on the sponsor's own behalf.
    Sponsor,
    /// A human with the office role `approver` on whose behalf the call is not.
    Approver,
    /// A human with the office role `administrator` on whose behalf the call is not.
    Administrator,
}

impl Approver {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Sponsor, Self::Approver, Self::Administrator];

    /// The word used in `@ask`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Sponsor => "sponsor",
            Self::Approver => "approver",
            Self::Administrator => "administrator",
        }
    }
}

/// What a gate must do to a call that it lets through.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Obligation {
    /// Replace findings of this class or rule by a shape; for text to models, never for arguments of tools.
    Mask(Arc<str>),
    /// Replace findings of this class or rule by tokens.
    Tokenise(Arc<str>),
    /// Take findings of this class or rule out.
    Strip(Arc<str>),
    /// Refuse after all if the reply has findings of this class or rule.
    Block(Arc<str>),
    /// Bound something of the call or the reply.
    Cap(Cap, u64),
    /// Mark the reply's text with this scheme.
    Watermark(Arc<str>),
}

/// What [`Obligation::Cap`] bounds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Cap {
    /// Tokens that the model may make.
    OutputTokens,
    /// Bytes of the reply.
    ReplyBytes,
}

impl Cap {
    /// The word used in `@obligation("cap:…=N")`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutputTokens => "output_tokens",
            Self::ReplyBytes => "reply_bytes",
        }
    }
}

impl fmt::Display for Obligation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask(what) => write!(out, "mask:{what}"),
            Self::Tokenise(what) => write!(out, "tokenise:{what}"),
            Self::Strip(what) => write!(out, "strip:{what}"),
            Self::Block(what) => write!(out, "block:{what}"),
            Self::Cap(cap, most) => write!(out, "cap:{}={most}", cap.as_str()),
            Self::Watermark(scheme) => write!(out, "watermark:{scheme}"),
        }
    }
}

/// Joins obligations of several policies: all of them, the lowest of each cap.
pub(crate) fn join<'a>(all: impl Iterator<Item = &'a Obligation>) -> Vec<Obligation> {
    let mut caps: BTreeMap<Cap, u64> = BTreeMap::new();
    let mut joined: Vec<Obligation> = Vec::new();
    for one in all {
        match one {
            Obligation::Cap(cap, most) => {
                let lowest = caps.entry(*cap).or_insert(*most);
                *lowest = (*lowest).min(*most);
            }
            other => joined.push(other.clone()),
        }
    }
    joined.extend(caps.into_iter().map(|(cap, most)| Obligation::Cap(cap, most)));
    joined.sort();
    joined.dedup();
    joined
}

/// Names one policy for people, for records and for the file it stands in.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PolicyRef {
    /// Opaque id for records: the declared file's id, or for grants and shipped policies the FNV-1a hash (128 bits)
    /// of [`PolicyRef::cedar_id`].
    pub id: PolicyId,
    /// Id within the policy set: `NAME/ID` or `NAME/N` for the n-th policy (from 1) of a declared file,
    /// `grant:agent/NAME:GRANT`, or `default/FILE/ID`.
    pub cedar_id: Arc<str>,
    /// `FILE:LINE` where it was read from; the grant itself for grants.
    pub place: Arc<str>,
    /// Controls that it implements (`@control`), such as `pci-dss:3.5.1`.
    pub controls: Arc<[Arc<str>]>,
}

/// A policy could not be evaluated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("policy `{}` could not be evaluated: {why}", policy.cedar_id)]
pub struct EvalError {
    /// Which.
    pub policy: PolicyRef,
    /// Why.
    pub why: Arc<str>,
}

//! What an owner says a tool does. Facts are declared, never read from the tool itself: a tool's own
//! annotations are an untrusted hint.

use alcaide_label::{Confidentiality, Integrity};
use serde::{Deserialize, Serialize};

/// What calling a tool does to the world; ordered from harmless to grave.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Reads only.
    Read,
    /// Changes something within the organisation that can be undone.
    Internal,
    /// Sends something out of the organisation.
    Outbound,
    /// Deletes or overwrites.
    Destructive,
    /// Moves money or commits to.
    Money,
    /// Creates, changes or reveals a credential or a permission.
    #[default]
    Credential,
}

impl Effect {
    /// Whether a wrong call does harm that reading cannot: everything but [`Effect::Read`].
    #[must_use]
    pub const fn is_consequential(self) -> bool {
        !matches!(self, Self::Read)
    }

    /// The word used in declarations, policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Internal => "internal",
            Self::Outbound => "outbound",
            Self::Destructive => "destructive",
            Self::Money => "money",
            Self::Credential => "credential",
        }
    }
}

/// Trust and confidentiality of one part of a tool's result.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFact {
    /// JSON pointer (RFC 6901) of the part; empty for the whole result.
    #[serde(default)]
    pub pointer: String,
    /// Who can write it.
    #[serde(default)]
    pub integrity: Integrity,
    /// How confidential it is.
    #[serde(default)]
    pub confidentiality: Confidentiality,
}

/// All that an owner declared about one tool. The default is the strictest.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// What a call does; the gravest where nothing is said.
    #[serde(default)]
    pub effect: Effect,
    /// Names of arguments that decide what happens and to whom.
    #[serde(default)]
    pub control: Vec<String>,
    /// Names of arguments that carry free text.
    #[serde(default)]
    pub free_text: Vec<String>,
    /// Trust and confidentiality of the result's parts; untrusted and confidential where nothing is said.
    #[serde(default)]
    pub output: Vec<OutputFact>,
    /// Whether the server honours this argument as an idempotency key, so that a call may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Highest class of data that the tool may be given.
    #[serde(default)]
    pub clearance: Confidentiality,
}

//! What was found? Rule, severity, place, redacted evidence.
//!
//! A finding never holds the value that was found: it says which rule, where and how sure, and shows at most
//! a shape ("16 digits, ends 42"). Rule ids are public vocabulary of a rule pack, not personal data.

mod file;
pub mod sarif;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use file::{FileFinding, Place, Rating};

/// Id of a rule within the packs: lower-case words joined by `-`, such as `card-number`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RuleId(Cow<'static, str>);

impl RuleId {
    /// A rule id known when the program was built.
    #[must_use]
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A rule id read from a pack.
    #[must_use]
    pub fn from_pack(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// How grave a finding is if it is true.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Should not pass unseen.
    Warning,
    /// Must not pass.
    Grave,
}

/// What kind of content a rule finds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Payment card data.
    Card,
    /// Data about a person.
    Personal,
    /// A credential.
    Secret,
    /// Content that could not be looked into.
    Uninspected,
    /// A tool whose text changed or tries to instruct.
    ToolPoisoning,
    /// A link that carries data out, or that a reader's program would fetch with some.
    Link,
    /// A mark that the gate planted into what a task read.
    Canary,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Card,
        Self::Personal,
        Self::Secret,
        Self::Uninspected,
        Self::ToolPoisoning,
        Self::Link,
        Self::Canary,
    ];

    /// The word used in policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Personal => "personal",
            Self::Secret => "secret",
            Self::Uninspected => "uninspected",
            Self::ToolPoisoning => "tool_poisoning",
            Self::Link => "link",
            Self::Canary => "canary",
        }
    }
}

/// One thing found in one text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: RuleId,
    /// What kind of content it is.
    pub class: Class,
    /// How grave.
    pub severity: Severity,
    /// Bytes of the text that it covers.
    pub span: Range<u64>,
    /// What may be shown: a shape, never the value.
    pub evidence: Cow<'static, str>,
}

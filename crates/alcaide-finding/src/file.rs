//! What was found in a file: rule, rating, place within it, evidence, fingerprint.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::RuleId;

/// How much harm a true finding in a file can do.
///
/// Source: CVSS 3.1, section 5, qualitative severity rating scale.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// Worth knowing; no verdict rests on it.
    None,
    /// Little, or only together with something else.
    Low,
    /// Stops a program, or needs the loader to be careless.
    Medium,
    /// Reads, writes or sends what it should not.
    High,
    /// Runs code of the file's maker.
    Critical,
}

impl Rating {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Where in a file: which member of which member, where in its bytes, and where in what they mean.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Place {
    /// Names of members from the outside in; empty for the file itself. Bytes that are no UTF-8 are written `\xNN`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member: Vec<String>,
    /// First byte within the innermost member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// JSON pointer, node name or key, for formats that have structure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// One thing found in a file.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct FileFinding {
    /// How much harm it can do.
    pub rating: Rating,
    /// The rule that found it.
    pub rule: RuleId,
    /// Where.
    pub place: Place,
    /// What it is in words, with names from the file cut to a sane length and controls written out.
    pub evidence: Cow<'static, str>,
}

//! What a scan says: verdict, findings, doubts, and what was looked into.

use std::borrow::Cow;

use alcaide_finding::{FileFinding, Place, RuleId};
use serde::{Deserialize, Serialize};

use crate::coverage::Coverage;

/// What a file is, as far as could be seen.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Verdict {
    /// All was looked into, and nothing was found.
    Clean,
    /// Nothing was found, but not all was looked into, or somebody must decide.
    Inconclusive,
    /// Something was found.
    Unsafe,
}

impl Verdict {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Inconclusive => "inconclusive",
            Self::Unsafe => "unsafe",
        }
    }
}

/// Why a file cannot be called clean though nothing was found.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
pub struct Doubt {
    /// What kind of doubt.
    pub rule: RuleId,
    /// Where.
    pub place: Place,
    /// What it is in words.
    pub evidence: Cow<'static, str>,
}

/// One part of a file: the file itself, or a member of something in it.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Part {
    /// Names of members from the outside in; empty for the file itself.
    pub member: Vec<String>,
    /// What it was read as, such as `pickle`.
    pub format: Cow<'static, str>,
    /// Its size.
    pub bytes: u64,
    /// What was looked into.
    pub coverage: Coverage,
}

/// What one scan says. The same bytes and rules give the same report.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// What the file is.
    pub verdict: Verdict,
    /// What was found, gravest first, then by place.
    pub findings: Vec<FileFinding>,
    /// Why it is not clean though nothing was found.
    pub doubts: Vec<Doubt>,
    /// The file and what is in it, in the order in which they were opened.
    pub parts: Vec<Part>,
    /// Findings beyond those that are listed.
    pub findings_left_out: u64,
    /// Parts beyond those that are listed.
    pub parts_left_out: u64,
}

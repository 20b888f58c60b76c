//! What a tool server's offer leaves in the record.

use alcaide_finding::{RuleId, Severity};
use alcaide_inventory::id::{CallId, RouteId, ToolId};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A tool server offers a tool with a definition that it did not offer last.
///
/// The definition itself lies on the ledger's shelf under `pin`; here stands its digest alone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// The call whose answer offered it.
    pub call: CallId,
    /// What of its definition may be meant to steer whoever reads it, the gravest first; empty where nothing was found.
    /// Absent in entries from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<OfferFinding>>,
    /// `server/tool` as a keyed commitment.
    pub name: Digest,
    /// SHA-256 of its name, title, description, schemas and annotations in canonical form.
    pub pin: Digest,
    /// The server's route.
    pub route: RouteId,
    /// The tool, where it is declared.
    pub tool: Option<ToolId>,
}

/// What a rule found in one part of an offered definition: no text of the server's, and no name of an argument.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OfferFinding {
    /// How often in that part.
    pub count: u32,
    /// The part.
    pub part: OfferPart,
    /// The rule.
    pub rule: RuleId,
    /// How grave it is if it is meant so.
    pub severity: Severity,
}

impl OfferFinding {
    /// Whether no honest tool needs it.
    #[must_use]
    pub const fn is_grave(&self) -> bool {
        matches!(self.severity, Severity::Grave)
    }
}

/// A part of a tool's definition.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferPart {
    /// The server's hints about the tool.
    Annotations,
    /// The definition as a whole.
    Definition,
    /// What it says that it does.
    Description,
    /// The schema of its arguments.
    InputSchema,
    /// Its name.
    Name,
    /// The schema of its result.
    OutputSchema,
    /// Its name for people.
    Title,
}

impl OfferPart {
    /// The part that a JSON pointer into a definition leads to.
    #[must_use]
    pub fn of_pointer(pointer: &str) -> Self {
        match pointer.split('/').nth(1) {
            Some("annotations") => Self::Annotations,
            Some("description") => Self::Description,
            Some("inputSchema") => Self::InputSchema,
            Some("name") => Self::Name,
            Some("outputSchema") => Self::OutputSchema,
            Some("title") => Self::Title,
            _ => Self::Definition,
        }
    }

    /// The word for it, as in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Annotations => "annotations",
            Self::Definition => "definition",
            Self::Description => "description",
            Self::InputSchema => "input_schema",
            Self::Name => "name",
            Self::OutputSchema => "output_schema",
            Self::Title => "title",
        }
    }
}

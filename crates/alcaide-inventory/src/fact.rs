//! What an owner says a tool does. Facts are declared, never read from the tool itself: a tool's own
//! annotations are an untrusted hint.

use alcaide_label::{Confidentiality, Integrity};
use serde::{Deserialize, Serialize};

use crate::Name;

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

/// The most that a number among the arguments may be, unless the user named that very number.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Name of the argument.
    pub argument: String,
    /// The largest value that needs no word of the user.
    pub most: i64,
}

/// Whom the effect of a call reaches.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Members of the organisation alone.
    Internal,
    /// Anybody.
    #[default]
    External,
}

impl Audience {
    /// The word used in declarations, policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
}

/// All that an owner declared about one tool. The default is the strictest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
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
    /// Highest class of data that the tool may be given; what is internal, where nothing is said.
    #[serde(default = "internal")]
    pub clearance: Confidentiality,
    /// Names of arguments that make a call reach out of the organisation where they are given and not empty, whatever
    /// `effect` says: the guests of an event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbound_if: Vec<String>,
    /// Whom the call reaches.
    #[serde(default, skip_serializing_if = "is_external")]
    pub audience: Audience,
    /// Hosts at which those are whom it reaches, and hosts below them: links to them are named by the owner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Whether a call only fetches what its arguments name, so that nothing but these arguments leaves.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fetch: bool,
    /// Words at whose beginning in the user's own words this tool is asked for: `pay`, `transfer`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_words: Vec<String>,
    /// Fields of a result, as JSON pointers (RFC 6901) below one record of it, that the server made and that may later
    /// stand as arguments, where the look-up was bound itself and found exactly one record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolves: Vec<String>,
    /// JSON pointer of the record or the list of records within the result's structured content; where nothing is said,
    /// the content itself, or what its only member `result` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// The most that numbers may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
    /// Most calls of one task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_max: Option<u32>,
    /// Whether its answers carry a mark of the task, which is looked for in all that leaves.
    #[serde(default, skip_serializing_if = "is_false")]
    pub canary: bool,
    /// Name of the store that it writes to or reads from: what was written there from untrusted data is untrusted when it
    /// is read back, in any task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Name>,
    /// Places of a result, as JSON pointers (RFC 6901) into its structured content, `*` for every member or item, whose
    /// texts are given as handles: the agent can hand them on and not read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handle_output: Vec<String>,
    /// Names of free-text arguments in which a handle is put back into the text that it stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes_handles: Vec<String>,
}

const fn internal() -> Confidentiality {
    Confidentiality::Internal
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_external(audience: &Audience) -> bool {
    matches!(audience, Audience::External)
}

impl Facts {
    /// What holds for a tool of which nobody has said anything.
    #[must_use]
    pub fn strictest() -> Self {
        Self { clearance: Confidentiality::Public, ..Self::default() }
    }

    /// Whether all of the part that a pointer names lies within what is given as handles.
    #[must_use]
    pub fn is_handled(&self, pointer: &str) -> bool {
        let covers = |outer: &String| {
            let mut steps = pointer.split('/').skip(1);
            outer
                .split('/')
                .skip(1)
                .all(|wanted| steps.next().is_some_and(|step| wanted == "*" || wanted == step))
        };
        self.handle_output.iter().any(covers)
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            effect: Effect::default(),
            control: Vec::new(),
            free_text: Vec::new(),
            output: Vec::new(),
            idempotency_key: None,
            clearance: internal(),
            outbound_if: Vec::new(),
            audience: Audience::default(),
            hosts: Vec::new(),
            fetch: false,
            request_words: Vec::new(),
            resolves: Vec::new(),
            records: None,
            caps: Vec::new(),
            calls_max: None,
            canary: false,
            store: None,
            handle_output: Vec::new(),
            takes_handles: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_handled_where_it_lies_below_a_pointer() {
        let facts = Facts { handle_output: vec!["/mails/*/body".into(), "/note".into()], ..Facts::default() };
        for inside in ["/note", "/note/a", "/mails/*/body", "/mails/0/body", "/mails/0/body/1"] {
            assert!(facts.is_handled(inside), "{inside}");
        }
        for outside in ["", "/", "/mails", "/mails/*", "/mails/0/from", "/notes", "/x/note"] {
            assert!(!facts.is_handled(outside), "{outside}");
        }
        let all = Facts { handle_output: vec![String::new()], ..Facts::default() };
        assert!(all.is_handled("") && all.is_handled("/a") && !Facts::default().is_handled("/a"));
    }
}

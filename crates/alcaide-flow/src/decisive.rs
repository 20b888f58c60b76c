//! The values that decide what a call does, as people are shown them, and which of them a person may endorse.

use alcaide_inspect::normal;
use alcaide_inventory::fact::Facts;
use serde::{Deserialize, Serialize};

/// Most values of one call that people are shown.
pub const DECISIVE_MAX: usize = 64;
/// Longest value that is shown whole, in bytes; a longer one is a text and no value, and cannot be endorsed.
pub const DECISIVE_BYTES_MAX: usize = 512;
/// Most values that are endorsed in one task.
pub const ENDORSED_MAX: usize = 1_024;

/// The values that decide what a call does. They lie sealed on the ledger's shelf; no entry holds one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decisive {
    /// So many more there are than are listed.
    pub more: u32,
    /// The first [`DECISIVE_MAX`], in the order in which they stand in the call.
    pub values: Vec<DecisiveValue>,
}

/// A value that decides what a call does.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DecisiveValue {
    /// Whether a person may say that it is right for the task: a whole text or number of a control argument that is no
    /// free text.
    pub endorsable: bool,
    /// Where it stands within the arguments, as a JSON pointer (RFC 6901); the name of a member is at its object.
    pub pointer: String,
    /// What it says, or the digits of a number; cut to [`DECISIVE_BYTES_MAX`].
    pub value: String,
}

impl Decisive {
    /// Adds a value of an argument. What says nothing is left out.
    pub fn push(&mut self, pointer: &str, text: &str, endorsable: bool) {
        if text.trim().is_empty() {
            return;
        }
        if self.values.len() >= DECISIVE_MAX {
            self.more = self.more.saturating_add(1);
            return;
        }
        let mut end = text.len().min(DECISIVE_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        self.values.push(DecisiveValue {
            endorsable: endorsable && end == text.len() && endorsed_form(text).is_some(),
            pointer: pointer.to_owned(),
            value: text.get(..end).unwrap_or_default().to_owned(),
        });
    }

    /// The texts at these places that may be endorsed.
    pub fn endorsed<'d>(&'d self, places: &'d [u16]) -> impl Iterator<Item = &'d str> {
        let at = |place: &u16| self.values.get(usize::from(*place));
        places.iter().filter_map(at).filter(|one| one.endorsable).map(|one| one.value.as_str())
    }
}

/// Whether an argument decides what a call does: its owner says so, or says nothing of any argument.
#[must_use]
pub fn decides(facts: &Facts, name: &str) -> bool {
    let all = facts.control.is_empty() && facts.free_text.is_empty();
    all || facts.control.iter().any(|known| known == name)
}

/// Whether values of an argument can be endorsed: its owner says that it decides, and not that it is a free text. Where an
/// owner says nothing of any argument, each may be a text.
#[must_use]
pub fn may_be_endorsed(facts: &Facts, name: &str) -> bool {
    let named = |names: &[String]| names.iter().any(|known| known == name);
    named(&facts.control) && !named(&facts.free_text)
}

/// What an endorsed value is compared by: its exact form. Nothing for what says nothing or is too long for a value.
pub(crate) fn endorsed_form(text: &str) -> Option<String> {
    if text.len() > DECISIVE_BYTES_MAX {
        return None;
    }
    Some(normal::exact(text)).filter(|form| !form.is_empty())
}

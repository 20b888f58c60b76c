//! How much a task has done and read: what bounds on loops, fan-out and bulk reads are laid on.
//!
//! Counts only ever grow. They are kept with the rest of a task's state and are lost with it: they begin anew then, and the
//! task is forgotten, which is stricter elsewhere.

use std::collections::{HashMap, HashSet};

use alcaide_inventory::fact::Facts;
use alcaide_inventory::id::ToolId;
use alcaide_label::{Confidentiality, Integrity, Label};

use crate::judge::{Argument, Judgement};
use crate::seen::Seed;

/// Most targets that a task keeps; past it every new one counts.
pub const TARGETS_MAX: usize = 4096;

/// How much a task has done and read before a call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SoFar {
    /// Calls of tools that have left.
    pub calls: u32,
    /// Those of them that have an effect.
    pub effects: u32,
    /// Bytes of text that tools have answered.
    pub read_bytes: u64,
    /// Records that they have answered.
    pub read_records: u64,
    /// As `read_bytes`, of what is internal or above and was asked for after the task had read text of strangers.
    pub tainted_bytes: u64,
    /// As `read_records`, likewise.
    pub tainted_records: u64,
}

/// How much an answer brings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Size {
    /// Bytes of its text.
    pub bytes: u64,
    /// Records in it: items of its list, or one.
    pub records: u32,
}

impl SoFar {
    pub(crate) fn called(&mut self, facts: &Facts) {
        self.calls = self.calls.saturating_add(1);
        self.effects = self.effects.saturating_add(u32::from(facts.effect.is_consequential()));
    }

    /// Takes in the answer to a call that was judged so.
    pub(crate) fn answered(&mut self, size: Size, label: Label, judged: Option<&Judgement>) {
        let Some(judged) = judged else { return };
        let records = u64::from(size.records);
        self.read_bytes = self.read_bytes.saturating_add(size.bytes);
        self.read_records = self.read_records.saturating_add(records);
        if judged.tainted && label.confidentiality >= Confidentiality::Internal {
            self.tainted_bytes = self.tainted_bytes.saturating_add(size.bytes);
            self.tainted_records = self.tainted_records.saturating_add(records);
        }
    }
}

/// Whom and what a task's calls with an effect went to: for each control argument of each tool the values that it was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    known: HashMap<u64, HashSet<u64>>,
    count: usize,
    /// Targets that found no room.
    more: u32,
}

impl Targets {
    /// Targets that are kept.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn called(
        &mut self,
        seed: Seed,
        tool: Option<ToolId>,
        facts: &Facts,
        arguments: &[Argument<'_>],
    ) {
        for (place, value) in targets(seed, tool, facts, arguments) {
            let known = self.known.get(&place).is_some_and(|known| known.contains(&value));
            if known {
                continue;
            }
            if self.count >= TARGETS_MAX {
                self.more = self.more.saturating_add(1);
                continue;
            }
            self.known.entry(place).or_default().insert(value);
            self.count = self.count.saturating_add(1);
        }
    }

    /// The most different values that one control argument of the tool will have been given, this call's counted.
    pub(crate) fn with(
        &self,
        seed: Seed,
        tool: Option<ToolId>,
        facts: &Facts,
        arguments: &[Argument<'_>],
    ) -> u32 {
        let mut new: HashMap<u64, HashSet<u64>> = HashMap::new();
        for (place, value) in targets(seed, tool, facts, arguments) {
            let values = new.entry(place).or_default();
            if !self.known.get(&place).is_some_and(|known| known.contains(&value)) {
                values.insert(value);
            }
        }
        let of = |(place, values): (&u64, &HashSet<u64>)| {
            self.known.get(place).map_or(0, HashSet::len).saturating_add(values.len())
        };
        let most = u32::try_from(new.iter().map(of).max().unwrap_or(0)).unwrap_or(u32::MAX);
        most.saturating_add(self.more)
    }
}

/// Each value of each control argument of a call with an effect, as digests of where it stands and what it says. An owner who
/// names neither control arguments nor free texts leaves every argument to decide.
fn targets(
    seed: Seed,
    tool: Option<ToolId>,
    facts: &Facts,
    arguments: &[Argument<'_>],
) -> impl Iterator<Item = (u64, u64)> {
    let all = facts.control.is_empty() && facts.free_text.is_empty();
    let decides = move |name: &str| all || facts.control.iter().any(|known| known == name);
    let consequential = facts.effect.is_consequential();
    arguments.iter().filter(move |argument| consequential && decides(argument.name)).flat_map(
        move |argument| {
            let place = seed.digest(&(tool, argument.name));
            let texts = argument.leaves.iter().filter_map(|leaf| leaf.text());
            texts.filter(|text| !text.trim().is_empty()).map(move |text| (place, seed.digest(&text)))
        },
    )
}

/// Bytes of what the arguments say.
pub(crate) fn bytes(arguments: &[Argument<'_>]) -> u64 {
    let texts = arguments.iter().flat_map(|argument| &argument.leaves).filter_map(|leaf| leaf.text());
    texts.fold(0, |sum, text| sum.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX)))
}

/// Whether a task with this label has read text of strangers, or nobody knows.
pub(crate) fn is_tainted(label: Label, forgotten: bool) -> bool {
    forgotten || label.integrity == Integrity::Untrusted
}

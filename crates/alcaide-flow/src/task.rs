//! What a task knows, and how it changes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use alcaide_inspect::normal::{self, Value};
use alcaide_inventory::fact::Facts;
use alcaide_inventory::id::{CallId, RouteId, ToolId};
use alcaide_label::{Integrity, Label, Provenance};

use crate::bounds::{Size, SoFar, Targets};
use crate::decisive::{ENDORSED_MAX, endorsed_form};
use crate::judge::{Argument, Judgement};
use crate::said::{Grade, Said};
use crate::seen::{Digests, RUN_WORDS, Seed, runs};

/// Most digests of runs and values that a task keeps; past it the task is forgotten.
pub const RUNS_MAX: usize = 1 << 20;
/// Most sources of a task; later ones count as the last.
pub const SOURCES_MAX: u16 = 4096;
/// How many of the newest sources are looked at for one that is the same.
const SOURCES_NEAR: usize = 64;
/// Most values that a task keeps as bound.
pub const BOUND_MAX: usize = 16 * 1024;
/// Most statements of the user of one grade in one task.
const SAID_MAX: usize = 64;
/// Most different calls that are counted.
const CALLS_MAX: usize = 16 * 1024;

/// Where something that a task has read came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Source {
    /// The call whose answer it was.
    pub call: CallId,
    /// The server.
    pub route: Option<RouteId>,
    /// The tool, where it is declared.
    pub tool: Option<ToolId>,
    /// Its label.
    pub label: Label,
}

/// The number of a source within its task: given by [`Task::step`] alone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SourceNumber(u16);

/// A text of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// What it says, escapes undone.
    pub text: &'a str,
    /// Its own label.
    pub label: Label,
}

/// A field of the one record that a look-up found.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// What it says, or the digits of a number.
    pub text: &'a str,
}

/// An answer, before it is released.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Where it comes from.
    pub source: Source,
    /// All of its texts, and what they hide by encoding.
    pub texts: &'a [Text<'a>],
    /// Fields by which it resolves later arguments: given only where exactly one record was found.
    pub resolves: &'a [Field<'a>],
    /// What is declared of the tool, where it is one.
    pub facts: Option<&'a Facts>,
    /// How the call was judged that it answers.
    pub judged: Option<&'a Judgement>,
    /// How much it brings.
    pub size: Size,
}

/// Something that happened to a task.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Words of the user came with a credential, or in a user turn.
    Said(Said),
    /// A call has left.
    Called {
        /// The tool, where it is declared.
        tool: Option<ToolId>,
        /// What is declared of it, or the strictest.
        facts: &'a Facts,
        /// Its arguments.
        arguments: &'a [Argument<'a>],
        /// The task's label when it was decided on.
        label: Label,
    },
    /// An answer came.
    Answered(Answer<'a>),
    /// People whose yes passed have said that this value is right for the task.
    Endorsed(&'a str),
    /// Something that the task has read is not known here.
    Forgot,
}

/// How a value came to be bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) from: Provenance,
    pub(crate) source: Option<SourceNumber>,
}

/// The state of one task.
#[derive(Clone, Debug)]
pub struct Task {
    pub(crate) seed: Seed,
    pub(crate) said: Vec<Arc<Said>>,
    sources: Vec<Source>,
    seen: Digests<SourceNumber>,
    pub(crate) bound: HashMap<String, Bound>,
    /// Values that people endorsed, in exact form.
    pub(crate) endorsed: HashSet<String>,
    pub(crate) calls: HashMap<Option<ToolId>, u32>,
    pub(crate) alike: Digests<u32>,
    pub(crate) so_far: SoFar,
    pub(crate) targets: Targets,
    pub(crate) forgotten: bool,
}

impl Task {
    /// A task that has heard and read nothing.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            said: Vec::new(),
            sources: Vec::new(),
            seen: Digests::default(),
            bound: HashMap::new(),
            endorsed: HashSet::new(),
            calls: HashMap::new(),
            alike: Digests::default(),
            so_far: SoFar::default(),
            targets: Targets::default(),
            forgotten: false,
        }
    }

    /// The state after an event.
    #[must_use]
    pub fn step(mut self, event: Event<'_>) -> Self {
        match event {
            Event::Said(said) => {
                // Those of one grade leave the other its room.
                let alike = self.said.iter().filter(|known| known.grade() == said.grade()).count();
                if alike < SAID_MAX {
                    self.said.push(Arc::new(said));
                }
            }
            Event::Called { tool, facts, arguments, label } => self.called(tool, facts, arguments, label),
            Event::Answered(answer) => self.answered(&answer),
            Event::Endorsed(value) => {
                if self.endorsed.len() < ENDORSED_MAX {
                    self.endorsed.extend(endorsed_form(value));
                }
            }
            Event::Forgot => self.forget(),
        }
        self
    }

    /// What the source with this number is.
    #[must_use]
    pub fn source(&self, number: SourceNumber) -> Option<&Source> {
        self.sources.get(usize::from(number.0))
    }

    /// All that the task has read from, in order.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Whether something that the task has read is not known.
    #[must_use]
    pub const fn is_forgotten(&self) -> bool {
        self.forgotten
    }

    /// Whether words of the user's are known.
    #[must_use]
    pub fn grade(&self) -> Option<Grade> {
        self.said.iter().map(|said| said.grade()).max()
    }

    /// Digests and values that are kept, for those who bound all tasks together.
    #[must_use]
    pub fn weight(&self) -> usize {
        let values = self.bound.len().saturating_add(self.endorsed.len());
        self.seen
            .len()
            .saturating_add(values.saturating_mul(4))
            .saturating_add(self.targets.len())
            .saturating_add(64)
    }

    fn called(&mut self, tool: Option<ToolId>, facts: &Facts, arguments: &[Argument<'_>], label: Label) {
        self.so_far.called(facts);
        self.targets.called(self.seed, tool, facts, arguments);
        if self.calls.len() < CALLS_MAX || self.calls.contains_key(&tool) {
            let count = self.calls.entry(tool).or_default();
            *count = count.saturating_add(1);
        }
        let key = alike(self.seed, tool, arguments);
        if self.alike.len() < CALLS_MAX || self.alike.contains_key(&key) {
            let count = self.alike.entry(key).or_default();
            *count = count.saturating_add(1);
        }
        if label.integrity == Integrity::Untrusted || self.forgotten {
            return;
        }
        // Nobody but the organisation and its agent can have chosen these; what a handle stood for, strangers wrote.
        let own = arguments.iter().filter(|argument| !argument.handle);
        for leaf in own.flat_map(|argument| &argument.leaves) {
            if let Some(text) = leaf.text() {
                self.bind(text, Bound { from: Provenance::Constant, source: None });
            }
        }
    }

    fn answered(&mut self, answer: &Answer<'_>) {
        self.so_far.answered(answer.size, answer.source.label, answer.judged);
        let number = self.number(answer.source);
        for part in answer.texts {
            let number = if part.label == answer.source.label {
                number
            } else {
                self.number(Source { label: part.label, ..answer.source })
            };
            self.read(part.text, number);
        }
        let own = answer.facts.is_some_and(|facts| facts.effect.is_consequential());
        let sure = answer.judged.is_some_and(|judged| judged.look_up_bound);
        let from = match (own, sure) {
            (true, _) => Provenance::Made,
            (false, true) => Provenance::Resolved,
            (false, false) => return,
        };
        for field in answer.resolves {
            self.bind(field.text, Bound { from, source: Some(number) });
        }
    }

    fn number(&mut self, source: Source) -> SourceNumber {
        // The parts of an answer come together: what is the same stands near the end.
        let near = self.sources.len().saturating_sub(SOURCES_NEAR);
        let known = self.sources.iter().skip(near).rposition(|known| *known == source);
        if let Some(at) = known {
            return SourceNumber(u16::try_from(near.saturating_add(at)).unwrap_or(SOURCES_MAX));
        }
        if self.sources.len() >= usize::from(SOURCES_MAX) {
            // The last place is for all that found none of its own: it is as bad as any of them.
            if let Some(last) = self.sources.last_mut() {
                last.label = last.label.join(source.label);
            }
            return SourceNumber(SOURCES_MAX.saturating_sub(1));
        }
        self.sources.push(source);
        SourceNumber(u16::try_from(self.sources.len().saturating_sub(1)).unwrap_or(SOURCES_MAX))
    }

    fn read(&mut self, text: &str, number: SourceNumber) {
        let seed = self.seed;
        let loose = normal::loose(text).text;
        let words: Vec<&str> = normal::words(&loose).collect();
        // Half of them are new in most texts.
        let more = words.len().saturating_mul(RUN_WORDS / 2);
        self.seen.reserve(more.min(RUNS_MAX.saturating_sub(self.seen.len())));
        runs(seed, &words, |_, run| self.see(run, number));
        for found in normal::values(&loose) {
            self.see(seed.value(&found.value), number);
        }
    }

    fn see(&mut self, digest: u64, number: SourceNumber) {
        if self.seen.len() >= RUNS_MAX && !self.seen.contains_key(&digest) {
            self.forgotten = true;
            return;
        }
        let worse = self.is_untrusted(number);
        match self.seen.entry(digest) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(number);
            }
            // What a stranger has said too is a stranger's, whoever else said it.
            std::collections::hash_map::Entry::Occupied(mut place) => {
                let known = *place.get();
                let untrusted = self
                    .sources
                    .get(usize::from(known.0))
                    .is_none_or(|source| source.label.integrity == Integrity::Untrusted);
                if worse && !untrusted {
                    place.insert(number);
                }
            }
        }
    }

    fn is_untrusted(&self, number: SourceNumber) -> bool {
        self.source(number).is_none_or(|source| source.label.integrity == Integrity::Untrusted)
    }

    fn bind(&mut self, text: &str, bound: Bound) {
        let key = normal::exact(text);
        if key.is_empty() || self.bound.len() >= BOUND_MAX {
            return;
        }
        self.bound.entry(key).or_insert(bound);
    }

    fn forget(&mut self) {
        self.forgotten = true;
        self.bound.clear();
    }

    /// Where a digest was read, if it was: `true` where a stranger can have written it.
    pub(crate) fn seen(&self, digest: u64) -> Option<(SourceNumber, bool)> {
        self.seen.get(&digest).map(|number| (*number, self.is_untrusted(*number)))
    }

    /// Where a value was read.
    pub(crate) fn seen_value(&self, value: &Value) -> Option<(SourceNumber, bool)> {
        self.seen(self.seed.value(value))
    }
}

/// The digest of a call with its arguments.
pub(crate) fn alike(seed: Seed, tool: Option<ToolId>, arguments: &[Argument<'_>]) -> u64 {
    let leaves: Vec<(&str, Vec<Option<&str>>)> = arguments
        .iter()
        .map(|argument| (argument.name, argument.leaves.iter().map(|leaf| leaf.text()).collect()))
        .collect();
    seed.digest(&(tool, leaves))
}

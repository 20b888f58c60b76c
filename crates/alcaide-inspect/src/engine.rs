//! The engine: rules and trigger tables, made once and shared by every stream.

use std::sync::{Arc, LazyLock};

use alcaide_finding::Finding;

use crate::rules::{self, Rule};
use crate::stream::{self, Stream};
use crate::trigger::Triggers;

static BUILTIN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    Arc::new(Plan { triggers: Triggers::of(crate::token::PREFIXES, [].into()), rules: rules::ALL })
});

/// What an engine shares with its streams.
pub(crate) struct Plan {
    pub(crate) triggers: Triggers,
    rules: &'static [&'static Rule],
}

/// A compiled set of rules; cloning shares it.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Plan>);

impl Engine {
    /// The rules that come with the product. They are compiled once in a process.
    #[must_use]
    pub fn builtin() -> Self {
        Self(Arc::clone(&BUILTIN))
    }

    /// The same rules, for an owner who named hosts: links to them, and to hosts below them, are no findings. Names are in
    /// exact form ([`crate::normal::exact`]).
    #[must_use]
    pub fn with_hosts(hosts: Vec<Box<str>>) -> Self {
        let triggers = Triggers::of(crate::token::PREFIXES, hosts.into());
        Self(Arc::new(Plan { triggers, rules: rules::ALL }))
    }

    /// The rules, in a fixed order.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &'static Rule> + use<> {
        self.0.rules.iter().copied()
    }

    /// All findings of a whole text, in the order of their spans, which do not overlap, but for those of links: what stands
    /// in a link is found by its own rule as well.
    ///
    /// The same as one [`Stream::push`] and a [`Stream::finish`], without the copy.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        stream::scan(&self.0, text)
    }

    /// Begins a text that comes in chunks.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream::new(Arc::clone(&self.0))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Engine").field("rules", &self.0.rules.len()).finish_non_exhaustive()
    }
}

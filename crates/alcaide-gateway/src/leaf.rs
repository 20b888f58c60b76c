//! Entries of the record on their way into the ledger. A type each, so that a receipt says what it is a receipt of.

use alcaide_inventory::Moment;
use alcaide_ledger::Leaf;
use alcaide_record::{Entry, EntryError, Event, Intent, Outcome, Refused};

macro_rules! leaf_of {
    ($(#[$doc:meta])* $name:ident, $kind:ty, $variant:path, may wait: $may_wait:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Vec<u8>);

        impl $name {
            /// The canonical bytes of `event` at `at`.
            ///
            /// # Errors
            /// [`EntryError::TooLong`] past the length of a leaf.
            pub fn new(at: Moment, event: $kind) -> Result<Self, EntryError> {
                Entry::new(at, $variant(Box::new(event))).to_leaf().map(Self)
            }
        }

        impl Leaf for $name {
            fn bytes(&self) -> &[u8] {
                &self.0
            }

            fn may_wait(&self) -> bool {
                $may_wait
            }

            // The gate has noted its own entries when it wrote them.
            fn is_news(&self) -> bool {
                false
            }
        }
    };
}

leaf_of! {
    /// An intent: durable before its effect.
    IntentLeaf, Intent, Event::Intent, may wait: false
}
leaf_of! {
    /// An outcome. No caller waits for it: budgets are settled with its receipt, and late is safe.
    OutcomeLeaf, Outcome, Event::Outcome, may wait: true
}
leaf_of! {
    /// A refusal. No caller waits for it: it stays one, recorded or not.
    RefusedLeaf, Refused, Event::Refused, may wait: true
}

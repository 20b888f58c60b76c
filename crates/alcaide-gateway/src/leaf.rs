//! Entries of the record on their way into the ledger. A type each, so that a receipt says what it is a receipt of.

use alcaide_inventory::Moment;
use alcaide_ledger::Leaf;
use alcaide_record::{Entry, EntryError, Event, Intent, Offered, Outcome, Refused};

macro_rules! leaf_of {
    ($(#[$doc:meta])* $name:ident, $kind:ty, $variant:path) => {
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
        }
    };
}

/// What a tool server offers. Kept with its entry, which memory takes in once it is on disk.
#[derive(Debug)]
pub struct OfferedLeaf {
    bytes: Vec<u8>,
    entry: Entry,
}

impl OfferedLeaf {
    /// The canonical bytes of `offered` at `at`.
    ///
    /// # Errors
    /// [`EntryError`], which cannot happen: nothing of it grows.
    pub fn new(at: Moment, offered: Offered) -> Result<Self, EntryError> {
        let entry = Entry::new(at, Event::Offered(offered));
        Ok(Self { bytes: entry.to_leaf()?, entry })
    }

    /// The entry.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl Leaf for OfferedLeaf {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

leaf_of! {
    /// An intent: durable before its effect.
    IntentLeaf, Intent, Event::Intent
}
leaf_of! {
    /// An outcome.
    OutcomeLeaf, Outcome, Event::Outcome
}
leaf_of! {
    /// A refusal.
    RefusedLeaf, Refused, Event::Refused
}

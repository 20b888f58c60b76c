//! Entries of the record on their way into the ledger. A type each, so that a receipt says what it is a receipt of.

use alcaide_inventory::Moment;
use alcaide_inventory::id::ApprovalId;
use alcaide_ledger::{Leaf, SpendKey};
use alcaide_record::{Effect, Entry, EntryError, Event, Intent, Offered, Outcome, Refused};

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

/// An intent: durable before its effect. The ledger takes no second one that uses the same answer.
#[derive(Debug)]
pub struct IntentLeaf {
    bytes: Vec<u8>,
    spends: Option<SpendKey>,
}

impl IntentLeaf {
    /// The canonical bytes of `intent` at `at`.
    ///
    /// # Errors
    /// [`EntryError::TooLong`] past the length of a leaf.
    pub fn new(at: Moment, intent: Intent) -> Result<Self, EntryError> {
        let spends = intent.effects.iter().find_map(|effect| match effect {
            Effect::Spend { approval } => Some(spend_key(*approval)),
            _ => None,
        });
        Ok(Self { bytes: Entry::new(at, Event::Intent(Box::new(intent))).to_leaf()?, spends })
    }
}

impl Leaf for IntentLeaf {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn spends(&self) -> Option<SpendKey> {
        self.spends
    }
}

/// The key that is spent with an approval: what it is, and its id.
fn spend_key(approval: ApprovalId) -> SpendKey {
    const KIND: [u8; 16] = *b"alcaide approval";
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().zip(KIND.into_iter().chain(approval.bits().to_be_bytes())) {
        *place = byte;
    }
    SpendKey::from_bytes(bytes)
}

leaf_of! {
    /// An outcome.
    OutcomeLeaf, Outcome, Event::Outcome
}
leaf_of! {
    /// A refusal.
    RefusedLeaf, Refused, Event::Refused
}

//! Entries of the record on their way into the ledger. A type each, so that a receipt says what it is a receipt of.

use alcaide_inventory::Moment;
use alcaide_inventory::id::ApprovalId;
use alcaide_ledger::{Leaf, SpendKey};
use alcaide_record::{Effect, Entry, EntryError, Event, Intent, Offered, Outcome, Refused};

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
    /// [`EntryError`], which cannot happen: what was found is bounded, nothing else of it grows.
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

    fn is_news(&self) -> bool {
        false
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

    // The gate has noted its own entries when it wrote them.
    fn is_news(&self) -> bool {
        false
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
    /// An outcome. No caller waits for it: budgets are settled with its receipt, and late is safe.
    OutcomeLeaf, Outcome, Event::Outcome, may wait: true
}

/// A refusal. One that asks people something is waited for, and is news: in the ledger's order, none is missed.
#[derive(Debug)]
pub struct RefusedLeaf {
    bytes: Vec<u8>,
    asks: bool,
}

impl RefusedLeaf {
    /// The canonical bytes of `refused` at `at`.
    ///
    /// # Errors
    /// [`EntryError::TooLong`] past the length of a leaf.
    pub fn new(at: Moment, refused: Refused) -> Result<Self, EntryError> {
        let asks = refused.question.is_some();
        Ok(Self { bytes: Entry::new(at, Event::Refused(Box::new(refused))).to_leaf()?, asks })
    }
}

impl Leaf for RefusedLeaf {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn may_wait(&self) -> bool {
        !self.asks
    }

    fn is_news(&self) -> bool {
        self.asks
    }
}

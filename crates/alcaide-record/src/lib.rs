//! What happened? One versioned, canonical event per ledger entry, made only of leaf-safe fields.
//!
//! A leaf is canonical JSON: members in the order of their names, no spaces, numbers are integers, at most
//! 65,535 bytes. The members of each struct here stand in alphabetical order for that reason, and a test
//! compares every kind of event with an independent sorter.
//!
//! **Leaf-safe by type**: opaque ids, enums, digests, sizes, times. No names, paths, addresses or values: whoever
//! holds the tiles learns that something happened, never what it said.
//!
//! A call writes an [`Intent`] before its effect and an [`Outcome`] after it. An intent without an outcome means
//! *unknown*, never success. Whatever a later decision depends on (reservations, spent approvals, labels) is in the
//! same entry as [`Effect`], so that memory can be rebuilt from the ledger alone.

mod call;
mod claim;
mod digest;
mod model;
mod offer;
mod office;

use alcaide_inventory::Moment;
use serde::{Deserialize, Serialize};

pub use call::{
    ActionKind, Approver, Attempt, Chain, Content, Decided, DecisionKind, Decisive, Effect, End,
    FindingCount, FlowNote, Intent, ObligationKind, Outcome, Question, Refused, Settlement, SoFar, Stage,
    Target, Usage, WordsGrade,
};
pub use claim::{Claim, ClaimFate};
pub use digest::{Digest, DigestError};
pub use model::{
    FilesSeen, FilesState, Held, HeldScan, HeldSignature, Life, Misstep, ModelEvent, ModelNote, Proven,
    Release, SIGNATURES_MAX, ScanSeen, ScanVerdict, SignatureSeen, SignerStanding, VERSIONS_MAX, Version,
    VersionState, model_of,
};
pub use offer::{OfferFinding, OfferPart, Offered};
pub use office::{Enrolled, Issued, Made, OfficeAct, Order, OrderKind, Planned, TokenKind};

/// Version of the event format; written into every entry.
pub const VERSION: u32 = 1;

/// One entry of the ledger.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When it was written, by the writer's clock.
    pub at: Moment,
    /// What happened.
    pub event: Event,
    /// Version of the format, [`VERSION`].
    pub v: u32,
}

/// What happened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A client credential was bound to an actor.
    Enrolled(Enrolled),
    /// A call is about to have its effect.
    Intent(Box<Intent>),
    /// A token was issued.
    Issued(Issued),
    /// The ledger was begun.
    Made(Made),
    /// Something became known of a model.
    Model(ModelEvent),
    /// A tool server offers a tool in a form that it did not offer last.
    Offered(Offered),
    /// Something was done in the office.
    Office(OfficeAct),
    /// The office orders the gates.
    Order(Order),
    /// How a call ended.
    Outcome(Box<Outcome>),
    /// A plan came into force.
    Planned(Planned),
    /// A call was refused; nothing was sent.
    Refused(Box<Refused>),
}

/// An entry could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The bytes are not an entry of this version.
    #[error("the entry is not of format version {VERSION}: {why}")]
    Form {
        /// What is wrong.
        why: String,
    },
    /// The entry is longer than a leaf may be.
    #[error("the entry has {bytes} bytes, a leaf at most 65535")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl Entry {
    /// An entry of the current version.
    #[must_use]
    pub const fn new(at: Moment, event: Event) -> Self {
        Self { at, event, v: VERSION }
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`EntryError::TooLong`] past 65,535 bytes.
    pub fn to_leaf(&self) -> Result<Vec<u8>, EntryError> {
        let mut bytes = Vec::with_capacity(1_024);
        serde_json::to_writer(&mut bytes, self)
            .map_err(|error| EntryError::Form { why: error.to_string() })?;
        if bytes.len() > usize::from(u16::MAX) {
            return Err(EntryError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// [`EntryError::Form`] for anything but an entry of this version.
    pub fn from_leaf(leaf: &[u8]) -> Result<Self, EntryError> {
        let read: Self =
            serde_json::from_slice(leaf).map_err(|error| EntryError::Form { why: error.to_string() })?;
        if read.v == VERSION {
            Ok(read)
        } else {
            Err(EntryError::Form { why: format!("its version is {}", read.v) })
        }
    }
}

#[cfg(test)]
mod tests;

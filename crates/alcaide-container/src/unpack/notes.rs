//! What is odd about a compressed stream that unpacks all the same.

use std::cell::RefCell;
use std::rc::Rc;

/// An oddity of a compressed stream. Readers differ in which of them they refuse.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamFlaw {
    /// The checksum that is kept with the bytes is not theirs.
    Checksum {
        /// What the stream says.
        said: u64,
        /// What it is.
        found: u64,
    },
    /// There is a checksum of a kind that is not computed here.
    ChecksumUnread {
        /// Its kind.
        kind: &'static str,
    },
    /// The length that is kept with the bytes is not theirs.
    Length {
        /// What the stream says.
        said: u64,
        /// What it is.
        found: u64,
    },
    /// Bits that are reserved are set in the head.
    Reserved,
    /// The checksum of the head, the index or the foot is wrong, or they disagree.
    Frame {
        /// Which part.
        what: &'static str,
    },
    /// Another stream begins; some readers stop before it, others join the two.
    Another,
    /// Bytes lie behind the end that belong to nothing.
    Trailing {
        /// How many.
        bytes: u64,
        /// Whether all that were looked at are zero.
        zeros: bool,
    },
    /// The dictionary is said to be larger than what is kept; matches that reach further back end the reading.
    Dictionary {
        /// What the stream asks for.
        said: u64,
    },
}

/// A flaw and where it lies in the packed bytes.
pub type Noted = (u64, StreamFlaw);

/// What was noted on one way through a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Rc<RefCell<Vec<Noted>>>);

impl Notes {
    /// How many are kept; a stream of a million empty members says nothing new with the last ones.
    pub(crate) const MAX: usize = 64;

    pub(crate) fn add(&self, at: u64, flaw: StreamFlaw) {
        let mut notes = self.0.borrow_mut();
        if notes.len() < Self::MAX {
            notes.push((at, flaw));
        }
    }

    pub(crate) fn list(&self) -> Vec<Noted> {
        self.0.borrow().clone()
    }
}

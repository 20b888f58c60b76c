//! What is appended and what comes back: leaves, spend keys, receipts.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::hash::Hash;

/// Something that can become an entry of the ledger.
///
/// The ledger does not know what the bytes mean.
pub trait Leaf {
    /// The bytes of the entry, at most [`LEAF_BYTES_MAX`]; they are copied once.
    fn bytes(&self) -> &[u8];

    /// The key that this entry spends, if it is one that may be accepted only once.
    fn spends(&self) -> Option<SpendKey> {
        None
    }

    /// Whether nothing goes on only after this entry is on disk.
    ///
    /// Such an entry is written together with the next one that somebody waits for, and after
    /// [`PUT_OFF`](crate::PUT_OFF) at the latest. It keeps its place in the order, and its receipt means the same.
    fn may_wait(&self) -> bool {
        false
    }

    /// Whether [`Ledger::follow_news`](crate::Ledger::follow_news) yields it: no for what nobody but its writer
    /// acts upon, so that nobody is woken for it.
    fn is_news(&self) -> bool {
        true
    }
}

impl Leaf for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Leaf for &[u8] {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// A key that at most one entry of the ledger may ever carry, such as the id of a single-use approval.
///
/// It stands in clear in the frame of the entry, so it must be an opaque id or a digest.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SpendKey([u8; SPEND_KEY_BYTES]);

impl SpendKey {
    /// A key from its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SPEND_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SPEND_KEY_BYTES] {
        &self.0
    }
}

/// Proof that `T` is on disk: made only by the ledger, after the sync that covers the entry.
#[must_use = "what was recorded allows the effect: hand the receipt on"]
pub struct Durable<T> {
    leaf: T,
    index: u64,
    leaf_hash: Hash,
}

impl<T> Durable<T> {
    /// The place of the entry in the ledger, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The hash of the entry as a leaf of the tree.
    #[must_use]
    pub const fn leaf_hash(&self) -> &Hash {
        &self.leaf_hash
    }

    /// What is on disk.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.leaf
    }

    /// What is on disk, without the proof.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.leaf
    }
}

impl<T> fmt::Debug for Durable<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Durable").field("index", &self.index).finish_non_exhaustive()
    }
}

/// An entry on its way to the disk.
///
/// Awaiting it yields the receipt. Dropping it changes nothing: the entry is written all the same.
///
/// # Cancel safety
/// Cancel safe: nothing is lost but the answer.
pub struct Pending<T> {
    answer: oneshot::Receiver<Result<u64, AppendError>>,
    leaf: Option<T>,
    leaf_hash: Hash,
}

impl<T> Pending<T> {
    pub(crate) fn new(leaf: T, leaf_hash: Hash, answer: oneshot::Receiver<Answer>) -> Self {
        Self { answer, leaf: Some(leaf), leaf_hash }
    }

    /// The hash of the entry as a leaf of the tree; the entry need not be on disk yet.
    #[must_use]
    pub const fn leaf_hash(&self) -> &Hash {
        &self.leaf_hash
    }

    /// Waits as awaiting it does; an entry that is not on disk comes back, where it is still there.
    ///
    /// # Errors
    /// As awaiting it. After [`AppendError::Failed`] the entry may be on disk all the same.
    ///
    /// # Cancel safety
    /// As that of awaiting it.
    pub async fn or_back(mut self) -> Result<Durable<T>, (Option<T>, AppendError)> {
        match (&mut self).await {
            Ok(receipt) => Ok(receipt),
            Err(error) => Err((self.leaf.take(), error)),
        }
    }
}

// The leaf is only moved, never pinned.
impl<T> Unpin for Pending<T> {}

impl<T> Future for Pending<T> {
    type Output = Result<Durable<T>, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(answer) = Pin::new(&mut self.answer).poll(context) else {
            return Poll::Pending;
        };
        // A dropped sender means that the writing thread is gone.
        let index = answer.unwrap_or(Err(AppendError::Closed))?;
        let leaf_hash = self.leaf_hash;
        let leaf = self.leaf.take().ok_or(AppendError::Closed)?;
        Poll::Ready(Ok(Durable { leaf, index, leaf_hash }))
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pending").field("leaf_hash", &self.leaf_hash).finish_non_exhaustive()
    }
}

/// Why an entry was not accepted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The leaf is longer than [`LEAF_BYTES_MAX`]: the caller's fault.
    #[error("the entry has {bytes} bytes, more than {LEAF_BYTES_MAX}")]
    TooLong {
        /// Bytes of the leaf.
        bytes: usize,
    },
    /// Another entry carries the same spend key.
    #[error("entry {index} has already spent this key")]
    AlreadySpent {
        /// The entry that spent it.
        index: u64,
    },
    /// The queue is full: the disk is slower than the callers. A retry may help.
    #[error("the ledger is busy: its queue is full")]
    Busy,
    /// No room for a new segment; nothing of this entry was written. A retry helps once there is room.
    #[error("the disk of the ledger is full: {cause}")]
    DiskFull {
        /// What the system said.
        cause: Arc<str>,
    },
    /// A write or sync failed, so what is on disk is not known; refuses everything until the ledger is
    /// opened again. An entry refused so may still be found after that.
    #[error("the ledger has failed and must be opened again: {cause}")]
    Failed {
        /// What the system said first.
        cause: Arc<str>,
    },
    /// The ledger is closed or closing.
    #[error("the ledger is closed")]
    Closed,
}

pub(crate) type Answer = Result<u64, AppendError>;

/// Longest leaf, bytes: what the 16-bit length of an entry bundle can say.
///
/// Source: C2SP tlog-tiles, log entries.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// Bytes of a spend key.
pub const SPEND_KEY_BYTES: usize = 32;

//! Can it be proved? Durable append, Merkle tree, tiles, checkpoints, proofs, verification.
//!
//! An entry is opaque bytes, at most 65,535. [`Ledger::append`] returns a [`Durable`] once the entry is on
//! the medium: the receipt that an effect may now happen. Beside the entries grows the Merkle tree of RFC
//! 6962 as C2SP tlog-tiles, with signed checkpoints, so that anybody with the public key can check what was
//! recorded, without this program.
//!
//! # How data moves
//!
//! ```text
//! append / enqueue ─► queue ─► writing thread ─► segment: one write, one fdatasync for all that waited
//!   (hash and frame on          │                    │
//!    the caller's thread)       │                    └─► receipts
//!                               └─► tail (memory) ─► integrating thread ─► tiles, bundles ─► checkpoint
//! read, follow ◄── tail, bundles        prove ◄── edge (memory), tiles        replay ◄── segments
//! ```
//!
//! An entry passes four states: queued, *durable* ([`Ledger::size`]), *integrated* ([`Ledger::integrated`]),
//! *published* ([`Ledger::checkpoint`]). Callers wait for the second only.
//!
//! # On disk, format 1
//!
//! | path | what | truth or derived |
//! |---|---|---|
//! | `format` | `alcaide-ledger 1` and a line feed; written last at creation | truth |
//! | `lock` | held by `flock` while the ledger is open; empty | – |
//! | `segments/<first>.seg` | entries in frames, preallocated, `first` in 20 digits: see the modules `segment` and `frame` | truth |
//! | `segments/<first>.keys` | spend keys of a full segment | derived |
//! | `checkpoint` | the signed state of the tree, C2SP tlog-checkpoint and signed-note | truth (signature) |
//! | `tile/<level>/<index>[.p/<width>]` | hash tiles, C2SP tlog-tiles | derived |
//! | `tile/entries/<index>[.p/<width>]` | entry bundles, C2SP tlog-tiles | derived |
//! | `shelf/<2 digits>/<digest>` | texts that entries name by their SHA-256: see the module `shelf` | by content |
//! | `integrated` | size and root below which tiles need not be made again after a crash | derived |
//!
//! `checkpoint` and `tile/` may be copied or served as they are. Files that end in `.new` are unfinished.
//!
//! # What a crash can do
//!
//! Entries that were acknowledged are kept. A write that was torn off is cut at the next opening; entries in
//! it that are whole up to the tear stay, although nobody was told. Where a broken frame has a whole frame of
//! a later write behind it, or lies below the signed size, it was acknowledged: then opening fails and
//! changes nothing.
//!
//! # Left out
//!
//! Meaning of entries, encryption, deletion, replication, witness cosignatures.

pub mod checkpoint;
pub mod error;
pub mod fault;
pub mod follow;
pub mod hash;
pub mod layer;
pub mod leaf;
pub mod ledger;
pub mod note;
pub mod offline;
pub mod proof;
pub mod shelf;
pub mod verify;

mod edge;
mod frame;
mod grow;
mod integrate;
mod news;
mod queue;
mod recover;
mod segment;
mod shared;
mod tail;
mod tile;
mod writer;

pub use checkpoint::Checkpoint;
pub use error::{CheckpointError, LedgerError, ReadError};
pub use follow::{Follower, NewsFollower};
pub use hash::{Hash, leaf_hash};
pub use leaf::{AppendError, Durable, LEAF_BYTES_MAX, Leaf, Pending, SpendKey};
pub use ledger::{Ledger, Options};
pub use note::{NoteError, OpenNote, SignNote};
pub use offline::read_from;
pub use proof::{ProofError, verify_consistency, verify_inclusion};
pub use queue::PUT_OFF;
pub use shelf::{SHELF_TEXT_BYTES_MAX, Shelf, ShelfError};
pub use verify::{VerifyError, VerifyReport, verify};

/// What the `format` file says.
pub const FORMAT: &str = "alcaide-ledger 1";

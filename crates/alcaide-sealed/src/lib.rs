//! Who may read this file? Files of any format sealed for named readers, read in any place without a look at the rest.
//!
//! An engine: bytes come in as an [`Input`](alcaide_container::Input) or in pieces, keys and randomness as values;
//! all cryptography is `alcaide-seal`'s. The format and why it is so: `docs/decisions/0010-sealed-files.md`.
//!
//! ```text
//! seal     pieces ─▶ Writer ─▶ header ‖ segments
//! read     Input ─▶ Header ─(Identity)▶ Unlocked ─(Input)▶ Plain: Input
//! re-wrap  Input ─▶ Header ─(Identity)▶ Unlocked ─(keep, add)▶ header bytes, no segment is read
//! ```
//! Each arrow is the only way to its right side: nobody lists segments, makes a [`Plain`] or writes a header anew without
//! having shown a key that the header was made for, and a [`Plain`] gives out no byte of a segment whose tag it did not
//! check.
//!
//! ```compile_fail,E0451
//! # use alcaide_sealed::*;
//! fn skip(header: Header) -> Unlocked {
//!     Unlocked { header } // private: only `Header::unlock` makes one
//! }
//! ```
//! ```compile_fail,E0599
//! # use alcaide_sealed::*;
//! fn skip(header: Header, file: Vec<u8>) {
//!     header.open(file); // a header that nobody unlocked opens nothing
//! }
//! ```
//! ```compile_fail,E0382
//! # use alcaide_sealed::*;
//! fn twice(writer: Writer<Vec<u8>>) {
//!     let _ = writer.finish();
//!     let _ = writer.finish(); // no nonce is used twice
//! }
//! ```
//!
//! Left out on purpose: compression, hiding of lengths, signatures of whoever sealed (a model's signature says who made
//! it, over the plaintext), files and their replacement (the caller's).

pub mod cryptotensors;

mod error;
mod header;
mod kept;
mod key;
mod layout;
mod read;
mod reader;
mod write;

pub use error::{HeaderError, OpenError, RewrapError, UnlockError, WriteError};
pub use header::{Header, Unlocked, is_sealed};
pub use key::FileId;
pub use layout::{HeaderBytes, MAX_PLAINTEXT_BYTES, MAX_SEGMENTS, SegmentBytes};
pub use read::Plain;
pub use reader::{Identity, Kind, Reader, ReaderId, Recipient};
pub use write::{Options, Sealing, Writer};

//! A strict JSON reader (RFC 8259) over borrowed bytes, onto a flat tape.
//!
//! One pass over the text makes a tape of 16-byte nodes, the only allocation; strings and numbers stay spans
//! of the input and are decoded when asked for. Beyond RFC 8259, everything is refused that two readers could
//! understand differently: duplicate keys (after unescaping), keys equal but for case, lone surrogates,
//! numbers that are not exact in `i64`, `u64` or `f64`, a byte order mark, trailing bytes (compare RFC 7493,
//! I-JSON).
//!
//! A [`Document`] owns the tape; a [`Value`] is a cursor. Text taken from a value borrows the input, not the
//! tape, so views outlive the document. Left out on purpose: writing of trees. Bytes are changed by [`edit`]
//! alone.

pub mod edit;
mod error;
mod fold;
mod number;
mod parse;
mod string;
mod value;

pub use error::{JsonError, Place};
pub use parse::{Document, Limits, NumberRule, Tape};
pub use value::{Entries, Entry, Items, Kind, Value};

/// Most bytes of one document, unless a caller sets another: providers take bodies of about 32 MB.
pub const BYTES_MAX: usize = 32 << 20;
/// Deepest nesting of arrays and objects, unless a caller sets another.
pub const DEPTH_MAX: usize = 64;
/// Deepest nesting that any caller can ask for: readers of views walk the tape by recursion.
pub const DEPTH_CEILING: usize = 512;
/// Most values and keys of one document, unless a caller sets another: a tape of 16 MiB.
pub const NODES_MAX: usize = 1 << 20;
/// Most bytes of one string as written, without its quotes, unless a caller sets another: a picture of 20
/// MiB.
pub const STRING_BYTES_MAX: usize = 28 << 20;

#[cfg(test)]
mod tests;

//! What is inside this file? Bounded reading of archives and compressed streams, under one budget.
//!
//! Bytes come in as an [`Input`]: a length and reads at any place. What is inside comes out as inputs again, so that a
//! file in a file in a file is read by the same code as a file. Everything that is unpacked, walked or opened is paid
//! for out of one [`Fuel`], which is lent and never renewed: bytes in, not time, decide how far a reader gets.

mod bytes;
mod fuel;
mod input;
mod name;
mod pages;
#[doc(hidden)]
pub mod probe;
pub mod sevenz;
mod sniff;
pub mod tar;
mod unpack;
pub mod zip;

pub use fuel::{Exhausted, Fuel, Held, Level, Limits, Resource};
pub use input::{Input, ReadError, Sequential, Window};
pub use name::{Name, NameFlaw};
pub use sniff::Kind;
pub use unpack::{Ending, GzipHead, Noted, Packed, Packing, StreamFlaw, gzip_head};

//! Is the model file safe? Readers of model formats that judge what a file would do, and never do it.
//!
//! [`scan`] takes an [`Input`](alcaide_container::Input) and a name, finds out what it is by its bytes (the name is a claim that is
//! checked), and gives it to a reader. Readers talk to the [`Scanner`] alone: [`find`](Scanner::find) what is wrong,
//! [`doubt`](Scanner::doubt) what nobody can tell, [`cover`](Scanner::cover) what was read, [`look`](Scanner::look) into what is
//! inside. The [`Report`] and its verdict are computed from that by [`Scanner::finish`]; no reader names a verdict.
//!
//! [`signing`] says whether the files of a model are those that somebody signed, by OpenSSF Model Signing.
//!
//! The same bytes with the same rules give the same report, byte for byte, on any machine (decision 6).

pub mod signing;

mod coverage;
mod report;
mod rules;
mod scanner;
mod sniff;

pub use coverage::{Coverage, Kind};
pub use report::{Doubt, Part, Report, Verdict};
pub use rules::Rule;
pub use scanner::{Scanner, scan};

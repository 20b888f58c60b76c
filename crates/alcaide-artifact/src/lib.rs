//! Is the model file safe? Readers of model formats that judge what a file would do, and never do it.
//!
//! [`scan`] takes an [`Input`](alcaide_container::Input) and a name, finds out what it is by its bytes (the name is a claim that is
//! checked), and gives it to a reader. Readers talk to the [`Scanner`] alone: [`find`](Scanner::find) what is wrong,
//! [`doubt`](Scanner::doubt) what nobody can tell, [`cover`](Scanner::cover) what was read, [`look`](Scanner::look) into what is
//! inside. The [`Report`] and its verdict are computed from that by [`Scanner::finish`]; no reader names a verdict.
//!
//! A pickle is followed by an abstract machine over symbolic values; names are judged by effects that are known and packs that
//! vouch for exact names, and everything else is a finding or a doubt. [`decompile`] writes down what a pickle does.
//!
//! [`signing`] says whether the files of a model are those that somebody signed, by OpenSSF Model Signing. [`evidence`] makes a
//! signed statement of what a scan or a signature says, about exactly the files that were read.
//!
//! The same bytes with the same rules give the same report, byte for byte, on any machine (decision 6).

pub mod evidence;
pub mod signing;

mod archive;
mod coverage;
mod cursor;
mod embedded;
mod json;
mod literal;
mod model;
mod numpy;
mod packs;
mod pickle;
mod python;
mod report;
mod repository;
mod rules;
mod scanner;
mod sniff;
mod template;
mod tensors;
mod text;
mod torch;

pub use coverage::{Coverage, Kind};
pub use packs::{PACK_VERSION, pack_digest};
pub use pickle::{Arg, Encoding, Line, Op, OpError, decompile, ops};
pub use report::{Doubt, Part, Report, Verdict};
pub use rules::Rule;
pub use scanner::{Scanner, scan};
pub use template::{Change as TemplateChange, diff as template_diff};

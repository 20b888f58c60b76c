//! What does this network compute? Readers of computation graphs, over bytes that may lie.
//!
//! [`Cursor`] reads an [`Input`](alcaide_container::Input) in pieces. [`wire`] walks protobuf by a [`Schema`](wire::Schema) with a
//! stack of its own, never by recursion, and never copies what it can step over: a file of many gigabytes costs what its
//! structure costs. [`onnx`] makes typed items of that walk, one at a time, so that whoever judges a graph and whoever
//! loads its weights read it by the same code. Every field is paid for out of the scan's fuel.

mod cursor;
pub mod onnx;
pub mod wire;

pub use cursor::{Cursor, Fault};

//! Model files: a room for hostile bytes. What opens them, hands them to a [`reader`] process, and reads its answers.
//!
//! ```text
//! tree ─ paths in order ─▶ crew ─ order, open file ─▶ reader (sandboxed, one thread) ─▶ artifact::scan, SHA-256
//!                          crew ◀─ report, digest ──┘
//! ```
//! A reader that ends, or takes longer than its file may, costs that file its verdict (*inconclusive*) and nobody else: the next
//! file gets a new reader. Answers are put in the order of the paths, so that a scan is the same however many readers there are.

pub(crate) mod crew;
pub(crate) mod file;
pub(crate) mod keeper;
pub(crate) mod measure;
pub(crate) mod reader;
pub(crate) mod tree;

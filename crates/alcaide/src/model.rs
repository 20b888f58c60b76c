//! Model files: a room for hostile bytes. What opens them, hands them to a [`reader`] process, and reads its answers.
//!
//! ```text
//! tree ─ paths in order ─▶ crew ─ order, open file ─▶ reader (sandboxed, one thread) ─▶ artifact::scan, SHA-256
//!                          crew ◀─ report, digest ──┘
//! ```
//! A reader that ends, or takes longer than its file may, costs that file its verdict (*inconclusive*) and nobody else: the next
//! file gets a new reader. Answers are put in the order of the paths, so that a scan is the same however many readers there are.
//!
//! Signatures need no reader: of a model's files nothing is parsed but the first bytes, and a bundle is bounded JSON with certificates,
//! which this process reads itself. The files are found and opened [`beneath`] their root, hashed on several threads by a [`survey`],
//! and their [`digests`] may be kept for the next time.

pub(crate) mod beneath;
pub(crate) mod crew;
pub(crate) mod digests;
pub(crate) mod file;
pub(crate) mod keeper;
pub(crate) mod measure;
pub(crate) mod progress;
pub(crate) mod reader;
pub(crate) mod refused;
pub(crate) mod survey;
pub(crate) mod tree;

//! Real children that try to get out, and what the report said about it.
//!
//! Every claim of a report is tried. Where this kernel cannot close a door the report must say so, and the test prints
//! `not judged`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod life;
mod place;
mod reader;
mod walls;

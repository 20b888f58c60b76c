//! Model files as a stranger would send them, judged through the public face of the crate; and models signed and verified.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test assumes and does not find is its failure"
)]

mod assemble;
mod cross;
mod evasions;
mod peer;
mod properties;
mod signing;
mod tricks;

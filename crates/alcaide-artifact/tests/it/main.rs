//! Model files as a stranger would send them, judged through the public face of the crate; and models signed and verified.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test assumes and does not find is its failure"
)]

mod assemble;
#[path = "../../../../fuzz/src/bodies.rs"]
#[allow(unreachable_pub, reason = "they are public where the fuzz targets take them")]
mod bodies;
mod bounds;
mod cross;
mod evasions;
mod fuzz;
mod mutate;
mod peer;
mod properties;
mod readers;
mod signing;
mod tricks;

//! Models signed and verified, over trees in memory and over bundles of other writers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect must fail"
)]

mod cache;
mod fixtures;
mod forge;
mod peer;
mod quorum;
mod rules;
mod tree;

//! The ledger as its users see it: on a real folder, with crashes, faults and forgers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect must fail"
)]

mod append;
mod crash;
mod faults;
mod forge;
mod house;
mod tree;

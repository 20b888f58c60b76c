//! Sealed files from outside: everything that can be done to one, and what its readers then say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect must fail"
)]

mod container;
mod header;
mod kit;
mod peer;
mod tamper;
mod tensors;

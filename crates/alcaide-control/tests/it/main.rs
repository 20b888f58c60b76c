//! The office with a real store, a real ledger and real keys.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod activity;
mod approvals;
mod backups;
mod batch;
mod flow;
mod guard;
mod house;
mod lag;
mod models;
mod plans;
mod proofs;
mod properties;
mod prune;
mod restart;
mod roles;
mod sessions;
mod tokens;
mod tools;

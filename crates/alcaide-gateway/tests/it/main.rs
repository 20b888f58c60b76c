//! The gate as a whole: a real house (ledger, memory, keys, plan) in a temporary folder, real sockets, real clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod asks;
mod authorities;
mod budgets;
mod crowds;
mod endings;
mod failover;
mod full_record;
mod house;
mod kills;
mod labels;
mod leases;
mod matter;
mod messages;
mod policy;
mod protocols;
mod rebuild;
mod servers;
mod strangers;
mod streams;
mod strict;
mod survival;
mod tool_servers;
mod tool_walls;
mod tools;

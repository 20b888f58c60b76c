//! The gate as a whole: a real house (ledger, memory, keys, plan) in a temporary folder, real sockets, real clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod apis;
mod asks;
mod authorities;
mod budgets;
mod crowds;
mod cuts;
mod endings;
mod failover;
mod flow;
mod full_record;
mod house;
mod instructions;
mod kills;
mod labels;
mod leases;
mod limits;
mod matter;
mod messages;
mod peers;
mod policy;
mod protocols;
mod rebuild;
mod servers;
mod sessions;
mod strangers;
mod streams;
mod strict;
mod survival;
mod tool_servers;
mod tool_walls;
mod tools;
mod union;

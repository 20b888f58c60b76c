//! The gate as a whole: a real house (ledger, memory, keys, plan) in a temporary folder, real sockets, real clients.

mod budgets;
mod endings;
mod failover;
mod house;
mod policy;
mod protocols;
mod rebuild;
mod strangers;
mod strict;

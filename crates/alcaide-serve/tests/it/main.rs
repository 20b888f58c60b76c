//! Raw bytes over real sockets: what a client, honest or not, sees of a listener.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod doors;
mod echo;
mod lasting;
mod second_reader;
mod sockets;

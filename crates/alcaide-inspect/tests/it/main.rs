//! The engine from outside: what is found, what is not, and that cutting a text into chunks changes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that goes wrong has to stop; the configuration knows test functions, not what they share"
)]

mod counter;
mod normal;
mod plant;
mod property;

//! The real program: its commands, its service, its texts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod analyse;
mod asks;
mod console;
mod demo;
mod doors;
mod explain;
mod house;
mod kills;
mod life;
mod models;
mod offline;
mod packaging;
mod range;
mod real_model;
mod record;
mod registry;
mod run;
mod signing;
mod survive;
mod telemetry;
mod tools;

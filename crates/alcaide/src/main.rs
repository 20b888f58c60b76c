//! The house itself: how is it all put together, started and spoken to? Settings, wiring, command line.
//!
//! `up` wires the rooms of a data directory and serves. Every other command is a client of the office, over its
//! socket or a URL, or reads files. Results go to standard output, everything else to standard error; the exit
//! status says how it went: 0 done and clean, 1 done with findings or refusal, 2 wrong usage or settings, 3 outside
//! failure, 4 our fault.

mod begin;
mod cli;
mod client;
mod commands;
mod demo;
mod fail;
mod house;
mod listeners;
mod model;
mod range;
mod run;
mod settings;
mod show;
mod snapshot;
mod telemetry;
mod tend;
mod up;
mod webhook;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::become_another().unwrap_or_else(cli::run)
}

//! The office with a real store, a real ledger and real keys.

mod activity;
mod backups;
mod house;
mod plans;
mod restart;
mod roles;
mod tokens;

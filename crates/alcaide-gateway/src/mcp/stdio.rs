//! Tool servers that are child processes: strangers, each behind its own walls, started again when they fall, and
//! bounded in all that they can make this process hold.
//!
//! ```text
//! StdioPlan ──▶ Children::child ──▶ sandbox ──▶ handshake ──▶ Child
//!               one per server and actor                       │ ask: own id, own progress token ─▶ its input
//!                                                              │ Answers ◀─ notifications, response ◀─ its output
//! ```
//!
//! - [`StdioPlan`]: a declaration, resolved.
//! - [`Children`]: at most one live child for each server and actor. Two agents never share a process: what one
//!   makes a server remember, the other does not meet.
//! - [`Child`]: one process and its open requests. [`Answers`]: what comes back for one of them.
//! - [`StdioError`]: why a request came to no answer, whose doing it was, and whether anything was sent.
//!
//! Messages are lines of JSON (specification 2025-11-25 and 2026-07-28, "Transports", "stdio"). Ids and progress
//! tokens of callers never reach a server: the gate puts integers of its own in their place and restores them on the
//! way back. Line breaks between the tokens of a request become spaces, since a line ends there. Every other byte
//! stays as it was.
//!
//! A server is offered no capability, so that it has nothing to ask for; what it asks all the same is refused, but
//! for `ping`. Left out: secrets in the environment, messages of a server to nobody in particular, and resuming.

pub mod bounds;
mod child;
mod desk;
mod error;
mod falls;
mod frame;
mod hello;
mod plan;
mod pool;
mod pump;
mod shared;

pub use bounds::Bounds;
pub use child::{Answers, Child, Counts};
pub use error::{End, StdioError};
pub use hello::Hello;
pub use plan::StdioPlan;
pub use pool::Children;

//! What can an agent practise on? A small firm's mail, files and payments: a real MCP server over a world in memory,
//! with planted traps.
//!
//! ```text
//! bytes → Lines or Endpoint → Server (JSON-RPC, both generations) → tool → World → Effect
//! ```
//!
//! - [`World`]: mailboxes, a file tree, a payments book, people and their calendar. It really changes: a mail that is
//!   sent is in its receiver's inbox, a payment is in the book. Every change is an [`Effect`], so that a verdict can be
//!   the side effect and nothing less. It is the same world at every start, and its clock moves by its changes alone.
//! - [`TRAPS`]: what hostile authors put into it, and what each wants done; [`World::sprung`] tells which of them got
//!   it.
//! - [`Server`]: the Model Context Protocol over single messages. *Handshake* revisions 2024-11-05 to 2025-11-25 and
//!   *stateless* 2026-07-28, side by side; the codec is that of `wire`.
//! - [`Lines`] and [`Endpoint`]: what the two transports ask for besides, without their sockets.
//! - [`declarations`]: what an office has to know to put this server behind its gate.
//!
//! Everything is made up: names, firms, accounts (published test numbers), cards (published test numbers), the token in
//! a file (its check sum is right, its text says what it is). The firm lives at `example.com`, everybody else at
//! `example.net` and `example.org` (RFC 2606).
//!
//! Left out on purpose: sockets, files, a clock, randomness; sampling, elicitation, subscriptions, progress.

mod declare;
mod endpoint;
mod lines;
mod offer;
mod sample;
mod server;
mod tool;
mod world;

pub use declare::{DECLARATIONS, Launch, declarations};
pub use endpoint::{Answered, Endpoint, PATH, SESSIONS_MAX};
pub use lines::{Line, Lines};
pub use sample::{CARD, TOKEN, TRAPS, Trap};
pub use server::{Answer, MESSAGE_BYTES_MAX, NAME, Server, Session};
pub use tool::{CHANGING, tool_names};
pub use world::{
    Account, CALENDAR_DAY, Cents, Change, EFFECTS_MAX, Effect, Event, Fate, Folder, Invoice, Mail, Payee,
    Payment, Person, World, WorldError, is_iban,
};

#[cfg(test)]
mod tests;

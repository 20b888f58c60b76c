//! The gate: how does one call pass? Arrived, known, read, decided, bound, recorded — and only then forwarded;
//! its reply raw, labelled, and only then released.
//!
//! The order is a type ([`passage`], decision note 1). Plans come down a watch channel and are swapped whole
//! ([`plan`]); orders come with the ledger ([`orders`]); nothing here knows the office.
//!
//! - [`gate`]: the service: routes a request to its protocol's handler.
//! - [`passage`]: the stages of a call. [`reply`]: the stages of its answer. [`attempt`]: who writes the outcome.
//! - [`llm`]: model APIs. [`mcp`]: tool servers. [`api`]: plain HTTP APIs. [`upstream`], [`link`]: connections. [`broker`]: credentials for upstreams.
//! - [`lease`]: how long the gate goes on without hearing from the office.
//! - [`canary`]: marks that are planted and looked for.
//! - [`content`]: what was found in texts, and edits. [`refusal`]: codes, and how each protocol says no.

pub mod api;
pub mod attempt;
mod body;
pub mod broker;
mod budget;
pub mod canary;
pub mod content;
pub mod flow;
pub mod gate;
mod handles;
mod hush;
pub mod labels;
pub mod leaf;
pub mod lease;
pub mod link;
pub mod llm;
pub mod mcp;
mod metrics;
pub mod orders;
pub mod passage;
pub mod paths;
pub mod plan;
pub mod proof;
pub mod refusal;
pub mod reply;
mod target;
pub mod upstream;
mod worked;

pub use gate::{Gate, GateParts};
pub use plan::{GatePlan, PlanFault};

//! The gate: how does one call pass? Arrived, known, read, decided, bound, recorded — and only then forwarded;
//! its reply raw, labelled, and only then released.
//!
//! The order is a type ([`passage`], decision note 1). Plans come down a watch channel and are swapped whole
//! ([`plan`]); orders come with the ledger ([`orders`]); nothing here knows the office.
//!
//! - [`gate`]: the service: routes a request to its protocol's handler.
//! - [`passage`]: the stages of a call. [`reply`]: the stages of its answer. [`attempt`]: who writes the outcome.
//! - [`llm`]: model APIs. [`api`]: plain HTTP APIs. [`upstream`], [`link`]: connections. [`broker`]: credentials for upstreams.
//! - [`content`]: what was found in texts, and edits. [`refusal`]: codes, and how each protocol says no.

pub mod api;
pub mod attempt;
mod body;
pub mod broker;
mod budget;
pub mod content;
pub mod gate;
pub mod leaf;
pub mod link;
pub mod llm;
mod metrics;
pub mod orders;
pub mod passage;
pub mod plan;
pub mod refusal;
pub mod reply;
pub mod upstream;

pub use gate::{Gate, GateParts};
pub use plan::{GatePlan, PlanFault};

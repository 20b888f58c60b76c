//! What exists? Opaque typed ids, units, humans, workloads, agents, upstreams, routes, tools and
//! their facts, budgets; the declaration format; and the numbered plan that the gate runs on.
//!
//! Words only: no I/O, no clock, no randomness. Values are parsed once, here, and valid ever after.
//!
//! - [`id`]: one type per kind of thing, 128 opaque bits each.
//! - [`name`]: what people call things; checked text.
//! - [`moment`]: time as a value.
//! - [`declare`]: the Git folder's TOML, one kind per noun.
//! - [`fact`]: what an owner says a tool does.
//! - [`plan`]: declarations with ids resolved, numbered; goes from the office down to the gate.
//! - [`principal`]: who acts, and for whom.

pub mod declare;
pub mod fact;
pub mod id;
pub mod moment;
pub mod name;
pub mod plan;
pub mod principal;

pub use id::{
    AgentId, ApprovalId, BudgetId, CallId, CredentialId, HumanId, ModelId, OrderId, PeerId, PolicyId,
    RouteId, RunId, SecretId, SignerId, TaskId, TokenId, ToolId, UnitId, UpstreamId, WorkloadId,
};
pub use moment::Moment;
pub use name::{Name, NameError};
pub use plan::{Plan, PlanNumber};
pub use principal::{Actor, Principal, Subject};

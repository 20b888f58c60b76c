//! What the record says of where data came from, for people: the arguments of one call, all that one
//! task read and did, and all that one source touched.
//!
//! ```text
//! entry of a call ── places, classes, calls ┐
//! plan that it was decided under ── names ──┴→ sentences, the most suspicious first
//! ```
//! The record holds no value and no name: arguments stand there as places in the accepted input schema of their tool.
//! Their names come from that schema, as the plan of the decision holds it; they are a server's own words, so every
//! face shows them through [`visible`](crate::visible).

mod facts;
mod origins;
mod reach;
mod task;

pub use origins::{ArgumentOrigin, Origins, QuestionView, SourceView, Wrong};
pub use reach::{
    REACH_CALLS_MAX, Reach, ReachCall, ReachOf, ReachStore, ReachTask, ReadBack, Receiver, Took,
};
pub use task::{FlowCall, FlowEdge, TASK_CALLS_MAX, TaskFlow};

//! What the record says of where data came from, for people: the arguments of one call, all that one
//! task read and did, all that one source touched, what an agent's rights are used for.
//!
//! ```text
//! entry of a call ── places, classes, calls ┐
//! plan that it was decided under ── names ──┴→ sentences, the most suspicious first
//! ```
//! The record holds no value and no name: arguments stand there as places in the accepted input schema of their tool.
//! Their names come from that schema, as the plan of the decision holds it; they are a server's own words, so every
//! face shows them through [`visible`](crate::visible).

mod facts;
mod influence;
mod origins;
mod reach;
mod report;
mod task;

pub use influence::Influence;
pub use origins::{ArgumentOrigin, Origins, QuestionView, SourceView, Wrong};
pub use reach::{
    REACH_CALLS_MAX, Reach, ReachCall, ReachOf, ReachStore, ReachTask, ReadBack, Receiver, Took,
};
pub use report::{
    AgentReport, Asked, GrantUse, HABIT_MIN, Habit, REPORT_CALLS_MAX, REPORT_QUESTIONS_MAX, Use,
};
pub use task::{FlowCall, FlowEdge, TASK_CALLS_MAX, TaskFlow};

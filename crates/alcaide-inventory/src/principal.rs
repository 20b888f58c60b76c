//! Who acts, and for whom. Read literally from RFC 8693: the subject is the principal on whose behalf,
//! the actor is who acts now, earlier actors are history.

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, HumanId, RunId, TaskId, TokenId, UnitId, WorkloadId};

/// Someone who can act.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// An AI agent.
    Agent(AgentId),
    /// A person.
    Human(HumanId),
    /// A program that is no agent.
    Workload(WorkloadId),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(id) => id.fmt(out),
            Self::Human(id) => id.fmt(out),
            Self::Workload(id) => id.fmt(out),
        }
    }
}

/// The principal on whose behalf something is done (`sub`): a person, or the actor itself when it is on its own.
pub type Subject = Actor;

/// Who asks: the whole chain of one verified credential, ids only.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Principal {
    /// On whose behalf (`sub`).
    pub subject: Subject,
    /// Who acts now (outermost `act`; the subject itself where there is none).
    pub actor: Actor,
    /// Earlier actors, newest first (nested `act`).
    pub earlier: Vec<Actor>,
    /// The acting principal's unit.
    pub unit: UnitId,
    /// The task that labels and budgets attach to (`txn`).
    pub task: TaskId,
    /// The run of the agent's program, where one was started by `alcaide run`.
    pub run: Option<RunId>,
    /// The credential itself (`jti`).
    pub token: TokenId,
}

//! The plan: everything declared, with ids, under one number. It goes down from the office to the gate as a whole;
//! the gate swaps it whole or keeps the one it has.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::declare::{
    Agent, Budget, Human, Model, Peer, Policy, Route, Signer, Tool, Unit, Upstream, Workload,
};
use crate::id::{
    AgentId, BudgetId, HumanId, ModelId, PeerId, PolicyId, RouteId, SecretId, SignerId, ToolId, UnitId,
    UpstreamId, WorkloadId,
};
use crate::moment::Moment;
use crate::name::Name;

/// Number of a plan: 1 for the first, one more for each that follows; a rollback is a new number.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct PlanNumber(pub u64);

impl fmt::Display for PlanNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A declared thing with the id that the office gave it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Placed<I, T> {
    /// Given once, at the first apply; never used for anything else.
    pub id: I,
    /// What was declared.
    pub spec: T,
}

/// All things of one kind, by name.
pub type Kind<I, T> = BTreeMap<Name, Placed<I, T>>;

/// A tool's facts with its id.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PlacedTool {
    /// The tool's id.
    pub id: ToolId,
    /// What was declared.
    pub spec: Tool,
    /// The accepted pin of its name, description, schema and annotations (SHA-256, lower-case hex), if it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The accepted input schema, as the server gave it; Cedar types are made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<String>,
}

/// An upstream secret under the master key; only the gate's broker opens it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SealedSecret {
    /// Envelope of `alcaide-seal`, base64 (RFC 4648, section 4); its associated data is the secret's id.
    pub sealed: String,
}

/// A numbered whole of everything declared. Every reference by name resolves within it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Plan {
    /// Its number.
    pub number: PlanNumber,
    /// When the office made it.
    pub made: Moment,
    /// Units.
    pub units: Kind<UnitId, Unit>,
    /// People.
    pub humans: Kind<HumanId, Human>,
    /// Agents.
    pub agents: Kind<AgentId, Agent>,
    /// Workloads.
    pub workloads: Kind<WorkloadId, Workload>,
    /// Upstreams.
    pub upstreams: Kind<UpstreamId, Upstream>,
    /// Routes.
    pub routes: Kind<RouteId, Route>,
    /// Other gates whose word about labels counts for something; left out where there are none, as in plans from before
    /// there were any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: Kind<PeerId, Peer>,
    /// Who signs models; left out where there are none, as models are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signers: Kind<SignerId, Signer>,
    /// Models that have to be proven before they are served.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: Kind<ModelId, Model>,
    /// Tool facts, in the order of server and tool.
    pub tools: Vec<PlacedTool>,
    /// Budgets.
    pub budgets: Kind<BudgetId, Budget>,
    /// Cedar files.
    pub policies: Kind<PolicyId, Policy>,
    /// Upstream secrets, sealed.
    #[serde(default)]
    pub secrets: Kind<SecretId, SealedSecret>,
}

impl Plan {
    /// The agent with this id, and its name.
    #[must_use]
    pub fn agent(&self, id: AgentId) -> Option<(&Name, &Agent)> {
        self.agents.iter().find(|(_, placed)| placed.id == id).map(|(name, placed)| (name, &placed.spec))
    }
}

//! What the office shows: plain values, ready for JSON. Names stand beside ids where the plan in force knows them.

use std::collections::BTreeMap;

use alcaide_inventory::declare::{Grant, Standing};
use alcaide_inventory::id::{
    AgentId, ApprovalId, CallId, CredentialId, HumanId, OrderId, PolicyId, RouteId, RunId, SecretId, TaskId,
    TokenId, ToolId, UnitId,
};
use alcaide_inventory::{Actor, Moment, Name, PlanNumber};
use alcaide_record::{ActionKind, Approver, DecisionKind, Digest, End, OrderKind, Stage, Usage};
use alcaide_seal::SecretText;
use serde::{Deserialize, Serialize};

/// What kind of thing is declared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A unit.
    Unit,
    /// A person.
    Human,
    /// An agent.
    Agent,
    /// A workload.
    Workload,
    /// An upstream.
    Upstream,
    /// A route.
    Route,
    /// A gate of another house.
    Peer,
    /// Somebody who signs models.
    Signer,
    /// A model that has to be proven.
    Model,
    /// Facts about a tool; its name is `server/tool`.
    Tool,
    /// A budget.
    Budget,
    /// A Cedar file.
    Policy,
    /// A sealed secret.
    Secret,
}

impl Kind {
    /// The word used in declarations and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Workload => "workload",
            Self::Upstream => "upstream",
            Self::Route => "route",
            Self::Peer => "peer",
            Self::Signer => "signer",
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Budget => "budget",
            Self::Policy => "policy",
            Self::Secret => "secret",
        }
    }
}

/// What happens to one thing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Some of it differs.
    Changed {
        /// The fields that differ.
        fields: Vec<String>,
    },
}

/// One difference between two sets of declarations.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Change {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What happens to it.
    pub what: What,
    /// Why the office did it by itself, where it did: an agent is quarantined because its owner left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Something that keeps declarations from coming into force.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fault {
    /// Stable code.
    pub code: String,
    /// Where: `agent/invoice-bot`, or a Cedar file with line and column.
    pub place: String,
    /// What is wrong.
    pub why: String,
    /// What would mend it.
    pub fix: String,
}

/// What an apply would do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Preview {
    /// The plan that it is compared with; 0 where there is none.
    pub base: PlanNumber,
    /// All that would change; empty if nothing would.
    pub changes: Vec<Change>,
    /// All that keeps it from being applied; empty if nothing does.
    pub faults: Vec<Fault>,
}

/// What an apply did.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Applied {
    /// The plan in force now. The old one if nothing changed.
    pub number: PlanNumber,
    /// All that changed.
    pub changes: Vec<Change>,
    /// Whether the gate judges by it by now. Where not, it does in a moment or cannot: `/readyz` says so.
    #[serde(default)]
    pub adopted: bool,
}

/// One plan of the past or present.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PlanView {
    /// Its number.
    pub number: PlanNumber,
    /// When it was made.
    pub made: Moment,
    /// Who applied it; nobody for the operator and the first plan.
    pub by: Option<HumanId>,
    /// SHA-256 of its canonical bytes.
    pub digest: Digest,
    /// The plan whose content it repeats.
    pub repeats: Option<PlanNumber>,
    /// Its entry in the ledger.
    pub index: u64,
    /// Whether it is the one in force.
    pub in_force: bool,
}

/// A sealed secret, without what it seals.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SecretView {
    /// Its id.
    pub id: SecretId,
    /// Its name.
    pub name: Name,
    /// Upstreams that refer to it.
    pub used_by: Vec<Name>,
}

/// A single-use token with which a program binds its key to an actor. Shown once.
#[derive(Debug)]
pub struct Enrolment {
    /// The secret.
    pub token: SecretText,
    /// Its id in the record, by which it can be revoked.
    pub id: TokenId,
    /// For whom.
    pub actor: Actor,
    /// Good until.
    pub expires: Moment,
}

/// A client credential.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CredentialView {
    /// Its id; also the client id.
    pub id: CredentialId,
    /// Whose.
    pub actor: Actor,
    /// RFC 7638 thumbprint of its key.
    pub key: Digest,
    /// When it was enrolled.
    pub enrolled: Moment,
}

/// An access token, just minted. Shown once.
#[derive(Debug)]
pub struct Granted {
    /// The compact token: a secret of its holder.
    pub access_token: SecretText,
    /// Its id.
    pub token: TokenId,
    /// Ends at.
    pub expires: Moment,
    /// Its life in whole seconds.
    pub expires_in_s: u64,
    /// The task that it belongs to.
    pub task: TaskId,
    /// Whether it is bound to a key: its `token_type` is then `DPoP`, else `Bearer`.
    pub bound: bool,
    /// Grants that it is narrowed to; all of the actor's where `None`.
    pub scope: Option<Vec<Grant>>,
}

/// An order that was given.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OrderView {
    /// Its entry in the ledger: its sequence.
    pub index: u64,
    /// Its id.
    pub id: OrderId,
    /// When.
    pub at: Moment,
    /// By whom; nobody for the operator.
    pub by: Option<HumanId>,
    /// What.
    pub order: OrderKind,
}

/// A route that is held back: a server, a service or a model.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HeldSource {
    /// Which.
    pub route: RouteId,
    /// Its name in the plan in force; none where it is declared no more.
    pub name: Option<Name>,
    /// The order that says so.
    pub order: OrderView,
}

/// A question of the gate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ApprovalView {
    /// Its id.
    pub id: ApprovalId,
    /// The call that asked.
    pub call: CallId,
    /// Its entry in the ledger.
    pub index: u64,
    /// When.
    pub at: Moment,
    /// Who wants to act.
    pub actor: Actor,
    /// Name of the actor in the plan in force.
    pub actor_name: Option<Name>,
    /// On whose behalf.
    pub subject: Actor,
    /// Name of the subject in the plan in force.
    pub subject_name: Option<Name>,
    /// Earlier actors, newest first.
    pub earlier: Vec<Actor>,
    /// The task.
    pub task: TaskId,
    /// What is to be done.
    pub action: Option<ActionKind>,
    /// The route.
    pub route: Option<RouteId>,
    /// Name of the route in the plan in force.
    pub route_name: Option<Name>,
    /// The tool.
    pub tool: Option<ToolId>,
    /// Name of the tool in the plan in force, with its server.
    pub tool_name: Option<String>,
    /// Commitment to the tool and the values that decide what the call does: questions that have it in common ask the same
    /// again. Absent for what is no call of a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same: Option<Digest>,
    /// Each of these must approve; absent in questions from before they said so.
    pub roles: Vec<Approver>,
    /// Besides, one of these groups must approve as a whole.
    pub any_of: Vec<Vec<Approver>>,
    /// Who has said yes.
    pub yes: Vec<YesView>,
    /// How it stands.
    pub state: ApprovalState,
    /// Digest of all that would be approved: SHA-256 of the canonical bytes of the refusal that asks.
    pub digest: Digest,
    /// Nobody can answer it any more from then on.
    pub expires: Moment,
    /// The entry of the intent that used the answer up.
    pub spent: Option<u64>,
}

/// A person's yes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct YesView {
    /// Whose.
    pub human: HumanId,
    /// Name of that person in the plan in force.
    pub name: Option<Name>,
    /// When it was said.
    pub at: Moment,
    /// It is good until then.
    pub expires: Moment,
    /// Places of the values that they say are right for the task.
    #[serde(default)]
    pub endorses: Vec<u16>,
}

/// How a question stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Somebody who is asked has not answered yet.
    Open,
    /// Yes, by all who are asked.
    Approved,
    /// No.
    Denied,
    /// Nobody answered in time, or nothing used the answer in time.
    Expired,
    /// The one call that was approved was made.
    Spent,
}

/// How a call came out.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// An intent without an outcome: never to be read as success.
    Unknown,
    /// It was sent and ended; `end` says how.
    Ended,
    /// Nothing was sent.
    Refused,
}

impl CallState {
    /// The word that stands for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::Refused => "refused",
        }
    }

    /// What a word stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Unknown, Self::Ended, Self::Refused].into_iter().find(|state| state.as_str() == word)
    }
}

/// One call, its entries joined.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CallView {
    /// Its id.
    pub call: CallId,
    /// How it came out.
    pub state: CallState,
    /// When its first entry was written.
    pub at: Moment,
    /// Who acted, where that was known.
    pub actor: Option<Actor>,
    /// Name of the actor in the plan in force.
    pub actor_name: Option<Name>,
    /// On whose behalf.
    pub subject: Option<Actor>,
    /// Name of the subject in the plan in force.
    pub subject_name: Option<Name>,
    /// Earlier actors, newest first.
    pub earlier: Vec<Actor>,
    /// The actor's unit.
    pub unit: Option<UnitId>,
    /// The task.
    pub task: Option<TaskId>,
    /// The run.
    pub run: Option<RunId>,
    /// What was asked for.
    pub action: Option<ActionKind>,
    /// The route.
    pub route: Option<RouteId>,
    /// Name of the route in the plan in force.
    pub route_name: Option<Name>,
    /// The tool.
    pub tool: Option<ToolId>,
    /// Name of the tool in the plan in force.
    pub tool_name: Option<String>,
    /// How it was decided, where it came to that.
    pub decision: Option<DecisionKind>,
    /// The policies that made the decision.
    pub policies: Vec<PolicyId>,
    /// The plan that it was decided under.
    pub plan: Option<PlanNumber>,
    /// The question that was opened, or the approval that was spent.
    pub approval: Option<ApprovalId>,
    /// Stable code of the refusal.
    pub code: Option<String>,
    /// How far a refused call had come.
    pub stage: Option<Stage>,
    /// HTTP status of the upstream.
    pub status: Option<u16>,
    /// Why the answer ended.
    pub end: Option<End>,
    /// Tokens and money of all attempts.
    pub usage: Option<Usage>,
    /// Microseconds from arrival to the end.
    pub duration_us: Option<u64>,
    /// Bytes released to the caller.
    pub released_bytes: u64,
    /// How many attempts were made.
    pub attempts: u32,
    /// Its entries in the ledger.
    pub entries: Vec<u64>,
}

/// Which calls to show.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActivityFilter {
    /// Of this actor.
    pub actor: Option<Actor>,
    /// On behalf of this one.
    pub subject: Option<Actor>,
    /// Of this unit.
    pub unit: Option<UnitId>,
    /// Of this task.
    pub task: Option<TaskId>,
    /// Of this run.
    pub run: Option<RunId>,
    /// By this route.
    pub route: Option<RouteId>,
    /// With this tool.
    pub tool: Option<ToolId>,
    /// That came out so.
    pub state: Option<CallState>,
    /// Not before.
    pub since: Option<Moment>,
    /// Before.
    pub until: Option<Moment>,
}

/// Where a list goes on. Opaque; made by the office only.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) String);

impl Cursor {
    /// A cursor that a caller sent back; read strictly when it is used.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.chars().take(32).collect())
    }

    /// The text to send.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many at once, and from where.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Paging {
    /// 1 to 200; 50 where not given.
    pub limit: Option<u32>,
    /// From where; the newest where not given.
    pub after: Option<Cursor>,
}

/// A part of a list, newest first.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Page<T> {
    /// The things.
    pub items: Vec<T>,
    /// Where the list goes on, if it does.
    pub next: Option<Cursor>,
}

/// By what usage is added up.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// By actor.
    #[default]
    Actor,
    /// By the person or actor on whose behalf.
    Subject,
    /// By unit.
    Unit,
    /// By route (a model, a tool server, a service).
    Route,
}

/// Which usage to show. Days are UTC.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsageFilter {
    /// By what it is added up.
    pub by: UsageBy,
    /// Not before the day of this moment.
    pub since: Option<Moment>,
    /// Before the day of this moment.
    pub until: Option<Moment>,
}

/// Usage of one day and one thing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UsageView {
    /// Beginning of the day (UTC).
    pub day: Moment,
    /// Id of the actor, subject, unit or route; empty where the call had none.
    pub id: String,
    /// Its name in the plan in force.
    pub name: Option<Name>,
    /// Attempts that were sent.
    pub requests: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Input tokens.
    pub input: u64,
    /// Input tokens read from a provider's cache (part of `input`).
    pub cached_input: u64,
    /// Output tokens.
    pub output: u64,
    /// Cost in micro-units.
    pub cost_micros: u64,
}

/// An agent and how it stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AgentView {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: Name,
    /// Its unit.
    pub unit: Name,
    /// Who answers for it technically.
    pub owner: Name,
    /// Who is accountable; the owner where nobody else is named.
    pub sponsor: Name,
    /// What it may use by grant.
    pub may: Vec<Grant>,
    /// Its declared standing.
    pub standing: Standing,
    /// Whether an order stopped it.
    pub killed: bool,
    /// Its epoch: tokens below it are dead.
    pub epoch: u64,
    /// When its last call was.
    pub last_call: Option<Moment>,
    /// How many client credentials it has.
    pub credentials: u32,
}

/// State below the tokens: epoch and whether an order stopped the actor.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ActorState {
    /// Tokens below it are dead.
    pub epoch: u64,
    /// Whether an order stopped it.
    pub killed: bool,
}

/// What a backup holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BackupReport {
    /// Version of the backup's layout.
    pub version: u32,
    /// When it was made.
    pub made: Moment,
    /// Entries of the ledger that its signed checkpoint covers.
    pub entries: u64,
    /// The plan in force.
    pub plan: PlanNumber,
    /// SHA-256 of each file, by its path within the backup.
    pub files: BTreeMap<String, Digest>,
    /// What is left out, and must be kept elsewhere.
    pub left_out: Vec<String>,
}

//! What a call at the gate leaves in the record: intent, outcome or refusal.

use alcaide_finding::{Class, RuleId};
use alcaide_inventory::id::{
    ApprovalId, BudgetId, CallId, PolicyId, RouteId, RunId, TaskId, TokenId, ToolId, UnitId, UpstreamId,
};
use alcaide_inventory::{Actor, Moment, PlanNumber};
use alcaide_label::{Label, Provenance};
use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::digest::Digest;
use crate::model::ModelNote;

/// What the caller wants to do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Call an operation of a plain HTTP API.
    CallApi,
    /// Call a protocol method that is no tool, prompt or resource.
    CallMethod,
    /// Call a tool.
    CallTool,
    /// Get a prompt template.
    GetPrompt,
    /// See what there is.
    List,
    /// Read a resource.
    ReadResource,
    /// Use something that the model's provider runs.
    UseHosted,
    /// Use a model.
    UseModel,
}

/// Who asked: the chain of the verified credential.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Who acts.
    pub actor: Actor,
    /// Whether the token was bound to a key and the proof held.
    pub bound: bool,
    /// Earlier actors, newest first.
    pub earlier: Vec<Actor>,
    /// The run of the agent's program.
    pub run: Option<RunId>,
    /// On whose behalf.
    pub subject: Actor,
    /// The task.
    pub task: TaskId,
    /// The credential.
    pub token: TokenId,
    /// The actor's unit.
    pub unit: UnitId,
}

/// What the call is about: ids where the thing is declared, a digest of its name where it is not.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The name that the caller used, as a keyed commitment.
    pub name: Digest,
    /// The route.
    pub route: Option<RouteId>,
    /// The tool.
    pub tool: Option<ToolId>,
}

/// How the decision came out.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// Allowed.
    Allow,
    /// A human must answer first.
    Ask,
    /// Refused.
    Refuse,
}

/// What was demanded of a call that was allowed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObligationKind {
    /// Refuse if something of a class is found.
    Block,
    /// Cap a number.
    Cap,
    /// Replace by a placeholder.
    Mask,
    /// Remove.
    Strip,
    /// Replace by a token that can be turned back.
    Tokenise,
    /// Mark the answer.
    Watermark,
}

/// The policy's decision and everything that it rests on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// Approval that was spent for it.
    pub approval: Option<ApprovalId>,
    /// How much of the fullest budget was taken when it was made, in percent.
    pub budget_used: u8,
    /// How it came out.
    pub decision: DecisionKind,
    /// How the declared model stood that the route serves. Absent for what is no call of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Box<ModelNote>>,
    /// What was demanded.
    pub obligations: Vec<ObligationKind>,
    /// The plan that it was made under.
    pub plan: PlanNumber,
    /// SHA-256 of that plan.
    pub plan_digest: Digest,
    /// Policies that made it, each once, in the order of their ids, the first thousand; empty means that none permitted.
    pub policies: Vec<PolicyId>,
    /// What the shadow policies would have decided, where that differs.
    pub shadow: Option<DecisionKind>,
}

/// How many times a rule found something.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FindingCount {
    /// What kind of content.
    pub class: Class,
    /// How often.
    pub count: u32,
    /// The rule.
    pub rule: RuleId,
}

/// How sure it is that the user said so.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WordsGrade {
    /// Signed by the human's client or launcher.
    Attested,
    /// A user turn of an agent whose owner declared it trusted.
    Asserted,
    /// Not at all.
    #[default]
    None,
}

/// How much a task had done and read before a call.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SoFar {
    /// Calls of tools.
    pub calls: u32,
    /// Those of them that have an effect.
    pub effects: u32,
    /// Bytes of text that tools answered.
    pub read_bytes: u64,
    /// Records that they answered.
    pub read_records: u64,
    /// As `read_bytes`, of what is internal or above and was asked for after the task had read text of strangers.
    pub tainted_bytes: u64,
    /// As `read_records`, likewise.
    pub tainted_records: u64,
}

/// Where the arguments of a tool's call come from and what they do, as policy was told. Arguments stand as places in the
/// order of the names that were given; `names` are the names' own places in the order of the properties of the tool's
/// accepted input schema, [`u16::MAX`] for one that is none of them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FlowNote {
    /// Bytes of what the arguments say. Absent, as all below that may be, in entries from before it was kept.
    #[serde(default)]
    pub argument_bytes: u64,
    /// Calls of the same tool in the task before this one.
    pub calls: u32,
    /// Free texts with something that the user did not give.
    pub carries: Vec<u16>,
    /// Free texts that strangers wrote.
    pub copied: Vec<u16>,
    /// Whether the task has made as many calls of this tool as its owner allows.
    pub count_over: bool,
    /// Whether something that the task has read was not known any more.
    pub forgotten: bool,
    /// Arguments in which handles stood: texts that a tool answered and the agent did not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handles: Vec<u16>,
    /// Whether the user's attested words ask for this tool.
    pub in_scope: bool,
    /// Arguments with a link to a host that nobody named, which carries what the task has read.
    #[serde(default)]
    pub leaks: Vec<u16>,
    /// Arguments with a host that wants to be taken for one that was named.
    #[serde(default)]
    pub look_alikes: Vec<u16>,
    /// Whether all arguments but the copied texts are bound, and the user's attested words name one of them.
    pub named: bool,
    /// The names that were given.
    pub names: Vec<u16>,
    /// Numbers past their cap that the user did not name.
    pub over: Vec<u16>,
    /// Whether all free texts are the user's own words.
    pub own_words: bool,
    /// Whether the call reaches out of the organisation.
    pub reaches_out: bool,
    /// Calls with the very same arguments before this one.
    pub repeats: u32,
    /// What the task had done and read before.
    #[serde(default)]
    pub so_far: SoFar,
    /// The calls whose answers the arguments were read from, each once.
    pub sources: Vec<CallId>,
    /// The most different values that one of its control arguments will have been given, this call counted.
    #[serde(default)]
    pub targets: u32,
    /// Control arguments that are bound to nothing.
    pub unbound: Vec<u16>,
}

/// What the call carries, as digests, sizes and classes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Provenance of each argument, in the order of the arguments' names.
    pub arguments: Vec<Provenance>,
    /// Length of the exact bytes to be sent.
    pub bytes: u64,
    /// What another gate said of it. Absent where nobody says anything, and in entries from before there were peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// SHA-256 of the exact bytes to be sent. In the intent of a call to a plain API, over the whole request: method,
    /// path with query, headers that pass, body, each part after its length; ARCHITECTURE tells the form.
    pub digest: Digest,
    /// Whether bytes were edited on the way (a placeholder, a renamed model).
    pub edited: bool,
    /// What was found.
    pub findings: Vec<FindingCount>,
    /// Where arguments come from. Absent for what is no call of a tool, and in entries from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Box<FlowNote>>,
    /// Label of the task when the decision was made.
    pub label: Label,
    /// Grade of the user's words.
    pub words: WordsGrade,
}

/// Something that memory must know; written with the intent or outcome that causes it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// People have said, with the yes that this call uses, that these values are right for the task.
    Endorse {
        /// Their places in the list of values, each once, in order.
        places: Vec<u16>,
        /// The task.
        task: TaskId,
        /// SHA-256 of the list as it lies on the ledger's shelf, sealed.
        values: Digest,
    },
    /// A task has read data of this label.
    Join {
        /// What was read.
        label: Label,
        /// By which task.
        task: TaskId,
    },
    /// A task that has read strangers' text writes text of its own into a store: whoever reads it back has read strangers'
    /// text.
    Plant {
        /// SHA-256 of the digests of what was written, as they lie on the ledger's shelf.
        runs: Digest,
        /// The store, as a keyed commitment.
        store: Digest,
    },
    /// An amount of a budget is set aside until the outcome.
    Reserve {
        /// How much.
        amount: u64,
        /// Of which budget.
        budget: BudgetId,
        /// Beginning of the budget's period.
        period: Moment,
    },
    /// An approval is used up.
    Spend {
        /// Which.
        approval: ApprovalId,
    },
}

/// One attempt at one upstream.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Where to.
    pub upstream: UpstreamId,
}

/// A call is about to have its effect: durable before a byte leaves.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// What is done.
    pub action: ActionKind,
    /// Which attempt.
    pub attempt: Attempt,
    /// The call.
    pub call: CallId,
    /// What it carries.
    pub content: Content,
    /// The decision.
    pub decided: Decided,
    /// What memory must know.
    pub effects: Vec<Effect>,
    /// True if the route's declaration let the call go before this entry was on disk.
    pub relaxed: bool,
    /// About what.
    pub target: Target,
    /// Who asked.
    pub who: Chain,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The upstream finished and all that may pass was released.
    Complete,
    /// The caller went away.
    CallerGone,
    /// The caller cancelled by the protocol's own means.
    Cancelled,
    /// The gate cut it: content that may not pass.
    ContentCut,
    /// The gate cut it: an order (a kill) came.
    Killed,
    /// The gate is shutting down.
    Drained,
    /// The gate cut a stream that listens: the caller's token or the right to listen had ended.
    Lapsed,
    /// No connection to the upstream; no byte left us.
    Unreachable,
    /// The upstream's answer broke its protocol or ended too soon.
    UpstreamBroken,
    /// The upstream took longer than declared.
    UpstreamTimeout,
    /// The upstream answered with an error of its own.
    UpstreamRefused,
    /// The answer was longer than the gate passes.
    TooLong,
    /// The attempt was given up within the gate after the intent was written; no byte left us.
    Withdrawn,
}

/// Tokens and money of one call, from the upstream's own report.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Input tokens that the provider read from its cache (part of `input`).
    pub cached_input: u64,
    /// Cost in micro-units by the route's declared price.
    pub cost_micros: u64,
    /// True if the upstream reported nothing and the numbers are the reservation.
    pub estimated: bool,
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
}

/// A reservation turned into what was used.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// Which budget.
    pub budget: BudgetId,
    /// Beginning of the budget's period.
    pub period: Moment,
    /// What had been set aside.
    pub reserved: u64,
    /// What was used.
    pub used: u64,
}

/// How a call's attempt ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The attempt's number.
    pub attempt: u32,
    /// The call.
    pub call: CallId,
    /// What another gate said of the answer, where one was to say something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// SHA-256 of what was released to the caller, where the answer was not a stream.
    pub digest: Option<Digest>,
    /// Microseconds from arrival to the end.
    pub duration_us: u64,
    /// What memory must know.
    pub effects: Vec<Effect>,
    /// Why it ended.
    pub end: End,
    /// What was found in the answer.
    pub findings: Vec<FindingCount>,
    /// Ledger index of the intent.
    pub intent: u64,
    /// Bytes of body released to the caller.
    pub released_bytes: u64,
    /// Budgets settled.
    pub settled: Vec<Settlement>,
    /// HTTP status of the upstream, if it answered.
    pub status: Option<u16>,
    /// Tokens and money.
    pub usage: Option<Usage>,
}

/// How far a call had come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Bytes were there, nobody was known.
    Arrived,
    /// The caller was known.
    Known,
    /// The content was read.
    Read,
    /// Policy had decided.
    Decided,
    /// The bytes to be sent were frozen.
    Bound,
}

/// Who may answer a question.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// A human with the office role `administrator`.
    Administrator,
    /// A human with the office role `approver`.
    Approver,
    /// The acting agent's or workload's owner.
    Owner,
    /// The acting agent's sponsor.
    Sponsor,
}

impl Approver {
    /// The word that stands in the record and in `@ask`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Approver => "approver",
            Self::Owner => "owner",
            Self::Sponsor => "sponsor",
        }
    }
}

/// The values that decide what a call does, as they were when people were asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decisive {
    /// Keyed commitment to the target with all of the values: questions that have it in common ask the same again.
    pub same: Digest,
    /// SHA-256 of the values as they lie on the ledger's shelf, sealed.
    pub values: Digest,
}

/// What is asked of people before a call may pass, beside what the refusal says of the call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Besides `roles`, one of these groups must approve as a whole; empty where there is no such choice.
    pub any_of: Vec<Vec<Approver>>,
    /// What people are shown of the call, and may endorse. Absent for what is no call of a tool, and in questions from
    /// before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisive: Option<Decisive>,
    /// Nobody can answer it any more from then on.
    pub expires: Moment,
    /// SHA-256 of the exact bytes that act: what a retry of the same call has in common with it.
    pub matter: Digest,
    /// The pin of the tool as it was when it was asked.
    pub pin: Option<Digest>,
    /// Each of these must approve.
    pub roles: Vec<Approver>,
}

const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A call was refused; nothing was sent.
///
/// With `question`, it is the entry that asks: if people say yes in time, the same call goes on after it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// What was asked for, where that was understood.
    pub action: Option<ActionKind>,
    /// How many refusals of the same actor with the same code this entry stands for beside its own: those before it
    /// that came faster than the record took them. Absent where there are none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub alike: u64,
    /// The question that it waits for, or that was answered with no.
    pub approval: Option<ApprovalId>,
    /// The call.
    pub call: CallId,
    /// Stable code, such as `ALC-POLICY-0031`.
    pub code: String,
    /// What the call carries, where it was read.
    pub content: Option<Content>,
    /// The decision, where one was made.
    pub decided: Option<Decided>,
    /// The question itself, in the entry that asks it. Absent in entries from before there were questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// How far it had come.
    pub stage: Stage,
    /// About what, where that was understood.
    pub target: Option<Target>,
    /// Who asked, where that was known.
    pub who: Option<Chain>,
}

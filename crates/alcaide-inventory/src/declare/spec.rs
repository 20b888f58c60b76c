//! One struct per noun of the declaration format.

use serde::{Deserialize, Serialize};

use crate::declare::grant::Grant;
use crate::fact::{Effect, Facts};
use crate::id::TaskId;
use crate::name::Name;

/// A part of the organisation; walls stand between units.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Unit {
    /// The unit that this one belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
}

/// What a person may do in the office.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks, changes nothing.
    Viewer,
    /// Answers questions of the gate.
    Approver,
    /// Writes policies; never approves their own.
    PolicyAuthor,
    /// Everything but reading the record's bodies.
    Administrator,
    /// Reads the whole record.
    Auditor,
}

impl Role {
    /// The word used in declarations, tokens and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::PolicyAuthor => "policy_author",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }
}

/// Whether someone may act at all.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Yes.
    #[default]
    Active,
    /// Not for now; labels and budgets are kept.
    Quarantined,
    /// A person who left, an agent that was retired.
    Left,
}

/// A person, by handle.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Human {
    /// The unit that the person belongs to.
    pub unit: Name,
    /// Office roles.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Whether the person is still there.
    #[serde(default)]
    pub standing: Standing,
}

/// Whether tokens of an agent must be bound to a key (RFC 9449).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DpopRule {
    /// A proof is verified where the token is bound; plain bearer tokens pass too.
    #[default]
    Accepted,
    /// Only bound tokens with a proof.
    Required,
}

/// An AI agent. Owner and sponsor are living humans.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Agent {
    /// The unit that the agent works for.
    pub unit: Name,
    /// Answers for it technically.
    pub owner: Name,
    /// Is accountable for it; the owner where nobody else is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<Name>,
    /// What it may use, besides what policies permit.
    #[serde(default)]
    pub may: Vec<Grant>,
    /// Whether its tokens must be key-bound.
    #[serde(default)]
    pub dpop: DpopRule,
    /// Whether it may act.
    #[serde(default)]
    pub standing: Standing,
    /// Whether what it sends to models as a user's turn is taken for the user's words.
    #[serde(default, skip_serializing_if = "UserTurns::is_untrusted")]
    pub user_turns: UserTurns,
}

/// What the user turns in an agent's calls of models are worth.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UserTurns {
    /// Nothing: the agent's program can write there what it wants.
    #[default]
    Untrusted,
    /// The owner says that only the user's words stand there: *asserted*, below words that a launcher attests.
    Trusted,
}

impl UserTurns {
    const fn is_untrusted(&self) -> bool {
        matches!(self, Self::Untrusted)
    }
}

/// A program that is no agent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Workload {
    /// The unit that it works for.
    pub unit: Name,
    /// Answers for it.
    pub owner: Name,
    /// What it may use, besides what policies permit.
    #[serde(default)]
    pub may: Vec<Grant>,
    /// Whether it may act.
    #[serde(default)]
    pub standing: Standing,
}

/// The language that an upstream speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OpenAI's HTTP API (chat completions, responses, embeddings, models).
    Openai,
    /// Anthropic's messages API.
    Anthropic,
    /// Model Context Protocol.
    Mcp,
    /// A plain HTTP API with declared operations.
    Http,
}

/// How the broker shows a sealed secret to the upstream.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialUse {
    /// A fixed header.
    Header {
        /// Header name, such as `authorization` or `x-api-key`.
        header: String,
        /// What stands before the secret, such as `Bearer `; nothing where not given.
        #[serde(default)]
        prefix: String,
        /// Name of the sealed secret (`alcaide secret set NAME`).
        secret: Name,
    },
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4); the token is cached until it is about to expire.
    ClientCredentials {
        /// Token endpoint.
        token_url: String,
        /// Client id at the upstream's authorisation server.
        client_id: String,
        /// Name of the sealed client secret.
        secret: Name,
        /// Scope to ask for.
        #[serde(default)]
        scope: String,
    },
}

/// How an upstream is reached.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Transport {
    /// Over HTTP.
    Http {
        /// `http://` or `https://`, host, optional port and path prefix.
        base_url: String,
    },
    /// A child process that speaks on its standard input and output.
    Stdio {
        /// Program and arguments.
        command: Vec<String>,
        /// What the process may see and do.
        #[serde(default)]
        sandbox: Sandbox,
    },
}

/// What a stdio server may see and do; nothing where nothing is said.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// Folders that it may read.
    #[serde(default)]
    pub read: Vec<String>,
    /// Folders that it may read and write.
    #[serde(default)]
    pub write: Vec<String>,
    /// Whether it may use the network.
    #[serde(default)]
    pub network: bool,
    /// SHA-256 of the executable, lower-case hex; any where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable_sha256: Option<String>,
}

/// Something behind the gate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Upstream {
    /// The language that it speaks.
    pub protocol: Protocol,
    /// How it is reached.
    #[serde(flatten)]
    pub transport: Transport,
    /// What the broker shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialUse>,
    /// Longest wait for the first byte of an answer, in milliseconds; 120,000 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_timeout_ms: Option<u64>,
    /// Longest silence within an answer, in milliseconds; 300,000 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
}

/// When an intent counts as recorded.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// On disk before a byte leaves.
    #[default]
    Strict,
    /// Accepted by the ledger's queue; the relaxation stands in the record itself.
    Relaxed,
}

/// One upstream of a model route.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The upstream.
    pub upstream: Name,
    /// What the model is called there; as the caller calls it where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Price of a model, in micro-units of one currency per million tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For a million input tokens.
    pub input_micros: u64,
    /// For a million output tokens.
    pub output_micros: u64,
    /// For a million input tokens read from the provider's cache; as input where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_micros: Option<u64>,
}

/// A model that callers may name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ModelRoute {
    /// Upstreams in the order in which they are tried, before the first byte only.
    pub upstreams: Vec<Binding>,
    /// What its tokens cost; money budgets need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Output tokens of each choice that are set aside for a call that states no maximum of its own, and that the
    /// provider is told where a budget or a cap counts them; 4,096 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// When an intent counts as recorded.
    #[serde(default)]
    pub durability: Durability,
    /// The declared model whose released version the upstreams serve; where not given, nobody says what they serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves: Option<Name>,
}

/// A tool server that callers may name in `/mcp/<name>`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct McpServer {
    /// The upstream, of protocol `mcp`.
    pub upstream: Name,
    /// When an intent counts as recorded.
    #[serde(default)]
    pub durability: Durability,
}

/// One operation of a plain HTTP API.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Name of the operation, unique in the service.
    pub name: Name,
    /// HTTP method, upper case.
    pub method: String,
    /// Path template below `/api/<service>`, such as `/invoices/{id}`. Where several fit a path, the one counts whose first
    /// segment that differs is literal.
    pub path: String,
    /// What it does.
    #[serde(default)]
    pub effect: Effect,
}

/// A plain HTTP API that callers may name in `/api/<name>/…`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Service {
    /// The upstream, of protocol `http`.
    pub upstream: Name,
    /// All that may be called.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// When an intent counts as recorded.
    #[serde(default)]
    pub durability: Durability,
}

/// What callers may ask for by name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Route {
    /// A model.
    Model(ModelRoute),
    /// A tool server.
    Mcp(McpServer),
    /// A plain HTTP API.
    Service(Service),
}

/// Facts about one tool.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tool {
    /// The `mcp` route that offers it.
    pub server: Name,
    /// The tool's own name, 1 to 128 characters.
    pub name: String,
    /// What its owner says of it.
    #[serde(flatten)]
    pub facts: Facts,
}

/// Over whom a budget is kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetOver {
    /// One agent.
    Agent(Name),
    /// All agents that a person owns.
    Owner(Name),
    /// All of one unit.
    Unit(Name),
    /// Everybody's use of one model.
    Model(Name),
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetUnit {
    /// Input and output tokens together.
    Tokens,
    /// Money, in micro-units.
    MoneyMicros,
    /// Calls.
    Requests,
}

/// When a budget begins anew (UTC).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// Every minute.
    Minute,
    /// Every hour.
    Hour,
    /// Every day at 00:00.
    Day,
    /// Every 30 days, counted from the epoch.
    ThirtyDays,
    /// Never.
    Total,
}

/// A limit.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Budget {
    /// Over whom.
    pub over: BudgetOver,
    /// Of what.
    pub of: BudgetUnit,
    /// How much in one period.
    pub limit: u64,
    /// The period.
    pub per: Period,
}

/// Whether a policy binds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyMode {
    /// Its decision holds.
    #[default]
    Enforce,
    /// Decided and recorded, not enforced.
    Shadow,
}

/// One Cedar file: one policy or several.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Policy {
    /// Cedar text.
    pub cedar: String,
    /// Where it was read from, for messages.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Whether it binds.
    #[serde(default)]
    pub mode: PolicyMode,
    /// For whom it is in shadow, where it is; for all others it binds. Absent: for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowOf>,
}

/// For whom, and for how many of their tasks, a policy is in shadow. What is left out narrows nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowOf {
    /// Calls of these agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Name>,
    /// Calls of agents of these units and of those within them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Name>,
    /// So many of a hundred tasks, 1 to 99. A task is wholly in or out, and in each larger share that it is in a smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_percent: Option<u8>,
}

impl ShadowOf {
    /// Whether a task is among so many of a hundred.
    ///
    /// By FNV-1a (64 bits) over the id's 16 bytes, most significant first, and a final mix (the 64-bit finaliser of
    /// MurmurHash3): the same for every policy, plan and machine. Ids of tasks are drawn by the house: no agent
    /// names them.
    #[must_use]
    pub fn takes(percent: u8, task: TaskId) -> bool {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in task.bits().to_be_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (hash ^ (hash >> 33)) % 100 < u64::from(percent)
    }
}

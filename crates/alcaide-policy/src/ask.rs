//! What is asked: who wants to do what to what, and all that a policy may know about it.
//!
//! Everything is borrowed from the call on its way through the gate; nothing is copied unless a policy reads it.

use alcaide_finding::Class;
use alcaide_inventory::{Actor, AgentId, HumanId, Moment, Principal, RouteId, Subject, TaskId, ToolId};
use alcaide_label::{Integrity, Label, Provenance};
use serde::Deserialize;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Action {
    /// Send something to a model.
    UseModel,
    /// Call a tool of a tool server.
    CallTool,
    /// Use any other method of a tool server (`initialize`, `tools/list`).
    CallMethod,
    /// Fetch a prompt of a tool server.
    GetPrompt,
    /// Read a resource of a tool server.
    ReadResource,
    /// Call a declared operation of a plain HTTP API.
    CallApi,
    /// Let a model's provider run one of its own tools.
    UseHosted,
    /// Send a message to another organisation's agent.
    MessagePeer,
    /// Hand a task to another agent.
    Delegate,
    /// Put real values back in the place of tokens on the way to a resource.
    Detokenise,
    /// Answer a question of the gate.
    Approve,
}

impl Action {
    /// All actions, in the order of the schema.
    pub const ALL: [Self; 11] = [
        Self::UseModel,
        Self::CallTool,
        Self::CallMethod,
        Self::GetPrompt,
        Self::ReadResource,
        Self::CallApi,
        Self::UseHosted,
        Self::MessagePeer,
        Self::Delegate,
        Self::Detokenise,
        Self::Approve,
    ];

    /// The word used in policies, cases and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UseModel => "use_model",
            Self::CallTool => "call_tool",
            Self::CallMethod => "call_method",
            Self::GetPrompt => "get_prompt",
            Self::ReadResource => "read_resource",
            Self::CallApi => "call_api",
            Self::UseHosted => "use_hosted",
            Self::MessagePeer => "message_peer",
            Self::Delegate => "delegate",
            Self::Detokenise => "detokenise",
            Self::Approve => "approve",
        }
    }

    /// The action with this word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// Whether the schema lets this action be done to this kind of resource.
    #[must_use]
    pub const fn applies_to(self, resource: &Resource<'_>) -> bool {
        match self {
            Self::UseModel => matches!(resource, Resource::Model(_)),
            Self::CallTool => matches!(resource, Resource::Tool(_) | Resource::UndeclaredTool { .. }),
            Self::CallMethod => matches!(resource, Resource::Method { .. }),
            Self::GetPrompt => matches!(resource, Resource::Prompt { .. }),
            Self::ReadResource => matches!(resource, Resource::Document { .. }),
            Self::CallApi => matches!(resource, Resource::Operation { .. }),
            Self::UseHosted => matches!(resource, Resource::Hosted { .. }),
            Self::MessagePeer => matches!(resource, Resource::Peer(_)),
            Self::Delegate => matches!(resource, Resource::Agent(_)),
            Self::Detokenise => matches!(
                resource,
                Resource::Tool(_)
                    | Resource::UndeclaredTool { .. }
                    | Resource::Operation { .. }
                    | Resource::Model(_)
            ),
            Self::Approve => matches!(
                resource,
                Resource::Tool(_)
                    | Resource::UndeclaredTool { .. }
                    | Resource::Operation { .. }
                    | Resource::Model(_)
                    | Resource::Hosted { .. }
                    | Resource::Agent(_)
            ),
        }
    }
}

/// What it is to be done to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Resource<'a> {
    /// A model route.
    Model(RouteId),
    /// A tool that the plan holds facts about.
    Tool(ToolId),
    /// A tool that a server offers but the plan knows nothing of: the gravest facts hold, and nobody accepted it.
    UndeclaredTool {
        /// The `mcp` route.
        server: RouteId,
        /// The tool's own name.
        name: &'a str,
    },
    /// A method of a tool server, or of all of them at once where no server is named.
    Method {
        /// The `mcp` route.
        server: Option<RouteId>,
        /// The method, such as `tools/list`.
        name: &'a str,
    },
    /// A prompt of a tool server.
    Prompt {
        /// The `mcp` route.
        server: RouteId,
        /// The prompt's name.
        name: &'a str,
    },
    /// A resource of a tool server.
    Document {
        /// The `mcp` route.
        server: RouteId,
        /// The resource's URI.
        uri: &'a str,
    },
    /// An operation of a plain HTTP API.
    Operation {
        /// The `service` route.
        service: RouteId,
        /// The operation's declared name.
        name: &'a str,
    },
    /// A tool that a model's provider runs: `hosted/<provider>/<tool>`.
    Hosted {
        /// The provider, as the upstream is named.
        provider: &'a str,
        /// The tool, as the provider names it.
        tool: &'a str,
    },
    /// An agent of another organisation, by its declared name.
    Peer(&'a str),
    /// An agent of this organisation.
    Agent(AgentId),
}

/// How sure it is that words are the user's.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum UserWords {
    /// No words of a user.
    #[default]
    None,
    /// In a user turn of an agent whose owner declared its user turns trusted.
    Asserted,
    /// Signed by the human's client or launcher.
    Attested,
}

impl UserWords {
    /// The word used in policies and cases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Asserted => "asserted",
            Self::Attested => "attested",
        }
    }
}

/// How much a task has done and read before a call.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
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

/// Where a tool's arguments come from and what they do, by their names. The default says nothing against a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow<'a> {
    /// Control arguments that are bound to nothing.
    pub unbound: &'a [Box<str>],
    /// Free texts that strangers wrote.
    pub copied: &'a [Box<str>],
    /// Free texts with a link, an address or an account number that the user did not give.
    pub carries: &'a [Box<str>],
    /// Arguments with a link to a host that nobody named, which carries what the task has read.
    pub leaks: &'a [Box<str>],
    /// Arguments with a host that wants to be taken for one that was named.
    pub look_alikes: &'a [Box<str>],
    /// Arguments with a text that stood there as a handle.
    pub handles: &'a [Box<str>],
    /// Numbers past the owner's cap that the user did not name.
    pub over: &'a [Box<str>],
    /// Whether the user's attested words ask for this tool.
    pub in_scope: bool,
    /// Whether the call reaches out of the organisation.
    pub reaches_out: bool,
    /// Whether all free texts are the user's own words.
    pub own_words: bool,
    /// Whether all arguments but the copied texts are bound, and the user's attested words name one of them.
    pub named: bool,
    /// Calls of this tool in the task before this one.
    pub calls: u32,
    /// Whether these are as many as its owner allows.
    pub count_over: bool,
    /// Calls with the very same arguments before this one.
    pub repeats: u32,
    /// The most different values that one of its control arguments will have been given, this call counted.
    pub targets: u32,
    /// Bytes of what the arguments say.
    pub argument_bytes: u64,
    /// What the task has done and read before.
    pub so_far: SoFar,
    /// Whether something that the task has read is not known any more.
    pub forgotten: bool,
}

/// How the files of a declared model stand.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ModelFiles {
    /// No place of files is declared.
    #[default]
    None,
    /// They are those of the released version.
    Same,
    /// They are others.
    Changed,
    /// They are being read, or cannot be read.
    Unread,
}

impl ModelFiles {
    /// The word used in policies and cases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Unread => "unread",
        }
    }
}

/// What a scan of a model came to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ModelVerdict {
    /// There is no scan.
    #[default]
    None,
    /// All was looked into, and nothing was found.
    Clean,
    /// Nothing was found, but not all was looked into.
    Inconclusive,
    /// Something was found.
    Unsafe,
}

impl ModelVerdict {
    /// The word used in policies and cases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Clean => "clean",
            Self::Inconclusive => "inconclusive",
            Self::Unsafe => "unsafe",
        }
    }
}

/// Who signed a model.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ModelSigner {
    /// Nobody.
    #[default]
    None,
    /// Somebody whom the model names, and whose key is not revoked.
    Trusted,
    /// Only others.
    Untrusted,
}

impl ModelSigner {
    /// The word used in policies and cases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
        }
    }
}

/// The newest scan of a version.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ModelScan {
    /// What it came to.
    pub verdict: ModelVerdict,
    /// Days since it was made.
    pub age_days: u32,
    /// Whether it counts still.
    pub in_time: bool,
    /// Whether it went by the rules that this program has.
    pub current_pack: bool,
    /// Whether somebody accepted, for this version, what it could not look into.
    pub accepted: bool,
}

/// The signature of a version that counts for most.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSignature {
    /// Who signed.
    pub signer: ModelSigner,
    /// Days since it was entered.
    pub age_days: u32,
    /// Whether it counts still.
    pub in_time: bool,
}

/// How the declared model stands that a route serves; the default is one of which nothing is known.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ModelStanding {
    /// Whether a version is released. What follows is of that version, or of the newest where none is.
    pub released: bool,
    /// Its files.
    pub files: ModelFiles,
    /// Its scan.
    pub scan: ModelScan,
    /// Its signatures.
    pub signature: ModelSignature,
}

/// All that a policy may know of a call besides who, what and whereto.
///
/// The default is an empty call of a task that has read nothing, at the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Join over all that the task has read.
    pub task: Label,
    /// How many findings of each class the content carries; a class may stand more than once, counts add up.
    pub findings: &'a [(Class, u32)],
    /// Humans whose approval of exactly these bytes was verified. Roles are looked up in the plan, and nobody
    /// who acts in the chain counts.
    pub approvals: &'a [HumanId],
    /// How much of the scarcest budget is used, in percent, 0 to 100.
    pub budget_used: u8,
    /// The best grade of the user's words in the task.
    pub user_words: UserWords,
    /// When the call is decided.
    pub now: Moment,
    /// The tool's arguments as the exact bytes of a JSON object; `None` where a tool is only looked at.
    pub args: Option<&'a [u8]>,
    /// Where each argument came from, by the argument's name at the top level.
    pub provenance: &'a [(&'a str, Provenance)],
    /// Where a tool's arguments come from and what they do.
    pub flow: Flow<'a>,
    /// How the declared model stands that the route serves.
    pub model: ModelStanding,
    /// Whether part of the content could not be looked into.
    pub uninspected: bool,
    /// Whether the credential is bound to a key and the proof was verified (RFC 9449).
    pub key_bound: bool,
    /// Whether the tool's description differs from the accepted one.
    pub tool_changed: bool,
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self {
            task: Label { integrity: Integrity::Trusted, ..Label::CLEAN },
            findings: &[],
            approvals: &[],
            budget_used: 0,
            user_words: UserWords::None,
            now: Moment::from_secs(0),
            args: None,
            provenance: &[],
            flow: Flow::default(),
            model: ModelStanding::default(),
            uninspected: false,
            key_bound: false,
            tool_changed: false,
        }
    }
}

/// One question to the policy set.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who acts now.
    pub actor: Actor,
    /// On whose behalf.
    pub subject: Subject,
    /// Earlier actors, newest first.
    pub earlier: &'a [Actor],
    /// The task, where there is one: a policy may be in shadow for some tasks.
    pub task: Option<TaskId>,
    /// What they want to do.
    pub action: Action,
    /// To what.
    pub resource: Resource<'a>,
    /// All else.
    pub context: Context<'a>,
}

impl<'a> Ask<'a> {
    /// An actor on its own, with an empty context.
    #[must_use]
    pub fn alone(actor: Actor, action: Action, resource: Resource<'a>) -> Self {
        Self {
            actor,
            subject: actor,
            earlier: &[],
            task: None,
            action,
            resource,
            context: Context::default(),
        }
    }

    /// The holder of a verified credential.
    #[must_use]
    pub fn of(
        principal: &'a Principal,
        action: Action,
        resource: Resource<'a>,
        context: Context<'a>,
    ) -> Self {
        Self {
            actor: principal.actor,
            subject: principal.subject,
            earlier: &principal.earlier,
            task: Some(principal.task),
            action,
            resource,
            context,
        }
    }
}

//! What the office leaves in the record: plans, orders, enrolments, tokens, acts.

use alcaide_inventory::id::{
    ApprovalId, CredentialId, HumanId, ModelId, OrderId, RouteId, RunId, SecretId, TaskId, TokenId, ToolId,
};
use alcaide_inventory::{Actor, Moment, PlanNumber};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The ledger was begun.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// SHA-256 of the origin line of its checkpoints.
    pub origin: Digest,
    /// Thumbprint of the key that signs tokens.
    pub token_key: Digest,
}

/// A plan came into force.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Who applied it; absent for the first, which the program makes itself.
    pub by: Option<HumanId>,
    /// SHA-256 of the plan's canonical bytes.
    pub digest: Digest,
    /// Its number.
    pub number: PlanNumber,
    /// The plan whose content it repeats, for a rollback.
    pub repeats: Option<PlanNumber>,
}

/// A client credential was bound to an actor.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// Whose it is.
    pub actor: Actor,
    /// Its id.
    pub credential: CredentialId,
    /// RFC 7638 thumbprint of the public key.
    pub key: Digest,
}

/// What kind of token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Access token for the gate.
    Gate,
    /// Access token for the office.
    Office,
    /// Single-use enrolment.
    Enrolment,
}

/// A token was issued.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Who may act with it.
    pub actor: Actor,
    /// Whether its task began with it, under an id that was drawn then; an actor's own task has none of these.
    #[serde(default, skip_serializing_if = "is_not")]
    pub begins: bool,
    /// Who opened the enrolment; absent for the operator, and for other kinds, whose subject says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HumanId>,
    /// The actor's epoch when it was issued.
    pub epoch: u64,
    /// When it ends.
    pub expires: Moment,
    /// What kind.
    pub kind: TokenKind,
    /// The token that it was exchanged for.
    pub parent: Option<TokenId>,
    /// The run that it belongs to.
    pub run: Option<RunId>,
    /// On whose behalf.
    pub subject: Actor,
    /// The task.
    pub task: Option<TaskId>,
    /// Its id.
    pub token: TokenId,
    /// Keyed digest of the user's words that were attested for the task.
    pub words: Option<Digest>,
}

/// A flag that is left out of an entry.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

/// What the office orders.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OrderKind {
    /// Accept a tool as it is now.
    AcceptPin {
        /// SHA-256 of name, description, schema and annotations.
        pin: Digest,
        /// The tool.
        tool: ToolId,
    },
    /// Answer a question with yes.
    Approve {
        /// The question.
        approval: ApprovalId,
        /// Digest of all that is approved: chain, task, action, upstream, pin, bytes, labels, plan.
        digest: Digest,
        /// Places of the values that the person says are right for the task, each once, in order. They count once the yes has
        /// passed. Absent where there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        endorses: Vec<u16>,
        /// Good until.
        expires: Moment,
    },
    /// Answer a question with no.
    Deny {
        /// The question.
        approval: ApprovalId,
    },
    /// Nothing this actor holds is good any more, and it may not act.
    Kill {
        /// Whom.
        actor: Actor,
        /// Tokens below this epoch are dead.
        epoch: u64,
    },
    /// A tool is not accepted any more, in whatever form.
    Quarantine {
        /// The tool.
        tool: ToolId,
    },
    /// A version of a model is held back until it was scanned anew and released again.
    QuarantineModel {
        /// The model.
        model: ModelId,
        /// The version.
        version: Digest,
    },
    /// Nothing is sent to this route any more, and so nothing comes from it: a server, a service or a model.
    QuarantineSource {
        /// The route.
        route: RouteId,
    },
    /// A version of a model may be served, in the place of the one that was released before.
    ReleaseModel {
        /// Whether what its scan could not look into is accepted.
        accepts_doubt: bool,
        /// The model.
        model: ModelId,
        /// The version.
        version: Digest,
    },
    /// The route is used again.
    ReleaseSource {
        /// The route.
        route: RouteId,
    },
    /// One token is not good any more.
    Revoke {
        /// Which.
        token: TokenId,
    },
    /// A version of a model may never be served again.
    RevokeModel {
        /// The model.
        model: ModelId,
        /// The version.
        version: Digest,
    },
    /// The actor may act again, with new tokens.
    Unkill {
        /// Whom.
        actor: Actor,
    },
}

/// An order to the gates; its sequence is its ledger index.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Who gave it.
    pub by: Option<HumanId>,
    /// Its id.
    pub id: OrderId,
    /// What is ordered.
    pub order: OrderKind,
}

/// Something was done in the office that is no order.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OfficeAct {
    /// A client credential was removed.
    CredentialRemoved {
        /// Who did it.
        by: Option<HumanId>,
        /// Which.
        credential: CredentialId,
    },
    /// A one-time link to the console was opened.
    LinkOpened {
        /// Who did it; nobody for the operator.
        by: Option<HumanId>,
        /// For whom.
        human: HumanId,
    },
    /// A console session was ended by its holder.
    SessionEnded {
        /// By whom.
        by: HumanId,
    },
    /// The house was restored from a backup; entries from here on follow the backup's, whatever came after it before.
    Restored {
        /// Entries of the backup.
        entries: u64,
        /// Orders that were given since, and that follow.
        orders: u64,
    },
    /// A console session was opened.
    SessionOpened {
        /// For whom.
        by: HumanId,
    },
    /// An upstream secret was sealed.
    SecretSet {
        /// Who did it.
        by: Option<HumanId>,
        /// Which.
        secret: SecretId,
    },
    /// Somebody not allowed to tried something.
    Denied {
        /// Who, if known.
        by: Option<HumanId>,
        /// Stable code of the refusal.
        code: String,
    },
}

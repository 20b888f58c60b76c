//! What another gate said of data that came, and what became of that.

use alcaide_inventory::id::PeerId;
use alcaide_label::Label;
use serde::{Deserialize, Serialize};

/// A statement about labels that came with a call or an answer, or should have.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What became of it.
    pub fate: ClaimFate,
    /// The label that it claims, where its signature held.
    pub label: Option<Label>,
    /// The declared peer that it is of, or whose it should have been.
    pub peer: Option<PeerId>,
}

/// Whether a statement counted, and why not.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimFate {
    /// It is the peer's over exactly this content: the content has its label, or a worse one that is declared.
    Accepted,
    /// It names another audience.
    Audience,
    /// It is about other content, or content was added beside what it is about.
    Content,
    /// It is no statement of a form that is known.
    Form,
    /// Of a declared peer, but its key is none of those that are declared.
    Key,
    /// There is none.
    Missing,
    /// It is of nobody who is declared, or of another peer than the one that answers.
    Peer,
    /// The peer's, about other content than this call's: it was handed on. Its label counts beside.
    Relayed,
    /// It answers another request, or is of another task.
    Request,
    /// Its signature does not fit.
    Signature,
    /// It has ended, or its times cannot be right.
    Times,
}

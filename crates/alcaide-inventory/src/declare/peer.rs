//! Peers: other gates, or agents behind them, whose signed word about labels counts for something.

use alcaide_label::{Confidentiality, Integrity, Label};
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// A gate of another house.
///
/// Who controls its keys can make this house take text for as good as `integrity` and `confidentiality` say, from its
/// servers alone, and nothing beyond.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Peer {
    /// Its trust domain: what its statements name as their issuer.
    pub trust_domain: String,
    /// Its public keys for label statements, as a JWK Set (RFC 7517, section 5): what it publishes.
    pub jwks: String,
    /// The tool servers that it answers for: `mcp` routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Name>,
    /// Agents and workloads by which it calls here: what they send without its statement is strangers' text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<Name>,
    /// The best that it may claim of who can have written its answers; untrusted where nothing is said.
    #[serde(default)]
    pub integrity: Integrity,
    /// The least that its answers are confidential, whatever it claims; confidential where nothing is said.
    #[serde(default)]
    pub confidentiality: Confidentiality,
}

impl Peer {
    /// The label that its answers have at least.
    #[must_use]
    pub const fn bound(&self) -> Label {
        Label { confidentiality: self.confidentiality, integrity: self.integrity }
    }
}

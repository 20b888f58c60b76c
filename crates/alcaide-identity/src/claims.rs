//! The claims of an access token, as they stand on the wire.

use alcaide_inventory::declare::Role;
use alcaide_inventory::{RunId, TaskId, TokenId, UnitId};
use serde::{Deserialize, Serialize};

/// Claims of an RFC 9068 access token with the house's additions (prefix `alc_`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// SPIFFE id of the principal on whose behalf.
    pub sub: String,
    /// Whom the token is for; exactly one.
    pub aud: String,
    /// Who asked for it: the credential's or program's id.
    pub client_id: String,
    /// Issued at, in seconds.
    pub iat: u64,
    /// Ends at, in seconds.
    pub exp: u64,
    /// The token's own id.
    pub jti: TokenId,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn: Option<TaskId>,
    /// Who acts, where it is not the subject itself; nested: who acted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// The key that the token is bound to (RFC 9449, section 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Grants that the token is narrowed to, separated by spaces; all of the actor's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Epoch of each in the chain when it was issued: the actor first, then the subject, then earlier actors.
    pub alc_epochs: Vec<u64>,
    /// The acting principal's unit.
    pub alc_unit: UnitId,
    /// The run of the agent's program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alc_run: Option<RunId>,
    /// SHA-256 of the token that this one was exchanged for, lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alc_parent: Option<String>,
    /// Ids of the tokens that this one descends from, newest first; revoking one revokes this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alc_ancestors: Vec<TokenId>,
    /// Office roles; only in tokens for the office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alc_roles: Option<OfficeRoles>,
    /// The user's words for this task were attested when it was minted: SHA-256 of their sealed form, lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alc_words: Option<String>,
}

/// One actor of the chain (RFC 8693, section 4.1).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Act {
    /// SPIFFE id.
    pub sub: String,
    /// Who acted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Act>>,
}

/// Proof-of-possession key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Confirmation {
    /// RFC 7638 thumbprint, base64url.
    pub jkt: String,
}

/// Roles in the office.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct OfficeRoles(pub Vec<Role>);

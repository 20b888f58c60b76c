//! Client assertions (`private_key_jwt`): a program proves that it holds the key it enrolled.
//!
//! Source: RFC 7523, sections 2.2 and 3; the audience is the issuer only.

use std::time::Duration;

use alcaide_inventory::{CredentialId, Moment};
use alcaide_seal::digest::{Sha256Digest, sha256};
use alcaide_seal::jwk::Jwk;
use alcaide_seal::jws::{self, JwsError, KeySet, KeySetError};
use serde::Deserialize;

use crate::token::{CLOCK_SKEW, Verified};

/// `client_assertion_type` of RFC 7523.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// `typ` of a client assertion.
pub const ASSERTION_TYP: &str = "JWT";
/// Longest life of an assertion.
pub const ASSERTION_LIFE_MAX: Duration = Duration::from_secs(5 * 60);

/// Why an assertion was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// Signature, form, type or key.
    #[error("the client assertion was not accepted: {0}")]
    Jws(#[from] JwsError),
    /// The payload has not the claims of RFC 7523.
    #[error("the client assertion's claims could not be read: {why}")]
    Claims {
        /// What is wrong.
        why: String,
    },
    /// The key's name cannot be one.
    #[error("the client assertion names its key in a way that cannot be: {0}")]
    KeyName(#[from] KeySetError),
    /// `iss` and `sub` are not the credential's id.
    #[error("the client assertion speaks for another client than its key")]
    Client,
    /// The audience is not the issuer, or not it alone.
    #[error("the client assertion's audience is not this issuer alone")]
    Audience,
    /// Ended, in the future, or too long-lived.
    #[error("the client assertion's times are not within 5 minutes of now")]
    Times,
}

/// An assertion that held. Whether it was seen before is asked of memory with `id`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientProof {
    /// Which credential.
    pub credential: CredentialId,
    /// What the replay memory keeps until `forget`.
    pub id: Sha256Digest,
    /// From then on it has ended in any case.
    pub forget: Moment,
}

#[derive(Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: u64,
    #[serde(default)]
    iat: Option<u64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// The credential id that an assertion says it is of, before anything is verified: which key to look up.
#[must_use]
pub fn claimed_credential(compact: &str) -> Option<CredentialId> {
    let payload = jws::unverified_payload(compact).ok()?;
    let claims: AssertionClaims = serde_json::from_slice(&payload).ok()?;
    claims.iss.parse().ok()
}

/// Checks an assertion with the key that was enrolled as `credential`.
///
/// # Errors
/// An [`AssertionError`] per broken rule.
pub fn verify(
    compact: &str,
    credential: CredentialId,
    key: &Jwk,
    issuer: &str,
    now: Moment,
) -> Result<Verified<ClientProof>, AssertionError> {
    // The name of the key is the client's own affair: whatever it is, the enrolled key must fit.
    let mut keys = KeySet::new();
    keys.insert_named(&jws::unverified_kid(compact)?, key.clone())?;
    let payload = jws::verify(compact, ASSERTION_TYP, &keys)?;
    let claims: AssertionClaims = serde_json::from_slice(&payload)
        .map_err(|error| AssertionError::Claims { why: error.to_string() })?;
    let id = credential.to_string();
    if claims.iss != id || claims.sub != id {
        return Err(AssertionError::Client);
    }
    let audience_ok = match &claims.aud {
        OneOrMany::One(one) => one == issuer,
        OneOrMany::Many(many) => matches!(many.as_slice(), [one] if one == issuer),
    };
    if !audience_ok {
        return Err(AssertionError::Audience);
    }
    let expires = Moment::from_secs(claims.exp);
    let issued_ok = claims.iat.is_none_or(|iat| Moment::from_secs(iat) <= now + CLOCK_SKEW);
    if expires <= now || expires > now + ASSERTION_LIFE_MAX + CLOCK_SKEW || !issued_ok {
        return Err(AssertionError::Times);
    }
    if claims.jti.is_empty() || claims.jti.len() > 256 {
        return Err(AssertionError::Claims { why: "jti is empty or longer than 256 bytes".into() });
    }
    let id = sha256(format!("{id}\n{}", claims.jti).as_bytes());
    Ok(Verified::new(ClientProof { credential, id, forget: expires + CLOCK_SKEW }))
}

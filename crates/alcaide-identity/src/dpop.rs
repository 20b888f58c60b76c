//! Demonstrating proof of possession (RFC 9449): the holder of a key-bound token proves its key for one request.

use std::time::Duration;

use alcaide_inventory::Moment;
use alcaide_seal::digest::{Sha256Digest, sha256};
use alcaide_seal::jws::{self, JwsError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// `typ` of a proof (RFC 9449, section 4.2).
pub const DPOP_TYP: &str = "dpop+jwt";
/// How old a proof may be, and how far in the future: no longer, so that the replay memory stays small.
pub const DPOP_WINDOW: Duration = Duration::from_secs(60);

/// Why a proof was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DpopError {
    /// Signature, form, type or key.
    #[error("the DPoP proof was not accepted: {0}")]
    Jws(#[from] JwsError),
    /// The payload has not the claims of RFC 9449, section 4.2.
    #[error("the DPoP proof's claims could not be read: {why}")]
    Claims {
        /// What is wrong.
        why: String,
    },
    /// Made for another method.
    #[error("the DPoP proof is for another method")]
    Method,
    /// Made for another URL.
    #[error("the DPoP proof is for another URL")]
    Url,
    /// Too old, or in the future.
    #[error("the DPoP proof is older than 60 s or in the future")]
    Window,
    /// Made before this gate began to remember proofs, so that a replay could not be seen.
    #[error("the DPoP proof was made before the gate was ready")]
    BeforeStart,
    /// Made for another access token.
    #[error("the DPoP proof is for another access token")]
    Token,
    /// Made with another key than the token is bound to.
    #[error("the DPoP proof is of another key than the access token is bound to")]
    Key,
}

/// The request that a proof must be for.
#[derive(Clone, Copy, Debug)]
pub struct DpopRequest<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// URL without query and fragment, as the caller sees it.
    pub url: &'a str,
    /// Compact access token, where one goes with it.
    pub access_token: Option<&'a str>,
    /// Thumbprint of the key that the token is bound to, where there is one.
    pub bound_to: Option<&'a str>,
    /// Proofs from before are not taken: the replay memory begins here.
    pub not_before: Moment,
}

/// A proof that held. Whether it was seen before is asked of memory with `id`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct DpopProof {
    /// RFC 7638 thumbprint of the key, base64url.
    pub thumbprint: String,
    /// SHA-256 over key and `jti`: what the replay memory keeps until [`DpopProof::forget`].
    pub id: Sha256Digest,
    /// From then on the proof is too old in any case.
    pub forget: Moment,
}

#[derive(Deserialize)]
struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    #[serde(default)]
    ath: Option<String>,
}

impl DpopProof {
    /// Checks a proof against its request.
    ///
    /// # Errors
    /// A [`DpopError`] per rule of RFC 9449, section 4.3, that does not hold.
    pub fn verify(compact: &str, request: &DpopRequest<'_>, now: Moment) -> Result<Self, DpopError> {
        let (key, payload) = jws::verify_embedded(compact, DPOP_TYP)?;
        let claims: ProofClaims =
            serde_json::from_slice(&payload).map_err(|error| DpopError::Claims { why: error.to_string() })?;
        if claims.jti.is_empty() || claims.jti.len() > 256 {
            return Err(DpopError::Claims { why: "jti is empty or longer than 256 bytes".into() });
        }
        if claims.htm != request.method {
            return Err(DpopError::Method);
        }
        let bare = claims.htu.split(['?', '#']).next().unwrap_or_default();
        if !same_url(bare, request.url) {
            return Err(DpopError::Url);
        }
        let issued = Moment::from_secs(claims.iat);
        if issued > now + DPOP_WINDOW || now > issued + DPOP_WINDOW {
            return Err(DpopError::Window);
        }
        if issued < request.not_before {
            return Err(DpopError::BeforeStart);
        }
        if let Some(token) = request.access_token {
            let wanted = URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()).as_bytes());
            if claims.ath.as_deref() != Some(wanted.as_str()) {
                return Err(DpopError::Token);
            }
        }
        let thumbprint = key.thumbprint().to_string();
        if request.bound_to.is_some_and(|bound| bound != thumbprint) {
            return Err(DpopError::Key);
        }
        let id = sha256(format!("{thumbprint}\n{}", claims.jti).as_bytes());
        Ok(Self { thumbprint, id, forget: issued + DPOP_WINDOW + DPOP_WINDOW })
    }
}

/// Scheme and host compare without case, the rest byte for byte (RFC 3986, section 6.2.2.1).
fn same_url(a: &str, b: &str) -> bool {
    let split = |url: &str| -> Option<(String, String)> {
        let (scheme, rest) = url.split_once("://")?;
        let cut = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(cut)?;
        let path = if path.is_empty() { "/" } else { path };
        Some((format!("{scheme}://{host}").to_ascii_lowercase(), path.to_owned()))
    };
    match (split(a), split(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_compare_as_rfc_3986_says() {
        assert!(same_url("HTTP://Gate.Example/v1", "http://gate.example/v1"));
        assert!(same_url("http://gate.example", "http://gate.example/"));
        assert!(!same_url("http://gate.example/V1", "http://gate.example/v1"));
        assert!(!same_url("http://gate.example:80/", "http://gate.example/"));
        assert!(!same_url("gate.example/", "gate.example/"));
    }
}

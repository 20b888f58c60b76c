//! Label statements: what one gate says to another of the data that it sends. Signed, short-lived, about exact content.
//!
//! A statement is a compact JWS of type [`STATEMENT_TYP`]. It names no person, tool, address or value: domains of trust,
//! digests, enums and times. It can only be made of what its maker knows, and whoever reads it takes it for no more than
//! its own owner allows the maker to claim; that, whether the content is the one that came, and which call it answers, is
//! the reader's business. Here signature, form, issuer, audience and times are checked.
//!
//! How data moves: `Statement → [sign] → compact text → [claimed_issuer] → keys of that peer → [verify] →
//! Verified<Statement>`.
//!
//! Sources: RFC 7515, RFC 7519 section 4.1, RFC 8725 sections 3.11 (types) and 3.12 (disjoint rules).

use std::time::Duration;

use alcaide_inventory::Moment;
use alcaide_label::{Confidentiality, Integrity, Label};
use alcaide_seal::digest::{Sha256Digest, sha256};
use alcaide_seal::jws::{self, JwsError, KeySet, SignError, Signer};
use serde::{Deserialize, Serialize};

use crate::spiffe::TrustDomain;
use crate::token::{CLOCK_SKEW, Verified};

/// `typ` of a label statement.
pub const STATEMENT_TYP: &str = "alcaide-label+jwt";
/// Version of the form.
pub const STATEMENT_VERSION: u32 = 1;
/// Life of a statement that is made here: as long as a slow tool takes, and no longer.
pub const STATEMENT_LIFE: Duration = Duration::from_secs(5 * 60);
/// Longest life of one that is taken.
pub const STATEMENT_LIFE_MAX: Duration = Duration::from_secs(10 * 60);
/// Most kinds of content in one statement.
pub const KINDS_MAX: usize = 16;
/// Most sources in one statement.
pub const SOURCES_MAX: usize = 32;
/// Longest word for a kind of content, in bytes.
const KIND_BYTES_MAX: usize = 32;

/// What a statement is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Covers {
    /// Method and parameters of a request.
    Params,
    /// The result of a request.
    Result {
        /// SHA-256 of the compact statement that came with the request: no other request is answered by it.
        answers: Sha256Digest,
    },
}

/// What a gate says of some content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// Who says it.
    pub issuer: TrustDomain,
    /// To whom.
    pub audience: TrustDomain,
    /// What it is about.
    pub covers: Covers,
    /// Digest of that content in its canonical form.
    pub content: Sha256Digest,
    /// A pseudonym of the task: that of the one who asked, the same in every statement to one audience.
    pub task: Sha256Digest,
    /// The label.
    pub label: Label,
    /// Kinds of content in it: `personal`, `card`, …; 1 to 32 of `a-z` and `_` each.
    pub kinds: Vec<Box<str>>,
    /// Where it came from, as digests that only the issuer can read.
    pub sources: Vec<Sha256Digest>,
    /// Tells statements of equal content apart.
    pub id: Sha256Digest,
    /// When it was made, in whole seconds.
    pub issued: Moment,
    /// When it ends, in whole seconds.
    pub expires: Moment,
}

/// Why a statement was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Signature, form, type or key.
    #[error("the label statement was not accepted: {0}")]
    Jws(#[from] JwsError),
    /// Signing failed.
    #[error("the label statement could not be signed: {0}")]
    Sign(#[from] SignError),
    /// The payload has not exactly the claims of this version.
    #[error("the label statement's claims could not be read: {why}")]
    Claims {
        /// What is wrong.
        why: String,
    },
    /// It is another one's than whose keys it was verified with.
    #[error("the label statement is of another issuer")]
    Issuer,
    /// It was made for somebody else.
    #[error("the label statement is meant for another audience")]
    Audience,
    /// It has ended, is of the future, or lives longer than statements may.
    #[error("the label statement's times are not right now")]
    Times,
}

/// The claims as they stand on the wire. A claim more or less is another version.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    v: u32,
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
    jti: Sha256Digest,
    task: Sha256Digest,
    of: Of,
    content: Sha256Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    re: Option<Sha256Digest>,
    integrity: Integrity,
    confidentiality: Confidentiality,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sources: Vec<Sha256Digest>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    Params,
    Result,
}

/// A signed statement, and the digest by which an answer names it.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The compact JWS.
    pub compact: String,
    /// SHA-256 of it.
    pub digest: Sha256Digest,
}

impl Statement {
    /// Signs it.
    ///
    /// # Errors
    /// [`StatementError::Claims`] if it has more kinds or sources than a statement may, or a kind that is no word;
    /// [`StatementError::Times`] if it would live longer than any reader takes; [`StatementError::Sign`].
    pub fn sign(&self, signer: &Signer) -> Result<Signed, StatementError> {
        check_lists(&self.kinds, &self.sources)?;
        if self.expires <= self.issued || self.expires > self.issued + STATEMENT_LIFE_MAX {
            return Err(StatementError::Times);
        }
        let (of, re) = match self.covers {
            Covers::Params => (Of::Params, None),
            Covers::Result { answers } => (Of::Result, Some(answers)),
        };
        let claims = Claims {
            v: STATEMENT_VERSION,
            iss: self.issuer.as_str().to_owned(),
            aud: self.audience.as_str().to_owned(),
            iat: self.issued.secs(),
            exp: self.expires.secs(),
            jti: self.id,
            task: self.task,
            of,
            content: self.content,
            re,
            integrity: self.label.integrity,
            confidentiality: self.label.confidentiality,
            kinds: self.kinds.clone(),
            sources: self.sources.clone(),
        };
        let compact = signer.sign(STATEMENT_TYP, &claims)?;
        let digest = digest(&compact);
        Ok(Signed { compact, digest })
    }

    fn read(payload: &[u8]) -> Result<Self, StatementError> {
        let wrong = |why: &str| StatementError::Claims { why: why.to_owned() };
        let claims: Claims = serde_json::from_slice(payload)
            .map_err(|error| StatementError::Claims { why: error.to_string() })?;
        if claims.v != STATEMENT_VERSION {
            return Err(StatementError::Claims { why: format!("version {} is not known", claims.v) });
        }
        check_lists(&claims.kinds, &claims.sources)?;
        let covers = match (claims.of, claims.re) {
            (Of::Params, None) => Covers::Params,
            (Of::Result, Some(answers)) => Covers::Result { answers },
            (Of::Params, Some(_)) => return Err(wrong("a request answers nothing")),
            (Of::Result, None) => return Err(wrong("a result names no request")),
        };
        Ok(Self {
            issuer: claims.iss.parse().map_err(|_| wrong("iss is no trust domain"))?,
            audience: claims.aud.parse().map_err(|_| wrong("aud is no trust domain"))?,
            covers,
            content: claims.content,
            task: claims.task,
            label: Label { confidentiality: claims.confidentiality, integrity: claims.integrity },
            kinds: claims.kinds,
            sources: claims.sources,
            id: claims.jti,
            issued: Moment::from_secs(claims.iat),
            expires: Moment::from_secs(claims.exp),
        })
    }
}

/// SHA-256 of a compact statement: what an answer to it names.
#[must_use]
pub fn digest(compact: &str) -> Sha256Digest {
    sha256(compact.as_bytes())
}

/// Whose a statement says it is, before anything is verified: whose keys to verify it with.
///
/// # Errors
/// [`StatementError::Jws`] if there is no payload to read; [`StatementError::Claims`] if it is no statement's.
pub fn claimed_issuer(compact: &str) -> Result<TrustDomain, StatementError> {
    Ok(Statement::read(&jws::unverified_payload(compact)?)?.issuer)
}

/// Checks that `issuer` says this to `audience` now, by one of `keys`.
///
/// # Errors
/// A [`StatementError`] per broken rule. The signature comes before all else.
pub fn verify(
    compact: &str,
    keys: &KeySet,
    issuer: &TrustDomain,
    audience: &TrustDomain,
    now: Moment,
) -> Result<Verified<Statement>, StatementError> {
    let payload = jws::verify(compact, STATEMENT_TYP, keys)?;
    let statement = Statement::read(&payload)?;
    if statement.issuer != *issuer {
        return Err(StatementError::Issuer);
    }
    if statement.audience != *audience {
        return Err(StatementError::Audience);
    }
    let (issued, expires) = (statement.issued, statement.expires);
    if expires <= now
        || issued > now + CLOCK_SKEW
        || expires <= issued
        || expires > issued + STATEMENT_LIFE_MAX
    {
        return Err(StatementError::Times);
    }
    Ok(Verified::new(statement))
}

/// Reads the bytes as a statement, for tests and the fuzzer: never panics, keeps nothing. Whether it was one by form.
#[must_use]
pub fn probe(bytes: &[u8]) -> bool {
    let by_form = std::str::from_utf8(bytes).is_ok_and(|text| claimed_issuer(text).is_ok());
    // Seldom do random bytes get past base64: the payload is tried by itself as well.
    by_form || Statement::read(bytes).is_ok()
}

fn check_lists(kinds: &[Box<str>], sources: &[Sha256Digest]) -> Result<(), StatementError> {
    let word = |kind: &str| {
        (1..=KIND_BYTES_MAX).contains(&kind.len())
            && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let why = if kinds.len() > KINDS_MAX {
        format!("more than {KINDS_MAX} kinds")
    } else if sources.len() > SOURCES_MAX {
        format!("more than {SOURCES_MAX} sources")
    } else if kinds.iter().any(|kind| !word(kind)) {
        "a kind is no word of 1 to 32 of `a-z` and `_`".to_owned()
    } else {
        return Ok(());
    };
    Err(StatementError::Claims { why })
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;

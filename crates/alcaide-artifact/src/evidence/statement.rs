//! A statement: about which files, what, and for how long.

use alcaide_seal::Sha256Digest;
use serde::{Deserialize, Serialize};

use super::claim::{Claim, ScanClaim, SignatureClaim};
use super::error::EvidenceError;
use crate::scanner::shown;
use crate::signing::{Manifest, Scheme};

/// What a statement is about: exactly these files under exactly these names.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    name: String,
    digest: Digests,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Digests {
    #[serde(rename = "alcaide-manifest-1")]
    manifest: Sha256Digest,
    sha256: Sha256Digest,
}

impl Subject {
    /// The files of a manifest.
    ///
    /// # Errors
    /// [`EvidenceError::OtherScheme`] if they were not hashed whole by SHA-256.
    pub fn of(manifest: &Manifest) -> Result<Self, EvidenceError> {
        if manifest.scheme() != Scheme::STANDARD {
            return Err(EvidenceError::OtherScheme);
        }
        let sha256 = manifest.only_digest().unwrap_or_else(|| manifest.root());
        let digest = Digests { manifest: manifest.digest(), sha256 };
        Ok(Self { name: shown(manifest.name()), digest })
    }

    /// What the model was called when it was looked at; nothing depends on it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which version of a model it is: the digest over all names and bytes.
    #[must_use]
    pub const fn version(&self) -> Sha256Digest {
        self.digest.manifest
    }

    /// What other programs compare: the file's SHA-256, or the root digest of OMS.
    #[must_use]
    pub const fn sha256(&self) -> Sha256Digest {
        self.digest.sha256
    }
}

/// From when until when a statement counts, in seconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Term {
    issued_at: u64,
    expires_at: Option<u64>,
}

impl Term {
    /// From `issued_at` on, and before `expires_at` where it ends.
    ///
    /// # Errors
    /// [`EvidenceError::Term`].
    pub const fn new(issued_at: u64, expires_at: Option<u64>) -> Result<Self, EvidenceError> {
        match expires_at {
            Some(end) if end <= issued_at => Err(EvidenceError::Term),
            _ => Ok(Self { issued_at, expires_at }),
        }
    }

    /// When it begins.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// When it ends, if it does.
    #[must_use]
    pub const fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }

    /// Whether it counts at a time.
    ///
    /// # Errors
    /// [`EvidenceError::NotYet`], [`EvidenceError::Over`].
    pub const fn check(&self, at: u64) -> Result<(), EvidenceError> {
        match self.expires_at {
            _ if at < self.issued_at => Err(EvidenceError::NotYet { from: self.issued_at }),
            Some(end) if at >= end => Err(EvidenceError::Over { until: end }),
            _ => Ok(()),
        }
    }
}

/// What is claimed of what, and for how long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    subject: Subject,
    claim: Claim,
    term: Term,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StatementText {
    #[serde(rename = "_type")]
    kind: String,
    subject: [Subject; 1],
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Box<serde_json::value::RawValue>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Predicate<R> {
    issued_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    report: R,
}

impl Statement {
    /// Says `claim` of `subject` for `term`.
    #[must_use]
    pub const fn new(subject: Subject, claim: Claim, term: Term) -> Self {
        Self { subject, claim, term }
    }

    /// About what.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// For how long.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    pub(super) fn write(&self) -> Result<Vec<u8>, EvidenceError> {
        let (kind, predicate) = match &self.claim {
            Claim::Scan(report) => (SCAN, self.predicate(report)),
            Claim::Signature(report) => (SIGNATURE, self.predicate(report)),
        };
        let text = StatementText {
            kind: STATEMENT.to_owned(),
            subject: [self.subject.clone()],
            predicate_type: kind.to_owned(),
            predicate: predicate.map_err(|error| unwritten(&error))?,
        };
        serde_json::to_vec(&text).map_err(|error| unwritten(&error))
    }

    pub(super) fn read(payload: &[u8]) -> Result<Self, EvidenceError> {
        let text: StatementText = serde_json::from_slice(payload).map_err(|error| unread(&error))?;
        if text.kind != STATEMENT {
            return Err(EvidenceError::Type { given: shown(&text.kind) });
        }
        let [subject] = text.subject;
        let (claim, term) = match text.predicate_type.as_str() {
            SCAN => {
                let (report, term) = taken::<ScanClaim>(&text.predicate)?;
                (Claim::Scan(report), term)
            }
            SIGNATURE => {
                let (report, term) = taken::<SignatureClaim>(&text.predicate)?;
                (Claim::Signature(report), term)
            }
            other => return Err(EvidenceError::Type { given: shown(other) }),
        };
        Ok(Self { subject, claim, term })
    }

    fn predicate<R: Serialize>(
        &self,
        report: R,
    ) -> Result<Box<serde_json::value::RawValue>, serde_json::Error> {
        let Term { issued_at, expires_at } = self.term;
        serde_json::value::to_raw_value(&Predicate { issued_at, expires_at, report })
    }
}

fn taken<R: for<'de> Deserialize<'de>>(
    predicate: &serde_json::value::RawValue,
) -> Result<(R, Term), EvidenceError> {
    let Predicate { issued_at, expires_at, report } =
        serde_json::from_str(predicate.get()).map_err(|error| unread(&error))?;
    Ok((report, Term::new(issued_at, expires_at)?))
}

fn unwritten(error: &serde_json::Error) -> EvidenceError {
    EvidenceError::Malformed { what: "statement", why: error.to_string() }
}

fn unread(error: &serde_json::Error) -> EvidenceError {
    EvidenceError::Malformed { what: "statement", why: super::envelope::place_of(error) }
}

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const SCAN: &str = "urn:alcaide:evidence:scan:1";
const SIGNATURE: &str = "urn:alcaide:evidence:signature:1";

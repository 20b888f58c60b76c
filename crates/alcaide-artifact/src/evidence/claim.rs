//! What a statement claims: what a scan found, or who signed.

use alcaide_finding::Rating;
use alcaide_seal::Sha256Digest;
use serde::{Deserialize, Serialize};

use super::error::EvidenceError;
use super::statement::Subject;
use crate::packs::{PACK_VERSION, pack_digest};
use crate::report::{Report, Verdict};
use crate::signing::{Authentic, Scheme};

/// What is claimed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Claim {
    /// What a scan found.
    Scan(ScanClaim),
    /// Who signed exactly these files.
    Signature(SignatureClaim),
}

impl Claim {
    /// The word for its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Scan(_) => "scan",
            Self::Signature(_) => "signature",
        }
    }
}

/// How many findings of each rating.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Runs code of the file's maker.
    pub critical: u64,
    /// Reads, writes or sends what it should not.
    pub high: u64,
    /// Stops a program, or needs a careless loader.
    pub medium: u64,
    /// Little, or only together with something else.
    pub low: u64,
    /// Beyond those that a report lists: their ratings are not kept, and they count as harmful.
    pub unlisted: u64,
}

impl Counts {
    const fn is_harmful(&self) -> bool {
        self.critical > 0 || self.high > 0 || self.medium > 0 || self.low > 0 || self.unlisted > 0
    }
}

/// The rules that a scan went by.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Packs {
    /// Version of the packs.
    pub version: String,
    /// [`pack_digest`] of the program that scanned.
    pub digest: Sha256Digest,
    /// Version of that program.
    pub program: String,
}

impl Packs {
    /// Those of this program.
    #[must_use]
    pub fn own() -> Self {
        Self {
            version: PACK_VERSION.to_owned(),
            digest: pack_digest(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// What a scan of all files of a model found. Its verdict follows from its numbers, when it is read too.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "ScanText", into = "ScanText")]
pub struct ScanClaim {
    verdict: Verdict,
    findings: Counts,
    in_doubt: u64,
    files: u64,
    bytes: u64,
    packs: Packs,
}

/// The same with nothing checked.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ScanText {
    verdict: Verdict,
    findings: Counts,
    in_doubt: u64,
    files: u64,
    bytes: u64,
    packs: Packs,
}

impl TryFrom<ScanText> for ScanClaim {
    type Error = EvidenceError;

    fn try_from(text: ScanText) -> Result<Self, EvidenceError> {
        let ScanText { verdict, findings, in_doubt, files, bytes, packs } = text;
        if verdict != verdict_of(&findings, in_doubt) || in_doubt > files || files == 0 {
            return Err(EvidenceError::Contradiction { verdict: verdict.as_str() });
        }
        Ok(Self { verdict, findings, in_doubt, files, bytes, packs })
    }
}

impl From<ScanClaim> for ScanText {
    fn from(claim: ScanClaim) -> Self {
        let ScanClaim { verdict, findings, in_doubt, files, bytes, packs } = claim;
        Self { verdict, findings, in_doubt, files, bytes, packs }
    }
}

impl ScanClaim {
    /// What the model is: what its worst file is.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many findings of each rating, in all files.
    #[must_use]
    pub const fn findings(&self) -> &Counts {
        &self.findings
    }

    /// Files that are inconclusive.
    #[must_use]
    pub const fn in_doubt(&self) -> u64 {
        self.in_doubt
    }

    /// How many files were looked at.
    #[must_use]
    pub const fn files(&self) -> u64 {
        self.files
    }

    /// How many bytes they have.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The rules that it went by.
    #[must_use]
    pub const fn packs(&self) -> &Packs {
        &self.packs
    }
}

/// Sums up what readers said, file by file.
#[derive(Debug, Default)]
pub(super) struct Tally {
    findings: Counts,
    in_doubt: u64,
    files: u64,
    bytes: u64,
}

impl Tally {
    /// Adds one file; without a report nobody could look into it.
    pub(super) fn add(&mut self, bytes: u64, report: Option<&Report>) {
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let in_doubt = report.is_none_or(|report| report.verdict == Verdict::Inconclusive);
        self.in_doubt = self.in_doubt.saturating_add(u64::from(in_doubt));
        let Some(report) = report else { return };
        let counts = &mut self.findings;
        for finding in &report.findings {
            let count = match finding.rating {
                Rating::Critical => &mut counts.critical,
                Rating::High => &mut counts.high,
                Rating::Medium => &mut counts.medium,
                Rating::Low => &mut counts.low,
                Rating::None => continue,
            };
            *count = count.saturating_add(1);
        }
        counts.unlisted = counts.unlisted.saturating_add(report.findings_left_out);
    }

    pub(super) fn finish(self) -> ScanClaim {
        let Self { findings, in_doubt, files, bytes } = self;
        let verdict = verdict_of(&findings, in_doubt);
        ScanClaim { verdict, findings, in_doubt, files, bytes, packs: Packs::own() }
    }
}

const fn verdict_of(findings: &Counts, in_doubt: u64) -> Verdict {
    match (findings.is_harmful(), in_doubt) {
        (true, _) => Verdict::Unsafe,
        (false, 0) => Verdict::Clean,
        (false, _) => Verdict::Inconclusive,
    }
}

/// Who signed exactly the files of a subject.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureClaim {
    /// The key that signed, by the SHA-256 of its PEM text.
    key: Sha256Digest,
    /// The root of the certificate that vouches for the key, by its SHA-256; absent where the key is trusted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<Sha256Digest>,
}

impl SignatureClaim {
    /// Takes a bundle that somebody trusted signed, if it is about exactly the files of `subject`.
    ///
    /// # Errors
    /// [`EvidenceError::OtherScheme`], [`EvidenceError::OtherFiles`].
    pub fn of(signed: &Authentic, subject: &Subject) -> Result<Self, EvidenceError> {
        let manifest = signed.manifest();
        if manifest.scheme() != Scheme::STANDARD {
            return Err(EvidenceError::OtherScheme);
        }
        if manifest.digest() != subject.version() {
            let first = manifest.first().ok_or(EvidenceError::OtherScheme)?;
            return Err(EvidenceError::OtherFiles { listed: manifest.len(), first });
        }
        let signer = signed.signer();
        Ok(Self { key: signer.key().0, root: signer.root() })
    }

    /// The key that signed, by the SHA-256 of its PEM text.
    #[must_use]
    pub const fn key(&self) -> Sha256Digest {
        self.key
    }

    /// The root that vouches for it, by the SHA-256 of its certificate.
    #[must_use]
    pub const fn root(&self) -> Option<Sha256Digest> {
        self.root
    }
}

//! Why evidence was not made, or not believed: one variant for each rule that is broken.

use alcaide_seal::ecdsa::EcSignError;

use crate::signing::{SigningError, TreePath};

/// Why evidence was not made, or not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    // The making.
    /// The files have no digest that a statement could be about.
    #[error(transparent)]
    Files(#[from] SigningError),
    /// A file could not be read, so nothing can be said of the model.
    #[error("`{path}` could not be read: {why}")]
    Unread {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// The signer of a model hashed its files in another way, so that its bundle cannot be compared with what was scanned.
    #[error("the signature is over other digests than whole files by SHA-256")]
    OtherScheme,
    /// A signature of other files.
    #[error("the signature is not of these files: it lists {listed}, among them `{first}`")]
    OtherFiles {
        /// How many files it lists.
        listed: usize,
        /// The first of them.
        first: TreePath,
    },
    /// A term that ends before it begins.
    #[error("evidence ends after it begins, not before")]
    Term,
    /// No signature could be made.
    #[error(transparent)]
    Sign(#[from] EcSignError),

    // The envelope.
    /// Too large to be read.
    #[error("the envelope has {bytes} bytes, {max} are read")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many are read.
        max: usize,
    },
    /// Not the JSON of an envelope or a statement.
    #[error("the {what} cannot be read: {why}")]
    Malformed {
        /// Envelope or statement.
        what: &'static str,
        /// Where and what, without anything of its content.
        why: String,
    },
    /// Signed by a key that is not trusted for it.
    #[error("the envelope names key `{hint}`, which is not trusted for evidence here")]
    KeyNotTrusted {
        /// What it names.
        hint: String,
    },
    /// The signature does not fit.
    #[error("the signature of the envelope does not fit: it was changed, or another key signed it")]
    SignatureWrong,

    // The statement.
    /// A statement or predicate of another kind or version.
    #[error("the statement is of type `{given}`, which is not read here")]
    Type {
        /// What it says.
        given: String,
    },
    /// A report that contradicts itself.
    #[error("the report says `{verdict}`, and its own numbers do not")]
    Contradiction {
        /// What it says.
        verdict: &'static str,
    },
    /// Not good yet.
    #[error("the evidence is good from {from} on, in seconds since 1970")]
    NotYet {
        /// When it begins.
        from: u64,
    },
    /// Not good any more.
    #[error("the evidence was good until {until}, in seconds since 1970")]
    Over {
        /// When it ended.
        until: u64,
    },
}

impl EvidenceError {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Files(_) | Self::Unread { .. } => {
                "make the files readable and plain, and register them again"
            }
            Self::OtherScheme => {
                "have the model signed file by file with SHA-256, which is what signers do by default"
            }
            Self::OtherFiles { .. } => {
                "take the bundle that was made for these files, or have them signed again"
            }
            Self::Term => "give an end after the beginning",
            Self::Sign(_) => "look at the key that signs evidence",
            Self::TooLarge { .. } | Self::Malformed { .. } | Self::Type { .. } => {
                "take an envelope as `alcaide evidence export` writes it"
            }
            Self::KeyNotTrusted { .. } => "give the public key of the house that made it",
            Self::SignatureWrong | Self::Contradiction { .. } => {
                "do not believe it; ask the house that made it for its own copy"
            }
            Self::NotYet { .. } => "compare the clocks of both machines",
            Self::Over { .. } => "have the model scanned or signed again",
        }
    }
}

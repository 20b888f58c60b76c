//! What can be wrong with a CryptoTensors file.

use std::io;

use alcaide_container::ReadError;
use alcaide_seal::EntropyError;

/// A file was not read or not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoTensorsError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The header is longer than is taken, or the file ends within it.
    #[error("header claims {bytes} bytes in a file of {there}, at most {MAX} are taken", MAX = super::MAX_HEADER_BYTES)]
    HeaderLength {
        /// What the file says.
        bytes: u64,
        /// Bytes of the file.
        there: u64,
    },
    /// The header is no JSON of the expected shape.
    #[error("{what} is not what the format has: {why}")]
    Form {
        /// `header`, or the name of a field of its metadata.
        what: &'static str,
        /// The broken rule.
        why: String,
    },
    /// The header has another form than the one that was signed.
    #[error(
        "header is not in the form that writers of the format give it, so it is not known what was signed"
    )]
    NotCanonical,
    /// A tensor's place or size does not fit.
    #[error("tensor `{name}` does not fit: {why}")]
    Tensor {
        /// Which.
        name: String,
        /// The broken rule.
        why: &'static str,
    },
    /// The file is a plain one.
    #[error("metadata has no `{field}`: the file is not encrypted, or not whole")]
    Missing {
        /// Which field.
        field: &'static str,
    },
    /// The trusted key did not sign this header.
    #[error("header is not signed by the key that is trusted")]
    Signature,
    /// Another version than 2.
    #[error("file has version `{found}` of the format, version 2 is read")]
    Version {
        /// What the file says.
        found: String,
    },
    /// The file says another cipher than the key is for.
    #[error("file is encrypted with `{found}`, the key is for `{given}`")]
    Cipher {
        /// What the file says.
        found: String,
        /// What the caller brought.
        given: &'static str,
    },
    /// Chunks of a size that is not taken.
    #[error("chunks have {found} bytes, 1 to {MAX} are taken", MAX = super::MAX_CHUNK_BYTES)]
    Chunk {
        /// What the file says.
        found: u64,
    },
    /// A policy that is not evaluated here.
    #[error("file has a policy of its own, which nothing here evaluates")]
    Policy,
    /// A tensor is not encrypted, and the caller did not say that it may be plain.
    #[error("tensor `{name}` is not encrypted, and nothing vouches for its bytes")]
    NotEncrypted {
        /// Which.
        name: String,
    },
    /// There is no such tensor, or it is of the other sort.
    #[error("file has no such tensor `{name}`")]
    Unknown {
        /// Which.
        name: String,
    },
    /// The key of a tensor does not open under the master key.
    #[error("key of tensor `{name}` does not open: another master key, or altered")]
    Key {
        /// Which.
        name: String,
    },
    /// No randomness, no key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// What was written could not be handed on.
    #[error("the file could not be written: {0}")]
    Out(#[from] io::Error),
    /// A tensor changed while it was written.
    #[error("tensor `{name}` changed while it was encrypted")]
    Changed {
        /// Which.
        name: String,
    },
    /// The primitive failed: out of memory.
    #[error("encryption failed inside the cryptographic library")]
    Failed,
}

impl CryptoTensorsError {
    pub(crate) fn form(what: &'static str, why: &dyn std::fmt::Display) -> Self {
        Self::Form { what, why: shown(&why.to_string()) }
    }

    pub(crate) fn tensor(name: &str, why: &'static str) -> Self {
        Self::Tensor { name: shown(name), why }
    }
}

/// Text from outside as a message may show it: at most 80 characters, control characters replaced.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

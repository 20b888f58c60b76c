//! What can be wrong with a sealed file, one enum for each step.

use std::io;

use alcaide_container::ReadError;
use alcaide_seal::EntropyError;
use alcaide_seal::aead::AeadError;
use alcaide_seal::custody::CustodyError;
use alcaide_seal::derive::DeriveError;
use alcaide_seal::hpke::HpkeError;

use crate::reader::Reader;

/// The bytes at the beginning of a file are no header that is taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It does not begin as a sealed file does.
    #[error("this is no sealed file")]
    Magic,
    /// Written by a version or with a suite that this program does not know.
    #[error("sealed file has version {version} and suite {suite}, this program reads version 1 and suite 1")]
    Version {
        /// What the header says.
        version: u16,
        /// What the header says.
        suite: u16,
    },
    /// The file ends within its header.
    #[error("header of the sealed file is cut off: {needed} bytes are needed, {there} are there")]
    Truncated {
        /// Bytes of the header.
        needed: u64,
        /// Bytes of the file.
        there: u64,
    },
    /// A size or a number that the format does not have.
    #[error("header of the sealed file has {what} {found}, which the format does not have")]
    Bound {
        /// Of what.
        what: &'static str,
        /// What the header says.
        found: u64,
    },
    /// The list of readers is not as it is written.
    #[error("header of the sealed file has a broken list of readers: {why}")]
    Readers {
        /// The broken rule.
        why: &'static str,
    },
}

/// The header was not unlocked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// The file was not sealed for this one.
    #[error("the file is not sealed for the {} key {}", .reader.kind, .reader.id)]
    NotAReader {
        /// Who asked.
        reader: Reader,
    },
    /// The key of the file does not open for its reader: altered, or the key is not the one that it claims to be.
    #[error("the key of the file does not open: {0}")]
    Key(#[from] HpkeError),
    /// The custodian does not give the key of the file.
    #[error("the key of the file is not given out")]
    Custody(#[from] CustodyError),
    /// The header was changed by somebody without the file's key, or was made to show readers different contents.
    #[error("header of the sealed file was altered")]
    Altered,
    /// The primitive failed: out of memory.
    #[error(transparent)]
    Derive(#[from] DeriveError),
}

/// The segments of a file were not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No file has this length: it was cut, or something was added.
    #[error("sealed file has {bytes} bytes, a length that none has: it was cut or added to")]
    Length {
        /// Bytes of the file.
        bytes: u64,
    },
    /// The last segment could not be read, or is not the last one of this file.
    #[error("the end of the sealed file does not open: it was cut, added to or altered")]
    End(#[source] ReadError),
}

/// A file was not sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// No randomness, no key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// What was sealed could not be handed on.
    #[error("the sealed file could not be written: {0}")]
    Out(#[from] io::Error),
    /// Nothing can be sealed to a recipient.
    #[error("nothing can be sealed to a recipient: {0}")]
    Key(#[from] HpkeError),
    /// A custodian did not wrap.
    #[error("a custodian did not wrap the key of the file")]
    Custody(#[from] CustodyError),
    /// A custodian made more, or less, of a key than is taken.
    #[error("a custodian made {bytes} bytes of a key, 1 to 1024 are taken")]
    Wrapped {
        /// What it made.
        bytes: usize,
    },
    /// No recipient, too many, or one twice.
    #[error("{count} recipients, 1 to 256 different ones are taken")]
    Recipients {
        /// How many.
        count: usize,
    },
    /// The header is too small for its readers.
    #[error("the readers need {needed} bytes of header, it has room for {room}")]
    Full {
        /// Bytes of the header with all readers.
        needed: usize,
        /// Bytes of the header.
        room: usize,
    },
    /// More plaintext than one key seals.
    #[error("more than {max} bytes are not sealed under one key")]
    TooLong {
        /// The bound.
        max: u64,
    },
    /// Another length than was announced.
    #[error("{announced} bytes were announced, {given} came")]
    Length {
        /// What was said.
        announced: u64,
        /// What came.
        given: u64,
    },
    /// An earlier error ended the writing.
    #[error("writing ended with an earlier error")]
    Ended,
    /// The primitive failed: out of memory.
    #[error("sealing failed inside the cryptographic library")]
    Failed,
}

impl From<DeriveError> for WriteError {
    fn from(_: DeriveError) -> Self {
        Self::Failed
    }
}

impl From<AeadError> for WriteError {
    fn from(_: AeadError) -> Self {
        Self::Failed
    }
}

/// A header was not written anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// Nobody would be left who can read.
    #[error("nobody would be left who can read the file")]
    Nobody,
    /// Somebody was added who can read already.
    #[error("the {} key {} can read the file already", .reader.kind, .reader.id)]
    Already {
        /// Who.
        reader: Reader,
    },
    /// As in writing.
    #[error(transparent)]
    Write(#[from] WriteError),
}

//! Who may have the key of a file: readers as they stand in a header, recipients that become readers, identities that
//! show to be one.

use std::fmt;

use alcaide_seal::custody::{self, KeyWrap};
use alcaide_seal::hpke::{Kem, PublicKey, SecretKey};
use alcaide_seal::{Entropy, sha256};

use crate::error::{UnlockError, WriteError};
use crate::key::{FileId, FileKey, hex};

const ID_BYTES: usize = 16;

/// What a reader has to have.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A private key of X25519.
    X25519,
    /// A private key of X25519 and one of ML-KEM-768.
    Hybrid,
    /// The word of a custodian.
    Custodian,
}

impl Kind {
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::X25519 => 1,
            Self::Hybrid => 2,
            Self::Custodian => 3,
        }
    }

    pub(crate) const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::X25519),
            2 => Some(Self::Hybrid),
            3 => Some(Self::Custodian),
            _ => None,
        }
    }

    /// Whether a body of that many bytes can be one of this kind.
    pub(crate) fn takes(self, body_bytes: usize) -> bool {
        match self {
            Self::X25519 => body_bytes == Kem::X25519.overhead_bytes() + 32,
            Self::Hybrid => body_bytes == Kem::Hybrid.overhead_bytes() + 32,
            Self::Custodian => (1..=custody::MAX_WRAPPED_BYTES).contains(&body_bytes),
        }
    }

    const fn of(kem: Kem) -> Self {
        match kem {
            Kem::X25519 => Self::X25519,
            Kem::Hybrid => Self::Hybrid,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::X25519 => "x25519",
            Self::Hybrid => "hybrid",
            Self::Custodian => "custodian",
        })
    }
}

/// What tells readers apart: a digest of their public key, or of their custodian's name.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReaderId(pub(crate) [u8; ID_BYTES]);

impl ReaderId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    fn of(kind: Kind, bytes: &[u8]) -> Self {
        let text = [ID_LABEL, &kind.number().to_le_bytes(), bytes].concat();
        Self(sha256(&text).leading_bits128().to_be_bytes())
    }
}

impl fmt::Display for ReaderId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Debug for ReaderId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

/// A reader as the header lists it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reader {
    /// What it has to have.
    pub kind: Kind,
    /// Which one it is.
    pub id: ReaderId,
}

impl Reader {
    /// The reader that a public key makes.
    #[must_use]
    pub fn of_key(key: &PublicKey) -> Self {
        let kind = Kind::of(key.kem());
        Self { kind, id: ReaderId::of(kind, key.as_bytes()) }
    }

    /// The reader that a custodian makes.
    #[must_use]
    pub fn of_custodian(custodian: &dyn KeyWrap) -> Self {
        let kind = Kind::Custodian;
        Self { kind, id: ReaderId::of(kind, custodian.name().as_bytes()) }
    }
}

/// Who shall be able to read.
#[derive(Clone, Copy)]
pub enum Recipient<'k> {
    /// Whoever has the private half.
    Key(&'k PublicKey),
    /// Whoever the custodian unwraps for.
    Custodian(&'k dyn KeyWrap),
}

impl Recipient<'_> {
    /// The reader that it becomes.
    #[must_use]
    pub fn reader(&self) -> Reader {
        match self {
            Self::Key(key) => Reader::of_key(key),
            Self::Custodian(custodian) => Reader::of_custodian(*custodian),
        }
    }

    pub(crate) fn entry(
        &self,
        id: FileId,
        key: &FileKey,
        entropy: &dyn Entropy,
    ) -> Result<Entry, WriteError> {
        let reader = self.reader();
        let context = context(id, reader.kind);
        let body = match self {
            Self::Key(public) => public.seal(&context, key.expose(), entropy)?,
            Self::Custodian(custodian) => custodian.wrap_key(&context, key.expose(), entropy)?,
        };
        if reader.kind.takes(body.len()) {
            Ok(Entry { reader, body })
        } else {
            Err(WriteError::Wrapped { bytes: body.len() })
        }
    }
}

impl fmt::Debug for Recipient<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Recipient({:?})", self.reader())
    }
}

/// Who wants to read.
#[derive(Clone, Copy)]
pub enum Identity<'k> {
    /// With a private key.
    Key(&'k SecretKey),
    /// By the word of a custodian.
    Custodian(&'k dyn KeyWrap),
}

impl Identity<'_> {
    /// The reader that it is.
    #[must_use]
    pub fn reader(&self) -> Reader {
        match self {
            Self::Key(key) => Reader::of_key(key.public()),
            Self::Custodian(custodian) => Reader::of_custodian(*custodian),
        }
    }

    pub(crate) fn file_key(&self, id: FileId, entry: &Entry) -> Result<FileKey, UnlockError> {
        let context = context(id, entry.reader.kind);
        let key = match self {
            Self::Key(secret) => FileKey::from_secret(secret.open(&context, &entry.body)?.bytes()),
            Self::Custodian(custodian) => {
                FileKey::from_secret(custodian.unwrap_key(&context, &entry.body)?.expose())
            }
        };
        key.ok_or(UnlockError::Altered)
    }
}

impl fmt::Debug for Identity<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Identity({:?})", self.reader())
    }
}

/// A reader and the file's key as it was sealed for it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Entry {
    pub(crate) reader: Reader,
    pub(crate) body: Vec<u8>,
}

/// What a sealed key of a file is bound to.
fn context(id: FileId, kind: Kind) -> Vec<u8> {
    [CONTEXT_LABEL, id.as_bytes(), &kind.number().to_le_bytes()].concat()
}

const ID_LABEL: &[u8] = b"alcaide/v1/sealed-file/reader-id\0";
const CONTEXT_LABEL: &[u8] = b"alcaide/v1/sealed-file/reader\0";

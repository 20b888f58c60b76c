//! What can be wrong with a key on disk, and what cures it.

use std::io;
use std::path::PathBuf;

use alcaide_seal::EntropyError;
use alcaide_seal::derive::DeriveError;
use alcaide_seal::envelope::EnvelopeError;
use alcaide_seal::jws::SignError;
use alcaide_seal::note::NoteError;

/// A file or folder, for messages.
pub type Place = PathBuf;

/// A key was not created or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// There is something of that name already; keys are never overwritten.
    #[error("`{}` exists already", at.display())]
    Exists {
        /// The file or folder.
        at: Place,
    },
    /// There is nothing of that name.
    #[error("`{}` does not exist", at.display())]
    Missing {
        /// The file or folder.
        at: Place,
    },
    /// The name is a symbolic link: who may change the link would choose the key.
    #[error("`{}` is a symbolic link", at.display())]
    Link {
        /// The file or folder.
        at: Place,
    },
    /// Not a plain file, or not a folder where one belongs.
    #[error("`{}` is not a {expected}", at.display())]
    Kind {
        /// The file or folder.
        at: Place,
        /// `plain file` or `folder`.
        expected: &'static str,
    },
    /// Others than the owner can read or write it.
    #[error("`{}` has mode {mode:04o}, others than its owner have access", at.display())]
    Mode {
        /// The file or folder.
        at: Place,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user than the one this program runs as.
    #[error("`{}` belongs to user {owner}, this program runs as user {us}", at.display())]
    Owner {
        /// The file or folder.
        at: Place,
        /// User id of the owner.
        owner: u32,
        /// User id of this program.
        us: u32,
    },
    /// The file has not the length that it must have: cut off, or another file.
    #[error("`{}` has {bytes} bytes, {expected} belong there", at.display())]
    Length {
        /// The file.
        at: Place,
        /// Bytes that it has.
        bytes: u64,
        /// Bytes that belong there, in words.
        expected: &'static str,
    },
    /// The content is no master key of a version that this program reads.
    #[error("`{}` is not a master key file of version 1", at.display())]
    Format {
        /// The file.
        at: Place,
    },
    /// A sealed key does not open: altered, moved, or sealed under another master key.
    #[error("`{}` does not open: {source}", at.display())]
    Sealed {
        /// The file.
        at: Place,
        /// Why.
        #[source]
        source: EnvelopeError,
    },
    /// A sealed key opened, but is no key of its kind.
    #[error("`{}` holds no {what}", at.display())]
    Content {
        /// The file.
        at: Place,
        /// `token signing key` or `checkpoint signing key`.
        what: &'static str,
    },
    /// The path names no file within a folder.
    #[error("`{}` is no name for a key", at.display())]
    Path {
        /// The path.
        at: Place,
    },
    /// The system refused.
    #[error("cannot {what} `{}`: {source}", at.display())]
    Io {
        /// The file or folder.
        at: Place,
        /// What was tried, as a verb.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key could not be drawn or sealed.
    #[error("key was not made: {0}")]
    Make(#[source] MakeError),
}

/// Why a key could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Derivation failed.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// Sealing failed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The token key failed.
    #[error(transparent)]
    Token(#[from] SignError),
    /// The checkpoint key failed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl<E: Into<MakeError>> From<E> for KeysError {
    fn from(error: E) -> Self {
        Self::Make(error.into())
    }
}

impl KeysError {
    /// Stable code, for `alcaide explain`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "ALC-KEYS-0001",
            Self::Missing { .. } => "ALC-KEYS-0002",
            Self::Link { .. } => "ALC-KEYS-0003",
            Self::Kind { .. } => "ALC-KEYS-0004",
            Self::Mode { .. } => "ALC-KEYS-0005",
            Self::Owner { .. } => "ALC-KEYS-0006",
            Self::Length { .. } => "ALC-KEYS-0007",
            Self::Format { .. } => "ALC-KEYS-0008",
            Self::Sealed { .. } => "ALC-KEYS-0009",
            Self::Content { .. } => "ALC-KEYS-0010",
            Self::Path { .. } => "ALC-KEYS-0011",
            Self::Io { .. } => "ALC-KEYS-0012",
            Self::Make(_) => "ALC-KEYS-0013",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Exists { .. } => "use the key that is there, or name a new place".into(),
            Self::Missing { .. } => "create the keys first, or correct the path in the settings".into(),
            Self::Link { at } => {
                format!("put the key itself at `{}`, or name the place it lies in", at.display())
            }
            Self::Kind { expected, .. } => format!("name a {expected}"),
            Self::Mode { at, .. } => {
                format!("run `chmod go-rwx {}`, and replace the key if others may have read it", at.display())
            }
            Self::Owner { at, us, .. } => format!("run `chown {us} {}`, or run as the owner", at.display()),
            Self::Length { .. } | Self::Format { .. } => "restore the file from its backup".into(),
            Self::Sealed { source: EnvelopeError::WrongKey { needed, .. }, .. } => {
                format!("restore the master key {needed}, the one that sealed this file")
            }
            Self::Sealed { .. } | Self::Content { .. } => {
                "restore the file from the backup made with its master key".into()
            }
            Self::Path { .. } => "name a file or folder, not `/`, `.` or `..`".into(),
            Self::Io { .. } => "check the disk and the permissions of the folders above".into(),
            Self::Make(_) => {
                "try again; if it stays, the system's source of randomness or memory is at fault".into()
            }
        }
    }
}

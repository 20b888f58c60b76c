//! What can go wrong when a ledger is opened, read, proved or closed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::note::NoteError;

/// Why a ledger could not be created, opened, published or closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The folder holds no ledger; opening never makes one.
    #[error("there is no ledger in `{}`", dir.display())]
    Missing {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder is not empty; creating never overwrites.
    #[error("`{}` is not empty", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder was written in a format that this version does not read.
    #[error("the ledger has format `{found}`, this version reads `{}`", crate::FORMAT)]
    Format {
        /// What the `format` file says, cut.
        found: String,
    },
    /// Another process holds the ledger.
    #[error("the ledger in `{}` is in use by another process", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// An option or the origin is out of its bounds.
    #[error("{what} is out of bounds")]
    Option {
        /// Which.
        what: &'static str,
    },
    /// An acknowledged entry is damaged: it is broken and later ones are whole. Nothing was changed.
    #[error("entry {index} is damaged in `{}` at byte {offset}", segment.display())]
    Damaged {
        /// The first broken entry.
        index: u64,
        /// The file.
        segment: PathBuf,
        /// Where its frame begins, bytes.
        offset: u64,
    },
    /// A segment is missing or does not belong here.
    #[error("segment `{}` does not begin at entry {expected}", segment.display())]
    Gap {
        /// The file that stands where another was expected.
        segment: PathBuf,
        /// The entry that it had to begin with.
        expected: u64,
    },
    /// The signed checkpoint covers more entries than the segments hold: they were cut or rolled back.
    #[error("the checkpoint covers {signed} entries, but only {found} are on disk")]
    RolledBack {
        /// Size of the signed checkpoint.
        signed: u64,
        /// Entries found.
        found: u64,
    },
    /// The entries do not hash to the root that was signed.
    #[error("the first {size} entries do not hash to the signed root")]
    Root {
        /// Size of the signed checkpoint.
        size: u64,
    },
    /// The checkpoint is malformed or of another log.
    #[error("the checkpoint is not one of this log")]
    Checkpoint(#[source] CheckpointError),
    /// The checkpoint could not be signed or is not signed by the signer.
    #[error("the checkpoint was not signed")]
    Note(#[source] NoteError),
    /// A file could not be read or written.
    #[error("could not {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The tree cannot be kept up: tiles or the checkpoint cannot be written. The entries are safe.
    #[error("the tree is behind: {cause}")]
    TreeStalled {
        /// What the system said.
        cause: Arc<str>,
    },
    /// A write or sync failed; the ledger must be opened again.
    #[error("the ledger has failed and must be opened again: {cause}")]
    Failed {
        /// What the system said first.
        cause: Arc<str>,
    },
    /// The ledger is closed or closing.
    #[error("the ledger is closed")]
    Closed,
}

impl LedgerError {
    pub(crate) fn file(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { verb, path: path.to_owned(), source }
    }
}

/// Why the text of a checkpoint was not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not three lines: origin, size, root.
    #[error("the checkpoint has not the lines origin, size and root")]
    Lines,
    /// Another log's checkpoint.
    #[error("the checkpoint is of log `{found}`")]
    Origin {
        /// The origin that it names, cut.
        found: String,
    },
    /// The size is no decimal number without leading zeros.
    #[error("the checkpoint's size is no number")]
    Size,
    /// The root is not 32 bytes in base64.
    #[error("the checkpoint's root is not 32 bytes in base64")]
    Root,
}

/// Why an entry or hash could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No such entry or size yet.
    #[error("entry {index} was asked for, but the size is {size}")]
    Beyond {
        /// What was asked for.
        index: u64,
        /// What there is.
        size: u64,
    },
    /// A tile or bundle is shorter or longer than its name says, or malformed.
    #[error("`{}` is malformed", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A frame in a segment is damaged.
    #[error("entry {index} is damaged in its segment")]
    Damaged {
        /// The entry.
        index: u64,
    },
    /// A file could not be read.
    #[error("could not read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

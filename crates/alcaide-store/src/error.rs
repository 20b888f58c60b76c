//! What can go wrong with the file.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Creating never overwrites.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Opening never makes a file.
    #[error("there is no database `{}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is a database, but not one of this program.
    #[error("`{}` is not a database of this program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer program.
    #[error("`{}` has schema {found}, but this program reads up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// The caller's migrations are not numbered 1, 2, 3, ….
    #[error("migration {given} stands where {wanted} was expected")]
    Migrations {
        /// The number that stands there.
        given: u32,
        /// The number that must.
        wanted: u32,
    },
    /// A migration failed; the file is as it was before it.
    #[error("migration {number} failed")]
    Migration {
        /// Its number.
        number: u32,
        /// What the database said.
        #[source]
        source: rusqlite::Error,
    },
    /// The file system cannot keep a write-ahead log.
    #[error("the database is in journal mode `{mode}`, but needs `wal`")]
    Journal {
        /// The mode it is in.
        mode: String,
    },
    /// The check found something.
    #[error("the database is damaged: {why}")]
    Damaged {
        /// The first things found.
        why: String,
    },
    /// The blocking work panicked, or the runtime is going down.
    #[error("the work on the database was stopped")]
    Stopped,
    /// All readers were busy for too long.
    #[error("too many questions are asked of the database at once")]
    Crowded,
    /// A file could not be made or opened.
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
    /// The database refused a statement.
    #[error("the database refused: {0}")]
    Sql(#[from] rusqlite::Error),
}

impl StoreError {
    pub(crate) fn file(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { verb, path: path.to_owned(), source }
    }

    /// Whether trying again may help: the file was held by another process, or the disk had no room or an error, or too much was asked at
    /// once. What
    /// was to be written is then not written at all.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OperationInterrupted, SystemIoFailure,
        };
        let code = match self {
            Self::Crowded => return true,
            Self::Sql(rusqlite::Error::SqliteFailure(code, _)) => code,
            _ => return false,
        };
        matches!(
            code.code,
            CannotOpen | DatabaseBusy | DatabaseLocked | DiskFull | OperationInterrupted | SystemIoFailure
        )
    }
}

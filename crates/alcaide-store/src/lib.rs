//! Where is it kept? In one SQLite file: connections, numbered migrations, serialised transactions, copies. It knows
//! no nouns: tables and statements are its callers'.
//!
//! How data moves: writers go one after another through one connection ([`Store::transaction`], [`Store::run`]);
//! readers have [`READERS`] connections of their own that cannot write ([`Store::look`], [`Store::read`]) and see the
//! last committed state, because the file is in write-ahead-log mode. A look ends after [`LOOK_MAX`], so that no
//! question, however dear, keeps the others from theirs for longer. A commit is on disk before it returns
//! (`synchronous = FULL`), foreign keys hold, and the file's mode is 0600.
//!
//! Absent on purpose: making a file by opening it (only [`Store::create`] makes one), reading a file whose schema is
//! newer than this program, retrying when locked by another process (that is refused after [`BUSY_WAIT`]).

mod error;
mod migrate;
mod readers;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::readers::Readers;

pub use error::StoreError;
pub use migrate::Migration;
pub use readers::{LOOK_MAX, READERS};
pub use rusqlite::{self, Transaction};

/// How long a statement waits for another process that holds the file, before it fails.
pub const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Owner may read and write, nobody else anything.
const FILE_MODE: u32 = 0o600;

/// A handle on one database file; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Readers,
}

impl Store {
    /// Makes the file at `path`, with mode 0600, and brings it to the last of `migrations`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is a file already; [`StoreError::Migrations`] if the migrations are not
    /// numbered 1, 2, 3, …; [`StoreError::File`] and [`StoreError::Sql`] for what the system says.
    pub fn create(path: &Path, migrations: &[Migration]) -> Result<Self, StoreError> {
        migrate::numbered(migrations)?;
        let made = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
        match made {
            Ok(file) => file.sync_all().map_err(|source| StoreError::file("create", path, source))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists { path: path.to_owned() });
            }
            Err(source) => return Err(StoreError::file("create", path, source)),
        }
        let writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        Self::with(path, writer, migrations)
    }

    /// Opens the file at `path` and brings an older schema to the last of `migrations`. Never makes a file.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no file; [`StoreError::Newer`] if its schema is newer than `migrations`;
    /// [`StoreError::Foreign`] if it is no database of this program; else as [`Store::create`].
    pub fn open(path: &Path, migrations: &[Migration]) -> Result<Self, StoreError> {
        migrate::numbered(migrations)?;
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(StoreError::Missing { path: path.to_owned() }),
            Err(source) => return Err(StoreError::file("open", path, source)),
        }
        let writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if !migrate::is_ours(&writer)? {
            return Err(StoreError::Foreign { path: path.to_owned() });
        }
        Self::with(path, writer, migrations)
    }

    /// Opens a copy that nobody writes, such as one that [`Store::backup`] made, and changes nothing about it: no
    /// migration is run, no file is made beside it, and every write is refused.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_copy(path: &Path, migrations: &[Migration]) -> Result<Self, StoreError> {
        migrate::numbered(migrations)?;
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(StoreError::Missing { path: path.to_owned() }),
            Err(source) => return Err(StoreError::file("open", path, source)),
        }
        let (writer, readers) = (connect_copy(path)?, Readers::new(|| connect_copy(path))?);
        if !migrate::is_ours(&writer)? {
            return Err(StoreError::Foreign { path: path.to_owned() });
        }
        let (found, known) = (migrate::version(&writer)?, migrate::newest(migrations));
        if found > known {
            return Err(StoreError::Newer { path: path.to_owned(), found, known });
        }
        Ok(Self(Arc::new(Inner { path: path.to_owned(), writer: Mutex::new(writer), readers })))
    }

    fn with(path: &Path, mut writer: Connection, migrations: &[Migration]) -> Result<Self, StoreError> {
        migrate::bring_up(&mut writer, path, migrations)?;
        let readers = Readers::new(|| {
            let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            reader.pragma_update(None, "query_only", true)?;
            Ok(reader)
        })?;
        Ok(Self(Arc::new(Inner { path: path.to_owned(), writer: Mutex::new(writer), readers })))
    }

    /// Runs `work` in one transaction: all of it is on disk when this returns `Ok`, nothing of it otherwise.
    /// Transactions run one after another; this blocks the thread.
    ///
    /// # Errors
    /// What `work` returns, and [`StoreError`] if the transaction cannot be begun or committed.
    pub fn transaction<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        in_transaction(&mut locked(&self.0.writer), TransactionBehavior::Immediate, work)
    }

    /// Runs `work` on the last committed state; it cannot write. This blocks the thread.
    ///
    /// # Errors
    /// What `work` returns, and [`StoreError`] if the state cannot be read; [`StoreError::is_passing`] if it could not
    /// within [`LOOK_MAX`].
    pub fn look<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut reader = self.0.readers.lend(LOOK_MAX)?;
        reader.limited(LOOK_MAX)?;
        in_transaction(&mut reader, TransactionBehavior::Deferred, work)
    }

    /// [`Store::transaction`] on the blocking pool.
    ///
    /// # Errors
    /// As [`Store::transaction`], and [`StoreError::Stopped`] if the work panicked or the runtime is going down.
    ///
    /// # Cancel safety
    /// The transaction runs to its end even if the future is dropped; only the answer is lost.
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let own = self.clone();
        tokio::task::spawn_blocking(move || own.transaction(work))
            .await
            .unwrap_or(Err(StoreError::Stopped.into()))
    }

    /// [`Store::look`] on the blocking pool.
    ///
    /// # Errors
    /// As [`Store::look`], and [`StoreError::Stopped`] if the work panicked or the runtime is going down.
    ///
    /// # Cancel safety
    /// Nothing is changed, so nothing is lost.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let own = self.clone();
        tokio::task::spawn_blocking(move || own.look(work)).await.unwrap_or(Err(StoreError::Stopped.into()))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Number of the last migration that the file has had.
    ///
    /// # Errors
    /// [`StoreError::Sql`] if it cannot be read.
    pub fn version(&self) -> Result<u32, StoreError> {
        let reader = self.0.readers.lend(LOOK_MAX)?;
        migrate::version(&reader)
    }

    /// Reads the whole file and checks its structure, indexes and foreign keys. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first things that are wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        let reader = self.0.readers.lend(LOOK_MAX)?;
        let mut wrong = Vec::new();
        let mut statement = reader.prepare("PRAGMA integrity_check(10)")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: String = row.get(0)?;
            if line != "ok" {
                wrong.push(line);
            }
        }
        let mut statement = reader.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        if let Some(row) = rows.next()? {
            let table: String = row.get(0)?;
            wrong.push(format!("a row of `{table}` refers to one that is not there"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(StoreError::Damaged { why: wrong.join("; ") }) }
    }

    /// Writes a consistent copy of the last committed state to the new file `to`, with mode 0600, while others go on
    /// writing. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if `to` is there already; else [`StoreError::File`] and [`StoreError::Sql`].
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        if to.try_exists().map_err(|source| StoreError::file("create", to, source))? {
            return Err(StoreError::Exists { path: to.to_owned() });
        }
        let Some(target) = to.to_str() else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8");
            return Err(StoreError::file("create", to, source));
        };
        // An empty file is filled by `VACUUM INTO`; made here first, it is never readable by others.
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(to);
        file.map_err(|source| StoreError::file("create", to, source))?;
        // A connection of its own: the copy holds up neither readers nor the writer.
        let source = connect(&self.0.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        source.execute("VACUUM INTO ?1", [target])?;
        let file = OpenOptions::new().read(true).open(to);
        file.and_then(|file| file.sync_all()).map_err(|source| StoreError::file("sync", to, source))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("path", &self.0.path).finish_non_exhaustive()
    }
}

fn in_transaction<T, E: From<StoreError>>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let begun = connection.transaction_with_behavior(behavior).map_err(StoreError::from)?;
    // Dropped without commit, a transaction rolls back.
    let done = work(&begun)?;
    begun.commit().map_err(StoreError::from)?;
    Ok(done)
}

/// A panic within a transaction rolls it back before the lock is let go, so a poisoned lock guards a sound state.
fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Journal { mode });
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // What is temporary is small here, and a file of it would be written for nothing.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// `immutable` keeps SQLite from making a log beside the file; the path is escaped as a URI wants it.
fn connect_copy(path: &Path) -> Result<Connection, StoreError> {
    let Some(text) = path.to_str() else {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8");
        return Err(StoreError::file("open", path, source));
    };
    let mut uri = String::from("file:");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02x}"));
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;

//! Numbered migrations: each is one SQL script, run once, in its own transaction together with its number.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::error::StoreError;

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 1 for the first, one more for each that follows.
    pub number: u32,
    /// SQL statements; once released they never change.
    pub sql: &'static str,
}

const VERSION_TABLE: &str = "alcaide_schema";

pub(crate) fn numbered(migrations: &[Migration]) -> Result<(), StoreError> {
    for (wanted, migration) in (1..).zip(migrations) {
        if migration.number != wanted {
            return Err(StoreError::Migrations { given: migration.number, wanted });
        }
    }
    Ok(())
}

/// Whether the file has our version table. A file that is no database is refused by SQLite itself.
pub(crate) fn is_ours(connection: &Connection) -> Result<bool, StoreError> {
    let found: Option<i64> = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", [VERSION_TABLE], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.is_some())
}

pub(crate) fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.query_row("SELECT coalesce(max(number), 0) FROM alcaide_schema", [], |row| row.get(0))?)
}

pub(crate) fn newest(migrations: &[Migration]) -> u32 {
    migrations.last().map_or(0, |last| last.number)
}

pub(crate) fn bring_up(
    connection: &mut Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS alcaide_schema (number INTEGER PRIMARY KEY CHECK (number > 0)) STRICT",
    )?;
    let found = version(connection)?;
    let known = newest(migrations);
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for migration in migrations {
        let failed = |source| StoreError::Migration { number: migration.number, source };
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Asked again within the transaction: another process may have come first.
        if version(&begun)? >= migration.number {
            continue;
        }
        begun.execute_batch(migration.sql).map_err(failed)?;
        begun
            .execute("INSERT INTO alcaide_schema (number) VALUES (?1)", [migration.number])
            .map_err(failed)?;
        begun.commit()?;
    }
    Ok(())
}

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const FIRST: Migration = Migration {
    number: 1,
    sql: "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
          CREATE TABLE part (thing INTEGER NOT NULL REFERENCES thing) STRICT;",
};
const SECOND: Migration =
    Migration { number: 2, sql: "ALTER TABLE thing ADD COLUMN size INTEGER NOT NULL DEFAULT 0" };
const BROKEN: Migration = Migration { number: 2, sql: "CREATE TABLE other (a INTEGER); CREATE TABEL x (a)" };

fn put(store: &Store, name: &str) -> Result<(), StoreError> {
    store.transaction(|tx| {
        tx.execute("INSERT INTO thing (name) VALUES (?1)", [name])?;
        Ok(())
    })
}

fn count(store: &Store) -> i64 {
    store
        .look(|tx| Ok::<_, StoreError>(tx.query_row("SELECT count(*) FROM thing", [], |row| row.get(0))?))
        .unwrap()
}

#[test]
fn only_create_makes_a_file_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    assert!(matches!(Store::open(&path, &[FIRST]), Err(StoreError::Missing { .. })));
    assert!(!path.exists());
    drop(Store::create(&path, &[FIRST]).unwrap());
    assert!(matches!(Store::create(&path, &[FIRST]), Err(StoreError::Exists { .. })));
    assert_eq!(Store::open(&path, &[FIRST]).unwrap().version().unwrap(), 1);
}

#[test]
fn the_files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Store::create(&path, &[FIRST]).unwrap();
    put(&store, "one").unwrap();
    store.backup(&folder.path().join("b.db")).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        seen += 1;
    }
    assert!(seen >= 3, "database, its log, the copy");
}

#[test]
fn an_older_file_is_brought_up_and_a_newer_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    put(&Store::create(&path, &[FIRST]).unwrap(), "kept").unwrap();
    let store = Store::open(&path, &[FIRST, SECOND]).unwrap();
    assert_eq!((store.version().unwrap(), count(&store)), (2, 1));
    drop(store);
    let error = Store::open(&path, &[FIRST]).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }));
    assert!(error.to_string().ends_with("has schema 2, but this program reads up to 1"));
}

#[test]
fn a_failed_migration_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(Store::create(&path, &[FIRST]).unwrap());
    assert!(matches!(Store::open(&path, &[FIRST, BROKEN]), Err(StoreError::Migration { number: 2, .. })));
    let store = Store::open(&path, &[FIRST, SECOND]).unwrap();
    let other: i64 = store
        .look(|tx| {
            let found = "SELECT count(*) FROM sqlite_schema WHERE name = 'other'";
            Ok::<_, StoreError>(tx.query_row(found, [], |row| row.get(0))?)
        })
        .unwrap();
    assert_eq!(other, 0);
}

#[test]
fn migrations_are_numbered_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let error = Store::create(&path, &[SECOND]).unwrap_err();
    assert!(matches!(error, StoreError::Migrations { given: 2, wanted: 1 }));
    assert!(!path.exists());
}

#[test]
fn foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE x (a)").unwrap();
    assert!(matches!(Store::open(&path, &[FIRST]), Err(StoreError::Foreign { .. })));
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "this is no database, however long it may be, and must be refused".repeat(20))
        .unwrap();
    assert!(matches!(Store::open(&text, &[FIRST]), Err(StoreError::Sql(_))));
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("a.db"), &[FIRST]).unwrap();
    let failed: Result<(), StoreError> = store.transaction(|tx| {
        tx.execute("INSERT INTO thing (name) VALUES ('one')", [])?;
        tx.execute("INSERT INTO thing (name) VALUES ('one')", [])?;
        Ok(())
    });
    assert!(failed.is_err());
    assert_eq!(count(&store), 0);
    put(&store, "one").unwrap();
    assert_eq!(count(&store), 1);
}

#[test]
fn readers_cannot_write_and_foreign_keys_hold() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("a.db"), &[FIRST]).unwrap();
    let written =
        store.look(|tx| Ok::<_, StoreError>(tx.execute("INSERT INTO thing (name) VALUES ('x')", [])?));
    assert!(written.is_err());
    let dangling =
        store.transaction(|tx| Ok::<_, StoreError>(tx.execute("INSERT INTO part (thing) VALUES (77)", [])?));
    assert!(dangling.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_are_serialised() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("a.db"), &[FIRST]).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        tasks.spawn(async move {
            store
                .run(|tx| {
                    let seen: i64 = tx.query_row("SELECT count(*) FROM thing", [], |row| row.get(0))?;
                    tx.execute("INSERT INTO thing (name) VALUES (?1)", [seen.to_string()])?;
                    Ok::<_, StoreError>(())
                })
                .await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(count(&store), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_rolls_back_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("a.db"), &[FIRST]).unwrap();
    let stopped: Result<(), StoreError> = store
        .run(|tx| {
            tx.execute("INSERT INTO thing (name) VALUES ('half')", [])?;
            panic!("as if by a bug");
        })
        .await;
    assert!(matches!(stopped, Err(StoreError::Stopped)));
    assert_eq!(count(&store), 0);
    put(&store, "whole").unwrap();
}

#[test]
fn a_backup_is_the_committed_state_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("a.db"), &[FIRST]).unwrap();
    put(&store, "before").unwrap();
    let copy = folder.path().join("copy with 'quote'.db");
    store.backup(&copy).unwrap();
    put(&store, "after").unwrap();
    assert!(matches!(store.backup(&copy), Err(StoreError::Exists { .. })));
    let copied = Store::open(&copy, &[FIRST]).unwrap();
    copied.check().unwrap();
    assert_eq!((count(&copied), count(&store)), (1, 2));
}

#[test]
fn a_copy_is_looked_at_and_never_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("a.db"), &[FIRST]).unwrap();
    put(&store, "one").unwrap();
    let apart = tempfile::tempdir().unwrap();
    let path = apart.path().join("a copy?#%.db");
    store.backup(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let copy = Store::open_copy(&path, &[FIRST, SECOND]).unwrap();
    copy.check().unwrap();
    assert_eq!((copy.version().unwrap(), count(&copy)), (1, 1));
    assert!(put(&copy, "two").is_err());
    drop(copy);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(apart.path()).unwrap().count(), 1, "no file beside it");
    assert!(matches!(Store::open_copy(&path, &[]), Err(StoreError::Newer { .. })));
}

#[test]
fn a_damaged_file_does_not_pass_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Store::create(&path, &[FIRST]).unwrap();
    for number in 0..2_000 {
        put_many(&store, number);
    }
    store.check().unwrap();
    let copy = folder.path().join("b.db");
    store.backup(&copy).unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    let pages = bytes.len() / 4_096;
    for page in pages / 2..pages / 2 + 3 {
        bytes[page * 4_096..page * 4_096 + 64].fill(0xa5);
    }
    std::fs::write(&copy, bytes).unwrap();
    let found = Store::open(&copy, &[FIRST]).and_then(|store| store.check());
    assert!(matches!(found, Err(StoreError::Damaged { .. } | StoreError::Sql(_))), "{found:?}");
}

fn put_many(store: &Store, number: i32) {
    if number % 500 == 0 {
        store
            .transaction(|tx| {
                for at in 0..500 {
                    tx.execute("INSERT INTO thing (name) VALUES (?1)", [format!("{:0>60}", number + at)])?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}

#[test]
fn one_look_that_goes_on_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("a.db"), &[FIRST]).unwrap();
    put(&store, "one").unwrap();
    let mut seen = 0;
    store
        .look(|_| {
            // Asked from within: with one connection for all, this look would wait for the one around it.
            let (told, heard) = std::sync::mpsc::sync_channel(1);
            let other = store.clone();
            std::thread::spawn(move || told.send(count(&other)));
            seen = heard.recv_timeout(Duration::from_secs(10)).unwrap_or(-1);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    assert_eq!(seen, 1);
}

#[test]
fn a_look_without_end_is_ended_and_its_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("a.db"), &[FIRST]).unwrap();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    for _ in 0..=READERS {
        let mut reader = store.0.readers.lend(Duration::ZERO).unwrap();
        reader.limited(Duration::from_millis(20)).unwrap();
        let error: StoreError = reader.query_row(endless, [], |row| row.get::<_, i64>(0)).unwrap_err().into();
        assert!(error.is_passing(), "{error}");
    }
    // The next one is not held to the time of the one before.
    assert_eq!(count(&store), 0);
    let all: Vec<_> = (0..READERS).map(|_| store.0.readers.lend(Duration::ZERO).unwrap()).collect();
    let error = store.0.readers.lend(Duration::from_millis(1)).err().unwrap();
    assert!(matches!(error, StoreError::Crowded) && error.is_passing());
    drop(all);
    assert_eq!(count(&store), 0);
}

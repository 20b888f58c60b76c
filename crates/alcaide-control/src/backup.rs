//! Backups: one folder with a consistent copy of store and ledger.
//!
//! ```text
//! backup.json        what it holds: version, time, entries, plan, SHA-256 of each file; written last
//! office.db          the store
//! ledger/…           checkpoint, tiles and segments
//! ledger/shelf/…     texts that entries name by their digest
//! ```
//! The store is copied first and the ledger after it, while nothing is changed: so the ledger is never behind the
//! store, and an office that opens the copy follows it to the end. The shelf comes last: each text that a copied entry
//! names was there before the entry. **Left out**: the keys. Secrets and the ledger's
//! bodies stay sealed under the master key, which is kept elsewhere; without it a backup opens no secret.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alcaide_inventory::{Plan, PlanNumber};
use alcaide_ledger::{OpenNote, read_from, verify};
use alcaide_record::{Digest, Entry, Event, ModelEvent, OfficeAct, OrderKind};
use alcaide_seal::digest::{Hasher, sha256};
use alcaide_store::Store;
use alcaide_store::rusqlite::OptionalExtension as _;

use crate::by::{By, Operation};
use crate::error::{OfficeError, cut};
use crate::office::{Office, detached, digest_of};
use crate::plans::blocking;
use crate::project;
use crate::schema::MIGRATIONS;
use crate::sql::from_json;
use crate::view::BackupReport;

/// Version of the layout.
pub const BACKUP_VERSION: u32 = 1;

/// The store's file within a backup.
pub const BACKUP_STORE: &str = "office.db";
/// The ledger's folder within a backup.
pub const BACKUP_LEDGER: &str = "ledger";
/// The description of a backup.
pub const BACKUP_MANIFEST: &str = "backup.json";

impl Office {
    /// Copies store and ledger to the new folder `to`, made with mode 0700. Calls go on meanwhile; declarations,
    /// enrolments and orders wait.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Backup`] if the folder exists or a file cannot be copied; else what
    /// store and ledger say. A folder without `backup.json` is unfinished.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn backup(&self, by: &By, to: &Path) -> Result<BackupReport, OfficeError> {
        self.allow(by, Operation::Backup).await?;
        let (own, to) = (self.clone(), to.to_owned());
        detached(async move {
            let _desk = Arc::clone(&own.0.desk).lock_owned().await;
            own.catch_up().await?;
            let (store, ledger_dir) = (own.0.store.clone(), own.0.ledger_dir.clone());
            let (made, plan) = (own.now(), own.current().number);
            let target = to.clone();
            blocking(move || {
                fs::DirBuilder::new().mode(0o700).create(&target).map_err(failed("create", &target))?;
                store.backup(&target.join(BACKUP_STORE)).map_err(OfficeError::from)
            })
            .await??;
            // The checkpoint that is signed now covers all that the store has followed.
            let entries = own.0.ledger.checkpoint_now().await?.size;
            blocking(move || finish(&ledger_dir, &to, made, plan, entries)).await?
        })
        .await
    }
}

/// Checks a backup without changing it: every file is as it was copied, the ledger verifies up to its checkpoint, the
/// store is sound, fits the ledger and holds the plan in force.
///
/// # Errors
/// [`OfficeError::Backup`] with the first thing that is wrong. Blocks the thread.
pub fn check_backup(folder: &Path, trusted: &dyn OpenNote) -> Result<BackupReport, OfficeError> {
    let wrong = |why: String| OfficeError::Backup { why };
    let manifest = folder.join(BACKUP_MANIFEST);
    let text = fs::read_to_string(&manifest).map_err(failed("read", &manifest))?;
    let report: BackupReport = from_json("backup", &text)?;
    if report.version != BACKUP_VERSION {
        return Err(wrong(format!("its layout is {}, this program reads {BACKUP_VERSION}", report.version)));
    }
    let mut found = BTreeMap::new();
    digests(folder, folder, &mut found)?;
    found.remove(BACKUP_MANIFEST);
    for (file, digest) in &report.files {
        match found.remove(file) {
            Some(is) if is == *digest => {}
            Some(_) => return Err(wrong(format!("`{}` was changed", cut(file)))),
            None => return Err(wrong(format!("`{}` is missing", cut(file)))),
        }
    }
    if let Some((file, _)) = found.first_key_value() {
        return Err(wrong(format!("`{}` does not belong to it", cut(file))));
    }
    shelf_holds(&report.files)?;
    let ledger = verify(&folder.join(BACKUP_LEDGER), trusted)
        .map_err(|error| wrong(format!("the ledger does not verify: {error}")))?;
    if ledger.size != report.entries {
        return Err(wrong(format!("the ledger has {} entries, not {}", ledger.size, report.entries)));
    }
    let store = Store::open_copy(&folder.join(BACKUP_STORE), MIGRATIONS)?;
    store.check()?;
    let (next, row): (u64, Option<(String, String)>) = store.look(|tx| {
        let sql = "SELECT digest, body FROM plan WHERE entry IS NOT NULL ORDER BY entry DESC LIMIT 1";
        let row = tx.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok::<_, OfficeError>((project::next(tx)?, row))
    })?;
    if next > ledger.size {
        return Err(wrong(format!("the store has followed {next} entries, the ledger has {}", ledger.size)));
    }
    let Some((digest, body)) = row else { return Err(wrong("the store holds no plan".into())) };
    if sha256(body.as_bytes()).to_string() != digest {
        return Err(wrong("the plan in force has not the digest that was recorded".into()));
    }
    let plan: Plan = from_json("plan", &body)?;
    if plan.number != report.plan {
        return Err(wrong(format!("plan {} is in force, not {}", plan.number, report.plan)));
    }
    Ok(report)
}

/// Each text on the shelf lies under its own digest. One that is missing harms no entry, so it is not asked for.
fn shelf_holds(files: &BTreeMap<String, Digest>) -> Result<(), OfficeError> {
    let shelf = format!("{BACKUP_LEDGER}/shelf/");
    for (file, digest) in files {
        let Some(within) = file.strip_prefix(&shelf) else { continue };
        let name = digest.to_string();
        if within.split_once('/') != Some((name.get(..2).unwrap_or_default(), name.as_str())) {
            return Err(OfficeError::Backup { why: format!("`{}` is not what its name says", cut(file)) });
        }
    }
    Ok(())
}

/// Copies the store and the ledger of a backup that was checked into the folder `to`, which holds neither.
///
/// # Errors
/// [`OfficeError::Backup`] if a file is there already or cannot be copied. Blocks the thread.
pub fn unpack_backup(folder: &Path, to: &Path) -> Result<(), OfficeError> {
    copy_file(&folder.join(BACKUP_STORE), &to.join(BACKUP_STORE))?;
    copy_ledger(&folder.join(BACKUP_LEDGER), &to.join(BACKUP_LEDGER))?;
    File::open(to).and_then(|folder| folder.sync_all()).map_err(failed("sync", to))
}

/// What `ledger` holds beyond a backup and a restored house must know: who was stopped, who may act again, which tokens
/// were revoked, which credentials were removed, which tools are not accepted any more (the office makes the plan that
/// says so when it opens), which versions of models may not be served. It must be the same log as the backup's, only longer.
///
/// Approvals are left out: a question from before is asked again.
///
/// # Errors
/// [`OfficeError::Backup`] if a ledger does not verify, or the newer is no longer one of the same log. Blocks the thread.
pub fn orders_since(backup: &Path, ledger: &Path, trusted: &dyn OpenNote) -> Result<Vec<Event>, OfficeError> {
    let wrong = |why: String| OfficeError::Backup { why };
    let copied = backup.join(BACKUP_LEDGER);
    let held =
        verify(&copied, trusted).map_err(|error| wrong(format!("the ledger does not verify: {error}")))?;
    let newer =
        verify(ledger, trusted).map_err(|error| wrong(format!("the newer ledger does not verify: {error}")));
    let whole = newer?.size;
    if whole < held.size {
        return Err(wrong("the newer ledger is older than the backup".into()));
    }
    let size = held.size.saturating_add(held.beyond.unwrap_or(0));
    let root = read_from(&copied, size, |_, _| ())
        .map_err(|error| wrong(format!("the ledger cannot be read: {error}")))?;
    let mut orders = Vec::new();
    let mut unread = None;
    let newer = read_from(ledger, size, |index, leaf| match Entry::from_leaf(leaf) {
        Ok(Entry { event, .. }) if is_given_again(&event) => orders.push(event),
        Ok(_) => {}
        Err(source) => unread = unread.take().or(Some(OfficeError::Entry { index, source })),
    })
    .map_err(|error| wrong(format!("the newer ledger cannot be read: {error}")))?;
    match (newer, unread) {
        (_, Some(error)) => Err(error),
        (Some(_), None) if newer == root => Ok(orders),
        (Some(_), None) => Err(wrong("the newer ledger is of another house".into())),
        (None, None) => Err(wrong("the newer ledger is older than the backup".into())),
    }
}

/// Whether an event takes something from somebody or gives it back, and would be undone by being forgotten.
fn is_given_again(event: &Event) -> bool {
    match event {
        Event::Order(order) => matches!(
            order.order,
            OrderKind::Kill { .. }
                | OrderKind::Unkill { .. }
                | OrderKind::Revoke { .. }
                | OrderKind::Quarantine { .. }
                | OrderKind::QuarantineSource { .. }
                | OrderKind::ReleaseSource { .. }
                | OrderKind::QuarantineModel { .. }
                | OrderKind::RevokeModel { .. }
        ),
        // What was revoked must be known first. Evidence and releases are not given again: they are made anew.
        Event::Model(ModelEvent::Registered { .. }) => true,
        Event::Office(OfficeAct::CredentialRemoved { .. }) => true,
        _ => false,
    }
}

fn finish(
    ledger_dir: &Path,
    to: &Path,
    made: alcaide_inventory::Moment,
    plan: PlanNumber,
    entries: u64,
) -> Result<BackupReport, OfficeError> {
    copy_ledger(ledger_dir, &to.join(BACKUP_LEDGER))?;
    let mut files = BTreeMap::new();
    digests(to, to, &mut files)?;
    let left_out = vec![
        "the keys folder: master key, token key, checkpoint key".to_owned(),
        "settings and certificates".to_owned(),
    ];
    let report = BackupReport { version: BACKUP_VERSION, made, entries, plan, files, left_out };
    let manifest = to.join(BACKUP_MANIFEST);
    let mut file = create(&manifest)?;
    let text = serde_json::to_vec_pretty(&report).map_err(|error| OfficeError::row("backup", &error))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed("write", &manifest))?;
    File::open(to).and_then(|folder| folder.sync_all()).map_err(failed("sync", to))?;
    Ok(report)
}

/// Checkpoint first, then segments: what the checkpoint covers is then in the segments, and what was appended
/// meanwhile is found behind it. `format` comes at the very end, as when a ledger is made.
fn copy_ledger(from: &Path, to: &Path) -> Result<(), OfficeError> {
    fs::DirBuilder::new().mode(0o700).create(to).map_err(failed("create", to))?;
    copy_file(&from.join("checkpoint"), &to.join("checkpoint"))?;
    copy_folder(&from.join("tile"), &to.join("tile"))?;
    copy_folder(&from.join("segments"), &to.join("segments"))?;
    copy_folder(&from.join("shelf"), &to.join("shelf"))?;
    copy_file(&from.join("format"), &to.join("format"))
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), OfficeError> {
    fs::DirBuilder::new().mode(0o700).create(to).map_err(failed("create", to))?;
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read", from)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed("read", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        // Unfinished files: `….new` of the ledger, `….new-PID` of the shelf.
        if path.extension().is_some_and(|end| end.to_string_lossy().starts_with("new")) {
            continue;
        }
        let kind = entry.file_type().map_err(failed("read", &path))?;
        if kind.is_dir() {
            copy_folder(&path, &target)?;
            continue;
        }
        match copy_file(&path, &target) {
            // A partial tile may give way to a wider one while we walk; it is made from the segments again.
            Err(OfficeError::Backup { .. }) if !path.exists() => {
                let _ = fs::remove_file(&target);
            }
            other => other?,
        }
    }
    Ok(())
}

/// Copies without writing zeros, so that a preallocated segment takes the room of its entries only.
fn copy_file(from: &Path, to: &Path) -> Result<(), OfficeError> {
    let mut source = File::open(from).map_err(failed("read", from))?;
    let mut target = create(to)?;
    let mut piece = vec![0_u8; 1 << 16];
    let mut length = 0_u64;
    loop {
        let read = source.read(&mut piece).map_err(failed("read", from))?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        if bytes.iter().any(|byte| *byte != 0) {
            std::os::unix::fs::FileExt::write_all_at(&target, bytes, length).map_err(failed("write", to))?;
        }
        length = length.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    target
        .set_len(length)
        .and_then(|()| target.flush())
        .and_then(|()| target.sync_all())
        .map_err(failed("write", to))
}

fn create(path: &Path) -> Result<File, OfficeError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed("create", path))
}

fn digests(root: &Path, folder: &Path, all: &mut BTreeMap<String, Digest>) -> Result<(), OfficeError> {
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let entry = entry.map_err(failed("read", folder))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(failed("read", &path))?;
        if kind.is_dir() {
            digests(root, &path, all)?;
        } else if kind.is_file() {
            let within = path.strip_prefix(root).unwrap_or(&path);
            all.insert(within.display().to_string(), digest_file(&path)?);
        } else {
            return Err(OfficeError::Backup {
                why: format!("`{}` is no file", cut(&path.display().to_string())),
            });
        }
    }
    Ok(())
}

fn digest_file(path: &Path) -> Result<Digest, OfficeError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let mut hasher = Hasher::new();
    let mut piece = vec![0_u8; 1 << 16];
    loop {
        let read = file.read(&mut piece).map_err(failed("read", path))?;
        match piece.get(..read) {
            Some(bytes) if !bytes.is_empty() => hasher.update(bytes),
            _ => return Ok(digest_of(hasher.finish())),
        }
    }
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OfficeError {
    let path: PathBuf = path.to_owned();
    move |error| OfficeError::Backup { why: format!("could not {verb} `{}`: {error}", path.display()) }
}

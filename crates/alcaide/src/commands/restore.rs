//! `restore`: fills a new data directory from a backup, and finishes it only when all of it was checked and the house
//! opened over it. It never writes into a folder that holds anything.

use std::path::{Path, PathBuf};

use alcaide_control::{check_backup, orders_since, unpack_backup};
use alcaide_keys::Keys;
use clap::Args;
use serde_json::json;

use crate::begin;
use crate::cli::{Desk, Exit};
use crate::commands::config;
use crate::fail::{Failure, RESTORE};
use crate::house::{House, Places};
use crate::show::note;

/// `alcaide restore`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide restore /backups/alcaide-2026-11-23 --keys /safe/keys --ledger /old/data/ledger\n\
    The data directory must be empty or absent. Keys are not in a backup: name the folder that holds them. With the \
    ledger of the lost house, or a copy of it, kills, revocations and quarantines of tools from after the backup hold again."
)]
pub(crate) struct Restore {
    /// The backup
    folder: PathBuf,
    /// Folder with the keys of the house; it is copied
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// A newer ledger of the same house; what it ordered since the backup is ordered again
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// Settings of the house [default: none]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl Restore {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let places = desk.places()?;
        let made = room(places.dir())?;
        let restored = self.fill(&places).await;
        let (entries, plan, orders) = restored.inspect_err(|_| clear(places.dir(), made))?;
        if self.ledger.is_none() {
            note(
                "note: no newer ledger was given: whoever was stopped and whatever was revoked after the backup is not; \
                 kill again whom you know",
            );
        }
        note("note: the record goes on from the backup; checkpoints from after it are of another future");
        let told = json!({ "entries": entries, "plan": plan, "orders": orders, "data_dir": places.dir().display().to_string() });
        desk.out.show(&told, || {
            format!(
                "{entries} entries and plan {plan} are restored to `{}`, {orders} later orders hold again; it verifies\n",
                places.dir().display()
            )
        })?;
        Ok(Exit::Clean)
    }

    /// Entries, plan, and orders that hold again.
    async fn fill(&self, places: &Places) -> Result<(u64, u64, usize), Failure> {
        let house = |error: anyhow::Error| Failure::house(&error);
        let keys = Keys::open(&self.keys).map_err(|error| house(error.into()))?;
        let verifier = keys.note.verifier().clone();
        drop(keys);
        let checked = check_backup(&self.folder, &verifier).map_err(|error| house(error.into()))?;
        let orders = match &self.ledger {
            None => Vec::new(),
            Some(ledger) => {
                orders_since(&self.folder, ledger, &verifier).map_err(|error| house(error.into()))?
            }
        };
        copy_keys(&self.keys, &places.keys())?;
        if let Some(file) = &self.settings {
            std::fs::copy(file, places.settings()).map_err(|error| Failure::file("copy", file, &error))?;
        }
        let settings = config::read(places)?;
        unpack_backup(&self.folder, places.dir()).map_err(|error| house(error.into()))?;
        let count = orders.len();
        House::finish_restored(places.clone(), settings.clone(), checked.entries, orders)
            .await
            .map_err(house)?;
        // What serves tomorrow is tried today: the record once more, from disk, and the house as `up` opens it.
        let _report = alcaide_ledger::verify(&places.ledger(), &verifier)
            .map_err(|error| Failure::new(&RESTORE, "the restored record does not verify").why(error))?;
        House::open(places.clone(), settings).await.map_err(house)?.close().await.map_err(house)?;
        Ok((checked.entries, checked.plan.0, count))
    }
}

/// Whether the folder was made here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Made {
    Here,
    Before,
}

/// Makes the data directory, or finds it empty.
fn room(dir: &Path) -> Result<Made, Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    match std::fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => {
                begin::tighten(dir).map_err(|error| Failure::house(&error.into()))?;
                Ok(Made::Before)
            }
            Some(_) => Err(Failure::new(&RESTORE, "the data directory is not empty")
                .at(dir.display())
                .why(RESTORE.why)),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map(|()| Made::Here).map_err(|error| Failure::file("create", dir, &error))
        }
        Err(error) => Err(Failure::file("read", dir, &error)),
    }
}

/// Takes back what a restore that came to nothing has written: the folder was empty before.
fn clear(dir: &Path, made: Made) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        if let Err(error) = gone {
            note(&format!("note: `{}` was not removed: {error}", path.display()));
        }
    }
    if made == Made::Here {
        // What cannot be removed was told above.
        let _ = std::fs::remove_dir(dir);
    }
}

/// Copies the key files, each readable by its owner alone from the first byte on.
fn copy_keys(from: &Path, to: &Path) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    std::fs::DirBuilder::new().mode(0o700).create(to).map_err(|error| Failure::file("create", to, &error))?;
    for name in ["master.key", "token.key", "note.key", "label.key", "evidence.key"] {
        let (source, target) = (from.join(name), to.join(name));
        // Kept before there was one: it is drawn when the house starts.
        if matches!(name, "label.key" | "evidence.key") && !source.exists() {
            continue;
        }
        let bytes = std::fs::read(&source).map_err(|error| Failure::file("read", &source, &error))?;
        let bytes = alcaide_seal::SecretBytes::new(bytes);
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target);
        made.and_then(|mut file| file.write_all(bytes.expose()).and_then(|()| file.sync_all()))
            .map_err(|error| Failure::file("write", &target, &error))?;
    }
    Ok(())
}

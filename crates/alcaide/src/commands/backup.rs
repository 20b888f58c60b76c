//! `backup`: copies store and ledger of a stopped house, and checks the copy. Keys are left out: they are kept
//! elsewhere, or the copy would open every secret in it.

use std::path::PathBuf;

use alcaide_control::{By, check_backup};
use alcaide_keys::Keys;
use clap::Args;

use crate::cli::{Desk, Exit};
use crate::commands::config;
use crate::fail::{Failure, NOT_THERE};
use crate::house::House;
use crate::show::note;

/// `alcaide backup`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide backup /backups/alcaide-2026-11-23\nThe service must be stopped. Keys are \
    left out: keep a copy of the folder `keys` in another place."
)]
pub(crate) struct Backup {
    /// New folder
    folder: PathBuf,
}

impl Backup {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let places = desk.places()?;
        if !places.exists() {
            return Err(Failure::new(&NOT_THERE, "there is nothing to copy").at(places.dir().display()));
        }
        let settings = config::read(&places)?;
        let keys = Keys::open(&places.keys()).map_err(|error| Failure::house(&error.into()))?;
        let verifier = keys.note.verifier().clone();
        drop(keys);
        let house = House::open(places, settings).await.map_err(|error| Failure::house(&error))?;
        let copied = house.office.backup(&By::Operator, &self.folder).await;
        let closed = house.close().await;
        copied.map_err(|error| Failure::house(&error.into()))?;
        closed.map_err(|error| Failure::house(&error))?;
        let checked = check_backup(&self.folder, &verifier).map_err(|error| Failure::house(&error.into()))?;
        note("note: the keys are not in the copy; without them it opens no secret");
        desk.out.show(&checked, || {
            format!(
                "{} entries and plan {} are copied to `{}`, and the copy verifies\n",
                checked.entries,
                checked.plan,
                self.folder.display()
            )
        })?;
        Ok(Exit::Clean)
    }
}

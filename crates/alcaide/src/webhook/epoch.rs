//! Which history of the record a message tells of. After a restore, or where an older ledger was put back, indexes are
//! used again for other entries; a receiver knows them apart by the epoch.
//!
//! It is drawn at random and lies beside the cursors, which a backup leaves out: a restored house draws a new one. Lost,
//! it is drawn anew too: then something is told twice, never taken for told.

use std::io::Write as _;
use std::path::Path;

use alcaide_seal::Entropy;
use alcaide_seal::random::bytes32;
use anyhow::{Context as _, Result};

/// Its file; no hook can have that name.
const FILE: &str = "epoch.id";
/// Digits of an epoch.
const DIGITS: usize = 16;

/// The epoch of the record that has `size` entries, for the hooks whose cursors lie in `dir`.
///
/// # Errors
/// The file cannot be read or written; what it says is no epoch.
pub(crate) fn epoch(dir: &Path, size: u64, entropy: &dyn Entropy) -> Result<String> {
    let path = dir.join(FILE);
    let place = || format!("`{}`", path.display());
    if !is_stale(dir, size)? {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let text = text.trim_end();
                let good = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                anyhow::ensure!(good, "{} is no epoch: remove it, and receivers are told anew", place());
                return Ok(text.to_owned());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(place),
        }
    }
    let drawn = bytes32(entropy)?;
    let text: String = drawn.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
    // On disk before anything is told under it.
    let draft = dir.join("epoch.draft");
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::File::create(&draft))
        .and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&draft, &path))
        .and_then(|()| std::fs::File::open(dir)?.sync_all())
        .with_context(place)?;
    Ok(text)
}

/// Whether a hook has come further than the record reaches: it was another record.
fn is_stale(dir: &Path, size: u64) -> Result<bool> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("`{}`", dir.display())),
    };
    for entry in entries {
        let path = entry?.path();
        // Cursors have no ending.
        if path.extension().is_none()
            && let Ok(text) = std::fs::read_to_string(&path)
            && text.trim_end().parse::<u64>().is_ok_and(|next| next > size)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

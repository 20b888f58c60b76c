//! The record itself: checkpoint and hash tiles for anyone, entries and proofs for those with a role.

use std::time::Duration;

use alcaide_inventory::{Actor, HumanId};
use alcaide_seal::Jwk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::Office;
use crate::plans::blocking;

/// Entries of the ledger, in order.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Index and canonical bytes of each.
    pub leaves: Vec<(u64, Vec<u8>)>,
    /// Index of the entry that follows.
    pub next: u64,
}

/// Proof that an entry is in the log.
#[derive(Clone, Debug)]
pub struct Proven {
    /// Size of the tree that it is proven in.
    pub size: u64,
    /// Hash of the entry as a leaf (RFC 6962), base64.
    pub leaf_hash: String,
    /// Sibling hashes, lowest level first, base64.
    pub proof: Vec<String>,
    /// The signed checkpoint of that size.
    pub checkpoint: String,
    /// The entry's canonical bytes.
    pub leaf: Vec<u8>,
}

impl Office {
    /// The newest signed checkpoint. Public: it tells how long the record is, not what it says.
    #[must_use]
    pub fn log_checkpoint(&self) -> String {
        self.0.ledger.checkpoint().note
    }

    /// A hash tile by its C2SP path below `tile/`, such as `0/x001/067` or `1/000.p/17`. Public; entry bundles are not
    /// among them. `None` for what is no such path or not there.
    ///
    /// # Errors
    /// [`OfficeError::Stopping`] if the runtime goes down.
    pub async fn log_tile(&self, path: &str) -> Result<Option<Vec<u8>>, OfficeError> {
        if !is_hash_tile(path) {
            return Ok(None);
        }
        let file = self.0.ledger_dir.join("tile").join(path);
        blocking(move || std::fs::read(file).ok()).await
    }

    /// At most `limit` entries from `from` on; without it the newest. If the first is not there yet, waits for it for
    /// at most `wait`.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::LedgerRead`] if an entry cannot be read.
    pub async fn log_entries(
        &self,
        by: &By,
        from: Option<u64>,
        limit: u32,
        wait: Duration,
    ) -> Result<Entries, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let size = self.0.ledger.size();
        let from = from.unwrap_or_else(|| size.saturating_sub(u64::from(limit)));
        let mut follower = self.0.ledger.follow(from);
        let mut leaves = Vec::new();
        while leaves.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
            let there = follower.position() < self.0.ledger.size();
            if !there && (!leaves.is_empty() || wait.is_zero()) {
                break;
            }
            match tokio::time::timeout(if there { Duration::MAX } else { wait }, follower.next()).await {
                Ok(Ok(Some(leaf))) => leaves.push(leaf),
                Ok(Ok(None)) | Err(_) => break,
                Ok(Err(error)) => return Err(error.into()),
            }
        }
        Ok(Entries { next: follower.position(), leaves })
    }

    /// Proves that entry `index` is in the log, against the published checkpoint, or where it is newer than that one,
    /// against one made for the purpose.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`] if there is no such entry.
    pub async fn log_proof(&self, by: &By, index: u64) -> Result<Proven, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        if index >= self.0.ledger.size() {
            return Err(OfficeError::unknown("entry", &index));
        }
        let published = self.0.ledger.checkpoint();
        let checkpoint =
            if index < published.size { published } else { self.0.ledger.checkpoint_now().await? };
        let ledger = self.0.ledger.clone();
        blocking(move || {
            let encode = |hash: &alcaide_ledger::Hash| STANDARD.encode(hash.as_bytes());
            Ok(Proven {
                size: checkpoint.size,
                leaf_hash: encode(&ledger.leaf_hash(index)?),
                proof: ledger.prove_inclusion(index, checkpoint.size)?.iter().map(encode).collect(),
                checkpoint: checkpoint.note,
                leaf: ledger.read(index)?,
            })
        })
        .await?
    }

    /// Reads a public key as an enrolment brings it.
    ///
    /// # Errors
    /// [`OfficeError::Request`] if it is no EC P-256 or Ed25519 key.
    pub fn read_jwk(&self, json: &[u8]) -> Result<Jwk, OfficeError> {
        Jwk::from_json(json)
            .map_err(|_| OfficeError::Request { why: "the key is no JWK of EC P-256 or Ed25519" })
    }

    /// The person who answers for an agent or workload; a person answers for themselves.
    ///
    /// # Errors
    /// [`OfficeError::Unknown`] if the plan in force does not know the actor.
    pub fn owner_of(&self, actor: Actor) -> Result<Actor, OfficeError> {
        let plan = self.current();
        let owner = match actor {
            Actor::Human(_) => return Ok(actor),
            Actor::Agent(id) => plan.agents.values().find(|one| one.id == id).map(|one| &one.spec.owner),
            Actor::Workload(id) => {
                plan.workloads.values().find(|one| one.id == id).map(|one| &one.spec.owner)
            }
        };
        let human: Option<HumanId> = owner.and_then(|name| plan.humans.get(name)).map(|one| one.id);
        human.map(Actor::Human).ok_or_else(|| OfficeError::unknown("actor", &actor))
    }
}

/// Whether a path is that of a hash tile: a level from 0 to 63, then groups of three digits, all but the last with `x`
/// before them, perhaps `.p/` and a width. Nothing else reaches the file system.
fn is_hash_tile(path: &str) -> bool {
    let (path, width) = match path.split_once(".p/") {
        Some((path, width)) => (path, Some(width)),
        None => (path, None),
    };
    let digits = |text: &str, len: std::ops::RangeInclusive<usize>| {
        len.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = path.split('/');
    let level_ok = parts.next().is_some_and(|level| digits(level, 1..=2));
    let groups: Vec<&str> = parts.collect();
    let Some((last, front)) = groups.split_last() else { return false };
    level_ok
        && front.len() <= 6
        && front.iter().all(|group| group.strip_prefix('x').is_some_and(|rest| digits(rest, 3..=3)))
        && digits(last, 3..=3)
        && width.is_none_or(|width| digits(width, 1..=3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hash_tiles_are_read_from_disk() {
        for good in ["0/000", "0/x001/067", "1/000.p/17", "12/x123/x456/789"] {
            assert!(is_hash_tile(good), "{good}");
        }
        for bad in [
            "entries/000",
            "0/../checkpoint",
            "0/00",
            "0/000.p/",
            "0/000.p/../x",
            "",
            "0",
            "/0/000",
            "0//000",
            "0/x1/000",
            "100/000",
        ] {
            assert!(!is_hash_tile(bad), "{bad}");
        }
    }
}

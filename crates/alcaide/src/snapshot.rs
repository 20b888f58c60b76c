//! The snapshot of memory as a file, and of which ledger it is.
//!
//! ```text
//! 32 bytes   keyed digest of all that follows
//!  8 bytes   ledger index below which all entries are that it rests on, big-endian
//! 32 bytes   root of the ledger's tree of that size
//! the rest   what memory gives
//! ```
//! It counts only for the ledger that it was made of, and only if that holds all that it rests on: a ledger that was put
//! back from an older copy would else be followed from an index that it has not reached, and every order that is given
//! below that index would be taken for one that is known.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use alcaide_ledger::{Hash, Ledger};
use alcaide_memory::Memory;
use alcaide_memory::snapshot::Snapshot;
use alcaide_seal::derive::SubKey;
use alcaide_seal::digest::Sha256Digest;
use anyhow::Result;

/// Writes it whole or not at all.
pub(crate) fn write(path: &Path, key: &SubKey, snapshot: &Snapshot, root: &Hash) -> Result<()> {
    let mut signed = snapshot.needs.to_be_bytes().to_vec();
    signed.extend_from_slice(root.as_bytes());
    signed.extend_from_slice(&snapshot.bytes);
    let draft = path.with_extension("draft");
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(key.mac(&signed).as_bytes())?;
    file.write_all(&signed)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    Ok(())
}

/// Memory as it was; nothing if there is no file.
///
/// # Errors
/// Why it does not count.
pub(crate) async fn read(path: &Path, key: &SubKey, ledger: &Ledger) -> Result<Option<Arc<Memory>>, String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let Some((mac, signed)) = bytes.split_first_chunk::<32>() else { return Err("it is cut off".into()) };
    if !key.verify(signed, &Sha256Digest::from_bytes(*mac)) {
        return Err("it is not authentic".into());
    }
    let parts = signed.split_first_chunk::<8>();
    let parts =
        parts.and_then(|(needs, rest)| Some((u64::from_be_bytes(*needs), rest.split_first_chunk::<32>()?)));
    let Some((needs, (root, snapshot))) = parts else { return Err("it is of an older version".into()) };
    let size = ledger.size();
    if needs > size {
        return Err(format!("it rests on {needs} entries, and the ledger has {size}"));
    }
    if needs > ledger.integrated() {
        ledger.checkpoint_now().await.map_err(|error| error.to_string())?;
    }
    let found = ledger.root(needs).map_err(|error| error.to_string())?;
    if found.as_bytes() != root {
        return Err("it is of another ledger".into());
    }
    let memory = Memory::from_snapshot(snapshot).map_err(|error| error.to_string())?;
    if memory.replay_needs() != needs {
        return Err("it rests on more than it says".into());
    }
    Ok(Some(memory))
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::{Actor, AgentId, Moment, OrderId};
    use alcaide_ledger::Options;
    use alcaide_record::{Entry, Event, Order, OrderKind};
    use alcaide_seal::derive::Purpose;
    use alcaide_seal::note::NoteSigner;
    use alcaide_seal::{MasterKey, SystemEntropy};

    use super::*;

    const ORIGIN: &str = "alcaide.test/ledger";

    /// A ledger of kills, the last of them with `epoch`.
    async fn ledger(dir: &Path, signer: &Arc<NoteSigner>, entries: u64, epoch: u64) -> Ledger {
        let options = Options { segment_bytes: 1 << 20, ..Options::default() };
        let ledger = Ledger::create(dir, &options, Arc::clone(signer), ORIGIN).unwrap();
        for index in 0..entries {
            let epoch = if index + 1 == entries { epoch } else { index };
            let order = OrderKind::Kill { actor: Actor::Agent(AgentId::from_bits(1)), epoch };
            let order = Order { by: None, id: OrderId::from_bits(u128::from(index)), order };
            let leaf = Entry::new(Moment::from_secs(9), Event::Order(order)).to_leaf().unwrap();
            let _receipt = ledger.append(leaf).await.unwrap();
        }
        ledger
    }

    #[tokio::test]
    async fn a_snapshot_counts_for_its_own_ledger_and_for_no_shorter_one() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = SystemEntropy::new();
        let key = SubKey::derive(&MasterKey::generate(&entropy).unwrap(), Purpose::SnapshotMac).unwrap();
        let signer = Arc::new(NoteSigner::generate(ORIGIN.parse().unwrap(), &entropy).unwrap());
        let place = |name: &str| folder.path().join(name);
        let own = ledger(&place("own"), &signer, 6, 9).await;
        own.checkpoint_now().await.unwrap();
        let memory = Memory::empty();
        alcaide_gateway::orders::rebuild(&own, &memory).unwrap();
        let (path, snapshot) = (place("memory.snapshot"), memory.snapshot().unwrap());
        assert!(read(&path, &key, &own).await.unwrap().is_none(), "there is none yet");
        write(&path, &key, &snapshot, &own.root(snapshot.needs).unwrap()).unwrap();
        let known = read(&path, &key, &own).await.unwrap().unwrap();
        assert_eq!(known.replay_from(), 6);
        let longer = ledger(&place("longer"), &signer, 9, 9).await;
        let shorter = ledger(&place("shorter"), &signer, 5, 4).await;
        let other = ledger(&place("other"), &signer, 6, 8).await;
        for (ledger, why) in
            [(&longer, "of another ledger"), (&shorter, "the ledger has 5"), (&other, "of another ledger")]
        {
            let error = read(&path, &key, ledger).await.err().unwrap();
            assert!(error.contains(why), "{error}");
        }
        let good = std::fs::read(&path).unwrap();
        for at in [0, 39, 60, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, bad).unwrap();
            assert_eq!(read(&path, &key, &own).await.err().as_deref(), Some("it is not authentic"), "{at}");
        }
        // One of before the root stood in it.
        let mut old = key.mac(&snapshot.bytes).as_bytes().to_vec();
        old.extend_from_slice(&snapshot.bytes);
        std::fs::write(&path, old).unwrap();
        assert!(read(&path, &key, &own).await.err().unwrap().contains("the ledger has 6"));
        for ledger in [own, longer, shorter, other] {
            ledger.close().await.unwrap();
        }
    }
}

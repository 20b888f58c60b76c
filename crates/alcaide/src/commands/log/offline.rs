//! What needs no service: verifying a ledger's folder, checking a proof, printing the verifier key.

use std::path::{Path, PathBuf};

use alcaide_keys::Keys;
use alcaide_ledger::{Hash, OpenNote, VerifyError, checkpoint, leaf_hash, verify_inclusion};
use alcaide_seal::note::NoteVerifier;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{Desk, Exit};
use crate::fail::{Failure, LOG_KEY, PROOF, RECORD};

/// Longest proof that is read, in bytes: an entry has at most 64 KiB, a path 64 hashes.
const PROOF_BYTES_MAX: u64 = 1 << 20;

pub(super) fn verify(desk: &Desk, dir: Option<PathBuf>, key: Option<&str>) -> Result<Exit, Failure> {
    let verifier = match key {
        Some(text) => read_key(text)?,
        None => own_key(desk)?,
    };
    let dir = match dir {
        Some(dir) => dir,
        None => desk.places()?.ledger(),
    };
    match alcaide_ledger::verify(&dir, &verifier) {
        Ok(report) => {
            let entries = report.size.saturating_add(report.beyond.unwrap_or(0));
            let told = json!({
                "verified": true, "origin": report.origin, "entries": entries, "checkpoint_size": report.size,
                "root": STANDARD.encode(report.root.as_bytes()), "beyond": report.beyond, "torn": report.torn,
            });
            desk.out.show(&told, || {
                let root = STANDARD.encode(report.root.as_bytes());
                let mut text = format!(
                    "the record verifies\nlog         {}\nentries     {entries}\ncheckpoint  {} entries, signed\nroot        {root}\n",
                    report.origin, report.size
                );
                if let Some(beyond) = report.beyond.filter(|beyond| *beyond > 0) {
                    text.push_str(&format!("beyond      {beyond} whole entries that no checkpoint covers yet\n"));
                }
                if report.torn {
                    text.push_str("torn        the last write is not whole: a crash, or a folder in use\n");
                }
                text
            })?;
            Ok(Exit::Clean)
        }
        Err(error) => {
            let (index, why) = (first_broken(&error), said(&error));
            if desk.out.is_json() {
                desk.out.json_line(&json!({ "verified": false, "first_broken": index, "why": why }))?;
            }
            let what = match index {
                Some(index) => {
                    format!("the record does not verify: entry {index} is the first that is broken")
                }
                None => "the record does not verify".to_owned(),
            };
            Err(Failure::new(&RECORD, what).at(dir.display()).why(why))
        }
    }
}

pub(super) fn key(desk: &Desk) -> Result<Exit, Failure> {
    let key = own_key(desk)?.to_string();
    desk.out.show(&json!({ "key": key }), || format!("{key}\n"))?;
    Ok(Exit::Clean)
}

/// A proof as the office gives it.
#[derive(Deserialize)]
struct Proof {
    index: u64,
    size: u64,
    leaf_hash: String,
    proof: Vec<String>,
    checkpoint: String,
    entry: Value,
}

pub(super) fn check_proof(desk: &Desk, file: &Path, key: &str) -> Result<Exit, Failure> {
    use std::io::Read as _;
    let verifier = read_key(key)?;
    let failed = |error: std::io::Error| Failure::file("read", file, &error);
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(failed)?;
    opened.take(PROOF_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    let (proof, root) = judge(&text, &verifier)
        .map_err(|why| Failure::new(&PROOF, "the proof does not hold").at(file.display()).why(why))?;
    let told = json!({ "holds": true, "index": proof.index, "size": proof.size, "root": root, "entry": proof.entry });
    desk.out.show(&told, || {
        let entry = serde_json::to_string_pretty(&proof.entry).unwrap_or_default();
        format!("entry {} is in the log of {} entries with root {root}\n{entry}\n", proof.index, proof.size)
    })?;
    Ok(Exit::Clean)
}

/// Checks signature, path and entry against each other; gives the proof and the root.
///
/// Source: RFC 9162, section 2.1.3.2; C2SP tlog-checkpoint.
fn judge(text: &str, verifier: &NoteVerifier) -> Result<(Proof, String), String> {
    let proof: Proof = serde_json::from_str(text).map_err(|error| format!("it is no proof: {error}"))?;
    let signed = verifier
        .open_note(&proof.checkpoint)
        .map_err(|error| format!("its checkpoint is not signed by the key: {error}"))?;
    let mut lines = signed.split('\n');
    let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
        return Err("its checkpoint is malformed".into());
    };
    let root_hash = hash(root).ok_or("the root of its checkpoint is malformed")?;
    let size: u64 = size.parse().map_err(|_| "the size of its checkpoint is malformed")?;
    // Written again, it must be what was signed: one spelling only.
    if !signed.starts_with(&checkpoint::text(origin, size, &root_hash)) {
        return Err("its checkpoint is malformed".into());
    }
    if size != proof.size {
        return Err(format!("it is for {} entries, its checkpoint for {size}", proof.size));
    }
    // Entries are canonical JSON: members in the order of their names, no spaces.
    let entry = canonical(&proof.entry).ok_or("its entry cannot be written")?;
    let leaf = leaf_hash(entry.as_bytes());
    if hash(&proof.leaf_hash) != Some(leaf) {
        return Err("its entry is not the one that was hashed".into());
    }
    let path: Option<Vec<Hash>> = proof.proof.iter().map(|text| hash(text)).collect();
    let path = path.ok_or("a hash of it is malformed")?;
    verify_inclusion(&leaf, proof.index, size, &path, &root_hash).map_err(|error| error.to_string())?;
    let root = root.to_owned();
    Ok((proof, root))
}

fn canonical(value: &Value) -> Option<String> {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut names: Vec<&String> = members.keys().collect();
                names.sort();
                names
                    .into_iter()
                    .filter_map(|name| Some((name.clone(), sorted(members.get(name)?))))
                    .collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    serde_json::to_string(&sorted(value)).ok()
}

fn hash(text: &str) -> Option<Hash> {
    let bytes = STANDARD.decode(text).ok()?;
    <[u8; 32]>::try_from(bytes).ok().map(Hash::from_bytes)
}

fn read_key(text: &str) -> Result<NoteVerifier, Failure> {
    text.trim()
        .parse()
        .map_err(|error| Failure::new(&LOG_KEY, "the verifier key is not understood").at("--key").why(error))
}

/// The key of the data directory's own log.
fn own_key(desk: &Desk) -> Result<NoteVerifier, Failure> {
    let path = desk.places()?.keys();
    let keys = Keys::open(&path).map_err(|error| {
        Failure::new(&LOG_KEY, "the verifier key is not known").at(path.display()).why(error)
    })?;
    Ok(keys.note.verifier().clone())
}

/// The first entry that is broken, where one is.
const fn first_broken(error: &VerifyError) -> Option<u64> {
    match error {
        VerifyError::Frame { index, .. }
        | VerifyError::Segment { index }
        | VerifyError::Entry { index, .. }
        | VerifyError::Unreadable { index, .. } => Some(*index),
        VerifyError::Tile { first, .. } => Some(*first),
        _ => None,
    }
}

/// What is wrong, with its causes.
pub(crate) fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alcaide_seal::SystemEntropy;
    use alcaide_seal::note::NoteSigner;

    fn proof(signer: &NoteSigner) -> Value {
        // A log of two entries: the path of the first is the hash of the second.
        let entry = json!({ "b": [1, { "d": 1, "c": 2 }], "a": "x" });
        let leaf = leaf_hash(br#"{"a":"x","b":[1,{"c":2,"d":1}]}"#);
        let other = leaf_hash(b"{}");
        let root = alcaide_ledger::hash::node_hash(&leaf, &other);
        let note = signer.sign(&checkpoint::text("log.example", 2, &root)).unwrap();
        let b64 = |hash: &Hash| STANDARD.encode(hash.as_bytes());
        json!({
            "index": 0, "size": 2, "leaf_hash": b64(&leaf), "proof": [b64(&other)], "checkpoint": note, "entry": entry,
        })
    }

    #[test]
    fn a_proof_holds_and_none_of_its_parts_can_be_another() {
        let signer = NoteSigner::generate("log.example".parse().unwrap(), &SystemEntropy::new()).unwrap();
        let stranger = NoteSigner::generate("log.example".parse().unwrap(), &SystemEntropy::new()).unwrap();
        let good = proof(&signer);
        assert!(judge(&good.to_string(), signer.verifier()).is_ok());
        let told = |value: &Value, key: &NoteSigner| judge(&value.to_string(), key.verifier()).err().unwrap();
        assert!(told(&good, &stranger).starts_with("its checkpoint is not signed by the key"));
        let change = |pointer: &str, new: Value| {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = new;
            told(&bad, &signer)
        };
        assert_eq!(change("/entry/a", json!("y")), "its entry is not the one that was hashed");
        assert_eq!(change("/index", json!(1)), "the proof leads to another root");
        assert_eq!(change("/size", json!(3)), "it is for 3 entries, its checkpoint for 2");
        assert_eq!(change("/proof/0", good["leaf_hash"].clone()), "the proof leads to another root");
        assert_eq!(
            change("/proof", json!([])),
            "the proof has not the number of hashes that index and size need"
        );
        assert_eq!(change("/leaf_hash", json!("x")), "its entry is not the one that was hashed");
    }
}

//! What the tests share: keys, options, folders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alcaide_ledger::{Leaf, Ledger, NoteError, OpenNote, Options, SignNote, SpendKey, leaf_hash};

pub(crate) const ORIGIN: &str = "gate.example/ledger";

/// A stand-in for a key: whoever knows the secret makes and checks its tags.
#[derive(Clone)]
pub(crate) struct Key(pub(crate) &'static str);

impl Key {
    fn tag(&self, text: &str) -> String {
        leaf_hash(format!("{}\n{text}", self.0).as_bytes()).to_string()
    }
}

impl SignNote for Key {
    fn sign_note(&self, text: &str) -> Result<String, NoteError> {
        Ok(format!("{text}\n\u{2014} test {}\n", self.tag(text)))
    }

    fn open_own_note(&self, note: &str) -> Result<String, NoteError> {
        self.open_note(note)
    }
}

impl OpenNote for Key {
    fn open_note(&self, note: &str) -> Result<String, NoteError> {
        let refused = || NoteError::Unavailable { why: "not signed by the test key".into() };
        let (text, signature) = note.rsplit_once("\n\u{2014} test ").ok_or_else(refused)?;
        if signature.trim_end() == self.tag(text) { Ok(text.to_owned()) } else { Err(refused()) }
    }
}

pub(crate) const KEY: Key = Key("secret");

/// Small segments, so that tests pass through several.
pub(crate) fn options() -> Options {
    Options { segment_bytes: 128 << 10, checkpoint_every: Duration::from_secs(3600), ..Options::default() }
}

pub(crate) fn create(dir: &Path) -> Ledger {
    Ledger::create(dir, &options(), KEY, ORIGIN).unwrap()
}

pub(crate) fn open(dir: &Path) -> Ledger {
    Ledger::open(dir, &options(), KEY, ORIGIN).unwrap()
}

pub(crate) fn leaf(index: u64) -> Vec<u8> {
    let mut leaf = format!("entry {index} ").into_bytes();
    let bytes = usize::try_from(index % 97).unwrap() * 11;
    leaf.resize(leaf.len() + bytes, b'.');
    leaf
}

/// Appends the leaves `from..to`, a few at a time.
pub(crate) async fn fill(ledger: &Ledger, from: u64, to: u64) {
    for start in (from..to).step_by(40) {
        let pending: Vec<_> =
            (start..(start + 40).min(to)).map(|i| ledger.enqueue(leaf(i)).unwrap()).collect();
        for (index, entry) in (start..).zip(pending) {
            assert_eq!(entry.await.unwrap().index(), index);
        }
    }
}

/// A leaf that spends a key.
#[derive(Clone, Debug)]
pub(crate) struct Spender(pub(crate) Vec<u8>, pub(crate) [u8; 32]);

impl Leaf for Spender {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn spends(&self) -> Option<SpendKey> {
        Some(SpendKey::from_bytes(self.1))
    }
}

/// Copies a folder as it is at this moment, as a crash would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    // Folders and files may be removed or renamed under our eyes.
    let Ok(entries) = std::fs::read_dir(from) else { return };
    for entry in entries.map_while(Result::ok) {
        let target = to.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => copy(&entry.path(), &target),
            _ => drop(std::fs::copy(entry.path(), target)),
        }
    }
}

/// The segment files, in order.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("segments")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

/// Bytes of a segment up to the last that is not zero.
pub(crate) fn used(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

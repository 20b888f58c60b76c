//! Trees in memory, and the way from one to a verdict.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use alcaide_artifact::signing::{
    Agreed, Bundle, DigestCache, Entry, Kind, ModelSignature, Rules, Scheme, SignAs, SigningError, Stamp,
    Survey, Surveyed, TreePath, Trust, Verified, agree, authenticate, sign,
};
use alcaide_seal::SystemEntropy;
use alcaide_seal::ecdsa::{Curve, EcSigner as _, PrivateKey};

/// 2026-07-01.
pub(crate) const NOW: u64 = 1_782_864_000;

/// Files by path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tree(pub(crate) BTreeMap<String, Vec<u8>>);

impl Tree {
    pub(crate) fn of(files: &[(&str, &[u8])]) -> Self {
        Self(files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect())
    }

    pub(crate) fn read(folder: &Path) -> Self {
        let mut tree = Self::default();
        tree.read_below(folder, folder);
        tree
    }

    fn read_below(&mut self, root: &Path, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.read_below(root, &path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                self.0.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }

    pub(crate) fn with(&self, path: &str, bytes: &[u8]) -> Self {
        let mut other = self.clone();
        other.0.insert(path.to_owned(), bytes.to_vec());
        other
    }

    pub(crate) fn without(&self, path: &str) -> Self {
        let mut other = self.clone();
        other.0.remove(path).unwrap();
        other
    }

    pub(crate) fn entries(&self) -> Vec<Entry<Vec<u8>>> {
        self.0.iter().map(|(path, bytes)| entry(path, Kind::File(bytes.clone()))).collect()
    }

    pub(crate) fn manifest(&self, scheme: Scheme, rules: &Rules) -> Result<Surveyed, SigningError> {
        let mut survey = Survey::to_sign(scheme, rules);
        for entry in self.entries() {
            survey.add(&entry, None)?;
        }
        survey.into_surveyed("model")
    }
}

pub(crate) fn entry<I>(path: &str, kind: Kind<I>) -> Entry<I> {
    Entry { path: path.as_bytes().to_vec(), kind, stamp: None }
}

pub(crate) fn stamped(path: &str, bytes: &[u8], stamp: u64) -> Entry<Vec<u8>> {
    let stamp = Some(Stamp::new(&stamp.to_be_bytes()));
    Entry { path: path.as_bytes().to_vec(), kind: Kind::File(bytes.to_vec()), stamp }
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

pub(crate) fn new_key() -> PrivateKey {
    PrivateKey::generate(Curve::P256, &SystemEntropy::new()).unwrap()
}

pub(crate) fn trusting(keys: &[&PrivateKey]) -> Trust {
    Trust { keys: keys.iter().map(|key| key.public_key().clone()).collect(), at: NOW, ..Trust::default() }
}

pub(crate) fn bundle_of(tree: &Tree, rules: &Rules, key: &PrivateKey) -> Bundle {
    let manifest = tree.manifest(Scheme::STANDARD, rules).unwrap();
    sign(&manifest, key, SignAs::Key).unwrap()
}

pub(crate) fn agreed(bundle: &Bundle, trust: &Trust, rules: &Rules) -> Result<Agreed, SigningError> {
    agree(vec![authenticate(bundle, trust, rules)?], NonZeroUsize::MIN)
}

pub(crate) fn compare(
    agreed: &Agreed,
    rules: &Rules,
    entries: &[Entry<Vec<u8>>],
    mut cache: Option<&mut DigestCache>,
) -> Result<Verified<ModelSignature>, SigningError> {
    let mut survey = agreed.survey(rules);
    for entry in entries {
        survey.add(entry, cache.as_deref_mut())?;
    }
    survey.finish()
}

pub(crate) fn verify(
    tree: &Tree,
    bundle: &[u8],
    trust: &Trust,
    rules: &Rules,
) -> Result<Verified<ModelSignature>, SigningError> {
    let agreed = agreed(&Bundle::parse(bundle)?, trust, rules)?;
    compare(&agreed, rules, &tree.entries(), None)
}

pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oms")
}

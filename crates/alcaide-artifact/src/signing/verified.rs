//! What is known of a model once everything was checked.

use std::ops::Deref;

use alcaide_seal::Sha256Digest;

use super::path::TreePath;
use super::quorum::Agreed;
use super::scheme::Scheme;
use super::verify::Signer;

/// Proof that a value was verified. Only the end of a survey and the check of an [`evidence`](crate::evidence) envelope make one.
#[derive(Clone, Debug)]
#[must_use = "a proof that nobody looks at proves nothing"]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, without the proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A model whose files are those that its signers signed.
#[derive(Clone, Debug)]
pub struct ModelSignature {
    name: String,
    scheme: Scheme,
    manifest: Sha256Digest,
    root: Option<Sha256Digest>,
    signers: Vec<Signer>,
    files: Vec<SignedFile>,
    unsigned: Vec<TreePath>,
    ignored: Vec<TreePath>,
}

/// A file that is what was signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedFile {
    /// Which file.
    pub path: TreePath,
    /// Its size.
    pub bytes: u64,
    /// Whether its digests came from a cache: it was not read this time.
    pub cached: bool,
}

impl ModelSignature {
    pub(super) fn new(
        agreed: &Agreed,
        files: Vec<SignedFile>,
        unsigned: Vec<TreePath>,
        ignored: Vec<TreePath>,
    ) -> Self {
        Self {
            name: agreed.manifest().name().to_owned(),
            scheme: agreed.manifest().scheme(),
            manifest: agreed.manifest().digest(),
            root: agreed.first().statement.root,
            signers: agreed.signers().cloned().collect(),
            files,
            unsigned,
            ignored,
        }
    }

    /// What the first signer calls the model; nothing depends on it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its files became digests.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Digest of what was signed, by [`Manifest::digest`](super::Manifest::digest).
    #[must_use]
    pub const fn manifest(&self) -> Sha256Digest {
        self.manifest
    }

    /// Root digest of the first bundle as OMS makes it, which depends on the order of its lines; nothing in historical formats.
    #[must_use]
    pub const fn root(&self) -> Option<Sha256Digest> {
        self.root
    }

    /// Who signed, one for each bundle.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Files that are what was signed, by path.
    #[must_use]
    pub fn files(&self) -> &[SignedFile] {
        &self.files
    }

    /// Files that nobody signed: those that the rules let pass, and empty ones where shards were signed.
    #[must_use]
    pub fn unsigned(&self) -> &[TreePath] {
        &self.unsigned
    }

    /// Files that do not count, by the defaults or by the rules.
    #[must_use]
    pub fn ignored(&self) -> &[TreePath] {
        &self.ignored
    }

    /// Bytes of the signed files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

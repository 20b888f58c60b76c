//! Digests of a model that are kept from one verification to the next: `FILE`, and beside it `FILE.key`.
//!
//! The key is drawn the first time and lies in a file that only its owner can read; under it the digests are authenticated
//! together with the place of the model. Where either is not what it must be, the files are read again: a cache saves time and
//! decides nothing.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use alcaide_artifact::signing::DigestCache;
use alcaide_keys::{KeyFile, KeysError};
use alcaide_seal::SystemEntropy;
use alcaide_seal::derive::{Purpose, SubKey};
use alcaide_seal::digest::HmacKey;

use crate::fail::{Failure, INTERNAL, USAGE};
use crate::show::note;

/// A file of digests, and what it takes to believe it.
pub(crate) struct Digests {
    file: PathBuf,
    key: HmacKey,
    /// The place of the model.
    context: Vec<u8>,
    known: DigestCache,
}

impl Digests {
    /// Reads the digests that are kept in `file` for the model at `model`; none, if they are not to be believed.
    ///
    /// # Errors
    /// If the file lies in the model, or its key cannot be had.
    pub(crate) fn open(file: &Path, model: &Path) -> Result<Self, Failure> {
        let root = model.canonicalize().map_err(|error| Failure::file("read", model, &error))?;
        let place = absolute(file).map_err(|error| Failure::file("read", file, &error))?;
        if place.starts_with(&root) {
            return Err(Failure::new(&USAGE, "the cache lies in the model")
                .at(file.display())
                .why("whoever changes the model could change the cache with it, and nobody signed it")
                .fix("name a file elsewhere"));
        }
        let key = key_of(&beside(&place))?;
        let context = root.as_os_str().as_bytes().to_vec();
        let known = match read(&place) {
            Ok(Some(bytes)) => DigestCache::open(&bytes, &key, &context).unwrap_or_else(|error| {
                note(&format!("the cache is not used: {error}"));
                DigestCache::new()
            }),
            Ok(None) => DigestCache::new(),
            Err(error) => return Err(Failure::file("read", file, &error)),
        };
        Ok(Self { file: place, key, context, known })
    }

    /// What is known.
    pub(crate) const fn known(&self) -> &DigestCache {
        &self.known
    }

    /// Keeps `digests` in the place of what was known, if they are others.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn keep(&self, digests: &DigestCache) -> Result<(), Failure> {
        if *digests == self.known {
            return Ok(());
        }
        let bytes = digests
            .seal(&self.key, &self.context)
            .map_err(|error| Failure::new(&INTERNAL, "the cache was not written").why(error))?;
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        let write = || -> io::Result<()> {
            let mut draft = tempfile::NamedTempFile::new_in(folder)?;
            draft.write_all(&bytes)?;
            draft.persist(&self.file)?;
            Ok(())
        };
        write().map_err(|error| Failure::file("write", &self.file, &error))
    }
}

fn key_of(file: &Path) -> Result<HmacKey, Failure> {
    let opened = match KeyFile::open(file) {
        Err(KeysError::Missing { .. }) => KeyFile::create(file, &SystemEntropy::new()),
        other => other,
    };
    let opened = opened.map_err(|error| Failure::house(&error.into()))?;
    let key = SubKey::derive(opened.master(), Purpose::DigestCache)
        .map_err(|error| Failure::new(&INTERNAL, "the key of the cache was not derived").why(error))?;
    Ok(HmacKey::new(key.expose()))
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(OsStr::new(".key"));
    PathBuf::from(name)
}

/// The path without links on the way to its last name, which need not exist.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    Ok(folder.canonicalize()?.join(name))
}

fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // One byte more than is taken, so that what is too long shows.
    opened.take(DigestCache::BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

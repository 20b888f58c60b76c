//! A model as it lies somewhere: each file hashed and judged by a reader in one pass, or hashed alone.

use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use alcaide_artifact::evidence::{EvidenceError, Examination, ScanClaim, Seen, Subject};
use alcaide_artifact::signing::{DigestCache, Entry, Kind, Rules, Scheme, Stamp, Survey, TreePath};
use alcaide_seal::Sha256Digest;
use alcaide_seal::digest::Hasher;

use super::crew::{self, Looked, Way};
use super::file::FileInput;
use super::tree::{self, Found, Opened};

/// Why nothing can be said of a model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasureError {
    /// Its files cannot be listed.
    #[error("its files cannot be listed: {0}")]
    Walk(#[source] io::Error),
    /// No reader could be started.
    #[error("no reader could be started: {0}")]
    Readers(#[source] io::Error),
    /// Of the files themselves.
    #[error(transparent)]
    Files(#[from] EvidenceError),
}

/// Looks into all files of the model at `root`, with so many readers at a time; `rules` say what does not count.
pub(crate) fn examine(root: &Path, rules: &Rules, way: Way) -> Result<(Subject, ScanClaim), MeasureError> {
    let files = tree::walk(root).map_err(MeasureError::Walk)?;
    let looked = crew::look(&files, way, &|_| ()).map_err(MeasureError::Readers)?;
    let mut examination = Examination::begin(rules);
    for (file, one) in files.iter().zip(&looked) {
        let (bytes, sha256) = digest_of(file, one)?;
        let report = one.report.as_ref().filter(|_| one.why_not.is_none());
        examination.add(&within(root, file), &Seen { bytes, sha256, report })?;
    }
    let (_, subject, scan) = examination.finish(&name_of(root))?;
    Ok((subject, scan))
}

/// The digest of a file's reader; where that came to no end, one of our own, so that the file is listed and in doubt.
fn digest_of(file: &Found, looked: &Looked) -> Result<(u64, Sha256Digest), EvidenceError> {
    if let (Some(bytes), Some(sha256)) = (looked.bytes, looked.sha256) {
        return Ok((bytes, sha256));
    }
    let unread = |why: String| EvidenceError::Unread { path: file.name.clone(), why };
    if let Some(why) = file.unreadable {
        return Err(unread(why.to_owned()));
    }
    let opened = Opened::open(&file.path).map_err(|error| unread(error.to_string()))?;
    let bytes = opened.bytes;
    let path = TreePath::new("file").map_err(|fault| unread(fault.to_string()))?;
    let input =
        FileInput::new(opened.file.try_clone().map_err(|error| unread(error.to_string()))?, bytes, false);
    let measured = Scheme::STANDARD.measure(&path, &input)?;
    match opened.is_unchanged() {
        Ok(true) => {}
        Ok(false) => return Err(unread("it was changed while it was read".to_owned())),
        Err(error) => return Err(unread(error.to_string())),
    }
    measured.sha256().map(|sha256| (bytes, sha256)).ok_or_else(|| unread("it has no digest".to_owned()))
}

/// Which version lies somewhere, and exactly which files that was found in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Measure {
    /// The version.
    pub(crate) version: Sha256Digest,
    /// The [`tree_stamp`] of the files as they were open: whoever puts others in their place while they are read, and the first
    /// ones back, has not had these read.
    pub(crate) stamp: Sha256Digest,
}

/// Hashes all files of the model at `root` that `cache` does not know as they are, and says which version it is.
pub(crate) fn version(root: &Path, rules: &Rules, cache: &mut DigestCache) -> Result<Measure, MeasureError> {
    let files = tree::walk(root).map_err(MeasureError::Walk)?;
    let mut survey = Survey::to_sign(Scheme::STANDARD, rules);
    let mut hasher = Hasher::new();
    for file in &files {
        let unread = |why: String| EvidenceError::Unread { path: file.name.clone(), why };
        if let Some(why) = file.unreadable {
            return Err(unread(why.to_owned()).into());
        }
        let opened = Opened::open(&file.path).map_err(|error| unread(error.to_string()))?;
        let status = opened.file.metadata().map_err(|error| unread(error.to_string()))?;
        stamp_name(&mut hasher, file);
        hasher.update(&known_of(&status));
        let input = FileInput::new(opened.file, opened.bytes, false);
        let entry = Entry { path: within(root, file), kind: Kind::File(input), stamp: stamp_of(&status) };
        survey.add(&entry, Some(&mut *cache)).map_err(EvidenceError::Files)?;
    }
    let surveyed = survey.into_surveyed(&name_of(root)).map_err(EvidenceError::Files)?;
    Ok(Measure { version: Subject::of(surveyed.manifest())?.version(), stamp: hasher.finish() })
}

/// What changes whenever a file of the model at `root` does, as far as the file system tells: names, devices, inodes, sizes, times
/// of change. No file is opened.
pub(crate) fn tree_stamp(root: &Path) -> io::Result<Sha256Digest> {
    let mut hasher = Hasher::new();
    for file in tree::walk(root)? {
        stamp_name(&mut hasher, &file);
        match std::fs::metadata(&file.path) {
            Ok(status) => hasher.update(&known_of(&status)),
            Err(error) => hasher.update(error.kind().to_string().as_bytes()),
        }
    }
    Ok(hasher.finish())
}

fn stamp_name(hasher: &mut Hasher, file: &Found) {
    hasher.update(&(file.name.len() as u64).to_be_bytes());
    hasher.update(file.name.as_bytes());
}

/// A file's stamp, if its change time is well before now: within its grain a file could be written twice.
fn stamp_of(status: &Metadata) -> Option<Stamp> {
    let changed = u64::try_from(status.ctime()).ok()?;
    let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(changed))?;
    let age = SystemTime::now().duration_since(changed).ok()?;
    (age >= GRAIN).then(|| Stamp::new(&known_of(status)))
}

fn known_of(status: &Metadata) -> Vec<u8> {
    let numbers = [status.dev(), status.ino(), status.len()];
    let times = [status.mtime(), status.mtime_nsec(), status.ctime(), status.ctime_nsec()];
    let mut known = Vec::with_capacity(56);
    numbers.iter().for_each(|number| known.extend_from_slice(&number.to_be_bytes()));
    times.iter().for_each(|time| known.extend_from_slice(&time.to_be_bytes()));
    known
}

/// The path below the model, as the file system gives it.
fn within(root: &Path, file: &Found) -> Vec<u8> {
    let own = || file.path.file_name().unwrap_or_default().as_bytes().to_vec();
    match file.path.strip_prefix(root) {
        Ok(path) if !path.as_os_str().is_empty() => path.as_os_str().as_bytes().to_vec(),
        _ => own(),
    }
}

fn name_of(root: &Path) -> String {
    root.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The coarsest change times that file systems in use have, and some more.
const GRAIN: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_version_is_names_and_bytes_and_the_signature_is_none_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("m");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("config.json"), "{}").unwrap();
        let mut rules = Rules::default();
        rules.signatures.insert(TreePath::new("model.sig").unwrap());
        let mut cache = DigestCache::new();
        let mut now = || version(&root, &rules, &mut cache).unwrap().version;
        let first = now();
        fs::write(root.join("model.sig"), "x").unwrap();
        assert_eq!(now(), first);
        fs::write(root.join("config.json"), "{ }").unwrap();
        let changed = now();
        assert_ne!(changed, first);
        fs::rename(root.join("config.json"), root.join("other.json")).unwrap();
        assert_ne!(now(), changed);
        fs::rename(root.join("other.json"), root.join("config.json")).unwrap();
        fs::write(root.join("config.json"), "{}").unwrap();
        assert_eq!(now(), first);
        fs::remove_file(root.join("config.json")).unwrap();
        assert!(
            version(&root, &rules, &mut DigestCache::new()).is_err(),
            "nothing is left but the signature"
        );
        assert!(version(&root.join("missing"), &rules, &mut DigestCache::new()).is_err());
    }

    #[test]
    fn a_stamp_of_a_tree_tells_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "one").unwrap();
        let first = tree_stamp(folder.path()).unwrap();
        assert_eq!(tree_stamp(folder.path()).unwrap(), first);
        fs::write(at("b"), "two").unwrap();
        let second = tree_stamp(folder.path()).unwrap();
        assert_ne!(second, first);
        // Another file in its place, of the same size.
        fs::write(at("c"), "six").unwrap();
        fs::rename(at("c"), at("a")).unwrap();
        assert_ne!(tree_stamp(folder.path()).unwrap(), second);
    }

    #[test]
    fn what_was_hashed_is_told_by_the_files_that_were_open_not_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("m");
        for (part, text) in [("m/sub", "first"), ("other", "other")] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
            fs::write(folder.path().join(part).join("a"), text).unwrap();
        }
        let read = || version(&root, &Rules::default(), &mut DigestCache::new()).unwrap();
        let (before, first) = (tree_stamp(&root).unwrap(), read());
        assert_eq!(first.stamp, before);
        // Others in their place while they are read, and the first ones back: no file of them has another time.
        let swap =
            |from: &str, to: &str| fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
        swap("m/sub", "aside");
        swap("other", "m/sub");
        let second = read();
        swap("m/sub", "other");
        swap("aside", "m/sub");
        assert_ne!(second.version, first.version);
        assert_eq!(tree_stamp(&root).unwrap(), before, "a look at the names does not tell");
        assert_ne!(second.stamp, before);
    }
}

//! What is signed: every file of a model with its digests.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use alcaide_seal::digest::Hasher;
use alcaide_seal::hash::FileDigest;
use alcaide_seal::{Sha256Digest, sha256};

use super::error::SigningError;
use super::path::TreePath;
use super::rules::Names;
use super::scheme::{FileDigests, Method, Scheme, Shard};

/// Most files and shards of one model.
pub const RESOURCES_MAX: usize = 1_000_000;

/// The files of a model and their digests; at least one, none twice, none in the place of a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    pub(super) name: String,
    pub(super) scheme: Scheme,
    pub(super) files: BTreeMap<TreePath, FileDigests>,
}

/// One line of a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) digest: FileDigest,
}

impl Manifest {
    /// Puts files together.
    pub(super) fn new(
        name: String,
        scheme: Scheme,
        files: BTreeMap<TreePath, FileDigests>,
    ) -> Result<Self, SigningError> {
        let pieces: usize = files.values().map(FileDigests::count).sum();
        if pieces == 0 {
            return Err(SigningError::EmptyModel);
        }
        if pieces > RESOURCES_MAX {
            return Err(SigningError::TooManyFiles { count: pieces, max: RESOURCES_MAX });
        }
        for path in files.keys() {
            for folder in path.folders() {
                if let Ok(folder) = TreePath::new(folder)
                    && files.contains_key(&folder)
                {
                    return Err(SigningError::DuplicatePath { path: folder });
                }
            }
        }
        Ok(Self { name, scheme, files })
    }

    /// Reads the lines of a statement, in any order.
    pub(super) fn from_resources(
        name: String,
        scheme: Scheme,
        resources: Vec<Resource>,
    ) -> Result<Self, SigningError> {
        if resources.len() > RESOURCES_MAX {
            return Err(SigningError::TooManyFiles { count: resources.len(), max: RESOURCES_MAX });
        }
        let files = match scheme.method {
            Method::Files => {
                let mut files = BTreeMap::new();
                for resource in resources {
                    match files.entry(taken(&resource.name)?) {
                        Entry::Vacant(place) => place.insert(FileDigests::Whole(resource.digest)),
                        Entry::Occupied(place) => {
                            return Err(SigningError::DuplicatePath { path: place.key().clone() });
                        }
                    };
                }
                files
            }
            Method::Shards { bytes } => shards(resources, bytes)?,
        };
        Self::new(name, scheme, files)
    }

    /// The lines of a statement, by code point of their names.
    pub(super) fn resources(&self) -> Vec<Resource> {
        let mut resources = Vec::new();
        for (path, digests) in &self.files {
            match digests {
                FileDigests::Whole(digest) => {
                    resources.push(Resource { name: path.as_str().to_owned(), digest: *digest });
                }
                FileDigests::Shards(shards) => {
                    let mut start = 0;
                    for shard in shards {
                        let name = format!("{}:{start}:{}", path.as_str(), shard.end);
                        resources.push(Resource { name, digest: shard.digest });
                        start = shard.end;
                    }
                }
            }
        }
        // Bytes of UTF-8 sort as code points do.
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        resources
    }

    /// Refuses names that some file systems take for one.
    pub(super) fn check_names(&self, names: Names) -> Result<(), SigningError> {
        let mut folded = Folded::new(names);
        self.files.keys().try_for_each(|path| folded.add(path))
    }

    /// What the model is called; nothing depends on it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How files became digests.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// How many files it lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Never: a manifest lists at least one file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The first file by code point.
    pub(crate) fn first(&self) -> Option<TreePath> {
        self.files.keys().next().cloned()
    }

    /// SHA-256 of the one file, where it is one and was hashed whole so.
    pub(crate) fn only_digest(&self) -> Option<Sha256Digest> {
        let mut files = self.files.values();
        match (files.next(), files.next()) {
            (Some(FileDigests::Whole(digest)), None) => digest.to_sha256(),
            _ => None,
        }
    }

    /// The root digest as OMS makes it, with the lines by code point: SHA-256 over their digests. It does not hold the names.
    ///
    /// Source: the OMS specification, section 6.5.1.
    #[must_use]
    pub fn root(&self) -> Sha256Digest {
        root_of(&self.resources())
    }

    /// Digest of what is signed, whatever the order of its lines and the name of the model: SHA-256 over `alcaide-manifest-1`, the
    /// method, the size of shards, and name and digest of each line by code point, each part after its length in eight bytes, most
    /// significant first. Two bundles are about the same files in the same scheme exactly when these are equal.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        let mut hasher = Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(b"alcaide-manifest-1");
        part(self.scheme.hash.name().as_bytes());
        match self.scheme.method {
            Method::Files => part(b"files"),
            Method::Shards { bytes } => {
                part(b"shards");
                part(&bytes.to_be_bytes());
            }
        }
        for resource in self.resources() {
            part(resource.name.as_bytes());
            part(resource.digest.as_bytes());
        }
        hasher.finish()
    }
}

/// SHA-256 over the digests, one after the other in the order of the lines. Source: the OMS specification, section 6.5.1.
pub(super) fn root_of(resources: &[Resource]) -> Sha256Digest {
    let joined: Vec<u8> = resources.iter().flat_map(|one| one.digest.as_bytes()).copied().collect();
    sha256(&joined)
}

impl FileDigests {
    fn count(&self) -> usize {
        match self {
            Self::Whole(_) => 1,
            Self::Shards(shards) => shards.len(),
        }
    }
}

/// Names as file systems without regard to case or composition see them.
#[derive(Debug)]
pub(super) struct Folded {
    names: Names,
    files: BTreeMap<String, TreePath>,
    /// Names that do not count: they may be one among themselves.
    aside: BTreeMap<String, TreePath>,
}

impl Folded {
    pub(super) fn new(names: Names) -> Self {
        Self { names, files: BTreeMap::new(), aside: BTreeMap::new() }
    }

    /// Refuses a path that is one with an earlier one and not equal to it, is the folder of one or lies in one, or is not the same
    /// name everywhere.
    pub(super) fn add(&mut self, path: &TreePath) -> Result<(), SigningError> {
        if self.names == Names::Exact {
            return Ok(());
        }
        if let Some(fault) = path.not_portable() {
            return Err(SigningError::Path { path: crate::scanner::shown(path.as_str()), fault });
        }
        let folded = path.folded();
        let other = clash(&self.files, &folded).filter(|other| *other != path);
        if let Some(other) = other.or_else(|| clash(&self.aside, &folded)) {
            return Err(collision(path, other));
        }
        self.files.insert(folded, path.clone());
        Ok(())
    }

    /// Takes note of a path that does not count, and refuses it if it could stand in the place of one that does.
    pub(super) fn add_aside(&mut self, path: &TreePath) -> Result<(), SigningError> {
        if self.names == Names::Exact {
            return Ok(());
        }
        let folded = path.folded();
        if let Some(other) = clash(&self.files, &folded) {
            return Err(collision(path, other));
        }
        self.aside.insert(folded, path.clone());
        Ok(())
    }
}

/// What in `names` has this name, lies in a folder of this name or is a folder that it lies in. Folding leaves slashes where they are.
fn clash<'n>(names: &'n BTreeMap<String, TreePath>, folded: &str) -> Option<&'n TreePath> {
    let above = || folded.match_indices('/').find_map(|(at, _)| names.get(folded.get(..at)?));
    let below = || {
        let folder = format!("{folded}/");
        let (name, path) = names.range(folder.clone()..).next()?;
        name.starts_with(&folder).then_some(path)
    };
    names.get(folded).or_else(above).or_else(below)
}

fn collision(path: &TreePath, other: &TreePath) -> SigningError {
    match (path.is_within(other), other.is_within(path)) {
        (true, _) => SigningError::DuplicatePath { path: other.clone() },
        (_, true) => SigningError::DuplicatePath { path: path.clone() },
        _ => SigningError::NamesCollide { path: path.clone(), other: other.clone() },
    }
}

fn taken(name: &str) -> Result<TreePath, SigningError> {
    TreePath::new(name).map_err(|fault| SigningError::Path { path: crate::scanner::shown(name), fault })
}

/// Source: the OMS specification, section 6.3.2.
fn shards(resources: Vec<Resource>, size: u64) -> Result<BTreeMap<TreePath, FileDigests>, SigningError> {
    let mut pieces: BTreeMap<TreePath, BTreeMap<u64, Shard>> = BTreeMap::new();
    for resource in resources {
        let broken = || SigningError::ShardsBroken { path: crate::scanner::shown(&resource.name) };
        // The path itself may have colons.
        let mut parts = resource.name.rsplitn(3, ':');
        let (Some(end), Some(start), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(broken());
        };
        let (start, end) = (number(start).ok_or_else(broken)?, number(end).ok_or_else(broken)?);
        let shard = Shard { end, digest: resource.digest };
        if pieces.entry(taken(path)?).or_default().insert(start, shard).is_some() {
            return Err(broken());
        }
    }
    let mut files = BTreeMap::new();
    for (path, pieces) in pieces {
        let mut at = 0;
        let mut cut_short = false;
        for (start, shard) in &pieces {
            let bytes = shard.end.checked_sub(*start);
            if *start != at || cut_short || !bytes.is_some_and(|bytes| (1..=size).contains(&bytes)) {
                return Err(SigningError::ShardsBroken { path: path.to_string() });
            }
            cut_short = bytes != Some(size);
            at = shard.end;
        }
        files.insert(path, FileDigests::Shards(pieces.into_values().collect()));
    }
    Ok(files)
}

/// A number in its one form.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if digits && !padded { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use alcaide_seal::hash::{FileHasher, HashAlgorithm};
    use proptest::prelude::*;

    use super::*;

    fn resource(name: &str) -> Resource {
        Resource { name: name.to_owned(), digest: FileHasher::new(HashAlgorithm::Sha256).finish() }
    }

    fn read(method: Method, names: &[&str]) -> Result<Manifest, SigningError> {
        let scheme = Scheme { method, hash: HashAlgorithm::Sha256 };
        Manifest::from_resources("m".to_owned(), scheme, names.iter().map(|name| resource(name)).collect())
    }

    #[test]
    fn shards_cover_a_file_from_its_first_byte_on_each_once() {
        let shards = Method::Shards { bytes: 10 };
        for good in
            [&["a:0:10", "a:10:20", "a:20:21"][..], &["a:0:1"], &["a:10:20", "a:0:10"], &["x:1:2:0:10"]]
        {
            assert!(read(shards, good).is_ok(), "{good:?}");
        }
        let wrong: [&[&str]; 14] = [
            &["a"],
            &["a:0"],
            &["a:0:0"],
            &["a:1:11"],
            &["a:0:11"],
            &["a:0:10", "a:11:20"],
            &["a:0:10", "a:9:19"],
            &["a:0:10", "a:0:10"],
            &["a:0:5", "a:5:15"],
            &["a:00:10"],
            &["a:+0:10"],
            &["a:0:18446744073709551616"],
            &["a: 0:10"],
            &["a:0:10:"],
        ];
        for names in wrong {
            assert!(matches!(read(shards, names), Err(SigningError::ShardsBroken { .. })), "{names:?}");
        }
        assert!(matches!(read(shards, &[":0:10"]), Err(SigningError::Path { .. })));
    }

    #[test]
    fn a_list_is_of_different_files_none_of_which_is_a_folder() {
        assert_eq!(read(Method::Files, &[]), Err(SigningError::EmptyModel));
        let duplicate = |path: &str| Err(SigningError::DuplicatePath { path: TreePath::new(path).unwrap() });
        assert_eq!(read(Method::Files, &["a", "a"]), duplicate("a"));
        assert_eq!(read(Method::Files, &["a/b/c", "a-b", "a/b"]), duplicate("a/b"));
        assert!(matches!(read(Method::Files, &["../a"]), Err(SigningError::Path { .. })));
        assert!(read(Method::Files, &["a-b", "a/b", "ab"]).is_ok());
    }

    #[test]
    fn lines_are_written_by_code_point() {
        let manifest = read(Method::Files, &["a/b", "\u{1f600}", "a-b", "\u{ff5e}", "B"]).unwrap();
        let names: Vec<_> = manifest.resources().into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["B", "a-b", "a/b", "\u{ff5e}", "\u{1f600}"]);
        let shards = read(Method::Shards { bytes: 1 }, &["a:0:1", "a:1:2", "a:2:3", "a-b:0:1"]).unwrap();
        let names: Vec<_> = shards.resources().into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["a-b:0:1", "a:0:1", "a:1:2", "a:2:3"]);
    }

    proptest! {
        #[test]
        fn the_digest_of_a_manifest_is_of_its_files_and_not_of_their_order(
            names in proptest::collection::btree_set("[a-d]{1,2}", 1..6),
            turn in 0_usize..6,
        ) {
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            let first = read(Method::Files, &names).unwrap();
            let by = turn % names.len();
            names.rotate_left(by);
            let turned = read(Method::Files, &names).unwrap();
            prop_assert_eq!(first.digest(), turned.digest());
            names.push("e");
            prop_assert_ne!(first.digest(), read(Method::Files, &names).unwrap().digest());
        }
    }
}

//! How a tree differs from what was signed, file by file.

use super::path::TreePath;
use super::scheme::{FileDigests, Shard};

/// How a tree differs from what was signed, each list by path. What cannot be told from names and digests, such as a link, is an
/// error of the walk and not among these.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Differences {
    /// Files that are there and are not what was signed.
    pub changed: Vec<Changed>,
    /// Files that are signed and not there.
    pub missing: Vec<TreePath>,
    /// Files that are there, that nobody signed and that the rules do not let pass.
    pub added: Vec<TreePath>,
}

/// A file that is not what was signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changed {
    /// Which file.
    pub path: TreePath,
    /// Its digests as they were signed.
    pub signed: FileDigests,
    /// Its digests as they are.
    pub found: FileDigests,
}

impl Differences {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.added.is_empty()
    }
}

impl Changed {
    /// What was signed and what was found instead, at the first place where they differ.
    #[must_use]
    pub fn told(&self) -> (String, String) {
        match (&self.signed, &self.found) {
            (FileDigests::Shards(signed), FileDigests::Shards(found)) => {
                let same = signed.iter().zip(found).take_while(|(a, b)| a == b).count();
                let from = same.checked_sub(1).and_then(|at| signed.get(at)).map_or(0, |last| last.end);
                (shard_told(from, signed.get(same)), shard_told(from, found.get(same)))
            }
            (signed, found) => (whole_told(signed), whole_told(found)),
        }
    }
}

fn whole_told(digests: &FileDigests) -> String {
    match digests {
        FileDigests::Whole(digest) => format!("{digest:?}"),
        FileDigests::Shards(shards) => format!("{} shards", shards.len()),
    }
}

fn shard_told(from: u64, shard: Option<&Shard>) -> String {
    match shard {
        Some(shard) => format!("{:?} of bytes {from} to {}", shard.digest, shard.end),
        None => format!("no bytes after byte {from}"),
    }
}

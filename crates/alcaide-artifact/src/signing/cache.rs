//! Digests that were made before, for files that did not change since.
//!
//! An entry counts for one way of hashing, one path, one size and one [`Stamp`]. The whole is under a key that only the verifier
//! has, together with what the caller calls its context (the place of the model), so that neither a changed cache nor one from
//! elsewhere is believed. What a cache cannot tell is what the stamp does not: whoever can set a file's change time, write its
//! blocks past the file system is not seen, nor a disk that rots. A verification that has to see those is made without a cache.
//!
//! ```text
//! alcaide-digest-cache 1\n   JSON, one line\n   HMAC-SHA-256 over context and all before, 64 hexadecimal digits\n
//! ```

use std::collections::BTreeMap;

use alcaide_seal::Sha256Digest;
use alcaide_seal::digest::HmacKey;
use alcaide_seal::hash::HashAlgorithm;
use serde::{Deserialize, Serialize};

use super::manifest::RESOURCES_MAX;
use super::path::TreePath;
use super::scheme::{FileDigests, Measured, Method, Scheme, Shard};

/// What changes whenever a file's bytes do, as the caller knows it: [`Stamp::of_file`] of what the system tells, or a measure of the
/// kernel's own. Equal stamps of one path and size are taken for equal bytes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Stamp(Sha256Digest);

impl Stamp {
    /// Makes a stamp of whatever the caller knows; of any length, and without a meaning here.
    #[must_use]
    pub fn new(known: &[u8]) -> Self {
        Self(alcaide_seal::sha256(known))
    }

    /// Makes the stamp of a file, or none where its times cannot be relied upon.
    ///
    /// A change time has a grain: a file that is written twice within it has one stamp for two contents. And a program that maps a
    /// file shared (`mmap`) writes past it: the kernel sets the time when a page first becomes dirty, and not again before that
    /// page was written back, half a minute later; on file systems in memory, and on many of the network or of user space, not even
    /// then. So a stamp is made on file systems of a list alone, and where `now`, in seconds since 1970 and read before the file
    /// was looked at, is [`STAMP_AGE_MIN_SECS`] past the last change. Where the machine is told to write back later than that
    /// (`vm.dirty_expire_centisecs`), there is no cache.
    #[must_use]
    pub fn of_file(file: &FileFacts, now: u64) -> Option<Self> {
        let changed = u64::try_from(file.changed.0.max(file.modified.0)).ok()?;
        // Times of the future are set by hand, or the clock was turned back.
        if !FILE_SYSTEMS.contains(&file.file_system) || now.checked_sub(changed)? < STAMP_AGE_MIN_SECS {
            return None;
        }
        let parts = [
            file.file_system,
            file.device,
            file.inode,
            file.bytes,
            file.changed.0.cast_unsigned(),
            file.changed.1.cast_unsigned(),
            file.modified.0.cast_unsigned(),
            file.modified.1.cast_unsigned(),
        ];
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_be_bytes()).collect();
        Some(Self::new(&bytes))
    }
}

/// What the system tells of an open file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileFacts {
    /// `f_type` of `fstatfs(2)`.
    pub file_system: u64,
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub inode: u64,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed in any way: seconds since 1970 and nanoseconds.
    pub changed: (i64, i64),
    /// When its bytes were last changed, as it says.
    pub modified: (i64, i64),
}

/// How long ago a file must have changed, in seconds, to have a stamp: twice the half minute after which the kernel writes back.
pub const STAMP_AGE_MIN_SECS: u64 = 60;

/// File systems whose change times follow written-back pages: ext2 to ext4, XFS, Btrfs, ZFS, F2FS, Bcachefs (`linux/magic.h`).
const FILE_SYSTEMS: [u64; 6] = [0xef53, 0x5846_5342, 0x9123_683e, 0x2fc1_2fc1, 0xf2f5_2010, 0xca45_1a4e];

/// Why a cache was not believed. The cure is always the same: go without it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Not made under this key for this context, or changed.
    #[error("the cache of digests was changed, or belongs to another model or key")]
    Forged,
    /// Another version or a structure that is not read.
    #[error("the cache of digests is of another version or damaged")]
    Malformed,
    /// Larger than is read.
    #[error("the cache of digests is larger than is read")]
    TooLarge,
}

/// Digests by path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DigestCache {
    entries: BTreeMap<TreePath, (Stamp, Measured)>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    path: String,
    stamp: Sha256Digest,
    bytes: u64,
    hash: String,
    /// Bytes of a shard; nothing for whole files.
    shard: Option<u64>,
    digests: Vec<String>,
}

impl DigestCache {
    /// Most bytes of a cache that are read.
    pub const BYTES_MAX: usize = 512 * 1024 * 1024;

    /// Begins with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a cache that [`DigestCache::seal`] wrote under the same key and context.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn open(bytes: &[u8], key: &HmacKey, context: &[u8]) -> Result<Self, CacheError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(CacheError::TooLarge);
        }
        let at = bytes.len().checked_sub(MAC_BYTES).ok_or(CacheError::Malformed)?;
        let (text, mac) = bytes.split_at_checked(at).ok_or(CacheError::Malformed)?;
        let mac = std::str::from_utf8(mac).ok().and_then(|mac| mac.strip_suffix('\n'));
        let mac: Sha256Digest = mac.and_then(|mac| mac.parse().ok()).ok_or(CacheError::Malformed)?;
        if !key.verify(&under_mac(context, text), &mac) {
            return Err(CacheError::Forged);
        }
        let json = text.strip_prefix(HEAD).ok_or(CacheError::Malformed)?;
        let lines: Vec<Line> = serde_json::from_slice(json).map_err(|_| CacheError::Malformed)?;
        let mut entries = BTreeMap::new();
        for line in lines {
            let (path, stamp, measured) = line.read().ok_or(CacheError::Malformed)?;
            entries.insert(path, (stamp, measured));
        }
        Ok(Self { entries })
    }

    /// Writes the cache under a key, for a context.
    ///
    /// # Errors
    /// [`CacheError::TooLarge`].
    pub fn seal(&self, key: &HmacKey, context: &[u8]) -> Result<Vec<u8>, CacheError> {
        let lines: Vec<Line> =
            self.entries.values().map(|(stamp, measured)| Line::write(stamp, measured)).collect();
        let mut text = HEAD.to_vec();
        serde_json::to_writer(&mut text, &lines).map_err(|_| CacheError::Malformed)?;
        text.push(b'\n');
        let mac = key.mac(&under_mac(context, &text));
        text.extend_from_slice(mac.to_string().as_bytes());
        text.push(b'\n');
        if text.len() > Self::BYTES_MAX { Err(CacheError::TooLarge) } else { Ok(text) }
    }

    /// Digests of a file, if they are known and still count.
    #[must_use]
    pub fn find(&self, scheme: Scheme, path: &TreePath, bytes: u64, stamp: &Stamp) -> Option<Measured> {
        let (known, measured) = self.entries.get(path)?;
        let counts = known == stamp && measured.bytes == bytes && measured.scheme == scheme;
        counts.then(|| Measured { cached: true, ..measured.clone() })
    }

    /// Keeps what was measured; what was known of the path before is forgotten. Past a million files nothing more is kept.
    pub fn keep(&mut self, measured: &Measured, stamp: Stamp) {
        let room = self.entries.len() < RESOURCES_MAX || self.entries.contains_key(&measured.path);
        if room {
            let measured = Measured { cached: false, ..measured.clone() };
            self.entries.insert(measured.path.clone(), (stamp, measured));
        }
    }
}

impl Line {
    fn write(stamp: &Stamp, measured: &Measured) -> Self {
        let (shard, digests) = match (&measured.digests, measured.scheme.method) {
            (FileDigests::Whole(digest), _) => (None, vec![digest.to_string()]),
            (FileDigests::Shards(shards), Method::Shards { bytes }) => {
                (Some(bytes), shards.iter().map(|one| one.digest.to_string()).collect())
            }
            // INVARIANT: only shards of a scheme of shards are measured as shards.
            (FileDigests::Shards(_), Method::Files) => (None, Vec::new()),
        };
        Self {
            path: measured.path.as_str().to_owned(),
            stamp: stamp.0,
            bytes: measured.bytes,
            hash: measured.scheme.hash.name().to_owned(),
            shard,
            digests,
        }
    }

    fn read(self) -> Option<(TreePath, Stamp, Measured)> {
        let path = TreePath::new(&self.path).ok()?;
        let hash = HashAlgorithm::by_name(&self.hash)?;
        let digests = self.digests.iter().map(|text| hash.parse(text)).collect::<Option<Vec<_>>>()?;
        let (method, digests) = match (self.shard, digests.as_slice()) {
            (None, [one]) => (Method::Files, FileDigests::Whole(*one)),
            (None, _) | (Some(0), _) => return None,
            (Some(size), digests) => {
                if digests.len() as u64 != self.bytes.div_ceil(size) {
                    return None;
                }
                let ends = (1_u64..).map(|count| count.saturating_mul(size).min(self.bytes));
                let shards = ends.zip(digests).map(|(end, digest)| Shard { end, digest: *digest }).collect();
                (Method::Shards { bytes: size }, FileDigests::Shards(shards))
            }
        };
        let measured = Measured {
            path: path.clone(),
            scheme: Scheme { method, hash },
            bytes: self.bytes,
            digests,
            cached: false,
        };
        Some((path, Stamp(self.stamp), measured))
    }
}

fn under_mac(context: &[u8], text: &[u8]) -> Vec<u8> {
    [b"alcaide digest cache".as_slice(), &(context.len() as u64).to_be_bytes(), context, text].concat()
}

const HEAD: &[u8] = b"alcaide-digest-cache 1\n";
/// 64 digits and a newline.
const MAC_BYTES: usize = 65;

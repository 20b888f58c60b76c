//! How files become digests: whole, or cut into shards.

use alcaide_container::Input;
use alcaide_seal::Sha256Digest;
use alcaide_seal::hash::{FileDigest, FileHasher, HashAlgorithm};

use super::error::SigningError;
use super::path::TreePath;

/// How files are cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// One digest for each file.
    Files,
    /// One digest for each piece of so many bytes, at least one; an empty file has none.
    Shards {
        /// Bytes of a piece.
        bytes: u64,
    },
}

/// How the files of a model become digests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scheme {
    /// How files are cut.
    pub method: Method,
    /// How pieces are hashed.
    pub hash: HashAlgorithm,
}

impl Scheme {
    /// What is written where nobody asks for anything else: whole files, by SHA-256.
    pub const STANDARD: Self = Self { method: Method::Files, hash: HashAlgorithm::Sha256 };

    /// Reads and hashes a file; any number of them on any number of threads.
    ///
    /// # Errors
    /// [`SigningError::Read`], and [`SigningError::Shrank`] or [`SigningError::Grew`] if the input has fewer bytes than it says, or
    /// more: an input over a file has to give bytes past its length if there are any by now.
    pub fn measure(&self, path: &TreePath, input: &dyn Input) -> Result<Measured, SigningError> {
        let bytes = input.len();
        // No larger than the file: trees have many small ones.
        let capacity = usize::try_from(bytes).unwrap_or(READ_BYTES).clamp(1, READ_BYTES);
        let mut buffer = vec![0; capacity];
        let mut digest_of = |from: u64, to: u64| -> Result<FileDigest, SigningError> {
            let mut hasher = FileHasher::new(self.hash);
            let mut at = from;
            while at < to {
                let wanted = usize::try_from(to - at).unwrap_or(capacity).min(capacity);
                let part = buffer.get_mut(..wanted).unwrap_or_default();
                let count = input
                    .read_at(at, part)
                    .map_err(|source| SigningError::Read { path: path.clone(), source })?;
                match part.get(..count) {
                    Some(part) if !part.is_empty() => hasher.update(part),
                    _ => return Err(SigningError::Shrank { path: path.clone() }),
                }
                at += count as u64;
            }
            Ok(hasher.finish())
        };
        let digests = match self.method {
            Method::Files => FileDigests::Whole(digest_of(0, bytes)?),
            Method::Shards { bytes: size } => {
                if bytes.div_ceil(size.max(1)) > super::RESOURCES_MAX as u64 {
                    return Err(SigningError::TooManyFiles {
                        count: usize::try_from(bytes / size.max(1)).unwrap_or(usize::MAX),
                        max: super::RESOURCES_MAX,
                    });
                }
                let mut shards = Vec::new();
                let mut from = 0;
                while from < bytes {
                    let end = from.saturating_add(size.max(1)).min(bytes);
                    shards.push(Shard { end, digest: digest_of(from, end)? });
                    from = end;
                }
                FileDigests::Shards(shards)
            }
        };
        let more = input
            .read_at(bytes, &mut [0])
            .map_err(|source| SigningError::Read { path: path.clone(), source })?;
        if more > 0 {
            return Err(SigningError::Grew { path: path.clone() });
        }
        Ok(Measured { path: path.clone(), scheme: *self, bytes, digests, cached: false })
    }
}

/// The digests of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FileDigests {
    /// One over the whole file.
    Whole(FileDigest),
    /// One over each piece, in their order; each begins where the last one ends, the first one at byte 0.
    Shards(Vec<Shard>),
}

/// A piece of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    /// First byte after it.
    pub end: u64,
    /// Its digest.
    pub digest: FileDigest,
}

/// A file that was hashed, or whose digests came from a cache that can be believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Measured {
    pub(super) path: TreePath,
    pub(super) scheme: Scheme,
    pub(super) bytes: u64,
    pub(super) digests: FileDigests,
    pub(super) cached: bool,
}

impl Measured {
    /// A whole file that was read elsewhere, in [`Scheme::STANDARD`]: by a reader that hashed it in the pass that judged it.
    #[must_use]
    pub fn by_reader(path: TreePath, bytes: u64, sha256: Sha256Digest) -> Self {
        let digests = FileDigests::Whole(FileDigest::from_sha256(sha256));
        Self { path, scheme: Scheme::STANDARD, bytes, digests, cached: false }
    }

    /// Which file.
    #[must_use]
    pub const fn path(&self) -> &TreePath {
        &self.path
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of the whole file, where it was measured so.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256Digest> {
        match &self.digests {
            FileDigests::Whole(digest) => digest.to_sha256(),
            FileDigests::Shards(_) => None,
        }
    }
}

/// Bytes that are read at once. They fit beside the hash in the first caches of a core: with 256 KiB the same gigabyte took 0.6 s more of it.
const READ_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use alcaide_container::ReadError;
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> FileDigest {
        let mut hasher = FileHasher::new(HashAlgorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Says it has more than it gives.
    struct Short(u64);

    impl Input for Short {
        fn len(&self) -> u64 {
            self.0 + 1
        }

        fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
            Ok(usize::try_from(self.0.saturating_sub(at)).unwrap().min(into.len()))
        }
    }

    #[test]
    fn a_file_that_shrinks_is_an_error_and_no_digest() {
        let path = TreePath::new("w").unwrap();
        for bytes in [0, 1, 300_000] {
            assert_eq!(
                Scheme::STANDARD.measure(&path, &Short(bytes)),
                Err(SigningError::Shrank { path: path.clone() })
            );
        }
    }

    /// Has more than it says.
    struct Long(u64);

    impl Input for Long {
        fn len(&self) -> u64 {
            self.0
        }

        fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
            Ok(usize::try_from((self.0 + 1).saturating_sub(at)).unwrap().min(into.len()))
        }
    }

    #[test]
    fn a_file_that_grows_is_an_error_and_no_digest() {
        let path = TreePath::new("w").unwrap();
        for method in [Method::Files, Method::Shards { bytes: 1000 }] {
            for bytes in [0, 1, 1000, 300_000] {
                let scheme = Scheme { method, hash: HashAlgorithm::Sha256 };
                let grew = Err(SigningError::Grew { path: path.clone() });
                assert_eq!(scheme.measure(&path, &Long(bytes)), grew, "{method:?} {bytes}");
            }
        }
    }

    #[test]
    fn a_size_of_shards_that_makes_too_many_is_refused_before_reading() {
        let scheme = Scheme { method: Method::Shards { bytes: 1 }, hash: HashAlgorithm::Sha256 };
        let path = TreePath::new("w").unwrap();
        let error = scheme.measure(&path, &Short(1 << 40)).unwrap_err();
        assert!(matches!(error, SigningError::TooManyFiles { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn shards_are_the_digests_of_the_bare_ranges(bytes in proptest::collection::vec(any::<u8>(), 0..700), size in 1_u64..200) {
            let path = TreePath::new("w").unwrap();
            let scheme = Scheme { method: Method::Shards { bytes: size }, hash: HashAlgorithm::Sha256 };
            let FileDigests::Shards(shards) = scheme.measure(&path, &bytes).unwrap().digests else { panic!() };
            let plain: Vec<_> = bytes.chunks(size as usize).map(whole).collect();
            prop_assert_eq!(shards.iter().map(|one| one.digest).collect::<Vec<_>>(), plain);
            prop_assert_eq!(shards.last().map_or(0, |one| one.end), bytes.len() as u64);
            let one = Scheme::STANDARD.measure(&path, &bytes).unwrap();
            prop_assert_eq!(one.digests, FileDigests::Whole(whole(&bytes)));
        }
    }
}

//! Digests from before.

use std::cell::Cell;

use alcaide_artifact::signing::{
    CacheError, DigestCache, Entry, FileFacts, Kind, Method, Rules, STAMP_AGE_MIN_SECS, Scheme, SignAs,
    SigningError, Stamp, Survey, sign,
};
use alcaide_container::{Input, ReadError};
use alcaide_seal::digest::HmacKey;
use alcaide_seal::hash::HashAlgorithm;

use super::tree::{Tree, agreed, bundle_of, compare, new_key, path, stamped, trusting};

fn tree() -> Tree {
    Tree::of(&[("config.json", b"{}"), ("w", b"weights")])
}

fn entries(tree: &Tree, stamp: u64) -> Vec<Entry<Vec<u8>>> {
    tree.0.iter().map(|(path, bytes)| stamped(path, bytes, stamp)).collect()
}

#[test]
fn files_with_the_same_stamp_are_not_read_again_and_others_are() {
    let key = new_key();
    let rules = Rules::default();
    let agreed = agreed(&bundle_of(&tree(), &rules, &key), &trusting(&[&key]), &rules).unwrap();
    let mut cache = DigestCache::new();
    let first = compare(&agreed, &rules, &entries(&tree(), 1), Some(&mut cache)).unwrap();
    assert!(first.files().iter().all(|file| !file.cached));
    let second = compare(&agreed, &rules, &entries(&tree(), 1), Some(&mut cache)).unwrap();
    assert!(second.files().iter().all(|file| file.cached));
    let third = compare(&agreed, &rules, &entries(&tree(), 2), Some(&mut cache)).unwrap();
    assert!(third.files().iter().all(|file| !file.cached));
    // A byte changes and, as the caller promises, the stamp with it.
    let changed = tree().with("w", b"wEights");
    let error = compare(&agreed, &rules, &entries(&changed, 3), Some(&mut cache)).unwrap_err();
    assert_eq!(error, SigningError::Changed { path: path("w"), more: 0 });
    // What was wrong stays wrong from the cache.
    let error = compare(&agreed, &rules, &entries(&changed, 3), Some(&mut cache)).unwrap_err();
    assert_eq!(error, SigningError::Changed { path: path("w"), more: 0 });
    // Another size is another file whatever its stamp.
    let longer = tree().with("w", b"weights!");
    assert!(compare(&agreed, &rules, &entries(&longer, 3), Some(&mut cache)).is_err());
    // Nobody vouches for a file without a stamp.
    let plain = compare(&agreed, &rules, &tree().entries(), Some(&mut cache)).unwrap();
    assert!(plain.files().iter().all(|file| !file.cached));
}

/// Counts how often it is read.
struct Counted<'a>(&'a [u8], &'a Cell<u32>);

impl Input for Counted<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        self.1.set(self.1.get() + 1);
        self.0.read_at(at, into)
    }
}

#[test]
fn a_known_file_is_not_touched() {
    let key = new_key();
    let rules = Rules::default();
    let one = Tree::of(&[("w", &[1; 5000])]);
    let agreed = agreed(&bundle_of(&one, &rules, &key), &trusting(&[&key]), &rules).unwrap();
    let reads = Cell::new(0);
    let mut cache = DigestCache::new();
    // The file, and a look past its end.
    for expected in [2, 2] {
        let mut survey = agreed.survey(&rules);
        let kind = Kind::File(Counted(&[1; 5000], &reads));
        let entry = Entry { path: b"w".to_vec(), kind, stamp: Some(Stamp::new(b"x")) };
        survey.add(&entry, Some(&mut cache)).unwrap();
        assert!(survey.finish().is_ok());
        assert_eq!(reads.get(), expected);
    }
}

#[test]
fn a_cache_is_believed_only_under_its_key_in_its_place() {
    let (key, other) = (HmacKey::new(b"one"), HmacKey::new(b"two"));
    for method in [Method::Files, Method::Shards { bytes: 3 }] {
        let rules = Rules::default();
        let scheme = Scheme { method, hash: HashAlgorithm::Blake2b };
        let mut survey = Survey::to_sign(scheme, &rules);
        let mut cache = DigestCache::new();
        for entry in entries(&tree().with("empty", b""), 7) {
            survey.add(&entry, Some(&mut cache)).unwrap();
        }
        let sealed = cache.seal(&key, b"/models/a").unwrap();
        assert_eq!(DigestCache::open(&sealed, &key, b"/models/a"), Ok(cache));
        assert_eq!(DigestCache::open(&sealed, &other, b"/models/a"), Err(CacheError::Forged));
        assert_eq!(DigestCache::open(&sealed, &key, b"/models/b"), Err(CacheError::Forged));
        for at in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[at / 8] ^= 1 << (at % 8);
            assert!(DigestCache::open(&forged, &key, b"/models/a").is_err(), "bit {at}");
        }
        for length in 0..sealed.len() {
            assert!(DigestCache::open(&sealed[..length], &key, b"/models/a").is_err());
        }
    }
}

#[test]
fn another_scheme_asks_for_other_digests() {
    let key = new_key();
    let rules = Rules::default();
    let mut cache = DigestCache::new();
    let mut survey = Survey::to_sign(Scheme::STANDARD, &rules);
    for entry in entries(&tree(), 1) {
        survey.add(&entry, Some(&mut cache)).unwrap();
    }
    let scheme = Scheme { hash: HashAlgorithm::Blake3, ..Scheme::STANDARD };
    let bundle = sign(&tree().manifest(scheme, &rules).unwrap(), &key, SignAs::Key).unwrap();
    let agreed = agreed(&bundle, &trusting(&[&key]), &rules).unwrap();
    let found = compare(&agreed, &rules, &entries(&tree(), 1), Some(&mut cache)).unwrap();
    assert!(found.files().iter().all(|file| !file.cached));
}

#[test]
fn a_file_has_a_stamp_where_its_times_tell_of_every_change() {
    let facts = FileFacts {
        file_system: 0xef53,
        device: 1,
        inode: 2,
        bytes: 3,
        changed: (1_000_000, 5),
        modified: (900_000, 6),
    };
    let late = 1_000_000 + STAMP_AGE_MIN_SECS;
    let stamp = |facts: FileFacts| Stamp::of_file(&facts, late);
    let one = stamp(facts);
    assert!(one.is_some());
    assert_eq!(Stamp::of_file(&facts, late + 1), one);
    assert_eq!(Stamp::of_file(&facts, late - 1), None);
    assert_eq!(Stamp::of_file(&facts, 0), None);
    assert_eq!(stamp(FileFacts { changed: (-1, 0), modified: (-1, 0), ..facts }), None);
    assert_eq!(stamp(FileFacts { modified: (late as i64, 0), ..facts }), None);
    // tmpfs, overlay, NFS, FUSE, and one that nobody knows.
    for file_system in [0x0102_1994, 0x794c_7630, 0x6969, 0x6573_5546, 0] {
        assert_eq!(stamp(FileFacts { file_system, ..facts }), None, "{file_system:x}");
    }
    for other in [
        FileFacts { file_system: 0x5846_5342, ..facts },
        FileFacts { device: 9, ..facts },
        FileFacts { inode: 9, ..facts },
        FileFacts { bytes: 9, ..facts },
        FileFacts { changed: (1_000_000, 9), ..facts },
        FileFacts { modified: (900_000, 9), ..facts },
    ] {
        assert!(stamp(other).is_some() && stamp(other) != one, "{other:?}");
    }
}

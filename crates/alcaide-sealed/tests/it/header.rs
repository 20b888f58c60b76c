//! Headers: written anew for other readers, swapped, forged, and hostile ones.

use alcaide_container::{Input, ReadError};
use alcaide_seal::custody::{CustodyError, KeyWrap};
use alcaide_seal::hpke::{Kem, SecretKey};
use alcaide_seal::{Entropy, SecretBytes, SystemEntropy};
use alcaide_sealed::{
    Header, HeaderError, Identity, Kind, Reader, Recipient, RewrapError, UnlockError, WriteError, Writer,
    is_sealed,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::kit::{
    ALICE, BOB, Counted, HEADER, SEGMENT, opened, opened_by, options, sealed, sealed_for, text,
};

#[test]
fn a_new_reader_touches_the_header_alone() {
    let plaintext = text(3 * SEGMENT + 1);
    let file = sealed(&plaintext, 40);
    let entropy = SystemEntropy::new();
    let unlocked = Header::read(&file).unwrap().unlock(&Identity::Key(&ALICE)).unwrap();
    let header = unlocked.rewrap(|_| true, &[Recipient::Key(BOB.public())], &entropy).unwrap();
    assert_eq!(header.len(), HEADER);
    let shared = [&header, &file[HEADER..]].concat();
    assert_eq!(opened(&shared).unwrap(), plaintext);
    assert_eq!(opened_by(&shared, &Identity::Key(&BOB)).unwrap(), plaintext);
    // Bob drops Alice.
    let unlocked = Header::read(&shared).unwrap().unlock(&Identity::Key(&BOB)).unwrap();
    let alice = Reader::of_key(ALICE.public());
    let header = unlocked.rewrap(|reader| *reader != alice, &[], &entropy).unwrap();
    let moved = [&header, &file[HEADER..]].concat();
    assert_eq!(opened_by(&moved, &Identity::Key(&BOB)).unwrap(), plaintext);
    assert!(matches!(
        Header::read(&moved).unwrap().unlock(&Identity::Key(&ALICE)),
        Err(UnlockError::NotAReader { reader }) if reader == alice
    ));
    // The old header still unlocks: that is what the decision says of it.
    assert_eq!(opened(&file).unwrap(), plaintext);
}

#[test]
fn a_header_is_not_written_anew_for_nobody_or_somebody_twice() {
    let file = sealed(b"x", 41);
    let entropy = SystemEntropy::new();
    let unlocked = Header::read(&file).unwrap().unlock(&Identity::Key(&ALICE)).unwrap();
    assert!(matches!(unlocked.rewrap(|_| false, &[], &entropy), Err(RewrapError::Nobody)));
    let alice = Recipient::Key(ALICE.public());
    assert!(matches!(unlocked.rewrap(|_| true, &[alice], &entropy), Err(RewrapError::Already { .. })));
    assert!(unlocked.rewrap(|_| false, &[alice], &entropy).is_ok());
    let keys: Vec<SecretKey> = (0..4).map(|_| SecretKey::generate(Kem::Hybrid, &entropy).unwrap()).collect();
    let many: Vec<Recipient<'_>> = keys.iter().map(|key| Recipient::Key(key.public())).collect();
    assert!(matches!(
        unlocked.rewrap(|_| true, &many, &entropy),
        Err(RewrapError::Write(WriteError::Full { room: HEADER, .. }))
    ));
}

#[test]
fn somebody_without_the_key_cannot_become_a_reader() {
    // Mallory writes a header for the same file id with a key of her own, and Alice as a reader.
    let file = sealed(&text(10), 42);
    let mallory = SecretKey::generate(Kem::X25519, &SystemEntropy::new()).unwrap();
    let readers = [Recipient::Key(ALICE.public()), Recipient::Key(mallory.public())];
    let forged = sealed_for(&text(10), options(), &readers, 42);
    // The same seed: the file's id is the same, and here the key too, so that only the readers differ.
    let entries = Header::read(&forged).unwrap().readers().count();
    assert_eq!(entries, 2);
    // Her entry in the header that Alice wrote: the MAC does not fit.
    let mut grafted = file[..HEADER].to_vec();
    grafted[..HEADER - 32].copy_from_slice(&forged[..HEADER - 32]);
    let header = Header::read(&grafted).unwrap();
    assert!(matches!(header.unlock(&Identity::Key(&mallory)), Err(UnlockError::Altered)));
    assert!(matches!(header.unlock(&Identity::Key(&ALICE)), Err(UnlockError::Altered)));
}

#[test]
fn readers_with_different_keys_are_noticed() {
    // A sender that gives Bob another key than Alice: Bob's entry comes from another file with the same id.
    let readers = [Recipient::Key(ALICE.public()), Recipient::Key(BOB.public())];
    let (one, other) = (sealed_for(b"x", options(), &readers, 43), sealed_for(b"y", options(), &readers, 44));
    let entries = 72..72 + 20 + 80;
    let mut mixed = one[..HEADER].to_vec();
    mixed[entries.clone()].copy_from_slice(&other[entries]);
    let refused = Header::read(&mixed).unwrap().unlock(&Identity::Key(&ALICE));
    assert!(refused.is_err());
    // A custodian that can be made to say anything: whatever key it gives, the commitment decides.
    struct Liar(u8);
    impl KeyWrap for Liar {
        fn name(&self) -> String {
            "liar".to_owned()
        }
        fn wrap_key(&self, _: &[u8], secret: &[u8], _: &dyn Entropy) -> Result<Vec<u8>, CustodyError> {
            Ok(secret.to_vec())
        }
        fn unwrap_key(&self, _: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CustodyError> {
            let mut key = wrapped.to_vec();
            key[0] ^= self.0;
            Ok(SecretBytes::new(key))
        }
    }
    let file = sealed_for(b"x", options(), &[Recipient::Custodian(&Liar(0))], 45);
    assert_eq!(opened_by(&file, &Identity::Custodian(&Liar(0))).unwrap(), b"x");
    let header = Header::read(&file).unwrap();
    assert!(matches!(header.unlock(&Identity::Custodian(&Liar(1))), Err(UnlockError::Altered)));
}

#[test]
fn a_custodian_that_makes_too_much_is_refused() {
    struct Wordy(usize);
    impl KeyWrap for Wordy {
        fn name(&self) -> String {
            "wordy".to_owned()
        }
        fn wrap_key(&self, _: &[u8], _: &[u8], _: &dyn Entropy) -> Result<Vec<u8>, CustodyError> {
            Ok(vec![7; self.0])
        }
        fn unwrap_key(&self, _: &[u8], _: &[u8]) -> Result<SecretBytes, CustodyError> {
            Err(CustodyError::Outside { why: "closed".to_owned() })
        }
    }
    let start = |bytes| {
        let custodian = Wordy(bytes);
        Writer::new(Vec::new(), options(), &[Recipient::Custodian(&custodian)], &Counted::from_seed(46))
            .map(|writer| writer.finish().unwrap().0)
    };
    let file = start(1024).unwrap();
    let refused = Header::read(&file).unwrap().unlock(&Identity::Custodian(&Wordy(0))).unwrap_err();
    assert!(matches!(refused, UnlockError::Custody(_)));
    for bytes in [0, 1025, 70_000] {
        assert!(matches!(start(bytes), Err(WriteError::Wrapped { bytes: found }) if found == bytes));
    }
}

#[test]
fn headers_say_what_is_wrong_with_them() {
    let file = sealed(b"x", 47);
    let with = |at: usize, bytes: &[u8]| {
        let mut other = file.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        Header::read(&other).unwrap_err()
    };
    assert!(matches!(with(0, b"PK"), HeaderError::Magic));
    assert!(matches!(with(8, &[2, 0]), HeaderError::Version { version: 2, suite: 1 }));
    assert!(matches!(with(10, &[2, 0]), HeaderError::Version { version: 1, suite: 2 }));
    for size in [0_u32, 16, 4095, 5000, 1024 * 1024 + 4096, u32::MAX] {
        assert!(
            matches!(with(12, &size.to_le_bytes()), HeaderError::Bound { found, .. } if found == u64::from(size))
        );
    }
    assert!(matches!(
        with(12, &8192_u32.to_le_bytes()),
        HeaderError::Truncated { needed: 8192, there: 4113 }
    ));
    for segment in [0_u32, 1, 5000, 1 << 25, u32::MAX] {
        assert!(matches!(with(32, &segment.to_le_bytes()), HeaderError::Bound { .. }));
    }
    for readers in [0_u32, 257, u32::MAX] {
        assert!(matches!(with(36, &readers.to_le_bytes()), HeaderError::Bound { .. }));
    }
    // Two readers are claimed: what follows the one is zeros, a kind that there is not.
    assert!(matches!(with(36, &[2]), HeaderError::Readers { .. }));
    for kind in [0_u16, 2, 3, 4, u16::MAX] {
        // 80 bytes can be a custodian's.
        let read = {
            let mut other = file.clone();
            other[72..74].copy_from_slice(&kind.to_le_bytes());
            Header::read(&other)
        };
        assert_eq!(read.is_ok(), kind == 3, "{kind}");
    }
    assert!(matches!(with(74, &[0xff, 0xff]), HeaderError::Readers { .. }));
    assert!(matches!(with(HEADER - 33, &[1]), HeaderError::Readers { why: "something stands behind it" }));
    for len in [0, 1, 7, 8, 15] {
        let refused = Header::read(&file[..len].to_vec()).unwrap_err();
        assert!(matches!(refused, HeaderError::Magic | HeaderError::Truncated { .. }), "{len}: {refused}");
    }
    assert!(is_sealed(&file) && !is_sealed(&file[1..]) && !is_sealed(&[]));
}

#[test]
fn readers_stand_in_one_order() {
    let readers = [Recipient::Key(BOB.public()), Recipient::Key(ALICE.public())];
    let file = sealed_for(b"x", options(), &readers, 48);
    let kinds: Vec<Kind> = Header::read(&file).unwrap().readers().map(|reader| reader.kind).collect();
    assert_eq!(kinds, [Kind::X25519, Kind::Hybrid]);
    let (short, long) = (20 + 80, 20 + 1168);
    let mut other = file[..72].to_vec();
    other.extend_from_slice(&file[72 + short..72 + short + long]);
    other.extend_from_slice(&file[72..72 + short]);
    other.extend_from_slice(&file[72 + short + long..]);
    assert_eq!(other.len(), file.len());
    assert!(matches!(
        Header::read(&other),
        Err(HeaderError::Readers { why: "one stands twice or out of order" })
    ));
}

#[test]
fn a_file_that_does_not_read_is_no_forgery() {
    struct Torn;
    impl Input for Torn {
        fn len(&self) -> u64 {
            1 << 40
        }
        fn read_at(&self, at: u64, _: &mut [u8]) -> Result<usize, ReadError> {
            Err(ReadError::Source { at, why: "gone".to_owned() })
        }
    }
    assert!(matches!(Header::read(&Torn), Err(HeaderError::Read(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_headers_never_break_the_reader(
        mut head in vec(any::<u8>(), 60),
        tail in vec(any::<u8>(), 0..400),
        zeros in 0_usize..5000,
    ) {
        // Far enough in to reach the list of readers.
        head[..16].copy_from_slice(&[0x89, b'A', b'L', b'C', b'S', 13, 10, 26, 1, 0, 1, 0, 0, 16, 0, 0]);
        let readers = head[36] % 4;
        head[32..40].copy_from_slice(&[0, 16, 0, 0, readers, 0, 0, 0]);
        let bytes = [head, tail, vec![0; zeros]].concat();
        if let Ok(header) = Header::read(&bytes) {
            prop_assert!(header.unlock(&Identity::Key(&ALICE)).is_err());
        }
    }
}

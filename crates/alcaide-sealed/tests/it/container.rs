//! What goes in comes out: however it is cut, wherever it is read, whoever reads.

use std::cell::Cell;

use alcaide_container::{Input, ReadError};
use alcaide_seal::hpke::{Kem, SecretKey};
use alcaide_seal::{MasterKey, SystemEntropy};
use alcaide_sealed::{Header, HeaderBytes, Identity, Options, Recipient, SegmentBytes, WriteError, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::kit::{
    ALICE, BOB, Counted, HEADER, SEGMENT, TAG, opened, opened_by, options, sealed, sealed_for, text, whole,
};

/// A file that counts what is read of it.
struct Counting<'f>(&'f [u8], Cell<u64>);

impl Input for Counting<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let count = self.0.read_at(at, into)?;
        self.1.set(self.1.get() + count as u64);
        Ok(count)
    }
}

/// A file that gives one byte less than asked for, where it can.
struct Grudging<'f>(&'f [u8]);

impl Input for Grudging<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let count = into.len().div_ceil(2);
        self.0.read_at(at, &mut into[..count])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cutting_of_writes_gives_the_same_bytes(
        len in 0_usize..4 * SEGMENT,
        mut cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let plaintext = text(len);
        let at_once = sealed(&plaintext, 1);
        let mut places: Vec<usize> = cuts.drain(..).map(|cut| cut.index(len + 1)).collect();
        places.sort_unstable();
        let entropy = Counted::from_seed(1);
        let readers = [Recipient::Key(ALICE.public())];
        let mut writer = Writer::new(Vec::new(), options(), &readers, &entropy).unwrap();
        let mut before = 0;
        for place in places.into_iter().chain([len]) {
            writer.push(&plaintext[before..place]).unwrap();
            before = place;
        }
        let (cut, sealing) = writer.finish().unwrap();
        prop_assert_eq!(sealing.plaintext_bytes, len as u64);
        prop_assert_eq!(sealing.sealed_bytes, cut.len() as u64);
        prop_assert!(cut == at_once);
        prop_assert_eq!(opened(&cut).unwrap(), plaintext);
    }

    #[test]
    fn any_range_read_is_the_slice(
        len in 0_usize..4 * SEGMENT,
        reads in vec((0_u64..5 * SEGMENT as u64, 0_usize..3 * SEGMENT), 1..12),
    ) {
        let plaintext = text(len);
        let file = sealed(&plaintext, 2);
        let unlocked = Header::read(&file).unwrap().unlock(&Identity::Key(&ALICE)).unwrap();
        let plain = unlocked.open(Grudging(&file)).unwrap();
        prop_assert_eq!(plain.len(), len as u64);
        for (at, count) in reads {
            let mut into = vec![0; count];
            let got = plain.read_at(at, &mut into).unwrap();
            let start = usize::try_from(at).unwrap().min(len);
            prop_assert_eq!(&into[..got], &plaintext[start..(start + count).min(len)]);
        }
    }
}

#[test]
fn lengths_around_whole_segments_come_back() {
    for len in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT - 1] {
        let plaintext = text(len);
        let file = sealed(&plaintext, 3);
        let segments = len.div_ceil(SEGMENT).max(1);
        assert_eq!(file.len(), HEADER + len + segments * TAG);
        assert_eq!(opened(&file).unwrap(), plaintext, "{len}");
    }
}

#[test]
fn a_read_opens_the_segments_that_it_touches_and_no_others() {
    let plaintext = text(40 * SEGMENT + 7);
    let file = sealed(&plaintext, 4);
    let unlocked = Header::read(&file).unwrap().unlock(&Identity::Key(&ALICE)).unwrap();
    let counting = Counting(&file, Cell::new(0));
    let plain = unlocked.open(&counting).unwrap();
    assert_eq!((plain.segments_opened(), counting.1.get()), (1, 7 + TAG as u64));
    let mut into = vec![0; 1000];
    plain.read_at(3 * SEGMENT as u64 + 5, &mut into).unwrap();
    assert_eq!((plain.segments_opened(), counting.1.get()), (2, (7 + SEGMENT + 2 * TAG) as u64));
    // The same segment again: nothing is read.
    plain.read_at(3 * SEGMENT as u64 + 2000, &mut into).unwrap();
    assert_eq!(plain.segments_opened(), 2);
    // Over an edge: the one that is kept, and the next.
    plain.read_at(4 * SEGMENT as u64 - 500, &mut into).unwrap();
    assert_eq!(plain.segments_opened(), 3);
    assert_eq!(into, plaintext[4 * SEGMENT - 500..][..1000]);
}

#[test]
fn every_kind_of_reader_reads_and_a_stranger_does_not() {
    let entropy = SystemEntropy::new();
    let master = MasterKey::generate(&entropy).unwrap();
    let readers =
        [Recipient::Key(ALICE.public()), Recipient::Key(BOB.public()), Recipient::Custodian(&master)];
    let plaintext = text(SEGMENT + 1);
    let file = sealed_for(&plaintext, options(), &readers, 5);
    for identity in [Identity::Key(&ALICE), Identity::Key(&BOB), Identity::Custodian(&master)] {
        assert_eq!(opened_by(&file, &identity).unwrap(), plaintext, "{identity:?}");
    }
    let stranger = SecretKey::generate(Kem::X25519, &entropy).unwrap();
    let refused = opened_by(&file, &Identity::Key(&stranger)).unwrap_err();
    assert!(refused.starts_with("the file is not sealed for the x25519 key "), "{refused}");
    let other = MasterKey::generate(&entropy).unwrap();
    assert!(opened_by(&file, &Identity::Custodian(&other)).is_err());
    let listed: Vec<_> = Header::read(&file).unwrap().readers().collect();
    assert_eq!(listed, readers.map(|reader| reader.reader()));
}

#[test]
fn default_sizes_work() {
    let plaintext = text(600_000);
    let file = sealed_for(&plaintext, Options::default(), &[Recipient::Key(ALICE.public())], 6);
    assert_eq!(file.len(), 65_536 + 600_000 + 3 * TAG);
    assert_eq!(opened(&file).unwrap(), plaintext);
}

#[test]
fn two_sealings_share_nothing() {
    let plaintext = text(2 * SEGMENT);
    let (one, other) = (sealed(&plaintext, 7), sealed(&plaintext, 8));
    let same = one[HEADER..].iter().zip(&other[HEADER..]).filter(|(a, b)| a == b).count();
    assert!(same < 100, "{same} of {} bytes", one.len() - HEADER);
}

#[test]
fn an_announced_length_is_kept() {
    let entropy = Counted::from_seed(9);
    let announced = Options { length: Some(10), ..options() };
    let start = || Writer::new(Vec::new(), announced, &[Recipient::Key(ALICE.public())], &entropy).unwrap();
    let mut writer = start();
    writer.push(&[0; 9]).unwrap();
    assert!(matches!(writer.finish(), Err(WriteError::Length { announced: 10, given: 9 })));
    let mut writer = start();
    assert!(matches!(writer.push(&[0; 11]), Err(WriteError::Length { announced: 10, given: 11 })));
    assert!(matches!(writer.push(&[0; 1]), Err(WriteError::Ended)));
    assert!(matches!(writer.finish(), Err(WriteError::Ended)));
    let mut writer = start();
    writer.push(&[0; 10]).unwrap();
    assert_eq!(opened(&writer.finish().unwrap().0).unwrap(), [0; 10]);
}

#[test]
fn a_full_disk_ends_the_writing() {
    /// Takes a header and one segment.
    struct Small(usize);
    impl std::io::Write for Small {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let entropy = Counted::from_seed(10);
    let readers = [Recipient::Key(ALICE.public())];
    let mut writer = Writer::new(Small(HEADER + SEGMENT + TAG), options(), &readers, &entropy).unwrap();
    writer.push(&[1; SEGMENT + 1]).unwrap();
    assert!(matches!(writer.push(&[1; SEGMENT]), Err(WriteError::Out(_))));
    assert!(matches!(writer.push(&[]), Err(WriteError::Ended)));
    assert!(matches!(writer.finish(), Err(WriteError::Ended)));
}

#[test]
fn recipients_have_bounds() {
    let entropy = Counted::from_seed(11);
    let start = |options, readers: &[Recipient<'_>]| Writer::new(Vec::new(), options, readers, &entropy);
    let alice = Recipient::Key(ALICE.public());
    assert!(matches!(start(options(), &[]), Err(WriteError::Recipients { count: 0 })));
    assert!(matches!(start(options(), &[alice, alice]), Err(WriteError::Recipients { count: 2 })));
    let keys: Vec<SecretKey> =
        (0..257).map(|_| SecretKey::generate(Kem::X25519, &entropy).unwrap()).collect();
    let many: Vec<Recipient<'_>> = keys.iter().map(|key| Recipient::Key(key.public())).collect();
    let roomy = Options { header: HeaderBytes::default(), segment: SegmentBytes::default(), length: None };
    assert!(matches!(start(roomy, &many), Err(WriteError::Recipients { count: 257 })));
    let file = sealed_for(b"x", roomy, &many[..256], 12);
    assert_eq!(opened_by(&file, &Identity::Key(&keys[255])).unwrap(), b"x");
    // 4 KiB has room for 39 of 100 bytes, beside the 72 before and the 32 behind them.
    assert!(start(options(), &many[..39]).is_ok());
    assert!(matches!(start(options(), &many[..40]), Err(WriteError::Full { needed: 4104, room: 4096 })));
}

#[test]
fn a_file_that_becomes_shorter_is_noticed_while_it_is_read() {
    /// Ends earlier than it says.
    struct Shrunk(Vec<u8>, Cell<usize>);
    impl Input for Shrunk {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
            self.0[..self.1.get()].read_at(at, into)
        }
    }
    let file = sealed(&text(3 * SEGMENT), 13);
    let unlocked = Header::read(&file).unwrap().unlock(&Identity::Key(&ALICE)).unwrap();
    let shrunk = Shrunk(file.clone(), Cell::new(file.len()));
    let plain = unlocked.open(&shrunk).unwrap();
    shrunk.1.set(HEADER + SEGMENT + TAG + 100);
    let mut into = vec![0; 2 * SEGMENT];
    // The first segment is whole and comes out; the next read says what is wrong with the second.
    assert_eq!(plain.read_at(0, &mut into), Ok(SEGMENT));
    assert!(matches!(plain.read_at(SEGMENT as u64, &mut into), Err(ReadError::Source { .. })));
    shrunk.1.set(file.len());
    assert_eq!(whole(&plain).unwrap(), text(3 * SEGMENT));
}

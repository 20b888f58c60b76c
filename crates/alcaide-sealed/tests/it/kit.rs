//! Keys, files and randomness that repeat.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use alcaide_container::{Input, ReadError};
use alcaide_seal::hpke::{Kem, SecretKey};
use alcaide_seal::{Entropy, EntropyError, SystemEntropy, sha256};
use alcaide_sealed::{Header, HeaderBytes, Identity, Options, Plain, Recipient, SegmentBytes, Writer};

pub(crate) const SEGMENT: usize = 4096;
pub(crate) const HEADER: usize = 4096;
pub(crate) const TAG: usize = 16;

/// Bytes that repeat with their seed.
pub(crate) struct Counted(AtomicU64);

impl Counted {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(AtomicU64::new(seed << 32))
    }
}

impl Entropy for Counted {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        for block in out.chunks_mut(32) {
            let at = self.0.fetch_add(1, Ordering::Relaxed);
            let bytes = sha256(&at.to_be_bytes()).into_bytes();
            block.copy_from_slice(&bytes[..block.len()]);
        }
        Ok(())
    }
}

/// One key for all tests: drawing a hybrid one takes a while.
pub(crate) static ALICE: LazyLock<SecretKey> =
    LazyLock::new(|| SecretKey::generate(Kem::X25519, &SystemEntropy::new()).unwrap());
pub(crate) static BOB: LazyLock<SecretKey> =
    LazyLock::new(|| SecretKey::generate(Kem::Hybrid, &SystemEntropy::new()).unwrap());

/// Bytes without a pattern that a segment's length divides.
pub(crate) fn text(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    })
    .take(len)
    .collect()
}

pub(crate) fn options() -> Options {
    Options {
        segment: SegmentBytes::new(SEGMENT as u32).unwrap(),
        header: HeaderBytes::new(HEADER as u32).unwrap(),
        length: None,
    }
}

/// A file for Alice with the smallest segments.
pub(crate) fn sealed(plaintext: &[u8], seed: u64) -> Vec<u8> {
    sealed_for(plaintext, options(), &[Recipient::Key(ALICE.public())], seed)
}

pub(crate) fn sealed_for(
    plaintext: &[u8],
    options: Options,
    readers: &[Recipient<'_>],
    seed: u64,
) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), options, readers, &Counted::from_seed(seed)).unwrap();
    writer.push(plaintext).unwrap();
    writer.finish().unwrap().0
}

/// Everything that Alice reads out of a file: all of it, or what refuses it.
pub(crate) fn opened(file: &[u8]) -> Result<Vec<u8>, String> {
    opened_by(file, &Identity::Key(&ALICE))
}

pub(crate) fn opened_by(file: &[u8], identity: &Identity<'_>) -> Result<Vec<u8>, String> {
    let header = Header::read(&file.to_vec()).map_err(|error| error.to_string())?;
    let unlocked = header.unlock(identity).map_err(|error| error.to_string())?;
    let plain = unlocked.open(file.to_vec()).map_err(|error| error.to_string())?;
    whole(&plain).map_err(|error| error.to_string())
}

/// All bytes of a plaintext, read on until none come.
pub(crate) fn whole<I: Input>(plain: &Plain<I>) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0; usize::try_from(plain.len()).unwrap() + 1];
    let mut done = 0;
    loop {
        match plain.read_at(done as u64, &mut bytes[done..])? {
            0 => break,
            count => done += count,
        }
    }
    assert_eq!(done as u64, plain.len());
    bytes.truncate(done);
    Ok(bytes)
}

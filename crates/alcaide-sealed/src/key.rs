//! The key of a file and what is derived from it: one key for segments, one for the header, and a commitment.
//!
//! Source: RFC 5869; nonces as in STREAM and the age format.

use std::fmt;

use alcaide_seal::aead::{AeadKey, Cipher, NONCE_BYTES};
use alcaide_seal::derive::{DeriveError, hkdf_sha256};
use alcaide_seal::digest::HmacKey;
use alcaide_seal::{Entropy, EntropyError, random};
use zeroize::Zeroizing;

use crate::layout::SegmentBytes;

/// Bytes of a file's key, of the commitment and of the header's MAC.
pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const FILE_ID_BYTES: usize = 16;
/// AES-256-GCM, HKDF-SHA-256, HMAC-SHA-256.
pub(crate) const SUITE: u16 = 1;

/// Names one sealing: drawn anew each time, says nothing of the content.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FileId(pub(crate) [u8; FILE_ID_BYTES]);

impl FileId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; FILE_ID_BYTES] {
        &self.0
    }

    pub(crate) fn draw(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        random::bits128(entropy).map(|bits| Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

/// What readers get: 32 bytes from which everything of one file follows.
pub(crate) struct FileKey(Zeroizing<[u8; KEY_BYTES]>);

impl FileKey {
    pub(crate) fn draw(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        random::bytes32(entropy).map(Self)
    }

    /// The key that a reader was given, or nothing if it has another length.
    pub(crate) fn from_secret(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|key| Self(Zeroizing::new(key)))
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    pub(crate) fn derive(&self, id: FileId, segment: SegmentBytes) -> Result<Keys, DeriveError> {
        let [suite, size] = [SUITE.to_le_bytes().to_vec(), segment.get().to_le_bytes().to_vec()];
        let segments = self.expand(id, &[SEGMENTS_LABEL, &suite, &size].concat())?;
        let header = self.expand(id, HEADER_LABEL)?;
        let commitment = self.expand(id, COMMITMENT_LABEL)?;
        let segments =
            AeadKey::new(Cipher::Aes256Gcm, segments.as_slice()).map_err(|_| DeriveError::Failed)?;
        Ok(Keys { segments, header: HmacKey::new(header.as_slice()), commitment: *commitment })
    }

    fn expand(&self, id: FileId, info: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, DeriveError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        hkdf_sha256(id.as_bytes(), self.0.as_slice(), info, key.as_mut_slice())?;
        Ok(key)
    }
}

/// What a file's key comes to.
pub(crate) struct Keys {
    pub(crate) segments: AeadKey,
    pub(crate) header: HmacKey,
    /// Public: no two keys have the same, so that all readers have one key.
    pub(crate) commitment: [u8; KEY_BYTES],
}

/// The nonce of segment `index`: eleven bytes of counter, most significant first, and whether it is the last.
pub(crate) const fn nonce(index: u64, last: bool) -> [u8; NONCE_BYTES] {
    let [a, b, c, d, e, f, g, h] = index.to_be_bytes();
    [0, 0, 0, a, b, c, d, e, f, g, h, last as u8]
}

const SEGMENTS_LABEL: &[u8] = b"alcaide/v1/sealed-file/segments\0";
const HEADER_LABEL: &[u8] = b"alcaide/v1/sealed-file/header\0";
const COMMITMENT_LABEL: &[u8] = b"alcaide/v1/sealed-file/commitment\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_say_place_and_end() {
        assert_eq!(nonce(0, false), [0; 12]);
        assert_eq!(nonce(0, true), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(nonce(0x0102_0304, false), [0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0]);
    }

    #[test]
    fn the_commitment_is_of_the_key_and_the_file() {
        let commitment = |key: u8, id: u8| {
            let key = FileKey::from_secret(&[key; 32]).unwrap();
            key.derive(FileId([id; 16]), SegmentBytes::default()).unwrap().commitment
        };
        assert_eq!(commitment(1, 1), commitment(1, 1));
        assert_ne!(commitment(1, 1), commitment(2, 1));
        assert_ne!(commitment(1, 1), commitment(1, 2));
        assert!(FileKey::from_secret(&[1; 31]).is_none());
    }
}

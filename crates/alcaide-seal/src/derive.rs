//! Sub-keys: one per purpose out of the master key, so that no key serves two ends.
//!
//! `sub-key = HKDF-SHA-256(salt = none, key = master, info = label of the purpose)`, 32 bytes. Labels are
//! part of the format on disk: a new use gets a new label, an old label never changes.
//!
//! Source: RFC 5869.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::digest::{HmacKey, Sha256Digest};
use crate::envelope::MasterKey;

/// What a sub-key is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// Sealing of placeholders and tokens that stand for redacted values.
    TokenSealing,
    /// Authentication of memory snapshots.
    SnapshotMac,
    /// Keyed commitments in leaves of the ledger.
    Commitments,
    /// Sealing of sessions and states that callers carry for the gate.
    Sessions,
    /// Sealing of the users' words.
    Words,
    /// Keyed index of normalised identifiers, for erasure.
    IdentifierIndex,
    /// Pseudonyms of tasks towards other gates.
    Pseudonyms,
    /// Authentication of digests that were made before, of files that did not change since.
    DigestCache,
    /// Wrapping of data keys in envelopes; used by [`crate::envelope`] itself.
    EnvelopeWrap,
}

impl Purpose {
    /// The label that goes into the derivation.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TokenSealing => "alcaide/v1/token-sealing",
            Self::SnapshotMac => "alcaide/v1/snapshot-mac",
            Self::Commitments => "alcaide/v1/commitments",
            Self::Sessions => "alcaide/v1/sessions",
            Self::Words => "alcaide/v1/words",
            Self::IdentifierIndex => "alcaide/v1/identifier-index",
            Self::Pseudonyms => "alcaide/v1/pseudonyms",
            Self::DigestCache => "alcaide/v1/digest-cache",
            Self::EnvelopeWrap => "alcaide/v1/envelope-wrap",
        }
    }
}

/// 32 bytes for one purpose; wiped when dropped, never printed.
pub struct SubKey {
    bytes: Zeroizing<[u8; 32]>,
    hmac: HmacKey,
}

impl SubKey {
    /// Derives the sub-key of a purpose.
    ///
    /// # Errors
    /// [`DeriveError`] if the library failed.
    pub fn derive(master: &MasterKey, purpose: Purpose) -> Result<Self, DeriveError> {
        Self::from_bytes(master.expose(), purpose)
    }

    /// HMAC-SHA-256 under this key.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> Sha256Digest {
        self.hmac.mac(message)
    }

    /// Whether `code` authenticates `message`; compares in constant time.
    #[must_use]
    pub fn verify(&self, message: &[u8], code: &Sha256Digest) -> bool {
        self.hmac.verify(message, code)
    }

    /// The key as the master of envelopes of its own purpose.
    ///
    /// # Errors
    /// [`DeriveError`] if the library failed.
    pub fn to_master(&self) -> Result<MasterKey, DeriveError> {
        MasterKey::from_bytes(&self.bytes)
    }

    /// The bytes, for the moment of use.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(crate) fn from_bytes(master: &[u8; 32], purpose: Purpose) -> Result<Self, DeriveError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hkdf_sha256(&[], master, purpose.label().as_bytes(), bytes.as_mut_slice())?;
        let hmac = HmacKey::new(bytes.as_slice());
        Ok(Self { bytes, hmac })
    }
}

impl fmt::Debug for SubKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SubKey(..)")
    }
}

/// A key was not derived.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeriveError {
    /// More than 255 blocks of 32 bytes were asked for.
    #[error("{bytes} bytes of key asked for, 8160 are the most")]
    TooLong {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The primitive failed: out of memory.
    #[error("key derivation failed inside the cryptographic library")]
    Failed,
}

/// HKDF with SHA-256: fills `out` from the key material, a salt (may be empty) and the context `info`.
///
/// # Errors
/// [`DeriveError::TooLong`] for more than 8160 bytes.
///
/// Source: RFC 5869, section 2.
pub fn hkdf_sha256(salt: &[u8], key: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), DeriveError> {
    let bytes = out.len();
    if bytes > 255 * 32 {
        return Err(DeriveError::TooLong { bytes });
    }
    let prk = Salt::new(HKDF_SHA256, salt).extract(key);
    let info = [info];
    let okm = prk.expand(&info, Length(bytes)).map_err(|_| DeriveError::Failed)?;
    okm.fill(out).map_err(|_| DeriveError::Failed)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn rfc_5869_appendix_a() {
        // Test cases 1 and 3.
        let mut okm = [0; 42];
        hkdf_sha256(
            &unhex("000102030405060708090a0b0c"),
            &[0x0b; 22],
            &unhex("f0f1f2f3f4f5f6f7f8f9"),
            &mut okm,
        )
        .unwrap();
        let case1 = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(okm.as_slice(), unhex(case1));
        hkdf_sha256(&[], &[0x0b; 22], &[], &mut okm).unwrap();
        let case3 = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(okm.as_slice(), unhex(case3));
    }

    #[test]
    fn length_is_bounded() {
        assert!(hkdf_sha256(&[], b"k", &[], &mut [0; 8160]).is_ok());
        assert_eq!(hkdf_sha256(&[], b"k", &[], &mut [0; 8161]), Err(DeriveError::TooLong { bytes: 8161 }));
    }

    #[test]
    fn each_purpose_and_each_master_has_its_own_key() {
        let purposes = [
            Purpose::TokenSealing,
            Purpose::SnapshotMac,
            Purpose::Commitments,
            Purpose::IdentifierIndex,
            Purpose::Pseudonyms,
            Purpose::DigestCache,
            Purpose::EnvelopeWrap,
        ];
        let mut seen = std::collections::HashSet::new();
        for bytes in [[1; 32], [2; 32]] {
            let master = MasterKey::from_bytes(&bytes).unwrap();
            for purpose in purposes {
                let key = SubKey::derive(&master, purpose).unwrap();
                assert!(seen.insert(*key.expose()));
                let code = key.mac(b"m");
                assert!(key.verify(b"m", &code));
                assert!(!key.verify(b"n", &code));
            }
            assert!(!seen.contains(&bytes));
        }
        assert_eq!(seen.len(), 2 * purposes.len());
    }

    #[test]
    fn derivation_is_frozen() {
        // Computed apart with Python's `hmac`: a change here would orphan what is on disk.
        let master = MasterKey::from_bytes(&std::array::from_fn(|at| at as u8)).unwrap();
        let key = SubKey::derive(&master, Purpose::SnapshotMac).unwrap();
        assert_eq!(Sha256Digest::from_bytes(*key.expose()).to_string(), FROZEN_SNAPSHOT_MAC);
    }

    const FROZEN_SNAPSHOT_MAC: &str = "c3eff4dc4e8439036d71e2440322a87c3b4c30d4bf3dbe1ea62a7c7a90701b4e";
}

//! SHA-256 and HMAC-SHA-256: the digest type of the house and the ways to make one.
//!
//! One-shot functions go straight to the block function without allocating; [`Hasher`] is for input that
//! comes in pieces. [`sha256_leaf`] and [`sha256_node`] are the two hashes of a Merkle tree log.
//!
//! Sources: FIPS 180-4 (SHA-256), RFC 2104 (HMAC), RFC 9162 section 2.1.1 (tree hashes).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{digest as lc, hmac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;

/// Bytes of a SHA-256 digest.
pub const DIGEST_BYTES: usize = 32;

/// A SHA-256 or HMAC-SHA-256 value; as text 64 lower-case hexadecimal digits, and so in serde.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sha256Digest([u8; DIGEST_BYTES]);

impl Sha256Digest {
    /// A digest made elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; DIGEST_BYTES] {
        &self.0
    }

    /// The 32 bytes, by value.
    #[must_use]
    pub const fn into_bytes(self) -> [u8; DIGEST_BYTES] {
        self.0
    }

    /// Equality in constant time, for authentication codes that an outsider may guess at.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The first 16 bytes as a number, big end first: for ids that are derived, not drawn.
    #[must_use]
    pub fn leading_bits128(&self) -> u128 {
        self.0.first_chunk::<16>().map_or(0, |first| u128::from_be_bytes(*first))
    }
}

impl AsRef<[u8]> for Sha256Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; DIGEST_BYTES]> for Sha256Digest {
    fn from(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; DIGEST_BYTES * 2];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            if let [high, low] = pair {
                *high = hex_digit(byte >> 4);
                *low = hex_digit(byte & 15);
            }
        }
        // INVARIANT: hexadecimal digits are ASCII.
        out.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A text was not 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{given}` is not a SHA-256 digest: 64 digits of `0-9a-f`")]
pub struct DigestError {
    /// What was given, cut to 80 characters.
    pub given: String,
}

impl FromStr for Sha256Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let refuse = || DigestError { given: crate::cut(text) };
        if text.len() != DIGEST_BYTES * 2 {
            return Err(refuse());
        }
        let mut bytes = [0; DIGEST_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return Err(refuse()) };
            let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else { return Err(refuse()) };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// SHA-256 of one piece.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Sha256Digest {
    own(lc::digest(&lc::SHA256, bytes))
}

/// SHA-256 of a leaf of a Merkle tree: of a zero byte and then the entry.
///
/// Source: RFC 9162, section 2.1.1.
#[must_use]
pub fn sha256_leaf(entry: &[u8]) -> Sha256Digest {
    // Entries are mostly small: one copy costs less than the context of an incremental hash.
    let mut joined = [0_u8; 1 + SMALL_ENTRY_BYTES];
    if let Some(place) = joined.get_mut(1..=entry.len()) {
        place.copy_from_slice(entry);
        return sha256(joined.get(..=entry.len()).unwrap_or_default());
    }
    let mut hasher = Hasher::new();
    hasher.update(&[0]);
    hasher.update(entry);
    hasher.finish()
}

/// SHA-256 of an inner node of a Merkle tree: of a one byte, the left and the right child.
///
/// Source: RFC 9162, section 2.1.1.
#[must_use]
pub fn sha256_node(left: &Sha256Digest, right: &Sha256Digest) -> Sha256Digest {
    let mut joined = [1_u8; 1 + 2 * DIGEST_BYTES];
    if let Some((_, children)) = joined.split_first_mut() {
        for (place, byte) in children.iter_mut().zip(left.0.iter().chain(&right.0)) {
            *place = *byte;
        }
    }
    sha256(&joined)
}

/// SHA-256 of input that comes in pieces.
#[derive(Clone)]
pub struct Hasher(lc::Context);

impl Hasher {
    /// Starts with no input.
    #[must_use]
    pub fn new() -> Self {
        Self(lc::Context::new(&lc::SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces in their order.
    #[must_use]
    pub fn finish(self) -> Sha256Digest {
        own(self.0.finish())
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Hasher(..)")
    }
}

/// HMAC-SHA-256 once; for many messages under one key keep an [`HmacKey`].
///
/// Source: RFC 2104.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Sha256Digest {
    HmacKey::new(key).mac(message)
}

/// A key of HMAC-SHA-256 with its two padded blocks hashed already.
#[derive(Clone)]
pub struct HmacKey(hmac::Key);

impl HmacKey {
    /// Prepares a key of any length; 32 random bytes are what it wants.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The authentication code of one message.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> Sha256Digest {
        let tag = hmac::sign(&self.0, message);
        // INVARIANT: HMAC-SHA-256 is 32 bytes; a length that differs would leave zeros, which match nothing.
        Sha256Digest(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// Whether `code` authenticates `message`; compares in constant time.
    #[must_use]
    pub fn verify(&self, message: &[u8], code: &Sha256Digest) -> bool {
        hmac::verify(&self.0, message, &code.0).is_ok()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("HmacKey(..)")
    }
}

/// Entries up to this size are hashed as leaves from one block on the stack.
const SMALL_ENTRY_BYTES: usize = 2048;

fn own(digest: lc::Digest) -> Sha256Digest {
    // INVARIANT: SHA-256 is 32 bytes.
    Sha256Digest(digest.as_ref().first_chunk().copied().unwrap_or_default())
}

pub(crate) const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + (nibble - 10) }
}

pub(crate) const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[path = "digest/tests.rs"]
mod tests;

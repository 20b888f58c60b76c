//! Values that must not be seen: wiped when dropped, never printed, never serialised.
//!
//! [`SecretBytes`] and [`SecretText`] show their content only through `expose`, so that a search for that
//! word finds every use. Stores keep a [`TokenHash`], never the token: bearer tokens hold at least 128 random
//! bits, so a plain digest cannot be searched backwards.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretBox};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::digest::{DigestError, Sha256Digest, sha256};

/// Bytes that wipe themselves.
pub struct SecretBytes(SecretBox<[u8]>);

impl SecretBytes {
    /// Takes the bytes over; a buffer with spare room is copied once and wiped, so that no copy stays behind.
    #[must_use]
    pub fn new(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(SecretBox::new(bytes.into_boxed_slice()));
        }
        let exact: Box<[u8]> = Box::from(bytes.as_slice());
        bytes.zeroize();
        Self(SecretBox::new(exact))
    }

    /// Copies the bytes; the caller still has to wipe the original.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self(SecretBox::new(Box::from(bytes)))
    }

    /// The bytes, for the moment of use.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// The same content as text, or nothing if it is not UTF-8.
    #[must_use]
    pub fn to_text(&self) -> Option<SecretText> {
        std::str::from_utf8(self.expose()).ok().map(SecretText::copy_of)
    }
}

impl Clone for SecretBytes {
    fn clone(&self) -> Self {
        Self::copy_of(self.expose())
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Self::new(std::mem::take(&mut *bytes))
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretBytes(..)")
    }
}

/// Text that wipes itself: a bearer token, an upstream's API key.
pub struct SecretText(SecretBox<str>);

impl SecretText {
    /// Takes the text over; a buffer with spare room is copied once and wiped.
    #[must_use]
    pub fn new(mut text: String) -> Self {
        if text.len() == text.capacity() {
            return Self(SecretBox::new(text.into_boxed_str()));
        }
        let exact: Box<str> = Box::from(text.as_str());
        text.zeroize();
        Self(SecretBox::new(exact))
    }

    /// Copies the text; the caller still has to wipe the original.
    #[must_use]
    pub fn copy_of(text: &str) -> Self {
        Self(SecretBox::new(Box::from(text)))
    }

    /// The text, for the moment of use.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What a store may keep of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

impl Clone for SecretText {
    fn clone(&self) -> Self {
        Self::copy_of(self.expose())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretText(..)")
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Whether two secrets are equal, in a time that depends on their lengths only.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// SHA-256 of a bearer token: what stores and caches keep in its place.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct TokenHash(Sha256Digest);

impl TokenHash {
    /// Hashes a token as it came.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }

    /// A hash read back from a store.
    #[must_use]
    pub const fn from_digest(digest: Sha256Digest) -> Self {
        Self(digest)
    }

    /// The digest behind it.
    #[must_use]
    pub const fn digest(&self) -> &Sha256Digest {
        &self.0
    }

    /// Whether `token` has this hash; compares in constant time.
    #[must_use]
    pub fn fits(&self, token: &str) -> bool {
        self.0.same(&sha256(token.as_bytes()))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

impl FromStr for TokenHash {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let bytes = SecretBytes::copy_of(b"hunter2");
        let text = SecretText::copy_of("hunter2");
        assert_eq!(format!("{bytes:?} {text:?}"), "SecretBytes(..) SecretText(..)");
        assert_eq!(bytes.to_text().unwrap().expose(), text.expose());
    }

    #[test]
    fn content_survives_with_and_without_spare_room() {
        let mut roomy = Vec::with_capacity(100);
        roomy.extend_from_slice(b"abc");
        assert_eq!(SecretBytes::new(roomy).expose(), b"abc");
        assert_eq!(SecretBytes::new(vec![1, 2, 3]).clone().expose(), [1, 2, 3]);
        let mut roomy = String::with_capacity(100);
        roomy.push_str("abc");
        assert_eq!(SecretText::new(roomy).clone().expose(), "abc");
        assert!(SecretBytes::new(Vec::new()).is_empty());
        assert!(SecretBytes::copy_of(&[0xff]).to_text().is_none());
    }

    #[test]
    fn equality_sees_every_bit_and_the_length() {
        let secret = [0x5a_u8; 40];
        assert!(same(&secret, &secret.clone()));
        assert!(!same(&secret, &secret[..39]));
        for at in 0..40 {
            for bit in 0..8 {
                let mut other = secret;
                other[at] ^= 1 << bit;
                assert!(!same(&secret, &other));
            }
        }
    }

    #[test]
    fn a_token_hash_fits_its_token_only() {
        let hash = SecretText::copy_of("abc").hash();
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(hash.fits("abc"));
        assert!(!hash.fits("abd"));
        assert_eq!(hash.to_string().parse::<TokenHash>().unwrap(), hash);
        assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{hash}\""));
    }
}

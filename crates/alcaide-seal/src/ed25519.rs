//! Bare Ed25519 signatures over bytes, for formats of others that carry them.
//!
//! Source: RFC 8032. Keys of small order are refused, because one signature of theirs fits many messages.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, ParsedPublicKey};

use crate::curve::{self, SIGNATURE_BYTES};
use crate::random::{self, Entropy, EntropyError};

/// A key was not taken, or nothing was signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Ed25519Error {
    /// No randomness, no key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The bytes are no point of the curve, or one of small order.
    #[error("this is no public key of Ed25519")]
    Key,
    /// The primitive failed: out of memory.
    #[error("signing failed inside the cryptographic library")]
    Failed,
}

/// A public key.
#[derive(Clone)]
pub struct Ed25519Public {
    point: [u8; 32],
    parsed: ParsedPublicKey,
}

impl Ed25519Public {
    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// [`Ed25519Error::Key`].
    pub fn from_bytes(point: &[u8; 32]) -> Result<Self, Ed25519Error> {
        let parsed = curve::ed25519(point).ok_or(Ed25519Error::Key)?;
        Ok(Self { point: *point, parsed })
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.point
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for Ed25519Public {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ed25519Public({})", crate::Sha256Digest::from_bytes(self.point))
    }
}

/// A private key; never printed.
pub struct Ed25519Secret {
    pair: Ed25519KeyPair,
    public: Ed25519Public,
}

impl Ed25519Secret {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`Ed25519Error::Entropy`].
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, Ed25519Error> {
        Self::from_seed(&*random::bytes32(entropy)?)
    }

    /// A key from its seed; the caller wipes its own copy.
    ///
    /// # Errors
    /// [`Ed25519Error::Failed`].
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, Ed25519Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Ed25519Error::Failed)?;
        let point = pair.public_key().as_ref().try_into().map_err(|_| Ed25519Error::Failed)?;
        Ok(Self { public: Ed25519Public::from_bytes(point)?, pair })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &Ed25519Public {
        &self.public
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// [`Ed25519Error::Failed`].
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], Ed25519Error> {
        let signature = self.pair.try_sign(message).map_err(|_| Ed25519Error::Failed)?;
        signature.as_ref().try_into().map_err(|_| Ed25519Error::Failed)
    }
}

impl fmt::Debug for Ed25519Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ed25519Secret({:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hex: &str) -> [u8; 32] {
        hex.parse::<crate::Sha256Digest>().unwrap().into_bytes()
    }

    #[test]
    fn the_vector_of_rfc_8032() {
        // Section 7.1, test 2.
        let seed = key("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let point = key("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let secret = Ed25519Secret::from_seed(&seed).unwrap();
        assert_eq!(secret.public().as_bytes(), &point);
        let signature = secret.sign(&[0x72]).unwrap();
        let (r, s) = signature.split_at(32);
        assert_eq!(r, key("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"));
        assert_eq!(s, key("085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"));
        let public = Ed25519Public::from_bytes(&point).unwrap();
        assert!(public.verifies(&[0x72], &signature));
        assert!(!public.verifies(&[0x73], &signature));
    }

    #[test]
    fn a_key_of_small_order_is_none() {
        assert_eq!(Ed25519Public::from_bytes(&[0; 32]).unwrap_err(), Ed25519Error::Key);
    }

    #[test]
    fn the_seed_does_not_print() {
        let secret = Ed25519Secret::from_seed(&[9; 32]).unwrap();
        assert!(!format!("{secret:?}").contains("0909"));
    }
}

//! Secrets at rest: each value under a key of its own, that key under the master key.
//!
//! ```text
//! byte 0        version, 1
//! 1..9          id of the master key
//! 9..21         nonce of the wrapped key
//! 21..69        data key, wrapped: 32 bytes and a tag of 16
//! 69..81        nonce of the body
//! 81..          body and a tag of 16
//! ```
//! Both layers are AES-256-GCM-SIV: a nonce that repeats by accident tells at most that two values are equal.
//! The wrapped key is bound to version and key id, the body to the caller's context (`aad`), so that a value
//! cannot be moved to another place. [`rewrap`] changes the master key without touching a body.
//!
//! Sources: RFC 8452 (AES-GCM-SIV), RFC 5869 (the wrapping key is derived from the master key).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize as _, Zeroizing};

use crate::derive::{DeriveError, Purpose, SubKey};
use crate::digest::{hex_digit, hmac_sha256};
use crate::random::{self, Entropy, EntropyError};
use crate::secret::SecretBytes;

/// Bytes that an envelope has beyond its plaintext.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + WRAPPED_BYTES + 2 * NONCE_BYTES + TAG_BYTES;
/// Most bytes of one sealed value.
pub const MAX_PLAINTEXT_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of the context that a body is bound to.
pub const MAX_AAD_BYTES: usize = 4096;

/// Id of a master key: eight bytes that tell keys apart and nothing about them; as text 16 hexadecimal
/// digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    /// The eight bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(out, "{}{}", char::from(hex_digit(byte >> 4)), char::from(hex_digit(byte & 15)))?;
        }
        Ok(())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The key that all others hang on: 32 bytes, wiped when dropped, never printed.
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    wrap: LessSafeKey,
    id: KeyId,
}

impl MasterKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`EnvelopeError::Entropy`] if the source failed.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EnvelopeError> {
        let bytes = random::bytes32(entropy)?;
        Ok(Self::from_bytes(&bytes)?)
    }

    /// A key that custody kept; the caller wipes its own copy.
    ///
    /// # Errors
    /// [`DeriveError`] if the library failed.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, DeriveError> {
        let wrapping = SubKey::from_bytes(bytes, Purpose::EnvelopeWrap)?;
        let wrap = cipher(wrapping.expose()).ok_or(DeriveError::Failed)?;
        let mac = hmac_sha256(bytes, KEY_ID_CONTEXT);
        let id = KeyId(mac.as_bytes().first_chunk().copied().ok_or(DeriveError::Failed)?);
        Ok(Self { bytes: Zeroizing::new(*bytes), wrap, id })
    }

    /// The name of the key, safe to show.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes, for custody and derivation alone.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MasterKey({})", self.id)
    }
}

/// A value was not sealed or not opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// No randomness, no envelope.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Shorter than an envelope of nothing: cut off.
    #[error("envelope has {bytes} bytes, {OVERHEAD_BYTES} are the fewest")]
    TooShort {
        /// Bytes given.
        bytes: usize,
    },
    /// Value or context longer than is sealed.
    #[error("{what} has {bytes} bytes, {max} are the most")]
    TooLong {
        /// `value`, `envelope` or `context`.
        what: &'static str,
        /// Bytes given.
        bytes: usize,
        /// Bytes taken.
        max: usize,
    },
    /// Written by a version that this program does not know.
    #[error("envelope has version {found}, this program reads version 1")]
    Version {
        /// What the first byte says.
        found: u8,
    },
    /// Sealed under another master key.
    #[error("envelope is sealed under master key {needed}, not {given}")]
    WrongKey {
        /// The key that sealed it.
        needed: KeyId,
        /// The key that was tried.
        given: KeyId,
    },
    /// The wrapped data key was changed.
    #[error("data key of the envelope was altered")]
    KeyAltered,
    /// The body was changed, or belongs to another context.
    #[error("body of the envelope was altered or belongs elsewhere")]
    BodyAltered,
    /// The primitive failed: out of memory.
    #[error("sealing failed inside the cryptographic library")]
    Failed,
}

impl From<DeriveError> for EnvelopeError {
    fn from(_: DeriveError) -> Self {
        Self::Failed
    }
}

/// Seals `plaintext` (at most 16 MiB) for the context `aad` (at most 4096 bytes).
///
/// # Errors
/// [`EnvelopeError::TooLong`], [`EnvelopeError::Entropy`] or [`EnvelopeError::Failed`].
pub fn seal(
    master: &MasterKey,
    aad: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, EnvelopeError> {
    check_length("value", plaintext.len(), MAX_PLAINTEXT_BYTES)?;
    let aad = body_context(aad)?;
    let data_key = random::bytes32(entropy)?;
    let mut sealed = Vec::with_capacity(plaintext.len().saturating_add(OVERHEAD_BYTES));
    write_head(&mut sealed, master, &data_key, entropy)?;
    let nonce = draw_nonce(entropy)?;
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let body = sealed.get_mut(BODY_AT..).ok_or(EnvelopeError::Failed)?;
    let key = cipher(&data_key).ok_or(EnvelopeError::Failed)?;
    match key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&aad), body) {
        Ok(tag) => {
            sealed.extend_from_slice(tag.as_ref());
            Ok(sealed)
        }
        Err(_) => {
            sealed.zeroize();
            Err(EnvelopeError::Failed)
        }
    }
}

/// Opens an envelope that was sealed under `master` for the context `aad`.
///
/// # Errors
/// An [`EnvelopeError`] that says what is wrong; nothing of a body that does not fit is given out.
pub fn open(master: &MasterKey, aad: &[u8], bytes: &[u8]) -> Result<SecretBytes, EnvelopeError> {
    let aad = body_context(aad)?;
    let parts = Parts::split(bytes)?;
    let data_key = parts.unwrap_key(master)?;
    let key = cipher(&data_key).ok_or(EnvelopeError::Failed)?;
    let mut plaintext = Zeroizing::new(vec![0; parts.body.len()]);
    key.open_separate_gather(
        Nonce::assume_unique_for_key(*parts.body_nonce),
        Aad::from(&aad),
        parts.body,
        parts.body_tag,
        &mut plaintext,
    )
    .map_err(|_| EnvelopeError::BodyAltered)?;
    Ok(plaintext.into())
}

/// Wraps the data key of an envelope under a new master key; the body stays as it is, byte for byte.
///
/// # Errors
/// As [`open`] for the head, and [`EnvelopeError::Entropy`]; the body is not checked.
pub fn rewrap(
    old: &MasterKey,
    new: &MasterKey,
    bytes: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, EnvelopeError> {
    let parts = Parts::split(bytes)?;
    let data_key = parts.unwrap_key(old)?;
    let mut sealed = Vec::with_capacity(bytes.len());
    write_head(&mut sealed, new, &data_key, entropy)?;
    sealed.extend_from_slice(parts.body_nonce);
    sealed.extend_from_slice(parts.body);
    sealed.extend_from_slice(parts.body_tag);
    Ok(sealed)
}

/// Id of the master key that an envelope is sealed under, without opening it.
///
/// # Errors
/// [`EnvelopeError::TooShort`], [`EnvelopeError::TooLong`] or [`EnvelopeError::Version`].
pub fn key_id(bytes: &[u8]) -> Result<KeyId, EnvelopeError> {
    Ok(Parts::split(bytes)?.id)
}

/// An envelope, split but not opened.
struct Parts<'a> {
    id: KeyId,
    wrap_nonce: &'a [u8; NONCE_BYTES],
    wrapped: &'a [u8; WRAPPED_BYTES],
    body_nonce: &'a [u8; NONCE_BYTES],
    body: &'a [u8],
    body_tag: &'a [u8; TAG_BYTES],
}

impl<'a> Parts<'a> {
    fn split(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        check_length("envelope", bytes.len(), MAX_PLAINTEXT_BYTES + OVERHEAD_BYTES)?;
        let short = || EnvelopeError::TooShort { bytes: bytes.len() };
        let (version, rest) = bytes.split_first().ok_or_else(short)?;
        if *version != VERSION {
            return Err(EnvelopeError::Version { found: *version });
        }
        let (id, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (wrap_nonce, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (wrapped, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (body_nonce, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (body, body_tag) = rest.split_last_chunk().ok_or_else(short)?;
        Ok(Self { id: KeyId(*id), wrap_nonce, wrapped, body_nonce, body, body_tag })
    }

    fn unwrap_key(&self, master: &MasterKey) -> Result<Zeroizing<[u8; 32]>, EnvelopeError> {
        if self.id != master.id {
            return Err(EnvelopeError::WrongKey { needed: self.id, given: master.id });
        }
        let (key, tag) = self.wrapped.split_at(32);
        let mut data_key = Zeroizing::new([0; 32]);
        let nonce = Nonce::assume_unique_for_key(*self.wrap_nonce);
        master
            .wrap
            .open_separate_gather(nonce, Aad::from(wrap_context(self.id)), key, tag, data_key.as_mut_slice())
            .map_err(|_| EnvelopeError::KeyAltered)?;
        Ok(data_key)
    }
}

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const WRAPPED_BYTES: usize = 32 + TAG_BYTES;
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES;
const BODY_AT: usize = HEAD_BYTES + NONCE_BYTES + WRAPPED_BYTES + NONCE_BYTES;
const KEY_ID_CONTEXT: &[u8] = b"alcaide/v1/master-key-id";
const BODY_CONTEXT: &[u8] = b"alcaide/v1/envelope-body\0";

fn write_head(
    sealed: &mut Vec<u8>,
    master: &MasterKey,
    data_key: &[u8; 32],
    entropy: &dyn Entropy,
) -> Result<(), EnvelopeError> {
    let nonce = draw_nonce(entropy)?;
    sealed.extend_from_slice(&wrap_context(master.id));
    sealed.extend_from_slice(&nonce);
    let mut wrapped = Zeroizing::new(*data_key);
    let tag = master
        .wrap
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(wrap_context(master.id)),
            wrapped.as_mut_slice(),
        )
        .map_err(|_| EnvelopeError::Failed)?;
    sealed.extend_from_slice(wrapped.as_slice());
    sealed.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Version and key id: the head of an envelope and the context of its wrapped key.
fn wrap_context(id: KeyId) -> [u8; HEAD_BYTES] {
    let [a, b, c, d, e, f, g, h] = id.0;
    [VERSION, a, b, c, d, e, f, g, h]
}

fn body_context(aad: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    check_length("context", aad.len(), MAX_AAD_BYTES)?;
    Ok([BODY_CONTEXT, aad].concat())
}

fn check_length(what: &'static str, bytes: usize, max: usize) -> Result<(), EnvelopeError> {
    if bytes > max { Err(EnvelopeError::TooLong { what, bytes, max }) } else { Ok(()) }
}

fn draw_nonce(entropy: &dyn Entropy) -> Result<[u8; NONCE_BYTES], EntropyError> {
    let mut nonce = [0; NONCE_BYTES];
    entropy.fill(&mut nonce)?;
    Ok(nonce)
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM_SIV, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
#[path = "envelope/tests.rs"]
mod tests;

//! To a public key: one small secret, for whoever has the private half.
//!
//! HPKE in base mode, single shot, with HKDF-SHA256 and AES-256-GCM, for two KEMs:
//!
//! | KEM | id | public key | private key | encapsulated key |
//! |---|---|---|---|---|
//! | [`Kem::X25519`]: DHKEM(X25519, HKDF-SHA256) | 0x0020 | 32 | 32 | 32 |
//! | [`Kem::Hybrid`]: MLKEM768-X25519, also X-Wing | 0x647A | 1,184 + 32 | 32 + 2,400 | 1,088 + 32 |
//!
//! The hybrid holds as long as one of its halves does: what is recorded today is not read by whoever breaks X25519
//! later. Its private key is kept expanded (X25519 first, then the decapsulation key of FIPS 203), since AWS-LC
//! makes no key from a seed; public keys and encapsulated keys have the form of the drafts. Nobody is told who
//! sealed: whoever has the public key can.
//!
//! Left out: the other modes, contexts that seal twice, export, AAD.
//!
//! Sources: RFC 9180, sections 4.1, 5.1, 6.1; RFC 7748; FIPS 203; draft-connolly-cfrg-xwing-kem, sections 5.3 and 5.4;
//! draft-ietf-hpke-pq.

use std::fmt;

use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use aws_lc_rs::digest::{SHA3_256, digest};
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use zeroize::Zeroizing;

use crate::aead::{AeadError, AeadKey, Cipher, NONCE_BYTES, Opened, Sealed, TAG_BYTES};
use crate::derive::{DeriveError, hkdf_sha256};
use crate::digest::hmac_sha256;
use crate::random::{self, Entropy, EntropyError};
use crate::secret::{SecretBytes, same};

/// Most bytes of a secret that is sealed to a key.
pub const MAX_SECRET_BYTES: usize = 256;
/// Most bytes of the context that a secret is bound to.
pub const MAX_INFO_BYTES: usize = 4096;

/// How a secret is agreed on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kem {
    /// Diffie–Hellman on Curve25519.
    X25519,
    /// The same and ML-KEM-768.
    Hybrid,
}

impl Kem {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X25519, Self::Hybrid];

    /// Its number in the registry of HPKE.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::X25519 => 0x0020,
            Self::Hybrid => 0x647a,
        }
    }

    /// Bytes of a public key.
    #[must_use]
    pub const fn public_bytes(self) -> usize {
        match self {
            Self::X25519 => POINT_BYTES,
            Self::Hybrid => LATTICE_PUBLIC_BYTES + POINT_BYTES,
        }
    }

    /// Bytes of a private key as it is kept.
    #[must_use]
    pub const fn secret_bytes(self) -> usize {
        match self {
            Self::X25519 => POINT_BYTES,
            Self::Hybrid => POINT_BYTES + LATTICE_SECRET_BYTES,
        }
    }

    /// Bytes of an encapsulated key.
    #[must_use]
    pub const fn encapsulated_bytes(self) -> usize {
        match self {
            Self::X25519 => POINT_BYTES,
            Self::Hybrid => LATTICE_CIPHERTEXT_BYTES + POINT_BYTES,
        }
    }

    /// Bytes that a sealed secret has beyond the secret.
    #[must_use]
    pub const fn overhead_bytes(self) -> usize {
        self.encapsulated_bytes() + TAG_BYTES
    }
}

/// A secret was not sealed or not opened, or a key was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HpkeError {
    /// No randomness, no key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A key, a secret or a context of a length that is not taken.
    #[error("{what} has {bytes} bytes, {limit} are taken")]
    Length {
        /// `public key`, `private key`, `secret`, `sealed secret` or `context`.
        what: &'static str,
        /// Bytes given.
        bytes: usize,
        /// Bytes taken: exactly for keys, at most or at least for the others.
        limit: usize,
    },
    /// No key: its halves do not belong together, or agreement with it is refused (a point of small order).
    #[error("this is no {what} of this kind")]
    Key {
        /// `public key` or `private key`.
        what: &'static str,
    },
    /// Sealed to another key or for another context, or changed.
    #[error("the secret was sealed to another key, or was altered")]
    Altered,
    /// The primitive failed: out of memory.
    #[error("agreement failed inside the cryptographic library")]
    Failed,
}

impl From<DeriveError> for HpkeError {
    fn from(_: DeriveError) -> Self {
        Self::Failed
    }
}

/// A public key that secrets are sealed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    kem: Kem,
    bytes: Box<[u8]>,
}

impl PublicKey {
    /// A key from its bytes. A key that cannot be agreed with is found out when something is sealed to it.
    ///
    /// # Errors
    /// [`HpkeError::Length`].
    pub fn from_bytes(kem: Kem, bytes: &[u8]) -> Result<Self, HpkeError> {
        check_exact("public key", bytes.len(), kem.public_bytes())?;
        Ok(Self { kem, bytes: bytes.into() })
    }

    /// The KEM.
    #[must_use]
    pub const fn kem(&self) -> Kem {
        self.kem
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Seals `secret` (at most 256 bytes) for the context `info` (at most 4096 bytes): encapsulated key, ciphertext, tag.
    /// The half that is ML-KEM draws its randomness inside AWS-LC.
    ///
    /// # Errors
    /// [`HpkeError::Length`], [`HpkeError::Key`] if nothing can be agreed with this key, [`HpkeError::Entropy`].
    pub fn seal(&self, info: &[u8], secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, HpkeError> {
        check_most("secret", secret.len(), MAX_SECRET_BYTES)?;
        let (shared, mut sealed) = self.encapsulate(&*random::bytes32(entropy)?)?;
        let (key, nonce) = schedule(self.kem, &shared, info)?;
        let mut body = Zeroizing::new(secret.to_vec());
        let tag = key.seal(nonce, &[], &mut body).map_err(|_| HpkeError::Failed)?;
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// The shared secret and the encapsulated key, with `ephemeral` as the private key of the half that is X25519.
    fn encapsulate(&self, ephemeral: &[u8; POINT_BYTES]) -> Result<(Shared, Vec<u8>), HpkeError> {
        let refused = HpkeError::Key { what: "public key" };
        let (lattice, point) = self.bytes.split_last_chunk::<POINT_BYTES>().ok_or(refused)?;
        let (own, own_point) = private(ephemeral)?;
        let agreed = agree(&own, point).ok_or(refused)?;
        match self.kem {
            Kem::X25519 => Ok((dhkem(&agreed, &own_point, point)?, own_point.to_vec())),
            Kem::Hybrid => {
                let key = EncapsulationKey::new(&ML_KEM_768, lattice).map_err(|_| refused)?;
                let (ciphertext, half) = key.encapsulate().map_err(|_| refused)?;
                let shared = combine(half.as_ref(), &agreed, &own_point, point)?;
                Ok((shared, [ciphertext.as_ref(), &own_point].concat()))
            }
        }
    }
}

/// A private key; wiped when dropped, never printed.
pub struct SecretKey {
    bytes: SecretBytes,
    public: PublicKey,
}

impl SecretKey {
    /// Draws a new key. The half that is ML-KEM draws its randomness inside AWS-LC.
    ///
    /// # Errors
    /// [`HpkeError::Entropy`] or [`HpkeError::Failed`].
    pub fn generate(kem: Kem, entropy: &dyn Entropy) -> Result<Self, HpkeError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(kem.secret_bytes()));
        bytes.extend_from_slice(random::bytes32(entropy)?.as_slice());
        if kem == Kem::Hybrid {
            let key = DecapsulationKey::generate(&ML_KEM_768).map_err(|_| HpkeError::Failed)?;
            bytes.extend_from_slice(key.key_bytes().map_err(|_| HpkeError::Failed)?.as_ref());
        }
        Self::from_bytes(kem, bytes.into())
    }

    /// A key from the bytes that were kept of it.
    ///
    /// # Errors
    /// [`HpkeError::Length`]; [`HpkeError::Key`] if the decapsulation key is not whole (FIPS 203, section 7.3).
    pub fn from_bytes(kem: Kem, bytes: SecretBytes) -> Result<Self, HpkeError> {
        check_exact("private key", bytes.len(), kem.secret_bytes())?;
        let refused = HpkeError::Key { what: "private key" };
        let (scalar, lattice) = bytes.expose().split_first_chunk().ok_or(refused)?;
        let (_, point) = private(scalar)?;
        let public = match kem {
            Kem::X25519 => point.to_vec(),
            Kem::Hybrid => {
                let key = lattice.get(LATTICE_PUBLIC_AT..LATTICE_HASH_AT).ok_or(refused)?;
                let hash = lattice.get(LATTICE_HASH_AT..LATTICE_HASH_AT + 32).ok_or(refused)?;
                if !same(digest(&SHA3_256, key).as_ref(), hash) {
                    return Err(refused);
                }
                [key, &point].concat()
            }
        };
        Ok(Self { public: PublicKey { kem, bytes: public.into() }, bytes })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The bytes, for custody alone.
    #[must_use]
    pub const fn expose(&self) -> &SecretBytes {
        &self.bytes
    }

    /// Opens what was sealed to the public half for the context `info`.
    ///
    /// # Errors
    /// [`HpkeError::Length`] or [`HpkeError::Altered`].
    pub fn open(&self, info: &[u8], sealed: &[u8]) -> Result<Opened, HpkeError> {
        let kem = self.public.kem;
        let most = kem.overhead_bytes() + MAX_SECRET_BYTES;
        check_most("sealed secret", sealed.len(), most)?;
        let short =
            HpkeError::Length { what: "sealed secret", bytes: sealed.len(), limit: kem.overhead_bytes() };
        let (encapsulated, body) = sealed.split_at_checked(kem.encapsulated_bytes()).ok_or(short)?;
        let body = Sealed::with_tag(body.to_vec()).map_err(|_| short)?;
        let shared = self.decapsulate(encapsulated)?;
        let (key, nonce) = schedule(kem, &shared, info)?;
        key.open(nonce, &[], body).map_err(|error| match error {
            AeadError::Altered => HpkeError::Altered,
            _ => HpkeError::Failed,
        })
    }

    fn decapsulate(&self, encapsulated: &[u8]) -> Result<Shared, HpkeError> {
        let refused = HpkeError::Key { what: "private key" };
        let (scalar, lattice) = self.bytes.expose().split_first_chunk().ok_or(refused)?;
        let (own, own_point) = private(scalar)?;
        let (ciphertext, point) = encapsulated.split_last_chunk().ok_or(HpkeError::Altered)?;
        let agreed = agree(&own, point).ok_or(HpkeError::Altered)?;
        match self.public.kem {
            Kem::X25519 => dhkem(&agreed, point, &own_point),
            Kem::Hybrid => {
                let key = DecapsulationKey::new(&ML_KEM_768, lattice).map_err(|_| refused)?;
                let half = key.decapsulate(Ciphertext::from(ciphertext)).map_err(|_| HpkeError::Altered)?;
                combine(half.as_ref(), &agreed, point, &own_point)
            }
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretKey({:?})", self.public.kem)
    }
}

type Shared = Zeroizing<[u8; 32]>;
type Point = [u8; POINT_BYTES];

/// A private key of X25519 and its point.
fn private(scalar: &[u8; POINT_BYTES]) -> Result<(agreement::PrivateKey, Point), HpkeError> {
    let key = agreement::PrivateKey::from_private_key(&X25519, scalar).map_err(|_| HpkeError::Failed)?;
    let point = key.compute_public_key().map_err(|_| HpkeError::Failed)?;
    let point = point.as_ref().try_into().map_err(|_| HpkeError::Failed)?;
    Ok((key, point))
}

/// What two keys agree on; nothing for a point of small order, with which everybody agrees on zero.
fn agree(own: &agreement::PrivateKey, point: &Point) -> Option<Shared> {
    agreement::agree(own, UnparsedPublicKey::new(&X25519, point), (), |secret| {
        secret.try_into().map(Zeroizing::new).map_err(|_| ())
    })
    .ok()
}

/// RFC 9180, section 4.1: `ExtractAndExpand(dh, enc ‖ pkR)`.
fn dhkem(agreed: &Shared, encapsulated: &Point, public: &Point) -> Result<Shared, HpkeError> {
    let suite = [b"KEM".as_slice(), &Kem::X25519.id().to_be_bytes()].concat();
    let key = labelled(&suite, b"eae_prk", agreed.as_slice());
    let context = [encapsulated.as_slice(), public].concat();
    let mut shared = Zeroizing::new([0; 32]);
    hkdf_sha256(&[], &key, &expanded(&suite, b"shared_secret", &context, 32), shared.as_mut_slice())?;
    Ok(shared)
}

/// X-Wing, section 5.3: SHA3-256 over both secrets, the ephemeral and the static point, and a label.
fn combine(
    lattice: &[u8],
    agreed: &Shared,
    encapsulated: &Point,
    public: &Point,
) -> Result<Shared, HpkeError> {
    let text = [lattice, agreed.as_slice(), encapsulated, public, X_WING_LABEL].concat();
    let text = Zeroizing::new(text);
    let shared = digest(&SHA3_256, &text);
    shared.as_ref().try_into().map(Zeroizing::new).map_err(|_| HpkeError::Failed)
}

/// RFC 9180, section 5.1, base mode: the key and the nonce of the first and only message.
fn schedule(kem: Kem, shared: &Shared, info: &[u8]) -> Result<(AeadKey, [u8; NONCE_BYTES]), HpkeError> {
    check_most("context", info.len(), MAX_INFO_BYTES)?;
    let [high, low] = kem.id().to_be_bytes();
    let suite = [b'H', b'P', b'K', b'E', high, low, 0, 1, 0, 2];
    let psk_id_hash = hmac_sha256(&[], &labelled(&suite, b"psk_id_hash", &[]));
    let info_hash = hmac_sha256(&[], &labelled(&suite, b"info_hash", info));
    let context = [&[MODE_BASE], psk_id_hash.as_bytes().as_slice(), info_hash.as_bytes()].concat();
    let secret = labelled(&suite, b"secret", &[]);
    let mut key = Zeroizing::new([0; 32]);
    hkdf_sha256(shared.as_slice(), &secret, &expanded(&suite, b"key", &context, 32), key.as_mut_slice())?;
    let mut nonce = [0; NONCE_BYTES];
    hkdf_sha256(shared.as_slice(), &secret, &expanded(&suite, b"base_nonce", &context, 12), &mut nonce)?;
    let key = AeadKey::new(Cipher::Aes256Gcm, key.as_slice()).map_err(|_| HpkeError::Failed)?;
    Ok((key, nonce))
}

/// What `LabeledExtract` extracts from.
fn labelled(suite: &[u8], label: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([VERSION, suite, label, key].concat())
}

/// What `LabeledExpand` expands with.
fn expanded(suite: &[u8], label: &[u8], info: &[u8], bytes: u16) -> Vec<u8> {
    [bytes.to_be_bytes().as_slice(), VERSION, suite, label, info].concat()
}

const fn check_exact(what: &'static str, bytes: usize, limit: usize) -> Result<(), HpkeError> {
    if bytes == limit { Ok(()) } else { Err(HpkeError::Length { what, bytes, limit }) }
}

const fn check_most(what: &'static str, bytes: usize, limit: usize) -> Result<(), HpkeError> {
    if bytes <= limit { Ok(()) } else { Err(HpkeError::Length { what, bytes, limit }) }
}

const VERSION: &[u8] = b"HPKE-v1";
const MODE_BASE: u8 = 0;
const X_WING_LABEL: &[u8] = br"\.//^\";
const POINT_BYTES: usize = 32;
const LATTICE_PUBLIC_BYTES: usize = 1184;
const LATTICE_SECRET_BYTES: usize = 2400;
const LATTICE_CIPHERTEXT_BYTES: usize = 1088;
/// Within a decapsulation key: that of the underlying encryption, the public key, its hash, a secret for refusals.
///
/// Source: FIPS 203, algorithm 16.
const LATTICE_PUBLIC_AT: usize = 1152;
const LATTICE_HASH_AT: usize = LATTICE_PUBLIC_AT + LATTICE_PUBLIC_BYTES;

#[cfg(test)]
#[path = "hpke/tests.rs"]
mod tests;

//! Signed tokens: compact JWS, made with ES256 and verified with ES256 or EdDSA.
//!
//! A message never chooses anything: the `kid` picks a key that is known already, the key pins the algorithm,
//! the caller pins the `typ`, and what the header says must agree. The one exception, [`verify_embedded`], is
//! for proofs of possession, where the key in the header is the statement itself; the caller then compares
//! its thumbprint.
//!
//! The signature is checked before the payload is decoded. Claims (`exp`, `aud`, …) are not read here.
//!
//! Sources: RFC 7515 (JWS), RFC 7518 section 3.4 (ES256), RFC 8037 (EdDSA), RFC 7517 section 5 (JWK Set),
//! RFC 8725 (best practice), RFC 9449 section 4.2 (DPoP).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::curve::SIGNATURE_BYTES;
use crate::json::{self, Members};
use crate::jwk::{Algorithm, JsonError, Jwk, JwkError, MAX_MEMBERS, PublicMembers, Thumbprint};
use crate::random::{self, Entropy, EntropyError};
use crate::secret::SecretBytes;

/// Most bytes of a token, ours or foreign: headers of a request have to carry it.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Most bytes of a key set that is read.
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;
/// Most keys of a set.
pub const MAX_KEYS: usize = 64;
/// Most bytes of a `kid`.
pub const MAX_KID_BYTES: usize = 256;

/// A token was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Longer than any token that is read.
    #[error("token of {bytes} bytes, {MAX_TOKEN_BYTES} are the most")]
    TooLong {
        /// Bytes given.
        bytes: usize,
    },
    /// Not three parts with a dot between them.
    #[error("token is not three parts joined by dots")]
    Parts,
    /// A part is not canonical base64url without padding.
    #[error("{part} of the token is not canonical base64url")]
    Base64 {
        /// `header`, `payload` or `signature`.
        part: &'static str,
    },
    /// The header is not a clean JSON object.
    #[error("header of the token is {0}")]
    Header(#[from] JsonError),
    /// A header member that every token needs is missing.
    #[error("header of the token has no member `{name}`")]
    Missing {
        /// The member.
        name: &'static str,
    },
    /// The token demands extensions; none is understood (RFC 7515, section 4.1.11).
    #[error("header of the token has the member `crit`")]
    Critical,
    /// The header carries a member that would change how the token is read.
    #[error("header of the token has the member `{name}`, which is not taken here")]
    Forbidden {
        /// The member.
        name: &'static str,
    },
    /// An algorithm outside the closed list.
    #[error("algorithm `{alg}` is not supported")]
    UnknownAlgorithm {
        /// What `alg` says, cut to 80 characters.
        alg: String,
    },
    /// The header names another algorithm than the key has.
    #[error("token says `{alg}`, its key is for `{key}`")]
    AlgorithmMismatch {
        /// What the header says.
        alg: &'static str,
        /// What the key pins.
        key: &'static str,
    },
    /// A token of another kind: an access token is no proof, a proof no statement.
    #[error("token is of type `{typ}`, not `{expected}`")]
    Type {
        /// What `typ` says, cut to 80 characters.
        typ: String,
        /// What was needed.
        expected: String,
    },
    /// No key of that name is known.
    #[error("key `{kid}` is not known")]
    UnknownKey {
        /// What `kid` says, cut to 80 characters.
        kid: String,
    },
    /// The key in the header cannot be used.
    #[error("key in the header of the token cannot be used: {0}")]
    EmbeddedKey(#[source] JwkError),
    /// The signature does not have 64 bytes.
    #[error("signature of the token does not have 64 bytes")]
    SignatureLength,
    /// The signature is not the key's over these bytes.
    #[error("signature of the token does not fit")]
    Signature,
}

/// Verifies a token by a key of the set and gives its payload.
///
/// `expected_typ` is compared as RFC 7515 section 4.1.9 asks: case does not matter, `application/` may be
/// left out.
///
/// # Errors
/// A [`JwsError`] that says which rule the token breaks.
pub fn verify(compact: &str, expected_typ: &str, keys: &KeySet) -> Result<Vec<u8>, JwsError> {
    let parts = Parts::split(compact)?;
    let json = parts.header_json()?;
    let header = Header::parse(&json, expected_typ)?;
    if header.members.raw("jwk").is_some() {
        return Err(JwsError::Forbidden { name: "jwk" });
    }
    let kid = header.members.text("kid")?.ok_or(JwsError::Missing { name: "kid" })?;
    let key = keys.key(&kid).ok_or_else(|| JwsError::UnknownKey { kid: crate::cut(&kid) })?;
    parts.check(&header, key)?;
    parts.payload()
}

/// Verifies a token by the key that it carries in its header, and gives both.
///
/// Only for proofs of possession: the caller must compare the key's thumbprint with the one that it expects.
///
/// # Errors
/// A [`JwsError`] that says which rule the token breaks.
///
/// Source: RFC 9449, sections 4.2 and 4.3.
pub fn verify_embedded(compact: &str, expected_typ: &str) -> Result<(Jwk, Vec<u8>), JwsError> {
    let parts = Parts::split(compact)?;
    let json = parts.header_json()?;
    let header = Header::parse(&json, expected_typ)?;
    let raw = header.members.raw("jwk").ok_or(JwsError::Missing { name: "jwk" })?;
    let key = Jwk::from_json(raw.get().as_bytes()).map_err(JwsError::EmbeddedKey)?;
    parts.check(&header, &key)?;
    Ok((key, parts.payload()?))
}

/// The `kid` of a token that is not verified yet: only to tell whether a set has to be fetched again.
///
/// # Errors
/// A [`JwsError`] if there is no header to read or no `kid` in it.
pub fn unverified_kid(compact: &str) -> Result<String, JwsError> {
    let json = Parts::split(compact)?.header_json()?;
    let members = Members::parse(&json, MAX_MEMBERS)?;
    members.text("kid")?.map(Cow::into_owned).ok_or(JwsError::Missing { name: "kid" })
}

/// The payload of a token that is not verified yet: only to find out whose key to verify it with.
///
/// # Errors
/// A [`JwsError`] if the token has no three parts or its payload is not base64url.
pub fn unverified_payload(compact: &str) -> Result<Vec<u8>, JwsError> {
    Parts::split(compact)?.payload()
}

/// The three parts of a compact token, still encoded.
struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Header, dot and payload: what the signature is over.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn split(compact: &'a str) -> Result<Self, JwsError> {
        if compact.len() > MAX_TOKEN_BYTES {
            return Err(JwsError::TooLong { bytes: compact.len() });
        }
        let (signed, signature) = compact.rsplit_once('.').ok_or(JwsError::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Parts)?;
        if header.is_empty() || payload.contains('.') {
            return Err(JwsError::Parts);
        }
        Ok(Self { header, payload, signature, signed })
    }

    fn header_json(&self) -> Result<Vec<u8>, JwsError> {
        URL_SAFE_NO_PAD.decode(self.header).map_err(|_| JwsError::Base64 { part: "header" })
    }

    fn payload(&self) -> Result<Vec<u8>, JwsError> {
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| JwsError::Base64 { part: "payload" })
    }

    fn check(&self, header: &Header<'_>, key: &Jwk) -> Result<(), JwsError> {
        if header.algorithm != key.algorithm() {
            let (alg, key) = (header.algorithm.name(), key.algorithm().name());
            return Err(JwsError::AlgorithmMismatch { alg, key });
        }
        if self.signature.len() != SIGNATURE_CHARS {
            return Err(JwsError::SignatureLength);
        }
        // Two bytes more than needed: the decoder wants room for its own estimate.
        let mut bytes = [0; SIGNATURE_BYTES + 2];
        let refuse = |_| JwsError::Base64 { part: "signature" };
        let len = URL_SAFE_NO_PAD.decode_slice(self.signature, &mut bytes).map_err(refuse)?;
        let signature = bytes.get(..len).and_then(|bytes| <&[u8; SIGNATURE_BYTES]>::try_from(bytes).ok());
        let signature = signature.ok_or(JwsError::SignatureLength)?;
        if key.verifies(self.signed.as_bytes(), signature) { Ok(()) } else { Err(JwsError::Signature) }
    }
}

/// What was read of a header: the algorithm is one of ours, the type is the expected one.
struct Header<'a> {
    algorithm: Algorithm,
    members: Members<'a>,
}

impl<'a> Header<'a> {
    fn parse(json: &'a [u8], expected_typ: &str) -> Result<Self, JwsError> {
        let members = Members::parse(json, MAX_MEMBERS)?;
        if members.raw("crit").is_some() {
            return Err(JwsError::Critical);
        }
        // RFC 7797 (payload left unencoded) and JWE's compression have no place in a token.
        for name in ["b64", "zip"] {
            if members.raw(name).is_some() {
                return Err(JwsError::Forbidden { name });
            }
        }
        let alg = members.text("alg")?.ok_or(JwsError::Missing { name: "alg" })?;
        let unknown = || JwsError::UnknownAlgorithm { alg: crate::cut(&alg) };
        let algorithm = Algorithm::from_name(&alg).ok_or_else(unknown)?;
        let typ = members.text("typ")?.ok_or(JwsError::Missing { name: "typ" })?;
        if !bare_type(&typ).eq_ignore_ascii_case(bare_type(expected_typ)) {
            return Err(JwsError::Type { typ: crate::cut(&typ), expected: crate::cut(expected_typ) });
        }
        Ok(Self { algorithm, members })
    }
}

/// A media type without the `application/` that RFC 7515 section 4.1.9 lets senders leave out.
fn bare_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => typ,
    }
}

/// A key set cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// More bytes than any honest set.
    #[error("key set of {bytes} bytes, {MAX_KEY_SET_BYTES} are the most")]
    TooLong {
        /// Bytes given.
        bytes: usize,
    },
    /// Not a clean JSON object with an array `keys`.
    #[error("key set is {0}")]
    Json(#[from] JsonError),
    /// There is no member `keys`.
    #[error("key set has no member `keys`")]
    NoKeys,
    /// A key of a supported type is broken.
    #[error("key {index} of the set cannot be used: {source}")]
    Key {
        /// Place in the array, from 0.
        index: usize,
        /// Why.
        #[source]
        source: JwkError,
    },
    /// Two keys of one name: which one verifies would be chance.
    #[error("key set has two keys named `{kid}`")]
    Duplicate {
        /// The name, cut to 80 characters.
        kid: String,
    },
    /// A name that is empty or too long.
    #[error("key set has a key whose name has {bytes} bytes: 1 to {MAX_KID_BYTES} are taken")]
    Name {
        /// Bytes of the name.
        bytes: usize,
    },
    /// More keys than a set may have.
    #[error("key set has more than {MAX_KEYS} keys")]
    Full,
}

/// Public keys by name: what tokens are verified with.
#[derive(Clone, Debug, Default)]
pub struct KeySet(HashMap<Box<str>, Jwk>);

impl KeySet {
    /// A set without keys: verifies nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a JWK Set. Keys of other types, curves, algorithms or uses are passed over, as RFC 7517 section
    /// 5 asks; a key without `kid` is named by its thumbprint.
    ///
    /// # Errors
    /// A [`KeySetError`]; the set is then not usable in part.
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLong { bytes: json.len() });
        }
        let set = Members::parse(json, MAX_MEMBERS)?;
        let keys = json::items(set.raw("keys").ok_or(KeySetError::NoKeys)?, MAX_KEYS, "keys")?;
        let mut read = Self::new();
        for (index, raw) in keys.into_iter().enumerate() {
            let broken = |source| KeySetError::Key { index, source };
            let members = Members::parse(raw.get().as_bytes(), MAX_MEMBERS).map_err(|e| broken(e.into()))?;
            match Jwk::from_members(&members) {
                Ok(key) => match members.text("kid").map_err(|e| broken(e.into()))? {
                    Some(kid) => read.insert_named(&kid, key)?,
                    None => read.insert(key)?,
                },
                Err(JwkError::Unsupported { .. } | JwkError::Purpose { .. }) => {}
                Err(source) => return Err(broken(source)),
            }
        }
        Ok(read)
    }

    /// Adds a key under its thumbprint, as our own signers name theirs.
    ///
    /// # Errors
    /// [`KeySetError::Duplicate`] or [`KeySetError::Full`].
    pub fn insert(&mut self, key: Jwk) -> Result<(), KeySetError> {
        let kid = key.thumbprint().to_string();
        self.insert_named(&kid, key)
    }

    /// Adds a key under a name that its owner gave it.
    ///
    /// # Errors
    /// [`KeySetError::Name`], [`KeySetError::Duplicate`] or [`KeySetError::Full`].
    pub fn insert_named(&mut self, kid: &str, key: Jwk) -> Result<(), KeySetError> {
        if kid.is_empty() || kid.len() > MAX_KID_BYTES {
            return Err(KeySetError::Name { bytes: kid.len() });
        }
        if self.0.contains_key(kid) {
            return Err(KeySetError::Duplicate { kid: crate::cut(kid) });
        }
        if self.0.len() >= MAX_KEYS {
            return Err(KeySetError::Full);
        }
        self.0.insert(kid.into(), key);
        Ok(())
    }

    /// Takes a key out; tells whether it was there.
    pub fn remove(&mut self, kid: &str) -> bool {
        self.0.remove(kid).is_some()
    }

    /// The key of that name.
    #[must_use]
    pub fn key(&self, kid: &str) -> Option<&Jwk> {
        self.0.get(kid)
    }

    /// How many keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set as JWK Set JSON, keys in the order of their names.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Named<'a> {
            alg: &'static str,
            kid: &'a str,
            #[serde(rename = "use")]
            purpose: &'static str,
            #[serde(flatten)]
            key: PublicMembers,
        }
        #[derive(Serialize)]
        struct Set<'a> {
            keys: Vec<Named<'a>>,
        }
        let mut named: Vec<_> = self.0.iter().collect();
        named.sort_by_key(|(kid, _)| *kid);
        let keys = named
            .into_iter()
            .map(|(kid, key)| {
                let (alg, key) = (key.algorithm().name(), PublicMembers::of(key));
                Named { alg, kid, purpose: "sig", key }
            })
            .collect();
        // INVARIANT: text in structs always serialises; an empty text would verify nothing.
        serde_json::to_string(&Set { keys }).unwrap_or_default()
    }
}

/// A token was not made, or a signing key not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// No randomness, no key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The bytes are no PKCS#8 private key on P-256.
    #[error("bytes are not a private key on P-256 in PKCS#8")]
    Key,
    /// A type that is empty, too long or has characters outside a media type.
    #[error("`{typ}` is not a media type")]
    Type {
        /// What was given, cut to 80 characters.
        typ: String,
    },
    /// The claims do not serialise.
    #[error("claims cannot be written as JSON")]
    Claims(#[source] serde_json::Error),
    /// The token would be longer than any verifier of ours reads.
    #[error("token would have {bytes} bytes, {MAX_TOKEN_BYTES} are the most")]
    TooLong {
        /// Bytes that it would have.
        bytes: usize,
    },
    /// The primitive failed: out of memory or randomness.
    #[error("signing failed inside the cryptographic library")]
    Failed,
}

/// A private key on P-256 that signs tokens with ES256.
pub struct Signer {
    pair: EcdsaKeyPair,
    public: Jwk,
    kid: Box<str>,
}

impl Signer {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`SignError::Entropy`] if the source failed; [`SignError::Key`] if it gave no usable key in eight
    /// draws.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, SignError> {
        for _ in 0..KEY_DRAWS {
            let scalar = random::bytes32(entropy)?;
            // PKCS#8 without the public point: the library computes it, and refuses zero and what is past the
            // order.
            let mut pkcs8 = Zeroizing::new([0_u8; PKCS8_HEAD.len() + 32]);
            for (place, byte) in pkcs8.iter_mut().zip(PKCS8_HEAD.iter().chain(scalar.iter())) {
                *place = *byte;
            }
            if let Ok(signer) = Self::from_der(pkcs8.as_slice()) {
                return Ok(signer);
            }
        }
        Err(SignError::Key)
    }

    /// Reads a key from PKCS#8 DER.
    ///
    /// # Errors
    /// [`SignError::Key`] if it is no private key on P-256.
    pub fn from_pkcs8(der: &SecretBytes) -> Result<Self, SignError> {
        Self::from_der(der.expose())
    }

    /// The key as PKCS#8 DER, to be sealed.
    ///
    /// # Errors
    /// [`SignError::Failed`] if the library could not write it.
    pub fn to_pkcs8(&self) -> Result<SecretBytes, SignError> {
        let der = self.pair.to_pkcs8v1().map_err(|_| SignError::Failed)?;
        Ok(SecretBytes::copy_of(der.as_ref()))
    }

    /// Name of the key: the text of its thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Thumbprint of the key.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.public.thumbprint()
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &Jwk {
        &self.public
    }

    /// Signs claims as a token of type `typ` (such as `at+jwt`), named by the key's `kid`.
    ///
    /// # Errors
    /// [`SignError`] if the type or the claims cannot be written or the token would be too long.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
        check_type(typ)?;
        // INVARIANT: type and kid hold no character that JSON escapes.
        let header = format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"{}"}}"#, self.kid);
        self.finish(&header, claims)
    }

    /// Signs claims as a proof of possession that carries the public key in its header.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    ///
    /// Source: RFC 9449, section 4.2.
    pub fn sign_embedded(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
        check_type(typ)?;
        let header = format!(r#"{{"alg":"ES256","typ":"{typ}","jwk":{}}}"#, self.public.to_json());
        self.finish(&header, claims)
    }

    fn finish(&self, header: &str, claims: &impl Serialize) -> Result<String, SignError> {
        let payload = serde_json::to_vec(claims).map_err(SignError::Claims)?;
        let chars = |bytes: usize| bytes.saturating_mul(4).div_ceil(3);
        let bytes =
            chars(header.len()).saturating_add(chars(payload.len())).saturating_add(2 + SIGNATURE_CHARS);
        if bytes > MAX_TOKEN_BYTES {
            return Err(SignError::TooLong { bytes });
        }
        let mut token = String::with_capacity(bytes);
        URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature =
            self.pair.sign(&SystemRandom::new(), token.as_bytes()).map_err(|_| SignError::Failed)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn from_der(der: &[u8]) -> Result<Self, SignError> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| SignError::Key)?;
        let [4, point @ ..] = pair.public_key().as_ref() else { return Err(SignError::Key) };
        let (Some(x), Some(y)) = (point.first_chunk::<32>(), point.last_chunk::<32>()) else {
            return Err(SignError::Key);
        };
        let public = Jwk::from_p256(x, y).map_err(|_| SignError::Key)?;
        let kid = public.thumbprint().to_string().into_boxed_str();
        Ok(Self { pair, public, kid })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Signer({})", self.kid)
    }
}

/// Characters of base64url that 64 bytes need.
const SIGNATURE_CHARS: usize = 86;
/// Draws of a private key before giving up; one in 2^32 is out of range.
const KEY_DRAWS: usize = 8;
/// Most bytes of a `typ` that we write.
const MAX_TYPE_BYTES: usize = 64;
/// PKCS#8 (RFC 5958) around an `ECPrivateKey` (RFC 5915) of P-256 with 32 bytes to follow and no public
/// point.
const PKCS8_HEAD: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04,
    0x20,
];

fn check_type(typ: &str) -> Result<(), SignError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-./".contains(&b);
    if typ.is_empty() || typ.len() > MAX_TYPE_BYTES || !typ.bytes().all(plain) {
        return Err(SignError::Type { typ: crate::cut(typ) });
    }
    Ok(())
}

#[cfg(test)]
#[path = "jws/tests.rs"]
mod tests;

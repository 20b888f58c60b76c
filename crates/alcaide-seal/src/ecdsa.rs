//! ECDSA over the three NIST curves, for signatures of models: keys, hints, signatures.
//!
//! The curve decides the hash (P-256 with SHA-256, P-384 with SHA-384, P-521 with SHA-512), and the key decides the curve: no
//! message chooses. A signature comes from an [`EcSigner`], which is a [`PrivateKey`] in memory or a key that a token keeps and
//! that signs a digest; [`sign`] checks what it gives before anybody sees it.
//!
//! Keys are read from PEM: PKCS#8, encrypted PKCS#8 (PBES2), SEC 1; public keys as SubjectPublicKeyInfo with the point in its
//! uncompressed form. Sources: FIPS 186-5, SEC 1 (points), RFC 5480 (public keys), RFC 5915 (private keys), RFC 8018 (PBES2).

use std::fmt;

use aws_lc_rs::digest as lc;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaVerificationAlgorithm, KeyPair as _, ParsedPublicKey};
use zeroize::Zeroizing;

use crate::der::{self, BadDer, Der, tag};
use crate::digest::{Sha256Digest, sha256};
use crate::pem::{self, PemError};
use crate::random::{Entropy, EntropyError};
use crate::secret::SecretText;

/// A curve, and with it the hash of the messages.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Curve {
    /// secp256r1 with SHA-256.
    P256,
    /// secp384r1 with SHA-384.
    P384,
    /// secp521r1 with SHA-512.
    P521,
}

impl Curve {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The curve's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate, a private key and each half of a signature.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    fn by_oid(oid: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.oid() == oid)
    }

    const fn verifying(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::P384 => &signature::ECDSA_P384_SHA384_ASN1,
            Self::P521 => &signature::ECDSA_P521_SHA512_ASN1,
        }
    }

    /// With SHA-256 whatever the curve, as signers of before version 1.0 did.
    const fn verifying_by_sha256(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::P384 => &signature::ECDSA_P384_SHA256_ASN1,
            Self::P521 => &signature::ECDSA_P521_SHA256_ASN1,
        }
    }

    const fn signing(self) -> &'static signature::EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            Self::P521 => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }

    const fn hash(self) -> &'static lc::Algorithm {
        match self {
            Self::P256 => &lc::SHA256,
            Self::P384 => &lc::SHA384,
            Self::P521 => &lc::SHA512,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EcKeyError {
    /// The text around it.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// No block of the kind that was asked for.
    #[error("no {wanted} was found, but `{found}`")]
    Kind {
        /// What was asked for.
        wanted: &'static str,
        /// What the first block calls itself.
        found: String,
    },
    /// More than one key where one is meant.
    #[error("the text holds several keys")]
    Several,
    /// Another algorithm or curve.
    #[error("the key is none of P-256, P-384 and P-521")]
    Curve,
    /// The structure or the point is wrong.
    #[error("the key is damaged, or its point is compressed or not on its curve")]
    Damaged,
    /// Encrypted, and no password was given.
    #[error("the key is encrypted and no password was given")]
    Locked,
    /// The password does not open it.
    #[error("the password does not open the key")]
    Password,
    /// Encrypted in a way that is not read.
    #[error("the key is encrypted in a way that is not read: {what}")]
    Encryption {
        /// What is not read.
        what: &'static str,
    },
    /// No randomness for a new key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl EcKeyError {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Pem(PemError::OldEncryption { .. }) | Self::Encryption { .. } => {
                "convert it: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"
            }
            Self::Pem(_) | Self::Kind { .. } => "give the key as PEM text: `PRIVATE KEY` or `PUBLIC KEY`",
            Self::Several => "keep each key in a file of its own",
            Self::Curve => "make a key: `openssl ecparam -name prime256v1 -genkey -noout`",
            Self::Damaged => "export the key again, its point uncompressed",
            Self::Locked | Self::Password => "give the password that the key was encrypted with",
            Self::Entropy(_) => "see why the system's source of randomness fails",
        }
    }
}

impl From<BadDer> for EcKeyError {
    fn from(BadDer: BadDer) -> Self {
        Self::Damaged
    }
}

/// A public key on one of the three curves.
#[derive(Clone)]
pub struct EcPublicKey {
    curve: Curve,
    /// The uncompressed point.
    point: Box<[u8]>,
    hint: KeyHint,
}

impl EcPublicKey {
    /// Reads PEM text with one `PUBLIC KEY`.
    ///
    /// # Errors
    /// [`EcKeyError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, EcKeyError> {
        let blocks = pem::blocks(text)?;
        let mut keys = blocks.iter().filter(|block| block.label == PUBLIC);
        match (keys.next(), keys.next()) {
            (Some(key), None) => Self::from_spki(&key.der),
            (Some(_), Some(_)) => Err(EcKeyError::Several),
            (None, _) => Err(kind("public key", &blocks)),
        }
    }

    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`EcKeyError::Curve`] for other algorithms, [`EcKeyError::Damaged`].
    ///
    /// Source: RFC 5480, section 2.
    pub fn from_spki(spki: &[u8]) -> Result<Self, EcKeyError> {
        let mut outer = Der::new(spki);
        let mut inner = outer.nested(tag::SEQUENCE)?;
        outer.end()?;
        let curve = curve_of(inner.nested(tag::SEQUENCE)?)?;
        let point = inner.bytes_of_bits()?;
        inner.end()?;
        Self::from_point(curve, point)
    }

    /// Takes an uncompressed point: a byte 4, then both coordinates.
    ///
    /// # Errors
    /// [`EcKeyError::Damaged`].
    ///
    /// Source: SEC 1, section 2.3.4.
    pub fn from_point(curve: Curve, point: &[u8]) -> Result<Self, EcKeyError> {
        if point.len() != 1 + 2 * curve.bytes() || point.first() != Some(&4) {
            return Err(EcKeyError::Damaged);
        }
        ParsedPublicKey::new(curve.verifying(), point).map_err(|_| EcKeyError::Damaged)?;
        let hint = KeyHint::of_spki(&spki(curve, point));
        Ok(Self { curve, point: point.into(), hint })
    }

    /// Takes what a token tells of a key: `CKA_EC_PARAMS`, and `CKA_EC_POINT` as an OCTET STRING or, as some tokens do, bare.
    ///
    /// # Errors
    /// [`EcKeyError::Curve`], [`EcKeyError::Damaged`].
    ///
    /// Source: PKCS#11 3.1, section 6.3.3.
    pub fn from_token(parameters: &[u8], point: &[u8]) -> Result<Self, EcKeyError> {
        let mut name = Der::new(parameters);
        let curve = name.value(tag::OID).ok().and_then(Curve::by_oid).ok_or(EcKeyError::Curve)?;
        name.end()?;
        // By length first: a bare point begins like an OCTET STRING, and its second byte may be the length of one.
        if point.len() == 1 + 2 * curve.bytes() {
            return Self::from_point(curve, point);
        }
        let mut wrapped = Der::new(point);
        match wrapped.value(tag::OCTET_STRING) {
            Ok(inner) if wrapped.is_empty() => Self::from_point(curve, inner),
            _ => Err(EcKeyError::Damaged),
        }
    }

    /// Its curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// How bundles name it.
    #[must_use]
    pub const fn hint(&self) -> KeyHint {
        self.hint
    }

    /// As SubjectPublicKeyInfo.
    #[must_use]
    pub fn to_spki(&self) -> Vec<u8> {
        spki(self.curve, &self.point)
    }

    /// As PEM text.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::armour(PUBLIC, &self.to_spki()).to_string()
    }

    /// Whether `signature` (DER) is this key's over `message`, by the curve's hash.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed(self.curve.verifying()).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    /// The same by SHA-256 whatever the curve is: for signatures of before version 1.0 of model signing, and nothing else.
    #[must_use]
    pub fn verifies_by_sha256(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed(self.curve.verifying_by_sha256())
            .is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn parsed(&self, algorithm: &'static EcdsaVerificationAlgorithm) -> Option<ParsedPublicKey> {
        ParsedPublicKey::new(algorithm, &self.point).ok()
    }
}

impl PartialEq for EcPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.curve == other.curve && self.point == other.point
    }
}

impl Eq for EcPublicKey {}

impl fmt::Debug for EcPublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "EcPublicKey({} {})", self.curve, self.hint)
    }
}

/// Name of a public key in bundles: SHA-256 of its PEM text with lines of 64 columns and a final newline.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyHint(pub Sha256Digest);

impl KeyHint {
    /// The name of a key of any algorithm, from its SubjectPublicKeyInfo.
    #[must_use]
    pub fn of_spki(spki: &[u8]) -> Self {
        Self(sha256(pem::armour(PUBLIC, spki).as_bytes()))
    }
}

impl fmt::Display for KeyHint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

/// Digest of a message under a curve's hash: what a token is asked to sign.
#[derive(Clone)]
pub struct MessageDigest {
    curve: Curve,
    digest: lc::Digest,
}

impl MessageDigest {
    fn of(curve: Curve, message: &[u8]) -> Self {
        Self { curve, digest: lc::digest(curve.hash(), message) }
    }

    /// The curve whose hash made it.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// Its bytes: 32, 48 or 64.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.digest.as_ref()
    }
}

/// A signature in DER.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EcSignature(Vec<u8>);

impl EcSignature {
    /// Takes a signature in DER as it is.
    #[must_use]
    pub const fn from_der(der: Vec<u8>) -> Self {
        Self(der)
    }

    /// Takes both numbers side by side, big end first and each as long as the curve's order: what PKCS#11 gives.
    ///
    /// # Errors
    /// [`EcSignError::Length`].
    pub fn from_fixed(curve: Curve, fixed: &[u8]) -> Result<Self, EcSignError> {
        if fixed.len() != 2 * curve.bytes() {
            return Err(EcSignError::Length { curve, bytes: fixed.len() });
        }
        let (r, s) = fixed.split_at(curve.bytes());
        Ok(Self(der::write(tag::SEQUENCE, &[&integer(r), &integer(s)])))
    }

    /// The DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }
}

/// Something that signs digests: a key in memory, or one that a token keeps.
pub trait EcSigner {
    /// The public half.
    fn public_key(&self) -> &EcPublicKey;

    /// Signs.
    ///
    /// # Errors
    /// [`EcSignError`] if the key or the token fails.
    fn sign_digest(&self, digest: &MessageDigest) -> Result<EcSignature, EcSignError>;
}

/// Why nothing was signed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EcSignError {
    /// The library refused.
    #[error("the key did not sign")]
    Failed,
    /// A token refused, in its own words.
    #[error("the token did not sign: {why}")]
    Token {
        /// What it said.
        why: String,
    },
    /// Not two numbers of the curve.
    #[error("the signature has {bytes} bytes, which {curve} does not make")]
    Length {
        /// The curve.
        curve: Curve,
        /// What came.
        bytes: usize,
    },
    /// What came is no signature of this key: a fault in memory or token, which may give the key away.
    #[error("what the signer made does not fit its own public key")]
    Unfit,
}

/// Signs `message` by the hash of the signer's curve, and gives the signature out only if it fits.
///
/// # Errors
/// [`EcSignError`].
pub fn sign(signer: &dyn EcSigner, message: &[u8]) -> Result<EcSignature, EcSignError> {
    let key = signer.public_key();
    let made = signer.sign_digest(&MessageDigest::of(key.curve(), message))?;
    if key.verifies(message, made.as_der()) { Ok(made) } else { Err(EcSignError::Unfit) }
}

/// A private key in memory.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: EcPublicKey,
}

impl PrivateKey {
    /// Draws a new one.
    ///
    /// # Errors
    /// [`EcKeyError::Entropy`], and [`EcKeyError::Damaged`] where the source gives no number below the curve's order.
    pub fn generate(curve: Curve, entropy: &dyn Entropy) -> Result<Self, EcKeyError> {
        let mut number = Zeroizing::new(vec![0; curve.bytes()]);
        for _ in 0..DRAWS_MAX {
            entropy.fill(&mut number)?;
            if let (Curve::P521, Some(first)) = (curve, number.first_mut()) {
                *first &= 1;
            }
            let sec1 = Zeroizing::new(der::write(
                tag::SEQUENCE,
                &[
                    &[tag::INTEGER, 1, 1],
                    &Zeroizing::new(der::write(tag::OCTET_STRING, &[&number])),
                    &der::write(tag::CONTEXT_0, &[&der::write(tag::OID, &[curve.oid()])]),
                ],
            ));
            match Self::from_sec1(&sec1, Some(curve)) {
                Err(EcKeyError::Damaged) => {}
                other => return other,
            }
        }
        Err(EcKeyError::Damaged)
    }

    /// Reads PEM text with one `PRIVATE KEY`, `EC PRIVATE KEY` or `ENCRYPTED PRIVATE KEY`.
    ///
    /// # Errors
    /// [`EcKeyError`].
    pub fn from_pem(text: &[u8], password: Option<&SecretText>) -> Result<Self, EcKeyError> {
        let blocks = pem::blocks(text)?;
        let mut keys = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
        let (Some(key), None) = (keys.next(), keys.next()) else {
            let none = !blocks.iter().any(|block| block.label.ends_with("PRIVATE KEY"));
            return Err(if none { kind("private key", &blocks) } else { EcKeyError::Several });
        };
        match (key.label.as_str(), password) {
            ("PRIVATE KEY", _) => Self::from_pkcs8(&key.der),
            ("EC PRIVATE KEY", _) => Self::from_sec1(&key.der, None),
            ("ENCRYPTED PRIVATE KEY", None) => Err(EcKeyError::Locked),
            ("ENCRYPTED PRIVATE KEY", Some(password)) => {
                let opened = pkcs8::decrypt(&key.der, password)?;
                // A wrong password ends now and then in a padding that looks right, and then in no key.
                Self::from_pkcs8(&opened).map_err(|error| match error {
                    EcKeyError::Damaged => EcKeyError::Password,
                    other => other,
                })
            }
            _ => Err(kind("private key of an elliptic curve", &blocks)),
        }
    }

    /// As PEM text, PKCS#8, not encrypted.
    ///
    /// # Errors
    /// [`EcSignError::Failed`] if the library refuses.
    pub fn to_pem(&self) -> Result<SecretText, EcSignError> {
        let document = self.pair.to_pkcs8v1().map_err(|_| EcSignError::Failed)?;
        Ok(SecretText::copy_of(&pem::armour("PRIVATE KEY", document.as_ref())))
    }

    /// Source: RFC 5958, section 2.
    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, EcKeyError> {
        let mut inner = Der::new(pkcs8).nested(tag::SEQUENCE)?;
        inner.small()?;
        let curve = curve_of(inner.nested(tag::SEQUENCE)?)?;
        let pair = EcdsaKeyPair::from_pkcs8(curve.signing(), pkcs8).map_err(|_| EcKeyError::Damaged)?;
        Self::from_pair(curve, pair)
    }

    /// Source: RFC 5915, section 3.
    fn from_sec1(sec1: &[u8], known: Option<Curve>) -> Result<Self, EcKeyError> {
        let mut inner = Der::new(sec1).nested(tag::SEQUENCE)?;
        inner.small()?;
        inner.value(tag::OCTET_STRING)?;
        let curve = match (inner.optional(tag::CONTEXT_0)?, known) {
            (Some(parameters), _) => {
                Curve::by_oid(Der::new(parameters).value(tag::OID)?).ok_or(EcKeyError::Curve)?
            }
            (None, Some(known)) => known,
            (None, None) => return Err(EcKeyError::Curve),
        };
        let pair =
            EcdsaKeyPair::from_private_key_der(curve.signing(), sec1).map_err(|_| EcKeyError::Damaged)?;
        Self::from_pair(curve, pair)
    }

    fn from_pair(curve: Curve, pair: EcdsaKeyPair) -> Result<Self, EcKeyError> {
        let public = EcPublicKey::from_point(curve, pair.public_key().as_ref())?;
        Ok(Self { pair, public })
    }
}

impl EcSigner for PrivateKey {
    fn public_key(&self) -> &EcPublicKey {
        &self.public
    }

    fn sign_digest(&self, digest: &MessageDigest) -> Result<EcSignature, EcSignError> {
        let made = self.pair.sign_digest(&digest.digest).map_err(|_| EcSignError::Failed)?;
        Ok(EcSignature(made.as_ref().to_vec()))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PrivateKey({:?})", self.public)
    }
}

/// The curve that an AlgorithmIdentifier names.
fn curve_of(mut algorithm: Der<'_>) -> Result<Curve, EcKeyError> {
    if algorithm.value(tag::OID)? != EC_PUBLIC_KEY {
        return Err(EcKeyError::Curve);
    }
    let (kind, parameters) = algorithm.any()?;
    algorithm.end()?;
    // Parameters that are written out in place of a name could be those of any group.
    if kind != tag::OID {
        return Err(EcKeyError::Curve);
    }
    Curve::by_oid(parameters).ok_or(EcKeyError::Curve)
}

fn spki(curve: Curve, point: &[u8]) -> Vec<u8> {
    let algorithm = der::write(
        tag::SEQUENCE,
        &[&der::write(tag::OID, &[EC_PUBLIC_KEY]), &der::write(tag::OID, &[curve.oid()])],
    );
    der::write(tag::SEQUENCE, &[&algorithm, &der::write(tag::BIT_STRING, &[&[0], point])])
}

/// A non-negative number as INTEGER.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = number.get(zeros..).unwrap_or_default();
    match significant.first() {
        Some(0x80..) | None => der::write(tag::INTEGER, &[&[0], significant]),
        Some(_) => der::write(tag::INTEGER, &[significant]),
    }
}

fn kind(wanted: &'static str, blocks: &[pem::Block]) -> EcKeyError {
    let found = blocks.first().map(|block| block.label.clone()).unwrap_or_default();
    EcKeyError::Kind { wanted, found }
}

/// id-ecPublicKey.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PUBLIC: &str = "PUBLIC KEY";
/// A number below the order comes at the first try but for odds of one in four billion (P-256).
const DRAWS_MAX: usize = 16;

mod pkcs8;

#[cfg(test)]
#[path = "ecdsa/tests.rs"]
mod tests;

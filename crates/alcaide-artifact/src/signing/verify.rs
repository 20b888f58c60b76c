//! Who signed: a bundle's signature against the keys and roots that the verifier trusts.

use alcaide_seal::Sha256Digest;
use alcaide_seal::dsse::pae;
use alcaide_seal::ecdsa::{EcPublicKey, KeyHint};
use alcaide_seal::x509::{Certificate, Revocation, Roots, VerifiedLeaf, verify_chain};

use super::bundle::{Bundle, Material};
use super::error::SigningError;
use super::historical;
use super::ignore;
use super::manifest::Manifest;
use super::rules::{Formats, Rules};
use super::statement::{PAYLOAD_TYPE, Statement};
use crate::scanner::shown;

/// Whom the verifier trusts, and when.
#[derive(Debug, Default)]
pub struct Trust {
    /// Keys that may sign.
    pub keys: Vec<EcPublicKey>,
    /// Authorities whose leaves may sign.
    pub roots: Option<Roots>,
    /// What is no longer trusted.
    pub revocation: Revocation,
    /// The time at which certificates have to be valid, in seconds since 1970: now, or a time that something trusted proves.
    pub at: u64,
}

/// Somebody whose signature was verified.
#[derive(Clone, Debug)]
pub struct Signer {
    key: KeyHint,
    leaf: Option<VerifiedLeaf>,
}

impl Signer {
    /// The key that signed.
    #[must_use]
    pub const fn key(&self) -> KeyHint {
        self.key
    }

    /// The certificate that vouches for the key, if it is not trusted by itself.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.leaf.as_ref().map(VerifiedLeaf::leaf)
    }

    /// The root of that certificate, by its fingerprint.
    #[must_use]
    pub fn root(&self) -> Option<Sha256Digest> {
        self.leaf.as_ref().map(VerifiedLeaf::root)
    }

    /// Whether both are one: one key, or two certificates of one name under one root.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let name = |one: &Self| one.leaf.as_ref().map(|leaf| (leaf.root(), leaf.leaf().subject().to_vec()));
        self.key == other.key || (self.leaf.is_some() && name(self) == name(other))
    }
}

/// A bundle whose signature is that of somebody trusted. What it says of the files is not compared with any file yet.
#[derive(Clone, Debug)]
pub struct Authentic {
    pub(super) signer: Signer,
    pub(super) statement: Statement,
}

impl Authentic {
    /// Who signed.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What was signed.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.statement.manifest
    }
}

/// Verifies the signature of a bundle, then reads what it says and checks that against the rules.
///
/// # Errors
/// [`SigningError`], one of those about who signed, the statement or names.
///
/// Source: the OMS specification, sections 8.2 and 8.3.
pub fn authenticate(bundle: &Bundle, trust: &Trust, rules: &Rules) -> Result<Authentic, SigningError> {
    let signer = match &bundle.material {
        Material::Key { hint, raw } => by_key(bundle, hint.as_deref(), raw.as_deref(), trust, rules)?,
        Material::Chain(chain) => by_certificate(bundle, chain, trust, rules)?,
    };
    if trust.revocation.names(signer.key) {
        return Err(SigningError::KeyRevoked { hint: signer.key.to_string() });
    }
    let statement = Statement::read(&bundle.payload, rules.formats)?;
    statement.manifest.check_names(rules.names)?;
    if let Some(path) = statement.left_out.iter().find(|path| !ignore::may_leave_out(path, rules)) {
        return Err(SigningError::IgnoreNotAllowed { path: shown(path) });
    }
    Ok(Authentic { signer, statement })
}

fn by_key(
    bundle: &Bundle,
    hint: Option<&str>,
    raw: Option<&[u8]>,
    trust: &Trust,
    rules: &Rules,
) -> Result<Signer, SigningError> {
    if trust.keys.is_empty() {
        return Err(SigningError::MethodNotTrusted { found: "a key" });
    }
    let mut named = trust.keys.iter().filter(|key| names(key, hint, raw)).peekable();
    if named.peek().is_none() {
        let hint = hint.map_or_else(|| "(in full)".to_owned(), shown);
        return Err(SigningError::KeyNotTrusted { hint });
    }
    match named.find(|key| fits(bundle, key, rules)) {
        Some(key) => Ok(Signer { key: key.hint(), leaf: None }),
        None => Err(SigningError::SignatureWrong),
    }
}

/// Whether what the bundle says of its key is true of `key`. Bundles of before version 1.1 may say nothing.
fn names(key: &EcPublicKey, hint: Option<&str>, raw: Option<&[u8]>) -> bool {
    let by_hint = hint.is_none_or(|hint| key.hint().to_string() == hint);
    // Old bundles carry the key itself, as PEM or as DER.
    let in_full = raw.is_none_or(|raw| {
        EcPublicKey::from_pem(raw).or_else(|_| EcPublicKey::from_spki(raw)).is_ok_and(|given| given == *key)
    });
    by_hint && in_full
}

fn by_certificate(
    bundle: &Bundle,
    chain: &[Certificate],
    trust: &Trust,
    rules: &Rules,
) -> Result<Signer, SigningError> {
    let roots = trust.roots.as_ref().ok_or(SigningError::MethodNotTrusted { found: "a certificate" })?;
    let leaf = verify_chain(chain, roots, &trust.revocation, trust.at).map_err(SigningError::Chain)?;
    if !fits(bundle, leaf.key(), rules) {
        return Err(SigningError::SignatureWrong);
    }
    Ok(Signer { key: leaf.key().hint(), leaf: Some(leaf) })
}

fn fits(bundle: &Bundle, key: &EcPublicKey, rules: &Rules) -> bool {
    key.verifies(&pae(PAYLOAD_TYPE, &bundle.payload), &bundle.signature)
        || (rules.formats == Formats::Historical && historical::fits(key, &bundle.payload, &bundle.signature))
}

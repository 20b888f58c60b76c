//! Who signed: a bundle's signature against the keys and roots that the verifier trusts.

use std::collections::BTreeSet;

use alcaide_seal::Sha256Digest;
use alcaide_seal::dsse::pae;
use alcaide_seal::ecdsa::{EcPublicKey, KeyHint};
use alcaide_seal::x509::{Certificate, NamePart, Revocation, Roots, VerifiedLeaf, verify_chain};
use unicode_normalization::UnicodeNormalization as _;

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
    /// Who the signers are. Where any are named, only they may sign, and they are what is counted: by whatever key or certificate.
    pub signers: Vec<KnownSigner>,
    /// What is no longer trusted.
    pub revocation: Revocation,
    /// The time at which certificates have to be valid, in seconds since 1970: now, or a time that something trusted proves.
    pub at: u64,
}

/// Somebody whom the verifier knows by name. To be named is not to be trusted: keys and roots are trusted.
#[derive(Clone, Debug, Default)]
pub struct KnownSigner {
    /// What they are called.
    pub name: String,
    /// Their keys, listed or in certificates.
    pub keys: BTreeSet<KeyHint>,
    /// Certificates of theirs; others about the same name or key are theirs as well.
    pub certificates: Vec<Certificate>,
}

impl KnownSigner {
    fn is(&self, key: KeyHint, leaf: Option<&Certificate>) -> bool {
        let about = leaf.map(subject_of);
        self.keys.contains(&key)
            || self.certificates.iter().any(|one| one.key_hint() == key || Some(subject_of(one)) == about)
    }
}

/// Somebody whose signature was verified.
#[derive(Clone, Debug)]
pub struct Signer {
    key: KeyHint,
    leaf: Option<VerifiedLeaf>,
    /// What the leaf is about, however it is written.
    subject: Option<Vec<NamePart>>,
    names: BTreeSet<String>,
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

    /// What the verifier calls whoever signed; several names only where several were given one key or certificate.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether both are one: one key, one name that the verifier gave, or where none was given certificates about one name. The
    /// root does not matter: the same person has certificates of an old and of a new one, and pins have none.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let told_apart = !self.names.is_empty() && !other.names.is_empty();
        self.key == other.key
            || !self.names.is_disjoint(&other.names)
            || (!told_apart && self.subject.is_some() && self.subject == other.subject)
    }

    fn new(key: KeyHint, leaf: Option<VerifiedLeaf>, trust: &Trust) -> Self {
        let certificate = leaf.as_ref().map(VerifiedLeaf::leaf);
        let names = trust.signers.iter().filter(|one| one.is(key, certificate)).map(|one| one.name.clone());
        Self { key, subject: certificate.map(subject_of), names: names.collect(), leaf }
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
    let signed = Signed::of(bundle, rules);
    let signer = match &bundle.material {
        Material::Key { hint, raw } => by_key(&signed, hint.as_deref(), raw.as_deref(), trust)?,
        Material::Chain(chain) => by_certificate(&signed, chain, trust)?,
    };
    drop(signed);
    if trust.revocation.names(signer.key) {
        return Err(SigningError::KeyRevoked { hint: signer.key.to_string() });
    }
    if signer.names.is_empty() && !trust.signers.is_empty() {
        return Err(SigningError::SignerUnknown { hint: signer.key.to_string() });
    }
    let statement = Statement::read(&bundle.payload, rules.formats)?;
    statement.manifest.check_names(rules.names)?;
    if let Some(path) = statement.left_out.iter().find(|path| !ignore::may_leave_out(path, rules)) {
        return Err(SigningError::IgnoreNotAllowed { path: shown(path) });
    }
    Ok(Authentic { signer, statement })
}

/// The signature, and what it may be over: made once, however many keys are tried.
struct Signed<'b> {
    signature: &'b [u8],
    message: Vec<u8>,
    historical: Option<Vec<u8>>,
}

impl<'b> Signed<'b> {
    fn of(bundle: &'b Bundle, rules: &Rules) -> Self {
        let historical =
            (rules.formats == Formats::Historical).then(|| historical::encoding(&bundle.payload));
        Self { signature: &bundle.signature, message: pae(PAYLOAD_TYPE, &bundle.payload), historical }
    }

    fn fits(&self, key: &EcPublicKey) -> bool {
        key.verifies(&self.message, self.signature)
            || self.historical.as_ref().is_some_and(|old| historical::fits(key, old, self.signature))
    }
}

fn by_key(
    signed: &Signed<'_>,
    hint: Option<&str>,
    raw: Option<&[u8]>,
    trust: &Trust,
) -> Result<Signer, SigningError> {
    if trust.keys.is_empty() {
        return Err(SigningError::MethodNotTrusted { found: "a key" });
    }
    let mut named = trust.keys.iter().filter(|key| names(key, hint, raw)).peekable();
    if named.peek().is_none() {
        let hint = hint.map_or_else(|| "(in full)".to_owned(), shown);
        return Err(SigningError::KeyNotTrusted { hint });
    }
    match named.find(|key| signed.fits(key)) {
        Some(key) => Ok(Signer::new(key.hint(), None, trust)),
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

fn by_certificate(signed: &Signed<'_>, chain: &[Certificate], trust: &Trust) -> Result<Signer, SigningError> {
    let roots = trust.roots.as_ref().ok_or(SigningError::MethodNotTrusted { found: "a certificate" })?;
    let leaf = verify_chain(chain, roots, &trust.revocation, trust.at).map_err(SigningError::Chain)?;
    if !signed.fits(leaf.key()) {
        return Err(SigningError::SignatureWrong);
    }
    Ok(Signer::new(leaf.key().hint(), Some(leaf), trust))
}

/// The subject as people read it: without regard to case, composition, width, blanks, encoding and order.
///
/// Source: RFC 4518, section 2.
fn subject_of(certificate: &Certificate) -> Vec<NamePart> {
    let mut parts = certificate.subject_parts();
    for part in &mut parts {
        let folded = caseless::default_case_fold_str(&part.text.nfkd().collect::<String>());
        part.text = folded.split_whitespace().collect::<Vec<_>>().join(" ").nfkc().collect();
    }
    parts.sort();
    parts
}

//! Certificates that vouch for a key: parsed facts, and the path from a leaf to a root that the caller trusts.
//!
//! [`verify_chain`] asks `webpki` for the path — signatures, validity, basic constraints, path length, extended usage, name
//! constraints, revocation lists — and adds what that leaves out: key usage of leaf and authorities, validity of the root itself,
//! and serial numbers and keys that the caller has revoked by hand. Time comes in as a value, and every certificate of the path is
//! valid then, the leaf too: that a signature was made while a certificate was good is a claim until something else proves it.
//!
//! A leaf that is itself, byte for byte, one of the roots is trusted as a pin: its own validity and usage still count.
//!
//! Left out on purpose: names of hosts, OCSP, fetching of issuers, policies. Name constraints on directory names and URIs are not
//! interpreted: a path that has them is refused. Sources: RFC 5280, sections 4.2.1 and 6.1; RFC 6818.

use std::collections::BTreeSet;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    KeyUsage, OwnedCertRevocationList, RequiredEkuNotFoundContext, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};

use crate::digest::Sha256Digest;
use crate::ecdsa::{EcKeyError, EcPublicKey, KeyHint};
use crate::pem::{self, PemError};

mod certificate;

pub use certificate::{Certificate, Serial};

/// Most certificates of one chain, and of one set of roots.
pub const CERTIFICATES_MAX: usize = 64;
/// Most revocation lists at once, and bytes of each.
pub const CRLS_MAX: usize = 64;
/// Most bytes of one revocation list.
pub const CRL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Why a certificate or a revocation list cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The text around it.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// No block of the kind that was asked for.
    #[error("no {wanted} was found")]
    Kind {
        /// What was asked for.
        wanted: &'static str,
    },
    /// Not a certificate of version 3 in DER.
    #[error("certificate {at} is damaged or not of version 3")]
    Damaged {
        /// Which one, from 0.
        at: usize,
    },
    /// Not a revocation list that can be read.
    #[error("revocation list {at} is damaged, too large or of a kind that is not read")]
    Crl {
        /// Which one, from 0.
        at: usize,
    },
    /// More than are read.
    #[error("{count} are given, {max} are read")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many are read.
        max: usize,
    },
}

/// Certificates that are trusted because the caller says so.
#[derive(Clone, Debug)]
pub struct Roots(Vec<Certificate>);

impl Roots {
    /// Takes certificates as roots, or as pins of leaves.
    ///
    /// # Errors
    /// [`CertificateError`]; an empty set is one, since nothing could ever be trusted by it.
    pub fn new(roots: Vec<Certificate>) -> Result<Self, CertificateError> {
        match roots.len() {
            0 => Err(CertificateError::Kind { wanted: "root certificate" }),
            1..=CERTIFICATES_MAX => Ok(Self(roots)),
            count => Err(CertificateError::TooMany { count, max: CERTIFICATES_MAX }),
        }
    }

    /// Reads PEM text with one `CERTIFICATE` or several.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        Self::new(Certificate::all_from_pem(text)?)
    }
}

/// What happens to a certificate that no revocation list speaks for, once any list is given.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Unlisted {
    /// It is refused.
    #[default]
    Refuse,
    /// It passes.
    Allow,
}

/// What is no longer trusted.
#[derive(Debug, Default)]
pub struct Revocation {
    crls: Vec<CertRevocationList<'static>>,
    /// What becomes of certificates that no list speaks for.
    pub unlisted: Unlisted,
    /// Serial numbers that are revoked, whoever issued them.
    pub serials: BTreeSet<Serial>,
    /// Public keys that are revoked, in leaves and authorities alike.
    pub keys: BTreeSet<KeyHint>,
}

impl Revocation {
    /// Adds revocation lists: DER, or PEM text with any number of `X509 CRL`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn add_crls(&mut self, bytes: &[u8]) -> Result<(), CertificateError> {
        let blocks = match pem::blocks(bytes) {
            Err(PemError::Empty) => vec![bytes.to_vec()],
            other => {
                other?.into_iter().filter(|one| one.label == "X509 CRL").map(|one| one.der.to_vec()).collect()
            }
        };
        if blocks.is_empty() {
            return Err(CertificateError::Kind { wanted: "revocation list" });
        }
        for der in blocks {
            let at = self.crls.len();
            if at >= CRLS_MAX {
                return Err(CertificateError::TooMany { count: at + 1, max: CRLS_MAX });
            }
            if der.len() > CRL_BYTES_MAX {
                return Err(CertificateError::Crl { at });
            }
            let crl = OwnedCertRevocationList::from_der(&der).map_err(|_| CertificateError::Crl { at })?;
            self.crls.push(crl.into());
        }
        Ok(())
    }

    /// Whether this key was revoked by hand.
    #[must_use]
    pub fn names(&self, key: KeyHint) -> bool {
        self.keys.contains(&key)
    }

    fn names_certificate(&self, certificate: &Certificate) -> bool {
        let key = EcPublicKey::from_spki(certificate.spki()).map(|key| key.hint());
        self.serials.contains(certificate.serial()) || key.is_ok_and(|hint| self.names(hint))
    }
}

/// Why a chain does not lead to a root.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No certificate at all.
    #[error("the chain is empty")]
    Empty,
    /// More than are read.
    #[error("the chain has {count} certificates, {CERTIFICATES_MAX} are read")]
    TooLong {
        /// How many there are.
        count: usize,
    },
    /// Nobody of the roots issued it, directly or by way of the others.
    #[error("no path leads from `{subject}` to a trusted root, or a signature on it is wrong")]
    NoPath {
        /// The leaf.
        subject: String,
    },
    /// Over.
    #[error("`{subject}` or a certificate above it expired before the time that is asked about")]
    Expired {
        /// The leaf.
        subject: String,
    },
    /// Not begun.
    #[error("`{subject}` or a certificate above it is not valid yet at the time that is asked about")]
    NotYetValid {
        /// The leaf.
        subject: String,
    },
    /// A root that is over or not begun.
    #[error("root `{subject}` is not valid at the time that is asked about")]
    RootNotValid {
        /// The root.
        subject: String,
    },
    /// A certificate that vouches for others and may not.
    #[error("`{subject}` issued a certificate and is no authority")]
    NotAuthority {
        /// The one that issued.
        subject: String,
    },
    /// The leaf is an authority itself.
    #[error("`{subject}` is an authority and signed a model")]
    AuthorityAsLeaf {
        /// The leaf.
        subject: String,
    },
    /// More authorities between root and leaf than one of them allows.
    #[error("the path above `{subject}` is longer than an authority allows")]
    PathLength {
        /// The leaf.
        subject: String,
    },
    /// A name that an authority may not vouch for, or a kind of constraint that is not read.
    #[error("the names of `{subject}` are outside what an authority above it may vouch for")]
    NameConstraints {
        /// The leaf.
        subject: String,
    },
    /// A leaf that may not sign.
    #[error("`{subject}` may not sign: its key usage does not name `digitalSignature`")]
    KeyUsage {
        /// The leaf.
        subject: String,
    },
    /// Meant for something else.
    #[error("`{subject}` or an authority above it is meant for other purposes than signing code")]
    ExtendedKeyUsage {
        /// The leaf.
        subject: String,
    },
    /// Revoked by a list or by hand.
    #[error("`{subject}` or a certificate above it was revoked")]
    Revoked {
        /// The leaf.
        subject: String,
    },
    /// Lists are given and none speaks for a certificate of the path.
    #[error("no revocation list in force speaks for every certificate above `{subject}` and for itself")]
    RevocationUnknown {
        /// The leaf.
        subject: String,
    },
    /// The leaf's key is no ECDSA key of the three curves.
    #[error("the key of `{subject}` cannot be used")]
    LeafKey {
        /// The leaf.
        subject: String,
        /// Why.
        #[source]
        source: EcKeyError,
    },
    /// An extension, algorithm or encoding that is not read.
    #[error("`{subject}` or a certificate above it cannot be judged: {why}")]
    NotRead {
        /// The leaf.
        subject: String,
        /// What it is about.
        why: &'static str,
    },
}

impl ChainError {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Empty | Self::TooLong { .. } => {
                "ask the signer for a bundle with the chain of its certificate"
            }
            Self::NoPath { .. } => "add the root of the signer's authority, if you trust it",
            Self::Expired { .. } | Self::NotYetValid { .. } => {
                "ask for a new signature; an old one counts only where something you trust proves when it was made"
            }
            Self::RootNotValid { .. } => "replace the root by the authority's present one",
            Self::NotAuthority { .. } | Self::PathLength { .. } | Self::NameConstraints { .. } => {
                "do not trust it: somebody vouches who may not, or the authority made a mistake"
            }
            Self::AuthorityAsLeaf { .. } | Self::KeyUsage { .. } | Self::ExtendedKeyUsage { .. } => {
                "ask the signer for a certificate made for signing: key usage `digitalSignature`, purpose `codeSigning`"
            }
            Self::Revoked { .. } => "do not use what it signed",
            Self::RevocationUnknown { .. } => {
                "give a revocation list of each authority on the path that is not past its next update"
            }
            Self::LeafKey { source, .. } => source.help(),
            Self::NotRead { .. } => {
                "ask the authority for a certificate with common extensions and algorithms"
            }
        }
    }
}

/// A leaf whose path was verified; only [`verify_chain`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedLeaf {
    key: EcPublicKey,
    leaf: Certificate,
    root: Sha256Digest,
}

impl VerifiedLeaf {
    /// The key that the path vouches for.
    #[must_use]
    pub const fn key(&self) -> &EcPublicKey {
        &self.key
    }

    /// The leaf.
    #[must_use]
    pub const fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// Fingerprint of the root that the path ends at.
    #[must_use]
    pub const fn root(&self) -> Sha256Digest {
        self.root
    }
}

/// Verifies that `chain`, leaf first, leads to one of `roots` at `at`, in seconds since 1970.
///
/// # Errors
/// [`ChainError`].
///
/// Source: RFC 5280, section 6.1.
pub fn verify_chain(
    chain: &[Certificate],
    roots: &Roots,
    revocation: &Revocation,
    at: u64,
) -> Result<VerifiedLeaf, ChainError> {
    let (leaf, others) = chain.split_first().ok_or(ChainError::Empty)?;
    if chain.len() > CERTIFICATES_MAX {
        return Err(ChainError::TooLong { count: chain.len() });
    }
    let subject = || leaf.subject_text();
    let key = EcPublicKey::from_spki(leaf.spki())
        .map_err(|source| ChainError::LeafKey { subject: subject(), source })?;
    if !leaf.may_sign() {
        return Err(ChainError::KeyUsage { subject: subject() });
    }
    let (above, root) = match roots.0.iter().find(|root| root.der() == leaf.der()) {
        Some(pin) => (pinned(pin, revocation, at)?, pin),
        None => path(leaf, others, roots, revocation, at)?,
    };
    for authority in &above {
        if !authority.may_issue() {
            return Err(ChainError::NotAuthority { subject: authority.subject_text() });
        }
    }
    if [leaf, root].into_iter().chain(&above).any(|one| revocation.names_certificate(one)) {
        return Err(ChainError::Revoked { subject: subject() });
    }
    Ok(VerifiedLeaf { key, leaf: leaf.clone(), root: root.fingerprint() })
}

/// A leaf that is trusted as it stands.
fn pinned(pin: &Certificate, revocation: &Revocation, at: u64) -> Result<Vec<Certificate>, ChainError> {
    let subject = || pin.subject_text();
    if at < pin.not_before() {
        return Err(ChainError::NotYetValid { subject: subject() });
    }
    if at > pin.not_after() {
        return Err(ChainError::Expired { subject: subject() });
    }
    if !pin.may_sign_code() {
        return Err(ChainError::ExtendedKeyUsage { subject: subject() });
    }
    // A critical extension that nobody reads could take back what is asked here.
    let der = CertificateDer::from(pin.der());
    EndEntityCert::try_from(&der).map_err(|error| told(&error, subject()))?;
    if !revocation.crls.is_empty() && revocation.unlisted == Unlisted::Refuse {
        return Err(ChainError::RevocationUnknown { subject: subject() });
    }
    Ok(Vec::new())
}

/// The authorities between leaf and root, and the root.
fn path<'r>(
    leaf: &Certificate,
    others: &[Certificate],
    roots: &'r Roots,
    revocation: &Revocation,
    at: u64,
) -> Result<(Vec<Certificate>, &'r Certificate), ChainError> {
    let ders: Vec<CertificateDer<'_>> = roots.0.iter().map(|root| CertificateDer::from(root.der())).collect();
    let anchors: Vec<TrustAnchor<'_>> =
        ders.iter().filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
    let between: Vec<CertificateDer<'_>> = others.iter().map(|one| CertificateDer::from(one.der())).collect();
    let der = CertificateDer::from(leaf.der());
    let subject = || leaf.subject_text();
    let entity = EndEntityCert::try_from(&der).map_err(|error| told(&error, subject()))?;

    let crls: Vec<&CertRevocationList<'_>> = revocation.crls.iter().collect();
    let options = RevocationOptionsBuilder::new(&crls).ok().map(|options| {
        options
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(match revocation.unlisted {
                Unlisted::Refuse => UnknownStatusPolicy::Deny,
                Unlisted::Allow => UnknownStatusPolicy::Allow,
            })
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build()
    });
    let time = UnixTime::since_unix_epoch(Duration::from_secs(at));
    let found = entity
        .verify_for_usage(ALGORITHMS, &anchors, &between, time, SignsCode, options, None)
        .map_err(|error| told(&error, subject()))?;

    let above: Vec<Certificate> = found
        .intermediate_certificates()
        .map(|one| Certificate::from_der(&one.der()))
        .collect::<Result<_, _>>()
        .map_err(|_| ChainError::NotRead { subject: subject(), why: "an authority's certificate" })?;
    // Several roots may share name and key, an old one and its renewal: one of them has to be good.
    let anchor = found.anchor();
    let mut why = ChainError::NoPath { subject: subject() };
    for root in &roots.0 {
        if root.subject_value() != anchor.subject.as_ref()
            || root.spki_value() != anchor.subject_public_key_info.as_ref()
        {
            continue;
        }
        if !(root.not_before()..=root.not_after()).contains(&at) {
            why = ChainError::RootNotValid { subject: root.subject_text() };
        } else if !root.is_authority() || !root.may_issue() {
            why = ChainError::NotAuthority { subject: root.subject_text() };
        } else {
            return Ok((above, root));
        }
    }
    Err(why)
}

/// Extended usage, if there is any, has to name the signing of code or any purpose.
struct SignsCode;

impl ExtendedKeyUsageValidator for SignsCode {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut none = true;
        for purpose in purposes {
            none = false;
            let named: Vec<usize> = purpose?.to_decoded_oid();
            if certificate::SIGNING_PURPOSES.contains(&named.as_slice()) {
                return Ok(());
            }
        }
        if none {
            return Ok(());
        }
        Err(webpki::Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext {
            required: KeyUsage::required(certificate::CODE_SIGNING_DER),
            present: Vec::new(),
        }))
    }
}

#[expect(deprecated, reason = "older forms of an error still mean what they meant")]
fn told(error: &webpki::Error, subject: String) -> ChainError {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } | Error::InvalidCertValidity => ChainError::Expired { subject },
        Error::CertNotValidYet { .. } => ChainError::NotYetValid { subject },
        Error::CaUsedAsEndEntity => ChainError::AuthorityAsLeaf { subject },
        Error::EndEntityUsedAsCa => ChainError::NotAuthority { subject },
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            ChainError::PathLength { subject }
        }
        Error::NameConstraintViolation => ChainError::NameConstraints { subject },
        Error::RequiredEkuNotFound | Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            ChainError::ExtendedKeyUsage { subject }
        }
        Error::CertRevoked => ChainError::Revoked { subject },
        Error::UnknownRevocationStatus | Error::CrlExpired { .. } => {
            ChainError::RevocationUnknown { subject }
        }
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => ChainError::NoPath { subject },
        Error::UnsupportedCriticalExtension => {
            ChainError::NotRead { subject, why: "a critical extension is not known" }
        }
        Error::UnsupportedSignatureAlgorithm
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            ChainError::NotRead { subject, why: "a signature is of a kind that is not taken" }
        }
        Error::InvalidCrlSignatureForPublicKey | Error::IssuerNotCrlSigner => {
            ChainError::NotRead { subject, why: "a revocation list is not signed by its authority" }
        }
        _ => ChainError::NotRead { subject, why: "its structure" },
    }
}

/// What an authority may sign with. No SHA-1, no RSA below 2048 bits.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ECDSA_P256_SHA384,
    webpki::aws_lc_rs::ECDSA_P256_SHA512,
    webpki::aws_lc_rs::ECDSA_P384_SHA256,
    webpki::aws_lc_rs::ECDSA_P384_SHA384,
    webpki::aws_lc_rs::ECDSA_P384_SHA512,
    webpki::aws_lc_rs::ECDSA_P521_SHA256,
    webpki::aws_lc_rs::ECDSA_P521_SHA384,
    webpki::aws_lc_rs::ECDSA_P521_SHA512,
    webpki::aws_lc_rs::ED25519,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

#[cfg(test)]
#[path = "x509/tests.rs"]
mod tests;

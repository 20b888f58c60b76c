//! Certificates that vouch for a key: parsed facts, and the path from a leaf to a root that the caller trusts.
//!
//! [`verify_chain`] asks `webpki` for paths — signatures, validity, basic constraints, path length, extended usage, name
//! constraints — and adds what that leaves out: key usage of leaf and authorities, everything that the root says of itself, the
//! newest revocation list of each authority, and serial numbers and keys that the caller has revoked by hand. Time comes in as a
//! value, and every certificate of the path is valid then, root and leaf too: that a signature was made while a certificate was
//! good is a claim until something else proves it.
//!
//! A leaf that is itself, byte for byte, one of the roots is trusted as a pin: its own validity and usage still count, and so does
//! every revocation list of whoever issued it.
//!
//! A chain is not believed before it is verified, so it is short: [`CHAIN_MAX`] certificates of [`CERTIFICATE_BYTES_MAX`] bytes, of
//! which those that no name leads to are passed over.
//!
//! Left out on purpose: names of hosts, OCSP, fetching of issuers, policies. Name constraints on directory names and URIs are not
//! interpreted: a path that has them is refused. Sources: RFC 5280, sections 4.2.1 and 6.1; RFC 6818.

use rustls_pki_types::CertificateDer;
use webpki::{EndEntityCert, anchor_from_trusted_cert};

use crate::digest::Sha256Digest;
use crate::ecdsa::{EcKeyError, EcPublicKey};
use crate::pem::PemError;

mod certificate;
mod path;
mod revocation;

pub use certificate::{Certificate, NamePart, Serial};
pub use revocation::{CRL_BYTES_MAX, CRLS_MAX, Revocation, Unlisted};

/// Most certificates of one set of roots, and of one text.
pub const CERTIFICATES_MAX: usize = 64;
/// Most certificates of one chain: paths have up to four, and everything here is done before anybody is believed.
pub const CHAIN_MAX: usize = 8;
/// Most bytes of a certificate of a chain.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

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
    /// A root whose structure or whose critical extensions are not read: what it takes back would be passed over.
    #[error("root `{subject}` has a critical extension or a structure that is not read")]
    Root {
        /// Which root.
        subject: String,
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
            0 => return Err(CertificateError::Kind { wanted: "root certificate" }),
            1..=CERTIFICATES_MAX => {}
            count => return Err(CertificateError::TooMany { count, max: CERTIFICATES_MAX }),
        }
        for root in &roots {
            let der = CertificateDer::from(root.der());
            // As an anchor its critical extensions would be passed over; as a certificate of a path they are not.
            if anchor_from_trusted_cert(&der).is_err() || EndEntityCert::try_from(&der).is_err() {
                return Err(CertificateError::Root { subject: root.subject_text() });
            }
        }
        Ok(Self(roots))
    }

    /// Reads PEM text with one `CERTIFICATE` or several.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        Self::new(Certificate::all_from_pem(text)?)
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
    #[error("the chain has {count} certificates, {CHAIN_MAX} are read")]
    TooLong {
        /// How many there are.
        count: usize,
    },
    /// Larger than is read.
    #[error("certificate `{subject}` has {bytes} bytes, {CERTIFICATE_BYTES_MAX} are read")]
    TooLarge {
        /// Which one.
        subject: String,
        /// How many it has.
        bytes: usize,
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
            Self::Empty | Self::TooLong { .. } | Self::TooLarge { .. } => {
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
    if chain.len() > CHAIN_MAX {
        return Err(ChainError::TooLong { count: chain.len() });
    }
    if let Some(one) = chain.iter().find(|one| one.der().len() > CERTIFICATE_BYTES_MAX) {
        return Err(ChainError::TooLarge { subject: one.subject_text(), bytes: one.der().len() });
    }
    let subject = || leaf.subject_text();
    let key = EcPublicKey::from_spki(leaf.spki())
        .map_err(|source| ChainError::LeafKey { subject: subject(), source })?;
    if !leaf.may_sign() {
        return Err(ChainError::KeyUsage { subject: subject() });
    }
    if revocation.names_certificate(leaf) {
        return Err(ChainError::Revoked { subject: subject() });
    }
    let found = path::find(leaf, others, roots, revocation, at);
    let root = match (found, roots.0.iter().find(|root| root.der() == leaf.der())) {
        // What the authority takes back is not saved by a pin.
        (Err(error @ ChainError::Revoked { .. }), _) | (Err(error), None) => return Err(error),
        (found, Some(pin)) => {
            path::pinned(pin, revocation, found.is_ok(), at)?;
            pin
        }
        (Ok(root), None) => root,
    };
    Ok(VerifiedLeaf { key, leaf: leaf.clone(), root: root.fingerprint() })
}

#[cfg(test)]
#[path = "x509/tests.rs"]
mod tests;

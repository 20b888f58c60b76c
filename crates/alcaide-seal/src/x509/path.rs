//! Paths from a leaf to a root, one root and one path at a time.

use std::cell::RefCell;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{
    EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, RequiredEkuNotFoundContext,
    RevocationOptions, VerifiedPath, anchor_from_trusted_cert,
};

use super::certificate::{self, Certificate};
use super::revocation::{Revocation, Unlisted};
use super::{ChainError, Roots};

/// The root at which a path ends that is good in every respect.
///
/// `webpki` proposes paths to roots that are good themselves; each is judged whole before it is taken, so that what one root or
/// one path allows is never lent to another.
pub(super) fn find<'r>(
    leaf: &Certificate,
    others: &[Certificate],
    roots: &'r Roots,
    revocation: &Revocation,
    at: u64,
) -> Result<&'r Certificate, ChainError> {
    let subject = || leaf.subject_text();
    let others = linked(leaf, others);
    let mut good: Vec<&Certificate> = Vec::new();
    let mut bad = None;
    for root in &roots.0 {
        match root_stands(root, revocation, at) {
            Ok(()) => good.push(root),
            Err(why) if issued(root, leaf) || others.iter().any(|one| issued(root, one)) => {
                bad.get_or_insert(why);
            }
            Err(_) => {}
        }
    }
    let ders: Vec<CertificateDer<'_>> = good.iter().map(|root| CertificateDer::from(root.der())).collect();
    let anchors: Vec<TrustAnchor<'_>> = ders
        .iter()
        .map(|der| anchor_from_trusted_cert(der))
        .collect::<Result<_, _>>()
        .map_err(|error| told(&error, subject()))?;
    let between: Vec<CertificateDer<'_>> = others.iter().map(|one| CertificateDer::from(one.der())).collect();
    let der = CertificateDer::from(leaf.der());
    let entity = EndEntityCert::try_from(&der).map_err(|error| told(&error, subject()))?;

    let why = RefCell::new(None);
    let judged = |path: &VerifiedPath<'_>| {
        let root = anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
        let verdict = match root.and_then(|root| good.get(root)) {
            Some(root) => judge(&entity, leaf, path, root, revocation, at),
            // INVARIANT: paths end at the anchors that were given.
            None => Err(ChainError::NoPath { subject: subject() }),
        };
        verdict.map_err(|error| {
            why.borrow_mut().get_or_insert(error);
            Error::UnknownIssuer
        })
    };
    let found =
        entity.verify_for_usage(ALGORITHMS, &anchors, &between, time(at), SignsCode, None, Some(&judged));
    match found {
        Ok(path) => anchors
            .iter()
            .position(|anchor| std::ptr::eq(anchor, path.anchor()))
            .and_then(|root| good.get(root).copied())
            .ok_or_else(|| ChainError::NoPath { subject: subject() }),
        Err(error) => Err(why.into_inner().unwrap_or_else(|| {
            match (placed(told(&error, subject()), leaf, &others, at), bad) {
                (ChainError::NoPath { .. }, Some(bad)) => bad,
                (told, _) => told,
            }
        })),
    }
}

/// What a leaf must satisfy that is trusted as it stands; `known` says whether a path vouches for it besides.
pub(super) fn pinned(
    pin: &Certificate,
    revocation: &Revocation,
    known: bool,
    at: u64,
) -> Result<(), ChainError> {
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
    // Whose key would verify the lists is not known here; who gave them is.
    if revocation.lists(pin) {
        return Err(ChainError::Revoked { subject: subject() });
    }
    if !known && revocation.has_lists() && revocation.unlisted == Unlisted::Refuse {
        return Err(ChainError::RevocationUnknown { subject: subject() });
    }
    Ok(())
}

/// The error with the certificate that it is about, where that can be told from outside: the first from the leaf up.
fn placed(error: ChainError, leaf: &Certificate, others: &[&Certificate], at: u64) -> ChainError {
    let first = |is: &dyn Fn(&Certificate) -> bool| {
        let found = std::iter::once(leaf).chain(others.iter().copied()).find(|one| is(one));
        found.unwrap_or(leaf).subject_text()
    };
    match error {
        ChainError::Expired { .. } => ChainError::Expired { subject: first(&|one| one.not_after() < at) },
        ChainError::NotYetValid { .. } => {
            ChainError::NotYetValid { subject: first(&|one| one.not_before() > at) }
        }
        ChainError::ExtendedKeyUsage { .. } => {
            ChainError::ExtendedKeyUsage { subject: first(&|one| !one.may_sign_code()) }
        }
        other => other,
    }
}

/// Those of `others` that a chain of names leads to from `leaf`, each once.
fn linked<'c>(leaf: &'c Certificate, others: &'c [Certificate]) -> Vec<&'c Certificate> {
    let mut reached: Vec<&Certificate> = Vec::new();
    let mut from = vec![leaf];
    while let Some(one) = from.pop() {
        for other in others {
            if issued(other, one) && other != leaf && !reached.contains(&other) {
                reached.push(other);
                from.push(other);
            }
        }
    }
    reached
}

fn issued(issuer: &Certificate, one: &Certificate) -> bool {
    issuer.subject_value() == one.issuer_value()
}

/// What a root says of itself: nobody above it does.
fn root_stands(root: &Certificate, revocation: &Revocation, at: u64) -> Result<(), ChainError> {
    let subject = || root.subject_text();
    if !(root.not_before()..=root.not_after()).contains(&at) {
        return Err(ChainError::RootNotValid { subject: subject() });
    }
    if !root.is_authority() || !root.may_issue() {
        return Err(ChainError::NotAuthority { subject: subject() });
    }
    if !root.may_sign_code() {
        return Err(ChainError::ExtendedKeyUsage { subject: subject() });
    }
    if revocation.names_certificate(root) {
        return Err(ChainError::Revoked { subject: subject() });
    }
    Ok(())
}

/// What `webpki` does not ask of a path whose signatures are right.
fn judge(
    entity: &EndEntityCert<'_>,
    leaf: &Certificate,
    path: &VerifiedPath<'_>,
    root: &Certificate,
    revocation: &Revocation,
    at: u64,
) -> Result<(), ChainError> {
    let subject = || leaf.subject_text();
    let above: Vec<Certificate> = path
        .intermediate_certificates()
        .map(|one| Certificate::from_der(&one.der()))
        .collect::<Result<_, _>>()
        .map_err(|_| ChainError::NotRead { subject: subject(), why: "an authority's certificate" })?;
    if let Some(other) = above.iter().find(|one| !one.may_issue()) {
        return Err(ChainError::NotAuthority { subject: other.subject_text() });
    }
    if let Some(other) = above.iter().find(|one| revocation.names_certificate(one)) {
        return Err(ChainError::Revoked { subject: other.subject_text() });
    }
    // Counted as `webpki` counts for the others: authorities that issued to themselves, too.
    if root.path_length().is_some_and(|most| above.len() > usize::try_from(most).unwrap_or(usize::MAX)) {
        return Err(ChainError::PathLength { subject: subject() });
    }
    let between: Vec<CertificateDer<'_>> = above.iter().map(|one| CertificateDer::from(one.der())).collect();
    let anchor = [path.anchor().clone()];
    let under = |options: Option<RevocationOptions<'_>>| {
        entity.verify_for_usage(ALGORITHMS, &anchor, &between, time(at), SignsCode, options, None).map(|_| ())
    };
    let issuers: Vec<&[u8]> = std::iter::once(leaf).chain(&above).map(Certificate::issuer_value).collect();
    revocation.check(&issuers, under, subject)
}

const fn time(at: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(at))
}

/// Extended usage, if there is any, has to name the signing of code or any purpose.
struct SignsCode;

impl ExtendedKeyUsageValidator for SignsCode {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
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
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext {
            required: KeyUsage::required(certificate::CODE_SIGNING_DER),
            present: Vec::new(),
        }))
    }
}

#[expect(deprecated, reason = "older forms of an error still mean what they meant")]
pub(super) fn told(error: &Error, subject: String) -> ChainError {
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

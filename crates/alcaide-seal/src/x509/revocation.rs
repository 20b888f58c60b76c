//! What is no longer trusted: revocation lists, serial numbers and keys.
//!
//! A list counts where the authority that it names signed it, and the newest of each authority and scope counts alone, in whatever
//! order they are given: an older one that is still in force says less. Lists of no authority on a path are not looked at.
//! Source: RFC 5280, sections 5 and 6.3.

use std::collections::{BTreeMap, BTreeSet};

use webpki::{
    CertRevocationList, Error, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
};

use crate::der::{BadDer, Der, tag};
use crate::ecdsa::KeyHint;
use crate::pem::{self, PemError};

use super::certificate::{self, Certificate, Serial};
use super::path::told;
use super::{CertificateError, ChainError};

/// Most revocation lists at once.
pub const CRLS_MAX: usize = 64;
/// Most bytes of one revocation list.
pub const CRL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most bytes of a text with revocation lists: base64 takes a third more, and its lines a little.
const CRL_TEXT_BYTES_MAX: usize = CRL_BYTES_MAX / 2 * 3;

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
    pub(super) lists: Vec<List>,
    /// What becomes of certificates that no list speaks for.
    pub unlisted: Unlisted,
    /// Serial numbers that are revoked, whoever issued them.
    pub serials: BTreeSet<Serial>,
    /// Public keys that are revoked, in leaves and authorities alike and whatever their algorithm.
    pub keys: BTreeSet<KeyHint>,
}

/// A list, and when its authority made it.
#[derive(Debug)]
pub(super) struct List {
    list: CertRevocationList<'static>,
    this_update: u64,
}

impl Revocation {
    /// Adds revocation lists: DER, or PEM text with any number of `X509 CRL`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn add_crls(&mut self, bytes: &[u8]) -> Result<(), CertificateError> {
        let blocks = if is_der(bytes) {
            vec![bytes.to_vec()]
        } else {
            match pem::blocks_within(bytes, CRL_TEXT_BYTES_MAX) {
                Err(PemError::Empty) => vec![bytes.to_vec()],
                other => other?
                    .into_iter()
                    .filter(|one| one.label == "X509 CRL")
                    .map(|one| one.der.to_vec())
                    .collect(),
            }
        };
        if blocks.is_empty() {
            return Err(CertificateError::Kind { wanted: "revocation list" });
        }
        for der in blocks {
            let at = self.lists.len();
            if at >= CRLS_MAX {
                return Err(CertificateError::TooMany { count: at + 1, max: CRLS_MAX });
            }
            if der.len() > CRL_BYTES_MAX {
                return Err(CertificateError::Crl { at });
            }
            let list = OwnedCertRevocationList::from_der(&der).map_err(|_| CertificateError::Crl { at })?;
            let this_update = this_update(&der).map_err(|BadDer| CertificateError::Crl { at })?;
            self.lists.push(List { list: list.into(), this_update });
        }
        Ok(())
    }

    /// Whether this key was revoked by hand.
    #[must_use]
    pub fn names(&self, key: KeyHint) -> bool {
        self.keys.contains(&key)
    }

    pub(super) fn names_certificate(&self, certificate: &Certificate) -> bool {
        self.serials.contains(certificate.serial()) || self.names(certificate.key_hint())
    }

    pub(super) const fn has_lists(&self) -> bool {
        !self.lists.is_empty()
    }

    /// Whether any list in the name of its issuer has it, whoever signed that list.
    pub(super) fn lists(&self, certificate: &Certificate) -> bool {
        self.lists.iter().filter(|one| one.list.issuer() == certificate.issuer_value()).any(|one| {
            // An entry that cannot be read could be this one.
            !one.list.find_serial(certificate.serial_value()).is_ok_and(|found| found.is_none())
        })
    }

    /// Checks a path whose certificates have these `issuers`; `under` verifies it under some of the lists.
    pub(super) fn check(
        &self,
        issuers: &[&[u8]],
        under: impl Fn(Option<RevocationOptions<'_>>) -> Result<(), Error>,
        subject: impl Fn() -> String,
    ) -> Result<(), ChainError> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let mut newest: BTreeMap<Scope<'_>, (&List, Result<(), Error>)> = BTreeMap::new();
        let mut foreign: BTreeMap<Scope<'_>, Error> = BTreeMap::new();
        for one in self.lists.iter().filter(|one| issuers.contains(&one.list.issuer())) {
            let scope = (one.list.issuer(), one.list.issuing_distribution_point());
            let alone = [&one.list];
            let verdict = under(options(&alone, UnknownStatusPolicy::Allow, ExpirationPolicy::Ignore));
            if let Err(error) = &verdict
                && !matches!(error, Error::CertRevoked)
            {
                foreign.insert(scope, error.clone());
                continue;
            }
            match newest.get(&scope) {
                Some((other, _)) if other.this_update >= one.this_update => {}
                _ => {
                    newest.insert(scope, (one, verdict));
                }
            }
        }
        if newest.values().any(|(_, verdict)| verdict.is_err()) {
            return Err(ChainError::Revoked { subject: subject() });
        }
        // Somebody put a list in an authority's name that it did not sign, and there is no other.
        if let Some((_, error)) = foreign.iter().find(|(scope, _)| !newest.contains_key(*scope)) {
            return Err(told(error, subject()));
        }
        let mut lists: Vec<&List> = newest.into_values().map(|(list, _)| list).collect();
        lists.sort_by_key(|one| std::cmp::Reverse(one.this_update));
        let lists: Vec<_> = lists.into_iter().map(|one| &one.list).collect();
        let policy = match self.unlisted {
            Unlisted::Refuse => UnknownStatusPolicy::Deny,
            Unlisted::Allow => UnknownStatusPolicy::Allow,
        };
        match (lists.is_empty(), self.unlisted) {
            (true, Unlisted::Allow) => Ok(()),
            (true, Unlisted::Refuse) => Err(ChainError::RevocationUnknown { subject: subject() }),
            (false, _) => under(options(&lists, policy, ExpirationPolicy::Enforce))
                .map_err(|error| told(&error, subject())),
        }
    }
}

/// An authority, and the part of its certificates that a list is about.
type Scope<'l> = (&'l [u8], Option<&'l [u8]>);

fn options<'l>(
    lists: &'l [&'l CertRevocationList<'l>],
    unknown: UnknownStatusPolicy,
    expired: ExpirationPolicy,
) -> Option<RevocationOptions<'l>> {
    let options = RevocationOptionsBuilder::new(lists).ok()?;
    let options = options.with_depth(RevocationCheckDepth::Chain).with_status_policy(unknown);
    Some(options.with_expiration_policy(expired).build())
}

/// Whether the bytes are one SEQUENCE and nothing else.
fn is_der(bytes: &[u8]) -> bool {
    let mut outer = Der::new(bytes);
    outer.value(tag::SEQUENCE).is_ok() && outer.is_empty()
}

/// Source: RFC 5280, section 5.1.2.
fn this_update(der: &[u8]) -> Result<u64, BadDer> {
    let mut body = Der::new(der).nested(tag::SEQUENCE)?.nested(tag::SEQUENCE)?;
    body.value(tag::INTEGER)?;
    body.value(tag::SEQUENCE)?;
    body.value(tag::SEQUENCE)?;
    certificate::time(&mut body)
}

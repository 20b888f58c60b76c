//! How many signers it takes.

use std::num::NonZeroUsize;

use super::error::SigningError;
use super::manifest::Manifest;
use super::rules::Rules;
use super::survey::{Survey, ToCompare};
use super::verify::{Authentic, Signer};

/// Bundles that are about the same files, by as many different signers as were asked for.
#[derive(Clone, Debug)]
pub struct Agreed {
    bundles: Vec<Authentic>,
    first: Authentic,
}

/// Puts bundles about one model together and counts who signed. Every bundle has to agree with the first one: one that is about
/// other files is a disagreement, not a bundle fewer.
///
/// Signers count once however many bundles they signed: by one key, under one name that the verifier gave them
/// ([`KnownSigner`](super::KnownSigner)), or where none was given by certificates about one name, under whatever root. A key and a
/// certificate about another key count as two unless they are named.
///
/// # Errors
/// [`SigningError::Disagreement`], [`SigningError::TooFewSigners`].
pub fn agree(bundles: Vec<Authentic>, wanted: NonZeroUsize) -> Result<Agreed, SigningError> {
    let mut groups: Vec<Vec<&Signer>> = Vec::new();
    for one in &bundles {
        // Whoever is the same as two others makes those one, too.
        let (same, mut others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|other| other.is_same(&one.signer)));
        let mut joined: Vec<&Signer> = same.into_iter().flatten().collect();
        joined.push(&one.signer);
        others.push(joined);
        groups = others;
    }
    let found = groups.len();
    let Some(first) = bundles.first().cloned() else {
        return Err(SigningError::TooFewSigners { found: 0, wanted: wanted.get() });
    };
    let digest = first.manifest().digest();
    if let Some(at) = bundles.iter().position(|one| one.manifest().digest() != digest) {
        return Err(SigningError::Disagreement { at });
    }
    if found < wanted.get() {
        return Err(SigningError::TooFewSigners { found, wanted: wanted.get() });
    }
    Ok(Agreed { bundles, first })
}

impl Agreed {
    /// What was signed.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        self.first.manifest()
    }

    /// Who signed, one for each bundle.
    pub fn signers(&self) -> impl Iterator<Item = &Signer> {
        self.bundles.iter().map(Authentic::signer)
    }

    /// Begins the walk over the tree that is to be compared with what was signed.
    #[must_use]
    pub fn survey<'a>(&'a self, rules: &'a Rules) -> Survey<'a, ToCompare<'a>> {
        Survey::to_compare(self, rules)
    }

    /// Whether all signers followed links.
    pub(super) fn links(&self) -> bool {
        self.bundles.iter().all(|one| one.statement.links)
    }

    pub(super) const fn first(&self) -> &Authentic {
        &self.first
    }
}

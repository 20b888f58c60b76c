//! The walk over a tree: which files count, what their names may be, what their digests are, and how they compare.
//!
//! [`Survey::add`] does all for one entry. Who hashes on several threads asks [`Survey::admit`] for each entry in turn, lets
//! [`Scheme::measure`] run elsewhere, and brings the results back by [`Survey::record`]; what was admitted and never recorded is
//! an error at the end, so that no file passes unread.

use std::collections::{BTreeMap, BTreeSet};

use alcaide_container::Input;

use super::cache::{DigestCache, Stamp};
use super::differences::{Changed, Differences};
use super::error::SigningError;
use super::ignore::{self, Ignored};
use super::manifest::{Folded, Manifest, RESOURCES_MAX};
use super::path::TreePath;
use super::quorum::Agreed;
use super::rules::{EmptyFiles, IgnoredWeights, Links, Rules, Unsigned};
use super::scheme::{FileDigests, Measured, Scheme};
use super::verified::{ModelSignature, SignedFile, Verified};
use crate::scanner::shown;

/// One file of a tree, as whoever walks it found it. Folders are not entries.
pub struct Entry<I> {
    /// Its path below the model, as the file system gives it; of a model that is one file, the file's name.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind<I>,
    /// What changes whenever its bytes do, if the caller knows of such a thing; see [`Stamp`].
    pub stamp: Option<Stamp>,
}

/// What stands at a path.
pub enum Kind<I> {
    /// A regular file.
    File(I),
    /// A regular file within the model that was reached by a link at this path or above it.
    Linked(I),
    /// A link that was not followed.
    Link,
    /// A pipe, a socket, a device.
    Special,
}

/// A file that counts and has to be measured.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a file that was admitted has to be measured"]
pub struct Admitted(TreePath);

impl Admitted {
    /// Which file.
    #[must_use]
    pub const fn path(&self) -> &TreePath {
        &self.0
    }
}

/// What a survey is for: [`ToSign`] or [`ToCompare`].
pub trait Aim: sealed::Aim {}

/// A survey that ends in a manifest.
#[derive(Debug)]
pub struct ToSign(());

/// A survey that ends in a comparison with what was signed.
#[derive(Debug)]
pub struct ToCompare<'a>(&'a Agreed);

impl Aim for ToSign {}
impl Aim for ToCompare<'_> {}

mod sealed {
    pub trait Aim {
        /// What the tree is compared with.
        fn agreed(&self) -> Option<&super::Agreed>;
    }

    impl Aim for super::ToSign {
        fn agreed(&self) -> Option<&super::Agreed> {
            None
        }
    }

    impl Aim for super::ToCompare<'_> {
        fn agreed(&self) -> Option<&super::Agreed> {
            Some(self.0)
        }
    }
}

/// A tree on its way to a manifest, or to a comparison with one.
pub struct Survey<'a, A> {
    scheme: Scheme,
    rules: &'a Rules,
    aim: A,
    names: Folded,
    /// With what was known of each when it was admitted.
    admitted: BTreeMap<TreePath, Option<Stamp>>,
    measured: BTreeMap<TreePath, Measured>,
    ignored: BTreeSet<TreePath>,
    added: BTreeSet<TreePath>,
}

impl<'a> Survey<'a, ToSign> {
    /// Begins the walk over a tree that is to be signed.
    #[must_use]
    pub fn to_sign(scheme: Scheme, rules: &'a Rules) -> Self {
        Self::begin(scheme, rules, ToSign(()))
    }

    /// Ends the walk over a tree that is to be signed; `name` is what the model is called.
    ///
    /// # Errors
    /// [`SigningError::Unmeasured`], [`SigningError::EmptyModel`], [`SigningError::TooManyFiles`].
    pub fn into_surveyed(self, name: &str) -> Result<Surveyed, SigningError> {
        self.check_measured()?;
        let files = self
            .measured
            .into_iter()
            .map(|(path, one)| (path, one.digests))
            .filter(|(_, digests)| !matches!(digests, FileDigests::Shards(shards) if shards.is_empty()))
            .collect();
        Ok(Surveyed {
            manifest: Manifest::new(name.to_owned(), self.scheme, files)?,
            links: self.rules.links == Links::Follow,
            left_out: ignore::left_out(self.rules),
        })
    }
}

/// What a survey found, and under which rules: what is signed can be nothing else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Surveyed {
    pub(super) manifest: Manifest,
    /// Whether links were followed.
    pub(super) links: bool,
    /// What was left out, the defaults among it.
    pub(super) left_out: BTreeSet<String>,
}

impl Surveyed {
    /// The files.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

impl<'a> Survey<'a, ToCompare<'a>> {
    /// Begins the walk over a tree that is compared with what was signed.
    pub(super) fn to_compare(agreed: &'a Agreed, rules: &'a Rules) -> Self {
        Self::begin(agreed.manifest().scheme(), rules, ToCompare(agreed))
    }

    /// How the tree differs from what was signed, as far as it was walked: all of it, where [`Survey::finish`] tells one file.
    #[must_use]
    pub fn differences(&self) -> Differences {
        let ToCompare(agreed) = self.aim;
        let mut found = Differences::default();
        for (path, signed) in &agreed.manifest().files {
            match self.measured.get(path) {
                None if self.admitted.contains_key(path) => {}
                None => found.missing.push(path.clone()),
                Some(one) if one.digests == *signed => {}
                Some(one) => found.changed.push(Changed {
                    path: path.clone(),
                    signed: signed.clone(),
                    found: one.digests.clone(),
                }),
            }
        }
        if self.rules.unsigned == Unsigned::Refuse {
            let signed = &agreed.manifest().files;
            // What was empty when it was admitted, and is so still, may be what shards leave out.
            let left = self.measured.iter().filter(|(path, one)| {
                !signed.contains_key(*path) && (one.bytes > 0 || self.rules.empty == EmptyFiles::Refuse)
            });
            let added: BTreeSet<_> = self.added.iter().chain(left.map(|(path, _)| path)).cloned().collect();
            found.added = added.into_iter().collect();
        }
        found
    }

    /// Ends the walk over a tree that is compared with what was signed.
    ///
    /// # Errors
    /// [`SigningError::Changed`], [`SigningError::Missing`], [`SigningError::Added`], [`SigningError::Unmeasured`].
    pub fn finish(mut self) -> Result<Verified<ModelSignature>, SigningError> {
        self.check_measured()?;
        let Differences { changed, missing, added } = self.differences();
        let changed: Vec<_> = changed.into_iter().map(|one| one.path).collect();
        if let Some((path, more)) = first(&changed) {
            return Err(SigningError::Changed { path, more });
        }
        if let Some((path, more)) = first(&missing) {
            return Err(SigningError::Missing { path, more });
        }
        if let Some((path, more)) = first(&added) {
            return Err(SigningError::Added { path, more });
        }
        let ToCompare(agreed) = self.aim;
        let mut signed = Vec::new();
        let mut unsigned = Vec::new();
        for path in agreed.manifest().files.keys() {
            // INVARIANT: what is neither missing nor changed was measured.
            let Some(one) = self.measured.remove(path) else {
                return Err(SigningError::Unmeasured { path: path.clone() });
            };
            signed.push(SignedFile { path: path.clone(), bytes: one.bytes, cached: one.cached });
        }
        unsigned.extend(self.added);
        unsigned.extend(self.measured.into_keys());
        unsigned.sort();
        Ok(Verified::new(ModelSignature::new(agreed, signed, unsigned, self.ignored.into_iter().collect())))
    }
}

impl<'a, A: Aim> Survey<'a, A> {
    fn begin(scheme: Scheme, rules: &'a Rules, aim: A) -> Self {
        Self {
            scheme,
            rules,
            aim,
            names: Folded::new(rules.names),
            admitted: BTreeMap::new(),
            measured: BTreeMap::new(),
            ignored: BTreeSet::new(),
            added: BTreeSet::new(),
        }
    }

    /// How its files have to be measured.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Admits, measures and records one entry; `cache` is asked first and told afterwards where the entry has a stamp.
    ///
    /// # Errors
    /// [`SigningError`], one of those about names and the tree.
    pub fn add<I: Input>(
        &mut self,
        entry: &Entry<I>,
        cache: Option<&mut DigestCache>,
    ) -> Result<(), SigningError> {
        let Some(admitted) = self.admit(entry)? else { return Ok(()) };
        let (Kind::File(input) | Kind::Linked(input)) = &entry.kind else { return Ok(()) };
        let path = admitted.path();
        let measured = match (cache, &entry.stamp) {
            (Some(cache), Some(stamp)) => match cache.find(self.scheme, path, input.len(), stamp) {
                Some(known) => known,
                None => {
                    let measured = self.scheme.measure(path, input)?;
                    cache.keep(&measured, stamp.clone());
                    measured
                }
            },
            _ => self.scheme.measure(path, input)?,
        };
        self.record(measured)
    }

    /// Checks the name and kind of one entry; nothing if it does not count or is already known to be too much.
    ///
    /// # Errors
    /// [`SigningError`], one of those about names and the tree.
    pub fn admit<I: Input>(&mut self, entry: &Entry<I>) -> Result<Option<Admitted>, SigningError> {
        let path = TreePath::from_bytes(&entry.path).map_err(|fault| SigningError::Path {
            path: shown(&String::from_utf8_lossy(&entry.path)),
            fault,
        })?;
        let signed = self.aim.agreed().map(|agreed| agreed.manifest().files.contains_key(&path));
        // What is signed is looked at, whatever the rules say.
        if signed != Some(true)
            && let Some(why) = ignore::ignored(&path, self.rules)
        {
            self.ignore(path, why, &entry.kind)?;
            return Ok(None);
        }
        let input: &dyn Input = match &entry.kind {
            Kind::Special => return Err(SigningError::SpecialFile { path }),
            Kind::Link => return Err(SigningError::Link { path }),
            Kind::Linked(_) if self.rules.links == Links::Refuse => return Err(SigningError::Link { path }),
            Kind::Linked(_) if self.aim.agreed().is_some_and(|agreed| !agreed.links()) => {
                return Err(SigningError::LinkNotSigned { path });
            }
            Kind::File(input) | Kind::Linked(input) => input,
        };
        let count = self.admitted.len().saturating_add(self.added.len());
        if count >= RESOURCES_MAX {
            return Err(SigningError::TooManyFiles { count: count.saturating_add(1), max: RESOURCES_MAX });
        }
        if self.admitted.contains_key(&path) || self.added.contains(&path) {
            return Err(SigningError::DuplicatePath { path });
        }
        self.names.add(&path)?;
        if signed == Some(false) && !self.is_left_out_of_shards(input) {
            self.added.insert(path);
            return Ok(None);
        }
        self.admitted.insert(path.clone(), entry.stamp.clone());
        Ok(Some(Admitted(path)))
    }

    /// Takes the digests of a file that was admitted.
    ///
    /// # Errors
    /// [`SigningError::NotAsked`] if it was not admitted, came twice or was measured in another way.
    pub fn record(&mut self, measured: Measured) -> Result<(), SigningError> {
        let path = measured.path.clone();
        let asked = self.admitted.contains_key(&path) && measured.scheme == self.scheme;
        if !asked || self.measured.contains_key(&path) {
            return Err(SigningError::NotAsked { path });
        }
        self.measured.insert(path, measured);
        Ok(())
    }

    /// Compares a second walk over the same tree, made once all is measured, with the first one: every entry that was there is
    /// there, none came, and none has another size or stamp. Nobody who may write to the tree can add a file behind the first walk.
    ///
    /// # Errors
    /// [`SigningError::TreeChanged`], and [`SigningError::Path`] for a name that cannot be one of the first walk's.
    pub fn confirm<I: Input>(&self, entries: impl IntoIterator<Item = Entry<I>>) -> Result<(), SigningError> {
        let mut left: BTreeSet<&TreePath> =
            self.admitted.keys().chain(&self.added).chain(&self.ignored).collect();
        for entry in entries {
            let name = || shown(&String::from_utf8_lossy(&entry.path));
            let path = TreePath::from_bytes(&entry.path)
                .map_err(|fault| SigningError::Path { path: name(), fault })?;
            let stays = match (self.measured.get(&path), &entry.kind) {
                (Some(one), Kind::File(input) | Kind::Linked(input)) => input.len() == one.bytes,
                (Some(_), Kind::Link | Kind::Special) => false,
                (None, _) => true,
            };
            // A file that was too young for a stamp may have one by now.
            let same = match (self.admitted.get(&path), &entry.stamp) {
                (Some(Some(before)), now) => now.as_ref() == Some(before),
                _ => true,
            };
            if !left.remove(&path) || !stays || !same {
                return Err(SigningError::TreeChanged { path: name() });
            }
        }
        match left.first() {
            None => Ok(()),
            Some(path) => Err(SigningError::TreeChanged { path: path.to_string() }),
        }
    }

    fn ignore<I: Input>(&mut self, path: TreePath, why: Ignored, kind: &Kind<I>) -> Result<(), SigningError> {
        if matches!(kind, Kind::Special) && !ignore::is_of_git(&path) {
            return Err(SigningError::SpecialFile { path });
        }
        if self.rules.ignored_weights == IgnoredWeights::Refuse {
            let weights = match kind {
                Kind::File(input) | Kind::Linked(input) => ignore::looks_like_weights(&path, why, input)
                    .map_err(|source| SigningError::Read { path: path.clone(), source })?,
                // Where it leads is not known: it may be renamed, and what it leads to may change.
                Kind::Link | Kind::Special => !ignore::is_of_git(&path) && ignore::named_like_weights(&path),
            };
            if weights {
                return Err(SigningError::WeightsIgnored { path });
            }
        }
        if self.ignored.len() >= RESOURCES_MAX {
            return Err(SigningError::TooManyFiles { count: self.ignored.len() + 1, max: RESOURCES_MAX });
        }
        self.names.add_aside(&path)?;
        if !self.ignored.insert(path.clone()) {
            return Err(SigningError::DuplicatePath { path });
        }
        Ok(())
    }

    /// An empty file has no shard, so nobody can have signed it.
    fn is_left_out_of_shards(&self, input: &dyn Input) -> bool {
        matches!(self.scheme.method, super::scheme::Method::Shards { .. }) && input.is_empty()
    }

    fn check_measured(&self) -> Result<(), SigningError> {
        match self.admitted.keys().find(|path| !self.measured.contains_key(*path)) {
            None => Ok(()),
            Some(path) => Err(SigningError::Unmeasured { path: path.clone() }),
        }
    }
}

fn first(paths: &[TreePath]) -> Option<(TreePath, usize)> {
    let (first, rest) = paths.split_first()?;
    Some((first.clone(), rest.len()))
}

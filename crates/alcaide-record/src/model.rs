//! What became of models: versions that were registered, what was proven of them, what lies on disk; and what all that makes of a
//! model, by one pure fold ([`Life`]).
//!
//! ```text
//! registered ─▶ quarantined ─ scan, nothing found ─▶ scanned ─ signature ─▶ signed
//!                   ▲                                   └──────── release ────┴─▶ released ─ another is released ─▶ scanned, signed
//!                   └─ order, a scan that finds something ─ (any)        revoke ─ (any) ─▶ revoked, for good
//! ```
//! Office and gate fold the same entries, so that they agree; a step that does not fit is refused by the office before it is
//! written, and changes nothing where it stands in the ledger all the same.

mod note;

use std::collections::BTreeMap;

use alcaide_inventory::Moment;
use alcaide_inventory::id::{HumanId, ModelId};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::office::OrderKind;
use crate::{Entry, Event};

pub use note::{FilesSeen, ModelNote, ScanSeen, SignatureSeen, SignerStanding};

/// Most versions of one model that are remembered.
pub const VERSIONS_MAX: usize = 256;
/// Most signatures of one version that are remembered.
pub const SIGNATURES_MAX: usize = 16;

/// What a scan says of all files of a version.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanVerdict {
    /// All was looked into, and nothing was found.
    Clean,
    /// Nothing was found, but not all was looked into.
    Inconclusive,
    /// Something was found.
    Unsafe,
}

impl ScanVerdict {
    /// The word used in policies and views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Inconclusive => "inconclusive",
            Self::Unsafe => "unsafe",
        }
    }
}

/// What evidence says.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Proven {
    /// A scan of all files.
    Scan {
        /// Digest of the rules that it went by.
        packs: Digest,
        /// What it came to.
        verdict: ScanVerdict,
    },
    /// Somebody signed exactly these files.
    Signature {
        /// SHA-256 of the PEM text of the key that signed.
        key: Digest,
        /// SHA-256 of the root certificate that vouches for the key; absent where the key is trusted by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        root: Option<Digest>,
    },
}

/// What lies where a model's files are declared to lie.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FilesState {
    /// The files of this version.
    Found {
        /// The digest over their names and bytes.
        version: Digest,
    },
    /// They are being read, or nobody has read them since the house was started.
    #[default]
    Reading,
    /// They cannot be read.
    Unreadable,
}

/// Something became known of a model.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ModelEvent {
    /// Evidence was entered.
    Evidence {
        /// Who entered it; absent for the house itself and the operator.
        by: Option<HumanId>,
        /// SHA-256 of the envelope, which lies on the ledger's shelf.
        envelope: Digest,
        /// It does not count from then on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Moment>,
        /// When it was made.
        issued: Moment,
        /// The model.
        model: ModelId,
        /// What it says.
        proven: Proven,
        /// The digest over all names and bytes.
        version: Digest,
    },
    /// The files on disk were looked at, or have to be.
    Files {
        /// The model.
        model: ModelId,
        /// What lies there.
        state: FilesState,
    },
    /// A version was registered.
    Registered {
        /// Who did it; absent for the operator.
        by: Option<HumanId>,
        /// Size of all files.
        bytes: u64,
        /// How many files.
        files: u64,
        /// The model.
        model: ModelId,
        /// What other programs compare: SHA-256 of a single file, the root digest of OMS of a tree.
        sha256: Digest,
        /// The digest over all names and bytes.
        version: Digest,
    },
}

/// How a version of a model stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// Nothing speaks for it yet, something speaks against it, or an order holds it back.
    Quarantined,
    /// A scan found nothing.
    Scanned,
    /// And somebody signed exactly these files.
    Signed,
    /// And somebody let it be served.
    Released,
    /// It may never be served again.
    Revoked,
}

impl VersionState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 5] =
        [Self::Quarantined, Self::Scanned, Self::Signed, Self::Released, Self::Revoked];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Scanned => "scanned",
            Self::Signed => "signed",
            Self::Released => "released",
            Self::Revoked => "revoked",
        }
    }
}

/// A piece of evidence as the record holds it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Held<T> {
    /// What it says.
    pub says: T,
    /// SHA-256 of the envelope on the shelf.
    pub envelope: Digest,
    /// When it was made.
    pub issued: Moment,
    /// When it ends, if it does.
    pub expires: Option<Moment>,
    /// Who entered it; absent for the house itself and the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HumanId>,
}

/// A scan as the record holds it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HeldScan {
    /// What it came to.
    pub verdict: ScanVerdict,
    /// Digest of the rules that it went by.
    pub packs: Digest,
}

/// A signature as the record holds it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HeldSignature {
    /// The key that signed.
    pub key: Digest,
    /// The root that vouches for it.
    pub root: Option<Digest>,
}

/// One version of a model.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Version {
    /// When it was registered.
    pub registered: Moment,
    /// Who registered it.
    pub by: Option<HumanId>,
    /// What other programs compare.
    pub sha256: Digest,
    /// How many files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// The newest scan.
    pub scan: Option<Held<HeldScan>>,
    /// Signatures, each key's newest.
    pub signatures: Vec<Held<HeldSignature>>,
    /// Whether an order holds it back.
    pub held: bool,
    /// Whether it may never be served again.
    pub revoked: bool,
    /// When it was last released, by whom, and whether what nobody could look into was accepted.
    pub release: Option<Release>,
}

/// Somebody let a version be served.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Release {
    /// When.
    pub at: Moment,
    /// Who; absent for the operator.
    pub by: Option<HumanId>,
    /// Whether an inconclusive scan was accepted for this version.
    pub accepts_doubt: bool,
}

/// Why a step does not fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Misstep {
    /// The version was never registered.
    #[error("this version was never registered")]
    Unregistered,
    /// It was revoked.
    #[error("this version was revoked, for good")]
    Revoked,
    /// No scan speaks for it.
    #[error("no scan of this version is there")]
    Unscanned,
    /// A scan speaks against it.
    #[error("its newest scan found something")]
    Unsafe,
    /// Not everything could be looked into, and nobody accepted that.
    #[error("its newest scan could not look into everything")]
    Inconclusive,
    /// An order holds it back, and no scan was made since.
    #[error("it was quarantined, and not scanned since")]
    Held,
    /// All that are remembered are revoked or released.
    #[error("256 versions are remembered, and none can be forgotten")]
    Full,
}

/// All that is known of one model.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Life {
    versions: BTreeMap<Digest, Version>,
    released: Option<Digest>,
    files: FilesState,
}

impl Life {
    /// The versions, by digest.
    #[must_use]
    pub const fn versions(&self) -> &BTreeMap<Digest, Version> {
        &self.versions
    }

    /// The version that may be served: released, and neither revoked nor held back since.
    #[must_use]
    pub const fn released(&self) -> Option<Digest> {
        self.released
    }

    /// What lies on disk.
    #[must_use]
    pub const fn files(&self) -> FilesState {
        self.files
    }

    /// The version that is spoken of: the released one, else the one that was registered last.
    #[must_use]
    pub fn spoken_of(&self) -> Option<(&Digest, &Version)> {
        let newest = || self.versions.iter().max_by_key(|(digest, one)| (one.registered, **digest));
        self.released.and_then(|digest| self.versions.get_key_value(&digest)).or_else(newest)
    }

    /// How a version stands; nothing if it was never registered.
    #[must_use]
    pub fn state(&self, version: &Digest) -> Option<VersionState> {
        let one = self.versions.get(version)?;
        let spoken_for = match one.scan.map(|scan| scan.says.verdict) {
            Some(ScanVerdict::Clean) => true,
            Some(ScanVerdict::Inconclusive) => one.release.is_some_and(|release| release.accepts_doubt),
            Some(ScanVerdict::Unsafe) | None => false,
        };
        Some(match () {
            () if one.revoked => VersionState::Revoked,
            () if one.held || !spoken_for => VersionState::Quarantined,
            () if self.released == Some(*version) => VersionState::Released,
            () if !one.signatures.is_empty() => VersionState::Signed,
            () => VersionState::Scanned,
        })
    }

    /// Takes a step of an entry that is about `model`; whether it was about it.
    ///
    /// # Errors
    /// [`Misstep`] if it does not fit; nothing is changed then.
    pub fn follow(&mut self, model: ModelId, entry: &Entry) -> Result<bool, Misstep> {
        match &entry.event {
            Event::Model(event) => self.know(model, entry.at, event),
            Event::Order(order) => self.obey(model, entry.at, order.by, &order.order),
            _ => Ok(false),
        }
    }

    /// Takes what became known.
    ///
    /// # Errors
    /// As [`Life::follow`].
    pub fn know(&mut self, own: ModelId, at: Moment, event: &ModelEvent) -> Result<bool, Misstep> {
        match event {
            ModelEvent::Registered { by, bytes, files, model, sha256, version } if *model == own => {
                if self.versions.contains_key(version) {
                    return Ok(true);
                }
                self.make_room()?;
                let new = Version {
                    registered: at,
                    by: *by,
                    sha256: *sha256,
                    files: *files,
                    bytes: *bytes,
                    scan: None,
                    signatures: Vec::new(),
                    held: false,
                    revoked: false,
                    release: None,
                };
                self.versions.insert(*version, new);
            }
            ModelEvent::Evidence { by, envelope, expires, issued, model, proven, version }
                if *model == own =>
            {
                let one = self.versions.get_mut(version).ok_or(Misstep::Unregistered)?;
                let (envelope, issued, expires, by) = (*envelope, *issued, *expires, *by);
                match *proven {
                    Proven::Scan { packs, verdict } => {
                        // Whoever is held back is looked at anew; what is found decides.
                        one.held = false;
                        let says = HeldScan { verdict, packs };
                        one.scan = Some(Held { says, envelope, issued, expires, by });
                        // A release is over what was known then: what a later scan finds, or cannot look into, takes it back, and
                        // no scan after that brings it back.
                        if verdict != ScanVerdict::Clean {
                            one.release = None;
                            if self.released == Some(*version) {
                                self.released = None;
                            }
                        }
                    }
                    Proven::Signature { key, root } => {
                        one.signatures.retain(|known| known.says.key != key);
                        if one.signatures.len() >= SIGNATURES_MAX {
                            one.signatures.remove(0);
                        }
                        one.signatures.push(Held {
                            says: HeldSignature { key, root },
                            envelope,
                            issued,
                            expires,
                            by,
                        });
                    }
                }
            }
            ModelEvent::Files { model, state } if *model == own => self.files = *state,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes an order.
    ///
    /// # Errors
    /// As [`Life::follow`].
    pub fn obey(
        &mut self,
        own: ModelId,
        at: Moment,
        by: Option<HumanId>,
        order: &OrderKind,
    ) -> Result<bool, Misstep> {
        match order {
            OrderKind::ReleaseModel { accepts_doubt, model, version } if *model == own => {
                let one = self.versions.get_mut(version).ok_or(Misstep::Unregistered)?;
                if one.revoked {
                    return Err(Misstep::Revoked);
                }
                match one.scan {
                    _ if one.held => return Err(Misstep::Held),
                    None => return Err(Misstep::Unscanned),
                    Some(scan) => match scan.says.verdict {
                        ScanVerdict::Unsafe => return Err(Misstep::Unsafe),
                        ScanVerdict::Inconclusive if !*accepts_doubt => return Err(Misstep::Inconclusive),
                        _ => {}
                    },
                }
                one.release = Some(Release { at, by, accepts_doubt: *accepts_doubt });
                self.released = Some(*version);
            }
            OrderKind::QuarantineModel { model, version } if *model == own => {
                let one = self.versions.get_mut(version).ok_or(Misstep::Unregistered)?;
                one.held = true;
                // It is scanned anew before it is released again.
                one.release = None;
                self.drop_release(version);
            }
            OrderKind::RevokeModel { model, version } if *model == own => {
                let one = self.versions.get_mut(version).ok_or(Misstep::Unregistered)?;
                one.revoked = true;
                self.drop_release(version);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Nobody has read the files since the house was started.
    pub fn forget_files(&mut self) {
        self.files = FilesState::Reading;
    }

    fn drop_release(&mut self, version: &Digest) {
        if self.released == Some(*version) {
            self.released = None;
        }
    }

    /// Forgets the oldest version that is neither released nor revoked, where there are as many as are remembered.
    fn make_room(&mut self) -> Result<(), Misstep> {
        if self.versions.len() < VERSIONS_MAX {
            return Ok(());
        }
        let may_go =
            |digest: &Digest, one: &Version| !one.revoked && !one.held && self.released != Some(*digest);
        let oldest = self
            .versions
            .iter()
            .filter(|(digest, one)| may_go(digest, one))
            .min_by_key(|(digest, one)| (one.registered, **digest))
            .map(|(digest, _)| *digest);
        self.versions.remove(&oldest.ok_or(Misstep::Full)?);
        Ok(())
    }
}

/// The model that an event is about.
#[must_use]
pub const fn model_of(event: &Event) -> Option<ModelId> {
    match event {
        Event::Model(
            ModelEvent::Registered { model, .. }
            | ModelEvent::Evidence { model, .. }
            | ModelEvent::Files { model, .. },
        ) => Some(*model),
        Event::Order(order) => match &order.order {
            OrderKind::ReleaseModel { model, .. }
            | OrderKind::QuarantineModel { model, .. }
            | OrderKind::RevokeModel { model, .. } => Some(*model),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;

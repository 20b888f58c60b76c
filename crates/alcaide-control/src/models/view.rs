//! Models, versions and evidence as people see them.

use alcaide_inventory::declare::{Model, Proof, Route};
use alcaide_inventory::id::{HumanId, ModelId};
use alcaide_inventory::plan::Placed;
use alcaide_inventory::{Moment, Name, Plan};
use alcaide_record::{
    Digest, FilesState, Held, HeldSignature, Life, Proven, ScanVerdict, Version, VersionState,
};
use serde::{Deserialize, Serialize};

use super::follow::Entered;
use crate::place::name_in;

/// What lies where the files of a model are declared to lie.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisk {
    /// No place is declared: it is served elsewhere.
    Elsewhere,
    /// The files of the version that is released.
    Released,
    /// Those of another version that is registered.
    OtherVersion,
    /// Files that nobody registered.
    Unregistered,
    /// They are being read.
    Reading,
    /// They cannot be read.
    Unreadable,
}

impl OnDisk {
    /// The words for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Released => "released",
            Self::OtherVersion => "other_version",
            Self::Unregistered => "unregistered",
            Self::Reading => "reading",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A declared model and how it stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ModelView {
    /// Its id.
    pub id: ModelId,
    /// Its name.
    pub name: Name,
    /// Its unit.
    pub unit: Name,
    /// Who answers for it.
    pub owner: Name,
    /// Where its files are declared to lie.
    pub files: Option<String>,
    /// What a version needs before it is served.
    pub requires: Vec<Proof>,
    /// Who may sign it.
    pub signers: Vec<Name>,
    /// Days after which evidence does not count any more.
    pub max_age_days: Option<u32>,
    /// Routes that serve it.
    pub routes: Vec<Name>,
    /// The version that is spoken of: the released one, else the newest.
    pub version: Option<Digest>,
    /// How that one stands; absent where none is registered.
    pub state: Option<VersionState>,
    /// The version that may be served.
    pub released: Option<Digest>,
    /// What lies on disk.
    pub on_disk: OnDisk,
    /// The version that lies on disk, where that is known.
    pub found: Option<Digest>,
    /// How many versions are registered.
    pub versions: usize,
}

impl ModelView {
    pub(super) fn of(plan: &Plan, name: &Name, placed: &Placed<ModelId, Model>, life: &Life) -> Self {
        let spec = &placed.spec;
        let routes = plan.routes.iter().filter_map(|(route, one)| match &one.spec {
            Route::Model(model) if model.serves.as_ref() == Some(name) => Some(route.clone()),
            _ => None,
        });
        let spoken_of = life.spoken_of().map(|(digest, _)| *digest);
        let found = match life.files() {
            FilesState::Found { version } if spec.files.is_some() => Some(version),
            _ => None,
        };
        let on_disk = match (spec.files.is_some(), life.files(), found) {
            (false, _, _) => OnDisk::Elsewhere,
            (true, _, Some(version)) if life.released() == Some(version) => OnDisk::Released,
            (true, _, Some(version)) if life.versions().contains_key(&version) => OnDisk::OtherVersion,
            (true, _, Some(_)) => OnDisk::Unregistered,
            (true, FilesState::Unreadable, None) => OnDisk::Unreadable,
            (true, _, None) => OnDisk::Reading,
        };
        Self {
            id: placed.id,
            name: name.clone(),
            unit: spec.unit.clone(),
            owner: spec.owner.clone(),
            files: spec.files.clone(),
            requires: spec.requires.clone(),
            signers: spec.signers.clone(),
            max_age_days: spec.max_age_days,
            routes: routes.collect(),
            version: spoken_of,
            state: spoken_of.and_then(|version| life.state(&version)),
            released: life.released(),
            on_disk,
            found,
            versions: life.versions().len(),
        }
    }
}

/// A scan.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ScanView {
    /// What it came to.
    pub verdict: ScanVerdict,
    /// Digest of the rules that it went by.
    pub packs: Digest,
    /// SHA-256 of its envelope.
    pub envelope: Digest,
    /// When it was entered.
    pub issued: Moment,
    /// When it ends, if it does.
    pub expires: Option<Moment>,
}

/// A signature.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SignatureView {
    /// The key that signed, by the SHA-256 of its PEM text.
    pub key: Digest,
    /// The root that vouches for it.
    pub root: Option<Digest>,
    /// SHA-256 of its envelope.
    pub envelope: Digest,
    /// When it was entered.
    pub issued: Moment,
    /// When it ends, if it does.
    pub expires: Option<Moment>,
}

impl SignatureView {
    fn of(held: &Held<HeldSignature>) -> Self {
        Self {
            key: held.says.key,
            root: held.says.root,
            envelope: held.envelope,
            issued: held.issued,
            expires: held.expires,
        }
    }
}

/// A release.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReleaseView {
    /// When.
    pub at: Moment,
    /// Who; absent for the operator.
    pub by: Option<Name>,
    /// Whether what the scan could not look into was accepted.
    pub accepts_doubt: bool,
}

/// A version of a model.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct VersionView {
    /// The digest over all names and bytes.
    pub version: Digest,
    /// What other programs compare.
    pub sha256: Digest,
    /// How it stands.
    pub state: VersionState,
    /// When it was registered.
    pub registered: Moment,
    /// By whom; absent for the operator and the house.
    pub by: Option<Name>,
    /// How many files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// The newest scan.
    pub scan: Option<ScanView>,
    /// Signatures, each key's newest.
    pub signatures: Vec<SignatureView>,
    /// The last release, if an order took it back or not.
    pub release: Option<ReleaseView>,
}

impl VersionView {
    fn of(plan: &Plan, digest: Digest, state: VersionState, version: &Version) -> Self {
        Self {
            version: digest,
            sha256: version.sha256,
            state,
            registered: version.registered,
            by: human(plan, version.by),
            files: version.files,
            bytes: version.bytes,
            scan: version.scan.map(|held| ScanView {
                verdict: held.says.verdict,
                packs: held.says.packs,
                envelope: held.envelope,
                issued: held.issued,
                expires: held.expires,
            }),
            signatures: version.signatures.iter().map(SignatureView::of).collect(),
            release: version.release.map(|release| ReleaseView {
                at: release.at,
                by: human(plan, release.by),
                accepts_doubt: release.accepts_doubt,
            }),
        }
    }
}

/// A model in full.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ModelDetail {
    /// How it stands.
    pub model: ModelView,
    /// Its versions, the newest first.
    pub versions: Vec<VersionView>,
}

impl ModelDetail {
    pub(super) fn of(plan: &Plan, name: &Name, placed: &Placed<ModelId, Model>, life: &Life) -> Self {
        let mut versions: Vec<VersionView> = life
            .versions()
            .iter()
            .filter_map(|(digest, one)| Some(VersionView::of(plan, *digest, life.state(digest)?, one)))
            .collect();
        versions.sort_by(|a, b| b.registered.cmp(&a.registered).then(a.version.cmp(&b.version)));
        Self { model: ModelView::of(plan, name, placed, life), versions }
    }
}

/// Evidence that was entered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EvidenceView {
    /// SHA-256 of the envelope.
    pub envelope: Digest,
    /// Its entry in the ledger.
    pub entry: u64,
    /// When it was entered.
    pub at: Moment,
    /// By whom; absent for the operator and the house.
    pub by: Option<Name>,
    /// The model; absent where it is not declared any more.
    pub model: Option<Name>,
    /// The version.
    pub version: Digest,
    /// What it says.
    pub proven: Proven,
    /// When it ends, if it does.
    pub expires: Option<Moment>,
}

impl EvidenceView {
    pub(super) fn of(plan: &Plan, row: Entered) -> Self {
        Self {
            envelope: row.envelope,
            entry: row.index,
            at: row.at,
            by: human(plan, row.by),
            model: name_in(&plan.models, &row.model),
            version: row.version,
            proven: row.proven,
            expires: row.expires,
        }
    }
}

fn human(plan: &Plan, id: Option<HumanId>) -> Option<Name> {
    name_in(&plan.humans, &id?)
}

//! Models that have to be proven before they are served, and who may sign them.

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// What a version of a model needs before it is served.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A scan of its files that found nothing.
    Scan,
    /// A scan by the rules that this program has now.
    CurrentPack,
    /// The signature of somebody whom the model names.
    Signature,
}

impl Proof {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Scan, Self::CurrentPack, Self::Signature];

    /// The word used in declarations, policies and views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::CurrentPack => "current_pack",
            Self::Signature => "signature",
        }
    }
}

/// A model that a route may serve: what it needs, and where its files lie.
///
/// Who controls the files can stop the model and nothing more: other bytes are another version, which nobody has released.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Model {
    /// The unit that it belongs to.
    pub unit: Name,
    /// Answers for it.
    pub owner: Name,
    /// The file or folder on this machine that the local server loads, as an absolute path; the house watches it. Absent for a
    /// model that is served elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// Where within the folder the signature lies: that file is none of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Who may sign it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Name>,
    /// What a version needs before it is served; a scan by current rules where nothing is said, since a file that nobody looked
    /// into can be a program.
    #[serde(default = "scanned", skip_serializing_if = "is_scanned")]
    pub requires: Vec<Proof>,
    /// Days after which evidence does not count any more, 1 to 3650; for ever where not given, since the same bytes stay the same,
    /// and newer rules are asked for by `current_pack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
}

fn scanned() -> Vec<Proof> {
    vec![Proof::Scan, Proof::CurrentPack]
}

fn is_scanned(requires: &[Proof]) -> bool {
    requires == [Proof::Scan, Proof::CurrentPack]
}

/// Somebody who signs models.
///
/// Who controls the key can make a version count as signed, for the models that name it, and nothing more.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Signer {
    /// PEM text: one `PUBLIC KEY` on P-256, P-384 or P-521, or one `CERTIFICATE` of an authority whose leaves sign.
    pub pem: String,
    /// Whether nothing it signed counts any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// Keys below an authority that do not count any more, by the SHA-256 of their PEM text, lower-case hex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked_keys: Vec<String>,
}

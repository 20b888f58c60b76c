//! How a declared model stood when a call of it was decided on, as policy was told.

use alcaide_inventory::id::ModelId;
use serde::{Deserialize, Serialize};

use super::ScanVerdict;
use crate::digest::Digest;

/// How the files of a model stood.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilesSeen {
    /// No place of files is declared.
    None,
    /// They are those of the version that is released.
    Same,
    /// They are others.
    Changed,
    /// They are being read, cannot be read, or were not read since the house was started.
    Unread,
}

/// What was known of a scan.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScanSeen {
    /// Whether somebody accepted, for this version, what it could not look into.
    pub accepted: bool,
    /// Days since it was made.
    pub age_days: u32,
    /// Whether it went by the rules that this program has.
    pub current_pack: bool,
    /// Whether it counts still.
    pub in_time: bool,
    /// What it came to; absent where there is none.
    pub verdict: Option<ScanVerdict>,
}

/// Whether somebody signed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignerStanding {
    /// Nobody.
    None,
    /// Somebody whom the model names, and whose key is not revoked.
    Trusted,
    /// Only others.
    Untrusted,
}

/// What was known of signatures.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureSeen {
    /// Days since it was entered.
    pub age_days: u32,
    /// Whether it counts still.
    pub in_time: bool,
    /// Who signed.
    pub standing: SignerStanding,
}

/// How a declared model stood when a call of it was decided on, as policy was told.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelNote {
    /// Its files.
    pub files: FilesSeen,
    /// The model.
    pub model: ModelId,
    /// Whether the version is released.
    pub released: bool,
    /// Its scan.
    pub scan: ScanSeen,
    /// Its signatures.
    pub signature: SignatureSeen,
    /// The version that is spoken of; absent where none was registered.
    pub version: Option<Digest>,
}

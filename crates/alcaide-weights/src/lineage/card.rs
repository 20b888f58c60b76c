//! What is kept of a base: for each tensor some 6 KB of sums, in a JSON document that can be signed.

use std::collections::HashSet;

use alcaide_container::Input;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{
    LineageError, Norming, PLACE_LANES, PROOF_LANES, View, each, place_key, proof_key, spread, views,
};
use crate::chips::{Correlator, Energy, Key};
use crate::layout::{DIMS_MAX, Layout, NAME_MAX};
use crate::numbers::NumbersError;

/// The fingerprints of a base.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Card {
    /// Of this format: 1.
    pub version: u32,
    /// Names the key without giving it away.
    pub key_id: String,
    /// One for each part that is worth comparing, in the order of the file.
    pub tensors: Vec<Fingerprint>,
    /// Tensors that are large enough, but of a type that is not read.
    pub unread: Vec<String>,
}

/// The fingerprint of one tensor, or of one matrix of a stack (`NAME[3]`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fingerprint {
    /// As the base calls it.
    pub name: String,
    /// Sides that are not 1, outermost first.
    pub shape: Vec<u64>,
    /// Mean of its weights.
    pub mean: f32,
    /// `1.2533·mean|w − mean|`.
    pub scale: f32,
    /// `|x|²` of its normed weights.
    pub square: f32,
    /// How unevenly they fall into lanes; 1 is evenly.
    pub spread: f32,
    /// Sums that pairs are found by, 256.
    pub(super) place: Steps,
    /// Sums that the statistic is made of, 2,048.
    pub(super) proof: Steps,
}

impl Card {
    /// Of a file, under a key; three readings.
    ///
    /// # Errors
    /// [`LineageError`] if the file cannot be read.
    pub fn make(input: &dyn Input, key: &Key) -> Result<Self, LineageError> {
        let layout = Layout::read(input)?;
        let mut card =
            Self { version: VERSION, key_id: key.id().to_string(), tensors: Vec::new(), unread: Vec::new() };
        for view in views(&layout)? {
            match fingerprint(input, &layout, &view, key) {
                Ok(one) => card.tensors.push(one),
                Err(NumbersError::Unread { .. }) => card.unread.push(view.name),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(card)
    }

    /// How many weights have a fingerprint.
    #[must_use]
    pub fn weights(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, one| sum.saturating_add(one.count()))
    }

    /// As a JSON document, the same for the same card.
    ///
    /// # Errors
    /// [`CardError::Json`], which no card causes.
    pub fn to_json(&self) -> Result<Vec<u8>, CardError> {
        serde_json::to_vec(self).map_err(|error| CardError::Json { why: error.to_string() })
    }

    /// Reads what [`Card::to_json`] wrote.
    ///
    /// # Errors
    /// [`CardError`] if it is none, or says something that cannot be.
    pub fn from_json(text: &[u8]) -> Result<Self, CardError> {
        if text.len() > JSON_MAX {
            return Err(CardError::TooLong);
        }
        let read: Document = serde_json::from_slice(text)
            .map_err(|error| CardError::Json { why: crate::cut(&error.to_string()) })?;
        if read.version != VERSION {
            return Err(CardError::Version { version: read.version });
        }
        let mut names = HashSet::new();
        let mut tensors = Vec::new();
        for one in read.tensors {
            let bad = || CardError::Tensor { name: crate::cut(&one.name) };
            let count = one.shape.iter().try_fold(1_u64, |count, side| count.checked_mul(*side));
            let numbers = one.mean.is_finite()
                && one.scale.is_finite()
                && one.scale >= 0.0
                && one.square.is_finite()
                && one.square >= 0.0
                // Cauchy-Schwarz: evenly spread is the least.
                && one.spread.is_finite()
                && one.spread >= 0.999;
            let fits =
                one.name.len() <= NAME_MAX + 8 && one.shape.len() <= DIMS_MAX && count.is_some() && numbers;
            if !fits || !names.insert(one.name.clone()) {
                return Err(bad());
            }
            let place = Steps::read(&one.place, PLACE_LANES).ok_or_else(bad)?;
            let proof = Steps::read(&one.proof, PROOF_LANES).ok_or_else(bad)?;
            tensors.push(Fingerprint {
                place,
                proof,
                name: one.name,
                shape: one.shape,
                mean: one.mean,
                scale: one.scale,
                square: one.square,
                spread: one.spread,
            });
        }
        Ok(Self { version: VERSION, key_id: read.key_id, tensors, unread: read.unread })
    }
}

impl Fingerprint {
    /// How many weights it stands for.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shape.iter().fold(1, |count, side| count.saturating_mul(*side))
    }
}

fn fingerprint(
    input: &dyn Input,
    layout: &Layout,
    view: &View<'_>,
    key: &Key,
) -> Result<Fingerprint, NumbersError> {
    let norming = Norming::of(input, layout, view)?;
    let mut proof = Correlator::new(proof_key(key, &view.name, &view.shape), PROOF_LANES, Energy::PerLane);
    let mut place = Correlator::new(place_key(key, &view.shape), PLACE_LANES, Energy::Total);
    let mut normed = Vec::new();
    each(input, layout, view, |piece| {
        norming.apply(piece, &mut normed);
        proof.feed(&normed);
        place.feed(&normed);
    })?;
    let proof = proof.finish();
    Ok(Fingerprint {
        name: view.name.clone(),
        shape: view.shape.clone(),
        mean: norming.mean,
        scale: norming.scale,
        // Rounded up, so that no bound is made of less than there is.
        square: proof.square as f32,
        spread: (spread(&proof).max(1.0) as f32).next_up(),
        place: Steps::of(&place.finish().sums),
        proof: Steps::of(&proof.sums),
    })
}

/// Sums in 16 bits each: what is written is what is compared, before and after a card was stored.
///
/// Written as base64 of the step, a float of 32 bits, and how many steps each sum is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Steps {
    step: f32,
    counts: Vec<i16>,
}

impl Steps {
    // Both casts round to what a card keeps.
    fn of(sums: &[f64]) -> Self {
        let most = sums.iter().fold(0.0_f64, |most, sum| most.max(sum.abs()));
        let step = (most / 32_767.0) as f32;
        let over = if step > 0.0 { 1.0 / f64::from(step) } else { 0.0 };
        Self { step, counts: sums.iter().map(|sum| (sum * over).round() as i16).collect() }
    }

    fn read(text: &str, lanes: usize) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (step, rest) = bytes.split_first_chunk::<4>()?;
        let step = f32::from_le_bytes(*step);
        let usable = step.is_finite() && step >= 0.0 && rest.len() == lanes * 2;
        let counts = rest.as_chunks::<2>().0.iter().map(|two| i16::from_le_bytes(*two)).collect();
        usable.then_some(Self { step, counts })
    }

    /// The sums.
    pub(super) fn values(&self) -> impl Iterator<Item = f32> {
        self.counts.iter().map(|count| f32::from(*count) * self.step)
    }
}

impl Serialize for Steps {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = self.step.to_le_bytes().to_vec();
        bytes.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
        to.serialize_str(&STANDARD.encode(bytes))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    key_id: String,
    tensors: Vec<Entry>,
    unread: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    shape: Vec<u64>,
    mean: f32,
    scale: f32,
    square: f32,
    spread: f32,
    place: String,
    proof: String,
}

/// Why a text is no card.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// It is longer than cards are.
    #[error("a card has at most 512 MiB")]
    TooLong,
    /// It is no JSON of this shape.
    #[error("the card cannot be read: {why}")]
    Json {
        /// Why not.
        why: String,
    },
    /// It is of another version.
    #[error("the card is of version {version}, and 1 is read here")]
    Version {
        /// Which.
        version: u32,
    },
    /// An entry says something that cannot be.
    #[error("the card says something of tensor `{name}` that cannot be")]
    Tensor {
        /// Which.
        name: String,
    },
}

const VERSION: u32 = 1;
const JSON_MAX: usize = 512 << 20;

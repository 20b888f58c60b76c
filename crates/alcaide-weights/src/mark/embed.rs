//! A new file that carries a mark, equal to the old one in every byte that is no weight of a carrier.
//!
//! Data flow: scale of a carrier (one reading) → pieces of its weights, moved and rounded to its own type (a second
//! reading) → the sink, in the order of the file. Memory is that of a piece.

use std::collections::HashMap;
use std::io::Write;

use alcaide_container::{Input, ReadError};
use alcaide_seal::digest::Sha256Digest;

use super::carriers::{Carrier, Choice, chips, choose};
use super::{BITS, Message, codeword, commitment};
use crate::chips::{BLOCK, Chips, Key, turn};
use crate::layout::{Format, Layout, Tensor};
use crate::numbers::{Numbers, NumbersError, PIECE, encode};

/// How far weights are moved, in parts of their carrier's scale: more than 0, at most ¼.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strength(f32);

impl Strength {
    /// This part of the scale.
    #[must_use]
    pub fn new(part: f32) -> Option<Self> {
        (part > 0.0 && part <= 0.25).then_some(Self(part))
    }

    /// What survives noise as large as the weights themselves with some 0.02 % of errors, if so many weights carry it; from 1/128 to 1/16.
    ///
    /// `eps = 5/√m` with `m` weights for each bit: the error `Q(eps·√m/√2)` is `Q(3.5)`.
    #[must_use]
    pub fn for_weights(count: u64) -> Self {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a rule of thumb")]
        let part = (5.0 / (count as f64 / BITS as f64).sqrt()) as f32;
        Self(part.clamp(1.0 / 128.0, 1.0 / 16.0))
    }

    /// The part.
    #[must_use]
    pub const fn part(self) -> f32 {
        self.0
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// The carriers, in the order of their names.
    pub carriers: Vec<Carrier>,
    /// How many weights they have.
    pub weights: u64,
    /// How many of them were moved; zeros and what is not finite were not.
    pub moved: u64,
    /// How far, in parts of the scale.
    pub strength: Strength,
    /// To be put into the ledger before the file is released.
    pub commitment: Sha256Digest,
}

/// Writes `input`, marked, to `out`.
///
/// Without `strength` it is [`Strength::for_weights`]. Takes two readings of the carriers and one of the rest.
///
/// # Errors
/// [`EmbedError`] if it is no safetensors file, too few weights could carry the mark, it cannot be read, or the sink fails;
/// then what was written is to be thrown away.
pub fn embed(
    input: &dyn Input,
    key: &Key,
    message: &Message,
    choice: &Choice,
    strength: Option<Strength>,
    out: &mut dyn Write,
) -> Result<Marked, EmbedError> {
    let layout = Layout::read(input).map_err(EmbedError::Layout)?;
    if layout.format != Format::Safetensors {
        return Err(EmbedError::Format);
    }
    let carriers = choose(&layout, choice);
    let weights: u64 =
        carriers.iter().filter_map(|carrier| layout.find(&carrier.name)).map(Tensor::count).sum();
    let strength = strength.unwrap_or_else(|| Strength::for_weights(weights));
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let sure = f64::from(strength.0) * (weights as f64 / BITS as f64).sqrt();
    if sure < SURE_MIN {
        return Err(EmbedError::TooFew { weights });
    }
    let bits = codeword(key, message);
    let by_name: HashMap<&str, &Carrier> =
        carriers.iter().map(|carrier| (carrier.name.as_str(), carrier)).collect();
    let mut at = 0;
    let mut moved = 0;
    for tensor in layout.tensors() {
        let Some(carrier) = by_name.get(tensor.name.as_str()) else { continue };
        copy(input, at..tensor.start, out)?;
        moved += one(input, &layout, tensor, &mut Chips::new(chips(key, carrier)), &bits, strength, out)?;
        at = tensor.start + tensor.bytes;
    }
    copy(input, at..input.len(), out)?;
    let commitment = commitment(key, message, &carriers);
    Ok(Marked { carriers, weights, moved, strength, commitment })
}

fn one(
    input: &dyn Input,
    layout: &Layout,
    tensor: &Tensor,
    chips: &mut Chips,
    bits: &[bool; BITS],
    strength: Strength,
    out: &mut dyn Write,
) -> Result<u64, EmbedError> {
    let mut numbers = Numbers::unscaled(input, layout, tensor)?;
    let step = strength.0 * scale(&mut numbers)?;
    let mut values = vec![0.0; PIECE];
    let (mut at, mut moved) = (0, 0);
    while at < tensor.count() {
        let size = PIECE.min(usize::try_from(tensor.count() - at).unwrap_or(PIECE));
        values.resize(size, 0.0);
        numbers.read(at, &mut values)?;
        let mut keep = vec![false; size];
        for (block, keep) in values.chunks_mut(BLOCK).zip(keep.chunks_mut(BLOCK)) {
            let (signs, lane) = chips.next(BITS);
            let mut steps: [f32; BLOCK] = std::array::from_fn(|place| {
                if bits.get((lane + place) % BITS) == Some(&true) { step } else { -step }
            });
            turn(&signs, &mut steps);
            for ((value, step), keep) in block.iter_mut().zip(steps).zip(keep) {
                *keep = *value == 0.0 || !value.is_finite();
                moved += u64::from(!*keep);
                *value += step;
            }
        }
        encode(&tensor.dtype, &values, numbers.raw_mut(), |place| keep.get(place) == Some(&true));
        out.write_all(numbers.raw_mut()).map_err(EmbedError::Sink)?;
        at += size as u64;
    }
    Ok(moved)
}

/// `1.2533·mean|w|` over what is finite and not zero: the standard deviation, were it Gaussian, and hardly moved by a few large ones.
pub(crate) fn scale(numbers: &mut Numbers<'_>) -> Result<f32, NumbersError> {
    let (mut sum, mut count) = (0.0, 0_u64);
    numbers.each(|_, piece| {
        for part in piece.chunks(BLOCK) {
            let mut near = [0.0_f32; 8];
            let mut seen = [0_u32; 8];
            for eight in part.chunks(8) {
                for ((value, near), seen) in eight.iter().zip(&mut near).zip(&mut seen) {
                    let magnitude = value.abs();
                    let counts = magnitude > 0.0 && magnitude < f32::INFINITY;
                    *near += if counts { magnitude } else { 0.0 };
                    *seen += u32::from(counts);
                }
            }
            sum += near.iter().map(|near| f64::from(*near)).sum::<f64>();
            count += u64::from(seen.iter().sum::<u32>());
        }
    })?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a mean of floats of 32 bits"
    )]
    let mean = (sum / count.max(1) as f64) as f32;
    Ok(mean * 1.2533)
}

fn copy(input: &dyn Input, place: std::ops::Range<u64>, out: &mut dyn Write) -> Result<(), EmbedError> {
    let mut piece = vec![0; 1 << 20];
    let mut at = place.start;
    while at < place.end {
        let size = piece.len().min(usize::try_from(place.end - at).unwrap_or(usize::MAX));
        let count = match piece.get_mut(..size) {
            Some(into) => input.read_at(at, into)?,
            None => 0,
        };
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else {
            return Err(EmbedError::Shorter { at });
        };
        out.write_all(read).map_err(EmbedError::Sink)?;
        at += count as u64;
    }
    Ok(())
}

/// Why no mark was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// The file's tensors are not known.
    #[error(transparent)]
    Layout(crate::layout::LayoutError),
    /// Its numbers are quantised; a mark is put in before that.
    #[error("marks are put into safetensors files, before they are quantised")]
    Format,
    /// Not even an untouched copy would show it.
    #[error("{weights} weights can carry a mark, too few for this strength")]
    TooFew {
        /// How many.
        weights: u64,
    },
    /// A carrier cannot be read.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file ended before its own end.
    #[error("the file became shorter than it was, at byte {at}")]
    Shorter {
        /// Where.
        at: u64,
    },
    /// The sink took no more.
    #[error("the marked file could not be written")]
    Sink(#[source] std::io::Error),
}

/// `eps·√m` below which an untouched copy would lose more than 7 % of its bits.
const SURE_MIN: f64 = 1.5;

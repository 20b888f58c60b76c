//! Is the mark there? Sums under the key's signs, blind or against the original, and how improbable they are.
//!
//! Data flow: per carrier its scale → weights over the scale, clipped at 3 → 256 sums, over all carriers → matches and
//! `Z` → bounds. Informed: the alignment of the candidate to the original (which sees no key) → what is left after the original,
//! scaled, is taken away; weights that are exactly 0 in the candidate say nothing → the same sums.
//!
//! Null hypothesis: the key was drawn without knowledge of the candidate (and of the original).

use std::collections::BTreeMap;

use alcaide_container::Input;

use super::carriers::{Carrier, chips};
use super::{BITS, Message, codeword, decode};
use crate::align::{AlignError, Alignment, Sides, align};
use crate::chips::{Correlator, Energy, Key, Sums};
use crate::layout::{Layout, LayoutError, Tensor};
use crate::numbers::{Numbers, NumbersError};
use crate::tail::{Chance, fair, signed_sum};

/// What is claimed of a file.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// The tensors that carry the mark, as the commitment has them.
    pub carriers: &'a [Carrier],
    /// What the mark says, as the commitment has it; without it the checksum alone decides.
    pub message: Option<&'a Message>,
    /// Carriers that the candidate calls otherwise: their names and its own.
    pub names: &'a BTreeMap<String, String>,
    /// How many keys, originals and candidates were tried in all, this one counted.
    pub tests: u64,
}

/// The file before it was marked, and what may have been permuted since.
#[derive(Clone, Copy)]
pub struct Original<'a> {
    /// Its bytes.
    pub input: &'a dyn Input,
    /// Which sides of carriers are put into the original's order.
    pub sides: Sides,
}

/// What a probability in a [`Report`] rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Basis {
    /// The message was claimed beforehand.
    Claimed,
    /// The message was read from the file, and its checksum fits.
    Checksum,
    /// There is nothing to hold the sums against.
    Nothing,
}

/// What was seen, and how improbable it is for a file that the key knew nothing of.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What the probability rests on.
    pub basis: Basis,
    /// The message: claimed, or read.
    pub message: Option<Message>,
    /// The message that the file says by itself, if its checksum fits.
    pub read: Option<Message>,
    /// How many of the 256 bits have the side that the message gives them.
    pub matches: u32,
    /// `Σ c_k·Y_k / √Σf²`.
    pub z: f64,
    /// Bound by matches, where a message was claimed.
    pub by_matches: Chance,
    /// Bound by `z`, where a message was claimed.
    pub by_z: Chance,
    /// The bound that counts, for all tests together.
    pub chance: Chance,
    /// How many tests were counted: those that the caller told, times those made here.
    pub tests: u64,
    /// Weights that were summed.
    pub weights: u64,
    /// Carriers that the candidate does not have in this shape, or that cannot be read.
    pub missing: Vec<String>,
    /// Share of rows or columns that are like their counterparts, least over the carriers; 1 for blind extraction.
    pub aligned_0_1: f64,
}

/// Looks for the mark of `key` in `candidate`.
///
/// Blind without `original`: two readings of the carriers. With it: three to some twenty readings of carriers of both
/// files, by what has to be aligned.
///
/// # Errors
/// [`ExtractError`] if a file cannot be read or a carrier is too large to be aligned.
pub fn extract(
    candidate: &dyn Input,
    key: &Key,
    claim: &Claim<'_>,
    original: Option<Original<'_>>,
) -> Result<Report, ExtractError> {
    let layout = Layout::read(candidate)?;
    let known =
        original.map(|original| Layout::read(original.input).map(|layout| (original, layout))).transpose()?;
    let mut total = Sums { sums: vec![0.0; BITS], energy: Vec::new(), square: 0.0 };
    let (mut weights, mut missing, mut aligned_0_1) = (0, Vec::new(), 1.0_f64);
    for carrier in claim.carriers {
        let called = claim.names.get(&carrier.name).unwrap_or(&carrier.name);
        let found = layout.find(called).filter(|tensor| tensor.shape == carrier.shape);
        let Some(tensor) = found else {
            missing.push(carrier.name.clone());
            continue;
        };
        let mut numbers = match Numbers::open(candidate, &layout, tensor) {
            Ok(numbers) => numbers,
            Err(NumbersError::Unread { .. }) => {
                missing.push(carrier.name.clone());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let correlator = Correlator::new(chips(key, carrier), BITS, Energy::Total);
        let sums = match &known {
            None => blind(&mut numbers, correlator)?,
            Some((original, known)) => {
                let before = known.find(&carrier.name).filter(|tensor| tensor.shape == carrier.shape);
                let Some(before) = before else {
                    missing.push(carrier.name.clone());
                    continue;
                };
                let mut before = Numbers::open(original.input, known, before)?;
                let sides = if tensor.matrix().is_some() { original.sides } else { Sides::Neither };
                let alignment = align(&mut before, &mut numbers, matrix(tensor), sides)?;
                aligned_0_1 = aligned_0_1.min(alignment.sure_0_1());
                informed(&mut before, &mut numbers, &alignment, correlator)?
            }
        };
        weights += tensor.count();
        total.square += sums.square;
        for (to, from) in total.sums.iter_mut().zip(&sums.sums) {
            *to += from;
        }
    }
    let mut report = judge(key, claim, &total);
    report.weights = weights;
    report.missing = missing;
    report.aligned_0_1 = aligned_0_1;
    Ok(report)
}

/// Rows and columns; what has more sides counts as rows of its last.
fn matrix(tensor: &Tensor) -> (u64, u64) {
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    (tensor.count() / columns, columns)
}

fn blind(numbers: &mut Numbers<'_>, mut correlator: Correlator) -> Result<Sums, ExtractError> {
    let scale = super::embed::scale(numbers)?;
    let over = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut piece = Vec::new();
    numbers.each(|_, values| {
        piece.clear();
        piece.extend(values.iter().map(|value| clip(value * over)));
        correlator.feed(&piece);
    })?;
    Ok(correlator.finish())
}

fn informed(
    before: &mut Numbers<'_>,
    after: &mut Numbers<'_>,
    alignment: &Alignment,
    mut correlator: Correlator,
) -> Result<Sums, ExtractError> {
    let (mut sum, mut count) = (0.0_f64, 0_u64);
    alignment.residual(before, after, |values| {
        sum += f64::from(values.iter().map(|value| value.abs()).sum::<f32>());
        count += values.iter().filter(|value| **value != 0.0).count() as u64;
    })?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a mean of floats of 32 bits"
    )]
    let scale = (sum / count.max(1) as f64) as f32 * 1.2533;
    let over = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut piece = Vec::new();
    alignment.residual(before, after, |values| {
        piece.clear();
        piece.extend(values.iter().map(|value| clip(value * over)));
        correlator.feed(&piece);
    })?;
    Ok(correlator.finish())
}

/// At most 3 either way; what is no number is 0.
fn clip(value: f32) -> f32 {
    if value.is_nan() { 0.0 } else { value.clamp(-3.0, 3.0) }
}

fn judge(key: &Key, claim: &Claim<'_>, total: &Sums) -> Report {
    // A message that was not claimed may have any of the lengths.
    let lengths: Vec<usize> = match claim.message {
        Some(message) => vec![message.bytes().len()],
        None => Message::LENGTHS.to_vec(),
    };
    let read = lengths.iter().find_map(|bytes| decode(key, &total.sums, *bytes));
    let message = claim.message.cloned().or_else(|| read.clone());
    let (mut matches, mut along) = (0, 0.0);
    if let Some(message) = &message {
        for (sum, one) in total.sums.iter().zip(codeword(key, message)) {
            let signed = if one { *sum } else { -sum };
            matches += u32::from(signed > 0.0);
            along += signed;
        }
    }
    let z = if total.square > 0.0 { along / total.square.sqrt() } else { 0.0 };
    let tests = claim.tests.max(1);
    let (basis, by_matches, by_z, made) = match (claim.message, &read) {
        (Some(_), _) => (Basis::Claimed, fair(matches, 256), signed_sum(z), 2),
        (None, Some(_)) => (Basis::Checksum, Chance::ONE, Chance::ONE, lengths.len() as u64),
        (None, None) => (Basis::Nothing, Chance::ONE, Chance::ONE, 1),
    };
    let tests = tests.saturating_mul(made);
    let best = match basis {
        Basis::Checksum => Chance::from_ln(-f64::from(super::CHECK_BITS) * std::f64::consts::LN_2),
        Basis::Claimed | Basis::Nothing => by_matches.min(by_z),
    };
    Report {
        basis,
        message,
        read,
        matches,
        z,
        by_matches,
        by_z,
        chance: best.of_any(tests),
        tests,
        weights: 0,
        missing: Vec::new(),
        aligned_0_1: 1.0,
    }
}

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The tensors of a file are not known.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A carrier cannot be read.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// A carrier cannot be aligned.
    #[error(transparent)]
    Align(#[from] AlignError),
}

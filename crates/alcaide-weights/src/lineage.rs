//! Does this file descend from that one? Cards of a base, comparison of a candidate, the rank of what a merge added.
//!
//! Data flow: base → [`Card`] (sums of each tensor's weights under signs that the key gives to its name, and under others that it gives
//! to its shape) → stored, signed, committed to. Candidate → pairs: by name, else by shape and the second kind of sums →
//! the first kind of sums of each pair → cosines → one statistic → [`Verdict`]. Pairing and test use different signs, so the choice
//! of pairs costs nothing in the bound. [`residual()`] needs the base itself.
//!
//! Formulae, null hypothesis and bound: `docs/decisions/0011-weights.md`.

mod card;
mod compare;
mod residual;
#[cfg(test)]
mod tests;

use alcaide_container::Input;

pub use card::{Card, CardError, Fingerprint};
pub use compare::{ALPHA, BETA, Comparison, Pair, Paired, RELATED, UNLIKE, Verdict, compare};
pub use residual::{DROP, RANK_MAX, Residual, residual};

use crate::chips::{Correlator, Energy, Key, Sums, identity};
use crate::layout::{Layout, LayoutError, Tensor};
use crate::numbers::{Numbers, NumbersError};

/// Part of a file that is compared by itself: a tensor, or a matrix of a stack of them.
struct View<'a> {
    name: String,
    shape: Vec<u64>,
    tensor: &'a Tensor,
    /// Its first number in the tensor.
    at: u64,
    count: u64,
}

/// All parts of a file that are worth comparing: at least two sides longer than 1, [`COUNT_MIN`] numbers. A stack of matrices, as
/// experts are kept in GGUF, is taken apart.
fn views(layout: &Layout) -> Result<Vec<View<'_>>, LineageError> {
    let mut views = Vec::new();
    for tensor in layout.tensors().iter().filter(|tensor| tensor.count() >= COUNT_MIN) {
        let shape: Vec<u64> = tensor.shape.iter().copied().filter(|side| *side != 1).collect();
        let whole = |name: String, shape: Vec<u64>, at| {
            let count = shape.iter().product();
            View { name, shape, tensor, at, count }
        };
        match shape.as_slice() {
            [stack, rows, columns] if *stack <= STACK_MAX && rows.saturating_mul(*columns) >= COUNT_MIN => {
                let each = rows * columns;
                views.extend(
                    (0..*stack).map(|one| {
                        whole(format!("{}[{one}]", tensor.name), vec![*rows, *columns], one * each)
                    }),
                );
            }
            [_, _, ..] => views.push(whole(tensor.name.clone(), shape, 0)),
            _ => {}
        }
        if views.len() > VIEWS_MAX {
            return Err(LineageError::TooMany);
        }
    }
    Ok(views)
}

/// Mean and scale of a part: `x = clip((w − mean) / scale, 4)`, 0 where `w` is not finite.
#[derive(Clone, Copy)]
struct Norming {
    mean: f32,
    scale: f32,
}

impl Norming {
    fn of(input: &dyn Input, layout: &Layout, view: &View<'_>) -> Result<Self, NumbersError> {
        let (mut sum, mut count) = (0.0_f64, 0_u64);
        each(input, layout, view, |piece| {
            for part in piece.chunks(256) {
                let finite = part.iter().filter(|value| value.is_finite());
                sum += f64::from(finite.clone().sum::<f32>());
                count += finite.count() as u64;
            }
        })?;
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let count = count.max(1) as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a mean of floats of 32 bits")]
        let mean = (sum / count) as f32;
        let mut away = 0.0_f64;
        each(input, layout, view, |piece| {
            for part in piece.chunks(256) {
                let finite = part.iter().filter(|value| value.is_finite());
                away += f64::from(finite.map(|value| (value - mean).abs()).sum::<f32>());
            }
        })?;
        #[expect(clippy::cast_possible_truncation, reason = "a mean of floats of 32 bits")]
        let scale = (away / count * 1.2533) as f32;
        Ok(Self { mean, scale: if scale.is_finite() { scale } else { 0.0 } })
    }

    fn apply(self, values: &[f32], into: &mut Vec<f32>) {
        let over = if self.scale > 0.0 { 1.0 / self.scale } else { 0.0 };
        into.clear();
        into.extend(values.iter().map(|value| {
            let away = (value - self.mean) * over;
            if away.is_nan() { 0.0 } else { away.clamp(-4.0, 4.0) }
        }));
    }
}

/// Sums of a part under the signs of `name`.
fn proof_sums(
    input: &dyn Input,
    layout: &Layout,
    view: &View<'_>,
    norming: Norming,
    key: &Key,
    name: &str,
) -> Result<Sums, NumbersError> {
    let mut correlator = Correlator::new(proof_key(key, name, &view.shape), PROOF_LANES, Energy::PerLane);
    let mut normed = Vec::new();
    each(input, layout, view, |piece| {
        norming.apply(piece, &mut normed);
        correlator.feed(&normed);
    })?;
    Ok(correlator.finish())
}

fn proof_key(key: &Key, name: &str, shape: &[u64]) -> crate::chips::TensorKey {
    key.tensor("alcaide/weights/v1/proof", &identity(name, shape))
}

fn place_key(key: &Key, shape: &[u64]) -> crate::chips::TensorKey {
    key.tensor("alcaide/weights/v1/place", &identity("", shape))
}

/// Hands the numbers of a part to `each`, in order.
fn each(
    input: &dyn Input,
    layout: &Layout,
    view: &View<'_>,
    mut each: impl FnMut(&[f32]),
) -> Result<(), NumbersError> {
    let mut numbers = Numbers::open(input, layout, view.tensor)?;
    let piece = crate::numbers::PIECE as u64;
    let mut values = Vec::new();
    let mut done = 0;
    while done < view.count {
        let size = piece.min(view.count - done);
        values.resize(usize::try_from(size).unwrap_or_default(), 0.0);
        numbers.read(view.at + done, &mut values)?;
        each(&values);
        done += size;
    }
    Ok(())
}

/// `m·Σ_k A_k² / (Σ_k A_k)²` with `A_k` the energy of lane `k`: 1 where it is spread evenly.
#[expect(clippy::cast_precision_loss, reason = "a count of lanes")]
fn spread(sums: &Sums) -> f64 {
    let squares: f64 = sums.energy.iter().map(|energy| energy * energy).sum();
    if sums.square > 0.0 { sums.energy.len() as f64 * squares / (sums.square * sums.square) } else { 1.0 }
}

/// Why nothing can be said about descent.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LineageError {
    /// The tensors of a file are not known.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A tensor cannot be read.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// It has more parts than are compared.
    #[error("the file has more than 65,536 matrices")]
    TooMany,
    /// The card was made with another key.
    #[error("the card was made with another key")]
    Key,
}

/// Lanes of the sums that the statistic is made of.
const PROOF_LANES: usize = 2048;
/// Lanes of the sums that pairs are found by.
const PLACE_LANES: usize = 256;
/// Fewest numbers of a part that is compared.
const COUNT_MIN: u64 = 4096;
/// Most matrices of a stack that is taken apart.
const STACK_MAX: u64 = 1024;
/// Most parts of a file that are compared.
const VIEWS_MAX: usize = 1 << 16;

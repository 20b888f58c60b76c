//! Which row and column of the original is which of the candidate? Undoes permuted and scaled neurons.
//!
//! Neurons of a hidden layer can change places, and one's weights can be scaled if those that follow are scaled back: the network
//! computes the same, and a mark by places is gone. Against the original that is undone without knowing any key:
//!
//! - **One side.** Each row is summed into 256 lanes under public signs; rows whose sums have the largest correlation for each other, either way round, belong
//!   together. Those are taken, and the rest compared among themselves, up to 32 times. `O(n²·256)` for `n` rows. Two unrelated rows correlate
//!   by about 1/16; rows with noise as large as themselves by 0.7. Columns likewise.
//! - **Both sides.** Moments of a row do not depend on the order of its columns: they give a first order of rows, and then columns and rows are
//!   matched in turn under what is known of the other side, until nothing changes. It needs rows that differ by more than the noise does.
//! - **Before that** every row is divided by its length, and then every column, so that scaled neurons look as they did; a neuron whose sign was turned is
//!   found among rows whose columns stayed in place, not otherwise.
//! - **Scale.** Per row, then per column, the least-squares factor over weights that the candidate did not set to 0.
//!
//! Source: the attack is that of arXiv 2112.14108.

mod pairs;
mod sketch;

use crate::numbers::{Numbers, NumbersError};
use sketch::Normed;

/// Which sides of a matrix may have been permuted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sides {
    /// Neither; only scales are undone.
    Neither,
    /// Rows.
    Rows,
    /// Columns.
    Columns,
    /// Both at once.
    Both,
}

/// Where each row and column of the original is in the candidate, and by what it was multiplied.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// `rows[i]` of the candidate is row `i` of the original.
    pub rows: Vec<u32>,
    /// Likewise for columns.
    pub columns: Vec<u32>,
    row_scale: Vec<f32>,
    column_scale: Vec<f32>,
    sure: f64,
}

impl Alignment {
    /// Share of rows, or columns, whose sketch has a correlation of [`LIKE`] at least with that of its counterpart; unrelated ones seldom have.
    #[must_use]
    pub fn sure_0_1(&self) -> f64 {
        self.sure
    }

    /// Hands `candidate, put back in order and scale, − original` to `each`, row by row in the original's order; 0 where the candidate is 0 or not finite.
    pub(crate) fn residual(
        &self,
        before: &mut Numbers<'_>,
        after: &mut Numbers<'_>,
        mut each: impl FnMut(&[f32]),
    ) -> Result<(), NumbersError> {
        self.walk(before, after, |row, old, new| {
            let scale = self.row_scale.get(row).copied().unwrap_or(1.0);
            for ((new, old), column) in new.iter_mut().zip(old).zip(&self.column_scale) {
                let factor = scale * column;
                let counts = *new != 0.0 && new.is_finite() && old.is_finite() && factor != 0.0;
                *new = if counts { *new / factor - old } else { 0.0 };
            }
            each(new);
        })
    }

    /// Hands each row of the original and that of the candidate, its columns in the original's order, to `each`.
    fn walk(
        &self,
        before: &mut Numbers<'_>,
        after: &mut Numbers<'_>,
        mut each: impl FnMut(usize, &[f32], &mut [f32]),
    ) -> Result<(), NumbersError> {
        let columns = self.columns.len();
        let (mut old, mut raw, mut new) = (vec![0.0; columns], vec![0.0; columns], vec![0.0; columns]);
        for (row, there) in self.rows.iter().enumerate() {
            before.read(row as u64 * columns as u64, &mut old)?;
            after.read(u64::from(*there) * columns as u64, &mut raw)?;
            for (new, from) in new.iter_mut().zip(&self.columns) {
                *new = raw.get(*from as usize).copied().unwrap_or(0.0);
            }
            each(row, &old, &mut new);
        }
        Ok(())
    }

    /// Finds the factors of rows, and then of columns.
    fn scale(&mut self, before: &mut Numbers<'_>, after: &mut Numbers<'_>) -> Result<(), NumbersError> {
        let mut row_scale = vec![1.0; self.rows.len()];
        self.walk(before, after, |row, old, new| {
            let (mut along, mut square) = (0.0, 0.0);
            for (old, new) in
                old.iter().zip(new).filter(|(old, new)| **new != 0.0 && (**old * **new).is_finite())
            {
                along += f64::from(*old * *new);
                square += f64::from(*old * *old);
            }
            if let Some(to) = row_scale.get_mut(row) {
                *to = factor(along, square);
            }
        })?;
        let mut sums = vec![(0.0_f64, 0.0_f64); self.columns.len()];
        self.walk(before, after, |row, old, new| {
            let scale = row_scale.get(row).copied().unwrap_or(1.0);
            for ((sum, old), new) in sums.iter_mut().zip(old).zip(new) {
                if *new != 0.0 && (*old * *new).is_finite() {
                    let old = f64::from(*old * scale);
                    sum.0 += old * f64::from(*new);
                    sum.1 += old * old;
                }
            }
        })?;
        self.row_scale = row_scale;
        self.column_scale = sums.into_iter().map(|(along, square)| factor(along, square)).collect();
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a ratio of floats of 32 bits")]
fn factor(along: f64, square: f64) -> f32 {
    let factor = (along / square) as f32;
    if factor.is_finite() && factor != 0.0 { factor } else { 1.0 }
}

/// Aligns the candidate `after` to the original `before`, both with these rows and columns.
///
/// # Errors
/// [`AlignError`] if a side that is to be aligned is longer than [`SIDE_MAX`], or a file cannot be read.
pub fn align(
    before: &mut Numbers<'_>,
    after: &mut Numbers<'_>,
    (rows, columns): (u64, u64),
    sides: Sides,
) -> Result<Alignment, AlignError> {
    if before.count() != rows.saturating_mul(columns) || after.count() != before.count() {
        return Err(AlignError::Shape);
    }
    let too_long = rows > u64::from(u32::MAX)
        || columns > u64::from(SIDE_MAX) * 64
        || matches!(sides, Sides::Rows | Sides::Both) && rows > u64::from(SIDE_MAX)
        || matches!(sides, Sides::Columns | Sides::Both) && columns > u64::from(SIDE_MAX);
    if too_long {
        return Err(AlignError::TooLong { rows, columns });
    }
    let in_place = |count: u64| (0..u32::try_from(count).unwrap_or(u32::MAX)).collect::<Vec<u32>>();
    let mut found = Alignment {
        rows: in_place(rows),
        columns: in_place(columns),
        row_scale: vec![1.0; usize::try_from(rows).unwrap_or_default()],
        column_scale: vec![1.0; usize::try_from(columns).unwrap_or_default()],
        sure: 1.0,
    };
    match sides {
        Sides::Neither => {}
        Sides::Rows => found.match_rows(before, after)?,
        Sides::Columns => found.match_columns(before, after)?,
        Sides::Both => {
            let old = Normed::of(before, (rows, columns))?.moments()?;
            let new = Normed::of(after, (rows, columns))?.moments()?;
            (found.rows, _) = pairs::pair(&old, &new, pairs::Turned::Never);
            for _ in 0..TURNS_MAX {
                let before_turn = (found.rows.clone(), found.columns.clone());
                found.match_columns(before, after)?;
                found.match_rows(before, after)?;
                if before_turn == (found.rows.clone(), found.columns.clone()) {
                    break;
                }
            }
        }
    }
    found.scale(before, after)?;
    Ok(found)
}

impl Alignment {
    fn match_rows(&mut self, before: &mut Numbers<'_>, after: &mut Numbers<'_>) -> Result<(), NumbersError> {
        let shape = (self.rows.len() as u64, self.columns.len() as u64);
        let old = Normed::of(before, shape)?.row_sketches(None)?;
        let new = Normed::of(after, shape)?.row_sketches(Some(&self.columns))?;
        (self.rows, self.sure) = pairs::pair(&old, &new, pairs::Turned::MayBe);
        Ok(())
    }

    fn match_columns(
        &mut self,
        before: &mut Numbers<'_>,
        after: &mut Numbers<'_>,
    ) -> Result<(), NumbersError> {
        let shape = (self.rows.len() as u64, self.columns.len() as u64);
        let old = Normed::of(before, shape)?.column_sketches(None)?;
        let new = Normed::of(after, shape)?.column_sketches(Some(&self.rows))?;
        (self.columns, self.sure) = pairs::pair(&old, &new, pairs::Turned::MayBe);
        Ok(())
    }
}

/// Why nothing was aligned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The two have not this shape.
    #[error("the original and the candidate have different shapes")]
    Shape,
    /// Matching would take too long.
    #[error("a matrix of {rows} by {columns} is too long a side to be re-aligned")]
    TooLong {
        /// Its rows.
        rows: u64,
        /// Its columns.
        columns: u64,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
}

/// Longest side that is re-aligned: its square times 256 is 2^38 multiplications.
pub const SIDE_MAX: u32 = 1 << 15;
/// Correlation of sketches from which on two count as surely matched.
const LIKE: f32 = 0.4;
/// Turns of columns and rows before it is left as it is.
const TURNS_MAX: usize = 8;

#[cfg(test)]
mod tests;

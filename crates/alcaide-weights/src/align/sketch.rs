//! What is short about each row or column: sums under public signs, or moments.

use crate::chips::Key;
use crate::numbers::{Numbers, NumbersError};

/// A short vector for each row or column, one after the other, of length 1 or all zeros.
pub(super) struct Sketches {
    pub(super) values: Vec<f32>,
    pub(super) wide: usize,
}

impl Sketches {
    /// Scales each to length 1.
    fn normed(mut self) -> Self {
        for one in self.values.chunks_mut(self.wide) {
            let square: f32 = one.iter().map(|value| value * value).sum();
            let over = over(square);
            one.iter_mut().for_each(|value| *value *= over);
        }
        self
    }
}

/// A lane and a sign for each place on a side.
fn places(count: u64) -> Vec<(usize, f32)> {
    let key = Key::public();
    let draws = (0..count.div_ceil(16)).flat_map(|at| {
        let draw = *key.mac("alcaide/weights/v1/align", &at.to_le_bytes()).as_bytes();
        let pairs: Vec<[u8; 2]> = draw.as_chunks::<2>().0.to_vec();
        pairs
    });
    draws.map(|[lane, sign]| (usize::from(lane) % LANES, if sign & 1 == 0 { 1.0 } else { -1.0 })).collect()
}

/// A matrix whose rows, and then whose columns, have length 1.
pub(super) struct Normed<'n, 'a> {
    numbers: &'n mut Numbers<'a>,
    rows: u64,
    over_row: Vec<f32>,
    over_column: Vec<f32>,
}

impl<'n, 'a> Normed<'n, 'a> {
    /// Of `numbers`, with these rows and columns; one reading.
    pub(super) fn of(
        numbers: &'n mut Numbers<'a>,
        (rows, columns): (u64, u64),
    ) -> Result<Self, NumbersError> {
        let wide = usize::try_from(columns).unwrap_or_default();
        let mut normed = Self { numbers, rows, over_row: Vec::new(), over_column: vec![1.0; wide] };
        let mut row = vec![0.0; wide];
        let mut squares = vec![0.0_f32; wide];
        for at in 0..rows {
            normed.over_row.push(1.0);
            normed.row(at, &mut row)?;
            let over = over(row.iter().map(|value| value * value).sum());
            if let Some(to) = normed.over_row.last_mut() {
                *to = over;
            }
            for (square, value) in squares.iter_mut().zip(&row) {
                *square += (value * over).powi(2);
            }
        }
        normed.over_column = squares.into_iter().map(over).collect();
        Ok(normed)
    }

    /// Sums of each row, whose columns are read in the order `order`.
    pub(super) fn row_sketches(mut self, order: Option<&[u32]>) -> Result<Sketches, NumbersError> {
        // Where a column's place in the original's order sends it.
        let drawn = places(self.over_column.len() as u64);
        let mut sends = drawn.clone();
        for (place, there) in order.into_iter().flatten().enumerate() {
            if let (Some(to), Some(from)) = (sends.get_mut(*there as usize), drawn.get(place)) {
                *to = *from;
            }
        }
        let mut values = vec![0.0; self.over_row.len() * LANES];
        let mut row = vec![0.0; self.over_column.len()];
        for (at, sums) in values.chunks_mut(LANES).enumerate() {
            self.row(at as u64, &mut row)?;
            for (value, (lane, sign)) in row.iter().zip(&sends) {
                if let Some(sum) = sums.get_mut(*lane) {
                    *sum += value * sign;
                }
            }
        }
        Ok(Sketches { values, wide: LANES }.normed())
    }

    /// Sums of each column, whose rows are read in the order `order`.
    pub(super) fn column_sketches(mut self, order: Option<&[u32]>) -> Result<Sketches, NumbersError> {
        let wide = self.over_column.len();
        let mut lanes = vec![0.0; wide * LANES];
        let mut row = vec![0.0; wide];
        for (at, (lane, sign)) in (0..self.rows).zip(places(self.rows)) {
            let there =
                usize::try_from(at).ok().and_then(|at| order?.get(at)).map_or(at, |there| u64::from(*there));
            self.row(there, &mut row)?;
            if let Some(sums) = lanes.chunks_mut(wide.max(1)).nth(lane) {
                for (sum, value) in sums.iter_mut().zip(&row) {
                    *sum += value * sign;
                }
            }
        }
        let mut values = vec![0.0; lanes.len()];
        for (lane, sums) in lanes.chunks(wide.max(1)).enumerate() {
            for (column, sum) in values.chunks_mut(LANES).zip(sums) {
                if let Some(to) = column.get_mut(lane) {
                    *to = *sum;
                }
            }
        }
        Ok(Sketches { values, wide: LANES }.normed())
    }

    /// Means of the first twelve Hermite polynomials of each row's weights, less those of the average row, over the spread of all rows.
    ///
    /// They are orthogonal for Gaussian weights, so each says something of its own; noise of variance `v` costs the `k`-th a part `k·v`.
    pub(super) fn moments(mut self) -> Result<Sketches, NumbersError> {
        // A count in a square root.
        let size = (self.over_column.len() as f32).sqrt();
        let mut values = Vec::new();
        let mut row = vec![0.0; self.over_column.len()];
        for at in 0..self.rows {
            self.row(at, &mut row)?;
            let mut sums = [0.0_f32; MOMENTS];
            for value in &row {
                let x = (value * size).clamp(-4.0, 4.0);
                // He_(k+1) = x·He_k − k·He_(k−1), each over the root of its factorial.
                let (mut before, mut now, mut order) = (0.0_f32, 1.0_f32, 0.0_f32);
                for sum in &mut sums {
                    let next = (x * now - order.sqrt() * before) / (order + 1.0).sqrt();
                    (before, now, order) = (now, next, order + 1.0);
                    *sum += now;
                }
            }
            values.extend_from_slice(&sums);
        }
        let count = self.rows.max(1) as f32;
        for at in 0..MOMENTS {
            let lane = || values.iter().skip(at).step_by(MOMENTS);
            let mean = lane().sum::<f32>() / count;
            let spread = (lane().map(|value| (value - mean).powi(2)).sum::<f32>() / count).sqrt();
            let over = if spread > 0.0 { 1.0 / spread } else { 0.0 };
            values.iter_mut().skip(at).step_by(MOMENTS).for_each(|value| *value = (*value - mean) * over);
        }
        Ok(Sketches { values, wide: MOMENTS }.normed())
    }

    /// A row; what is not finite is 0.
    fn row(&mut self, at: u64, into: &mut [f32]) -> Result<(), NumbersError> {
        self.numbers.read(at * self.over_column.len() as u64, into)?;
        let over = usize::try_from(at).ok().and_then(|at| self.over_row.get(at)).copied().unwrap_or(1.0);
        for (value, column) in into.iter_mut().zip(&self.over_column) {
            *value = if value.is_finite() { *value * over * column } else { 0.0 };
        }
        Ok(())
    }
}

/// `1/√square`, or 0.
fn over(square: f32) -> f32 {
    if square > 0.0 && square.is_finite() { 1.0 / square.sqrt() } else { 0.0 }
}

/// Numbers of a sketch.
const LANES: usize = 256;
/// Polynomials that a row is known by.
const MOMENTS: usize = 12;

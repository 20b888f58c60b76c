//! What was added to the base, and of what rank? A merged adapter leaves few directions, a tuning many.
//!
//! `D = candidate − base`, `Y = D·Ω` with 64 columns of public signs, `G = Yᵀ·Y`: its eigenvalues are about 64 times squares of the singular values of `D`,
//! as long as there are fewer than 64. They are found by Jacobi's rotations. The rank is where they fall most, if they fall by
//! [`DROP`] at least before [`RANK_MAX`]; what comes after is the floor of rounding.
//!
//! Source: Halko, Martinsson, Tropp, *Finding structure with randomness*, 2011, section 4.

use alcaide_container::Input;

use super::{LineageError, views};
use crate::chips::Key;
use crate::layout::Layout;
use crate::numbers::Numbers;

/// What was added to one matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Residual {
    /// As the base calls it.
    pub name: String,
    /// `|D| / |base|`.
    pub change: f64,
    /// The rank of what stands out, if anything does.
    pub rank: Option<u32>,
    /// Share of the energy of `D·Ω` in that rank; 0 without one.
    pub share_0_1: f64,
    /// How far eigenvalues fall at the edge.
    pub drop: f64,
}

/// Judges what was added to the matrix `name` of the base, which the candidate calls `called`.
///
/// One reading of both; memory is that of two rows and 64 numbers for each column. `None` if one of both is no matrix with more than 64 rows and columns, they have different shapes or nothing differs.
///
/// # Errors
/// [`LineageError`] if a file cannot be read.
pub fn residual(
    base: &dyn Input,
    name: &str,
    candidate: &dyn Input,
    called: &str,
) -> Result<Option<Residual>, LineageError> {
    let layouts = (Layout::read(base)?, Layout::read(candidate)?);
    let (ours, theirs) = (views(&layouts.0)?, views(&layouts.1)?);
    let pair = ours.iter().find(|view| view.name == name).zip(theirs.iter().find(|view| view.name == called));
    let Some((old, new)) = pair.filter(|(old, new)| old.shape == new.shape) else { return Ok(None) };
    let [rows, columns] = old.shape.as_slice() else { return Ok(None) };
    let wide = usize::try_from(*columns).unwrap_or(usize::MAX);
    if wide > COLUMNS_MAX || (*rows).min(*columns) <= WIDE as u64 {
        return Ok(None);
    }
    let mut before = Numbers::open(base, &layouts.0, old.tensor)?;
    let mut after = Numbers::open(candidate, &layouts.1, new.tensor)?;
    let signs = signs(*columns);
    let mut gram = vec![0.0_f64; WIDE * WIDE];
    let (mut was, mut is) = (vec![0.0; wide], vec![0.0; wide]);
    let (mut size, mut added) = (0.0, 0.0);
    for row in 0..*rows {
        before.read(old.at + row * columns, &mut was)?;
        after.read(new.at + row * columns, &mut is)?;
        let mut along = [0.0_f32; WIDE];
        for ((was, is), signs) in was.iter().zip(&is).zip(signs.as_chunks::<WIDE>().0) {
            let difference = if was.is_finite() && is.is_finite() { is - was } else { 0.0 };
            size += if was.is_finite() { f64::from(was * was) } else { 0.0 };
            added += f64::from(difference * difference);
            if difference != 0.0 {
                for (along, sign) in along.iter_mut().zip(signs) {
                    *along += difference * sign;
                }
            }
        }
        for (line, one) in gram.chunks_mut(WIDE).zip(along) {
            for (sum, other) in line.iter_mut().zip(along) {
                *sum += f64::from(one) * f64::from(other);
            }
        }
    }
    if added == 0.0 || size == 0.0 {
        return Ok(None);
    }
    let values = eigenvalues(gram);
    let (rank, drop) = edge(&values);
    let total: f64 = values.iter().sum();
    let share_0_1 = rank.map_or(0.0, |rank| values.iter().take(rank as usize).sum::<f64>() / total);
    Ok(Some(Residual { name: name.to_owned(), change: (added / size).sqrt(), rank, share_0_1, drop }))
}

/// Where eigenvalues, largest first, fall most, and how far.
fn edge(values: &[f64]) -> (Option<u32>, f64) {
    let floor = values.first().copied().unwrap_or(0.0) * 1e-12;
    let falls = values.windows(2).take(RANK_MAX).map(|pair| match pair {
        [high, low] => high.max(floor) / low.max(floor).max(f64::MIN_POSITIVE),
        _ => 1.0,
    });
    let most = falls.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    match most {
        Some((at, drop)) => (u32::try_from(at + 1).ok().filter(|_| drop >= DROP), drop),
        None => (None, 1.0),
    }
}

/// 64 signs for each column.
fn signs(columns: u64) -> Vec<f32> {
    let key = Key::public();
    let mut out = Vec::new();
    for at in 0..columns.div_ceil(4) {
        let draw = key.mac("alcaide/weights/v1/residual", &at.to_le_bytes());
        for byte in draw.as_bytes() {
            out.extend((0..8).map(|bit| if byte >> bit & 1 == 1 { -1.0 } else { 1.0 }));
        }
    }
    out
}

/// Eigenvalues of a symmetric matrix of [`WIDE`] by [`WIDE`], largest first, by cyclic Jacobi rotations.
///
/// Source: Golub, Van Loan, *Matrix Computations*, 4th edition, section 8.5.
fn eigenvalues(mut matrix: Vec<f64>) -> Vec<f64> {
    let at =
        |matrix: &[f64], row: usize, column: usize| matrix.get(row * WIDE + column).copied().unwrap_or(0.0);
    let scale = (0..WIDE).map(|one| at(&matrix, one, one).abs()).fold(0.0, f64::max);
    for _ in 0..SWEEPS_MAX {
        let mut turned = false;
        for p in 0..WIDE {
            for q in p + 1..WIDE {
                let off = at(&matrix, p, q);
                if off.abs() <= scale * 1e-15 {
                    continue;
                }
                turned = true;
                let theta = (at(&matrix, q, q) - at(&matrix, p, p)) / (2.0 * off);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..WIDE {
                    let (kp, kq) = (at(&matrix, k, p), at(&matrix, k, q));
                    set(&mut matrix, k, p, c * kp - s * kq);
                    set(&mut matrix, k, q, s * kp + c * kq);
                }
                for k in 0..WIDE {
                    let (pk, qk) = (at(&matrix, p, k), at(&matrix, q, k));
                    set(&mut matrix, p, k, c * pk - s * qk);
                    set(&mut matrix, q, k, s * pk + c * qk);
                }
            }
        }
        if !turned {
            break;
        }
    }
    let mut values: Vec<f64> = (0..WIDE).map(|one| at(&matrix, one, one).max(0.0)).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

fn set(matrix: &mut [f64], row: usize, column: usize, value: f64) {
    if let Some(to) = matrix.get_mut(row * WIDE + column) {
        *to = value;
    }
}

/// Columns of signs.
const WIDE: usize = 64;
/// Largest rank that is told apart: above it the signs see too little of the floor.
pub const RANK_MAX: usize = 48;
/// Least fall at the edge of a rank. Of a full tuning the largest neighbours differ by less than 2.
pub const DROP: f64 = 8.0;
/// Most columns: 64 signs of each are held.
const COLUMNS_MAX: usize = 1 << 19;
/// Rotations of all pairs; some ten are enough.
const SWEEPS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_are_those_of_known_matrices() {
        // The second difference: 2 − 2·cos(kπ/65).
        let mut matrix = vec![0.0; WIDE * WIDE];
        for at in 0..WIDE {
            matrix[at * WIDE + at] = 2.0;
            if at > 0 {
                matrix[at * WIDE + at - 1] = -1.0;
                matrix[(at - 1) * WIDE + at] = -1.0;
            }
        }
        for (at, value) in eigenvalues(matrix).into_iter().enumerate() {
            let expected = 2.0 - 2.0 * ((WIDE - at) as f64 * std::f64::consts::PI / (WIDE + 1) as f64).cos();
            assert!((value - expected).abs() < 1e-9, "{at}: {value} {expected}");
        }
        assert_eq!(eigenvalues(vec![0.0; WIDE * WIDE]), vec![0.0; WIDE]);
    }
}

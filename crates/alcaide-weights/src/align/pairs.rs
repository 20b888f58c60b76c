//! Which of these vectors belongs to which of those? Those that choose each other, then the rest again.

use super::LIKE;
use super::sketch::Sketches;

/// Where each of `old` is in `new`, and which share of them chose each other and are alike.
///
/// What stays unchosen after 32 rounds keeps the order that it has.
pub(super) fn pair(old: &Sketches, new: &Sketches, turned: Turned) -> (Vec<u32>, f64) {
    let count = old.values.len() / old.wide.max(1);
    let mut found: Vec<Option<u32>> = vec![None; count];
    let mut alike = 0_usize;
    let mut left: Vec<usize> = (0..count).collect();
    let mut free: Vec<usize> = (0..count).collect();
    for _ in 0..ROUNDS_MAX {
        if left.is_empty() {
            break;
        }
        let (best_of_old, best_of_new) = best(old, new, (&left, &free), turned);
        let before = left.len();
        for (at, (old, choice)) in left.iter().zip(&best_of_old).enumerate() {
            let mutual = best_of_new.get(choice.0).is_some_and(|back| back.0 == at && choice.1 > 0.0);
            if let (true, Some(to), Some(there)) = (mutual, found.get_mut(*old), free.get(choice.0)) {
                *to = u32::try_from(*there).ok();
                alike += usize::from(choice.1 >= LIKE);
            }
        }
        left.retain(|old| found.get(*old) == Some(&None));
        let mut taken = vec![false; count];
        for there in found.iter().flatten() {
            if let Some(taken) = taken.get_mut(*there as usize) {
                *taken = true;
            }
        }
        free.retain(|there| taken.get(*there) == Some(&false));
        if left.len() == before {
            break;
        }
    }
    for (old, there) in left.iter().zip(&free) {
        if let Some(to) = found.get_mut(*old) {
            *to = u32::try_from(*there).ok();
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let sure = if count == 0 { 1.0 } else { alike as f64 / count as f64 };
    (found.into_iter().map(Option::unwrap_or_default).collect(), sure)
}

/// Whether a vector may have changed its sign, as neurons can.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turned {
    /// It may.
    MayBe,
    /// It has no sign.
    Never,
}

/// For each of both sides its best on the other, by place in the lists, and how good it is.
type Best = Vec<(usize, f32)>;

fn best(old: &Sketches, new: &Sketches, (left, free): (&[usize], &[usize]), turned: Turned) -> (Best, Best) {
    let vector = |of: &'_ Sketches, at: usize| -> Vec<f32> {
        of.values.get(at * of.wide..(at + 1) * of.wide).unwrap_or_default().to_vec()
    };
    let mut of_old = vec![(0, -1.0_f32); left.len()];
    let mut of_new = vec![(0, -1.0_f32); free.len()];
    // Tiles of both sides stay in the cache.
    for (tile, olds) in left.chunks(TILE).enumerate() {
        let a: Vec<Vec<f32>> = olds.iter().map(|at| vector(old, *at)).collect();
        for (other, news) in free.chunks(TILE).enumerate() {
            let b: Vec<Vec<f32>> = news.iter().map(|at| vector(new, *at)).collect();
            for ((i, a), best_of_old) in a.iter().enumerate().zip(of_old.iter_mut().skip(tile * TILE)) {
                for ((j, b), best_of_new) in b.iter().enumerate().zip(of_new.iter_mut().skip(other * TILE)) {
                    let product = dot(a, b);
                    let likeness = if turned == Turned::MayBe { product.abs() } else { product };
                    if likeness > best_of_old.1 {
                        *best_of_old = (other * TILE + j, likeness);
                    }
                    if likeness > best_of_new.1 {
                        *best_of_new = (tile * TILE + i, likeness);
                    }
                }
            }
        }
    }
    (of_old, of_new)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (a, rest_a) = a.as_chunks::<16>();
    let (b, rest_b) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

const ROUNDS_MAX: usize = 32;
const TILE: usize = 64;

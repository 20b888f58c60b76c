//! Does a candidate descend from the base of a card? Pairs, cosines, one statistic, a verdict.

use std::collections::{HashMap, HashSet};

use alcaide_container::Input;

use super::card::{Card, Fingerprint};
use super::{LineageError, Norming, PLACE_LANES, View, each, place_key, proof_sums, spread, views};
use crate::chips::{Correlator, Energy, Key};
use crate::layout::Layout;
use crate::numbers::NumbersError;
use crate::tail::{Chance, signed_square, signed_square_at};

/// What can be said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The bound is at most [`ALPHA`].
    Derives,
    /// Most of the base has a counterpart, and their similarity stays below [`UNLIKE`] even at the bound.
    DoesNot,
    /// Neither.
    CannotTell,
}

/// How a pair was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paired {
    /// Both have one name and shape.
    ByName,
    /// They have one shape, and are the most similar that were left.
    BySimilarity,
}

/// A tensor of the base and its counterpart.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// As the base calls it.
    pub base: String,
    /// As the candidate calls it.
    pub candidate: String,
    /// How it was found.
    pub paired: Paired,
    /// Its weights.
    pub weights: u64,
    /// Estimated cosine of the two; its deviation is at most that of [`Pair::deviation`].
    pub cosine: f64,
    /// Bound of the estimate's standard deviation.
    pub deviation: f64,
}

/// What was seen, and what follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What follows.
    pub verdict: Verdict,
    /// Tensors and their counterparts, in the order of the base.
    pub pairs: Vec<Pair>,
    /// Mean of the cosines.
    pub mean: f64,
    /// `(Σĉ − T·ρ₀) / √Σvar`.
    pub t: f64,
    /// Bound for so large a `t` if the mean of the true cosines is at most [`RELATED`].
    pub chance: Chance,
    /// What the mean of the true cosines exceeds with a chance of at most [`BETA`].
    pub mean_at_most: f64,
    /// Share of the base's weights that have a counterpart.
    pub covered_0_1: f64,
    /// Tensors of the candidate that were compared with nothing.
    pub alone: Vec<String>,
    /// Tensors of the candidate that are of a type that is not read.
    pub unread: Vec<String>,
}

/// Compares a candidate with the base of `card`, which was made with `key`.
///
/// Three readings of the candidate; four of tensors that are paired by similarity, which compares all pairs of one shape.
///
/// # Errors
/// [`LineageError`] if the candidate cannot be read or the key is another.
pub fn compare(card: &Card, key: &Key, candidate: &dyn Input) -> Result<Comparison, LineageError> {
    if card.key_id != key.id().to_string() {
        return Err(LineageError::Key);
    }
    let layout = Layout::read(candidate)?;
    let mut unread = Vec::new();
    let mut parts = Vec::new();
    for view in views(&layout)? {
        match Norming::of(candidate, &layout, &view) {
            Ok(norming) => parts.push((view, norming)),
            Err(NumbersError::Unread { .. }) => unread.push(view.name),
            Err(error) => return Err(error.into()),
        }
    }
    let chosen = pair(card, key, candidate, &layout, &parts)?;
    let mut pairs = Vec::new();
    for (base, choice) in card.tensors.iter().zip(&chosen) {
        let Some((part, paired)) = choice else { continue };
        let Some((view, norming)) = parts.get(*part) else { continue };
        let sums = proof_sums(candidate, &layout, view, *norming, key, &base.name)?;
        let along: f64 = base.proof.values().zip(&sums.sums).map(|(a, b)| f64::from(a) * b).sum();
        let size = (f64::from(base.square) * sums.square).sqrt();
        // Where one of both is constant there is nothing to compare; it counts as unlike.
        let cosine = if size > 0.0 { along / size } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "a count of lanes")]
        let lanes = super::PROOF_LANES as f64;
        let deviation = (2.0 * (f64::from(base.spread) * spread(&sums).max(1.0)).sqrt() / lanes).sqrt();
        pairs.push(Pair {
            base: base.name.clone(),
            candidate: view.name.clone(),
            paired: *paired,
            weights: base.count(),
            cosine,
            deviation,
        });
    }
    let compared: HashSet<usize> = chosen.iter().flatten().map(|(part, _)| *part).collect();
    let alone = parts.iter().enumerate().filter(|(at, _)| !compared.contains(at));
    let alone = alone.map(|(_, (view, _))| view.name.clone()).collect();
    Ok(judge(card, pairs, alone, unread))
}

fn judge(card: &Card, pairs: Vec<Pair>, alone: Vec<String>, unread: Vec<String>) -> Comparison {
    #[expect(clippy::cast_precision_loss, reason = "counts in a mean")]
    let (count, covered, weights) = (
        pairs.len().max(1) as f64,
        pairs.iter().fold(0, |sum: u64, pair| sum.saturating_add(pair.weights)) as f64,
        card.weights().max(1) as f64,
    );
    let sum: f64 = pairs.iter().map(|pair| pair.cosine).sum();
    let deviation = pairs.iter().map(|pair| pair.deviation * pair.deviation).sum::<f64>().sqrt();
    let mean = sum / count;
    let t = if deviation > 0.0 { (sum - count * RELATED) / deviation } else { 0.0 };
    let chance = signed_square(t);
    let allowed = signed_square_at(BETA) * deviation / count;
    let mean_at_most = if pairs.is_empty() { 1.0 } else { (mean + allowed).min(1.0) };
    let covered_0_1 = covered / weights;
    let verdict = if chance.ln() <= ALPHA.ln() {
        Verdict::Derives
    } else if covered_0_1 >= 0.5 && mean_at_most < UNLIKE {
        Verdict::DoesNot
    } else {
        Verdict::CannotTell
    };
    Comparison { verdict, pairs, mean, t, chance, mean_at_most, covered_0_1, alone, unread }
}

/// For each tensor of the base which part of the candidate it is compared with.
type Chosen = Vec<Option<(usize, Paired)>>;

fn pair(
    card: &Card,
    key: &Key,
    candidate: &dyn Input,
    layout: &Layout,
    parts: &[(View<'_>, Norming)],
) -> Result<Chosen, LineageError> {
    let by_name: HashMap<&str, usize> =
        parts.iter().enumerate().map(|(at, (view, _))| (view.name.as_str(), at)).collect();
    let mut chosen: Chosen = card
        .tensors
        .iter()
        .map(|base| {
            let at = by_name.get(base.name.as_str())?;
            parts.get(*at).filter(|(view, _)| view.shape == base.shape).map(|_| (*at, Paired::ByName))
        })
        .collect();
    let mut taken = vec![false; parts.len()];
    for (part, _) in chosen.iter().flatten() {
        if let Some(taken) = taken.get_mut(*part) {
            *taken = true;
        }
    }
    // What is left, by shape.
    let mut left: HashMap<&[u64], Vec<usize>> = HashMap::new();
    for (at, (base, _)) in
        card.tensors.iter().zip(&chosen).enumerate().filter(|(_, (_, choice))| choice.is_none())
    {
        left.entry(&base.shape).or_default().push(at);
    }
    let mut free: HashMap<&[u64], Vec<(usize, Vec<f32>)>> = HashMap::new();
    for (at, (view, norming)) in parts.iter().enumerate().filter(|(at, _)| taken.get(*at) == Some(&false)) {
        if left.contains_key(view.shape.as_slice()) {
            let mut correlator = Correlator::new(place_key(key, &view.shape), PLACE_LANES, Energy::Total);
            let mut normed = Vec::new();
            each(candidate, layout, view, |piece| {
                norming.apply(piece, &mut normed);
                correlator.feed(&normed);
            })?;
            #[expect(clippy::cast_possible_truncation, reason = "sums are compared in 32 bits")]
            let sums = correlator.finish().sums.into_iter().map(|sum| sum as f32).collect();
            free.entry(&view.shape).or_default().push((at, sums));
        }
    }
    for (shape, bases) in left {
        let Some(free) = free.get(shape) else { continue };
        for (base, part) in most_similar(card, &bases, free) {
            if let Some(choice) = chosen.get_mut(base) {
                *choice = Some((part, Paired::BySimilarity));
            }
        }
    }
    Ok(chosen)
}

/// Pairs in the order of their likeness, each of both sides once.
fn most_similar(card: &Card, bases: &[usize], free: &[(usize, Vec<f32>)]) -> Vec<(usize, usize)> {
    let length = |sums: &[f32]| sums.iter().map(|sum| sum * sum).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    let lengths: Vec<f32> = free.iter().map(|(_, sums)| length(sums)).collect();
    // The best few of each are enough but for ties, and keep the list short.
    let mut likeness = Vec::new();
    for base in bases {
        let Some(place) =
            card.tensors.get(*base).map(|one: &Fingerprint| one.place.values().collect::<Vec<f32>>())
        else {
            continue;
        };
        let size = length(&place);
        let mut row: Vec<(f32, usize, usize)> = free
            .iter()
            .zip(&lengths)
            .map(|((part, sums), other)| {
                let along: f32 = place.iter().zip(sums).map(|(a, b)| a * b).sum();
                (along / size / other, *base, *part)
            })
            .collect();
        row.sort_by(|a, b| b.0.total_cmp(&a.0));
        row.truncate(BEST);
        likeness.append(&mut row);
    }
    likeness.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let (mut of_base, mut of_part) = (HashMap::new(), HashMap::new());
    for (_, base, part) in likeness {
        if !of_base.contains_key(&base) && !of_part.contains_key(&part) {
            of_base.insert(base, part);
            of_part.insert(part, base);
        }
    }
    // Whoever is still without one takes what is left, so that unlike files are compared too and not passed over.
    let mut rest = free.iter().map(|(part, _)| *part).filter(|part| !of_part.contains_key(part));
    for base in bases {
        if !of_base.contains_key(base)
            && let Some(part) = rest.next()
        {
            of_base.insert(*base, part);
        }
    }
    of_base.into_iter().collect()
}

/// Largest bound at which a candidate is said to descend.
pub const ALPHA: f64 = 1e-6;
/// Chance that "does not" allows for a mean that is larger.
pub const BETA: f64 = 1e-3;
/// Mean cosine that unrelated models may have: the null hypothesis.
pub const RELATED: f64 = 0.05;
/// Mean cosine below which a candidate is no descendant.
pub const UNLIKE: f64 = 0.25;
/// Counterparts of each tensor that are looked at.
const BEST: usize = 64;

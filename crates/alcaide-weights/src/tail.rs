//! How improbable is it? Bounds for the upper tails of the statistics, as logarithms, so that they neither round to zero nor run out.

use std::fmt;

/// A probability by its natural logarithm; never more than 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Chance(f64);

impl Chance {
    /// Certain.
    pub const ONE: Self = Self(0.0);

    /// Of this logarithm; what is above 0 or no number is 0, that is certainty.
    #[must_use]
    pub fn from_ln(ln: f64) -> Self {
        Self(if ln.is_nan() { 0.0 } else { ln.min(0.0) })
    }

    /// Its natural logarithm.
    #[must_use]
    pub const fn ln(self) -> f64 {
        self.0
    }

    /// The bound for any of `tests` such events (Bonferroni).
    #[must_use]
    pub fn of_any(self, tests: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a count of tests in a logarithm")]
        let tests = tests.max(1) as f64;
        Self::from_ln(self.0 + tests.ln())
    }

    /// The smaller one.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.0 / std::f64::consts::LN_10;
        if log > -4.0 {
            return write!(out, "{:.2}", 10_f64.powf(log));
        }
        let mut whole = log.floor();
        let mut digits = 10_f64.powf(log - whole);
        // 9.96 is not shown as 10.0.
        if digits >= 9.95 {
            digits = 1.0;
            whole += 1.0;
        }
        write!(out, "{digits:.1}e{whole:.0}")
    }
}

/// `P(M ≥ matches)` for `M` binomial with `of` fair trials: `Σ_{j ≥ matches} C(of, j) / 2^of`, summed in logarithms.
///
/// Takes `of` steps.
#[must_use]
pub fn fair(matches: u32, of: u32) -> Chance {
    if matches == 0 {
        return Chance::ONE;
    }
    let mut ln_choose = 0.0;
    let mut sum = f64::NEG_INFINITY;
    for at in 0..=of {
        if at > 0 {
            ln_choose += (f64::from(of - at + 1) / f64::from(at)).ln();
        }
        if at >= matches {
            let (large, small) = if sum > ln_choose { (sum, ln_choose) } else { (ln_choose, sum) };
            sum = large + (small - large).exp().ln_1p();
        }
    }
    Chance(if sum == f64::NEG_INFINITY {
        sum
    } else {
        (sum - f64::from(of) * std::f64::consts::LN_2).min(0.0)
    })
}

/// `P(Z ≥ z) ≤ exp(−z²/2)` for `Z = Σ s_i a_i / |a|` with independent fair signs `s_i`, whatever the `a_i` are.
///
/// Source: Hoeffding, *Probability inequalities for sums of bounded random variables*, 1963, theorem 2.
#[must_use]
pub fn signed_sum(z: f64) -> Chance {
    Chance::from_ln(if z > 0.0 { -z * z / 2.0 } else { 0.0 })
}

/// `P(|X| ≥ t·σ) ≤ exp(−t/e)` from `t = 2e` on, for a polynomial `X` of degree 2 in independent fair signs with mean 0
/// and variance `σ²`; certainty below.
///
/// Source: O'Donnell, *Analysis of Boolean Functions*, theorem 9.23 with `k = 2`.
#[must_use]
pub fn signed_square(t: f64) -> Chance {
    Chance::from_ln(if t >= 2.0 * std::f64::consts::E { -t / std::f64::consts::E } else { 0.0 })
}

/// The deviation in `σ` that [`signed_square`] allows at this chance.
#[must_use]
pub fn signed_square_at(chance: f64) -> f64 {
    (-chance.ln() * std::f64::consts::E).max(2.0 * std::f64::consts::E)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_tail_is_exact() {
        // By whole numbers, in Python.
        let exact = [
            (165, 2.186_342_373_641_205e-6, "2.2e-6"),
            (176, 9.434_883_206_283_462e-10, "9.4e-10"),
            (192, 2.448_550_823_838_898e-16, "2.4e-16"),
            (205, 2.329_024_487_483_33e-23, "2.3e-23"),
        ];
        for (matches, chance, shown) in exact {
            assert!((fair(matches, 256).ln() - f64::ln(chance)).abs() < 1e-10);
            assert_eq!(fair(matches, 256).to_string(), shown);
        }
        // Exactly: 2^-256 for all, 257·2^-256 for all but one, and the half that a symmetric law has.
        assert!((fair(256, 256).ln() + 256.0 * std::f64::consts::LN_2).abs() < 1e-9);
        assert!((fair(255, 256).ln() - (257_f64.ln() - 256.0 * std::f64::consts::LN_2)).abs() < 1e-9);
        assert!((fair(128, 255).ln() - 0.5_f64.ln()).abs() < 1e-9);
        assert_eq!((fair(0, 256), fair(257, 256).ln()), (Chance::ONE, f64::NEG_INFINITY));
    }

    #[test]
    fn tests_multiply_and_nothing_is_more_than_certain() {
        assert_eq!(fair(192, 256).of_any(1_000).to_string(), "2.4e-13");
        assert_eq!(signed_sum(0.5).of_any(1_000), Chance::ONE);
        assert_eq!(signed_sum(-9.0), Chance::ONE);
        assert_eq!(signed_sum(128.0).to_string(), "1.8e-3558");
        assert_eq!((signed_square(5.4), Chance::from_ln(f64::NAN)), (Chance::ONE, Chance::ONE));
        assert!((signed_square(signed_square_at(1e-6)).ln() - 1e-6_f64.ln()).abs() < 1e-9);
        assert_eq!(
            (Chance::ONE.to_string(), Chance::from_ln(0.03_f64.ln()).to_string()),
            ("1.00".into(), "0.03".into())
        );
    }
}

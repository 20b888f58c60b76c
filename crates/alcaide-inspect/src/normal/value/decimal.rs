//! Decimal numbers of any length, equal where they are worth the same.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A decimal number: sign, digits and a power of ten, kept so that equal numbers are equal values.
///
/// `100`, `100.0` and `1e2` are one; so are `0` and `-0`. It is as long as it was written, and exact: it can be compared,
/// not counted with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Decimal {
    negative: bool,
    /// No zero at either end; empty for zero.
    digits: Box<str>,
    /// The number is `digits` × 10^`power`.
    power: i32,
}

impl Decimal {
    /// The number `whole`.`fraction`, both ASCII digits.
    ///
    /// Nothing comes back for other characters, and for more than a million digits.
    pub(super) fn new(negative: bool, whole: &str, fraction: &str) -> Option<Self> {
        Self::scaled(negative, whole, fraction, 0)
    }

    fn scaled(negative: bool, whole: &str, fraction: &str, exponent: i32) -> Option<Self> {
        let all: String = whole.bytes().chain(fraction.bytes()).map(char::from).collect();
        if !all.bytes().all(|b| b.is_ascii_digit()) || all.len() > DIGITS_MAX {
            return None;
        }
        let digits = all.trim_end_matches('0');
        let dropped = i32::try_from(all.len() - digits.len()).ok()?;
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, digits: "".into(), power: 0 });
        }
        let power = exponent + dropped - i32::try_from(fraction.len()).ok()?;
        Some(Self { negative, digits: digits.into(), power })
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The same number with the other sign.
    pub(super) fn negated(self) -> Self {
        Self { negative: !self.negative && !self.digits.is_empty(), ..self }
    }
}

/// The order of the numbers.
impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        // Digits before the point, fewer than none for those behind it; below all others for zero.
        let size = |number: &Self| match i32::try_from(number.digits.len()) {
            Ok(0) | Err(_) => i32::MIN,
            Ok(length) => length.saturating_add(number.power),
        };
        let magnitude = size(self).cmp(&size(other)).then_with(|| self.digits.cmp(&other.digits));
        match (self.negative, other.negative) {
            (false, false) => magnitude,
            (true, true) => magnitude.reverse(),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The text is no decimal number as JSON writes one, or its exponent is past ±1000.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DecimalError;

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no decimal number, or an exponent past 1000")
    }
}

impl std::error::Error for DecimalError {}

/// Reads a number as JSON writes it (RFC 8259, section 6), with an exponent of at most ±1000.
impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            None => (rest, 0),
            Some((mantissa, exponent)) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let exponent = exponent.strip_prefix('+').unwrap_or(exponent).parse::<i32>();
                match exponent {
                    Ok(exponent) if plain && exponent.abs() <= EXPONENT_MAX => (mantissa, exponent),
                    _ => return Err(DecimalError),
                }
            }
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            None => (mantissa, ""),
            Some((_, "")) => return Err(DecimalError),
            Some(parts) => parts,
        };
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(DecimalError);
        }
        Self::scaled(negative, whole, fraction, exponent).ok_or(DecimalError)
    }
}

/// Plainly: digits with at most one point, no exponent.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let zeros = |count: usize| "0".repeat(count);
        let length = self.digits.len();
        match usize::try_from(self.power) {
            Ok(power) if length > 0 => write!(f, "{}{}", self.digits, zeros(power)),
            Ok(_) => f.write_str("0"),
            Err(_) => {
                let places = usize::try_from(self.power.unsigned_abs()).unwrap_or(usize::MAX);
                match length.checked_sub(places) {
                    Some(point) if point > 0 => {
                        let (whole, fraction) = self.digits.split_at(point);
                        write!(f, "{whole}.{fraction}")
                    }
                    _ => write!(f, "0.{}{}", zeros(places.saturating_sub(length)), self.digits),
                }
            }
        }
    }
}

const DIGITS_MAX: usize = 1_000_000;
const EXPONENT_MAX: i32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_that_are_worth_the_same_are_the_same() {
        for same in ["100.0", "100.00", "1e2", "1E+2", "10000e-2", "0.1e3"] {
            assert_eq!(json("100"), json(same), "{same}");
        }
        assert_eq!(json("0"), json("-0.00"));
        assert_eq!(json("-1.50"), json("-1.5"));
        assert_ne!(json("1"), json("-1"));
        assert_ne!(json("1"), json("10"));
        assert_ne!(json("0.1"), json("0.01"));
    }

    #[test]
    fn the_order_is_that_of_the_numbers() {
        let rising = [
            "-1e3", "-100", "-99.5", "-1", "-0.1", "-0.01", "0", "0.01", "0.1", "0.11", "1", "9", "10",
            "10.5", "99", "1e3",
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(json(a).cmp(&json(b)), at.cmp(&other), "{a} {b}");
            }
        }
    }

    #[test]
    fn what_json_does_not_write_is_no_number() {
        for text in [
            "",
            "-",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "1e1001",
            "1e99999999999",
            "0x1",
            "1 ",
            "١",
            "NaN",
            "1e--1",
        ] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError), "{text}");
        }
    }

    #[test]
    fn it_is_written_plainly() {
        for (text, plain) in [
            ("0", "0"),
            ("1200", "1200"),
            ("-0.05", "-0.05"),
            ("12.340", "12.34"),
            ("1e3", "1000"),
            ("5e-3", "0.005"),
            ("98765432109876543210.123", "98765432109876543210.123"),
        ] {
            assert_eq!(json(text).to_string(), plain);
        }
    }
}

//! Numbers: the grammar of RFC 8259, section 6, and whether 64 bits hold them exactly.

use super::error::{Fault, Rule};
use super::parse::NumberRule;

/// Decimal digits that `f64` always gives back (`f64::DIGITS`).
const DIGITS_SAFE: usize = 15;
/// Digits of the shortest decimal that names one `f64`, at most.
const DIGITS_MAX: usize = 17;
/// Within this exponent of ten a decimal of 15 digits is a normal `f64`.
const EXPONENT_SAFE: u64 = 290;

/// A number found: one past its last byte, and whether it is written as an integer that 64 bits hold.
pub(super) struct Found {
    pub(super) end: usize,
    pub(super) integer: bool,
}

/// Reads the number that begins at `from`.
#[inline]
pub(super) fn scan(bytes: &[u8], from: usize, rule: NumberRule) -> Result<Found, Fault> {
    let malformed = |at| Fault::new(if at < bytes.len() { Rule::MalformedNumber } else { Rule::Ended }, at);
    let mut at = from;
    let negative = bytes.get(at) == Some(&b'-');
    at += usize::from(negative);
    let whole = at;
    at = digits_end(bytes, at);
    if at == whole || (at > whole + 1 && bytes.get(whole) == Some(&b'0')) {
        return Err(malformed(at));
    }
    let whole_end = at;
    let mut integer = true;
    if bytes.get(at) == Some(&b'.') {
        integer = false;
        let fraction = at + 1;
        at = digits_end(bytes, fraction);
        if at == fraction {
            return Err(malformed(at));
        }
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        integer = false;
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = at + 1 + sign;
        at = digits_end(bytes, exponent);
        if at == exponent {
            return Err(malformed(at));
        }
    }
    let text = bytes.get(from..at).and_then(|raw| std::str::from_utf8(raw).ok()).unwrap_or_default();
    if integer {
        if whole_end - whole < 19 || text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
            return Ok(Found { end: at, integer: true });
        }
        return match rule {
            NumberRule::Exact => Err(Fault::new(Rule::IntegerRange, from)),
            NumberRule::Rounded => finite(text, from).map(|_| Found { end: at, integer: false }),
        };
    }
    let held = match rule {
        NumberRule::Exact => is_exact(text),
        NumberRule::Rounded => finite(text, from).is_ok(),
    };
    if held { Ok(Found { end: at, integer: false }) } else { Err(Fault::new(Rule::InexactNumber, from)) }
}

fn digits_end(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

fn finite(text: &str, at: usize) -> Result<f64, Fault> {
    text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or(Fault::new(Rule::InexactNumber, at))
}

/// Significant digits and the power of ten of the first: `(digits, exponent)` of `d.ddd × 10^exponent`.
/// Empty digits are zero. None if there are more than any shortest decimal has.
fn significant(text: &str) -> Option<([u8; DIGITS_MAX], usize, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    // An exponent beyond i64 is as good as the furthest one.
    let mut power =
        exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    let mantissa = mantissa.trim_start_matches('-');
    let mut digits = [0; DIGITS_MAX];
    let mut count = 0_usize;
    let mut zeros = 0_usize;
    let mut after_point = false;
    let mut shift = 0_i64;
    for byte in mantissa.bytes() {
        if byte == b'.' {
            after_point = true;
            continue;
        }
        let leading = count == 0 && byte == b'0';
        if leading {
            shift -= i64::from(after_point);
            continue;
        }
        if count + zeros > 0 && !after_point {
            shift += 1;
        } else if count == 0 && after_point {
            shift -= 1;
        }
        if byte == b'0' {
            zeros += 1;
            continue;
        }
        // Zeros that were held back turn out to stand between digits.
        digits.get_mut(count..count.checked_add(zeros)?)?.fill(b'0');
        count += zeros;
        zeros = 0;
        *digits.get_mut(count)? = byte;
        count += 1;
    }
    power = power.saturating_add(shift);
    if count == 0 { Some((digits, 0, 0)) } else { Some((digits, count, power)) }
}

/// Whether the shortest decimal that names the nearest `f64` is the same number as `text`.
fn is_exact(text: &str) -> bool {
    let Some((digits, count, power)) = significant(text) else { return false };
    if count == 0 || (count <= DIGITS_SAFE && power.unsigned_abs() <= EXPONENT_SAFE) {
        return true;
    }
    let Ok(number) = text.parse::<f64>() else { return false };
    if !number.is_finite() {
        return false;
    }
    let Some((shortest, length, exponent)) = significant(&format!("{number:e}")) else { return false };
    (shortest, length, exponent) == (digits, count, power)
        || (exponent == power && is_value_or_midway(number, digits.get(..count).unwrap_or_default(), length))
}

/// Whether `digits` are those of `number` itself, or `number` lies midway between two decimals of `shortest`
/// digits, of which `digits` is one: writers differ in which they print (597678506430184.25 as `….2` or `….3`).
fn is_value_or_midway(number: f64, digits: &[u8], shortest: usize) -> bool {
    let written = format!("{:.EXPANDED_DIGITS$e}", number.abs());
    let expansion: Vec<u8> =
        written.bytes().take_while(|byte| *byte != b'e').filter(|byte| *byte != b'.').collect();
    let Some((below, rest)) = expansion.split_at_checked(digits.len()) else { return false };
    let zeros = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
    // INVARIANT: at most 17 digits, which `u64` holds.
    let whole = |digits: &[u8]| digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let midway = digits.len() == shortest
        && rest.split_first().is_some_and(|(five, behind)| *five == b'5' && zeros(behind))
        && (whole(digits) == whole(below) || whole(digits) == whole(below) + 1);
    midway || (digits == below && zeros(rest))
}

/// Digits after the first that are written out to see where a number ends.
const EXPANDED_DIGITS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, i64)> {
        significant(text)
            .map(|(digits, count, power)| (String::from_utf8(digits[..count].to_vec()).unwrap(), power))
    }

    #[test]
    fn digits_and_power_are_the_number() {
        for (text, digits, power) in [
            ("0.0", "", 0),
            ("-0e9", "", 0),
            ("1.5", "15", 0),
            ("150", "15", 2),
            ("0.0015", "15", -3),
            ("1050.20", "10502", 3),
            ("100e-2", "1", 0),
            ("10.01e5", "1001", 6),
            ("0.1e1", "1", 0),
            ("20.0", "2", 1),
            ("0.00", "", 0),
        ] {
            assert_eq!(parts(text), Some((digits.into(), power)), "{text}");
        }
        assert_eq!(parts("1.23456789012345678"), None);
        assert_eq!(parts("1.0000000000000000000000000").unwrap().0, "1");
    }

    #[test]
    fn exact_is_what_reads_back_the_same() {
        for text in [
            "0.1",
            "1e22",
            "1e308",
            "5e-324",
            "1.7976931348623157e308",
            "0.30000000000000004",
            "1e23",
            "-0.0",
        ] {
            assert!(is_exact(text), "{text}");
        }
        for text in [
            "1e309",
            "1e-400",
            "0.1000000000000000055511151231257827",
            "0.30000000000000003",
            "597678506430184.24",
            "597678506430184.5000001",
            "9007199254740993.0",
            "1e99999999999999999999",
            "1e-99999999999999999999",
        ] {
            assert!(!is_exact(text), "{text}");
        }
    }
}

//! Keys as a reader sees them that does not care for case.
//!
//! Go's `encoding/json` matches keys by simple Unicode case folding (so the long s is an `s` and the Kelvin
//! sign a `k`), others by lower or upper case. [`fold`] is coarser than all of these: upper case first, then
//! lower, where each is one character.

use std::cmp::Ordering;

use super::string::Chars;

/// One character for all that differ in case alone.
pub(super) fn fold(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    let upper = single(letter.to_uppercase()).unwrap_or(letter);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next()?;
    letters.next().is_none().then_some(first)
}

/// A hash of a key as written (without quotes) that is equal for keys equal but for case and escapes
/// (FNV-1a).
pub(super) fn hash(raw: &str, escaped: bool) -> u32 {
    if !escaped && raw.is_ascii() {
        raw.bytes().fold(SEED, |hash, byte| mix(hash, u32::from(byte.to_ascii_lowercase())))
    } else {
        Chars::of(raw).fold(SEED, |hash, letter| mix(hash, u32::from(fold(letter))))
    }
}

const SEED: u32 = 0x811c_9dc5;

const fn mix(hash: u32, unit: u32) -> u32 {
    (hash ^ unit).wrapping_mul(0x0100_0193)
}

/// Order of two keys as written, by folded characters.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    Chars::of(left).map(fold).cmp(Chars::of(right).map(fold))
}

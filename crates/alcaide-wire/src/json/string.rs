//! Strings: where one ends, whether its escapes are sound, and what it says.
//!
//! Eight bytes are looked at at once; the bit tricks find a byte equal to a constant or below 0x20 in a word
//! (Warren, Hacker's Delight, section 6-1; a false hit above a true one does no harm, the lowest is always
//! true).

use std::borrow::Cow;

use memchr::memchr;

use super::error::{Fault, Rule};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const QUOTES: u64 = ONES * 0x22;
const BACKSLASHES: u64 = ONES * 0x5c;
const SPACES: u64 = ONES * 0x20;

/// Bytes of `word` that end a plain run: a quote, a backslash or a control character; exact up to the lowest
/// hit.
const fn stops(word: u64) -> u64 {
    let quote = word ^ QUOTES;
    let backslash = word ^ BACKSLASHES;
    let low = word.wrapping_sub(SPACES) & !word;
    (quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash | low) & HIGHS
}

/// A string found: where its closing quote is and whether it has escapes.
pub(super) struct Found {
    pub(super) close: usize,
    pub(super) escaped: bool,
}

/// Reads a string whose text begins at `from`, one past its opening quote.
pub(super) fn scan(bytes: &[u8], from: usize) -> Result<Found, Fault> {
    let mut at = from;
    let mut escaped = false;
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(Found { close: at, escaped }),
            Some(b'\\') => {
                escaped = true;
                at = escape_end(bytes, at)?;
            }
            Some(_) => return Err(Fault::new(Rule::ControlCharacter, at)),
            None => return Err(Fault::new(Rule::Ended, bytes.len())),
        }
    }
}

/// The first byte from `at` on that is a quote, a backslash or a control character; the end if there is none.
#[inline]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let hits = stops(u64::from_le_bytes(*eight));
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        at += 1;
    }
    at
}

/// One past the escape whose backslash is at `at`.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let unit = hex4(bytes, at + 2).ok_or_else(|| bad_hex(bytes, at))?;
            match unit {
                0xd800..=0xdbff => {
                    let low = (bytes.get(at + 6) == Some(&b'\\') && bytes.get(at + 7) == Some(&b'u'))
                        .then(|| hex4(bytes, at + 8))
                        .flatten();
                    match low {
                        Some(0xdc00..=0xdfff) => Ok(at + 12),
                        _ => Err(Fault::new(Rule::LoneSurrogate, at)),
                    }
                }
                0xdc00..=0xdfff => Err(Fault::new(Rule::LoneSurrogate, at)),
                _ => Ok(at + 6),
            }
        }
        Some(_) => Err(Fault::new(Rule::BadEscape, at)),
        None => Err(Fault::new(Rule::Ended, bytes.len())),
    }
}

fn bad_hex(bytes: &[u8], at: usize) -> Fault {
    let digits = bytes.get(at + 2..).unwrap_or_default();
    if digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit) {
        Fault::new(Rule::Ended, bytes.len())
    } else {
        Fault::new(Rule::BadEscape, at)
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..)?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// The characters of a string as written (without quotes), escapes decoded. The text must have passed
/// [`scan`]; of any other, what is no escape comes out as it stands.
#[derive(Clone)]
pub(super) struct Chars<'a> {
    rest: &'a str,
}

impl<'a> Chars<'a> {
    pub(super) const fn of(raw: &'a str) -> Self {
        Self { rest: raw }
    }

    fn escape(&mut self) -> Option<char> {
        let (letter, skip) = decode(self.rest.as_bytes())?;
        self.rest = self.rest.get(skip..)?;
        Some(letter)
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        if letter == '\\'
            && let Some(decoded) = self.escape()
        {
            return Some(decoded);
        }
        self.rest = self.rest.get(letter.len_utf8()..).unwrap_or_default();
        Some(letter)
    }
}

/// The character that an escape at the start of `bytes` stands for, and the bytes it takes.
fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let plain = match bytes.get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => {
            let unit = hex4(bytes, 2)?;
            return match unit {
                0xd800..=0xdbff => {
                    let low = hex4(bytes, 8)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    Some((char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + low)?, 12))
                }
                _ => Some((char::from_u32(unit)?, 6)),
            };
        }
        other => char::from(*other),
    };
    Some((plain, 2))
}

/// What a string as written (without quotes) says. Borrowed where there is no escape.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = memchr(b'\\', raw.as_bytes()) else { return Cow::Borrowed(raw) };
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut next = Some(first);
    while let Some(at) = next {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        text.push_str(plain);
        let Some((letter, skip)) = decode(tail.as_bytes()) else {
            rest = tail;
            break;
        };
        text.push(letter);
        rest = tail.get(skip..).unwrap_or_default();
        next = memchr(b'\\', rest.as_bytes());
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Whether a string as written (without quotes) says `text`; allocates nothing.
pub(super) fn says(raw: &str, escaped: bool, text: &str) -> bool {
    if escaped { Chars::of(raw).eq(text.chars()) } else { raw == text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_stops_or_passes_at_every_place_of_a_word() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut bytes = [0xff; 24];
                bytes[at] = byte;
                let stops = matches!(byte, b'"' | b'\\' | 0..=0x1f);
                assert_eq!(plain_end(&bytes, 0), if stops { at } else { 24 }, "{byte} at {at}");
                let mut spaces = [b' '; 24];
                spaces[at] = byte;
                assert_eq!(plain_end(&spaces, 0), if stops { at } else { 24 }, "{byte} at {at}");
            }
        }
    }
}

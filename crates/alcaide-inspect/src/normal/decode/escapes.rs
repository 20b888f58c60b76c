//! Encodings of characters within text: percent, character references, backslashes, quoted-printable.
//!
//! Where escapes are found, the text around and between them is given with them: what they hide may begin before and
//! end after. Escapes far from one another make several texts.

use std::collections::HashMap;
use std::sync::LazyLock;

use memchr::memchr_iter;

use super::Out;
use super::runs::nibble;

/// What an escape stands for.
enum Piece {
    Byte(u8),
    Char(char),
    Text(&'static str),
    Nothing,
}

/// Percent-encoding (RFC 3986, section 2.1), `%uXXXX` of old scripts, and `+` for a space as forms have it.
pub(super) fn percent(text: &str, out: &mut Out) {
    let mut plus = Vec::new();
    unescape(text, b'%', out, percented, |text| {
        if text.contains('+') {
            plus.push(text.replace('+', " "));
        }
    });
    plus.iter().for_each(|text| out.give(text));
}

/// Character references of HTML: numbers, and all names of its table; the semicolon may lack where browsers let it.
pub(super) fn references(text: &str, out: &mut Out) {
    unescape(text, b'&', out, reference, |_| ());
}

/// A whole text with its references undone.
pub(crate) fn unreferenced(text: &str) -> String {
    whole(text, b'&', reference)
}

/// A whole link with its percent-encoding undone, and a space where forms have `+`: what a server reads of it.
#[must_use]
pub fn unescaped(link: &str) -> String {
    whole(&link.replace('+', " "), b'%', percented)
}

fn percented(rest: &[u8]) -> Option<(usize, Piece)> {
    if let Some(b'u' | b'U') = rest.get(1) {
        return Some((6, Piece::Char(char::from_u32(hex(rest.get(2..6)?)?)?)));
    }
    Some((3, Piece::Byte(byte(rest.get(1..3)?)?)))
}

/// A whole text with the escapes replaced that `read` knows.
fn whole(text: &str, lead: u8, read: impl Fn(&[u8]) -> Option<(usize, Piece)>) -> String {
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut done = 0;
    for at in memchr_iter(lead, bytes) {
        if at < done {
            continue;
        }
        let Some((length, piece)) = bytes.get(at..).and_then(&read) else { continue };
        out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
        match piece {
            Piece::Byte(byte) => out.push(byte),
            Piece::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Nothing => {}
        }
        done = at + length;
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
    String::from_utf8_lossy(&out).into_owned()
}

fn reference(rest: &[u8]) -> Option<(usize, Piece)> {
    if rest.get(1) == Some(&b'#') {
        let hexadecimal = matches!(rest.get(2), Some(b'x' | b'X'));
        let start = if hexadecimal { 3 } else { 2 };
        let base = if hexadecimal { 16 } else { 10 };
        let digits = rest.iter().skip(start).take(10).take_while(|b| char::from(**b).is_digit(base)).count();
        let digits = std::str::from_utf8(rest.get(start..start + digits)?).ok()?;
        let c = char::from_u32(u32::from_str_radix(digits, base).ok()?)?;
        let end = start + digits.len();
        return Some((end + usize::from(rest.get(end) == Some(&b';')), Piece::Char(c)));
    }
    let length = rest.iter().skip(1).take(NAME_MAX).take_while(|b| b.is_ascii_alphanumeric()).count();
    if rest.get(length + 1) == Some(&b';') {
        let name = std::str::from_utf8(rest.get(1..length + 2)?).ok()?;
        if let Some(text) = NAMES.get(name) {
            return Some((length + 2, Piece::Text(text)));
        }
    }
    (2..=length.min(BARE_NAME_MAX)).rev().find_map(|length| {
        let name = std::str::from_utf8(rest.get(1..=length)?).ok()?;
        NAMES.get(name).map(|text| (length + 1, Piece::Text(text)))
    })
}

/// Escapes of JSON (RFC 8259, section 7), YAML 1.2 (5.7, with the line folding of 7.3.1) and JavaScript.
pub(super) fn backslash(text: &str, out: &mut Out) {
    unescape(
        text,
        b'\\',
        out,
        |rest| {
            let simple = |c| Some((2, Piece::Char(c)));
            match rest.get(1)? {
                b'n' => simple('\n'),
                b't' => simple('\t'),
                b'r' => simple('\r'),
                b'b' | b'f' | b'v' | b'a' | b'e' | b'0'..=b'7' => octal(rest),
                b'_' | b' ' => simple(' '),
                b'N' | b'L' | b'P' => simple('\n'),
                c @ (b'\\' | b'"' | b'\'' | b'/' | b'`' | b'@' | b'.' | b'-' | b':') => {
                    simple(char::from(*c))
                }
                b'x' => Some((4, Piece::Char(char::from(byte(rest.get(2..4)?)?)))),
                b'u' if rest.get(2) == Some(&b'{') => {
                    let digits = rest.iter().skip(3).take(8).take_while(|b| b.is_ascii_hexdigit()).count();
                    let c = char::from_u32(hex(rest.get(3..3 + digits)?)?)?;
                    (rest.get(3 + digits) == Some(&b'}')).then_some((4 + digits, Piece::Char(c)))
                }
                b'u' => unit(rest),
                b'U' => Some((10, Piece::Char(char::from_u32(hex(rest.get(2..10)?)?)?))),
                b'\r' | b'\n' => {
                    let blank = rest.iter().skip(1).take_while(|b| b.is_ascii_whitespace()).count();
                    Some((1 + blank, Piece::Nothing))
                }
                _ => None,
            }
        },
        |_| (),
    );
}

/// A control, which hides nothing, or a character in octal digits.
fn octal(rest: &[u8]) -> Option<(usize, Piece)> {
    let digits = rest.iter().skip(1).take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
    if digits == 0 {
        return Some((2, Piece::Nothing));
    }
    let value = rest.get(1..=digits)?.iter().fold(0_u32, |value, b| value * 8 + u32::from(b - b'0'));
    Some((1 + digits, Piece::Char(char::from_u32(value & 0xff)?)))
}

/// `\uXXXX`, with the second half of a pair where there is one.
fn unit(rest: &[u8]) -> Option<(usize, Piece)> {
    let first = hex(rest.get(2..6)?)?;
    if let Some(c) = char::from_u32(first) {
        return Some((6, Piece::Char(c)));
    }
    let second =
        rest.get(6..12).filter(|second| second.starts_with(b"\\u")).and_then(|second| hex(second.get(2..)?));
    match second {
        Some(second @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let c = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
            Some((12, Piece::Char(c)))
        }
        _ => Some((6, Piece::Char('\u{fffd}'))),
    }
}

/// Quoted-printable (RFC 2045, section 6.7), soft line breaks too.
pub(super) fn quoted_printable(text: &str, out: &mut Out) {
    unescape(
        text,
        b'=',
        out,
        |rest| match rest.get(1..)? {
            [b'\n', ..] => Some((2, Piece::Nothing)),
            [b'\r', b'\n', ..] => Some((3, Piece::Nothing)),
            [high, low, ..] => Some((3, Piece::Byte(nibble(*high)? << 4 | nibble(*low)?))),
            _ => None,
        },
        |_| (),
    );
}

/// Replaces the escapes that `read` knows at the byte `lead`, and gives out each stretch of text that has some.
fn unescape(
    text: &str,
    lead: u8,
    out: &mut Out,
    read: impl Fn(&[u8]) -> Option<(usize, Piece)>,
    mut given: impl FnMut(&str),
) {
    let bytes = text.as_bytes();
    let mut stretch: Vec<u8> = Vec::new();
    // Where the text behind the last escape begins; no stretch is open while `open` is false.
    let (mut done, mut open) = (0, false);
    let mut close = |stretch: &mut Vec<u8>, done: usize, out: &mut Out| {
        stretch.extend_from_slice(bytes.get(done..token_end(bytes, done)).unwrap_or(&[]));
        let text = String::from_utf8_lossy(stretch);
        given(&text);
        out.give(&text);
        stretch.clear();
    };
    for at in memchr_iter(lead, bytes) {
        if at < done {
            continue;
        }
        let Some((length, piece)) = bytes.get(at..).and_then(&read) else { continue };
        if open && at - done > GAP {
            close(&mut stretch, done, out);
            open = false;
        }
        if out.is_spent() {
            out.cut = true;
            return;
        }
        let from = if open { done } else { token_start(bytes, done, at) };
        let between = bytes.get(from..at).unwrap_or(&[]);
        if out.spend(between.len() + length) < between.len() + length {
            break;
        }
        stretch.extend_from_slice(between);
        match piece {
            Piece::Byte(byte) => stretch.push(byte),
            Piece::Char(c) => stretch.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Piece::Text(text) => stretch.extend_from_slice(text.as_bytes()),
            Piece::Nothing => {}
        }
        (done, open) = (at + length, true);
        if stretch.len() > out.room {
            out.cut = true;
            break;
        }
    }
    if open {
        close(&mut stretch, done, out);
    }
}

/// Where what stands before an escape begins: some words of context, the first one whole, not before `from`.
fn token_start(bytes: &[u8], from: usize, at: usize) -> usize {
    let mut start = at.saturating_sub(CONTEXT).max(from);
    let least = start.saturating_sub(WORD).max(from);
    while start > least && bytes.get(start - 1).is_some_and(|b| !b.is_ascii_whitespace()) {
        start -= 1;
    }
    while start < at && bytes.get(start).is_some_and(|b| b & 0xc0 == 0x80) {
        start += 1;
    }
    start
}

/// Where what stands behind an escape ends.
fn token_end(bytes: &[u8], at: usize) -> usize {
    let mut end = bytes.len().min(at + CONTEXT);
    let most = end + WORD;
    while end < most && bytes.get(end).is_some_and(|b| !b.is_ascii_whitespace()) {
        end += 1;
    }
    while end > at && bytes.get(end).is_some_and(|b| b & 0xc0 == 0x80) {
        end -= 1;
    }
    end
}

fn byte(digits: &[u8]) -> Option<u8> {
    match digits {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    }
}

/// A number of up to eight hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0, |value, b| Some(value << 4 | u32::from(nibble(*b)?)))
}

/// The names of HTML without the ampersand, with the semicolon where it must be there.
static NAMES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let names = entities::ENTITIES.iter();
    names
        .map(|entity| (entity.entity.strip_prefix('&').unwrap_or(entity.entity), entity.characters))
        .collect()
});

/// Longest name, and longest one that needs no semicolon.
const NAME_MAX: usize = 32;
const BARE_NAME_MAX: usize = 6;

/// Bytes between two escapes of one text.
const GAP: usize = 256;

/// Bytes of text on both sides of an escape: a value may have several words.
const CONTEXT: usize = 64;

/// Bytes of a word at the border of that context.
const WORD: usize = 192;

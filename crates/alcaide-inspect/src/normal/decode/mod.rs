//! Texts that a text hides by encoding.
//!
//! What is decoded is looked into again, to a depth of three. Two meters bound it: the bytes that are given out, and
//! the bytes that are looked at to find them. The order of the texts depends on nothing but the text.

mod escapes;
mod runs;
mod unseen;

use std::collections::HashSet;

use super::chars::is_plain;
use super::loose::unmasked;
pub use escapes::unescaped;
pub(crate) use escapes::unreferenced;

/// What was found in a text's encodings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Decoded {
    /// The decoded texts, each once, those of the outermost layer first; raw, not in a normal form.
    pub texts: Vec<String>,
    /// Whether a bound was met, so that something may have been left undecoded.
    pub cut: bool,
}

/// Encodings that are looked for only where a caller asks: any text can be read so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Also {
    /// Letters moved by thirteen places.
    Rot13,
    /// The text from its end to its beginning.
    Reversal,
}

/// Decodes whatever a text hides, giving out at most `budget` bytes.
///
/// Give the raw text, not a normal form: case counts here. Invisible characters and look-alikes do not keep an
/// encoding from being found. Looked for: Base64 of both alphabets (RFC 4648), padded or not, over lines; hexadecimal;
/// percent-encoding (RFC 3986); character references of HTML; backslash escapes of JSON, YAML and JavaScript with
/// YAML's folded lines; quoted-printable (RFC 2045); bytes in variation selectors, bits in zero-width characters; in
/// one another to a depth of three. A decoded text is given only if most of it can be printed; of escapes in a text,
/// their surroundings are given with them.
///
/// ```
/// use alcaide_inspect::normal::decodings;
///
/// let decoded = decodings("see aGVsbG8gd29ybGQ= or %68%65y", 1 << 16);
/// assert_eq!(decoded.texts, ["hello world", "see aGVsbG8gd29ybGQ= or hey"]);
/// assert!(!decoded.cut);
/// ```
#[must_use]
pub fn decodings(text: &str, budget: usize) -> Decoded {
    decodings_also(text, budget, &[])
}

/// As [`decodings`], with further readings of the whole text.
#[must_use]
pub fn decodings_also(text: &str, budget: usize, also: &[Also]) -> Decoded {
    let mut out = Out::new(budget);
    let unmasked = unmask(text, &mut out);
    let source = unmasked.as_deref().unwrap_or(text);
    decode(source, &mut out);
    for also in also {
        let read: String = match also {
            Also::Rot13 => source.chars().map(rot13).collect(),
            Also::Reversal => source.chars().rev().collect(),
        };
        out.give(&read);
    }
    for _ in 1..DEPTH {
        for text in out.layer() {
            let unmasked = unmask(&text, &mut out);
            decode(unmasked.as_deref().unwrap_or(&text), &mut out);
        }
    }
    Decoded { texts: out.texts, cut: out.cut }
}

/// The text without what nobody sees, if there is such; what that spells itself is given out.
fn unmask(text: &str, out: &mut Out) -> Option<String> {
    if is_plain(text) {
        return None;
    }
    unseen::decode(text, out);
    Some(unmasked(text))
}

/// One layer.
fn decode(text: &str, out: &mut Out) {
    runs::base64(text, out);
    runs::hexadecimal(text, out);
    escapes::percent(text, out);
    escapes::references(text, out);
    escapes::backslash(text, out);
    escapes::quoted_printable(text, out);
}

fn rot13(c: char) -> char {
    let turn = |base: u8| match u8::try_from(c) {
        Ok(byte) => char::from((byte.wrapping_sub(base) + 13) % 26 + base),
        Err(_) => c,
    };
    match c {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        other => other,
    }
}

/// What has been found, and how much more may be.
struct Out {
    texts: Vec<String>,
    seen: HashSet<String>,
    /// Texts before this one have been looked into.
    layered: usize,
    room: usize,
    work: usize,
    cut: bool,
}

impl Out {
    fn new(budget: usize) -> Self {
        let work = budget.saturating_mul(WORK).saturating_add(1 << 16);
        Self { texts: Vec::new(), seen: HashSet::new(), layered: 0, room: budget, work, cut: false }
    }

    /// The texts of the last layer, for the next.
    fn layer(&mut self) -> Vec<String> {
        let layer = self.texts.get(self.layered..).unwrap_or(&[]).to_vec();
        self.layered = self.texts.len();
        layer
    }

    /// How many bytes may be decoded for a text that is not known to be one yet.
    fn spend(&mut self, wanted: usize) -> usize {
        let granted = wanted.min(self.work);
        self.work -= granted;
        self.cut |= granted < wanted;
        granted
    }

    fn is_spent(&self) -> bool {
        self.room == 0 || self.work == 0
    }

    /// Gives a text out, as far as there is room, if most of it can be printed and it is new.
    fn give(&mut self, text: &str) {
        let end = text.floor_char_boundary(self.room);
        self.cut |= end < text.len();
        let text = text.get(..end).unwrap_or_default();
        if !self.seen.contains(text) && !text.trim().is_empty() && is_printable(text) {
            self.room -= text.len();
            self.seen.insert(text.to_owned());
            self.texts.push(text.to_owned());
        }
    }

    /// Gives out what bytes say, if it is text: UTF-8, UTF-16 as some shells write it, or else long stretches of UTF-8.
    fn give_bytes(&mut self, bytes: &[u8]) -> bool {
        let before = self.texts.len();
        match std::str::from_utf8(bytes) {
            Ok(text) => self.give(text),
            Err(_) => self.give_stretches(bytes),
        }
        if self.texts.len() == before
            && let Some(text) = wide(bytes)
        {
            self.give(&text);
        }
        self.texts.len() > before
    }

    /// The stretches of bytes that are printable UTF-8 and longer than chance makes them.
    fn give_stretches(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for stretch in chunk.valid().split(|c: char| !may_show(c)) {
                if stretch.len() >= STRETCH_MIN {
                    self.give(stretch);
                }
            }
        }
    }
}

/// Bytes as UTF-16 with the low byte first, where most high bytes are zero.
fn wide(bytes: &[u8]) -> Option<String> {
    let zeros = bytes.iter().skip(1).step_by(2).filter(|b| **b == 0).count();
    if bytes.len() < 8 || zeros * 20 < bytes.len() * 9 {
        return None;
    }
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    Some(char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect())
}

/// Whether nine tenths of a text can be printed.
fn is_printable(text: &str) -> bool {
    let (mut good, mut all) = (0_usize, 0_usize);
    for c in text.chars() {
        all += 1;
        good += usize::from(may_show(c));
    }
    good * 10 >= all * 9
}

/// Whether `c` can be printed, or hides text itself.
fn may_show(c: char) -> bool {
    matches!(c, ' '..='~' | '\t' | '\n' | '\r' | '\u{a0}'..='\u{d7ff}' | '\u{f900}'..='\u{3fffd}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Layers that are looked into.
const DEPTH: usize = 3;

/// Bytes that may be decoded for each byte that may be given out.
const WORK: usize = 8;

/// Bytes of printable text among others that are no chance.
const STRETCH_MIN: usize = 16;

#[cfg(test)]
mod tests;

//! Marks that were planted into what somebody reads, and are looked for in what leaves.
//!
//! A mark is a word of letters and digits that nobody writes by chance. It is found as it is and in other case, with anything
//! but letters and digits between its parts, from its end to its beginning, in look-alikes, in hexadecimal (and so in
//! percent-encoding), and in Base64 at each of its three places within a group, all of these cut into parts too. Where the whole text is
//! there, it is looked for in what the normaliser decodes as well, to a depth of three.
//!
//! A text that comes in chunks is squeezed to its letters and digits, of which a few are kept: verdicts do not depend on how it
//! was cut, and the state is small.

use std::collections::BTreeSet;

use memchr::memmem;

use crate::normal::{Also, decodings_also, loose};

/// Shortest and longest mark, in letters: shorter ones stand somewhere by chance.
const CHARS: std::ops::RangeInclusive<usize> = 12..=64;
/// Most bytes that encodings are decoded to.
const DECODED_BYTES_MAX: usize = 256 * 1024;
/// Letters that are squeezed at a time.
const BITE_BYTES: usize = 4096;

/// A mark, and all that it may look like.
#[derive(Clone)]
pub struct Canary {
    /// In small letters.
    folded: Vec<Box<[u8]>>,
    /// In the case of their encoding.
    cased: Vec<Box<[u8]>>,
    longest: usize,
}

/// A text that comes in chunks is looked through for a mark.
#[derive(Clone)]
pub struct Watch {
    canary: Canary,
    folded: Vec<u8>,
    cased: Vec<u8>,
}

impl Canary {
    /// A mark of 12 to 64 letters and digits of ASCII; nothing for anything else.
    #[must_use]
    pub fn new(mark: &str) -> Option<Self> {
        if !CHARS.contains(&mark.len()) || !mark.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
        let small = mark.to_ascii_lowercase().into_bytes();
        let mut folded = BTreeSet::new();
        let mut cased = BTreeSet::new();
        let forms = [mark.as_bytes().to_vec(), small.clone(), mark.to_ascii_uppercase().into_bytes()];
        for form in forms.iter().flat_map(|form| [form.clone(), reversed(form)]) {
            for encoded in [form.to_ascii_lowercase(), hex(&form)] {
                folded.insert(reversed(&encoded));
                folded.insert(encoded);
            }
            for place in 0..3 {
                let encoded = base64(&form, place);
                cased.insert(reversed(&encoded));
                cased.insert(encoded);
            }
        }
        let longest = folded.iter().chain(&cased).map(Vec::len).max().unwrap_or(0);
        let boxed = |all: BTreeSet<Vec<u8>>| all.into_iter().map(Vec::into_boxed_slice).collect();
        Some(Self { folded: boxed(folded), cased: boxed(cased), longest })
    }

    /// Whether the mark is in a text, in whatever way.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        if self.watch().push(text) {
            return true;
        }
        let decoded = decodings_also(text, DECODED_BYTES_MAX, &[Also::Rot13, Also::Reversal]);
        decoded.texts.iter().any(|text| self.watch().push(text))
    }

    /// Begins a text that comes in chunks.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch { canary: self.clone(), folded: Vec::new(), cased: Vec::new() }
    }
}

impl Watch {
    /// Takes the next chunk, of any length, and says whether the mark ends in it.
    pub fn push(&mut self, text: &str) -> bool {
        let mut rest = text;
        let mut found = false;
        while !rest.is_empty() {
            let (bite, after) =
                rest.split_at_checked(rest.floor_char_boundary(BITE_BYTES)).unwrap_or((rest, ""));
            found |= self.bite(bite);
            rest = after;
        }
        found
    }

    fn bite(&mut self, text: &str) -> bool {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric();
        let (folded, cased) = (self.folded.len(), self.cased.len());
        self.cased.extend(text.bytes().filter(plain));
        if text.is_ascii() {
            self.folded.extend(text.bytes().filter(plain).map(|byte| byte.to_ascii_lowercase()));
        } else {
            self.folded.extend(loose(text).text.bytes().filter(plain));
        }
        // What was found before is not found again: a mark ends in this bite.
        let holds = |text: &[u8], before: usize, forms: &[Box<[u8]>]| {
            forms.iter().any(|form| {
                let from = before.saturating_sub(form.len().saturating_sub(1));
                memmem::find(text.get(from..).unwrap_or_default(), form).is_some()
            })
        };
        let found =
            holds(&self.folded, folded, &self.canary.folded) || holds(&self.cased, cased, &self.canary.cased);
        let keep = self.canary.longest.saturating_sub(1);
        for kept in [&mut self.folded, &mut self.cased] {
            kept.drain(..kept.len().saturating_sub(keep));
        }
        found
    }
}

impl std::fmt::Debug for Canary {
    /// Shows no mark.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Canary(..)")
    }
}

impl std::fmt::Debug for Watch {
    /// Shows no text.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Watch(..)")
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The characters of Base64 (RFC 4648, section 4) that nothing but these bytes decides, where they begin at this place within
/// a group of three. Letters and digits make neither `+` nor `/`.
fn base64(bytes: &[u8], place: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padded: Vec<u8> = std::iter::repeat_n(0, place).chain(bytes.iter().copied()).collect();
    let bit = |at: usize| padded.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let (from, to) = ((place * 8).div_ceil(6), padded.len() * 8 / 6);
    let sextet = |at: usize| (0..6).fold(0_u8, |value, more| value << 1 | bit(at * 6 + more));
    (from..to).map(|at| ALPHABET.get(usize::from(sextet(at))).copied().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARK: &str = "k3v9q7m2x5t8w4z6b1n0";

    fn canary() -> Canary {
        Canary::new(MARK).unwrap()
    }

    #[test]
    fn a_mark_is_found_split_encoded_and_reversed() {
        let reversed: String = MARK.chars().rev().collect();
        let hexed = String::from_utf8(hex(MARK.as_bytes())).unwrap();
        let spaced: Vec<String> = MARK.chars().map(String::from).collect();
        let percent: String = MARK.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for text in [
            MARK.to_owned(),
            MARK.to_uppercase(),
            spaced.join(" "),
            spaced.join("\u{200b}"),
            spaced.join(", "),
            MARK.replace('k', "К").replace('x', "х"),
            reversed.clone(),
            hexed.clone(),
            hexed.to_uppercase(),
            hexed.chars().rev().collect(),
            percent,
            // By `base64` of coreutils, of the mark behind nothing, one and two bytes.
            "azN2OXE3bTJ4NXQ4dzR6NmIxbjA=".to_owned(),
            "eGszdjlxN20yeDV0OHc0ejZiMW4w".to_owned(),
            "eHhrM3Y5cTdtMng1dDh3NHo2YjFuMA".to_owned(),
            "azN2OXE3 bTJ4NXQ4\ndzR6NmIxbjA".to_owned(),
            // Base64 within Base64.
            "YXpOMk9YRTNiVEo0TlhRNGR6UjZObUl4YmpBPQ==".to_owned(),
        ] {
            assert!(canary().is_in(&format!("see {text} here")), "{text}");
        }
        for text in ["", "see nothing", &MARK[1..], &MARK.replace('7', "8"), &hexed[2..]] {
            assert!(!canary().is_in(text), "{text}");
        }
    }

    #[test]
    fn a_mark_is_found_once_where_it_ends() {
        let mut watch = canary().watch();
        let text = format!("{MARK}, and more, and {MARK} again");
        let ends: Vec<usize> = (0..text.len()).filter(|at| watch.push(&text[*at..=*at])).collect();
        assert_eq!(ends, [19, text.len() - 7]);
    }

    #[test]
    fn a_mark_is_long_and_plain_and_shows_nothing() {
        assert!(Canary::new("short").is_none() && Canary::new(&"a".repeat(65)).is_none());
        assert!(Canary::new("k3v9q7m2 x5t8w4z6").is_none());
        assert_eq!(format!("{:?} {:?}", canary(), canary().watch()), "Canary(..) Watch(..)");
    }

    proptest! {
        /// However a text is cut, the mark is found in it or not.
        #[test]
        fn cutting_changes_nothing(
            before in ".{0,30}", after in ".{0,30}", with in any::<bool>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = format!("{before}{}{after}", if with { "k3-v9q7m2x5t8 w4z6b1n0" } else { "k3v9q7m2" });
            let whole = canary().watch().push(&text);
            prop_assert_eq!(whole, with);
            let mut places: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let mut watch = canary().watch();
            let mut found = false;
            for pair in places.windows(2) {
                found |= watch.push(&text[pair[0]..pair[1]]);
                prop_assert!(watch.folded.len() < 200 && watch.cased.len() < 200);
            }
            prop_assert_eq!(found, with);
        }
    }
}

//! Attributes of HTML that name a place, and `url(…)` of CSS.
//!
//! Source: WHATWG, HTML Standard, section 13.2.5 (tokenization) and the table of attributes. A quote that nothing closes ends
//! nothing: the text behind it is read as well.

use std::borrow::Cow;
use std::ops::Range;

use super::{Out, TARGET_BYTES_MAX, Way};
use crate::normal;

/// Attributes that make a reader's program fetch, of any element.
const LOADS: [&str; 8] =
    ["src", "srcset", "imagesrcset", "background", "poster", "data", "codebase", "lowsrc"];
/// Attributes by which somebody follows, or that change where all others lead.
const FOLLOWS: [&str; 9] =
    ["href", "action", "formaction", "cite", "ping", "xlink:href", "longdesc", "manifest", "usemap"];
/// Elements whose `href` is fetched at once.
const LOADING: [&str; 4] = ["link", "image", "use", "feimage"];

pub(super) fn read<'t>(text: &'t str, out: &mut Out<'t>) {
    let mut quotes = Quotes::default();
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'<', bytes.get(from..).unwrap_or_default()) {
        from = from.saturating_add(at).saturating_add(1);
        if bytes.get(from).is_some_and(u8::is_ascii_alphabetic) {
            match tag(text, from, &mut quotes, out) {
                Some(end) => from = end.max(from),
                None => return,
            }
        }
    }
    css(text, 0..text.len(), out);
}

/// Quotes of which it is known that none follows.
#[derive(Default)]
struct Quotes {
    no_double: bool,
    no_single: bool,
}

impl Quotes {
    /// Where the quote that opened before `from` closes.
    fn close(&mut self, text: &str, from: usize, quote: u8) -> Option<usize> {
        let none = if quote == b'"' { &mut self.no_double } else { &mut self.no_single };
        if *none {
            return None;
        }
        let found = memchr::memchr(quote, text.as_bytes().get(from..).unwrap_or_default());
        *none = found.is_none();
        Some(from.saturating_add(found?))
    }
}

/// Reads the tag whose name begins at `from`; where it ends, or nothing once there is no room.
fn tag<'t>(text: &'t str, from: usize, quotes: &mut Quotes, out: &mut Out<'t>) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = |from: usize, part: fn(u8) -> bool| {
        let rest = bytes.get(from..).unwrap_or_default();
        from.saturating_add(rest.iter().take_while(|b| part(**b)).count())
    };
    let end = run(from, is_name);
    let element = text.get(from..end).unwrap_or_default();
    let mut at = end;
    loop {
        at = run(at, |b| b.is_ascii_whitespace() || b == b'/');
        match bytes.get(at) {
            None => return Some(at),
            Some(b'>') => return Some(at.saturating_add(1)),
            Some(b'<') => return Some(at),
            _ => {}
        }
        let name_end = run(at, is_name);
        if name_end == at {
            // A stray quote or sign.
            at = at.saturating_add(1);
            continue;
        }
        let name = at..name_end;
        at = run(name_end, |b| b.is_ascii_whitespace());
        if bytes.get(at) != Some(&b'=') {
            continue;
        }
        at = run(at.saturating_add(1), |b| b.is_ascii_whitespace());
        let value = match bytes.get(at) {
            Some(quote @ (b'"' | b'\'')) => {
                let from = at.saturating_add(1);
                match quotes.close(text, from, *quote) {
                    Some(end) => {
                        at = end.saturating_add(1);
                        from..end
                    }
                    None => {
                        at = from;
                        from..run(from, |b| !b.is_ascii_whitespace() && b != b'>')
                    }
                }
            }
            _ => {
                let end = run(at, |b| !b.is_ascii_whitespace() && b != b'>');
                let value = at..end;
                at = end;
                value
            }
        };
        let name = text.get(name).unwrap_or_default();
        if !attribute(text, (element, name), value, out) {
            return None;
        }
    }
}

const fn is_name(byte: u8) -> bool {
    !(byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'<' | b'=' | b'"' | b'\''))
}

/// Takes the places that an attribute names; `false` once there is no room.
fn attribute<'t>(
    text: &'t str,
    (element, name): (&str, &str),
    value: Range<usize>,
    out: &mut Out<'t>,
) -> bool {
    let is = |known: &&str| name.eq_ignore_ascii_case(known);
    let given = text.get(value.clone()).unwrap_or_default();
    if is(&"srcset") || is(&"imagesrcset") {
        return candidates(text, value, out);
    }
    if LOADS.iter().any(is) {
        return out.take(text, Way::Load, value);
    }
    if FOLLOWS.iter().any(is) {
        let loads = LOADING.iter().any(|known| element.eq_ignore_ascii_case(known));
        return out.take(text, if loads { Way::Load } else { Way::Link }, value);
    }
    if is(&"style") {
        // Read with all other `url(…)`; what hides it is undone first, and stands for the whole attribute.
        return !given.contains(['&', '\\']) || hidden(text, value, out);
    }
    if is(&"content") && element.eq_ignore_ascii_case("meta") {
        // `5; url=…`
        let lower = given.to_ascii_lowercase();
        return match lower.find("url") {
            Some(at) => {
                let rest = given.get(at.saturating_add(3)..).unwrap_or_default();
                let skipped = rest.len() - rest.trim_start_matches([' ', '=', '\'', '"']).len();
                let from = value.start.saturating_add(at).saturating_add(3).saturating_add(skipped);
                out.take(text, Way::Load, from..value.end)
            }
            None => true,
        };
    }
    true
}

/// `url(…)` in a style that hides it by references or backslashes.
fn hidden<'t>(text: &'t str, value: Range<usize>, out: &mut Out<'t>) -> bool {
    let given = text.get(value.clone()).unwrap_or_default();
    let shown = undone(given);
    if shown.to_ascii_lowercase().contains("url") || given.contains('\\') {
        return out.take(text, Way::Load, value);
    }
    true
}

/// The candidates of a `srcset`: a place and perhaps a width each.
fn candidates<'t>(text: &'t str, value: Range<usize>, out: &mut Out<'t>) -> bool {
    let given = text.get(value.clone()).unwrap_or_default();
    let mut from = value.start;
    for part in given.split_inclusive(|c: char| c.is_ascii_whitespace()) {
        let place = part.trim_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        let lead = part.len() - part.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',').len();
        let start = from.saturating_add(lead);
        // A width or a density is none: `2x`, `640w`.
        let size = place.strip_suffix(['x', 'w', 'h']).is_some_and(|digits| digits.parse::<f32>().is_ok());
        if !place.is_empty() && !size && !out.take(text, Way::Load, start..start.saturating_add(place.len()))
        {
            return false;
        }
        from = from.saturating_add(part.len());
    }
    true
}

/// `url(…)` and `@import "…"` anywhere.
fn css<'t>(text: &'t str, within: Range<usize>, out: &mut Out<'t>) {
    let bytes = text.as_bytes();
    let mut from = within.start;
    while let Some(at) = memchr::memchr(b'(', bytes.get(from..within.end).unwrap_or_default()) {
        let at = from.saturating_add(at);
        from = at.saturating_add(1);
        let name = at.checked_sub(3).and_then(|start| bytes.get(start..at)).unwrap_or_default();
        if !name.eq_ignore_ascii_case(b"url") {
            continue;
        }
        let rest = bytes.get(from..within.end).unwrap_or_default();
        let blank =
            rest.iter().take(64).take_while(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'')).count();
        let start = from.saturating_add(blank);
        let rest = bytes.get(start..within.end).unwrap_or_default();
        let most = rest.iter().take(TARGET_BYTES_MAX);
        let length = most.take_while(|b| !matches!(b, b')' | b'"' | b'\'' | b'<' | b'\n')).count();
        from = start.saturating_add(length);
        if !out.take(text, Way::Load, start..from) {
            return;
        }
    }
}

/// A value with its references undone.
pub(super) fn undone(value: &str) -> Cow<'_, str> {
    if value.contains('&') { normal::unreferenced(value).into() } else { value.into() }
}

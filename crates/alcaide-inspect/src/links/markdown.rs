//! Links and images of Markdown.
//!
//! Source: CommonMark 0.31.2, sections 4.7 (definitions), 6.3 (links), 6.4 (images), 6.5 (autolinks). Read more widely than
//! it says: what only some programs take for a link is one.

use std::collections::HashSet;
use std::ops::Range;

use super::{Out, TARGET_BYTES_MAX, Way};

/// Most labels of images that are remembered; of a text with more all definitions are taken for images.
const LABELS_MAX: usize = 1024;
/// Longest label, in bytes.
const LABEL_BYTES_MAX: usize = 1000;
/// Deepest nesting of brackets that is followed.
const NESTING_MAX: usize = 64;

pub(super) fn read<'t>(text: &'t str, out: &mut Out<'t>) {
    let bytes = text.as_bytes();
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut images: HashSet<String> = HashSet::new();
    let mut many = false;
    // Definitions come after what uses them: their way is known at the end.
    let mut defined: Vec<(&str, Range<usize>)> = Vec::new();
    let mut from = 0;
    while let Some(at) = memchr::memchr3(b'[', b']', b'<', bytes.get(from..).unwrap_or_default()) {
        let at = from.saturating_add(at);
        from = at.saturating_add(1);
        match bytes.get(at) {
            Some(b'[') => {
                if open.len() >= NESTING_MAX {
                    open.remove(0);
                }
                let bang = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'!');
                open.push((at, bang));
            }
            Some(b'<') => {
                // `<https://…>`: told from a tag by its colon or `@`.
                let span = enclosed(text, from);
                let inner = text.get(span.clone()).unwrap_or_default();
                let scheme = inner
                    .bytes()
                    .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
                if inner.as_bytes().get(scheme.count()) == Some(&b':') {
                    from = span.end;
                    if !out.take(text, Way::Link, span) {
                        return;
                    }
                }
            }
            _ => {
                let (start, bang) = open.pop().unwrap_or((at, false));
                let label = text.get(start.saturating_add(1)..at).unwrap_or_default();
                let way = if bang { Way::Load } else { Way::Link };
                match bytes.get(from) {
                    Some(b'(') => {
                        let span = destination(text, from.saturating_add(1));
                        from = span.end.max(from);
                        if !out.take(text, way, span) {
                            return;
                        }
                    }
                    Some(b':') if line_begins(text, start) => {
                        let span = destination(text, from.saturating_add(1));
                        from = span.end.max(from);
                        defined.push((label, span));
                    }
                    next if bang => {
                        let named = if next == Some(&b'[') { bracketed(text, from) } else { None };
                        let named = named.filter(|named| !named.is_empty()).unwrap_or(label);
                        many |= images.len() >= LABELS_MAX || named.len() > LABEL_BYTES_MAX;
                        if !many {
                            images.insert(folded(named));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    for (label, span) in defined {
        let image = many || label.len() > LABEL_BYTES_MAX || images.contains(&folded(label));
        if !out.take(text, if image { Way::Load } else { Way::Link }, span) {
            return;
        }
    }
}

fn folded(label: &str) -> String {
    label.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Whether nothing but white space and `>` stands before this place in its line, and no more of it than programs allow.
fn line_begins(text: &str, at: usize) -> bool {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before
        .iter()
        .rev()
        .take(64)
        .take_while(|b| !matches!(b, b'\n' | b'\r'))
        .all(|b| matches!(b, b' ' | b'\t' | b'>'))
}

/// The label within the brackets that open at this place.
fn bracketed(text: &str, at: usize) -> Option<&str> {
    let rest = text.get(at.saturating_add(1)..)?;
    let end = rest.bytes().take(LABEL_BYTES_MAX).position(|b| b == b']')?;
    rest.get(..end)
}

/// What stands up to `>` or the end of the line.
fn enclosed(text: &str, from: usize) -> Range<usize> {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let most = rest.iter().take(TARGET_BYTES_MAX);
    let length = most.take_while(|b| !matches!(b, b'>' | b'<' | b'\n' | b'\r' | b' ')).count();
    from..from.saturating_add(length)
}

/// The place that a link leads to: in angle brackets, or up to white space or the bracket that closes it.
fn destination(text: &str, from: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let rest = bytes.get(from..).unwrap_or_default();
    let blank = rest.iter().take(64).take_while(|b| b.is_ascii_whitespace()).count();
    let from = from.saturating_add(blank);
    if bytes.get(from) == Some(&b'<') {
        let from = from.saturating_add(1);
        let rest = bytes.get(from..).unwrap_or_default();
        let most = rest.iter().take(TARGET_BYTES_MAX);
        let length = most.take_while(|b| !matches!(b, b'>' | b'\n' | b'\r')).count();
        return from..from.saturating_add(length);
    }
    let mut depth = 0_usize;
    let mut end = from;
    for byte in bytes.get(from..).unwrap_or_default().iter().take(TARGET_BYTES_MAX) {
        match byte {
            b'(' => depth = depth.saturating_add(1),
            b')' if depth == 0 => break,
            b')' => depth = depth.saturating_sub(1),
            b if b.is_ascii_whitespace() => break,
            _ => {}
        }
        end = end.saturating_add(1);
    }
    from..end
}

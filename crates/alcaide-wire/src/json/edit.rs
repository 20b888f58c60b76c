//! Changes to a text as splices over its bytes: what no splice names stays as it came.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::value::{Kind, Value};

/// One change: `span` of the original text becomes `bytes`. An empty span inserts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Splice {
    /// Bytes of the original text.
    pub span: Range<usize>,
    /// What stands there afterwards.
    pub bytes: Bytes,
}

/// Splices that cannot be applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Two splices change the same bytes.
    #[error("two edits overlap at byte {at}")]
    Overlap {
        /// Where the later one begins.
        at: usize,
    },
    /// A splice reaches past the end, or ends before it begins.
    #[error("edit of bytes {start} to {end} is outside the text of {len} bytes")]
    OutOfRange {
        /// Where it begins.
        start: usize,
        /// Where it ends.
        end: usize,
        /// Bytes of the text.
        len: usize,
    },
}

impl Splice {
    /// A change of `span` to `bytes`.
    #[must_use]
    pub fn new(span: Range<usize>, bytes: impl Into<Bytes>) -> Self {
        Self { span, bytes: bytes.into() }
    }

    /// A change of `span`, a whole JSON string, to the JSON string that says `text`.
    #[must_use]
    pub fn text(span: Range<usize>, text: &str) -> Self {
        Self::new(span, encode(text).into_bytes())
    }
}

/// Applies splices, given in any order; insertions at one place keep the order given. No splice, no copy.
///
/// # Errors
/// [`EditError::Overlap`] or [`EditError::OutOfRange`]; nothing is applied then.
pub fn apply(original: &Bytes, mut splices: Vec<Splice>) -> Result<Bytes, EditError> {
    if splices.is_empty() {
        return Ok(original.clone());
    }
    splices.sort_by_key(|splice| (splice.span.start, splice.span.end));
    let len = original.len();
    let added: usize = splices.iter().map(|splice| splice.bytes.len()).sum();
    let mut out = BytesMut::with_capacity(len + added);
    let mut done = 0;
    for Splice { span, bytes } in &splices {
        if span.start < done {
            return Err(EditError::Overlap { at: span.start });
        }
        let outside = EditError::OutOfRange { start: span.start, end: span.end, len };
        if span.end < span.start || span.end > len {
            return Err(outside);
        }
        out.extend_from_slice(original.get(done..span.start).ok_or(outside)?);
        out.extend_from_slice(bytes);
        done = span.end;
    }
    out.extend_from_slice(original.get(done..).unwrap_or_default());
    Ok(out.freeze())
}

/// The JSON string that says `text`, quotes included. Escapes what must be (RFC 8259, section 7), no more.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    encode_into(text, &mut out);
    out
}

/// Appends the JSON string that says `text`, quotes included.
pub fn encode_into(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = text;
    while let Some(at) = plain.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (before, rest) = plain.split_at_checked(at).unwrap_or((plain, ""));
        out.push_str(before);
        match rest.bytes().next() {
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\r') => out.push_str("\\r"),
            Some(b'\t') => out.push_str("\\t"),
            Some(byte @ (b'"' | b'\\')) => {
                out.push('\\');
                out.push(char::from(byte));
            }
            Some(byte) => {
                // INVARIANT: writing to a string does not fail.
                let _ = write!(out, "\\u{byte:04x}");
            }
            None => break,
        }
        plain = rest.get(1..).unwrap_or_default();
    }
    out.push_str(plain);
    out.push('"');
}

/// Takes the member `key` out of an object; absent if there is none.
#[must_use]
pub fn remove_member(object: Value<'_, '_>, key: &str) -> Option<Splice> {
    remove_members(object, |given| given == key).pop()
}

/// Takes all members out of an object whose key is `unwanted`. The splices do not overlap and leave valid
/// JSON.
#[must_use]
pub fn remove_members(object: Value<'_, '_>, unwanted: impl Fn(&str) -> bool) -> Vec<Splice> {
    remove_parts(
        object.entries().map(|entry| (entry.key_span.start..entry.value.span().end, unwanted(&entry.key))),
    )
}

/// Takes all items out of an array whose index is `unwanted`. The splices do not overlap and leave valid
/// JSON.
#[must_use]
pub fn remove_items(array: Value<'_, '_>, unwanted: impl Fn(usize) -> bool) -> Vec<Splice> {
    remove_parts(array.items().enumerate().map(|(index, item)| (item.span(), unwanted(index))))
}

/// A run of removed parts takes the comma behind it; the last run takes the one before it.
fn remove_parts(parts: impl Iterator<Item = (Range<usize>, bool)>) -> Vec<Splice> {
    let mut splices = Vec::new();
    let mut kept_end = None;
    let mut run: Option<Range<usize>> = None;
    for (span, unwanted) in parts {
        match (unwanted, run.take()) {
            (true, Some(open)) => run = Some(open.start..span.end),
            (true, None) => run = Some(span),
            (false, open) => {
                if let Some(open) = open {
                    splices.push(Splice::new(open.start..span.start, Bytes::new()));
                }
                kept_end = Some(span.end);
            }
        }
    }
    if let Some(open) = run {
        splices.push(Splice::new(kept_end.unwrap_or(open.start)..open.end, Bytes::new()));
    }
    splices
}

/// Adds a member with the JSON text `value` at the front of an object; absent if it is no object.
/// The key must not be there yet.
#[must_use]
pub fn insert_member(object: Value<'_, '_>, key: &str, value: &str) -> Option<Splice> {
    if object.kind() != Kind::Object {
        return None;
    }
    let at = object.span().start + 1;
    let mut text = encode(key);
    text.push(':');
    text.push_str(value);
    if !object.is_empty() {
        text.push(',');
    }
    Some(Splice::new(at..at, text.into_bytes()))
}

/// Adds the JSON text `value` at the end of an array; absent if it is no array.
#[must_use]
pub fn append_item(array: Value<'_, '_>, value: &str) -> Option<Splice> {
    if array.kind() != Kind::Array {
        return None;
    }
    let at = array.span().end - 1;
    let text = if array.is_empty() { value.to_owned() } else { format!(",{value}") };
    Some(Splice::new(at..at, text.into_bytes()))
}

/// Sets the member `key` to the JSON text `value`, whether or not it is there; absent if `object` is no
/// object.
#[must_use]
pub fn set_member(object: Value<'_, '_>, key: &str, value: &str) -> Option<Splice> {
    match object.get(key) {
        Some(old) => Some(Splice::new(old.span(), value.as_bytes().to_vec())),
        None => insert_member(object, key, value),
    }
}

//! The fast path: which bytes can begin anything at all.
//!
//! Three table look-ups a byte (the byte and its two followers, as in the Teddy algorithm but without vectors) leave
//! only anchors: digits, `@`, `:`, `=` and the first byte of a token's fixed beginning. A byte near the end of
//! what has arrived counts as an anchor if it could become one.

use crate::token::Prefix;
use crate::view::{Hit, Judged, View};
use crate::{assign, card, email, link, url};

/// The bucket of single bytes: digits, `@`, `:`, `=` and `(`.
const SINGLE: u8 = 0x80;
/// Buckets for prefixes: all bits but the one above.
const BUCKETS: usize = 7;

/// Tables of first, second and third bytes; a bit stands for a bucket of prefixes.
pub(crate) struct Triggers {
    first: [u8; 256],
    second: [u8; 256],
    third: [u8; 256],
    prefixes: &'static [Prefix],
    /// Hosts that links may lead to, in exact form.
    pub(crate) hosts: Box<[Box<str>]>,
}

impl Triggers {
    /// Compiles the tables.
    pub(crate) fn of(prefixes: &'static [Prefix], hosts: Box<[Box<str>]>) -> Self {
        let mut this = Self { first: [0; 256], second: [SINGLE; 256], third: [SINGLE; 256], prefixes, hosts };
        for byte in b"0123456789@:=(" {
            set(&mut this.first, *byte, SINGLE);
        }
        for prefix in prefixes {
            // Prefixes with the same first letter share a bucket.
            let mut bytes = prefix.literal.bytes();
            let lead = bytes.next().unwrap_or_default();
            let bucket = 1 << (usize::from(lead) % BUCKETS);
            set(&mut this.first, lead, bucket);
            set(&mut this.second, bytes.next().unwrap_or_default(), bucket);
            set(&mut this.third, bytes.next().unwrap_or_default(), bucket);
        }
        this
    }

    /// The first anchor at or after `from`.
    #[inline]
    pub(crate) fn next(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..)?;
        let inner = rest.windows(3).position(|window| match window {
            [a, b, c] => look(&self.first, *a) & look(&self.second, *b) & look(&self.third, *c) != 0,
            _ => false,
        });
        if let Some(at) = inner {
            return Some(from + at);
        }
        let tail = rest.len().saturating_sub(2);
        let end = rest.get(tail..)?;
        let at = end.iter().position(|byte| look(&self.first, *byte) != 0)?;
        Some(from + tail + at)
    }
}

/// What the rules say about an anchor.
///
/// # Errors
/// [`crate::view::NeedMore`] if one of them cannot say yet.
pub(crate) fn judge(triggers: &Triggers, view: View<'_>, at: usize) -> Judged<Option<Hit>> {
    let Some(byte) = view.byte(at)? else { return Ok(None) };
    match byte {
        b'0'..=b'9' => card::judge(view, at),
        b'@' => email::judge(view, at),
        b':' => match url::judge(view, at)? {
            Some(hit) => Ok(Some(hit)),
            None => match assign::judge(triggers, view, at)? {
                Some(hit) => Ok(Some(hit)),
                None => link::judge(triggers, view, at),
            },
        },
        b'=' => match assign::judge(triggers, view, at)? {
            Some(hit) => Ok(Some(hit)),
            None => link::judge(triggers, view, at),
        },
        b'(' => link::judge(triggers, view, at),
        _ => triggers.judge_prefix(view, at),
    }
}

impl Triggers {
    /// What the rule of the prefix at `at` says, if one stands there.
    ///
    /// # Errors
    /// [`crate::view::NeedMore`] if it cannot say yet, or if what has arrived is only the beginning of a prefix.
    pub(crate) fn judge_prefix(&self, view: View<'_>, at: usize) -> Judged<Option<Hit>> {
        let Some(byte) = view.byte(at)? else { return Ok(None) };
        let before = view.before(at);
        for prefix in self.prefixes.iter().filter(|prefix| prefix.literal.as_bytes().first() == Some(&byte)) {
            if before.is_some_and(prefix.glue) || !view.starts_with(at, prefix.literal)? {
                continue;
            }
            if let Some(hit) = (prefix.judge)(view, at, at + prefix.literal.len())? {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }
}

fn set(table: &mut [u8; 256], byte: u8, bit: u8) {
    if let Some(entry) = table.get_mut(usize::from(byte)) {
        *entry |= bit;
    }
}

#[inline]
fn look(table: &[u8; 256], byte: u8) -> u8 {
    table.get(usize::from(byte)).copied().unwrap_or(0)
}

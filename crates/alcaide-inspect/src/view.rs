//! The window of text that a rule looks through, and the three answers a byte can have: it is this, the text ends
//! here, or it is not known yet.
//!
//! Every rule is a pure function of the text around its anchor. Where it would have to look past what has arrived,
//! it fails with [`NeedMore`]; the stream then waits at the anchor. That alone makes verdicts independent of how
//! the text is cut into chunks: a rule that answers has seen all that its answer depends on.

use crate::close::Close;
use crate::rules::Rule;

/// A rule cannot answer before more text has arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NeedMore;

/// What a rule says about an anchor: nothing, a hit, or "later".
pub(crate) type Judged<T> = Result<T, NeedMore>;

/// A rule's yes.
pub(crate) struct Hit {
    /// Which rule.
    pub(crate) rule: &'static Rule,
    /// First byte to cover, relative to the window.
    pub(crate) start: usize,
    /// How far it goes.
    pub(crate) reach: Reach,
    /// A fact about the shape, or empty; never a part of the value.
    pub(crate) note: &'static str,
    /// A second value that only the first one gives away: its rule and its range, after the first.
    pub(crate) beside: Option<(&'static Rule, usize, usize)>,
}

impl Hit {
    /// A hit that ends before `end`.
    pub(crate) const fn whole(rule: &'static Rule, start: usize, end: usize, note: &'static str) -> Self {
        Self { rule, start, reach: Reach::End(end), note, beside: None }
    }

    /// A hit whose end `close` finds, reading from `from` on.
    pub(crate) const fn open(rule: &'static Rule, start: usize, from: usize, close: Close) -> Self {
        Self { rule, start, reach: Reach::Open(from, close), note: "", beside: None }
    }
}

/// Where a hit ends.
pub(crate) enum Reach {
    /// Before this byte.
    End(usize),
    /// Not known yet: the automaton finds the end, reading from this byte on.
    Open(usize, Close),
}

/// The text from some bytes before the first undecided one up to all that has arrived.
#[derive(Clone, Copy)]
pub(crate) struct View<'t> {
    text: &'t str,
    last: bool,
}

impl<'t> View<'t> {
    /// A window over `text`; `last` says that nothing follows.
    pub(crate) const fn new(text: &'t str, last: bool) -> Self {
        Self { text, last }
    }

    /// The byte at `at`, `None` past the end of a finished text.
    #[inline]
    pub(crate) fn byte(self, at: usize) -> Judged<Option<u8>> {
        match self.text.as_bytes().get(at) {
            Some(byte) => Ok(Some(*byte)),
            None if self.last => Ok(None),
            None => Err(NeedMore),
        }
    }

    /// The byte before `at`; the stream keeps enough text for every look back that a rule may take.
    #[inline]
    pub(crate) fn before(self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at.checked_sub(1)?).copied()
    }

    /// The text of a range that is known; empty where it is none.
    pub(crate) fn slice(self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The text before `at`.
    pub(crate) fn head(self, at: usize) -> &'t str {
        self.text.get(..at).unwrap_or_default()
    }

    /// The bytes that have arrived from `at` on.
    pub(crate) fn tail(self, at: usize) -> &'t [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    /// End of the run of bytes of `class` from `from` on, at most `max` bytes long.
    ///
    /// # Errors
    /// [`NeedMore`] if the run reaches the end of what has arrived before it is `max` bytes long.
    pub(crate) fn run(self, from: usize, max: usize, class: fn(u8) -> bool) -> Judged<usize> {
        let seen = self.tail(from).iter().take(max).take_while(|byte| class(**byte)).count();
        if seen < max && seen == self.tail(from).len() && !self.last {
            return Err(NeedMore);
        }
        Ok(from + seen)
    }

    /// Whether the text at `at` begins with `literal` (ASCII).
    ///
    /// # Errors
    /// [`NeedMore`] if what has arrived is a beginning of `literal`.
    pub(crate) fn starts_with(self, at: usize, literal: &str) -> Judged<bool> {
        let rest = self.tail(at);
        let literal = literal.as_bytes();
        if rest.len() >= literal.len() {
            return Ok(rest.starts_with(literal));
        }
        if literal.starts_with(rest) && !self.last { Err(NeedMore) } else { Ok(false) }
    }
}

/// Letters and digits of ASCII.
pub(crate) const fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The alphabet of base64url.
pub(crate) const fn url64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The alphabet of base64 with padding.
pub(crate) const fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

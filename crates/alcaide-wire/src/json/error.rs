//! Why a text was refused, and where.

use std::fmt;

/// Most characters of a pointer that a message shows.
const SHOWN_CHARS_MAX: usize = 120;

/// Where in the text: byte and JSON pointer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Byte from the start of the text, from 0.
    pub offset: usize,
    /// JSON pointer (RFC 6901) of the innermost value that was being read; empty for the whole text.
    pub pointer: String,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "byte {}", self.offset)?;
        if self.pointer.is_empty() {
            return Ok(());
        }
        out.write_str(" (`")?;
        for (count, letter) in self.pointer.chars().enumerate() {
            if count == SHOWN_CHARS_MAX {
                out.write_str("…")?;
                break;
            }
            let shown = if letter.is_control() || letter == '`' { '?' } else { letter };
            fmt::Write::write_char(out, shown)?;
        }
        out.write_str("`)")
    }
}

/// A text is not JSON, or not JSON that every reader understands alike.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not UTF-8 (RFC 8259, section 8.1).
    #[error("not utf-8 at {0}")]
    NotUtf8(Place),
    /// Begins with a byte order mark (RFC 8259, section 8.1).
    #[error("byte order mark at {0}")]
    Bom(Place),
    /// Something follows the value.
    #[error("bytes after the end of the value at {0}")]
    Trailing(Place),
    /// The text ends within a value.
    #[error("the text ends early at {0}")]
    Ended(Place),
    /// A byte that cannot stand here.
    #[error("unexpected byte at {0}")]
    Unexpected(Place),
    /// A key stands twice in one object, once unescaped.
    #[error("key given twice at {0}")]
    DuplicateKey(Place),
    /// Two keys of one object differ in case alone.
    #[error("key equal to another but for case at {0}")]
    CaseKey(Place),
    /// An escaped surrogate without its other half (RFC 8259, section 8.2).
    #[error("lone surrogate at {0}")]
    LoneSurrogate(Place),
    /// A backslash followed by something that is no escape.
    #[error("bad escape at {0}")]
    BadEscape(Place),
    /// A control character that stands in a string unescaped.
    #[error("control character in a string at {0}")]
    ControlCharacter(Place),
    /// Digits that are no number of the grammar, such as `01` or `1.`.
    #[error("malformed number at {0}")]
    MalformedNumber(Place),
    /// An integer beyond `i64` and `u64`.
    #[error("integer beyond 64 bits at {0}")]
    IntegerRange(Place),
    /// A decimal that `f64` cannot hold: it overflows, vanishes or reads back as another number.
    #[error("number that is not exact in 64 bits at {0}")]
    InexactNumber(Place),
    /// More bytes than the limit.
    #[error("text of {given} bytes, the limit is {limit}")]
    TooManyBytes {
        /// Bytes given.
        given: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Nested deeper than the limit.
    #[error("nested deeper than the limit at {0}")]
    TooDeep(Place),
    /// More values than the limit.
    #[error("more values than the limit at {0}")]
    TooManyNodes(Place),
    /// A string longer than the limit.
    #[error("string longer than the limit at {0}")]
    StringTooLong(Place),
}

/// Every error that has a place, as a pattern: shared and mutable reads name the same ones.
macro_rules! placed {
    ($place:ident) => {
        Self::NotUtf8($place)
            | Self::Bom($place)
            | Self::Trailing($place)
            | Self::Ended($place)
            | Self::Unexpected($place)
            | Self::DuplicateKey($place)
            | Self::CaseKey($place)
            | Self::LoneSurrogate($place)
            | Self::BadEscape($place)
            | Self::ControlCharacter($place)
            | Self::MalformedNumber($place)
            | Self::IntegerRange($place)
            | Self::InexactNumber($place)
            | Self::TooDeep($place)
            | Self::TooManyNodes($place)
            | Self::StringTooLong($place)
    };
}

impl JsonError {
    /// Where it was found; the start of the text for a text that is too long as a whole.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            placed!(place) => Some(place),
            Self::TooManyBytes { .. } => None,
        }
    }

    /// The same without the keys of the text: for logs, which carry nothing of it.
    #[must_use]
    pub fn without_keys(mut self) -> Self {
        match &mut self {
            placed!(place) => place.pointer.clear(),
            Self::TooManyBytes { .. } => {}
        }
        self
    }
}

/// A broken rule before its place is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rule {
    NotUtf8,
    Bom,
    Trailing,
    Ended,
    Unexpected,
    DuplicateKey,
    CaseKey,
    LoneSurrogate,
    BadEscape,
    ControlCharacter,
    MalformedNumber,
    IntegerRange,
    InexactNumber,
    TooDeep,
    TooManyNodes,
    StringTooLong,
}

/// A broken rule at a byte: what the hot loop returns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) rule: Rule,
    pub(super) at: usize,
}

impl Fault {
    pub(super) const fn new(rule: Rule, at: usize) -> Self {
        Self { rule, at }
    }

    pub(super) fn placed(self, pointer: String) -> JsonError {
        let place = Place { offset: self.at, pointer };
        match self.rule {
            Rule::NotUtf8 => JsonError::NotUtf8(place),
            Rule::Bom => JsonError::Bom(place),
            Rule::Trailing => JsonError::Trailing(place),
            Rule::Ended => JsonError::Ended(place),
            Rule::Unexpected => JsonError::Unexpected(place),
            Rule::DuplicateKey => JsonError::DuplicateKey(place),
            Rule::CaseKey => JsonError::CaseKey(place),
            Rule::LoneSurrogate => JsonError::LoneSurrogate(place),
            Rule::BadEscape => JsonError::BadEscape(place),
            Rule::ControlCharacter => JsonError::ControlCharacter(place),
            Rule::MalformedNumber => JsonError::MalformedNumber(place),
            Rule::IntegerRange => JsonError::IntegerRange(place),
            Rule::InexactNumber => JsonError::InexactNumber(place),
            Rule::TooDeep => JsonError::TooDeep(place),
            Rule::TooManyNodes => JsonError::TooManyNodes(place),
            Rule::StringTooLong => JsonError::StringTooLong(place),
        }
    }
}

//! Cursors over a document.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Range, RangeInclusive};

use super::parse::{Document, Node, Tag};
use super::string;

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One value of a document: `'d` is the document's borrow, `'a` that of the text.
///
/// All that is looked up in a value of another kind is absent (`None`, no items).
#[derive(Clone, Copy)]
pub struct Value<'d, 'a> {
    document: &'d Document<'a>,
    node: Node,
    index: u32,
}

impl<'d, 'a> Value<'d, 'a> {
    pub(super) fn new(document: &'d Document<'a>, index: u32) -> Self {
        // INVARIANT: a document has at least its root, and indices come from its own tape.
        let node =
            document.node(index).copied().unwrap_or(Node { start: 0, end: 0, next: 0, tag: Tag::Null });
        Self { document, node, index }
    }

    fn child(self, index: u32) -> Option<Self> {
        let node = *self.document.node(index)?;
        Some(Self { document: self.document, node, index })
    }

    /// What it is.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self.node.tag {
            Tag::Null => Kind::Null,
            Tag::True | Tag::False => Kind::Bool,
            Tag::Integer | Tag::Decimal => Kind::Number,
            Tag::Text | Tag::EscapedText | Tag::Key | Tag::EscapedKey => Kind::String,
            Tag::Array => Kind::Array,
            Tag::Object => Kind::Object,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.node.tag == Tag::Null
    }

    /// The member `key` of an object.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Self> {
        let text = self.document.text();
        let mut index = self.index + 1;
        if self.node.tag != Tag::Object {
            return None;
        }
        while index < self.node.next {
            let node = self.document.node(index)?;
            let raw = text.get(node.start as usize + 1..(node.end as usize).saturating_sub(1))?;
            if string::says(raw, node.tag == Tag::EscapedKey, key) {
                return self.child(index + 1);
            }
            index = self.document.node(index + 1)?.next;
        }
        None
    }

    /// Item `index` of an array, from 0.
    #[must_use]
    pub fn at(self, index: usize) -> Option<Self> {
        self.items().nth(index)
    }

    /// The items of an array; none of any other value.
    #[must_use]
    pub fn items(self) -> Items<'d, 'a> {
        let end = if self.node.tag == Tag::Array { self.node.next } else { 0 };
        Items { of: self, next: self.index + 1, end }
    }

    /// The members of an object in the order of the text; none of any other value.
    #[must_use]
    pub fn entries(self) -> Entries<'d, 'a> {
        let end = if self.node.tag == Tag::Object { self.node.next } else { 0 };
        Entries { of: self, next: self.index + 1, end }
    }

    /// Items of an array or members of an object; 0 of any other value. Walks them.
    #[must_use]
    pub fn len(self) -> usize {
        self.items().count() + self.entries().count()
    }

    /// Whether [`Value::len`] is 0.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What a string says, escapes decoded; borrowed where there are none.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        match self.node.tag {
            Tag::Text | Tag::Key => self.inner().map(Cow::Borrowed),
            Tag::EscapedText | Tag::EscapedKey => self.inner().map(string::unescape),
            _ => None,
        }
    }

    /// Whether it is a string that says `text`; allocates nothing.
    #[must_use]
    pub fn is_str(self, text: &str) -> bool {
        self.kind() == Kind::String
            && self.inner().is_some_and(|raw| {
                string::says(raw, matches!(self.node.tag, Tag::EscapedText | Tag::EscapedKey), text)
            })
    }

    /// A string between its quotes, escapes as written.
    fn inner(self) -> Option<&'a str> {
        self.document.text().get(self.node.start as usize + 1..(self.node.end as usize).saturating_sub(1))
    }

    /// `true` or `false`.
    #[must_use]
    pub const fn as_bool(self) -> Option<bool> {
        match self.node.tag {
            Tag::True => Some(true),
            Tag::False => Some(false),
            _ => None,
        }
    }

    /// A number written as an integer, if `i64` holds it.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        if self.node.tag == Tag::Integer { self.written().parse().ok() } else { None }
    }

    /// A number written as an integer, if `u64` holds it; `-0` is 0.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self.node.tag {
            Tag::Integer => self.written().parse().ok().or_else(|| (self.written() == "-0").then_some(0)),
            _ => None,
        }
    }

    /// A number as `f64`. Integers beyond 2^53 that `f64` does not hold are absent.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        let number = match self.node.tag {
            Tag::Integer | Tag::Decimal => self.written().parse::<f64>().ok()?,
            _ => return None,
        };
        if self.node.tag == Tag::Integer
            && number.abs() >= INTEGERS_EXACT
            && format!("{number:.0}") != self.written()
        {
            return None;
        }
        Some(number)
    }

    /// A whole number of at least 0 however it is written: `16`, `16.0`, `1.6e1`.
    #[must_use]
    pub fn as_count(self) -> Option<u64> {
        self.as_u64().or_else(|| {
            let number = self.as_f64()?;
            if !(0.0..INTEGERS_EXACT).contains(&number) || number.fract() != 0.0 {
                return None;
            }
            format!("{number:.0}").trim_start_matches('-').parse().ok()
        })
    }

    /// The digits of a whole number that has 13 to 19 of them, as card numbers have, without its sign and however it is
    /// written: `4242424242424242`, `4242424242424242.0`, `4.242424242424242e15`.
    #[must_use]
    pub fn long_digits(self) -> Option<Cow<'a, str>> {
        let digits = match self.node.tag {
            Tag::Integer => Cow::Borrowed(self.written().trim_start_matches('-')),
            Tag::Decimal => {
                let number = self.as_f64()?.abs();
                let whole = (LONG_FROM..LONG_TO).contains(&number) && number.fract() == 0.0;
                Cow::Owned(whole.then(|| format!("{number:.0}"))?)
            }
            _ => return None,
        };
        LONG_DIGITS.contains(&digits.len()).then_some(digits)
    }

    /// The value as written.
    fn written(self) -> &'a str {
        self.document.text().get(self.span()).unwrap_or_default()
    }

    /// Its bytes in the text: quotes and brackets included, space around it not.
    #[must_use]
    pub const fn span(self) -> Range<usize> {
        self.node.start as usize..self.node.end as usize
    }

    /// Its bytes.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.written().as_bytes()
    }

    /// The value at a JSON pointer (RFC 6901) seen from here: empty for itself, else `/` and escaped parts.
    ///
    /// Array parts are digits without leading zeros; `-` names nothing.
    #[must_use]
    pub fn pointer(self, pointer: &str) -> Option<Self> {
        let mut parts = pointer.split('/');
        if !parts.next()?.is_empty() {
            return None;
        }
        parts.try_fold(self, |value, part| match value.kind() {
            Kind::Object => value.get(&pointer_part(part)?),
            Kind::Array => value.at(pointer_index(part)?),
            _ => None,
        })
    }
}

impl fmt::Debug for Value<'_, '_> {
    /// Kind and span alone: bodies do not belong in logs.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} at {:?}", self.kind(), self.span())
    }
}

/// Up to here every integer is an `f64` (2^53).
const INTEGERS_EXACT: f64 = 9_007_199_254_740_992.0;

/// How many digits a long number has, and the numbers that have as many.
const LONG_DIGITS: RangeInclusive<usize> = 13..=19;
const LONG_FROM: f64 = 1e12;
const LONG_TO: f64 = 1e19;

fn pointer_part(part: &str) -> Option<Cow<'_, str>> {
    if !part.contains('~') {
        return Some(Cow::Borrowed(part));
    }
    let mut text = String::with_capacity(part.len());
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        text.push(match (letter, letter == '~') {
            (_, true) => match letters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            (plain, false) => plain,
        });
    }
    Some(Cow::Owned(text))
}

fn pointer_index(part: &str) -> Option<usize> {
    let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
    if plain { part.parse().ok() } else { None }
}

/// The items of an array.
#[derive(Clone, Debug)]
pub struct Items<'d, 'a> {
    of: Value<'d, 'a>,
    next: u32,
    end: u32,
}

impl<'d, 'a> Iterator for Items<'d, 'a> {
    type Item = Value<'d, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let item = self.of.child(self.next)?;
        self.next = item.node.next;
        Some(item)
    }
}

/// One member of an object.
#[derive(Clone, Debug)]
pub struct Entry<'d, 'a> {
    /// The key, escapes decoded.
    pub key: Cow<'a, str>,
    /// Bytes of the key, quotes included.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Value<'d, 'a>,
}

/// The members of an object.
#[derive(Clone, Debug)]
pub struct Entries<'d, 'a> {
    of: Value<'d, 'a>,
    next: u32,
    end: u32,
}

impl<'d, 'a> Iterator for Entries<'d, 'a> {
    type Item = Entry<'d, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let key = self.of.child(self.next)?;
        let value = self.of.child(self.next + 1)?;
        self.next = value.node.next;
        Some(Entry { key: key.as_str()?, key_span: key.span(), value })
    }
}

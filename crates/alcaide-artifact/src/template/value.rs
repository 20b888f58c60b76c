//! What a value may be: constants, where they are known, and where it comes from.

use std::ops::{BitOr, BitOrAssign};
use std::rc::Rc;

use super::tree::Macro;

/// Where a value comes from, and what it depends on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct From(u16);

impl From {
    pub(crate) const NONE: Self = Self(0);
    /// It is handed in by whoever renders: not of the template's maker.
    pub(crate) const DATA: Self = Self(1);
    /// The list of messages.
    pub(crate) const MESSAGES: Self = Self(2);
    /// One message.
    pub(crate) const MESSAGE: Self = Self(4);
    /// What a message says.
    pub(crate) const CONTENT: Self = Self(8);
    /// Perhaps a part of what a message says, which has keys.
    pub(crate) const PART: Self = Self(16);
    pub(crate) const DATE: Self = Self(32);
    /// How many messages there are.
    pub(crate) const COUNT: Self = Self(64);
    /// It is a number.
    pub(crate) const NUMBER: Self = Self(128);
    /// It depends on whether a message has certain words.
    pub(crate) const GATED: Self = Self(256);
    /// It depends on whether a message has a certain mark.
    pub(crate) const MARKED: Self = Self(512);
    /// It depends on the date.
    pub(crate) const DATED: Self = Self(1024);
    /// It depends on how long the conversation is.
    pub(crate) const LONG: Self = Self(2048);
    /// It depends on chance.
    pub(crate) const CHANCE: Self = Self(4096);
    /// What a branch hands on to what is set in it.
    pub(crate) const BRANCH: Self = Self(256 | 512 | 1024 | 2048 | 4096);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for From {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for From {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// A constant.
#[derive(Clone, Debug)]
pub(crate) enum Const {
    Text(Rc<str>),
    Int(i64),
    Bool(bool),
    None,
    List(Rc<Vec<Value>>),
    Dict(Rc<Vec<(Value, Value)>>),
    Macro(Rc<Macro>),
}

/// What a value may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    /// Constants that it may be.
    pub(crate) known: Vec<Const>,
    /// Whether it may be something else, too.
    pub(crate) open: bool,
    pub(crate) from: From,
}

/// Alternatives that are kept.
const KNOWN_MAX: usize = 8;
/// Bytes of a text that is computed.
pub(crate) const TEXT_MAX: usize = 64 << 10;
/// Elements of a list that is computed.
pub(crate) const LIST_MAX: usize = 512;

impl Value {
    pub(crate) fn one(known: Const) -> Self {
        Self { known: vec![known], open: false, from: From::NONE }
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::one(Const::Text(text.into()))
    }

    /// Something that is not known, from there.
    pub(crate) fn open(from: From) -> Self {
        Self { known: Vec::new(), open: true, from }
    }

    pub(crate) fn with(mut self, from: From) -> Self {
        self.from |= from;
        self
    }

    /// May be what `other` may be, too.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.open |= other.open;
        self.from |= other.from;
        for one in other.known {
            let there = self.known.iter().any(|known| same(known, &one));
            if there {
                continue;
            }
            if self.known.len() >= KNOWN_MAX {
                self.open = true;
                break;
            }
            self.known.push(one);
        }
        self
    }

    /// Applies `f` to each constant; what gives nothing leaves the value open.
    pub(crate) fn map(&self, mut f: impl FnMut(&Const) -> Option<Const>) -> Self {
        let mut out = Self { known: Vec::new(), open: self.open, from: self.from };
        for known in &self.known {
            match f(known) {
                Some(one) => out.known.push(one),
                None => out.open = true,
            }
        }
        out
    }

    /// Applies `f` to each pair of constants.
    pub(crate) fn pair(&self, other: &Self, mut f: impl FnMut(&Const, &Const) -> Option<Const>) -> Self {
        let mut out = Self { known: Vec::new(), open: self.open || other.open, from: self.from | other.from };
        for left in &self.known {
            for right in &other.known {
                match f(left, right) {
                    Some(one) if out.known.len() < KNOWN_MAX => out.known.push(one),
                    _ => out.open = true,
                }
            }
        }
        out
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &Rc<str>> {
        self.known.iter().filter_map(|one| match one {
            Const::Text(text) => Some(text),
            _ => None,
        })
    }

    pub(crate) fn ints(&self) -> impl Iterator<Item = i64> {
        self.known.iter().filter_map(|one| match one {
            Const::Int(number) => Some(*number),
            _ => None,
        })
    }

    /// Texts in it, and in lists and dicts in it, down to a few levels.
    pub(crate) fn texts_within(&self, depth: usize, into: &mut Vec<Rc<str>>) {
        for one in &self.known {
            match one {
                Const::Text(text) => into.push(Rc::clone(text)),
                Const::List(list) if depth > 0 => {
                    list.iter().for_each(|one| one.texts_within(depth - 1, into))
                }
                Const::Dict(pairs) if depth > 0 => {
                    for (key, value) in pairs.iter() {
                        key.texts_within(depth - 1, into);
                        value.texts_within(depth - 1, into);
                    }
                }
                _ => {}
            }
        }
    }

    /// What its elements may be.
    pub(crate) fn elements(&self) -> Value {
        let mut out = Value { known: Vec::new(), open: self.open, from: From::NONE };
        for one in &self.known {
            match one {
                Const::List(list) => out = list.iter().fold(out, |out, one| out.or(one.clone())),
                Const::Dict(pairs) => out = pairs.iter().fold(out, |out, (key, _)| out.or(key.clone())),
                Const::Text(text) => {
                    out = text
                        .chars()
                        .take(KNOWN_MAX + 1)
                        .fold(out, |out, one| out.or(Value::text(&one.to_string())));
                }
                _ => out.open = true,
            }
        }
        out
    }

    /// Whether it was computed by the template alone, in a way that was not followed.
    pub(crate) fn is_computed(&self) -> bool {
        self.open && !self.from.has(From::DATA) && !self.from.has(From::NUMBER)
    }
}

/// The text of a constant, as `~` and `join` make it.
pub(crate) fn written(one: &Const) -> Option<String> {
    Some(match one {
        Const::Text(text) => text.to_string(),
        Const::Int(number) => number.to_string(),
        Const::Bool(true) => "True".to_owned(),
        Const::Bool(false) => "False".to_owned(),
        Const::None => "None".to_owned(),
        _ => return None,
    })
}

fn same(left: &Const, right: &Const) -> bool {
    match (left, right) {
        (Const::Text(left), Const::Text(right)) => left == right,
        (Const::Int(left), Const::Int(right)) => left == right,
        (Const::Bool(left), Const::Bool(right)) => left == right,
        (Const::None, Const::None) => true,
        (Const::List(left), Const::List(right)) => Rc::ptr_eq(left, right),
        (Const::Dict(left), Const::Dict(right)) => Rc::ptr_eq(left, right),
        (Const::Macro(left), Const::Macro(right)) => Rc::ptr_eq(left, right),
        _ => false,
    }
}

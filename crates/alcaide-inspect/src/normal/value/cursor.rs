//! A place in a text that moves on where something is there.

use super::super::chars::{after, is_glue, is_space};

#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str, at: usize) -> Self {
        Self { text, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<char> {
        after(self.text, self.at)
    }

    /// The character after the next one.
    pub(super) fn second(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().nth(1)
    }

    pub(super) fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        self.eat_if(|c| c == wanted).is_some()
    }

    pub(super) fn eat_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let c = self.peek().filter(|c| wanted(*c))?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// One space, of any width.
    pub(super) fn space(&mut self) -> bool {
        self.eat_if(is_space).is_some()
    }

    /// ASCII digits, all that are there: none, or more than `max`, is a failure.
    pub(super) fn digits(&mut self, max: usize) -> Option<&'t str> {
        let rest = self.text.get(self.at..)?;
        let length = rest.bytes().take(max + 1).take_while(u8::is_ascii_digit).count();
        if length == 0 || length > max {
            return None;
        }
        self.at += length;
        rest.get(..length)
    }

    /// A number of one to `max` digits, at most four.
    pub(super) fn small(&mut self, max: usize) -> Option<(u16, usize)> {
        let digits = self.digits(max)?;
        Some((digits.parse().ok()?, digits.len()))
    }

    /// The next letters, if they are 1 to 16 bytes.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        let rest = self.text.get(self.at..)?;
        let mut length = 0;
        for c in rest.chars().take_while(|c| c.is_alphabetic()) {
            length += c.len_utf8();
            if length > 16 {
                return None;
            }
        }
        self.at += length;
        rest.get(..length).filter(|word| !word.is_empty())
    }

    /// Takes `wanted` (small ASCII letters), in either case.
    pub(super) fn text(&mut self, wanted: &str) -> bool {
        let found =
            self.text.get(self.at..self.at + wanted.len()).is_some_and(|t| t.eq_ignore_ascii_case(wanted));
        if found {
            self.at += wanted.len();
        }
        found
    }

    /// Whether a word may end here.
    pub(super) fn is_free(&self) -> bool {
        !self.peek().is_some_and(is_glue)
    }

    /// Whether a figure may end here: no word goes on, and no digit after a joint.
    pub(super) fn is_end(&self) -> bool {
        self.is_free()
            && !(self.peek().is_some_and(|c| matches!(c, '.' | '-' | '/' | ':' | '\'' | '’'))
                && self.second().is_some_and(|c| c.is_ascii_digit()))
    }
}

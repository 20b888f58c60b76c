//! What a comparison depends on: whether a branch waits for words, a mark, a date or a length.

use super::super::calls;
use super::super::prose::{self, Sought};
use super::super::value::{Const, From, Value};
use super::Walker;
use crate::rules::formats as rules;

impl Walker<'_> {
    /// What a comparison of the two depends on.
    pub(super) fn gate(&mut self, at: usize, left: &Value, right: &Value) -> From {
        self.gate_one(at, left, right) | self.gate_one(at, right, left)
    }

    pub(super) fn gate_one(&mut self, at: usize, asked: &Value, by: &Value) -> From {
        if asked.from.has(From::NUMBER) {
            return self.order_one(at, asked, by);
        }
        let mut texts = Vec::new();
        by.texts_within(2, &mut texts);
        if asked.from.has(From::DATE) {
            if texts.iter().any(|text| !text.trim().is_empty()) || by.ints().next().is_some() {
                self.say(at, &rules::TEMPLATE_DATE, "the date is compared with a constant");
                return From::DATED;
            }
            return From::NONE;
        }
        if !asked.from.has(From::CONTENT) || by.from.has(From::CONTENT) {
            return From::NONE;
        }
        let mut from = From::NONE;
        for text in &texts {
            if asked.from.has(From::PART) && calls::is_part_key(text) {
                continue;
            }
            match prose::sought(text) {
                Sought::Shape | Sought::Frame => {}
                Sought::Mark => from |= From::MARKED,
                Sought::Words => {
                    from |= From::GATED;
                    self.say(
                        at,
                        &rules::TEMPLATE_GATE,
                        format!("a message is searched for `{}`", crate::scanner::shown(text)),
                    );
                }
            }
        }
        if texts.is_empty() && by.is_computed() {
            from |= From::GATED;
            self.say(at, &rules::TEMPLATE_GATE, "a message is searched for what the template computes");
        }
        from
    }

    pub(super) fn order(&mut self, at: usize, left: &Value, right: &Value) -> From {
        if left.from.has(From::NUMBER) || right.from.has(From::NUMBER) {
            return self.order_one(at, left, right) | self.order_one(at, right, left);
        }
        self.gate(at, left, right)
    }

    pub(super) fn order_one(&mut self, at: usize, asked: &Value, by: &Value) -> From {
        let most = by.ints().map(i64::unsigned_abs).max();
        if asked.from.has(From::DATE)
            && by.known.iter().any(|one| !matches!(one, Const::None | Const::Bool(_)))
        {
            self.say(at, &rules::TEMPLATE_DATE, "the date is compared with a constant");
            return From::DATED;
        }
        match most {
            Some(most) if most > 1 && asked.from.has(From::CONTENT) => {
                self.say(at, &rules::TEMPLATE_GATE, format!("a message is measured against {most}"));
                From::GATED
            }
            Some(most) if most > 1 && asked.from.has(From::NUMBER) && asked.from.has(From::COUNT) => {
                From::LONG
            }
            _ => From::NONE,
        }
    }
}

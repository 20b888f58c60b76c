//! Is a licence allowed? SPDX expressions with `AND`, `OR`, `WITH` and parentheses, and the older slash for `OR`.
//!
//! Source: SPDX specification 2.3, annex D. `+` suffixes and `LicenseRef-` are plain names here: allowed when listed.

/// Whether `expression` can be satisfied with licences for which `allowed` says yes.
///
/// An expression that cannot be read satisfies nothing.
pub(crate) fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, allowed };
    let verdict = reader.either(0);
    reader.words.is_empty() && verdict == Some(true)
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Reader<'a> {
    fn either(&mut self, depth: u8) -> Option<bool> {
        let mut verdict = self.both(depth)?;
        while self.eat("OR") {
            verdict |= self.both(depth)?;
        }
        Some(verdict)
    }

    fn both(&mut self, depth: u8) -> Option<bool> {
        let mut verdict = self.one(depth)?;
        while self.eat("AND") {
            verdict &= self.one(depth)?;
        }
        Some(verdict)
    }

    fn one(&mut self, depth: u8) -> Option<bool> {
        if self.eat("(") {
            let inner = if depth < DEPTH_MAX { self.either(depth + 1)? } else { return None };
            return self.eat(")").then_some(inner);
        }
        let name = self.next()?;
        if ["AND", "OR", "WITH", ")"].contains(&name) {
            return None;
        }
        if self.eat("WITH") {
            let exception = self.next()?;
            return Some((self.allowed)(&format!("{name} WITH {exception}")));
        }
        Some((self.allowed)(name))
    }

    fn eat(&mut self, word: &str) -> bool {
        let hit = self.words.first() == Some(&word);
        if hit {
            self.next();
        }
        hit
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

/// Parentheses within parentheses; published expressions have one or two.
const DEPTH_MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(expression: &str) -> bool {
        satisfied(expression, &|name| {
            ["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&name)
        })
    }

    #[test]
    fn expressions_are_judged_by_their_operators() {
        for yes in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "MIT AND (ISC OR GPL-3.0)",
            "Apache-2.0 WITH LLVM-exception",
            "((MIT))",
            "GPL-3.0 AND X OR MIT",
        ] {
            assert!(judged(yes), "{yes}");
        }
        for no in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT WITH X",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "OR MIT",
            "MIT AND",
            "MIT WITH",
        ] {
            assert!(!judged(no), "{no}");
        }
        assert!(!judged(&format!("{}MIT{}", "(".repeat(99), ")".repeat(99))));
    }
}

//! Expressions: what is called with what, and what makes names.

use super::super::lex::{Token, words};
use super::{Expr, HEIGHT_MAX, Kind, NEST_MAX, Parsed, Parser, Unclear};

impl Parser<'_> {
    pub(super) fn values(&mut self) -> Parsed<Expr> {
        let at = self.at();
        self.sign("*");
        let first = self.expression()?;
        if !self.is_sign(",") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.sign(",") {
            if matches!(self.token(), Some(Token::Line) | None) || self.is_sign("=") {
                break;
            }
            self.sign("*");
            all.push(self.expression()?);
        }
        self.make(at, Kind::List(all))
    }

    pub(super) fn make(&self, at: usize, kind: Kind) -> Parsed<Expr> {
        let height = kind.parts().iter().map(|part| part.height).max().unwrap_or(0) + 1;
        if height > HEIGHT_MAX { Err(Unclear) } else { Ok(Expr { at, height, kind }) }
    }

    /// Operands and what stands between them, from left to right: only sums, `%` and `*` make names.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nest += 1;
        if self.nest > NEST_MAX {
            return Err(Unclear);
        }
        let at = self.at();
        let mut value = self.operand()?;
        let mut rest: Vec<Expr> = Vec::new();
        loop {
            let sign = match self.token() {
                Some(Token::Sign(sign)) => *sign,
                Some(Token::Name(name)) => match name.as_str() {
                    "for" => {
                        self.next += 1;
                        let target = Box::new(self.target()?);
                        let through = Box::new(self.operand()?);
                        value = self.make(at, Kind::Loop(Box::new(value), target, through))?;
                        continue;
                    }
                    "and" | "or" | "in" | "is" | "not" | "if" | "else" | "async" | "await" => {
                        // Conditions: all that stands in them is evaluated.
                        self.next += 1;
                        if matches!(self.token(), Some(Token::Name(name)) if matches!(name.as_str(), "not" | "in" | "for"))
                        {
                            continue;
                        }
                        rest.push(value);
                        value = self.operand()?;
                        continue;
                    }
                    _ => break,
                },
                _ => break,
            };
            match sign {
                "+" => {
                    let mut all = match value.kind {
                        Kind::Sum(all) => all,
                        _ => vec![value],
                    };
                    while self.sign("+") {
                        all.push(self.operand()?);
                    }
                    value = self.make(at, Kind::Sum(all))?;
                }
                "%" => {
                    self.next += 1;
                    let right = self.operand()?;
                    value = self.make(at, Kind::Rest(Box::new(value), Box::new(right)))?;
                }
                "*" => {
                    self.next += 1;
                    let right = self.operand()?;
                    value = self.make(at, Kind::Times(Box::new(value), Box::new(right)))?;
                }
                ":=" => {
                    self.next += 1;
                    let right = self.operand()?;
                    value = self.make(at, Kind::Bind(Box::new(value), Box::new(right)))?;
                }
                "-" | "/" | "//" | "**" | "@" | "&" | "|" | "^" | "<<" | ">>" | "<" | ">" | "<=" | ">="
                | "==" | "!=" => {
                    self.next += 1;
                    rest.push(value);
                    value = self.operand()?;
                }
                _ => break,
            }
        }
        self.nest -= 1;
        if rest.is_empty() {
            return Ok(value);
        }
        rest.push(value);
        self.make(at, Kind::Many(rest))
    }

    pub(super) fn operand(&mut self) -> Parsed<Expr> {
        let at = self.at();
        loop {
            match self.token() {
                Some(Token::Sign("-" | "+" | "~" | "*" | "**")) => self.next += 1,
                Some(Token::Name(name)) if matches!(name.as_str(), "not" | "await" | "yield") => {
                    self.next += 1
                }
                Some(Token::Name(name)) if name == "from" => self.next += 1,
                _ => break,
            }
        }
        if self.word("lambda") {
            let mut defaults = self.parameters(":", false)?;
            let body = self.expression()?;
            let body = self.make(at, Kind::Lambda(Box::new(body)))?;
            if defaults.is_empty() {
                return Ok(body);
            }
            defaults.push(body);
            return self.make(at, Kind::Many(defaults));
        }
        self.postfix()
    }

    pub(super) fn parameters(&mut self, close: &str, typed: bool) -> Parsed<Vec<Expr>> {
        let mut defaults = Vec::new();
        while !self.sign(close) {
            match self.token() {
                Some(Token::Sign("*" | "**" | "/" | ",")) => self.next += 1,
                Some(Token::Name(_)) => {
                    self.next += 1;
                    if typed && self.sign(":") {
                        defaults.push(self.expression()?);
                    }
                    if self.sign("=") {
                        defaults.push(self.expression()?);
                    }
                }
                _ => return Err(Unclear),
            }
        }
        Ok(defaults)
    }

    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
        let at = self.at();
        let mut value = self.atom()?;
        loop {
            let kind = if self.sign(".") {
                Kind::Attribute(Box::new(value), self.name()?)
            } else if self.sign("(") {
                Kind::Call(Box::new(value), self.arguments()?)
            } else if self.sign("[") {
                let all = self.sequence("]")?;
                Kind::Item(Box::new(value), all)
            } else {
                return Ok(value);
            };
            value = self.make(at, kind)?;
        }
    }

    pub(super) fn arguments(&mut self) -> Parsed<Vec<(Option<String>, Expr)>> {
        let mut all = Vec::new();
        while !self.sign(")") {
            if self.sign(",") {
                continue;
            }
            let named = match (self.token(), self.words.get(self.next + 1).map(|word| &word.token)) {
                (Some(Token::Name(name)), Some(Token::Sign("="))) => Some(name.clone()),
                _ => None,
            };
            if named.is_some() {
                self.next += 2;
            }
            let value = self.expression()?;
            all.push((named, value));
            if !self.is_sign(",") && !self.is_sign(")") {
                return Err(Unclear);
            }
        }
        Ok(all)
    }

    pub(super) fn sequence(&mut self, close: &str) -> Parsed<Vec<Expr>> {
        let mut all = Vec::new();
        while !self.sign(close) {
            let at = self.at();
            if self.sign(",") || self.sign("...") {
                continue;
            }
            if self.sign(":") {
                all.push(Expr { at, height: 1, kind: Kind::Slice });
                continue;
            }
            let minus = self.is_sign("-");
            let mut value = self.expression()?;
            if let (Kind::Number(number), true) = (&value.kind, minus) {
                value.kind = Kind::Number(-number);
            }
            all.push(value);
        }
        Ok(all)
    }

    pub(super) fn atom(&mut self) -> Parsed<Expr> {
        let at = self.at();
        let Some(token) = self.token().cloned() else { return Err(Unclear) };
        self.next += 1;
        let kind = match token {
            Token::Name(name) => Kind::Name(name),
            Token::Number(value) => value.map_or(Kind::Other, Kind::Number),
            Token::Text { mut text, mut inside } => {
                while let Some(Token::Text { text: more, inside: other }) = self.token() {
                    text.push_str(more);
                    inside.extend(other.iter().cloned());
                    self.next += 1;
                }
                if inside.is_empty() {
                    Kind::Text(text)
                } else {
                    let mut all = vec![Expr { at, height: 1, kind: Kind::Text(text) }];
                    for (start, source) in inside {
                        all.extend(self.formatted(start, &source)?);
                    }
                    Kind::Many(all)
                }
            }
            Token::Sign("(") => {
                let all = self.sequence(")")?;
                let comma = matches!(
                    self.words.get(self.next.wrapping_sub(2)).map(|word| &word.token),
                    Some(Token::Sign(","))
                );
                match <[Expr; 1]>::try_from(all) {
                    Ok([value]) if !comma => return Ok(value),
                    Ok(one) => Kind::List(one.into()),
                    Err(all) => Kind::List(all),
                }
            }
            Token::Sign("[") => Kind::List(self.sequence("]")?),
            Token::Sign("{") => Kind::Many(self.sequence("}")?),
            Token::Sign("...") => Kind::Other,
            _ => {
                self.next -= 1;
                return Err(Unclear);
            }
        };
        self.make(at, kind)
    }

    /// Expressions within a formatted text.
    pub(super) fn formatted(&self, start: usize, source: &str) -> Parsed<Vec<Expr>> {
        if self.inner >= 3 {
            return Err(Unclear);
        }
        let (words, _) = words(source);
        let mut parser =
            Parser { words: &words, next: 0, nest: self.nest, blocks: 0, inner: self.inner + 1, wasted: 0 };
        let mut all = Vec::new();
        if let Ok(mut value) = parser.expression() {
            value.at = start;
            all.push(value);
        }
        Ok(all)
    }
}

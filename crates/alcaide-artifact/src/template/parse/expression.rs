//! Expressions, from the weakest binding to the strongest.

use std::rc::Rc;

use super::super::lex::{Fault, Token};
use super::super::tree::{Args, Expr, Kind, Op, Relation};
use super::{HEIGHT_MAX, NEST_MAX, Parser};

impl Parser<'_> {
    pub(super) fn make(&self, at: usize, kind: Kind) -> Result<Expr, Fault> {
        let height = kind.parts().iter().map(|part| part.height).max().unwrap_or(0) + 1;
        if height > HEIGHT_MAX {
            return Err(Fault { at, what: "an expression is nested too deeply" });
        }
        Ok(Expr { at, height, kind: Box::new(kind) })
    }

    /// One expression, or several with commas.
    pub(super) fn tuple(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let first = self.expression()?;
        if !matches!(self.token(), Some(Token::Sign(","))) {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.sign(",") {
            if matches!(self.token(), Some(Token::BlockEnd | Token::OutputEnd | Token::Sign(")"))) {
                break;
            }
            all.push(self.expression()?);
        }
        self.make(at, Kind::List(all))
    }

    pub(super) fn expression(&mut self) -> Result<Expr, Fault> {
        self.nest += 1;
        if self.nest > NEST_MAX {
            return Err(self.fault("an expression is nested too deeply"));
        }
        let at = self.at();
        let mut value = self.logic()?;
        while self.word("if") {
            let test = self.logic()?;
            let otherwise = if self.word("else") { Some(self.expression()?) } else { None };
            value = self.make(at, Kind::Cond { value, test, otherwise })?;
        }
        self.nest -= 1;
        Ok(value)
    }

    /// `or` over `and` over `not`: what weighs is what is in it, so that the two are one list.
    pub(super) fn logic(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut all = vec![self.negation()?];
        while self.word("or") || self.word("and") {
            all.push(self.negation()?);
        }
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(one), false) => {
                all.push(one);
                self.make(at, Kind::Logic(all))
            }
            (None, _) => Err(self.fault("an expression is missing")),
        }
    }

    pub(super) fn negation(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut nots = 0;
        while self.word("not") {
            nots += 1;
            if nots > HEIGHT_MAX {
                return Err(self.fault("an expression is nested too deeply"));
            }
        }
        let mut value = self.comparison()?;
        for _ in 0..nots {
            value = self.make(at, Kind::Not(value))?;
        }
        Ok(value)
    }

    pub(super) fn comparison(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let relation = if self.sign("==") {
                Relation::Equal
            } else if self.sign("!=") {
                Relation::Differs
            } else if self.sign("<=") || self.sign(">=") || self.sign("<") || self.sign(">") {
                Relation::Order
            } else if self.word("in") {
                Relation::In
            } else if self.is_word("not")
                && matches!(self.words.get(self.next + 1).map(|word| &word.token), Some(Token::Name(name)) if **name == *"in")
            {
                self.next += 2;
                Relation::NotIn
            } else {
                break;
            };
            rest.push((relation, self.sum()?));
        }
        if rest.is_empty() { Ok(first) } else { self.make(at, Kind::Compare(first, rest)) }
    }

    pub(super) fn sum(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut value = self.joined()?;
        loop {
            let op = if self.sign("+") {
                Op::Add
            } else if self.sign("-") {
                Op::Sub
            } else {
                return Ok(value);
            };
            let right = self.joined()?;
            value = self.make(at, Kind::Math(op, value, right))?;
        }
    }

    pub(super) fn joined(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut all = vec![self.product()?];
        while self.sign("~") {
            all.push(self.product()?);
        }
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(one), false) => {
                all.push(one);
                self.make(at, Kind::Join(all))
            }
            (None, _) => Err(self.fault("an expression is missing")),
        }
    }

    pub(super) fn product(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut value = self.power()?;
        loop {
            let op = if self.sign("*") {
                Op::Mul
            } else if self.sign("//") {
                Op::Floor
            } else if self.sign("/") {
                Op::Div
            } else if self.sign("%") {
                Op::Rest
            } else {
                return Ok(value);
            };
            let right = self.power()?;
            value = self.make(at, Kind::Math(op, value, right))?;
        }
    }

    pub(super) fn power(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut value = self.unary()?;
        while self.sign("**") {
            let right = self.unary()?;
            value = self.make(at, Kind::Math(Op::Power, value, right))?;
        }
        Ok(value)
    }

    pub(super) fn unary(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut signs = Vec::new();
        loop {
            if self.sign("-") {
                signs.push(true);
            } else if self.sign("+") {
                signs.push(false);
            } else {
                break;
            }
            if signs.len() > usize::from(HEIGHT_MAX) {
                return Err(self.fault("an expression is nested too deeply"));
            }
        }
        let primary = self.primary()?;
        let mut value = self.postfix(primary)?;
        for minus in signs.into_iter().rev() {
            value = self.make(at, Kind::Sign(value, minus))?;
        }
        self.filters(value, false)
    }

    pub(super) fn primary(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let Some(token) = self.token().cloned() else { return Err(self.fault("an expression is missing")) };
        self.next += 1;
        let kind = match token {
            Token::Name(name) => match &*name {
                "true" | "True" => Kind::Bool(true),
                "false" | "False" => Kind::Bool(false),
                "none" | "None" => Kind::None,
                _ => Kind::Name(name),
            },
            Token::String(text, mut letters) => {
                // Texts side by side are one.
                let mut whole = text.to_string();
                while let Some(Token::String(more, escaped)) = self.token() {
                    whole.push_str(more);
                    letters |= escaped;
                    self.next += 1;
                }
                Kind::Text(whole.into(), letters)
            }
            Token::Int(number) => Kind::Int(number),
            Token::Float => Kind::Float,
            Token::Sign("(") => {
                if self.sign(")") {
                    Kind::List(Vec::new())
                } else {
                    let inner = self.tuple()?;
                    self.need(")", "a bracket is missing")?;
                    return Ok(inner);
                }
            }
            Token::Sign("[") => {
                let mut all = Vec::new();
                while !self.sign("]") {
                    if !all.is_empty() {
                        self.need(",", "a comma is missing")?;
                        if self.sign("]") {
                            break;
                        }
                    }
                    all.push(self.expression()?);
                }
                Kind::List(all)
            }
            Token::Sign("{") => {
                let mut pairs = Vec::new();
                while !self.sign("}") {
                    if !pairs.is_empty() {
                        self.need(",", "a comma is missing")?;
                        if self.sign("}") {
                            break;
                        }
                    }
                    let key = self.expression()?;
                    self.need(":", "a colon is missing")?;
                    pairs.push((key, self.expression()?));
                }
                Kind::Dict(pairs)
            }
            _ => {
                self.next -= 1;
                return Err(self.fault("an expression is missing"));
            }
        };
        self.make(at, kind)
    }

    pub(super) fn postfix(&mut self, mut value: Expr) -> Result<Expr, Fault> {
        let at = value.at;
        loop {
            let kind = if self.sign(".") {
                match self.token() {
                    Some(Token::Int(number)) => {
                        let number = *number;
                        self.next += 1;
                        let by = self.make(at, Kind::Int(number))?;
                        Kind::Item(value, by)
                    }
                    _ => Kind::Attribute(value, self.name()?),
                }
            } else if self.sign("[") {
                self.subscript(value)?
            } else if self.sign("(") {
                Kind::Call(value, self.arguments()?)
            } else {
                return Ok(value);
            };
            value = self.make(at, kind)?;
        }
    }

    pub(super) fn subscript(&mut self, of: Expr) -> Result<Kind, Fault> {
        let at = self.at();
        let mut bounds = [None, None, None];
        let mut colons = 0_usize;
        let mut several = Vec::new();
        loop {
            if self.sign("]") {
                break;
            }
            if self.sign(":") {
                colons += 1;
                if colons > 2 {
                    return Err(self.fault("a slice has too many bounds"));
                }
            } else if self.sign(",") {
                if let Some(first) = bounds.get_mut(0).and_then(Option::take) {
                    several.push(first);
                }
            } else {
                let value = self.expression()?;
                if let Some(bound) = bounds.get_mut(colons) {
                    *bound = Some(value);
                }
            }
        }
        if colons > 0 {
            return Ok(Kind::Slice(of, bounds));
        }
        let [first, ..] = bounds;
        if several.is_empty() {
            let by = first.ok_or_else(|| self.fault("a key is missing"))?;
            return Ok(Kind::Item(of, by));
        }
        several.extend(first);
        let by = self.make(at, Kind::List(several))?;
        Ok(Kind::Item(of, by))
    }

    pub(super) fn arguments(&mut self) -> Result<Args, Fault> {
        let mut args = Args::default();
        let mut first = true;
        while !self.sign(")") {
            if !first {
                self.need(",", "a comma is missing")?;
                if self.sign(")") {
                    break;
                }
            }
            first = false;
            if self.sign("*") || self.sign("**") {
                args.spread = true;
                args.plain.push(self.expression()?);
                continue;
            }
            let named = match (self.token(), self.words.get(self.next + 1).map(|word| &word.token)) {
                (Some(Token::Name(name)), Some(Token::Sign("="))) => Some(Rc::clone(name)),
                _ => None,
            };
            match named {
                Some(name) => {
                    self.next += 2;
                    let value = self.expression()?;
                    args.named.push((name, value));
                }
                None => args.plain.push(self.expression()?),
            }
        }
        Ok(args)
    }

    /// Filters and tests behind a value; `bare` where the first filter comes without a bar.
    pub(super) fn filters(&mut self, mut value: Expr, bare: bool) -> Result<Expr, Fault> {
        let at = value.at;
        let mut bare = bare;
        loop {
            if bare || self.sign("|") {
                bare = false;
                let name = self.dotted()?;
                let args = if self.sign("(") { self.arguments()? } else { Args::default() };
                value = self.make(at, Kind::Filter(value, name, args))?;
            } else if self.word("is") {
                self.word("not");
                let name = self.dotted()?;
                let args = if self.sign("(") {
                    self.arguments()?
                } else if self.begins_argument() {
                    let primary = self.primary()?;
                    Args { plain: vec![self.postfix(primary)?], ..Args::default() }
                } else {
                    Args::default()
                };
                value = self.make(at, Kind::Test { of: value, name, args })?;
            } else if self.sign("(") {
                // What a filter gives may be called.
                let args = self.arguments()?;
                value = self.make(at, Kind::Call(value, args))?;
            } else {
                return Ok(value);
            }
        }
    }

    pub(super) fn dotted(&mut self) -> Result<Rc<str>, Fault> {
        let mut name = self.name()?;
        while self.sign(".") {
            name = format!("{name}.{}", self.name()?).into();
        }
        Ok(name)
    }

    /// Whether a test's argument without brackets begins here.
    pub(super) fn begins_argument(&self) -> bool {
        match self.token() {
            Some(Token::Name(name)) => !matches!(&**name, "else" | "or" | "and" | "is" | "if" | "in" | "not"),
            Some(Token::String(..) | Token::Int(_) | Token::Float | Token::Sign("[" | "{")) => true,
            _ => false,
        }
    }
}

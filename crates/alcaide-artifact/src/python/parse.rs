//! Python statements and expressions, as far as it matters what is called when.

mod expression;

use super::lex::{Token, Word, words};

/// A statement, with where it begins.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Module and the name it is known by.
    Import(Vec<(String, String)>),
    /// Module, name in it, and the name it is known by.
    From(String, Vec<(String, String)>),
    Function {
        name: String,
        decorators: Vec<Expr>,
        defaults: Vec<Expr>,
        body: Vec<Statement>,
    },
    Class {
        name: String,
        decorators: Vec<Expr>,
        bases: Vec<Expr>,
        body: Vec<Statement>,
    },
    /// Targets and a value.
    Assign(Vec<Expr>, Expr),
    /// Expressions that are evaluated.
    Values(Vec<Expr>),
    /// A block that runs where it stands, behind its head; `main` where only a program runs it.
    Block {
        head: Vec<Expr>,
        main: bool,
        body: Vec<Statement>,
    },
    /// A line that was not understood.
    Unclear,
}

#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub(super) at: usize,
    pub(super) height: u16,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Name(String),
    Text(String),
    Number(i64),
    Attribute(Box<Expr>, String),
    Item(Box<Expr>, Vec<Expr>),
    /// What is called, and its arguments with their names.
    Call(Box<Expr>, Vec<(Option<String>, Expr)>),
    Sum(Vec<Expr>),
    Rest(Box<Expr>, Box<Expr>),
    Times(Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    /// Its body runs when it is called.
    Lambda(Box<Expr>),
    /// A name bound within an expression, and its value.
    Bind(Box<Expr>, Box<Expr>),
    /// What a loop gives its target, one after the other.
    Each(Box<Expr>),
    /// What is computed for each, the target, and what is gone through.
    Loop(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a[::-1]` and its like.
    Slice,
    /// Values whose combination does not matter.
    Many(Vec<Expr>),
    Other,
}

const HEIGHT_MAX: u16 = 100;
const NEST_MAX: u16 = 40;
const BLOCKS_MAX: usize = 60;
const DECORATORS_MAX: usize = 64;

/// Parses a file; the place of what is no token, if there is one.
pub(super) fn parse(source: &str) -> (Vec<Statement>, Option<usize>) {
    let (words, fault) = words(source);
    let mut parser = Parser { words: &words, next: 0, nest: 0, blocks: 0, inner: 0, wasted: 0 };
    (parser.statements(), fault)
}

struct Parser<'a> {
    words: &'a [Word],
    next: usize,
    nest: u16,
    blocks: usize,
    /// How deep within formatted texts.
    inner: u8,
    /// Tokens that were read again after they were not understood.
    wasted: usize,
}

/// A line was not understood.
struct Unclear;

type Parsed<T> = Result<T, Unclear>;

const HEADS: &[&str] =
    &["if", "elif", "else", "for", "while", "try", "except", "finally", "with", "match", "case"];

impl Parser<'_> {
    fn token(&self) -> Option<&Token> {
        self.words.get(self.next).map(|word| &word.token)
    }

    fn at(&self) -> usize {
        self.words.get(self.next).or(self.words.last()).map_or(0, |word| word.at)
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is = self.is_sign(sign);
        self.next += usize::from(is);
        is
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token(), Some(Token::Sign(one)) if *one == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.token(), Some(Token::Name(name)) if name == word)
    }

    fn word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.next += usize::from(is);
        is
    }

    fn name(&mut self) -> Parsed<String> {
        let Some(Token::Name(name)) = self.token() else { return Err(Unclear) };
        let name = name.clone();
        self.next += 1;
        Ok(name)
    }

    fn statements(&mut self) -> Vec<Statement> {
        let mut out = Vec::new();
        while let Some(token) = self.token() {
            match token {
                Token::Dedent if self.blocks > 0 => {
                    self.next += 1;
                    return out;
                }
                Token::Line | Token::Indent | Token::Dedent => self.next += 1,
                _ => {
                    let at = self.at();
                    let before = self.next;
                    self.nest = 0;
                    match self.statement() {
                        Ok(what) => out.push(Statement { at, what }),
                        Err(Unclear) => {
                            out.push(Statement { at, what: What::Unclear });
                            // What is called on the line is looked at all the same.
                            self.next = before;
                            self.salvage(&mut out);
                        }
                    }
                }
            }
        }
        out
    }

    /// Calls on a line that was not understood, and on to its end.
    fn salvage(&mut self, out: &mut Vec<Statement>) {
        let mut values = Vec::new();
        let at = self.at();
        while let Some(token) = self.token() {
            match token {
                Token::Line | Token::Indent | Token::Dedent => break,
                Token::Name(_) => {
                    let before = self.next;
                    self.nest = 0;
                    match self.postfix() {
                        Ok(value) => values.push(value),
                        Err(Unclear) => {
                            self.wasted += self.next.saturating_sub(before);
                            // What stands within is looked at again, as long as that stays in proportion.
                            if self.wasted < 2 * self.words.len() + 10_000 {
                                self.next = before + 1;
                            }
                        }
                    }
                    self.next = self.next.max(before + 1);
                }
                _ => self.next += 1,
            }
        }
        out.push(Statement { at, what: What::Values(values) });
    }

    fn statement(&mut self) -> Parsed<What> {
        let mut decorators = Vec::new();
        while self.is_sign("@") {
            self.next += 1;
            decorators.push(self.expression()?);
            if decorators.len() > DECORATORS_MAX {
                return Err(Unclear);
            }
            while matches!(self.token(), Some(Token::Line)) {
                self.next += 1;
            }
        }
        if self.is_word("type")
            && matches!(self.words.get(self.next + 1).map(|word| &word.token), Some(Token::Name(_)))
        {
            self.next += 1;
        }
        let spot = self.next;
        if self.word("async") && !matches!(self.token(), Some(Token::Name(_))) {
            self.next = spot;
        }
        let Some(Token::Name(word)) = self.token() else { return self.plain() };
        let word = word.clone();
        match word.as_str() {
            "import" => {
                self.next += 1;
                let mut all = Vec::new();
                loop {
                    let module = self.dotted()?;
                    let known = if self.word("as") {
                        self.name()?
                    } else {
                        module.split('.').next().unwrap_or_default().to_owned()
                    };
                    let path = if known == module || !module.starts_with(&format!("{known}.")) {
                        module
                    } else {
                        known.clone()
                    };
                    all.push((path, known));
                    if !self.sign(",") {
                        break;
                    }
                }
                self.end()?;
                Ok(What::Import(all))
            }
            "from" => {
                self.next += 1;
                let mut dots = String::new();
                while self.is_sign(".") || self.is_sign("...") {
                    self.next += 1;
                    dots.push('.');
                }
                let module = if self.is_word("import") { String::new() } else { self.dotted()? };
                if !self.word("import") {
                    return Err(Unclear);
                }
                let brackets = self.sign("(");
                let mut all = Vec::new();
                if self.sign("*") {
                    all.push(("*".to_owned(), "*".to_owned()));
                } else {
                    while let Ok(name) = self.name() {
                        let known = if self.word("as") { self.name()? } else { name.clone() };
                        all.push((name, known));
                        if !self.sign(",") {
                            break;
                        }
                    }
                }
                if brackets && !self.sign(")") {
                    return Err(Unclear);
                }
                self.end()?;
                Ok(What::From(dots + &module, all))
            }
            "def" => {
                self.next += 1;
                let name = self.name()?;
                self.type_parameters()?;
                if !self.sign("(") {
                    return Err(Unclear);
                }
                let mut defaults = self.parameters(")", true)?;
                if self.sign("->") {
                    defaults.push(self.expression()?);
                }
                let body = self.block()?;
                Ok(What::Function { name, decorators, defaults, body })
            }
            "class" => {
                self.next += 1;
                let name = self.name()?;
                self.type_parameters()?;
                let bases = if self.sign("(") {
                    let arguments = self.arguments()?;
                    // A metaclass is called where the class stands.
                    let made = |(name, value): (Option<String>, Expr)| match name.as_deref() {
                        Some("metaclass") => self.make(value.at, Kind::Call(Box::new(value), Vec::new())),
                        _ => Ok(value),
                    };
                    arguments.into_iter().map(made).collect::<Parsed<_>>()?
                } else {
                    Vec::new()
                };
                let body = self.block()?;
                Ok(What::Class { name, decorators, bases, body })
            }
            head if HEADS.contains(&head) => {
                let soft = matches!(head, "match" | "case");
                let spot = self.next;
                match self.headed(head) {
                    Ok(what) => Ok(what),
                    Err(Unclear) if soft => {
                        self.next = spot;
                        self.plain()
                    }
                    Err(Unclear) => Err(Unclear),
                }
            }
            "pass" | "break" | "continue" => {
                self.next += 1;
                self.end()?;
                Ok(What::Values(Vec::new()))
            }
            "return" | "raise" | "assert" | "del" | "yield" | "global" | "nonlocal" => {
                self.next += 1;
                let mut values = Vec::new();
                while !matches!(self.token(), Some(Token::Line) | None) && !self.is_sign(";") {
                    if self.word("from") || self.sign(",") {
                        continue;
                    }
                    values.push(self.expression()?);
                }
                self.end()?;
                Ok(What::Values(values))
            }
            _ => self.plain(),
        }
    }

    fn type_parameters(&mut self) -> Parsed<()> {
        if self.sign("[") {
            while !self.sign("]") {
                if self.token().is_none() || matches!(self.token(), Some(Token::Line)) {
                    return Err(Unclear);
                }
                self.next += 1;
            }
        }
        Ok(())
    }

    fn headed(&mut self, head: &str) -> Parsed<What> {
        self.next += 1;
        let mut values = Vec::new();
        let start = self.next;
        let at = self.at();
        let target = if head == "for" { Some(self.target()?) } else { None };
        while !self.is_sign(":") {
            if matches!(self.token(), Some(Token::Line) | None) {
                return Err(Unclear);
            }
            if self.sign(",") || self.word("in") || self.word("as") || self.sign("*") {
                continue;
            }
            values.push(self.expression()?);
        }
        let line: Vec<&Token> =
            self.words.get(start..self.next).unwrap_or_default().iter().map(|word| &word.token).collect();
        let main = head == "if"
            && line.len() == 3
            && line.iter().any(|token| matches!(token, Token::Name(name) if name == "__name__"))
            && line.iter().any(|token| matches!(token, Token::Text { text, .. } if text == "__main__"))
            && line.iter().any(|token| matches!(token, Token::Sign("==")));
        let mut body = self.block()?;
        if let Some(target) = target
            && let Some(through) = values.pop()
        {
            let each = self.make(at, Kind::Each(Box::new(through)))?;
            body.insert(0, Statement { at, what: What::Assign(vec![target], each) });
        }
        Ok(What::Block { head: values, main, body })
    }

    /// What a loop binds, up to and with `in`.
    fn target(&mut self) -> Parsed<Expr> {
        let at = self.at();
        let mut all = Vec::new();
        while !self.word("in") {
            if !self.sign(",") && !self.sign("*") {
                all.push(self.postfix()?);
            }
        }
        match <[Expr; 1]>::try_from(all) {
            Ok([one]) => Ok(one),
            Err(all) => self.make(at, Kind::List(all)),
        }
    }

    fn block(&mut self) -> Parsed<Vec<Statement>> {
        if !self.sign(":") {
            return Err(Unclear);
        }
        if self.blocks >= BLOCKS_MAX {
            return Err(Unclear);
        }
        self.blocks += 1;
        let body = if matches!(self.token(), Some(Token::Line)) {
            self.next += 1;
            if matches!(self.token(), Some(Token::Indent)) {
                self.next += 1;
                self.statements()
            } else {
                Vec::new()
            }
        } else {
            let mut out = Vec::new();
            // Another indentation begins only behind a line: whatever stands here has not got one of its own.
            while !matches!(self.token(), Some(Token::Line | Token::Indent | Token::Dedent) | None) {
                let at = self.at();
                self.nest = 0;
                match self.statement() {
                    Ok(what) => out.push(Statement { at, what }),
                    Err(Unclear) => {
                        out.push(Statement { at, what: What::Unclear });
                        self.salvage(&mut out);
                    }
                }
                // The end of a simple statement takes its line with it.
                if matches!(
                    self.words.get(self.next.wrapping_sub(1)).map(|word| &word.token),
                    Some(Token::Line)
                ) {
                    break;
                }
            }
            out
        };
        self.blocks -= 1;
        Ok(body)
    }

    fn end(&mut self) -> Parsed<()> {
        match self.token() {
            None => Ok(()),
            Some(Token::Line | Token::Sign(";")) => {
                self.next += 1;
                Ok(())
            }
            _ => Err(Unclear),
        }
    }

    fn dotted(&mut self) -> Parsed<String> {
        let mut name = self.name()?;
        while self.sign(".") {
            name = name + "." + &self.name()?;
        }
        Ok(name)
    }

    /// An expression, an assignment, or several.
    fn plain(&mut self) -> Parsed<What> {
        let first = self.values()?;
        if self.sign(":") {
            let kind = self.expression()?;
            let at = kind.at;
            let value = if self.sign("=") { self.values()? } else { kind.clone() };
            self.end()?;
            // An annotation is evaluated as well.
            let body = vec![Statement { at, what: What::Assign(vec![first], value) }];
            return Ok(What::Block { head: vec![kind], main: false, body });
        }
        let mut targets = vec![first];
        while self.sign("=") {
            targets.push(self.values()?);
        }
        if let Some(Token::Sign(sign)) = self.token()
            && sign.len() > 1
            && sign.ends_with('=')
            && !matches!(*sign, "==" | "!=" | "<=" | ">=")
        {
            let sum = *sign == "+=";
            self.next += 1;
            let value = self.values()?;
            self.end()?;
            let Some(target) = targets.pop() else { return Err(Unclear) };
            let both = vec![target.clone(), value];
            let value = self.make(target.at, if sum { Kind::Sum(both) } else { Kind::Many(both) })?;
            return Ok(What::Assign(vec![target], value));
        }
        self.end()?;
        match targets.pop() {
            Some(value) if !targets.is_empty() => Ok(What::Assign(targets, value)),
            Some(value) => Ok(What::Values(vec![value])),
            None => Err(Unclear),
        }
    }
}

impl Kind {
    pub(super) fn parts(&self) -> Vec<&Expr> {
        match self {
            Self::Name(_) | Self::Text(_) | Self::Number(_) | Self::Slice | Self::Other => Vec::new(),
            Self::Attribute(of, _) | Self::Lambda(of) | Self::Each(of) => vec![of],
            Self::Item(of, by) => std::iter::once(&**of).chain(by).collect(),
            Self::Call(of, args) => {
                std::iter::once(&**of).chain(args.iter().map(|(_, value)| value)).collect()
            }
            Self::Sum(all) | Self::List(all) | Self::Many(all) => all.iter().collect(),
            Self::Rest(left, right) | Self::Times(left, right) | Self::Bind(left, right) => vec![left, right],
            Self::Loop(body, target, through) => vec![body, target, through],
        }
    }
}

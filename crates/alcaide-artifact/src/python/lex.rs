//! Python as tokens.
//!
//! Source: Python 3.13, "Lexical analysis".

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(Option<i64>),
    /// Its text; for formatted ones, the expressions in it, with where they begin.
    Text {
        text: String,
        inside: Vec<(usize, String)>,
    },
    Sign(&'static str),
    Line,
    Indent,
    Dedent,
}

#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) at: usize,
    pub(super) token: Token,
}

/// An honest file of a model has some ten thousand; each takes a hundred bytes until it is judged.
const WORDS_MAX: usize = 200_000;
const INDENTS_MAX: usize = 100;

const SIGNS: &[&str] = &[
    "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "->", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", "@=", ":=", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<",
    ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "=", "!", "?", "$", "`",
];

/// Cuts `source` into tokens; the place where that is not possible, if there is one.
pub(super) fn words(source: &str) -> (Vec<Word>, Option<usize>) {
    let mut lexer = Lexer { source, at: 0, words: Vec::new(), indents: vec![0], brackets: 0 };
    let end = lexer.whole();
    let at = source.len();
    lexer.words.push(Word { at, token: Token::Line });
    for _ in 1..lexer.indents.len() {
        lexer.words.push(Word { at, token: Token::Dedent });
    }
    (lexer.words, end.err())
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    words: Vec<Word>,
    indents: Vec<usize>,
    brackets: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, at: usize, token: Token) -> Result<(), usize> {
        if self.words.len() >= WORDS_MAX {
            return Err(at);
        }
        self.words.push(Word { at, token });
        Ok(())
    }

    fn whole(&mut self) -> Result<(), usize> {
        if self.rest().starts_with('\u{feff}') {
            self.at += 3;
        }
        let mut fresh = true;
        loop {
            if fresh && self.brackets == 0 && !self.indent()? {
                return Ok(());
            }
            fresh = false;
            let at = self.at;
            let Some(one) = self.rest().chars().next() else { return Ok(()) };
            match one {
                '\n' | '\r' => {
                    self.at += 1;
                    if self.brackets == 0 && (one == '\n' || !self.rest().starts_with('\n')) {
                        self.push(at, Token::Line)?;
                        fresh = true;
                    }
                }
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '\\' => {
                    let skipped =
                        self.rest().char_indices().nth(1).map_or(1, |(_, next)| 1 + next.len_utf8());
                    self.at += skipped;
                    if self.source.as_bytes().get(self.at - 1) == Some(&b'\r')
                        && self.rest().starts_with('\n')
                    {
                        self.at += 1;
                    }
                }
                one if one.is_whitespace() => self.at += one.len_utf8(),
                '"' | '\'' => self.text("")?,
                one if one.is_ascii_digit() => self.number()?,
                '.' if self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit) => self.number()?,
                one if one == '_' || one.is_alphabetic() => {
                    let len = self
                        .rest()
                        .find(|one: char| one != '_' && !one.is_alphanumeric())
                        .unwrap_or(self.rest().len());
                    let name = self.rest().get(..len).unwrap_or_default().to_owned();
                    let quoted = matches!(self.rest().as_bytes().get(len), Some(b'"' | b'\''));
                    self.at += len;
                    let low = name.to_ascii_lowercase();
                    if quoted
                        && matches!(
                            low.as_str(),
                            "r" | "b" | "u" | "f" | "rb" | "br" | "fr" | "rf" | "t" | "rt" | "tr"
                        )
                    {
                        self.text(&low)?;
                    } else {
                        self.push(at, Token::Name(normal(&name)))?;
                    }
                }
                _ => {
                    let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) else {
                        return Err(at);
                    };
                    match *sign {
                        "(" | "[" | "{" => self.brackets += 1,
                        ")" | "]" | "}" => self.brackets = self.brackets.saturating_sub(1),
                        _ => {}
                    }
                    self.at += sign.len();
                    self.push(at, Token::Sign(sign))?;
                }
            }
        }
    }

    /// The white space a line begins with; whether there is a line.
    fn indent(&mut self) -> Result<bool, usize> {
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Ok(false);
            }
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\u{c}']).len();
            let after = rest.get(blank..).unwrap_or_default();
            if after.starts_with(['\n', '\r', '#']) {
                let end = after.find('\n').map_or(after.len(), |end| end + 1);
                self.at += blank + end;
                continue;
            }
            let width = rest.get(..blank).unwrap_or_default().chars().fold(0, |width, one| match one {
                '\t' => (width / 8 + 1) * 8,
                '\u{c}' => 0,
                _ => width + 1,
            });
            self.at += blank;
            let at = self.at;
            let last = self.indents.last().copied().unwrap_or(0);
            if width > last {
                if self.indents.len() > INDENTS_MAX {
                    return Err(at);
                }
                self.indents.push(width);
                self.push(at, Token::Indent)?;
            }
            while self.indents.last().is_some_and(|last| *last > width) {
                self.indents.pop();
                self.push(at, Token::Dedent)?;
            }
            return Ok(true);
        }
    }

    fn number(&mut self) -> Result<(), usize> {
        let at = self.at;
        let len = self
            .rest()
            .find(|one: char| !one.is_ascii_alphanumeric() && one != '_' && one != '.')
            .unwrap_or(self.rest().len());
        let text: String =
            self.rest().get(..len).unwrap_or_default().chars().filter(|one| *one != '_').collect();
        let low = text.to_ascii_lowercase();
        let value = if let Some(hex) = low.strip_prefix("0x") {
            i64::from_str_radix(hex, 16).ok()
        } else if let Some(octal) = low.strip_prefix("0o") {
            i64::from_str_radix(octal, 8).ok()
        } else if let Some(bits) = low.strip_prefix("0b") {
            i64::from_str_radix(bits, 2).ok()
        } else {
            low.parse().ok()
        };
        self.at += len;
        self.push(at, Token::Number(value))
    }

    fn text(&mut self, prefix: &str) -> Result<(), usize> {
        let at = self.at;
        let rest = self.source.get(at..).unwrap_or_default();
        let quote = rest.chars().next().unwrap_or('"');
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let long = rest.starts_with(&triple);
        let close = if long { triple } else { quote.to_string() };
        let body = rest.get(close.len()..).unwrap_or_default();
        let (raw, formatted) = (prefix.contains('r'), prefix.contains(['f', 't']));
        let mut text = String::new();
        let mut inside = Vec::new();
        let mut index = 0;
        loop {
            let left = body.get(index..).unwrap_or_default();
            if left.starts_with(&close) {
                break;
            }
            let Some(one) = left.chars().next() else { return Err(at) };
            if one == '\n' && !long {
                return Err(at);
            }
            if one == '\\' {
                let Some(next) = left.chars().nth(1) else { return Err(at) };
                if raw {
                    text.push('\\');
                    text.push(next);
                    index += 1 + next.len_utf8();
                } else {
                    index += escape(left, &mut text);
                }
                continue;
            }
            if formatted && one == '{' {
                if left.starts_with("{{") {
                    text.push('{');
                    index += 2;
                    continue;
                }
                let len = hole(left);
                let expression = left.get(1..len).unwrap_or_default();
                inside.push((at + close.len() + index + 1, expression.to_owned()));
                text.push('\u{fffc}');
                index += len + 1;
                continue;
            }
            text.push(one);
            index += one.len_utf8();
        }
        self.at = at + close.len() + index + close.len();
        self.push(at, Token::Text { text, inside })
    }
}

/// Python compares names in their compatibility form: full-width and mathematical letters are plain ones.
fn normal(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    name.chars()
        .map(|one| match u32::from(one) {
            code @ 0xff01..=0xff5e => char::from_u32(code - 0xff01 + 0x21).unwrap_or(one),
            code @ 0x1d400..=0x1d6a3 => {
                let index = (code - 0x1d400) % 52;
                char::from_u32(if index < 26 { 0x41 + index } else { 0x61 + index - 26 }).unwrap_or(one)
            }
            0xaa => 'a',
            0xba => 'o',
            0x2139 => 'i',
            0x17f => 's',
            _ => one,
        })
        .collect()
}

/// Where the expression that begins with a brace ends.
fn hole(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, one) in text.char_indices() {
        match (quote, one) {
            (Some(open), one) => quote = (one != open).then_some(open),
            (None, '\'' | '"') => quote = Some(one),
            (None, '{' | '(' | '[') => depth += 1,
            (None, '}' | ')' | ']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Reads an escape at the start of `text` and says how long it is.
fn escape(text: &str, into: &mut String) -> usize {
    let mut chars = text.char_indices().skip(1);
    let Some((_, kind)) = chars.next() else { return 1 };
    let digits = |from: usize, most: usize, radix: u32| {
        let body = text.get(from..).unwrap_or_default();
        let len = body.chars().take(most).take_while(|one| one.is_digit(radix)).count();
        let value = body.get(..len).and_then(|body| u32::from_str_radix(body, radix).ok());
        (value.and_then(char::from_u32).unwrap_or('\u{fffd}'), len)
    };
    let (one, len) = match kind {
        'x' => digits(2, 2, 16),
        'u' => digits(2, 4, 16),
        'U' => digits(2, 8, 16),
        '0'..='7' => {
            let (one, len) = digits(1, 3, 8);
            into.push(one);
            return 1 + len;
        }
        'n' => ('\n', 0),
        't' => ('\t', 0),
        'r' => ('\r', 0),
        '\\' | '\'' | '"' => (kind, 0),
        '\n' => return 2,
        other => {
            into.push('\\');
            (other, 0)
        }
    };
    into.push(one);
    1 + kind.len_utf8() + len
}

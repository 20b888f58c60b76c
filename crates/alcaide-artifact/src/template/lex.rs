//! A template as words: text, and what stands between its braces.
//!
//! Source: Jinja 3.1, `lexer.py`, with the default delimiters, and with `trim_blocks` and `lstrip_blocks` as those who
//! render chat templates set them. Line statements are off by default, and nobody who renders chat templates turns them on.

use std::rc::Rc;

/// One word, with the byte where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) at: usize,
    pub(crate) token: Token,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Text(Rc<str>),
    /// `{{` and `}}`.
    OutputStart,
    OutputEnd,
    /// `{%` and `%}`.
    BlockStart,
    BlockEnd,
    Name(Rc<str>),
    /// A text, and whether letters of it are written as escapes.
    String(Rc<str>, bool),
    Int(i64),
    Float,
    Sign(&'static str),
}

/// What is wrong, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// Cuts `source` into words.
pub(crate) fn words(source: &str) -> Result<Vec<Word>, Fault> {
    let mut lexer = Lexer { source, at: 0, words: Vec::new() };
    lexer.whole()?;
    Ok(lexer.words)
}

/// Words of one template.
pub(crate) const WORDS_MAX: usize = 400_000;

const SIGNS: &[&str] = &[
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "(", ")", "[", "]", "{", "}", ">", "<",
    "=", ".", ":", "|", ",", ";",
];

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    words: Vec<Word>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, at: usize, token: Token) -> Result<(), Fault> {
        if self.words.len() >= WORDS_MAX {
            return Err(Fault { at, what: "it is too long" });
        }
        self.words.push(Word { at, token });
        Ok(())
    }

    fn whole(&mut self) -> Result<(), Fault> {
        // What the last tag did to the white space after it.
        let mut strip = false;
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Ok(());
            }
            let opening = rest
                .match_indices('{')
                .find(|(at, _)| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')));
            let (text, open) = match opening {
                Some((at, _)) => (rest.get(..at).unwrap_or_default(), rest.as_bytes().get(at + 1).copied()),
                None => (rest, None),
            };
            let after = rest.as_bytes().get(text.len() + 2).copied();
            let mut kept = if strip { text.trim_start() } else { text };
            if open.is_some() && after == Some(b'-') {
                kept = kept.trim_end();
            }
            let from = self.at;
            let kept: Rc<str> = kept.into();
            self.at += text.len();
            if !kept.is_empty() {
                self.push(from, Token::Text(kept))?;
            }
            let Some(open) = open else { return Ok(()) };
            let start = self.at;
            self.at += 2;
            if matches!(after, Some(b'-' | b'+')) {
                self.at += 1;
            }
            strip = match open {
                b'#' => self.comment(start)?,
                b'%' => self.block(start)?,
                _ => {
                    self.push(start, Token::OutputStart)?;
                    self.inside(start, "}}", Token::OutputEnd)?
                }
            };
        }
    }

    fn comment(&mut self, start: usize) -> Result<bool, Fault> {
        let Some(end) = self.rest().find("#}") else {
            return Err(Fault { at: start, what: "a comment has no end" });
        };
        let strip = self.rest().get(..end).is_some_and(|text| text.ends_with('-'));
        self.at += end + 2;
        Ok(strip)
    }

    fn block(&mut self, start: usize) -> Result<bool, Fault> {
        // `raw` ends the usual rules up to its end.
        let inside = self.rest().trim_start();
        if let Some(tail) = inside.strip_prefix("raw")
            && let Some(close) = tail.find("%}").filter(|close| {
                tail.get(..*close).is_some_and(|mid| {
                    mid.trim_matches(|one: char| one.is_whitespace() || one == '-' || one == '+').is_empty()
                })
            })
        {
            let body_at = self.source.len() - tail.len() + close + 2;
            let body = self.source.get(body_at..).unwrap_or_default();
            let mut from = 0;
            while let Some(at) = body.get(from..).and_then(|rest| rest.find("{%")) {
                let at = from + at;
                let after = body.get(at + 2..).unwrap_or_default();
                let word = after.trim_start_matches(['-', '+']).trim_start();
                if let Some(tail) = word.strip_prefix("endraw") {
                    let tail = tail.trim_start();
                    let strip = tail.starts_with('-');
                    if tail.trim_start_matches(['-', '+']).starts_with("%}") {
                        let text: Rc<str> = body.get(..at).unwrap_or_default().into();
                        self.push(body_at, Token::Text(text))?;
                        self.at = self.source.len() - tail.len()
                            + if strip || tail.starts_with('+') { 3 } else { 2 };
                        return Ok(strip);
                    }
                }
                from = at + 2;
            }
            return Err(Fault { at: start, what: "`raw` has no end" });
        }
        self.push(start, Token::BlockStart)?;
        self.inside(start, "%}", Token::BlockEnd)
    }

    fn inside(&mut self, start: usize, end: &str, token: Token) -> Result<bool, Fault> {
        let mut braces = 0_usize;
        loop {
            let rest = self.rest();
            let Some(one) = rest.chars().next() else {
                return Err(Fault { at: start, what: "a tag has no end" });
            };
            let at = self.at;
            if braces == 0 {
                let (strip, sign) = match one {
                    '-' => (true, 1),
                    '+' => (false, 1),
                    _ => (false, 0),
                };
                if rest.get(sign..).is_some_and(|rest| rest.starts_with(end)) {
                    self.at += sign + end.len();
                    self.push(at, token)?;
                    return Ok(strip);
                }
            }
            if one.is_whitespace() {
                self.at += one.len_utf8();
            } else if one == '\'' || one == '"' {
                self.string(one)?;
            } else if one.is_ascii_digit() {
                self.number()?;
            } else if one == '_' || one.is_alphabetic() {
                let len = rest.find(|one: char| one != '_' && !one.is_alphanumeric()).unwrap_or(rest.len());
                let name: Rc<str> = rest.get(..len).unwrap_or_default().into();
                self.at += len;
                self.push(at, Token::Name(name))?;
            } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                match *sign {
                    "{" | "(" | "[" => braces += 1,
                    "}" | ")" | "]" => braces = braces.saturating_sub(1),
                    _ => {}
                }
                self.at += sign.len();
                self.push(at, Token::Sign(sign))?;
            } else {
                return Err(Fault { at, what: "a character has no meaning here" });
            }
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        let at = self.at;
        let rest = self.rest();
        let word = rest.find(|one: char| !one.is_ascii_alphanumeric() && one != '_').unwrap_or(rest.len());
        let digits: String = rest.get(..word).unwrap_or_default().chars().filter(|one| *one != '_').collect();
        let (radix, body) = match digits.get(..2) {
            Some("0x" | "0X") => (16, digits.get(2..).unwrap_or_default()),
            Some("0o" | "0O") => (8, digits.get(2..).unwrap_or_default()),
            Some("0b" | "0B") => (2, digits.get(2..).unwrap_or_default()),
            _ => (10, digits.as_str()),
        };
        let fraction = rest.get(word..).and_then(|tail| tail.strip_prefix('.')).map(|tail| {
            tail.find(|one: char| !one.is_ascii_alphanumeric() && one != '_').unwrap_or(tail.len())
        });
        let fraction = fraction.filter(|len| {
            *len > 0 && radix == 10 && rest.as_bytes().get(word + 1).is_some_and(u8::is_ascii_digit)
        });
        self.at += word + fraction.map_or(0, |len| len + 1);
        let token = match i64::from_str_radix(body, radix) {
            Ok(number) if fraction.is_none() => Token::Int(number),
            Err(error) if radix == 10 && *error.kind() == std::num::IntErrorKind::PosOverflow => {
                Token::Int(i64::MAX)
            }
            _ if radix == 10 && body.starts_with(|one: char| one.is_ascii_digit()) => Token::Float,
            _ => return Err(Fault { at, what: "a number has no meaning" }),
        };
        self.push(at, token)
    }

    fn string(&mut self, quote: char) -> Result<(), Fault> {
        let at = self.at;
        let mut text = String::new();
        let mut letters = false;
        let rest = self.source.get(at + 1..).unwrap_or_default();
        let mut chars = rest.char_indices();
        while let Some((index, one)) = chars.next() {
            if one == quote {
                self.at = at + 1 + index + 1;
                return self.push(at, Token::String(text.into(), letters));
            }
            if one != '\\' {
                text.push(one);
                continue;
            }
            let Some((_, kind)) = chars.next() else { break };
            let mut code = |digits: usize, exact: bool, radix: u32| {
                let ahead: Vec<u32> =
                    chars.clone().take(digits).map_while(|(_, one)| one.to_digit(radix)).collect();
                for _ in &ahead {
                    chars.next();
                }
                let value = ahead.iter().fold(0_u32, |value, digit| value.wrapping_mul(radix) + digit);
                (!exact || ahead.len() == digits).then_some((value, ahead.len() as u32))
            };
            let escaped = match kind {
                'x' => code(2, true, 16).map(|(value, _)| value),
                'u' => code(4, true, 16).map(|(value, _)| value),
                'U' => code(8, true, 16).map(|(value, _)| value),
                '0'..='7' => {
                    let first = kind.to_digit(8).unwrap_or_default();
                    code(2, false, 8).map(|(rest, digits)| first * 8_u32.pow(digits) + rest)
                }
                'N' => {
                    // A named character: what it is is not known here, but it is a way to write letters.
                    letters = true;
                    Some(0xfffd)
                }
                'n' => Some(10),
                't' => Some(9),
                'r' => Some(13),
                'b' => Some(8),
                'f' => Some(12),
                'v' => Some(11),
                'a' => Some(7),
                '\n' => continue,
                '\\' | '\'' | '"' => Some(u32::from(kind)),
                other => {
                    text.push('\\');
                    Some(u32::from(other))
                }
            };
            let Some(one) = escaped.map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            else {
                return Err(Fault { at, what: "an escape has too few digits" });
            };
            letters |=
                matches!(kind, 'x' | 'u' | 'U' | '0'..='7') && (one.is_ascii_alphanumeric() || one == '_');
            text.push(one);
        }
        Err(Fault { at, what: "a text has no end" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(source: &str) -> Vec<Token> {
        words(source).unwrap().into_iter().map(|word| word.token).collect()
    }

    fn text(text: &str) -> Token {
        Token::Text(text.into())
    }

    #[test]
    fn text_tags_comments_and_white_space_are_told_apart() {
        assert_eq!(
            shape("a {#- {{ no }} -#} b {{- 'x' -}}  c"),
            [
                text("a"),
                text("b"),
                Token::OutputStart,
                Token::String("x".into(), false),
                Token::OutputEnd,
                text("c")
            ]
        );
        assert_eq!(shape("{% raw -%}{{ x }}{%- endraw %}!"), [text("{{ x }}"), text("!")]);
        assert_eq!(
            shape("{{ {'a': 1}}}"),
            [
                Token::OutputStart,
                Token::Sign("{"),
                Token::String("a".into(), false),
                Token::Sign(":"),
                Token::Int(1),
                Token::Sign("}"),
                Token::OutputEnd
            ]
        );
    }

    #[test]
    fn escapes_are_resolved_and_letters_among_them_are_told() {
        let one = |source: &str| match shape(source).get(1) {
            Some(Token::String(text, letters)) => (text.to_string(), *letters),
            other => panic!("{other:?}"),
        };
        assert_eq!(one(r"{{ '\x5f\x5fclass\137' }}"), ("__class_".into(), true));
        assert_eq!(one(r"{{ '\u003c\n\t\q' }}"), ("<\n\t\\q".into(), false));
        assert!(words(r"{{ '\x5' }}").is_err());
        assert!(words("{{ 'abc }}").is_err());
        assert!(words("{{ x").is_err());
        assert!(words("{{ ? }}").is_err());
    }

    #[test]
    fn numbers_of_all_kinds() {
        assert_eq!(
            shape("{{ 1_000 0x1F 1.5 1e3 99999999999999999999 x.1 }}")[1..6],
            [Token::Int(1000), Token::Int(31), Token::Float, Token::Float, Token::Int(i64::MAX)]
        );
    }
}

//! JSON as Python's library writes and reads it, with a bound on depth and a price for each value.
//!
//! Keys stay in the order of the text and may come twice: readers differ in which one they take, so all are judged.
//! `NaN`, `Infinity` and `-Infinity` are numbers, as that library has it.

use alcaide_container::{Exhausted, Fuel};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// Any number, as it is written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

/// Why a text is no JSON that can be held.
#[derive(Debug, PartialEq)]
pub(super) enum NotJson {
    Broken { at: usize, why: &'static str },
    Deep { at: usize },
    Spent(Exhausted),
}

/// Lists and maps within each other; Python's reader ends at about a thousand.
const DEPTH_MAX: usize = 200;

impl Json {
    /// Reads all of `text`.
    pub(super) fn read(text: &[u8], fuel: &Fuel) -> Result<Self, NotJson> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = Reader { text, at: 0, fuel };
        let value = reader.value()?;
        reader.space();
        match reader.at == text.len() {
            true => Ok(value),
            false => Err(reader.broken("text after the end")),
        }
    }

    /// The value of a key of a map; the last one, as most readers take it.
    pub(super) fn at(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => {
                entries.iter().rev().find(|(found, _)| found == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The text of a key of a map.
    pub(super) fn text_at(&self, key: &str) -> Option<&str> {
        match self.at(key) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The first key that a map has twice.
    pub(super) fn twice(&self) -> Option<&str> {
        let Self::Map(entries) = self else { return None };
        let mut keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        })
    }

    /// Tells `visit` of every value with its pointer (RFC 6901), outer ones first.
    pub(super) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&str, &'a Self)) {
        let mut open = vec![(String::new(), self)];
        while let Some((pointer, value)) = open.pop() {
            visit(&pointer, value);
            match value {
                Self::List(items) => {
                    open.extend(
                        items.iter().enumerate().rev().map(|(at, item)| (format!("{pointer}/{at}"), item)),
                    );
                }
                Self::Map(entries) => {
                    open.extend(entries.iter().rev().map(|(key, value)| {
                        let key: String = key.chars().take(100).collect();
                        (format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), value)
                    }));
                }
                _ => {}
            }
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    fuel: &'a Fuel,
}

/// A list or map that is not closed yet.
enum Open {
    List(Vec<Json>),
    Map(Vec<(String, Json)>, String),
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json, NotJson> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            self.fuel.step(1).map_err(NotJson::Spent)?;
            self.space();
            let mut value = match self.peek() {
                Some(b'[' | b'{') if open.len() >= DEPTH_MAX => return Err(NotJson::Deep { at: self.at }),
                Some(b'[') => {
                    self.at += 1;
                    self.space();
                    if self.eat(b']') {
                        Json::List(Vec::new())
                    } else {
                        open.push(Open::List(Vec::new()));
                        continue;
                    }
                }
                Some(b'{') => {
                    self.at += 1;
                    self.space();
                    if self.eat(b'}') {
                        Json::Map(Vec::new())
                    } else {
                        let key = self.key()?;
                        open.push(Open::Map(Vec::new(), key));
                        continue;
                    }
                }
                Some(b'"') => Json::Text(self.string()?),
                _ => self.word()?,
            };
            // Close what ends here.
            loop {
                self.space();
                match open.last_mut() {
                    None => return Ok(value),
                    Some(Open::List(items)) => {
                        items.push(value);
                        if self.eat(b',') {
                            break;
                        }
                        if !self.eat(b']') {
                            return Err(self.broken("a list goes on without a comma"));
                        }
                    }
                    Some(Open::Map(entries, key)) => {
                        entries.push((std::mem::take(key), value));
                        if self.eat(b',') {
                            self.space();
                            let next = self.key()?;
                            if let Some(Open::Map(_, key)) = open.last_mut() {
                                *key = next;
                            }
                            break;
                        }
                        if !self.eat(b'}') {
                            return Err(self.broken("a map goes on without a comma"));
                        }
                    }
                }
                value = match open.pop() {
                    Some(Open::List(items)) => Json::List(items),
                    Some(Open::Map(entries, _)) => Json::Map(entries),
                    None => Json::Null,
                };
            }
        }
    }

    fn key(&mut self) -> Result<String, NotJson> {
        if self.peek() != Some(b'"') {
            return Err(self.broken("a key is no text"));
        }
        let key = self.string()?;
        self.space();
        match self.eat(b':') {
            true => Ok(key),
            false => Err(self.broken("a key without a colon")),
        }
    }

    fn string(&mut self) -> Result<String, NotJson> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let Some(byte) = self.peek() else { return Err(self.broken("a text without an end")) };
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(out).map_err(|_| self.broken("a text that is no UTF-8")),
                b'\\' => self.escape(&mut out)?,
                0..=0x1f => return Err(self.broken("a control within a text")),
                other => out.push(other),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), NotJson> {
        let byte = self.peek();
        self.at += 1;
        out.push(match byte {
            Some(plain @ (b'"' | b'\\' | b'/')) => plain,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let first = self.unit()?;
                let one = match first {
                    0xd800..=0xdbff
                        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u")) =>
                    {
                        let before = self.at;
                        self.at += 2;
                        let second = self.unit()?;
                        match second {
                            0xdc00..=0xdfff => {
                                char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
                            }
                            _ => {
                                self.at = before;
                                None
                            }
                        }
                    }
                    other => char::from_u32(other),
                };
                // Half of a pair alone: Python keeps it, no text of ours can.
                let one = one.unwrap_or('\u{fffd}');
                out.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.broken("an escape that there is not")),
        });
        Ok(())
    }

    fn unit(&mut self) -> Result<u32, NotJson> {
        let digits = self
            .text
            .get(self.at..self.at.saturating_add(4))
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits
            .filter(|digits| digits.bytes().all(|one| one.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                self.at += 4;
                Ok(value)
            }
            None => Err(self.broken("an escape without four digits")),
        }
    }

    fn word(&mut self) -> Result<Json, NotJson> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .take_while(|one| one.is_ascii_alphanumeric() || matches!(one, b'+' | b'-' | b'.'))
            .count();
        let word = rest.get(..len).and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default();
        let value = match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            "NaN" | "Infinity" | "-Infinity" => Json::Number(word.to_owned()),
            number
                if number.starts_with(|one: char| one.is_ascii_digit() || one == '-')
                    && number.parse::<f64>().is_ok_and(|value| !value.is_nan()) =>
            {
                Json::Number(word.to_owned())
            }
            _ => return Err(self.broken("no value")),
        };
        self.at += len;
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn broken(&self, why: &'static str) -> NotJson {
        NotJson::Broken { at: self.at, why }
    }
}

#[cfg(test)]
mod tests {
    use alcaide_container::Limits;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Json, NotJson> {
        Json::read(text.as_bytes(), &Fuel::new(Limits::for_file(text.len() as u64)))
    }

    #[test]
    fn values_are_read_and_keys_kept_in_order_and_twice() {
        let value =
            read("\u{feff} {\"a\": [1, -2.5e3, NaN, {}], \"b\": \"\\u00e9\\ud83d\\ude00\\n\", \"a\": null} ")
                .unwrap();
        assert_eq!(value.at("a"), Some(&Json::Null));
        assert_eq!(value.twice(), Some("a"));
        assert_eq!(value.text_at("b"), Some("é😀\n"));
        let mut told = Vec::new();
        value.walk(&mut |pointer, _| told.push(pointer.to_owned()));
        assert_eq!(told, ["", "/a", "/a/0", "/a/1", "/a/2", "/a/3", "/b", "/a"]);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{1:2}",
            "[1 2]",
            "\"\\x\"",
            "\"a\nb\"",
            "nul",
            "[1]x",
            "\"\\u12\"",
            "{\"a\":1,}",
            "01x",
            "--1",
            "inf",
            "nan",
            "\"\\ud8",
        ] {
            assert!(matches!(read(text), Err(NotJson::Broken { .. })), "{text}: {:?}", read(text));
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(read(&deep), Err(NotJson::Deep { .. })));
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,60}") {
            let _ = read(&text);
        }

        #[test]
        fn what_another_reader_takes_is_taken(value in proptest::collection::vec(any::<(String, Option<i32>)>(), 0..6)) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert!(read(&text).is_ok(), "{}", text);
        }
    }
}

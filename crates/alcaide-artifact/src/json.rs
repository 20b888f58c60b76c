//! JSON as a stream of events: strict, with exact places, and with memory that does not grow with the text.
//!
//! Depth, the length of texts that are kept and the number of names that are compared are bounded. A name that an object
//! has twice is an event of its own right: [`Json::twice`] says so, because two readers may each take another one.
//!
//! Source: RFC 8259. `NaN` and infinities, which Python reads and writes, are taken as numbers and counted.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

use alcaide_container::ReadError;

use crate::cursor::Cursor;

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    /// A name in an object; its text is [`Json::text`].
    Name,
    /// Its text is [`Json::text`].
    String,
    /// Its digits are [`Json::text`].
    Number,
    Bool(bool),
    Null,
    /// The value is complete; what is left of the input was not read.
    End,
}

/// Why it is no JSON.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The text breaks a rule of the grammar, or a bound.
    Broken {
        at: u64,
        what: &'static str,
    },
    Read(ReadError),
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<alcaide_container::Exhausted> for Fault {
    fn from(error: alcaide_container::Exhausted) -> Self {
        Self::Read(error.into())
    }
}

/// Reads one value.
pub(crate) struct Json<'a> {
    pub(crate) cursor: Cursor<'a>,
    open: Vec<Level>,
    state: State,
    text: Vec<u8>,
    cut: bool,
    names: usize,
    start: u64,
    twice: bool,
    lone: u64,
    odd_numbers: u64,
}

struct Level {
    object: bool,
    names: HashSet<u64, BuildHasherDefault<DefaultHasher>>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Value,
    /// After `[`: a value or `]`.
    First,
    /// After `{`: a name or `}`.
    FirstName,
    /// After a value within something.
    After,
    Colon,
    Done,
}

impl<'a> Json<'a> {
    /// Objects and arrays within each other.
    pub(crate) const DEPTH_MAX: usize = 256;
    /// Bytes of one text that are kept; the rest is checked and dropped.
    pub(crate) const TEXT_MAX: usize = 1 << 20;
    /// Names that are compared at a time.
    pub(crate) const NAMES_MAX: usize = 1 << 18;

    pub(crate) fn new(cursor: Cursor<'a>) -> Self {
        Self {
            cursor,
            open: Vec::new(),
            state: State::Value,
            text: Vec::new(),
            cut: false,
            names: 0,
            start: 0,
            twice: false,
            lone: 0,
            odd_numbers: 0,
        }
    }

    /// The text of the last name, string or number.
    pub(crate) fn text(&self) -> &str {
        // INVARIANT: only whole, checked sequences are pushed.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Whether the last text was longer than what is kept.
    pub(crate) fn cut(&self) -> bool {
        self.cut
    }

    /// Where the last event began.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Whether the last name was in its object already.
    pub(crate) fn twice(&self) -> bool {
        self.twice
    }

    /// Halves of surrogate pairs, and numbers that RFC 8259 does not have.
    pub(crate) fn oddities(&self) -> u64 {
        self.lone + self.odd_numbers
    }

    /// How deep the next event is.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Result<Event, Fault> {
        if self.state == State::Done {
            return Ok(Event::End);
        }
        let mut byte = self.solid()?;
        if self.state == State::After {
            let object = self.open.last().is_some_and(|level| level.object);
            match byte {
                b',' => {
                    self.cursor.byte()?;
                    byte = self.solid()?;
                    if object {
                        return self.name(byte);
                    }
                    self.state = State::Value;
                }
                b'}' if object => return self.close(Event::ObjectEnd),
                b']' if !object => return self.close(Event::ArrayEnd),
                _ => return Err(self.broken("a comma or a bracket is missing")),
            }
        }
        match self.state {
            State::FirstName if byte == b'}' => return self.close(Event::ObjectEnd),
            State::FirstName => return self.name(byte),
            State::First if byte == b']' => return self.close(Event::ArrayEnd),
            State::Colon => {
                if byte != b':' {
                    return Err(self.broken("a colon is missing"));
                }
                self.cursor.byte()?;
                byte = self.solid()?;
            }
            _ => {}
        }
        self.value(byte)
    }

    fn value(&mut self, byte: u8) -> Result<Event, Fault> {
        self.start = self.cursor.at();
        match byte {
            b'{' => self.descend(true),
            b'[' => self.descend(false),
            b'"' => {
                self.string()?;
                self.settle();
                Ok(Event::String)
            }
            b'-' | b'0'..=b'9' => self.number(byte),
            b't' => self.word("true", Event::Bool(true)),
            b'f' => self.word("false", Event::Bool(false)),
            b'n' => self.word("null", Event::Null),
            b'N' => self.odd("NaN"),
            b'I' => self.odd("Infinity"),
            _ => Err(self.broken("a value is missing")),
        }
    }

    fn descend(&mut self, object: bool) -> Result<Event, Fault> {
        if self.open.len() >= Self::DEPTH_MAX {
            return Err(self.broken("it is too deep"));
        }
        self.cursor.byte()?;
        self.open.push(Level { object, names: HashSet::default() });
        self.state = if object { State::FirstName } else { State::First };
        Ok(if object { Event::ObjectStart } else { Event::ArrayStart })
    }

    fn close(&mut self, event: Event) -> Result<Event, Fault> {
        self.start = self.cursor.at();
        self.cursor.byte()?;
        if let Some(level) = self.open.pop() {
            self.names = self.names.saturating_sub(level.names.len());
        }
        self.settle();
        Ok(event)
    }

    fn settle(&mut self) {
        self.state = if self.open.is_empty() { State::Done } else { State::After };
    }

    fn name(&mut self, byte: u8) -> Result<Event, Fault> {
        self.start = self.cursor.at();
        if byte != b'"' {
            return Err(self.broken("a name is missing"));
        }
        let hash = self.string()?;
        if self.names >= Self::NAMES_MAX {
            return Err(self.broken("there are too many names to compare"));
        }
        if let Some(level) = self.open.last_mut() {
            self.twice = !level.names.insert(hash);
            self.names += usize::from(!self.twice);
        }
        self.state = State::Colon;
        Ok(Event::Name)
    }

    fn word(&mut self, word: &str, event: Event) -> Result<Event, Fault> {
        for byte in word.bytes() {
            if self.cursor.byte()? != Some(byte) {
                return Err(self.broken("a value is missing"));
            }
        }
        self.settle();
        Ok(event)
    }

    fn odd(&mut self, word: &str) -> Result<Event, Fault> {
        self.word(word, Event::Null)?;
        self.odd_numbers += 1;
        self.text.clear();
        self.text.extend_from_slice(word.as_bytes());
        Ok(Event::Number)
    }

    fn number(&mut self, first: u8) -> Result<Event, Fault> {
        self.text.clear();
        self.cut = false;
        if first == b'-' {
            self.digit()?;
            if self.cursor.peek()? == Some(b'I') {
                return self.odd("Infinity");
            }
        }
        match self.cursor.peek()? {
            Some(b'0') => self.digit()?,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.broken("a digit is missing")),
        }
        if self.cursor.peek()? == Some(b'.') {
            self.digit()?;
            self.some_digits()?;
        }
        if matches!(self.cursor.peek()?, Some(b'e' | b'E')) {
            self.digit()?;
            if matches!(self.cursor.peek()?, Some(b'+' | b'-')) {
                self.digit()?;
            }
            self.some_digits()?;
        }
        self.settle();
        Ok(Event::Number)
    }

    fn some_digits(&mut self) -> Result<(), Fault> {
        match self.cursor.peek()? {
            Some(b'0'..=b'9') => self.digits(),
            _ => Err(self.broken("a digit is missing")),
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        while matches!(self.cursor.peek()?, Some(b'0'..=b'9')) {
            self.digit()?;
        }
        Ok(())
    }

    fn digit(&mut self) -> Result<(), Fault> {
        if let Some(byte) = self.cursor.byte()? {
            if self.text.len() < 64 {
                self.text.push(byte);
            } else {
                self.cut = true;
            }
        }
        Ok(())
    }

    /// Reads a string into `text` and gives a hash of all of it.
    fn string(&mut self) -> Result<u64, Fault> {
        self.text.clear();
        self.cut = false;
        let mut hash = DefaultHasher::new();
        self.cursor.byte()?;
        loop {
            // What needs no second look is taken as it lies in the buffer.
            let chunk = self.cursor.chunk()?;
            let plain =
                chunk.iter().take_while(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\'));
            let count = plain.count();
            if let Some(some) = chunk.get(..count).filter(|some| !some.is_empty()) {
                hash.write(some);
                let room = Self::TEXT_MAX.saturating_sub(self.text.len());
                self.cut |= count > room;
                self.text.extend_from_slice(some.get(..room.min(count)).unwrap_or_default());
                self.cursor.skip(count as u64);
                continue;
            }
            match self.cursor.byte()? {
                None => return Err(self.broken("a string has no end")),
                Some(b'"') => {
                    hash.write_u8(0xff);
                    return Ok(hash.finish());
                }
                Some(b'\\') => {
                    let one = self.escape()?;
                    self.push(one, &mut hash);
                }
                Some(byte @ 0x7f) => self.push(char::from(byte), &mut hash),
                Some(0..=0x1f) => return Err(self.broken("a control character stands in a string")),
                Some(lead) => {
                    let one = self.wide(lead)?;
                    self.push(one, &mut hash);
                }
            }
        }
    }

    fn push(&mut self, one: char, hash: &mut DefaultHasher) {
        let mut bytes = [0; 4];
        let bytes = one.encode_utf8(&mut bytes).as_bytes();
        hash.write(bytes);
        if self.text.len() + bytes.len() <= Self::TEXT_MAX {
            self.text.extend_from_slice(bytes);
        } else {
            self.cut = true;
        }
    }

    fn wide(&mut self, lead: u8) -> Result<char, Fault> {
        let more = match lead {
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => return Err(self.broken("it is no UTF-8")),
        };
        let mut bytes = [lead, 0, 0, 0];
        for to in bytes.iter_mut().skip(1).take(more) {
            *to = self.cursor.byte()?.unwrap_or_default();
        }
        let whole = bytes.get(..=more).and_then(|bytes| std::str::from_utf8(bytes).ok());
        whole.and_then(|text| text.chars().next()).ok_or_else(|| self.broken("it is no UTF-8"))
    }

    fn escape(&mut self) -> Result<char, Fault> {
        Ok(match self.cursor.byte()? {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unit(),
            _ => return Err(self.broken("an escape is unknown")),
        })
    }

    fn unit(&mut self) -> Result<char, Fault> {
        let mut unit = self.four()?;
        loop {
            if let Some(one) = char::from_u32(unit) {
                return Ok(one);
            }
            if unit < 0xdc00 && self.cursor.peek()? == Some(b'\\') {
                self.cursor.byte()?;
                if self.cursor.peek()? != Some(b'u') {
                    // A half, and then another escape: the half is counted, the escape counts.
                    self.lone += 1;
                    return self.escape();
                }
                self.cursor.byte()?;
                let low = self.four()?;
                if (0xdc00..0xe000).contains(&low) {
                    let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                self.lone += 1;
                unit = low;
                continue;
            }
            self.lone += 1;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
    }

    fn four(&mut self) -> Result<u32, Fault> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.cursor.byte()?.and_then(|byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or_else(|| self.broken("an escape has not four digits"))?;
        }
        Ok(unit)
    }

    /// The next byte that is no white space.
    fn solid(&mut self) -> Result<u8, Fault> {
        loop {
            match self.cursor.peek()? {
                Some(b' ' | b'\t' | b'\n' | b'\r') => {
                    self.cursor.byte()?;
                }
                Some(byte) => return Ok(byte),
                None => return Err(self.broken("it ends too early")),
            }
        }
    }

    fn broken(&self, what: &'static str) -> Fault {
        Fault::Broken { at: self.cursor.at(), what }
    }
}

#[cfg(test)]
mod tests {
    use alcaide_container::{Fuel, Limits};
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<(String, u64), String> {
        let bytes = text.to_vec();
        let fuel = Fuel::new(Limits::for_file(bytes.len() as u64));
        let mut json = Json::new(Cursor::new(&bytes, &fuel, 0, u64::MAX));
        let mut out = String::new();
        loop {
            match json.next() {
                Ok(Event::End) => return Ok((out, json.oddities())),
                Ok(Event::Name) if json.twice() => out.push_str("twice "),
                Ok(Event::Name | Event::String | Event::Number) => {
                    out.push_str(json.text());
                    out.push(' ');
                }
                Ok(event) => out.push_str(&format!("{event:?} ")),
                Err(Fault::Broken { at, what }) => return Err(format!("{at}: {what}")),
                Err(Fault::Read(error)) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn events_come_in_order_and_names_that_come_twice_are_told() {
        let (events, odd) =
            read(br#" {"a":[1,-2.5e3,true,null],"\u0061":"\ud83d\ude00\n", "b":{}} x"#).unwrap();
        assert_eq!(
            events,
            "ObjectStart a ArrayStart 1 -2.5e3 Bool(true) Null ArrayEnd twice 😀\n b ObjectStart ObjectEnd ObjectEnd "
        );
        assert_eq!(odd, 0);
        assert_eq!(read(br#"[NaN,-Infinity,"\ud800x","\ud800\n"]"#).unwrap().1, 4);
    }

    #[test]
    fn what_breaks_the_grammar_is_broken_and_depth_is_bounded() {
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\" 1}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "\"\\x\"",
            "\"\n\"",
            "tru",
            "{\"a\":1,}",
            "[1 2]",
            "\"abc",
            "{\"a\":1]",
        ] {
            assert!(read(bad.as_bytes()).is_err() || bad == "01", "{bad}");
        }
        assert!(read(b"\"\xc0\xaf\"").is_err());
        assert!(read(&b"[".repeat(100_000)).unwrap_err().contains("too deep"));
    }

    proptest! {
        #[test]
        fn it_says_what_another_reader_says(value in any::<Vec<(String, Vec<i64>)>>(), cut in 0_usize..50) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert!(read(text.as_bytes()).is_ok());
            let mut bytes = text.into_bytes();
            bytes.truncate(bytes.len().saturating_sub(cut + 1));
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let strict = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
            prop_assert!(!strict || read(&bytes).is_ok());
        }
    }
}

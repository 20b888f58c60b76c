//! The reader itself: text to tape in one pass, no recursion.
//!
//! A container keeps the index of its parent in `next` while it is open, so that no stack is needed; closed,
//! `next` is the index one past its last descendant. A key keeps the hash of its folded text there.

use super::error::{Fault, JsonError, Rule};
use super::value::Value;
use super::{BYTES_MAX, DEPTH_CEILING, DEPTH_MAX, NODES_MAX, STRING_BYTES_MAX, fold, number, string};

/// What a document may be at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of the whole text; never more than 4 GiB less one.
    pub bytes: usize,
    /// Nesting of arrays and objects; never more than [`DEPTH_CEILING`].
    pub depth: usize,
    /// Values and keys.
    pub nodes: usize,
    /// Bytes of one string as written, without its quotes.
    pub string_bytes: usize,
    /// What to do with numbers that 64 bits do not hold.
    pub numbers: NumberRule,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: BYTES_MAX,
            depth: DEPTH_MAX,
            nodes: NODES_MAX,
            string_bytes: STRING_BYTES_MAX,
            numbers: NumberRule::Exact,
        }
    }
}

/// What to do with a number that neither `i64`, `u64` nor `f64` holds exactly.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum NumberRule {
    /// Refuse it: readers of different precision would see different numbers.
    #[default]
    Exact,
    /// Take it if it is finite as `f64`: for replies on whose numbers nothing is decided (log probabilities).
    Rounded,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tag {
    Null,
    True,
    False,
    Integer,
    Decimal,
    Text,
    EscapedText,
    Key,
    EscapedKey,
    Array,
    Object,
}

/// A value or key of the tape; `start..end` are its bytes, quotes and brackets included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) start: u32,
    pub(super) end: u32,
    /// One past the last descendant; the parent while open; the hash of a key.
    pub(super) next: u32,
    pub(super) tag: Tag,
}

/// No container is open.
const NONE: u32 = u32::MAX;

/// The memory of a document without the document, to be used again ([`Document::parse_into`]).
#[derive(Debug, Default)]
pub struct Tape(Vec<Node>);

/// A text that was read whole and found strict JSON.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    tape: Vec<Node>,
}

impl<'a> Document<'a> {
    /// Reads a text.
    ///
    /// # Errors
    /// The first broken rule with its place; see [`JsonError`].
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, JsonError> {
        Self::parse_into(bytes, limits, Tape::default())
    }

    /// Reads a text into memory that an earlier document has left ([`Document::into_tape`]).
    ///
    /// # Errors
    /// As [`Document::parse`]; the tape is lost then.
    pub fn parse_into(bytes: &'a [u8], limits: &Limits, tape: Tape) -> Result<Self, JsonError> {
        let limit = limits.bytes.min(NONE as usize - 1);
        if bytes.len() > limit {
            return Err(JsonError::TooManyBytes { given: bytes.len(), limit });
        }
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(Fault::new(Rule::Bom, 0).placed(String::new()));
        }
        let mut nodes = tape.0;
        nodes.clear();
        nodes.reserve((bytes.len() / 24).clamp(16, 4096));
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                // The place of the bad byte is where reading the good part stops; its own fault is of no
                // interest.
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let mut parser = Parser::new(good, limits, nodes);
                let _ = parser.run();
                return Err(Fault::new(Rule::NotUtf8, error.valid_up_to()).placed(parser.pointer(None)));
            }
        };
        let mut parser = Parser::new(bytes, limits, nodes);
        match parser.run() {
            Ok(()) => Ok(Self { text, tape: parser.tape }),
            Err(fault) => {
                let key = parser.fault_key;
                Err(fault.placed(parser.pointer(key)))
            }
        }
    }

    /// The memory, to read another text into.
    #[must_use]
    pub fn into_tape(self) -> Tape {
        Tape(self.tape)
    }

    /// The value of the whole text.
    #[must_use]
    pub fn root(&self) -> Value<'_, 'a> {
        Value::new(self, 0)
    }

    /// The value at a JSON pointer (RFC 6901): empty for the root, else `/` and escaped parts.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<Value<'_, 'a>> {
        self.root().pointer(pointer)
    }

    /// The text that was read.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Values and keys of the document.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.tape.len()
    }

    #[inline]
    pub(super) fn node(&self, index: u32) -> Option<&Node> {
        self.tape.get(index as usize)
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    tape: Vec<Node>,
    /// Innermost open container.
    open: u32,
    in_object: bool,
    depth: usize,
    limits: Limits,
    /// The key that a fault is about.
    fault_key: Option<u32>,
    /// Keys of a large object while it is being checked.
    scratch: Vec<u32>,
}

/// Objects of up to so many members are checked for equal keys pair by pair.
const PAIRWISE_MEMBERS_MAX: usize = 12;

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8], limits: &Limits, tape: Vec<Node>) -> Self {
        let limits = Limits { depth: limits.depth.min(DEPTH_CEILING), ..*limits };
        Self {
            bytes,
            at: 0,
            tape,
            open: NONE,
            in_object: false,
            depth: 0,
            limits,
            fault_key: None,
            scratch: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Fault> {
        loop {
            self.space();
            if !self.value()? {
                continue;
            }
            // A value is complete: what follows belongs to its container.
            loop {
                self.space();
                if self.open == NONE {
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        Err(self.fault(Rule::Trailing))
                    };
                }
                match (self.peek()?, self.in_object) {
                    (b',', true) => {
                        self.at += 1;
                        self.space();
                        self.key()?;
                        break;
                    }
                    (b',', false) => {
                        self.at += 1;
                        break;
                    }
                    (b'}', true) | (b']', false) => self.close()?,
                    _ => return Err(self.fault(Rule::Unexpected)),
                }
            }
        }
    }

    /// Reads a scalar or an empty container whole (true), or enters a container up to its first value
    /// (false).
    #[inline]
    fn value(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        match self.peek()? {
            b'"' => {
                let (end, escaped) = self.string()?;
                self.push(start, end, if escaped { Tag::EscapedText } else { Tag::Text })?;
            }
            b'{' => return self.enter(Tag::Object, b'}'),
            b'[' => return self.enter(Tag::Array, b']'),
            b'-' | b'0'..=b'9' => {
                let found = number::scan(self.bytes, start, self.limits.numbers)?;
                self.push(start, found.end, if found.integer { Tag::Integer } else { Tag::Decimal })?;
            }
            b't' => self.word(b"true", Tag::True)?,
            b'f' => self.word(b"false", Tag::False)?,
            b'n' => self.word(b"null", Tag::Null)?,
            _ => return Err(self.fault(Rule::Unexpected)),
        }
        Ok(true)
    }

    fn enter(&mut self, tag: Tag, closing: u8) -> Result<bool, Fault> {
        if self.depth >= self.limits.depth {
            return Err(self.fault(Rule::TooDeep));
        }
        let index = self.push(self.at, self.at, tag)?;
        if let Some(node) = self.tape.last_mut() {
            node.next = self.open;
        }
        self.open = index;
        self.in_object = tag == Tag::Object;
        self.depth += 1;
        self.at += 1;
        self.space();
        if self.peek()? == closing {
            self.close()?;
            return Ok(true);
        }
        if self.in_object {
            self.key()?;
        }
        Ok(false)
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.in_object {
            self.keys_differ()?;
        }
        self.at += 1;
        let next = to_u32(self.tape.len());
        let end = to_u32(self.at);
        // INVARIANT: `open` is the index of an open container, made by `enter`.
        if let Some(node) = self.tape.get_mut(self.open as usize) {
            self.open = node.next;
            node.next = next;
            node.end = end;
        }
        self.depth = self.depth.saturating_sub(1);
        self.in_object = self.tape.get(self.open as usize).is_some_and(|node| node.tag == Tag::Object);
        Ok(())
    }

    fn key(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek()? != b'"' {
            return Err(self.fault(Rule::Unexpected));
        }
        let (end, escaped) = self.string()?;
        self.push(start, end, if escaped { Tag::EscapedKey } else { Tag::Key })?;
        let hash = fold::hash(inner(self.bytes, start, end), escaped);
        if let Some(node) = self.tape.last_mut() {
            node.next = hash;
        }
        self.space();
        if self.peek()? != b':' {
            return Err(self.fault(Rule::Unexpected));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string at the place and returns one past its closing quote.
    #[inline]
    fn string(&mut self) -> Result<(usize, bool), Fault> {
        let start = self.at;
        let found = string::scan(self.bytes, start + 1)?;
        if found.close - start - 1 > self.limits.string_bytes {
            return Err(Fault::new(Rule::StringTooLong, start));
        }
        self.at = found.close + 1;
        Ok((self.at, found.escaped))
    }

    fn word(&mut self, word: &[u8], tag: Tag) -> Result<(), Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.push(self.at, self.at + word.len(), tag)?;
            return Ok(());
        }
        let same = rest.iter().zip(word).take_while(|(given, wanted)| given == wanted).count();
        let rule = if same == rest.len() { Rule::Ended } else { Rule::Unexpected };
        Err(Fault::new(rule, self.at + same))
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize, tag: Tag) -> Result<u32, Fault> {
        let index = self.tape.len();
        if index >= self.limits.nodes {
            return Err(Fault::new(Rule::TooManyNodes, start));
        }
        let index = to_u32(index);
        self.tape.push(Node { start: to_u32(start), end: to_u32(end), next: index + 1, tag });
        self.at = end;
        Ok(index)
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Result<u8, Fault> {
        self.bytes.get(self.at).copied().ok_or(Fault::new(Rule::Ended, self.bytes.len()))
    }

    const fn fault(&self, rule: Rule) -> Fault {
        Fault::new(rule, self.at)
    }

    /// Checks that no two keys of the innermost object are equal, whatever their case and escapes.
    fn keys_differ(&mut self) -> Result<(), Fault> {
        let mut few = [(0_u32, 0_u32); PAIRWISE_MEMBERS_MAX];
        let mut count = 0;
        let mut index = self.open + 1;
        while let Some(key) = self.tape.get(index as usize) {
            if let Some(place) = few.get_mut(count) {
                *place = (key.next, index);
            } else {
                return self.many_keys_differ();
            }
            for (hash, earlier) in few.iter().take(count) {
                if *hash == key.next && self.same_key(*earlier, index) {
                    return Err(self.equal_keys(*earlier, index));
                }
            }
            count += 1;
            index = self.tape.get(index as usize + 1).map_or(NONE, |value| value.next);
        }
        Ok(())
    }

    fn many_keys_differ(&mut self) -> Result<(), Fault> {
        let mut keys = std::mem::take(&mut self.scratch);
        keys.clear();
        let mut index = self.open + 1;
        while (index as usize) < self.tape.len() {
            keys.push(index);
            index = self.tape.get(index as usize + 1).map_or(NONE, |value| value.next);
        }
        let hash = |index: u32| self.tape.get(index as usize).map_or(0, |key| key.next);
        keys.sort_unstable_by(|left, right| {
            hash(*left)
                .cmp(&hash(*right))
                .then_with(|| fold::compare(self.key_text(*left), self.key_text(*right)))
                .then(left.cmp(right))
        });
        let equal = keys.iter().zip(keys.iter().skip(1)).find_map(|(left, right)| {
            (hash(*left) == hash(*right) && self.same_key(*left, *right)).then_some((*left, *right))
        });
        self.scratch = keys;
        match equal {
            Some((left, right)) => Err(self.equal_keys(left, right)),
            None => Ok(()),
        }
    }

    fn key_text(&self, index: u32) -> &'a str {
        self.tape
            .get(index as usize)
            .map_or("", |key| inner(self.bytes, key.start as usize, key.end as usize))
    }

    fn same_key(&self, left: u32, right: u32) -> bool {
        fold::compare(self.key_text(left), self.key_text(right)).is_eq()
    }

    fn equal_keys(&mut self, earlier: u32, later: u32) -> Fault {
        self.fault_key = Some(later);
        let same = string::unescape(self.key_text(earlier)) == string::unescape(self.key_text(later));
        let at = self.tape.get(later as usize).map_or(self.at, |key| key.start as usize);
        Fault::new(if same { Rule::DuplicateKey } else { Rule::CaseKey }, at)
    }

    /// JSON pointer of the place where reading stopped, or of member `key` of the innermost object.
    fn pointer(&self, key: Option<u32>) -> String {
        let mut chain = Vec::new();
        let mut open = self.open;
        while let Some(node) = self.tape.get(open as usize) {
            chain.push(open);
            open = node.next;
        }
        let mut pointer = String::new();
        while let Some(container) = chain.pop() {
            // The child that was being read: an open container, or what comes next on the tape.
            let child = chain.last().copied().unwrap_or(to_u32(self.tape.len()));
            let object = self.tape.get(container as usize).is_some_and(|node| node.tag == Tag::Object);
            if chain.is_empty()
                && let Some(key) = key
            {
                push_part(&mut pointer, &string::unescape(self.key_text(key)));
                break;
            }
            let mut index = container + 1;
            let mut count = 0_usize;
            let mut last_key = None;
            while index < child {
                let value = index + u32::from(object);
                last_key = Some(index);
                if value >= child {
                    break;
                }
                count += 1;
                index = self.tape.get(value as usize).map_or(NONE, |node| node.next);
            }
            if !object {
                push_part(&mut pointer, &count.to_string());
            } else if let Some(key) = last_key {
                push_part(&mut pointer, &string::unescape(self.key_text(key)));
            }
        }
        pointer
    }
}

/// Appends one part to a JSON pointer, escaped (RFC 6901, section 3).
pub(super) fn push_part(pointer: &mut String, part: &str) {
    pointer.push('/');
    if memchr::memchr2(b'~', b'/', part.as_bytes()).is_none() {
        return pointer.push_str(part);
    }
    for letter in part.chars() {
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// The text between the quotes of a string at `start..end`. The bytes are known to be UTF-8, quotes are
/// ASCII.
#[inline]
pub(super) fn inner(bytes: &[u8], start: usize, end: usize) -> &str {
    let raw = bytes.get(start + 1..end.saturating_sub(1)).unwrap_or_default();
    // Keys are short; the check costs less than carrying the text beside the bytes.
    std::str::from_utf8(raw).unwrap_or_default()
}

/// INVARIANT: texts and tapes are below `u32::MAX`; `Document::parse_into` and `push` see to it.
#[inline]
fn to_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

//! One event: its raw bytes and what they say; and events written.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

use super::BOM;

/// One event of a stream, or a block without one (comments, blank lines).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SseEvent {
    raw: Bytes,
    data: Payload,
    name: Option<Range<usize>>,
    id: Option<Range<usize>>,
    retry: Option<Range<usize>>,
    complete: bool,
    plain: bool,
}

/// Where the data of an event is.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Payload {
    /// No `data` line.
    Absent,
    /// One line, within the raw bytes.
    Line(Range<usize>),
    /// Several lines, joined by LF.
    Joined(Vec<u8>),
}

impl SseEvent {
    pub(super) fn read(raw: Bytes, complete: bool, first: bool) -> Self {
        let mut event = Self {
            raw: Bytes::new(),
            data: Payload::Absent,
            name: None,
            id: None,
            retry: None,
            complete,
            plain: true,
        };
        let mut at = 0;
        if first && raw.starts_with(BOM) {
            at = BOM.len();
            event.plain = false;
        }
        while at < raw.len() {
            let rest = raw.get(at..).unwrap_or_default();
            let line_end = memchr2(b'\n', b'\r', rest).map_or(raw.len(), |found| at + found);
            event.line(&raw, at..line_end);
            at = match (raw.get(line_end), raw.get(line_end + 1)) {
                (Some(b'\r'), Some(b'\n')) => line_end + 2,
                (Some(b'\r'), _) => {
                    event.plain = false;
                    line_end + 1
                }
                _ => line_end + 1,
            };
        }
        event.raw = raw;
        event
    }

    fn line(&mut self, raw: &Bytes, line: Range<usize>) {
        let bytes = raw.get(line.clone()).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        // What some readers take for a line end, and what no event needs.
        if bytes.contains(&0) {
            self.plain = false;
        }
        let (name, value) = match memchr(b':', bytes) {
            Some(0) => {
                // A comment: nothing reads it, so nothing would look at it.
                self.plain = false;
                return;
            }
            Some(colon) => {
                let space = usize::from(bytes.get(colon + 1) == Some(&b' '));
                (bytes.get(..colon).unwrap_or_default(), line.start + colon + 1 + space..line.end)
            }
            None => (bytes, line.end..line.end),
        };
        let slot = match name {
            b"data" => return self.data_line(raw, value),
            b"event" => &mut self.name,
            b"id" => &mut self.id,
            b"retry" => {
                self.plain &= is_time(raw.get(value.clone()).unwrap_or_default());
                &mut self.retry
            }
            _ => {
                self.plain = false;
                return;
            }
        };
        // The last one counts by the standard, but not with every reader.
        if slot.replace(value).is_some() {
            self.plain = false;
        }
    }

    fn data_line(&mut self, raw: &Bytes, value: Range<usize>) {
        let bytes = |range: &Range<usize>| raw.get(range.clone()).unwrap_or_default();
        match &mut self.data {
            Payload::Absent => self.data = Payload::Line(value),
            Payload::Line(first) => {
                let mut joined = bytes(first).to_vec();
                joined.push(b'\n');
                joined.extend_from_slice(bytes(&value));
                self.data = Payload::Joined(joined);
                self.plain = false;
            }
            Payload::Joined(joined) => {
                joined.push(b'\n');
                joined.extend_from_slice(bytes(&value));
            }
        }
    }

    /// The bytes as they came, blank line included.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The data, lines joined by LF; absent where there is no `data` line, and so no event to act on.
    #[must_use]
    pub fn data(&self) -> Option<&[u8]> {
        match &self.data {
            Payload::Absent => None,
            Payload::Line(range) => self.raw.get(range.clone()),
            Payload::Joined(joined) => Some(joined),
        }
    }

    /// The type of the event; absent means `message`.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.field(self.name.as_ref())
    }

    /// The id of the event.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        self.field(self.id.as_ref())
    }

    /// Whether it says more than its type and data: an id, or a time to wait.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.id.is_some() || self.retry.is_some()
    }

    fn field(&self, range: Option<&Range<usize>>) -> Option<&[u8]> {
        self.raw.get(range?.clone())
    }

    /// Whether a blank line ended it; false for what was left when the stream was cut.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether every reader in the field takes these bytes for the same event and all of them are its own: one
    /// `data` line, no field twice, no unknown field, no time that is no number, no comment, no bare CR, no NUL,
    /// no byte order mark.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.plain
    }

    /// The event with other data. Where the data was one line and is one line again, all other bytes stay.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Bytes {
        let one_line = memchr2(b'\n', b'\r', data).is_none();
        if let (true, true, Payload::Line(range)) = (one_line, self.plain, &self.data) {
            // `data:` followed by text that begins with a space would lose it, so the one space is put in.
            let head = self.raw.get(..range.start).unwrap_or_default();
            let tail = self.raw.get(range.end..).unwrap_or_default();
            let mut out = BytesMut::with_capacity(head.len() + data.len() + tail.len() + 2);
            out.extend_from_slice(head);
            match head.last() {
                Some(b':') => out.extend_from_slice(b" "),
                Some(b' ') => {}
                _ => out.extend_from_slice(b": "),
            }
            out.extend_from_slice(data);
            out.extend_from_slice(tail);
            return out.freeze();
        }
        self.frame(Some(data)).write()
    }

    /// The event written plainly, so that every reader takes it for the same; comments are left out. Empty
    /// for a block that says nothing.
    #[must_use]
    pub fn rewritten(&self) -> Bytes {
        self.frame(self.data()).write()
    }

    fn frame<'a>(&'a self, data: Option<&'a [u8]>) -> Frame<'a> {
        let text = |range: &Option<Range<usize>>| {
            self.field(range.as_ref()).map(String::from_utf8_lossy).filter(|text| !text.contains('\0'))
        };
        let retry = text(&self.retry).filter(|time| is_time(time.as_bytes()));
        Frame { name: text(&self.name), data, id: text(&self.id), retry }
    }
}

/// Most digits of a time to wait: 11 days in milliseconds.
const TIME_DIGITS_MAX: usize = 9;

/// Whether it is a time to wait; any other is ignored by the standard.
fn is_time(text: &[u8]) -> bool {
    (1..=TIME_DIGITS_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

/// An event to be written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frame<'a> {
    /// Its type.
    pub name: Option<Cow<'a, str>>,
    /// Its data; each line of it becomes a `data` line.
    pub data: Option<&'a [u8]>,
    /// Its id.
    pub id: Option<Cow<'a, str>>,
    /// The time to wait before the client connects again, in milliseconds.
    pub retry: Option<Cow<'a, str>>,
}

impl<'a> Frame<'a> {
    /// An event of a type with data.
    #[must_use]
    pub fn named(name: &'a str, data: &'a [u8]) -> Self {
        Self { name: Some(Cow::Borrowed(name)), data: Some(data), ..Self::default() }
    }

    /// An event of the default type with data.
    #[must_use]
    pub fn unnamed(data: &'a [u8]) -> Self {
        Self { data: Some(data), ..Self::default() }
    }

    /// The bytes: fields in a fixed order, lines ended by LF, and a blank line. Empty if there is no field.
    /// Line ends in a name, id or retry are left out; they would begin another field.
    #[must_use]
    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64 + self.data.map_or(0, <[u8]>::len));
        for (field, value) in [("event", &self.name), ("id", &self.id), ("retry", &self.retry)] {
            if let Some(value) = value {
                out.extend_from_slice(field.as_bytes());
                out.extend_from_slice(b": ");
                value.split(['\n', '\r']).for_each(|part| out.extend_from_slice(part.as_bytes()));
                out.extend_from_slice(b"\n");
            }
        }
        if let Some(mut rest) = self.data {
            loop {
                let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(line);
                out.extend_from_slice(b"\n");
                let skip = if after.starts_with(b"\r\n") { 2 } else { 1 };
                match after.get(skip..) {
                    Some(next) => rest = next,
                    None => break,
                }
            }
        }
        if !out.is_empty() {
            out.extend_from_slice(b"\n");
        }
        out.freeze()
    }
}

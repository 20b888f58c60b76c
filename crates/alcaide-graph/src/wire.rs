//! Protobuf's wire format, walked by a schema.
//!
//! [`Walker::next`] yields one [`Event`] at a time: entering and leaving a message, a scalar, text or bytes as a range, and
//! fields that the schema does not know. Messages lie on a stack of the walker's own. Bytes that are not read by the
//! caller are stepped over, so that a tensor of a gigabyte costs one field.
//!
//! Source: protobuf's "Encoding" page. A field whose wire type is not that of the schema is unknown, as parsers treat it.

use std::ops::Range;

use alcaide_container::{Fuel, Input};

use crate::cursor::{Cursor, Fault};

/// The messages of a format; each value is one kind of message.
pub trait Schema: Copy + 'static {
    /// What field `number` of this message holds; none if it has no such field.
    fn field(self, number: u32) -> Option<Holds<Self>>;
}

/// What a field holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holds<M> {
    /// Another message.
    Message(M),
    /// Text or short bytes that mean something.
    Text,
    /// Bytes of numbers, or of anything, that are stepped over.
    Bytes,
    /// One varint.
    Varint,
    /// Four bytes.
    Fixed32,
    /// Eight bytes.
    Fixed64,
    /// Many varints, packed or not.
    Varints,
    /// Many four-byte values, packed or not.
    Fixed32s,
    /// Many eight-byte values, packed or not.
    Fixed64s,
}

/// A value in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// A varint.
    Varint(u64),
    /// Four bytes, least significant first.
    Fixed32(u32),
    /// Eight bytes, least significant first.
    Fixed64(u64),
    /// Text, bytes or packed numbers.
    Range(Range<u64>),
}

/// One step of the walk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<M> {
    /// A message begins.
    Enter {
        /// Its kind.
        message: M,
        /// The field of the message around it.
        number: u32,
        /// Its bytes, without tag and length.
        bytes: Range<u64>,
    },
    /// The message that was entered last, and not left, ends.
    Leave {
        /// Its kind.
        message: M,
    },
    /// A field that is no message.
    Field {
        /// The kind of the message that it is in.
        message: M,
        /// Its number.
        number: u32,
        /// Where its tag begins.
        at: u64,
        /// What it holds.
        value: Value,
    },
    /// A field that the schema does not know, or holds otherwise.
    Unknown {
        /// The kind of the message that it is in.
        message: M,
        /// Its number.
        number: u32,
        /// Tag, length and content.
        bytes: Range<u64>,
    },
}

/// A walk over one message and all that is in it.
#[derive(Debug)]
pub struct Walker<'a, M> {
    cursor: Cursor<'a>,
    fuel: &'a Fuel,
    open: Vec<(M, u64)>,
}

impl<'a, M: Schema> Walker<'a, M> {
    /// Messages within messages that are followed; parsers in use follow 100.
    pub const DEPTH_MAX: usize = 4_096;
    /// Groups within groups that are followed.
    const GROUPS_MAX: usize = 100;

    /// A walk over all of `input`, which is one message of kind `root`.
    pub fn new(input: &'a dyn Input, root: M, fuel: &'a Fuel) -> Self {
        Self { cursor: Cursor::new(input), fuel, open: vec![(root, input.len())] }
    }

    /// How many messages are open, the outermost counted.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Where the next field begins.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.cursor.at()
    }

    /// The bytes of a range, at most `max`, and whether that is all.
    ///
    /// # Errors
    /// [`Fault::Read`] if the input fails.
    pub fn bytes(&self, range: &Range<u64>, max: usize) -> Result<(Vec<u8>, bool), Fault> {
        self.cursor.bytes(range, max)
    }

    /// The next step; none after the outermost message was left.
    ///
    /// # Errors
    /// [`Fault::Malformed`] where the bytes break the wire format or reach past the message around them, or are nested
    /// deeper than [`DEPTH_MAX`](Self::DEPTH_MAX); [`Fault::Read`] if they cannot be had or the budget is spent.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator of results would go on after the first failure"
    )]
    pub fn next(&mut self) -> Result<Option<Event<M>>, Fault> {
        let Some((message, end)) = self.open.last().copied() else { return Ok(None) };
        self.fuel.step(1)?;
        let at = self.cursor.at();
        if at >= end {
            self.open.pop();
            return Ok(Some(Event::Leave { message }));
        }
        let (number, wire) = self.tag(end)?;
        let holds = message.field(number);
        let value = match wire {
            Wire::Varint => Value::Varint(self.varint(end)?),
            Wire::Fixed64 => {
                self.fits(8, end, at)?;
                Value::Fixed64(self.cursor.le(8)?)
            }
            Wire::Fixed32 => {
                self.fits(4, end, at)?;
                Value::Fixed32(u32::try_from(self.cursor.le(4)?).unwrap_or_default())
            }
            Wire::Length => {
                let len = self.varint(end)?;
                self.fits(len, end, at)?;
                let start = self.cursor.at();
                let inner = start..start.saturating_add(len);
                if let Some(Holds::Message(kind)) = holds {
                    if self.open.len() >= Self::DEPTH_MAX {
                        return Err(Fault::Malformed { at, why: "messages are nested too deep" });
                    }
                    self.open.push((kind, inner.end));
                    return Ok(Some(Event::Enter { message: kind, number, bytes: inner }));
                }
                self.cursor.seek(inner.end);
                Value::Range(inner)
            }
            Wire::Group => {
                self.skip_group(number, end)?;
                return Ok(Some(Event::Unknown { message, number, bytes: at..self.cursor.at() }));
            }
            Wire::EndGroup => {
                return Err(Fault::Malformed { at, why: "a group ends that never began" });
            }
        };
        let known = matches!(
            (holds, &value),
            (Some(Holds::Text | Holds::Bytes), Value::Range(_))
                | (Some(Holds::Varint), Value::Varint(_))
                | (Some(Holds::Fixed32), Value::Fixed32(_))
                | (Some(Holds::Fixed64), Value::Fixed64(_))
                | (Some(Holds::Varints), Value::Varint(_) | Value::Range(_))
                | (Some(Holds::Fixed32s), Value::Fixed32(_) | Value::Range(_))
                | (Some(Holds::Fixed64s), Value::Fixed64(_) | Value::Range(_))
        );
        Ok(Some(match known {
            true => Event::Field { message, number, at, value },
            false => Event::Unknown { message, number, bytes: at..self.cursor.at() },
        }))
    }

    fn tag(&mut self, end: u64) -> Result<(u32, Wire), Fault> {
        let at = self.cursor.at();
        let tag = u32::try_from(self.varint(end)?)
            .map_err(|_| Fault::Malformed { at, why: "a tag has more than 32 bits" })?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Fault::Malformed { at, why: "a field has the number 0" });
        }
        let wire = match tag & 7 {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Length,
            3 => Wire::Group,
            4 => Wire::EndGroup,
            5 => Wire::Fixed32,
            _ => return Err(Fault::Malformed { at, why: "a field has a wire type that there is not" }),
        };
        Ok((number, wire))
    }

    fn varint(&mut self, end: u64) -> Result<u64, Fault> {
        let at = self.cursor.at();
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = match self.cursor.at() < end {
                true => self.cursor.next_byte()?,
                false => None,
            };
            let Some(byte) = byte else {
                return Err(Fault::Malformed { at, why: "a number reaches past the message it is in" });
            };
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed { at, why: "a number has more than 64 bits" })
    }

    fn fits(&self, len: u64, end: u64, at: u64) -> Result<(), Fault> {
        match len <= end.saturating_sub(self.cursor.at()) {
            true => Ok(()),
            false => Err(Fault::Malformed { at, why: "a field reaches past the message it is in" }),
        }
    }

    fn skip_group(&mut self, number: u32, end: u64) -> Result<(), Fault> {
        let mut groups = vec![number];
        while let Some(innermost) = groups.last().copied() {
            self.fuel.step(1)?;
            let at = self.cursor.at();
            let (number, wire) = self.tag(end)?;
            match wire {
                Wire::Varint => drop(self.varint(end)?),
                Wire::Fixed64 => self.skip(8, end, at)?,
                Wire::Fixed32 => self.skip(4, end, at)?,
                Wire::Length => {
                    let len = self.varint(end)?;
                    self.skip(len, end, at)?;
                }
                Wire::Group if groups.len() >= Self::GROUPS_MAX => {
                    return Err(Fault::Malformed { at, why: "groups are nested too deep" });
                }
                Wire::Group => groups.push(number),
                Wire::EndGroup if number == innermost => drop(groups.pop()),
                Wire::EndGroup => return Err(Fault::Malformed { at, why: "a group ends that never began" }),
            }
        }
        Ok(())
    }

    fn skip(&mut self, len: u64, end: u64, at: u64) -> Result<(), Fault> {
        self.fits(len, end, at)?;
        self.cursor.seek(self.cursor.at().saturating_add(len));
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Wire {
    Varint,
    Fixed64,
    Length,
    Group,
    EndGroup,
    Fixed32,
}

#[cfg(test)]
mod tests {
    use alcaide_container::Limits;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    struct Nest;

    impl Schema for Nest {
        fn field(self, number: u32) -> Option<Holds<Self>> {
            Some(match number {
                1 => Holds::Message(Nest),
                2 => Holds::Text,
                3 => Holds::Varint,
                4 => Holds::Fixed32s,
                5 => Holds::Fixed64,
                _ => return None,
            })
        }
    }

    fn walk(bytes: &[u8]) -> Result<Vec<Event<Nest>>, Fault> {
        let fuel = Fuel::new(Limits::for_file(bytes.len() as u64));
        let mut walker = Walker::new(&bytes, Nest, &fuel);
        let mut events = Vec::new();
        while let Some(event) = walker.next()? {
            events.push(event);
        }
        Ok(events)
    }

    #[test]
    fn fields_come_by_the_schema_and_others_as_unknown() {
        let events = walk(
            b"\x0a\x04\x12\x02hi\x18\x96\x01\x18\x2a\x1a\x01x\x33\x0b\x0c\x34\x22\x04\0\0\0\0\x25\x01\0\0\0",
        )
        .unwrap();
        assert_eq!(
            events,
            vec![
                Event::Enter { message: Nest, number: 1, bytes: 2..6 },
                Event::Field { message: Nest, number: 2, at: 2, value: Value::Range(4..6) },
                Event::Leave { message: Nest },
                Event::Field { message: Nest, number: 3, at: 6, value: Value::Varint(150) },
                Event::Field { message: Nest, number: 3, at: 9, value: Value::Varint(42) },
                Event::Unknown { message: Nest, number: 3, bytes: 11..14 },
                Event::Unknown { message: Nest, number: 6, bytes: 14..18 },
                Event::Field { message: Nest, number: 4, at: 18, value: Value::Range(20..24) },
                Event::Field { message: Nest, number: 4, at: 24, value: Value::Fixed32(1) },
                Event::Leave { message: Nest },
            ]
        );
    }

    #[test]
    fn what_breaks_the_wire_format_is_told_with_its_place() {
        for (bytes, at) in [
            (&b"\x12\x05hi"[..], 0),
            (b"\x0a\x03\x12\x05h", 2),
            (b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 1),
            (b"\x18\x80", 1),
            (b"\x00\x01", 0),
            (b"\x18\x01\x0f", 2),
            (b"\x34", 0),
            (b"\x33\x3c", 1),
            (b"\x33", 1),
            (b"\xff\xff\xff\xff\xff\x01\x00", 0),
            (b"\x29\0\0\0", 0),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0),
        ] {
            assert!(
                matches!(walk(bytes), Err(Fault::Malformed { at: found, .. }) if found == at),
                "{bytes:?}: {:?}",
                walk(bytes)
            );
        }
    }

    #[test]
    fn nesting_costs_no_stack_and_ends() {
        let mut bytes = Vec::new();
        for _ in 0..6_000 {
            let mut len = bytes.len();
            let mut outer = vec![0x0a];
            while len >= 0x80 {
                outer.push(len as u8 | 0x80);
                len >>= 7;
            }
            outer.push(len as u8);
            outer.extend_from_slice(&bytes);
            bytes = outer;
        }
        assert!(matches!(walk(&bytes), Err(Fault::Malformed { why: "messages are nested too deep", .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_end_within_a_step_for_each_byte_and_two(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let limit = 2 * bytes.len() as u64 + 2;
            let fuel = Fuel::new(Limits { unpacked_bytes: 0, steps: limit, entries: 0, depth: 0 });
            let mut walker = Walker::new(&bytes, Nest, &fuel);
            let mut depth = 1_i64;
            loop {
                match walker.next() {
                    Ok(Some(Event::Enter { bytes: inner, .. })) => {
                        prop_assert!(inner.end <= bytes.len() as u64);
                        depth += 1;
                    }
                    Ok(Some(Event::Leave { .. })) => depth -= 1,
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        prop_assert_eq!(depth, 0);
                        break;
                    }
                    Err(Fault::Malformed { at, .. }) => {
                        prop_assert!(at <= bytes.len() as u64);
                        break;
                    }
                    Err(other) => prop_assert!(false, "{other}"),
                }
            }
        }
    }
}

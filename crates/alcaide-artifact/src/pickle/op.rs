//! The opcodes of pickle, protocols 0 to 5, and their arguments as Python decodes them.
//!
//! Sources: `pickletools.opcodes` and `Lib/pickle.py` of CPython 3.11, section "opcodes"; PEP 3154 and PEP 574.

use alcaide_container::{Input, ReadError};

use super::cursor::Cursor;
use super::text;

/// How an argument is laid out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Layout {
    None,
    U8,
    U16,
    I32,
    U32,
    U64,
    F64,
    /// Little-endian two's complement after a count of 1 or 4 bytes.
    Long1,
    Long4,
    IntLine,
    LongLine,
    FloatLine,
    QuotedLine,
    PlainLine,
    RawUnicodeLine,
    TwoLines,
    Latin(Count),
    Bytes(Count),
    Utf8(Count),
}

/// How many bytes say how long something is; those of protocol 1 strings are signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Count {
    One,
    Four,
    SignedFour,
    Eight,
}

/// How the bytes of a text in the file become its characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// UTF-8, with lone surrogates let through.
    Utf8,
    /// One byte a character.
    Latin1,
    /// Escapes as in a bytes literal, between quotes.
    Quoted,
    /// `\uXXXX` and `\UXXXXXXXX` escapes, other bytes one a character.
    RawUnicode,
}

/// The argument of an opcode.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// The opcode takes none.
    None,
    /// `I00` and `I01`.
    Flag(bool),
    /// A number that fits.
    Int(i64),
    /// A number in decimal that does not fit, or is no number: its text.
    Decimal(String),
    /// A number as little-endian two's complement: its first bytes, and how many there are.
    Long {
        /// Its first bytes.
        head: Vec<u8>,
        /// How many there are.
        len: u64,
    },
    /// A floating-point number.
    Float(f64),
    /// A text: where its bytes are, how they become characters, and the first of those.
    Text {
        /// First byte within the input.
        at: u64,
        /// Bytes in the input.
        len: u64,
        /// How they become characters.
        encoding: Encoding,
        /// The first characters.
        head: String,
    },
    /// Bytes: where they are, and the first of them.
    Bytes {
        /// First byte within the input.
        at: u64,
        /// How many.
        len: u64,
        /// The first of them.
        head: Vec<u8>,
    },
    /// Module and name.
    Pair(String, String),
}

/// One opcode.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Its place in the input.
    pub offset: u64,
    /// First byte after it and its argument.
    pub end: u64,
    /// The byte that it is.
    pub code: u8,
    /// Its name as in `pickletools`.
    pub name: &'static str,
    /// Its argument.
    pub arg: Arg,
}

/// Why there is no next opcode.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// The input ends before the pickle does.
    #[error("ends within an opcode or before STOP, at byte {at}")]
    Truncated {
        /// Where the opcode begins that has no end.
        at: u64,
        /// How many bytes its argument claims, where it claims a number.
        claims: u64,
    },
    /// No opcode of any protocol.
    #[error("byte {byte:#04x} at {at} is no opcode")]
    Unknown {
        /// Where.
        at: u64,
        /// The byte.
        byte: u8,
    },
    /// A negative length.
    #[error("a negative length at byte {at}")]
    Negative {
        /// Where the opcode begins.
        at: u64,
    },
    /// The input could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The opcodes of one pickle, up to and with its STOP: what `pickletools.genops` gives.
pub fn ops(input: &dyn Input) -> impl Iterator<Item = Result<Op, OpError>> {
    let mut cursor = Cursor::new(input, 0);
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        let next = read(&mut cursor, DUMP_KEEP);
        over = !matches!(&next, Ok(op) if op.code != STOP);
        Some(next)
    })
}

/// Bytes of a text or of bytes that are given in a dump; the others are only counted.
const DUMP_KEEP: usize = 1 << 20;

/// Ends a pickle.
pub(crate) const STOP: u8 = b'.';

/// Reads one opcode; at most `keep` bytes of what it holds.
pub(crate) fn read(cursor: &mut Cursor<'_>, keep: usize) -> Result<Op, OpError> {
    let offset = cursor.at();
    let Some(code) = cursor.byte()? else { return Err(OpError::Truncated { at: offset, claims: 0 }) };
    let Some((name, layout)) = describe(code) else {
        return Err(OpError::Unknown { at: offset, byte: code });
    };
    let arg = argument(cursor, layout, keep, offset)?;
    Ok(Op { offset, end: cursor.at(), code, name, arg })
}

fn argument(cursor: &mut Cursor<'_>, layout: Layout, keep: usize, offset: u64) -> Result<Arg, OpError> {
    let truncated = |claims| OpError::Truncated { at: offset, claims };
    let line = |cursor: &mut Cursor<'_>, keep| {
        cursor.line(keep)?.ok_or(OpError::Truncated { at: offset, claims: 0 })
    };
    Ok(match layout {
        Layout::None => Arg::None,
        Layout::U8 => Arg::Int(i64::from(cursor.byte()?.ok_or_else(|| truncated(1))?)),
        Layout::U16 => Arg::Int(i64::from(u16::from_le_bytes(cursor.array()?.ok_or_else(|| truncated(2))?))),
        Layout::I32 => Arg::Int(i64::from(i32::from_le_bytes(cursor.array()?.ok_or_else(|| truncated(4))?))),
        Layout::U32 => Arg::Int(i64::from(u32::from_le_bytes(cursor.array()?.ok_or_else(|| truncated(4))?))),
        Layout::U64 => {
            let number = u64::from_le_bytes(cursor.array()?.ok_or_else(|| truncated(8))?);
            i64::try_from(number).map_or_else(|_| Arg::Decimal(number.to_string()), Arg::Int)
        }
        Layout::F64 => Arg::Float(f64::from_be_bytes(cursor.array()?.ok_or_else(|| truncated(8))?)),
        Layout::Long1 => long(cursor, Count::One, keep, offset)?,
        Layout::Long4 => long(cursor, Count::SignedFour, keep, offset)?,
        Layout::IntLine => {
            let (text, len) = line(cursor, NUMBER_KEEP)?;
            match text.as_slice() {
                b"00" if len == 2 => Arg::Flag(false),
                b"01" if len == 2 => Arg::Flag(true),
                text => decimal(text),
            }
        }
        Layout::LongLine => {
            let (text, _) = line(cursor, NUMBER_KEEP)?;
            decimal(text.strip_suffix(b"L").unwrap_or(&text))
        }
        Layout::FloatLine => {
            let (bytes, _) = line(cursor, NUMBER_KEEP)?;
            let text = String::from_utf8_lossy(&bytes);
            match text.trim().replace('_', "").parse() {
                Ok(number) => Arg::Float(number),
                Err(_) => Arg::Decimal(text.into_owned()),
            }
        }
        Layout::QuotedLine => line_text(cursor, Encoding::Quoted, keep, offset)?,
        Layout::PlainLine => line_text(cursor, Encoding::Latin1, keep, offset)?,
        Layout::RawUnicodeLine => line_text(cursor, Encoding::RawUnicode, keep, offset)?,
        Layout::TwoLines => {
            let (module, _) = line(cursor, NAME_KEEP)?;
            let (name, _) = line(cursor, NAME_KEEP)?;
            Arg::Pair(text::utf8(&module), text::utf8(&name))
        }
        Layout::Latin(count) => {
            let (at, len, head) = counted(cursor, count, keep, offset)?;
            Arg::Text { at, len, encoding: Encoding::Latin1, head: text::latin1(&head) }
        }
        Layout::Bytes(count) => {
            let (at, len, head) = counted(cursor, count, keep, offset)?;
            Arg::Bytes { at, len, head }
        }
        Layout::Utf8(count) => {
            let (at, len, head) = counted(cursor, count, keep, offset)?;
            Arg::Text { at, len, encoding: Encoding::Utf8, head: text::utf8(&head) }
        }
    })
}

/// Digits of a number in a line that are looked at.
const NUMBER_KEEP: usize = 8 * 1024;
/// Bytes of a module or name in a line that are looked at. More is no name that could be imported.
const NAME_KEEP: usize = 8 * 1024;

fn decimal(text: &[u8]) -> Arg {
    let text = String::from_utf8_lossy(text);
    let plain = text.trim().replace('_', "");
    plain.parse().map_or(Arg::Decimal(plain), Arg::Int)
}

fn long(cursor: &mut Cursor<'_>, count: Count, keep: usize, offset: u64) -> Result<Arg, OpError> {
    let (_, mut len, mut head) = counted(cursor, count, keep.max(8), offset)?;
    if head.len() as u64 == len {
        // Bytes that only repeat the sign say nothing.
        while let [.., before, last] = head.as_slice()
            && ((*last == 0 && before & 0x80 == 0) || (*last == 0xff && before & 0x80 != 0))
        {
            head.pop();
            len -= 1;
        }
    }
    if len <= 8 {
        // Sign-extended to eight bytes.
        let fill = if head.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut eight = [fill; 8];
        for (to, from) in eight.iter_mut().zip(&head) {
            *to = *from;
        }
        return Ok(Arg::Int(i64::from_le_bytes(eight)));
    }
    Ok(Arg::Long { head, len })
}

fn line_text(cursor: &mut Cursor<'_>, encoding: Encoding, keep: usize, offset: u64) -> Result<Arg, OpError> {
    let at = cursor.at();
    let (bytes, len) = cursor.line(keep)?.ok_or(OpError::Truncated { at: offset, claims: 0 })?;
    Ok(Arg::Text { at, len, encoding, head: text::decode(&bytes, encoding) })
}

fn counted(
    cursor: &mut Cursor<'_>,
    count: Count,
    keep: usize,
    offset: u64,
) -> Result<(u64, u64, Vec<u8>), OpError> {
    let truncated = |claims| OpError::Truncated { at: offset, claims };
    let len = match count {
        Count::One => cursor.byte()?.map(u64::from),
        Count::Four => cursor.array()?.map(|four| u64::from(u32::from_le_bytes(four))),
        Count::SignedFour => match cursor.array()?.map(i32::from_le_bytes) {
            Some(len) => Some(u64::try_from(len).map_err(|_| OpError::Negative { at: offset })?),
            None => None,
        },
        Count::Eight => cursor.array()?.map(u64::from_le_bytes),
    };
    let len = len.ok_or_else(|| truncated(0))?;
    let at = cursor.at();
    let head = cursor.take(len, keep)?.ok_or_else(|| truncated(len))?;
    Ok((at, len, head))
}

fn describe(code: u8) -> Option<(&'static str, Layout)> {
    Some(match code {
        b'I' => ("INT", Layout::IntLine),
        b'J' => ("BININT", Layout::I32),
        b'K' => ("BININT1", Layout::U8),
        b'M' => ("BININT2", Layout::U16),
        b'L' => ("LONG", Layout::LongLine),
        0x8a => ("LONG1", Layout::Long1),
        0x8b => ("LONG4", Layout::Long4),
        b'S' => ("STRING", Layout::QuotedLine),
        b'T' => ("BINSTRING", Layout::Latin(Count::SignedFour)),
        b'U' => ("SHORT_BINSTRING", Layout::Latin(Count::One)),
        b'B' => ("BINBYTES", Layout::Bytes(Count::Four)),
        b'C' => ("SHORT_BINBYTES", Layout::Bytes(Count::One)),
        0x8e => ("BINBYTES8", Layout::Bytes(Count::Eight)),
        0x96 => ("BYTEARRAY8", Layout::Bytes(Count::Eight)),
        0x97 => ("NEXT_BUFFER", Layout::None),
        0x98 => ("READONLY_BUFFER", Layout::None),
        b'N' => ("NONE", Layout::None),
        0x88 => ("NEWTRUE", Layout::None),
        0x89 => ("NEWFALSE", Layout::None),
        b'V' => ("UNICODE", Layout::RawUnicodeLine),
        0x8c => ("SHORT_BINUNICODE", Layout::Utf8(Count::One)),
        b'X' => ("BINUNICODE", Layout::Utf8(Count::Four)),
        0x8d => ("BINUNICODE8", Layout::Utf8(Count::Eight)),
        b'F' => ("FLOAT", Layout::FloatLine),
        b'G' => ("BINFLOAT", Layout::F64),
        b']' => ("EMPTY_LIST", Layout::None),
        b'a' => ("APPEND", Layout::None),
        b'e' => ("APPENDS", Layout::None),
        b'l' => ("LIST", Layout::None),
        b')' => ("EMPTY_TUPLE", Layout::None),
        b't' => ("TUPLE", Layout::None),
        0x85 => ("TUPLE1", Layout::None),
        0x86 => ("TUPLE2", Layout::None),
        0x87 => ("TUPLE3", Layout::None),
        b'}' => ("EMPTY_DICT", Layout::None),
        b'd' => ("DICT", Layout::None),
        b's' => ("SETITEM", Layout::None),
        b'u' => ("SETITEMS", Layout::None),
        0x8f => ("EMPTY_SET", Layout::None),
        0x90 => ("ADDITEMS", Layout::None),
        0x91 => ("FROZENSET", Layout::None),
        b'0' => ("POP", Layout::None),
        b'2' => ("DUP", Layout::None),
        b'(' => ("MARK", Layout::None),
        b'1' => ("POP_MARK", Layout::None),
        b'g' => ("GET", Layout::IntLine),
        b'h' => ("BINGET", Layout::U8),
        b'j' => ("LONG_BINGET", Layout::U32),
        b'p' => ("PUT", Layout::IntLine),
        b'q' => ("BINPUT", Layout::U8),
        b'r' => ("LONG_BINPUT", Layout::U32),
        0x94 => ("MEMOIZE", Layout::None),
        0x82 => ("EXT1", Layout::U8),
        0x83 => ("EXT2", Layout::U16),
        0x84 => ("EXT4", Layout::I32),
        b'c' => ("GLOBAL", Layout::TwoLines),
        0x93 => ("STACK_GLOBAL", Layout::None),
        b'R' => ("REDUCE", Layout::None),
        b'b' => ("BUILD", Layout::None),
        b'i' => ("INST", Layout::TwoLines),
        b'o' => ("OBJ", Layout::None),
        0x81 => ("NEWOBJ", Layout::None),
        0x92 => ("NEWOBJ_EX", Layout::None),
        0x80 => ("PROTO", Layout::U8),
        STOP => ("STOP", Layout::None),
        0x95 => ("FRAME", Layout::U64),
        b'P' => ("PERSID", Layout::PlainLine),
        b'Q' => ("BINPERSID", Layout::None),
        _ => return None,
    })
}

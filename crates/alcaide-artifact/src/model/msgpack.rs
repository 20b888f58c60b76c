//! Judges MessagePack, in which Flax keeps weights.
//!
//! Values are walked with a stack of counts. Arrays of numbers come as an extension that holds MessagePack again; every
//! extension that Flax does not have is a doubt, for the program that loads must bring its own decoder.

use std::ops::Range;

use alcaide_container::{Fuel, Input, Window};
use alcaide_graph::{Cursor, Fault};

use super::{content, rules};
use crate::coverage::Kind;
use crate::scanner::{Scanner, shown};

/// Lists and maps within each other; the library's own reader stops there, too.
const DEPTH_MAX: usize = 1_024;
const TEXT_MAX: usize = 4_096;

/// Whether all of `input` is one map or list of MessagePack.
pub(super) fn is_msgpack(head: &[u8], name: &str, input: &dyn Input, fuel: &Fuel) -> bool {
    let lower = name.to_ascii_lowercase();
    let container = matches!(head.first(), Some(0x81..=0x8f | 0x91..=0x9f | 0xdc..=0xdf));
    let claims = lower.ends_with(".msgpack") || lower.ends_with(".flax");
    let mut ends = 0;
    let walked = walk(input, fuel, &mut |value, _| {
        ends = value.bytes.end.max(ends);
        Ok(())
    });
    container && (claims || (walked.is_ok_and(|end| end == input.len()) && ends > 1))
}

/// One value that holds no others.
struct Leaf {
    kind: Is,
    /// All of it, or the content of texts, bytes and extensions.
    bytes: Range<u64>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Is {
    Plain,
    Text,
    Bytes,
    Extension(u8),
}

/// Tells `visit` of every leaf; where the first value ends.
fn walk(
    input: &dyn Input,
    fuel: &Fuel,
    visit: &mut dyn FnMut(&Leaf, &Cursor<'_>) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let mut cursor = Cursor::new(input);
    let mut open = vec![1_u64];
    while let Some(left) = open.last_mut() {
        fuel.step(1)?;
        let Some(rest) = left.checked_sub(1) else {
            open.pop();
            continue;
        };
        *left = rest;
        let at = cursor.at();
        let [first] = cursor.array()?;
        let (kind, length, inner) = match first {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => (Is::Plain, 0, 0),
            0x80..=0x8f => (Is::Plain, 0, 2 * u64::from(first & 0x0f)),
            0x90..=0x9f => (Is::Plain, 0, u64::from(first & 0x0f)),
            0xa0..=0xbf => (Is::Text, u64::from(first & 0x1f), 0),
            0xc4..=0xc6 => (Is::Bytes, big(&mut cursor, 1 << (first - 0xc4))?, 0),
            0xc7..=0xc9 => {
                let length = big(&mut cursor, 1 << (first - 0xc7))?;
                (Is::Extension(cursor.array::<1>()?[0]), length, 0)
            }
            0xca | 0xce | 0xd2 => (Is::Plain, 4, 0),
            0xcb | 0xcf | 0xd3 => (Is::Plain, 8, 0),
            0xcc | 0xd0 => (Is::Plain, 1, 0),
            0xcd | 0xd1 => (Is::Plain, 2, 0),
            0xd4..=0xd8 => (Is::Extension(cursor.array::<1>()?[0]), 1 << (first - 0xd4), 0),
            0xd9..=0xdb => (Is::Text, big(&mut cursor, 1 << (first - 0xd9))?, 0),
            0xdc | 0xdd => (Is::Plain, 0, big(&mut cursor, 2 << (first - 0xdc))?),
            0xde | 0xdf => (Is::Plain, 0, 2 * big(&mut cursor, 2 << (first - 0xde))?),
            0xc1 => return Err(Fault::Malformed { at, why: "a value of a kind that there is not" }),
        };
        let start = cursor.at();
        if length > cursor.left() || inner > cursor.left() {
            return Err(Fault::Malformed { at, why: "a value reaches past the file" });
        }
        let end = start + length;
        let bytes = if kind == Is::Plain { at..end } else { start..end };
        visit(&Leaf { kind, bytes }, &cursor)?;
        cursor.seek(end);
        if inner > 0 {
            if open.len() >= DEPTH_MAX {
                return Err(Fault::Malformed { at, why: "lists and maps are nested too deep" });
            }
            open.push(inner);
        }
    }
    Ok(cursor.at())
}

/// A number of `bytes` bytes, most significant first.
fn big(cursor: &mut Cursor<'_>, bytes: u8) -> Result<u64, Fault> {
    let mut value = 0;
    for _ in 0..bytes {
        value = value << 8 | u64::from(cursor.array::<1>()?[0]);
    }
    Ok(value)
}

/// Walks the file and judges each part of it.
pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let fuel = scanner.fuel().clone();
    let mut covered = 0;
    let end = walk(input, &fuel, &mut |leaf, cursor| {
        let bytes = leaf.bytes.clone();
        match leaf.kind {
            Is::Plain => {}
            Is::Text => {
                let (text, _) = cursor.bytes(&bytes, TEXT_MAX)?;
                if let Some(what) = content::code(&text) {
                    scanner.find(&rules::CODE_IN_TEXT, Some(bytes.start), None, what);
                }
            }
            Is::Bytes => {
                payload(scanner, cursor, &bytes)?;
                scanner.cover(covered..bytes.start, Kind::Parsed);
                covered = bytes.end;
                scanner.cover(bytes, Kind::Payload);
            }
            Is::Extension(kind @ 1..=3) => {
                scanner.cover(covered..bytes.start, Kind::Parsed);
                covered = bytes.end;
                array(scanner, input, &bytes, kind)?;
            }
            Is::Extension(kind) => {
                scanner.cover(covered..bytes.start, Kind::Parsed);
                covered = bytes.end;
                let evidence = format!("an extension of kind {kind}, {} bytes", bytes.end - bytes.start);
                scanner.doubt(&rules::UNKNOWN_FIELD, Some(bytes.start), evidence);
            }
        }
        Ok(())
    })?;
    scanner.cover(covered..end, Kind::Parsed);
    Ok(())
}

fn payload(scanner: &mut Scanner, cursor: &Cursor<'_>, bytes: &Range<u64>) -> Result<(), Fault> {
    let (head, _) = cursor.bytes(bytes, 1_024)?;
    if head.len() >= 64
        && let Some(what) = content::executable(&head)
    {
        scanner.find(&rules::EXECUTABLE_WITHIN, Some(bytes.start), None, what);
    }
    Ok(())
}

/// An array as Flax packs it: sizes, the name of a type, and its numbers.
fn array(scanner: &mut Scanner, input: &dyn Input, bytes: &Range<u64>, kind: u8) -> Result<(), Fault> {
    let window = Window::new(input, bytes.start, bytes.end - bytes.start);
    let fuel = scanner.fuel().clone();
    let mut covered = 0;
    let end = walk(&window, &fuel, &mut |leaf, cursor| {
        let inner = leaf.bytes.clone();
        match leaf.kind {
            Is::Text => {
                let (text, _) = cursor.bytes(&inner, TEXT_MAX)?;
                let name = String::from_utf8_lossy(&text);
                if name.contains("object") || name.contains('O') || name.contains('|') {
                    let evidence = format!("an array of the type `{}`, which holds objects", shown(&name));
                    scanner.find(&rules::BROKEN, Some(bytes.start + inner.start), None, evidence);
                }
            }
            Is::Bytes => {
                payload(scanner, cursor, &inner)?;
                scanner.cover(bytes.start + covered..bytes.start + inner.start, Kind::Parsed);
                scanner.cover(bytes.start + inner.start..bytes.start + inner.end, Kind::Payload);
                covered = inner.end;
            }
            Is::Extension(_) => {
                scanner.doubt(
                    &rules::UNKNOWN_FIELD,
                    Some(bytes.start),
                    format!("an extension within kind {kind}"),
                );
                scanner.cover(bytes.start + covered..bytes.start + inner.start, Kind::Parsed);
                covered = inner.end;
            }
            Is::Plain => {}
        }
        Ok(())
    })?;
    scanner.cover(bytes.start + covered..bytes.start + end, Kind::Parsed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::Verdict;
    use crate::model::testing::{report, rules};

    #[test]
    fn weights_of_flax_are_clean_and_strangers_are_not() {
        let plain = b"\x81\xa6params\x81\xa6kernel\x93\x01\x02\x03";
        let seen = report("flax.msgpack", plain);
        assert_eq!((seen.verdict, seen.parts[0].format.as_ref()), (Verdict::Clean, "msgpack"));
        let array = b"\x81\xa1w\xc7\x11\x01\x93\x91\x02\xa7float32\xc4\x04\0\0\0\0";
        let seen = report("weights", array);
        assert_eq!(seen.verdict, Verdict::Clean, "{seen:?}");
        assert_eq!(seen.parts[0].coverage.payload, 4);
        let stranger = report("flax.msgpack", b"\x81\xa1w\xd4\x2a\0");
        assert_eq!((stranger.verdict, stranger.parts[0].coverage.opaque), (Verdict::Inconclusive, 1));
        let objects = report("flax.msgpack", b"\x81\xa1w\xc7\x0d\x01\x93\x91\x01\xa6object\xc4\x01\0");
        assert_eq!(rules(&objects), ["structure-broken"]);
        assert_eq!(rules(&report("flax.msgpack", b"\x81\xdb\xff\xff\xff\xff")), ["structure-broken"]);
        assert_eq!(report("flax.msgpack", &[&plain[..], b"tail"].concat()).parts[0].coverage.opaque, 4);
        let deep = [vec![0x91; 5_000], vec![0]].concat();
        assert_eq!(rules(&report("flax.msgpack", &deep)), ["structure-broken"]);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            report("x.msgpack", &[&[0x82][..], &bytes].concat());
        }
    }
}

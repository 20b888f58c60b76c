//! PyTorch's files from before it wrote archives: five pickles and then the numbers of each storage.
//!
//! Source: `_legacy_save` and `_legacy_load` in `torch/serialization.py`: magic number, protocol, system, object, keys of the
//! storages; for each of these a 64-bit count and so many elements.

use std::collections::HashMap;

use alcaide_container::{Input, ReadError, Window};

use crate::coverage::Kind;
use crate::pickle::{self, Arg, End, Storage};
use crate::rules;
use crate::scanner::Scanner;

/// What follows the protocol number: a LONG1 of ten bytes, 0x1950a86a20f9469cfc6c, and STOP.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Keys of storages that one file may have.
const KEYS_MAX: usize = 1_000_000;

/// Whether bytes begin as such a file does.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    head.starts_with(&[0x80]) && head.get(2..).is_some_and(|rest| rest.starts_with(MAGIC))
}

/// Judges such a file.
pub(crate) fn read_legacy(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    let mut at = 0;
    let mut storages = Vec::new();
    let mut keys = Vec::new();
    for count in 0..5 {
        let begun = at;
        let stream = pickle::stream(scanner, input, at)?;
        at = match stream.end {
            End::Stop(end) => end,
            End::Broken(end) => return pickle::rest(scanner, input, end),
        };
        if count == 3 {
            storages = stream.storages;
        }
        if count == 4 {
            keys = texts(&Window::new(input, begun, at - begun));
        }
    }
    let known: HashMap<_, _> = storages.iter().map(|storage| (storage.key.as_str(), storage)).collect();
    for key in &keys {
        let Some(end) = numbers(scanner, input, at, known.get(key.as_str()).copied())? else {
            return pickle::rest(scanner, input, at);
        };
        at = end;
    }
    // Loaders that read on take what follows for another object.
    if at < input.len() {
        return pickle::more(scanner, input, at);
    }
    Ok(())
}

/// Goes past the numbers of a storage; nothing if they are not what the object declares.
fn numbers(
    scanner: &mut Scanner,
    input: &dyn Input,
    at: u64,
    storage: Option<&Storage>,
) -> Result<Option<u64>, ReadError> {
    let mut count = [0; 8];
    if input.read_at(at, &mut count)? < 8 {
        scanner.doubt(&rules::BROKEN_STREAM, Some(at), "a storage that is not there");
        return Ok(None);
    }
    let count = u64::from_le_bytes(count);
    let declared = storage.and_then(|storage| {
        let size = element_bytes(&storage.class)?;
        let same = storage.elements.is_none_or(|elements| elements == count);
        same.then(|| count.checked_mul(size)).flatten()
    });
    let end = declared.and_then(|bytes| (at + 8).checked_add(bytes)).filter(|end| *end <= input.len());
    match end {
        Some(end) => {
            scanner.cover(at..at + 8, Kind::Parsed);
            scanner.cover(at + 8..end, Kind::Payload);
        }
        None => {
            scanner.doubt(&rules::BROKEN_STREAM, Some(at), "a storage that is not what the object declares")
        }
    }
    Ok(end)
}

/// Bytes of one element of a storage class.
pub(crate) fn element_bytes(class: &str) -> Option<u64> {
    Some(match class {
        "ComplexDoubleStorage" => 16,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "CharStorage" | "ByteStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage"
        | "UntypedStorage" | "_UntypedStorage" => 1,
        _ => return None,
    })
}

fn texts(input: &dyn Input) -> Vec<String> {
    pickle::ops(input)
        .map_while(Result::ok)
        .filter_map(|op| match op.arg {
            Arg::Text { head, .. } => Some(head),
            _ => None,
        })
        .take(KEYS_MAX)
        .collect()
}

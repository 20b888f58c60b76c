//! NumPy's array files: a magic number, a header that is a Python literal, and numbers, or a pickle where cells are objects.
//!
//! The header is read as the literal that it must be and never evaluated. Source: NEP 1 and `numpy.lib.format`.

use alcaide_container::{Input, ReadError};

use crate::coverage::Kind;
use crate::literal::{self, Literal};
use crate::pickle;
use crate::rules;
use crate::scanner::Scanner;

/// What every array file begins with.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Bytes of a header; those of NumPy end below ten thousand, and it refuses longer ones itself.
const HEADER_MAX: u64 = 1 << 20;

/// Judges an array file.
pub(crate) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    let mut head = [0; 12];
    let count = input.read_at(0, &mut head)?;
    let (start, len) = match head {
        [_, _, _, _, _, _, 1, _, a, b, ..] if count >= 10 => (10, u64::from(u16::from_le_bytes([a, b]))),
        [_, _, _, _, _, _, 2 | 3, _, a, b, c, d] if count == 12 => {
            (12, u64::from(u32::from_le_bytes([a, b, c, d])))
        }
        _ => {
            scanner.find(&rules::ODD_HEADER, Some(6), None, "a version that no reader knows");
            return pickle::rest(scanner, input, 0);
        }
    };
    let body = start + len;
    let mut header = vec![0; usize::try_from(len.min(HEADER_MAX)).unwrap_or(0)];
    let got = input.read_at(start, &mut header)?;
    if len > HEADER_MAX || (got as u64) < len {
        scanner.find(&rules::ODD_HEADER, Some(8), None, format!("a header of {len} bytes"));
        return pickle::rest(scanner, input, start);
    }
    // Version 3 alone is UTF-8; in the others each byte is a character.
    let text = match head {
        [_, _, _, _, _, _, 3, ..] => String::from_utf8(header).ok(),
        _ => Some(header.iter().map(|byte| char::from(*byte)).collect()),
    };
    let array = text.as_deref().and_then(literal::parse).as_ref().and_then(describe);
    let Some(array) = array else {
        scanner.find(
            &rules::ODD_HEADER,
            Some(start),
            None,
            "not the literal with `descr`, `fortran_order` and `shape`",
        );
        return pickle::rest(scanner, input, start);
    };
    scanner.cover(0..body, Kind::Parsed);
    if array.objects {
        return objects(scanner, input, body);
    }
    match array.cells.checked_mul(array.cell) {
        Some(bytes) if bytes <= input.len().saturating_sub(body) => {
            scanner.cover(body..body + bytes, Kind::Payload);
            pickle::rest(scanner, input, body + bytes)
        }
        _ => {
            scanner.find(&rules::ODD_HEADER, Some(start), None, "more numbers than there are bytes");
            pickle::rest(scanner, input, body)
        }
    }
}

fn objects(scanner: &mut Scanner, input: &dyn Input, at: u64) -> Result<(), ReadError> {
    let stream = pickle::stream(scanner, input, at)?;
    let (pickle::End::Stop(end) | pickle::End::Broken(end)) = stream.end;
    pickle::rest(scanner, input, end)
}

struct Described {
    cells: u64,
    cell: u64,
    objects: bool,
}

fn describe(header: &Literal) -> Option<Described> {
    let Literal::Dict(pairs) = header else { return None };
    let of = |key: &str| {
        let mut found = pairs.iter().filter(|(own, _)| matches!(own, Literal::Text(own) if own == key));
        found.next().filter(|_| found.next().is_none()).map(|(_, value)| value)
    };
    if pairs.len() != 3 || !matches!(of("fortran_order")?, Literal::Flag(_)) {
        return None;
    }
    let Literal::Tuple(sides) = of("shape")? else { return None };
    let cells = sides.iter().try_fold(1_u64, |cells, side| match side {
        Literal::Int(side) => cells.checked_mul(u64::try_from(*side).ok()?),
        _ => None,
    })?;
    let (cell, objects) = dtype(of("descr")?, 0)?;
    Some(Described { cells, cell, objects })
}

/// Bytes of one cell of a description, and whether it holds objects.
fn dtype(descr: &Literal, depth: u32) -> Option<(u64, bool)> {
    match descr {
        Literal::Text(code) => Some((cell_bytes(code)?, code.contains('O'))),
        Literal::List(fields) if depth < 16 => {
            fields.iter().try_fold((0_u64, false), |(sum, objects), field| {
                let Literal::Tuple(parts) = field else { return None };
                let (kind, shape) = match parts.as_slice() {
                    [Literal::Text(_) | Literal::Tuple(_), kind] => (kind, None),
                    [Literal::Text(_) | Literal::Tuple(_), kind, shape] => (kind, Some(shape)),
                    _ => return None,
                };
                let (size, inner) = dtype(kind, depth + 1)?;
                let times = match shape {
                    None => 1,
                    Some(Literal::Int(side)) => u64::try_from(*side).ok()?,
                    Some(Literal::Tuple(sides)) => sides.iter().try_fold(1_u64, |all, side| match side {
                        Literal::Int(side) => all.checked_mul(u64::try_from(*side).ok()?),
                        _ => None,
                    })?,
                    Some(_) => return None,
                };
                Some((sum.checked_add(size.checked_mul(times)?)?, objects || inner))
            })
        }
        Literal::Tuple(parts) if depth < 16 => match parts.as_slice() {
            // A type with a shape.
            [kind, Literal::Tuple(sides)] => {
                let (size, objects) = dtype(kind, depth + 1)?;
                let times = sides.iter().try_fold(1_u64, |all, side| match side {
                    Literal::Int(side) => all.checked_mul(u64::try_from(*side).ok()?),
                    _ => None,
                })?;
                Some((size.checked_mul(times)?, objects))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Bytes of one cell of a type such as `<f8`, `|b1`, `U5` or `M8[ns]`.
pub(crate) fn cell_bytes(code: &str) -> Option<u64> {
    let code = code.strip_prefix(['<', '>', '|', '=']).unwrap_or(code);
    let mut rest = code.chars();
    let kind = rest.next()?;
    let rest = rest.as_str();
    let (digits, unit) = rest.split_once('[').map_or((rest, ""), |(digits, unit)| (digits, unit));
    // Only times have a unit.
    if !unit.is_empty() && (!matches!(kind, 'M' | 'm') || !unit.ends_with(']')) {
        return None;
    }
    let count: u64 = match (kind, digits) {
        ('?', "") => return Some(1),
        ('O', "") => 8,
        (_, digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    match kind {
        'b' | 'i' | 'u' | 'f' | 'c' | 'M' | 'm' if matches!(count, 1 | 2 | 4 | 8 | 10 | 12 | 16 | 32) => {
            Some(count)
        }
        'S' | 'a' | 'V' | 'O' => Some(count),
        'U' => count.checked_mul(4),
        _ => None,
    }
}

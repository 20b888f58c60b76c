//! Encodings of bytes as runs of letters: Base64 and hexadecimal.

use super::Out;

/// Decodes Base64 of both alphabets (RFC 4648, sections 4 and 5).
///
/// Lines of 20 characters and more are one run with what follows them. A run that says nothing is tried again in its
/// lines, in its parts between `/`, `-`, `_` and `+`, and from its next three characters on: it may have begun as something else.
pub(super) fn base64(text: &str, out: &mut Out) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if out.is_spent() {
            out.cut = true;
            return;
        }
        let Some(start) = next(bytes, at, |b| sextet(b).is_some()) else { break };
        let mut end = next(bytes, start, |b| sextet(b).is_none()).unwrap_or(bytes.len());
        let mut line = end - start;
        while line >= LINE_MIN {
            let Some(more) = next(bytes, end, |b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')) else { break };
            if more == end || bytes.get(more).is_none_or(|b| sextet(*b).is_none()) {
                break;
            }
            end = next(bytes, more, |b| sextet(b).is_none()).unwrap_or(bytes.len());
            line = end - more;
        }
        at = end;
        let run = bytes.get(start..end).unwrap_or(&[]);
        if run.len() >= BASE64_MIN {
            base64_run(run, out);
        }
    }
}

fn base64_run(run: &[u8], out: &mut Out) {
    if say(run, out) {
        return;
    }
    if run.len() < LINE_MIN {
        return;
    }
    let mut found = false;
    for joint in [|b: &u8| b.is_ascii_whitespace(), |b: &u8| matches!(b, b'/' | b'-' | b'_' | b'+')] {
        let parts = run.split(joint).filter(|part| part.len() >= BASE64_MIN && part.len() < run.len());
        for part in parts {
            found |= say(part, out);
            if out.is_spent() {
                out.cut = true;
                return;
            }
        }
        if found {
            return;
        }
    }
    for skip in 1..4 {
        if found {
            return;
        }
        let rest = run.get(skip..run.len().min(SHIFTED_MAX)).unwrap_or(&[]);
        found = say(rest, out);
    }
}

/// Whether a run says something, which is then given out.
fn say(run: &[u8], out: &mut Out) -> bool {
    // What there is no room for is decoded only where the beginning is no text.
    let head = (out.room / 3 + 1).saturating_mul(4);
    if let Some(head) = run.get(..head) {
        let bytes = unpack(head, out);
        let valid = std::str::from_utf8(&bytes).map_or_else(|e| e.valid_up_to(), str::len);
        if valid + 4 > bytes.len() && out.give_bytes(bytes.get(..valid).unwrap_or(&[])) {
            out.cut = true;
            return true;
        }
    }
    let bytes = unpack(run, out);
    out.give_bytes(&bytes)
}

/// The bytes of a run; what is no letter of it is passed over, bits that fill no byte are dropped.
fn unpack(run: &[u8], out: &mut Out) -> Vec<u8> {
    let granted = out.spend(run.len());
    let mut bytes = Vec::with_capacity(granted / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for sextet in run.iter().take(granted).filter_map(|b| sextet(*b)) {
        bits = bits << 6 | u32::from(sextet);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

fn sextet(b: u8) -> Option<u8> {
    match SEXTETS.get(usize::from(b)) {
        Some(value) if *value < 64 => Some(*value),
        _ => None,
    }
}

/// Decodes runs of hexadecimal digits, and pairs of them with something between.
pub(super) fn hexadecimal(text: &str, out: &mut Out) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut pairs: Vec<u8> = Vec::new();
    let mut last_end = 0;
    while at < bytes.len() {
        if out.is_spent() {
            out.cut = true;
            return;
        }
        let Some(start) = next(bytes, at, |b| b.is_ascii_hexdigit()) else { break };
        let end = next(bytes, start, |b| !b.is_ascii_hexdigit()).unwrap_or(bytes.len());
        at = end;
        let run = bytes.get(start..end).unwrap_or(&[]);
        // `0x68`: the zero is a run of its own.
        if run == b"0" && bytes.get(end).is_some_and(|b| matches!(b, b'x' | b'X')) {
            continue;
        }
        let gap = bytes.get(last_end..start).unwrap_or(&[]);
        let joined = gap.len() <= GAP_MAX
            && gap.iter().all(|b| {
                matches!(b, b' ' | b':' | b',' | b'-' | b'0' | b'x' | b'X' | b'\\' | b'\n' | b'\r' | b';')
            });
        if !joined || run.len() != 2 {
            flush(&mut pairs, out);
        }
        if run.len() == 2 {
            let granted = out.spend(2);
            pairs.extend(nibbles(run.get(..granted).unwrap_or(&[])));
            last_end = end;
        } else if run.len() >= HEX_MIN {
            let granted = out.spend(run.len());
            let run = run.get(..granted).unwrap_or(&[]);
            let found = out.give_bytes(&nibbles(run).collect::<Vec<_>>());
            if !found {
                let rest = run.get(1..run.len().min(SHIFTED_MAX)).unwrap_or(&[]);
                out.give_bytes(&nibbles(rest).collect::<Vec<_>>());
            }
        }
    }
    flush(&mut pairs, out);
}

fn flush(pairs: &mut Vec<u8>, out: &mut Out) {
    if pairs.len() * 2 >= HEX_MIN {
        out.give_bytes(pairs);
    }
    pairs.clear();
}

fn nibbles(run: &[u8]) -> impl Iterator<Item = u8> + '_ {
    run.chunks_exact(2).filter_map(|pair| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    })
}

/// The value of a hexadecimal digit.
pub(super) fn nibble(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

/// The first byte from `at` on that is wanted.
fn next(bytes: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    Some(at + bytes.get(at..)?.iter().position(|b| wanted(*b))?)
}

/// The values of the letters of both alphabets; 64 for all else.
#[allow(clippy::indexing_slicing, reason = "a constant: an index that is out of bounds does not compile")]
const SEXTETS: [u8; 256] = {
    let mut table = [64; 256];
    let mut value = 0;
    while value < 26 {
        table[b'A' as usize + value] = value as u8;
        table[b'a' as usize + value] = value as u8 + 26;
        value += 1;
    }
    let mut value = 0;
    while value < 10 {
        table[b'0' as usize + value] = value as u8 + 52;
        value += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
};

/// Shortest run of Base64 that is tried: six bytes.
const BASE64_MIN: usize = 8;

/// Shortest line that goes on in the next one.
const LINE_MIN: usize = 20;

/// Shortest run of hexadecimal digits that is tried: six bytes.
const HEX_MIN: usize = 12;

/// How much of a run is tried from another place on.
const SHIFTED_MAX: usize = 4096;

/// What may part two pairs of hexadecimal digits.
const GAP_MAX: usize = 16;

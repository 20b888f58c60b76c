//! Text in characters that nobody sees: bytes in variation selectors, bits in zero-width characters.

use super::Out;

/// Decodes runs of variation selectors, each a byte, and of zero-width characters, each a bit.
///
/// Of bits, both orders of the two characters that a run has are tried, eight to a byte, most significant first.
/// Tag characters are no encoding here: the text itself is read with them.
pub(super) fn decode(text: &str, out: &mut Out) {
    let mut bytes: Vec<u8> = Vec::new();
    let mut bits: Vec<char> = Vec::new();
    for c in text.chars() {
        if out.is_spent() {
            return;
        }
        if let Some(byte) = selector(c) {
            bytes.push(byte);
        } else {
            flush_bytes(&mut bytes, out);
        }
        if matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}') {
            bits.push(c);
        } else {
            flush_bits(&mut bits, out);
        }
    }
    flush_bytes(&mut bytes, out);
    flush_bits(&mut bits, out);
}

fn selector(c: char) -> Option<u8> {
    let code = match u32::from(c) {
        code @ 0xfe00..=0xfe0f => code - 0xfe00,
        code @ 0xe0100..=0xe01ef => code - 0xe0100 + 16,
        _ => return None,
    };
    u8::try_from(code).ok()
}

fn flush_bytes(bytes: &mut Vec<u8>, out: &mut Out) {
    if bytes.len() >= BYTES_MIN {
        let granted = out.spend(bytes.len());
        out.give_bytes(bytes.get(..granted).unwrap_or(&[]));
    }
    bytes.clear();
}

fn flush_bits(bits: &mut Vec<char>, out: &mut Out) {
    if bits.len() >= BYTES_MIN * 8
        && let Some(one) = bits.iter().find(|c| Some(*c) != bits.first())
    {
        let granted = out.spend(bits.len());
        for turned in [false, true] {
            let bytes: Vec<u8> = bits
                .get(..granted)
                .unwrap_or(&[])
                .chunks_exact(8)
                .map(|byte| byte.iter().fold(0, |byte, c| byte << 1 | u8::from((c == one) != turned)))
                .collect();
            out.give_bytes(&bytes);
        }
    }
    bits.clear();
}

/// Fewer bytes than these are no text.
const BYTES_MIN: usize = 4;

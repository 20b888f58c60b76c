//! Base64 with padding (RFC 4648, section 4), canonical form alone: what would be written otherwise is not
//! read.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends `bytes` in base64.
pub(super) fn encode_into(bytes: &[u8], out: &mut String) {
    let letter = |group: u32, shift: u32| {
        let index = usize::try_from((group >> shift) & 63).unwrap_or(0);
        char::from(LETTERS.get(index).copied().unwrap_or(b'A'))
    };
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.push(letter(group, 18));
        out.push(letter(group, 12));
        out.push(if chunk.len() > 1 { letter(group, 6) } else { '=' });
        out.push(if chunk.len() > 2 { letter(group, 0) } else { '=' });
    }
}

/// The bytes that `text` stands for; absent for anything but what [`encode_into`] writes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let plain = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = 0_u32;
    let mut bits = 0_u32;
    for letter in plain.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        group = (group << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((group >> bits) & 0xff).ok()?);
        }
    }
    // Bits left over, padding too short or too long: the one way to be sure is to write it again.
    let mut again = String::with_capacity(text.len());
    encode_into(&out, &mut again);
    (again == text).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_read_and_write() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            let mut out = String::new();
            encode_into(plain.as_bytes(), &mut out);
            assert_eq!(out, coded);
            assert_eq!(decode(coded).unwrap(), plain.as_bytes());
        }
    }

    #[test]
    fn what_is_not_canonical_is_not_read() {
        for bad in ["Zg", "Zg=", "Zh==", "Zg===", "=Zg=", "Z g=", "Zg==\n", "Zm9=", "====", "Zm-v", "Zm_v"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}

//! Texts of pickles: bytes to characters as the unpickler does it, and characters to something that may be shown.

use super::op::Encoding;

/// Characters of a text as Python would have them; what Python refuses becomes a replacement character, which is in no name.
pub(crate) fn decode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Utf8 => utf8(bytes),
        Encoding::Latin1 => latin1(bytes),
        Encoding::Quoted => quoted(bytes),
        Encoding::RawUnicode => raw_unicode(bytes),
    }
}

pub(crate) fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Source: `codecs.escape_decode`, of what stands between equal quotes.
fn quoted(bytes: &[u8]) -> String {
    let inner = match bytes {
        [open @ (b'\'' | b'"'), inner @ .., close] if open == close => inner,
        // Cut, or wrongly quoted: the unpickler refuses the latter; what is there is still looked at.
        [b'\'' | b'"', inner @ ..] => inner,
        other => other,
    };
    let mut out = String::new();
    let mut rest = inner.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(char::from(byte));
            continue;
        }
        let Some(escape) = rest.next() else { break };
        match escape {
            b'\n' => {}
            b'\\' | b'\'' | b'"' => out.push(char::from(escape)),
            b'a' => out.push('\x07'),
            b'b' => out.push('\x08'),
            b'f' => out.push('\x0c'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'v' => out.push('\x0b'),
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                for _ in 0..2 {
                    match rest.next_if(|byte| matches!(byte, b'0'..=b'7')) {
                        Some(digit) => value = value * 8 + u32::from(digit - b'0'),
                        None => break,
                    }
                }
                out.push(char::from((value & 0xff) as u8));
            }
            b'x' => {
                let mut value = 0;
                let mut digits = 0;
                while digits < 2 {
                    let Some(digit) = rest.next_if(u8::is_ascii_hexdigit) else { break };
                    value = value * 16 + char::from(digit).to_digit(16).unwrap_or(0);
                    digits += 1;
                }
                out.push(if digits == 2 { char::from_u32(value).unwrap_or('\u{fffd}') } else { '\u{fffd}' });
            }
            other => {
                out.push('\\');
                out.push(char::from(other));
            }
        }
    }
    out
}

/// Source: the codec `raw-unicode-escape`: an escape counts after an odd number of backslashes alone.
fn raw_unicode(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        if byte != b'\\' {
            out.push(char::from(byte));
            at += 1;
            continue;
        }
        let run = bytes.iter().skip(at).take_while(|byte| **byte == b'\\').count();
        let width = match bytes.get(at + run) {
            Some(b'u') if run % 2 == 1 => 4,
            Some(b'U') if run % 2 == 1 => 8,
            _ => 0,
        };
        out.extend(std::iter::repeat_n('\\', run - usize::from(width > 0)));
        at += run;
        if width == 0 {
            continue;
        }
        let digits = bytes.get(at + 1..at + 1 + width).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                out.push(char::from_u32(value).unwrap_or('\u{fffd}'));
                at += 1 + width;
            }
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_as_the_unpickler_reads_them() {
        for (given, want) in [
            (&br"'os'"[..], "os"),
            (br"'\x6f\163'", "os"),
            (br"'a\'b'", "a'b"),
            (br#""a\qb""#, "a\\qb"),
            (br"'\1234'", "S4"),
            (br"'\777'", "\u{ff}"),
        ] {
            assert_eq!(decode(given, Encoding::Quoted), want, "{}", String::from_utf8_lossy(given));
        }
        for (given, want) in [
            (&br"\u006fs"[..], "os"),
            (br"\U0000006fs", "os"),
            (br"\\u006fs", r"\\u006fs"),
            (br"\\\u006fs", r"\\os"),
            (b"\xe9", "\u{e9}"),
            (br"\u00", r"\u00"),
            (br"\n", r"\n"),
        ] {
            assert_eq!(decode(given, Encoding::RawUnicode), want, "{}", String::from_utf8_lossy(given));
        }
    }
}

//! Arithmetic that tells a real value from a look-alike: check sums, alphabets, entropy.

use std::ops::RangeInclusive;

const CRC_TABLE: [u32; 16] = [
    0x0000_0000,
    0x1db7_1064,
    0x3b6e_20c8,
    0x26d9_30ac,
    0x76dc_4190,
    0x6b6b_51f4,
    0x4db2_6158,
    0x5005_713c,
    0xedb8_8320,
    0xf00f_9344,
    0xd6d6_a3e8,
    0xcb61_b38c,
    0x9b64_c2b0,
    0x86d3_d2d4,
    0xa00a_e278,
    0xbdbd_f21c,
];

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// CRC-32 (ISO-HDLC, the one of zip and Ethernet), half a byte at a time.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 4) ^ CRC_TABLE.get((crc & 15) as usize).copied().unwrap_or(0);
    !bytes.iter().fold(!0, |crc, byte| step(step(crc ^ u32::from(*byte))))
}

/// Whether the last six characters are the CRC-32 of all before them, in base 62 with leading zeros.
///
/// Source: GitHub's "Behind GitHub's new authentication token formats" (2021); npm tokens have the same tail.
pub(crate) fn has_crc_tail(body: &str) -> bool {
    let Some((head, tail)) = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at)) else {
        return false;
    };
    let mut rest = crc32(head.as_bytes());
    tail.bytes().rev().all(|byte| {
        let digit = BASE62.get((rest % 62) as usize).copied();
        rest /= 62;
        digit == Some(byte)
    })
}

/// Whether the digits pass the Luhn check (ISO/IEC 7812-1, annex B).
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(*digit);
            if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether an issuer may give out a number that begins with `first6` and has `len` digits.
///
/// Ranges as the schemes publish them (ISO/IEC 7812 major industry 2 to 6, 8 and 9). Left out: UATP (`1`), which
/// has the shape of timestamps.
pub(crate) fn is_issued(first6: u32, len: usize) -> bool {
    const BY_RANGE: [(RangeInclusive<u32>, RangeInclusive<usize>); 21] = [
        (220_000..=220_499, 16..=19), // Mir
        (222_100..=272_099, 16..=16), // Mastercard
        (300_000..=305_999, 14..=19), // Diners Club
        (309_500..=309_599, 14..=19), // Diners Club
        (340_000..=349_999, 15..=15), // American Express
        (352_800..=358_999, 16..=19), // JCB
        (360_000..=369_999, 14..=19), // Diners Club
        (370_000..=379_999, 15..=15), // American Express
        (380_000..=399_999, 14..=19), // Diners Club
        (400_000..=499_999, 13..=13), // Visa, old
        (400_000..=499_999, 16..=16), // Visa
        (400_000..=499_999, 18..=19), // Visa
        (500_000..=509_999, 13..=19), // Maestro, RuPay, Elo
        (510_000..=559_999, 16..=16), // Mastercard
        (560_000..=589_999, 13..=19), // Maestro
        (600_000..=609_999, 16..=19), // Discover, RuPay, Hipercard
        (620_000..=629_999, 16..=19), // UnionPay
        (630_000..=639_999, 13..=19), // Maestro
        (640_000..=699_999, 13..=19), // Discover, RuPay, Troy, Maestro
        (810_000..=829_999, 16..=19), // UnionPay, RuPay
        (979_200..=979_289, 16..=16), // Troy
    ];
    BY_RANGE.iter().any(|(range, lens)| range.contains(&first6) && lens.contains(&len))
}

/// How many characters of which kind a text has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// `A-Z`.
    pub(crate) upper: u32,
    /// `a-z`.
    pub(crate) lower: u32,
    /// `0-9`.
    pub(crate) digit: u32,
    /// Letters outside ASCII count as neither; all else is here.
    pub(crate) other: u32,
    /// How many different bytes there are.
    pub(crate) distinct: u32,
    /// Shannon entropy, in bits a byte.
    pub(crate) entropy: f32,
}

impl Tally {
    /// Counts `text`, of which at most the first 256 bytes are read.
    pub(crate) fn of(text: &str) -> Self {
        let mut counts = [0_u16; 256];
        let mut tally = Self::default();
        let mut len = 0_u16;
        for byte in text.bytes().take(256) {
            match byte {
                b'A'..=b'Z' => tally.upper += 1,
                b'a'..=b'z' => tally.lower += 1,
                b'0'..=b'9' => tally.digit += 1,
                0x80.. => {}
                _ => tally.other += 1,
            }
            if let Some(count) = counts.get_mut(usize::from(byte)) {
                *count += 1;
            }
            len += 1;
        }
        for count in counts.into_iter().filter(|count| *count > 0) {
            let share = f32::from(count) / f32::from(len.max(1));
            tally.distinct += 1;
            tally.entropy -= share * share.log2();
        }
        tally
    }

    /// Whether this is filler (`xxxxxxxxxxxx`, `abababab`) in place of a value.
    pub(crate) const fn is_filler(self) -> bool {
        self.distinct < 8
    }

    /// Whether upper case, lower case and digits are mixed as they are in keys but not in names.
    pub(crate) const fn is_mixed(self) -> bool {
        self.upper >= 2 && self.lower >= 2 && self.digit >= 1
    }
}

/// Length of the longest stretch of hexadecimal digits in lower case that holds a decimal digit.
pub(crate) fn hex_stretch(text: &str) -> usize {
    text.split(|c: char| !matches!(c, '0'..='9' | 'a'..='f'))
        .filter(|part| part.bytes().filter(u8::is_ascii_digit).count() >= 4)
        .map(str::len)
        .max()
        .unwrap_or(0)
}

/// Decodes base64url without padding as far as whole characters go; `None` for a byte outside the alphabet.
pub(crate) fn url64_decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let mut bits = 0_u32;
    let mut have = 0_u32;
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push(u8::try_from(bits >> have & 0xff).unwrap_or_default());
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_has_the_check_value_of_its_definition() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_crc_tail_is_seen_and_a_changed_one_is_not() {
        // The worked example that circulates for the 2021 format, in two halves.
        let body = ["zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"].concat();
        assert!(has_crc_tail(&body));
        assert!(!has_crc_tail(&body.replacen('z', "y", 1)));
        assert!(!has_crc_tail("short"));
        assert!(!has_crc_tail("éééé"));
    }

    #[test]
    fn luhn_and_ranges_know_the_published_test_numbers() {
        let digits = |text: &str| text.bytes().map(|b| b - b'0').collect::<Vec<_>>();
        for good in
            ["4242424242424242", "378282246310005", "30569309025904", "6011111111111117", "3530111333300000"]
        {
            assert!(luhn(&digits(good)), "{good}");
            assert!(is_issued(good[..6].parse().unwrap(), good.len()), "{good}");
        }
        assert!(!luhn(&digits("4242424242424243")));
        assert!(!is_issued(350_000, 15), "an IMEI is no card");
        assert!(!is_issued(893_510, 19), "an ICCID is no card");
        assert!(!is_issued(170_000, 16), "a timestamp is no card");
    }

    #[test]
    fn base64url_decodes() {
        assert_eq!(url64_decode("eyJhIjoxfQ").unwrap(), br#"{"a":1}"#);
        assert_eq!(url64_decode("_-_-").unwrap(), [0xff, 0xef, 0xfe]);
        assert!(url64_decode("a+b").is_none());
    }

    #[test]
    fn entropy_tells_filler_from_noise() {
        assert!(Tally::of("xxxxxxxxxxxxxxxxxxxx").is_filler());
        let noise = Tally::of("q7Zt0LmX2bVn9KcR");
        assert!(!noise.is_filler() && noise.is_mixed() && noise.entropy > 3.9);
    }
}

//! A gzip stream far smaller than what it expands to, made directly, without a compressor.
//!
//! Source: RFC 1952 for the frame, RFC 1951 section 3.2.6 for the fixed codes: a space, then copies of 258 bytes from
//! distance 1, 13 bits each, so that one byte sent becomes about 158.

/// A gzip stream that expands to at least `expanded_bytes` spaces, and exactly 1 + 258 n of them.
///
/// Takes time in proportion to `expanded_bytes` for the checksum: some milliseconds per MiB.
pub(crate) fn bomb(expanded_bytes: u64) -> Vec<u8> {
    let copies = expanded_bytes.saturating_sub(1).div_ceil(COPY_BYTES);
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut bits = Bits { out: &mut out, held: 0, count: 0 };
    bits.put(0b1, 1); // the last block
    bits.put(0b01, 2); // with fixed codes
    bits.put_code(0b0011_0000 + u32::from(FILL), 8);
    for _ in 0..copies {
        bits.put_code(0b1100_0101, 8); // length 258
        bits.put_code(0, 5); // distance 1
    }
    bits.put_code(0, 7); // end of block
    bits.finish();
    let length = 1 + copies * COPY_BYTES;
    out.extend(crc32_of_fill(length).to_le_bytes());
    // The field holds the length modulo 2^32, by definition.
    out.extend(u32::try_from(length & 0xffff_ffff).unwrap_or(0).to_le_bytes());
    out
}

struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits<'_> {
    /// Plain values go in from their lowest bit.
    fn put(&mut self, value: u32, count: u32) {
        self.held |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.push(self.held.to_le_bytes()[0]);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// Huffman codes go in from their highest bit.
    fn put_code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    fn finish(&mut self) {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
    }
}

/// CRC-32 of `length` fill bytes (RFC 1952, section 8).
fn crc32_of_fill(length: u64) -> u32 {
    let mut crc = u32::MAX;
    for _ in 0..length {
        crc ^= u32::from(FILL);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// A space: harmless before and after any JSON value.
const FILL: u8 = b' ';
/// Longest copy that DEFLATE has.
const COPY_BYTES: u64 = 258;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_small_and_its_frame_is_right() {
        let bomb = bomb(1 << 20);
        assert!(bomb.len() < 8 << 10, "{}", bomb.len());
        assert_eq!(&bomb[..3], &[0x1f, 0x8b, 8]);
        // CRC-32 of one space, from the definition's own table.
        assert_eq!(crc32_of_fill(1), 0xe96c_cf45);
    }
}

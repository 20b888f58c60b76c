//! Floats and whole numbers, one after the other, little-endian.
//!
//! Source: IEEE 754; OCP 8-bit Floating Point Specification 1.0 for E4M3 and E5M2; for FNUZ the types of ONNX and MLIR:
//! no infinity, no negative zero (its code is the only NaN), one more to the bias.

use super::Dtype;

/// Which float of 8 bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum F8 {
    /// Four bits of exponent, no infinity.
    E4M3,
    /// Five bits of exponent, as binary16.
    E5M2,
    /// E4M3 without negative zero.
    E4M3Fnuz,
    /// E5M2 without negative zero.
    E5M2Fnuz,
}

impl F8 {
    /// What each of the 256 codes is.
    #[must_use]
    pub fn table(self) -> [f32; 256] {
        std::array::from_fn(|code| self.decode(u8::try_from(code).unwrap_or_default()))
    }

    fn decode(self, code: u8) -> f32 {
        let (mantissa_bits, bias) = match self {
            Self::E4M3 => (3, 7),
            Self::E5M2 => (2, 15),
            Self::E4M3Fnuz => (3, 8),
            Self::E5M2Fnuz => (2, 16),
        };
        let magnitude = code & 0x7f;
        match self {
            Self::E4M3 if magnitude == 0x7f => return f32::NAN,
            Self::E5M2 if magnitude > 0x7c => return f32::NAN,
            Self::E5M2 if magnitude == 0x7c => {
                return if code & 0x80 == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
            }
            Self::E4M3Fnuz | Self::E5M2Fnuz if code == 0x80 => return f32::NAN,
            _ => {}
        }
        let exponent = i32::from(magnitude >> mantissa_bits);
        let fraction = f32::from(magnitude & ((1 << mantissa_bits) - 1)) / f32::from(1_u8 << mantissa_bits);
        let value = if exponent == 0 {
            fraction * 2_f32.powi(1 - bias)
        } else {
            (1.0 + fraction) * 2_f32.powi(exponent - bias)
        };
        if code & 0x80 == 0 { value } else { -value }
    }

    /// The nearest code, ties to the even one; what is too large becomes the largest. Magnitudes grow with their codes.
    fn encode(self, value: f32, table: &[f32; 256]) -> u8 {
        let last = match self {
            Self::E4M3 => 0x7e,
            Self::E5M2 => 0x7b,
            Self::E4M3Fnuz | Self::E5M2Fnuz => 0x7f,
        };
        if value.is_nan() {
            return if matches!(self, Self::E4M3 | Self::E5M2) { 0x7f } else { 0x80 };
        }
        let magnitude = value.abs();
        let finite = table.get(..=last).unwrap_or_default();
        let above = finite.partition_point(|one| *one < magnitude).min(last);
        let below = above.saturating_sub(1);
        let distance = |at: usize| finite.get(at).map_or(f32::INFINITY, |one| (magnitude - one).abs());
        let nearest =
            if distance(below) < distance(above) || (distance(below) == distance(above) && below % 2 == 0) {
                below
            } else {
                above
            };
        let code = u8::try_from(nearest).unwrap_or_default();
        match self {
            // Its negative zero is no number.
            Self::E4M3Fnuz | Self::E5M2Fnuz if code == 0 => 0,
            _ => code | if value.is_sign_negative() { 0x80 } else { 0 },
        }
    }
}

/// Numbers of a plain type. `table` is that of a float of 8 bits.
pub(super) fn decode(dtype: &Dtype, table: Option<&[f32; 256]>, raw: &[u8], out: &mut [f32]) {
    match dtype {
        Dtype::F64 => {
            for (to, from) in out.iter_mut().zip(raw.as_chunks().0) {
                #[expect(clippy::cast_possible_truncation, reason = "weights of 64 bits are judged in 32")]
                let value = f64::from_le_bytes(*from) as f32;
                *to = value;
            }
        }
        Dtype::F32 => {
            for (to, from) in out.iter_mut().zip(raw.as_chunks().0) {
                *to = f32::from_le_bytes(*from);
            }
        }
        Dtype::F16 => {
            for (to, from) in out.iter_mut().zip(raw.as_chunks().0) {
                *to = f16(u16::from_le_bytes(*from));
            }
        }
        Dtype::Bf16 => {
            for (to, from) in out.iter_mut().zip(raw.as_chunks().0) {
                *to = f32::from_bits(u32::from(u16::from_le_bytes(*from)) << 16);
            }
        }
        Dtype::F8(kind) => {
            let made;
            let table = match table {
                Some(table) => table,
                None => {
                    made = kind.table();
                    &made
                }
            };
            for (to, from) in out.iter_mut().zip(raw) {
                *to = table.get(usize::from(*from)).copied().unwrap_or_default();
            }
        }
        Dtype::I8 => {
            for (to, from) in out.iter_mut().zip(raw) {
                *to = f32::from(from.cast_signed());
            }
        }
        Dtype::U8 => {
            for (to, from) in out.iter_mut().zip(raw) {
                *to = f32::from(*from);
            }
        }
        Dtype::Block(_) | Dtype::Other(_) => out.fill(0.0),
    }
}

/// Writes each number over the one in `raw` that it came from, in the same type, rounded to the nearest, ties to even. A number that `keep` names stays byte for byte.
pub fn encode(dtype: &Dtype, values: &[f32], raw: &mut [u8], keep: impl Fn(usize) -> bool) {
    match dtype {
        Dtype::F64 => put(values, raw, keep, |value| f64::from(value).to_le_bytes()),
        Dtype::F32 => put(values, raw, keep, f32::to_le_bytes),
        Dtype::F16 => put(values, raw, keep, |value| to_f16(value).to_le_bytes()),
        Dtype::Bf16 => put(values, raw, keep, |value| to_bf16(value).to_le_bytes()),
        Dtype::F8(kind) => {
            let table = kind.table();
            put(values, raw, keep, |value| [kind.encode(value, &table)]);
        }
        Dtype::I8 | Dtype::U8 | Dtype::Block(_) | Dtype::Other(_) => {}
    }
}

fn put<const N: usize>(
    values: &[f32],
    raw: &mut [u8],
    keep: impl Fn(usize) -> bool,
    bytes: impl Fn(f32) -> [u8; N],
) {
    for (index, (value, to)) in values.iter().zip(raw.as_chunks_mut().0).enumerate() {
        if !keep(index) {
            *to = bytes(*value);
        }
    }
}

/// binary16 without a branch: the exponent is moved by a multiplication, which is exact for subnormal numbers too.
pub(super) fn f16(half: u16) -> f32 {
    let wide = u32::from(half);
    let magnitude = f32::from_bits((wide & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    // What was infinity or no number is 65536 and more now.
    let special = if wide & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (wide & 0x8000) << 16)
}

fn to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    let code = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x477f_f000 {
        0x7c00
    } else if magnitude < 0x3880_0000 {
        // Below the smallest normal number: adding 2^-1 · 2^-13 leaves the fraction, rounded, in the low bits.
        let shifted = f32::from_bits(magnitude) + f32::from_bits(0x3f00_0000);
        shifted.to_bits().wrapping_sub(0x3f00_0000)
    } else {
        let odd = (magnitude >> 13) & 1;
        (magnitude - 0x3800_0000 + 0xfff + odd) >> 13
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most 0x7e00")]
    let code = code as u16;
    sign | code
}

fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = if value.is_nan() { bits | 0x0040_0000 } else { bits + 0x7fff + ((bits >> 16) & 1) };
    (rounded >> 16) as u16
}

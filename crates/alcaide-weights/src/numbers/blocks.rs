//! Blocks of GGUF: 32 numbers under one scale, or 256 under sixteen or eight that are themselves quantised.
//!
//! Each number is computed in `f32` in the order that the reference uses (scale times scale, times code, less the
//! offset), so results are equal bit for bit.
//!
//! Source: the structures of ggml's `ggml-common.h` and `dequantize_row_*` of its `ggml-quants.c`.

use super::Width;
use super::plain::f16;

/// Which block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the format's own names")]
pub enum Block {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

impl Block {
    /// All that are read.
    pub const ALL: [Self; 10] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    /// By the number in a GGUF file.
    #[must_use]
    pub fn of_gguf(kind: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|block| block.to_gguf() == kind)
    }

    /// The number that GGUF gives it.
    #[must_use]
    pub const fn to_gguf(self) -> u32 {
        match self {
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q2K => 10,
            Self::Q3K => 11,
            Self::Q4K => 12,
            Self::Q5K => 13,
            Self::Q6K => 14,
        }
    }

    /// How many bytes hold how many numbers.
    #[must_use]
    pub const fn width(self) -> Width {
        let (numbers, bytes) = match self {
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2K => (256, 84),
            Self::Q3K => (256, 110),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        };
        Width { numbers, bytes }
    }

    /// The numbers of whole blocks.
    pub(super) fn decode(self, raw: &[u8], out: &mut [f32]) {
        let width = self.width();
        let one = match self {
            Self::Q4_0 => q4_0,
            Self::Q4_1 => q4_1,
            Self::Q5_0 => q5_0,
            Self::Q5_1 => q5_1,
            Self::Q8_0 => q8_0,
            Self::Q2K => q2_k,
            Self::Q3K => q3_k,
            Self::Q4K => q4_k,
            Self::Q5K => q5_k,
            Self::Q6K => q6_k,
        };
        let blocks = raw.chunks_exact(width.bytes as usize);
        for (block, numbers) in blocks.zip(out.chunks_exact_mut(width.numbers as usize)) {
            // INVARIANT: the block has the size that its reader takes apart; were it another, it would be zeros.
            if one(block, numbers).is_none() {
                numbers.fill(0.0);
            }
        }
    }
}

type Done = Option<()>;

/// A scale and what follows it.
fn half(raw: &[u8]) -> Option<(f32, &[u8])> {
    let (bits, rest) = raw.split_first_chunk::<2>()?;
    Some((f16(u16::from_le_bytes(*bits)), rest))
}

/// Writes the low halves of `codes` and then the high ones, through `number`, which is told where.
fn nibbles(codes: &[u8], out: &mut [f32], number: impl Fn(usize, u8) -> f32) -> Done {
    let (low, high) = out.split_at_mut_checked(codes.len())?;
    for (at, ((code, low), high)) in codes.iter().zip(low).zip(high).enumerate() {
        *low = number(at, code & 0xf);
        *high = number(at + codes.len(), code >> 4);
    }
    Some(())
}

fn q4_0(raw: &[u8], out: &mut [f32]) -> Done {
    let (d, codes) = half(raw)?;
    nibbles(codes, out, |_, code| f32::from(i16::from(code) - 8) * d)
}

fn q4_1(raw: &[u8], out: &mut [f32]) -> Done {
    let (d, rest) = half(raw)?;
    let (m, codes) = half(rest)?;
    nibbles(codes, out, |_, code| f32::from(code) * d + m)
}

fn q5_0(raw: &[u8], out: &mut [f32]) -> Done {
    let (d, rest) = half(raw)?;
    let (fifth, codes) = rest.split_first_chunk::<4>()?;
    let fifth = u32::from_le_bytes(*fifth);
    nibbles(codes, out, |at, code| f32::from(i16::from(code | bit(fifth, at) << 4) - 16) * d)
}

fn q5_1(raw: &[u8], out: &mut [f32]) -> Done {
    let (d, rest) = half(raw)?;
    let (m, rest) = half(rest)?;
    let (fifth, codes) = rest.split_first_chunk::<4>()?;
    let fifth = u32::from_le_bytes(*fifth);
    nibbles(codes, out, |at, code| f32::from(code | bit(fifth, at) << 4) * d + m)
}

fn bit(bits: u32, at: usize) -> u8 {
    u8::from(bits.checked_shr(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(0) & 1 == 1)
}

fn q8_0(raw: &[u8], out: &mut [f32]) -> Done {
    let (d, codes) = half(raw)?;
    for (to, code) in out.iter_mut().zip(codes) {
        *to = f32::from(code.cast_signed()) * d;
    }
    Some(())
}

fn q2_k(raw: &[u8], out: &mut [f32]) -> Done {
    let (scales, rest) = raw.split_first_chunk::<16>()?;
    let (codes, rest) = rest.split_first_chunk::<64>()?;
    let (d, rest) = half(rest)?;
    let (dmin, _) = half(rest)?;
    // Each half of 32 bytes holds 128 numbers: four planes of 32, each of two groups of 16.
    let planes = codes.chunks_exact(32).flat_map(|part| [0, 2, 4, 6].map(|shift| (part, shift)));
    let groups = planes.flat_map(|(part, shift)| part.chunks_exact(16).map(move |part| (part, shift)));
    for (((part, shift), scale), out) in groups.zip(scales).zip(out.chunks_exact_mut(16)) {
        let (scaled, offset) = (d * f32::from(scale & 0xf), dmin * f32::from(scale >> 4));
        for (to, code) in out.iter_mut().zip(part) {
            *to = scaled * f32::from(code >> shift & 3) - offset;
        }
    }
    Some(())
}

fn q3_k(raw: &[u8], out: &mut [f32]) -> Done {
    let (mask, rest) = raw.split_first_chunk::<32>()?;
    let (codes, rest) = rest.split_first_chunk::<64>()?;
    let (packed, rest) = rest.split_first_chunk::<12>()?;
    let (d, _) = half(rest)?;
    let (lower, upper) = packed.split_first_chunk::<8>()?;
    let low = lower.iter().map(|byte| byte & 0xf).chain(lower.iter().map(|byte| byte >> 4));
    let high = [0, 2, 4, 6].into_iter().flat_map(|shift| upper.iter().map(move |byte| byte >> shift & 3));
    let scales = low.zip(high).map(|(low, high)| f32::from(i16::from(low | high << 4) - 32));
    let planes = codes.chunks_exact(32).flat_map(|part| [0, 2, 4, 6].map(|shift| (part, shift)));
    let groups = planes.enumerate().flat_map(|(plane, (part, shift))| {
        part.chunks_exact(16).zip(mask.chunks_exact(16)).map(move |(part, mask)| (part, mask, shift, plane))
    });
    for (((part, mask, shift, plane), scale), out) in groups.zip(scales).zip(out.chunks_exact_mut(16)) {
        let scaled = d * scale;
        for ((to, code), mask) in out.iter_mut().zip(part).zip(mask) {
            let third = if mask >> plane & 1 == 1 { 0 } else { 4 };
            *to = scaled * f32::from(i16::from(code >> shift & 3) - third);
        }
    }
    Some(())
}

/// Eight scales and eight offsets of six bits each, in twelve bytes.
fn six_bits(packed: &[u8; 12]) -> Option<[(u8, u8); 8]> {
    let (a, rest) = packed.split_first_chunk::<4>()?;
    let (b, rest) = rest.split_first_chunk::<4>()?;
    let first = a.iter().zip(b).map(|(a, b)| (a & 63, b & 63));
    let second = a.iter().zip(b).zip(rest).map(|((a, b), c)| (c & 0xf | a >> 6 << 4, c >> 4 | b >> 6 << 4));
    let mut all = [(0, 0); 8];
    for (to, from) in all.iter_mut().zip(first.chain(second)) {
        *to = from;
    }
    Some(all)
}

fn q4_k(raw: &[u8], out: &mut [f32]) -> Done {
    let (d, rest) = half(raw)?;
    let (dmin, rest) = half(rest)?;
    let (packed, codes) = rest.split_first_chunk::<12>()?;
    let scales = six_bits(packed)?;
    for ((pair, codes), out) in
        scales.as_chunks::<2>().0.iter().zip(codes.chunks_exact(32)).zip(out.chunks_exact_mut(64))
    {
        let scaled = pair.map(|(scale, least)| (d * f32::from(scale), dmin * f32::from(least)));
        nibbles(codes, out, |at, code| {
            let [low, high] = scaled;
            let (scale, least) = if at < 32 { low } else { high };
            scale * f32::from(code) - least
        })?;
    }
    Some(())
}

fn q5_k(raw: &[u8], out: &mut [f32]) -> Done {
    let (d, rest) = half(raw)?;
    let (dmin, rest) = half(rest)?;
    let (packed, rest) = rest.split_first_chunk::<12>()?;
    let (fifth, codes) = rest.split_first_chunk::<32>()?;
    let scales = six_bits(packed)?;
    let parts = scales.as_chunks::<2>().0.iter().zip(codes.chunks_exact(32)).zip(out.chunks_exact_mut(64));
    for (plane, ((pair, codes), out)) in parts.enumerate() {
        let [low, high] = pair.map(|(scale, least)| (d * f32::from(scale), dmin * f32::from(least)));
        let (lower, upper) = out.split_at_mut_checked(32)?;
        for (((code, fifth), lower), upper) in codes.iter().zip(fifth).zip(lower).zip(upper) {
            let bits = fifth >> (2 * plane);
            *lower = low.0 * f32::from(code & 0xf | (bits & 1) << 4) - low.1;
            *upper = high.0 * f32::from(code >> 4 | (bits & 2) << 3) - high.1;
        }
    }
    Some(())
}

fn q6_k(raw: &[u8], out: &mut [f32]) -> Done {
    let (low, rest) = raw.split_first_chunk::<128>()?;
    let (high, rest) = rest.split_first_chunk::<64>()?;
    let (scales, rest) = rest.split_first_chunk::<16>()?;
    let (d, _) = half(rest)?;
    let halves = low.chunks_exact(64).zip(high.chunks_exact(32)).zip(scales.chunks_exact(8));
    for (((low, high), scales), out) in halves.zip(out.chunks_exact_mut(128)) {
        let (first, second) = low.split_at_checked(32)?;
        // Four planes of 32 numbers: which bytes, which half of them, which two bits above.
        let planes = [(first, 0, 0), (second, 0, 2), (first, 4, 4), (second, 4, 6)];
        let planes = planes.into_iter().zip(scales.as_chunks::<2>().0).zip(out.chunks_exact_mut(32));
        for (((low, half, shift), scales), out) in planes {
            let groups =
                low.chunks_exact(16).zip(high.chunks_exact(16)).zip(scales).zip(out.chunks_exact_mut(16));
            for (((low, high), scale), out) in groups {
                let scaled = d * f32::from(scale.cast_signed());
                for ((to, low), high) in out.iter_mut().zip(low).zip(high) {
                    let code = low >> half & 0xf | (high >> shift & 3) << 4;
                    *to = scaled * f32::from(i16::from(code) - 32);
                }
            }
        }
    }
    Some(())
}

//! What are the numbers of a tensor? `f32` of any part of it, whatever it is written in.
//!
//! Data flow: a place in numbers → the bytes of the whole blocks around it → [`plain`] types by bits, [`blocks`] of
//! GGUF by their description → the scales that the file declares beside it. Nothing is kept but one piece.
//!
//! Scales: a tensor `NAME` of whole numbers or of 8-bit floats is multiplied by `NAME_scale` or `NAME_scale_inv` if there
//! is one: a single number, one per row, or a grid that divides rows and columns evenly; `NAME_zero_point` of the
//! same shape is taken off before. That is what the files of the common quantisers declare (compressed-tensors,
//! block-scaled FP8). `U8` without a scale may be anything packed, so it holds no numbers here.

mod blocks;
mod plain;
mod scales;

use alcaide_container::{Input, ReadError};

pub use blocks::Block;
pub use plain::{F8, encode};

use crate::layout::{Layout, Tensor};
use scales::Scales;

/// How numbers are written.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    Bf16,
    /// Floats of 8 bits.
    F8(F8),
    /// Whole numbers of 8 bits with a sign.
    I8,
    /// Whole numbers of 8 bits.
    U8,
    /// Blocks of GGUF.
    Block(Block),
    /// Anything else, by the name that the file gives it.
    Other(Box<str>),
}

/// How many bytes hold how many numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Width {
    /// Numbers of a block; 1 for plain types.
    pub numbers: u32,
    /// Bytes of a block.
    pub bytes: u32,
}

impl Dtype {
    /// By the name in a header of safetensors.
    #[must_use]
    pub fn of_safetensors(name: &str) -> Self {
        match name {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "F8_E4M3" => Self::F8(F8::E4M3),
            "F8_E5M2" => Self::F8(F8::E5M2),
            "F8_E4M3FNUZ" => Self::F8(F8::E4M3Fnuz),
            "F8_E5M2FNUZ" => Self::F8(F8::E5M2Fnuz),
            "I8" => Self::I8,
            "U8" => Self::U8,
            _ => Self::Other(crate::cut(name).into()),
        }
    }

    /// By the number in a GGUF file.
    #[must_use]
    pub fn of_gguf(kind: u32) -> Self {
        match kind {
            0 => Self::F32,
            1 => Self::F16,
            24 => Self::I8,
            28 => Self::F64,
            30 => Self::Bf16,
            _ => Block::of_gguf(kind).map_or_else(|| Self::Other(format!("type {kind}").into()), Self::Block),
        }
    }

    /// How many bytes hold how many numbers, where that is known.
    #[must_use]
    pub fn width(&self) -> Option<Width> {
        let plain = |bytes| Some(Width { numbers: 1, bytes });
        match self {
            Self::F64 => plain(8),
            Self::F32 => plain(4),
            Self::F16 | Self::Bf16 => plain(2),
            Self::F8(_) | Self::I8 | Self::U8 => plain(1),
            Self::Block(block) => Some(block.width()),
            Self::Other(_) => None,
        }
    }

    /// Whether it is a float that a changed number can be written back to.
    #[must_use]
    pub fn is_float(&self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16 | Self::F8(_))
    }
}

/// The numbers of one tensor.
pub struct Numbers<'a> {
    input: &'a dyn Input,
    tensor: &'a Tensor,
    width: Width,
    scales: Option<Scales>,
    table: Option<Box<[f32; 256]>>,
    raw: Vec<u8>,
    wide: Vec<f32>,
}

impl<'a> Numbers<'a> {
    /// Of `tensor`, which is in `layout`, which is that of `input`.
    ///
    /// # Errors
    /// [`NumbersError`] if its type is not read here or the scales that belong to it cannot be.
    pub fn open(input: &'a dyn Input, layout: &'a Layout, tensor: &'a Tensor) -> Result<Self, NumbersError> {
        let unread = || NumbersError::Unread { name: crate::cut(&tensor.name), dtype: tensor.dtype.clone() };
        let width = tensor.dtype.width().ok_or_else(unread)?;
        let scales = match tensor.dtype {
            Dtype::I8 | Dtype::U8 | Dtype::F8(_) => Scales::find(input, layout, tensor)?,
            _ => None,
        };
        if tensor.dtype == Dtype::U8 && scales.is_none() {
            return Err(unread());
        }
        let table = if let Dtype::F8(kind) = tensor.dtype { Some(Box::new(kind.table())) } else { None };
        Ok(Self { input, tensor, width, scales, table, raw: Vec::new(), wide: Vec::new() })
    }

    /// The same without the scales beside it: the numbers that its own bytes say.
    ///
    /// # Errors
    /// As [`Numbers::open`].
    pub(crate) fn unscaled(
        input: &'a dyn Input,
        layout: &'a Layout,
        tensor: &'a Tensor,
    ) -> Result<Self, NumbersError> {
        let mut numbers = Self::open(input, layout, tensor)?;
        numbers.scales = None;
        Ok(numbers)
    }

    /// The bytes that the last reading was made of.
    pub(crate) fn raw_mut(&mut self) -> &mut [u8] {
        &mut self.raw
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.tensor.count()
    }

    /// Fills `out` with the numbers from the `at`-th on.
    ///
    /// # Errors
    /// [`NumbersError`] if the tensor has fewer, or the file cannot be read.
    pub fn read(&mut self, at: u64, out: &mut [f32]) -> Result<(), NumbersError> {
        let end = at.checked_add(out.len() as u64).filter(|end| *end <= self.count());
        let end = end.ok_or_else(|| NumbersError::PastEnd { name: crate::cut(&self.tensor.name) })?;
        if out.is_empty() {
            return Ok(());
        }
        let numbers = u64::from(self.width.numbers);
        let (first, last) = (at / numbers, end.div_ceil(numbers));
        let bytes = (last - first) * u64::from(self.width.bytes);
        self.raw.resize(usize::try_from(bytes).unwrap_or(usize::MAX), 0);
        let from = self.tensor.start + first * u64::from(self.width.bytes);
        fill(self.input, from, &mut self.raw)?;
        match &self.tensor.dtype {
            Dtype::Block(block) => {
                let skipped = usize::try_from(at - first * numbers).unwrap_or_default();
                if skipped == 0 && end == last * numbers {
                    block.decode(&self.raw, out);
                } else {
                    self.wide.resize(usize::try_from((last - first) * numbers).unwrap_or_default(), 0.0);
                    block.decode(&self.raw, &mut self.wide);
                    for (to, from) in out.iter_mut().zip(self.wide.iter().skip(skipped)) {
                        *to = *from;
                    }
                }
            }
            dtype => plain::decode(dtype, self.table.as_deref(), &self.raw, out),
        }
        if let Some(scales) = &self.scales {
            scales.apply(at, out);
        }
        Ok(())
    }

    /// Hands all numbers to `each`, in order, in pieces of at most [`PIECE`]; every piece but the last is full.
    ///
    /// # Errors
    /// As [`Numbers::read`].
    pub fn each(&mut self, mut each: impl FnMut(u64, &[f32])) -> Result<(), NumbersError> {
        let mut piece = vec![0.0; PIECE.min(usize::try_from(self.count()).unwrap_or(PIECE))];
        let mut at = 0;
        while at < self.count() {
            let size = piece.len().min(usize::try_from(self.count() - at).unwrap_or(PIECE));
            piece.truncate(size);
            self.read(at, &mut piece)?;
            each(at, &piece);
            at += size as u64;
        }
        Ok(())
    }
}

/// Numbers handed on at once: a multiple of every block.
pub const PIECE: usize = 1 << 16;

/// Why the numbers of a tensor are not known.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NumbersError {
    /// The bytes could not be had.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its type is not read here.
    #[error("the numbers of tensor `{name}` are of a type that is not read: {dtype:?}")]
    Unread {
        /// Which.
        name: String,
        /// Its type.
        dtype: Dtype,
    },
    /// The scales beside it do not fit it.
    #[error("the scales `{name}` do not fit the tensor that they are for")]
    Scales {
        /// Their name.
        name: String,
    },
    /// More numbers were asked for than there are.
    #[error("tensor `{name}` has fewer numbers than were asked for, or the file became shorter")]
    PastEnd {
        /// Which.
        name: String,
    },
}

fn fill(input: &dyn Input, at: u64, into: &mut [u8]) -> Result<(), NumbersError> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let count = input.read_at(at.saturating_add(done as u64), rest)?;
        if count == 0 {
            return Err(NumbersError::PastEnd { name: format!("at byte {at}") });
        }
        done += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

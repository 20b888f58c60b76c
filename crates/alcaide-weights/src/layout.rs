//! Which tensors does a file have, and where? safetensors and GGUF, checked whole before a number is read.
//!
//! Data flow: the head of the file → a header under a size limit → entries, each held against the file's length → a list
//! in the order of their places, without overlap and without two of one name. Shapes are outermost first, so that a
//! GGUF tensor and its safetensors original have one shape and one order of numbers.
//!
//! Refused rather than guessed: big-endian GGUF and version 1, headers that say a thing twice, encrypted safetensors
//! (whose numbers are none).

mod gguf;
mod safetensors;

use std::collections::HashMap;

use alcaide_container::{Input, ReadError};

use crate::numbers::Dtype;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A JSON header and plain arrays.
    Safetensors,
    /// Keys, values and arrays that may be quantised in blocks.
    Gguf,
}

/// One tensor's entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tensor {
    /// As the file calls it, at most [`NAME_MAX`] bytes.
    pub name: String,
    /// Sides, outermost first; at most [`DIMS_MAX`].
    pub shape: Vec<u64>,
    /// How its numbers are written.
    pub dtype: Dtype,
    /// Its first byte, from the beginning of the file.
    pub start: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

impl Tensor {
    /// How many numbers it has.
    #[must_use]
    pub fn count(&self) -> u64 {
        // INVARIANT: the product was checked when the layout was read.
        self.shape.iter().fold(1, |count, side| count.saturating_mul(*side))
    }

    /// Rows and columns, where it is a matrix.
    #[must_use]
    pub fn matrix(&self) -> Option<(u64, u64)> {
        match self.shape.as_slice() {
            [rows, columns] => Some((*rows, *columns)),
            _ => None,
        }
    }
}

/// All tensors of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// What kind of file it is.
    pub format: Format,
    tensors: Vec<Tensor>,
    places: HashMap<String, usize>,
}

impl Layout {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// [`LayoutError`] if it is of neither format, cannot be read, or says something that cannot be.
    pub fn read(input: &dyn Input) -> Result<Self, LayoutError> {
        let mut head = [0; 8];
        fill(input, 0, &mut head)?;
        if head.starts_with(b"GGUF") { gguf::read(input) } else { safetensors::read(input) }
    }

    /// In the order of their places in the file.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensor of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.places.get(name).and_then(|at| self.tensors.get(*at))
    }

    /// Orders entries by place and refuses what overlaps or has one name.
    fn new(format: Format, mut tensors: Vec<Tensor>) -> Result<Self, LayoutError> {
        tensors.sort_by_key(|tensor| (tensor.start, tensor.bytes));
        let mut end = 0;
        for tensor in &tensors {
            if tensor.bytes > 0 && tensor.start < end {
                return Err(LayoutError::Overlap { name: crate::cut(&tensor.name) });
            }
            end = end.max(tensor.start.saturating_add(tensor.bytes));
        }
        let mut places = HashMap::new();
        for (at, tensor) in tensors.iter().enumerate() {
            if places.insert(tensor.name.clone(), at).is_some() {
                return Err(LayoutError::Twice { name: crate::cut(&tensor.name) });
            }
        }
        Ok(Self { format, tensors, places })
    }
}

/// Why the tensors of a file are not known.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The bytes could not be had.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is neither safetensors nor GGUF, or its header is broken.
    #[error("the header is not that of a file of tensors: {why}")]
    Header {
        /// What is wrong with it.
        why: String,
    },
    /// The file ends before what its header promises.
    #[error("the file ends at byte {len}, within its header")]
    Short {
        /// Its length.
        len: u64,
    },
    /// More than is read here.
    #[error("{what}: {given}, and {most} is the most")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much there is.
        given: u64,
        /// How much is read.
        most: u64,
    },
    /// A tensor's place or shape cannot be.
    #[error("tensor `{name}` cannot be where and what the header says: {why}")]
    Tensor {
        /// Which.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// Two tensors share bytes.
    #[error("tensor `{name}` shares bytes with another")]
    Overlap {
        /// The later one.
        name: String,
    },
    /// Two entries have one name.
    #[error("`{name}` is in the header twice")]
    Twice {
        /// Which.
        name: String,
    },
    /// Its tensors are ciphertext.
    #[error("the tensors are encrypted, so they hold no numbers")]
    Encrypted,
}

/// Fills all of `into` from `at` on.
fn fill(input: &dyn Input, at: u64, into: &mut [u8]) -> Result<(), LayoutError> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let count = input.read_at(at.saturating_add(done as u64), rest)?;
        if count == 0 {
            return Err(LayoutError::Short { len: input.len() });
        }
        done += count;
    }
    Ok(())
}

/// A tensor whose place and shape fit each other and the file.
fn checked(
    name: String,
    shape: Vec<u64>,
    dtype: Dtype,
    place: std::ops::Range<u64>,
    len: u64,
) -> Result<Tensor, LayoutError> {
    let bad = |why| LayoutError::Tensor { name: crate::cut(&name), why };
    if name.len() > NAME_MAX {
        return Err(bad("its name is longer than 1,024 bytes"));
    }
    if shape.len() > DIMS_MAX {
        return Err(bad("it has more than 8 sides"));
    }
    let count = shape.iter().try_fold(1_u64, |count, side| count.checked_mul(*side));
    let count = count
        .filter(|count| *count <= COUNT_MAX)
        .ok_or_else(|| bad("it has more numbers than there can be"))?;
    if place.start > place.end || place.end > len {
        return Err(bad("it reaches past the end of the file"));
    }
    let bytes = place.end - place.start;
    if let Some(width) = dtype.width() {
        let inner = shape.last().copied().unwrap_or(1);
        if inner % u64::from(width.numbers) != 0 && count > 0 {
            return Err(bad("its rows are no whole blocks"));
        }
        if (count / u64::from(width.numbers)).checked_mul(u64::from(width.bytes)) != Some(bytes) {
            return Err(bad("its shape and type take another number of bytes"));
        }
    }
    Ok(Tensor { name, shape, dtype, start: place.start, bytes })
}

/// Longest name of a tensor, in bytes.
pub const NAME_MAX: usize = 1024;
/// Most sides of a tensor.
pub const DIMS_MAX: usize = 8;
/// Most tensors of a file; the largest published mixtures of experts have some 90,000.
pub const TENSORS_MAX: usize = 1 << 18;
/// Most numbers of a tensor: so many of the widest have a number of bytes.
const COUNT_MAX: u64 = 1 << 56;

#[cfg(test)]
pub(crate) mod tests;

//! GGUF: typed keys and values, a list of tensors, their bytes; versions 2 and 3, little-endian.
//!
//! Keys and values are stepped over, but for the alignment.
//!
//! Source: `docs/gguf.md` of ggml.

use alcaide_container::Input;

use super::{DIMS_MAX, Format, Layout, LayoutError, NAME_MAX, TENSORS_MAX, Tensor, checked, fill};
use crate::numbers::Dtype;

pub(super) fn read(input: &dyn Input) -> Result<Layout, LayoutError> {
    let mut walk = Walk { input, at: 4, window: Vec::new(), from: 0, items: 0 };
    let version = walk.u32()?;
    if !(2..=3).contains(&version) {
        let why = if version & 0xffff == 0 {
            "it is big-endian".to_owned()
        } else {
            format!("it is of version {version}")
        };
        return Err(LayoutError::Header { why });
    }
    let tensors = walk.u64()?;
    let pairs = walk.u64()?;
    if tensors > TENSORS_MAX as u64 {
        return Err(LayoutError::TooMuch { what: "tensors", given: tensors, most: TENSORS_MAX as u64 });
    }
    let mut alignment = 32_u64;
    for _ in 0..pairs {
        let key = walk.text(KEY_MAX)?;
        let kind = walk.u32()?;
        if key == b"general.alignment" && kind == U32 {
            alignment = u64::from(walk.u32()?);
            if !alignment.is_power_of_two() || alignment > ALIGNMENT_MAX {
                return Err(LayoutError::Header {
                    why: format!("an alignment of {alignment}, which is none"),
                });
            }
        } else {
            walk.skip_value(kind)?;
        }
    }
    let mut entries = Vec::new();
    for _ in 0..tensors {
        let name = String::from_utf8(walk.text(NAME_MAX)?)
            .map_err(|_| LayoutError::Header { why: "a tensor's name is no text".to_owned() })?;
        let dims = walk.u32()?;
        if dims as usize > DIMS_MAX {
            return Err(LayoutError::Tensor { name: crate::cut(&name), why: "it has more than 8 sides" });
        }
        let mut shape = Vec::new();
        for _ in 0..dims {
            shape.push(walk.u64()?);
        }
        // The format lists the innermost side first.
        shape.reverse();
        entries.push((name, shape, Dtype::of_gguf(walk.u32()?), walk.u64()?));
    }
    let base = walk.at.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
    let len = input.len();
    let mut places: Vec<u64> = entries.iter().map(|(.., offset)| base.saturating_add(*offset)).collect();
    places.sort_unstable();
    let tensors: Result<Vec<Tensor>, LayoutError> = entries
        .into_iter()
        .map(|(name, shape, dtype, offset)| {
            let start = base.saturating_add(offset);
            let bytes = match dtype.width() {
                Some(width) => {
                    let count = shape.iter().try_fold(1_u64, |count, side| count.checked_mul(*side));
                    count.and_then(|count| {
                        (count / u64::from(width.numbers)).checked_mul(u64::from(width.bytes))
                    })
                }
                // Of a type that is not read the end is where the next begins.
                None => {
                    let next = places.get(places.partition_point(|place| *place <= start));
                    next.copied().unwrap_or(len).checked_sub(start)
                }
            };
            let end = bytes.and_then(|bytes| start.checked_add(bytes)).unwrap_or(u64::MAX);
            checked(name, shape, dtype, start..end, len)
        })
        .collect();
    Layout::new(Format::Gguf, tensors?)
}

/// Reads on, from a window of the file.
struct Walk<'a> {
    input: &'a dyn Input,
    at: u64,
    window: Vec<u8>,
    /// Where the window begins.
    from: u64,
    /// Values stepped over one by one.
    items: u64,
}

impl Walk<'_> {
    fn u32(&mut self) -> Result<u32, LayoutError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, LayoutError> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LayoutError> {
        let mut into = [0; N];
        self.take(&mut into)?;
        Ok(into)
    }

    fn text(&mut self, most: usize) -> Result<Vec<u8>, LayoutError> {
        let size = self.u64()?;
        let fits = usize::try_from(size).ok().filter(|size| *size <= most);
        let Some(size) = fits else {
            return Err(LayoutError::TooMuch { what: "bytes of a name", given: size, most: most as u64 });
        };
        let mut text = vec![0; size];
        self.take(&mut text)?;
        Ok(text)
    }

    fn take(&mut self, into: &mut [u8]) -> Result<(), LayoutError> {
        let inside = |walk: &Self| {
            let start = usize::try_from(walk.at.checked_sub(walk.from)?).ok()?;
            walk.window.get(start..start.checked_add(into.len())?).map(|_| start)
        };
        if inside(self).is_none() {
            let left = self.input.len().saturating_sub(self.at);
            let size = WINDOW.max(into.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
            if size < into.len() {
                return Err(LayoutError::Short { len: self.input.len() });
            }
            self.window.resize(size, 0);
            self.from = self.at;
            fill(self.input, self.at, &mut self.window)?;
        }
        let start = usize::try_from(self.at - self.from).unwrap_or_default();
        let Some(bytes) = self.window.get(start..start + into.len()) else {
            return Err(LayoutError::Short { len: self.input.len() });
        };
        into.copy_from_slice(bytes);
        self.at += into.len() as u64;
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), LayoutError> {
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.input.len());
        self.at = end.ok_or(LayoutError::Short { len: self.input.len() })?;
        Ok(())
    }

    /// Steps over one value; arrays of arrays by a stack of their own.
    fn skip_value(&mut self, kind: u32) -> Result<(), LayoutError> {
        // Kind and how many of it are still to come.
        let mut open = vec![(kind, 1_u64)];
        while let Some((kind, left)) = open.pop() {
            if left == 0 {
                continue;
            }
            if let Some(width) = width(kind) {
                let bytes = width.checked_mul(left);
                self.skip(bytes.ok_or(LayoutError::Short { len: self.input.len() })?)?;
                continue;
            }
            self.items += 1;
            if self.items > ITEMS_MAX || open.len() > NEST_MAX {
                return Err(LayoutError::Header {
                    why: "its values are too many or nested too deeply".to_owned(),
                });
            }
            open.push((kind, left - 1));
            match kind {
                TEXT => {
                    let size = self.u64()?;
                    self.skip(size)?;
                }
                ARRAY => {
                    let inner = self.u32()?;
                    let count = self.u64()?;
                    open.push((inner, count));
                }
                _ => {
                    return Err(LayoutError::Header {
                        why: format!("a value is of type {kind}, which there is not"),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Bytes of a value of a plain type.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

const U32: u32 = 4;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;
const KEY_MAX: usize = 65_535;
const ALIGNMENT_MAX: u64 = 1 << 20;
const WINDOW: usize = 64 << 10;
const NEST_MAX: usize = 8;
/// Texts and arrays that are stepped over: vocabularies have some 300,000 texts each.
const ITEMS_MAX: u64 = 16 << 20;

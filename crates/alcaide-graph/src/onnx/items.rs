//! What a model is told as.

use std::ops::Range;

use super::LIST_MAX;
use super::schema::Message;
use crate::wire::Value;

/// One thing in a model.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// A node, after everything in it.
    Node {
        /// The node.
        node: &'a Node,
        /// Its bytes.
        bytes: Range<u64>,
    },
    /// An attribute of a node or a function, after everything in it.
    Attribute(&'a Attribute),
    /// A tensor.
    Tensor(&'a Tensor),
    /// A key with a value: metadata, or where a tensor's numbers lie.
    Entry {
        /// The kind of message, always an entry.
        within: Message,
        /// Key and value.
        entry: &'a Entry,
    },
    /// A set of operators that the model or a function uses.
    Import(&'a Import),
    /// Any text, also those that are part of the items above.
    Text {
        /// The message that it is in.
        message: Message,
        /// Its field.
        number: u32,
        /// What it is.
        text: &'a Text,
    },
    /// Bytes that were read as structure.
    Structure(Range<u64>),
    /// Bytes of numbers whose place and type are declared.
    Payload(Range<u64>),
    /// A field that the format does not have.
    Unknown {
        /// The message that it is in.
        message: Message,
        /// Its number.
        number: u32,
        /// Its bytes with the tag.
        bytes: Range<u64>,
    },
    /// Messages are nested deeper than loaders follow; told once.
    Deep {
        /// Where.
        at: u64,
    },
    /// A field that comes once came again: readers differ in which one they take.
    Twice {
        /// The message that it is in.
        message: Message,
        /// Its number.
        number: u32,
        /// Where it came again.
        at: u64,
    },
}

/// A node of a graph.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Node {
    /// Its name, often empty.
    pub name: String,
    /// What it does, such as `MatMul`.
    pub operator: String,
    /// Whose operator that is; empty for ONNX itself.
    pub domain: String,
    /// Names of what goes in, at most [`LIST_MAX`].
    pub inputs: Vec<String>,
}

/// An attribute.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// The number of its declared type; 0 where it is not declared.
    pub kind: u64,
    /// Its text, if it holds one.
    pub text: Option<Text>,
    /// How many single numbers it holds.
    pub scalars: u32,
}

/// A key with a value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Text,
    /// The value.
    pub value: Text,
    /// Whether it says where a tensor's numbers lie.
    pub external: bool,
}

/// A set of operators.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Import {
    /// Whose; empty for ONNX itself.
    pub domain: String,
    /// Which version.
    pub version: u64,
}

/// A text in the file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Text {
    /// Its place.
    pub bytes: Range<u64>,
    /// Its bytes, cut where they are more than [`TEXT_MAX`](super::TEXT_MAX).
    pub raw: Vec<u8>,
    /// Whether that is all.
    pub whole: bool,
}

impl Text {
    /// As text; bytes that are none are replaced.
    #[must_use]
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// What a tensor is there for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Role {
    /// A weight of a graph.
    #[default]
    Initializer,
    /// Part of a sparse tensor, whose sizes are not those of its parts.
    Sparse,
    /// A value of an attribute.
    Attribute,
}

/// The number of an element type.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DataType(pub u64);

impl DataType {
    /// Text elements.
    pub const STRING: Self = Self(8);

    /// Bits of one element; none for text and for what is not known.
    #[must_use]
    pub const fn bits(self) -> Option<u64> {
        Some(match self.0 {
            25 | 26 => 2,
            21..=23 => 4,
            2 | 3 | 9 | 17..=20 | 24 => 8,
            4 | 5 | 10 | 16 => 16,
            1 | 6 | 12 => 32,
            7 | 11 | 13 | 14 => 64,
            15 => 128,
            _ => return None,
        })
    }
}

/// How numbers of a tensor are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Raw,
    Fixed32,
    Fixed64,
    Varint,
    Text,
}

/// A tensor: its type, its sizes, and where its numbers lie.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// The type of its elements.
    pub data_type: DataType,
    /// Its sizes, at most [`LIST_MAX`]; as written, so that a negative one is huge.
    pub dims: Vec<u64>,
    /// Whether it has more sizes than that.
    pub dims_cut: bool,
    /// Its numbers, least significant byte first, if it has them so.
    pub raw: Option<Range<u64>>,
    /// Bytes of numbers in typed fields, packed.
    pub packed_bytes: u64,
    /// Numbers or texts in typed fields, one by one.
    pub single: u64,
    /// Bytes of one packed number; 0 where they are not of one size.
    pub packed_width: u64,
    /// Whether its numbers are said to lie in another file.
    pub external: bool,
    /// Keys and values of where that is.
    pub location: Vec<(String, String)>,
    /// Where it begins.
    pub start: u64,
}

impl Tensor {
    /// How many elements it declares; none if that is no number a machine can count to.
    #[must_use]
    pub fn elements(&self) -> Option<u64> {
        if self.dims_cut || self.dims.iter().any(|size| i64::try_from(*size).is_err()) {
            return None;
        }
        // A size of nought makes it nought only where the others are a number, too: loaders multiply in order.
        let of_others = self
            .dims
            .iter()
            .filter(|size| **size != 0)
            .try_fold(1_u64, |product, size| product.checked_mul(*size))?;
        i64::try_from(of_others).ok()?;
        Some(if self.dims.contains(&0) { 0 } else { of_others })
    }

    /// How many bytes its elements take; none for text, unknown types and what is past counting.
    #[must_use]
    pub fn declared_bytes(&self) -> Option<u64> {
        Some(self.elements()?.checked_mul(self.data_type.bits()?)?.div_ceil(8))
    }

    pub(super) fn size(&mut self, size: u64) {
        match self.dims.len() < LIST_MAX {
            true => self.dims.push(size),
            false => self.dims_cut = true,
        }
    }

    pub(super) fn take(&mut self, kind: Kind, value: &Value) {
        match (kind, value) {
            (Kind::Raw, Value::Range(bytes)) => self.raw = Some(bytes.clone()),
            (Kind::Text, _) => self.single += 1,
            (_, Value::Range(bytes)) => {
                self.packed_bytes += bytes.end.saturating_sub(bytes.start);
                self.packed_width = match kind {
                    Kind::Fixed32 => 4,
                    Kind::Fixed64 => 8,
                    _ => 0,
                };
            }
            _ => self.single += 1,
        }
    }
}

//! The header as it stands in the file: parsed, and written again to see that it has its one form. Nobody vouches for it.

use std::collections::HashSet;
use std::fmt;

use alcaide_container::Input;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::shown;
use super::{CryptoTensorsError, KEYS, MAX_HEADER_BYTES, MAX_TENSORS, SIGNATURE};
use crate::kept::fill;

/// A tensor as the header describes it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TensorInfo {
    /// What it is made of, such as `BF16`.
    pub dtype: String,
    /// Its dimensions; none for a single number.
    pub shape: Vec<u64>,
    /// Where its bytes begin and end, from the end of the header on.
    pub data_offsets: (u64, u64),
}

impl TensorInfo {
    /// How many bytes it has.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.data_offsets.1.saturating_sub(self.data_offsets.0)
    }

    /// The rule that it breaks, if one.
    pub(super) fn flaw(&self, begins: u64) -> Option<&'static str> {
        let (start, end) = self.data_offsets;
        if start != begins {
            return Some("it does not begin where the one before it ends");
        }
        let Some(bits) = bits(&self.dtype) else { return Some("its dtype is not known") };
        let size = self.shape.iter().try_fold(bits, |size, dimension| size.checked_mul(*dimension));
        let Some(size) = size else { return Some("its shape overflows") };
        if !size.is_multiple_of(8) || start.checked_add(size / 8) != Some(end) {
            return Some("its shape and its bytes do not agree");
        }
        None
    }
}

/// A header whose form was checked; who wrote it is not known.
#[derive(Debug)]
pub struct Header {
    pub(super) fields: Fields,
    /// Where in the file the data begins.
    pub(super) data_at: u64,
}

impl Header {
    /// Reads the header of a file; at most 64 MiB.
    ///
    /// # Errors
    /// [`CryptoTensorsError`].
    pub fn read(file: &dyn Input) -> Result<Self, CryptoTensorsError> {
        let there = file.len();
        let mut bytes = Vec::new();
        fill(file, 0, 8.min(there), &mut bytes)?;
        let size = <[u8; 8]>::try_from(bytes.as_slice()).map(u64::from_le_bytes);
        let size = size.map_err(|_| CryptoTensorsError::HeaderLength { bytes: 0, there })?;
        if size > MAX_HEADER_BYTES || size > there.saturating_sub(8) {
            return Err(CryptoTensorsError::HeaderLength { bytes: size, there });
        }
        let data_at = size.saturating_add(8);
        fill(file, 8, size, &mut bytes)?;
        // Writers pad with spaces; nothing else may follow the object.
        let text = bytes.unpadded();
        let fields: Fields =
            serde_json::from_slice(text).map_err(|error| CryptoTensorsError::form("header", &error))?;
        if fields.metadata.is_empty() {
            return Err(CryptoTensorsError::Missing { field: KEYS });
        }
        if fields.text(true)? != text {
            return Err(CryptoTensorsError::NotCanonical);
        }
        let mut begins = 0;
        for (name, info) in &fields.tensors {
            if let Some(why) = info.flaw(begins) {
                return Err(CryptoTensorsError::tensor(name, why));
            }
            begins = info.data_offsets.1;
        }
        if data_at.checked_add(begins) != Some(there) {
            let last = fields.tensors.last().map_or("", |(name, _)| name.as_str());
            return Err(CryptoTensorsError::tensor(last, "the data does not end where the file does"));
        }
        Ok(Self { fields, data_at })
    }
}

/// Metadata and tensors, in the order of the text.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) metadata: Vec<(String, String)>,
    pub(super) tensors: Vec<(String, TensorInfo)>,
}

impl Fields {
    /// A text of the metadata.
    pub(super) fn get(&self, field: &'static str) -> Result<&str, CryptoTensorsError> {
        let found = self.metadata.iter().find(|(name, _)| name == field);
        found.map(|(_, text)| text.as_str()).ok_or(CryptoTensorsError::Missing { field })
    }

    /// The one form of the header, with or without its signature; metadata must be in order already.
    pub(super) fn text(&self, signed: bool) -> Result<Vec<u8>, CryptoTensorsError> {
        let mut out = Vec::new();
        let mut writer = serde_json::Serializer::new(&mut out);
        let metadata = Sorted(&self.metadata, signed);
        let write = |map: &mut serde_json::Serializer<&mut Vec<u8>>| {
            let mut map = map.serialize_map(None)?;
            map.serialize_entry(METADATA, &metadata)?;
            for (name, info) in &self.tensors {
                map.serialize_entry(name, info)?;
            }
            map.end()
        };
        write(&mut writer).map_err(|error| CryptoTensorsError::form("header", &error))?;
        Ok(out)
    }
}

/// Metadata by name, as it is signed.
struct Sorted<'m>(&'m [(String, String)], bool);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sorted: Vec<&(String, String)> =
            self.0.iter().filter(|(name, _)| self.1 || name != SIGNATURE).collect();
        sorted.sort_unstable();
        serializer.collect_map(sorted.into_iter().map(|(name, text)| (name, text)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fill;
        impl<'de> Visitor<'de> for Fill {
            type Value = Fields;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut seen = HashSet::new();
                let mut fields = Fields { metadata: Vec::new(), tensors: Vec::new() };
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(format_args!("`{}` stands twice", shown(&name))));
                    }
                    if seen.len() > MAX_TENSORS {
                        return Err(de::Error::custom("there are too many tensors"));
                    }
                    if name == METADATA {
                        fields.metadata = map.next_value::<Pairs<String>>()?.0;
                    } else {
                        fields.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Fill)
    }
}

/// An object in the order of the text, in which no name stands twice.
pub(super) struct Pairs<V>(pub(super) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fill<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Fill<V> {
            type Value = Pairs<V>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
                let mut seen = HashSet::new();
                let mut pairs = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(format_args!("`{}` stands twice", shown(&name))));
                    }
                    if pairs.len() >= MAX_TENSORS {
                        return Err(de::Error::custom("there are too many names"));
                    }
                    pairs.push((name, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Fill(std::marker::PhantomData))
    }
}

/// Cuts padding off.
trait Padded {
    fn unpadded(&self) -> &[u8];
}

impl Padded for [u8] {
    fn unpadded(&self) -> &[u8] {
        let end = self.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last.saturating_add(1));
        self.get(..end).unwrap_or_default()
    }
}

/// Bits of one number.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

pub(super) const METADATA: &str = "__metadata__";

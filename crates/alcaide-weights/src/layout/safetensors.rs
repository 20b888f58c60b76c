//! safetensors: eight bytes of length, a JSON object, then the arrays.
//!
//! Source: the README of safetensors, and `tensor.rs` of its version 0.8.

use std::fmt;

use alcaide_container::Input;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Format, Layout, LayoutError, TENSORS_MAX, Tensor, checked, fill};
use crate::numbers::Dtype;

/// Longest header that is read here; the reference takes 100 MB. One of 100,000 tensors has some 15 MB.
const HEADER_MAX: u64 = 48 << 20;

pub(super) fn read(input: &dyn Input) -> Result<Layout, LayoutError> {
    let mut size = [0; 8];
    fill(input, 0, &mut size)?;
    let size = u64::from_le_bytes(size);
    let len = input.len();
    if size > len.saturating_sub(8) {
        return Err(LayoutError::Header { why: "its length is more than the file has".to_owned() });
    }
    if size > HEADER_MAX {
        return Err(LayoutError::TooMuch { what: "bytes of header", given: size, most: HEADER_MAX });
    }
    let mut text = vec![0; usize::try_from(size).unwrap_or_default()];
    fill(input, 8, &mut text)?;
    let mut reader = serde_json::Deserializer::from_slice(&text);
    let listed = Header
        .deserialize(&mut reader)
        .and_then(|listed| reader.end().map(|()| listed))
        .map_err(|error| LayoutError::Header { why: crate::cut(&error.to_string()) })?;
    if listed.encrypted {
        return Err(LayoutError::Encrypted);
    }
    let base = 8 + size;
    let tensors: Result<Vec<Tensor>, LayoutError> = listed
        .tensors
        .into_iter()
        .map(|(name, entry)| {
            let [start, end] = entry.data_offsets;
            // What overflows is past the end of any file.
            let place = base.saturating_add(start)..base.saturating_add(end);
            checked(name, entry.shape, Dtype::of_safetensors(&entry.dtype), place, len)
        })
        .collect();
    Layout::new(Format::Safetensors, tensors?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

#[derive(Default)]
struct Listed {
    tensors: Vec<(String, Entry)>,
    encrypted: bool,
}

struct Header;

impl<'de> DeserializeSeed<'de> for Header {
    type Value = Listed;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Listed, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header {
    type Value = Listed;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
        let mut listed = Listed::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                listed.encrypted |= map.next_value::<Metadata>()?.encrypted;
            } else if listed.tensors.len() < TENSORS_MAX {
                listed.tensors.push((name, map.next_value()?));
            } else {
                return Err(A::Error::custom("it lists too many tensors"));
            }
        }
        Ok(listed)
    }
}

struct Metadata {
    encrypted: bool,
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Metadata;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut encrypted = false;
                while let Some(key) = map.next_key::<String>()? {
                    encrypted |= matches!(key.as_str(), "__encryption__" | "__crypto_keys__");
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(Metadata { encrypted })
            }
        }
        from.deserialize_map(Keys)
    }
}

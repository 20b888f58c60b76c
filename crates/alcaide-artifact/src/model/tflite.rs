//! Judges TensorFlow Lite models: operators of somebody's own, and buffers that reach past the file.
//!
//! A FlatBuffer is walked by offsets: the operator codes and the buffers are read, the rest of the model stays opaque.
//!
//! Source: `schema.fbs` of TensorFlow 2.21, and FlatBuffers' "Internals" page.

use std::ops::Range;

use alcaide_container::Input;
use alcaide_graph::{Cursor, Fault};

use super::{content, rules};
use crate::coverage::Kind;
use crate::scanner::{Scanner, shown};

/// Whether `head` has the mark of TensorFlow Lite.
pub(super) fn is_tflite(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"TFL3")
}

/// Walks the model and judges its operators and buffers.
pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let mut buffer = Buffer { cursor: Cursor::new(input), scanner };
    buffer.cursor.seek(0);
    let root = buffer.cursor.le(4)?;
    buffer.scanner.cover(0..8, Kind::Parsed);
    for at in buffer.tables(root, 1)? {
        let Some(name) = buffer.field(at, 1)? else { continue };
        let (text, _) = buffer.text(name)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.is_empty() {
            continue;
        }
        // `Flex` runs an operator of TensorFlow itself.
        let reaches = text.strip_prefix("Flex").is_some_and(super::tensorflow::reaches);
        let told = format!("operator `{}`", shown(&text));
        if reaches {
            buffer.scanner.find(&rules::TF_FILE, Some(at), None, told);
        } else if text.starts_with("Flex") || KNOWN.contains(&text.as_str()) {
            buffer.scanner.doubt(&rules::TF_UNKNOWN, Some(at), told);
        } else {
            buffer.scanner.find(&rules::CUSTOM_OPERATOR, Some(at), None, told);
        }
    }
    for at in buffer.tables(root, 4)? {
        if let Some(data) = buffer.field(at, 0)? {
            let start = buffer.follow(data)?;
            buffer.cursor.seek(start);
            let size = buffer.cursor.le(4)?;
            buffer.payload(start + 4..start.saturating_add(4 + size))?;
        }
        // Data behind the FlatBuffer, for models past 2 GB.
        if let (Some(place), Some(size)) = (buffer.field(at, 1)?, buffer.field(at, 2)?) {
            buffer.cursor.seek(place);
            let start = buffer.cursor.le(8)?;
            buffer.cursor.seek(size);
            let size = buffer.cursor.le(8)?;
            if start > 1 {
                buffer.payload(start..start.saturating_add(size))?;
            }
        }
    }
    Ok(())
}

/// Operators of common libraries beside the runtime.
const KNOWN: &[&str] = &[
    "TFLite_Detection_PostProcess",
    "Convolution2DTransposeBias",
    "MaxPoolingWithArgmax2D",
    "MaxUnpooling2D",
    "AudioSpectrogram",
    "Mfcc",
];

/// Entries of a list that are read.
const ENTRIES_MAX: u64 = 1_000_000;

struct Buffer<'a> {
    cursor: Cursor<'a>,
    scanner: &'a mut Scanner,
}

impl Buffer<'_> {
    /// Where field `id` of the table at `table` stands; none if it has its default.
    fn field(&mut self, table: u64, id: u64) -> Result<Option<u64>, Fault> {
        self.scanner.fuel().step(1)?;
        self.cursor.seek(table);
        let back = i64::from(u32::from_le_bytes(self.cursor.array()?).cast_signed());
        let Some(entries) = table.checked_add_signed(back.wrapping_neg()) else {
            return Err(Fault::Malformed { at: table, why: "a table without its entries" });
        };
        self.cursor.seek(entries);
        let size = self.cursor.le(2)?;
        if 6 + 2 * id > size {
            return Ok(None);
        }
        self.cursor.seek(entries.saturating_add(4 + 2 * id));
        let offset = self.cursor.le(2)?;
        Ok((offset > 0).then(|| table.saturating_add(offset)))
    }

    /// Where the offset at `at` leads.
    fn follow(&mut self, at: u64) -> Result<u64, Fault> {
        self.cursor.seek(at);
        let to = at.saturating_add(self.cursor.le(4)?);
        match to < self.cursor.len() {
            true => Ok(to),
            false => Err(Fault::Malformed { at, why: "an offset leads past the file" }),
        }
    }

    /// The tables of the list in field `id`.
    fn tables(&mut self, table: u64, id: u64) -> Result<Vec<u64>, Fault> {
        let Some(field) = self.field(table, id)? else { return Ok(Vec::new()) };
        let list = self.follow(field)?;
        self.cursor.seek(list);
        let count = self.cursor.le(4)?;
        if count.saturating_mul(4) > self.cursor.left() || count > ENTRIES_MAX {
            return Err(Fault::Malformed { at: list, why: "a list reaches past the file" });
        }
        self.scanner.cover(list..list + 4 + 4 * count, Kind::Parsed);
        (0..count).map(|at| self.follow(list + 4 + 4 * at)).collect()
    }

    fn text(&mut self, field: u64) -> Result<(Vec<u8>, bool), Fault> {
        let start = self.follow(field)?;
        self.cursor.seek(start);
        let size = self.cursor.le(4)?;
        let bytes = start + 4..start.saturating_add(4 + size);
        if bytes.end > self.cursor.len() {
            return Err(Fault::Malformed { at: start, why: "a text reaches past the file" });
        }
        self.scanner.cover(start..bytes.end, Kind::Parsed);
        self.cursor.bytes(&bytes, 4_096)
    }

    fn payload(&mut self, bytes: Range<u64>) -> Result<(), Fault> {
        if bytes.end > self.cursor.len() {
            return Err(Fault::Malformed { at: bytes.start, why: "a buffer reaches past the file" });
        }
        let (head, _) = self.cursor.bytes(&bytes, 1_024)?;
        if head.len() >= 64
            && let Some(what) = content::executable(&head)
        {
            self.scanner.find(&rules::EXECUTABLE_WITHIN, Some(bytes.start), None, what);
        }
        self.scanner.cover(bytes, Kind::Payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::Verdict;
    use crate::model::testing::{report, rules};

    /// A model with one operator code and one buffer of `claimed` bytes.
    fn model(operator: &str, claimed: u32) -> Vec<u8> {
        let mut out = vec![0; 8];
        out[4..8].copy_from_slice(b"TFL3");
        let u16s = |values: &[u16]| values.iter().flat_map(|one| one.to_le_bytes()).collect::<Vec<u8>>();
        let u32s = |values: &[u32]| values.iter().flat_map(|one| one.to_le_bytes()).collect::<Vec<u8>>();
        // Entries of the model: five fields, of which 1 and 4 are there.
        out.extend(u16s(&[14, 12, 0, 4, 0, 0, 8, 0]));
        let root = out.len() as u32;
        out[..4].copy_from_slice(&root.to_le_bytes());
        out.extend(u32s(&[root - 8, 0, 0]));
        let codes = out.len() as u32;
        out[root as usize + 4..root as usize + 8].copy_from_slice(&(codes - root - 4).to_le_bytes());
        out.extend(u32s(&[1, 12]));
        out.extend(u16s(&[8, 8, 0, 4]));
        let code = out.len() as u32;
        out.extend(u32s(&[8, 4, operator.len() as u32]));
        assert_eq!(code, codes + 16);
        out.extend(operator.as_bytes());
        out.extend(vec![0; 4 - operator.len() % 4]);
        let buffers = out.len() as u32;
        out[root as usize + 8..root as usize + 12].copy_from_slice(&(buffers - root - 8).to_le_bytes());
        out.extend(u32s(&[1, 12]));
        out.extend(u16s(&[6, 8, 4, 0]));
        out.extend(u32s(&[8, 4, claimed]));
        out.extend([1; 16]);
        out
    }

    #[test]
    fn operators_and_buffers_are_judged() {
        let plain = report("m.tflite", &model("FlexRelu", 16));
        assert_eq!(
            (plain.parts[0].format.as_ref(), plain.verdict),
            ("tflite", Verdict::Inconclusive),
            "{plain:?}"
        );
        assert_eq!((rules(&plain).len(), plain.parts[0].coverage.payload), (0, 16));
        assert_eq!(rules(&report("m", &model("FlexReadFile", 16))), ["tensorflow-file"]);
        assert_eq!(rules(&report("m", &model("SomebodysOp", 16))), ["custom-operator"]);
        assert_eq!(rules(&report("m", &model("FlexRelu", 17))), ["structure-broken"]);
    }

    proptest! {
        #[test]
        fn a_changed_model_ends_without_a_panic(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut bytes = model("Op", 16);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            report("m.tflite", &bytes);
        }
    }
}

//! Judges HDF5 files: Keras's models and weights, and anything else that is written so.
//!
//! From the superblock over object headers to groups, attributes and data, old and new forms alike, with a list of places
//! that were seen and a list of places to go, never by recursion. Configurations in attributes are judged as Keras's;
//! links and data that lie in other files are findings. What is not read stays opaque, except for zeros that belong to
//! nothing.
//!
//! Source: "HDF5 File Format Specification", version 3.0, the sections named at each structure.

mod data;
mod dense;
mod format;
mod groups;

use std::collections::HashSet;
use std::ops::Range;

use alcaide_container::Input;
use alcaide_graph::{Cursor, Fault};

use self::format::{Message, Sizes};
use super::{content, keras, rules};
use crate::coverage::Kind;
use crate::scanner::{Scanner, shown};

/// Whether `head` begins with the mark of HDF5; behind a user block only the whole input shows it.
pub(super) fn is_hdf5(head: &[u8], input: &dyn Input) -> bool {
    head.starts_with(format::MARK) || format::superblock_at(input).is_some()
}

/// Walks the file and judges each part of it.
pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let mut file = File {
        scanner,
        input,
        cursor: Cursor::new(input),
        sizes: Sizes { base: 0, offset: 8, length: 8, leaf_k: 4, internal_k: 16, chunk_k: 32 },
        seen: HashSet::new(),
        ahead: Vec::new(),
        collections: HashSet::new(),
    };
    let ended = file.run();
    if let Err(Fault::Malformed { at, why }) = ended {
        // The library refuses what is broken; what it would still read, nobody knows.
        file.scanner.doubt(&rules::HDF5_UNKNOWN, Some(at), why);
    }
    file.zeros()?;
    match ended {
        Err(Fault::Malformed { .. }) => Ok(()),
        other => other,
    }
}

struct File<'a> {
    scanner: &'a mut Scanner,
    input: &'a dyn Input,
    cursor: Cursor<'a>,
    sizes: Sizes,
    /// Structures that were read, by address.
    seen: HashSet<u64>,
    /// Objects to be read, with their paths.
    ahead: Vec<(u64, String)>,
    /// Collections of the global heap that were covered.
    collections: HashSet<u64>,
}

/// What one object header says, as far as it is needed together.
#[derive(Default)]
struct Object {
    data_type: Option<data::Type>,
    space: Option<data::Space>,
    layout: Option<Range<u64>>,
    filtered: bool,
}

const PATH_MAX: usize = 400;

impl File<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let root = self.superblock()?;
        self.go(root, String::new());
        while let Some((address, path)) = self.ahead.pop() {
            self.object(address, &path)?;
        }
        Ok(())
    }

    /// Notes an object to be read, once.
    fn go(&mut self, address: u64, path: String) {
        if address != format::UNDEFINED && self.seen.insert(address) {
            self.ahead.push((address, path.chars().take(PATH_MAX).collect()));
        }
    }

    fn parsed(&mut self, bytes: Range<u64>) {
        self.scanner.cover(bytes, Kind::Parsed);
    }

    fn object(&mut self, address: u64, path: &str) -> Result<(), Fault> {
        let messages = self.messages(address)?;
        let mut object = Object::default();
        for message in messages {
            self.scanner.fuel().step(1)?;
            self.message(&message, path, &mut object)?;
        }
        self.data(&object, path)
    }

    fn message(&mut self, message: &Message, path: &str, object: &mut Object) -> Result<(), Fault> {
        let bytes = message.bytes.clone();
        if message.shared {
            // The content stands elsewhere: a type that has a name, or a table of messages in common.
            if message.kind != 3 {
                self.scanner.doubt(&rules::HDF5_UNKNOWN, Some(bytes.start), "a message that is shared");
            }
            self.cursor.seek(bytes.start);
            let [version, kind] = self.cursor.array()?;
            if message.kind == 3 && (version == 3 && kind == 2 || version == 2) {
                let address = self.address()?;
                self.go(address, format!("{path}/type"));
            }
            return Ok(());
        }
        match message.kind {
            0x01 => object.space = Some(self.space(&bytes)?),
            0x03 => object.data_type = Some(self.data_type(&bytes)?),
            0x02 => self.link_info(&bytes, path)?,
            0x06 => self.link(&bytes, path)?,
            0x07 => self.external_files(&bytes, path)?,
            0x08 => object.layout = Some(bytes),
            0x0b => {
                object.filtered = true;
                self.filters(&bytes, path)?;
            }
            0x0c => self.attribute(&bytes, path)?,
            0x11 => self.symbol_table(&bytes, path)?,
            0x15 => self.attribute_info(&bytes, path)?,
            0x0f | 0x14 | 0x17 => {
                self.scanner.doubt(
                    &rules::HDF5_UNKNOWN,
                    Some(bytes.start),
                    format!("a message of kind {}", message.kind),
                );
            }
            // Nothing, fill values, group settings, comments, times, counts.
            0x00 | 0x04 | 0x05 | 0x0a | 0x0d | 0x0e | 0x10 | 0x12 | 0x13 | 0x16 => {}
            other => self.scanner.doubt(
                &rules::HDF5_UNKNOWN,
                Some(bytes.start),
                format!("a message of kind {other}"),
            ),
        }
        Ok(())
    }

    /// Judges a text of an attribute.
    fn attribute_text(&mut self, text: &[u8], at: u64, path: &str, name: &str) -> Result<(), Fault> {
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        let text: &[u8] = match text.iter().rposition(|one| *one != 0) {
            Some(last) => text.get(..=last).unwrap_or(text),
            None => return Ok(()),
        };
        let pointer = format!("{}@{}", shown(path), shown(name));
        let first = text.iter().find(|one| !one.is_ascii_whitespace());
        let configuration = name.ends_with("_config") || name == "config" || name == "optimizer";
        if matches!(first, Some(b'{' | b'['))
            && (configuration || content::holds(text, b"class_name") || content::holds(text, b"\"module\""))
        {
            return keras::judge_text(self.scanner, text, at, &pointer);
        }
        if let Some(what) = content::code(text) {
            self.scanner.find(&rules::CODE_IN_TEXT, Some(at), Some(&pointer), what);
        }
        Ok(())
    }

    /// Covers what nothing refers to, where it is nothing but zeros.
    fn zeros(&mut self) -> Result<(), Fault> {
        for gap in self.scanner.uncovered(GAPS_MAX) {
            let mut at = gap.start;
            while at < gap.end {
                self.scanner.fuel().step(1)?;
                let end = gap.end.min(at.saturating_add(64 << 10));
                let (bytes, _) = self.cursor.bytes(&(at..end), 64 << 10)?;
                if bytes.is_empty() || bytes.iter().any(|one| *one != 0) {
                    break;
                }
                at = end;
            }
            if at == gap.end {
                self.parsed(gap);
            }
        }
        Ok(())
    }
}

const GAPS_MAX: usize = 10_000;

#[cfg(test)]
mod tests;

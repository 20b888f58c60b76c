//! Types, spaces, attributes, and where data lies.

use std::ops::Range;

use alcaide_graph::Fault;

use super::format::UNDEFINED;
use super::{File, Object, rules};
use crate::coverage::Kind;
use crate::scanner::shown;

/// A datatype, as far as it matters where texts are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Type {
    class: u8,
    /// Whether elements are references into the global heap.
    pub(super) variable: bool,
    text: bool,
    size: u64,
}

/// A dataspace: how many elements.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Space {
    elements: Option<u64>,
}

/// Texts of one attribute or dataset that are looked at.
const TEXTS_MAX: u64 = 100_000;
/// Bytes of one text that are looked at.
const TEXT_MAX: usize = 16 << 20;
const LEVELS_MAX: u8 = 32;

impl File<'_> {
    /// Source: section IV.A.2.d.
    pub(super) fn data_type(&mut self, bytes: &Range<u64>) -> Result<Type, Fault> {
        self.cursor.seek(bytes.start);
        let [kind, bits, _, _] = self.cursor.array()?;
        let size = self.cursor.le(4)?;
        let class = kind & 0x0f;
        Ok(Type { class, variable: class == 9, text: class == 3 || (class == 9 && bits & 0x0f == 1), size })
    }

    /// Source: section IV.A.2.b.
    pub(super) fn space(&mut self, bytes: &Range<u64>) -> Result<Space, Fault> {
        self.cursor.seek(bytes.start);
        let [version, rank, _] = self.cursor.array()?;
        let null = match version {
            1 => {
                self.cursor.array::<5>()?;
                false
            }
            _ => self.cursor.array::<1>()? == [2],
        };
        let mut elements = Some(u64::from(!null));
        for _ in 0..rank {
            let size = self.length()?;
            elements = elements.and_then(|product| product.checked_mul(size));
        }
        Ok(Space { elements })
    }

    /// Source: section IV.A.2.m.
    pub(super) fn attribute(&mut self, bytes: &Range<u64>, path: &str) -> Result<(), Fault> {
        self.cursor.seek(bytes.start);
        let [version, flags] = self.cursor.array()?;
        if !(1..=3).contains(&version) {
            return Err(Fault::Malformed { at: bytes.start, why: "an attribute of an unknown version" });
        }
        let (name, kind, space) = (self.cursor.le(2)?, self.cursor.le(2)?, self.cursor.le(2)?);
        if version == 3 {
            self.cursor.le(1)?;
        }
        let pad = |size: u64| if version == 1 { size.next_multiple_of(8) } else { size };
        let start = self.cursor.at();
        let kind_at = start + pad(name);
        let space_at = kind_at + pad(kind);
        let data = space_at + pad(space)..bytes.end;
        if data.start > bytes.end {
            return Err(Fault::Malformed { at: bytes.start, why: "an attribute reaches past its message" });
        }
        let (name, _) = self.cursor.bytes(&(start..start + name), 4_096)?;
        let name =
            String::from_utf8_lossy(name.split(|one| *one == 0).next().unwrap_or_default()).into_owned();
        if version > 1 && flags & 3 != 0 {
            let evidence = format!("an attribute `{}` whose type stands elsewhere", shown(&name));
            self.scanner.doubt(&rules::HDF5_UNKNOWN, Some(bytes.start), evidence);
            return Ok(());
        }
        let kind = self.data_type(&(kind_at..space_at))?;
        let space = self.space(&(space_at..data.start))?;
        self.texts(kind, space, &data, path, &name)
    }

    /// Looks at the texts in `data`.
    fn texts(
        &mut self,
        kind: Type,
        space: Space,
        data: &Range<u64>,
        path: &str,
        name: &str,
    ) -> Result<(), Fault> {
        let Some(elements) = space.elements else {
            let pointer = format!("{}@{}", shown(path), shown(name));
            self.scanner.find(&rules::SIZE_OVERFLOW, Some(data.start), Some(&pointer), "sizes past counting");
            return Ok(());
        };
        let width = match kind.variable {
            true => 8 + u64::from(self.sizes.offset),
            false => kind.size,
        };
        if !(kind.text || kind.variable) || width == 0 {
            // A type made of others may still hold texts; they are numbers to whoever reads them here.
            return Ok(());
        }
        let fit = (data.end - data.start) / width;
        for at in 0..elements.min(fit).min(TEXTS_MAX) {
            self.scanner.fuel().step(1)?;
            let start = data.start + at * width;
            let bytes = match kind.variable {
                false => start..start + width,
                true => {
                    self.cursor.seek(start);
                    let length = self.cursor.le(4)?;
                    let collection = self.address()?;
                    let index = self.cursor.le(4)?;
                    if length == 0 || collection == UNDEFINED || index == 0 {
                        continue;
                    }
                    match self.heap_object(collection, index)? {
                        Some(object) => object,
                        None => continue,
                    }
                }
            };
            if kind.text {
                let (text, whole) = self.cursor.bytes(&bytes, TEXT_MAX)?;
                if !whole {
                    self.scanner.doubt(&rules::HDF5_UNKNOWN, Some(bytes.start), "a text that is too large");
                }
                self.attribute_text(&text, bytes.start, path, name)?;
            }
        }
        Ok(())
    }

    /// An object of the global heap; its collection is covered with it.
    ///
    /// Source: section III.E.
    pub(super) fn heap_object(&mut self, collection: u64, index: u64) -> Result<Option<Range<u64>>, Fault> {
        self.marked(collection, b"GCOL")?;
        self.cursor.le(4)?;
        let size = self.length()?;
        let all = collection..collection.saturating_add(size);
        self.within(&all)?;
        if self.collections.insert(collection) {
            self.parsed(all.clone());
        }
        let header = 8 + u64::from(self.sizes.length);
        let mut at = self.cursor.at();
        while at.saturating_add(header) <= all.end {
            self.scanner.fuel().step(1)?;
            self.cursor.seek(at);
            let found = self.cursor.le(2)?;
            self.cursor.le(2)?;
            self.cursor.le(4)?;
            let size = self.length()?;
            let start = at + header;
            if found == index {
                let object = start..start.saturating_add(size);
                self.within(&object)?;
                return Ok(Some(object));
            }
            if found == 0 {
                break;
            }
            at = start.saturating_add(size.checked_next_multiple_of(8).unwrap_or(u64::MAX));
        }
        Ok(None)
    }

    /// Covers the data of an object, wherever its layout says that it lies.
    ///
    /// Source: section IV.A.2.i.
    pub(super) fn data(&mut self, object: &Object, path: &str) -> Result<(), Fault> {
        let Some(layout) = object.layout.clone() else { return Ok(()) };
        self.cursor.seek(layout.start);
        let [version] = self.cursor.array()?;
        let (class, old_rank) = match version {
            1 | 2 => {
                let [rank, class] = self.cursor.array()?;
                self.cursor.array::<5>()?;
                (class, Some(rank))
            }
            3..=5 => (self.cursor.array::<1>()?[0], None),
            _ => return Err(Fault::Malformed { at: layout.start, why: "a layout of an unknown version" }),
        };
        let bytes = match (class, old_rank) {
            (0, Some(rank)) => {
                for _ in 0..rank {
                    self.cursor.le(4)?;
                }
                let size = self.cursor.le(4)?;
                let at = self.cursor.at();
                at..at.saturating_add(size).min(layout.end)
            }
            (0, None) => {
                let size = self.cursor.le(2)?;
                let at = self.cursor.at();
                at..at.saturating_add(size).min(layout.end)
            }
            (1, rank) => {
                let start = self.address()?;
                let size = match rank {
                    None => self.length()?,
                    Some(_) => {
                        let elements = object.space.and_then(|space| space.elements).unwrap_or_default();
                        elements.saturating_mul(object.data_type.map_or(0, |kind| kind.size))
                    }
                };
                if start == UNDEFINED || size == 0 {
                    return Ok(());
                }
                start..start.saturating_add(size)
            }
            (2, Some(rank)) => {
                let tree = self.address()?;
                return self.chunks(tree, u64::from(rank));
            }
            (2, None) if version == 3 => {
                let [rank] = self.cursor.array()?;
                let tree = self.address()?;
                return self.chunks(tree, u64::from(rank));
            }
            (2, None) => return self.chunks_new(object, &layout),
            (3, None) => return self.virtual_data(&layout, path),
            _ => return Err(Fault::Malformed { at: layout.start, why: "a layout of an unknown kind" }),
        };
        self.check_size(object, &bytes, path);
        self.within(&bytes)?;
        let head = self.cursor.bytes(&bytes, 1_024)?.0;
        if head.len() >= 64
            && let Some(what) = super::content::executable(&head)
        {
            self.scanner.find(&rules::EXECUTABLE_WITHIN, Some(bytes.start), Some(path), what);
        }
        self.scanner.cover(bytes.clone(), Kind::Payload);
        if let (Some(kind), Some(space)) = (object.data_type, object.space)
            && (kind.variable || kind.text)
        {
            self.texts(kind, space, &bytes, path, "")?;
        }
        Ok(())
    }

    fn check_size(&mut self, object: &Object, bytes: &Range<u64>, path: &str) {
        let (Some(kind), Some(space)) = (object.data_type, object.space) else { return };
        match space.elements.and_then(|elements| elements.checked_mul(kind.size)) {
            None => {
                self.scanner.find(
                    &rules::SIZE_OVERFLOW,
                    Some(bytes.start),
                    Some(path),
                    "sizes past counting",
                );
            }
            Some(needed) if needed > bytes.end - bytes.start && !object.filtered => {
                let evidence = format!("{needed} bytes are declared and {} there", bytes.end - bytes.start);
                self.scanner.find(&rules::LENGTH_MISMATCH, Some(bytes.start), Some(path), evidence);
            }
            Some(_) => {}
        }
    }

    /// Chunks in an old tree.
    fn chunks(&mut self, tree: u64, rank: u64) -> Result<(), Fault> {
        let mut nodes = vec![(tree, LEVELS_MAX)];
        while let Some((address, above)) = nodes.pop() {
            if address == UNDEFINED || !self.seen.insert(address) {
                continue;
            }
            let (level, used) = self.tree_node(address, 1)?;
            if level >= above {
                return Err(Fault::Malformed { at: address, why: "a tree whose levels do not go down" });
            }
            // A key is a size, a mask and one place more than there are dimensions of elements.
            let key = 8 + 8 * rank;
            let head = 8 + 2 * u64::from(self.sizes.offset);
            let pair = key + u64::from(self.sizes.offset);
            let wide = 2 * self.sizes.chunk_k;
            self.parsed(address..address.saturating_add(head + wide.max(used) * pair + key));
            for at in 0..used {
                self.scanner.fuel().step(1)?;
                self.cursor.seek(address + head + at * pair);
                let size = self.cursor.le(4)?;
                self.cursor.seek(address + head + at * pair + key);
                let child = self.address()?;
                match level {
                    0 if child != UNDEFINED => {
                        let chunk = child..child.saturating_add(size);
                        self.within(&chunk)?;
                        self.scanner.cover(chunk, Kind::Payload);
                    }
                    0 => {}
                    _ => nodes.push((child, level)),
                }
            }
        }
        Ok(())
    }

    /// Chunks as newer versions list them: one alone, or one behind the other; other lists are not read.
    fn chunks_new(&mut self, object: &Object, layout: &Range<u64>) -> Result<(), Fault> {
        let [flags, rank, width] = self.cursor.array()?;
        let mut chunk_bytes = Some(1_u64);
        for _ in 0..rank {
            let size = self.cursor.le(width.min(8))?;
            chunk_bytes = chunk_bytes.and_then(|product| product.checked_mul(size));
        }
        let [index] = self.cursor.array()?;
        let all = object.space.and_then(|space| space.elements);
        let bytes = match index {
            1 => {
                let size = match flags & 2 != 0 {
                    true => {
                        let size = self.length()?;
                        self.cursor.le(4)?;
                        Some(size)
                    }
                    false => chunk_bytes,
                };
                let start = self.address()?;
                size.map(|size| start..start.saturating_add(size))
            }
            2 => {
                let start = self.address()?;
                let needed =
                    all.and_then(|all| all.checked_mul(object.data_type.map_or(0, |kind| kind.size)));
                needed.map(|size| start..start.saturating_add(size))
            }
            _ => None,
        };
        match bytes {
            Some(bytes) if bytes.start == UNDEFINED => Ok(()),
            Some(bytes) => {
                self.within(&bytes)?;
                self.scanner.cover(bytes, Kind::Payload);
                Ok(())
            }
            None => {
                self.scanner.doubt(
                    &rules::HDF5_UNKNOWN,
                    Some(layout.start),
                    "a list of chunks that is not read",
                );
                Ok(())
            }
        }
    }

    /// Data that is put together from other datasets, here or in other files.
    ///
    /// Source: section IV.A.2.i, "Virtual Storage", and appendix C on its global heap block.
    fn virtual_data(&mut self, layout: &Range<u64>, path: &str) -> Result<(), Fault> {
        let heap = self.address()?;
        let index = self.cursor.le(4)?;
        if heap == UNDEFINED {
            return Ok(());
        }
        let Some(block) = self.heap_object(heap, index)? else { return Ok(()) };
        let names = block.start + 1 + u64::from(self.sizes.length)..block.end;
        let (bytes, _) = self.cursor.bytes(&names, 4_096)?;
        let file =
            String::from_utf8_lossy(bytes.split(|one| *one == 0).next().unwrap_or_default()).into_owned();
        match file == "." {
            true => self.scanner.doubt(
                &rules::HDF5_UNKNOWN,
                Some(layout.start),
                "data put together from other data",
            ),
            false => {
                let evidence = format!("data put together from the file `{}`", shown(&file));
                self.scanner.find(&rules::HDF5_EXTERNAL, Some(layout.start), Some(path), evidence);
            }
        }
        Ok(())
    }
}

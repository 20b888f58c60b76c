//! Groups and the links in them: symbol tables, link messages, and filters and files that data needs.

use std::ops::Range;

use alcaide_graph::Fault;

use super::format::UNDEFINED;
use super::{File, rules};
use crate::scanner::shown;

/// Levels of an old tree; addresses of 64 bits allow no more that are of use.
const LEVELS_MAX: u8 = 32;
const NAME_MAX: usize = 4_096;

impl File<'_> {
    /// The old form of a group: a tree of tables, names in a heap.
    ///
    /// Source: sections III.A.1, III.B and III.D.
    pub(super) fn symbol_table(&mut self, bytes: &Range<u64>, path: &str) -> Result<(), Fault> {
        self.cursor.seek(bytes.start);
        let tree = self.address()?;
        let heap = self.address()?;
        let names = self.local_heap(heap)?;
        let mut nodes = vec![(tree, LEVELS_MAX)];
        while let Some((address, above)) = nodes.pop() {
            if address == UNDEFINED || !self.seen.insert(address) {
                continue;
            }
            self.scanner.fuel().step(1)?;
            self.cursor.seek(address);
            if self.cursor.peek()? == Some(b'S') {
                self.symbols(address, &names, path)?;
                continue;
            }
            let (level, used) = self.tree_node(address, 0)?;
            if level >= above {
                return Err(Fault::Malformed { at: address, why: "a tree whose levels do not go down" });
            }
            for _ in 0..used {
                self.length()?;
                nodes.push((self.address()?, level));
            }
            let wide = 2 * self.sizes.internal_k;
            let pair = u64::from(self.sizes.length) + u64::from(self.sizes.offset);
            let head = 8 + 2 * u64::from(self.sizes.offset);
            let end = address + head + wide * pair + u64::from(self.sizes.length);
            self.parsed(address..end);
        }
        Ok(())
    }

    /// Head of a node of a version 1 tree: its level and how many children it has.
    pub(super) fn tree_node(&mut self, address: u64, kind: u8) -> Result<(u8, u64), Fault> {
        self.marked(address, b"TREE")?;
        let [found, level] = self.cursor.array()?;
        if found != kind {
            return Err(Fault::Malformed { at: address, why: "a tree of another kind" });
        }
        let used = self.cursor.le(2)?;
        self.address()?;
        self.address()?;
        Ok((level, used))
    }

    /// The bytes of a local heap's names.
    fn local_heap(&mut self, address: u64) -> Result<Range<u64>, Fault> {
        self.marked(address, b"HEAP")?;
        self.cursor.le(4)?;
        let size = self.length()?;
        self.length()?;
        let start = self.address()?;
        let end = self.cursor.at();
        self.parsed(address..end);
        let names = start..start.saturating_add(size);
        self.within(&names)?;
        self.parsed(names.clone());
        Ok(names)
    }

    fn heap_text(&mut self, heap: &Range<u64>, offset: u64) -> Result<String, Fault> {
        let start = heap.start.saturating_add(offset);
        if start >= heap.end {
            return Err(Fault::Malformed { at: heap.start, why: "a name beyond its heap" });
        }
        let (bytes, _) = self.cursor.bytes(&(start..heap.end), NAME_MAX)?;
        let name = bytes.split(|one| *one == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    fn symbols(&mut self, address: u64, names: &Range<u64>, path: &str) -> Result<(), Fault> {
        self.marked(address, b"SNOD")?;
        self.cursor.le(2)?;
        let count = self.cursor.le(2)?;
        let entry = 2 * u64::from(self.sizes.offset) + 24;
        self.parsed(address..address.saturating_add(8 + 2 * self.sizes.leaf_k * entry));
        for at in 0..count {
            self.scanner.fuel().step(1)?;
            self.cursor.seek(address + 8 + at * entry);
            let name = self.cursor.le(self.sizes.offset)?;
            let object = self.address()?;
            let cached = self.cursor.le(4)?;
            let name = self.heap_text(names, name)?;
            // A soft link names a path in this file; following it leads to what is read anyway.
            if cached != 2 {
                self.go(object, format!("{path}/{name}"));
            }
        }
        Ok(())
    }

    /// A link as a message, alone or from a heap.
    ///
    /// Source: section IV.A.2.g.
    pub(super) fn link(&mut self, bytes: &Range<u64>, path: &str) -> Result<(), Fault> {
        self.cursor.seek(bytes.start);
        let [version, flags] = self.cursor.array()?;
        if version != 1 {
            return Err(Fault::Malformed { at: bytes.start, why: "a link of an unknown version" });
        }
        let kind = match flags & 8 != 0 {
            true => self.cursor.array::<1>()?[0],
            false => 0,
        };
        if flags & 4 != 0 {
            self.cursor.le(8)?;
        }
        if flags & 0x10 != 0 {
            self.cursor.le(1)?;
        }
        let length = self.cursor.le(1 << (flags & 3))?;
        let start = self.cursor.at();
        let end = start.saturating_add(length);
        if end > bytes.end {
            return Err(Fault::Malformed { at: bytes.start, why: "a link whose name reaches past it" });
        }
        let (name, _) = self.cursor.bytes(&(start..end), NAME_MAX)?;
        let name = format!("{path}/{}", String::from_utf8_lossy(&name));
        self.cursor.seek(end);
        match kind {
            0 => {
                let object = self.address()?;
                self.go(object, name);
            }
            1 => {}
            64 => {
                let length = self.cursor.le(2)?;
                let at = self.cursor.at();
                let (value, _) = self.cursor.bytes(&(at + 1..at.saturating_add(length)), NAME_MAX)?;
                let mut parts = value.split(|one| *one == 0);
                let file = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                let evidence = format!("a link into the file `{}`", shown(&file));
                self.scanner.find(&rules::HDF5_EXTERNAL, Some(at), Some(&name), evidence);
            }
            other => {
                let evidence = format!("a link of kind {other}, which a program of somebody's own resolves");
                self.scanner.find(&rules::HDF5_EXTERNAL, Some(bytes.start), Some(&name), evidence);
            }
        }
        Ok(())
    }

    /// Data in other files.
    ///
    /// Source: section IV.A.2.h.
    pub(super) fn external_files(&mut self, bytes: &Range<u64>, path: &str) -> Result<(), Fault> {
        self.cursor.seek(bytes.start);
        self.cursor.le(4)?;
        self.cursor.le(2)?;
        let used = self.cursor.le(2)?;
        let heap = self.address()?;
        let slots = self.cursor.at();
        let names = self.local_heap(heap)?;
        for at in 0..used {
            self.scanner.fuel().step(1)?;
            let slot = slots + at * 3 * u64::from(self.sizes.length);
            if slot >= bytes.end {
                break;
            }
            self.cursor.seek(slot);
            let name = self.length()?;
            let name = self.heap_text(&names, name)?;
            let evidence = format!("data in the file `{}`", shown(&name));
            self.scanner.find(&rules::HDF5_EXTERNAL, Some(slot), Some(path), evidence);
        }
        Ok(())
    }

    /// Filters that data goes through; those that the library does not have come from plug-ins.
    ///
    /// Source: section IV.A.2.l.
    pub(super) fn filters(&mut self, bytes: &Range<u64>, path: &str) -> Result<(), Fault> {
        self.cursor.seek(bytes.start);
        let [version, count] = self.cursor.array()?;
        if version == 1 {
            self.cursor.array::<6>()?;
        }
        for _ in 0..count {
            self.scanner.fuel().step(1)?;
            let id = self.cursor.le(2)?;
            let name = match version == 1 || id >= 256 {
                true => self.cursor.le(2)?,
                false => 0,
            };
            self.cursor.le(2)?;
            let values = self.cursor.le(2)?;
            let padded = if version == 1 { name.next_multiple_of(8) } else { name };
            let odd = if version == 1 { values % 2 * 4 } else { 0 };
            let next = self.cursor.at().saturating_add(padded).saturating_add(values * 4 + odd);
            if next > bytes.end {
                return Err(Fault::Malformed { at: bytes.start, why: "a filter reaches past its message" });
            }
            self.cursor.seek(next);
            // 1 to 6 are the library's own; the others are registered ones of common use.
            if !matches!(id, 1..=6 | 32000 | 32001 | 32004 | 32008 | 32013 | 32015 | 32019 | 32026) {
                let evidence = format!("a filter with the number {id} in `{}`", shown(path));
                self.scanner.doubt(&rules::HDF5_UNKNOWN, Some(bytes.start), evidence);
            }
        }
        Ok(())
    }
}

//! Links and attributes that are too many for an object header: fractal heaps and version 2 trees.
//!
//! Source: sections III.A.2 (version 2 trees) and III.G (fractal heaps).

use std::ops::Range;

use alcaide_graph::Fault;

use super::format::UNDEFINED;
use super::{File, rules};

/// A fractal heap, as far as its managed objects need it.
struct Heap {
    id_bytes: u64,
    filtered: bool,
    width: u64,
    start_size: u64,
    max_direct: u64,
    /// Bytes of an offset within the heap, and of a length.
    offset_bytes: u8,
    length_bytes: u8,
    root: u64,
    rows: u64,
    max_bits: u64,
}

/// What a tree's records are for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Holds {
    Links,
    Attributes,
}

const DEPTH_MAX: u64 = 32;

impl File<'_> {
    /// Source: section IV.A.2.c.
    pub(super) fn link_info(&mut self, bytes: &Range<u64>, path: &str) -> Result<(), Fault> {
        self.cursor.seek(bytes.start);
        let [_, flags] = self.cursor.array()?;
        if flags & 1 != 0 {
            self.cursor.le(8)?;
        }
        let (heap, tree) = (self.address()?, self.address()?);
        let ordered = if flags & 2 != 0 { self.address()? } else { UNDEFINED };
        self.dense(heap, tree, ordered, Holds::Links, path)
    }

    /// Source: section IV.A.2.v.
    pub(super) fn attribute_info(&mut self, bytes: &Range<u64>, path: &str) -> Result<(), Fault> {
        self.cursor.seek(bytes.start);
        let [_, flags] = self.cursor.array()?;
        if flags & 1 != 0 {
            self.cursor.le(2)?;
        }
        let (heap, tree) = (self.address()?, self.address()?);
        let ordered = if flags & 2 != 0 { self.address()? } else { UNDEFINED };
        self.dense(heap, tree, ordered, Holds::Attributes, path)
    }

    fn dense(&mut self, heap: u64, tree: u64, ordered: u64, holds: Holds, path: &str) -> Result<(), Fault> {
        if heap == UNDEFINED || !self.seen.insert(heap) {
            return Ok(());
        }
        let heap = self.fractal_heap(heap)?;
        if heap.filtered {
            self.scanner.doubt(&rules::HDF5_UNKNOWN, Some(heap.root), "a heap that is packed");
            return Ok(());
        }
        for (address, useful) in [(tree, true), (ordered, false)] {
            if address == UNDEFINED {
                continue;
            }
            for id in self.tree_records(address, holds, &heap)? {
                if useful {
                    self.heap_entry(&heap, &id, holds, path)?;
                }
            }
        }
        Ok(())
    }

    fn fractal_heap(&mut self, address: u64) -> Result<Heap, Fault> {
        self.marked(address, b"FRHP")?;
        self.cursor.le(1)?;
        let id_bytes = self.cursor.le(2)?;
        let filters = self.cursor.le(2)?;
        self.cursor.le(1)?;
        let max_object = self.cursor.le(4)?;
        self.length()?;
        self.address()?;
        self.length()?;
        self.address()?;
        for _ in 0..8 {
            self.length()?;
        }
        let width = self.cursor.le(2)?;
        let start_size = self.length()?;
        let max_direct = self.length()?;
        let max_bits = self.cursor.le(2)?;
        self.cursor.le(2)?;
        let root = self.address()?;
        let rows = self.cursor.le(2)?;
        self.cursor.le(4)?;
        let end = self.cursor.at();
        self.parsed(address..end);
        if width == 0 || start_size == 0 || max_bits == 0 || max_bits > 64 || rows > 64 {
            return Err(Fault::Malformed { at: address, why: "a heap of no size" });
        }
        let needed = |most: u64| u8::try_from((64 - most.leading_zeros()).div_ceil(8)).unwrap_or(8);
        Ok(Heap {
            id_bytes,
            filtered: filters > 0,
            width,
            start_size,
            max_direct,
            offset_bytes: u8::try_from(max_bits.div_ceil(8)).unwrap_or(8),
            length_bytes: needed(max_direct.min(max_object)).max(1),
            root,
            rows,
            max_bits,
        })
    }

    /// Ids of heap objects in all records of a version 2 tree.
    fn tree_records(&mut self, address: u64, holds: Holds, heap: &Heap) -> Result<Vec<Vec<u8>>, Fault> {
        self.marked(address, b"BTHD")?;
        let [_, kind] = self.cursor.array()?;
        let node_bytes = self.cursor.le(4)?;
        let record = self.cursor.le(2)?;
        let depth = self.cursor.le(2)?;
        self.cursor.le(2)?;
        let root = self.address()?;
        let in_root = self.cursor.le(2)?;
        self.length()?;
        self.cursor.le(4)?;
        let end = self.cursor.at();
        self.parsed(address..end);
        if record == 0 || depth > DEPTH_MAX || node_bytes < 10 + record {
            return Err(Fault::Malformed { at: address, why: "a tree of no size" });
        }
        // Where the id stands in a record: names of links, order of links, names of attributes, order of attributes.
        let (skip, expected) = match kind {
            5 => (4, Holds::Links),
            6 => (8, Holds::Links),
            8 | 9 => (0, Holds::Attributes),
            _ => return Err(Fault::Malformed { at: address, why: "a tree of another kind" }),
        };
        if expected != holds || skip + heap.id_bytes > record {
            return Err(Fault::Malformed { at: address, why: "a tree of another kind" });
        }
        let bytes_of = |most: u64| u8::try_from((64 - most.leading_zeros()).div_ceil(8)).unwrap_or(8).max(1);
        let leaf_most = (node_bytes - 10) / record;
        let count_bytes = bytes_of(leaf_most);
        // Most records below a node of each depth, which sets the width of the sums in nodes above it.
        let mut below = vec![leaf_most];
        for level in 1..=depth {
            let sums = if level > 1 { bytes_of(below.last().copied().unwrap_or_default()) } else { 0 };
            let pointer = u64::from(self.sizes.offset) + u64::from(count_bytes) + u64::from(sums);
            let most = node_bytes.saturating_sub(10 + pointer) / (record + pointer);
            let under = below.last().copied().unwrap_or_default();
            below.push(most.saturating_add(1).saturating_mul(under).saturating_add(most));
        }
        let mut ids = Vec::new();
        let mut nodes = vec![(root, in_root, depth)];
        while let Some((address, count, level)) = nodes.pop() {
            if address == UNDEFINED || !self.seen.insert(address) {
                continue;
            }
            self.marked(address, if level == 0 { b"BTLF" } else { b"BTIN" })?;
            self.cursor.le(2)?;
            if count > leaf_most {
                return Err(Fault::Malformed { at: address, why: "a tree's node with more than fits" });
            }
            self.parsed(address..address.saturating_add(node_bytes));
            let records = self.cursor.at();
            for at in 0..count {
                self.scanner.fuel().step(1)?;
                let start = records + at * record + skip;
                ids.push(self.cursor.bytes(&(start..start + heap.id_bytes), 64)?.0);
            }
            if level > 0 {
                self.cursor.seek(records + count * record);
                let sums = match level {
                    1 => 0,
                    _ => {
                        let under = usize::try_from(level - 1).ok().and_then(|at| below.get(at)).copied();
                        bytes_of(under.unwrap_or_default())
                    }
                };
                for _ in 0..=count {
                    let child = self.address()?;
                    let inside = self.cursor.le(count_bytes)?;
                    self.cursor.le(sums)?;
                    nodes.push((child, inside, level - 1));
                }
            }
        }
        Ok(ids)
    }

    fn heap_entry(&mut self, heap: &Heap, id: &[u8], holds: Holds, path: &str) -> Result<(), Fault> {
        let Some((first, rest)) = id.split_first() else { return Ok(()) };
        if first >> 4 & 3 != 0 {
            let what = "a heap object that lies apart or within its id";
            self.scanner.doubt(&rules::HDF5_UNKNOWN, Some(heap.root), what);
            return Ok(());
        }
        let number =
            |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let (offset, length) = rest.split_at(rest.len().min(usize::from(heap.offset_bytes)));
        let length = length.get(..usize::from(heap.length_bytes).min(length.len())).unwrap_or_default();
        let (offset, length) = (number(offset), number(length));
        let Some(block) = self.block(heap, offset)? else {
            self.scanner.doubt(&rules::HDF5_UNKNOWN, Some(heap.root), "a heap object in no block");
            return Ok(());
        };
        let bytes = block..block.saturating_add(length);
        self.within(&bytes)?;
        match holds {
            Holds::Links => self.link(&bytes, path),
            Holds::Attributes => self.attribute(&bytes, path),
        }
    }

    /// Where in the file the byte `offset` of the heap is; its direct block is covered on the way.
    fn block(&mut self, heap: &Heap, offset: u64) -> Result<Option<u64>, Fault> {
        if heap.rows == 0 {
            self.direct(heap, heap.root, heap.start_size)?;
            return Ok((offset < heap.start_size).then(|| heap.root.saturating_add(offset)));
        }
        let (mut address, mut rows, mut left) = (heap.root, heap.rows, offset);
        // An indirect block in an indirect block is smaller: this ends within the rows that there can be.
        for _ in 0..DEPTH_MAX {
            self.marked(address, b"FHIB")?;
            let header = 5 + u64::from(self.sizes.offset) + u64::from(heap.offset_bytes);
            let children = rows * heap.width * u64::from(self.sizes.offset);
            self.parsed(address..address.saturating_add(header + children + 4));
            let mut row = 0;
            let (size, within_row) = loop {
                let size = row_size(heap, row);
                let span = size.saturating_mul(heap.width);
                if row >= rows {
                    return Ok(None);
                }
                if left < span {
                    break (size, left);
                }
                left -= span;
                row += 1;
            };
            let column = within_row / size;
            left = within_row % size;
            self.cursor.seek(address + header + (row * heap.width + column) * u64::from(self.sizes.offset));
            let child = self.address()?;
            if child == UNDEFINED {
                return Ok(None);
            }
            if size <= heap.max_direct {
                self.direct(heap, child, size)?;
                return Ok(Some(child.saturating_add(left)));
            }
            address = child;
            let first = heap.start_size.saturating_mul(heap.width);
            rows = u64::from((size / first.max(1)).max(1).ilog2()) + 1;
        }
        Ok(None)
    }

    fn direct(&mut self, heap: &Heap, address: u64, size: u64) -> Result<(), Fault> {
        if self.seen.insert(address) {
            self.marked(address, b"FHDB")?;
            let block = address..address.saturating_add(size);
            self.within(&block)?;
            if heap.max_bits == 0 {
                return Ok(());
            }
            self.parsed(block);
        }
        Ok(())
    }
}

/// Bytes of one block in a row of the doubling table.
fn row_size(heap: &Heap, row: u64) -> u64 {
    let shift = u32::try_from(row.saturating_sub(1)).unwrap_or(64);
    heap.start_size.checked_shl(shift).unwrap_or(u64::MAX).max(heap.start_size)
}

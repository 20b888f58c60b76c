//! Superblocks, object headers and the addresses in them.

use std::ops::Range;

use alcaide_container::Input;
use alcaide_graph::Fault;

use super::File;

/// First bytes of every superblock.
pub(super) const MARK: &[u8] = b"\x89HDF\r\n\x1a\n";
/// The address that is none.
pub(super) const UNDEFINED: u64 = u64::MAX;

/// Sizes that the superblock sets for the whole file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Added to every address.
    pub(super) base: u64,
    /// Bytes of an address.
    pub(super) offset: u8,
    /// Bytes of a length.
    pub(super) length: u8,
    pub(super) leaf_k: u64,
    pub(super) internal_k: u64,
    pub(super) chunk_k: u64,
}

/// A message of an object header.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) shared: bool,
    pub(super) bytes: Range<u64>,
}

/// Messages of one object that are read; no writer makes so many.
const MESSAGES_MAX: usize = 100_000;

/// Where the superblock is: at the start, or at 512 bytes and its doubles, behind a user block.
pub(super) fn superblock_at(input: &dyn Input) -> Option<u64> {
    let mut at = 0_u64;
    while at < input.len() {
        let mut mark = [0; 8];
        if input.read_at(at, &mut mark).ok()? == 8 && mark == MARK {
            return Some(at);
        }
        at = match at {
            0 => 512,
            // A user block of more than this is not looked for.
            other if other >= 1 << 20 => return None,
            other => other * 2,
        };
    }
    None
}

impl File<'_> {
    /// Reads the superblock; the address of the root group's header.
    pub(super) fn superblock(&mut self) -> Result<u64, Fault> {
        let start = superblock_at(self.input).unwrap_or_default();
        self.cursor.seek(start + 8);
        let [version] = self.cursor.array()?;
        let root = match version {
            0 | 1 => {
                let [_, _, _, _, offset, length, _] = self.cursor.array()?;
                self.set_sizes(offset, length)?;
                self.sizes.leaf_k = self.cursor.le(2)?;
                self.sizes.internal_k = self.cursor.le(2)?;
                self.cursor.le(4)?;
                if version == 1 {
                    self.sizes.chunk_k = self.cursor.le(2)?;
                    self.cursor.le(2)?;
                }
                // The library takes the place of the superblock for the base, whatever stands here.
                self.plain()?;
                self.sizes.base = start;
                for _ in 0..3 {
                    self.plain()?;
                }
                self.plain()?;
                let root = self.address()?;
                // Kind of cache, reserved, scratch.
                self.cursor.array::<24>()?;
                root
            }
            2 | 3 => {
                let [offset, length, _] = self.cursor.array()?;
                self.set_sizes(offset, length)?;
                // The library takes the place of the superblock for the base, whatever stands here.
                self.plain()?;
                self.sizes.base = start;
                let extension = self.address()?;
                self.plain()?;
                let root = self.address()?;
                self.cursor.le(4)?;
                let end = self.cursor.at();
                self.parsed(start..end);
                self.go(extension, "superblock".to_owned());
                root
            }
            _ => return Err(Fault::Malformed { at: start, why: "a superblock of an unknown version" }),
        };
        let end = self.cursor.at();
        self.parsed(start..end);
        Ok(root)
    }

    fn set_sizes(&mut self, offset: u8, length: u8) -> Result<(), Fault> {
        if !matches!(offset, 2 | 4 | 8) || !matches!(length, 2 | 4 | 8) {
            return Err(Fault::Malformed { at: self.cursor.at(), why: "addresses of no usual size" });
        }
        (self.sizes.offset, self.sizes.length) = (offset, length);
        Ok(())
    }

    fn plain(&mut self) -> Result<u64, Fault> {
        self.cursor.le(self.sizes.offset)
    }

    /// An address, with the base added; [`UNDEFINED`] if it is none.
    pub(super) fn address(&mut self) -> Result<u64, Fault> {
        let bytes = self.sizes.offset;
        let value = self.cursor.le(bytes)?;
        let none = u64::MAX >> (64 - 8 * u32::from(bytes.clamp(1, 8)));
        match value == none {
            true => Ok(UNDEFINED),
            false => Ok(value.saturating_add(self.sizes.base)),
        }
    }

    pub(super) fn length(&mut self) -> Result<u64, Fault> {
        self.cursor.le(self.sizes.length)
    }

    /// Goes to `address` and takes the mark there.
    pub(super) fn marked(&mut self, address: u64, mark: &[u8; 4]) -> Result<(), Fault> {
        self.scanner.fuel().step(1)?;
        self.cursor.seek(address);
        match self.cursor.array::<4>()? == *mark {
            true => Ok(()),
            false => Err(Fault::Malformed { at: address, why: "a structure is not where it is said to be" }),
        }
    }

    /// All messages of the object header at `address`, those of its continuations, too.
    ///
    /// Source: section IV.A.1.
    pub(super) fn messages(&mut self, address: u64) -> Result<Vec<Message>, Fault> {
        self.scanner.fuel().step(1)?;
        self.cursor.seek(address);
        match self.cursor.peek()? {
            Some(b'O') => self.messages_new(address),
            Some(1) => self.messages_old(address),
            _ => Err(Fault::Malformed { at: address, why: "no object header where there should be one" }),
        }
    }

    fn messages_old(&mut self, address: u64) -> Result<Vec<Message>, Fault> {
        let [_, _] = self.cursor.array()?;
        self.cursor.le(2)?;
        self.cursor.le(4)?;
        let size = self.cursor.le(4)?;
        let start = address.saturating_add(16);
        self.parsed(address..start);
        let mut blocks: Vec<_> = std::iter::once(start..start.saturating_add(size)).collect();
        let mut messages = Vec::new();
        let mut at_block = 0;
        while let Some(block) = blocks.get(at_block).cloned() {
            at_block += 1;
            self.within(&block)?;
            self.parsed(block.clone());
            let mut at = block.start;
            while at.saturating_add(8) <= block.end {
                self.scanner.fuel().step(1)?;
                self.cursor.seek(at);
                let kind = u16::try_from(self.cursor.le(2)?).unwrap_or_default();
                let size = self.cursor.le(2)?;
                let [flags] = self.cursor.array()?;
                let bytes = at + 8..at + 8 + size;
                if bytes.end > block.end {
                    return Err(Fault::Malformed { at, why: "a message reaches past its header" });
                }
                at = bytes.end;
                self.take(&mut messages, &mut blocks, Message { kind, shared: flags & 2 != 0, bytes }, 0)?;
            }
        }
        Ok(messages)
    }

    fn messages_new(&mut self, address: u64) -> Result<Vec<Message>, Fault> {
        self.marked(address, b"OHDR")?;
        let [_, flags] = self.cursor.array()?;
        if flags & 0x20 != 0 {
            self.cursor.array::<16>()?;
        }
        if flags & 0x10 != 0 {
            self.cursor.array::<4>()?;
        }
        let size = self.cursor.le(1 << (flags & 3))?;
        let start = self.cursor.at();
        let end = start.saturating_add(size);
        self.parsed(address..start);
        let header = if flags & 4 != 0 { 6 } else { 4 };
        // The first block has its sum behind it, the others have theirs within.
        let mut blocks: Vec<_> = std::iter::once(start..end).collect();
        self.parsed(end..end.saturating_add(4));
        let mut messages = Vec::new();
        let mut at_block = 0;
        while let Some(block) = blocks.get(at_block).cloned() {
            self.within(&block)?;
            self.parsed(block.clone());
            let (mut at, end) = match at_block {
                0 => (block.start, block.end),
                _ => {
                    self.marked(block.start, b"OCHK")?;
                    (block.start + 4, block.end.saturating_sub(4))
                }
            };
            at_block += 1;
            while at.saturating_add(header) <= end {
                self.scanner.fuel().step(1)?;
                self.cursor.seek(at);
                let [kind] = self.cursor.array()?;
                let size = self.cursor.le(2)?;
                let [flags] = self.cursor.array()?;
                let bytes = at + header..at + header + size;
                if bytes.end > end {
                    return Err(Fault::Malformed { at, why: "a message reaches past its header" });
                }
                at = bytes.end;
                let message = Message { kind: u16::from(kind), shared: flags & 2 != 0, bytes };
                self.take(&mut messages, &mut blocks, message, 8)?;
            }
        }
        Ok(messages)
    }

    /// Keeps a message; what it continues in becomes a block.
    fn take(
        &mut self,
        messages: &mut Vec<Message>,
        blocks: &mut Vec<Range<u64>>,
        message: Message,
        least: u64,
    ) -> Result<(), Fault> {
        let at = message.bytes.start;
        if messages.len() >= MESSAGES_MAX {
            return Err(Fault::Malformed { at, why: "an object has too many messages" });
        }
        if message.kind == 0x10 {
            self.cursor.seek(at);
            let start = self.address()?;
            let length = self.length()?;
            let block = start..start.saturating_add(length);
            if length < least || blocks.iter().any(|known| known.start == start) {
                return Err(Fault::Malformed { at, why: "an object header continues in itself" });
            }
            blocks.push(block);
        }
        messages.push(message);
        Ok(())
    }

    /// Checks that bytes lie in the file.
    pub(super) fn within(&self, bytes: &Range<u64>) -> Result<(), Fault> {
        match bytes.end <= self.cursor.len() && bytes.start <= bytes.end {
            true => Ok(()),
            false => Err(Fault::Malformed { at: bytes.start, why: "a structure reaches past the file" }),
        }
    }
}

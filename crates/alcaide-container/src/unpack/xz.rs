//! The streams of an xz file, joined as `xz -d` joins them (the .xz file format, version 1.2.1).
//!
//! The index at the end of a stream is compared with what the blocks were; the sizes in a block's head with the block.

use std::io::{self, Read};

use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::delta::DeltaReader;

use super::feed::Feed;
use super::lzma::Unlzma2;
use super::notes::StreamFlaw;
use super::{Context, Crc64, trailing};
use crate::bytes::Cursor;

const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// Filters before the last one, at most; four in all.
const FILTERS_MAX: u8 = 4;

pub(crate) struct Unxz<'a> {
    feed: Feed<'a>,
    context: Context,
    state: State<'a>,
    streams: u64,
    check: Check,
    flags: [u8; 2],
    /// What the blocks of this stream were, as a running digest: a list could be as long as the file.
    blocks: Records,
}

enum State<'a> {
    Header,
    Between,
    Block(Block<'a>),
    Done,
}

struct Block<'a> {
    read: Box<dyn Read + 'a>,
    start: u64,
    head: u64,
    said_packed: Option<u64>,
    said_len: Option<u64>,
    len: u64,
    sum: Sum,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Check {
    None,
    Crc32,
    Crc64,
    Unread(&'static str, u64),
}

impl Check {
    /// The kind of check by its number, and how long it is.
    fn of(id: u8) -> Self {
        match id & 0x0f {
            0 => Self::None,
            1 => Self::Crc32,
            4 => Self::Crc64,
            0x0a => Self::Unread("sha256", 32),
            id => {
                let sizes = [4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
                let size = sizes.get(usize::from(id.saturating_sub(2))).copied().unwrap_or(0);
                Self::Unread("reserved", size)
            }
        }
    }
}

enum Sum {
    None,
    Crc32(flate2::Crc),
    Crc64(Crc64),
}

#[derive(Default, Eq, PartialEq)]
struct Records {
    count: u64,
    sum: u64,
}

impl Records {
    /// Order counts: each record is mixed with all before it.
    fn add(&mut self, unpadded: u64, len: u64) {
        self.count += 1;
        for part in [unpadded, len] {
            self.sum = (self.sum ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
    }
}

impl<'a> Unxz<'a> {
    pub(crate) fn new(feed: Feed<'a>, context: Context) -> Self {
        Self {
            feed,
            context,
            state: State::Header,
            streams: 0,
            check: Check::None,
            flags: [0; 2],
            blocks: Records::default(),
        }
    }

    fn frame(&self, at: u64, what: &'static str) {
        self.context.notes.add(at, StreamFlaw::Frame { what });
    }

    fn header(&mut self) -> io::Result<()> {
        let at = self.feed.at();
        if self.streams > 0 {
            // Padding between streams: zeros, in fours.
            let mut zeros = 0_u64;
            while self.feed.peek()? == Some(0) && !self.feed.starts(&MAGIC)? {
                self.feed.array::<1>()?;
                zeros += 1;
            }
            if !zeros.is_multiple_of(4) {
                self.frame(at, "padding");
            }
            if !self.feed.starts(&MAGIC)? {
                self.state = State::Done;
                return trailing(&self.feed, &self.context.notes);
            }
            self.context.notes.add(self.feed.at(), StreamFlaw::Another);
        }
        let at = self.feed.at();
        if self.feed.array()? != MAGIC {
            return Err(io::Error::other("not an xz head"));
        }
        self.flags = self.feed.array()?;
        let sum = u32::from_le_bytes(self.feed.array()?);
        if sum != crc32(&self.flags) {
            self.frame(at, "head");
        }
        let [zero, check] = self.flags;
        if zero != 0 || check & 0xf0 != 0 {
            self.context.notes.add(at, StreamFlaw::Reserved);
        }
        self.check = Check::of(check);
        self.streams += 1;
        self.blocks = Records::default();
        self.state = State::Between;
        Ok(())
    }

    /// The head of a block, or the index where there is none.
    fn between(&mut self) -> io::Result<()> {
        let start = self.feed.at();
        let [size] = self.feed.array()?;
        if size == 0 {
            self.index(start)?;
            self.state = State::Header;
            return Ok(());
        }
        let head = (u64::from(size) + 1) * 4;
        let mut bytes = [0; 1024];
        let body = bytes.get_mut(1..usize::from(size) * 4).unwrap_or_default();
        self.feed.read_exact(body)?;
        bytes[0] = size;
        let sum = u32::from_le_bytes(self.feed.array()?);
        let body = bytes.get(..usize::from(size) * 4).unwrap_or_default();
        if sum != crc32(body) {
            self.frame(start, "block head");
        }
        let bad = || io::Error::other("a bad block head");
        let mut cursor = Cursor::new(body.get(1..).unwrap_or_default());
        let flags = cursor.u8().ok_or_else(bad)?;
        if flags & 0x3c != 0 {
            self.context.notes.add(start, StreamFlaw::Reserved);
        }
        let said_packed = match flags & 0x40 {
            0 => None,
            _ => Some(vli(&mut cursor).ok_or_else(bad)?),
        };
        let said_len = match flags & 0x80 {
            0 => None,
            _ => Some(vli(&mut cursor).ok_or_else(bad)?),
        };
        let filters = (flags & 3) + 1;
        let read = self.filters(filters.min(FILTERS_MAX), &mut cursor, said_len)?;
        let sum = match self.check {
            Check::Crc32 => Sum::Crc32(flate2::Crc::new()),
            Check::Crc64 => Sum::Crc64(Crc64::new()),
            Check::None | Check::Unread(..) => Sum::None,
        };
        self.state = State::Block(Block { read, start, head, said_packed, said_len, len: 0, sum });
        Ok(())
    }

    fn filters(
        &self,
        count: u8,
        cursor: &mut Cursor<'_>,
        len: Option<u64>,
    ) -> io::Result<Box<dyn Read + 'a>> {
        let bad = || io::Error::other("a bad list of filters");
        let mut list = Vec::new();
        for _ in 0..count {
            let id = vli(cursor).ok_or_else(bad)?;
            let size = vli(cursor).and_then(|size| usize::try_from(size).ok()).ok_or_else(bad)?;
            list.push((id, cursor.take(size).ok_or_else(bad)?));
        }
        let Some((0x21, [bits])) = list.pop() else { return Err(bad()) };
        let said = match bits & 0x3f {
            40 => u32::MAX,
            bits @ 0..40 => (2 | u32::from(bits & 1)) << (bits / 2 + 11),
            _ => return Err(bad()),
        };
        let base = Unlzma2::new(self.feed.clone(), said, len, &self.context)
            .map_err(|why| self.context.fault.raise(why.into()))?;
        let mut read: Box<dyn Read + 'a> = Box::new(base);
        while let Some((id, properties)) = list.pop() {
            let mut cursor = Cursor::new(properties);
            if id == 3 {
                let distance = usize::from(cursor.u8().ok_or_else(bad)?) + 1;
                read = Box::new(DeltaReader::new(read, distance));
                continue;
            }
            let start = cursor.u32().unwrap_or(0);
            read = branch(id, read, start).ok_or_else(bad)?;
        }
        Ok(read)
    }

    /// A block is over: padding, check, sizes.
    fn end(&mut self, block: Block<'a>) -> io::Result<()> {
        let at = self.feed.at();
        let packed = at.saturating_sub(block.start).saturating_sub(block.head);
        let padding = (4 - packed % 4) % 4;
        for _ in 0..padding {
            if self.feed.array()? != [0] {
                self.frame(at, "block padding");
            }
        }
        if block.said_packed.is_some_and(|said| said != packed) {
            self.frame(block.start, "packed length");
        }
        if let Some(said) = block.said_len
            && said != block.len
        {
            self.context.notes.add(block.start, StreamFlaw::Length { said, found: block.len });
        }
        let at = self.feed.at();
        let (said, found, size) = match (self.check, block.sum) {
            (Check::Unread(kind, size), _) => {
                self.feed.skip(size)?;
                self.context.notes.add(at, StreamFlaw::ChecksumUnread { kind });
                (0, 0, size)
            }
            (_, Sum::None) => (0, 0, 0),
            (_, Sum::Crc32(sum)) => (u32::from_le_bytes(self.feed.array()?).into(), sum.sum().into(), 4),
            (_, Sum::Crc64(sum)) => (u64::from_le_bytes(self.feed.array()?), sum.sum(), 8),
        };
        if said != found {
            self.context.notes.add(at, StreamFlaw::Checksum { said, found });
        }
        self.blocks.add(block.head.saturating_add(packed).saturating_add(size), block.len);
        self.state = State::Between;
        Ok(())
    }

    fn index(&mut self, start: u64) -> io::Result<()> {
        let mut sum = flate2::Crc::new();
        sum.update(&[0]);
        let count = self.index_number(&mut sum)?;
        let mut said = Records::default();
        for _ in 0..count {
            let unpadded = self.index_number(&mut sum)?;
            said.add(unpadded, self.index_number(&mut sum)?);
        }
        while !(self.feed.at() - start).is_multiple_of(4) {
            sum.update(&self.feed.array::<1>()?);
        }
        if u32::from_le_bytes(self.feed.array()?) != sum.sum() || said != self.blocks {
            self.frame(start, "index");
        }
        let size = self.feed.at() - start;
        let at = self.feed.at();
        let sum = u32::from_le_bytes(self.feed.array()?);
        let tail: [u8; 6] = self.feed.array()?;
        let magic: [u8; 2] = self.feed.array()?;
        let [a, b, c, d, flags @ ..] = tail;
        let backward = (u64::from(u32::from_le_bytes([a, b, c, d])) + 1) * 4;
        if sum != crc32(&tail) || flags != self.flags || magic != *b"YZ" || backward != size {
            self.frame(at, "foot");
        }
        Ok(())
    }

    fn index_number(&mut self, sum: &mut flate2::Crc) -> io::Result<u64> {
        let mut bytes = [0; 9];
        for place in &mut bytes {
            let byte = self.feed.array::<1>()?;
            sum.update(&byte);
            *place = byte[0];
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        vli(&mut Cursor::new(&bytes)).ok_or_else(|| io::Error::other("a bad number in the index"))
    }
}

impl Read for Unxz<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Header => self.header()?,
                State::Between => self.between()?,
                State::Done => return Ok(0),
                State::Block(block) => {
                    let count = block.read.read(into)?;
                    if count > 0 {
                        let bytes = into.get(..count).unwrap_or_default();
                        block.len = block.len.saturating_add(count as u64);
                        match &mut block.sum {
                            Sum::None => {}
                            Sum::Crc32(sum) => sum.update(bytes),
                            Sum::Crc64(sum) => sum.update(bytes),
                        }
                        return Ok(count);
                    }
                    if let State::Block(block) = std::mem::replace(&mut self.state, State::Between) {
                        self.end(block)?;
                    }
                }
            }
        }
    }
}

/// The filter for one machine's calls, by the number that xz gives it.
pub(super) fn branch<'a>(id: u64, read: Box<dyn Read + 'a>, start: u32) -> Option<Box<dyn Read + 'a>> {
    let start = usize::try_from(start).ok()?;
    Some(match id {
        4 => Box::new(BcjReader::new_x86(read, start)),
        5 => Box::new(BcjReader::new_ppc(read, start)),
        6 => Box::new(BcjReader::new_ia64(read, start)),
        7 => Box::new(BcjReader::new_arm(read, start)),
        8 => Box::new(BcjReader::new_arm_thumb(read, start)),
        9 => Box::new(BcjReader::new_sparc(read, start)),
        10 => Box::new(BcjReader::new_arm64(read, start)),
        11 => Box::new(BcjReader::new_riscv(read, start)),
        _ => return None,
    })
}

/// A number of up to nine bytes, seven bits each, the least first.
fn vli(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = cursor.u8()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

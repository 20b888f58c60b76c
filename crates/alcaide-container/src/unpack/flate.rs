//! Deflate as it stands, and within zlib (RFC 1950) and gzip (RFC 1952).

use std::io::{self, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::feed::{Feed, until};
use super::notes::{Notes, StreamFlaw};
use super::trailing;

/// Deflate (RFC 1951), or zlib with its head and checksum.
pub(crate) struct Inflate<'a> {
    feed: Feed<'a>,
    codec: Decompress,
    ended: bool,
}

impl<'a> Inflate<'a> {
    pub(crate) fn raw(feed: Feed<'a>) -> Self {
        Self { feed, codec: Decompress::new(false), ended: false }
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || self.ended {
            return Ok(0);
        }
        loop {
            let codec = &mut self.codec;
            let (before_in, before_out) = (codec.total_in(), codec.total_out());
            let (status, spent) = self.feed.with(|bytes| {
                let flush = if bytes.is_empty() { FlushDecompress::Finish } else { FlushDecompress::None };
                let status = codec.decompress(bytes, into, flush);
                let used = usize::try_from(codec.total_in().saturating_sub(before_in)).unwrap_or(bytes.len());
                (used, (status, bytes.is_empty()))
            })?;
            let count = usize::try_from(self.codec.total_out().saturating_sub(before_out)).unwrap_or(0);
            let idle = count == 0 && self.codec.total_in() == before_in;
            match status {
                Ok(Status::StreamEnd) => self.ended = true,
                // INVARIANT: bytes that came out before the fault are kept by the codec's count, the fault comes again.
                Err(_) if count > 0 => return Ok(count),
                Err(why) => {
                    return Err(io::Error::other(why.message().unwrap_or("bad deflate data").to_owned()));
                }
                Ok(_) if count > 0 => {}
                Ok(_) if spent => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) if idle => return Err(io::Error::other("the codec does not move")),
                Ok(_) => continue,
            }
            return Ok(count);
        }
    }
}

/// A zlib stream, with its Adler-32 compared by hand so that a wrong one is told and does not end the reading.
pub(crate) struct Zlib<'a> {
    inflate: Inflate<'a>,
    sum: Adler,
    notes: Notes,
    stage: Stage,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Stage {
    Head,
    Body,
    Done,
}

impl<'a> Zlib<'a> {
    pub(crate) fn new(feed: Feed<'a>, notes: Notes) -> Self {
        Self { inflate: Inflate::raw(feed), sum: Adler::new(), notes, stage: Stage::Head }
    }
}

impl Read for Zlib<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.stage == Stage::Head {
            let at = self.inflate.feed.at();
            let [cmf, flags] = self.inflate.feed.array()?;
            if cmf & 0x0f != 8 || cmf >> 4 > 7 {
                return Err(io::Error::other("not a zlib head"));
            }
            if (u16::from(cmf) << 8 | u16::from(flags)) % 31 != 0 {
                self.notes.add(at, StreamFlaw::Frame { what: "head" });
            }
            if flags & 0x20 != 0 {
                return Err(io::Error::other("a preset dictionary is needed"));
            }
            self.stage = Stage::Body;
        }
        if self.stage == Stage::Done || into.is_empty() {
            return Ok(0);
        }
        let count = self.inflate.read(into)?;
        if count > 0 {
            self.sum.update(into.get(..count).unwrap_or_default());
            return Ok(count);
        }
        self.stage = Stage::Done;
        let at = self.inflate.feed.at();
        let said = u32::from_be_bytes(self.inflate.feed.array()?);
        if said != self.sum.sum() {
            let found = u64::from(self.sum.sum());
            self.notes.add(at, StreamFlaw::Checksum { said: said.into(), found });
        }
        trailing(&self.inflate.feed, &self.notes)?;
        Ok(0)
    }
}

/// Adler-32 (RFC 1950, section 8.2).
struct Adler {
    a: u32,
    b: u32,
}

impl Adler {
    const MODULUS: u32 = 65_521;
    /// Bytes after which the sums must be reduced so that 32 bits hold them.
    const RUN: usize = 5_552;

    const fn new() -> Self {
        Self { a: 1, b: 0 }
    }

    fn update(&mut self, bytes: &[u8]) {
        for run in bytes.chunks(Self::RUN) {
            for &byte in run {
                self.a = self.a.wrapping_add(byte.into());
                self.b = self.b.wrapping_add(self.a);
            }
            self.a %= Self::MODULUS;
            self.b %= Self::MODULUS;
        }
    }

    const fn sum(&self) -> u32 {
        self.b << 16 | self.a
    }
}

/// The members of a gzip file, joined as `gzip -d` joins them.
pub(crate) struct Gzip<'a> {
    feed: Feed<'a>,
    inflate: Option<Inflate<'a>>,
    sum: Crc,
    len: u64,
    members: u64,
    notes: Notes,
    done: bool,
}

impl<'a> Gzip<'a> {
    pub(crate) fn new(feed: Feed<'a>, notes: Notes) -> Self {
        Self { feed, inflate: None, sum: Crc::new(), len: 0, members: 0, notes, done: false }
    }

    /// The head of the next member, or `false` where there is none.
    fn head(&mut self) -> io::Result<bool> {
        let at = self.feed.at();
        if self.members > 0 {
            if !self.feed.starts(&[0x1f, 0x8b])? {
                trailing(&self.feed, &self.notes)?;
                return Ok(false);
            }
            self.notes.add(at, StreamFlaw::Another);
        }
        gzip_head(&mut self.feed, &self.notes)?;
        self.members += 1;
        self.sum = Crc::new();
        self.len = 0;
        self.inflate = Some(Inflate::raw(self.feed.clone()));
        Ok(true)
    }

    fn foot(&mut self) -> io::Result<()> {
        let at = self.feed.at();
        let said = u32::from_le_bytes(self.feed.array()?);
        let size = u32::from_le_bytes(self.feed.array()?);
        if said != self.sum.sum() {
            self.notes.add(at, StreamFlaw::Checksum { said: said.into(), found: self.sum.sum().into() });
        }
        let found = self.len & u64::from(u32::MAX);
        if u64::from(size) != found {
            self.notes.add(at + 4, StreamFlaw::Length { said: size.into(), found });
        }
        self.inflate = None;
        Ok(())
    }
}

impl Read for Gzip<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while !self.done {
            let Some(inflate) = &mut self.inflate else {
                self.done = !self.head()?;
                continue;
            };
            let count = inflate.read(into)?;
            if count > 0 {
                self.sum.update(into.get(..count).unwrap_or_default());
                self.len = self.len.wrapping_add(count as u64);
                return Ok(count);
            }
            self.foot()?;
        }
        Ok(0)
    }
}

/// What the head of a gzip member says beside how to unpack it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GzipHead {
    /// The name of the file that was packed: at most 1 KiB of it, as it stands there.
    pub name: Option<Vec<u8>>,
    /// A comment: at most 1 KiB of it.
    pub comment: Option<Vec<u8>>,
    /// Bytes of extra fields.
    pub extra_bytes: u16,
}

const TEXT_KEPT: usize = 1 << 10;

pub(super) fn gzip_head(feed: &mut Feed<'_>, notes: &Notes) -> io::Result<GzipHead> {
    let at = feed.at();
    let [a, b, method, flags, _, _, _, _, _, _] = feed.array()?;
    if [a, b, method] != [0x1f, 0x8b, 8] {
        return Err(io::Error::other("not a gzip head"));
    }
    if flags & 0xe0 != 0 {
        notes.add(at, StreamFlaw::Reserved);
    }
    let mut head = GzipHead::default();
    if flags & 4 != 0 {
        head.extra_bytes = u16::from_le_bytes(feed.array()?);
        let end = feed.at().saturating_add(head.extra_bytes.into());
        feed.skip(head.extra_bytes.into())?;
        if feed.at() < end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    if flags & 8 != 0 {
        head.name = Some(until(feed, 0, TEXT_KEPT)?);
    }
    if flags & 16 != 0 {
        head.comment = Some(until(feed, 0, TEXT_KEPT)?);
    }
    if flags & 2 != 0 {
        feed.array::<2>()?;
        notes.add(at, StreamFlaw::ChecksumUnread { kind: "gzip head" });
    }
    Ok(head)
}

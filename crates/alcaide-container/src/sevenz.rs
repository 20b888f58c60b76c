//! 7z archives: the header, packed or not, and the members of each folder of coders.
//!
//! Members of one folder are one stream: the folder is unpacked forward once while they are read in order, and again where
//! they are not. The last folder that was opened stays open.
//!
//! Left out: encryption, PPMd, deflate64 and the coders of single writers; archives over several files.

mod header;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use crate::bytes::{self, Cursor};
use crate::fuel::{Fuel, Held};
use crate::input::{Input, ReadError, Window};
use crate::name::{Name, NameFlaw, duplicates};
use crate::unpack::{Packed, Packing, Recipe, Run, Source};
use header::{Coder, File, Folder, Header, Streams};

const MARK: [u8; 6] = *b"7z\xbc\xaf\x27\x1c";
const START: u64 = 32;
/// Bytes of a header that are read at most: fifty thousand names of forty letters.
const HEADER_MAX: u64 = 4 << 20;
/// Headers within packed headers.
const PACKED_HEADERS_MAX: u32 = 4;

/// A 7z archive.
pub struct SevenZip<'a> {
    input: &'a dyn Input,
    fuel: Fuel,
    streams: Streams,
    members: Vec<SevenZipMember>,
    flaws: Vec<SevenZipNote>,
    gaps: Vec<Range<u64>>,
    open: RefCell<Option<(usize, Source<'a>)>>,
    held: Held,
}

/// A member of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SevenZipMember {
    /// Its name.
    pub name: Name,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether unpacking it takes a file away.
    pub is_anti: bool,
    /// Attributes of Windows; with bit 15 the upper half is a Unix mode.
    pub attributes: u32,
    /// Its bytes in its folder of coders; empty for one without bytes.
    pub range: Range<u64>,
    /// The checksum that is said for them.
    pub crc: Option<u32>,
    folder: Option<usize>,
}

impl SevenZipMember {
    /// The type bits of its Unix mode, zero where none is said.
    #[must_use]
    pub const fn unix_type(&self) -> u32 {
        if self.attributes & 0x8000 != 0 { (self.attributes >> 16) & 0o170_000 } else { 0 }
    }
}

/// A flaw and the member that it is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SevenZipNote {
    /// Where.
    pub at: u64,
    /// Which, counted in [`SevenZip::members`].
    pub member: Option<usize>,
    /// What.
    pub flaw: SevenZipFlaw,
}

/// What is irregular about a 7z archive.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SevenZipFlaw {
    /// It does not begin with its mark, or its first header does not lead to another.
    NoHeader,
    /// A checksum of a header is wrong.
    HeaderChecksum,
    /// The header cannot be read; members may be missing.
    Malformed,
    /// The header is packed in a way that is not read here, or does not unpack.
    HeaderUnread {
        /// Why.
        why: ReadError,
    },
    /// The header is longer than is read.
    HeaderTooLong,
    /// Folder of coders: encrypted.
    Encrypted,
    /// Folder of coders: packed in a way that is not read here.
    CoderUnread {
        /// The number of the method, in hex.
        id: String,
    },
    /// There are more or fewer bytes than files that want some.
    Count,
    /// Packed bytes would lie past the end of the file.
    Cut,
    /// Bytes that no header claims.
    Gap {
        /// How many.
        bytes: u64,
    },
    /// Its name.
    Name(NameFlaw),
    /// An earlier member has the same name.
    Duplicate {
        /// Which.
        first: usize,
        /// Whether byte for byte, or only where case does not count or slashes lean either way.
        exact: bool,
    },
    /// A symbolic link, or what Windows has for one.
    Link,
    /// A device or a pipe.
    Special,
    /// It takes away a file where it is unpacked.
    Anti,
}

impl<'a> SevenZip<'a> {
    /// Reads the header of `input`.
    ///
    /// # Errors
    /// [`ReadError`] if the source fails or the budget is spent. What is no 7z archive has no members.
    pub fn read(input: &'a dyn Input, fuel: &Fuel) -> Result<Self, ReadError> {
        let mut archive = Self {
            input,
            fuel: fuel.clone(),
            streams: Streams::default(),
            members: Vec::new(),
            flaws: Vec::new(),
            gaps: Vec::new(),
            open: RefCell::new(None),
            held: fuel.hold(0)?,
        };
        archive.headers()?;
        Ok(archive)
    }

    /// Its members, in order.
    #[must_use]
    pub fn members(&self) -> &[SevenZipMember] {
        &self.members
    }

    /// What is irregular.
    #[must_use]
    pub fn flaws(&self) -> &[SevenZipNote] {
        &self.flaws
    }

    /// Bytes that no header claims.
    #[must_use]
    pub fn gaps(&self) -> &[Range<u64>] {
        &self.gaps
    }

    fn note(&mut self, at: u64, member: Option<usize>, flaw: SevenZipFlaw) {
        self.flaws.push(SevenZipNote { at, member, flaw });
    }

    fn headers(&mut self) -> Result<(), ReadError> {
        let start = bytes::read(self.input, 0, bytes::size(START))?;
        let mut cursor = Cursor::new(&start);
        let fields = (|| {
            (cursor.take(6)? == MARK).then_some(())?;
            cursor.u16()?;
            let sum = cursor.u32()?;
            let body = Cursor::new(cursor.rest());
            Some((sum, body, cursor.u64()?, cursor.u64()?, cursor.u32()?))
        })();
        let Some((sum, body, offset, len, next_sum)) = fields else {
            self.note(0, None, SevenZipFlaw::NoHeader);
            return Ok(());
        };
        if sum != crc32(body.rest()) {
            self.note(8, None, SevenZipFlaw::HeaderChecksum);
        }
        let at = START.saturating_add(offset);
        let mut claimed: Vec<Range<u64>> = std::iter::once(0..START).collect();
        if len > 0 {
            claimed.push(at..at.saturating_add(len));
            self.header(at, len, next_sum, &mut claimed)?;
        }
        self.leftovers(&mut claimed);
        Ok(())
    }

    fn header(
        &mut self,
        at: u64,
        len: u64,
        sum: u32,
        claimed: &mut Vec<Range<u64>>,
    ) -> Result<(), ReadError> {
        if len > HEADER_MAX {
            self.note(at, None, SevenZipFlaw::HeaderTooLong);
            return Ok(());
        }
        self.held.more(len)?;
        let mut bytes = bytes::read(self.input, at, bytes::size(len))?;
        if bytes::len(&bytes) < len {
            self.note(at, None, SevenZipFlaw::Cut);
        } else if crc32(&bytes) != sum {
            self.note(at, None, SevenZipFlaw::HeaderChecksum);
        }
        for _ in 0..=PACKED_HEADERS_MAX {
            self.fuel.step(1 + bytes.len() as u64 / 16)?;
            let (streams, files) = match header::read(&bytes) {
                None => break,
                Some(Header::Plain(streams, files)) => (streams, files),
                Some(Header::Packed(streams)) => {
                    claim(&streams, claimed);
                    let unpacked = self.unpack_header(&streams);
                    match unpacked {
                        Ok(unpacked) => bytes = unpacked,
                        Err(why @ ReadError::Exhausted(_)) => return Err(why),
                        Err(why) => {
                            self.encrypted(&streams, at);
                            self.note(at, None, SevenZipFlaw::HeaderUnread { why });
                            return Ok(());
                        }
                    }
                    continue;
                }
            };
            claim(&streams, claimed);
            self.encrypted(&streams, at);
            self.streams = streams;
            return self.list(files, at);
        }
        self.note(at, None, SevenZipFlaw::Malformed);
        Ok(())
    }

    fn unpack_header(&mut self, streams: &Streams) -> Result<Vec<u8>, ReadError> {
        let unsupported = |what: &str| ReadError::Unsupported { what: what.to_owned() };
        let folder =
            streams.folders.first().ok_or_else(|| unsupported("a packed header without a stream"))?;
        let source = cook(self.input, streams, folder, &self.fuel)?;
        if source.len() > HEADER_MAX {
            return Err(unsupported("a packed header of this length"));
        }
        self.held.more(source.len())?;
        let bytes = bytes::read(&*source, 0, bytes::size(source.len()))?;
        if folder.crc.is_some_and(|sum| sum != crc32(&bytes)) {
            self.note(0, None, SevenZipFlaw::HeaderChecksum);
        }
        Ok(bytes)
    }

    /// Tells folders of coders that cannot be read.
    fn encrypted(&mut self, streams: &Streams, at: u64) {
        let mut notes = Vec::new();
        for coder in streams.folders.iter().flat_map(|folder| &folder.coders) {
            let flaw = match (coder.id.as_slice(), packing(coder)) {
                ([0x06, 0xf1, ..], _) => SevenZipFlaw::Encrypted,
                (id, Packing::Unread { .. }) => SevenZipFlaw::CoderUnread { id: hex(id) },
                _ => continue,
            };
            if !notes.contains(&flaw) {
                notes.push(flaw);
            }
        }
        for flaw in notes {
            self.note(at, None, flaw);
        }
    }

    fn list(&mut self, files: Vec<File>, at: u64) -> Result<(), ReadError> {
        let mut parts = Vec::new();
        for (index, folder) in self.streams.folders.iter().enumerate() {
            let mut start = 0_u64;
            for &(len, crc) in &folder.parts {
                let end = start.saturating_add(len);
                parts.push((index, start..end, crc));
                start = end;
            }
        }
        self.held.more(parts.len() as u64 * 40)?;
        let wanted = files.iter().filter(|file| !file.empty).count();
        if wanted != parts.len() {
            self.note(at, None, SevenZipFlaw::Count);
        }
        let mut parts = parts.into_iter();
        for file in files {
            let (folder, range, crc) = match file.empty {
                true => (None, 0..0, None),
                false => {
                    parts.next().map_or((None, 0..0, None), |(folder, range, crc)| (Some(folder), range, crc))
                }
            };
            self.push(file, folder, range, crc, at)?;
        }
        // Bytes that no file names are members without a name: they unpack all the same.
        for (folder, range, crc) in parts {
            self.push(File::default(), Some(folder), range, crc, at)?;
        }
        let clashes = duplicates(self.members.iter().map(|member| &member.name));
        for (later, first, exact) in clashes {
            self.note(at, Some(later), SevenZipFlaw::Duplicate { first, exact });
        }
        Ok(())
    }

    fn push(
        &mut self,
        file: File,
        folder: Option<usize>,
        range: Range<u64>,
        crc: Option<u32>,
        at: u64,
    ) -> Result<(), ReadError> {
        self.fuel.entry(1)?;
        self.held.more(size_of::<SevenZipMember>() as u64 + file.name.held())?;
        let member = SevenZipMember {
            is_folder: (file.empty && !file.empty_file) || file.attributes & 0x10 != 0,
            is_anti: file.anti,
            name: file.name,
            attributes: file.attributes,
            range,
            crc,
            folder,
        };
        let index = Some(self.members.len());
        for flaw in member.name.flaws() {
            self.note(at, index, SevenZipFlaw::Name(flaw));
        }
        if member.is_anti {
            self.note(at, index, SevenZipFlaw::Anti);
        }
        match member.unix_type() {
            0o120_000 => self.note(at, index, SevenZipFlaw::Link),
            // A reparse point.
            0 if member.attributes & 0x400 != 0 => self.note(at, index, SevenZipFlaw::Link),
            0 | 0o100_000 | 0o040_000 => {}
            _ => self.note(at, index, SevenZipFlaw::Special),
        }
        self.members.push(member);
        Ok(())
    }

    fn leftovers(&mut self, claimed: &mut [Range<u64>]) {
        let len = self.input.len();
        claimed.sort_unstable_by_key(|range| (range.start, range.end));
        let mut at = 0;
        for range in &*claimed {
            if range.start > at && at < len {
                self.gaps.push(at..range.start.min(len));
            }
            at = at.max(range.end);
        }
        if at < len {
            self.gaps.push(at..len);
        } else if at > len {
            self.note(len, None, SevenZipFlaw::Cut);
        }
        for gap in self.gaps.clone() {
            self.note(gap.start, None, SevenZipFlaw::Gap { bytes: gap.end - gap.start });
        }
    }

    /// The bytes of member number `member`.
    ///
    /// # Errors
    /// [`ReadError`] if its folder is packed in a way that is not read here, or the budget is spent.
    pub fn open(&self, member: usize) -> Result<Window<Rc<dyn Input + 'a>>, ReadError> {
        let unsupported = || ReadError::Unsupported { what: "a member that is not there".to_owned() };
        let member = self.members.get(member).ok_or_else(unsupported)?;
        let Some(index) = member.folder else {
            let none: Source<'a> = Rc::new(Vec::<u8>::new());
            return Ok(Window::new(none, 0, 0));
        };
        let known =
            self.open.borrow().as_ref().filter(|(known, _)| *known == index).map(|(_, of)| of.clone());
        let source = match known {
            Some(source) => source,
            None => {
                *self.open.borrow_mut() = None;
                let folder = self.streams.folders.get(index).ok_or_else(unsupported)?;
                let source = cook(self.input, &self.streams, folder, &self.fuel)?;
                *self.open.borrow_mut() = Some((index, source.clone()));
                source
            }
        };
        Ok(Window::new(source, member.range.start, member.range.end - member.range.start))
    }
}

impl std::fmt::Debug for SevenZip<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = out.debug_struct("SevenZip");
        out.field("members", &self.members).field("flaws", &self.flaws).finish_non_exhaustive()
    }
}

fn claim(streams: &Streams, claimed: &mut Vec<Range<u64>>) {
    for &(place, len) in &streams.packed {
        let start = START.saturating_add(place);
        claimed.push(start..start.saturating_add(len));
    }
}

/// What a folder unpacks to: each coder over what goes into it.
fn cook<'a>(
    input: &'a dyn Input,
    streams: &Streams,
    folder: &Folder,
    fuel: &Fuel,
) -> Result<Source<'a>, ReadError> {
    let bad = || ReadError::Unsupported { what: "coders that are joined like this".to_owned() };
    // The way from the last coder to the packed streams, each coder once: none feeds itself.
    let mut order = vec![folder.main().ok_or_else(bad)?];
    let mut next = 0;
    while let Some(&coder) = order.get(next) {
        next += 1;
        for input in inputs(folder, coder) {
            if let Some(&(_, from)) = folder.bonds.iter().find(|(bound, _)| *bound == input) {
                if order.contains(&from) || from >= folder.coders.len() {
                    return Err(bad());
                }
                order.push(from);
            }
        }
    }
    let mut made: Vec<Option<Source<'a>>> = vec![None; folder.coders.len()];
    for &index in order.iter().rev() {
        let coder = folder.coders.get(index).ok_or_else(bad)?;
        let mut runs = Vec::new();
        for stream in inputs(folder, index) {
            let bond = folder.bonds.iter().find(|(bound, _)| *bound == stream);
            let run = match bond {
                Some(&(_, from)) => {
                    let of = made.get(from).cloned().flatten().ok_or_else(bad)?;
                    let len = of.len();
                    Run { of, start: 0, len }
                }
                None => {
                    let place = folder.packed.iter().position(|packed| *packed == stream).ok_or_else(bad)?;
                    let place = folder.first_packed.checked_add(place).ok_or_else(bad)?;
                    let &(start, len) = streams.packed.get(place).ok_or_else(bad)?;
                    Run { of: Rc::new(input), start: START.saturating_add(start), len }
                }
            };
            runs.push(run);
        }
        let last = Some(index) == folder.main();
        let crc = folder.crc.filter(|_| last);
        let packing = packing(coder);
        let plain = runs.first().filter(|_| packing == Packing::Stored);
        let source: Source<'a> = match plain {
            Some(run) => Rc::new(Window::new(run.of.clone(), run.start, run.len.min(coder.len))),
            None => Rc::new(Packed::cook(Recipe { packing, runs, said: Some(coder.len), crc }, fuel)?),
        };
        if let Some(place) = made.get_mut(index) {
            *place = Some(source);
        }
    }
    folder.main().and_then(|main| made.get(main).cloned().flatten()).ok_or_else(bad)
}

/// The streams that go into coder number `coder`, counted over all coders.
fn inputs(folder: &Folder, coder: usize) -> Range<usize> {
    let first: usize = folder.coders.iter().take(coder).map(|coder| coder.inputs).sum();
    first..first + folder.coders.get(coder).map_or(0, |coder| coder.inputs)
}

/// The packing for the number of a method (`Methods.txt` of the LZMA SDK).
fn packing(coder: &Coder) -> Packing {
    let unread = |what: String| Packing::Unread { what };
    let properties = coder.properties.as_slice();
    match (coder.id.as_slice(), properties) {
        ([0], _) => Packing::Stored,
        ([0x21], [bits @ 0..40]) => {
            Packing::Lzma2 { dictionary: (2 | u32::from(bits & 1)) << (bits / 2 + 11) }
        }
        ([0x21], [40]) => Packing::Lzma2 { dictionary: u32::MAX },
        ([3, 1, 1], [properties, a, b, c, d]) => {
            Packing::Lzma { properties: *properties, dictionary: u32::from_le_bytes([*a, *b, *c, *d]) }
        }
        ([3], [distance]) => Packing::Delta { distance: u16::from(*distance) + 1 },
        ([4] | [3, 3, 1, 3], _) => Packing::Branch { machine: 4 },
        ([5] | [3, 3, 2, 5], _) => Packing::Branch { machine: 5 },
        ([6] | [3, 3, 4, 1], _) => Packing::Branch { machine: 6 },
        ([7] | [3, 3, 5, 1], _) => Packing::Branch { machine: 7 },
        ([8] | [3, 3, 7, 1], _) => Packing::Branch { machine: 8 },
        ([9] | [3, 3, 8, 5], _) => Packing::Branch { machine: 9 },
        ([0x0a], _) => Packing::Branch { machine: 10 },
        ([0x0b], _) => Packing::Branch { machine: 11 },
        ([3, 3, 1, 0x1b], _) => Packing::Bcj2,
        ([4, 1, 8], _) => Packing::Deflate,
        ([4, 2, 2], _) => Packing::Bzip2,
        ([4, 0xf7, 0x11, 1], _) => Packing::Zstandard,
        ([6, 0xf1, ..], _) => unread("encryption".to_owned()),
        ([4, 1, 9], _) => unread("deflate64".to_owned()),
        ([3, 4, 1], _) => unread("ppmd".to_owned()),
        (id, _) => unread(format!("7z method {}", hex(id))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

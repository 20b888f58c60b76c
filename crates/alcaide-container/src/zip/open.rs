//! A member's bytes, under each reading that some reader would give it.

use std::rc::Rc;

use super::record::Header;
use super::{Zip, ZipMember};
use crate::bytes;
use crate::input::{Input, ReadError, Window};
use crate::unpack::{Packed, Packing, Recipe, Run};

/// A way to read a member's bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// Whether it is the local header's way, where that differs from the directory's.
    pub by_local: bool,
    /// Whether a flag claims encryption that this reading ignores.
    pub ignores_encryption: bool,
    /// How the bytes are packed.
    pub packing: Packing,
    /// Where the packed bytes begin.
    pub start: u64,
    /// How many they are.
    pub packed: u64,
    /// How many bytes are said to come out; `None` where only a descriptor says it.
    pub len: Option<u64>,
    /// What their CRC-32 is said to be; `None` where only a descriptor says it.
    pub crc: Option<u32>,
    /// Whether other members share its bytes.
    pub shared: bool,
}

impl Reading {
    fn of(header: &Header, member: &ZipMember, start: u64, by_local: bool) -> Self {
        let open = header.flags & 8 != 0 && header.packed == 0 && by_local;
        Self {
            by_local,
            ignores_encryption: header.flags & 0x41 != 0,
            packing: packing(header),
            start,
            packed: if open { member.range.end.saturating_sub(start) } else { header.packed },
            len: (!open).then_some(header.len),
            crc: (!open).then_some(header.crc),
            shared: member.shared,
        }
    }
}

/// The packing for the number of a method (application note, section 4.4.5).
fn packing(header: &Header) -> Packing {
    let unread = |what: &str| Packing::Unread { what: what.to_owned() };
    match header.method {
        0 => Packing::Stored,
        8 => Packing::Deflate,
        9 => unread("deflate64"),
        12 => Packing::Bzip2,
        14 => Packing::ZipLzma { marked: header.flags & 2 != 0 },
        20 | 93 => Packing::Zstandard,
        95 => Packing::Xz,
        98 => unread("ppmd"),
        99 => unread("aes encryption"),
        method => Packing::Unread { what: format!("zip method {method}") },
    }
}

/// What a member holds.
pub enum Content<'a> {
    /// A part of the archive itself.
    Plain(Window<&'a dyn Input>),
    /// Bytes that are unpacked.
    Packed(Box<Packed<'a>>),
}

impl Input for Content<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Plain(plain) => plain.len(),
            Self::Packed(packed) => packed.len(),
        }
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        match self {
            Self::Plain(plain) => plain.read_at(at, into),
            Self::Packed(packed) => packed.read_at(at, into),
        }
    }
}

impl<'a> Zip<'a> {
    /// The ways to read the bytes of member number `member`; none for one whose data are not there.
    #[must_use]
    pub fn readings(&self, member: usize) -> Vec<Reading> {
        let Some(member) = self.members.get(member) else { return Vec::new() };
        let Some(local) = &member.local else { return Vec::new() };
        let mut readings = Vec::new();
        if let Some((central, _)) = &member.central {
            readings.push(Reading::of(central, member, local.data, false));
        }
        let own = Reading::of(&local.header, member, local.data, true);
        // Where sizes stand behind the data, a local reading of the same method unpacks the same bytes.
        let same = readings.iter().any(|known| {
            let length = own.len.is_none() || (known.packed, known.len) == (own.packed, own.len);
            known.packing == own.packing && length
        });
        if !same {
            readings.push(own);
        }
        readings
    }

    /// The bytes of a member, read as `reading` says. Bytes that members share are paid for, packed or not.
    ///
    /// # Errors
    /// [`ReadError`] if they are packed in a way that is not read here or the budget is spent.
    pub fn open(&self, reading: &Reading) -> Result<Content<'a>, ReadError> {
        if reading.packing == Packing::Stored {
            let window = Window::new(self.input, reading.start, reading.packed);
            if reading.shared {
                self.fuel.unpack(window.len())?;
            }
            return Ok(Content::Plain(window));
        }
        let run = Run { of: Rc::new(self.input), start: reading.start, len: reading.packed };
        let packing = reading.packing.clone();
        let recipe = Recipe { packing, runs: vec![run], said: reading.len, crc: reading.crc };
        Packed::cook(recipe, &self.fuel).map(|packed| Content::Packed(Box::new(packed)))
    }
}

/// The CRC-32 of all bytes of `input`, for stored members, whose checksum nobody computes while they are read.
///
/// # Errors
/// [`ReadError`] as the input says it.
pub fn crc32(input: &dyn Input) -> Result<u32, ReadError> {
    let mut sum = flate2::Crc::new();
    let mut at = 0;
    let mut part = vec![0; 64 << 10];
    loop {
        let count = input.read_at(at, &mut part)?;
        if count == 0 {
            return Ok(sum.sum());
        }
        let read = part.get(..count).unwrap_or_default();
        sum.update(read);
        at = at.saturating_add(bytes::len(read));
    }
}

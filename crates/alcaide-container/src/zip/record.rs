//! Records of a zip file as they stand there (PKWARE's application note, sections 4.3 to 4.5).

use crate::bytes::{self, Cursor};
use crate::input::ReadError;
use crate::name::Name;
use crate::pages::Pages;

pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
pub(super) const CENTRAL: [u8; 4] = *b"PK\x01\x02";
pub(super) const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

/// What one header says of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// Where it lies.
    pub at: u64,
    /// Bits: 0 encryption, 3 sizes behind the data, 5 a patch, 6 strong encryption, 11 the name is UTF-8, 13 hidden fields.
    pub flags: u16,
    /// The number of the method.
    pub method: u16,
    /// The CRC-32 of the bytes.
    pub crc: u32,
    /// Packed bytes.
    pub packed: u64,
    /// Unpacked bytes.
    pub len: u64,
    /// The name.
    pub name: Name,
    /// Another name, in the field for Unicode; the second says whether its checksum fits the first name.
    pub unicode: Option<(Name, bool)>,
    /// The method under the encryption of WinZip, if that is said.
    pub aes: Option<u16>,
}

/// What only the directory says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attributes {
    /// The system that the attributes are of: 3 is Unix.
    pub system: u8,
    /// The attributes; for Unix the mode is in the upper half.
    pub external: u32,
}

impl Attributes {
    const UNIX: u8 = 3;
    const DARWIN: u8 = 19;

    /// The type bits of a Unix mode, zero where none are said.
    pub(super) const fn unix_type(self) -> u32 {
        match self.system {
            Self::UNIX | Self::DARWIN => (self.external >> 16) & 0o170_000,
            _ => 0,
        }
    }
}

/// An entry of the directory.
pub(super) struct Entry {
    pub(super) header: Header,
    pub(super) attributes: Attributes,
    /// Where its local header is said to lie, as it stands there.
    pub(super) local: u64,
    pub(super) disk: u32,
    /// Where the next entry begins.
    pub(super) next: u64,
}

/// A local header and where its data begin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Local {
    /// What it says.
    pub header: Header,
    /// Where the packed bytes begin.
    pub data: u64,
}

const ENTRY: usize = 46;
const HEADER: usize = 30;

pub(super) fn entry(pages: &mut Pages<'_>, at: u64) -> Result<Option<Entry>, ReadError> {
    let Some(fixed) = pages.get(at, ENTRY)? else { return Ok(None) };
    let Some((fields, [name, extra, comment])) = entry_fields(fixed) else { return Ok(None) };
    let tail = usize::from(name) + usize::from(extra) + usize::from(comment);
    let Some(whole) = pages.get(at, ENTRY + tail)? else { return Ok(None) };
    let mut cursor = Cursor::new(whole.get(ENTRY..).unwrap_or_default());
    let (Some(name), Some(extra)) = (cursor.take(name.into()), cursor.take(extra.into())) else {
        return Ok(None);
    };
    let mut entry = fields;
    entry.next = at.saturating_add((ENTRY + tail) as u64);
    entry.header.at = at;
    entry.header.name = Name::new(name);
    let Entry { header, local, disk, .. } = &mut entry;
    extras(extra, name, header, Some((local, disk)));
    Ok(Some(entry))
}

fn entry_fields(fixed: &[u8]) -> Option<(Entry, [u16; 3])> {
    let mut cursor = Cursor::new(fixed);
    if cursor.take(4)? != CENTRAL {
        return None;
    }
    let [_, system] = cursor.u16()?.to_le_bytes();
    let _needed = cursor.u16()?;
    let header = common(&mut cursor)?;
    let lengths = [cursor.u16()?, cursor.u16()?, cursor.u16()?];
    let disk = cursor.u16()?.into();
    let _internal = cursor.u16()?;
    let attributes = Attributes { system, external: cursor.u32()? };
    let local = cursor.u32()?.into();
    Some((Entry { header, attributes, local, disk, next: 0 }, lengths))
}

pub(super) fn local(pages: &mut Pages<'_>, at: u64) -> Result<Option<Local>, ReadError> {
    let Some(fixed) = pages.get(at, HEADER)? else { return Ok(None) };
    let Some((mut header, [name, extra])) = local_fields(fixed) else { return Ok(None) };
    let tail = usize::from(name) + usize::from(extra);
    let Some(whole) = pages.get(at, HEADER + tail)? else { return Ok(None) };
    let mut cursor = Cursor::new(whole.get(HEADER..).unwrap_or_default());
    let (Some(name), Some(extra)) = (cursor.take(name.into()), cursor.take(extra.into())) else {
        return Ok(None);
    };
    header.at = at;
    header.name = Name::new(name);
    extras(extra, name, &mut header, None);
    Ok(Some(Local { header, data: at.saturating_add((HEADER + tail) as u64) }))
}

fn local_fields(fixed: &[u8]) -> Option<(Header, [u16; 2])> {
    let mut cursor = Cursor::new(fixed);
    if cursor.take(4)? != LOCAL {
        return None;
    }
    let _needed = cursor.u16()?;
    let header = common(&mut cursor)?;
    Some((header, [cursor.u16()?, cursor.u16()?]))
}

/// The fields that both headers have, in the same order.
fn common(cursor: &mut Cursor<'_>) -> Option<Header> {
    let flags = cursor.u16()?;
    let method = cursor.u16()?;
    let _time = cursor.u32()?;
    Some(Header {
        at: 0,
        flags,
        method,
        crc: cursor.u32()?,
        packed: cursor.u32()?.into(),
        len: cursor.u32()?.into(),
        name: Name::default(),
        unicode: None,
        aes: None,
    })
}

const SATURATED: u64 = 0xffff_ffff;

/// The extra fields that change how a member is read.
fn extras(extra: &[u8], name: &[u8], header: &mut Header, place: Option<(&mut u64, &mut u32)>) {
    let mut place = place;
    let mut cursor = Cursor::new(extra);
    while let (Some(id), Some(size)) = (cursor.u16(), cursor.u16()) {
        let Some(body) = cursor.take(size.into()) else { return };
        let mut body = Cursor::new(body);
        match id {
            // Sizes and the place, each only where its own field is saturated.
            0x0001 => {
                for field in [&mut header.len, &mut header.packed] {
                    if *field == SATURATED
                        && let Some(wide) = body.u64()
                    {
                        *field = wide;
                    }
                }
                if let Some((local, disk)) = &mut place {
                    if **local == SATURATED
                        && let Some(wide) = body.u64()
                    {
                        **local = wide;
                    }
                    if **disk == 0xffff
                        && let Some(wide) = body.u32()
                    {
                        **disk = wide;
                    }
                }
            }
            // A version, the checksum of the name that it replaces, the name.
            0x7075 => {
                if let (Some(1), Some(sum)) = (body.u8(), body.u32()) {
                    let mut found = flate2::Crc::new();
                    found.update(name);
                    header.unicode = Some((Name::new(body.rest()), sum == found.sum()));
                }
            }
            // A version, `AE`, a strength, the method.
            0x9901 => {
                if let (Some(_), Some(_)) = (body.u32(), body.u8()) {
                    header.aes = body.u16();
                }
            }
            _ => {}
        }
    }
}

/// What stands behind the data of a member whose sizes were not known before.
pub(super) struct Descriptor {
    pub(super) len: u64,
    pub(super) fits: bool,
}

/// The descriptor at `at` that says what `header` says; without one that does, the one that is there.
pub(super) fn descriptor(
    pages: &mut Pages<'_>,
    at: u64,
    header: &Header,
) -> Result<Option<Descriptor>, ReadError> {
    let marked = pages.is(at, &DESCRIPTOR)?;
    let skip: u64 = if marked { 4 } else { 0 };
    for wide in [false, true] {
        let size = if wide { 20 } else { 12 };
        let Some(body) = pages.get(at.saturating_add(skip), size)? else { continue };
        let mut cursor = Cursor::new(body);
        let crc = cursor.u32();
        let sizes = match wide {
            true => [cursor.u64(), cursor.u64()],
            false => [cursor.u32().map(u64::from), cursor.u32().map(u64::from)],
        };
        if crc == Some(header.crc) && sizes == [Some(header.packed), Some(header.len)] {
            return Ok(Some(Descriptor { len: skip + size as u64, fits: true }));
        }
    }
    Ok(marked.then_some(Descriptor { len: 16, fits: false }))
}

/// Bytes of a member's record in memory, for the budget.
pub(super) fn held(header: &Header) -> u64 {
    let unicode = header.unicode.as_ref().map_or(0, |(name, _)| name.held());
    header.name.held() + unicode + bytes::len(&[0; 128])
}

//! Blocks of a tar archive: headers, and the records of attributes in front of them.

use std::collections::BTreeMap;

use crate::bytes;
use crate::input::{Input, ReadError};
use crate::pages::Pages;

pub(super) const BLOCK: usize = 512;
/// Bytes of a record of attributes or of a long name that are read at most.
const RECORD_MAX: u64 = 1 << 20;
/// Numbers of a map in attributes that are kept: one pair more than a map may have.
const RUNS_KEPT: usize = 200_002;
/// Attributes that change what a member is; no others are kept.
const KEYS: [&[u8]; 8] = [
    b"path",
    b"linkpath",
    b"size",
    b"GNU.sparse.major",
    b"GNU.sparse.map",
    b"GNU.sparse.name",
    b"GNU.sparse.realsize",
    b"GNU.sparse.size",
];
/// Blocks that go on with the map of a sparse file, at most.
const MAP_BLOCKS_MAX: u64 = 4096;

/// What a member is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Another name for a member.
    HardLink,
    /// A link by name.
    SymbolicLink,
    /// A device or a pipe.
    Special,
    /// None of these; readers take it for a file.
    Unknown,
}

impl Kind {
    pub(super) fn of(byte: u8, name: &[u8]) -> Self {
        match byte {
            0 if name.ends_with(b"/") => Self::Folder,
            0 | b'0' | b'7' | b'S' => Self::File,
            b'1' => Self::HardLink,
            b'2' => Self::SymbolicLink,
            b'3' | b'4' | b'6' => Self::Special,
            b'5' | b'D' => Self::Folder,
            _ => Self::Unknown,
        }
    }
}

/// A header whose checksum fits.
pub(super) struct Block {
    pub(super) name: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) kind: u8,
    pub(super) mode: u32,
    /// `None` where the field is no number.
    pub(super) size: Option<u64>,
    /// The length with holes, in GNU's old form.
    pub(super) real_size: Option<u64>,
    /// The part of a map that has room in the header, and whether it goes on.
    map: [u8; 97],
}

/// Runs of bytes of a sparse file: place and length.
pub(super) type Runs = Vec<(u64, u64)>;

impl Block {
    /// The header in these 512 bytes, if its checksum fits: as bytes, or as signed ones as old writers summed them.
    pub(super) fn read(block: &[u8]) -> Option<Self> {
        if !is_header(block) {
            return None;
        }
        let field = |at: usize, len: usize| block.get(at..at + len).unwrap_or_default();
        let mut name = text(field(0, 100));
        let magic = field(257, 8);
        // POSIX has a prefix there; GNU has other things there, and says so.
        if magic.starts_with(b"ustar\0") {
            let prefix = text(field(345, 155));
            if !prefix.is_empty() {
                name = [&prefix[..], b"/", &name].concat();
            }
        }
        let kind = field(156, 1).first().copied()?;
        Some(Self {
            name,
            target: text(field(157, 100)),
            kind,
            mode: number(field(100, 8)).and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0),
            size: number(field(124, 12)),
            real_size: number(field(483, 12)),
            map: field(386, 97).try_into().ok()?,
        })
    }

    /// The map of GNU's old form: four runs here, and 21 in each block that follows; and how many those are.
    pub(super) fn old_map(&self, pages: &mut Pages<'_>, data: u64) -> Result<(Option<Runs>, u64), ReadError> {
        let mut runs = Runs::new();
        let (entries, more) = self.map.split_at(96);
        let mut good = old_runs(entries, &mut runs);
        let mut goes_on = more != [0];
        let mut blocks = 0;
        while goes_on {
            let at = data.saturating_add(blocks * BLOCK as u64);
            let Some(block) = pages.get(at, BLOCK)? else { return Ok((None, blocks)) };
            let (entries, rest) = block.split_at_checked(504).unwrap_or_default();
            good &= old_runs(entries, &mut runs);
            goes_on = rest.first().is_some_and(|&byte| byte != 0);
            blocks += 1;
            if blocks >= MAP_BLOCKS_MAX {
                return Ok((None, blocks));
            }
        }
        Ok((good.then_some(runs), blocks))
    }
}

fn old_runs(entries: &[u8], runs: &mut Runs) -> bool {
    for entry in entries.chunks_exact(24) {
        let (place, len) = entry.split_at_checked(12).unwrap_or_default();
        if place.first().is_none_or(|&byte| byte == 0) {
            return true;
        }
        let (Some(place), Some(len)) = (number(place), number(len)) else { return false };
        runs.push((place, len));
    }
    true
}

/// Whether these bytes are a header: 512 of them, with a checksum that fits.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else { return false };
    let Some(said) = block.get(148..156).and_then(number) else { return false };
    let (mut unsigned, mut signed) = (0_u64, 0_i64);
    for (at, &byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        unsigned += u64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    said != 0 && (said == unsigned || i64::try_from(said) == Ok(signed))
}

/// A field of text up to its first NUL.
fn text(field: &[u8]) -> Vec<u8> {
    field.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

/// A field of digits to the base eight, or bytes behind a mark where they would not have room.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first()? {
        (0x80, rest) => rest
            .iter()
            .try_fold(0_u64, |number, &byte| (number >> 56 == 0).then_some(number << 8 | u64::from(byte))),
        _ => {
            let text = field.trim_ascii_start();
            let end = text.iter().position(|&byte| byte == 0 || byte == b' ').unwrap_or(text.len());
            let digits = text.get(..end)?;
            digits.iter().try_fold(0_u64, |number, &byte| {
                let digit = matches!(byte, b'0'..=b'7').then(|| u64::from(byte - b'0'))?;
                number.checked_mul(8)?.checked_add(digit)
            })
        }
    }
}

/// A long name or target: the data of the block before the member's header.
pub(super) fn long(input: &dyn Input, at: u64, size: u64) -> Result<Option<Vec<u8>>, ReadError> {
    if size > RECORD_MAX {
        return Ok(None);
    }
    let bytes = bytes::read(input, at, bytes::size(size))?;
    Ok((bytes::len(&bytes) == size).then(|| text(&bytes)))
}

/// Attributes by their keys; and the runs of a sparse file, whose keys come again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) runs: Vec<Vec<u8>>,
}

impl Pax {
    /// The attributes of a later record replace those of an earlier one.
    pub(super) fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
        let room = RUNS_KEPT.saturating_sub(self.runs.len());
        self.runs.extend(other.runs.into_iter().take(room));
    }

    pub(super) fn text(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key.as_bytes()).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        decimal(self.text(key)?)
    }
}

pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The attributes in `size` bytes at `at`: `LENGTH KEY=VALUE\n`, again and again; `None` where that does not hold.
pub(super) fn pax(input: &dyn Input, at: u64, size: u64) -> Result<Option<Pax>, ReadError> {
    if size > RECORD_MAX {
        return Ok(None);
    }
    let bytes = bytes::read(input, at, bytes::size(size))?;
    if bytes::len(&bytes) != size {
        return Ok(None);
    }
    Ok(records(&bytes))
}

fn records(bytes: &[u8]) -> Option<Pax> {
    let mut pax = Pax::default();
    let mut rest = bytes;
    while rest.first().is_some_and(|&byte| byte != 0) {
        let space = rest.iter().position(|&byte| byte == b' ')?;
        let len = decimal(rest.get(..space)?)?;
        let (record, after) = rest.split_at_checked(bytes::size(len))?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
        if key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes" {
            pax.runs.push(value.to_vec());
        } else if KEYS.contains(&key) {
            pax.values.insert(key.to_vec(), value.to_vec());
        }
        rest = after;
    }
    Some(pax)
}

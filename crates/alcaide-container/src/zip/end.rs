//! Where the directories of a zip file may be: every record that could end it, in every way that readers take it.

use std::ops::Range;

use memchr::memmem;

use super::record::CENTRAL;
use crate::bytes::{self, Cursor};
use crate::input::{Input, ReadError};
use crate::pages::Pages;

const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const END_BYTES: u64 = 22;
const END64_BYTES: u64 = 56;
const LOCATOR64_BYTES: u64 = 20;
/// How many ends are followed at most.
pub(super) const ENDS_MAX: usize = 16;

/// A record that says that a zip file ends here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct End {
    pub(super) at: u64,
    pub(super) disks: bool,
    pub(super) count: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
    /// Where the file ends by the length of its comment.
    pub(super) reach: u64,
    pub(super) wide: Option<Wide>,
    /// Where the record of the wide form is said to be, if it is elsewhere than before its locator.
    pub(super) elsewhere: Option<u64>,
}

/// The record for large files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Wide {
    pub(super) at: u64,
    pub(super) count: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
}

/// A way to read a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reading {
    /// Where it begins.
    pub(super) start: u64,
    /// How long it is said to be.
    pub(super) size: u64,
    pub(super) count: u64,
    /// What is added to the places of local headers, wrapping: it is less than nothing where bytes were cut off in front.
    pub(super) shift: u64,
    /// Where it must end.
    pub(super) limit: u64,
}

/// All ends in the last bytes of the file, the one that CPython's `zipfile` takes first.
pub(super) fn ends(input: &dyn Input) -> Result<Vec<End>, ReadError> {
    let len = input.len();
    let tail = len.saturating_sub(END_BYTES + u64::from(u16::MAX));
    let bytes = bytes::read(input, tail, bytes::size(len - tail))?;
    let mut places: Vec<u64> = memmem::find_iter(&bytes, &END).map(|at| tail + at as u64).collect();
    // The last one counts, but one without a comment at the very end counts before all others; that is the last one, too,
    // unless its own fields hold the mark.
    let bare = len.checked_sub(END_BYTES);
    if let Some(bare) = bare
        && places.contains(&bare)
        && bytes.ends_with(&[0, 0])
    {
        places.retain(|&at| at != bare);
        places.push(bare);
    }
    let mut pages = Pages::new(input, 256);
    let mut ends = Vec::new();
    for at in places.into_iter().rev().take(ENDS_MAX) {
        ends.extend(end(&mut pages, at)?);
    }
    Ok(ends)
}

/// The record at `at`.
pub(super) fn end(pages: &mut Pages<'_>, at: u64) -> Result<Option<End>, ReadError> {
    let Some(record) = pages.get(at, bytes::size(END_BYTES))? else { return Ok(None) };
    let mut cursor = Cursor::new(record);
    let fields = (|| {
        cursor.take(4)?;
        let disks = [cursor.u16()?, cursor.u16()?];
        let counts = [cursor.u16()?, cursor.u16()?];
        Some((disks, counts, cursor.u32()?, cursor.u32()?, cursor.u16()?))
    })();
    let Some((disks, [here, count], size, offset, comment)) = fields else { return Ok(None) };
    let mut end = End {
        at,
        disks: disks != [0, 0] || here != count,
        count: count.into(),
        size: size.into(),
        offset: offset.into(),
        reach: at.saturating_add(END_BYTES).saturating_add(comment.into()),
        wide: None,
        elsewhere: None,
    };
    let Some(locator) = at.checked_sub(LOCATOR64_BYTES) else { return Ok(Some(end)) };
    if !pages.is(locator, &LOCATOR64)? {
        return Ok(Some(end));
    }
    let said = pages.get(locator.saturating_add(8), 8)?.and_then(|bytes| Cursor::new(bytes).u64());
    if let Some(before) = locator.checked_sub(END64_BYTES) {
        end.wide = wide(pages, before)?;
    }
    match (said, end.wide) {
        (Some(said), Some(wide)) if said != wide.at => end.elsewhere = Some(said),
        (Some(said), None) => {
            end.wide = wide(pages, said)?;
            end.elsewhere = end.wide.is_none().then_some(said);
        }
        _ => {}
    }
    Ok(Some(end))
}

fn wide(pages: &mut Pages<'_>, at: u64) -> Result<Option<Wide>, ReadError> {
    let Some(record) = pages.get(at, bytes::size(END64_BYTES))? else { return Ok(None) };
    let mut cursor = Cursor::new(record);
    Ok((|| {
        if cursor.take(4)? != END64 {
            return None;
        }
        cursor.take(28)?;
        Some(Wide { at, count: cursor.u64()?, size: cursor.u64()?, offset: cursor.u64()? })
    })())
}

impl End {
    /// Whether the narrow fields say something else than the wide ones.
    pub(super) fn disagrees(&self) -> bool {
        self.wide.is_some_and(|wide| {
            (self.size != 0xffff_ffff && self.size != wide.size)
                || (self.offset != 0xffff_ffff && self.offset != wide.offset)
                || (self.count != 0xffff && self.count != wide.count)
        })
    }

    /// The ways to read the directory: CPython's first. Those of which nothing stands where they begin are left out.
    pub(super) fn readings(&self, pages: &mut Pages<'_>) -> Result<Vec<Reading>, ReadError> {
        let mut readings: Vec<Reading> = Vec::new();
        let narrow = Wide { at: self.at, count: self.count, size: self.size, offset: self.offset };
        let mut ways = vec![narrow];
        if let Some(wide) = self.wide {
            ways.insert(0, wide);
        }
        if let Some(at) = self.elsewhere {
            ways.extend(wide(pages, at)?);
        }
        for (way, Wide { at: limit, count, size, offset }) in ways.into_iter().enumerate() {
            // By where the end is: whatever was put before the archive shifts all places.
            let by_end = limit.checked_sub(size).map(|start| (start, start.wrapping_sub(offset)));
            let by_word = (offset < limit).then_some((offset, 0));
            for (start, shift) in [by_end, by_word].into_iter().flatten() {
                let reading = Reading { start, size, count, shift, limit };
                let known = readings.iter().any(|known| (known.start, known.shift) == (start, shift));
                let empty = way == 0 && count == 0 && size == 0;
                if !known && (empty || pages.is(start, &CENTRAL)?) {
                    readings.push(reading);
                }
            }
        }
        Ok(readings)
    }

    /// The bytes that this record and those before it take.
    pub(super) fn range(&self, len: u64) -> Range<u64> {
        let start = self.wide.map_or(self.at, |wide| wide.at.min(self.at));
        start..self.reach.min(len)
    }
}

//! Small reads at many places, fetched in larger pieces; and the search for marks in long stretches.

use std::ops::Range;

use crate::bytes;
use crate::fuel::Fuel;
use crate::input::{Input, ReadError};

/// The last stretch that was read.
pub(crate) struct Pages<'a> {
    of: &'a dyn Input,
    page: usize,
    at: u64,
    held: Vec<u8>,
}

impl<'a> Pages<'a> {
    /// Reads `page` bytes at a time where fewer are asked for.
    pub(crate) const fn new(of: &'a dyn Input, page: usize) -> Self {
        Self { of, page, at: 0, held: Vec::new() }
    }

    /// The `count` bytes at `at`, or `None` if there are not so many.
    pub(crate) fn get(&mut self, at: u64, count: usize) -> Result<Option<&[u8]>, ReadError> {
        let inside = at
            .checked_sub(self.at)
            .map(bytes::size)
            .is_some_and(|skip| self.held.len().checked_sub(skip).is_some_and(|left| left >= count));
        if !inside {
            self.held = bytes::read(self.of, at, count.max(self.page))?;
            self.at = at;
        }
        let skip = bytes::size(at.saturating_sub(self.at));
        Ok(self.held.get(skip..skip.saturating_add(count)))
    }

    /// Whether `mark` stands at `at`.
    pub(crate) fn is(&mut self, at: u64, mark: &[u8]) -> Result<bool, ReadError> {
        Ok(self.get(at, mark.len())? == Some(mark))
    }
}

/// Bytes that are searched for one step.
const BYTES_PER_STEP: u64 = 1024;
const STRETCH: usize = 256 << 10;

/// The first place in `range` where `mark` stands, whole.
pub(crate) fn find(
    of: &dyn Input,
    range: Range<u64>,
    mark: &memchr::memmem::Finder<'_>,
    fuel: &Fuel,
) -> Result<Option<u64>, ReadError> {
    let overlap = mark.needle().len().saturating_sub(1);
    let mut at = range.start;
    while at < range.end {
        let want = bytes::size(range.end - at).min(STRETCH);
        fuel.step(1 + want as u64 / BYTES_PER_STEP)?;
        let stretch = bytes::read(of, at, want)?;
        if let Some(place) = mark.find(&stretch) {
            return Ok(Some(at + place as u64));
        }
        if stretch.len() < want || stretch.len() <= overlap {
            return Ok(None);
        }
        at += (stretch.len() - overlap) as u64;
        if range.end - at <= overlap as u64 {
            return Ok(None);
        }
    }
    Ok(None)
}

//! Reading in pieces: a place in an input and the page around it.

use std::ops::Range;

use alcaide_container::{Exhausted, Input, ReadError};

/// Why a structure could not be read to its end.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes could not be had, or the budget is spent.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The bytes break a rule of their format.
    #[error("{why}, at byte {at}")]
    Malformed {
        /// Where.
        at: u64,
        /// The rule that is broken.
        why: &'static str,
    },
}

impl From<Exhausted> for Fault {
    fn from(spent: Exhausted) -> Self {
        Self::Read(spent.into())
    }
}

/// A place in an input, the end that reading must not pass, and the page around the place.
pub struct Cursor<'a> {
    input: &'a dyn Input,
    at: u64,
    end: u64,
    page: Vec<u8>,
    page_at: u64,
}

impl std::fmt::Debug for Cursor<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cursor").field("at", &self.at).field("end", &self.end).finish_non_exhaustive()
    }
}

impl<'a> Cursor<'a> {
    /// Bytes read from the input at a time.
    pub const PAGE_BYTES: usize = 4096;

    /// At the first byte of `input`.
    pub fn new(input: &'a dyn Input) -> Self {
        Self { input, at: 0, end: input.len(), page: Vec::new(), page_at: 0 }
    }

    /// Where the next byte is read.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes the input has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end
    }

    /// Whether the input has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// How many bytes there are from here on.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// Goes to another place; past the end nothing can be read.
    pub fn seek(&mut self, at: u64) {
        self.at = at;
    }

    /// The next byte, without going past it; none at the end.
    ///
    /// # Errors
    /// [`Fault::Read`] if the input fails.
    pub fn peek(&mut self) -> Result<Option<u8>, Fault> {
        if self.at >= self.end {
            return Ok(None);
        }
        if self.paged().is_none() {
            self.turn()?;
        }
        Ok(self.paged())
    }

    /// The next byte; none at the end.
    ///
    /// # Errors
    /// [`Fault::Read`] if the input fails.
    pub fn next_byte(&mut self) -> Result<Option<u8>, Fault> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.at += 1;
        }
        Ok(byte)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Fault::Malformed`] if there are not so many.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let from = self.at;
        let mut into = [0; N];
        for slot in &mut into {
            let Some(byte) = self.next_byte()? else {
                return Err(Fault::Malformed { at: from, why: "the file ends within a value" });
            };
            *slot = byte;
        }
        Ok(into)
    }

    /// An unsigned number of `bytes` bytes (at most 8), least significant first.
    ///
    /// # Errors
    /// [`Fault::Malformed`] if there are not so many.
    pub fn le(&mut self, bytes: u8) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in 0..u32::from(bytes.min(8)) {
            let [byte] = self.array()?;
            value |= u64::from(byte) << (8 * shift);
        }
        Ok(value)
    }

    /// The bytes of `range`, at most `max` of them, and whether that is all. The place stays where it is.
    ///
    /// # Errors
    /// [`Fault::Read`] if the input fails.
    pub fn bytes(&self, range: &Range<u64>, max: usize) -> Result<(Vec<u8>, bool), Fault> {
        let len = range.end.min(self.end).saturating_sub(range.start);
        let taken = usize::try_from(len).unwrap_or(usize::MAX).min(max);
        let mut into = vec![0; taken];
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let count = self.input.read_at(range.start.saturating_add(filled as u64), rest)?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        into.truncate(filled);
        Ok((into, filled as u64 == len))
    }

    fn paged(&self) -> Option<u8> {
        let within = usize::try_from(self.at.checked_sub(self.page_at)?).ok()?;
        self.page.get(within).copied()
    }

    fn turn(&mut self) -> Result<(), Fault> {
        self.page.resize(Self::PAGE_BYTES, 0);
        let count = match self.input.read_at(self.at, &mut self.page) {
            Ok(count) => count,
            Err(why) => {
                self.page.clear();
                return Err(why.into());
            }
        };
        self.page.truncate(count);
        self.page_at = self.at;
        if count == 0 {
            let why = "the source ends before the length that it stated".to_owned();
            return Err(ReadError::Source { at: self.at, why }.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_over_pages_and_stops_at_the_end() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|one| (one % 251) as u8).collect();
        let mut cursor = Cursor::new(&bytes);
        for expected in &bytes {
            assert_eq!(cursor.next_byte(), Ok(Some(*expected)));
        }
        assert_eq!(cursor.next_byte(), Ok(None));
        cursor.seek(4095);
        assert_eq!(cursor.le(2), Ok(u64::from(bytes[4095]) | u64::from(bytes[4096]) << 8));
        assert_eq!(cursor.bytes(&(9_998..20_000), 10), Ok((bytes[9_998..].to_vec(), true)));
        assert_eq!(cursor.bytes(&(0..20), 10), Ok((bytes[..10].to_vec(), false)));
        cursor.seek(9_999);
        assert!(cursor.array::<2>().is_err());
        cursor.seek(u64::MAX);
        assert_eq!((cursor.left(), cursor.next_byte()), (0, Ok(None)));
    }

    #[test]
    fn a_source_that_ends_before_its_length_is_a_failure_and_no_endless_read() {
        struct Short;
        impl Input for Short {
            fn len(&self) -> u64 {
                10
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> Result<usize, ReadError> {
                Ok(0)
            }
        }
        assert!(matches!(Cursor::new(&Short).next_byte(), Err(Fault::Read(ReadError::Source { .. }))));
    }
}

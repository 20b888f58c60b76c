//! Numbers out of bytes, without a way to read past their end.

use crate::input::{Input, ReadError};

/// A place in bytes that moves forward; what is not there is `None`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'b> {
    rest: &'b [u8],
}

impl<'b> Cursor<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// The bytes of `input` from `at` on, `count` of them or as many as there are.
pub(crate) fn read(input: &dyn Input, at: u64, count: usize) -> Result<Vec<u8>, ReadError> {
    let there = input.len().saturating_sub(at);
    let count = usize::try_from(there).unwrap_or(usize::MAX).min(count);
    let mut bytes = vec![0; count];
    let got = input.read_at(at, &mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}

/// A length as a type of lengths; every platform that this is built for has 64 bits or fewer.
pub(crate) fn len(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

/// A count in memory for a count in a file: as much as fits.
pub(crate) fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

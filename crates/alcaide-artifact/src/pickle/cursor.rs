//! A small window that moves over an input: reads forward, skips what is large, and still has what was just read.

use alcaide_container::{Input, ReadError};

/// Bytes held at a time.
const WINDOW: usize = 16 * 1024;

/// Reads an input forward.
pub(crate) struct Cursor<'a> {
    input: &'a dyn Input,
    at: u64,
    /// Place of the first byte held.
    start: u64,
    held: Vec<u8>,
    frame: Option<u64>,
    straddle: Straddle,
    /// First byte of a read that went over the end of a frame.
    straddled: Option<(u64, u64)>,
}

/// What a read does that begins within a frame and ends beyond it.
///
/// An unpickler that has all bytes at hand reads on. The one of C that reads from a file drops what is left of the frame, and
/// the one of Python refuses. Source: `_Unpickler_ReadImpl` in `Modules/_pickle.c` and `_Unframer.read` in `Lib/pickle.py`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Straddle {
    ReadOn,
    DropRest,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(input: &'a dyn Input, at: u64) -> Self {
        Self {
            input,
            at,
            start: at,
            held: Vec::new(),
            frame: None,
            straddle: Straddle::ReadOn,
            straddled: None,
        }
    }

    /// What a read over the end of a frame does.
    pub(crate) fn on_straddle(&mut self, straddle: Straddle) {
        self.straddle = straddle;
    }

    /// Begins a frame of `len` bytes here.
    pub(crate) fn frame(&mut self, len: u64) {
        if let Some(end) = self.frame.filter(|end| self.at < *end) {
            self.straddled.get_or_insert((self.at, end));
            if self.straddle == Straddle::DropRest {
                self.at = end;
            }
        }
        self.frame = Some(self.at.saturating_add(len));
    }

    /// The first read that went over the end of a frame, and that end.
    pub(crate) fn straddled(&self) -> Option<(u64, u64)> {
        self.straddled
    }

    /// Forgets the frame that is open.
    pub(crate) fn unframe(&mut self) {
        self.frame = None;
    }

    /// To be called before a read that ends at `end`.
    fn border(&mut self, end: u64) -> bool {
        let Some(border) = self.frame else { return false };
        if self.at >= border {
            self.frame = None;
            return false;
        }
        if end <= border {
            return false;
        }
        self.straddled.get_or_insert((self.at, border));
        let drops = self.straddle == Straddle::DropRest;
        if drops {
            self.at = border;
            self.frame = None;
        }
        drops
    }

    /// Goes to `at`, forward or back.
    pub(crate) fn seek(&mut self, at: u64) {
        self.at = at;
    }

    /// The next byte, or nothing at the end.
    pub(crate) fn byte(&mut self) -> Result<Option<u8>, ReadError> {
        if let Some(byte) = self.held_at(self.at) {
            self.at += 1;
            return Ok(Some(byte));
        }
        self.fill(self.at)?;
        let byte = self.held_at(self.at);
        self.at += u64::from(byte.is_some());
        Ok(byte)
    }

    /// The next `N` bytes, or nothing if there are not so many; then none is taken.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, ReadError> {
        self.border(self.at.saturating_add(N as u64));
        let mut out = [0; N];
        let count = self.copy(self.at, &mut out)?;
        if count < N {
            return Ok(None);
        }
        self.at += N as u64;
        Ok(Some(out))
    }

    /// The first of the next `len` bytes, at most `keep`, and goes past all of them; nothing if there are not so many.
    pub(crate) fn take(&mut self, len: u64, keep: usize) -> Result<Option<Vec<u8>>, ReadError> {
        self.border(self.at.saturating_add(len));
        if len > self.input.len().saturating_sub(self.at) {
            return Ok(None);
        }
        let mut out = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(keep)];
        let count = self.copy(self.at, &mut out)?;
        if count < out.len() {
            return Ok(None);
        }
        self.at += len;
        Ok(Some(out))
    }

    /// The bytes up to the next line feed, at most `keep` of them, and how many there were; goes past the line feed.
    /// Nothing if there is none.
    pub(crate) fn line(&mut self, keep: usize) -> Result<Option<(Vec<u8>, u64)>, ReadError> {
        let from = self.at;
        let mut out = Vec::new();
        loop {
            if self.held_at(self.at).is_none() {
                self.fill(self.at)?;
            }
            let rest = self.rest();
            if rest.is_empty() {
                self.at = from;
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', rest);
            let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let room = keep.saturating_sub(out.len()).min(part.len());
            out.extend_from_slice(part.get(..room).unwrap_or_default());
            self.at += part.len() as u64;
            if end.is_some() {
                let len = self.at - from;
                let end = self.at + 1;
                self.at = from;
                if self.border(end) {
                    return self.line(keep);
                }
                self.at = end;
                return Ok(Some((out, len)));
            }
        }
    }

    /// Copies bytes from any place; what is held is not read again.
    pub(crate) fn copy(&mut self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let ends = at.saturating_add(into.len() as u64);
        if into.len() <= WINDOW
            && !(at >= self.start && ends <= self.start + self.held.len() as u64)
            && at >= self.at
        {
            self.fill(at)?;
        }
        if at >= self.start {
            let skip = usize::try_from(at - self.start).unwrap_or(usize::MAX);
            let held = self.held.get(skip..).unwrap_or_default();
            if held.len() >= into.len() || self.start + self.held.len() as u64 == self.input.len() {
                let count = held.len().min(into.len());
                if let (Some(to), Some(from)) = (into.get_mut(..count), held.get(..count)) {
                    to.copy_from_slice(from);
                }
                return Ok(count);
            }
        }
        self.input.read_at(at, into)
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn len(&self) -> u64 {
        self.input.len()
    }

    fn fill(&mut self, at: u64) -> Result<(), ReadError> {
        let left = usize::try_from(self.input.len().saturating_sub(at)).unwrap_or(usize::MAX);
        self.start = at;
        self.held.resize(left.min(WINDOW), 0);
        let count = match self.input.read_at(at, &mut self.held) {
            Ok(count) => count,
            Err(why) => {
                self.held.clear();
                return Err(why);
            }
        };
        self.held.truncate(count);
        Ok(())
    }

    fn held_at(&self, at: u64) -> Option<u8> {
        let skip = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.held.get(skip).copied()
    }

    fn rest(&self) -> &[u8] {
        let skip = self.at.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.held.get(skip..)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_asked_the_bytes_are_those_of_the_input(
            steps in proptest::collection::vec((0_u8..5, 0_u64..30_000), 1..40),
        ) {
            let input: Vec<u8> = (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let mut cursor = Cursor::new(&input, 0);
            for (what, number) in steps {
                let at = cursor.at() as usize;
                match what {
                    0 => prop_assert_eq!(cursor.byte().unwrap(), input.get(at).copied()),
                    1 => {
                        let got = cursor.array::<8>().unwrap();
                        prop_assert_eq!(got.as_ref().map(|got| &got[..]), input.get(at..at + 8));
                    }
                    2 => {
                        let got = cursor.take(number, 100).unwrap();
                        let want = input.get(at..at + number as usize).map(|all| all[..all.len().min(100)].to_vec());
                        prop_assert_eq!(got, want);
                    }
                    3 => {
                        let want = input[at..].iter().position(|byte| *byte == b'\n');
                        let got = cursor.line(50).unwrap();
                        prop_assert_eq!(got.as_ref().map(|got| got.1), want.map(|len| len as u64));
                        if let (Some(got), Some(len)) = (got, want) {
                            prop_assert_eq!(got.0, input[at..at + len.min(50)].to_vec());
                        }
                    }
                    _ => {
                        let mut into = [0; 64];
                        let count = cursor.copy(number, &mut into).unwrap();
                        prop_assert_eq!(&into[..count], &input[number as usize..(number as usize + 64).min(input.len())]);
                    }
                }
            }
        }
    }
}

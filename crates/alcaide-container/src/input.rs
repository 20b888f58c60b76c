//! Bytes that can be read at any place.

use std::rc::Rc;

use crate::fuel::Exhausted;

/// Why bytes could not be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source failed: a disk, a network, a file that became shorter.
    #[error("reading failed at byte {at}: {why}")]
    Source {
        /// Where.
        at: u64,
        /// The system's own words.
        why: String,
    },
    /// A compressed stream is broken.
    #[error("{what} is broken at byte {at} of what it unpacks to: {why}")]
    Corrupt {
        /// The codec, such as `deflate`.
        what: &'static str,
        /// Where in the unpacked bytes.
        at: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It is packed in a way that is not read here.
    #[error("{what} is not read here")]
    Unsupported {
        /// The method, such as `encryption`.
        what: String,
    },
    /// The budget is spent.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// Bytes that can be read at any place: a slice, a part of another input, a member of an archive, a file, a range of a URL.
pub trait Input {
    /// How many bytes there are; for one that is being unpacked, as far as that is known.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the bytes from `at` on into `into` and says how many: fewer than `into` holds only where the input ends or
    /// breaks. Where it breaks the next read, from there on, says why; so whoever gets fewer reads on until none come.
    ///
    /// # Errors
    /// [`ReadError`] if the source fails, is broken or the budget for unpacking it is spent.
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError>;
}

impl Input for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl Input for Vec<u8> {
    fn len(&self) -> u64 {
        Input::len(self.as_slice())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        self.as_slice().read_at(at, into)
    }
}

impl<T: Input + ?Sized> Input for &T {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        (**self).read_at(at, into)
    }
}

impl<T: Input + ?Sized> Input for Rc<T> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        (**self).read_at(at, into)
    }
}

impl<T: Input + ?Sized> Input for Box<T> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        (**self).read_at(at, into)
    }
}

/// A part of another input.
#[derive(Clone, Copy, Debug)]
pub struct Window<I> {
    of: I,
    start: u64,
    len: u64,
}

impl<I: Input> Window<I> {
    /// The bytes of `of` from `start` on, `len` of them or as many as there are.
    pub fn new(of: I, start: u64, len: u64) -> Self {
        let start = start.min(of.len());
        let len = len.min(of.len() - start);
        Self { of, start, len }
    }

    /// Where it begins in the input that it is a part of.
    pub fn start(&self) -> u64 {
        self.start
    }
}

impl<I: Input> Input for Window<I> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let left = self.len.saturating_sub(at);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        match into.get_mut(..count) {
            Some(into) if count > 0 => self.of.read_at(self.start + at, into),
            _ => Ok(0),
        }
    }
}

/// Reads an input from its beginning to its end.
#[derive(Clone, Debug)]
pub struct Sequential<I> {
    of: I,
    at: u64,
}

impl<I: Input> Sequential<I> {
    /// At the first byte of `of`.
    pub const fn new(of: I) -> Self {
        Self { of, at: 0 }
    }

    /// The next bytes, as many as fit into `into`; fewer only at the end, none after it.
    ///
    /// # Errors
    /// [`ReadError`] as the input says it; the place stays where it was.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, ReadError> {
        let count = self.of.read_at(self.at, into)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }

    /// Where the next read begins.
    pub const fn at(&self) -> u64 {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shows_nothing_beyond_itself() {
        let bytes = b"0123456789".to_vec();
        let window = Window::new(&bytes, 3, 4);
        let mut into = [b'.'; 8];
        assert_eq!(window.read_at(0, &mut into), Ok(4));
        assert_eq!(&into, b"3456....");
        assert_eq!(window.read_at(3, &mut into), Ok(1));
        assert_eq!(window.read_at(4, &mut into), Ok(0));
        assert_eq!(window.read_at(u64::MAX, &mut into), Ok(0));
        assert_eq!(Window::new(&bytes, 8, u64::MAX).len(), 2);
        assert_eq!(Window::new(&bytes, u64::MAX, 1).len(), 0);
    }
}

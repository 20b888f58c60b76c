//! Reading onwards through an input with a small buffer; each buffer that is filled is paid for.

use alcaide_container::{Fuel, Input, ReadError};

/// Reads `input` onwards from a place.
pub(crate) struct Cursor<'a> {
    input: &'a dyn Input,
    fuel: &'a Fuel,
    /// Where the buffer begins in the input.
    base: u64,
    /// The next byte within the buffer.
    next: usize,
    held: usize,
    end: u64,
    buffer: Box<[u8]>,
}

impl<'a> Cursor<'a> {
    /// Reads the bytes from `start` to `end` of `input`, or to its end where that comes first.
    pub(crate) fn new(input: &'a dyn Input, fuel: &'a Fuel, start: u64, end: u64) -> Self {
        let end = end.min(input.len());
        Self { input, fuel, base: start.min(end), next: 0, held: 0, end, buffer: Box::default() }
    }

    /// Where the next byte is.
    pub(crate) fn at(&self) -> u64 {
        self.base + self.next as u64
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> u64 {
        self.end.saturating_sub(self.at())
    }

    /// The next byte, which stays the next one.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        if self.next < self.held {
            return Ok(self.buffer.get(self.next).copied());
        }
        self.fill()?;
        Ok(self.buffer.get(self.next).copied().filter(|_| self.next < self.held))
    }

    /// The next byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Result<Option<u8>, ReadError> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.next += 1;
        }
        Ok(byte)
    }

    /// What is held of the bytes that come next: none only at the end.
    pub(crate) fn chunk(&mut self) -> Result<&[u8], ReadError> {
        if self.next >= self.held {
            self.fill()?;
        }
        Ok(self.buffer.get(self.next..self.held).unwrap_or_default())
    }

    /// Goes on by `count` bytes, or to the end.
    pub(crate) fn skip(&mut self, count: u64) {
        let to = self.at().saturating_add(count).min(self.end);
        match usize::try_from(to.saturating_sub(self.base)) {
            Ok(next) if next <= self.held => self.next = next,
            _ => {
                self.base = to;
                self.next = 0;
                self.held = 0;
            }
        }
    }

    /// The next `N` bytes, or none if there are not so many.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, ReadError> {
        if self.left() < N as u64 {
            return Ok(None);
        }
        let mut array = [0; N];
        for to in &mut array {
            match self.byte()? {
                Some(byte) => *to = byte,
                None => return Ok(None),
            }
        }
        Ok(Some(array))
    }

    /// The next `count` bytes, of which at most `keep` are kept; none if there are not so many.
    pub(crate) fn take(&mut self, count: u64, keep: usize) -> Result<Option<Vec<u8>>, ReadError> {
        if self.left() < count {
            return Ok(None);
        }
        let kept = usize::try_from(count).unwrap_or(usize::MAX).min(keep);
        let mut bytes = Vec::with_capacity(kept.min(1 << 16));
        while bytes.len() < kept {
            let want = kept - bytes.len();
            let chunk = self.chunk()?;
            let some = chunk.get(..want.min(chunk.len())).unwrap_or_default();
            if some.is_empty() {
                return Ok(None);
            }
            bytes.extend_from_slice(some);
            let some = some.len() as u64;
            self.skip(some);
        }
        self.skip(count - kept as u64);
        Ok(Some(bytes))
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        self.base = self.at();
        self.next = 0;
        self.held = 0;
        let want = usize::try_from(self.end - self.base.min(self.end)).unwrap_or(usize::MAX).min(BUFFER);
        if want == 0 {
            return Ok(());
        }
        if <[u8]>::len(&self.buffer) < want {
            self.buffer = vec![0; want].into_boxed_slice();
        }
        self.fuel.step(1 + (want as u64) / BYTES_PER_STEP)?;
        let into = self.buffer.get_mut(..want).unwrap_or_default();
        self.held = self.input.read_at(self.base, into)?;
        if self.held == 0 {
            return Err(ReadError::Source { at: self.base, why: "it ends before its length".to_owned() });
        }
        Ok(())
    }
}

/// Small enough for a processor's near cache, large enough that calls cost nothing.
const BUFFER: usize = 64 << 10;
/// A byte of text is cheaper than a step: a file of nothing but these stays within the budget that its size gives.
const BYTES_PER_STEP: u64 = 16;

#[cfg(test)]
mod tests {
    use alcaide_container::Limits;

    use super::*;

    #[test]
    fn it_reads_what_is_there_and_says_where_it_ends() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        let fuel = Fuel::new(Limits::for_file(bytes.len() as u64));
        let mut cursor = Cursor::new(&bytes, &fuel, 10, 150_000);
        assert_eq!(cursor.array::<2>(), Ok(Some([10, 11])));
        assert_eq!(cursor.take(100_000, 3).unwrap().unwrap(), [12, 13, 14]);
        assert_eq!(cursor.at(), 100_012);
        assert_eq!(cursor.byte(), Ok(Some((100_012 % 251) as u8)));
        assert_eq!(cursor.take(49_988, 1), Ok(None), "one more than there is");
        cursor.skip(u64::MAX);
        assert_eq!((cursor.left(), cursor.byte()), (0, Ok(None)));
    }

    #[test]
    fn bytes_are_paid_for() {
        let bytes = vec![0; 1 << 20];
        let fuel = Fuel::new(Limits { unpacked_bytes: 0, steps: 10_000, entries: 0, depth: 0 });
        let mut cursor = Cursor::new(&bytes, &fuel, 0, u64::MAX);
        assert!(matches!(cursor.take(1 << 20, 1 << 20), Err(ReadError::Exhausted(_))));
    }
}

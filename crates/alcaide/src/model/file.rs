//! An open file as an input, and its digest from the same reads.
//!
//! Most of a file is read from front to back by whoever searches it. Those bytes go into the digest as they come by; what
//! was passed over is read for the digest alone, and what nobody read is read at the end.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use alcaide_container::{Input, ReadError};
use alcaide_seal::digest::{Hasher, Sha256Digest};

/// Bytes that are kept of what was read last: readers walk structures in steps of a few bytes. Few enough that they are
/// used out of the near cache into which the kernel copied them.
const WINDOW: usize = 64 << 10;
/// What may be passed over and read for the digest alone, in bytes: headers between members. Past that whoever reads has
/// leapt, and the digest waits.
const LEAP: u64 = WINDOW as u64;

/// An open file, as long as it was when it was opened.
#[derive(Debug)]
pub(crate) struct FileInput {
    file: File,
    len: u64,
    window: RefCell<Window>,
    digest: Option<RefCell<Running>>,
}

/// A digest of the bytes before `at`.
#[derive(Debug, Default)]
struct Running {
    hasher: Hasher,
    at: u64,
}

#[derive(Debug, Default)]
struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl FileInput {
    /// The first `len` bytes of `file`, with their digest where it is wanted.
    pub(crate) fn new(file: File, len: u64, digest: bool) -> Self {
        Self { file, len, window: RefCell::default(), digest: digest.then(RefCell::default) }
    }

    /// SHA-256 of the whole file, where it was wanted.
    ///
    /// # Errors
    /// When what is left cannot be read, or the file has become shorter or longer, whether a digest is wanted or not.
    pub(crate) fn finish(self) -> io::Result<Option<Sha256Digest>> {
        let Self { file, len, digest, .. } = self;
        let Some(Running { mut hasher, mut at }) = digest.map(RefCell::into_inner) else {
            // By reading: a reader has no other way to ask.
            if fill(&file, len, &mut [0])? > 0 {
                return Err(io::Error::other("the file became longer while it was read"));
            }
            if len > 0 && fill(&file, len.saturating_sub(1), &mut [0])? == 0 {
                return Err(io::Error::other("the file became shorter while it was read"));
            }
            return Ok(None);
        };
        let mut buffer = vec![0; WINDOW];
        loop {
            let read = fill(&file, at, &mut buffer)?;
            hasher.update(buffer.get(..read).unwrap_or_default());
            at = at.saturating_add(read as u64);
            if at > len {
                return Err(io::Error::other("the file became longer while it was read"));
            }
            if read < buffer.len() {
                break;
            }
        }
        if at < len {
            return Err(io::Error::other("the file became shorter while it was read"));
        }
        Ok(Some(hasher.finish()))
    }

    /// Reads past the window, until `into` is full or the file ends.
    fn fill(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let failed = |error: io::Error| ReadError::Source { at, why: error.to_string() };
        let read = fill(&self.file, at, into).map_err(failed)?;
        if let (Some(digest), Some(bytes)) = (&self.digest, into.get(..read)) {
            digest.borrow_mut().follow(&self.file, at, bytes).map_err(failed)?;
        }
        Ok(read)
    }
}

impl Running {
    /// Takes in what of `bytes`, which stand at `from`, comes next.
    fn follow(&mut self, file: &File, from: u64, bytes: &[u8]) -> io::Result<()> {
        let end = from.saturating_add(bytes.len() as u64);
        if end <= self.at || from.saturating_sub(self.at) > LEAP {
            return Ok(());
        }
        if let Some(passed) = from.checked_sub(self.at).filter(|passed| *passed > 0) {
            let mut between = vec![0; usize::try_from(passed).unwrap_or_default()];
            if fill(file, self.at, &mut between)? < between.len() {
                // The file became shorter; the end will tell.
                return Ok(());
            }
            self.hasher.update(&between);
            self.at = from;
        }
        let known = usize::try_from(self.at.saturating_sub(from)).unwrap_or(usize::MAX);
        self.hasher.update(bytes.get(known..).unwrap_or_default());
        self.at = end;
        Ok(())
    }
}

/// Reads until `into` is full or the file ends.
fn fill(file: &File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut done = 0_usize;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(read) => done = done.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

impl Input for FileInput {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let count = left.min(into.len());
        let Some(into) = into.get_mut(..count).filter(|into| !into.is_empty()) else { return Ok(0) };
        let read = if count >= WINDOW {
            self.fill(at, into)?
        } else {
            let mut window = self.window.borrow_mut();
            let end = window.at.saturating_add(window.bytes.len() as u64);
            if at < window.at || at.saturating_add(count as u64) > end {
                window.bytes.resize(WINDOW, 0);
                let size = left.min(WINDOW);
                let got = self.fill(at, window.bytes.get_mut(..size).unwrap_or_default())?;
                window.bytes.truncate(got);
                window.at = at;
            }
            let start = usize::try_from(at.saturating_sub(window.at)).unwrap_or(usize::MAX);
            let from = window.bytes.get(start..).unwrap_or_default();
            let read = from.len().min(count);
            if let (Some(into), Some(from)) = (into.get_mut(..read), from.get(..read)) {
                into.copy_from_slice(from);
            }
            read
        };
        if read < count {
            return Err(ReadError::Source { at, why: "the file became shorter while it was read".into() });
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use alcaide_seal::digest::sha256;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
    }

    #[test]
    fn however_it_is_read_the_digest_is_of_the_whole_file() {
        let whole = bytes(5 * WINDOW + 77);
        let expected = sha256(&whole);
        let (len, window) = (whole.len() as u64, WINDOW as u64);
        // Reads as (place, bytes): none; all in order; overlapping; with headers passed over; leaping ahead and back; twice.
        let ways: [&[(u64, usize)]; 7] = [
            &[],
            &[(0, WINDOW), (window, WINDOW), (2 * window, 4 * WINDOW)],
            &[(0, WINDOW), (window - 64, WINDOW), (2 * window - 128, WINDOW)],
            &[(30, 10), (window + 500, WINDOW), (2 * window + 900, WINDOW)],
            &[(len - 22, 22), (0, 4), (4 * window, WINDOW), (0, WINDOW), (window, WINDOW)],
            &[(0, 6 * WINDOW), (0, 6 * WINDOW)],
            &[(LEAP + 1, 8), (0, 8), (LEAP, 8)],
        ];
        for way in ways {
            let input = FileInput::new(file(&whole), len, true);
            for &(at, count) in way {
                let mut into = vec![0; count];
                let read = input.read_at(at, &mut into).unwrap();
                let at = usize::try_from(at).unwrap();
                assert_eq!(into[..read], whole[at..whole.len().min(at + count)], "{way:?}");
            }
            assert_eq!(input.finish().unwrap(), Some(expected), "{way:?}");
        }
        assert_eq!(FileInput::new(file(&whole), len, false).finish().unwrap(), None);
        assert_eq!(FileInput::new(file(b""), 0, true).finish().unwrap(), Some(sha256(b"")));
    }

    #[test]
    fn a_file_that_is_no_longer_as_long_as_it_was_has_no_digest() {
        let whole = bytes(WINDOW + 10);
        for said in [whole.len() as u64 - 1, whole.len() as u64 + 1, 0] {
            for (read, digest) in [(false, true), (true, true), (false, false), (true, false)] {
                let input = FileInput::new(file(&whole), said, digest);
                if read {
                    let _ = input.read_at(0, &mut vec![0; WINDOW]);
                }
                assert!(input.finish().is_err(), "{said} {read} {digest}");
            }
        }
    }
}

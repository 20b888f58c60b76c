//! An open file as an input.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use alcaide_container::{Input, ReadError};

/// Bytes that are kept of what was read last: readers walk structures in steps of a few bytes.
const WINDOW: usize = 64 << 10;

/// An open file, as long as it was when it was opened.
#[derive(Debug)]
pub(crate) struct FileInput {
    file: File,
    len: u64,
    window: RefCell<Window>,
}

#[derive(Debug, Default)]
struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl FileInput {
    pub(crate) fn new(file: File, len: u64) -> Self {
        Self { file, len, window: RefCell::default() }
    }

    /// Reads past the window, until `into` is full or the file ends.
    fn fill(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let mut done = 0_usize;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let from = at.saturating_add(done as u64);
            match self.file.read_at(rest, from) {
                Ok(0) => break,
                Ok(read) => done = done.saturating_add(read),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Source { at: from, why: error.to_string() }),
            }
        }
        Ok(done)
    }
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

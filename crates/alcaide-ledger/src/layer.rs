//! The file layer under the segments, so that tests can make a disk fail.
//!
//! Only what durability rests on goes through it: making a segment, appending to it and syncing it. Tiles and
//! checkpoints are derived and can be made again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

/// Makes and opens segment files.
pub trait Layer: Send + Sync + 'static {
    /// Makes the file at `path` with room for `bytes` bytes, all zero.
    ///
    /// # Errors
    /// What the system says; out of space must be [`io::ErrorKind::StorageFull`].
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn SegmentFile>>;

    /// Opens the file at `path` for writing.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
}

/// A segment that is being written.
pub trait SegmentFile: Send {
    /// Writes all of `bytes` at byte `offset`.
    ///
    /// # Errors
    /// What the system says; a part may have been written.
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything appended is on the medium.
    ///
    /// # Errors
    /// What the system says; then nothing is known about what was appended since the last sync.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLayer;

impl Layer for SystemLayer {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            // A file system that cannot reserve still works: a full disk is then found by the write.
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(bytes)?,
            Err(error) => return Err(error.into()),
        }
        Ok(Box::new(SystemFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(SystemFile(OpenOptions::new().write(true).open(path)?)))
    }
}

struct SystemFile(File);

impl SegmentFile for SystemFile {
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.0)?)
    }
}

//! Sealing: plaintext in pieces of any size, a sealed file out, in one pass and the memory of one segment.

use std::fmt;
use std::io;

use alcaide_seal::Entropy;
use zeroize::Zeroizing;

use crate::error::WriteError;
use crate::header::{Header, READERS_MAX};
use crate::key::{FileId, FileKey, Keys, nonce};
use crate::layout::{HeaderBytes, MAX_PLAINTEXT_BYTES, MAX_SEGMENTS, SegmentBytes};
use crate::reader::Recipient;

/// How a file is sealed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Plaintext bytes of a segment.
    pub segment: SegmentBytes,
    /// Bytes of the header.
    pub header: HeaderBytes,
    /// How many bytes will come, where that is known: another number is then an error, not a shorter file.
    pub length: Option<u64>,
}

/// What was sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sealing {
    /// Its name.
    pub file_id: FileId,
    /// Bytes of plaintext.
    pub plaintext_bytes: u64,
    /// Bytes of the sealed file.
    pub sealed_bytes: u64,
}

/// Seals one file. It draws the file's key and counts nonces upwards, so each is used once; it cannot be cloned.
///
/// A writer that is dropped before [`finish`](Self::finish) leaves a file without a last segment, which does not open.
pub struct Writer<W> {
    out: W,
    id: FileId,
    keys: Keys,
    options: Options,
    /// Plaintext of the segment that is being filled; a whole one waits, as it may be the last.
    buffer: Zeroizing<Vec<u8>>,
    index: u64,
    plaintext: u64,
    sealed: u64,
    ended: bool,
}

impl<W: io::Write> Writer<W> {
    /// Draws a key, seals it for `readers`, and writes the header to `out`.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn new(
        mut out: W,
        options: Options,
        readers: &[Recipient<'_>],
        entropy: &dyn Entropy,
    ) -> Result<Self, WriteError> {
        if readers.is_empty() || readers.len() > READERS_MAX {
            return Err(WriteError::Recipients { count: readers.len() });
        }
        let id = FileId::draw(entropy)?;
        let key = FileKey::draw(entropy)?;
        let keys = key.derive(id, options.segment)?;
        let entries =
            readers.iter().map(|reader| reader.entry(id, &key, entropy)).collect::<Result<_, _>>()?;
        let header = Header::make(id, options.segment, options.header, entries, &keys)?;
        out.write_all(header.bytes())?;
        let sealed = u64::from(options.header.get());
        let buffer = Zeroizing::new(Vec::with_capacity(options.segment.memory()));
        Ok(Self { out, id, keys, options, buffer, index: 0, plaintext: 0, sealed, ended: false })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`WriteError`]; after one nothing more is taken and the file stays without an end.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        self.running()?;
        let max = MAX_PLAINTEXT_BYTES.min(u64::from(self.options.segment.get()).saturating_mul(MAX_SEGMENTS));
        let plaintext = self.plaintext.saturating_add(bytes.len() as u64);
        if plaintext > max {
            return self.end(WriteError::TooLong { max });
        }
        if let Some(announced) = self.options.length
            && plaintext > announced
        {
            return self.end(WriteError::Length { announced, given: plaintext });
        }
        self.plaintext = plaintext;
        while !bytes.is_empty() {
            let room = self.options.segment.memory().saturating_sub(self.buffer.len());
            if room == 0 {
                self.flush(false)?;
                continue;
            }
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Seals what is left as the last segment and gives `out` back, not flushed.
    ///
    /// # Errors
    /// [`WriteError`]; the file has no end then.
    pub fn finish(mut self) -> Result<(W, Sealing), WriteError> {
        self.running()?;
        if let Some(announced) = self.options.length
            && announced != self.plaintext
        {
            return Err(WriteError::Length { announced, given: self.plaintext });
        }
        self.flush(true)?;
        let sealing =
            Sealing { file_id: self.id, plaintext_bytes: self.plaintext, sealed_bytes: self.sealed };
        Ok((self.out, sealing))
    }

    fn flush(&mut self, last: bool) -> Result<(), WriteError> {
        let nonce = nonce(self.index, last);
        // Counted before it is used: whatever fails now, this nonce does not come again.
        self.index = self.index.saturating_add(1);
        self.ended = true;
        let tag = self.keys.segments.seal(nonce, &[], &mut self.buffer)?;
        self.out.write_all(&self.buffer)?;
        self.out.write_all(&tag)?;
        self.sealed = self.sealed.saturating_add(self.buffer.len() as u64).saturating_add(tag.len() as u64);
        // It is ciphertext now.
        self.buffer.clear();
        self.ended = false;
        Ok(())
    }

    fn running(&self) -> Result<(), WriteError> {
        if self.ended { Err(WriteError::Ended) } else { Ok(()) }
    }

    fn end(&mut self, error: WriteError) -> Result<(), WriteError> {
        self.ended = true;
        Err(error)
    }
}

impl<W> fmt::Debug for Writer<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Writer({}, {} bytes so far)", self.id, self.plaintext)
    }
}

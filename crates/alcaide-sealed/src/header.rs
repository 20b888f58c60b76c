//! The beginning of a sealed file: its sizes, its readers, and the proof that a reader wrote it.
//!
//! [`Header::read`] checks form alone and believes nothing. [`Header::unlock`] opens the file's key, then checks the
//! commitment (all readers have one key) and the MAC over every byte (nobody without the key changed it).

use std::fmt;
use std::sync::Arc;

use alcaide_container::Input;
use alcaide_seal::{Entropy, Sha256Digest, secret};

use crate::error::{HeaderError, OpenError, RewrapError, UnlockError, WriteError};
use crate::key::{FileId, FileKey, KEY_BYTES, Keys, SUITE};
use crate::layout::{HeaderBytes, SegmentBytes};
use crate::read::Plain;
use crate::reader::{Entry, Identity, Kind, Reader, ReaderId, Recipient};

/// Whether a file that begins with `head` calls itself a sealed file.
#[must_use]
pub fn is_sealed(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// A header whose form was checked; who wrote it is not known.
#[derive(Clone)]
pub struct Header {
    bytes: Vec<u8>,
    id: FileId,
    segment: SegmentBytes,
    size: HeaderBytes,
    commitment: [u8; KEY_BYTES],
    entries: Vec<Entry>,
}

impl Header {
    /// Reads the header of a sealed file; at most 1 MiB.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn read(input: &dyn Input) -> Result<Self, HeaderError> {
        let mut head = [0; PRELUDE_BYTES];
        let got = read_full(input, &mut head)?;
        if !is_sealed(&head) {
            return Err(HeaderError::Magic);
        }
        let truncated = |needed| HeaderError::Truncated { needed, there: input.len() };
        if got < PRELUDE_BYTES {
            return Err(truncated(PRELUDE_BYTES as u64));
        }
        let size = Cut(&head).prelude()?;
        let mut bytes = vec![0; size.memory()];
        if read_full(input, &mut bytes)? < bytes.len() {
            return Err(truncated(u64::from(size.get())));
        }
        Self::parse(bytes)
    }

    /// Who can read the file, as the header says; nobody vouches for it before it is unlocked.
    pub fn readers(&self) -> impl ExactSizeIterator<Item = Reader> + '_ {
        self.entries.iter().map(|entry| entry.reader)
    }

    /// Name of the sealing.
    #[must_use]
    pub const fn file_id(&self) -> FileId {
        self.id
    }

    /// Bytes of the header; segments begin there.
    #[must_use]
    pub const fn size(&self) -> HeaderBytes {
        self.size
    }

    /// Plaintext bytes of a whole segment.
    #[must_use]
    pub const fn segment(&self) -> SegmentBytes {
        self.segment
    }

    /// Opens the file's key as `identity` and checks the header with it.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub fn unlock(&self, identity: &Identity<'_>) -> Result<Unlocked, UnlockError> {
        let reader = identity.reader();
        let entry = self.entries.iter().find(|entry| entry.reader == reader);
        let entry = entry.ok_or(UnlockError::NotAReader { reader })?;
        let key = identity.file_key(self.id, entry)?;
        let keys = key.derive(self.id, self.segment)?;
        let (body, mac) = self.bytes.split_last_chunk().ok_or(UnlockError::Altered)?;
        let committed = secret::same(&keys.commitment, &self.commitment);
        if committed && keys.header.verify(body, &Sha256Digest::from_bytes(*mac)) {
            Ok(Unlocked { header: self.clone(), key, keys: Arc::new(keys) })
        } else {
            Err(UnlockError::Altered)
        }
    }

    /// Makes the header of a new file, as it will be unlocked.
    pub(crate) fn make(
        id: FileId,
        segment: SegmentBytes,
        size: HeaderBytes,
        mut entries: Vec<Entry>,
        keys: &Keys,
    ) -> Result<Self, WriteError> {
        let count = entries.len();
        entries.sort_unstable();
        let twice = entries.windows(2).any(|pair| matches!(pair, [a, b] if a.reader == b.reader));
        if count == 0 || count > READERS_MAX || twice {
            return Err(WriteError::Recipients { count });
        }
        let mut bytes = Vec::with_capacity(size.memory());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&SUITE.to_le_bytes());
        bytes.extend_from_slice(&size.get().to_le_bytes());
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&segment.get().to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&keys.commitment);
        for Entry { reader, body } in &entries {
            bytes.extend_from_slice(&reader.kind.number().to_le_bytes());
            let len = u16::try_from(body.len()).map_err(|_| WriteError::Wrapped { bytes: body.len() })?;
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(reader.id.as_bytes());
            bytes.extend_from_slice(body);
        }
        let needed = bytes.len().saturating_add(KEY_BYTES);
        if needed > size.memory() {
            return Err(WriteError::Full { needed, room: size.memory() });
        }
        bytes.resize(size.memory().saturating_sub(KEY_BYTES), 0);
        let mac = keys.header.mac(&bytes);
        bytes.extend_from_slice(mac.as_bytes());
        Ok(Self { bytes, id, segment, size, commitment: keys.commitment, entries })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, HeaderError> {
        let cut_off = HeaderError::Readers { why: "it reaches past the header" };
        let end = bytes.len().saturating_sub(KEY_BYTES);
        let mut cut = Cut(bytes.get(..end).unwrap_or_default());
        let size = cut.prelude()?;
        let fields = cut.array().zip(cut.u32()).zip(cut.u32()).zip(cut.array());
        let Some((((id, segment), count), commitment)) = fields else { return Err(cut_off) };
        let bound = |what, found: u32| HeaderError::Bound { what, found: u64::from(found) };
        let segment = SegmentBytes::new(segment).ok_or_else(|| bound("a segment of bytes:", segment))?;
        let readers = usize::try_from(count).unwrap_or(usize::MAX);
        if readers == 0 || readers > READERS_MAX {
            return Err(bound("a number of readers:", count));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(readers);
        for _ in 0..readers {
            let entry = cut.entry()?;
            if entries.last().is_some_and(|before| before.reader >= entry.reader) {
                return Err(HeaderError::Readers { why: "one stands twice or out of order" });
            }
            entries.push(entry);
        }
        if cut.0.iter().any(|byte| *byte != 0) {
            return Err(HeaderError::Readers { why: "something stands behind it" });
        }
        Ok(Self { id: FileId(id), segment, size, commitment, entries, bytes })
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let readers: Vec<Reader> = self.readers().collect();
        out.debug_struct("Header")
            .field("file_id", &self.id)
            .field("readers", &readers)
            .finish_non_exhaustive()
    }
}

/// A header that a reader of the file wrote, and the key of the file.
pub struct Unlocked {
    header: Header,
    key: FileKey,
    keys: Arc<Keys>,
}

impl Unlocked {
    /// The header; its list of readers is as a reader wrote it.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Opens the file: its last segment is read, which vouches for its length.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open<I: Input>(&self, file: I) -> Result<Plain<I>, OpenError> {
        Plain::open(file, self.header.size, self.header.segment, Arc::clone(&self.keys))
    }

    /// The header anew, of the same length: readers that `keep` takes, and `add`. Nothing else of the file changes.
    ///
    /// Whoever is dropped may have kept the file's key: this shuts nobody out who has read the file before.
    ///
    /// # Errors
    /// [`RewrapError`].
    pub fn rewrap(
        &self,
        keep: impl Fn(&Reader) -> bool,
        add: &[Recipient<'_>],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, RewrapError> {
        let Header { id, segment, size, entries, .. } = &self.header;
        let mut kept: Vec<Entry> = entries.iter().filter(|entry| keep(&entry.reader)).cloned().collect();
        if kept.is_empty() && add.is_empty() {
            return Err(RewrapError::Nobody);
        }
        if kept.len().saturating_add(add.len()) > READERS_MAX {
            return Err(WriteError::Recipients { count: kept.len().saturating_add(add.len()) }.into());
        }
        for recipient in add {
            let reader = recipient.reader();
            if kept.iter().any(|entry| entry.reader == reader) {
                return Err(RewrapError::Already { reader });
            }
            kept.push(recipient.entry(*id, &self.key, entropy)?);
        }
        Ok(Header::make(*id, *segment, *size, kept, &self.keys)?.bytes)
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Unlocked({:?})", self.header)
    }
}

/// What is left of a header.
struct Cut<'b>(&'b [u8]);

impl<'b> Cut<'b> {
    /// Magic, version, suite; gives the size of the header.
    fn prelude(&mut self) -> Result<HeaderBytes, HeaderError> {
        if self.array() != Some(MAGIC) {
            return Err(HeaderError::Magic);
        }
        let (version, suite) = self.u16().zip(self.u16()).ok_or(HeaderError::Magic)?;
        if (version, suite) != (VERSION, SUITE) {
            return Err(HeaderError::Version { version, suite });
        }
        let size = self.u32().ok_or(HeaderError::Magic)?;
        let refused = HeaderError::Bound { what: "a size in bytes of", found: u64::from(size) };
        HeaderBytes::new(size).ok_or(refused)
    }

    fn entry(&mut self) -> Result<Entry, HeaderError> {
        let cut_off = HeaderError::Readers { why: "it reaches past the header" };
        let Some(((kind, len), id)) = self.u16().zip(self.u16()).zip(self.array()) else {
            return Err(cut_off);
        };
        let unknown = HeaderError::Readers { why: "one is of a kind that this program does not know" };
        let kind = Kind::from_number(kind).ok_or(unknown)?;
        let len = usize::from(len);
        if !kind.takes(len) {
            return Err(HeaderError::Readers { why: "one has a length that its kind does not have" });
        }
        let body = self.take(len).ok_or(cut_off)?.to_vec();
        Ok(Entry { reader: Reader { kind, id: ReaderId(id) }, body })
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}

/// Reads from the beginning until `into` is full or the input ends.
fn read_full(input: &dyn Input, into: &mut [u8]) -> Result<usize, HeaderError> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..)
        && !rest.is_empty()
    {
        let got = input.read_at(done as u64, rest)?;
        if got == 0 {
            break;
        }
        done = done.saturating_add(got);
    }
    Ok(done)
}

const MAGIC: [u8; 8] = [0x89, b'A', b'L', b'C', b'S', b'\r', b'\n', 0x1a];
const VERSION: u16 = 1;
/// Magic, version, suite and size.
const PRELUDE_BYTES: usize = 16;
pub(crate) const READERS_MAX: usize = 256;

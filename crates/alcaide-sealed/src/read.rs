//! The plaintext of a sealed file as an [`Input`]: read anywhere, a segment at a time.

use std::fmt;
use std::sync::Arc;

use alcaide_container::{Input, ReadError};
use alcaide_seal::aead::{Opened, Sealed};

use crate::error::OpenError;
use crate::kept::{Kept, Pieces, fill};
use crate::key::{Keys, nonce};
use crate::layout::{HeaderBytes, Layout, SegmentBytes};

/// The plaintext of a file. Its length is vouched for by the last segment, each byte by the tag of its segment.
///
/// It keeps the segment that it read last, in whose memory the next one is read: at most 16 MiB, wiped at the end.
pub struct Plain<I>(Kept<Segments<I>>);

impl<I: Input> Plain<I> {
    pub(crate) fn open(
        file: I,
        header: HeaderBytes,
        segment: SegmentBytes,
        keys: Arc<Keys>,
    ) -> Result<Self, OpenError> {
        let bytes = file.len();
        let layout = Layout::of(header, segment, bytes).ok_or(OpenError::Length { bytes })?;
        Kept::with(Segments { file, layout, keys }, layout.last()).map(Self).map_err(OpenError::End)
    }

    /// How many segments were decrypted so far.
    #[must_use]
    pub fn segments_opened(&self) -> u64 {
        self.0.opened()
    }
}

impl<I: Input> Input for Plain<I> {
    fn len(&self) -> u64 {
        self.0.plaintext()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        self.0.read_at(at, into)
    }
}

impl<I: Input> fmt::Debug for Plain<I> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Plain({} bytes)", self.len())
    }
}

/// The segments of a file.
struct Segments<I> {
    file: I,
    layout: Layout,
    keys: Arc<Keys>,
}

impl<I: Input> Pieces for Segments<I> {
    fn plaintext(&self) -> u64 {
        self.layout.plaintext()
    }

    fn piece(&self) -> u64 {
        self.layout.segment()
    }

    fn open(&self, index: u64, mut memory: Vec<u8>) -> Result<Opened, ReadError> {
        let (at, len) = self.layout.sealed(index);
        fill(&self.file, at, len, &mut memory)?;
        let altered = |_| ReadError::Corrupt {
            what: "a sealed segment",
            at: self.layout.begins(index),
            why: "it was altered or belongs elsewhere".to_owned(),
        };
        let nonce = nonce(index, index == self.layout.last());
        Sealed::with_tag(memory)
            .and_then(|sealed| self.keys.segments.open(nonce, &[], sealed))
            .map_err(altered)
    }
}

//! Reading anywhere in what is sealed in pieces of one size: the piece that was read last is kept, and the next one is
//! read into its memory. No byte of a piece comes out before the piece was opened.

use std::cell::{Cell, RefCell};

use alcaide_container::{Input, ReadError};
use alcaide_seal::aead::Opened;
use zeroize::Zeroize as _;

/// What is sealed in pieces.
pub(crate) trait Pieces {
    /// Bytes of plaintext.
    fn plaintext(&self) -> u64;

    /// Bytes of plaintext of each piece but the last; never zero.
    fn piece(&self) -> u64;

    /// Reads and opens a piece; `memory` is used for it.
    fn open(&self, index: u64, memory: Vec<u8>) -> Result<Opened, ReadError>;
}

/// Pieces, and the one that was opened last.
pub(crate) struct Kept<P> {
    pieces: P,
    last: RefCell<Option<(u64, Opened)>>,
    opened: Cell<u64>,
}

impl<P: Pieces> Kept<P> {
    /// With the piece `index` opened already.
    pub(crate) fn with(pieces: P, index: u64) -> Result<Self, ReadError> {
        let first = pieces.open(index, Vec::new())?;
        Ok(Self { pieces, last: RefCell::new(Some((index, first))), opened: Cell::new(1) })
    }

    pub(crate) const fn opened(&self) -> u64 {
        self.opened.get()
    }

    pub(crate) fn plaintext(&self) -> u64 {
        self.pieces.plaintext()
    }

    /// As [`Input::read_at`].
    pub(crate) fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..)
            && !rest.is_empty()
        {
            let place = at.saturating_add(done as u64);
            if place >= self.plaintext() {
                break;
            }
            match self.copy(place, rest) {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                // What came before is good; the next read says what is not.
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Copies what the piece with the byte `at` has from there on.
    fn copy(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let (index, within) = (at / self.pieces.piece().max(1), at % self.pieces.piece().max(1));
        // INVARIANT: what pieces are read from has no way back to here, so that nothing is borrowed already.
        let mut last = self.last.borrow_mut();
        let opened = match last.take() {
            Some((there, opened)) if there == index => opened,
            other => {
                let memory = other.map(|(_, opened)| opened.into_memory()).unwrap_or_default();
                let opened = self.pieces.open(index, memory)?;
                self.opened.set(self.opened.get().saturating_add(1));
                opened
            }
        };
        let within = usize::try_from(within).unwrap_or(usize::MAX);
        let from = opened.bytes().get(within..).unwrap_or_default();
        let count = from.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), from.get(..count)) {
            to.copy_from_slice(from);
        }
        *last = Some((index, opened));
        Ok(count)
    }
}

/// Fills `memory` with the `len` bytes of `file` from `at` on. It may hold plaintext of before: that is never moved, and
/// wiped where it is not overwritten.
pub(crate) fn fill(file: &dyn Input, at: u64, len: u64, memory: &mut Vec<u8>) -> Result<(), ReadError> {
    let short = || ReadError::Source { at, why: "a sealed piece is not whole".to_owned() };
    let len = usize::try_from(len).map_err(|_| short())?;
    if memory.capacity() < len {
        memory.zeroize();
        *memory = Vec::with_capacity(len);
    }
    memory.resize(len, 0);
    let filled = read_whole(file, at, memory).and_then(|whole| if whole { Ok(()) } else { Err(short()) });
    if filled.is_err() {
        memory.zeroize();
    }
    filled
}

/// Reads until `into` is full, or says that the file ends before.
fn read_whole(file: &dyn Input, at: u64, into: &mut [u8]) -> Result<bool, ReadError> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..)
        && !rest.is_empty()
    {
        let got = file.read_at(at.saturating_add(done as u64), rest)?;
        if got == 0 {
            return Ok(false);
        }
        done = done.saturating_add(got);
    }
    Ok(true)
}

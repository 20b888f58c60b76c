//! Packed bytes on their way into a codec.
//!
//! Codecs read through `std::io`, whose errors would hide why a source failed. A [`Feed`] keeps the reason beside the
//! stream; whoever drives the codec asks for it first and blames the codec only where there is none.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::bytes;
use crate::fuel::{Fuel, Held};
use crate::input::{Input, ReadError};

/// Packed bytes that are read for one step; so long runs that unpack to nothing end, too.
const BYTES_PER_STEP: u64 = 256;
/// Packed bytes that are fetched at a time.
const BUFFER: u64 = 64 << 10;

/// Why the sources of one codec failed, if one did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Rc<RefCell<Option<ReadError>>>);

impl Fault {
    /// Keeps the first reason and makes an error that stands for it.
    pub(crate) fn raise(&self, why: ReadError) -> io::Error {
        self.0.borrow_mut().get_or_insert(why);
        io::Error::other("the source failed")
    }

    /// What an error of `what` at byte `at` of its output really means.
    pub(crate) fn explain(&self, what: &'static str, at: u64, error: &io::Error) -> ReadError {
        if let Some(why) = self.0.borrow().clone() {
            return why;
        }
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends early".to_owned(),
            _ => error.to_string().chars().take(WHY_CHARS).collect(),
        };
        ReadError::Corrupt { what, at, why }
    }
}

/// Characters of a codec's own words that are passed on at most.
const WHY_CHARS: usize = 200;

/// Where packed bytes come from: an input, or what another codec makes of one.
pub(crate) type Source<'a> = Rc<dyn Input + 'a>;

/// Bytes of an input, in order, paid for in steps. A clone reads on where the other stopped.
#[derive(Clone)]
pub(crate) struct Feed<'a>(Rc<RefCell<Inner<'a>>>);

struct Inner<'a> {
    of: Source<'a>,
    /// Where the byte after the buffer lies.
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
    fuel: Fuel,
    fault: Fault,
    _held: Held,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(
        of: &Source<'a>,
        start: u64,
        len: u64,
        fault: &Fault,
        fuel: &Fuel,
    ) -> Result<Self, ReadError> {
        let start = start.min(of.len());
        let end = start.saturating_add(len).min(of.len());
        let _held = fuel.hold(BUFFER.min(end - start))?;
        Ok(Self(Rc::new(RefCell::new(Inner {
            of: of.clone(),
            next: start,
            end,
            buffer: Vec::new(),
            used: 0,
            fuel: fuel.clone(),
            fault: fault.clone(),
            _held,
        }))))
    }

    /// Where the next byte lies that no codec has taken.
    pub(crate) fn at(&self) -> u64 {
        let inner = self.0.borrow();
        inner.next.saturating_sub(bytes::len(inner.buffered()))
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> u64 {
        let at = self.at();
        self.0.borrow().end.saturating_sub(at)
    }

    /// Lets a codec look at what is buffered, at least one byte of it unless the source ended; it says how many it took.
    pub(crate) fn with<T>(&self, take: impl FnOnce(&[u8]) -> (usize, T)) -> io::Result<T> {
        let mut inner = self.0.borrow_mut();
        inner.fill()?;
        let (count, out) = take(inner.buffered());
        inner.used = inner.used.saturating_add(count).min(inner.buffer.len());
        Ok(out)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The first byte that is left, without taking it.
    pub(crate) fn peek(&self) -> io::Result<Option<u8>> {
        self.with(|bytes| (0, bytes.first().copied()))
    }

    /// Whether what is left begins with `with`.
    pub(crate) fn starts(&self, with: &[u8]) -> io::Result<bool> {
        let at = self.at();
        let inner = self.0.borrow();
        if inner.buffered().len() >= with.len() {
            return Ok(inner.buffered().starts_with(with));
        }
        if inner.end.saturating_sub(at) < bytes::len(with) {
            return Ok(false);
        }
        bytes::read(&*inner.of, at, with.len())
            .map(|there| there == with)
            .map_err(|why| inner.fault.raise(why))
    }

    /// Takes back the last `count` bytes, which a codec fetched and did not use.
    pub(crate) fn back(&self, count: u64) {
        let at = self.at().saturating_sub(count);
        let mut inner = self.0.borrow_mut();
        inner.next = at;
        inner.buffer.clear();
        inner.used = 0;
    }

    /// Steps over `count` bytes; fewer where it ends.
    pub(crate) fn skip(&mut self, count: u64) -> io::Result<()> {
        let target = self.at().saturating_add(count);
        while self.at() < target && self.left() > 0 {
            let want = bytes::size(target - self.at());
            self.with(|bytes| (bytes.len().min(want), ()))?;
        }
        Ok(())
    }
}

impl Inner<'_> {
    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.used < self.buffer.len() || self.next >= self.end {
            return Ok(());
        }
        let want = BUFFER.min(self.end - self.next);
        let got = self
            .fuel
            .step(1 + want / BYTES_PER_STEP)
            .map_err(ReadError::from)
            .and_then(|()| {
                self.buffer.resize(bytes::size(want), 0);
                self.of.read_at(self.next, &mut self.buffer)
            })
            .map_err(|why| {
                self.buffer.clear();
                self.used = 0;
                self.fault.raise(why)
            })?;
        self.buffer.truncate(got);
        self.used = 0;
        self.next += got as u64;
        if got == 0 {
            self.end = self.next;
        }
        Ok(())
    }
}

impl Read for Feed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.with(|bytes| {
            let count = bytes.len().min(into.len());
            if let (Some(to), Some(from)) = (into.get_mut(..count), bytes.get(..count)) {
                to.copy_from_slice(from);
            }
            (count, count)
        })
    }
}

/// Takes the bytes up to `stop`, without it; what exceeds `keep` is read and dropped.
pub(crate) fn until(feed: &Feed<'_>, stop: u8, keep: usize) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    loop {
        let (ended, empty) = feed.with(|bytes| {
            let end = memchr::memchr(stop, bytes);
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            let room = keep.saturating_sub(kept.len()).min(part.len());
            kept.extend_from_slice(part.get(..room).unwrap_or_default());
            let taken = part.len() + usize::from(end.is_some());
            (taken, (end.is_some(), bytes.is_empty()))
        })?;
        if ended {
            return Ok(kept);
        }
        if empty {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

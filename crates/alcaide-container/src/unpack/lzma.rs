//! LZMA and LZMA2 as bare streams, and the old file format with thirteen bytes of head.
//!
//! A head may ask for four gigabytes of dictionary. [`DICTIONARY_MAX`] are kept at most: a stream that asks for more is
//! read for as long as no match reaches further back, which most of them never do.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use lzma_rust2::{Action, Lzma2Stream, LzmaReader, Status};

use super::feed::{Fault, Feed};
use super::notes::{Notes, StreamFlaw};
use super::trailing;
use crate::fuel::{Exhausted, Fuel, Held};
use crate::input::ReadError;

/// Bytes of dictionary that are kept at most: what `xz` uses when it is not told otherwise.
pub(crate) const DICTIONARY_MAX: u32 = 8 << 20;
/// What is held beside the dictionary: tables of probabilities and a buffer.
const BESIDE: u64 = 256 << 10;
/// Packed bytes that are given to the codec at a time: what it made of one portion is lost if the portion is broken.
const PORTION: usize = 4 << 10;

/// The dictionary that is kept where `said` is asked for and `len` bytes come out, and room for it.
fn dictionary(
    said: u32,
    len: Option<u64>,
    notes: &Notes,
    at: u64,
    fuel: &Fuel,
) -> Result<(u32, Held), Exhausted> {
    let needed = len.and_then(|len| u32::try_from(len).ok()).map_or(said, |len| said.min(len)).max(4096);
    if needed > DICTIONARY_MAX {
        notes.add(at, StreamFlaw::Dictionary { said: said.into() });
    }
    let kept = needed.min(DICTIONARY_MAX);
    Ok((kept, fuel.hold(u64::from(kept) + BESIDE)?))
}

/// An error of a codec whose dictionary was made smaller than it asked for is ours, not the stream's.
fn blame(error: io::Error, cut: bool, fault: &Fault) -> io::Error {
    if cut && error.to_string().contains("dist") {
        return fault.raise(ReadError::Unsupported { what: "a dictionary of this size".to_owned() });
    }
    error
}

/// Bare LZMA2.
pub(crate) struct Unlzma2<'a> {
    feed: Feed<'a>,
    codec: Lzma2Stream,
    cut: bool,
    fault: Fault,
    careful: Rc<Cell<bool>>,
    done: bool,
    _held: Held,
}

impl<'a> Unlzma2<'a> {
    pub(crate) fn new(
        feed: Feed<'a>,
        said: u32,
        len: Option<u64>,
        context: &super::Context,
    ) -> Result<Self, Exhausted> {
        let (kept, held) = dictionary(said, len, &context.notes, feed.at(), &context.fuel)?;
        Ok(Self {
            codec: Lzma2Stream::new(kept),
            cut: said > kept,
            fault: context.fault.clone(),
            careful: context.careful.clone(),
            feed,
            done: false,
            _held: held,
        })
    }
}

impl Read for Unlzma2<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.done || into.is_empty() {
            return Ok(0);
        }
        let portion = if self.careful.get() { 1 } else { PORTION };
        loop {
            let codec = &mut self.codec;
            let (result, spent) = self.feed.with(|bytes| {
                let part = bytes.get(..bytes.len().min(portion)).unwrap_or_default();
                let result = codec.process(part, into, Action::Run);
                (result.as_ref().map_or(0, |result| result.bytes_consumed), (result, bytes.is_empty()))
            })?;
            let result = result.map_err(|why| blame(why, self.cut, &self.fault))?;
            self.done = result.status == Status::StreamEnd;
            if result.bytes_produced > 0 || self.done {
                return Ok(result.bytes_produced);
            }
            if result.bytes_consumed == 0 {
                return Err(match spent {
                    true => io::ErrorKind::UnexpectedEof.into(),
                    false => io::Error::other("the codec does not move"),
                });
            }
        }
    }
}

/// Bare LZMA.
pub(crate) struct Unlzma<'a> {
    codec: LzmaReader<Feed<'a>>,
    cut: bool,
    fault: Fault,
    _held: Held,
}

impl<'a> Unlzma<'a> {
    /// `len` is `None` where a mark in the stream ends it.
    pub(crate) fn new(
        feed: Feed<'a>,
        props: u8,
        said: u32,
        len: Option<u64>,
        context: &super::Context,
    ) -> Result<Self, ReadError> {
        let (kept, _held) = dictionary(said, len, &context.notes, feed.at(), &context.fuel)?;
        let at = feed.at();
        let mut codec = LzmaReader::new_with_props(feed, len.unwrap_or(u64::MAX), props, kept, None)
            .map_err(|why| context.fault.explain("lzma", at, &why))?;
        codec.set_defer_errors(true);
        Ok(Self { codec, cut: said > kept, fault: context.fault.clone(), _held })
    }
}

impl Read for Unlzma<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.codec.read(into).map_err(|why| blame(why, self.cut, &self.fault))
    }
}

/// A file with the old head: properties, dictionary, length.
pub(crate) struct Alone<'a> {
    stage: Stage<'a>,
    context: super::Context,
}

enum Stage<'a> {
    Head(Feed<'a>),
    Body(Box<Unlzma<'a>>),
    Done,
}

impl<'a> Alone<'a> {
    pub(crate) const fn new(feed: Feed<'a>, context: super::Context) -> Self {
        Self { stage: Stage::Head(feed), context }
    }
}

impl Read for Alone<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if let Stage::Head(feed) = &mut self.stage {
            let [props] = feed.array()?;
            let said = u32::from_le_bytes(feed.array()?);
            let len = u64::from_le_bytes(feed.array()?);
            let len = (len != u64::MAX).then_some(len);
            let body = Unlzma::new(feed.clone(), props, said, len, &self.context)
                .map_err(|why| self.context.fault.raise(why))?;
            self.stage = Stage::Body(Box::new(body));
        }
        let Stage::Body(body) = &mut self.stage else { return Ok(0) };
        let count = body.read(into)?;
        if count == 0
            && let Stage::Body(body) = std::mem::replace(&mut self.stage, Stage::Done)
        {
            let (feed, unused) = body.codec.into_parts();
            feed.back(unused.len() as u64);
            trailing(&feed, &self.context.notes)?;
        }
        Ok(count)
    }
}

//! The streams of a bzip2 file, joined as `bzip2 -d` joins them.

use std::io::{self, Read};

use bzip2::{Decompress, Status};

use super::feed::Feed;
use super::notes::{Notes, StreamFlaw};
use super::trailing;
use crate::fuel::{Exhausted, Fuel, Held};

/// What one decoder holds for the largest block: 900,000 words of four bytes, and its tables.
const HELD: u64 = 4 << 20;

pub(crate) struct Bunzip<'a> {
    feed: Feed<'a>,
    codec: Option<Decompress>,
    streams: u64,
    notes: Notes,
    done: bool,
    _held: Held,
}

impl<'a> Bunzip<'a> {
    pub(crate) fn new(feed: Feed<'a>, notes: Notes, fuel: &Fuel) -> Result<Self, Exhausted> {
        Ok(Self { feed, codec: None, streams: 0, notes, done: false, _held: fuel.hold(HELD)? })
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.streams > 0 {
            if !self.feed.starts(b"BZh")? {
                self.done = true;
                return trailing(&self.feed, &self.notes);
            }
            self.notes.add(self.feed.at(), StreamFlaw::Another);
        }
        self.streams += 1;
        self.codec = Some(Decompress::new(false));
        Ok(())
    }
}

impl Read for Bunzip<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while !self.done {
            let Some(codec) = &mut self.codec else {
                self.begin()?;
                continue;
            };
            let (before_in, before_out) = (codec.total_in(), codec.total_out());
            let (status, spent) = self.feed.with(|bytes| {
                let status = codec.decompress(bytes, into);
                let used = usize::try_from(codec.total_in().saturating_sub(before_in)).unwrap_or(bytes.len());
                (used, (status, bytes.is_empty()))
            })?;
            let count = usize::try_from(codec.total_out().saturating_sub(before_out)).unwrap_or(0);
            match status {
                Ok(Status::StreamEnd) => self.codec = None,
                // The fault comes again at the next call; what came out before it is shown first.
                Err(_) if count > 0 => {}
                Ok(Status::MemNeeded) => return Err(io::Error::other("no memory for a block")),
                Ok(_) if count == 0 && spent => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(why) => return Err(io::Error::other(why)),
            }
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }
}

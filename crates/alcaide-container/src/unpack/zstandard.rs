//! The frames of a Zstandard file (RFC 8878), joined as `zstd -d` joins them.

use std::io::{self, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::feed::Feed;
use super::lzma::DICTIONARY_MAX;
use super::notes::{Notes, StreamFlaw};
use super::trailing;
use crate::fuel::{Exhausted, Fuel, Held};

/// What is held beside the window: blocks and tables.
const BESIDE: u64 = 1 << 20;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

pub(crate) struct Unzstd<'a> {
    feed: Feed<'a>,
    codec: FrameDecoder,
    in_frame: bool,
    frames: u64,
    notes: Notes,
    done: bool,
    _held: Held,
}

impl<'a> Unzstd<'a> {
    pub(crate) fn new(feed: Feed<'a>, notes: Notes, fuel: &Fuel) -> Result<Self, Exhausted> {
        let mut codec = FrameDecoder::new();
        codec.set_max_window_size(DICTIONARY_MAX.into());
        let _held = fuel.hold(u64::from(DICTIONARY_MAX) + BESIDE)?;
        Ok(Self { feed, codec, in_frame: false, frames: 0, notes, done: false, _held })
    }

    fn begin(&mut self) -> io::Result<()> {
        // Frames that are to be skipped: their magic is one of sixteen.
        if self.skippable()? {
            self.feed.array::<4>()?;
            let len = u32::from_le_bytes(self.feed.array()?);
            if u64::from(len) > self.feed.left() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return self.feed.skip(len.into());
        }
        if self.frames > 0 {
            if !self.feed.starts(&MAGIC)? {
                self.done = true;
                return trailing(&self.feed, &self.notes);
            }
            self.notes.add(self.feed.at(), StreamFlaw::Another);
        }
        self.frames += 1;
        self.codec.reset(&mut self.feed).map_err(io::Error::other)?;
        self.in_frame = true;
        Ok(())
    }

    fn skippable(&self) -> io::Result<bool> {
        for low in 0x50..=0x5f {
            if self.feed.starts(&[low, 0x2a, 0x4d, 0x18])? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Read for Unzstd<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while !self.done {
            if !self.in_frame {
                self.begin()?;
                continue;
            }
            if self.codec.can_collect() > 0 {
                let count = self.codec.read(into)?;
                if count > 0 {
                    return Ok(count);
                }
            }
            if self.codec.is_finished() {
                self.in_frame = false;
                if self.codec.get_checksum_from_data().is_some() {
                    self.notes.add(self.feed.at(), StreamFlaw::ChecksumUnread { kind: "xxh64" });
                }
                continue;
            }
            self.codec
                .decode_blocks(&mut self.feed, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(io::Error::other)?;
        }
        Ok(0)
    }
}

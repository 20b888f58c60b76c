//! Packed bytes as an input again.
//!
//! A [`Packed`] unpacks forward only. It keeps the first [`KEPT`](Packed::KEPT) bytes and a window behind the place where
//! it is; a read further back begins again and pays again. What is packed in packed data is a `Packed` over a `Packed`.

mod bzip;
mod feed;
mod flate;
mod lzma;
mod notes;
mod packed;
#[cfg(test)]
mod tests;
mod xz;
mod zstandard;

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use lzma_rust2::filter::bcj2::Bcj2Reader;
use lzma_rust2::filter::delta::DeltaReader;

pub use flate::GzipHead;
pub use notes::{Noted, StreamFlaw};
pub use packed::{Ending, Packed};

pub(crate) use feed::Source;

use crate::fuel::Fuel;
use crate::input::{Input, ReadError};
use feed::{Fault, Feed};
use notes::Notes;

/// How bytes are packed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Packing {
    /// Not at all.
    Stored,
    /// Deflate, RFC 1951.
    Deflate,
    /// zlib, RFC 1950.
    Zlib,
    /// gzip, RFC 1952, all members joined.
    Gzip,
    /// bzip2, all streams joined.
    Bzip2,
    /// xz, all streams joined.
    Xz,
    /// The file format before xz: properties, dictionary, length, LZMA.
    LzmaAlone,
    /// LZMA as zip packs it: a version, properties, LZMA.
    ZipLzma {
        /// Whether a mark ends the stream.
        marked: bool,
    },
    /// Bare LZMA.
    Lzma {
        /// The byte of `lc`, `lp` and `pb`.
        properties: u8,
        /// The dictionary that is asked for.
        dictionary: u32,
    },
    /// Bare LZMA2.
    Lzma2 {
        /// The dictionary that is asked for.
        dictionary: u32,
    },
    /// Zstandard, RFC 8878, all frames joined.
    Zstandard,
    /// Differences to the byte so far back.
    Delta {
        /// How far: 1 to 256.
        distance: u16,
    },
    /// Addresses in calls and jumps, by xz's number of the machine.
    Branch {
        /// The number: 4 to 11.
        machine: u8,
    },
    /// Calls and jumps of x86 in three streams beside the main one.
    Bcj2,
    /// Something that is not read here.
    Unread {
        /// Its name.
        what: String,
    },
}

impl Packing {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bcj2 => "bcj2",
            Self::Unread { what } => what,
            known => known.codec(),
        }
    }

    /// The same word where a constant is needed.
    fn codec(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Deflate => "deflate",
            Self::Zlib => "zlib",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::LzmaAlone | Self::ZipLzma { .. } | Self::Lzma { .. } => "lzma",
            Self::Lzma2 { .. } => "lzma2",
            Self::Zstandard => "zstd",
            Self::Delta { .. } => "delta",
            Self::Branch { .. } | Self::Bcj2 => "bcj",
            Self::Unread { .. } => "unknown",
        }
    }

    /// What a byte costs that comes of next to nothing. Honest numbers do not pack two hundred to one for megabytes; where bytes do,
    /// the time that a codec takes for each counts, so that a small bomb of a slow codec ends as soon as one of a fast one.
    const fn price_of_nothing(&self) -> u64 {
        match self {
            Self::Bzip2 => 6,
            Self::Xz | Self::LzmaAlone | Self::ZipLzma { .. } | Self::Lzma { .. } | Self::Lzma2 { .. } => 3,
            Self::Stored | Self::Unread { .. } => 1,
            _ => 2,
        }
    }

    /// Whether its codec swallows what it made of a portion that turned out broken.
    fn swallows(&self) -> bool {
        matches!(self, Self::Xz | Self::Lzma2 { .. } | Self::Branch { .. } | Self::Delta { .. })
    }
}

/// A run of packed bytes.
#[derive(Clone)]
pub(crate) struct Run<'a> {
    pub(crate) of: Source<'a>,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// How to unpack something, as often as it takes.
#[derive(Clone)]
pub(crate) struct Recipe<'a> {
    pub(crate) packing: Packing,
    /// One run; four for [`Packing::Bcj2`].
    pub(crate) runs: Vec<Run<'a>>,
    /// How many bytes are said to come out.
    pub(crate) said: Option<u64>,
    /// What their CRC-32 is said to be.
    pub(crate) crc: Option<u32>,
}

/// What all parts of one way through a stream share.
#[derive(Clone)]
pub(crate) struct Context {
    notes: Notes,
    fault: Fault,
    /// Whether portions are to be as small as they can be.
    careful: Rc<Cell<bool>>,
    fuel: Fuel,
}

impl<'a> Recipe<'a> {
    /// The codec at its first byte, and the feed that it takes from.
    fn start(&self, context: &Context) -> Result<(Box<dyn Read + 'a>, Feed<'a>), ReadError> {
        let mut feeds = Vec::new();
        for run in &self.runs {
            feeds.push(Feed::new(&run.of, run.start, run.len, &context.fault, &context.fuel)?);
        }
        let unsupported = |what: &str| ReadError::Unsupported { what: what.to_owned() };
        let Some(feed) = feeds.first().cloned() else { return Err(unsupported("a stream without a source")) };
        let (notes, fuel) = (context.notes.clone(), &context.fuel);
        let mut first = feed.clone();
        let read: Box<dyn Read + 'a> = match &self.packing {
            Packing::Stored => Box::new(first),
            Packing::Deflate => Box::new(flate::Inflate::raw(first)),
            Packing::Zlib => Box::new(flate::Zlib::new(first, notes)),
            Packing::Gzip => Box::new(flate::Gzip::new(first, notes)),
            Packing::Bzip2 => Box::new(bzip::Bunzip::new(first, notes, fuel)?),
            Packing::Xz => Box::new(xz::Unxz::new(first, context.clone())),
            Packing::LzmaAlone => Box::new(lzma::Alone::new(first, context.clone())),
            Packing::ZipLzma { marked } => {
                let head: io::Result<[u8; 9]> = first.array();
                let head = head.map_err(|why| context.fault.explain("lzma", 0, &why))?;
                let [_, _, 5, 0, properties, a, b, c, d] = head else {
                    return Err(unsupported("lzma with other properties"));
                };
                let said = if *marked { None } else { self.said };
                let dictionary = u32::from_le_bytes([a, b, c, d]);
                Box::new(lzma::Unlzma::new(first, properties, dictionary, said, context)?)
            }
            Packing::Lzma { properties, dictionary } => {
                Box::new(lzma::Unlzma::new(first, *properties, *dictionary, self.said, context)?)
            }
            Packing::Lzma2 { dictionary } => {
                Box::new(lzma::Unlzma2::new(first, *dictionary, self.said, context)?)
            }
            Packing::Zstandard => Box::new(zstandard::Unzstd::new(first, notes, fuel)?),
            Packing::Delta { distance } => Box::new(DeltaReader::new(first, usize::from(*distance))),
            Packing::Branch { machine } => xz::branch(u64::from(*machine), Box::new(first), 0)
                .ok_or_else(|| unsupported("a filter for an unknown machine"))?,
            Packing::Bcj2 if feeds.len() == 4 => {
                Box::new(Bcj2Reader::new(feeds, self.said.unwrap_or(u64::MAX)))
            }
            Packing::Bcj2 => return Err(unsupported("bcj2 without its four streams")),
            Packing::Unread { what } => return Err(unsupported(what)),
        };
        Ok((read, feed))
    }
}

/// What the first head of a gzip file says.
///
/// # Errors
/// [`ReadError`] if it is none or the source fails.
pub fn gzip_head(input: &dyn Input, fuel: &Fuel) -> Result<GzipHead, ReadError> {
    let fault = Fault::default();
    let source: Source<'_> = Rc::new(input);
    let mut feed = Feed::new(&source, 0, u64::MAX, &fault, fuel)?;
    flate::gzip_head(&mut feed, &Notes::default()).map_err(|why| fault.explain("gzip", 0, &why))
}

/// Notes what lies behind the end of a stream.
fn trailing(feed: &Feed<'_>, notes: &Notes) -> io::Result<()> {
    let bytes = feed.left();
    if bytes > 0 {
        let zeros = feed.with(|bytes| (0, bytes.iter().all(|&byte| byte == 0)))?;
        notes.add(feed.at(), StreamFlaw::Trailing { bytes, zeros });
    }
    Ok(())
}

/// CRC-64 of ECMA-182, as xz uses it.
struct Crc64(u64);

impl Crc64 {
    const fn new() -> Self {
        Self(u64::MAX)
    }

    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            let entry = CRC64.get(usize::from(low ^ byte)).copied().unwrap_or(0);
            self.0 = entry ^ (self.0 >> 8);
        }
    }

    const fn sum(&self) -> u64 {
        !self.0
    }
}

static CRC64: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut entry = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 1 == 1 { (entry >> 1) ^ 0xc96c_5795_d787_0f42 } else { entry >> 1 };
            bit += 1;
        }
        #[allow(clippy::indexing_slicing, reason = "evaluated while compiling")]
        {
            table[byte] = entry;
        }
        byte += 1;
    }
    table
};

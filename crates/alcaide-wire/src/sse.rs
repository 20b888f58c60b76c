//! `text/event-stream` read as it arrives, and written.
//!
//! Follows the WHATWG HTML standard, section 9.2.6 ("Interpreting an event stream"): lines end in CR, LF or
//! CRLF, a blank line ends an event, a byte order mark may begin the stream. Chunks may be cut anywhere: the
//! same events come out, and their raw bytes joined are the stream. A blank line that ends in CR at the end
//! of a chunk waits for the byte after it, which may be the LF that belongs to it.
//!
//! Readers in the field differ at the edges of the standard (bare CR, several `data` lines, bytes before the
//! first line); [`SseEvent::is_plain`] tells which events all of them read alike, [`SseEvent::rewritten`]
//! makes any event such a one. Left out: reconnection and the `retry` time, which are the client's business.

mod event;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

pub use event::{Frame, SseEvent};

/// Most bytes of one event with its blank line, unless a caller sets another: a whole reply with a picture in
/// it.
pub const EVENT_BYTES_MAX: usize = 8 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A stream that cannot be read on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// An event is longer than the limit.
    #[error("event of more than {limit} bytes")]
    EventTooLong {
        /// Bytes allowed.
        limit: usize,
    },
}

/// Reads one stream. Holds back at most one unfinished event.
#[derive(Debug)]
pub struct SseReader {
    carry: BytesMut,
    /// Where the current line of the carry begins.
    line: usize,
    /// Bytes of the carry that were looked at.
    seen: usize,
    /// Whether nothing has been taken from the stream yet, so that a byte order mark may come.
    first: bool,
    limit: usize,
}

impl Default for SseReader {
    fn default() -> Self {
        Self::new(EVENT_BYTES_MAX)
    }
}

impl SseReader {
    /// A reader of a stream whose events have at most `event_bytes_max` bytes, blank line included.
    #[must_use]
    pub fn new(event_bytes_max: usize) -> Self {
        Self { carry: BytesMut::new(), line: 0, seen: 0, first: true, limit: event_bytes_max }
    }

    /// Takes the next chunk and appends the events that are complete now. Copies only what must wait.
    ///
    /// # Errors
    /// [`SseError::EventTooLong`]; the events before it are in `events`, and nothing after it can be read.
    pub fn push(&mut self, mut chunk: Bytes, events: &mut Vec<SseEvent>) -> Result<(), SseError> {
        if self.carry.is_empty() {
            while let Some(end) = self.event_end(&chunk) {
                self.take(chunk.split_to(end), true, events)?;
            }
            return self.keep(&chunk);
        }
        // The carry alone is scanned until its event ends; what follows is cut from the chunk without a copy.
        let held = self.carry.len();
        let mut grown = held;
        while grown - held < chunk.len() {
            let step = chunk.get(grown - held..).unwrap_or_default();
            let step = step.get(..step.len().min(STEP_BYTES)).unwrap_or_default();
            self.carry.extend_from_slice(step);
            grown += step.len();
            let carry = std::mem::take(&mut self.carry);
            let end = self.event_end(&carry);
            self.carry = carry;
            if let Some(end) = end {
                let raw = self.carry.split_to(end).freeze();
                self.carry.clear();
                chunk.advance(end.saturating_sub(held));
                self.take(raw, true, events)?;
                // An event may end within the carry itself, at a CR that waited: then all of the chunk is
                // left.
                return self.push(chunk, events);
            }
            self.fits(self.carry.len())?;
        }
        Ok(())
    }

    /// Ends the stream: what was not ended by a blank line, if anything is left. The standard drops such an
    /// event, but readers are known that do not; so it is told, marked as cut ([`SseEvent::is_complete`]).
    #[must_use]
    pub fn finish(&mut self) -> Option<SseEvent> {
        let raw = self.carry.split().freeze();
        // A blank line that ended in CR was complete all the time.
        let complete = raw.ends_with(b"\r") && self.line + 1 == raw.len();
        self.line = 0;
        self.seen = 0;
        let first = std::mem::take(&mut self.first);
        (!raw.is_empty()).then(|| SseEvent::read(raw, complete, first))
    }

    /// Bytes that are held back.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.carry.len()
    }

    fn take(&mut self, raw: Bytes, complete: bool, events: &mut Vec<SseEvent>) -> Result<(), SseError> {
        self.fits(raw.len())?;
        let first = std::mem::take(&mut self.first);
        events.push(SseEvent::read(raw, complete, first));
        Ok(())
    }

    fn keep(&mut self, rest: &[u8]) -> Result<(), SseError> {
        self.fits(rest.len())?;
        self.carry.extend_from_slice(rest);
        Ok(())
    }

    const fn fits(&self, bytes: usize) -> Result<(), SseError> {
        if bytes <= self.limit { Ok(()) } else { Err(SseError::EventTooLong { limit: self.limit }) }
    }

    /// One past the blank line that ends the event at the start of `bytes`; else remembers how far it looked.
    fn event_end(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.first && self.line == 0 {
            if bytes.starts_with(BOM) {
                self.line = BOM.len();
                self.seen = self.seen.max(BOM.len());
            } else if BOM.starts_with(bytes) {
                return None;
            }
        }
        loop {
            let Some(found) = memchr2(b'\n', b'\r', bytes.get(self.seen..)?) else {
                self.seen = bytes.len();
                return None;
            };
            let at = self.seen + found;
            let end = match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'\r'), None) => {
                    self.seen = at;
                    return None;
                }
                (Some(b'\r'), Some(b'\n')) => at + 2,
                _ => at + 1,
            };
            let blank = at == self.line;
            self.line = end;
            self.seen = end;
            if blank {
                self.line = 0;
                self.seen = 0;
                return Some(end);
            }
        }
    }
}

/// Bytes of a chunk that are copied behind a carry at once: most events end within so many.
const STEP_BYTES: usize = 4096;

#[cfg(test)]
mod tests;

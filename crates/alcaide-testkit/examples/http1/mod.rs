//! One side of an HTTP/1.1 connection over a blocking socket: heads and bodies as RFC 9112 frames them, within bounds.
//!
//! Small on purpose: what stands at both ends of a measurement must cost next to nothing, and must notice when what
//! comes between breaks a message. Obsolete line folding and trailers are not kept; both framings at once are refused.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

/// Longest head that is read.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest body that is read.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Longest line that tells the size of a chunk.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// How the end of a body is told (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// By its length.
    Length(u64),
    /// By a last chunk.
    Chunked,
    /// By nothing: no body in a request, all up to the end of the connection in an answer.
    Untold,
}

/// Start line and header fields.
pub(crate) struct Head {
    text: String,
    pub(crate) framing: Framing,
    /// Whether the sender closes the connection after this message.
    pub(crate) closes: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| broken("a head that is not UTF-8"))?;
        let (mut length, mut chunked, mut closes) = (None, false, text.contains("HTTP/1.0"));
        for line in text.split("\r\n").skip(1).filter(|line| !line.is_empty()) {
            let (name, value) =
                line.split_once(':').ok_or_else(|| broken("a header line without a colon"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let given = value.parse::<u64>().map_err(|_| broken("a content-length that is no number"))?;
                if length.replace(given).is_some_and(|before| before != given) {
                    return Err(broken("two values of content-length"));
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.eq_ignore_ascii_case("chunked") {
                    return Err(broken("a transfer-encoding other than chunked"));
                }
                chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                closes |= value.split(',').any(|one| one.trim().eq_ignore_ascii_case("close"));
            }
        }
        let framing = match (length, chunked) {
            (Some(_), true) => return Err(broken("both content-length and transfer-encoding")),
            (Some(length), false) if length > BODY_BYTES_MAX => {
                return Err(broken("a body that is too long"));
            }
            (Some(length), false) => Framing::Length(length),
            (None, true) => Framing::Chunked,
            (None, false) => Framing::Untold,
        };
        Ok(Self { text, framing, closes })
    }

    /// The value of a header field.
    #[allow(dead_code, reason = "the load looks at none")]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The word of the start line at `place`, from 0.
    pub(crate) fn word(&self, place: usize) -> &str {
        let line = self.text.split("\r\n").next().unwrap_or_default();
        line.split(' ').nth(place).unwrap_or_default()
    }
}

/// A connection and what was read of it ahead.
pub(crate) struct Wire {
    stream: TcpStream,
    held: Vec<u8>,
    /// Bytes of `held` that were used already.
    used: usize,
    room: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, held: Vec::with_capacity(READ_BYTES), used: 0, room: vec![0; READ_BYTES] })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next head; nothing if the other side closed between two messages.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        let mut looked = 0;
        loop {
            let ahead = self.ahead();
            let from = usize::saturating_sub(looked, 3);
            let found =
                ahead.get(from..).and_then(|rest| rest.windows(4).position(|four| four == b"\r\n\r\n"));
            if let Some(at) = found {
                let end = from + at + 4;
                let head = Head::parse(ahead.get(..end).unwrap_or_default())?;
                self.used += end;
                return Ok(Some(head));
            }
            looked = ahead.len();
            if looked > HEAD_BYTES_MAX {
                return Err(broken("a head that is too long"));
            }
            if self.more()? == 0 {
                return if looked == 0 { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Reads a body into `out`, which is emptied first, and tells when its first byte was there.
    pub(crate) fn body(&mut self, framing: Framing, out: &mut Vec<u8>) -> io::Result<Option<Instant>> {
        out.clear();
        let mut first = None;
        match framing {
            Framing::Length(length) => self.take(length, out, &mut first)?,
            Framing::Chunked => loop {
                let length = self.chunk_length()?;
                if length == 0 {
                    // Trailers, up to an empty line.
                    while !self.line()?.is_empty() {}
                    break;
                }
                let total = length.saturating_add(u64::try_from(out.len()).unwrap_or(u64::MAX));
                if total > BODY_BYTES_MAX {
                    return Err(broken("a body that is too long"));
                }
                self.take(length, out, &mut first)?;
                if !self.line()?.is_empty() {
                    return Err(broken("a chunk that is longer than it said"));
                }
            },
            Framing::Untold => loop {
                out.extend_from_slice(self.ahead());
                self.used = self.held.len();
                if !out.is_empty() && first.is_none() {
                    first = Some(Instant::now());
                }
                if u64::try_from(out.len()).unwrap_or(u64::MAX) > BODY_BYTES_MAX {
                    return Err(broken("a body that is too long"));
                }
                if self.more()? == 0 {
                    break;
                }
            },
        }
        Ok(first)
    }

    fn take(&mut self, length: u64, out: &mut Vec<u8>, first: &mut Option<Instant>) -> io::Result<()> {
        let mut missing = usize::try_from(length).map_err(|_| broken("a body that is too long"))?;
        while missing > 0 {
            if self.ahead().is_empty() && self.more()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            first.get_or_insert_with(Instant::now);
            let ahead = self.ahead();
            let part = ahead.get(..missing.min(ahead.len())).unwrap_or_default();
            out.extend_from_slice(part);
            let taken = part.len();
            missing -= taken;
            self.used += taken;
        }
        Ok(())
    }

    fn chunk_length(&mut self) -> io::Result<u64> {
        let line = self.line()?;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let digits = std::str::from_utf8(digits).unwrap_or_default().trim();
        u64::from_str_radix(digits, 16).map_err(|_| broken("a chunk without a size"))
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let ahead = self.ahead();
            if let Some(at) = ahead.windows(2).position(|two| two == b"\r\n") {
                let line = ahead.get(..at).unwrap_or_default().to_vec();
                self.used += at + 2;
                return Ok(line);
            }
            if ahead.len() > CHUNK_LINE_BYTES_MAX {
                return Err(broken("a line without an end"));
            }
            if self.more()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn ahead(&self) -> &[u8] {
        self.held.get(self.used..).unwrap_or_default()
    }

    fn more(&mut self) -> io::Result<usize> {
        self.held.drain(..self.used);
        self.used = 0;
        let read = self.stream.read(&mut self.room)?;
        self.held.extend_from_slice(self.room.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// An error of the other side's making.
pub(crate) fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

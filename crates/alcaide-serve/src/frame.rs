//! Where does a head end, and where its body? A strict second reading of the bytes before hyper reads them.
//!
//! hyper drops `content-length` when `transfer-encoding` is there, folds equal lengths into one, takes bare
//! line feeds and cuts fragments off targets; a parsed head no longer shows it. So the framer walks the same
//! bytes first, takes only what leaves no choice, and holds a head back until it is whole: what hyper sees,
//! this has accepted. Whatever it accepts, hyper frames alike; where hyper is stricter still, the connection
//! ends anyway.
//!
//! It looks for line ends with `memchr`, at the name of lines that begin with `c` or `t` only, and steps over
//! bodies by arithmetic: the cost of a usual head is a dozen searches for a line end.
//!
//! Source: RFC 9112, sections 2.2, 5, 6 and 7.1.

use memchr::memchr;

use crate::check::Refusal;
use crate::limits::Limits;

/// Follows one connection's bytes.
#[derive(Debug)]
pub(crate) struct Framer {
    header_bytes: usize,
    headers: usize,
    uri_bytes: usize,
    state: State,
    head: Head,
    heads: u64,
}

/// What the bytes were.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Bytes from the front that may go on.
    pub(crate) pass: usize,
    /// What is behind them.
    pub(crate) end: End,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// Nothing, or the beginning of a head: present it again with more bytes behind.
    Wait,
    /// A head that is refused.
    Refuse(Refusal),
    /// Bytes that are no chunk.
    Broken,
}

#[derive(Debug)]
enum State {
    Head,
    Body { left: u64 },
    Chunked { at: Chunk, size: u64, extra: usize },
}

#[derive(Clone, Copy, Debug)]
enum Chunk {
    Start,
    Size,
    Extension,
    SizeLf,
    Bytes,
    BytesCr,
    BytesLf,
    LineStart,
    Trailer,
    TrailerLf,
    EndLf,
}

/// What is known of the head under way.
#[derive(Debug, Default)]
struct Head {
    searched: usize,
    line_start: usize,
    has_request_line: bool,
    is_http_11: bool,
    lines: usize,
    length: Option<u64>,
    chunked: bool,
}

enum Line {
    Goes,
    Ends,
}

impl Framer {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            header_bytes: limits.header_bytes(),
            headers: limits.headers(),
            uri_bytes: limits.uri_bytes(),
            state: State::Head,
            head: Head::default(),
            heads: 0,
        }
    }

    /// Walks over `bytes`: those that a former call left waiting, then fresh ones.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut pass = 0;
        while let Some(rest) = bytes.get(pass..)
            && !rest.is_empty()
        {
            match &mut self.state {
                State::Head => match self.scan_head(rest) {
                    Ok(Some(len)) => pass += len,
                    Ok(None) => return Scan { pass, end: End::Wait },
                    Err(refusal) => return Scan { pass, end: End::Refuse(refusal) },
                },
                State::Body { left } => {
                    let here = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(*left);
                    *left -= here;
                    // INVARIANT: `here` is at most `rest.len()`, so it fits.
                    pass += usize::try_from(here).unwrap_or(rest.len());
                    if *left == 0 {
                        self.state = State::Head;
                    }
                }
                State::Chunked { .. } => {
                    let (len, whole) = self.scan_chunks(rest);
                    pass += len;
                    if !whole {
                        return Scan { pass, end: End::Broken };
                    }
                }
            }
        }
        Scan { pass, end: End::Wait }
    }

    /// Whether the next byte belongs to a body.
    pub(crate) const fn in_body(&self) -> bool {
        !matches!(self.state, State::Head)
    }

    /// Heads that passed.
    pub(crate) const fn heads(&self) -> u64 {
        self.heads
    }

    fn scan_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        loop {
            let rest = bytes.get(self.head.searched..).unwrap_or_default();
            let Some(at) = memchr(b'\n', rest) else {
                self.head.searched = bytes.len();
                return self.check_partial(bytes.len()).map(|()| None);
            };
            let end = self.head.searched + at;
            let line = bytes.get(self.head.line_start..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").ok_or(Refusal::LineEnds)?;
            if end >= self.header_bytes {
                return Err(Refusal::HeadTooLarge);
            }
            self.head.searched = end + 1;
            self.head.line_start = end + 1;
            if let Line::Ends = self.take_line(line)? {
                let head = std::mem::take(&mut self.head);
                self.heads += 1;
                self.state = match (head.chunked, head.length) {
                    (true, _) => State::Chunked { at: Chunk::Start, size: 0, extra: 0 },
                    (false, Some(left @ 1..)) => State::Body { left },
                    (false, _) => State::Head,
                };
                return Ok(Some(end + 1));
            }
        }
    }

    fn check_partial(&self, len: usize) -> Result<(), Refusal> {
        let line = len - self.head.line_start.min(len);
        if !self.head.has_request_line && line > self.uri_bytes + AROUND_TARGET {
            return Err(Refusal::UriTooLong);
        }
        if len >= self.header_bytes { Err(Refusal::HeadTooLarge) } else { Ok(()) }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Line, Refusal> {
        if !self.head.has_request_line {
            if line.is_empty() {
                // RFC 9112, section 2.2: empty lines before a request line are ignored.
                return Ok(Line::Goes);
            }
            self.head.has_request_line = true;
            self.head.is_http_11 = line.ends_with(b" HTTP/1.1");
            return self.check_request_line(line).map(|()| Line::Goes);
        }
        let Some(first) = line.first() else {
            return Ok(Line::Ends);
        };
        self.head.lines += 1;
        if self.head.lines > self.headers {
            return Err(Refusal::HeadTooLarge);
        }
        match first {
            b' ' | b'\t' => Err(Refusal::LineEnds),
            b'c' | b'C' | b't' | b'T' => self.take_framing(line).map(|()| Line::Goes),
            _ => Ok(Line::Goes),
        }
    }

    fn check_request_line(&self, line: &[u8]) -> Result<(), Refusal> {
        let start = memchr(b' ', line).map_or(0, |at| at + 1);
        let end = line.len().saturating_sub(" HTTP/1.1".len()).max(start);
        let target = line.get(start..end).unwrap_or_default();
        if target.len() > self.uri_bytes {
            return Err(Refusal::UriTooLong);
        }
        if memchr(b'#', target).is_some() { Err(Refusal::TargetForm) } else { Ok(()) }
    }

    fn take_framing(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let Some(colon) = memchr(b':', line) else {
            return Ok(());
        };
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let name = name.trim_ascii();
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.head.length.is_some() {
                return Err(Refusal::ContentLength);
            }
            let digits = std::str::from_utf8(value).ok().filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
            let length = digits.and_then(|v| v.parse::<u64>().ok()).filter(|v| *v <= LENGTH_MAX);
            self.head.length = Some(length.ok_or(Refusal::ContentLength)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.head.chunked || !self.head.is_http_11 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::TransferEncoding);
            }
            self.head.chunked = true;
        }
        if self.head.chunked && self.head.length.is_some() { Err(Refusal::FramingBoth) } else { Ok(()) }
    }

    /// Walks over chunks; how far, and whether all was well.
    fn scan_chunks(&mut self, bytes: &[u8]) -> (usize, bool) {
        let State::Chunked { at, size, extra } = &mut self.state else {
            return (0, true);
        };
        let mut done = 0;
        while let Some(byte) = bytes.get(done) {
            *at = match (*at, byte) {
                (Chunk::Bytes, _) => {
                    let here = u64::try_from(bytes.len() - done).unwrap_or(u64::MAX).min(*size);
                    *size -= here;
                    // INVARIANT: `here` is at most what is left of `bytes`, so it fits.
                    done += usize::try_from(here).unwrap_or(bytes.len());
                    if *size == 0 {
                        *at = Chunk::BytesCr;
                    }
                    continue;
                }
                (Chunk::Start | Chunk::Size, b) if b.is_ascii_hexdigit() => {
                    let digit = u64::from(char::from(*b).to_digit(16).unwrap_or_default());
                    match size.checked_mul(16).and_then(|s| s.checked_add(digit)) {
                        Some(larger) => *size = larger,
                        None => return (done, false),
                    }
                    Chunk::Size
                }
                (Chunk::Size | Chunk::Extension, b'\r') => Chunk::SizeLf,
                (Chunk::Size, b';') => Chunk::Extension,
                (Chunk::Extension | Chunk::Trailer | Chunk::LineStart, b)
                    if *b == b'\t' || *b == b' ' || b.is_ascii_graphic() || *b >= 0x80 =>
                {
                    *extra += 1;
                    if *extra > CHUNK_EXTRA_BYTES {
                        return (done, false);
                    }
                    if matches!(*at, Chunk::Extension) { Chunk::Extension } else { Chunk::Trailer }
                }
                (Chunk::SizeLf, b'\n') if *size == 0 => Chunk::LineStart,
                (Chunk::SizeLf, b'\n') => Chunk::Bytes,
                (Chunk::BytesCr, b'\r') => Chunk::BytesLf,
                (Chunk::BytesLf, b'\n') => Chunk::Start,
                (Chunk::LineStart, b'\r') => Chunk::EndLf,
                (Chunk::Trailer, b'\r') => Chunk::TrailerLf,
                (Chunk::TrailerLf, b'\n') => Chunk::LineStart,
                (Chunk::EndLf, b'\n') => {
                    self.state = State::Head;
                    return (done + 1, true);
                }
                _ => return (done, false),
            };
            done += 1;
        }
        (done, true)
    }
}

/// Walks `bytes` in pieces as a connection does; heads that passed, or `None` if something was refused.
pub(crate) fn probe(bytes: &[u8], pieces: &[u8], limits: &Limits) -> Option<u64> {
    let mut framer = Framer::new(limits);
    let mut held: Vec<u8> = Vec::new();
    let mut rest = bytes;
    let mut sizes = pieces.iter().map(|p| usize::from(*p).max(1));
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(sizes.next().unwrap_or(rest.len()).min(rest.len()));
        rest = tail;
        held.extend_from_slice(piece);
        let scan = framer.scan(&held);
        if scan.end != End::Wait {
            return None;
        }
        held.drain(..scan.pass.min(held.len()));
    }
    Some(framer.heads())
}

/// Most bytes of extensions and trailers in one body: nobody here reads them.
const CHUNK_EXTRA_BYTES: usize = 4_096;
/// Method, two spaces and version around a target; the longest registered method has 17 bytes.
const AROUND_TARGET: usize = 64;
/// Largest length that hyper tells from its own marks.
const LENGTH_MAX: u64 = u64::MAX - 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(text: &str) -> Scan {
        Framer::new(&Limits::default()).scan(text.as_bytes())
    }

    fn refusal(text: &str) -> Refusal {
        match scan(text).end {
            End::Refuse(refusal) => refusal,
            other => panic!("{other:?} for {text:?}"),
        }
    }

    #[test]
    fn both_lengths_are_refused_in_either_order_and_case() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
        ] {
            assert_eq!(refusal(head), Refusal::FramingBoth);
        }
    }

    #[test]
    fn unclear_lengths_are_refused() {
        for value in [
            "5\r\nContent-Length: 5",
            "5\r\ncontent-length: 6",
            "+5",
            "5, 5",
            "",
            "0x5",
            "18446744073709551616",
        ] {
            assert_eq!(
                refusal(&format!("POST / HTTP/1.1\r\nContent-Length: {value}\r\n\r\n")),
                Refusal::ContentLength
            );
        }
    }

    #[test]
    fn other_codings_than_chunked_are_refused() {
        for value in [
            "gzip, chunked",
            "chunked, chunked",
            "identity",
            "xchunked",
            "chunked\r\nTransfer-Encoding: chunked",
        ] {
            let head = format!("POST / HTTP/1.1\r\nTransfer-Encoding: {value}\r\n\r\n");
            assert_eq!(refusal(&head), Refusal::TransferEncoding, "{value}");
        }
        assert_eq!(
            refusal("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Refusal::TransferEncoding
        );
    }

    #[test]
    fn bare_line_feeds_and_folded_lines_are_refused() {
        for head in [
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\n\r\n",
            "GET / HTTP/1.1\r\na: b\r\n c: d\r\n\r\n",
            "\nGET / HTTP/1.1\r\n",
        ] {
            assert_eq!(refusal(head), Refusal::LineEnds);
        }
    }

    #[test]
    fn one_past_each_limit_is_refused() {
        let limits = Limits::default().with_header_bytes(1_024).unwrap().with_uri_bytes(256).unwrap();
        let limits = limits.with_headers(8).unwrap();
        let end = |text: String| Framer::new(&limits).scan(text.as_bytes()).end;
        let uri = |n: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(n - 1));
        assert_eq!(end(uri(256)), End::Wait);
        assert_eq!(end(uri(257)), End::Refuse(Refusal::UriTooLong));
        let lines = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n));
        assert_eq!(end(lines(8)), End::Wait);
        assert_eq!(end(lines(9)), End::Refuse(Refusal::HeadTooLarge));
        let bytes = |n: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(n - 16 - 3 - 4));
        assert_eq!(bytes(1_024).len(), 1_024);
        assert_eq!(end(bytes(1_024)), End::Wait);
        assert_eq!(end(bytes(1_025)), End::Refuse(Refusal::HeadTooLarge));
        // And without any end in sight.
        assert_eq!(end(format!("GET /{}", "a".repeat(400))), End::Refuse(Refusal::UriTooLong));
        assert_eq!(
            end(format!("GET / HTTP/1.1\r\na: {}", "b".repeat(1_100))),
            End::Refuse(Refusal::HeadTooLarge)
        );
        assert_eq!(end("\r\n".repeat(600)), End::Refuse(Refusal::HeadTooLarge));
    }

    #[test]
    fn a_fragment_is_refused() {
        assert_eq!(refusal("GET /a#b HTTP/1.1\r\n\r\n"), Refusal::TargetForm);
    }

    #[test]
    fn malformed_chunks_break_the_body() {
        for body in [
            "\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "5\nhello",
            "5\r\nhello0\r\n",
            "5;a\nhello",
            "g",
            "11111111111111111\r\n",
            "0\r\na: b\n\r\n",
        ] {
            let scan = scan(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
            assert_eq!(scan.end, End::Broken, "{body:?}");
        }
    }

    #[test]
    fn a_head_inside_a_body_is_body() {
        let inner = "GET /x HTTP/1.1\r\n\r\n";
        let sized = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
        let chunked = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x};e=1\r\n{inner}\r\n0\r\nt: v\r\n\r\n",
            inner.len()
        );
        for text in [sized, chunked] {
            let mut framer = Framer::new(&Limits::default());
            assert_eq!(framer.scan(text.as_bytes()).pass, text.len());
            assert_eq!((framer.heads(), framer.in_body()), (1, false));
        }
    }

    fn request() -> impl Strategy<Value = Vec<u8>> {
        let body = prop::collection::vec(any::<u8>(), 0..60);
        (body, 0_u8..3, 1_usize..20).prop_map(|(body, kind, size)| match kind {
            0 => b"GET /a HTTP/1.1\r\nHost: a\r\nTe: x\r\n\r\n".to_vec(),
            1 => {
                let mut out =
                    format!("POST /b HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
                out.extend_from_slice(&body);
                out
            }
            _ => {
                let mut out = b"\r\nPOST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
                for chunk in body.chunks(size) {
                    out.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                    out.extend_from_slice(chunk);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"0\r\n\r\n");
                out
            }
        })
    }

    proptest! {
        #[test]
        fn any_split_of_any_pipeline_finds_each_head(
            requests in prop::collection::vec(request(), 1..6),
            pieces in prop::collection::vec(1_u8..40, 0..80),
        ) {
            let found = probe(&requests.concat(), &pieces, &Limits::default());
            prop_assert_eq!(found, Some(requests.len() as u64));
        }

        #[test]
        fn a_verdict_does_not_depend_on_the_split(
            text in concat!(
                "(GET|POST) /[a#]? HTTP/1\\.[01](\r\n|\n)",
                "((Content-Length: [0-9]{1,2}|Transfer-Encoding: (chunked|gzip)|a: b| c)(\r\n|\n)){0,3}",
                "\r\n[0-9a-f\r\n]{0,12}",
            ),
            pieces in prop::collection::vec(1_u8..9, 0..60),
        ) {
            let limits = Limits::default();
            prop_assert_eq!(probe(text.as_bytes(), &[], &limits), probe(text.as_bytes(), &pieces, &limits));
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            pieces in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let _ = probe(&bytes, &pieces, &Limits::default());
        }
    }
}

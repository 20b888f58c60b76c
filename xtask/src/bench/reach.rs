//! The benchmark's own way to speak HTTP/1.1: one request over a fresh connection, the whole answer read.
//!
//! For setting up and for the first answer after a start; load comes from a program of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Longest silence of the other side.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body, cut for a message.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(400).collect()
    }

    /// The body as JSON, if the status says that all went well.
    ///
    /// # Errors
    /// For another status, with the body; for a body that is not JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("status {}: {}", self.status, self.said());
        }
        serde_json::from_slice(&self.body).context("the answer is not JSON")
    }
}

/// Asks over TCP on loopback.
///
/// # Errors
/// When nobody answers, or what comes is not HTTP.
pub(crate) fn tcp(port: u16, method: &str, path: &str, headers: &[String], body: &[u8]) -> Result<Answer> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("no connection")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    ask(stream, &format!("127.0.0.1:{port}"), method, path, headers, body)
}

/// Asks over a Unix socket.
///
/// # Errors
/// When nobody answers, or what comes is not HTTP.
pub(crate) fn unix(socket: &Path, method: &str, path: &str, body: &Value) -> Result<Answer> {
    let stream = UnixStream::connect(socket).context("no connection")?;
    stream.set_read_timeout(Some(SILENCE))?;
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    ask(stream, "localhost", method, path, &[], &body)
}

fn ask(
    mut stream: impl Read + Write,
    host: &str,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> Result<Answer> {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n",
        body.len()
    );
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).context("the request was not taken")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).context("the answer broke off")?;
    parse(&answer)
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = find(bytes, b"\r\n\r\n").context("the answer has no head")?;
    let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).context("the head is not UTF-8")?;
    let rest = bytes.get(end + 4..).unwrap_or_default();
    let status =
        head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("the answer has no status")?;
    if (100..200).contains(&status) {
        return parse(rest);
    }
    let field = |wanted: &str| {
        let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let body = match (field("content-length"), field("transfer-encoding")) {
        (_, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => chunks(rest)?,
        (Some(length), None) => {
            let length = length.parse().context("a content-length that is no number")?;
            rest.get(..length).context("the body broke off")?.to_vec()
        }
        (None, None) => rest.to_vec(),
        _ => bail!("the body has a framing that is not read here"),
    };
    Ok(Answer { status, body })
}

fn chunks(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = find(rest, b"\r\n").context("a chunk without a size")?;
        let line = std::str::from_utf8(rest.get(..end).unwrap_or_default())?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).context("a chunk without a size")?;
        rest = rest.get(end + 2..).unwrap_or_default();
        if length == 0 {
            return Ok(body);
        }
        let (chunk, after) = rest.split_at_checked(length).context("the body broke off")?;
        body.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").context("a chunk that is longer than it said")?;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_in_every_framing() {
        let told = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        assert_eq!((told.status, told.body.as_slice()), (200, b"hi".as_slice()));
        let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\ntransfer-encoding: chunked\r\n\r\n2;x\r\nhi\r\n1\r\n!\r\n0\r\n\r\n";
        let chunked = parse(text).unwrap();
        assert_eq!((chunked.status, chunked.body.as_slice()), (403, b"hi!".as_slice()));
        assert_eq!(chunked.json().unwrap_err().to_string(), "status 403: hi!");
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\nall").unwrap().body, b"all");
    }

    #[test]
    fn broken_answers_are_told() {
        for (text, why) in [
            ("HTTP/1.1 200 OK\r\n", "the answer has no head"),
            ("HTTP/1.1\r\n\r\n", "the answer has no status"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", "the body broke off"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhi", "the body broke off"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nhi\r\n",
                "a chunk that is longer than it said",
            ),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), why);
        }
    }
}

//! What a request must be before anybody looks at what it asks.
//!
//! One host, known; no foreign page behind it; a path that every reader understands alike; no header twice
//! that may be there once. [`check_request`] judges a parsed head; the byte-level rules (both lengths, line
//! ends), which a parsed head no longer shows, are enforced by the connection's framer and reported through
//! the same [`Refusal`].
//!
//! Sources: RFC 9110 (sections 5.3, 7.2, 7.6.1, 8.4, 8.6, 10.1.1), RFC 9112 (sections 3.2, 6), RFC 6454
//! (origins).

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;

use crate::body::Body;
use crate::codes;
use crate::listen::Peer;
use crate::problem::{CodeEntry, Problem, shown};
use crate::serve::Service;

/// Which `host` and `origin` a listener accepts.
#[derive(Clone, Debug, Default)]
pub struct HostRule {
    hosts: Vec<Box<str>>,
    origins: Vec<Box<str>>,
    loopback: bool,
    same_origin: Option<Box<str>>,
}

impl HostRule {
    /// Accepts no host and no origin.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Accepts `localhost`, `127.0.0.1` and `[::1]` with any port, and no origin.
    ///
    /// A rebound name is still refused: it is the name in `host` that counts, not the address.
    #[must_use]
    pub fn loopback() -> Self {
        Self { loopback: true, ..Self::default() }
    }

    /// Accepts one more name: `gate.example` with any port, or `gate.example:7100` with this one.
    #[must_use]
    pub fn host(mut self, name: &str) -> Self {
        self.hosts.push(name.to_ascii_lowercase().into());
        self
    }

    /// Accepts one more origin, as browsers write it: `https://console.example` or with `:port`.
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Self {
        self.origins.push(origin.to_ascii_lowercase().into());
        self
    }

    /// Accepts pages that this very server sent: the origin is `scheme://` and the request's `host`.
    #[must_use]
    pub fn same_origin(mut self, scheme: &str) -> Self {
        self.same_origin = Some(format!("{}://", scheme.to_ascii_lowercase()).into());
        self
    }

    fn accepts_host(&self, host: &str) -> bool {
        let name = without_port(host);
        if self.loopback && ["localhost", "127.0.0.1", "[::1]"].iter().any(|l| l.eq_ignore_ascii_case(name)) {
            return true;
        }
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(name))
    }

    fn accepts_origin(&self, origin: &str, host: &str) -> bool {
        let same = self.same_origin.as_deref().is_some_and(|scheme| {
            origin.split_at_checked(scheme.len()).is_some_and(|(head, authority)| {
                head.eq_ignore_ascii_case(scheme) && authority.eq_ignore_ascii_case(host)
            })
        });
        same || self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
    }
}

/// Why a request is refused before anybody looks at what it asks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Both `content-length` and `transfer-encoding`.
    #[error("both `content-length` and `transfer-encoding` are present")]
    FramingBoth,
    /// `content-length` repeated or no number.
    #[error("`content-length` is repeated or is no plain number")]
    ContentLength,
    /// `transfer-encoding` repeated or other than `chunked`.
    #[error("`transfer-encoding` is repeated or is not `chunked`")]
    TransferEncoding,
    /// A line that does not end in CR LF, or is folded.
    #[error("a line of the head does not end in CR LF or is folded")]
    LineEnds,
    /// A path that readers could take differently.
    #[error("the path {why}")]
    TargetBad {
        /// What is in it.
        why: &'static str,
    },
    /// Not in origin-form, or with a fragment.
    #[error("the request target is not a plain path")]
    TargetForm,
    /// No host, two, or no host at all in it.
    #[error("`host` is missing, repeated or malformed")]
    HostMissing,
    /// A host that is not ours.
    #[error("host `{host}` is not served here")]
    HostUnknown {
        /// The host, cut.
        host: String,
    },
    /// A page of an origin that is not allowed.
    #[error("origin `{origin}` is not allowed")]
    OriginRefused {
        /// The origin, cut.
        origin: String,
    },
    /// A single-valued header more than once.
    #[error("header `{name}` is present more than once")]
    HeaderRepeated {
        /// The header.
        name: HeaderName,
    },
    /// `expect` other than `100-continue`.
    #[error("the expectation is not `100-continue`")]
    ExpectUnknown,
    /// A compressed request body.
    #[error("the request body has content coding `{coding}`")]
    CodingUnsupported {
        /// The coding, cut.
        coding: String,
    },
    /// `CONNECT` or `TRACE`.
    #[error("method `{method}` is not served")]
    MethodRefused {
        /// The method.
        method: Method,
    },
    /// `connection` lists a header that must arrive.
    #[error("`connection` lists `{name}`")]
    ConnectionNames {
        /// The listed name, cut.
        name: String,
    },
    /// Too many bytes or lines in the head.
    #[error("the request head is larger than allowed")]
    HeadTooLarge,
    /// Too long a target.
    #[error("the request target is longer than allowed")]
    UriTooLong,
    /// The head took too long.
    #[error("the request head did not come in time")]
    HeadSlow,
    /// More body announced than allowed.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// Most bytes.
        limit: usize,
    },
}

impl Refusal {
    /// The catalogue's entry.
    #[must_use]
    pub fn entry(&self) -> &'static CodeEntry {
        match self {
            Self::FramingBoth => &codes::FRAMING_BOTH,
            Self::ContentLength => &codes::CONTENT_LENGTH,
            Self::TransferEncoding => &codes::TRANSFER_ENCODING,
            Self::LineEnds => &codes::LINE_ENDS,
            Self::TargetBad { .. } => &codes::TARGET_BAD,
            Self::TargetForm => &codes::TARGET_FORM,
            Self::HostMissing => &codes::HOST_MISSING,
            Self::HostUnknown { .. } => &codes::HOST_UNKNOWN,
            Self::OriginRefused { .. } => &codes::ORIGIN_REFUSED,
            Self::HeaderRepeated { .. } => &codes::HEADER_REPEATED,
            Self::ExpectUnknown => &codes::EXPECT_UNKNOWN,
            Self::CodingUnsupported { .. } => &codes::CODING_UNSUPPORTED,
            Self::MethodRefused { .. } => &codes::METHOD_REFUSED,
            Self::ConnectionNames { .. } => &codes::CONNECTION_NAMES,
            Self::HeadTooLarge => &codes::HEAD_TOO_LARGE,
            Self::UriTooLong => &codes::URI_TOO_LONG,
            Self::HeadSlow => &codes::HEAD_SLOW,
            Self::BodyTooLarge { .. } => &codes::BODY_TOO_LARGE,
        }
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.entry().cure
    }
}

impl From<Refusal> for Problem {
    /// The connection ends after it: who sends such a request may have meant other things with the rest.
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.entry()).detail(refusal.to_string()).closing()
    }
}

/// Judges the head of a request.
///
/// # Errors
/// [`Refusal`] for the first broken rule.
pub fn check_request(parts: &Parts, rule: &HostRule) -> Result<(), Refusal> {
    let headers = &parts.headers;
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(Refusal::MethodRefused { method: parts.method.clone() });
    }
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
        return Err(Refusal::TargetForm);
    }
    check_path(parts.uri.path())?;
    if parts.uri.query().is_some_and(|query| !query.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(Refusal::TargetBad { why: "has a query with a byte outside ASCII" });
    }
    // Fewer names than values means that some name is there twice: only then look for which.
    if headers.keys_len() != headers.len() {
        check_repeated(headers)?;
    }
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).ok_or(Refusal::HostMissing)?;
    if !is_host(host) {
        return Err(Refusal::HostMissing);
    }
    if !rule.accepts_host(host) {
        return Err(Refusal::HostUnknown { host: shown(host) });
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let known = origin.to_str().is_ok_and(|origin| rule.accepts_origin(origin, host));
        if !known {
            return Err(Refusal::OriginRefused {
                origin: shown(&String::from_utf8_lossy(origin.as_bytes())),
            });
        }
    }
    check_framing(headers)?;
    if let Some(coding) = headers.get(header::CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Refusal::CodingUnsupported {
            coding: shown(&String::from_utf8_lossy(coding.as_bytes())),
        });
    }
    if let Some(expect) = headers.get(header::EXPECT)
        && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Refusal::ExpectUnknown);
    }
    check_connection(headers)
}

/// Refuses a body that announces more than `limit` bytes, before any is read.
///
/// # Errors
/// [`Refusal::BodyTooLarge`].
pub fn check_length(parts: &Parts, limit: usize) -> Result<(), Refusal> {
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    match announced.map(str::parse::<usize>) {
        Some(Ok(bytes)) if bytes <= limit => Ok(()),
        None => Ok(()),
        // More than a usize holds is more than the limit.
        Some(_) => Err(Refusal::BodyTooLarge { limit }),
    }
}

/// Removes the hop-by-hop headers, and those that `connection` lists.
///
/// Source: RFC 9110, section 7.6.1.
pub fn hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        // Rarely more than `keep-alive` or `close`, which collect nothing.
        let listed: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.eq_ignore_ascii_case(b"close") && !name.eq_ignore_ascii_case(b"keep-alive"))
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// A service behind [`check_request`], [`check_length`] and [`hop_by_hop`].
///
/// What it hands on has no hop-by-hop header left; a broken rule is answered with its [`Problem`].
#[derive(Clone, Debug)]
pub struct Checked<S> {
    rule: Arc<HostRule>,
    body_bytes: usize,
    service: S,
}

impl<S> Checked<S> {
    /// Puts the checks before `service`; `body_bytes` as in [`Limits`](crate::Limits::body_bytes).
    pub fn new(rule: HostRule, body_bytes: usize, service: S) -> Self {
        Self { rule: Arc::new(rule), body_bytes, service }
    }
}

impl<S: Service> Service for Checked<S> {
    async fn call(&self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let checked = check_request(&parts, &self.rule).and_then(|()| check_length(&parts, self.body_bytes));
        if let Err(refusal) = checked {
            let mut response = Problem::from(refusal).into_response();
            if response.status() == http::StatusCode::METHOD_NOT_ALLOWED {
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            }
            return response;
        }
        hop_by_hop(&mut parts.headers);
        self.service.call(Request::from_parts(parts, body), peer).await
    }
}

fn check_path(path: &str) -> Result<(), Refusal> {
    let bad = |why| Err(Refusal::TargetBad { why });
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(Refusal::TargetForm);
    }
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        match byte {
            b'/' => match tail {
                [b'/', ..] => return bad("holds `//`"),
                [b'.'] | [b'.', b'/' | b';', ..] | [b'.', b'.'] | [b'.', b'.', b'/' | b';', ..] => {
                    return bad("holds a dot segment");
                }
                _ => {}
            },
            b'%' => match tail {
                [b'2', b'f' | b'F', ..] => return bad("holds an encoded slash"),
                [b'5', b'c' | b'C', ..] => return bad("holds an encoded backslash"),
                [b'2', b'e' | b'E', ..] => return bad("holds an encoded dot"),
                [b'0' | b'1', _, ..] | [b'7', b'f' | b'F', ..] => {
                    return bad("holds an encoded control character");
                }
                // RFC 3986, section 6.2.2.2: the same path as with the character itself, but not to who compares bytes.
                [b'3', b'0'..=b'9', ..]
                | [b'4' | b'6', b'1'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]
                | [b'5' | b'7', b'0'..=b'9' | b'a' | b'A', ..]
                | [b'2', b'd' | b'D', ..]
                | [b'5', b'f' | b'F', ..]
                | [b'7', b'e' | b'E', ..] => return bad("holds an escape of a character that needs none"),
                [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {}
                _ => return bad("holds a `%` without two hexadecimal digits"),
            },
            b'\\' => return bad("holds a backslash"),
            b if !b.is_ascii_graphic() => return bad("holds a byte outside ASCII"),
            _ => {}
        }
        rest = tail;
    }
    Ok(())
}

fn check_repeated(headers: &HeaderMap) -> Result<(), Refusal> {
    for name in headers.keys() {
        if headers.get_all(name).iter().nth(1).is_none() {
            continue;
        }
        match *name {
            header::HOST => return Err(Refusal::HostMissing),
            header::CONTENT_LENGTH => return Err(Refusal::ContentLength),
            header::TRANSFER_ENCODING => return Err(Refusal::TransferEncoding),
            _ if is_single(name) => return Err(Refusal::HeaderRepeated { name: name.clone() }),
            _ => {}
        }
    }
    Ok(())
}

fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let length = headers.get(header::CONTENT_LENGTH);
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        if length.is_some() {
            return Err(Refusal::FramingBoth);
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::TransferEncoding);
        }
    }
    if length.is_some_and(|v| v.is_empty() || !v.as_bytes().iter().all(u8::is_ascii_digit)) {
        return Err(Refusal::ContentLength);
    }
    Ok(())
}

fn check_connection(headers: &HeaderMap) -> Result<(), Refusal> {
    for value in headers.get_all(header::CONNECTION) {
        for name in value.as_bytes().split(|b| *b == b',') {
            let name = name.trim_ascii();
            let listed = HeaderName::from_bytes(name);
            if listed.as_ref().is_ok_and(is_single) {
                return Err(Refusal::ConnectionNames { name: shown(&String::from_utf8_lossy(name)) });
            }
        }
    }
    Ok(())
}

/// Headers that say one thing: twice is a contradiction, and none may be dropped on the way.
fn is_single(name: &HeaderName) -> bool {
    let text = name.as_str();
    SINGLE.binary_search(&text).is_ok() || text.starts_with("mcp-") || text.starts_with("a2a-")
}

/// Host as in a URI's authority, without user: a name, an IPv4 or a bracketed IPv6 address, and a port if
/// any.
fn is_host(host: &str) -> bool {
    let name = without_port(host);
    let port = host.get(name.len()..).unwrap_or_default();
    let port_ok = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.parse::<u16>().is_ok());
    let inner = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    let name_ok = match inner {
        Some(v6) => !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')),
        None => {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    host.len() <= 261 && name_ok && port_ok
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host.ends_with(']') => host.get(..at).unwrap_or(host),
        _ => host,
    }
}

/// RFC 9110, section 7.6.1, and the older names that are hop-by-hop in practice.
const HOP_BY_HOP: [HeaderName; 8] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Sorted, for the search.
const SINGLE: [&str; 26] = [
    "api-key",
    "authorization",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "dpop",
    "expect",
    "from",
    "host",
    "idempotency-key",
    "if-modified-since",
    "if-unmodified-since",
    "last-event-id",
    "max-forwards",
    "origin",
    "proxy-authorization",
    "referer",
    "traceparent",
    "user-agent",
    "x-api-key",
    "x-goog-api-key",
    "x-http-method-override",
];

#[cfg(test)]
mod tests;

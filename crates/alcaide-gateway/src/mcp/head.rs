//! Heads: what passes to a server, and what a caller's must say.

use alcaide_wire::mcp::header_name;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Longest `Last-Event-ID` that is passed on, in bytes.
const EVENT_ID_BYTES_MAX: usize = 1_024;

/// The head of a message to a server: nothing of the caller's passes but what the gate writes anew.
///
/// Values that are no header values are left out; the server then answers that they are missing.
pub(crate) fn to_server(session: Option<&str>, mirrored: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
        .insert(header::USER_AGENT, HeaderValue::from_static(concat!("alcaide/", env!("CARGO_PKG_VERSION"))));
    if let Some(value) = session.and_then(|session| HeaderValue::from_str(session).ok()) {
        headers.insert(header_name::SESSION_ID, value);
    }
    for (name, value) in mirrored {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    headers
}

/// The head of a request for a stream.
pub(crate) fn to_listen(session: Option<&str>, revision: &str, from: &HeaderMap) -> HeaderMap {
    let mut headers = to_server(session, &[(header_name::PROTOCOL_VERSION.to_owned(), revision.to_owned())]);
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    let after = from.get(header_name::LAST_EVENT_ID);
    if let Some(after) = after.filter(|after| after.len() <= EVENT_ID_BYTES_MAX) {
        headers.insert(header_name::LAST_EVENT_ID, after.clone());
    }
    headers
}

/// All headers as pairs of bytes.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// One header, where it is given once and is a session id.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header_name::SESSION_ID).iter();
    let (one, more) = (all.next()?, all.next());
    if more.is_some() { None } else { alcaide_wire::mcp::session_id(one.as_bytes()) }
}

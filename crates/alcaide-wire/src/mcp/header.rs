//! Headers that repeat the body: checked before a call is judged, written anew after it was edited.
//!
//! Values are compared byte by byte: case counts, and space that HTTP did not strip is a part of the value.
//! Source: specification 2026-07-28, "Streamable HTTP", sections "Value Encoding", "Case Sensitivity" and
//! "Server Validation"; that a header given twice is refused follows `mcp.shared.inbound` 2.3.0.

use std::borrow::Cow;

use super::{CallView, Era, Method, Revision, base64, header_name};
use crate::jsonrpc::code;

const SENTINEL_HEAD: &str = "=?base64?";
const SENTINEL_TAIL: &str = "?=";

/// Headers that do not agree with the body. A stateless request is answered with status 400 and
/// [`crate::jsonrpc::code::HEADER_MISMATCH`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderMismatch {
    /// A header is missing that the body demands.
    #[error("header `{header}` is missing")]
    Missing {
        /// Its name.
        header: String,
    },
    /// A header stands more than once: its readers would differ.
    #[error("header `{header}` is given more than once")]
    Twice {
        /// Its name.
        header: String,
    },
    /// A header says something else than the body.
    #[error("header `{header}` does not say what the body says")]
    Differs {
        /// Its name.
        header: String,
    },
    /// A header is there that nothing in the body answers to.
    #[error("header `{header}` has nothing in the body that it repeats")]
    Unexpected {
        /// Its name.
        header: String,
    },
    /// A value has bytes that are no visible ASCII, space or tab, or is no canonical base64 within its marks.
    #[error("header `{header}` has a malformed value")]
    Malformed {
        /// Its name.
        header: String,
    },
    /// Header and body name a revision that is not known, or one that has no calls of this kind.
    #[error("header `mcp-protocol-version` names a revision that has no such calls")]
    UnknownRevision,
}

impl HeaderMismatch {
    /// The code that answers such a call; of an unknown revision see [`super::unsupported_version`].
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::UnknownRevision => code::UNSUPPORTED_PROTOCOL_VERSION,
            _ => code::HEADER_MISMATCH,
        }
    }
}

/// What one header says, of all that were given.
pub(super) fn single<'h>(
    found: &mut Option<&'h [u8]>,
    value: &'h [u8],
    header: &str,
) -> Result<(), HeaderMismatch> {
    if found.replace(value).is_some() {
        return Err(HeaderMismatch::Twice { header: header.to_owned() });
    }
    Ok(())
}

/// Checks that the headers agree with a request or notification, and tells the revision that they name.
///
/// Stateless requests: version and method are required, the name where the method has one; all must agree,
/// and a name must not come with a method that has none. Handshake requests and notifications: what is there
/// must be known and agree. No revision means that the header is absent ([`Revision::ASSUMED`], or what the
/// session agreed on). Headers `Mcp-Param-*` are checked by [`super::ParamHeaders`].
///
/// # Errors
/// The first broken rule; see [`HeaderMismatch`].
pub fn check_headers<'h>(
    view: &CallView<'_>,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) -> Result<Option<Revision>, HeaderMismatch> {
    let (mut version, mut method, mut name) = (None, None, None);
    for (header, value) in headers {
        let slots = [
            (header_name::PROTOCOL_VERSION, &mut version),
            (header_name::METHOD, &mut method),
            (header_name::NAME, &mut name),
        ];
        for (known, slot) in slots {
            if header.eq_ignore_ascii_case(known) {
                single(slot, value, known)?;
            }
        }
    }
    let request = view.id.is_some();
    let required = request && view.era == Era::Stateless;
    let revision = revision(view, version, required)?;
    match method {
        Some(method) => agrees(header_name::METHOD, method, &view.word, Encoding::Plain)?,
        None if required => return Err(missing(header_name::METHOD)),
        None => {}
    }
    let target = view.method.name_member().and(view.target.as_ref());
    match (name, target) {
        (Some(name), Some(target)) => agrees(header_name::NAME, name, &target.text, Encoding::Marked)?,
        (None, Some(_)) if required => return Err(missing(header_name::NAME)),
        // What another method names is not known here; the header does not go on (`headers_for`).
        (Some(_), None) if view.method != Method::Other => {
            return Err(HeaderMismatch::Unexpected { header: header_name::NAME.to_owned() });
        }
        _ => {}
    }
    Ok(revision)
}

fn revision(
    view: &CallView<'_>,
    header: Option<&[u8]>,
    required: bool,
) -> Result<Option<Revision>, HeaderMismatch> {
    let differs = || HeaderMismatch::Differs { header: header_name::PROTOCOL_VERSION.to_owned() };
    let Some(header) = header else {
        return if required { Err(missing(header_name::PROTOCOL_VERSION)) } else { Ok(None) };
    };
    if view.era == Era::Stateless
        && let Some(declared) = &view.declared
        && declared.as_bytes() != header
    {
        return Err(differs());
    }
    let named = std::str::from_utf8(header).ok().and_then(Revision::parse);
    let revision = named.ok_or(HeaderMismatch::UnknownRevision)?;
    // A request that carries no version, under a header that demands one.
    match (view.id.is_some(), view.era, revision.era()) {
        (true, Era::Handshake, Era::Stateless) => Err(differs()),
        (true, Era::Stateless, Era::Handshake) => Err(HeaderMismatch::UnknownRevision),
        _ => Ok(Some(revision)),
    }
}

fn missing(header: &str) -> HeaderMismatch {
    HeaderMismatch::Missing { header: header.to_owned() }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Encoding {
    Plain,
    Marked,
}

fn agrees(header: &str, value: &[u8], body: &str, encoding: Encoding) -> Result<(), HeaderMismatch> {
    let malformed = || HeaderMismatch::Malformed { header: header.to_owned() };
    let given = match encoding {
        Encoding::Plain => Cow::Borrowed(visible(value).ok_or_else(malformed)?),
        Encoding::Marked => decode_value(value).ok_or_else(malformed)?,
    };
    if given == body { Ok(()) } else { Err(HeaderMismatch::Differs { header: header.to_owned() }) }
}

fn visible(value: &[u8]) -> Option<&str> {
    let fine = value.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e));
    if fine { std::str::from_utf8(value).ok() } else { None }
}

/// The base64 within the marks of a value that has them.
fn marked(value: &str) -> Option<&str> {
    value.strip_prefix(SENTINEL_HEAD)?.strip_suffix(SENTINEL_TAIL)
}

/// What the value of `Mcp-Name` or `Mcp-Param-*` says; absent where it is malformed.
#[must_use]
pub fn decode_value(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = visible(value)?;
    match marked(text) {
        None => Some(Cow::Borrowed(text)),
        Some(coded) => String::from_utf8(base64::decode(coded)?).ok().map(Cow::Owned),
    }
}

/// A text as the value of `Mcp-Name` or `Mcp-Param-*`: as it is where that is safe, else in base64 within
/// marks.
#[must_use]
pub fn encode_value(text: &str) -> Cow<'_, str> {
    let edge = |byte: Option<u8>| matches!(byte, Some(b' ' | b'\t'));
    let safe = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        && !edge(text.bytes().next())
        && !edge(text.bytes().last())
        && marked(text).is_none();
    if safe {
        return Cow::Borrowed(text);
    }
    let mut out = String::from(SENTINEL_HEAD);
    base64::encode_into(text.as_bytes(), &mut out);
    out.push_str(SENTINEL_TAIL);
    Cow::Owned(out)
}

/// The headers that repeat a call, as they must be sent: all that came under these names is to be taken out
/// first. `agreed` is the revision of the session for a handshake call.
///
/// Empty for a handshake call without a revision, such as `initialize`.
#[must_use]
pub fn headers_for(view: &CallView<'_>, agreed: Option<Revision>) -> Vec<(&'static str, String)> {
    let mut headers = Vec::with_capacity(3);
    if view.era == Era::Handshake {
        if let (Some(revision), false) = (agreed, view.method == Method::Initialize) {
            headers.push((header_name::PROTOCOL_VERSION, revision.as_str().to_owned()));
        }
        return headers;
    }
    if let Some(declared) = &view.declared {
        headers.push((header_name::PROTOCOL_VERSION, declared.clone().into_owned()));
    }
    headers.push((header_name::METHOD, view.word.clone().into_owned()));
    if let (Some(_), Some(target)) = (view.method.name_member(), &view.target) {
        headers.push((header_name::NAME, encode_value(&target.text).into_owned()));
    }
    headers
}

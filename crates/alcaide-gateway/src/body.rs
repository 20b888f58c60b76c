//! Bodies of requests: collected under their bound, looked at.

use std::ops::Range;

use alcaide_inspect::Engine;
use alcaide_record::Stage;
use alcaide_serve::{BodyError, collect_within};
use alcaide_wire::json::edit::Splice;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, header};
use hyper::body::Incoming;

use crate::content::Demands;
use crate::gate::Shared;
pub(crate) use crate::passage::FoundText;
use crate::passage::{Known, Matter, Passage, Request};
use crate::refusal::{self, Refusal};

/// All of a request acts: its method, its path with the query, and its body.
pub(crate) fn whole(method: &Method, uri: &Uri) -> Matter {
    let target = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Matter::Whole { method: method.clone(), target }
}

/// Collects a body that must be JSON without content encoding.
///
/// # Errors
/// Another content type, too many bytes, no room, broken off; recorded.
pub(crate) async fn json(
    known: &Passage<Known>,
    headers: &HeaderMap,
    body: Incoming,
    shared: &Shared,
) -> Result<Bytes, Refusal> {
    if !is_json(headers) {
        return Err(known.refuse(Refusal::of(refusal::CONTENT_TYPE, Stage::Known)));
    }
    any(known, headers, body, shared).await
}

/// Collects a body of any type without content encoding.
///
/// # Errors
/// Too many bytes, no room, broken off, encoded; recorded.
pub(crate) async fn any(
    known: &Passage<Known>,
    headers: &HeaderMap,
    body: Incoming,
    shared: &Shared,
) -> Result<Bytes, Refusal> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(known.refuse(Refusal::of(refusal::CONTENT_TYPE, Stage::Known)));
    }
    let (limits, room) = (&shared.limits, &shared.bodies);
    let collected = collect_within(body, limits.body_bytes(), limits.body_idle_timeout(), room).await;
    collected.map_err(|error| {
        let code = match error {
            BodyError::TooLarge { .. } => refusal::BODY_TOO_LARGE,
            BodyError::NoRoom => refusal::BODY_NO_ROOM,
            _ => refusal::BODY_BROKEN,
        };
        known.refuse(Refusal::of(code, Stage::Known).saying(error.to_string()))
    })
}

/// Whether the content type is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// What a body is, by its content type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyKind {
    /// JSON, whatever it stands for: `application/json`, `text/json`, `…+json`.
    Json,
    /// Text in UTF-8.
    Text,
    /// A form, as browsers write it.
    Form,
    /// Something that cannot be looked into, or no type at all.
    Unknown,
}

impl BodyKind {
    /// The kind that a head tells.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let given = given.to_ascii_lowercase();
        let mut parts = given.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let other_letters = parts.filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
            name.trim() == "charset" && !matches!(value.trim().trim_matches('"'), "utf-8" | "us-ascii")
        });
        match essence {
            _ if other_letters => Self::Unknown,
            "application/json" | "text/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            other if other.ends_with("+json") => Self::Json,
            other if other.starts_with("text/") => Self::Text,
            _ => Self::Unknown,
        }
    }
}

/// The texts in which something was found.
pub(crate) fn found<'t>(
    engine: &Engine,
    texts: impl Iterator<Item = (&'t Range<usize>, &'t str, bool)>,
) -> Vec<FoundText> {
    let mut found = Vec::new();
    for (span, text, editable) in texts {
        let findings = engine.scan(text);
        if !findings.is_empty() {
            found.push(FoundText { span: span.clone(), text: text.to_owned(), findings, editable });
        }
    }
    found
}

/// Whether texts of a request may be masked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Masking {
    /// Text for a model: a placeholder is as good.
    Allowed,
    /// Arguments that something acts on: a masked one is a wrong effect, so it is refused instead.
    Refused,
}

/// What the obligations make of the texts of a request.
///
/// # Errors
/// Something that must not pass; something that must be hidden and cannot be.
pub(crate) fn masked(request: &Request, demands: &Demands, masking: Masking) -> Result<Vec<Splice>, Refusal> {
    let blocked = || Refusal::of(refusal::CONTENT_BLOCKED, Stage::Decided);
    if request.uninspected && demands.blocks_uninspected() {
        return Err(blocked().saying("it holds a part that cannot be looked into"));
    }
    let mut splices = Vec::new();
    for text in &request.found {
        if text.findings.iter().any(|finding| demands.blocks(finding)) {
            return Err(blocked());
        }
        if text.findings.iter().any(|finding| demands.hides(finding)) {
            if masking == Masking::Refused {
                return Err(blocked()
                    .saying("content that must be hidden stands in an argument that something acts on"));
            }
            if !text.editable {
                return Err(blocked().saying("content that must be hidden stands in a part that is signed"));
            }
            let (safe, _) = alcaide_inspect::redact(&text.text, &text.findings, demands.mask);
            splices.push(Splice::text(text.span.clone(), &safe));
        }
    }
    Ok(splices)
}

//! `_meta`: what a message carries beside its parameters, and the edits to it.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::{ViewError, meta_key};
use crate::json::edit::{self, Splice};
use crate::json::{Document, Kind, Value};
use crate::jsonrpc::Id;

/// The `_meta` of a request or notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meta<'a> {
    /// Bytes of the object.
    pub span: Range<usize>,
    /// What progress notifications will bear.
    pub progress_token: Option<Id<'a>>,
    /// The revision that the request speaks, as given.
    pub protocol_version: Option<Cow<'a, str>>,
    /// Bytes of the client's capabilities, an object.
    pub client_capabilities: Option<Range<usize>>,
    /// Bytes of who the client says it is.
    pub client_info: Option<Range<usize>>,
    /// The subscription that a notification belongs to.
    pub subscription: Option<Id<'a>>,
}

impl<'a> Meta<'a> {
    pub(super) fn read(params: Option<Value<'_, 'a>>) -> Result<Option<Self>, ViewError> {
        let Some(meta) = params.and_then(|params| params.get("_meta")) else { return Ok(None) };
        if meta.kind() != Kind::Object {
            return Err(ViewError::WrongKind { member: "/params/_meta", wanted: "an object" });
        }
        let mut read = Self {
            span: meta.span(),
            progress_token: None,
            protocol_version: None,
            client_capabilities: None,
            client_info: None,
            subscription: None,
        };
        for entry in meta.entries() {
            let value = entry.value;
            match entry.key.as_ref() {
                meta_key::PROTOCOL_VERSION => {
                    read.protocol_version = Some(value.as_str().ok_or(ViewError::WrongKind {
                        member: "/params/_meta/io.modelcontextprotocol~1protocolVersion",
                        wanted: "a string",
                    })?);
                }
                meta_key::CLIENT_CAPABILITIES => {
                    if value.kind() != Kind::Object {
                        return Err(ViewError::WrongKind {
                            member: "/params/_meta/io.modelcontextprotocol~1clientCapabilities",
                            wanted: "an object",
                        });
                    }
                    read.client_capabilities = Some(value.span());
                }
                meta_key::CLIENT_INFO => read.client_info = Some(value.span()),
                meta_key::PROGRESS_TOKEN if !value.is_null() => {
                    read.progress_token = Some(Id::read(value).ok_or(ViewError::WrongKind {
                        member: "/params/_meta/progressToken",
                        wanted: "a short string or an integer",
                    })?);
                }
                meta_key::SUBSCRIPTION_ID => read.subscription = Id::read(value),
                _ => {}
            }
        }
        Ok(Some(read))
    }
}

/// Splices that set (JSON text) or remove (`None`) members of `params._meta`; makes what is missing on the
/// way.
///
/// Members that are not named stay byte for byte. The keys must differ. Nothing for a message without
/// `method`.
pub(super) fn set(document: &Document<'_>, changes: &[(&str, Option<&str>)]) -> Vec<Splice> {
    let root = document.root();
    if root.get("method").is_none() {
        return Vec::new();
    }
    let sets = || changes.iter().filter_map(|(key, value)| value.map(|value| (*key, value)));
    let fresh = |wrap: bool| {
        let mut text = String::from(if wrap { "{\"_meta\":{" } else { "{" });
        for (index, (key, value)) in sets().enumerate() {
            push_member(&mut text, index == 0, key, value);
        }
        text.push_str(if wrap { "}}" } else { "}" });
        text
    };
    let Some(params) = root.get("params") else {
        let added = sets().next().and_then(|_| edit::insert_member(root, "params", &fresh(true)));
        return added.into_iter().collect();
    };
    let meta = match params.get("_meta") {
        Some(meta) if meta.kind() == Kind::Object => meta,
        Some(other) => return vec![Splice::new(other.span(), fresh(false).into_bytes())],
        None => {
            let added = sets().next().and_then(|_| edit::insert_member(params, "_meta", &fresh(false)));
            return added.into_iter().collect();
        }
    };
    let removes = changes.iter().any(|(key, value)| value.is_none() && meta.get(key).is_some());
    if removes {
        return vec![rewritten(meta, changes)];
    }
    let mut splices = Vec::new();
    let mut added = String::new();
    let mut first = true;
    for (key, value) in sets() {
        if let Some(old) = meta.get(key) {
            splices.push(Splice::new(old.span(), value.as_bytes().to_vec()));
        } else {
            push_member(&mut added, first, key, value);
            first = false;
        }
    }
    if !added.is_empty() {
        if !meta.is_empty() {
            added.push(',');
        }
        let at = meta.span().start + 1;
        splices.push(Splice::new(at..at, added.into_bytes()));
    }
    splices
}

/// The whole object anew: what stays in its own bytes and order, then what is added.
fn rewritten(meta: Value<'_, '_>, changes: &[(&str, Option<&str>)]) -> Splice {
    let mut text = String::from("{");
    let mut first = true;
    for entry in meta.entries() {
        let change = changes.iter().find(|(key, _)| *key == entry.key);
        let raw = String::from_utf8_lossy(entry.value.raw());
        match change {
            Some((_, None)) => continue,
            Some((key, Some(value))) => push_member(&mut text, first, key, value),
            None => push_member(&mut text, first, &entry.key, &raw),
        }
        first = false;
    }
    for (key, value) in changes {
        if let (Some(value), None) = (value, meta.get(key)) {
            push_member(&mut text, first, key, value);
            first = false;
        }
    }
    text.push('}');
    Splice::new(meta.span(), Bytes::from(text))
}

fn push_member(text: &mut String, first: bool, key: &str, value: &str) {
    if !first {
        text.push(',');
    }
    edit::encode_into(key, text);
    text.push(':');
    text.push_str(value);
}

//! Tests against recorded exchanges, against hostile messages, and as properties.

mod hostile;
mod names;
mod properties;
mod recorded;

use bytes::Bytes;

use super::*;
use crate::json::edit::{self, Splice};
use crate::json::{Document, Limits};

fn document(text: &str) -> Document<'_> {
    Document::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn call(text: &str) -> CallView<'_> {
    CallView::read(&document(text)).unwrap()
}

fn apply(text: &str, splices: Vec<Splice>) -> String {
    let out = edit::apply(&Bytes::copy_from_slice(text.as_bytes()), splices).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

fn pairs(headers: &[(&'static str, String)]) -> Vec<(&'static str, Vec<u8>)> {
    headers.iter().map(|(name, value)| (*name, value.clone().into_bytes())).collect()
}

fn check(view: &CallView<'_>, headers: &[(&str, &str)]) -> Result<Option<Revision>, HeaderMismatch> {
    check_headers(view, headers.iter().map(|(name, value)| (*name, value.as_bytes())))
}

fn texts<'a>(segments: &'a [Segment<'_>], part: Part) -> Vec<&'a str> {
    segments.iter().filter(|segment| segment.part == part).map(|segment| segment.text.as_ref()).collect()
}

/// A stateless call with these parameters, which begin with a comma if there are any.
fn stateless(method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}{params}}}}}"#
    )
}

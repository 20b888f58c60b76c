//! Messages written. What is given as JSON text must be such; it is put in as it stands.

use super::Id;
use crate::json::edit::encode_into;

/// An answer with a result, an object as JSON text.
#[must_use]
pub fn result(id: &Id<'_>, result: &str) -> Vec<u8> {
    let mut out = head(48 + id.raw().len() + result.len());
    out.push_str(",\"id\":");
    out.push_str(id.raw());
    out.push_str(",\"result\":");
    out.push_str(result);
    out.push('}');
    out.into_bytes()
}

/// An answer with an error; its id is null where that of the request could not be read. `data` is JSON text.
#[must_use]
pub fn error(id: Option<&Id<'_>>, code: i64, message: &str, data: Option<&str>) -> Vec<u8> {
    let id = id.map_or("null", Id::raw);
    let mut out = head(80 + id.len() + message.len() + data.map_or(0, str::len));
    out.push_str(",\"id\":");
    out.push_str(id);
    out.push_str(",\"error\":{\"code\":");
    out.push_str(&code.to_string());
    out.push_str(",\"message\":");
    encode_into(message, &mut out);
    if let Some(data) = data {
        out.push_str(",\"data\":");
        out.push_str(data);
    }
    out.push_str("}}");
    out.into_bytes()
}

/// A request; `params` is an object as JSON text.
#[must_use]
pub fn request(id: &Id<'_>, method: &str, params: Option<&str>) -> Vec<u8> {
    call(Some(id), method, params)
}

/// A notification; `params` is an object as JSON text.
#[must_use]
pub fn notification(method: &str, params: Option<&str>) -> Vec<u8> {
    call(None, method, params)
}

fn call(id: Option<&Id<'_>>, method: &str, params: Option<&str>) -> Vec<u8> {
    let mut out = head(64 + method.len() + params.map_or(0, str::len));
    if let Some(id) = id {
        out.push_str(",\"id\":");
        out.push_str(id.raw());
    }
    out.push_str(",\"method\":");
    encode_into(method, &mut out);
    if let Some(params) = params {
        out.push_str(",\"params\":");
        out.push_str(params);
    }
    out.push('}');
    out.into_bytes()
}

fn head(capacity: usize) -> String {
    let mut out = String::with_capacity(capacity);
    out.push_str("{\"jsonrpc\":\"2.0\"");
    out
}

//! The definition of a tool in one canonical form, so that its digest tells whether it changed.

use crate::json::edit::encode_into;
use crate::json::{Kind, Value};

/// What a person or model judges a tool by.
const PINNED: [&str; 6] = ["annotations", "description", "inputSchema", "name", "outputSchema", "title"];

/// Canonical JSON of a tool's name, title, description, schemas and annotations.
///
/// Members are sorted by code points at every depth, without space; strings are escaped as little as RFC 8259
/// allows, so that every character is there, invisible ones too; numbers of equal value are written alike.
/// Members that are absent stay absent, and null stays null. Two definitions with equal output say the same.
/// Icons, `_meta` and `execution` are no part of it.
#[must_use]
pub fn pin_input(tool: Value<'_, '_>) -> Vec<u8> {
    let mut out = String::with_capacity(tool.raw().len());
    out.push('{');
    let mut first = true;
    for key in PINNED {
        if let Some(value) = tool.get(key) {
            if !first {
                out.push(',');
            }
            first = false;
            encode_into(key, &mut out);
            out.push(':');
            canonical(value, &mut out);
        }
    }
    out.push('}');
    out.into_bytes()
}

fn canonical(value: Value<'_, '_>, out: &mut String) {
    match value.kind() {
        Kind::Null => out.push_str("null"),
        Kind::Bool => out.push_str(if value.as_bool() == Some(true) { "true" } else { "false" }),
        Kind::Number => number(value, out),
        Kind::String => encode_into(&value.as_str().unwrap_or_default(), out),
        Kind::Array => {
            out.push('[');
            for (index, item) in value.items().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Kind::Object => {
            let mut entries: Vec<_> = value.entries().collect();
            entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
            out.push('{');
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                encode_into(&entry.key, out);
                out.push(':');
                canonical(entry.value, out);
            }
            out.push('}');
        }
    }
}

fn number(value: Value<'_, '_>, out: &mut String) {
    if let Some(integer) = value.as_i64() {
        out.push_str(&integer.to_string());
    } else if let Some(integer) = value.as_count() {
        out.push_str(&integer.to_string());
    } else if let Some(float) = value.as_f64() {
        // Shortest text that reads back as the same number; a whole one below zero without its fraction.
        if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
            out.push_str(&format!("{float:.0}"));
        } else {
            out.push_str(&format!("{float:e}"));
        }
    } else {
        out.push_str(&String::from_utf8_lossy(value.raw()));
    }
}

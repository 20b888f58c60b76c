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

/// Canonical JSON, written as [`pin_input`] writes it, of the parameters or the result of a message: what a statement
/// about the message is about. Without `_meta`, or with all of it but one key where `but` names that; what is then empty
/// is left out. No parameters are those of an empty object.
#[must_use]
pub fn content_input(content: Option<Value<'_, '_>>, but: Option<&str>) -> Vec<u8> {
    let Some(content) = content else { return b"{}".to_vec() };
    let mut out = String::with_capacity(content.raw().len());
    if content.kind() == Kind::Object {
        members(content, &mut out, |key, value, out| {
            if key != "_meta" {
                canonical(value, out);
                return true;
            }
            let others = |but: &str| value.entries().any(|entry| entry.key != but);
            let Some(but) = but.filter(|but| value.kind() != Kind::Object || others(but)) else {
                return false;
            };
            if value.kind() == Kind::Object {
                members(value, out, |key, value, out| {
                    let kept = key != but;
                    if kept {
                        canonical(value, out);
                    }
                    kept
                });
            } else {
                canonical(value, out);
            }
            true
        });
    } else {
        canonical(content, &mut out);
    }
    out.into_bytes()
}

/// An object with those of its members that `write` writes, in the order of their names.
fn members(
    object: Value<'_, '_>,
    out: &mut String,
    mut write: impl FnMut(&str, Value<'_, '_>, &mut String) -> bool,
) {
    let mut entries: Vec<_> = object.entries().collect();
    entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    out.push('{');
    let mut first = true;
    for entry in entries {
        let before = out.len();
        if !first {
            out.push(',');
        }
        encode_into(&entry.key, out);
        out.push(':');
        if write(&entry.key, entry.value, out) {
            first = false;
        } else {
            out.truncate(before);
        }
    }
    out.push('}');
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
        Kind::Object => members(value, out, |_, value, out| {
            canonical(value, out);
            true
        }),
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

#[cfg(test)]
mod tests {
    use crate::json::{Document, Limits};

    use super::*;

    fn of(text: &str, but: Option<&str>) -> String {
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        String::from_utf8(content_input(Some(document.root()), but)).unwrap()
    }

    #[test]
    fn order_spaces_escapes_and_spelling_of_numbers_do_not_count() {
        let one = of(r#"{"b":[1,{"y":1.50,"x":"\u00e9"}],"a":10,"_meta":{"k":1}}"#, None);
        let same = " { \"a\" : 1e1, \"b\" : [ 1.0, { \"x\" : \"\u{e9}\", \"y\" : 1.5 } ] } ";
        assert_eq!(one, of(same, None));
        assert_eq!(one, "{\"a\":10,\"b\":[1,{\"x\":\"\u{e9}\",\"y\":1.5e0}]}");
    }

    #[test]
    fn all_that_can_be_read_counts() {
        let all = [
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":null}"#,
            r#"{}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[1,1]}"#,
            r#"{"a":{"_meta":{}}}"#,
            r#"{"a":"\u200b1"}"#,
            r#"{"a":true}"#,
            r#"{"a":-1}"#,
            r#"{"b":1}"#,
            "[1]",
        ];
        let written: std::collections::BTreeSet<String> = all.iter().map(|text| of(text, None)).collect();
        assert_eq!(written.len(), all.len());
        assert_eq!(content_input(None, None), b"{}");
    }

    #[test]
    fn of_what_stands_beside_one_key_is_left_out_alone() {
        assert_eq!(of(r#"{"_meta":{"k":1},"z":2}"#, Some("k")), r#"{"z":2}"#);
        assert_eq!(of(r#"{"_meta":{"l":3,"k":1},"z":2}"#, Some("k")), r#"{"_meta":{"l":3},"z":2}"#);
        assert_eq!(of(r#"{"_meta":{"l":3,"k":1},"z":2}"#, None), r#"{"z":2}"#);
        assert_eq!(of(r#"{"_meta":{}}"#, Some("k")), "{}");
        assert_eq!(of(r#"{"_meta":"text"}"#, Some("k")), r#"{"_meta":"text"}"#);
    }

    #[test]
    fn what_two_readers_could_read_otherwise_has_no_form() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"A":2}"#, r#"{"a":"\ud800"}"#] {
            assert!(Document::parse(text.as_bytes(), &Limits::default()).is_err(), "{text}");
        }
    }
}

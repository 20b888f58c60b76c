//! Arguments of tools as Cedar values: which JSON Schemas have a faithful image as a Cedar type, and how the bytes
//! of a call become a value of that type.
//!
//! Strings, integers (64 bits), booleans, arrays of one kind of item (as sets: order and repetition are lost),
//! objects with declared properties, and unions of one of these with `null` (as optional attributes) have an image.
//! Fractional numbers, references, and other unions have none: such properties are left out of the type, and
//! [`Typed::left_out`] names them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cedar_policy_core::ast::Value;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON Schema's image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ArgType {
    Text,
    Long,
    Bool,
    Set(Box<ArgType>),
    Record(Vec<Field>),
}

/// A property of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    name: String,
    required: bool,
    nullable: bool,
    kind: ArgType,
}

/// The image of a tool's input schema.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    /// The arguments, always a record.
    pub(crate) kind: ArgType,
    /// JSON pointers (RFC 6901) of properties without an image.
    pub(crate) left_out: Vec<String>,
}

/// Deepest nesting that is typed; what lies deeper is left out.
const DEPTH_MAX: usize = 12;
/// Most properties of one tool that are typed; the rest is left out.
const FIELDS_MAX: usize = 512;

/// Makes a type of an input schema; `None` if it is no schema of an object with typed properties.
pub(crate) fn typed(schema: &serde_json::Value) -> Option<Typed> {
    let mut made = Maker { left_out: Vec::new(), fields: 0 };
    let (kind, _) = made.kind(schema, "", 0)?;
    matches!(kind, ArgType::Record(_)).then_some(Typed { kind, left_out: made.left_out })
}

struct Maker {
    left_out: Vec<String>,
    fields: usize,
}

impl Maker {
    /// The image and whether `null` is allowed besides.
    fn kind(&mut self, schema: &serde_json::Value, at: &str, depth: usize) -> Option<(ArgType, bool)> {
        let table = schema.as_object()?;
        let unclear = ["$ref", "anyOf", "oneOf", "allOf", "not", "if", "$dynamicRef"];
        if depth > DEPTH_MAX || unclear.iter().any(|key| table.contains_key(*key)) {
            return None;
        }
        let (word, nullable) = match table.get("type") {
            Some(serde_json::Value::String(word)) => (word.as_str(), false),
            Some(serde_json::Value::Array(words)) => {
                let mut kinds = words.iter().filter_map(|word| word.as_str()).filter(|word| *word != "null");
                let first = kinds.next()?;
                if kinds.next().is_some() {
                    return None;
                }
                (first, words.iter().any(|word| word.as_str() == Some("null")))
            }
            Some(_) => return None,
            None => (word_of_values(table)?, false),
        };
        let kind = match word {
            "string" => ArgType::Text,
            "integer" => ArgType::Long,
            "boolean" => ArgType::Bool,
            "array" => {
                let (item, item_nullable) = self.kind(table.get("items")?, at, depth.saturating_add(1))?;
                if item_nullable || table.contains_key("prefixItems") {
                    return None;
                }
                ArgType::Set(Box::new(item))
            }
            "object" => self.record(table, at, depth)?,
            _ => return None,
        };
        Some((kind, nullable))
    }

    fn record(
        &mut self,
        table: &serde_json::Map<String, serde_json::Value>,
        at: &str,
        depth: usize,
    ) -> Option<ArgType> {
        let required: Vec<&str> = table
            .get("required")
            .and_then(|list| list.as_array())
            .map(|list| list.iter().filter_map(|name| name.as_str()).collect())
            .unwrap_or_default();
        let mut fields = Vec::new();
        for (name, schema) in table.get("properties")?.as_object()? {
            let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            self.fields = self.fields.saturating_add(1);
            let typed =
                (self.fields <= FIELDS_MAX && !name.starts_with("__") && !name.chars().any(char::is_control))
                    .then(|| self.kind(schema, &place, depth.saturating_add(1)))
                    .flatten();
            match typed {
                Some((kind, nullable)) => {
                    let required = !nullable && required.contains(&name.as_str());
                    fields.push(Field { name: name.clone(), required, nullable, kind });
                }
                None => self.left_out.push(place),
            }
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        (!fields.is_empty()).then_some(ArgType::Record(fields))
    }
}

/// The type that all values of `enum` or `const` have.
fn word_of_values(table: &serde_json::Map<String, serde_json::Value>) -> Option<&'static str> {
    let one = table.get("const").map(std::slice::from_ref);
    let values = one.or_else(|| table.get("enum").and_then(|list| list.as_array()).map(Vec::as_slice))?;
    if values.is_empty() {
        None
    } else if values.iter().all(serde_json::Value::is_string) {
        Some("string")
    } else if values.iter().all(serde_json::Value::is_i64) {
        Some("integer")
    } else if values.iter().all(serde_json::Value::is_boolean) {
        Some("boolean")
    } else {
        None
    }
}

impl ArgType {
    /// The type in Cedar's schema language.
    pub(crate) fn cedar(&self, out: &mut String) {
        match self {
            Self::Text => out.push_str("String"),
            Self::Long => out.push_str("Long"),
            Self::Bool => out.push_str("Bool"),
            Self::Set(item) => {
                out.push_str("Set<");
                item.cedar(out);
                out.push('>');
            }
            Self::Record(fields) => {
                out.push_str("{ ");
                for (at, field) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(&cedar_string(&field.name));
                    out.push_str(if field.required { ": " } else { "?: " });
                    field.kind.cedar(out);
                }
                out.push_str(" }");
            }
        }
    }

    /// Reads the exact bytes of a call's arguments.
    ///
    /// Properties that the type does not know are passed over. A typed property of another kind, a missing required
    /// one, a name that stands twice, and trailing bytes are errors.
    pub(crate) fn value(&self, bytes: &[u8]) -> Result<Value, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = Read(self).deserialize(&mut reader)?;
        reader.end()?;
        value.ok_or_else(|| Error::custom("the arguments are null"))
    }
}

/// A text as a string literal of Cedar.
pub(crate) fn cedar_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                use fmt::Write as _;
                // INVARIANT: writing into a string does not fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Reads one JSON value as an [`ArgType`]; `None` is JSON's `null`.
struct Read<'a>(&'a ArgType);

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = Option<Value>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            ArgType::Text => "a string",
            ArgType::Long => "an integer of 64 bits",
            ArgType::Bool => "a boolean",
            ArgType::Set(_) => "an array",
            ArgType::Record(_) => "an object",
        })
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, given: bool) -> Result<Self::Value, E> {
        match self.0 {
            ArgType::Bool => Ok(Some(Value::from(given))),
            _ => Err(E::invalid_type(serde::de::Unexpected::Bool(given), &self)),
        }
    }

    fn visit_i64<E: Error>(self, given: i64) -> Result<Self::Value, E> {
        match self.0 {
            ArgType::Long => Ok(Some(Value::from(given))),
            _ => Err(E::invalid_type(serde::de::Unexpected::Other("integer"), &self)),
        }
    }

    fn visit_u64<E: Error>(self, given: u64) -> Result<Self::Value, E> {
        let given = i64::try_from(given).map_err(|_| E::custom("an integer past 64 bits"))?;
        self.visit_i64(given)
    }

    fn visit_str<E: Error>(self, given: &str) -> Result<Self::Value, E> {
        match self.0 {
            ArgType::Text => Ok(Some(Value::from(given))),
            _ => Err(E::invalid_type(serde::de::Unexpected::Other("string"), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let ArgType::Set(kind) = self.0 else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        };
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(Read(kind))? {
            found.push(item.ok_or_else(|| A::Error::custom("an item is null"))?);
        }
        Ok(Some(Value::set(found, None)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let ArgType::Record(fields) = self.0 else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        };
        let mut seen = vec![false; fields.len()];
        let mut found = BTreeMap::new();
        while let Some(name) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            let Ok(at) = fields.binary_search_by(|field| field.name.as_str().cmp(&name)) else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            // INVARIANT: `at` is a place in `fields`, and `seen` is as long.
            let (Some(field), Some(seen)) = (fields.get(at), seen.get_mut(at)) else { continue };
            if std::mem::replace(seen, true) {
                return Err(A::Error::custom("a name stands twice"));
            }
            match entries.next_value_seed(Read(&field.kind))? {
                Some(value) => {
                    found.insert(field.name.as_str().into(), value);
                }
                None if field.nullable => {}
                None => return Err(A::Error::custom("a typed property is null")),
            }
        }
        if fields.iter().zip(&seen).any(|(field, seen)| field.required && !seen) {
            return Err(A::Error::custom("a required property is missing"));
        }
        Ok(Some(Value::record_arc(Arc::new(found), None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(schema: serde_json::Value) -> Typed {
        typed(&schema).unwrap()
    }

    #[test]
    fn faithful_parts_are_typed_and_the_rest_is_named() {
        let made = image(serde_json::json!({
            "type": "object",
            "required": ["to", "amount"],
            "properties": {
                "to": {"type": "string", "enum": ["a", "b"]},
                "amount": {"type": "integer"},
                "price": {"type": "number"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "note": {"type": ["string", "null"]},
                "kind": {"enum": [1, 2]},
                "any": {},
                "where": {"type": "object", "properties": {"zip/code": {"type": "string"}, "x": {"$ref": "#/d"}}},
            },
        }));
        let mut text = String::new();
        made.kind.cedar(&mut text);
        assert_eq!(
            text,
            "{ \"amount\": Long, \"kind\"?: Long, \"note\"?: String, \"tags\"?: Set<String>, \"to\": String, \
             \"where\"?: { \"zip/code\"?: String } }"
        );
        let mut left = made.left_out;
        left.sort();
        assert_eq!(left, ["/any", "/price", "/where/x"]);
    }

    #[test]
    fn schemas_without_an_image_are_none() {
        for schema in [
            serde_json::json!(true),
            serde_json::json!({}),
            serde_json::json!({"type": "object"}),
            serde_json::json!({"type": "string"}),
            serde_json::json!({"type": "object", "properties": {"x": {"type": "number"}}}),
            serde_json::json!({"type": "object", "anyOf": [], "properties": {"x": {"type": "string"}}}),
        ] {
            assert!(typed(&schema).is_none(), "{schema}");
        }
    }

    #[test]
    fn bytes_of_the_type_are_read_and_others_refused() {
        let made = image(serde_json::json!({
            "type": "object",
            "required": ["n"],
            "properties": {"n": {"type": "integer"}, "s": {"type": ["string", "null"]}, "b": {"type": "boolean"},
                "l": {"type": "array", "items": {"type": "integer"}}},
        }));
        let read = |text: &str| made.kind.value(text.as_bytes()).map(|value| value.to_string());
        assert_eq!(read(r#"{"n":1,"x":[{}],"s":null,"l":[2,2]}"#).unwrap(), "{l: [2], n: 1}");
        assert_eq!(read("{\"n\":1,\"s\":\"\\u0041\"}").unwrap(), "{n: 1, s: \"A\"}");
        for bad in [
            "{}",
            "null",
            "[]",
            r#"{"n":"1"}"#,
            r#"{"n":1.0}"#,
            r#"{"n":9223372036854775808}"#,
            r#"{"n":1,"n":2}"#,
            r#"{"n":1,"b":null}"#,
            r#"{"n":1,"l":[null]}"#,
            r#"{"n":1} x"#,
            r#"{"n":1"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_quoted_for_cedar() {
        assert_eq!(cedar_string("a\"\\\n"), "\"a\\\"\\\\\\u{a}\"");
    }
}

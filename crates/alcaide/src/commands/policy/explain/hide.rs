//! What of a value may be shown: nothing that inspection finds, nothing of free text, and not much of the rest.

use std::collections::BTreeSet;

use alcaide_inspect::{Engine, Mask, redact};
use alcaide_policy::{Reading, Seen};
use serde_json::{Map, Value, json};

/// Longest text that is shown, in characters.
const CHARS_MAX: usize = 80;

/// Turns what policies read into what people may see.
pub(super) struct Veil {
    engine: Engine,
    /// Arguments that are declared to carry free text.
    free_text: BTreeSet<String>,
}

impl Veil {
    pub(super) fn new(free_text: impl IntoIterator<Item = String>) -> Self {
        Self { engine: Engine::builtin(), free_text: free_text.into_iter().collect() }
    }

    /// What was read, as JSON.
    pub(super) fn value(&self, reading: &Reading) -> Value {
        let free = reading.argument.as_ref().is_some_and(|name| self.free_text.contains(name));
        let whole = reading.path == "context.args";
        self.shown(&reading.seen, free, whole)
    }

    /// A text of whatever kind.
    pub(super) fn text(&self, text: &str) -> String {
        let (clear, _) = redact(text, &self.engine.scan(text), Mask::PLACEHOLDERS);
        clear.into_owned()
    }

    fn shown(&self, seen: &Seen, free: bool, whole: bool) -> Value {
        match seen {
            Seen::Absent => Value::Null,
            Seen::Bool(held) => json!(held),
            Seen::Long(_) if free => json!("[number]"),
            Seen::Long(number) => {
                // Numbers of cards are sent as numbers, too.
                let text = number.to_string();
                let clear = self.text(&text);
                if clear == text { json!(number) } else { json!(clear) }
            }
            Seen::Text(text) if free => json!(format!("[text of {} characters]", text.chars().count())),
            Seen::Text(text) => {
                // What is found is hidden before anything is cut, so that no half of it is left.
                let clear = self.text(text);
                let cut: String = clear.chars().take(CHARS_MAX).collect();
                json!(if cut.len() < clear.len() { cut + "…" } else { cut })
            }
            Seen::Thing(label) => json!(label),
            Seen::Set(items) => items.iter().map(|item| self.shown(item, free, false)).collect(),
            Seen::Record(fields) => {
                let field = |(name, seen): &(String, Seen)| {
                    let free = free || whole && self.free_text.contains(name);
                    (name.clone(), self.shown(seen, free, false))
                };
                Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
            }
            _ => json!("[present]"),
        }
    }
}

/// The JSON Schema of an object that looks like this one.
pub(super) fn schema_like(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let properties: Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), schema_like(value))).collect();
            let required: Vec<&String> = fields.keys().collect();
            json!({ "type": "object", "properties": properties, "required": required })
        }
        Value::Array(items) => match items.first() {
            Some(first) => json!({ "type": "array", "items": schema_like(first) }),
            None => json!({ "type": "array", "items": { "type": "string" } }),
        },
        Value::String(_) => json!({ "type": "string" }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(number) if number.is_i64() => json!({ "type": "integer" }),
        Value::Number(_) => json!({ "type": "number" }),
        Value::Null => json!({ "type": ["string", "null"] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, argument: Option<&str>, seen: Seen) -> Reading {
        Reading { path: path.into(), argument: argument.map(Into::into), seen }
    }

    #[test]
    fn what_inspection_finds_and_free_text_do_not_show() {
        let veil = Veil::new(["note".to_owned()]);
        let text = |argument: &str, text: &str| {
            veil.value(&read("context.args.x", Some(argument), Seen::Text(text.into())))
        };
        assert_eq!(text("to", "acme"), json!("acme"));
        assert_eq!(text("to", "4111 1111 1111 1111"), json!("[card ending 1111]"));
        assert_eq!(text("to", "write to ana@example.com"), json!("write to [email address]"));
        assert_eq!(text("note", "he said that"), json!("[text of 12 characters]"));
        assert_eq!(text("to", &"a".repeat(81)), json!(format!("{}…", "a".repeat(80))));
        // A card at the place of the cut is hidden before it.
        let long = format!("{} 4111111111111111", "x".repeat(70));
        assert!(!text("to", &long).to_string().contains("4111"), "{}", text("to", &long));
        let number = veil.value(&read("context.args.pan", Some("pan"), Seen::Long(4_111_111_111_111_111)));
        assert_eq!(number, json!("[card ending 1111]"));
        assert_eq!(veil.value(&read("context.args.n", Some("n"), Seen::Long(20_000))), json!(20_000));
        let fields = vec![
            ("note".to_owned(), Seen::Set(vec![Seen::Text("ab".into()), Seen::Long(7)])),
            ("to".to_owned(), Seen::Bool(true)),
        ];
        let whole = veil.value(&read("context.args", None, Seen::Record(fields)));
        assert_eq!(whole, json!({ "note": ["[text of 2 characters]", "[number]"], "to": true }));
        assert_eq!(veil.value(&read("context.args", None, Seen::Absent)), Value::Null);
    }

    #[test]
    fn a_schema_is_made_of_what_arguments_look_like() {
        let like = schema_like(&json!({ "a": 1, "b": ["x"], "c": { "d": true }, "e": 1.5, "f": null }));
        assert_eq!(
            like["properties"],
            json!({
                "a": { "type": "integer" }, "b": { "type": "array", "items": { "type": "string" } },
                "c": { "type": "object", "properties": { "d": { "type": "boolean" } }, "required": ["d"] },
                "e": { "type": "number" }, "f": { "type": ["string", "null"] },
            })
        );
    }
}

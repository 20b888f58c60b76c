//! What a tool server says of a tool, and what differs between two such definitions.
//!
//! ```text
//! text on the shelf ── read ── Definition ─┐
//! text on the shelf ── read ── Definition ─┴─ Difference: words, arguments, annotations
//! ```
//! A definition comes from a stranger: nothing in it is believed, all of it is bounded, and characters that no screen
//! shows are counted, because a text can hold orders to a model that a person never sees. Pure: texts come in as bytes.
//!
//! Left out: what a schema means as a whole (whether one is contained in the other). Each keyword is judged alone, so a
//! change that is called narrower at one place may be undone at another; all places are listed.

mod schema;
mod words;

use alcaide_finding::Severity;
use alcaide_inspect::poison::{FINDINGS_MAX, Searched, ToolFinding, ToolText};
use alcaide_inventory::fact::Facts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

pub use schema::{Reach, SchemaChange};
pub use words::Piece;

use crate::visible::is_hidden;

/// Most changes of one schema, or of annotations, that are listed.
pub const CHANGES_MAX: usize = 512;

/// A tool as its server defines it: what people and models judge it by.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it says that it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub input_schema: Option<Value>,
    /// JSON Schema of its result.
    pub output_schema: Option<Value>,
    /// Hints of the server about itself; never believed.
    pub annotations: Option<Value>,
    /// How many characters no screen shows: zero-width, turning the direction of text, tags.
    pub hidden: u32,
}

impl Definition {
    /// Reads a canonical text; `None` if it is no JSON object with a name, or nested deeper than 128 levels.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let hidden = std::str::from_utf8(text).ok()?.chars().filter(|one| is_hidden(*one)).count();
        let ToolText { name, title, description, input_schema, output_schema, annotations } =
            ToolText::read(text)?;
        let words = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Some(Self {
            name,
            title: title.map(words),
            description: description.map(words),
            input_schema,
            output_schema,
            annotations,
            hidden: u32::try_from(hidden).unwrap_or(u32::MAX),
        })
    }

    /// What of it is searched for words that steer.
    #[must_use]
    pub fn searched(&self) -> Searched<'_> {
        Searched {
            name: &self.name,
            title: self.title.as_deref(),
            description: self.description.as_deref(),
            input_schema: self.input_schema.as_ref(),
            output_schema: self.output_schema.as_ref(),
            annotations: self.annotations.as_ref(),
        }
    }

    /// Names of its arguments, in the order of the alphabet.
    #[must_use]
    pub fn arguments(&self) -> Vec<&str> {
        let properties = self.input_schema.as_ref().and_then(|schema| schema.get("properties"));
        let properties = properties.and_then(Value::as_object);
        let mut names: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Arguments that facts name and the definition does not have: facts about them hold of nothing.
    #[must_use]
    pub fn lacks(&self, facts: &Facts) -> Vec<String> {
        let known = self.arguments();
        let named = facts
            .control
            .iter()
            .chain(&facts.free_text)
            .chain(&facts.idempotency_key)
            .chain(&facts.takes_handles);
        named.filter(|name| !known.contains(&name.as_str())).cloned().collect()
    }
}

/// The input schema exactly as it stands in a canonical text.
pub(crate) fn input_schema_of(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Part<'t> {
        #[serde(borrow)]
        input_schema: Option<&'t RawValue>,
    }
    let part: Part<'_> = serde_json::from_slice(text).ok()?;
    part.input_schema.map(|schema| schema.get().to_owned())
}

/// Where an offered definition takes more than the accepted one.
#[must_use]
pub fn widened(difference: &Difference) -> Vec<ToolFinding> {
    let wider =
        difference.input.iter().filter(|change| matches!(change.reach, Reach::Widened | Reach::Added));
    let finding = |change: &SchemaChange| {
        let place = format!("/inputSchema{}", change.path);
        ToolFinding::new("schema-widened", Severity::Warning, &place, "it takes more than was accepted")
    };
    wider.take(FINDINGS_MAX).map(finding).collect()
}

/// A member before and after; absent where it was not there.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FieldChange {
    /// Its name.
    pub name: String,
    /// What it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What differs between two definitions of one tool.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Difference {
    /// The name for people, where it differs.
    pub title: Option<FieldChange>,
    /// The description word by word; empty where it is the same.
    pub description: Vec<Piece>,
    /// What differs about the arguments.
    pub input: Vec<SchemaChange>,
    /// What differs about the result.
    pub output: Vec<SchemaChange>,
    /// What differs about the server's hints.
    pub annotations: Vec<FieldChange>,
    /// More differs than is listed here: the definitions themselves must be read.
    pub cut: bool,
}

impl Difference {
    /// All that differs. Takes time in the product of the descriptions' words that differ, under a bound, and in the
    /// size of the schemas.
    #[must_use]
    pub fn between(before: &Definition, after: &Definition) -> Self {
        let mut cut = false;
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let title = (before.title != after.title).then(|| FieldChange {
            name: "title".into(),
            before: text(&before.title),
            after: text(&after.title),
        });
        let input = schema::changes(before.input_schema.as_ref(), after.input_schema.as_ref(), &mut cut);
        let output = schema::changes(before.output_schema.as_ref(), after.output_schema.as_ref(), &mut cut);
        let annotations = fields(before.annotations.as_ref(), after.annotations.as_ref(), &mut cut);
        let description = words::pieces(
            before.description.as_deref().unwrap_or_default(),
            after.description.as_deref().unwrap_or_default(),
        );
        Self { title, description, input, output, annotations, cut }
    }

    /// Whether nothing differs that is looked at.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.title.is_none()
            && self.description.is_empty()
            && self.input.is_empty()
            && self.output.is_empty()
            && self.annotations.is_empty()
            && !self.cut
    }
}

fn fields(before: Option<&Value>, after: Option<&Value>, cut: &mut bool) -> Vec<FieldChange> {
    if before == after {
        return Vec::new();
    }
    let (Some(old), Some(new)) = (object(before), object(after)) else {
        // One of them is no object: shown whole.
        let whole =
            FieldChange { name: "annotations".into(), before: before.cloned(), after: after.cloned() };
        return vec![whole];
    };
    let empty = serde_json::Map::new();
    let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    let mut names: Vec<&String> =
        old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
    names.sort();
    let mut changes: Vec<FieldChange> = names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| FieldChange {
            name: name.clone(),
            before: old.get(name).cloned(),
            after: new.get(name).cloned(),
        })
        .collect();
    *cut |= changes.len() > CHANGES_MAX;
    changes.truncate(CHANGES_MAX);
    changes
}

/// An object, or the absence of one; nothing else.
fn object(value: Option<&Value>) -> Option<Option<&serde_json::Map<String, Value>>> {
    match value {
        None => Some(None),
        Some(Value::Object(object)) => Some(Some(object)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Definition {
        Definition::read(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_definition_is_read_and_what_is_none_is_not() {
        let one = read(&json!({
            "name": "send", "title": "Send", "description": "Sends.",
            "inputSchema": { "type": "object", "properties": { "to": {}, "body": {} } },
            "annotations": { "readOnlyHint": true },
        }));
        assert_eq!((one.name.as_str(), one.title.as_deref(), one.hidden), ("send", Some("Send"), 0));
        assert_eq!(one.arguments(), ["body", "to"]);
        let facts = Facts { control: vec!["to".into(), "bcc".into()], ..Facts::default() };
        assert_eq!(one.lacks(&facts), ["bcc"]);
        for bad in ["", "[]", "{}", r#"{"name":7}"#, "\u{feff}{\"name\":\"a\"}"] {
            assert!(Definition::read(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Definition::read(b"{\"name\":\"\xff\"}").is_none());
        let deep = format!("{{\"name\":\"a\",\"inputSchema\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert!(Definition::read(deep.as_bytes()).is_none());
        // A description that is no text is still shown.
        assert_eq!(
            read(&json!({ "name": "a", "description": { "x": 1 } })).description.unwrap(),
            "{\"x\":1}"
        );
    }

    #[test]
    fn a_schema_that_takes_more_than_was_accepted_is_found() {
        let with = |properties: Value| {
            read(&json!({ "name": "add_note", "inputSchema": { "properties": properties } }))
        };
        let was = with(json!({ "a": { "type": "string", "maxLength": 5 } }));
        let is = with(json!({ "a": { "type": "string", "maxLength": 9 }, "b": {} }));
        let places: Vec<_> =
            widened(&Difference::between(&was, &is)).into_iter().map(|one| one.place).collect();
        assert_eq!(places, ["/inputSchema/properties/a", "/inputSchema/properties/b"]);
        assert!(widened(&Difference::between(&is, &was)).is_empty());
    }

    #[test]
    fn characters_that_no_screen_shows_are_counted() {
        let one =
            read(&json!({ "name": "a", "description": "Adds\u{200b} two\u{e0041}\u{202e} numbers, é ✓" }));
        assert_eq!(one.hidden, 3);
    }

    #[test]
    fn the_input_schema_is_taken_as_it_stands() {
        let text = br#"{"inputSchema":{"maximum":1e400,"type":"object"},"name":"a"}"#;
        assert_eq!(input_schema_of(text).unwrap(), r#"{"maximum":1e400,"type":"object"}"#);
        assert_eq!(input_schema_of(br#"{"name":"a"}"#), None);
    }

    #[test]
    fn what_is_equal_has_no_difference_and_what_is_not_has_one() {
        let base = json!({
            "name": "send", "description": "Sends a mail.",
            "inputSchema": { "type": "object", "properties": { "to": { "type": "string" } } },
            "outputSchema": { "type": "object", "properties": { "id": { "type": "string" } } },
            "annotations": { "destructiveHint": true, "title": "T" },
        });
        assert!(Difference::between(&read(&base), &read(&base)).is_empty());
        let changed = |pointer: &str, to: Value| {
            let mut other = base.clone();
            *other.pointer_mut(pointer).unwrap() = to;
            Difference::between(&read(&base), &read(&other))
        };
        assert!(!changed("/description", json!("Sends a mail to all.")).description.is_empty());
        assert_eq!(changed("/inputSchema/properties/to/type", json!("number")).input.len(), 1);
        assert_eq!(changed("/outputSchema/properties/id", json!({})).output.len(), 1);
        let hints =
            changed("/annotations", json!({ "destructiveHint": false, "readOnlyHint": true })).annotations;
        let names: Vec<_> = hints.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["destructiveHint", "readOnlyHint", "title"]);
        assert_eq!(
            (hints[0].before.clone(), hints[0].after.clone()),
            (Some(json!(true)), Some(json!(false)))
        );
        assert_eq!(changed("/annotations", json!(7)).annotations.len(), 1);
        let mut titled = base.clone();
        titled["title"] = json!("Send");
        let title = Difference::between(&read(&base), &read(&titled)).title.unwrap();
        assert_eq!((title.before, title.after), (None, Some(json!("Send"))));
    }

    #[test]
    fn too_many_hints_are_cut_and_said_to_be() {
        let hints = |count: usize| {
            let all: serde_json::Map<_, _> = (0..count).map(|at| (format!("h{at}"), json!(at))).collect();
            read(&json!({ "name": "a", "annotations": all }))
        };
        let fits = Difference::between(&hints(0), &hints(CHANGES_MAX));
        assert!(!fits.cut && fits.annotations.len() == CHANGES_MAX);
        let more = Difference::between(&hints(0), &hints(CHANGES_MAX + 1));
        assert!(more.cut && more.annotations.len() == CHANGES_MAX && !more.is_empty());
    }
}

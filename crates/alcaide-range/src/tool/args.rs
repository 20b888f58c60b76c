//! Arguments: what a tool takes, as a schema and as a check, of one table.

use std::collections::BTreeMap;

use alcaide_wire::json::Value as JsonValue;
use serde_json::{Map, Value, json};

/// One argument of a tool.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    pub(crate) form: Form,
    /// What the model is told of it.
    pub(crate) about: &'static str,
}

/// Whether an argument must be there.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Need {
    Must,
    May,
}

/// What an argument is; lengths are in characters.
pub(crate) enum Form {
    /// One line: no control characters.
    Line { least: usize, most: usize },
    /// Any text.
    Text { most: usize },
    /// 1 to `most` lines.
    Lines { most: usize, each: usize },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number.
    Whole { least: i64, most: i64 },
    /// Yes or no.
    Flag,
}

/// Arguments that are not those of the schema.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ArgError {
    #[error("there is no argument `{0}`; see the tool's input schema")]
    Unknown(String),
    #[error("argument `{0}` is missing")]
    Missing(&'static str),
    #[error("argument `{name}` must be {wanted}")]
    Wrong { name: &'static str, wanted: String },
}

/// Arguments that are those of the schema.
#[derive(Debug, Default)]
pub(crate) struct Args(BTreeMap<&'static str, Arg>);

#[derive(Debug)]
enum Arg {
    Text(String),
    Texts(Vec<String>),
    Whole(i64),
    Flag(bool),
}

impl Args {
    /// Checks the arguments of a call, an object or nothing.
    pub(crate) fn read(fields: &[Field], given: Option<JsonValue<'_, '_>>) -> Result<Self, ArgError> {
        let mut args = Self::default();
        for entry in given.into_iter().flat_map(JsonValue::entries) {
            let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
                let shown = entry.key.chars().filter(|letter| !letter.is_control()).take(40).collect();
                return Err(ArgError::Unknown(shown));
            };
            let wrong = || ArgError::Wrong { name: field.name, wanted: field.form.in_words() };
            args.0.insert(field.name, field.form.read(entry.value).ok_or_else(wrong)?);
        }
        let missing = |field: &&Field| field.need == Need::Must && !args.0.contains_key(field.name);
        match fields.iter().find(missing) {
            Some(field) => Err(ArgError::Missing(field.name)),
            None => Ok(args),
        }
    }

    /// A text that must be there.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, ArgError> {
        self.text_if(name).ok_or(ArgError::Missing(name))
    }

    /// A text that may be there.
    pub(crate) fn text_if(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Arg::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A list of texts; empty where it is not there.
    pub(crate) fn texts(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(Arg::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// A whole number of at least 0 that may be there.
    pub(crate) fn whole_if(&self, name: &str) -> Option<u64> {
        match self.0.get(name) {
            Some(Arg::Whole(number)) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number of items: what is given, or `otherwise`.
    pub(crate) fn count(&self, name: &str, otherwise: usize) -> usize {
        self.whole_if(name).and_then(|number| usize::try_from(number).ok()).unwrap_or(otherwise)
    }

    /// A yes or no; no where it is not there.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Arg::Flag(true)))
    }
}

impl Form {
    fn read(&self, value: JsonValue<'_, '_>) -> Option<Arg> {
        match self {
            Self::Line { least, most } => line(value, *least, *most).map(Arg::Text),
            Self::Text { most } => {
                let text = value.as_str()?;
                (text.chars().count() <= *most).then(|| Arg::Text(text.into_owned()))
            }
            Self::Lines { most, each } => {
                let fits = (1..=*most).contains(&value.items().take(most + 1).count());
                let lines = || value.items().map(|item| line(item, 1, *each)).collect::<Option<Vec<_>>>();
                if fits { lines().map(Arg::Texts) } else { None }
            }
            Self::Word(words) => {
                let text = value.as_str()?;
                words.contains(&text.as_ref()).then(|| Arg::Text(text.into_owned()))
            }
            Self::Whole { least, most } => {
                value.as_i64().filter(|number| (least..=most).contains(&number)).map(Arg::Whole)
            }
            Self::Flag => value.as_bool().map(Arg::Flag),
        }
    }

    fn schema(&self) -> Value {
        let line = |least: usize, most: usize| json!({ "type": "string", "minLength": least, "maxLength": most, "pattern": LINE });
        match self {
            Self::Line { least, most } => line(*least, *most),
            Self::Text { most } => json!({ "type": "string", "maxLength": most }),
            Self::Lines { most, each } => {
                json!({ "type": "array", "items": line(1, *each), "minItems": 1, "maxItems": most })
            }
            Self::Word(words) => json!({ "type": "string", "enum": words }),
            Self::Whole { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Flag => json!({ "type": "boolean" }),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Line { least, most } => format!("one line of {least} to {most} characters"),
            Self::Text { most } => format!("a text of at most {most} characters"),
            Self::Lines { most, each } => {
                format!("a list of 1 to {most} lines, each of 1 to {each} characters")
            }
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Self::Flag => "true or false".into(),
        }
    }
}

fn line(value: JsonValue<'_, '_>, least: usize, most: usize) -> Option<String> {
    let text = value.as_str()?;
    let fits = (least..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.into_owned())
}

/// The input schema of a tool with these fields (JSON Schema 2020-12).
pub(super) fn schema(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = field.form.schema();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".into(), field.about.into());
        }
        properties.insert(field.name.into(), schema);
    }
    let required: Vec<&str> =
        fields.iter().filter(|field| field.need == Need::Must).map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// No control character, as a pattern (ECMA-262).
const LINE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

#[cfg(test)]
mod tests {
    use super::*;
    use alcaide_wire::json::{Document, Limits};

    const FIELDS: [Field; 6] = [
        Field { name: "line", need: Need::Must, form: Form::Line { least: 2, most: 3 }, about: "" },
        Field { name: "text", need: Need::May, form: Form::Text { most: 3 }, about: "" },
        Field { name: "lines", need: Need::May, form: Form::Lines { most: 2, each: 3 }, about: "" },
        Field { name: "word", need: Need::May, form: Form::Word(&["a", "b"]), about: "" },
        Field { name: "whole", need: Need::May, form: Form::Whole { least: 1, most: 9 }, about: "" },
        Field { name: "flag", need: Need::May, form: Form::Flag, about: "" },
    ];

    fn read(text: &str) -> Result<Args, ArgError> {
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        Args::read(&FIELDS, Some(document.root()))
    }

    #[test]
    fn what_fits_is_read() {
        let args = read(r#"{"line":"äö","text":"a\nb","lines":["x","yy"],"word":"b","whole":9,"flag":true}"#)
            .unwrap();
        assert_eq!(args.text("line"), Ok("äö"));
        assert_eq!(args.text_if("text"), Some("a\nb"));
        assert_eq!(args.texts("lines"), ["x", "yy"]);
        assert_eq!(
            (args.text_if("word"), args.whole_if("whole"), args.flag("flag")),
            (Some("b"), Some(9), true)
        );
        let bare = read(r#"{"line":"ab"}"#).unwrap();
        assert_eq!((bare.count("whole", 7), bare.flag("flag"), bare.texts("lines").len()), (7, false, 0));
    }

    #[test]
    fn one_past_each_bound_is_refused() {
        for bad in [
            r#"{"line":"a"}"#,
            r#"{"line":"abcd"}"#,
            r#"{"line":"a\n"}"#,
            r#"{"line":7}"#,
            r#"{"line":"ab","text":"abcd"}"#,
            r#"{"line":"ab","lines":[]}"#,
            r#"{"line":"ab","lines":["a","b","c"]}"#,
            r#"{"line":"ab","lines":[""]}"#,
            r#"{"line":"ab","lines":"a"}"#,
            r#"{"line":"ab","word":"c"}"#,
            r#"{"line":"ab","whole":0}"#,
            r#"{"line":"ab","whole":10}"#,
            r#"{"line":"ab","whole":1.0}"#,
            r#"{"line":"ab","flag":"true"}"#,
            r#"{"line":"ab","text":null}"#,
        ] {
            assert!(matches!(read(bad), Err(ArgError::Wrong { .. })), "{bad}");
        }
        assert_eq!(read("{}").unwrap_err(), ArgError::Missing("line"));
        assert_eq!(Args::read(&FIELDS, None).unwrap_err(), ArgError::Missing("line"));
        assert_eq!(read(r#"{"line":"ab","more":1}"#).unwrap_err(), ArgError::Unknown("more".into()));
        let told = read(r#"{"line":"ab","whole":10}"#).unwrap_err().to_string();
        assert_eq!(told, "argument `whole` must be a whole number from 1 to 9");
    }
}

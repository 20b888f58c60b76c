//! Does a tool's definition try to steer whoever reads it? Findings about a tool that its server offers.
//!
//! A description is text that a model obeys, so it is searched as an attacker would write it: orders to the model, orders
//! to be silent, calls for keys and conversations, characters that nobody sees, encoded texts; names that pass for another
//! tool's, words about another server's tools, arguments that ask for more than they say.
//!
//! A finding raises suspicion and proves nothing; that nothing was found proves nothing either. What holds a tool back is
//! its pin. What is grave is what no honest tool needs. Gate and office ask the same: the gate for the record, when a tool
//! is offered first or in another form; the office for people, with all that it knows of other tools by then.

mod text;

use std::collections::BTreeMap;

use alcaide_finding::Severity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::normal::{blurred, loose};

/// Most findings about one tool.
pub const FINDINGS_MAX: usize = 64;
/// Most texts of one definition that are searched.
const TEXTS_MAX: usize = 2_048;

/// A tool as its server defines it, member by member of the canonical text.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ToolText {
    /// Its name.
    pub name: String,
    /// Its name for people; a text, if it is what the protocol says.
    pub title: Option<Value>,
    /// What it says that it does; a text, if it is what the protocol says.
    pub description: Option<Value>,
    /// JSON Schema of its arguments.
    pub input_schema: Option<Value>,
    /// JSON Schema of its result.
    pub output_schema: Option<Value>,
    /// Hints of the server about itself; never believed.
    pub annotations: Option<Value>,
}

/// What of a tool's definition is searched.
#[derive(Clone, Copy, Debug)]
pub struct Searched<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its name for people.
    pub title: Option<&'a str>,
    /// What it says that it does.
    pub description: Option<&'a str>,
    /// JSON Schema of its arguments.
    pub input_schema: Option<&'a Value>,
    /// JSON Schema of its result.
    pub output_schema: Option<&'a Value>,
    /// Hints of the server about itself.
    pub annotations: Option<&'a Value>,
}

impl ToolText {
    /// Reads a canonical text; `None` if it is no JSON object with a name, or nested deeper than 128 levels.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut read: Self = serde_json::from_slice(text).ok()?;
        // What should be a text and is none is read as it is written.
        for part in [&mut read.title, &mut read.description].into_iter().flatten() {
            if !part.is_string() {
                *part = Value::String(part.to_string());
            }
        }
        Some(read)
    }

    /// All of it, to be searched.
    #[must_use]
    pub fn searched(&self) -> Searched<'_> {
        Searched {
            name: &self.name,
            title: self.title.as_ref().and_then(Value::as_str),
            description: self.description.as_ref().and_then(Value::as_str),
            input_schema: self.input_schema.as_ref(),
            output_schema: self.output_schema.as_ref(),
            annotations: self.annotations.as_ref(),
        }
    }
}

/// Something about a tool's definition that may be meant to steer whoever reads it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ToolFinding {
    /// The rule that found it, such as `secrecy`.
    pub rule: String,
    /// How grave it is if it is meant so.
    pub severity: Severity,
    /// JSON pointer into the definition (RFC 6901), in the words of the protocol.
    pub place: String,
    /// Why, in one line; no text of the server's.
    pub reason: String,
}

impl ToolFinding {
    /// A finding of one rule at one place.
    #[must_use]
    pub fn new(rule: &str, severity: Severity, place: &str, reason: &str) -> Self {
        Self { rule: rule.into(), severity, place: place.into(), reason: reason.into() }
    }

    /// The word for how grave it is.
    #[must_use]
    pub const fn weight(&self) -> &'static str {
        match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Grave => "grave",
        }
    }

    /// Whether no honest tool needs it.
    #[must_use]
    pub const fn is_grave(&self) -> bool {
        matches!(self.severity, Severity::Grave)
    }
}

/// Tools that are known: those that owners have declared, and those that the same server offers.
#[derive(Debug, Default)]
pub struct KnownTools {
    /// By the form in which look-alikes are one: where the tool is, and its name.
    alike: BTreeMap<String, Vec<(String, String)>>,
    /// By the name.
    named: BTreeMap<String, Vec<String>>,
}

impl KnownTools {
    /// Adds a tool of a server.
    pub fn add(&mut self, server: &str, tool: &str) {
        let places = self.named.entry(tool.to_owned()).or_default();
        if !places.iter().any(|one| one == server) {
            places.push(server.to_owned());
            self.alike.entry(form(tool)).or_default().push((server.to_owned(), tool.to_owned()));
        }
    }
}

/// Look-alikes are one, and so is what only separators keep apart.
fn form(name: &str) -> String {
    let plain: String =
        loose(name).text.chars().filter(|one| one.is_alphanumeric() || "|!$".contains(*one)).collect();
    blurred(&plain)
}

/// What is to be said of a tool that a server offers, the gravest first.
#[must_use]
pub fn poison(server: &str, said: Searched<'_>, known: &KnownTools) -> Vec<ToolFinding> {
    let mut found = Vec::new();
    names(server, said, known, &mut found);
    let mut texts: Vec<(String, &str)> = vec![("/name".into(), said.name)];
    texts.extend(said.title.map(|text| ("/title".into(), text)));
    texts.extend(said.description.map(|text| ("/description".into(), text)));
    let parts = [
        ("/inputSchema", said.input_schema),
        ("/outputSchema", said.output_schema),
        ("/annotations", said.annotations),
    ];
    for (place, part) in parts {
        if let Some(part) = part {
            collect(place.to_owned(), part, &mut texts);
        }
    }
    if texts.len() >= TEXTS_MAX {
        let why = "it holds more texts than are searched";
        found.push(ToolFinding::new("unsearched", Severity::Warning, "", why));
    }
    for (place, text) in &texts {
        for (rule, severity, why) in text::search(text) {
            found.push(ToolFinding::new(rule, severity, place, why));
        }
        if place != "/name" {
            references(server, place, text, known, &mut found);
        }
    }
    parameters(said, &mut found);
    found.sort_by_key(|one| std::cmp::Reverse(one.severity));
    found.dedup();
    found.truncate(FINDINGS_MAX);
    found
}

/// All texts of a part with their places, names of members too: a model reads them all.
fn collect<'v>(place: String, value: &'v Value, texts: &mut Vec<(String, &'v str)>) {
    if texts.len() >= TEXTS_MAX {
        return;
    }
    match value {
        Value::String(text) => texts.push((place, text)),
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(at, one)| collect(format!("{place}/{at}"), one, texts));
        }
        Value::Object(all) => {
            for (name, one) in all {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                texts.push((place.clone(), name));
                collect(place, one, texts);
            }
        }
        _ => {}
    }
}

fn names(server: &str, said: Searched<'_>, known: &KnownTools, found: &mut Vec<ToolFinding>) {
    let alike = known.alike.get(&form(said.name)).into_iter().flatten();
    for (place, name) in alike {
        if name == said.name {
            if place != server {
                let why = format!(
                    "the server `{place}` has a tool of the same name: whoever reads it cannot tell them apart"
                );
                found.push(ToolFinding::new("shadowed-name", Severity::Warning, "/name", &why));
            }
        } else if plain(name) == plain(said.name) {
            let why =
                format!("the server `{place}` has a tool whose name differs by separators or case alone");
            found.push(ToolFinding::new("shadowed-name", Severity::Warning, "/name", &why));
        } else {
            let why =
                format!("its name looks like that of another tool of the server `{place}`, and is another");
            found.push(ToolFinding::new("look-alike-name", Severity::Grave, "/name", &why));
        }
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Words about tools of other servers. Names of one word are words of the language.
fn references(server: &str, place: &str, text: &str, known: &KnownTools, found: &mut Vec<ToolFinding>) {
    let words = text.split(|one: char| !(one.is_alphanumeric() || matches!(one, '_' | '-' | '.')));
    for word in words.map(|word| word.trim_matches(|one| matches!(one, '.' | '-'))) {
        if !word.contains(['_', '-']) && !word.chars().skip(1).any(char::is_uppercase) {
            continue;
        }
        let Some(places) = known.named.get(word).filter(|places| !places.iter().any(|one| one == server))
        else {
            continue;
        };
        let Some(other) = places.first() else { continue };
        let steers = text::steers(text);
        let (severity, why) = if steers {
            (Severity::Grave, format!("it gives orders about a tool of the server `{other}`"))
        } else {
            (Severity::Warning, format!("it speaks of a tool of the server `{other}`"))
        };
        found.push(ToolFinding::new("other-servers-tool", severity, place, &why));
    }
}

/// Arguments that need not be given, say nothing of themselves, and are of a name that asks for anything.
fn parameters(said: Searched<'_>, found: &mut Vec<ToolFinding>) {
    let schema = said.input_schema;
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
    for (name, one) in properties.into_iter().flatten() {
        let must = required.is_some_and(|all| all.iter().any(|one| one == name));
        let told = one.get("description").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
        let narrow = one.get("enum").is_some()
            || matches!(one.get("type").and_then(Value::as_str), Some("boolean" | "integer" | "number"));
        if !must && !told && !narrow && ASKS_FOR_ANYTHING.contains(&plain(name).as_str()) {
            let place = format!("/inputSchema/properties/{}", name.replace('~', "~0").replace('/', "~1"));
            let why = "need not be given and says nothing of itself, and its name asks for whatever the model knows";
            found.push(ToolFinding::new("hidden-parameter", Severity::Warning, &place, why));
        }
    }
}

/// Names of arguments without separators.
const ASKS_FOR_ANYTHING: &[&str] = &[
    "additionalcontext",
    "additionalinfo",
    "analytics",
    "background",
    "chat",
    "chathistory",
    "context",
    "conversation",
    "debug",
    "debuginfo",
    "environment",
    "extra",
    "feedback",
    "history",
    "memory",
    "messages",
    "meta",
    "metadata",
    "notes",
    "previousmessages",
    "prompt",
    "reasoning",
    "scratchpad",
    "sidenote",
    "systemprompt",
    "telemetry",
    "thoughts",
    "trace",
    "usercontext",
    "userprompt",
];

#[cfg(test)]
mod tests;

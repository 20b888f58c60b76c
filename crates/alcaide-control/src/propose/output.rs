//! How far a tool's answer is to be trusted, how confidential it is, and what of it may decide later calls.

use alcaide_inventory::fact::{Effect, Facts, OutputFact};
use alcaide_label::{Confidentiality, Integrity};
use serde_json::Value;

use super::arguments::{Role, role};
use super::words::tokens;
use super::{Read, Reason};
use crate::definition::Definition;

/// Fills in what holds of the answer. `wanted` are the ids that tools of the same server take, by their last words.
pub(super) fn fill(
    said: &Definition,
    read: &Read,
    wanted: &[Wanted],
    facts: &mut Facts,
    reasons: &mut Vec<Reason>,
) {
    let (integrity, why) = integrity(said, read, facts);
    reasons.push(Reason::new("output", why));
    let confidential = read.nouns.iter().find(|noun| PRIVATE.contains(&noun.as_str()));
    let own = has_pair(read, "user", &["info", "information", "detail", "data", "profile"]);
    let confidentiality = match confidential {
        Some(noun) => {
            reasons.push(Reason::new("output", format!("`{noun}` is confidential")));
            Confidentiality::Confidential
        }
        None if own => {
            reasons.push(Reason::new("output", "what is known of a person is confidential".into()));
            Confidentiality::Confidential
        }
        None if read.known => Confidentiality::Internal,
        None => Confidentiality::Confidential,
    };
    if integrity == Integrity::Untrusted && read.effect == Effect::Read && !gives_no_text(said) {
        let why =
            "where agents hand its texts on and need not read them, name their places in `handle_output`";
        reasons.push(Reason::new("output", why.into()));
    }
    facts.output.push(OutputFact { pointer: String::new(), integrity, confidentiality });
    if read.known && matches!(read.effect, Effect::Read | Effect::Internal | Effect::Outbound) {
        resolves(said, read, wanted, facts, reasons);
    }
}

fn integrity(said: &Definition, read: &Read, facts: &Facts) -> (Integrity, String) {
    let about = |known: &[&str]| read.nouns.iter().find(|noun| known.contains(&noun.as_str()));
    if !read.known {
        return (Integrity::Untrusted, "what it does is not known, so its answer is untrusted".into());
    }
    if read.effect.is_consequential() && !read.looks {
        return if GIVES_BACK.contains(&read.act.as_str()) && !gives_no_text(said) {
            (
                Integrity::Untrusted,
                "its answer may hold what stood there before, which others can have written".into(),
            )
        } else {
            (Integrity::Trusted, "its answer is the receipt of what it did itself".into())
        };
    }
    if let Some(noun) = about(OTHERS) {
        return (Integrity::Untrusted, format!("others can write into `{noun}`"));
    }
    if !facts.control.is_empty() || read.effect != Effect::Read {
        return (
            Integrity::Untrusted,
            "it reads what its arguments name, and others can have written that".into(),
        );
    }
    let words = tokens(&said.name);
    let now = words.iter().any(|word| ["current", "today", "now"].contains(&word.as_str()))
        || words.len() == 1
        || { words.len() == 2 };
    if now && !read.nouns.is_empty() && read.nouns.iter().all(|noun| CLOCK.contains(&noun.as_str())) {
        return (Integrity::Trusted, "the time of day is nobody's text".into());
    }
    let own = about(OWN).cloned().or_else(|| {
        has_pair(read, "user", &["info", "information", "detail", "profile"]).then(|| "user info".to_owned())
    });
    match own {
        Some(noun) => {
            (Integrity::Trusted, format!("`{noun}` is the user's own, and takes no argument of another"))
        }
        None => (Integrity::Untrusted, "nothing says that others cannot write there".into()),
    }
}

/// Whether a result's schema has numbers, flags, ids and times alone.
fn gives_no_text(said: &Definition) -> bool {
    let properties = said.output_schema.as_ref().and_then(|schema| schema.get("properties"));
    let Some(properties) = properties.and_then(Value::as_object) else { return false };
    let plain = |(name, one): (&String, &Value)| {
        let kind = one.get("type").and_then(Value::as_str).unwrap_or_default();
        let id = tokens(name).last().is_some_and(|word| word == "id" || word == "status");
        matches!(kind, "integer" | "number" | "boolean" | "null")
            || kind == "string" && (id || one.get("enum").is_some())
    };
    properties.iter().all(plain)
}

fn has_pair(read: &Read, first: &str, second: &[&str]) -> bool {
    let has = |word: &str| read.nouns.iter().any(|noun| noun == word);
    has(first) && second.iter().any(|word| has(word))
}

/// An id that a tool takes: `event_id` is of an event; `id` is of what the tool is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    argument: String,
    of: Vec<String>,
}

/// The ids that a tool takes.
pub(super) fn wanted(said: &Definition, read: &Read) -> Vec<Wanted> {
    let properties = said.input_schema.as_ref().and_then(|schema| schema.get("properties"));
    let names = properties.and_then(Value::as_object).into_iter().flatten();
    let ids = names.filter(|(name, one)| {
        tokens(name).last().is_some_and(|word| word == "id") && role(name, one, read) != Role::Idempotency
    });
    ids.map(|(name, _)| {
        let mut of = tokens(name);
        of.pop();
        Wanted { argument: name.clone(), of: if of.is_empty() { read.nouns.clone() } else { of } }
    })
    .collect()
}

fn resolves(said: &Definition, read: &Read, wanted: &[Wanted], facts: &mut Facts, reasons: &mut Vec<Reason>) {
    let about = |one: &&Wanted| one.of.iter().any(|noun| read.nouns.contains(noun));
    match said.output_schema.as_ref().map(records) {
        Some(Some((pointer, record))) => {
            let ids = record.into_iter().filter(|name| {
                let mut words = tokens(name);
                let id = words.pop().is_some_and(|word| word == "id");
                id && words.iter().all(|word| read.nouns.contains(word))
            });
            facts.resolves = ids.map(|name| format!("/{}", escaped(name))).collect();
            facts.resolves.sort();
            facts.records = pointer.filter(|_| !facts.resolves.is_empty());
        }
        Some(None) => {}
        None => {
            let mut pointers: Vec<String> = Vec::new();
            for one in wanted.iter().filter(about) {
                for pointer in ["/id".to_owned(), "/id_".into(), format!("/{}", escaped(&one.argument))] {
                    if !pointers.contains(&pointer) {
                        pointers.push(pointer);
                    }
                }
            }
            facts.resolves = pointers;
        }
    }
    if !facts.resolves.is_empty() {
        let why =
            "its server gives ids, so the id of the one record that it finds or makes may decide later calls";
        reasons.push(Reason::new("resolves", why.into()));
    }
    if read.nouns.iter().any(|noun| noun == "contact") {
        let why = "addresses of contacts decide nothing, because senders of mail can become contacts";
        reasons.push(Reason::new("resolves", why.into()));
    }
}

/// Where the records of a result stand, and the names of a record's fields.
fn records(schema: &Value) -> Option<(Option<String>, Vec<&str>)> {
    let properties = schema.get("properties")?.as_object()?;
    let fields = |one: &'_ Value| -> Option<Vec<String>> {
        let all = one.get("items")?.get("properties")?.as_object()?;
        Some(all.keys().cloned().collect())
    };
    let mut lists = properties.iter().filter(|(_, one)| fields(one).is_some());
    match (lists.next(), lists.next()) {
        (None, _) => Some((None, properties.keys().map(String::as_str).collect())),
        (Some((name, one)), None) => {
            let all = one.get("items")?.get("properties")?.as_object()?;
            Some((Some(format!("/{}", escaped(name))), all.keys().map(String::as_str).collect()))
        }
        _ => None,
    }
}

/// A name within a JSON pointer (RFC 6901, section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What acts on something that is there already, and by custom gives it back.
const GIVES_BACK: &[&str] =
    &["append", "edit", "copy", "duplicate", "restore", "open", "download", "merge", "archive"];
/// What others write into.
const OTHERS: &[&str] = &[
    "article",
    "attachment",
    "channel",
    "chat",
    "comment",
    "contact",
    "document",
    "email",
    "event",
    "feed",
    "file",
    "history",
    "inbox",
    "invoice",
    "issue",
    "mail",
    "member",
    "message",
    "news",
    "note",
    "page",
    "payee",
    "payment",
    "post",
    "project",
    "rating",
    "record",
    "request",
    "result",
    "review",
    "thread",
    "ticket",
    "transaction",
    "web",
    "webpage",
    "website",
];
const CLOCK: &[&str] = &[
    "clock",
    "date",
    "datetime",
    "day",
    "hour",
    "month",
    "now",
    "time",
    "timestamp",
    "today",
    "weekday",
    "year",
];
/// What is the user's own, where no argument names somebody else.
const OWN: &[&str] =
    &["balance", "iban", "preference", "setting", "timezone", "me", "whoami", "version", "quota", "uptime"];
const PRIVATE: &[&str] = &[
    "balance",
    "card",
    "credential",
    "diagnosis",
    "env",
    "health",
    "medical",
    "passport",
    "password",
    "payroll",
    "profile",
    "salary",
    "secret",
    "ssn",
    "tax",
];

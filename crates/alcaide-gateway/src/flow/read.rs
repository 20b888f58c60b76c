//! From JSON to what the engine of information flow takes: arguments of a call, texts and records of an answer.

use std::ops::Range;

use alcaide_flow::{Argument, Leaf, Size};
use alcaide_inspect::normal;
use alcaide_inventory::fact::{Facts, OutputFact};
use alcaide_label::Label;
use alcaide_wire::json::{Kind, Value};

use super::{Answered, ArgumentSchema};

/// Most values of one call that are looked at; a call with more is judged by these and one that nobody knows.
const LEAVES_MAX: usize = 10_000;

/// Most records that are compared; what is one of more is not told apart.
const RECORDS_MAX: usize = 1_000;

/// The arguments of a call: the members of an object.
pub(super) fn arguments<'a, 'd>(
    root: Value<'d, 'a>,
    (schema, handles): (Option<&ArgumentSchema>, &[Box<str>]),
    names: &'d [String],
) -> Vec<Argument<'d>>
where
    'a: 'd,
{
    let mut left = LEAVES_MAX;
    root.entries()
        .zip(names)
        .map(|(entry, name)| {
            let mut leaves = Vec::new();
            let fixes = |text: &str| schema.is_some_and(|schema| schema.fixes(name, text));
            walk(entry.value, &fixes, &mut leaves, &mut left);
            Argument { name, leaves, handle: handles.iter().any(|handle| **handle == **name) }
        })
        .collect()
}

fn walk<'a, 'd>(
    value: Value<'d, 'a>,
    fixes: &impl Fn(&str) -> bool,
    leaves: &mut Vec<Leaf<'d>>,
    left: &mut usize,
) where
    'a: 'd,
{
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        if *left == 0 {
            leaves.push(Leaf::Flag(true));
            return;
        }
        *left = left.saturating_sub(1);
        match value.kind() {
            Kind::String => {
                if let Some(text) = value.as_str() {
                    leaves.push(if fixes(&text) { Leaf::Fixed } else { Leaf::Text(text) });
                }
            }
            // INVARIANT: the digits of a number are ASCII.
            Kind::Number => leaves.push(Leaf::Number(std::str::from_utf8(value.raw()).unwrap_or_default())),
            Kind::Bool => leaves.push(Leaf::Flag(value.raw() == b"true")),
            Kind::Null => {}
            Kind::Array => open.extend(value.items()),
            Kind::Object => {
                for entry in value.entries() {
                    if !fixes(&entry.key) {
                        leaves.push(Leaf::Text(entry.key.clone()));
                    }
                    open.push(entry.value);
                }
            }
        }
    }
}

/// The labels of the parts of a structured result that have one of their own, with their bytes: the innermost last.
pub(super) fn parts(facts: &Facts, structured: Value<'_, '_>) -> Vec<(Range<usize>, Label)> {
    let mut found = Vec::new();
    // Where handles stand, there is nothing of who can write the texts behind them.
    let read =
        facts.output.iter().filter(|fact| !fact.pointer.is_empty() && !facts.is_handled(&fact.pointer));
    for fact in read {
        let steps: Vec<&str> = fact.pointer.split('/').skip(1).collect();
        matching(structured, &steps, fact, &mut found);
    }
    found.sort_by_key(|(span, _)| std::cmp::Reverse(span.len()));
    found
}

fn matching(value: Value<'_, '_>, steps: &[&str], fact: &OutputFact, found: &mut Vec<(Range<usize>, Label)>) {
    let Some((step, rest)) = steps.split_first() else {
        found
            .push((value.span(), Label { confidentiality: fact.confidentiality, integrity: fact.integrity }));
        return;
    };
    if *step == "*" {
        value.items().for_each(|item| matching(item, rest, fact, found));
        value.entries().for_each(|entry| matching(entry.value, rest, fact, found));
    } else if let Some(next) = value.pointer(&format!("/{step}")) {
        matching(next, rest, fact, found);
    }
}

/// The one record that a look-up found, or of several the only one that has a field with exactly what the user's words
/// named; nothing where there is none or more of them.
pub(super) fn record<'d, 'a>(
    facts: &Facts,
    structured: Value<'d, 'a>,
    said: &[Box<str>],
) -> Option<Value<'d, 'a>> {
    let place = records(facts, structured)?;
    match place.kind() {
        Kind::Object => Some(place),
        Kind::Array if place.len() == 1 => place.at(0),
        Kind::Array => {
            let names = |record: &Value<'d, 'a>| {
                record.entries().any(|entry| {
                    let text = entry.value.as_str().map(|text| normal::exact(&text));
                    text.is_some_and(|text| said.iter().any(|said| **said == *text))
                })
            };
            let mut exact = place.items().take(RECORDS_MAX).filter(names);
            let first = exact.next()?;
            (exact.next().is_none() && place.len() <= RECORDS_MAX).then_some(first)
        }
        _ => None,
    }
}

/// Where the record or the list of records of a result is.
fn records<'d, 'a>(facts: &Facts, structured: Value<'d, 'a>) -> Option<Value<'d, 'a>> {
    match &facts.records {
        Some(pointer) => structured.pointer(pointer),
        // A result that is no object is wrapped by the libraries of the field under this one name.
        None if structured.kind() == Kind::Object && structured.len() == 1 => {
            Some(structured.get("result").unwrap_or(structured))
        }
        None => Some(structured),
    }
}

/// How much an answer brings. What is told as text and as structured content is told once.
pub(super) fn size(facts: Option<&Facts>, answered: &Answered<'_>) -> Size {
    let outer = answered.structured.map(Value::span).unwrap_or_default();
    let (mut within, mut beside) = (0_usize, 0_usize);
    for (span, text) in answered.texts {
        let sum = if outer.start <= span.start && span.end <= outer.end { &mut within } else { &mut beside };
        *sum = sum.saturating_add(text.len());
    }
    let place = facts.zip(answered.structured).and_then(|(facts, structured)| records(facts, structured));
    let items = place.filter(|place| place.kind() == Kind::Array).map_or(1, Value::len);
    Size {
        bytes: u64::try_from(within.max(beside)).unwrap_or(u64::MAX),
        records: u32::try_from(items).unwrap_or(u32::MAX),
    }
}

/// The fields of a record that resolve later arguments.
pub(super) fn resolved<'d, 'a>(facts: &Facts, record: Value<'d, 'a>) -> Vec<std::borrow::Cow<'a, str>> {
    facts
        .resolves
        .iter()
        .filter_map(|pointer| record.pointer(pointer))
        .filter_map(|value| match value.kind() {
            Kind::String => value.as_str(),
            Kind::Number => std::str::from_utf8(value.raw()).ok().map(std::borrow::Cow::Borrowed),
            _ => None,
        })
        .collect()
}

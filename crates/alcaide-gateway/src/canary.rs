//! Marks of tasks: planted into answers of tools whose owners want it, looked for in all that leaves.
//!
//! A task's mark is derived from its id with the gate's own key: nothing is kept, it outlives a restart, and nobody who does
//! not read what the gate planted can write it. Where it turns up in the arguments of a tool, in a request to an API or in a
//! model's answer, what the task read is on its way out, whatever the text around it looks like.

use std::ops::Range;

use alcaide_finding::{Class, Finding, RuleId, Severity};
use alcaide_inspect::canary::Canary;
use alcaide_inventory::id::TaskId;
use alcaide_seal::digest::HmacKey;
use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::json::{Document, Kind, Value};

use crate::content::strings;
use crate::flow::within;
use crate::passage::FoundText;

/// Letters of a mark: a hundred bits.
const LETTERS: usize = 20;

/// The mark of a task under the gate's key.
#[must_use]
pub fn mark(key: &HmacKey, task: TaskId) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = key.mac(format!("canary/{task}").as_bytes());
    let letters = digest.as_bytes().iter().take(LETTERS);
    letters.filter_map(|byte| ALPHABET.get(usize::from(byte & 31))).map(|byte| char::from(*byte)).collect()
}

/// The mark of a task, as it is looked for.
pub(crate) fn of(key: &HmacKey, task: TaskId) -> Option<Canary> {
    Canary::new(&mark(key, task))
}

/// Adds a block of text with the mark to a tool's result, where it has blocks.
pub(crate) fn plant(result: Value<'_, '_>, mark: &str) -> Option<Splice> {
    let content = result.get("content").filter(|content| content.kind() == Kind::Array)?;
    let block = format!("{{\"type\":\"text\",\"text\":{}}}", edit::encode(&format!("Reference: {mark}")));
    edit::append_item(content, &block)
}

/// That the mark is in a text of this length.
pub(crate) fn finding(text: &str) -> Finding {
    Finding {
        rule: RuleId::fixed("planted-mark"),
        class: Class::Canary,
        severity: Severity::Grave,
        span: 0..u64::try_from(text.len()).unwrap_or(u64::MAX),
        evidence: "a mark of this task".into(),
    }
}

/// Looks for the mark in the JSON of a call's arguments: in each text, and in all of them together.
pub(crate) fn in_arguments(canary: &Canary, arguments: &[u8], span: Range<usize>) -> Option<FoundText> {
    let document = Document::parse(arguments, &within(arguments)).ok()?;
    let all = values(document.root());
    let here = strings(document.root()).iter().any(|(_, text)| canary.is_in(text)) || canary.is_in(&all);
    here.then(|| found(span, &all))
}

/// All texts that are no names of members, one after the other as they stand.
fn values(root: Value<'_, '_>) -> String {
    let mut all = String::new();
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        let mut inner: Vec<Value<'_, '_>> = match value.kind() {
            Kind::Array => value.items().collect(),
            Kind::Object => value.entries().map(|entry| entry.value).collect(),
            _ => {
                all.extend(value.as_str());
                continue;
            }
        };
        inner.reverse();
        open.append(&mut inner);
    }
    all
}

/// The finding as one of a request; it is nothing that could be edited out.
pub(crate) fn found(span: Range<usize>, text: &str) -> FoundText {
    FoundText { span, text: text.to_owned(), findings: vec![finding(text)], editable: false }
}

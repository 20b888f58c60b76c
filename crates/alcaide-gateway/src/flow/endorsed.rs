//! What people are shown of a call that they are asked about, and what they endorsed of it.
//!
//! A question: the values that decide what its call does are sealed and put on the shelf before it is written; the entry
//! holds the digest of the sealed form, and a keyed commitment by which the same call is known again. A yes that passed: its
//! intent names the list and the places ([`alcaide_record::Effect::Endorse`]); the next call of the task opens the list and
//! takes the values into the state. No value is ever in an entry.

use std::sync::Arc;

use alcaide_flow::{DECISIVE_BYTES_MAX, Decisive, Event, decides, may_be_endorsed};
use alcaide_inventory::fact::Facts;
use alcaide_inventory::id::TaskId;
use alcaide_ledger::Shelf;
use alcaide_memory::Memory;
use alcaide_record::{Decisive as DecisiveNote, Digest, Target};
use alcaide_seal::digest::HmacKey;
use alcaide_seal::random::Entropy;
use alcaide_seal::secret::SecretText;
use alcaide_wire::json::{Document, Kind, Value};

use super::{ArgumentSchema, Flows, Judged, lock, within};

/// Most values of a call that are looked at for what people are shown.
const LEAVES_MAX: usize = 10_000;
/// What the commitment to a call's target and values begins with: another form gets another word.
const SAME: &[u8] = b"alcaide decisive 1";

/// What is asked about, before it is on the shelf.
pub(crate) struct Shown {
    sealed: Vec<u8>,
    same: Digest,
}

impl Shown {
    /// Puts it on the shelf; durable when it returns. Blocks on the disk.
    ///
    /// # Errors
    /// What the shelf says.
    pub(crate) fn put(&self, shelf: &Shelf) -> Result<DecisiveNote, String> {
        let values = shelf.put(&self.sealed).map_err(|error| error.to_string())?;
        Ok(DecisiveNote { same: self.same, values: Digest(values.into_bytes()) })
    }
}

impl Judged {
    /// The values that decide what the call does, as people are shown them.
    pub(crate) fn decisive(&self, arguments: &[u8]) -> Decisive {
        let document = Document::parse(arguments, &within(arguments));
        let Ok(document) = &document else { return Decisive::default() };
        of(document.root(), (&self.facts, self.schema.as_deref()), &self.judgement.handles)
    }
}

impl Flows {
    /// Seals what people are to be shown of a call. `commitments` is the key of the record's commitments.
    ///
    /// # Errors
    /// What the cryptography says, and the system's randomness.
    pub(crate) fn shown(
        &self,
        (judged, arguments): (&Judged, &[u8]),
        target: &Target,
        (commitments, entropy): (&HmacKey, &dyn Entropy),
    ) -> Result<Shown, String> {
        let decisive = judged.decisive(arguments);
        let text = serde_json::to_string(&decisive).map_err(|error| error.to_string())?;
        let name = serde_json::to_vec(target).map_err(|error| error.to_string())?;
        let mut same = SAME.to_vec();
        for part in [name.as_slice(), text.as_bytes()] {
            same.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            same.extend(part);
        }
        let same = Digest(*commitments.mac(&same).as_bytes());
        let sealed = self.key.seal(&SecretText::from(text), entropy).map_err(|error| error.to_string())?;
        Ok(Shown { sealed, same })
    }

    /// Takes into the state of a task what people endorsed in it and what is not there yet. What cannot be opened is not
    /// there, which is stricter.
    pub(super) async fn hear_endorsed(&self, memory: &Memory, shelf: &Shelf, task: TaskId) {
        let endorsed = memory.endorsed(task);
        if endorsed.is_empty() {
            return;
        }
        let kept = self.kept(task, memory.label(task));
        for (values, places) in endorsed {
            let known = (values, places);
            if lock(&kept).endorsed.contains(&known) {
                continue;
            }
            let (shelf, digest) = (shelf.clone(), known.0.0.into());
            let taken = tokio::task::spawn_blocking(move || shelf.take(&digest)).await;
            let opened = match taken {
                Ok(Ok(Some(sealed))) => self.key.open(&sealed).map_err(|error| error.to_string()),
                Ok(Ok(None)) => Err("they are not on the shelf".to_owned()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let decisive = opened.and_then(|text| {
                serde_json::from_str::<Decisive>(text.expose())
                    .map_err(|_| "they are no list of values".into())
            });
            match decisive {
                Ok(decisive) => {
                    for value in decisive.endorsed(&known.1) {
                        self.step(&kept, Event::Endorsed(value));
                    }
                    lock(&kept).endorsed.push(known);
                }
                Err(why) => tracing::warn!(%task, why, "endorsed values cannot be opened"),
            }
        }
    }
}

/// The values of the arguments that decide, in the order in which they stand in the call; among them, whole, the texts that
/// stood there as handles, which nobody but the tool would see else.
fn of(
    root: Value<'_, '_>,
    (facts, schema): (&Arc<Facts>, Option<&ArgumentSchema>),
    handles: &[Box<str>],
) -> Decisive {
    let mut shown = Decisive::default();
    let mut left = LEAVES_MAX;
    for entry in root.entries() {
        if let Some(text) = entry.value.as_str().filter(|_| handles.iter().any(|name| **name == *entry.key)) {
            let (pointer, mut rest) = (escaped("", &entry.key), &*text);
            while !rest.is_empty() {
                let (piece, after) =
                    rest.split_at_checked(rest.floor_char_boundary(DECISIVE_BYTES_MAX)).unwrap_or((rest, ""));
                shown.push(&pointer, piece, false);
                rest = after;
            }
            continue;
        }
        if !decides(facts, &entry.key) {
            continue;
        }
        let endorsable = may_be_endorsed(facts, &entry.key);
        let fixes = |text: &str| schema.is_some_and(|schema| schema.fixes(&entry.key, text));
        let mut open = vec![(escaped("", &entry.key), entry.value)];
        while let Some((pointer, value)) = open.pop() {
            left = left.saturating_sub(1);
            if left == 0 {
                shown.more = shown.more.saturating_add(1);
                return shown;
            }
            match value.kind() {
                Kind::String => {
                    if let Some(text) = value.as_str().filter(|text| !fixes(text)) {
                        shown.push(&pointer, &text, endorsable);
                    }
                }
                Kind::Number | Kind::Bool => {
                    let text = std::str::from_utf8(value.raw()).unwrap_or_default();
                    shown.push(&pointer, text, endorsable && value.kind() == Kind::Number);
                }
                Kind::Null => {}
                Kind::Array => {
                    let items: Vec<_> = value.items().take(LEAVES_MAX).enumerate().collect();
                    open.extend(items.into_iter().rev().map(|(at, item)| (format!("{pointer}/{at}"), item)));
                }
                Kind::Object => {
                    let mut members = Vec::new();
                    for member in value.entries().take(LEAVES_MAX) {
                        if !fixes(&member.key) {
                            shown.push(&pointer, &member.key, endorsable);
                        }
                        members.push((escaped(&pointer, &member.key), member.value));
                    }
                    open.extend(members.into_iter().rev());
                }
            }
        }
    }
    shown
}

/// The JSON pointer to a member (RFC 6901, section 3).
fn escaped(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(facts: Facts, json: &str) -> Vec<(String, String, bool)> {
        let document = Document::parse(json.as_bytes(), &within(json.as_bytes())).unwrap();
        let all = of(document.root(), (&Arc::new(facts), None), &["by".into()]).values;
        all.into_iter().map(|one| (one.pointer, one.value, one.endorsable)).collect()
    }

    fn value(pointer: &str, value: &str, endorsable: bool) -> (String, String, bool) {
        (pointer.into(), value.into(), endorsable)
    }

    #[test]
    fn people_are_shown_what_decides_with_its_place() {
        let facts = Facts {
            control: vec!["to".into(), "all".into(), "on".into(), "a/b".into()],
            free_text: vec!["all".into()],
            ..Facts::default()
        };
        let json =
            r#"{"to":["a@x",{"name":"b","n":7}],"note":"hello","all":"yes","on":true,"a/b":"c","more":"d"}"#;
        assert_eq!(
            shown(facts, json),
            [
                value("/to/0", "a@x", true),
                value("/to/1", "name", true),
                value("/to/1", "n", true),
                value("/to/1/name", "b", true),
                value("/to/1/n", "7", true),
                value("/all", "yes", false),
                value("/on", "true", false),
                value("/a~1b", "c", true),
            ]
        );
        assert_eq!(shown(Facts::default(), r#"{"x":"y"}"#), [value("/x", "y", false)]);
        // A text that stood there as a handle is shown whole, in pieces.
        let long = "ä".repeat(DECISIVE_BYTES_MAX / 2 + 1);
        let facts = Facts { free_text: vec!["by".into(), "note".into()], ..Facts::default() };
        let json = format!(r#"{{"by":"{long}","note":"hello"}}"#);
        let first = "ä".repeat(DECISIVE_BYTES_MAX / 2);
        assert_eq!(shown(facts, &json), [value("/by", &first, false), value("/by", "ä", false)]);
    }
}

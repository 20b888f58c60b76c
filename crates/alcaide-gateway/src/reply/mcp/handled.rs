//! A tool's answer of which some texts are given by handle: written anew, so that nothing of such a text is in it.
//!
//! Of the structured result the declared places are replaced. Any other text could repeat what stands there, in any words:
//! a text block passes as it is only where its JSON is a part of the structured result, with the same places replaced; else
//! it becomes a handle as a whole, and so does the message of an error. What is no text is left out and said so, and what
//! the protocol does not need is taken out: `_meta`, annotations, members that are not known.

use std::collections::{BTreeMap, HashMap};

use alcaide_record::{End, Stage};
use alcaide_seal::digest::sha256;
use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::json::{Document, Kind, Value};
use alcaide_wire::jsonrpc::Message;
use bytes::Bytes;

use super::super::json::{broken, reply_limits};
use super::Reading;
use crate::handles::Full;
use crate::refusal::{self, Refusal};

/// Most parts of a structured result that text blocks are compared with.
const PARTS_MAX: usize = 4_096;
/// How deep within a structured result these lie: a list's items each have a block of their own in some libraries.
const PARTS_DEPTH: usize = 2;

type Fault = (End, Refusal);

/// The answer without the texts; as it came where nothing of it is given by handle.
///
/// # Errors
/// Something at a declared place cannot be replaced, or there is no room for a text.
pub(super) fn hidden(reading: &Reading, bytes: &Bytes) -> Result<Bytes, Fault> {
    let Some(pointers) = reading.handled() else { return Ok(bytes.clone()) };
    let document = Document::parse(bytes, &reply_limits()).map_err(|error| broken(&error.without_keys()))?;
    let root = document.root();
    if !matches!(Message::read(&document), Ok(Message::Response(_))) {
        return Err(broken(&"no response"));
    }
    let keep = |text: &str| kept(reading, text);
    let hide = Hide { pointers: pointers.iter().map(|pointer| steps(pointer)).collect(), keep: &keep };
    let mut splices = edit::remove_members(root, |key| !matches!(key, "jsonrpc" | "id" | "result" | "error"));
    if let Some(error) = root.get("error") {
        splices.extend(edit::remove_members(error, |key| !matches!(key, "code" | "message")));
        if let Some(message) = error.get("message") {
            splices.push(Splice::text(message.span(), &keep(&message.as_str().unwrap_or_default())?));
        }
    }
    if let Some(result) = root.get("result") {
        splices.extend(hide.result(result)?);
    }
    edit::apply(bytes, splices).map_err(|error| broken(&error))
}

/// Keeps a text for the task and gives what stands in its place. What says nothing stands for itself.
fn kept(reading: &Reading, text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let task = reading.origin.who().credential().principal.task;
    // INVARIANT: a call that was judged has an id.
    let call = reading.call.ok_or_else(|| broken(&"an answer to no call"))?;
    let shared = &reading.shared;
    let handle = shared.handles.keep(&shared.commitments, task, call, text);
    handle.map(|handle| handle.to_string()).map_err(|full| {
        let refusal = Refusal::of(refusal::HANDLES_FULL, Stage::Bound);
        let refusal = match full {
            Full::Text => refusal.saying("a text that is to be given by handle is longer than one may be"),
            Full::Task => refusal.saying("the task has as many texts behind handles as are kept for one"),
        };
        (End::ContentCut, refusal)
    })
}

/// The steps of a pointer, escaped as they stand.
fn steps(pointer: &str) -> Vec<&str> {
    pointer.split('/').skip(1).collect()
}

struct Hide<'p> {
    pointers: Vec<Vec<&'p str>>,
    keep: &'p dyn Fn(&str) -> Result<String, Fault>,
}

/// What is to be done with a part of the structured result that a text repeats.
type Below<'p> = Vec<&'p [&'p str]>;

impl Hide<'_> {
    fn result(&self, result: Value<'_, '_>) -> Result<Vec<Splice>, Fault> {
        if result.kind() != Kind::Object {
            return Err(broken(&"a result that is no object"));
        }
        if result.get("resultType").is_some_and(|word| word.is_str("input_required")) {
            // What it asks for would be shown to the caller.
            let refusal = Refusal::of(refusal::HANDLE_ANSWER, Stage::Bound).saying(
                "the server asks the caller for something, and answers of this tool are given by handle",
            );
            return Err((End::ContentCut, refusal));
        }
        let is = |key: &str, words: &[&str]| {
            result.get(key).is_some_and(|value| words.iter().any(|word| value.is_str(word)))
        };
        let mut splices = edit::remove_members(result, |key| match key {
            "content" | "structuredContent" => false,
            "isError" => result.get(key).is_none_or(|flag| flag.kind() != Kind::Bool),
            "ttlMs" => result.get(key).and_then(Value::as_count).is_none(),
            "resultType" => !is(key, &["complete"]),
            "cacheScope" => !is(key, &["public", "private"]),
            _ => true,
        });
        let structured = result.get("structuredContent");
        if let Some(structured) = structured {
            let pointers: Below<'_> = self.pointers.iter().map(Vec::as_slice).collect();
            let mut found = BTreeMap::new();
            let mut reached = false;
            for place in &pointers {
                reached |= self.at(structured, place, &mut found)?;
            }
            // An answer of another shape than was declared: where its texts are nobody said, so none of it counts as trusted.
            if !reached {
                let refusal = Refusal::of(refusal::HANDLE_ANSWER, Stage::Bound)
                    .saying("the answer has none of the places whose texts are given by handle");
                return Err((End::ContentCut, refusal));
            }
            splices.extend(found.into_values());
        }
        let Some(content) = result.get("content") else { return Ok(splices) };
        if content.kind() != Kind::Array {
            return Err(broken(&"content that is no list"));
        }
        let parts = if content.is_empty() { HashMap::new() } else { self.parts(structured) };
        for block in content.items() {
            let text = self.block(block, &parts)?;
            let shown = format!("{{\"type\":\"text\",\"text\":{}}}", edit::encode(&text));
            splices.push(Splice::new(block.span(), shown.into_bytes()));
        }
        Ok(splices)
    }

    /// What a block says to the caller.
    fn block(&self, block: Value<'_, '_>, parts: &HashMap<[u8; 32], Below<'_>>) -> Result<String, Fault> {
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
        let text = match &*kind {
            "text" => block.get("text"),
            "resource" => block.get("resource").and_then(|resource| resource.get("text")),
            _ => None,
        };
        let Some(text) = text.and_then(Value::as_str) else {
            let kinds = ["image", "audio", "resource", "resource_link"];
            let kind = kinds.into_iter().find(|known| *known == kind).unwrap_or("unknown");
            return Ok(format!(
                "[left out: a part of kind `{kind}`; this tool's answers are given by handle]"
            ));
        };
        if kind != "text" {
            return (self.keep)(&text);
        }
        // A text of its own, or JSON that was written as text.
        let own = edit::encode(&text);
        let as_text = Document::parse(own.as_bytes(), &reply_limits()).ok();
        let as_text = as_text.as_ref().and_then(|own| parts.get(&print(own.root())));
        if let Some(below) = as_text {
            return if below.is_empty() { Ok(text.into_owned()) } else { (self.keep)(&text) };
        }
        let document = Document::parse(text.as_bytes(), &reply_limits()).ok();
        let repeated =
            document.as_ref().and_then(|document| Some((document, parts.get(&print(document.root()))?)));
        let Some((document, below)) = repeated else { return (self.keep)(&text) };
        let splices = self.replaced(document.root(), below)?;
        let shown = edit::apply(&Bytes::copy_from_slice(text.as_bytes()), splices);
        let shown = shown.map_err(|error| broken(&error))?;
        Ok(String::from_utf8_lossy(&shown).into_owned())
    }

    /// The parts of a structured result that a text may repeat, by what they say, with what is to be replaced in each: what
    /// several parts say alike is replaced as in all of them.
    fn parts<'s>(&'s self, structured: Option<Value<'_, '_>>) -> HashMap<[u8; 32], Below<'s>> {
        let mut found: HashMap<[u8; 32], Below<'s>> = HashMap::new();
        let whole: Below<'s> = self.pointers.iter().map(Vec::as_slice).collect();
        let mut open: Vec<(Value<'_, '_>, usize, Below<'s>)> =
            structured.into_iter().map(|value| (value, 0, whole.clone())).collect();
        let mut left = PARTS_MAX;
        while let Some((value, depth, below)) = open.pop() {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(1);
            if depth < PARTS_DEPTH {
                let inner =
                    |step: &str| below.iter().filter_map(|steps| stepped(steps, step)).collect::<Below<'s>>();
                for (at, item) in value.items().enumerate() {
                    open.push((item, depth.saturating_add(1), inner(&at.to_string())));
                }
                for entry in value.entries() {
                    let key = entry.key.replace('~', "~0").replace('/', "~1");
                    open.push((entry.value, depth.saturating_add(1), inner(&key)));
                }
            }
            let known = found.entry(print(value)).or_default();
            for steps in below {
                if !known.contains(&steps) {
                    known.push(steps);
                }
            }
        }
        found
    }

    /// The edits that replace the texts at these places.
    fn replaced(&self, value: Value<'_, '_>, places: &[&[&str]]) -> Result<Vec<Splice>, Fault> {
        let mut splices = BTreeMap::new();
        for place in places {
            self.at(value, place, &mut splices)?;
        }
        Ok(splices.into_values().collect())
    }

    /// Replaces what lies at a place, and says whether there is such a place: a list without items and a null are places of no
    /// text.
    fn at(
        &self,
        value: Value<'_, '_>,
        steps: &[&str],
        splices: &mut BTreeMap<usize, Splice>,
    ) -> Result<bool, Fault> {
        let Some((step, rest)) = steps.split_first() else {
            self.whole(value, splices)?;
            return Ok(true);
        };
        if value.kind() == Kind::Null {
            return Ok(true);
        }
        if *step == "*" {
            let mut reached = matches!(value.kind(), Kind::Array | Kind::Object) && value.is_empty();
            for item in value.items() {
                reached |= self.at(item, rest, splices)?;
            }
            for entry in value.entries() {
                reached |= self.at(entry.value, rest, splices)?;
            }
            return Ok(reached);
        }
        match value.pointer(&format!("/{step}")) {
            Some(next) => self.at(next, rest, splices),
            None => Ok(false),
        }
    }

    /// Replaces a text, or each of a list of them.
    fn whole(&self, value: Value<'_, '_>, splices: &mut BTreeMap<usize, Splice>) -> Result<(), Fault> {
        match value.kind() {
            Kind::String => {
                let text = value.as_str().unwrap_or_default();
                splices.insert(value.span().start, Splice::text(value.span(), &(self.keep)(&text)?));
                Ok(())
            }
            Kind::Array => value.items().try_for_each(|item| self.whole(item, splices)),
            Kind::Null => Ok(()),
            // A number or a flag may be a stranger's choice too, and the names of members may be.
            Kind::Number | Kind::Bool | Kind::Object => {
                Err((End::ContentCut, Refusal::of(refusal::HANDLE_ANSWER, Stage::Bound)))
            }
        }
    }
}

/// What of a place is left below this step; nothing where the step leads elsewhere. Of what lies within a place all is.
fn stepped<'p>(steps: &'p [&'p str], step: &str) -> Option<&'p [&'p str]> {
    match steps.split_first() {
        None => Some(steps),
        Some((first, rest)) => (*first == "*" || *first == step).then_some(rest),
    }
}

/// What a value says, however it is written.
fn print(value: Value<'_, '_>) -> [u8; 32] {
    let mut text = String::new();
    write(value, &mut text);
    *sha256(text.as_bytes()).as_bytes()
}

/// Deeper than a document may be this does not go: it was parsed.
fn write(value: Value<'_, '_>, out: &mut String) {
    match value.kind() {
        Kind::String => edit::encode_into(&value.as_str().unwrap_or_default(), out),
        Kind::Array => {
            out.push('[');
            for item in value.items() {
                write(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Kind::Object => {
            let members: BTreeMap<_, _> = value.entries().map(|entry| (entry.key, entry.value)).collect();
            out.push('{');
            for (key, value) in members {
                edit::encode_into(&key, out);
                out.push(':');
                write(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Kind::Number | Kind::Bool | Kind::Null => out.push_str(&String::from_utf8_lossy(value.raw())),
    }
}

#[cfg(test)]
mod tests;

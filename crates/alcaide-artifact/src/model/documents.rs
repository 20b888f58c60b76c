//! Models that are one JSON document: which reader is it for?

use alcaide_container::Input;
use alcaide_graph::{Cursor, Fault};

use super::json::{Json, NotJson};
use super::{content, keras, rules, skops};
use crate::coverage::Kind;
use crate::scanner::Scanner;

/// Bytes of a document that is read as a whole.
pub(super) const BYTES_MAX: usize = 64 << 20;

/// What a document is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Document {
    Keras,
    Skops,
    Booster,
}

/// What the document that begins with `head` and is called `name` is for.
pub(super) fn guess(head: &[u8], name: &str, input: &dyn Input, scanner: &Scanner) -> Option<Document> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if text.iter().find(|one| !one.is_ascii_whitespace()) != Some(&b'{') {
        return None;
    }
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase();
    let claims =
        last == "schema.json" || last == "config.json" || last == "metadata.json" || last.ends_with(".json");
    let signs = [
        &b"\"class_name\""[..],
        b"\"__loader__\"",
        b"\"learner\"",
        b"\"keras_version\"",
        b"\"__module__\"",
        b"\"registered_name\"",
        b"\"oblivious_trees\"",
        b"\"features_info\"",
    ];
    let signed = signs.iter().any(|sign| content::holds(head, sign));
    if !claims && !signed {
        return None;
    }
    let (bytes, whole) = Cursor::new(input).bytes(&(0..input.len()), BYTES_MAX).ok()?;
    if !whole {
        return None;
    }
    kind(&Json::read(&bytes, scanner.fuel()).ok()?)
}

fn kind(document: &Json) -> Option<Document> {
    let has = |key: &str| document.at(key).is_some();
    if has("__loader__") || has("_skops_version") || (has("__module__") && has("__class__")) {
        Some(Document::Skops)
    } else if (has("class_name") && (has("config") || has("module"))) || has("keras_version") {
        Some(Document::Keras)
    } else if (has("learner") && has("version"))
        || (has("oblivious_trees") && has("features_info"))
        || (has("tree_info") && has("num_class"))
    {
        Some(Document::Booster)
    } else {
        None
    }
}

/// Judges the document.
pub(super) fn read(scanner: &mut Scanner, which: Document, input: &dyn Input) -> Result<(), Fault> {
    let (bytes, whole) = Cursor::new(input).bytes(&(0..input.len()), BYTES_MAX)?;
    if !whole {
        scanner.doubt(&rules::JSON_BROKEN, None, "a document that is too large to be held");
        return Ok(());
    }
    let document = match Json::read(&bytes, &scanner.fuel().clone()) {
        Ok(document) => document,
        Err(NotJson::Deep { at }) => {
            scanner.find(&rules::DEEP, Some(at as u64), None, "lists and maps within each other");
            return Ok(());
        }
        Err(NotJson::Broken { at, why }) => {
            scanner.doubt(&rules::JSON_BROKEN, Some(at as u64), why);
            return Ok(());
        }
        Err(NotJson::Spent(spent)) => return Err(spent.into()),
    };
    match which {
        Document::Keras => keras::judge(scanner, &document, 0, ""),
        Document::Skops => skops::judge(scanner, &document),
        Document::Booster => booster(scanner, &document),
    }
    scanner.cover(0..input.len(), Kind::Parsed);
    Ok(())
}

/// A booster is numbers and names: texts in it are only looked at for programs.
fn booster(scanner: &mut Scanner, document: &Json) {
    document.walk(&mut |pointer, value| {
        if let Json::Text(text) = value
            && let Some(what) = content::code(text.as_bytes())
        {
            scanner.find(&rules::CODE_IN_TEXT, None, Some(pointer), what);
        }
        if let Some(key) = value.twice() {
            scanner.find(
                &rules::TWICE,
                None,
                Some(pointer),
                format!("the key `{}`", crate::scanner::shown(key)),
            );
        }
    });
}

//! Texts, and the names that are imported by them: stated, computed, persistent.

use alcaide_container::ReadError;

use super::embedded::{self, Text};
use super::machine::{Machine, Manner, Storage, index};
use super::op::{Arg, Encoding, Op};
use super::text;
use super::value::{Node, Value};
use crate::rules;

impl Machine<'_, '_> {
    pub(super) fn push_text(&mut self, op: &Op) {
        let Arg::Text { at, len, encoding, head } = &op.arg else { return };
        if TELLING.contains(&head.as_str()) {
            self.telling.push(*at);
        }
        if *len <= Self::TEXT_KEPT as u64 && self.text_bytes + head.len() <= Self::TEXT_BYTES_MAX {
            self.text_bytes += head.len() + 32;
            self.texts.insert(*at, head.as_str().into());
        }
        let value = self.text_value(*at, *len, *encoding);
        self.stack.push(value);
    }

    pub(super) fn text_value(&self, at: u64, len: u64, encoding: Encoding) -> Value {
        Value::Text { encoding, len: u32::try_from(len).unwrap_or(u32::MAX), at }
    }

    pub(super) fn push_raw(&mut self, op: &Op) -> Result<(), ReadError> {
        let Arg::Bytes { at, len, .. } = op.arg else { return Ok(()) };
        self.stack.push(Value::Raw { len: u32::try_from(len).unwrap_or(u32::MAX), at });
        if self.manner == Manner::Lenient && self.depth < Self::DEPTH_MAX {
            let found = embedded::within(self.input, (at, len), Text::MayQuote, self.fuel, self.depth + 1)?;
            self.extend_notes(found);
        }
        Ok(())
    }

    /// The characters of a text value, the first of them at least.
    pub(crate) fn text(&mut self, value: Value) -> Option<String> {
        let Value::Text { encoding, len, at } = value else { return None };
        if let Some(kept) = self.texts.get(&at) {
            return Some(kept.clone().into_string());
        }
        let mut bytes = vec![0; (len as usize).min(Self::TEXT_KEPT)];
        let count = self.cursor.copy(at, &mut bytes).ok()?;
        bytes.truncate(count);
        Some(text::decode(&bytes, encoding))
    }

    pub(super) fn remember(&mut self, at: u64, key: u64) {
        let Some(top) = self.stack.top() else { return self.fault(at, "PUT of an empty stack") };
        if key > (1 << 24) && key / 64 > self.cursor.len() {
            self.note(&rules::PICKLE_BOMB, at, format!("place {key} of the memo"));
        }
        if self.memo.put(key, top).is_some() {
            self.note(&rules::MEMO_OVERWRITE, at, format!("place {key} of the memo is given another value"));
        }
    }

    pub(super) fn recall(&mut self, op: &Op) {
        let key = index(&op.arg);
        match key.and_then(|key| self.memo.get(key)) {
            Some(value) => self.stack.push(value),
            None if key.is_some_and(|key| self.memo.may_have(key)) => self.stack.push(Value::Inert),
            None => {
                self.fault(op.offset, "GET of what was never put");
                self.stack.push(Value::Unknown);
            }
        }
    }

    /// Imports a name that the pickle states.
    pub(crate) fn refer(&mut self, module: String, name: String, at: u64) -> Value {
        if self.manner == Manner::Strict && !(plain(&module) && plain(&name)) {
            self.faulty = true;
            return Value::Unknown;
        }
        match self.globals.intern(module, name, at) {
            Some(number) => Value::Global(number),
            None => {
                self.note(&rules::PICKLE_BOMB, at, "more different imports than any object needs".to_owned());
                Value::Unknown
            }
        }
    }

    pub(super) fn refer_computed(&mut self, module: Value, name: Value, at: u64) -> Value {
        let long = |value: Value| matches!(value, Value::Text { len, .. } if len as usize > Self::TEXT_KEPT);
        if !long(module)
            && !long(name)
            && let (Some(module), Some(name)) = (self.text(module), self.text(name))
        {
            return self.refer(module, name, at);
        }
        if self.manner == Manner::Strict {
            self.faulty = true;
            return Value::Unknown;
        }
        let (module, name) = (self.written(module), self.written(name));
        self.note(&rules::COMPUTED_CALLABLE, at, format!("imports {name} of {module}"));
        Value::Unknown
    }

    pub(super) fn persistent(&mut self, id: Value, at: u64) {
        let items = self.tuple(id).map(|held| held.items.clone()).unwrap_or_default();
        let word = items.first().and_then(|first| self.text(*first));
        match (word.as_deref(), items.as_slice()) {
            (Some("storage"), [_, class, key, _, elements, ..]) => {
                let class = match class {
                    Value::Global(number) => self.globals.one(*number).map(|global| global.name.clone()),
                    _ => None,
                };
                let key = self.text(*key);
                match (class, key) {
                    (Some(class), Some(key)) if self.storages.len() < Self::STORAGES_MAX => {
                        let elements = match elements {
                            Value::Int(count) => u64::try_from(*count).ok(),
                            _ => None,
                        };
                        self.storages.push(Storage { key, class, elements });
                    }
                    _ => self.note(&rules::PERSISTENT_ID, at, "a storage without class or key".to_owned()),
                }
            }
            (Some("module"), [_, Value::Global(_), ..]) => {}
            _ => {
                let id = self.written(id);
                self.note(&rules::PERSISTENT_ID, at, id);
            }
        }
        self.make(Node::Persistent(id), 1);
    }
}

/// Keys of a state that change what an object is, or what happens to it by itself.
const TELLING: &[&str] = &[
    "__class__",
    "__reduce__",
    "__reduce_ex__",
    "__setstate__",
    "__getattr__",
    "__getattribute__",
    "__setattr__",
    "__call__",
    "__code__",
    "__globals__",
    "__builtins__",
    "__init__",
    "__new__",
    "__del__",
    "__init_subclass__",
    "__closure__",
    "__bases__",
    "__mro__",
    "__subclasshook__",
    "__import__",
    "__loader__",
    "__spec__",
    "__getstate__",
    "__set_name__",
    "__class_getitem__",
];

/// Whether a name is made of what names are made of.
fn plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 200
        && name.split('.').all(|part| {
            part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && part.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
        })
}

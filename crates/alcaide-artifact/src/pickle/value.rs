//! What is on the stack: values as far as their meaning matters, and never the objects themselves.

use std::collections::{BTreeMap, HashMap};

use super::op::Encoding;
use crate::packs::{self, Standing};

/// A value on the stack, in the memo or in a container. Texts and bytes stay in the file; a value says where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nobody can tell: taken from an empty stack, or forgotten for want of room.
    Unknown,
    /// A container that is not held any more for want of room.
    Inert,
    None,
    Flag(bool),
    Int(i64),
    /// A float, or a number beyond 64 bits.
    Number,
    Text {
        encoding: Encoding,
        len: u32,
        at: u64,
    },
    Raw {
        len: u32,
        at: u64,
    },
    Global(u32),
    Node(u32),
}

/// Something made of values.
#[derive(Debug)]
pub(crate) enum Node {
    Tuple(Held),
    List(Held),
    Dict(Held),
    Set(Held),
    Call { callee: Value, args: Value, state: Value },
    Attribute { of: Value, name: Box<str> },
    Partial { of: Value },
    Persistent(Value),
    Extension(i64),
    Buffer,
}

/// The first items of a container, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) items: Vec<Value>,
    pub(crate) total: u64,
}

impl Held {
    pub(crate) fn push(&mut self, item: Value, keep: usize) {
        if self.items.len() < keep {
            self.items.push(item);
        }
        self.total += 1;
    }
}

/// A name that the pickle imports.
#[derive(Debug)]
pub(crate) struct Global {
    pub(crate) module: String,
    pub(crate) name: String,
    pub(crate) standing: Standing,
    /// Place of the first reference.
    pub(crate) at: u64,
    /// Whether what was to say of it was said where it is called or made.
    pub(crate) judged: bool,
}

/// The names that a pickle imports, each once.
#[derive(Debug, Default)]
pub(crate) struct Globals {
    list: Vec<Global>,
    index: HashMap<(String, String), u32>,
}

impl Globals {
    /// Different names that one pickle may import; honest ones have dozens.
    pub(crate) const MAX: usize = 20_000;

    /// The number of a name, or nothing if there are too many.
    pub(crate) fn intern(&mut self, module: String, name: String, at: u64) -> Option<u32> {
        let key = (module, name);
        if let Some(number) = self.index.get(&key) {
            return Some(*number);
        }
        if self.list.len() >= Self::MAX {
            return None;
        }
        let number = u32::try_from(self.list.len()).ok()?;
        let (modern_module, modern_name) = packs::modern(&key.0, &key.1);
        let standing = packs::standing(modern_module, modern_name);
        let global = Global {
            module: modern_module.to_owned(),
            name: modern_name.to_owned(),
            standing,
            at,
            judged: false,
        };
        self.list.push(global);
        self.index.insert(key, number);
        Some(number)
    }

    pub(crate) fn one(&self, number: u32) -> Option<&Global> {
        self.list.get(number as usize)
    }

    pub(crate) fn judged(&mut self, number: u32) {
        if let Some(global) = self.list.get_mut(number as usize) {
            global.judged = true;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Global> {
        self.list.iter()
    }
}

/// Values by number: dense where a pickler counts, sparse where somebody chose numbers. Where a pickler counts further than
/// there is room, names are kept for good, and of the rest the latest.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    dense: Vec<Value>,
    sparse: BTreeMap<u64, Value>,
    latest: Vec<(u64, Value)>,
    count: u64,
}

impl Memo {
    const DENSE_MAX: usize = 1 << 20;
    const SPARSE_MAX: usize = 1 << 16;
    const LATEST_MAX: u64 = 1 << 16;

    /// Keeps a value; the other value that was there before comes back.
    pub(crate) fn put(&mut self, key: u64, value: Value) -> Option<Value> {
        let dense = usize::try_from(key).unwrap_or(usize::MAX);
        let before = if dense < self.dense.len() {
            self.dense.get_mut(dense).map(|place| std::mem::replace(place, value))
        } else if dense == self.dense.len() && dense < Self::DENSE_MAX {
            self.dense.push(value);
            self.sparse.remove(&key)
        } else if self.is_late(key) && !matches!(value, Value::Global(_)) {
            let slot = (key % Self::LATEST_MAX) as usize;
            if self.latest.len() <= slot {
                self.latest.resize(slot + 1, (u64::MAX, Value::Unknown));
            }
            let old = self.latest.get_mut(slot).map(|place| std::mem::replace(place, (key, value)));
            old.filter(|old| old.0 == key).map(|old| old.1).or(self.sparse.remove(&key))
        } else if self.sparse.len() < Self::SPARSE_MAX || self.sparse.contains_key(&key) {
            self.sparse.insert(key, value)
        } else {
            None
        };
        self.count += u64::from(before.is_none());
        before.filter(|before| *before != value)
    }

    /// What was kept; none if nothing was, or it is forgotten.
    pub(crate) fn get(&self, key: u64) -> Option<Value> {
        let dense = usize::try_from(key).ok().and_then(|key| self.dense.get(key)).copied();
        dense.or_else(|| self.sparse.get(&key).copied()).or_else(|| {
            let latest = self.latest.get((key % Self::LATEST_MAX) as usize);
            latest.filter(|one| one.0 == key).map(|one| one.1)
        })
    }

    /// Whether a value may have been put there and forgotten.
    pub(crate) fn may_have(&self, key: u64) -> bool {
        self.is_late(key) && key <= self.count
    }

    /// Whether a pickler that counts comes to this number once there is no room.
    fn is_late(&self, key: u64) -> bool {
        self.dense.len() >= Self::DENSE_MAX && key >= Self::DENSE_MAX as u64
    }

    /// The number that MEMOIZE gives: how many there are.
    pub(crate) fn next(&self) -> u64 {
        self.count
    }
}

/// The stack with its marks. What lies deeper than the room is only counted.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    held: Vec<Value>,
    /// Values above those that are held.
    beyond: usize,
    marks: Vec<usize>,
}

impl Stack {
    const MAX: usize = 1 << 20;

    pub(crate) fn push(&mut self, value: Value) {
        if self.beyond == 0 && self.held.len() < Self::MAX {
            self.held.push(value);
        } else {
            self.beyond += 1;
        }
    }

    /// Whether there was room for one more.
    pub(crate) fn mark(&mut self) -> bool {
        if self.marks.len() >= Self::MAX {
            return false;
        }
        self.marks.push(self.len());
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len() + self.beyond
    }

    /// Takes the topmost value above the last mark.
    pub(crate) fn pop(&mut self) -> Option<Value> {
        if self.len() <= self.marks.last().copied().unwrap_or(0) {
            return None;
        }
        if self.beyond > 0 {
            self.beyond -= 1;
            return Some(Value::Inert);
        }
        self.held.pop()
    }

    pub(crate) fn top(&self) -> Option<Value> {
        if self.len() <= self.marks.last().copied().unwrap_or(0) {
            return None;
        }
        if self.beyond > 0 { Some(Value::Inert) } else { self.held.last().copied() }
    }

    /// Takes what lies above the last mark, and the mark: the values that are held, and how many there are in all.
    pub(crate) fn pop_mark(&mut self) -> Option<(Vec<Value>, u64)> {
        let mark = self.marks.pop()?;
        let total = self.len().saturating_sub(mark) as u64;
        self.beyond = self.beyond.min(mark.saturating_sub(self.held.len()));
        let items = if mark < self.held.len() { self.held.split_off(mark) } else { Vec::new() };
        Some((items, total))
    }

    /// Drops the last mark alone.
    pub(crate) fn unmark(&mut self) -> bool {
        self.marks.pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_stack_is_counted_and_comes_back_in_order() {
        let mut stack = Stack::default();
        stack.push(Value::Int(7));
        assert!(stack.mark());
        for number in 0..Stack::MAX as i64 + 5 {
            stack.push(Value::Int(number));
        }
        assert_eq!(stack.pop(), Some(Value::Inert));
        let (items, total) = stack.pop_mark().unwrap();
        assert_eq!((items.len(), total), (Stack::MAX - 1, Stack::MAX as u64 + 4));
        assert_eq!(stack.pop(), Some(Value::Int(7)));
        assert_eq!(stack.pop(), None);
    }

    #[test]
    fn nothing_below_a_mark_is_taken() {
        let mut stack = Stack::default();
        stack.push(Value::None);
        assert!(stack.mark());
        assert_eq!((stack.pop(), stack.top()), (None, None));
        assert!(stack.unmark());
        assert_eq!(stack.pop(), Some(Value::None));
        assert!(stack.pop_mark().is_none());
    }

    #[test]
    fn a_memo_without_room_has_the_names_and_the_latest() {
        let mut memo = Memo::default();
        let room = Memo::DENSE_MAX as u64;
        for key in 0..room {
            memo.put(key, Value::None);
        }
        memo.put(room, Value::Global(7));
        for key in room + 1..room + 3 * Memo::LATEST_MAX {
            assert_eq!(memo.put(key, Value::Int(key as i64)), None);
            assert_eq!(memo.get(key), Some(Value::Int(key as i64)));
        }
        assert_eq!(memo.get(room), Some(Value::Global(7)));
        assert_eq!((memo.get(room + 5), memo.may_have(room + 5)), (None, true));
        assert!(!memo.may_have(5 * room));
        assert_eq!(memo.next(), room + 3 * Memo::LATEST_MAX);
    }

    #[test]
    fn a_memo_tells_what_is_overwritten_and_counts_like_the_unpickler() {
        let mut memo = Memo::default();
        assert_eq!(memo.put(0, Value::Int(1)), None);
        assert_eq!(memo.put(500, Value::Int(2)), None);
        assert_eq!(memo.next(), 2);
        assert_eq!(memo.put(500, Value::Int(2)), None);
        assert_eq!(memo.put(500, Value::Int(3)), Some(Value::Int(2)));
        assert_eq!(
            (memo.get(0), memo.get(500), memo.get(9)),
            (Some(Value::Int(1)), Some(Value::Int(3)), None)
        );
    }
}

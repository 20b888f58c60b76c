//! Runs a pickle without making anything: what would be imported, called and changed, and in which order.
//!
//! The machine goes further than an unpickler would: where one gives up (an empty stack, a number that the memo has not), it
//! takes a value that nobody knows and goes on, so that no reading is missed. It stops at what is no opcode, and where the
//! input ends.

use std::collections::BTreeMap;

use alcaide_container::{Fuel, Input};

use super::cursor::{Cursor, Straddle};
use super::op::{self, Arg, Encoding, Op, OpError};
use super::text;
use super::value::{Global, Globals, Held, Memo, Node, Stack, Value};
use super::{embedded, joblib};
use crate::rules::{self, Rule};

/// Something to say about a pickle.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Note {
    pub(crate) at: u64,
    pub(crate) rule: Said,
    pub(crate) evidence: String,
}

/// A rule, ordered by its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said(pub(crate) &'static Rule);

impl Ord for Said {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

impl PartialOrd for Said {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Said {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Said {}

/// A storage that a tensor refers to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Storage {
    pub(crate) key: String,
    /// Name of the class, such as `FloatStorage`.
    pub(crate) class: String,
    pub(crate) elements: Option<u64>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// With STOP; the byte after it.
    Stop(u64),
    /// With what no unpickler takes; where.
    Broken(u64),
}

/// How strictly a run follows an unpickler.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// Go on wherever one can.
    Lenient,
    /// Stop where an unpickler stops: for bytes that may be no pickle at all.
    Strict,
}

/// Runs one pickle.
pub(crate) struct Machine<'a, 'f> {
    fuel: &'f Fuel,
    pub(crate) input: &'a dyn Input,
    pub(crate) cursor: Cursor<'a>,
    manner: Manner,
    begun: u64,
    ops: u64,
    stack: Stack,
    memo: Memo,
    nodes: Vec<Node>,
    weights: Vec<u64>,
    held_items: usize,
    pub(crate) globals: Globals,
    texts: BTreeMap<u64, Box<str>>,
    text_bytes: usize,
    /// Places of texts that name what makes an object what it is.
    telling: Vec<u64>,
    /// Dicts that have such a key.
    rewiring: Vec<u32>,
    notes: Vec<Note>,
    pub(crate) lines: Option<Vec<(u64, String)>>,
    pub(crate) storages: Vec<Storage>,
    /// Numbers that lie between opcodes: from, to.
    pub(crate) payloads: Vec<(u64, u64)>,
    pub(crate) depth: u32,
    heavy: bool,
    faulty: bool,
    ops_max: u64,
}

impl<'a, 'f> Machine<'a, 'f> {
    const NODES_MAX: usize = 250_000;
    const ITEMS_MAX: usize = 500_000;
    const ITEMS_KEPT: usize = 16;
    const TEXT_BYTES_MAX: usize = 4 << 20;
    const TEXT_KEPT: usize = 256;
    const NOTES_MAX: usize = 2_000;
    const LINES_MAX: usize = 10_000;
    const STORAGES_MAX: usize = 100_000;
    const PAYLOADS_MAX: usize = 100_000;
    /// Pickles within pickles that are followed.
    pub(crate) const DEPTH_MAX: u32 = 4;
    /// Values that a container may stand for, if each is counted as often as it is referred to.
    const WEIGHT_MAX: u64 = 50_000_000;

    pub(crate) fn new(input: &'a dyn Input, at: u64, fuel: &'f Fuel, manner: Manner) -> Self {
        Self {
            fuel,
            input,
            cursor: Cursor::new(input, at),
            manner,
            begun: at,
            ops: 0,
            stack: Stack::default(),
            memo: Memo::default(),
            nodes: Vec::new(),
            weights: Vec::new(),
            held_items: 0,
            globals: Globals::default(),
            texts: BTreeMap::new(),
            text_bytes: 0,
            telling: Vec::new(),
            rewiring: Vec::new(),
            notes: Vec::new(),
            lines: None,
            storages: Vec::new(),
            payloads: Vec::new(),
            depth: 0,
            heavy: false,
            faulty: false,
            ops_max: u64::MAX,
        }
    }

    /// Reads as an unpickler does that drops what is left of a frame.
    pub(crate) fn dropping(mut self) -> Self {
        self.cursor.on_straddle(Straddle::DropRest);
        self
    }

    /// How deep within other pickles this one is.
    pub(crate) fn within(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// Gives up after so many opcodes.
    pub(crate) fn at_most(mut self, ops: u64) -> Self {
        self.ops_max = ops;
        self
    }

    /// Also writes down what it does.
    pub(crate) fn explaining(mut self) -> Self {
        self.lines = Some(Vec::new());
        self
    }

    /// Runs to STOP, or to where it cannot go on.
    ///
    /// # Errors
    /// When the input fails or the fuel is spent; what was noted until then stays.
    pub(crate) fn run(&mut self) -> Result<End, alcaide_container::ReadError> {
        let end = self.go();
        self.conclude(&end);
        end
    }

    /// What was noted, in the order of places.
    pub(crate) fn notes(&mut self) -> Vec<Note> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.sort();
        notes.dedup();
        notes
    }

    pub(crate) fn fuel(&self) -> &'f Fuel {
        self.fuel
    }

    /// Where two unpicklers would read different bytes, and the end of the frame that is the cause.
    pub(crate) fn straddle(&self) -> Option<(u64, u64)> {
        self.cursor.straddled()
    }

    /// Where the run began.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    /// Opcodes that were run.
    pub(crate) fn count(&self) -> u64 {
        self.ops
    }

    fn go(&mut self) -> Result<End, alcaide_container::ReadError> {
        loop {
            self.fuel.step(1)?;
            let op = match op::read(&mut self.cursor, Self::TEXT_KEPT) {
                Ok(op) => op,
                Err(OpError::Read(why)) => return Err(why),
                Err(why) => {
                    let at = match why {
                        OpError::Truncated { at, .. }
                        | OpError::Unknown { at, .. }
                        | OpError::Negative { at } => at,
                        OpError::Read(_) => self.cursor.at(),
                    };
                    if let OpError::Truncated { claims, .. } = why
                        && claims > Self::CLAIM_MAX
                        && claims / 16 > self.cursor.len()
                    {
                        self.note(
                            &rules::PICKLE_BOMB,
                            at,
                            format!("claims {claims} bytes that are not there"),
                        );
                    }
                    self.note(&rules::BROKEN_STREAM, at, why.to_string());
                    return Ok(End::Broken(at));
                }
            };
            if op.code == op::STOP {
                if self.stack.pop().is_none() {
                    self.fault(op.offset, "STOP with an empty stack");
                }
                if self.broken() {
                    return Ok(End::Broken(op.offset));
                }
                return Ok(End::Stop(op.end));
            }
            self.step(&op)?;
            self.ops += 1;
            if self.broken() || self.ops >= self.ops_max {
                return Ok(End::Broken(op.offset));
            }
        }
    }

    /// Bytes that an argument may claim beyond the input before that counts as an attack on memory.
    const CLAIM_MAX: u64 = 1 << 30;

    fn broken(&self) -> bool {
        self.faulty && self.manner == Manner::Strict
    }

    fn step(&mut self, op: &Op) -> Result<(), alcaide_container::ReadError> {
        let at = op.offset;
        match op.code {
            b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a | 0x8b | b'F' | b'G' => self.number(op),
            b'S' | b'T' | b'U' | b'V' | 0x8c | b'X' | 0x8d => self.push_text(op),
            b'B' | b'C' | 0x8e | 0x96 => return self.push_raw(op),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Flag(true)),
            0x89 => self.stack.push(Value::Flag(false)),
            b']' => self.make(Node::List(Held::default()), 1),
            b')' => self.make(Node::Tuple(Held::default()), 1),
            b'}' => self.make(Node::Dict(Held::default()), 1),
            0x8f => self.make(Node::Set(Held::default()), 1),
            b'(' => self.mark(at),
            b'0' => self.drop_top(at),
            b'1' => {
                self.items(at);
            }
            b'2' => match self.stack.top() {
                Some(top) => self.stack.push(top),
                None => self.fault(at, "DUP of an empty stack"),
            },
            b'l' | b't' | b'd' | 0x91 => {
                let (items, total) = self.items(at);
                let kind = op.code;
                self.contain(kind, items, total);
            }
            0x85..=0x87 => {
                let count = usize::from(op.code - 0x84);
                let mut items: Vec<_> = (0..count).map(|_| self.pop(at)).collect();
                items.reverse();
                self.contain(b't', items, count as u64);
            }
            b'a' => {
                let item = self.pop(at);
                self.extend(at, vec![item]);
            }
            b'e' | 0x90 | b'u' => {
                let (items, _) = self.items(at);
                self.extend(at, items);
            }
            b's' => {
                let value = self.pop(at);
                let key = self.pop(at);
                self.extend(at, vec![key, value]);
            }
            b'g' | b'h' | b'j' => self.recall(op),
            b'p' | b'q' | b'r' => {
                if let Some(key) = index(&op.arg) {
                    self.remember(at, key);
                } else {
                    self.fault(at, "PUT without a number");
                }
            }
            0x94 => self.remember(at, self.memo.next()),
            0x82..=0x84 => {
                let Arg::Int(code) = op.arg else { return Ok(()) };
                self.note(&rules::EXTENSION_CODE, at, format!("extension {code}"));
                self.make(Node::Extension(code), 1);
            }
            b'c' => {
                let Arg::Pair(module, name) = &op.arg else { return Ok(()) };
                let global = self.refer(module.clone(), name.clone(), at);
                self.stack.push(global);
            }
            0x93 => {
                let name = self.pop(at);
                let module = self.pop(at);
                let global = self.refer_computed(module, name, at);
                self.stack.push(global);
            }
            b'R' => {
                let args = self.pop(at);
                let callee = self.pop(at);
                self.called(callee, args, at);
            }
            0x81 => {
                let args = self.pop(at);
                let class = self.pop(at);
                self.made(class, args, at);
            }
            0x92 => {
                // Named arguments, which nothing is judged by.
                self.pop(at);
                let args = self.pop(at);
                let class = self.pop(at);
                self.made(class, args, at);
            }
            b'i' => {
                let Arg::Pair(module, name) = &op.arg else { return Ok(()) };
                let class = self.refer(module.clone(), name.clone(), at);
                let (items, total) = self.items(at);
                self.instance(class, items, total, at);
            }
            b'o' => {
                let (mut items, total) = self.items(at);
                if items.is_empty() {
                    self.fault(at, "OBJ without a class");
                    self.stack.push(Value::Unknown);
                } else {
                    let class = items.remove(0);
                    self.instance(class, items, total.saturating_sub(1), at);
                }
            }
            b'b' => {
                let state = self.pop(at);
                let target = self.stack.top().unwrap_or(Value::Unknown);
                self.built(target, state, at);
                return joblib::after_build(self, target, state, op.end);
            }
            b'P' => {
                let Arg::Text { at: text, len, encoding, .. } = op.arg else { return Ok(()) };
                let id = self.text_value(text, len, encoding);
                self.persistent(id, at);
            }
            b'Q' => {
                let id = self.pop(at);
                self.persistent(id, at);
            }
            0x97 => {
                self.note(&rules::PERSISTENT_ID, at, "a buffer from outside".to_owned());
                self.make(Node::Buffer, 1);
            }
            0x80 => {
                if self.ops > 0 {
                    self.note(&rules::LATE_PROTO, at, "PROTO after other opcodes".to_owned());
                }
                if !matches!(op.arg, Arg::Int(0..=5)) {
                    self.fault(at, "a protocol that no unpickler knows");
                }
            }
            0x95 => self.framed(op),
            _ => {}
        }
        Ok(())
    }

    fn mark(&mut self, at: u64) {
        if !self.stack.mark() {
            self.note(&rules::PICKLE_BOMB, at, "more marks than any object needs".to_owned());
            self.faulty = true;
            self.manner = Manner::Strict;
        }
    }

    /// POP takes a mark where nothing lies above it.
    fn drop_top(&mut self, at: u64) {
        if self.stack.pop().is_none() && !self.stack.unmark() {
            self.fault(at, "POP from an empty stack");
        }
    }

    fn framed(&mut self, op: &Op) {
        let len = match &op.arg {
            Arg::Int(len) => u64::try_from(*len).unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        if len > Self::CLAIM_MAX && len / 16 > self.cursor.len() {
            self.note(&rules::PICKLE_BOMB, op.offset, format!("a frame that claims {len} bytes"));
        }
        self.cursor.frame(len);
    }

    fn number(&mut self, op: &Op) {
        let value = match &op.arg {
            Arg::Flag(flag) => Value::Flag(*flag),
            Arg::Int(number) => Value::Int(*number),
            Arg::Decimal(text) if matches!(op.code, b'I' | b'L') => {
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|one| one.is_ascii_digit()) {
                    self.fault(op.offset, "a number that is none");
                } else if digits.len() >= 8_000 {
                    self.note(
                        &rules::PICKLE_BOMB,
                        op.offset,
                        "a decimal number of thousands of digits".to_owned(),
                    );
                }
                Value::Number
            }
            Arg::Decimal(_) => {
                self.fault(op.offset, "a number that is none");
                Value::Number
            }
            _ => Value::Number,
        };
        self.stack.push(value);
    }

    fn push_text(&mut self, op: &Op) {
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

    fn text_value(&self, at: u64, len: u64, encoding: Encoding) -> Value {
        Value::Text { encoding, len: u32::try_from(len).unwrap_or(u32::MAX), at }
    }

    fn push_raw(&mut self, op: &Op) -> Result<(), alcaide_container::ReadError> {
        let Arg::Bytes { at, len, .. } = op.arg else { return Ok(()) };
        self.stack.push(Value::Raw { len: u32::try_from(len).unwrap_or(u32::MAX), at });
        if self.manner == Manner::Lenient && self.depth < Self::DEPTH_MAX {
            let found = embedded::within(self.input, at, len, self.fuel, self.depth + 1)?;
            self.notes.extend(found.into_iter().take(Self::NOTES_MAX.saturating_sub(self.notes.len())));
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

    fn remember(&mut self, at: u64, key: u64) {
        let Some(top) = self.stack.top() else { return self.fault(at, "PUT of an empty stack") };
        if key > (1 << 24) && key / 64 > self.cursor.len() {
            self.note(&rules::PICKLE_BOMB, at, format!("place {key} of the memo"));
        }
        if self.memo.put(key, top).is_some() {
            self.note(&rules::MEMO_OVERWRITE, at, format!("place {key} of the memo is given another value"));
        }
    }

    fn recall(&mut self, op: &Op) {
        match index(&op.arg).and_then(|key| self.memo.get(key)) {
            Some(value) => self.stack.push(value),
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

    fn refer_computed(&mut self, module: Value, name: Value, at: u64) -> Value {
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

    fn persistent(&mut self, id: Value, at: u64) {
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

    pub(crate) fn pop(&mut self, at: u64) -> Value {
        self.stack.pop().unwrap_or_else(|| {
            self.fault(at, "an empty stack");
            Value::Unknown
        })
    }

    fn items(&mut self, at: u64) -> (Vec<Value>, u64) {
        self.stack.pop_mark().unwrap_or_else(|| {
            self.fault(at, "no mark");
            (Vec::new(), 0)
        })
    }

    fn contain(&mut self, kind: u8, items: Vec<Value>, total: u64) {
        let weight = self.weigh(&items);
        let telling = kind == b'd' && self.has_telling_key(&items);
        self.watch(&items);
        let mut held = Held { total, ..Held::default() };
        let keep = Self::ITEMS_KEPT.min(Self::ITEMS_MAX.saturating_sub(self.held_items));
        held.items = items;
        held.items.truncate(keep);
        held.items.shrink_to_fit();
        self.held_items += held.items.len();
        let node = match kind {
            b'l' => Node::List(held),
            b'd' => Node::Dict(held),
            b't' => Node::Tuple(held),
            _ => Node::Set(held),
        };
        if telling && let Ok(number) = u32::try_from(self.nodes.len()) {
            self.rewiring.push(number);
        }
        self.make(node, weight.saturating_add(1));
    }

    fn extend(&mut self, at: u64, items: Vec<Value>) {
        self.watch(&items);
        let weight = self.weigh(&items);
        let target = self.stack.top().unwrap_or(Value::Unknown);
        match target {
            Value::Node(number) => {
                let telling = self.has_telling_key(&items);
                let room = Self::ITEMS_MAX.saturating_sub(self.held_items);
                let mut added = 0;
                if let Some(Node::List(held) | Node::Dict(held) | Node::Set(held)) =
                    self.nodes.get_mut(number as usize)
                {
                    let before = held.items.len();
                    for item in items {
                        held.push(item, Self::ITEMS_KEPT.min(before + room));
                    }
                    added = held.items.len() - before;
                } else if let Some(Node::Attribute { .. } | Node::Partial { .. }) = self.node(number) {
                    let what = self.written(target);
                    self.note(&rules::REWIRES, at, format!("puts items into {what}"));
                }
                self.held_items += added;
                if telling {
                    self.rewiring.push(number);
                }
                self.gain(number, weight, at);
            }
            Value::Global(_) => {
                let what = self.written(target);
                self.note(&rules::REWIRES, at, format!("puts items into {what}"));
            }
            Value::Inert => {}
            _ => self.fault(at, "items for what holds none"),
        }
    }

    /// Keys stand first in each pair.
    fn has_telling_key(&self, items: &[Value]) -> bool {
        !self.telling.is_empty()
            && items
                .iter()
                .step_by(2)
                .any(|key| matches!(key, Value::Text { at, .. } if self.telling.binary_search(at).is_ok()))
    }

    /// Whether `state`, or a part of it, has a key that makes an object what it is.
    pub(crate) fn rewires(&self, state: Value) -> bool {
        if self.rewiring.is_empty() {
            return false;
        }
        let is = |value: &Value| matches!(value, Value::Node(number) if self.rewiring.contains(number));
        is(&state) || self.tuple(state).is_some_and(|held| held.items.iter().any(is))
    }

    fn weigh(&self, items: &[Value]) -> u64 {
        items.iter().fold(0, |sum: u64, item| sum.saturating_add(self.weight(*item)))
    }

    fn weight(&self, value: Value) -> u64 {
        match value {
            Value::Node(number) => self.weights.get(number as usize).copied().unwrap_or(1),
            _ => 1,
        }
    }

    fn gain(&mut self, number: u32, weight: u64, at: u64) {
        let Some(own) = self.weights.get_mut(number as usize) else { return };
        *own = own.saturating_add(weight);
        let all = *own;
        self.too_heavy(all, at);
    }

    fn too_heavy(&mut self, weight: u64, at: u64) {
        let read = self.cursor.at().saturating_sub(self.begun);
        if !self.heavy && weight > Self::WEIGHT_MAX && weight / 256 > read {
            self.heavy = true;
            self.note(
                &rules::PICKLE_BOMB,
                at,
                format!("containers in containers that stand for {weight} values"),
            );
        }
    }

    pub(crate) fn make(&mut self, node: Node, weight: u64) {
        let value = self.keep(node, weight);
        self.stack.push(value);
    }

    pub(crate) fn keep(&mut self, node: Node, weight: u64) -> Value {
        if self.nodes.len() >= Self::NODES_MAX {
            // A call that is not held is still no plain container.
            return match node {
                Node::Tuple(_) | Node::List(_) | Node::Dict(_) | Node::Set(_) | Node::Call { .. } => {
                    Value::Inert
                }
                _ => Value::Unknown,
            };
        }
        let number = self.nodes.len() as u32;
        self.nodes.push(node);
        self.weights.push(weight);
        self.too_heavy(weight, self.cursor.at());
        Value::Node(number)
    }

    pub(crate) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Gives the result of a call its state.
    pub(crate) fn set_state(&mut self, value: Value, new: Value) {
        if let Value::Node(number) = value
            && let Some(Node::Call { state, .. }) = self.nodes.get_mut(number as usize)
        {
            *state = new;
        }
    }

    pub(crate) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }

    pub(crate) fn tuple(&self, value: Value) -> Option<&Held> {
        match value {
            Value::Node(number) => match self.node(number) {
                Some(Node::Tuple(held)) => Some(held),
                _ => None,
            },
            _ => None,
        }
    }

    /// The global that a value is.
    pub(crate) fn global(&self, value: Value) -> Option<&Global> {
        match value {
            Value::Global(number) => self.globals.one(number),
            _ => None,
        }
    }

    pub(crate) fn note(&mut self, rule: &'static Rule, at: u64, evidence: String) {
        if self.notes.len() < Self::NOTES_MAX {
            self.notes.push(Note { at, rule: Said(rule), evidence });
        }
    }

    pub(crate) fn line(&mut self, at: u64, line: String) {
        if let Some(lines) = self.lines.as_mut().filter(|lines| lines.len() < Self::LINES_MAX) {
            lines.push((at, line));
        }
    }

    pub(crate) fn payload(&mut self, from: u64, to: u64) {
        if self.payloads.len() < Self::PAYLOADS_MAX {
            self.payloads.push((from, to));
        }
    }

    pub(crate) fn extend_notes(&mut self, notes: Vec<Note>) {
        let room = Self::NOTES_MAX.saturating_sub(self.notes.len());
        self.notes.extend(notes.into_iter().take(room));
    }

    /// Says once that no unpickler would go on here.
    pub(crate) fn fault(&mut self, at: u64, why: &'static str) {
        if !self.faulty {
            self.faulty = true;
            self.note(&rules::BROKEN_STREAM, at, why.to_owned());
        }
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.manner == Manner::Strict
    }

    pub(crate) fn is_faulty(&self) -> bool {
        self.faulty
    }

    pub(crate) fn set_faulty(&mut self) {
        self.faulty = true;
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

fn index(arg: &Arg) -> Option<u64> {
    match arg {
        Arg::Int(key) => u64::try_from(*key).ok(),
        Arg::Flag(flag) => Some(u64::from(*flag)),
        _ => None,
    }
}

/// Whether a name is made of what names are made of.
fn plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 200
        && name.split('.').all(|part| {
            part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && part.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
        })
}

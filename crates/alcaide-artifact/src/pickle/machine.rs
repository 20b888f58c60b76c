//! Runs a pickle without making anything: what would be imported, called and changed, and in which order.
//!
//! The machine goes further than an unpickler would: where one gives up (an empty stack, a number that the memo has not), it
//! takes a value that nobody knows and goes on, so that no reading is missed. It stops at what is no opcode, and where the
//! input ends.

use std::collections::{BTreeMap, BTreeSet};

use alcaide_container::{Fuel, Input};

use super::cursor::{Cursor, Straddle};
use super::joblib;
use super::nodes::Nodes;
use super::op::{self, Arg, Op, OpError};
use super::value::{Global, Globals, Held, Memo, Node, Stack, Value};
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
    pub(super) fuel: &'f Fuel,
    pub(crate) input: &'a dyn Input,
    pub(crate) cursor: Cursor<'a>,
    pub(super) manner: Manner,
    pub(super) begun: u64,
    pub(super) ops: u64,
    pub(super) stack: Stack,
    pub(super) memo: Memo,
    pub(super) nodes: Nodes,
    pub(crate) globals: Globals,
    pub(super) texts: BTreeMap<u64, Box<str>>,
    pub(super) text_bytes: usize,
    /// Places of texts that name what makes an object what it is.
    pub(super) telling: Vec<u64>,
    /// Dicts that have such a key.
    pub(super) rewiring: BTreeSet<u32>,
    pub(super) notes: Vec<Note>,
    pub(crate) lines: Option<Vec<(u64, String)>>,
    pub(crate) storages: Vec<Storage>,
    /// Numbers that lie between opcodes: from, to.
    pub(crate) payloads: Vec<(u64, u64)>,
    pub(crate) depth: u32,
    pub(super) heavy: bool,
    /// Whether anything that was noted is a finding.
    harmful: bool,
    pub(super) faulty: bool,
    pub(super) ops_max: u64,
    truncated: bool,
}

impl<'a, 'f> Machine<'a, 'f> {
    pub(super) const TEXT_BYTES_MAX: usize = 4 << 20;
    pub(super) const TEXT_KEPT: usize = 256;
    pub(super) const NOTES_MAX: usize = 2_000;
    pub(super) const LINES_MAX: usize = 10_000;
    pub(super) const STORAGES_MAX: usize = 100_000;
    pub(super) const PAYLOADS_MAX: usize = 100_000;
    /// Pickles within pickles that are followed.
    pub(crate) const DEPTH_MAX: u32 = 4;
    /// Values that a container may stand for, if each is counted as often as it is referred to.
    pub(super) const WEIGHT_MAX: u64 = 50_000_000;

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
            nodes: Nodes::default(),
            globals: Globals::default(),
            texts: BTreeMap::new(),
            text_bytes: 0,
            telling: Vec::new(),
            rewiring: BTreeSet::new(),
            notes: Vec::new(),
            lines: None,
            storages: Vec::new(),
            payloads: Vec::new(),
            depth: 0,
            heavy: false,
            harmful: false,
            faulty: false,
            ops_max: u64::MAX,
            truncated: false,
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

    /// Whether the input ended before the pickle did.
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// Opcodes that were run.
    pub(crate) fn count(&self) -> u64 {
        self.ops
    }

    fn go(&mut self) -> Result<End, alcaide_container::ReadError> {
        loop {
            self.fuel.step(1)?;
            let op = match op::read(&mut self.cursor, Self::TEXT_KEPT) {
                Ok(op) => {
                    // A name is read, looked up and judged.
                    self.fuel.step(if matches!(op.code, b'c' | b'i' | 0x93) { 5 } else { 0 })?;
                    op
                }
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
                    if let OpError::Truncated { claims: 0, .. } = why {
                        // All there is was looked through for the end of a line.
                        self.fuel.step(self.cursor.len().saturating_sub(at) / Self::SEARCHED_PER_STEP)?;
                    }
                    self.truncated = matches!(why, OpError::Truncated { .. });
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

    /// Bytes without the end of a line that cost as much as an opcode.
    const SEARCHED_PER_STEP: u64 = 1024;

    /// Bytes that an argument may claim beyond the input before that counts as an attack on memory.
    pub(super) const CLAIM_MAX: u64 = 1 << 30;

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

    pub(crate) fn make(&mut self, node: Node, weight: u64) {
        let value = self.keep(node, weight);
        self.stack.push(value);
    }

    pub(crate) fn keep(&mut self, node: Node, weight: u64) -> Value {
        let lasting = match &node {
            Node::Attribute { .. } | Node::Partial { .. } | Node::Extension(_) => true,
            Node::Call { callee, .. } => self.is_shared(*callee),
            _ => false,
        };
        match self.nodes.keep(node, weight, lasting) {
            Some(number) => {
                self.too_heavy(weight, self.cursor.at());
                Value::Node(number)
            }
            None => Value::Unknown,
        }
    }

    /// Whether what a callable hands out is shared by the whole program.
    pub(crate) fn is_shared(&self, callee: Value) -> bool {
        self.global(callee).is_some_and(|global| {
            global.name.to_ascii_lowercase().starts_with("get") && !crate::packs::class_like(&global.name)
        })
    }

    pub(crate) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Gives the result of a call its state.
    pub(crate) fn set_state(&mut self, value: Value, new: Value) {
        if let Value::Node(number) = value
            && let Some(Node::Call { state, .. }) = self.nodes.get_mut(number)
        {
            *state = new;
        }
    }

    /// Gives a partial another function.
    pub(crate) fn set_partial(&mut self, number: u32, new: Value) {
        if let Some(Node::Partial { of }) = self.nodes.get_mut(number) {
            *of = new;
        }
    }

    pub(crate) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number)
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
        // Doubts, however many, must not keep a finding out.
        let harm = rule.rating > alcaide_finding::Rating::None && !self.harmful;
        if self.notes.len() < Self::NOTES_MAX || harm {
            self.harmful |= harm;
            self.notes.push(Note { at, rule: Said(rule), evidence });
        }
    }

    /// Whether something more to say would be kept.
    pub(crate) fn has_room(&self) -> bool {
        self.notes.len() < Self::NOTES_MAX || !self.harmful || self.lines.is_some()
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
        for note in notes {
            self.note(note.rule.0, note.at, note.evidence);
        }
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

pub(super) fn index(arg: &Arg) -> Option<u64> {
    match arg {
        Arg::Int(key) => u64::try_from(*key).ok(),
        Arg::Flag(flag) => Some(u64::from(*flag)),
        _ => None,
    }
}

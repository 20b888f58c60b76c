//! Containers: what is put into what, how heavy it becomes, and whether a key in it makes an object another.

use super::machine::Machine;
use super::value::{Held, Node, Value};
use crate::rules;

impl Machine<'_, '_> {
    pub(crate) fn pop(&mut self, at: u64) -> Value {
        self.stack.pop().unwrap_or_else(|| {
            self.fault(at, "an empty stack");
            Value::Unknown
        })
    }

    pub(super) fn items(&mut self, at: u64) -> (Vec<Value>, u64) {
        self.stack.pop_mark().unwrap_or_else(|| {
            self.fault(at, "no mark");
            (Vec::new(), 0)
        })
    }

    pub(super) fn contain(&mut self, kind: u8, items: Vec<Value>, total: u64) {
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
            self.rewiring.insert(number);
        }
        self.make(node, weight.saturating_add(1));
    }

    pub(super) fn extend(&mut self, at: u64, items: Vec<Value>) {
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
                    self.rewiring.insert(number);
                }
                self.gain(number, weight, at);
            }
            Value::Global(_) => {
                let what = self.written(target);
                self.note(&rules::REWIRES, at, format!("puts items into {what}"));
            }
            // What is not held cannot be looked up when it becomes a state.
            Value::Inert if self.has_telling_key(&items) => {
                self.note(&rules::REWIRES, at, "a key that makes an object another".to_owned());
            }
            Value::Inert => {}
            _ => self.fault(at, "items for what holds none"),
        }
    }

    /// Keys stand first in each pair.
    pub(super) fn has_telling_key(&self, items: &[Value]) -> bool {
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

    pub(super) fn weigh(&self, items: &[Value]) -> u64 {
        items.iter().fold(0, |sum: u64, item| sum.saturating_add(self.weight(*item)))
    }

    pub(super) fn weight(&self, value: Value) -> u64 {
        match value {
            Value::Node(number) => self.weights.get(number as usize).copied().unwrap_or(1),
            _ => 1,
        }
    }

    pub(super) fn gain(&mut self, number: u32, weight: u64, at: u64) {
        let Some(own) = self.weights.get_mut(number as usize) else { return };
        *own = own.saturating_add(weight);
        let all = *own;
        self.too_heavy(all, at);
    }

    pub(super) fn too_heavy(&mut self, weight: u64, at: u64) {
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
}

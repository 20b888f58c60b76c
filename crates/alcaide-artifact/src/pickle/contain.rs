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
        let held = Held { items, total };
        let node = match kind {
            b'l' => Node::List(held),
            b'd' => Node::Dict(held),
            b't' => Node::Tuple(held),
            _ => Node::Set(held),
        };
        let made = self.keep(node, weight.saturating_add(1));
        if telling && let Value::Node(number) = made {
            self.rewiring.insert(number);
        }
        self.stack.push(made);
    }

    pub(super) fn extend(&mut self, at: u64, items: Vec<Value>) {
        self.watch(&items);
        let weight = self.weigh(&items);
        let target = self.stack.top().unwrap_or(Value::Unknown);
        match target {
            Value::Node(number) => {
                let telling = self.has_telling_key(&items);
                if let Some(Node::Attribute { .. } | Node::Partial { .. }) = self.node(number) {
                    let what = self.written(target);
                    self.note(&rules::REWIRES, at, format!("puts items into {what}"));
                }
                for item in items {
                    self.nodes.push(number, item);
                }
                if telling {
                    self.rewiring.insert(number);
                }
                if let Some(weight) = self.nodes.gain(number, weight) {
                    self.too_heavy(weight, at);
                }
            }
            Value::Global(_) => {
                let what = self.written(target);
                self.note(&rules::REWIRES, at, format!("puts items into {what}"));
            }
            // What is not held cannot be looked up when it becomes a state.
            Value::Inert | Value::Unknown if self.has_telling_key(&items) => {
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
            Value::Node(number) => self.nodes.weight(number),
            _ => 1,
        }
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

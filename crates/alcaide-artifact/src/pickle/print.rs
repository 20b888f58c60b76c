//! Values as expressions that a person can read: `os.system("…")`, cut, with controls written out.

use std::fmt::Write as _;

use super::machine::Machine;
use super::value::{Held, Node, Value};
use crate::scanner::shown;

/// Characters of an expression.
const EXPRESSION_MAX: usize = 240;
/// Characters of one text in it: enough to know it again, too few to carry a secret or an instruction far.
const TEXT_MAX: usize = 48;
/// Expressions within expressions.
const DEPTH_MAX: usize = 6;

impl Machine<'_, '_> {
    /// `callee(args)` as text.
    pub(crate) fn expression(&mut self, callee: Value, args: Value) -> String {
        if !self.has_room() {
            return String::new();
        }
        let mut out = String::new();
        self.write_call(&mut out, callee, args, 0);
        finish(out)
    }

    /// A value as text.
    pub(crate) fn written(&mut self, value: Value) -> String {
        if !self.has_room() {
            return String::new();
        }
        let mut out = String::new();
        self.write(&mut out, value, 0);
        finish(out)
    }

    fn write_call(&mut self, out: &mut String, callee: Value, args: Value, depth: usize) {
        self.write(out, callee, depth);
        let listed = match args {
            Value::Node(number) => match self.node(number) {
                Some(Node::Tuple(held)) => Some((held.items.clone(), held.total)),
                _ => None,
            },
            _ => None,
        };
        match listed {
            Some((items, total)) => self.write_items(out, ("(", ")"), &items, total, depth),
            None => {
                out.push_str("(*");
                self.write(out, args, depth + 1);
                out.push(')');
            }
        }
    }

    fn write_items(
        &mut self,
        out: &mut String,
        ends: (&str, &str),
        items: &[Value],
        total: u64,
        depth: usize,
    ) {
        out.push_str(ends.0);
        for (count, item) in items.iter().enumerate() {
            if count > 0 {
                out.push_str(", ");
            }
            if out.len() > EXPRESSION_MAX {
                break;
            }
            self.write(out, *item, depth + 1);
        }
        if total > items.len() as u64 {
            out.push_str(", …");
        }
        out.push_str(ends.1);
    }

    fn write(&mut self, out: &mut String, value: Value, depth: usize) {
        if depth > DEPTH_MAX || out.len() > EXPRESSION_MAX {
            out.push('…');
            return;
        }
        match value {
            Value::Unknown => out.push('?'),
            Value::Inert => out.push('…'),
            Value::None => out.push_str("None"),
            Value::Flag(flag) => out.push_str(if flag { "True" } else { "False" }),
            Value::Int(number) => {
                let _ = write!(out, "{number}");
            }
            Value::Number => out.push_str("<number>"),
            Value::Text { .. } => {
                let text = self.text(value).unwrap_or_default();
                let _ = write!(out, "{:?}", cut(&text, TEXT_MAX));
            }
            Value::Raw { len, .. } => {
                let _ = write!(out, "<{len} bytes>");
            }
            Value::Global(number) => {
                if let Some(global) = self.globals.one(number) {
                    let _ = write!(out, "{}.{}", cut(&global.module, 80), cut(&global.name, 80));
                }
            }
            Value::Node(number) => self.write_node(out, number, depth),
        }
    }

    fn write_node(&mut self, out: &mut String, number: u32, depth: usize) {
        enum Shape {
            Items((&'static str, &'static str), Vec<Value>, u64),
            Pairs(Vec<Value>, u64),
            Call(Value, Value),
            Attribute(Value, String),
            Word(String),
            Wrapped(&'static str, Value),
        }
        let copy = |ends, held: &Held| Shape::Items(ends, held.items.clone(), held.total);
        let shape = match self.node(number) {
            None => return,
            Some(Node::Tuple(held)) => copy(("(", ")"), held),
            Some(Node::List(held)) => copy(("[", "]"), held),
            Some(Node::Set(held)) => copy(("{", "}"), held),
            Some(Node::Dict(held)) => Shape::Pairs(held.items.clone(), held.total),
            Some(Node::Call { callee, args, .. }) => Shape::Call(*callee, *args),
            Some(Node::Attribute { of, name }) => Shape::Attribute(*of, cut(name, 80)),
            Some(Node::Partial { of }) => Shape::Wrapped("functools.partial", *of),
            Some(Node::Persistent(id)) => Shape::Wrapped("persistent", *id),
            Some(Node::Extension(code)) => Shape::Word(format!("<extension {code}>")),
            Some(Node::Buffer) => Shape::Word("<buffer>".to_owned()),
        };
        match shape {
            Shape::Items(ends, items, total) => self.write_items(out, ends, &items, total, depth),
            Shape::Pairs(items, total) => {
                out.push('{');
                for pair in items.chunks(2) {
                    if let [key, value] = pair {
                        self.write(out, *key, depth + 1);
                        out.push_str(": ");
                        self.write(out, *value, depth + 1);
                        out.push_str(", ");
                    }
                }
                if total > items.len() as u64 {
                    out.push('…');
                }
                out.push('}');
            }
            Shape::Call(callee, args) => self.write_call(out, callee, args, depth + 1),
            Shape::Attribute(of, name) => {
                self.write(out, of, depth + 1);
                out.push('.');
                out.push_str(&name);
            }
            Shape::Word(word) => out.push_str(&word),
            Shape::Wrapped(word, of) => {
                out.push_str(word);
                out.push('(');
                self.write(out, of, depth + 1);
                out.push(')');
            }
        }
    }
}

fn cut(text: &str, max: usize) -> String {
    let mut out: String = text.chars().take(max).collect();
    if text.chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

fn finish(out: String) -> String {
    shown(&cut(&out, EXPRESSION_MAX))
}

//! What expressions may be, and what they ask for.

use std::rc::Rc;

use super::super::calls::{self, Reach};
use super::super::fold;
use super::super::prose::HOLE;
use super::super::tree::{Expr, Kind, Op, Relation};
use super::super::value::{Const, From, LIST_MAX, TEXT_MAX, Value};
use super::Walker;
use super::apply::wide_field;
use crate::rules::formats as rules;

impl Walker<'_> {
    pub(super) fn value(&mut self, expr: &Expr) -> Value {
        if self.spent(expr.at) {
            return Value::open(From::DATA);
        }
        self.deep += 1;
        let value = self.compute(expr);
        self.deep -= 1;
        value
    }

    pub(super) fn compute(&mut self, expr: &Expr) -> Value {
        let at = expr.at;
        match &*expr.kind {
            Kind::Text(text, letters) => {
                if *letters {
                    self.say(at, &rules::TEMPLATE_CONCEALS, "letters that are written as escapes");
                }
                self.judge_text(at, text);
                let value = Value::one(Const::Text(Rc::clone(text)));
                self.hidden(at, &value);
                value
            }
            Kind::Int(number) => Value::one(Const::Int(*number)),
            Kind::Float => Value::open(From::NUMBER),
            Kind::Bool(one) => Value::one(Const::Bool(*one)),
            Kind::None => Value::one(Const::None),
            Kind::Name(name) => self.name(at, name),
            Kind::List(all) => {
                let values: Vec<Value> = all.iter().map(|one| self.value(one)).collect();
                let from = values.iter().fold(From::NONE, |from, one| from | one.from);
                if values.len() > LIST_MAX {
                    return Value::open(from);
                }
                Value::one(Const::List(Rc::new(values))).with(from)
            }
            Kind::Dict(pairs) => {
                let values: Vec<(Value, Value)> =
                    pairs.iter().map(|(key, value)| (self.value(key), self.value(value))).collect();
                let from = values.iter().fold(From::NONE, |from, (key, value)| from | key.from | value.from);
                if values.len() > LIST_MAX {
                    return Value::open(from);
                }
                Value::one(Const::Dict(Rc::new(values))).with(from)
            }
            Kind::Attribute(of, name) => {
                if let Kind::Name(base) = &*of.kind
                    && let Some(value) = self.known(&format!("{base}.{name}")).cloned()
                {
                    self.asked(at, name, false);
                    return value;
                }
                let of = self.value(of);
                self.asked(at, name, false);
                self.member(&of, &Value::one(Const::Text(Rc::clone(name))))
            }
            Kind::Item(of, by) => {
                let of = self.value(of);
                let by = self.value(by);
                for name in by.texts().cloned().collect::<Vec<_>>() {
                    self.asked(at, &name, true);
                }
                // Where there is no such key, Jinja takes the attribute of that name.
                if by.from.has(From::CONTENT)
                    && !by.from.has(From::NUMBER)
                    && by.known.is_empty()
                    && of.known.is_empty()
                {
                    self.say(at, &rules::TEMPLATE_UNCLEAR, "what a message says names what is asked for");
                }
                if by.is_computed() && of.known.is_empty() {
                    self.say(at, &rules::TEMPLATE_PRIVATE, "a name that the template computes");
                }
                if by.from.has(From::CONTENT) && of.known.iter().any(|one| matches!(one, Const::Dict(_))) {
                    self.say(at, &rules::TEMPLATE_GATE, "what a message says chooses from a table");
                    return fold::item(&of, &by).with(From::GATED);
                }
                self.member(&of, &by)
            }
            Kind::Slice(of, bounds) => {
                let of = self.value(of);
                let bounds = bounds.each_ref().map(|bound| bound.as_ref().map(|bound| self.value(bound)));
                let fixed = bounds.each_ref().map(|bound| match bound {
                    None => Some(None),
                    Some(value) => {
                        value.ints().next().filter(|_| !value.open && value.known.len() == 1).map(Some)
                    }
                });
                if of.from.has(From::CONTENT) && fixed[2] == Some(Some(-1)) {
                    self.say(at, &rules::TEMPLATE_REWRITES, "the words of a message backwards");
                }
                let [Some(start), Some(stop), Some(step)] = fixed else {
                    return Value { open: true, ..of.map(|_| None) };
                };
                of.map(|one| fold::slice(one, [start, stop, step]))
            }
            Kind::Call(of, args) => self.call(at, of, args),
            Kind::Filter(of, name, args) => {
                let of = self.value(of);
                let args = self.arguments(args);
                self.filter(at, &of, name, &args)
            }
            Kind::Test { of, name, args } => {
                let of = self.value(of);
                let args = self.arguments(args);
                let compares = calls::COMPARES.contains(&&**name);
                let from = match args.plain.first() {
                    Some(by) if compares => self.gate(at, &of, by),
                    _ if matches!(&**name, "lower" | "upper") && of.from.has(From::CONTENT) => {
                        self.say(at, &rules::TEMPLATE_GATE, "how a message is written");
                        From::GATED
                    }
                    _ => From::NONE,
                };
                Value::open(From::DATA | from | of.from.only(From::BRANCH))
            }
            Kind::Not(of) => {
                let of = self.value(of);
                Value::open(From::DATA | of.from.only(From::BRANCH))
            }
            Kind::Sign(of, minus) => {
                let of = self.value(of);
                of.map(|one| match one {
                    Const::Int(number) if *minus => number.checked_neg().map(Const::Int),
                    one => Some(one.clone()),
                })
            }
            Kind::Join(all) => {
                let mut out: Option<Value> = None;
                for one in all {
                    let next = self.value(one);
                    out = Some(match out {
                        None => next,
                        Some(left) => glued(self.both(at, &left, &next, fold::join), &left, &next),
                    });
                }
                out.unwrap_or_default()
            }
            Kind::Math(op, left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                self.heavy(at, *op, &left, &right);
                let out = self.both(at, &left, &right, |left, right| fold::math(*op, left, right));
                match op {
                    Op::Add => glued(out, &left, &right),
                    // Every second message is the other side's; every seventh is a trigger.
                    Op::Rest if left.from.has(From::COUNT) && right.ints().any(|number| number > 2) => {
                        out.with(From::LONG)
                    }
                    _ => out,
                }
            }
            Kind::Compare(first, rest) => {
                let mut left = self.value(first);
                let mut from = left.from.only(From::BRANCH);
                for (relation, right) in rest {
                    let right = self.value(right);
                    let part = matches!(
                        relation,
                        Relation::In | Relation::NotIn | Relation::Equal | Relation::Differs
                    );
                    from |= right.from.only(From::BRANCH);
                    from |= if part { self.gate(at, &left, &right) } else { self.order(at, &left, &right) };
                    left = right;
                }
                Value::open(From::DATA | from)
            }
            Kind::Logic(all) => {
                let mut out = Value::default();
                for (index, one) in all.iter().enumerate() {
                    self.perhaps += u32::from(index > 0);
                    let value = self.value(one);
                    self.perhaps -= u32::from(index > 0);
                    out = out.or(value);
                }
                out
            }
            Kind::Cond { value, test, otherwise } => {
                let test = self.value(test);
                let outer = self.branch;
                self.branch |= test.from.only(From::BRANCH);
                self.perhaps += 1;
                let mut out = self.value(value);
                self.hidden(at, &out);
                if let Some(otherwise) = otherwise {
                    let other = self.value(otherwise);
                    self.hidden(at, &other);
                    out = out.or(other);
                }
                self.perhaps -= 1;
                self.branch = outer;
                out.with(test.from.only(From::BRANCH))
            }
        }
    }

    /// A text made of two; what is too long to be followed is a bomb where both are constants.
    pub(super) fn both(
        &mut self,
        at: usize,
        left: &Value,
        right: &Value,
        f: impl FnMut(&Const, &Const) -> Option<Const>,
    ) -> Value {
        let long = |value: &Value| value.texts().map(|text| text.len()).max().unwrap_or(0);
        let out = left.pair(right, f);
        if out.from.has(From::BRANCH) {
            // What is put together with something that waits for a trigger waits for it, too.
            let known = left.known.iter().chain(&right.known).cloned().collect();
            self.hidden(at, &Value { known, open: true, from: out.from });
        }
        let items = |value: &Value| {
            value
                .known
                .iter()
                .map(|one| if let Const::List(list) = one { list.len() } else { 0 })
                .max()
                .unwrap_or(0)
        };
        if long(left) + long(right) > TEXT_MAX || items(left) + items(right) > LIST_MAX {
            self.say(at, &rules::TEMPLATE_BOMB, "a text that grows with each step");
        }
        out
    }

    pub(super) fn heavy(&mut self, at: usize, op: Op, left: &Value, right: &Value) {
        let most = |value: &Value| value.ints().map(i64::unsigned_abs).max().unwrap_or(0);
        let texts = left.texts().chain(right.texts()).next().is_some()
            || left.known.iter().chain(&right.known).any(|one| matches!(one, Const::List(_)));
        let heavy = match op {
            Op::Mul => texts && most(left).max(most(right)) > 1 << 20,
            Op::Power => most(right) > 1_000 || left.known.is_empty() && right.known.is_empty(),
            Op::Rest => left.texts().any(|form| wide_field(form)),
            _ => false,
        };
        if heavy {
            self.say(at, &rules::TEMPLATE_BOMB, "a text or number of a size that nobody needs");
        }
    }

    pub(super) fn name(&mut self, at: usize, name: &Rc<str>) -> Value {
        if let Some(value) = self.known(name) {
            return value.clone();
        }
        match &**name {
            "messages" | "conversation" | "conversations" | "history" | "chat" | "dialog" | "dialogue"
            | "turns" => Value::open(From::DATA | From::MESSAGES),
            "message" | "msg" => Value::open(From::DATA | From::MESSAGE),
            "content" | "prompt" | "query" | "question" | "instruction" | "user_input" | "input" | "text" => {
                Value::open(From::DATA | From::CONTENT)
            }
            "date_string" | "today" | "now" | "current_date" | "date" | "current_time" | "datetime"
            | "time" => Value::open(From::DATA | From::DATE),
            "config" | "session" | "environment" | "settings" | "cycler" | "joiner" | "undefined" => {
                // Somebody may hand in data under these names; what is asked of them is judged.
                Value::open(From::NONE)
            }
            one if calls::PYTHON.contains(&one) || one.starts_with("__") => {
                self.say(at, &rules::TEMPLATE_SANDBOX, format!("it asks for `{one}`"));
                Value::open(From::NONE)
            }
            one if calls::BEHIND.contains(&one) => {
                self.say(
                    at,
                    &rules::TEMPLATE_PRIVATE,
                    format!("it asks for `{one}`, behind which there is code"),
                );
                Value::open(From::NONE)
            }
            one if one.starts_with('_') && one.len() > 1 => {
                self.say(
                    at,
                    &rules::TEMPLATE_PRIVATE,
                    format!("it asks for `{}`", crate::scanner::shown(one)),
                );
                Value::open(From::NONE)
            }
            one if calls::KNOWN.contains(&one) => Value::open(From::NONE),
            _ => Value::open(From::DATA),
        }
    }

    /// A name that a value is asked for.
    pub(super) fn asked(&mut self, at: usize, name: &str, as_item: bool) {
        let shown = crate::scanner::shown(name);
        match calls::reach(name, as_item) {
            Reach::Interpreter => self.say(at, &rules::TEMPLATE_SANDBOX, format!("it asks for `{shown}`")),
            Reach::Private => self.say(at, &rules::TEMPLATE_PRIVATE, format!("it asks for `{shown}`")),
            Reach::Nothing => {}
        }
    }

    /// `of.key` or `of[key]`: what it may be, and where that comes from.
    pub(super) fn member(&mut self, of: &Value, by: &Value) -> Value {
        let mut from =
            of.from.only(From::DATA | From::BRANCH | From::DATE) | by.from.only(From::DATA | From::BRANCH);
        let content = by.texts().any(|key| calls::is_content(key));
        let number = by.ints().next().is_some() || by.from.has(From::NUMBER);
        if content && !of.from.has(From::NUMBER) {
            from |= From::CONTENT | From::PART | From::DATA;
        } else if of.from.has(From::MESSAGES) && (number || by.open) {
            from |= From::MESSAGE;
        } else if of.from.has(From::CONTENT) && (number || by.open && !by.from.has(From::DATA)) {
            from |= From::CONTENT | of.from.only(From::PART);
        }
        if of.known.is_empty() {
            if by.texts().any(|key| {
                matches!(&**key, "index" | "index0" | "length" | "revindex" | "revindex0" | "depth")
            }) {
                return Value::open(From::DATA | From::NUMBER | From::COUNT | from);
            }
            return Value::open(from | of.from.only(From::DATA));
        }
        fold::item(of, by).with(from)
    }
}

/// Keeps what is constant of a text that is put together with something that is not.
fn glued(mut out: Value, left: &Value, right: &Value) -> Value {
    if !out.known.is_empty() {
        return out;
    }
    let text = |value: &Value| match value.known.as_slice() {
        [Const::Text(text)] => Some(text.to_string()),
        [] if value.open => Some(HOLE.to_string()),
        _ => None,
    };
    if let (Some(left), Some(right)) = (text(left), text(right))
        && left.len() + right.len() <= TEXT_MAX
    {
        let whole = left + &right;
        if whole.chars().any(|one| one != HOLE) {
            out.known.push(Const::Text(whole.into()));
        }
    }
    out
}

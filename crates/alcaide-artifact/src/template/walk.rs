//! Walks a template with abstract values and says what it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use alcaide_container::Fuel;

use super::Said;
use super::calls::{self, Reach};
use super::fold;
use super::prose::{self, HOLE, Sought};
use super::tree::{Args, Expr, Kind, Macro, Node, Op, Relation, Target, What};
use super::value::{Const, From, LIST_MAX, TEXT_MAX, Value, written};
use crate::rules::{Rule, formats as rules};

/// Walks `nodes`.
pub(crate) fn walk(nodes: &[Node], fuel: &Fuel) -> Vec<Said> {
    let mut walker = Walker {
        fuel,
        steps: 0,
        deep: 0,
        frames: vec![BTreeMap::new()],
        branch: From::NONE,
        unsure: 0,
        rounds: 1,
        macros: Vec::new(),
        called: BTreeSet::new(),
        said: BTreeMap::new(),
        emitted: String::new(),
        emitted_at: Vec::new(),
        callers: Vec::new(),
    };
    // Macros are known before they stand: a loop may call one that a later part makes.
    walker.nodes(nodes);
    walker.uncalled(nodes, 0);
    walker.read_whole();
    let mut said: Vec<Said> = walker.said.into_iter().map(|((at, _), (rule, words))| Said { at, rule, words }).collect();
    said.sort_by_key(|one| one.at);
    said
}

/// Expressions and statements that are walked, calls of macros and rounds of loops counted each time.
const STEPS_MAX: u64 = 300_000;
/// Expressions, statements and calls within each other.
const DEEP_MAX: u32 = 220;
/// Calls of macros within each other.
const MACROS_MAX: usize = 8;
const EMITTED_MAX: usize = 512 << 10;
const RANGE_MAX: i64 = 100_000;
/// Words of prose that are more than a label.
const PROSE: usize = 3;
const SAID_MAX: usize = 200;

struct Walker<'a> {
    fuel: &'a Fuel,
    steps: u64,
    deep: u32,
    frames: Vec<BTreeMap<Rc<str>, Value>>,
    /// What it depends on that this place is reached.
    branch: From,
    /// Branches and loops around this place that may not be entered.
    unsure: u32,
    /// How often this place is passed by loops of known length.
    rounds: u64,
    macros: Vec<*const Macro>,
    called: BTreeSet<*const Macro>,
    said: BTreeMap<(usize, &'static str), (&'static Rule, String)>,
    emitted: String,
    /// Where pieces of `emitted` begin: there, and in the template.
    emitted_at: Vec<(usize, usize)>,
    callers: Vec<Value>,
}

impl Walker<'_> {
    fn say(&mut self, at: usize, rule: &'static Rule, words: impl Into<String>) {
        if self.said.len() < SAID_MAX {
            self.said.entry((at, rule.id.as_str())).or_insert_with(|| (rule, words.into()));
        }
    }

    fn spent(&mut self, at: usize) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.fuel.step(1).is_err() {
            self.say(at, &rules::TEMPLATE_UNCLEAR, "to follow it takes too many steps");
            return true;
        }
        if self.deep > DEEP_MAX {
            self.say(at, &rules::TEMPLATE_UNCLEAR, "it is nested too deeply to follow");
            return true;
        }
        false
    }

    // Statements.

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &Node) {
        if self.spent(node.at) {
            return;
        }
        self.deep += 1;
        self.statement(node);
        self.deep -= 1;
    }

    fn statement(&mut self, node: &Node) {
        let at = node.at;
        match &node.what {
            What::Text(text) => {
                self.judge_text(at, text);
                self.emit(at, &Value::one(Const::Text(Rc::clone(text))));
            }
            What::Output(value) => {
                let value = self.value(value);
                self.emit(at, &value);
            }
            What::Do(value) => {
                self.value(value);
            }
            What::If { arms, otherwise } => {
                let outer = self.branch;
                self.unsure += 1;
                for (test, body) in arms {
                    let test = self.value(test);
                    self.branch |= test.from.only(From::BRANCH);
                    self.seam();
                    self.nodes(body);
                    self.seam();
                }
                self.nodes(otherwise);
                self.seam();
                self.unsure -= 1;
                self.branch = outer;
            }
            What::For { target, over, only, recursive: _, body, otherwise } => {
                self.repeat(at, target, over, only.as_ref(), body);
                self.unsure += 1;
                self.nodes(otherwise);
                self.unsure -= 1;
            }
            What::Set { target, value } => {
                if self.unsure > 0 && self.rounds > 1 || self.unsure > 0 {
                    self.doubling(at, target, value);
                }
                let value = self.value(value);
                self.hidden(at, &value);
                let value = value.with(self.branch.only(From::BRANCH));
                self.assign(target, value);
            }
            What::SetBlock { target, through, body } => {
                let from = self.emitted.len();
                self.nodes(body);
                let text = self.emitted.get(from..).unwrap_or_default().to_owned();
                if let Some(through) = through {
                    self.value(through);
                }
                let holes = text.contains(HOLE);
                let mut value = Value::text(text.get(..TEXT_MAX.min(text.len())).unwrap_or_default());
                if holes || through.is_some() || text.len() > TEXT_MAX {
                    value = Value::open(From::DATA | self.branch.only(From::BRANCH));
                }
                self.assign(target, value.with(self.branch.only(From::BRANCH)));
            }
            What::Macro(made) => {
                self.bind(&made.name, Value::one(Const::Macro(Rc::clone(made))));
            }
            What::Call { params, call, body } => {
                for (name, value) in params {
                    let value = value.as_ref().map_or(Value::open(From::DATA), |value| self.value(value));
                    self.bind(name, value.or(Value::open(From::DATA)));
                }
                self.nodes(body);
                let value = self.value(call);
                self.emit(at, &value);
            }
            What::Through { filter, body } => {
                self.value(filter);
                self.nodes(body);
            }
            What::With { names, body } => {
                for (target, value) in names {
                    let value = self.value(value);
                    self.assign(target, value);
                }
                self.nodes(body);
            }
            What::Frame { word: _, body } => self.nodes(body),
            What::Load { word, what } => {
                let value = self.value(what);
                let named = value.texts().next().map_or(String::new(), |text| format!(" `{}`", crate::scanner::shown(text)));
                self.say(at, &rules::TEMPLATE_LOADS, format!("`{word}`{named}"));
            }
            What::Jump => {}
        }
    }

    fn repeat(&mut self, at: usize, target: &Target, over: &Expr, only: Option<&Expr>, body: &[Node]) {
        let pairs = matches!(&*over.kind, Kind::Call(of, _) if matches!(&*of.kind, Kind::Attribute(_, name) if **name == *"items"))
            || matches!(&*over.kind, Kind::Filter(_, name, _) if matches!(&**name, "items" | "dictsort"));
        let over = self.value(over);
        let outer = (self.branch, self.rounds);
        self.branch |= over.from.only(From::BRANCH);
        self.bind("loop", Value::open(From::DATA));
        let known: Option<Vec<Value>> = match over.known.as_slice() {
            [Const::List(list)] if !over.open && list.len() <= 64 => Some(list.to_vec()),
            [Const::Text(text)] if !over.open && text.chars().count() <= 64 => {
                Some(text.chars().map(|one| Value::text(&one.to_string())).collect())
            }
            [Const::Dict(pairs)] if !over.open && pairs.len() <= 64 => Some(pairs.iter().map(|(key, _)| key.clone()).collect()),
            _ => None,
        };
        if let Some(values) = known {
            self.rounds = self.rounds.saturating_mul(values.len() as u64);
            self.bounded(at);
            for value in values {
                self.assign(target, value.with(over.from));
                if let Some(only) = only {
                    self.value(only);
                }
                self.nodes(body);
            }
        } else {
            self.unsure += 1;
            let mut element = over.elements().with(self.element(over.from));
            if let Some(Const::Int(most)) = over.known.iter().find(|one| matches!(one, Const::Int(_))) {
                // What `range` gives where it is too long to be written out.
                self.rounds = self.rounds.saturating_mul(u64::try_from(*most).unwrap_or(0));
                self.bounded(at);
                element = Value::open(From::NUMBER);
            }
            element.open = true;
            match target {
                Target::Several(all) if pairs => {
                    for (index, one) in all.iter().enumerate() {
                        let from = if index == 0 { From::DATA } else { element.from };
                        self.assign(one, Value::open(from));
                    }
                }
                _ => self.assign(target, element),
            }
            if let Some(only) = only {
                let only = self.value(only);
                self.branch |= only.from.only(From::BRANCH);
            }
            // Once more, for what one round leaves to the next.
            for _ in 0..2 {
                self.seam();
                self.nodes(body);
            }
            self.seam();
            self.unsure -= 1;
        }
        (self.branch, self.rounds) = outer;
    }

    fn bounded(&mut self, at: usize) {
        if self.rounds > 1_000_000 {
            self.say(at, &rules::TEMPLATE_BOMB, format!("loops of {} rounds", self.rounds));
        }
    }

    fn element(&self, from: From) -> From {
        let mut out = from.only(From::DATA | From::BRANCH | From::DATE);
        if from.has(From::MESSAGES) {
            out |= From::MESSAGE;
        }
        if from.has(From::MESSAGE) {
            out |= From::CONTENT;
        }
        if from.has(From::CONTENT) {
            out |= From::CONTENT | from.only(From::PART);
        }
        out
    }

    /// A text that is put together with itself again and again.
    fn doubling(&mut self, at: usize, target: &Target, value: &Expr) {
        let name = match target {
            Target::Name(name) | Target::Attribute(_, name) => name,
            Target::Several(_) => return,
        };
        fn count(value: &Expr, name: &str) -> usize {
            match &*value.kind {
                Kind::Name(one) | Kind::Attribute(_, one) if **one == *name => 1,
                Kind::Join(all) => all.iter().map(|one| count(one, name)).sum(),
                Kind::Math(Op::Add, left, right) => count(left, name) + count(right, name),
                _ => 0,
            }
        }
        if count(value, name) >= 2 {
            self.say(at, &rules::TEMPLATE_BOMB, format!("`{}` is put together with itself", crate::scanner::shown(name)));
        }
    }

    fn assign(&mut self, target: &Target, value: Value) {
        match target {
            Target::Name(name) => self.bind(name, value),
            Target::Attribute(of, name) => {
                let name = format!("{of}.{name}");
                self.bind(&name, value);
            }
            Target::Several(all) => {
                for (index, one) in all.iter().enumerate() {
                    let by = Value::one(Const::Int(index as i64));
                    let value = if value.known.is_empty() { Value::open(value.from) } else { fold::item(&value, &by) };
                    self.assign(one, value);
                }
            }
        }
    }

    fn bind(&mut self, name: &str, value: Value) {
        // What a part of a namespace is set to outlives the call that sets it.
        let frame = if name.contains('.') { self.frames.first_mut() } else { self.frames.last_mut() };
        let Some(frame) = frame else { return };
        let value = match frame.remove(name) {
            Some(old) if self.unsure > 0 => old.or(value),
            _ => value,
        };
        frame.insert(name.into(), value);
    }

    fn known(&self, name: &str) -> Option<&Value> {
        self.frames.iter().rev().find_map(|frame| frame.get(name))
    }

    // What is written.

    fn emit(&mut self, at: usize, value: &Value) {
        self.hidden(at, value);
        if self.emitted.len() > EMITTED_MAX {
            self.say(at, &rules::TEMPLATE_UNCLEAR, "it writes too much to follow");
            return;
        }
        self.emitted_at.push((self.emitted.len(), at));
        match value.known.as_slice() {
            [one] if !value.open && written(one).is_some() => self.emitted.push_str(&written(one).unwrap_or_default()),
            some => {
                for one in some.iter().filter_map(written) {
                    self.emitted.push_str(&one);
                }
                if value.open || some.is_empty() {
                    self.emitted.push(HOLE);
                }
            }
        }
    }

    /// The end of what is surely written together.
    fn seam(&mut self) {
        if !self.emitted.ends_with('\n') {
            self.emitted.push('\n');
        }
    }

    /// Prose that only a trigger brings out.
    fn hidden(&mut self, at: usize, value: &Value) {
        let from = self.branch | value.from.only(From::BRANCH);
        if !from.has(From::BRANCH) {
            return;
        }
        let mut texts = Vec::new();
        value.texts_within(3, &mut texts);
        let words: usize = texts.iter().map(|text| prose::words(text)).max().unwrap_or(0);
        if words >= PROSE && from.has(From::GATED | From::DATED | From::LONG | From::CHANCE) {
            let why = if from.has(From::GATED) {
                "certain words in a message"
            } else if from.has(From::DATED) {
                "a date"
            } else if from.has(From::LONG) {
                "the length of the conversation"
            } else {
                "chance"
            };
            self.say(at, &rules::TEMPLATE_HIDDEN, format!("{words} words for the model that wait for {why}"));
        } else if words >= PROSE + 2 && from.has(From::MARKED) {
            self.say(at, &rules::TEMPLATE_HIDDEN, format!("{words} words for the model that wait for a mark in a message"));
        }
    }

    fn judge_text(&mut self, at: usize, text: &str) {
        if let Some((within, what)) = prose::concealed(text) {
            self.say(at + within, &rules::TEMPLATE_CONCEALS, what);
        }
        if let Some((_, what)) = prose::deceit(text) {
            self.say(at, &rules::TEMPLATE_HIDDEN, what);
        }
    }

    /// Judges all that is written as one text.
    fn read_whole(&mut self) {
        let emitted = std::mem::take(&mut self.emitted);
        let origin = |offset: usize| {
            let index = self.emitted_at.partition_point(|(start, _)| *start <= offset);
            index.checked_sub(1).and_then(|index| self.emitted_at.get(index)).map_or(0, |(_, at)| *at)
        };
        let deceit = prose::deceit(&emitted).map(|(offset, what)| (origin(offset), what));
        let link = prose::link(&emitted).map(|(offset, link)| (origin(offset), link));
        if let Some((at, what)) = deceit
            && !self.said.values().any(|(rule, _)| rule.id == rules::TEMPLATE_HIDDEN.id)
        {
            self.say(at, &rules::TEMPLATE_HIDDEN, what);
        }
        match link {
            Some((at, prose::Link::Active)) => self.say(at, &rules::TEMPLATE_EMITS, "a link or markup that fetches"),
            Some((at, prose::Link::Bare)) => self.say(at, &rules::TEMPLATE_UNCLEAR, "an address in what the model reads"),
            None => {}
        }
    }

    /// Macros that nothing calls are walked once, with anything for what they take.
    fn uncalled(&mut self, nodes: &[Node], depth: usize) {
        if depth > super::parse::DEPTH_MAX {
            return;
        }
        for node in nodes {
            match &node.what {
                What::Macro(made) => {
                    if !self.called.contains(&Rc::as_ptr(made)) {
                        self.enter(made, &Args::default(), &[]);
                    }
                    self.uncalled(&made.body, depth + 1);
                }
                What::If { arms, otherwise } => {
                    arms.iter().for_each(|(_, body)| self.uncalled(body, depth + 1));
                    self.uncalled(otherwise, depth + 1);
                }
                What::For { body, otherwise, .. } => {
                    self.uncalled(body, depth + 1);
                    self.uncalled(otherwise, depth + 1);
                }
                What::SetBlock { body, .. }
                | What::Call { body, .. }
                | What::Through { body, .. }
                | What::With { body, .. }
                | What::Frame { body, .. } => self.uncalled(body, depth + 1),
                _ => {}
            }
        }
    }

    // Expressions.

    fn value(&mut self, expr: &Expr) -> Value {
        if self.spent(expr.at) {
            return Value::open(From::DATA);
        }
        self.deep += 1;
        let value = self.compute(expr);
        self.deep -= 1;
        value
    }

    fn compute(&mut self, expr: &Expr) -> Value {
        let at = expr.at;
        match &*expr.kind {
            Kind::Text(text, letters) => {
                if *letters {
                    self.say(at, &rules::TEMPLATE_CONCEALS, "letters that are written as escapes");
                }
                self.judge_text(at, text);
                Value::one(Const::Text(Rc::clone(text)))
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
                let values: Vec<(Value, Value)> = pairs.iter().map(|(key, value)| (self.value(key), self.value(value))).collect();
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
                    Some(value) => value.ints().next().filter(|_| !value.open && value.known.len() == 1).map(Some),
                });
                if of.from.has(From::CONTENT) && fixed[2] == Some(Some(-1)) {
                    self.say(at, &rules::TEMPLATE_REWRITES, "the words of a message backwards");
                }
                let [Some(start), Some(stop), Some(step)] = fixed else { return Value { open: true, ..of.map(|_| None) } };
                of.map(|one| fold::slice(one, [start, stop, step]))
            }
            Kind::Call(of, args) => self.call(at, of, args),
            Kind::Filter(of, name, args) => {
                let of = self.value(of);
                let args = self.arguments(args);
                self.filter(at, &of, name, &args)
            }
            Kind::Test { of, name, args, negated: _ } => {
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
                        Some(left) => self.both(at, &left, &next, fold::join),
                    });
                }
                out.unwrap_or_default()
            }
            Kind::Math(op, left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                self.heavy(at, *op, &left, &right);
                self.both(at, &left, &right, |left, right| fold::math(*op, left, right))
            }
            Kind::Compare(first, rest) => {
                let mut left = self.value(first);
                let mut from = left.from.only(From::BRANCH);
                for (relation, right) in rest {
                    let right = self.value(right);
                    let part = matches!(relation, Relation::In | Relation::NotIn | Relation::Equal | Relation::Differs);
                    from |= right.from.only(From::BRANCH);
                    from |= if part { self.gate(at, &left, &right) } else { self.order(at, &left, &right) };
                    left = right;
                }
                Value::open(From::DATA | from)
            }
            Kind::Logic(all) => {
                let mut out = Value::default();
                for one in all {
                    let value = self.value(one);
                    out = out.or(value);
                }
                out
            }
            Kind::Cond { value, test, otherwise } => {
                let test = self.value(test);
                let outer = self.branch;
                self.branch |= test.from.only(From::BRANCH);
                let mut out = self.value(value);
                self.hidden(at, &out);
                if let Some(otherwise) = otherwise {
                    let other = self.value(otherwise);
                    self.hidden(at, &other);
                    out = out.or(other);
                }
                self.branch = outer;
                out.with(test.from.only(From::BRANCH))
            }
        }
    }

    /// A text made of two; what is too long to be followed is a bomb where both are constants.
    fn both(&mut self, at: usize, left: &Value, right: &Value, f: impl FnMut(&Const, &Const) -> Option<Const>) -> Value {
        let long = |value: &Value| value.texts().map(|text| text.len()).max().unwrap_or(0);
        let out = left.pair(right, f);
        if long(left) + long(right) > TEXT_MAX {
            self.say(at, &rules::TEMPLATE_BOMB, "a text that grows with each step");
        }
        out
    }

    fn heavy(&mut self, at: usize, op: Op, left: &Value, right: &Value) {
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

    fn name(&mut self, at: usize, name: &Rc<str>) -> Value {
        if let Some(value) = self.known(name) {
            return value.clone();
        }
        match &**name {
            "messages" | "conversation" | "conversations" | "history" | "chat" | "dialog" | "dialogue" | "turns" => {
                Value::open(From::DATA | From::MESSAGES)
            }
            "message" | "msg" => Value::open(From::DATA | From::MESSAGE),
            "content" | "prompt" | "query" | "question" | "instruction" | "user_input" | "input" | "text" => Value::open(From::DATA | From::CONTENT),
            "date_string" | "today" | "now" | "current_date" | "date" | "current_time" | "datetime" | "time" => {
                Value::open(From::DATA | From::DATE)
            }
            "config" | "session" | "environment" | "settings" | "cycler" | "joiner" | "undefined" => {
                // Somebody may hand in data under these names; what is asked of them is judged.
                Value::open(From::NONE)
            }
            one if calls::PYTHON.contains(&one) || one.starts_with("__") => {
                self.say(at, &rules::TEMPLATE_SANDBOX, format!("it asks for `{one}`"));
                Value::open(From::NONE)
            }
            one if calls::BEHIND.contains(&one) => {
                self.say(at, &rules::TEMPLATE_PRIVATE, format!("it asks for `{one}`, behind which there is code"));
                Value::open(From::NONE)
            }
            one if one.starts_with('_') && one.len() > 1 => {
                self.say(at, &rules::TEMPLATE_PRIVATE, format!("it asks for `{}`", crate::scanner::shown(one)));
                Value::open(From::NONE)
            }
            one if calls::KNOWN.contains(&one) => Value::open(From::NONE),
            _ => Value::open(From::DATA),
        }
    }

    /// A name that a value is asked for.
    fn asked(&mut self, at: usize, name: &str, as_item: bool) {
        let shown = crate::scanner::shown(name);
        match calls::reach(name, as_item) {
            Reach::Interpreter => self.say(at, &rules::TEMPLATE_SANDBOX, format!("it asks for `{shown}`")),
            Reach::Private => self.say(at, &rules::TEMPLATE_PRIVATE, format!("it asks for `{shown}`")),
            Reach::Nothing => {}
        }
    }

    /// `of.key` or `of[key]`: what it may be, and where that comes from.
    fn member(&mut self, of: &Value, by: &Value) -> Value {
        let mut from = of.from.only(From::DATA | From::BRANCH | From::DATE) | by.from.only(From::DATA | From::BRANCH);
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
            if by.texts().any(|key| matches!(&**key, "index" | "index0" | "length" | "revindex" | "revindex0" | "depth")) {
                return Value::open(From::DATA | From::NUMBER | from);
            }
            return Value::open(from | of.from.only(From::DATA));
        }
        fold::item(of, by).with(from)
    }

    fn arguments(&mut self, args: &Args) -> Arguments {
        Arguments {
            plain: args.plain.iter().map(|one| self.value(one)).collect(),
            named: args.named.iter().map(|(name, one)| (Rc::clone(name), self.value(one))).collect(),
        }
    }

    fn call(&mut self, at: usize, of: &Expr, raw: &Args) -> Value {
        if let Kind::Attribute(base, name) = &*of.kind {
            let namespace = match &*base.kind {
                Kind::Name(base) => self.known(&format!("{base}.{name}")).is_some(),
                _ => false,
            };
            if !namespace {
                let base_value = self.value(base);
                self.asked(of.at, name, false);
                let args = self.arguments(raw);
                return self.method(at, &base_value, name, &args);
            }
        }
        let Kind::Name(name) = &*of.kind else {
            let target = self.value(of);
            let args = self.arguments(raw);
            let from = args.from();
            if let Some(Const::Macro(made)) = target.known.first() {
                let made = Rc::clone(made);
                return self.enter(&made, raw, &args.plain);
            }
            self.say(at, &rules::TEMPLATE_UNCLEAR, "it calls what it computed");
            return Value::open(from.only(From::BRANCH | From::DATA));
        };
        let known = self.known(name).cloned();
        let args = self.arguments(raw);
        if let Some(value) = known {
            let made: Vec<_> = value
                .known
                .iter()
                .filter_map(|one| match one {
                    Const::Macro(made) => Some(Rc::clone(made)),
                    _ => None,
                })
                .collect();
            if !made.is_empty() {
                let mut out = Value::default();
                for one in made {
                    let one = self.enter(&one, raw, &args.plain);
                    out = out.or(one);
                }
                return out;
            }
        }
        match &**name {
            "range" => self.range(at, &args),
            "namespace" | "dict" => {
                let pairs: Vec<(Value, Value)> =
                    args.named.iter().map(|(key, value)| (Value::one(Const::Text(Rc::clone(key))), value.clone())).collect();
                if args.plain.is_empty() { Value::one(Const::Dict(Rc::new(pairs))).with(args.from()) } else { Value::open(args.from()) }
            }
            "strftime_now" => Value::open(From::DATE | From::DATA),
            "raise_exception" | "caller" | "loop" | "super" | "joiner" | "cycler" | "_" | "gettext" | "ngettext" | "fromjson" | "from_json" | "tojson" => {
                Value::open(From::DATA | args.from())
            }
            one => {
                let shown = crate::scanner::shown(one);
                if calls::PYTHON.contains(&one) || one.starts_with("__") {
                    self.say(at, &rules::TEMPLATE_SANDBOX, format!("it calls `{shown}`"));
                } else if calls::BEHIND.contains(&one) {
                    self.say(at, &rules::TEMPLATE_PRIVATE, format!("it calls `{shown}`, behind which there is code"));
                    if args.all().any(|value| value.ints().any(|number| number > RANGE_MAX)) {
                        self.say(at, &rules::TEMPLATE_BOMB, format!("`{shown}` of a size that nobody needs"));
                    }
                } else {
                    self.say(at, &rules::TEMPLATE_UNCLEAR, format!("it calls `{shown}`, which is not known"));
                }
                Value::open(From::DATA | args.from())
            }
        }
    }

    fn range(&mut self, at: usize, args: &Arguments) -> Value {
        let bound = |index: usize| args.plain.get(index).and_then(|value| value.ints().max_by_key(|one| one.unsigned_abs()));
        let (start, stop) = if args.plain.len() > 1 { (bound(0).unwrap_or(0), bound(1)) } else { (0, bound(0)) };
        let step = bound(2).filter(|step| *step != 0).unwrap_or(1);
        let Some(stop) = stop else { return Value::open(From::NUMBER | args.from()) };
        let long = stop.saturating_sub(start).checked_div(step).unwrap_or(0);
        if long > RANGE_MAX {
            self.say(at, &rules::TEMPLATE_BOMB, format!("a range of {long}"));
        }
        if long > 64 || args.plain.iter().any(|one| one.open || one.known.len() > 1) {
            // Its length stands for it.
            return Value { known: vec![Const::Int(long)], open: true, from: From::NUMBER | args.from() };
        }
        let numbers = (0..long.max(0)).map(|index| Value::one(Const::Int(start.saturating_add(index.saturating_mul(step)))));
        Value::one(Const::List(Rc::new(numbers.collect()))).with(args.from())
    }

    fn enter(&mut self, made: &Rc<Macro>, raw: &Args, plain: &[Value]) -> Value {
        let id = Rc::as_ptr(made);
        self.called.insert(id);
        if self.macros.contains(&id) || self.macros.len() >= MACROS_MAX {
            return Value::open(From::DATA | self.branch.only(From::BRANCH));
        }
        let mut frame = BTreeMap::new();
        for (index, (name, usual)) in made.params.iter().enumerate() {
            let given = plain.get(index).cloned();
            let named = raw.named.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            let value = match (given, named, usual) {
                (Some(value), ..) => value,
                (None, Some(value), _) => self.value(&value),
                (None, None, Some(usual)) if !raw.plain.is_empty() || !raw.named.is_empty() => self.value(usual),
                (None, None, _) if name.contains("content") || name.contains("text") || &**name == "message" => {
                    Value::open(From::DATA | From::CONTENT | From::PART)
                }
                (None, None, _) => Value::open(From::DATA),
            };
            frame.insert(Rc::clone(name), value);
        }
        self.macros.push(id);
        self.frames.push(frame);
        self.deep += 1;
        let (from, marks) = (self.emitted.len(), self.emitted_at.len());
        self.nodes(&made.body);
        let text = self.emitted.get(from..).unwrap_or_default().to_owned();
        self.emitted.truncate(from);
        self.emitted_at.truncate(marks);
        self.deep -= 1;
        self.frames.pop();
        self.macros.pop();
        if text.contains(HOLE) || text.len() > TEXT_MAX || self.unsure > 0 {
            let mut value = Value::open(From::DATA | self.branch.only(From::BRANCH));
            if text.len() <= TEXT_MAX {
                value.known.push(Const::Text(text.replace(HOLE, "").into()));
            }
            return value;
        }
        Value::text(&text).with(self.branch.only(From::BRANCH))
    }

    fn method(&mut self, at: usize, of: &Value, name: &str, args: &Arguments) -> Value {
        if name == "format" || name == "format_map" {
            return self.format(at, of, args);
        }
        if !calls::METHODS.contains(&name) && calls::reach(name, false) == Reach::Nothing && !of.from.has(From::NUMBER) {
            self.say(at, &rules::TEMPLATE_UNCLEAR, format!("it calls `{}`, which is no method of a text, list or dict", crate::scanner::shown(name)));
        }
        match name {
            "join" => {
                let Some(all) = args.plain.first() else { return Value::open(From::DATA) };
                return of.pair(all, |by, all| match by {
                    Const::Text(by) => fold::joined(all, by),
                    _ => None,
                });
            }
            "get" | "pop" | "setdefault" => {
                let Some(by) = args.plain.first() else { return Value::open(of.from.only(From::DATA)) };
                for key in by.texts().cloned().collect::<Vec<_>>() {
                    self.asked(at, &key, true);
                }
                if by.from.has(From::CONTENT) && of.known.iter().any(|one| matches!(one, Const::Dict(_))) {
                    self.say(at, &rules::TEMPLATE_GATE, "what a message says chooses from a table");
                    return fold::item(of, by).or(args.plain.get(1).cloned().unwrap_or_default()).with(From::GATED);
                }
                return self.member(of, by).or(args.plain.get(1).cloned().unwrap_or_default());
            }
            "values" | "items" if of.from.has(From::MESSAGE) => return Value::open(of.from | From::CONTENT),
            "center" | "ljust" | "rjust" | "zfill" | "expandtabs" => {
                if args.all().any(|value| value.ints().any(|number| number > RANGE_MAX)) {
                    self.say(at, &rules::TEMPLATE_BOMB, format!("`{name}` to a size that nobody needs"));
                }
            }
            _ => {}
        }
        let mut from = From::NONE;
        if calls::SEARCHES.contains(&name)
            && let Some(by) = args.plain.first()
        {
            from = if matches!(name, "strip" | "lstrip" | "rstrip") { From::NONE } else { self.gate(at, of, by) };
        }
        if name == "replace" {
            self.rewrites(at, of, args);
        }
        if matches!(name, "startswith" | "endswith") {
            return Value::open(From::DATA | from | of.from.only(From::BRANCH));
        }
        let number = if matches!(name, "find" | "rfind" | "index" | "rindex" | "count") { From::NUMBER } else { From::NONE };
        let parted = if matches!(name, "split" | "rsplit" | "partition" | "rpartition") { From::PART } else { From::NONE };
        self.folded(of, name, args, from | number).without(parted)
    }

    fn folded(&self, of: &Value, name: &str, args: &Arguments, from: From) -> Value {
        let fixed: Option<Vec<Const>> =
            args.plain.iter().map(|one| one.known.first().filter(|_| one.known.len() == 1 && !one.open).cloned()).collect();
        let mut out = match fixed {
            Some(fixed) if args.named.is_empty() => of.map(|one| fold::simple(name, one, &fixed)),
            _ => of.map(|_| None),
        };
        out.from |= from | args.from().only(From::DATA | From::BRANCH);
        out
    }

    fn format(&mut self, at: usize, of: &Value, args: &Arguments) -> Value {
        for form in of.texts() {
            let deep = form.split('{').skip(1).filter_map(|field| field.split('}').next()).any(|field| {
                field.split(['.', '[']).skip(1).any(|name| name.starts_with('_')) || field.contains("__")
            });
            if deep {
                self.say(at, &rules::TEMPLATE_SANDBOX, "a format that reaches into its arguments");
                break;
            }
        }
        if of.texts().any(|form| wide_field(form)) {
            self.say(at, &rules::TEMPLATE_BOMB, "a format of a width that nobody needs");
        }
        if of.is_computed() {
            self.say(at, &rules::TEMPLATE_UNCLEAR, "a format that the template computes");
        }
        let fixed = |one: &Value| one.known.first().filter(|_| one.known.len() == 1 && !one.open).cloned();
        let plain: Option<Vec<Const>> = args.plain.iter().map(fixed).collect();
        let named: Option<Vec<(Rc<str>, Const)>> =
            args.named.iter().map(|(name, one)| fixed(one).map(|one| (Rc::clone(name), one))).collect();
        let mut out = match (plain, named) {
            (Some(plain), Some(named)) => of.map(|form| match form {
                Const::Text(form) => fold::braces(form, &plain, &named),
                _ => None,
            }),
            _ => of.map(|_| None),
        };
        out.from |= args.from();
        out
    }

    fn filter(&mut self, at: usize, of: &Value, name: &str, args: &Arguments) -> Value {
        let first = args.plain.first();
        match name {
            "attr" => {
                let Some(by) = first.or(args.named.first().map(|(_, value)| value)) else { return Value::open(of.from) };
                let names: Vec<Rc<str>> = by.texts().cloned().collect();
                self.say(at, &rules::TEMPLATE_PRIVATE, "it asks for an attribute by a text");
                for name in names {
                    self.asked(at, &name, false);
                }
                return Value::open(of.from);
            }
            "map" | "sort" | "groupby" | "sum" | "unique" | "min" | "max" | "selectattr" | "rejectattr" | "select" | "reject" => {
                return self.over(at, of, name, args);
            }
            "join" => {
                let by = first.cloned().unwrap_or_else(|| Value::text(""));
                self.attributes(at, args);
                let mut out = of.pair(&by, |all, by| match by {
                    Const::Text(by) => fold::joined(all, by),
                    _ => None,
                });
                if of.from.has(From::MESSAGES | From::MESSAGE) {
                    out.from |= From::CONTENT;
                }
                return out;
            }
            "first" | "last" => {
                let by = Value::one(Const::Int(if name == "first" { 0 } else { -1 }));
                if of.known.is_empty() {
                    return Value { open: true, ..Value::open(self.element(of.from)) };
                }
                return fold::item(of, &by).with(self.element(of.from));
            }
            "random" => {
                self.say(at, &rules::TEMPLATE_UNCLEAR, "it depends on chance");
                return of.elements().with(self.element(of.from) | From::CHANCE);
            }
            "length" | "count" => {
                let kind = if of.from.has(From::MESSAGES) {
                    From::COUNT
                } else {
                    of.from.only(From::CONTENT)
                };
                let out = self.folded(of, name, args, From::NUMBER | kind);
                return Value { from: out.from.without(From::MESSAGES | From::MESSAGE | From::PART), ..out };
            }
            "tojson" | "string" | "pprint" | "list" | "items" | "urlencode" | "to_json" if of.from.has(From::MESSAGES | From::MESSAGE) => {
                let keep = if name == "list" { of.from } else { From::NONE };
                let content = if name == "list" { From::NONE } else { From::CONTENT };
                return Value::open(From::DATA | content | keep | of.from.only(From::BRANCH));
            }
            "replace" => self.rewrites(at, of, args),
            "indent" | "center" | "wordwrap" | "truncate" => {
                if args.all().any(|value| value.ints().any(|number| number > RANGE_MAX)) {
                    self.say(at, &rules::TEMPLATE_BOMB, format!("`{name}` to a size that nobody needs"));
                }
            }
            "default" | "d" => return of.clone().or(first.cloned().unwrap_or_default()),
            "format" if of.texts().any(|form| wide_field(form)) => {
                self.say(at, &rules::TEMPLATE_BOMB, "a format of a width that nobody needs");
            }
            _ if calls::SEARCHES.contains(&name) => {
                if let Some(by) = first {
                    let from = self.gate(at, of, by);
                    return self.folded(of, name, args, from);
                }
            }
            _ if name.contains("regex") && of.from.has(From::CONTENT) => {
                self.say(at, &rules::TEMPLATE_GATE, "a pattern is looked for in a message");
                return Value::open(of.from | From::GATED);
            }
            _ if !calls::FILTERS.contains(&name) => {
                self.say(at, &rules::TEMPLATE_UNCLEAR, format!("the filter `{}` is not known", crate::scanner::shown(name)));
            }
            _ => {}
        }
        self.folded(of, name, args, From::NONE)
    }

    /// Filters that apply an attribute, a filter or a test to each element.
    fn over(&mut self, at: usize, of: &Value, name: &str, args: &Arguments) -> Value {
        self.attributes(at, args);
        let first: Option<Rc<str>> = args.plain.first().and_then(|value| value.texts().next().cloned());
        let element = Value { from: self.element(of.from), ..of.elements() };
        match (name, &first) {
            ("map", Some(inner)) if !inner.is_empty() => {
                let rest = Arguments { plain: args.plain.iter().skip(1).cloned().collect(), named: Vec::new() };
                let each: Vec<Value> = match of.known.as_slice() {
                    [Const::List(list)] if !of.open && list.len() <= 64 => list.to_vec(),
                    [Const::Text(text)] if !of.open && text.len() <= 64 => {
                        text.chars().map(|one| Value::text(&one.to_string())).collect()
                    }
                    _ => {
                        let one = self.filter(at, &element, inner, &rest);
                        return Value::open(one.from);
                    }
                };
                let mapped: Vec<Value> = each.iter().map(|one| self.filter(at, one, inner, &rest)).collect();
                Value::one(Const::List(Rc::new(mapped))).with(of.from)
            }
            ("map", None) => {
                let key = args.named.iter().find(|(key, _)| **key == *"attribute").map(|(_, value)| value.clone());
                match key {
                    Some(key) => {
                        let one = self.member(&element, &key);
                        Value::open(one.from)
                    }
                    None => Value::open(of.from),
                }
            }
            ("selectattr" | "rejectattr", Some(key)) => {
                self.asked(at, key, false);
                let mut from = From::NONE;
                if let (Some(_), Some(by)) = (args.plain.get(1), args.plain.get(2)) {
                    let held = self.member(&element, &Value::one(Const::Text(Rc::clone(key))));
                    from = self.gate(at, &held, by);
                }
                Value::open(of.from | from)
            }
            ("select" | "reject", Some(_)) => {
                let from = match args.plain.get(1) {
                    Some(by) => self.gate(at, &element, by),
                    None => From::NONE,
                };
                Value { open: true, ..of.clone() }.with(from)
            }
            _ => self.folded(of, name, &Arguments { plain: Vec::new(), named: Vec::new() }, From::NONE),
        }
    }

    /// `attribute=` of filters: each part of its path is asked for.
    fn attributes(&mut self, at: usize, args: &Arguments) {
        for (key, value) in &args.named {
            if &**key != "attribute" {
                continue;
            }
            if value.is_computed() {
                self.say(at, &rules::TEMPLATE_PRIVATE, "a name that the template computes");
            }
            for path in value.texts().cloned().collect::<Vec<_>>() {
                for name in path.split('.') {
                    self.asked(at, name, false);
                }
            }
        }
    }

    fn rewrites(&mut self, at: usize, of: &Value, args: &Arguments) {
        if !of.from.has(From::CONTENT) {
            return;
        }
        let [from, to, ..] = args.plain.as_slice() else { return };
        let worded = |value: &Value| value.texts().any(|text| prose::sought(text) == Sought::Words);
        if worded(from) || to.texts().any(|text| prose::words(text) >= PROSE) || worded(to) && to.texts().any(|text| text.len() > 2) {
            self.say(at, &rules::TEMPLATE_REWRITES, "words of a message are replaced");
        }
    }

    // Gates.

    /// What a comparison of the two depends on.
    fn gate(&mut self, at: usize, left: &Value, right: &Value) -> From {
        self.gate_one(at, left, right) | self.gate_one(at, right, left)
    }

    fn gate_one(&mut self, at: usize, asked: &Value, by: &Value) -> From {
        if asked.from.has(From::NUMBER) {
            return self.order_one(at, asked, by);
        }
        let mut texts = Vec::new();
        by.texts_within(2, &mut texts);
        if asked.from.has(From::DATE) {
            if texts.iter().any(|text| !text.trim().is_empty()) || by.ints().next().is_some() {
                self.say(at, &rules::TEMPLATE_DATE, "the date is compared with a constant");
                return From::DATED;
            }
            return From::NONE;
        }
        if !asked.from.has(From::CONTENT) || by.from.has(From::CONTENT) {
            return From::NONE;
        }
        let mut from = From::NONE;
        for text in &texts {
            if asked.from.has(From::PART) && calls::is_part_key(text) {
                continue;
            }
            match prose::sought(text) {
                Sought::Shape | Sought::Frame => {}
                Sought::Mark => from |= From::MARKED,
                Sought::Words => {
                    from |= From::GATED;
                    self.say(at, &rules::TEMPLATE_GATE, format!("a message is searched for `{}`", crate::scanner::shown(text)));
                }
            }
        }
        if texts.is_empty() && by.is_computed() {
            from |= From::GATED;
            self.say(at, &rules::TEMPLATE_GATE, "a message is searched for what the template computes");
        }
        from
    }

    fn order(&mut self, at: usize, left: &Value, right: &Value) -> From {
        if left.from.has(From::NUMBER) || right.from.has(From::NUMBER) {
            return self.order_one(at, left, right) | self.order_one(at, right, left);
        }
        self.gate(at, left, right)
    }

    fn order_one(&mut self, at: usize, asked: &Value, by: &Value) -> From {
        let most = by.ints().map(i64::unsigned_abs).max();
        if asked.from.has(From::DATE) && by.known.iter().any(|one| !matches!(one, Const::None | Const::Bool(_))) {
            self.say(at, &rules::TEMPLATE_DATE, "the date is compared with a constant");
            return From::DATED;
        }
        match most {
            Some(most) if most > 1 && asked.from.has(From::CONTENT) => {
                self.say(at, &rules::TEMPLATE_GATE, format!("a message is measured against {most}"));
                From::GATED
            }
            Some(most) if most > 1 && asked.from.has(From::NUMBER) && asked.from.has(From::COUNT | From::DATA) => From::LONG,
            _ => From::NONE,
        }
    }
}

struct Arguments {
    plain: Vec<Value>,
    named: Vec<(Rc<str>, Value)>,
}

impl Arguments {
    fn all(&self) -> impl Iterator<Item = &Value> {
        self.plain.iter().chain(self.named.iter().map(|(_, value)| value))
    }

    fn from(&self) -> From {
        self.all().fold(From::NONE, |from, one| from | one.from.only(From::DATA | From::BRANCH | From::CONTENT | From::DATE))
    }
}

impl Value {
    fn without(mut self, from: From) -> Self {
        self.from = self.from.without(from);
        self
    }
}

/// Whether a format has a field of more than five digits.
fn wide_field(form: &str) -> bool {
    form.split(['%', '{', ':']).skip(1).any(|field| {
        let field = field.trim_start_matches(['-', '+', ' ', '#', '0', '<', '>', '^', '*', '.']);
        field.bytes().take_while(u8::is_ascii_digit).count() > 5
    })
}

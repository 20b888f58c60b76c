//! Walks a template with abstract values and says what it finds.

mod apply;
mod express;
mod gates;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use alcaide_container::Fuel;

use super::Said;
use super::fold;
use super::prose::{self, HOLE};
use super::tree::{Args, Expr, Kind, Macro, Node, Op, Target, What};
use super::value::{Const, From, TEXT_MAX, Value, written};
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
        perhaps: 0,
        rounds: 1,
        macros: Vec::new(),
        called: BTreeSet::new(),
        said: BTreeMap::new(),
        emitted: String::new(),
        emitted_at: Vec::new(),
    };
    // Macros are known before they stand: a loop may call one that a later part makes.
    walker.nodes(nodes);
    walker.uncalled(nodes, 0);
    walker.read_whole();
    let mut said: Vec<Said> =
        walker.said.into_iter().map(|((at, _), (rule, words))| Said { at, rule, words }).collect();
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
    /// Parts of expressions around this place that may not be computed.
    perhaps: u32,
    /// How often this place is passed by loops of known length.
    rounds: u64,
    /// Macros that are entered, with how sure it was that they are.
    macros: Vec<(*const Macro, u32)>,
    called: BTreeSet<*const Macro>,
    said: BTreeMap<(usize, &'static str), (&'static Rule, String)>,
    emitted: String,
    /// Where pieces of `emitted` begin: there, and in the template.
    emitted_at: Vec<(usize, usize)>,
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
            What::For { target, over, only, body, otherwise } => {
                self.repeat(at, target, over, only.as_ref(), body);
                self.unsure += 1;
                self.nodes(otherwise);
                self.unsure -= 1;
            }
            What::Set { target, value } => {
                if self.unsure > 0 {
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
            What::Frame(body) => self.nodes(body),
            What::Load { word, what } => {
                let value = self.value(what);
                let named = value
                    .texts()
                    .next()
                    .map_or(String::new(), |text| format!(" `{}`", crate::scanner::shown(text)));
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
            [Const::Dict(pairs)] if !over.open && pairs.len() <= 64 => {
                Some(pairs.iter().map(|(key, _)| key.clone()).collect())
            }
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
            self.say(
                at,
                &rules::TEMPLATE_BOMB,
                format!("`{}` is put together with itself", crate::scanner::shown(name)),
            );
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
                    let value = if value.known.is_empty() {
                        Value::open(value.from)
                    } else {
                        fold::item(&value, &by)
                    };
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
            [one] if !value.open && written(one).is_some() => {
                self.emitted.push_str(&written(one).unwrap_or_default())
            }
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
            self.say(
                at,
                &rules::TEMPLATE_HIDDEN,
                format!("{words} words for the model that wait for a mark in a message"),
            );
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
            Some((at, prose::Link::Active)) => {
                self.say(at, &rules::TEMPLATE_EMITS, "a link or markup that fetches")
            }
            Some((at, prose::Link::Bare)) => {
                self.say(at, &rules::TEMPLATE_UNCLEAR, "an address in what the model reads")
            }
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
                | What::Frame(body) => self.uncalled(body, depth + 1),
                _ => {}
            }
        }
    }
}

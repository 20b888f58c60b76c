//! Follows names through a file and says what is called when.

mod calls;
mod sign;

use std::collections::{BTreeMap, BTreeSet};

use alcaide_container::Fuel;

use super::Said;
use super::effects::{Effect, effect};
use super::parse::{Expr, Kind, Statement, What, parse};
use crate::rules::{Rule, formats as rules};
use crate::scanner::shown;

use sign::{BUILTINS, METHODS, STARRED, Sign, among, bounded, each, member, sum};

/// What runs the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trust {
    /// A loader imports it.
    Imported,
    /// A person runs it piece by piece, as a notebook.
    ByHand,
}

/// Judges a file.
pub(crate) fn judge(source: &str, trust: Trust, fuel: &Fuel) -> Vec<Said> {
    if source.len() > BYTES_MAX || fuel.step(source.len() as u64 / 8).is_err() {
        return vec![Said {
            at: 0,
            rule: &rules::PYTHON_UNCLEAR,
            words: "it is too long to be followed".to_owned(),
        }];
    }
    let (statements, fault) = parse(source);
    let mut walker = Walker {
        fuel,
        names: BTreeMap::new(),
        functions: BTreeMap::new(),
        classes: BTreeMap::new(),
        lambdas: BTreeMap::new(),
        active: BTreeSet::new(),
        entered: BTreeSet::new(),
        when: if trust == Trust::Imported { When::Now } else { When::Run },
        deep: 0,
        steps: 0,
        made: 0,
        within: 0,
        journal: Vec::new(),
        said: BTreeMap::new(),
    };
    if let Some(at) = fault {
        walker.say(at, &rules::PYTHON_UNCLEAR, "a place that is no Python".to_owned());
    }
    walker.list(&statements);
    walker.block(&statements);
    walker.rest(&statements, false, 0);
    walker.said.into_iter().map(|((at, _), (rule, words))| Said { at, rule, words }).collect()
}

const BYTES_MAX: usize = 4 << 20;
const STEPS_MAX: u64 = 1_000_000;
const DEEP_MAX: u32 = 160;
const TEXT_MAX: usize = 1 << 20;
const SAID_MAX: usize = 200;
const MADE_MAX: usize = 24 << 20;
/// Constants that a comprehension is followed over one by one.
const LOOP_MAX: usize = 256;

/// When a place is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum When {
    /// When the file is imported.
    Now,
    /// When a person runs it as a program or piece by piece.
    Run,
    /// When a loader uses what it defines.
    Use,
    /// When somebody calls it.
    Later,
}

struct Walker<'a> {
    fuel: &'a Fuel,
    names: BTreeMap<String, Sign>,
    functions: BTreeMap<String, &'a [Statement]>,
    classes: BTreeMap<String, &'a [Statement]>,
    /// By where they begin.
    lambdas: BTreeMap<usize, &'a Expr>,
    /// Lambdas that are being called.
    active: BTreeSet<usize>,
    entered: BTreeSet<(String, u8)>,
    when: When,
    deep: u32,
    steps: u64,
    /// Bytes of all signs that were ever made.
    made: usize,
    /// Bodies that are being walked, and what names stood for before them: the latest last.
    within: u32,
    journal: Vec<(String, Option<Sign>)>,
    said: BTreeMap<(usize, &'static str), (&'static Rule, String)>,
}

impl<'a> Walker<'a> {
    fn say(&mut self, at: usize, rule: &'static Rule, words: String) {
        if self.said.len() < SAID_MAX {
            self.said.entry((at, rule.id.as_str())).or_insert((rule, words));
        }
    }

    /// Functions and classes by name, so that a call may come before what it calls.
    fn list(&mut self, statements: &'a [Statement])
    where
        Self: 'a,
    {
        let mut queue: Vec<&'a [Statement]> = vec![statements];
        while let Some(statements) = queue.pop() {
            for statement in statements {
                match &statement.what {
                    What::Function { name, body, .. } => {
                        self.functions.entry(name.clone()).or_insert(body);
                        queue.push(body);
                    }
                    What::Class { name, body, .. } => {
                        self.classes.entry(name.clone()).or_insert(body);
                        queue.push(body);
                    }
                    What::Block { body, .. } => queue.push(body),
                    _ => {}
                }
            }
        }
    }

    fn spent(&mut self, at: usize) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.deep > DEEP_MAX || self.fuel.step(1).is_err() {
            self.say(at, &rules::PYTHON_UNCLEAR, "it takes too much to follow".to_owned());
            return true;
        }
        false
    }

    fn block(&mut self, statements: &'a [Statement]) {
        for statement in statements {
            if self.spent(statement.at) {
                return;
            }
            self.deep += 1;
            self.statement(statement);
            self.deep -= 1;
        }
    }

    fn statement(&mut self, statement: &'a Statement) {
        match &statement.what {
            What::Import(all) => {
                for (module, known) in all {
                    self.bind(statement.at, known.clone(), Sign::Path(module.clone()));
                    self.imported(statement.at, module);
                }
            }
            What::From(module, all) => {
                for (name, known) in all {
                    if name == "*" {
                        self.star(statement.at, module);
                    } else {
                        self.bind(statement.at, known.clone(), Sign::Path(format!("{module}.{name}")));
                    }
                }
                self.imported(statement.at, module);
            }
            What::Function { name, decorators, defaults, .. } => {
                self.bind(statement.at, name.clone(), Sign::Path(format!("self.{name}")));
                self.decorated(decorators, name);
                for value in defaults {
                    self.value(value);
                }
            }
            What::Class { name, decorators, bases, body } => {
                self.bind(statement.at, name.clone(), Sign::Path(format!("self.{name}")));
                self.decorated(decorators, name);
                for value in bases {
                    self.value(value);
                }
                self.block(body);
            }
            What::Assign(targets, value) => {
                let sign = self.value(value);
                for target in targets {
                    self.assign(target, &sign);
                }
            }
            What::Values(values) => {
                for value in values {
                    self.value(value);
                }
            }
            What::Block { head, main, body } => {
                for value in head {
                    self.value(value);
                }
                let outer = self.when;
                if *main && outer == When::Now {
                    self.when = When::Run;
                }
                self.block(body);
                self.when = outer;
            }
            What::Unclear => {
                self.say(statement.at, &rules::PYTHON_UNCLEAR, "a line that was not understood".to_owned())
            }
        }
    }

    fn star(&mut self, at: usize, module: &str) {
        for name in STARRED {
            let path = format!("{module}.{name}");
            if effect(&path).is_some() {
                self.bind(at, (*name).to_owned(), Sign::Path(path));
            }
        }
    }

    /// Has a name stand for something, until the body is over that it is bound in.
    fn bind(&mut self, at: usize, name: String, sign: Sign) {
        self.made = self.made.saturating_add(2 * name.len());
        let sign = self.weighed(at, sign);
        if self.within == 0 {
            self.names.insert(name, sign);
        } else if self.made <= MADE_MAX {
            let old = self.names.insert(name.clone(), sign);
            self.journal.push((name, old));
        }
    }

    /// Modules whose import is an effect.
    fn imported(&mut self, at: usize, module: &str) {
        if self.when == When::Now && matches!(module.split('.').next(), Some("antigravity" | "this")) {
            self.say(at, &rules::PYTHON_UNCLEAR, format!("importing `{}` has an effect", shown(module)));
        }
    }

    fn decorated(&mut self, decorators: &'a [Expr], name: &str) {
        for decorator in decorators {
            let sign = self.value(decorator);
            // A decorator is called with what it decorates.
            self.called(decorator.at, &sign, &[Sign::Path(format!("self.{name}"))], &[]);
        }
    }

    fn assign(&mut self, target: &'a Expr, sign: &Sign) {
        match &target.kind {
            Kind::Name(name) => {
                self.bind(target.at, name.clone(), sign.clone());
            }
            Kind::List(all) => {
                for (index, one) in all.iter().enumerate() {
                    let part = match sign {
                        Sign::List(parts) => parts.get(index).cloned().unwrap_or(Sign::Unknown),
                        _ => Sign::Unknown,
                    };
                    self.assign(one, &part);
                }
            }
            Kind::Attribute(of, name) => {
                if let Kind::Name(of) = &of.kind {
                    self.bind(target.at, format!("{of}.{name}"), sign.clone());
                }
            }
            _ => {
                self.value(target);
            }
        }
    }

    /// Bodies that nothing calls while the file is imported.
    fn rest(&mut self, statements: &'a [Statement], within_class: bool, depth: usize) {
        if depth > 60 {
            return;
        }
        for statement in statements {
            match &statement.what {
                What::Function { name, body, .. } => {
                    let used = within_class && METHODS.contains(&name.as_str());
                    self.enter(name, body, if used { When::Use } else { When::Later });
                    self.rest(body, false, depth + 1);
                }
                What::Class { body, .. } => self.rest(body, true, depth + 1),
                What::Block { body, .. } => self.rest(body, within_class, depth + 1),
                _ => {}
            }
        }
    }

    fn enter(&mut self, name: &str, body: &'a [Statement], when: When) {
        let rank = match when {
            When::Now => 0,
            When::Run => 1,
            When::Use => 2,
            When::Later => 3,
        };
        // A body that was walked at a graver time need not be walked at a lesser one.
        let key = format!("{name}@{}", body.first().map_or(0, |first| first.at));
        if (0..=rank).any(|rank| self.entered.contains(&(key.clone(), rank))) {
            return;
        }
        self.entered.insert((key, rank));
        let outer = std::mem::replace(&mut self.when, when);
        let before = self.journal.len();
        self.within += 1;
        self.block(body);
        self.within -= 1;
        while self.journal.len() > before
            && let Some((name, old)) = self.journal.pop()
        {
            match old {
                Some(sign) => self.names.insert(name, sign),
                None => self.names.remove(&name),
            };
        }
        self.when = outer;
    }

    fn value(&mut self, expr: &'a Expr) -> Sign {
        if self.spent(expr.at) {
            return Sign::Unknown;
        }
        self.deep += 1;
        let sign = self.compute(expr);
        // What is copied is paid for.
        self.steps += match &sign {
            Sign::Text(text) | Sign::Path(text) => text.len() as u64 / 256,
            Sign::List(all) => all.len() as u64 / 4,
            _ => 0,
        };
        self.deep -= 1;
        self.weighed(expr.at, sign)
    }

    /// `sign`, if what was made of signs so far is not too much: lists of lists of one list grow with every line.
    fn weighed(&mut self, at: usize, sign: Sign) -> Sign {
        self.made = self.made.saturating_add(sign.weight());
        if self.made <= MADE_MAX {
            return sign;
        }
        self.say(at, &rules::PYTHON_UNCLEAR, "its values grow beyond what can be followed".to_owned());
        Sign::Unknown
    }

    fn compute(&mut self, expr: &'a Expr) -> Sign {
        match &expr.kind {
            Kind::Name(name) => match self.names.get(name) {
                Some(sign) => sign.clone(),
                None if BUILTINS.contains(&name.as_str()) => Sign::Path(format!("builtins.{name}")),
                None if name == "__builtins__" => Sign::Path("builtins".to_owned()),
                None => Sign::Unknown,
            },
            Kind::Text(text) => Sign::Text(text.clone()),
            Kind::Number(number) => Sign::Number(*number),
            Kind::Attribute(of, name) => {
                if let Kind::Name(base) = &of.kind
                    && let Some(sign) = self.names.get(&format!("{base}.{name}"))
                {
                    return sign.clone();
                }
                let of = self.value(of);
                member(&of, name)
            }
            Kind::Item(of, by) => {
                let of = self.value(of);
                let keys: Vec<Sign> = by.iter().map(|one| self.value(one)).collect();
                let slice = by.iter().any(|one| matches!(one.kind, Kind::Slice));
                self.item(&of, &keys, slice, by)
            }
            Kind::Call(of, args) => {
                let target = self.value(of);
                let mut plain = Vec::new();
                let mut named = Vec::new();
                for (name, value) in args {
                    let sign = self.value(value);
                    match name {
                        Some(name) => named.push((name.as_str(), sign)),
                        None => plain.push(sign),
                    }
                }
                self.called(expr.at, &target, &plain, &named)
            }
            Kind::Sum(all) => {
                let signs: Vec<Sign> = all.iter().map(|one| self.value(one)).collect();
                sum(&signs)
            }
            Kind::Rest(form, by) => {
                let (form, by) = (self.value(form), self.value(by));
                match (&form, &by) {
                    (Sign::Text(form), Sign::Text(by)) if form.matches('%').count() == 1 => {
                        bounded(form.replace("%s", by))
                    }
                    (Sign::Text(form), Sign::List(all)) => {
                        let mut out = form.clone();
                        for one in all {
                            let Sign::Text(one) = one else { return Sign::Unknown };
                            out = out.replacen("%s", one, 1);
                        }
                        bounded(out)
                    }
                    _ => Sign::Unknown,
                }
            }
            Kind::Times(left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                match (&left, &right) {
                    (Sign::Text(text), Sign::Number(count)) | (Sign::Number(count), Sign::Text(text)) => {
                        let count = usize::try_from(*count).unwrap_or(0);
                        if text.len().saturating_mul(count) <= TEXT_MAX {
                            Sign::Text(text.repeat(count))
                        } else {
                            Sign::Unknown
                        }
                    }
                    _ => Sign::Unknown,
                }
            }
            Kind::List(all) => {
                let signs: Vec<Sign> = all.iter().map(|one| self.value(one)).collect();
                if signs.len() <= 4096 { Sign::List(signs) } else { Sign::Unknown }
            }
            Kind::Bind(target, value) => {
                let sign = self.value(value);
                self.assign(target, &sign);
                sign
            }
            Kind::Each(through) => {
                let through = self.value(through);
                each(&through)
            }
            Kind::Loop(body, target, through) => {
                let through = self.value(through);
                match &through {
                    Sign::List(all) if all.len() <= LOOP_MAX => {
                        let mut out = Vec::new();
                        for one in all {
                            self.assign(target, one);
                            out.push(self.value(body));
                        }
                        Sign::List(out)
                    }
                    _ => {
                        self.assign(target, &each(&through));
                        let body = self.value(body);
                        among(std::slice::from_ref(&body))
                    }
                }
            }
            Kind::Lambda(body) => {
                self.lambdas.insert(expr.at, body);
                let outer = self.when;
                if outer == When::Now {
                    // It may be called at once, or never.
                    self.when = When::Use;
                }
                self.value(body);
                self.when = outer;
                Sign::Path(format!("self.lambda@{}", expr.at))
            }
            Kind::Many(all) => {
                let signs: Vec<Sign> = all.iter().map(|one| self.value(one)).collect();
                among(&signs)
            }
            Kind::Slice | Kind::Other => Sign::Unknown,
        }
    }

    fn item(&mut self, of: &Sign, keys: &[Sign], slice: bool, by: &[Expr]) -> Sign {
        match (of, keys) {
            (Sign::Text(text), _) if slice => match by {
                [
                    Expr { kind: Kind::Slice, .. },
                    Expr { kind: Kind::Slice, .. },
                    Expr { kind: Kind::Number(-1), .. },
                ] => Sign::Text(text.chars().rev().collect()),
                _ => Sign::Decoded,
            },
            (Sign::Text(text), [Sign::Number(index)]) => {
                let len = text.chars().count() as i64;
                let index = if *index < 0 { index.saturating_add(len) } else { *index };
                match usize::try_from(index).ok().and_then(|index| text.chars().nth(index)) {
                    Some(one) => Sign::Text(one.to_string()),
                    None => Sign::Unknown,
                }
            }
            (Sign::List(all), [Sign::Text(_)]) => among(all),
            (Sign::List(all), [Sign::Number(index)]) => {
                let len = all.len() as i64;
                let index = if *index < 0 { index.saturating_add(len) } else { *index };
                usize::try_from(index).ok().and_then(|index| all.get(index)).cloned().unwrap_or(Sign::Unknown)
            }
            // One of several that was put together: whichever it is.
            (Sign::Path(path), _) if effect(path) == Some(Effect::Runs) => of.clone(),
            (Sign::Path(path), [Sign::Text(key)]) => match path.as_str() {
                "sys.modules" => Sign::Path(key.clone()),
                "self.__names__" => match self.names.get(key) {
                    Some(sign) => sign.clone(),
                    None if key == "__builtins__" => Sign::Path("builtins".to_owned()),
                    None => Sign::Unknown,
                },
                _ => match path.strip_suffix(".__dict__") {
                    Some(module) => Sign::Path(format!("{module}.{key}")),
                    None if path == "builtins" => Sign::Path(format!("builtins.{key}")),
                    None => Sign::Unknown,
                },
            },
            _ => Sign::Unknown,
        }
    }
}

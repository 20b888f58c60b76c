//! Calls, methods and filters: what is asked for by them, and what they give.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::calls::{self, Reach};
use super::super::fold;
use super::super::prose::{self, HOLE, Sought};
use super::super::tree::{Args, Expr, Kind, Macro};
use super::super::value::{Const, From, TEXT_MAX, Value};
use super::{MACROS_MAX, PROSE, RANGE_MAX, Walker};
use crate::rules::formats as rules;

impl Walker<'_> {
    pub(super) fn arguments(&mut self, args: &Args) -> Arguments {
        Arguments {
            plain: args.plain.iter().map(|one| self.value(one)).collect(),
            named: args.named.iter().map(|(name, one)| (Rc::clone(name), self.value(one))).collect(),
        }
    }

    pub(super) fn call(&mut self, at: usize, of: &Expr, raw: &Args) -> Value {
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
        // What is said to whoever calls wrongly is not said to the model.
        let outer = self.branch;
        if &**name == "raise_exception" {
            self.branch = From::NONE;
        }
        let args = self.arguments(raw);
        self.branch = outer;
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
                let pairs: Vec<(Value, Value)> = args
                    .named
                    .iter()
                    .map(|(key, value)| (Value::one(Const::Text(Rc::clone(key))), value.clone()))
                    .collect();
                if args.plain.is_empty() {
                    Value::one(Const::Dict(Rc::new(pairs))).with(args.from())
                } else {
                    Value::open(args.from())
                }
            }
            "strftime_now" => Value::open(From::DATE | From::DATA),
            "raise_exception" | "caller" | "loop" | "super" | "joiner" | "cycler" | "_" | "gettext"
            | "ngettext" | "fromjson" | "from_json" | "tojson" => Value::open(From::DATA | args.from()),
            one => {
                let shown = crate::scanner::shown(one);
                if calls::PYTHON.contains(&one) || one.starts_with("__") {
                    self.say(at, &rules::TEMPLATE_SANDBOX, format!("it calls `{shown}`"));
                } else if calls::BEHIND.contains(&one) {
                    self.say(
                        at,
                        &rules::TEMPLATE_PRIVATE,
                        format!("it calls `{shown}`, behind which there is code"),
                    );
                    if args.are_huge() {
                        self.say(at, &rules::TEMPLATE_BOMB, format!("`{shown}` of a size that nobody needs"));
                    }
                } else {
                    self.say(at, &rules::TEMPLATE_UNCLEAR, format!("it calls `{shown}`, which is not known"));
                }
                Value::open(From::DATA | args.from())
            }
        }
    }

    pub(super) fn range(&mut self, at: usize, args: &Arguments) -> Value {
        let bound = |index: usize| {
            args.plain.get(index).and_then(|value| value.ints().max_by_key(|one| one.unsigned_abs()))
        };
        let (start, stop) =
            if args.plain.len() > 1 { (bound(0).unwrap_or(0), bound(1)) } else { (0, bound(0)) };
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
        let numbers = (0..long.max(0))
            .map(|index| Value::one(Const::Int(start.saturating_add(index.saturating_mul(step)))));
        Value::one(Const::List(Rc::new(numbers.collect()))).with(args.from())
    }

    pub(super) fn enter(&mut self, made: &Rc<Macro>, raw: &Args, plain: &[Value]) -> Value {
        let id = Rc::as_ptr(made);
        self.called.insert(id);
        let place = made.body.first().map_or(0, |node| node.at);
        if let Some((_, before)) = self.macros.iter().find(|(one, _)| *one == id) {
            if *before == self.unsure + self.perhaps {
                self.say(place, &rules::TEMPLATE_BOMB, "a macro that calls itself without end");
            }
            return Value::open(From::DATA | self.branch.only(From::BRANCH));
        }
        if self.macros.len() >= MACROS_MAX {
            self.say(place, &rules::TEMPLATE_UNCLEAR, "macros call each other too deeply to follow");
            return Value::open(From::DATA | self.branch.only(From::BRANCH));
        }
        let mut frame = BTreeMap::new();
        for (index, (name, usual)) in made.params.iter().enumerate() {
            let given = plain.get(index).cloned();
            let named = raw.named.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            let value = match (given, named, usual) {
                (Some(value), ..) => value,
                (None, Some(value), _) => self.value(&value),
                (None, None, Some(usual)) if !raw.plain.is_empty() || !raw.named.is_empty() => {
                    self.value(usual)
                }
                (None, None, _)
                    if name.contains("content") || name.contains("text") || &**name == "message" =>
                {
                    Value::open(From::DATA | From::CONTENT | From::PART)
                }
                (None, None, _) => Value::open(From::DATA),
            };
            frame.insert(Rc::clone(name), value);
        }
        self.macros.push((id, self.unsure + self.perhaps));
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

    pub(super) fn method(&mut self, at: usize, of: &Value, name: &str, args: &Arguments) -> Value {
        if name == "format" || name == "format_map" {
            return self.format(at, of, args);
        }
        if !calls::METHODS.contains(&name)
            && calls::reach(name, false) == Reach::Nothing
            && !of.from.has(From::NUMBER)
        {
            self.say(
                at,
                &rules::TEMPLATE_UNCLEAR,
                format!(
                    "it calls `{}`, which is no method of a text, list or dict",
                    crate::scanner::shown(name)
                ),
            );
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
                    return fold::item(of, by)
                        .or(args.plain.get(1).cloned().unwrap_or_default())
                        .with(From::GATED);
                }
                return self.member(of, by).or(args.plain.get(1).cloned().unwrap_or_default());
            }
            "values" | "items" if of.from.has(From::MESSAGE) => return Value::open(of.from | From::CONTENT),
            "center" | "ljust" | "rjust" | "zfill" | "expandtabs" if args.are_huge() => {
                self.say(at, &rules::TEMPLATE_BOMB, format!("`{name}` to a size that nobody needs"));
            }
            _ => {}
        }
        let mut from = From::NONE;
        if calls::SEARCHES.contains(&name)
            && let Some(by) = args.plain.first()
        {
            from = if matches!(name, "strip" | "lstrip" | "rstrip") {
                From::NONE
            } else {
                self.gate(at, of, by)
            };
        }
        if name == "replace" {
            self.replaced(at, of, args);
        }
        if matches!(name, "startswith" | "endswith") {
            return Value::open(From::DATA | from | of.from.only(From::BRANCH));
        }
        let number = if matches!(name, "find" | "rfind" | "index" | "rindex" | "count") {
            From::NUMBER
        } else {
            From::NONE
        };
        let parted = if matches!(name, "split" | "rsplit" | "partition" | "rpartition") {
            From::PART
        } else {
            From::NONE
        };
        self.folded(of, name, args, from | number).without(parted)
    }

    pub(super) fn folded(&self, of: &Value, name: &str, args: &Arguments, from: From) -> Value {
        let fixed: Option<Vec<Const>> = args
            .plain
            .iter()
            .map(|one| one.known.first().filter(|_| one.known.len() == 1 && !one.open).cloned())
            .collect();
        let mut out = match fixed {
            Some(fixed) if args.named.is_empty() => of.map(|one| fold::simple(name, one, &fixed)),
            _ => of.map(|_| None),
        };
        out.from |= from | args.from().only(From::DATA | From::BRANCH);
        out
    }

    pub(super) fn format(&mut self, at: usize, of: &Value, args: &Arguments) -> Value {
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
        } else if of.open && of.known.is_empty() {
            self.say(at, &rules::TEMPLATE_UNCLEAR, "a format that comes from what is rendered");
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

    pub(super) fn filter(&mut self, at: usize, of: &Value, name: &str, args: &Arguments) -> Value {
        let first = args.plain.first();
        match name {
            "attr" => {
                let Some(by) = first.or(args.named.first().map(|(_, value)| value)) else {
                    return Value::open(of.from);
                };
                let names: Vec<Rc<str>> = by.texts().cloned().collect();
                self.say(at, &rules::TEMPLATE_PRIVATE, "it asks for an attribute by a text");
                for name in names {
                    self.asked(at, &name, false);
                }
                return Value::open(of.from);
            }
            "map" | "sort" | "groupby" | "sum" | "unique" | "min" | "max" | "selectattr" | "rejectattr"
            | "select" | "reject" => {
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
                let kind =
                    if of.from.has(From::MESSAGES) { From::COUNT } else { of.from.only(From::CONTENT) };
                let out = self.folded(of, name, args, From::NUMBER | kind);
                return Value { from: out.from.without(From::MESSAGES | From::MESSAGE | From::PART), ..out };
            }
            "tojson" | "string" | "pprint" | "list" | "items" | "urlencode" | "to_json"
                if of.from.has(From::MESSAGES | From::MESSAGE) =>
            {
                let keep = if name == "list" { of.from } else { From::NONE };
                let content = if name == "list" { From::NONE } else { From::CONTENT };
                return Value::open(From::DATA | content | keep | of.from.only(From::BRANCH));
            }
            "replace" => self.replaced(at, of, args),
            "indent" | "center" | "wordwrap" | "truncate" if args.are_huge() => {
                self.say(at, &rules::TEMPLATE_BOMB, format!("`{name}` to a size that nobody needs"));
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
                self.say(
                    at,
                    &rules::TEMPLATE_UNCLEAR,
                    format!("the filter `{}` is not known", crate::scanner::shown(name)),
                );
            }
            _ => {}
        }
        self.folded(of, name, args, From::NONE)
    }

    /// Filters that apply an attribute, a filter or a test to each element.
    pub(super) fn over(&mut self, at: usize, of: &Value, name: &str, args: &Arguments) -> Value {
        self.attributes(at, args);
        // Where a filter takes the name of an attribute by its place.
        let by = match name {
            "groupby" | "sum" | "selectattr" | "rejectattr" => args.plain.first(),
            "unique" | "min" | "max" => args.plain.get(1),
            "sort" => args.plain.get(2),
            _ => None,
        };
        if let Some(by) = by {
            let names: Vec<Rc<str>> = by.texts().cloned().collect();
            for part in names.iter().flat_map(|name| name.split('.')) {
                self.asked(at, part, false);
            }
            if names.is_empty() {
                self.say(at, &rules::TEMPLATE_UNCLEAR, "it asks for an attribute that nobody can tell");
            }
        }
        let first: Option<Rc<str>> = args.plain.first().and_then(|value| value.texts().next().cloned());
        let element = Value { from: self.element(of.from), ..of.elements() };
        match (name, &first) {
            ("map", Some(inner)) if !inner.is_empty() => {
                let rest =
                    Arguments { plain: args.plain.iter().skip(1).cloned().collect(), named: Vec::new() };
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
                let key =
                    args.named.iter().find(|(key, _)| **key == *"attribute").map(|(_, value)| value.clone());
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
    pub(super) fn attributes(&mut self, at: usize, args: &Arguments) {
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

    pub(super) fn replaced(&mut self, at: usize, of: &Value, args: &Arguments) {
        self.rewrites(at, of, args);
        let [from, to, ..] = args.plain.as_slice() else { return };
        // What stands for nothing stands everywhere: each time the text becomes longer by so much.
        if from.texts().any(|text| text.is_empty()) && to.texts().any(|text| text.len() > 1) {
            self.say(at, &rules::TEMPLATE_BOMB, "a text is put between all letters of another");
        }
    }

    pub(super) fn rewrites(&mut self, at: usize, of: &Value, args: &Arguments) {
        if !of.from.has(From::CONTENT) {
            return;
        }
        let [from, to, ..] = args.plain.as_slice() else { return };
        let worded = |value: &Value| value.texts().any(|text| prose::sought(text) == Sought::Words);
        if worded(from)
            || to.texts().any(|text| prose::words(text) >= PROSE)
            || worded(to) && to.texts().any(|text| text.len() > 2)
        {
            self.say(at, &rules::TEMPLATE_REWRITES, "words of a message are replaced");
        }
    }
}

/// Arguments that were computed.
pub(super) struct Arguments {
    pub(super) plain: Vec<Value>,
    pub(super) named: Vec<(Rc<str>, Value)>,
}

impl Arguments {
    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.plain.iter().chain(self.named.iter().map(|(_, value)| value))
    }

    fn are_huge(&self) -> bool {
        self.all().any(|value| value.ints().any(|number| number > RANGE_MAX))
    }

    pub(super) fn from(&self) -> From {
        self.all().fold(From::NONE, |from, one| {
            from | one.from.only(From::DATA | From::BRANCH | From::CONTENT | From::DATE)
        })
    }
}

impl Value {
    pub(super) fn without(mut self, from: From) -> Self {
        self.from = self.from.without(from);
        self
    }
}

/// Whether a format has a field of more than five digits.
pub(super) fn wide_field(form: &str) -> bool {
    form.split(['%', '{', ':']).skip(1).any(|field| {
        let field = field.trim_start_matches(['-', '+', ' ', '#', '0', '<', '>', '^', '*', '.']);
        field.bytes().take_while(u8::is_ascii_digit).count() > 5
    })
}

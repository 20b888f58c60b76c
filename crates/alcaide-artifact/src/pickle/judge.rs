//! What does each call mean? Names are judged by packs and effects; a few functions are seen through.

use super::embedded;
use super::machine::Machine;
use super::value::{Node, Value};
use crate::packs::{self, Standing};
use crate::rules::{self, Rule};

/// How something is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    /// With arguments.
    Called,
    /// As a class, without its constructor.
    Made,
}

/// Bytes, items or cells that a constructor may be told to make.
const MAKES_MAX: i64 = 1 << 30;

impl Machine<'_, '_> {
    /// REDUCE: the result comes on the stack.
    pub(crate) fn called(&mut self, callee: Value, args: Value, at: u64) {
        let result = self.result(callee, args, How::Called, at);
        self.push(result);
    }

    /// NEWOBJ and NEWOBJ_EX.
    pub(crate) fn made(&mut self, class: Value, args: Value, at: u64) {
        let result = self.result(class, args, How::Made, at);
        self.push(result);
    }

    /// INST and OBJ: without arguments, the constructor is not run.
    pub(crate) fn instance(&mut self, class: Value, items: Vec<Value>, total: u64, at: u64) {
        let how = if total == 0 { How::Made } else { How::Called };
        self.contain_tuple(items, total);
        let args = self.pop(at);
        let result = self.result(class, args, how, at);
        self.push(result);
    }

    /// BUILD: `state` is given to `target`.
    pub(crate) fn built(&mut self, target: Value, state: Value, at: u64) {
        self.watch(&[state]);
        if let Value::Node(number) = target
            && matches!(self.node(number), Some(Node::Partial { .. }))
        {
            return self.built_partial(number, target, state, at);
        }
        let rewired = match target {
            Value::Global(_) => true,
            Value::Node(number) => match self.node(number) {
                Some(Node::Attribute { .. } | Node::Extension(_)) => true,
                // What a function hands out for a name is shared by the whole program.
                Some(Node::Call { callee, .. }) => self.is_shared(*callee),
                _ => false,
            },
            _ => false,
        };
        if rewired {
            let what = self.written(target);
            self.note(&rules::REWIRES, at, format!("gives {what} a new state"));
        } else if self.rewires(state) {
            let what = self.written(target);
            self.note(&rules::REWIRES, at, format!("{what} becomes another kind of object by its state"));
        }
        if self.lines.is_some() {
            let (what, state) = (self.written(target), self.written(state));
            self.line(at, format!("{what}.__setstate__({state})"));
        }
        self.set_state(target, state);
    }

    /// The state of a partial names another function: that is what is called from then on.
    fn built_partial(&mut self, number: u32, target: Value, state: Value, at: u64) {
        let of = self.tuple(state).and_then(|held| held.items.first().copied());
        match of {
            Some(of @ (Value::Global(_) | Value::Node(_))) => self.set_partial(number, of),
            _ => {
                let what = self.written(target);
                self.report(
                    &rules::COMPUTED_CALLABLE,
                    at,
                    format!("{what} is given a function that nobody can tell"),
                );
            }
        }
        if self.lines.is_some() {
            let (what, state) = (self.written(target), self.written(state));
            self.line(at, format!("{what}.__setstate__({state})"));
        }
    }

    /// A function that is judged by its arguments alone must not be handed on to be called by others.
    pub(crate) fn watch(&mut self, items: &[Value]) {
        for item in items {
            if let Value::Global(number) = item
                && let Some(global) = self.globals.one(*number)
                && !global.judged
                && is_pivot(global.module.as_str(), global.name.as_str())
            {
                let (at, what) = (global.at, self.written(*item));
                self.globals.judged(*number);
                self.note(&rules::REACHES_ATTRIBUTE, at, format!("hands on {what}"));
            }
        }
    }

    /// What is to say once all has been seen: names that were imported and never called.
    pub(crate) fn conclude<E>(&mut self, _end: &Result<super::machine::End, E>) {
        if self.is_strict() {
            return;
        }
        let left: Vec<_> = self
            .globals
            .iter()
            .filter(|global| !global.judged)
            .map(|global| (global.at, global.standing, format!("{}.{}", global.module, global.name)))
            .collect();
        for (at, standing, name) in left {
            let name = crate::scanner::shown(&name);
            match standing {
                Standing::Allowed(roles) if roles.referred => {}
                Standing::Denied(rule) => self.note(rule, at, format!("refers to {name}")),
                Standing::Dotted { method: false } => {
                    self.note(&rules::DOTTED_NAME, at, format!("refers to {name}"))
                }
                _ => self.note(&rules::UNKNOWN_REFERENCE, at, format!("refers to {name}")),
            }
        }
    }

    fn result(&mut self, callee: Value, args: Value, how: How, at: u64) -> Value {
        if self.lines.is_some() {
            let line = self.expression(callee, args);
            self.line(at, line);
        }
        self.watch(&[args]);
        match callee {
            Value::Global(number) => {
                if let Some(seen) = self.seen_through(number, args, how, at) {
                    return seen;
                }
                self.judge_global(number, callee, args, how, at);
            }
            Value::Node(number) => {
                let (inner, attribute) = match self.node(number) {
                    Some(Node::Partial { of }) => (Some(*of), None),
                    Some(Node::Attribute { of, name }) => (None, Some((*of, name.clone()))),
                    // The class that a maker of named tuples made.
                    Some(Node::Call { callee, .. })
                        if self.global(*callee).is_some_and(|global| {
                            global.module == "collections" && global.name == "namedtuple"
                        }) =>
                    {
                        (None, None)
                    }
                    Some(Node::Tuple(_) | Node::List(_) | Node::Dict(_) | Node::Set(_) | Node::Buffer) => {
                        self.fault(at, "a call of what is no callable");
                        (None, None)
                    }
                    _ => {
                        let what = self.expression(callee, args);
                        self.report(&rules::COMPUTED_CALLABLE, at, what);
                        (None, None)
                    }
                };
                if let Some(inner) = inner {
                    self.result(inner, args, how, at);
                }
                if let Some((of, name)) = attribute {
                    let class = self.global(of).is_some_and(|global| {
                        matches!(global.standing, Standing::Allowed(_) | Standing::Class)
                            && packs::class_like(&name)
                    });
                    let what = self.expression(callee, args);
                    let rule = if class { &rules::UNKNOWN_CLASS } else { &rules::REACHES_ATTRIBUTE };
                    self.report(rule, at, what);
                }
            }
            // What an empty stack gave is called by no unpickler.
            Value::Unknown if self.is_faulty() => {}
            Value::Unknown | Value::Inert => {
                let what = self.expression(callee, args);
                self.report(&rules::COMPUTED_CALLABLE, at, what);
                if self.is_strict() {
                    self.set_faulty();
                }
            }
            _ => self.fault(at, "a call of what is no callable"),
        }
        self.keep(Node::Call { callee, args, state: Value::None }, 1)
    }

    fn judge_global(&mut self, number: u32, callee: Value, args: Value, how: How, at: u64) {
        let Some(global) = self.globals.one(number) else { return };
        let (standing, name) = (global.standing, global.name.clone());
        self.globals.judged(number);
        let rule = match standing {
            Standing::Allowed(roles) if how == How::Made && (roles.made || roles.called) => None,
            Standing::Allowed(roles) if how == How::Called && roles.called => self.oversized(number, args),
            Standing::Allowed(_) if packs::class_like(&name) => Some(&rules::UNKNOWN_CLASS),
            Standing::Allowed(_) => Some(packs::by_verb(&name).unwrap_or(&rules::UNKNOWN_CALLABLE)),
            Standing::Denied(rule) => Some(rule),
            Standing::Dotted { .. } => Some(&rules::DOTTED_NAME),
            Standing::Class if packs::acting(&name) => Some(&rules::UNKNOWN_CALLABLE),
            Standing::Class => Some(&rules::UNKNOWN_CLASS),
            Standing::Library | Standing::Foreign => {
                Some(packs::by_verb(&name).unwrap_or(&rules::UNKNOWN_CALLABLE))
            }
            Standing::Standard => Some(&rules::STANDARD_CALLABLE),
        };
        if let Some(rule) = rule {
            let what = self.expression(callee, args);
            self.report(rule, at, what);
        }
    }

    /// Functions of packs that are safe or not by what they are given. The result, if it is one of them.
    fn seen_through(&mut self, number: u32, args: Value, how: How, at: u64) -> Option<Value> {
        let global = self.globals.one(number)?;
        let (module, name) = (global.module.clone(), global.name.clone());
        let items = self.tuple(args).map(|held| held.items.clone());
        let first = items.as_deref().and_then(|items| items.first().copied());
        if how == How::Called
            && let Some(items) = items.as_deref()
            && let Some(rule) = self.getter(&module, &name, items)
        {
            self.globals.judged(number);
            if let Some(rule) = rule {
                let what = self.expression(Value::Global(number), args);
                self.report(rule, at, what);
            }
            return Some(
                self.keep(Node::Call { callee: Value::Global(number), args, state: Value::None }, 1),
            );
        }
        match (module.as_str(), name.as_str()) {
            ("builtins", "getattr") => {
                self.globals.judged(number);
                Some(self.attribute(number, items.as_deref(), args, at))
            }
            ("functools" | "_functools", "partial") => {
                self.globals.judged(number);
                let of = first.unwrap_or(Value::Unknown);
                if !matches!(of, Value::Global(_) | Value::Node(_)) {
                    let what = self.expression(Value::Global(number), args);
                    self.report(&rules::COMPUTED_CALLABLE, at, what);
                }
                Some(self.keep(Node::Partial { of }, 1))
            }
            ("numpy.core" | "numpy._core", "_ufunc_reconstruct") => {
                self.globals.judged(number);
                Some(self.ufunc(number, items.as_deref(), args, at))
            }
            ("builtins", "type") if matches!(items.as_deref(), Some([Value::None])) => {
                self.globals.judged(number);
                Some(self.keep(Node::Call { callee: Value::Global(number), args, state: Value::None }, 1))
            }
            ("copyreg", "_reconstructor") => {
                self.globals.judged(number);
                let base = items.as_deref().and_then(|items| items.get(1).copied());
                let plain =
                    base.and_then(|base| self.global(base)).is_some_and(|base| base.module == "builtins");
                if let Some(base) = base.filter(|_| !plain) {
                    self.result(base, args, How::Called, at);
                }
                Some(self.result(first.unwrap_or(Value::Unknown), args, How::Made, at))
            }
            ("copyreg", "__newobj__" | "__newobj_ex__") => {
                self.globals.judged(number);
                Some(self.result(first.unwrap_or(Value::Unknown), args, How::Made, at))
            }
            ("torch._tensor" | "torch.tensor", "_rebuild_from_type_v2" | "_rebuild_from_type") => {
                self.globals.judged(number);
                let get =
                    |at| items.as_deref().and_then(|items| items.get(at).copied()).unwrap_or(Value::Unknown);
                Some(self.result(get(0), get(2), How::Called, at))
            }
            ("_codecs" | "codecs", "encode") => {
                self.globals.judged(number);
                let codec = items.as_deref().and_then(|items| items.get(1).copied());
                let codec = codec.and_then(|codec| self.text(codec)).unwrap_or_default();
                let plain = matches!(
                    codec.to_ascii_lowercase().replace(['-', '_'], "").as_str(),
                    "latin1" | "iso88591" | "utf8" | "ascii"
                );
                if !plain || first.is_none_or(|first| !matches!(first, Value::Text { .. })) {
                    let what = self.expression(Value::Global(number), args);
                    self.report(&rules::UNKNOWN_CALLABLE, at, what);
                }
                None.or_else(|| {
                    Some(self.keep(Node::Call { callee: Value::Global(number), args, state: Value::None }, 1))
                })
            }
            ("torch.storage", "_load_from_bytes") if how == How::Called => {
                self.globals.judged(number);
                match first {
                    Some(Value::Raw { at: from, len }) if self.depth < Self::DEPTH_MAX => {
                        let found =
                            embedded::pickles(self.input, from, u64::from(len), self.fuel(), self.depth + 1);
                        match found {
                            Ok(notes) => self.extend_notes(notes),
                            Err(why) => self.note(&rules::UNREADABLE, at, why.to_string()),
                        }
                    }
                    _ => {
                        let what = self.expression(Value::Global(number), args);
                        self.report(&rules::UNPICKLES_AGAIN, at, what);
                    }
                }
                Some(self.keep(Node::Call { callee: Value::Global(number), args, state: Value::None }, 1))
            }
            _ => None,
        }
    }

    /// NumPy's way to pickle its functions imports any module and takes any name from it; only its own kin are meant.
    fn ufunc(&mut self, number: u32, items: Option<&[Value]>, args: Value, at: u64) -> Value {
        let named = match items {
            Some([module, name]) => self.text(*module).zip(self.text(*name)),
            _ => None,
        };
        let own = named.filter(|(module, name)| {
            let top = module.split('.').next().unwrap_or_default();
            matches!(top, "numpy" | "scipy") && !name.contains('.') && !name.starts_with('_')
        });
        let what = self.expression(Value::Global(number), args);
        let Some((module, name)) = own else {
            self.report(&rules::IMPORTS_MODULE, at, what);
            return self.keep(Node::Call { callee: Value::Global(number), args, state: Value::None }, 1);
        };
        match self.globals.intern(module, name, at) {
            Some(global) => Value::Global(global),
            None => {
                self.report(&rules::COMPUTED_CALLABLE, at, what);
                Value::Unknown
            }
        }
    }

    /// `getattr` with a constant name, of a class or object that a pack vouches for, is how pickle writes methods, members of
    /// enumerations and classes within classes. Anything else looks for something.
    fn attribute(&mut self, number: u32, items: Option<&[Value]>, args: Value, at: u64) -> Value {
        let (of, name) = match items {
            Some([of, name, ..]) => (*of, self.text(*name)),
            _ => (Value::Unknown, None),
        };
        let what = |machine: &mut Self| machine.expression(Value::Global(number), args);
        let Some(name) = name.filter(|name| !packs::is_inner(name) && !name.contains('.')) else {
            let what = what(self);
            self.report(&rules::REACHES_ATTRIBUTE, at, what);
            return self.keep(Node::Attribute { of, name: "?".into() }, 1);
        };
        let rule: Option<&'static Rule> = match of {
            Value::Global(number) => {
                let standing =
                    self.globals.one(number).map(|global| (global.standing, packs::class_like(&global.name)));
                let known = self
                    .globals
                    .one(number)
                    .and_then(|global| packs::effect(&global.module, &format!("{}.{name}", global.name)));
                self.globals.judged(number);
                match standing {
                    Some(_) if known.is_some() => known,
                    Some((Standing::Allowed(_) | Standing::Class, _)) if acts(&name) => {
                        Some(&rules::REACHES_ATTRIBUTE)
                    }
                    // Classes within classes and members of enumerations; a method may be called by whoever uses the model.
                    Some((Standing::Allowed(_), _)) if packs::class_like(&name) => None,
                    Some((Standing::Allowed(_) | Standing::Class, _)) => Some(&rules::UNKNOWN_REFERENCE),
                    Some((Standing::Denied(rule), _)) => Some(rule),
                    Some((Standing::Foreign, true)) => Some(&rules::UNKNOWN_REFERENCE),
                    _ => Some(&rules::REACHES_ATTRIBUTE),
                }
            }
            Value::Node(number) => match self.node(number) {
                Some(Node::Call { callee: Value::Global(callee), .. }) => match self.globals.one(*callee) {
                    Some(global) if matches!(global.standing, Standing::Allowed(_) | Standing::Class) => {
                        let known = packs::effect(&global.module, &format!("{}.{name}", global.name));
                        match known {
                            Some(rule) => Some(rule),
                            None if acts(&name) => Some(&rules::REACHES_ATTRIBUTE),
                            None if packs::class_like(&name) => None,
                            None => Some(&rules::UNKNOWN_REFERENCE),
                        }
                    }
                    _ => Some(&rules::REACHES_ATTRIBUTE),
                },
                Some(Node::Attribute { name, .. }) if packs::class_like(name) => None,
                _ => Some(&rules::REACHES_ATTRIBUTE),
            },
            // Methods of constants compute another constant; a format reaches into what it is given.
            Value::Text { .. } | Value::Int(_) | Value::Number | Value::None | Value::Raw { .. }
                if !name.starts_with('_') && !name.starts_with("format") =>
            {
                None
            }
            _ => Some(&rules::REACHES_ATTRIBUTE),
        };
        if let Some(rule) = rule {
            let what = what(self);
            self.report(rule, at, what);
        }
        self.keep(Node::Attribute { of, name: name.into() }, 1)
    }

    /// Whether a harmless constructor is told to make something enormous.
    fn oversized(&self, number: u32, args: Value) -> Option<&'static Rule> {
        let global = self.globals.one(number)?;
        let makes = matches!(
            (global.module.as_str(), global.name.as_str()),
            ("builtins", "bytes" | "bytearray" | "list" | "tuple" | "set" | "frozenset")
                | ("numpy", "ndarray")
                | ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct")
                | ("array", "array" | "_array_reconstructor")
                | ("itertools", "repeat")
                | ("collections", "deque" | "Counter")
        );
        let items = &self.tuple(args).filter(|_| makes)?.items;
        let nested = items.iter().filter_map(|item| self.tuple(*item)).flat_map(|held| held.items.iter());
        let enormous = |value: &Value| matches!(value, Value::Int(number) if *number >= MAKES_MAX);
        let ranges = items.iter().any(|item| self.is_long_range(*item));
        let cells = items.iter().filter_map(|item| self.tuple(*item)).any(|held| {
            held.items.iter().fold(1_i64, |cells, item| match item {
                Value::Int(number) if *number > 0 => cells.saturating_mul(*number),
                _ => cells,
            }) >= MAKES_MAX
        });
        (ranges || cells || items.iter().chain(nested).any(enormous)).then_some(&rules::PICKLE_BOMB)
    }

    fn is_long_range(&self, value: Value) -> bool {
        let Value::Node(number) = value else { return false };
        let Some(Node::Call { callee, args, .. }) = self.node(number) else { return false };
        self.global(*callee)
            .is_some_and(|global| matches!(global.name.as_str(), "range" | "repeat" | "count"))
            && self.tuple(*args).is_some_and(|held| {
                held.items.iter().any(|item| matches!(item, Value::Int(number) if *number >= MAKES_MAX))
            })
    }

    fn contain_tuple(&mut self, items: Vec<Value>, total: u64) {
        let mut held = super::value::Held { total, items };
        held.items.truncate(16);
        self.make(Node::Tuple(held), 1);
    }

    fn report(&mut self, rule: &'static Rule, at: u64, what: String) {
        self.note(rule, at, what);
    }
}

/// Whether a method of this name acts on more than its object.
fn acts(name: &str) -> bool {
    let acting = [
        &rules::STARTS_PROCESS,
        &rules::EVALUATES_CODE,
        &rules::IMPORTS_MODULE,
        &rules::LOADS_NATIVE,
        &rules::WRITES_FILE,
    ];
    packs::by_verb(name).is_some_and(|rule| acting.iter().any(|one| one.id == rule.id))
}

/// Functions that are judged where they are called.
fn is_pivot(module: &str, name: &str) -> bool {
    module == "builtins" && name == "getattr"
}

//! Chat templates that reach for the interpreter, and ways to write the same.

use super::random::Random;

/// One step from a value to another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// An attribute with a private name.
    Name(&'static str),
    Item(&'static str),
    Call(&'static str),
}

use Step::{Call, Item, Name};

/// A value and the steps from it: 20 ways out.
pub(crate) const REACHES: &[(&str, &[Step])] = &[
    ("''", &[Name("__class__"), Name("__mro__"), Item("1"), Name("__subclasses__"), Call("")]),
    ("''", &[Name("__class__"), Name("__base__"), Name("__subclasses__"), Call("")]),
    ("()", &[Name("__class__"), Name("__bases__"), Item("0"), Name("__subclasses__"), Call(""), Item("104")]),
    ("[]", &[Name("__class__"), Name("__base__")]),
    ("messages", &[Name("__class__"), Name("__init__"), Name("__globals__")]),
    ("messages[0]", &[Name("__init__"), Name("__globals__"), Item("'__builtins__'")]),
    ("cycler", &[Name("__init__"), Name("__globals__"), Name("os")]),
    ("joiner", &[Name("__init__"), Name("__globals__"), Item("'os'")]),
    ("namespace", &[Name("__init__"), Name("__globals__")]),
    ("lipsum", &[Name("__globals__"), Item("'os'"), Name("popen"), Call("'true'")]),
    ("raise_exception", &[Name("__globals__")]),
    ("strftime_now", &[Name("__globals__"), Item("'datetime'"), Name("sys")]),
    ("self", &[Name("__init__"), Name("__globals__"), Name("__builtins__"), Item("'__import__'")]),
    ("self", &[Name("_TemplateReference__context"), Name("cycler"), Name("__init__")]),
    ("bos_token", &[Name("__class__"), Name("__mro__")]),
    ("tools", &[Name("__reduce_ex__"), Call("2")]),
    ("messages", &[Name("append"), Name("__self__"), Name("__class__")]),
    ("range", &[Name("__self__"), Name("__dict__")]),
    ("(1)", &[Name("__class__"), Name("__init__"), Name("__qualname__")]),
    ("dict", &[Name("mro"), Call(""), Item("1"), Name("__subclasses__"), Call("")]),
];

/// What one change does to it; the last is all of them at random.
pub(crate) const CHANGES: &[&str] = &[
    "plain",
    "item",
    "attr filter",
    "concatenated",
    "escaped",
    "joined",
    "formatted",
    "computed",
    "aliased",
    "statement",
    "space",
    "all",
];

/// The template for a reach.
pub(crate) fn write((base, steps): (&str, &[Step]), change: &str, random: &mut Random) -> String {
    let on = |one: &str| change == one || change == "all";
    let (mut before, mut value) = (String::new(), base.to_owned());
    for (count, step) in steps.iter().enumerate() {
        value = match step {
            Item(key) => format!("{value}[{key}]"),
            Call(args) => format!("{value}({args})"),
            Name(name) => {
                let mut forms: Vec<usize> = Vec::new();
                let mut add = |change: &str, all: &[usize]| {
                    if on(change) {
                        forms.extend(all);
                    }
                };
                add("item", &[1, 2]);
                add("attr filter", &[3, 4]);
                add("concatenated", &[5, 6, 7, 8]);
                add("escaped", &[9, 10, 11, 12]);
                add("joined", &[13, 14, 15]);
                add("formatted", &[16, 17, 18]);
                add("computed", &[19, 20, 21, 22, 23, 24]);
                match forms.get(random.below(forms.len())) {
                    None => format!("{value}.{name}"),
                    Some(form) => named(&value, name, *form, random),
                }
            }
        };
        if on("aliased") && random.once_in(2) {
            value = alias(&mut before, &value, count, random);
        }
    }
    let mut out = match if on("statement") { 1 + random.below(9) } else { 0 } {
        1 => format!("{{% set z = {value} %}}{{{{ z }}}}"),
        2 => format!("{{% if {value} %}}a{{% endif %}}"),
        3 => format!("{{% for z in [{value}] %}}{{{{ z }}}}{{% endfor %}}"),
        4 => format!("{{% macro z(a) %}}{{{{ {value} }}}}{{% endmacro %}}{{{{ z(1) }}}}"),
        5 => format!("{{{{ 'a' if {value} else 'b' }}}}"),
        6 => format!("{{{{ [1, {{'k': {value}}}] }}}}"),
        7 => format!(
            "{{% for m in messages %}}{{% if loop.first %}}{{{{ {value} }}}}{{% endif %}}{{% endfor %}}"
        ),
        8 => format!("{{% filter upper %}}{{{{ {value} }}}}{{% endfilter %}}"),
        9 => format!("{{% set z %}}{{{{ {value} }}}}{{% endset %}}{{{{ z }}}}"),
        _ => format!("{{{{ {value} }}}}"),
    };
    out = before + &out;
    if on("space") {
        let (open, close) =
            [("{%- ", " -%}"), ("{%+ ", " %}"), ("{%\n\t", "\n%}"), ("{% ", " -%}")][random.below(4)];
        out =
            out.replace("{% ", open).replace(" %}", close).replace("{{ ", "{{-\n  ").replace(" }}", "\t-}}");
        out = format!("{{# {{{{ a }}}} #}}{out}{{% raw %}}{{{{ b }}}}{{% endraw %}}");
    }
    if random.once_in(2) {
        format!(
            "{{% for message in messages %}}{{{{ '<|' ~ message['role'] ~ '|>' ~ message['content'] }}}}{{% endfor %}}{out}"
        )
    } else {
        out
    }
}

fn named(value: &str, name: &str, form: usize, random: &mut Random) -> String {
    let cut = 1 + random.below(name.len() - 1);
    let (a, b) = name.split_at(cut);
    let each = |format: fn(u8) -> String| name.bytes().map(format).collect::<String>();
    let back: String = name.chars().rev().collect();
    let key = match form {
        1 => return format!("{value}['{name}']"),
        2 => format!("\"{name}\""),
        3 => return format!("({value}|attr('{name}'))"),
        4 => return format!("({value} | attr(\n\"{name}\"))"),
        5 => format!("'{a}' ~ '{b}'"),
        6 => format!("'{a}' + '{b}'"),
        7 => format!("'{a}' '{b}'"),
        8 => format!("('{a}', '{b}')|sum(start='')"),
        9 => format!("'{}'", each(|byte| format!("\\x{byte:02x}"))),
        10 => format!("'{}'", each(|byte| format!("\\u{byte:04x}"))),
        11 => format!("'{}'", each(|byte| format!("\\{byte:03o}"))),
        12 => format!("'{}'", each(|byte| format!("\\U{byte:08x}"))),
        13 => format!("['{a}', '{b}']|join"),
        14 => format!("''.join(('{a}', '{b}'))"),
        15 => format!("['{a}', '{b}']|join('')"),
        16 => format!("'%s%s'|format('{a}', '{b}')"),
        17 => format!("'%s%s' % ('{a}', '{b}')"),
        18 => format!("'{{}}{{}}'.format('{a}', '{b}')"),
        19 => format!("'{back}'[::-1]"),
        20 => format!("'{back}'|reverse"),
        21 => format!("'{}'|lower", name.to_uppercase()),
        22 => format!("'{a}!{b}'|replace('!', '')"),
        23 => format!("'x{name}y'[1:-1]"),
        _ => format!("' {name} '|trim"),
    };
    if random.once_in(3) { format!("({value}|attr({key}))") } else { format!("{value}[{key}]") }
}

fn alias(before: &mut String, value: &str, count: usize, random: &mut Random) -> String {
    match random.below(4) {
        0 => {
            *before += &format!("{{% set v{count} = {value} %}}");
            format!("v{count}")
        }
        1 => {
            *before += &format!("{{% set n{count} = namespace(v={value}) %}}");
            format!("n{count}.v")
        }
        2 => {
            *before += &format!("{{% set d{count} = {{'k': {value}}} %}}");
            format!("d{count}['k']")
        }
        _ => {
            *before += &format!("{{% set l{count} = [0, {value}] %}}");
            format!("l{count}[1]")
        }
    }
}

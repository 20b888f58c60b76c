//! Python files that run a command when they are imported, and ways to write the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::random::Random;

/// What is called, with its module: none of it needs more than a text.
pub(crate) const CALLS: &[(&str, &str)] = &[
    ("os", "system"),
    ("os", "popen"),
    ("os", "execvp"),
    ("os", "spawnlp"),
    ("posix", "system"),
    ("subprocess", "run"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("subprocess", "getoutput"),
    ("pty", "spawn"),
    ("builtins", "exec"),
    ("builtins", "eval"),
    ("runpy", "run_path"),
    ("commands", "getoutput"),
    ("asyncio.subprocess", "create_subprocess_shell"),
];

/// How the callable is come by.
pub(crate) const REACHES: &[&str] = &[
    "import",
    "import as",
    "from",
    "from as",
    "from star",
    "getattr",
    "getattr joined",
    "__import__",
    "importlib",
    "importlib alias",
    "sys.modules",
    "__dict__",
    "vars",
    "globals",
    "walrus",
    "tuple",
    "lambda",
    "dict",
    "loop",
    "decoded",
    "chars",
    "reversed",
    "exec",
    "compile",
    "exec decoded",
    "attrgetter",
];

/// Where the call stands.
pub(crate) const PLACES: &[&str] = &[
    "bare",
    "if",
    "try",
    "class",
    "default",
    "decorator",
    "comprehension",
    "fstring",
    "function",
    "init",
    "lambda",
    "with",
    "assert",
    "ternary",
    "annotation",
    "nested",
    "partial",
    "thread",
    "map",
    "atexit",
    "main guard off",
    "metaclass",
    "continued",
];

/// A file that calls `module.name` by `reach` at `place`.
pub(crate) fn write((module, name): (&str, &str), reach: &str, place: &str, random: &mut Random) -> String {
    let (setup, callee) = reached(module, name, reach, random);
    // A star is allowed in modules alone.
    let (outer, inner) =
        if reach == "from star" { (setup.clone(), String::new()) } else { (String::new(), setup.clone()) };
    let indented: String = inner.lines().map(|line| format!("    {line}\n")).collect();
    let call = format!("{callee}('true')");
    let body = match place {
        "if" => format!("{setup}if 1 < 2:\n    {call}\n"),
        "try" => format!("{setup}try:\n    raise ValueError\nexcept ValueError:\n    {call}\n"),
        "class" => format!("{outer}class A:\n{indented}    x = {call}\n"),
        "default" => format!("{setup}def f(x={call}):\n    return x\n"),
        "decorator" => format!("{setup}@{callee}\ndef f():\n    pass\n"),
        "comprehension" => format!("{setup}x = [{call} for _ in (1,)]\n"),
        "fstring" => format!("{setup}_z = {callee}\nx = f\"a{{_z('true')}}b\"\n"),
        "function" => format!("{outer}def f():\n{indented}    return {call}\n\nf()\n"),
        "init" => format!("{setup}class A:\n    def __init__(self):\n        {call}\n\nA()\n"),
        "lambda" => format!("{setup}(lambda: {call})()\n"),
        "with" => format!("{setup}with open('x') as f:\n    {call}\n"),
        "assert" => format!("{setup}assert {call} is not None\n"),
        "ternary" => format!("{setup}x = {call} if True else None\n"),
        "annotation" => format!("{setup}x: {call} = 1\n"),
        "nested" => format!("{setup}def a():\n    def b():\n        {call}\n    b()\n\na()\n"),
        "partial" => format!("{setup}import functools\nfunctools.partial({callee}, 'true')()\n"),
        "thread" => {
            format!("{setup}import threading\nthreading.Thread(target={callee}, args=('true',)).start()\n")
        }
        "map" => format!("{setup}list(map({callee}, ['true']))\n"),
        "atexit" => format!("{setup}import atexit\natexit.register({callee}, 'true')\n"),
        "main guard off" => format!("{setup}if __name__ != '__main__':\n    {call}\n"),
        "metaclass" => format!(
            "{setup}class M(type):\n    def __new__(c, n, b, d):\n        {call}\n        return type.__new__(c, n, b, d)\n\nclass A(metaclass=M):\n    pass\n"
        ),
        "continued" => format!("{setup}x = 1; \\\n{callee} \\\n  ('true') # x\n"),
        _ => format!("{setup}{call}\n"),
    };
    if random.once_in(3) {
        format!(
            "\"\"\"A model.\"\"\"\nimport math\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def forward(self, x):\n        return x\n\n\n{body}"
        )
    } else {
        body
    }
}

fn reached(module: &str, name: &str, reach: &str, random: &mut Random) -> (String, String) {
    let cut = 1 + random.below(name.len() - 1);
    let (a, b) = name.split_at(cut);
    let back = |text: &str| text.chars().rev().collect::<String>();
    let head = module.split('.').next().unwrap_or(module);
    let plain = |text: &str| text.to_owned();
    match reach {
        "import as" => (format!("import {module} as q\n"), format!("q.{name}")),
        "from" => (format!("from {module} import {name}\n"), plain(name)),
        "from as" => (format!("from {module} import ({name} as q,)\n"), plain("q")),
        "from star" if head == module => (format!("from {module} import *\n"), plain(name)),
        "getattr" => (format!("import {module} as q\n"), format!("getattr(q, '{name}')")),
        "getattr joined" => (format!("import {module} as q\n"), format!("getattr(q, '{a}' + \"{b}\")")),
        "__import__" => (String::new(), format!("__import__('{module}', fromlist=['x']).{name}")),
        "importlib" => (plain("import importlib\n"), format!("importlib.import_module('{module}').{name}")),
        "importlib alias" => {
            (plain("from importlib import import_module as i\n"), format!("i('{module}').{name}"))
        }
        "sys.modules" => (format!("import sys, {module}\n"), format!("sys.modules['{module}'].{name}")),
        "__dict__" => (format!("import {module} as q\n"), format!("q.__dict__['{name}']")),
        "vars" => (format!("import {module} as q\n"), format!("vars(q)['{a}' '{b}']")),
        "globals" => (format!("import {module} as q\n"), format!("globals()['q'].{name}")),
        "walrus" => (format!("import {module} as q\nif (w := q.{name}):\n    pass\n"), plain("w")),
        "tuple" => (format!("import {module} as q\nw, v = q.{name}, 1\n"), plain("w")),
        "lambda" => (format!("import {module} as q\nw = lambda s: q.{name}(s)\n"), plain("w")),
        "dict" => (format!("import {module} as q\nw = {{'k': q.{name}}}\n"), plain("w['k']")),
        "loop" => (format!("import {module} as q\nfor w in (q.{name},):\n    pass\n"), plain("w")),
        "decoded" => {
            let text = STANDARD.encode(module);
            (
                plain("import base64\n"),
                format!("__import__(base64.b64decode('{text}').decode(), fromlist=['x']).{name}"),
            )
        }
        "chars" => {
            let all: Vec<_> = module.bytes().map(|byte| byte.to_string()).collect();
            (
                String::new(),
                format!("__import__(''.join(chr(c) for c in [{}]), fromlist=['x']).{name}", all.join(", ")),
            )
        }
        "reversed" => (format!("import {module} as q\n"), format!("getattr(q, '{}'[::-1])", back(name))),
        "exec" => (format!("exec('import {module} as q')\nq = globals()['q']\n"), format!("q.{name}")),
        "compile" => {
            (format!("exec(compile('import {module} as q; q.{name}(1)', 'x', 'exec'))\nq = 1\n"), plain("q"))
        }
        "exec decoded" => {
            let text = STANDARD.encode(format!("import {module} as q; q.{name}(1)"));
            (format!("import base64\nexec(base64.b64decode('{text}'))\n"), plain("print"))
        }
        "attrgetter" => {
            (format!("import operator, {module} as q\n"), format!("operator.attrgetter('{name}')(q)"))
        }
        _ if head == module => (format!("import {module}\n"), format!("{module}.{name}")),
        _ => (format!("import {module}\n"), format!("{module}.{name}")),
    }
}

//! Names that templates call and ask for, and what they mean.

/// Names that lead from a value to the interpreter, wherever they stand.
pub(crate) const DEEP: &[&str] = &[
    "__class__",
    "__mro__",
    "__base__",
    "__bases__",
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "__import__",
    "__init__",
    "__getattribute__",
    "__getattr__",
    "__dict__",
    "__code__",
    "__reduce__",
    "__self__",
    "__func__",
    "__closure__",
    "__call__",
    "__loader__",
    "__spec__",
    "__module__",
    "__wrapped__",
    "__kwdefaults__",
    "__defaults__",
    "__getitem__",
    "__setattr__",
];

/// Names without underscores that do.
const SHARP: &[&str] = &[
    "mro",
    "func_globals",
    "func_code",
    "gi_frame",
    "gi_code",
    "cr_frame",
    "cr_code",
    "ag_frame",
    "ag_code",
    "f_globals",
    "f_builtins",
    "f_locals",
    "f_back",
    "tb_frame",
    "im_func",
    "im_self",
    "subclasses",
    "builtins",
    "popen",
    "system",
    "import_module",
    "import_string",
    "from_string",
    "eval",
    "exec",
    "execfile",
    "compile",
    "subprocess",
    "check_output",
    "getattr",
    "globals",
    "spawn",
    "fork",
    "environment",
    "getattribute",
    "modules",
    "os",
    "sys",
];

/// How bad it is to ask a value for `name`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    Nothing,
    /// A private name.
    Private,
    /// A way to the interpreter.
    Interpreter,
}

pub(crate) fn reach(name: &str, as_item: bool) -> Reach {
    let name = name.trim();
    if name.starts_with("__") && name.len() > 2 || DEEP.contains(&name) {
        return Reach::Interpreter;
    }
    // As keys of data, plain words are only words.
    if !as_item && SHARP.contains(&name) {
        return Reach::Interpreter;
    }
    if name.starts_with('_') && name.len() > 1 && !as_item { Reach::Private } else { Reach::Nothing }
}

/// Names that the engine or a web framework puts into every template, behind which there is code.
pub(crate) const BEHIND: &[&str] = &[
    "self",
    "lipsum",
    "url_for",
    "get_flashed_messages",
    "request",
    "g",
    "current_app",
    "application",
    "settings",
    "handler",
    "cycler",
    "joiner",
    "config",
    "session",
    "environment",
    "undefined",
];

/// Names of Python that no engine puts into a template.
pub(crate) const PYTHON: &[&str] = &[
    "eval",
    "exec",
    "open",
    "compile",
    "globals",
    "locals",
    "vars",
    "getattr",
    "setattr",
    "input",
    "os",
    "sys",
    "subprocess",
    "builtins",
    "importlib",
    "import_module",
    "breakpoint",
    "dir",
    "__import__",
    "__builtins__",
    "popen",
    "system",
    "object",
    "type",
    "memoryview",
];

/// Functions that those who render chat templates put in, and Jinja's own.
pub(crate) const KNOWN: &[&str] = &[
    "raise_exception",
    "strftime_now",
    "namespace",
    "range",
    "dict",
    "caller",
    "loop",
    "super",
    "joiner",
    "cycler",
    "_",
    "gettext",
    "ngettext",
    "fromjson",
    "tojson",
    "from_json",
];

/// Methods of texts, lists and dicts.
pub(crate) const METHODS: &[&str] = &[
    "strip",
    "lstrip",
    "rstrip",
    "split",
    "rsplit",
    "splitlines",
    "partition",
    "rpartition",
    "startswith",
    "endswith",
    "lower",
    "upper",
    "title",
    "capitalize",
    "casefold",
    "swapcase",
    "replace",
    "find",
    "rfind",
    "index",
    "rindex",
    "count",
    "join",
    "format",
    "isdigit",
    "isalpha",
    "isalnum",
    "isnumeric",
    "isdecimal",
    "isspace",
    "isupper",
    "islower",
    "istitle",
    "zfill",
    "center",
    "ljust",
    "rjust",
    "encode",
    "decode",
    "removeprefix",
    "removesuffix",
    "expandtabs",
    "translate",
    "items",
    "keys",
    "values",
    "get",
    "append",
    "extend",
    "insert",
    "pop",
    "update",
    "remove",
    "copy",
    "sort",
    "reverse",
    "clear",
    "setdefault",
    "format_map",
    "strftime",
    "isoformat",
    "next",
    "reset",
    "cycle",
    "changed",
    "union",
    "intersection",
    "difference",
    "add",
    "discard",
    "hex",
];

/// Filters of Jinja and of those who render chat templates.
pub(crate) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "from_json",
    "fromjson",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "random",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "urlize",
    "wordcount",
    "wordwrap",
    "xmlattr",
    "strip",
    "lstrip",
    "rstrip",
    "split",
    "keys",
    "values",
    "startswith",
    "endswith",
    "tojson_safe",
    "to_json",
];

/// Methods and tests that ask whether a text has certain words.
pub(crate) const SEARCHES: &[&str] = &[
    "startswith",
    "endswith",
    "find",
    "rfind",
    "index",
    "rindex",
    "count",
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "match",
    "search",
    "contains",
    "regex_search",
    "regex_match",
    "regex_findall",
    "regex",
    "removeprefix",
    "removesuffix",
    "strip",
    "lstrip",
    "rstrip",
];

/// Tests with an argument that compare.
pub(crate) const COMPARES: &[&str] = &[
    "eq",
    "equalto",
    "==",
    "ne",
    "!=",
    "in",
    "gt",
    ">",
    "greaterthan",
    "lt",
    "<",
    "lessthan",
    "ge",
    ">=",
    "le",
    "<=",
    "startswith",
    "endswith",
    "match",
    "search",
    "contains",
    "regex",
];

/// Keys of a message or a part of one that say what it says.
pub(crate) fn is_content(key: &str) -> bool {
    matches!(
        key,
        "content"
            | "text"
            | "prompt"
            | "query"
            | "question"
            | "instruction"
            | "input_text"
            | "body"
            | "utterance"
    )
}

/// Keys that parts of messages have: to ask for one is to ask what kind of part it is.
pub(crate) fn is_part_key(key: &str) -> bool {
    matches!(
        key,
        "text"
            | "image"
            | "image_url"
            | "video"
            | "audio"
            | "input_audio"
            | "audio_url"
            | "video_url"
            | "type"
            | "content"
            | "file"
            | "document"
            | "name"
            | "function"
            | "tool_calls"
            | "tool_call_id"
            | "role"
            | "refusal"
            | "thinking"
            | "reasoning"
            | "json"
            | "title"
            | "index"
            | "min_pixels"
            | "max_pixels"
            | "url"
            | "path"
            | "base64"
            | "fps"
            | "num_frames"
            | "output"
            | "results"
            | "error"
            | "result"
            | "tool_call"
            | "tool"
            | "id"
    )
}

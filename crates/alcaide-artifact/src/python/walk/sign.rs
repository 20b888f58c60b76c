//! What a value is, as far as names go, and the tables of names that are followed.

use super::super::effects::{Effect, effect};
use super::TEXT_MAX;

/// What a value is, as far as names go.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sign {
    /// A dotted path from a module on.
    Path(String),
    Text(String),
    Number(i64),
    List(Vec<Sign>),
    /// Decoded or computed from constants in a way that was not followed.
    Decoded,
    /// What a file beside it says.
    FromFile,
    Unknown,
}

impl Sign {
    /// Bytes that it takes, about.
    pub(super) fn weight(&self) -> usize {
        let held = match self {
            Self::Path(text) | Self::Text(text) => text.len(),
            // No list is deeper than the expressions that made it, and those are bounded.
            Self::List(all) => all.iter().map(Self::weight).sum(),
            Self::Number(_) | Self::Decoded | Self::FromFile | Self::Unknown => 0,
        };
        held + size_of::<Self>()
    }
}

/// Which of several it may be: what runs something goes before the rest.
pub(super) fn among(signs: &[Sign]) -> Sign {
    signs
        .iter()
        .find_map(|sign| match sign {
            Sign::Path(path) if effect(path) == Some(Effect::Runs) => Some(sign.clone()),
            Sign::List(inner) => Some(among(inner)).filter(|sign| *sign != Sign::Unknown),
            _ => None,
        })
        .unwrap_or(Sign::Unknown)
}

/// What a loop over it gives.
pub(super) fn each(of: &Sign) -> Sign {
    match of {
        Sign::List(all) => match (among(all), all.first()) {
            (Sign::Unknown, Some(first)) => first.clone(),
            (found, _) => found,
        },
        Sign::Path(path) if effect(path) == Some(Effect::Runs) => of.clone(),
        Sign::Decoded => Sign::Decoded,
        Sign::FromFile => Sign::FromFile,
        _ => Sign::Unknown,
    }
}

pub(super) fn member(of: &Sign, name: &str) -> Sign {
    match of {
        Sign::Path(path) if name == "__self__" => {
            Sign::Path(path.rsplit_once('.').map_or(path.as_str(), |(module, _)| module).to_owned())
        }
        Sign::Path(path) if path == "self.__names__" && name == "get" => Sign::Unknown,
        Sign::Path(path) => Sign::Path(format!("{path}.{name}")),
        // Methods of texts are followed as a path that holds the text.
        Sign::Text(text) => Sign::Path(format!("text:{text}.{name}")),
        Sign::Decoded => Sign::Decoded,
        Sign::FromFile => Sign::FromFile,
        _ => Sign::Unknown,
    }
}

pub(super) fn method_of_text(text: &str, method: &str, plain: &[Sign]) -> Sign {
    match (method, plain) {
        ("join", [Sign::List(all)]) => {
            let parts: Option<Vec<&str>> = all
                .iter()
                .map(|one| match one {
                    Sign::Text(one) => Some(one.as_str()),
                    _ => None,
                })
                .collect();
            parts.map_or(Sign::Unknown, |parts| bounded(parts.join(text)))
        }
        ("join", [Sign::Text(inner)]) => {
            bounded(inner.chars().map(String::from).collect::<Vec<_>>().join(text))
        }
        ("replace", [Sign::Text(from), Sign::Text(to), ..])
            if text.len().saturating_mul(to.len() + 1) <= TEXT_MAX =>
        {
            bounded(text.replace(from, to))
        }
        ("lower", _) => Sign::Text(text.to_lowercase()),
        ("upper", _) => Sign::Text(text.to_uppercase()),
        ("encode" | "decode" | "strip" | "format" | "lstrip" | "rstrip", []) => Sign::Text(text.to_owned()),
        ("encode", _) => Sign::Text(text.to_owned()),
        ("decode", [Sign::Text(how)])
            if how.to_ascii_lowercase().contains("utf") || how.to_ascii_lowercase().contains("ascii") =>
        {
            Sign::Text(text.to_owned())
        }
        ("format", parts) => {
            let mut out = text.to_owned();
            for (index, part) in parts.iter().enumerate() {
                let Sign::Text(part) = part else { return Sign::Unknown };
                out = if out.contains("{}") {
                    out.replacen("{}", part, 1)
                } else {
                    out.replace(&format!("{{{index}}}"), part)
                };
            }
            bounded(out)
        }
        ("split", [Sign::Text(by)]) if !by.is_empty() => {
            Sign::List(text.split(by.as_str()).take(4096).map(|one| Sign::Text(one.to_owned())).collect())
        }
        ("translate" | "decode", _) => Sign::Decoded,
        _ => Sign::Unknown,
    }
}

pub(super) fn sum(signs: &[Sign]) -> Sign {
    let mut out = String::new();
    for sign in signs {
        match sign {
            Sign::Text(text) if out.len() + text.len() <= TEXT_MAX => out.push_str(text),
            Sign::Decoded => return Sign::Decoded,
            _ => return Sign::Unknown,
        }
    }
    Sign::Text(out)
}

pub(super) fn bounded(text: String) -> Sign {
    if text.len() <= TEXT_MAX { Sign::Text(text) } else { Sign::Unknown }
}

pub(super) fn unhex(text: &str) -> Option<String> {
    let digits: Vec<u32> =
        text.chars().filter(|one| !one.is_whitespace()).map(|one| one.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .filter_map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect();
    String::from_utf8(bytes).ok()
}

pub(super) fn unbase64(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn rot13(text: &str) -> String {
    text.chars()
        .map(|one| match one {
            'a'..='m' | 'A'..='M' => char::from_u32(u32::from(one) + 13).unwrap_or(one),
            'n'..='z' | 'N'..='Z' => char::from_u32(u32::from(one) - 13).unwrap_or(one),
            _ => one,
        })
        .collect()
}

/// Modules whose attributes matter.
pub(super) fn is_sharp(module: &str) -> bool {
    matches!(
        module,
        "os" | "posix"
            | "nt"
            | "subprocess"
            | "builtins"
            | "pty"
            | "ctypes"
            | "socket"
            | "shutil"
            | "importlib"
            | "sys"
            | "pickle"
            | "marshal"
    )
}

pub(super) const BUILTINS: &[&str] = &[
    "eval",
    "exec",
    "compile",
    "__import__",
    "getattr",
    "setattr",
    "open",
    "globals",
    "locals",
    "vars",
    "chr",
    "str",
    "bytes",
    "bytearray",
    "map",
    "reversed",
    "breakpoint",
    "execfile",
    "True",
    "False",
    "filter",
    "list",
    "sorted",
    "any",
    "all",
    "input",
    "isinstance",
    "hasattr",
    "callable",
    "type",
    "print",
    "repr",
    "id",
    "hash",
    "len",
    "dir",
    "help",
];

/// What a star brings along of modules that run, load or talk, as far as it has an effect there.
pub(super) const STARRED: &[&str] = &[
    "system",
    "popen",
    "execl",
    "execle",
    "execlp",
    "execv",
    "execve",
    "execvp",
    "execvpe",
    "spawnl",
    "spawnle",
    "spawnlp",
    "spawnv",
    "spawnve",
    "spawnvp",
    "posix_spawn",
    "posix_spawnp",
    "startfile",
    "Popen",
    "run",
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "exec",
    "eval",
    "run_path",
    "run_module",
    "loads",
    "load",
    "Unpickler",
    "urlopen",
    "urlretrieve",
    "socket",
    "get",
    "post",
    "CDLL",
    "spawn",
    "rmtree",
    "move",
    "remove",
    "unlink",
];

/// Built-in functions that do not call what they are given.
pub(super) const INERT: &[&str] = &[
    "builtins.isinstance",
    "builtins.hasattr",
    "builtins.callable",
    "builtins.type",
    "builtins.print",
    "builtins.repr",
    "builtins.id",
    "builtins.hash",
    "builtins.getattr",
    "builtins.str",
    "builtins.dir",
    "builtins.help",
    "builtins.len",
];

/// Functions that call what they are given, at once or at the end.
pub(super) const CALLERS: &[&str] = &[
    "builtins.map",
    "builtins.filter",
    "builtins.sorted",
    "builtins.list",
    "builtins.any",
    "builtins.all",
    "atexit.register",
    "threading.Thread",
    "threading.Timer",
    "multiprocessing.Process",
    "functools.reduce",
    "signal.signal",
    "concurrent.futures.ThreadPoolExecutor",
    "sys.settrace",
    "sys.setprofile",
    "sys.addaudithook",
    "asyncio.run",
    "itertools.starmap",
    "setuptools.setup",
    "weakref.finalize",
];

/// Methods that loaders and servers call.
pub(super) const METHODS: &[&str] = &[
    "__init__",
    "__new__",
    "__init_subclass__",
    "__set_name__",
    "__reduce__",
    "__reduce_ex__",
    "__setstate__",
    "__getattr__",
    "__call__",
    "__del__",
    "__enter__",
    "__class_getitem__",
    "__post_init__",
    "forward",
    "from_pretrained",
    "_from_config",
    "initialize",
    "handle",
    "preprocess",
    "inference",
    "postprocess",
    "load_context",
    "predict",
    "setup",
    "load",
    "load_model",
    "build",
    "call",
    "from_config",
    "get_config",
    "generate",
    "tokenize",
    "encode",
    "decode",
    "run",
];

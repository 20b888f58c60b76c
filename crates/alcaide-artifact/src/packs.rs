//! What does a name do? Exact names that packs vouch for, effects of what is known, and default-deny for all others.
//!
//! A pack is text: `module<TAB>Name:roles Name:roles …`, lines sorted by module, so that a look-up is a binary search over the
//! text itself and nothing is built at the start; the table of effects is parted by the first names of modules when it is first
//! asked. `packs/README.md` tells where each comes from.

use std::collections::HashMap;
use std::sync::LazyLock;

use std::sync::OnceLock;

use alcaide_seal::Sha256Digest;
use alcaide_seal::digest::Hasher;

use crate::rules::{self, Rule};

include!("packs/list.rs");

/// Version of the packs and effects as a whole: what evidence names.
pub const PACK_VERSION: &str = "2026.11.2";

/// Digest of all that a verdict depends on beside the file: version of the packs and of this program, every pack, every rule with
/// its rating. Evidence names it; evidence of another one was made by other rules.
pub fn pack_digest() -> Sha256Digest {
    static DIGEST: OnceLock<Sha256Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| {
        let mut hasher = Hasher::new();
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        [PACK_VERSION, env!("CARGO_PKG_VERSION"), PYTHON, STANDARD, EFFECTS].into_iter().for_each(&mut part);
        for (name, texts) in LIBRARIES {
            part(name);
            texts.iter().copied().for_each(&mut part);
        }
        for rule in Rule::all() {
            part(rule.id.as_str());
            part(rule.rating.as_str());
        }
        hasher.finish()
    })
}

/// What a name may be used for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Roles {
    /// A class that is made without its constructor and given a state.
    pub(crate) made: bool,
    /// It is called with arguments.
    pub(crate) called: bool,
    /// It is referred to.
    pub(crate) referred: bool,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing {
    /// A pack vouches for it in these roles.
    Allowed(Roles),
    /// It is known what it does.
    Denied(&'static Rule),
    /// A name with dots that no pack has: it reaches through something. Whether that is a class and what is reached is one of its
    /// methods, by their names.
    Dotted { method: bool },
    /// A class, by its name, of a library that a pack knows.
    Class,
    /// Anything else of a library that a pack knows.
    Library,
    /// Part of the standard library.
    Standard,
    /// Of a library that no pack knows.
    Foreign,
}

/// What is known of `name` in `module`.
pub(crate) fn standing(module: &str, name: &str) -> Standing {
    if let Some(roles) = allowed(module, name) {
        return Standing::Allowed(roles);
    }
    if let Some(rule) = effect(module, name).or_else(|| reached(name)) {
        return Standing::Denied(rule);
    }
    if let Some((outer, last)) = name.rsplit_once('.').filter(|_| !class_like(name)) {
        let method = class_like(outer) && !last.starts_with('_') && by_verb(last).is_none();
        return Standing::Dotted { method };
    }
    let top = module.split('.').next().unwrap_or_default();
    if is_standard(top) {
        return Standing::Standard;
    }
    let known = top == "__main__" || LIBRARIES.binary_search_by(|one| one.0.cmp(top)).is_ok();
    match known {
        true if class_like(name) => Standing::Class,
        true => Standing::Library,
        false => Standing::Foreign,
    }
}

/// The roles in which a pack vouches for exactly this name.
pub(crate) fn allowed(module: &str, name: &str) -> Option<Roles> {
    // Types that a compiled module declares live in a name space of their own, which only its own loader knows.
    if (module == "__torch__" || module.starts_with("__torch__.")) && !name.is_empty() {
        return Some(Roles { made: true, called: false, referred: true });
    }
    if name.is_empty() || name.contains([' ', ':', '\t', '\n']) {
        return None;
    }
    let top = module.split('.').next().unwrap_or_default();
    let texts = LIBRARIES
        .binary_search_by(|one| one.0.cmp(top))
        .ok()
        .and_then(|at| LIBRARIES.get(at))
        .map_or(&[][..], |one| one.1);
    texts.iter().chain(std::iter::once(&PYTHON)).find_map(|text| roles(text, module, name))
}

fn roles(text: &str, module: &str, name: &str) -> Option<Roles> {
    let mut rest = line_of(text, module)?;
    while let Some((entry, after)) = rest.split_once(' ').or((!rest.is_empty()).then_some((rest, ""))) {
        if let Some((_, roles)) = entry.split_once(':').filter(|(known, _)| *known == name) {
            return Some(Roles { made: roles.contains('n'), called: roles.contains('r'), referred: true });
        }
        rest = after;
    }
    None
}

/// What stands after the tabulator in the line of `key`; the lines are sorted.
fn line_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let bytes = text.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let before = bytes.get(low..middle).unwrap_or_default();
        let start = memchr::memrchr(b'\n', before).map_or(low, |at| low + at + 1);
        let after = bytes.get(middle..high).unwrap_or_default();
        let end = memchr::memchr(b'\n', after).map_or(high, |at| middle + at);
        let line = text.get(start..end).unwrap_or_default();
        let (own, entries) = line.split_once('\t').unwrap_or((line, ""));
        match own.cmp(key) {
            std::cmp::Ordering::Equal => return Some(entries),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

/// Whether `top` is a module of the standard library of some Python that is about.
pub(crate) fn is_standard(top: &str) -> bool {
    line_of(STANDARD, top).is_some()
}

/// What a name is known to do; none if nothing is known.
pub(crate) fn effect(module: &str, name: &str) -> Option<&'static Rule> {
    lines_of(module).find(|line| line.holds(module, name)).map(|line| line.rule)
}

/// What a call of a dotted path does where a program makes it, not a pickle: lines that hold for programs alone count.
pub(crate) fn effect_in_code(path: &str) -> Option<&'static Rule> {
    // Wherever the module ends and the name begins.
    let splits =
        || path.rmatch_indices('.').filter_map(|(dot, _)| Some((path.get(..dot)?, path.get(dot + 1..)?)));
    lines_of(path)
        .filter(|line| line.code)
        .find(|line| splits().any(|(module, name)| line.holds(module, name)))
        .map(|line| line.rule)
}

/// One line of the table of effects.
struct Line {
    rule: &'static Rule,
    /// Whether it holds for what a program calls, too.
    code: bool,
    family: &'static str,
    patterns: &'static str,
}

impl Line {
    fn of(line: &'static str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').filter(|(word, _)| !word.starts_with('#'))?;
        let (family, patterns) = rest.split_once(' ')?;
        let rule = rule_of(word.trim_end_matches('+'))?;
        Some(Self { rule, code: word.ends_with('+'), family, patterns })
    }

    fn holds(&self, module: &str, name: &str) -> bool {
        let inside = match self.family.strip_suffix(".**") {
            Some(root) => {
                module.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            None => module == self.family,
        };
        inside && self.patterns.split(' ').any(|pattern| fits(pattern, name))
    }
}

/// The lines that may speak of a module, in their order: those whose family has the same first name.
fn lines_of(module: &str) -> impl Iterator<Item = &'static Line> {
    static TABLE: LazyLock<HashMap<&str, Vec<Line>>> = LazyLock::new(|| {
        let mut table: HashMap<&str, Vec<Line>> = HashMap::new();
        for line in EFFECTS.lines().filter_map(Line::of) {
            table.entry(first_name(line.family)).or_default().push(line);
        }
        table
    });
    TABLE.get(first_name(module)).into_iter().flatten()
}

fn first_name(module: &str) -> &str {
    module.split('.').next().unwrap_or_default()
}

/// Dots in a name that are followed pair by pair; no class of a library lies so deep.
const DOTS_MAX: usize = 16;

/// What a name with dots reaches: a known callable of a module that another module has imported, or the inside of an object.
fn reached(name: &str) -> Option<&'static Rule> {
    if !name.contains('.') {
        return None;
    }
    if name.split('.').any(is_inner) {
        return Some(&rules::REACHES_ATTRIBUTE);
    }
    if name.matches('.').count() > DOTS_MAX {
        return Some(&rules::DOTTED_NAME);
    }
    name.match_indices('.').find_map(|(dot, _)| {
        let (before, after) = (name.get(..dot)?, name.get(dot + 1..)?);
        let parents = std::iter::once(0).chain(before.match_indices('.').map(|(at, _)| at + 1));
        parents.filter_map(|from| before.get(from..)).find_map(|module| effect(module, after))
    })
}

/// Whether an attribute leads from an object to what made it.
pub(crate) fn is_inner(attribute: &str) -> bool {
    attribute.starts_with("__")
        && !matches!(
            attribute,
            "__name__" | "__doc__" | "__qualname__" | "__module__" | "__version__" | "__file__"
        )
}

/// What a callable that nobody knows would do by the verb in its name.
pub(crate) fn by_verb(name: &str) -> Option<&'static Rule> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let bare = last.trim_start_matches('_');
    VERBS.iter().find(|(pattern, _)| fits(pattern, bare)).and_then(|(_, word)| rule_of(word))
}

/// Names as functions that do harm have them, whatever library they are of.
const VERBS: &[(&str, &str)] = &[
    ("eval", "evaluates"),
    ("exec", "evaluates"),
    ("execfile", "evaluates"),
    ("exec_*", "evaluates"),
    ("eval_*", "evaluates"),
    ("compile", "evaluates"),
    ("runstring", "evaluates"),
    ("runcode", "evaluates"),
    ("runsource", "evaluates"),
    ("run_code", "evaluates"),
    ("runcall", "evaluates"),
    ("system", "process"),
    ("popen*", "process"),
    ("Popen", "process"),
    ("spawn*", "process"),
    ("getoutput", "process"),
    ("getstatusoutput", "process"),
    ("check_output", "process"),
    ("check_call", "process"),
    ("shell*", "process"),
    ("run*", "process"),
    ("*_command", "process"),
    ("exec*", "process"),
    ("import_*", "imports"),
    ("*_import", "imports"),
    ("load_module*", "imports"),
    ("*import_module", "imports"),
    ("resolve_name", "imports"),
    ("locate", "imports"),
    ("get_obj*", "imports"),
    ("unpickle*", "unpickles"),
    ("load_pickle*", "unpickles"),
    ("*_pickle", "unpickles"),
    ("loads", "unpickles"),
    ("load", "unpickles"),
    ("*_from_url", "network"),
    ("*download*", "network"),
    ("urlopen", "network"),
    ("urlretrieve", "network"),
    ("fetch*", "network"),
    ("request*", "network"),
    ("connect*", "network"),
    ("load_library", "native"),
    ("dlopen", "native"),
    ("getattr*", "pivots"),
    ("apply", "pivots"),
    ("methodcaller", "pivots"),
    ("attrgetter", "pivots"),
    ("open*", "writes"),
    ("write*", "writes"),
    ("save*", "writes"),
    ("tofile", "writes"),
    ("to_pickle", "writes"),
    ("touch", "writes"),
    ("rename", "writes"),
    ("remove*", "writes"),
    ("unlink", "writes"),
    ("rmtree", "writes"),
    ("delete_*", "writes"),
    ("read_*", "reads"),
    ("load_*", "reads"),
];

/// Words in the names of classes whose constructors act on the world.
const ACTING: &[&str] = &[
    "Popen",
    "Subprocess",
    "Process",
    "Client",
    "Server",
    "Socket",
    "Connection",
    "Session",
    "Shell",
    "Command",
    "Importer",
    "Interpreter",
    "Download",
    "Opener",
    "Http",
    "HTTP",
    "Launcher",
    "Executor",
    "File",
    "HDFStore",
    "Compiler",
    "Unpickler",
    "DataSource",
    "Memmap",
    "MemoryMap",
    "Request",
    "Url",
    "URL",
];

/// Whether the constructor of a class of this name most likely acts on the world.
pub(crate) fn acting(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    ACTING.iter().any(|word| last.contains(word))
}

/// Whether the last part of a name is written as classes are: `CamelCase`.
pub(crate) fn class_like(name: &str) -> bool {
    name.split('.').all(|part| {
        let bare = part.trim_start_matches('_');
        bare.starts_with(|first: char| first.is_ascii_uppercase())
            && bare.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
            && (bare.len() == 1
                || bare.contains(|one: char| one.is_ascii_lowercase() || one.is_ascii_digit()))
    })
}

fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), _) if pattern == "*" => true,
        (Some(middle), Some(_)) => middle.strip_suffix('*').is_some_and(|middle| name.contains(middle)),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    }
}

fn rule_of(word: &str) -> Option<&'static Rule> {
    Some(match word {
        "process" => &rules::STARTS_PROCESS,
        "evaluates" => &rules::EVALUATES_CODE,
        "imports" => &rules::IMPORTS_MODULE,
        "unpickles" => &rules::UNPICKLES_AGAIN,
        "native" => &rules::LOADS_NATIVE,
        "pivots" => &rules::REACHES_ATTRIBUTE,
        "network" => &rules::REACHES_NETWORK,
        "writes" => &rules::WRITES_FILE,
        "reads" => &rules::READS_FILE,
        "environment" => &rules::CHANGES_ENVIRONMENT,
        "stops" => &rules::STOPS_PROCESS,
        _ => return None,
    })
}

/// The name by which Python 3 finds what a pickle of Python 2 asks for.
///
/// Source: `Lib/_compat_pickle.py` of CPython 3.11, `NAME_MAPPING` and `IMPORT_MAPPING`, as far as packs and effects need it.
pub(crate) fn modern<'a>(module: &'a str, name: &'a str) -> (&'a str, &'a str) {
    match (module, name) {
        ("__builtin__", "xrange") => ("builtins", "range"),
        ("__builtin__", "reduce") => ("functools", "reduce"),
        ("__builtin__", "intern") => ("sys", "intern"),
        ("__builtin__", "unichr") => ("builtins", "chr"),
        ("__builtin__", "unicode") => ("builtins", "str"),
        ("__builtin__", "long") => ("builtins", "int"),
        ("itertools", "izip") => ("builtins", "zip"),
        ("itertools", "imap") => ("builtins", "map"),
        ("itertools", "ifilter") => ("builtins", "filter"),
        ("UserDict", "UserDict" | "IterableUserDict") | ("UserList", "UserList") => ("collections", name),
        ("__builtin__" | "exceptions", _) => ("builtins", name),
        ("copy_reg", _) => ("copyreg", name),
        ("cPickle", _) => ("pickle", name),
        ("commands", _) => ("subprocess", name),
        ("repr", _) => ("reprlib", name),
        ("thread", _) => ("_thread", name),
        _ => (module, name),
    }
}

#[cfg(test)]
mod tests {
    use alcaide_finding::Rating;

    use super::*;

    #[test]
    fn every_pack_is_sorted_and_every_line_of_it_is_found() {
        let mut names = 0;
        let mut libraries = 0;
        for (top, texts) in LIBRARIES.iter().chain(std::iter::once(&("", &[PYTHON][..]))) {
            libraries += 1;
            for text in *texts {
                let modules: Vec<_> = text.lines().map(|line| line.split('\t').next().unwrap()).collect();
                assert!(modules.is_sorted(), "{top}");
                for line in text.lines() {
                    let (module, entries) = line.split_once('\t').unwrap();
                    assert!(top.is_empty() || module.split('.').next() == Some(top), "{module} in {top}");
                    for entry in entries.split(' ') {
                        let (name, roles) = entry.split_once(':').unwrap();
                        assert!(!roles.is_empty() && roles.chars().all(|one| "nrv".contains(one)), "{line}");
                        assert!(allowed(module, name).is_some(), "{module} {name}");
                        names += 1;
                    }
                }
            }
        }
        assert!(libraries >= 15 && names >= 1_500, "{libraries} libraries, {names} names");
        assert!(LIBRARIES.is_sorted_by_key(|one| one.0));
        assert!(STANDARD.lines().all(is_standard));
        assert!(!is_standard("torch") && !is_standard("") && !is_standard("zz") && !is_standard("A"));
    }

    #[test]
    fn every_effect_line_is_well_formed() {
        for line in EFFECTS.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = line.split(' ').collect();
            assert!(words.len() >= 3 && words.iter().all(|word| !word.is_empty()), "{line}");
            assert!(rule_of(words[0].trim_end_matches('+')).is_some(), "{line}");
        }
    }

    #[test]
    fn what_runs_code_is_in_no_pack() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "popen"),
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("builtins", "getattr"),
            ("operator", "attrgetter"),
            ("torch", "load"),
            ("torch.serialization", "load"),
            ("torch.serialization", "os.system"),
            ("torch.hub", "load"),
            ("numpy", "load"),
            ("numpy", "memmap"),
            ("numpy.testing._private.utils", "runstring"),
            ("joblib", "load"),
            ("pandas", "read_pickle"),
            ("scipy.stats._distn_infrastructure", "rv_continuous"),
            ("subprocess", "Popen"),
            ("pathlib", "Path.unlink"),
        ] {
            assert!(allowed(module, name).is_none(), "{module} {name}");
        }
    }

    #[test]
    fn effects_are_known_by_family_and_verb() {
        for (module, name, rating) in [
            ("os", "execvp", Rating::Critical),
            ("subprocess", "run", Rating::Critical),
            ("idlelib.pyshell", "ModifiedInterpreter", Rating::Critical),
            ("pkgutil", "resolve_name", Rating::Critical),
            ("requests.api", "get", Rating::High),
            ("sys", "exit", Rating::Medium),
        ] {
            match standing(module, name) {
                Standing::Denied(rule) => assert_eq!(rule.rating, rating, "{module} {name}"),
                other => panic!("{module} {name}: {other:?}"),
            }
        }
        assert!(matches!(standing("torch.nn.modules.future", "NewLayer"), Standing::Class));
        assert!(matches!(standing("torch.nn.modules.future", "new_layer"), Standing::Library));
        assert!(matches!(standing("sched2", "X"), Standing::Foreign));
        assert!(matches!(standing("textwrap", "dedent"), Standing::Standard));
        assert_eq!(by_verb("_run_entry_point").map(|rule| rule.rating), Some(Rating::Critical));
        assert!(by_verb("gelu").is_none());
    }
}

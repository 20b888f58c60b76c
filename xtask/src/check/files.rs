//! Is each file as it should be? Names of folders, length, the first line of a crate, markers, and what may not be
//! told: paths of a machine and hosts of registries.
//!
//! Markers are looked for in comments, because tests and patterns may hold the same letters as data.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::check::{Breach, edges};
use crate::step;

/// Paths from the root of everything that is tracked or would be, sorted.
///
/// # Errors
/// When git cannot list them.
pub(super) fn tracked(root: &Path) -> Result<Vec<String>> {
    let mut command = step::command(root, "git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut paths: Vec<String> =
        step::output(command)?.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    // A file that was deleted and not yet committed is listed, but is not there.
    paths.retain(|path| root.join(path).is_file());
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Breaches in the tracked files.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn judge(root: &Path, tracked: &[String]) -> Result<Vec<Breach>> {
    let mut breaches = judge_names(tracked);
    for path in tracked {
        let bytes = fs::read(root.join(path)).with_context(|| format!("`{path}` cannot be read"))?;
        // What is not text has no lines to judge.
        if let Ok(text) = String::from_utf8(bytes) {
            breaches.extend(judge_text(path, &text));
        }
    }
    Ok(breaches)
}

fn judge_names(tracked: &[String]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for path in tracked {
        let stems = path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
        for stem in stems.filter(|stem| NAMELESS.contains(stem)) {
            breaches.push(Breach {
                place: path.clone(),
                what: format!("`{stem}` says nothing about what is in it"),
                cure: "name the folder or module after the one thing that it does",
            });
        }
        if let [_, "tests", file] = *path.trim_start_matches("crates/").split('/').collect::<Vec<_>>()
            && file.ends_with(".rs")
        {
            breaches.push(Breach {
                place: path.clone(),
                what: "an integration test stands alone, so it is linked as a program of its own".into(),
                cure: "make it a module of `tests/it/main.rs`",
            });
        }
    }
    breaches
}

fn judge_text(path: &str, text: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut breach = |line: Option<usize>, what: String, cure: &'static str| {
        let place = line.map_or_else(|| path.to_owned(), |line| format!("{path}:{line}"));
        breaches.push(Breach { place, what, cure });
    };
    if path.ends_with("/src/lib.rs") {
        let first = text.lines().next().unwrap_or_default();
        if !(first.starts_with("//! ") && first.contains('?')) {
            breach(
                Some(1),
                "the first line does not ask the question of this crate".into(),
                "begin with `//! The question? The answer.`",
            );
        }
    }
    if is_source(path) {
        let lines = lines_before_tests(text);
        if lines > LINES_MAX {
            breach(
                None,
                format!("{lines} lines without its tests, {LINES_MAX} is the limit"),
                "split it by what its parts are for",
            );
        }
    }
    if is_source(path) && path.split('/').nth(1).is_some_and(edges::is_pure) {
        for (index, line) in text.lines().take(lines_before_tests(text)).enumerate() {
            if let Some(reach) = REACHES.iter().find(|reach| code_of(line).contains(*reach)) {
                breach(
                    Some(index + 1),
                    format!("`{reach}` in a crate that opens no socket or file and reads no clock"),
                    "take bytes and time as values from the caller",
                );
            }
        }
    }
    let comment = comment_sign(path);
    for (index, line) in text.lines().enumerate() {
        let number = Some(index + 1);
        if path.ends_with(".rs")
            && let Some(name) = UNFINISHED.iter().find(|name| calls(code_of(line), name))
        {
            breach(
                number,
                format!("`{name}!` is left in the code"),
                "finish it, or leave it out with its callers",
            );
        }
        let said = comment.and_then(|sign| line.find(sign)).and_then(|at| line.get(at..)).unwrap_or_default();
        if let Some(marker) = MARKERS.iter().find(|marker| has_word(said, marker)) {
            breach(
                number,
                format!("the marker `{marker}` is left in a comment"),
                "do it now, or open an issue for it",
            );
        }
        if let Some(told) = MACHINE.iter().find(|told| at_start_of_path(line, told)) {
            breach(
                number,
                format!("`{told}` is a path or host of one machine"),
                "use a path from the root of the tree, or the tool's own default",
            );
        }
    }
    breaches
}

/// Code that is compiled into a crate; tests in files of their own are apart.
fn is_source(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    path.ends_with(".rs")
        && parts.contains(&"src")
        && !parts.contains(&"tests")
        && parts.last() != Some(&"tests.rs")
}

/// Lines up to the module of tests that ends the file, if there is one.
fn lines_before_tests(text: &str) -> usize {
    let mut previous = "";
    for (index, line) in text.lines().enumerate() {
        let begins = line.starts_with("mod tests {") || line.starts_with("pub(crate) mod tests {");
        if previous == "#[cfg(test)]" && begins {
            return index.saturating_sub(1);
        }
        previous = line;
    }
    text.lines().count()
}

/// What begins a comment in this kind of file; `None` where comments are not judged.
fn comment_sign(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.').map(|(_, kind)| kind) {
        Some("rs" | "js" | "mjs" | "ts" | "cedar") => Some("//"),
        Some("py" | "toml" | "sh" | "yaml" | "yml") => Some("#"),
        Some("css") => Some("/*"),
        Some("html") => Some("<!--"),
        Some("sql") => Some("--"),
        _ => (path == ".ci/run").then_some("#"),
    }
}

/// A line of Rust without its comment: examples that must not compile may leave things out.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

fn calls(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let mut after = line.get(at + name.len()..).unwrap_or_default().chars();
        !before.is_some_and(is_word)
            && after.next() == Some('!')
            && matches!(after.next(), Some('(' | '[' | '{'))
    })
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Whether `told` stands in `line` as the beginning of a path or host, not within a longer one.
fn at_start_of_path(line: &str, told: &str) -> bool {
    line.match_indices(told).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| is_word(c) || c == '.' || c == '-')
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Lines of a source file without its tests.
const LINES_MAX: usize = 600;

/// Names that say nothing.
const NAMELESS: [&str; 7] = ["core", "common", "util", "utils", "helper", "helpers", "misc"];

/// How the outside and the clock are reached with the standard library alone.
const REACHES: [&str; 9] = [
    "SystemTime::now",
    "Instant::now",
    "std::fs",
    "File::open",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::process",
    "env::var",
];

// Written in two parts, so that this file keeps its own law.
const UNFINISHED: [&str; 2] = [concat!("to", "do"), concat!("unimple", "mented")];
const MARKERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
const MACHINE: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("registry.npm", "js.org"),
    concat!("files.python", "hosted.org"),
    concat!("pypi", ".org/simple"),
    concat!("deb.de", "bian.org"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        judge_text(path, text)
            .into_iter()
            .map(|breach| format!("{}: {}", breach.place, breach.what))
            .collect()
    }

    #[test]
    fn a_crate_asks_its_question_first() {
        let path = "crates/alcaide-x/src/lib.rs";
        assert!(found(path, "//! What exists? Things.\n").is_empty());
        assert_eq!(found(path, "//! Things.\n").len(), 1);
        assert_eq!(found(path, "// What exists? Things.\n").len(), 1);
        assert_eq!(found(path, "").len(), 1);
    }

    #[test]
    fn length_is_counted_without_tests() {
        let body = "let x = 1;\n";
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", body.repeat(900));
        let at = format!("{}{tests}", body.repeat(LINES_MAX));
        let past = format!("{}{tests}", body.repeat(LINES_MAX + 1));
        assert!(found("crates/alcaide-x/src/a.rs", &at).is_empty());
        assert_eq!(found("crates/alcaide-x/src/a.rs", &past).len(), 1);
        for apart in ["crates/alcaide-x/src/a/tests.rs", "crates/alcaide-x/tests/it/a.rs", "docs/a.md"] {
            assert!(found(apart, &past).is_empty(), "{apart}");
        }
    }

    #[test]
    fn engines_and_words_reach_nothing_outside() {
        let text = "let now = SystemTime::now(); // SystemTime::now\n// env::var\n#[cfg(test)]\nmod tests {\nstd::fs\n}\n";
        assert_eq!(found("crates/alcaide-wire/src/a.rs", text).len(), 1);
        assert!(found("crates/alcaide-wire/src/a/tests.rs", text).is_empty());
        assert!(found("crates/alcaide-serve/src/a.rs", text).is_empty());
    }

    #[test]
    fn markers_are_found_in_comments_and_left_alone_in_data() {
        for marker in MARKERS {
            assert_eq!(found("a/b.rs", &format!("let x = 1; // {marker}: later\n")).len(), 1, "{marker}");
            assert!(found("a/b.rs", &format!("let x = \"{marker}-12\";\n")).is_empty(), "{marker}");
            assert!(found("a/b.rs", &format!("// {marker}LIST of 3\n")).is_empty(), "{marker}");
            assert_eq!(found("a/b.toml", &format!("# {marker}\n")).len(), 1, "{marker}");
        }
        for name in UNFINISHED {
            assert_eq!(
                found("a/b.rs", &format!("    {name}!()\n")),
                [format!("a/b.rs:1: `{name}!` is left in the code")]
            );
            assert!(found("a/b.rs", &format!("my_{name}!()\n")).is_empty());
            assert!(found("a/b.rs", &format!("//! let _ = skip({name}!());\n")).is_empty());
        }
    }

    #[test]
    fn paths_and_hosts_of_a_machine_are_not_told() {
        for told in MACHINE {
            assert_eq!(found("README.md", &format!("see {told}x\n")).len(), 1, "{told}");
            assert!(found("README.md", &format!("see home{told}x\n")).is_empty(), "{told}");
        }
    }

    #[test]
    fn folders_and_modules_have_names() {
        let names = ["crates/alcaide-x/src/utils/a.rs", "crates/alcaide-x/src/common.rs", "docs/score.md"];
        assert_eq!(judge_names(&names.map(str::to_owned)).len(), 2);
    }

    #[test]
    fn integration_tests_are_one_program() {
        let lone = ["crates/alcaide-x/tests/a.rs".to_owned(), "xtask/tests/b.rs".to_owned()];
        assert_eq!(judge_names(&lone).len(), 2);
        let joined =
            ["crates/alcaide-x/tests/it/a.rs".to_owned(), "crates/alcaide-x/tests/ui/a.rs".to_owned()];
        assert!(judge_names(&joined).is_empty());
    }
}

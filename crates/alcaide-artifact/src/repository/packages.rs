//! Lists of packages: requirements of pip, TOML of Python's builders and lock files, settings of pip and conda.
//!
//! What an index serves under a name is the index's to answer for; what is asked for here is whether a list has something
//! fetched from a place of its own. A fetch that is pinned to a commit cannot change any more: a doubt.

use super::{escapes, is_url, quoted};
use crate::rules::formats as rules;
use crate::scanner::Scanner;

/// A list of requirements, one a line.
pub(super) fn requirements(scanner: &mut Scanner, source: &str) {
    // A backslash at the end of a line goes on with the next one; the places after it are those of the joined text.
    let source = source.replace("\\\n", "");
    for (at, line) in super::plain::lines(&source) {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if !line.starts_with('#') {
            requirement(scanner, at, line);
        }
    }
}

/// One line of requirements.
pub(super) fn requirement(scanner: &mut Scanner, at: u64, line: &str) {
    let low = line.to_ascii_lowercase();
    let index = [
        "--index-url",
        "--extra-index-url",
        "--find-links",
        "--trusted-host",
        "--pypi-url",
        "index-url",
        "extra-index-url",
        "find-links",
        "trusted-host",
    ]
    .iter()
    .any(|word| low.starts_with(word));
    let other = ["--requirement", "--constraint", "--editable"].iter().any(|word| low.starts_with(word))
        && low.contains("://");
    // Short options need no space before their value.
    let short = low.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(['i', 'f']) || (rest.starts_with(['c', 'r', 'e']) && rest.contains("://"))
    });
    let local = [".whl", ".tar.gz", ".zip"].iter().any(|end| low.ends_with(end)) && low.starts_with('.');
    let repository = ["git+", "svn+", "hg+", "bzr+"].iter().any(|kind| low.contains(kind));
    let direct = repository
        || local
        || low.contains("@ http")
        || low.contains("@http")
        || is_url(&low)
        || low.contains("file:");
    let foreign = (index || short || other) && !is_own(&low);
    if foreign || direct && (repository || !is_own(&low)) {
        elsewhere(scanner, at, None, line);
    } else if escapes(line.trim_start_matches("-e ").trim_start_matches("-r ")).is_some()
        && !line.contains('=')
    {
        scanner.find(&rules::PATH_ESCAPE, Some(at), None, quoted(line));
    }
}

/// An index that packages are taken from.
pub(super) fn index(scanner: &mut Scanner, at: u64, pointer: &str, what: &str) {
    let low = what.to_ascii_lowercase();
    if is_url(&low) && !is_own(&low) {
        elsewhere(scanner, at, Some(pointer), what);
    }
}

/// Tells of a place that something is fetched from.
fn elsewhere(scanner: &mut Scanner, at: u64, pointer: Option<&str>, what: &str) {
    if is_pinned(what) {
        scanner.doubt(
            &rules::CALLABLE_UNKNOWN,
            Some(at),
            format!("{} is code of a fixed state that nobody looked into", quoted(what)),
        );
    } else {
        scanner.find(&rules::SOURCE_ELSEWHERE, Some(at), pointer, quoted(what));
    }
}

/// Whether a repository is named over a safe transport with the commit that is taken, all forty digits of it.
fn is_pinned(what: &str) -> bool {
    let safe = ["git+https://", "git+ssh://"].iter().any(|start| what.contains(start));
    safe && what.rsplit_once('@').is_some_and(|(_, commit)| is_commit(commit))
}

fn is_commit(text: &str) -> bool {
    let commit = text.split(['#', ' ', ';', '"', '\'', '&']).next().unwrap_or_default();
    commit.len() == 40 && commit.bytes().all(|one| one.is_ascii_hexdigit())
}

/// Whether a place is one of the indices that everybody takes packages from.
fn is_own(low: &str) -> bool {
    let places = [
        "https://pypi.org/",
        concat!("https://files.python", "hosted.org/"),
        "https://pypi.python.org/",
        "https://download.pytorch.org/",
        "https://data.pyg.org/",
        "https://storage.googleapis.com/",
        "https://conda.anaconda.org/",
        "https://repo.anaconda.com/",
        "https://pypi.nvidia.com",
        "https://wheels.vllm.ai/",
    ];
    low.contains("://")
        && low.match_indices("://").all(|(at, _)| {
            // Each address that the line names.
            let start = low.get(..at).map_or(0, |before| {
                before
                    .rfind(|one: char| !one.is_ascii_alphanumeric() && !matches!(one, '+' | '.' | '-'))
                    .map_or(0, |end| end + 1)
            });
            let place = low.get(start..).unwrap_or_default();
            places.iter().any(|own| place.starts_with(own))
        })
}

/// TOML: `pyproject.toml`, `Pipfile`, lock files, and whatever else names packages in it.
pub(super) fn toml(scanner: &mut Scanner, source: &str) {
    let mut table = String::new();
    for (at, line) in super::plain::lines(source) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            table = name
                .trim_start_matches('[')
                .split(']')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            continue;
        }
        // Pages of a project are only told.
        if table.ends_with("urls") {
            continue;
        }
        let packages =
            ["depend", "require", "source", "index", "package", "build-system", "extras", "uv", "pip"]
                .iter()
                .any(|word| table.contains(word));
        let texts = texts_of(line);
        let (key, _) = line.split_once('=').unwrap_or((line, ""));
        let key = key.trim().trim_matches('"').to_ascii_lowercase();
        for (name, text) in &texts {
            let name = if name.is_empty() { key.as_str() } else { name.as_str() };
            let low = text.to_ascii_lowercase();
            let fetched = match name {
                "url" | "index" | "index-url" | "extra-index-url" | "find-links" | "registry" | "file"
                | "default-index" => is_url(&low) && (packages || name != "url"),
                "git" | "hg" | "svn" => true,
                _ => ["git+", "@ http", "@http", "@ file:", "hg+", "svn+"]
                    .iter()
                    .any(|mark| low.contains(mark)),
            };
            let path = packages
                && matches!(name, "path" | "directory" | "editable" | "file")
                && escapes(text).is_some();
            let commit = line
                .split_once("rev")
                .is_some_and(|(_, rest)| is_commit(rest.trim_start_matches([' ', '=', '"', '\''])));
            if fetched && !is_own(&low) {
                if matches!(name, "git")
                    && low.starts_with("https://")
                    && (commit || low.rsplit_once('#').is_some_and(|(_, rest)| is_commit(rest)))
                {
                    scanner.doubt(
                        &rules::CALLABLE_UNKNOWN,
                        Some(at),
                        format!("{} is code of a fixed state that nobody looked into", quoted(text)),
                    );
                } else {
                    elsewhere(scanner, at, Some(name), text);
                }
            } else if path {
                scanner.find(&rules::PATH_ESCAPE, Some(at), Some(name), quoted(text));
            }
        }
    }
}

/// The quoted texts of a line of TOML, each with the key right before it within brackets.
fn texts_of(line: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(start);
        let quote = quoted.chars().next().unwrap_or('"');
        let body = quoted.get(1..).unwrap_or_default();
        let end = body.find(quote).unwrap_or(body.len());
        let text = body.get(..end).unwrap_or_default();
        let key = before.trim_end().strip_suffix('=').map(|key| {
            key.trim_end()
                .rsplit(|one: char| !one.is_alphanumeric() && !matches!(one, '-' | '_'))
                .next()
                .unwrap_or_default()
        });
        // A quoted key is no value.
        rest = body.get(end + 1..).unwrap_or_default();
        if !rest.trim_start().starts_with('=') && out.len() < 256 {
            out.push((key.unwrap_or_default().to_ascii_lowercase(), text.to_owned()));
        }
    }
    out
}

/// Settings of pip, conda and setuptools: `key = value` or `key: value`, lists below a key.
pub(super) fn settings(scanner: &mut Scanner, source: &str) {
    let mut under = String::new();
    for (at, line) in super::plain::lines(source) {
        let bare = line.trim();
        if bare.starts_with(['#', ';']) {
            continue;
        }
        let value = match bare.split_once(['=', ':']) {
            Some((key, value))
                if !bare.starts_with('-') && !line.starts_with([' ', '\t']) && !key.trim().contains(' ')
                    || is_setting(bare) =>
            {
                under = key.trim().to_ascii_lowercase();
                value.trim()
            }
            _ => bare.trim_start_matches("- ").trim(),
        };
        let names_index = [
            "index-url",
            "index_url",
            "extra-index-url",
            "extra_index_url",
            "find-links",
            "find_links",
            "trusted-host",
            "dependency_links",
            "channel_alias",
            "channels",
        ]
        .contains(&under.as_str());
        let requires = under.ends_with("requires") || under.ends_with("require") || under.contains("depend");
        if names_index {
            index(scanner, at, &under, value);
        } else if requires && !value.is_empty() {
            requirement(scanner, at, value);
        }
    }
}

fn is_setting(line: &str) -> bool {
    [
        "install_requires",
        "setup_requires",
        "tests_require",
        "dependency_links",
        "index-url",
        "extra-index-url",
        "find-links",
    ]
    .iter()
    .any(|key| line.starts_with(key))
}

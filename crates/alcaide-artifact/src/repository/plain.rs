//! Files of lines: start files of Python, scripts, model files, lists of packages, attributes, pages.

use super::{is_url, judge_python, quoted, say};
use crate::python::Trust;
use crate::rules::{Rule, formats as rules};
use crate::scanner::Scanner;
use crate::template;
use crate::text;

/// A `.pth` file: lines that begin with `import` are run when Python starts.
pub(super) fn site(scanner: &mut Scanner, source: &str) {
    may_be_pickle(scanner, source);
    for (at, line) in lines(source) {
        if line.starts_with("import ") || line.starts_with("import\t") {
            scanner.find(&rules::SCRIPT, Some(at), None, "Python runs this line at its start");
            judge_python(scanner, "", line, Trust::Imported, "start file, ");
        } else if super::escapes(line).is_some() {
            scanner.find(&rules::PATH_ESCAPE, Some(at), None, quoted(line));
        }
    }
}

/// A script.
pub(super) fn shell(scanner: &mut Scanner, source: &str) {
    let mut found = false;
    for (rule, words) in commands(source) {
        found = true;
        scanner.find(rule, None, None, words);
    }
    if !found {
        scanner.doubt(&rules::PYTHON_UNCLEAR, Some(0), "a script: what it does is up to what it calls");
    }
}

/// Commands that fetch and run, hide what they run, or give a way in.
pub(super) fn commands(source: &str) -> Vec<(&'static Rule, String)> {
    let mut found = Vec::new();
    let joined = source.replace("\\\n", " ");
    for line in joined.lines() {
        let low = line.trim().to_ascii_lowercase();
        if low.starts_with('#') {
            continue;
        }
        let fetches = [
            "curl ",
            "wget ",
            "invoke-webrequest",
            "iwr ",
            "downloadstring",
            "downloadfile",
            "bitsadmin",
            "certutil",
        ]
        .iter()
        .any(|word| low.contains(word));
        let runs =
            low.split(['|', ';', '&', '(']).skip(1).any(|part| {
                let part = part.trim_start().trim_start_matches("sudo ").trim_start();
                ["sh", "bash", "zsh", "python", "python3", "perl", "node", "iex"]
                    .contains(&part.split_whitespace().next().unwrap_or_default().trim_end_matches(')'))
            }) || ["$(curl", "`curl", "<(curl", "$(wget", "`wget", "<(wget", "iex ", "iex(", "start-process"]
                .iter()
                .any(|form| low.contains(form));
        let what = if fetches && runs {
            "it fetches something and runs it"
        } else if low.contains("base64")
            && (low.contains("-d") || low.contains("decode"))
            && (runs || low.contains("eval"))
            || low.contains("-encodedcommand")
            || low.contains("powershell -e")
        {
            "it runs something that it decodes"
        } else if low.contains("/dev/tcp/")
            || low.contains("/dev/udp/")
            || low.contains("nc -e")
            || low.contains("ncat -e")
            || low.contains("bash -i >")
            || low.contains("mkfifo") && low.contains("nc ")
        {
            "it opens a way in"
        } else if low.contains("authorized_keys")
            || low.contains("crontab ")
            || low.contains("/etc/cron")
            || low.contains(".bashrc") && low.contains(">>")
            || low.contains("/etc/passwd")
            || low.contains("schtasks")
        {
            "it makes itself stay"
        } else if low.contains("rm -rf /") && !low.contains("rm -rf /tmp")
            || low.contains("rm -rf ~")
            || low.contains("mkfs.")
            || low.contains(":(){")
        {
            "it destroys"
        } else {
            continue;
        };
        found.push((&rules::SCRIPT, format!("{what}: {}", quoted(line.trim()))));
    }
    found
}

/// A model file of Ollama. Source: its documentation, "Modelfile reference".
pub(super) fn modelfile(scanner: &mut Scanner, source: &str) {
    let mut rest = source;
    while !rest.is_empty() {
        let at = (source.len() - rest.len()) as u64;
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        let (word, value) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        let mut value = value.trim().to_owned();
        let mut taken = line.len();
        if let Some(start) = line.find("\"\"\"") {
            let body = rest.get(start + 3..).unwrap_or_default();
            let len = body.find("\"\"\"").unwrap_or(body.len());
            value = body.get(..len).unwrap_or_default().to_owned();
            let tail = rest.get(start + 3 + len..).unwrap_or_default();
            taken = start + 3 + len + tail.find('\n').map_or(tail.len(), |end| end + 1);
        }
        match word.to_ascii_uppercase().as_str() {
            word @ ("FROM" | "ADAPTER") => {
                if is_url(&value) && !value.contains("huggingface.co/") {
                    scanner.find(&rules::SOURCE_ELSEWHERE, Some(at), Some(word), quoted(&value));
                } else if let Some(why) = super::escapes(&value) {
                    scanner.find(
                        &rules::PATH_ESCAPE,
                        Some(at),
                        Some(word),
                        format!("{}: {why}", quoted(&value)),
                    );
                }
            }
            "TEMPLATE" => go_template(scanner, at, &value),
            word @ ("SYSTEM" | "MESSAGE") => {
                for (rule, words) in template::judge_prose(&value) {
                    say(scanner, rule, Some(at), word, words);
                }
            }
            _ => {}
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
}

/// Go's templates cannot reach code, but they can wait for words.
fn go_template(scanner: &mut Scanner, at: u64, source: &str) {
    for action in source.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
        let compares = ["eq ", "ne ", "contains ", "hasPrefix ", "hasSuffix ", "regexMatch ", "gt ", "lt "]
            .iter()
            .any(|word| action.contains(word));
        let content =
            [".Content", ".Prompt", ".System", ".Response"].iter().any(|field| action.contains(field));
        let constant = action.split('"').nth(1).is_some_and(|text| text.chars().any(char::is_alphanumeric));
        if compares && content && constant {
            scanner.find(&rules::TEMPLATE_GATE, Some(at), Some("TEMPLATE"), quoted(action));
        }
    }
    for (rule, words) in template::judge_prose(source) {
        say(scanner, rule, Some(at), "TEMPLATE", words);
    }
}

/// A list of packages.
pub(super) fn requirements(scanner: &mut Scanner, source: &str) {
    // A backslash at the end of a line goes on with the next one; the places after it are those of the joined text.
    let source = source.replace("\\\n", "");
    for (at, line) in lines(&source) {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.starts_with('#') {
            continue;
        }
        let low = line.to_ascii_lowercase();
        let index = [
            "--index-url",
            "-i ",
            "--extra-index-url",
            "--find-links",
            "-f ",
            "--trusted-host",
            "index-url",
            "extra-index-url",
        ]
        .iter()
        .any(|word| low.starts_with(word));
        // Short options need no space before their value.
        let short = low.strip_prefix('-').is_some_and(|rest| {
            rest.starts_with(['i', 'f']) || (rest.starts_with(['c', 'r', 'e']) && rest.contains("://"))
        });
        let local = [".whl", ".tar.gz", ".zip"].iter().any(|end| low.ends_with(end)) && low.starts_with('.');
        let index = index || short;
        let own = [
            "https://pypi.org/",
            "https://download.pytorch.org/",
            "https://data.pyg.org/",
            "https://storage.googleapis.com/",
        ]
        .iter()
        .any(|host| low.contains(host));
        let direct = low.contains("git+")
            || local
            || low.contains(" @ http")
            || low.contains("@http")
            || is_url(&low)
            || low.contains("file:")
            || low.contains("svn+")
            || low.contains("hg+");
        if index && !own || direct {
            scanner.find(&rules::SOURCE_ELSEWHERE, Some(at), None, quoted(line));
        } else if super::escapes(line.trim_start_matches("-e ").trim_start_matches("-r ")).is_some()
            && !line.contains('=')
        {
            scanner.find(&rules::PATH_ESCAPE, Some(at), None, quoted(line));
        }
    }
}

/// Attributes and settings of Git.
pub(super) fn attributes(scanner: &mut Scanner, source: &str) {
    for (at, line) in lines(source) {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        for word in line.split_whitespace() {
            let other = ["filter=", "diff=", "merge="].iter().find_map(|key| word.strip_prefix(key)).filter(
                |value| {
                    !matches!(
                        *value,
                        "lfs" | "text" | "binary" | "python" | "astextplain" | "union" | "jupyternotebook"
                    )
                },
            );
            if let Some(filter) = other {
                scanner.find(
                    &rules::SOURCE_ELSEWHERE,
                    Some(at),
                    None,
                    format!("Git runs the filter {}", quoted(filter)),
                );
            }
        }
        if let Some((key, value)) = line.split_once('=') {
            let key = key.trim().to_ascii_lowercase();
            if matches!(key.as_str(), "url" | "lfsurl" | "pushurl") || key.ends_with(".url") {
                scanner.find(&rules::SOURCE_ELSEWHERE, Some(at), None, quoted(value.trim()));
            } else if matches!(
                key.as_str(),
                "smudge"
                    | "clean"
                    | "process"
                    | "textconv"
                    | "command"
                    | "sshcommand"
                    | "fsmonitor"
                    | "hookspath"
            ) {
                scanner.find(&rules::SCRIPT, Some(at), None, format!("Git runs {}", quoted(value.trim())));
            }
        }
    }
}

/// A page: what it quotes is only quoted.
pub(super) fn page(scanner: &mut Scanner, source: &str) {
    may_be_pickle(scanner, source);
    let mut fenced = false;
    for (at, line) in lines(source) {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            fenced = !fenced;
            continue;
        }
        if fenced || line.starts_with("    ") {
            continue;
        }
        let bare: String = line.split('`').step_by(2).collect();
        let low = bare.to_ascii_lowercase();
        if let Some(form) = ["<script", "javascript:", "onerror=", "onload=", "<iframe", "<object", "<embed"]
            .iter()
            .find(|form| low.contains(**form))
        {
            // A frame of a known player is still a frame: it is told, with little weight.
            scanner.find(&rules::MARKUP, Some(at), None, format!("`{form}`"));
        }
    }
    if let Some((at, what)) = text::secret(source) {
        scanner.find(&rules::TEXT_SECRET, Some(at as u64), None, what);
    }
}

/// Any other text: data, unless it may be a pickle of the first protocol in disguise.
pub(super) fn text(scanner: &mut Scanner, source: &str) {
    may_be_pickle(scanner, source);
    if let Some((at, what)) = text::secret(source) {
        scanner.find(&rules::TEXT_SECRET, Some(at as u64), None, what);
    }
}

/// Pickles of the first protocol are lines of letters: a module behind `c` or `i`, a name, and a dot at the end.
fn may_be_pickle(scanner: &mut Scanner, source: &str) {
    let path = |text: &str| {
        !text.is_empty() && text.chars().all(|one| one.is_alphanumeric() || one == '.' || one == '_')
    };
    if !source.trim_end().ends_with('.') {
        return;
    }
    let mut before: Option<(u64, &str)> = None;
    for (at, line) in lines(source) {
        if let Some((at, module)) = before
            && path(line)
        {
            let bare = module.trim_start_matches(['(', ']', '}', ')', '0', '.', 'N']);
            if bare.strip_prefix(['c', 'i']).is_some_and(path) {
                scanner.doubt(&crate::rules::DISGUISED, Some(at), "it may be a pickle in letters");
                return;
            }
        }
        before = Some((at, line));
    }
}

fn lines(source: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut at = 0;
    source.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len() as u64;
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

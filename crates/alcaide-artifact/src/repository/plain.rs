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

/// Whether all that a script calls is what people do to set up a machine; none of it is told by [`commands`].
pub(super) fn sets_up(source: &str) -> bool {
    const PLAIN: &[&str] = &[
        "apt",
        "apt-get",
        "cat",
        "cd",
        "conda",
        "cp",
        "curl",
        "du",
        "df",
        "echo",
        "export",
        "free",
        "git",
        "head",
        "htop",
        "ls",
        "mamba",
        "mkdir",
        "mv",
        "nvidia-smi",
        "pip",
        "pip3",
        "pwd",
        "set",
        "sudo",
        "tail",
        "tar",
        "touch",
        "tree",
        "unzip",
        "uv",
        "wc",
        "wget",
        "which",
        "huggingface-cli",
        "hf",
        "nproc",
        "lscpu",
        "uname",
        "true",
        "time",
    ];
    source.replace("\\\n", " ").lines().map(str::trim).all(|line| {
        line.is_empty()
            || line.starts_with(['#', '%'])
            || !line.contains(['`', '<'])
                && !line.contains("$(")
                && line
                    .split(['|', ';', '&'])
                    .filter(|part| !part.trim().is_empty())
                    .all(|part| part.split_whitespace().next().is_some_and(|first| PLAIN.contains(&first)))
    })
}

/// Commands that fetch and run, hide what they run, or give a way in.
pub(crate) fn commands(source: &str) -> Vec<(&'static Rule, String)> {
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

/// Protocol buffers as text: settings of Triton, layers of Caffe, graphs of TensorFlow.
pub(super) fn prototext(scanner: &mut Scanner, source: &str) {
    for (at, line) in lines(source) {
        let line = line.trim();
        let Some((before, value)) =
            line.split_once('"').map(|(before, rest)| (before, rest.split('"').next().unwrap_or(rest)))
        else {
            continue;
        };
        let key = before.trim_end_matches([':', ' ']).rsplit([' ', '{']).next().unwrap_or_default();
        match key {
            "backend" | "platform" if value == "python" => {
                scanner.find(&rules::REMOTE_CODE, Some(at), Some(key), "a model that is a program in Python");
            }
            "type" if value == "Python" => {
                scanner.find(&rules::REMOTE_CODE, Some(at), Some(key), "a layer in Python");
            }
            "op" if crate::model::operator_reaches(value) => {
                scanner.find(&rules::CALLABLE, Some(at), Some(key), format!("operator {}", quoted(value)));
            }
            _ => {
                if value.split(['/', '\\']).any(|part| part == "..") {
                    scanner.find(&rules::PATH_ESCAPE, Some(at), Some(key), quoted(value));
                }
                super::judge_text(scanner, Some(at), key, value);
            }
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

/// A page: what it quotes is only quoted. Pages of Markdown are shown by programs that take scripts out of them; what is
/// read by no person who sees them, but by a model that is given their text, is another thing.
pub(super) fn page(scanner: &mut Scanner, name: &str, source: &str) {
    may_be_pickle(scanner, source);
    unseen(scanner, source);
    let web = [".html", ".htm", ".svg", ".xhtml"].iter().any(|end| crate::sniff::ends(name, end));
    const ACTIVE: &[&str] = &["<script", "javascript:", "onerror=", "onload=", "onclick=", "onmouseover="];
    const FRAMES: &[&str] = &["<iframe", "<object", "<embed"];
    let forms = ACTIVE.iter().chain(FRAMES.iter().filter(|_| web));
    let mut fenced = false;
    for (at, line) in lines(source) {
        if !web && (line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~")) {
            fenced = !fenced;
            continue;
        }
        if !web && (fenced || line.starts_with("    ")) {
            continue;
        }
        let bare: String = if web { line.to_owned() } else { line.split('`').step_by(2).collect() };
        let low = bare.to_ascii_lowercase();
        if let Some(form) = forms.clone().find(|form| low.contains(**form)) {
            // Components of demonstrations are loaded by such a script in many an honest page.
            if !web && *form == "<script" && low.contains("src=\"https://") {
                continue;
            }
            scanner.find(&rules::MARKUP, Some(at), None, format!("`{form}`"));
        }
    }
    if let Some((at, what)) = text::secret(source) {
        scanner.find(&rules::TEXT_SECRET, Some(at as u64), None, what);
    }
}

/// Instructions that nobody sees who reads the page: in letters without a shape, or in a comment.
fn unseen(scanner: &mut Scanner, source: &str) {
    if let Some((at, what)) = template::concealed(source) {
        scanner.find(&rules::TEMPLATE_CONCEALS, Some(at as u64), None, what);
    }
    let mut rest = source;
    let mut passed = 0;
    while let Some(start) = rest.find("<!--") {
        let body = rest.get(start + 4..).unwrap_or_default();
        let len = body.find("-->").unwrap_or(body.len());
        for (rule, words) in template::judge_prose(body.get(..len).unwrap_or_default()) {
            say(scanner, rule, Some((passed + start) as u64), "comment", words);
        }
        passed += start + 4 + len;
        rest = body.get(len..).unwrap_or_default();
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

pub(super) fn lines(source: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut at = 0;
    source.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len() as u64;
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

//! What lies beside the weights in a repository: settings, templates, code, lists of packages, pages.
//!
//! A file's name says who reads it, and so what it can do; its bytes must be text, or it is something else.

mod json_file;
mod packages;
mod plain;
mod yaml;

use alcaide_container::{Input, ReadError};

pub(crate) use plain::commands;

use crate::coverage::Kind as Cover;
use crate::python::{self, Trust, effects::Effect};
use crate::rules::{Rule, formats as rules};
use crate::scanner::{Scanner, shown};
use crate::sniff::ends;
use crate::{packs, template, text};

/// Kinds of files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Json,
    Notebook,
    Yaml,
    Template,
    Python,
    /// `.pth` files that Python reads at its start.
    Site,
    Shell,
    Modelfile,
    Requirements,
    /// Packages in TOML.
    Toml,
    /// Settings of pip, conda and setuptools.
    Settings,
    /// Protocol buffers as text.
    Prototext,
    Attributes,
    Page,
    Text,
}

/// Longer texts are not held in memory; JSON and YAML of any length are streamed or cut.
const TEXT_MAX: u64 = 8 << 20;

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Notebook => "notebook",
            Self::Yaml => "yaml",
            Self::Template => "jinja",
            Self::Python => "python",
            Self::Site => "python-site",
            Self::Shell => "shell",
            Self::Modelfile => "modelfile",
            Self::Requirements => "requirements",
            Self::Toml => "toml",
            Self::Settings => "settings",
            Self::Prototext => "prototext",
            Self::Attributes => "git-attributes",
            Self::Page => "page",
            Self::Text => "text",
        }
    }

    /// What a file that begins with `head` and goes by `name` is, if it is text.
    pub(crate) fn of(head: &[u8], name: &str) -> Option<Self> {
        if !is_text(head) {
            return None;
        }
        let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let low = base.to_ascii_lowercase();
        let any = |all: &[&str]| all.iter().any(|end| ends(base, end));
        Some(if head.starts_with(b"#!") && !any(&[".py"]) {
            let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            if line.windows(6).any(|part| part == b"python") { Self::Python } else { Self::Shell }
        } else if any(&[".ipynb"]) {
            Self::Notebook
        } else if any(&[".json", ".jsonl", ".ndjson", ".webmanifest"]) || low == "pipfile.lock" {
            Self::Json
        } else if any(&[".yaml", ".yml"]) || low == "mlmodel" || low == "conda.lock" {
            Self::Yaml
        } else if any(&[".jinja", ".jinja2", ".j2"]) {
            Self::Template
        } else if any(&[".py", ".pyi", ".pyw"]) {
            Self::Python
        } else if any(&[".pth"]) {
            Self::Site
        } else if any(&[".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1"])
            || matches!(
                low.as_str(),
                "makefile" | "dockerfile" | "containerfile" | "entrypoint" | "jenkinsfile"
            )
            || low.starts_with("dockerfile.")
        {
            Self::Shell
        } else if low.starts_with("modelfile") {
            Self::Modelfile
        } else if (low.contains("requirements") || low.starts_with("constraints"))
            && any(&[".txt", ".in", ".pip"])
            || low == "environment.txt"
        {
            Self::Requirements
        } else if any(&[".toml"])
            || matches!(low.as_str(), "pipfile" | "poetry.lock" | "uv.lock" | "pdm.lock")
        {
            Self::Toml
        } else if any(&[".cfg", ".ini", ".conf"]) || low == ".condarc" {
            Self::Settings
        } else if any(&[".pbtxt", ".prototxt"]) {
            Self::Prototext
        } else if matches!(low.as_str(), ".gitattributes" | ".lfsconfig" | ".gitmodules" | ".gitconfig") {
            Self::Attributes
        } else if any(&[".md", ".html", ".htm", ".svg", ".rst"]) || low == "readme" {
            Self::Page
        } else if any(&[".txt", ".csv", ".tsv", ".log", ".vocab", ".bpe", ".gitignore"])
            || low == "license"
            || low == "notice"
        {
            Self::Text
        } else {
            return None;
        })
    }
}

/// Judges a file.
pub(crate) fn read(
    scanner: &mut Scanner,
    kind: Kind,
    name: &str,
    input: &dyn Input,
) -> Result<(), ReadError> {
    if kind == Kind::Json || kind == Kind::Notebook {
        return json_file::read(scanner, name, input, kind == Kind::Notebook);
    }
    if kind == Kind::Text && input.len() > TEXT_MAX {
        scanner.doubt(&crate::rules::OPAQUE, Some(0), "a text of more than 8 MiB");
        return Ok(());
    }
    let Some(source) = whole(scanner, input)? else { return Ok(()) };
    let fuel = scanner.fuel().clone();
    match kind {
        Kind::Template => template::judge(scanner, "template", None, &source),
        Kind::Python => judge_python(scanner, name, &source, Trust::Imported, ""),
        Kind::Yaml => {
            yaml::judge(scanner, &source, &fuel);
            // Readers differ in where a scalar ends: a tag that builds objects leaves a doubt wherever it stands.
            const BUILDS: [&str; 3] = ["python/object", "python/name", "python/module"];
            let code = || source.lines().filter(|line| !line.trim_start().starts_with('#'));
            if code().any(|line| BUILDS.iter().any(|tag| line.contains(tag))) {
                scanner.doubt(
                    &crate::rules::UNKNOWN_REFERENCE,
                    None,
                    "a tag that builds Python objects stands in the text",
                );
            }
        }
        Kind::Site => plain::site(scanner, &source),
        Kind::Shell => plain::shell(scanner, &source),
        Kind::Modelfile => plain::modelfile(scanner, &source),
        Kind::Requirements => packages::requirements(scanner, &source),
        Kind::Toml => {
            packages::toml(scanner, &source);
            settings_hold(scanner, &source);
        }
        Kind::Settings => {
            packages::settings(scanner, &source);
            settings_hold(scanner, &source);
        }
        Kind::Prototext => plain::prototext(scanner, &source),
        Kind::Attributes => plain::attributes(scanner, &source),
        Kind::Page => plain::page(scanner, name, &source),
        _ => {
            plain::text(scanner, &source);
        }
    }
    scanner.cover(0..input.len(), Cover::Parsed);
    Ok(())
}

/// The whole of a text; none, with a doubt, if it is too long or no text.
fn whole(scanner: &mut Scanner, input: &dyn Input) -> Result<Option<String>, ReadError> {
    if input.len() > TEXT_MAX {
        scanner.doubt(&crate::rules::OPAQUE, Some(0), "a text of more than 8 MiB");
        return Ok(None);
    }
    scanner.fuel().step(input.len() / 16)?;
    let mut bytes = vec![0; usize::try_from(input.len()).unwrap_or_default()];
    let count = input.read_at(0, &mut bytes)?;
    bytes.truncate(count);
    match String::from_utf8(bytes) {
        Ok(source) => Ok(Some(one_kind_of_line(source))),
        Err(error) => {
            let at = error.utf8_error().valid_up_to() as u64;
            scanner.doubt(&crate::rules::UNREADABLE, Some(at), "it is no UTF-8 from here on");
            Ok(None)
        }
    }
}

/// The text without a mark of byte order and with every end of a line as LF: interpreters take CR, NEL and the separators of
/// Unicode for ends as well, and what they run must not hide behind one.
fn one_kind_of_line(source: String) -> String {
    let odd = |one: char| {
        matches!(one, '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let plain = source.strip_prefix('\u{feff}').unwrap_or(&source);
    if plain.len() == source.len() && !source.contains(odd) {
        return source;
    }
    plain.replace("\r\n", "\n").replace(odd, "\n")
}

fn judge_python(scanner: &mut Scanner, name: &str, source: &str, trust: Trust, pointer: &str) {
    let fuel = scanner.fuel().clone();
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    if matches!(base, "sitecustomize.py" | "usercustomize.py") {
        scanner.find(&rules::SCRIPT, Some(0), None, "Python runs this file at its start");
    }
    // Another encoding makes other code of the same bytes.
    let cookie = source.lines().take(2).filter(|line| line.trim_start().starts_with('#')).find_map(|line| {
        let (_, name) = line.split_once("coding:").or_else(|| line.split_once("coding="))?;
        let name = name.trim_start();
        name.split(|one: char| !one.is_ascii_alphanumeric() && !matches!(one, '-' | '_' | '.')).next()
    });
    let plain =
        ["utf-8", "utf8", "utf_8", "ascii", "us-ascii", "latin-1", "latin1", "iso-8859-1", "utf-8-sig"];
    if let Some(name) = cookie.filter(|name| !plain.contains(&name.to_ascii_lowercase().as_str())) {
        scanner.find(&rules::PYTHON_HIDDEN, Some(0), None, format!("its code is read as {}", quoted(name)));
    }
    for said in python::judge(source, trust, &fuel) {
        let line = source
            .as_bytes()
            .get(..said.at)
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        say(
            scanner,
            said.rule,
            pointer.is_empty().then_some(said.at as u64),
            &format!("{pointer}line {line}"),
            said.words,
        );
    }
}

fn say(scanner: &mut Scanner, rule: &'static Rule, at: Option<u64>, pointer: &str, words: String) {
    if rule.rating == alcaide_finding::Rating::None {
        scanner.doubt(rule, at, format!("{pointer}: {words}"));
    } else {
        scanner.find(rule, at, Some(pointer), words);
    }
}

/// Whether these bytes are the beginning of a text.
fn is_text(head: &[u8]) -> bool {
    let cut = match std::str::from_utf8(head) {
        Ok(_) => head,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => head.get(..error.valid_up_to()).unwrap_or_default(),
        Err(_) => return false,
    };
    !cut.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31))
}

/// What a setting that names something to call stands for.
fn callable(name: &str) -> Option<(&'static Rule, &'static str)> {
    let path = name.trim().replace(':', ".");
    let known = path.strip_prefix("__builtin__.").map(|rest| format!("builtins.{rest}")).unwrap_or(path);
    if let Some(effect) = python::effects::effect(&known) {
        return Some((
            &rules::CALLABLE,
            match effect {
                Effect::Runs => "runs commands or code",
                Effect::Unpickles => "unpickles",
                Effect::Native => "loads machine code",
                Effect::Network => "opens a connection",
                Effect::Files => "changes files",
            },
        ));
    }
    // What packs know of pickles holds for whatever calls by a name; a name may reach through what another module imported.
    // Flavours of MLflow are modules, and named in every file of it.
    let flavour = known.strip_prefix("mlflow.").is_some_and(|rest| !rest.contains('.'));
    if let Some((module, name)) = known.rsplit_once('.').filter(|_| !flavour) {
        let inner = (1..).scan(known.as_str(), |rest, _| {
            let (_, after) = rest.split_once('.')?;
            *rest = after;
            Some(after)
        });
        let reached = inner.filter_map(|rest| rest.rsplit_once('.'));
        if std::iter::once((module, name))
            .chain(reached)
            .any(|(module, name)| packs::effect(module, name).is_some())
        {
            return Some((&rules::CALLABLE, "does what no setting should"));
        }
    }
    // A function of any library that is called as what runs commands or code is.
    let last = known.rsplit('.').next().unwrap_or_default();
    if known.contains('.') && !flavour && !packs::class_like(last) {
        let runs =
            [&crate::rules::STARTS_PROCESS, &crate::rules::EVALUATES_CODE, &crate::rules::IMPORTS_MODULE];
        let verb = packs::by_verb(last).filter(|rule| runs.iter().any(|one| one.id == rule.id));
        if verb.is_some() && !last.starts_with("import_") {
            return Some((&rules::CALLABLE, "is called as what runs commands or code"));
        }
    }
    let root = known.split('.').next().unwrap_or_default();
    const SHARP: &[&str] = &[
        "builtins",
        "os",
        "posix",
        "nt",
        "sys",
        "importlib",
        "ctypes",
        "runpy",
        "code",
        "shutil",
        "pathlib",
        "io",
        "pydoc",
        "pkgutil",
        "operator",
        "functools",
        "types",
        "inspect",
        "gc",
        "site",
    ];
    if SHARP.contains(&root)
        && known.contains('.')
        && !matches!(
            known.as_str(),
            "functools.partial"
                | "builtins.dict"
                | "builtins.list"
                | "builtins.tuple"
                | "builtins.int"
                | "builtins.float"
                | "builtins.str"
                | "builtins.bool"
                | "builtins.set"
        )
    {
        return Some((&rules::CALLABLE, "is part of the interpreter"));
    }
    if known.split('.').any(|part| part.starts_with("__")) {
        return Some((&rules::CALLABLE, "is a private name"));
    }
    const PACKS: &[&str] = &[
        "torch",
        "torchvision",
        "torchaudio",
        "torchmetrics",
        "torchtune",
        "torchtext",
        "nemo",
        "pytorch_lightning",
        "lightning",
        "transformers",
        "diffusers",
        "peft",
        "accelerate",
        "sentence_transformers",
        "hydra",
        "omegaconf",
        "numpy",
        "sklearn",
        "timm",
        "monai",
        "fairseq",
        "fairseq2",
        "datasets",
        "tokenizers",
        "builtins",
        "functools",
        "detectron2",
        "mmengine",
        "mmdet",
        "ldm",
        "sgm",
        "speechbrain",
        "espnet",
        "espnet2",
        "pyannote",
        "open_clip",
        "optimum",
        "trl",
        "evaluate",
        "wandb",
        "tensorflow",
        "keras",
        "jax",
        "flax",
        "optax",
        "megatron",
        "apex",
        "ultralytics",
        "xgboost",
        "lightgbm",
        "catboost",
        "mlflow",
        "audiocraft",
        "vllm",
        "llama_recipes",
        "albumentations",
        "einops",
        "scipy",
        "pandas",
        "gluonts",
        "stable_baselines3",
        "nltk",
        "spacy",
    ];
    (!PACKS.contains(&root)).then_some((&rules::CALLABLE_UNKNOWN, "is not known"))
}

/// Why a path must not be followed out of the model's folder.
fn escapes(path: &str) -> Option<&'static str> {
    let path = path.trim();
    let drive = matches!(path.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    if path.split(['/', '\\']).any(|part| part == "..") {
        Some("it goes upwards")
    } else if path.starts_with('/') || drive || path.starts_with("\\\\") || path.starts_with('~') {
        Some("it begins at the root")
    } else if path.starts_with("file:") {
        Some("it is a file elsewhere")
    } else {
        path.contains('\0').then_some("it has a zero byte in it")
    }
}

fn is_url(text: &str) -> bool {
    ["http://", "https://", "ftp://", "s3://", "gs://", "git://", "ssh://", "git+", "\\\\"]
        .iter()
        .any(|scheme| text.trim().to_ascii_lowercase().starts_with(scheme))
}

fn judge_text(scanner: &mut Scanner, at: Option<u64>, pointer: &str, value: &str) {
    for (rule, _, words) in text::suspicions(value) {
        scanner.find(rule, at, Some(pointer), words);
    }
}

/// Values of settings that some readers evaluate: each line by itself, with its place.
fn settings_hold(scanner: &mut Scanner, source: &str) {
    for (at, line) in plain::lines(source) {
        if !line.trim_start().starts_with(['#', ';']) {
            judge_text(scanner, Some(at), "setting", line);
        }
    }
}

fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

#[cfg(test)]
mod tests;

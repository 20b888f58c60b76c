//! Settings in JSON, whatever the file is called: what a loader acts on is found by its name in the structure.

use alcaide_container::{Input, ReadError};

use super::{callable, escapes, is_url, judge_python, judge_text, quoted, say};
use crate::coverage::Kind as Cover;
use crate::cursor::Cursor;
use crate::json::{Event, Fault, Json};
use crate::python::Trust;
use crate::python::effects::{Effect, effect};
use crate::rules::formats as rules;
use crate::scanner::{Scanner, shown};
use crate::template;

/// Judges a file.
pub(super) fn read(
    scanner: &mut Scanner,
    name: &str,
    input: &dyn Input,
    notebook: bool,
) -> Result<(), ReadError> {
    let fuel = scanner.fuel().clone();
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase();
    let mut start = 0;
    let mut head = [0; 3];
    if input.read_at(0, &mut head)? == 3 && head == *b"\xef\xbb\xbf" {
        start = 3;
    }
    let mut walk = Walk {
        scanner,
        name: name.to_owned(),
        // Words that a tokenizer knows are data, however they look.
        words: base.starts_with("tokenizer")
            || base.contains("vocab")
            || base.contains("token")
            || base.contains("merges"),
        path: Vec::new(),
        notebook,
        cell: Cell::default(),
        data: is_lines(&base),
        pipeline: base == "model_index.json",
        locked: base == "pipfile.lock",
    };
    loop {
        let mut json = Json::new(Cursor::new(input, &fuel, start, u64::MAX));
        match walk.document(&mut json) {
            Ok(()) => {}
            Err(Fault::Read(error)) => return Err(error),
            Err(Fault::Broken { at, what }) => {
                walk.scanner.doubt(&crate::rules::UNREADABLE, Some(at), format!("it is no JSON: {what}"));
                return Ok(());
            }
        }
        let mut more = None;
        while let Some(byte) = json.cursor.peek()? {
            if !byte.is_ascii_whitespace() {
                more = Some(json.cursor.at());
                break;
            }
            json.cursor.byte()?;
        }
        let Some(at) = more else { break };
        // Lines of JSON are read one by one; elsewhere something follows the value that a reader may refuse.
        if !is_lines(&base) {
            walk.scanner.find(&rules::TAIL, Some(at), None, "something follows the value");
            walk.scanner.cover(0..at, Cover::Parsed);
            return Ok(());
        }
        start = at;
    }
    walk.scanner.cover(0..input.len(), Cover::Parsed);
    Ok(())
}

struct Walk<'a> {
    scanner: &'a mut Scanner,
    name: String,
    words: bool,
    /// Names and places from the root on.
    path: Vec<Step>,
    notebook: bool,
    cell: Cell,
    /// Whether its values are records to learn or to test with, not settings.
    data: bool,
    /// Whether each list names a library and a class of it.
    pipeline: bool,
    /// Whether it is a list of packages.
    locked: bool,
}

/// Whether a file has a value a line.
fn is_lines(base: &str) -> bool {
    base.ends_with(".jsonl") || base.ends_with(".ndjson")
}

/// Names of what people write and models answer, in records of many a data set.
const RECORD: &[&str] = &[
    "answer",
    "answers",
    "chosen",
    "code",
    "completion",
    "content",
    "context",
    "conversations",
    "input",
    "inputs",
    "instruction",
    "messages",
    "output",
    "outputs",
    "prompt",
    "query",
    "question",
    "rejected",
    "response",
    "solution",
    "target",
    "text",
    "value",
];

/// Libraries that a pipeline takes its parts from.
const PARTS: &[&str] = &[
    "diffusers",
    "transformers",
    "onnxruntime",
    "flax",
    "tokenizers",
    "sentencepiece",
    "peft",
    "optimum",
    "torch",
    // Modules of the pipelines themselves.
    "allegro",
    "animatediff",
    "audioldm",
    "audioldm2",
    "aura_flow",
    "blip_diffusion",
    "cogvideo",
    "cogview3",
    "controlnet",
    "deepfloyd_if",
    "flux",
    "hunyuan_video",
    "hunyuandit",
    "kandinsky",
    "kandinsky2_2",
    "kandinsky3",
    "kolors",
    "latent_diffusion",
    "latte",
    "ledits_pp",
    "lumina",
    "musicldm",
    "onnx_utils",
    "paint_by_example",
    "pia",
    "pixart_alpha",
    "sana",
    "semantic_stable_diffusion",
    "shap_e",
    "stable_audio",
    "stable_cascade",
    "stable_diffusion",
    "stable_diffusion_3",
    "stable_diffusion_safe",
    "stable_diffusion_xl",
    "stable_video_diffusion",
    "t2i_adapter",
    "unclip",
    "unidiffuser",
    "versatile_diffusion",
    "wan",
    "wuerstchen",
];

#[derive(Default)]
struct Cell {
    code: bool,
    source: String,
}

enum Step {
    Name(String),
    Place(u64),
}

const SOURCE_MAX: usize = 1 << 20;

impl Walk<'_> {
    fn document(&mut self, json: &mut Json<'_>) -> Result<(), Fault> {
        self.path.clear();
        loop {
            let event = json.next()?;
            let at = json.start();
            match event {
                Event::End => return Ok(()),
                Event::Name => {
                    let name = json.text().chars().take(300).collect::<String>();
                    if json.twice() {
                        let pointer = self.pointer();
                        self.scanner.find(
                            &rules::TWICE,
                            Some(at),
                            Some(&pointer),
                            format!("{} is there twice", quoted(&name)),
                        );
                    }
                    self.path.truncate(json.depth().saturating_sub(1));
                    self.path.push(Step::Name(name));
                }
                Event::ObjectStart | Event::ArrayStart => {
                    self.place(json.depth() - 1);
                    self.path.truncate(json.depth() - 1);
                    if event == Event::ArrayStart {
                        self.path.push(Step::Place(u64::MAX));
                    }
                }
                Event::ObjectEnd | Event::ArrayEnd => {
                    self.path.truncate(json.depth());
                    if self.notebook
                        && event == Event::ObjectEnd
                        && self.path.len() == 2
                        && self.key(0) == Some("cells")
                    {
                        self.cell_ends();
                    }
                }
                Event::String => {
                    self.place(json.depth());
                    if json.cut() {
                        self.scanner.doubt(
                            &crate::rules::OPAQUE,
                            Some(at),
                            "a text that is too long to be judged",
                        );
                    }
                    self.text(at, json.text());
                }
                Event::Bool(true) => {
                    self.place(json.depth());
                    if self.last() == "trust_remote_code" {
                        let pointer = self.pointer();
                        self.scanner.find(
                            &rules::REMOTE_CODE,
                            Some(at),
                            Some(&pointer),
                            "it asks to be trusted",
                        );
                    }
                }
                Event::Number | Event::Bool(false) | Event::Null => self.place(json.depth()),
            }
        }
    }

    /// Counts on within an array.
    fn place(&mut self, depth: usize) {
        if self.path.len() >= depth
            && let Some(Step::Place(place)) = depth.checked_sub(1).and_then(|index| self.path.get_mut(index))
        {
            *place = place.wrapping_add(1);
        }
    }

    fn key(&self, index: usize) -> Option<&str> {
        match self.path.get(index)? {
            Step::Name(name) => Some(name),
            Step::Place(_) => None,
        }
    }

    /// The innermost name.
    fn last(&self) -> &str {
        self.path
            .iter()
            .rev()
            .find_map(|step| match step {
                Step::Name(name) => Some(name.as_str()),
                Step::Place(_) => None,
            })
            .unwrap_or_default()
    }

    fn within(&self, name: &str) -> bool {
        self.path.iter().any(|step| matches!(step, Step::Name(one) if one == name))
    }

    fn pointer(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Step::Name(name) => out = out + "/" + &name.replace('~', "~0").replace('/', "~1"),
                Step::Place(place) => out = out + "/" + &place.to_string(),
            }
        }
        shown(&out)
    }

    fn text(&mut self, at: u64, value: &str) {
        let key = self.last().to_owned();
        let pointer = self.pointer();
        if self.notebook {
            return self.in_notebook(at, &key, &pointer, value);
        }
        let template = key.to_ascii_lowercase().contains("template") || self.within("chat_template");
        if template && (value.contains("{%") || value.contains("{{") || value.contains("{#")) {
            return template::judge(self.scanner, &pointer, Some(at), value);
        }
        if self.within("auto_map") {
            if value.contains("--") || value.contains('/') {
                self.scanner.find(&rules::REMOTE_CODE_ELSEWHERE, Some(at), Some(&pointer), quoted(value));
            } else {
                self.scanner.find(&rules::REMOTE_CODE, Some(at), Some(&pointer), quoted(value));
            }
            return;
        }
        if self.within("custom_pipelines") && key == "impl" {
            let rule = if value.contains("--") { &rules::REMOTE_CODE_ELSEWHERE } else { &rules::REMOTE_CODE };
            self.scanner.find(rule, Some(at), Some(&pointer), quoted(value));
            return;
        }
        match key.as_str() {
            "trust_remote_code" if value.trim().eq_ignore_ascii_case("true") || value.trim() == "1" => {
                self.scanner.find(&rules::REMOTE_CODE, Some(at), Some(&pointer), "it asks to be trusted");
            }
            "custom_pipeline" | "custom_generate" => {
                let elsewhere = value.contains("--") || value.contains('/');
                let rule = if elsewhere { &rules::REMOTE_CODE_ELSEWHERE } else { &rules::REMOTE_CODE };
                self.scanner.find(rule, Some(at), Some(&pointer), quoted(value));
            }
            "url" | "git" | "path" | "file" if self.locked => {
                let repository = self.within("_meta") || key == "git";
                if key != "path"
                    && is_url(value)
                    && !value.starts_with("https://pypi.org/")
                    && (repository || key == "file")
                {
                    self.scanner.find(&rules::SOURCE_ELSEWHERE, Some(at), Some(&pointer), quoted(value));
                } else {
                    self.contained(at, &pointer, value);
                }
            }
            // Nodes of an exported program name what they call; an operator of MXNet may be a class of somebody's own.
            "target" if matches!(effect(value), Some(Effect::Runs | Effect::Native | Effect::Unpickles)) => {
                let evidence = format!("{} is called", quoted(value));
                self.scanner.find(&rules::CALLABLE, Some(at), Some(&pointer), evidence);
            }
            "op" if value == "Custom" && self.within("nodes") => {
                let evidence = "an operator that a program registers";
                self.scanner.find(&crate::rules::model::CUSTOM_OPERATOR, Some(at), Some(&pointer), evidence);
            }
            // A part of a pipeline: a library and a class of it, or a file beside and a class in that.
            _ if self.pipeline
                && matches!(self.path.as_slice(), [Step::Name(_), Step::Place(0)])
                && !key.starts_with('_')
                && !PARTS.contains(&value) =>
            {
                let evidence = format!("{} is a module of its own", quoted(value));
                self.scanner.find(&rules::REMOTE_CODE, Some(at), Some(&pointer), evidence);
            }
            // A class of a pipeline that comes with a file of its own.
            "_class_name" if matches!(self.path.last(), Some(Step::Place(0))) => {
                self.scanner.find(&rules::REMOTE_CODE, Some(at), Some(&pointer), quoted(value));
            }
            // Where it was saved from: only told, never loaded.
            "tokenizer_file" if !value.split(['/', '\\']).any(|part| part == "..") => {}
            "base_model_name_or_path"
            | "pretrained_model_name_or_path"
            | "tokenizer_name_or_path"
            | "base_model"
            | "base_model_name"
            | "adapter_path"
            | "adapter_name_or_path" => {
                if value.split(['/', '\\']).any(|part| part == "..")
                    || value.starts_with("file:")
                    || value.starts_with("\\\\")
                    || is_of_the_system(value)
                {
                    self.scanner.find(&rules::PATH_ESCAPE, Some(at), Some(&pointer), quoted(value));
                } else if is_url(value) {
                    self.scanner.find(&rules::SOURCE_ELSEWHERE, Some(at), Some(&pointer), quoted(value));
                } else if escapes(value).is_some() {
                    // Often where its maker had it; a loader that finds something there takes it.
                    let evidence = format!("{pointer}: {} is a place on a machine", quoted(value));
                    self.scanner.doubt(&rules::CALLABLE_UNKNOWN, Some(at), evidence);
                }
            }
            "_name_or_path" => {
                // Where it was saved from: only told, never loaded.
                if value.split(['/', '\\']).filter(|part| *part == "..").count() > 1
                    || value.starts_with("file:")
                {
                    self.scanner.find(&rules::PATH_ESCAPE, Some(at), Some(&pointer), quoted(value));
                } else if is_url(value) && !value.contains("huggingface.co/") {
                    self.scanner.find(&rules::SOURCE_ELSEWHERE, Some(at), Some(&pointer), quoted(value));
                }
            }
            "parent_library" => self.imported(at, &pointer, value),
            "_target_" | "py/object" | "py/function" | "py/type" | "py/reduce" | "py/newobj"
            | "loader_module" | "__target__" | "_partial_target_" => {
                let rule = if key.starts_with("py/") {
                    Some((&rules::YAML_OBJECT, "is made of text"))
                } else {
                    None
                };
                if let Some((rule, what)) = callable(value)
                    .filter(|(found, _)| rule.is_none() || found.id == rules::CALLABLE.id)
                    .or(rule)
                {
                    say(self.scanner, rule, Some(at), &pointer, format!("{} {what}", quoted(value)));
                }
            }
            // A list of modules, each with a class and a folder.
            "type"
                if matches!(self.path.as_slice(), [Step::Place(_), Step::Name(_)]) && value.contains('.') =>
            {
                self.imported(at, &pointer, value);
            }
            "handler" | "modelFile" | "model_file" | "serializedFile" | "extraFiles" | "requirementsFile"
            | "path" | "file" | "filename" | "vocab_file" | "merges_file" | "tokenizer_file" | "weights"
            | "location" => self.contained(at, &pointer, value),
            _ if self.within("weight_map") => self.contained(at, &pointer, value),
            _ if self.data
                || (RECORD.contains(&key.as_str()) && matches!(self.path.first(), Some(Step::Place(_)))) => {}
            _ if !self.words => judge_text(self.scanner, Some(at), &pointer, value),
            _ => {}
        }
    }

    /// Cells of other interpreters than Python.
    fn cell_of_shell(&mut self, pointer: &str, body: &str, what: &str) {
        let found = super::plain::commands(body);
        let shell = ["bash", "sh", "script", "cmd", "system", "zsh", "!"].contains(&what);
        if found.is_empty() && !(shell && super::plain::sets_up(body)) && runs_something(what) {
            self.scanner.doubt(
                &rules::PYTHON_UNCLEAR,
                None,
                format!("{pointer}: a cell for {}", quoted(what)),
            );
        }
        for (rule, words) in found {
            self.scanner.find(rule, None, Some(pointer), words);
        }
    }

    /// The loader imports what is named, and may call it.
    fn imported(&mut self, at: u64, pointer: &str, value: &str) {
        let Some((rule, what)) = callable(value) else { return };
        if rule.id == rules::CALLABLE.id {
            self.scanner.find(rule, Some(at), Some(pointer), format!("{} {what}", quoted(value)));
        } else {
            let evidence = format!("{} is imported", quoted(value));
            self.scanner.find(&rules::REMOTE_CODE, Some(at), Some(pointer), evidence);
        }
    }

    fn contained(&mut self, at: u64, pointer: &str, value: &str) {
        if let Some(why) = escapes(value) {
            self.scanner.find(
                &rules::PATH_ESCAPE,
                Some(at),
                Some(pointer),
                format!("{}: {why}", quoted(value)),
            );
        } else if self.within("weight_map") && is_url(value) {
            self.scanner.find(&rules::SOURCE_ELSEWHERE, Some(at), Some(pointer), quoted(value));
        }
    }

    fn in_notebook(&mut self, at: u64, key: &str, pointer: &str, value: &str) {
        if self.key(0) != Some("cells") {
            return;
        }
        match self.key(2) {
            Some("cell_type") => self.cell.code = value == "code",
            Some("source") if self.cell.source.len() + value.len() <= SOURCE_MAX => {
                self.cell.source.push_str(value)
            }
            Some("source") => {
                self.scanner.doubt(&crate::rules::OPAQUE, Some(at), "a cell that is too long to be judged")
            }
            Some("outputs")
                if key == "text/html" || key == "application/javascript" || key == "image/svg+xml" =>
            {
                let low = value.to_ascii_lowercase();
                if key == "application/javascript"
                    || ["<script", "<iframe", "javascript:", "onerror=", "onload="]
                        .iter()
                        .any(|form| low.contains(form))
                {
                    self.scanner.find(
                        &rules::MARKUP,
                        Some(at),
                        Some(pointer),
                        "an output with a script or a frame",
                    );
                }
            }
            _ => {}
        }
    }

    fn cell_ends(&mut self) {
        let cell = std::mem::take(&mut self.cell);
        if !cell.code {
            return;
        }
        let pointer = self.pointer();
        let mut source = String::new();
        for line in cell.source.lines() {
            let bare = line.trim_start();
            // What a shell is given, with a mark before it or as a text.
            let told = [".system(", ".getoutput(", ".run_line_magic(", ".run_cell_magic("]
                .iter()
                .find_map(|call| bare.split_once(call))
                .map(|(_, rest)| rest.trim_matches(['"', '\'', ')', ' ']));
            let marked = match bare.split_once('=') {
                _ if bare.starts_with(['!', '%']) => Some(bare.trim_start_matches(['!', '%'])),
                // What a command writes, put into a name.
                Some((name, value))
                    if value.trim_start().starts_with(['!', '%']) && !name.contains(['(', '"', '\'']) =>
                {
                    Some(value.trim_start().trim_start_matches(['!', '%']))
                }
                _ => None,
            };
            for line in told.filter(|_| bare.contains("get_ipython()")).into_iter().chain(marked) {
                for (rule, words) in super::plain::commands(line) {
                    self.scanner.find(rule, None, Some(&pointer), words);
                }
            }
            if bare.starts_with(['!', '%']) {
                // Some magics time a statement; others are no Python.
                let timed =
                    ["%timeit ", "%time ", "%prun "].iter().find_map(|magic| bare.strip_prefix(magic));
                source.push_str(timed.unwrap_or("pass"));
                source.push('\n');
            } else if marked.is_some() {
                source.push_str("pass\n");
            } else {
                source.push_str(line);
                source.push('\n');
            }
        }
        let head = cell.source.trim_start().lines().next().unwrap_or_default();
        let python =
            ["%%time", "%%capture", "%%python", "%%prun"].iter().any(|magic| head.starts_with(magic))
                || (head.starts_with("%%script") && head.contains("python"));
        if let Some(magic) = head.strip_prefix("%%").filter(|_| !python) {
            let what = magic.split_whitespace().next().unwrap_or_default().to_owned();
            let body = cell.source.trim_start().split_once('\n').map_or("", |(_, body)| body).to_owned();
            return self.cell_of_shell(&pointer, &body, &what);
        }
        let name = self.name.clone();
        judge_python(self.scanner, &name, &source, Trust::ByHand, &format!("{pointer} "));
    }
}

/// Whether a magic hands the cell to a program; others show it or keep it.
fn runs_something(magic: &str) -> bool {
    !matches!(
        magic,
        "writefile"
            | "file"
            | "html"
            | "HTML"
            | "markdown"
            | "latex"
            | "svg"
            | "SVG"
            | "sql"
            | "bigquery"
            | "cython"
    )
}

/// Whether a path is one of the system's, where nobody keeps a model.
fn is_of_the_system(path: &str) -> bool {
    ["/etc/", "/proc/", "/sys/", "/dev/", "/root/", "/tmp/", "/var/tmp/", "/usr/", "/bin/", "/boot/", "/run/"]
        .iter()
        .any(|start| path.starts_with(start))
}

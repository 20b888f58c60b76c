//! YAML, as far as it matters what a loader makes of it: tags, anchors and aliases, keys that name what is called.
//!
//! It is no whole parser: it tells comments, quoted and plain scalars, block scalars, flow brackets and indentation apart,
//! and counts what aliases unfold to. Source: YAML 1.2, chapters 5 to 8; PyYAML's constructors.

use std::collections::BTreeMap;

use alcaide_container::Fuel;

use super::{callable, escapes, is_url, judge_text, quoted, say};
use crate::rules::formats as rules;
use crate::scanner::{Scanner, shown};

/// Nodes that aliases may unfold to.
const UNFOLDED_MAX: u64 = 1_000_000;

/// Brackets within brackets that a loader may follow: those that recurse end at a thousand or fewer.
const FLOW_MAX: usize = 500;

/// Scalars under an anchor that are followed, in bytes; each alias is judged like its scalar.
const ANCHORED_MAX: usize = 256;

/// Handles of tags that are told apart, and letters of a key that are kept.
const PREFIXES_MAX: usize = 64;
const KEY_MAX: usize = 200;

/// Judges a text.
pub(super) fn judge(scanner: &mut Scanner, source: &str, fuel: &Fuel) {
    let mut walk = Yaml {
        scanner,
        fuel,
        source,
        at: 0,
        line_at: 0,
        anchors: BTreeMap::new(),
        open: Vec::new(),
        nodes: 0,
        flow: 0,
        indent: 0,
        key: String::new(),
        parents: Vec::new(),
        explicit: None,
        asked: false,
        texts: BTreeMap::new(),
        prefixes: vec![("!!".to_owned(), "tag:yaml.org,2002:".to_owned())],
    };
    if walk.whole().is_none() {
        walk.scanner.doubt(&crate::rules::OUT_OF_FUEL, Some(walk.at as u64), "too much YAML to follow");
    }
}

struct Yaml<'a> {
    scanner: &'a mut Scanner,
    fuel: &'a Fuel,
    source: &'a str,
    at: usize,
    /// Where the line of the scalar at hand begins.
    line_at: usize,
    /// How many nodes each anchor stands for.
    anchors: BTreeMap<String, u64>,
    /// Anchors whose node is not over: name, indentation, flow depth, nodes before.
    open: Vec<(String, usize, usize, u64)>,
    nodes: u64,
    flow: usize,
    indent: usize,
    key: String,
    /// Keys around, with their indentation.
    parents: Vec<(usize, String)>,
    /// The key behind a question mark, until its value comes.
    explicit: Option<String>,
    /// Whether a question mark waits for its key.
    asked: bool,
    /// Short scalars that an anchor stands for.
    texts: BTreeMap<String, String>,
    prefixes: Vec<(String, String)>,
}

impl<'a> Yaml<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn whole(&mut self) -> Option<()> {
        let mut fresh = true;
        while self.at < self.source.len() {
            self.fuel.step(1).ok()?;
            if fresh {
                self.line();
                fresh = false;
            }
            let rest = self.rest();
            let Some(one) = rest.chars().next() else { break };
            let before = self.source.get(..self.at).and_then(|text| text.chars().next_back());
            let apart = before.is_none_or(|one| one.is_whitespace() || matches!(one, '[' | '{' | ',' | ':'));
            match one {
                '\n' => {
                    self.at += 1;
                    self.line_at = self.at;
                    fresh = true;
                }
                one if one.is_whitespace() => self.at += one.len_utf8(),
                '#' if apart => self.at += rest.find('\n').unwrap_or(rest.len()),
                '%' if self.at == 0 || before == Some('\n') => self.directive(),
                '!' if apart => self.tag(),
                '&' if apart => {
                    let name = self.word(1);
                    self.open.push((name, self.indent, self.flow, self.nodes));
                }
                '*' if apart => {
                    let at = self.at;
                    let name = self.word(1);
                    let weight = self.anchors.get(&name).copied().unwrap_or(1);
                    self.nodes = self.nodes.saturating_add(weight);
                    if self.nodes > UNFOLDED_MAX {
                        self.scanner.find(
                            &rules::YAML_BOMB,
                            Some(at as u64),
                            None,
                            format!("aliases unfold to more than {UNFOLDED_MAX} nodes"),
                        );
                        return Some(());
                    }
                    if let Some(text) = self.texts.get(&name).cloned() {
                        // A scalar is one node, which is counted where it is taken.
                        self.nodes = self.nodes.saturating_sub(1);
                        self.scalar(at, text);
                    }
                }
                '-' if (self.at == 0 || before == Some('\n'))
                    && rest.starts_with("---")
                    && rest
                        .get(3..)
                        .is_none_or(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) =>
                {
                    self.at += 3;
                    self.parents.clear();
                    self.key.clear();
                }
                '[' | '{' => {
                    self.flow += 1;
                    self.nodes += 1;
                    if self.flow > FLOW_MAX {
                        let evidence = format!("brackets nested more than {FLOW_MAX} deep");
                        self.scanner.find(&rules::YAML_BOMB, Some(self.at as u64), None, evidence);
                        return Some(());
                    }
                    self.at += 1;
                }
                ']' | '}' => {
                    self.flow = self.flow.saturating_sub(1);
                    self.at += 1;
                    self.close();
                }
                ',' => {
                    self.at += 1;
                    if self.flow > 0 {
                        self.key.clear();
                    }
                }
                '"' | '\'' => self.quoted_scalar(one),
                '|' | '>' if apart && self.flow == 0 => self.block(),
                '-' | '?'
                    if rest
                        .get(1..)
                        .is_none_or(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) =>
                {
                    self.at += 1;
                    self.asked = one == '?';
                    self.key = self.parents.last().map(|(_, key)| key.clone()).unwrap_or_default();
                }
                ':' => {
                    self.at += 1;
                    if let Some(key) = self.explicit.take() {
                        self.key = key;
                    }
                }
                _ => self.plain(),
            }
        }
        Some(())
    }

    /// The start of a line: what stands further in ends.
    fn line(&mut self) {
        let rest = self.rest();
        let indent = rest.len() - rest.trim_start_matches(' ').len();
        let body = rest.get(indent..).unwrap_or_default();
        if body.starts_with(['\n', '\r', '#']) || body.is_empty() {
            return;
        }
        if self.flow == 0 {
            self.indent = indent;
            while self
                .parents
                .last()
                .is_some_and(|(at, _)| *at >= indent && !(body.starts_with("- ") && *at == indent))
            {
                self.parents.pop();
            }
            // A scalar on a line of its own belongs to the key above it.
            self.key = self.parents.last().map(|(_, key)| key.clone()).unwrap_or_default();
            self.close();
        }
    }

    /// Closes anchors whose node is over.
    fn close(&mut self) {
        while let Some((name, indent, flow, before)) = self.open.last() {
            let closed = self.source.get(..self.at).is_some_and(|text| text.ends_with([']', '}']));
            let over = match (self.flow, *flow) {
                (0, 0) => *indent >= self.indent || closed,
                (0, _) => true,
                (now, then) => now <= then,
            };
            if !over {
                return;
            }
            let weight = self.nodes.saturating_sub(*before).max(1);
            let name = name.clone();
            self.anchors.insert(name, weight);
            self.open.pop();
        }
    }

    fn word(&mut self, skip: usize) -> String {
        let rest = self.rest();
        let body = rest.get(skip..).unwrap_or_default();
        let len = body
            .find(|one: char| one.is_whitespace() || matches!(one, ',' | '[' | ']' | '{' | '}'))
            .unwrap_or(body.len());
        let word = body.get(..len).unwrap_or_default().to_owned();
        self.at += skip + len;
        word
    }

    fn directive(&mut self) {
        let rest = self.rest();
        let line = rest.lines().next().unwrap_or_default().to_owned();
        let mut words = line.split_whitespace();
        if words.next() == Some("%TAG")
            && let (Some(handle), Some(prefix)) = (words.next(), words.next())
        {
            if self.prefixes.len() < PREFIXES_MAX {
                self.prefixes.push((handle.to_owned(), prefix.to_owned()));
            } else {
                self.scanner.doubt(
                    &rules::CALLABLE_UNKNOWN,
                    Some(self.at as u64),
                    "very many handles of tags",
                );
            }
        }
        self.at += line.len();
    }

    fn tag(&mut self) {
        let at = self.at;
        let rest = self.rest();
        let raw = if rest.starts_with("!<") {
            let len = rest.find('>').unwrap_or(rest.len());
            let tag = rest.get(2..len).unwrap_or_default().to_owned();
            self.at += len + 1;
            tag
        } else {
            self.word(0)
        };
        let mut tag = raw.clone();
        if let Some((handle, prefix)) = self.prefixes.iter().rev().find(|(handle, _)| {
            handle.len() > 1 && raw.starts_with(handle.as_str())
                || **handle == *"!" && raw.starts_with('!') && !raw.starts_with("!!")
        }) {
            tag = format!("{prefix}{}", raw.get(handle.len()..).unwrap_or_default());
        }
        let tag = unescaped(&tag);
        let python = tag
            .strip_prefix("tag:yaml.org,2002:python/")
            .or(tag.strip_prefix("!python/"))
            .or(tag.strip_prefix("python/"))
            .map(str::to_owned);
        if let Some(what) = python {
            if matches!(
                what.as_str(),
                "tuple"
                    | "str"
                    | "unicode"
                    | "int"
                    | "long"
                    | "float"
                    | "complex"
                    | "bool"
                    | "none"
                    | "list"
                    | "dict"
                    | "bytes"
            ) {
                return;
            }
            self.scanner.find(&rules::YAML_OBJECT, Some(at as u64), None, quoted(&raw));
        } else if [
            "ruby/",
            "java",
            "!!javax",
            "tag:yaml.org,2002:java",
            "tag:yaml.org,2002:ruby",
            "tag:yaml.org,2002:perl",
            "!ruby/",
            "js/function",
            "tag:yaml.org,2002:js/",
            "tag:yaml.org,2002:com.",
            "tag:yaml.org,2002:org.",
        ]
        .iter()
        .any(|start| tag.starts_with(start))
        {
            self.scanner.find(&rules::YAML_OBJECT, Some(at as u64), None, quoted(&raw));
        } else if !tag.starts_with("tag:yaml.org,2002:") && tag.len() > 1 {
            self.scanner.doubt(
                &rules::CALLABLE_UNKNOWN,
                Some(at as u64),
                format!("a tag of its own: {}", quoted(&raw)),
            );
        }
    }

    fn quoted_scalar(&mut self, quote: char) {
        let at = self.at;
        let body = self.source.get(at + 1..).unwrap_or_default();
        let mut text = String::new();
        let mut chars = body.char_indices().peekable();
        let mut end = body.len();
        while let Some((index, one)) = chars.next() {
            if one == quote {
                if quote == '\'' && matches!(chars.peek(), Some((_, '\''))) {
                    chars.next();
                    text.push('\'');
                    continue;
                }
                end = index;
                break;
            }
            if one == '\\' && quote == '"' {
                let digits = match chars.next().map(|(_, kind)| kind) {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    Some('n') => {
                        text.push('\n');
                        continue;
                    }
                    Some(other) => {
                        text.push(other);
                        continue;
                    }
                    None => break,
                };
                let code: String = chars.by_ref().take(digits).map(|(_, one)| one).collect();
                text.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                continue;
            }
            if text.len() < 1 << 20 {
                text.push(one);
            }
        }
        self.at = (at + 1 + end + 1).min(self.source.len());
        let last = self.source.get(at..self.at).and_then(|taken| taken.rfind('\n'));
        self.scalar(at, text);
        if let Some(last) = last {
            self.line_at = at + last + 1;
        }
    }

    fn plain(&mut self) {
        let at = self.at;
        let rest = self.rest();
        let mut end = rest.len();
        let mut before = ' ';
        for (index, one) in rest.char_indices() {
            let next = rest.get(index + one.len_utf8()..).and_then(|rest| rest.chars().next());
            let stop = one == '\n'
                || one == '#' && before.is_whitespace()
                || one == ':'
                    && next.is_none_or(|one| {
                        one.is_whitespace() || self.flow > 0 && matches!(one, ',' | '[' | ']' | '{' | '}')
                    })
                || self.flow > 0 && matches!(one, ',' | '[' | ']' | '{' | '}');
            if stop {
                end = index;
                break;
            }
            before = one;
        }
        let end = end.max(rest.chars().next().map_or(1, char::len_utf8));
        let text = rest.get(..end).unwrap_or_default().trim_end().to_owned();
        self.at += end;
        self.scalar(at, text);
    }

    fn block(&mut self) {
        let at = self.at;
        let rest = self.rest();
        let mut taken = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let mut text = String::new();
        let parent = self.indent;
        for line in rest.get(taken..).unwrap_or_default().split_inclusive('\n') {
            let indent = line.len() - line.trim_start_matches(' ').len();
            if !line.trim().is_empty() && indent <= parent && !(parent == 0 && indent > 0) {
                break;
            }
            taken += line.len();
            text.push_str(line.get(indent.min(line.len())..).unwrap_or_default());
        }
        self.at += taken;
        // The next line is looked at from its start.
        self.at =
            self.at.saturating_sub(usize::from(rest.get(..taken).is_some_and(|text| text.ends_with('\n'))));
        self.scalar(at, text);
    }

    /// A scalar: a key where a colon follows, else a value.
    fn scalar(&mut self, at: usize, text: String) {
        if let Some((name, _, _, before)) = self.open.last()
            && *before == self.nodes
            && text.len() <= ANCHORED_MAX
        {
            self.texts.insert(name.clone(), text.clone());
        }
        self.nodes = self.nodes.saturating_add(1);
        if std::mem::take(&mut self.asked) {
            self.explicit = Some(text);
            return;
        }
        let rest = self.rest().trim_start_matches([' ', '\t']);
        let next = rest.strip_prefix(':').map(|rest| rest.chars().next());
        if next.is_some_and(|next| next.is_none_or(|one| one.is_whitespace() || self.flow > 0)) {
            let text: String = text.chars().take(KEY_MAX).collect();
            if self.flow == 0 {
                let indent = at.saturating_sub(self.line_at);
                while self.parents.last().is_some_and(|(held, _)| *held >= indent) {
                    self.parents.pop();
                }
                if self.parents.len() < 256 {
                    self.parents.push((indent, text.clone()));
                }
            }
            self.key = text;
            return;
        }
        let key = std::mem::take(&mut self.key);
        self.value(at as u64, &key, &text);
        if self.flow > 0 || !key.is_empty() {
            self.key.clear();
        }
    }

    fn value(&mut self, at: u64, key: &str, text: &str) {
        let pointer = shown(key);
        let place = at;
        let at = Some(at);
        match key {
            "_target_" | "target" | "class_path" | "loader_module" | "__target__" | "_component_"
            | "python_model_class" | "py_class"
                if text.contains('.') || key != "target" =>
            {
                if let Some((rule, what)) = callable(text) {
                    say(self.scanner, rule, at, &pointer, format!("{} {what}", quoted(text)));
                }
            }
            "trust_remote_code" if text.eq_ignore_ascii_case("true") => {
                self.scanner.find(&rules::REMOTE_CODE, at, Some(&pointer), "it asks to be trusted");
            }
            "code" | "code_path" | "env" | "data" | "python_model" | "model_path" | "artifact_path"
            | "path" | "base_model" | "adapter_path" | "dockerfile" => {
                if text.split(['/', '\\']).any(|part| part == "..")
                    || text.starts_with("file:")
                    || matches!(key, "code" | "code_path" | "python_model") && escapes(text).is_some()
                {
                    self.scanner.find(&rules::PATH_ESCAPE, at, Some(&pointer), quoted(text));
                } else if is_url(text) && key != "path" && key != "data" {
                    self.scanner.find(&rules::SOURCE_ELSEWHERE, at, Some(&pointer), quoted(text));
                }
            }
            "dependencies" | "pip" | "requirements" | "install_requires" => {
                super::packages::requirement(self.scanner, place, text);
            }
            "channels" | "channel_alias" | "index_url" | "extra_index_url" | "find_links" => {
                super::packages::index(self.scanner, place, &pointer, text);
            }
            "chat_template" | "prompt_template" | "template"
                if text.contains("{%") || text.contains("{{") =>
            {
                crate::template::judge(self.scanner, &pointer, at, text);
            }
            _ => judge_text(self.scanner, at, &pointer, text),
        }
    }
}

/// `%41` in a tag is a letter.
fn unescaped(tag: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = tag.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair: Option<Vec<u32>> =
                bytes.clone().take(2).map(|byte| char::from(byte).to_digit(16)).collect();
            if let Some([high, low]) = pair.as_deref() {
                out.push((high * 16 + low) as u8);
                bytes.nth(1);
                continue;
            }
        }
        out.push(byte);
    }
    String::from_utf8_lossy(&out).into_owned()
}

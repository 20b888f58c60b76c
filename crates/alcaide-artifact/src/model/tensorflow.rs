//! Judges TensorFlow's models: saved models, graphs, meta graphs and Keras's metadata beside them.
//!
//! Nodes of the graph, of functions and of what is nested in attributes are judged alike, by what their operator does.
//! Saving and restoring belong to every saved model; they are findings where the path they take is written in the graph
//! and leads outside.

mod effects;
mod schema;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use alcaide_container::Input;
use alcaide_graph::Fault;
use alcaide_graph::wire::{Event, Value, Walker};

use self::effects::{Effect, effect, hands_on};
use self::schema::Message;
use super::packs::TENSORFLOW_OPERATORS;
use super::{content, paths, rules};
use crate::coverage::Kind;
use crate::rules::Rule;
use crate::scanner::{Scanner, shown};

/// Which message a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Root {
    SavedModel,
    Graph,
    MetaGraph,
    KerasMetadata,
}

/// Walks the file and judges each part of it.
pub(super) fn read(scanner: &mut Scanner, root: Root, input: &dyn Input) -> Result<(), Fault> {
    let fuel = scanner.fuel().clone();
    let root = match root {
        Root::SavedModel => Message::SavedModel,
        Root::Graph => Message::Graph,
        Root::MetaGraph => Message::MetaGraph,
        Root::KerasMetadata => Message::KerasMetadata,
    };
    let mut judge = Judge {
        scanner,
        walker: Walker::new(input, root, &fuel),
        open: vec![Frame::new(root)],
        unknown: BTreeMap::new(),
        functions: BTreeSet::new(),
        covered: 0,
        deep: false,
    };
    let ended = judge.run();
    judge.settle();
    ended
}

struct Judge<'a> {
    scanner: &'a mut Scanner,
    walker: Walker<'a, Message>,
    open: Vec<Frame>,
    /// Operators that the pack does not know: a function of the file may still define them.
    unknown: BTreeMap<String, u64>,
    functions: BTreeSet<String>,
    covered: u64,
    deep: bool,
}

/// What has been seen of one open message.
struct Frame {
    message: Message,
    start: u64,
    body: Body,
}

enum Body {
    Other,
    Node(Node),
    Key(String),
    Tensor(Tensor),
    Scope(Scope),
}

#[derive(Default)]
struct Node {
    name: String,
    operator: String,
    inputs: Vec<String>,
    /// Texts of attributes, by key.
    texts: Vec<(String, String)>,
}

#[derive(Default)]
struct Tensor {
    data_type: u64,
    dims: Vec<u64>,
    content: Option<u64>,
}

/// Nodes of one graph or function that matter for paths.
#[derive(Default)]
struct Scope {
    name: String,
    /// Constants that lead outside, by node: text and why.
    outside: HashMap<String, (String, &'static str)>,
    /// Inputs of nodes that hand texts on.
    edges: HashMap<String, Vec<String>>,
    /// Nodes that take a path: operator, place, inputs.
    takers: Vec<(String, String, u64, Vec<String>)>,
}

/// Entries that are kept of each kind, in a scope and in a node.
const KEPT_MAX: usize = 50_000;
const IN_NODE_MAX: usize = 64;
const TEXT_MAX: usize = 4_096;
const METADATA_MAX: usize = 16 << 20;
const COMMON_DEPTH: usize = 100;

impl Frame {
    fn new(message: Message) -> Self {
        let body = match message {
            Message::Node => Body::Node(Node::default()),
            Message::AttrEntry => Body::Key(String::new()),
            Message::Tensor => Body::Tensor(Tensor::default()),
            Message::Graph | Message::Function => Body::Scope(Scope::default()),
            _ => Body::Other,
        };
        Self { message, start: 0, body }
    }
}

impl Judge<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        while let Some(event) = self.walker.next()? {
            match event {
                Event::Enter { message, bytes, .. } => {
                    self.parsed(bytes.start);
                    if self.walker.depth() > COMMON_DEPTH && !self.deep {
                        self.deep = true;
                        self.find(&rules::DEEP, bytes.start, "messages more than a hundred deep".to_owned());
                    }
                    self.open.push(Frame { start: bytes.start, ..Frame::new(message) });
                }
                Event::Leave { .. } => {
                    self.parsed(self.walker.at());
                    if let Some(frame) = self.open.pop() {
                        self.leave(frame);
                    }
                }
                Event::Unknown { message, number, bytes } => {
                    self.parsed(bytes.start);
                    self.covered = bytes.end;
                    let evidence =
                        format!("field {number} of {message:?}, {} bytes", bytes.end - bytes.start);
                    self.scanner.doubt(&rules::UNKNOWN_FIELD, Some(bytes.start), evidence);
                }
                Event::Field { message, number, value, .. } => self.field(message, number, value)?,
            }
        }
        self.parsed(self.walker.at());
        Ok(())
    }

    fn parsed(&mut self, end: u64) {
        self.scanner.cover(self.covered..end, Kind::Parsed);
        self.covered = self.covered.max(end);
    }

    fn find(&mut self, rule: &'static Rule, at: u64, evidence: String) {
        let names: Vec<_> = self
            .open
            .iter()
            .filter_map(|frame| match &frame.body {
                Body::Node(node) => Some(shown(&node.name)),
                Body::Scope(scope) if !scope.name.is_empty() => Some(shown(&scope.name)),
                Body::Key(key) if !key.is_empty() => Some(shown(key)),
                _ => None,
            })
            .take(16)
            .collect();
        let pointer = names.join("/");
        self.scanner.find(rule, Some(at), Some(pointer.as_str()).filter(|text| !text.is_empty()), evidence);
    }

    fn field(&mut self, message: Message, number: u32, value: Value) -> Result<(), Fault> {
        let open = self.open.len();
        match (message, number, value) {
            (Message::Dim, 1, Value::Varint(size)) => {
                if let Some(Frame { body: Body::Tensor(tensor), .. }) =
                    open.checked_sub(3).and_then(|at| self.open.get_mut(at))
                    && tensor.dims.len() < 256
                {
                    tensor.dims.push(size);
                }
            }
            (Message::Tensor, 1, Value::Varint(code)) => {
                if let Some(Frame { body: Body::Tensor(tensor), .. }) = self.open.last_mut() {
                    tensor.data_type = code;
                }
            }
            (Message::Tensor, 8, Value::Range(bytes)) => {
                if bytes.end - bytes.start <= TEXT_MAX as u64 {
                    let (text, _) = self.walker.bytes(&bytes, TEXT_MAX)?;
                    self.keep_text(&text);
                }
                self.payload(bytes)?;
            }
            (Message::Tensor, number, Value::Range(bytes)) => {
                if number == 4
                    && let Some(Frame { body: Body::Tensor(tensor), .. }) = self.open.last_mut()
                {
                    tensor.content = Some(bytes.end - bytes.start);
                }
                self.payload(bytes)?;
            }
            (Message::UserObject, 3, Value::Range(bytes))
            | (Message::KerasObject, 5, Value::Range(bytes)) => {
                self.metadata(&bytes)?;
            }
            (Message::Graph, 5, Value::Range(bytes))
            | (Message::Blobs | Message::Ints | Message::Floats, 1, Value::Range(bytes))
            | (Message::Any | Message::Variant, 2, Value::Range(bytes))
            | (Message::List, 3..=6, Value::Range(bytes)) => self.payload(bytes)?,
            (message, number, Value::Range(bytes)) => self.text(message, number, bytes)?,
            _ => {}
        }
        Ok(())
    }

    fn payload(&mut self, bytes: Range<u64>) -> Result<(), Fault> {
        self.parsed(bytes.start);
        if bytes.end - bytes.start >= 64 {
            let (head, _) = self.walker.bytes(&bytes, 1024)?;
            if let Some(what) = content::executable(&head) {
                self.find(&rules::EXECUTABLE_WITHIN, bytes.start, what.to_owned());
            }
        }
        self.covered = bytes.end;
        self.scanner.cover(bytes, Kind::Payload);
        Ok(())
    }

    fn text(&mut self, message: Message, number: u32, bytes: Range<u64>) -> Result<(), Fault> {
        let (text, _) = self.walker.bytes(&bytes, TEXT_MAX)?;
        if matches!((message, number), (Message::Attr, 2) | (Message::List, 2)) {
            self.keep_text(&text);
            let (whole, _) = self.walker.bytes(&bytes, 1 << 20)?;
            let found = content::code(&whole);
            if let Some(what) = found {
                self.find(&rules::CODE_IN_TEXT, bytes.start, what.to_owned());
            }
            if let Some(what) = content::executable(&whole) {
                self.find(&rules::EXECUTABLE_WITHIN, bytes.start, what.to_owned());
            }
        }
        if (message, number) == (Message::Asset, 2)
            && let Some(why) = paths::leads_outside(&text)
        {
            let evidence = format!("asset `{}` {why}", shown(&String::from_utf8_lossy(&text)));
            self.find(&rules::PATH_OUTSIDE, bytes.start, evidence);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let of_function = message == Message::Op
            && self.open.iter().rev().nth(1).is_some_and(|frame| frame.message == Message::Function);
        if of_function && number == 1 {
            if self.functions.len() < KEPT_MAX {
                self.functions.insert(text.clone());
            }
            if let Some(Frame { body: Body::Scope(scope), .. }) = self.open.iter_mut().rev().nth(1) {
                scope.name = text;
            }
            return Ok(());
        }
        match (self.open.last_mut().map(|frame| &mut frame.body), number) {
            (Some(Body::Node(node)), 1) => node.name = text,
            (Some(Body::Node(node)), 2) => {
                if !node.operator.is_empty() && node.operator != text {
                    self.find(&rules::TWICE, bytes.start, "a node names two operators".to_owned());
                    let at = self.open.last().map_or(0, |frame| frame.start);
                    let named = match self.open.last_mut().map(|frame| &mut frame.body) {
                        Some(Body::Node(node)) => std::mem::replace(&mut node.operator, text),
                        _ => String::new(),
                    };
                    self.judge(&Node { operator: named, ..Node::default() }, at);
                } else {
                    node.operator = text;
                }
            }
            (Some(Body::Node(node)), 3) if node.inputs.len() < IN_NODE_MAX => {
                let source = text.split(':').next().unwrap_or(&text);
                if !source.starts_with('^') {
                    node.inputs.push(source.to_owned());
                }
            }
            (Some(Body::Key(key)), 1) => *key = text,
            _ => {}
        }
        Ok(())
    }

    /// Keeps a text of an attribute with the node that it belongs to.
    fn keep_text(&mut self, text: &[u8]) {
        let mut key = None;
        for frame in self.open.iter_mut().rev() {
            match &mut frame.body {
                Body::Key(found) => key = Some(found.clone()),
                Body::Node(node) => {
                    if node.texts.len() < IN_NODE_MAX {
                        node.texts
                            .push((key.unwrap_or_default(), String::from_utf8_lossy(text).into_owned()));
                    }
                    return;
                }
                _ => {}
            }
        }
    }

    fn metadata(&mut self, bytes: &Range<u64>) -> Result<(), Fault> {
        let (text, whole) = self.walker.bytes(bytes, METADATA_MAX)?;
        if text.is_empty() {
            return Ok(());
        }
        if !whole {
            self.scanner.doubt(
                &rules::JSON_BROKEN,
                Some(bytes.start),
                "metadata of a layer that is too large",
            );
            return Ok(());
        }
        super::keras::judge_text(self.scanner, &text, bytes.start, "metadata")
    }

    fn leave(&mut self, frame: Frame) {
        match frame.body {
            Body::Node(node) => {
                // Its name stays on the way while it is judged.
                let named = Body::Key(node.name.clone());
                self.open.push(Frame { message: Message::Node, start: frame.start, body: named });
                self.judge(&node, frame.start);
                self.open.pop();
                self.remember(node, frame.start);
            }
            Body::Tensor(tensor) => self.tensor(&tensor, frame.start),
            Body::Scope(scope) => self.follow(scope),
            Body::Key(_) | Body::Other => {}
        }
    }

    fn judge(&mut self, node: &Node, at: u64) {
        let operator = shown(&node.operator);
        let name = shown(&node.name);
        let told = |rest: &str| format!("operator {operator} in node `{name}`{rest}");
        match effect(&node.operator) {
            Effect::None | Effect::Beside => {}
            Effect::Code => self.find(&rules::TF_PYTHON, at, told("")),
            Effect::File => self.find(&rules::TF_FILE, at, told("")),
            Effect::Network => self.find(&rules::TF_NETWORK, at, told("")),
            Effect::Stops => self.find(&rules::TF_STOPS, at, told("")),
            Effect::ByAttribute => {
                for (key, text) in &node.texts {
                    let lower = text.to_ascii_lowercase();
                    let rule = match key.as_str() {
                        "output_stream" if lower.starts_with("file:") => &rules::TF_FILE,
                        "debug_urls" if lower.starts_with("file:") => &rules::TF_FILE,
                        "debug_urls" | "debug_ops_spec" if lower.contains("grpc:") => &rules::TF_NETWORK,
                        "debug_ops_spec" if lower.contains("file:") => &rules::TF_FILE,
                        "vocab_file" if !lower.is_empty() => &rules::TF_FILE,
                        "descriptor_source"
                            if !lower.is_empty()
                                && !lower.starts_with("local://")
                                && !lower.starts_with("bytes://") =>
                        {
                            &rules::TF_FILE
                        }
                        _ => continue,
                    };
                    self.find(rule, at, told(&format!(", {key} `{}`", shown(text))));
                }
            }
            Effect::Unknown => {
                if self.unknown.len() < KEPT_MAX {
                    self.unknown.entry(node.operator.clone()).or_insert(at);
                }
            }
        }
    }

    /// Keeps what of a node matters for paths, in the graph or function that it is in.
    fn remember(&mut self, node: Node, at: u64) {
        let Some(scope) = self.open.iter_mut().rev().find_map(|frame| match &mut frame.body {
            Body::Scope(scope) => Some(scope),
            _ => None,
        }) else {
            return;
        };
        if matches!(node.operator.as_str(), "Const" | "HostConst" | "_EagerConst") {
            let outside = node.texts.into_iter().find_map(|(_, text)| {
                let why = paths::leads_outside(text.as_bytes())?;
                Some((text, why))
            });
            if let Some(outside) = outside.filter(|_| scope.outside.len() < KEPT_MAX) {
                scope.outside.insert(node.name, outside);
            }
        } else if effect(&node.operator) == Effect::Beside {
            if scope.takers.len() < KEPT_MAX {
                scope.takers.push((node.name, node.operator, at, node.inputs));
            }
        } else if hands_on(&node.operator) && scope.edges.len() < KEPT_MAX {
            scope.edges.insert(node.name, node.inputs);
        }
    }

    /// Follows paths from what takes them back to constants.
    fn follow(&mut self, scope: Scope) {
        if scope.outside.is_empty() {
            return;
        }
        for (name, operator, at, inputs) in &scope.takers {
            let mut seen = BTreeSet::new();
            let mut ahead: Vec<&str> = inputs.iter().map(String::as_str).collect();
            while let Some(source) = ahead.pop() {
                if seen.len() > 1_000 || !seen.insert(source) {
                    continue;
                }
                if let Some((text, why)) = scope.outside.get(source) {
                    let evidence = format!(
                        "operator {} in node `{}` takes `{}`, which {why}",
                        shown(operator),
                        shown(name),
                        shown(text)
                    );
                    self.find(&rules::PATH_OUTSIDE, *at, evidence);
                    break;
                }
                ahead.extend(scope.edges.get(source).into_iter().flatten().map(String::as_str));
            }
        }
    }

    fn tensor(&mut self, tensor: &Tensor, at: u64) {
        let elements = tensor
            .dims
            .iter()
            .try_fold(1_u64, |product, size| {
                i64::try_from(*size).ok().and_then(|_| product.checked_mul(*size))
            })
            .filter(|product| i64::try_from(*product).is_ok());
        let width = match tensor.data_type {
            4 | 6 | 10..=12 | 24..=28 => 1,
            5 | 14..=17 | 19 => 2,
            1 | 3 | 13 | 22 => 4,
            2 | 8 | 9 | 23 => 8,
            18 => 16,
            _ => 0,
        };
        let Some(bytes) = elements.and_then(|elements| elements.checked_mul(width.max(1))) else {
            let dims: Vec<_> = tensor.dims.iter().take(8).collect();
            return self.find(&rules::SIZE_OVERFLOW, at, format!("a tensor of sizes {dims:?}"));
        };
        if let Some(content) = tensor.content
            && width > 0
            && content > 0
            && content != bytes
        {
            self.find(
                &rules::LENGTH_MISMATCH,
                at,
                format!("a tensor declares {bytes} bytes and has {content}"),
            );
        }
    }

    fn settle(&mut self) {
        for (operator, at) in std::mem::take(&mut self.unknown) {
            if !self.functions.contains(&operator) {
                self.scanner.doubt(&rules::TF_UNKNOWN, Some(at), format!("operator `{}`", shown(&operator)));
            }
        }
    }
}

/// Whether an operator does more than compute.
pub(super) fn reaches(operator: &str) -> bool {
    !matches!(effect(operator), Effect::None | Effect::Unknown)
}

#[cfg(test)]
mod tests;

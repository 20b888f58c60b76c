//! Judges ONNX models: what their operators do, where their tensors lie, whether sizes are true.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use alcaide_container::Input;
use alcaide_graph::onnx::{self, Entry, Item, Message, Node, Role, Sink, Tensor, Text};
use alcaide_graph::{Cursor, Fault};

use super::packs::ONNX_OPERATORS;
use super::{content, paths, rules};
use crate::coverage::Kind;
use crate::rules::Rule;
use crate::scanner::{Scanner, shown};

/// Walks the model and judges each part of it.
pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let fuel = scanner.fuel().clone();
    let mut judge = Judge {
        scanner,
        bytes: Cursor::new(input),
        open: BTreeMap::new(),
        functions: HashSet::new(),
        function: (None, None),
    };
    let ended = onnx::read(input, &fuel, &mut judge);
    judge.settle();
    ended
}

struct Judge<'a> {
    scanner: &'a mut Scanner,
    bytes: Cursor<'a>,
    /// Operators that nobody knows yet, with the first place of each: a function of the model may still define them.
    open: BTreeMap<(String, String), (u64, String)>,
    functions: HashSet<(String, String)>,
    /// Name and domain of the function that is open.
    function: (Option<String>, Option<String>),
}

/// Operators without a home that are kept to be settled at the end.
const OPEN_MAX: usize = 10_000;

impl Sink for Judge<'_> {
    fn take(&mut self, path: &[String], item: Item<'_>) -> Result<(), Fault> {
        match item {
            Item::Structure(bytes) => self.scanner.cover(bytes, Kind::Parsed),
            Item::Payload(bytes) => self.payload(path, bytes)?,
            Item::Node { node, bytes } => self.node(path, node, bytes.start),
            Item::Attribute(attribute) if attribute.name == "ep_cache_context" => {
                self.native(path, attribute.text.as_ref());
            }
            Item::Tensor(tensor) => self.tensor(path, tensor),
            Item::Entry { entry, .. } => self.entry(path, entry),
            Item::Text { message, number, text } => self.text(path, message, number, text)?,
            Item::Unknown { message, number, bytes } => {
                self.scanner.doubt(
                    &rules::UNKNOWN_FIELD,
                    Some(bytes.start),
                    format!("field {number} of {message:?}, {} bytes", bytes.end - bytes.start),
                );
            }
            Item::Deep { at } => {
                self.find(&rules::DEEP, at, path, "messages more than a hundred deep".to_owned());
            }
            Item::Twice { message, number, at } => {
                self.find(&rules::TWICE, at, path, format!("field {number} of {message:?}"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Judge<'_> {
    fn find(&mut self, rule: &'static Rule, at: u64, path: &[String], evidence: String) {
        let pointer = pointer(path);
        self.scanner.find(rule, Some(at), pointer.as_deref(), evidence);
    }

    fn payload(&mut self, path: &[String], bytes: Range<u64>) -> Result<(), Fault> {
        if bytes.end - bytes.start >= 64 {
            let (head, _) = self.bytes.bytes(&bytes, 1024)?;
            if let Some(what) = content::executable(&head) {
                self.find(&rules::EXECUTABLE_WITHIN, bytes.start, path, what.to_owned());
            }
        }
        self.scanner.cover(bytes, Kind::Payload);
        Ok(())
    }

    fn node(&mut self, path: &[String], node: &Node, at: u64) {
        let name = format!("{}.{}", shown(&node.domain), shown(&node.operator));
        let name = name.trim_start_matches('.').to_owned();
        match judge(&node.domain, &node.operator) {
            Home::Known => {}
            Home::Runs => self.find(&rules::ONNX_SCRIPT, at, path, format!("operator {name}")),
            Home::Reaches => self.find(&rules::ONNX_REACH, at, path, format!("operator {name}")),
            Home::Unknown | Home::Foreign => {
                if self.open.len() < OPEN_MAX {
                    let key = (node.domain.clone(), node.operator.clone());
                    self.open.entry(key).or_insert_with(|| (at, pointer(path).unwrap_or_default()));
                } else {
                    self.find(&rules::ONNX_FOREIGN, at, path, format!("operator {name}, one of very many"));
                }
            }
        }
    }

    fn native(&mut self, path: &[String], text: Option<&Text>) {
        let Some(text) = text else { return };
        let at = text.bytes.start;
        match text.whole && text.raw.len() <= 512 {
            true => match paths::leads_outside(&text.raw) {
                Some(why) => self.find(
                    &rules::PATH_OUTSIDE,
                    at,
                    path,
                    format!("context `{}` {why}", shown(&text.shown())),
                ),
                None => {
                    self.scanner.doubt(&rules::NATIVE_BLOB, Some(at), "a context of a runtime's provider")
                }
            },
            false => self.scanner.doubt(&rules::NATIVE_BLOB, Some(at), "a context of a runtime's provider"),
        }
    }

    fn entry(&mut self, path: &[String], entry: &Entry) {
        if !entry.external {
            return;
        }
        let key = entry.key.shown().to_ascii_lowercase();
        let value = entry.value.shown();
        let at = entry.value.bytes.start;
        match key.as_str() {
            "location" | "basepath" => {
                if let Some(why) = paths::leads_outside(&entry.value.raw) {
                    self.find(&rules::PATH_OUTSIDE, at, path, format!("{key} `{}` {why}", shown(&value)));
                } else if !entry.value.whole || value.trim().is_empty() {
                    self.find(&rules::RANGE_BROKEN, at, path, format!("{key} is no name of a file"));
                } else if key == "basepath" {
                    self.scanner.doubt(
                        &rules::UNKNOWN_FIELD,
                        Some(at),
                        format!("a base path `{}`", shown(&value)),
                    );
                }
            }
            "offset" | "length" | "checksum" => {}
            other if other.starts_with("prepacked") => {}
            other => self.scanner.doubt(
                &rules::UNKNOWN_FIELD,
                Some(at),
                format!("external data with the key `{}`", shown(other)),
            ),
        }
    }

    fn tensor(&mut self, path: &[String], tensor: &Tensor) {
        let at = tensor.start;
        let name = shown(&tensor.name);
        let Some(elements) = tensor.elements() else {
            let dims = format!("{:?}", tensor.dims.iter().take(8).collect::<Vec<_>>());
            return self.find(&rules::SIZE_OVERFLOW, at, path, format!("tensor `{name}` of sizes {dims}"));
        };
        let declared = tensor.declared_bytes();
        if declared.is_none() && tensor.data_type.bits().is_some() {
            return self.find(
                &rules::SIZE_OVERFLOW,
                at,
                path,
                format!("tensor `{name}` of {elements} elements"),
            );
        }
        if tensor.external {
            self.external(path, tensor, declared);
            return;
        }
        if let (Some(raw), Some(declared)) = (&tensor.raw, declared)
            && raw.end - raw.start != declared
        {
            self.find(
                &rules::LENGTH_MISMATCH,
                at,
                path,
                format!("tensor `{name}` declares {declared} bytes and has {}", raw.end - raw.start),
            );
        }
        if tensor.raw.is_some() && tensor.packed_bytes + tensor.single > 0 {
            self.find(&rules::TWICE, at, path, format!("tensor `{name}` holds its numbers in two ways"));
        }
        if tensor.raw.is_none() && !typed_fits(tensor, elements) && tensor.role != Role::Sparse {
            self.find(
                &rules::LENGTH_MISMATCH,
                at,
                path,
                format!(
                    "tensor `{name}` declares {elements} elements and has {} bytes and {} single values",
                    tensor.packed_bytes, tensor.single
                ),
            );
        }
    }

    fn external(&mut self, path: &[String], tensor: &Tensor, declared: Option<u64>) {
        let at = tensor.start;
        let name = shown(&tensor.name);
        if tensor.raw.is_some() || tensor.packed_bytes + tensor.single > 0 {
            self.find(&rules::TWICE, at, path, format!("tensor `{name}` lies here and in another file"));
        }
        let value = |key: &str| {
            tensor
                .location
                .iter()
                .find(|(found, _)| found.eq_ignore_ascii_case(key))
                .map(|(_, value)| value.as_str())
        };
        if value("location").is_none() {
            self.find(
                &rules::RANGE_BROKEN,
                at,
                path,
                format!("tensor `{name}` lies in a file without a name"),
            );
        }
        let number = |key: &str| {
            value(key).map(|text| text.trim().parse::<u64>().ok().filter(|one| i64::try_from(*one).is_ok()))
        };
        let (offset, length) = (number("offset"), number("length"));
        for (key, read) in [("offset", offset), ("length", length)] {
            if read == Some(None) {
                let text = shown(value(key).unwrap_or_default());
                self.find(
                    &rules::RANGE_BROKEN,
                    at,
                    path,
                    format!("tensor `{name}`: {key} `{text}` is no number of bytes"),
                );
            }
        }
        let (offset, length) = (offset.flatten().unwrap_or_default(), length.flatten());
        let needed = length.or(declared).unwrap_or_default();
        if i64::try_from(u128::from(offset) + u128::from(needed)).is_err() {
            self.find(
                &rules::RANGE_BROKEN,
                at,
                path,
                format!("tensor `{name}` ends past what a file can hold"),
            );
        }
        if let (Some(length), Some(declared)) = (length, declared)
            && length != declared
        {
            self.find(
                &rules::RANGE_BROKEN,
                at,
                path,
                format!("tensor `{name}` needs {declared} bytes and takes {length}"),
            );
        }
    }

    fn text(&mut self, path: &[String], message: Message, number: u32, text: &Text) -> Result<(), Fault> {
        if message == Message::Function {
            match number {
                1 => self.function.0 = Some(text.shown()),
                10 => self.function.1 = Some(text.shown()),
                _ => {}
            }
            if let (Some(name), Some(domain)) = (&self.function.0, &self.function.1) {
                if self.functions.len() < OPEN_MAX {
                    self.functions.insert((domain.clone(), name.clone()));
                }
                self.function = (None, None);
            }
        }
        let (whole, _) = match text.whole {
            true => (text.raw.clone(), true),
            false => self.bytes.bytes(&text.bytes, LONG_TEXT)?,
        };
        if let Some(what) = content::executable(&whole) {
            self.find(&rules::EXECUTABLE_WITHIN, text.bytes.start, path, what.to_owned());
        }
        if let Some(what) = content::code(&whole) {
            self.find(
                &rules::CODE_IN_TEXT,
                text.bytes.start,
                path,
                format!("{message:?}, field {number}: {what}"),
            );
        }
        Ok(())
    }

    /// Judges operators that had no home when they were seen.
    fn settle(&mut self) {
        for ((domain, operator), (at, pointer)) in std::mem::take(&mut self.open) {
            if self.functions.contains(&(domain.clone(), operator.clone())) {
                continue;
            }
            let name = format!("operator {} of `{}`", shown(&operator), shown(&domain));
            match judge(&domain, &operator) {
                Home::Foreign => {
                    let pointer = Some(pointer.as_str()).filter(|text| !text.is_empty());
                    self.scanner.find(&rules::ONNX_FOREIGN, Some(at), pointer, name);
                }
                _ => self.scanner.doubt(&rules::ONNX_UNKNOWN, Some(at), name),
            }
        }
    }
}

/// Bytes of a long text that are searched.
const LONG_TEXT: usize = 1 << 20;

/// Names on the way, as a pointer.
fn pointer(path: &[String]) -> Option<String> {
    let first: Vec<_> = path.iter().take(16).map(|name| shown(name)).collect();
    (!first.is_empty()).then(|| first.join("/"))
}

/// Whether numbers in typed fields are as many as the tensor declares.
fn typed_fits(tensor: &Tensor, elements: u64) -> bool {
    if tensor.data_type == onnx::DataType::STRING {
        return tensor.single == elements;
    }
    // Complex numbers are two values; small integers share one.
    let needed = match tensor.data_type.0 {
        14 | 15 => elements.saturating_mul(2),
        21..=23 => elements.div_ceil(2),
        25 | 26 => elements.div_ceil(4),
        _ => elements,
    };
    match tensor.packed_width {
        0 if tensor.packed_bytes == 0 => tensor.single == needed,
        // Varints are one to ten bytes each.
        0 => {
            let left = needed.saturating_sub(tensor.single);
            left <= tensor.packed_bytes && tensor.packed_bytes <= left.saturating_mul(10)
        }
        width => {
            (tensor.packed_bytes / width).saturating_add(tensor.single) == needed
                && tensor.packed_bytes.is_multiple_of(width)
        }
    }
}

/// Where an operator comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Home {
    Known,
    Runs,
    Reaches,
    /// Of a domain that is known, but not itself.
    Unknown,
    /// Of somebody's own domain.
    Foreign,
}

fn judge(domain: &str, operator: &str) -> Home {
    let lower = operator.to_ascii_lowercase();
    let bare: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    if RUNS.iter().any(|name| bare.starts_with(name)) {
        return Home::Runs;
    }
    if REACHES.iter().any(|name| bare.starts_with(name)) {
        return Home::Reaches;
    }
    let plain = match domain {
        "" => "ai.onnx",
        other => other,
    };
    if ONNX_OPERATORS.has(&format!("{plain} {operator}")) {
        return Home::Known;
    }
    let known = matches!(
        plain,
        "ai.onnx"
            | "ai.onnx.ml"
            | "ai.onnx.training"
            | "ai.onnx.preview"
            | "ai.onnx.preview.training"
            | "ai.onnx.contrib"
            | "com.microsoft"
            | "com.microsoft.nchwc"
            | "com.microsoft.dml"
            | "com.microsoft.experimental"
            | "com.microsoft.extensions"
            | "com.microsoft.mlfeaturizers"
            | "com.ms.internal.nhwc"
            | "org.pytorch.aten"
            | "trt.plugins"
            | "com.nvidia"
            | "com.intel.ai"
            | "com.amd.quark"
            | "com.vitis.customop"
    );
    match known {
        true => Home::Unknown,
        false => Home::Foreign,
    }
}

/// Operators that run a script, by the letters that their names begin with.
const RUNS: &[&str] = &[
    "pyop",
    "pythonop",
    "pyfunc",
    "pythonfunc",
    "pycustomop",
    "pyscript",
    "luaop",
    "scriptop",
    "jsop",
    "evalop",
];

/// Operators of runtimes' extensions that call a service or open a file.
const REACHES: &[&str] = &[
    "azure",
    "openai",
    "audiodecodefromfile",
    "readfile",
    "writefile",
    "loadfile",
    "savefile",
    "httprequest",
    "urlopen",
    "tritonclient",
];

#[cfg(test)]
mod tests;

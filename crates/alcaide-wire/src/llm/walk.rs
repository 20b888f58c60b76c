//! The walk over a body that turns its strings into segments.

use std::borrow::Cow;

use super::Provider;
use super::part::{
    Channel, HOSTED_MAX, Hosted, Opaque, OpaqueKind, Part, Role, Segment, ToolCall, tool_word,
};
use crate::json::{Entry, Kind, Value};

/// Longest word of a protocol (type, role, id, setting), in bytes; what is longer is read as text.
const WORD_BYTES_MAX: usize = 128;
/// Longest target of a hosted use that is shown, in bytes.
const TARGET_BYTES_MAX: usize = 512;

/// Which way a body goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// To the provider.
    Request,
    /// From the provider.
    Reply,
    /// From the provider, in pieces.
    Stream,
}

#[derive(Debug)]
pub(super) struct Walker<'a> {
    pub(super) provider: Provider,
    pub(super) way: Way,
    /// Who speaks here.
    pub(super) role: Role,
    pub(super) item: u32,
    pub(super) sub: u32,
    pub(super) sealed: bool,
    pub(super) repeats: bool,
    pub(super) segments: Vec<Segment<'a>>,
    pub(super) opaque: Vec<Opaque>,
    /// Each once, and no more than [`HOSTED_MAX`].
    pub(super) hosted: Vec<Hosted>,
    /// Whether there were more.
    pub(super) hosted_more: bool,
    pub(super) calls: Vec<ToolCall<'a>>,
    /// Names of the caller's own tools.
    pub(super) tools: Vec<Cow<'a, str>>,
}

impl<'a> Walker<'a> {
    pub(super) const fn new(provider: Provider, way: Way) -> Self {
        Self {
            provider,
            way,
            role: Role::Nobody,
            item: 0,
            sub: 0,
            sealed: false,
            repeats: false,
            segments: Vec::new(),
            opaque: Vec::new(),
            hosted: Vec::new(),
            hosted_more: false,
            calls: Vec::new(),
            tools: Vec::new(),
        }
    }

    /// Walks the items of an array; of any other value, what there is as free text.
    pub(super) fn items(
        &mut self,
        list: Value<'_, 'a>,
        part: Part,
        mut walk: impl FnMut(&mut Self, usize, Value<'_, 'a>),
    ) {
        if list.kind() != Kind::Array {
            return self.free(list, part);
        }
        for (index, item) in list.items().enumerate() {
            walk(self, index, item);
        }
    }

    /// Walks the members of an object; of any other value, what there is as free text.
    pub(super) fn entries(
        &mut self,
        object: Value<'_, 'a>,
        part: Part,
        mut walk: impl FnMut(&mut Self, Entry<'_, 'a>),
    ) {
        if object.kind() != Kind::Object {
            return self.free(object, part);
        }
        for entry in object.entries() {
            walk(self, entry);
        }
    }

    /// Walks with another speaker.
    pub(super) fn speaking(&mut self, role: Role, walk: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.role, role);
        walk(self);
        self.role = before;
    }

    /// A string that is text; any other value is walked as free text. An empty string says nothing.
    pub(super) fn text(&mut self, value: Value<'_, 'a>, part: Part) {
        match value.as_str() {
            Some(text) if !text.is_empty() => self.segment(value.span(), text, part),
            Some(_) => {}
            None => self.free(value, part),
        }
    }

    fn segment(&mut self, span: std::ops::Range<usize>, text: Cow<'a, str>, part: Part) {
        self.segments.push(Segment {
            span,
            role: self.role,
            channel: Channel { item: self.item, sub: self.sub, part },
            sealed: self.sealed,
            repeats: self.repeats,
            text,
        });
    }

    /// A word of the protocol: nothing to inspect unless it is too long to be one, or no string.
    pub(super) fn word(&mut self, value: Value<'_, 'a>) {
        if value.kind() != Kind::String || value.span().len() > WORD_BYTES_MAX + 2 {
            self.settings(value);
        }
    }

    /// Settings: words alone, to any depth. Keys and words that are too long are text.
    pub(super) fn settings(&mut self, value: Value<'_, 'a>) {
        match value.kind() {
            Kind::String if value.span().len() > WORD_BYTES_MAX + 2 => self.text(value, Part::Other),
            Kind::Array => self.items(value, Part::Other, |at, _, item| at.settings(item)),
            Kind::Object => self.entries(value, Part::Other, |at, entry| at.setting_member(entry)),
            _ => {}
        }
    }

    /// A number as long as a card's is text, so that it is looked at; what hides it puts a string in its place.
    fn number(&mut self, value: Value<'_, 'a>, part: Part) {
        if let Some(digits) = value.long_digits() {
            self.segment(value.span(), digits, part);
        }
    }

    /// Anything: each string within is text, each key and each long number too.
    pub(super) fn free(&mut self, value: Value<'_, 'a>, part: Part) {
        match value.kind() {
            Kind::String => self.text(value, part),
            Kind::Array => self.items(value, part, |at, _, item| at.free(item, part)),
            Kind::Object => self.entries(value, part, |at, entry| at.free_member(entry, part)),
            Kind::Number => self.number(value, part),
            Kind::Null | Kind::Bool => {}
        }
    }

    /// A member of no known meaning, whose key and value are free.
    pub(super) fn free_member(&mut self, entry: Entry<'_, 'a>, part: Part) {
        if !entry.key.is_empty() {
            self.segment(entry.key_span, entry.key, Part::Key);
        }
        self.free(entry.value, part);
    }

    /// A member of a known object that is not known itself: its key is one of the protocol as far as it is
    /// short.
    pub(super) fn other_member(&mut self, entry: Entry<'_, 'a>) {
        self.long_key(&entry);
        self.free(entry.value, Part::Other);
    }

    /// A definition: a JSON schema or grammar. Keywords of JSON Schema are no text.
    pub(super) fn definition(&mut self, value: Value<'_, 'a>) {
        match value.kind() {
            Kind::String => self.text(value, Part::Definition),
            Kind::Array => self.items(value, Part::Definition, |at, _, item| at.definition(item)),
            Kind::Object => self.entries(value, Part::Definition, |at, entry| at.definition_member(entry)),
            Kind::Number => self.number(value, Part::Definition),
            Kind::Null | Kind::Bool => {}
        }
    }

    /// A member of a definition.
    pub(super) fn definition_member(&mut self, entry: Entry<'_, 'a>) {
        if !DEFINITION_WORDS.contains(&entry.key.as_ref()) && !entry.key.is_empty() {
            self.segment(entry.key_span, entry.key.clone(), Part::Key);
        }
        if matches!(entry.key.as_ref(), "type" | "format") && entry.value.kind() == Kind::String {
            return self.word(entry.value);
        }
        self.definition(entry.value);
    }

    /// A member of known settings.
    pub(super) fn setting_member(&mut self, entry: Entry<'_, 'a>) {
        self.long_key(&entry);
        self.settings(entry.value);
    }

    /// A key that is too long to be a word of the protocol is text.
    pub(super) fn long_key(&mut self, entry: &Entry<'_, 'a>) {
        if entry.key_span.len() > WORD_BYTES_MAX + 2 {
            self.segment(entry.key_span.clone(), entry.key.clone(), Part::Key);
        }
    }

    /// A part that cannot be read.
    pub(super) fn opaque(&mut self, value: Value<'_, 'a>, kind: OpaqueKind, sealed: bool) {
        let empty = value.is_null() || (value.kind() == Kind::String && value.span().len() == 2);
        if !empty {
            self.opaque.push(Opaque { span: value.span(), kind, sealed });
        }
    }

    /// Something that runs or is kept at the provider, by the type of its tool or the word for it.
    pub(super) fn hosted(&mut self, tool: &str, target: Option<Value<'_, 'a>>) {
        let resource = format!("hosted/{}/{}", self.provider.as_str(), tool_word(tool));
        if self.hosted.iter().any(|known| known.resource == resource) {
            return;
        }
        if self.hosted.len() >= HOSTED_MAX {
            self.hosted_more = true;
            return;
        }
        let target = target.and_then(Value::as_str).map(|text| {
            let cut =
                text.char_indices().take_while(|(at, _)| *at < TARGET_BYTES_MAX).map(|(_, letter)| letter);
            cut.collect()
        });
        self.hosted.push(Hosted { resource, target });
    }

    /// A picture, sound or file by URL: in line (`data:`), or fetched by the provider.
    pub(super) fn media(&mut self, url: Value<'_, 'a>, kind: OpaqueKind) {
        if url.is_null() {
            return;
        }
        let inline =
            url.as_str().is_some_and(|text| text.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("data:")));
        if !inline {
            self.hosted("url", Some(url));
            self.text(url, Part::Other);
        }
        self.opaque(url, kind, false);
    }

    /// A part of a type that is not known: told as opaque, its strings inspected all the same.
    pub(super) fn unknown(&mut self, value: Value<'_, 'a>) {
        self.opaque(value, OpaqueKind::Unknown, false);
        self.free(value, Part::Other);
    }

    /// Bytes of text found so far.
    pub(super) fn text_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.text.len() as u64).sum()
    }
}

/// The role that a body names.
pub(super) fn role(value: Option<Value<'_, '_>>) -> Role {
    match value.and_then(Value::as_str).as_deref() {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        _ => Role::Nobody,
    }
}

/// Index as a channel counts; what is beyond is the last one.
pub(super) fn index(value: Option<Value<'_, '_>>) -> u32 {
    value.and_then(Value::as_count).map_or(0, |index| u32::try_from(index).unwrap_or(u32::MAX))
}

/// Keys that are words of JSON Schema or of the protocols' own definitions.
const DEFINITION_WORDS: [&str; 42] = [
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "default",
    "definition",
    "definitions",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "input_schema",
    "items",
    "json_schema",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "name",
    "not",
    "nullable",
    "oneOf",
    "parameters",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "schema",
    "strict",
    "title",
    "type",
    "uniqueItems",
];

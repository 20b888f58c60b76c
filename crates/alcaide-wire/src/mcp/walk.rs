//! The walk over parameters and results that turns their strings into segments.

use std::borrow::Cow;
use std::ops::Range;

use super::content::{Opaque, OpaqueKind, Part, Segment};
use super::meta_key;
use crate::json::{Entry, Kind, Value};

/// Longest word of the protocol (type, role, level, cursor), in bytes; what is longer is read as text.
const WORD_BYTES_MAX: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Walker<'a> {
    pub(super) segments: Vec<Segment<'a>>,
    pub(super) opaque: Vec<Opaque>,
}

impl<'a> Walker<'a> {
    /// Walks the items of an array; of any other value, what there is as free text.
    pub(super) fn items(
        &mut self,
        list: Value<'_, 'a>,
        part: Part,
        mut walk: impl FnMut(&mut Self, Value<'_, 'a>),
    ) {
        if list.kind() != Kind::Array {
            return self.free(list, part);
        }
        for item in list.items() {
            walk(self, item);
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

    /// A string that is text; any other value is walked as free text. An empty string says nothing.
    pub(super) fn text(&mut self, value: Value<'_, 'a>, part: Part) {
        match value.as_str() {
            Some(text) if !text.is_empty() => self.segment(value.span(), text, part),
            Some(_) => {}
            None => self.free(value, part),
        }
    }

    /// The URI of a resource; what is no string is none.
    fn uri(&mut self, value: Value<'_, 'a>) {
        let part = if value.kind() == Kind::String { Part::Uri } else { Part::Other };
        self.text(value, part);
    }

    fn segment(&mut self, span: Range<usize>, text: Cow<'a, str>, part: Part) {
        self.segments.push(Segment { span, part, text });
    }

    /// A word of the protocol: text if it is too long to be one, or no string.
    pub(super) fn word(&mut self, value: Value<'_, 'a>) {
        if value.kind() != Kind::String || value.span().len() > WORD_BYTES_MAX + 2 {
            self.free(value, Part::Other);
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
            Kind::Array => self.items(value, part, |at, item| at.free(item, part)),
            Kind::Object => self.entries(value, part, |at, entry| at.free_member(entry, part)),
            Kind::Number => self.number(value, part),
            Kind::Null | Kind::Bool => {}
        }
    }

    fn free_member(&mut self, entry: Entry<'_, 'a>, part: Part) {
        self.key(&entry);
        self.free(entry.value, part);
    }

    /// A key that a peer chose.
    pub(super) fn key(&mut self, entry: &Entry<'_, 'a>) {
        if !entry.key.is_empty() {
            self.segment(entry.key_span.clone(), entry.key.clone(), Part::Key);
        }
    }

    /// A member that the protocol does not know: key and value are text.
    pub(super) fn other(&mut self, entry: Entry<'_, 'a>) {
        self.free_member(entry, Part::Other);
    }

    /// `_meta`: what the protocol reserves are words, all else is text.
    pub(super) fn meta(&mut self, value: Value<'_, 'a>) {
        self.entries(value, Part::Meta, |at, entry| match entry.key.as_ref() {
            meta_key::PROTOCOL_VERSION
            | meta_key::LOG_LEVEL
            | meta_key::PROGRESS_TOKEN
            | meta_key::SUBSCRIPTION_ID => at.word(entry.value),
            meta_key::CLIENT_INFO | meta_key::SERVER_INFO | meta_key::CLIENT_CAPABILITIES => {
                at.peer(entry.value);
            }
            _ => at.free_member(entry, Part::Meta),
        });
    }

    /// What a peer says of itself or can do.
    pub(super) fn peer(&mut self, value: Value<'_, 'a>) {
        self.free(value, Part::Meta);
    }

    /// A definition: a JSON schema, a tool, a prompt. Keywords are no text.
    pub(super) fn definition(&mut self, value: Value<'_, 'a>) {
        match value.kind() {
            Kind::String => self.text(value, Part::Definition),
            Kind::Array => self.items(value, Part::Definition, |at, item| at.definition(item)),
            Kind::Object => self.entries(value, Part::Definition, |at, entry| at.definition_member(entry)),
            Kind::Number => self.number(value, Part::Definition),
            Kind::Null | Kind::Bool => {}
        }
    }

    fn definition_member(&mut self, entry: Entry<'_, 'a>) {
        if !DEFINITION_WORDS.contains(&entry.key.as_ref()) && !entry.key.is_empty() {
            self.segment(entry.key_span, entry.key.clone(), Part::Key);
        }
        match entry.key.as_ref() {
            // Only where they are the words that JSON Schema has; any other string is text.
            "type" if entry.value.as_str().is_some_and(|word| TYPES.contains(&word.as_ref())) => {}
            "_meta" => self.meta(entry.value),
            _ => self.definition(entry.value),
        }
    }

    /// A part that cannot be read.
    pub(super) fn opaque(&mut self, value: Value<'_, 'a>, kind: OpaqueKind) {
        let empty = value.is_null() || (value.kind() == Kind::String && value.span().len() == 2);
        if !empty {
            let sealed = kind == OpaqueKind::State;
            self.opaque.push(Opaque { span: value.span(), kind, sealed });
        }
    }

    /// Bytes that are no text if they are a string; anything else is free text besides.
    fn blob(&mut self, value: Value<'_, 'a>, kind: OpaqueKind) {
        self.opaque(value, kind);
        if value.kind() != Kind::String {
            self.free(value, Part::Other);
        }
    }

    /// One content block, or a list of them.
    pub(super) fn content(&mut self, value: Value<'_, 'a>, part: Part) {
        if value.kind() == Kind::Array {
            return self.items(value, part, |at, item| at.block(item, part));
        }
        self.block(value, part);
    }

    fn block(&mut self, block: Value<'_, 'a>, part: Part) {
        let kind = block.get("type").and_then(Value::as_str);
        let kind = kind.as_deref().unwrap_or_default().to_owned();
        let known = matches!(
            kind.as_str(),
            "text" | "image" | "audio" | "resource" | "resource_link" | "tool_use" | "tool_result"
        );
        if !known && block.kind() == Kind::Object {
            self.opaque(block, OpaqueKind::Unknown);
        }
        self.entries(block, part, |at, entry| match (kind.as_str(), entry.key.as_ref()) {
            (_, "type") if known => {}
            (_, "annotations") if known => at.definition(entry.value),
            (_, "_meta") => at.meta(entry.value),
            ("text", "text") => at.text(entry.value, part),
            ("image", "data") => at.blob(entry.value, OpaqueKind::Image),
            ("audio", "data") => at.blob(entry.value, OpaqueKind::Audio),
            ("image" | "audio", "mimeType") => at.word(entry.value),
            ("resource", "resource") => at.resource(entry.value),
            ("resource_link", "uri") => at.uri(entry.value),
            ("resource_link", "mimeType") => at.word(entry.value),
            ("resource_link", "name" | "title" | "description" | "icons" | "size") => {
                at.definition(entry.value);
            }
            ("tool_use", "id" | "name") | ("tool_result", "toolUseId") => at.word(entry.value),
            ("tool_use", "input") => at.free(entry.value, Part::Argument),
            ("tool_result", "content") => at.content(entry.value, part),
            ("tool_result", "structuredContent") => at.free(entry.value, Part::Structured),
            ("tool_result", "isError") => at.word_or_bool(entry.value),
            _ => at.other(entry),
        });
    }

    fn word_or_bool(&mut self, value: Value<'_, 'a>) {
        if value.as_bool().is_none() {
            self.free(value, Part::Other);
        }
    }

    /// The contents of a resource.
    pub(super) fn resource(&mut self, value: Value<'_, 'a>) {
        self.entries(value, Part::Resource, |at, entry| match entry.key.as_ref() {
            "uri" => at.uri(entry.value),
            "mimeType" => at.word(entry.value),
            "text" => at.text(entry.value, Part::Resource),
            "blob" => at.blob(entry.value, OpaqueKind::Blob),
            "_meta" => at.meta(entry.value),
            _ => at.other(entry),
        });
    }
}

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Keys that are words of JSON Schema or of the protocol's own definitions.
const DEFINITION_WORDS: [&str; 66] = [
    "$anchor",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "_meta",
    "additionalProperties",
    "allOf",
    "annotations",
    "anyOf",
    "arguments",
    "audience",
    "const",
    "contains",
    "default",
    "definitions",
    "dependentSchemas",
    "description",
    "destructiveHint",
    "else",
    "enum",
    "enumNames",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "execution",
    "format",
    "icons",
    "idempotentHint",
    "if",
    "inputSchema",
    "items",
    "lastModified",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "mimeType",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "name",
    "not",
    "oneOf",
    "openWorldHint",
    "outputSchema",
    "pattern",
    "patternProperties",
    "prefixItems",
    "priority",
    "properties",
    "readOnlyHint",
    "required",
    "size",
    "sizes",
    "src",
    "taskSupport",
    "then",
    "theme",
    "title",
    "type",
    "uniqueItems",
    "uri",
    "uriTemplate",
];

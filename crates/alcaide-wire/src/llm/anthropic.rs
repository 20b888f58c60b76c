//! Anthropic messages: content blocks, tools, usage.
//!
//! Source: Anthropic API reference, "Messages", "Count message tokens", "Streaming messages", "Tool use".

use super::part::{OpaqueKind, Part, Role, ToolCall, Usage};
use super::walk::{Walker, Way, role};
use crate::json::{Entry, Kind, Value};

/// Tool types that the caller's own program runs, whatever their version.
const CALLER_TOOLS: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// One member of a request; false if it is none that is read here.
pub(super) fn request_member<'a>(at: &mut Walker<'a>, entry: &Entry<'_, 'a>) -> bool {
    let value = entry.value;
    match entry.key.as_ref() {
        "messages" => at.items(value, Part::Other, |at, _, message| {
            at.speaking(role(message.get("role")), |at| {
                at.entries(message, Part::Other, |at, entry| match entry.key.as_ref() {
                    "role" => at.word(entry.value),
                    "content" => content(at, entry.value, Part::Text),
                    _ => at.other_member(entry),
                });
            });
        }),
        "system" => at.speaking(Role::System, |at| content(at, value, Part::Text)),
        "tools" => at.items(value, Part::Definition, |at, _, tool| request_tool(at, tool)),
        "mcp_servers" => at.items(value, Part::Other, |at, _, server| {
            at.hosted("mcp", server.get("url"));
            at.free(server, Part::Other);
        }),
        "container" => {
            if !value.is_null() {
                at.hosted("container", Some(value));
            }
            at.free(value, Part::Other);
        }
        "output_format" | "output_config" => at.speaking(Role::Definition, |at| at.definition(value)),
        "tool_choice" | "thinking" | "service_tier" | "cache_control" => at.settings(value),
        _ => return false,
    }
    true
}

fn request_tool<'a>(at: &mut Walker<'a>, tool: Value<'_, 'a>) {
    let kind = tool.get("type").filter(|kind| !kind.is_null());
    let word = kind.map_or(Some("custom".into()), Value::as_str);
    let word = word.as_deref().unwrap_or("unknown");
    let own = word == "custom" || CALLER_TOOLS.iter().any(|start| word.starts_with(start));
    if own {
        at.tools.extend(tool.get("name").and_then(Value::as_str));
    } else {
        at.hosted(word, tool.get("mcp_server_name"));
    }
    at.speaking(Role::Definition, |at| {
        at.entries(tool, Part::Definition, |at, entry| match entry.key.as_ref() {
            "type" => at.word(entry.value),
            "name" => at.text(entry.value, Part::Name),
            "cache_control" => at.settings(entry.value),
            _ => at.definition_member(entry),
        });
    });
}

/// Content: a string, or blocks.
pub(super) fn content<'a>(at: &mut Walker<'a>, content: Value<'_, 'a>, part: Part) {
    match content.kind() {
        Kind::Array => at.items(content, part, |at, place, item| {
            if at.way != Way::Request {
                at.item = u32::try_from(place).unwrap_or(u32::MAX);
            }
            block(at, item, part);
        }),
        _ => at.text(content, part),
    }
}

/// One content block; `part` is what its text is.
pub(super) fn block<'a>(at: &mut Walker<'a>, block: Value<'_, 'a>, part: Part) {
    let kind = block.get("type").and_then(Value::as_str);
    match kind.as_deref().unwrap_or_default() {
        "text" => at.entries(block, part, |at, entry| match entry.key.as_ref() {
            "text" => at.text(entry.value, part),
            "citations" => sealed_within(at, entry.value, Part::Citation),
            _ => common(at, entry),
        }),
        "image" | "document" => {
            let kind = if block.get("type").is_some_and(|it| it.is_str("image")) {
                OpaqueKind::Image
            } else {
                OpaqueKind::File
            };
            at.entries(block, part, |at, entry| match entry.key.as_ref() {
                "source" => source(at, entry.value, kind, part),
                "title" | "context" => at.text(entry.value, part),
                "citations" => at.settings(entry.value),
                _ => common(at, entry),
            });
        }
        "tool_use" => {
            at.calls.push(ToolCall {
                item: at.item,
                sub: 0,
                id: block.get("id").and_then(Value::as_str),
                name: block.get("name").and_then(Value::as_str),
                arguments: block
                    .get("input")
                    .and_then(|input| std::str::from_utf8(input.raw()).ok())
                    .map(std::borrow::Cow::Borrowed),
            });
            use_members(at, block, Part::ToolArguments);
        }
        kind @ ("server_tool_use" | "mcp_tool_use") => {
            if at.way != Way::Request {
                let name = block.get("name").and_then(Value::as_str);
                let tool =
                    if kind == "mcp_tool_use" { "mcp".into() } else { name.unwrap_or("unknown".into()) };
                at.hosted(&tool, block.get("server_name"));
            }
            use_members(at, block, Part::HostedResult);
        }
        "tool_result" => at.speaking(Role::Tool, |at| {
            at.entries(block, part, |at, entry| match entry.key.as_ref() {
                "content" => content_within(at, entry.value, Part::ToolResult),
                _ => common(at, entry),
            });
        }),
        "thinking" => {
            let before = std::mem::replace(&mut at.sealed, true);
            at.entries(block, Part::Thinking, |at, entry| match entry.key.as_ref() {
                "thinking" => at.text(entry.value, Part::Thinking),
                "signature" => at.opaque(entry.value, OpaqueKind::Signature, true),
                _ => common(at, entry),
            });
            at.sealed = before;
        }
        "redacted_thinking" => at.entries(block, Part::Thinking, |at, entry| match entry.key.as_ref() {
            "data" => at.opaque(entry.value, OpaqueKind::Encrypted, true),
            _ => common(at, entry),
        }),
        "search_result" => at.speaking(Role::Tool, |at| {
            at.entries(block, part, |at, entry| match entry.key.as_ref() {
                "content" => content_within(at, entry.value, Part::ToolResult),
                "source" | "title" => at.text(entry.value, Part::ToolResult),
                "citations" => at.settings(entry.value),
                _ => common(at, entry),
            });
        }),
        "container_upload" => {
            at.hosted("file", block.get("file_id"));
            at.opaque(block, OpaqueKind::File, false);
            at.settings(block);
        }
        kind if kind.ends_with("_tool_result") => at.speaking(Role::Tool, |at| {
            at.entries(block, part, |at, entry| match entry.key.as_ref() {
                "content" => sealed_within(at, entry.value, Part::HostedResult),
                _ => common(at, entry),
            });
        }),
        _ => at.unknown(block),
    }
}

/// Content that is within a block: its blocks are no items of the reply.
fn content_within<'a>(at: &mut Walker<'a>, inner: Value<'_, 'a>, part: Part) {
    let item = at.item;
    content(at, inner, part);
    at.item = item;
}

/// Members of a tool use: its input is data of free form.
fn use_members<'a>(at: &mut Walker<'a>, block: Value<'_, 'a>, part: Part) {
    at.entries(block, part, |at, entry| match entry.key.as_ref() {
        "name" => at.text(entry.value, Part::Name),
        "input" => at.free(entry.value, part),
        _ => common(at, entry),
    });
}

/// Members that many blocks have, and those that are not known.
fn common<'a>(at: &mut Walker<'a>, entry: Entry<'_, 'a>) {
    match entry.key.as_ref() {
        "type" | "id" | "tool_use_id" | "server_name" => at.word(entry.value),
        "cache_control" | "caller" => at.settings(entry.value),
        _ => at.other_member(entry),
    }
}

/// Results of hosted tools and citations: text, but for what only the provider can read.
pub(super) fn sealed_within<'a>(at: &mut Walker<'a>, value: Value<'_, 'a>, part: Part) {
    match value.kind() {
        Kind::Array => at.items(value, part, |at, _, item| sealed_within(at, item, part)),
        Kind::Object => at.entries(value, part, |at, entry| match entry.key.as_ref() {
            "encrypted_content" | "encrypted_index" | "encrypted_stdout" => {
                at.opaque(entry.value, OpaqueKind::Encrypted, true);
            }
            "source" if entry.value.kind() == Kind::Object => source(at, entry.value, OpaqueKind::File, part),
            "file_id" => {
                at.opaque(entry.value, OpaqueKind::File, false);
                at.word(entry.value);
            }
            "type" => at.word(entry.value),
            _ => {
                at.long_key(&entry);
                sealed_within(at, entry.value, part);
            }
        }),
        _ => at.text(value, part),
    }
}

/// Where a picture or document is.
fn source<'a>(at: &mut Walker<'a>, source: Value<'_, 'a>, kind: OpaqueKind, part: Part) {
    let word = source.get("type").and_then(Value::as_str);
    let word = word.as_deref().unwrap_or_default();
    if !matches!(word, "base64" | "text" | "content" | "url" | "file") {
        at.hosted("source", None);
        return at.unknown(source);
    }
    at.entries(source, part, |at, entry| match (word, entry.key.as_ref()) {
        (_, "type" | "media_type") => at.word(entry.value),
        ("base64", "data") => at.opaque(entry.value, kind, false),
        ("text", "data") => at.text(entry.value, part),
        ("content", "content") => content_within(at, entry.value, part),
        // Whatever scheme: it is the provider that goes there.
        ("url", "url") => {
            at.hosted("url", Some(entry.value));
            at.opaque(entry.value, kind, false);
            at.text(entry.value, Part::Other);
        }
        ("file", "file_id") => {
            at.hosted("file", Some(entry.value));
            at.opaque(entry.value, kind, false);
        }
        _ => at.other_member(entry),
    });
}

/// `usage` of messages, over what an earlier event of the stream said.
pub(super) fn usage(usage: Value<'_, '_>, before: Option<Usage>) -> Option<Usage> {
    let count = |key: &str| usage.get(key).and_then(Value::as_count);
    let old = before.unwrap_or_default();
    let (fresh, output) = (count("input_tokens"), count("output_tokens"));
    if fresh.is_none() && output.is_none() {
        return before;
    }
    let cached_input = count("cache_read_input_tokens").unwrap_or(old.cached_input);
    let cache_written = count("cache_creation_input_tokens").unwrap_or(old.cache_written);
    // `input_tokens` counts neither what was read from a cache nor what was written to one.
    let uncached =
        fresh.unwrap_or(old.input.saturating_sub(old.cached_input.saturating_add(old.cache_written)));
    Some(Usage {
        input: uncached.saturating_add(cached_input).saturating_add(cache_written),
        output: output.unwrap_or(old.output),
        cached_input,
        cache_written,
        reasoning: usage
            .pointer("/output_tokens_details/thinking_tokens")
            .and_then(Value::as_count)
            .unwrap_or(old.reasoning),
    })
}

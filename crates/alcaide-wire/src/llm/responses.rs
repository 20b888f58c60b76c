//! OpenAI responses: items of input and output, tools, the response object.
//!
//! Source: OpenAI API reference, "Responses", "Responses streaming".

use super::chat::{file_member, function_definition};
use super::part::{OpaqueKind, Part, Role, ToolCall, Usage};
use super::walk::{Walker, Way, role};
use crate::json::{Entry, Kind, Value};

/// Items that tell what a hosted tool did: their type less `_call` is the tool.
const HOSTED_CALLS: [&str; 4] = ["web_search_call", "file_search_call", "code_interpreter_call", "mcp_call"];

/// One member of a request; false if it is none that is read here.
pub(super) fn request_member<'a>(at: &mut Walker<'a>, entry: &Entry<'_, 'a>) -> bool {
    let value = entry.value;
    match entry.key.as_ref() {
        "input" => match value.kind() {
            Kind::Array => at.items(value, Part::Text, |at, _, given| item(at, given)),
            _ => at.speaking(Role::User, |at| at.text(value, Part::Text)),
        },
        "instructions" => at.speaking(Role::System, |at| instructions(at, value)),
        "tools" => at.items(value, Part::Definition, |at, _, tool| request_tool(at, tool)),
        "text" => at.speaking(Role::Definition, |at| at.definition(value)),
        "previous_response_id" | "conversation" | "prompt" if value.is_null() => {}
        "previous_response_id" => {
            at.hosted("previous_response", Some(value));
            at.word(value);
        }
        "conversation" => {
            at.hosted("conversation", Some(value.get("id").unwrap_or(value)));
            at.settings(value);
        }
        "prompt" => {
            at.hosted("prompt", value.get("id"));
            at.entries(value, Part::Text, |at, entry| match entry.key.as_ref() {
                "id" | "version" => at.word(entry.value),
                "variables" => at.speaking(Role::User, |at| {
                    at.entries(entry.value, Part::Text, |at, variable| match variable.value.kind() {
                        Kind::Object => content_part(at, variable.value, Part::Text),
                        _ => at.free_member(variable, Part::Text),
                    });
                }),
                _ => at.other_member(entry),
            });
        }
        "background" => {
            // Anything but a plain no is a yes.
            if !value.is_null() && value.as_bool() != Some(false) {
                at.hosted("background", None);
            }
            at.free(value, Part::Other);
        }
        "tool_choice"
        | "include"
        | "reasoning"
        | "service_tier"
        | "truncation"
        | "stream_options"
        | "context_management"
        | "prompt_cache_retention" => at.settings(value),
        _ => return false,
    }
    true
}

fn instructions<'a>(at: &mut Walker<'a>, value: Value<'_, 'a>) {
    match value.kind() {
        Kind::Array => at.items(value, Part::Text, |at, _, given| item(at, given)),
        _ => at.text(value, Part::Text),
    }
}

fn request_tool<'a>(at: &mut Walker<'a>, tool: Value<'_, 'a>) {
    let kind = tool.get("type").and_then(Value::as_str);
    match kind.as_deref() {
        Some("function" | "custom") => function_definition(at, tool),
        other => {
            let target = tool.get("server_url").or_else(|| tool.get("connector_id"));
            at.hosted(other.unwrap_or("unknown"), target);
            at.speaking(Role::Definition, |at| at.free(tool, Part::Definition));
        }
    }
}

/// One item of the input or output.
pub(super) fn item<'a>(at: &mut Walker<'a>, item: Value<'_, 'a>) {
    let kind = item.get("type").and_then(Value::as_str);
    let spoken = item.get("role").is_some();
    match kind.as_deref().unwrap_or(if spoken { "message" } else { "" }) {
        "message" => {
            let speaker = if at.way == Way::Request { role(item.get("role")) } else { Role::Assistant };
            at.speaking(speaker, |at| {
                at.entries(item, Part::Text, |at, entry| match entry.key.as_ref() {
                    "content" => content(at, entry.value, Part::Text),
                    _ => common(at, entry),
                });
            });
        }
        "function_call" | "custom_tool_call" => {
            let arguments = item.get("arguments").or_else(|| item.get("input")).and_then(Value::as_str);
            call(at, item, item.get("name").and_then(Value::as_str), arguments);
            at.speaking(Role::Assistant, |at| {
                at.entries(item, Part::ToolArguments, |at, entry| match entry.key.as_ref() {
                    "name" => at.text(entry.value, Part::Name),
                    "arguments" | "input" => at.text(entry.value, Part::ToolArguments),
                    _ => common(at, entry),
                });
            });
        }
        kind @ ("computer_call" | "local_shell_call" | "shell_call" | "apply_patch_call") => {
            let action = item.get("action").or_else(|| item.get("operation"));
            let raw = action.and_then(|action| std::str::from_utf8(action.raw()).ok());
            let name = kind.strip_suffix("_call").unwrap_or(kind).to_owned();
            call(at, item, Some(name.into()), raw.map(std::borrow::Cow::Borrowed));
            at.speaking(Role::Assistant, |at| {
                at.entries(item, Part::ToolArguments, |at, entry| match entry.key.as_ref() {
                    "action" | "actions" | "operation" => at.free(entry.value, Part::ToolArguments),
                    "pending_safety_checks" => at.free(entry.value, Part::Other),
                    _ => common(at, entry),
                });
            });
        }
        "function_call_output"
        | "custom_tool_call_output"
        | "computer_call_output"
        | "local_shell_call_output"
        | "shell_call_output"
        | "apply_patch_call_output" => at.speaking(Role::Tool, |at| {
            at.entries(item, Part::ToolResult, |at, entry| match entry.key.as_ref() {
                "output" => output(at, entry.value),
                _ => common(at, entry),
            });
        }),
        "reasoning" => at.speaking(Role::Assistant, |at| {
            at.entries(item, Part::Thinking, |at, entry| match entry.key.as_ref() {
                "summary" | "content" => content(at, entry.value, Part::Thinking),
                "encrypted_content" => at.opaque(entry.value, OpaqueKind::Encrypted, true),
                _ => common(at, entry),
            });
        }),
        "compaction" | "compaction_summary" => {
            at.entries(item, Part::Other, |at, entry| match entry.key.as_ref() {
                "encrypted_content" => at.opaque(entry.value, OpaqueKind::Encrypted, true),
                _ => common(at, entry),
            })
        }
        "item_reference" => {
            at.hosted("item", item.get("id"));
            at.settings(item);
        }
        "image_generation_call" => {
            ran(at, "image_generation");
            at.speaking(Role::Tool, |at| {
                at.entries(item, Part::HostedResult, |at, entry| match entry.key.as_ref() {
                    "result" => at.opaque(entry.value, OpaqueKind::Image, false),
                    "revised_prompt" => at.text(entry.value, Part::HostedResult),
                    _ => common(at, entry),
                });
            });
        }
        kind if HOSTED_CALLS.contains(&kind) => {
            ran(at, kind.strip_suffix("_call").unwrap_or(kind));
            hosted_item(at, item);
        }
        "mcp_list_tools" | "mcp_approval_request" => {
            ran(at, "mcp");
            hosted_item(at, item);
        }
        "mcp_approval_response" => {
            // To approve is to let the provider call the server.
            at.hosted("mcp", None);
            hosted_item(at, item);
        }
        _ => at.unknown(item),
    }
}

/// Notes in a reply that a hosted tool ran; in a request it is history.
pub(super) fn ran(at: &mut Walker<'_>, tool: &str) {
    if at.way != Way::Request {
        at.hosted(tool, None);
    }
}

fn hosted_item<'a>(at: &mut Walker<'a>, item: Value<'_, 'a>) {
    at.speaking(Role::Tool, |at| {
        at.entries(item, Part::HostedResult, |at, entry| match entry.key.as_ref() {
            "id" | "type" | "status" => at.word(entry.value),
            _ => {
                at.long_key(&entry);
                at.free(entry.value, Part::HostedResult);
            }
        });
    });
}

fn call<'a>(
    at: &mut Walker<'a>,
    item: Value<'_, 'a>,
    name: Option<std::borrow::Cow<'a, str>>,
    arguments: Option<std::borrow::Cow<'a, str>>,
) {
    let id = item.get("call_id").or_else(|| item.get("id")).and_then(Value::as_str);
    at.calls.push(ToolCall { item: at.item, sub: at.sub, id, name, arguments });
}

/// Members that many items have, and those that are not known.
fn common<'a>(at: &mut Walker<'a>, entry: Entry<'_, 'a>) {
    match entry.key.as_ref() {
        "type" | "id" | "call_id" | "status" | "role" | "phase" => at.word(entry.value),
        _ => at.other_member(entry),
    }
}

/// What a tool of the caller returned: text, parts, or an object such as a screenshot.
fn output<'a>(at: &mut Walker<'a>, value: Value<'_, 'a>) {
    match value.kind() {
        Kind::Array => content(at, value, Part::ToolResult),
        Kind::Object if value.get("type").is_some_and(|kind| kind.is_str("computer_screenshot")) => {
            content_part(at, value, Part::ToolResult);
        }
        Kind::Object => at.free(value, Part::ToolResult),
        _ => at.text(value, Part::ToolResult),
    }
}

/// Content: a string, or parts.
fn content<'a>(at: &mut Walker<'a>, content: Value<'_, 'a>, part: Part) {
    match content.kind() {
        Kind::Array => {
            let before = at.sub;
            at.items(content, part, |at, place, item| {
                at.sub = u32::try_from(place).unwrap_or(u32::MAX);
                content_part(at, item, part);
            });
            at.sub = before;
        }
        _ => at.text(content, part),
    }
}

/// One part of a content; `part` is what its text is.
pub(super) fn content_part<'a>(at: &mut Walker<'a>, given: Value<'_, 'a>, part: Part) {
    let kind = given.get("type").and_then(Value::as_str);
    match kind.as_deref().unwrap_or_default() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            at.entries(given, part, |at, entry| match entry.key.as_ref() {
                "type" => at.word(entry.value),
                "text" => at.text(entry.value, part),
                "annotations" => at.free(entry.value, Part::Citation),
                "logprobs" if !entry.value.is_empty() => {
                    at.opaque(entry.value, OpaqueKind::LogProbabilities, false);
                }
                "logprobs" => {}
                _ => at.other_member(entry),
            });
        }
        "refusal" => at.entries(given, part, |at, entry| match entry.key.as_ref() {
            "refusal" => at.text(entry.value, Part::Refusal),
            "type" => at.word(entry.value),
            _ => at.other_member(entry),
        }),
        "input_image" | "computer_screenshot" => {
            at.entries(given, part, |at, entry| match entry.key.as_ref() {
                "image_url" => at.media(entry.value, OpaqueKind::Image),
                _ => file_member(at, entry),
            })
        }
        "input_file" => at.entries(given, part, |at, entry| file_member(at, entry)),
        "input_audio" => {
            at.opaque(given, OpaqueKind::Audio, false);
            at.entries(given, part, |at, entry| match entry.key.as_ref() {
                "type" => at.word(entry.value),
                "input_audio" => at.entries(entry.value, part, |at, inner| match inner.key.as_ref() {
                    // Told as opaque above.
                    "data" => {}
                    "format" => at.word(inner.value),
                    _ => at.other_member(inner),
                }),
                _ => at.other_member(entry),
            });
        }
        _ => at.unknown(given),
    }
}

/// The output items of a response.
pub(super) fn items<'a>(at: &mut Walker<'a>, output: Value<'_, 'a>) {
    at.items(output, Part::Other, |at, place, given| {
        at.item = u32::try_from(place).unwrap_or(u32::MAX);
        item(at, given);
    });
    at.item = 0;
}

/// One member of a response object that is neither output, usage nor error.
pub(super) fn response_member<'a>(at: &mut Walker<'a>, entry: Entry<'_, 'a>) {
    match entry.key.as_ref() {
        "id"
        | "object"
        | "status"
        | "model"
        | "incomplete_details"
        | "service_tier"
        | "truncation"
        | "reasoning"
        | "tool_choice"
        | "conversation"
        | "previous_response_id"
        | "prompt_cache_retention"
        | "billing" => {
            at.settings(entry.value);
        }
        // A convenience of some servers: the text of the output once more.
        "output_text" => at.text(entry.value, Part::Text),
        "instructions" | "tools" | "text" | "metadata" | "prompt" | "user" | "safety_identifier"
        | "prompt_cache_key" => at.free(entry.value, Part::Echo),
        _ => at.other_member(entry),
    }
}

/// `usage` of responses.
pub(super) fn usage(usage: Value<'_, '_>) -> Option<Usage> {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_count);
    Some(Usage {
        input: count("/input_tokens")?,
        output: count("/output_tokens")?,
        cached_input: count("/input_tokens_details/cached_tokens").unwrap_or(0),
        cache_written: 0,
        reasoning: count("/output_tokens_details/reasoning_tokens").unwrap_or(0),
    })
}

//! OpenAI chat completions and embeddings: messages, choices, chunks.
//!
//! Source: OpenAI API reference, "Chat", "Chat streaming", "Embeddings".

use super::part::{OpaqueKind, Part, Role, ToolCall, Usage};
use super::walk::{Walker, Way, index, role};
use crate::json::{Entry, Kind, Value};

/// One member of a request; false if it is none that is read here.
pub(super) fn request_member<'a>(at: &mut Walker<'a>, entry: &Entry<'_, 'a>) -> bool {
    let value = entry.value;
    match entry.key.as_ref() {
        "messages" => at.items(value, Part::Other, |at, _, item| message(at, item)),
        "tools" => at.items(value, Part::Definition, |at, _, tool| request_tool(at, tool)),
        "functions" => at.items(value, Part::Definition, |at, _, tool| function_definition(at, tool)),
        "response_format" => at.speaking(Role::Definition, |at| at.definition(value)),
        "prediction" => at.speaking(Role::Assistant, |at| {
            at.entries(value, Part::Text, |at, entry| match entry.key.as_ref() {
                "content" => content(at, entry.value),
                _ => at.setting_member(entry),
            });
        }),
        "web_search_options" => {
            if !value.is_null() {
                at.hosted("web_search", None);
            }
            at.free(value, Part::Other);
        }
        "tool_choice"
        | "function_call"
        | "modalities"
        | "audio"
        | "reasoning_effort"
        | "verbosity"
        | "service_tier"
        | "stream_options"
        | "logit_bias"
        | "prompt_cache_retention" => at.settings(value),
        _ => return false,
    }
    true
}

/// One member of an embeddings request; false if it is none that is read here.
pub(super) fn embedding_member<'a>(at: &mut Walker<'a>, entry: &Entry<'_, 'a>) -> bool {
    match entry.key.as_ref() {
        "input" => at.speaking(Role::User, |at| {
            if entry.value.at(0).is_some_and(|first| first.kind() == Kind::Number) {
                return at.opaque(entry.value, OpaqueKind::Tokens, false);
            }
            match entry.value.kind() {
                Kind::Array => at.items(entry.value, Part::Text, |at, _, item| {
                    if item.kind() == Kind::Array {
                        at.opaque(item, OpaqueKind::Tokens, false);
                    }
                    at.free(item, Part::Text);
                }),
                _ => at.text(entry.value, Part::Text),
            }
        }),
        "encoding_format" => at.word(entry.value),
        _ => return false,
    }
    true
}

fn request_tool<'a>(at: &mut Walker<'a>, tool: Value<'_, 'a>) {
    let kind = tool.get("type").and_then(Value::as_str);
    match kind.as_deref() {
        Some(inner @ ("function" | "custom")) => {
            at.entries(tool, Part::Definition, |at, entry| match entry.key.as_ref() {
                "type" => at.word(entry.value),
                key if key == inner => function_definition(at, entry.value),
                _ => at.other_member(entry),
            })
        }
        other => {
            at.hosted(other.unwrap_or("unknown"), tool.get("server_url"));
            at.speaking(Role::Definition, |at| at.free(tool, Part::Definition));
        }
    }
}

/// The definition of a function or custom tool: name, description, parameters or format.
pub(super) fn function_definition<'a>(at: &mut Walker<'a>, tool: Value<'_, 'a>) {
    at.tools.extend(tool.get("name").and_then(Value::as_str));
    at.speaking(Role::Definition, |at| {
        at.entries(tool, Part::Definition, |at, entry| match entry.key.as_ref() {
            "type" => at.word(entry.value),
            "name" => at.text(entry.value, Part::Name),
            _ => at.definition_member(entry),
        });
    });
}

/// A message of a request, a message of a reply, or the delta of a chunk.
pub(super) fn message<'a>(at: &mut Walker<'a>, message: Value<'_, 'a>) {
    // In a stream only the first delta has a role.
    let speaker = match at.way {
        Way::Request => role(message.get("role")),
        Way::Reply | Way::Stream => Role::Assistant,
    };
    at.speaking(speaker, |at| {
        at.entries(message, Part::Other, |at, entry| {
            let value = entry.value;
            match entry.key.as_ref() {
                "role" | "tool_call_id" => at.word(value),
                "content" => content(at, value),
                "refusal" => at.text(value, Part::Refusal),
                "reasoning_content" | "reasoning" => at.text(value, Part::Thinking),
                "name" => at.text(value, Part::Name),
                "tool_calls" => {
                    at.items(value, Part::ToolArguments, |at, place, call| tool_call(at, call, place))
                }
                "function_call" => {
                    if !value.is_null() {
                        function_call(at, value, None);
                    }
                }
                "audio" => audio(at, value),
                "annotations" => at.free(value, Part::Citation),
                _ => at.other_member(entry),
            }
        });
    });
}

fn audio<'a>(at: &mut Walker<'a>, audio: Value<'_, 'a>) {
    if audio.is_null() {
        return;
    }
    at.opaque(audio, OpaqueKind::Audio, false);
    at.entries(audio, Part::Other, |at, entry| match entry.key.as_ref() {
        "id" | "format" => at.word(entry.value),
        // Told as opaque above.
        "data" => {}
        "transcript" => at.text(entry.value, Part::Text),
        _ => at.other_member(entry),
    });
}

fn content<'a>(at: &mut Walker<'a>, content: Value<'_, 'a>) {
    let part = if at.role == Role::Tool { Part::ToolResult } else { Part::Text };
    match content.kind() {
        Kind::Array => at.items(content, part, |at, _, item| content_part(at, item, part)),
        _ => at.text(content, part),
    }
}

fn content_part<'a>(at: &mut Walker<'a>, item: Value<'_, 'a>, part: Part) {
    let kind = item.get("type").and_then(Value::as_str);
    let known = kind.as_deref().unwrap_or_default();
    if !matches!(known, "text" | "refusal" | "image_url" | "video_url" | "input_audio" | "file") {
        return at.unknown(item);
    }
    at.entries(item, part, |at, entry| match (known, entry.key.as_ref()) {
        (_, "type") => at.word(entry.value),
        (_, "cache_control") => at.settings(entry.value),
        ("text", "text") => at.text(entry.value, part),
        ("refusal", "refusal") => at.text(entry.value, Part::Refusal),
        ("image_url", "image_url") | ("video_url", "video_url") => picture(at, entry.value),
        ("input_audio", "input_audio") => audio(at, entry.value),
        ("file", "file") => file(at, entry.value),
        _ => at.other_member(entry),
    });
}

/// `{url, detail}`, or the URL itself.
fn picture<'a>(at: &mut Walker<'a>, picture: Value<'_, 'a>) {
    if picture.kind() == Kind::String {
        return at.media(picture, OpaqueKind::Image);
    }
    at.entries(picture, Part::Other, |at, entry| match entry.key.as_ref() {
        "url" => at.media(entry.value, OpaqueKind::Image),
        "detail" => at.word(entry.value),
        _ => at.other_member(entry),
    });
}

/// The members of a file: kept at the provider, in line, or at a URL.
pub(super) fn file<'a>(at: &mut Walker<'a>, file: Value<'_, 'a>) {
    at.entries(file, Part::Other, |at, entry| file_member(at, entry));
}

pub(super) fn file_member<'a>(at: &mut Walker<'a>, entry: Entry<'_, 'a>) {
    let value = entry.value;
    match entry.key.as_ref() {
        "type" | "detail" => at.word(value),
        "file_id" if !value.is_null() => {
            at.hosted("file", Some(value));
            at.opaque(value, OpaqueKind::File, false);
        }
        "file_data" => at.opaque(value, OpaqueKind::File, false),
        "file_url" => at.media(value, OpaqueKind::File),
        "filename" => at.text(value, Part::Name),
        _ => at.other_member(entry),
    }
}

fn tool_call<'a>(at: &mut Walker<'a>, call: Value<'_, 'a>, place: usize) {
    let sub = call.get("index").map_or(u32::try_from(place).unwrap_or(u32::MAX), |given| index(Some(given)));
    let before = std::mem::replace(&mut at.sub, sub);
    let id = call.get("id").and_then(Value::as_str);
    let mut id = Some(id);
    at.entries(call, Part::ToolArguments, |at, entry| match entry.key.as_ref() {
        "id" | "type" | "index" => at.word(entry.value),
        "function" | "custom" => function_call(at, entry.value, id.take().flatten()),
        _ => at.other_member(entry),
    });
    at.sub = before;
}

/// `{name, arguments}` of a function, `{name, input}` of a custom tool.
fn function_call<'a>(at: &mut Walker<'a>, call: Value<'_, 'a>, id: Option<std::borrow::Cow<'a, str>>) {
    let name = call.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let arguments = call.get("arguments").or_else(|| call.get("input")).and_then(Value::as_str);
    if at.way != Way::Stream || name.is_some() {
        at.calls.push(ToolCall { item: at.item, sub: at.sub, id, name, arguments });
    }
    at.entries(call, Part::ToolArguments, |at, entry| match entry.key.as_ref() {
        "name" => at.text(entry.value, Part::Name),
        "arguments" | "input" => at.text(entry.value, Part::ToolArguments),
        _ => at.other_member(entry),
    });
}

/// The choices of a reply or chunk; finish reasons are appended.
pub(super) fn choices<'a>(
    at: &mut Walker<'a>,
    choices: Value<'_, 'a>,
    finish: &mut Vec<std::borrow::Cow<'a, str>>,
) {
    at.items(choices, Part::Other, |at, place, choice| {
        at.item =
            choice.get("index").map_or(u32::try_from(place).unwrap_or(u32::MAX), |given| index(Some(given)));
        at.entries(choice, Part::Other, |at, entry| match entry.key.as_ref() {
            "message" | "delta" => message(at, entry.value),
            "finish_reason" => {
                finish.extend(entry.value.as_str());
                at.word(entry.value);
            }
            "logprobs" => at.opaque(entry.value, OpaqueKind::LogProbabilities, false),
            "index" => {}
            _ => at.other_member(entry),
        });
    });
    at.item = 0;
}

/// `usage` of chat completions and embeddings.
pub(super) fn usage(usage: Value<'_, '_>) -> Option<Usage> {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_count);
    Some(Usage {
        input: count("/prompt_tokens")?,
        output: count("/completion_tokens").unwrap_or(0),
        cached_input: count("/prompt_tokens_details/cached_tokens").unwrap_or(0),
        cache_written: 0,
        reasoning: count("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
    })
}

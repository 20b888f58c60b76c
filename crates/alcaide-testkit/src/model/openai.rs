//! OpenAI's chat completions, responses, embeddings and models, as its public client libraries read them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::model::script::{Script, Usage};
use crate::model::{CREATED, Event};

/// A chat completion as one document.
pub(crate) fn chat(script: &Script, model: &str) -> Value {
    let calls: Vec<Value> = script
        .tool_calls
        .iter()
        .map(|call| {
            json!({"id": call.id, "type": "function",
                   "function": {"name": call.name, "arguments": call.arguments}})
        })
        .collect();
    let content = if script.text.is_empty() && !calls.is_empty() { Value::Null } else { json!(script.text) };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if !calls.is_empty() {
        put(&mut message, "tool_calls", json!(calls));
    }
    let mut answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": CREATED, "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(script)}],
    });
    if let Some(usage) = script.usage {
        put(&mut answer, "usage", chat_usage(usage));
    }
    answer
}

/// A chat completion as a stream. With `include_usage` the figures come in a last chunk without choices.
pub(crate) fn chat_stream(script: &Script, model: &str, include_usage: bool) -> Vec<Event> {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": model,
            "choices": choices,
        });
        if include_usage {
            put(&mut chunk, "usage", usage);
        }
        chunk
    };
    let delta = |delta: Value, finish: Value| {
        chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]), Value::Null)
    };
    let mut events = vec![Event::unnamed(&delta(json!({"role": "assistant", "content": ""}), Value::Null))];
    for piece in script.chunks.pieces(&script.text) {
        events.push(Event::unnamed(&delta(json!({"content": piece}), Value::Null)).repeatable());
    }
    for (index, call) in script.tool_calls.iter().enumerate() {
        let begin = json!({"tool_calls": [{"index": index, "id": call.id, "type": "function",
                           "function": {"name": call.name, "arguments": ""}}]});
        events.push(Event::unnamed(&delta(begin, Value::Null)));
        for piece in script.chunks.argument_pieces(&call.arguments) {
            let more = json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]});
            events.push(Event::unnamed(&delta(more, Value::Null)).repeatable());
        }
    }
    events.push(Event::unnamed(&delta(json!({}), json!(finish(script)))));
    if let Some(usage) = script.usage.filter(|_| include_usage) {
        events.push(Event::unnamed(&chunk(json!([]), chat_usage(usage))));
    }
    events.push(Event::raw("data: [DONE]\n\n"));
    events
}

/// A response as one document.
pub(crate) fn response(script: &Script, model: &str) -> Value {
    response_with(script, model, "completed", json!(response_items(script)))
}

/// A response as a stream of typed events, numbered from zero.
pub(crate) fn response_stream(script: &Script, model: &str) -> Vec<Event> {
    let mut events: Vec<(Value, bool)> = Vec::new();
    let mut say = |kind: &str, mut fields: Value, repeatable: bool| {
        put(&mut fields, "type", json!(kind));
        put(&mut fields, "sequence_number", json!(events.len()));
        events.push((fields, repeatable));
    };
    for kind in ["response.created", "response.in_progress"] {
        let begun = response_with(&Script { usage: None, ..script.clone() }, model, "in_progress", json!([]));
        say(kind, json!({"response": begun}), false);
    }
    for (at, item) in response_items(script).into_iter().enumerate() {
        let id = item.get("id").cloned().unwrap_or_default();
        let mut begun = item.clone();
        put(&mut begun, "status", json!("in_progress"));
        if let Some(arguments) = item.get("arguments").and_then(Value::as_str) {
            put(&mut begun, "arguments", json!(""));
            say("response.output_item.added", json!({"output_index": at, "item": begun}), false);
            for piece in script.chunks.argument_pieces(arguments) {
                let more = json!({"item_id": id, "output_index": at, "delta": piece});
                say("response.function_call_arguments.delta", more, true);
            }
            let name = item.get("name").cloned().unwrap_or_default();
            let whole = json!({"item_id": id, "output_index": at, "name": name, "arguments": arguments});
            say("response.function_call_arguments.done", whole, false);
        } else {
            put(&mut begun, "content", json!([]));
            say("response.output_item.added", json!({"output_index": at, "item": begun}), false);
            let part = |text: &str| {
                json!({"item_id": id, "output_index": at, "content_index": 0,
                       "part": {"type": "output_text", "text": text, "annotations": [], "logprobs": []}})
            };
            say("response.content_part.added", part(""), false);
            for piece in script.chunks.pieces(&script.text) {
                let more = json!({"item_id": id, "output_index": at, "content_index": 0, "delta": piece,
                                  "logprobs": []});
                say("response.output_text.delta", more, true);
            }
            let whole = json!({"item_id": id, "output_index": at, "content_index": 0, "text": script.text,
                               "logprobs": []});
            say("response.output_text.done", whole, false);
            say("response.content_part.done", part(&script.text), false);
        }
        say("response.output_item.done", json!({"output_index": at, "item": item}), false);
    }
    say("response.completed", json!({"response": response(script, model)}), false);
    events
        .into_iter()
        .map(|(fields, repeatable)| {
            let event = Event::named(fields.get("type").and_then(Value::as_str).unwrap_or_default(), &fields);
            if repeatable { event.repeatable() } else { event }
        })
        .collect()
}

/// Embeddings of the request's inputs: eight figures each, the same for the same text, exact in both encodings.
pub(crate) fn embeddings(request: &Value, model: &str) -> Value {
    let inputs: Vec<String> = match request.get("input") {
        Some(Value::Array(items)) => items.iter().map(plain).collect(),
        Some(one) => vec![plain(one)],
        None => Vec::new(),
    };
    let as_text = request.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let figures = figures(input);
            let embedding = if as_text {
                let bytes: Vec<u8> = figures.iter().flat_map(|figure| figure.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            } else {
                json!(figures)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: usize = inputs.iter().map(|input| input.split_whitespace().count()).sum();
    json!({"object": "list", "data": data, "model": model,
           "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

/// The list of models.
pub(crate) fn models(names: &[String]) -> Value {
    json!({"object": "list", "data": names.iter().map(|name| model(name)).collect::<Vec<_>>()})
}

/// One model.
pub(crate) fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": CREATED, "owned_by": "alcaide-testkit"})
}

/// An error document.
pub(crate) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
}

fn finish(script: &Script) -> &'static str {
    if script.tool_calls.is_empty() { "stop" } else { "tool_calls" }
}

fn chat_usage(usage: Usage) -> Value {
    json!({"prompt_tokens": usage.input, "completion_tokens": usage.output,
           "total_tokens": usage.input.saturating_add(usage.output)})
}

fn response_items(script: &Script) -> Vec<Value> {
    let mut items = Vec::new();
    if !script.text.is_empty() || script.tool_calls.is_empty() {
        items.push(json!({
            "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": script.text, "annotations": [], "logprobs": []}],
        }));
    }
    for (index, call) in script.tool_calls.iter().enumerate() {
        items.push(json!({"type": "function_call", "id": format!("fc_{index}"), "call_id": call.id,
                          "name": call.name, "arguments": call.arguments, "status": "completed"}));
    }
    items
}

fn response_with(script: &Script, model: &str, status: &str, output: Value) -> Value {
    let usage = script.usage.map_or(Value::Null, |usage| {
        json!({"input_tokens": usage.input, "input_tokens_details": {"cached_tokens": 0},
               "output_tokens": usage.output, "output_tokens_details": {"reasoning_tokens": 0},
               "total_tokens": usage.input.saturating_add(usage.output)})
    });
    json!({
        "id": "resp_1", "object": "response", "created_at": CREATED, "status": status, "error": null,
        "incomplete_details": null, "instructions": null, "max_output_tokens": null, "model": model,
        "output": output, "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "store": false, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "user": null, "metadata": {},
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Multiples of 1/128 in -1..1 from the FNV-1a hash of the text.
fn figures(text: &str) -> [f32; 8] {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash.to_le_bytes().map(|byte| (f32::from(byte) - 128.0) / 128.0)
}

pub(crate) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

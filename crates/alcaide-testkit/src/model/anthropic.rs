//! Anthropic's messages and models, as its public client libraries read them.

use serde_json::{Value, json};

use crate::model::Event;
use crate::model::openai::put;
use crate::model::script::{Script, Usage};

/// A message as one document.
pub(crate) fn message(script: &Script, model: &str) -> Value {
    let mut content = Vec::new();
    if !script.text.is_empty() || script.tool_calls.is_empty() {
        content.push(json!({"type": "text", "text": script.text}));
    }
    for call in &script.tool_calls {
        // Here arguments are a value, not text: text that is no JSON is carried as a string.
        let input = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments));
        content.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
    }
    message_with(model, json!(content), json!(stop_reason(script)), script.usage)
}

/// A message as a stream of named events.
pub(crate) fn message_stream(script: &Script, model: &str) -> Vec<Event> {
    let begun = script.usage.map(|usage| Usage { output: 1, ..usage });
    let start = message_with(model, json!([]), Value::Null, begun);
    let mut events = vec![Event::named("message_start", &json!({"type": "message_start", "message": start}))];
    let mut block = 0_usize;
    let mut fill = |first: Value, deltas: Vec<Value>| {
        let begin = json!({"type": "content_block_start", "index": block, "content_block": first});
        events.push(Event::named("content_block_start", &begin));
        if block == 0 {
            events.push(Event::named("ping", &json!({"type": "ping"})));
        }
        for delta in deltas {
            let more = json!({"type": "content_block_delta", "index": block, "delta": delta});
            events.push(Event::named("content_block_delta", &more).repeatable());
        }
        events
            .push(Event::named("content_block_stop", &json!({"type": "content_block_stop", "index": block})));
        block += 1;
    };
    if !script.text.is_empty() || script.tool_calls.is_empty() {
        let pieces = script.chunks.pieces(&script.text).into_iter();
        let deltas = pieces.map(|piece| json!({"type": "text_delta", "text": piece})).collect();
        fill(json!({"type": "text", "text": ""}), deltas);
    }
    for call in &script.tool_calls {
        let pieces = script.chunks.argument_pieces(&call.arguments).into_iter();
        let deltas = pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect();
        fill(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}), deltas);
    }
    let mut last = json!({"type": "message_delta",
                          "delta": {"stop_reason": stop_reason(script), "stop_sequence": null}});
    if let Some(usage) = script.usage {
        put(&mut last, "usage", json!({"output_tokens": usage.output}));
    }
    events.push(Event::named("message_delta", &last));
    events.push(Event::named("message_stop", &json!({"type": "message_stop"})));
    events
}

/// The list of models.
pub(crate) fn models(names: &[String]) -> Value {
    json!({
        "data": names.iter().map(|name| model(name)).collect::<Vec<_>>(),
        "has_more": false, "first_id": names.first(), "last_id": names.last(),
    })
}

/// One model.
pub(crate) fn model(name: &str) -> Value {
    json!({"type": "model", "id": name, "display_name": name, "created_at": "2023-11-14T22:13:20Z"})
}

/// An error document.
pub(crate) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

fn message_with(model: &str, content: Value, stop_reason: Value, usage: Option<Usage>) -> Value {
    let mut message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": stop_reason, "stop_sequence": null,
    });
    if let Some(usage) = usage {
        put(&mut message, "usage", json!({"input_tokens": usage.input, "output_tokens": usage.output}));
    }
    message
}

fn stop_reason(script: &Script) -> &'static str {
    if script.tool_calls.is_empty() { "end_turn" } else { "tool_use" }
}

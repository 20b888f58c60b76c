//! What the server offers, as the conformance suite describes it.

use serde_json::{Value, json};

/// A picture of one red pixel.
pub(super) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A sound without samples.
pub(super) const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

pub(super) fn about() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {
            "tools": {}, "prompts": {}, "resources": {"subscribe": true}, "logging": {}, "completions": {}
        },
        "serverInfo": {"name": "test-kit-tools", "version": "1.0.0"},
        "instructions": "A server for tests."
    })
}

pub(super) fn tools() -> Value {
    let plain = |name: &str, description: &str| json!({"name": name, "description": description, "inputSchema": {"type": "object", "properties": {}}});
    let one = |name: &str, description: &str, argument: &str| {
        json!({
            "name": name, "description": description,
            "inputSchema": {
                "type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]
            }
        })
    };
    json!({"tools": [
        plain("test_simple_text", "Gives a text."),
        plain("test_image_content", "Gives a picture."),
        plain("test_audio_content", "Gives a sound."),
        plain("test_embedded_resource", "Gives a resource."),
        plain("test_multiple_content_types", "Gives a text, a picture and a resource."),
        plain("test_tool_with_logging", "Tells what it does."),
        plain("test_tool_with_progress", "Tells how far it is."),
        plain("test_error_handling", "Fails."),
        plain("test_reconnection", "Gives a text on a stream that can be resumed."),
        one("test_sampling", "Asks the client's model.", "prompt"),
        one("test_elicitation", "Asks the person.", "message"),
        plain("test_elicitation_sep1034_defaults", "Asks the person, with defaults."),
        plain("test_elicitation_sep1330_enums", "Asks the person to choose."),
        {
            "name": "add", "description": "Adds two numbers.",
            "inputSchema": {
                "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                "required": ["a", "b"]
            },
            "outputSchema": {
                "type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]
            },
            "annotations": {"readOnlyHint": true}
        },
        {
            "name": "json_schema_2020_12_tool", "description": "Has a schema of many parts.",
            "inputSchema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "$defs": {"address": {
                    "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
                }},
                "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
                "additionalProperties": false
            }
        }
    ]})
}

pub(super) fn prompts() -> Value {
    let argument = |name: &str| json!({"name": name, "description": "A text.", "required": true});
    json!({"prompts": [
        {"name": "test_simple_prompt", "description": "A prompt."},
        {
            "name": "test_prompt_with_arguments", "description": "A prompt of two texts.",
            "arguments": [argument("arg1"), argument("arg2")]
        },
        {
            "name": "test_prompt_with_embedded_resource", "description": "A prompt with a resource.",
            "arguments": [argument("resourceUri")]
        },
        {"name": "test_prompt_with_image", "description": "A prompt with a picture."}
    ]})
}

pub(super) fn resources() -> Value {
    json!({"resources": [
        {
            "uri": "test://static-text", "name": "static-text", "description": "A text.",
            "mimeType": "text/plain"
        },
        {
            "uri": "test://static-binary", "name": "static-binary", "description": "A picture.",
            "mimeType": "image/png"
        },
        {
            "uri": "test://watched-resource", "name": "watched-resource",
            "description": "A text that can be watched.", "mimeType": "text/plain"
        }
    ]})
}

pub(super) fn templates() -> Value {
    json!({"resourceTemplates": [{
        "uriTemplate": "test://template/{id}/data", "name": "template", "description": "A text for an id.",
        "mimeType": "application/json"
    }]})
}

/// The contents of a resource; nothing if there is none.
pub(super) fn resource(uri: &str) -> Option<Value> {
    let of = |kind: &str, text: &str| json!({"contents": [{"uri": uri, "mimeType": kind, "text": text}]});
    if let Some(id) = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data")) {
        let text = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
        return Some(of("application/json", &text.to_string()));
    }
    match uri {
        "test://static-text" => Some(of("text/plain", "This is the content of the static text resource.")),
        "test://static-binary" => {
            Some(json!({"contents": [{"uri": uri, "mimeType": "image/png", "blob": PNG}]}))
        }
        "test://watched-resource" => Some(of("text/plain", "Watched resource content")),
        _ => None,
    }
}

/// The messages of a prompt; nothing if there is none.
pub(super) fn prompt(name: &str, argument: impl Fn(&str) -> String) -> Option<Value> {
    let says = |text: &str| json!({"role": "user", "content": {"type": "text", "text": text}});
    Some(match name {
        "test_simple_prompt" => json!({"messages": [says("This is a simple prompt for testing.")]}),
        "test_prompt_with_arguments" => {
            let (one, two) = (argument("arg1"), argument("arg2"));
            json!({"messages": [says(&format!("Prompt with arguments: arg1='{one}', arg2='{two}'"))]})
        }
        "test_prompt_with_embedded_resource" => json!({"messages": [
            {"role": "user", "content": {"type": "resource", "resource": {
                "uri": argument("resourceUri"), "mimeType": "text/plain",
                "text": "Embedded resource content for testing."
            }}},
            says("Please process the embedded resource above.")
        ]}),
        "test_prompt_with_image" => json!({"messages": [
            {"role": "user", "content": {"type": "image", "data": PNG, "mimeType": "image/png"}},
            says("Please analyze the image above.")
        ]}),
        _ => return None,
    })
}

/// What is asked of a person: a message and the form.
pub(super) fn form(tool: &str, message: &str) -> Option<Value> {
    let text = |description: &str| json!({"type": "string", "description": description});
    let choices = json!(["option1", "option2", "option3"]);
    let titled = |word: &str| {
        json!([
            {"const": "value1", "title": format!("First {word}")},
            {"const": "value2", "title": format!("Second {word}")},
            {"const": "value3", "title": format!("Third {word}")}
        ])
    };
    let (properties, required) = match tool {
        "test_elicitation" => (
            json!({"username": text("User's response"), "email": text("User's email address")}),
            json!(["username", "email"]),
        ),
        "test_elicitation_sep1034_defaults" => (
            json!({
                "name": {"type": "string", "default": "John Doe"},
                "age": {"type": "integer", "default": 30},
                "score": {"type": "number", "default": 95.5},
                "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
                "verified": {"type": "boolean", "default": true}
            }),
            json!([]),
        ),
        "test_elicitation_sep1330_enums" => (
            json!({
                "untitledSingle": {"type": "string", "enum": choices},
                "titledSingle": {"type": "string", "oneOf": titled("Option")},
                "legacyEnum": {
                    "type": "string", "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"]
                },
                "untitledMulti": {"type": "array", "items": {"type": "string", "enum": choices}},
                "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice")}}
            }),
            json!([]),
        ),
        _ => return None,
    };
    Some(json!({
        "mode": "form", "message": message,
        "requestedSchema": {"type": "object", "properties": properties, "required": required}
    }))
}

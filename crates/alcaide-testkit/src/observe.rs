//! What public clients of the Model Context Protocol see of a [`ToolServer`](crate::ToolServer), wherever it stands.
//!
//! The same questions are asked in the same order each time, so that what is seen directly and what is seen through
//! something in between can be compared as it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::KitError;
use crate::peer::{node, python};

/// What each client saw, by its name: `python, handshake`, `python, stateless`, `node, handshake`.
///
/// Blocks until all three have ended.
///
/// # Errors
/// As [`python`] and [`node`].
pub fn observe_tools(url: &str, token: Option<&str>) -> Result<BTreeMap<&'static str, Value>, KitError> {
    let calls = json!([
        ["test_simple_text", {}],
        ["add", {"a": 2, "b": 40}],
        ["test_image_content", {}],
        ["test_audio_content", {}],
        ["test_embedded_resource", {}],
        ["test_multiple_content_types", {}],
        ["test_tool_with_progress", {}],
        ["test_error_handling", {}],
        ["json_schema_2020_12_tool", {"name": "Évora", "address": {"city": "\u{1F3F0}\n\"x\"", "street": ""}}],
        ["no_such_tool", {}],
    ]);
    let reads = json!([
        "test://static-text",
        "test://static-binary",
        "test://template/123/data",
        "test://no-such-resource",
    ]);
    let prompts = json!([
        ["test_simple_prompt", {}],
        ["test_prompt_with_arguments", {"arg1": "one", "arg2": "two"}],
        ["test_prompt_with_embedded_resource", {"resourceUri": "test://example-resource"}],
        ["test_prompt_with_image", {}],
        ["no_such_prompt", {}],
    ]);
    let (calls, reads, prompts) = (calls.to_string(), reads.to_string(), prompts.to_string());
    let env = |mode| {
        let mut env = vec![("MCP_URL", url), ("MCP_MODE", mode)];
        env.extend([("MCP_CALLS", &*calls), ("MCP_READS", &*reads), ("MCP_PROMPTS", &*prompts)]);
        env.extend(token.map(|token| ("MCP_TOKEN", token)));
        env
    };
    Ok(BTreeMap::from([
        ("python, handshake", python("mcp_client.py", &env("legacy"))?),
        ("python, stateless", python("mcp_client.py", &env("2026-07-28"))?),
        ("node, handshake", node("mcp_observer.cjs", &env("legacy"))?),
    ]))
}

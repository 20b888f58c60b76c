//! The gate's paths, for people: what `alcaide explain paths` lists. The gate itself finds a path in [`crate::gate`]; a
//! test compares both.

/// One path of the gate.
#[derive(Clone, Copy, Debug)]
pub struct GatePath {
    /// HTTP method; `ANY` where the declared operation says which.
    pub method: &'static str,
    /// The path; `{…}` is one segment, `{…*}` the rest.
    pub path: &'static str,
    /// What it is.
    pub what: &'static str,
}

/// All paths of the gate.
pub static PATHS: &[GatePath] = &[
    GatePath { method: "POST", path: "/v1/chat/completions", what: "OpenAI chat completions" },
    GatePath { method: "POST", path: "/v1/responses", what: "OpenAI responses" },
    GatePath { method: "POST", path: "/v1/embeddings", what: "OpenAI embeddings" },
    GatePath {
        method: "GET",
        path: "/v1/models",
        what: "models that the caller may use, as OpenAI lists them",
    },
    GatePath { method: "GET", path: "/v1/models/{model}", what: "one of them" },
    GatePath {
        method: "POST",
        path: "/v1/messages",
        what: "Anthropic messages, for clients with the bare base URL",
    },
    GatePath { method: "POST", path: "/v1/messages/count_tokens", what: "Anthropic token counts, likewise" },
    GatePath { method: "POST", path: "/anthropic/v1/messages", what: "Anthropic messages" },
    GatePath { method: "POST", path: "/anthropic/v1/messages/count_tokens", what: "Anthropic token counts" },
    GatePath { method: "GET", path: "/anthropic/v1/models", what: "models, as Anthropic lists them" },
    GatePath { method: "GET", path: "/anthropic/v1/models/{model}", what: "one of them" },
    GatePath { method: "POST", path: "/mcp/{server}", what: "a tool server (MCP): messages" },
    GatePath { method: "GET", path: "/mcp/{server}", what: "what a session's server says unasked" },
    GatePath { method: "DELETE", path: "/mcp/{server}", what: "the end of a session" },
    GatePath {
        method: "POST",
        path: "/mcp",
        what: "tools, prompts and resources of all servers as one (MCP)",
    },
    GatePath {
        method: "ANY",
        path: "/api/{service}/{path*}",
        what: "a declared operation of a plain HTTP API",
    },
];

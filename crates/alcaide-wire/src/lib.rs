//! What is being said? JSON, SSE and the protocols of model providers as views and edits over borrowed bytes.
//!
//! Pure codecs: bytes in, views and edits out. Nothing here opens a socket, reads a clock or keeps a body.
//! What is judged are spans of the very bytes that are sent; an edit is a list of splices over them
//! ([`json::edit`]), so that all that was not meant to change stays as it came.
//!
//! * [`json`]: the strict reader. What two readers could understand differently is refused.
//! * [`sse`]: `text/event-stream`, any chunking, each event with its raw bytes.
//! * [`llm`]: OpenAI chat completions, responses, embeddings and models; Anthropic messages.
//! * [`jsonrpc`]: JSON-RPC 2.0 messages.
//! * [`mcp`]: the Model Context Protocol, both generations.

pub mod json;
pub mod jsonrpc;
pub mod llm;
pub mod mcp;
pub mod sse;

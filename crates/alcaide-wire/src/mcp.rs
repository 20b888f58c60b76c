//! The Model Context Protocol as a governing gate sees it: what a call asks, what a result says, which
//! headers must agree, and the edits that a gate may make.
//!
//! Two generations are read side by side. *Handshake*: revisions 2024-11-05 to 2025-11-25, opened by
//! `initialize`, with sessions and streams in both directions. *Stateless*: revision 2026-07-28, where each
//! request carries its protocol version and the client's capabilities in `params._meta`, headers repeat parts
//! of the body, and a server that needs input says so in its result.
//!
//! A [`CallView`] or [`ResultView`] lists every string either as a [`Segment`] to be inspected or as an
//! [`Opaque`] part that cannot be; left out are only short words of the protocol (types, roles, levels,
//! cursors). Members that are not known are read as text. Text that is JSON itself stays text.
//!
//! Where each shape was read:
//!
//! | shape | source |
//! |---|---|
//! | requests, results and notifications of 2026-07-28 | package `mcp_types` 2.3.0 of the Python library, models generated from the schema `2026-07-28` |
//! | the same up to 2025-11-25 | the same package, models generated from the schema `2025-11-25`; it reads all earlier revisions by these models too |
//! | which method belongs to which revision and side | `mcp_types.methods` 2.3.0 |
//! | headers, their encoding, `x-mcp-header` | specification 2026-07-28, "Streamable HTTP", sections "Request Metadata" and "Server Validation"; checked against `mcp.shared.inbound` 2.3.0 |
//! | statuses and channels, stateless | the same page, "Sending Messages", "Receiving Messages", "Backward Compatibility"; `mcp.shared.inbound` |
//! | statuses and channels, handshake | specification 2025-11-25, "Transports"; `mcp.server.streamable_http` 2.3.0 |
//! | input-required results | specification 2026-07-28, "Multi Round-Trip Requests" |
//! | codes of errors | specification 2026-07-28, "Error Codes"; `mcp_types.jsonrpc` 2.3.0 |
//!
//! Not verified, and so neither known nor refused here but read as other methods and free text: tasks
//! (`tasks/*` and `notifications/tasks/*`, 2025-11-25 and the extension after it), extensions of any kind,
//! and the separate endpoints of the deprecated HTTP+SSE transport of 2024-11-05.

mod base64;
mod call;
mod canonical;
mod content;
mod error;
mod header;
mod http;
mod list;
mod meta;
mod method;
mod param;
mod reply;
mod revision;
pub mod union;
mod walk;

pub use call::{CallView, Reference, Target};
pub use canonical::{content_input, pin_input};
pub use content::{Opaque, OpaqueKind, Part, Segment};
pub use error::ViewError;
pub use header::{HeaderMismatch, check_headers, decode_value, encode_value, headers_for};
pub use http::{
    Accept, Carried, Channel, EventMessage, HttpFault, event_message, is_event_stream, is_json, may_carry,
    session_id, status_of,
};
pub use list::{Hints, Item, ItemFate, list_member};
pub use meta::Meta;
pub use method::{Method, Side};
pub use param::{ParamError, ParamHeaders};
pub use reply::{CacheScope, InputRequest, ResultKind, ResultView, ServerWords};
pub use revision::{Era, Revision, unsupported_version};

/// Names of headers, in lower case as HTTP/2 writes them; compare without case (RFC 9110, section 5.1).
pub mod header_name {
    /// The revision that is spoken.
    pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
    /// The session, handshake revisions alone.
    pub const SESSION_ID: &str = "mcp-session-id";
    /// The method of the body, stateless revisions.
    pub const METHOD: &str = "mcp-method";
    /// The tool, prompt or resource of the body, stateless revisions.
    pub const NAME: &str = "mcp-name";
    /// What the name of a header begins with that repeats an argument.
    pub const PARAM_PREFIX: &str = "mcp-param-";
    /// The event after which a stream goes on, handshake revisions alone.
    pub const LAST_EVENT_ID: &str = "last-event-id";
}

/// Keys of `_meta` that the protocol reserves (specification 2026-07-28, "`_meta`").
pub mod meta_key {
    /// The revision that a request speaks. Required in stateless requests.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Who the client says it is. Not verified by anything.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// What the client can do. Required in stateless requests.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// From which level on the server may send log messages.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Who the server says it is. Not verified by anything.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The subscription that a notification belongs to: the id of the request that opened it.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// What progress notifications of this request will bear.
    pub const PROGRESS_TOKEN: &str = "progressToken";
}

#[cfg(test)]
mod tests;

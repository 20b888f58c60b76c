//! A tool server of the official Rust library for the Model Context Protocol, over streamable HTTP.
//!
//! It offers the tools, prompts and resources that the public conformance suite asks of a server, and speaks both
//! generations of the protocol. Like the model server it runs on a thread of its own, on a free port of loopback.

mod everything;
mod material;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use self::everything::Everything;
use crate::error::KitError;
use crate::loopback::Loopback;

/// A running tool server; ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct ToolServer(Loopback);

impl ToolServer {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// [`KitError::Start`] when the system gives no port or thread.
    pub fn start() -> Result<Self, KitError> {
        let server = Everything::new()
            .map_err(|error| KitError::Start { what: "tool server", source: io::Error::other(error) })?;
        let serve = move |_| {
            let service = StreamableHttpService::new(
                move || Ok(server.clone()),
                Arc::new(LocalSessionManager::default()),
                StreamableHttpServerConfig::default(),
            );
            move |request| {
                let service = service.clone();
                async move { service.handle(request).await }
            }
        };
        Loopback::serve("tool-server", serve).map(Self)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Its endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address())
    }
}

//! What do tests run against? Small real peers on loopback: a model server, real programs, public clients, a clock.
//!
//! Nothing here is mocked in memory: peers speak over sockets and processes, as in the field, and end when they are
//! dropped. Ports are always chosen by the system. What a test waits for is an event with a deadline, never a time.
//!
//! - [`ModelServer`]: speaks the OpenAI and Anthropic APIs, follows a [`Script`], keeps every request byte for byte.
//! - [`Gate`]: holds an answer back until the test says so.
//! - [`Child`]: a real program, its output captured, ended by its own process id.
//! - [`certificate`]: a throw-away certificate that is its own authority.
//! - [`python`] and [`node`]: a script of `tests/peers` run with the public client libraries.
//! - [`ToolServer`]: speaks the Model Context Protocol by the official Rust library; [`observe_tools`] is what public
//!   clients see of it, [`conformance`] what the public suite says of a server, [`Bearer`] adds the token that the
//!   suite cannot send.
//! - [`node_server`]: a public server of the npm registry, on a free port of loopback.
//! - [`small_model`]: a real language model, small enough for any machine, behind the OpenAI API.
//! - [`Clock`]: moments that only the test moves on.

mod bearer;
pub mod certificate;
mod child;
mod clock;
mod conformance;
mod error;
mod gate;
mod gzip;
mod loopback;
mod mcp;
mod model;
mod observe;
mod peer;

pub use bearer::Bearer;
pub use child::{Child, Ended, Launch, Source};
pub use clock::Clock;
pub use conformance::{Checks, conformance};
pub use error::KitError;
pub use gate::Gate;
pub use mcp::ToolServer;
pub use model::script::{Cut, Fail, Lie, Script, ToolCall, Usage};
pub use model::{BODY_MAX, HEARD_MAX, Heard, ModelServer};
pub use observe::observe_tools;
pub use peer::{
    node, node_program, node_server, npm_module, peer_script, python, python_program, python_server,
    small_model, workspace_root,
};

use std::time::Duration;

/// How long anything here waits for an event before it gives up: far more than a loaded machine needs, less than the
/// time after which the test runner ends a test without a word.
pub const DEADLINE: Duration = Duration::from_secs(60);

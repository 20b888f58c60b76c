//! How do they reach us? Over listeners that speak HTTP/1.1 in plain on loopback, TLS anywhere else, or a
//! Unix socket; under limits, with checked heads, answers that explain themselves, and a drain at the end.
//!
//! A connection flows so: [`Listener`] → TLS → the framer (which bytes are a head, which a body; two readers
//! of the same bytes must agree) → hyper → [`Checked`] (Host, Origin, target, headers) → the [`Service`] →
//! [`Body`]. A refusal anywhere on the way is a [`Problem`] (RFC 9457) with a code that the [`Catalogue`]
//! explains.
//!
//! - [`limits`]: every bound, with unit, default and reason.
//! - [`listen`], [`tls`]: where we listen, who is at the other end.
//! - [`mod@serve`]: the accept loop, one task a connection, the drain.
//! - [`check`]: what a request must be before anybody looks at it.
//! - [`body`]: bodies of answers, and how bodies of requests are collected.
//! - [`problem`], [`codes`]: problem documents and the catalogue of codes.
//!
//! What is no HTTP at all (a bad method, name or version) hyper itself answers with a bare 400, without
//! document.
//!
//! Left out on purpose: HTTP/2 and HTTP/3, upgrades, `CONNECT`, trailers' meaning, decompression, any file.

pub mod body;
pub mod check;
pub mod codes;
mod door;
mod frame;
pub mod limits;
pub mod listen;
pub mod problem;
pub mod room;
pub mod serve;
pub mod tls;
mod watch;

pub use body::{Body, BodyError, BodySender, ClientGone, collect_limited, collect_within};
pub use check::{Checked, HostRule, Refusal, check_request, hop_by_hop};
pub use door::Door;
pub use limits::{LimitError, Limits};
pub use listen::{ListenError, Listener, Peer, PeerAddr};
pub use problem::{Catalogue, CatalogueError, CodeEntry, Problem};
pub use room::Room;
pub use serve::{Drain, Routed, Service, serve};
pub use tls::{Tls, TlsError, TlsFeed};

/// Parses the bytes as a stream of requests in pieces, for tests and the fuzzer: never panics, keeps nothing.
///
/// `pieces` says after how many bytes each read ends; the rest comes as one. Returns the number of complete
/// heads, or `None` if the stream was refused.
#[must_use]
pub fn probe_framer(bytes: &[u8], pieces: &[u8], limits: &Limits) -> Option<u64> {
    frame::probe(bytes, pieces, limits)
}

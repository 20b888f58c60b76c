//! Every bound of a listener: unit, default, reason, range.
//!
//! A [`Limits`] that exists is within range; past a bound the caller gets a code, never a hang or a crash.
//! Whoever controls these settings can starve callers (too low) or let callers exhaust memory (too high),
//! nothing else.

use std::time::Duration;

/// Bounds of one listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    header_bytes: usize,
    headers: usize,
    uri_bytes: usize,
    body_bytes: usize,
    bodies_bytes: usize,
    calls_per_actor: usize,
    header_timeout: Duration,
    body_idle_timeout: Duration,
    body_timeout: Duration,
    write_idle_timeout: Duration,
    keep_alive_idle: Duration,
    connections: usize,
    drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: HEADER_BYTES,
            headers: HEADERS,
            uri_bytes: URI_BYTES,
            body_bytes: BODY_BYTES,
            bodies_bytes: BODIES_BYTES,
            calls_per_actor: CALLS_PER_ACTOR,
            header_timeout: HEADER_TIMEOUT,
            body_idle_timeout: BODY_IDLE_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            write_idle_timeout: WRITE_IDLE_TIMEOUT,
            keep_alive_idle: KEEP_ALIVE_IDLE,
            connections: CONNECTIONS,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}

macro_rules! bounds {
    ($($(#[$doc:meta])* $set:ident $field:ident: $kind:ty = $least:expr, $most:expr;)*) => {
        impl Limits {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $field(&self) -> $kind {
                    self.$field
                }

                #[doc = concat!("Sets `", stringify!($field), "`.")]
                ///
                /// # Errors
                /// [`LimitError`] if the value is out of range.
                pub fn $set(mut self, value: $kind) -> Result<Self, LimitError> {
                    if !($least..=$most).contains(&value) {
                        return Err(LimitError {
                            name: stringify!($field),
                            given: format!("{value:?}"),
                            least: format!("{:?}", $least),
                            most: format!("{:?}", $most),
                        });
                    }
                    self.$field = value;
                    Ok(self)
                }
            )*
        }
    };
}

bounds! {
    /// Most bytes of a request head, request line and empty last line included; 1,024 to 262,144.
    with_header_bytes header_bytes: usize = 1_024, 256 * 1_024;
    /// Most header lines of a request; 8 to 1,000. Above 100 each request costs a heap allocation more.
    with_headers headers: usize = 8, 1_000;
    /// Most bytes of a request target; 256 to 65,534 (what the parser takes).
    with_uri_bytes uri_bytes: usize = 256, 65_534;
    /// Most bytes of a request body; 1 to 1 GiB.
    with_body_bytes body_bytes: usize = 1, 1_024 * 1_024 * 1_024;
    /// Most bytes in memory of all request bodies together, beyond the first 64 KiB of each; 1 MiB to 64 GiB.
    with_bodies_bytes bodies_bytes: usize = 1 << 20, 64 << 30;
    /// Most calls of one caller at one time, where callers are told apart; 1 to 65,536.
    with_calls_per_actor calls_per_actor: usize = 1, 65_536;
    /// Longest time for a request head, and for a TLS handshake; 10 ms to 120 s.
    with_header_timeout header_timeout: Duration = Duration::from_millis(10), Duration::from_secs(120);
    /// Longest time between two bytes of a request body that somebody waits for; 10 ms to 10 min.
    with_body_idle_timeout body_idle_timeout: Duration = Duration::from_millis(10), Duration::from_secs(600);
    /// Longest time for a whole request body, however steadily it drips; 10 ms to 1 h.
    with_body_timeout body_timeout: Duration = Duration::from_millis(10), Duration::from_secs(3_600);
    /// Longest time in which a client takes no byte of its answer; 10 ms to 10 min.
    with_write_idle_timeout write_idle_timeout: Duration = Duration::from_millis(10), Duration::from_secs(600);
    /// Longest time that a connection is kept between two requests; 10 ms to 1 h.
    with_keep_alive_idle keep_alive_idle: Duration = Duration::from_millis(10), Duration::from_secs(3_600);
    /// Most connections at once; 1 to 65,536.
    with_connections connections: usize = 1, 65_536;
    /// Longest time that a drain waits for calls under way; 0 to 10 min.
    with_drain_timeout drain_timeout: Duration = Duration::ZERO, Duration::from_secs(600);
}

/// A bound that was set out of its range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{name}` is {given}, but must be between {least} and {most}")]
pub struct LimitError {
    /// The bound.
    pub name: &'static str,
    /// What was given.
    pub given: String,
    /// The least value.
    pub least: String,
    /// The greatest value.
    pub most: String,
}

impl LimitError {
    /// What to do.
    #[must_use]
    pub fn help(&self) -> String {
        format!(
            "set `{}` within {} and {}, or leave it out for the default",
            self.name, self.least, self.most
        )
    }
}

/// 32 KiB: twice what large cookies plus a JWT with a delegation chain need; common servers allow 8 to 64
/// KiB.
pub const HEADER_BYTES: usize = 32 * 1_024;
/// 100: what hyper parses without touching the heap; real clients send 10 to 40.
pub const HEADERS: usize = 100;
/// 8 KiB: RFC 9112, section 3, asks for at least 8,000 bytes.
pub const URI_BYTES: usize = 8 * 1_024;
/// 16 MiB: long transcripts with images in base64; a body is in memory while policy reads it.
pub const BODY_BYTES: usize = 16 * 1_024 * 1_024;
/// 256 MiB: sixteen of the longest bodies at one time, or some thousand of a usual conversation; as much again as the
/// buffers of all connections.
pub const BODIES_BYTES: usize = 256 << 20;
/// 1,024: one agent that runs wild leaves three quarters of the connections to others.
pub const CALLS_PER_ACTOR: usize = 1_024;
/// 10 s: three retransmissions on a bad line; a slow loris holds a connection no longer.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// 30 s: a client that is alive sends something within that.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// 5 min: the largest body at half a megabit per second.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// 60 s: a client may think while it reads a stream, but not for ever.
pub const WRITE_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// 75 s: longer than the 60 s after which common client pools and balancers drop idle connections, so that
/// they close first and no request meets a closing connection.
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(75);
/// 4,096: with 64 KiB of buffer and as much of a body that takes no room each, at worst 512 MiB beside [`BODIES_BYTES`],
/// and far below usual file limits.
pub const CONNECTIONS: usize = 4_096;
/// 25 s: within the 30 s that process supervisors commonly grant.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_own_ranges() {
        let d = Limits::default();
        let again = d
            .with_header_bytes(d.header_bytes())
            .and_then(|l| l.with_headers(d.headers()))
            .and_then(|l| l.with_uri_bytes(d.uri_bytes()))
            .and_then(|l| l.with_body_bytes(d.body_bytes()))
            .and_then(|l| l.with_bodies_bytes(d.bodies_bytes()))
            .and_then(|l| l.with_calls_per_actor(d.calls_per_actor()))
            .and_then(|l| l.with_header_timeout(d.header_timeout()))
            .and_then(|l| l.with_body_idle_timeout(d.body_idle_timeout()))
            .and_then(|l| l.with_body_timeout(d.body_timeout()))
            .and_then(|l| l.with_write_idle_timeout(d.write_idle_timeout()))
            .and_then(|l| l.with_keep_alive_idle(d.keep_alive_idle()))
            .and_then(|l| l.with_connections(d.connections()))
            .and_then(|l| l.with_drain_timeout(d.drain_timeout()));
        assert_eq!(again, Ok(d));
    }

    #[test]
    fn one_past_each_end_is_refused() {
        let d = Limits::default();
        let ns = Duration::from_nanos(1);
        let ms10 = Duration::from_millis(10);
        for (name, least_ok, below, most_ok, above) in [
            (
                "header_bytes",
                d.with_header_bytes(1_024),
                d.with_header_bytes(1_023),
                d.with_header_bytes(262_144),
                d.with_header_bytes(262_145),
            ),
            ("headers", d.with_headers(8), d.with_headers(7), d.with_headers(1_000), d.with_headers(1_001)),
            (
                "uri_bytes",
                d.with_uri_bytes(256),
                d.with_uri_bytes(255),
                d.with_uri_bytes(65_534),
                d.with_uri_bytes(65_535),
            ),
            (
                "body_bytes",
                d.with_body_bytes(1),
                d.with_body_bytes(0),
                d.with_body_bytes(1 << 30),
                d.with_body_bytes((1 << 30) + 1),
            ),
            (
                "bodies_bytes",
                d.with_bodies_bytes(1 << 20),
                d.with_bodies_bytes((1 << 20) - 1),
                d.with_bodies_bytes(64 << 30),
                d.with_bodies_bytes((64 << 30) + 1),
            ),
            (
                "calls_per_actor",
                d.with_calls_per_actor(1),
                d.with_calls_per_actor(0),
                d.with_calls_per_actor(65_536),
                d.with_calls_per_actor(65_537),
            ),
            (
                "header_timeout",
                d.with_header_timeout(ms10),
                d.with_header_timeout(ms10 - ns),
                d.with_header_timeout(Duration::from_secs(120)),
                d.with_header_timeout(Duration::from_secs(120) + ns),
            ),
            (
                "body_idle_timeout",
                d.with_body_idle_timeout(ms10),
                d.with_body_idle_timeout(ms10 - ns),
                d.with_body_idle_timeout(Duration::from_secs(600)),
                d.with_body_idle_timeout(Duration::from_secs(600) + ns),
            ),
            (
                "write_idle_timeout",
                d.with_write_idle_timeout(ms10),
                d.with_write_idle_timeout(ms10 - ns),
                d.with_write_idle_timeout(Duration::from_secs(600)),
                d.with_write_idle_timeout(Duration::from_secs(600) + ns),
            ),
            (
                "keep_alive_idle",
                d.with_keep_alive_idle(ms10),
                d.with_keep_alive_idle(ms10 - ns),
                d.with_keep_alive_idle(Duration::from_secs(3_600)),
                d.with_keep_alive_idle(Duration::from_secs(3_600) + ns),
            ),
            (
                "connections",
                d.with_connections(1),
                d.with_connections(0),
                d.with_connections(65_536),
                d.with_connections(65_537),
            ),
        ] {
            assert!(least_ok.is_ok(), "{name} at its least");
            assert!(most_ok.is_ok(), "{name} at its most");
            assert_eq!(below.unwrap_err().name, name);
            assert_eq!(above.unwrap_err().name, name);
        }
        assert!(d.with_body_timeout(ms10 - ns).is_err() && d.with_body_timeout(ms10).is_ok());
        assert!(d.with_body_timeout(Duration::from_secs(3_600) + ns).is_err());
        assert!(d.with_drain_timeout(Duration::from_secs(600)).is_ok());
        assert!(d.with_drain_timeout(Duration::from_secs(600) + ns).is_err());
    }

    #[test]
    fn the_error_says_what_where_and_what_to_do() {
        let error = Limits::default().with_headers(7).unwrap_err();
        assert_eq!(error.to_string(), "`headers` is 7, but must be between 8 and 1000");
        assert_eq!(error.help(), "set `headers` within 8 and 1000, or leave it out for the default");
    }
}

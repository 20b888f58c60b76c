//! How much, how many, how long.

use std::time::Duration;

/// Longest line in either direction, in bytes, without its end: a file of some 6 MB in base64.
pub const LINE_BYTES_MAX: usize = 8 << 20;
/// Requests of one child that are open at once.
pub const OPEN_MAX: usize = 64;
/// Lines that wait for one child to read them.
pub const QUEUE_MAX: usize = 16;
/// Notifications that wait for the caller of one request; what comes beyond is dropped and counted.
pub const NOTES_MAX: usize = 64;
/// Bytes of the notifications that wait for the caller of one request.
pub const NOTES_BYTES_MAX: usize = 1 << 20;
/// Messages in a row, without an answer between, that cannot be read or answer nothing.
pub const JUNK_MAX: u32 = 64;
/// Messages in a row, without an answer between, that nobody asked for.
pub const UNASKED_MAX: u32 = 4_096;
/// Requests in a row that came to no answer in time while the child said nothing at all.
pub const SILENT_MAX: u32 = 3;
/// Cancelled requests whose late answers are known as such.
pub const CANCELLED_MAX: usize = 256;
/// Bytes of what a child said on its standard errors that are kept for the log.
pub const ERRORS_KEPT: usize = 4 << 10;
/// How long a child may take to end by itself once its input is closed.
pub const GRACE: Duration = Duration::from_secs(2);
/// Servers and actors that are remembered, running or not.
pub const PLACES_MAX: usize = 1_024;

/// What a pool of children is held to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Live children in all.
    pub children: usize,
    /// Live children of one server.
    pub per_server: usize,
    /// How long a child lives without a request.
    pub idle: Duration,
    /// How long a child may take to say hello.
    pub hello: Duration,
    /// How long a child may take to read one line.
    pub write: Duration,
    /// Pause after the first fall of a child; it doubles with each further one.
    pub pause: Duration,
    /// Longest pause.
    pub pause_max: Duration,
    /// Falls within [`Bounds::window`] after which a child is given up.
    pub falls: usize,
    /// How long a fall is remembered.
    pub window: Duration,
    /// How long a child stays given up.
    pub give_up: Duration,
}

impl Default for Bounds {
    /// 64 children, 32 of one server: each has a process and a thread. Five minutes without work end one. Thirty
    /// seconds to say hello, as run-times start slowly; thirty for a line, as a server that computes does not read. A quarter of a second after the first fall, two
    /// seconds at most, and a minute's rest after five falls within five minutes.
    fn default() -> Self {
        Self {
            children: 64,
            per_server: 32,
            idle: Duration::from_secs(300),
            hello: Duration::from_secs(30),
            write: Duration::from_secs(30),
            pause: Duration::from_millis(250),
            pause_max: Duration::from_secs(2),
            falls: 5,
            window: Duration::from_secs(300),
            give_up: Duration::from_secs(60),
        }
    }
}

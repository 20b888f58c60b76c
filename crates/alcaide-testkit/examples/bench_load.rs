//! Closed-loop load for measurements: each connection sends a request, reads the whole answer, and sends the next.
//!
//! An answer counts only if its status is 200 and its body has the length that was asked for. Bounded in time and in
//! requests; 127.0.0.1 only. Prints one line of JSON: times in microseconds, `first` up to the first byte of the body.

mod http1;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http1::{Wire, broken};
use serde_json::json;

const HELP: &str = "usage: bench_load --port N --path PATH --connections N --seconds N --body FILE
  [--requests N] [--bytes N | --least N] [--header 'NAME: VALUE']...";
/// Longest run.
const SECONDS_MAX: u64 = 900;
/// Most connections.
const CONNECTIONS_MAX: u64 = 1_024;
/// After so many failures a connection gives up: something is wrong with what is measured.
const FAILURES_MAX: u64 = 20;
/// Longest silence of the other side.
const SILENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Order::read(&words).and_then(|order| order.run()) {
        Ok(report) => {
            let _ = writeln!(io::stdout(), "{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}\n{HELP}");
            ExitCode::from(2)
        }
    }
}

/// How long a right body is.
#[derive(Clone, Copy)]
enum Right {
    Any,
    Exactly(usize),
    Least(usize),
}

struct Order {
    port: u16,
    request: Vec<u8>,
    connections: u64,
    time: Duration,
    requests: u64,
    right: Right,
}

impl Order {
    fn read(words: &[String]) -> io::Result<Self> {
        let (mut port, mut path, mut body) = (0, "/", Vec::new());
        let (mut connections, mut seconds, mut requests) = (1, 1, u64::MAX);
        let (mut right, mut fields) = (Right::Any, String::new());
        let number = |text: &str| text.parse::<u64>().map_err(|_| broken(&format!("`{text}` is no number")));
        let size = |text: &str| text.parse::<usize>().map_err(|_| broken(&format!("`{text}` is no number")));
        for pair in words.chunks(2) {
            let [name, value] = pair else { return Err(broken("an option without a value")) };
            match name.as_str() {
                "--port" => port = value.parse().map_err(|_| broken("a port that is none"))?,
                "--path" => path = value,
                "--connections" => connections = number(value)?.clamp(1, CONNECTIONS_MAX),
                "--seconds" => seconds = number(value)?.clamp(1, SECONDS_MAX),
                "--requests" => requests = number(value)?,
                "--body" => body = std::fs::read(value)?,
                "--bytes" => right = Right::Exactly(size(value)?),
                "--least" => right = Right::Least(size(value)?),
                "--header" => {
                    fields.push_str(value);
                    fields.push_str("\r\n");
                }
                other => return Err(broken(&format!("there is no option `{other}`"))),
            }
        }
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: {}\r\n{fields}\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        Ok(Self { port, request, connections, time: Duration::from_secs(seconds), requests, right })
    }

    fn run(self) -> io::Result<String> {
        let order = Arc::new(self);
        let left = Arc::new(AtomicU64::new(order.requests));
        let begun = Instant::now();
        let threads: io::Result<Vec<_>> = (0..order.connections)
            .map(|_| {
                let (order, left) = (Arc::clone(&order), Arc::clone(&left));
                thread::Builder::new().stack_size(256 * 1024).spawn(move || order.drive(begun, &left))
            })
            .collect();
        let mut all = Seen::default();
        for thread in threads? {
            all.merge(thread.join().map_err(|_| broken("a connection that panicked"))?);
        }
        let seconds = begun.elapsed().as_secs_f64();
        all.whole.sort_unstable();
        all.first.sort_unstable();
        let answered = all.whole.len();
        Ok(json!({
            "answered": answered, "failed": all.failed, "why": all.why, "seconds": seconds,
            "p50_us": quantile(&all.whole, 50), "p99_us": quantile(&all.whole, 99),
            "first_p50_us": quantile(&all.first, 50), "first_p99_us": quantile(&all.first, 99),
        })
        .to_string())
    }

    fn drive(&self, begun: Instant, left: &AtomicU64) -> Seen {
        let mut seen = Seen::default();
        let mut wire = None;
        let mut body = Vec::new();
        while seen.failed < FAILURES_MAX && begun.elapsed() < self.time {
            if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
                break;
            }
            match self.one(wire.take(), &mut body, &mut seen) {
                Ok(kept) => wire = kept,
                Err(error) => {
                    seen.failed += 1;
                    seen.why.get_or_insert_with(|| error.to_string());
                }
            }
        }
        seen
    }

    /// One request and its answer; gives the connection back if it can be used again.
    fn one(&self, wire: Option<Wire>, body: &mut Vec<u8>, seen: &mut Seen) -> io::Result<Option<Wire>> {
        let mut wire = match wire {
            Some(wire) => wire,
            None => {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
                stream.set_read_timeout(Some(SILENCE))?;
                Wire::new(stream)?
            }
        };
        let sent = Instant::now();
        wire.send(&self.request)?;
        let head = loop {
            let head = wire.head()?.ok_or_else(|| broken("a connection that ended without an answer"))?;
            // Interim answers (RFC 9110, section 15.2) are followed by the real one.
            if !head.word(1).starts_with('1') {
                break head;
            }
        };
        let first = wire.body(head.framing, body)?;
        let whole = sent.elapsed();
        let status = head.word(1);
        if status != "200" {
            let said = String::from_utf8_lossy(body);
            return Err(broken(&format!("status {status}: {}", said.chars().take(300).collect::<String>())));
        }
        let right = match self.right {
            Right::Any => true,
            Right::Exactly(bytes) => body.len() == bytes,
            Right::Least(bytes) => body.len() >= bytes,
        };
        if !right {
            let said = String::from_utf8_lossy(body);
            let said: String = said.chars().take(300).collect();
            return Err(broken(&format!("a body of {} bytes: {said}", body.len())));
        }
        seen.whole.push(nanos(whole));
        seen.first.push(nanos(first.map_or(whole, |first| first.duration_since(sent))));
        Ok((!head.closes).then_some(wire))
    }
}

/// What one connection saw; times in nanoseconds.
#[derive(Default)]
struct Seen {
    whole: Vec<u64>,
    first: Vec<u64>,
    failed: u64,
    why: Option<String>,
}

impl Seen {
    fn merge(&mut self, other: Self) {
        self.whole.extend(other.whole);
        self.first.extend(other.first);
        self.failed += other.failed;
        self.why = self.why.take().or(other.why);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Microseconds, with a decimal.
fn quantile(sorted: &[u64], percent: usize) -> f64 {
    let at = sorted.len().saturating_sub(1) * percent / 100;
    let nanos = sorted.get(at).copied().unwrap_or(0);
    Duration::from_nanos(nanos / 100 * 100).as_secs_f64() * 1e6
}

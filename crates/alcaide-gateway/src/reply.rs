//! The stages of an answer: raw, labelled, released. Only what was released becomes a response.
//!
//! ```compile_fail,E0599
//! use alcaide_gateway::reply::{Raw, Reply};
//! fn skip(reply: Reply<Raw>) {
//!     let _ = reply.into_response(); // only `Reply<Released>` has it
//! }
//! ```

mod json;
mod lane;
mod mcp;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use alcaide_identity::{Credential, Verified};
use alcaide_inspect::Engine;
use alcaide_inspect::canary::Canary;
use alcaide_inventory::declare::Price;
use alcaide_record::Usage as UsageRecord;
use alcaide_serve::Body as ServeBody;
use alcaide_wire::llm::{Operation, Usage};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::attempt::Attempt;
use crate::content::Demands;
use crate::link::Answer;
use crate::mcp::stdio::Answers;
use crate::refusal::Refusal;

pub use mcp::EventsBody;
pub(crate) use mcp::{Channel, Reading, Shape, Uris};
pub use stream::StreamBody;

/// Longest JSON reply that is taken.
pub const REPLY_BYTES_MAX: usize = 32 << 20;

/// An answer on its way back; `S` is how far it has come.
pub struct Reply<S> {
    stage: S,
}

/// The head is there; nothing was looked at.
pub struct Raw {
    head: http::response::Parts,
    body: Source,
    attempt: Attempt,
    idle_timeout: Duration,
}

/// Where an answer comes from.
pub(crate) enum Source {
    /// An HTTP connection.
    Http(Answer),
    /// It is here already.
    Whole(Bytes),
    /// A child process: the first message, and what follows.
    Child(Bytes, Box<Answers>),
}

/// What a child process answers.
pub(crate) enum ChildReply {
    /// One message.
    Whole(Bytes),
    /// Nothing: it was told something.
    Taken,
    /// The first message, and what follows.
    Messages(Bytes, Box<Answers>),
}

impl ChildReply {
    /// Bytes of the first message.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Whole(bytes) | Self::Messages(bytes, _) => bytes.len(),
            Self::Taken => 0,
        }
    }
}

/// It is known what the answer is and what must be made of it.
pub struct Labelled {
    raw: Raw,
    lens: Lens,
}

/// It may go to the caller.
pub struct Released {
    status: StatusCode,
    headers: HeaderMap,
    body: ReleasedBody,
}

/// What goes to the caller.
pub enum ReleasedBody {
    /// A whole body.
    Whole(Bytes),
    /// A stream that is released event by event as it is polled.
    Stream(Box<StreamBody>),
    /// A tool server's stream, released message by message as it is polled.
    Events(EventsBody),
}

impl From<ReleasedBody> for ServeBody {
    fn from(body: ReleasedBody) -> Self {
        match body {
            ReleasedBody::Whole(bytes) => Self::from(bytes),
            ReleasedBody::Stream(stream) => Self::boxed(*stream),
            ReleasedBody::Events(events) => Self::boxed(events),
        }
    }
}

/// How an answer is read.
pub enum Reader {
    /// As a model's answer, whole or as a stream.
    Model {
        /// What was asked.
        operation: Operation,
        /// What tokens cost.
        price: Price,
        /// Whether the gate asked for the usage of a stream in the caller's stead.
        hide_usage: bool,
    },
    /// As the answer of a plain API: every string of a JSON body; what is no JSON cannot be looked into.
    Plain,
    /// As a tool server's answer.
    #[expect(private_interfaces, reason = "made by the handler of tool servers alone")]
    Mcp(Arc<Reading>),
}

/// How an answer is read, and what must be made of it.
pub struct Lens {
    /// How it is read.
    pub reader: Reader,
    /// The task's mark, where it is looked for: in what a model answers.
    pub canary: Option<Canary>,
    /// Finds things in texts.
    pub engine: Arc<Engine>,
    /// What obligations demand.
    pub demands: Demands,
    /// Whose call it is: asked again and again whether it was stopped.
    pub who: Arc<Verified<Credential>>,
}

impl Reply<Raw> {
    pub(crate) fn raw(response: Response<Answer>, attempt: Attempt, idle_timeout: Duration) -> Self {
        let (head, body) = response.into_parts();
        Self { stage: Raw { head, body: Source::Http(body), attempt, idle_timeout } }
    }

    /// The answer of a child process, in the form of an HTTP answer.
    pub(crate) fn of_child(reply: ChildReply, attempt: Attempt, idle_timeout: Duration) -> Self {
        let (mut head, ()) = Response::new(()).into_parts();
        let (kind, body) = match reply {
            ChildReply::Taken => {
                head.status = StatusCode::ACCEPTED;
                (None, Source::Whole(Bytes::new()))
            }
            ChildReply::Whole(bytes) => (Some("application/json"), Source::Whole(bytes)),
            ChildReply::Messages(first, rest) if mcp::is_response(&first) => {
                // INVARIANT: after the response a child says no more of the request.
                drop(rest);
                (Some("application/json"), Source::Whole(first))
            }
            ChildReply::Messages(first, rest) => (Some("text/event-stream"), Source::Child(first, rest)),
        };
        if let Some(kind) = kind {
            head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        Self { stage: Raw { head, body, attempt, idle_timeout } }
    }

    /// Status of the upstream.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.stage.head.status
    }

    /// A header of the upstream's answer.
    pub(crate) fn header(&self, name: &str) -> Option<&HeaderValue> {
        self.stage.head.headers.get(name)
    }

    /// Says how the answer is to be read.
    #[must_use]
    pub fn label(mut self, lens: Lens) -> Reply<Labelled> {
        self.stage.attempt.told.status = Some(self.stage.head.status.as_u16());
        Reply { stage: Labelled { raw: self.stage, lens } }
    }

    /// Gives the answer up, so that another upstream can be tried: it was an error and nothing of it was released.
    pub(crate) fn give_up(self) {
        let Raw { head, mut attempt, .. } = self.stage;
        attempt.told.status = Some(head.status.as_u16());
        attempt.finish_as_told(alcaide_record::End::UpstreamRefused);
    }
}

impl Reply<Labelled> {
    /// Looks at the answer: a JSON body whole, a stream event by event while it is passed on.
    ///
    /// # Errors
    /// The answer may not pass or is none; the outcome says so.
    ///
    /// # Cancel safety
    /// Dropped while it reads, the outcome says that the caller is gone, and the connection is closed.
    pub(crate) async fn release(self) -> Result<Reply<Released>, Refusal> {
        let head = &self.stage.raw.head;
        let is_stream = head.status.is_success() && is_type(&head.headers, "text/event-stream");
        let status = head.status;
        let mut headers = released_headers(&head.headers);
        if let Reader::Mcp(reading) = &self.stage.lens.reader {
            let reading = Arc::clone(reading);
            // Apart: it is much longer than the other ways.
            return Box::pin(mcp::release(self.stage, reading)).await;
        }
        if let (true, Reader::Model { operation, price, hide_usage }) = (is_stream, &self.stage.lens.reader) {
            let how = (*operation, *price, *hide_usage);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            let Labelled { raw, lens } = self.stage;
            let Source::Http(upstream) = raw.body else { return Err(json::foreign(raw.attempt)) };
            let body = ReleasedBody::Stream(Box::new(StreamBody::new(
                upstream,
                raw.attempt,
                raw.idle_timeout,
                lens,
                how,
            )));
            return Ok(Reply { stage: Released { status, headers, body } });
        }
        let bytes = json::release(self.stage).await?;
        Ok(Reply { stage: Released { status, headers, body: ReleasedBody::Whole(bytes) } })
    }
}

impl Reply<Released> {
    /// The response.
    #[must_use]
    pub fn into_response(self) -> Response<ReleasedBody> {
        let Released { status, headers, body } = self.stage;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Headers of an upstream's answer that pass: what it is, and what the client's own retry logic reads.
const PASSED: [HeaderName; 2] = [header::CONTENT_TYPE, header::RETRY_AFTER];
const PASSED_NAMES: [&str; 4] = ["x-request-id", "request-id", "openai-processing-ms", "openai-version"];

fn released_headers(from: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(6);
    for (name, value) in from {
        if PASSED.contains(name) || PASSED_NAMES.contains(&name.as_str()) {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// Usage as the record says it, with its cost.
fn priced(usage: Usage, price: Price) -> UsageRecord {
    let of = |tokens: u64, micros: u64| tokens.saturating_mul(micros) / 1_000_000;
    let cached = usage.cached_input.min(usage.input);
    let cached_price = price.cached_input_micros.unwrap_or(price.input_micros);
    let cost = of(usage.input - cached, price.input_micros)
        .saturating_add(of(cached, cached_price))
        .saturating_add(of(usage.output, price.output_micros));
    UsageRecord {
        cached_input: cached,
        cost_micros: cost,
        estimated: false,
        input: usage.input,
        output: usage.output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_counts_cached_input_once() {
        let price = Price {
            input_micros: 2_000_000,
            output_micros: 10_000_000,
            cached_input_micros: Some(1_000_000),
        };
        let usage = Usage { input: 100, output: 10, cached_input: 40, ..Usage::default() };
        assert_eq!(priced(usage, price).cost_micros, 60 * 2 + 40 + 100);
        let odd = Usage { input: 1, cached_input: 9, ..Usage::default() };
        assert_eq!(priced(odd, price).cached_input, 1);
    }
}

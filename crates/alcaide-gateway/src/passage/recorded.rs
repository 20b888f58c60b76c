//! The intent is on disk. Only from here bytes leave.

use std::pin::{Pin, pin};
use std::time::Duration;

use alcaide_ledger::Durable;
use alcaide_record::{End, Stage};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;

use super::bound::Freeze;
use super::{Decided, Passage};
use crate::attempt::{Attempt, Told};
use crate::leaf::IntentLeaf;
use crate::link::{Answer, HttpClient, LinkError};
use crate::refusal::{self, Refusal};
use crate::reply::{Raw, Reply};

/// How often a call that waits for its upstream looks whether it was stopped.
pub(crate) const STOP_TICK: Duration = Duration::from_millis(250);

/// A call whose intent is on disk.
pub struct Recorded {
    bound: (Decided, Freeze),
    attempt: Attempt,
}

/// An attempt that brought no answer.
pub struct Failed {
    /// What to tell the caller if nothing else is tried.
    pub refusal: Refusal,
    /// The call, to be tried at another upstream.
    pub again: Passage<Decided>,
    /// True if no byte left us.
    pub unsent: bool,
}

impl Recorded {
    /// The receipt is consumed: it was for this very intent, and it is on disk.
    pub(super) fn new(
        decided: Decided,
        freeze: Freeze,
        attempt: Attempt,
        receipt: Durable<IntentLeaf>,
    ) -> Self {
        drop(receipt);
        Self { bound: (decided, freeze), attempt }
    }
}

impl Passage<Recorded> {
    /// Sends the frozen bytes and waits for the head of the answer.
    ///
    /// `headers` are what passes of the caller's head; the credential is put in here.
    ///
    /// # Errors
    /// [`Failed`] with the call, so that it may be tried elsewhere; the outcome of this attempt is written.
    ///
    /// # Cancel safety
    /// Dropped while it waits, the outcome says that the caller is gone, and the connection is closed.
    pub(crate) async fn forward(
        self,
        method: Method,
        mut headers: HeaderMap,
        client: &HttpClient,
    ) -> Result<(Reply<Raw>, Passage<Decided>), Box<Failed>> {
        let Self { common, stage } = self;
        let Recorded { bound: (decided, freeze), mut attempt } = stage;
        let again = Passage { common, stage: decided };
        let fail = |attempt: Attempt, end: End, refusal: Refusal, unsent: bool, again: Passage<Decided>| {
            attempt.finish(end, Told::default());
            Box::new(Failed { refusal, again, unsent })
        };
        let upstream = &freeze.upstream;
        let now = attempt.closer().now();
        if let Err(error) = upstream.credential.put(&mut headers, client, now).await {
            let refusal = Refusal::of(refusal::NO_SECRET, Stage::Bound).because(error.to_string());
            return Err(fail(attempt, End::Withdrawn, refusal, true, again));
        }
        let made = upstream.url(&freeze.path).map(|url| {
            let mut request = Request::new(Full::new(freeze.bytes.clone()));
            *request.method_mut() = method;
            *request.uri_mut() = url;
            if !freeze.bytes.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            *request.headers_mut() = headers;
            request
        });
        let request = match made {
            Ok(request) => request,
            Err(error) => {
                let refusal = Refusal::of(refusal::UNREACHABLE, Stage::Bound).because(error.to_string());
                return Err(fail(attempt, End::Withdrawn, refusal, true, again));
            }
        };
        attempt.sending();
        let answer = pin!(client.request(request));
        let answered = wait_for_head(answer, &again.stage, &attempt, upstream.first_byte_timeout).await;
        match answered {
            Waited::Answered(Ok(response)) => {
                Ok((Reply::raw(response, attempt, upstream.idle_timeout), again))
            }
            Waited::Answered(Err(error)) => {
                let unsent = error.is_unsent();
                let (end, code) = if unsent {
                    (End::Unreachable, refusal::UNREACHABLE)
                } else {
                    (End::UpstreamBroken, refusal::UPSTREAM_BROKEN)
                };
                let refusal = Refusal::of(code, Stage::Bound).because(chain_of(&error));
                Err(fail(attempt, end, refusal, unsent, again))
            }
            Waited::TimedOut => {
                let refusal = Refusal::of(refusal::UPSTREAM_TIMEOUT, Stage::Bound);
                Err(fail(attempt, End::UpstreamTimeout, refusal, false, again))
            }
            Waited::Stopped(why) => {
                let refusal = Refusal::of(refusal::STOPPED, Stage::Bound).saying(why);
                Err(fail(attempt, End::Killed, refusal, false, again))
            }
        }
    }
}

enum Waited<T> {
    Answered(T),
    TimedOut,
    Stopped(String),
}

/// Waits for an answer, a deadline, or an order that stops the caller.
async fn wait_for_head<F>(
    mut answer: Pin<&mut F>,
    decided: &Decided,
    attempt: &Attempt,
    limit: Duration,
) -> Waited<F::Output>
where
    F: Future<Output = Result<http::Response<Answer>, LinkError>>,
{
    let mut waited = Duration::ZERO;
    loop {
        let step = STOP_TICK.min(limit.saturating_sub(waited));
        if let Ok(answered) = tokio::time::timeout(step, answer.as_mut()).await {
            return Waited::Answered(answered);
        }
        waited = waited.saturating_add(step);
        if waited >= limit {
            return Waited::TimedOut;
        }
        let held = decided.read.who().credential();
        if let Err(error) =
            attempt.closer().memory().is_good(&held.epochs, held.principal.token, &held.ancestors)
        {
            return Waited::Stopped(error.to_string());
        }
    }
}

/// An error and its causes, for the log.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

//! The intent is on disk. Only from here bytes leave.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use alcaide_ledger::Durable;
use alcaide_memory::NotGood;
use alcaide_record::{End, Stage};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::Full;

use super::bound::Freeze;
use super::{Decided, Passage};
use crate::attempt::{Attempt, Told};
use crate::leaf::IntentLeaf;
use crate::lease;
use crate::link::{Answer, HttpClient, LinkError};
use crate::mcp::stdio::{Children, Hello, StdioError, StdioPlan};
use crate::refusal::{self, Refusal};
use crate::reply::{ChildReply, Raw, Reply};

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
                let refusal = lease::not_good(why, Stage::Bound);
                Err(fail(attempt, End::Killed, refusal, false, again))
            }
        }
    }
}

impl Passage<Recorded> {
    /// Hands the frozen bytes to a child process and waits for its first message. The child is started if need be.
    ///
    /// # Errors
    /// What to tell the caller; the outcome is written.
    ///
    /// # Cancel safety
    /// Dropped while it waits, the request is cancelled at the child and the outcome says that the caller is gone.
    pub(crate) async fn forward_to_child(
        self,
        children: &Children,
        plan: &Arc<StdioPlan>,
        form: ChildForm,
        cancelled: impl Fn() -> bool,
    ) -> Result<Reply<Raw>, Refusal> {
        let Recorded { bound: (decided, freeze), mut attempt } = self.stage;
        let actor = decided.read.who().credential().principal.actor;
        let asked = async {
            let child = children.child(plan, actor).await?;
            match form {
                ChildForm::Hello(answer) => Ok(ChildReply::Whole(answer(child.hello()))),
                ChildForm::Tell => child.tell(freeze.bytes.clone()).await.map(|()| ChildReply::Taken),
                ChildForm::Ask => {
                    let mut answers = child.ask(freeze.bytes.clone()).await?;
                    let first = answers.next().await.transpose()?.unwrap_or_default();
                    Ok(ChildReply::Messages(first, Box::new(answers)))
                }
            }
        };
        attempt.sending();
        // The child's own times bound the wait; this one is only asked again and again whether it is to go on.
        tokio::pin!(asked);
        let answered: Result<ChildReply, StdioError> = loop {
            if let Ok(answered) = tokio::time::timeout(STOP_TICK, &mut asked).await {
                break answered;
            }
            if cancelled() {
                attempt.finish(End::Cancelled, Told::default());
                return Err(
                    Refusal::of(refusal::STOPPED, Stage::Bound).saying("the caller took the call back")
                );
            }
            let held = decided.read.who().credential();
            let memory = attempt.closer().memory();
            if let Err(error) = memory.is_good(&held.epochs, held.principal.token, &held.ancestors) {
                attempt.finish(End::Killed, Told::default());
                return Err(lease::not_good(error, Stage::Bound));
            }
        };
        match answered {
            Ok(reply) => Ok(Reply::of_child(reply, attempt, plan.idle_timeout)),
            Err(error) => {
                let (end, code) = match (&error, error.nothing_sent()) {
                    (StdioError::Late { .. }, _) => (End::UpstreamTimeout, refusal::UPSTREAM_TIMEOUT),
                    (_, true) => (End::Unreachable, refusal::UNREACHABLE),
                    (_, false) => (End::UpstreamBroken, refusal::UPSTREAM_BROKEN),
                };
                let refusal = Refusal::of(code, Stage::Bound)
                    .saying(error.for_caller())
                    .because(error.to_string())
                    .retry_in(error.retry_after());
                attempt.finish(end, Told::default());
                Err(refusal)
            }
        }
    }

    /// Hands the frozen bytes to the caller instead of an upstream: a server asks something of it. Whoever releases them
    /// finishes the attempt.
    #[must_use]
    pub(crate) fn hand_down(self) -> (Bytes, Attempt) {
        let Recorded { bound: (_, freeze), mut attempt } = self.stage;
        attempt.sending();
        (freeze.bytes, attempt)
    }
}

/// What a message is to a child process.
pub(crate) enum ChildForm {
    /// The handshake, which the child has behind it: it is answered with what the child said of itself.
    Hello(Box<dyn FnOnce(&Hello) -> Bytes + Send>),
    /// A request.
    Ask,
    /// A notification.
    Tell,
}

enum Waited<T> {
    Answered(T),
    TimedOut,
    Stopped(NotGood),
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
            return Waited::Stopped(error);
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

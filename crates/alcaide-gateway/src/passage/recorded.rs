//! The intent is on disk. Only from here bytes leave.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use alcaide_ledger::Durable;
use alcaide_record::{End, Stage};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::Full;

use super::bound::Freeze;
use super::{Decided, Passage};
use crate::attempt::{Attempt, Told};
use crate::leaf::IntentLeaf;
use crate::lease::Lapsed;
use crate::link::{Answer, HttpClient, LinkError};
use crate::mcp::stdio::{Children, Hello, StdioError, StdioPlan};
use crate::refusal::{self, Refusal};
use crate::reply::{ChildReply, Raw, Reply};
use crate::worked::worked_here;

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
    /// True if the caller may not act any more: nothing else is to be tried.
    pub lapsed: bool,
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
            Box::new(Failed { refusal, again, unsent, lapsed: false })
        };
        let stopped = |attempt: Attempt, stop: Stop, unsent: bool, again: Passage<Decided>| {
            attempt.finish(stop.end(), Told::default());
            Box::new(Failed { refusal: stop.refusal(), again, unsent, lapsed: true })
        };
        let upstream = &freeze.upstream;
        let now = attempt.closer().now();
        let put = {
            let put = pin!(upstream.credential.put(&mut headers, client, now));
            looked_after(put, &attempt, &again, || false).await
        };
        let put = match put {
            Ok(put) => put,
            Err(stop) => return Err(stopped(attempt, stop, true, again)),
        };
        if let Err(error) = put {
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
        // The last look before a byte leaves: the intent and the credential may have taken their time.
        if let Err(why) = again.may_act(&attempt) {
            return Err(stopped(attempt, Stop::Lapsed(why), true, again));
        }
        attempt.sending();
        let answer = pin!(client.request(request));
        let answered = wait_for_head(answer, &again, &attempt, upstream.first_byte_timeout).await;
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
            Waited::Stopped(why) => Err(stopped(attempt, Stop::Lapsed(why), false, again)),
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
        let Self { common, stage } = self;
        let Recorded { bound: (decided, freeze), mut attempt } = stage;
        let call = Passage { common, stage: decided };
        let actor = call.who().credential().principal.actor;
        let stopped = |attempt: Attempt, stop: Stop| {
            attempt.finish(stop.end(), Told::default());
            stop.refusal()
        };
        if let Err(why) = call.may_act(&attempt) {
            return Err(stopped(attempt, Stop::Lapsed(why)));
        }
        // The child's own times bound the waits; they are only looked after.
        let started = pin!(children.child(plan, actor));
        let child = match looked_after(started, &attempt, &call, &cancelled).await {
            Ok(child) => child,
            Err(stop) => return Err(stopped(attempt, stop)),
        };
        let answered: Result<ChildReply, StdioError> = match child {
            Err(error) => Err(error),
            Ok(child) => {
                if let Err(why) = call.may_act(&attempt) {
                    return Err(stopped(attempt, Stop::Lapsed(why)));
                }
                attempt.sending();
                let asked = pin!(async {
                    match form {
                        ChildForm::Hello(answer) => Ok(ChildReply::Whole(answer(child.hello()))),
                        ChildForm::Tell => child.tell(freeze.bytes.clone()).await.map(|()| ChildReply::Taken),
                        ChildForm::Ask => {
                            let mut answers = child.ask(freeze.bytes.clone()).await?;
                            let first = answers.next().await.transpose()?.unwrap_or_default();
                            Ok(ChildReply::Messages(first, Box::new(answers)))
                        }
                    }
                });
                match looked_after(asked, &attempt, &call, &cancelled).await {
                    Ok(answered) => answered,
                    Err(stop) => return Err(stopped(attempt, stop)),
                }
            }
        };
        match answered {
            Ok(reply) => {
                let long = reply.bytes();
                Ok(worked_here(long, || Reply::of_child(reply, attempt, plan.idle_timeout)).await)
            }
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
    ///
    /// # Errors
    /// The caller may not act any more; the outcome is written.
    pub(crate) fn hand_down(self) -> Result<(Bytes, Attempt), Refusal> {
        let Self { common, stage } = self;
        let Recorded { bound: (decided, freeze), mut attempt } = stage;
        if let Err(why) = (Passage { common, stage: decided }).may_act(&attempt) {
            attempt.finish(why.end(), Told::default());
            return Err(why.refusal(Stage::Bound));
        }
        attempt.sending();
        Ok((freeze.bytes, attempt))
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

impl Passage<Decided> {
    /// Whether the caller may still act.
    fn may_act(&self, attempt: &Attempt) -> Result<(), Lapsed> {
        self.common.may_act(self.who().credential(), attempt.closer().now())
    }
}

/// Why a wait is ended.
enum Stop {
    /// The caller may not act any more.
    Lapsed(Lapsed),
    /// The caller took the call back.
    Cancelled,
}

impl Stop {
    const fn end(&self) -> End {
        match self {
            Self::Lapsed(why) => why.end(),
            Self::Cancelled => End::Cancelled,
        }
    }

    fn refusal(self) -> Refusal {
        match self {
            Self::Lapsed(why) => why.refusal(Stage::Bound),
            Self::Cancelled => {
                Refusal::of(refusal::STOPPED, Stage::Bound).saying("the caller took the call back")
            }
        }
    }
}

/// Waits for something that ends by itself; looks again and again whether the call may go on.
async fn looked_after<F: Future>(
    mut awaited: Pin<&mut F>,
    attempt: &Attempt,
    call: &Passage<Decided>,
    cancelled: impl Fn() -> bool,
) -> Result<F::Output, Stop> {
    // What need not be waited for costs no timer.
    if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(awaited.as_mut().poll(context))).await {
        return Ok(done);
    }
    loop {
        if let Ok(done) = tokio::time::timeout(STOP_TICK, awaited.as_mut()).await {
            return Ok(done);
        }
        if cancelled() {
            return Err(Stop::Cancelled);
        }
        // A token that ends cuts nothing that has begun; before something is sent it is looked at again.
        if let Err(why @ Lapsed::NotGood(_)) = call.may_act(attempt) {
            return Err(Stop::Lapsed(why));
        }
    }
}

enum Waited<T> {
    Answered(T),
    TimedOut,
    Stopped(Lapsed),
}

/// Waits for an answer, a deadline, or an order that stops the caller.
async fn wait_for_head<F>(
    mut answer: Pin<&mut F>,
    call: &Passage<Decided>,
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
        if let Err(why @ Lapsed::NotGood(_)) = call.may_act(attempt) {
            return Waited::Stopped(why);
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

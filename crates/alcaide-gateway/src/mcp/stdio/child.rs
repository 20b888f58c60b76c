//! One child as its callers see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alcaide_sandbox::Report;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::bounds::NOTES_MAX;
use super::desk::{Answer, Open};
use super::error::{End, StdioError};
use super::frame;
use super::hello::Hello;
use super::plan::StdioPlan;
use super::shared::Shared;
use crate::worked::worked_here;

/// A tool server that runs and has said hello. It ends when the pool says so, or falls by itself; once the pool has
/// let go of it, it ends with its last request.
#[derive(Debug)]
pub struct Child {
    pub(super) shared: Arc<Shared>,
    pub(super) plan: Arc<StdioPlan>,
    hello: Hello,
    report: Report,
}

/// What was counted of a child since it was started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that it answered.
    pub answered: u64,
    /// Lines that are no message, and answers to nothing.
    pub junk: u64,
    /// Messages that belong to no open request.
    pub unasked: u64,
    /// Notifications for which nobody waited, or no room was left.
    pub dropped: u64,
    /// Requests of its own, `ping` included.
    pub asked: u64,
    /// Bytes on its standard errors.
    pub errors_bytes: u64,
}

impl Child {
    pub(super) const fn new(shared: Arc<Shared>, plan: Arc<StdioPlan>, hello: Hello, report: Report) -> Self {
        Self { shared, plan, hello, report }
    }

    /// Sends a request: one JSON-RPC message as the gate froze it. Its id and progress token are replaced on the way
    /// in and restored on the way out.
    ///
    /// The answers keep the child. No answer waits longer than the plan's times say.
    ///
    /// # Errors
    /// [`StdioError::Message`], [`StdioError::Full`] and [`StdioError::Gone`]: nothing was sent.
    /// [`StdioError::Ended`]: it ended while it was to read the request.
    ///
    /// # Cancel safety
    /// A call that is dropped before it is ready has sent nothing, or cancels what it sent.
    pub async fn ask(self: &Arc<Self>, request: Bytes) -> Result<Answers, StdioError> {
        let waits = (self.plan.first_byte_timeout, self.plan.idle_timeout);
        Answers::open(&self.shared, Some(Arc::clone(self)), &request, waits).await
    }

    /// Sends a notification. `notifications/cancelled` is refused: a request is cancelled by dropping its answers.
    ///
    /// # Errors
    /// [`StdioError::Message`] and [`StdioError::Gone`].
    ///
    /// # Cancel safety
    /// A call that is dropped before it is ready has sent nothing.
    pub async fn tell(&self, notification: Bytes) -> Result<(), StdioError> {
        let line = worked_here(notification.len(), || frame::telling(&notification)).await?;
        self.shared.desk.lock().touch(Instant::now());
        send(&self.shared, line).await
    }

    /// What it said of itself.
    #[must_use]
    pub const fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Which doors are closed to it and which are not.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// How often it said that a list of what it offers has changed.
    #[must_use]
    pub fn lists_changed(&self) -> u64 {
        self.shared.tally.lists.load(Ordering::Relaxed)
    }

    /// What was counted of it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let tally = &self.shared.tally;
        Counts {
            answered: tally.answered.load(Ordering::Relaxed),
            junk: tally.junk.load(Ordering::Relaxed),
            unasked: tally.unasked.load(Ordering::Relaxed),
            dropped: tally.dropped.load(Ordering::Relaxed),
            asked: tally.asked.load(Ordering::Relaxed),
            errors_bytes: tally.errors.load(Ordering::Relaxed),
        }
    }

    /// How it ended; nothing while it lives.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.shared.desk.lock().over().cloned()
    }

    /// Waits until its process is gone; gives how it ended.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn ended(&self) -> End {
        // The sender lives as long as `self`: this fails never.
        let _ = self.shared.gone.subscribe().wait_for(|gone| *gone).await;
        self.end().unwrap_or(End::Closed)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The pool has let go of it, and no answer is waited for.
        self.shared.end(&End::Replaced);
    }
}

/// What comes back for one request: notifications that belong to it, then the response, then nothing.
///
/// Dropped before the response, it cancels the request.
#[derive(Debug)]
pub struct Answers {
    own: i64,
    shared: Arc<Shared>,
    /// Keeps the child until the request is over.
    _child: Option<Arc<Child>>,
    notes: mpsc::Receiver<Bytes>,
    held: Arc<AtomicUsize>,
    response: oneshot::Receiver<Answer>,
    /// Longest wait for the first message, and for each further one.
    waits: (Duration, Option<Duration>),
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The child has not been sent the request.
    Unsent,
    /// No message has come yet.
    Asked,
    /// Some have.
    Begun,
    /// The last one has.
    Done,
}

impl Answers {
    pub(super) async fn open(
        shared: &Arc<Shared>,
        child: Option<Arc<Child>>,
        request: &Bytes,
        (first, later): (Duration, Duration),
    ) -> Result<Self, StdioError> {
        let own = shared.desk.lock().next_id();
        let out = worked_here(request.len(), || frame::outgoing(request, own)).await?;
        let (notes, heard) = mpsc::channel(NOTES_MAX);
        let (response, answered) = oneshot::channel();
        let held = Arc::new(AtomicUsize::new(0));
        let open = Open {
            id: out.id,
            token: out.token,
            listens: out.listens,
            notes,
            held: Arc::clone(&held),
            response,
        };
        shared.desk.lock().open(own, open, Instant::now())?;
        let mut answers = Self {
            own,
            shared: Arc::clone(shared),
            _child: child,
            notes: heard,
            held,
            response: answered,
            // What listens may hear nothing for hours.
            waits: (first, (!out.listens).then_some(later)),
            state: State::Unsent,
        };
        send(shared, out.line).await?;
        answers.state = State::Asked;
        Ok(answers)
    }

    /// The next message, with the caller's id and progress token.
    ///
    /// # Errors
    /// [`StdioError::Ended`] and [`StdioError::Late`]; nothing follows, and what came of the request is not known.
    ///
    /// # Cancel safety
    /// May be dropped and called again; no message is lost.
    pub async fn next(&mut self) -> Option<Answer> {
        let wait = match self.state {
            State::Unsent | State::Done => return None,
            State::Asked => Some(self.waits.0),
            State::Begun => self.waits.1,
        };
        let message = match wait {
            None => self.message().await,
            Some(wait) => match timeout(wait, self.message()).await {
                Ok(message) => message,
                Err(_) => {
                    self.state = State::Done;
                    self.shared.late(self.own);
                    return Some(Err(StdioError::Late { waited: wait }));
                }
            },
        };
        Some(message)
    }

    async fn message(&mut self) -> Answer {
        if let Some(note) = self.notes.recv().await {
            self.held.fetch_sub(note.len(), Ordering::Relaxed);
            self.state = State::Begun;
            return Ok(note);
        }
        // The desk lets go of both ends at once, and answers one that it lets go of.
        let answer = (&mut self.response).await;
        self.state = State::Done;
        answer.unwrap_or(Err(StdioError::Ended { how: End::Closed }))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        match self.state {
            State::Unsent => self.shared.desk.lock().withdraw(self.own),
            State::Asked | State::Begun => self.shared.cancel(self.own, "nobody waits for it"),
            State::Done => {}
        }
    }
}

/// Puts a line into the child's queue; a full one is waited for as long as the child may take to read a line.
async fn send(shared: &Shared, line: Bytes) -> Result<(), StdioError> {
    let gone = || StdioError::Gone { how: shared.desk.lock().over().cloned().unwrap_or(End::Closed) };
    if shared.desk.lock().over().is_some() {
        return Err(gone());
    }
    match timeout(shared.bounds.write, shared.lines.send(line)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(gone()),
        Err(_) => {
            shared.end(&End::Stuck);
            Err(gone())
        }
    }
}

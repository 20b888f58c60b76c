//! The end of a session that the gate kept with a server and lets go of: `DELETE`, as the transport has it; and of a call
//! in it that nobody waits for any more: `notifications/cancelled`, since such a server takes a closed connection for
//! nothing ("Cancellation", 2025-11-25), while a stateless caller means by it just that.
//!
//! Each is a passage like any other — decided on as the method `session/end` or the notification, recorded before it is
//! sent — in the name in which the session was opened; the end of a session also where that caller was stopped since:
//! nothing of the caller is in it, and what it ends is the caller's. One task sends them, some at a time, each with a short time to be answered; one that does not fit
//! into the queue is left to the server's own time. The same task looks now and then for sessions that nobody uses.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use alcaide_inventory::Actor;
use alcaide_record::Stage;
use alcaide_wire::json::{Document, Limits};
use alcaide_wire::jsonrpc::{self, Id};
use alcaide_wire::mcp::{CallView, Method};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use http::HeaderMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, timeout};

use super::kept::Kept;
use super::seal::Place;
use super::send::{Letter, send};
use super::{head, reach};
use crate::gate::Shared;
use crate::passage::{Known, Passage};
use crate::refusal::{self, Refusal};
use crate::reply::{Channel, Reading, Shape, Uris};

/// Most sessions that wait to be ended; past it they are let go without a word.
const ENDS_MAX: usize = 1_024;
/// How many are ended at one time.
const AT_ONCE: usize = 8;
/// Longest wait for a server to say that a session has ended.
const END_WAIT: Duration = Duration::from_secs(2);
/// Longest wait for all of them at the end of the gate.
const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// How often unused sessions are looked for. Well below the time that they are kept.
const LOOK_EVERY: Duration = Duration::from_secs(30);

enum Work {
    End(Arc<Kept>),
    /// Nobody waits for the answer to this request any more.
    Cancel(Arc<Kept>, Id<'static>),
    /// All before it were ended.
    Barrier(oneshot::Sender<()>),
}

/// Sessions that are to be ended.
pub(crate) struct Ends {
    queue: mpsc::Sender<Work>,
    /// Taken by the task.
    work: Mutex<Option<mpsc::Receiver<Work>>>,
}

impl Default for Ends {
    fn default() -> Self {
        let (queue, work) = mpsc::channel(ENDS_MAX);
        Self { queue, work: Mutex::new(Some(work)) }
    }
}

impl Ends {
    /// Ends a session in a while.
    pub(crate) fn end(&self, kept: Arc<Kept>) {
        if kept.session.is_none() {
            return;
        }
        self.put(Work::End(kept));
    }

    /// Takes a call back in a while.
    pub(crate) fn cancel(&self, kept: Arc<Kept>, id: Id<'static>) {
        self.put(Work::Cancel(kept, id));
    }

    fn put(&self, work: Work) {
        if let Err(error) = self.queue.try_send(work) {
            let (mpsc::error::TrySendError::Full(work) | mpsc::error::TrySendError::Closed(work)) = error;
            if let Work::End(kept) | Work::Cancel(kept, _) = work {
                tracing::warn!(server = %kept.server.name, "a server is not told of an end: too many at once");
            }
        }
    }

    /// Waits until those that were to be ended before are.
    pub(crate) async fn settled(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Work::Barrier(done)).await.is_ok() {
            // An error means that the task is gone, and with it everything that was queued.
            let _ = wait.await;
        }
    }
}

/// Starts the task; it ends when the gate is gone.
pub(crate) fn start(shared: &Arc<Shared>) {
    let work = shared.mcp.ends.work.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(work) = work {
        tokio::spawn(tend(Arc::downgrade(shared), work));
    }
}

async fn tend(shared: Weak<Shared>, mut work: mpsc::Receiver<Work>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(AT_ONCE);
    loop {
        tokio::select! {
            taken = work.recv_many(&mut batch, AT_ONCE) => {
                let (Some(shared), true) = (shared.upgrade(), taken > 0) else { return };
                let mut done = Vec::new();
                let ending = batch.drain(..).filter_map(|one| match one {
                    Work::End(kept) => Some(tell(&shared, kept, None)),
                    Work::Cancel(kept, id) => Some(tell(&shared, kept, Some(id))),
                    Work::Barrier(told) => {
                        done.push(told);
                        None
                    }
                });
                let ending: Vec<_> = ending.collect();
                join_all(ending).await;
                for told in done {
                    // Nobody may be waiting any more.
                    let _ = told.send(());
                }
            }
            _ = look.tick() => {
                let Some(shared) = shared.upgrade() else { return };
                for kept in shared.mcp.keeping.idle(shared.closer.now()) {
                    shared.mcp.ends.end(kept);
                }
            }
        }
    }
}

/// An actor was stopped: the sessions in whose name it has a part are ended.
pub(crate) fn stopped(shared: &Shared, actor: Actor) {
    for kept in shared.mcp.keeping.of_actor(actor) {
        shared.mcp.ends.end(kept);
    }
}

/// A caller ended its session with all servers: those that the gate keeps for its task are ended.
pub(crate) fn left(shared: &Shared, place: &Place) {
    for kept in shared.mcp.keeping.of_task(place.actor, place.task) {
        shared.mcp.ends.end(kept);
    }
}

/// Ends all sessions, and waits for it, [`DRAIN_WAIT`] at most.
pub(crate) async fn drain(shared: &Arc<Shared>) {
    let all = shared.mcp.keeping.all();
    let count = all.len();
    let ending = async {
        stream::iter(all).for_each_concurrent(AT_ONCE, |kept| tell(shared, kept, None)).await;
        shared.mcp.ends.settled().await;
    };
    if timeout(DRAIN_WAIT, ending).await.is_err() {
        tracing::warn!(count, "not all sessions with tool servers could be ended in time");
    }
}

/// Tells a server that a session has ended, or a call in it.
async fn tell(shared: &Arc<Shared>, kept: Arc<Kept>, call: Option<Id<'static>>) {
    let telling = async {
        let (known, letter) = match &call {
            None => (Passage::<Known>::farewell(&kept.origin, shared.call_id()), end(shared, &kept)),
            // Who was stopped loses the session as a whole.
            Some(id) => {
                (Passage::<Known>::aside(&kept.origin, shared.call_id())?, cancelled(shared, &kept, id)?)
            }
        };
        Box::pin(send(shared, known, letter, receipt(shared, &kept))).await
    };
    let why = match timeout(END_WAIT, telling).await {
        Ok(Ok(_)) => return,
        Ok(Err(refusal)) => refusal.code,
        Err(_) => "no answer in time",
    };
    tracing::info!(server = %kept.server.name, why, "a server was not told of an end");
}

fn end(shared: &Shared, kept: &Kept) -> Letter {
    let headers = head::to_listen(kept.session.as_deref(), kept.revision.as_str(), &HeaderMap::new());
    Letter::bare(shared, &kept.server, (http::Method::DELETE, reach::END), headers, None)
}

fn cancelled(shared: &Shared, kept: &Kept, id: &Id<'_>) -> Result<Letter, Refusal> {
    let broken = |why: String| Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(why);
    let params = format!("{{\"requestId\":{}}}", id.raw());
    let bytes = Bytes::from(jsonrpc::notification(Method::Cancelled.as_str(), Some(&params)));
    let document = Document::parse(&bytes, &Limits::default()).map_err(|error| broken(error.to_string()))?;
    let view = CallView::read(&document).map_err(|error| broken(error.to_string()))?;
    let to = (kept.session.as_deref(), Some(kept.revision));
    Letter::of_call(shared, &kept.server, &bytes, &document, &view, Vec::new(), to)
}

fn receipt(shared: &Arc<Shared>, kept: &Kept) -> Reading {
    let principal = &kept.origin.who().credential().principal;
    Reading {
        shared: Arc::clone(shared),
        origin: kept.origin.clone(),
        server: Arc::clone(&kept.server),
        channel: Channel::Receipt,
        method: Method::Other,
        id: None,
        place: Place { actor: principal.actor, task: principal.task, server: Some(kept.server.route) },
        session: None,
        upstream_session: kept.session.clone(),
        kept: None,
        state_of: String::new(),
        shape: Shape::Same,
        uris: Uris::Own,
        gather: false,
        open: None,
        judged: None,
        call: None,
        stated: None,
        answerable: None,
        under_way: AtomicBool::new(false),
    }
}

//! What the callers of a child and the task that attends it have in common.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use alcaide_inventory::{Actor, Name};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::bounds::{Bounds, ERRORS_KEPT, JUNK_MAX, SILENT_MAX, UNASKED_MAX};
use super::desk::{Desk, Given};
use super::error::End;
use super::falls::Falls;
use super::frame::{self, Heard};

/// One child, as all see it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: Name,
    pub(super) actor: Actor,
    pub(super) bounds: Bounds,
    pub(super) desk: Mutex<Desk>,
    /// To the child's input.
    pub(super) lines: mpsc::Sender<Bytes>,
    /// Whether it is to end, or has.
    pub(super) over: watch::Sender<Option<End>>,
    /// Whether its process is gone.
    pub(super) gone: watch::Sender<bool>,
    pub(super) tally: Tally,
    /// What it said on its standard errors, the end of it.
    pub(super) errors: Mutex<VecDeque<u8>>,
    falls: Arc<Mutex<Falls>>,
}

/// What is counted of a child.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) answered: AtomicU64,
    pub(super) junk: AtomicU64,
    pub(super) unasked: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) asked: AtomicU64,
    pub(super) lists: AtomicU64,
    pub(super) errors: AtomicU64,
    /// In a row, without an answer between.
    junk_run: AtomicU32,
    unasked_run: AtomicU32,
    silent_run: AtomicU32,
}

impl Shared {
    pub(super) fn new(
        (server, actor): (Name, Actor),
        bounds: Bounds,
        falls: Arc<Mutex<Falls>>,
        lines: mpsc::Sender<Bytes>,
    ) -> Self {
        Self {
            server,
            actor,
            bounds,
            desk: Mutex::new(Desk::new(Instant::now())),
            lines,
            over: watch::Sender::new(None),
            gone: watch::Sender::new(false),
            tally: Tally::default(),
            errors: Mutex::new(VecDeque::new()),
            falls,
        }
    }

    /// Ends the child: its open requests at once, its process by the task that attends it.
    pub(super) fn end(&self, how: &End) {
        if self.desk.lock().end(how) {
            if how.is_fall() {
                self.falls.lock().note(&self.bounds, Instant::now());
            }
            self.over.send_replace(Some(how.clone()));
        }
    }

    /// Ends the child if nobody has used it for long enough; gives when to look again.
    pub(super) fn end_if_idle(&self) -> Instant {
        let now = Instant::now();
        let mut desk = self.desk.lock();
        let since = desk.idle_since().unwrap_or(now);
        let until = since.checked_add(self.bounds.idle).unwrap_or(now);
        if until <= now && desk.end(&End::Idle) {
            drop(desk);
            self.over.send_replace(Some(End::Idle));
        }
        until
    }

    /// Takes a line of the child's output.
    ///
    /// # Errors
    /// How the child ends, if this line was one too many.
    pub(super) fn hear(&self, line: &Bytes) -> Result<(), End> {
        let tally = &self.tally;
        tally.silent_run.store(0, Ordering::Relaxed);
        let heard = match frame::heard(line) {
            Ok(heard) => heard,
            Err(why) => return self.junk(&why),
        };
        let now = Instant::now();
        let given = match heard {
            Heard::Response { own, id } => {
                if !self.desk.lock().answer(own, line, id, now) {
                    return self.junk("an answer to no request");
                }
                count(&tally.answered);
                tally.junk_run.store(0, Ordering::Relaxed);
                tally.unasked_run.store(0, Ordering::Relaxed);
                return Ok(());
            }
            Heard::Progress { own, token } => self.desk.lock().progress(own, line, token),
            Heard::Told { own, subscription } => self.desk.lock().told(own, line, subscription),
            Heard::Log => self.desk.lock().log(line),
            Heard::ListChanged => {
                count(&tally.lists);
                return self.unasked();
            }
            Heard::Notice => Given::Unasked,
            Heard::Asked { answer } => {
                count(&tally.asked);
                let mut answer = answer;
                answer.push(b'\n');
                // A child that asks without reading the answers gets none.
                if self.lines.try_send(answer.into()).is_err() {
                    count(&tally.dropped);
                }
                return self.unasked();
            }
        };
        if given != Given::Waits {
            count(&tally.dropped);
        }
        if given == Given::Unasked { self.unasked() } else { Ok(()) }
    }

    /// A request ran out of time.
    pub(super) fn late(&self, own: i64) {
        self.cancel(own, "the wait is over");
        let run = self.tally.silent_run.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if run >= SILENT_MAX {
            self.end(&End::Hung);
        }
    }

    /// Nobody waits for this request any more: the child is told, if it can be.
    pub(super) fn cancel(&self, own: i64, why: &str) {
        // Where its queue is full it does not read, and soon ends for that.
        if self.desk.lock().cancel(own, Instant::now()) {
            let _ = self.lines.try_send(frame::cancelling(own, why));
        }
    }

    /// Keeps the end of what the child says on its standard errors.
    pub(super) fn complain(&self, said: &[u8]) {
        self.tally.errors.fetch_add(u64::try_from(said.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let mut kept = self.errors.lock();
        kept.extend(said);
        let beyond = kept.len().saturating_sub(ERRORS_KEPT);
        kept.drain(..beyond);
    }

    fn junk(&self, why: &str) -> Result<(), End> {
        count(&self.tally.junk);
        let run = self.tally.junk_run.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let broken = || End::Broken { why: format!("{JUNK_MAX} messages in a row are none, such as {why}") };
        if run >= JUNK_MAX { Err(broken()) } else { Ok(()) }
    }

    fn unasked(&self) -> Result<(), End> {
        count(&self.tally.unasked);
        let run = self.tally.unasked_run.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let broken = || End::Broken { why: format!("{UNASKED_MAX} messages in a row that nobody asked for") };
        if run >= UNASKED_MAX { Err(broken()) } else { Ok(()) }
    }
}

fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}

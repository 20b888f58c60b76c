//! The open requests of one child: whose answer is whose, and what may wait for whom.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::bounds::{CANCELLED_MAX, NOTES_BYTES_MAX, OPEN_MAX};
use super::error::{End, StdioError};
use super::frame;

/// What answers come on.
pub(super) type Answer = Result<Bytes, StdioError>;

/// One request that a child has not answered yet.
#[derive(Debug)]
pub(super) struct Open {
    /// The caller's id, as written.
    pub(super) id: Box<str>,
    /// The caller's progress token, as written.
    pub(super) token: Option<Box<str>>,
    /// Whether it stays open for what the server has to tell.
    pub(super) listens: bool,
    pub(super) notes: mpsc::Sender<Bytes>,
    /// Bytes that wait in `notes`.
    pub(super) held: Arc<AtomicUsize>,
    pub(super) response: oneshot::Sender<Answer>,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Given {
    /// It waits for a caller.
    Waits,
    /// It belongs to an open request, but there is no room, or more than one could be meant.
    Dropped,
    /// It belongs to none.
    Unasked,
}

impl Open {
    /// Lets a notification wait for the caller, if there is room.
    fn note(&self, note: Bytes) -> Given {
        let bytes = note.len();
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= NOTES_BYTES_MAX);
        if self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            return Given::Dropped;
        }
        if self.notes.try_send(note).is_err() {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            return Given::Dropped;
        }
        Given::Waits
    }
}

/// All of them, and how the child ended once it has.
#[derive(Debug)]
pub(super) struct Desk {
    open: HashMap<i64, Open>,
    /// Oldest first.
    cancelled: VecDeque<i64>,
    last: i64,
    used: Instant,
    over: Option<End>,
}

impl Desk {
    pub(super) fn new(now: Instant) -> Self {
        Self { open: HashMap::new(), cancelled: VecDeque::new(), last: 0, used: now, over: None }
    }

    /// The id of the next request.
    pub(super) fn next_id(&mut self) -> i64 {
        self.last = self.last.saturating_add(1);
        self.last
    }

    /// Takes a request in.
    pub(super) fn open(&mut self, own: i64, request: Open, now: Instant) -> Result<(), StdioError> {
        if let Some(how) = &self.over {
            return Err(StdioError::Gone { how: how.clone() });
        }
        if self.open.len() >= OPEN_MAX {
            return Err(StdioError::Full { what: "requests of one tool server are open", max: OPEN_MAX });
        }
        self.used = now;
        self.open.insert(own, request);
        Ok(())
    }

    /// Answers a request; says whether the answer was one to anything.
    pub(super) fn answer(&mut self, own: i64, line: &Bytes, id: Range<usize>, now: Instant) -> bool {
        let Some(open) = self.open.remove(&own) else {
            let known = self.cancelled.iter().position(|cancelled| *cancelled == own);
            return known.and_then(|at| self.cancelled.remove(at)).is_some();
        };
        self.used = now;
        if let Some(line) = frame::restored(line, id, &open.id) {
            // A caller that is gone needs no answer.
            let _ = open.response.send(Ok(line));
        }
        true
    }

    /// Gives progress to the request that it is of.
    pub(super) fn progress(&self, own: i64, line: &Bytes, token: Range<usize>) -> Given {
        self.pass(own, |open| frame::restored(line, token, open.token.as_deref()?))
    }

    /// Gives a notification to the request that listens for it.
    pub(super) fn told(&self, own: i64, line: &Bytes, subscription: Range<usize>) -> Given {
        self.pass(own, |open| frame::restored(line, subscription, &open.id))
    }

    /// Gives a log message to the one request that is open. With several it could tell one task of another: nobody
    /// gets it then.
    pub(super) fn log(&self, line: &Bytes) -> Given {
        let mut asked = self.open.values().filter(|open| !open.listens);
        match (asked.next(), asked.next()) {
            (Some(open), None) => open.note(line.clone()),
            (Some(_), Some(_)) => Given::Dropped,
            (None, _) => Given::Unasked,
        }
    }

    fn pass(&self, own: i64, restore: impl FnOnce(&Open) -> Option<Bytes>) -> Given {
        let Some(open) = self.open.get(&own) else { return Given::Unasked };
        restore(open).map_or(Given::Unasked, |note| open.note(note))
    }

    /// Forgets a request that was never sent.
    pub(super) fn withdraw(&mut self, own: i64) {
        self.open.remove(&own);
    }

    /// Forgets a request that was sent; says whether the child is to be told.
    pub(super) fn cancel(&mut self, own: i64, now: Instant) -> bool {
        if self.open.remove(&own).is_none() {
            return false;
        }
        self.used = now;
        if self.cancelled.len() >= CANCELLED_MAX {
            self.cancelled.pop_front();
        }
        self.cancelled.push_back(own);
        true
    }

    /// Ends the child, once: every open request ends with it. Says whether it had not ended before.
    pub(super) fn end(&mut self, how: &End) -> bool {
        if self.over.is_some() {
            return false;
        }
        self.over = Some(how.clone());
        for (_, open) in self.open.drain() {
            let _ = open.response.send(Err(StdioError::Ended { how: how.clone() }));
        }
        true
    }

    /// How the child ended.
    pub(super) const fn over(&self) -> Option<&End> {
        self.over.as_ref()
    }

    /// Marks the child as used, unless it has ended.
    pub(super) fn touch(&mut self, now: Instant) -> bool {
        self.used = now;
        self.over.is_none()
    }

    /// When it was last used, if no request is open.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.open.is_empty().then_some(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bounds::NOTES_MAX;
    use super::*;

    struct Caller {
        notes: mpsc::Receiver<Bytes>,
        response: oneshot::Receiver<Answer>,
    }

    fn request(listens: bool) -> (Open, Caller) {
        let (notes, heard) = mpsc::channel(NOTES_MAX);
        let (response, answered) = oneshot::channel();
        let held = Arc::new(AtomicUsize::new(0));
        let open = Open { id: "\"c\"".into(), token: Some("\"t\"".into()), listens, notes, held, response };
        (open, Caller { notes: heard, response: answered })
    }

    fn desk() -> Desk {
        Desk::new(Instant::now())
    }

    fn ask(desk: &mut Desk, listens: bool) -> (i64, Caller) {
        let (open, caller) = request(listens);
        let own = desk.next_id();
        desk.open(own, open, Instant::now()).unwrap();
        (own, caller)
    }

    #[tokio::test]
    async fn an_answer_goes_to_whom_it_belongs_once() {
        let mut desk = desk();
        let ((one, mut first), (two, mut second)) = (ask(&mut desk, false), ask(&mut desk, false));
        let line = Bytes::from_static(b"{\"id\":2}");
        assert!(desk.answer(two, &line, 6..7, Instant::now()));
        assert!(!desk.answer(two, &line, 6..7, Instant::now()), "answered twice");
        assert!(!desk.answer(99, &line, 6..7, Instant::now()), "never asked");
        assert_eq!(second.response.try_recv().unwrap().unwrap(), "{\"id\":\"c\"}");
        assert!(first.response.try_recv().is_err());
        assert!(desk.cancel(one, Instant::now()) && !desk.cancel(one, Instant::now()));
        assert!(desk.answer(one, &line, 6..7, Instant::now()), "a late answer is known as such");
        assert!(!desk.answer(one, &line, 6..7, Instant::now()), "but once only");
        assert!(desk.idle_since().is_some());
    }

    #[tokio::test]
    async fn what_waits_for_a_slow_caller_is_bounded_in_number_and_bytes() {
        let mut desk = desk();
        let (own, mut caller) = ask(&mut desk, false);
        let line = Bytes::from_static(b"{\"t\":1}");
        for _ in 0..NOTES_MAX {
            assert_eq!(desk.progress(own, &line, 5..6), Given::Waits);
        }
        assert_eq!(desk.progress(own, &line, 5..6), Given::Dropped, "one past the number");
        assert_eq!(desk.progress(own + 1, &line, 5..6), Given::Unasked);
        assert_eq!(caller.notes.try_recv().unwrap(), "{\"t\":\"t\"}");
        let (_, _kept) = {
            desk.withdraw(own);
            ask(&mut desk, false)
        };
        let half = Bytes::from(vec![b' '; NOTES_BYTES_MAX / 2]);
        assert_eq!((desk.log(&half), desk.log(&half)), (Given::Waits, Given::Waits));
        assert_eq!(desk.log(&Bytes::from_static(b" ")), Given::Dropped, "one byte past");
    }

    #[tokio::test]
    async fn a_log_message_is_given_to_nobody_where_two_could_be_meant() {
        let mut desk = desk();
        let line = Bytes::from_static(b"{}");
        assert_eq!(desk.log(&line), Given::Unasked);
        let (_, _listener) = ask(&mut desk, true);
        let (_, mut caller) = ask(&mut desk, false);
        assert_eq!(desk.log(&line), Given::Waits);
        assert_eq!(caller.notes.try_recv().unwrap(), line);
        let (_, _other) = ask(&mut desk, false);
        assert_eq!(desk.log(&line), Given::Dropped);
    }

    #[tokio::test]
    async fn requests_are_bounded_and_end_with_the_child() {
        let mut desk = desk();
        let mut callers: Vec<_> = (0..OPEN_MAX).map(|_| ask(&mut desk, false).1).collect();
        let (open, _) = request(false);
        assert!(matches!(desk.open(1_000, open, Instant::now()), Err(StdioError::Full { .. })));
        assert!(desk.idle_since().is_none() && desk.touch(Instant::now()));
        assert!(desk.end(&End::Closed) && !desk.end(&End::Stuck));
        for caller in &mut callers {
            let ended = caller.response.try_recv().unwrap().unwrap_err();
            assert_eq!(ended, StdioError::Ended { how: End::Closed });
        }
        let (open, _) = request(false);
        let refused = desk.open(1_001, open, Instant::now()).unwrap_err();
        assert_eq!(refused, StdioError::Gone { how: End::Closed });
        assert!(!desk.touch(Instant::now()));
    }
}

//! The bytes of one connection on their way to hyper: framed, timed, and drained at the end.
//!
//! Reads go through the [`Framer`]; a head that is not whole yet is held back here. A refused head never
//! reaches hyper: in its place goes a harmless one, marked in the [`Meter`], and the service's adapter
//! answers that one with the problem. So a refusal keeps its turn among pipelined answers and has a document.
//!
//! Time is looked at only when a read or write must wait, and one timer each is set again only when it fires
//! early: an exchange on a kept connection costs one look at the clock.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::check::Refusal;
use crate::frame::{End, Framer};
use crate::limits::Limits;
use crate::listen::Stream;

/// What the two sides of hyper, bytes and service, tell each other.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    calls: AtomicU64,
    busy: AtomicBool,
    refused: OnceLock<(u64, Refusal)>,
}

impl Meter {
    /// A call begins; if it stands for a refused head, why.
    pub(crate) fn begin(&self) -> Option<&Refusal> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.busy.store(true, Ordering::Relaxed);
        self.refused.get().filter(|(at, _)| *at == number).map(|(_, refusal)| refusal)
    }

    /// The answer is with hyper, whole or torn.
    pub(crate) fn end(&self) {
        self.busy.store(false, Ordering::Relaxed);
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether a call is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }
}

/// A stream with a framer and deadlines.
pub(crate) struct Watched {
    io: Stream,
    framer: Framer,
    meter: Arc<Meter>,
    times: Times,
    /// Up to `ready`: may go on; behind: the beginning of a head. `given` of the first are gone already.
    held: Vec<u8>,
    ready: usize,
    given: usize,
    flow: Flow,
    wait: Option<(Wait, Instant)>,
    /// Number of the head whose body is awaited, and since when.
    body: Option<(u64, Instant)>,
    read_alarm: Alarm,
    stalled: Option<Instant>,
    write_alarm: Alarm,
    linger: Option<Instant>,
    discarded: usize,
}

#[derive(Clone, Copy)]
struct Times {
    header: Duration,
    body_idle: Duration,
    body: Duration,
    write: Duration,
    idle: Duration,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Flow {
    Open,
    Refused,
    Broken,
}

/// What a read waits for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Wait {
    Head,
    Body,
    Idle,
}

impl Watched {
    pub(crate) fn new(io: Stream, limits: &Limits, meter: Arc<Meter>) -> Self {
        Self {
            io,
            framer: Framer::new(limits),
            meter,
            times: Times {
                header: limits.header_timeout(),
                body_idle: limits.body_idle_timeout(),
                body: limits.body_timeout(),
                write: limits.write_idle_timeout(),
                idle: limits.keep_alive_idle(),
            },
            held: Vec::new(),
            ready: 0,
            given: 0,
            flow: Flow::Open,
            wait: None,
            body: None,
            read_alarm: Alarm::default(),
            stalled: None,
            write_alarm: Alarm::default(),
            linger: None,
            discarded: 0,
        }
    }

    /// Hands over what is held and may go on.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let waiting = self.held.get(self.given..self.ready).unwrap_or_default();
        let now = waiting.get(..waiting.len().min(buf.remaining())).unwrap_or_default();
        buf.put_slice(now);
        self.given += now.len();
        if self.given == self.ready {
            self.held.drain(..self.ready);
            if self.held.is_empty() {
                // A kept connection that waits costs no buffer.
                self.held = Vec::new();
            }
            self.ready = 0;
            self.given = 0;
        }
    }

    /// Judges the bytes that were just read into `buf` behind `before`.
    fn take(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let scan = if self.held.is_empty() {
            let scan = self.framer.scan(fresh);
            if let (End::Wait, Some(head)) = (&scan.end, fresh.get(scan.pass..)) {
                self.held.extend_from_slice(head);
            }
            buf.set_filled(before + scan.pass);
            scan
        } else {
            self.held.extend_from_slice(fresh);
            buf.set_filled(before);
            let scan = self.framer.scan(&self.held);
            self.ready = scan.pass;
            scan
        };
        if scan.pass > 0 {
            self.wait = None;
        }
        match scan.end {
            End::Wait => {}
            End::Refuse(refusal) => self.refuse(refusal),
            End::Broken => {
                self.held.truncate(self.ready);
                self.flow = Flow::Broken;
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.held.truncate(self.ready);
        self.held.extend_from_slice(STAND_IN);
        self.ready = self.held.len();
        // INVARIANT: after a refusal nothing more is read, so it is set once.
        let _ = self.meter.refused.set((self.framer.heads() + 1, refusal));
        self.flow = Flow::Refused;
    }

    /// A read must wait: how long may it? `Ready(Ok)` without bytes ends the connection quietly.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (wait, limit) = if !self.held.is_empty() {
            (Wait::Head, self.times.header)
        } else if self.framer.in_body() {
            (Wait::Body, self.times.body_idle)
        } else if self.meter.is_busy() {
            self.wait = None;
            return Poll::Pending;
        } else if self.framer.heads() == 0 {
            (Wait::Head, self.times.header)
        } else {
            (Wait::Idle, self.times.idle)
        };
        let since = match self.wait {
            Some((before, since)) if before == wait => since,
            _ => Instant::now(),
        };
        self.wait = Some((wait, since));
        let mut deadline = since + limit;
        if wait == Wait::Body {
            let begun = match self.body {
                Some((head, begun)) if head == self.framer.heads() => begun,
                _ => since,
            };
            self.body = Some((self.framer.heads(), begun));
            deadline = deadline.min(begun + self.times.body);
        }
        if self.read_alarm.poll(cx, deadline).is_pending() {
            return Poll::Pending;
        }
        match wait {
            Wait::Body => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Wait::Idle => Poll::Ready(Ok(())),
            Wait::Head => {
                if !self.held.is_empty() {
                    self.refuse(Refusal::HeadSlow);
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Reads and forgets, so that closing does not reset the connection before the answer is read.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0_u8; 4_096];
        while self.discarded < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.discarded += buf.filled().len(),
                Poll::Ready(_) => break,
            }
        }
        self.discarded = LINGER_BYTES;
        Poll::Ready(())
    }

    /// Passes a write's result on; one that waits too long fails.
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            if matches!(self.wait, Some((Wait::Idle, _))) {
                self.wait = None;
            }
            return result;
        }
        let since = *self.stalled.get_or_insert_with(Instant::now);
        match self.write_alarm.poll(cx, since + self.times.write) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.given < this.ready {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            match this.flow {
                Flow::Open => {}
                Flow::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                Flow::Refused => {
                    // The client looks silent: an end of file here would make hyper drop the answer.
                    let _ = this.poll_discard(cx);
                    return Poll::Pending;
                }
            }
            let before = buf.filled().len();
            match Pin::new(&mut this.io).poll_read(cx, buf) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let late = this.poll_late(cx);
                    if this.flow == Flow::Open {
                        return late;
                    }
                    continue;
                }
            }
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            this.take(buf, before);
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.io).poll_flush(cx) {
            Poll::Pending => this.written(cx, Poll::Pending),
            ready => {
                // hyper may not read again before the next bytes come, so the wait for them begins here. What
                // it says is of no interest yet: when the time is up, the task wakes and reads.
                if this.flow == Flow::Open && this.wait.is_none() && !this.meter.is_busy() {
                    let _ = this.poll_late(cx);
                }
                ready
            }
        }
    }

    /// Ends our side; if the client may still be sending, reads on for a moment (RFC 9112, section 9.6).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let since = match this.linger {
            Some(since) => since,
            None => {
                match Pin::new(&mut this.io).poll_shutdown(cx) {
                    Poll::Pending => return this.written(cx, Poll::Pending),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) => {}
                }
                if this.flow == Flow::Open && !this.framer.in_body() && this.held.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                *this.linger.insert(Instant::now())
            }
        };
        if this.poll_discard(cx).is_ready() || this.read_alarm.poll(cx, since + LINGER).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

/// One timer that is set when first needed, and set again only when it fires before the deadline of the day.
#[derive(Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// What hyper gets in the place of a refused head.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
/// How long and how much is read and forgotten at the end; enough for what was under way.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1_024 * 1_024;

//! A streamed answer, released event by event as it is polled. Nothing runs when nobody reads.
//!
//! All that has arrived when the caller asks becomes one frame, up to [`FRAME_BYTES`]: an upstream that writes event by event
//! costs one write for each only where the events come one by one. Nothing waits for more to come. Where nothing is to be hidden or blocked,
//! events pass at once and texts are only looked at; otherwise an event waits until each of its texts is decided
//! (at most the engine's hold-back). Of an event only its type and its data pass, for only they are looked at; where it
//! has nothing else and nothing is edited, it passes byte for byte.
//!
//! The stream is cut by an order (looked for every [`STOP_TICK`]), by content that may not pass, by silence longer than
//! declared; then the protocol's own error event follows, and the outcome says why. A caller that hangs up drops the
//! body: the connection to the upstream is closed, and the outcome says how many bytes were released.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use alcaide_identity::{Credential, Verified};
use alcaide_inspect::canary::{Canary, Watch};
use alcaide_inspect::{Engine, Stream as TextStream};
use alcaide_inventory::declare::Price;
use alcaide_record::{End, FindingCount};
use alcaide_serve::CodeEntry;
use alcaide_wire::json::Document;
use alcaide_wire::json::edit::{self, Splice};
use alcaide_wire::llm::{Channel, OpaqueKind, Operation, Segment, StreamView, Terminal, error_event, ping};
use alcaide_wire::sse::{Frame as SseFrame, SseEvent, SseReader};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use super::json::reply_limits;
use super::lane::{LANES_MAX, Lanes, Waiting, blocked};
use super::{Lens, priced};
use crate::attempt::Attempt;
use crate::canary;
use crate::content::{Demands, count, strings};
use crate::link::Answer;
use crate::metrics::{Open, What};
use crate::passage::STOP_TICK;
use crate::refusal;

/// How long a stream may be silent towards the caller before a comment keeps it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longest single event that is taken.
const EVENT_BYTES_MAX: usize = 4 << 20;
/// Longest stream, in bytes released: an endless one ends here.
const STREAM_BYTES_MAX: u64 = 256 << 20;
/// A frame with so many bytes goes without a look at what else has arrived.
const FRAME_BYTES: usize = 16 << 10;
/// So many chunks are taken without a look at the clock.
const CHUNKS_AT_ONCE: u32 = 64;
/// Most bytes that wait for a decision; a hold-back is far less.
const QUEUE_BYTES_MAX: usize = 8 << 20;

/// The body of a streamed answer.
pub struct StreamBody {
    upstream: Option<Answer>,
    reader: SseReader,
    view: StreamView,
    look: Look,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    attempt: Option<Attempt>,
    who: Arc<Verified<Credential>>,
    tick: Pin<Box<Sleep>>,
    heard: Instant,
    looked: Instant,
    spoke: Instant,
    idle_timeout: Duration,
    bytes_max: u64,
    /// The upstream has said why the answer ended: the usage told from here on is the whole one.
    finished: bool,
    /// The protocol's end mark was released.
    done: bool,
    /// Nothing follows.
    ended: bool,
    /// Counts the stream while it is there.
    _open: Open,
}

/// How texts are looked at.
struct Look {
    operation: Operation,
    engine: Arc<Engine>,
    /// The task's mark, where it is looked for, and the texts that it is looked for in.
    canary: Option<Canary>,
    marked: Vec<(Channel, Watch)>,
    demands: Demands,
    price: Price,
    /// Texts that wait for decisions, where anything is to be hidden or blocked.
    lanes: Lanes,
    /// Texts that are only counted, where nothing is.
    watched: Vec<(Channel, TextStream)>,
}

/// An event that waits.
struct Queued {
    event: SseEvent,
    waiting: Vec<Waiting>,
    /// Edits of texts that were decided at once, as they tell again what deltas told.
    splices: Vec<Splice>,
    /// Parts to be emptied if anything in the event is replaced.
    probabilities: Vec<std::ops::Range<usize>>,
    terminal: bool,
}

/// Why the gate ends a stream.
struct Cut {
    end: End,
    code: CodeEntry,
}

impl StreamBody {
    pub(super) fn new(
        upstream: Answer,
        attempt: Attempt,
        idle_timeout: Duration,
        lens: Lens,
        (operation, price, hide_usage): (Operation, Price, bool),
    ) -> Self {
        let now = Instant::now();
        let bytes_max = lens.demands.reply_bytes.unwrap_or(STREAM_BYTES_MAX).min(STREAM_BYTES_MAX);
        Self {
            _open: attempt.closer().metrics().open(What::Stream),
            upstream: Some(upstream),
            reader: SseReader::new(EVENT_BYTES_MAX),
            view: StreamView::new(operation, hide_usage, reply_limits()),
            look: Look {
                operation,
                engine: lens.engine,
                canary: lens.canary,
                marked: Vec::new(),
                demands: lens.demands,
                price,
                lanes: Lanes::default(),
                watched: Vec::new(),
            },
            queue: VecDeque::new(),
            queued_bytes: 0,
            attempt: Some(attempt),
            who: lens.who,
            tick: Box::pin(tokio::time::sleep_until(now + STOP_TICK)),
            heard: now,
            looked: now,
            spoke: now,
            idle_timeout,
            bytes_max,
            finished: false,
            done: false,
            ended: false,
        }
    }

    /// Takes a chunk of the upstream; what may go now is appended to `out`.
    fn take(&mut self, chunk: Bytes, out: &mut BytesMut) -> Result<(), Cut> {
        let mut events = Vec::new();
        let read = self.reader.push(chunk, &mut events);
        for event in events {
            self.event(event, out)?;
        }
        read.map_err(|_| Cut { end: End::TooLong, code: refusal::UPSTREAM_BROKEN })
    }

    fn event(&mut self, event: SseEvent, out: &mut BytesMut) -> Result<(), Cut> {
        let broken = || Cut { end: End::UpstreamBroken, code: refusal::UPSTREAM_BROKEN };
        // After the end mark nothing more is believed.
        if self.done {
            return Ok(());
        }
        // A block without data is no event: comments, which nobody looks at. The gate keeps a stream open itself.
        if event.data().is_none() {
            return Ok(());
        }
        // Readers differ on odd events: such a one is written anew, so that the caller reads what was judged.
        let event = if event.is_plain() { event } else { plain(&event).ok_or_else(broken)? };
        let Some(attempt) = self.attempt.as_mut() else { return Ok(()) };
        let read = self.view.read(&event).map_err(|_| broken())?;
        let terminal = read.terminal.is_some();
        self.finished |= terminal || !read.finish.is_empty();
        if let Some(usage) = read.usage {
            attempt.told.usage = Some(priced(usage, self.look.price));
            // Told at the beginning (`message_start`), it says nothing of the output that is still to come.
            attempt.told.partial = !self.finished;
        }
        if terminal {
            attempt.told.partial = false;
        }
        let failed = matches!(read.terminal, Some(Terminal::Failed)) || read.error.is_some();
        // Where something must not pass, nothing passes that was not looked into, such as events of types that are not
        // known, which clients skip.
        if read.hidden || (read.unknown && !self.look.demands.lets_all()) {
            return Ok(());
        }
        if !read.opaque.is_empty() && self.look.demands.blocks_uninspected() {
            return Err(Cut { end: End::ContentCut, code: refusal::REPLY_BLOCKED });
        }
        let shown = shown(&event, read.named).ok_or_else(broken)?;
        let probabilities = read
            .opaque
            .iter()
            .filter(|part| part.kind == OpaqueKind::LogProbabilities)
            .map(|part| part.span.clone())
            .collect();
        let findings = &mut attempt.told.findings;
        let unknown = read.unknown;
        let mut queued =
            Queued { event: shown, waiting: Vec::new(), splices: Vec::new(), probabilities, terminal };
        for delta in &read.deltas {
            self.look.mark(delta, findings)?;
        }
        if self.look.demands.lets_all() {
            for delta in &read.deltas {
                self.look.watch(delta, findings)?;
            }
        } else {
            for delta in &read.deltas {
                self.look.decide(delta, &mut self.queue, &mut queued, findings)?;
            }
        }
        if unknown {
            self.look.unknown(&event, findings)?;
        }
        if terminal || failed {
            self.look.finish(&mut self.queue, &mut queued.waiting, findings)?;
        }
        if self.queue.is_empty() && queued.waiting.is_empty() && queued.splices.is_empty() {
            out.extend_from_slice(queued.event.raw());
            self.done |= terminal;
            return Ok(());
        }
        self.queued_bytes = self.queued_bytes.saturating_add(queued.event.raw().len());
        if self.queued_bytes > QUEUE_BYTES_MAX {
            return Err(Cut { end: End::TooLong, code: refusal::UPSTREAM_BROKEN });
        }
        self.queue.push_back(queued);
        self.drain(out).map_err(|_| broken())
    }

    /// Releases the events at the front whose texts are decided.
    fn drain(&mut self, out: &mut BytesMut) -> Result<(), edit::EditError> {
        while let Some(front) = self.queue.front() {
            if !front.waiting.iter().all(|delta| self.look.lanes.is_decided(delta)) {
                break;
            }
            let Some(front) = self.queue.pop_front() else { break };
            self.queued_bytes = self.queued_bytes.saturating_sub(front.event.raw().len());
            self.done |= front.terminal;
            let mut splices = front.splices;
            for delta in front.waiting.iter().filter(|delta| delta.replaced) {
                splices.push(Splice::text(delta.span.clone(), delta.text()));
            }
            match front.event.data() {
                Some(data) if !splices.is_empty() => {
                    for span in front.probabilities {
                        splices.push(Splice::new(span, Bytes::from_static(b"null")));
                    }
                    let edited = edit::apply(&Bytes::copy_from_slice(data), splices)?;
                    out.extend_from_slice(&front.event.with_data(&edited));
                }
                _ => out.extend_from_slice(front.event.raw()),
            }
        }
        Ok(())
    }

    /// The upstream has ended its body.
    fn upstream_ended(&mut self, out: &mut BytesMut) -> Result<(), Cut> {
        if let Some(rest) = self.reader.finish() {
            // An event without its blank line: the standard drops it, and so does the gate.
            drop(rest);
        }
        if self.done {
            return Ok(());
        }
        if let Some(attempt) = self.attempt.as_mut() {
            self.look.finish(&mut self.queue, &mut [], &mut attempt.told.findings)?;
        }
        self.drain(out).map_err(|_| Cut { end: End::UpstreamBroken, code: refusal::UPSTREAM_BROKEN })?;
        if self.done { Ok(()) } else { Err(Cut { end: End::UpstreamBroken, code: refusal::UPSTREAM_BROKEN }) }
    }

    /// Ends the stream: the protocol's error event, and the outcome.
    fn cut(&mut self, cut: &Cut, out: &mut BytesMut) {
        self.upstream = None;
        self.ended = true;
        self.queue.clear();
        let error = error_event(
            self.look.operation,
            cut.code.status,
            cut.code.code,
            cut.code.what,
            None,
            self.view.next_sequence(),
        );
        out.extend_from_slice(&error);
        self.count_released(out);
        if let Some(attempt) = self.attempt.take() {
            attempt.finish_as_told(cut.end);
        }
    }

    fn count_released(&mut self, out: &BytesMut) {
        if let Some(attempt) = self.attempt.as_mut() {
            let more = u64::try_from(out.len()).unwrap_or(u64::MAX);
            attempt.told.released_bytes = attempt.told.released_bytes.saturating_add(more);
        }
    }

    fn released(&self) -> u64 {
        self.attempt.as_ref().map_or(0, |attempt| attempt.told.released_bytes)
    }

    /// What time has brought: an order, too long a silence, or a comment that keeps the stream open.
    fn on_tick(&mut self, now: Instant, out: &mut BytesMut) -> Result<(), Cut> {
        let Some(attempt) = self.attempt.as_ref() else {
            // All is said; the upstream has this long to end its body, so that its connection can be used again.
            return Err(Cut { end: End::Complete, code: refusal::UPSTREAM_TIMEOUT });
        };
        let held = self.who.get();
        let memory = attempt.closer().memory();
        if let Err(why) = memory.is_good(&held.epochs, held.principal.token, &held.ancestors) {
            let code = if why.is_order() { refusal::STOPPED } else { refusal::ORDERS_OLD };
            return Err(Cut { end: End::Killed, code });
        }
        if now.duration_since(self.heard) >= self.idle_timeout {
            return Err(Cut { end: End::UpstreamTimeout, code: refusal::UPSTREAM_TIMEOUT });
        }
        if now.duration_since(self.spoke) >= KEEP_ALIVE {
            out.extend_from_slice(ping(self.look.operation));
        }
        Ok(())
    }

    /// What is in `out` goes to the caller.
    fn send(&mut self, out: BytesMut, now: Instant) -> Bytes {
        self.spoke = now;
        self.count_released(&out);
        if self.done
            && let Some(attempt) = self.attempt.take()
        {
            attempt.finish_as_told(End::Complete);
        }
        out.freeze()
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let mut out = BytesMut::new();
        let mut now = Instant::now();
        let mut chunks = 0_u32;
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            // An upstream that never pauses does not put off an order.
            if chunks.is_multiple_of(CHUNKS_AT_ONCE) {
                now = Instant::now();
                if now.duration_since(this.looked) >= STOP_TICK && this.attempt.is_some() {
                    this.looked = now;
                    if let Err(cut) = this.on_tick(now, &mut out) {
                        this.cut(&cut, &mut out);
                        return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
                    }
                }
            }
            chunks = chunks.wrapping_add(1);
            let Some(upstream) = this.upstream.as_mut() else {
                this.ended = true;
                return Poll::Ready(None);
            };
            match Pin::new(upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.heard = now;
                    let Ok(chunk) = frame.into_data() else { continue };
                    let taken = this.take(chunk, &mut out);
                    let coming = u64::try_from(out.len()).unwrap_or(u64::MAX);
                    let taken = if this.released().saturating_add(coming) > this.bytes_max {
                        Err(Cut { end: End::TooLong, code: refusal::UPSTREAM_BROKEN })
                    } else {
                        taken
                    };
                    if let Err(cut) = taken {
                        this.cut(&cut, &mut out);
                        return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
                    }
                    // What else has arrived goes with it.
                    if out.len() < FRAME_BYTES {
                        continue;
                    }
                }
                Poll::Ready(last) => {
                    this.upstream = None;
                    let end = match last {
                        None => this.upstream_ended(&mut out),
                        Some(_) if this.done => Ok(()),
                        Some(_) => Err(Cut { end: End::UpstreamBroken, code: refusal::UPSTREAM_BROKEN }),
                    };
                    if let Err(cut) = end {
                        this.cut(&cut, &mut out);
                        return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
                    }
                    // Told with the last frame, the end goes out in the same write.
                    this.ended = true;
                    if out.is_empty() {
                        return Poll::Ready(None);
                    }
                }
                Poll::Pending if out.is_empty() => {
                    ready!(this.tick.as_mut().poll(context));
                    now = Instant::now();
                    this.tick.as_mut().reset(now + STOP_TICK);
                    if let Err(cut) = this.on_tick(now, &mut out) {
                        if this.attempt.is_none() {
                            this.upstream = None;
                            this.ended = true;
                            return Poll::Ready(None);
                        }
                        this.cut(&cut, &mut out);
                        return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
                    }
                }
                Poll::Pending => {}
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(this.send(out, now)))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

impl Look {
    /// Looks for the task's mark. Letters of it may have gone when its end comes: where it must not pass, the answer ends.
    fn mark(&mut self, delta: &Segment<'_>, findings: &mut Vec<FindingCount>) -> Result<(), Cut> {
        let Some(canary) = self.canary.as_ref().filter(|_| !delta.repeats) else { return Ok(()) };
        let at = match self.marked.iter().position(|(channel, _)| *channel == delta.channel) {
            Some(at) => at,
            None if self.marked.len() >= LANES_MAX => return Err(too_many()),
            None => {
                self.marked.push((delta.channel, canary.watch()));
                self.marked.len() - 1
            }
        };
        let ends = self.marked.get_mut(at).is_some_and(|(_, watch)| watch.push(&delta.text));
        if ends {
            let finding = canary::finding(&delta.text);
            count(findings, &finding);
            if self.demands.blocks(&finding) || self.demands.hides(&finding) {
                return Err(Cut { end: End::ContentCut, code: refusal::REPLY_BLOCKED });
            }
        }
        Ok(())
    }

    /// Looks at a text without holding it.
    fn watch(&mut self, delta: &Segment<'_>, findings: &mut Vec<FindingCount>) -> Result<(), Cut> {
        if delta.repeats {
            return Ok(());
        }
        let at = match self.watched.iter().position(|(channel, _)| *channel == delta.channel) {
            Some(at) => at,
            None if self.watched.len() >= LANES_MAX => return Err(too_many()),
            None => {
                self.watched.push((delta.channel, self.engine.stream()));
                self.watched.len() - 1
            }
        };
        if let Some((_, stream)) = self.watched.get_mut(at) {
            for finding in stream.push(&delta.text).findings {
                count(findings, &finding);
            }
        }
        Ok(())
    }

    /// Pushes a text into its lane, and what that decides into the events that wait.
    fn decide(
        &mut self,
        delta: &Segment<'_>,
        queue: &mut VecDeque<Queued>,
        queued: &mut Queued,
        findings: &mut Vec<FindingCount>,
    ) -> Result<(), Cut> {
        if delta.repeats {
            // The whole text once more: decided whole, which is what its deltas came to.
            let found = self.engine.scan(&delta.text);
            self.may_pass(&found, delta)?;
            if found.iter().any(|finding| self.demands.hides(finding)) {
                let (safe, _) = alcaide_inspect::redact(&delta.text, &found, self.demands.mask);
                queued.splices.push(Splice::text(delta.span.clone(), &safe));
            }
            return Ok(());
        }
        let pushed =
            self.lanes.push(&self.engine, &self.demands, delta.channel, delta.span.clone(), &delta.text);
        let (waiting, lane, redacted) = pushed.ok_or_else(too_many)?;
        self.may_pass(&redacted.findings, delta)?;
        if redacted.is_replaced() && delta.sealed {
            return Err(Cut { end: End::ContentCut, code: refusal::REPLY_BLOCKED });
        }
        for finding in &redacted.findings {
            count(findings, finding);
        }
        queued.waiting.push(waiting);
        let earlier = queue.iter_mut().flat_map(|event| &mut event.waiting);
        Lanes::place(lane, &redacted, earlier.chain(&mut queued.waiting));
        Ok(())
    }

    /// Looks at an event of a type that is not known: every string of it, each as a whole. It passes only where
    /// nothing must be hidden or blocked, so what is found is counted.
    fn unknown(&self, event: &SseEvent, findings: &mut Vec<FindingCount>) -> Result<(), Cut> {
        let broken = || Cut { end: End::UpstreamBroken, code: refusal::UPSTREAM_BROKEN };
        let Some(data) = event.data() else { return Ok(()) };
        let document = Document::parse(data, &reply_limits()).map_err(|_| broken())?;
        for (_, text) in strings(document.root()) {
            for finding in &self.engine.scan(&text) {
                count(findings, finding);
            }
        }
        Ok(())
    }

    fn may_pass(&self, findings: &[alcaide_inspect::Finding], _delta: &Segment<'_>) -> Result<(), Cut> {
        match blocked(findings, &self.demands) {
            None => Ok(()),
            Some(_) => Err(Cut { end: End::ContentCut, code: refusal::REPLY_BLOCKED }),
        }
    }

    /// Ends all texts.
    fn finish(
        &mut self,
        queue: &mut VecDeque<Queued>,
        last: &mut [Waiting],
        findings: &mut Vec<FindingCount>,
    ) -> Result<(), Cut> {
        for (_, stream) in &mut self.watched {
            for finding in stream.finish().findings {
                count(findings, &finding);
            }
        }
        self.watched.clear();
        for (lane, redacted) in self.lanes.finish() {
            if blocked(&redacted.findings, &self.demands).is_some() {
                return Err(Cut { end: End::ContentCut, code: refusal::REPLY_BLOCKED });
            }
            for finding in &redacted.findings {
                count(findings, finding);
            }
            let earlier = queue.iter_mut().flat_map(|event| &mut event.waiting);
            Lanes::place(lane, &redacted, earlier.chain(last.iter_mut()));
        }
        Ok(())
    }
}

const fn too_many() -> Cut {
    Cut { end: End::UpstreamBroken, code: refusal::UPSTREAM_BROKEN }
}

/// The event as every reader takes it; absent where it says nothing.
pub(super) fn plain(event: &SseEvent) -> Option<SseEvent> {
    read_again(event.rewritten())
}

/// The event with what was looked at of it: its data, and its type where that is the one that the data tells.
fn shown(event: &SseEvent, named: bool) -> Option<SseEvent> {
    if !event.has_more() && (named || event.name().is_none()) {
        return Some(event.clone());
    }
    let name = event.name().filter(|_| named).map(String::from_utf8_lossy);
    read_again(SseFrame { name, data: event.data(), ..SseFrame::default() }.write())
}

fn read_again(written: Bytes) -> Option<SseEvent> {
    let mut events = Vec::with_capacity(1);
    let mut reader = SseReader::new(EVENT_BYTES_MAX);
    reader.push(written, &mut events).ok()?;
    events.pop()
}

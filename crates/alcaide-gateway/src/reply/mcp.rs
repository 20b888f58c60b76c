//! A tool server's answer: one message, or a stream of them that is released message by message as it is polled.
//!
//! Nothing runs when nobody reads. Notifications are searched and go on; what a server asks of the caller is a passage
//! of its own before the caller sees it ([`crate::mcp::down`]); the result is judged whole ([`judge`]) and ends the
//! stream. Comments, unknown fields and events of other types do not pass; the id of an event, by which a stream is taken
//! up again, is searched like its message. The gate keeps an open stream alive by comments of its own.

mod handled;
mod judge;
mod life;
mod reading;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use alcaide_label::Label;
use alcaide_record::{End, Stage};
use alcaide_wire::json::Document;
use alcaide_wire::json::edit;
use alcaide_wire::jsonrpc::{Id, Message};
use alcaide_wire::mcp::{CallView, EventMessage, Method, event_message};
use alcaide_wire::sse::{Frame as SseFrame, SseEvent, SseReader};
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use http::{HeaderValue, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use self::life::Life;
pub(crate) use self::reading::{Channel, Reading, Shape, Uris};
use super::json::{broken, collect, edits, end, reply_limits};
use super::{
    Labelled, Lens, PASSED_NAMES, Reader, Released, ReleasedBody, Reply, Source, is_type, released_headers,
};
use crate::attempt::Attempt;
use crate::link::Answer;
use crate::mcp::refuse::error_of;
use crate::mcp::state::Open;
use crate::mcp::stdio::{Answers, StdioError};
use crate::mcp::{LISTEN, down};
use crate::passage::STOP_TICK;
use crate::refusal::{self, Refusal};
use crate::worked::worked_here;

/// How long a stream may be silent towards the caller before a comment keeps it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longest single event that is taken.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// Looks at an answer of a tool server.
///
/// # Errors
/// The answer may not pass or is none; the outcome says so.
///
/// # Cancel safety
/// Dropped while it reads, the outcome says that the caller is gone, and the connection is closed.
pub(super) async fn release(labelled: Labelled, reading: Arc<Reading>) -> Result<Reply<Released>, Refusal> {
    let Labelled { raw, mut lens } = labelled;
    let (head, body) = (raw.head, raw.body);
    let mut attempt = raw.attempt;
    let status = head.status;
    let mut headers = released_headers(&head.headers);
    if reading.handled().is_some() {
        // What a server writes into ids is its own choice, too.
        PASSED_NAMES.iter().for_each(|name| drop(headers.remove(*name)));
    }
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        let refusal = Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because("the answer is compressed");
        return Err(end(attempt, End::UpstreamBroken, refusal));
    }
    lens.reader = Reader::Mcp(Arc::clone(&reading));
    if status.is_success() && is_type(&head.headers, "text/event-stream") {
        let gather = reading.gather;
        let mut feed = Feed::new(body, attempt, raw.idle_timeout, lens, reading);
        if gather {
            let bytes = feed.gather().await?;
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(Reply { stage: Released { status, headers, body: ReleasedBody::Whole(bytes) } });
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let body = ReleasedBody::Events(feed.into_body());
        return Ok(Reply { stage: Released { status, headers, body } });
    }
    let limit = lens.demands.reply_bytes.and_then(|most| usize::try_from(most).ok());
    let limit = limit.unwrap_or(super::REPLY_BYTES_MAX).min(super::REPLY_BYTES_MAX);
    let collected = match body {
        Source::Http(body) => collect(body, limit, raw.idle_timeout, &lens, &attempt).await,
        Source::Whole(bytes) | Source::Child(bytes, _) if bytes.len() <= limit => Ok(bytes),
        Source::Whole(_) | Source::Child(..) => Err(broken(&"the answer is too long")),
    };
    let bytes = match collected {
        Ok(bytes) => {
            reading.answered();
            bytes
        }
        Err((ended, refusal)) => return Err(end(attempt, ended, refusal)),
    };
    let answers = reading.channel == Channel::Answer && is_type(&head.headers, "application/json");
    let judged = match (answers, status.is_success()) {
        (true, _) => match judge::judge(&reading, &lens, &mut attempt, &bytes).await {
            Ok(bytes) => Ok(bytes),
            // An error that is no message of the protocol: its status alone tells the caller's client.
            Err((End::UpstreamBroken, _)) if !status.is_success() => Ok(Bytes::new()),
            Err(fault) => Err(fault),
        },
        (false, true) if reading.channel == Channel::Answer => {
            Err(broken(&"the answer to a request is neither JSON nor a stream"))
        }
        // A receipt, or an error outside of the protocol: nothing of its text passes.
        _ => Ok(Bytes::new()),
    };
    match judged {
        Ok(released) => {
            if released.is_empty() {
                headers.remove(header::CONTENT_TYPE);
            }
            attempt.told.released_bytes = u64::try_from(released.len()).unwrap_or(u64::MAX);
            attempt.finish_as_told(if status.is_success() { End::Complete } else { End::UpstreamRefused });
            Ok(Reply { stage: Released { status, headers, body: ReleasedBody::Whole(released) } })
        }
        Err((ended, refusal)) => Err(end(attempt, ended, refusal)),
    }
}

/// A stream of a tool server as it is read.
struct Feed {
    upstream: Option<Upstream>,
    reader: SseReader,
    queue: VecDeque<SseEvent>,
    attempt: Option<Attempt>,
    lens: Lens,
    reading: Arc<Reading>,
    life: Life,
    looked: Instant,
    spoke: Instant,
    /// Whether the server gave an event an id: the stream may be taken up again.
    resumable: bool,
    /// Nothing follows.
    done: bool,
}

/// Where a stream comes from.
enum Upstream {
    /// An HTTP connection.
    Http(Answer),
    /// A child process: its first message, and what follows.
    Child(Option<Bytes>, Option<Box<Answers>>),
}

impl Upstream {
    /// The next bytes of the stream. A child's message is an event each.
    async fn chunk(&mut self) -> Option<Result<Bytes, Cut>> {
        match self {
            Self::Http(body) => loop {
                match body.frame().await? {
                    Err(error) => return Some(Err(broken(&error).into())),
                    Ok(frame) => {
                        if let Ok(chunk) = frame.into_data() {
                            return Some(Ok(chunk));
                        }
                    }
                }
            },
            Self::Child(first, rest) => {
                let message = match first.take() {
                    Some(first) => Ok(first),
                    None => rest.as_mut()?.next().await?,
                };
                Some(message.map(|message| SseFrame::unnamed(&message).write()).map_err(|error| {
                    let end = if matches!(error, StdioError::Late { .. }) {
                        End::UpstreamTimeout
                    } else {
                        End::UpstreamBroken
                    };
                    let refusal = Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound)
                        .saying(error.for_caller())
                        .because(error.to_string());
                    Cut { end, refusal }
                }))
            }
        }
    }
}

/// Whether a message is a response.
pub(super) fn is_response(message: &[u8]) -> bool {
    let Ok(document) = Document::parse(message, &reply_limits()) else { return false };
    matches!(Message::read(&document), Ok(Message::Response(_)))
}

/// Why the gate ends a stream.
struct Cut {
    end: End,
    refusal: Refusal,
}

impl From<(End, Refusal)> for Cut {
    fn from((end, refusal): (End, Refusal)) -> Self {
        Self { end, refusal }
    }
}

impl Feed {
    fn new(source: Source, attempt: Attempt, idle: Duration, lens: Lens, reading: Arc<Reading>) -> Self {
        let now = Instant::now();
        let upstream = match source {
            Source::Http(body) => Upstream::Http(body),
            Source::Whole(first) => Upstream::Child(Some(first), None),
            Source::Child(first, rest) => Upstream::Child(Some(first), Some(rest)),
        };
        let life = Life::new(now, idle, &lens.demands, reading.listens());
        Self {
            upstream: Some(upstream),
            reader: SseReader::new(EVENT_BYTES_MAX),
            queue: VecDeque::new(),
            attempt: Some(attempt),
            lens,
            reading,
            life,
            looked: now,
            spoke: now,
            resumable: false,
            done: false,
        }
    }

    fn into_body(self) -> EventsBody {
        EventsBody(Box::pin(unfold(self, |mut feed| async move {
            let piece = feed.next().await?;
            Some((piece, feed))
        })))
    }

    /// Reads to the result, for the gate itself.
    async fn gather(&mut self) -> Result<Bytes, Refusal> {
        let broken = || {
            Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because("the stream ended without a result")
        };
        loop {
            match self.piece().await {
                Ok(Some(Piece::Result(bytes))) => match self.may_carry(&bytes) {
                    Ok(()) => {
                        self.finish(End::Complete, &bytes);
                        return Ok(bytes);
                    }
                    Err(cut) => return Err(self.given_up(cut)),
                },
                Ok(Some(_)) => {}
                Ok(None) => return Err(broken()),
                Err(cut) => return Err(self.given_up(cut)),
            }
        }
    }

    fn given_up(&mut self, cut: Cut) -> Refusal {
        if let Some(attempt) = self.attempt.take() {
            attempt.finish_as_told(cut.end);
        }
        cut.refusal
    }

    /// What goes to the caller next.
    async fn next(&mut self) -> Option<Bytes> {
        let piece = match self.piece().await {
            Ok(piece) => piece?,
            // Who listened is told nothing but the end: it may come again.
            Err(cut) if cut.end == End::Lapsed => {
                self.finish(cut.end, &Bytes::new());
                return None;
            }
            Err(cut) => return Some(self.cut(cut)),
        };
        self.spoke = Instant::now();
        let (bytes, last) = match piece {
            Piece::Event(bytes) | Piece::Comment(bytes) => (bytes, false),
            Piece::Result(data) => (SseFrame::unnamed(&data).write(), true),
            Piece::Last(event) => (event, true),
        };
        if let Err(cut) = self.may_carry(&bytes) {
            return Some(self.cut(cut));
        }
        if last {
            self.finish(End::Complete, &bytes);
        } else {
            self.count(&bytes);
        }
        Some(bytes)
    }

    /// Whether these bytes may be released beside what was.
    fn may_carry(&self, bytes: &Bytes) -> Result<(), Cut> {
        let released = self.attempt.as_ref().map_or(0, |attempt| attempt.told.released_bytes);
        self.life.may_carry(released.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
    }

    fn count(&mut self, bytes: &Bytes) {
        if let Some(attempt) = self.attempt.as_mut() {
            let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            attempt.told.released_bytes = attempt.told.released_bytes.saturating_add(more);
        }
    }

    fn finish(&mut self, end: End, last: &Bytes) {
        self.count(last);
        self.done = true;
        self.upstream = None;
        if let Some(attempt) = self.attempt.take() {
            attempt.finish_as_told(end);
        }
    }

    /// Ends the stream: an error for the request, and the outcome.
    fn cut(&mut self, cut: Cut) -> Bytes {
        let id = self.reading.id.as_ref();
        let bytes = SseFrame::unnamed(&error_of(&cut.refusal, id)).write();
        if let Some(why) = &cut.refusal.internal {
            tracing::info!(code = cut.refusal.code, why = &**why, "a stream was cut");
        }
        self.finish(cut.end, &bytes);
        bytes
    }

    /// The next thing that may pass; `None` when nothing follows.
    async fn piece(&mut self) -> Result<Option<Piece>, Cut> {
        loop {
            if self.done {
                return Ok(None);
            }
            while let Some(event) = self.queue.pop_front() {
                if let Some(piece) = self.event(event).await? {
                    return Ok(Some(piece));
                }
            }
            let now = Instant::now();
            if now.duration_since(self.looked) >= STOP_TICK {
                self.looked = now;
                self.may_go_on(now)?;
                if now.duration_since(self.spoke) >= KEEP_ALIVE {
                    return Ok(Some(Piece::Comment(Bytes::from_static(b": keep-alive\n\n"))));
                }
            }
            let Some(upstream) = self.upstream.as_mut() else { return self.ended() };
            match tokio::time::timeout(STOP_TICK, upstream.chunk()).await {
                Err(_) => {}
                Ok(None) => self.upstream = None,
                Ok(Some(Err(cut))) => return Err(cut),
                Ok(Some(Ok(chunk))) => {
                    let mut events = Vec::new();
                    self.reader.push(chunk, &mut events).map_err(|error| Cut::from(broken(&error)))?;
                    self.queue.extend(events);
                }
            }
        }
    }

    fn may_go_on(&mut self, now: Instant) -> Result<(), Cut> {
        // A child hears of it by the end of its call, a stateless server by that of its stream; others were told.
        if self.reading.open.as_ref().is_some_and(Open::is_cancelled)
            && (self.reading.shape == Shape::Handshake || matches!(self.upstream, Some(Upstream::Child(..))))
        {
            let refusal = Refusal::of(refusal::STOPPED, Stage::Bound).saying("the caller took the call back");
            return Err(Cut { end: End::Cancelled, refusal });
        }
        self.life.may_go_on(&self.reading, now)
    }

    /// The server has ended its stream.
    fn ended(&mut self) -> Result<Option<Piece>, Cut> {
        self.done = true;
        let cancelled = self.reading.open.as_ref().is_some_and(Open::is_cancelled);
        let end = match self.reading.channel {
            Channel::Listen | Channel::Receipt => End::Complete,
            Channel::Answer if cancelled => End::Cancelled,
            // The answer comes on a stream that the caller opens later.
            Channel::Answer if self.resumable => {
                // Where the gate keeps the server's side, the caller opens no stream on which it could come.
                if let (Some(open), None) = (&self.reading.open, &self.reading.kept) {
                    let parked = (Arc::clone(&self.reading), self.lens.demands.clone());
                    self.reading.shared.mcp.park(open.key().clone(), parked);
                }
                End::Complete
            }
            Channel::Answer => {
                return Err(broken(&"the stream ended without a result").into());
            }
        };
        if let Some(attempt) = self.attempt.take() {
            attempt.finish_as_told(end);
        }
        Ok(None)
    }

    async fn event(&mut self, event: SseEvent) -> Result<Option<Piece>, Cut> {
        let plain = if event.is_plain() { Some(event) } else { super::stream::plain(&event) };
        // What says nothing is a comment.
        let Some(event) = plain else { return Ok(None) };
        if let (Some(id), Some(attempt)) = (event.id(), self.attempt.as_mut()) {
            // Another id would be no id of the server's any more: where something in it must be hidden, it does not pass.
            let text = String::from_utf8_lossy(id);
            edits(std::iter::once((&(0..0), &*text, true)), &self.lens, attempt)?;
        }
        let data = match event_message(&event) {
            EventMessage::Message(data) => Bytes::copy_from_slice(data),
            EventMessage::Priming => {
                self.life.heard();
                self.resumable = true;
                if self.reading.handled().is_some() {
                    return Ok(None);
                }
                return Ok(Some(Piece::Event(event.raw().clone())));
            }
            EventMessage::Nothing | EventMessage::Foreign => return Ok(None),
        };
        self.life.heard();
        self.resumable |= event.id().is_some();
        let document = worked_here(data.len(), || Document::parse(&data, &reply_limits()))
            .await
            .map_err(|error| Cut::from(broken(&error.without_keys())))?;
        let message = Message::read(&document).map_err(|error| Cut::from(broken(&error)))?;
        match message {
            Message::Response(response) => self.response(&event, &data, response.id.as_ref()).await,
            Message::Request(_) => self.request(&event, &data).await,
            Message::Notification(_) => self.notification(&event, &data, &document).await,
        }
    }

    async fn response(
        &mut self,
        event: &SseEvent,
        data: &Bytes,
        id: Option<&Id<'_>>,
    ) -> Result<Option<Piece>, Cut> {
        let Some(attempt) = self.attempt.as_mut() else { return Ok(None) };
        if self.reading.channel == Channel::Answer {
            if id.is_some() && id != self.reading.id.as_ref() {
                return Err(broken(&"an answer to another request").into());
            }
            self.reading.answered();
            let judged = judge::judge(&self.reading, &self.lens, attempt, data).await?;
            return Ok(Some(if self.reading.gather {
                Piece::Result(judged)
            } else if self.reading.handled().is_some() {
                // Without its id, which is the server's to choose.
                Piece::Last(SseFrame::unnamed(&judged).write())
            } else if judged == *data {
                Piece::Last(event.raw().clone())
            } else {
                Piece::Last(event.with_data(&judged))
            }));
        }
        // Only what somebody waits for: an answer that is not known is not read, so it does not pass.
        let (Some(id), Some(session)) = (id, &self.reading.session) else { return Ok(None) };
        let key = (self.reading.place, Arc::clone(session), id.clone().into_owned());
        let Some((reading, demands)) = self.reading.shared.mcp.unpark(&key) else { return Ok(None) };
        // What was demanded of the call is demanded of its answer, on whatever stream it comes.
        let most = demands.reply_bytes.unwrap_or(u64::MAX);
        let lens = Lens {
            reader: Reader::Mcp(Arc::clone(&reading)),
            canary: None,
            engine: Arc::clone(&self.lens.engine),
            demands,
            who: Arc::clone(&self.lens.who),
        };
        let judged = judge::judge(&reading, &lens, attempt, data).await?;
        if u64::try_from(judged.len()).unwrap_or(u64::MAX) > most {
            return Err((End::TooLong, Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound)).into());
        }
        Ok(Some(Piece::Event(if reading.handled().is_some() {
            SseFrame::unnamed(&judged).write()
        } else {
            event.with_data(&judged)
        })))
    }

    async fn request(&mut self, event: &SseEvent, data: &Bytes) -> Result<Option<Piece>, Cut> {
        self.life.asked()?;
        match down::ask(&self.reading, data).await {
            Some((bytes, attempt)) => {
                let out = event.with_data(&bytes);
                let mut attempt = attempt;
                attempt.told.released_bytes = u64::try_from(out.len()).unwrap_or(u64::MAX);
                attempt.finish_as_told(End::Complete);
                Ok(Some(Piece::Event(out)))
            }
            None => Ok(None),
        }
    }

    async fn notification(
        &mut self,
        event: &SseEvent,
        data: &Bytes,
        document: &Document<'_>,
    ) -> Result<Option<Piece>, Cut> {
        let Some(attempt) = self.attempt.as_mut() else { return Ok(None) };
        if self.reading.handled().is_some() {
            // It could tell, beside the answer, what the answer does not.
            return Ok(None);
        }
        let view = worked_here(data.len(), || CallView::read(document))
            .await
            .map_err(|error| Cut::from(broken(&error)))?;
        if self.reading.uris == Uris::Union && view.method == Method::ResourcesUpdated {
            // Nothing was subscribed to here, and the caller does not know the resource by this URI.
            return Ok(None);
        }
        // That a list has changed says nothing; numbers can say something too.
        let says = document.root().get("params").is_some_and(|params| !params.is_empty());
        if self.reading.listens() && says {
            down::heard(&self.reading.aside(), data, LISTEN, Label::MISSING)
                .await
                .map_err(|refusal| Cut { end: End::ContentCut, refusal })?;
        }
        // Of a peer's answer the result alone is said anything of.
        if says && self.reading.server.peer.is_some() {
            down::heard(&self.reading.aside(), data, down::LABEL, Label::MISSING)
                .await
                .map_err(|refusal| Cut { end: End::ContentCut, refusal })?;
        }
        let segments = &view.segments;
        let taken = worked_here(data.len(), || self.reading.takes_in(document, segments, None, None)).await;
        if let Some(label) = taken {
            down::heard(&self.reading.aside(), data, down::RECALL, label)
                .await
                .map_err(|refusal| Cut { end: End::ContentCut, refusal })?;
        }
        let texts = view.segments.iter().map(|segment| (&segment.span, &*segment.text, false));
        let splices = worked_here(data.len(), || edits(texts, &self.lens, attempt)).await?;
        if splices.is_empty() {
            return Ok(Some(Piece::Event(event.raw().clone())));
        }
        let edited = edit::apply(data, splices).map_err(|error| Cut::from(broken(&error)))?;
        Ok(Some(Piece::Event(event.with_data(&edited))))
    }
}

/// What may pass of a stream.
enum Piece {
    /// An event.
    Event(Bytes),
    /// A comment of the gate's own.
    Comment(Bytes),
    /// The event with the result.
    Last(Bytes),
    /// The result, for the gate itself.
    Result(Bytes),
}

/// The body of a tool server's stream.
pub struct EventsBody(Pin<Box<dyn Stream<Item = Bytes> + Send>>);

impl Body for EventsBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.as_mut().poll_next(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

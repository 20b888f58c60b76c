//! Bodies: what an answer is made of, and how a request's body is collected under a bound.
//!
//! [`Body`] is one enum with no box on the paths that carry traffic: whole bytes, nothing, a bounded channel,
//! or the body of an upstream passed on frame by frame. A channel whose sender is dropped without
//! [`BodySender::finish`] ends in an error, so that the client sees a broken message and never takes a torn
//! answer for a whole one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::room::{Room, Taken};

/// Body of an answer.
#[derive(Default)]
#[non_exhaustive]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// All bytes, sent with their length.
    Full(Bytes),
    /// Pieces that come over a bounded channel; see [`Body::channel`].
    Channel(ChannelBody),
    /// The body of a message that we received, passed on.
    Incoming(Incoming),
    /// Any other body, behind a pointer: what the office makes, and what the gate releases of a stream event by event.
    Boxed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>),
}

impl Body {
    /// A body fed by the returned sender; at most `capacity` pieces (at least 1) wait for the client.
    #[must_use]
    pub fn channel(capacity: usize) -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let whole = Arc::new(AtomicBool::new(false));
        let body = ChannelBody { receiver, whole: Arc::clone(&whole), ended: false };
        (BodySender { sender, whole }, Self::Channel(body))
    }

    /// Wraps any body, at the price of one allocation and one indirect call per frame.
    #[must_use]
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        Self::Boxed(Box::pin(body.map_err(|error| BodyError::Broken { why: cut(&error.to_string()) })))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("Empty"),
            Self::Full(bytes) => write!(out, "Full({} bytes)", bytes.len()),
            Self::Channel(_) => out.write_str("Channel"),
            Self::Incoming(_) => out.write_str("Incoming"),
            Self::Boxed(_) => out.write_str("Boxed"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl From<Incoming> for Body {
    fn from(body: Incoming) -> Self {
        Self::Incoming(body)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Channel(body) => body.poll_frame(cx),
            Self::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Self::Boxed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Channel(body) => body.ended,
            Self::Incoming(body) => body.is_end_stream(),
            Self::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Channel(_) => SizeHint::default(),
            Self::Incoming(body) => body.size_hint(),
            Self::Boxed(body) => body.size_hint(),
        }
    }
}

/// Receiving half of [`Body::channel`].
pub struct ChannelBody {
    receiver: mpsc::Receiver<Bytes>,
    whole: Arc<AtomicBool>,
    ended: bool,
}

impl ChannelBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.receiver.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(None) => {
                self.ended = true;
                let whole = self.whole.load(Ordering::Acquire);
                Poll::Ready((!whole).then_some(Err(BodyError::Unfinished)))
            }
        }
    }
}

/// Feeds a [`Body::channel`].
///
/// Dropped without [`finish`](Self::finish), the answer is torn off: the client sees an incomplete message.
#[derive(Debug)]
pub struct BodySender {
    sender: mpsc::Sender<Bytes>,
    whole: Arc<AtomicBool>,
}

impl BodySender {
    /// Hands over one piece; waits while the channel is full, which is how a slow client slows the source.
    ///
    /// # Errors
    /// [`ClientGone`] if nobody will read it.
    ///
    /// # Cancel safety
    /// If dropped before it is done, the piece was not sent.
    pub async fn send(&self, piece: Bytes) -> Result<(), ClientGone> {
        self.sender.send(piece).await.map_err(|_| ClientGone)
    }

    /// Completes when the client is gone; for `select!` beside the source.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn gone(&self) {
        self.sender.closed().await;
    }

    /// Whether the client is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    /// Says that all was sent: the answer ends whole.
    pub fn finish(self) {
        self.whole.store(true, Ordering::Release);
    }
}

/// The client hung up, or the answer was dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the client is gone")]
pub struct ClientGone;

/// Why a body could not be read to its end.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// More bytes than allowed, announced or sent.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// Most bytes allowed.
        limit: usize,
    },
    /// No byte came for too long.
    #[error("no byte of the body came in time")]
    Idle,
    /// Other bodies have taken all the room there is for them.
    #[error("there is no room for the body now")]
    NoRoom,
    /// Other bytes than `content-length` announced.
    #[error("the body has {got} bytes, but {announced} were announced")]
    Length {
        /// Bytes announced.
        announced: u64,
        /// Bytes received.
        got: u64,
    },
    /// The connection ended, or the framing broke, before the end of the body.
    #[error("the body broke off: {why}")]
    Broken {
        /// What the reader said, cut.
        why: String,
    },
    /// The source of an answer stopped before its end.
    #[error("the answer was not finished by its source")]
    Unfinished,
}

impl BodyError {
    /// Code of the problem document for a caller whose request body this was.
    #[must_use]
    pub fn entry(&self) -> &'static crate::problem::CodeEntry {
        match self {
            Self::TooLarge { .. } => &crate::codes::BODY_TOO_LARGE,
            Self::Idle => &crate::codes::BODY_IDLE,
            Self::NoRoom => &crate::codes::BODY_NO_ROOM,
            Self::Length { .. } | Self::Broken { .. } | Self::Unfinished => &crate::codes::BODY_BROKEN,
        }
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.entry().cure
    }
}

impl From<hyper::Error> for BodyError {
    fn from(error: hyper::Error) -> Self {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            let io = cause.downcast_ref::<std::io::Error>();
            if io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
                return Self::Idle;
            }
            source = cause.source();
        }
        Self::Broken { why: cut(&error.to_string()) }
    }
}

/// Collects a body of at most `limit` bytes; a body of one frame is not copied. Trailers are dropped.
///
/// `idle` bounds the wait for each frame; the timer exists only if a frame has to be waited for.
///
/// # Errors
/// [`BodyError::TooLarge`] as soon as more is announced or received; [`BodyError::Idle`] if a frame does not
/// come in time; [`BodyError::Length`] if the announced length lied; [`BodyError::Broken`] if the sender
/// broke off.
///
/// # Cancel safety
/// Not cancel safe: what was read is lost.
pub async fn collect_limited<B>(body: B, limit: usize, idle: Duration) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    collect(body, limit, idle, &mut None).await
}

/// The same within the room that all bodies share; the bytes hold their room until the last clone of them is dropped.
///
/// `idle` bounds the wait for room as well.
///
/// # Errors
/// As [`collect_limited`]; [`BodyError::NoRoom`] if others do not give room back in time.
///
/// # Cancel safety
/// Not cancel safe: what was read is lost; its room is given back.
pub async fn collect_within<B>(body: B, limit: usize, idle: Duration, room: &Room) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    let mut taken = Some(Taken::none(room));
    let bytes = collect(body, limit, idle, &mut taken).await?;
    Ok(match taken {
        Some(taken) => taken.keep(bytes),
        None => bytes,
    })
}

async fn collect<B>(
    mut body: B,
    limit: usize,
    idle: Duration,
    room: &mut Option<Taken<'_>>,
) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |bytes| bytes > limit)) {
        return Err(BodyError::TooLarge { limit });
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut got: usize = 0;
    while let Some(frame) = next_frame(&mut body, idle).await? {
        let Ok(piece) = frame.into_data() else { continue };
        got = got.saturating_add(piece.len());
        if got > limit {
            return Err(BodyError::TooLarge { limit });
        }
        if piece.is_empty() {
            continue;
        }
        if let Some(room) = room {
            room.grow(got, idle).await?;
        }
        if first.is_empty() && rest.is_empty() {
            first = piece;
            continue;
        }
        if rest.is_empty() {
            let ahead = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(got).min(limit);
            rest.reserve(ahead.max(got));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&piece);
    }
    let got_bytes = u64::try_from(got).unwrap_or(u64::MAX);
    match announced {
        Some(announced) if announced != got_bytes => Err(BodyError::Length { announced, got: got_bytes }),
        _ if rest.is_empty() => Ok(first),
        _ => Ok(rest.freeze()),
    }
}

async fn next_frame<B>(body: &mut B, idle: Duration) -> Result<Option<Frame<Bytes>>, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
    std::future::poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(Into::into)),
        Poll::Pending => {
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
            timer.as_mut().poll(cx).map(|()| Err(BodyError::Idle))
        }
    })
    .await
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A body made of given frames, with an announced length, then an end or silence.
    struct Script {
        pieces: VecDeque<Bytes>,
        announced: Option<u64>,
        silent: bool,
    }

    impl Script {
        fn new(pieces: &[&'static str]) -> Self {
            let pieces = pieces.iter().map(|p| Bytes::from_static(p.as_bytes())).collect();
            Self { pieces, announced: None, silent: false }
        }
    }

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            match self.pieces.pop_front() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                None if self.silent => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
        fn size_hint(&self) -> SizeHint {
            self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    const IDLE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn one_frame_is_not_copied() {
        let bytes = Bytes::from_static(b"whole");
        let at = bytes.as_ptr();
        let body = Script { pieces: [bytes].into(), announced: Some(5), silent: false };
        let got = collect_limited(body, 5, IDLE).await.unwrap();
        assert_eq!((got.as_ptr(), got.as_ref()), (at, b"whole".as_ref()));
    }

    #[tokio::test]
    async fn frames_are_joined_up_to_the_limit_and_not_one_past() {
        assert_eq!(collect_limited(Script::new(&["ab", "", "cd", "e"]), 5, IDLE).await.unwrap(), "abcde");
        let past = collect_limited(Script::new(&["ab", "cd", "ef"]), 5, IDLE).await;
        assert_eq!(past, Err(BodyError::TooLarge { limit: 5 }));
        assert_eq!(collect_limited(Script::new(&[]), 5, IDLE).await.unwrap(), "");
    }

    #[tokio::test]
    async fn an_announced_length_is_held_to() {
        let mut body = Script::new(&["abc"]);
        body.announced = Some(6);
        assert_eq!(collect_limited(body, 5, IDLE).await, Err(BodyError::TooLarge { limit: 5 }));
        let mut body = Script::new(&["abc"]);
        body.announced = Some(4);
        assert_eq!(collect_limited(body, 5, IDLE).await, Err(BodyError::Length { announced: 4, got: 3 }));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_bounded() {
        let mut body = Script::new(&["abc"]);
        body.silent = true;
        let before = tokio::time::Instant::now();
        assert_eq!(collect_limited(body, 5, IDLE).await, Err(BodyError::Idle));
        assert_eq!(before.elapsed().as_secs(), 30);
    }

    #[tokio::test]
    async fn a_finished_channel_ends_whole_and_a_dropped_one_does_not() {
        let (sender, body) = Body::channel(4);
        sender.send(Bytes::from_static(b"ab")).await.unwrap();
        sender.finish();
        assert_eq!(collect_limited(body, 5, IDLE).await.unwrap(), "ab");

        let (sender, body) = Body::channel(4);
        sender.send(Bytes::from_static(b"ab")).await.unwrap();
        drop(sender);
        assert_eq!(collect_limited(body, 5, IDLE).await, Err(BodyError::Unfinished));
    }

    #[tokio::test]
    async fn the_sender_learns_that_the_client_is_gone() {
        let (sender, body) = Body::channel(1);
        assert!(!sender.is_gone());
        drop(body);
        sender.gone().await;
        assert_eq!(sender.send(Bytes::from_static(b"x")).await, Err(ClientGone));
    }
}

//! The body of an answer, as its script plays it: pieces, then an end, a break, a silence or no end at all.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

use crate::gate::Gate;
use crate::model::tally::Stay;

/// A body that plays pieces and then does `then`.
pub(crate) struct Play {
    pieces: VecDeque<Bytes>,
    then: Then,
    stay: Stay,
}

/// What follows the pieces.
pub(crate) enum Then {
    /// The body is complete.
    End,
    /// The connection breaks. Once before that, what was played is given time to leave.
    Break {
        /// Whether it has been given.
        flushed: bool,
    },
    /// The same piece, for ever.
    Repeat(Bytes),
    /// A wait, then more pieces and the end.
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>, VecDeque<Bytes>),
}

impl Play {
    pub(crate) fn new(pieces: VecDeque<Bytes>, then: Then, stay: Stay) -> Self {
        Self { pieces, then, stay }
    }
}

impl Then {
    pub(crate) fn wait(gate: &Gate, rest: VecDeque<Bytes>) -> Self {
        let gate = gate.clone();
        Self::Wait(Box::pin(async move { gate.passed().await }), rest)
    }
}

impl Body for Play {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                if self.pieces.is_empty() && matches!(self.then, Then::End) {
                    self.stay.finish();
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match &mut self.then {
                Then::End => {
                    self.stay.finish();
                    return Poll::Ready(None);
                }
                Then::Repeat(piece) => return Poll::Ready(Some(Ok(Frame::data(piece.clone())))),
                Then::Break { flushed: flushed @ false } => {
                    *flushed = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Then::Break { flushed: true } => {
                    self.stay.finish();
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                Then::Wait(gate, rest) => {
                    ready!(gate.as_mut().poll(cx));
                    self.pieces = std::mem::take(rest);
                    self.then = Then::End;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && matches!(self.then, Then::End)
    }
}

impl fmt::Debug for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Play").field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// Cuts `pieces` anew into pieces of `size` bytes, whatever they were before.
pub(crate) fn recut(pieces: VecDeque<Bytes>, size: NonZeroUsize) -> VecDeque<Bytes> {
    let mut whole = Bytes::from(Vec::from(pieces).concat());
    let mut out = VecDeque::new();
    while whole.len() > size.get() {
        out.push_back(whole.split_to(size.get()));
    }
    if !whole.is_empty() {
        out.push_back(whole);
    }
    out
}

/// The first `bytes` of `pieces`, cut where they were cut.
pub(crate) fn head(pieces: VecDeque<Bytes>, bytes: u64) -> VecDeque<Bytes> {
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut out = VecDeque::new();
    for mut piece in pieces {
        if left == 0 {
            break;
        }
        piece.truncate(left);
        left -= piece.len();
        out.push_back(piece);
    }
    out
}

/// A service that answers every request never fails by itself.
pub(crate) type Never = Infallible;

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(of: &[&'static str]) -> VecDeque<Bytes> {
        of.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect()
    }

    #[test]
    fn bytes_survive_any_cut() {
        let cut = recut(pieces(&["abc", "", "defg"]), NonZeroUsize::new(2).unwrap());
        assert_eq!(cut, pieces(&["ab", "cd", "ef", "g"]));
        assert_eq!(head(pieces(&["abc", "defg"]), 5), pieces(&["abc", "de"]));
        assert_eq!(head(pieces(&["abc"]), 0), pieces(&[]));
        assert_eq!(head(pieces(&["abc"]), 99), pieces(&["abc"]));
    }
}

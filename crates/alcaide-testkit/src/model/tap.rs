//! A socket that remembers what it read, and can say more than the protocol on top of it knows of.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection, tapped.
#[derive(Debug)]
pub(crate) struct Tap {
    stream: TcpStream,
    tape: Tape,
}

/// What went through a [`Tap`] since it was last asked. Clones are the same tape.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    read: BytesMut,
    behind: Option<Bytes>,
}

impl Tap {
    pub(crate) fn new(stream: TcpStream, tape: Tape) -> Self {
        Self { stream, tape }
    }
}

impl Tape {
    /// All bytes read since the last call.
    pub(crate) fn take(&self) -> Bytes {
        self.hold().read.split().freeze()
    }

    /// Has `bytes` written behind whatever is flushed next.
    pub(crate) fn say_behind(&self, bytes: Bytes) {
        self.hold().behind = Some(bytes);
    }

    fn hold(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        self.tape.hold().read.extend_from_slice(fresh);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut held = this.tape.hold();
        while let Some(behind) = held.behind.as_mut().filter(|behind| !behind.is_empty()) {
            let written = ready!(Pin::new(&mut this.stream).poll_write(cx, behind))?;
            behind.advance(written);
        }
        held.behind = None;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

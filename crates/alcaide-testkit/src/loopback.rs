//! An HTTP/1.1 server on a thread of its own, on a free port of loopback.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;

use crate::error::KitError;

/// A running server; ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Answers every request by `answer`, which is made once the address is known.
    ///
    /// # Errors
    /// [`KitError::Start`] when the system gives no port or thread.
    pub(crate) fn serve<M, A, F, B>(name: &'static str, make: M) -> Result<Self, KitError>
    where
        M: FnOnce(SocketAddr) -> A + Send + 'static,
        A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let start = |what| move |source| KitError::Start { what, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(start("listener"))?;
        listener.set_nonblocking(true).map_err(start("listener"))?;
        let address = listener.local_addr().map_err(start("listener"))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(start("runtime"))?;
        let (stop, stopped) = watch::channel(false);
        let serve = move || {
            if let Err(error) = runtime.block_on(async { accept(listener, make(address), stopped).await }) {
                eprintln!("{name} at {address} ended: {error}");
            }
        };
        let thread = thread::Builder::new().name(name.into()).spawn(serve).map_err(start("thread"))?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic there has been told already.
            let _ = thread.join();
        }
    }
}

async fn accept<A, F, B>(
    listener: TcpListener,
    answer: A,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        };
        let answer = answer.clone();
        let answer = service_fn(move |request| {
            let answer = answer(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        // Ends with the runtime; a client that breaks off is no concern of the server.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

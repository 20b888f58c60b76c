//! The accept loop: one task per connection, a bound on their number, and a drain that says what it cut.
//!
//! Past the bound a plain connection is accepted, answered 503 with `retry-after` and closed; at most 32 such
//! answers are under way, and what comes beyond them, or wants TLS, is closed at once. A client that hangs
//! up, or ends its sending side, before its answer is whole gives it up: the call's future or its body is
//! dropped, so work that must be finished belongs in a task of its own.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::body::{Body, BodyError};
use crate::codes;
use crate::limits::Limits;
use crate::listen::{Arrival, Listener, Peer};
use crate::problem::Problem;
use crate::watch::{Meter, Watched};

/// Answers requests.
///
/// A plain function of request and peer: `&self` is shared by all connections, the future is polled in place.
pub trait Service: Send + Sync + 'static {
    /// Answers one request; it cannot fail, since every failure has a [`Problem`].
    ///
    /// Dropped when the client hangs up.
    fn call(&self, request: Request<Incoming>, peer: &Peer) -> impl Future<Output = Response<Body>> + Send;
}

impl<S: Service> Service for Arc<S> {
    fn call(&self, request: Request<Incoming>, peer: &Peer) -> impl Future<Output = Response<Body>> + Send {
        (**self).call(request, peer)
    }
}

/// A tower service, such as a router, as a [`Service`]; the [`Peer`] goes in as an extension of the request.
///
/// Costs a clone of the service and a boxed body per call: for the office, not for the gate.
#[derive(Clone, Debug)]
pub struct Routed<R>(pub R);

impl<R, B> Service for Routed<R>
where
    R: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    R::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    async fn call(&self, mut request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        request.extensions_mut().insert(peer.clone());
        match tower::ServiceExt::oneshot(self.0.clone(), request).await {
            Ok(response) => response.map(Body::boxed),
            Err(never) => match never {},
        }
    }
}

/// What a listener did, and what its end cut off.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
#[must_use = "what was cut should be told"]
pub struct Drain {
    /// Connections served.
    pub connections: u64,
    /// Calls begun, refused ones included.
    pub calls: u64,
    /// Connections turned away because there were too many.
    pub turned_away: u64,
    /// Connections that had not ended at the deadline.
    pub cut_connections: u64,
    /// Calls under way in those.
    pub cut_calls: u64,
    /// Connections that ended in a panic of their service: each is a defect.
    pub panics: u64,
    /// What made the listener unable to accept, if that is why it ended and not because it was told to.
    pub broken: Option<std::io::ErrorKind>,
    /// Time from the signal to the end.
    pub took: Duration,
}

impl Drain {
    /// Whether everything that began also ended, and the end was wished for.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.cut_connections == 0 && self.panics == 0 && self.broken.is_none()
    }
}

/// Serves until `shutdown` completes, or the socket itself is broken; then stops listening, lets calls under way end within
/// [`Limits::drain_timeout`], cuts the rest and reports.
///
/// # Cancel safety
/// Dropping it cuts everything at once.
pub async fn serve<S, F>(listener: Listener, limits: Limits, service: S, shutdown: F) -> Drain
where
    S: Service,
    F: Future<Output = ()>,
{
    let (stop, stopped) = watch::channel(false);
    let server = Arc::new(Server {
        service: Arc::new(service),
        limits,
        http: http(&limits),
        totals: Totals::default(),
    });
    let mut tasks = JoinSet::new();
    let mut turned_away = JoinSet::new();
    let mut drain = Drain::default();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => note(ended, &mut drain),
            Some(_) = turned_away.join_next(), if !turned_away.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok(arrival) if tasks.len() < limits.connections() => {
                    drain.connections += 1;
                    tasks.spawn(connection(Arc::clone(&server), arrival, stopped.clone()));
                }
                Ok(arrival) => {
                    drain.turned_away += 1;
                    if arrival.tls.is_none() && turned_away.len() < TURNED_AWAY_AT_ONCE {
                        turned_away.spawn(turn_away(arrival));
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) if !is_passing(&error) => {
                    tracing::error!(%error, "the listener is broken");
                    drain.broken = Some(error.kind());
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections for the moment");
                    // Most often no file handles are left: some will be when connections end.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let begun = Instant::now();
    stop.send_replace(true);
    let in_time = tokio::time::timeout(limits.drain_timeout(), async {
        while let Some(ended) = tasks.join_next().await {
            note(ended, &mut drain);
        }
    });
    if in_time.await.is_err() {
        server.totals.cutting.store(true, Ordering::Relaxed);
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            note(ended, &mut drain);
        }
    }
    turned_away.shutdown().await;
    drain.calls = server.totals.calls.load(Ordering::Relaxed);
    drain.cut_calls = server.totals.cut_calls.load(Ordering::Relaxed);
    drain.took = begun.elapsed();
    drain
}

struct Server<S> {
    service: Arc<S>,
    limits: Limits,
    http: http1::Builder,
    totals: Totals,
}

/// Sums over connections that ended; nothing here is touched while one runs.
#[derive(Default)]
struct Totals {
    calls: AtomicU64,
    cut_calls: AtomicU64,
    cutting: AtomicBool,
}

/// Adds a connection's sums when its task ends, however it ends.
struct Tally<S> {
    server: Arc<Server<S>>,
    meter: Arc<Meter>,
}

impl<S> Drop for Tally<S> {
    fn drop(&mut self) {
        let totals = &self.server.totals;
        totals.calls.fetch_add(self.meter.calls(), Ordering::Relaxed);
        if totals.cutting.load(Ordering::Relaxed) && self.meter.is_busy() {
            totals.cut_calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What the calls of one connection share: one count of references per call, and on no other core.
struct Conn<S> {
    service: Arc<S>,
    peer: Peer,
    meter: Arc<Meter>,
}

async fn connection<S: Service>(
    server: Arc<Server<S>>,
    arrival: Arrival,
    mut stopped: watch::Receiver<bool>,
) {
    let meter = Arc::new(Meter::default());
    let tally = Tally { server: Arc::clone(&server), meter: Arc::clone(&meter) };
    let secured = tokio::select! {
        biased;
        secured = tokio::time::timeout(server.limits.header_timeout(), arrival.secured()) => secured,
        _ = stopped.wait_for(|stop| *stop) => return,
    };
    let (stream, peer) = match secured {
        Ok(Ok(pair)) => pair,
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!("TLS handshake too slow");
            return;
        }
    };
    let watched = Watched::new(stream, &server.limits, Arc::clone(&meter));
    let conn = Arc::new(Conn { service: Arc::clone(&server.service), peer, meter });
    let answer = service_fn(move |request| {
        let conn = Arc::clone(&conn);
        let refused = conn.meter.begin().cloned();
        async move {
            let response = match refused {
                Some(refusal) => Problem::from(refusal).into_response(),
                None => conn.service.call(request, &conn.peer).await,
            };
            Ok::<_, Infallible>(response.map(|body| Guarded { body, conn }))
        }
    });
    let mut exchange = pin!(server.http.serve_connection(TokioIo::new(watched), answer));
    let mut stop = Bell::new(async move {
        // An error means that the server is gone: the same.
        let _ = stopped.wait_for(|stop| *stop).await;
    });
    let ended = std::future::poll_fn(|cx| {
        if stop.rang(cx) {
            exchange.as_mut().graceful_shutdown();
        }
        exchange.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
    drop(tally);
}

/// A future polled only when it itself woke the task, not with each byte of a neighbour in the same task.
struct Bell<F> {
    future: Pin<Box<F>>,
    ring: Option<Arc<Ring>>,
    done: bool,
}

struct Ring {
    rang: AtomicBool,
    task: Waker,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<F: Future<Output = ()>> Bell<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), ring: None, done: false }
    }

    /// True once: when the future completes.
    fn rang(&mut self, cx: &mut Context<'_>) -> bool {
        if self.done {
            return false;
        }
        let ring = match &self.ring {
            Some(ring) if ring.task.will_wake(cx.waker()) => {
                if !ring.rang.swap(false, Ordering::AcqRel) {
                    return false;
                }
                Arc::clone(ring)
            }
            _ => {
                let ring = Arc::new(Ring { rang: AtomicBool::new(false), task: cx.waker().clone() });
                Arc::clone(self.ring.insert(ring))
            }
        };
        let waker = Waker::from(ring);
        self.done = self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        self.done
    }
}

/// A body that tells the meter when hyper is done with it.
struct Guarded<S> {
    body: Body,
    conn: Arc<Conn<S>>,
}

impl<S> Drop for Guarded<S> {
    fn drop(&mut self) {
        self.conn.meter.end();
    }
}

impl<S> http_body::Body for Guarded<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    // Time and size of heads are the framer's: see the module `watch`.
    http.header_read_timeout(None).half_close(false);
    http.max_buf_size(CONNECTION_BUFFER_BYTES.max(limits.header_bytes().saturating_mul(2)));
    if limits.headers() > crate::limits::HEADERS {
        http.max_headers(limits.headers());
    }
    http
}

fn note(ended: Result<(), JoinError>, drain: &mut Drain) {
    match ended {
        Ok(()) => {}
        Err(error) if error.is_panic() => {
            drain.panics += 1;
            tracing::error!(%error, "a connection's service panicked");
        }
        Err(_) => drain.cut_connections += 1,
    }
}

/// Whether the error is about a connection that is gone already, and accepting goes on at once.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}

/// Whether accepting may succeed again without anybody doing something to the socket: what is short now (file handles,
/// memory) is given back when connections end. What is no listening socket any more stays none.
fn is_passing(error: &std::io::Error) -> bool {
    !error.raw_os_error().is_some_and(|number| NO_LISTENER.contains(&number))
}

/// `EBADF`, `EINVAL`, `ENOTSOCK`, `EOPNOTSUPP` of Linux: what accept(2) answers for a socket that does not listen.
const NO_LISTENER: [i32; 4] = [9, 22, 88, 95];

/// Answers 503 without reading the request, then reads a moment so that the answer is not lost to a reset.
async fn turn_away(arrival: Arrival) {
    let problem = Problem::new(&codes::CONNECTIONS_FULL);
    let body = problem.to_json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = arrival.stream;
    let farewell = async {
        stream.write_all(&[head.as_bytes(), &body].concat()).await?;
        stream.shutdown().await?;
        let mut scratch = [0_u8; 4_096];
        while stream.read(&mut scratch).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Neither a peer that is gone nor one that lingers is of interest.
    let _ = tokio::time::timeout(TURNED_AWAY_TIME, farewell).await;
}

/// 64 KiB read and write buffer at most: large frames stay large, 4,096 connections stay within memory.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1_024;
/// Answers to connections beyond the bound under way at once: courtesy, so little.
const TURNED_AWAY_AT_ONCE: usize = 32;
/// Time for such an answer.
const TURNED_AWAY_TIME: Duration = Duration::from_secs(1);
/// Pause after a failure to accept that is not about one connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

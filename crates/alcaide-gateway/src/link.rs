//! Connections to upstreams: kept open, one exchange at a time, driven by the very task whose call uses them.
//!
//! hyper's connection is a future that somebody must poll. Where a task of its own does that, each request and each
//! piece of an answer changes hands twice, often from one core to another. Here the call polls it: while it waits for the
//! head of the answer, and then whenever it asks for more of the body ([`Answer`]). So nothing is read ahead of a
//! caller who is slow, and all that has arrived can be taken at once.
//!
//! An idle connection is polled by nobody. Before it is used again the kernel is asked whether anything lies unread on
//! it: bytes behind an answer belong to nobody, and would be read as the answer to the next request. One that the
//! upstream has closed meanwhile gives the request back unsent when it is used, and the next one is tried; a sweep lets
//! go of those that are closed or too old. A call that is dropped drops its connection: the upstream sees it closed.

use std::collections::HashMap;
use std::future::poll_fn;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::Service as _;

/// Longest wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept; shorter than the 60 s after which common servers close theirs.
const IDLE_MAX: Duration = Duration::from_secs(45);
/// How often idle connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(15);
/// Idle connections kept for one upstream.
const IDLE_LINKS_MAX: usize = 256;

/// The client that all upstreams over HTTP share: connections kept open, HTTP/1.1, TLS by the public roots.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    connector: HttpsConnector<HttpConnector>,
    http: http1::Builder,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    links: HashMap<Origin, Vec<(Link, Instant)>>,
    swept: bool,
}

/// Whom a connection goes to.
type Origin = (Scheme, Authority);

/// One connection and the handle that sends on it.
struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Gone once hyper is done with it. Behind a pointer: it is moved with every stage of an answer.
    connection: Option<Pin<Box<Connection>>>,
    /// The same socket, to look at what hyper has not read.
    socket: OwnedFd,
}

type Connection = http1::Connection<MaybeHttpsStream<TokioIo<TcpStream>>, Full<Bytes>>;

/// A request brought no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The URL names no host.
    #[error("the URL has no scheme or host")]
    NoHost,
    /// There is no connection: nothing was sent.
    #[error("no connection")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The exchange broke off.
    #[error("the exchange broke off")]
    Broken(#[from] hyper::Error),
}

impl LinkError {
    /// Whether no byte left us.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        matches!(self, Self::NoHost | Self::Connect(_))
    }
}

/// Private authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// No certificate in the text, or a broken one.
    #[error("the authorities are not PEM with at least one certificate")]
    Pem,
    /// A certificate is no authority.
    #[error("a certificate cannot be an authority")]
    Root(#[source] rustls::Error),
    /// TLS cannot be set up with them.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl HttpClient {
    /// A client without connections; `private` holds authorities (PEM) that are trusted beside the public ones.
    ///
    /// # Errors
    /// [`RootsError`] for authorities that cannot be used.
    pub fn new(private: Option<&[u8]>) -> Result<Self, RootsError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls(private)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self(Arc::new(Shared { connector, http: http1::Builder::new(), idle: Mutex::default() })))
    }

    /// Sends a request with an absolute URL and waits for the head of the answer.
    ///
    /// # Errors
    /// [`LinkError`].
    ///
    /// # Cancel safety
    /// Dropped while it waits, the connection is closed.
    pub async fn request(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Answer>, LinkError> {
        let origin = relative(&mut request)?;
        loop {
            let kept = self.0.take(&origin);
            let is_kept = kept.is_some();
            let mut link = match kept {
                Some(link) => link,
                None => self.0.connect(&origin).await?,
            };
            match link.exchange(request).await {
                Ok(response) => {
                    let shared = Arc::clone(&self.0);
                    return Ok(response.map(|body| Answer::new(body, link, shared, origin)));
                }
                Err(mut error) => match error.take_message() {
                    // It was closed while nobody looked; not a byte of this request was written.
                    Some(unsent) if is_kept => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }
}

/// Brings a request with an absolute URL into the form that goes to the host itself (RFC 9112, section 3.2.1); returns
/// the host.
fn relative(request: &mut Request<Full<Bytes>>) -> Result<Origin, LinkError> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme.take(), parts.authority.take()) else {
        return Err(LinkError::NoHost);
    };
    let path = parts.path_and_query.take().filter(|path| path.as_str().starts_with('/'));
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    if !request.headers().contains_key(header::HOST) {
        let common = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = match authority.port_u16() {
            Some(port) if port != common => format!("{}:{port}", authority.host()),
            _ => authority.host().to_owned(),
        };
        let host = HeaderValue::try_from(host).map_err(|_| LinkError::NoHost)?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok((scheme, authority))
}

impl Shared {
    /// The connection that was used last: the likeliest to be open still.
    fn take(&self, origin: &Origin) -> Option<Link> {
        loop {
            let mut idle = self.idle.lock();
            let links = idle.links.get_mut(origin)?;
            let (link, since) = links.pop()?;
            if since.elapsed() >= IDLE_MAX {
                // The others have been idle for longer.
                let old = std::mem::take(links);
                drop(idle);
                drop((link, old));
                return None;
            }
            drop(idle);
            if link.is_silent() {
                return Some(link);
            }
        }
    }

    fn keep(self: &Arc<Self>, origin: Origin, link: Link) {
        let mut idle = self.idle.lock();
        let links = idle.links.entry(origin).or_default();
        if links.len() < IDLE_LINKS_MAX {
            links.push((link, Instant::now()));
        }
        if !idle.swept
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            idle.swept = true;
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }

    async fn connect(&self, origin: &Origin) -> Result<Link, LinkError> {
        let (scheme, authority) = origin.clone();
        let url = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
        let url = url.map_err(|_| LinkError::NoHost)?;
        let mut connector = self.connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await.map_err(LinkError::Connect)?;
        let stream = connector.call(url).await.map_err(LinkError::Connect)?;
        let socket = match &stream {
            MaybeHttpsStream::Http(stream) => stream.inner().as_fd(),
            MaybeHttpsStream::Https(stream) => stream.inner().get_ref().0.inner().inner().as_fd(),
        };
        let socket = socket.try_clone_to_owned().map_err(|error| LinkError::Connect(error.into()))?;
        let (sender, connection) = self.http.handshake(stream).await?;
        Ok(Link { sender, connection: Some(Box::pin(connection)), socket })
    }
}

/// Lets go of connections that are closed or too old, until none is left.
async fn sweep(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut idle = shared.idle.lock();
        for links in idle.links.values_mut() {
            links.retain_mut(|(link, since)| since.elapsed() < IDLE_MAX && link.is_open());
        }
        idle.links.retain(|_, links| !links.is_empty());
        if idle.links.is_empty() {
            idle.swept = false;
            return;
        }
    }
}

impl Link {
    /// Whether nothing has come on an idle connection since its last answer, not even its end. Asked of the kernel: the
    /// runtime may not have heard of it yet.
    fn is_silent(&self) -> bool {
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(rustix::net::recv(&self.socket, &mut byte, flags), Err(Errno::AGAIN | Errno::INTR))
    }

    /// Lets hyper go on as far as it can.
    fn go_on(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = self.connection.as_mut()
            && connection.as_mut().poll(context).is_ready()
        {
            // How it ended is told to whoever waits for the answer or its body.
            self.connection = None;
        }
    }

    /// Whether an idle connection has not been closed. Whoever uses it next is told again by its own poll.
    fn is_open(&mut self) -> bool {
        self.go_on(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        poll_fn(|context| {
            if let Some(driven) = connection.as_mut()
                && driven.as_mut().poll(context).is_ready()
            {
                *connection = None;
            }
            answer.as_mut().poll(context)
        })
        .await
    }
}

/// The body of an answer; reads on as it is polled, and gives its connection back when it has ended.
pub struct Answer {
    body: Incoming,
    /// Gone once the connection was given back, or hyper was done with it.
    link: Option<(Link, Origin)>,
    shared: Arc<Shared>,
}

impl Answer {
    fn new(body: Incoming, link: Link, shared: Arc<Shared>, origin: Origin) -> Self {
        let mut answer = Self { body, link: Some((link, origin)), shared };
        if answer.body.is_end_stream() {
            answer.give_back(&mut Context::from_waker(Waker::noop()));
        }
        answer
    }

    /// The whole answer is here.
    fn give_back(&mut self, context: &mut Context<'_>) {
        let Some((mut link, origin)) = self.link.take() else { return };
        if !link.sender.is_ready() {
            // hyper may have to be told that the body was taken before it is ready for the next exchange.
            link.go_on(context);
        }
        if link.connection.is_some() && link.sender.is_ready() {
            self.shared.keep(origin, link);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let mut polled = Pin::new(&mut this.body).poll_frame(context);
        if polled.is_pending()
            && let Some((link, _)) = this.link.as_mut()
        {
            link.go_on(context);
            polled = Pin::new(&mut this.body).poll_frame(context);
        }
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => {
                if this.body.is_end_stream() {
                    this.give_back(context);
                }
            }
            Poll::Ready(Some(Err(_))) => this.link = None,
            Poll::Ready(None) => this.give_back(context),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn tls(private: Option<&[u8]>) -> Result<ClientConfig, RootsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = private {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(|_| RootsError::Pem)?).map_err(RootsError::Root)?;
        }
        if roots.len() == before {
            return Err(RootsError::Pem);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(RootsError::Tls)?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::sync::mpsc;

    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    fn request(port: u16) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::from_static(b"body")));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = format!("http://127.0.0.1:{port}/v1/x?y=1").parse().unwrap();
        request
    }

    async fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// Reads one request with the body `body`.
    async fn read(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\nbody") {
            let mut piece = [0_u8; 512];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "the connection was closed");
            text.extend_from_slice(&piece[..count]);
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn a_connection_is_used_again_and_the_request_is_in_the_form_of_its_host() {
        let (listener, port) = listen().await;
        let upstream = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heads = Vec::new();
            for _ in 0..3 {
                heads.push(read(&mut stream).await);
                stream.write_all(ANSWER).await.unwrap();
            }
            heads
        });
        let client = HttpClient::new(None).unwrap();
        for _ in 0..3 {
            let answer = client.request(request(port)).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        }
        for head in upstream.await.unwrap() {
            assert!(head.starts_with("POST /v1/x?y=1 HTTP/1.1\r\n"), "{head}");
            assert!(head.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{head}");
        }
    }

    #[tokio::test]
    async fn one_that_was_closed_meanwhile_is_replaced() {
        let (listener, port) = listen().await;
        let (closed, is_closed) = oneshot::channel();
        let upstream = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            read(&mut first).await;
            first.write_all(ANSWER).await.unwrap();
            drop(first);
            closed.send(()).unwrap();
            let (mut second, _) = listener.accept().await.unwrap();
            read(&mut second).await;
            second.write_all(ANSWER).await.unwrap();
            second
        });
        let client = HttpClient::new(None).unwrap();
        let answer = client.request(request(port)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        is_closed.await.unwrap();
        // The runtime looks at its sockets before it goes on with a task that yields.
        tokio::task::yield_now().await;
        let answer = client.request(request(port)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        drop(upstream.await.unwrap());
    }

    #[tokio::test]
    async fn bytes_behind_an_answer_are_the_answer_to_nothing() {
        // A thread, so that this task can wait for it without giving the runtime a moment to hear of what comes.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (go_on, may_go_on) = mpsc::sync_channel(1);
        let (sent, is_sent) = mpsc::sync_channel(1);
        let serve = move || {
            let exchange = |answer: &[u8]| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut text = Vec::new();
                while !text.ends_with(b"\r\n\r\nbody") {
                    let mut piece = [0_u8; 512];
                    let count = stream.read(&mut piece).unwrap();
                    assert!(count > 0, "the connection was closed");
                    text.extend_from_slice(&piece[..count]);
                }
                stream.write_all(answer).unwrap();
                stream
            };
            let mut first = exchange(ANSWER);
            may_go_on.recv().unwrap();
            first.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno").unwrap();
            sent.send(()).unwrap();
            (first, exchange(ANSWER))
        };
        let upstream = std::thread::spawn(serve);
        let client = HttpClient::new(None).unwrap();
        let answer = client.request(request(port)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        go_on.send(()).unwrap();
        is_sent.recv().unwrap();
        let answer = client.request(request(port)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        drop(upstream.join().unwrap());
    }

    #[tokio::test]
    async fn an_answer_that_is_dropped_closes_its_connection() {
        let (listener, port) = listen().await;
        let upstream = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
            // Ends, or is reset, once the other side is gone.
            stream.read(&mut [0_u8; 16]).await.unwrap_or(0)
        });
        let client = HttpClient::new(None).unwrap();
        let mut answer = client.request(request(port)).await.unwrap().into_body();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "half");
        drop(answer);
        assert_eq!(upstream.await.unwrap(), 0);
    }

    #[tokio::test]
    async fn all_that_has_arrived_is_had_without_waiting() {
        let (listener, port) = listen().await;
        let upstream = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read(&mut stream).await;
            let mut text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for _ in 0..20 {
                text.extend_from_slice(b"4\r\nabc\n\r\n");
            }
            stream.write_all(&text).await.unwrap();
            stream
        });
        let client = HttpClient::new(None).unwrap();
        let mut answer = client.request(request(port)).await.unwrap().into_body();
        let _stream = upstream.await.unwrap();
        let mut frames = 0;
        // All of it lies in the socket by now: only the first look may have to wait for it.
        let first = answer.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "abc\n");
        let mut context = Context::from_waker(Waker::noop());
        while Pin::new(&mut answer).poll_frame(&mut context).is_ready() {
            frames += 1;
        }
        assert_eq!(frames, 19);
    }

    #[tokio::test]
    async fn a_url_without_a_host_is_refused() {
        let mut nowhere = request(1);
        *nowhere.uri_mut() = "/v1/x".parse().unwrap();
        let refused = HttpClient::new(None).unwrap().request(nowhere).await.err().unwrap();
        assert!(refused.is_unsent());
    }
}

//! A service that echoes, over a listener that a test started, and how its answers are read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alcaide_serve::{
    Body, Checked, Drain, HostRule, Limits, Listener, Peer, Problem, Service, collect_limited, serve,
};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// Echoes the body; special paths do special things.
pub(crate) struct Echo {
    limit: usize,
    begun: Arc<Notify>,
    gone: watch::Sender<u32>,
}

/// Counts when a call's future is dropped.
pub(crate) struct OnDrop(watch::Sender<u32>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n += 1);
    }
}

impl Service for Echo {
    async fn call(&self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/stuck" => {
                let _guard = OnDrop(self.gone.clone());
                self.begun.notify_one();
                std::future::pending().await
            }
            "/panic" => panic!("on purpose"),
            "/peer" => {
                let shown = peer.tls.as_ref().map_or(0, |tls| tls.certificates.len());
                Response::new(Body::Full(format!("{} with {shown} certificates", peer.addr).into()))
            }
            "/headers" => {
                let names: Vec<&str> = request.headers().keys().map(|k| k.as_str()).collect();
                Response::new(Body::Full(names.join(",").into()))
            }
            "/stream" | "/torn" => {
                let (sender, body) = Body::channel(2);
                tokio::spawn(async move {
                    for piece in ["one,", "two,", "three"] {
                        sender.send(Bytes::from_static(piece.as_bytes())).await.unwrap();
                    }
                    if path == "/stream" {
                        sender.finish();
                    }
                });
                Response::new(body)
            }
            "/endless" => {
                let (sender, body) = Body::channel(1);
                let gone = OnDrop(self.gone.clone());
                tokio::spawn(async move {
                    sender.send(Bytes::from_static(b"first")).await.unwrap();
                    sender.gone().await;
                    drop(gone);
                });
                Response::new(body)
            }
            "/flood" => {
                let (sender, body) = Body::channel(1);
                let gone = OnDrop(self.gone.clone());
                tokio::spawn(async move {
                    while sender.send(Bytes::from(vec![b'x'; 65_536])).await.is_ok() {}
                    drop(gone);
                });
                Response::new(body)
            }
            _ => match collect_limited(request.into_body(), self.limit, Duration::from_secs(30)).await {
                Ok(bytes) => {
                    Response::new(Body::Full(format!("[{}]", String::from_utf8_lossy(&bytes)).into()))
                }
                Err(error) => Problem::new(error.entry()).detail(error.to_string()).into_response(),
            },
        }
    }
}

pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) begun: Arc<Notify>,
    pub(crate) gone: watch::Receiver<u32>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<Drain>,
}

impl Running {
    pub(crate) async fn start(limits: Limits) -> Self {
        let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self::start_on(listener, limits)
    }

    pub(crate) fn start_on(listener: Listener, limits: Limits) -> Self {
        let addr = listener.local_addr().unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        let (stop, stopped) = oneshot::channel();
        let (gone_in, gone) = watch::channel(0);
        let begun = Arc::new(Notify::new());
        let echo = Echo { limit: limits.body_bytes(), begun: Arc::clone(&begun), gone: gone_in };
        let service = Checked::new(HostRule::loopback(), limits.body_bytes(), echo);
        let task = tokio::spawn(serve(listener, limits, service, async {
            let _ = stopped.await;
        }));
        Self { addr, begun, gone, stop, task }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends bytes on a fresh connection and reads until the server closes it.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        exchange(&mut self.connect().await, bytes.as_ref()).await
    }

    pub(crate) async fn end(self) -> Drain {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

pub(crate) async fn exchange<T: AsyncRead + AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    rest(stream).await
}

pub(crate) async fn rest<T: AsyncRead + Unpin>(stream: &mut T) -> String {
    rest_within(stream, 30).await
}

pub(crate) async fn rest_within<T: AsyncRead + Unpin>(stream: &mut T, seconds: u64) -> String {
    let mut out = Vec::new();
    // A reset after the answer is no failure of the answer.
    let _ = within(seconds, stream.read_to_end(&mut out)).await;
    String::from_utf8_lossy(&out).into_owned()
}

/// Waits for an event, and fails rather than for ever.
pub(crate) async fn within<F: Future>(seconds: u64, event: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(seconds), event).await.expect("it should have happened by now")
}

/// Reads until `mark` was seen.
pub(crate) async fn until(stream: &mut TcpStream, mark: &str) -> String {
    let mut out = String::new();
    let mut piece = [0; 1_024];
    while !out.contains(mark) {
        let n = stream.read(&mut piece).await.unwrap();
        assert!(n > 0, "closed before `{mark}`: {out}");
        out.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    out
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default()
}

pub(crate) fn code(answer: &str) -> String {
    let json = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    json["code"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn small() -> Limits {
    Limits::default().with_body_bytes(64).unwrap()
}

pub(crate) const LAST: &str = "GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

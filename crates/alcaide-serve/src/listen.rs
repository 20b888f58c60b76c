//! Where we listen, and who is at the other end.
//!
//! Plain HTTP is spoken on loopback only; any other address needs TLS. A Unix socket is for the operator's
//! own tools: mode 0600 in a folder that only its owner may enter, and each peer comes with its user id from
//! the kernel.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::TlsFeed;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp { socket: TcpListener, tls: Option<TlsFeed> },
    Unix { socket: UnixListener, path: SocketPath },
}

/// A socket's file, removed when the listener goes.
#[derive(Debug)]
struct SocketPath(PathBuf);

impl Drop for SocketPath {
    fn drop(&mut self) {
        // A file that is gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Listens in plain on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ListenError::PlainNotLoopback`] for any other address; [`ListenError::Bind`] if the system refuses.
    pub async fn tcp(addr: SocketAddr) -> Result<Self, ListenError> {
        if !addr.ip().to_canonical().is_loopback() {
            return Err(ListenError::PlainNotLoopback { addr });
        }
        Self::bind(addr, None).await
    }

    /// Listens with TLS on any address.
    ///
    /// # Errors
    /// [`ListenError::Bind`] if the system refuses.
    pub async fn tls(addr: SocketAddr, feed: TlsFeed) -> Result<Self, ListenError> {
        Self::bind(addr, Some(feed)).await
    }

    async fn bind(addr: SocketAddr, tls: Option<TlsFeed>) -> Result<Self, ListenError> {
        let socket = TcpListener::bind(addr)
            .await
            .map_err(|source| ListenError::Bind { place: addr.to_string(), source })?;
        Ok(Self { kind: Kind::Tcp { socket, tls } })
    }

    /// Listens on a Unix socket with mode 0600; makes its folder with mode 0700 if it is not there.
    ///
    /// A socket file that nobody listens on is replaced.
    ///
    /// # Errors
    /// [`ListenError::FolderOpen`] if others may enter the folder or it is another user's;
    /// [`ListenError::InUse`] if somebody listens there; [`ListenError::NotASocket`] if another file is
    /// there; [`ListenError::Bind`] if the system refuses.
    pub fn unix(path: &Path) -> Result<Self, ListenError> {
        let place = path.display().to_string();
        let bind = |source| ListenError::Bind { place: place.clone(), source };
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.exists() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(bind)?;
        }
        let about = std::fs::metadata(folder).map_err(bind)?;
        let open = || ListenError::FolderOpen { folder: folder.display().to_string() };
        if about.mode() & 0o077 != 0 {
            return Err(open());
        }
        make_room(path, &place)?;
        let socket = UnixListener::bind(path).map_err(bind)?;
        let path = SocketPath(path.to_owned());
        // Between these two lines the folder's mode keeps others out.
        std::fs::set_permissions(&path.0, std::fs::Permissions::from_mode(0o600)).map_err(bind)?;
        if std::fs::symlink_metadata(&path.0).map_err(bind)?.uid() != about.uid() {
            return Err(open());
        }
        Ok(Self { kind: Kind::Unix { socket, path } })
    }

    /// Address of a TCP listener, with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp { socket, .. } => socket.local_addr().ok(),
            Kind::Unix { .. } => None,
        }
    }

    /// Path of a Unix listener.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Unix { path, .. } => Some(&path.0),
            Kind::Tcp { .. } => None,
        }
    }

    /// Waits for the next connection.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<Arrival> {
        match &self.kind {
            Kind::Tcp { socket, tls } => {
                let (stream, addr) = socket.accept().await?;
                // Answers are written whole; waiting for more would only delay them. It fails only if the
                // peer is gone.
                let _ = stream.set_nodelay(true);
                let peer = Peer { addr: PeerAddr::Tcp(addr), tls: None };
                Ok(Arrival { stream: Stream::Plain(stream), peer, tls: tls.clone() })
            }
            Kind::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                let who = stream.peer_cred()?;
                let addr = PeerAddr::Unix { uid: who.uid(), gid: who.gid(), pid: who.pid() };
                Ok(Arrival { stream: Stream::Unix(stream), peer: Peer { addr, tls: None }, tls: None })
            }
        }
    }
}

/// Removes a socket that nobody listens on.
fn make_room(path: &Path, place: &str) -> Result<(), ListenError> {
    let Ok(about) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !about.file_type().is_socket() {
        return Err(ListenError::NotASocket { place: place.to_owned() });
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|source| ListenError::Bind { place: place.to_owned(), source })
        }
        _ => Err(ListenError::InUse { place: place.to_owned() }),
    }
}

/// Why we cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Plain HTTP asked for on an address that others can reach.
    #[error("`{addr}` is no loopback address, and plain HTTP is spoken on loopback only")]
    PlainNotLoopback {
        /// The address.
        addr: SocketAddr,
    },
    /// The system refused.
    #[error("cannot listen on `{place}`")]
    Bind {
        /// Address or path.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may enter the folder of a Unix socket, or it is another user's.
    #[error("folder `{folder}` of the socket is open to other users")]
    FolderOpen {
        /// The folder.
        folder: String,
    },
    /// Somebody listens there.
    #[error("another process listens on `{place}`")]
    InUse {
        /// The path.
        place: String,
    },
    /// Another kind of file is there.
    #[error("`{place}` is there and is no socket")]
    NotASocket {
        /// The path.
        place: String,
    },
}

impl ListenError {
    /// What to do.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::PlainNotLoopback { .. } => {
                "give a certificate and key for TLS, or listen on 127.0.0.1 or [::1]"
            }
            Self::Bind { .. } => "choose a free address or path that this user may use",
            Self::FolderOpen { .. } => "use a folder of your own with mode 0700",
            Self::InUse { .. } => "stop the other process, or choose another path",
            Self::NotASocket { .. } => "remove the file, or choose another path",
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// Where it comes from.
    pub addr: PeerAddr,
    /// What its TLS handshake said, if there was one.
    pub tls: Option<PeerTls>,
}

/// Where a peer comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerAddr {
    /// An address and port.
    Tcp(SocketAddr),
    /// A process of this machine, as the kernel knows it.
    Unix {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
        /// Process id at the time it connected; a hint, never a proof.
        pid: Option<i32>,
    },
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(out),
            Self::Unix { uid, .. } => write!(out, "uid {uid}"),
        }
    }
}

/// What a TLS handshake said.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerTls {
    /// Name that the client asked for (SNI).
    pub server_name: Option<Box<str>>,
    /// Client certificates, leaf first, checked against the listener's client roots; empty if none was shown.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// A connection just accepted.
pub(crate) struct Arrival {
    pub(crate) stream: Stream,
    pub(crate) peer: Peer,
    pub(crate) tls: Option<TlsFeed>,
}

impl Arrival {
    /// Does the TLS handshake, if there is one to do.
    pub(crate) async fn secured(self) -> io::Result<(Stream, Peer)> {
        let (stream, mut peer) = (self.stream, self.peer);
        match (stream, self.tls) {
            (Stream::Plain(socket), Some(feed)) => {
                let stream = TlsAcceptor::from(feed.config()).accept(socket).await?;
                let session = stream.get_ref().1;
                peer.tls = Some(PeerTls {
                    server_name: session.server_name().map(Into::into),
                    certificates: session
                        .peer_certificates()
                        .unwrap_or_default()
                        .iter()
                        .map(|c| c.clone().into_owned())
                        .collect(),
                });
                Ok((Stream::Tls(Box::new(stream)), peer))
            }
            (stream, _) => Ok((stream, peer)),
        }
    }
}

/// The three kinds of stream as one, so that the connection's code exists once.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

macro_rules! each {
    ($this:expr, $io:ident => $do:expr) => {
        match $this.get_mut() {
            Stream::Plain($io) => $do,
            Stream::Tls($io) => $do,
            Stream::Unix($io) => $do,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
            Self::Unix(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}

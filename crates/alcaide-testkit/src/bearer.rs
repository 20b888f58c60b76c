//! A proxy on loopback that adds a bearer token, for clients that cannot send one.
//!
//! It changes nothing else: bodies pass as they come, in both directions. Where a client names the proxy itself as
//! host or origin, the target's name stands there afterwards; any other name goes on as it was, for the target to
//! judge.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::KitError;
use crate::loopback::Loopback;

/// A running proxy; ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct Bearer(Loopback);

impl Bearer {
    /// Starts a proxy on a free port that sends everything to `target` with `Authorization: Bearer TOKEN`.
    ///
    /// # Errors
    /// [`KitError::Start`] when the token is none that a header takes, or the system gives no port or thread.
    pub fn start(target: SocketAddr, token: &str) -> Result<Self, KitError> {
        let value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|error| KitError::Start { what: "bearer", source: std::io::Error::other(error) })?;
        let serve = move |own: SocketAddr| {
            move |mut request: Request<Incoming>| {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
                rename(&mut request, &HOST, &own.to_string(), &target.to_string());
                rename(&mut request, &ORIGIN, &format!("http://{own}"), &format!("http://{target}"));
                async move {
                    pass(request, target).await.unwrap_or_else(|error| {
                        let text = Full::from(error.to_string()).map_err(|never| match never {});
                        let mut answer = Response::new(text.boxed());
                        *answer.status_mut() = StatusCode::BAD_GATEWAY;
                        answer
                    })
                }
            }
        };
        Loopback::serve("bearer", serve).map(Self)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Its address as a URL, with `path` behind it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }
}

fn rename(request: &mut Request<Incoming>, header: &HeaderName, from: &str, to: &str) {
    if request.headers().get(header).is_some_and(|value| value == from)
        && let Ok(value) = HeaderValue::try_from(to)
    {
        request.headers_mut().insert(header.clone(), value);
    }
}

type Passed = Response<BoxBody<Bytes, hyper::Error>>;

async fn pass(
    mut request: Request<Incoming>,
    target: SocketAddr,
) -> Result<Passed, Box<dyn std::error::Error + Send + Sync>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    let stream = TcpStream::connect(target).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or when nobody reads it any more.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.map(|body| body.boxed()))
}

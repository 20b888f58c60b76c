//! The one way out of a program that is run: HTTP/1.1 to the gate, with the task's token in place of a placeholder.
//!
//! Client libraries read their key once, when they start; tokens live for minutes. So the program is given a
//! placeholder that is good at this relay only, and each request leaves with the token of the hour. Heads are
//! rewritten, bodies pass as they come, in both directions, without being held. A request without the placeholder is
//! refused here: whatever else reaches this port has no identity to borrow.
//!
//! A caller that hangs up is hung up on the gate's side too. Upgrades and `CONNECT` do not pass.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use alcaide_seal::random::{SystemEntropy, bits128};
use alcaide_seal::{EntropyError, SecretText};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, EXPECT, HOST};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::fail::{ANSWER, Failure, RUN_RELAY, RUN_START};

/// Most connections at one time; more wait to be accepted. A program with more calls under way than this is rare.
const CONNECTIONS_MAX: usize = 256;
/// How long a head may take to arrive.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a connection to the gate may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

type Reply = Response<Either<Incoming, Full<Bytes>>>;

/// Passes calls of one run on to the gate.
pub(crate) struct Relay {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    placeholder: SecretText,
    token: watch::Receiver<Arc<HeaderValue>>,
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
}

/// A key that is good at one relay only.
pub(crate) fn placeholder() -> Result<SecretText, EntropyError> {
    let entropy = SystemEntropy::new();
    Ok(SecretText::new(format!("alc-run-{:032x}{:032x}", bits128(&entropy)?, bits128(&entropy)?)))
}

impl Relay {
    /// A relay to the gate at `gate`, a scheme and authority. Plain HTTP is for loopback only: tokens travel there.
    ///
    /// # Errors
    /// `ALC-CLI-0006` if the office's address of the gate is none; `ALC-CLI-0027` if it is not safe.
    pub(crate) fn new(
        gate: &str,
        placeholder: SecretText,
        token: watch::Receiver<Arc<HeaderValue>>,
    ) -> Result<Arc<Self>, Failure> {
        let none = || Failure::new(&ANSWER, "the address of the gate is none").at(gate);
        let Parts { scheme: Some(scheme), authority: Some(authority), .. } =
            gate.parse::<Uri>().map_err(|_| none())?.into_parts()
        else {
            return Err(none());
        };
        let loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
        if scheme != Scheme::HTTPS && !loopback {
            let why = "it speaks plain HTTP, and tokens would travel over a network in clear text";
            return Err(Failure::new(&RUN_START, "the gate cannot be used from here").at(gate).why(why));
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| none())?;
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        tcp.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(CONNECTIONS_MAX)
            .set_host(false)
            .build(connector);
        Ok(Arc::new(Self { scheme, authority, host, placeholder, token, client }))
    }

    /// Serves a listener until the handle is used.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub(crate) fn serve(self: Arc<Self>, listener: TcpListener) -> io::Result<AbortHandle> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(tokio::spawn(self.accept(listener)).abort_handle())
    }

    async fn accept(self: Arc<Self>, listener: tokio::net::TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // They end with this task.
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of descriptors, or a caller that left in between: neither may spin.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Without it a stream of small events waits for acknowledgements; that it cannot be set is no reason to refuse.
            let _ = stream.set_nodelay(true);
            let relay = Arc::clone(&self);
            connections.spawn(async move {
                let service = service_fn(|request| relay.pass(request));
                let mut http = hyper::server::conn::http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT_MAX);
                // Whoever breaks a connection off knows it already.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
                drop(place);
            });
        }
    }

    async fn pass(&self, mut request: Request<Incoming>) -> Result<Reply, hyper::Error> {
        if request.method() == Method::CONNECT {
            return Ok(refuse(StatusCode::METHOD_NOT_ALLOWED, "this relay goes to the gate only"));
        }
        if !self.is_ours(request.headers()) {
            let why = "the key is not that of this run; use `OPENAI_API_KEY`, `ANTHROPIC_API_KEY` or `ALCAIDE_TOKEN`";
            return Ok(refuse(StatusCode::UNAUTHORIZED, why));
        }
        let headers = request.headers_mut();
        alcaide_serve::hop_by_hop(headers);
        // Answered on this side already, when the body was first asked for.
        for name in [AUTHORIZATION.as_str(), "x-api-key", "dpop", EXPECT.as_str()] {
            headers.remove(name);
        }
        let token = Arc::clone(&self.token.borrow());
        headers.insert(AUTHORIZATION, (*token).clone());
        headers.insert(HOST, self.host.clone());
        let mut parts = Parts::default();
        parts.path_and_query =
            Some(request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        (parts.scheme, parts.authority) = (Some(self.scheme.clone()), Some(self.authority.clone()));
        match Uri::from_parts(parts) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return Ok(refuse(StatusCode::BAD_REQUEST, "the target of the request is none")),
        }
        *request.version_mut() = http::Version::HTTP_11;
        match self.client.request(request).await {
            Ok(mut reply) => {
                alcaide_serve::hop_by_hop(reply.headers_mut());
                Ok(reply.map(Either::Left))
            }
            Err(error) if error.is_connect() => {
                Ok(refuse(StatusCode::BAD_GATEWAY, "the gate cannot be reached; is `alcaide up` running?"))
            }
            Err(_) => {
                Ok(refuse(StatusCode::BAD_GATEWAY, "the gate broke the connection off before it answered"))
            }
        }
    }

    /// Whether a head carries the placeholder, once or, as some clients do, in both places, and no other key.
    fn is_ours(&self, headers: &HeaderMap) -> bool {
        let ours = |given: &[u8]| alcaide_seal::secret::same(given, self.placeholder.expose().as_bytes());
        let bearer = |value: &HeaderValue| {
            let (scheme, key) = value.as_bytes().split_at_checked(7).unwrap_or_default();
            scheme.eq_ignore_ascii_case(b"bearer ") && ours(key.trim_ascii())
        };
        let mut keys = headers
            .get_all(AUTHORIZATION)
            .iter()
            .map(bearer)
            .chain(headers.get_all("x-api-key").iter().map(|value| ours(value.as_bytes().trim_ascii())));
        keys.next().is_some_and(|first| first && keys.all(|other| other))
    }
}

/// A problem document (RFC 9457).
fn refuse(status: StatusCode, detail: &str) -> Reply {
    let problem = serde_json::json!({
        "type": format!("/problems/{}", RUN_RELAY.code), "title": RUN_RELAY.title, "status": status.as_u16(),
        "detail": detail, "help": RUN_RELAY.cure, "code": RUN_RELAY.code,
    });
    let mut reply = Response::new(Either::Right(Full::new(Bytes::from(problem.to_string()))));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    reply
}

#[cfg(test)]
mod tests;

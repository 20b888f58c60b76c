//! Connections to upstreams.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use alcaide_inventory::declare::{Protocol, Transport, Upstream};
use alcaide_inventory::id::UpstreamId;
use alcaide_inventory::{Name, Plan};
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Uri, header};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::broker::{Broker, Credential};
use crate::mcp::stdio::StdioPlan;
use crate::plan::{FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT, PlanFault};

/// Longest wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept; shorter than the 60 s after which common servers close theirs.
const POOL_IDLE: Duration = Duration::from_secs(45);
/// Idle connections kept for one upstream.
const POOL_IDLE_MAX: usize = 256;

/// The client that all upstreams over HTTP share: pooled, HTTP/1.1, TLS by the public roots and perhaps private ones.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

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

/// Makes the client; `private` holds authorities (PEM) that are trusted beside the public ones.
///
/// # Errors
/// [`RootsError`] for authorities that cannot be used.
pub fn http_client(private: Option<&[u8]>) -> Result<HttpClient, RootsError> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls(private)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_IDLE_MAX)
        .build(https))
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

/// An upstream, resolved.
pub struct UpstreamPlan {
    /// Its id.
    pub id: UpstreamId,
    /// Its name.
    pub name: Name,
    /// The language that it speaks.
    pub protocol: Protocol,
    /// What it is shown.
    pub credential: Credential,
    /// Longest wait for the first byte.
    pub first_byte_timeout: Duration,
    /// Longest silence within an answer.
    pub idle_timeout: Duration,
    reach: Reach,
}

/// How an upstream is reached.
enum Reach {
    Http {
        scheme: Scheme,
        authority: Authority,
        prefix: Box<str>,
        /// The path as it was declared: the endpoint of a tool server.
        endpoint: Box<str>,
    },
    Child(Arc<StdioPlan>),
}

/// An upstream has no such URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// What was put together is none.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// It is a child process.
    #[error("a child process has no URL")]
    Child,
}

impl fmt::Debug for UpstreamPlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("UpstreamPlan")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl UpstreamPlan {
    /// Resolves a declaration.
    ///
    /// # Errors
    /// [`PlanFault::Upstream`] for a base URL or a command that cannot be used.
    pub fn of(
        name: &Name,
        id: UpstreamId,
        spec: &Upstream,
        plan: &Plan,
        broker: &Broker,
    ) -> Result<Self, PlanFault> {
        let millis = |given: Option<u64>, or: Duration| given.map_or(or, Duration::from_millis);
        let reach = match &spec.transport {
            Transport::Http { base_url } => Reach::of(name, base_url)?,
            Transport::Stdio { .. } => match StdioPlan::of(name, id, spec)? {
                Some(plan) => Reach::Child(Arc::new(plan)),
                // INVARIANT: it is one.
                None => {
                    return Err(PlanFault::Upstream { upstream: name.clone(), why: "it is no child".into() });
                }
            },
        };
        Ok(Self {
            id,
            name: name.clone(),
            protocol: spec.protocol,
            credential: broker.credential(spec.credential.as_ref(), plan),
            first_byte_timeout: millis(spec.first_byte_timeout_ms, FIRST_BYTE_TIMEOUT),
            idle_timeout: millis(spec.idle_timeout_ms, IDLE_TIMEOUT),
            reach,
        })
    }

    /// How the child is started, where it is one.
    #[must_use]
    pub const fn child(&self) -> Option<&Arc<StdioPlan>> {
        match &self.reach {
            Reach::Child(plan) => Some(plan),
            Reach::Http { .. } => None,
        }
    }

    /// The URL of `path` (beginning with `/`, query included) below the base; of a tool server its one endpoint.
    ///
    /// # Errors
    /// If both together are no URL, or there is none.
    pub fn url(&self, path: &str) -> Result<Uri, UrlError> {
        let Reach::Http { scheme, authority, prefix, endpoint } = &self.reach else {
            return Err(UrlError::Child);
        };
        let path = match self.protocol {
            Protocol::Mcp => endpoint.to_string(),
            _ => format!("{prefix}{path}"),
        };
        Ok(Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query(path).build()?)
    }
}

impl Reach {
    fn of(name: &Name, base_url: &str) -> Result<Self, PlanFault> {
        let fail = |why: String| PlanFault::Upstream { upstream: name.clone(), why };
        let parts = base_url.parse::<Uri>().map_err(|error| fail(error.to_string()))?.into_parts();
        let scheme = parts.scheme.ok_or_else(|| fail("it has no scheme".into()))?;
        let authority = parts.authority.ok_or_else(|| fail("it has no host".into()))?;
        let prefix = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/');
        Ok(Self::Http {
            scheme,
            authority,
            prefix: prefix.into(),
            endpoint: parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str).into(),
        })
    }
}

/// Headers that are the caller's own affair and pass to the upstream; everything else is left behind.
///
/// A list of what passes, not of what does not: an unknown header may carry a credential or change how a body is read.
const PASSED: [HeaderName; 2] = [header::ACCEPT, header::USER_AGENT];
const PASSED_NAMES: [&str; 4] = ["anthropic-version", "anthropic-beta", "openai-beta", "idempotency-key"];

/// The headers of a call that go on.
#[must_use]
pub fn passed_headers(from: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(8);
    for (name, value) in from {
        if PASSED.contains(name) || PASSED_NAMES.contains(&name.as_str()) {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

//! Upstreams as the gate runs on them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use alcaide_inventory::declare::{Protocol, Transport, Upstream};
use alcaide_inventory::id::UpstreamId;
use alcaide_inventory::{Name, Plan};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Uri, header};

use crate::broker::{Broker, Credential};
use crate::mcp::stdio::StdioPlan;
use crate::plan::{FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT, PlanFault};

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

    /// Its host, where it has one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.reach {
            Reach::Http { authority, .. } => Some(authority.host()),
            Reach::Child(_) => None,
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

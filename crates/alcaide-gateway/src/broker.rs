//! Credentials for upstreams: opened when a plan is compiled, shown to the upstream, never to a caller.
//!
//! No token of a caller passes through: whatever a caller sent as a credential is removed, and the upstream's own
//! is put in its place. Secrets are header values marked sensitive, so that no log and no `Debug` prints them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alcaide_inventory::declare::CredentialUse;
use alcaide_inventory::{Moment, Name, Plan};
use alcaide_seal::envelope::{self, MasterKey};
use alcaide_seal::secret::SecretText;
use base64::Engine as _;
use bytes::Bytes;
use futures_util::future::{FutureExt as _, Shared};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::Deserialize;
use tokio::time::Instant;

use crate::link::HttpClient;

/// Longest answer of a token endpoint.
const TOKEN_REPLY_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for a token endpoint.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a failure to get one is told to those who come after it: an endpoint that is down is not asked by every call.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// A token is fetched anew when it has less than this left.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// Opens sealed secrets.
#[derive(Clone)]
pub struct Broker {
    master: Arc<MasterKey>,
}

/// Why an upstream gets no credential.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Not set, or sealed under another key.
    #[error("secret `{secret}` is not set or cannot be opened: {why}")]
    Secret {
        /// Its name.
        secret: String,
        /// What is wrong.
        why: String,
    },
    /// The token endpoint gave none.
    #[error("the token endpoint gave no token: {why}")]
    Endpoint {
        /// What is wrong.
        why: String,
    },
}

/// What one upstream is shown.
pub enum Credential {
    /// Nothing.
    None,
    /// A fixed header.
    Header(HeaderName, HeaderValue),
    /// A bearer token from a token endpoint.
    Fetched(Box<Fetched>),
    /// It should be shown something that there is not.
    Missing(BrokerError),
}

/// OAuth 2.0 client credentials (RFC 6749, section 4.4).
pub struct Fetched {
    endpoint: Arc<Endpoint>,
    held: Mutex<Held>,
}

struct Endpoint {
    token_url: http::Uri,
    client_id: String,
    secret: SecretText,
    scope: String,
}

/// A header with a token, and until when it is good.
type Token = (HeaderValue, Moment);
/// One fetch, which all who need it wait for; it ends by itself, whoever leaves.
type Fetch = Shared<Pin<Box<dyn Future<Output = Result<Token, BrokerError>> + Send>>>;

enum Held {
    Nothing,
    Token(Token),
    /// Begun then.
    Fetching(Fetch, Moment),
    /// Told until then.
    Failed(BrokerError, Instant),
}

impl Broker {
    /// A broker that opens with this master key.
    #[must_use]
    pub const fn new(master: Arc<MasterKey>) -> Self {
        Self { master }
    }

    /// What an upstream with this declaration is shown.
    #[must_use]
    pub fn credential(&self, used: Option<&CredentialUse>, plan: &Plan) -> Credential {
        match used {
            None => Credential::None,
            Some(CredentialUse::Header { header, prefix, secret }) => {
                let made = self.open(secret, plan).and_then(|opened| {
                    let fail =
                        |why: &str| BrokerError::Secret { secret: secret.to_string(), why: why.to_owned() };
                    let name =
                        header.parse::<HeaderName>().map_err(|_| fail("its header name is not one"))?;
                    let mut value = HeaderValue::from_str(&format!("{prefix}{}", opened.expose()))
                        .map_err(|_| fail("it has characters that no header takes"))?;
                    value.set_sensitive(true);
                    Ok((name, value))
                });
                match made {
                    Ok((name, value)) => Credential::Header(name, value),
                    Err(error) => Credential::Missing(error),
                }
            }
            Some(CredentialUse::ClientCredentials { token_url, client_id, secret, scope }) => {
                let made = self.open(secret, plan).and_then(|secret| {
                    let token_url = token_url.parse::<http::Uri>().map_err(|error| {
                        BrokerError::Endpoint { why: format!("its URL cannot be used: {error}") }
                    })?;
                    let (client_id, scope) = (client_id.clone(), scope.clone());
                    let endpoint = Arc::new(Endpoint { token_url, client_id, secret, scope });
                    Ok(Fetched { endpoint, held: Mutex::new(Held::Nothing) })
                });
                match made {
                    Ok(fetched) => Credential::Fetched(Box::new(fetched)),
                    Err(error) => Credential::Missing(error),
                }
            }
        }
    }

    fn open(&self, name: &Name, plan: &Plan) -> Result<SecretText, BrokerError> {
        let fail = |why: String| BrokerError::Secret { secret: name.to_string(), why };
        let placed = plan.secrets.get(name).ok_or_else(|| fail("it is not set".into()))?;
        let sealed = base64::engine::general_purpose::STANDARD
            .decode(&placed.spec.sealed)
            .map_err(|_| fail("it is not base64".into()))?;
        let opened = envelope::open(&self.master, placed.id.to_string().as_bytes(), &sealed)
            .map_err(|error| fail(error.to_string()))?;
        opened.to_text().ok_or_else(|| fail("it is not text".into()))
    }
}

impl Credential {
    /// Puts the credential on a request whose callers' credentials are removed already.
    ///
    /// # Errors
    /// [`BrokerError`] if there is none to show.
    ///
    /// # Cancel safety
    /// Cancel safe: a fetch that was begun goes on for those who come after.
    pub async fn put(
        &self,
        headers: &mut HeaderMap,
        client: &HttpClient,
        now: Moment,
    ) -> Result<(), BrokerError> {
        match self {
            Self::None => Ok(()),
            Self::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
                Ok(())
            }
            Self::Fetched(fetched) => {
                headers.insert(header::AUTHORIZATION, fetched.token(client, now).await?);
                Ok(())
            }
            Self::Missing(error) => Err(error.clone()),
        }
    }
}

#[derive(Deserialize)]
struct TokenReply {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Fetched {
    /// One fetch at a time; the others wait for it, and hear of its failure.
    async fn token(&self, client: &HttpClient, now: Moment) -> Result<HeaderValue, BrokerError> {
        let fetch = {
            let mut held = self.held();
            match &*held {
                Held::Token((value, until)) if now + TOKEN_MARGIN < *until => return Ok(value.clone()),
                Held::Failed(error, until) if Instant::now() < *until => return Err(error.clone()),
                // One that nobody waited for to the end says nothing of now.
                Held::Fetching(fetch, begun) if now.since(*begun) <= TOKEN_TIMEOUT => fetch.clone(),
                _ => {
                    let fetch = self.begin(client, now);
                    *held = Held::Fetching(fetch.clone(), now);
                    fetch
                }
            }
        };
        let fetched = fetch.clone().await;
        let mut held = self.held();
        if matches!(&*held, Held::Fetching(known, _) if known.ptr_eq(&fetch)) {
            *held = match &fetched {
                Ok(token) => Held::Token(token.clone()),
                Err(error) => Held::Failed(error.clone(), Instant::now() + FAILURE_KEPT),
            };
        }
        fetched.map(|(value, _)| value)
    }

    fn begin(&self, client: &HttpClient, now: Moment) -> Fetch {
        let (endpoint, client) = (Arc::clone(&self.endpoint), client.clone());
        let why = |why: &str| BrokerError::Endpoint { why: why.to_owned() };
        let task = tokio::spawn(async move {
            let fetched = tokio::time::timeout(TOKEN_TIMEOUT, endpoint.fetch(&client))
                .await
                .map_err(|_| why("it did not answer within 15 s"))??;
            let until = now + Duration::from_secs(fetched.expires_in.unwrap_or(60).min(24 * 60 * 60));
            let mut value = HeaderValue::from_str(&format!("Bearer {}", fetched.access_token))
                .map_err(|_| why("its token has characters that no header takes"))?;
            value.set_sensitive(true);
            Ok((value, until))
        });
        async move { task.await.unwrap_or_else(|_| Err(why("the fetch was broken off"))) }.boxed().shared()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        // What is held is replaced as a whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endpoint {
    async fn fetch(&self, client: &HttpClient) -> Result<TokenReply, BrokerError> {
        let fail = |why: String| BrokerError::Endpoint { why };
        let mut form = "grant_type=client_credentials".to_owned();
        if !self.scope.is_empty() {
            form.push_str("&scope=");
            form.push_str(&form_encode(&self.scope));
        }
        // RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
        let pair = format!("{}:{}", form_encode(&self.client_id), form_encode(self.secret.expose()));
        let mut basic = HeaderValue::from_str(&format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        ))
        .map_err(|error| fail(error.to_string()))?;
        basic.set_sensitive(true);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.token_url.clone())
            .header(header::AUTHORIZATION, basic)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| fail(error.to_string()))?;
        let reply = client.request(request).await.map_err(|error| fail(error.to_string()))?;
        let status = reply.status();
        let body = Limited::new(reply.into_body(), TOKEN_REPLY_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| fail(error.to_string()))?
            .to_bytes();
        if !status.is_success() {
            return Err(fail(format!("it answered {status}")));
        }
        let token: TokenReply =
            serde_json::from_slice(&body).map_err(|_| fail("its answer is not one of RFC 6749".into()))?;
        if token.token_type.eq_ignore_ascii_case("bearer") {
            Ok(token)
        } else {
            Err(fail("its token is no bearer token".into()))
        }
    }
}

/// `application/x-www-form-urlencoded` of one value (WHATWG URL, section 5.2).
fn form_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    out.push(
                        char::from_digit(u32::from(nibble), 16)
                            .map_or('0', |digit| digit.to_ascii_uppercase()),
                    );
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_values_are_encoded_as_the_url_standard_says() {
        assert_eq!(form_encode("a b+c/é"), "a+b%2Bc%2F%C3%A9");
    }
}

//! The office, spoken to over HTTP/1.1: through the socket in the data directory as the operator, or at a URL with
//! a token.
//!
//! One connection per request: commands make few. Answers are bounded in bytes and time.

use std::path::PathBuf;
use std::time::Duration;

use alcaide_seal::SecretText;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, IF_MATCH};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::fail::{ANSWER, Failure, INTERNAL, Problem, REMOTE, UNREACHABLE, WORD};

/// Longest answer that is read, in bytes: 64 MiB, more than the largest plan.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Longest wait for a whole answer; a request for entries that are not there yet waits up to 30 seconds.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// How the office is reached.
pub(crate) enum Client {
    /// The socket in the data directory.
    Socket(PathBuf),
    /// A URL, with a token.
    Url {
        /// Scheme and authority.
        base: String,
        /// An office token.
        token: SecretText,
    },
}

impl Client {
    /// A client of the office at a URL. Plain HTTP is for loopback only, because the token travels in it.
    ///
    /// # Errors
    /// `ALC-CLI-0018` for a URL with more than scheme and authority, plain HTTP elsewhere, or no token.
    pub(crate) fn remote(url: &str, token: Option<String>) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::new(&REMOTE, "the remote office was not asked").at(url).why(why);
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("it has no scheme or host"));
        };
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") || authority.as_str().contains('@') {
            return Err(wrong("it has more than scheme, host and port"));
        }
        let loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
        if scheme != "https" && !(scheme == "http" && loopback) {
            return Err(wrong("it is neither `https` nor `http` on loopback"));
        }
        let token = token.filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| wrong("`ALCAIDE_OFFICE_TOKEN` is not set"))?;
        Ok(Self::Url { base: format!("{scheme}://{authority}"), token: token.into() })
    }

    /// Reads something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::GET, path, None::<&Value>, None).await
    }

    /// Does something without saying more.
    pub(crate) async fn post_empty<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::POST, path, None::<&Value>, None).await
    }

    /// Does something; with `on_top_of`, only if that plan is in force.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        on_top_of: Option<u64>,
    ) -> Result<T, Failure> {
        self.send(Method::POST, path, Some(body), on_top_of).await
    }

    /// One request and its answer; an empty answer reads as JSON `null`.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        on_top_of: Option<u64>,
    ) -> Result<T, Failure> {
        let asked = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let bytes = match body {
            None => Bytes::new(),
            Some(body) => serde_json::to_vec(body)
                .map(Bytes::from)
                .map_err(|error| Failure::new(&INTERNAL, "the request cannot be written").why(error))?,
        };
        let mut request = Request::new(Full::new(bytes));
        *request.method_mut() = method;
        if body.is_some() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(number) = on_top_of.and_then(|plan| HeaderValue::from_str(&format!("\"{plan}\"")).ok()) {
            request.headers_mut().insert(IF_MATCH, number);
        }
        let answered = tokio::time::timeout(ANSWER_WAIT_MAX, self.exchange(path, request)).await;
        let (status, bytes) =
            answered.map_err(|_| self.unreachable("it did not answer within a minute"))??;
        if !(200..300).contains(&status) {
            let problem: Problem = serde_json::from_slice(&bytes).map_err(|_| {
                Failure::new(&ANSWER, "the office's refusal was not understood")
                    .at(&asked)
                    .why(format!("status {status}"))
            })?;
            return Err(Failure::problem(&asked, status, problem));
        }
        let read = if bytes.is_empty() { &b"null"[..] } else { &bytes };
        serde_json::from_slice(read).map_err(|error| {
            Failure::new(&ANSWER, "the office's answer was not understood").at(asked).why(error)
        })
    }

    async fn exchange(&self, path: &str, mut request: Request<Full<Bytes>>) -> Result<(u16, Bytes), Failure> {
        let wrong = |_| Failure::new(&WORD, "a word cannot stand in a request").at(path);
        let response = match self {
            Self::Socket(socket) => {
                *request.uri_mut() = path.parse().map_err(wrong)?;
                request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
                over_socket(socket, request).await.map_err(|why| self.unreachable(&why))?
            }
            Self::Url { base, token } => {
                *request.uri_mut() = format!("{base}{path}").parse().map_err(wrong)?;
                let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                    .map_err(|_| Failure::new(&REMOTE, "the token is none").at("ALCAIDE_OFFICE_TOKEN"))?;
                bearer.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, bearer);
                over_tcp(request).await.map_err(|why| self.unreachable(&why))?
            }
        };
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| self.unreachable(&format!("its answer broke off: {error}")))?;
        Ok((status, body.to_bytes()))
    }

    fn unreachable(&self, why: &str) -> Failure {
        let failure = Failure::new(&UNREACHABLE, "the office could not be asked").why(why);
        match self {
            Self::Socket(socket) => failure.at(socket.display()),
            Self::Url { base, .. } => failure.at(base),
        }
    }
}

async fn over_socket(socket: &PathBuf, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no socket: the service does not run".to_owned(),
        std::io::ErrorKind::ConnectionRefused => "nobody listens on the socket: the service ended".to_owned(),
        _ => error.to_string(),
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Ends with the response: an error of it shows there.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| error.to_string())
}

async fn over_tcp(request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
    client.request(request).await.map_err(|error| {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    })
}

/// A word as one segment of a path. The office takes no encoded separators, so other characters are refused here.
///
/// # Errors
/// `ALC-CLI-0013` for anything but ASCII letters, digits, `-`, `_` and `.`, and for `.` and `..`.
pub(crate) fn segment(word: &str) -> Result<&str, Failure> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !word.is_empty() && word.len() <= 128 && word.bytes().all(good) && !matches!(word, "." | "..") {
        Ok(word)
    } else {
        let cut: String = word.chars().take(80).collect();
        Err(Failure::new(&WORD, format!("`{cut}` is no name or id")).why(WORD.why))
    }
}

/// A value as it stands in a query (RFC 3986, section 2.3).
pub(crate) fn query_value(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_goes_over_plain_http_to_another_machine() {
        let token = || Some("t".to_owned());
        for good in
            ["https://office.example", "http://127.0.0.1:7101", "http://localhost:1/", "http://[::1]:2"]
        {
            assert!(Client::remote(good, token()).is_ok(), "{good}");
        }
        for bad in [
            "http://office.example",
            "http://127.0.0.1.example",
            "http://localhost@evil.example",
            "https://x/path",
            "ftp://localhost",
            "",
        ] {
            let failure = Client::remote(bad, token()).err().unwrap();
            assert_eq!((failure.parts[0].code.as_str(), failure.exit), ("ALC-CLI-0018", 2), "{bad}");
        }
        assert!(Client::remote("https://office.example", None).is_err());
        assert!(Client::remote("https://office.example", Some(String::new())).is_err());
    }

    #[test]
    fn words_cannot_leave_their_segment() {
        for bad in ["", "..", "a/b", "a%2fb", "a?b", "é", "a b"] {
            assert_eq!(segment(bad).unwrap_err().parts[0].code, "ALC-CLI-0013", "{bad}");
        }
        assert_eq!(segment("agt_0.x-1").unwrap(), "agt_0.x-1");
        assert_eq!(query_value("a b&c=é"), "a%20b%26c%3D%C3%A9");
    }
}

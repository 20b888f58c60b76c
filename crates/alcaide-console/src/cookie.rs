//! The session's cookie.
//!
//! On loopback the office speaks plain HTTP, where browsers take no `Secure` cookie; under any other name a TLS proxy
//! stands before it, and the cookie is `Secure` with the `__Host-` prefix: over plain HTTP it is never stored or sent.
//! Cookies do not tell ports apart, so the name holds the port: two offices on one machine do not end each other's
//! sessions.

use http::HeaderMap;
use http::header::{COOKIE, HOST, HeaderValue};

/// Longest cookie header that is looked at, in bytes.
const COOKIE_BYTES_MAX: usize = 8_192;

/// The cookie under which a request's host keeps its session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Jar {
    name: String,
    secure: bool,
}

impl Jar {
    /// The jar of the host that a request names.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, port)
            }
            _ => (host, "80"),
        };
        let local = ["localhost", "127.0.0.1", "[::1]"].contains(&name) || name.ends_with(".localhost");
        if local {
            Self { name: format!("alcaide_console_{port}"), secure: false }
        } else {
            Self { name: "__Host-alcaide_console".into(), secure: true }
        }
    }

    /// The session's secret, if the request carries exactly one: with two it is not clear whose the request is.
    pub(crate) fn secret<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let mut lines = headers.get_all(COOKIE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return None };
        let line = line.to_str().ok().filter(|line| line.len() <= COOKIE_BYTES_MAX)?;
        let mut found = line
            .split(';')
            .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
            .filter(|(name, _)| *name == self.name)
            .map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(secret), None) => Some(secret),
            _ => None,
        }
    }

    /// The header that stores a secret until the browser ends; the office ends it sooner.
    pub(crate) fn store(&self, secret: &str) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.line(secret, "")).ok()
    }

    /// The header that forgets it.
    pub(crate) fn forget(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.line("", "; Max-Age=0")).ok()
    }

    fn line(&self, value: &str, more: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, cookies: &[&str]) -> HeaderMap {
        let mut all = HeaderMap::new();
        all.insert(HOST, HeaderValue::from_str(host).unwrap());
        for cookie in cookies {
            all.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        all
    }

    #[test]
    fn beyond_loopback_the_cookie_is_secure_and_of_this_host_alone() {
        for (host, starts, secure) in [
            ("127.0.0.1:7101", "alcaide_console_7101=s; Path=/; HttpOnly; SameSite=Strict", false),
            ("alcaide.localhost:7101", "alcaide_console_7101=s; Path=/;", false),
            ("[::1]:7101", "alcaide_console_7101=s;", false),
            ("localhost", "alcaide_console_80=s;", false),
            ("office.example", "__Host-alcaide_console=s; Path=/;", true),
            ("127.0.0.1.example:7101", "__Host-alcaide_console=s;", true),
            ("notlocalhost:7101", "__Host-alcaide_console=s;", true),
        ] {
            let line = Jar::of(&headers(host, &[])).store("s").unwrap();
            let line = line.to_str().unwrap();
            assert!(line.starts_with(starts), "{host}: {line}");
            assert_eq!(line.contains("; Secure"), secure, "{host}: {line}");
            assert!(!line.contains("Domain"), "{line}");
        }
        assert!(
            Jar::of(&headers("localhost:1", &[])).forget().unwrap().to_str().unwrap().ends_with("Max-Age=0")
        );
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_none() {
        let found = |cookies: &[&str]| {
            let all = headers("127.0.0.1:7101", cookies);
            Jar::of(&all).secret(&all).map(str::to_owned)
        };
        assert_eq!(found(&["a=b; alcaide_console_7101=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(found(&["alcaide_console_7101=x; alcaide_console_7101=y"]), None);
        assert_eq!(found(&["alcaide_console_7101=x", "alcaide_console_7101=x"]), None);
        assert_eq!(found(&["alcaide_console_7102=x"]), None);
        assert_eq!(found(&["xalcaide_console_7101=x"]), None);
        assert_eq!(found(&[]), None);
        let long = format!("a={}; alcaide_console_7101=x", "y".repeat(COOKIE_BYTES_MAX));
        assert_eq!(found(&[&long]), None);
    }
}

//! Passwords in the authority of a URL, anchored at the `:` of `scheme://user:password@host` (RFC 3986, section 3.2.1).
//!
//! Only the password is covered, so that a connection string still tells what it connects to. The authority ends
//! at `/`, `?`, `#`, a space, a quote or an angle bracket; the password may hold `@`, as people forget to encode it.
//! Where such an authority has no `@` and what follows its colon is no port, a password with a bare `/`, `?` or `#`
//! is assumed, up to the first `@`.

use crate::assign;
use crate::rules;
use crate::view::{Hit, Judged, View};

/// Bytes of an authority that are looked at; an `@` further on is not seen.
const AUTHORITY_BYTES_MAX: usize = 384;

pub(crate) fn judge(view: View<'_>, at: usize) -> Judged<Option<Hit>> {
    if !view.before(at).is_some_and(|byte| byte.is_ascii_alphanumeric()) || !view.starts_with(at, "://")? {
        return Ok(None);
    }
    let from = at + 3;
    let end = view.run(from, AUTHORITY_BYTES_MAX, |byte| is_url(byte) && !is_after(byte))?;
    let authority = whole(view, from, end);
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some(parts) => parts,
        None => {
            // What follows the colon is no port: a password with a `/`, `?` or `#` that was not encoded?
            let no_port = |rest: &str| !rest.is_empty() && !rest.bytes().all(|byte| byte.is_ascii_digit());
            let odd =
                authority.split_once(':').is_some_and(|(user, rest)| !user.starts_with('[') && no_port(rest));
            if !odd || !view.byte(end)?.is_some_and(is_after) {
                return Ok(None);
            }
            let end = view.run(from, AUTHORITY_BYTES_MAX, is_url)?;
            let Some(parts) = whole(view, from, end).split_once('@') else { return Ok(None) };
            parts
        }
    };
    let Some((user, password)) = userinfo.split_once(':') else { return Ok(None) };
    if host.is_empty() || assign::is_filler(password) {
        return Ok(None);
    }
    let start = from + user.len() + 1;
    Ok(Some(Hit::whole(&rules::CONNECTION, start, start + password.len(), "")))
}

/// Bytes that may stand in a URL as people write them.
const fn is_url(byte: u8) -> bool {
    !(byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`'))
}

/// Bytes that end an authority.
const fn is_after(byte: u8) -> bool {
    matches!(byte, b'/' | b'?' | b'#')
}

/// The text of a range whose limit may lie within a character: that one is left out.
fn whole(view: View<'_>, from: usize, end: usize) -> &str {
    (0..4).find_map(|back| view.head(end - back).get(from..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Reach;

    fn found(text: &str) -> Option<&str> {
        let hit = judge(View::new(text, true), text.find(':').unwrap()).unwrap()?;
        let Reach::End(end) = hit.reach else { unreachable!() };
        text.get(hit.start..end)
    }

    #[test]
    fn passwords_are_found_and_nothing_beside_them() {
        for (text, want) in [
            ("postgres://app:s3cr3t@db:5432/x", "s3cr3t"),
            ("amqp://a:p@ss@host", "p@ss"),
            ("postgres://u:q/7#z@db/x?y=a@b", "q/7#z"),
            ("redis://:hunter22@cache", "hunter22"),
            ("https://u:x:y1@h/p?q=a@b", "x:y1"),
        ] {
            assert_eq!(found(text), Some(want), "{text}");
        }
        for text in [
            "https://example.org/a:b@c",
            "https://user@host",
            "http://host:8080/",
            "postgres://u:${PASSWORD}@h",
            "postgres://user:<password>@h",
            "postgres://u:***@h",
            "a:b@c",
            "x://u:p9q8@ ",
            "http://[::1]:8080/a@b",
            "http://host:8080/a@b",
            "http://host:{port}/a@b",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}

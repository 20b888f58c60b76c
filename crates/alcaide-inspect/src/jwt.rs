//! JSON web tokens (RFC 7519 in the compact forms of RFC 7515 and RFC 7516), anchored at `eyJ`.
//!
//! The first part has to decode to a JSON object with a member `alg`. A header longer than is held back (it carries
//! certificates, say) counts if its first member has a name of the JOSE registry.

use crate::check;
use crate::close::Close;
use crate::rules;
use crate::view::{Hit, Judged, View, url64};

/// Bytes of base64url in which a header has to end, or show its first member.
const HEADER_BYTES_MAX: usize = 400;
/// Bytes of the parts after the header that show that there is more than a header.
const REST_BYTES_MIN: usize = 8;
/// Dots after the one that ends the header: three in an encrypted token.
const MORE_DOTS_MAX: u8 = 3;
/// Depth of nesting followed in a header.
const DEPTH_MAX: u32 = 8;

/// Header parameters (IANA "JSON Object Signing and Encryption", RFC 7515, section 4.1, and RFC 7516, section 4.1).
const JOSE: [&str; 13] =
    ["alg", "typ", "kid", "enc", "zip", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty", "crit"];

pub(crate) fn judge(view: View<'_>, start: usize, _body: usize) -> Judged<Option<Hit>> {
    let end = view.run(start, HEADER_BYTES_MAX, url64)?;
    let Some(json) = check::url64_decode(view.slice(start, end)) else { return Ok(None) };
    if end - start == HEADER_BYTES_MAX {
        let first = json.strip_prefix(b"{\"").and_then(|rest| rest.split(|byte| *byte == b'"').next());
        let known = first.is_some_and(|name| JOSE.iter().any(|jose| jose.as_bytes() == name));
        return Ok(known.then(|| open(start, end, MORE_DOTS_MAX + 1)));
    }
    if view.byte(end)? != Some(b'.') || !has_alg(&json) {
        return Ok(None);
    }
    let from = end + 1;
    let rest = view.run(from, REST_BYTES_MIN, |byte| url64(byte) || byte == b'.')?;
    Ok((rest - from == REST_BYTES_MIN).then(|| open(start, from, MORE_DOTS_MAX)))
}

const fn open(start: usize, from: usize, dots: u8) -> Hit {
    Hit::open(&rules::JWT, start, from, Close::Parts(dots))
}

/// Whether this is one JSON object that has a member `alg` with text in it.
fn has_alg(json: &[u8]) -> bool {
    let mut reader = Json { rest: json, alg: false };
    reader.value(0).is_some() && reader.space().is_empty() && reader.alg && json.first() == Some(&b'{')
}

/// Just enough of RFC 8259 to walk over a header.
struct Json<'t> {
    rest: &'t [u8],
    alg: bool,
}

impl<'t> Json<'t> {
    fn space(&mut self) -> &'t [u8] {
        self.rest = self.rest.trim_ascii_start();
        self.rest
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.rest = self.space().strip_prefix(&[byte])?;
        Some(())
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.space().first()? {
            b'{' => self.items(b'{', b'}', |this| {
                let name = this.string()?;
                this.take(b':')?;
                let is_text = this.space().first() == Some(&b'"');
                this.alg |= depth == 0 && is_text && name == b"alg";
                this.value(depth + 1)
            }),
            b'[' => self.items(b'[', b']', |this| this.value(depth + 1)),
            b'"' => self.string().map(|_| ()),
            _ => {
                let len =
                    self.rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
                let (word, rest) = self.rest.split_at_checked(len)?;
                self.rest = rest;
                let number = word.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-');
                (number || [b"true".as_slice(), b"false", b"null"].contains(&word)).then_some(())
            }
        }
    }

    fn items(&mut self, from: u8, to: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(from)?;
        if self.take(to).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.take(to).is_some() {
                return Some(());
            }
            self.take(b',')?;
        }
    }

    fn string(&mut self) -> Option<&'t [u8]> {
        self.take(b'"')?;
        let mut escaped = false;
        let len = self.rest.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        })?;
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest.get(1..)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_with_alg_is_a_header() {
        for good in [r#"{"alg":"none"}"#, r#"{ "typ" : "JWT", "x":{"y":[1,true,"\""]}, "alg" : "RS256" }"#] {
            assert!(has_alg(good.as_bytes()), "{good}");
        }
        for bad in [
            r#"{"al":"x"}"#,
            r#"{"x":{"alg":"y"}}"#,
            r#"{"alg":1}"#,
            r#""alg""#,
            r#"{"alg":"x""#,
            r#"["alg"]"#,
            r#"{"alg":"x"} x"#,
            "",
            "{",
            r#"{"a":}"#,
        ] {
            assert!(!has_alg(bad.as_bytes()), "{bad}");
        }
        assert!(!has_alg("[".repeat(10_000).as_bytes()), "depth is bounded");
    }
}

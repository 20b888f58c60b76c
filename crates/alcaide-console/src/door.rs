//! Who comes: whose session a request carries, and whether a form is one of this console's own.

use std::collections::BTreeMap;

use alcaide_control::{By, Office, OfficeError, Session, Touch};
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use http::request::Parts;

use crate::Console;
use crate::cookie::Jar;
use crate::page::Fault;

/// Longest form, in bytes: none has more than a few short fields.
pub(crate) const FORM_BYTES_MAX: usize = 16 * 1_024;
/// The field of a form that carries the session's token.
pub(crate) const FORM_FIELD: &str = "form_token";

/// Somebody whose session holds, and who did this.
pub(crate) struct Visitor(pub(crate) Session);

/// Somebody whose session holds, and whose page did this by itself.
pub(crate) struct Watcher(pub(crate) Session);

/// A form of this session, sent from a page of this origin.
pub(crate) struct Sent {
    pub(crate) session: Session,
    fields: BTreeMap<String, String>,
}

impl Visitor {
    pub(crate) const fn by(&self) -> &By {
        &self.0.by
    }
}

impl Sent {
    pub(crate) const fn by(&self) -> &By {
        &self.session.by
    }

    /// A field of the form.
    ///
    /// # Errors
    /// [`Fault::Form`] if it is missing.
    pub(crate) fn field(&self, name: &str) -> Result<&str, Fault> {
        self.fields.get(name).map(String::as_str).ok_or(Fault::Form)
    }
}

impl Sent {
    /// The numbers of the boxes that were ticked: fields called `NAME.NUMBER`.
    pub(crate) fn ticked(&self, name: &str) -> Vec<u16> {
        let number = |field: &String| field.strip_prefix(name)?.strip_prefix('.')?.parse().ok();
        self.fields.keys().filter_map(number).collect()
    }
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Fault> {
        session(&console.office, &parts.headers, Touch::Used).await.map(Self)
    }
}

impl FromRequestParts<Console> for Watcher {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Fault> {
        session(&console.office, &parts.headers, Touch::Watching).await.map(Self)
    }
}

impl FromRequest<Console> for Sent {
    type Rejection = Fault;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Fault> {
        from_here(request.headers())?;
        let session = session(&console.office, request.headers(), Touch::Used).await?;
        let fields = fields(request, console).await?;
        if !fields.get(FORM_FIELD).is_some_and(|token| session.form.holds(token)) {
            return Err(Fault::Form);
        }
        Ok(Self { session, fields })
    }
}

/// A form that carries its own proof, from a page of this origin.
pub(crate) struct Proof(pub(crate) BTreeMap<String, String>);

impl FromRequest<Console> for Proof {
    type Rejection = Fault;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Fault> {
        from_here(request.headers())?;
        Ok(Self(fields(request, console).await?))
    }
}

async fn fields(request: Request, console: &Console) -> Result<BTreeMap<String, String>, Fault> {
    match Form::<BTreeMap<String, String>>::from_request(request, console).await {
        Ok(Form(fields)) => Ok(fields),
        Err(_) => Err(Fault::Form),
    }
}

/// The session that a request's cookie is of.
async fn session(office: &Office, headers: &HeaderMap, touch: Touch) -> Result<Session, Fault> {
    let secret = Jar::of(headers).secret(headers).ok_or(OfficeError::Session)?;
    Ok(office.session(&secret.to_owned().into(), touch).await?)
}

/// Whether a form was sent by a page of this very origin. Browsers say so in `Origin`, which every browser sends with a
/// form, and in `Sec-Fetch-Site`; what says neither is no browser and has no business here.
fn from_here(headers: &HeaderMap) -> Result<(), Fault> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let site = headers.get("sec-fetch-site");
    if site.is_some_and(|site| site.as_bytes() != b"same-origin") {
        return Err(Fault::Elsewhere);
    }
    let (origin, host) = (text(ORIGIN), text(HOST).unwrap_or_default());
    let same = origin.and_then(|origin| origin.split_once("://")).is_some_and(|(scheme, authority)| {
        matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host)
    });
    if same { Ok(()) } else { Err(Fault::Elsewhere) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(headers: &[(&'static str, &str)]) -> bool {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(*name, http::HeaderValue::from_str(value).unwrap());
        }
        from_here(&all).is_ok()
    }

    #[test]
    fn a_form_comes_from_this_origin_or_not_at_all() {
        let host = ("host", "127.0.0.1:7101");
        assert!(judged(&[host, ("origin", "http://127.0.0.1:7101")]));
        assert!(judged(&[host, ("origin", "http://127.0.0.1:7101"), ("sec-fetch-site", "same-origin")]));
        for bad in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin")],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://127.0.0.1:9999")],
            &[host, ("origin", "http://localhost:7101")],
            &[host, ("origin", "ftp://127.0.0.1:7101")],
            &[host, ("origin", "http://127.0.0.1:7101"), ("sec-fetch-site", "same-site")],
            &[host, ("origin", "http://127.0.0.1:7101"), ("sec-fetch-site", "cross-site")],
            &[host, ("origin", "http://127.0.0.1:7101"), ("sec-fetch-site", "none")],
        ] {
            assert!(!judged(bad), "{bad:?}");
        }
    }
}

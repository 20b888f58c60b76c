//! The frame of every page: head, ways through the house, headers, and pages for what went wrong.

use alcaide_control::{Blame, OfficeError, Session, visible_line};
use alcaide_serve::CodeEntry;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use maud::{DOCTYPE, Markup, html};

use crate::door::FORM_FIELD;
use crate::words::list;

/// The rooms that the navigation leads to: path, word, access key.
const ROOMS: [(&str, &str, &str); 8] = [
    ("/", "Overview", "o"),
    ("/activity", "Activity", "a"),
    ("/approvals", "Approvals", "q"),
    ("/agents", "Agents", "g"),
    ("/tools", "Tools", "t"),
    ("/models", "Models", "m"),
    ("/plans", "Plans", "p"),
    ("/log", "Record", "r"),
];

/// A page on its way out.
pub(crate) struct Page {
    title: String,
    room: &'static str,
    who: Option<Who>,
    notice: Option<&'static str>,
    body: Markup,
    status: StatusCode,
}

/// Whom the head of a page names.
struct Who {
    name: String,
    roles: String,
    form: String,
}

impl Page {
    /// A page for somebody; `room` is the path of the room that it is in.
    pub(crate) fn of(session: &Session, room: &'static str, title: impl Into<String>, body: Markup) -> Self {
        let roles = list(session.roles.iter().map(|role| role.as_str().replace('_', " ")));
        let who = Who { name: session.name.to_string(), roles, form: session.form.as_str().to_owned() };
        Self { title: title.into(), room, who: Some(who), notice: None, body, status: StatusCode::OK }
    }

    /// A page for whoever comes.
    pub(crate) fn for_anyone(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), room: "", who: None, notice: None, body, status: StatusCode::OK }
    }

    /// Says what was just done; the words are those of [`notice`], never the address's own.
    pub(crate) fn after(mut self, done: Option<&str>) -> Self {
        self.notice = done.and_then(notice);
        self
    }

    fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    fn markup(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Alcaide" }
                    link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/console.css";
                    script src="/assets/console.js" defer {}
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    header.top {
                        a.brand href="/" { img src="/assets/mark.svg" alt="" width="28" height="28"; span { "Alcaide" } }
                        @if self.who.is_some() || !self.room.is_empty() {
                            nav aria-label="Rooms" {
                                ul {
                                    @for (path, word, key) in ROOMS {
                                        li { a href=(path) accesskey=(key) aria-current=[(path == self.room).then_some("page")] { (word) } }
                                    }
                                }
                            }
                        }
                        @if let Some(who) = &self.who {
                            div.who {
                                p { strong { (who.name) } @if !who.roles.is_empty() { " " span.quiet { (who.roles) } } }
                                form method="post" action="/leave" {
                                    input type="hidden" name=(FORM_FIELD) value=(who.form);
                                    button.plain type="submit" { "Sign out" }
                                }
                            }
                        }
                    }
                    main #main tabindex="-1" {
                        h1 { (self.title) }
                        @if let Some(notice) = self.notice { p.notice role="status" { (notice) } }
                        (self.body)
                    }
                    footer {
                        p {
                            "Alcaide " (env!("CARGO_PKG_VERSION"))
                            @if self.who.is_some() { " · what is shown here is read from the record; " a href="/log" { "verify it" } "." }
                        }
                    }
                }
            }
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        html_response(self.status, &self.markup())
    }
}

/// Markup as an answer; a page or a part of one.
pub(crate) fn html_response(status: StatusCode, markup: &Markup) -> Response {
    let mut response = Response::new(Body::from(markup.0.clone()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// What a page says after something was done.
fn notice(done: &str) -> Option<&'static str> {
    Some(match done {
        "killed" => "Stopped. Every token that it held is dead, and open answers were cut.",
        "unkilled" => "It may act again, with new tokens.",
        "accepted" => "Accepted as it is now.",
        "released" => "Released. Calls of it pass as long as its evidence holds.",
        "held-back" => "Held back. No call of it passes until it was scanned anew and released again.",
        "revoked" => "Revoked. It is never served again.",
        "declared" => "Declared. It holds for the next call.",
        "approved" => "Answered with yes. The agent may send exactly this call once.",
        "denied" => "Answered with no.",
        "all-approved" => {
            "Answered with yes, all of them. The agent may send exactly these calls, once each."
        }
        "all-denied" => "Answered with no, all of them.",
        "rolled-back" => "The earlier declarations are in force again, under a new number.",
        _ => return None,
    })
}

/// The hidden field that a form of this session carries.
pub(crate) fn form_token(session: &Session) -> Markup {
    html! { input type="hidden" name=(FORM_FIELD) value=(session.form.as_str()); }
}

/// After something was done: the page that shows it.
pub(crate) fn see_other(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// Why a page is not shown, or something was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The office says why.
    Office(OfficeError),
    /// A form from another place.
    Elsewhere,
    /// A form without the session's token, or one that cannot be read.
    Form,
    /// What was decided about is no longer what was seen.
    Stale,
    /// A part of the address is not understood.
    Address,
}

impl From<OfficeError> for Fault {
    fn from(error: OfficeError) -> Self {
        Self::Office(error)
    }
}

impl Fault {
    fn code(&self) -> &'static str {
        match self {
            Self::Office(error) => error.code(),
            Self::Elsewhere => "ALC-CONSOLE-0001",
            Self::Form => "ALC-CONSOLE-0002",
            Self::Stale => "ALC-CONSOLE-0003",
            Self::Address => "ALC-CONSOLE-0004",
        }
    }

    fn entry(&self) -> Option<&'static CodeEntry> {
        let code = self.code();
        crate::TABLE.iter().find(|entry| entry.code == code)
    }

    fn status(&self) -> StatusCode {
        let Self::Office(error) = self else {
            let known = self.entry().and_then(|entry| StatusCode::from_u16(entry.status).ok());
            return known.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        };
        match error.blame() {
            Blame::Forbidden => StatusCode::FORBIDDEN,
            Blame::Unproven => StatusCode::UNAUTHORIZED,
            Blame::Caller => StatusCode::BAD_REQUEST,
            Blame::Missing => StatusCode::NOT_FOUND,
            Blame::Conflict => StatusCode::CONFLICT,
            Blame::Often => StatusCode::TOO_MANY_REQUESTS,
            Blame::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Blame::Office => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened and what would help, in sentences.
    fn told(&self) -> (String, String) {
        match (self, self.entry()) {
            (Self::Office(error), _) => (sentence(&error.to_string()), sentence(&error.help())),
            (_, Some(entry)) => (sentence(entry.what), sentence(entry.cure)),
            (_, None) => (sentence("something went wrong"), sentence("try again")),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status();
        let code = self.code();
        if let Self::Office(error) = &self
            && error.blame() == Blame::Office
        {
            tracing::error!(code, %error, "a page of the console failed");
        }
        if status == StatusCode::UNAUTHORIZED {
            return crate::pages::enter::stranger(&self.told().0, code).with_status(status).into_response();
        }
        let (what, help) = self.told();
        let title = match status {
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::NOT_FOUND => "Not here",
            StatusCode::CONFLICT => "Not done: it does not fit",
            StatusCode::BAD_REQUEST => "Not understood",
            StatusCode::SERVICE_UNAVAILABLE => "Busy",
            _ => "Something failed",
        };
        let body = html! {
            section.card.bad role="alert" {
                h2 { (what) }
                p { "What helps: " (help) }
                (faults(&self))
                p.quiet { "Nothing was changed. " a href={ "/problems/" (code) } { (code) } " says more." }
            }
            p { a href="/" { "To the overview" } }
        };
        let page = Page { room: "-", ..Page::for_anyone(title, body) };
        page.with_status(status).into_response()
    }
}

/// All that is wrong with declarations, where that is why.
fn faults(fault: &Fault) -> Markup {
    html! {
        @if let Fault::Office(OfficeError::Faults { faults }) = fault {
            ul { @for one in faults { li { code { (visible_line(&one.place)) } " " (visible_line(&one.why)) "; " (visible_line(&one.fix)) } } }
        }
    }
}

/// A message of the house as a sentence: its first letter in upper case, a full stop.
fn sentence(text: &str) -> String {
    let text = visible_line(text);
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Puts the headers of the console on every answer of it, refusals included.
pub(crate) async fn headers(mut response: Response) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Nothing but what this origin serves, no frame around it, no type guessed. With `no-referrer` browsers send
/// `Origin: null` with a form, which would be taken for one from elsewhere; `same-origin` tells other sites as little.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_has_code_status_and_words() {
        for (fault, status) in [
            (Fault::Elsewhere, 403),
            (Fault::Form, 403),
            (Fault::Stale, 409),
            (Fault::Address, 400),
            (Fault::Office(OfficeError::Session), 401),
            (Fault::Office(OfficeError::Stopping), 503),
        ] {
            assert_eq!(fault.status(), status, "{fault:?}");
            let (what, help) = fault.told();
            assert!(what.ends_with('.') && help.ends_with('.') && what.len() > 10, "{what} {help}");
            let response = fault.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        }
    }

    #[test]
    fn text_from_outside_is_escaped_in_text_and_attributes() {
        let hostile = "<script>\"'&";
        let markup = html! { p title=(hostile) { (hostile) } };
        assert_eq!(markup.0, "<p title=\"&lt;script&gt;&quot;'&amp;\">&lt;script&gt;&quot;'&amp;</p>");
        let fault = Fault::Office(OfficeError::Ambiguous { given: hostile.into() });
        let page = Page::for_anyone(hostile, html! { (fault.told().0) }).markup().0;
        assert!(!page.contains("<script>\"") && page.contains("&lt;script&gt;&quot;"), "{page}");
    }

    #[test]
    fn a_notice_is_one_of_ours() {
        assert!(notice("killed").is_some());
        assert!(notice("<b>you won</b>").is_none());
    }
}

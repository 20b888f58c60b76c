//! Problem documents (RFC 9457) and the catalogue that explains their codes.
//!
//! A code is declared once, as a [`CodeEntry`] in a static table; each crate has its own table and the house
//! joins them into one [`Catalogue`], which serves `/problems/<code>` and the command `explain`. Codes are
//! `ALC-<AREA>-<four digits>` and never change their meaning.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::body::Body;

/// What one code means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CodeEntry {
    /// The code: `ALC-`, an area in capitals, `-`, four digits.
    pub code: &'static str,
    /// HTTP status of a problem document with this code.
    pub status: u16,
    /// Short title: the same for each occurrence, lower case, no final period.
    pub title: &'static str,
    /// What happened, in a sentence or two.
    pub what: &'static str,
    /// Why it is so.
    pub why: &'static str,
    /// What to do.
    pub cure: &'static str,
}

impl CodeEntry {
    /// The explanation as plain text, ended by a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // INVARIANT: writing into a String does not fail.
        let _ = writeln!(
            text,
            "{}: {}\n\nwhat: {}\n why: {}\n fix: {}\nHTTP: {}",
            self.code, self.title, self.what, self.why, self.cure, self.status
        );
        text
    }
}

/// All codes of the house, sorted.
#[derive(Clone, Debug)]
pub struct Catalogue {
    entries: Vec<&'static CodeEntry>,
}

impl Catalogue {
    /// Joins tables.
    ///
    /// # Errors
    /// [`CatalogueError::Twice`] if a code is declared twice; [`CatalogueError::Malformed`] if an entry has a
    /// code of the wrong form, an empty text or a status that is no error.
    pub fn new(tables: &[&'static [CodeEntry]]) -> Result<Self, CatalogueError> {
        let mut entries: Vec<&'static CodeEntry> = tables.iter().flat_map(|table| table.iter()).collect();
        entries.sort_by_key(|entry| entry.code);
        for entry in &entries {
            let texts = [entry.title, entry.what, entry.why, entry.cure];
            if !well_formed(entry.code)
                || texts.iter().any(|text| text.trim().is_empty())
                || !(400..=599).contains(&entry.status)
            {
                return Err(CatalogueError::Malformed { code: entry.code });
            }
        }
        for pair in entries.windows(2) {
            if let [a, b] = pair
                && a.code == b.code
            {
                return Err(CatalogueError::Twice { code: a.code });
            }
        }
        Ok(Self { entries })
    }

    /// Looks a code up; letters may be lower case.
    #[must_use]
    pub fn find(&self, code: &str) -> Option<&'static CodeEntry> {
        if code.len() > MAX_CODE_BYTES {
            return None;
        }
        let code = code.to_ascii_uppercase();
        let at = self.entries.binary_search_by(|entry| entry.code.cmp(code.as_str())).ok()?;
        self.entries.get(at).copied()
    }

    /// All entries, by code.
    pub fn entries(&self) -> impl Iterator<Item = &'static CodeEntry> + '_ {
        self.entries.iter().copied()
    }

    /// The page behind a problem's `type`: plain text, or `None` for a path that is not `/problems/<known
    /// code>`.
    #[must_use]
    pub fn page(&self, path: &str) -> Option<Response<Body>> {
        let entry = self.find(path.strip_prefix("/problems/")?)?;
        let mut response = Response::new(Body::Full(entry.text().into()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        Some(response)
    }
}

/// Why tables do not make a catalogue.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// Two entries with one code.
    #[error("code `{code}` is declared twice")]
    Twice {
        /// The code.
        code: &'static str,
    },
    /// A wrong form, an empty text or a status that is no error.
    #[error("the entry of code `{code}` is malformed")]
    Malformed {
        /// The code.
        code: &'static str,
    },
}

/// A problem document.
#[derive(Clone, Debug)]
#[must_use = "a problem is for the caller: send it"]
pub struct Problem {
    entry: &'static CodeEntry,
    detail: Option<Cow<'static, str>>,
    help: Option<Cow<'static, str>>,
    record: Option<String>,
    approval: Option<String>,
    retry_after_s: Option<u32>,
    close: bool,
}

impl Problem {
    /// A problem with what the catalogue says about it.
    pub const fn new(entry: &'static CodeEntry) -> Self {
        Self {
            entry,
            detail: None,
            help: None,
            record: None,
            approval: None,
            retry_after_s: None,
            close: false,
        }
    }

    /// Says what happened this time. User input goes in backticks, cut; see [`shown`].
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says what to do this time, instead of the catalogue's cure.
    pub fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names the ledger record of the refusal.
    pub fn record(mut self, record: impl Into<String>) -> Self {
        self.record = Some(record.into());
        self
    }

    /// Names the question that people are asked, where there is one.
    pub fn approval(mut self, approval: impl Into<String>) -> Self {
        self.approval = Some(approval.into());
        self
    }

    /// Says when to try again, in seconds; 429 and 503 always carry it (1 if unset).
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Ends the connection after the answer.
    pub const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The entry of its code.
    #[must_use]
    pub const fn entry(&self) -> &'static CodeEntry {
        self.entry
    }

    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.entry.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The document as JSON.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        let document = Document {
            kind: format!("/problems/{}", self.entry.code),
            title: self.entry.title,
            status: self.entry.status,
            detail: self.detail.as_deref().unwrap_or(self.entry.what),
            help: self.help.as_deref().unwrap_or(self.entry.cure),
            code: self.entry.code,
            record: self.record.as_deref(),
            approval: self.approval.as_deref(),
        };
        // INVARIANT: a struct of texts and a number always serialises.
        serde_json::to_vec(&document).unwrap_or_default().into()
    }

    /// The answer to send.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::Full(self.to_json()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let must_say_when = matches!(self.entry.status, 429 | 503);
        if let Some(seconds) = self.retry_after_s.or(must_say_when.then_some(1)) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    help: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<&'a str>,
}

/// Shows outside text in a message: at most 80 characters, no control characters, no backticks.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '`').take(80).collect()
}

fn well_formed(code: &str) -> bool {
    let Some((area, number)) = code.strip_prefix("ALC-").and_then(|rest| rest.rsplit_once('-')) else {
        return false;
    };
    code.len() <= MAX_CODE_BYTES
        && !area.is_empty()
        && area.bytes().all(|b| b.is_ascii_uppercase())
        && number.len() == 4
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// Longest code: area names are words.
const MAX_CODE_BYTES: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: CodeEntry = CodeEntry {
        code: "ALC-TEST-0001",
        status: 503,
        title: "something is full",
        what: "a thing was full",
        why: "it has a bound",
        cure: "try again",
    };
    static TABLE: [CodeEntry; 1] = [ONE];
    static AGAIN: [CodeEntry; 1] = [CodeEntry { title: "other", ..ONE }];
    static WRONG: [CodeEntry; 4] = [
        CodeEntry { code: "ALC-TEST-001", ..ONE },
        CodeEntry { code: "ALC-test-0001", ..ONE },
        CodeEntry { cure: " ", ..ONE },
        CodeEntry { status: 200, ..ONE },
    ];

    #[test]
    fn codes_are_unique_and_well_formed() {
        assert!(Catalogue::new(&[crate::codes::TABLE, &TABLE]).is_ok());
        let twice = Catalogue::new(&[&TABLE, crate::codes::TABLE, &AGAIN]).unwrap_err();
        assert_eq!(twice, CatalogueError::Twice { code: "ALC-TEST-0001" });
        for one in &WRONG {
            let table = std::slice::from_ref(one);
            assert!(matches!(Catalogue::new(&[table]), Err(CatalogueError::Malformed { .. })), "{one:?}");
        }
    }

    #[test]
    fn a_code_is_found_by_name_and_by_page() {
        let catalogue = Catalogue::new(&[crate::codes::TABLE, &TABLE]).unwrap();
        assert_eq!(catalogue.find("alc-test-0001"), Some(&ONE));
        assert_eq!(catalogue.find("ALC-TEST-0002"), None);
        assert_eq!(catalogue.page("/problems/ALC-TEST-0001").unwrap().status(), 200);
        assert!(catalogue.page("/problems/../x").is_none());
        assert!(catalogue.entries().all(|e| catalogue.find(e.code) == Some(e)));
        assert!(ONE.text().contains(" fix: try again"));
    }

    #[test]
    fn the_document_has_the_members_of_the_api() {
        let problem = Problem::new(&TABLE[0]).detail("queue `q` is full").record("rec_01");
        let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "/problems/ALC-TEST-0001", "title": "something is full", "status": 503,
                "detail": "queue `q` is full", "help": "try again", "code": "ALC-TEST-0001", "record": "rec_01"
            })
        );
        let response = problem.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "1");
    }

    #[test]
    fn outside_text_is_cut_and_cleaned() {
        assert_eq!(shown("a`b\r\nc"), "abc");
        assert_eq!(shown(&"x".repeat(500)).len(), 80);
    }
}

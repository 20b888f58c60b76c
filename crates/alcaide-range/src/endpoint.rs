//! The streamable HTTP transport without its socket: what one exchange asks, and what answers it.
//!
//! One path, JSON answers only. A stateless request needs its headers to agree with its body, and nothing else; a
//! handshake needs the session that `initialize` opened. There is no stream to GET, since the server says nothing by
//! itself.
//!
//! Sources: specification 2026-07-28, "Streamable HTTP", and 2025-11-25, "Transports".

use std::collections::VecDeque;

use alcaide_wire::json::{Document, Limits};
use alcaide_wire::jsonrpc::{self, Message, code};
use alcaide_wire::mcp::{
    Accept, CallView, Era, HeaderMismatch, HttpFault, Method, Revision, check_headers, header_name, is_json,
    status_of, unsupported_version,
};

use crate::server::{Answer, MESSAGE_BYTES_MAX, Server, Session};

/// The one path.
pub const PATH: &str = "/mcp";
/// Most sessions at once; one more ends the oldest.
pub const SESSIONS_MAX: usize = 64;

/// A server and the sessions of its HTTP clients.
#[derive(Debug, Default)]
pub struct Endpoint {
    server: Server,
    /// Oldest first.
    sessions: VecDeque<(String, Session)>,
}

/// What answers an exchange.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// Headers, beside those of the framing.
    pub headers: Vec<(&'static str, String)>,
    /// The body; JSON where there is any.
    pub body: Vec<u8>,
}

impl Endpoint {
    /// An endpoint over a server.
    #[must_use]
    pub const fn new(server: Server) -> Self {
        Self { server, sessions: VecDeque::new() }
    }

    /// The server.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The server, to be changed by hand.
    pub const fn server_mut(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Answers one exchange. `fresh` gives the id of a new session, visible ASCII that nobody can guess.
    pub fn answer(
        &mut self,
        verb: &str,
        path: &str,
        headers: &[(&str, &[u8])],
        body: &[u8],
        fresh: impl FnOnce() -> Option<String>,
    ) -> Answered {
        if path != PATH {
            return Answered { status: 404, ..Answered::default() };
        }
        let given = values(headers, header_name::SESSION_ID).next();
        match verb {
            "POST" => self.post(headers, given, body, fresh),
            "DELETE" => match self.known(given) {
                Ok(at) => {
                    self.sessions.remove(at);
                    Answered { status: 200, ..Answered::default() }
                }
                Err(fault) => told(fault),
            },
            _ => {
                let mut answered = told(HttpFault::Verb);
                answered.headers.push(("allow", "POST, DELETE".into()));
                answered
            }
        }
    }

    fn post(
        &mut self,
        headers: &[(&str, &[u8])],
        given: Option<&[u8]>,
        body: &[u8],
        fresh: impl FnOnce() -> Option<String>,
    ) -> Answered {
        if !values(headers, "content-type").next().is_some_and(is_json) {
            return told(HttpFault::ContentType);
        }
        if !Accept::read(values(headers, "accept")).fits_post() {
            return told(HttpFault::NotAcceptable);
        }
        let limits = Limits { bytes: MESSAGE_BYTES_MAX, ..Limits::default() };
        let parsed = Document::parse(body, &limits);
        let document = match &parsed {
            Ok(document) => document,
            // The server says what is wrong with it.
            Err(_) => return self.one(&mut Session::default(), body),
        };
        if let Ok(Message::Response(_)) = Message::read(document) {
            // Nothing was asked; what answers nothing is taken and forgotten.
            return self.known(given).map_or_else(told, |_| accepted());
        }
        let Ok(view) = CallView::read(document) else { return self.one(&mut Session::default(), body) };
        let named = match check_headers(&view, headers.iter().copied()) {
            Ok(named) => named,
            Err(mismatch) => return mismatched(&view, &mismatch),
        };
        if view.era == Era::Stateless && view.id.is_some() {
            return self.one(&mut Session::default(), body);
        }
        if view.method == Method::Initialize && given.is_none() {
            return self.open(body, fresh);
        }
        let known = match self.known(given) {
            Ok(known) => known,
            // A notification of the stateless generation has no session to name.
            Err(_) if view.id.is_none() && named.is_some_and(|named| named.era() == Era::Stateless) => {
                return accepted();
            }
            Err(fault) => return told(fault),
        };
        let Some((_, session)) = self.sessions.get(known) else { return told(HttpFault::SessionUnknown) };
        let mut session = *session;
        if named.is_some_and(|named| Some(named) != session.agreed()) {
            return told(HttpFault::Version);
        }
        self.one(&mut session, body)
    }

    /// Opens a session, if `initialize` is well.
    fn open(&mut self, body: &[u8], fresh: impl FnOnce() -> Option<String>) -> Answered {
        let mut session = Session::default();
        let mut answered = self.one(&mut session, body);
        if session.agreed().is_none() {
            return answered;
        }
        let Some(id) = fresh() else { return Answered { status: 500, ..Answered::default() } };
        if self.sessions.len() >= SESSIONS_MAX {
            self.sessions.pop_front();
        }
        self.sessions.push_back((id.clone(), session));
        answered.headers.push((header_name::SESSION_ID, id));
        answered
    }

    fn one(&mut self, session: &mut Session, body: &[u8]) -> Answered {
        match self.server.answer(session, body) {
            None => accepted(),
            Some(Answer { message, error_code, revision }) => {
                json(error_code.map_or(200, |code| status_of(revision, code)), message)
            }
        }
    }

    /// Where a session stands among the known ones.
    fn known(&self, given: Option<&[u8]>) -> Result<usize, HttpFault> {
        let given = given.ok_or(HttpFault::SessionMissing)?;
        let found = self.sessions.iter().position(|(id, _)| id.as_bytes() == given);
        found.ok_or(HttpFault::SessionUnknown)
    }
}

fn values<'h>(headers: &[(&'h str, &'h [u8])], wanted: &str) -> impl Iterator<Item = &'h [u8]> {
    let same = |(name, _): &&(&str, &[u8])| name.eq_ignore_ascii_case(wanted);
    headers.iter().filter(same).map(|(_, value)| *value).collect::<Vec<_>>().into_iter()
}

fn accepted() -> Answered {
    Answered { status: 202, ..Answered::default() }
}

fn told(fault: HttpFault) -> Answered {
    json(fault.status(), jsonrpc::error(None, code::INVALID_REQUEST, &fault.to_string(), None))
}

fn mismatched(view: &CallView<'_>, mismatch: &HeaderMismatch) -> Answered {
    let id = view.id.as_ref();
    let body = match mismatch {
        HeaderMismatch::UnknownRevision => {
            unsupported_version(id, view.declared.as_deref().unwrap_or_default(), &Revision::ALL)
        }
        other => jsonrpc::error(id, other.code(), &other.to_string(), None),
    };
    json(400, body)
}

fn json(status: u16, body: Vec<u8>) -> Answered {
    Answered { status, headers: vec![("content-type", "application/json".into())], body }
}

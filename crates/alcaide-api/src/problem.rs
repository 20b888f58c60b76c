//! Errors of the office as problem documents (RFC 9457).

use alcaide_control::{Blame, OfficeError};
use alcaide_serve::{CodeEntry, Problem};
use axum::response::{IntoResponse, Response};

use crate::extract::JSON_BYTES_MAX;

macro_rules! codes {
    ($($code:literal, $status:literal, $title:literal, $what:literal, $why:literal, $cure:literal;)*) => {
        /// All codes of the office, for the catalogue.
        pub static TABLE: &[CodeEntry] = &[$(CodeEntry {
            code: $code, status: $status, title: $title, what: $what, why: $why, cure: $cure,
        }),*];
    };
}

codes! {
    "ALC-OFFICE-0001", 403, "not allowed", "the operation is not among what the caller's roles allow", "each operation names the roles that may; the attempt is in the record", "ask an administrator for one of the roles that the answer names";
    "ALC-OFFICE-0002", 422, "declarations break rules", "the declarations were not applied; every broken rule is listed", "a plan comes into force whole or not at all", "mend what is listed and apply again";
    "ALC-OFFICE-0003", 409, "another plan is in force", "another plan came into force since the caller looked", "an apply on top of a plan nobody has seen could undo somebody's change", "look at the plan in force and try again on top of it";
    "ALC-OFFICE-0004", 404, "no such thing", "nothing of that name or id is known", "names are in lower case and belong to one kind", "look it up in the list";
    "ALC-OFFICE-0005", 409, "there is one already", "a thing of that kind and name is there already", "names are unique per kind", "choose another name, or change what is there";
    "ALC-OFFICE-0006", 400, "name is ambiguous", "more than one of agent, workload and human has that name", "an order to stop somebody must name exactly one", "give the id in place of the name";
    "ALC-OFFICE-0007", 409, "secret in use", "upstreams refer to the secret", "without it their calls would fail", "let those upstreams refer to another secret first";
    "ALC-OFFICE-0008", 400, "secret has a wrong form", "the secret is empty, too long, or has characters that no header takes", "it is sent in a header", "give the secret itself, without line breaks";
    "ALC-OFFICE-0009", 401, "enrolment not accepted", "the enrolment token is unknown, used or too old", "it works once and lives 10 minutes", "open a new enrolment";
    "ALC-OFFICE-0010", 401, "proof not accepted", "the proof of possession does not hold", "who enrols a key must have it", "sign the proof anew, with the key that is to be enrolled";
    "ALC-OFFICE-0011", 409, "too many credentials", "the actor has as many client credentials as it may", "a bound on what can be stolen", "remove one that is no longer used";
    "ALC-OFFICE-0012", 401, "client not accepted", "the client assertion does not hold", "it must be signed with an enrolled key, for this issuer, minutes ago (RFC 7523)", "sign a new assertion; enrol the key if it was removed";
    "ALC-OFFICE-0013", 401, "proof used before", "an assertion or proof was seen before", "each works once, so that a copied one is worth nothing", "make a new one for each request";
    "ALC-OFFICE-0014", 503, "too many proofs in flight", "the replay memory is full", "a bound on memory; nothing is forgotten early", "try again in a minute";
    "ALC-OFFICE-0015", 401, "DPoP proof not accepted", "the proof does not fit this request", "a proof is for one method, URL and time (RFC 9449)", "make a new proof for each request";
    "ALC-OFFICE-0016", 401, "key-bound tokens only", "the agent's declaration asks for key-bound tokens", "a token without its key may have been stolen", "send a `DPoP` header with the token request";
    "ALC-OFFICE-0017", 403, "actor is barred", "the actor was stopped, is quarantined or has left", "who may not act gets no token", "ask the owner; an administrator can lift a stop";
    "ALC-OFFICE-0018", 401, "token not accepted", "the access token is malformed, of another issuer or audience, or has ended", "tokens live minutes", "get a new one";
    "ALC-OFFICE-0019", 401, "token revoked", "the token or one that it descends from was revoked, or its holder was stopped", "a revocation holds at once", "get a new one, if you may";
    "ALC-OFFICE-0020", 400, "exchange refused", "the exchange would widen what the subject token allows", "a chain only ever shrinks (RFC 8693)", "ask for no more than the subject token has";
    "ALC-OFFICE-0021", 400, "request not understood", "a value is missing or of a wrong form", "what is not clear is not done", "compare the request with the API reference";
    "ALC-OFFICE-0022", 409, "question cannot be answered so", "the question is answered already, too old, or not yours to answer", "who asked, and who is in the chain, never approves", "ask another approver, or send the call again";
    "ALC-OFFICE-0023", 400, "cursor not accepted", "the cursor is none that a list gave", "cursors are opaque", "begin the list anew";
    "ALC-OFFICE-0024", 409, "state is there already", "the state was begun before", "state is never begun twice", "start without `--init`";
    "ALC-OFFICE-0025", 500, "state was never begun", "there is a store but no plan in it", "state is never begun by accident", "begin it with `alcaide up --init`";
    "ALC-OFFICE-0026", 500, "store and ledger do not belong together", "the store knows of entries that the ledger has not", "one of them was restored without the other", "restore both from one backup";
    "ALC-OFFICE-0027", 500, "backup failed", "the copy could not be made or is not whole", "a backup is checked when it is made", "see the detail; give a folder that is not there yet";
    "ALC-OFFICE-0028", 400, "declarations cannot be read", "the declarations are not of the known format", "unknown keys are refused, so that a misspelt limit never means none", "mend the place that the detail names";
    "ALC-OFFICE-0029", 503, "the record cannot be written", "the ledger is full, busy or failed", "nothing changes without a durable record", "see `alcaide doctor`";
    "ALC-OFFICE-0030", 500, "the record cannot be read", "an entry of the ledger cannot be read", "the state rests on the record", "see `alcaide log verify`";
    "ALC-OFFICE-0031", 500, "the store failed", "the database answered with an error", "nothing was changed", "see `alcaide doctor`";
    "ALC-OFFICE-0032", 500, "a key operation failed", "sealing, signing or randomness failed", "nothing was changed", "see the log";
    "ALC-OFFICE-0033", 503, "shutting down", "the office is going down", "what was begun is finished first", "try again in a moment";
    "ALC-OFFICE-0040", 409, "nothing was done about the tool", "the tool is not declared, not offered in the form that was named, or not accepted", "a tool is accepted in exactly the form that somebody looked at, and only if its owner said what a call does", "look at it with `alcaide tool show`, then accept the pin that is offered; declare it with `alcaide tool declare`";
    "ALC-OFFICE-0041", 500, "a text beside the record cannot be read", "the folder `ledger/shelf` could not be read or written", "the definitions of tools are kept there by their digest", "see to the disk, or restore the folder from a backup";
    "ALC-OFFICE-0042", 401, "link not accepted", "the one-time link to the console is unknown, used up or too old", "it works once and lives 10 minutes", "get a new one with `alcaide console link`";
    "ALC-OFFICE-0043", 401, "no session", "there is no session, or it has ended", "a session ends after 8 hours, after 30 minutes without use, when its holder signs out, is stopped or leaves", "get a new link with `alcaide console link`";
    "ALC-OFFICE-0044", 503, "office behind", "the office's store does not follow the record for the moment", "what the office knows of orders is old then, so it issues no token and takes none; orders go over the socket", "make room on the data directory's disk; it goes on by itself then";
    "ALC-OFFICE-0045", 503, "asked too much", "too much is looked up or tried at once, or a question takes too long", "compiling plans and reading the store take time that calls and orders need", "ask for less, or again in a few seconds";
    "ALC-OFFICE-0046", 413, "body too long", "the body is longer than the office reads", "it is in memory while it is read", "send less at once; a folder of declarations has at most 16 MiB";
    "ALC-OFFICE-0047", 415, "body is no JSON", "the body is not said to be JSON", "what is not clear is not read", "send `content-type: application/json`";
    "ALC-OFFICE-0049", 429, "too many yes in this hour", "this person has said yes as often within the hour as one may, or as often to questions about money, credentials or what cannot be undone", "who says yes to everything looks at nothing; what one person can let pass is bounded", "let another approver answer, or come back later; a no is always taken. An operator may raise `office.yes_per_hour`";
    "ALC-OFFICE-0050", 409, "questions not answered together", "none of the task's questions is open for this person, or they are not those that were shown", "what is answered in one act is answered whole, as it was shown, or not at all", "look at the task's questions anew, and answer what is open";
    "ALC-OFFICE-0051", 409, "nothing was done about the model", "the version is not registered, not scanned or signed as the model requires, held back or revoked, or its bundle is not of a signer whom the model names, or not of these files", "no version is served before each earlier step is in the record, and who registered it does not release it", "look at it with `alcaide model show`";
    "ALC-OFFICE-0052", 500, "evidence was not made", "the statement could not be signed or written", "nothing is entered without evidence that verifies", "see the detail and the log";
    "ALC-OFFICE-0048", 404, "plan not kept any more", "what the plan declares is not in the store any more; its entry is in the record", "the office keeps the last 100 plans, and others as long as `office.keep_days` says", "apply the declarations from where they are kept, such as a Git folder";
}

/// An error on its way out.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The office's.
    Office(OfficeError),
    /// The request could not be read.
    Unread(Unread),
}

/// Why a request could not be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// Something stands in it that does not belong there, or is missing.
    Form {
        /// Where, and what.
        what: String,
    },
    /// The body is too long, or broke off.
    Body {
        /// Too long.
        is_long: bool,
    },
    /// The body is said to be something else than JSON.
    Type,
}

impl Unread {
    pub(crate) fn at(place: &str, why: &str) -> Self {
        Self::Form { what: format!("{place}: {}", told(why)) }
    }

    fn problem(self) -> Option<Problem> {
        let (code, detail) = match self {
            Self::Form { what } => ("ALC-OFFICE-0021", what),
            Self::Body { is_long: false } => ("ALC-OFFICE-0021", "body: it broke off".to_owned()),
            Self::Body { is_long: true } => {
                ("ALC-OFFICE-0046", format!("body: it is longer than {JSON_BYTES_MAX} bytes"))
            }
            Self::Type => {
                ("ALC-OFFICE-0047", "header `content-type`: it is not `application/json`".to_owned())
            }
        };
        TABLE.iter().find(|entry| entry.code == code).map(|entry| Problem::new(entry).detail(detail))
    }
}

/// What a reader says of a request, as an answer may show it.
pub(crate) fn told(text: &str) -> String {
    text.chars().take(300).map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

impl From<OfficeError> for Answer {
    fn from(error: OfficeError) -> Self {
        Self::Office(error)
    }
}

impl From<Unread> for Answer {
    fn from(unread: Unread) -> Self {
        Self::Unread(unread)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Office(error) => error,
            Self::Unread(unread) => {
                return match unread.problem() {
                    Some(problem) => problem.into_response().map(axum::body::Body::new),
                    None => http::StatusCode::BAD_REQUEST.into_response(),
                };
            }
        };
        let code = error.code();
        if error.blame() == Blame::Office {
            tracing::error!(code, %error, "an operation of the office failed");
        }
        let Some(entry) = TABLE.iter().find(|entry| entry.code == code) else {
            return http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let faults = match &error {
            OfficeError::Faults { faults } => serde_json::to_value(faults).ok(),
            _ => None,
        };
        let problem = Problem::new(entry).detail(error.to_string()).help(error.help());
        let response = problem.into_response().map(axum::body::Body::new);
        match faults {
            None => response,
            Some(faults) => with_faults(&response, entry, &error, faults),
        }
    }
}

/// The same document with one more member, as RFC 9457, section 3.2, allows.
fn with_faults(
    like: &Response,
    entry: &CodeEntry,
    error: &OfficeError,
    faults: serde_json::Value,
) -> Response {
    let body = serde_json::json!({
        "type": format!("/problems/{}", entry.code), "title": entry.title, "status": entry.status,
        "detail": error.to_string(), "help": error.help(), "code": entry.code, "faults": faults,
    });
    let mut response = Response::new(axum::body::Body::from(body.to_string()));
    *response.status_mut() = like.status();
    *response.headers_mut() = like.headers().clone();
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    response
}

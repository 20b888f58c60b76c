//! How a tool server's caller is told no: a JSON-RPC error that its client can show.

use alcaide_serve::Body;
use alcaide_wire::jsonrpc::{self, Id};
use http::{HeaderValue, Response, StatusCode, header};

use crate::gate::challenge;
use crate::refusal::Refusal;

/// Code of an error that the gate makes: within the range that JSON-RPC leaves to implementations, apart from those
/// that the Model Context Protocol uses.
pub(crate) const REFUSED: i64 = -32_050;

/// A call that does not pass, and what is needed to say so.
#[derive(Debug)]
pub(crate) struct Denied(Box<Parts>);

#[derive(Debug)]
struct Parts {
    refusal: Refusal,
    /// The request, where it was read.
    id: Option<Id<'static>>,
    /// The protocol's own code, where the protocol names one.
    code: Option<i64>,
    /// A status that the protocol asks for.
    status: Option<u16>,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(Parts { refusal, id: None, code: None, status: None }))
    }
}

impl Denied {
    /// The same for a request.
    pub(crate) fn of(refusal: Refusal, id: Option<&Id<'_>>) -> Self {
        let mut denied = Self::from(refusal);
        denied.0.id = id.map(|id| id.clone().into_owned());
        denied
    }

    /// The same with the protocol's own code.
    pub(crate) fn coded(mut self, code: i64) -> Self {
        self.0.code = Some(code);
        self
    }

    /// The same with the status that the protocol asks for.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Why it does not pass.
    pub(crate) const fn refusal(&self) -> &Refusal {
        &self.0.refusal
    }

    /// The response. Where the request is known and its caller too, the error is the request's and the exchange went
    /// well: clients then fail the call and keep the connection.
    pub(crate) fn into_response(self) -> Response<Body> {
        let Parts { refusal, id, code, status } = *self.0;
        let body = match code {
            Some(code) => jsonrpc::error(id.as_ref(), code, &refusal.detail, None),
            None => error_of(&refusal, id.as_ref()),
        };
        let mut response = Response::new(Body::Full(body.into()));
        let own = refusal.status;
        *response.status_mut() = match status.and_then(|status| StatusCode::from_u16(status).ok()) {
            Some(status) => status,
            None if id.is_some() && own != StatusCode::UNAUTHORIZED => StatusCode::OK,
            None => own,
        };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        challenge(&refusal, &mut response);
        response
    }
}

/// The JSON-RPC error that tells a refusal: in `data` its `code`, `help` with what would cure it, `approval_id` where a
/// person is or was asked, `retry_after_s` where it may pass later.
pub(crate) fn error_of(refusal: &Refusal, id: Option<&Id<'_>>) -> Vec<u8> {
    let mut data = serde_json::json!({ "code": refusal.code });
    if let Some(members) = data.as_object_mut() {
        if !refusal.help.is_empty() {
            members.insert("help".into(), refusal.help.as_ref().into());
        }
        if let Some(approval) = refusal.approval() {
            members.insert("approval_id".into(), approval.to_string().into());
        }
        if let Some(wait) = refusal.retry_after {
            members.insert("retry_after_s".into(), wait.as_secs().max(1).into());
        }
    }
    let message = if refusal.help.is_empty() {
        refusal.detail.to_string()
    } else {
        format!("{}; {}", refusal.detail, refusal.help)
    };
    jsonrpc::error(id, REFUSED, &message, Some(&data.to_string()))
}

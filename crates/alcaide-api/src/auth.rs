//! Who asks.

use alcaide_control::{By, OfficeError};
use alcaide_serve::{Peer, PeerAddr};
use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::Api;
use crate::problem::Answer;

/// A caller whom the office knows.
pub(crate) struct Caller(pub(crate) By);

impl FromRequestParts<Api> for Caller {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Answer> {
        if is_operator(parts, api) {
            return Ok(Self(By::Operator));
        }
        let given = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = given.and_then(|text| text.split_once(' ')).unwrap_or_default();
        let dpop = parts.headers.get("dpop").and_then(|value| value.to_str().ok());
        let proof = match dpop {
            Some(proof) if scheme.eq_ignore_ascii_case("dpop") => {
                let url = format!("{}{}", api.issuer, parts.uri.path());
                Some(api.office.dpop(proof, parts.method.as_str(), &url, Some(token.trim()))?)
            }
            _ if scheme.eq_ignore_ascii_case("bearer") => None,
            _ => return Err(OfficeError::Client.into()),
        };
        Ok(Self(api.office.verify_office(token.trim(), proof.as_ref()).await?))
    }
}

/// Whether a request came over the socket in the data directory, from a process of the operator.
pub(crate) fn is_operator(parts: &Parts, api: &Api) -> bool {
    match parts.extensions.get::<Peer>().map(|peer| peer.addr) {
        Some(PeerAddr::Unix { uid, .. }) => uid == api.operator_uid || uid == 0,
        _ => false,
    }
}

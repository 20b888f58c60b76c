//! Body, path and query of a request. What cannot be read is answered as everything else is: a problem document that
//! says what, where, and what would help.

use axum::body::to_bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Api;
use crate::problem::{Answer, Unread};

/// Longest JSON body. A folder of declarations with the Cedar text of its policies comes in one; more than the listener
/// lets through is nowhere to be had.
pub(crate) const JSON_BYTES_MAX: usize = 16 << 20;
/// Longest form: a token request with its assertion.
pub(crate) const FORM_BYTES_MAX: usize = 64 << 10;

/// A JSON body, read or to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Json<T> {
    type Rejection = Answer;

    async fn from_request(request: Request, _api: &Api) -> Result<Self, Answer> {
        if !is_json(request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok())) {
            return Err(Unread::Type.into());
        }
        let bytes = match to_bytes(request.into_body(), JSON_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(error) => return Err(Unread::Body { is_long: is_limit(&error) }.into()),
        };
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let place = format!("body, line {}, column {}", error.line(), error.column());
            let text = error.to_string();
            // The place stands in front, once.
            let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
            Unread::at(&place, why).into()
        })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Parameters of the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for Path<T> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Answer> {
        let read: Result<axum::extract::Path<T>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, api).await;
        read.map(|path| Self(path.0)).map_err(|error| Unread::at("path", &error.body_text()).into())
    }
}

/// Parameters of the query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Query<T> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Answer> {
        let read: Result<axum::extract::Query<T>, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, api).await;
        read.map(|query| Self(query.0)).map_err(|error| Unread::at("query", &error.body_text()).into())
    }
}

/// Whether a content type says JSON, whatever parameters it has.
fn is_json(given: Option<&str>) -> bool {
    let kind = given.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let Some((first, second)) = kind.split_once('/') else { return false };
    let second = second.to_ascii_lowercase();
    first.eq_ignore_ascii_case("application") && (second == "json" || second.ends_with("+json"))
}

/// Whether a body broke off because it is too long; else it did not come whole.
fn is_limit(error: &axum::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.to_string() == "length limit exceeded" {
            return true;
        }
        next = cause.source();
    }
    false
}

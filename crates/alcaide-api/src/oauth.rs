//! OAuth 2.0: token endpoint (client credentials with `private_key_jwt`, token exchange), metadata, keys.
//!
//! Source: RFC 6749 section 4.4, RFC 7523, RFC 8414, RFC 8693, RFC 9449.

use std::time::Duration;

use alcaide_control::{Blame, ClientCredentials, Exchange, Granted, OfficeError};
use alcaide_inventory::declare::Grant;
use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use crate::Api;

const ASSERTION_TYPE: &str = alcaide_identity::assertion::ASSERTION_TYPE;
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A token request.
#[derive(Deserialize)]
pub(crate) struct TokenForm {
    grant_type: String,
    #[serde(default)]
    client_assertion_type: String,
    #[serde(default)]
    client_assertion: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    subject_token: Option<String>,
    #[serde(default)]
    subject_token_type: Option<String>,
    #[serde(default)]
    requested_token_type: Option<String>,
    #[serde(default)]
    actor_token: Option<String>,
}

pub(crate) async fn token(
    State(api): State<Api>,
    headers: HeaderMap,
    form: Result<Form<TokenForm>, FormRejection>,
) -> Response {
    let granted = match form {
        Ok(Form(form)) => grant(&api, &headers, form).await,
        Err(rejected) => Err(Refused {
            status: rejected.status(),
            ..Refused::new("invalid_request", &crate::problem::told(&rejected.body_text()))
        }),
    };
    match granted {
        Ok((granted, exchanged)) => {
            let mut body = json!({
                "access_token": granted.access_token.expose(),
                "token_type": if granted.bound { "DPoP" } else { "Bearer" },
                "expires_in": granted.expires_in_s,
            });
            if let (Some(members), true) = (body.as_object_mut(), exchanged) {
                members.insert("issued_token_type".into(), ACCESS_TOKEN.into());
            }
            if let (Some(members), Some(scope)) = (body.as_object_mut(), &granted.scope) {
                let text = scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                members.insert("scope".into(), text.into());
            }
            no_store(Json(body).into_response())
        }
        Err(Refused { status, error, why }) => {
            no_store((status, Json(json!({ "error": error, "error_description": why }))).into_response())
        }
    }
}

/// An error of RFC 6749, section 5.2.
struct Refused {
    status: StatusCode,
    error: &'static str,
    why: String,
}

impl Refused {
    fn new(error: &'static str, why: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, why: why.to_owned() }
    }
}

impl From<OfficeError> for Refused {
    fn from(error: OfficeError) -> Self {
        let (status, word) = match error.blame() {
            Blame::Unproven => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Blame::Forbidden => (StatusCode::BAD_REQUEST, "unauthorized_client"),
            Blame::Busy => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            Blame::Office => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
            _ => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        let (status, word) = match &error {
            OfficeError::Dpop(_) => (StatusCode::BAD_REQUEST, "invalid_dpop_proof"),
            OfficeError::Exchange(_) => (StatusCode::BAD_REQUEST, "invalid_target"),
            OfficeError::Token(_) | OfficeError::Revoked => (StatusCode::BAD_REQUEST, "invalid_grant"),
            _ => (status, word),
        };
        Self { status, error: word, why: error.to_string() }
    }
}

async fn grant(api: &Api, headers: &HeaderMap, form: TokenForm) -> Result<(Granted, bool), Refused> {
    if form.client_assertion_type != ASSERTION_TYPE || form.client_assertion.is_empty() {
        return Err(Refused {
            status: StatusCode::UNAUTHORIZED,
            ..Refused::new("invalid_client", "clients prove their key with `client_assertion` (RFC 7523)")
        });
    }
    let url = format!("{}/oauth/token", api.issuer);
    let dpop = match headers.get("dpop").map(|value| value.to_str()) {
        None => None,
        Some(Err(_)) => return Err(Refused::new("invalid_dpop_proof", "the `DPoP` header is not text")),
        Some(Ok(proof)) => Some(api.office.dpop(proof, "POST", &url, None)?),
    };
    let scope = match form.scope.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(
            text.split(' ')
                .map(str::parse::<Grant>)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Refused::new("invalid_scope", &error.to_string()))?,
        ),
    };
    match form.grant_type.as_str() {
        "client_credentials" => {
            let asked = ClientCredentials { assertion: form.client_assertion, dpop, scope };
            Ok((api.office.token_client_credentials(asked).await?, false))
        }
        EXCHANGE => {
            if form.subject_token_type.as_deref() != Some(ACCESS_TOKEN) {
                return Err(Refused::new(
                    "invalid_request",
                    "`subject_token_type` is not that of an access token",
                ));
            }
            if form.requested_token_type.as_deref().is_some_and(|kind| kind != ACCESS_TOKEN) {
                return Err(Refused::new("invalid_request", "only access tokens are issued"));
            }
            if form.actor_token.is_some() {
                return Err(Refused::new(
                    "invalid_request",
                    "the actor is the client that asks; `actor_token` is not taken",
                ));
            }
            let Some(subject_token) = form.subject_token else {
                return Err(Refused::new("invalid_request", "`subject_token` is missing"));
            };
            let asked = Exchange {
                subject_token: subject_token.into(),
                subject_proof: None,
                assertion: form.client_assertion,
                dpop,
                scope,
                life: Some(Duration::from_secs(600)),
            };
            Ok((api.office.token_exchange(asked).await?, true))
        }
        _ => {
            Err(Refused::new("unsupported_grant_type", "`client_credentials` and token exchange are served"))
        }
    }
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) async fn jwks(State(api): State<Api>) -> Response {
    key_set(api.office.jwks().map(|keys| keys.to_json()))
}

pub(crate) async fn label_jwks(State(api): State<Api>) -> Response {
    key_set(api.office.label_jwks().map(|keys| keys.to_json()))
}

fn key_set(keys: Result<String, OfficeError>) -> Response {
    match keys {
        Ok(keys) => ([(header::CONTENT_TYPE, "application/jwk-set+json")], keys).into_response(),
        Err(error) => crate::problem::Answer::from(error).into_response(),
    }
}

pub(crate) async fn metadata(State(api): State<Api>) -> Json<serde_json::Value> {
    let issuer = &api.issuer;
    Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials", EXCHANGE],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA"],
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
        "response_types_supported": [],
    }))
}

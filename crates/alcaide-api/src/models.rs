//! Models: versions, evidence about them, what may be served.

use alcaide_control::{
    Choice, Digest, EvidenceView, ModelDetail, ModelOrdered, ModelView, OfficeError, Registered, Registration,
};
use alcaide_inventory::Name;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Api;
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::Answer;

pub(crate) async fn list(State(api): State<Api>, Caller(by): Caller) -> Result<Json<Vec<ModelView>>, Answer> {
    Ok(Json(api.office.models(&by).await?))
}

pub(crate) async fn show(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
) -> Result<Json<ModelDetail>, Answer> {
    Ok(Json(api.office.model(&by, &name).await?))
}

pub(crate) async fn register(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
    Json(registration): Json<Registration>,
) -> Result<Json<Registered>, Answer> {
    Ok(Json(api.office.register_model(&by, &name, registration).await?))
}

pub(crate) async fn release(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
    Json(choice): Json<Choice>,
) -> Result<Json<ModelOrdered>, Answer> {
    Ok(Json(api.office.release_model(&by, &name, choice).await?))
}

/// Which version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    version: Digest,
}

pub(crate) async fn quarantine(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
    Json(which): Json<Which>,
) -> Result<Json<ModelOrdered>, Answer> {
    Ok(Json(api.office.quarantine_model(&by, &name, which.version).await?))
}

pub(crate) async fn revoke(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
    Json(which): Json<Which>,
) -> Result<Json<ModelOrdered>, Answer> {
    Ok(Json(api.office.revoke_model(&by, &name, which.version).await?))
}

/// About which model; about all where none is named.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct About {
    model: Option<Name>,
}

pub(crate) async fn evidence(
    State(api): State<Api>,
    Caller(by): Caller,
    Query(about): Query<About>,
) -> Result<Json<Vec<EvidenceView>>, Answer> {
    Ok(Json(api.office.evidence(&by, about.model.as_ref()).await?))
}

pub(crate) async fn envelope(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(digest): Path<String>,
) -> Result<Json<Value>, Answer> {
    let wrong = |_| OfficeError::Request { why: "the digest is not 64 lower-case hex digits" };
    let bytes = api.office.envelope(&by, digest.parse().map_err(wrong)?).await?;
    let text = serde_json::from_slice(&bytes);
    Ok(Json(text.map_err(|_| OfficeError::Request { why: "the envelope on the shelf is no JSON" })?))
}

pub(crate) async fn key(State(api): State<Api>, Caller(_by): Caller) -> Json<Value> {
    Json(json!({ "public_key": api.office.evidence_key() }))
}

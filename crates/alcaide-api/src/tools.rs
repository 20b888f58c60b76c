//! Tools: what servers offer, what is accepted of it.

use alcaide_control::{HeldSource, OfficeError, OrderView, ToolDetail, ToolFilter, ToolOrdered, ToolView};
use alcaide_inventory::Name;
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::Answer;

pub(crate) async fn list(
    State(api): State<Api>,
    Caller(by): Caller,
    Query(filter): Query<ToolFilter>,
) -> Result<Json<Vec<ToolView>>, Answer> {
    Ok(Json(api.office.tools(&by, filter).await?))
}

pub(crate) async fn show(
    State(api): State<Api>,
    Caller(by): Caller,
    Path((server, name)): Path<(Name, String)>,
) -> Result<Json<ToolDetail>, Answer> {
    Ok(Json(api.office.tool(&by, &server, &name).await?))
}

/// The form that is accepted: exactly what was looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    pin: String,
}

pub(crate) async fn accept(
    State(api): State<Api>,
    Caller(by): Caller,
    Path((server, name)): Path<(Name, String)>,
    Json(accept): Json<Accept>,
) -> Result<Json<ToolOrdered>, Answer> {
    let wrong = |_| OfficeError::Request { why: "the pin is not 64 lower-case hex digits" };
    let pin = accept.pin.parse().map_err(wrong)?;
    Ok(Json(api.office.accept_pin(&by, &server, &name, pin).await?))
}

pub(crate) async fn quarantine(
    State(api): State<Api>,
    Caller(by): Caller,
    Path((server, name)): Path<(Name, String)>,
) -> Result<Json<ToolOrdered>, Answer> {
    Ok(Json(api.office.quarantine_tool(&by, &server, &name).await?))
}

pub(crate) async fn sources(
    State(api): State<Api>,
    Caller(by): Caller,
) -> Result<Json<Vec<HeldSource>>, Answer> {
    Ok(Json(api.office.quarantined_sources(&by).await?))
}

pub(crate) async fn hold(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
) -> Result<Json<OrderView>, Answer> {
    Ok(Json(api.office.quarantine_source(&by, &name).await?))
}

pub(crate) async fn release(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
) -> Result<Json<OrderView>, Answer> {
    Ok(Json(api.office.release_source(&by, &name).await?))
}

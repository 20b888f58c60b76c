//! Is it alive, may it be used, what has it done; what a code means.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;

use crate::Api;
use crate::auth::Caller;

pub(crate) async fn live() -> &'static str {
    "alive\n"
}

pub(crate) async fn ready(State(api): State<Api>) -> Response {
    match (api.ready)() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], format!("not ready: {why}\n"))
                .into_response()
        }
    }
}

pub(crate) async fn metrics(State(api): State<Api>, _caller: Caller) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], (api.counters)()).into_response()
}

pub(crate) async fn problem(State(api): State<Api>, Path(code): Path<String>) -> Response {
    match api.catalogue.find(&code) {
        Some(entry) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], entry.text()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the house is and runs on.
#[derive(Serialize)]
pub(crate) struct Status {
    version: &'static str,
    plan: alcaide_inventory::PlanNumber,
    issuer: String,
    gate: String,
    ready: bool,
}

pub(crate) async fn status(State(api): State<Api>, _caller: Caller) -> Json<Status> {
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        plan: api.office.current().number,
        issuer: api.issuer.clone(),
        gate: api.gate.clone(),
        ready: (api.ready)().is_ok(),
    })
}

pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], crate::routes::openapi().to_string()).into_response()
}

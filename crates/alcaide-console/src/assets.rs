//! Style, script and mark: part of the program, the same for everybody, kept by browsers until the program changes.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../assets/console.css"))
}

pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../assets/console.js"))
}

pub(crate) async fn mark() -> Response {
    asset("image/svg+xml", include_str!("../assets/mark.svg"))
}

/// Kept for five minutes: a new program shows its own style soon.
fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "private, max-age=300")], text).into_response()
}

//! The log: checkpoint and hash tiles for anyone (C2SP tlog-tiles), entries and proofs for those with a role.

use std::time::Duration;

use alcaide_control::OfficeError;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::Answer;

/// Longest time that a request for entries that are not there yet waits.
const WAIT_MAX: Duration = Duration::from_secs(30);

pub(crate) async fn checkpoint(State(api): State<Api>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")],
        api.office.log_checkpoint(),
    )
        .into_response()
}

/// A hash tile, by its C2SP path below `tile/`.
pub(crate) async fn tile(State(api): State<Api>, Path(path): Path<String>) -> Result<Response, Answer> {
    let found = api.office.log_tile(&path).await?;
    Ok(match found {
        Some(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// Which entries.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntriesQuery {
    /// First index; the newest `limit` entries where not given.
    #[serde(default)]
    from: Option<u64>,
    #[serde(default)]
    limit: Option<u32>,
    /// Milliseconds to wait for the first entry if it is not there yet.
    #[serde(default)]
    wait_ms: Option<u64>,
}

/// Entries in order.
#[derive(Serialize)]
pub(crate) struct Entries {
    entries: Vec<Indexed>,
    /// Index of the entry that follows.
    next: u64,
}

#[derive(Serialize)]
struct Indexed {
    index: u64,
    entry: serde_json::Value,
}

pub(crate) async fn entries(
    State(api): State<Api>,
    Caller(by): Caller,
    Query(query): Query<EntriesQuery>,
) -> Result<Json<Entries>, Answer> {
    let wait = Duration::from_millis(query.wait_ms.unwrap_or(0)).min(WAIT_MAX);
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let read = api.office.log_entries(&by, query.from, limit, wait).await?;
    let mut entries = Vec::with_capacity(read.leaves.len());
    for (index, leaf) in read.leaves {
        let entry = serde_json::from_slice(&leaf)
            .map_err(|_| OfficeError::Request { why: "an entry is not JSON" })?;
        entries.push(Indexed { index, entry });
    }
    Ok(Json(Entries { entries, next: read.next }))
}

/// A proof that an entry is in the log.
#[derive(Serialize)]
pub(crate) struct Proof {
    index: u64,
    size: u64,
    leaf_hash: String,
    proof: Vec<String>,
    checkpoint: String,
    entry: serde_json::Value,
}

pub(crate) async fn proof(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(index): Path<u64>,
) -> Result<Json<Proof>, Answer> {
    let proven = api.office.log_proof(&by, index).await?;
    Ok(Json(Proof {
        index,
        size: proven.size,
        leaf_hash: proven.leaf_hash,
        proof: proven.proof,
        checkpoint: proven.checkpoint,
        entry: serde_json::from_slice(&proven.leaf)
            .map_err(|_| OfficeError::Request { why: "an entry is not JSON" })?,
    }))
}

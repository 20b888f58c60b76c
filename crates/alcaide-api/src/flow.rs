//! Where data came from and where it went.

use alcaide_control::{AgentReport, By, Cursor, Influence, OfficeError, Paging, Reach, ReachOf, TaskFlow};
use alcaide_inventory::{Actor, CallId, Moment, Name, TaskId};
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::Answer;

pub(crate) async fn task(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(task): Path<String>,
) -> Result<Json<TaskFlow>, Answer> {
    let id: TaskId = task.parse().map_err(|_| OfficeError::Request { why: "the id is none of a task" })?;
    Ok(Json(api.office.task_flow(&by, id).await?))
}

/// Of which of a source's calls.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReachQuery {
    /// Not before, in microseconds.
    since: Option<Moment>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn of_call(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(call): Path<String>,
    Query(query): Query<ReachQuery>,
) -> Result<Json<Reach>, Answer> {
    let id: CallId = call.parse().map_err(|_| OfficeError::Request { why: "the id is none of a call" })?;
    reach(&api, &by, ReachOf::Call(id), query).await
}

pub(crate) async fn of_tool(
    State(api): State<Api>,
    Caller(by): Caller,
    Path((server, name)): Path<(Name, String)>,
    Query(query): Query<ReachQuery>,
) -> Result<Json<Reach>, Answer> {
    let of = api.office.reach_of_tool(&by, &server, &name).await?;
    reach(&api, &by, of, query).await
}

pub(crate) async fn of_actor(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(actor): Path<String>,
    Query(query): Query<ReachQuery>,
) -> Result<Json<Reach>, Answer> {
    let of = ReachOf::Actor(api.office.resolve_actor(&actor)?);
    reach(&api, &by, of, query).await
}

async fn reach(api: &Api, by: &By, of: ReachOf, query: ReachQuery) -> Result<Json<Reach>, Answer> {
    let paging = Paging { limit: query.limit, after: query.cursor.as_deref().map(Cursor::from_text) };
    Ok(Json(api.office.reach(by, of, query.since, paging).await?))
}

/// From when on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportQuery {
    /// Not before, in microseconds.
    since: Option<Moment>,
}

pub(crate) async fn report(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(actor): Path<String>,
    Query(query): Query<ReportQuery>,
) -> Result<Json<AgentReport>, Answer> {
    let Actor::Agent(agent) = api.office.resolve_actor(&actor)? else {
        return Err(OfficeError::Request { why: "only agents have a report" }.into());
    };
    Ok(Json(api.office.agent_report(&by, agent, query.since).await?))
}

/// `null` where the task had read nothing of strangers.
pub(crate) async fn influence(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(call): Path<String>,
) -> Result<Json<Option<Influence>>, Answer> {
    let id: CallId = call.parse().map_err(|_| OfficeError::Request { why: "the id is none of a call" })?;
    Ok(Json(api.office.influence(&by, id).await?))
}

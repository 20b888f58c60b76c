//! What was called, by whom, what it used; orders; questions.

use alcaide_control::{
    ActivityFilter, ApprovalView, ApproverView, Batch, CallView, Decision, Digest, Endorsement, OfficeError,
    OrderView, Page, QuestionView, Queue, UsageFilter, UsageView,
};
use alcaide_inventory::{ApprovalId, CallId};
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::auth::Caller;
use crate::declarations::PageQuery;
use crate::extract::{Json, Path, Query};
use crate::problem::Answer;

pub(crate) async fn calls(
    State(api): State<Api>,
    Caller(by): Caller,
    Query(filter): Query<CallsQuery>,
) -> Result<Json<Page<CallView>>, Answer> {
    let actor = filter.actor.as_deref().map(|text| api.office.resolve_actor(text)).transpose()?;
    let wanted = ActivityFilter { actor, state: filter.state, ..ActivityFilter::default() };
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor };
    Ok(Json(api.office.activity(&by, wanted, page.into()).await?))
}

/// Which calls.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallsQuery {
    actor: Option<String>,
    state: Option<alcaide_control::CallState>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn call(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(call): Path<String>,
) -> Result<Json<CallView>, Answer> {
    let id: CallId = call.parse().map_err(|_| OfficeError::Request { why: "the id is none of a call" })?;
    Ok(Json(api.office.call(&by, id).await?))
}

pub(crate) async fn usage(
    State(api): State<Api>,
    Caller(by): Caller,
    Query(filter): Query<UsageFilter>,
) -> Result<Json<Vec<UsageView>>, Answer> {
    Ok(Json(api.office.usage(&by, filter).await?))
}

pub(crate) async fn orders(
    State(api): State<Api>,
    Caller(by): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<OrderView>>, Answer> {
    Ok(Json(api.office.orders(&by, page.into()).await?))
}

pub(crate) async fn approvals(
    State(api): State<Api>,
    Caller(by): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ApprovalView>>, Answer> {
    Ok(Json(api.office.approvals(&by, page.into()).await?))
}

pub(crate) async fn approval(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(approval): Path<String>,
) -> Result<Json<QuestionView>, Answer> {
    Ok(Json(api.office.question(&by, approval_id(&approval)?).await?))
}

pub(crate) async fn approvers(
    State(api): State<Api>,
    Caller(by): Caller,
) -> Result<Json<Vec<ApproverView>>, Answer> {
    Ok(Json(api.office.approvers(&by).await?))
}

pub(crate) async fn queue(State(api): State<Api>, Caller(by): Caller) -> Result<Json<Queue>, Answer> {
    Ok(Json(api.office.queue(&by).await?))
}

/// An answer to all open questions of a task.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnsweredTask {
    decision: Decision,
    /// Digest of the questions as they were shown; where given, others are not answered.
    #[serde(default)]
    digest: Option<String>,
    /// With a yes: all values that can be endorsed are.
    #[serde(default)]
    endorse_all: bool,
}

pub(crate) async fn decide_task(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(task): Path<String>,
    Json(answered): Json<AnsweredTask>,
) -> Result<Json<Batch>, Answer> {
    let task = task.parse().map_err(|_| OfficeError::Request { why: "the id is none of a task" })?;
    let endorsement = match (answered.decision, answered.endorse_all) {
        (Decision::Deny, true) => return Err(OfficeError::Request { why: "a no endorses nothing" }.into()),
        (_, true) => Endorsement::All,
        (_, false) => Endorsement::None,
    };
    let digest = digest_of(answered.digest.as_deref())?;
    Ok(Json(api.office.answer_task(&by, task, (answered.decision, endorsement), digest).await?))
}

/// An answer to a question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answered {
    decision: Decision,
    /// Digest of the question as it was shown; where given, another question is not answered.
    #[serde(default)]
    digest: Option<String>,
    /// With a yes: JSON pointers of the values that are right for the task.
    #[serde(default)]
    endorse: Vec<String>,
    /// With a yes: all values that can be endorsed are.
    #[serde(default)]
    endorse_all: bool,
}

pub(crate) async fn decide(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(approval): Path<String>,
    Json(answered): Json<Answered>,
) -> Result<Json<OrderView>, Answer> {
    let digest = digest_of(answered.digest.as_deref())?;
    let id = approval_id(&approval)?;
    let endorsement = match (answered.endorse_all, answered.endorse.is_empty()) {
        (true, true) => Endorsement::All,
        (false, true) => Endorsement::None,
        (false, false) => Endorsement::At(answered.endorse),
        (true, false) => {
            return Err(OfficeError::Request { why: "`endorse_all` and `endorse` are one too many" }.into());
        }
    };
    Ok(Json(match answered.decision {
        Decision::Approve => api.office.endorse(&by, id, digest, endorsement).await?,
        Decision::Deny if endorsement.is_none() => api.office.decide(&by, id, Decision::Deny, digest).await?,
        Decision::Deny => return Err(OfficeError::Request { why: "a no endorses nothing" }.into()),
    }))
}

pub(crate) async fn approve(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(approval): Path<String>,
) -> Result<Json<OrderView>, Answer> {
    Ok(Json(api.office.approve(&by, approval_id(&approval)?).await?))
}

pub(crate) async fn deny(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(approval): Path<String>,
) -> Result<Json<OrderView>, Answer> {
    Ok(Json(api.office.deny(&by, approval_id(&approval)?).await?))
}

fn digest_of(text: Option<&str>) -> Result<Option<Digest>, OfficeError> {
    let wrong = |_| OfficeError::Request { why: "the digest is not 64 lower-case hex digits" };
    text.map(str::parse).transpose().map_err(wrong)
}

fn approval_id(text: &str) -> Result<ApprovalId, OfficeError> {
    text.parse().map_err(|_| OfficeError::Request { why: "the id is none of a question" })
}

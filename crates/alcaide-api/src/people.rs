//! People and agents: create, list, stop, let act again; their credentials.

use alcaide_control::{AgentView, Applied, CredentialView, Edit, OfficeError, OrderView};
use alcaide_inventory::{CredentialId, TokenId};
use axum::extract::State;
use http::{HeaderMap, StatusCode};

use crate::Api;
use crate::auth::Caller;
use crate::declarations::expected;
use crate::extract::{Json, Path};
use crate::problem::Answer;

pub(crate) async fn agents(
    State(api): State<Api>,
    Caller(by): Caller,
) -> Result<Json<Vec<AgentView>>, Answer> {
    Ok(Json(api.office.agents(&by).await?))
}

/// A small change on top of the plan in force, such as one more agent.
pub(crate) async fn edit(
    State(api): State<Api>,
    Caller(by): Caller,
    headers: HeaderMap,
    Json(edit): Json<Edit>,
) -> Result<Json<Applied>, Answer> {
    Ok(Json(api.office.edit(&by, edit, expected(&headers)?).await?))
}

pub(crate) async fn kill(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(actor): Path<String>,
) -> Result<Json<OrderView>, Answer> {
    let actor = api.office.resolve_actor(&actor)?;
    Ok(Json(api.office.kill(&by, actor).await?))
}

pub(crate) async fn unkill(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(actor): Path<String>,
) -> Result<Json<OrderView>, Answer> {
    let actor = api.office.resolve_actor(&actor)?;
    Ok(Json(api.office.unkill(&by, actor).await?))
}

pub(crate) async fn credentials(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(actor): Path<String>,
) -> Result<Json<Vec<CredentialView>>, Answer> {
    let actor = api.office.resolve_actor(&actor)?;
    Ok(Json(api.office.credentials(&by, Some(actor)).await?))
}

pub(crate) async fn credential_remove(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(credential): Path<String>,
) -> Result<StatusCode, Answer> {
    let id: CredentialId =
        credential.parse().map_err(|_| OfficeError::Request { why: "the id is none of a credential" })?;
    api.office.credential_remove(&by, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn token_revoke(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(token): Path<String>,
) -> Result<Json<OrderView>, Answer> {
    let id: TokenId = token.parse().map_err(|_| OfficeError::Request { why: "the id is none of a token" })?;
    Ok(Json(api.office.revoke(&by, id).await?))
}

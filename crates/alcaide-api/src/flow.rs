//! Where data came from and where it went.

use alcaide_control::{OfficeError, TaskFlow};
use alcaide_inventory::TaskId;
use axum::extract::State;

use crate::Api;
use crate::auth::Caller;
use crate::extract::{Json, Path};
use crate::problem::Answer;

pub(crate) async fn task(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(task): Path<String>,
) -> Result<Json<TaskFlow>, Answer> {
    let id: TaskId = task.parse().map_err(|_| OfficeError::Request { why: "the id is none of a task" })?;
    Ok(Json(api.office.task_flow(&by, id).await?))
}

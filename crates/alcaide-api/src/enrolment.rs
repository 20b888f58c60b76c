//! Enrolment: an actor proves a key once and is known by it from then on. Tasks: tokens for a launcher.

use std::time::Duration;

use alcaide_control::{Enrolment, Granted, OfficeError, TaskOrder};
use alcaide_inventory::declare::Grant;
use alcaide_inventory::{Actor, CredentialId, Moment, RunId, TaskId, TokenId};
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::auth::Caller;
use crate::extract::{Json, Path};
use crate::problem::Answer;

/// An enrolment token; shown once.
#[derive(Serialize)]
pub(crate) struct Opened {
    token: String,
    actor: Actor,
    expires: Moment,
}

pub(crate) async fn open(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(actor): Path<String>,
) -> Result<Json<Opened>, Answer> {
    let actor = api.office.resolve_actor(&actor)?;
    let Enrolment { token, actor, expires, .. } = api.office.enrolment_open(&by, actor).await?;
    Ok(Json(Opened { token: token.expose().to_owned(), actor, expires }))
}

/// A key and the proof that its holder has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrol {
    token: String,
    /// The public key as a JWK (RFC 7517).
    jwk: serde_json::Value,
    /// A JWS of the key over the token's digest.
    proof: String,
}

#[derive(Serialize)]
pub(crate) struct EnrolledAs {
    client_id: CredentialId,
}

pub(crate) async fn enrol(
    State(api): State<Api>,
    Json(asked): Json<Enrol>,
) -> Result<Json<EnrolledAs>, Answer> {
    let jwk = api.office.read_jwk(asked.jwk.to_string().as_bytes())?;
    let client_id = api.office.enrol(&asked.token.into(), &jwk, &asked.proof).await?;
    Ok(Json(EnrolledAs { client_id }))
}

/// A task to be started.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTask {
    /// Who will act: an id, or the name of an agent or workload.
    actor: String,
    /// On whose behalf: an id or name of a person; the actor's owner where not given.
    #[serde(default)]
    subject: Option<String>,
    /// The user's words, to be attested.
    #[serde(default)]
    words: Option<String>,
    #[serde(default)]
    run: Option<RunId>,
    /// An earlier task of the same run to go on with.
    #[serde(default)]
    task: Option<TaskId>,
    /// Seconds that the token lives, 1 to 900; 600 where not given.
    #[serde(default)]
    life_s: Option<u64>,
    #[serde(default)]
    scope: Option<Vec<Grant>>,
}

/// A token; a secret of its holder.
#[derive(Serialize)]
pub(crate) struct TaskToken {
    access_token: String,
    token: TokenId,
    task: TaskId,
    expires: Moment,
    expires_in_s: u64,
}

impl From<Granted> for TaskToken {
    fn from(granted: Granted) -> Self {
        Self {
            access_token: granted.access_token.expose().to_owned(),
            token: granted.token,
            task: granted.task,
            expires: granted.expires,
            expires_in_s: granted.expires_in_s,
        }
    }
}

pub(crate) async fn task(
    State(api): State<Api>,
    Caller(by): Caller,
    Json(asked): Json<NewTask>,
) -> Result<Json<TaskToken>, Answer> {
    let actor = api.office.resolve_actor(&asked.actor)?;
    let subject = match asked.subject.as_deref() {
        Some(text) => api.office.resolve_actor(text)?,
        None => api.office.owner_of(actor)?,
    };
    let Actor::Human(subject) = subject else {
        return Err(OfficeError::Request { why: "the subject of a task is a person" }.into());
    };
    let order = TaskOrder {
        actor,
        subject,
        words: asked.words.map(Into::into),
        run: asked.run,
        life: Duration::from_secs(asked.life_s.unwrap_or(600)),
        bind_to: None,
        scope: asked.scope,
        task: asked.task,
    };
    Ok(Json(api.office.task_token(&by, order).await?.into()))
}

/// A token for the office, for a person.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOfficeToken {
    human: String,
    #[serde(default)]
    life_s: Option<u64>,
}

pub(crate) async fn office_token(
    State(api): State<Api>,
    Caller(by): Caller,
    Json(asked): Json<NewOfficeToken>,
) -> Result<Json<TaskToken>, Answer> {
    let Actor::Human(human) = api.office.resolve_actor(&asked.human)? else {
        return Err(OfficeError::Request { why: "office tokens are for people" }.into());
    };
    let life = Duration::from_secs(asked.life_s.unwrap_or(900));
    Ok(Json(api.office.office_token(&by, human, life).await?.into()))
}

/// A person who wants to come to the console.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConsoleLink {
    human: String,
}

/// A one-time link; whoever opens it first is that person.
#[derive(Serialize)]
pub(crate) struct OpenedLink {
    url: String,
    human: String,
    expires: Moment,
}

pub(crate) async fn console_link(
    State(api): State<Api>,
    Caller(by): Caller,
    Json(asked): Json<NewConsoleLink>,
) -> Result<Json<OpenedLink>, Answer> {
    let Actor::Human(human) = api.office.resolve_actor(&asked.human)? else {
        return Err(OfficeError::Request { why: "links to the console are for people" }.into());
    };
    let link = api.office.open_link(&by, human).await?;
    let url = format!("{}/enter?link={}", api.console, link.secret.expose());
    let name = asked.human.strip_prefix("human/").unwrap_or(&asked.human).to_owned();
    Ok(Json(OpenedLink { url, human: name, expires: link.expires }))
}

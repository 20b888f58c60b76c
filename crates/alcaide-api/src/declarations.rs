//! Plans: what is declared, what an apply would change, apply, rollback; secrets; policy checks.

use alcaide_control::{Applied, Cursor, Fault, OfficeError, Page, Paging, PlanView, Preview, SecretView};
use alcaide_inventory::declare::Declarations;
use alcaide_inventory::{Name, Plan, PlanNumber};
use axum::extract::State;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::Answer;

/// A page of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    pub(crate) limit: Option<u32>,
    pub(crate) cursor: Option<String>,
}

impl From<PageQuery> for Paging {
    fn from(query: PageQuery) -> Self {
        Self { limit: query.limit, after: query.cursor.as_deref().map(Cursor::from_text) }
    }
}

/// The plan that an edit is meant to stand on (`If-Match: "7"`).
pub(crate) fn expected(headers: &HeaderMap) -> Result<Option<PlanNumber>, Answer> {
    let Some(given) = headers.get(http::header::IF_MATCH) else { return Ok(None) };
    let number = given.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
    match number {
        Some(number) => Ok(Some(PlanNumber(number))),
        None => Err(OfficeError::Request { why: "`If-Match` is not the number of a plan in quotes" }.into()),
    }
}

pub(crate) async fn export(State(api): State<Api>, Caller(by): Caller) -> Result<Json<Declarations>, Answer> {
    Ok(Json(api.office.export(&by).await?))
}

pub(crate) async fn preview(
    State(api): State<Api>,
    Caller(by): Caller,
    Json(wanted): Json<Declarations>,
) -> Result<Json<Preview>, Answer> {
    Ok(Json(api.office.preview(&by, wanted).await?))
}

pub(crate) async fn apply(
    State(api): State<Api>,
    Caller(by): Caller,
    headers: HeaderMap,
    Json(wanted): Json<Declarations>,
) -> Result<Json<Applied>, Answer> {
    Ok(Json(api.office.apply(&by, wanted, expected(&headers)?).await?))
}

pub(crate) async fn plans(
    State(api): State<Api>,
    Caller(by): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<PlanView>>, Answer> {
    Ok(Json(api.office.plans(&by, page.into()).await?))
}

pub(crate) async fn plan(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(number): Path<u64>,
) -> Result<Json<Plan>, Answer> {
    let mut plan = api.office.plan_at(&by, PlanNumber(number)).await?;
    // Sealed or not, secrets are not shown.
    plan.secrets.clear();
    Ok(Json(plan))
}

pub(crate) async fn rollback(
    State(api): State<Api>,
    Caller(by): Caller,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> Result<Json<Applied>, Answer> {
    Ok(Json(api.office.rollback(&by, PlanNumber(number), expected(&headers)?).await?))
}

/// A secret on its way in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSecret {
    value: String,
}

#[derive(Serialize)]
pub(crate) struct SecretSet {
    id: alcaide_inventory::SecretId,
}

pub(crate) async fn secret_set(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
    Json(secret): Json<NewSecret>,
) -> Result<Json<SecretSet>, Answer> {
    let id = api.office.secret_set(&by, name, secret.value.into()).await?;
    Ok(Json(SecretSet { id }))
}

pub(crate) async fn secrets(
    State(api): State<Api>,
    Caller(by): Caller,
) -> Result<Json<Vec<SecretView>>, Answer> {
    Ok(Json(api.office.secrets(&by).await?))
}

pub(crate) async fn secret_remove(
    State(api): State<Api>,
    Caller(by): Caller,
    Path(name): Path<Name>,
) -> Result<Json<Applied>, Answer> {
    Ok(Json(api.office.secret_remove(&by, &name).await?))
}

/// A Cedar text to be checked on top of the plan in force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    file: String,
    cedar: String,
}

pub(crate) async fn policy_check(
    State(api): State<Api>,
    Caller(by): Caller,
    Json(check): Json<Check>,
) -> Result<Json<Vec<Fault>>, Answer> {
    Ok(Json(api.office.policy_check(&by, &check.file, &check.cedar).await?))
}

/// Declared examples to be run, against the plan in force or against declarations that are not in force yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    file: String,
    cases: String,
    #[serde(default)]
    declarations: Option<Declarations>,
}

/// How all examples came out.
#[derive(Serialize)]
pub(crate) struct Tested {
    passed: bool,
    cases: Vec<TestedCase>,
}

#[derive(Serialize)]
struct TestedCase {
    name: String,
    expected: &'static str,
    found: &'static str,
    passed: bool,
    policies: Vec<String>,
}

pub(crate) async fn policy_test(
    State(api): State<Api>,
    Caller(by): Caller,
    Json(test): Json<Test>,
) -> Result<Json<Tested>, Answer> {
    let report = api.office.policy_test(&by, test.declarations, &test.file, &test.cases).await?;
    let passed = report.passed();
    let case = report.results.into_iter().map(|case| TestedCase {
        expected: case.expected,
        found: case.outcome.as_str(),
        passed: case.passed(),
        name: case.name,
        policies: case.determining,
    });
    Ok(Json(Tested { passed, cases: case.collect() }))
}

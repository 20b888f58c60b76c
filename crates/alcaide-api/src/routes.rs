//! The table of all paths.

use alcaide_serve::Door;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use serde_json::{Map, Value, json};

use crate::extract::FORM_BYTES_MAX;
use crate::{Api, activity, declarations, enrolment, flow, health, log, models, oauth, people, tools};

/// One path.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path, with `{parameters}`.
    pub path: &'static str,
    /// Who may come.
    pub door: Door,
    /// What it does, in a few words.
    pub summary: &'static str,
}

macro_rules! routes {
    ($($method:ident $path:literal $door:ident $handler:path, $summary:literal;)*) => {
        /// All paths of the office.
        pub static ROUTES: &[Route] = &[$(Route {
            method: stringify!($method), path: $path, door: Door::$door, summary: $summary,
        }),*];

        pub(crate) fn router(api: Api) -> Router {
            let mut router: Router<Api> = Router::new();
            $( router = router.route($path, axum::routing::$method($handler)); )*
            // JSON bodies have a bound of their own; this one is for what is left.
            router.layer(DefaultBodyLimit::max(FORM_BYTES_MAX)).with_state(api)
        }
    };
}

routes! {
    get "/livez" Public health::live, "whether the process lives";
    get "/readyz" Public health::ready, "whether the house may be used";
    get "/problems/{code}" Public health::problem, "what a code means";
    get "/api/v1/openapi.json" Public health::openapi, "this document";
    get "/.well-known/jwks.json" Public oauth::jwks, "public keys of the issuer";
    get "/.well-known/alcaide-label-jwks.json" Public oauth::label_jwks, "public keys of label statements";
    get "/.well-known/oauth-authorization-server" Public oauth::metadata, "metadata of the issuer (RFC 8414)";
    get "/log/checkpoint" Public log::checkpoint, "signed checkpoint of the log";
    get "/log/tile/{*path}" Public log::tile, "hash tile of the log (C2SP tlog-tiles)";
    post "/oauth/token" Proof oauth::token, "token endpoint (RFC 6749, RFC 8693)";
    post "/api/v1/enrolments" Proof enrolment::enrol, "enrol a key with a single-use token";
    get "/metrics" Known health::metrics, "counters (Prometheus)";
    get "/api/v1/status" Known health::status, "version, plan in force, addresses";
    get "/api/v1/declarations" Known declarations::export, "all that is declared";
    get "/api/v1/plans" Known declarations::plans, "plans, newest first";
    post "/api/v1/plans" Known declarations::apply, "apply declarations";
    post "/api/v1/plans/preview" Known declarations::preview, "what an apply would change";
    get "/api/v1/plans/{number}" Known declarations::plan, "one plan";
    post "/api/v1/plans/{number}/rollback" Known declarations::rollback, "bring an earlier plan into force again";
    post "/api/v1/edits" Known people::edit, "one small change of what is declared";
    post "/api/v1/policies/check" Known declarations::policy_check, "check a Cedar text";
    post "/api/v1/policies/test" Known declarations::policy_test, "run declared examples";
    get "/api/v1/secrets" Known declarations::secrets, "names of upstream secrets";
    put "/api/v1/secrets/{name}" Known declarations::secret_set, "seal an upstream secret";
    delete "/api/v1/secrets/{name}" Known declarations::secret_remove, "remove an upstream secret";
    get "/api/v1/agents" Known people::agents, "agents with their state";
    post "/api/v1/actors/{actor}/kill" Known people::kill, "stop an actor";
    post "/api/v1/actors/{actor}/unkill" Known people::unkill, "let a stopped actor act again";
    get "/api/v1/actors/{actor}/credentials" Known people::credentials, "client credentials of an actor";
    post "/api/v1/actors/{actor}/enrolments" Known enrolment::open, "open an enrolment";
    delete "/api/v1/credentials/{credential}" Known people::credential_remove, "remove a client credential";
    post "/api/v1/tasks" Known enrolment::task, "start a task: a token for an agent's run";
    post "/api/v1/office_tokens" Known enrolment::office_token, "a person's token for the office";
    post "/api/v1/console_links" Known enrolment::console_link, "a one-time link to the console";
    post "/api/v1/tokens/{token}/revoke" Known people::token_revoke, "revoke a token";
    get "/api/v1/tools" Known tools::list, "tools that are declared or offered";
    get "/api/v1/tools/{server}/{name}" Known tools::show, "one tool: what is accepted, what is offered, how they differ";
    post "/api/v1/tools/{server}/{name}/accept" Known tools::accept, "accept a tool in exactly one form";
    post "/api/v1/tools/{server}/{name}/quarantine" Known tools::quarantine, "take back that a tool was accepted";
    get "/api/v1/sources/quarantined" Known tools::sources, "servers, services and models that are held back";
    post "/api/v1/sources/{name}/quarantine" Known tools::hold, "hold back a server, a service or a model";
    post "/api/v1/sources/{name}/release" Known tools::release, "let what was held back be used again";
    get "/api/v1/models" Known models::list, "declared models and how they stand";
    get "/api/v1/models/{name}" Known models::show, "one model with its versions";
    post "/api/v1/models/{name}/versions" Known models::register, "register the files of a model, with what was found out about them";
    post "/api/v1/models/{name}/release" Known models::release, "let a version be served";
    post "/api/v1/models/{name}/quarantine" Known models::quarantine, "hold a version back until it was scanned anew";
    post "/api/v1/models/{name}/revoke" Known models::revoke, "say that a version may never be served again";
    get "/api/v1/evidence" Known models::evidence, "evidence that was entered, newest first";
    get "/api/v1/evidence/{digest}" Known models::envelope, "one envelope (DSSE, in-toto statement)";
    get "/api/v1/evidence_key" Known models::key, "the public key that evidence is verified with";
    get "/api/v1/calls" Known activity::calls, "what was called, newest first";
    get "/api/v1/calls/{call}" Known activity::call, "one call";
    get "/api/v1/calls/{call}/reach" Known flow::of_call, "what the answer of a call touched";
    get "/api/v1/tools/{server}/{name}/reach" Known flow::of_tool, "what the answers of a tool touched";
    get "/api/v1/actors/{actor}/reach" Known flow::of_actor, "what an actor touched";
    get "/api/v1/actors/{actor}/report" Known flow::report, "what an agent's rights are used for";
    get "/api/v1/calls/{call}/influence" Known flow::influence, "what the task of a call had read of strangers before it";
    get "/api/v1/tasks/{task}/flow" Known flow::task, "what a task read and did, as a graph";
    get "/api/v1/usage" Known activity::usage, "tokens and money by day";
    get "/api/v1/orders" Known activity::orders, "orders, newest first";
    get "/api/v1/approvals" Known activity::approvals, "questions of the gate";
    get "/api/v1/approvals/{approval}" Known activity::approval, "one question";
    post "/api/v1/approvals/{approval}" Known activity::decide, "answer a question with yes or no, by what was shown of it";
    post "/api/v1/approvals/{approval}/approve" Known activity::approve, "answer a question with yes";
    post "/api/v1/approvals/{approval}/deny" Known activity::deny, "answer a question with no";
    get "/api/v1/approval_queue" Known activity::queue, "open questions, task by task, repeats folded";
    post "/api/v1/tasks/{task}/approvals" Known activity::decide_task, "answer all of a task's open questions, or none";
    get "/api/v1/approvers" Known activity::approvers, "who answers questions, how often and how fast";
    get "/api/v1/log/entries" Known log::entries, "entries of the ledger";
    get "/api/v1/log/proofs/{index}" Known log::proof, "inclusion proof of an entry";
}

/// The OpenAPI 3.1 document of the table.
#[must_use]
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = route.path.replace("{*", "{");
        let parameters: Vec<Value> = path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        let security = match route.door {
            Door::Known => json!([{ "office_token": [] }]),
            Door::Public | Door::Proof => json!([]),
        };
        let mut responses = json!({
            "2XX": { "description": "done" },
            "default": {
                "description": "a problem document (RFC 9457)",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            },
        });
        if route.door == Door::Known
            && let Some(all) = responses.as_object_mut()
        {
            all.insert("401".into(), json!({ "description": "the caller is not known" }));
            all.insert("403".into(), json!({ "description": "the caller's roles do not allow it" }));
        }
        let operation = json!({
            "summary": route.summary, "parameters": parameters, "security": security, "responses": responses,
        });
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(route.method.to_owned(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Alcaide office", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "securitySchemes": { "office_token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            "schemas": { "Problem": {
                "type": "object",
                "required": ["type", "title", "status", "code"],
                "properties": {
                    "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                    "detail": { "type": "string" }, "help": { "type": "string" }, "code": { "type": "string" },
                    "record": { "type": "string" },
                },
            } },
        },
    })
}

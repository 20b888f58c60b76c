//! The table of all pages.

use alcaide_control::Operation;
use alcaide_serve::Door;
use axum::Router;
use axum::extract::DefaultBodyLimit;

use crate::door::FORM_BYTES_MAX;
use crate::pages::{
    activity, agents, approvals, approvers, batch, begin, call, enter, evidence, facts, log, models,
    overview, peers, plans, reach, tasks, tools,
};
use crate::{Console, assets, page};

/// One page.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path, with `{parameters}`.
    pub path: &'static str,
    /// Who may come.
    pub door: Door,
    /// The operation whose roles count; `None` where a session is enough.
    pub operation: Option<Operation>,
    /// What it is, in a few words.
    pub summary: &'static str,
}

macro_rules! routes {
    ($($method:ident $path:literal $door:ident $operation:expr, $handler:path, $summary:literal;)*) => {
        /// All pages of the console.
        pub static ROUTES: &[Route] = &[$(Route {
            method: stringify!($method), path: $path, door: Door::$door, operation: $operation, summary: $summary,
        }),*];

        pub(crate) fn router(console: Console) -> Router {
            let mut router: Router<Console> = Router::new();
            $( router = router.route($path, axum::routing::$method($handler)); )*
            router
                .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
                .layer(axum::middleware::map_response(page::headers))
                .with_state(console)
        }
    };
}

const SEE: Option<Operation> = Some(Operation::See);
const ACTIVITY: Option<Operation> = Some(Operation::SeeActivity);

routes! {
    get "/" Known ACTIVITY, overview::show, "how it all stands";
    get "/activity" Known ACTIVITY, activity::show, "calls, newest first";
    get "/activity/live" Known ACTIVITY, activity::live, "the newest calls, as a part of that page";
    get "/calls/{call}" Known ACTIVITY, call::show, "one call in full";
    get "/calls/{call}/reach" Known ACTIVITY, reach::of_call, "what the answer of a call touched";
    get "/agents/{agent}/reach" Known ACTIVITY, reach::of_agent, "what an agent touched";
    get "/tools/{server}/{tool}/reach" Known ACTIVITY, reach::of_tool, "what the answers of a tool touched";
    get "/tasks/{task}" Known ACTIVITY, tasks::show, "what one task read and did, as a graph";
    get "/agents" Known SEE, agents::list, "agents";
    get "/agents/{agent}" Known ACTIVITY, agents::show, "one agent";
    get "/agents/{agent}/kill" Known SEE, agents::kill_ask, "whether to stop an agent";
    post "/agents/{agent}/kill" Known Some(Operation::Kill), agents::kill, "stop an agent";
    get "/agents/{agent}/unkill" Known SEE, agents::unkill_ask, "whether to let an agent act again";
    post "/agents/{agent}/unkill" Known Some(Operation::Unkill), agents::unkill, "let a stopped agent act again";
    post "/agents/{agent}/task" Known Some(Operation::Task), begin::begin, "begin a task: words typed here are attested";
    get "/tools" Known SEE, tools::list, "tools and their pins";
    get "/tools/{server}/{tool}" Known SEE, tools::show, "one tool, and what changed of it";
    get "/tools/{server}/{tool}/facts" Known SEE, facts::show, "what its owner declares about a tool";
    post "/tools/{server}/{tool}/facts" Known Some(Operation::Apply), facts::declare, "declare facts about a tool";
    post "/tools/{server}/{tool}/accept" Known Some(Operation::AcceptPin), tools::accept, "accept a tool as it is now";
    post "/tools/{server}/{tool}/quarantine" Known Some(Operation::QuarantineTool), tools::quarantine, "take back that a tool was accepted";
    post "/sources/{server}/quarantine" Known Some(Operation::QuarantineSource), reach::hold, "hold back a server: nothing is sent to it any more";
    post "/sources/{server}/release" Known Some(Operation::ReleaseSource), reach::release, "let a server that was held back be used again";
    get "/models" Known SEE, models::list, "models, and how they stand";
    get "/models/{model}" Known SEE, models::show, "one model, its versions, and what speaks for them";
    post "/models/{model}/release" Known Some(Operation::ReleaseModel), models::release, "let a version be served";
    post "/models/{model}/quarantine" Known Some(Operation::QuarantineModel), models::quarantine, "hold a version back";
    post "/models/{model}/revoke" Known Some(Operation::RevokeModel), models::revoke, "say that a version may never be served again";
    get "/evidence" Known SEE, evidence::list, "evidence about models";
    get "/evidence/{digest}" Known SEE, evidence::show, "one statement as it was signed";
    get "/approvals" Known ACTIVITY, approvals::list, "questions of the gate";
    get "/approvals/{approval}" Known ACTIVITY, approvals::show, "one question";
    post "/approvals/{approval}/approve" Known Some(Operation::Approve), approvals::approve, "answer with yes";
    post "/approvals/{approval}/deny" Known Some(Operation::Deny), approvals::deny, "answer with no";
    get "/tasks/{task}/approvals" Known ACTIVITY, batch::show, "all that one task asks, to be answered together";
    post "/tasks/{task}/approvals/approve" Known Some(Operation::Approve), batch::approve, "answer all of a task's questions with yes";
    post "/tasks/{task}/approvals/deny" Known Some(Operation::Deny), batch::deny, "answer all of a task's questions with no";
    get "/approvers" Known ACTIVITY, approvers::show, "who answers questions, how often and how fast";
    get "/peers" Known SEE, peers::show, "other gates whose word about labels counts";
    get "/plans" Known SEE, plans::list, "plans, newest first";
    get "/plans/{number}" Known SEE, plans::show, "one plan, and what it changed";
    get "/plans/{number}/rollback" Known SEE, plans::rollback_ask, "whether to go back to a plan";
    post "/plans/{number}/rollback" Known Some(Operation::Rollback), plans::rollback, "go back to a plan";
    get "/log" Known ACTIVITY, log::show, "the record and how to verify it";
    get "/log/entries/{index}" Known ACTIVITY, log::entry, "one entry and its proof";
    get "/enter" Public None, enter::ask, "the page that a link opens";
    post "/enter" Proof None, enter::enter, "redeem a link";
    post "/leave" Known None, enter::leave, "end the session";
    get "/assets/console.css" Public None, assets::style, "style";
    get "/assets/console.js" Public None, assets::script, "script";
    get "/assets/mark.svg" Public None, assets::mark, "the mark";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_names_whose_it_is() {
        for route in ROUTES {
            assert!(matches!(route.method, "get" | "post"), "{route:?}");
            if route.method == "post" && route.path != "/leave" && route.door == Door::Known {
                let operation = route.operation.unwrap_or_else(|| panic!("{route:?}"));
                assert!(!matches!(operation, Operation::See | Operation::SeeActivity), "{route:?}");
            }
            if route.method == "get" && route.door == Door::Known {
                assert!(matches!(route.operation, SEE | ACTIVITY), "{route:?}");
            }
        }
    }
}

//! Questions of the gate: a call waits for a person to say yes or no.

use alcaide_control::{ApprovalState, ApprovalView, OrderView, Page};
use clap::Subcommand;

use super::plan::Paged;
use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::fail::Failure;
use crate::show::or_dash;

/// `alcaide approval …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List questions, newest first
    #[command(after_help = "Example: alcaide approval list")]
    List {
        #[command(flatten)]
        paged: Paged,
    },
    /// Answer a question with yes, as a person: the operator of the machine is nobody in particular and may not
    #[command(
        after_help = "Example: alcaide approval approve apr_01jd9z0000000000000000000 --url http://127.0.0.1:7101"
    )]
    Approve {
        /// Id of the question
        id: String,
    },
    /// Answer a question with no
    #[command(after_help = "Example: alcaide approval deny apr_01jd9z0000000000000000000")]
    Deny {
        /// Id of the question
        id: String,
    },
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::List { paged } => list(desk, &paged).await,
            Self::Approve { id } => answer(desk, &id, "approve").await,
            Self::Deny { id } => answer(desk, &id, "deny").await,
        }
    }
}

async fn list(desk: &Desk, paged: &Paged) -> Result<Exit, Failure> {
    let page: Page<ApprovalView> =
        desk.client()?.get(&format!("/api/v1/approvals{}", paged.query(&[]))).await?;
    desk.out.show(&page, || {
        let row = |one: &ApprovalView| {
            let state = match one.state {
                ApprovalState::Open => "open",
                ApprovalState::Approved => "approved",
                ApprovalState::Denied => "denied",
            };
            vec![
                one.id.to_string(),
                state.into(),
                one.at.to_string(),
                or_dash(one.action.as_ref().map(super::activity::word)),
                one.actor.to_string(),
                one.subject.to_string(),
                one.expires.to_string(),
                one.call.to_string(),
            ]
        };
        let rows: Vec<_> = page.items.iter().map(row).collect();
        let head = ["QUESTION", "STATE", "ASKED", "ACTION", "ACTOR", "FOR", "UNTIL", "CALL"];
        desk.out.table(&head, &rows, "no questions") + &Paged::rest(&page)
    })?;
    Ok(Exit::Clean)
}

async fn answer(desk: &Desk, id: &str, verb: &str) -> Result<Exit, Failure> {
    let path = format!("/api/v1/approvals/{}/{verb}", segment(id)?);
    let given: OrderView = desk.client()?.post_empty(&path).await?;
    let word = if verb == "approve" { "yes" } else { "no" };
    desk.out.show(&given, || format!("question {id} is answered with {word}, by order {}\n", given.id))?;
    Ok(Exit::Clean)
}

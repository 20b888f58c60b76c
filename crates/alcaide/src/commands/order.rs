//! Orders to the gate: who stopped, revoked, accepted or approved what.

use alcaide_control::{OrderView, Page};
use alcaide_record::OrderKind;
use clap::Subcommand;

use super::plan::Paged;
use crate::cli::{Desk, Exit};
use crate::fail::Failure;

/// `alcaide order …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List orders, newest first
    #[command(after_help = "Example: alcaide order list --limit 10")]
    List {
        #[command(flatten)]
        paged: Paged,
    },
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let Self::List { paged } = self;
        let page: Page<OrderView> =
            desk.client()?.get(&format!("/api/v1/orders{}", paged.query(&[]))).await?;
        desk.out.show(&page, || {
            let row = |one: &OrderView| {
                vec![
                    one.index.to_string(),
                    one.at.to_string(),
                    one.by.map_or_else(|| "operator".into(), |by| by.to_string()),
                    told(&one.order),
                    one.id.to_string(),
                ]
            };
            let rows: Vec<_> = page.items.iter().map(row).collect();
            desk.out.table(&["ENTRY", "GIVEN", "BY", "WHAT", "ID"], &rows, "no orders") + &Paged::rest(&page)
        })?;
        Ok(Exit::Clean)
    }
}

/// An order in words.
pub(crate) fn told(order: &OrderKind) -> String {
    match order {
        OrderKind::AcceptPin { tool, .. } => format!("accept tool {tool}"),
        OrderKind::Approve { approval, endorses, .. } if endorses.is_empty() => format!("approve {approval}"),
        OrderKind::Approve { approval, endorses, .. } => {
            format!("approve {approval}, endorse {} of its values", endorses.len())
        }
        OrderKind::Deny { approval } => format!("deny {approval}"),
        OrderKind::Kill { actor, .. } => format!("kill {actor}"),
        OrderKind::Quarantine { tool } => format!("quarantine tool {tool}"),
        OrderKind::QuarantineSource { route } => format!("quarantine source {route}"),
        OrderKind::QuarantineModel { model, version } => {
            format!("quarantine version {version} of model {model}")
        }
        OrderKind::ReleaseModel { accepts_doubt, model, version } => {
            let doubt = if *accepts_doubt { ", with what is in doubt" } else { "" };
            format!("release version {version} of model {model}{doubt}")
        }
        OrderKind::RevokeModel { model, version } => format!("revoke version {version} of model {model}"),
        OrderKind::ReleaseSource { route } => format!("release source {route}"),
        OrderKind::Revoke { token } => format!("revoke {token}"),
        OrderKind::Unkill { actor } => format!("unkill {actor}"),
        _ => "an order of a newer version".into(),
    }
}

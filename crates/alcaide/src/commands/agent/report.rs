//! `alcaide agent report`: what an agent's rights are used for.

use alcaide_control::{AgentReport, Asked, Use};

use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::commands::activity::word;
use crate::commands::flow::back;
use crate::fail::Failure;
use crate::show::or_dash;

pub(super) async fn run(desk: &Desk, name: &str, since: Option<u64>) -> Result<Exit, Failure> {
    let since = back(since).map(|since| format!("?since={since}")).unwrap_or_default();
    let path = format!("/api/v1/actors/{}/report{since}", segment(name)?);
    let report: AgentReport = desk.client()?.get(&path).await?;
    desk.out.show(&report, || told(desk, &report))?;
    Ok(Exit::Clean)
}

fn told(desk: &Desk, report: &AgentReport) -> String {
    let grants: Vec<Vec<String>> = report
        .grants
        .iter()
        .map(|one| {
            let says = if one.calls == 0 { "never used: it can go" } else { "-" };
            vec![one.grant.to_string(), one.calls.to_string(), says.into()]
        })
        .collect();
    let used: Vec<Vec<String>> = report.used.iter().map(used).collect();
    let asked: Vec<Vec<String>> = report.asked.iter().map(asked).collect();
    let mut text =
        desk.out.table(&["GRANT", "CALLS", "NOTE"], &grants, "no grants: what it may comes from policies");
    text +=
        &format!("\n{}", desk.out.table(&["ACTION", "ON", "SENT", "REFUSED"], &used, "it called nothing"));
    let head = ["ASKED ABOUT", "YES", "NO", "UNANSWERED", "HABIT"];
    text += &format!("\n{}", desk.out.table(&head, &asked, "nobody was asked about it"));
    if report.more {
        text += "\nthere were more calls or questions than are counted: the newest count\n";
    }
    text
}

fn used(one: &Use) -> Vec<String> {
    let on = on(one.tool_name.as_ref(), one.route_name.as_ref().map(ToString::to_string));
    vec![or_dash(one.action.as_ref().map(word)), on, one.sent.to_string(), one.refused.to_string()]
}

fn asked(one: &Asked) -> Vec<String> {
    vec![
        on(one.tool_name.as_ref(), one.route_name.as_ref().map(ToString::to_string)),
        one.given.to_string(),
        one.denied.to_string(),
        one.unanswered.to_string(),
        or_dash(one.habit.map(|habit| habit.as_str())),
    ]
}

fn on(tool: Option<&String>, route: Option<String>) -> String {
    or_dash(tool.cloned().or(route))
}

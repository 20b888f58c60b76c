//! Tasks: what one read and did.

use alcaide_control::{FlowCall, TaskFlow};
use clap::Subcommand;

use super::activity::word;
use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::fail::Failure;
use crate::show::or_dash;

/// `alcaide task …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what a task read and did: its calls, and which answers gave arguments to which calls
    #[command(
        after_help = "Example: alcaide task flow tsk_01jd9z0000000000000000000\nThe id of a call's task stands in `alcaide call show`."
    )]
    Flow {
        /// Id of the task
        task: String,
    },
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let Self::Flow { task } = self;
        let flow: TaskFlow = desk.client()?.get(&format!("/api/v1/tasks/{}/flow", segment(&task)?)).await?;
        desk.out.show(&flow, || told(desk, &flow))?;
        Ok(Exit::Clean)
    }
}

fn told(desk: &Desk, flow: &TaskFlow) -> String {
    let who = flow.actor_name.as_ref().map_or_else(|| or_dash(flow.actor), ToString::to_string);
    let mut text = format!("task {} of {who}; the user's words: {}\n", flow.task, word(&flow.words));
    if flow.more {
        text.push_str(&format!("the newest {} calls; older ones are in the record\n", flow.calls.len()));
    }
    let rows: Vec<Vec<String>> =
        flow.calls.iter().enumerate().map(|(at, one)| row(flow, at.saturating_add(1), one)).collect();
    let head = [
        "NO",
        "AT",
        "ACTION",
        "ON",
        "EFFECT",
        "CAME OUT",
        "ANSWER",
        "ARGUMENTS FROM",
        "READ IN",
        "WRONG",
        "CALL",
    ];
    text + &desk.out.table(&head, &rows, "it has made no calls")
}

fn row(flow: &TaskFlow, number: usize, one: &FlowCall) -> Vec<String> {
    let call = &one.call;
    let joined = |all: Vec<String>| if all.is_empty() { "-".to_owned() } else { all.join(" ") };
    let mut sources: Vec<String> = flow
        .edges
        .iter()
        .filter(|edge| edge.to == call.call)
        .filter_map(|edge| edge.from)
        .map(|id| match flow.calls.iter().position(|known| known.call.call == id) {
            Some(at) => at.saturating_add(1).to_string(),
            None => id.to_string(),
        })
        .collect();
    if one.more_sources > 0 {
        sources.push(format!("+{}", one.more_sources));
    }
    let came_out = match call.approval {
        Some(_) if word(&call.state) == "refused" => "asked".into(),
        _ => word(&call.state),
    };
    let answer = one.reads.as_ref().map(|label| word(&label.integrity));
    vec![
        number.to_string(),
        call.at.to_string(),
        or_dash(call.action.as_ref().map(word)),
        or_dash(one.what()),
        or_dash(one.effect.as_ref().map(word)),
        came_out,
        or_dash(answer) + if one.plants { " planted" } else { "" },
        joined(one.from.iter().map(word).collect()),
        joined(sources),
        joined(one.wrong.iter().map(word).collect()),
        call.call.to_string(),
    ]
}

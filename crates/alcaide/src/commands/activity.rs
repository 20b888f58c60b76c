//! What was called, by whom, what it used.

use alcaide_control::{CallState, CallView, Page, UsageView};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::plan::Paged;
use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::fail::Failure;
use crate::show::or_dash;

/// `alcaide call …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Call {
    /// List calls, newest first
    #[command(after_help = "Example: alcaide call list --actor invoice-bot --state refused")]
    List {
        /// Of this actor: name or id
        #[arg(long)]
        actor: Option<String>,
        /// That came out so
        #[arg(long, value_enum)]
        state: Option<State>,
        #[command(flatten)]
        paged: Paged,
    },
    /// Show one call
    #[command(after_help = "Example: alcaide call show cal_01jd9z00000000000000000000")]
    Show {
        /// Id of the call
        id: String,
    },
}

/// How a call came out.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum State {
    /// An intent without an outcome: never to be read as success
    Unknown,
    /// It was sent and ended
    Ended,
    /// Nothing was sent
    Refused,
}

/// `alcaide usage`.
#[derive(Args, Debug)]
#[command(after_help = "Example: alcaide usage --by unit")]
pub(crate) struct Usage {
    /// By what it is added up
    #[arg(long, value_enum, default_value_t = By::Actor)]
    by: By,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// By agent, person or workload
    Actor,
    /// By the person on whose behalf
    Subject,
    /// By unit
    Unit,
    /// By model, tool server or service
    Route,
}

impl Call {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::List { actor, state, paged } => {
                let query = paged.query(&[("actor", actor), ("state", state.map(value_word))]);
                let page: Page<CallView> = desk.client()?.get(&format!("/api/v1/calls{query}")).await?;
                desk.out.show(&page, || {
                    let rows: Vec<_> = page.items.iter().map(row).collect();
                    let head = ["AT", "ACTOR", "FOR", "ACTION", "ON", "CAME OUT", "TOKENS", "CALL"];
                    desk.out.table(&head, &rows, "no calls") + &Paged::rest(&page)
                })?;
            }
            Self::Show { id } => {
                let call: CallView = desk.client()?.get(&format!("/api/v1/calls/{}", segment(&id)?)).await?;
                desk.out.show(&call, || facts(&call))?;
            }
        }
        Ok(Exit::Clean)
    }
}

impl Usage {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let path = format!("/api/v1/usage?by={}", value_word(self.by));
        let all: Vec<UsageView> = desk.client()?.get(&path).await?;
        desk.out.show(&all, || {
            let row = |one: &UsageView| {
                vec![
                    one.day.to_string().chars().take(10).collect(),
                    one.name.as_ref().map_or_else(|| one.id.clone(), ToString::to_string),
                    one.requests.to_string(),
                    one.refused.to_string(),
                    one.input.to_string(),
                    one.cached_input.to_string(),
                    one.output.to_string(),
                    format!("{}.{:06}", one.cost_micros / 1_000_000, one.cost_micros % 1_000_000),
                ]
            };
            let rows: Vec<_> = all.iter().map(row).collect();
            let head = ["DAY", "WHO", "SENT", "REFUSED", "INPUT", "CACHED", "OUTPUT", "COST"];
            desk.out.table(&head, &rows, "no usage")
        })?;
        Ok(Exit::Clean)
    }
}

/// The word of a value in the API: that of its command-line form.
fn value_word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The word of a plain enum, as the API writes it.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "-".into(),
    }
}

fn row(call: &CallView) -> Vec<String> {
    vec![
        call.at.to_string(),
        actor(call),
        subject(call),
        or_dash(call.action.as_ref().map(word)),
        on(call),
        came_out(call),
        call.usage.map_or_else(|| "-".into(), |usage| format!("{}+{}", usage.input, usage.output)),
        call.call.to_string(),
    ]
}

fn actor(call: &CallView) -> String {
    call.actor_name.as_ref().map_or_else(|| or_dash(call.actor), ToString::to_string)
}

fn subject(call: &CallView) -> String {
    call.subject_name.as_ref().map_or_else(|| or_dash(call.subject), ToString::to_string)
}

fn on(call: &CallView) -> String {
    match (&call.tool_name, &call.route_name) {
        (Some(tool), _) => tool.clone(),
        (None, Some(route)) => route.to_string(),
        (None, None) => or_dash(call.route),
    }
}

fn came_out(call: &CallView) -> String {
    match call.state {
        CallState::Unknown => "unknown".into(),
        CallState::Refused => format!("refused {}", call.code.as_deref().unwrap_or_default()),
        CallState::Ended => or_dash(call.end.as_ref().map(word)),
    }
}

fn facts(call: &CallView) -> String {
    let list = |all: Vec<String>| if all.is_empty() { "-".to_owned() } else { all.join(" ") };
    let lines = [
        ("call", call.call.to_string()),
        ("at", call.at.to_string()),
        ("actor", actor(call)),
        ("for", subject(call)),
        ("earlier", list(call.earlier.iter().map(ToString::to_string).collect())),
        ("task", or_dash(call.task)),
        ("run", or_dash(call.run)),
        ("action", or_dash(call.action.as_ref().map(word))),
        ("on", on(call)),
        ("decision", or_dash(call.decision.as_ref().map(word))),
        ("policies", list(call.policies.iter().map(ToString::to_string).collect())),
        ("plan", or_dash(call.plan)),
        ("question", or_dash(call.approval)),
        ("came out", came_out(call)),
        ("stage", or_dash(call.stage.as_ref().map(word))),
        ("status", or_dash(call.status)),
        ("attempts", call.attempts.to_string()),
        ("released", format!("{} bytes", call.released_bytes)),
        ("duration", call.duration_us.map_or_else(|| "-".into(), |us| format!("{us} us"))),
        (
            "tokens",
            call.usage.map_or_else(|| "-".into(), |one| format!("{} in, {} out", one.input, one.output)),
        ),
        ("entries", list(call.entries.iter().map(ToString::to_string).collect())),
    ];
    lines.iter().map(|(label, value)| format!("{label:9} {value}\n")).collect()
}

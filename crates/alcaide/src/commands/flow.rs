//! Where data went: what one source touched.

use alcaide_control::{CallView, HeldSource, OrderView, Reach, ReachCall, ReachStore, ReachTask, Receiver};
use alcaide_inventory::{CallId, Moment, Name};
use clap::{Args, Subcommand};

use super::activity::word;
use super::plan::Paged;
use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::fail::{Failure, shown};
use crate::house::now;
use crate::show::or_dash;

/// `alcaide flow …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what one source touched: tasks that read it, what they did afterwards, who received it, where it was stored
    #[command(
        after_help = "Example: alcaide flow from --tool mail/search_emails --since 24h\nBelow the tables stand the commands that stop it."
    )]
    From(Wanted),
    /// Hold back a server, a service or a model: nothing is sent to it any more, until it is released
    #[command(
        after_help = "Example: alcaide flow quarantine mail\nWhat its answers touched: alcaide flow from --tool mail/TOOL"
    )]
    Quarantine(Held),
    /// Let what was held back be used again
    #[command(after_help = "Example: alcaide flow release mail")]
    Release(Held),
    /// List what is held back
    #[command(after_help = "Example: alcaide flow quarantined")]
    Quarantined,
}

/// `alcaide flow quarantine` and `alcaide flow release`.
#[derive(Args, Debug)]
pub(crate) struct Held {
    /// Its name: that of its route
    name: Name,
}

/// `alcaide flow from`.
#[derive(Args, Debug)]
pub(crate) struct Wanted {
    #[command(flatten)]
    source: Source,
    /// Only calls of the source from then on: `90m`, `24h` or `7d` ago
    #[arg(long, value_name = "AGO", value_parser = ago)]
    since: Option<u64>,
    #[command(flatten)]
    paged: Paged,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Source {
    /// The answer of this call
    #[arg(long, value_name = "CALL")]
    call: Option<CallId>,
    /// Everything that this tool answered: its server and name, or its server and a pin of it
    #[arg(long, value_name = "SERVER/TOOL")]
    tool: Option<String>,
    /// Everything that this agent did: name or id
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
}

/// Seconds of a length such as `90m`.
pub(crate) fn ago(text: &str) -> Result<u64, String> {
    let wrong = || "not a length such as `90m`, `24h` or `7d`".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u64>().ok()).ok_or_else(wrong)?;
    let each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(each).ok_or_else(wrong)
}

/// The moment that lies so many seconds back, as the API takes it.
pub(crate) fn back(seconds: Option<u64>) -> Option<String> {
    seconds.map(|seconds| Moment::from_secs(now().secs().saturating_sub(seconds)).micros().to_string())
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let client = desk.client()?;
        let from = match self {
            Self::From(from) => from,
            Self::Quarantine(Held { name }) => {
                let done: OrderView =
                    client.post_empty(&format!("/api/v1/sources/{name}/quarantine")).await?;
                desk.out.show(&done, || format!("`{name}` is held back, by order {}\n", done.id))?;
                return Ok(Exit::Clean);
            }
            Self::Release(Held { name }) => {
                let done: OrderView = client.post_empty(&format!("/api/v1/sources/{name}/release")).await?;
                desk.out.show(&done, || format!("`{name}` is used again, by order {}\n", done.id))?;
                return Ok(Exit::Clean);
            }
            Self::Quarantined => {
                let all: Vec<HeldSource> = client.get("/api/v1/sources/quarantined").await?;
                let row = |one: &HeldSource| {
                    vec![
                        one.name.as_ref().map_or_else(|| one.route.to_string(), ToString::to_string),
                        one.order.at.to_string(),
                        one.order.id.to_string(),
                    ]
                };
                let rows: Vec<_> = all.iter().map(row).collect();
                desk.out.show(&all, || {
                    desk.out.table(&["SOURCE", "SINCE", "ORDER"], &rows, "nothing is held back")
                })?;
                return Ok(Exit::Clean);
            }
        };
        let Source { call, tool, agent } = &from.source;
        let path = match (call, tool, agent) {
            (Some(call), _, _) => format!("/api/v1/calls/{call}"),
            (None, Some(tool), _) => super::tool::path_of(&client, tool).await?,
            (None, None, Some(agent)) => format!("/api/v1/actors/{}", segment(agent)?),
            // One of them is there: the command line asks for it.
            (None, None, None) => return Ok(Exit::Clean),
        };
        let query = from.paged.query(&[("since", back(from.since))]);
        let reach: Reach = client.get(&format!("{path}/reach{query}")).await?;
        // The tool that answered a call is stopped by its name, which the call tells.
        let tool = match (call, tool) {
            (Some(_), _) if !desk.out.is_json() => client.get::<CallView>(&path).await?.tool_name,
            (_, tool) => tool.clone(),
        };
        desk.out.show(&reach, || told(desk, tool.as_deref(), &reach))?;
        Ok(Exit::Clean)
    }
}

fn told(desk: &Desk, tool: Option<&str>, reach: &Reach) -> String {
    let calls: Vec<Vec<String>> =
        reach.tasks.iter().flat_map(|task| task.calls.iter().map(|one| call(task, one))).collect();
    let tasks: Vec<Vec<String>> = reach.tasks.iter().map(task).collect();
    let receivers: Vec<Vec<String>> = reach.receivers.iter().map(receiver).collect();
    let mut text = format!("{} calls of the source, read by {} tasks\n\n", reach.sources, reach.tasks.len());
    let head = ["TASK", "ACTOR", "READ AT", "WITH CALL", "LATER CALLS"];
    text += &desk.out.table(&head, &tasks, "no task read it: nothing of it was sent");
    let head = ["RECEIVED BY", "SENT TO", "EFFECT", "CALLS", "WITH ARGUMENTS FROM IT"];
    text += &format!("\n{}", desk.out.table(&head, &receivers, "nobody received anything afterwards"));
    let head = ["AT", "TASK", "ACTION", "ON", "CAME OUT", "ARGUMENTS FROM IT", "CALL"];
    text += &format!(
        "\n{}",
        desk.out.table(&head, &calls, "nothing that can have an effect was done afterwards")
    );
    for store in &reach.stores {
        text += &format!("\n{}", stored(store));
    }
    if let Some(next) = &reach.next {
        text += &format!("\nolder calls of the source with --cursor {}\n", next.as_str());
    }
    text + "\n" + &stops(tool, reach)
}

fn task(one: &ReachTask) -> Vec<String> {
    let more = if one.more { " and more" } else { "" };
    vec![
        one.task.to_string(),
        one.actor_name.as_ref().map_or_else(|| or_dash(one.actor), ToString::to_string),
        one.since.to_string(),
        one.by.to_string(),
        format!("{}{more}", one.calls.len()),
    ]
}

fn receiver(one: &Receiver) -> Vec<String> {
    let route = || one.route_name.as_ref().map_or_else(|| or_dash(one.route), ToString::to_string);
    vec![
        one.tool_name.clone().unwrap_or_else(route),
        one.upstream_name.as_ref().map_or_else(|| or_dash(one.upstream), ToString::to_string),
        or_dash(one.effect.as_ref().map(word)),
        one.calls.to_string(),
        one.took.to_string(),
    ]
}

fn call(task: &ReachTask, one: &ReachCall) -> Vec<String> {
    let call = &one.flow.call;
    vec![
        call.at.to_string(),
        task.task.to_string(),
        or_dash(call.action.as_ref().map(word)),
        or_dash(one.flow.what()),
        word(&call.state),
        word(&one.took),
        call.call.to_string(),
    ]
}

fn stored(store: &ReachStore) -> String {
    let name = store.name.clone().unwrap_or_else(|| store.store.to_string());
    let mut text = format!("stored in `{}` by {} calls", shown(&name), store.written_by.len());
    if store.read_back.is_empty() {
        text += if store.more {
            "; not every call there was looked at\n"
        } else {
            "; no other task is recorded to have read it back\n"
        };
        return text;
    }
    text += ", read back by:\n";
    for back in &store.read_back {
        let who = back.actor_name.as_ref().map_or_else(|| or_dash(back.actor), ToString::to_string);
        text += &format!("- {who}, {}: alcaide flow from --call {}\n", back.at, back.call);
    }
    text
}

/// The commands that stop what was found.
fn stops(tool: Option<&str>, reach: &Reach) -> String {
    let mut all: Vec<String> = Vec::new();
    if let Some((server, name)) = tool.and_then(|tool| tool.split_once('/')) {
        // A server chose the name: what a shell could take for more than a word is not offered for copying.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let own = if name.bytes().all(plain) && !name.starts_with('-') { name } else { "PIN" };
        all.push(format!("alcaide tool quarantine {} {own}", shown(server)));
        all.push(format!("alcaide flow quarantine {}", shown(server)));
    }
    let mut agents: Vec<String> =
        reach.tasks.iter().filter_map(|task| Some(task.actor_name.as_ref()?.to_string())).collect();
    agents.sort_unstable();
    agents.dedup();
    all.extend(agents.iter().map(|name| format!("alcaide agent kill {name}")));
    let lines: String = all.iter().map(|line| format!("  {line}\n")).collect();
    if lines.is_empty() { String::new() } else { format!("To stop it:\n{lines}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_server_chose_becomes_no_command() {
        let reach =
            Reach { sources: 0, tasks: Vec::new(), receivers: Vec::new(), stores: Vec::new(), next: None };
        assert_eq!(
            stops(Some("mail/send_it"), &reach),
            "To stop it:\n  alcaide tool quarantine mail send_it\n  alcaide flow quarantine mail\n"
        );
        for hostile in ["mail/x; rm -rf ~", "mail/$(id)", "mail/--yes", "mail/a b"] {
            let told = "To stop it:\n  alcaide tool quarantine mail PIN\n  alcaide flow quarantine mail\n";
            assert_eq!(stops(Some(hostile), &reach), told);
        }
        assert_eq!(stops(None, &reach), "");
    }

    #[test]
    fn lengths_are_read_with_their_unit_alone() {
        let read = ["45s", "90m", "24h", "7d"].map(|text| ago(text).unwrap());
        assert_eq!(read, [45, 5_400, 86_400, 604_800]);
        for wrong in ["", "7", "d", "-1d", "1w", "99999999999999999999d", "18446744073709551615d", "1é"] {
            assert!(ago(wrong).is_err(), "{wrong}");
        }
    }
}

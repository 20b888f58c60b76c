//! Tools of tool servers: what is offered, what is accepted, how they differ; declare, accept, quarantine.

mod propose;
mod tell;

use alcaide_control::{Applied, Edit, Thing, ToolDetail, ToolOrdered, ToolState, ToolView, visible_line};
use alcaide_inventory::Name;
use alcaide_inventory::declare::Tool;
use alcaide_inventory::fact::{Effect, Facts};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use super::plan::confirmed;
use crate::cli::{Desk, Exit};
use crate::client::{Client, query_value, segment};
use crate::fail::{Failure, USAGE, WORD};
use crate::show::note;

/// `alcaide tool …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List tools that are declared or that a server offers, and how they stand
    #[command(
        after_help = "Example: alcaide tool list --server files --state changed\nA tool that is new or changed is held \
        back by the gate until somebody accepts it."
    )]
    List {
        /// Of one server only
        #[arg(long)]
        server: Option<Name>,
        /// Only those that stand so: new, changed, accepted, quarantined, declared
        #[arg(long, value_parser = state)]
        state: Option<ToolState>,
    },
    /// Show a tool: what its server says of it, and what changed since it was accepted
    #[command(
        after_help = "Example: alcaide tool show files read_file\nWords that are gone stand in [-…-], new ones in {+…+}; \
        characters that no screen shows are written as ⟨U+202E⟩."
    )]
    Show(One),
    /// Accept a tool as its server offers it now
    #[command(
        after_help = "Example: alcaide tool accept files read_file --pin 0d1c…\nThe pin is what `tool show` prints; if \
        the server offers another form by then, nothing is accepted."
    )]
    Accept(Accept),
    /// Declare what a tool does: the strictest where nothing is said
    #[command(
        after_help = "Example: alcaide tool declare files read_file --effect read\nEffects from harmless to grave: read, \
        internal, outbound, destructive, money, credential."
    )]
    Declare(Declare),
    /// Propose what tools do, from their names, schemas and hints, with the reason of each guess
    #[command(
        after_help = "Example: alcaide tool propose files --out declarations/files.toml\nWhat is unclear is proposed as the \
        strictest. A tool that is declared already is left as it is, but with `--replace`."
    )]
    Propose(propose::Propose),
    /// Take back that a tool was accepted: the gate holds it back until somebody accepts it again
    #[command(after_help = "Example: alcaide tool quarantine files read_file")]
    Quarantine(One),
}

/// A tool.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// The route of its server
    server: Name,
    /// Its name, or a pin of it
    tool: String,
}

/// `alcaide tool accept`.
#[derive(Args, Debug)]
pub(crate) struct Accept {
    /// The route of its server
    server: Name,
    /// Its name, or a pin of it
    #[arg(required_unless_present = "all_new", conflicts_with = "all_new")]
    tool: Option<String>,
    /// The form that was looked at: 64 hex digits
    #[arg(long, value_name = "HEX", conflicts_with = "all_new")]
    pin: Option<String>,
    /// All tools of the server that are declared and were never accepted
    #[arg(long)]
    all_new: bool,
    /// Accept what is shown
    #[arg(long)]
    yes: bool,
}

/// `alcaide tool declare`.
#[derive(Args, Debug)]
pub(crate) struct Declare {
    /// The route of its server
    server: Name,
    /// Its name
    tool: String,
    /// What a call does [default: credential, the gravest]
    #[arg(long, value_parser = effect)]
    effect: Option<Effect>,
    /// An argument that decides what happens and to whom; may be repeated
    #[arg(long = "control", value_name = "ARGUMENT")]
    control: Vec<String>,
    /// An argument that carries free text; may be repeated
    #[arg(long = "free-text", value_name = "ARGUMENT")]
    free_text: Vec<String>,
    /// The argument that the server honours as an idempotency key
    #[arg(long, value_name = "ARGUMENT")]
    idempotency_key: Option<String>,
    /// Put this in the place of what is declared about it, outputs and clearance too
    #[arg(long)]
    replace: bool,
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let client = desk.client()?;
        match self {
            Self::List { server, state } => list(desk, &client, server.as_ref(), state).await,
            Self::Show(one) => {
                let detail: ToolDetail = client.get(&path(&client, &one.server, &one.tool).await?).await?;
                desk.out.show(&detail, || tell::detail(&detail, desk.out.colored()))?;
                Ok(Exit::Clean)
            }
            Self::Accept(accept) => accept.run(desk, &client).await,
            Self::Declare(declare) => declare.run(desk, &client).await,
            Self::Propose(propose) => propose.run(desk, &client).await,
            Self::Quarantine(one) => {
                let at = path(&client, &one.server, &one.tool).await?;
                let done: ToolOrdered = client.post_empty(&format!("{at}/quarantine")).await?;
                let name = format!("{}/{}", one.server, one.tool);
                desk.out.show(&done, || {
                    let number = done.applied.number;
                    format!("tool `{name}` is quarantined, by order {}, in plan {number}\n", done.order.id)
                })?;
                Ok(Exit::Clean)
            }
        }
    }
}

async fn list(
    desk: &Desk,
    client: &Client,
    server: Option<&Name>,
    state: Option<ToolState>,
) -> Result<Exit, Failure> {
    let all: Vec<ToolView> = client.get(&listed(server, state)).await?;
    desk.out.show(&all, || {
        let rows: Vec<_> = all.iter().map(tell::row).collect();
        let empty = match (state, server) {
            (Some(state), _) => format!("no tool is {}", state.as_str()),
            (None, Some(server)) => format!(
                "no tool of `{server}` is declared or was offered; tools are seen when an agent first lists them"
            ),
            (None, None) => "no tools; declare a route of kind `mcp`, see `alcaide declare example`".to_owned(),
        };
        let head = ["TOOL", "STATE", "EFFECT", "FOUND", "OFFERED SINCE", "PIN"];
        let table = desk.out.table(&head, &rows, &empty);
        table + &tell::waiting(&all)
    })?;
    Ok(Exit::Clean)
}

impl Accept {
    async fn run(self, desk: &Desk, client: &Client) -> Result<Exit, Failure> {
        let Self { server, tool, pin, all_new, yes } = self;
        let tool = match tool {
            Some(tool) if !all_new => tool,
            _ => return accept_new(desk, client, &server, yes).await,
        };
        let at = path(client, &server, &tool).await?;
        let name = format!("{server}/{tool}");
        let pin = match pin {
            Some(pin) => pin,
            None => {
                let detail: ToolDetail = client.get(&at).await?;
                let Some(offered) = detail.tool.offered else {
                    let failure = Failure::new(&WORD, format!("`{name}` was never offered"));
                    return Err(failure.fix("let an agent list the server's tools first"));
                };
                if !desk.out.is_json() {
                    note(&tell::detail(&detail, desk.color.on(&std::io::stderr())));
                }
                confirmed(yes, &format!("`{name}` would be accepted as {offered}"))?;
                offered.to_string()
            }
        };
        let done = accept(client, &at, &pin).await?;
        desk.out.show(&done, || {
            let number = done.applied.number;
            format!("tool `{name}` is accepted as {pin}, by order {}, in plan {number}\n", done.order.id)
        })?;
        Ok(Exit::Clean)
    }
}

/// How accepting many came out.
#[derive(Default, Serialize)]
struct AcceptedNew {
    accepted: Vec<Value>,
    left: Vec<Value>,
}

async fn accept_new(desk: &Desk, client: &Client, server: &Name, yes: bool) -> Result<Exit, Failure> {
    let all: Vec<ToolView> = client.get(&listed(Some(server), Some(ToolState::New))).await?;
    let mut looked = Vec::new();
    for view in &all {
        let name = tell::name(view);
        let Some(pin) = view.offered else { continue };
        if view.id.is_none() {
            looked.push((name, Err("it is not declared".to_owned())));
            continue;
        }
        let at = format!("/api/v1/tools/{server}/{pin}");
        let detail: ToolDetail = client.get(&at).await?;
        // What is shown is what is accepted: a newer form has another pin.
        let Some(pin) = detail.tool.offered else { continue };
        if !desk.out.is_json() {
            note(&tell::detail(&detail, desk.color.on(&std::io::stderr())));
        }
        looked.push((name, Ok((at, pin.to_string()))));
    }
    let count = looked.iter().filter(|(_, one)| one.is_ok()).count();
    if count > 0 {
        confirmed(yes, &format!("tools of `{server}` would be accepted: {count}"))?;
    }
    let mut done = AcceptedNew::default();
    let mut text = String::new();
    for (name, one) in looked {
        let ended = match one {
            Err(why) => Err(why),
            Ok((at, pin)) => match accept(client, &at, &pin).await {
                Ok(ordered) => Ok((pin, ordered)),
                Err(failure) => Err(failure.told()),
            },
        };
        match ended {
            Ok((pin, ordered)) => {
                text.push_str(&format!("tool `{}` is accepted as {pin}\n", visible_line(&name)));
                done.accepted.push(json!({ "tool": name, "pin": pin, "plan": ordered.applied.number }));
            }
            Err(why) => {
                text.push_str(&format!(
                    "tool `{}` is not accepted: {}\n",
                    visible_line(&name),
                    visible_line(&why)
                ));
                done.left.push(json!({ "tool": name, "why": why }));
            }
        }
    }
    if text.is_empty() {
        text.push_str(&format!("no tool of `{server}` is new\n"));
    }
    let left = !done.left.is_empty();
    desk.out.show(&done, || text)?;
    Ok(Exit::unless(left))
}

impl Declare {
    async fn run(self, desk: &Desk, client: &Client) -> Result<Exit, Failure> {
        let Self { server, tool, effect, control, free_text, idempotency_key, replace } = self;
        let strict = Facts::default();
        let effect = effect.unwrap_or(strict.effect);
        let facts = Facts { effect, control, free_text, idempotency_key, ..strict };
        let thing = Thing::Tool(Tool { server: server.clone(), name: tool.clone(), facts });
        let edit = if replace { Edit::Replace(thing) } else { Edit::Create(thing) };
        let applied: Applied = client.post("/api/v1/edits", &edit, None).await?;
        desk.out.show(&applied, || {
            format!(
                "tool `{server}/{}` is declared with effect `{}`, in plan {}\n",
                visible_line(&tool),
                effect.as_str(),
                applied.number
            )
        })?;
        if !desk.out.is_json() {
            let detail: ToolDetail = client.get(&path(client, &server, &tool).await?).await?;
            for argument in &detail.lacks {
                note(&format!("its server offers no argument `{}`", visible_line(argument)));
            }
            if matches!(detail.tool.state, ToolState::New | ToolState::Changed) {
                note("look at it with `alcaide tool show`, then accept it with `alcaide tool accept`");
            }
        }
        Ok(Exit::Clean)
    }
}

async fn accept(client: &Client, at: &str, pin: &str) -> Result<ToolOrdered, Failure> {
    client.post(&format!("{at}/accept"), &json!({ "pin": pin }), None).await
}

/// The path of a tool. A name that no path takes is looked up, and its pin stands for it.
async fn path(client: &Client, server: &Name, tool: &str) -> Result<String, Failure> {
    let word = match segment(tool) {
        Ok(word) => word.to_owned(),
        Err(wrong) => {
            let all: Vec<ToolView> = client.get(&listed(Some(server), None)).await?;
            let found = all.into_iter().find(|one| one.name.as_deref() == Some(tool));
            let pin = found.and_then(|one| one.offered.or(one.accepted)).ok_or(wrong)?;
            pin.to_string()
        }
    };
    Ok(format!("/api/v1/tools/{server}/{word}"))
}

/// The path of a tool that is written `SERVER/TOOL`.
pub(crate) async fn path_of(client: &Client, text: &str) -> Result<String, Failure> {
    let parts = text.split_once('/').and_then(|(server, tool)| Some((server.parse::<Name>().ok()?, tool)));
    let Some((server, tool)) = parts else {
        return Err(Failure::new(&USAGE, format!("`{}` names no tool", crate::fail::shown(text)))
            .why("a tool is named by its server and its own name")
            .fix("write `SERVER/TOOL`, as `alcaide tool list` shows it"));
    };
    path(client, &server, tool).await
}

fn listed(server: Option<&Name>, state: Option<ToolState>) -> String {
    let server = server.map(|server| format!("server={}", query_value(server.as_str())));
    let state = state.map(|state| format!("state={}", state.as_str()));
    let query: Vec<String> = server.into_iter().chain(state).collect();
    if query.is_empty() { "/api/v1/tools".into() } else { format!("/api/v1/tools?{}", query.join("&")) }
}

fn state(text: &str) -> Result<ToolState, String> {
    ToolState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        let known = ToolState::ALL.map(|state| format!("`{}`", state.as_str())).join(", ");
        format!("a tool is one of {known}")
    })
}

fn effect(text: &str) -> Result<Effect, String> {
    const ALL: [Effect; 6] = [
        Effect::Read,
        Effect::Internal,
        Effect::Outbound,
        Effect::Destructive,
        Effect::Money,
        Effect::Credential,
    ];
    ALL.into_iter().find(|effect| effect.as_str() == text).ok_or_else(|| {
        let known = ALL.map(|effect| format!("`{}`", effect.as_str())).join(", ");
        format!("the effects are {known}")
    })
}

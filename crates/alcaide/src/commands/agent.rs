//! Agents: create, list, stop, let act again, enrol a key, start a task.

mod enrol;
mod report;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use alcaide_control::{AgentView, Applied, OrderView, Thing};
use alcaide_inventory::declare::{
    Agent, Declarations, DpopRule, Grant, Human, Named, Role, Standing, Unit, UserTurns,
};
use alcaide_inventory::{AgentId, Name};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{Desk, Exit};
use crate::client::Client;
use crate::commands::people;
use crate::fail::{FIRST, Failure, NO_AGENT};
use crate::show::{note, or_dash};

/// `alcaide agent …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Declare an agent
    #[command(
        after_help = "Example: alcaide agent create invoice-bot --owner ana --may 'use:model/*' --may \
        'use:tool/files/*' --create-missing\nA grant is `use:model/NAME`, `use:tool/SERVER/TOOL` or \
        `use:api/SERVICE/OPERATION`; `*` is any."
    )]
    Create(Create),
    /// List agents and how they stand
    #[command(after_help = "Example: alcaide agent list")]
    List,
    /// Stop an agent: nothing it holds is good any more, and its calls in flight are cut
    #[command(after_help = "Example: alcaide agent kill invoice-bot")]
    Kill {
        /// Name or id
        name: String,
    },
    /// Let a stopped agent act again, with new tokens
    #[command(after_help = "Example: alcaide agent unkill invoice-bot")]
    Unkill {
        /// Name or id
        name: String,
    },
    /// Make a key, prove it to the office, and make it a client credential of the agent
    #[command(
        after_help = "Example: alcaide agent enrol invoice-bot --key-file invoice-bot.pem\nThe key goes to \
        the file (PKCS#8 PEM, mode 0600); client id and token endpoint go beside it, ending in `.json`.\nWhere the \
        answer of the office is lost, the key stays; `--resume` asks whether it is enrolled."
    )]
    Enrol {
        /// Name or id
        name: String,
        /// New file for the key [default: NAME.pem]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// Make no key: ask whether the one that an earlier command kept is enrolled, and finish with it
        #[arg(long)]
        resume: bool,
    },
    /// Show what an agent's rights are used for: grants that nothing used, what was used, questions always answered alike
    #[command(after_help = "Example: alcaide agent report invoice-bot --since 30d")]
    Report {
        /// Name or id
        name: String,
        /// Only calls and questions from then on: `90m`, `24h` or `7d` ago
        #[arg(long, value_name = "AGO", value_parser = super::flow::ago)]
        since: Option<u64>,
    },
    /// Start a task and print its token: what an SDK sends as its API key
    #[command(
        after_help = "Example: alcaide agent token invoice-bot --task 'pay invoice 7'\nAs in: OPENAI_API_KEY=$(alcaide agent token invoice-bot) \
        python my_agent.py"
    )]
    Token(Token),
}

/// `alcaide agent create`.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name
    name: Name,
    /// Who answers for it technically
    #[arg(long, value_name = "HUMAN")]
    owner: Name,
    /// The unit that it works for [default: that of its owner; `main` where the owner is created]
    #[arg(long)]
    unit: Option<Name>,
    /// Who is accountable for it, where it is not the owner
    #[arg(long, value_name = "HUMAN")]
    sponsor: Option<Name>,
    /// What it may use; may be repeated
    #[arg(long = "may", value_name = "GRANT")]
    may: Vec<Grant>,
    /// Also declare the unit, the owner and the sponsor where they are missing, all in one plan; they get no office
    /// role, but where nobody administers the office yet, the first of them becomes administrator
    #[arg(long)]
    create_missing: bool,
}

/// `alcaide agent token`.
#[derive(Args, Debug)]
pub(crate) struct Token {
    /// Name or id
    name: String,
    /// The person on whose behalf [default: its owner]
    #[arg(long, value_name = "HUMAN")]
    subject: Option<Name>,
    /// The user's own words, to be attested; `-` reads them from standard input
    #[arg(long, value_name = "TEXT")]
    task: Option<String>,
    /// The same from a file, as it is
    #[arg(long, value_name = "FILE", conflicts_with = "task")]
    task_file: Option<PathBuf>,
    /// Seconds that the token lives, 1 to 900
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=900))]
    life: u64,
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Create(create) => create.run(desk).await,
            Self::List => list(desk).await,
            Self::Kill { name } => order(desk, &name, "kill").await,
            Self::Unkill { name } => order(desk, &name, "unkill").await,
            Self::Enrol { name, key_file, resume } => {
                let key = if resume { enrol::Key::Kept } else { enrol::Key::New };
                enrol::run(desk, &name, key_file, key).await
            }
            Self::Report { name, since } => report::run(desk, &name, since).await,
            Self::Token(token) => token.run(desk).await,
        }
    }
}

impl Create {
    async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let client = desk.client()?;
        // The number first: if a plan comes between the two, the apply below is a conflict and changes nothing.
        let Status { plan } = client.get("/api/v1/status").await?;
        let mut all: Declarations = client.get("/api/v1/declarations").await?;
        let owner_unit =
            all.humans.iter().find(|one| one.name == self.owner).map(|one| one.spec.unit.clone());
        let unit = match self.unit.clone().or(owner_unit) {
            Some(unit) => unit,
            None => main_unit()?,
        };
        let missing = Missing::of(&all, &unit, [Some(&self.owner), self.sponsor.as_ref()]);
        let (name, may) = (self.name.clone(), self.may.clone());
        if may.is_empty() {
            note("note: without `--may` and without a policy that permits it, the agent may use nothing");
        }
        let spec = Agent {
            unit: unit.clone(),
            owner: self.owner.clone(),
            sponsor: self.sponsor.clone(),
            may,
            dpop: DpopRule::default(),
            standing: Standing::Active,
            user_turns: UserTurns::default(),
        };
        if missing.is_empty() {
            let label = format!("agent `{name}`");
            return people::create(desk, Thing::Agent(Named { name, spec }), &label).await;
        }
        if !self.create_missing {
            return Err(missing.failure(&unit));
        }
        missing.declare(&mut all, &unit);
        if all.agents.iter().any(|one| one.name == name) {
            // The office says it in its own words.
            return people::create(desk, Thing::Agent(Named { name, spec }), "agent").await;
        }
        all.agents.push(Named { name: name.clone(), spec });
        let applied: Applied = client.post("/api/v1/plans", &all, Some(plan)).await?;
        desk.out.show(&applied, || {
            let more = missing.labels().join(", ");
            format!("agent `{name}` is declared, with {more}, in plan {}\n", applied.number)
        })?;
        Ok(Exit::Clean)
    }
}

/// What must be there before an agent.
struct Missing {
    unit: Option<Name>,
    humans: Vec<Name>,
    /// Nobody administers the office yet: the first person does, since a plan without an administrator is refused.
    first: bool,
}

impl Missing {
    fn of<'a>(all: &Declarations, unit: &Name, people: impl IntoIterator<Item = Option<&'a Name>>) -> Self {
        let unit_there = all.units.iter().any(|one| one.name == *unit);
        let mut humans: Vec<Name> = people
            .into_iter()
            .flatten()
            .filter(|name| !all.humans.iter().any(|one| one.name == **name))
            .cloned()
            .collect();
        humans.dedup();
        let administers = |one: &Named<Human>| {
            one.spec.standing == Standing::Active && one.spec.roles.contains(&Role::Administrator)
        };
        let first = !all.humans.iter().any(administers);
        Self { unit: (!unit_there).then(|| unit.clone()), humans, first }
    }

    fn is_empty(&self) -> bool {
        self.unit.is_none() && self.humans.is_empty()
    }

    fn labels(&self) -> Vec<String> {
        let units = self.unit.iter().map(|name| format!("unit `{name}`"));
        units.chain(self.humans.iter().map(|name| format!("human `{name}`"))).collect()
    }

    fn failure(&self, unit: &Name) -> Failure {
        let mut first: Vec<String> =
            self.unit.iter().map(|name| format!("`alcaide unit create {name}`")).collect();
        for (at, name) in self.humans.iter().enumerate() {
            let role = if self.first && at == 0 { " --role administrator" } else { "" };
            first.push(format!("`alcaide human create {name} --unit {unit}{role}`"));
        }
        Failure::new(&FIRST, "the agent was not declared")
            .why(format!("not declared yet: {}", self.labels().join(", ")))
            .fix(format!("run {}, then this again; or add `--create-missing`", first.join(" and ")))
    }

    fn declare(&self, all: &mut Declarations, unit: &Name) {
        if let Some(name) = &self.unit {
            all.units.push(Named { name: name.clone(), spec: Unit::default() });
        }
        for (at, name) in self.humans.iter().enumerate() {
            let roles = if self.first && at == 0 { vec![Role::Administrator] } else { Vec::new() };
            let spec = Human { unit: unit.clone(), roles, standing: Standing::Active };
            all.humans.push(Named { name: name.clone(), spec });
        }
    }
}

fn main_unit() -> Result<Name, Failure> {
    "main".parse().map_err(|error| Failure::new(&FIRST, "no unit was named").why(error))
}

#[derive(Deserialize)]
struct Status {
    plan: u64,
}

async fn list(desk: &Desk) -> Result<Exit, Failure> {
    let agents: Vec<AgentView> = desk.client()?.get("/api/v1/agents").await?;
    desk.out.show(&agents, || {
        let rows: Vec<Vec<String>> = agents.iter().map(row).collect();
        let head = ["NAME", "UNIT", "OWNER", "STANDING", "MAY", "KEYS", "LAST CALL", "ID"];
        desk.out.table(&head, &rows, "no agents; declare one with `alcaide agent create`")
    })?;
    Ok(Exit::Clean)
}

fn row(agent: &AgentView) -> Vec<String> {
    let standing = match agent.standing {
        _ if agent.killed => "killed",
        Standing::Active => "active",
        Standing::Quarantined => "quarantined",
        Standing::Left => "left",
    };
    let may = agent.may.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    vec![
        agent.name.to_string(),
        agent.unit.to_string(),
        agent.owner.to_string(),
        standing.into(),
        if may.is_empty() { "-".into() } else { may },
        agent.credentials.to_string(),
        or_dash(agent.last_call),
        agent.id.to_string(),
    ]
}

async fn order(desk: &Desk, name: &str, verb: &str) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let id = agent_id(&client, name).await?;
    let given: OrderView = client.post_empty(&format!("/api/v1/actors/{id}/{verb}")).await?;
    let done = if verb == "kill" { "is stopped" } else { "may act again" };
    let index = given.index;
    desk.out.show(&given, || format!("agent `{name}` {done}, by order {} (entry {index})\n", given.id))?;
    Ok(Exit::Clean)
}

/// The id of an agent by name or id: a name that only a person or workload has is not taken for it.
pub(crate) async fn agent_id(client: &Client, text: &str) -> Result<AgentId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let agents: Vec<AgentView> = client.get("/api/v1/agents").await?;
    let found = agents.iter().find(|one| one.name.as_str() == text);
    found.map(|one| one.id).ok_or_else(|| {
        let cut: String = text.chars().take(80).collect();
        Failure::new(&NO_AGENT, format!("there is no agent `{cut}`")).why(NO_AGENT.what)
    })
}

impl Token {
    async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let words = match (self.task.as_deref(), self.task_file.as_deref()) {
            (Some("-"), _) => Some(words_of(std::io::stdin(), Path::new("standard input"))?),
            (Some(text), _) => Some(text.to_owned()),
            (None, Some(path)) => {
                let file = File::open(path).map_err(|error| Failure::file("read", path, &error))?;
                Some(words_of(file, path)?)
            }
            (None, None) => None,
        };
        let client = desk.client()?;
        let id = agent_id(&client, &self.name).await?;
        let mut asked = json!({ "actor": id, "life_s": self.life });
        if let Some(members) = asked.as_object_mut() {
            if let Some(subject) = &self.subject {
                members.insert("subject".into(), format!("human/{subject}").into());
            }
            if let Some(words) = words {
                members.insert("words".into(), words.into());
            }
        }
        let token: Value = client.post("/api/v1/tasks", &asked, None).await?;
        desk.out.show(&token, || {
            let text = token.get("access_token").and_then(Value::as_str).unwrap_or_default();
            format!("{text}\n")
        })?;
        Ok(Exit::Clean)
    }
}

/// The user's words, whole: what is cut off would be missing where the words count.
fn words_of(source: impl Read, name: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = source.take(WORDS_BYTES_MAX + 1).read_to_string(&mut text);
    let whole = read.and_then(|bytes| match u64::try_from(bytes) {
        Ok(bytes) if bytes <= WORDS_BYTES_MAX => Ok(()),
        _ => Err(std::io::Error::other("it holds more than 1 MiB")),
    });
    whole.map_err(|error| Failure::file("read", name, &error))?;
    Ok(text)
}

/// Longest words that are read, in bytes: what a request to the office may hold is more.
const WORDS_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_as_commands() {
        let mut all = Declarations::empty();
        let (main, ana): (Name, Name) = ("main".parse().unwrap(), "ana".parse().unwrap());
        let missing = Missing::of(&all, &main, [Some(&ana), Some(&ana)]);
        let failure = missing.failure(&main);
        let part = &failure.parts[0];
        assert_eq!(part.why.as_deref(), Some("not declared yet: unit `main`, human `ana`"));
        assert_eq!(
            part.fix,
            "run `alcaide unit create main` and `alcaide human create ana --unit main --role administrator`, then this again; \
             or add `--create-missing`"
        );
        missing.declare(&mut all, &main);
        assert_eq!(all.check(), []);
        assert!(Missing::of(&all, &main, [Some(&ana), None]).is_empty());
    }
}

//! The way into the console: a one-time link, printed to a terminal by the operator's own hand.
//!
//! Whoever has the link is that person, so it goes neither to a file nor through a pipe by mistake. A program that
//! `alcaide run` started sees neither the terminal of the operator nor the socket that opens links.

use std::io::IsTerminal as _;

use alcaide_control::Applied;
use alcaide_inventory::declare::{Declarations, Human, Named, Role, Standing, Unit};
use alcaide_inventory::{Moment, Name};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cli::{Desk, Exit};
use crate::client::Client;
use crate::fail::{Failure, LINK_PIPE, LINK_WHOM};
use crate::show::note;

/// `alcaide console …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print a one-time link with which a person comes to the console
    #[command(
        after_help = "Example: alcaide console link --human ana\nThe link works once and for ten minutes. Where nobody \
        administers the office yet, the person is declared as its first administrator."
    )]
    Link(Link),
}

/// `alcaide console link`.
#[derive(Args, Debug)]
pub(crate) struct Link {
    /// Handle of the person [default: the one administrator; your user name where there is none yet]
    #[arg(long, value_name = "NAME")]
    human: Option<Name>,
    /// Print it even where standard output is no terminal: whoever reads that output is that person
    #[arg(long)]
    force_print: bool,
}

/// A link, as it is shown.
#[derive(Deserialize, Serialize)]
pub(crate) struct Shown {
    /// Where it leads.
    pub(crate) url: String,
    human: String,
    expires: Moment,
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let Self::Link(Link { human, force_print }) = self;
        if !force_print && !std::io::stdout().is_terminal() {
            return Err(Failure::new(&LINK_PIPE, "the link was not printed").why(LINK_PIPE.why));
        }
        let link = open(&desk.client()?, human).await?;
        desk.out.show(&link, || format!("{}\n", link.url))?;
        note(&format!("for `{}`, once, until {}", link.human, link.expires));
        Ok(Exit::Clean)
    }
}

/// What a first start on a terminal says: the way into the console.
pub(crate) async fn welcome(client: &Client, show: impl FnOnce(&str)) {
    match open(client, None).await {
        Ok(link) => show(&link.url),
        Err(failure) => failure.print(false),
    }
}

/// Opens a link for somebody; the first administrator is declared if there is none.
pub(crate) async fn open(client: &Client, human: Option<Name>) -> Result<Shown, Failure> {
    let Status { plan } = client.get("/api/v1/status").await?;
    let mut all: Declarations = client.get("/api/v1/declarations").await?;
    let administrators: Vec<&Name> =
        all.humans.iter().filter(|one| administers(one)).map(|one| &one.name).collect();
    let name = match (human, administrators.as_slice()) {
        (Some(name), _) => name,
        (None, [one]) => (*one).clone(),
        (None, []) => own_name(std::env::var("USER").ok().as_deref())?,
        (None, several) => {
            let names = several.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(Failure::new(&LINK_WHOM, "the link was not opened")
                .why(format!("there are several administrators: {names}")));
        }
    };
    if administrators.is_empty() {
        let said = first(&mut all, &name)?;
        let applied: Applied = client.post("/api/v1/plans", &all, Some(plan)).await?;
        note(&format!("nobody administered the office yet: {said}, in plan {}", applied.number));
    }
    let asked = json!({ "human": format!("human/{name}") });
    client.post("/api/v1/console_links", &asked, None).await
}

fn administers(one: &Named<Human>) -> bool {
    one.spec.standing == Standing::Active && one.spec.roles.contains(&Role::Administrator)
}

/// Declares the first administrator, in a unit that is there or in `main`; says so.
fn first(all: &mut Declarations, name: &Name) -> Result<String, Failure> {
    let unit = match all.units.first() {
        Some(unit) => unit.name.clone(),
        None => {
            let main: Name =
                "main".parse().map_err(|error| Failure::new(&LINK_WHOM, "no unit was named").why(error))?;
            all.units.push(Named { name: main.clone(), spec: Unit::default() });
            main
        }
    };
    let said = format!("`{name}` is declared as its administrator, in unit `{unit}`");
    match all.humans.iter_mut().find(|one| one.name == *name) {
        Some(one) => one.spec.roles.push(Role::Administrator),
        None => {
            let spec = Human { unit, roles: vec![Role::Administrator], standing: Standing::Active };
            all.humans.push(Named { name: name.clone(), spec });
        }
    }
    Ok(said)
}

/// A handle made of a user name; `root` and what makes no handle become `admin`.
fn own_name(user: Option<&str>) -> Result<Name, Failure> {
    let lower = user.unwrap_or_default().to_ascii_lowercase();
    let wanted = if lower == "root" { "admin" } else { lower.as_str() };
    wanted
        .parse()
        .or_else(|_| "admin".parse())
        .map_err(|error| Failure::new(&LINK_WHOM, "nobody was named").why(error))
}

#[derive(Deserialize)]
struct Status {
    plan: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_administrator_makes_a_sound_plan() {
        let mut all = Declarations::empty();
        let ana: Name = "ana".parse().unwrap();
        let said = first(&mut all, &ana).unwrap();
        assert_eq!(said, "`ana` is declared as its administrator, in unit `main`");
        assert_eq!(all.check(), []);
        assert!(all.humans.iter().all(administers));
    }

    #[test]
    fn a_user_name_becomes_a_handle() {
        let named = |user| own_name(user).unwrap().to_string();
        assert_eq!(named(Some("Ana.Sousa")), "ana.sousa");
        for odd in [None, Some(""), Some("root"), Some("a b"), Some("é")] {
            assert_eq!(named(odd), "admin", "{odd:?}");
        }
    }
}

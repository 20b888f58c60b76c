//! Units and people.

use alcaide_control::{Applied, Edit, Thing};
use alcaide_inventory::Name;
use alcaide_inventory::declare::{self, Named, Role, Standing};
use clap::Subcommand;

use crate::cli::{Desk, Exit};
use crate::fail::Failure;

/// `alcaide unit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Unit {
    /// Declare a unit
    #[command(after_help = "Example: alcaide unit create finance --parent main")]
    Create {
        /// Its name
        name: Name,
        /// The unit that it belongs to
        #[arg(long)]
        parent: Option<Name>,
    },
}

impl Unit {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let Self::Create { name, parent } = self;
        let thing = Thing::Unit(Named { name: name.clone(), spec: declare::Unit { parent } });
        create(desk, thing, &format!("unit `{name}`")).await
    }
}

/// `alcaide human …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Human {
    /// Declare a person, by handle
    #[command(
        after_help = "Example: alcaide human create ana --unit main --role administrator --role approver"
    )]
    Create {
        /// Handle: not the person's real name, which has no place in the record
        name: Name,
        /// The unit that the person belongs to
        #[arg(long)]
        unit: Name,
        /// Office role; may be repeated
        #[arg(long = "role", value_name = "ROLE", value_parser = role)]
        roles: Vec<Role>,
    },
}

impl Human {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let Self::Create { name, unit, roles } = self;
        let spec = declare::Human { unit, roles, standing: Standing::Active };
        create(desk, Thing::Human(Named { name: name.clone(), spec }), &format!("human `{name}`")).await
    }
}

/// Adds one thing to what is declared, and says in which plan.
pub(crate) async fn create(desk: &Desk, thing: Thing, label: &str) -> Result<Exit, Failure> {
    let applied: Applied = desk.client()?.post("/api/v1/edits", &Edit::Create(thing), None).await?;
    desk.out.show(&applied, || format!("{label} is declared, in plan {}\n", applied.number))?;
    Ok(Exit::Clean)
}

fn role(text: &str) -> Result<Role, String> {
    let all = [Role::Viewer, Role::Approver, Role::PolicyAuthor, Role::Administrator, Role::Auditor];
    all.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
        let known = all.map(|role| format!("`{}`", role.as_str())).join(", ");
        format!("the roles are {known}")
    })
}

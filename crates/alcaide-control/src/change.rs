//! Differences between two sets of declarations, and edits of one.

use std::collections::BTreeMap;

use alcaide_inventory::Name;
use alcaide_inventory::declare::{
    Agent, Budget, Declarations, Human, Model, Named, Peer, Policy, Route, Signer, Standing, Tool, Unit,
    Upstream, Workload,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{OfficeError, cut};
use crate::view::{Change, Kind, What};

/// One declared thing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A unit.
    Unit(Named<Unit>),
    /// A person.
    Human(Named<Human>),
    /// An agent.
    Agent(Named<Agent>),
    /// A workload.
    Workload(Named<Workload>),
    /// An upstream.
    Upstream(Named<Upstream>),
    /// A route.
    Route(Named<Route>),
    /// A gate of another house.
    Peer(Named<Peer>),
    /// Somebody who signs models.
    Signer(Named<Signer>),
    /// A model that has to be proven.
    Model(Named<Model>),
    /// Facts about a tool.
    Tool(Tool),
    /// A budget.
    Budget(Named<Budget>),
    /// A Cedar file.
    Policy(Named<Policy>),
}

/// A small change of what is declared.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Add something that is not there.
    Create(Thing),
    /// Put something in the place of what has its name.
    Replace(Thing),
    /// Take something away.
    Remove {
        /// What kind; a secret is removed by an operation of its own.
        kind: Kind,
        /// Its name; `server/tool` for a tool.
        name: String,
    },
}

impl Edit {
    /// The declarations after the edit.
    ///
    /// # Errors
    /// [`OfficeError::Exists`] and [`OfficeError::Unknown`] where the edit does not fit what is there.
    pub fn on(self, mut all: Declarations) -> Result<Declarations, OfficeError> {
        match self {
            Self::Create(thing) => put(&mut all, thing, false)?,
            Self::Replace(thing) => put(&mut all, thing, true)?,
            Self::Remove { kind, name } => remove(&mut all, kind, &name)?,
        }
        Ok(all)
    }
}

trait Keyed {
    fn key(&self) -> String;
}

impl<T> Keyed for Named<T> {
    fn key(&self) -> String {
        self.name.to_string()
    }
}

impl Keyed for Tool {
    fn key(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }
}

fn put(all: &mut Declarations, thing: Thing, replace: bool) -> Result<(), OfficeError> {
    fn into<T: Keyed>(list: &mut Vec<T>, one: T, kind: Kind, replace: bool) -> Result<(), OfficeError> {
        let key = one.key();
        match list.iter_mut().find(|known| known.key() == key) {
            Some(known) if replace => *known = one,
            None if !replace => list.push(one),
            Some(_) => return Err(OfficeError::Exists { what: kind.as_str(), given: cut(&key) }),
            None => return Err(OfficeError::unknown(kind.as_str(), &key)),
        }
        Ok(())
    }
    match thing {
        Thing::Unit(one) => into(&mut all.units, one, Kind::Unit, replace),
        Thing::Human(one) => into(&mut all.humans, one, Kind::Human, replace),
        Thing::Agent(one) => into(&mut all.agents, one, Kind::Agent, replace),
        Thing::Workload(one) => into(&mut all.workloads, one, Kind::Workload, replace),
        Thing::Upstream(one) => into(&mut all.upstreams, one, Kind::Upstream, replace),
        Thing::Route(one) => into(&mut all.routes, one, Kind::Route, replace),
        Thing::Peer(one) => into(&mut all.peers, one, Kind::Peer, replace),
        Thing::Signer(one) => into(&mut all.signers, one, Kind::Signer, replace),
        Thing::Model(one) => into(&mut all.models, one, Kind::Model, replace),
        Thing::Tool(one) => into(&mut all.tools, one, Kind::Tool, replace),
        Thing::Budget(one) => into(&mut all.budgets, one, Kind::Budget, replace),
        Thing::Policy(one) => into(&mut all.policies, one, Kind::Policy, replace),
    }
}

fn remove(all: &mut Declarations, kind: Kind, name: &str) -> Result<(), OfficeError> {
    fn from<T: Keyed>(list: &mut Vec<T>, name: &str) -> bool {
        let before = list.len();
        list.retain(|one| one.key() != name);
        list.len() < before
    }
    let found = match kind {
        Kind::Unit => from(&mut all.units, name),
        Kind::Human => from(&mut all.humans, name),
        Kind::Agent => from(&mut all.agents, name),
        Kind::Workload => from(&mut all.workloads, name),
        Kind::Upstream => from(&mut all.upstreams, name),
        Kind::Route => from(&mut all.routes, name),
        Kind::Peer => from(&mut all.peers, name),
        Kind::Signer => from(&mut all.signers, name),
        Kind::Model => from(&mut all.models, name),
        Kind::Tool => from(&mut all.tools, name),
        Kind::Budget => from(&mut all.budgets, name),
        Kind::Policy => from(&mut all.policies, name),
        Kind::Secret => false,
    };
    if found { Ok(()) } else { Err(OfficeError::unknown(kind.as_str(), &name)) }
}

/// All that differs, in the order of kinds and names. The order of things within a folder does not count.
#[must_use]
pub fn diff(current: &Declarations, wanted: &Declarations) -> Vec<Change> {
    let mut changes = Vec::new();
    kind(&mut changes, Kind::Unit, &current.units, &wanted.units);
    kind(&mut changes, Kind::Human, &current.humans, &wanted.humans);
    kind(&mut changes, Kind::Agent, &current.agents, &wanted.agents);
    kind(&mut changes, Kind::Workload, &current.workloads, &wanted.workloads);
    kind(&mut changes, Kind::Upstream, &current.upstreams, &wanted.upstreams);
    kind(&mut changes, Kind::Route, &current.routes, &wanted.routes);
    kind(&mut changes, Kind::Peer, &current.peers, &wanted.peers);
    kind(&mut changes, Kind::Signer, &current.signers, &wanted.signers);
    kind(&mut changes, Kind::Model, &current.models, &wanted.models);
    kind(&mut changes, Kind::Tool, &current.tools, &wanted.tools);
    kind(&mut changes, Kind::Budget, &current.budgets, &wanted.budgets);
    kind(&mut changes, Kind::Policy, &current.policies, &wanted.policies);
    changes
}

fn kind<T: Keyed + Serialize + PartialEq>(
    changes: &mut Vec<Change>,
    kind: Kind,
    current: &[T],
    wanted: &[T],
) {
    let current: BTreeMap<String, &T> = current.iter().map(|one| (one.key(), one)).collect();
    let wanted: BTreeMap<String, &T> = wanted.iter().map(|one| (one.key(), one)).collect();
    let mut push =
        |name: &str, what| changes.push(Change { kind, name: name.to_owned(), what, because: None });
    for (name, one) in &wanted {
        match current.get(name) {
            None => push(name, What::Added),
            Some(before) if before == one => {}
            Some(before) => push(name, What::Changed { fields: fields(before, one) }),
        }
    }
    for name in current.keys().filter(|name| !wanted.contains_key(*name)) {
        push(name, What::Removed);
    }
}

fn fields(before: &impl Serialize, after: &impl Serialize) -> Vec<String> {
    let object = |value: Result<Value, _>| match value {
        Ok(Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (object(serde_json::to_value(before)), object(serde_json::to_value(after)));
    let mut names: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Quarantines what somebody answered for who answers no more, so that nothing acts without a living owner.
///
/// Only what was declared before with that same owner or sponsor: a new agent of somebody who is gone is a fault.
/// Returns kind, name and reason of each.
pub(crate) fn settle(current: &Declarations, wanted: &mut Declarations) -> Vec<(Kind, Name, String)> {
    let inactive: BTreeMap<Name, &'static str> = wanted
        .humans
        .iter()
        .filter_map(|human| match human.spec.standing {
            Standing::Active => None,
            Standing::Quarantined => Some((human.name.clone(), "is quarantined")),
            Standing::Left => Some((human.name.clone(), "left")),
        })
        .collect();
    let mut told = Vec::new();
    if inactive.is_empty() {
        return told;
    }
    for agent in &mut wanted.agents {
        let Some(before) = current.agents.iter().find(|before| before.name == agent.name) else { continue };
        if agent.spec.standing != Standing::Active {
            continue;
        }
        let keepers = [
            ("owner", Some(&agent.spec.owner), Some(&before.spec.owner)),
            ("sponsor", agent.spec.sponsor.as_ref(), before.spec.sponsor.as_ref()),
        ];
        let why = keepers.into_iter().find_map(|(role, now, then)| {
            let gone = inactive.get(now?)?;
            (now == then).then(|| format!("its {role} `{}` {gone}", now.map_or("", Name::as_str)))
        });
        if let Some(why) = why {
            agent.spec.standing = Standing::Quarantined;
            told.push((Kind::Agent, agent.name.clone(), why));
        }
    }
    for workload in &mut wanted.workloads {
        let same = current
            .workloads
            .iter()
            .any(|before| before.name == workload.name && before.spec.owner == workload.spec.owner);
        if let Some(gone) = inactive.get(&workload.spec.owner)
            && same
            && workload.spec.standing == Standing::Active
        {
            workload.spec.standing = Standing::Quarantined;
            told.push((
                Kind::Workload,
                workload.name.clone(),
                format!("its owner `{}` {gone}", workload.spec.owner),
            ));
        }
    }
    told
}

/// Puts the reasons of [`settle`] beside the changes that they made.
pub(crate) fn explain(changes: &mut [Change], told: &[(Kind, Name, String)]) {
    for change in changes {
        let found = told.iter().find(|(kind, name, _)| *kind == change.kind && name.as_str() == change.name);
        change.because = found.map(|(_, _, why)| format!("quarantined, because {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "schema = 1\n\
        [[unit]]\nname = \"u\"\n\
        [[human]]\nname = \"ana\"\nunit = \"u\"\nroles = [\"administrator\"]\n\
        [[human]]\nname = \"rui\"\nunit = \"u\"\n\
        [[agent]]\nname = \"bot\"\nunit = \"u\"\nowner = \"rui\"\n\
        [[agent]]\nname = \"sponsored\"\nunit = \"u\"\nowner = \"ana\"\nsponsor = \"rui\"\n\
        [[agent]]\nname = \"other\"\nunit = \"u\"\nowner = \"ana\"\n\
        [[workload]]\nname = \"job\"\nunit = \"u\"\nowner = \"rui\"\n";

    fn base() -> Declarations {
        Declarations::from_toml("base.toml", BASE).unwrap()
    }

    fn human_left() -> Declarations {
        let mut wanted = base();
        wanted.humans[1].spec.standing = Standing::Left;
        wanted
    }

    #[test]
    fn nothing_differs_from_itself_in_any_order() {
        let mut turned = base();
        turned.agents.reverse();
        assert_eq!(diff(&base(), &turned), []);
    }

    #[test]
    fn additions_removals_and_fields_are_told() {
        let mut wanted = base();
        wanted.agents.remove(0);
        wanted.agents[0].spec.sponsor = None;
        wanted.agents[0].spec.owner = "rui".parse().unwrap();
        wanted.units.push(Named { name: "v".parse().unwrap(), spec: Unit::default() });
        let told: Vec<_> = diff(&base(), &wanted).into_iter().map(|one| (one.name, one.what)).collect();
        assert_eq!(
            told,
            [
                ("v".into(), What::Added),
                ("sponsored".into(), What::Changed { fields: vec!["owner".into(), "sponsor".into()] }),
                ("bot".into(), What::Removed),
            ]
        );
    }

    #[test]
    fn who_leaves_takes_the_agents_out_of_service() {
        let mut wanted = human_left();
        let told = settle(&base(), &mut wanted);
        assert_eq!(told.len(), 3);
        let mut changes = diff(&base(), &wanted);
        explain(&mut changes, &told);
        let because: Vec<_> =
            changes.iter().filter_map(|one| Some((one.name.as_str(), one.because.as_deref()?))).collect();
        assert_eq!(
            because,
            [
                ("bot", "quarantined, because its owner `rui` left"),
                ("sponsored", "quarantined, because its sponsor `rui` left"),
                ("job", "quarantined, because its owner `rui` left"),
            ]
        );
        assert_eq!(wanted.check(), []);
        // Applied again, the folder that still says `active` changes nothing.
        let after = wanted.clone();
        let mut again = human_left();
        settle(&after, &mut again);
        assert_eq!(diff(&after, &again), []);
    }

    #[test]
    fn a_new_agent_of_somebody_gone_stays_a_fault_and_a_new_owner_saves() {
        let mut wanted = human_left();
        wanted.agents[0].name = "fresh".parse().unwrap();
        settle(&base(), &mut wanted);
        assert!(wanted.check().iter().any(|one| one.place == "agent/fresh"));
        let mut wanted = human_left();
        wanted.agents[0].spec.owner = "ana".parse().unwrap();
        settle(&base(), &mut wanted);
        assert_eq!(wanted.agents[0].spec.standing, Standing::Active);
    }

    #[test]
    fn edits_fit_what_is_there_or_are_refused() {
        let unit = |name: &str| Thing::Unit(Named { name: name.parse().unwrap(), spec: Unit::default() });
        assert_eq!(Edit::Create(unit("v")).on(base()).unwrap().units.len(), 2);
        assert!(matches!(Edit::Create(unit("u")).on(base()), Err(OfficeError::Exists { .. })));
        assert!(matches!(Edit::Replace(unit("v")).on(base()), Err(OfficeError::Unknown { .. })));
        let gone = Edit::Remove { kind: Kind::Agent, name: "bot".into() };
        assert_eq!(gone.clone().on(base()).unwrap().agents.len(), 2);
        assert!(matches!(gone.on(Declarations::empty()), Err(OfficeError::Unknown { .. })));
        let secret = Edit::Remove { kind: Kind::Secret, name: "bot".into() };
        assert!(secret.on(base()).is_err());
    }
}

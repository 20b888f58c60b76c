//! From declarations to a plan and back: names get their ids, ids are kept for ever.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;
use std::str::FromStr;

use alcaide_inventory::declare::{Declarations, Named, SCHEMA_VERSION};
use alcaide_inventory::id::{
    AgentId, BudgetId, HumanId, ModelId, PeerId, PolicyId, RouteId, SecretId, SignerId, ToolId, UnitId,
    UpstreamId, WorkloadId,
};
use alcaide_inventory::plan::{Kind as PlanKind, Placed, PlacedTool, Plan, SealedSecret};
use alcaide_inventory::{Moment, Name, PlanNumber};
use alcaide_seal::Entropy;
use alcaide_seal::random::bits128;
use alcaide_store::Transaction;

use crate::error::OfficeError;
use crate::sql::parsed;
use crate::view::{Fault, Kind};

/// Ids by kind and name, with those that were drawn just now.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    known: BTreeMap<(String, String), String>,
    fresh: Vec<(Kind, String, String)>,
}

impl Ids {
    pub(crate) fn load(tx: &Transaction<'_>) -> Result<Self, OfficeError> {
        let mut statement = tx.prepare("SELECT kind, name, id FROM name_id")?;
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        let known = rows.collect::<Result<_, _>>()?;
        Ok(Self { known, fresh: Vec::new() })
    }

    /// The ids that stand in a plan.
    fn of_plan(plan: &Plan) -> Self {
        let mut known = BTreeMap::new();
        fn add<I: Display, T>(
            known: &mut BTreeMap<(String, String), String>,
            kind: Kind,
            all: &PlanKind<I, T>,
        ) {
            known.extend(
                all.iter().map(|(name, placed)| {
                    ((kind.as_str().to_owned(), name.to_string()), placed.id.to_string())
                }),
            );
        }
        add(&mut known, Kind::Unit, &plan.units);
        add(&mut known, Kind::Human, &plan.humans);
        add(&mut known, Kind::Agent, &plan.agents);
        add(&mut known, Kind::Workload, &plan.workloads);
        add(&mut known, Kind::Upstream, &plan.upstreams);
        add(&mut known, Kind::Route, &plan.routes);
        add(&mut known, Kind::Peer, &plan.peers);
        add(&mut known, Kind::Signer, &plan.signers);
        add(&mut known, Kind::Model, &plan.models);
        add(&mut known, Kind::Budget, &plan.budgets);
        add(&mut known, Kind::Policy, &plan.policies);
        known.extend(plan.tools.iter().map(|tool| {
            let name = format!("{}/{}", tool.spec.server, tool.spec.name);
            ((Kind::Tool.as_str().to_owned(), name), tool.id.to_string())
        }));
        Self { known, fresh: Vec::new() }
    }

    /// Keeps what was drawn; a name that has an id already keeps it.
    pub(crate) fn save(&self, tx: &Transaction<'_>) -> Result<(), OfficeError> {
        let mut insert = tx.prepare("INSERT INTO name_id (kind, name, id) VALUES (?1, ?2, ?3)")?;
        for (kind, name, id) in &self.fresh {
            insert.execute((kind.as_str(), name, id))?;
        }
        Ok(())
    }

    /// Takes over what was drawn for the same change before these were loaded.
    pub(crate) fn adopt(&mut self, other: Self) {
        for (kind, name, id) in other.fresh {
            let key = (kind.as_str().to_owned(), name.clone());
            if let Entry::Vacant(place) = self.known.entry(key) {
                place.insert(id.clone());
                self.fresh.push((kind, name, id));
            }
        }
    }

    /// The id of a name, drawn if it has none yet.
    pub(crate) fn of<I: FromStr<Err: Display> + Display + Copy>(
        &mut self,
        kind: Kind,
        name: &str,
        from_bits: fn(u128) -> I,
        entropy: &dyn Entropy,
    ) -> Result<I, OfficeError> {
        let key = (kind.as_str().to_owned(), name.to_owned());
        if let Some(text) = self.known.get(&key) {
            return parsed("id", text);
        }
        let id = from_bits(bits128(entropy)?);
        self.known.insert(key, id.to_string());
        self.fresh.push((kind, name.to_owned(), id.to_string()));
        Ok(id)
    }
}

/// In which form a tool is accepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accepted {
    /// The pin; none for a quarantined tool.
    pub(crate) pin: Option<String>,
    /// The input schema; of a quarantined tool that of its last form, so that policies keep their types.
    pub(crate) input_schema: Option<String>,
}

/// What a plan is made of, besides declarations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    pub(crate) secrets: PlanKind<SecretId, SealedSecret>,
    pub(crate) accepted: BTreeMap<ToolId, Accepted>,
}

/// The plan of `declared`, which has passed its check.
pub(crate) fn plan_of(
    declared: &Declarations,
    number: PlanNumber,
    made: Moment,
    rest: &Rest,
    ids: &mut Ids,
    entropy: &dyn Entropy,
) -> Result<Plan, OfficeError> {
    let mut tools = Vec::with_capacity(declared.tools.len());
    for spec in &declared.tools {
        let name = format!("{}/{}", spec.server, spec.name);
        let id = ids.of(Kind::Tool, &name, ToolId::from_bits, entropy)?;
        let Accepted { pin, input_schema } = rest.accepted.get(&id).cloned().unwrap_or_default();
        tools.push(PlacedTool { id, spec: spec.clone(), pin, input_schema });
    }
    tools.sort_by(|a, b| (&a.spec.server, &a.spec.name).cmp(&(&b.spec.server, &b.spec.name)));
    Ok(Plan {
        number,
        made,
        units: placed(&declared.units, Kind::Unit, UnitId::from_bits, ids, entropy)?,
        humans: placed(&declared.humans, Kind::Human, HumanId::from_bits, ids, entropy)?,
        agents: placed(&declared.agents, Kind::Agent, AgentId::from_bits, ids, entropy)?,
        workloads: placed(&declared.workloads, Kind::Workload, WorkloadId::from_bits, ids, entropy)?,
        upstreams: placed(&declared.upstreams, Kind::Upstream, UpstreamId::from_bits, ids, entropy)?,
        routes: placed(&declared.routes, Kind::Route, RouteId::from_bits, ids, entropy)?,
        peers: placed(&declared.peers, Kind::Peer, PeerId::from_bits, ids, entropy)?,
        signers: placed(&declared.signers, Kind::Signer, SignerId::from_bits, ids, entropy)?,
        models: placed(&declared.models, Kind::Model, ModelId::from_bits, ids, entropy)?,
        tools,
        budgets: placed(&declared.budgets, Kind::Budget, BudgetId::from_bits, ids, entropy)?,
        policies: placed(&declared.policies, Kind::Policy, PolicyId::from_bits, ids, entropy)?,
        secrets: rest.secrets.clone(),
    })
}

/// The plan that declarations make away from an office: to be looked at, never to be served.
///
/// Ids and accepted tools are those of `base`, which may be [`Plan::default`]; what `base` does not know gets ids of its
/// own. There are no secrets in it. Policies are not compiled.
///
/// # Errors
/// [`OfficeError::Faults`] if the declarations break rules; [`OfficeError`] if ids cannot be drawn.
pub fn plan_apart(
    base: &Plan,
    mut declared: Declarations,
    entropy: &dyn Entropy,
) -> Result<Plan, OfficeError> {
    crate::change::settle(&declarations_of(base), &mut declared);
    let faults: Vec<Fault> = declared.check().into_iter().map(crate::plans::broken).collect();
    if !faults.is_empty() {
        return Err(OfficeError::Faults { faults });
    }
    let mut rest = Rest::default();
    for tool in &base.tools {
        let accepted = Accepted { pin: tool.pin.clone(), input_schema: tool.input_schema.clone() };
        rest.accepted.insert(tool.id, accepted);
    }
    plan_of(&declared, base.number, base.made, &rest, &mut Ids::of_plan(base), entropy)
}

fn placed<I: FromStr<Err: Display> + Display + Copy, T: Clone>(
    named: &[Named<T>],
    kind: Kind,
    from_bits: fn(u128) -> I,
    ids: &mut Ids,
    entropy: &dyn Entropy,
) -> Result<PlanKind<I, T>, OfficeError> {
    let mut all = PlanKind::new();
    for Named { name, spec } in named {
        let id = ids.of(kind, name.as_str(), from_bits, entropy)?;
        all.insert(name.clone(), Placed { id, spec: spec.clone() });
    }
    Ok(all)
}

/// What the plan was declared as, things in the order of their names.
pub(crate) fn declarations_of(plan: &Plan) -> Declarations {
    Declarations {
        schema: SCHEMA_VERSION,
        units: named(&plan.units),
        humans: named(&plan.humans),
        agents: named(&plan.agents),
        workloads: named(&plan.workloads),
        upstreams: named(&plan.upstreams),
        routes: named(&plan.routes),
        peers: named(&plan.peers),
        signers: named(&plan.signers),
        models: named(&plan.models),
        tools: plan.tools.iter().map(|tool| tool.spec.clone()).collect(),
        budgets: named(&plan.budgets),
        policies: named(&plan.policies),
    }
}

fn named<I, T: Clone>(all: &PlanKind<I, T>) -> Vec<Named<T>> {
    all.iter().map(|(name, placed)| Named { name: name.clone(), spec: placed.spec.clone() }).collect()
}

/// The name of the thing with this id.
pub(crate) fn name_in<I: PartialEq, T>(all: &PlanKind<I, T>, id: &I) -> Option<Name> {
    all.iter().find(|(_, placed)| placed.id == *id).map(|(name, _)| name.clone())
}

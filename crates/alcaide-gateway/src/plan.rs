//! The plan as the gate runs on it: look-ups by id and name, policies compiled, upstreams resolved.
//!
//! Compiled whole, swapped whole. Nothing here is looked up by name again while a call passes, but the names that
//! callers give: models, tool servers, services.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use alcaide_inspect::Engine;
use alcaide_inspect::normal::exact;
use alcaide_inventory::declare::{
    Binding, BudgetOver, BudgetUnit, DpopRule, Operation, Period, Price, Protocol, Route, Standing, UserTurns,
};
use alcaide_inventory::fact::Effect;
use alcaide_inventory::id::{BudgetId, HumanId, RouteId, ToolId, UnitId};
use alcaide_inventory::{Actor, Name, Plan, PlanNumber};
use alcaide_policy::{Compiled, PolicyFault};
use alcaide_record::Digest;
use alcaide_seal::digest::{HmacKey, sha256};

use crate::broker::Broker;
use crate::labels::Peers;
use crate::mcp::plan::{ServerPlan, Union, servers};
use crate::proof::Served;
use crate::upstream::UpstreamPlan;

/// Output tokens set aside for a call that states no maximum on a route that declares none.
pub const MAX_OUTPUT_TOKENS: u64 = 4_096;
/// Longest wait for an upstream's first byte where nothing is declared.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest silence within an answer where nothing is declared: models think for minutes.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// The gate cannot run on a plan; it keeps the one it has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFault {
    /// Policies do not compile.
    #[error("the policies of plan {plan} do not compile: {why}")]
    Policies {
        /// The plan.
        plan: PlanNumber,
        /// The first fault.
        why: String,
        /// All faults.
        faults: Vec<PolicyFault>,
    },
    /// A base URL cannot be used.
    #[error("upstream `{upstream}` has a base URL that cannot be used: {why}")]
    Upstream {
        /// The upstream.
        upstream: Name,
        /// What is wrong.
        why: String,
    },
    /// A peer's keys or trust domain cannot be used.
    #[error("peer `{peer}` cannot be used: {why}")]
    Peer {
        /// The peer.
        peer: Name,
        /// What is wrong.
        why: String,
    },
    /// A signer's key or certificate cannot be used.
    #[error("signer `{signer}` cannot be used: {why}")]
    Signer {
        /// The signer.
        signer: Name,
        /// What is wrong.
        why: String,
    },
    /// The plan cannot be written as bytes.
    #[error("plan {plan} cannot be written: {why}")]
    Form {
        /// The plan.
        plan: PlanNumber,
        /// What is wrong.
        why: String,
    },
}

/// A budget that a call may count against.
#[derive(Clone, Debug)]
pub struct BudgetPlan {
    /// Its id.
    pub id: BudgetId,
    /// Its name.
    pub name: Name,
    /// What it counts.
    pub of: BudgetUnit,
    /// How much in one period.
    pub limit: u64,
    /// The period.
    pub per: Period,
}

/// Someone who may come to the gate.
#[derive(Debug)]
pub struct ActorPlan {
    /// The name.
    pub name: Name,
    /// The unit.
    pub unit: UnitId,
    /// Who answers for it.
    pub owner: Option<HumanId>,
    /// Whether it may act.
    pub standing: Standing,
    /// Whether its tokens must be bound to a key.
    pub dpop: DpopRule,
    /// Whether user turns in its calls of models are taken for the user's words.
    pub user_turns: UserTurns,
    /// Budgets over it, its owner and its units.
    pub budgets: Vec<Arc<BudgetPlan>>,
    /// Its calls in flight under this plan.
    pub(crate) in_flight: AtomicUsize,
}

/// One upstream of a model.
#[derive(Clone, Debug)]
pub struct BindingPlan {
    /// The upstream.
    pub upstream: Arc<UpstreamPlan>,
    /// What the model is called there, where that differs.
    pub model: Option<Box<str>>,
}

/// A model that callers may name.
#[derive(Clone, Debug)]
pub struct ModelPlan {
    /// What callers call it.
    pub name: Name,
    /// The route.
    pub route: RouteId,
    /// Keyed commitment of the name, for the record.
    pub commitment: Digest,
    /// Upstreams in the order in which they are tried.
    pub bindings: Vec<BindingPlan>,
    /// What tokens cost.
    pub price: Price,
    /// Output tokens set aside for a call that states no maximum.
    pub max_output_tokens: u64,
    /// Budgets over the model.
    pub budgets: Vec<Arc<BudgetPlan>>,
}

/// One operation of a service.
#[derive(Clone, Debug)]
pub struct OperationPlan {
    /// Its name.
    pub name: Name,
    /// HTTP method, upper case.
    pub method: Box<str>,
    /// Segments of its path; `None` for one that is a parameter.
    segments: Vec<Option<Box<str>>>,
    /// What it does.
    pub effect: Effect,
    /// Keyed commitment of `service/operation`, for the record.
    pub commitment: Digest,
}

impl OperationPlan {
    /// For each segment of its path whether it is a parameter. The least of all that fit is the most specific.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = bool> + '_ {
        self.segments.iter().map(Option::is_none)
    }

    /// Whether a path (beginning with `/`, already free of dot segments and encoded separators) is one of the operation's.
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        let mut given = path.trim_start_matches('/').split('/');
        let all = self.segments.iter().all(|wanted| match (wanted, given.next()) {
            (Some(wanted), Some(given)) => **wanted == *given,
            (None, Some(given)) => !given.is_empty(),
            (_, None) => false,
        });
        all && given.next().is_none()
    }
}

/// A plain HTTP API.
#[derive(Clone, Debug)]
pub struct ServicePlan {
    /// What callers call it.
    pub name: Name,
    /// The route.
    pub route: RouteId,
    /// The upstream.
    pub upstream: Arc<UpstreamPlan>,
    /// All that may be called.
    pub operations: Vec<OperationPlan>,
}

/// A whole plan, compiled.
pub struct GatePlan {
    /// Its number.
    pub number: PlanNumber,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its policies.
    pub policies: Compiled,
    actors: HashMap<Actor, Arc<ActorPlan>>,
    models: HashMap<Box<str>, Arc<ModelPlan>>,
    services: HashMap<Box<str>, Arc<ServicePlan>>,
    servers: HashMap<Box<str>, Arc<ServerPlan>>,
    union: Union,
    peers: Peers,
    served: HashMap<RouteId, Served>,
    effects: HashMap<ToolId, Effect>,
    hosts: Vec<Box<str>>,
    engine: Arc<Engine>,
    canaries: bool,
}

impl GatePlan {
    /// Compiles a plan; `packs` are the rules that this program scans models by.
    ///
    /// # Errors
    /// [`PlanFault`] with the first thing that makes the plan unusable.
    pub fn compile(
        plan: &Plan,
        broker: &Broker,
        commitments: &HmacKey,
        packs: Digest,
    ) -> Result<Self, PlanFault> {
        let policies = Compiled::compile(plan).map_err(|faults| PlanFault::Policies {
            plan: plan.number,
            why: faults.first().map_or_else(String::new, ToString::to_string),
            faults,
        })?;
        let bytes = serde_json::to_vec(plan)
            .map_err(|error| PlanFault::Form { plan: plan.number, why: error.to_string() })?;
        let mut upstreams = HashMap::new();
        for (name, placed) in &plan.upstreams {
            let made = UpstreamPlan::of(name, placed.id, &placed.spec, plan, broker)?;
            upstreams.insert(name.clone(), Arc::new(made));
        }
        let budgets = Budgets::of(plan);
        let commit = |name: &str| Digest(*commitments.mac(name.as_bytes()).as_bytes());
        let services = services(plan, &upstreams, &commit);
        let peers = Peers::of(plan)?;
        let servers = servers(plan, &upstreams, &peers);
        let mut models = HashMap::new();
        for (name, placed) in &plan.routes {
            let Route::Model(model) = &placed.spec else { continue };
            let binding = |binding: &Binding| {
                upstreams.get(&binding.upstream).map(|upstream| BindingPlan {
                    upstream: Arc::clone(upstream),
                    model: binding.model.as_deref().filter(|called| *called != name.as_str()).map(Into::into),
                })
            };
            models.insert(
                name.as_str().into(),
                Arc::new(ModelPlan {
                    name: name.clone(),
                    route: placed.id,
                    commitment: commit(name.as_str()),
                    bindings: model.upstreams.iter().filter_map(binding).collect(),
                    price: model.price.unwrap_or_default(),
                    max_output_tokens: model.max_output_tokens.unwrap_or(MAX_OUTPUT_TOKENS),
                    budgets: budgets.over_model(name),
                }),
            );
        }
        let mut hosts: Vec<Box<str>> = plan
            .tools
            .iter()
            .flat_map(|tool| &tool.spec.facts.hosts)
            .map(|host| exact(host).into_boxed_str())
            .chain(
                upstreams
                    .values()
                    .filter_map(|upstream| upstream.host())
                    .map(|host| exact(host).into_boxed_str()),
            )
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        Ok(Self {
            canaries: plan.tools.iter().any(|tool| tool.spec.facts.canary),
            engine: Arc::new(Engine::with_hosts(hosts.clone())),
            hosts,
            number: plan.number,
            digest: Digest(*sha256(&bytes).as_bytes()),
            policies,
            actors: actors(plan, &budgets),
            models,
            services,
            union: Union::of(&servers),
            peers,
            served: Served::of(plan, packs)?,
            effects: servers.values().flat_map(|server| server.effects()).collect(),
            servers,
        })
    }

    /// The declared model that a route serves, if it says so.
    pub(crate) fn served(&self, route: RouteId) -> Option<&Served> {
        self.served.get(&route)
    }

    /// Other gates whose word counts for something.
    pub(crate) const fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Whether some tool's answers carry marks of their tasks.
    pub(crate) const fn plants_canaries(&self) -> bool {
        self.canaries
    }

    /// What texts are looked at with.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine)
    }

    /// The hosts that owners named, in exact form: of upstreams, and those that tools reach.
    #[must_use]
    pub fn hosts(&self) -> &[Box<str>] {
        &self.hosts
    }

    /// Who an actor is, if the plan knows it.
    #[must_use]
    pub fn actor(&self, actor: Actor) -> Option<&Arc<ActorPlan>> {
        self.actors.get(&actor)
    }

    /// The model of this name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Arc<ModelPlan>> {
        self.models.get(name)
    }

    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Arc<ServicePlan>> {
        self.services.get(name)
    }

    /// What an operation of a service does.
    #[must_use]
    pub fn effect_of(&self, service: RouteId, operation: &str) -> Option<Effect> {
        let service = self.services.values().find(|known| known.route == service)?;
        service.operations.iter().find(|known| known.name.as_str() == operation).map(|known| known.effect)
    }

    /// What a declared tool does.
    #[must_use]
    pub fn effect_of_tool(&self, tool: ToolId) -> Option<Effect> {
        self.effects.get(&tool).copied()
    }

    /// The tool server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Arc<ServerPlan>> {
        self.servers.get(name)
    }

    /// The tools of all servers under one name each.
    #[must_use]
    pub const fn union(&self) -> &Union {
        &self.union
    }

    /// All tool servers, in no order.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<ServerPlan>> {
        self.servers.values()
    }

    /// All models, in no order.
    pub fn models(&self) -> impl Iterator<Item = &Arc<ModelPlan>> {
        self.models.values()
    }
}

impl ModelPlan {
    /// The upstreams that speak `protocol`, in the order in which they are tried.
    pub fn speaking(&self, protocol: Protocol) -> impl Iterator<Item = &BindingPlan> {
        self.bindings.iter().filter(move |binding| binding.upstream.protocol == protocol)
    }
}

type Upstreams = HashMap<Name, Arc<UpstreamPlan>>;

fn services(
    plan: &Plan,
    upstreams: &Upstreams,
    commit: &impl Fn(&str) -> Digest,
) -> HashMap<Box<str>, Arc<ServicePlan>> {
    let mut services = HashMap::new();
    for (name, placed) in &plan.routes {
        let Route::Service(service) = &placed.spec else { continue };
        let Some(upstream) = upstreams.get(&service.upstream) else { continue };
        let operation = |declared: &Operation| OperationPlan {
            name: declared.name.clone(),
            method: declared.method.as_str().into(),
            segments: declared
                .path
                .trim_start_matches('/')
                .split('/')
                .map(|segment| if segment.starts_with('{') { None } else { Some(segment.into()) })
                .collect(),
            effect: declared.effect,
            commitment: commit(&format!("{name}/{}", declared.name)),
        };
        let made = ServicePlan {
            name: name.clone(),
            route: placed.id,
            upstream: Arc::clone(upstream),
            operations: service.operations.iter().map(operation).collect(),
        };
        services.insert(name.as_str().into(), Arc::new(made));
    }
    services
}

fn actors(plan: &Plan, budgets: &Budgets) -> HashMap<Actor, Arc<ActorPlan>> {
    let human = |name: &Name| plan.humans.get(name).map(|placed| placed.id);
    let unit = |name: &Name| plan.units.get(name).map_or(UnitId::from_bits(0), |placed| placed.id);
    let mut actors = HashMap::new();
    for (name, placed) in &plan.agents {
        let agent = &placed.spec;
        let mut over = budgets.over_agent(name);
        over.extend(budgets.over_owner(&agent.owner));
        over.extend(budgets.over_unit(plan, &agent.unit));
        actors.insert(
            Actor::Agent(placed.id),
            Arc::new(ActorPlan {
                name: name.clone(),
                unit: unit(&agent.unit),
                owner: human(&agent.owner),
                standing: agent.standing,
                dpop: agent.dpop,
                user_turns: agent.user_turns,
                budgets: over,
                in_flight: AtomicUsize::new(0),
            }),
        );
    }
    for (name, placed) in &plan.workloads {
        let workload = &placed.spec;
        let mut over = budgets.over_owner(&workload.owner);
        over.extend(budgets.over_unit(plan, &workload.unit));
        actors.insert(
            Actor::Workload(placed.id),
            Arc::new(ActorPlan {
                name: name.clone(),
                unit: unit(&workload.unit),
                owner: human(&workload.owner),
                standing: workload.standing,
                dpop: DpopRule::Accepted,
                user_turns: UserTurns::Untrusted,
                budgets: over,
                in_flight: AtomicUsize::new(0),
            }),
        );
    }
    for (name, placed) in &plan.humans {
        actors.insert(
            Actor::Human(placed.id),
            Arc::new(ActorPlan {
                name: name.clone(),
                unit: unit(&placed.spec.unit),
                owner: None,
                standing: placed.spec.standing,
                dpop: DpopRule::Accepted,
                user_turns: UserTurns::Untrusted,
                budgets: budgets.over_unit(plan, &placed.spec.unit),
                in_flight: AtomicUsize::new(0),
            }),
        );
    }
    actors
}

/// Budgets by what they are over.
struct Budgets {
    agents: HashMap<Name, Vec<Arc<BudgetPlan>>>,
    owners: HashMap<Name, Vec<Arc<BudgetPlan>>>,
    units: HashMap<Name, Vec<Arc<BudgetPlan>>>,
    models: HashMap<Name, Vec<Arc<BudgetPlan>>>,
}

impl Budgets {
    fn of(plan: &Plan) -> Self {
        let mut sorted = Self {
            agents: HashMap::new(),
            owners: HashMap::new(),
            units: HashMap::new(),
            models: HashMap::new(),
        };
        for (name, placed) in &plan.budgets {
            let budget = Arc::new(BudgetPlan {
                id: placed.id,
                name: name.clone(),
                of: placed.spec.of,
                limit: placed.spec.limit,
                per: placed.spec.per,
            });
            let (kind, over) = match &placed.spec.over {
                BudgetOver::Agent(over) => (&mut sorted.agents, over),
                BudgetOver::Owner(over) => (&mut sorted.owners, over),
                BudgetOver::Unit(over) => (&mut sorted.units, over),
                BudgetOver::Model(over) => (&mut sorted.models, over),
            };
            kind.entry(over.clone()).or_default().push(budget);
        }
        sorted
    }

    fn over_agent(&self, name: &Name) -> Vec<Arc<BudgetPlan>> {
        self.agents.get(name).cloned().unwrap_or_default()
    }

    fn over_owner(&self, name: &Name) -> Vec<Arc<BudgetPlan>> {
        self.owners.get(name).cloned().unwrap_or_default()
    }

    fn over_model(&self, name: &Name) -> Vec<Arc<BudgetPlan>> {
        self.models.get(name).cloned().unwrap_or_default()
    }

    /// Budgets over a unit and every unit above it.
    fn over_unit(&self, plan: &Plan, name: &Name) -> Vec<Arc<BudgetPlan>> {
        let mut over = Vec::new();
        let mut next = Some(name);
        // A chain of units is at most as long as there are units; declarations are checked against cycles.
        for _ in 0..=plan.units.len() {
            let Some(unit) = next else { break };
            over.extend(self.units.get(unit).cloned().unwrap_or_default());
            next = plan.units.get(unit).and_then(|placed| placed.spec.parent.as_ref());
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fits_whole_segments_only() {
        let operation = OperationPlan {
            name: "read".parse().unwrap(),
            method: "GET".into(),
            segments: vec![Some("invoices".into()), None],
            effect: Effect::Read,
            commitment: Digest::default(),
        };
        assert!(operation.fits("/invoices/17"));
        for other in ["/invoices", "/invoices/", "/invoices/1/2", "/invoice/1", "/", "/x/invoices/1"] {
            assert!(!operation.fits(other), "{other}");
        }
    }
}

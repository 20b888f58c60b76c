//! The plan as Cedar entities: resident, made once per plan; and what the engine itself must know of them.
//!
//! Ids of entities are the inventory's typed ids, so that a thing keeps its policies when it is renamed; its name is
//! an attribute. An operation's id is `ROUTE/OPERATION`. Things that no plan lists (methods, prompts, documents,
//! hosted tools, peers, undeclared tools) become entities when they are asked about.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use alcaide_inventory::declare::{Role, Route, Standing};
use alcaide_inventory::fact::Facts;
use alcaide_inventory::{Actor, AgentId, HumanId, Name, Plan, RouteId, ToolId};
use cedar_policy_core::ast::{Eid, Entity, EntityType, EntityUID, Literal, PartialValue, Value};
use cedar_policy_core::entities::{Entities, TCComputation};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::CoreSchema;

use crate::args::{ArgType, typed};
use crate::ask::{Action, Resource};
use crate::fault::Notice;

/// Entity types of the schema.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    unit: EntityType,
    human: EntityType,
    agent: EntityType,
    workload: EntityType,
    model: EntityType,
    server: EntityType,
    tool: EntityType,
    service: EntityType,
    operation: EntityType,
    hosted: EntityType,
    method: EntityType,
    prompt: EntityType,
    document: EntityType,
    peer: EntityType,
    action: EntityType,
}

impl Types {
    fn new() -> Result<Self, String> {
        let read = |name: &str| {
            EntityType::from_normalized_str(&format!("Alcaide::{name}")).map_err(|error| error.to_string())
        };
        Ok(Self {
            unit: read("Unit")?,
            human: read("Human")?,
            agent: read("Agent")?,
            workload: read("Workload")?,
            model: read("Model")?,
            server: read("Server")?,
            tool: read("Tool")?,
            service: read("Service")?,
            operation: read("ApiOperation")?,
            hosted: read("HostedTool")?,
            method: read("Method")?,
            prompt: read("Prompt")?,
            document: read("Resource")?,
            peer: read("Peer")?,
            action: read("Action")?,
        })
    }
}

/// What the engine knows of somebody who can act.
#[derive(Clone, Debug)]
pub(crate) struct ActorFacts {
    pub(crate) uid: Arc<EntityUID>,
    /// Kind and name, such as ``agent `invoice-bot` ``.
    pub(crate) label: String,
    pub(crate) name: Name,
    pub(crate) active: bool,
    pub(crate) owner: Option<HumanId>,
    pub(crate) sponsor: Option<HumanId>,
    pub(crate) roles: Vec<Role>,
}

/// What the engine knows of a declared tool.
#[derive(Clone, Debug)]
pub(crate) struct ToolFacts {
    pub(crate) uid: Arc<EntityUID>,
    pub(crate) action: Arc<EntityUID>,
    pub(crate) server: Name,
    pub(crate) name: String,
    pub(crate) args: Option<ArgType>,
}

/// What kind of route it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RouteKind {
    Model,
    Server,
    Service,
}

/// What the engine knows of a route.
#[derive(Clone, Debug)]
pub(crate) struct RouteFacts {
    pub(crate) uid: Arc<EntityUID>,
    pub(crate) name: Name,
    pub(crate) kind: RouteKind,
    pub(crate) operations: HashMap<Name, Arc<EntityUID>>,
}

/// A resource in the form that an evaluation needs.
pub(crate) struct Placed {
    pub(crate) uid: Arc<EntityUID>,
    /// The entity itself where the plan does not hold it, and what it hangs on.
    pub(crate) guest: Option<(Entity, Option<Arc<EntityUID>>)>,
    /// Kind and name, for reasons.
    pub(crate) label: String,
}

/// All entities of one plan.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) types: Types,
    pub(crate) entities: Entities,
    pub(crate) resident: HashMap<EntityUID, Arc<Entity>>,
    pub(crate) actors: HashMap<Actor, ActorFacts>,
    pub(crate) routes: HashMap<RouteId, RouteFacts>,
    pub(crate) tools: HashMap<ToolId, ToolFacts>,
    pub(crate) actions: HashMap<Action, Arc<EntityUID>>,
    pub(crate) undeclared_action: Arc<EntityUID>,
    pub(crate) notices: Vec<Notice>,
}

impl House {
    /// Makes the entities; the text says which reference of the plan leads nowhere.
    pub(crate) fn new(plan: &Plan) -> Result<Self, String> {
        let types = Types::new()?;
        let uid = |kind: &EntityType, id: &str| {
            Arc::new(EntityUID::from_components(kind.clone(), Eid::new(id), None))
        };
        let action = |name: &str| uid(&types.action, name);
        let mut house = Self {
            entities: Entities::new(),
            resident: HashMap::new(),
            actors: HashMap::new(),
            routes: HashMap::new(),
            tools: HashMap::new(),
            actions: Action::ALL.into_iter().map(|one| (one, action(one.as_str()))).collect(),
            undeclared_action: action("/undeclared"),
            notices: Vec::new(),
            types,
        };
        let mut all = Vec::new();
        house.units(plan, &mut all)?;
        house.routes(plan, &mut all);
        house.people(plan, &mut all)?;
        house.tools(plan, &mut all)?;
        house.actions(&mut all);
        let made = Entities::from_entities(
            all,
            None::<&CoreSchema<'_>>,
            TCComputation::ComputeNow,
            Extensions::all_available(),
        )
        .map_err(|error| error.to_string())?;
        house.resident = made.iter().map(|entity| (entity.uid().clone(), Arc::new(entity.clone()))).collect();
        house.entities = made;
        Ok(house)
    }

    pub(crate) fn uid(&self, kind: &EntityType, id: &str) -> Arc<EntityUID> {
        Arc::new(EntityUID::from_components(kind.clone(), Eid::new(id), None))
    }

    pub(crate) fn human_uid(&self, id: HumanId) -> Arc<EntityUID> {
        match self.actors.get(&Actor::Human(id)) {
            Some(facts) => Arc::clone(&facts.uid),
            None => self.uid(&self.types.human, &id.to_string()),
        }
    }

    pub(crate) fn agent_uid(&self, id: AgentId) -> Arc<EntityUID> {
        match self.actors.get(&Actor::Agent(id)) {
            Some(facts) => Arc::clone(&facts.uid),
            None => self.uid(&self.types.agent, &id.to_string()),
        }
    }

    fn units(&self, plan: &Plan, all: &mut Vec<Entity>) -> Result<(), String> {
        for (name, unit) in &plan.units {
            let parents = match &unit.spec.parent {
                None => HashSet::new(),
                Some(parent) => {
                    let found = plan.units.get(parent).ok_or_else(|| lost("unit", name, "unit", parent))?;
                    HashSet::from([(*self.uid(&self.types.unit, &found.id.to_string())).clone()])
                }
            };
            let uid = self.uid(&self.types.unit, &unit.id.to_string());
            all.push(entity(&uid, [("name", text(name.as_str()))], parents));
        }
        Ok(())
    }

    fn routes(&mut self, plan: &Plan, all: &mut Vec<Entity>) {
        for (name, route) in &plan.routes {
            let id = route.id.to_string();
            let mut operations = HashMap::new();
            let (kind, uid) = match &route.spec {
                Route::Model(model) => {
                    let uid = self.uid(&self.types.model, &id);
                    let upstreams =
                        set(model.upstreams.iter().map(|one| Literal::from(one.upstream.as_str())));
                    let served = model.serves.as_ref().and_then(|serves| plan.models.get(serves));
                    let requires = served.map(|one| one.spec.requires.as_slice()).unwrap_or_default();
                    let requires = set(requires.iter().map(|proof| Literal::from(proof.as_str())));
                    all.push(entity(
                        &uid,
                        [
                            ("name", text(name.as_str())),
                            ("upstreams", upstreams),
                            ("registered", Value::from(model.serves.is_some())),
                            ("requires", requires),
                        ],
                        HashSet::new(),
                    ));
                    (RouteKind::Model, uid)
                }
                Route::Mcp(_) => {
                    let uid = self.uid(&self.types.server, &id);
                    all.push(entity(&uid, [("name", text(name.as_str()))], HashSet::new()));
                    (RouteKind::Server, uid)
                }
                Route::Service(service) => {
                    let uid = self.uid(&self.types.service, &id);
                    all.push(entity(&uid, [("name", text(name.as_str()))], HashSet::new()));
                    for operation in &service.operations {
                        let own = self.uid(&self.types.operation, &format!("{id}/{}", operation.name));
                        let attrs = [
                            ("name", text(operation.name.as_str())),
                            ("service", link(&uid)),
                            ("effect", text(operation.effect.as_str())),
                            ("consequential", Value::from(operation.effect.is_consequential())),
                            ("method", text(&operation.method)),
                        ];
                        all.push(entity(&own, attrs, HashSet::from([(*uid).clone()])));
                        operations.insert(operation.name.clone(), own);
                    }
                    (RouteKind::Service, uid)
                }
            };
            self.routes.insert(route.id, RouteFacts { uid, name: name.clone(), kind, operations });
        }
    }

    fn people(&mut self, plan: &Plan, all: &mut Vec<Entity>) -> Result<(), String> {
        let unit = |kind: &str, name: &Name, unit: &Name| {
            let found = plan.units.get(unit).ok_or_else(|| lost(kind, name, "unit", unit))?;
            Ok::<_, String>(HashSet::from([(*self.uid(&self.types.unit, &found.id.to_string())).clone()]))
        };
        let human = |kind: &str, name: &Name, human: &Name| {
            plan.humans.get(human).map(|found| found.id).ok_or_else(|| lost(kind, name, "human", human))
        };
        let mut actors = HashMap::new();
        for (name, one) in &plan.humans {
            let uid = self.uid(&self.types.human, &one.id.to_string());
            let attrs = [
                ("name", text(name.as_str())),
                ("roles", set(one.spec.roles.iter().map(|role| Literal::from(role.as_str())))),
                ("standing", text(standing(one.spec.standing))),
            ];
            all.push(entity(&uid, attrs, unit("human", name, &one.spec.unit)?));
            let facts = ActorFacts {
                uid,
                label: format!("human `{name}`"),
                name: name.clone(),
                active: one.spec.standing == Standing::Active,
                owner: None,
                sponsor: None,
                roles: one.spec.roles.clone(),
            };
            actors.insert(Actor::Human(one.id), facts);
        }
        for (name, one) in &plan.agents {
            let owner = human("agent", name, &one.spec.owner)?;
            let sponsor =
                one.spec.sponsor.as_ref().map_or(Ok(owner), |sponsor| human("agent", name, sponsor))?;
            let uid = self.uid(&self.types.agent, &one.id.to_string());
            let attrs = [
                ("name", text(name.as_str())),
                ("owner", link(&self.uid(&self.types.human, &owner.to_string()))),
                ("sponsor", link(&self.uid(&self.types.human, &sponsor.to_string()))),
                ("standing", text(standing(one.spec.standing))),
                ("servers", self.servers(&one.spec.may)),
            ];
            all.push(entity(&uid, attrs, unit("agent", name, &one.spec.unit)?));
            let facts = ActorFacts {
                uid,
                label: format!("agent `{name}`"),
                name: name.clone(),
                active: one.spec.standing == Standing::Active,
                owner: Some(owner),
                sponsor: Some(sponsor),
                roles: Vec::new(),
            };
            actors.insert(Actor::Agent(one.id), facts);
        }
        for (name, one) in &plan.workloads {
            let owner = human("workload", name, &one.spec.owner)?;
            let uid = self.uid(&self.types.workload, &one.id.to_string());
            let attrs = [
                ("name", text(name.as_str())),
                ("owner", link(&self.uid(&self.types.human, &owner.to_string()))),
                ("standing", text(standing(one.spec.standing))),
                ("servers", self.servers(&one.spec.may)),
            ];
            all.push(entity(&uid, attrs, unit("workload", name, &one.spec.unit)?));
            let facts = ActorFacts {
                uid,
                label: format!("workload `{name}`"),
                name: name.clone(),
                active: one.spec.standing == Standing::Active,
                owner: Some(owner),
                sponsor: None,
                roles: Vec::new(),
            };
            actors.insert(Actor::Workload(one.id), facts);
        }
        self.actors = actors;
        Ok(())
    }

    /// Servers on which any of the grants gives something.
    fn servers(&self, may: &[alcaide_inventory::declare::Grant]) -> Value {
        use alcaide_inventory::declare::{Grant, Pattern};
        let named = |route: &&RouteFacts| {
            route.kind == RouteKind::Server
                && may.iter().any(|grant| match grant {
                    Grant::Tool(Pattern::Any, _) => true,
                    Grant::Tool(Pattern::Exactly(name), _) => name == route.name.as_str(),
                    _ => false,
                })
        };
        set(self.routes.values().filter(named).map(|route| Literal::from(Arc::clone(&route.uid))))
    }

    fn tools(&mut self, plan: &Plan, all: &mut Vec<Entity>) -> Result<(), String> {
        for tool in &plan.tools {
            let spec = &tool.spec;
            let place = format!("tool/{}/{}", spec.server, spec.name);
            let server = plan
                .routes
                .get(&spec.server)
                .and_then(|route| self.routes.get(&route.id))
                .filter(|route| route.kind == RouteKind::Server)
                .ok_or_else(|| {
                    format!("`{place}` names server `{}`, which the plan does not hold", spec.server)
                })?;
            let uid = self.uid(&self.types.tool, &tool.id.to_string());
            let facts = &spec.facts;
            let attrs = tool_attrs(
                &spec.name,
                &server.uid,
                tool.pin.is_some(),
                set(facts.control.iter().map(|name| Literal::from(name.as_str()))),
                set(facts.free_text.iter().map(|name| Literal::from(name.as_str()))),
                facts,
            );
            all.push(entity(&uid, attrs, HashSet::from([(*server.uid).clone()])));
            let args = self.args_of(&place, tool.input_schema.as_deref());
            let action = self.uid(&self.types.action, &format!("{}/{}", spec.server, spec.name));
            let facts = ToolFacts { uid, action, server: spec.server.clone(), name: spec.name.clone(), args };
            if self.tools.insert(tool.id, facts).is_some() {
                return Err(format!("id `{}` stands for two tools", tool.id));
            }
        }
        Ok(())
    }

    fn args_of(&mut self, place: &str, schema: Option<&str>) -> Option<ArgType> {
        let notice = |text: String| Notice { place: place.to_owned(), text };
        let schema = schema?;
        let Ok(read) = serde_json::from_str::<serde_json::Value>(schema) else {
            self.notices.push(notice("the input schema is not JSON: policies see no `context.args`".into()));
            return None;
        };
        let Some(made) = typed(&read) else {
            self.notices.push(notice("no argument has a Cedar type: policies see no `context.args`".into()));
            return None;
        };
        if !made.left_out.is_empty() {
            let names = made.left_out.join("`, `");
            let cut: String = names.chars().take(200).collect();
            self.notices.push(notice(format!("without a Cedar type, and so not in `context.args`: `{cut}`")));
        }
        Some(made.kind)
    }

    fn actions(&self, all: &mut Vec<Entity>) {
        let none: [(&str, Value); 0] = [];
        all.extend(self.actions.values().map(|uid| entity(uid, none.clone(), HashSet::new())));
        let Some(group) = self.actions.get(&Action::CallTool) else { return };
        let group = || HashSet::from([(**group).clone()]);
        all.push(entity(&self.undeclared_action, none.clone(), group()));
        all.extend(self.tools.values().map(|tool| entity(&tool.action, none.clone(), group())));
    }

    /// The action's entity: for calls of tools it is the tool's own.
    pub(crate) fn action_of(&self, action: Action, resource: &Resource<'_>) -> Option<Arc<EntityUID>> {
        match (action, resource) {
            (Action::CallTool, Resource::Tool(id)) => self.tools.get(id).map(|tool| Arc::clone(&tool.action)),
            (Action::CallTool, _) => Some(Arc::clone(&self.undeclared_action)),
            _ => self.actions.get(&action).map(Arc::clone),
        }
    }

    /// The resource as an entity; `None` if the plan does not hold it or what it hangs on.
    pub(crate) fn place(&self, resource: &Resource<'_>) -> Option<Placed> {
        let server = |id: &RouteId| self.routes.get(id).filter(|route| route.kind == RouteKind::Server);
        let held = |uid: &Arc<EntityUID>, label: String| Placed { uid: Arc::clone(uid), guest: None, label };
        Some(match *resource {
            Resource::Model(id) => {
                let route = self.routes.get(&id).filter(|route| route.kind == RouteKind::Model)?;
                held(&route.uid, format!("model `{}`", route.name))
            }
            Resource::Tool(id) => {
                let tool = self.tools.get(&id)?;
                held(&tool.uid, format!("tool `{}/{}`", tool.server, tool.name))
            }
            Resource::Operation { service, name } => {
                let route = self.routes.get(&service)?;
                held(route.operations.get(name)?, format!("operation `{}/{name}`", route.name))
            }
            Resource::Agent(id) => {
                let facts = self.actors.get(&Actor::Agent(id))?;
                held(&facts.uid, facts.label.clone())
            }
            Resource::UndeclaredTool { server: id, name } => {
                let server = server(&id)?;
                let uid = self.uid(&self.types.tool, &format!("{id}/{name}"));
                let none = || Value::empty_set(None);
                let attrs = tool_attrs(name, &server.uid, false, none(), none(), &Facts::strictest());
                guest(uid, attrs, Some(server), format!("tool `{}/{}`", server.name, cut(name)))
            }
            Resource::Method { server: None, name } => {
                let uid = self.uid(&self.types.method, name);
                guest(uid, [("name", text(name))], None, format!("method `{}`", cut(name)))
            }
            Resource::Method { server: Some(id), name } => {
                let server = server(&id)?;
                let uid = self.uid(&self.types.method, &format!("{id}/{name}"));
                let attrs = [("name", text(name)), ("server", link(&server.uid))];
                guest(uid, attrs, Some(server), format!("method `{}` of server `{}`", cut(name), server.name))
            }
            Resource::Prompt { server: id, name } => {
                let server = server(&id)?;
                let uid = self.uid(&self.types.prompt, &format!("{id}/{name}"));
                let attrs = [("name", text(name)), ("server", link(&server.uid))];
                guest(uid, attrs, Some(server), format!("prompt `{}/{}`", server.name, cut(name)))
            }
            Resource::Document { server: id, uri } => {
                let server = server(&id)?;
                let uid = self.uid(&self.types.document, &format!("{id}/{uri}"));
                let attrs = [("uri", text(uri)), ("server", link(&server.uid))];
                guest(uid, attrs, Some(server), format!("a resource of server `{}`", server.name))
            }
            Resource::Hosted { provider, tool } => {
                let uid = self.uid(&self.types.hosted, &format!("hosted/{provider}/{tool}"));
                let attrs = [("name", text(tool)), ("provider", text(provider))];
                guest(uid, attrs, None, format!("hosted tool `{}/{}`", cut(provider), cut(tool)))
            }
            Resource::Peer(name) => {
                let uid = self.uid(&self.types.peer, name);
                guest(uid, [("name", text(name))], None, format!("peer `{}`", cut(name)))
            }
        })
    }

    /// A store of a guest and all that it, the principal and these literals reach by attributes and ancestors.
    /// Whatever else the plan holds cannot be read from there.
    pub(crate) fn around(
        &self,
        guest: Entity,
        seeds: impl IntoIterator<Item = EntityUID>,
    ) -> Result<Entities, String> {
        let mut open: Vec<EntityUID> = seeds.into_iter().collect();
        let mut seen: HashSet<EntityUID> = HashSet::from([guest.uid().clone()]);
        open.extend(neighbours(&guest));
        let mut all = vec![guest];
        while let Some(next) = open.pop() {
            if !seen.insert(next.clone()) {
                continue;
            }
            if let Some(found) = self.resident.get(&next) {
                open.extend(neighbours(found));
                all.push((**found).clone());
            }
        }
        Entities::from_entities(
            all,
            None::<&CoreSchema<'_>>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::all_available(),
        )
        .map_err(|error| error.to_string())
    }
}

/// Everything that an entity refers to.
fn neighbours(entity: &Entity) -> Vec<EntityUID> {
    let mut found: Vec<EntityUID> = entity.ancestors().cloned().collect();
    for (_, value) in entity.attrs() {
        if let PartialValue::Value(value) = value {
            found.extend(value.all_literal_uids());
        }
    }
    found
}

fn guest<const N: usize>(
    uid: Arc<EntityUID>,
    attrs: [(&str, Value); N],
    server: Option<&RouteFacts>,
    label: String,
) -> Placed {
    let parent = server.map(|server| Arc::clone(&server.uid));
    let parents = parent.iter().map(|parent| (**parent).clone()).collect();
    let own = entity(&uid, attrs, parents);
    Placed { uid, guest: Some((own, parent)), label }
}

fn tool_attrs(
    name: &str,
    server: &Arc<EntityUID>,
    pinned: bool,
    control: Value,
    free_text: Value,
    facts: &Facts,
) -> [(&'static str, Value); 10] {
    [
        ("name", text(name)),
        ("server", link(server)),
        ("effect", text(facts.effect.as_str())),
        ("consequential", Value::from(facts.effect.is_consequential())),
        ("pinned", Value::from(pinned)),
        ("control", control),
        ("free_text", free_text),
        ("clearance", Value::from(i64::from(facts.clearance.rank()))),
        ("audience", text(facts.audience.as_str())),
        ("fetch", Value::from(facts.fetch)),
    ]
}

fn entity<const N: usize>(uid: &EntityUID, attrs: [(&str, Value); N], parents: HashSet<EntityUID>) -> Entity {
    let attrs = attrs.into_iter().map(|(name, value)| (name.into(), PartialValue::Value(value)));
    Entity::new_with_attr_partial_value(uid.clone(), attrs, HashSet::new(), parents, [])
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn link(uid: &Arc<EntityUID>) -> Value {
    Value::from(Literal::from(Arc::clone(uid)))
}

fn set(items: impl IntoIterator<Item = Literal>) -> Value {
    Value::set_of_lits(items, None)
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Quarantined => "quarantined",
        Standing::Left => "left",
    }
}

fn lost(kind: &str, name: &Name, other: &str, missing: &Name) -> String {
    format!("{kind} `{name}` names {other} `{missing}`, which the plan does not hold")
}

fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect()
}

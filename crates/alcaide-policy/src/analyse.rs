//! Properties of a whole policy set: proved for every call that there can be, or shown false by one.
//!
//! ```text
//! Compiled ── the statutes that bind ── allowed: a policy set ──┐
//! Property ── a `forbid` turned round ── wanted: a policy set ──┼─ SMT script ── Solve ── unsat: proved
//! world    ── what holds of every call ─────────────────────────┘                     └─ model: a call, decided again
//! ```
//!
//! A property is a policy of the common language, a `forbid`, and it claims that the policy set is at least as strict:
//! with `@ask` that no such call is let through without an approval, without `@ask` that none is let through at all.
//!
//! **How approvals are put.** The gate lets a call through when no `forbid` without `@ask` matches, each `forbid` with
//! `@ask` that matches has its approvals, and a `permit` matches that either has no `@ask` or has its approvals.
//! - *Without an approval* no `@ask` is met. So every `forbid` counts as it stands, a `permit` with `@ask` counts as
//!   not there, and `context.approved_by` and `context.approved_roles` are empty. This is exact.
//! - *At all*: any `@ask` may be met. So a `forbid` with `@ask` counts as not there, every `permit` counts, and
//!   approvals are free. This allows at least what the gate may.
//!
//! Policies in shadow bind nobody and are left out; of those in shadow for some, a `forbid` is left out and a `permit`
//! counts. What cannot be evaluated counts, in a `forbid`, as matching at the
//! gate and as not matching here: what is proved here holds there.
//!
//! **For whom.** First callers, tools and their attributes are free, within what [`WORLD`] says of every call: what is
//! proved so holds whatever is declared later, as long as the policies stand. Where that fails, callers and resources
//! are those of the plan. Only a call that exists in this second sense is a counterexample, and it is decided again by
//! Cedar's own authorizer before it is shown.
//!
//! Sources: Cutler et al., "Cedar: a new language for expressive, fast, safe, and analyzable authorization" (OOPSLA
//! 2024), section 4; SMT-LIB 2.6.

mod query;
mod world;

use std::collections::BTreeMap;

use cedar_policy::{
    Authorizer, Decision, EntityUid, EvalResult, Policy, PolicyId, PolicySet, RequestEnv, Schema,
};
use cedar_policy_core::ast::{Context as CedarContext, EntityUID};
use cedar_policy_symcc::{CompiledPolicySet, Env};

use crate::compile::Compiled;
use crate::expr::Reads;
use crate::fault::{PolicyFault, Rule, one_line};
use crate::schema;
use crate::shade::Shadow;
use crate::slice::is_in;
use crate::source::{ActionScope, Scope, Sources, Statute};
use query::Asked;

/// The properties that are asked of every plan.
const SHIPPED: &str = include_str!("../analysis/properties.cedar");
/// What holds of every call.
const WORLD: &str = include_str!("../analysis/world.cedar");
/// That nobody has approved anything.
const UNAPPROVED: &str = "forbid (principal, action, resource) unless { context.approved_by.isEmpty() && \
     context.approved_roles.isEmpty() };";

/// Answers scripts in the language SMT-LIB 2.6, each by itself.
pub trait Solve {
    /// Whether what the script asserts can hold, and how.
    ///
    /// # Errors
    /// In words, when no answer came: the program failed, or said what nobody understands.
    fn solve(&mut self, script: &str) -> Result<Answer, String>;
}

/// What a solver says to one script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It cannot hold (`unsat`).
    Never,
    /// It can (`sat`), as this model shows.
    Found(String),
    /// Not known within the time (`unknown`).
    Unknown,
}

/// What a property claims of the calls that it is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// None is let through unless somebody approves it.
    Unapproved,
    /// None is let through at all.
    Never,
}

/// Something that a policy set must not let through.
#[derive(Clone, Debug)]
pub struct Property {
    /// Its name: `FILE/ID`.
    pub name: String,
    /// `FILE:LINE`.
    pub place: String,
    /// What it claims.
    pub claim: Claim,
    /// What a call would be that breaks it, where its author says so.
    pub about: Option<String>,
    statute: Statute,
}

/// How one property came out.
#[derive(Clone, Debug)]
#[must_use]
pub struct Finding {
    /// The property's name.
    pub property: String,
    /// What it claims.
    pub claim: Claim,
    /// What a call would be that breaks it.
    pub about: Option<String>,
    /// Kinds of calls, by action and types of caller and resource, that it is about and something permits.
    pub kinds: usize,
    /// Proved or not.
    pub verdict: Proof,
}

/// How far a property is proved.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It holds, whoever and whatever may be declared beside the policies.
    Always,
    /// It holds for the callers and resources of the plan; with others it might not.
    ForPlan {
        /// A call by somebody, or to something, that the plan does not hold.
        but: Box<Counterexample>,
    },
    /// It does not hold: this call is let through.
    Broken(Box<Counterexample>),
    /// Nothing is known for a kind of call.
    Open {
        /// Which kind of call.
        kind: String,
        /// Why.
        why: String,
    },
}

/// A call that a property says is not let through, and that is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counterexample {
    /// Who calls, as Cedar writes it; with its name where the plan holds it.
    pub principal: String,
    /// What is done.
    pub action: String,
    /// To what.
    pub resource: String,
    /// Attributes of the context that a policy of the question reads, as Cedar writes them.
    pub context: BTreeMap<String, String>,
    /// The caller, the resource and what these name: `Type::"id"` to attribute to value.
    pub entities: BTreeMap<String, BTreeMap<String, String>>,
    /// Policies that permit it.
    pub permitted_by: Vec<String>,
}

impl Property {
    /// The properties that are asked of every plan.
    ///
    /// # Errors
    /// Never for the shipped text; the tests read it.
    pub fn shipped() -> Result<Vec<Self>, Vec<PolicyFault>> {
        Self::read("shipped", SHIPPED, &Sources::of_text("shipped", SHIPPED))
    }

    /// The properties of a text, checked against the schema of a plan's tools.
    ///
    /// # Errors
    /// Faults of syntax, types and annotations with their places, as for policies; and each `permit`.
    pub fn of_text(file: &str, text: &str, compiled: &Compiled) -> Result<Vec<Self>, Vec<PolicyFault>> {
        let mut sources = Sources::of_text(file, text);
        if sources.faults.is_empty() {
            sources.faults.extend(schema::validate(&sources, &compiled.house).0);
        }
        Self::read(file, text, &sources)
    }

    fn read(file: &str, text: &str, sources: &Sources) -> Result<Vec<Self>, Vec<PolicyFault>> {
        let mut faults = sources.faults.clone();
        for statute in sources.statutes.iter().filter(|one| one.permits) {
            let line = statute.reference.place.rsplit(':').next().and_then(|line| line.parse().ok());
            faults.push(PolicyFault {
                rule: Rule::Property,
                set: file.chars().take(80).collect(),
                file: file.chars().take(200).collect(),
                line: line.unwrap_or(1),
                column: 1,
                why: "a property says what must not be let through, so it is a `forbid`".into(),
                fix: "write the calls that must never be allowed as a `forbid`; `@ask` for those that need an approval"
                    .into(),
            });
        }
        if sources.statutes.is_empty() && faults.is_empty() {
            faults.push(PolicyFault {
                rule: Rule::Property,
                set: file.chars().take(80).collect(),
                file: file.chars().take(200).collect(),
                line: 1,
                column: 1,
                why: format!("the text of {} bytes holds no property", text.len()),
                fix: "write each property as a `forbid`".into(),
            });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let property = |statute: &Statute| Self {
            name: statute.reference.cedar_id.to_string(),
            place: statute.reference.place.to_string(),
            claim: if statute.notes.ask.is_empty() { Claim::Never } else { Claim::Unapproved },
            about: statute.notes.reason.as_deref().map(Into::into),
            statute: statute.clone(),
        };
        Ok(sources.statutes.iter().map(property).collect())
    }
}

/// A plan's policy set, ready to be asked about.
#[derive(Debug)]
pub struct Analysis<'a> {
    compiled: &'a Compiled,
    schema: Schema,
    /// What both kinds of claims have in common: that of [`WORLD`].
    world: Vec<Policy>,
}

/// A policy set as a claim counts it, for one kind of call.
struct Kind<'a> {
    env: &'a RequestEnv,
    action: EntityUID,
    set: PolicySet,
    allowed: CompiledPolicySet,
    /// What its policies read of the context.
    reads: Reads,
}

impl<'a> Analysis<'a> {
    /// Prepares the policy set of a compiled plan.
    ///
    /// # Errors
    /// In words, when the plan's schema does not hold together.
    pub fn of(compiled: &'a Compiled) -> Result<Self, String> {
        let text = compiled.schema_text();
        let (schema, _) =
            Schema::from_cedarschema_str(&text).map_err(|error| one_line(&error.to_string()))?;
        let world: PolicySet = WORLD.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { compiled, schema, world: world.policies().cloned().collect() })
    }

    /// Proves one property, or finds a call that breaks it.
    pub fn prove(&self, property: &Property, solver: &mut (dyn Solve + Send)) -> Finding {
        let mut finding = Finding {
            property: property.name.clone(),
            claim: property.claim,
            about: property.about.clone(),
            kinds: 0,
            verdict: Proof::Always,
        };
        let mut envs: Vec<RequestEnv> = self.schema.request_envs().collect();
        envs.sort_by_key(label);
        for env in &envs {
            let action: EntityUID = env.action().clone().into();
            if !self.may_match(&property.statute, env, &action) {
                continue;
            }
            let ended = match self.kind(property.claim, env, action) {
                Ok(None) => continue,
                Ok(Some(kind)) => {
                    finding.kinds = finding.kinds.saturating_add(1);
                    self.ask(property, &kind, solver)
                }
                Err(why) => Proof::Open { kind: label(env), why },
            };
            // What is broken ends it; what is open outweighs what holds for the plan alone.
            let graver = rank(&ended) > rank(&finding.verdict);
            if graver {
                finding.verdict = ended;
            }
            if matches!(finding.verdict, Proof::Broken(_)) {
                break;
            }
        }
        finding
    }

    /// The policy set for one kind of call; `None` where nothing permits one.
    fn kind<'e>(
        &self,
        claim: Claim,
        env: &'e RequestEnv,
        action: EntityUID,
    ) -> Result<Option<Kind<'e>>, String> {
        let counts = |statute: &&Statute| {
            let asks = !statute.notes.ask.is_empty();
            // Where it binds some only, a `forbid` counts as not there and a `permit` as there.
            let binds = match &statute.shadow {
                Shadow::Nowhere => true,
                Shadow::Everywhere => false,
                Shadow::Of(_) => statute.permits,
            };
            binds
                && match claim {
                    Claim::Unapproved => !(statute.permits && asks),
                    Claim::Never => statute.permits || !asks,
                }
                && self.may_match(statute, env, &action)
        };
        let chosen: Vec<&Statute> = self.compiled.statutes.iter().filter(counts).collect();
        if !chosen.iter().any(|statute| statute.permits) {
            return Ok(None);
        }
        let reads = chosen.iter().map(|statute| reads(statute)).fold(Reads::NONE, Reads::with);
        let set = PolicySet::from_policies(chosen.into_iter().map(|statute| statute.policy.clone()))
            .map_err(|error| one_line(&error.to_string()))?;
        let allowed = CompiledPolicySet::compile(&set, env, &self.schema)
            .map_err(|error| one_line(&error.to_string()))?;
        Ok(Some(Kind { env, action, set, allowed, reads }))
    }

    fn ask(&self, property: &Property, kind: &Kind<'_>, solver: &mut (dyn Solve + Send)) -> Proof {
        let open = |why: String| Proof::Open { kind: label(kind.env), why };
        let anybody = match self.found(property, kind, None, solver) {
            Ok(None) => return Proof::Always,
            Ok(Some(found)) => found,
            Err(why) => return open(why),
        };
        let principal = kind.env.principal().to_string();
        let resource = kind.env.resource().to_string();
        let Some(facts) = world::facts(&self.compiled.house, &principal, &kind.action, &resource) else {
            return open("the plan holds too many callers and resources to be listed".into());
        };
        match self.found(property, kind, Some(&facts), solver) {
            Ok(None) => Proof::ForPlan { but: Box::new(anybody) },
            Ok(Some(found)) => Proof::Broken(Box::new(found)),
            Err(why) => open(why),
        }
    }

    /// A call that the property is about and the set allows.
    fn found(
        &self,
        property: &Property,
        kind: &Kind<'_>,
        facts: Option<&str>,
        solver: &mut (dyn Solve + Send),
    ) -> Result<Option<Counterexample>, String> {
        let words = |error: &dyn std::fmt::Display| one_line(&error.to_string());
        let mut wanted = vec![turned(&property.statute.policy)?];
        let unapproved = (property.claim == Claim::Unapproved).then_some(UNAPPROVED);
        for text in unapproved.into_iter().chain(facts) {
            wanted.push(Policy::parse(None, text).map_err(|error| words(&error))?);
        }
        wanted.extend(self.world.iter().cloned());
        let wanted = wanted
            .into_iter()
            .enumerate()
            .map(|(at, policy)| policy.new_id(PolicyId::new(format!("wanted{at}"))));
        let wanted = PolicySet::from_policies(wanted).map_err(|error| words(&error))?;
        let compiled =
            CompiledPolicySet::compile(&wanted, kind.env, &self.schema).map_err(|error| words(&error))?;
        match query::disjoint(&kind.allowed, &compiled, solver) {
            Asked::Never => Ok(None),
            Asked::Open(why) => Err(why),
            Asked::Found(env) => {
                let permitted_by = self.confirmed(&env, kind, &wanted)?;
                let read = kind.reads.with(reads(&property.statute));
                Ok(Some(self.shown(&env, read, permitted_by)))
            }
        }
    }

    /// Decides the solver's example again, by Cedar's own authorizer and by the gate's reading of errors.
    fn confirmed(&self, env: &Env, kind: &Kind<'_>, wanted: &PolicySet) -> Result<Vec<String>, String> {
        let authorizer = Authorizer::new();
        let decided = authorizer.is_authorized(&env.request, &kind.set, &env.entities);
        let meant = authorizer.is_authorized(&env.request, wanted, &env.entities);
        let erred = decided.diagnostics().errors().any(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            let id = error.policy_id();
            kind.set.policy(id).is_none_or(|policy| policy.effect() == cedar_policy::Effect::Forbid)
        });
        if decided.decision() == Decision::Allow && meant.decision() == Decision::Allow && !erred {
            let mut by: Vec<String> = decided.diagnostics().reason().map(ToString::to_string).collect();
            by.sort();
            return Ok(by);
        }
        Err("the solver's example is not let through when it is decided again".into())
    }

    /// The call as people read it: what policies read of the context, and the parties with what they name.
    fn shown(&self, env: &Env, read: Reads, permitted_by: Vec<String>) -> Counterexample {
        let named =
            |uid: Option<&EntityUid>| uid.map(|uid| self.named(uid)).unwrap_or_else(|| "anything".into());
        let mut context = BTreeMap::new();
        if let Some(given) = env.request.context()
            && let CedarContext::Value(given) = given.as_ref()
        {
            let is_read = |name: &str| read.has(Reads::of_name(name));
            let read = given.iter().filter(|(name, _)| is_read(name));
            context.extend(read.map(|(name, value)| (name.to_string(), value.to_string())));
        }
        let mut entities = BTreeMap::new();
        let mut open: Vec<EntityUid> =
            [env.request.principal(), env.request.resource()].into_iter().flatten().cloned().collect();
        while let Some(uid) = open.pop() {
            let Some(entity) = env.entities.get(&uid).filter(|_| !entities.contains_key(&uid.to_string()))
            else {
                continue;
            };
            let mut attributes = BTreeMap::new();
            for (name, value) in entity.attrs() {
                let told = match value {
                    Ok(EvalResult::EntityUid(next)) => {
                        open.push(next.clone());
                        next.to_string()
                    }
                    Ok(value) => value.to_string(),
                    Err(_) => "not known".into(),
                };
                attributes.insert(name.to_owned(), told);
            }
            let mut above: Vec<String> =
                env.entities.ancestors(&uid).into_iter().flatten().map(ToString::to_string).collect();
            above.sort();
            if !above.is_empty() {
                attributes.insert("in".into(), above.join(", "));
            }
            entities.insert(uid.to_string(), attributes);
        }
        Counterexample {
            principal: named(env.request.principal()),
            action: named(env.request.action()),
            resource: named(env.request.resource()),
            context,
            entities,
            permitted_by,
        }
    }

    /// An entity, with its name where the plan holds it.
    fn named(&self, uid: &EntityUid) -> String {
        let own: EntityUID = uid.clone().into();
        let house = &self.compiled.house;
        let actor = house.actors.values().find(|one| *one.uid == own).map(|one| one.label.clone());
        let tool = || {
            house
                .tools
                .values()
                .find(|one| *one.uid == own)
                .map(|one| format!("tool `{}/{}`", one.server, one.name))
        };
        let route = || house.routes.values().find(|one| *one.uid == own).map(|one| format!("`{}`", one.name));
        match actor.or_else(tool).or_else(route) {
            Some(name) => format!("{own} ({name})"),
            None => own.to_string(),
        }
    }

    /// Whether the head of a policy leaves this kind of call.
    fn may_match(&self, statute: &Statute, env: &RequestEnv, action: &EntityUID) -> bool {
        let resident = self.compiled.house.resident.get(action).map(|found| &**found);
        let of_action = match &statute.action {
            ActionScope::Any => true,
            ActionScope::Eq(uid) => uid == action,
            ActionScope::In(uids) => uids.iter().any(|uid| is_in(action, resident, uid)),
        };
        let of_type = |scope: &Scope, wanted: String| match scope {
            Scope::Any | Scope::In(_) => true,
            Scope::Eq(uid) => uid.entity_type().to_string() == wanted,
            Scope::Is(kind) | Scope::IsIn(kind, _) => kind.to_string() == wanted,
        };
        of_action
            && of_type(&statute.principal, env.principal().to_string())
            && of_type(&statute.resource, env.resource().to_string())
    }
}

/// What the conditions of a policy read of the context.
fn reads(statute: &Statute) -> Reads {
    statute.conditions.iter().fold(Reads::NONE, |all, part| all.with(part.reads))
}

/// From 0 (always) to 3 (broken).
const fn rank(proof: &Proof) -> u8 {
    match proof {
        Proof::Always => 0,
        Proof::ForPlan { .. } => 1,
        Proof::Open { .. } => 2,
        Proof::Broken(_) => 3,
    }
}

/// The calls that a `forbid` is about, as a `permit`.
fn turned(policy: &Policy) -> Result<Policy, String> {
    let words = |error: &dyn std::fmt::Display| one_line(&error.to_string());
    let mut json = policy.to_json().map_err(|error| words(&error))?;
    if let Some(effect) = json.get_mut("effect") {
        *effect = "permit".into();
    }
    Policy::from_json(None, json).map_err(|error| words(&error))
}

/// A kind of call in words.
fn label(env: &RequestEnv) -> String {
    let action = env.action().id().unescaped().to_owned();
    let short = |text: String| text.rsplit("::").next().unwrap_or_default().to_owned();
    let by = short(env.principal().to_string());
    let to = short(env.resource().to_string());
    let action = match action.as_str() {
        "/undeclared" => "call_tool".into(),
        tool if tool.contains('/') => format!("call_tool {tool}"),
        _ => action,
    };
    format!("{action} by {by} to {to}")
}

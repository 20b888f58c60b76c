//! The few policies that can apply to one actor, action and resource.
//!
//! A plan does not change while it lives, so whatever depends on actor, action and resource alone is decided once:
//! heads of policies, and the conditions that stand before the first one that reads `context`. What is left of a
//! policy is evaluated per call; a policy that is already false is gone. This is exact: Cedar evaluates a policy as
//! head, then conditions, from left to right, and stops at the first that is false or fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use alcaide_inventory::Actor;
use cedar_policy_core::ast::{
    Context as CedarContext, Entity, EntityUID, EntityUIDEntry, Expr, ExprKind, Literal, Request, SlotEnv,
    Value, ValueKind,
};
use cedar_policy_core::entities::{Entities, TCComputation};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::CoreSchema;

use crate::ask::{Action, Ask, Resource};
use crate::compile::Compiled;
use crate::counts::FlowReads;
use crate::expr::Reads;
use crate::fault::one_line;
use crate::house::{ActorFacts, Placed};
use crate::outcome::{CODE_UNCLEAR, CODE_UNKNOWN, Decision, Outcome};
use crate::source::{ActionScope, Scope, Statute};

/// Who, what and whereto, owned.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SliceKey {
    actor: Actor,
    action: Action,
    kind: u8,
    id: u128,
    name: Option<Box<str>>,
}

/// What is left of the policy set for one [`SliceKey`].
#[derive(Debug)]
pub(crate) struct Slice {
    /// Unlike that of any other slice of the same plan.
    pub(crate) id: u64,
    principal: EntityUIDEntry,
    action: EntityUIDEntry,
    resource: EntityUIDEntry,
    /// A store of its own where the resource is a guest; else the plan's.
    entities: Option<Entities>,
    pub(crate) live: Vec<Live>,
    /// Conditions that are still open, each once however many policies share it.
    conditions: Vec<Arc<Expr>>,
    /// What the rest of the policies reads of `context`.
    pub(crate) reads: Reads,
    /// What it reads of `context.flow`.
    pub(crate) flow: FlowReads,
    /// Whether a policy asks for approval, so that approvals decide.
    pub(crate) asks: bool,
    /// Whether a policy is in shadow for the actor, in some task at least.
    pub(crate) shadows: bool,
    /// Policies that are in shadow in some of the actor's tasks only.
    pub(crate) shares: Vec<usize>,
    /// The decision where nothing of `context` is read.
    pub(crate) fixed: Option<Arc<Decision>>,
    /// Actor, action and resource in words.
    pub(crate) what: String,
}

/// What is left of one policy.
#[derive(Debug)]
pub(crate) struct Live {
    /// Place in [`Compiled::statutes`].
    pub(crate) at: usize,
    /// The first of its conditions that is still open.
    from: usize,
    /// Its open conditions, as places in [`Slice::conditions`].
    open: Vec<usize>,
    reads_args: bool,
    erred: Option<Arc<str>>,
}

/// A policy that matched, or failed and why.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) at: usize,
    pub(crate) erred: Option<Arc<str>>,
}

/// How the head of a policy misses a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Miss {
    Principal,
    Action,
    Resource,
}

/// Longest name in a key: calls with longer ones are sliced anew each time.
const NAME_BYTES_MAX: usize = 512;

impl SliceKey {
    /// The key and where to look for it; `None` for names too long to keep.
    pub(crate) fn of(ask: &Ask<'_>) -> Option<(u64, Self)> {
        let (kind, id, name) = match ask.resource {
            Resource::Model(id) => (0, id.bits(), None),
            Resource::Tool(id) => (1, id.bits(), None),
            Resource::UndeclaredTool { server, name } => (2, server.bits(), Some(name)),
            Resource::Method { server: None, name } => (3, 0, Some(name)),
            Resource::Method { server: Some(server), name } => (4, server.bits(), Some(name)),
            Resource::Prompt { server, name } => (5, server.bits(), Some(name)),
            Resource::Document { server, uri } => (6, server.bits(), Some(uri)),
            Resource::Operation { service, name } => (7, service.bits(), Some(name)),
            Resource::Hosted { provider, tool } => {
                // The length keeps `a/b` of `c` apart from `b` of `c/a`.
                let length = u128::try_from(provider.len()).unwrap_or(u128::MAX);
                return Self::named(ask, 8, length, Some(&format!("{provider}/{tool}")));
            }
            Resource::Peer(name) => (9, 0, Some(name)),
            Resource::Agent(id) => (10, id.bits(), None),
        };
        Self::named(ask, kind, id, name)
    }

    fn named(ask: &Ask<'_>, kind: u8, id: u128, name: Option<&str>) -> Option<(u64, Self)> {
        if name.is_some_and(|name| name.len() > NAME_BYTES_MAX) {
            return None;
        }
        let actor = match ask.actor {
            Actor::Agent(id) => id.bits(),
            Actor::Human(id) => id.bits(),
            Actor::Workload(id) => id.bits(),
        };
        let mixed = (actor ^ id.rotate_left(3)) & u128::from(u64::MAX);
        let spread = u64::try_from(mixed).unwrap_or(0);
        Some((spread, Self { actor: ask.actor, action: ask.action, kind, id, name: name.map(Into::into) }))
    }
}

impl Compiled {
    /// The slice of a question, from memory or made anew.
    pub(crate) fn slice(&self, ask: &Ask<'_>) -> Result<Arc<Slice>, Arc<Decision>> {
        let Some((spread, key)) = SliceKey::of(ask) else { return self.cut(ask).map(Arc::new) };
        if let Some(found) = self.slices.find(spread, &key) {
            return Ok(found);
        }
        let made = Arc::new(self.cut(ask)?);
        self.slices.keep(spread, key, Arc::clone(&made));
        Ok(made)
    }

    /// Who and whereto, as the plan knows them.
    pub(crate) fn parties(
        &self,
        ask: &Ask<'_>,
    ) -> Result<(&ActorFacts, Placed, Arc<EntityUID>), Arc<Decision>> {
        let Some(actor) = self.house.actors.get(&ask.actor) else {
            return Err(refused(CODE_UNKNOWN, "the caller is not in the plan"));
        };
        let fits = ask.action != Action::Approve || matches!(ask.actor, Actor::Human(_));
        if !fits || !ask.action.applies_to(&ask.resource) {
            let why = format!("`{}` cannot be done by such a caller to such a resource", ask.action.as_str());
            return Err(refused(CODE_UNKNOWN, &why));
        }
        let placed = self.house.place(&ask.resource);
        match (placed, self.house.action_of(ask.action, &ask.resource)) {
            (Some(placed), Some(action)) => Ok((actor, placed, action)),
            _ => Err(refused(CODE_UNKNOWN, "the resource is not in the plan")),
        }
    }

    /// Cuts the slice of a question out of the policy set.
    pub(crate) fn cut(&self, ask: &Ask<'_>) -> Result<Slice, Arc<Decision>> {
        let (actor, placed, action) = self.parties(ask)?;
        let heads = self.matching_heads(ask.action, actor, &placed, &action);
        let entry = |uid: &Arc<EntityUID>| EntityUIDEntry::Known { euid: Arc::clone(uid), loc: None };
        let what = format!("{} may {} {}", actor.label, verb(ask.action), placed.label);
        let mut slice = Slice {
            id: self.next_slice.fetch_add(1, Ordering::Relaxed),
            principal: entry(&actor.uid),
            action: entry(&action),
            resource: entry(&placed.uid),
            entities: self.store_for(&placed, actor, &action, &heads)?,
            live: Vec::new(),
            conditions: Vec::new(),
            reads: Reads::NONE,
            flow: FlowReads::default(),
            asks: false,
            shadows: false,
            shares: Vec::new(),
            fixed: None,
            what,
        };
        let mut live = Vec::new();
        {
            let judge = slice.judge(self, CedarContext::empty());
            for at in heads {
                let Some(statute) = self.statutes.get(at) else { continue };
                live.extend(begin(&judge, at, statute));
            }
        }
        slice.live = live;
        let mut places: HashMap<&Expr, usize> = HashMap::new();
        for one in &mut slice.live {
            let Some(statute) = self.statutes.get(one.at) else { continue };
            for condition in statute.conditions.get(one.from..).unwrap_or_default() {
                let next = slice.conditions.len();
                let place = *places.entry(&condition.expr).or_insert(next);
                if place == next {
                    slice.conditions.push(Arc::clone(&condition.expr));
                }
                one.open.push(place);
            }
            slice.asks |= !statute.notes.ask.is_empty();
            slice.shadows |= statute.shadow.covers(ask.actor);
            if statute.shadow.is_share(ask.actor) {
                slice.shares.push(one.at);
            }
            if one.erred.is_none() {
                slice.reads = open(statute, one.from).fold(slice.reads, |all, reads| all.with(reads));
            }
        }
        slice.flow = FlowReads::of(&slice.conditions);
        if slice.reads.is_empty() && slice.shares.is_empty() {
            let matches =
                slice.live.iter().map(|one| Match { at: one.at, erred: one.erred.clone() }).collect();
            slice.fixed = Some(Arc::new(self.weigh(&slice, ask, &[], matches)));
        }
        Ok(slice)
    }

    /// Policies whose head holds, ascending.
    fn matching_heads(
        &self,
        action: Action,
        actor: &ActorFacts,
        placed: &Placed,
        action_uid: &EntityUID,
    ) -> Vec<usize> {
        let Some(bucket) = self.index.get(&action) else { return Vec::new() };
        let named = bucket.by_principal.get(&*actor.uid).map(Vec::as_slice).unwrap_or_default();
        let mut heads: Vec<usize> = named
            .iter()
            .chain(&bucket.rest)
            .copied()
            .filter(|at| {
                self.statutes
                    .get(*at)
                    .is_some_and(|statute| self.miss(statute, actor, placed, action_uid).is_none())
            })
            .collect();
        heads.sort_unstable();
        heads
    }

    /// How the head of a policy misses, if it does.
    pub(crate) fn miss(
        &self,
        statute: &Statute,
        actor: &ActorFacts,
        placed: &Placed,
        action: &EntityUID,
    ) -> Option<Miss> {
        let house = &self.house;
        let resident = |uid: &EntityUID| house.resident.get(uid).map(|found| &**found);
        let of_action = match &statute.action {
            ActionScope::Any => true,
            ActionScope::Eq(uid) => uid == action,
            ActionScope::In(uids) => uids.iter().any(|uid| is_in(action, resident(action), uid)),
        };
        if !of_action {
            return Some(Miss::Action);
        }
        if !holds(&statute.principal, &actor.uid, resident(&actor.uid)) {
            return Some(Miss::Principal);
        }
        let resource = placed.guest.as_ref().map(|(guest, _)| guest).or_else(|| resident(&placed.uid));
        (!holds(&statute.resource, &placed.uid, resource)).then_some(Miss::Resource)
    }

    /// A store with the guest in it, where the resource is one.
    fn store_for(
        &self,
        placed: &Placed,
        actor: &ActorFacts,
        action: &EntityUID,
        heads: &[usize],
    ) -> Result<Option<Entities>, Arc<Decision>> {
        let Some((guest, _)) = &placed.guest else { return Ok(None) };
        let conditions =
            || heads.iter().filter_map(|at| self.statutes.get(*at)).flat_map(|statute| &statute.conditions);
        let through_context = Reads::HUMAN.with(Reads::EARLIER_AGENTS).with(Reads::APPROVED_BY);
        let made = if conditions().any(|condition| condition.reads.has(through_context)) {
            self.whole_with(guest.clone())
        } else {
            let mut seeds = vec![(*actor.uid).clone(), action.clone()];
            for condition in conditions() {
                seeds.extend(literals(&condition.expr));
            }
            self.house.around(guest.clone(), seeds)
        };
        made.map(Some).map_err(|why| refused(CODE_UNCLEAR, &one_line(&why)))
    }

    /// All entities of the plan and a guest.
    pub(crate) fn whole_with(&self, guest: Entity) -> Result<Entities, String> {
        let extensions = Extensions::all_available();
        let computed = TCComputation::AssumeAlreadyComputed;
        let all = self.house.entities.clone();
        all.add_entities([Arc::new(guest)], None::<&CoreSchema<'_>>, computed, extensions)
            .map_err(|error| error.to_string())
    }
}

impl Slice {
    /// An evaluator for this slice under a context.
    pub(crate) fn judge<'a>(&'a self, compiled: &'a Compiled, context: CedarContext) -> Judge<'a> {
        let request = Request::new_unchecked(
            self.principal.clone(),
            self.action.clone(),
            self.resource.clone(),
            Some(context),
        );
        Judge::new(request, self.entities.as_ref().unwrap_or(&compiled.house.entities))
    }

    /// Which of the policies that are left match. `args_fit` is false where the arguments are not of the accepted
    /// schema: every policy that reads them fails then.
    pub(crate) fn matches(&self, judge: &Judge<'_>, args_fit: bool) -> Vec<Match> {
        let mut found = Vec::with_capacity(self.live.len());
        let mut held: Vec<Option<Result<bool, Arc<str>>>> = vec![None; self.conditions.len()];
        for one in &self.live {
            if one.erred.is_some() {
                found.push(Match { at: one.at, erred: one.erred.clone() });
                continue;
            }
            if one.reads_args && !args_fit {
                found.push(Match { at: one.at, erred: Some(ARGS_UNFIT.into()) });
                continue;
            }
            let first = one.open.iter().find_map(|place| {
                let known = held.get_mut(*place)?;
                let held = known.get_or_insert_with(|| match self.conditions.get(*place) {
                    Some(condition) => judge.holds(condition),
                    None => Err("a condition is missing".into()),
                });
                (!matches!(held, Ok(true))).then(|| held.clone())
            });
            match first {
                None => found.push(Match { at: one.at, erred: None }),
                Some(Ok(_)) => {}
                Some(Err(why)) => found.push(Match { at: one.at, erred: Some(why) }),
            }
        }
        found
    }
}

/// Why a policy fails that reads arguments of another type.
pub(crate) const ARGS_UNFIT: &str = "the arguments are not of the tool's accepted input schema";

/// Evaluates conditions under one request.
pub(crate) struct Judge<'a> {
    evaluator: Evaluator<'a>,
    slots: SlotEnv,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(request: Request, entities: &'a Entities) -> Self {
        Self {
            evaluator: Evaluator::new(request, entities, Extensions::all_available()),
            slots: SlotEnv::new(),
        }
    }

    /// What an expression comes to; `None` if it comes to nothing.
    pub(crate) fn value(&self, expr: &Expr) -> Option<Value> {
        self.evaluator.interpret(expr, &self.slots).ok()
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, expr: &Expr) -> Result<bool, Arc<str>> {
        match self.evaluator.interpret(expr, &self.slots) {
            Ok(Value { value: ValueKind::Lit(Literal::Bool(held)), .. }) => Ok(held),
            Ok(_) => Err("a condition is neither true nor false".into()),
            Err(error) => Err(one_line(&error.to_string()).into()),
        }
    }
}

/// Decides what does not depend on context; `None` if the policy is false for good.
fn begin(judge: &Judge<'_>, at: usize, statute: &Statute) -> Option<Live> {
    let mut from = 0;
    let mut erred = None;
    for condition in statute.conditions.iter().take_while(|condition| !condition.of_context) {
        from += 1;
        match judge.holds(&condition.expr) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(why) => {
                erred = Some(why);
                break;
            }
        }
    }
    let reads_args = open(statute, from).any(|reads| reads.has(Reads::ARGS));
    Some(Live { at, from, open: Vec::new(), reads_args, erred })
}

fn open(statute: &Statute, from: usize) -> impl Iterator<Item = Reads> {
    statute.conditions.get(from..).unwrap_or_default().iter().map(|condition| condition.reads)
}

fn holds(scope: &Scope, uid: &EntityUID, entity: Option<&Entity>) -> bool {
    match scope {
        Scope::Any => true,
        Scope::Eq(other) => uid == other,
        Scope::In(other) => is_in(uid, entity, other),
        Scope::Is(kind) => uid.entity_type() == kind,
        Scope::IsIn(kind, other) => uid.entity_type() == kind && is_in(uid, entity, other),
    }
}

pub(crate) fn is_in(uid: &EntityUID, entity: Option<&Entity>, other: &EntityUID) -> bool {
    uid == other || entity.is_some_and(|entity| entity.is_descendant_of(other))
}

fn literals(expr: &Expr) -> Vec<EntityUID> {
    expr.subexpressions()
        .filter_map(|part| match part.expr_kind() {
            ExprKind::Lit(Literal::EntityUID(uid)) => Some((**uid).clone()),
            _ => None,
        })
        .collect()
}

fn refused(code: &'static str, reason: &str) -> Arc<Decision> {
    Arc::new(Decision {
        outcome: Outcome::Refuse { code, reason: reason.into(), cure: None },
        determining: Vec::new(),
        shadow: None,
        errors: Vec::new(),
    })
}

const fn verb(action: Action) -> &'static str {
    match action {
        Action::UseModel | Action::UseHosted => "use",
        Action::CallTool | Action::CallMethod | Action::CallApi => "call",
        Action::GetPrompt => "fetch",
        Action::ReadResource => "read",
        Action::MessagePeer => "message",
        Action::Delegate => "delegate to",
        Action::Detokenise => "send real values to",
        Action::Approve => "approve calls of",
    }
}

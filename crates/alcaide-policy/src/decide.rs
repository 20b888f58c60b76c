//! Decides: finds the slice, evaluates what is left of its policies, and weighs what matched.
//!
//! - A `forbid` that matches refuses, unless it has `@ask`: then it asks. One that cannot be evaluated refuses.
//! - Without a `permit` that matches, the call is refused. A `permit` with `@ask` counts once it is approved.
//! - Obligations of all permits that count hold together.
//!
//! A decision is remembered under everything that the rest of the policies reads of the context, byte for byte, and
//! counts as finely as they are compared (`counts`); a call whose slice reads the clock in seconds, or that brings approvals to a slice that asks, is decided afresh.

use std::collections::BTreeMap;
use std::sync::Arc;

use alcaide_finding::Class;
use alcaide_inventory::declare::Role;
use alcaide_inventory::{Actor, HumanId};
use alcaide_label::{Integrity, Provenance};
use cedar_policy_core::ast::{Context as CedarContext, Literal, Value};

use crate::ask::{Ask, Flow, ModelStanding, Resource, SoFar};
use crate::compile::Compiled;
use crate::expr::Reads;
use crate::outcome::{
    Approver, CODE_FORBIDDEN, CODE_NOT_PERMITTED, CODE_UNCLEAR, Decision, EvalError, Outcome, join,
};
use crate::slice::{Live, Match, Slice};
use crate::source::Statute;

/// Longest key of a remembered decision, in bytes.
const KEY_BYTES_MAX: usize = 4096;

impl Compiled {
    /// Decides one question, from memory where all that the policies read is the same.
    #[must_use]
    pub fn decide(&self, ask: &Ask<'_>) -> Arc<Decision> {
        let slice = match self.slice(ask) {
            Ok(slice) => slice,
            Err(refused) => return refused,
        };
        if ask.context.approvals.is_empty() || !slice.asks {
            if let Some(fixed) = &slice.fixed {
                return Arc::clone(fixed);
            }
            if !slice.reads.has(Reads::UNIX_TIME)
                && let Some(key) = self.key(&slice, ask)
            {
                if let Some(found) = self.decisions.find(slice.id, &*key) {
                    return found;
                }
                let made = Arc::new(self.decide_in(&slice, ask));
                self.decisions.keep(slice.id, key, Arc::clone(&made));
                return made;
            }
        }
        Arc::new(self.decide_in(&slice, ask))
    }

    /// Decides one question without the memory of decisions; what is the same for every call of this actor, action
    /// and resource is still remembered.
    #[must_use]
    pub fn decide_afresh(&self, ask: &Ask<'_>) -> Arc<Decision> {
        match self.slice(ask) {
            Ok(slice) => Arc::new(self.decide_in(&slice, ask)),
            Err(refused) => refused,
        }
    }

    /// Decides one question with nothing remembered and nothing to be remembered.
    pub(crate) fn decide_alone(&self, ask: &Ask<'_>) -> Decision {
        match self.cut(ask) {
            Ok(slice) => self.decide_in(&slice, ask),
            Err(refused) => Arc::unwrap_or_clone(refused),
        }
    }

    fn decide_in(&self, slice: &Slice, ask: &Ask<'_>) -> Decision {
        let counted = self.counted(ask);
        let (context, args_fit) = self.context(slice.reads, ask, &counted);
        let judge = slice.judge(self, context);
        let matches = slice.matches(&judge, args_fit);
        self.weigh(slice, ask, &counted, matches)
    }

    /// Makes a decision of what matched.
    pub(crate) fn weigh(
        &self,
        slice: &Slice,
        ask: &Ask<'_>,
        counted: &[HumanId],
        matches: Vec<Match>,
    ) -> Decision {
        let in_shadow = |statute: &Statute| statute.shadow.holds(ask.actor, ask.task);
        let all: Vec<(&Statute, bool)> = matches
            .iter()
            .filter_map(|one| self.statutes.get(one.at).map(|statute| (statute, one.erred.is_some())))
            .collect();
        let binding: Vec<(&Statute, bool)> =
            all.iter().filter(|(statute, _)| !in_shadow(statute)).copied().collect();
        let scale = Scale { compiled: self, slice, ask, counted };
        let (outcome, determining) = scale.weigh(&binding);
        let determining = determining.into_iter().map(|statute| statute.reference.clone()).collect();
        let is_about = |one: &Live| self.statutes.get(one.at).is_some_and(in_shadow);
        let shadows = slice.shadows && slice.live.iter().any(is_about);
        let shadow = shadows.then(|| scale.weigh(&all).0);
        let errors = matches
            .into_iter()
            .filter_map(|one| {
                let statute = self.statutes.get(one.at)?;
                Some(EvalError { policy: statute.reference.clone(), why: one.erred? })
            })
            .collect();
        Decision { outcome, determining, shadow, errors }
    }

    /// The approvals that count: of active humans who do not act in the chain themselves.
    pub(crate) fn counted(&self, ask: &Ask<'_>) -> Vec<HumanId> {
        let counts = |id: &HumanId| {
            let own = Actor::Human(*id);
            ask.actor != own
                && !ask.earlier.contains(&own)
                && self.house.actors.get(&own).is_some_and(|facts| facts.active)
        };
        let mut counted: Vec<HumanId> = ask.context.approvals.iter().copied().filter(counts).collect();
        counted.sort_unstable();
        counted.dedup();
        counted
    }

    /// Whether one of the counted approvals is one of this kind.
    pub(crate) fn is_approved(&self, ask: &Ask<'_>, counted: &[HumanId], by: Approver) -> bool {
        let facts = |actor: &Actor| self.house.actors.get(actor);
        let with_role = |role: Role| {
            counted.iter().map(|id| Actor::Human(*id)).any(|human| {
                human != ask.subject && facts(&human).is_some_and(|facts| facts.roles.contains(&role))
            })
        };
        let own = facts(&ask.actor);
        match by {
            Approver::Owner => own.and_then(|facts| facts.owner).is_some_and(|id| counted.contains(&id)),
            Approver::Sponsor => own.and_then(|facts| facts.sponsor).is_some_and(|id| counted.contains(&id)),
            Approver::Approver => with_role(Role::Approver),
            Approver::Administrator => with_role(Role::Administrator),
        }
    }

    fn is_chain_active(&self, ask: &Ask<'_>) -> bool {
        let is_active = |actor: &Actor| self.house.actors.get(actor).is_some_and(|facts| facts.active);
        (ask.subject == ask.actor || is_active(&ask.subject)) && ask.earlier.iter().all(is_active)
    }

    /// The part of the context that is read, as Cedar values; and whether arguments that are read fit their type.
    pub(crate) fn context(&self, reads: Reads, ask: &Ask<'_>, counted: &[HumanId]) -> (CedarContext, bool) {
        let given = &ask.context;
        let mut found = BTreeMap::new();
        let mut put = |name: &str, value: Value| {
            found.insert(name.into(), value);
        };
        let house = &self.house;
        if reads.has(Reads::HUMAN)
            && let Actor::Human(id) = ask.subject
        {
            put("human", Value::from(Literal::from(house.human_uid(id))));
        }
        if reads.has(Reads::EARLIER_AGENTS) {
            let agents = ask.earlier.iter().filter_map(|actor| match actor {
                Actor::Agent(id) => Some(Literal::from(house.agent_uid(*id))),
                _ => None,
            });
            put("earlier_agents", Value::set_of_lits(agents, None));
        }
        if reads.has(Reads::HOPS) {
            put("hops", Value::from(i64::try_from(ask.earlier.len()).unwrap_or(i64::MAX)));
        }
        if reads.has(Reads::CHAIN_ACTIVE) {
            put("chain_active", Value::from(self.is_chain_active(ask)));
        }
        if reads.has(Reads::TASK) {
            let trusted = Value::from(given.task.integrity == Integrity::Trusted);
            let rank = Value::from(i64::from(given.task.confidentiality.rank()));
            put("task", Value::record([("trusted", trusted), ("confidentiality", rank)], None));
        }
        if reads.has(Reads::FINDINGS) {
            let found = Class::ALL.into_iter().filter(|class| count(ask, *class) > 0);
            put("findings", Value::set_of_lits(found.map(|class| Literal::from(class.as_str())), None));
        }
        if reads.has(Reads::FOUND) {
            let counts = Class::ALL.into_iter().map(|class| (class.as_str(), Value::from(count(ask, class))));
            put("found", Value::record(counts, None));
        }
        if reads.has(Reads::APPROVED_BY) {
            let humans = counted.iter().map(|id| Literal::from(house.human_uid(*id)));
            put("approved_by", Value::set_of_lits(humans, None));
        }
        if reads.has(Reads::APPROVED_ROLES) {
            let roles = Approver::ALL.into_iter().filter(|by| self.is_approved(ask, counted, *by));
            put("approved_roles", Value::set_of_lits(roles.map(|by| Literal::from(by.as_str())), None));
        }
        if reads.has(Reads::BUDGET_USED) {
            put("budget_used", Value::from(i64::from(given.budget_used.min(100))));
        }
        if reads.has(Reads::USER_WORDS) {
            put("user_words", Value::from(given.user_words.as_str()));
        }
        let clock = Clock::of(given.now.secs());
        if reads.has(Reads::UNIX_TIME) {
            put("unix_time", Value::from(clock.unix_time));
        }
        if reads.has(Reads::HOUR) {
            put("hour", Value::from(clock.hour));
        }
        if reads.has(Reads::WEEKDAY) {
            put("weekday", Value::from(clock.weekday));
        }
        let mut args_fit = true;
        if reads.has(Reads::ARGS)
            && let Some(kind) = self.args_kind(ask)
            && let Some(bytes) = given.args
        {
            match kind.value(bytes) {
                Ok(value) => put("args", value),
                Err(_) => args_fit = false,
            }
        }
        if reads.has(Reads::ARGS_FROM) {
            let of = |class: Provenance| {
                let names = given.provenance.iter().filter(move |(_, from)| *from == class);
                Value::set_of_lits(names.map(|(name, _)| Literal::from(*name)), None)
            };
            put("args_from", Value::record(PROVENANCES.map(|(class, name)| (name, of(class))), None));
        }
        if reads.has(Reads::FLOW) {
            put("flow", flow(&given.flow));
        }
        if reads.has(Reads::MODEL) {
            put("model", model(&given.model));
        }
        if reads.has(Reads::UNINSPECTED) {
            put("uninspected", Value::from(is_uninspected(ask)));
        }
        if reads.has(Reads::KEY_BOUND) {
            put("key_bound", Value::from(given.key_bound));
        }
        if reads.has(Reads::TOOL_CHANGED) {
            put("tool_changed", Value::from(given.tool_changed));
        }
        (CedarContext::Value(Arc::new(found)), args_fit)
    }

    /// The type of the tool's arguments: only calls of declared tools have one.
    pub(crate) fn args_kind(&self, ask: &Ask<'_>) -> Option<&crate::args::ArgType> {
        match (ask.action, ask.resource) {
            (crate::ask::Action::CallTool, Resource::Tool(id)) => self.house.tools.get(&id)?.args.as_ref(),
            _ => None,
        }
    }

    /// Everything that the slice reads, so that equal keys mean equal decisions; `None` where it would be too long.
    fn key(&self, slice: &Slice, ask: &Ask<'_>) -> Option<Box<[u8]>> {
        let reads = slice.reads;
        let given = &ask.context;
        let mut key = Key(Vec::with_capacity(96));
        key.bytes(&slice.id.to_be_bytes());
        for at in &slice.shares {
            let shaded = |statute: &Statute| statute.shadow.holds(ask.actor, ask.task);
            key.flag(self.statutes.get(*at).is_some_and(shaded));
        }
        if reads.has(Reads::HUMAN) {
            match ask.subject {
                Actor::Human(id) => key.bytes(&id.bits().to_be_bytes()),
                _ => key.bytes(&[]),
            }
        }
        if reads.has(Reads::EARLIER_AGENTS) {
            key.size(ask.earlier.len());
            for actor in ask.earlier {
                match actor {
                    Actor::Agent(id) => key.bytes(&id.bits().to_be_bytes()),
                    _ => key.bytes(&[]),
                }
            }
        }
        if reads.has(Reads::HOPS) {
            key.size(ask.earlier.len());
        }
        if reads.has(Reads::CHAIN_ACTIVE) {
            key.flag(self.is_chain_active(ask));
        }
        if reads.has(Reads::TASK) {
            key.flag(given.task.integrity == Integrity::Trusted);
            key.byte(given.task.confidentiality.rank());
        }
        if reads.has(Reads::FINDINGS) || reads.has(Reads::FOUND) {
            for class in Class::ALL {
                key.0.extend_from_slice(&count(ask, class).to_be_bytes());
            }
        }
        if reads.has(Reads::APPROVED_BY) || reads.has(Reads::APPROVED_ROLES) {
            let counted = self.counted(ask);
            key.size(counted.len());
            for id in counted {
                key.bytes(&id.bits().to_be_bytes());
            }
            // Whether an approval is another person's depends on whose behalf it is.
            match ask.subject {
                Actor::Human(id) => key.bytes(&id.bits().to_be_bytes()),
                _ => key.bytes(&[]),
            }
        }
        if reads.has(Reads::BUDGET_USED) {
            key.byte(given.budget_used.min(100));
        }
        if reads.has(Reads::USER_WORDS) {
            key.bytes(given.user_words.as_str().as_bytes());
        }
        let clock = Clock::of(given.now.secs());
        if reads.has(Reads::UNIX_TIME) {
            key.0.extend_from_slice(&clock.unix_time.to_be_bytes());
        }
        if reads.has(Reads::HOUR) {
            key.0.extend_from_slice(&clock.hour.to_be_bytes());
        }
        if reads.has(Reads::WEEKDAY) {
            key.0.extend_from_slice(&clock.weekday.to_be_bytes());
        }
        if reads.has(Reads::ARGS) {
            key.flag(given.args.is_some());
            let bytes = given.args.unwrap_or_default();
            if bytes.len() > KEY_BYTES_MAX {
                return None;
            }
            key.bytes(bytes);
        }
        if reads.has(Reads::ARGS_FROM) {
            key.size(given.provenance.len());
            for (name, from) in given.provenance {
                let class = PROVENANCES.iter().find(|(class, _)| class == from).map_or("", |(_, word)| word);
                key.bytes(class.as_bytes());
                key.bytes(name.as_bytes());
            }
        }
        if reads.has(Reads::FLOW) {
            slice.flow.write(&given.flow, &mut key.0);
        }
        if reads.has(Reads::MODEL) {
            let ModelStanding { released, files, scan, signature } = given.model;
            key.flag(released);
            for word in [files.as_str(), scan.verdict.as_str(), signature.signer.as_str()] {
                key.bytes(word.as_bytes());
            }
            for flag in [scan.in_time, scan.current_pack, scan.accepted, signature.in_time] {
                key.flag(flag);
            }
            for age in [scan.age_days, signature.age_days] {
                key.0.extend_from_slice(&age.to_be_bytes());
            }
        }
        key.flag(is_uninspected(ask) && reads.has(Reads::UNINSPECTED));
        key.flag(given.key_bound && reads.has(Reads::KEY_BOUND));
        key.flag(given.tool_changed && reads.has(Reads::TOOL_CHANGED));
        (key.0.len() <= KEY_BYTES_MAX).then(|| key.0.into_boxed_slice())
    }
}

/// Writes parts of a key so that no two lists of parts give the same bytes.
struct Key(Vec<u8>);

impl Key {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    fn size(&mut self, size: usize) {
        self.0.extend_from_slice(&size.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.size(bytes.len());
        self.0.extend_from_slice(bytes);
    }
}

/// Where arguments come from, as policies see it.
fn model(model: &ModelStanding) -> Value {
    let ModelStanding { released, files, scan, signature } = model;
    let scan = Value::record(
        [
            ("verdict", Value::from(scan.verdict.as_str())),
            ("age_days", Value::from(i64::from(scan.age_days))),
            ("in_time", Value::from(scan.in_time)),
            ("current_pack", Value::from(scan.current_pack)),
            ("accepted", Value::from(scan.accepted)),
        ],
        None,
    );
    let signature = Value::record(
        [
            ("signer", Value::from(signature.signer.as_str())),
            ("age_days", Value::from(i64::from(signature.age_days))),
            ("in_time", Value::from(signature.in_time)),
        ],
        None,
    );
    Value::record(
        [
            ("released", Value::from(*released)),
            ("files", Value::from(files.as_str())),
            ("scan", scan),
            ("signature", signature),
        ],
        None,
    )
}

fn flow(flow: &Flow<'_>) -> Value {
    let names =
        |names: &[Box<str>]| Value::set_of_lits(names.iter().map(|name| Literal::from(&**name)), None);
    Value::record(
        [
            ("unbound", names(flow.unbound)),
            ("copied", names(flow.copied)),
            ("carries", names(flow.carries)),
            ("leaks", names(flow.leaks)),
            ("look_alikes", names(flow.look_alikes)),
            ("handles", names(flow.handles)),
            ("over", names(flow.over)),
            ("in_scope", Value::from(flow.in_scope)),
            ("reaches_out", Value::from(flow.reaches_out)),
            ("own_words", Value::from(flow.own_words)),
            ("named", Value::from(flow.named)),
            ("calls", Value::from(i64::from(flow.calls))),
            ("count_over", Value::from(flow.count_over)),
            ("repeats", Value::from(i64::from(flow.repeats))),
            ("targets", Value::from(i64::from(flow.targets))),
            ("argument_bytes", long(flow.argument_bytes)),
            ("so_far", so_far(flow.so_far)),
            ("forgotten", Value::from(flow.forgotten)),
        ],
        None,
    )
}

fn so_far(done: SoFar) -> Value {
    Value::record(
        [
            ("calls", long(done.calls.into())),
            ("effects", long(done.effects.into())),
            ("read_bytes", long(done.read_bytes)),
            ("read_records", long(done.read_records)),
            ("tainted_bytes", long(done.tainted_bytes)),
            ("tainted_records", long(done.tainted_records)),
        ],
        None,
    )
}

/// A count; what is past all counting is the greatest.
fn long(count: u64) -> Value {
    Value::from(i64::try_from(count).unwrap_or(i64::MAX))
}

/// What policies see of the time, UTC.
struct Clock {
    unix_time: i64,
    /// 0 to 23.
    hour: i64,
    /// 1 (Monday) to 7 (Sunday), as in ISO 8601.
    weekday: i64,
}

impl Clock {
    fn of(secs: u64) -> Self {
        let unix_time = i64::try_from(secs).unwrap_or(i64::MAX);
        // 1970-01-01 was a Thursday.
        let weekday = unix_time.div_euclid(86_400).saturating_add(3).rem_euclid(7).saturating_add(1);
        Self { unix_time, hour: unix_time.div_euclid(3_600).rem_euclid(24), weekday }
    }
}

const PROVENANCES: [(Provenance, &str); 9] = [
    (Provenance::UserAttested, "user_attested"),
    (Provenance::UserAsserted, "user_asserted"),
    (Provenance::Constant, "constant"),
    (Provenance::Trusted, "trusted"),
    (Provenance::Resolved, "resolved"),
    (Provenance::Made, "made"),
    (Provenance::Endorsed, "endorsed"),
    (Provenance::Untrusted, "untrusted"),
    (Provenance::Unknown, "unknown"),
];

fn count(ask: &Ask<'_>, class: Class) -> i64 {
    ask.context
        .findings
        .iter()
        .filter(|(found, _)| *found == class)
        .fold(0_i64, |sum, (_, count)| sum.saturating_add(i64::from(*count)))
}

fn is_uninspected(ask: &Ask<'_>) -> bool {
    ask.context.uninspected || count(ask, Class::Uninspected) > 0
}

/// Weighs matching policies against each other.
pub(crate) struct Scale<'a> {
    pub(crate) compiled: &'a Compiled,
    pub(crate) slice: &'a Slice,
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) counted: &'a [HumanId],
}

impl Scale<'_> {
    /// The outcome, and the policies that made it; each given with whether it failed.
    pub(crate) fn weigh<'s>(&self, given: &[(&'s Statute, bool)]) -> (Outcome, Vec<&'s Statute>) {
        let hard: Vec<(&Statute, bool)> = given
            .iter()
            .filter(|(statute, erred)| !statute.permits && (*erred || statute.notes.ask.is_empty()))
            .copied()
            .collect();
        if !hard.is_empty() {
            return (refuse(&hard), hard.into_iter().map(|(statute, _)| statute).collect());
        }
        let sound = || given.iter().filter(|(_, erred)| !erred).map(|(statute, _)| *statute);
        let permits: Vec<&Statute> = sound().filter(|statute| statute.permits).collect();
        if permits.is_empty() {
            let reason = format!("no policy says that {}", self.slice.what).into();
            return (Outcome::Refuse { code: CODE_NOT_PERMITTED, reason, cure: None }, Vec::new());
        }
        let soft: Vec<&Statute> = sound().filter(|statute| !statute.permits).collect();
        let mut roles: Vec<Approver> = soft.iter().flat_map(|statute| self.missing(statute)).collect();
        let mut asking: Vec<&Statute> =
            soft.iter().filter(|statute| self.missing(statute).next().is_some()).copied().collect();
        let (open, closed): (Vec<&Statute>, Vec<&Statute>) =
            permits.iter().partition(|statute| self.missing(statute).next().is_none());
        let mut any_of: Vec<Vec<Approver>> = Vec::new();
        if open.is_empty() {
            any_of = closed.iter().map(|statute| self.missing(statute).collect()).collect();
            any_of.sort();
            any_of.dedup();
            if any_of.len() == 1 {
                roles.extend(any_of.drain(..).flatten());
            }
            asking.extend(closed);
        }
        roles.sort();
        roles.dedup();
        if !asking.is_empty() {
            let reason =
                asking.iter().find_map(|statute| statute.notes.reason.clone()).unwrap_or_else(|| {
                    let first = asking.first().map_or("", |statute| &statute.reference.cedar_id);
                    format!("policy `{first}` asks before {}", self.slice.what).into()
                });
            return (Outcome::Ask { roles, any_of, reason }, asking);
        }
        let obligations = join(open.iter().flat_map(|statute| &statute.notes.obligations));
        let determining = soft.into_iter().chain(open).collect();
        (Outcome::Allow { obligations }, determining)
    }

    /// The approvals that a policy asks for and that are not there yet.
    fn missing<'s>(&self, statute: &'s Statute) -> impl Iterator<Item = Approver> + use<'s, '_> {
        statute.notes.ask.iter().copied().filter(|by| !self.compiled.is_approved(self.ask, self.counted, *by))
    }
}

fn refuse(hard: &[(&Statute, bool)]) -> Outcome {
    let all_erred = hard.iter().all(|(_, erred)| *erred);
    let said = hard.iter().filter(|(_, erred)| !erred || all_erred).map(|(statute, _)| *statute);
    let chosen = said.clone().find(|statute| statute.notes.reason.is_some()).or_else(|| said.clone().next());
    let named = chosen.map_or("", |statute| &statute.reference.cedar_id);
    if all_erred {
        let reason = format!("policy `{named}` could not be evaluated, so it counts as forbidding").into();
        return Outcome::Refuse { code: CODE_UNCLEAR, reason, cure: None };
    }
    let reason = chosen
        .and_then(|statute| statute.notes.reason.clone())
        .unwrap_or_else(|| format!("policy `{named}` forbids it").into());
    Outcome::Refuse {
        code: CODE_FORBIDDEN,
        reason,
        cure: chosen.and_then(|statute| statute.notes.cure.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_knows_hours_and_iso_weekdays() {
        // 1970-01-01 00:00 Thursday; 2026-11-18 11:06:40 Wednesday; 2024-02-29 23:59:59 Thursday.
        for (secs, hour, weekday) in [(0, 0, 4), (1_795_000_000, 11, 3), (1_709_251_199, 23, 4)] {
            let clock = Clock::of(secs);
            assert_eq!((clock.hour, clock.weekday), (hour, weekday), "{secs}");
        }
    }
}

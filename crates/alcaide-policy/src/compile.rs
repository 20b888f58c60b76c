//! A plan made into something that decides.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use alcaide_inventory::{Plan, PlanNumber};
use cedar_policy_core::ast::EntityUID;

use crate::ask::Action;
use crate::cache::Shards;
use crate::fault::{Notice, PolicyFault, Rule};
use crate::house::House;
use crate::schema;
use crate::slice::{Slice, SliceKey};
use crate::source::{ActionScope, Scope, Sources, Statute};

/// A compiled plan: entities, policies, their index, and what it learned from earlier questions.
///
/// Swapped whole with the plan; shared by all threads of the gate. Its memory is bounded: at most 16,384 slices and
/// 65,536 decisions are kept.
#[derive(Debug)]
pub struct Compiled {
    pub(crate) number: PlanNumber,
    pub(crate) house: House,
    pub(crate) statutes: Vec<Statute>,
    pub(crate) index: HashMap<Action, Bucket>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) slices: Shards<SliceKey, Slice>,
    pub(crate) decisions: Shards<Box<[u8]>, crate::outcome::Decision>,
    pub(crate) next_slice: AtomicU64,
}

/// Policies whose head can hold for one action, as places in [`Compiled::statutes`], ascending.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Those that name one principal.
    pub(crate) by_principal: HashMap<EntityUID, Vec<usize>>,
    /// All others.
    pub(crate) rest: Vec<usize>,
}

impl Compiled {
    /// Compiles a plan and checks every declared policy against the schema, strictly.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place: the plan is not to be used, the old one stays.
    pub fn compile(plan: &Plan) -> Result<Self, Vec<PolicyFault>> {
        Self::make(plan, Check::Validate)
    }

    /// Compiles a plan whose policies [`Compiled::compile`] has accepted before, so without checking types again.
    ///
    /// Only for a plan whose digest an office has vouched for: on a plan never checked, a mistake of type shows as
    /// an error of evaluation, which refuses where it is in a `forbid` and gives nothing where it is in a `permit`.
    ///
    /// # Errors
    /// Faults of syntax and annotations, and a plan that does not hold together.
    pub fn compile_trusted(plan: &Plan) -> Result<Self, Vec<PolicyFault>> {
        Self::make(plan, Check::Trust)
    }

    fn make(plan: &Plan, check: Check) -> Result<Self, Vec<PolicyFault>> {
        let mut house = House::new(plan).map_err(|why| vec![broken_plan(why)])?;
        let Sources { statutes, mut faults, mut notices, files } = Sources::of(plan);
        let sources = Sources { statutes, faults: Vec::new(), notices: Vec::new(), files };
        if check == Check::Validate && faults.is_empty() {
            let (found, warned) = schema::validate(&sources, &house);
            faults.extend(found);
            notices.extend(warned);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        notices.append(&mut house.notices);
        let index = index_of(&sources.statutes);
        Ok(Self {
            number: plan.number,
            house,
            statutes: sources.statutes,
            index,
            notices,
            slices: Shards::new(SLICES_MAX),
            decisions: Shards::new(DECISIONS_MAX),
            next_slice: AtomicU64::new(0),
        })
    }

    /// The plan's number.
    #[must_use]
    pub const fn number(&self) -> PlanNumber {
        self.number
    }

    /// What does not stop the load but somebody should know: grants of nothing, tools without types, policies that
    /// can never match.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// How many policies there are: shipped ones, declared ones, and one per grant.
    #[must_use]
    pub fn policy_count(&self) -> usize {
        self.statutes.len()
    }

    /// The schema that declared policies are checked against, in Cedar's schema language.
    #[must_use]
    pub fn schema_text(&self) -> String {
        let mut tools: Vec<_> = self.house.tools.values().collect();
        tools.sort_by(|a, b| (&a.server, &a.name).cmp(&(&b.server, &b.name)));
        schema::text_of(tools.into_iter())
    }
}

/// Checks one Cedar text against the tools of a plan, as `alcaide policy check` does; [`Plan::default`] knows no tools.
/// Empty if nothing is wrong.
#[must_use]
pub fn check(file: &str, text: &str, plan: &Plan) -> Vec<PolicyFault> {
    let house = match House::new(plan) {
        Ok(house) => house,
        Err(why) => return vec![broken_plan(why)],
    };
    let mut sources = Sources::of_text(file, text);
    let mut faults = std::mem::take(&mut sources.faults);
    if faults.is_empty() {
        faults.extend(schema::validate(&sources, &house).0);
    }
    faults
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    Validate,
    Trust,
}

/// Most slices that are kept.
const SLICES_MAX: usize = 16_384;
/// Most decisions that are kept.
const DECISIONS_MAX: usize = 65_536;

fn broken_plan(why: String) -> PolicyFault {
    PolicyFault {
        rule: Rule::Plan,
        set: "plan".into(),
        file: "plan".into(),
        line: 1,
        column: 1,
        why,
        fix: "declare what is missing, or take the reference out".into(),
    }
}

fn index_of(statutes: &[Statute]) -> HashMap<Action, Bucket> {
    let mut index: HashMap<Action, Bucket> =
        Action::ALL.into_iter().map(|action| (action, Bucket::default())).collect();
    for (at, statute) in statutes.iter().enumerate() {
        let mut actions: Vec<Action> = match &statute.action {
            ActionScope::Any => Action::ALL.to_vec(),
            ActionScope::Eq(uid) => action_of(uid).into_iter().collect(),
            ActionScope::In(uids) => uids.iter().filter_map(action_of).collect(),
        };
        actions.sort_unstable();
        actions.dedup();
        for action in actions {
            let bucket = index.entry(action).or_default();
            match &statute.principal {
                Scope::Eq(uid) => bucket.by_principal.entry(uid.clone()).or_default().push(at),
                _ => bucket.rest.push(at),
            }
        }
    }
    index
}

/// The action that an action's entity belongs to: a tool's own action to calls of tools.
fn action_of(uid: &EntityUID) -> Option<Action> {
    let eid: &str = uid.eid().as_ref();
    if eid.contains('/') { Some(Action::CallTool) } else { Action::from_word(eid) }
}

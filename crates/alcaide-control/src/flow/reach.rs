//! What one source touched: a call's answer, a tool or an agent. The tasks that read it, what these did afterwards, which
//! of that took arguments from it, who received it, where it was stored and which tasks read it back.
//!
//! All of it is read from the ledger, by the calls that the projection knows: a page of source calls, the newest first,
//! each with the later calls of its task. A read-back is recorded where it makes a task untrusted that was not; a task
//! that had read strangers before leaves none.

use std::collections::{BTreeMap, HashMap, HashSet};

use alcaide_inventory::declare::Route;
use alcaide_inventory::fact::Effect;
use alcaide_inventory::id::{CallId, RouteId, TaskId, ToolId, UpstreamId};
use alcaide_inventory::{Actor, Moment, Name, Plan};
use alcaide_ledger::Ledger;
use alcaide_record::{ActionKind, Digest};
use alcaide_seal::digest::HmacKey;
use alcaide_store::Transaction;
use serde::{Deserialize, Serialize};

use super::facts::{CallFacts, acts};
use super::task::{FlowCall, TASK_CALLS_MAX};
use crate::by::{By, Operation};
use crate::calls;
use crate::error::{OfficeError, cut};
use crate::office::{Office, digest_of};
use crate::query::{Names, window};
use crate::view::{ActivityFilter, CallState, CallView, Cursor, Page, Paging};

/// Most calls that one answer reads back from the ledger; tasks past it say that there is more.
pub const REACH_CALLS_MAX: usize = 2_000;
/// Most calls of a store's servers that are looked through for read-backs.
const READ_BACKS_MAX: u32 = 1_000;
/// Calls of a page while they are looked through.
const PAGE: u32 = 200;

/// From where it goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReachOf {
    /// From one call's answer.
    Call(CallId),
    /// From everything that a tool answered.
    Tool(ToolId),
    /// From everything that an actor did.
    Actor(Actor),
}

/// What a source touched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reach {
    /// How many calls of the source this answer looks at.
    pub sources: u64,
    /// The tasks that read it, the newest first.
    pub tasks: Vec<ReachTask>,
    /// Who received something in these tasks after it was read, the most calls with arguments from it first.
    pub receivers: Vec<Receiver>,
    /// Where it can have been stored.
    pub stores: Vec<ReachStore>,
    /// Where older calls of the source go on.
    pub next: Option<Cursor>,
}

/// A task that read the source.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReachTask {
    /// The task.
    pub task: TaskId,
    /// Who acts in it.
    pub actor: Option<Actor>,
    /// Name of the actor in the plan in force.
    pub actor_name: Option<Name>,
    /// When it first read the source, of the calls that are looked at.
    pub since: Moment,
    /// The call with which it did.
    pub by: CallId,
    /// What it did or asked for afterwards, of what can have an effect, oldest first.
    pub calls: Vec<ReachCall>,
    /// Whether there are more calls than are looked at.
    pub more: bool,
}

/// A call after a source was read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReachCall {
    /// The call.
    #[serde(flatten)]
    pub flow: FlowCall,
    /// Whether it took arguments from the source.
    pub took: Took,
}

/// How a call's arguments come from a source.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Took {
    /// As far as is known they do not.
    No,
    /// From the answer of a call that took its own from there.
    Through,
    /// They were read from its answer.
    Directly,
}

/// Who received something.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Receiver {
    /// The tool, where it is declared.
    pub tool: Option<ToolId>,
    /// Its name in the plan in force, with its server: a server's own words.
    pub tool_name: Option<String>,
    /// The route.
    pub route: Option<RouteId>,
    /// Its name in the plan in force.
    pub route_name: Option<Name>,
    /// Where it was sent to.
    pub upstream: Option<UpstreamId>,
    /// Name of that in the plan in force.
    pub upstream_name: Option<Name>,
    /// What the tool does to the world, as declared in the plan in force.
    pub effect: Option<Effect>,
    /// Calls that were sent there.
    pub calls: u64,
    /// Of these, calls that took arguments from the source.
    pub took: u64,
}

/// A store that text was written into in which strangers can have had a part.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReachStore {
    /// Its keyed commitment, as the record has it.
    pub store: Digest,
    /// Its declared name, or that of the server that keeps it.
    pub name: Option<String>,
    /// The calls that wrote there, oldest first.
    pub written_by: Vec<CallId>,
    /// The calls with which other tasks read it back, oldest first.
    pub read_back: Vec<ReadBack>,
    /// Whether there can be more that read it back than were looked for.
    pub more: bool,
}

/// A task read back what was stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReadBack {
    /// The entry's call: the way to what that task did with it.
    pub call: CallId,
    /// The task.
    pub task: Option<TaskId>,
    /// Who acts in it.
    pub actor: Option<Actor>,
    /// Name of the actor in the plan in force.
    pub actor_name: Option<Name>,
    /// When.
    pub at: Moment,
}

impl Office {
    /// What a source touched, as of a page of its calls, newest first.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], [`OfficeError::Cursor`]; else what store and ledger say.
    pub async fn reach(
        &self,
        by: &By,
        of: ReachOf,
        since: Option<Moment>,
        paging: Paging,
    ) -> Result<Reach, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let (limit, before) = window(&paging)?;
        let (ledger, plan) = (self.0.ledger.clone(), self.current());
        let stores = Stores::of(&plan, &self.0.words);
        let read = move |tx: &Transaction<'_>| {
            let page = sources(tx, of, since, limit, before)?;
            let look =
                Look { tx, of, ledger: &ledger, plan: &plan, names: Names::of(&plan), stores: &stores };
            look.reach(page)
        };
        self.0.store.read(read).await
    }
}

impl Office {
    /// A tool as a source, by its server and its name or a pin of it.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`]; [`OfficeError::Tool`] where it is not declared: the record
    /// names its calls by their server alone.
    pub async fn reach_of_tool(&self, by: &By, server: &Name, tool: &str) -> Result<ReachOf, OfficeError> {
        let view = self.tool(by, server, tool).await?.tool;
        let undeclared = || OfficeError::Tool {
            tool: format!("{server}/{}", cut(tool)),
            why: "it is not declared, so the record does not tell its calls from others of its server",
        };
        view.id.map(ReachOf::Tool).ok_or_else(undeclared)
    }
}

/// The calls that are the source: those of which something was sent.
fn sources(
    tx: &Transaction<'_>,
    of: ReachOf,
    since: Option<Moment>,
    limit: u32,
    before: i64,
) -> Result<Page<CallView>, OfficeError> {
    let filter = match of {
        ReachOf::Call(call) => {
            let found = calls::find(tx, call)?.ok_or_else(|| OfficeError::unknown("call", &call))?;
            return Ok(Page { items: vec![found], next: None });
        }
        ReachOf::Tool(tool) => ActivityFilter { tool: Some(tool), since, ..ActivityFilter::default() },
        ReachOf::Actor(actor) => ActivityFilter { actor: Some(actor), since, ..ActivityFilter::default() },
    };
    calls::list(tx, &filter, limit, before)
}

struct Look<'a> {
    tx: &'a Transaction<'a>,
    of: ReachOf,
    ledger: &'a Ledger,
    plan: &'a Plan,
    names: Names,
    stores: &'a Stores,
}

impl Look<'_> {
    fn reach(&self, page: Page<CallView>) -> Result<Reach, OfficeError> {
        let sent: Vec<CallView> =
            page.items.into_iter().filter(|call| call.state != CallState::Refused).collect();
        let from: HashSet<CallId> = sent.iter().map(|call| call.call).collect();
        // The oldest of each task is met last and stays.
        let mut firsts: BTreeMap<u64, &CallView> = BTreeMap::new();
        let mut by_task: HashMap<TaskId, u64> = HashMap::new();
        for call in &sent {
            let (Some(task), Some(entry)) = (call.task, call.entries.first()) else { continue };
            if let Some(newer) = by_task.insert(task, *entry) {
                firsts.remove(&newer);
            }
            firsts.insert(*entry, call);
        }
        let mut budget = REACH_CALLS_MAX;
        let (mut tasks, mut receivers, mut written) = (Vec::new(), Receivers::default(), Vec::new());
        for call in firsts.values().rev() {
            let Some(task) = call.task else { continue };
            let done = self.task(task, call, &from, &mut budget)?;
            for (one, facts) in &done.acted {
                receivers.add(one, facts.upstream);
                written.extend(facts.plants.iter().map(|store| (*store, one.flow.call.clone())));
            }
            tasks.push(ReachTask {
                task,
                actor: call.actor,
                actor_name: self.names.name(call.actor.map(|actor| actor.to_string())),
                since: call.at,
                by: call.call,
                calls: done.acted.into_iter().map(|(one, _)| one).collect(),
                more: done.more,
            });
        }
        let receivers = receivers.all(self.plan);
        let stores = self.stored(written)?;
        let sources = u64::try_from(sent.len()).unwrap_or(u64::MAX);
        Ok(Reach { sources, tasks, receivers, stores, next: page.next })
    }

    /// What a task did from a call on.
    fn task(
        &self,
        task: TaskId,
        first: &CallView,
        from: &HashSet<CallId>,
        budget: &mut usize,
    ) -> Result<Done, OfficeError> {
        let filter = ActivityFilter { task: Some(task), since: Some(first.at), ..ActivityFilter::default() };
        let page = calls::list(self.tx, &filter, TASK_CALLS_MAX, i64::MAX)?;
        let mut more = page.next.is_some();
        let start = first.entries.first().copied().unwrap_or(0);
        let mut took: HashMap<CallId, Took> = from.iter().map(|call| (*call, Took::Directly)).collect();
        let mut acted = Vec::new();
        for mut call in page.items.into_iter().rev() {
            if call.entries.first().is_none_or(|entry| *entry < start) {
                continue;
            }
            if *budget == 0 {
                more = true;
                break;
            }
            *budget = budget.saturating_sub(1);
            let facts = CallFacts::of(self.ledger, &call.entries)?;
            let how = facts.sources().iter().filter_map(|source| took.get(source)).max().copied();
            let how = how.unwrap_or(Took::No);
            if how != Took::No {
                // Whoever reads its answer has it through this call.
                took.entry(call.call).or_insert(Took::Through);
            }
            // What an actor's own calls did, the actor touched; what was answered did not do the call that it answers.
            let own = how == Took::No && from.contains(&call.call) && !matches!(self.of, ReachOf::Actor(_));
            if !own && acts(self.plan, &call) {
                self.names.put(&mut call);
                acted.push((ReachCall { flow: FlowCall::new(self.plan, call, &facts), took: how }, facts));
            }
        }
        Ok(Done { acted, more })
    }

    /// Where text was written, and who read it back.
    fn stored(&self, written: Vec<(Digest, CallView)>) -> Result<Vec<ReachStore>, OfficeError> {
        let mut all: BTreeMap<Digest, Vec<CallView>> = BTreeMap::new();
        for (store, call) in written {
            all.entry(store).or_default().push(call);
        }
        let mut stores = Vec::with_capacity(all.len());
        for (store, mut calls) in all {
            calls.sort_by_key(|call| call.entries.first().copied());
            let known = self.stores.0.get(&store);
            let (read_back, more) = match (known, calls.first()) {
                (Some(known), Some(first)) => self.read_back(known, first, &calls)?,
                // Nobody knows which servers keep it.
                _ => (Vec::new(), true),
            };
            stores.push(ReachStore {
                store,
                name: known.map(|known| known.name.clone()),
                written_by: calls.iter().map(|call| call.call).collect(),
                read_back,
                more,
            });
        }
        Ok(stores)
    }

    fn read_back(
        &self,
        store: &Store,
        first: &CallView,
        writers: &[CallView],
    ) -> Result<(Vec<ReadBack>, bool), OfficeError> {
        let start = first.entries.first().copied().unwrap_or(0);
        let mut found = Vec::new();
        let mut left = READ_BACKS_MAX;
        let mut more = false;
        for (route, recall) in &store.recalls {
            let filter =
                ActivityFilter { route: Some(*route), since: Some(first.at), ..ActivityFilter::default() };
            let mut before = i64::MAX;
            loop {
                let page = calls::list(self.tx, &filter, PAGE.min(left), before)?;
                left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
                for call in page.items {
                    let method = call.action == Some(ActionKind::CallMethod);
                    let later = call.entries.first().is_some_and(|entry| *entry > start);
                    let own = writers.iter().any(|writer| writer.task == call.task);
                    if method && later && !own {
                        let facts = CallFacts::of(self.ledger, &call.entries)?;
                        if facts.name == Some(*recall) && facts.reads.is_some() {
                            found.push(call);
                        }
                    }
                }
                let Some(next) = page.next else { break };
                if left == 0 {
                    more = true;
                    break;
                }
                before = window(&Paging { limit: None, after: Some(next) })?.1;
            }
        }
        found.sort_by_key(|call| call.entries.first().copied());
        let told = |call: CallView| ReadBack {
            call: call.call,
            task: call.task,
            actor: call.actor,
            actor_name: self.names.name(call.actor.map(|actor| actor.to_string())),
            at: call.at,
        };
        Ok((found.into_iter().map(told).collect(), more))
    }
}

struct Done {
    acted: Vec<(ReachCall, CallFacts)>,
    more: bool,
}

/// Calls by where they were sent.
#[derive(Default)]
struct Receivers(BTreeMap<String, Receiver>);

impl Receivers {
    fn add(&mut self, one: &ReachCall, upstream: Option<UpstreamId>) {
        let call = &one.flow.call;
        // What was refused reached nobody.
        let Some(upstream) = upstream.filter(|_| call.state != CallState::Refused) else { return };
        let key = format!("{:?} {:?} {upstream}", call.tool, call.route);
        let known = self.0.entry(key).or_insert_with(|| Receiver {
            tool: call.tool,
            tool_name: call.tool_name.clone(),
            route: call.route,
            route_name: call.route_name.clone(),
            upstream: Some(upstream),
            upstream_name: None,
            effect: one.flow.effect,
            calls: 0,
            took: 0,
        });
        known.calls = known.calls.saturating_add(1);
        known.took = known.took.saturating_add(u64::from(one.took != Took::No));
    }

    fn all(self, plan: &Plan) -> Vec<Receiver> {
        let mut all: Vec<Receiver> = self.0.into_values().collect();
        for one in &mut all {
            let named = plan.upstreams.iter().find(|(_, placed)| Some(placed.id) == one.upstream);
            one.upstream_name = named.map(|(name, _)| name.clone());
        }
        all.sort_by_key(|one| (std::cmp::Reverse(one.took), std::cmp::Reverse(one.calls)));
        all
    }
}

/// What is known of stores: their names, and how a read-back at each of their servers is written in the record.
struct Stores(HashMap<Digest, Store>);

struct Store {
    name: String,
    recalls: Vec<(RouteId, Digest)>,
}

impl Stores {
    /// The stores of a plan, under the commitments that the gate makes of their names.
    fn of(plan: &Plan, key: &HmacKey) -> Self {
        let commit = |text: String| digest_of(key.mac(text.as_bytes()));
        let mut all = HashMap::new();
        for (name, route) in plan.routes.iter().filter(|(_, route)| matches!(route.spec, Route::Mcp(_))) {
            let recall = (route.id, commit(format!("{name}/session/recall")));
            let server = Store { name: name.to_string(), recalls: vec![recall] };
            all.insert(commit(format!("server/{name}")), server);
            let tools = plan.tools.iter().filter(|tool| tool.spec.server == *name);
            for store in tools.filter_map(|tool| tool.spec.facts.store.as_ref()) {
                let known = all
                    .entry(commit(format!("store/{store}")))
                    .or_insert_with(|| Store { name: store.to_string(), recalls: Vec::new() });
                if !known.recalls.contains(&recall) {
                    known.recalls.push(recall);
                }
            }
        }
        Self(all)
    }
}

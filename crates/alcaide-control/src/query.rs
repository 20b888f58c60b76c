//! What the office can be asked about the past: calls, usage, agents, orders, questions. Lists are newest first and go
//! on from a cursor; what happens meanwhile does not shift them.

use std::collections::BTreeMap;

use alcaide_inventory::{Actor, CallId, Moment, Name, Plan, ToolId};
use alcaide_store::rusqlite::{OptionalExtension as _, params};
use alcaide_store::{Transaction, rusqlite};

use crate::by::{By, Operation};
use crate::calls;
use crate::error::{OfficeError, cut};
use crate::office::Office;
use crate::place::name_in;
use crate::project::DAY_US;
use crate::sql::{from_json, int, nat, parsed};
use crate::view::{
    ActivityFilter, ActorState, AgentView, CallView, Cursor, OrderView, Page, Paging, UsageBy, UsageFilter,
    UsageView,
};

/// How many things a page has where nothing is said.
pub const PAGE_ITEMS: u32 = 50;
/// Most things of a page.
pub const PAGE_ITEMS_MAX: u32 = 200;
/// Most rows of usage that one answer has.
pub const USAGE_ROWS_MAX: u32 = 10_000;

impl Office {
    /// Calls, newest first.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Cursor`], or what the store says.
    pub async fn activity(
        &self,
        by: &By,
        filter: ActivityFilter,
        paging: Paging,
    ) -> Result<Page<CallView>, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let (limit, before) = window(&paging)?;
        let mut page = self.0.store.read(move |tx| calls::list(tx, &filter, limit, before)).await?;
        let names = Names::of(&self.current());
        page.items.iter_mut().for_each(|call| names.put(call));
        Ok(page)
    }

    /// One call.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], or what the store says.
    pub async fn call(&self, by: &By, call: CallId) -> Result<CallView, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let found = self.0.store.read(move |tx| calls::find(tx, call)).await?;
        let mut view = found.ok_or_else(|| OfficeError::unknown("call", &call))?;
        Names::of(&self.current()).put(&mut view);
        Ok(view)
    }

    /// Usage by day and one kind of thing, newest day first, the costliest of a day first; at most
    /// [`USAGE_ROWS_MAX`] rows.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], or what the store says.
    pub async fn usage(&self, by: &By, filter: UsageFilter) -> Result<Vec<UsageView>, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let names = Names::of(&self.current());
        let mut rows = self.0.store.read(move |tx| usage_rows(tx, &filter)).await?;
        for row in &mut rows {
            row.name = names.0.get(&row.id).cloned();
        }
        Ok(rows)
    }

    /// All agents of the plan in force, by name, with how they stand.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], or what the store says.
    pub async fn agents(&self, by: &By) -> Result<Vec<AgentView>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let plan = self.current();
        self.0
            .store
            .read(move |tx| plan.agents.iter().map(|(name, one)| agent(tx, name, one)).collect())
            .await
    }

    /// Orders that were given, newest first.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Cursor`], or what the store says.
    pub async fn orders(&self, by: &By, paging: Paging) -> Result<Page<OrderView>, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let (limit, before) = window(&paging)?;
        self.0.store.read(move |tx| orders_page(tx, limit, before)).await
    }
}

/// How many, and below which key.
pub(crate) fn window(paging: &Paging) -> Result<(u32, i64), OfficeError> {
    let limit = paging.limit.unwrap_or(PAGE_ITEMS).clamp(1, PAGE_ITEMS_MAX);
    let Some(cursor) = &paging.after else { return Ok((limit, i64::MAX)) };
    let wrong = || OfficeError::Cursor { given: cut(cursor.as_str()) };
    let number = cursor.as_str().strip_prefix('c').ok_or_else(wrong)?;
    let good = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let before = number.parse::<i64>().ok().filter(|_| good).ok_or_else(wrong)?;
    Ok((limit, before))
}

/// A page of rows of which one more than `limit` was asked for.
pub(crate) fn page<T>(mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> u64) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(|last| Cursor(format!("c{}", key(last)))) } else { None };
    Page { items, next }
}

fn usage_rows(tx: &Transaction<'_>, filter: &UsageFilter) -> Result<Vec<UsageView>, OfficeError> {
    let column = match filter.by {
        UsageBy::Actor => "actor",
        UsageBy::Subject => "subject",
        UsageBy::Unit => "unit",
        UsageBy::Route => "route",
    };
    let sql = format!(
        "SELECT day, {column}, sum(requests), sum(refused), sum(input), sum(cached_input), sum(output), \
         sum(cost_micros) FROM usage_day WHERE day >= ?1 AND day < ?2 GROUP BY day, {column} \
         ORDER BY day DESC, sum(cost_micros) DESC, {column} LIMIT ?3"
    );
    let day = |at: Moment| int(at.micros() / DAY_US * DAY_US);
    let mut select = tx.prepare(&sql)?;
    let range = params![filter.since.map_or(0, day), filter.until.map_or(i64::MAX, day), USAGE_ROWS_MAX];
    let rows = select.query_map(range, |row| {
        Ok(UsageView {
            day: Moment::from_micros(nat(row.get(0)?)),
            id: row.get(1)?,
            name: None,
            requests: nat(row.get(2)?),
            refused: nat(row.get(3)?),
            input: nat(row.get(4)?),
            cached_input: nat(row.get(5)?),
            output: nat(row.get(6)?),
            cost_micros: nat(row.get(7)?),
        })
    })?;
    Ok(rows.collect::<Result<_, rusqlite::Error>>()?)
}

fn agent(
    tx: &Transaction<'_>,
    name: &Name,
    one: &alcaide_inventory::plan::Placed<alcaide_inventory::AgentId, alcaide_inventory::declare::Agent>,
) -> Result<AgentView, OfficeError> {
    let key = Actor::Agent(one.id).to_string();
    let state = tx
        .prepare("SELECT epoch, killed FROM actor_state WHERE actor = ?1")?
        .query_row([&key], |row| Ok(ActorState { epoch: nat(row.get(0)?), killed: row.get(1)? }))
        .optional()?
        .unwrap_or_default();
    let last = calls::newest_of(tx, &key)?;
    let credentials = tx
        .prepare("SELECT count(*) FROM credential WHERE actor = ?1 AND entry IS NOT NULL")?
        .query_row([&key], |row| row.get(0))?;
    let spec = &one.spec;
    Ok(AgentView {
        id: one.id,
        name: name.clone(),
        unit: spec.unit.clone(),
        owner: spec.owner.clone(),
        sponsor: spec.sponsor.clone().unwrap_or_else(|| spec.owner.clone()),
        may: spec.may.clone(),
        standing: spec.standing,
        killed: state.killed,
        epoch: state.epoch,
        last_call: last.map(|at| Moment::from_micros(nat(at))),
        credentials,
    })
}

fn orders_page(tx: &Transaction<'_>, limit: u32, before: i64) -> Result<Page<OrderView>, OfficeError> {
    let sql = "SELECT entry, id, at, by, body FROM given_order WHERE entry < ?1 ORDER BY entry DESC LIMIT ?2";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query(params![before, i64::from(limit) + 1])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(order_of(row)?);
    }
    Ok(page(items, limit, |order| order.index))
}

/// Orders about routes, oldest first.
pub(crate) fn source_orders(tx: &Transaction<'_>) -> Result<Vec<OrderView>, OfficeError> {
    let sql = "SELECT entry, id, at, by, body FROM given_order \
               WHERE body LIKE '{\"quarantine_source\"%' OR body LIKE '{\"release_source\"%' ORDER BY entry";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(order_of(row)?);
    }
    Ok(items)
}

fn order_of(row: &rusqlite::Row<'_>) -> Result<OrderView, OfficeError> {
    let (id, by, body): (String, Option<String>, String) = (row.get(1)?, row.get(3)?, row.get(4)?);
    Ok(OrderView {
        index: nat(row.get(0)?),
        id: parsed("order", &id)?,
        at: Moment::from_micros(nat(row.get(2)?)),
        by: by.map(|by| parsed("order", &by)).transpose()?,
        order: from_json("order", &body)?,
    })
}

/// Names in the plan in force by id text: made once per answer.
pub(crate) struct Names(BTreeMap<String, Name>, BTreeMap<String, String>);

impl Names {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut names = BTreeMap::new();
        names.extend(plan.units.iter().map(|(name, one)| (one.id.to_string(), name.clone())));
        names.extend(plan.humans.iter().map(|(name, one)| (one.id.to_string(), name.clone())));
        names.extend(plan.agents.iter().map(|(name, one)| (one.id.to_string(), name.clone())));
        names.extend(plan.workloads.iter().map(|(name, one)| (one.id.to_string(), name.clone())));
        names.extend(plan.routes.iter().map(|(name, one)| (one.id.to_string(), name.clone())));
        let tools = plan
            .tools
            .iter()
            .map(|one| (one.id.to_string(), format!("{}/{}", one.spec.server, one.spec.name)));
        Self(names, tools.collect())
    }

    /// Name of a unit, person, agent, workload or route.
    pub(crate) fn name(&self, id: Option<String>) -> Option<Name> {
        id.and_then(|id| self.0.get(&id).cloned())
    }

    /// Name of a tool, with its server.
    pub(crate) fn tool(&self, id: Option<ToolId>) -> Option<String> {
        id.and_then(|id| self.1.get(&id.to_string()).cloned())
    }

    /// Puts the names beside the ids of a call.
    pub(crate) fn put(&self, call: &mut CallView) {
        let name = |id| self.name(id);
        call.actor_name = name(call.actor.map(|id| id.to_string()));
        call.subject_name = name(call.subject.map(|id| id.to_string()));
        call.route_name = name(call.route.map(|id| id.to_string()));
        call.tool_name = self.tool(call.tool);
    }
}

impl Office {
    /// Name of a route in the plan in force, for messages.
    #[must_use]
    pub fn route_name(&self, id: alcaide_inventory::RouteId) -> Option<Name> {
        name_in(&self.current().routes, &id)
    }
}

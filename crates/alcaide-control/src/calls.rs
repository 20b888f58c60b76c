//! How calls lie in the store. A row each, written for every call that passes, so it is small: what calls are looked for
//! by stands in columns, as numbers of terms; the rest as JSON without what is empty.
//!
//! A term is the text of an id, kept once: agents, people, units, tasks, runs, routes and tools come again and again.

use std::collections::HashMap;

use alcaide_inventory::id::{ApprovalId, PolicyId, RouteId, RunId, TaskId, ToolId, UnitId};
use alcaide_inventory::{Actor, CallId, PlanNumber};
use alcaide_record::{ActionKind, DecisionKind, End, Stage, Usage};
use alcaide_store::Transaction;
use alcaide_store::rusqlite::types::Value;
use alcaide_store::rusqlite::{Connection, OptionalExtension as _, Row, Statement, params, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::error::OfficeError;
use crate::query::page;
use crate::sql::{actor, from_json, moment, nat, parsed, to_json};
use crate::view::{ActivityFilter, CallState, CallView, Page};

/// Writes the rows of calls within one transaction.
pub(crate) struct Calls<'t> {
    load: Statement<'t>,
    begin: Statement<'t>,
    go_on: Statement<'t>,
    terms: Terms<'t>,
    tx: &'t Connection,
}

impl<'t> Calls<'t> {
    pub(crate) fn within(tx: &'t Connection) -> Result<Self, OfficeError> {
        Ok(Self {
            load: tx.prepare(&format!("{SELECT} WHERE call = ?1"))?,
            begin: tx.prepare(BEGIN)?,
            go_on: tx.prepare(GO_ON)?,
            terms: Terms {
                find: tx.prepare("SELECT id FROM term WHERE text = ?1")?,
                add: tx.prepare("INSERT INTO term (text) VALUES (?1)")?,
                known: HashMap::new(),
            },
            tx,
        })
    }

    /// The key of a call's row, and the call.
    pub(crate) fn load(&mut self, call: CallId) -> Result<Option<(i64, CallView)>, OfficeError> {
        one(self.load.query([call.to_string()])?.next()?)
    }

    /// Writes the first row of a call; its key is the index of its first entry.
    pub(crate) fn begin(&mut self, key: i64, call: CallView) -> Result<(), OfficeError> {
        let [actor, subject, unit, task, run, route, tool] = self.terms.of(&call)?;
        let (id, at, state) = (call.call.to_string(), moment(call.at), call.state.as_str());
        let rest = to_json("call", &Rest::from(call))?;
        let row = params![key, id, at, actor, subject, unit, task, run, route, tool, state, rest];
        self.begin.execute(row)?;
        Ok(())
    }

    /// Writes how a call went on; what it is looked for by stands as it was.
    pub(crate) fn go_on(&mut self, key: i64, call: CallView) -> Result<(), OfficeError> {
        let state = call.state.as_str();
        self.go_on.execute(params![key, state, to_json("call", &Rest::from(call))?])?;
        Ok(())
    }

    /// Writes everything of a call anew.
    pub(crate) fn change(&mut self, key: i64, call: CallView) -> Result<(), OfficeError> {
        let [actor, subject, unit, task, run, route, tool] = self.terms.of(&call)?;
        let state = call.state.as_str();
        let rest = to_json("call", &Rest::from(call))?;
        let row = params![key, actor, subject, unit, task, run, route, tool, state, rest];
        self.tx.prepare(CHANGE)?.execute(row)?;
        Ok(())
    }
}

/// Numbers of terms, as they come up in one transaction.
struct Terms<'t> {
    find: Statement<'t>,
    add: Statement<'t>,
    known: HashMap<Term, i64>,
}

/// Something that has an id.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Term {
    Actor(Actor),
    Unit(UnitId),
    Task(TaskId),
    Run(RunId),
    Route(RouteId),
    Tool(ToolId),
}

impl Term {
    fn text(self) -> String {
        match self {
            Self::Actor(id) => id.to_string(),
            Self::Unit(id) => id.to_string(),
            Self::Task(id) => id.to_string(),
            Self::Run(id) => id.to_string(),
            Self::Route(id) => id.to_string(),
            Self::Tool(id) => id.to_string(),
        }
    }
}

impl Terms<'_> {
    /// Actor, subject, unit, task, run, route and tool of a call.
    fn of(&mut self, call: &CallView) -> Result<[Option<i64>; 7], OfficeError> {
        Ok([
            self.number(call.actor.map(Term::Actor))?,
            self.number(call.subject.map(Term::Actor))?,
            self.number(call.unit.map(Term::Unit))?,
            self.number(call.task.map(Term::Task))?,
            self.number(call.run.map(Term::Run))?,
            self.number(call.route.map(Term::Route))?,
            self.number(call.tool.map(Term::Tool))?,
        ])
    }

    fn number(&mut self, term: Option<Term>) -> Result<Option<i64>, OfficeError> {
        let Some(term) = term else { return Ok(None) };
        if let Some(number) = self.known.get(&term) {
            return Ok(Some(*number));
        }
        let text = term.text();
        let number = match self.find.query_row([&text], |row| row.get(0)).optional()? {
            Some(number) => number,
            None => self.add.insert([&text])?,
        };
        self.known.insert(term, number);
        Ok(Some(number))
    }
}

/// What of a call stands in no column.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Rest {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Actor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<ActionKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionKind>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<PolicyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    released_bytes: u64,
    attempts: u32,
    entries: Vec<u64>,
}

impl From<CallView> for Rest {
    fn from(call: CallView) -> Self {
        Self {
            earlier: call.earlier,
            action: call.action,
            decision: call.decision,
            policies: call.policies,
            plan: call.plan,
            approval: call.approval,
            code: call.code,
            stage: call.stage,
            status: call.status,
            end: call.end,
            usage: call.usage,
            duration_us: call.duration_us,
            released_bytes: call.released_bytes,
            attempts: call.attempts,
            entries: call.entries,
        }
    }
}

/// The call of a row that [`SELECT`] yields, with the row's key.
fn call_of(row: &Row<'_>) -> Result<(i64, CallView), OfficeError> {
    let text = |place: usize| row.get::<_, Option<String>>(place);
    let (id, state, rest): (String, String, String) = (row.get(1)?, row.get(10)?, row.get(11)?);
    let rest: Rest = from_json("call", &rest)?;
    let view = CallView {
        call: parsed("call", &id)?,
        state: CallState::of(&state).ok_or_else(|| OfficeError::row("call", &"its state has no meaning"))?,
        at: alcaide_inventory::Moment::from_micros(nat(row.get(2)?)),
        actor: text(3)?.map(|id| actor(&id)).transpose()?,
        actor_name: None,
        subject: text(4)?.map(|id| actor(&id)).transpose()?,
        subject_name: None,
        earlier: rest.earlier,
        unit: text(5)?.map(|id| parsed("call", &id)).transpose()?,
        task: text(6)?.map(|id| parsed("call", &id)).transpose()?,
        run: text(7)?.map(|id| parsed("call", &id)).transpose()?,
        action: rest.action,
        route: text(8)?.map(|id| parsed("call", &id)).transpose()?,
        route_name: None,
        tool: text(9)?.map(|id| parsed("call", &id)).transpose()?,
        tool_name: None,
        decision: rest.decision,
        policies: rest.policies,
        plan: rest.plan,
        approval: rest.approval,
        code: rest.code,
        stage: rest.stage,
        status: rest.status,
        end: rest.end,
        usage: rest.usage,
        duration_us: rest.duration_us,
        released_bytes: rest.released_bytes,
        attempts: rest.attempts,
        entries: rest.entries,
    };
    Ok((row.get(0)?, view))
}

fn one(row: Option<&Row<'_>>) -> Result<Option<(i64, CallView)>, OfficeError> {
    row.map(call_of).transpose()
}

/// One call.
pub(crate) fn find(tx: &Transaction<'_>, call: CallId) -> Result<Option<CallView>, OfficeError> {
    let mut select = tx.prepare(&format!("{SELECT} WHERE call = ?1"))?;
    let found = one(select.query([call.to_string()])?.next()?)?;
    Ok(found.map(|(_, call)| call))
}

/// When the newest call of an actor began, in microseconds.
pub(crate) fn newest_of(tx: &Transaction<'_>, actor: &str) -> Result<Option<i64>, OfficeError> {
    let sql =
        "SELECT at FROM call WHERE actor = (SELECT id FROM term WHERE text = ?1) ORDER BY entry DESC LIMIT 1";
    Ok(tx.prepare(sql)?.query_row([actor], |row| row.get(0)).optional()?)
}

/// Calls below the key `before`, newest first.
pub(crate) fn list(
    tx: &Transaction<'_>,
    filter: &ActivityFilter,
    limit: u32,
    before: i64,
) -> Result<Page<CallView>, OfficeError> {
    let mut sql = format!("{SELECT} WHERE entry < ?");
    let mut values = vec![Value::from(before)];
    let same = [
        ("actor", filter.actor.map(|id| id.to_string())),
        ("subject", filter.subject.map(|id| id.to_string())),
        ("unit", filter.unit.map(|id| id.to_string())),
        ("task", filter.task.map(|id| id.to_string())),
        ("run", filter.run.map(|id| id.to_string())),
        ("route", filter.route.map(|id| id.to_string())),
        ("tool", filter.tool.map(|id| id.to_string())),
    ];
    for (column, value) in same {
        if let Some(value) = value {
            // Column names are those above; values are bound.
            sql.push_str(" AND ");
            sql.push_str(column);
            sql.push_str(" = (SELECT id FROM term WHERE text = ?)");
            values.push(Value::from(value));
        }
    }
    if let Some(state) = filter.state {
        if state != CallState::Ended {
            // In the words of the index of calls that did not end well, so that it is used.
            sql.push_str(" AND state <> 'ended'");
        }
        sql.push_str(" AND state = ?");
        values.push(Value::from(state.as_str().to_owned()));
    }
    if let Some(since) = filter.since {
        sql.push_str(" AND at >= ?");
        values.push(Value::from(moment(since)));
    }
    if let Some(until) = filter.until {
        sql.push_str(" AND at < ?");
        values.push(Value::from(moment(until)));
    }
    sql.push_str(" ORDER BY entry DESC LIMIT ?");
    values.push(Value::from(i64::from(limit) + 1));
    let mut select = tx.prepare(&sql)?;
    let mut rows = select.query(params_from_iter(values))?;
    let mut items: Vec<(u64, CallView)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, call) = call_of(row)?;
        items.push((nat(key), call));
    }
    let Page { items, next } = page(items, limit, |(key, _)| *key);
    Ok(Page { items: items.into_iter().map(|(_, call)| call).collect(), next })
}

const SELECT: &str = "SELECT entry, call, at, \
    (SELECT text FROM term WHERE id = actor), (SELECT text FROM term WHERE id = subject), \
    (SELECT text FROM term WHERE id = unit), (SELECT text FROM term WHERE id = task), \
    (SELECT text FROM term WHERE id = run), (SELECT text FROM term WHERE id = route), \
    (SELECT text FROM term WHERE id = tool), state, rest FROM call";
// Not `INSERT OR REPLACE`: for that SQLite keeps a journal of each statement, in a file, with every page that it touches.
const BEGIN: &str = "INSERT INTO call (entry, call, at, actor, subject, unit, task, run, route, tool, state, rest) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const GO_ON: &str = "UPDATE call SET state = ?2, rest = ?3 WHERE entry = ?1";
const CHANGE: &str = "UPDATE call SET actor = ?2, subject = ?3, unit = ?4, task = ?5, run = ?6, route = ?7, tool = ?8, \
    state = ?9, rest = ?10 WHERE entry = ?1";

#[cfg(test)]
mod tests {
    use alcaide_inventory::Moment;
    use alcaide_inventory::id::{AgentId, HumanId};
    use alcaide_store::Store;

    use super::*;
    use crate::schema::MIGRATIONS;
    use crate::sql::{int, text_of};

    fn call(bits: u128, state: CallState) -> CallView {
        let ended = state == CallState::Ended;
        CallView {
            call: CallId::from_bits(bits),
            state,
            at: Moment::from_micros(1_000_000 + u64::try_from(bits).unwrap()),
            actor: Some(Actor::Agent(AgentId::from_bits(bits % 2))),
            actor_name: None,
            subject: Some(Actor::Human(HumanId::from_bits(7))),
            subject_name: None,
            earlier: if ended { vec![Actor::Human(HumanId::from_bits(7))] } else { Vec::new() },
            unit: Some(UnitId::from_bits(3)),
            task: Some(TaskId::from_bits(bits)),
            run: None,
            action: Some(ActionKind::UseModel),
            route: Some(RouteId::from_bits(5)),
            route_name: None,
            tool: None,
            tool_name: None,
            decision: Some(DecisionKind::Allow),
            policies: vec![PolicyId::from_bits(1), PolicyId::from_bits(2)],
            plan: Some(PlanNumber(4)),
            approval: None,
            code: (state == CallState::Refused).then(|| "ALC-POLICY-0031".to_owned()),
            stage: (state == CallState::Refused).then_some(Stage::Decided),
            status: ended.then_some(200),
            end: ended.then_some(End::Complete),
            usage: ended.then(|| Usage { input: 3, output: 4, ..Usage::default() }),
            duration_us: ended.then_some(1_234),
            released_bytes: if ended { 99 } else { 0 },
            attempts: u32::from(ended),
            entries: vec![u64::try_from(bits).unwrap(), 100],
        }
    }

    fn all() -> Vec<CallView> {
        let states = [CallState::Ended, CallState::Refused, CallState::Unknown, CallState::Ended];
        (10..).zip(states).map(|(bits, state)| call(bits, state)).collect()
    }

    fn listed(store: &Store, filter: &ActivityFilter) -> Vec<CallView> {
        store.look(|tx| list(tx, filter, 50, i64::MAX)).unwrap().items
    }

    fn holds_all(store: &Store) {
        let newest_first: Vec<CallView> = all().into_iter().rev().collect();
        assert_eq!(listed(store, &ActivityFilter::default()), newest_first);
        let of = |keep: fn(&CallView) -> bool| -> Vec<CallView> {
            newest_first.iter().filter(|call| keep(call)).cloned().collect()
        };
        let actor = Some(Actor::Agent(AgentId::from_bits(1)));
        let filter = ActivityFilter { actor, ..ActivityFilter::default() };
        assert_eq!(listed(store, &filter), of(|call| call.call.bits() % 2 == 1));
        let filter = ActivityFilter { task: Some(TaskId::from_bits(12)), ..ActivityFilter::default() };
        assert_eq!(listed(store, &filter), of(|call| call.call.bits() == 12));
        let filter = ActivityFilter { task: Some(TaskId::from_bits(99)), ..ActivityFilter::default() };
        assert_eq!(listed(store, &filter), []);
        for state in [CallState::Ended, CallState::Refused, CallState::Unknown] {
            let filter = ActivityFilter { state: Some(state), ..ActivityFilter::default() };
            let found = listed(store, &filter);
            assert!(!found.is_empty() && found.iter().all(|call| call.state == state));
        }
        for call in all() {
            assert_eq!(store.look(|tx| find(tx, call.call)).unwrap(), Some(call));
        }
        let newest = store.look(|tx| newest_of(tx, &AgentId::from_bits(1).to_string())).unwrap();
        assert_eq!(newest, Some(1_000_013));
    }

    #[test]
    fn a_call_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(&dir.path().join("office.db"), MIGRATIONS).unwrap();
        let write = |tx: &Transaction<'_>| {
            let mut calls = Calls::within(tx)?;
            for call in all() {
                let key = int(call.entries[0]);
                let begun = CallView { state: CallState::Unknown, entries: Vec::new(), ..call.clone() };
                calls.begin(key, CallView { actor: None, route: None, ..begun })?;
                calls.change(key, CallView { entries: Vec::new(), ..call.clone() })?;
                calls.go_on(key, call.clone())?;
                assert_eq!(calls.load(call.call)?, Some((key, call)));
            }
            Ok::<_, OfficeError>(())
        };
        store.transaction(write).unwrap();
        holds_all(&store);
    }

    #[test]
    fn calls_of_the_wider_form_are_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("office.db");
        let (before, _) = MIGRATIONS.split_at(4);
        let store = Store::create(&path, before).unwrap();
        let write = |tx: &Transaction<'_>| {
            for call in all() {
                let row = params![
                    int(call.entries[0]),
                    call.call.to_string(),
                    moment(call.at),
                    text_of(call.actor),
                    text_of(call.subject),
                    text_of(call.unit),
                    text_of(call.task),
                    text_of(call.run),
                    text_of(call.route),
                    text_of(call.tool),
                    call.state.as_str(),
                    to_json("call", &call)?,
                ];
                let sql = "INSERT INTO call VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
                tx.execute(sql, row)?;
            }
            Ok::<_, OfficeError>(())
        };
        store.transaction(write).unwrap();
        drop(store);
        let store = Store::open(&path, MIGRATIONS).unwrap();
        store.check().unwrap();
        holds_all(&store);
    }
}

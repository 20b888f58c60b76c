//! What the follower makes of each entry: the projections. Each entry changes them once, in the transaction that also
//! moves the follower on, so that following again changes nothing.

use std::collections::{BTreeMap, HashMap};

use alcaide_inventory::{Actor, CallId, Moment, RouteId, UnitId};
use alcaide_record::{
    Entry, Event, Intent, Issued, OfficeAct, Order, OrderKind, Outcome, Refused, TokenKind, Usage,
};
use alcaide_store::rusqlite::{Connection, Statement, params};

use crate::approvals;
use crate::calls::Calls;
use crate::error::OfficeError;
use crate::models;
use crate::offers;
use crate::sql::{int, moment, nat, text_of, to_json, word};
use crate::view::{CallState, CallView};

/// Issued tokens are remembered this long after their end, in microseconds: one day, for questions about them.
const ISSUED_KEPT_US: u64 = 86_400_000_000;
/// Microseconds of a day.
pub(crate) const DAY_US: u64 = 86_400_000_000;

/// The index of the first entry that was not followed yet.
pub(crate) fn next(tx: &Connection) -> Result<u64, OfficeError> {
    Ok(nat(tx.query_row("SELECT next FROM follower", [], |row| row.get(0))?))
}

pub(crate) fn moved(tx: &Connection, next: u64) -> Result<(), OfficeError> {
    tx.execute("UPDATE follower SET next = ?1", [int(next)])?;
    Ok(())
}

/// Follows entries within one transaction.
///
/// A call's entries mostly come together: its row is read and written once for all of them, and what calls used is
/// added up before it is written ([`Following::finish`]).
pub(crate) struct Following<'t> {
    tx: &'t Connection,
    rows: Calls<'t>,
    add: Statement<'t>,
    calls: HashMap<CallId, Known>,
    counted: BTreeMap<Account, Counted>,
}

/// A call on its way into the store.
struct Known {
    /// Index of its first entry: the key of its row.
    key: i64,
    row: Row,
    call: CallView,
}

/// What has to be done with the row of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Row {
    /// There is none yet.
    New,
    /// It has gone on: what a call is looked for by stands as it was.
    GoesOn,
    /// Who or what it is about may have changed as well.
    Changed,
}

/// Whose use is counted together: day, actor, subject, unit, route.
type Account = (u64, Option<Actor>, Option<Actor>, Option<UnitId>, Option<RouteId>);

impl<'t> Following<'t> {
    pub(crate) fn within(tx: &'t Connection) -> Result<Self, OfficeError> {
        Ok(Self {
            tx,
            rows: Calls::within(tx)?,
            add: tx.prepare(ADD)?,
            calls: HashMap::new(),
            counted: BTreeMap::new(),
        })
    }

    /// Writes what was gathered.
    pub(crate) fn finish(mut self) -> Result<(), OfficeError> {
        let mut calls: Vec<Known> = self.calls.drain().map(|(_, known)| known).collect();
        // In the order of their keys, rows and most index entries are added at the end of their pages.
        calls.sort_unstable_by_key(|known| known.key);
        for Known { key, row, call } in calls {
            match row {
                Row::New => self.rows.begin(key, call)?,
                Row::GoesOn => self.rows.go_on(key, call)?,
                Row::Changed => self.rows.change(key, call)?,
            }
        }
        for ((day, actor, subject, unit, route), more) in &self.counted {
            self.add.execute(params![
                int(*day),
                text_of(*actor).unwrap_or_default(),
                text_of(*subject).unwrap_or_default(),
                text_of(*unit).unwrap_or_default(),
                text_of(*route).unwrap_or_default(),
                int(more.requests),
                int(more.refused),
                int(more.usage.input),
                int(more.usage.cached_input),
                int(more.usage.output),
                int(more.usage.cost_micros),
            ])?;
        }
        Ok(())
    }

    /// Follows one entry.
    pub(crate) fn follow(&mut self, index: u64, entry: &Entry) -> Result<(), OfficeError> {
        follow(self, index, entry)
    }
}

fn follow(on: &mut Following<'_>, index: u64, entry: &Entry) -> Result<(), OfficeError> {
    let tx = on.tx;
    models::follow(tx, index, entry)?;
    match &entry.event {
        Event::Planned(planned) => {
            let fits = "UPDATE plan SET entry = ?1 WHERE number = ?2 AND digest = ?3 AND entry IS NULL";
            let changed =
                tx.execute(fits, params![int(index), int(planned.number.0), planned.digest.to_string()])?;
            if changed == 1 {
                return Ok(());
            }
            let why = format!(
                "entry {index} brings plan {} into force, which the store does not hold",
                planned.number
            );
            Err(OfficeError::Diverged { why })
        }
        Event::Enrolled(enrolled) => {
            let sql = "UPDATE credential SET entry = ?1 WHERE id = ?2 AND key = ?3";
            let changed = tx.execute(
                sql,
                params![int(index), enrolled.credential.to_string(), enrolled.key.to_string()],
            )?;
            if changed == 1 {
                return Ok(());
            }
            let why =
                format!("entry {index} enrols `{}`, which the store does not hold", enrolled.credential);
            Err(OfficeError::Diverged { why })
        }
        Event::Issued(issued) => follow_issued(tx, index, entry.at, issued),
        Event::Order(order) => follow_order(tx, index, entry.at, order),
        Event::Office(OfficeAct::CredentialRemoved { credential, .. }) => {
            tx.execute("DELETE FROM credential WHERE id = ?1", [credential.to_string()])?;
            Ok(())
        }
        Event::Office(OfficeAct::Denied { by, code }) => {
            approvals::answer_refused(tx, (index, entry.at), *by, code)
        }
        Event::Intent(intent) => follow_intent(on, index, entry.at, intent),
        Event::Outcome(outcome) => follow_outcome(on, index, entry.at, outcome),
        Event::Offered(offered) => offers::follow(tx, index, entry.at, offered),
        Event::Refused(refused) => follow_refused(on, index, entry.at, refused),
        // Nothing is kept of the others: they are in the ledger.
        _ => Ok(()),
    }
}

fn follow_issued(tx: &Connection, index: u64, at: Moment, issued: &Issued) -> Result<(), OfficeError> {
    if issued.kind != TokenKind::Enrolment {
        let sql = "INSERT OR REPLACE INTO issued (token, kind, actor, subject, task, expires, entry) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        tx.prepare(sql)?.execute(params![
            issued.token.to_string(),
            word(&issued.kind)?,
            issued.actor.to_string(),
            issued.subject.to_string(),
            text_of(issued.task),
            moment(issued.expires),
            int(index),
        ])?;
    }
    let old = int(at.micros().saturating_sub(ISSUED_KEPT_US));
    tx.prepare("DELETE FROM issued WHERE expires < ?1")?.execute([old])?;
    Ok(())
}

fn follow_order(tx: &Connection, index: u64, at: Moment, order: &Order) -> Result<(), OfficeError> {
    tx.execute(
        "INSERT INTO given_order (entry, id, at, by, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            int(index),
            order.id.to_string(),
            moment(at),
            text_of(order.by),
            to_json("order", &order.order)?
        ],
    )?;
    match &order.order {
        OrderKind::Kill { actor, epoch } => {
            // An epoch never falls, in whatever order two gates gave it.
            tx.execute(
                "INSERT INTO actor_state (actor, epoch, killed, entry) VALUES (?1, ?2, 1, ?3) ON CONFLICT (actor) \
                 DO UPDATE SET epoch = max(epoch, excluded.epoch), killed = 1, entry = excluded.entry",
                params![actor.to_string(), int(*epoch), int(index)],
            )?;
            if let Actor::Human(human) = actor {
                crate::sessions::forget(tx, *human)?;
            }
        }
        OrderKind::Unkill { actor } => {
            tx.execute(
                "UPDATE actor_state SET killed = 0, entry = ?2 WHERE actor = ?1",
                params![actor.to_string(), int(index)],
            )?;
        }
        OrderKind::Revoke { token } => {
            // The last order counts: what was made from the token before it is as old at most.
            let sql = "INSERT INTO revoked (token, entry, at) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (token) DO UPDATE SET at = max(at, excluded.at)";
            tx.execute(sql, params![token.to_string(), int(index), moment(at)])?;
        }
        OrderKind::AcceptPin { pin, tool } => {
            tx.execute(
                "INSERT OR REPLACE INTO tool_pin (tool, pin, entry, quarantined) VALUES (?1, ?2, ?3, 0)",
                params![tool.to_string(), pin.to_string(), int(index)],
            )?;
        }
        OrderKind::Quarantine { tool } => {
            let sql = "UPDATE tool_pin SET quarantined = 1, entry = ?2 WHERE tool = ?1";
            tx.execute(sql, params![tool.to_string(), int(index)])?;
        }
        OrderKind::Approve { approval, digest, endorses, expires } => {
            approvals::answered(tx, (index, at), (*approval, order.by, true))?;
            approvals::approved(tx, index, at, (*approval, order.by, *digest, *expires), endorses)?;
        }
        OrderKind::Deny { approval } => {
            approvals::answered(tx, (index, at), (*approval, order.by, false))?;
            approvals::denied(tx, *approval)?;
        }
        _ => {}
    }
    Ok(())
}

fn follow_intent(on: &mut Following<'_>, index: u64, at: Moment, intent: &Intent) -> Result<(), OfficeError> {
    let mut known = load(on, intent.call)?.unwrap_or_else(|| Known::new(index, intent.call, at)).changed();
    let call = &mut known.call;
    let who = &intent.who;
    call.state = CallState::Unknown;
    call.actor = Some(who.actor);
    call.subject = Some(who.subject);
    call.earlier.clone_from(&who.earlier);
    call.unit = Some(who.unit);
    call.task = Some(who.task);
    call.run = who.run;
    call.action = Some(intent.action);
    call.route = intent.target.route;
    call.tool = intent.target.tool;
    call.decision = Some(intent.decided.decision);
    call.policies.clone_from(&intent.decided.policies);
    call.plan = Some(intent.decided.plan);
    call.approval = intent.decided.approval;
    call.attempts = call.attempts.max(intent.attempt.number);
    call.end = None;
    call.status = None;
    // A call that waited for people was refused until they answered.
    call.code = None;
    call.stage = None;
    approvals::spent(on.tx, index, &intent.effects)?;
    call.entries.push(index);
    add(on, at, &known.call, Counted { requests: 1, ..Counted::default() });
    save(on, known);
    Ok(())
}

fn follow_outcome(
    on: &mut Following<'_>,
    index: u64,
    at: Moment,
    outcome: &Outcome,
) -> Result<(), OfficeError> {
    // An outcome without its intent says nothing about whom; the gate never writes one, and the entry stays.
    let Some(mut known) = load(on, outcome.call)? else { return Ok(()) };
    let call = &mut known.call;
    call.state = CallState::Ended;
    call.status = outcome.status;
    call.end = Some(outcome.end);
    call.duration_us = Some(outcome.duration_us);
    call.released_bytes = call.released_bytes.saturating_add(outcome.released_bytes);
    call.usage = match (call.usage, outcome.usage) {
        (Some(before), Some(now)) => Some(Usage {
            cached_input: before.cached_input.saturating_add(now.cached_input),
            cost_micros: before.cost_micros.saturating_add(now.cost_micros),
            estimated: before.estimated || now.estimated,
            input: before.input.saturating_add(now.input),
            output: before.output.saturating_add(now.output),
        }),
        (before, now) => now.or(before),
    };
    call.entries.push(index);
    if let Some(usage) = outcome.usage {
        add(on, at, &known.call, Counted { usage, ..Counted::default() });
    }
    save(on, known);
    Ok(())
}

fn follow_refused(
    on: &mut Following<'_>,
    index: u64,
    at: Moment,
    refused: &Refused,
) -> Result<(), OfficeError> {
    let mut known = load(on, refused.call)?.unwrap_or_else(|| Known::new(index, refused.call, at)).changed();
    let call = &mut known.call;
    call.state = CallState::Refused;
    if let Some(who) = &refused.who {
        call.actor = Some(who.actor);
        call.subject = Some(who.subject);
        call.earlier.clone_from(&who.earlier);
        call.unit = Some(who.unit);
        call.task = Some(who.task);
        call.run = who.run;
    }
    call.action = refused.action.or(call.action);
    if let Some(target) = &refused.target {
        call.route = target.route;
        call.tool = target.tool;
    }
    if let Some(decided) = &refused.decided {
        call.decision = Some(decided.decision);
        call.policies.clone_from(&decided.policies);
        call.plan = Some(decided.plan);
    }
    call.approval = refused.approval;
    call.code = Some(refused.code.clone());
    call.stage = Some(refused.stage);
    call.entries.push(index);
    if refused.question.is_none() {
        // What is asked is not refused yet: how the call came out is told by an entry of its own.
        add(on, at, &known.call, Counted { refused: 1, ..Counted::default() });
    }
    save(on, known);
    approvals::asked(on.tx, index, at, refused)
}

fn blank(call: CallId, at: Moment) -> CallView {
    CallView {
        call,
        state: CallState::Unknown,
        at,
        actor: None,
        actor_name: None,
        subject: None,
        subject_name: None,
        earlier: Vec::new(),
        unit: None,
        task: None,
        run: None,
        action: None,
        route: None,
        route_name: None,
        tool: None,
        tool_name: None,
        decision: None,
        policies: Vec::new(),
        plan: None,
        approval: None,
        code: None,
        stage: None,
        status: None,
        end: None,
        usage: None,
        duration_us: None,
        released_bytes: 0,
        attempts: 0,
        entries: Vec::new(),
    }
}

impl Known {
    fn new(index: u64, call: CallId, at: Moment) -> Self {
        Self { key: int(index), row: Row::New, call: blank(call, at) }
    }

    fn changed(mut self) -> Self {
        if self.row == Row::GoesOn {
            self.row = Row::Changed;
        }
        self
    }
}

/// The call as it is known so far; whoever takes it saves it again.
fn load(on: &mut Following<'_>, call: CallId) -> Result<Option<Known>, OfficeError> {
    if let Some(known) = on.calls.remove(&call) {
        return Ok(Some(known));
    }
    let found = on.rows.load(call)?;
    Ok(found.map(|(key, call)| Known { key, row: Row::GoesOn, call }))
}

fn save(on: &mut Following<'_>, known: Known) {
    on.calls.insert(known.call.call, known);
}

const ADD: &str = "INSERT INTO usage_day \
    (day, actor, subject, unit, route, requests, refused, input, cached_input, output, cost_micros) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
    ON CONFLICT (day, actor, subject, unit, route) DO UPDATE SET \
    requests = requests + excluded.requests, refused = refused + excluded.refused, \
    input = input + excluded.input, cached_input = cached_input + excluded.cached_input, \
    output = output + excluded.output, cost_micros = cost_micros + excluded.cost_micros";

#[derive(Default)]
struct Counted {
    requests: u64,
    refused: u64,
    usage: Usage,
}

fn add(on: &mut Following<'_>, at: Moment, call: &CallView, more: Counted) {
    let account = (at.micros() / DAY_US * DAY_US, call.actor, call.subject, call.unit, call.route);
    let sum = on.counted.entry(account).or_default();
    sum.requests = sum.requests.saturating_add(more.requests);
    sum.refused = sum.refused.saturating_add(more.refused);
    sum.usage.input = sum.usage.input.saturating_add(more.usage.input);
    sum.usage.cached_input = sum.usage.cached_input.saturating_add(more.usage.cached_input);
    sum.usage.output = sum.usage.output.saturating_add(more.usage.output);
    sum.usage.cost_micros = sum.usage.cost_micros.saturating_add(more.usage.cost_micros);
}

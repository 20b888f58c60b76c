//! What an agent's rights are used for: grants that nothing used, what was used and how often, and questions that people
//! always answer in one way. A question that is always answered with yes can become a policy, a grant that nothing used
//! can go.

use std::collections::BTreeMap;

use alcaide_inventory::declare::{Grant, Pattern};
use alcaide_inventory::id::{AgentId, RouteId, ToolId};
use alcaide_inventory::{Actor, Moment, Name, Plan};
use alcaide_record::ActionKind;
use alcaide_store::Transaction;
use alcaide_store::rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::Office;
use crate::query::Names;
use crate::sql::{from_json, int, moment, nat, parsed};

/// Most calls of an agent that a report counts: the newest.
pub const REPORT_CALLS_MAX: u32 = 100_000;
/// Most questions of an agent that a report counts: the newest.
pub const REPORT_QUESTIONS_MAX: u32 = 10_000;
/// How many answers make a habit.
pub const HABIT_MIN: u64 = 3;

/// What an agent's rights are used for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AgentReport {
    /// The agent.
    pub agent: AgentId,
    /// Its name.
    pub name: Name,
    /// Not before; from the beginning where it is not said.
    pub since: Option<Moment>,
    /// Each grant and how often it was used.
    pub grants: Vec<GrantUse>,
    /// What was called, the most first.
    pub used: Vec<Use>,
    /// How questions about it were answered, the most asked first.
    pub asked: Vec<Asked>,
    /// Whether there were more calls or questions than are counted.
    pub more: bool,
}

/// A grant and how often it was used.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GrantUse {
    /// The grant.
    pub grant: Grant,
    /// Calls that were sent to what it names. Of a grant for one operation of a service, calls of the service: which
    /// operation it was, the projection does not tell.
    pub calls: u64,
}

/// What was called, and how often.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Use {
    /// What was done.
    pub action: Option<ActionKind>,
    /// By this route.
    pub route: Option<RouteId>,
    /// Its name in the plan in force.
    pub route_name: Option<Name>,
    /// With this tool.
    pub tool: Option<ToolId>,
    /// Its name in the plan in force, with its server: a server's own words.
    pub tool_name: Option<String>,
    /// Calls that were sent.
    pub sent: u64,
    /// Calls that were refused, or wait for an answer.
    pub refused: u64,
}

/// How questions about one thing were answered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Asked {
    /// By this route.
    pub route: Option<RouteId>,
    /// Its name in the plan in force.
    pub route_name: Option<Name>,
    /// With this tool.
    pub tool: Option<ToolId>,
    /// Its name in the plan in force, with its server: a server's own words.
    pub tool_name: Option<String>,
    /// Questions that somebody answered with yes and nobody with no.
    pub given: u64,
    /// Questions that were answered with no.
    pub denied: u64,
    /// Questions that nobody answered, or not yet.
    pub unanswered: u64,
    /// What always was answered, where that is a habit: at least [`HABIT_MIN`] answers, all the same.
    pub habit: Option<Habit>,
}

/// What people always answer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Habit {
    /// Yes.
    AlwaysGiven,
    /// No.
    AlwaysDenied,
}

impl Habit {
    const fn of(given: u64, denied: u64) -> Option<Self> {
        match (given, denied) {
            (HABIT_MIN.., 0) => Some(Self::AlwaysGiven),
            (0, HABIT_MIN..) => Some(Self::AlwaysDenied),
            _ => None,
        }
    }

    /// What follows from it, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlwaysGiven => {
                "always answered with yes: look whether anybody reads it, or permit it by a policy"
            }
            Self::AlwaysDenied => "always answered with no: forbid it, and nobody is asked any more",
        }
    }
}

impl Office {
    /// What an agent's rights are used for.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`] where the plan in force has no such agent; else what the
    /// store says.
    pub async fn agent_report(
        &self,
        by: &By,
        agent: AgentId,
        since: Option<Moment>,
    ) -> Result<AgentReport, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let plan = self.current();
        let found = plan.agents.iter().find(|(_, placed)| placed.id == agent);
        let Some((name, placed)) = found else { return Err(OfficeError::unknown("agent", &agent)) };
        let (name, grants) = (name.clone(), placed.spec.may.clone());
        let key = Actor::Agent(agent).to_string();
        let read = self
            .0
            .store
            .read(move |tx| Ok::<_, OfficeError>((used(tx, &key, since)?, asked(tx, &key, since)?)));
        let ((mut used, more_calls), (mut asked, more_questions)) = read.await?;
        let names = Names::of(&plan);
        for one in &mut used {
            one.route_name = names.name(one.route.map(|id| id.to_string()));
            one.tool_name = names.tool(one.tool);
        }
        for one in &mut asked {
            one.route_name = names.name(one.route.map(|id| id.to_string()));
            one.tool_name = names.tool(one.tool);
        }
        let grants = grants
            .into_iter()
            .map(|grant| GrantUse { calls: calls_of(&grant, &used, &plan), grant })
            .collect();
        Ok(AgentReport { agent, name, since, grants, used, asked, more: more_calls || more_questions })
    }
}

/// What was called, the most first; whether there was more.
fn used(tx: &Transaction<'_>, actor: &str, since: Option<Moment>) -> Result<(Vec<Use>, bool), OfficeError> {
    let sql = "SELECT action, (SELECT text FROM term WHERE id = route), (SELECT text FROM term WHERE id = tool), \
        sum(state <> 'refused'), sum(state = 'refused') FROM \
        (SELECT json_extract(rest, '$.action') AS action, route, tool, state FROM call \
         WHERE actor = (SELECT id FROM term WHERE text = ?1) AND at >= ?2 ORDER BY entry DESC LIMIT ?3) \
        GROUP BY action, route, tool ORDER BY count(*) DESC, action, route, tool";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query(params![actor, since.map_or(0, moment), REPORT_CALLS_MAX])?;
    let (mut all, mut counted) = (Vec::new(), 0_u64);
    while let Some(row) = rows.next()? {
        let text = |at: usize| row.get::<_, Option<String>>(at);
        let (sent, refused) = (nat(row.get(3)?), nat(row.get(4)?));
        counted = counted.saturating_add(sent).saturating_add(refused);
        all.push(Use {
            action: text(0)?.map(|word| from_json("action", &format!("\"{word}\""))).transpose()?,
            route: text(1)?.map(|id| parsed("call", &id)).transpose()?,
            route_name: None,
            tool: text(2)?.map(|id| parsed("call", &id)).transpose()?,
            tool_name: None,
            sent,
            refused,
        });
    }
    Ok((all, counted >= u64::from(REPORT_CALLS_MAX)))
}

/// How questions were answered, the most asked first; whether there were more.
fn asked(
    tx: &Transaction<'_>,
    actor: &str,
    since: Option<Moment>,
) -> Result<(Vec<Asked>, bool), OfficeError> {
    let sql = "SELECT (SELECT text FROM term WHERE id = call.route), (SELECT text FROM term WHERE id = call.tool), \
        CASE WHEN approval.state = 'denied' THEN 'denied' WHEN approval.spent IS NOT NULL \
        OR EXISTS (SELECT 1 FROM approval_yes WHERE approval_yes.approval = approval.id) THEN 'given' ELSE '' END \
        FROM approval JOIN call ON call.call = approval.call \
        WHERE call.actor = (SELECT id FROM term WHERE text = ?1) AND approval.at >= ?2 \
        ORDER BY approval.entry DESC LIMIT ?3";
    let mut select = tx.prepare(sql)?;
    let since = since.map_or(0, moment);
    let mut rows = select.query(params![actor, since, int(u64::from(REPORT_QUESTIONS_MAX))])?;
    let mut all: BTreeMap<(Option<String>, Option<String>), Asked> = BTreeMap::new();
    let mut counted = 0_u32;
    while let Some(row) = rows.next()? {
        counted = counted.saturating_add(1);
        let (route, tool): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
        let one = match all.entry((route, tool)) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let (route, tool) = new.key();
                let route = route.as_deref().map(|id| parsed("call", id)).transpose()?;
                let tool = tool.as_deref().map(|id| parsed("call", id)).transpose()?;
                let (route_name, tool_name, given, denied, unanswered, habit) = (None, None, 0, 0, 0, None);
                new.insert(Asked { route, route_name, tool, tool_name, given, denied, unanswered, habit })
            }
        };
        let answer: String = row.get(2)?;
        let count = match answer.as_str() {
            "given" => &mut one.given,
            "denied" => &mut one.denied,
            _ => &mut one.unanswered,
        };
        *count = count.saturating_add(1);
    }
    let mut all: Vec<Asked> = all.into_values().collect();
    for one in &mut all {
        one.habit = Habit::of(one.given, one.denied);
    }
    all.sort_by_key(|one| {
        std::cmp::Reverse(one.given.saturating_add(one.denied).saturating_add(one.unanswered))
    });
    Ok((all, counted >= REPORT_QUESTIONS_MAX))
}

/// Calls that were sent to what a grant names.
fn calls_of(grant: &Grant, used: &[Use], plan: &Plan) -> u64 {
    let fits = |pattern: &Pattern, name: Option<&str>| match pattern {
        Pattern::Any => true,
        Pattern::Exactly(wanted) => name == Some(wanted.as_str()),
    };
    let named = |one: &Use| {
        let route = one.route_name.as_ref().map(Name::as_str);
        match (one.action, grant) {
            (Some(ActionKind::UseModel), Grant::Model(model)) => fits(model, route),
            (Some(ActionKind::CallTool), Grant::Tool(server, tool)) => {
                let declared = plan.tools.iter().find(|known| Some(known.id) == one.tool);
                fits(server, route) && fits(tool, declared.map(|known| known.spec.name.as_str()))
            }
            (Some(ActionKind::CallApi), Grant::Api(service, _)) => fits(service, route),
            _ => false,
        }
    };
    used.iter().filter(|one| named(one)).fold(0, |sum, one| sum.saturating_add(one.sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_several_answers_that_are_all_the_same() {
        let habits =
            [(2, 0), (3, 0), (3, 1), (0, 3), (0, 2), (9, 9)].map(|(given, denied)| Habit::of(given, denied));
        let (yes, no) = (Some(Habit::AlwaysGiven), Some(Habit::AlwaysDenied));
        assert_eq!(habits, [None, yes, None, no, None, None]);
    }

    #[test]
    fn a_grant_counts_what_it_names() {
        let plan = Plan::default();
        let one = |action, route: &str, sent| Use {
            action: Some(action),
            route: None,
            route_name: Some(route.parse().unwrap()),
            tool: None,
            tool_name: None,
            sent,
            refused: 9,
        };
        let used = [
            one(ActionKind::UseModel, "small", 2),
            one(ActionKind::UseModel, "large", 3),
            one(ActionKind::CallTool, "files", 5),
            one(ActionKind::CallApi, "erp", 7),
        ];
        let count = |grant: &str| calls_of(&grant.parse().unwrap(), &used, &plan);
        assert_eq!([count("use:model/*"), count("use:model/small"), count("use:model/none")], [5, 2, 0]);
        // A tool that is not declared has no name here.
        assert_eq!(
            [count("use:tool/files/*"), count("use:tool/files/read"), count("use:tool/mail/*")],
            [5, 0, 0]
        );
        assert_eq!([count("use:api/erp/post"), count("use:api/crm")], [7, 0]);
    }
}

//! Who answers, how often and how fast: what a careless approver can do is bounded, and can be seen.
//!
//! Every answer is an order in the ledger, every question the entry that asks it; the follower keeps who answered what when
//! ([`follow`]). A yes past its hour's number is refused by the office and the refusal recorded; a no is always taken. A
//! restart resets nothing: counts are of entries.

use std::collections::BTreeMap;
use std::time::Duration;

use alcaide_inventory::declare::{Role, Route};
use alcaide_inventory::fact::{Effect as ToolEffect, Facts};
use alcaide_inventory::{ApprovalId, HumanId, Moment, Name, Plan};
use alcaide_record::{ActionKind, Event, OfficeAct, Target};
use alcaide_store::Transaction;
use alcaide_store::rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::Kept;
use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::Office;
use crate::sql::{from_json, int, moment, nat, parsed};

/// The time over which the yes of one person are counted.
pub const YES_SPAN: Duration = Duration::from_secs(60 * 60);
/// The highest limit that can be set.
pub const YES_MAX: u32 = 10_000;
/// An answer that came sooner than this was hardly thought about.
const FAST: Duration = Duration::from_secs(5);
/// From so many answers on it is told whether somebody answers fast.
const FAST_FROM: u64 = 5;
/// From this share of fast answers on somebody is warned about, in percent.
const FAST_PERCENT: u64 = 20;
/// Most answers of all people that are looked at for the table: the newest.
const ANSWERS_MAX: u32 = 100_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often one person says yes within [`YES_SPAN`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct YesLimits {
    /// To any question: 1 to [`YES_MAX`].
    pub per_hour: u32,
    /// To questions about money, credentials, or what cannot be undone: 1 to [`YES_MAX`].
    pub grave_per_hour: u32,
}

/// One of those who answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ApproverView {
    /// Who.
    pub human: HumanId,
    /// Name in the plan in force.
    pub name: Option<Name>,
    /// What they answered within the last hour.
    pub hour: AnswerCount,
    /// Within the last day.
    pub day: AnswerCount,
    /// Within the last week.
    pub week: AnswerCount,
    /// Median time from question to answer within the week, in milliseconds.
    pub median_ms: Option<u64>,
    /// Share of the week's answers that came within 5 seconds, in percent, rounded down.
    pub fast_percent: Option<u64>,
    /// Whether they answer so fast that they can hardly have looked.
    pub warning: bool,
    /// How many more yes they can say now, and how many of them to grave questions.
    pub left: YesLeft,
}

/// What somebody answered within a time.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct AnswerCount {
    /// Questions answered with yes.
    pub yes: u64,
    /// With no.
    pub no: u64,
    /// Yes to questions about money, credentials, or what cannot be undone.
    pub grave_yes: u64,
    /// Yes that the office refused because there were too many.
    pub refused: u64,
}

/// How many more yes somebody can say now.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct YesLeft {
    /// To any question.
    pub any: u64,
    /// To grave ones.
    pub grave: u64,
}

/// One answer, as it is kept.
struct Answered {
    human: HumanId,
    at: Moment,
    /// When the question was asked.
    asked: Moment,
    yes: bool,
    target: Option<Target>,
    action: Option<ActionKind>,
}

impl Answered {
    fn is_grave(&self, plan: &Plan) -> bool {
        is_grave(plan, self.action, self.target.as_ref())
    }
}

impl Office {
    /// Those who answer questions: what they answered, how fast, and what the office refused.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; else what the store says.
    pub async fn approvers(&self, by: &By) -> Result<Vec<ApproverView>, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let now = self.now();
        let since = now - WEEK;
        let read = self
            .0
            .store
            .read(move |tx| Ok::<_, OfficeError>((answers(tx, None, since)?, refusals(tx, since)?)));
        let (answers, refusals) = read.await?;
        Ok(table(&self.current(), &answers, &refusals, now, self.0.yes_limits))
    }

    /// Whether a person may say yes to all of these now; a refusal is recorded.
    pub(super) async fn is_tired(
        &self,
        human: HumanId,
        kept: &[&Kept],
        now: Moment,
    ) -> Result<(), OfficeError> {
        let since = now - YES_SPAN;
        let mut answers = self.0.store.read(move |tx| answers(tx, Some(human), since)).await?;
        let (plan, limits) = (self.current(), self.0.yes_limits);
        for one in kept {
            let grave = is_grave(&plan, one.action, one.target.as_ref());
            let Some(tired) = tired(&plan, &answers, grave, now, limits) else {
                let (target, action) = (one.target.clone(), one.action);
                answers.insert(0, Answered { human, at: now, asked: one.at, yes: true, target, action });
                continue;
            };
            let act = OfficeAct::Denied { by: Some(human), code: tired.code().to_owned() };
            // Refused in any case; what could not be recorded weighs more.
            self.record(Event::Office(act)).await?;
            return Err(tired);
        }
        Ok(())
    }
}

/// Whether a yes is one too many, newest answers first.
fn tired(
    plan: &Plan,
    answers: &[Answered],
    grave: bool,
    now: Moment,
    limits: YesLimits,
) -> Option<OfficeError> {
    let recent = |one: &&Answered| one.yes && now.since(one.at) < YES_SPAN;
    let full = |limit: u32, grave_only: bool| {
        let counted = answers.iter().filter(recent).filter(|one| !grave_only || one.is_grave(plan));
        // The oldest of the newest `limit`: once it is an hour old, there is room.
        let last = usize::try_from(limit).unwrap_or(usize::MAX).checked_sub(1)?;
        counted.map(|one| one.at).nth(last)
    };
    let of = |limit: u32, grave_only: bool| {
        full(limit, grave_only).map(|oldest| OfficeError::Tired {
            limit,
            grave: grave_only,
            again: oldest + YES_SPAN,
        })
    };
    let any = of(limits.per_hour, false);
    any.or_else(|| grave.then(|| of(limits.grave_per_hour, true)).flatten())
}

/// Whether what is asked about moves money, gives a credential or cannot be undone, as it is declared in the plan. What
/// nobody declared counts as the gravest; of a plain API the record says no operation, so its gravest counts.
fn is_grave(plan: &Plan, action: Option<ActionKind>, target: Option<&Target>) -> bool {
    let grave = |effect: ToolEffect| {
        matches!(effect, ToolEffect::Money | ToolEffect::Credential | ToolEffect::Destructive)
    };
    match (action, target) {
        (Some(ActionKind::CallTool), target) => {
            let id = target.and_then(|target| target.tool);
            let declared = id.and_then(|id| plan.tools.iter().find(|tool| tool.id == id));
            grave(declared.map_or(Facts::strictest().effect, |tool| tool.spec.facts.effect))
        }
        (Some(ActionKind::CallApi), target) => {
            let id = target.and_then(|target| target.route);
            let route = id.and_then(|id| plan.routes.values().find(|route| route.id == id));
            route.is_none_or(|route| match &route.spec {
                Route::Service(service) => service.operations.iter().any(|operation| grave(operation.effect)),
                _ => true,
            })
        }
        _ => false,
    }
}

fn table(
    plan: &Plan,
    answers: &[Answered],
    refusals: &[(HumanId, Moment)],
    now: Moment,
    limits: YesLimits,
) -> Vec<ApproverView> {
    let mut people: BTreeMap<HumanId, Vec<&Answered>> = BTreeMap::new();
    for placed in plan.humans.values().filter(|placed| placed.spec.roles.contains(&Role::Approver)) {
        people.entry(placed.id).or_default();
    }
    answers.iter().for_each(|one| people.entry(one.human).or_default().push(one));
    for (human, _) in refusals {
        people.entry(*human).or_default();
    }
    let mut all: Vec<ApproverView> = people
        .into_iter()
        .map(|(human, answers)| {
            let count = |within: Duration| AnswerCount {
                refused: number(
                    refusals.iter().filter(|(known, at)| *known == human && now.since(*at) < within).count(),
                ),
                ..counted(plan, &answers, now, within)
            };
            let (hour, day, week) = (count(YES_SPAN), count(DAY), count(WEEK));
            let mut waits: Vec<Duration> = answers.iter().map(|one| one.at.since(one.asked)).collect();
            waits.sort_unstable();
            let total = number(waits.len());
            let fast = number(waits.iter().filter(|wait| **wait < FAST).count());
            let median = waits.get(waits.len() / 2).copied();
            let fast_percent = fast.saturating_mul(100).checked_div(total);
            let slow = |percent: u64| percent < FAST_PERCENT;
            let left = |limit: u32, said: u64| u64::from(limit).saturating_sub(said);
            let any = left(limits.per_hour, hour.yes);
            ApproverView {
                human,
                name: plan.humans.iter().find(|(_, placed)| placed.id == human).map(|(name, _)| name.clone()),
                hour,
                day,
                week,
                median_ms: median.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                fast_percent,
                warning: total >= FAST_FROM
                    && (median.is_some_and(|wait| wait < FAST) || !fast_percent.is_none_or(slow)),
                left: YesLeft { any, grave: left(limits.grave_per_hour, hour.grave_yes).min(any) },
            }
        })
        .collect();
    all.sort_by(|one, other| (&one.name, one.human).cmp(&(&other.name, other.human)));
    all
}

fn counted(plan: &Plan, answers: &[&Answered], now: Moment, within: Duration) -> AnswerCount {
    let mut count = AnswerCount::default();
    for one in answers.iter().filter(|one| now.since(one.at) < within) {
        let (yes, grave) = (u64::from(one.yes), u64::from(one.yes && one.is_grave(plan)));
        count.yes = count.yes.saturating_add(yes);
        count.no = count.no.saturating_add(1_u64.saturating_sub(yes));
        count.grave_yes = count.grave_yes.saturating_add(grave);
    }
    count
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Answers since a moment, the newest first; of one person, or of all.
fn answers(
    tx: &Transaction<'_>,
    human: Option<HumanId>,
    since: Moment,
) -> Result<Vec<Answered>, OfficeError> {
    let sql = "SELECT answer.human, answer.at, approval.at, answer.yes, approval.target, approval.action \
               FROM answer JOIN approval ON approval.id = answer.approval \
               WHERE answer.at > ?1 AND (?2 IS NULL OR answer.human = ?2) \
               ORDER BY answer.at DESC, answer.entry DESC LIMIT ?3";
    let mut select = tx.prepare(sql)?;
    let human = human.map(|human| human.to_string());
    let mut rows = select.query(params![moment(since), human, ANSWERS_MAX])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let maybe = |at: usize| row.get::<_, Option<String>>(at);
        all.push(Answered {
            human: parsed("answer", &row.get::<_, String>(0)?)?,
            at: Moment::from_micros(nat(row.get(1)?)),
            asked: Moment::from_micros(nat(row.get(2)?)),
            yes: row.get(3)?,
            target: maybe(4)?.map(|target| from_json("target", &target)).transpose()?,
            action: maybe(5)?.map(|word| from_json("action", &format!("\"{word}\""))).transpose()?,
        });
    }
    Ok(all)
}

fn refusals(tx: &Transaction<'_>, since: Moment) -> Result<Vec<(HumanId, Moment)>, OfficeError> {
    let mut select =
        tx.prepare("SELECT human, at FROM answer_refused WHERE at > ?1 ORDER BY entry DESC LIMIT ?2")?;
    let mut rows = select.query(params![moment(since), ANSWERS_MAX])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let human = parsed("answer", &row.get::<_, String>(0)?)?;
        all.push((human, Moment::from_micros(nat(row.get(1)?))));
    }
    Ok(all)
}

/// The follower: a person's answer.
pub(crate) fn follow(
    tx: &Connection,
    (index, at): (u64, Moment),
    (approval, by, yes): (ApprovalId, Option<HumanId>, bool),
) -> Result<(), OfficeError> {
    let Some(human) = by else { return Ok(()) };
    tx.execute(
        "INSERT INTO answer (entry, approval, human, at, yes) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![int(index), approval.to_string(), human.to_string(), moment(at), yes],
    )?;
    Ok(())
}

/// The follower: something that somebody was not allowed to.
pub(crate) fn refused(
    tx: &Connection,
    (index, at): (u64, Moment),
    by: Option<HumanId>,
    code: &str,
) -> Result<(), OfficeError> {
    let Some(human) = by.filter(|_| code == OfficeError::TIRED) else { return Ok(()) };
    tx.execute(
        "INSERT INTO answer_refused (entry, human, at) VALUES (?1, ?2, ?3)",
        params![int(index), human.to_string(), moment(at)],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::id::ToolId;
    use alcaide_record::Digest;
    use proptest::prelude::*;

    use super::*;

    const NOW: Moment = Moment::from_secs(1_795_000_000);
    const LIMITS: YesLimits = YesLimits { per_hour: 4, grave_per_hour: 2 };

    /// An answer so long ago, after so long; about a model, or about a tool that nobody declared, which is grave.
    fn answer(ago: u64, after_ms: u64, yes: bool, grave: bool) -> Answered {
        let at = NOW - Duration::from_secs(ago);
        Answered {
            human: HumanId::from_bits(1),
            at,
            asked: at - Duration::from_millis(after_ms),
            yes,
            target: Some(Target { name: Digest([1; 32]), route: None, tool: Some(ToolId::from_bits(9)) }),
            action: Some(if grave { ActionKind::CallTool } else { ActionKind::UseModel }),
        }
    }

    fn again(answers: &[Answered], grave: bool) -> Option<(u32, bool, Moment)> {
        match tired(&Plan::default(), answers, grave, NOW, LIMITS) {
            Some(OfficeError::Tired { limit, grave, again }) => Some((limit, grave, again)),
            Some(other) => panic!("{other}"),
            None => None,
        }
    }

    #[test]
    fn a_yes_too_many_is_told_with_the_time_at_which_the_next_is_taken() {
        let plain = |ago| answer(ago, 9_000, true, false);
        let grave = |ago| answer(ago, 9_000, true, true);
        let three = [plain(10), plain(20), answer(25, 9_000, false, false), plain(30)];
        assert_eq!(again(&three, true), None);
        let four = [plain(10), plain(20), plain(30), plain(3_599), plain(3_600)];
        assert_eq!(again(&four, false), Some((4, false, NOW + Duration::from_secs(1))));
        let two = [grave(10), plain(20), grave(30), grave(4_000)];
        assert_eq!(again(&two, false), None, "what is not grave has room yet");
        assert_eq!(again(&two, true), Some((2, true, NOW + YES_SPAN - Duration::from_secs(30))));
    }

    #[test]
    fn the_table_says_who_answers_how_often_and_how_fast() {
        let answers = [
            answer(10, 900, true, true),
            answer(70, 60_000, false, false),
            answer(4_000, 8_000, true, false),
            answer(90_000, 9_000, true, true),
            answer(100_000, 7_000, true, false),
        ];
        let refusals = [(HumanId::from_bits(1), NOW - Duration::from_secs(5)), (HumanId::from_bits(2), NOW)];
        let table = table(&Plan::default(), &answers, &refusals, NOW, LIMITS);
        let [one, other] = table.as_slice() else { panic!("{table:?}") };
        let count = |yes, no, grave_yes, refused| AnswerCount { yes, no, grave_yes, refused };
        assert_eq!((one.hour, one.day, one.week), (count(1, 1, 1, 1), count(2, 1, 1, 1), count(4, 1, 2, 1)));
        assert_eq!((one.median_ms, one.fast_percent, one.warning), (Some(8_000), Some(20), true));
        assert_eq!(one.left, YesLeft { any: 3, grave: 1 });
        assert_eq!((other.week, other.median_ms, other.warning), (count(0, 0, 0, 1), None, false));
        // Four answers are too few to tell, however fast.
        let few: Vec<Answered> = (1..5).map(|ago| answer(ago, 1, true, false)).collect();
        let told = super::table(&Plan::default(), &few, &[], NOW, LIMITS);
        assert_eq!((told[0].fast_percent, told[0].warning, told[0].left.any), (Some(100), false, 0));
    }

    proptest! {
        #[test]
        fn no_hour_has_more_yes_than_the_limits(steps in prop::collection::vec((0_u64..1_500, any::<bool>()), 1..80)) {
            let (mut now, mut answers) = (NOW, Vec::<Answered>::new());
            for (gap, grave) in steps {
                now = now + Duration::from_secs(gap);
                match tired(&Plan::default(), &answers, grave, now, LIMITS) {
                    None => answers.insert(0, Answered { at: now, ..answer(0, 9_000, true, grave) }),
                    Some(OfficeError::Tired { again, .. }) => {
                        prop_assert!(again > now && now + YES_SPAN >= again);
                    }
                    Some(other) => panic!("{other}"),
                }
                let hour = answers.iter().filter(|one| now.since(one.at) < YES_SPAN);
                let grave = hour.clone().filter(|one| one.is_grave(&Plan::default())).count();
                prop_assert!(hour.count() <= 4 && grave <= 2);
            }
        }
    }
}

//! Questions of the gate: a call waits for people to say yes or no.

use std::time::{Duration, Instant};

use alcaide_control::{
    AnswerCount, ApprovalState, ApprovalView, ApproverView, Batch, Decision, Decisive, DecisiveValue,
    FoldedQuestions, OrderView, Origins, Page, QuestionView, Queue,
};
use clap::Subcommand;
use serde_json::json;

use super::plan::Paged;
use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::fail::Failure;
use crate::show::or_dash;

/// How often `wait` looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `alcaide approval …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List questions, newest first
    #[command(after_help = "Example: alcaide approval list")]
    List {
        #[command(flatten)]
        paged: Paged,
    },
    /// Show one question: what is asked, of whom, who has answered, and where the call's arguments come from
    #[command(after_help = "Example: alcaide approval show apr_01jd9z0000000000000000000")]
    Show {
        /// Id of the question
        id: String,
    },
    /// Answer a question with yes, as a person: the operator of the machine is nobody in particular and may not
    #[command(
        after_help = "Example: alcaide approval approve apr_01jd9z0000000000000000000 --url http://127.0.0.1:7101"
    )]
    Approve {
        /// Id of the question
        #[arg(required_unless_present = "task")]
        id: Option<String>,
        /// In place of one question, all that are open in this task and that you can answer: all of them or none
        #[arg(long, value_name = "TASK", conflicts_with_all = ["id", "endorse"])]
        task: Option<String>,
        /// Say of the value at this JSON pointer of the arguments that it is right for the task: from then on it decides
        /// without a question, in this task alone (may be given several times)
        #[arg(long, value_name = "POINTER")]
        endorse: Vec<String>,
        /// Say so of every value that can be endorsed
        #[arg(long, conflicts_with = "endorse")]
        endorse_all: bool,
    },
    /// Answer a question with no
    #[command(after_help = "Example: alcaide approval deny apr_01jd9z0000000000000000000")]
    Deny {
        /// Id of the question
        #[arg(required_unless_present = "task")]
        id: Option<String>,
        /// In place of one question, all that are open in this task and that you can answer: all of them or none
        #[arg(long, value_name = "TASK", conflicts_with = "id")]
        task: Option<String>,
    },
    /// List open questions, task by task, with repeats folded and, for whoever may answer, the values that decide
    #[command(after_help = "Example: alcaide approval queue --url http://127.0.0.1:7101")]
    Queue,
    /// Who answers questions: how often, how fast, and what was refused because it was too often
    #[command(after_help = "Example: alcaide approval approvers --json")]
    Approvers,
    /// Wait until a question is answered or over; ends with 0 if the call may pass or has passed, else with 1
    #[command(after_help = "Example: alcaide approval wait apr_01jd9z0000000000000000000 --timeout 60")]
    Wait {
        /// Id of the question
        id: String,
        /// Longest wait, in seconds; a question lives no longer than 15 minutes
        #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(0..=3_600))]
        timeout: u64,
    },
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::List { paged } => list(desk, &paged).await,
            Self::Show { id } => {
                show(desk, &read(desk, &id).await?)?;
                Ok(Exit::Clean)
            }
            Self::Approve { id, task, endorse, endorse_all } => {
                answer(desk, (id, task), Decision::Approve, (endorse, endorse_all)).await
            }
            Self::Deny { id, task } => answer(desk, (id, task), Decision::Deny, (vec![], false)).await,
            Self::Queue => queue(desk).await,
            Self::Approvers => approvers(desk).await,
            Self::Wait { id, timeout } => wait(desk, &id, Duration::from_secs(timeout)).await,
        }
    }
}

async fn list(desk: &Desk, paged: &Paged) -> Result<Exit, Failure> {
    let page: Page<ApprovalView> =
        desk.client()?.get(&format!("/api/v1/approvals{}", paged.query(&[]))).await?;
    desk.out.show(&page, || {
        let row = |one: &ApprovalView| {
            vec![
                one.id.to_string(),
                word(one.state).into(),
                one.at.to_string(),
                or_dash(one.action.as_ref().map(super::activity::word)),
                target(one),
                actor(one),
                subject(one),
                asked_of(one),
                said_yes(one),
                one.expires.to_string(),
            ]
        };
        let rows: Vec<_> = page.items.iter().map(row).collect();
        let head =
            ["QUESTION", "STATE", "ASKED", "ACTION", "WHAT", "ACTOR", "FOR", "OF WHOM", "YES", "UNTIL"];
        desk.out.table(&head, &rows, "no questions") + &Paged::rest(&page)
    })?;
    Ok(Exit::Clean)
}

async fn approvers(desk: &Desk) -> Result<Exit, Failure> {
    let all: Vec<ApproverView> = desk.client()?.get("/api/v1/approvers").await?;
    desk.out.show(&all, || {
        let count = |one: &AnswerCount| format!("{}/{}/{}/{}", one.yes, one.no, one.grave_yes, one.refused);
        let row = |one: &ApproverView| {
            let seconds = one.median_ms.map(|ms| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100));
            vec![
                one.name.as_ref().map_or_else(|| one.human.to_string(), ToString::to_string),
                count(&one.hour),
                count(&one.day),
                count(&one.week),
                or_dash(seconds),
                or_dash(one.fast_percent.map(|share| format!("{share} %"))),
                format!("{}/{}", one.left.any, one.left.grave),
                if one.warning { "hardly looks".into() } else { "-".into() },
            ]
        };
        let rows: Vec<_> = all.iter().map(row).collect();
        let head = ["WHO", "HOUR", "DAY", "WEEK", "MEDIAN", "WITHIN 5 S", "YES LEFT", "WARNING"];
        desk.out.table(&head, &rows, "nobody answers questions")
            + "counts are yes/no/yes to grave questions/refused yes; left are any/grave\n"
    })?;
    Ok(Exit::Clean)
}

async fn read(desk: &Desk, id: &str) -> Result<QuestionView, Failure> {
    desk.client()?.get(&format!("/api/v1/approvals/{}", segment(id)?)).await
}

fn show(desk: &Desk, question: &QuestionView) -> Result<(), Failure> {
    desk.out.show(question, || {
        let one = &question.approval;
        let lines = [
            ("question", one.id.to_string()),
            ("state", word(one.state).into()),
            ("action", or_dash(one.action.as_ref().map(super::activity::word))),
            ("what", target(one)),
            ("actor", actor(one)),
            ("for", subject(one)),
            ("task", one.task.to_string()),
            ("of whom", asked_of(one)),
            ("yes", said_yes(one)),
            ("asked", one.at.to_string()),
            ("until", one.expires.to_string()),
            ("call", one.call.to_string()),
            ("entry", one.index.to_string()),
            ("digest", one.digest.to_string()),
            ("used by", or_dash(one.spent.map(|entry| format!("entry {entry}")))),
        ];
        let facts = lines.iter().map(|(name, value)| format!("{name:>8}: {}\n", crate::fail::shown(value)));
        let origins = question.origins.as_ref().map(|origins| told(desk, origins)).unwrap_or_default();
        let shown = question.shown.as_ref().map(|shown| decisive(desk, shown)).unwrap_or_default();
        facts.collect::<String>() + &shown + &origins
    })
}

/// The values that decide what the call does, for whoever may answer.
fn decisive(desk: &Desk, shown: &Decisive) -> String {
    let row = |one: &DecisiveValue| {
        let can = if one.endorsable { "yes" } else { "no" };
        vec![one.pointer.clone(), one.value.clone(), can.to_owned()]
    };
    let rows: Vec<_> = shown.values.iter().map(row).collect();
    let table = desk.out.table(&["AT", "VALUE", "CAN BE ENDORSED"], &rows, "nothing decides");
    let more =
        if shown.more > 0 { format!("{} more values are not shown\n", shown.more) } else { String::new() };
    format!("\nWhat decides what it does; you see the values because you may answer.\n{table}{more}")
}

/// Where the arguments of a call come from, the most suspicious first.
pub(crate) fn told(desk: &Desk, origins: &Origins) -> String {
    let rows: Vec<Vec<String>> = origins
        .arguments
        .iter()
        .map(|one| {
            let wrong: Vec<&str> = one.wrong.iter().map(|wrong| wrong.as_str()).collect();
            let wrong = if wrong.is_empty() { "nothing".to_owned() } else { wrong.join("; ") };
            vec![one.title(), one.says.clone(), wrong]
        })
        .collect();
    let mut text = String::from("\nWhere its arguments come from; the record has no values.\n");
    for one in &origins.says {
        text.push_str(&format!("- {one}\n"));
    }
    text + &desk.out.table(&["ARGUMENT", "COMES FROM", "WRONG"], &rows, "it has no arguments")
}

async fn answer(
    desk: &Desk,
    (id, task): (Option<String>, Option<String>),
    decision: Decision,
    (endorse, endorse_all): (Vec<String>, bool),
) -> Result<Exit, Failure> {
    let word = if decision == Decision::Approve { "yes" } else { "no" };
    let client = desk.client()?;
    let Some(task) = task else {
        let id = id.unwrap_or_default();
        let body = json!({ "decision": decision, "endorse": endorse, "endorse_all": endorse_all });
        let path = format!("/api/v1/approvals/{}", segment(&id)?);
        let given: OrderView = client.post(&path, &body, None).await?;
        desk.out
            .show(&given, || format!("question {id} is answered with {word}, by order {}\n", given.id))?;
        return Ok(Exit::Clean);
    };
    let path = format!("/api/v1/tasks/{}/approvals", segment(&task)?);
    // What the queue shows at this moment; where something else is open by then, nothing is answered.
    let queue: Queue = client.get("/api/v1/approval_queue").await?;
    let own = queue.tasks.iter().find(|one| one.task.to_string() == task).filter(|one| one.own > 0);
    let digest = own.map(|own| own.digest);
    let body = json!({ "decision": decision, "digest": digest, "endorse_all": endorse_all });
    let given: Batch = client.post(&path, &body, None).await?;
    desk.out.show(&given, || {
        let line = |one: &OrderView| format!("- {}, order {}\n", super::order::told(&one.order), one.id);
        let lines: String = given.orders.iter().map(line).collect();
        format!("{} questions of the task are answered with {word}:\n{lines}", given.orders.len())
    })?;
    Ok(Exit::Clean)
}

async fn queue(desk: &Desk) -> Result<Exit, Failure> {
    let queue: Queue = desk.client()?.get("/api/v1/approval_queue").await?;
    desk.out.show(&queue, || {
        let mut text = String::new();
        for task in &queue.tasks {
            let named = |name: &Option<alcaide_inventory::Name>, actor: alcaide_inventory::Actor| {
                name.as_ref().map_or_else(|| actor.to_string(), ToString::to_string)
            };
            text.push_str(&format!(
                "task {}: {} for {}, {} open, {} of them yours\n",
                task.task,
                named(&task.actor_name, task.actor),
                named(&task.subject_name, task.subject),
                task.count,
                task.own
            ));
            let rows: Vec<Vec<String>> = task.entries.iter().filter_map(folded).collect();
            text.push_str(&desk.out.table(
                &["QUESTION", "TIMES", "WHAT", "VALUES", "UNTIL"],
                &rows,
                "nothing",
            ));
        }
        if queue.tasks.is_empty() {
            text.push_str("no open questions\n");
        }
        if queue.more {
            text.push_str("there are more; answer these first\n");
        }
        text
    })?;
    Ok(Exit::Clean)
}

/// One line of the queue: the oldest of questions that ask the same.
fn folded(entry: &FoldedQuestions) -> Option<Vec<String>> {
    let one = entry.questions.first()?;
    let shown = entry.shown.as_ref().map(|shown| {
        let values: Vec<String> =
            shown.values.iter().map(|value| format!("{}={}", value.pointer, value.value)).collect();
        let more = if shown.more > 0 { format!(" and {} more", shown.more) } else { String::new() };
        values.join(" ") + &more
    });
    Some(vec![
        one.id.to_string(),
        entry.questions.len().to_string(),
        format!("{} {}", or_dash(one.action.as_ref().map(super::activity::word)), target(one)),
        or_dash(shown),
        one.expires.to_string(),
    ])
}

async fn wait(desk: &Desk, id: &str, most: Duration) -> Result<Exit, Failure> {
    let begun = Instant::now();
    loop {
        let one = read(desk, id).await?;
        let state = one.approval.state;
        if state != ApprovalState::Open || begun.elapsed() >= most {
            show(desk, &one)?;
            return Ok(match state {
                ApprovalState::Approved | ApprovalState::Spent => Exit::Clean,
                _ => Exit::Findings,
            });
        }
        tokio::time::sleep(LOOK_EVERY.min(most.saturating_sub(begun.elapsed()))).await;
    }
}

const fn word(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Open => "open",
        ApprovalState::Approved => "approved",
        ApprovalState::Denied => "denied",
        ApprovalState::Expired => "expired",
        ApprovalState::Spent => "spent",
    }
}

fn target(one: &ApprovalView) -> String {
    let tool = one.tool_name.clone().or(one.tool.map(|id| id.to_string()));
    let route = || one.route_name.as_ref().map(ToString::to_string).or(one.route.map(|id| id.to_string()));
    or_dash(tool.or_else(route))
}

fn actor(one: &ApprovalView) -> String {
    one.actor_name.as_ref().map_or_else(|| one.actor.to_string(), ToString::to_string)
}

fn subject(one: &ApprovalView) -> String {
    one.subject_name.as_ref().map_or_else(|| one.subject.to_string(), ToString::to_string)
}

/// Who must say yes: `approver + owner`, or groups of which one is enough: `approver + (owner | sponsor)`.
fn asked_of(one: &ApprovalView) -> String {
    let group = |all: &[alcaide_record::Approver]| {
        all.iter().map(|asked| asked.as_str()).collect::<Vec<_>>().join(" + ")
    };
    let mut parts: Vec<String> = one.roles.iter().map(|asked| asked.as_str().to_owned()).collect();
    if !one.any_of.is_empty() {
        let groups: Vec<String> = one.any_of.iter().map(|all| group(all)).collect();
        parts.push(format!("({})", groups.join(" | ")));
    }
    if parts.is_empty() { "-".into() } else { parts.join(" + ") }
}

fn said_yes(one: &ApprovalView) -> String {
    let names: Vec<String> = one
        .yes
        .iter()
        .map(|yes| {
            let name = yes.name.as_ref().map_or_else(|| yes.human.to_string(), ToString::to_string);
            match yes.endorses.len() {
                0 => name,
                many => format!("{name} (endorses {many} of its values)"),
            }
        })
        .collect();
    if names.is_empty() { "-".into() } else { names.join(", ") }
}

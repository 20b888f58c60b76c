//! `policy replay`: recorded calls decided anew, from the record alone.
//!
//! ```text
//! entries of the ledger ── each call's context ──┬─ its own plan ── as recorded? (it must be)
//!                                                └─ the same plan with a folder's declarations ── what would differ
//! ```
//!
//! What the record does not hold — arguments themselves, whether a tool had changed — is not made up: a decision that hangs on
//! it is counted as one that cannot be told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alcaide_control::ApprovalView;
use alcaide_inventory::{ApprovalId, HumanId, Plan, PlanNumber};
use alcaide_policy::{Compiled, Explanation, Lost, Verdict};
use alcaide_record::{Decided, DecisionKind, Entry};
use clap::Args;
use serde::Serialize;

use super::explain::call::{Asked, Step, decision_word};
use super::explain::plan_over;
use super::explain::recall::Recalled;
use crate::cli::{Desk, Exit};
use crate::client::Client;
use crate::commands::log::Entries;
use crate::fail::{ANSWER, Failure, INTERNAL};

/// Most entries that are read at once.
const PAGE: u32 = 200;
/// Most calls that are listed as decided otherwise; the rest is counted.
const LISTED_MAX: usize = 100;

/// `alcaide policy replay`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide policy replay --last 20000\n  alcaide policy replay --folder declarations/   \
    # what these would have changed"
)]
pub(crate) struct Replay {
    /// Declarations to decide by, in place of those that were in force; ids and accepted tools are those of each call's plan
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// First entry of the ledger
    #[arg(long, value_name = "INDEX", conflicts_with = "last")]
    from: Option<u64>,
    /// So many entries of the ledger, the newest ones
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    last: u64,
}

/// How all of it came out.
#[derive(Debug, Default, Serialize)]
struct Replayed {
    /// First entry that was read, and the one after the last.
    from: u64,
    to: u64,
    /// Decisions in the record.
    decisions: u64,
    /// Those that came out as recorded, by the same policies.
    same: u64,
    /// Those that came out otherwise.
    differ: u64,
    /// Those that hang on something that the record does not hold.
    untold: u64,
    /// How many decisions went from one outcome to another, as `allow -> ask`.
    changes: BTreeMap<String, u64>,
    /// The first of those that came out otherwise.
    calls: Vec<Changed>,
}

/// One decision that came out otherwise.
#[derive(Debug, Serialize)]
struct Changed {
    entry: u64,
    what: String,
    recorded: &'static str,
    replayed: &'static str,
    by: Vec<String>,
}

/// Plans by their numbers, compiled once.
struct Plans<'a> {
    client: &'a Client,
    folder: Option<&'a PathBuf>,
    known: BTreeMap<PlanNumber, (Plan, Compiled)>,
}

impl Plans<'_> {
    async fn get(&mut self, number: PlanNumber) -> Result<&(Plan, Compiled), Failure> {
        if !self.known.contains_key(&number) {
            let own: Plan = self.client.get(&format!("/api/v1/plans/{number}")).await?;
            let plan = match self.folder {
                Some(folder) => plan_over(&own, folder)?,
                None => own,
            };
            let compiled = Compiled::compile(&plan).map_err(|faults| {
                let first = faults.first().map(ToString::to_string).unwrap_or_default();
                Failure::new(&INTERNAL, format!("plan {number} cannot be compiled")).why(first)
            })?;
            self.known.insert(number, (plan, compiled));
        }
        self.known.get(&number).ok_or_else(|| Failure::new(&INTERNAL, format!("plan {number} was lost")))
    }
}

impl Replay {
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Failure> {
        let client = desk.client()?;
        let newest: Entries = client.get("/api/v1/log/entries?limit=1").await?;
        let to = newest.next;
        let mut next = self.from.unwrap_or_else(|| to.saturating_sub(self.last));
        let mut done = Replayed { from: next, to, ..Replayed::default() };
        let mut plans = Plans { client: &client, folder: self.folder.as_ref(), known: BTreeMap::new() };
        let mut answers = BTreeMap::new();
        while next < to {
            let read: Entries = client.get(&format!("/api/v1/log/entries?limit={PAGE}&from={next}")).await?;
            if read.entries.is_empty() {
                break;
            }
            for one in read.entries.into_iter().filter(|one| one.index < to) {
                let entry: Entry = serde_json::from_value(one.entry).map_err(|error| {
                    Failure::new(&ANSWER, format!("entry {} was not understood", one.index)).why(error)
                })?;
                let Some(step) = Step::of(one.index, entry) else { continue };
                if let Some(decided) = &step.decided {
                    let yes = yes(&client, &mut answers, &step, decided).await?;
                    done.take(&step, decided, plans.get(decided.plan).await?, &yes, self.folder.is_some())?;
                }
            }
            next = read.next;
        }
        desk.out.show(&done, || done.text(self.folder.is_some()))?;
        Ok(Exit::unless(self.folder.is_none() && done.differ > 0))
    }
}

/// Who had said yes when it was decided.
async fn yes(
    client: &Client,
    answers: &mut BTreeMap<ApprovalId, Option<ApprovalView>>,
    step: &Step,
    decided: &Decided,
) -> Result<Vec<HumanId>, Failure> {
    let Some(approval) = decided.approval.or(step.approval) else { return Ok(Vec::new()) };
    if let std::collections::btree_map::Entry::Vacant(place) = answers.entry(approval) {
        // One that is kept no longer has no answers to go by.
        place.insert(client.get(&format!("/api/v1/approvals/{approval}")).await.ok());
    }
    let view = answers.get(&approval).and_then(Option::as_ref);
    Ok(view.map_or_else(Vec::new, |view| {
        view.yes.iter().filter(|yes| yes.at <= step.at).map(|yes| yes.human).collect()
    }))
}

impl Replayed {
    fn take(
        &mut self,
        step: &Step,
        decided: &Decided,
        (plan, compiled): &(Plan, Compiled),
        yes: &[HumanId],
        changed: bool,
    ) -> Result<(), Failure> {
        self.decisions = self.decisions.saturating_add(1);
        let tool = step.target.as_ref().and_then(|target| target.tool);
        let recalled = Recalled::of(plan, tool, step.content.as_ref());
        let mut lost = step.lost(false);
        if decided.decision != DecisionKind::Refuse {
            // A changed tool is refused whatever else holds.
            lost.retain(|one| *one != Lost::ToolChanged);
        }
        let asked = Asked { step, decided, compiled, args: None, yes, lost: &lost, recalled: &recalled };
        let Some(said) = asked.explained(None)? else {
            self.untold = self.untold.saturating_add(1);
            return Ok(());
        };
        let recorded = decision_word(decided.decision);
        let replayed = said.decision.outcome.as_str();
        let same = if changed { recorded == replayed } else { asked.agrees(&said) };
        if same {
            self.same = self.same.saturating_add(1);
        } else if hangs(&said, changed) {
            self.untold = self.untold.saturating_add(1);
        } else {
            self.differ = self.differ.saturating_add(1);
            let change = self.changes.entry(format!("{recorded} -> {replayed}")).or_default();
            *change = change.saturating_add(1);
            if self.calls.len() < LISTED_MAX {
                let by = said.decision.determining.iter().map(|policy| policy.cedar_id.to_string()).collect();
                self.calls.push(Changed {
                    entry: step.index,
                    what: said.what.clone(),
                    recorded,
                    replayed,
                    by,
                });
            }
        }
        Ok(())
    }

    fn text(&self, changed: bool) -> String {
        let mut told = format!(
            "entries    {} to {}\ndecisions  {}\nas recorded {}\notherwise  {}\nuntold     {} (the record does not hold what they \
             hang on)\n",
            self.from, self.to, self.decisions, self.same, self.differ, self.untold
        );
        for (change, count) in &self.changes {
            told.push_str(&format!("  {change}: {count}\n"));
        }
        for call in &self.calls {
            let by = if call.by.is_empty() { "nothing permits it".to_owned() } else { call.by.join(", ") };
            told.push_str(&format!(
                "  entry {}: {} -> {} by {by}: {}\n",
                call.entry, call.recorded, call.replayed, call.what
            ));
        }
        if self.differ == 0 {
            told.push_str(if changed {
                "nothing would have been decided otherwise\n"
            } else {
                "every decision that can be told comes out as it is recorded\n"
            });
        }
        told
    }
}

/// Whether the decision hangs on a policy that cannot be judged by what the record holds.
fn hangs(said: &Explanation, changed: bool) -> bool {
    if said.decision.outcome.as_str() == "refuse" && !said.decision.determining.is_empty() {
        // Whatever else matches, what forbids without a question has the last word.
        return false;
    }
    said.considered.iter().any(|one| match &one.verdict {
        Verdict::Unknown { recorded: None, .. } => true,
        // Under other policies what the record names says nothing of one that reads what is lost.
        Verdict::Unknown { .. } => changed,
        _ => false,
    })
}

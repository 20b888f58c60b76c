//! An explanation as one document.

use std::collections::BTreeMap;

use alcaide_inventory::plan::PlacedTool;
use alcaide_inventory::{Actor, Plan};
use alcaide_policy::{
    Action, Approver, Article, Change, Compiled, Considered, Decision, Described, Explanation, Outcome,
    Remedy, Verdict,
};
use serde::Serialize;
use serde_json::Value;

use super::hide::Veil;

/// Where the policies come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// The plan that the record names.
    Record,
    /// The plan in force.
    InForce,
    /// A folder by itself.
    Folder,
    /// A folder, with ids and accepted tools of the plan in force.
    FolderOverInForce,
}

/// Everything that is told of one call.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) plan: PlanTold,
    pub(super) who: WhoTold,
    /// What is done; absent where that was not read.
    pub(super) action: Option<String>,
    /// What it is done to, by kind and name; absent where nobody can tell.
    pub(super) resource: Option<String>,
    /// What the record says; absent for a call that was never made.
    pub(super) record: Option<RecordTold>,
    /// The decision, evaluated anew; absent where that could not be done.
    pub(super) decision: Option<DecisionTold>,
    /// Whether both are the same; absent where there are not both.
    pub(super) agrees: Option<bool>,
    pub(super) policies: Vec<PolicyTold>,
    /// How many policies are about something else.
    pub(super) elsewhere: usize,
    pub(super) remedies: Vec<RemedyTold>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct PlanTold {
    /// Absent for a folder.
    pub(super) number: Option<u64>,
    pub(super) origin: Origin,
    /// The digest that the record names.
    pub(super) digest: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct WhoTold {
    pub(super) actor: String,
    pub(super) subject: String,
    /// Earlier actors, newest first.
    pub(super) earlier: Vec<String>,
}

/// What the entries of the call say.
#[derive(Debug, Serialize)]
pub(super) struct RecordTold {
    pub(super) call: String,
    /// Its entries, and the one that decided.
    pub(super) entries: Vec<u64>,
    pub(super) entry: Option<u64>,
    pub(super) at: String,
    /// Absent where the policies were not asked.
    pub(super) decision: Option<String>,
    /// Code of the refusal.
    pub(super) code: Option<String>,
    /// How far a refused call had come.
    pub(super) stage: Option<String>,
    pub(super) obligations: Vec<String>,
    pub(super) shadow: Option<String>,
    /// The question that was asked, or the approval that was spent.
    pub(super) approval: Option<String>,
    pub(super) approved_by: Vec<String>,
    /// Ids of the policies that decided; policies of one file share theirs.
    pub(super) policies: Vec<String>,
    /// What of the call is known from the record.
    pub(super) context: BTreeMap<&'static str, Value>,
    /// What is not.
    pub(super) lost: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct DecisionTold {
    pub(super) outcome: &'static str,
    pub(super) code: Option<&'static str>,
    pub(super) reason: Option<String>,
    pub(super) cure: Option<String>,
    pub(super) obligations: Vec<String>,
    /// Each of these must approve.
    pub(super) roles: Vec<&'static str>,
    /// Besides, one of these groups as a whole.
    pub(super) any_of: Vec<Vec<&'static str>>,
    /// What it would be with the policies in shadow counted in.
    pub(super) shadow: Option<&'static str>,
}

/// What a policy had to do with the decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// It is one of those that made the decision.
    Decided,
    /// It matched; others decided.
    Matched,
    /// It was looked at and did not apply.
    NotApplied,
    /// Whether it applied cannot be told.
    Unknown,
    /// It is about somebody or something else.
    Elsewhere,
}

#[derive(Debug, Serialize)]
pub(super) struct PolicyTold {
    /// Id within the policy set.
    pub(super) id: String,
    /// Opaque id, as records have it.
    pub(super) policy: String,
    /// File and line, or the grant.
    pub(super) place: String,
    pub(super) effect: &'static str,
    pub(super) shadow: bool,
    /// For whom it is in shadow, where it binds others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shadow_of: Option<String>,
    pub(super) part: Part,
    /// What it said, in words.
    pub(super) why: String,
    pub(super) condition: Option<ConditionTold>,
    /// What was read.
    pub(super) values: Vec<ValueTold>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) cedar: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ConditionTold {
    /// `when` or `unless`.
    pub(super) clause: &'static str,
    pub(super) text: String,
    pub(super) line: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct ValueTold {
    pub(super) path: String,
    pub(super) value: Value,
}

#[derive(Debug, Serialize)]
pub(super) struct RemedyTold {
    /// `without`, `permitted` or `approved`.
    pub(super) change: &'static str,
    /// In words, one line each.
    pub(super) how: Vec<String>,
    /// What would be decided then.
    pub(super) then: &'static str,
    pub(super) obligations: Vec<String>,
}

impl Told {
    /// A call that nobody has made.
    pub(super) fn asked(
        described: &Described,
        plan: &Plan,
        origin: Origin,
        compiled: &Compiled,
        said: &Explanation,
        mut notes: Vec<String>,
        all: bool,
    ) -> Self {
        let actor = format!("{} `{}`", described.kind, described.caller);
        let subject = described.on_behalf_of.as_ref().map(|name| format!("human `{name}`"));
        if let Some((line, column)) = said.unfit {
            notes.push(format!(
                "the arguments are not of the tool's accepted input schema, line {line} column {column}: a policy that \
                 reads them cannot be evaluated, and one that forbids then counts as matching"
            ));
        }
        if described.action == Action::CallTool {
            let own = format!("tool/{}", described.resource);
            let about = compiled.notices().iter().filter(|notice| notice.place == own);
            notes.extend(about.map(|notice| notice.text.clone()));
        }
        let veil = veil(plan, |one| super::is_named(one, &described.resource));
        let number = matches!(origin, Origin::InForce).then_some(plan.number.0);
        let mut told = Self {
            plan: PlanTold { number, origin, digest: None },
            who: WhoTold { subject: subject.unwrap_or_else(|| actor.clone()), actor, earlier: Vec::new() },
            action: Some(described.action.as_str().to_owned()),
            resource: Some(if said.on.is_empty() {
                format!("`{}`", described.resource)
            } else {
                said.on.clone()
            }),
            record: None,
            decision: None,
            agrees: None,
            policies: Vec::new(),
            elsewhere: 0,
            remedies: Vec::new(),
            notes,
        };
        told.evaluated(said, &veil, all);
        told
    }

    /// Takes in what was evaluated.
    pub(super) fn evaluated(&mut self, said: &Explanation, veil: &Veil, all: bool) {
        self.decision = Some(DecisionTold::of(&said.decision));
        let decides = |one: &Considered| {
            said.decision.determining.iter().any(|other| other.cedar_id == one.article.policy.cedar_id)
        };
        for one in &said.considered {
            let told = PolicyTold::of(one, decides(one), veil);
            if told.part == Part::Elsewhere {
                self.elsewhere = self.elsewhere.saturating_add(1);
                if !all {
                    continue;
                }
            }
            self.policies.push(told);
        }
        self.remedies = said.remedies.iter().map(RemedyTold::of).collect();
        for error in &said.decision.errors {
            self.notes.push(format!(
                "policy `{}` could not be evaluated: {}",
                error.policy.cedar_id,
                veil.text(&error.why)
            ));
        }
    }

    /// Whether it passes.
    pub(super) fn is_allowed(&self) -> bool {
        let recorded = self
            .record
            .as_ref()
            .map(|record| record.decision.as_deref() == Some("allow") && record.code.is_none());
        let decided = self.decision.as_ref().map(|decision| decision.outcome == "allow");
        recorded.or(decided).unwrap_or(false) && self.agrees != Some(false)
    }
}

impl DecisionTold {
    fn of(decision: &Decision) -> Self {
        let mut told = Self {
            outcome: decision.outcome.as_str(),
            code: None,
            reason: None,
            cure: None,
            obligations: Vec::new(),
            roles: Vec::new(),
            any_of: Vec::new(),
            shadow: decision.shadow.as_ref().map(Outcome::as_str),
        };
        let words = |roles: &[Approver]| roles.iter().map(|role| role.as_str()).collect();
        match &decision.outcome {
            Outcome::Allow { obligations } => {
                told.obligations = obligations.iter().map(ToString::to_string).collect()
            }
            Outcome::Ask { roles, any_of, reason } => {
                told.reason = Some(reason.to_string());
                told.roles = words(roles);
                told.any_of = any_of.iter().map(|group| words(group)).collect();
            }
            Outcome::Refuse { code, reason, cure } => {
                told.code = Some(code);
                told.reason = Some(reason.to_string());
                told.cure = cure.as_ref().map(ToString::to_string);
            }
            _ => {}
        }
        told
    }
}

impl PolicyTold {
    fn of(one: &Considered, decides: bool, veil: &Veil) -> Self {
        let (part, clause) = match &one.verdict {
            _ if decides => (Part::Decided, clause_of(&one.verdict)),
            Verdict::Matched => (Part::Matched, None),
            Verdict::OtherPrincipal { .. } | Verdict::OtherAction { .. } | Verdict::OtherResource { .. } => {
                (Part::Elsewhere, None)
            }
            Verdict::Unknown { recorded: Some(false), .. } | Verdict::Failed { .. } => {
                (Part::NotApplied, clause_of(&one.verdict))
            }
            Verdict::Erred { .. } if one.article.effect.as_str() == "permit" => {
                (Part::NotApplied, clause_of(&one.verdict))
            }
            Verdict::Erred { .. } => (Part::Matched, clause_of(&one.verdict)),
            _ => (Part::Unknown, clause_of(&one.verdict)),
        };
        let values = one
            .readings
            .iter()
            .map(|reading| ValueTold { path: reading.path.clone(), value: veil.value(reading) });
        let mut told = Self::article(&one.article, part, veil.text(&one.verdict.to_string()));
        told.values = values.collect();
        told.condition = clause.map(|clause| ConditionTold {
            clause: clause.kind.as_str(),
            text: clause.text.clone(),
            line: clause.line,
        });
        told
    }

    /// A policy of which no more is known than what stands in it.
    pub(super) fn article(article: &Article, part: Part, why: String) -> Self {
        Self {
            id: article.policy.cedar_id.to_string(),
            policy: article.policy.id.to_string(),
            place: article.policy.place.to_string(),
            effect: article.effect.as_str(),
            shadow: article.shadow,
            shadow_of: article.shadow_of.clone(),
            part,
            why,
            condition: None,
            values: Vec::new(),
            annotations: article.notes.iter().cloned().collect(),
            cedar: article.text.to_string(),
        }
    }
}

fn clause_of(verdict: &Verdict) -> Option<&alcaide_policy::Clause> {
    match verdict {
        Verdict::Failed { clause } | Verdict::Erred { clause, .. } | Verdict::Unknown { clause, .. } => {
            Some(clause)
        }
        _ => None,
    }
}

impl RemedyTold {
    fn of(remedy: &Remedy) -> Self {
        let who = |(role, people): &(Approver, Vec<String>)| match people.as_slice() {
            [] => format!("{}: nobody could", role.as_str()),
            people => format!("{}: {}", role.as_str(), people.join(" or ")),
        };
        let (change, how) = match &remedy.change {
            Change::Without { policies } => {
                let how = policies.iter().map(|(policy, cure)| match cure {
                    Some(cure) => format!("`{}` does not match any more: {cure}", policy.cedar_id),
                    None => format!("`{}` does not match any more", policy.cedar_id),
                });
                ("without", how.collect())
            }
            Change::Permitted { grant, near } => {
                let mut how: Vec<String> = near
                    .iter()
                    .map(|one| {
                        let asks = if one.asks { ", and people are asked" } else { "" };
                        format!("the conditions of `{}` hold{asks}", one.policy.cedar_id)
                    })
                    .collect();
                match grant {
                    Some(grant) => how.push(format!("or the grant `{grant}` is given")),
                    None => how.push("or a policy permits it: no grant does".to_owned()),
                }
                if let [only] = how.as_mut_slice() {
                    *only = only.trim_start_matches("or ").to_owned();
                }
                ("permitted", how)
            }
            Change::Approved { roles, any_of } => {
                let mut how: Vec<String> = roles.iter().map(|one| format!("yes of {}", who(one))).collect();
                if !any_of.is_empty() {
                    let group = |group: &Vec<_>| group.iter().map(who).collect::<Vec<_>>().join(" and ");
                    let groups: Vec<String> = any_of.iter().map(group).collect();
                    how.push(format!("yes of one of these groups: {}", groups.join("; ")));
                }
                ("approved", how)
            }
            _ => ("other", Vec::new()),
        };
        let obligations = match &remedy.then {
            Outcome::Allow { obligations } => obligations.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        Self { change, how, then: remedy.then.as_str(), obligations }
    }
}

/// Arguments of a tool that are declared to be free text are not shown.
pub(super) fn veil(plan: &Plan, is_meant: impl Fn(&PlacedTool) -> bool) -> Veil {
    let tool = plan.tools.iter().find(|one| is_meant(one));
    Veil::new(tool.map(|tool| tool.spec.facts.free_text.clone()).unwrap_or_default())
}

/// Kind and name of an actor of a plan.
pub(super) fn actor_in(plan: &Plan, actor: Actor) -> String {
    fn named<I: PartialEq, T>(all: &alcaide_inventory::plan::Kind<I, T>, id: &I) -> Option<String> {
        all.iter().find(|(_, placed)| placed.id == *id).map(|(name, _)| name.to_string())
    }
    let (kind, name) = match actor {
        Actor::Agent(id) => ("agent", named(&plan.agents, &id)),
        Actor::Human(id) => ("human", named(&plan.humans, &id)),
        Actor::Workload(id) => ("workload", named(&plan.workloads, &id)),
    };
    format!("{kind} `{}`", name.unwrap_or_else(|| actor.to_string()))
}

//! A call of the record, explained: its entries say what was decided and by which policies of which plan; the same plan
//! is asked again with all that the entries hold of the call.

use std::collections::{BTreeMap, BTreeSet};

use alcaide_control::{ApprovalView, CallView};
use alcaide_finding::Class;
use alcaide_inventory::{HumanId, Moment, Plan, RouteId};
use alcaide_policy::{
    Action, Ask, Compiled, Context, Explanation, Hindsight, Lost, Recorded, Resource, UserWords,
};
use alcaide_record::{
    ActionKind, Chain, Content, Decided, DecisionKind, Entry, Event, Stage, Target, WordsGrade,
};
use serde_json::json;

use super::Explain;
use super::recall::Recalled;
use super::tell::{Origin, Part, PlanTold, PolicyTold, RecordTold, Told, WhoTold, actor_in, veil};
use crate::cli::{Desk, Exit};
use crate::client::{Client, segment};
use crate::commands::activity::word;
use crate::commands::log::entry;
use crate::fail::{ANSWER, Failure, INTERNAL, WORD};

/// What one entry says of how the call was decided.
pub(in crate::commands::policy) struct Step {
    pub(in crate::commands::policy) index: u64,
    pub(in crate::commands::policy) at: Moment,
    pub(in crate::commands::policy) who: Option<Chain>,
    pub(in crate::commands::policy) action: Option<ActionKind>,
    pub(in crate::commands::policy) target: Option<Target>,
    pub(in crate::commands::policy) content: Option<Content>,
    pub(in crate::commands::policy) decided: Option<Decided>,
    code: Option<String>,
    stage: Option<Stage>,
    /// The question, in an entry that asks or was refused for one.
    pub(in crate::commands::policy) approval: Option<alcaide_inventory::ApprovalId>,
}

pub(super) async fn explain(desk: &Desk, options: &Explain, id: &str) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let call: CallView = client.get(&format!("/api/v1/calls/{}", segment(id)?)).await?;
    let mut steps = Vec::new();
    for index in &call.entries {
        let found = entry(&client, *index).await?;
        let read: Entry = serde_json::from_value(found.entry)
            .map_err(|error| Failure::new(&ANSWER, format!("entry {index} was not understood")).why(error))?;
        steps.extend(Step::of(*index, read));
    }
    // The last decision counts: a call that waited for people was decided twice.
    let Some(step) = steps.iter().rev().find(|step| step.decided.is_some()).or(steps.last()) else {
        return Err(Failure::new(&ANSWER, "the call has no entry that could be explained").at(id));
    };
    let told = match &step.decided {
        Some(decided) => decided_on(&client, options, &call, step, decided).await?,
        None => undecided(&client, &call, step).await?,
    };
    desk.out.show(&told, || told.text(desk.out.colored()))?;
    Ok(Exit::unless(!told.is_allowed()))
}

/// A call that never came to the policies.
async fn undecided(client: &Client, call: &CallView, step: &Step) -> Result<Told, Failure> {
    let plan = super::plan_in_force(client).await?;
    let mut told = told(&plan, call, step, Origin::InForce, None, &[]);
    let code = step.code.as_deref().unwrap_or_default();
    told.notes.push(format!(
        "the call ended before the policies were asked; `alcaide explain {code}` says why, and what cures it"
    ));
    Ok(told)
}

async fn decided_on(
    client: &Client,
    options: &Explain,
    call: &CallView,
    step: &Step,
    decided: &Decided,
) -> Result<Told, Failure> {
    let plan: Plan = client.get(&format!("/api/v1/plans/{}", decided.plan)).await?;
    let compiled = Compiled::compile_trusted(&plan).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        Failure::new(&INTERNAL, format!("plan {} cannot be compiled here", decided.plan)).why(first)
    })?;
    // Who had said yes when it was decided.
    let approval = decided.approval.or(step.approval);
    let yes: Vec<HumanId> = match approval {
        None => Vec::new(),
        Some(approval) => {
            let view: ApprovalView = client.get(&format!("/api/v1/approvals/{approval}")).await?;
            view.yes.iter().filter(|yes| yes.at <= step.at).map(|yes| yes.human).collect()
        }
    };
    let args = options.args()?;
    let lost = step.lost(args.is_some());
    let mut told = told(&plan, call, step, Origin::Record, Some(decided), &lost);
    if let Some(record) = &mut told.record {
        record.approval = approval.map(|id| id.to_string());
        record.approved_by =
            yes.iter().map(|id| actor_in(&plan, alcaide_inventory::Actor::Human(*id))).collect();
    }
    if args.is_some() {
        told.notes.push(
            "the arguments are those that were given here: the record holds a digest of the whole call, and nothing to \
             prove them by"
                .to_owned(),
        );
    }
    let recalled =
        Recalled::of(&plan, step.target.as_ref().and_then(|target| target.tool), step.content.as_ref());
    let asked = Asked {
        step,
        decided,
        compiled: &compiled,
        args: args.as_deref(),
        yes: &yes,
        lost: &lost,
        recalled: &recalled,
    };
    match asked.explained(options.resource.as_deref())? {
        Some(said) => {
            let tool = step.target.as_ref().and_then(|target| target.tool);
            told.resource = Some(said.on.clone());
            told.evaluated(&said, &veil(&plan, |one| Some(one.id) == tool), options.all);
            told.agrees = Some(asked.agrees(&said));
            asked.doubts(&said, &mut told.notes);
        }
        None => {
            // What the record names is told all the same, as it stands in the plan.
            let ids: BTreeSet<_> = decided.policies.iter().collect();
            let named = compiled.articles().into_iter().filter(|one| ids.contains(&one.policy.id));
            told.policies = named
                .map(|one| {
                    let why = "named by the record; other policies of its file share the name".to_owned();
                    PolicyTold::article(&one, Part::Decided, why)
                })
                .collect();
            told.notes.push(
                "nothing was evaluated anew: the record holds no name of what was called, only a keyed digest of it; \
                 `--resource` names it"
                    .to_owned(),
            );
        }
    }
    Ok(told)
}

/// What the record says, without anything evaluated.
fn told(
    plan: &Plan,
    call: &CallView,
    step: &Step,
    origin: Origin,
    decided: Option<&Decided>,
    lost: &[Lost],
) -> Told {
    let actor = |actor| actor_in(plan, actor);
    let who = step.who.as_ref().map_or_else(
        || WhoTold { actor: "a caller".into(), subject: "a caller".into(), earlier: Vec::new() },
        |who| WhoTold {
            actor: actor(who.actor),
            subject: actor(who.subject),
            earlier: who.earlier.iter().copied().map(actor).collect(),
        },
    );
    let on = step.target.as_ref().and_then(|target| target.route).and_then(|id| route_in(plan, id));
    let record = RecordTold {
        call: call.call.to_string(),
        entries: call.entries.clone(),
        entry: Some(step.index),
        at: step.at.to_string(),
        decision: decided.map(|decided| decision_word(decided.decision).to_owned()),
        code: step.code.clone(),
        stage: step.stage.as_ref().map(word),
        obligations: decided.map(|one| one.obligations.iter().map(word).collect()).unwrap_or_default(),
        shadow: decided.and_then(|decided| decided.shadow).map(|shadow| decision_word(shadow).to_owned()),
        approval: None,
        approved_by: Vec::new(),
        policies: decided
            .map(|one| one.policies.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        context: step.context(decided),
        lost: lost.iter().map(|lost| lost.as_str()).collect(),
    };
    Told {
        plan: PlanTold {
            number: Some(plan.number.0),
            origin,
            digest: decided.map(|decided| decided.plan_digest.to_string()),
        },
        who,
        action: step.action.as_ref().map(word),
        resource: on.map(|name| format!("something of `{name}`")),
        record: Some(record),
        decision: None,
        agrees: None,
        policies: Vec::new(),
        elsewhere: 0,
        remedies: Vec::new(),
        notes: Vec::new(),
    }
}

fn route_in(plan: &Plan, id: RouteId) -> Option<String> {
    plan.routes.iter().find(|(_, route)| route.id == id).map(|(name, _)| name.to_string())
}

impl Step {
    pub(in crate::commands::policy) fn of(index: u64, entry: Entry) -> Option<Self> {
        let at = entry.at;
        match entry.event {
            Event::Intent(one) => Some(Self {
                index,
                at,
                who: Some(one.who),
                action: Some(one.action),
                target: Some(one.target),
                content: Some(one.content),
                approval: one.decided.approval,
                decided: Some(one.decided),
                code: None,
                stage: None,
            }),
            Event::Refused(one) => Some(Self {
                index,
                at,
                who: one.who,
                action: one.action,
                target: one.target,
                content: one.content,
                decided: one.decided,
                code: Some(one.code),
                stage: Some(one.stage),
                approval: one.approval,
            }),
            _ => None,
        }
    }

    /// What policies could read of the call and the record does not hold.
    pub(in crate::commands::policy) fn lost(&self, args: bool) -> Vec<Lost> {
        let mut lost = Vec::new();
        let is_tool = self.action == Some(ActionKind::CallTool);
        if is_tool && !args {
            lost.push(Lost::Args);
        }
        let found = |class| self.content.iter().flat_map(|one| &one.findings).any(|one| one.class == class);
        if !found(Class::Uninspected) {
            lost.push(Lost::Uninspected);
        }
        if is_tool {
            lost.push(Lost::ToolChanged);
        }
        lost
    }

    /// What the entry holds of the context.
    fn context(&self, decided: Option<&Decided>) -> BTreeMap<&'static str, serde_json::Value> {
        let mut known = BTreeMap::new();
        if let Some(content) = &self.content {
            known.insert("integrity", json!(content.label.integrity));
            known.insert("confidentiality", json!(content.label.confidentiality));
            known.insert("user_words", json!(content.words));
            let mut found: BTreeMap<&str, u32> = BTreeMap::new();
            for one in &content.findings {
                let count = found.entry(one.class.as_str()).or_default();
                *count = count.saturating_add(one.count);
            }
            known.insert("findings", json!(found));
        }
        if let Some(who) = &self.who {
            known.insert("key_bound", json!(who.bound));
        }
        if let Some(decided) = decided {
            known.insert("budget_used", json!(decided.budget_used));
        }
        known
    }
}

pub(in crate::commands::policy) const fn decision_word(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Allow => "allow",
        DecisionKind::Ask => "ask",
        DecisionKind::Refuse => "refuse",
    }
}

/// A recorded call, ready to be asked about again.
pub(in crate::commands::policy) struct Asked<'a> {
    pub(in crate::commands::policy) step: &'a Step,
    pub(in crate::commands::policy) decided: &'a Decided,
    pub(in crate::commands::policy) compiled: &'a Compiled,
    pub(in crate::commands::policy) args: Option<&'a str>,
    pub(in crate::commands::policy) yes: &'a [HumanId],
    pub(in crate::commands::policy) lost: &'a [Lost],
    pub(in crate::commands::policy) recalled: &'a Recalled,
}

impl Asked<'_> {
    /// Evaluates it anew; `None` where it cannot be told what it was done to.
    pub(in crate::commands::policy) fn explained(
        &self,
        named: Option<&str>,
    ) -> Result<Option<Explanation>, Failure> {
        let (Some(who), Some(kind), Some(target)) = (&self.step.who, self.step.action, &self.step.target)
        else {
            return Ok(None);
        };
        let action = match kind {
            ActionKind::CallApi => Action::CallApi,
            ActionKind::CallMethod | ActionKind::List => Action::CallMethod,
            ActionKind::CallTool => Action::CallTool,
            ActionKind::GetPrompt => Action::GetPrompt,
            ActionKind::ReadResource => Action::ReadResource,
            ActionKind::UseHosted => Action::UseHosted,
            ActionKind::UseModel => Action::UseModel,
        };
        let resource = match (action, target.route, target.tool, named) {
            (Action::UseModel, Some(route), ..) => Some(Resource::Model(route)),
            (Action::CallTool, _, Some(tool), _) => Some(Resource::Tool(tool)),
            (_, _, _, Some(named)) => Some(self.named(action, target.route, named)?),
            _ => None,
        };
        if let Some(resource) = resource {
            return Ok(Some(self.ask(who, action, resource)));
        }
        let (Action::CallApi, Some(service)) = (action, target.route) else { return Ok(None) };
        // The name is not recorded in clear. If the record fits one operation of the service only, it is that one.
        let names = self.compiled.operations(service);
        let mut fitting = names
            .iter()
            .map(|name| self.ask(who, action, Resource::Operation { service, name }))
            .filter(|said| self.agrees(said));
        Ok(match (fitting.next(), fitting.next()) {
            (Some(said), None) => Some(said),
            _ => None,
        })
    }

    /// What was named by hand, which must be of the route that the record names.
    fn named<'n>(
        &self,
        action: Action,
        route: Option<RouteId>,
        text: &'n str,
    ) -> Result<Resource<'n>, Failure> {
        let cut: String = text.chars().take(80).collect();
        let none = || {
            Failure::new(&WORD, format!("plan {} holds no `{cut}` for such a call", self.decided.plan))
                .fix("name it as `server/tool`, `server/method` or `service/operation`")
        };
        let found = self.compiled.resource(action, text).ok_or_else(none)?;
        let on = match found {
            Resource::UndeclaredTool { server, .. }
            | Resource::Prompt { server, .. }
            | Resource::Document { server, .. } => Some(server),
            Resource::Method { server, .. } => server,
            Resource::Operation { service, .. } => Some(service),
            _ => None,
        };
        if on == route {
            Ok(found)
        } else {
            Err(Failure::new(&WORD, format!("the call was not about `{cut}`"))
                .why("the record names another server or service")
                .fix("see `alcaide call show` for what it was on"))
        }
    }

    fn ask(&self, who: &Chain, action: Action, resource: Resource<'_>) -> Explanation {
        let content = self.step.content.as_ref();
        let findings: Vec<(Class, u32)> =
            content.iter().flat_map(|one| &one.findings).map(|one| (one.class, one.count)).collect();
        let clean = Context::default();
        let provenance = self.recalled.provenance();
        let context = Context {
            // Whatever was decided on was read first, and has a label.
            task: content.map_or(clean.task, |content| content.label),
            findings: &findings,
            approvals: self.yes,
            budget_used: self.decided.budget_used,
            user_words: match content.map(|content| content.words) {
                Some(WordsGrade::Attested) => UserWords::Attested,
                Some(WordsGrade::Asserted) => UserWords::Asserted,
                _ => UserWords::None,
            },
            now: self.step.at,
            args: self.args.map(str::as_bytes),
            provenance: &provenance,
            flow: self.recalled.flow(),
            model: self.decided.model.as_deref().map(alcaide_gateway::proof::standing).unwrap_or_default(),
            key_bound: who.bound,
            ..clean
        };
        let ask = Ask {
            actor: who.actor,
            subject: who.subject,
            earlier: &who.earlier,
            task: Some(who.task),
            action,
            resource,
            context,
        };
        let recorded =
            Recorded { decision: decision_word(self.decided.decision), policies: &self.decided.policies };
        self.compiled.explain_after(&ask, &Hindsight { lost: self.lost, recorded: Some(recorded) })
    }

    /// Whether it comes out as it was recorded, by the same policies.
    pub(in crate::commands::policy) fn agrees(&self, said: &Explanation) -> bool {
        let mut named: BTreeSet<_> = self.decided.policies.iter().copied().collect();
        let found: BTreeSet<_> = said.decision.determining.iter().map(|policy| policy.id).collect();
        if self.step.action == Some(ActionKind::UseModel) && self.decided.decision == DecisionKind::Allow {
            // Besides the model itself, tools that its provider runs were permitted, one by one.
            named.retain(|id| found.contains(id));
        }
        said.decision.outcome.as_str() == decision_word(self.decided.decision) && named == found
    }

    /// What keeps it from being certain.
    fn doubts(&self, said: &Explanation, notes: &mut Vec<String>) {
        let found: BTreeSet<_> = said.decision.determining.iter().map(|policy| policy.id).collect();
        let more: BTreeSet<_> = self.decided.policies.iter().filter(|id| !found.contains(id)).collect();
        if self.step.action == Some(ActionKind::UseModel) && !more.is_empty() {
            let names: Vec<String> = self
                .compiled
                .articles()
                .into_iter()
                .filter(|one| more.contains(&one.policy.id))
                .map(|one| format!("`{}`", one.policy.cedar_id))
                .collect();
            notes.push(format!(
                "the record names {} besides: it may have decided on a tool that the model's provider was to run, whose \
                 name is not recorded",
                names.join(", ")
            ));
        }
        if !self.lost.is_empty() {
            notes.push(
                "evaluated anew with what the record holds; where a policy reads what it does not hold, the record's own \
                 word counts. Policies that are shipped are those of this program"
                    .to_owned(),
            );
        }
        notes.push("the time is that of the entry, a moment after the decision".to_owned());
    }
}

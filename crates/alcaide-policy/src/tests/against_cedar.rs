//! What is decided is what Cedar's own authorizer says over the whole policy set and the whole context, whatever is
//! sliced away or remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use alcaide_finding::Class;
use alcaide_inventory::{Actor, HumanId, Moment, ToolId};
use alcaide_label::{Confidentiality, Integrity, Label, Provenance};
use cedar_policy::{Authorizer, Entities, EntityUid, PolicySet, Request, Schema};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::shade::Shadow;
use crate::{
    Action, Flow, ModelFiles, ModelScan, ModelSignature, ModelSigner, ModelStanding, ModelVerdict, Outcome,
    SoFar, UserWords,
};

fn a_policy() -> impl Strategy<Value = String> {
    let note = prop_oneof![
        6 => Just(""),
        1 => Just("@ask(\"owner\") "),
        1 => Just("@ask(\"approver\") "),
        1 => Just("@ask(\"sponsor,administrator\") "),
    ];
    let principal = select(vec![
        "principal",
        "principal == Alcaide::Agent::\"agt_00000000000000000000000001\"",
        "principal == Alcaide::Human::\"hum_00000000000000000000000002\"",
        "principal in Alcaide::Unit::\"unt_00000000000000000000000001\"",
        "principal in Alcaide::Unit::\"unt_00000000000000000000000003\"",
        "principal is Alcaide::Agent",
        "principal is Alcaide::Agent in Alcaide::Unit::\"unt_00000000000000000000000002\"",
    ]);
    let action = select(vec![
        "action",
        "action == Alcaide::Action::\"use_model\"",
        "action in Alcaide::Action::\"call_tool\"",
        "action == Alcaide::Action::\"erp/post_invoice\"",
        "action in [Alcaide::Action::\"use_hosted\", Alcaide::Action::\"call_tool\"]",
        "action in [Alcaide::Action::\"read_resource\", Alcaide::Action::\"call_api\"]",
    ]);
    let resource = select(vec![
        "resource",
        "resource is Alcaide::Tool",
        "resource in Alcaide::Server::\"rte_00000000000000000000000003\"",
        "resource == Alcaide::Tool::\"tol_00000000000000000000000003\"",
        "resource == Alcaide::Model::\"rte_00000000000000000000000001\"",
    ]);
    // Not validated on purpose: some of these fail on some calls.
    let condition = select(vec![
        "action == Alcaide::Action::\"erp/post_invoice\"",
        "action in Alcaide::Action::\"call_tool\"",
        "true",
        "false",
        "principal.name == \"invoice-bot\"",
        "principal.owner.name == \"cy\"",
        "principal has owner && principal.owner.roles.contains(\"approver\")",
        "resource.name like \"*_file\"",
        "resource.pinned",
        "resource.server.name == \"files\"",
        "resource has uri && resource.uri like \"file:*\"",
        "action == Alcaide::Action::\"use_model\"",
        "context.task.trusted",
        "context.task.confidentiality < 2",
        "context.findings.contains(\"card\")",
        "context.found.secret > 1",
        "context.budget_used > 50",
        "context.user_words == \"attested\"",
        "context.hour < 12",
        "context.weekday == 5",
        "context.unix_time > 5000",
        "context.uninspected",
        "context.key_bound",
        "context.tool_changed",
        "context.hops > 0",
        "context.chain_active",
        "context has human && context.human.name == \"ana\"",
        "context.human in Alcaide::Unit::\"unt_00000000000000000000000003\"",
        "context.human.roles.contains(\"approver\")",
        "context.earlier_agents.contains(Alcaide::Agent::\"agt_00000000000000000000000002\")",
        "context.approved_roles.contains(\"approver\")",
        "context.approved_by.contains(Alcaide::Human::\"hum_00000000000000000000000002\")",
        "context.args_from.untrusted.contains(\"to\")",
        "context.flow.unbound.contains(\"to\")",
        "context.flow.unbound.isEmpty()",
        "context.flow.copied.containsAny(context.flow.carries)",
        "context.flow.over.isEmpty()",
        "context.flow.leaks.contains(\"to\") || context.flow.look_alikes.isEmpty()",
        "context.flow.handles.isEmpty() || context.flow.copied.containsAll(context.flow.handles)",
        "context.flow.in_scope && !context.flow.own_words && context.flow.named",
        "context.flow.reaches_out || context.flow.forgotten",
        "context.flow.calls > 1 || context.flow.repeats > 0 || context.flow.count_over",
        "context.flow.targets > 1 || context.flow.argument_bytes > 0",
        "context.flow.so_far.calls > 1 || context.flow.so_far.tainted_bytes > context.flow.so_far.read_records",
        "context.flow.so_far.effects > 1 || context.flow.so_far.tainted_records > context.flow.so_far.read_bytes",
        "context.model.released && context.model.files == \"same\"",
        "context.model.scan.verdict == \"clean\" && context.model.scan.age_days < 2",
        "context.model.signature.signer == \"trusted\" || context.model.scan.in_time",
        "resource.audience == \"external\" && !resource.fetch",
        "context has args && context.args.amount > 100",
        "context.args.to == \"x\"",
        "context has args.tags && context.args.tags.contains(\"t\")",
        "Alcaide::Human::\"hum_00000000000000000000000003\".standing == \"active\"",
        "Alcaide::Human::\"hum_00000000000000000000000099\".standing == \"active\"",
        "[context].contains(context)",
        "context.hops + 9223372036854775807 > 0",
        "principal.servers.contains(Alcaide::Server::\"rte_00000000000000000000000004\")",
    ]);
    let clause =
        (any::<bool>(), prop::collection::vec((condition, any::<bool>()), 1..4)).prop_map(|(when, parts)| {
            let mut text = String::new();
            for (at, (part, and)) in parts.iter().enumerate() {
                if at > 0 {
                    text.push_str(if *and { " && " } else { " || " });
                }
                text.push_str(&format!("({part})"));
            }
            format!(" {} {{ {text} }}", if when { "when" } else { "unless" })
        });
    let effect = select(vec!["permit", "permit", "forbid"]);
    (note, effect, principal, action, resource, prop::collection::vec(clause, 0..3)).prop_map(
        |(note, effect, principal, action, resource, clauses)| {
            format!("{note}{effect} ({principal}, {action}, {resource}){};", clauses.concat())
        },
    )
}

/// Everything of a question, owned.
#[derive(Clone, Debug)]
struct Owned {
    actor: Actor,
    subject: Actor,
    earlier: Vec<Actor>,
    action: Action,
    resource: Resource<'static>,
    task: Label,
    findings: Vec<(Class, u32)>,
    approvals: Vec<HumanId>,
    budget_used: u8,
    user_words: UserWords,
    now: u64,
    args: Option<&'static str>,
    provenance: Vec<(&'static str, Provenance)>,
    flags: (bool, bool, bool),
    flow: OwnedFlow,
    model: ModelStanding,
}

/// What the engine of information flow said, owned.
#[derive(Clone, Debug)]
struct OwnedFlow {
    names: [Vec<Box<str>>; 7],
    flags: [bool; 6],
    counts: [u32; 9],
}

impl OwnedFlow {
    fn view(&self) -> Flow<'_> {
        let [unbound, copied, carries, over, leaks, look_alikes, handles] = &self.names;
        let [in_scope, reaches_out, own_words, named, count_over, forgotten] = self.flags;
        let [calls, repeats, targets, bytes, all, effects, read, records, tainted] = self.counts;
        Flow {
            unbound,
            copied,
            carries,
            over,
            leaks,
            look_alikes,
            handles,
            in_scope,
            reaches_out,
            own_words,
            named,
            calls,
            count_over,
            repeats,
            targets,
            argument_bytes: bytes.into(),
            so_far: SoFar {
                calls: all,
                effects,
                read_bytes: read.into(),
                read_records: records.into(),
                tainted_bytes: tainted.into(),
                tainted_records: tainted.into(),
            },
            forgotten,
        }
    }

    fn json(&self) -> serde_json::Value {
        let [unbound, copied, carries, over, leaks, look_alikes, handles] = &self.names;
        let [in_scope, reaches_out, own_words, named, count_over, forgotten] = self.flags;
        let [calls, repeats, targets, bytes, all, effects, read, records, tainted] = self.counts;
        let set = |names: &[Box<str>]| names.iter().cloned().collect::<BTreeSet<_>>();
        serde_json::json!({
            "unbound": set(unbound), "copied": set(copied), "carries": set(carries), "over": set(over), "leaks": set(leaks), "look_alikes": set(look_alikes),
            "handles": set(handles),
            "in_scope": in_scope, "reaches_out": reaches_out, "own_words": own_words, "named": named, "count_over": count_over,
            "forgotten": forgotten, "calls": calls, "repeats": repeats, "targets": targets, "argument_bytes": bytes,
            "so_far": {
                "calls": all, "effects": effects, "read_bytes": read, "read_records": records,
                "tainted_bytes": tainted, "tainted_records": tainted,
            },
        })
    }
}

fn a_model() -> impl Strategy<Value = ModelStanding> {
    let files = select(vec![ModelFiles::None, ModelFiles::Same, ModelFiles::Changed, ModelFiles::Unread]);
    let verdicts =
        vec![ModelVerdict::None, ModelVerdict::Clean, ModelVerdict::Inconclusive, ModelVerdict::Unsafe];
    let signers = vec![ModelSigner::None, ModelSigner::Trusted, ModelSigner::Untrusted];
    let flags = prop::array::uniform5(any::<bool>());
    (files, select(verdicts), select(signers), flags, 0_u32..4, 0_u32..4).prop_map(
        |(files, verdict, signer, [released, in_time, current_pack, accepted, counts], age_days, days)| {
            let scan = ModelScan { verdict, age_days, in_time, current_pack, accepted };
            let signature = ModelSignature { signer, age_days: days, in_time: counts };
            ModelStanding { released, files, scan, signature }
        },
    )
}

fn a_flow() -> impl Strategy<Value = OwnedFlow> {
    let names = || prop::collection::vec(select(vec![Box::from("to"), Box::from("amount")]), 0..2);
    let flags = || prop::array::uniform6(any::<bool>());
    let counts = prop::array::uniform9(0_u32..3);
    ([names(), names(), names(), names(), names(), names(), names()], flags(), counts)
        .prop_map(|(names, flags, counts)| OwnedFlow { names, flags, counts })
}

impl Owned {
    fn ask(&self) -> Ask<'_> {
        Ask {
            actor: self.actor,
            subject: self.subject,
            earlier: &self.earlier,
            task: None,
            action: self.action,
            resource: self.resource,
            context: Context {
                task: self.task,
                findings: &self.findings,
                approvals: &self.approvals,
                budget_used: self.budget_used,
                user_words: self.user_words,
                now: Moment::from_secs(self.now),
                args: self.args.map(str::as_bytes),
                provenance: &self.provenance,
                uninspected: self.flags.0,
                key_bound: self.flags.1,
                tool_changed: self.flags.2,
                flow: self.flow.view(),
                model: self.model,
            },
        }
    }
}

const ARGS: [&str; 3] = [
    r#"{"amount":5,"to":"x"}"#,
    r#"{"amount":500,"to":"y","tags":["t","t"]}"#,
    r#"{"amount":101,"to":"x","rate":0.5}"#,
];

fn a_question() -> impl Strategy<Value = Owned> {
    let actors = || {
        select(vec![
            agent(INVOICE_BOT),
            agent(OPS_BOT),
            agent(INVOICE_BOT),
            agent(IDLE_BOT),
            human(ANA),
            human(BO),
            Actor::Workload(WorkloadId::from_bits(1)),
        ])
    };
    let what = select(vec![
        (Action::UseModel, GPT),
        (Action::UseModel, SMALL),
        (Action::CallTool, READ_FILE),
        (Action::CallTool, WRITE_FILE),
        (Action::CallTool, POST_INVOICE),
        (Action::CallTool, Resource::UndeclaredTool { server: FILES, name: "odd_file" }),
        (Action::CallApi, Resource::Operation { service: CRM, name: "read" }),
        (Action::UseHosted, Resource::Hosted { provider: "openai", tool: "web_search" }),
        (Action::ReadResource, Resource::Document { server: FILES, uri: "file:///a" }),
        (Action::ReadResource, Resource::Document { server: FILES, uri: "http://b" }),
        (Action::CallMethod, Resource::Method { server: Some(FILES), name: "tools/list" }),
        (Action::Delegate, Resource::Agent(AgentId::from_bits(OPS_BOT))),
    ]);
    let classes = select(vec![Class::Card, Class::Personal, Class::Secret, Class::Uninspected]);
    let origins =
        select(vec![Provenance::Untrusted, Provenance::UserAttested, Provenance::Made, Provenance::Endorsed]);
    let who = (
        actors(),
        prop::option::of(actors()),
        prop::collection::vec(actors(), 0..2),
        what,
        prop::collection::vec(
            select(vec![HumanId::from_bits(ANA), HumanId::from_bits(BO), HumanId::from_bits(CY)]),
            0..3,
        ),
    );
    let how = (
        any::<bool>(),
        select(vec![Confidentiality::Public, Confidentiality::Confidential]),
        prop::collection::vec((classes, 0_u32..3), 0..3),
        select(vec![0_u8, 50, 51, 100]),
        select(vec![UserWords::None, UserWords::Attested]),
        select(vec![0_u64, 50_000, 86_400]),
        prop::option::of(select(ARGS.to_vec())),
        prop::collection::vec((select(vec!["to", "amount"]), origins), 0..3),
        ((any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)), a_flow(), a_model()),
    );
    (who, how).prop_map(|((actor, subject, earlier, (action, resource), approvals), how)| {
        let (trusted, confidentiality, findings, budget_used, user_words, now, args, provenance, rest) = how;
        let (flags, flow, model) = rest;
        let integrity = if trusted { Integrity::Trusted } else { Integrity::Untrusted };
        Owned {
            actor,
            subject: subject.unwrap_or(actor),
            earlier,
            action,
            resource,
            task: Label { confidentiality, integrity },
            findings,
            approvals,
            budget_used,
            user_words,
            now,
            args,
            provenance,
            flags,
            flow,
            model,
        }
    })
}

/// The first question with one thing after the other taken from the second, each by itself.
fn hybrids(a: &Owned, b: &Owned) -> Vec<Owned> {
    let with = |change: fn(&mut Owned, &Owned)| {
        let mut made = a.clone();
        change(&mut made, b);
        made
    };
    vec![
        a.clone(),
        with(|to, from| to.actor = from.actor),
        with(|to, from| to.subject = from.subject),
        with(|to, from| to.earlier.clone_from(&from.earlier)),
        with(|to, from| (to.action, to.resource) = (from.action, from.resource)),
        with(|to, from| to.task.integrity = from.task.integrity),
        with(|to, from| to.task.confidentiality = from.task.confidentiality),
        with(|to, from| to.findings.clone_from(&from.findings)),
        with(|to, from| to.approvals.clone_from(&from.approvals)),
        with(|to, from| to.budget_used = from.budget_used),
        with(|to, from| to.user_words = from.user_words),
        with(|to, from| to.now = from.now),
        with(|to, from| to.args = from.args),
        with(|to, from| to.provenance.clone_from(&from.provenance)),
        with(|to, from| to.flags.0 = from.flags.0),
        with(|to, from| to.flags.1 = from.flags.1),
        with(|to, from| to.flags.2 = from.flags.2),
        with(|to, from| to.flow.names[0].clone_from(&from.flow.names[0])),
        with(|to, from| to.flow.names[1].clone_from(&from.flow.names[1])),
        with(|to, from| to.flow.names[2].clone_from(&from.flow.names[2])),
        with(|to, from| to.flow.names[3].clone_from(&from.flow.names[3])),
        with(|to, from| to.flow.flags = from.flow.flags),
        with(|to, from| to.flow.counts = from.flow.counts),
        with(|to, from| to.model.released = from.model.released),
        with(|to, from| to.model.files = from.model.files),
        with(|to, from| to.model.scan = from.model.scan),
        with(|to, from| to.model.signature = from.model.signature),
    ]
}

/// The context as JSON, written without looking at the engine.
fn json_of(asked: &Owned, plan: &Plan) -> serde_json::Value {
    let standing = |actor: &Actor| match actor {
        Actor::Agent(id) => plan.agents.values().find(|one| one.id == *id).map(|one| one.spec.standing),
        Actor::Human(id) => plan.humans.values().find(|one| one.id == *id).map(|one| one.spec.standing),
        Actor::Workload(id) => plan.workloads.values().find(|one| one.id == *id).map(|one| one.spec.standing),
    };
    let active = |actor: &Actor| standing(actor) == Some(alcaide_inventory::declare::Standing::Active);
    let entity = |kind: &str, id: String| serde_json::json!({"__entity": {"type": format!("Alcaide::{kind}"), "id": id}});
    let count =
        |class: Class| asked.findings.iter().filter(|one| one.0 == class).map(|one| one.1).sum::<u32>();
    let classes = [
        Class::Card,
        Class::Personal,
        Class::Secret,
        Class::Uninspected,
        Class::ToolPoisoning,
        Class::Link,
        Class::Canary,
    ];
    let from = |class: Provenance| {
        let names: BTreeSet<&str> =
            asked.provenance.iter().filter(|one| one.1 == class).map(|one| one.0).collect();
        serde_json::json!(names)
    };
    let counted = counted(asked);
    let humans: Vec<_> = counted.iter().map(|id| entity("Human", id.to_string())).collect();
    let roles: Vec<&str> = ["owner", "sponsor", "approver", "administrator"]
        .into_iter()
        .filter(|role| approved(role, asked, plan, &counted))
        .collect();
    let agents: Vec<_> = asked
        .earlier
        .iter()
        .filter_map(|actor| match actor {
            Actor::Agent(id) => Some(entity("Agent", id.to_string())),
            _ => None,
        })
        .collect();
    let days = asked.now / 86_400;
    let mut json = serde_json::json!({
        "earlier_agents": agents,
        "hops": asked.earlier.len(),
        "chain_active": (asked.subject == asked.actor || active(&asked.subject)) && asked.earlier.iter().all(active),
        "task": {"trusted": asked.task.integrity == Integrity::Trusted, "confidentiality": asked.task.confidentiality.rank()},
        "findings": classes.iter().filter(|one| count(**one) > 0).map(|one| one.as_str()).collect::<Vec<_>>(),
        "found": classes.iter().map(|one| (one.as_str().to_owned(), count(*one))).collect::<BTreeMap<_, _>>(),
        "approved_by": humans,
        "approved_roles": roles,
        "budget_used": asked.budget_used,
        "user_words": asked.user_words.as_str(),
        "unix_time": asked.now,
        "hour": asked.now / 3600 % 24,
        "weekday": (days + 3) % 7 + 1,
        "args_from": {
            "user_attested": from(Provenance::UserAttested), "user_asserted": from(Provenance::UserAsserted),
            "constant": from(Provenance::Constant), "trusted": from(Provenance::Trusted),
            "resolved": from(Provenance::Resolved), "made": from(Provenance::Made),
            "endorsed": from(Provenance::Endorsed),
            "untrusted": from(Provenance::Untrusted), "unknown": from(Provenance::Unknown),
        },
        "uninspected": asked.flags.0 || count(Class::Uninspected) > 0,
        "key_bound": asked.flags.1,
        "tool_changed": asked.flags.2,
        "flow": asked.flow.json(),
        "model": {
            "released": asked.model.released, "files": asked.model.files.as_str(),
            "scan": {
                "verdict": asked.model.scan.verdict.as_str(), "age_days": asked.model.scan.age_days,
                "in_time": asked.model.scan.in_time, "current_pack": asked.model.scan.current_pack,
                "accepted": asked.model.scan.accepted,
            },
            "signature": {
                "signer": asked.model.signature.signer.as_str(), "age_days": asked.model.signature.age_days,
                "in_time": asked.model.signature.in_time,
            },
        },
    });
    let table = json.as_object_mut().unwrap();
    if let Actor::Human(id) = asked.subject {
        table.insert("human".into(), entity("Human", id.to_string()));
    }
    if let (Resource::Tool(id), Some(args)) = (asked.resource, asked.args)
        && id == ToolId::from_bits(3)
    {
        let mut args: serde_json::Value = serde_json::from_str(args).unwrap();
        args.as_object_mut().unwrap().remove("rate");
        table.insert("args".into(), args);
    }
    json
}

fn counted(asked: &Owned) -> BTreeSet<HumanId> {
    let acts = |id: &HumanId| asked.actor == Actor::Human(*id) || asked.earlier.contains(&Actor::Human(*id));
    asked.approvals.iter().filter(|id| !acts(id)).copied().collect()
}

fn approved(role: &str, asked: &Owned, plan: &Plan, counted: &BTreeSet<HumanId>) -> bool {
    let id_of = |name: &Name| plan.humans[name].id;
    let (owner, sponsor) = match asked.actor {
        Actor::Agent(id) => {
            let spec = &plan.agents.values().find(|one| one.id == id).unwrap().spec;
            (Some(id_of(&spec.owner)), Some(id_of(spec.sponsor.as_ref().unwrap_or(&spec.owner))))
        }
        Actor::Workload(id) => {
            (Some(id_of(&plan.workloads.values().find(|one| one.id == id).unwrap().spec.owner)), None)
        }
        Actor::Human(_) => (None, None),
    };
    match role {
        "owner" => owner.is_some_and(|id| counted.contains(&id)),
        "sponsor" => sponsor.is_some_and(|id| counted.contains(&id)),
        office => counted.iter().any(|id| {
            let spec = &plan.humans.values().find(|one| one.id == *id).unwrap().spec;
            asked.subject != Actor::Human(*id) && spec.roles.iter().any(|one| one.as_str() == office)
        }),
    }
}

/// What Cedar's authorizer says, over all policies and the whole context.
struct Naive<'a> {
    compiled: &'a Compiled,
    plan: &'a Plan,
    request: Request,
    entities: Entities,
    asked: &'a Owned,
}

impl<'a> Naive<'a> {
    fn new(compiled: &'a Compiled, plan: &'a Plan, schema: &Schema, asked: &'a Owned) -> Self {
        let placed = compiled.house.place(&asked.resource).unwrap();
        let uid =
            |uid: &Arc<cedar_policy_core::ast::EntityUID>| EntityUid::from_str(&uid.to_string()).unwrap();
        let principal = uid(&compiled.house.actors[&asked.actor].uid);
        let action = uid(&compiled.house.action_of(asked.action, &asked.resource).unwrap());
        let context =
            cedar_policy::Context::from_json_value(json_of(asked, plan), Some((schema, &action))).unwrap();
        let request = Request::new(principal, action, uid(&placed.uid), context, Some(schema)).unwrap();
        let resident = compiled.house.entities.iter().filter(|one| !one.uid().is_action());
        let all = resident.cloned().chain(placed.guest.map(|guest| guest.0)).map(cedar_policy::Entity::from);
        let entities = Entities::from_entities(all, Some(schema)).unwrap();
        Self { compiled, plan, request, entities, asked }
    }

    /// Ids of the policies of one kind that match, and whether one failed.
    fn matching(&self, permits: bool, shadow: bool) -> (BTreeSet<String>, bool) {
        let chosen = self
            .compiled
            .statutes
            .iter()
            .filter(|one| one.permits == permits && (shadow || one.shadow == Shadow::Nowhere));
        let set = PolicySet::from_policies(chosen.map(|one| one.policy.clone())).unwrap();
        let said = Authorizer::new().is_authorized(&self.request, &set, &self.entities);
        (
            said.diagnostics().reason().map(ToString::to_string).collect(),
            said.diagnostics().errors().count() > 0,
        )
    }

    fn missing(&self, id: &str) -> bool {
        let one = self.compiled.statutes.iter().find(|one| &*one.reference.cedar_id == id).unwrap();
        let counted = counted(self.asked);
        one.notes.ask.iter().any(|by| !approved(by.as_str(), self.asked, self.plan, &counted))
    }

    fn asks(&self, id: &str) -> bool {
        self.compiled.statutes.iter().any(|one| &*one.reference.cedar_id == id && !one.notes.ask.is_empty())
    }

    fn word(&self, shadow: bool) -> &'static str {
        let (forbids, failed) = self.matching(false, shadow);
        let (permits, _) = self.matching(true, shadow);
        if failed || forbids.iter().any(|id| !self.asks(id)) || permits.is_empty() {
            "refuse"
        } else if forbids.iter().any(|id| self.missing(id)) || permits.iter().all(|id| self.missing(id)) {
            "ask"
        } else {
            "allow"
        }
    }

    /// Cedar's own decision over the whole set, where it has the same meaning: nothing asks, no forbid fails.
    fn check_plainly(&self, decision: &Decision) {
        let binding = || self.compiled.statutes.iter().filter(|one| one.shadow == Shadow::Nowhere);
        if binding().any(|one| !one.notes.ask.is_empty()) || self.matching(false, false).1 {
            return;
        }
        let set = PolicySet::from_policies(binding().map(|one| one.policy.clone())).unwrap();
        let said = Authorizer::new().is_authorized(&self.request, &set, &self.entities);
        let allowed = said.decision() == cedar_policy::Decision::Allow;
        assert_eq!(allowed, matches!(decision.outcome, Outcome::Allow { .. }));
        let reasons: BTreeSet<String> = said.diagnostics().reason().map(ToString::to_string).collect();
        let named: BTreeSet<String> =
            decision.determining.iter().map(|one| one.cedar_id.to_string()).collect();
        assert_eq!(reasons, named);
    }
}

/// The full schema, actions' contexts and all.
fn schema() -> Schema {
    Schema::from_str(&compiled(&[]).schema_text()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn sliced_and_remembered_is_what_cedar_says(
        policies in prop::collection::vec((a_policy(), prop::bool::weighted(0.15)), 0..9),
        questions in prop::collection::vec(a_question(), 12),
    ) {
        let texts: Vec<(String, &String)> = policies
            .iter()
            .enumerate()
            .map(|(at, (text, shadow))| (format!("{}{at}", if *shadow { "shadow" } else { "p" }), text))
            .collect();
        let given: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let plan = plan_of(HOUSE, &given);
        let compiled = Compiled::compile_trusted(&plan).unwrap();
        let schema = schema();
        for asked in &questions {
            let naive = Naive::new(&compiled, &plan, &schema, asked);
            let decision = decide(&compiled, &asked.ask());
            prop_assert_eq!(decision.outcome.as_str(), naive.word(false), "{:?}", asked);
            if let Some(shadow) = &decision.shadow {
                prop_assert_eq!(shadow.as_str(), naive.word(true), "{:?}", asked);
            } else {
                prop_assert_eq!(naive.word(false), naive.word(true), "{:?}", asked);
            }
            naive.check_plainly(&decision);
        }
        // Once more, in another order, now that everything is remembered.
        for asked in questions.iter().rev() {
            prop_assert_eq!(&*compiled.decide(&asked.ask()), &compiled.decide_alone(&asked.ask()));
        }
    }

    #[test]
    fn a_remembered_decision_is_never_that_of_another_call(
        policies in prop::collection::vec(a_policy(), 4..12),
        questions in prop::collection::vec((a_question(), a_question()), 6),
    ) {
        let all: String = policies.concat();
        let compiled = Compiled::compile_trusted(&plan_of(HOUSE, &[("a", &all)])).unwrap();
        for (a, b) in &questions {
            for asked in hybrids(a, b) {
                prop_assert_eq!(&*compiled.decide(&asked.ask()), &compiled.decide_alone(&asked.ask()), "{:?}", asked);
            }
        }
    }

    #[test]
    fn the_part_of_the_schema_says_what_the_whole_says(policies in prop::collection::vec(a_policy(), 6)) {
        let plan = plan_of(HOUSE, &[]);
        let validator = cedar_policy::Validator::new(schema());
        for text in &policies {
            let set = PolicySet::from_str(text).unwrap();
            let whole = validator.validate(&set, cedar_policy::ValidationMode::Strict);
            let part = crate::check("p.cedar", text, &plan);
            prop_assert_eq!(whole.validation_passed(), part.is_empty(), "{} {} {:?}", text, whole, part);
        }
    }

    #[test]
    fn one_more_forbid_never_allows_more(
        policies in prop::collection::vec(a_policy(), 0..8),
        forbid in a_policy(),
        questions in prop::collection::vec(a_question(), 12),
    ) {
        let forbid = forbid.replacen("permit (", "forbid (", 1);
        let all: String = policies.concat();
        let before = Compiled::compile_trusted(&plan_of(HOUSE, &[("a", &all)])).unwrap();
        let after = Compiled::compile_trusted(&plan_of(HOUSE, &[("a", &all), ("b", &forbid)])).unwrap();
        for asked in &questions {
            let (less, more) = (before.decide(&asked.ask()), after.decide(&asked.ask()));
            prop_assert!(more.outcome.strictness() >= less.outcome.strictness(), "{:?}", asked);
            if let (Outcome::Allow { obligations: a }, Outcome::Allow { obligations: b }) = (&less.outcome, &more.outcome) {
                prop_assert_eq!(a, b);
            }
        }
    }
}

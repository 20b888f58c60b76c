//! Tests of the whole: a small organisation, its policies, and what is decided.

mod against_cedar;
mod analysed;
mod behaviour;
mod explained;
mod faults;
mod flow;
mod models;
mod shaded;

use alcaide_inventory::declare::{Declarations, Named};
use alcaide_inventory::plan::{Kind, Placed, PlacedTool};
use alcaide_inventory::{
    Actor, AgentId, HumanId, Moment, Name, Plan, PlanNumber, PolicyId, RouteId, ToolId, UnitId, UpstreamId,
    WorkloadId,
};

use crate::{Ask, Compiled, Context, Decision, Resource};

/// Two units, three humans, three agents, a workload, two models, two tool servers and a service.
pub(super) const HOUSE: &str = r#"
schema = 1

[[unit]]
name = "org"
[[unit]]
name = "finance"
parent = "org"
[[unit]]
name = "ops"
parent = "org"

[[human]]
name = "ana"
unit = "finance"
[[human]]
name = "bo"
unit = "finance"
roles = ["approver"]
[[human]]
name = "cy"
unit = "ops"
roles = ["administrator", "approver"]

[[agent]]
name = "invoice-bot"
unit = "finance"
owner = "ana"
sponsor = "bo"
may = ["use:model/*", "use:tool/files/*", "use:tool/erp/post_invoice", "use:api/crm/read"]
[[agent]]
name = "ops-bot"
unit = "ops"
owner = "cy"
may = ["use:model/small", "use:tool/*/read_file", "use:tool/nowhere/x"]
[[agent]]
name = "idle-bot"
unit = "ops"
owner = "cy"
standing = "quarantined"
may = ["use:model/*"]

[[workload]]
name = "cron"
unit = "ops"
owner = "cy"
may = ["use:api/crm/*"]

[[upstream]]
name = "llm"
protocol = "openai"
base_url = "http://127.0.0.1:1"

[[route]]
name = "gpt"
kind = "model"
upstreams = [{ upstream = "llm" }]
[[route]]
name = "small"
kind = "model"
upstreams = [{ upstream = "llm" }]
[[route]]
name = "files"
kind = "mcp"
upstream = "llm"
[[route]]
name = "erp"
kind = "mcp"
upstream = "llm"
[[route]]
name = "crm"
kind = "service"
upstream = "llm"
operations = [
  { name = "read", method = "GET", path = "/a", effect = "read" },
  { name = "write", method = "POST", path = "/a", effect = "internal" },
]

[[tool]]
server = "files"
name = "read_file"
effect = "read"
[[tool]]
server = "files"
name = "write_file"
effect = "internal"
[[tool]]
server = "erp"
name = "post_invoice"
effect = "money"
control = ["amount", "to"]
"#;

/// Input schema of `erp/post_invoice`.
pub(super) const INVOICE: &str = r#"{"type":"object","required":["amount","to"],"properties":{
    "amount":{"type":"integer"},"to":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},
    "rate":{"type":"number"}}}"#;

/// A plan with ids counted from 1 within each kind. Every tool but `files/write_file` is pinned.
pub(super) fn plan_of(toml: &str, policies: &[(&str, &str)]) -> Plan {
    let read = Declarations::from_toml("house.toml", toml).unwrap();
    let tools = read.tools.into_iter().enumerate().map(|(at, spec)| PlacedTool {
        id: ToolId::from_bits(u128::try_from(at).unwrap() + 1),
        pin: (spec.name != "write_file").then(|| "0".repeat(64)),
        input_schema: (spec.name == "post_invoice").then(|| INVOICE.to_owned()),
        spec,
    });
    let policies = policies.iter().map(|(name, cedar)| Named {
        name: name.parse::<Name>().unwrap(),
        spec: alcaide_inventory::declare::Policy {
            cedar: (*cedar).to_owned(),
            file: format!("policies/{name}.cedar"),
            mode: if name.starts_with("shadow") {
                alcaide_inventory::declare::PolicyMode::Shadow
            } else {
                alcaide_inventory::declare::PolicyMode::Enforce
            },
            shadow: None,
        },
    });
    Plan {
        number: PlanNumber(7),
        made: Moment::from_secs(0),
        units: placed(read.units, UnitId::from_bits),
        humans: placed(read.humans, HumanId::from_bits),
        agents: placed(read.agents, AgentId::from_bits),
        workloads: placed(read.workloads, WorkloadId::from_bits),
        upstreams: placed(read.upstreams, UpstreamId::from_bits),
        routes: placed(read.routes, RouteId::from_bits),
        tools: tools.collect(),
        policies: placed(policies.collect(), PolicyId::from_bits),
        ..Plan::default()
    }
}

fn placed<I, T>(things: Vec<Named<T>>, id: fn(u128) -> I) -> Kind<I, T> {
    let numbered = things.into_iter().zip(1_u128..);
    numbered.map(|(one, bits)| (one.name, Placed { id: id(bits), spec: one.spec })).collect()
}

pub(super) fn compiled(policies: &[(&str, &str)]) -> Compiled {
    match Compiled::compile(&plan_of(HOUSE, policies)) {
        Ok(compiled) => compiled,
        Err(faults) => panic!("{faults:#?}"),
    }
}

pub(super) fn agent(bits: u128) -> Actor {
    Actor::Agent(AgentId::from_bits(bits))
}

pub(super) fn human(bits: u128) -> Actor {
    Actor::Human(HumanId::from_bits(bits))
}

pub(super) const INVOICE_BOT: u128 = 1;
pub(super) const OPS_BOT: u128 = 2;
pub(super) const IDLE_BOT: u128 = 3;
pub(super) const ANA: u128 = 1;
pub(super) const BO: u128 = 2;
pub(super) const CY: u128 = 3;
pub(super) const GPT: Resource<'static> = Resource::Model(RouteId::from_bits(1));
pub(super) const SMALL: Resource<'static> = Resource::Model(RouteId::from_bits(2));
pub(super) const FILES: RouteId = RouteId::from_bits(3);
pub(super) const CRM: RouteId = RouteId::from_bits(5);
pub(super) const READ_FILE: Resource<'static> = Resource::Tool(ToolId::from_bits(1));
pub(super) const WRITE_FILE: Resource<'static> = Resource::Tool(ToolId::from_bits(2));
pub(super) const POST_INVOICE: Resource<'static> = Resource::Tool(ToolId::from_bits(3));

/// Decides in all three ways, which must agree.
pub(super) fn decide(compiled: &Compiled, ask: &Ask<'_>) -> Decision {
    let first = compiled.decide(ask);
    let second = compiled.decide(ask);
    assert_eq!(first, second, "remembered");
    assert_eq!(first, compiled.decide_afresh(ask), "afresh");
    assert_eq!(*first, compiled.decide_alone(ask), "alone");
    (*first).clone()
}

pub(super) fn with<'a>(ask: Ask<'a>, context: Context<'a>) -> Ask<'a> {
    Ask { context, ..ask }
}

pub(super) fn names(decision: &Decision) -> Vec<&str> {
    decision.determining.iter().map(|one| &*one.cedar_id).collect()
}

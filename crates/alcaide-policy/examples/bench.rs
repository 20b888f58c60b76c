//! How long compiling and deciding take: `cargo run --release -p alcaide-policy --example bench`.
//!
//! Prints the median of 31 rounds. "First" is the first question of an actor, action and resource; "evaluated" has the
//! slice but decides afresh; "remembered" finds the decision too.

use std::hint::black_box;
use std::time::{Duration, Instant};

use alcaide_inventory::declare::{Declarations, Named, Policy, PolicyMode};
use alcaide_inventory::plan::{Kind, Placed, PlacedTool};
use alcaide_inventory::{
    Actor, AgentId, HumanId, Name, Plan, PolicyId, RouteId, ToolId, UnitId, UpstreamId, WorkloadId,
};
use alcaide_policy::{Action, Ask, Compiled, Context, Resource};

const ROUNDS: usize = 31;
const TOOLS: u128 = 40;
const AGENTS: u128 = 100;
const SCHEMA: &str = r#"{"type":"object","required":["amount"],"properties":{"amount":{"type":"integer"},"to":{"type":"string"}}}"#;

fn main() {
    for policies in [50, 1_000] {
        let plan = plan(policies, Kinds::Mixed);
        println!("{policies} declared policies, {AGENTS} agents with 2 grants each, {TOOLS} typed tools");
        report("compile, validated", 1, || drop(black_box(Compiled::compile(&plan))));
        report("compile, trusted", 1, || drop(black_box(Compiled::compile_trusted(&plan))));
        let compiled = Compiled::compile(&plan).unwrap_or_else(|faults| {
            faults.iter().take(3).for_each(|fault| eprintln!("{}", fault.report()));
            std::process::exit(1)
        });
        let actor = Actor::Agent(AgentId::from_bits(1));
        let model = Ask::alone(actor, Action::UseModel, Resource::Model(RouteId::from_bits(1)));
        let tool = Ask {
            context: Context { args: Some(br#"{"amount":5,"to":"x"}"#), ..Context::default() },
            ..Ask::alone(actor, Action::CallTool, Resource::Tool(ToolId::from_bits(1)))
        };
        println!("  use_model: {}, call_tool: {}", word(&compiled, &model), word(&compiled, &tool));
        report("use_model, remembered", 1000, || drop(black_box(compiled.decide(black_box(&model)))));
        report("use_model, evaluated", 1000, || drop(black_box(compiled.decide_afresh(black_box(&model)))));
        report("call_tool with args, remembered", 1000, || {
            drop(black_box(compiled.decide(black_box(&tool))))
        });
        report("call_tool with args, evaluated", 1000, || {
            drop(black_box(compiled.decide_afresh(black_box(&tool))))
        });
        // A name that is too long to be kept is sliced anew each time.
        let long = "m".repeat(600);
        let method = Resource::Method { server: None, name: &long };
        let first = Ask::alone(actor, Action::CallMethod, method);
        report("call_method, first (guest)", 100, || drop(black_box(compiled.decide(black_box(&first)))));
        report("who_can, per actor", 1, || {
            drop(black_box(compiled.who_can(Action::UseModel, model.resource)))
        });
        report("explain", 1, || drop(black_box(compiled.explain(&tool))));
    }
    for (name, kinds) in [("plain", Kinds::Plain), ("reading args of one tool", Kinds::Args)] {
        let plan = plan(1_000, kinds);
        report(&format!("1000 policies, all {name}: compile"), 1, || {
            drop(black_box(Compiled::compile(&plan)))
        });
    }
}

fn word(compiled: &Compiled, ask: &Ask<'_>) -> &'static str {
    compiled.decide(ask).outcome.as_str()
}

fn report(name: &str, times: u32, mut run: impl FnMut()) {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            (0..times).for_each(|_| run());
            begin.elapsed() / times
        })
        .collect();
    rounds.sort();
    println!("  {name:40} {:?}", rounds.get(ROUNDS / 2).copied().unwrap_or_default());
}

#[derive(Clone, Copy)]
enum Kinds {
    Mixed,
    Plain,
    Args,
}

fn policy(at: usize, kinds: Kinds) -> String {
    let agent = AgentId::from_bits(u128::try_from(at).unwrap_or(0) % AGENTS + 1);
    let plain = at % 5;
    match (kinds, if matches!(kinds, Kinds::Args) { 4 } else { plain }) {
        (_, 0) => format!(
            "permit (principal == Alcaide::Agent::\"{agent}\", action == Alcaide::Action::\"use_model\", resource) \
             when {{ resource.name == \"m{at}\" && context.budget_used < 90 }};"
        ),
        (_, 1) => format!(
            "forbid (principal, action == Alcaide::Action::\"use_model\", resource) \
             when {{ principal.name == \"a{at}\" && context.findings.contains(\"card\") }};"
        ),
        (_, 2) => "forbid (principal, action in Alcaide::Action::\"call_tool\", resource) \
             when { resource.effect == \"money\" && !context.task.trusted };"
            .to_owned(),
        (_, 3) => format!(
            "@reason(\"night\") forbid (principal is Alcaide::Agent, action, resource) \
             when {{ principal.name == \"b{at}\" && (context.hour < 6 || context.weekday > 5) }};"
        ),
        (Kinds::Plain, _) => format!(
            "permit (principal, action == Alcaide::Action::\"call_api\", resource) when {{ resource.name == \"o{at}\" }};"
        ),
        (Kinds::Mixed, _) if at % 10 != 4 => format!(
            "permit (principal in Alcaide::Unit::\"unt_00000000000000000000000001\", \
             action == Alcaide::Action::\"message_peer\", resource) when {{ resource.name == \"p{at}\" }};"
        ),
        _ => format!(
            "forbid (principal, action == Alcaide::Action::\"erp/t{}\", resource) \
             when {{ context has args && context.args.amount > {at}000 }};",
            (at / 10) % 40
        ),
    }
}

fn plan(policies: usize, kinds: Kinds) -> Plan {
    let mut toml = String::from(
        "schema = 1\n[[unit]]\nname = \"u\"\n[[human]]\nname = \"h\"\nunit = \"u\"\n\
         [[upstream]]\nname = \"llm\"\nprotocol = \"openai\"\nbase_url = \"http://127.0.0.1:1\"\n\
         [[route]]\nname = \"gpt\"\nkind = \"model\"\nupstreams = [{ upstream = \"llm\" }]\n\
         [[route]]\nname = \"erp\"\nkind = \"mcp\"\nupstream = \"llm\"\n",
    );
    for at in 0..AGENTS {
        toml.push_str(&format!(
            "[[agent]]\nname = \"a{at}\"\nunit = \"u\"\nowner = \"h\"\nmay = [\"use:model/*\", \"use:tool/erp/*\"]\n"
        ));
    }
    for at in 0..TOOLS {
        toml.push_str(&format!("[[tool]]\nserver = \"erp\"\nname = \"t{at}\"\neffect = \"money\"\n"));
    }
    let Ok(read) = Declarations::from_toml("bench.toml", &toml) else {
        eprintln!("the declarations could not be read");
        std::process::exit(1)
    };
    let tools = read.tools.into_iter().zip(1_u128..).map(|(spec, bits)| PlacedTool {
        id: ToolId::from_bits(bits),
        pin: Some("0".repeat(64)),
        input_schema: Some(SCHEMA.into()),
        spec,
    });
    // Files of ten policies each, as people keep them.
    let texts: Vec<String> = (0..policies).map(|at| policy(at, kinds)).collect();
    let files = texts.chunks(10).enumerate().filter_map(|(at, chunk)| {
        let name: Name = format!("p{at}").parse().ok()?;
        Some(Named {
            name,
            spec: Policy {
                cedar: chunk.concat(),
                file: String::new(),
                mode: PolicyMode::Enforce,
                shadow: None,
            },
        })
    });
    Plan {
        units: placed(read.units, UnitId::from_bits),
        humans: placed(read.humans, HumanId::from_bits),
        agents: placed(read.agents, AgentId::from_bits),
        workloads: placed(read.workloads, WorkloadId::from_bits),
        upstreams: placed(read.upstreams, UpstreamId::from_bits),
        routes: placed(read.routes, RouteId::from_bits),
        tools: tools.collect(),
        policies: placed(files.collect(), PolicyId::from_bits),
        ..Plan::default()
    }
}

fn placed<I, T>(things: Vec<Named<T>>, id: fn(u128) -> I) -> Kind<I, T> {
    let numbered = things.into_iter().zip(1_u128..);
    numbered.map(|(one, bits)| (one.name, Placed { id: id(bits), spec: one.spec })).collect()
}

//! `range`: the practice ground as a process of its own, over stdio or loopback HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;

use alcaide_range::{Launch, Server, declarations};
use clap::{ArgGroup, Args};
use serde_json::json;

use crate::cli::{Desk, Exit};
use crate::fail::{Failure, INTERNAL};
use crate::range::{self, Audit};

/// `alcaide range`.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("how").required(true).args(["stdio", "listen", "declarations"]),
    after_help = "Example: alcaide range --listen 127.0.0.1:7300 --effects effects.jsonl\nNothing in it is real, and \
    nothing of it is kept: each start begins the same world anew."
)]
pub(crate) struct Range {
    /// Speak MCP on standard input and output
    #[arg(long)]
    stdio: bool,
    /// Speak MCP over HTTP at `/mcp` of this loopback address; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Print the declarations that put it behind a gate, started as a child of this program
    #[arg(long, conflicts_with_all = ["effects", "turn_after"])]
    declarations: bool,
    /// Write each change of the world to this file, one JSON object a line; what it said before is gone
    #[arg(long, value_name = "PATH")]
    effects: Option<PathBuf>,
    /// Change the description of the tool `find_person` after the tools were listed so often
    #[arg(long, value_name = "LISTS")]
    turn_after: Option<u64>,
}

impl Range {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        if self.declarations {
            let program = std::env::current_exe()
                .map_err(|error| Failure::new(&INTERNAL, "this program cannot be found").why(error))?;
            let command = [program.display().to_string(), "range".into(), "--stdio".into()];
            let text = declarations(&Launch::Stdio { command: &command, write: &[] });
            desk.out.show(&json!({ "toml": text }), || text.clone())?;
            return Ok(Exit::Clean);
        }
        let server = self.turn_after.map_or_else(Server::new, |lists| Server::new().turning_after(lists));
        let audit = match &self.effects {
            None => Audit::none(),
            Some(path) => Audit::into(path)?,
        };
        match self.listen {
            None => range::speak(&mut std::io::stdin().lock(), &mut std::io::stdout().lock(), server, audit),
            Some(address) => {
                let told = |url: &str| {
                    desk.out.show(&json!({ "url": url, "pid": std::process::id() }), || {
                        format!("practice ground  {url}\n")
                    })
                };
                range::serve(address, server, audit, told).await
            }
        }
        .map(|()| Exit::Clean)
    }
}

#[cfg(test)]
mod tests {
    use alcaide_finding::Class;
    use alcaide_inspect::Engine;
    use alcaide_inventory::declare::{Declarations, Named};
    use alcaide_inventory::plan::{Kind, Placed, PlacedTool};
    use alcaide_inventory::{
        Actor, AgentId, BudgetId, HumanId, Plan, PolicyId, RouteId, ToolId, UnitId, UpstreamId,
    };
    use alcaide_policy::{Action, Approver, Ask, CODE_NOT_PERMITTED, Compiled, Context, Outcome, Resource};
    use alcaide_range::{DECLARATIONS, Folder, Session, World};
    use serde_json::Value;

    use super::*;

    const CLERK: Actor = Actor::Agent(AgentId::from_bits(1));
    const AUDIT: Actor = Actor::Agent(AgentId::from_bits(2));
    const ANA: HumanId = HumanId::from_bits(1);
    const BEN: HumanId = HumanId::from_bits(2);

    /// Whether the tools' descriptions were accepted.
    #[derive(Clone, Copy, Eq, PartialEq)]
    enum Pins {
        Accepted,
        None,
    }

    /// The plan that an office makes of the declarations, ids counted from 1 within each kind.
    fn plan(pins: Pins) -> Plan {
        let read = Declarations::from_toml("practice.toml", DECLARATIONS).unwrap();
        assert_eq!(read.check(), []);
        let offered = offered();
        let tools = read.tools.into_iter().zip(1_u128..).map(|(spec, bits)| {
            let schema =
                offered.iter().find(|tool| tool["name"] == spec.name).unwrap()["inputSchema"].to_string();
            let accepted = pins == Pins::Accepted;
            PlacedTool {
                id: ToolId::from_bits(bits),
                spec,
                pin: accepted.then(|| "0".repeat(64)),
                input_schema: accepted.then_some(schema),
            }
        });
        Plan {
            tools: tools.collect(),
            units: placed(read.units, UnitId::from_bits),
            humans: placed(read.humans, HumanId::from_bits),
            agents: placed(read.agents, AgentId::from_bits),
            upstreams: placed(read.upstreams, UpstreamId::from_bits),
            routes: placed(read.routes, RouteId::from_bits),
            budgets: placed(read.budgets, BudgetId::from_bits),
            policies: placed(read.policies, PolicyId::from_bits),
            ..Plan::default()
        }
    }

    fn placed<I, T>(things: Vec<Named<T>>, id: fn(u128) -> I) -> Kind<I, T> {
        let numbered = things.into_iter().zip(1_u128..);
        numbered.map(|(one, bits)| (one.name, Placed { id: id(bits), spec: one.spec })).collect()
    }

    /// The tools as the real server lists them.
    fn offered() -> Vec<Value> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": meta } });
        let answer = Server::new().answer(&mut Session::default(), ask.to_string().as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&answer.message).unwrap();
        answer["result"]["tools"].as_array().unwrap().clone()
    }

    fn decide(
        plan: &Plan,
        actor: Actor,
        tool: &str,
        args: &Value,
        findings: &[(Class, u32)],
        approvals: &[HumanId],
    ) -> Outcome {
        let compiled = Compiled::compile(plan).unwrap_or_else(|faults| panic!("{faults:#?}"));
        let tool = plan.tools.iter().find(|placed| placed.spec.name == tool).unwrap().id;
        let args = args.to_string();
        let context = Context { args: Some(args.as_bytes()), findings, approvals, ..Context::default() };
        let ask = Ask {
            subject: Actor::Human(ANA),
            context,
            ..Ask::alone(actor, Action::CallTool, Resource::Tool(tool))
        };
        compiled.decide(&ask).outcome.clone()
    }

    /// Decides what the clerk's agent asks for ana.
    fn clerk(tool: &str, args: Value) -> Outcome {
        decide(&plan(Pins::Accepted), CLERK, tool, &args, &[], &[])
    }

    fn obligations(outcome: Outcome) -> Vec<String> {
        let Outcome::Allow { obligations } = outcome else { panic!("{outcome:?}") };
        obligations.iter().map(ToString::to_string).collect()
    }

    /// Why, and what would cure it.
    fn refused(outcome: Outcome) -> (String, Option<String>) {
        let Outcome::Refuse { reason, cure, .. } = outcome else { panic!("{outcome:?}") };
        (reason.to_string(), cure.map(|cure| cure.to_string()))
    }

    #[test]
    fn daily_work_is_let_through_and_what_is_read_is_masked() {
        assert_eq!(obligations(clerk("list_invoices", json!({ "status": "open" }))), [""; 0]);
        assert_eq!(obligations(clerk("list_mail", json!({ "mailbox": "ana" }))), [""; 0]);
        let mail = clerk("read_mail", json!({ "mailbox": "ana", "id": "m-0005" }));
        assert_eq!(obligations(mail), ["mask:card", "mask:secret"]);
        let file = clerk("read_file", json!({ "path": "/it/deploy.env" }));
        assert_eq!(obligations(file), ["mask:card", "mask:personal", "mask:secret"]);
    }

    #[test]
    fn a_payment_is_asked_about_and_ben_can_answer() {
        let pay = json!({ "payee": "payee-01", "amount_cents": 184_000, "reference": "INV-2041" });
        let outcome = clerk("make_payment", pay.clone());
        let Outcome::Ask { roles, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(roles, &[Approver::Approver]);
        let plan = plan(Pins::Accepted);
        assert!(obligations(decide(&plan, CLERK, "make_payment", &pay, &[], &[BEN])).is_empty());
        let by_ana = decide(&plan, CLERK, "make_payment", &pay, &[], &[ANA]);
        assert_eq!(by_ana.as_str(), "ask", "ana is no approver, and it is her own work");
    }

    #[test]
    fn what_is_refused_says_why_and_what_cures_it() {
        let (reason, cure) = refused(clerk("read_mail", json!({ "mailbox": "ben", "id": "m-0011" })));
        assert!(reason.contains("another one") && cure.unwrap().contains("that person's mailbox"));
        let payee = json!({ "name": "Baltic Timber", "iban": "GB82WEST12345698765432" });
        let (reason, cure) = refused(clerk("add_payee", payee));
        assert!(reason.contains("changed by people") && cure.unwrap().contains("by hand"));
        let mail = json!({ "mailbox": "ana", "to": ["x@example.net"], "subject": "s", "body": "b" });
        assert!(obligations(clerk("send_mail", mail.clone())).is_empty());
        let with_secret =
            decide(&plan(Pins::Accepted), CLERK, "send_mail", &mail, &[(Class::Secret, 1)], &[]);
        assert_eq!(refused(with_secret).1.as_deref(), Some("send it without"));
    }

    #[test]
    fn what_nobody_granted_is_not_permitted() {
        let deletes = clerk("delete_mail", json!({ "mailbox": "ana", "id": "m-0006" }));
        assert!(matches!(deletes, Outcome::Refuse { code: CODE_NOT_PERMITTED, .. }), "{deletes:?}");
        let plan = plan(Pins::Accepted);
        let looks = decide(&plan, AUDIT, "list_payments", &json!({}), &[], &[]);
        assert!(obligations(looks).is_empty());
        let reads = decide(&plan, AUDIT, "read_file", &json!({ "path": "/readme.md" }), &[], &[]);
        assert!(matches!(reads, Outcome::Refuse { code: CODE_NOT_PERMITTED, .. }), "{reads:?}");
    }

    #[test]
    fn tools_that_nobody_accepted_do_not_run_but_the_plan_holds() {
        let plan = plan(Pins::None);
        let reads = decide(&plan, CLERK, "list_invoices", &json!({}), &[], &[]);
        assert_eq!(refused(reads).0, "nobody has accepted this tool's description");
    }

    #[test]
    fn what_lies_in_it_is_found_where_it_should_be_and_nowhere_else() {
        let (engine, world) = (Engine::builtin(), World::new());
        let found = |text: &str| {
            let rules = engine.scan(text).into_iter().map(|finding| finding.rule.to_string());
            let mut rules: Vec<_> = rules.filter(|rule| rule != "email-address").collect();
            rules.dedup();
            rules
        };
        let at: Vec<(String, Vec<String>)> = world
            .files("/")
            .unwrap()
            .into_iter()
            .map(|(path, _)| (path.to_owned(), found(world.file(path).unwrap())))
            .filter(|(_, rules)| !rules.is_empty())
            .collect();
        let expected = [("/it/deploy.env", "github-token"), ("/people/customers.csv", "card-number")];
        assert_eq!(at, expected.map(|(path, rule)| (path.to_owned(), vec![rule.to_owned()])));
        for mailbox in ["ana", "ben", "cleo"] {
            for mail in world.mails(mailbox, Folder::Inbox).unwrap() {
                let expected: &[&str] = if mail.id == "m-0005" { &["card-number"] } else { &[] };
                assert_eq!(found(&mail.body), expected, "{}", mail.id);
            }
        }
    }

    #[test]
    fn every_grant_names_a_tool_and_every_argument_has_a_type() {
        let compiled = Compiled::compile(&plan(Pins::Accepted)).unwrap();
        let told: Vec<_> = compiled.notices().iter().map(|one| one.text.as_str()).collect();
        // Three tools take no arguments at all.
        assert_eq!(told, ["no argument has a Cedar type: policies see no `context.args`"; 3]);
    }
}

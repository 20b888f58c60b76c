//! Where the judge plays: a house whose agents may use all tools of the suites, and the people whom it can ask.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::facts::Tools;
use crate::bench::house::{House, READY_WAIT, last_lines};
use crate::bench::process::{Program, bound, wait};
use crate::bench::reach;

/// Who asks, and for whom.
const SUBJECT: &str = "emma";
/// Who owns the agents and answers for them.
const APPROVER: &str = "oliver";
const ADMINISTRATOR: &str = "ada";
const UNIT: &str = "office";
/// An agent may have a hundred questions open, and those that were denied count until they end: as many agents take
/// turns as the pairs of all suites need.
pub(super) const LANES: usize = 24;
/// Name of the sealed credential of the suites' servers, and what it is.
const SECRET: &str = "suite-key";
const SECRET_VALUE: &str = "dojo-upstream-credential";
/// Ports of the suites' servers: below those that systems choose for connections, so that none is taken in between.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// A call that asks is told so at once: the judge comes again itself. A run asks in minutes what a house asks in weeks, so
/// that no hour is too short for it: what is measured is how often people are asked, not how often they may be.
const SETTINGS: &str = "[gate]\napproval_wait_ms = 0\nquestions_per_hour = 10000\nquestions_per_hour_subject = 10000\n\
     [office]\nyes_per_hour = 10000\ngrave_yes_per_hour = 10000\n";

/// A suite and where its server is.
#[derive(Clone, Debug)]
pub(super) struct Suite {
    pub(super) name: String,
    pub(super) port: u16,
}

/// The running house.
pub(super) struct Ground {
    house: House,
    binary: PathBuf,
    pub(super) suites: Vec<Suite>,
}

/// How the suites' servers are served.
pub(super) struct Judge<'j> {
    /// The Python that it runs on.
    pub(super) python: &'j Path,
    pub(super) program: &'j Path,
}

impl Ground {
    /// Starts a house below `place`, declares all that is needed, and accepts what the suites' servers offer. Where there
    /// are no facts, those are declared that the program itself proposes.
    ///
    /// # Errors
    /// When something does not start, or the office refuses.
    pub(super) fn begin(
        binary: &Path,
        place: &Path,
        names: &[String],
        facts: Option<&BTreeMap<String, Tools>>,
        judge: &Judge<'_>,
    ) -> Result<Self> {
        let house = House::begin(binary, place, SETTINGS)?;
        house.seal(SECRET, SECRET_VALUE)?;
        let mut suites: Vec<Suite> = Vec::new();
        for name in names {
            let port = free_port(&suites)?;
            suites.push(Suite { name: name.clone(), port });
        }
        let ground = Self { house, binary: binary.to_owned(), suites };
        ground.declare(facts.unwrap_or(&BTreeMap::new()))?;
        ground.accept(facts, place, judge)?;
        Ok(ground)
    }

    /// The gate's address of a suite, with `{suite}` for its name.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp/{{suite}}", self.house.port)
    }

    /// Where answers to questions go, with `{id}` for the question.
    pub(super) fn approvals(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/approvals/{{id}}", self.house.office_port)
    }

    /// A command that starts a task for the words in `{prompt_file}` and prints its token: what only a launcher can.
    pub(super) fn launcher(&self) -> String {
        let program = self.program();
        format!("{program} agent token {} --subject {SUBJECT} --task-file {{prompt_file}}", agent("{lane}"))
    }

    /// A command that prints a token of the person who answers.
    pub(super) fn approver(&self) -> String {
        format!("{} token office {APPROVER}", self.program())
    }

    /// What the suites' servers ask for; the agent never sees it.
    pub(super) fn upstream_token(&self) -> &'static str {
        SECRET_VALUE
    }

    fn program(&self) -> String {
        format!("'{}' --data-dir '{}'", self.binary.display(), self.house.data().display())
    }

    fn declare(&self, facts: &BTreeMap<String, Tools>) -> Result<()> {
        let wanted = declarations(&self.suites, facts);
        self.house.office("POST", "/api/v1/plans", &wanted).context("the declarations were not applied")?;
        Ok(())
    }

    /// Lets each server say once what it offers, and accepts that form of every tool. What the facts do not name is
    /// declared without any: with the strictest.
    fn accept(&self, facts: Option<&BTreeMap<String, Tools>>, place: &Path, judge: &Judge<'_>) -> Result<()> {
        let _servers = self.serve(place, judge)?;
        let mut offered: Vec<(&Suite, Vec<String>)> = Vec::new();
        for suite in &self.suites {
            offered.push((suite, list(suite.port, "/mcp", SECRET_VALUE)?));
        }
        if let Some(facts) = facts {
            self.declare_strangers(facts, &offered)?;
        }
        for (suite, names) in &offered {
            // What is not accepted yet is not shown to the agent, but left for the office.
            self.until(
                || Ok(self.list(suite).is_ok()),
                || format!("the gate does not list `{}`", suite.name),
            )?;
            let paths: Vec<String> =
                names.iter().map(|tool| format!("/api/v1/tools/{}/{tool}", suite.name)).collect();
            let pins = paths.iter().map(|path| self.offered(path)).collect::<Result<Vec<Value>>>()?;
            if facts.is_none() {
                self.propose(suite)?;
            }
            for (path, pin) in paths.iter().zip(pins) {
                let accepted = self.house.office("POST", &format!("{path}/accept"), &json!({ "pin": pin }));
                accepted.with_context(|| format!("`{path}` was not accepted"))?;
            }
        }
        for (suite, names) in &offered {
            let shown = || Ok(self.list(suite)?.len() == names.len());
            self.until(shown, || format!("the gate does not show all tools of `{}`", suite.name))?;
        }
        Ok(())
    }

    fn declare_strangers(
        &self,
        facts: &BTreeMap<String, Tools>,
        offered: &[(&Suite, Vec<String>)],
    ) -> Result<()> {
        let mut all = facts.clone();
        let mut strangers = false;
        for (suite, names) in offered {
            for tool in names {
                let known = all.entry(suite.name.clone()).or_default();
                if !known.contains_key(tool) {
                    eprintln!(
                        "--- facts: nothing is said of `{}/{tool}`, so it has the strictest",
                        suite.name
                    );
                    known.insert(tool.clone(), Map::new());
                    strangers = true;
                }
            }
        }
        if strangers { self.declare(&all) } else { Ok(()) }
    }

    /// Declares what the program proposes for a suite, untouched.
    fn propose(&self, suite: &Suite) -> Result<()> {
        let mut command = bound(&self.binary);
        command.arg("--data-dir").arg(self.house.data());
        command.args(["tool", "propose", &suite.name, "--apply", "--json"]);
        let done = command.stdin(Stdio::null()).output().context("the program could not be started")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "nothing was proposed for `{}`: {}", suite.name, last_lines(&said));
        Ok(())
    }

    /// The form of a tool that its server offers.
    fn offered(&self, path: &str) -> Result<Value> {
        let mut pin = None;
        let seen = || {
            let seen = self.house.office("GET", path, &Value::Null).unwrap_or_default();
            pin = seen.pointer("/offered/pin").filter(|pin| pin.is_string()).cloned();
            Ok(pin.is_some())
        };
        self.until(seen, || format!("the office did not see the offer of `{path}`"))?;
        pin.with_context(|| format!("`{path}` is not offered"))
    }

    /// Waits for what another part of the house is about to do.
    fn until(&self, mut done: impl FnMut() -> Result<bool>, what: impl Fn() -> String) -> Result<()> {
        let begun = Instant::now();
        while !done()? {
            if begun.elapsed() > READY_WAIT {
                bail!(what());
            }
            wait(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Names of the tools that the gate shows an agent.
    fn list(&self, suite: &Suite) -> Result<Vec<String>> {
        let asked = json!({ "actor": agent("0"), "subject": format!("human/{SUBJECT}") });
        let given = self.house.office("POST", "/api/v1/tasks", &asked).context("no token was given")?;
        let token = given.get("access_token").and_then(Value::as_str).context("the answer holds no token")?;
        list(self.house.port, &format!("/mcp/{}", suite.name), token)
    }

    /// The suites' servers, until dropped.
    fn serve(&self, place: &Path, judge: &Judge<'_>) -> Result<Vec<Program>> {
        let mut servers = Vec::new();
        for suite in &self.suites {
            let log = place.join(format!("serve-{}.log", suite.name));
            let mut command = bound(judge.python);
            command.arg(judge.program).args(["serve", "--suites", &suite.name]);
            command.args(["--port", &suite.port.to_string(), "--upstream-token", SECRET_VALUE]);
            servers.push((Program::start("suite", &mut command, &log)?, suite, log));
        }
        let begun = Instant::now();
        for (program, suite, log) in &mut servers {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, suite.port)).is_err() {
                if !program.lives() || begun.elapsed() > READY_WAIT {
                    let said = std::fs::read_to_string(log).unwrap_or_default();
                    bail!("the server of `{}` did not start: {}", suite.name, last_lines(&said));
                }
                wait(Duration::from_millis(20));
            }
        }
        Ok(servers.into_iter().map(|(program, ..)| program).collect())
    }
}

/// Names of the tools that somebody offers.
fn list(port: u16, path: &str, token: &str) -> Result<Vec<String>> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    } } });
    let bearer = format!("authorization: Bearer {token}");
    let headers =
        ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/list", &bearer].map(ToOwned::to_owned);
    let said = reach::tcp(port, "POST", path, &headers, body.to_string().as_bytes())?.json()?;
    let tools = said.pointer("/result/tools").and_then(Value::as_array);
    let tools = tools.with_context(|| format!("no list of tools: {said}"))?;
    Ok(tools.iter().filter_map(|tool| tool.get("name")?.as_str().map(ToOwned::to_owned)).collect())
}

fn agent(lane: &str) -> String {
    format!("dojo-agent-{lane}")
}

/// A port that nobody listens on, tried in an order of this process's own.
fn free_port(taken: &[Suite]) -> Result<u16> {
    let count = PORTS.end - PORTS.start;
    let first = std::process::id() % u32::from(count);
    let first = u16::try_from(first).unwrap_or_default();
    for at in 0..count {
        let port = PORTS.start + (first + at) % count;
        let own = taken.iter().any(|suite| suite.port == port);
        if !own && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from {} to {} is free", PORTS.start, PORTS.end)
}

fn declarations(suites: &[Suite], facts: &BTreeMap<String, Tools>) -> Value {
    let credential =
        json!({ "kind": "header", "header": "authorization", "prefix": "Bearer ", "secret": SECRET });
    let may: Vec<String> = suites.iter().map(|suite| format!("use:tool/{}/*", suite.name)).collect();
    let human = |name: &str, roles: &[&str]| json!({ "name": name, "unit": UNIT, "roles": roles });
    let agents: Vec<Value> = (0..LANES)
        .map(|lane| json!({ "name": agent(&lane.to_string()), "unit": UNIT, "owner": APPROVER, "may": may }))
        .collect();
    let upstream = |suite: &Suite| {
        json!({
            "name": format!("{}-server", suite.name), "protocol": "mcp",
            "base_url": format!("http://127.0.0.1:{}/mcp", suite.port), "credential": credential,
        })
    };
    let route = |suite: &Suite| json!({ "name": suite.name, "kind": "mcp", "upstream": format!("{}-server", suite.name) });
    let mut tools = Vec::new();
    for suite in suites {
        for (name, facts) in facts.get(&suite.name).into_iter().flatten() {
            let mut tool = facts.clone();
            tool.insert("server".into(), suite.name.clone().into());
            tool.insert("name".into(), name.clone().into());
            tools.push(Value::Object(tool));
        }
    }
    json!({
        "schema": 1,
        "unit": [{ "name": UNIT }],
        "human": [human(ADMINISTRATOR, &["administrator"]), human(SUBJECT, &[]), human(APPROVER, &["approver"])],
        "agent": agents,
        "upstream": suites.iter().map(upstream).collect::<Vec<_>>(),
        "route": suites.iter().map(route).collect::<Vec<_>>(),
        "tool": tools,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_declared_for_the_suites_that_run_alone() {
        let facts: Tools = [("look".to_owned(), Map::new())].into();
        let facts = BTreeMap::from([("a".to_owned(), facts.clone()), ("b".to_owned(), facts)]);
        let declared = declarations(&[Suite { name: "b".into(), port: 7 }], &facts);
        assert_eq!(declared["tool"], json!([{ "server": "b", "name": "look" }]));
        assert_eq!(declared["agent"].as_array().unwrap().len(), LANES);
        assert_eq!(declared["agent"][3]["may"], json!(["use:tool/b/*"]));
        assert_eq!(declared["upstream"][0]["base_url"], "http://127.0.0.1:7/mcp");
    }
}

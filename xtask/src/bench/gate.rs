//! The gate under measurement: the release binary with everything on, set up over the office's own socket.
//!
//! An ES256 token, Cedar with 50 policies that all look at the call, inspection both ways, a brokered credential that
//! the mock insists on, and intent and outcome on disk.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::bench::house::{House, READY_WAIT};
use crate::bench::process::wait;
use crate::bench::{MODEL, UPSTREAM_SECRET, reach};

/// Seconds that a token lives: the most that the office gives.
const TOKEN_LIFE_S: u64 = 900;
/// Age at which a token is replaced; longer than any one measurement.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(300);
/// Name of the sealed credential.
const UPSTREAM_KEY: &str = "upstream-key";
/// Name of the tool server.
pub(crate) const TOOL_SERVER: &str = "mock-tools";

/// The running service with an agent that has a token.
pub(crate) struct Gate {
    house: House,
    token: Option<(String, Instant)>,
}

impl std::ops::Deref for Gate {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl std::ops::DerefMut for Gate {
    fn deref_mut(&mut self) -> &mut House {
        &mut self.house
    }
}

impl Gate {
    /// As [`House::begin`].
    ///
    /// # Errors
    /// As [`House::begin`].
    pub(crate) fn begin(binary: &Path, place: &Path) -> Result<Self> {
        Ok(Self { house: House::begin(binary, place, "")?, token: None })
    }

    /// Brings declarations with `policies` policies into force.
    ///
    /// # Errors
    /// When the office refuses them.
    pub(crate) fn declare(&self, mock: u16, policies: usize) -> Result<()> {
        let wanted = declarations(mock, policies);
        self.office("POST", "/api/v1/plans", &wanted).context("the declarations were not applied")?;
        Ok(())
    }

    /// Seals the credential that upstreams want.
    ///
    /// # Errors
    /// When the office refuses it.
    pub(crate) fn seal(&self) -> Result<()> {
        self.house.seal(UPSTREAM_KEY, UPSTREAM_SECRET)
    }

    /// Lets the tool server say what it offers and accepts that form of its tool; `key` is a header with a token.
    ///
    /// # Errors
    /// What the gate or the office say to it.
    pub(crate) fn accept_tool(&self, key: &str) -> Result<()> {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        } });
        let headers =
            ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/list", key].map(ToOwned::to_owned);
        let path = format!("/mcp/{TOOL_SERVER}");
        reach::tcp(self.port, "POST", &path, &headers, list.to_string().as_bytes())?.json()?;
        let tool = format!("/api/v1/tools/{TOOL_SERVER}/echo");
        let begun = Instant::now();
        let pin = loop {
            let seen = self.office("GET", &tool, &Value::Null)?;
            if let Some(pin) = seen.pointer("/offered/pin").and_then(Value::as_str) {
                break pin.to_owned();
            }
            if begun.elapsed() > READY_WAIT {
                bail!("the office did not see what the tool server offers");
            }
            wait(Duration::from_millis(10));
        };
        self.office("POST", &format!("{tool}/accept"), &json!({ "pin": pin }))?;
        Ok(())
    }

    /// A header with a token of the agent, a few minutes old at most.
    ///
    /// # Errors
    /// When the office gives none.
    pub(crate) fn bearer(&mut self) -> Result<String> {
        if let Some((token, since)) = &self.token
            && since.elapsed() < TOKEN_AGE_MAX
        {
            return Ok(token.clone());
        }
        let asked = json!({ "actor": "bench-agent", "life_s": TOKEN_LIFE_S });
        let given = self.office("POST", "/api/v1/tasks", &asked).context("no token was given")?;
        let token = given.get("access_token").and_then(Value::as_str).context("the answer holds no token")?;
        let header = format!("authorization: Bearer {token}");
        self.token = Some((header.clone(), Instant::now()));
        Ok(header)
    }
}

fn declarations(mock: u16, policies: usize) -> Value {
    let credential =
        json!({ "kind": "header", "header": "authorization", "prefix": "Bearer ", "secret": UPSTREAM_KEY });
    let bench = (0..policies).map(|at| (format!("bench-{at:04}"), policy(at)));
    let cedar: Vec<Value> = std::iter::once(("bounds".to_owned(), bounds()))
        .chain(bench)
        .map(|(name, cedar)| json!({ "cedar": cedar, "file": format!("{name}.cedar"), "name": name }))
        .collect();
    json!({
        "schema": 1,
        "unit": [{ "name": "operations" }],
        "human": [{ "name": "ana", "unit": "operations", "roles": ["administrator"] }],
        "agent": [{
            "name": "bench-agent", "unit": "operations", "owner": "ana",
            "may": [format!("use:model/{MODEL}"), format!("use:tool/{TOOL_SERVER}/echo")],
        }],
        "upstream": [
            {
                "name": "mock-provider", "protocol": "openai", "base_url": format!("http://127.0.0.1:{mock}/v1"),
                "credential": credential,
            },
            {
                "name": "mock-server", "protocol": "mcp", "base_url": format!("http://127.0.0.1:{mock}/mcp"),
                "credential": credential,
            },
        ],
        "route": [
            { "name": MODEL, "kind": "model", "upstreams": [{ "upstream": "mock-provider" }] },
            { "name": TOOL_SERVER, "kind": "mcp", "upstream": "mock-server" },
        ],
        "tool": [{ "server": TOOL_SERVER, "name": "echo", "effect": "read" }],
        "policy": cedar,
    })
}

/// What is counted for the shipped bounds of a task, with the numbers that they ship with.
const COUNTED: [&str; 5] = [
    "context.flow.repeats >= 1000",
    "context.flow.repeats >= 100",
    "context.flow.so_far.calls >= 5000",
    "context.flow.so_far.tainted_bytes >= 524288",
    "context.flow.so_far.tainted_records >= 1000",
];

/// The shipped bounds of a task with larger numbers: here one task makes the same call a million times.
fn bounds() -> String {
    let shipped = include_str!("../../../crates/alcaide-policy/default/bounds.cedar");
    COUNTED.iter().fold(shipped.to_owned(), |text, bound| {
        [" ", ")"]
            .iter()
            .fold(text, |text, end| text.replace(&format!("{bound}{end}"), &format!("{bound}000000{end}")))
    })
}

/// A policy that has to be looked at for each call of a model or a tool and does not change what is decided: a mix of
/// prohibitions on findings, budgets, hours, chains and names, as a house writes them.
fn policy(at: usize) -> String {
    let mut text = format!("@id(\"bench-{at:04}\")\n@reason(\"rule {at} of the benchmark\")\n");
    let action = if at % 5 == 4 {
        "action in Alcaide::Action::\"call_tool\""
    } else {
        "action == Alcaide::Action::\"use_model\""
    };
    let when = match at % 10 {
        0 => format!("context.findings.contains(\"bench.rule.{at}\")"),
        1 => format!("context.found.card > {at} && context.task.confidentiality >= 2"),
        2 => format!("resource.name == \"model-{at}\" && context.hour >= 22"),
        3 => format!("context.budget_used > 100 && context.hops >= {at}"),
        4 => format!("resource.name == \"tool-{at}\" && !context.task.trusted"),
        5 => format!("principal.name == \"agent-{at}\""),
        6 => format!("context.found.secret > {} || context.found.personal > 1000", at + 1),
        7 => format!("context.approved_roles.contains(\"role-{at}\")"),
        8 => format!("context.uninspected && resource.name like \"vision-{at}-*\""),
        _ => format!("resource.effect == \"money\" && context.weekday == {}", at % 7),
    };
    let _ = write!(text, "forbid (principal is Alcaide::Agent, {action}, resource)\nwhen {{ {when} }};\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_has_a_name_and_an_action_of_its_own_kind() {
        let declared = declarations(1, 50);
        assert_eq!(declared["policy"].as_array().unwrap().len(), 51);
        let large = bounds();
        for bound in COUNTED {
            assert!(large.contains(&format!("{bound}000000")), "{bound}");
            assert!(
                !large.contains(&format!("{bound} ")) && !large.contains(&format!("{bound})")),
                "{bound}"
            );
        }
        let texts: Vec<String> = (0..50).map(policy).collect();
        assert!(texts[9].contains("call_tool") && texts[9].contains("resource.effect"));
        assert!(texts.iter().enumerate().all(|(at, text)| text.contains(&format!("bench-{at:04}"))));
        assert_eq!(texts.iter().filter(|text| text.contains("use_model")).count(), 40);
    }
}

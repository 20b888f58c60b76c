//! The public conformance suite of the Model Context Protocol, run against a server.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::child::{Child, Launch};
use crate::error::KitError;
use crate::peer::{node_program, npm_module};

/// What a scenario came to: its checks by id, each with the statuses that it was given (`SUCCESS`, `FAILURE`,
/// `WARNING`, `INFO`), in order.
pub type Checks = BTreeMap<String, Vec<String>>;

/// Runs every server scenario of the suite, pending ones too, against `url`, and gives what each came to. `folder`
/// takes what the suite writes. Blocks until the suite ends.
///
/// The suite knows no credentials: where some are needed, put [`Bearer`](crate::Bearer) in front of the server.
///
/// # Errors
/// [`KitError::NoPeers`] when the suite is not installed; [`KitError::Late`] when it does not end;
/// [`KitError::NotJson`] when what it wrote cannot be read.
pub fn conformance(url: &str, folder: &Path) -> Result<BTreeMap<String, Checks>, KitError> {
    let launch = Launch::new(node_program()?)
        .arg(npm_module("@modelcontextprotocol/conformance/dist/index.js")?)
        .args(["server", "--suite", "all", "--url", url, "--output-dir"])
        .arg(folder)
        .folder(folder)
        .env("PATH", "/usr/bin:/bin")
        .env("NO_COLOR", "1");
    // Its exit code says whether a check failed, which is the caller's to judge.
    Child::start(launch)?.ended()?;
    let read = |source| KitError::Start { what: "reading of the suite's results", source };
    let mut scenarios = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let Ok(text) = std::fs::read(path.join("checks.json")) else { continue };
        let checks: Value = serde_json::from_slice(&text).map_err(|source| KitError::NotJson {
            script: "conformance".into(),
            line: path.display().to_string(),
            source,
        })?;
        scenarios.insert(scenario(&path), statuses(&checks));
    }
    Ok(scenarios)
}

/// The folder's name without what stands around the scenario's: `server-NAME-2026-11-27T10-00-00-000Z`.
fn scenario(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_prefix("server-").unwrap_or(&name);
    let time = "-2026-11-27T10-00-00-000Z".len();
    name.get(..name.len().saturating_sub(time)).unwrap_or(name).to_owned()
}

fn statuses(checks: &Value) -> Checks {
    let mut statuses = Checks::new();
    let text =
        |check: &Value, key: &str| check.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for check in checks.as_array().into_iter().flatten() {
        statuses.entry(text(check, "id")).or_default().push(text(check, "status"));
    }
    statuses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_known_by_its_folder() {
        let named = |name: &str| scenario(Path::new(name));
        assert_eq!(named("server-tools-list-2026-11-27T10-00-00-000Z"), "tools-list");
        assert_eq!(named("server-json-schema-2020-12-2026-11-27T10-00-00-000Z"), "json-schema-2020-12");
        assert_eq!(named("server-server-initialize-2026-11-27T10-00-00-000Z"), "server-initialize");
    }
}

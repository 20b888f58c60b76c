//! A place for tool servers: folders, a data directory that they must not see, a pool, and ways to ask.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alcaide_gateway::mcp::stdio::{Bounds, Child, Children, StdioError, StdioPlan};
use alcaide_inventory::Actor;
use alcaide_inventory::declare::{Protocol, Sandbox, Transport, Upstream};
use alcaide_inventory::id::{AgentId, UpstreamId};
use alcaide_sandbox::Launcher;
use alcaide_testkit::{DEADLINE, node_program, npm_module, peer_script, python_program};
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) const ANA: Actor = Actor::Agent(AgentId::from_bits(1));
pub(crate) const BEN: Actor = Actor::Agent(AgentId::from_bits(2));

pub(crate) struct Tools {
    pub(crate) root: PathBuf,
    pub(crate) pool: Children,
    _folder: tempfile::TempDir,
}

impl Tools {
    pub(crate) fn new() -> Self {
        Self::with(Bounds::default())
    }

    /// `data` is hidden; `inside` holds a file and links that lead out of it.
    pub(crate) fn with(bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["data", "inside", "outside"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        std::fs::write(root.join("data/master.key"), "the master key").unwrap();
        std::fs::write(root.join("outside/other.txt"), "somebody else's").unwrap();
        std::fs::write(root.join("inside/note.txt"), "a note").unwrap();
        std::os::unix::fs::symlink(root.join("outside/other.txt"), root.join("inside/link.txt")).unwrap();
        std::os::unix::fs::symlink(root.join("data/master.key"), root.join("inside/key.txt")).unwrap();
        let pool = Children::with_bounds(launcher(), vec![root.join("data")], bounds);
        Self { root, pool, _folder: folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.root.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) async fn child(&self, plan: &Arc<StdioPlan>, actor: Actor) -> Result<Arc<Child>, StdioError> {
        soon(self.pool.child(plan, actor)).await
    }
}

pub(crate) fn launcher() -> Launcher {
    Launcher { program: env!("CARGO_BIN_EXE_tool-exec-for-tests").into(), args: Vec::new() }
}

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("it does not come to an end")
}

/// A server with id `bits`, with `first_ms` to answer.
pub(crate) fn plan(bits: u128, first_ms: u64, command: Vec<String>, sandbox: Sandbox) -> Arc<StdioPlan> {
    let upstream = Upstream {
        protocol: Protocol::Mcp,
        transport: Transport::Stdio { command, sandbox },
        credential: None,
        first_byte_timeout_ms: Some(first_ms),
        idle_timeout_ms: None,
    };
    let name = format!("server-{bits}").parse().unwrap();
    Arc::new(StdioPlan::of(&name, UpstreamId::from_bits(bits), &upstream).unwrap().unwrap())
}

/// The server that misbehaves on demand, with nothing declared but what it needs to run.
pub(crate) fn odd(options: &[&str]) -> Arc<StdioPlan> {
    odd_with(1, 60_000, options, Sandbox::default())
}

pub(crate) fn odd_with(bits: u128, first_ms: u64, options: &[&str], mut sandbox: Sandbox) -> Arc<StdioPlan> {
    let program = python_program().unwrap();
    let script = peer_script("mcp_stdio_server.py").unwrap();
    let installed = |program: &Path| text(program.ancestors().nth(2).unwrap());
    sandbox.read.extend([installed(&program), installed(&program.canonicalize().unwrap()), text(&script)]);
    let mut command = vec![text(&program), "-I".into(), "-B".into(), text(&script)];
    command.extend(options.iter().map(|option| (*option).to_owned()));
    plan(bits, first_ms, command, sandbox)
}

/// A public server of the npm registry.
pub(crate) fn npm(bits: u128, module: &str, args: &[&str], mut sandbox: Sandbox) -> Arc<StdioPlan> {
    sandbox.read.push(text(&npm_module("").unwrap()));
    let mut command = vec![text(&node_program().unwrap()), text(&npm_module(module).unwrap())];
    command.extend(args.iter().map(|arg| (*arg).to_owned()));
    plan(bits, 60_000, command, sandbox)
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub(crate) fn request(id: Value, method: &str, params: Value) -> Bytes {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string().into()
}

pub(crate) fn tool(name: &str, arguments: Value) -> Bytes {
    request(json!("caller-1"), "tools/call", json!({"name": name, "arguments": arguments}))
}

/// All that comes back for a request: the notifications and, last, the response.
pub(crate) async fn ask(child: &Arc<Child>, request: Bytes) -> Result<Vec<Value>, StdioError> {
    soon(async {
        let mut answers = child.ask(request).await?;
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            all.push(serde_json::from_slice(&answer?).unwrap());
        }
        Ok(all)
    })
    .await
}

/// The text that a tool gives.
pub(crate) async fn call(child: &Arc<Child>, name: &str, arguments: Value) -> Result<String, StdioError> {
    let all = ask(child, tool(name, arguments)).await?;
    let last = all.last().unwrap();
    assert_eq!(last["id"], "caller-1", "{last}");
    let text = last["result"]["content"][0]["text"].as_str();
    Ok(text.unwrap_or_else(|| panic!("no text: {last}")).to_owned())
}

/// What a call ends with.
pub(crate) async fn fails(child: &Arc<Child>, name: &str, arguments: Value) -> StdioError {
    call(child, name, arguments).await.unwrap_err()
}

/// Bounds for tests of restarts: no pause to speak of.
pub(crate) fn quick() -> Bounds {
    Bounds { pause: Duration::from_millis(1), pause_max: Duration::from_millis(4), ..Bounds::default() }
}

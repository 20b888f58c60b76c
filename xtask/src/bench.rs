//! How fast is the gate, and at what cost? Everything on, against what the same machine can do in the same run.
//!
//! The release binary, a mock upstream, a pass-through proxy of bare hyper and other people's gateways run side by
//! side on loopback; short closed-loop runs take turns, so that all see the same noise, and medians are compared. A
//! target is judged only by ratios or differences of one run; absolute figures of another machine mean nothing.
//!
//! - [`process`]: programs and what they cost. [`reach`]: requests for setting up. [`measure`]: loads and medians.
//! - [`house`]: the service under test. [`gate`], [`peers`]: what is measured. [`limits`]: what the machine can do. [`judge`], [`table`]: the verdict.

mod gate;
pub(crate) mod house;
mod judge;
pub(crate) mod limits;
pub(crate) mod measure;
mod peers;
pub(crate) mod process;
pub(crate) mod reach;
pub(crate) mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::bench::gate::Gate;
use crate::bench::judge::{Findings, Memory, Start};
use crate::bench::measure::{Key, Kind, Load, Right, Runs};
use crate::bench::peers::{Running, Slow};
use crate::bench::process::{Place, Program, wait};
use crate::step;

/// The model that is asked for.
const MODEL: &str = "mock-model";
/// The credential that the mock wants; only the gate's broker may show it for the agent.
const UPSTREAM_SECRET: &str = "sk-bench-upstream-key";
/// Policies in force while calls are measured, and while starts are.
const POLICIES: usize = 50;
const POLICIES_MANY: usize = 1_000;
/// Entries that the ledger holds at least when starts are measured.
const ENTRIES: u64 = 100_000;
/// Starts that are measured of each kind.
const STARTS: usize = 5;
/// Longest wait until the gate goes by a plan that the office has made.
const ADOPTION_WAIT: Duration = Duration::from_secs(10);

/// What was asked for on the command line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Asked {
    quick: bool,
    built: bool,
    slow: Vec<Slow>,
    out: Option<PathBuf>,
}

impl Asked {
    /// Reads the words after `bench`.
    ///
    /// # Errors
    /// When a word is not known or a value is missing.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let Some(("gate", mut rest)) = words.split_first().map(|(name, rest)| (*name, rest)) else {
            bail!("`bench` takes what is measured: `gate`, `defence` or `model`")
        };
        let mut asked = Self::default();
        loop {
            rest = match rest {
                [] => return Ok(asked),
                ["--quick", rest @ ..] => {
                    asked.quick = true;
                    rest
                }
                ["--built", rest @ ..] => {
                    asked.built = true;
                    rest
                }
                ["--peers", list, rest @ ..] => {
                    for name in list.split(',') {
                        let known = Slow::ALL.into_iter().find(|peer| peer.name() == name);
                        asked.slow.push(known.with_context(|| format!("there is no peer `{name}`"))?);
                    }
                    rest
                }
                ["--out", path, rest @ ..] => {
                    asked.out = Some(PathBuf::from(path));
                    rest
                }
                [other, ..] => bail!("`bench gate` does not take `{other}`, or a value is missing"),
            };
        }
    }

    fn text(&self) -> String {
        let mut text = "cargo xtask bench gate".to_owned();
        if self.quick {
            text.push_str(" --quick");
        }
        if !self.slow.is_empty() {
            let names: Vec<&str> = self.slow.iter().map(|peer| peer.name()).collect();
            text.push_str(&format!(" --peers {}", names.join(",")));
        }
        text
    }

    /// Seconds of one run, and how many runs there are of each.
    const fn times(&self) -> (u32, u32) {
        if self.quick { (1, 3) } else { (2, 5) }
    }

    /// Requests of the long run: each leaves two entries.
    const fn long(&self) -> u64 {
        if self.quick { 60_000 } else { 1_000_000 }
    }
}

/// Builds, measures, judges, prints, and writes the page if one is named.
///
/// # Errors
/// When something cannot be built, started or measured. A target that is missed is no error: it stands in the table.
pub(crate) fn run(root: &Path, asked: &Asked) -> Result<()> {
    if !asked.built {
        let mut build = step::command(root, "cargo");
        build.args(["build", "--release", "--locked", "-p", "alcaide", "-p", "alcaide-testkit"]);
        build.args(["--bin", "alcaide", "--examples"]);
        step::run("build", build)?;
    }
    let begun = Instant::now();
    let place = Place::new(root.join(format!("target/bench/gate-{}", std::process::id())))?;
    let before = limits::load_average();
    let mut bench = Bench::prepare(root, asked, place)?;
    bench.warm_up()?;
    bench.starts()?;
    bench.measure()?;
    bench.long_run()?;
    let findings = bench.finish()?;
    let rows = judge::rows(&findings);
    let mut text = limits::machine(root, &root.join("target"))
        .iter()
        .map(|line| format!("- {line}\n"))
        .collect::<String>();
    text.push_str(&format!("- command: `{}`, {:.0} s\n", asked.text(), begun.elapsed().as_secs_f64()));
    text.push_str(&format!("- load average: {before} before, {} after\n\n", limits::load_average()));
    text.push_str(&table::targets(&rows));
    text.push_str("\nWhat the machine can do, and what else was seen in the same run:\n\n");
    text.extend(judge::remarks(&findings).iter().map(|line| format!("- {line}\n")));
    text.push_str("\nMedians of the runs:\n\n");
    text.push_str(&table::series(&findings.medians));
    println!("\n{text}");
    match &asked.out {
        Some(page) => table::publish(&root.join(page), "bench gate", &text),
        None => Ok(()),
    }
}

/// A peer and the loads that it can take.
struct Peer {
    name: &'static str,
    program: Program,
    loads: Vec<(Kind, Vec<u32>, Load)>,
}

/// Everything that runs.
struct Bench<'a> {
    asked: &'a Asked,
    load: PathBuf,
    verify: PathBuf,
    binary: PathBuf,
    bodies: PathBuf,
    lengths: Lengths,
    mock: (Program, u16),
    /// Everything but the mock and the gate.
    peers: Vec<Peer>,
    gate: Gate,
    tools: Result<(), String>,
    runs: Runs,
    memory: Memory,
    start: Start,
    syncs: Vec<limits::Sync>,
    notes: Vec<String>,
    // Last, so that it is removed when nothing writes into it any more.
    place: Place,
}

/// Bytes of right bodies.
#[derive(Clone, Copy)]
struct Lengths {
    chat: usize,
    stream: usize,
    tool: usize,
}

impl<'a> Bench<'a> {
    fn prepare(root: &Path, asked: &'a Asked, place: Place) -> Result<Self> {
        let example = |name: &str| root.join("target/release/examples").join(name);
        let bodies = place.path().to_owned();
        measure::write_bodies(&bodies)?;
        let mut mock = Command::new(example("bench_mock"));
        mock.args(["--bearer", UPSTREAM_SECRET]);
        let mock = Program::start_told("mock", &mut mock)?;
        let port = mock.1;
        let mut raw = Command::new(example("raw_proxy"));
        raw.arg(port.to_string());
        let (raw, raw_port) = Program::start_told("raw hyper", &mut raw)?;

        let key = format!("authorization: Bearer {UPSTREAM_SECRET}");
        let length = |path: &str, body: &str, headers: &[String]| -> Result<usize> {
            let body = fs::read(bodies.join(body))?;
            let answer = reach::tcp(port, "POST", path, headers, &body)?;
            if answer.status != 200 {
                bail!("the mock answers {}: {}", answer.status, answer.said());
            }
            Ok(answer.body.len())
        };
        let lengths = Lengths {
            chat: length(CHAT_PATH, "chat.json", std::slice::from_ref(&key))?,
            stream: length(CHAT_PATH, "stream.json", std::slice::from_ref(&key))?,
            tool: length("/mcp", "tool.json", &[])?,
        };

        let mut notes = Vec::new();
        let mut peers = Vec::new();
        let plain = |port: u16, headers: &[String]| -> Vec<(Kind, Vec<u32>, Load)> {
            let load = |path: &str, body: &str, bytes: usize, more: Vec<String>| Load {
                port,
                path: path.into(),
                headers: headers.iter().cloned().chain(more).collect(),
                body: bodies.join(body),
                right: Right::Exactly(bytes),
            };
            vec![
                (Kind::Chat, vec![1, 16, 64], load(CHAT_PATH, "chat.json", lengths.chat, Vec::new())),
                (Kind::Stream, vec![16], load(CHAT_PATH, "stream.json", lengths.stream, Vec::new())),
                (Kind::Tool, vec![1, 16], load("/mcp", "tool.json", lengths.tool, measure::tool_headers())),
            ]
        };
        let raw_loads = plain(raw_port, std::slice::from_ref(&key));
        peers.push(Peer { name: "raw hyper", program: raw, loads: raw_loads });
        match peers::nginx(place.path(), port)? {
            Some(Running { program, port, headers }) => {
                peers.push(Peer { name: "nginx", program, loads: plain(port, &headers) });
            }
            None => notes.push("nginx is not installed: `apt-get install nginx-light`".into()),
        }
        for which in &asked.slow {
            match peers::slow(*which, root, place.path(), port) {
                Ok(running) => peers.push(slow_peer(*which, running, &bodies)),
                Err(error) => notes.push(format!("{} was left out: {error:#}", which.name())),
            }
        }

        // A copy: a build beside the run must not change what is measured in the middle of it.
        let binary = place.path().join("alcaide");
        fs::copy(root.join("target/release/alcaide"), &binary).context("there is no release build")?;
        let mut gate = Gate::begin(&binary, place.path())?;
        gate.seal()?;
        gate.declare(port, POLICIES)?;
        let key = gate.bearer()?;
        first_answer(&gate, &key, &bodies)?;
        // Whatever is given back after a start and a change of plan has been given back by then.
        wait(Duration::from_secs(2));
        let memory = Memory { idle_mib: gate.program()?.pss_mib(), ..Memory::default() };
        let tools = tools_answer(&gate, &key, &bodies);
        Ok(Self {
            asked,
            load: example("bench_load"),
            verify: example("bench_verify"),
            binary,
            bodies,
            lengths,
            mock,
            peers,
            gate,
            tools,
            runs: Runs::default(),
            memory,
            start: Start::default(),
            syncs: Vec::new(),
            notes,
            place,
        })
    }

    /// Fills pools and caches everywhere, and drops loads that a peer cannot answer.
    fn warm_up(&mut self) -> Result<()> {
        println!("--- warming up");
        for peer in &mut self.peers {
            let mut kept = Vec::new();
            for (kind, connections, load) in std::mem::take(&mut peer.loads) {
                let sample = load.run(&self.load, &peer.program, 4, 2, None)?;
                if sample.answered > 0.0 && sample.failed <= 0.0 {
                    kept.push((kind, connections, load));
                } else {
                    let why = sample.why.unwrap_or_default();
                    self.notes.push(format!("{} was not measured with `{}`: {why}", peer.name, kind.name()));
                }
            }
            peer.loads = kept;
        }
        for kind in self.kinds() {
            let load = self.gate_load(kind)?;
            let sample = load.run(&self.load, self.gate.program()?, 16, 2, None)?;
            if sample.answered <= 0.0 {
                bail!("the gate answered no `{}`: {}", kind.name(), sample.why.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn kinds(&self) -> Vec<Kind> {
        let mut kinds = vec![Kind::Chat, Kind::Stream];
        if self.tools.is_ok() {
            kinds.push(Kind::Tool);
        }
        kinds
    }

    fn gate_load(&mut self, kind: Kind) -> Result<Load> {
        let mut headers = vec![self.gate.bearer()?];
        let (path, body, bytes) = match kind {
            Kind::Chat => (CHAT_PATH.to_owned(), "chat.json", self.lengths.chat),
            Kind::Stream => (CHAT_PATH.to_owned(), "stream.json", self.lengths.stream),
            Kind::Tool => {
                headers.extend(measure::tool_headers());
                (format!("/mcp/{}", gate::TOOL_SERVER), "tool.json", self.lengths.tool)
            }
        };
        let right = match kind {
            // The gate may write the envelope of a tool's answer anew.
            Kind::Tool => Right::Least(1),
            Kind::Chat | Kind::Stream => Right::Exactly(bytes),
        };
        Ok(Load { port: self.gate.port, path, headers, body: self.bodies.join(body), right })
    }

    /// The runs, each peer in turn, each round in the other order.
    fn measure(&mut self) -> Result<()> {
        let (seconds, rounds) = self.asked.times();
        let key = format!("authorization: Bearer {UPSTREAM_SECRET}");
        for round in 0..rounds {
            println!("--- round {} of {rounds}", round + 1);
            self.syncs.push(limits::syncs(self.place.path())?);
            for (kind, connections) in MATRIX {
                let has_gate = self.kinds().contains(&kind);
                // One place for the mock, one for the gate, and the peers between.
                let mut order: Vec<usize> = (0..self.peers.len() + 2).collect();
                if round % 2 == 1 {
                    order.reverse();
                }
                for at in order {
                    let peer = at.checked_sub(2).and_then(|at| self.peers.get(at));
                    let (name, sample) = match (at, peer) {
                        (0, _) => {
                            let (path, body, bytes) = match kind {
                                Kind::Chat => (CHAT_PATH, "chat.json", self.lengths.chat),
                                Kind::Stream => (CHAT_PATH, "stream.json", self.lengths.stream),
                                Kind::Tool => ("/mcp", "tool.json", self.lengths.tool),
                            };
                            let load = Load {
                                port: self.mock.1,
                                path: path.into(),
                                headers: vec![key.clone()],
                                body: self.bodies.join(body),
                                right: Right::Exactly(bytes),
                            };
                            ("direct", load.run(&self.load, &self.mock.0, connections, seconds, None)?)
                        }
                        (1, _) if has_gate => {
                            let load = self.gate_load(kind)?;
                            let program = self.gate.program()?;
                            let run = || load.run(&self.load, program, connections, seconds, None);
                            let sample = if kind == Kind::Chat && connections == 64 {
                                let (sample, most) = program.watched(run);
                                self.memory.busy_mib = self.memory.busy_mib.max(most);
                                sample?
                            } else {
                                run()?
                            };
                            ("alcaide", sample)
                        }
                        (_, Some(peer)) => {
                            let load = peer
                                .loads
                                .iter()
                                .find(|(known, all, _)| *known == kind && all.contains(&connections));
                            let Some((_, _, load)) = load else { continue };
                            (peer.name, load.run(&self.load, &peer.program, connections, seconds, None)?)
                        }
                        _ => continue,
                    };
                    self.runs.add(Key { kind, connections, peer: name }, sample);
                }
            }
        }
        // Nobody else is needed from here on.
        self.peers.clear();
        Ok(())
    }

    /// Many requests, to see whether memory grows.
    fn long_run(&mut self) -> Result<()> {
        const PARTS: u64 = 10;
        println!("--- {} requests through the gate", self.asked.long());
        let entries = self.gate.entries()?;
        let (mut answered, mut failed) = (0.0, 0.0);
        for part in 0..PARTS {
            let load = self.gate_load(Kind::Chat)?;
            let requests = self.asked.long() / PARTS;
            let sample = load.run(&self.load, self.gate.program()?, 64, 120, Some(requests))?;
            answered += sample.answered;
            failed += sample.failed;
            let now = self.gate.program()?.pss_mib();
            if part == 0 {
                self.memory.early_mib = now;
            }
            self.memory.late_mib = now;
        }
        self.memory.answered = answered;
        self.memory.failed = failed;
        self.start.entries_late = self.gate.entries()?;
        self.gate.stop()?;
        let begun = Instant::now();
        self.gate.start(false)?;
        let key = self.gate.bearer()?;
        first_answer(&self.gate, &key, &self.bodies)?;
        self.start.late_ms = begun.elapsed().as_secs_f64() * 1e3;
        let recorded = self.start.entries_late.saturating_sub(entries);
        self.memory.entries_each = recorded as f64 / f64::max(answered, 1.0);
        Ok(())
    }

    /// From the start of the program to the first governed answer, with many policies and many entries.
    fn starts(&mut self) -> Result<()> {
        println!("--- starts");
        loop {
            // Each answer leaves two entries.
            let missing = ENTRIES.saturating_sub(self.gate.entries()?).div_ceil(2);
            if missing == 0 {
                break;
            }
            let load = self.gate_load(Kind::Chat)?;
            let sample = load.run(&self.load, self.gate.program()?, 64, 120, Some(missing))?;
            if sample.answered <= 0.0 {
                bail!("the gate answered nothing: {}", sample.why.unwrap_or_default());
            }
        }
        self.gate.declare(self.mock.1, POLICIES_MANY)?;
        self.start.entries = self.gate.entries()?;
        let key = self.gate.bearer()?;
        for cut in [false, true] {
            first_answer(&self.gate, &key, &self.bodies)?;
            let mut times = Vec::new();
            for _ in 0..STARTS {
                if cut {
                    self.gate.cut();
                } else {
                    self.gate.stop()?;
                }
                let begun = Instant::now();
                self.gate.start(false)?;
                first_answer(&self.gate, &key, &self.bodies)?;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            let middle = measure::median(&times);
            if cut {
                self.start.after_cut_ms = middle;
            } else {
                self.start.after_stop_ms = middle;
            }
        }
        wait(Duration::from_secs(2));
        self.memory.idle_many_mib = self.gate.program()?.pss_mib();
        self.gate.declare(self.mock.1, POLICIES)?;
        first_answer(&self.gate, &key, &self.bodies)
    }

    fn finish(mut self) -> Result<Findings> {
        self.gate.stop()?;
        let middle =
            |of: fn(&limits::Sync) -> f64| measure::median(&self.syncs.iter().map(of).collect::<Vec<_>>());
        let sync = limits::Sync { per_s: middle(|sync| sync.per_s), p50_us: middle(|sync| sync.p50_us) };
        let verifies = limits::verifies(&self.verify)?;
        Ok(Findings {
            medians: self.runs.medians(),
            tools: self.tools,
            slow: self.asked.slow.clone(),
            memory: self.memory,
            long: self.asked.long(),
            start: self.start,
            binary_bytes: fs::metadata(&self.binary).context("the binary has no size")?.len(),
            sync,
            verifies,
            notes: self.notes,
        })
    }
}

/// The path of every provider that speaks OpenAI's API.
const CHAT_PATH: &str = "/v1/chat/completions";

/// Longest wait until an applied plan is in force.
const FORCE_WAIT: Duration = Duration::from_secs(10);

/// What is asked, over how many connections.
const MATRIX: [(Kind, u32); 6] = [
    (Kind::Chat, 1),
    (Kind::Chat, 16),
    (Kind::Chat, 64),
    (Kind::Stream, 16),
    (Kind::Tool, 1),
    (Kind::Tool, 16),
];

fn slow_peer(which: Slow, running: Running, bodies: &Path) -> Peer {
    let Running { program, port, headers } = running;
    let load = |path: &str, body: &str| Load {
        port,
        path: path.into(),
        headers: headers.clone(),
        body: bodies.join(body),
        // They write the answer anew, each in its own way.
        right: Right::Least(100),
    };
    let loads = match which {
        Slow::Litellm => vec![
            (Kind::Chat, vec![16], load(CHAT_PATH, "chat.json")),
            (Kind::Stream, vec![16], load(CHAT_PATH, "stream.json")),
        ],
        // Its streams end with status 500 in the pinned release.
        Slow::Portkey => vec![(Kind::Chat, vec![16], load(CHAT_PATH, "chat.json"))],
        Slow::Contextforge => vec![(Kind::Tool, vec![16], load("/mcp", "tool-plain.json"))],
    };
    Peer { name: which.name(), program, loads }
}

/// Asks until the gate answers: a plan comes into force a moment after it was applied.
fn first_answer(gate: &Gate, key: &str, bodies: &Path) -> Result<()> {
    let body = fs::read(bodies.join("chat.json"))?;
    let begun = Instant::now();
    loop {
        let answer = reach::tcp(gate.port, "POST", CHAT_PATH, &[key.to_owned()], &body)?;
        if answer.status != 403 || begun.elapsed() > FORCE_WAIT {
            return answer.json().context("the gate did not answer a call that it should pass").map(|_| ());
        }
        wait(Duration::from_millis(1));
    }
}

/// Whether the gate passes calls of tools, and if not, what it says.
fn tools_answer(gate: &Gate, key: &str, bodies: &Path) -> Result<(), String> {
    let body = fs::read(bodies.join("tool.json")).map_err(|error| error.to_string())?;
    let path = format!("/mcp/{}", gate::TOOL_SERVER);
    gate.accept_tool(key).map_err(|error| format!("the tool was not accepted: {error:#}"))?;
    let headers: Vec<String> = measure::tool_headers().into_iter().chain([key.to_owned()]).collect();
    let begun = Instant::now();
    loop {
        let answer =
            reach::tcp(gate.port, "POST", &path, &headers, &body).map_err(|error| format!("{error:#}"))?;
        let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or(json!(null));
        match answer.status {
            200 if said.get("result").is_some() => return Ok(()),
            // The gate takes the plan that accepts the tool a moment after the office has made it.
            200 if begun.elapsed() < ADOPTION_WAIT => wait(Duration::from_millis(10)),
            404 | 405 | 501 => return Err(format!("`/mcp/<server>` answers {}", answer.status)),
            status => return Err(format!("`/mcp/<server>` answers {status}: {}", answer.said())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let words = ["gate", "--quick", "--peers", "litellm,portkey", "--out", "docs/performance.md"];
        let asked = Asked::parse(&words).unwrap();
        assert!(asked.quick && !asked.built);
        assert_eq!(asked.slow, [Slow::Litellm, Slow::Portkey]);
        assert_eq!(asked.out, Some(PathBuf::from("docs/performance.md")));
        assert_eq!(asked.text(), "cargo xtask bench gate --quick --peers litellm,portkey");
        let wrong = |words: &[&str]| Asked::parse(words).unwrap_err().to_string();
        assert_eq!(wrong(&[]), "`bench` takes what is measured: `gate`, `defence` or `model`");
        assert_eq!(wrong(&["gate", "--peers", "kong"]), "there is no peer `kong`");
        assert_eq!(wrong(&["gate", "--out"]), "`bench gate` does not take `--out`, or a value is missing");
    }
}

//! Runs of the load, one peer after the other and again, and what they say in the middle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::MODEL;
use crate::bench::process::Program;
use crate::step;

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    /// A chat completion, answered whole.
    Chat,
    /// A chat completion, streamed in 32 chunks.
    Stream,
    /// A call of a tool.
    Tool,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Stream => "stream",
            Self::Tool => "tool",
        }
    }
}

/// What one series of runs is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) connections: u32,
    pub(crate) peer: &'static str,
}

/// One run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) answered: f64,
    pub(crate) failed: f64,
    pub(crate) per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) first_p50_us: f64,
    /// Processor time of the peer's process tree per answered request, in microseconds.
    pub(crate) cpu_us: f64,
    pub(crate) why: Option<String>,
}

/// How long the body of a right answer is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Right {
    Exactly(usize),
    /// For peers that write the answer anew.
    Least(usize),
}

/// One load, ready to be run.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: PathBuf,
    pub(crate) right: Right,
}

impl Load {
    /// Runs it against `peer` for `seconds` or `requests`, whichever ends first.
    ///
    /// # Errors
    /// When the load program fails; failed requests are counted, not errors.
    pub(crate) fn run(
        &self,
        program: &Path,
        peer: &Program,
        connections: u32,
        seconds: u32,
        requests: Option<u64>,
    ) -> Result<Sample> {
        let mut command = Command::new(program);
        command.args(["--port", &self.port.to_string(), "--path", &self.path]);
        command.args(["--connections", &connections.to_string(), "--seconds", &seconds.to_string()]);
        command.arg("--body").arg(&self.body);
        match self.right {
            Right::Exactly(bytes) => command.args(["--bytes", &bytes.to_string()]),
            Right::Least(bytes) => command.args(["--least", &bytes.to_string()]),
        };
        if let Some(requests) = requests {
            command.args(["--requests", &requests.to_string()]);
        }
        for header in &self.headers {
            command.args(["--header", header]);
        }
        let before = peer.cpu_s();
        let said = step::output(command)?;
        let used = peer.cpu_s() - before;
        let told: Value = serde_json::from_str(&said).context("the load's report is not JSON")?;
        let figure = |name: &str| told.get(name).and_then(Value::as_f64).unwrap_or(0.0);
        let answered = figure("answered");
        let per = |total: f64, of: f64| if of > 0.0 { total / of } else { 0.0 };
        Ok(Sample {
            answered,
            failed: figure("failed"),
            per_s: per(answered, figure("seconds")),
            p50_us: figure("p50_us"),
            p99_us: figure("p99_us"),
            first_p50_us: figure("first_p50_us"),
            cpu_us: per(used * 1e6, answered),
            why: told.get("why").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

/// All runs.
#[derive(Debug, Default)]
pub(crate) struct Runs(BTreeMap<Key, Vec<Sample>>);

impl Runs {
    pub(crate) fn add(&mut self, key: Key, sample: Sample) {
        self.0.entry(key).or_default().push(sample);
    }

    /// Each series in the middle: medians, with failures added up.
    pub(crate) fn medians(&self) -> BTreeMap<Key, Sample> {
        self.0.iter().map(|(key, samples)| (*key, middle(samples))).collect()
    }
}

fn middle(samples: &[Sample]) -> Sample {
    let of = |figure: fn(&Sample) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
    Sample {
        answered: samples.iter().map(|sample| sample.answered).sum(),
        failed: samples.iter().map(|sample| sample.failed).sum(),
        per_s: of(|sample| sample.per_s),
        p50_us: of(|sample| sample.p50_us),
        p99_us: of(|sample| sample.p99_us),
        first_p50_us: of(|sample| sample.first_p50_us),
        cpu_us: of(|sample| sample.cpu_us),
        why: samples.iter().find_map(|sample| sample.why.clone()),
    }
}

/// The middle figure, or the mean of the two in the middle; 0 of none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let at = |place: usize| sorted.get(place).copied().unwrap_or(0.0);
    if sorted.len().is_multiple_of(2) { (at(half.saturating_sub(1)) + at(half)) / 2.0 } else { at(half) }
}

/// The bodies that are sent, written below `folder`: `chat.json`, `stream.json`, `tool.json` of the stateless revision,
/// and `tool-plain.json` for peers that want neither headers nor `_meta`, with the tool's name as they show it.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write_bodies(folder: &Path) -> Result<()> {
    let text =
        "Summarise the following incident report for the operations team, in two sentences. ".repeat(12);
    let mut chat = json!({
        "model": MODEL, "temperature": 0.2,
        "messages": [
            { "role": "system", "content": "You are a helpful assistant." }, { "role": "user", "content": text },
        ],
    });
    let tool = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "echo", "arguments": { "text": "hi" },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
        },
    } });
    let plain = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "mock-echo", "arguments": { "text": "hi" },
    } });
    let write = |name: &str, body: &Value| {
        std::fs::write(folder.join(name), body.to_string())
            .with_context(|| format!("`{name}` cannot be written"))
    };
    write("chat.json", &chat)?;
    if let Some(chat) = chat.as_object_mut() {
        chat.insert("stream".into(), json!(true));
    }
    write("stream.json", &chat)?;
    write("tool.json", &tool)?;
    write("tool-plain.json", &plain)
}

/// What a call of a tool carries beside its body in the stateless revision.
pub(crate) fn tool_headers() -> Vec<String> {
    ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: echo"]
        .map(str::to_owned)
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
        let sample = |per_s, failed| Sample { per_s, failed, ..Sample::default() };
        let all = middle(&[sample(5.0, 1.0), sample(1.0, 0.0), sample(3.0, 2.0)]);
        assert!((all.per_s - 3.0).abs() < 1e-9 && (all.failed - 3.0).abs() < 1e-9);
    }
}

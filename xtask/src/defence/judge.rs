//! Runs of the judge's program, one per suite, template and person, each with a file of results of its own.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::ground::{Ground, Judge, LANES};
use crate::bench::process::bound;

/// How a refusal of the gate is recognised: by its codes.
const DENY_MARK: &str = r"\bALC-[A-Z]+-\d{4}\b";
/// A question ended because what it was asked under has changed: the gate wants the same call once more.
const AGAIN_MARK: &str = "^ALC-GATE-0027 ";

/// Who answers when a call waits for a person.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Human {
    /// The right one: yes to the user's calls, no to the attack's.
    Oracle,
    /// Nobody.
    No,
    /// One who says yes to everything.
    Yes,
}

impl Human {
    pub(super) const ALL: [Self; 3] = [Self::Oracle, Self::No, Self::Yes];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Oracle => "oracle",
            Self::No => "no",
            Self::Yes => "yes",
        }
    }
}

/// What is run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// The user tasks by themselves, then each with each goal of the attacker.
    Attack { template: String, benign_only: bool },
    /// The calls of the user tasks, in turns through the gate and past it.
    Latency,
}

/// One run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Trial {
    pub(super) suite: String,
    pub(super) part: Part,
    pub(super) human: Human,
}

impl Trial {
    /// Name of the file of its results.
    pub(super) fn file(&self) -> String {
        match &self.part {
            Part::Attack { template, benign_only } => {
                let benign = if *benign_only { "-benign" } else { "" };
                format!("{}-{template}-{}{benign}.jsonl", self.suite, self.human.name())
            }
            Part::Latency => format!("{}-latency.jsonl", self.suite),
        }
    }
}

/// Runs the program; its results are there under their name only when it ended well.
///
/// # Errors
/// When it fails.
pub(super) fn run(
    trial: &Trial,
    ground: &Ground,
    judge: &Judge<'_>,
    owner: &[PathBuf],
    results: &Path,
) -> Result<()> {
    let suite = ground.suites.iter().find(|suite| suite.name == trial.suite);
    let suite = suite.with_context(|| format!("`{}` was not started", trial.suite))?;
    let (kept, unfinished) = (results.join(trial.file()), results.join(format!("{}.part", trial.file())));
    let mut command = bound(judge.python);
    command.arg("-u").arg(judge.program);
    match &trial.part {
        Part::Attack { template, benign_only } => {
            command.args(["mcp", &ground.url(), "--attack", template, "--human", trial.human.name()]);
            command.args(if *benign_only { &["--benign-only"][..] } else { &[] });
        }
        Part::Latency => {
            command.args(["latency", &ground.url()]);
        }
    }
    command.args(["--suites", &suite.name, "--port", &suite.port.to_string()]);
    command.args(["--upstream-token", ground.upstream_token()]);
    command.args(["--task-token-cmd", &ground.launcher(), "--lanes", &LANES.to_string()]);
    command.args(["--approval-url", &ground.approvals(), "--approver-token-cmd", &ground.approver()]);
    command.args(["--deny-mark", DENY_MARK, "--again-mark", AGAIN_MARK]);
    for file in owner {
        command.arg("--owner").arg(file);
    }
    command.arg("--out").arg(&unfinished);
    let begun = Instant::now();
    eprintln!("--- judge: {}", trial.file());
    command.stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
    let status = command.status().context("the judge could not be started")?;
    ensure!(status.success(), "the judge failed ({status}) at `{}`", trial.file());
    fs::rename(&unfinished, &kept).with_context(|| format!("`{}` cannot be kept", kept.display()))?;
    eprintln!("--- judge: {} done in {:.1} s", trial.file(), begun.elapsed().as_secs_f64());
    Ok(())
}

/// What results depend on: the program under test, the judge, the facts. Others are kept apart.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn fingerprint(binary: &Path, program: &Path, owner: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in [binary, program].into_iter().chain(owner.iter().map(PathBuf::as_path)) {
        let bytes = fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
        hasher.write_usize(bytes.len());
        hasher.write(&bytes);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

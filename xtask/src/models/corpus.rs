//! Verdicts over the corpus of files of known kind, of the program and of other people's scanners.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::table;
use crate::models::tasks::{OURS, SCANNERS, Tools};
use crate::step;

/// A file of the corpus.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) path: PathBuf,
    /// Its place in the corpus.
    pub(crate) name: String,
    pub(crate) malicious: bool,
    /// High or critical.
    pub(crate) grave: bool,
    /// Benign, and such that lists of names misfire on it.
    pub(crate) hard: bool,
    /// What it does to who reads it.
    pub(crate) class: String,
}

/// What a scanner says of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It calls the file unsafe.
    Found,
    /// It says that it cannot tell, or fails.
    Unsure,
    /// It calls the file clean, or says nothing at all.
    Silent,
}

/// Counts of one scanner.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Score {
    pub(crate) who: &'static str,
    pub(crate) malicious: usize,
    pub(crate) found: usize,
    pub(crate) grave: usize,
    pub(crate) grave_found: usize,
    pub(crate) benign: usize,
    pub(crate) false_plain: usize,
    pub(crate) false_hard: usize,
    /// Malicious files of which nothing was said.
    pub(crate) silent: usize,
    /// Benign files that it cannot judge.
    pub(crate) unsure: usize,
}

/// The files, in the order of the manifest.
pub(crate) fn files(root: &Path) -> Result<Vec<Known>> {
    let folder = root.join("tests/models/visible");
    let manifest = fs::read_to_string(folder.join("manifest.jsonl")).context("the corpus has no manifest")?;
    let read = |line: &str| -> Result<Known> {
        let row: Value = serde_json::from_str(line).context("a line of the manifest is not understood")?;
        let text = |key: &str| {
            row.get(key)
                .and_then(Value::as_str)
                .with_context(|| format!("the manifest has a line without `{key}`"))
        };
        let name = text("path")?.to_owned();
        Ok(Known {
            path: folder.join(&name),
            name,
            malicious: text("label")? == "malicious",
            grave: matches!(text("severity")?, "high" | "critical"),
            hard: text("cls")? == "hard",
            class: text("cls")?.to_owned(),
        })
    };
    manifest.lines().map(read).collect()
}

/// Has all of them judged.
pub(crate) fn score(tools: &Tools<'_>) -> Result<Vec<Score>> {
    let files = files(tools.root)?;
    let mut scores = vec![count(OURS, &files, &ours(tools, &files)?)];
    if let Some(scanners) = &tools.scanners {
        for who in SCANNERS {
            eprintln!("--- corpus by {who}");
            scores.push(count(who, &files, &theirs(tools.root, scanners, who, &files)?));
        }
    }
    Ok(scores)
}

fn ours(tools: &Tools<'_>, files: &[Known]) -> Result<Vec<Verdict>> {
    let mut command = Command::new(&tools.program);
    command.args(["model", "scan", "--format", "json"]).arg(tools.root.join("tests/models/visible"));
    // It ends with 1: there is much to be found.
    let said =
        command.stdin(Stdio::null()).stderr(Stdio::null()).output().context("the program was not started")?;
    let report: Value = serde_json::from_slice(&said.stdout).context("the scan is not understood")?;
    let told = report.get("files").and_then(Value::as_array).context("the scan tells of no files")?;
    let verdicts: BTreeMap<&str, &str> = told
        .iter()
        .filter_map(|file| Some((file.get("path")?.as_str()?, file.get("verdict")?.as_str()?)))
        .collect();
    let verdict = |file: &Known| match verdicts.get(file.name.as_str()) {
        Some(&"unsafe") => Verdict::Found,
        Some(&"inconclusive") => Verdict::Unsure,
        _ => Verdict::Silent,
    };
    Ok(files.iter().map(verdict).collect())
}

/// A scanner that dies takes its verdict on that file with it, and is started again for the next one.
fn theirs(root: &Path, python: &Path, who: &str, files: &[Known]) -> Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    while let Some(rest) = files.get(verdicts.len()..).filter(|rest| !rest.is_empty()) {
        let mut command = step::command(root, &python.to_string_lossy());
        command.args(["-W", "ignore"]).arg(root.join("tests/scanners/judge.py")).arg(who);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("{who} was not started"))?;
        let mut paths = child.stdin.take().context("a piped input is missing")?;
        let lines: String = rest.iter().map(|file| format!("{}\n", file.path.display())).collect();
        // A few kilobytes, which the pipe holds; who died reads nothing.
        let _ = paths.write_all(lines.as_bytes());
        drop(paths);
        let output = child.wait_with_output().with_context(|| format!("{who} did not end"))?;
        let before = verdicts.len();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let told: Value = serde_json::from_str(line).with_context(|| format!("{who} says `{line}`"))?;
            verdicts.push(match told.get("verdict").and_then(Value::as_str) {
                Some("found") => Verdict::Found,
                Some("clean" | "skipped") => Verdict::Silent,
                _ => Verdict::Unsure,
            });
        }
        if verdicts.len() == before && before == 0 && !output.status.success() {
            anyhow::bail!("{who} judged nothing: {}", output.status);
        }
        if verdicts.len() < files.len() {
            verdicts.push(Verdict::Unsure);
        }
    }
    Ok(verdicts)
}

fn count(who: &'static str, files: &[Known], verdicts: &[Verdict]) -> Score {
    let mut score = Score { who, ..Score::default() };
    for (file, verdict) in files.iter().zip(verdicts) {
        let found = usize::from(*verdict == Verdict::Found);
        if file.malicious {
            score.malicious += 1;
            score.found += found;
            score.silent += usize::from(*verdict == Verdict::Silent);
            score.grave += usize::from(file.grave);
            score.grave_found += found * usize::from(file.grave);
        } else {
            score.benign += 1;
            score.false_hard += found * usize::from(file.hard);
            score.false_plain += found * usize::from(!file.hard);
            score.unsure += usize::from(*verdict == Verdict::Unsure);
        }
    }
    score
}

impl Score {
    /// Benign files that it calls unsafe.
    pub(crate) const fn falsely(&self) -> usize {
        self.false_plain + self.false_hard
    }

    pub(crate) fn told(&self) -> Value {
        json!({
            "who": self.who,
            "malicious": self.malicious,
            "found": self.found,
            "high_or_critical": self.grave,
            "high_or_critical_found": self.grave_found,
            "benign": self.benign,
            "false_plain": self.false_plain,
            "false_hard": self.false_hard,
            "malicious_and_silent": self.silent,
            "benign_and_unsure": self.unsure,
        })
    }
}

pub(crate) fn table(scores: &[Score]) -> String {
    let rows = scores.iter().map(|score| {
        [
            score.who.to_owned(),
            format!("{}/{}", score.found, score.malicious),
            format!("{}/{}", score.grave_found, score.grave),
            format!("{}/{} ({} hard)", score.falsely(), score.benign, score.false_hard),
            score.silent.to_string(),
            score.unsure.to_string(),
        ]
    });
    let head = [
        "who",
        "found",
        "of high and critical",
        "benign called unsafe",
        "malicious and nothing said",
        "benign and cannot tell",
    ];
    table::lines(&head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_against_who_is_silent() {
        let file = |malicious, grave, hard| Known {
            path: PathBuf::new(),
            name: String::new(),
            malicious,
            grave,
            hard,
            class: String::new(),
        };
        let files = [
            file(true, true, false),
            file(true, true, false),
            file(true, false, false),
            file(false, false, true),
            file(false, false, false),
            file(false, false, false),
        ];
        let verdicts = [
            Verdict::Found,
            Verdict::Silent,
            Verdict::Unsure,
            Verdict::Found,
            Verdict::Found,
            Verdict::Unsure,
        ];
        let score = count("x", &files, &verdicts);
        let expected = Score {
            who: "x",
            malicious: 3,
            found: 1,
            grave: 2,
            grave_found: 1,
            benign: 3,
            false_plain: 1,
            false_hard: 1,
            silent: 1,
            unsure: 1,
        };
        assert_eq!(score, expected);
        assert!(table(&[score]).contains("| x | 1/3 | 1/2 | 2/3 (1 hard) | 1 | 1 |"));
    }

    #[test]
    fn the_corpus_is_read_whole() {
        let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        assert_eq!((files.len(), files.iter().filter(|file| file.malicious).count()), (169, 113));
        assert!(files.iter().all(|file| file.path.exists()));
    }
}

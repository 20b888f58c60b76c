//! What is tested, and in which order? Peers first, then every test, then the examples in the documentation, then the
//! defence against an agent that obeys everything.
//!
//! A test that cannot judge something on this machine prints a line `not judged: WHAT, WHY`. Such lines are gathered
//! and repeated at the end; in CI one is enough to fail, because what is skipped there is tested nowhere.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{defence, peers, step};

/// How much is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tier {
    /// Seeded samples; what CI runs.
    Minutes,
    /// Full trials; `ALCAIDE_TIER` is `hours`.
    Hours,
}

impl Tier {
    const fn name(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }

    const fn nextest_profile(self) -> &'static str {
        match self {
            Self::Minutes => "suite",
            Self::Hours => "hours",
        }
    }
}

/// Runs the whole suite and prints a last line that says how it went.
///
/// # Errors
/// When a step fails, or when anything was not judged and `CI` is `true`.
pub(crate) fn run(root: &Path, tier: Tier) -> Result<()> {
    let begun = Instant::now();
    let mut heard = Heard::default();
    peers::prepare(root)?;
    tests(root, tier, &mut heard)?;
    doc_tests(root, tier, &mut heard)?;
    defence::run(root, &defence::Asked::of_suite(tier == Tier::Hours))?;
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let verdict = heard.verdict(strict);
    for line in &heard.unjudged {
        println!("{line}");
    }
    println!("--- suite ({}): {} in {:.1} s", tier.name(), verdict.text(), begun.elapsed().as_secs_f64());
    verdict.result()?;
    println!("suite: {} passed, 0 failed", heard.passed);
    Ok(())
}

fn tests(root: &Path, tier: Tier, heard: &mut Heard) -> Result<()> {
    let mut probe = step::command(root, "cargo");
    probe.args(["nextest", "--version"]);
    if !step::succeeds(probe) {
        println!("--- tests: cargo-nextest is not installed, cargo test takes its place");
        let mut command = step::command(root, "cargo");
        command
            .args([
                "test",
                "--workspace",
                "--locked",
                "--profile",
                "ci",
                "--lib",
                "--bins",
                "--tests",
                "--no-fail-fast",
            ])
            .args(["--", "--show-output"])
            .env("ALCAIDE_TIER", tier.name());
        return step::run_watched("tests", command, |line| heard.listen(line));
    }
    let report = root.join("target/nextest").join(tier.nextest_profile()).join("junit.xml");
    match fs::remove_file(&report) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error)
                .with_context(|| format!("the old report `{}` cannot be removed", report.display()));
        }
        _ => {}
    }
    let mut command = step::command(root, "cargo");
    command
        .args(["nextest", "run", "--workspace", "--locked", "--cargo-profile", "ci"])
        .args(["--profile", tier.nextest_profile()])
        .env("ALCAIDE_TIER", tier.name());
    let ran = step::run("tests", command);
    match fs::read_to_string(&report) {
        Ok(text) => text.lines().for_each(|line| heard.read(line)),
        // Without a report nothing says what was judged; a failed build explains itself.
        Err(error) if ran.is_ok() => {
            return Err(error).with_context(|| format!("the report `{}` cannot be read", report.display()));
        }
        Err(_) => {}
    }
    ran
}

fn doc_tests(root: &Path, tier: Tier, heard: &mut Heard) -> Result<()> {
    let mut command = step::command(root, "cargo");
    command
        .args(["test", "--doc", "--workspace", "--locked", "--profile", "ci", "--quiet"])
        .env("ALCAIDE_TIER", tier.name());
    step::run_watched("doc tests", command, |line| heard.listen(line))
}

/// What the reports of the tests say.
#[derive(Debug, Default)]
struct Heard {
    /// Tests that passed.
    passed: u64,
    /// Lines about what could not be judged, each once.
    unjudged: Vec<String>,
}

impl Heard {
    /// Takes in a line of what cargo's own test runner prints: `test result: ok. 3 passed; …` closes each program.
    fn listen(&mut self, line: &str) {
        let closing = line.strip_prefix("test result: ").and_then(|rest| rest.split(" passed").next());
        let count =
            closing.and_then(|text| text.rsplit(' ').next()).and_then(|count| count.parse::<u64>().ok());
        self.passed += count.unwrap_or(0);
        self.mark(line);
    }

    /// Takes in a line of nextest's JUnit report: its root is `<testsuites … tests="3" failures="0" errors="0" …>`,
    /// and it holds what the tests printed.
    fn read(&mut self, line: &str) {
        if let Some(root) = line.strip_prefix("<testsuites ") {
            let figure = |name: &str| -> Option<u64> {
                root.split_once(&format!("{name}=\""))?.1.split('"').next()?.parse().ok()
            };
            let failed = figure("failures").unwrap_or(0).saturating_add(figure("errors").unwrap_or(0));
            self.passed += figure("tests").unwrap_or(0).saturating_sub(failed);
        }
        self.mark(line);
    }

    fn mark(&mut self, line: &str) {
        if let Some(at) = line.find(MARK) {
            let text = line.get(at..).unwrap_or(line);
            let text = text.split("</").next().unwrap_or(text).trim_end();
            if !self.unjudged.iter().any(|known| known == text) {
                self.unjudged.push(text.to_owned());
            }
        }
    }

    fn verdict(&self, strict: bool) -> Verdict {
        match (self.passed, self.unjudged.len(), strict) {
            (0, _, _) => Verdict::Nothing,
            (_, 0, _) => Verdict::Judged,
            (_, count, false) => Verdict::Partly(count),
            (_, count, true) => Verdict::TooLittle(count),
        }
    }
}

/// How a run without failures ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Nothing,
    Judged,
    Partly(usize),
    TooLittle(usize),
}

impl Verdict {
    fn text(self) -> String {
        match self {
            Self::Nothing => "no test ran".to_owned(),
            Self::Judged => "all passed, all judged".to_owned(),
            Self::Partly(count) => format!("all passed, {count} not judged on this machine"),
            Self::TooLittle(count) => format!("{count} not judged, which CI does not accept"),
        }
    }

    fn result(self) -> Result<()> {
        match self {
            Self::Nothing => bail!("no test ran, or the reports do not say how many did"),
            Self::Judged | Self::Partly(_) => Ok(()),
            Self::TooLittle(count) => {
                bail!(
                    "{count} thing(s) were not judged; install what the lines above name, or run without CI=true"
                )
            }
        }
    }
}

const MARK: &str = "not judged: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_judged_fails_in_ci_alone() {
        let mut heard = Heard { passed: 1, ..Heard::default() };
        assert_eq!(heard.verdict(true), Verdict::Judged);
        heard.read("test landlock ... ok");
        heard.read("    <system-out>not judged: landlock, kernel has none</system-out>");
        heard.listen("not judged: landlock, kernel has none");
        assert_eq!(heard.unjudged, ["not judged: landlock, kernel has none"]);
        assert_eq!(heard.verdict(false), Verdict::Partly(1));
        assert!(heard.verdict(false).result().is_ok());
        assert!(heard.verdict(true).result().is_err());
    }

    #[test]
    fn tests_are_counted_from_both_kinds_of_report() {
        let mut heard = Heard::default();
        assert!(heard.verdict(false).result().is_err());
        heard.listen("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        heard.listen("running 3 tests");
        heard.read("<testsuites name=\"nextest-run\" tests=\"27\" skipped=\"4\" failures=\"2\" errors=\"1\" uuid=\"x\">");
        heard.read("    <testsuite name=\"a\" tests=\"9\" failures=\"0\" errors=\"0\">");
        // What a test prints stands in the report too, and is counted there already.
        heard.read("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(heard.passed, 27);
    }
}

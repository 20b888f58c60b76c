//! What does a developer run by hand or in CI? The layout check, the peers, and the test tiers.
//!
//! Everything here is a list of steps over other tools; the laws that `check` enforces are written in
//! `docs/ARCHITECTURE.md`, and the bans it enforces are read from `deny.toml`.

mod bench;
mod check;
mod defence;
mod metadata;
mod models;
mod peers;
mod spdx;
mod step;
mod suite;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::suite::Tier;

const HELP: &str = "\
usage: cargo xtask COMMAND

commands:
  check            layout, edges between crates, file sizes, markers, licences, bans, sources
  peers            install the public clients and servers that tests run against, into target/peers;
                   as root, Debian's Chromium too
  test             peers, then every test of the workspace (minutes)
  prove            the same with full trials (hours; sets ALCAIDE_TIER=hours)
  bench gate       the gate under load against its bars (docs/performance.md); needs a quiet machine
  bench defence    an agent that obeys every text it reads, behind the gate: what it still gets done
                   (docs/defence.md)
  bench model      the scanner of model files and the signing of models beside other people's (docs/model-integrity.md)
  help             this text

options:
  --quick          with bench gate and bench model: shorter runs
  --peers LIST     with bench gate: also litellm, portkey, contextforge (slow to install)
  --built          with bench: take the build that is there
  --out FILE       with bench: write the result between the markers of this page

options of bench defence:
  --suites LIST    workspace, banking, slack, travel or all; workspace,banking where not given
  --template LIST  how the attack's text is dressed, or all; important where not given
  --owner FILE     facts of an owner, may be repeated; those in tests/defence where not given
  --proposed       facts as `alcaide tool propose` derives them
  --human WHO      who answers questions: oracle (the right one), no (nobody), yes (one who agrees to all);
                   all that the bars need where not given
  --benign-only    the users' tasks without attacks
  --profile NAME   release or ci; latency is measured with release alone
  --json           the result as one document
  --bars           a missed bar is an error
  --resume         take results that the same program, judge and facts left before

options of bench model:
  --profile NAME   release or ci; figures of speed are of release alone
  --json           the result as one document

exit: 0 all well, 1 something broke a rule or a test failed, 2 wrong usage

examples:
  cargo xtask check
  cargo xtask peers
  CI=true cargo xtask test
  cargo xtask bench gate --quick
  cargo xtask bench model --quick --json
  cargo xtask bench defence --suites banking --template direct,tags --human oracle
";

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = given.iter().map(String::as_str).collect();
    let command = match parse(&words) {
        Ok(command) => command,
        Err(wrong) => {
            eprintln!("error: {wrong}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One thing to do, as asked for on the command line.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Command {
    Check,
    Peers,
    Suite(Tier),
    Bench(bench::Asked),
    Defence(defence::Asked),
    Models(models::Asked),
    Help,
}

impl Command {
    fn run(self) -> Result<()> {
        let root = step::workspace_root()?;
        match self {
            Self::Check => check::run(&root),
            Self::Peers => peers::prepare(&root),
            Self::Suite(tier) => suite::run(&root, tier),
            Self::Bench(asked) => bench::run(&root, &asked),
            Self::Defence(asked) => defence::run(&root, &asked),
            Self::Models(asked) => models::run(&root, &asked),
            Self::Help => {
                print!("{HELP}");
                Ok(())
            }
        }
    }
}

fn parse(words: &[&str]) -> Result<Command> {
    let (name, options) = words.split_first().context("a command is missing")?;
    if *name == "bench" {
        return match options {
            ["defence", rest @ ..] => defence::Asked::parse(rest).map(Command::Defence),
            ["model", rest @ ..] => models::Asked::parse(rest).map(Command::Models),
            _ => bench::Asked::parse(options).map(Command::Bench),
        };
    }
    let command = match *name {
        "help" | "--help" | "-h" => Command::Help,
        "check" => Command::Check,
        "peers" => Command::Peers,
        "test" => Command::Suite(Tier::Minutes),
        "prove" => Command::Suite(Tier::Hours),
        other => bail!("there is no command `{other}`"),
    };
    if let Some(other) = options.first() {
        bail!("`{name}` does not take `{other}`");
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_their_options_are_read() {
        assert_eq!(parse(&["check"]).unwrap(), Command::Check);
        assert_eq!(parse(&["peers"]).unwrap(), Command::Peers);
        assert_eq!(parse(&["test"]).unwrap(), Command::Suite(Tier::Minutes));
        assert_eq!(parse(&["prove"]).unwrap(), Command::Suite(Tier::Hours));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        assert_eq!(parse(&[]).unwrap_err().to_string(), "a command is missing");
        assert_eq!(parse(&["tset"]).unwrap_err().to_string(), "there is no command `tset`");
        assert_eq!(parse(&["test", "--quick"]).unwrap_err().to_string(), "`test` does not take `--quick`");
        assert_eq!(parse(&["check", "--fix"]).unwrap_err().to_string(), "`check` does not take `--fix`");
    }
}

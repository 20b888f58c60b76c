//! The command line: `alcaide NOUN VERB`, options that all commands take, and how a command ends.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::client::Client;
use crate::commands::{
    activity, agent, approval, backup, completion, config, console, credential, declare, doctor, evidence,
    explain, flow, log, model, order, peer, people, plan, policy, range, restore, secret, serve, task, token,
    tool,
};
use crate::demo::Demo;
use crate::fail::{Failure, INTERNAL, NOT_THERE, USAGE};
use crate::house::Places;
use crate::run::Run;
use crate::show::{Color, Out};

/// Keeper of the gate between AI agents and everything they can reach.
#[derive(Debug, Parser)]
#[command(name = "alcaide", version, propagate_version = false, after_help = EXAMPLE, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    all: All,
    #[command(subcommand)]
    noun: Noun,
}

const EXAMPLE: &str = "\
The first five minutes:
  alcaide demo
  alcaide up --init
  alcaide agent create invoice-bot --owner ana --may 'use:model/*' --create-missing
  alcaide run --agent invoice-bot -- python my_agent.py
  alcaide log follow
  alcaide log verify

Exit status: 0 done and clean, 1 done with findings or refusal, 2 wrong usage or settings, 3 outside failure, 4 our
fault. `alcaide explain CODE` says more about the code of an error.";

/// The nouns that pipelines start anew for each file: the table of all commands takes longer to build than a small file to
/// judge. What does not fit is read again by the whole table, which knows what to say of it.
#[derive(Debug, Parser)]
#[command(name = "alcaide")]
struct Often {
    #[command(flatten)]
    all: All,
    #[command(subcommand)]
    noun: OftenNoun,
}

#[derive(Debug, Subcommand)]
enum OftenNoun {
    #[command(subcommand)]
    Model(model::Verb),
}

impl Often {
    fn read(words: &[OsString]) -> Option<Cli> {
        let named = words.get(1).is_some_and(|word| word == "model");
        let Self { all, noun: OftenNoun::Model(verb) } =
            named.then(|| Self::try_parse_from(words).ok()).flatten()?;
        Some(Cli { all, noun: Noun::Model(verb) })
    }
}

/// Options that every command takes.
#[derive(Args, Debug)]
pub(crate) struct All {
    /// The data directory [default: `$XDG_DATA_HOME/alcaide`, else `~/.local/share/alcaide`]
    #[arg(long, global = true, value_name = "DIR", env = "ALCAIDE_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// A remote office in place of the data directory's; its token stands in `ALCAIDE_OFFICE_TOKEN`
    #[arg(long, global = true, value_name = "URL", env = "ALCAIDE_OFFICE_URL", hide_env_values = true)]
    url: Option<String>,
    /// One JSON document in place of text for people
    #[arg(long, global = true)]
    json: bool,
    /// When to use colour; `NO_COLOR` counts for `auto`
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Start gate and office, and serve until told to stop
    Up(serve::Up),
    /// Show what applying a folder of declarations would change, and what keeps it from being applied
    Plan(plan::Preview),
    /// Bring a folder of declarations into force
    Apply(plan::Apply),
    /// Run a program as an agent: with its identity, and no way out but the gate
    #[command(
        after_help = "Example: alcaide run --agent invoice-bot --task 'pay invoice 7' -- python my_agent.py\nThe exit status \
        is the program's own; 128 and the signal where one ended it."
    )]
    Run(Run),
    /// List all plans, newest first
    Plans(plan::List),
    /// Bring an earlier plan into force again, under a new number
    Rollback(plan::Rollback),
    /// Write the declarations in force as a folder, or as one text
    Export(plan::Export),
    /// Units
    #[command(subcommand)]
    Unit(people::Unit),
    /// People, by handle
    #[command(subcommand)]
    Human(people::Human),
    /// Agents: create, list, stop, enrol, give a token
    #[command(subcommand)]
    Agent(agent::Verb),
    /// Client credentials of agents
    #[command(subcommand)]
    Credential(credential::Verb),
    /// Access tokens
    #[command(subcommand)]
    Token(token::Verb),
    /// Upstream secrets: sealed, used by the gate only, never shown again
    #[command(subcommand)]
    Secret(secret::Verb),
    /// Other gates whose word about labels counts
    #[command(subcommand)]
    Peer(peer::Verb),
    /// Tools of tool servers: look at them, declare, accept, quarantine
    #[command(subcommand)]
    Tool(tool::Verb),
    /// Models: what their files would do, who signed them, which versions there are, and what may be served
    #[command(subcommand)]
    Model(model::Verb),
    /// Evidence about models: list, show, export, verify
    #[command(subcommand)]
    Evidence(evidence::Verb),
    /// The declaration format
    #[command(subcommand)]
    Declare(declare::Verb),
    /// The record: follow, show, verify, prove
    #[command(subcommand)]
    Log(log::Verb),
    /// Calls through the gate
    #[command(subcommand)]
    Call(activity::Call),
    /// Where data went: what a call's answer, a tool or an agent touched
    #[command(subcommand)]
    Flow(flow::Verb),
    /// Tasks: what they read and did
    #[command(subcommand)]
    Task(task::Verb),
    /// Tokens and money, by day
    Usage(activity::Usage),
    /// Questions of the gate
    #[command(subcommand)]
    Approval(approval::Verb),
    /// The console: how people come in
    #[command(subcommand)]
    Console(console::Verb),
    /// Orders to the gate
    #[command(subcommand)]
    Order(order::Verb),
    /// Policies: check, test, explain, ask who can
    #[command(subcommand)]
    Policy(policy::Verb),
    /// Serve the practice ground: a small firm's mail, files and payments as an MCP server, with planted traps
    Range(range::Range),
    /// See it work: a house of its own, a scripted agent, and what becomes of each of its calls
    Demo(Demo),
    /// Settings
    #[command(subcommand)]
    Config(config::Verb),
    /// Look for what is wrong with the data directory and the machine, and say what cures it
    Doctor(doctor::Doctor),
    /// Explain a code, or list all codes
    Explain(explain::Explain),
    /// Print a completion script for a shell
    Completion(completion::Completion),
    /// Copy the state of a stopped house to a new folder, and check the copy
    Backup(backup::Backup),
    /// Fill a new data directory from a backup, and check that it holds
    Restore(restore::Restore),
}

/// How a command that did what was asked ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// Nothing was found.
    Clean,
    /// It ran, and found something.
    Findings,
    /// It ran, and could not tell.
    Undecided,
    /// It ran, found nothing, and could not look at everything.
    Inconclusive,
    /// A program was run, and this is its own exit status.
    Child(u8),
}

impl Exit {
    /// Clean, unless something was found.
    pub(crate) const fn unless(found: bool) -> Self {
        if found { Self::Findings } else { Self::Clean }
    }
}

/// What a command works with.
pub(crate) struct Desk {
    pub(crate) out: Out,
    pub(crate) color: Color,
    data_dir: Option<PathBuf>,
    url: Option<String>,
}

impl Desk {
    /// The data directory's places.
    ///
    /// # Errors
    /// `ALC-CLI-0003` if no folder was named and there is no home to put one in.
    pub(crate) fn places(&self) -> Result<Places, Failure> {
        if let Some(dir) = &self.data_dir {
            return Ok(Places::of(dir));
        }
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
        let none = || {
            Failure::new(&NOT_THERE, "no data directory is named")
                .why("neither `--data-dir` nor `ALCAIDE_DATA_DIR`, `XDG_DATA_HOME` or `HOME` names one")
                .fix("name one with `--data-dir`")
        };
        Ok(Places::of(base.ok_or_else(none)?.join("alcaide")))
    }

    /// The data directory that was named, if one was.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// A client of the office.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        match &self.url {
            Some(url) => Client::remote(url, std::env::var("ALCAIDE_OFFICE_TOKEN").ok()),
            None => Ok(Client::Socket(self.places()?.socket())),
        }
    }
}

/// Reads the command line, runs the command, and gives the exit status.
pub(crate) fn run() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let All { data_dir, url, json, color } = cli.all;
    let desk = Desk { out: Out::new(json, color), color, data_dir, url };
    let serves = matches!(cli.noun, Noun::Up(_) | Noun::Demo(_) | Noun::Backup(_) | Noun::Restore(_));
    let runtime = if serves {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    };
    let ended = runtime
        .map_err(|error| Failure::new(&INTERNAL, "the program could not start").why(error))
        .and_then(|runtime| {
            let ended = runtime.block_on(cli.noun.run(&desk));
            // What still waits in the background, such as a read of standard input, is not waited for.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(Exit::Clean) => ExitCode::SUCCESS,
        Ok(Exit::Findings) => ExitCode::from(1),
        Ok(Exit::Undecided) => ExitCode::from(2),
        Ok(Exit::Inconclusive) => ExitCode::from(3),
        Ok(Exit::Child(code)) => ExitCode::from(code),
        Err(failure) => {
            failure.print(color.on(&std::io::stderr()));
            ExitCode::from(failure.exit)
        }
    }
}

/// The command line of this program, as `--help` and completions know it.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

fn parse() -> Result<Cli, ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(cli) = Often::read(&words) {
        return Ok(cli);
    }
    let told = |value: &str| {
        let apart = words.windows(2).any(|pair| matches!(pair, [a, b] if a == "--color" && b == value));
        apart || words.iter().any(|word| *word == *format!("--color={value}"))
    };
    let choice = match () {
        () if told("never") => ColorChoice::Never,
        () if told("always") => ColorChoice::Always,
        () => ColorChoice::Auto,
    };
    let read = command().color(choice).try_get_matches_from(words);
    read.and_then(|found| Cli::from_arg_matches(&found)).map_err(|error| {
        // Help that nobody reads any more is no error.
        let _ = error.print();
        if error.exit_code() == 0 {
            return ExitCode::SUCCESS;
        }
        let _ = writeln!(std::io::stderr().lock(), "\n  fix: {}\n code: {}", USAGE.cure, USAGE.code);
        ExitCode::from(USAGE.exit)
    })
}

impl Noun {
    async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Up(up) => up.run(desk).await,
            Self::Plan(preview) => preview.run(desk).await,
            Self::Apply(apply) => apply.run(desk).await,
            Self::Run(run) => run.run(desk).await,
            Self::Plans(list) => list.run(desk).await,
            Self::Rollback(rollback) => rollback.run(desk).await,
            Self::Export(export) => export.run(desk).await,
            Self::Unit(verb) => verb.run(desk).await,
            Self::Human(verb) => verb.run(desk).await,
            Self::Agent(verb) => verb.run(desk).await,
            Self::Credential(verb) => verb.run(desk).await,
            Self::Token(verb) => verb.run(desk).await,
            Self::Secret(verb) => verb.run(desk).await,
            Self::Peer(verb) => verb.run(desk).await,
            Self::Tool(verb) => verb.run(desk).await,
            Self::Model(verb) => verb.run(desk).await,
            Self::Evidence(verb) => verb.run(desk).await,
            Self::Declare(verb) => verb.run(desk),
            Self::Log(verb) => verb.run(desk).await,
            Self::Call(verb) => verb.run(desk).await,
            Self::Flow(verb) => verb.run(desk).await,
            Self::Task(verb) => verb.run(desk).await,
            Self::Usage(usage) => usage.run(desk).await,
            Self::Approval(verb) => verb.run(desk).await,
            Self::Console(verb) => verb.run(desk).await,
            Self::Order(verb) => verb.run(desk).await,
            Self::Policy(verb) => verb.run(desk).await,
            Self::Range(range) => range.run(desk).await,
            Self::Demo(demo) => demo.run(desk).await,
            Self::Config(verb) => verb.run(desk),
            Self::Doctor(doctor) => doctor.run(desk),
            Self::Explain(explain) => explain.run(desk),
            Self::Completion(completion) => completion.run(desk),
            Self::Backup(backup) => backup.run(desk).await,
            Self::Restore(restore) => restore.run(desk).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_commands_is_sound() {
        command().debug_assert();
        Often::command().debug_assert();
    }

    #[test]
    fn what_is_read_often_is_read_as_the_whole_table_reads_it() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let lines = [
            "alcaide model scan --quiet x",
            "alcaide model --json scan x --data-dir /d",
            "alcaide model scan --color=never --fail-on high -",
            "alcaide model rules --url http://[::1]:1",
        ];
        for line in lines {
            let often = Often::read(&words(line)).expect(line);
            assert_eq!(format!("{often:?}"), format!("{:?}", Cli::parse_from(words(line))));
        }
        for line in [
            "alcaide model",
            "alcaide model help",
            "alcaide model scan --help",
            "alcaide plans",
            "alcaide --version",
            "alcaide model nothing",
        ] {
            assert!(Often::read(&words(line)).is_none(), "{line}");
        }
    }

    #[test]
    fn every_command_has_an_example_in_its_help() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let subs: Vec<_> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
            if subs.is_empty() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                let shown = path.trim();
                assert!(
                    help.contains(&format!("Example: {shown}")),
                    "no example of `{shown}` in its help: {help}"
                );
            }
            for sub in subs {
                look(sub, &path);
            }
        }
        look(&command(), "");
    }
}

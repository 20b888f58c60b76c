//! Policies: check a Cedar text, run declared examples, prove properties, explain a decision, ask who can.

mod analyse;
mod explain;
mod replay;

use std::path::{Path, PathBuf};

use alcaide_control::{Fault, FolderError, read_folder};
use alcaide_policy::{Action, Compiled, Who};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan::faults;
use crate::cli::{Desk, Exit};
use crate::fail::{FOLDER, Failure, WORD};

/// Longest file of policies or examples, in bytes: as in a folder of declarations.
const FILE_BYTES_MAX: u64 = alcaide_control::folder::FILE_BYTES_MAX;

/// `alcaide policy …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Check Cedar files on top of the plan in force
    #[command(after_help = "Example: alcaide policy check policies/*.cedar")]
    Check {
        /// Cedar files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Run declared examples against the plan in force, or against a folder that is not in force yet
    #[command(
        after_help = "Example: alcaide policy test cases.toml --folder declarations/\nA case:\n  [[case]]\n  \
        name = \"a large invoice needs a second person\"\n  agent = \"invoice-bot\"    # or workload, human\n  \
        on_behalf_of = \"ana\"\n  action = \"call_tool\"\n  resource = \"erp/post_invoice\"\n  expect = \"ask\"        \
            # allow, ask or refuse\n  [case.context]\n  args = { amount = 20000 }"
    )]
    Test {
        /// TOML file with `[[case]]` tables
        file: PathBuf,
        /// Declarations to test, in place of those in force
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Prove what the policy set never lets through, for every call that there can be, or show a call that it does
    Analyse(analyse::Analyse),
    /// Explain a decision: of a recorded call, or of a call that nobody has made yet
    Explain(Box<explain::Explain>),
    /// Decide recorded calls anew from the record alone: by their own plans, and by changed policies to see what they would
    /// have changed
    Replay(replay::Replay),
    /// Say what is decided for everybody, each on their own, about one thing
    #[command(name = "who-can", after_help = "Example: alcaide policy who-can call_tool files/read_file")]
    WhoCan {
        /// Action, such as `use_model`, `call_tool` or `call_api`
        action: String,
        /// A model's name, `server/tool` or `service/operation`
        resource: String,
    },
}

/// All cases of a file, as the office ran them.
#[derive(Debug, Deserialize, Serialize)]
struct Tested {
    passed: bool,
    cases: Vec<TestedCase>,
}

/// One case.
#[derive(Debug, Deserialize, Serialize)]
struct TestedCase {
    name: String,
    expected: String,
    found: String,
    passed: bool,
    policies: Vec<String>,
}

/// What is decided for one actor.
#[derive(Serialize)]
struct Can {
    actor: String,
    who: String,
    decision: &'static str,
    policies: Vec<String>,
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Check { files } => check(desk, &files).await,
            Self::Test { file, folder } => test(desk, &file, folder.as_deref()).await,
            Self::Analyse(analyse) => analyse.run(desk).await,
            Self::Explain(explain) => explain.run(desk).await,
            Self::Replay(replay) => replay.run(desk).await,
            Self::WhoCan { action, resource } => who_can(desk, &action, &resource).await,
        }
    }
}

async fn check(desk: &Desk, files: &[PathBuf]) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let mut all: Vec<Fault> = Vec::new();
    for path in files {
        let asked = json!({ "file": path.display().to_string(), "cedar": text(path)? });
        let found: Vec<Fault> = client.post("/api/v1/policies/check", &asked, None).await?;
        all.extend(found);
    }
    desk.out.show(&all, || {
        let mut told = String::new();
        faults(&mut told, &all);
        if all.is_empty() { format!("{} checked, nothing is wrong\n", files.len()) } else { told }
    })?;
    Ok(Exit::unless(!all.is_empty()))
}

async fn test(desk: &Desk, file: &Path, folder: Option<&Path>) -> Result<Exit, Failure> {
    let declarations = folder.map(read_folder).transpose().map_err(|wrong| {
        let first = wrong.first().map(FolderError::to_string).unwrap_or_default();
        Failure::new(&FOLDER, "the folder was not read").why(first)
    })?;
    let asked =
        json!({ "file": file.display().to_string(), "cases": text(file)?, "declarations": declarations });
    let tested: Tested = desk.client()?.post("/api/v1/policies/test", &asked, None).await?;
    desk.out.show(&tested, || {
        let mut told: String = tested.cases.iter().map(line).collect();
        let passed = tested.cases.iter().filter(|case| case.passed).count();
        told.push_str(&format!("{passed} of {} cases passed\n", tested.cases.len()));
        told
    })?;
    Ok(Exit::unless(!tested.passed))
}

fn line(case: &TestedCase) -> String {
    let word = if case.passed { "pass" } else { "FAIL" };
    let expected = if case.passed { String::new() } else { format!(", expected {}", case.expected) };
    let by =
        if case.policies.is_empty() { String::new() } else { format!(" (by {})", case.policies.join(", ")) };
    format!("{word}  {}: {}{expected}{by}\n", case.name, case.found)
}

/// Computed here, from the plan in force: who may see the plan may know what it decides.
async fn who_can(desk: &Desk, action: &str, resource: &str) -> Result<Exit, Failure> {
    let action = action_of(action)?;
    let plan = explain::plan_in_force(&desk.client()?).await?;
    let compiled = Compiled::compile(&plan).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        Failure::new(&crate::fail::INTERNAL, "the plan in force cannot be compiled here").why(first)
    })?;
    let target = compiled.resource(action, resource).ok_or_else(|| {
        let cut: String = resource.chars().take(80).collect();
        Failure::new(&WORD, format!("the plan holds no `{cut}` for `{}`", action.as_str()))
            .fix("name a model, `server/tool` or `service/operation` of the plan in force")
    })?;
    let all: Vec<Can> = compiled.who_can(action, target).into_iter().map(can).collect();
    desk.out.show(&all, || {
        let row = |one: &Can| vec![one.decision.to_owned(), one.who.clone(), one.policies.join(" ")];
        let rows: Vec<_> = all.iter().map(row).collect();
        desk.out.table(&["DECISION", "WHO", "BY"], &rows, "the plan holds nobody")
    })?;
    Ok(Exit::Clean)
}

/// The action with this word.
fn action_of(word: &str) -> Result<Action, Failure> {
    Action::from_word(word).ok_or_else(|| {
        let known = Action::ALL.map(Action::as_str).join(", ");
        let cut: String = word.chars().take(80).collect();
        Failure::new(&WORD, format!("there is no action `{cut}`")).fix(format!("the actions are {known}"))
    })
}

fn can(who: Who) -> Can {
    Can {
        actor: who.actor.to_string(),
        who: who.label.replace('`', ""),
        decision: who.decision.outcome.as_str(),
        policies: who.decision.determining.iter().map(|policy| policy.cedar_id.to_string()).collect(),
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| Failure::file("read", path, &error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
